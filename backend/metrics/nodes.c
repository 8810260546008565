#include "backend/metrics/nodes.h"

#include <stdio.h>

#include "common/base/clock.h"
#include "common/base/map.h"
#include "common/log/log.h"
#include "common/rpc/link.h"

struct entry {
	struct node_info info;
	struct buf metrics;
	char worker[12]; /* as a label */
};

struct nodes {
	struct map by_key; /* front-end's name and worker number -> struct entry */
};

#define KEY_MAX      (RPC_NAME_MAX + 16)
/* What a worker sends at most: its report is one payload, in which much else has room. */
#define SNAPSHOT_MAX (RPC_PAYLOAD_MAX / 2)

struct nodes *nodes_new(void)
{
	struct nodes *n = xcalloc(1, sizeof *n);

	map_init(&n->by_key);
	return n;
}

static void entry_free(struct entry *e)
{
	buf_fini(&e->metrics);
	xfree(&e);
}

void nodes_free(struct nodes **pn)
{
	struct map_iter it = {0};
	void *v;

	if (*pn == NULL)
		return;
	while (map_next(&(*pn)->by_key, &it, NULL, &v))
		entry_free(v);
	map_fini(&(*pn)->by_key);
	xfree(pn);
}

static bool is_silent(const struct entry *e)
{
	return clock_mono_ms() - e->info.heard_ms > NODE_SILENT_MS;
}

static void drop_silent(struct nodes *n)
{
	struct map_iter it = {0};
	slice_t key;
	void *v;

	while (map_next(&n->by_key, &it, &key, &v)) {
		if (is_silent(v)) {
			(void)map_del(&n->by_key, key);
			entry_free(v);
		}
	}
}

enum err nodes_report(struct nodes *n, const struct node_info *info, slice_t metrics,
		      struct diag *d)
{
	char key[KEY_MAX];
	struct entry *e;
	enum err err = metric_check(metrics, d);

	if (err != E_OK)
		return err;
	if (metrics.n > SNAPSHOT_MAX)
		return diag_set(d, E_TOO_BIG, "metrics: %zu bytes", metrics.n);
	/* A captured front-end must not fill the table with workers that it does not have. */
	if (info->worker >= NODE_WORKERS_MAX)
		return diag_set(d, E_INVALID, "worker %u: a front-end has at most %d", info->worker,
				NODE_WORKERS_MAX);
	snprintf(key, sizeof key, "%s/%u", info->id.name, info->worker);
	e = map_get(&n->by_key, slice_str(key));
	if (e == NULL) {
		drop_silent(n);
		if (n->by_key.count >= NODES_MAX)
			return diag_set(d, E_LIMIT, "more than %d workers", NODES_MAX);
		e = xcalloc(1, sizeof *e);
		buf_init(&e->metrics, SNAPSHOT_MAX, NULL);
		invariant(map_put(&n->by_key, slice_str(key), e) == NULL);
	}
	e->info = *info;
	snprintf(e->worker, sizeof e->worker, "%u", info->worker);
	buf_reset(&e->metrics);
	buf_put(&e->metrics, metrics);
	invariant(!buf_failed(&e->metrics));
	return E_OK;
}

void nodes_each(const struct nodes *n, void (*fn)(const struct node_info *, void *arg), void *arg)
{
	struct map_iter it = {0};
	void *v;

	while (map_next(&n->by_key, &it, NULL, &v)) {
		const struct entry *e = v;

		if (!is_silent(e))
			fn(&e->info, arg);
	}
}

enum err nodes_render(const struct nodes *n, const char *self, struct buf *out, struct diag *d)
{
	struct metric_part *parts = xcalloc(n->by_key.count + 1, sizeof *parts);
	struct map_iter it = {0};
	struct buf own;
	size_t count = 1;
	enum err err;
	void *v;

	buf_init(&own, 1024 * 1024, NULL);
	metric_snapshot(&own);
	parts[0] = (struct metric_part){
		.snapshot = buf_slice(&own),
		.labels = {{"node", self}, {"service", "backend"}},
	};
	while (map_next(&n->by_key, &it, NULL, &v)) {
		const struct entry *e = v;

		if (is_silent(e))
			continue;
		parts[count++] = (struct metric_part){
			.snapshot = buf_slice(&e->metrics),
			.labels = {{"node", e->info.id.name},
				   {"service", rpc_service_name(e->info.id.service)},
				   {"worker", e->worker}},
		};
	}
	err = metric_render(out, parts, count, d);
	if (err == E_LIMIT) {
		/* Somebody reports too much: at least this node is seen. */
		LOG_SELDOM(LOG_WARN, NULL, "metrics.too_long", LF_UINT("workers", count - 1));
		buf_reset(out);
		err = metric_render(out, parts, 1, d);
	}
	buf_fini(&own);
	xfree(&parts);
	return err;
}
