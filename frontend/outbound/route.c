#include "frontend/outbound/route.h"

#include "common/crypto/random.h"
#include "common/crypto/secret.h"
#include "common/log/log.h"
#include "frontend/core/policy.h"

uint16_t route_port(const struct outbound_route *r)
{
	return r->lmtp ? ROUTE_LMTP_PORT : (uint16_t)policy()->smtp_port_out;
}

bool route_allows(const struct outbound_route *r, uint8_t family)
{
	return !r->source_only || (family == 4 ? &r->source4 : &r->source6)->family == family;
}

/* Our end: the route's, or the setting's, of the peer's family. */
static const struct ipaddr *source_for(const struct outbound_route *r, uint8_t family,
				       struct ipaddr *mem)
{
	const struct ipaddr *own = family == 4 ? &r->source4 : &r->source6;
	const char *text = family == 4 ? policy()->outbound.source4 : policy()->outbound.source6;

	if (own->family == family) {
		*mem = *own;
		return mem;
	}
	if (text[0] == '\0')
		return NULL;
	if (ipaddr_parse(slice_str(text), mem) && mem->family == family)
		return mem;
	LOG_SELDOM(LOG_ERROR, NULL, "outbound.bad_source", LF_STR("address", text));
	return NULL;
}

static const char *helo_for(const struct outbound_route *r)
{
	if (r->helo[0] != '\0')
		return r->helo;
	return policy()->outbound.helo[0] != '\0' ? policy()->outbound.helo : policy()->hostname;
}

static slice_t keep(slice_t s, char *mem)
{
	size_t n = MIN(s.n, (size_t)OUTBOUND_LOGIN_MAX);

	if (n != 0)
		memcpy(mem, s.p, n);
	return slice(mem, n);
}

void route_apply(const struct outbound_route *r, struct route_own *own, struct smtp_client_opts *o)
{
	o->kind = r->lmtp ? SMTP_KIND_LMTP : SMTP_KIND_SMTP;
	o->source = source_for(r, o->addr.family, &own->source);
	/* One that is too long is none, as another that is no name. */
	if (!slice_to_str(slice_str(helo_for(r)), own->helo, sizeof own->helo))
		own->helo[0] = '\0';
	o->helo = own->helo;
	own->wait = smtp_timeouts_default;
	own->wait.connect_ms = policy()->outbound.connect_timeout_ms;
	o->timeouts = &own->wait;
	o->user = keep(r->user, own->user);
	o->password = keep(r->password, own->password);
	if (o->port != ROUTE_SMTPS)
		return;
	o->tls_start = SMTP_TLS_AT_ONCE;
	if (o->tls == SMTP_TLS_MAY)
		o->tls = SMTP_TLS_ENCRYPT; /* there is no clear text to fall back to */
}

void route_forget(struct route_own *own)
{
	secret_wipe(own->user, sizeof own->user);
	secret_wipe(own->password, sizeof own->password);
}

void route_login_of(const struct outbound_route *r, struct route_login *out)
{
	static uint8_t key[SHA256_LEN];
	static bool drawn;
	uint8_t user[SHA256_LEN];

	*out = (struct route_login){{0}};
	if (r->user.n == 0 && r->password.n == 0)
		return;
	if (!drawn)
		random_bytes(key, sizeof key);
	drawn = true;
	hmac_sha256(slice(key, sizeof key), r->user, user);
	hmac_sha256(slice(user, sizeof user), r->password, out->mark);
}
