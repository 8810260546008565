/*
 * What an item stands for is done first: copies go to accounts of any partition, the rest becomes
 * items of the way out. Only then it is removed, or its row made to say who is left.
 */
#include "backend/queue/runner_item.h"

#include "backend/delivery/rewrite.h"
#include "backend/directory/dir_servers.h"
#include "backend/queue/notice_put.h"
#include "backend/queue/outcome.h"
#include "backend/store/due.h"
#include "common/base/clock.h"
#include "common/log/log.h"

/* Soon at first (an owner that restarts), then as mail servers do (RFC 5321 section 4.5.4.1). */
static int64_t pause_us(uint32_t attempts)
{
	static const int64_t seconds[] = {1, 2, 3, 5, 10, 30, 60, 300, 900, 1800, 3600, 14400};
	size_t i = MIN((size_t)attempts, ARRAY_LEN(seconds) - 1);

	return seconds[i] * 1000000;
}

/* ---- what an item stands for ---- */

static void add_account(struct runner_item *t, uint64_t account, uint32_t partition)
{
	if (t->n == JOB_ACCOUNTS_MAX)
		return;
	t->partitions[t->n] = partition;
	t->accounts[t->n++] = (struct forward_account){.account = account, .result = E_RETRY};
}

static enum err expand_address(struct runner_item *t)
{
	const struct dir *dir = t->ways->deliver->dir;
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

static enum err expand_accounts(struct runner_item *t)
{
	const struct dir *dir = t->ways->deliver->dir;

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
WAITS static void forward_groups(struct runner_item *t)
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
		e = forward_run(t->ways, &f);
		/* That an account is gone is its own result; this is a message lost on its way. */
		if (e == E_NOT_FOUND)
			e = E_RETRY;
		for (size_t i = begin; e != E_OK && i < end; i++)
			t->accounts[i].result = e;
		begin = end;
	}
}

static void fill_item(struct runner_item *t, const struct job *j, struct queue_add *out)
{
	out->key = deliver_item_key(UINT32_MAX, j->address, &t->mem);
	out->payload = job_pack(j, &t->mem);
	out->due_us = QUEUE_PARKED_US;
}

/* For a worker that reads it. Nobody is told what became of that. */
static void fill_report(struct runner_item *t, struct queue_add *out)
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

static void fill_outside(struct runner_item *t, slice_t sender, slice_t address,
			 struct queue_add *out)
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
WAITS static enum err queue_outside(struct runner_item *t)
{
	struct queue_add *items = xcalloc(t->noutside + 1, sizeof *items);
	struct change_deliver c;
	slice_t sender = t->job.sender;
	size_t n = 0;
	enum err e = E_OK;

	if (t->noutside != 0)
		e = rewrite_sender(t->ways->deliver->dir, t->job.sender, t->job.address, &t->mem,
				   &sender);
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
WAITS static enum err tell_success(struct runner_item *t)
{
	struct deliver *d = t->ways->deliver;
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

WAITS static enum err edit_item(struct runner_item *t, enum queue_what what, int64_t due_us,
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
WAITS static void tell_delay(struct runner_item *t, struct job *j)
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
WAITS static enum err give_up(struct runner_item *t, struct job j, const char *event,
			      slice_t status, slice_t words)
{
	enum outcome what = outcome_given_up(&j, status, words, clock_wall_us());
	struct due_item row = {.id = t->id, .due_us = QUEUE_PARKED_US, .record_no = t->record_no};
	enum err e;

	job_log(event, LOG_WARN, t->id, &j);
	if (what == OUTCOME_REMOVE)
		return edit_item(t, QUEUE_REMOVE, 0, SLICE_NONE);
	row.payload = job_pack(&j, &t->mem);
	e = edit_item(t, QUEUE_RESCHEDULE, row.due_us, row.payload);
	if (e == E_OK && t->turned != NULL)
		t->turned(t->part, &row, t->arg);
	return e;
}

WAITS static enum err time_over(struct runner_item *t, const struct job *j, enum err why)
{
	if (why == E_QUOTA && !is_late(j))
		return give_up(t, *j, "queue.expired", SL("5.2.2"), SL("The mailbox is full"));
	return give_up(t, *j, "queue.expired", SL("5.4.7"),
		       SL("It could not be delivered in time"));
}

WAITS static enum err keep_job(struct runner_item *t, enum keep keep, enum err why)
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
WAITS static enum err nobody_left(struct runner_item *t)
{
	return give_up(t, t->job, "queue.nobody_left", SL("5.1.1"), SL("There is no such user"));
}

static bool somebody_has_it(const struct runner_item *t)
{
	for (size_t i = 0; i < t->n; i++) {
		if (t->accounts[i].result == E_OK)
			return true;
	}
	return t->noutside != 0 || t->reports;
}

static enum err first_left(const struct runner_item *t)
{
	for (size_t i = 0; i < t->n; i++) {
		if (!is_settled(&t->accounts[i]))
			return t->accounts[i].result;
	}
	return E_OK;
}

WAITS static enum err work_on(struct runner_item *t)
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
static bool is_stopped(const struct runner_item *t)
{
	struct dir_server s;
	struct diag ignored;

	return t->job.server.n != 0 &&
	       dir_server_find(t->ways->deliver->dir, t->job.server, &s, &ignored) == E_OK &&
	       s.state == SERVER_STOPPED;
}

/* Whoever starts the server looks for what is parked (outbound_server): what was not yet, when he
 * looked, is due at once. */
WAITS static enum err park(struct runner_item *t)
{
	enum err e = edit_item(t, QUEUE_RESCHEDULE, QUEUE_PARKED_US, SLICE_NONE);

	LOG(LOG_INFO, NULL, "queue.parked", LF_UINT("item", t->id),
	    LF_SLICE("server", t->job.server), LF_ERR("status", e));
	if (e == E_OK && !is_stopped(t))
		e = edit_item(t, QUEUE_RESCHEDULE, clock_wall_us(), SLICE_NONE);
	return e;
}

WAITS enum err runner_item_run(struct runner_item *t)
{
	bool inside = t->job.kind == JOB_EXPAND || t->job.kind == JOB_ACCOUNTS;
	enum err e;

	if (inside && is_stopped(t))
		e = park(t);
	else if (inside)
		e = work_on(t);
	else
		e = edit_item(t, QUEUE_RESCHEDULE, QUEUE_PARKED_US, SLICE_NONE);
	if (e != E_OK)
		LOG(LOG_WARN, NULL, "queue.item_failed", LF_UINT("item", t->id),
		    LF_ERR("error", e));
	return e;
}
