#include "backend/delivery/forward.h"

#include "common/base/clock.h"
#include "common/log/log.h"
#include "common/loop/work.h"

struct whole_read {
	struct partition *part;
	uint64_t record_no;
	struct msg_whole *out;
	enum err result;
};

static void read_whole(void *arg)
{
	struct whole_read *r = arg;

	r->result = msg_whole(r->part, r->record_no, r->out);
}

WAITS enum err forward_whole(struct partition *p, uint64_t record_no, struct msg_whole *out)
{
	struct whole_read r = {.part = p, .record_no = record_no, .out = out};
	enum err e = work_run("forward.whole", read_whole, &r);

	return e == E_OK ? r.result : e;
}

struct bytes_read {
	struct partition *part;
	struct msg_span span;
	struct buf *out;
	enum err result;
};

static void read_bytes(void *arg)
{
	struct bytes_read *r = arg;

	r->result = msg_read(r->part, &r->span, 1, r->out);
}

WAITS enum err forward_read(struct partition *p, uint64_t record_no, uint64_t from, uint64_t to,
			    struct buf *out)
{
	struct bytes_read r = {
		.part = p, .span = {.record_no = record_no, .from = from, .to = to}, .out = out};
	enum err e = work_run("forward.read", read_bytes, &r);

	return e == E_OK ? r.result : e;
}

/* The record's bytes into a stage of another partition of this node. */
WAITS static enum err restage(const struct forward *f, struct partition *to, uint64_t size,
			      struct stage **out)
{
	struct stage_info info;
	struct buf chunk;
	enum err e = stage_begin(to, size, size, out);

	if (e != E_OK)
		return e;
	buf_init(&chunk, FORWARD_CHUNK, NULL);
	for (uint64_t at = 0; e == E_OK && at < size; at += chunk.n) {
		buf_reset(&chunk);
		e = forward_read(f->from, f->record_no, at, MIN(size, at + FORWARD_CHUNK), &chunk);
		if (e == E_OK)
			e = stage_write(*out, buf_slice(&chunk));
	}
	buf_fini(&chunk);
	if (e == E_OK)
		e = stage_end(*out, &info);
	if (e != E_OK)
		stage_free(out);
	return e;
}

static size_t fill_copies(const struct forward_ways *w, const struct forward *f, struct arena *mem,
			  struct deliver_copy *copies, size_t *owner)
{
	const struct job *j = f->job;
	slice_t prefix = deliver_prefix(j->sender, j->prefix, mem);
	size_t n = 0;

	for (size_t i = 0; i < f->n; i++) {
		struct deliver_copy *c = &copies[n];

		*c = (struct deliver_copy){0};
		f->accounts[i].result =
			deliver_fill_copy(w->deliver->dir, f->accounts[i].account, j->junk, c);
		if (f->accounts[i].result != E_OK)
			continue;
		c->key = deliver_copy_key(f->accounts[i].account, mem);
		c->prefix = prefix;
		owner[n++] = i;
	}
	return n;
}

/* What the sender is to hear of the one account that is behind the address. */
static bool add_notice(const struct forward_ways *w, const struct forward *f, struct arena *mem,
		       struct queue_add *out)
{
	const struct job *j = f->job;
	int64_t now_us = clock_wall_us();

	if (f->n != 1 || !notify_wants_success(j->notify, j->sender) ||
	    !success_may_tell(w->deliver->success, j->account, j->sender, now_us))
		return false;
	success_item(j, JOB_DELIVERED, now_us, mem, out);
	out->copy = 0;
	return true;
}

WAITS static enum err deliver_here(const struct forward_ways *w, const struct forward *f,
				   struct partition *to, struct change_deliver *c)
{
	struct deliver_copy *copies = xcalloc(f->n, sizeof *copies);
	size_t *owner = xcalloc(f->n, sizeof *owner);
	struct queue_add notice;
	struct arena mem;
	enum err e = E_OK;

	arena_init(&mem, NULL);
	c->origin = f->job->origin;
	memcpy(c->txid, f->job->txid, sizeof c->txid);
	memcpy(c->trace_id, f->job->trace_id, sizeof c->trace_id);
	c->copies = copies;
	c->ncopies = fill_copies(w, f, &mem, copies, owner);
	if (c->ncopies != 0 && add_notice(w, f, &mem, &notice)) {
		c->items = &notice;
		c->nitems = 1;
	}
	if (c->ncopies != 0)
		e = store_change(to, &c->change);
	for (size_t i = 0; e == E_OK && i < c->ncopies; i++)
		f->accounts[owner[i]].result = copies[i].result;
	arena_reset(&mem);
	xfree(&copies);
	xfree(&owner);
	return e;
}

WAITS static enum err to_other_partition(const struct forward_ways *w, const struct forward *f,
					 struct partition *to)
{
	struct change_deliver c;
	struct stage *stage = NULL;
	struct msg_whole whole;
	enum err e;

	msg_whole_init(&whole);
	e = forward_whole(f->from, f->record_no, &whole);
	if (e == E_OK)
		e = restage(f, to, whole.record.stored_size, &stage);
	if (e == E_OK) {
		change_deliver_init(&c);
		c.record = stage;
		c.summary = &whole.summary;
		c.text = whole.text;
		e = deliver_here(w, f, to, &c);
	}
	stage_free(&stage);
	msg_whole_fini(&whole);
	return e;
}

WAITS enum err forward_run(const struct forward_ways *w, const struct forward *f)
{
	struct partition *to = partitions_get(w->deliver->parts, f->to);
	struct dir_partition row;
	struct change_deliver c;

	if (to == f->from) {
		change_deliver_init(&c);
		c.record_no = f->record_no;
		return deliver_here(w, f, to, &c);
	}
	if (to != NULL)
		return to_other_partition(w, f, to);
	if (dir_partition_get(w->deliver->dir, f->to, &row) != E_OK || row.node[0] == '\0' ||
	    dir_owns(w->deliver->dir, f->to))
		return E_RETRY;
	return w->remote(w->arg, row.node, f);
}
