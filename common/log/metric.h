/*
 * metric: counters, gauges and histograms, owned by the module that counts, registered once and
 * never removed. Counting is one relaxed atomic addition, from any thread. Names are without
 * prefix; the text output adds "postern_".
 *
 *   METRIC_COUNTER(accepted, "smtp_messages_total", "Messages by result", {"result", "accepted"});
 *   metric_add(&accepted, 1);
 *
 * A *snapshot* is all metrics of a process as bytes: what a front-end's worker sends over the RPC.
 * The receiver trusts none of it: metric_render refuses malformed names, labels and counts.
 * Prometheus' text format wants the samples of a family together, so rendering takes all
 * snapshots at once, each with the labels to add (node, service).
 */
#ifndef COMMON_LOG_METRIC_H
#define COMMON_LOG_METRIC_H

#include <stdatomic.h>

#include "common/base/buf.h"
#include "common/base/err.h"

enum metric_kind { METRIC_K_COUNTER, METRIC_K_GAUGE, METRIC_K_HISTOGRAM };

/* What a histogram's values and bounds count: PLAIN (bytes, messages) are printed as they are, US
 * (microseconds) in seconds. */
enum metric_unit { METRIC_PLAIN, METRIC_US };

#define METRIC_LABELS_MAX  4
#define METRIC_BOUNDS_MAX  20
#define METRIC_NAME_MAX    96
#define METRIC_LABEL_MAX   128  /* bytes of one label value */
#define METRIC_SAMPLES_MAX 4096 /* in one snapshot: far above what a worker has (about 200) */

struct metric_label {
	const char *key;
	const char *value;
};

/* One time series. Counters and gauges use value alone. */
struct metric {
	const char *name; /* literals all */
	const char *help;
	enum metric_kind kind;
	struct metric_label labels[METRIC_LABELS_MAX]; /* ends before a NULL key */
	_Atomic int64_t value;
	struct metric_hist *hist;
	struct metric *next;
};

struct metric_hist {
	enum metric_unit unit;
	unsigned nbounds;
	uint64_t bounds[METRIC_BOUNDS_MAX]; /* upper, inclusive, ascending */
	_Atomic uint64_t counts[METRIC_BOUNDS_MAX + 1];
	_Atomic uint64_t sum;
};

/* Adds m to the process's registry; at start, or at any time, from any thread; once. */
void metric_register(struct metric *m);

#define METRIC_DEFINE_(var, k, metric_name, text, h, ...) \
	static struct metric var = {.name = (metric_name), \
				    .help = (text), \
				    .kind = (k), \
				    .hist = (h), \
				    .labels = {__VA_ARGS__}}; \
	__attribute__((constructor)) static void metric_register_##var(void) \
	{ \
		metric_register(&var); \
	} \
	struct metric_semicolon_

/* Define one at file scope. Labels: up to METRIC_LABELS_MAX of {"key", "value"}. */
#define METRIC_COUNTER(var, name, help, ...) \
	METRIC_DEFINE_(var, METRIC_K_COUNTER, name, help, NULL, __VA_ARGS__)
#define METRIC_GAUGE(var, name, help, ...) \
	METRIC_DEFINE_(var, METRIC_K_GAUGE, name, help, NULL, __VA_ARGS__)
/* BOUNDS is METRIC_BOUNDS(1000, 10000, ...), at most METRIC_BOUNDS_MAX. */
#define METRIC_HISTOGRAM(var, name, help, hist_unit, BOUNDS, ...) \
	static struct metric_hist var##_hist = {.unit = (hist_unit), \
						.nbounds = sizeof((uint64_t[])BOUNDS) / \
							   sizeof(uint64_t), \
						.bounds = BOUNDS}; \
	METRIC_DEFINE_(var, METRIC_K_HISTOGRAM, name, help, &var##_hist, __VA_ARGS__)
#define METRIC_BOUNDS(...) \
	{ \
		__VA_ARGS__ \
	}
/* 100 us to 10 s, for latencies. */
#define METRIC_LATENCY \
	{ \
		100, 250, 500, 1000, 2500, 5000, 10000, 25000, 50000, 100000, 250000, 500000, \
			1000000, 2500000, 5000000, 10000000 \
	}

static inline void metric_add(struct metric *m, int64_t n)
{
	atomic_fetch_add_explicit(&m->value, n, memory_order_relaxed);
}

/* Gauges. */
static inline void metric_set(struct metric *m, int64_t v)
{
	atomic_store_explicit(&m->value, v, memory_order_relaxed);
}

static inline int64_t metric_get(struct metric *m)
{
	return atomic_load_explicit(&m->value, memory_order_relaxed);
}

/* Histograms; in the histogram's unit. */
void metric_observe(struct metric *m, uint64_t v);

/* Called before every snapshot, to set gauges that are known elsewhere; from the thread that
 * takes the snapshot. h is the caller's and lives on. */
struct metric_hook {
	void (*fn)(void *arg);
	void *arg;
	struct metric_hook *next;
};
void metric_hook(struct metric_hook *h);

/* Appends this process's metrics. Version byte, then samples; big-endian. */
void metric_snapshot(struct buf *out);

struct metric_part {
	slice_t snapshot;                              /* borrowed */
	struct metric_label labels[METRIC_LABELS_MAX]; /* added; win over the snapshot's own */
};
/* Appends the text format of all parts. A malformed part (E_INVALID) is named by its index in
 * the diag and nothing is appended; check parts one by one with metric_check as they come in. */
enum err metric_render(struct buf *out, const struct metric_part *parts, size_t n,
		       struct diag *d) MUST_USE;
enum err metric_check(slice_t snapshot, struct diag *d) MUST_USE;

#endif
