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

void sign_list_keys(struct mcall *c, slice_t address, Postern__SenderCheckReply *reply)
{
	struct signer_key keys[DKIM_SIGS_MAX];
	char room[DOMAIN_MAX + 1];
	slice_t domain = domain_of(address, room);
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

WAITS enum err sign_commit(struct mcall *c, const Postern__DeliverCommit *m,
			   struct deliver_msg *out)
{
	struct sign_ask asks[DKIM_SIGS_MAX];
	slice_t author = MCALL_SLICE(m->author), domain;
	char room[DOMAIN_MAX + 1];
	enum dir_sender right;
	struct buf b;
	enum err e;

	if (m->n_signatures == 0 || c->peer->role != ROLE_FRONTEND ||
	    c->peer->service != SERVICE_SUBMISSION)
		return E_OK;
	domain = domain_of(author, room);
	if (domain.n == 0 || !read_asks(m, asks))
		return diag_set(&c->diag, E_INVALID, "not what can be signed");
	e = dir_sender(c->be->dir, c->claims.account, author, &right);
	if (e != E_OK)
		return diag_set(&c->diag, e, "the author is not the account");
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
