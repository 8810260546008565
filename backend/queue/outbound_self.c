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
	struct sched_result later = {.outcome = SCHED_LATER};
	struct sched_key key;

	later.next_us = clock_wall_us() + wait_us;
	for (size_t i = 0; i < j->lease.n; i++) {
		if (outbound_key(o, j->lease.partition, j->lease.items[i], &key))
			(void)sched_done(o->sched, key, worker, clock_wall_us(), &later);
	}
}

/* What becomes of a job's items without a worker. */
WAITS static void settle(struct outbound_worker *w, const struct outbound_job *j, size_t part,
			 struct outbound_verdict *v)
{
	if (outbound_settle(w->o, part, v, j->n) == E_OK)
		return;
	LOG(LOG_WARN, NULL, "queue.item_failed", LF_UINT("item", j->lease.items[0]));
	outbound_put_off(w->o, j, w->number, OUTBOUND_FAILED_US);
}

/* ---- refusals by a route ---- */

WAITS static void refuse(struct outbound_worker *w, const struct outbound_job *j, size_t part)
{
	struct outbound_verdict *v = xcalloc(j->n, sizeof *v);

	for (size_t i = 0; i < j->n; i++) {
		v[i] = (struct outbound_verdict){.item = j->lease.items[i],
						 .record_no = j->lease.record_no,
						 .job = j->jobs[i],
						 .worker = w->number};
		v[i].what = outcome_given_up(&v[i].job, SL("5.7.1"), j->refused, clock_wall_us());
		job_log("queue.refused", LOG_WARN, v[i].item, &v[i].job);
	}
	settle(w, j, part, v);
	xfree(&v);
}

WAITS void outbound_refuse(struct outbound_worker *w, struct outbound_batch *out)
{
	size_t n = 0;

	for (size_t i = 0; i < out->n; i++) {
		struct outbound_job *j = &out->jobs[i];
		struct sched_key key;

		if (j->refused.n == 0)
			out->jobs[n++] = *j;
		else if (outbound_key(w->o, j->lease.partition, 0, &key))
			refuse(w, j, key.partition);
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
WAITS static void notice_fails(struct outbound_worker *w, const struct outbound_job *j, size_t part,
			       enum err why)
{
	struct outbound_verdict *v = xcalloc(j->n, sizeof *v);
	/* What else is wrong may be mended before its time is over. */
	bool later = why != E_NOT_FOUND && why != E_DENIED && why != E_INVALID;
	bool alert = j->jobs[0].action == JOB_ALERT; /* the log says it, too */

	for (size_t i = 0; i < j->n; i++) {
		v[i] = (struct outbound_verdict){.item = j->lease.items[i],
						 .record_no = j->lease.record_no,
						 .what = later   ? OUTCOME_KEEP
							 : alert ? OUTCOME_REMOVE
								 : OUTCOME_BAD,
						 .job = j->jobs[i],
						 .worker = w->number};
		v[i].result.outcome = SCHED_LATER;
		v[i].result.next_us = v[i].job.next_us = clock_wall_us() + NOTICE_WAIT_US;
		if (!later)
			v[i].job.kind = JOB_BAD;
		job_log(later ? "queue.notice_waits" : "queue.notice_bad", LOG_WARN, v[i].item,
			&v[i].job);
	}
	settle(w, j, part, v);
	xfree(&v);
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
		struct sched_key key;
		enum err e = E_OK;

		if (j->lease.kind == LEASE_NOTICE)
			e = address_notice(w, j, &out->mem);
		if (e == E_OK)
			out->jobs[n++] = *j;
		else if (outbound_key(w->o, j->lease.partition, 0, &key))
			notice_fails(w, j, key.partition, e);
	}
	out->n = n;
}
