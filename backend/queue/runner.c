/*
 * One fiber looks at all partitions, takes what is due, and works on up to RUNNER_AT_ONCE items
 * side by side. An item is removed only after everything that it stands for is committed; a crash
 * before that does it again, and the transaction's id keeps it from doubling.
 */
#include "backend/queue/runner.h"

#include "backend/queue/runner_item.h"
#include "backend/store/due.h"
#include "common/base/clock.h"
#include "common/base/list.h"
#include "common/log/log.h"
#include "common/loop/work.h"

#define PAYLOADS_MAX   (RUNNER_AT_ONCE * STORE_PAYLOAD_MAX)
#define ERROR_PAUSE_MS 5000 /* after a scan that failed, or an item that could not be put off */

/* An item that is being worked on, or is claimed. */
struct taken {
	struct list link;
	const struct partition *part;
	uint64_t id;
};

struct runner {
	const struct forward_ways *ways;
	struct list at_work, claimed; /* struct taken */
	uint32_t released;            /* claims so far: what was read before one ended is stale */
	runner_turned_fn *turned;
	void *arg;
	struct fiber *fiber;
	struct event wake, ended;
	bool stop;
	bool troubled; /* an item of this look could not be worked on, nor put off */
};

/* One item under way. */
struct task {
	struct taken taken;
	struct runner *runner;
	struct runner_item item;
};

static struct task *task_new(struct runner *r, struct partition *part, const struct due_item *item)
{
	struct task *t = xcalloc(1, sizeof *t);

	t->taken.part = part;
	t->taken.id = item->id;
	list_append(&r->at_work, &t->taken.link);
	t->runner = r;
	t->item.ways = r->ways;
	t->item.turned = r->turned;
	t->item.arg = r->arg;
	t->item.part = part;
	t->item.id = item->id;
	t->item.record_no = item->record_no;
	arena_init(&t->item.mem, NULL);
	if (job_unpack(item->payload, &t->item.mem, &t->item.job) != E_OK) {
		LOG(LOG_ERROR, NULL, "queue.bad_item", LF_UINT("item", item->id));
		t->item.job = (struct job){.kind = JOB_NOTICE};
	}
	return t;
}

static void task_free(struct task *t)
{
	list_remove(&t->taken.link);
	arena_reset(&t->item.mem);
	xfree(&t);
}

WAITS static void task_run(void *arg)
{
	struct task *t = arg;

	if (runner_item_run(&t->item) != E_OK)
		t->runner->troubled = true;
	task_free(t);
}

/* ---- claims ---- */

static struct taken *taken_find(const struct list *l, const struct partition *part, uint64_t id)
{
	list_for_each(i, l) {
		struct taken *t = list_entry(i, struct taken, link);

		if (t->id == id && t->part == part)
			return t;
	}
	return NULL;
}

enum err runner_claim(struct runner *r, const struct partition *part, uint64_t item)
{
	struct taken *t;

	if (taken_find(&r->at_work, part, item) != NULL ||
	    taken_find(&r->claimed, part, item) != NULL)
		return E_BUSY;
	t = xcalloc(1, sizeof *t);
	t->part = part;
	t->id = item;
	list_append(&r->claimed, &t->link);
	return E_OK;
}

void runner_release(struct runner *r, const struct partition *part, uint64_t item)
{
	struct taken *t = taken_find(&r->claimed, part, item);

	invariant(t != NULL);
	list_remove(&t->link);
	xfree(&t);
	r->released++;
	runner_wake(r);
}

/* ---- looking ---- */

struct scan {
	struct partition *part;
	int64_t now_us;
	struct due_item items[RUNNER_AT_ONCE];
	size_t n, started;
	int64_t next_us;
	struct buf bytes;
	enum err result;
};

static void run_scan(void *arg)
{
	struct scan *s = arg;
	struct due_item none = {0};

	buf_reset(&s->bytes);
	s->result = due_scan(s->part, s->now_us, &none, s->items, RUNNER_AT_ONCE, &s->n,
			     &s->next_us, &s->bytes);
}

static void start_tasks(struct runner *r, struct scan *s, struct scope *scope)
{
	for (size_t i = 0; i < s->n; i++) {
		struct task *t;

		if (taken_find(&r->claimed, s->part, s->items[i].id) != NULL)
			continue;
		t = task_new(r, s->part, &s->items[i]);
		s->started++;
		if (scope_start(scope, "queue.item", task_run, t) != E_OK) {
			r->troubled = true;
			task_free(t);
		}
	}
}

/* When to look at a partition again. An item that could not be put off is due still: a pause, or
 * a full disk would be looked at without end. */
static int64_t look_again(const struct runner *r, const struct scan *s)
{
	if (r->troubled)
		return s->now_us + ERROR_PAUSE_MS * 1000LL;
	if (s->n != 0 && s->started == 0)
		return INT64_MAX; /* all are claimed: their release wakes */
	return s->n != 0 ? s->now_us : s->next_us;
}

/* One look at every partition; returns when to look again (wall us). */
WAITS static int64_t look(struct runner *r, struct scan *s)
{
	const struct partitions *parts = r->ways->deliver->parts;
	int64_t next = INT64_MAX;

	for (size_t i = 0; i < partitions_count(parts) && !r->stop; i++) {
		uint32_t released = r->released;
		struct scope scope;
		enum err e;

		s->part = partitions_at(parts, i);
		s->now_us = clock_wall_us();
		s->n = s->started = 0;
		e = work_run("queue.scan", run_scan, s);
		if (e == E_OK && r->released != released)
			continue; /* that has woken us: rows may be other ones now */
		if (e != E_OK || s->result != E_OK) {
			next = MIN(next, s->now_us + ERROR_PAUSE_MS * 1000LL);
			continue;
		}
		r->troubled = false;
		scope_init(&scope);
		start_tasks(r, s, &scope);
		(void)scope_join(&scope, NO_DEADLINE);
		next = MIN(next, look_again(r, s));
	}
	return next;
}

WAITS static void runner_run(void *arg)
{
	struct runner *r = arg;
	struct scan *s = xcalloc(1, sizeof *s);

	buf_init(&s->bytes, PAYLOADS_MAX, NULL);
	while (!r->stop) {
		int64_t next = look(r, s), wait = next - clock_wall_us();
		int64_t deadline = next >= QUEUE_PARKED_US ? NO_DEADLINE
							   : deadline_in(MAX(wait / 1000 + 1, 1));

		if (event_wait(&r->wake, "queue.due", deadline) == E_CANCELLED)
			break;
	}
	buf_fini(&s->bytes);
	xfree(&s);
	r->fiber = NULL;
	event_set(&r->ended);
}

enum err runner_start(const struct forward_ways *ways, runner_turned_fn *turned, void *arg,
		      struct runner **out)
{
	struct runner *r = xcalloc(1, sizeof *r);
	enum err e;

	r->ways = ways;
	r->turned = turned;
	r->arg = arg;
	list_init(&r->at_work);
	list_init(&r->claimed);
	event_init(&r->wake);
	event_init(&r->ended);
	e = fiber_start("queue.runner", runner_run, r, &r->fiber);
	if (e != E_OK)
		xfree(&r);
	else
		*out = r;
	return e;
}

WAITS void runner_stop(struct runner **pr)
{
	struct runner *r = *pr;

	if (r == NULL)
		return;
	r->stop = true;
	fiber_shield_begin();
	if (r->fiber != NULL) {
		fiber_cancel(r->fiber);
		while (event_wait(&r->ended, "queue.stop", NO_DEADLINE) != E_OK)
			;
	}
	fiber_shield_end();
	xfree(pr);
}

void runner_wake(struct runner *r)
{
	event_set(&r->wake);
}
