/*
 * Who may run. A lane runs while it has something ready and its sender is not held; one whose
 * sender or domain has sent enough sleeps in the line of that flow, and the flow lies in a heap by
 * the time at which it has something again: nobody looks at sleepers meanwhile. A destination is in
 * the turns while it has a lane that runs, a place in its window, and no reason to rest; resting
 * ones (down, or paced themselves) lie in a heap, too.
 *
 * The window follows TCP (RFC 5681): doubling at first, then one more a round; half on trouble,
 * once a round. `round` numbers the cuts, so that what was leased before one says nothing after it.
 */
#include "backend/queue/sched_priv.h"

#include "common/base/map.h"

#define MINUTE_US        60000000LL
#define BURST_PART       6   /* of a minute's allowance may go at once */
#define LATENCY_NOISE_MS 200 /* a rise below this says nothing */
#define LATENCY_WEIGHT   8   /* of the past against a new sample */

static bool before_rest(const void *a, const void *b)
{
	return ((const struct dest *)a)->rest_us < ((const struct dest *)b)->rest_us;
}

static bool before_wake(const void *a, const void *b)
{
	return ((const struct flow *)a)->wake_us < ((const struct flow *)b)->wake_us;
}

static const struct heap_kind by_rest = {offsetof(struct dest, slot), before_rest};
static const struct heap_kind by_wake = {offsetof(struct flow, slot), before_wake};

/* ---- buckets ---- */

/* The microseconds of one message; 0: as many as you like. */
static int64_t bucket_step(const struct bucket *b, uint32_t like_all)
{
	uint32_t limit = b->own != 0 ? b->own : like_all;

	return limit == 0 || limit == SCHED_UNLIMITED ? 0 : (MINUTE_US + limit - 1) / limit;
}

static int64_t bucket_room(int64_t step)
{
	return MAX(MINUTE_US / BURST_PART / step, (int64_t)1) * step;
}

/* When it is full again: no later than an empty one would be. */
static int64_t bucket_full(const struct bucket *b, int64_t step, int64_t now_us)
{
	return step == 0 ? now_us : MIN(MAX(b->full_us, now_us), now_us + bucket_room(step));
}

/* After a limit was raised, or the clock set back, it is an empty one and no worse. */
static void bucket_correct(struct bucket *b, int64_t step, int64_t now_us)
{
	if (step != 0)
		b->full_us = bucket_full(b, step, now_us);
}

static uint32_t bucket_has(const struct bucket *b, int64_t step, int64_t now_us)
{
	int64_t owed = bucket_full(b, step, now_us) - now_us;

	return step == 0 ? UINT32_MAX : (uint32_t)((bucket_room(step) - owed) / step);
}

/* When it has one. */
static int64_t bucket_ready(const struct bucket *b, int64_t step, int64_t now_us)
{
	return step == 0 ? now_us : bucket_full(b, step, now_us) - bucket_room(step) + step;
}

static void bucket_take(struct bucket *b, int64_t step, int64_t now_us, uint32_t n)
{
	if (step != 0)
		b->full_us = bucket_full(b, step, now_us) + step * n;
}

static int64_t flow_step(const struct sched *s, const struct flow *f)
{
	return bucket_step(&f->bucket,
			   f->by == SCHED_BY_SENDER ? s->limits.sender : s->limits.domain);
}

static int64_t dest_step(const struct sched *s, const struct dest *d)
{
	return bucket_step(&d->bucket, s->limits.destination);
}

/* ---- flows ---- */

static uint64_t flow_key(uint64_t by, uint64_t key)
{
	uint64_t both[2] = {by, key};

	return map_hash(slice(both, sizeof both));
}

static uint64_t flow_hash(struct table_node *n)
{
	const struct flow *f = container_of(n, struct flow, chain);

	return flow_key(f->by, f->key);
}

struct flow *flow_find(const struct sched *s, enum sched_by by, uint64_t key)
{
	struct table_node *n = table_chain(&s->flows, flow_key(by, key));

	for (; n != NULL; n = n->next) {
		struct flow *f = container_of(n, struct flow, chain);

		if (f->key == key && f->by == by)
			return f;
	}
	return NULL;
}

struct flow *flow_make(struct sched *s, enum sched_by by, uint64_t key)
{
	struct flow *f = flow_find(s, by, key);

	if (f != NULL)
		return f;
	f = tally_new(&s->tally, sizeof *f);
	f->by = (uint8_t)by;
	f->key = key;
	list_init(&f->sleepers);
	list_init(&f->lanes);
	table_put(&s->flows, &s->tally, &f->chain);
	return f;
}

static void flow_free(struct sched *s, struct flow *f)
{
	heap_del(&s->paced, &by_wake, &s->tally, f);
	table_del(&s->flows, &s->tally, &f->chain);
	tally_free(&s->tally, &f, sizeof *f);
}

static void flow_wake_at(struct sched *s, struct flow *f, int64_t at_us)
{
	heap_del(&s->paced, &by_wake, &s->tally, f);
	f->wake_us = at_us;
	heap_put(&s->paced, &by_wake, &s->tally, f);
}

/* Without lanes it stays while its bucket remembers what was sent. */
void flow_settle(struct sched *s, struct flow *f)
{
	int64_t step = flow_step(s, f), full;

	if (f->refs != 0 || f->held || f->bucket.own != 0)
		return;
	bucket_correct(&f->bucket, step, s->now_us);
	full = bucket_full(&f->bucket, step, s->now_us);
	if (full <= s->now_us)
		flow_free(s, f);
	else
		flow_wake_at(s, f, full);
}

static void lane_wake(struct sched *s, struct lane *l)
{
	list_remove(&l->turn);
	l->sleeps_at = NULL;
	l->place = LANE_OFF;
	l->roused = true;
	lane_settle(s, l);
}

/* As many lanes as there are messages: each may use but one, or none if its destination rests.
 * The others have their turn after the time of one message at the latest. */
static void flow_serve(struct sched *s, struct flow *f)
{
	int64_t step = flow_step(s, f);
	uint32_t n;

	bucket_correct(&f->bucket, step, s->now_us);
	n = bucket_has(&f->bucket, step, s->now_us);
	for (uint32_t i = 0; i < n && !list_empty(&f->sleepers); i++)
		lane_wake(s, list_entry(f->sleepers.next, struct lane, turn));
	if (!list_empty(&f->sleepers))
		flow_wake_at(s, f,
			     n != 0 ? s->now_us + step : bucket_ready(&f->bucket, step, s->now_us));
	else
		flow_settle(s, f);
}

void flow_wake(struct sched *s)
{
	struct flow *f;

	while ((f = heap_top(&s->paced)) != NULL && f->wake_us <= s->now_us) {
		heap_del(&s->paced, &by_wake, &s->tally, f);
		flow_serve(s, f);
	}
}

/* ---- lanes ---- */

static uint64_t lane_key(const struct dest *d, const struct flow *sender, const struct flow *domain)
{
	uintptr_t key[3] = {(uintptr_t)d, (uintptr_t)sender, (uintptr_t)domain};

	return map_hash(slice(key, sizeof key));
}

static uint64_t lane_hash(struct table_node *n)
{
	const struct lane *l = container_of(n, struct lane, chain);

	return lane_key(l->dest, l->sender, l->domain);
}

struct lane *lane_make(struct sched *s, struct dest *d, uint64_t sender, uint64_t domain)
{
	struct flow *by_sender = flow_make(s, SCHED_BY_SENDER, sender);
	struct flow *by_domain = domain != 0 ? flow_make(s, SCHED_BY_DOMAIN, domain) : NULL;
	struct table_node *n = table_chain(&s->lanes, lane_key(d, by_sender, by_domain));
	struct lane *l;

	for (; n != NULL; n = n->next) {
		l = container_of(n, struct lane, chain);
		s->tally.steps++;
		if (l->dest == d && l->sender == by_sender && l->domain == by_domain)
			return l;
	}
	l = tally_new(&s->tally, sizeof *l);
	l->dest = d;
	l->sender = by_sender;
	l->domain = by_domain;
	by_sender->refs++;
	if (by_domain != NULL)
		by_domain->refs++;
	list_init(&l->turn);
	list_append(&by_sender->lanes, &l->kin);
	table_put(&s->lanes, &s->tally, &l->chain);
	return l;
}

static void lane_free(struct sched *s, struct lane *l)
{
	struct flow *sender = l->sender, *domain = l->domain;

	list_remove(&l->turn);
	list_remove(&l->kin);
	table_del(&s->lanes, &s->tally, &l->chain);
	heap_fini(&l->ready, &s->tally);
	tally_free(&s->tally, &l, sizeof *l);
	sender->refs--;
	flow_settle(s, sender);
	if (domain != NULL) {
		domain->refs--;
		flow_settle(s, domain);
	}
}

void lane_settle(struct sched *s, struct lane *l)
{
	struct dest *d = l->dest;
	bool runs = l->ready.n != 0 && !l->sender->held;

	if (l->items == 0) {
		lane_free(s, l);
	} else if (!runs && l->place != LANE_OFF) {
		list_remove(&l->turn);
		l->place = LANE_OFF;
		l->sleeps_at = NULL;
	} else if (runs && l->place == LANE_OFF) {
		list_append(&d->run, &l->turn);
		l->place = LANE_RUN;
	}
	dest_settle(s, d);
}

/* One that was roused, but came too late for what there was, keeps its place in the line. */
static void lane_sleep(struct sched *s, struct lane *l, struct flow *f)
{
	int64_t step = flow_step(s, f), ready;

	bucket_correct(&f->bucket, step, s->now_us);
	ready = bucket_ready(&f->bucket, step, s->now_us);
	list_remove(&l->turn);
	if (l->roused)
		list_prepend(&f->sleepers, &l->turn);
	else
		list_append(&f->sleepers, &l->turn);
	l->roused = false;
	l->place = LANE_PACED;
	l->sleeps_at = f;
	if (f->slot == 0 || f->wake_us > ready)
		flow_wake_at(s, f, ready);
	dest_settle(s, l->dest);
}

uint32_t lane_allowance(struct sched *s, struct lane *l)
{
	struct flow *flows[2] = {l->sender, l->domain};
	uint32_t least = UINT32_MAX;

	for (size_t i = 0; i < ARRAY_LEN(flows) && flows[i] != NULL; i++) {
		uint32_t has = bucket_has(&flows[i]->bucket, flow_step(s, flows[i]), s->now_us);

		if (has == 0) {
			lane_sleep(s, l, flows[i]);
			return 0;
		}
		least = MIN(least, has);
	}
	return MIN(least, bucket_has(&l->dest->bucket, dest_step(s, l->dest), s->now_us));
}

void lane_spend(struct sched *s, struct lane *l, uint32_t n)
{
	bucket_take(&l->sender->bucket, flow_step(s, l->sender), s->now_us, n);
	if (l->domain != NULL)
		bucket_take(&l->domain->bucket, flow_step(s, l->domain), s->now_us, n);
	bucket_take(&l->dest->bucket, dest_step(s, l->dest), s->now_us, n);
	l->roused = false;
}

/* ---- destinations ---- */

static uint64_t dest_hash(struct table_node *n)
{
	const struct dest *d = container_of(n, struct dest, chain);

	return map_hash(slice(d->name, d->name_n));
}

struct dest *dest_find(const struct sched *s, slice_t name)
{
	struct table_node *n = table_chain(&s->dests, map_hash(name));

	for (; n != NULL; n = n->next) {
		struct dest *d = container_of(n, struct dest, chain);

		if (slice_eq(slice(d->name, d->name_n), name))
			return d;
	}
	return NULL;
}

static uint32_t window_max(const struct sched *s, const struct dest *d)
{
	return d->window_own != 0 ? d->window_own : s->set.window_max;
}

struct dest *dest_make(struct sched *s, slice_t name)
{
	struct dest *d = dest_find(s, name);

	if (d != NULL)
		return d;
	d = tally_new(&s->tally, sizeof *d + name.n);
	d->name_n = (uint16_t)name.n;
	memcpy(d->name, name.p, name.n);
	d->window = MIN((uint32_t)SCHED_WINDOW_FIRST, s->set.window_max);
	list_init(&d->turn);
	list_init(&d->run);
	list_init(&d->holds);
	table_put(&s->dests, &s->tally, &d->chain);
	return d;
}

static void dest_free(struct sched *s, struct dest *d)
{
	list_remove(&d->turn);
	heap_del(&s->resting, &by_rest, &s->tally, d);
	table_del(&s->dests, &s->tally, &d->chain);
	tally_free(&s->tally, &d, sizeof *d + d->name_n);
}

static bool is_empty(const struct dest *d)
{
	for (size_t i = 0; i < PLACES; i++)
		if (d->n[i] != 0)
			return false;
	return true;
}

/* When it is to be looked at again; 0: it need not rest. An empty one rests while it has something
 * to remember. */
static int64_t rest_until(const struct sched *s, const struct dest *d)
{
	int64_t step = dest_step(s, d), until;

	if (is_empty(d)) {
		until = bucket_full(&d->bucket, step, s->now_us);
		if (d->failures != 0)
			until = MAX(until, d->down_until_us + SCHED_FORGET_US);
	} else {
		until = bucket_ready(&d->bucket, step, s->now_us);
		if (d->failures != 0)
			until = MAX(until, d->down_until_us);
	}
	return until > s->now_us ? until : 0;
}

int64_t dest_paced_until(const struct sched *s, const struct dest *d, int64_t now_us)
{
	return bucket_ready(&d->bucket, dest_step(s, d), now_us);
}

static bool has_room(const struct dest *d)
{
	return d->connections < d->window && (d->failures == 0 || d->probe == NULL);
}

void dest_settle(struct sched *s, struct dest *d)
{
	int64_t rest;
	bool runs;

	bucket_correct(&d->bucket, dest_step(s, d), s->now_us);
	rest = rest_until(s, d);
	runs = rest == 0 && !d->held && !list_empty(&d->run) && has_room(d);
	if (rest == 0 && is_empty(d) && !d->held && d->window_own == 0 && d->bucket.own == 0) {
		dest_free(s, d);
		return;
	}
	if (rest != d->rest_us) {
		heap_del(&s->resting, &by_rest, &s->tally, d);
		d->rest_us = rest;
		if (rest != 0)
			heap_put(&s->resting, &by_rest, &s->tally, d);
	}
	if (runs && !d->listed)
		list_append(&s->turns, &d->turn);
	else if (!runs && d->listed)
		list_remove(&d->turn);
	d->listed = runs;
}

void dest_wake(struct sched *s)
{
	struct dest *d;

	while ((d = heap_top(&s->resting)) != NULL && d->rest_us <= s->now_us) {
		heap_del(&s->resting, &by_rest, &s->tally, d);
		d->rest_us = 0;
		dest_settle(s, d);
	}
}

/* ---- windows ---- */

static void cut(struct dest *d)
{
	d->window = MAX(d->window / 2, 1U);
	d->successes = 0;
	d->cut = true;
	d->round++;
}

static void down(struct sched *s, struct dest *d)
{
	uint32_t step = s->set.steps_s[MIN(d->failures, s->set.nsteps - 1)];

	cut(d);
	if (d->failures < UINT32_MAX)
		d->failures++;
	d->down_until_us = s->now_us + (int64_t)step * 1000000;
}

static void open_again(struct sched *s, struct dest *d)
{
	d->failures = 0;
	d->window = MIN((uint32_t)SCHED_WINDOW_FIRST / 2, window_max(s, d));
	d->successes = 0;
	d->round++;
}

static void crowded(struct sched *s, struct dest *d)
{
	if (d->failures != 0 || d->window == 1)
		down(s, d);
	else
		cut(d);
}

/* True when the average has risen beyond twice the best. What is best rises a little then: a
 * destination that has become slower for good gets its window back. */
static bool is_slower(struct dest *d, uint32_t ms)
{
	ms = MIN(ms, (uint32_t)INT32_MAX / LATENCY_WEIGHT);
	if (ms == 0)
		return false;
	if (d->best_ms == 0)
		d->latency_ms = d->best_ms = ms;
	d->latency_ms = (d->latency_ms * (LATENCY_WEIGHT - 1) + ms) / LATENCY_WEIGHT;
	d->best_ms = MAX(MIN(d->best_ms, d->latency_ms), 1U);
	if (d->latency_ms <= 2 * d->best_ms || d->latency_ms - d->best_ms < LATENCY_NOISE_MS)
		return false;
	d->best_ms += d->best_ms / LATENCY_WEIGHT + 1;
	d->latency_ms = d->best_ms;
	return true;
}

static void succeeded(struct sched *s, struct dest *d, uint32_t ms)
{
	if (is_slower(d, ms)) {
		cut(d);
		return;
	}
	if (d->window >= window_max(s, d) || (d->cut && ++d->successes < d->window))
		return;
	d->window++;
	d->successes = 0;
}

void dest_judge(struct sched *s, struct dest *d, const struct entry *e,
		const struct sched_result *r)
{
	bool probe = d->probe == e;

	/* While it is down only the probe counts; otherwise what was leased since the last cut. */
	if (!probe && (d->failures != 0 || e->round != d->round))
		return;
	switch (r->outcome) {
	case SCHED_DEST_DOWN:
		down(s, d);
		break;
	case SCHED_BACK:
		if (r->sign == SCHED_CROWDED)
			crowded(s, d);
		break;
	case SCHED_LATER:
	case SCHED_GONE:
		if (r->sign == SCHED_CROWDED && r->outcome == SCHED_LATER)
			crowded(s, d);
		else if (probe)
			open_again(s, d);
		else if (r->sign == SCHED_CROWDED)
			cut(d);
		else
			succeeded(s, d, r->ms);
		break;
	}
}

void dest_set_window(struct sched *s, struct dest *d, uint32_t max)
{
	d->window_own = MIN(max, (uint32_t)SCHED_WINDOW_MAX);
	d->window = MIN(d->window, window_max(s, d));
}

/* ---- all of them ---- */

/* Heaps whose keys become all the same are still heaps. */
void sched_rouse(struct sched *s)
{
	uint64_t cursor = 0;

	do {
		struct table_node *n = table_walk(&s->flows, &cursor);

		for (; n != NULL; n = n->next) {
			struct flow *f = container_of(n, struct flow, chain);

			bucket_correct(&f->bucket, flow_step(s, f), s->now_us);
		}
	} while (cursor != 0);
	for (uint32_t i = 0; i < s->paced.n; i++)
		((struct flow *)s->paced.v[i])->wake_us = s->now_us;
	for (uint32_t i = 0; i < s->resting.n; i++)
		((struct dest *)s->resting.v[i])->rest_us = s->now_us;
	flow_wake(s);
	dest_wake(s);
}

void flow_rouse(struct sched *s, struct flow *f)
{
	heap_del(&s->paced, &by_wake, &s->tally, f);
	flow_serve(s, f);
}

void sched_tables_init(struct sched *s)
{
	s->lanes.hash = lane_hash;
	s->flows.hash = flow_hash;
	s->dests.hash = dest_hash;
}

/* Lanes went with their entries; what is left are flows and destinations that remember. */
void sched_tables_fini(struct sched *s)
{
	uint64_t cursor = 0;
	struct table_node *n;

	while (s->flows.n != 0)
		if ((n = table_walk(&s->flows, &cursor)) != NULL) {
			flow_free(s, container_of(n, struct flow, chain));
			cursor = 0;
		}
	while (s->dests.n != 0)
		if ((n = table_walk(&s->dests, &cursor)) != NULL) {
			dest_free(s, container_of(n, struct dest, chain));
			cursor = 0;
		}
	table_fini(&s->lanes, &s->tally);
	table_fini(&s->flows, &s->tally);
	table_fini(&s->dests, &s->tally);
}
