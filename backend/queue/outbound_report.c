/*
 * What workers report: each recipient's result becomes a verdict on its item; all of a report are
 * one change of the partition. A success that nobody wants to hear of needs no look at its row.
 */
#include "backend/queue/outbound_priv.h"

#include "common/base/clock.h"
#include "common/log/log.h"
#include "common/log/metric.h"

METRIC_COUNTER(m_sent, "queue_attempts_total", "Tries of the way out by result",
	       {"result", "sent"});
METRIC_COUNTER(m_later, "queue_attempts_total", "Tries of the way out by result",
	       {"result", "later"});
METRIC_COUNTER(m_failed, "queue_attempts_total", "Tries of the way out by result",
	       {"result", "failed"});

struct reporting {
	struct outbound *o;
	size_t part;
	struct outbound_rows rows; /* of those that need a look */
	uint64_t *ids;
	struct outbound_verdict *verdicts;
	size_t n;
	struct tried {
		uint64_t sender;
		bool failed;
	} * tried;
	size_t ntried;
	struct arena mem;
};

static bool is_success(const struct outcome_try *t)
{
	return t->status.n != 0 && t->status.p[0] == '2';
}

/* The row tells what to do: a failure, a later try, or a success that may have to be told. */
static bool needs_row(const struct outbound_result *r, size_t i)
{
	if (r->end == OUTBOUND_UNTRIED)
		return false;
	if (r->end == OUTBOUND_UNREACHABLE)
		return true;
	return !is_success(&r->tries[i]) || r->lease->tells_success;
}

static void collect_ids(struct reporting *p, const struct outbound_result *v, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		for (size_t k = 0; k < v[i].lease->n; k++) {
			if (needs_row(&v[i], k))
				p->ids[p->rows.n++] = v[i].lease->items[k];
		}
	}
	p->rows.ids = p->ids;
}

static const char *event_of(enum outcome what, const struct outcome_try *t)
{
	if (is_success(t))
		return "outbound.sent";
	return what == OUTCOME_KEEP ? "outbound.deferred" : "outbound.failed";
}

static void count(enum outcome what, const struct outcome_try *t)
{
	metric_add(is_success(t) ? &m_sent : what == OUTCOME_KEEP ? &m_later : &m_failed, 1);
}

/* It was, or could have been, a try without the relay that is next. */
static bool is_direct(struct outbound *o, const struct job *j, struct way *w)
{
	if (j->kind == JOB_NOTICE)
		return false;
	way_of(o->deliver->dir, &o->down, &o->asks, outbound_server(o, j), j, clock_wall_us(), w);
	return w->routed && w->route.direct && j->attempts == 0;
}

/* Else the report came before, and its answer was lost; or an administrator was quicker. Whoever
 * changed the row has told the scheduler. */
static bool is_of_lease(const struct lease_token *l, const struct job *j)
{
	return j->kind == (l->kind == LEASE_NOTICE ? JOB_NOTICE : JOB_OUTSIDE);
}

/* The k-th item's verdict, by its row. */
static void judge_row(struct reporting *p, const struct outbound_result *r, size_t k,
		      const struct due_item *row)
{
	const struct outcome_try *t = &r->tries[r->end == OUTBOUND_TRIED ? k : 0];
	struct outbound_verdict *v = &p->verdicts[p->n];
	struct outcome_times times;
	struct way way;
	bool direct;

	if (row->id == 0 || job_unpack(row->payload, &p->mem, &v->job) != E_OK) {
		v->what = OUTCOME_REMOVE; /* gone already */
		p->n++;
		return;
	}
	if (!is_of_lease(r->lease, &v->job))
		return;
	v->record_no = row->record_no;
	direct = is_direct(p->o, &v->job, &way);
	times = outbound_times(p->o, &v->job);
	v->what = outcome_of_try(&v->job, t, &times);
	if (r->end == OUTBOUND_UNREACHABLE)
		v->result.outcome = k == 0 ? SCHED_DEST_DOWN : SCHED_BACK;
	if (direct && v->what == OUTCOME_KEEP) {
		v->job.next_us = t->at_us; /* the relay, now */
		/* What one message asks for says nothing of the host. */
		if (r->end == OUTBOUND_UNREACHABLE && way.tls == WAY_TLS_ANY)
			outbound_direct_down(p->o, way.domain);
	}
	v->result.next_us = v->job.next_us;
	job_log(event_of(v->what, t),
		v->what == OUTCOME_KEEP || is_success(t) ? LOG_INFO : LOG_WARN, v->item, &v->job);
	count(v->what, t);
	p->n++;
}

/* Others of its destination wait without a try of their own. */
static void note_trouble(struct reporting *p, const struct outbound_result *r, slice_t destination)
{
	if (r->end == OUTBOUND_UNREACHABLE)
		troubles_note(&p->o->troubles, destination, &r->tries[0]);
	else if (r->end == OUTBOUND_TRIED)
		troubles_over(&p->o->troubles, destination);
}

/* Whose mail is refused for good tells of whoever sends it. Once the change is made the scheduler
 * does not know a sender any more; until then it may have to be reported again. */
static void note_senders(struct reporting *p, const struct outbound_result *v, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		for (size_t k = 0; k < v[i].lease->n; k++) {
			struct sched_key key = {(uint16_t)p->part, v[i].lease->items[k]};
			struct sched_info info;
			slice_t status;

			if (v[i].lease->kind != LEASE_SEND ||
			    sched_get(p->o->sched, key, clock_wall_us(), &info) != E_OK)
				continue;
			if (k == 0)
				note_trouble(p, &v[i], info.item.destination);
			if (v[i].end != OUTBOUND_TRIED)
				continue;
			status = v[i].tries[k].status;
			p->tried[p->ntried++] = (struct tried){info.item.sender,
							       status.n != 0 && status.p[0] == '5'};
		}
	}
}

static void tell_guard(const struct reporting *p)
{
	for (size_t i = 0; i < p->ntried && p->o->guard != NULL; i++)
		guard_tried(p->o->guard, p->tried[i].sender, 1, p->tried[i].failed);
}

static enum sched_sign sign_of(const struct outbound_result *r)
{
	return r->crowded ? SCHED_CROWDED : SCHED_SMOOTH;
}

static void judge(struct reporting *p, const struct outbound_result *r, size_t k, size_t *row)
{
	struct outbound_verdict *v = &p->verdicts[p->n];

	*v = (struct outbound_verdict){.item = r->lease->items[k], .worker = r->worker};
	v->result = (struct sched_result){.outcome = SCHED_LATER,
					  .sign = sign_of(r),
					  .ms = r->ms,
					  .leased_us = r->lease->leased_us};
	if (needs_row(r, k)) {
		judge_row(p, r, k, &p->rows.items[(*row)++]);
		return;
	}
	v->what = OUTCOME_REMOVE;
	count(OUTCOME_REMOVE, &r->tries[k]);
	LOG(LOG_INFO, NULL, "outbound.sent", LF_UINT("item", v->item),
	    LF_HEX("trace", slice(r->lease->trace_id, sizeof r->lease->trace_id)),
	    LF_SLICE("status", r->tries[k].status), LF_SLICE("remote", r->tries[k].remote),
	    LF_SLICE("tls", r->tls), LF_UINT("ms", r->ms));
	p->n++;
}

static void judge_all(struct reporting *p, const struct outbound_result *v, size_t n)
{
	size_t row = 0;

	for (size_t i = 0; i < n; i++) {
		for (size_t k = 0; k < v[i].lease->n && v[i].end != OUTBOUND_UNTRIED; k++)
			judge(p, &v[i], k, &row);
	}
}

/* What was not tried needs no change of the store. Only once the others' change is made: else all
 * of it is reported again, and the worker may have got these anew until then. */
static void give_back(struct reporting *p, const struct outbound_result *v, size_t n)
{
	bool any = false;

	for (size_t i = 0; i < n; i++) {
		struct sched_result back = {.outcome = SCHED_BACK,
					    .sign = sign_of(&v[i]),
					    .leased_us = v[i].lease->leased_us};

		for (size_t k = 0; k < v[i].lease->n && v[i].end == OUTBOUND_UNTRIED; k++) {
			struct sched_key key = {(uint16_t)p->part, v[i].lease->items[k]};

			(void)sched_done(p->o->sched, key, v[i].worker, clock_wall_us(), &back);
			any = true;
		}
	}
	if (any)
		outbound_came_back(p->o);
}

static size_t items_of(const struct outbound_result *v, size_t n)
{
	size_t sum = 0;

	for (size_t i = 0; i < n; i++)
		sum += v[i].lease->n;
	return sum;
}

/* All of it. */
WAITS static enum err carry_out(struct reporting *p, const struct outbound_result *v, size_t n)
{
	enum err e = p->rows.n != 0 ? outbound_load(&p->rows) : E_OK;

	if (e != E_OK)
		return e;
	note_senders(p, v, n);
	judge_all(p, v, n);
	e = outbound_settle(p->o, p->part, p->verdicts, p->n);
	if (e == E_OK)
		give_back(p, v, n);
	return e;
}

WAITS static enum err carry_out_alone(struct reporting *p, const struct outbound_result *v,
				      size_t n)
{
	enum err e = outbound_rows_begin(p->o, p->part);

	if (e != E_OK)
		return e;
	e = carry_out(p, v, n);
	outbound_rows_end(p->o, p->part);
	return e;
}

WAITS enum err outbound_report(struct outbound *o, struct partition *part,
			       const struct outbound_result *v, size_t n)
{
	size_t items = items_of(v, n);
	struct reporting p = {.o = o, .rows = {.part = part}};
	struct sched_key key;
	enum err e;

	if (!outbound_key(o, partition_id(part), 0, &key))
		return E_RETRY; /* opened a moment ago */
	p.part = key.partition;
	p.ids = xcalloc(items, sizeof *p.ids);
	p.rows.items = xcalloc(items, sizeof *p.rows.items);
	p.verdicts = xcalloc(items, sizeof *p.verdicts);
	p.tried = xcalloc(items, sizeof *p.tried);
	arena_init(&p.mem, NULL);
	buf_init(&p.rows.bytes, items * (size_t)STORE_PAYLOAD_MAX, NULL);
	collect_ids(&p, v, n);
	e = p.rows.n != 0 ? carry_out_alone(&p, v, n) : carry_out(&p, v, n);
	if (e == E_OK)
		tell_guard(&p);
	buf_fini(&p.rows.bytes);
	arena_reset(&p.mem);
	xfree(&p.tried);
	xfree(&p.verdicts);
	xfree(&p.rows.items);
	xfree(&p.ids);
	return e;
}
