/* Workers, and what they hold. */
#include "backend/queue/sched_priv.h"

#include "common/base/map.h"

/* ---- workers ---- */

static uint64_t worker_hash(struct table_node *n)
{
	const struct worker *w = container_of(n, struct worker, chain);

	return map_hash(slice(&w->id, sizeof w->id));
}

static struct worker *worker_find(const struct sched *s, uint32_t id)
{
	struct table_node *n = table_chain(&s->workers, map_hash(slice(&id, sizeof id)));

	for (; n != NULL; n = n->next) {
		struct worker *w = container_of(n, struct worker, chain);

		if (w->id == id)
			return w;
	}
	return NULL;
}

static enum err worker_here(struct sched *s, uint32_t worker, bool aside)
{
	struct worker *w;

	if (worker == SCHED_SELF)
		return E_INVALID;
	if (worker_find(s, worker) != NULL)
		return E_OK;
	if (s->workers.n >= SCHED_WORKERS_MAX)
		return E_LIMIT;
	w = tally_new(&s->tally, sizeof *w);
	w->id = worker;
	list_init(&w->holds);
	s->workers.hash = worker_hash;
	table_put(&s->workers, &s->tally, &w->chain);
	w->aside = aside;
	s->asides += aside;
	return E_OK;
}

enum err sched_worker_here(struct sched *s, uint32_t worker)
{
	return worker_here(s, worker, false);
}

static void worker_free(struct sched *s, struct worker *w)
{
	invariant(list_empty(&w->holds));
	s->asides -= w->aside;
	table_del(&s->workers, &s->tally, &w->chain);
	tally_free(&s->tally, &w, sizeof *w);
}

/* What workers die of, one after the other, is left alone for a while: others must get through. */
static void lose(struct sched *s, struct entry *e)
{
	if (++e->lost < SCHED_LOST_MAX)
		return;
	e->lost = 0;
	e->next_us = MAX(e->next_us, s->now_us + SCHED_LOST_US);
}

void sched_worker_gone(struct sched *s, uint32_t worker, int64_t now_us)
{
	struct worker *w = worker_find(s, worker);

	sched_clock(s, now_us);
	if (w == NULL)
		return;
	while (!list_empty(&w->holds)) {
		struct hold *h = list_entry(w->holds.next, struct hold, of_worker);

		struct entry *e = list_entry(h->leases.next, struct entry, link);

		lose(s, e);
		entry_rest(s, e);
	}
	worker_free(s, w);
}

void workers_fini(struct sched *s)
{
	uint64_t cursor = 0;

	while (s->workers.n != 0) {
		struct table_node *n = table_walk(&s->workers, &cursor);

		if (n != NULL) {
			worker_free(s, container_of(n, struct worker, chain));
			cursor = 0;
		}
	}
	table_fini(&s->workers, &s->tally);
}

/* ---- what a worker holds of a destination: at most as many as its window was wide once ---- */

static struct hold *hold_find(struct sched *s, const struct worker *w, const struct dest *d)
{
	list_for_each(i, &d->holds) {
		struct hold *h = list_entry(i, struct hold, of_dest);

		s->tally.steps++;
		if (h->worker == w)
			return h;
	}
	return NULL;
}

struct hold *hold_make(struct sched *s, struct worker *w, struct dest *d)
{
	struct hold *h = hold_find(s, w, d);

	if (h != NULL)
		return h;
	h = tally_new(&s->tally, sizeof *h);
	h->worker = w;
	h->dest = d;
	list_init(&h->leases);
	list_append(&d->holds, &h->of_dest);
	list_append(&w->holds, &h->of_worker);
	return h;
}

void hold_add(struct hold *h, struct entry *e)
{
	e->hold = h;
	e->round = h->dest->round;
	list_append(&h->leases, &e->link);
	h->n++;
}

void hold_sub(struct sched *s, struct entry *e)
{
	struct hold *h = e->hold;
	struct dest *d = h->dest;

	list_remove(&e->link);
	e->hold = NULL;
	h->n--;
	if (d->probe == e)
		d->probe = NULL;
	if (h->connections > h->n) {
		h->connections--;
		d->connections--;
	}
	if (h->n != 0)
		return;
	list_remove(&h->of_dest);
	list_remove(&h->of_worker);
	tally_free(&s->tally, &h, sizeof *h);
}

/* ---- picking ---- */

struct batch {
	struct sched *s;
	struct dest *dest;
	struct worker *worker;
	struct hold *hold; /* NULL as long as the worker has nothing of the destination */
	struct sched_pick *out;
	size_t n, max;
	uint32_t ntx, ntx_max;
};

static uint32_t share_of(const struct sched *s, const struct dest *d)
{
	return MAX(d->window / (uint32_t)(s->workers.n - s->asides), 1U);
}

/* How many a worker may leave open while it has less to send: an idle one that is used again spares
 * both sides a session. None where workers take turns, or the destination has to prove itself. */
static uint32_t keeps(const struct sched *s, const struct dest *d)
{
	bool enough = d->window >= s->workers.n - s->asides;

	return enough && d->failures == 0 ? share_of(s, d) : 0;
}

/* How many more connections the worker may have. */
static uint32_t share_left(const struct sched *s, const struct dest *d, const struct hold *h)
{
	uint32_t share = share_of(s, d);
	uint32_t has = h != NULL ? h->connections : 0;

	if (d->connections >= d->window)
		return 0;
	if (d->failures != 0)
		return 1;
	return has >= share ? 0 : MIN(share - has, d->window - d->connections);
}

/* The first in line and its twins, at most max. */
static uint32_t take_transaction(struct batch *b, struct lane *l, size_t max)
{
	struct entry *e = heap_top(&l->ready);
	uint32_t n = 0;

	while (e != NULL && n < max) {
		struct entry *twin =
			list_empty(&e->link) ? NULL : list_entry(e->link.next, struct entry, link);

		entry_move(b->s, e, PLACE_LEASED, b->hold);
		if (b->dest->failures != 0)
			b->dest->probe = e;
		b->out[b->n++] = (struct sched_pick){entry_key(e), e->record, b->ntx};
		n++;
		e = twin;
	}
	b->ntx++;
	return n;
}

/* One transaction of each lane in turn. */
static void fill(struct batch *b)
{
	struct dest *d = b->dest;

	while (b->n < b->max && b->ntx < b->ntx_max && !list_empty(&d->run)) {
		struct lane *l = list_entry(d->run.next, struct lane, turn);
		size_t max = MIN(b->max - b->n, (size_t)SCHED_TX_RCPTS_MAX);
		uint32_t may = lane_allowance(b->s, l);

		b->s->tally.steps++;
		if (may == 0 && l->place == LANE_RUN)
			return; /* the destination's own limit */
		if (may == 0)
			continue;
		if (b->hold == NULL)
			b->hold = hold_make(b->s, b->worker, d);
		lane_spend(b->s, l, take_transaction(b, l, MIN(max, (size_t)may)));
		lane_settle(b->s, l);
		if (l->place == LANE_RUN) {
			list_remove(&l->turn);
			list_append(&d->run, &l->turn);
		}
	}
}

/* How many transactions the worker gets: it has some in line for each connection, so that none
 * waits for the next batch; without another connection no more come before half are gone. */
static uint32_t room_for(const struct dest *d, const struct hold *h, uint32_t left)
{
	uint32_t room = ((h != NULL ? h->connections : 0) + left) * SCHED_AHEAD;

	if (d->failures != 0)
		return left;
	if (left != 0)
		return room;
	return h->n > room / 2 ? 0 : room - h->n;
}

/* The window has become narrower since. */
static void give_connections_back(struct dest *d, struct hold *h, uint32_t share)
{
	if (h->connections <= share)
		return;
	d->connections -= h->connections - share;
	h->connections = share;
}

/* True when the destination had something for the worker. */
static bool pick_from(struct batch *b, struct sched_batch *out)
{
	struct dest *d = b->dest;
	struct sched *s = b->s;
	uint32_t left, more;

	b->hold = hold_find(s, b->worker, d);
	left = share_left(s, d, b->hold);
	if (left == 0 && b->hold == NULL)
		return false;
	b->ntx_max = room_for(d, b->hold, left);
	if (d->failures != 0)
		b->max = 1;
	if (b->ntx_max == 0)
		return false;
	fill(b);
	if (b->n == 0)
		return false;
	more = MIN(left, b->ntx);
	b->hold->connections += more;
	d->connections += more;
	give_connections_back(d, b->hold, share_of(s, d));
	dest_settle(s, d);
	if (d->listed)
		line_join(s, d);
	*out = (struct sched_batch){slice(d->name, d->name_n), b->n, b->hold->connections,
				    keeps(s, d), s->now_us};
	return true;
}

enum err sched_pick(struct sched *s, uint32_t worker, int64_t now_us, size_t max,
		    struct sched_pick *out, struct sched_batch *batch_out)
{
	return sched_pick_of(s, worker, now_us, NULL, max, out, batch_out);
}

enum err sched_pick_of(struct sched *s, uint32_t worker, int64_t now_us,
		       const struct sched_pools *pools, size_t max, struct sched_pick *out,
		       struct sched_batch *batch_out)
{
	enum err e = sched_worker_here(s, worker);
	struct line_walk walk;
	struct batch b = {.s = s, .out = out};

	if (e != E_OK)
		return e;
	b.worker = worker_find(s, worker);
	sched_tick(s, now_us);
	line_walk_init(&walk, s, pools);
	/* Passed over are only those of which this worker holds its whole share. */
	while ((b.dest = line_walk_next(&walk)) != NULL) {
		b.max = MAX(max, (size_t)1);
		s->tally.steps++;
		if (pick_from(&b, batch_out))
			return E_OK;
	}
	return E_NOT_FOUND;
}

enum err sched_pick_at(struct sched *s, uint32_t worker, slice_t destination, int64_t now_us,
		       size_t max, struct sched_pick *out, struct sched_batch *batch_out)
{
	struct batch b = {.s = s, .out = out, .max = max, .ntx_max = 1};
	enum err e = worker_here(s, worker, true);

	if (e != E_OK)
		return e;
	sched_tick(s, now_us);
	b.dest = dest_find(s, destination);
	if (b.dest == NULL)
		return E_NOT_FOUND;
	b.worker = worker_find(s, worker);
	b.hold = hold_find(s, b.worker, b.dest);
	fill(&b);
	if (b.n == 0)
		return E_NOT_FOUND;
	*batch_out =
		(struct sched_batch){slice(b.dest->name, b.dest->name_n), b.n, 1, 1, s->now_us};
	return E_OK;
}

/* ---- outcomes ---- */

static void put_off(struct sched *s, struct entry *e, int64_t next_us)
{
	entry_move(s, e, PLACE_NONE, NULL);
	e->next_us = next_us;
	entry_rest(s, e);
}

static enum sched_told done_late(struct sched *s, struct entry *e, const struct sched_result *r)
{
	if (r->outcome == SCHED_GONE)
		entry_drop(s, e);
	else if ((r->outcome == SCHED_LATER || r->outcome == SCHED_OFF) && e->place != PLACE_LEASED)
		put_off(s, e, r->next_us);
	return SCHED_LATE;
}

enum sched_told sched_done(struct sched *s, struct sched_key key, uint32_t worker, int64_t now_us,
			   const struct sched_result *result)
{
	struct entry *e = entry_find(s, key);

	sched_clock(s, now_us);
	if (e == NULL)
		return SCHED_UNKNOWN;
	if (e->place != PLACE_LEASED || e->hold->worker->id != worker ||
	    (result->leased_us != 0 && result->leased_us != e->since_us))
		return done_late(s, e, result);
	e->lost = 0;
	if (worker != SCHED_SELF)
		dest_judge(s, e->lane->dest, e, result);
	switch (result->outcome) {
	case SCHED_GONE:
		entry_drop(s, e);
		break;
	case SCHED_LATER:
	case SCHED_OFF:
		put_off(s, e, result->next_us);
		break;
	case SCHED_DEST_DOWN:
	case SCHED_BACK:
		entry_rest(s, e);
		break;
	}
	return SCHED_TAKEN;
}
