/* Walking the invariants of partitions, one after the other, at every back-end. */
#include "backend/rpc/m_admin.h"

#include "backend/store/fsck.h"
#include "common/base/utf8.h"
#include "proto/method.pb-c.h"

#include <stdio.h>

#define FINDINGS_BYTES (256 * 1024) /* of one partition; more are counted, not told */

struct walk {
	struct partition *part;
	enum fsck_depth depth;
	struct buf findings; /* each with a NUL */
	struct fsck_report report;
	enum err result;
};

static void say(void *arg, const char *text)
{
	struct walk *w = arg;

	buf_put(&w->findings, slice(text, strlen(text) + 1));
}

static void run_fsck(void *arg)
{
	struct walk *w = arg;

	w->result = fsck_partition(w->part, w->depth, say, w, &w->report);
}

WAITS static enum err send_findings(struct mcall *c, const struct walk *w, struct arena *mem)
{
	slice_t rest = buf_slice(&w->findings);
	ProtobufCMessage *rows[ADMIN_FRAME_ROWS];
	size_t n = 0;
	enum err e = E_OK;

	while (e == E_OK && rest.n > 0) {
		Postern__AdminFsckFinding *m = arena_new(mem, Postern__AdminFsckFinding);
		slice_t text = slice_sub(rest, 0, slice_find_char(rest, '\0'));

		postern__admin_fsck_finding__init(m);
		m->backend = arena_str(mem, slice_str(dir_node_name(c->be->dir)));
		m->partition = partition_id(w->part);
		m->text = arena_str(mem, utf8_valid(text) ? text : SL("(not UTF-8)"));
		rows[n++] = &m->base;
		rest = slice_from(rest, text.n + 1);
		if (n == ARRAY_LEN(rows) || rest.n == 0) {
			e = admin_send_rows(c, &postern__admin_fsck_page__descriptor, 0, rows, n);
			n = 0;
		}
	}
	return e;
}

WAITS static enum err send_report(struct mcall *c, const struct walk *w, struct arena *mem)
{
	Postern__AdminFsckPartition m = POSTERN__ADMIN_FSCK_PARTITION__INIT;
	ProtobufCMessage *row = &m.base;

	m.backend = arena_str(mem, slice_str(dir_node_name(c->be->dir)));
	m.partition = partition_id(w->part);
	m.errors = w->report.errors;
	m.accounts = w->report.accounts;
	m.mailboxes = w->report.mailboxes;
	m.messages = w->report.messages;
	m.records = w->report.records;
	m.record_bytes = w->report.record_bytes;
	m.queue = w->report.queue_items;
	return admin_send_rows(c, &postern__admin_fsck_page__descriptor, 1, &row, 1);
}

WAITS static enum err fsck_one(struct mcall *c, struct partition *part)
{
	const Postern__AdminFsck *m = (const void *)c->msg;
	struct walk w = {.part = part, .depth = m->quick ? FSCK_ROWS : FSCK_RECORDS};
	struct arena mem;
	enum err e;

	arena_init(&mem, NULL);
	buf_init(&w.findings, FINDINGS_BYTES, NULL);
	e = mcall_read("admin.fsck", run_fsck, &w);
	if (e == E_OK)
		e = w.result;
	if (e == E_OK)
		e = send_findings(c, &w, &mem);
	if (e == E_OK)
		e = send_report(c, &w, &mem);
	buf_fini(&w.findings);
	arena_reset(&mem);
	return e;
}

/* Of a partition that is not open nothing can be said, least of all that it is clean. */
WAITS static enum err tell_closed(struct mcall *c, uint32_t id)
{
	Postern__AdminFsckFinding finding = POSTERN__ADMIN_FSCK_FINDING__INIT;
	Postern__AdminFsckPartition count = POSTERN__ADMIN_FSCK_PARTITION__INIT;
	ProtobufCMessage *row = &finding.base;
	char text[64];
	enum err e;

	snprintf(text, sizeof text, "partition %u is not open", id);
	finding.backend = arena_str(&c->mem, slice_str(dir_node_name(c->be->dir)));
	finding.partition = id;
	finding.text = text;
	e = admin_send_rows(c, &postern__admin_fsck_page__descriptor, 0, &row, 1);
	count.backend = finding.backend;
	count.partition = id;
	count.errors = 1;
	row = &count.base;
	return e == E_OK ? admin_send_rows(c, &postern__admin_fsck_page__descriptor, 1, &row, 1)
			 : e;
}

WAITS static enum err fsck_local(struct mcall *c)
{
	enum err e = E_OK;

	for (size_t i = 0; e == E_OK && i < partitions_count(c->be->parts); i++)
		e = fsck_one(c, partitions_at(c->be->parts, i));
	for (uint32_t id = 0; e == E_OK && admin_next_closed(c->be, &id); id++)
		e = tell_closed(c, id);
	return e;
}

WAITS enum err m_admin_node_fsck(struct mcall *c)
{
	const Postern__AdminFsck *m = (const void *)c->msg;
	const char *only = m->backend[0] != '\0' ? m->backend : NULL;
	struct dir_node node;

	if (only != NULL && dir_node_get(c->be->dir, slice_str(only), &node) != E_OK)
		return diag_set(&c->diag, E_NOT_FOUND, "there is no back-end %s", only);
	admin_audit(c, "node.fsck", slice_str(m->backend), E_OK,
		    m->quick ? SL("quick") : SLICE_NONE);
	return admin_fan_out(c, &postern__admin_fsck_page__descriptor,
			     POSTERN__METHOD__METHOD_PEER_FSCK, only, rpc_req_deadline(c->req),
			     fsck_local);
}

WAITS enum err m_peer_fsck(struct mcall *c)
{
	return admin_local(c, fsck_local);
}
