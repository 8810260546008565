/* Management of aliases and groups. */
#include "backend/rpc/m_admin.h"

#define LISTED_MEMBERS 50 /* of one alias in a list: 50 of the longest are 13 KiB of a frame */
#define PIECE          (32 * 1024)

static Postern__AdminAlias *pack_alias(const struct dir_alias_row *r, size_t members,
				       struct arena *mem)
{
	Postern__AdminAlias *m = arena_new(mem, Postern__AdminAlias);

	postern__admin_alias__init(m);
	m->address = admin_str(mem, r->address);
	m->kind = (Postern__AliasKind)r->kind;
	m->enabled = r->enabled;
	m->member_count = r->nmembers;
	m->created_us = r->created_us;
	m->send_as = (Postern__AliasSenders)(r->senders + 1);
	m->n_members = MIN(r->nmembers, members);
	m->members = arena_alloc(mem, m->n_members * sizeof(*m->members));
	for (size_t i = 0; i < m->n_members; i++)
		m->members[i] = admin_str(mem, r->members[i]);
	return m;
}

static struct dir_alias_spec read_spec(struct mcall *c)
{
	const Postern__AdminAliasSpec *m = (const void *)c->msg;
	slice_t *members = arena_alloc(&c->mem, m->n_members * sizeof(*members));

	for (size_t i = 0; i < m->n_members; i++)
		members[i] = slice_str(m->members[i]);
	return (struct dir_alias_spec){
		.address = slice_str(m->address),
		.kind = m->group ? DIR_GROUP : DIR_ALIAS,
		.members = members,
		.nmembers = m->n_members,
		.senders = m->send_as == POSTERN__ALIAS_SENDERS__ALIAS_SENDERS_NONE
				   ? DIR_SENDERS_ALONE
				   : (enum dir_alias_senders)(m->send_as - 1),
	};
}

WAITS enum err m_admin_alias_add(struct mcall *c)
{
	struct dir_actor by = admin_actor(c);
	struct dir_alias_spec s = read_spec(c);

	return dir_alias_add(c->be->dir, &by, &s, &c->diag);
}

/* What it is stays as it is, and what is not given. */
WAITS enum err m_admin_alias_set(struct mcall *c)
{
	const Postern__AdminAliasSpec *m = (const void *)c->msg;
	struct dir_actor by = admin_actor(c);
	struct dir_alias_spec s = read_spec(c);
	struct dir_alias_row row;
	enum err e = dir_alias_show(c->be->dir, s.address, &c->mem, &row, &c->diag);

	if (e != E_OK)
		return e;
	s.kind = row.kind;
	if (m->send_as == POSTERN__ALIAS_SENDERS__ALIAS_SENDERS_NONE)
		s.senders = row.senders;
	if (s.nmembers == 0) {
		s.members = row.members;
		s.nmembers = row.nmembers;
	}
	return dir_alias_set(c->be->dir, &by, &s, &c->diag);
}

WAITS static enum err list_slice(struct mcall *c, slice_t after, struct arena *mem,
				 struct admin_slice *out)
{
	const Postern__AdminAliasList *m = (const void *)c->msg;
	struct dir_alias_page page;
	enum err e = dir_alias_list(c->be->dir, slice_str(m->domain), after, ADMIN_PAGE, mem, &page,
				    &c->diag);

	if (e != E_OK)
		return e;
	out->rows = arena_alloc(mem, page.n * sizeof(*out->rows));
	for (size_t i = 0; i < page.n; i++)
		out->rows[i] = &pack_alias(&page.rows[i], LISTED_MEMBERS, mem)->base;
	out->n = page.n;
	out->more = page.n == ADMIN_PAGE;
	if (page.n != 0)
		out->last = page.rows[page.n - 1].address;
	return E_OK;
}

WAITS enum err m_admin_alias_list(struct mcall *c)
{
	const Postern__AdminAliasList *m = (const void *)c->msg;
	enum err e = admin_domain_known(c, m->domain);

	return e == E_OK ? admin_list(c, &postern__admin_alias_page__descriptor, list_slice) : e;
}

/* A thousand members may be longer than a frame: then the answer is its body. */
WAITS static enum err reply_long(struct mcall *c, const ProtobufCMessage *m)
{
	size_t n = protobuf_c_message_get_packed_size(m);
	uint8_t *bytes = arena_alloc(&c->mem, n);
	enum err e;

	if (n <= PIECE)
		return mcall_reply(c, m, RPC_NO_BODY);
	protobuf_c_message_pack(m, bytes);
	e = mcall_reply(c, NULL, RPC_BODY);
	for (size_t at = 0; e == E_OK && at < n; at += PIECE)
		e = rpc_req_send(c->req, slice(bytes + at, MIN(n - at, (size_t)PIECE)));
	return e == E_OK ? rpc_req_send_end(c->req) : e;
}

WAITS enum err m_admin_alias_show(struct mcall *c)
{
	const Postern__AdminAliasName *m = (const void *)c->msg;
	struct dir_alias_row row;
	enum err e = dir_alias_show(c->be->dir, slice_str(m->address), &c->mem, &row, &c->diag);

	return e == E_OK ? reply_long(c, &pack_alias(&row, SIZE_MAX, &c->mem)->base) : e;
}

WAITS enum err m_admin_alias_remove(struct mcall *c)
{
	const Postern__AdminAliasName *m = (const void *)c->msg;
	struct dir_actor by = admin_actor(c);

	return dir_alias_remove(c->be->dir, &by, slice_str(m->address), &c->diag);
}

WAITS enum err m_admin_alias_on(struct mcall *c)
{
	const Postern__AdminAliasName *m = (const void *)c->msg;
	struct dir_actor by = admin_actor(c);

	return dir_alias_on(c->be->dir, &by, slice_str(m->address), &c->diag);
}

WAITS enum err m_admin_alias_off(struct mcall *c)
{
	const Postern__AdminAliasName *m = (const void *)c->msg;
	struct dir_actor by = admin_actor(c);

	return dir_alias_off(c->be->dir, &by, slice_str(m->address), &c->diag);
}
