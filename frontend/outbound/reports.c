#include "frontend/outbound/reports.h"

#include "common/base/clock.h"
#include "common/base/map.h"
#include "common/log/log.h"
#include "common/loop/fiber.h"

#define REPORT_BYTES_MAX 49152u /* of one request, about: a frame holds 64 KiB */
#define AGAIN_MS         1000   /* before what did not count is sent again */

struct entry {
	struct list node;
	struct outbound_job *job;
	struct outbound_report report;
	int64_t until_ms;
};

/* Those of one partition; a fiber sends them while there are any. */
struct outgoing {
	uint32_t partition;
	struct list entries;
	bool running;
};

static struct {
	bool begun;
	struct map by_partition;
	unsigned waiting; /* entries */
	struct waitq empty;
} reports;

static struct outgoing *outgoing_of(uint32_t partition)
{
	slice_t key = slice(&partition, sizeof partition);
	struct outgoing *o;

	if (!reports.begun) {
		map_init(&reports.by_partition);
		waitq_init(&reports.empty);
		reports.begun = true;
	}
	o = map_get(&reports.by_partition, key);
	if (o == NULL) {
		o = xcalloc(1, sizeof *o);
		o->partition = partition;
		list_init(&o->entries);
		invariant(map_put(&reports.by_partition, key, o) == NULL);
	}
	return o;
}

static void entry_free(struct entry *x)
{
	list_remove(&x->node);
	outbound_job_free(&x->job);
	xfree(&x);
	if (--reports.waiting == 0)
		waitq_wake_all(&reports.empty);
}

static size_t size_of(const struct outbound_report *r)
{
	size_t n = r->lease.n + r->remote.n + r->tls.n + 32;

	for (size_t i = 0; i < r->n; i++)
		n += r->results[i].status.n + r->results[i].text.n + 16;
	return n;
}

/* Nobody waits for these any more, and what they say could be taken for a later lease's. */
static bool is_void(const struct outbound_job *j, const struct outbound_report *r)
{
	return r->end == OUTBOUND_UNTRIED && outbound_job_is_lost(j);
}

static void drop_void(struct outgoing *o)
{
	list_for_each_safe(i, &o->entries) {
		struct entry *x = list_entry(i, struct entry, node);

		if (is_void(x->job, &x->report))
			entry_free(x);
	}
}

/* The first ones, as many as one request holds. */
static size_t gather(const struct outgoing *o, struct entry **entries, struct outbound_report *v)
{
	size_t n = 0, bytes = 0;

	list_for_each(i, &o->entries) {
		struct entry *x = list_entry(i, struct entry, node);
		size_t size = size_of(&x->report);

		if (n == OUTBOUND_RESULTS_MAX || (n != 0 && bytes + size > REPORT_BYTES_MAX))
			break;
		bytes += size;
		entries[n] = x;
		v[n++] = x->report;
	}
	return n;
}

/* Asked for by nobody any more: an old lease, or one of an account of another time. */
static bool is_refusal(enum err e)
{
	return e == E_NO_TICKET || e == E_INVALID || e == E_DENIED || e == E_NOT_FOUND;
}

static void log_lost(const struct entry *x, enum err e, const char *why)
{
	LOG(LOG_WARN, NULL, "outbound.report_lost",
	    LF_HEX("trace", slice(x->job->trace_id, sizeof x->job->trace_id)), LF_ERR("error", e),
	    LF_STR("why", why));
}

/* One bad lease must not take the others with it. */
WAITS static void send_singly(const struct outgoing *o, struct entry **entries, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		struct diag d = {""};
		enum err e = call_outbound_report(o->partition, &entries[i]->report, 1, &d);

		if (is_refusal(e))
			log_lost(entries[i], e, d.text);
		if (e == E_OK || is_refusal(e))
			entry_free(entries[i]);
	}
}

static void drop_old(struct entry **entries, size_t n, enum err e)
{
	for (size_t i = 0; i < n; i++) {
		if (entries[i]->until_ms > clock_mono_ms())
			continue;
		log_lost(entries[i], e, "too late");
		entry_free(entries[i]);
	}
}

WAITS static void send_all(void *arg)
{
	struct outgoing *o = arg;
	struct outbound_report v[OUTBOUND_RESULTS_MAX];
	struct entry *entries[OUTBOUND_RESULTS_MAX];

	for (drop_void(o); !list_empty(&o->entries) && !fiber_cancelled(); drop_void(o)) {
		size_t n = gather(o, entries, v);
		struct diag d = {""};
		enum err e = call_outbound_report(o->partition, v, n, &d);

		if (e == E_OK) {
			for (size_t i = 0; i < n; i++)
				entry_free(entries[i]);
		} else if (is_refusal(e)) {
			send_singly(o, entries, n);
		} else {
			drop_old(entries, n, e);
			(void)fiber_sleep("outbound.report_again", AGAIN_MS);
		}
	}
	o->running = false;
}

void reports_put(struct outbound_job *j, const struct outbound_report *r)
{
	struct outgoing *o;
	struct entry *x;

	if (is_void(j, r)) {
		outbound_job_free(&j);
		return;
	}
	o = outgoing_of(j->partition);
	x = xcalloc(1, sizeof *x);
	*x = (struct entry){
		.job = j, .report = *r, .until_ms = clock_mono_ms() + OUTBOUND_KEEP_REPORT_MS};
	x->report.lease = j->lease;
	x->report.turn = j->turn;
	list_append(&o->entries, &x->node);
	reports.waiting++;
	if (!o->running)
		o->running = fiber_start("outbound.report", send_all, o, NULL) == E_OK;
}

void reports_put_untried(struct outbound_job *j)
{
	static const struct outbound_report untried = {.end = OUTBOUND_UNTRIED};

	reports_put(j, &untried);
}

WAITS void reports_flush(int64_t deadline_ms)
{
	while (reports.waiting != 0) {
		if (waitq_wait(&reports.empty, "outbound.reports", deadline_ms) != E_OK)
			return;
	}
}
