/* Management of what is demanded of other systems' servers. */
#include "backend/directory/dir_tls.h"
#include "backend/rpc/m_admin.h"

static Postern__AdminTls *pack_row(const struct dir_tls_row *r, struct arena *mem)
{
	Postern__AdminTls *m = arena_new(mem, Postern__AdminTls);
	char **peers = arena_alloc(mem, (r->npeers + 1) * sizeof *peers);

	postern__admin_tls__init(m);
	for (size_t i = 0; i < r->npeers; i++)
		peers[i] = admin_str(mem, r->peers[i]);
	m->destination = admin_str(mem, r->destination);
	m->level = admin_str(mem, slice_str(dir_tls_level_name(r->level)));
	m->changed_us = r->changed_us;
	if (r->level == DIR_TLS_PINNED) {
		m->fingerprints = peers;
		m->n_fingerprints = r->npeers;
	} else {
		m->names = peers;
		m->n_names = r->npeers;
	}
	return m;
}

WAITS enum err m_admin_tls_set(struct mcall *c)
{
	const Postern__AdminTlsSet *m = (const void *)c->msg;
	struct dir_tls_row row = {.destination = slice_str(m->destination)};
	struct dir_actor by = admin_actor(c);
	char **peers = m->names;

	if (!dir_tls_level_parse(slice_str(m->level), &row.level))
		return diag_set(&c->diag, E_INVALID,
				"a level is none, may, encrypt, verify, dane, dane-only or pinned");
	row.npeers = m->n_names;
	if (row.level == DIR_TLS_PINNED) {
		peers = m->fingerprints;
		row.npeers = m->n_fingerprints;
	}
	if ((row.level == DIR_TLS_PINNED ? m->n_names : m->n_fingerprints) != 0)
		return diag_set(&c->diag, E_INVALID,
				"only verify has names, only pinned fingerprints");
	row.peers = arena_alloc(&c->mem, (row.npeers + 1) * sizeof *row.peers);
	for (size_t i = 0; i < row.npeers; i++)
		row.peers[i] = slice_str(peers[i]);
	return dir_tls_set(c->be->dir, &by, &row, &c->diag);
}

WAITS static enum err list_slice(struct mcall *c, slice_t after, struct arena *mem,
				 struct admin_slice *out)
{
	struct dir_tls_page page;
	enum err e = dir_tls_list(c->be->dir, after, ADMIN_PAGE, mem, &page, &c->diag);

	if (e != E_OK)
		return e;
	out->rows = arena_alloc(mem, (page.n + 1) * sizeof *out->rows);
	for (size_t i = 0; i < page.n; i++)
		out->rows[i] = &pack_row(&page.rows[i], mem)->base;
	out->n = page.n;
	out->more = page.n == ADMIN_PAGE;
	if (page.n != 0)
		out->last = page.rows[page.n - 1].destination;
	return E_OK;
}

WAITS enum err m_admin_tls_list(struct mcall *c)
{
	return admin_list(c, &postern__admin_tls_page__descriptor, list_slice);
}

WAITS enum err m_admin_tls_show(struct mcall *c)
{
	const Postern__AdminTlsName *m = (const void *)c->msg;
	struct dir_tls_row row;
	enum err e = dir_tls_show(c->be->dir, slice_str(m->destination), &c->mem, &row, &c->diag);

	return e == E_OK ? mcall_reply(c, &pack_row(&row, &c->mem)->base, RPC_NO_BODY) : e;
}

WAITS enum err m_admin_tls_remove(struct mcall *c)
{
	const Postern__AdminTlsName *m = (const void *)c->msg;
	struct dir_actor by = admin_actor(c);

	return dir_tls_remove(c->be->dir, &by, slice_str(m->destination), &c->diag);
}
