/*
 * Items' rows in the store: read on a work thread, changed in one change, and only then told to the
 * scheduler.
 */
#include "backend/queue/outbound_priv.h"

#include "common/base/clock.h"
#include "common/log/log.h"
#include "common/loop/work.h"

/* ---- rows of the store ---- */

/* The buffer moves as it grows: payloads are lengths until all are there. */
static void load_rows(void *arg)
{
	struct outbound_rows *r = arg;
	size_t at = 0;

	r->result = E_OK;
	for (size_t i = 0; i < r->n && r->result == E_OK; i++) {
		r->result = due_get(r->part, r->ids[i], &r->items[i], &r->bytes);
		if (r->result != E_NOT_FOUND)
			continue;
		r->items[i] = (struct due_item){.id = 0};
		r->result = E_OK;
	}
	for (size_t i = 0; i < r->n && r->result == E_OK; i++) {
		r->items[i].payload = slice_sub(buf_slice(&r->bytes), at, r->items[i].payload.n);
		at += r->items[i].payload.n;
	}
}

WAITS enum err outbound_load(struct outbound_rows *r)
{
	enum err e = work_run("outbound.load", load_rows, r);

	return e == E_OK ? r->result : e;
}

WAITS enum err outbound_rows_begin(struct outbound *o, size_t part)
{
	struct outbound_part *p = &o->parts[part];

	while (p->in_use) {
		if (waitq_wait(&p->users, "outbound.rows", NO_DEADLINE) != E_OK)
			return E_CANCELLED;
	}
	p->in_use = true;
	return E_OK;
}

void outbound_rows_end(struct outbound *o, size_t part)
{
	o->parts[part].in_use = false;
	waitq_wake_all(&o->parts[part].users);
}

/* ---- changes ---- */

WAITS enum err outbound_change(struct partition *part, struct queue_edit *edits, size_t n)
{
	struct change_queue c;

	change_queue_init(&c);
	c.edits = edits;
	c.n = n;
	return store_change(part, &c.change);
}

static void tell_sched(struct outbound *o, size_t part, struct outbound_verdict *v, slice_t payload)
{
	struct sched_key key = {(uint16_t)part, v->item};
	struct due_item item = {.id = v->item, .record_no = v->record_no, .payload = payload};

	if (v->what != OUTCOME_KEEP) {
		if (v->result.outcome == SCHED_DEST_DOWN)
			v->result.sign = SCHED_UNREACHED;
		v->result.outcome = SCHED_GONE;
	}
	(void)sched_done(o->sched, key, v->worker, clock_wall_us(), &v->result);
	if (v->what == OUTCOME_NOTICE)
		outbound_add(o, part, &item);
	else if (v->what == OUTCOME_KEEP)
		outbound_place(o, key, &v->job);
}

bool outbound_keeps_results(const struct outbound *o, size_t part)
{
	const struct outbound_part *p = &o->parts[part];

	return !partition_is_stopped(p->part) && clock_mono_ms() >= p->keeps_ms;
}

/* What is being sent meanwhile is reported again until it is kept; nothing more is added to it. */
static void note_failure(struct outbound *o, size_t part, enum err e)
{
	if (e == E_CANCELLED || e == E_BUSY)
		return;
	o->parts[part].keeps_ms = clock_mono_ms() + OUTBOUND_FAILED_US / 1000;
	LOG_SELDOM(LOG_ERROR, NULL, "queue.keeps_no_results",
		   LF_UINT("partition", partition_id(o->parts[part].part)), LF_ERR("error", e));
}

WAITS enum err outbound_settle(struct outbound *o, size_t part, struct outbound_verdict *v,
			       size_t n)
{
	struct queue_edit *edits = xcalloc(n, sizeof *edits);
	struct arena mem;
	enum err e;

	arena_init(&mem, NULL);
	for (size_t i = 0; i < n; i++) {
		edits[i] = (struct queue_edit){.what = QUEUE_REMOVE, .id = v[i].item};
		if (v[i].what == OUTCOME_REMOVE)
			continue;
		edits[i].what = QUEUE_RESCHEDULE;
		edits[i].due_us = QUEUE_PARKED_US;
		edits[i].payload = job_pack(&v[i].job, &mem);
	}
	e = n != 0 ? outbound_change(o->parts[part].part, edits, n) : E_OK;
	for (size_t i = 0; e == E_OK && i < n; i++) {
		if (!edits[i].found) /* somebody has removed it meanwhile */
			v[i].what = OUTCOME_REMOVE;
		tell_sched(o, part, &v[i], edits[i].payload);
	}
	if (e != E_OK)
		note_failure(o, part, e);
	waitq_wake_all(&o->takers);
	arena_reset(&mem);
	xfree(&edits);
	return e;
}

/* ---- pages ---- */

/* Up to OUTBOUND_PAGE rows of one partition, out of keys of any; returns how many keys are left. */
static size_t take_of_one(struct sched_key *keys, size_t n, uint64_t *ids, size_t *nids_out)
{
	uint16_t part = keys[0].partition;
	size_t left = 0;

	*nids_out = 0;
	for (size_t i = 0; i < n; i++) {
		if (keys[i].partition == part)
			ids[(*nids_out)++] = keys[i].item;
		else
			keys[left++] = keys[i];
	}
	return left;
}

WAITS static enum err for_rows_of(struct outbound *o, size_t part, struct outbound_page *r,
				  WAITS outbound_page_fn *fn)
{
	enum err e = outbound_rows_begin(o, part);

	if (e != E_OK)
		return e;
	r->load.part = o->parts[part].part;
	r->load.items = r->items;
	r->load.ids = r->ids;
	buf_reset(&r->load.bytes);
	e = outbound_load(&r->load);
	if (e == E_OK)
		e = outbound_settle(o, part, r->verdicts, fn(o, part, r));
	outbound_rows_end(o, part);
	return e;
}

WAITS enum err outbound_pages(struct outbound *o, struct sched_key *keys, size_t n,
			      WAITS outbound_page_fn *fn)
{
	struct outbound_page *r = xcalloc(1, sizeof *r);
	enum err e = E_OK;

	arena_init(&r->mem, NULL);
	buf_init(&r->load.bytes, OUTBOUND_PAGE * (size_t)STORE_PAYLOAD_MAX, NULL);
	while (n != 0) {
		size_t part = keys[0].partition;
		enum err one;

		n = take_of_one(keys, n, r->ids, &r->load.n);
		one = for_rows_of(o, part, r, fn);
		if (e == E_OK)
			e = one;
		arena_reset(&r->mem);
	}
	buf_fini(&r->load.bytes);
	xfree(&r);
	return e;
}

struct outbound_verdict *outbound_page_row(struct outbound_page *r, size_t i, size_t n)
{
	struct outbound_verdict *v = &r->verdicts[n];

	*v = (struct outbound_verdict){.item = r->items[i].id, .record_no = r->items[i].record_no};
	if (v->item == 0 || job_unpack(r->items[i].payload, &r->mem, &v->job) != E_OK)
		return NULL;
	return v;
}
