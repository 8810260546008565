/*
 * asks: held mail that the other side has asked for (ETRN, RFC 1985). A run is of a domain, of a
 * domain and all below it, or of what a route of that name holds; while it lasts, mail that such a
 * route holds goes on its way, if the route lets a client at that address ask for it. It is over by
 * itself: who was not reached by then has to ask again.
 *
 * In memory, of one back-end: after a restart nobody has asked. It reads no clock: all times are
 * wall clock, microseconds. Nothing here waits.
 */
#ifndef BACKEND_QUEUE_ASKS_H
#define BACKEND_QUEUE_ASKS_H

#include "backend/directory/dir_route.h"
#include "common/base/map.h"

/* What comes meanwhile goes, too, and what fails once is tried again. */
#define ASKS_RUN_US        (30 * 60 * 1000000LL)
/* A run looks at all that is held: sooner, nobody begins the same one again. */
#define ASKS_GAP_US        (60 * 1000000LL)
#define ASKS_RUNS_MAX      1024
/* Questions of one address, whatever for: names are not to be guessed. */
#define ASKS_PER_MINUTE    20
#define ASKS_ADDRESSES_MAX 4096

/* The numbers are those of the wire. */
enum asked_what { ASKED_NODE, ASKED_BELOW, ASKED_ROUTE, ASKED_WHATS };

struct asks {
	struct map runs;      /* what and name -> struct run * */
	struct map addresses; /* address -> struct window * */
	int64_t last_us;      /* all runs are over then */
};

void asks_init(struct asks *a);
void asks_fini(struct asks *a);
/* Counts a question from an address; IPv6 by its first 64 bits. E_LIMIT: there were too many, or
 * too many addresses ask. */
enum err asks_count(struct asks *a, const struct ipaddr *from, int64_t now_us) MUST_USE;
/* Begins a run, or begins it anew. name: at most DIR_ROUTE_DOMAIN_MAX, in lower case. E_LIMIT: it
 * began a moment ago, or there are too many. */
enum err asks_begin(struct asks *a, enum asked_what what, slice_t name, const struct ipaddr *from,
		    int64_t now_us) MUST_USE;
/* Does such a run last? */
bool asks_lasts(const struct asks *a, enum asked_what what, slice_t name, int64_t now_us);
/* Does mail for the domain, which the route holds, go on its way? False for other routes. */
bool asks_has(const struct asks *a, const struct dir_route *r, slice_t domain, int64_t now_us);

#endif
