/*
 * Held mail is asked for. The question begins a run (asks.h); then all that is held is looked at,
 * and what belongs to the run is put where it goes, due at once. An item that is taken after the
 * run goes back by itself: its way is decided anew.
 */
#include "backend/queue/outbound_priv.h"

#include "common/base/clock.h"
#include "common/log/log.h"

static enum dir_asker ask_route(const struct outbound *o, const char *address,
				const struct ipaddr *from, struct dir_route *out)
{
	if (!dir_route_find(o->deliver->dir, SLICE_NONE, slice_str(address), out))
		return DIR_ASKER_NONE;
	return dir_route_asker(out, from);
}

/* The route that is meant, and how well it knows who asks. */
static enum dir_asker find_route(const struct outbound *o, const struct outbound_ask *q,
				 struct dir_route *out)
{
	/* Any name below the domain will do: a route for those is a suffix. */
	static const char any_below[] = "@x.", at[] = "@";
	char address[sizeof any_below + DIR_ROUTE_DOMAIN_MAX];
	struct buf b;
	enum dir_asker who;

	if (q->what == ASKED_ROUTE)
		return dir_route_named(o->deliver->dir, q->node, out)
			       ? dir_route_asker(out, &q->from)
			       : DIR_ASKER_NONE;
	buf_init(&b, sizeof address - 1, NULL);
	buf_puts(&b, at);
	buf_put(&b, q->node);
	who = slice_to_str(buf_slice(&b), address, sizeof address)
		      ? ask_route(o, address, &q->from, out)
		      : DIR_ASKER_NONE;
	if (who == DIR_ASKER_NONE && q->what == ASKED_BELOW) {
		buf_reset(&b);
		buf_puts(&b, any_below);
		buf_put(&b, q->node);
		if (slice_to_str(buf_slice(&b), address, sizeof address))
			who = ask_route(o, address, &q->from, out);
	}
	buf_fini(&b);
	return who;
}

/* What the route holds now. It may hold other domains' mail, too: then that is no number. */
static void count(const struct outbound *o, const struct outbound_ask *q, const struct dir_route *r,
		  struct outbound_asked *out)
{
	char name[sizeof "hold:" + DIR_ROUTE_DOMAIN_MAX];
	struct sched_destination d;
	struct buf b;

	buf_init(&b, sizeof name, NULL);
	buf_puts(&b, "hold:");
	buf_put(&b, r->domain);
	if (sched_destination_get(o->sched, buf_slice(&b), &d) == E_OK)
		out->waiting = (uint64_t)d.ready + d.waiting + d.held_items;
	buf_fini(&b);
	out->counted = out->waiting == 0 || slice_eq(r->domain, q->node);
	if (!out->counted)
		out->waiting = 0;
}

enum err outbound_ask(struct outbound *o, const struct outbound_ask *q, struct outbound_asked *out)
{
	int64_t now_us = clock_wall_us();
	struct dir_route r;
	enum dir_asker who;
	char ip[IPADDR_STR];
	bool again;
	enum err e;

	*out = (struct outbound_asked){.waiting = 0};
	who = find_route(o, q, &r);
	if (who == DIR_ASKER_NONE)
		return E_NOT_FOUND;
	again = asks_lasts(&o->asks, q->what, q->node, now_us);
	e = asks_begin(&o->asks, q->what, q->node, &q->from, now_us);
	LOG(LOG_INFO, NULL, "queue.asked_for", LF_SLICE("node", q->node), LF_UINT("what", q->what),
	    LF_STR("from", ipaddr_str(&q->from, ip)), LF_SLICE("route", r.domain),
	    LF_ERR("status", e));
	if (e != E_OK)
		return e;
	/* What an earlier question has set free is counted no more; strangers hear no numbers. */
	if (who == DIR_ASKER_KNOWN && q->what != ASKED_BELOW && !again)
		count(o, q, &r, out);
	o->asked_changed = true;
	event_set(&o->wake);
	return E_OK;
}

enum err outbound_count_asker(struct outbound *o, const struct ipaddr *from)
{
	return asks_count(&o->asks, from, clock_wall_us());
}
