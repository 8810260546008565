/*
 * backend/metrics: what this node tells of the cluster: its own counters and those that front-end
 * workers report, as Prometheus text, and each worker's state for `postern status`.
 *
 *   nodes   what workers reported last
 *   expo    the HTTP endpoint
 */
#ifndef BACKEND_METRICS_NODES_H
#define BACKEND_METRICS_NODES_H

#include "common/base/buf.h"
#include "common/log/metric.h"
#include "common/rpc/identity.h"

#define NODES_MAX        1024        /* workers: 32 front-ends of 32 */
#define NODE_WORKERS_MAX 128         /* of one front-end, as many as it may start; numbers below */
#define NODE_SILENT_MS   (60 * 1000) /* a worker not heard of for so long is left out */

struct nodes;

/* Of one worker's listeners, as lines: 32 with IPv6 addresses. */
#define NODE_BOUND_MAX 2048

/* One worker as it told of itself. */
struct node_info {
	struct rpc_identity id;
	uint32_t worker, pid;
	char version[32];
	int64_t started_us;
	int64_t heard_ms; /* mono */
	uint32_t sessions;
	uint64_t memory_bytes;
	char bound[NODE_BOUND_MAX]; /* ADDRESS:PORT of its listeners, lines */
};

struct nodes *nodes_new(void);
void nodes_free(struct nodes **n);
/* Replaces what the same worker told before. metrics and the worker's number are checked
 * (E_INVALID), metrics copied. E_TOO_BIG: more of them than a worker sends; E_LIMIT: too many
 * workers. */
enum err nodes_report(struct nodes *n, const struct node_info *info, slice_t metrics,
		      struct diag *d) MUST_USE;
/* Those heard of lately, in no order. */
void nodes_each(const struct nodes *n, void (*fn)(const struct node_info *, void *arg), void *arg);
/* This process's metrics (labelled with its node) and all workers', as text; its own alone, where
 * there is no room for all. */
enum err nodes_render(const struct nodes *n, const char *self, struct buf *out,
		      struct diag *d) MUST_USE;

#endif
