/*
 * The writer: one thread, one transaction at a time, many changes in each.
 *
 * There is no timer: while one group is being synced the next one queues up. (To wait for those who
 * were just answered makes groups a quarter larger, and costs a fifth of the rate.) A group is at
 * most conf.group_ops changes or conf.group_bytes of records. Order: decide and apply each, write
 * the records' bytes and sync them, (journal), commit, tell watchers, answer.
 *
 * What can go wrong, and what is done:
 *   no room in map or on disk   the group is aborted, all answer E_FULL; the state is as before
 *   a change meets a bad row    the group is aborted and its changes are tried one by one, so that
 *                               only the one that met it fails
 *   a sync or commit fails      what is on disk is not known: all answer E_RETRY, the partition
 *                               stops, and nothing is tried again before a restart
 */
#include "backend/store/decide.h"
#include "backend/store/keep.h"
#include "backend/store/stage_priv.h"
#include "common/base/clock.h"
#include "common/base/fault.h"
#include "common/log/log.h"
#include "common/log/metric.h"

METRIC_COUNTER(metric_commits, "store_commits_total", "Group commits", {0});
METRIC_COUNTER(metric_changes, "store_changes_total", "Changes in them", {0});
METRIC_COUNTER(metric_refused, "store_full_total", "Changes refused for want of room", {0});
METRIC_HISTOGRAM(metric_commit_us, "store_commit_seconds", "Time of a group, begin to commit",
		 METRIC_US, METRIC_LATENCY, {0});

/* How often a map beyond its watermark is looked at again: the walk over the free list costs. */
#define FULL_RECHECK_MS   1000
/* ... and when this part of the map was used since. */
#define FULL_RECHECK_PART 20

void writer_stop(struct partition *p, const char *why)
{
	if (!atomic_exchange(&p->stopped, true))
		LOG(LOG_ERROR, NULL, "store.partition_stopped", LF_UINT("partition", p->conf.id),
		    LF_STR("why", why));
}

enum err writer_keep_op(struct partition *p, const struct op *op, struct stage *record)
{
	size_t off = p->packed.n;

	op_pack(op, &p->packed);
	if (buf_failed(&p->packed))
		return E_LIMIT;
	if (p->nops == p->ops_cap) {
		p->ops_cap = MAX(p->ops_cap * 2, (size_t)64);
		p->ops = xrealloc(p->ops, p->ops_cap * sizeof(*p->ops));
	}
	p->ops[p->nops++] = (struct packed_op){op->seq, off, p->packed.n - off, record};
	return E_OK;
}

/* ---- room ---- */

static bool map_full(struct partition *p)
{
	uint64_t map, touched, used;

	kv_size(p->kv, &map, &touched);
	p->full_touched = touched;
	if (touched / p->conf.full_percent < map / 100)
		return false;
	return kv_used(p->kv, &used) != E_OK || used / p->conf.full_percent >= map / 100;
}

/* So much of it has been used since the last look that the next one does not wait for its time:
 * what is beyond the watermark is kept for changes that make room. */
static bool map_grew(const struct partition *p)
{
	uint64_t map, touched;

	kv_size(p->kv, &map, &touched);
	return touched - p->full_touched > map / FULL_RECHECK_PART;
}

bool partition_disk_full(const struct partition *p)
{
	uint64_t left;

	return disk_free_bytes(p->dir, &left) == E_OK && left < p->conf.disk_reserve;
}

void writer_check_room(struct partition *p)
{
	int64_t now = clock_mono_ms();
	bool again = now - p->full_checked_ms >= FULL_RECHECK_MS || p->full_checked_ms == 0 ||
		     map_grew(p);
	bool full;

	if (atomic_load(&p->full) && !again)
		return; /* at the brink it would change with every group */
	if (again) {
		p->map_full = map_full(p);
		p->full_checked_ms = now;
	}
	full = p->map_full || partition_disk_full(p);
	if (full != atomic_exchange(&p->full, full))
		LOG(full ? LOG_ERROR : LOG_INFO, NULL,
		    full ? "store.partition_full" : "store.partition_has_room",
		    LF_UINT("partition", p->conf.id));
}

/* ---- a group ---- */

static struct stage *change_stage(struct change *c)
{
	if (c->kind == CHANGE_DELIVER)
		return container_of(c, struct change_deliver, change)->record;
	if (c->kind == CHANGE_REPLAY)
		return container_of(c, struct change_replay, change)->record;
	return NULL;
}

static enum err group_decide(struct partition *p, struct decide *d, struct list *group)
{
	list_for_each(i, group) {
		struct change *c = list_entry(i, struct change, node);
		const struct decide_def *def = &decide_defs[c->kind];

		d->now_us = clock_wall_us();
		c->more = false;
		if (def->grows && atomic_load(&p->full)) {
			metric_add(&metric_refused, 1);
			c->result = E_FULL;
			continue;
		}
		c->result = def->decide(d, c);
		if (d->broken != E_OK)
			return d->broken;
	}
	return E_OK;
}

static enum err group_journal(struct partition *p)
{
	for (size_t i = 0; i < p->nops; i++) {
		const struct packed_op *o = &p->ops[i];
		enum err e = p->sink(p->sink_arg, o->seq,
				     slice_sub(buf_slice(&p->packed), o->off, o->n), o->record);

		if (e != E_OK)
			return E_RETRY;
	}
	return E_OK;
}

/* Everything up to the commit. *stop_out: what is on disk is not known any more. */
static enum err group_commit(struct partition *p, struct decide *d, struct list *group,
			     const char **stop_out)
{
	struct apply *a = &p->apply;
	uint64_t seq = a->state.seq;
	bool wrote;
	enum err e = group_decide(p, d, group);

	*stop_out = NULL;
	if (e == E_OK) {
		e = volume_group_flush(&a->vols);
		wrote = a->state.seq != seq || a->state.tail_off != p->state.tail_off ||
			a->state.tail_volume != p->state.tail_volume;
		if (e == E_OK && !wrote)
			return E_OK; /* the caller aborts the empty transaction */
	}
	if (e == E_OK && p->nops > 0)
		e = group_journal(p);
	if (e == E_OK) {
		a->state.next_volume = atomic_load(&p->volumes.next);
		e = tab_state_put(a->txn, &a->state);
	}
	if (a->vols.fatal)
		*stop_out = "a volume could not be written or synced";
	if (e != E_OK || *stop_out != NULL)
		return e != E_OK ? e : E_IO;
	e = kv_commit(&a->txn);
	if (e != E_OK && e != E_FULL)
		*stop_out = "a commit failed";
	return e;
}

static void group_begin(struct partition *p, struct decide *d)
{
	struct apply *a = &p->apply;

	d->p = p;
	d->a = a;
	d->broken = E_OK;
	a->state = p->state;
	a->nevents = 0;
	a->queue_changed = false;
	a->stage = NULL;
	p->nops = 0;
	buf_reset(&p->packed);
	volume_group_begin(&a->vols, a->txn, &a->state);
	writer_check_room(p);
}

static void group_settle(struct list *group, bool committed)
{
	list_for_each(i, group) {
		struct stage *s = change_stage(list_entry(i, struct change, node));

		if (s != NULL)
			stage_settle(s, committed);
	}
}

/* One transaction over the group. E_OK: every change has its result. */
static enum err group_run(struct partition *p, struct decide *d, struct list *group)
{
	struct apply *a = &p->apply;
	const char *stop = NULL;
	int64_t began = clock_mono_us();
	bool committed;
	enum err e = kv_write(p->kv, &a->txn);

	if (e != E_OK)
		return e;
	group_begin(p, d);
	e = group_commit(p, d, group, &stop);
	committed = e == E_OK && a->txn == NULL;
	kv_abort(&a->txn);
	volume_group_end(&a->vols, committed);
	group_settle(group, committed);
	if (stop != NULL)
		writer_stop(p, stop);
	if (!committed) {
		a->nevents = 0;
		a->queue_changed = false;
		return e;
	}
	p->state = a->state;
	atomic_fetch_add(&p->commits, 1);
	metric_add(&metric_commits, 1);
	metric_observe(&metric_commit_us, (uint64_t)(clock_mono_us() - began));
	return E_OK;
}

/* ---- answers ---- */

static void change_answer(struct partition *p, struct change *c)
{
	atomic_fetch_add(&p->changes, 1);
	metric_add(&metric_changes, 1);
	c->done(c);
}

/* Watchers first, so that who is answered finds them told. */
static void group_answer(struct partition *p, struct list *group)
{
	struct apply *a = &p->apply;
	struct list *i;

	if (p->watch != NULL && (a->nevents > 0 || a->queue_changed))
		p->watch(p->watch_arg, a->events, a->nevents, a->queue_changed);
	while ((i = list_pop(group)) != NULL) {
		struct change *c = list_entry(i, struct change, node);

		if (c->more && c->result == E_OK) {
			c->from_uid = c->next_uid;
			pthread_mutex_lock(&p->lock);
			list_append(&p->queue, &c->node);
			pthread_mutex_unlock(&p->lock);
			continue;
		}
		change_answer(p, c);
	}
}

static void group_fail(struct partition *p, struct list *group, enum err e)
{
	list_for_each(i, group) {
		struct change *c = list_entry(i, struct change, node);

		c->result = e;
		c->more = false;
	}
	group_answer(p, group);
}

static void group_one_by_one(struct partition *p, struct decide *d, struct list *group)
{
	struct list *i;

	while ((i = list_pop(group)) != NULL) {
		struct change *c = list_entry(i, struct change, node);
		struct list alone;
		enum err e;

		list_init(&alone);
		list_append(&alone, &c->node);
		e = atomic_load(&p->stopped) ? E_RETRY : group_run(p, d, &alone);
		if (e == E_OK)
			group_answer(p, &alone);
		else
			group_fail(p, &alone,
				   atomic_load(&p->stopped)      ? E_RETRY
				   : e == E_FULL || e == E_RETRY ? e
								 : E_INTERNAL);
	}
}

static void writer_group(struct partition *p, struct decide *d, struct list *group)
{
	enum err e = atomic_load(&p->stopped) ? E_RETRY : group_run(p, d, group);

	if (e == E_OK)
		group_answer(p, group);
	else if (atomic_load(&p->stopped) || e == E_RETRY)
		group_fail(p, group, E_RETRY);
	else if (e == E_FULL)
		group_fail(p, group, E_FULL);
	else
		group_one_by_one(p, d, group);
}

/* ---- the queue ---- */

static size_t change_cost(struct change *c)
{
	struct stage *s = change_stage(c);

	if (c->kind == CHANGE_KEEP) {
		struct change_keep *k = container_of(c, struct change_keep, change);
		size_t n = 0;

		for (size_t i = 0; i < k->nrecords; i++)
			n += k->records[i].stored.n;
		return n;
	}
	return s != NULL && s->volume == 0 ? s->bytes.n : 0;
}

void change_submit(struct partition *p, struct change *c)
{
	bool closing;

	c->diag.text[0] = '\0';
	c->result = change_check(c);
	if (c->result != E_OK) {
		c->done(c);
		return;
	}
	c->cost = change_cost(c);
	c->from_uid = c->next_uid = 0;
	list_init(&c->node);
	pthread_mutex_lock(&p->lock);
	closing = p->closing;
	if (!closing) {
		list_append(&p->queue, &c->node);
		pthread_cond_signal(&p->wake);
	}
	pthread_mutex_unlock(&p->lock);
	if (closing) {
		c->result = E_RETRY;
		c->done(c);
	}
}

/* Takes what is queued, up to a group. */
static void group_take(struct partition *p, struct list *group)
{
	unsigned ops = 0;
	size_t bytes = 0;

	while (!list_empty(&p->queue) && ops < p->conf.group_ops && bytes < p->conf.group_bytes) {
		struct list *i = list_pop(&p->queue);

		bytes += list_entry(i, struct change, node)->cost;
		ops++;
		list_append(group, i);
	}
}

static void *writer_main(void *arg)
{
	struct partition *p = arg;
	struct decide d = {.p = p};
	struct list group;

	buf_init(&d.uids, SIZE_MAX, NULL);
	buf_init(&d.names, SIZE_MAX, NULL);
	list_init(&group);
	pthread_mutex_lock(&p->lock);
	while (!p->closing || !list_empty(&p->queue)) {
		if (list_empty(&p->queue)) {
			pthread_cond_wait(&p->wake, &p->lock);
			continue;
		}
		group_take(p, &group);
		pthread_mutex_unlock(&p->lock);
		writer_group(p, &d, &group);
		pthread_mutex_lock(&p->lock);
	}
	pthread_mutex_unlock(&p->lock);
	buf_fini(&d.uids);
	buf_fini(&d.names);
	return NULL;
}

enum err writer_start(struct partition *p)
{
	struct apply *a = &p->apply;

	buf_init(&a->scratch, SIZE_MAX, NULL);
	buf_init(&a->lists, SIZE_MAX, NULL);
	buf_init(&p->packed, SIZE_MAX, NULL);
	volume_group_init(&a->vols, &p->volumes);
	p->started = pthread_create(&p->writer, NULL, writer_main, p) == 0;
	return p->started ? E_OK : E_LIMIT;
}

void writer_end(struct partition *p)
{
	struct apply *a = &p->apply;

	if (p->started) {
		pthread_mutex_lock(&p->lock);
		p->closing = true;
		pthread_cond_signal(&p->wake);
		pthread_mutex_unlock(&p->lock);
		pthread_join(p->writer, NULL);
		p->started = false;
	}
	volume_group_fini(&a->vols);
	buf_fini(&a->scratch);
	buf_fini(&a->lists);
	buf_fini(&p->packed);
	xfree(&a->events);
	xfree(&p->ops);
}
