/*
 * One fiber looks at all partitions, takes what is due, and works on up to RUNNER_AT_ONCE items
 * side by side. An item is removed only after everything that it stands for is committed; a crash
 * before that does it again, and the transaction's id keeps it from doubling.
 */
#include "backend/queue/runner.h"

#include "backend/delivery/rewrite.h"
#include "backend/directory/dir_servers.h"
#include "backend/queue/notice_put.h"
#include "backend/queue/outcome.h"
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
	struct partition *part;
	uint64_t id, record_no;
	struct job job;
	struct arena mem;
	struct forward_account accounts[JOB_ACCOUNTS_MAX];
	uint32_t partitions[JOB_ACCOUNTS_MAX];
	size_t n;
	slice_t outside[DIR_MEMBERS_MAX];
	size_t noutside;
	bool reports; /* it is read as a report of TLS, whoever else gets it */
};

/* Soon at first (an owner that restarts), then as mail servers do (RFC 5321 section 4.5.4.1). */
static int64_t pause_us(uint32_t attempts)
{
	static const int64_t seconds[] = {1, 2, 3, 5, 10, 30, 60, 300, 900, 1800, 3600, 14400};
	size_t i = MIN((size_t)attempts, ARRAY_LEN(seconds) - 1);

	return seconds[i] * 1000000;
}

/* ---- what an item stands for ---- */

static void add_account(struct task *t, uint64_t account, uint32_t partition)
{
	if (t->n == JOB_ACCOUNTS_MAX)
		return;
	t->partitions[t->n] = partition;
	t->accounts[t->n++] = (struct forward_account){.account = account, .result = E_RETRY};
}

static enum err expand_address(struct task *t)
{
	const struct dir *dir = t->runner->ways->deliver->dir;
	slice_t address = t->job.address;
	struct dir_resolved r;
	struct diag d = {""};
	enum err e = E_OK;

	/* A bounce of what was passed on: once, so that nothing goes round. */
	if (t->job.sender.n == 0 && rewrite_is_ours(dir, address)) {
		e = rewrite_back(dir, t->job.address, &t->mem, &address);
		if (e == E_OK && dir_resolve(dir, address, &t->mem, &r, &d) == E_DENIED) {
			t->outside[t->noutside++] = address;
			return E_OK;
		}
	}
	t->reports = dir_is_tls_reports(dir, address);
	if (e == E_OK)
		e = dir_resolve(dir, address, &t->mem, &r, &d);
	if (e == E_NOT_FOUND && t->reports)
		return E_OK;
	if (e != E_OK)
		return e;
	for (size_t i = 0; i < r.ntargets; i++) {
		if (r.targets[i].kind == DIR_TO_ACCOUNT)
			add_account(t, r.targets[i].account, r.targets[i].partition);
		else if (t->noutside < DIR_MEMBERS_MAX)
			t->outside[t->noutside++] = r.targets[i].address;
	}
	return E_OK;
}

static enum err expand_accounts(struct task *t)
{
	const struct dir *dir = t->runner->ways->deliver->dir;

	for (size_t i = 0; i < t->job.naccounts; i++) {
		struct dir_account a;
		enum err e = dir_account_by_id(dir, t->job.accounts[i], &a);

		if (e == E_OK && a.state != DIR_REMOVED)
			add_account(t, a.id, a.partition);
		else if (e != E_OK && e != E_NOT_FOUND)
			return e;
	}
	return E_OK;
}

/* ---- doing it ---- */

/* All accounts of one partition by one forward; their places in t->accounts are made neighbours. */
WAITS static void forward_groups(struct task *t)
{
	size_t begin = 0;

	while (begin < t->n) {
		uint32_t partition = t->partitions[begin];
		size_t end = begin + 1;
		struct forward f;
		enum err e;

		for (size_t i = end; i < t->n; i++) {
			if (t->partitions[i] != partition)
				continue;
			struct forward_account a = t->accounts[i];

			t->accounts[i] = t->accounts[end];
			t->partitions[i] = t->partitions[end];
			t->accounts[end] = a;
			t->partitions[end++] = partition;
		}
		f = (struct forward){
			.job = &t->job,
			.from = t->part,
			.record_no = t->record_no,
			.to = partition,
			.accounts = t->accounts + begin,
			.n = end - begin,
		};
		e = forward_run(t->runner->ways, &f);
		/* That an account is gone is its own result; this is a message lost on its way. */
		if (e == E_NOT_FOUND)
			e = E_RETRY;
		for (size_t i = begin; e != E_OK && i < end; i++)
			t->accounts[i].result = e;
		begin = end;
	}
}

static void fill_item(struct task *t, const struct job *j, struct queue_add *out)
{
	out->key = deliver_item_key(UINT32_MAX, j->address, &t->mem);
	out->payload = job_pack(j, &t->mem);
	out->due_us = QUEUE_PARKED_US;
}

/* For a worker that reads it. Nobody is told what became of that. */
static void fill_report(struct task *t, struct queue_add *out)
{
	struct job j = t->job;

	j.kind = JOB_OUTSIDE;
	j.route = JOB_TLS_REPORTS;
	j.sender = SLICE_NONE;
	j.notify = NOTIFY_NEVER;
	j.content |= CONTENT_LOSABLE;
	j.by = 0;
	j.naccounts = 0;
	j.next_us = clock_wall_us();
	fill_item(t, &j, out);
}

static void fill_outside(struct task *t, slice_t sender, slice_t address, struct queue_add *out)
{
	struct job j = t->job;

	j.sender = sender;
	j.kind = JOB_OUTSIDE;
	j.address = address;
	j.naccounts = 0;
	j.next_us = clock_wall_us();
	j.depth++;
	fill_item(t, &j, out);
}

/* Items for addresses that are not ours, and of what is to be read, wait for the way out. */
WAITS static enum err queue_outside(struct task *t)
{
	struct queue_add *items = xcalloc(t->noutside + 1, sizeof *items);
	struct change_deliver c;
	slice_t sender = t->job.sender;
	size_t n = 0;
	enum err e = E_OK;

	if (t->noutside != 0)
		e = rewrite_sender(t->runner->ways->deliver->dir, t->job.sender, t->job.address,
				   &t->mem, &sender);
	for (size_t i = 0; i < t->noutside; i++)
		fill_outside(t, sender, t->outside[i], &items[n++]);
	if (t->reports)
		fill_report(t, &items[n++]);
	change_deliver_init(&c);
	c.origin = t->job.origin;
	memcpy(c.txid, t->job.txid, sizeof c.txid);
	c.record_no = t->record_no;
	c.items = items;
	c.nitems = n;
	if (e == E_OK && n != 0)
		e = store_change(t->part, &c.change);
	xfree(&items);
	return e;
}

/* The sender wants to hear of a success, and more is behind the address than one mailbox: that is
 * told now, once, and nothing of the single ones. What a worker reads has no other copy. */
WAITS static enum err tell_success(struct task *t)
{
	struct deliver *d = t->runner->ways->deliver;
	int64_t now_us = clock_wall_us();
	size_t n = t->n + t->noutside;
	struct change_deliver c;
	struct queue_add notice;
	enum err e = E_OK;

	if (!notify_wants_success(t->job.notify, t->job.sender) || (n == 0 ? !t->reports : n == 1))
		return E_OK;
	if (success_may_tell(d->success, t->job.account, t->job.sender, now_us)) {
		success_item(&t->job, n == 0 ? JOB_DELIVERED : JOB_EXPANDED, now_us, &t->mem,
			     &notice);
		notice.when = ADD_ALWAYS;
		change_deliver_init(&c);
		c.origin = t->job.origin;
		memcpy(c.txid, t->job.txid, sizeof c.txid);
		c.record_no = t->record_no;
		c.items = &notice;
		c.nitems = 1;
		e = store_change(t->part, &c.change);
	}
	if (e == E_OK)
		t->job.notify = notify_of_member(t->job.notify);
	return e;
}

WAITS static enum err edit_item(struct task *t, enum queue_what what, int64_t due_us,
				slice_t payload)
{
	struct queue_edit edit = {.what = what, .id = t->id, .due_us = due_us, .payload = payload};
	struct change_queue c;

	change_queue_init(&c);
	c.edits = &edit;
	c.n = 1;
	return store_change(t->part, &c.change);
}

/* How an account's part ended: it has the message, or is not there any more. */
static bool is_settled(const struct forward_account *a)
{
	return a->result == E_OK || a->result == E_NOT_FOUND;
}

/* KEEP_ALL: the job as it was, for what it stands for is not all known, or not all taken care of;
 * who has the message already does not get it again. KEEP_REST: only accounts are left. */
enum keep { KEEP_ALL, KEEP_REST };

static bool is_expired(const struct job *j)
{
	return clock_wall_us() - job_start_us(j) >= QUEUE_EXPIRE_US;
}

/* The sender's own time is over, after which it does not want it delivered (RFC 2852). */
static bool is_late(const struct job *j)
{
	return (j->by & BY_RETURN) != 0 && clock_wall_us() >= j->by_us;
}

/* The sender wants to hear when its own time is over. What was not told now is told next time. */
WAITS static void tell_delay(struct task *t, struct job *j)
{
	static const struct outcome_times times = {.expire_us = QUEUE_EXPIRE_US};
	int64_t at_us = outcome_warn_at(j, &times);
	struct job notice, marked = *j;

	if (at_us == 0 || at_us > clock_wall_us())
		return;
	notice = outcome_delayed(&marked, &times);
	if (notice_put_delay(t->part, t->id, t->record_no, &notice) != E_OK)
		return;
	job_log("queue.delayed", LOG_INFO, t->id, &marked);
	*j = marked;
}

/* The next look: after the pause, or when the sender's own time is over. */
static int64_t due_of(const struct job *j)
{
	int64_t now_us = clock_wall_us(), due_us = now_us + pause_us(j->attempts);

	return j->by != 0 && j->by_us > now_us ? MIN(due_us, j->by_us) : due_us;
}

/* Given up (`event` says why): the sender is to be told, if there is one. */
WAITS static enum err give_up(struct task *t, struct job j, const char *event, slice_t status,
			      slice_t words)
{
	enum outcome what = outcome_given_up(&j, status, words, clock_wall_us());
	struct due_item row = {.id = t->id, .due_us = QUEUE_PARKED_US, .record_no = t->record_no};
	enum err e;

	job_log(event, LOG_WARN, t->id, &j);
	if (what == OUTCOME_REMOVE)
		return edit_item(t, QUEUE_REMOVE, 0, SLICE_NONE);
	row.payload = job_pack(&j, &t->mem);
	e = edit_item(t, QUEUE_RESCHEDULE, row.due_us, row.payload);
	if (e == E_OK && t->runner->turned != NULL)
		t->runner->turned(t->part, &row, t->runner->arg);
	return e;
}

WAITS static enum err time_over(struct task *t, const struct job *j, enum err why)
{
	if (why == E_QUOTA && !is_late(j))
		return give_up(t, *j, "queue.expired", SL("5.2.2"), SL("The mailbox is full"));
	return give_up(t, *j, "queue.expired", SL("5.4.7"),
		       SL("It could not be delivered in time"));
}

WAITS static enum err keep_job(struct task *t, enum keep keep, enum err why)
{
	uint64_t left[JOB_ACCOUNTS_MAX];
	struct job j = t->job;

	if (keep == KEEP_REST) {
		j.kind = JOB_ACCOUNTS;
		j.accounts = left;
		j.naccounts = 0;
		for (size_t i = 0; i < t->n; i++) {
			if (!is_settled(&t->accounts[i]))
				left[j.naccounts++] = t->accounts[i].account;
		}
	}
	j.attempts++;
	j.last_error = slice_str(err_name(why));
	if (is_expired(&j) || is_late(&j))
		return time_over(t, &j, why);
	tell_delay(t, &j);
	LOG(LOG_INFO, NULL, "queue.deferred", LF_UINT("item", t->id),
	    LF_HEX("trace", slice(j.trace_id, sizeof j.trace_id)), LF_UINT("attempts", j.attempts),
	    LF_ERR("why", why));
	return edit_item(t, QUEUE_RESCHEDULE, due_of(&j), job_pack(&j, &t->mem));
}

/* The message was accepted, and nobody has it: who was behind the item went away meanwhile. */
WAITS static enum err nobody_left(struct task *t)
{
	return give_up(t, t->job, "queue.nobody_left", SL("5.1.1"), SL("There is no such user"));
}

static bool somebody_has_it(const struct task *t)
{
	for (size_t i = 0; i < t->n; i++) {
		if (t->accounts[i].result == E_OK)
			return true;
	}
	return t->noutside != 0 || t->reports;
}

static enum err first_left(const struct task *t)
{
	for (size_t i = 0; i < t->n; i++) {
		if (!is_settled(&t->accounts[i]))
			return t->accounts[i].result;
	}
	return E_OK;
}

WAITS static enum err work_on(struct task *t)
{
	enum err e;

	/* Tried at least once; but no more when those who have the message are forgotten. */
	if ((t->job.attempts != 0 && is_expired(&t->job)) || is_late(&t->job))
		return time_over(t, &t->job, E_RETRY);
	e = t->job.kind == JOB_EXPAND ? expand_address(t) : expand_accounts(t);
	if (e == E_NOT_FOUND || e == E_DENIED)
		t->n = 0; /* the address went away meanwhile */
	else if (e != E_OK)
		return keep_job(t, KEEP_ALL, e);
	e = tell_success(t);
	if (e != E_OK)
		return keep_job(t, KEEP_ALL, e);
	forward_groups(t);
	e = queue_outside(t);
	if (e != E_OK)
		return keep_job(t, KEEP_ALL, e);
	e = first_left(t);
	if (e != E_OK)
		return keep_job(t, KEEP_REST, e);
	if (!somebody_has_it(t))
		return nobody_left(t);
	LOG(LOG_INFO, NULL, "queue.done", LF_UINT("item", t->id),
	    LF_STR("kind", job_kind_name(t->job.kind)),
	    LF_HEX("trace", slice(t->job.trace_id, sizeof t->job.trace_id)),
	    LF_UINT("accounts", t->n), LF_UINT("outside", t->noutside));
	return edit_item(t, QUEUE_REMOVE, 0, SLICE_NONE);
}

/* A server that is stopped keeps what it took; of one that is not there nothing is kept. */
static bool is_stopped(const struct task *t)
{
	struct dir_server s;
	struct diag ignored;

	return t->job.server.n != 0 &&
	       dir_server_find(t->runner->ways->deliver->dir, t->job.server, &s, &ignored) ==
		       E_OK &&
	       s.state == SERVER_STOPPED;
}

/* Whoever starts the server looks for what is parked (outbound_server): what was not yet, when he
 * looked, is due at once. */
WAITS static enum err park(struct task *t)
{
	enum err e = edit_item(t, QUEUE_RESCHEDULE, QUEUE_PARKED_US, SLICE_NONE);

	LOG(LOG_INFO, NULL, "queue.parked", LF_UINT("item", t->id),
	    LF_SLICE("server", t->job.server), LF_ERR("status", e));
	if (e == E_OK && !is_stopped(t))
		e = edit_item(t, QUEUE_RESCHEDULE, clock_wall_us(), SLICE_NONE);
	return e;
}

WAITS static void task_run(void *arg)
{
	struct task *t = arg;
	bool inside = t->job.kind == JOB_EXPAND || t->job.kind == JOB_ACCOUNTS;
	enum err e = E_OK;

	if (inside && is_stopped(t))
		e = park(t);
	else if (inside)
		e = work_on(t);
	else
		e = edit_item(t, QUEUE_RESCHEDULE, QUEUE_PARKED_US, SLICE_NONE);
	if (e != E_OK) {
		LOG(LOG_WARN, NULL, "queue.item_failed", LF_UINT("item", t->id),
		    LF_ERR("error", e));
		t->runner->troubled = true;
	}
	list_remove(&t->taken.link);
	arena_reset(&t->mem);
	xfree(&t);
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
		t = xcalloc(1, sizeof *t);
		t->taken.part = s->part;
		t->taken.id = s->items[i].id;
		list_append(&r->at_work, &t->taken.link);
		s->started++;
		t->runner = r;
		t->part = s->part;
		t->id = s->items[i].id;
		t->record_no = s->items[i].record_no;
		arena_init(&t->mem, NULL);
		if (job_unpack(s->items[i].payload, &t->mem, &t->job) != E_OK) {
			LOG(LOG_ERROR, NULL, "queue.bad_item", LF_UINT("item", t->id));
			t->job = (struct job){.kind = JOB_NOTICE};
		}
		if (scope_start(scope, "queue.item", task_run, t) != E_OK) {
			r->troubled = true;
			list_remove(&t->taken.link);
			arena_reset(&t->mem);
			xfree(&t);
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
