/* What could neither be delivered nor returned is kept for an administrator, but not for ever. */
#include "backend/queue/outbound_admin.h"
#include "backend/queue/outbound_priv.h"

#include "common/base/clock.h"
#include "common/log/log.h"

#define LOOK_EVERY_US (3600 * 1000000LL)

/* It became bad with its last try, or that of its notice. */
static bool is_over(const struct outbound *o, const struct queue_row *r)
{
	int64_t since = MAX(r->job.first_us, MAX(r->job.last_us, r->job.notice_us));

	return r->readable && since <= clock_wall_us() - o->bad_keep_us;
}

WAITS static enum err expire_page(struct outbound *o, const struct queue_walk *w)
{
	const struct queue_order order = {.action = QUEUE_ACT_DROP,
					  .reason = SL("queue.bad_keep is over"),
					  .who = SL("backend"),
					  .filter = w->filter};
	uint64_t items[QUEUE_WALK_ROWS];
	struct queue_done done = {0};
	size_t n = 0;

	for (size_t i = 0; i < w->n; i++) {
		if (is_over(o, &w->rows[i]))
			items[n++] = w->rows[i].item;
	}
	return n != 0 ? outbound_order(o, w->part, &order, items, n, &done) : E_OK;
}

WAITS static enum err expire_part(struct outbound *o, struct queue_walk *w, struct partition *part)
{
	static const struct queue_filter bad = {.kinds = 1U << JOB_BAD};
	enum err e = E_OK;

	queue_walk_init(w, part, &bad);
	while (e == E_OK && w->more && !o->stop) {
		e = queue_walk_next(w);
		if (e == E_OK)
			e = expire_page(o, w);
	}
	queue_walk_fini(w);
	return e;
}

WAITS void outbound_expire_bad(struct outbound *o)
{
	struct queue_walk *w;

	o->bad_us = SCHED_NEVER;
	if (o->bad_keep_us == 0)
		return;
	o->bad_us = clock_wall_us() + LOOK_EVERY_US;
	w = xcalloc(1, sizeof *w);
	for (size_t i = 0; i < o->nparts && !o->stop; i++) {
		enum err e = expire_part(o, w, o->parts[i].part);

		if (e != E_OK)
			LOG(LOG_WARN, NULL, "queue.bad_left",
			    LF_UINT("partition", partition_id(o->parts[i].part)),
			    LF_ERR("error", e));
	}
	xfree(&w);
}
