/*
 * auth_krb: log-ins with a Kerberos ticket (GSSAPI, RFC 4752 section 3.2).
 *
 *   start  the ticket, and a token that proves that it is the client's
 *          <- our token, where the client wants a proof of us;  <- empty
 *          <- signed: no layer but TLS
 *   step   signed: agreed, and as whom                           -> done
 *
 * Who has a ticket is known after the first message. A back-end that does not own the account says
 * so then, and the owner gets the same token again: each has a replay cache of its own, and a token
 * that two have seen logs nobody in without the signed message that only its maker can write.
 *
 * The KDC vouches for a name, so there is nothing to guess: the directory need only say, from its
 * copy, whose account that is, and that it is active.
 */
#include "backend/auth/auth_priv.h"
#include "proto/settings.h"

#define LAYER_MAX 1024 /* of the signed message: four bytes and a name */

/* What RFC 4752 and the protocols call a service; a ticket for another is not for us. */
static slice_t service_name(enum rpc_service s)
{
	switch (s) {
	case SERVICE_SUBMISSION:
		return SL("smtp"); /* RFC 4954 section 4 */
	case SERVICE_IMAP:
		return SL("imap"); /* RFC 9051 section 6.2.2 */
	case SERVICE_POP3:
		return SL("pop"); /* RFC 5034 section 4 */
	case SERVICE_MANAGESIEVE:
		return SL("sieve"); /* RFC 5804 section 2.1 */
	case SERVICE_NONE:
	case SERVICE_SMTP:
	case SERVICE_OUTBOUND:
	case SERVICE_INGEST:
	case SERVICE_WEB:
		break;
	}
	return SLICE_NONE;
}

/* ---- whose account ---- */

static bool is_realm(slice_t item, slice_t name, struct settings_realm *out)
{
	return settings_realm_parse(item, out) && slice_eq(out->realm, name);
}

static bool own_realm(const struct conf *c, slice_t name, struct settings_realm *out)
{
	for (size_t i = 0; i < conf_count(c, SETTINGS_REALMS); i++) {
		if (is_realm(slice_str(conf_item(c, SETTINGS_REALMS, i)), name, out))
			return true;
	}
	return false;
}

bool auth_krb_realm(const struct auth *a, slice_t name, struct settings_realm *out)
{
	slice_t rest;

	if (a->overrides != NULL && conf_is_set(a->overrides, SETTINGS_REALMS))
		return own_realm(a->overrides, name, out);
	for (rest = dir_setting(a->dir, SETTINGS_REALMS); rest.n > 0;) {
		size_t comma = slice_find_char(rest, ',');

		if (is_realm(slice_trim(slice_sub(rest, 0, comma)), name, out))
			return true;
		rest = slice_from(rest, comma + 1);
	}
	return false;
}

/* user@REALM, the address that it stands for; false: for none of ours. */
static bool address_of(const struct auth *a, slice_t principal, struct buf *out)
{
	struct settings_realm r;
	slice_t name, realm;

	if (!sasl_principal_parse(principal, &name, &realm) || !auth_krb_realm(a, realm, &r))
		return false;
	buf_put(out, name);
	buf_putc(out, '@');
	buf_put(out, r.domain);
	return !buf_failed(out);
}

static enum err know_client(struct auth *a, struct exchange *x, const struct krb_client *c,
			    struct auth_reply *out, struct diag *d)
{
	slice_t service = slice_str(c->service);
	struct buf address;
	enum err e;

	buf_init(&address, DIR_ADDRESS_MAX, NULL);
	auth_odd_name(x, slice_str(c->principal));
	if (!slice_eq(slice_sub(service, 0, slice_find_char(service, '/')),
		      service_name(x->frontend.service)))
		e = auth_denied(a, x, "a ticket for another service", 0, d);
	else if (!address_of(a, slice_str(c->principal), &address))
		e = auth_denied(a, x, "not a user of a realm of ours", 0, d);
	else
		e = auth_name(a, x, SLICE_NONE, buf_slice(&address), out, d);
	buf_fini(&address);
	if (e != E_OK)
		return e;
	if (x->unsure)
		return diag_set(d, E_RETRY, "log-ins are not possible just now");
	if (!x->known || x->account.state != DIR_ACTIVE)
		return auth_denied(a, x, x->known ? "not active" : "no such account", 0, d);
	return E_OK;
}

/* ---- the exchange ---- */

struct accept_job {
	const struct krb_keys *keys;
	slice_t token;
	struct krb_client client;
	struct buf answer;
	struct diag why;
	enum err e;
};

static void accept_job(void *arg)
{
	struct accept_job *j = arg;

	j->e = krb_accept(j->keys, j->token, &j->client, &j->answer, &j->why);
}

/* The library is asked for addresses that need not wait. */
WAITS static enum err accept_token(struct auth *a, struct exchange *x, struct accept_job *j,
				   struct diag *d)
{
	enum err e;

	if (throttle_check(a->throttle, SLICE_NONE, &x->ip) != E_OK)
		return auth_limited(a, x, d);
	e = verify_work(&a->verify, "auth.krb", accept_job, j);
	if (e != E_OK)
		return diag_set(d, e, "too many log-ins at once");
	a->counts.verified++;
	x->krb = j->client.context;
	return j->e == E_OK ? E_OK : auth_denied(a, x, j->why.text, 0, d);
}

static enum err offer(struct exchange *x, struct auth_reply *out, struct diag *d)
{
	enum err e = krb_wrap(x->krb, SASL_GSSAPI_OFFER, &out->challenge);

	if (e != E_OK || buf_failed(&out->challenge))
		return diag_set(d, E_INTERNAL, "the offer cannot be signed");
	x->state = X_KRB_CHOICE;
	return E_OK;
}

WAITS static enum err step_token(struct auth *a, struct exchange *x, slice_t message,
				 struct auth_reply *out, struct diag *d)
{
	struct accept_job j = {.keys = a->krb_keys, .token = message};
	enum err e;

	if (a->krb_keys == NULL)
		return diag_set(d, E_RETRY, "this back-end has no keytab");
	buf_init(&j.answer, AUTH_CHALLENGE_MAX, NULL);
	e = accept_token(a, x, &j, d);
	if (e == E_OK)
		e = know_client(a, x, &j.client, out, d);
	if (e == E_OK && j.answer.n == 0 && !buf_failed(&j.answer)) {
		e = offer(x, out, d);
	} else if (e == E_OK) {
		x->state = X_KRB_OFFER;
		buf_put(&out->challenge, buf_slice(&j.answer));
		if (buf_failed(&j.answer) || buf_failed(&out->challenge))
			e = diag_set(d, E_INTERNAL, "a token of ours that is too long");
	}
	buf_fini(&j.answer);
	return e;
}

static enum err step_choice(struct auth *a, struct exchange *x, slice_t message,
			    struct auth_reply *out, struct diag *d)
{
	struct buf clear;
	slice_t authzid;
	enum err e;

	buf_init(&clear, LAYER_MAX, NULL);
	e = krb_unwrap(x->krb, message, &clear);
	if (e != E_OK)
		e = auth_denied(a, x, "a last message that is not the client's", 0, d);
	else if (buf_failed(&clear) || !sasl_gssapi_choice(buf_slice(&clear), &authzid))
		e = diag_set(d, E_INVALID, "a security layer that was not offered");
	else if (!auth_acts_as(a, x, authzid))
		e = auth_denied(a, x, "authzid", 0, d);
	else
		e = auth_log_in(a, x, x->account.epoch, out, d);
	buf_fini(&clear);
	return e;
}

WAITS enum err auth_krb(struct auth *a, struct exchange *x, slice_t message, struct auth_reply *out,
			struct diag *d)
{
	switch (x->state) {
	case X_START:
		return step_token(a, x, message, out, d);
	case X_KRB_OFFER:
		if (message.n > 0)
			return diag_set(d, E_INVALID, "a token too many");
		return offer(x, out, d);
	case X_KRB_CHOICE:
		return step_choice(a, x, message, out, d);
	case X_LOGIN_PASSWORD:
	case X_SCRAM_FINAL:
		break;
	}
	return E_INTERNAL;
}
