/*
 * Who may run. A lane runs while it has something ready, its sender is not held, and its flows have
 * room (sched_pace.c). A destination is in line while it has a lane that runs, a place in its
 * window, and no reason to rest; resting ones (down, or paced themselves) lie in a heap by the time
 * at which they look again.
 *
 * The window follows TCP (RFC 5681): doubling at first, then one more a round; half on trouble,
 * once a round. `round` numbers the cuts, so that what was leased before one says nothing after it:
 * while a destination is down, only its probe is of the round.
 */
#include "backend/queue/sched_priv.h"

#include "common/base/map.h"

#define LATENCY_NOISE_MS 200 /* a rise below this says nothing */
#define LATENCY_WEIGHT   8   /* of the past against a new sample */

static bool before_rest(const void *a, const void *b)
{
	return ((const struct dest *)a)->rest_us < ((const struct dest *)b)->rest_us;
}

static const struct heap_kind by_rest = {offsetof(struct dest, slot), before_rest};

/* ---- lanes ---- */

static int64_t dest_step(const struct sched *s, const struct dest *d)
{
	return bucket_step(&d->bucket, s->limits.destination);
}

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

uint32_t lane_allowance(struct sched *s, struct lane *l)
{
	struct flow *flows[2] = {l->sender, l->domain};
	uint32_t least = UINT32_MAX;

	for (size_t i = 0; i < ARRAY_LEN(flows) && flows[i] != NULL; i++) {
		uint32_t has = bucket_has(&flows[i]->bucket, flow_step(s, flows[i]), s->now_us);

		if (has == 0) {
			flow_sleep(s, flows[i], l);
			dest_settle(s, l->dest);
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
	if (d->window_own != 0)
		return d->window_own;
	return d->hint.window_max != 0 ? d->hint.window_max : s->set.window_max;
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
	d->line = s->everybody;
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
		line_join(s, d);
	else if (!runs && d->listed)
		line_leave(d);
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
	uint32_t step = d->hint.nsteps != 0 ? d->hint.steps_s[MIN(d->failures, d->hint.nsteps - 1)]
					    : s->set.steps_s[MIN(d->failures, s->set.nsteps - 1)];

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
	if (e->round != d->round)
		return;
	switch (r->outcome) {
	case SCHED_DEST_DOWN:
		down(s, d);
		break;
	case SCHED_BACK:
	case SCHED_OFF:
		if (r->sign == SCHED_CROWDED)
			crowded(s, d);
		break;
	case SCHED_LATER:
	case SCHED_GONE:
		if (r->sign == SCHED_UNREACHED)
			down(s, d);
		else if (r->sign == SCHED_CROWDED && r->outcome == SCHED_LATER)
			crowded(s, d);
		else if (d->failures != 0)
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

void dests_narrow(struct sched *s)
{
	uint64_t cursor = 0;

	do {
		struct table_node *n = table_walk(&s->dests, &cursor);

		for (; n != NULL; n = n->next) {
			struct dest *d = container_of(n, struct dest, chain);

			dest_set_window(s, d, d->window_own);
		}
	} while (cursor != 0);
}

/* A heap whose keys become all the same is still one. */
void dests_rouse(struct sched *s)
{
	for (uint32_t i = 0; i < s->resting.n; i++)
		((struct dest *)s->resting.v[i])->rest_us = s->now_us;
	dest_wake(s);
}

void dests_init(struct sched *s)
{
	s->lanes.hash = lane_hash;
	s->dests.hash = dest_hash;
}

/* Lanes went with their entries; what is left are destinations that remember. */
void dests_fini(struct sched *s)
{
	uint64_t cursor = 0;
	struct table_node *n;

	while (s->dests.n != 0)
		if ((n = table_walk(&s->dests, &cursor)) != NULL) {
			dest_free(s, container_of(n, struct dest, chain));
			cursor = 0;
		}
	table_fini(&s->lanes, &s->tally);
	table_fini(&s->dests, &s->tally);
}
