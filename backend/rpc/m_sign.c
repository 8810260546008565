#include "backend/rpc/m_sign.h"

#include "backend/directory/dir_rights.h"
#include "backend/store/store.h"
#include "common/log/log.h"
#include "common/parse/idn.h"

/* Of Return-Path, which each copy gets beside what is here. */
#define RETURN_PATH_ROOM 512

/* The domain of an address, as keys are named after it; "" when it has none. */
static slice_t domain_of(slice_t address, char room[DOMAIN_MAX + 1])
{
	const char *at = address.n != 0 ? memrchr(address.p, '@', address.n) : NULL;

	if (at == NULL ||
	    domain_normalise(slice_from(address, (size_t)(at - address.p) + 1), room) != E_OK)
		return SLICE_NONE;
	return slice_str(room);
}

/* The nearest of the address's domain and those above it that has keys; "": none has. Only domains
 * of ours have, so that it is never a registry's. */
static slice_t keyed_domain(const struct mcall *c, slice_t address, char room[DOMAIN_MAX + 1])
{
	struct signer_key keys[DKIM_SIGS_MAX];
	slice_t domain = domain_of(address, room);

	while (domain.n != 0 && signer_keys(c->be->signer, domain, keys) == 0)
		domain = slice_from(domain, slice_find_char(domain, '.') + 1);
	return domain;
}

static void list_keys(struct mcall *c, slice_t domain, Postern__SenderCheckReply *reply)
{
	struct signer_key keys[DKIM_SIGS_MAX];
	size_t n = domain.n != 0 ? signer_keys(c->be->signer, domain, keys) : 0;

	reply->keys = arena_alloc(&c->mem, DKIM_SIGS_MAX * sizeof(Postern__SigningKey *));
	for (size_t i = 0; i < n; i++) {
		Postern__SigningKey *k = arena_new(&c->mem, Postern__SigningKey);

		postern__signing_key__init(k);
		k->algorithm = keys[i].algorithm;
		k->selector = arena_str(&c->mem, slice_str(keys[i].selector));
		reply->keys[reply->n_keys++] = k;
	}
}

void sign_list_keys(struct mcall *c, slice_t address, Postern__SenderCheckReply *reply)
{
	char room[DOMAIN_MAX + 1];

	list_keys(c, domain_of(address, room), reply);
}

void sign_list_notice_keys(struct mcall *c, slice_t address, Postern__SenderCheckReply *reply)
{
	char room[DOMAIN_MAX + 1];
	slice_t domain = keyed_domain(c, address, room);

	list_keys(c, domain, reply);
	reply->domain = arena_str(&c->mem, domain);
}

/* False: a request that cannot be answered. */
static bool read_asks(const Postern__DeliverCommit *m, struct sign_ask asks[DKIM_SIGS_MAX])
{
	if (m->n_signatures > DKIM_SIGS_MAX)
		return false;
	for (size_t i = 0; i < m->n_signatures; i++) {
		const Postern__SignatureAsk *a = m->signatures[i];

		if (a->digest.len != SHA256_LEN)
			return false;
		asks[i] = (struct sign_ask){
			.algorithm = (enum sign_algorithm)a->algorithm,
			.selector = slice_str(a->selector),
			.open = MCALL_SLICE(a->field),
			.digest = a->digest.data,
		};
	}
	return true;
}

/* Whose keys sign it, if the peer and the ticket may have that signed; "": nobody's. */
static enum err may_sign(struct mcall *c, slice_t author, char room[DOMAIN_MAX + 1],
			 slice_t *domain_out)
{
	enum dir_sender right;
	enum err e;

	*domain_out = SLICE_NONE;
	if (c->peer->role != ROLE_FRONTEND)
		return E_OK;
	/* Of the way out files of pickup folders have an account, and notices none. */
	if (c->peer->service == SERVICE_OUTBOUND && c->claims.account == 0) {
		*domain_out = keyed_domain(c, author, room);
		return E_OK;
	}
	if (c->peer->service != SERVICE_SUBMISSION && c->peer->service != SERVICE_OUTBOUND)
		return E_OK;
	*domain_out = domain_of(author, room);
	if (domain_out->n == 0)
		return diag_set(&c->diag, E_INVALID, "the author is no address");
	e = dir_sender(c->be->dir, c->claims.account, author, &right);
	return e == E_OK ? E_OK : diag_set(&c->diag, e, "the author is not the account");
}

WAITS enum err sign_commit(struct mcall *c, const Postern__DeliverCommit *m,
			   struct deliver_msg *out)
{
	struct sign_ask asks[DKIM_SIGS_MAX];
	char room[DOMAIN_MAX + 1];
	slice_t domain;
	struct buf b;
	enum err e;

	if (m->n_signatures == 0)
		return E_OK;
	e = may_sign(c, MCALL_SLICE(m->author), room, &domain);
	if (e != E_OK || domain.n == 0)
		return e;
	if (!read_asks(m, asks))
		return diag_set(&c->diag, E_INVALID, "not what can be signed");
	buf_init(&b, STORE_PREFIX_MAX, NULL);
	e = signer_fields(c->be->signer, domain, asks, m->n_signatures, &b);
	/* Where both have no room, the message goes without. */
	if (e == E_OK && b.n + out->prefix.n + RETURN_PATH_ROOM <= STORE_PREFIX_MAX) {
		buf_put(&b, out->prefix);
		out->prefix = arena_dup(&c->mem, buf_slice(&b));
	} else if (e == E_OK) {
		LOG_SELDOM(LOG_WARN, NULL, "dkim.no_room", LF_UINT("prefix", out->prefix.n));
	}
	buf_fini(&b);
	return e;
}
