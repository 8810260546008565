/*
 * Pacing. A lane whose sender or domain has sent enough sleeps in the line of that flow, and the
 * flow lies in a heap by the time at which its bucket has something again: nobody looks at sleepers
 * meanwhile. Then as many lanes are roused as there are messages, not all that wait.
 */
#include "backend/queue/sched_priv.h"

#include "common/base/map.h"

#define MINUTE_US  60000000LL
#define BURST_PART 6 /* of a minute's allowance may go at once */

static bool before_wake(const void *a, const void *b)
{
	return ((const struct flow *)a)->wake_us < ((const struct flow *)b)->wake_us;
}

static const struct heap_kind by_wake = {offsetof(struct flow, slot), before_wake};

/* ---- buckets ---- */

int64_t bucket_step(const struct bucket *b, uint32_t like_all)
{
	uint32_t limit = b->own != 0 ? b->own : like_all;

	return limit == 0 || limit == SCHED_UNLIMITED ? 0 : (MINUTE_US + limit - 1) / limit;
}

static int64_t bucket_room(int64_t step)
{
	return MAX(MINUTE_US / BURST_PART / step, (int64_t)1) * step;
}

int64_t bucket_full(const struct bucket *b, int64_t step, int64_t now_us)
{
	return step == 0 ? now_us : MIN(MAX(b->full_us, now_us), now_us + bucket_room(step));
}

void bucket_correct(struct bucket *b, int64_t step, int64_t now_us)
{
	if (step != 0)
		b->full_us = bucket_full(b, step, now_us);
}

uint32_t bucket_has(const struct bucket *b, int64_t step, int64_t now_us)
{
	int64_t owed = bucket_full(b, step, now_us) - now_us;

	return step == 0 ? UINT32_MAX : (uint32_t)((bucket_room(step) - owed) / step);
}

int64_t bucket_ready(const struct bucket *b, int64_t step, int64_t now_us)
{
	return step == 0 ? now_us : bucket_full(b, step, now_us) - bucket_room(step) + step;
}

void bucket_take(struct bucket *b, int64_t step, int64_t now_us, uint32_t n)
{
	if (step != 0)
		b->full_us = bucket_full(b, step, now_us) + step * n;
}

int64_t flow_step(const struct sched *s, const struct flow *f)
{
	return bucket_step(&f->bucket,
			   f->by == SCHED_BY_SENDER ? s->limits.sender : s->limits.domain);
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

/* In its line, when the bucket had nothing for it. One that was roused, but came too late for what
 * there was, keeps its place. */
void flow_sleep(struct sched *s, struct flow *f, struct lane *l)
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
}

void flow_rouse(struct sched *s, struct flow *f)
{
	heap_del(&s->paced, &by_wake, &s->tally, f);
	flow_serve(s, f);
}

/* A heap whose keys become all the same is still one. */
void flows_rouse(struct sched *s)
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
	flow_wake(s);
}

void flows_init(struct sched *s)
{
	s->flows.hash = flow_hash;
}

/* Those that remember something. */
void flows_fini(struct sched *s)
{
	uint64_t cursor = 0;

	while (s->flows.n != 0) {
		struct table_node *n = table_walk(&s->flows, &cursor);

		if (n != NULL) {
			flow_free(s, container_of(n, struct flow, chain));
			cursor = 0;
		}
	}
	table_fini(&s->flows, &s->tally);
}
