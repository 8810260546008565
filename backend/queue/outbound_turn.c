/*
 * Held mail is fetched (ATRN, RFC 2645): who has logged in as the account that a route names gets
 * what the route holds, over his own connection. For the scheduler he is a worker that takes out of
 * those destinations alone, which stay held for all others. Whether he may is asked of the
 * directory each time that he takes something.
 */
#include "backend/queue/outbound_priv.h"

#include "common/base/clock.h"

#define HELD_NAME_BYTES (sizeof "hold:" + DIR_ROUTE_DOMAIN_MAX)

static slice_t held_name(const struct dir_route *r, char out[HELD_NAME_BYTES])
{
	struct buf b;

	buf_init(&b, HELD_NAME_BYTES - 1, NULL);
	buf_puts(&b, "hold:");
	buf_put(&b, r->domain);
	invariant(slice_to_str(buf_slice(&b), out, HELD_NAME_BYTES));
	buf_fini(&b);
	return slice_str(out);
}

static bool may_fetch(const struct dir_route *r, uint64_t account)
{
	return r->action == DIR_ROUTE_HOLD && r->atrn != 0 && r->atrn == account;
}

/* The i-th of all routes that somebody may fetch: is it one of this turn's? */
static bool turn_has(const struct outbound *o, const struct outbound_turn *t, size_t i,
		     struct dir_route *out)
{
	dir_route_fetched_at(o->deliver->dir, i, out);
	if (!may_fetch(out, t->account))
		return false;
	for (size_t k = 0; k < t->n; k++) {
		if (slice_eq(out->domain, slice_str(t->domains[k])))
			return true;
	}
	return t->n == 0;
}

enum err outbound_turn_pick(struct outbound_worker *w, struct sched_pick *picks,
			    struct sched_batch *b)
{
	const struct outbound *o = w->o;
	struct dir_route r;
	char name[HELD_NAME_BYTES];

	for (size_t i = 0; i < dir_route_fetched_count(o->deliver->dir); i++) {
		enum err e;

		if (!turn_has(o, w->turn, i, &r))
			continue;
		e = sched_pick_at(o->sched, w->number, held_name(&r, name), clock_wall_us(),
				  OUTBOUND_BATCH_MAX, picks, b);
		if (e != E_NOT_FOUND)
			return e;
	}
	return E_CLOSED;
}

/* Items that are due, and how many of its routes there are. */
static uint64_t count(const struct outbound *o, const struct outbound_turn *t, size_t *routes_out)
{
	struct sched_destination d;
	char name[HELD_NAME_BYTES];
	uint64_t waiting = 0;
	struct dir_route r;

	*routes_out = 0;
	for (size_t i = 0; i < dir_route_fetched_count(o->deliver->dir); i++) {
		if (!turn_has(o, t, i, &r))
			continue;
		++*routes_out;
		if (sched_destination_get(o->sched, held_name(&r, name), &d) == E_OK)
			waiting += d.ready;
	}
	return waiting;
}

static enum err read_fetch(const struct outbound *o, const struct outbound_fetch *q,
			   struct outbound_turn *t)
{
	struct dir_route r;

	if (q->n > OUTBOUND_TURN_DOMAINS_MAX)
		return E_LIMIT;
	t->account = q->account;
	for (size_t i = 0; i < q->n; i++) {
		/* RFC 2645 section 5.2.1: all of them, or none. */
		if (!dir_route_named(o->deliver->dir, q->domains[i], &r) ||
		    !may_fetch(&r, q->account) ||
		    !slice_to_str(q->domains[i], t->domains[t->n], sizeof t->domains[0]))
			return E_NOT_FOUND;
		t->n++;
	}
	return E_OK;
}

enum err outbound_turn_new(struct outbound *o, const struct rpc_identity *peer,
			   const struct outbound_fetch *q, struct outbound_worker **out,
			   uint64_t *waiting_out)
{
	struct outbound_turn *t;
	size_t routes;
	enum err e;

	*out = NULL;
	if (o->turns >= OUTBOUND_TURNS_MAX)
		return E_LIMIT;
	t = xcalloc(1, sizeof *t);
	e = read_fetch(o, q, t);
	if (e == E_OK) {
		(void)sched_tick(o->sched, clock_wall_us());
		*waiting_out = count(o, t, &routes);
		e = routes != 0 ? E_OK : E_NOT_FOUND;
	}
	if (e != E_OK) {
		xfree(&t);
		return e;
	}
	*out = xcalloc(1, sizeof **out);
	**out = (struct outbound_worker){.o = o, .peer = *peer, .number = ++o->workers, .turn = t};
	list_init(&(*out)->node);
	o->turns++;
	return E_OK;
}

void outbound_turn_free(struct outbound_worker *w)
{
	if (w->turn == NULL)
		return;
	w->o->turns--;
	xfree(&w->turn);
}
