/*
 * Where items go, when that changes: a route of the directory was added, edited or removed; a
 * direct try failed, and the relay is next. The scheduler knows an item by its destination alone,
 * so an item whose way is another one now is put into another place there.
 */
#include "backend/queue/outbound_priv.h"

#include "common/base/clock.h"
#include "common/log/log.h"

#define LOOK_INFOS 256         /* items that are looked at without a pause */
#define SHARE_MS   (60 * 1000) /* between looks for nodes that lack passwords */
#define SHARE_KEYS 32          /* boxes of one round: 5 ms of the loop */

slice_t outbound_destination(struct outbound *o, const struct job *j, struct way *mem)
{
	slice_t name;

	*mem = (struct way){.kind = WAY_DNS};
	if (j->kind == JOB_NOTICE)
		return JOB_NOTICES;
	way_of(o->deliver->dir, &o->down, &o->asks, outbound_server(o, j), j, clock_wall_us(), mem);
	way_suspend(mem, j, o->suspended_names, o->nsuspended_names);
	name = way_destination(mem);
	if ((mem->kind == WAY_HOLD || mem->kind == WAY_STOPPED || mem->kind == WAY_SUSPENDED) &&
	    sched_hold_destination(o->sched, name, SCHED_ON_HOLD, clock_wall_us()) != E_OK)
		LOG_SELDOM(LOG_ERROR, NULL, "queue.hold_failed", LF_SLICE("destination", name));
	return name;
}

/* What the server says makes no difference to destinations that are everybody's: what is held,
 * suspended, refused, or dropped into a folder. */
static const struct queue_server *who_has_a_say(const struct way *w)
{
	bool shared = w->kind == WAY_HOLD || w->kind == WAY_REJECT || w->kind == WAY_SUSPENDED ||
		      (w->kind == WAY_ROUTE && w->route.action == DIR_ROUTE_DROP);

	return shared ? NULL : w->server;
}

void outbound_hint(struct outbound *o, const struct job *j, const struct way *w)
{
	struct sched_hint hint = {.pool = 0};
	const struct queue_server *sv;
	struct outcome_times t;

	if (j->kind == JOB_NOTICE)
		return;
	sv = who_has_a_say(w);
	if (w->routed && !w->direct)
		hint.window_max = w->route.connections;
	if (sv != NULL && sv->nsources != 0 && !way_has_source(w))
		hint.pool = sv->id;
	if (sv != NULL && sv->own_retries) {
		t = outbound_times(o, j);
		hint.nsteps = (uint32_t)MIN(t.nretry, (size_t)SCHED_HINT_STEPS);
		for (size_t i = 0; i < hint.nsteps; i++)
			hint.steps_s[i] = (uint32_t)(t.retry_us[i] / 1000000);
	}
	sched_hint(o->sched, way_destination(w), &hint);
}

void outbound_demand(const struct outbound *o, struct arena *mem, struct outbound_job *j)
{
	static const enum dir_tls_level levels[] = {
		[DIR_ROUTE_TLS_NONE] = DIR_TLS_NONE,       [DIR_ROUTE_TLS_MAY] = DIR_TLS_MAY,
		[DIR_ROUTE_TLS_ENCRYPT] = DIR_TLS_ENCRYPT, [DIR_ROUTE_TLS_VERIFY] = DIR_TLS_VERIFY,
		[DIR_ROUTE_TLS_DANE] = DIR_TLS_DANE_ONLY,
	};
	const struct dir_route *r = j->route;
	slice_t hop = r != NULL ? j->target : j->destination;

	if (r != NULL && r->tls != DIR_ROUTE_TLS_DEFAULT) {
		j->tls = (struct dir_tls){.level = levels[r->tls]};
		return;
	}
	if (hop.n != 0 && hop.p[0] != '[') /* policies are of a domain at any port */
		hop = slice_sub(hop, 0, slice_find_char(hop, ':'));
	if (!dir_tls_find(o->deliver->dir, hop, &j->tls))
		j->tls = (struct dir_tls){.level = o->tls};
	j->tls.peers = arena_dup(mem, j->tls.peers);
	/* A relay is ours to name: what DNS and sites say is of those whom DNS names. */
	if (r != NULL && r->action != DIR_ROUTE_MX && j->tls.level == DIR_TLS_DANE)
		j->tls.level = DIR_TLS_MAY;
}

void outbound_place(struct outbound *o, struct sched_key key, const struct job *j)
{
	struct outcome_times t = outbound_times(o, j);
	struct way w;
	slice_t name = outbound_destination(o, j, &w);
	enum err e = sched_reroute(o->sched, key, name, clock_wall_us());

	if (e == E_OK)
		e = sched_retime(o->sched, key, outcome_expire_at(j, &t), outcome_warn_at(j, &t),
				 clock_wall_us());
	/* One that is leased is looked at when it comes back; one that is gone needs nothing. */
	if (e == E_OK)
		outbound_hint(o, j, &w);
}

void outbound_direct_down(struct outbound *o, slice_t domain)
{
	int64_t now_us = clock_wall_us();

	way_down_put(&o->down, domain, now_us + o->times.retry_us[0], now_us);
	o->down_changed = true;
	event_set(&o->wake);
}

void outbound_came_back(struct outbound *o)
{
	if (!way_any_down(&o->down, clock_wall_us()))
		return;
	o->down_changed = true;
	event_set(&o->wake);
}

void outbound_routes_changed(struct outbound *o)
{
	o->routes_changed = true;
	event_set(&o->wake);
	event_set(&o->share);
}

/* ---- the walk ---- */

WAITS static size_t place_rows(struct outbound *o, size_t part, struct outbound_page *r)
{
	for (size_t i = 0; i < r->load.n; i++) {
		const struct outbound_verdict *v = outbound_page_row(r, i, 0);

		if (v != NULL && (v->job.kind == JOB_OUTSIDE || v->job.kind == JOB_NOTICE))
			outbound_place(o, (struct sched_key){(uint16_t)part, v->item}, &v->job);
	}
	return 0;
}

/* The same, and what was asked for is due at once. */
WAITS static size_t free_rows(struct outbound *o, size_t part, struct outbound_page *r)
{
	(void)place_rows(o, part, r);
	for (size_t i = 0; i < r->load.n; i++) {
		const struct outbound_verdict *v = outbound_page_row(r, i, 0);
		struct sched_key key = {(uint16_t)part, r->items[i].id};
		struct way w = {.asked = false};

		if (v != NULL && v->job.kind == JOB_OUTSIDE)
			(void)outbound_destination(o, &v->job, &w);
		if (w.asked && sched_retry(o->sched, key, clock_wall_us()) == E_NOT_FOUND)
			LOG(LOG_DEBUG, NULL, "queue.asked_for_gone", LF_UINT("item", key.item));
	}
	return 0;
}

enum walk { WALK_ALL, WALK_DOWN, WALK_ASKED };

static bool is_meant(const struct outbound *o, enum walk what, const struct sched_info *i)
{
	slice_t name = i->item.destination;

	if (slice_eq(name, JOB_NOTICES))
		return false;
	switch (what) {
	case WALK_ALL:
		break;
	case WALK_DOWN:
		return way_is_down(&o->down, slice_sub(name, 0, slice_find_char(name, '#')),
				   clock_wall_us());
	case WALK_ASKED: /* held; or what an earlier question did not bring through */
		return slice_starts(name, SL("hold:")) || i->state == SCHED_WAITING ||
		       i->state == SCHED_DOWN;
	}
	return true;
}

WAITS static enum err walk(struct outbound *o, enum walk what)
{
	static const struct sched_filter any = {.states = 0};
	struct sched_info *infos = xcalloc(LOOK_INFOS, sizeof *infos);
	struct sched_key keys[LOOK_INFOS];
	uint64_t cursor = 0;
	enum err e = E_OK;

	do {
		size_t n = sched_each(o->sched, &any, clock_wall_us(), &cursor, infos, LOOK_INFOS);
		size_t nkeys = 0;

		for (size_t i = 0; i < n; i++) {
			if (is_meant(o, what, &infos[i]))
				keys[nkeys++] = infos[i].item.key;
		}
		for (size_t i = 0; e == E_OK && i < nkeys; i += OUTBOUND_PAGE)
			e = outbound_pages(o, keys + i, MIN(nkeys - i, (size_t)OUTBOUND_PAGE),
					   what == WALK_ASKED ? free_rows : place_rows);
		if (nkeys == 0)
			fiber_yield();
	} while (e == E_OK && cursor != 0 && !o->stop);
	xfree(&infos);
	return e;
}

WAITS static enum err walk_if(struct outbound *o, enum walk what, bool *changed)
{
	enum err e;

	if (!*changed)
		return E_OK;
	*changed = false; /* what changes meanwhile is walked again */
	e = walk(o, what);
	if (e != E_OK)
		*changed = true;
	waitq_wake_all(&o->takers);
	return e;
}

WAITS enum err outbound_reroute(struct outbound *o)
{
	enum err e;

	if (o->routes_changed)
		o->down_changed = false; /* among all */
	e = walk_if(o, WALK_ALL, &o->routes_changed);
	if (e == E_OK)
		e = walk_if(o, WALK_DOWN, &o->down_changed);
	if (e == E_OK)
		e = walk_if(o, WALK_ASKED, &o->asked_changed);
	return e;
}

/* ---- passwords ---- */

WAITS static void share(struct outbound *o)
{
	size_t made = SHARE_KEYS;
	struct dir_status st;
	enum err e = E_OK;

	/* Without PostgreSQL it fails at once, and the next round tries again. */
	dir_get_status(o->deliver->dir, &st);
	while (st.connected && e == E_OK && made == SHARE_KEYS) {
		e = dir_route_share(o->deliver->dir, SHARE_KEYS, &made, NULL);
		if (made > 0)
			LOG(LOG_INFO, NULL, "route.shared", LF_UINT("passwords", made),
			    LF_ERR("status", e));
	}
}

WAITS static void share_run(void *arg)
{
	struct outbound *o = arg;

	while (event_wait(&o->share, "outbound.share", deadline_in(SHARE_MS)) != E_CANCELLED) {
		if (dir_route_count(o->deliver->dir) != 0)
			share(o);
	}
	o->sharer = NULL;
	event_set(&o->shared);
}

enum err outbound_share_start(struct outbound *o)
{
	event_init(&o->share);
	event_init(&o->shared);
	return fiber_start("outbound.share", share_run, o, &o->sharer);
}

WAITS void outbound_share_stop(struct outbound *o)
{
	if (o->sharer == NULL)
		return;
	fiber_cancel(o->sharer);
	while (event_wait(&o->shared, "outbound.share_stop", NO_DEADLINE) != E_OK)
		;
}
