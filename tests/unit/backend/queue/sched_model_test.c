/*
 * The scheduler against a plain model: random steps, and after each what must hold. The model is
 * an array of items and what was said about them. Windows and failures are read from the
 * scheduler's own listing, and held against what was handed out.
 */
#include <stdio.h>

#include "backend/queue/sched.h"
#include "tests/lib/check.h"

#define SEC       1000000LL
#define MIN_      (60 * SEC)
#define START     (1000000 * SEC)
#define LEASE     (20 * SEC)
#define ITEMS     300
#define DESTS     7
#define SENDERS   6
#define WORKERS   4 /* and number 0, which is SCHED_SELF */
#define PICK      8
#define STEPS     6000
#define SEEDS     12
#define SENT_LOG  400
#define PER_MIN   120 /* of every sender, domain and destination, in half of the runs */
#define PACE_STEP (MIN_ / PER_MIN)
#define NOBODY    (-1)

struct model_item {
	bool used, held, warned;
	struct sched_item it;
	int dest;
	int worker; /* NOBODY, or whose lease it is */
	int lost;   /* workers, one after the other */
	int64_t since_us;
};

struct sent {
	int64_t at[SENT_LOG];
	size_t n;
};

struct model {
	struct sched *s;
	uint64_t random, next_id;
	int64_t now;
	bool paced;
	struct model_item items[ITEMS], none;
	bool dest_held[DESTS], sender_held[SENDERS];
	uint32_t conns[WORKERS + 1][DESTS];
	uint64_t probe[DESTS]; /* item, while it is leased */
	struct sent by_sender[SENDERS], by_domain[SENDERS], by_dest[DESTS];
};

static const char *const names[DESTS] = {"a.example",          "b.example", "c.example",
					 "d.example",          "e.example", "f.example",
					 "relay:[10.0.0.1]:25"};

static uint64_t draw(struct model *m, uint64_t below)
{
	uint64_t z = m->random += 0x9e3779b97f4a7c15;

	z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9;
	z = (z ^ z >> 27) * 0x94d049bb133111eb;
	return (z ^ z >> 31) % below;
}

static struct sched_destination dest_of(const struct model *m, int dest)
{
	struct sched_destination page[SCHED_PAGE_LEAST];
	uint64_t cursor = 0;

	do {
		size_t n = sched_destinations(m->s, &cursor, page, ARRAY_LEN(page));

		for (size_t i = 0; i < n; i++)
			if (slice_eq(page[i].name, slice_str(names[dest])))
				return page[i];
	} while (cursor != 0);
	return (struct sched_destination){.window = SCHED_WINDOW_FIRST};
}

static struct model_item *find(struct model *m, struct sched_key key)
{
	for (size_t i = 0; i < ITEMS; i++)
		if (m->items[i].used && m->items[i].it.key.item == key.item &&
		    m->items[i].it.key.partition == key.partition)
			return &m->items[i];
	CHECK(!"an item that is not there");
	return &m->none;
}

/* NULL: the slot that was drawn is empty. */
static struct model_item *any(struct model *m)
{
	struct model_item *x = &m->items[draw(m, ITEMS)];

	return x->used ? x : NULL;
}

static uint32_t leased(const struct model *m, int worker, int dest)
{
	uint32_t n = 0;

	for (size_t i = 0; i < ITEMS; i++)
		n += m->items[i].used && m->items[i].worker == worker && m->items[i].dest == dest;
	return n;
}

/* After a lease has ended: a connection without an item is none. */
static void unlease(struct model *m, struct model_item *x)
{
	int w = x->worker;

	x->worker = NOBODY;
	if (w == NOBODY)
		return;
	m->conns[w][x->dest] = MIN(m->conns[w][x->dest], leased(m, w, x->dest));
	if (m->probe[x->dest] == x->it.key.item)
		m->probe[x->dest] = 0;
}

static bool is_ready(const struct model *m, const struct model_item *x)
{
	return x->used && x->worker == NOBODY && !x->held && x->it.next_us <= m->now;
}

static bool may_go(const struct model *m, const struct model_item *x)
{
	return is_ready(m, x) && !m->dest_held[x->dest] && !m->sender_held[x->it.sender];
}

/* ---- steps ---- */

static void step_add(struct model *m)
{
	struct model_item *x = &m->items[draw(m, ITEMS)];

	if (x->used)
		return;
	*x = (struct model_item){.used = true, .worker = NOBODY, .dest = (int)draw(m, DESTS)};
	x->it = (struct sched_item){
		.key = {(uint16_t)draw(m, 3), ++m->next_id},
		.destination = slice_str(names[x->dest]),
		.sender = draw(m, SENDERS),
		.record = draw(m, 12),
		.next_us = m->now + (int64_t)draw(m, 4) * 10 * SEC - 10 * SEC,
		.first_us = m->now,
		.expire_us = draw(m, 4) == 0 ? SCHED_NEVER : m->now + (int64_t)draw(m, 1000) * SEC,
		.warn_us = draw(m, 2) == 0 ? 0 : m->now + (int64_t)draw(m, 500) * SEC,
		.priority = (enum sched_priority)draw(m, 3),
		.hold = draw(m, 10) == 0 ? SCHED_ON_HOLD : SCHED_FREE,
	};
	x->it.domain = x->it.sender / 2;
	x->held = x->it.hold == SCHED_ON_HOLD;
	CHECK_ERR(sched_add(m->s, &x->it, m->now), E_OK);
	CHECK_ERR(sched_add(m->s, &x->it, m->now), E_EXISTS);
}

/* No stretch of time that ends now has more than a full bucket and what came in meanwhile. */
static void check_pace(struct model *m, struct sent *sent)
{
	sent->at[sent->n++ % SENT_LOG] = m->now;
	for (size_t i = sent->n > SENT_LOG ? sent->n - SENT_LOG : 0; i < sent->n; i++) {
		int64_t passed = m->now - sent->at[i % SENT_LOG];

		CHECK((int64_t)(sent->n - i) <= PER_MIN / 6 + passed / PACE_STEP);
	}
}

static void take(struct model *m, int worker, int dest, const struct sched_pick *p)
{
	struct model_item *x = find(m, p->key);

	CHECK(may_go(m, x));
	CHECK_INT(x->dest, dest);
	CHECK_INT(p->record, x->it.record);
	x->worker = worker;
	x->since_us = m->now;
	if (!m->paced)
		return;
	check_pace(m, &m->by_sender[x->it.sender]);
	if (x->it.domain != 0)
		check_pace(m, &m->by_domain[x->it.domain]);
	check_pace(m, &m->by_dest[dest]);
}

/* Nothing for this worker: nobody waits for whom there is a place. */
static void check_nothing(struct model *m, int worker)
{
	for (int d = 0; d < DESTS; d++) {
		struct sched_destination about = dest_of(m, d);
		bool place = about.connections < about.window &&
			     m->conns[worker][d] < MAX(about.window / WORKERS, 1U);

		if (about.failures != 0)
			place = about.connections < about.window && m->probe[d] == 0 &&
				about.down_until_us <= m->now;
		for (size_t i = 0; place && i < ITEMS; i++)
			CHECK(m->items[i].dest != d || !may_go(m, &m->items[i]));
	}
}

static void check_batch(struct model *m, int worker, int dest, const struct sched_pick *got,
			const struct sched_batch *b, const struct sched_destination *before)
{
	uint32_t sum = 0;

	for (size_t i = 1; i < b->n; i++) {
		CHECK(got[i].tx == got[i - 1].tx || got[i].tx == got[i - 1].tx + 1);
		if (got[i].tx == got[i - 1].tx)
			CHECK(got[i].record != 0 && got[i].record == got[i - 1].record &&
			      got[i].key.partition == got[i - 1].key.partition);
	}
	if (before->failures != 0) {
		CHECK_INT(b->n, 1);
		CHECK_INT(m->probe[dest], 0);
		CHECK(before->down_until_us <= m->now);
		m->probe[dest] = got[0].key.item;
	} else {
		CHECK(b->connections <= MAX(before->window / WORKERS, 1U));
	}
	m->conns[worker][dest] = b->connections;
	for (int w = 1; w <= WORKERS; w++)
		sum += m->conns[w][dest];
	CHECK(b->connections >= 1 && b->connections <= leased(m, worker, dest));
	CHECK(sum <= before->window);
	CHECK_INT(sum, dest_of(m, dest).connections);
}

static void step_pick(struct model *m)
{
	int worker = 1 + (int)draw(m, WORKERS), dest = 0;
	struct sched_pick got[PICK];
	struct sched_batch b;
	struct sched_destination before[DESTS];
	enum err e;

	for (int d = 0; d < DESTS; d++)
		before[d] = dest_of(m, d);
	e = sched_pick(m->s, (uint32_t)worker, m->now, 1 + draw(m, PICK), got, &b);
	if (e == E_NOT_FOUND && !m->paced)
		check_nothing(m, worker);
	if (e != E_OK)
		return;
	while (dest < DESTS - 1 && !slice_eq(b.destination, slice_str(names[dest])))
		dest++;
	for (size_t i = 0; i < b.n; i++)
		take(m, worker, dest, &got[i]);
	check_batch(m, worker, dest, got, &b, &before[dest]);
}

static void step_done(struct model *m)
{
	static const enum sched_outcome outcomes[] = {SCHED_GONE,     SCHED_GONE, SCHED_GONE,
						      SCHED_LATER,    SCHED_BACK, SCHED_OFF,
						      SCHED_DEST_DOWN};
	struct model_item *x = any(m);
	int worker = x != NULL && draw(m, 8) != 0 ? x->worker : (int)draw(m, WORKERS + 1);
	struct sched_result r = {
		.outcome = outcomes[draw(m, ARRAY_LEN(outcomes))],
		.sign = draw(m, 10) == 0 ? SCHED_CROWDED : SCHED_SMOOTH,
		.next_us = m->now + (int64_t)draw(m, 60) * SEC,
		.ms = (uint32_t)draw(m, 1000),
	};
	bool mine;

	if (x == NULL || worker == NOBODY)
		return;
	mine = worker == x->worker;
	CHECK_INT(sched_done(m->s, x->it.key, (uint32_t)worker, m->now, &r),
		  mine ? SCHED_TAKEN : SCHED_LATE);
	if ((r.outcome == SCHED_LATER || r.outcome == SCHED_OFF) && (mine || x->worker == NOBODY))
		x->it.next_us = r.next_us;
	if (mine)
		x->lost = 0;
	if (mine || r.outcome == SCHED_GONE)
		unlease(m, x);
	x->used = r.outcome != SCHED_GONE;
}

static void step_time(struct model *m)
{
	size_t ended = 0;

	m->now += draw(m, 20) == 0 ? 5 * MIN_ : (int64_t)draw(m, 5) * SEC / 4;
	for (size_t i = 0; i < ITEMS; i++) {
		struct model_item *x = &m->items[i];

		if (!x->used || x->worker == NOBODY || x->since_us > m->now - LEASE)
			continue;
		unlease(m, x);
		ended++;
	}
	CHECK_INT(sched_tick(m->s, m->now), ended);
	CHECK(sched_next_us(m->s) > m->now || sched_next_us(m->s) != SCHED_NEVER);
}

static void step_item(struct model *m)
{
	struct model_item *x = any(m);
	bool busy;
	int to = (int)draw(m, DESTS);

	if (x == NULL)
		return;
	busy = x->worker != NOBODY;
	switch (draw(m, 4)) {
	case 0:
		CHECK_ERR(sched_remove(m->s, x->it.key), E_OK);
		unlease(m, x);
		x->used = false;
		break;
	case 1:
		x->held = draw(m, 3) == 0;
		CHECK_ERR(sched_hold_item(m->s, x->it.key, x->held ? SCHED_ON_HOLD : SCHED_FREE,
					  m->now),
			  E_OK);
		break;
	case 2:
		CHECK_ERR(sched_retry(m->s, x->it.key, m->now), busy ? E_BUSY : E_OK);
		if (!busy)
			x->it.next_us = MIN(x->it.next_us, m->now);
		break;
	case 3:
		CHECK_ERR(sched_reroute(m->s, x->it.key, slice_str(names[to]), m->now),
			  busy ? E_BUSY : E_OK);
		if (!busy)
			x->dest = to;
		break;
	}
}

static void step_hold(struct model *m)
{
	bool held = draw(m, 4) == 0;
	enum sched_hold hold = held ? SCHED_ON_HOLD : SCHED_FREE;
	size_t i = draw(m, DESTS);

	if (draw(m, 2) == 0) {
		m->dest_held[i] = held;
		CHECK_ERR(sched_hold_destination(m->s, slice_str(names[i]), hold, m->now), E_OK);
	} else {
		i = draw(m, SENDERS);
		m->sender_held[i] = held;
		sched_hold_sender(m->s, i, hold, m->now);
	}
}

/* A worker that is gone, and back at once: it counts for the shares. */
static void step_gone(struct model *m)
{
	int worker = 1 + (int)draw(m, WORKERS);

	sched_worker_gone(m->s, (uint32_t)worker, m->now);
	for (size_t i = 0; i < ITEMS; i++) {
		struct model_item *x = &m->items[i];

		if (!x->used || x->worker != worker)
			continue;
		unlease(m, x);
		if (++x->lost < SCHED_LOST_MAX)
			continue;
		x->lost = 0;
		x->it.next_us = MAX(x->it.next_us, m->now + SCHED_LOST_US);
	}
	for (int d = 0; d < DESTS; d++)
		CHECK_INT(m->conns[worker][d], 0);
	CHECK_ERR(sched_worker_here(m->s, (uint32_t)worker), E_OK);
}

static void step_alarms(struct model *m)
{
	struct sched_key out[ITEMS];
	size_t want = 0, n;
	int64_t last = 0;

	for (size_t i = 0; i < ITEMS; i++) {
		const struct model_item *x = &m->items[i];

		want += x->used && x->worker == NOBODY && !x->held && !x->warned &&
			x->it.warn_us != 0 && x->it.warn_us <= m->now;
	}
	n = sched_delayed(m->s, m->now, out, ITEMS);
	CHECK_INT(n, want);
	for (size_t i = 0; i < n; i++)
		find(m, out[i])->warned = true;
	want = 0;
	for (size_t i = 0; i < ITEMS; i++) {
		const struct model_item *x = &m->items[i];

		want += x->used && x->worker == NOBODY && !x->held && x->it.expire_us <= m->now;
	}
	n = sched_expired(m->s, m->now, out, ITEMS);
	CHECK_INT(n, want);
	for (size_t i = 0; i < n; i++) {
		struct model_item *x = find(m, out[i]);

		CHECK(x->worker == NOBODY && x->it.expire_us >= last);
		last = x->it.expire_us;
		x->worker = SCHED_SELF;
		x->since_us = m->now;
	}
}

/* ---- what must hold ---- */

static enum sched_state state_of(const struct model *m, const struct model_item *x)
{
	if (x->worker != NOBODY)
		return x->worker == SCHED_SELF ? SCHED_EXPIRED : SCHED_LEASED;
	if (x->held)
		return SCHED_HELD;
	if (x->it.next_us > m->now)
		return SCHED_WAITING;
	if (m->dest_held[x->dest])
		return SCHED_HELD_DEST;
	if (dest_of(m, x->dest).failures != 0)
		return SCHED_DOWN;
	return m->sender_held[x->it.sender] ? SCHED_HELD_SENDER : SCHED_READY;
}

/* A paced run knows one more reason: a bucket is empty, or was when the lane was looked at. */
static void check_state(const struct model *m, const struct model_item *x,
			const struct sched_info *got)
{
	enum sched_state want = state_of(m, x);

	if (m->paced && got->state == SCHED_PACED)
		CHECK(want == SCHED_READY || want == SCHED_HELD_SENDER);
	else
		CHECK_INT(got->state, want);
	CHECK_SLICE(got->item.destination, slice_str(names[x->dest]));
	CHECK_INT(got->item.sender, x->it.sender);
	CHECK_INT(got->item.next_us, x->it.next_us);
	CHECK_INT(got->item.expire_us, x->it.expire_us);
	if (got->state == SCHED_LEASED)
		CHECK_INT(got->worker, x->worker);
}

static void check_all(struct model *m)
{
	size_t count[SCHED_STATES] = {0}, totals[SCHED_STATES], n = 0, listed = 0;
	struct sched_info page[SCHED_PAGE_LEAST];
	struct sched_filter all = {0};
	uint64_t cursor = 0;

	for (size_t i = 0; i < ITEMS; i++) {
		struct sched_info got;

		if (!m->items[i].used)
			continue;
		n++;
		CHECK_ERR(sched_get(m->s, m->items[i].it.key, m->now, &got), E_OK);
		check_state(m, &m->items[i], &got);
		count[got.state]++;
	}
	CHECK_INT(sched_count(m->s), n);
	sched_totals(m->s, m->now, totals);
	for (size_t i = 0; i < SCHED_STATES; i++)
		CHECK_INT(totals[i], count[i]);
	do
		listed += sched_each(m->s, &all, m->now, &cursor, page, ARRAY_LEN(page));
	while (cursor != 0);
	CHECK_INT(listed, n);
}

static void step(struct model *m)
{
	uint64_t what = draw(m, 100);

	if (what < 25)
		step_add(m);
	else if (what < 50)
		step_pick(m);
	else if (what < 80)
		step_done(m);
	else if (what < 88)
		step_time(m);
	else if (what < 94)
		step_item(m);
	else if (what < 97)
		step_hold(m);
	else if (what < 98)
		step_gone(m);
	else
		step_alarms(m);
}

/* All that is left goes out, when nobody is in its way: nothing was lost, nothing is stuck. */
static void drain(struct model *m)
{
	struct sched_result gone = {.outcome = SCHED_GONE};
	struct sched_pick got[PICK];
	struct sched_batch b;

	for (uint64_t i = 0; i < SENDERS; i++)
		sched_hold_sender(m->s, i, SCHED_FREE, m->now);
	for (size_t i = 0; i < DESTS; i++)
		CHECK_ERR(sched_hold_destination(m->s, slice_str(names[i]), SCHED_FREE, m->now),
			  E_OK);
	for (size_t i = 0; i < ITEMS; i++)
		if (m->items[i].used)
			CHECK_ERR(sched_hold_item(m->s, m->items[i].it.key, SCHED_FREE, m->now),
				  E_OK);
	for (unsigned rounds = 0; sched_count(m->s) != 0 && rounds < 10000; rounds++) {
		while (sched_pick(m->s, 1, m->now, PICK, got, &b) == E_OK)
			for (size_t i = 0; i < b.n; i++)
				CHECK_INT(sched_done(m->s, got[i].key, 1, m->now, &gone),
					  SCHED_TAKEN);
		m->now = MAX(m->now + SEC / 10, MIN(sched_next_us(m->s), m->now + MIN_));
	}
	CHECK_INT(sched_count(m->s), 0);
}

static void run(uint64_t seed)
{
	struct model *m = xcalloc(1, sizeof *m);
	struct sched_limits l = {PER_MIN, PER_MIN, PER_MIN};
	struct sched_settings set;

	check_note("seed %llu", (unsigned long long)seed);
	sched_settings_init(&set);
	set.lease_us = LEASE;
	set.nsteps = 2;
	set.steps_s[0] = 10;
	set.steps_s[1] = 60;
	m->s = sched_new(&set);
	m->random = seed;
	m->now = START;
	m->paced = seed % 2 == 0;
	if (m->paced)
		sched_limits(m->s, &l, m->now);
	for (uint32_t w = 1; w <= WORKERS; w++)
		CHECK_ERR(sched_worker_here(m->s, w), E_OK);
	for (unsigned i = 0; i < STEPS; i++) {
		step(m);
		if (i % 20 == 0)
			check_all(m);
	}
	drain(m);
	sched_free(&m->s);
	xfree(&m);
}

TEST(sched_random_steps)
{
	for (uint64_t seed = 1; seed <= SEEDS; seed++)
		run(seed);
}

/* A sender with one message waits for at most one turn of every other lane, whatever these have. */
TEST(sched_random_fairness)
{
	struct model *m = xcalloc(1, sizeof *m);

	for (unsigned i = 0; i < 100; i++) {
		struct sched_settings set;
		struct sched_item it = {.destination = SL("a.example"), .expire_us = SCHED_NEVER};
		uint64_t lanes = 1 + draw(m, 30), waited = 0;
		struct sched_result gone = {.outcome = SCHED_GONE};
		struct sched_pick p;
		struct sched_batch b;

		sched_settings_init(&set);
		m->s = sched_new(&set);
		for (it.sender = 1; it.sender <= lanes; it.sender++)
			for (uint64_t n = 1 + draw(m, 300); n > 0; n--, it.key.item++)
				CHECK_ERR(sched_add(m->s, &it, START), E_OK);
		for (uint64_t n = draw(m, lanes); n > 0; n--) {
			CHECK_ERR(sched_pick(m->s, 1, START, 1, &p, &b), E_OK);
			CHECK_INT(sched_done(m->s, p.key, 1, START, &gone), SCHED_TAKEN);
		}
		CHECK_ERR(sched_add(m->s, &it, START), E_OK);
		do {
			CHECK_ERR(sched_pick(m->s, 1, START, 1, &p, &b), E_OK);
			CHECK_INT(sched_done(m->s, p.key, 1, START, &gone), SCHED_TAKEN);
			waited++;
		} while (p.key.item != it.key.item && waited < 1000);
		CHECK(waited <= lanes + 1);
		sched_free(&m->s);
	}
	xfree(&m);
}
