/*
 * What virtual servers say of the mail that they took. The way out's items lie where the scheduler
 * keeps them (way.h); what stays inside is parked by the runner while its server is stopped, and
 * made due again here.
 */
#include "backend/queue/outbound_admin.h"
#include "backend/queue/outbound_priv.h"

#include "common/log/log.h"

_Static_assert(SERVERS_MAX <= SCHED_POOLS_MAX, "a worker may be in the pool of each server");

const struct queue_server *outbound_server(const struct outbound *o, const struct job *j)
{
	return queue_servers_find(&o->servers, j->server);
}

struct outcome_times outbound_times(const struct outbound *o, const struct job *j)
{
	return queue_server_times(outbound_server(o, j), &o->times);
}

bool outbound_nobody_may_send(const struct outbound *o, const struct job *j)
{
	const struct queue_server *sv = outbound_server(o, j);

	if (sv == NULL || j->kind != JOB_OUTSIDE)
		return false;
	list_for_each(i, &o->here) {
		const struct outbound_worker *w = list_entry(i, struct outbound_worker, node);

		if (queue_server_sends_from(sv, w->peer.name))
			return false;
	}
	return sv->nsources != 0;
}

void outbound_worker_pools(struct outbound_worker *w)
{
	const struct queue_servers *all = &w->o->servers;

	w->npools = 0;
	for (size_t i = 0; i < all->n && w->npools < ARRAY_LEN(w->pools); i++) {
		if (all->v[i].nsources != 0 && queue_server_sends_from(&all->v[i], w->peer.name))
			w->pools[w->npools++] = all->v[i].id;
	}
}

static void set_pools(struct outbound *o)
{
	uint64_t ids[SERVERS_MAX];
	struct sched_pools there = {ids, 0};

	for (size_t i = 0; i < o->servers.n && there.n < ARRAY_LEN(ids); i++) {
		if (o->servers.v[i].nsources != 0)
			ids[there.n++] = o->servers.v[i].id;
	}
	sched_pools_are(o->sched, &there);
	list_for_each(i, &o->here)
		outbound_worker_pools(list_entry(i, struct outbound_worker, node));
}

void outbound_servers_changed(struct outbound *o)
{
	/* Most of what servers say is nothing to the queue, which is long to walk. */
	if (!queue_servers_read(&o->servers, o->deliver->dir))
		return;
	set_pools(o);
	o->unpark = true;
	outbound_routes_changed(o);
}

/* ---- what stays inside ---- */

bool outbound_is_left_over(const struct outbound *o, const struct job *j, int64_t due_us)
{
	const struct queue_server *sv = outbound_server(o, j);

	return (j->kind == JOB_EXPAND || j->kind == JOB_ACCOUNTS) && !j->held && j->server.n != 0 &&
	       due_us >= QUEUE_PARKED_US && (sv == NULL || !sv->stopped);
}

WAITS static enum err unpark_page(struct outbound *o, const struct queue_walk *w)
{
	const struct queue_order order = {.action = QUEUE_ACT_RETRY,
					  .reason = SL("its server runs again"),
					  .who = SL("(server)")};
	uint64_t ids[QUEUE_WALK_ROWS];
	struct queue_done done = {0};
	size_t n = 0;

	for (size_t i = 0; i < w->n; i++) {
		const struct queue_row *r = &w->rows[i];

		if (r->readable && outbound_is_left_over(o, &r->job, r->due_us))
			ids[n++] = r->item;
	}
	return n != 0 ? outbound_order(o, w->part, &order, ids, n, &done) : E_OK;
}

WAITS static enum err unpark_partition(struct outbound *o, struct partition *part)
{
	static const struct queue_filter inside = {.kinds = 1U << JOB_EXPAND | 1U << JOB_ACCOUNTS};
	struct queue_walk *w = xcalloc(1, sizeof *w);
	enum err e = E_OK;

	queue_walk_init(w, part, &inside);
	while (e == E_OK && w->more && !o->stop) {
		e = queue_walk_next(w);
		if (e == E_OK)
			e = unpark_page(o, w);
	}
	queue_walk_fini(w);
	xfree(&w);
	return e;
}

WAITS enum err outbound_unpark(struct outbound *o)
{
	enum err e = E_OK;

	if (!o->unpark)
		return E_OK;
	o->unpark = false; /* what changes meanwhile is walked again */
	for (size_t i = 0; e == E_OK && i < o->nparts && !o->stop; i++)
		e = unpark_partition(o, o->parts[i].part);
	o->unpark = o->unpark || e != E_OK;
	return e;
}
