/* Holds, limits, and what an administrator sees. */
#include "backend/queue/sched_priv.h"

/* ---- limits ---- */

void sched_limits(struct sched *s, const struct sched_limits *limits, int64_t now_us)
{
	sched_clock(s, now_us);
	s->limits = *limits;
	flows_rouse(s);
	dests_rouse(s);
}

void sched_limit_one(struct sched *s, enum sched_by by, uint64_t key, uint32_t per_minute,
		     int64_t now_us)
{
	struct flow *f;

	sched_clock(s, now_us);
	f = flow_make(s, by, key);
	f->bucket.own = per_minute;
	flow_rouse(s, f);
}

static bool is_name(slice_t name)
{
	return name.n != 0 && name.n <= SCHED_NAME_MAX;
}

enum err sched_limit_destination(struct sched *s, slice_t name, uint32_t window_max,
				 uint32_t per_minute, int64_t now_us)
{
	struct dest *d;

	if (!is_name(name))
		return E_INVALID;
	sched_clock(s, now_us);
	d = dest_make(s, name);
	d->bucket.own = per_minute;
	dest_set_window(s, d, window_max);
	dest_settle(s, d);
	return E_OK;
}

void sched_hint(struct sched *s, slice_t name, const struct sched_hint *hint)
{
	struct dest *d = dest_find(s, name);

	if (d == NULL)
		return;
	d->hint = *hint;
	d->hint.window_max = MIN(hint->window_max, (uint32_t)SCHED_WINDOW_MAX);
	d->hint.nsteps = MIN(hint->nsteps, (uint32_t)SCHED_HINT_STEPS);
	line_change(s, d, hint->pool);
	dest_set_window(s, d, d->window_own);
	dest_settle(s, d);
}

/* ---- holds ---- */

enum err sched_hold_item(struct sched *s, struct sched_key key, enum sched_hold hold,
			 int64_t now_us)
{
	struct entry *e = entry_find(s, key);

	if (e == NULL)
		return E_NOT_FOUND;
	sched_clock(s, now_us);
	e->held = hold == SCHED_ON_HOLD;
	if (e->place != PLACE_LEASED)
		entry_rest(s, e);
	return E_OK;
}

void sched_hold_sender(struct sched *s, uint64_t sender, enum sched_hold hold, int64_t now_us)
{
	struct flow *f;

	sched_clock(s, now_us);
	f = flow_make(s, SCHED_BY_SENDER, sender);
	f->held = hold == SCHED_ON_HOLD;
	list_for_each(i, &f->lanes)
		lane_settle(s, list_entry(i, struct lane, kin));
	flow_settle(s, f);
}

enum err sched_hold_destination(struct sched *s, slice_t name, enum sched_hold hold, int64_t now_us)
{
	struct dest *d;

	if (!is_name(name))
		return E_INVALID;
	sched_clock(s, now_us);
	d = dest_make(s, name);
	d->held = hold == SCHED_ON_HOLD;
	dest_settle(s, d);
	return E_OK;
}

enum err sched_claim(struct sched *s, struct sched_key key, int64_t now_us)
{
	struct entry *e = entry_find(s, key);

	if (e == NULL)
		return E_NOT_FOUND;
	if (e->place == PLACE_LEASED)
		return E_BUSY;
	sched_clock(s, now_us);
	entry_move(s, e, PLACE_LEASED, hold_make(s, &s->self, e->lane->dest));
	lane_settle(s, e->lane);
	return E_OK;
}

enum err sched_retry(struct sched *s, struct sched_key key, int64_t now_us)
{
	struct entry *e = entry_find(s, key);

	if (e == NULL)
		return E_NOT_FOUND;
	if (e->place == PLACE_LEASED)
		return E_BUSY;
	sched_clock(s, now_us);
	entry_move(s, e, PLACE_NONE, NULL);
	e->next_us = MIN(e->next_us, now_us);
	if (e->lane->dest->failures != 0)
		e->lane->dest->down_until_us = now_us;
	entry_rest(s, e);
	return E_OK;
}

enum err sched_reroute(struct sched *s, struct sched_key key, slice_t destination, int64_t now_us)
{
	struct entry *e = entry_find(s, key);
	struct lane *from, *to;

	if (!is_name(destination))
		return E_INVALID;
	if (e == NULL)
		return E_NOT_FOUND;
	if (e->place == PLACE_LEASED)
		return E_BUSY;
	sched_clock(s, now_us);
	from = e->lane;
	to = lane_make(s, dest_make(s, destination), from->sender->key,
		       from->domain != NULL ? from->domain->key : 0);
	if (to != from) {
		entry_leave(s, e);
		entry_enter(s, e, to);
	}
	return E_OK;
}

enum err sched_retime(struct sched *s, struct sched_key key, int64_t expire_us, int64_t warn_us,
		      int64_t now_us)
{
	struct entry *e = entry_find(s, key);

	if (e == NULL)
		return E_NOT_FOUND;
	if (e->place == PLACE_LEASED)
		return E_BUSY;
	sched_clock(s, now_us);
	entry_move(s, e, PLACE_NONE, NULL);
	e->expire_us = expire_us;
	e->warn_us = warn_us;
	entry_rest(s, e);
	return E_OK;
}

/* ---- why an item waits ---- */

const char *sched_state_name(enum sched_state state)
{
	static const char *const names[SCHED_STATES] = {
		"ready",       "waiting",          "leased", "expired", "held",
		"sender-held", "destination-held", "paced",  "down",
	};

	return (unsigned)state < SCHED_STATES ? names[state] : "unknown";
}

/* What keeps all that is ready for the destination; SCHED_READY: nothing. */
static enum sched_state dest_state(const struct sched *s, const struct dest *d, int64_t now_us,
				   int64_t *until_out)
{
	*until_out = 0;
	if (d->held)
		return SCHED_HELD_DEST;
	if (d->failures != 0) {
		*until_out = d->down_until_us;
		return SCHED_DOWN;
	}
	if (dest_paced_until(s, d, now_us) > now_us) {
		*until_out = dest_paced_until(s, d, now_us);
		return SCHED_PACED;
	}
	return SCHED_READY;
}

static enum sched_state ready_state(const struct sched *s, const struct lane *l, int64_t now_us,
				    int64_t *until_out)
{
	enum sched_state state = dest_state(s, l->dest, now_us, until_out);

	if (state != SCHED_READY)
		return state;
	if (l->sender->held)
		return SCHED_HELD_SENDER;
	if (l->place == LANE_PACED) {
		*until_out = l->sleeps_at->wake_us;
		return SCHED_PACED;
	}
	return SCHED_READY;
}

static void tell(const struct sched *s, const struct entry *e, int64_t now_us,
		 struct sched_info *out)
{
	const struct lane *l = e->lane;

	*out = (struct sched_info){
		.item = {.key = entry_key(e),
			 .destination = slice(l->dest->name, l->dest->name_n),
			 .sender = l->sender->key,
			 .domain = l->domain != NULL ? l->domain->key : 0,
			 .record = e->record,
			 .next_us = e->next_us,
			 .first_us = e->first_us,
			 .expire_us = e->expire_us,
			 .warn_us = e->warn_us,
			 .priority = (enum sched_priority)e->priority,
			 .hold = e->held ? SCHED_ON_HOLD : SCHED_FREE},
	};
	switch ((enum place)e->place) {
	case PLACE_WAITING:
		out->state = SCHED_WAITING;
		out->until_us = e->next_us;
		break;
	case PLACE_READY:
		out->state = ready_state(s, l, now_us, &out->until_us);
		break;
	case PLACE_LEASED:
		out->worker = e->hold->worker->id;
		out->state = out->worker == SCHED_SELF ? SCHED_EXPIRED : SCHED_LEASED;
		out->since_us = e->since_us;
		out->until_us = e->since_us + s->set.lease_us;
		break;
	case PLACE_NONE:
	case PLACES:
		out->state = SCHED_HELD;
		break;
	}
}

enum err sched_get(const struct sched *s, struct sched_key key, int64_t now_us,
		   struct sched_info *out)
{
	const struct entry *e = entry_find(s, key);

	if (e == NULL)
		return E_NOT_FOUND;
	tell(s, e, now_us, out);
	return E_OK;
}

/* ---- listings ---- */

static size_t chain_length(const struct table *tab, uint64_t cursor)
{
	size_t n = 0;

	for (const struct table_node *x = table_walk(tab, &cursor); x != NULL; x = x->next)
		n++;
	return n;
}

static bool passes(const struct sched_filter *f, const struct sched_info *i)
{
	return (f->destination.n == 0 || slice_eq(f->destination, i->item.destination)) &&
	       (f->sender == NULL || *f->sender == i->item.sender) &&
	       (f->states == 0 || (f->states & 1U << i->state) != 0);
}

size_t sched_each(const struct sched *s, const struct sched_filter *filter, int64_t now_us,
		  uint64_t *cursor, struct sched_info *out, size_t max)
{
	size_t n = 0, looked = 0;

	invariant(max >= SCHED_PAGE_LEAST);
	do {
		struct table_node *x;

		if (n != 0 && n + chain_length(&s->entries, *cursor) > max)
			break;
		x = table_walk(&s->entries, cursor);
		for (; x != NULL && n < max; x = x->next, looked++) {
			tell(s, container_of(x, struct entry, chain), now_us, &out[n]);
			n += passes(filter, &out[n]);
		}
		looked++;
	} while (*cursor != 0 && looked < max);
	return n;
}

static void tell_destination(const struct dest *d, struct sched_destination *out)
{
	*out = (struct sched_destination){
		.name = slice(d->name, d->name_n),
		.ready = d->n[PLACE_READY],
		.waiting = d->n[PLACE_WAITING],
		.leased = d->n[PLACE_LEASED],
		.held_items = d->n[PLACE_NONE],
		.window = d->window,
		.connections = d->connections,
		.failures = d->failures,
		.down_until_us = d->failures != 0 ? d->down_until_us : 0,
		.hold = d->held ? SCHED_ON_HOLD : SCHED_FREE,
	};
}

enum err sched_destination_get(const struct sched *s, slice_t name, struct sched_destination *out)
{
	const struct dest *d = dest_find(s, name);

	if (d == NULL)
		return E_NOT_FOUND;
	tell_destination(d, out);
	return E_OK;
}

size_t sched_destinations(const struct sched *s, uint64_t *cursor, struct sched_destination *out,
			  size_t max)
{
	size_t n = 0, looked = 0;

	invariant(max >= SCHED_PAGE_LEAST);
	do {
		struct table_node *x;

		if (n != 0 && n + chain_length(&s->dests, *cursor) > max)
			break;
		x = table_walk(&s->dests, cursor);
		for (; x != NULL && n < max; x = x->next)
			tell_destination(container_of(x, struct dest, chain), &out[n++]);
		looked++;
	} while (*cursor != 0 && looked < max);
	return n;
}

/* ---- totals ---- */

static void count_lanes(const struct sched *s, const struct list *lanes, enum sched_state as,
			int64_t now_us, size_t out[SCHED_STATES])
{
	list_for_each(i, lanes) {
		const struct lane *l = as == SCHED_PACED ? list_entry(i, struct lane, turn)
							 : list_entry(i, struct lane, kin);
		int64_t until;

		if (ready_state(s, l, now_us, &until) != as ||
		    dest_state(s, l->dest, now_us, &until) != SCHED_READY)
			continue;
		out[as] += l->ready.n;
		out[SCHED_READY] -= l->ready.n;
	}
}

void sched_totals(const struct sched *s, int64_t now_us, size_t out[SCHED_STATES])
{
	uint64_t cursor = 0;

	memset(out, 0, SCHED_STATES * sizeof *out);
	out[SCHED_WAITING] = s->n[PLACE_WAITING];
	out[SCHED_HELD] = s->n[PLACE_NONE];
	list_for_each(i, &s->self.holds)
		out[SCHED_EXPIRED] += list_entry(i, struct hold, of_worker)->n;
	out[SCHED_LEASED] = s->n[PLACE_LEASED] - out[SCHED_EXPIRED];
	do {
		struct table_node *x = table_walk(&s->dests, &cursor);

		for (; x != NULL; x = x->next) {
			const struct dest *d = container_of(x, struct dest, chain);
			int64_t until;

			out[dest_state(s, d, now_us, &until)] += d->n[PLACE_READY];
		}
	} while (cursor != 0);
	do {
		struct table_node *x = table_walk(&s->flows, &cursor);

		for (; x != NULL; x = x->next) {
			const struct flow *f = container_of(x, struct flow, chain);

			if (f->held)
				count_lanes(s, &f->lanes, SCHED_HELD_SENDER, now_us, out);
			count_lanes(s, &f->sleepers, SCHED_PACED, now_us, out);
		}
	} while (cursor != 0);
}
