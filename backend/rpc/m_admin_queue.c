/* What waits in the queue, and the audit. */
#include "backend/rpc/m_admin.h"

#include "backend/queue/job.h"
#include "backend/queue/runner.h"
#include "backend/store/due.h"
#include "common/base/codec.h"
#include "common/base/utf8.h"
#include "proto/method.pb-c.h"

#include <stdio.h>

#define ASK_MS     60000
#define SCAN       32 /* items of one read: at most 2 MiB of payloads */
#define SCAN_BYTES (SCAN * (size_t)STORE_PAYLOAD_MAX)

/* ---- the queue ---- */

struct scan {
	struct partition *part;
	struct due_item after, items[SCAN];
	size_t n;
	struct buf bytes;
	enum err result;
};

static void run_scan(void *arg)
{
	struct scan *s = arg;
	int64_t next;

	s->result =
		due_scan(s->part, INT64_MAX, &s->after, s->items, SCAN, &s->n, &next, &s->bytes);
}

/* An address from a client may be any bytes; a string field may not. */
static char *text_of(struct arena *mem, slice_t s)
{
	char *copy = arena_str(mem, s);

	for (size_t i = 0; i < s.n; i++) {
		if (copy[i] == '\0' || (!utf8_valid(s) && (copy[i] & 0x80) != 0))
			copy[i] = '?';
	}
	return copy;
}

static char *recipient_of(const struct be *be, const struct job *j, struct arena *mem)
{
	struct dir_account a;
	char text[DIR_ADDRESS_MAX + 32];

	if (j->address.n != 0 || j->naccounts == 0)
		return text_of(mem, j->address);
	if (j->naccounts > 1)
		snprintf(text, sizeof text, "%zu accounts", j->naccounts);
	else if (dir_account_by_id(be->dir, j->accounts[0], &a) == E_OK)
		snprintf(text, sizeof text, "%s", a.address);
	else
		snprintf(text, sizeof text, "account %llu", (unsigned long long)j->accounts[0]);
	return arena_str(mem, slice_str(text));
}

static Postern__AdminQueueItem *pack_item(const struct be *be, uint32_t partition,
					  const struct due_item *it, struct arena *mem)
{
	Postern__AdminQueueItem *m = arena_new(mem, Postern__AdminQueueItem);
	struct buf trace;
	struct job j;
	char id[48];

	postern__admin_queue_item__init(m);
	snprintf(id, sizeof id, "%u.%llu", partition, (unsigned long long)it->id);
	m->id = arena_str(mem, slice_str(id));
	m->due_us = it->due_us >= QUEUE_PARKED_US ? 0 : it->due_us;
	m->made_us = it->made_us;
	m->partition = partition;
	m->backend = arena_str(mem, slice_str(dir_node_name(be->dir)));
	if (job_unpack(it->payload, mem, &j) != E_OK) {
		m->kind = arena_str(mem, SL("unreadable"));
		return m;
	}
	m->kind = arena_str(mem, slice_str(job_kind_name(j.kind)));
	m->sender = text_of(mem, j.sender);
	m->address = recipient_of(be, &j, mem);
	m->attempts = j.attempts;
	m->last_error = text_of(mem, j.last_error);
	buf_init(&trace, 2 * sizeof j.trace_id, NULL);
	hex_encode(&trace, slice(j.trace_id, sizeof j.trace_id));
	m->trace = arena_str(mem, buf_slice(&trace));
	buf_fini(&trace);
	return m;
}

WAITS static enum err send_items(struct mcall *c, const struct scan *s)
{
	ProtobufCMessage *rows[SCAN];
	struct arena mem;
	enum err e;

	arena_init(&mem, NULL);
	for (size_t i = 0; i < s->n; i++)
		rows[i] = &pack_item(c->be, partition_id(s->part), &s->items[i], &mem)->base;
	e = admin_send_rows(c, &postern__admin_queue_page__descriptor, 0, rows, s->n);
	arena_reset(&mem);
	return e;
}

WAITS static enum err scan_partition(struct mcall *c, struct partition *part)
{
	struct scan *s = xcalloc(1, sizeof *s);
	enum err e;

	s->part = part;
	buf_init(&s->bytes, SCAN_BYTES, NULL);
	do {
		buf_reset(&s->bytes);
		s->n = 0;
		e = mcall_read("admin.queue", run_scan, s);
		if (e == E_OK)
			e = s->result;
		if (e == E_OK && s->n > 0) {
			e = send_items(c, s);
			s->after = s->items[s->n - 1];
		}
	} while (e == E_OK && s->n > 0);
	buf_fini(&s->bytes);
	xfree(&s);
	return e;
}

/* What waits there is not in the answer, as if the back-end were away. */
WAITS static enum err tell_closed(struct mcall *c, uint32_t id)
{
	Postern__AdminAway away = POSTERN__ADMIN_AWAY__INIT;
	ProtobufCMessage *row = &away.base;
	char why[64];

	snprintf(why, sizeof why, "partition %u is not open", id);
	away.backend = arena_str(&c->mem, slice_str(dir_node_name(c->be->dir)));
	away.why = why;
	return admin_send_rows(c, &postern__admin_queue_page__descriptor, 1, &row, 1);
}

WAITS static enum err queue_local(struct mcall *c)
{
	enum err e = E_OK;

	for (size_t i = 0; e == E_OK && i < partitions_count(c->be->parts); i++)
		e = scan_partition(c, partitions_at(c->be->parts, i));
	for (uint32_t id = 0; e == E_OK && admin_next_closed(c->be, &id); id++)
		e = tell_closed(c, id);
	return e;
}

WAITS enum err m_admin_queue_list(struct mcall *c)
{
	return admin_fan_out(c, &postern__admin_queue_page__descriptor,
			     POSTERN__METHOD__METHOD_PEER_QUEUE_LIST, NULL, deadline_in(ASK_MS),
			     queue_local);
}

WAITS enum err m_peer_queue_list(struct mcall *c)
{
	return admin_local(c, queue_local);
}

/* ---- the audit ---- */

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
