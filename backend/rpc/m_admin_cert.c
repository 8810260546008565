/* Certificates of the cluster's CA, as far as they were registered; and their revocation. */
#include "backend/rpc/m_admin.h"

static Postern__AdminCert *pack_cert(const struct dir_cert_row *r, struct arena *mem)
{
	Postern__AdminCert *m = arena_new(mem, Postern__AdminCert);

	postern__admin_cert__init(m);
	m->serial = admin_str(mem, r->serial);
	m->name = admin_str(mem, r->name);
	m->issued_us = r->issued_us;
	m->expires_us = r->expires_us;
	m->revoked_us = r->revoked_us;
	return m;
}

WAITS enum err m_admin_cert_issued(struct mcall *c)
{
	const Postern__AdminCertIssued *m = (const void *)c->msg;
	struct dir_actor by = admin_actor(c);
	struct rpc_identity id;

	if (!rpc_identity_parse(slice_str(m->name), &id))
		return diag_set(&c->diag, E_INVALID, "%s: not an identity", m->name);
	return dir_cert_issued(c->be->dir, &by, slice_str(m->serial), slice_str(m->name),
			       m->expires_us, &c->diag);
}

WAITS static enum err list_slice(struct mcall *c, slice_t after, struct arena *mem,
				 struct admin_slice *out)
{
	struct dir_cert_page page;
	enum err e = dir_cert_list(c->be->dir, after, ADMIN_PAGE, mem, &page, &c->diag);

	if (e != E_OK)
		return e;
	out->rows = arena_alloc(mem, page.n * sizeof(*out->rows));
	for (size_t i = 0; i < page.n; i++)
		out->rows[i] = &pack_cert(&page.rows[i], mem)->base;
	out->n = page.n;
	out->more = page.n == ADMIN_PAGE;
	if (page.n != 0)
		out->last = page.rows[page.n - 1].serial;
	return E_OK;
}

WAITS enum err m_admin_cert_list(struct mcall *c)
{
	return admin_list(c, &postern__admin_cert_page__descriptor, list_slice);
}

/* Of that name, or of a service of that front-end. */
static bool is_of(slice_t name, slice_t which)
{
	return slice_eq(name, which) || (slice_starts(name, which) && name.p[which.n] == '/');
}

/* One page of certificates: revokes those of that name; *after becomes the last serial. */
WAITS static enum err revoke_page(struct mcall *c, slice_t name, struct buf *after, bool *more,
				  uint64_t *revoked)
{
	struct dir_actor by = admin_actor(c);
	struct dir_cert_page page;
	struct arena mem;
	enum err e;

	arena_init(&mem, NULL);
	e = dir_cert_list(c->be->dir, buf_slice(after), ADMIN_PAGE, &mem, &page, &c->diag);
	*more = e == E_OK && page.n == ADMIN_PAGE;
	for (size_t i = 0; e == E_OK && i < page.n; i++) {
		const struct dir_cert_row *r = &page.rows[i];

		if (r->revoked_us != 0 || !is_of(r->name, name))
			continue;
		e = dir_cert_revoke(c->be->dir, &by, r->serial, r->name, &c->diag);
		*revoked += e == E_OK;
	}
	buf_reset(after);
	if (*more)
		buf_put(after, page.rows[page.n - 1].serial);
	arena_reset(&mem);
	return e;
}

WAITS static enum err revoke_name(struct mcall *c, slice_t name, uint64_t *revoked)
{
	struct buf after;
	bool more = true;
	enum err e = E_OK;

	buf_init(&after, 256, NULL);
	while (e == E_OK && more)
		e = revoke_page(c, name, &after, &more, revoked);
	buf_fini(&after);
	if (e == E_OK && *revoked == 0)
		e = diag_set(&c->diag, E_NOT_FOUND, "no valid certificate of %.*s is registered",
			     (int)name.n, name.p);
	return e;
}

WAITS enum err m_admin_cert_revoke(struct mcall *c)
{
	const Postern__AdminCertRevoke *m = (const void *)c->msg;
	Postern__AdminCertRevoked reply = POSTERN__ADMIN_CERT_REVOKED__INIT;
	struct dir_actor by = admin_actor(c);
	slice_t what = slice_str(m->what);
	enum err e;

	/* As openssl prints them. */
	for (char *p = m->what; *p != '\0'; p++)
		*p = ascii_lower(*p);

	/* Names have slashes, serials have none. */
	if (slice_find_char(what, '/') != what.n) {
		e = revoke_name(c, what, &reply.revoked);
	} else {
		e = dir_cert_revoke(c->be->dir, &by, what, SLICE_NONE, &c->diag);
		reply.revoked = 1;
	}
	return e == E_OK ? mcall_reply(c, &reply.base, RPC_NO_BODY) : e;
}
