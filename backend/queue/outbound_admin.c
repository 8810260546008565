/*
 * Orders. An item's row is the truth and the scheduler follows it: the row is read anew under the
 * claim, changed, committed; then the scheduler forgets the item and learns it again from its row,
 * which brings its hold, its time and its destination to what they are now.
 */
#include "backend/queue/outbound_admin.h"
#include "backend/queue/outbound_priv.h"

#include "common/base/clock.h"
#include "common/log/log.h"

/* ---- what is seen ---- */

static const char why_stopped[] = "its virtual server is stopped";

static const char *why_of(enum sched_state state)
{
	switch (state) {
	case SCHED_READY:
	case SCHED_WAITING:
	case SCHED_STATES:
		break;
	case SCHED_LEASED:
		return "a worker has it";
	case SCHED_EXPIRED:
		return "it is being given up or changed";
	case SCHED_HELD:
		return "it is held";
	case SCHED_HELD_SENDER:
		return "its sender is held";
	case SCHED_HELD_DEST:
		return "its destination is held";
	case SCHED_PACED:
		return "enough was sent for now";
	case SCHED_DOWN:
		return "its destination cannot be reached";
	}
	return "";
}

#define HELD_BACK "its sender holds it back"

static bool waits_for_release(const struct job *j)
{
	return j->kind != JOB_NOTICE && j->release_us > clock_wall_us();
}

/* What the scheduler does not know. */
static enum queue_state row_state(const struct outbound *o, const struct job *j)
{
	const struct queue_server *sv = outbound_server(o, j);

	if (j->kind == JOB_BAD)
		return QUEUE_IS_BAD;
	if (j->held || (sv != NULL && sv->stopped && j->kind != JOB_NOTICE))
		return QUEUE_IS_HELD;
	return job_is_outward(j->kind) ? QUEUE_IS_READY : QUEUE_IS_INSIDE;
}

static bool is_stopped(const struct sched_info *info)
{
	return slice_starts(info->item.destination, SL(WAY_STOPPED_NAME));
}

static bool is_suspended(const struct sched_info *info)
{
	return slice_starts(info->item.destination, SL(WAY_SUSPENDED_NAME));
}

void outbound_view(const struct outbound *o, const struct partition *part,
		   const struct queue_row *row, struct outbound_view *out)
{
	struct sched_info info;
	struct sched_key key;

	*out = (struct outbound_view){.state = row_state(o, &row->job), .why = ""};
	if (out->state == QUEUE_IS_HELD)
		out->why = row->job.held ? why_of(SCHED_HELD) : why_stopped;
	else if (waits_for_release(&row->job))
		out->why = HELD_BACK;
	if (row->job.kind == JOB_BAD || !outbound_key(o, partition_id(part), row->item, &key) ||
	    sched_get(o->sched, key, clock_wall_us(), &info) != E_OK)
		return;
	out->state = queue_state_of(info.state);
	out->until_us = info.until_us;
	out->since_us = info.since_us;
	out->worker = info.worker;
	out->why = info.state == SCHED_WAITING && waits_for_release(&row->job) ? HELD_BACK
									       : why_of(info.state);
	if ((info.state == SCHED_HELD_DEST || info.state == SCHED_WAITING) &&
	    (is_stopped(&info) || is_suspended(&info))) {
		out->state = QUEUE_IS_HELD;
		out->why = is_stopped(&info) ? why_stopped : "its destination is suspended";
		out->until_us = 0;
	} else if (info.state == SCHED_READY && outbound_nobody_may_send(o, &row->job)) {
		out->why = "no front-end is here that its virtual server sends from";
	}
}

const struct trouble *outbound_trouble(const struct outbound *o, const struct partition *part,
				       uint64_t item, const struct job *j)
{
	struct sched_info info;
	struct sched_key key;

	if (j->kind != JOB_OUTSIDE || j->attempts != 0 || o->troubles.by_name.count == 0 ||
	    !outbound_key(o, partition_id(part), item, &key) ||
	    sched_get(o->sched, key, clock_wall_us(), &info) != E_OK)
		return NULL;
	return troubles_of(&o->troubles, info.item.destination);
}

/* ---- orders ---- */

void outbound_set_runner(struct outbound *o, struct runner *r)
{
	o->runner = r;
}

const char *queue_action_name(enum queue_action action)
{
	switch (action) {
	case QUEUE_ACT_HOLD:
		return "hold";
	case QUEUE_ACT_RELEASE:
		return "release";
	case QUEUE_ACT_RETRY:
		return "retry";
	case QUEUE_ACT_DROP:
		return "remove";
	case QUEUE_ACT_BOUNCE:
		return "bounce";
	case QUEUE_ACT_REROUTE:
		return "reroute";
	case QUEUE_ACT_REQUEUE:
		return "requeue";
	}
	return "unknown";
}

/* Items under way. */
struct ordering {
	struct outbound *o;
	size_t part;
	const struct queue_order *order;
	uint64_t ids[QUEUE_WALK_ROWS];
	/* Of ids: by whom. */
	enum { BY_NOBODY, FROM_SCHED, FROM_RUNNER } claimed[QUEUE_WALK_ROWS];
	struct due_item items[QUEUE_WALK_ROWS];
	struct outbound_rows load;
	struct queue_edit edits[QUEUE_WALK_ROWS];
	uint64_t records[QUEUE_WALK_ROWS]; /* of edits */
	struct job jobs[QUEUE_WALK_ROWS];  /* of edits, as they are from now on */
	size_t n;
	struct arena mem;
	struct queue_done done;
};

static bool is_inside(enum job_kind k)
{
	return k == JOB_EXPAND || k == JOB_ACCOUNTS;
}

/* Kinds and states that an order is for. */
static bool fits(enum queue_action action, const struct job *j)
{
	switch (action) {
	case QUEUE_ACT_HOLD:
		return j->kind != JOB_BAD;
	case QUEUE_ACT_RELEASE:
		return j->kind != JOB_BAD && (j->held || waits_for_release(j));
	case QUEUE_ACT_RETRY:
		return j->kind != JOB_BAD && !j->held;
	case QUEUE_ACT_DROP:
		return true;
	case QUEUE_ACT_BOUNCE:
		return j->kind == JOB_OUTSIDE || is_inside(j->kind);
	case QUEUE_ACT_REROUTE:
		return j->kind == JOB_OUTSIDE;
	case QUEUE_ACT_REQUEUE:
		return j->kind == JOB_BAD;
	}
	return false;
}

/* What it was before it failed: accounts here, an address here, or one elsewhere. The latter stays
 * so even where its domain has become ours: its message was not looked into, which is done when it
 * comes in by SMTP. It is on its way anew, with all the time that a new one has. */
static void requeue(struct ordering *p, struct job *j, int64_t now_us)
{
	const char *at = j->address.n != 0 ? memrchr(j->address.p, '@', j->address.n) : NULL;
	slice_t domain =
		at != NULL ? slice_from(j->address, (size_t)(at - j->address.p) + 1) : SLICE_NONE;

	bool ours = !j->elsewhere && dir_domain_is_ours(p->o->deliver->dir, domain) == E_OK;

	j->kind = j->naccounts != 0 ? JOB_ACCOUNTS : ours ? JOB_EXPAND : JOB_OUTSIDE;
	j->attempts = 0;
	j->held = false;
	j->warned = false;
	j->action = JOB_FAILED;
	j->first_us = j->next_us = now_us;
	j->notice_us = j->expire_us = j->release_us = 0;
}

/* RFC 3463 section 3.8: x.7.0, policy, of which no detail code says more: the mail is fine, and so
 * is the other system; the operator does not want it sent. */
static enum outcome bounce(const struct queue_order *order, struct job *j, int64_t now_us)
{
	slice_t words =
		order->reason.n != 0 ? order->reason : SL("It was returned by an administrator");

	return outcome_given_up(j, SL("5.7.0"), words, now_us);
}

/* Now; what its sender held back goes early, with all its time. */
static void let_go(struct job *j, int64_t now_us)
{
	j->next_us = now_us;
	j->release_us = MIN(j->release_us, now_us);
}

/* What becomes of the item. */
static enum outcome obey(struct ordering *p, struct job *j)
{
	int64_t now_us = clock_wall_us();

	switch (p->order->action) {
	case QUEUE_ACT_HOLD:
		j->held = true;
		break;
	case QUEUE_ACT_RELEASE:
		if (!j->held)
			let_go(j, now_us);
		j->held = false;
		break;
	case QUEUE_ACT_RETRY:
		let_go(j, now_us);
		break;
	case QUEUE_ACT_DROP:
		return OUTCOME_REMOVE;
	case QUEUE_ACT_BOUNCE:
		return bounce(p->order, j, now_us);
	case QUEUE_ACT_REROUTE:
		j->route = p->order->route;
		break;
	case QUEUE_ACT_REQUEUE:
		requeue(p, j, now_us);
		break;
	}
	return OUTCOME_KEEP;
}

static void log_order(const struct ordering *p, uint64_t item, const struct job *j)
{
	LOG(LOG_INFO, NULL, "queue.order", LF_STR("order", queue_action_name(p->order->action)),
	    LF_SLICE("by", p->order->who), LF_UINT("partition", partition_id(p->load.part)),
	    LF_UINT("item", item), LF_HEX("trace", slice(j->trace_id, sizeof j->trace_id)),
	    LF_SLICE("from", j->sender), LF_SLICE("to", j->address),
	    LF_SLICE("route", p->order->route), LF_SLICE("why", p->order->reason));
}

/* A claim that came to nothing. */
static void give_back(struct ordering *p, size_t i)
{
	static const struct sched_result back = {.outcome = SCHED_BACK};

	if (p->claimed[i] == FROM_SCHED)
		(void)sched_done(p->o->sched, (struct sched_key){(uint16_t)p->part, p->ids[i]},
				 SCHED_SELF, clock_wall_us(), &back);
	else if (p->claimed[i] == FROM_RUNNER)
		runner_release(p->o->runner, p->load.part, p->ids[i]);
	p->claimed[i] = BY_NOBODY;
}

/* When the runner looks at what stays inside; the way out's is parked. */
static int64_t due_of(const struct job *j)
{
	return is_inside(j->kind) && !j->held ? MAX(clock_wall_us(), j->release_us)
					      : QUEUE_PARKED_US;
}

static void make_edit(struct ordering *p, const struct due_item *it, struct job *j)
{
	struct queue_edit *edit = &p->edits[p->n];

	*edit = (struct queue_edit){.what = QUEUE_REMOVE, .id = it->id};
	if (obey(p, j) != OUTCOME_REMOVE) {
		edit->what = QUEUE_RESCHEDULE;
		edit->due_us = due_of(j);
		edit->payload = job_pack(j, &p->mem);
	}
	p->records[p->n] = it->record_no;
	p->jobs[p->n++] = *j;
}

static void make_edits(struct ordering *p)
{
	for (size_t i = 0; i < p->load.n; i++) {
		const struct due_item *it = &p->items[i];
		bool readable = it->id != 0;
		struct job j = {.kind = JOB_BAD};

		if (readable)
			readable = job_unpack(it->payload, &p->mem, &j) == E_OK;
		if (readable && p->order->filter != NULL &&
		    !queue_filter_job(p->order->filter, &j)) {
			give_back(p, i);
			continue;
		}
		if (readable && p->claimed[i] != FROM_SCHED &&
		    (j.kind == JOB_OUTSIDE || j.kind == JOB_NOTICE)) {
			p->done.busy++; /* the scheduler learns of it in a moment */
		} else if (readable && fits(p->order->action, &j)) {
			make_edit(p, it, &j);
			continue;
		} else if (it->id != 0 && p->order->action == QUEUE_ACT_DROP) {
			make_edit(p, it, &j);
			continue;
		} else if (it->id != 0) {
			p->done.unfit++;
		}
		give_back(p, i);
	}
}

static void claim(struct ordering *p, const uint64_t *items, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		struct sched_key key = {(uint16_t)p->part, items[i]};
		enum err e = sched_claim(p->o->sched, key, clock_wall_us());

		p->claimed[p->load.n] = e == E_OK ? FROM_SCHED : BY_NOBODY;
		if (e == E_NOT_FOUND && p->o->runner != NULL) {
			e = runner_claim(p->o->runner, p->load.part, items[i]);
			p->claimed[p->load.n] = e == E_OK ? FROM_RUNNER : BY_NOBODY;
		}
		if (e == E_BUSY) {
			p->done.busy++;
			continue;
		}
		p->ids[p->load.n++] = items[i];
	}
}

/* Committed: the scheduler learns each item anew. */
static void tell_sched(struct ordering *p)
{
	for (size_t i = 0; i < p->n; i++) {
		const struct queue_edit *edit = &p->edits[i];
		struct sched_key key = {(uint16_t)p->part, edit->id};
		struct due_item item = {
			.id = edit->id, .record_no = p->records[i], .payload = edit->payload};

		if (sched_remove(p->o->sched, key) != E_OK)
			LOG(LOG_DEBUG, NULL, "queue.not_scheduled", LF_UINT("item", edit->id));
		if (!edit->found)
			continue;
		log_order(p, edit->id, &p->jobs[i]);
		p->done.done++;
		if (edit->what == QUEUE_REMOVE)
			continue;
		outbound_add(p->o, p->part, &item);
		if (p->order->action == QUEUE_ACT_RETRY && job_is_outward(p->jobs[i].kind) &&
		    sched_retry(p->o->sched, key, clock_wall_us()) != E_OK)
			LOG(LOG_WARN, NULL, "queue.item_left", LF_UINT("item", edit->id));
	}
}

WAITS static enum err change_rows(struct ordering *p)
{
	enum err e = p->load.n != 0 ? outbound_load(&p->load) : E_OK;

	if (e == E_OK)
		make_edits(p);
	if (e == E_OK && p->n != 0)
		e = outbound_change(p->load.part, p->edits, p->n);
	if (e == E_OK)
		tell_sched(p);
	return e;
}

WAITS static enum err carry_out(struct ordering *p)
{
	enum err e = outbound_rows_begin(p->o, p->part);

	if (e == E_OK) {
		e = change_rows(p);
		outbound_rows_end(p->o, p->part);
	}
	/* What the scheduler has learnt anew is claimed no more. */
	for (size_t i = 0; i < p->load.n; i++) {
		if (e != E_OK || p->claimed[i] == FROM_RUNNER)
			give_back(p, i);
	}
	return e;
}

WAITS enum err outbound_order(struct outbound *o, struct partition *part,
			      const struct queue_order *order, const uint64_t *items, size_t n,
			      struct queue_done *out)
{
	struct ordering *p = xcalloc(1, sizeof *p);
	struct sched_key key;
	enum err e = E_RETRY;

	invariant(n <= QUEUE_WALK_ROWS);
	p->o = o;
	p->order = order;
	p->load = (struct outbound_rows){.part = part, .ids = p->ids, .items = p->items};
	arena_init(&p->mem, NULL);
	buf_init(&p->load.bytes, n * (size_t)STORE_PAYLOAD_MAX, NULL);
	/* A partition that was opened a moment ago is not known yet. */
	if (outbound_key(o, partition_id(part), 0, &key)) {
		p->part = key.partition;
		claim(p, items, n);
		e = carry_out(p);
		waitq_wake_all(&o->takers);
	}
	if (e == E_OK) {
		out->done += p->done.done;
		out->busy += p->done.busy;
		out->unfit += p->done.unfit;
	}
	buf_fini(&p->load.bytes);
	arena_reset(&p->mem);
	xfree(&p);
	return e;
}
