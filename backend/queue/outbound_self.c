/*
 * What of a batch no worker decides: jobs that a route refuses end here, and notices, which stay
 * inside, are given whom they go to.
 */
#include "backend/queue/outbound_priv.h"

#include "common/base/clock.h"
#include "common/base/num.h"
#include "common/crypto/digest.h"
#include "common/log/log.h"
#include "common/parse/addr.h"

#define NOTICE_WAIT_US (60 * 1000000LL) /* before a notice is tried again that could not be told */

void outbound_put_off(struct outbound *o, const struct outbound_job *j, uint32_t worker,
		      int64_t wait_us)
{
	struct sched_result off = {.outcome = SCHED_OFF, .leased_us = j->lease.leased_us};
	struct sched_key key;

	off.next_us = clock_wall_us() + wait_us;
	for (size_t i = 0; i < j->lease.n; i++) {
		if (outbound_key(o, j->lease.partition, j->lease.items[i], &key))
			(void)sched_done(o->sched, key, worker, clock_wall_us(), &off);
	}
}

/* ---- items that end here, or wait, without a worker ---- */

/* What becomes of one item, as its row says it is; v->what and v->job are to be set. */
typedef void decide_fn(const struct outbound_job *j, enum err why, struct outbound_verdict *v);

static void give_back(const struct outbound_worker *w, const struct outbound_job *j, uint64_t item)
{
	struct sched_result back = {.outcome = SCHED_BACK, .leased_us = j->lease.leased_us};
	struct sched_key key;

	if (outbound_key(w->o, j->lease.partition, item, &key))
		(void)sched_done(w->o->sched, key, w->number, clock_wall_us(), &back);
}

/* A late report may have changed rows since they were read: then its word counts. */
static size_t decide_rows(const struct outbound_worker *w, const struct outbound_job *j,
			  struct outbound_rows *r, decide_fn *decide, enum err why,
			  struct outbound_verdict *verdicts, struct arena *mem)
{
	size_t n = 0;

	for (size_t i = 0; i < r->n; i++) {
		struct outbound_verdict *v = &verdicts[n];

		*v = (struct outbound_verdict){.item = r->items[i].id,
					       .record_no = r->items[i].record_no,
					       .worker = w->number};
		v->result.leased_us = j->lease.leased_us;
		if (v->item == 0 || job_unpack(r->items[i].payload, mem, &v->job) != E_OK ||
		    v->job.kind != j->jobs[i].kind || v->job.attempts != j->jobs[i].attempts) {
			give_back(w, j, j->lease.items[i]);
			continue;
		}
		decide(j, why, v);
		n++;
	}
	return n;
}

WAITS static enum err decide_alone(struct outbound_worker *w, const struct outbound_job *j,
				   size_t part, decide_fn *decide, enum err why)
{
	struct outbound_rows r = {
		.part = w->o->parts[part].part, .ids = j->lease.items, .n = j->lease.n};
	struct outbound_verdict *v = xcalloc(r.n, sizeof *v);
	struct arena mem;
	enum err e;

	arena_init(&mem, NULL);
	r.items = arena_alloc(&mem, r.n * sizeof *r.items);
	buf_init(&r.bytes, r.n * (size_t)STORE_PAYLOAD_MAX, NULL);
	e = outbound_load(&r);
	if (e == E_OK)
		e = outbound_settle(w->o, part, v, decide_rows(w, j, &r, decide, why, v, &mem));
	buf_fini(&r.bytes);
	arena_reset(&mem);
	xfree(&v);
	return e;
}

WAITS static void end_job(struct outbound_worker *w, const struct outbound_job *j,
			  decide_fn *decide, enum err why)
{
	struct sched_key key;
	enum err e;

	if (!outbound_key(w->o, j->lease.partition, 0, &key))
		return;
	e = outbound_rows_begin(w->o, key.partition);
	if (e == E_OK) {
		e = decide_alone(w, j, key.partition, decide, why);
		outbound_rows_end(w->o, key.partition);
	}
	if (e == E_OK)
		return;
	LOG(LOG_WARN, NULL, "queue.item_failed", LF_UINT("item", j->lease.items[0]),
	    LF_ERR("error", e));
	outbound_put_off(w->o, j, w->number, OUTBOUND_FAILED_US);
}

/* ---- refusals by a route ---- */

static void refuse(const struct outbound_job *j, enum err why UNUSED, struct outbound_verdict *v)
{
	v->what = outcome_given_up(&v->job, SL("5.7.1"), j->refused, clock_wall_us());
	job_log("queue.refused", LOG_WARN, v->item, &v->job);
}

WAITS void outbound_refuse(struct outbound_worker *w, struct outbound_batch *out)
{
	size_t n = 0;

	for (size_t i = 0; i < out->n; i++) {
		struct outbound_job *j = &out->jobs[i];

		if (j->refused.n == 0)
			out->jobs[n++] = *j;
		else
			end_job(w, j, refuse, E_OK);
	}
	out->n = n;
}

/* ---- notices: whom they go to ---- */

/* The delivery of one notice is known by what it is about, whoever tries it. */
static void notice_txid(struct outbound_job *j)
{
	uint8_t digest[SHA256_LEN];
	char text[8 + LEASE_ITEMS_MAX * 8];

	be64_put(text, j->lease.partition);
	for (size_t i = 0; i < j->lease.n; i++)
		be64_put(text + 8 + i * 8, j->lease.items[i]);
	sha256(slice(text, 8 + j->lease.n * 8), digest);
	memcpy(j->txid, digest, sizeof j->txid);
}

/* The reverse-path as the directory wants it: without quotes. */
static enum err plain_address(slice_t path, struct arena *mem, slice_t *out)
{
	struct addr a;
	struct buf b;
	enum err e = addr_parse(path, ADDR_SMTPUTF8, &a);

	if (e == E_OK)
		e = addr_normalise(&a);
	if (e != E_OK)
		return e;
	buf_init(&b, DIR_ADDRESS_MAX, NULL);
	buf_put(&b, addr_local(&a));
	buf_putc(&b, '@');
	buf_put(&b, addr_domain(&a));
	*out = arena_dup(mem, buf_slice(&b));
	e = buf_failed(&b) ? E_INVALID : E_OK;
	buf_fini(&b);
	return e;
}

/* Nobody can be told, or not now. */
static void notice_fails(const struct outbound_job *j UNUSED, enum err why,
			 struct outbound_verdict *v)
{
	/* What else is wrong may be mended before its time is over. */
	bool later = why != E_NOT_FOUND && why != E_DENIED && why != E_INVALID;
	/* Nobody misses what is no failure; of an alert the log says it, too. */
	bool missed = v->job.action == JOB_FAILED;

	v->what = later ? OUTCOME_KEEP : missed ? OUTCOME_BAD : OUTCOME_REMOVE;
	v->result.outcome = SCHED_OFF;
	v->result.next_us = v->job.next_us = clock_wall_us() + NOTICE_WAIT_US;
	if (!later)
		v->job.kind = JOB_BAD;
	job_log(later ? "queue.notice_waits" : "queue.notice_bad", LOG_WARN, v->item, &v->job);
}

static bool tells_failure(const struct outbound_job *j)
{
	for (size_t i = 0; i < j->n; i++) {
		if (j->jobs[i].action == JOB_FAILED)
			return true;
	}
	return false;
}

/* What a sender is told of a failure goes to the operator's address, too: by the queue of the
 * notice's own partition, so that nobody's absence keeps the sender waiting. */
WAITS static void add_copy(struct outbound_worker *w, struct outbound_job *j, struct arena *mem)
{
	struct resolve_ask ask = {.peer = &w->peer,
				  .relay = true,
				  .partition = j->lease.partition,
				  .no_quota = true,
				  .as_job = true};
	slice_t to = slice_str(w->o->bounce_copy);
	struct resolved copy = {0};
	struct diag d = {""};
	enum err e;

	if (to.n == 0 || !tells_failure(j) || slice_ieq(to, j->jobs[0].sender))
		return;
	e = plain_address(to, mem, &ask.address);
	if (e == E_OK)
		e = resolve_address(w->o->deliver, &ask, mem, &copy, &d);
	if (e == E_OK && j->targets.n + copy.n > RESOLVE_OWNERS_MAX)
		e = E_LIMIT;
	if (e != E_OK) {
		LOG(LOG_WARN, NULL, "queue.no_copy", LF_UINT("item", j->lease.items[0]),
		    LF_SLICE("to", to), LF_ERR("error", e), LF_STR("why", d.text));
		return;
	}
	for (size_t i = 0; i < copy.n; i++)
		j->targets.targets[j->targets.n++] = copy.targets[i];
}

WAITS static enum err address_notice(struct outbound_worker *w, struct outbound_job *j,
				     struct arena *mem)
{
	struct resolve_ask ask = {.peer = &w->peer,
				  .relay = true,
				  .partition = j->lease.partition,
				  .no_quota = true,
				  .null_sender = true};
	struct diag d = {""};
	enum err e = plain_address(j->jobs[0].sender, mem, &ask.address);

	notice_txid(j);
	if (e == E_OK)
		e = resolve_address(w->o->deliver, &ask, mem, &j->targets, &d);
	if (e == E_OK)
		add_copy(w, j, mem);
	return e;
}

WAITS void outbound_address(struct outbound_worker *w, struct outbound_batch *out)
{
	size_t n = 0;

	for (size_t i = 0; i < out->n; i++) {
		struct outbound_job *j = &out->jobs[i];
		enum err e = E_OK;

		if (j->lease.kind == LEASE_NOTICE)
			e = address_notice(w, j, &out->mem);
		if (e == E_OK)
			out->jobs[n++] = *j;
		else
			end_job(w, j, notice_fails, e);
	}
	out->n = n;
}
