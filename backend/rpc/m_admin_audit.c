/* What administrators did. */
#include "backend/rpc/m_admin.h"

static Postern__AdminAuditRecord *pack_record(const struct dir_audit_row *r, struct arena *mem)
{
	Postern__AdminAuditRecord *m = arena_new(mem, Postern__AdminAuditRecord);

	postern__admin_audit_record__init(m);
	m->id = r->id;
	m->when_us = r->when_us;
	m->who = admin_str(mem, r->who);
	m->from = admin_str(mem, r->from);
	m->method = admin_str(mem, r->method);
	m->target = admin_str(mem, r->target);
	m->result = admin_str(mem, r->result);
	m->detail = admin_str(mem, r->detail);
	return m;
}

/* At most *left records from *before back; both move on. */
WAITS static enum err audit_page(struct mcall *c, uint64_t *before, uint64_t *left)
{
	ProtobufCMessage *rows[ADMIN_PAGE];
	struct dir_audit_page page;
	struct arena mem;
	enum err e;

	arena_init(&mem, NULL);
	e = dir_audit_list(c->be->dir, *before, MIN(*left, (uint64_t)ADMIN_PAGE), &mem, &page,
			   &c->diag);
	if (e == E_OK && !c->replied)
		e = mcall_reply(c, NULL, RPC_BODY);
	for (size_t i = 0; e == E_OK && i < page.n; i++)
		rows[i] = &pack_record(&page.rows[i], &mem)->base;
	if (e == E_OK)
		e = admin_send_rows(c, &postern__admin_audit_page__descriptor, 0, rows, page.n);
	if (e == E_OK) {
		*left = page.n == ADMIN_PAGE ? *left - page.n : 0;
		*before = page.n > 0 ? page.rows[page.n - 1].id : 0;
	}
	arena_reset(&mem);
	return e;
}

WAITS enum err m_admin_audit_list(struct mcall *c)
{
	const Postern__AdminAuditList *m = (const void *)c->msg;
	uint64_t before = m->before, left = m->limit != 0 ? m->limit : UINT64_MAX;
	enum err e;

	do
		e = audit_page(c, &before, &left);
	while (e == E_OK && left > 0);
	return e == E_OK ? rpc_req_send_end(c->req) : e;
}
