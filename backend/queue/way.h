/*
 * way: where one item of the way out goes: by an administrator's word about this item, by a route
 * of the directory, or where DNS says. It is asked anew whenever that matters: when an item is
 * first known, when routes change, and when a worker takes it.
 *
 * The destination is the scheduler's name for it, and what a worker keys its connections by. Ways
 * that would look different to the other side (another log-in, another name or address of ours,
 * another demand for TLS) have different names:
 *
 *	example.org  example.org#1a2b3c4d  relay:[host]:587#1a2b3c4d  lmtp:[host]:24
 *	hold:.example.org  reject:example.org  drop:default-smtp  <tls-reports>
 *
 * The digits are of a digest of what differs; no domain, literal or host before them has a '#' in
 * it. Two ways to one place that happen to have the same digits share a line: TLS and log-in are
 * compared for each message (frontend/outbound/courier), our name and address would be one's.
 *
 * What the virtual server that took the message says of its name, addresses and schedule is part of
 * that difference, and so is what the message asks of TLS (RFC 8689): where one waits for a
 * certificate, others that want none, or another proof, must not wait behind it. Mail of a server
 * that is stopped waits for its start, wherever it goes:
 *
 *	stopped:server-name
 *
 * and so does mail that an operator has suspended, by its domain or by where its way leads:
 *
 *	suspended:example.org
 */
#ifndef BACKEND_QUEUE_WAY_H
#define BACKEND_QUEUE_WAY_H

#include "backend/queue/asks.h"
#include "backend/queue/job.h"
#include "backend/queue/queue_server.h"
#include "backend/queue/sched.h"
#include "common/base/map.h"

/* Domains that could not be reached directly and whose mail goes to the relay meanwhile. More of
 * them at a time are found out one by one. */
#define WAY_DOWN_MAX 1024

/* Remembers them. Times are wall clock, microseconds. */
struct way_down {
	struct map until; /* domain -> int64_t * */
	int64_t last_us;  /* all of them are over then */
};
void way_down_init(struct way_down *d);
void way_down_fini(struct way_down *d);
void way_down_put(struct way_down *d, slice_t domain, int64_t until_us, int64_t now_us);
bool way_any_down(const struct way_down *d, int64_t now_us);
bool way_is_down(const struct way_down *d, slice_t domain, int64_t now_us);

/* What names of WAY_STOPPED and WAY_SUSPENDED begin with. */
#define WAY_STOPPED_NAME   "stopped:"
#define WAY_SUSPENDED_NAME "suspended:"

enum way_kind {
	WAY_DNS,   /* the address's domain, or what an administrator said instead */
	WAY_ROUTE, /* as the route says; of one with `direct`, its second part */
	WAY_HOLD,
	WAY_STOPPED,
	WAY_REJECT,
	WAY_SUSPENDED, /* waits until the operator lets it go */
};

/* RFC 8689: nothing, REQUIRETLS, "TLS-Required: No". */
enum way_tls { WAY_TLS_ANY, WAY_TLS_REQUIRED, WAY_TLS_OPTIONAL };

struct way {
	enum way_kind kind;
	bool routed;            /* there is a route */
	bool direct;            /* WAY_DNS that becomes WAY_ROUTE when it fails for now */
	bool asked;             /* held, but asked for: a WAY_ROUTE */
	enum way_tls tls;       /* what the message asks for */
	struct dir_route route; /* borrowed from the directory: until the next wait */
	slice_t domain;         /* of the address */
	const struct queue_server *server; /* borrowed likewise; NULL: it has no say */
	size_t destination_n;
	char destination[SCHED_NAME_MAX];
};

static inline slice_t way_destination(const struct way *w)
{
	return slice(w->destination, w->destination_n);
}

/* server: the job's; NULL: none. */
void way_of(const struct dir *dir, const struct way_down *down, const struct asks *asks,
	    const struct queue_server *server, const struct job *j, int64_t now_us,
	    struct way *out);
/* One of these names is the domain of its address, where its route or an administrator's word
 * leads, or the name of its destination without what is behind a '#'; in any case, with or without
 * the root's dot. *w then waits until the operator lets it go. Mail that was given a way of its own
 * one by one is not held by its domain. */
void way_suspend(struct way *w, const struct job *j, const slice_t *names, size_t n);
/* What a route that is followed does: MX, RELAY or LMTP. Of HOLD: what became of it. */
enum dir_route_action way_action(const struct way *w);
/* Its route names an address of ours. */
static inline bool way_has_source(const struct way *w)
{
	return w->routed && (w->route.source4.n != 0 || w->route.source6.n != 0);
}
/* Its jobs differ from those that go where DNS says, as everybody's. */
static inline bool way_is_special(const struct way *w)
{
	return w->routed || w->tls != WAY_TLS_ANY ||
	       (w->server != NULL && w->server->mark[0] != '\0');
}

/* The reverse-path as others see it: of a sender at a host below one of the domains (separated by
 * spaces), at that domain itself. In the arena, or `sender` as it is. */
slice_t way_masquerade(slice_t sender, slice_t domains, struct arena *mem);

#endif
