/* The scheduler's rules, one at a time. sched_model_test.c tries them all at once. */
#include "backend/queue/sched.h"

#include <stdio.h>

#include "tests/lib/check.h"

#define SEC   1000000LL
#define MIN_  (60 * SEC)
#define START (1000000 * SEC)
#define ANY   1000

static struct sched *fresh(void)
{
	struct sched_settings set;

	sched_settings_init(&set);
	return sched_new(&set);
}

static struct sched_key key(uint64_t id)
{
	return (struct sched_key){1, id};
}

static struct sched_item item(uint64_t id, const char *dest, uint64_t sender)
{
	return (struct sched_item){
		.key = key(id),
		.destination = slice_str(dest),
		.sender = sender,
		.record = id,
		.next_us = START,
		.first_us = START,
		.expire_us = SCHED_NEVER,
		.priority = SCHED_NORMAL,
	};
}

static void add(struct sched *s, uint64_t id, const char *dest, uint64_t sender)
{
	struct sched_item i = item(id, dest, sender);

	CHECK_ERR(sched_add(s, &i, START), E_OK);
}

static struct sched_pick got[ANY];
static struct sched_batch batch;

/* How many items the worker gets; they are in got. */
static size_t pick(struct sched *s, uint32_t worker, int64_t now, size_t max)
{
	enum err e = sched_pick(s, worker, now, max, got, &batch);

	CHECK(e == E_OK || e == E_NOT_FOUND);
	return e == E_OK ? batch.n : 0;
}

static enum sched_told done(struct sched *s, uint64_t id, uint32_t worker, int64_t now,
			    enum sched_outcome outcome)
{
	struct sched_result r = {.outcome = outcome, .next_us = now + MIN_};

	return sched_done(s, key(id), worker, now, &r);
}

static void done_sign(struct sched *s, uint64_t id, int64_t now, enum sched_outcome outcome,
		      enum sched_sign sign, uint32_t ms)
{
	struct sched_result r = {.outcome = outcome, .sign = sign, .ms = ms, .next_us = now + MIN_};

	CHECK_INT(sched_done(s, key(id), 1, now, &r), SCHED_TAKEN);
}

static struct sched_info info(struct sched *s, uint64_t id, int64_t now)
{
	struct sched_info i = {0};

	CHECK_ERR(sched_get(s, key(id), now, &i), E_OK);
	return i;
}

static struct sched_destination dest(struct sched *s, const char *name)
{
	struct sched_destination page[SCHED_PAGE_LEAST];
	uint64_t cursor = 0;

	do {
		size_t n = sched_destinations(s, &cursor, page, ARRAY_LEN(page));

		for (size_t i = 0; i < n; i++)
			if (slice_eq(page[i].name, slice_str(name)))
				return page[i];
	} while (cursor != 0);
	return (struct sched_destination){0};
}

/* ---- life of an item ---- */

TEST(sched_item_goes_out_once)
{
	struct sched *s = fresh();

	add(s, 7, "a.example", 1);
	CHECK_INT(info(s, 7, START).state, SCHED_READY);
	REQUIRE(pick(s, 1, START, ANY) == 1);
	CHECK_INT(got[0].key.item, 7);
	CHECK_INT(got[0].key.partition, 1);
	CHECK_SLICE(batch.destination, SL("a.example"));
	CHECK_INT(batch.connections, 1);
	CHECK_INT(info(s, 7, START).state, SCHED_LEASED);
	CHECK_INT(info(s, 7, START).worker, 1);
	CHECK_INT(info(s, 7, START).since_us, START);
	CHECK_INT(pick(s, 2, START, ANY), 0);
	CHECK_INT(done(s, 7, 1, START, SCHED_GONE), SCHED_TAKEN);
	CHECK_INT(done(s, 7, 1, START, SCHED_GONE), SCHED_UNKNOWN);
	CHECK_INT(sched_count(s), 0);
	sched_free(&s);
}

static bool add_to(struct sched *s, uint16_t partition, uint64_t id)
{
	struct sched_item i = item(id, "a.example", 1);
	bool place = sched_has_place(s, partition);
	enum err e;

	i.key.partition = partition;
	e = sched_add(s, &i, START);
	CHECK_ERR(e, place ? E_OK : E_LIMIT);
	return e == E_OK;
}

static size_t fill_from(struct sched *s, uint16_t partition)
{
	size_t n = 0;

	while (add_to(s, partition, n + 1))
		n++;
	return n;
}

/* Whoever comes first has half of the places and its part of the others; nobody waits for it. */
TEST(sched_partitions_share_the_places)
{
	struct sched_settings set;
	struct sched *s;

	sched_settings_init(&set);
	set.items_max = 41;
	s = sched_new(&set);
	sched_partitions(s, 4);
	CHECK_INT(fill_from(s, 0), 41 - 3 * 5);
	CHECK_INT(fill_from(s, 1), 5);
	CHECK_INT(fill_from(s, 2), 5);
	/* One of the first goes: a place for all, but the last one's part is its own still. */
	CHECK_ERR(sched_remove(s, (struct sched_key){0, 1}), E_OK);
	CHECK(add_to(s, 1, 100));
	CHECK(!add_to(s, 0, 100));
	CHECK_INT(fill_from(s, 3), 5);
	/* One of a part goes: it stays of that part. */
	CHECK_ERR(sched_remove(s, (struct sched_key){2, 1}), E_OK);
	CHECK(!add_to(s, 0, 100));
	CHECK(!add_to(s, 1, 101));
	CHECK(add_to(s, 2, 1));
	/* A partition more, and places for it. */
	sched_partitions(s, 5);
	CHECK(!add_to(s, 4, 1));
	set.items_max = 50;
	sched_configure(s, &set);
	CHECK_INT(fill_from(s, 4), 5 + 4);
	CHECK_INT(sched_count(s), 50);
	sched_free(&s);
}

TEST(sched_partitions_are_bounded)
{
	struct sched *s = fresh();
	struct sched_item i = item(1, "a.example", 1);

	sched_partitions(s, SCHED_PARTS_MAX);
	i.key.partition = SCHED_PARTS_MAX;
	CHECK_ERR(sched_add(s, &i, START), E_INVALID);
	CHECK(add_to(s, SCHED_PARTS_MAX - 1, 1));
	sched_free(&s);
}

TEST(sched_add_refuses)
{
	struct sched_settings set;
	struct sched_item i = item(1, "a.example", 1);
	char name[SCHED_NAME_MAX + 1];
	struct sched *s;

	sched_settings_init(&set);
	set.items_max = 2;
	s = sched_new(&set);
	CHECK_ERR(sched_add(s, &i, START), E_OK);
	CHECK_ERR(sched_add(s, &i, START), E_EXISTS);
	memset(name, 'x', sizeof name);
	i.key.item = 2;
	i.destination = slice(name, sizeof name);
	CHECK_ERR(sched_add(s, &i, START), E_INVALID);
	i.destination = SLICE_NONE;
	CHECK_ERR(sched_add(s, &i, START), E_INVALID);
	i.destination = slice(name, sizeof name - 1);
	CHECK_ERR(sched_add(s, &i, START), E_OK);
	i.key.item = 3;
	CHECK_ERR(sched_add(s, &i, START), E_LIMIT);
	CHECK_ERR(sched_remove(s, key(2)), E_OK);
	CHECK_ERR(sched_remove(s, key(2)), E_NOT_FOUND);
	/* The same number in another partition is another item. */
	i.key = (struct sched_key){2, 1};
	CHECK_ERR(sched_add(s, &i, START), E_OK);
	sched_free(&s);
}

TEST(sched_waits_until_due)
{
	struct sched *s = fresh();
	struct sched_item i = item(1, "a.example", 1);

	i.next_us = START + MIN_;
	CHECK_ERR(sched_add(s, &i, START), E_OK);
	CHECK_INT(info(s, 1, START).state, SCHED_WAITING);
	CHECK_INT(info(s, 1, START).until_us, START + MIN_);
	CHECK_INT(sched_next_us(s), START + MIN_);
	CHECK_INT(pick(s, 1, START + MIN_ - 1, ANY), 0);
	CHECK_INT(pick(s, 1, START + MIN_, ANY), 1);
	CHECK_INT(done(s, 1, 1, START + MIN_, SCHED_LATER), SCHED_TAKEN);
	CHECK_INT(info(s, 1, START + MIN_).until_us, START + 2 * MIN_);
	CHECK_INT(pick(s, 1, START + MIN_, ANY), 0);
	CHECK_INT(pick(s, 1, START + 2 * MIN_, ANY), 1);
	sched_free(&s);
}

TEST(sched_priority_then_time_then_arrival)
{
	struct sched *s = fresh();
	struct sched_item i = item(1, "a.example", 1);
	static const uint64_t want[] = {4, 2, 1, 3, 5};

	CHECK_ERR(sched_add(s, &i, START), E_OK);
	i.key.item = i.record = 2;
	i.next_us = START - 5;
	CHECK_ERR(sched_add(s, &i, START), E_OK);
	add(s, 3, "a.example", 1);
	i.key.item = i.record = 4;
	i.next_us = START;
	i.priority = SCHED_HIGH;
	CHECK_ERR(sched_add(s, &i, START), E_OK);
	i.key.item = i.record = 5;
	i.next_us = START - 9;
	i.priority = SCHED_LOW;
	CHECK_ERR(sched_add(s, &i, START), E_OK);
	REQUIRE(pick(s, 1, START, ANY) == 5);
	for (size_t n = 0; n < 5; n++)
		CHECK_INT(got[n].key.item, want[n]);
	sched_free(&s);
}

/* ---- leases ---- */

TEST(sched_leases_return_to_their_place)
{
	struct sched *s = fresh();

	for (uint64_t id = 1; id <= 4; id++)
		add(s, id, "a.example", 1);
	REQUIRE(pick(s, 1, START, 2) == 2);
	sched_worker_gone(s, 1, START + 1);
	REQUIRE(pick(s, 2, START + 2, 1) == 1);
	CHECK_INT(got[0].key.item, 1);
	/* Its lease runs out. */
	CHECK_INT(sched_next_us(s), START + 2 + SCHED_LEASE_US);
	CHECK_INT(sched_tick(s, START + 1 + SCHED_LEASE_US), 0);
	CHECK_INT(sched_tick(s, START + 2 + SCHED_LEASE_US), 1);
	REQUIRE(pick(s, 3, START + 2 + SCHED_LEASE_US, 4) == 4);
	for (uint64_t id = 1; id <= 4; id++)
		CHECK_INT(got[id - 1].key.item, id);
	sched_free(&s);
}

TEST(sched_late_reports)
{
	struct sched *s = fresh();

	add(s, 1, "a.example", 1);
	REQUIRE(pick(s, 1, START, 1) == 1);
	sched_worker_gone(s, 1, START);
	REQUIRE(pick(s, 2, START, 1) == 1);
	/* The other goes on, whatever the first says, unless it has delivered. */
	CHECK_INT(done(s, 1, 1, START, SCHED_DEST_DOWN), SCHED_LATE);
	CHECK_INT(done(s, 1, 1, START, SCHED_LATER), SCHED_LATE);
	CHECK_INT(info(s, 1, START).worker, 2);
	CHECK_INT(dest(s, "a.example").failures, 0);
	CHECK_INT(done(s, 1, 1, START, SCHED_GONE), SCHED_LATE);
	CHECK_INT(done(s, 1, 2, START, SCHED_GONE), SCHED_UNKNOWN);
	add(s, 2, "a.example", 1);
	REQUIRE(pick(s, 1, START, 1) == 1);
	sched_worker_gone(s, 1, START);
	CHECK_INT(done(s, 2, 1, START, SCHED_LATER), SCHED_LATE);
	CHECK_INT(info(s, 2, START).state, SCHED_WAITING);
	sched_free(&s);
}

/* A report that comes again ends no later lease of the same worker. */
TEST(sched_leases_have_numbers)
{
	struct sched *s = fresh();
	struct sched_result r = {.outcome = SCHED_BACK};
	int64_t first_us;

	add(s, 1, "a.example", 1);
	REQUIRE(pick(s, 1, START, 1) == 1);
	r.leased_us = first_us = batch.leased_us;
	CHECK_INT(sched_done(s, key(1), 1, START + 1, &r), SCHED_TAKEN);
	REQUIRE(pick(s, 1, START + 2, 1) == 1);
	CHECK(batch.leased_us != first_us);
	CHECK_INT(sched_done(s, key(1), 1, START + 3, &r), SCHED_LATE);
	CHECK_INT(info(s, 1, START + 3).state, SCHED_LEASED);
	r.leased_us = batch.leased_us;
	CHECK_INT(sched_done(s, key(1), 1, START + 3, &r), SCHED_TAKEN);
	sched_free(&s);
}

/* What was put off says nothing of its destination, good or bad. */
TEST(sched_put_off)
{
	struct sched *s = fresh();
	uint32_t window;
	int64_t probe;

	add(s, 1, "a.example", 1);
	add(s, 2, "a.example", 2);
	window = dest(s, "a.example").window;
	REQUIRE(pick(s, 1, START, 1) == 1);
	CHECK_INT(done(s, got[0].key.item, 1, START, SCHED_OFF), SCHED_TAKEN);
	CHECK_INT(info(s, got[0].key.item, START).state, SCHED_WAITING);
	CHECK_INT(dest(s, "a.example").window, window);
	REQUIRE(pick(s, 1, START, 1) == 1);
	CHECK_INT(done(s, got[0].key.item, 1, START, SCHED_DEST_DOWN), SCHED_TAKEN);
	probe = dest(s, "a.example").down_until_us;
	REQUIRE(pick(s, 1, probe, ANY) == 1);
	CHECK_INT(done(s, got[0].key.item, 1, probe, SCHED_OFF), SCHED_TAKEN);
	CHECK_INT(dest(s, "a.example").failures, 1);
	/* Somebody else is the probe. */
	CHECK_INT(pick(s, 1, probe, ANY), 1);
	sched_free(&s);
}

TEST(sched_workers_have_a_limit)
{
	struct sched *s = fresh();

	CHECK_ERR(sched_worker_here(s, SCHED_SELF), E_INVALID);
	for (uint32_t w = 1; w <= SCHED_WORKERS_MAX; w++)
		CHECK_ERR(sched_worker_here(s, w), E_OK);
	CHECK_ERR(sched_worker_here(s, 1), E_OK);
	CHECK_ERR(sched_worker_here(s, SCHED_WORKERS_MAX + 1), E_LIMIT);
	add(s, 1, "a.example", 1);
	CHECK_ERR(sched_pick(s, SCHED_WORKERS_MAX + 1, START, 1, got, &batch), E_LIMIT);
	sched_worker_gone(s, 5, START);
	CHECK_INT(pick(s, SCHED_WORKERS_MAX + 1, START, 1), 1);
	sched_free(&s);
}

/* An item that its workers die of does not take every worker along for ever. */
TEST(sched_lost_with_workers)
{
	struct sched *s = fresh();

	add(s, 1, "a.example", 1);
	for (uint32_t w = 1; w <= SCHED_LOST_MAX; w++) {
		CHECK_INT(pick(s, w, START, ANY), 1);
		sched_worker_gone(s, w, START);
	}
	CHECK_INT(pick(s, 9, START, ANY), 0);
	CHECK_INT(sched_next_us(s), START + SCHED_LOST_US);
	/* What was reported in between begins anew. */
	CHECK_INT(pick(s, 9, START + SCHED_LOST_US, ANY), 1);
	sched_worker_gone(s, 9, START + SCHED_LOST_US);
	CHECK_INT(pick(s, 8, START + SCHED_LOST_US, ANY), 1);
	CHECK_INT(done(s, 1, 8, START + SCHED_LOST_US, SCHED_BACK), SCHED_TAKEN);
	for (uint32_t w = 1; w < SCHED_LOST_MAX; w++) {
		CHECK_INT(pick(s, w, START + SCHED_LOST_US, ANY), 1);
		sched_worker_gone(s, w, START + SCHED_LOST_US);
	}
	CHECK_INT(pick(s, 7, START + SCHED_LOST_US, ANY), 1);
	sched_free(&s);
}

/* ---- transactions ---- */

TEST(sched_twins_share_a_transaction)
{
	struct sched *s = fresh();
	struct sched_item i = item(0, "a.example", 1);

	/* Two messages with 150 recipients each, in turn. */
	for (uint64_t id = 1; id <= 300; id++) {
		i.key.item = id;
		i.record = 1 + id % 2;
		CHECK_ERR(sched_add(s, &i, START), E_OK);
	}
	REQUIRE(pick(s, 1, START, 250) == 250);
	for (size_t n = 0; n < 250; n++) {
		CHECK_INT(got[n].tx, n / SCHED_TX_RCPTS_MAX);
		CHECK_INT(got[n].record, got[n / 100 * 100].record);
	}
	CHECK_INT(batch.connections, 3);
	sched_free(&s);
}

TEST(sched_no_twins_across)
{
	struct sched *s = fresh();
	struct sched_item i = item(1, "a.example", 1);

	i.record = 9;
	CHECK_ERR(sched_add(s, &i, START), E_OK);
	i.key = (struct sched_key){2, 1}; /* partition */
	CHECK_ERR(sched_add(s, &i, START), E_OK);
	i.key.item = 2;
	i.sender = 2;
	CHECK_ERR(sched_add(s, &i, START), E_OK);
	i.key.item = 3;
	i.next_us = START + 1; /* not due */
	CHECK_ERR(sched_add(s, &i, START), E_OK);
	i.next_us = START;
	i.record = 0; /* no record: nothing to share */
	for (i.key.item = 4; i.key.item <= 5; i.key.item++)
		CHECK_ERR(sched_add(s, &i, START), E_OK);
	REQUIRE(pick(s, 1, START, ANY) == 5);
	for (size_t n = 1; n < 5; n++)
		CHECK(got[n].tx == got[n - 1].tx + 1);
	sched_free(&s);
}

/* ---- fairness ---- */

TEST(sched_one_message_passes_ten_thousand)
{
	struct sched *s = fresh();

	for (uint64_t id = 1; id <= 10000; id++)
		add(s, id, "a.example", 1);
	add(s, 20000, "a.example", 2);
	add(s, 20001, "b.example", 3);
	REQUIRE(pick(s, 1, START, 2) == 2);
	CHECK_INT(got[0].key.item, 1);
	CHECK_INT(got[1].key.item, 20000);
	REQUIRE(pick(s, 1, START, 2) == 1);
	CHECK_INT(got[0].key.item, 20001);
	sched_free(&s);
}

/* ---- windows ---- */

TEST(sched_window_is_divided)
{
	struct sched *s = fresh();

	for (uint64_t id = 1; id <= 1000; id++)
		add(s, id, "a.example", 1);
	CHECK_ERR(sched_worker_here(s, 1), E_OK);
	CHECK_ERR(sched_worker_here(s, 2), E_OK);
	/* Five connections, two workers: two each, and nobody has the fifth. */
	CHECK_INT(pick(s, 1, START, 10), 10);
	CHECK_INT(batch.connections, 2);
	CHECK_INT(pick(s, 1, START, 10), 0);
	CHECK_INT(pick(s, 2, START, 1), 1);
	CHECK_INT(batch.connections, 1);
	CHECK_INT(batch.idle, 2); /* with one thing to send: the other may stay open */
	CHECK_INT(pick(s, 2, START, 10), 10);
	CHECK_INT(batch.connections, 2);
	/* More workers than connections: one each as far as they go. */
	for (uint32_t w = 3; w <= 9; w++)
		CHECK_ERR(sched_worker_here(s, w), E_OK);
	CHECK_INT(pick(s, 3, START, 10), SCHED_AHEAD);
	CHECK_INT(batch.connections, 1);
	CHECK_INT(batch.idle, 0); /* they take turns */
	CHECK_INT(pick(s, 4, START, 10), 0);
	CHECK_INT(dest(s, "a.example").connections, 5);
	sched_worker_gone(s, 1, START);
	CHECK_INT(dest(s, "a.example").connections, 3);
	CHECK_INT(pick(s, 4, START, 10), SCHED_AHEAD);
	sched_free(&s);
}

/* Sends n items, one at a time; each took ms. */
static void smooth(struct sched *s, unsigned n, uint32_t ms)
{
	for (unsigned i = 0; i < n; i++) {
		REQUIRE(pick(s, 1, START, 1) == 1);
		done_sign(s, got[0].key.item, START, SCHED_GONE, SCHED_SMOOTH, ms);
	}
}

TEST(sched_window_grows_and_halves)
{
	struct sched *s = fresh();

	for (uint64_t id = 1; id <= 1000; id++)
		add(s, id, "a.example", 1);
	CHECK_INT(dest(s, "a.example").window, SCHED_WINDOW_FIRST);
	smooth(s, 3, 0);
	CHECK_INT(dest(s, "a.example").window, SCHED_WINDOW_FIRST + 3);
	smooth(s, 100, 0);
	CHECK_INT(dest(s, "a.example").window, SCHED_WINDOW_TOP);
	/* Ten are under way; the trouble of one round counts once. */
	REQUIRE(pick(s, 1, START, 10) == 10);
	for (size_t i = 0; i < 10; i++)
		done_sign(s, got[i].key.item, START, SCHED_BACK, SCHED_CROWDED, 0);
	CHECK_INT(dest(s, "a.example").window, 10);
	/* Then one more for as many successes as it is wide. */
	smooth(s, 9, 0);
	CHECK_INT(dest(s, "a.example").window, 10);
	smooth(s, 1, 0);
	CHECK_INT(dest(s, "a.example").window, 11);
	/* Crowded at one: it does not want us. */
	for (unsigned want = 5; want >= 1; want /= 2) {
		REQUIRE(pick(s, 1, START, 1) == 1);
		done_sign(s, got[0].key.item, START, SCHED_BACK, SCHED_CROWDED, 0);
		CHECK_INT(dest(s, "a.example").window, want);
	}
	CHECK_INT(dest(s, "a.example").failures, 0);
	REQUIRE(pick(s, 1, START, 1) == 1);
	done_sign(s, got[0].key.item, START, SCHED_BACK, SCHED_CROWDED, 0);
	CHECK_INT(dest(s, "a.example").failures, 1);
	sched_free(&s);
}

TEST(sched_window_halves_when_slow)
{
	struct sched *s = fresh();

	for (uint64_t id = 1; id <= 1000; id++)
		add(s, id, "a.example", 1);
	smooth(s, 50, 300);
	CHECK_INT(dest(s, "a.example").window, SCHED_WINDOW_TOP);
	smooth(s, 5, 550);
	CHECK_INT(dest(s, "a.example").window, SCHED_WINDOW_TOP);
	smooth(s, 1, 2000);
	CHECK_INT(dest(s, "a.example").window, SCHED_WINDOW_TOP / 2);
	/* Slow for good: the window does not stay at one for ever. */
	smooth(s, 400, 2000);
	CHECK_INT(dest(s, "a.example").failures, 0);
	CHECK(dest(s, "a.example").window > SCHED_WINDOW_FIRST);
	sched_free(&s);
}

TEST(sched_window_has_a_limit)
{
	struct sched *s = fresh();

	CHECK_ERR(sched_limit_destination(s, SL("a.example"), SCHED_WINDOW_MAX + 1, 0, START),
		  E_OK);
	CHECK_ERR(sched_limit_destination(s, SL("b.example"), 2, 0, START), E_OK);
	CHECK_ERR(sched_limit_destination(s, SLICE_NONE, 2, 0, START), E_INVALID);
	for (uint64_t id = 1; id <= SCHED_WINDOW_MAX + 10; id++)
		add(s, id, "a.example", 1);
	smooth(s, SCHED_WINDOW_MAX + 5, 0);
	CHECK_INT(dest(s, "a.example").window, SCHED_WINDOW_MAX);
	CHECK_INT(dest(s, "b.example").window, 2);
	/* Without a wish of its own it has the default, and may be forgotten. */
	CHECK_ERR(sched_limit_destination(s, SL("b.example"), 0, 0, START), E_OK);
	CHECK_INT(dest(s, "b.example").name.n, 0);
	sched_free(&s);
}

TEST(sched_new_settings)
{
	struct sched_settings set;
	struct sched *s = fresh();

	for (uint64_t id = 1; id <= 100; id++)
		add(s, id, "a.example", 1);
	smooth(s, 20, 0);
	CHECK_INT(dest(s, "a.example").window, SCHED_WINDOW_TOP);
	CHECK_INT(pick(s, 1, START, 3), 3);
	sched_settings_init(&set);
	set.window_max = 2;
	set.lease_us = SEC;
	sched_configure(s, &set);
	CHECK_INT(dest(s, "a.example").window, 2);
	/* Fewer connections, and so fewer items in line for them. */
	CHECK_INT(pick(s, 1, START, 3), 3);
	CHECK_INT(batch.connections, 2);
	CHECK_INT(pick(s, 2, START, 3), 0);
	/* The leases run out at the new time. */
	CHECK_INT(pick(s, 2, START + SEC, 3), 3);
	CHECK_INT(batch.connections, 1);
	sched_free(&s);
}

/* ---- hints ---- */

/* Items of a pool go to its workers alone, and keep nobody else waiting. */
TEST(sched_pools)
{
	static const uint64_t mine[] = {9, 7}, others[] = {8, 9};
	struct sched_pools pools = {others, 2};
	struct sched *s = fresh();
	struct sched_hint hint = {.pool = 7};

	add(s, 1, "a.example", 1);
	add(s, 2, "b.example", 1);
	sched_hint(s, SL("a.example"), &hint);
	sched_hint(s, SL("nobody.example"), &hint);
	REQUIRE(pick(s, 1, START, ANY) == 1);
	CHECK_INT(got[0].key.item, 2);
	CHECK_ERR(sched_pick_of(s, 1, START, &pools, ANY, got, &batch), E_NOT_FOUND);
	pools.ids = mine;
	CHECK_ERR(sched_pick_of(s, 1, START, &pools, ANY, got, &batch), E_OK);
	CHECK_INT(got[0].key.item, 1);
	sched_free(&s);
}

/* Whatever pools they are of, destinations have their turns as they came. */
TEST(sched_pools_in_turn)
{
	static const char *const names[] = {"a.example", "b.example", "c.example", "d.example"};
	static const uint64_t mine[] = {7, 8};
	struct sched_pools pools = {mine, 2};
	struct sched *s = fresh();

	for (uint64_t i = 0; i < 8; i++)
		add(s, i, names[i % 4], i);
	for (uint64_t i = 0; i < 4; i++) {
		struct sched_hint hint = {.pool = i % 3 == 0 ? 0 : 6 + i};

		sched_hint(s, slice_str(names[i]), &hint);
	}
	/* A change of the pool is a new place in line. */
	for (uint64_t i = 0; i < 8; i++) {
		static const uint64_t order[] = {0, 3, 1, 2};

		REQUIRE(sched_pick_of(s, 1, START, &pools, 1, got, &batch) == E_OK);
		CHECK_INT(got[0].key.item, order[i % 4] + i / 4 * 4);
	}
	CHECK_ERR(sched_pick_of(s, 1, START, &pools, 1, got, &batch), E_NOT_FOUND);
	sched_free(&s);
}

/* A pool that is no more has workers no more: what it had is for all, and finds its way back. */
TEST(sched_pools_that_are_gone)
{
	static const uint64_t left[] = {8};
	struct sched_pools pools = {left, 1};
	struct sched *s = fresh();
	struct sched_hint hint = {.pool = 7};

	add(s, 1, "a.example", 1);
	add(s, 2, "b.example", 1);
	sched_hint(s, SL("a.example"), &hint);
	hint.pool = 8;
	sched_hint(s, SL("b.example"), &hint);
	CHECK_INT(pick(s, 1, START, ANY), 0);
	sched_pools_are(s, &pools);
	REQUIRE(pick(s, 1, START, ANY) == 1);
	CHECK_INT(got[0].key.item, 1);
	CHECK_INT(pick(s, 1, START, ANY), 0);
	pools.n = 0;
	sched_pools_are(s, &pools);
	REQUIRE(pick(s, 1, START, ANY) == 1);
	CHECK_INT(got[0].key.item, 2);
	sched_free(&s);
}

TEST(sched_pools_are_bounded)
{
	uint64_t mine[SCHED_POOLS_MAX + 1];
	struct sched_pools pools = {mine, ARRAY_LEN(mine)};
	struct sched_hint hint = {.pool = ARRAY_LEN(mine)};
	struct sched *s = fresh();

	for (size_t i = 0; i < ARRAY_LEN(mine); i++)
		mine[i] = i + 1;
	add(s, 1, "a.example", 1);
	sched_hint(s, SL("a.example"), &hint);
	CHECK_ERR(sched_pick_of(s, 1, START, &pools, ANY, got, &batch), E_NOT_FOUND);
	hint.pool = SCHED_POOLS_MAX;
	sched_hint(s, SL("a.example"), &hint);
	CHECK_ERR(sched_pick_of(s, 1, START, &pools, ANY, got, &batch), E_OK);
	sched_free(&s);
}

/* What others have in line is no matter. */
TEST(sched_pools_cost_nobody_else)
{
	struct sched *s = fresh();
	struct sched_hint hint = {.pool = 7};
	uint64_t before;
	char name[32];

	for (uint64_t i = 1; i <= 5000; i++) {
		snprintf(name, sizeof name, "d%u.example", (unsigned)i);
		add(s, i, name, i);
		sched_hint(s, slice_str(name), &hint);
	}
	add(s, 5001, "a.example", 1);
	before = sched_steps(s);
	CHECK_INT(pick(s, 1, START, ANY), 1);
	CHECK_INT(pick(s, 1, START, ANY), 0);
	CHECK(sched_steps(s) - before < 100);
	sched_free(&s);
}

TEST(sched_a_schedule_of_its_own)
{
	static const int64_t steps[] = {2, 5, 5};
	struct sched *s = fresh();
	struct sched_hint hint = {.nsteps = 2, .steps_s = {120, 300}};
	int64_t now = START;

	add(s, 1, "a.example", 1);
	sched_hint(s, SL("a.example"), &hint);
	for (size_t i = 0; i < ARRAY_LEN(steps); i++) {
		REQUIRE(pick(s, 1, now, ANY) == 1);
		CHECK_INT(done(s, 1, 1, now, SCHED_DEST_DOWN), SCHED_TAKEN);
		CHECK_INT(info(s, 1, now).until_us, now + steps[i] * MIN_);
		now += steps[i] * MIN_;
	}
	sched_free(&s);
}

TEST(sched_new_times_of_an_item)
{
	struct sched *s = fresh();
	struct sched_key k;

	add(s, 1, "a.example", 1);
	CHECK_ERR(sched_retime(s, key(2), START, 0, START), E_NOT_FOUND);
	CHECK_ERR(sched_retime(s, key(1), START + 2 * SEC, START + SEC, START), E_OK);
	CHECK_INT(sched_next_us(s), START + SEC);
	CHECK_INT(sched_delayed(s, START + SEC, &k, 1), 1);
	CHECK_INT(sched_expired(s, START + SEC, &k, 1), 0);
	CHECK_INT(sched_expired(s, START + 2 * SEC, &k, 1), 1);
	CHECK_ERR(sched_retime(s, key(1), SCHED_NEVER, 0, START), E_BUSY);
	sched_free(&s);
}

/* ---- down ---- */

TEST(sched_down_rests_and_probes)
{
	static const int64_t steps[] = {15, 30, 60, 240, 240};
	struct sched *s = fresh();
	int64_t now = START;

	for (uint64_t id = 1; id <= 20; id++)
		add(s, id, "a.example", 1);
	REQUIRE(pick(s, 1, now, 5) == 5);
	/* Five connections fail at once: one failure. */
	for (uint64_t id = 1; id <= 5; id++)
		CHECK_INT(done(s, id, 1, now, SCHED_DEST_DOWN), SCHED_TAKEN);
	for (size_t i = 0; i < ARRAY_LEN(steps); i++) {
		CHECK_INT(dest(s, "a.example").failures, i + 1);
		CHECK_INT(info(s, 9, now).state, SCHED_DOWN);
		CHECK_INT(info(s, 9, now).until_us, now + steps[i] * MIN_);
		CHECK_INT(sched_next_us(s), now + steps[i] * MIN_);
		now += steps[i] * MIN_;
		CHECK_INT(pick(s, 1, now - 1, ANY), 0);
		/* One item on one connection, for all workers together. */
		REQUIRE(pick(s, 1, now, ANY) == 1);
		CHECK_INT(got[0].key.item, 1);
		CHECK_INT(batch.connections, 1);
		CHECK_INT(pick(s, 1, now, ANY), 0);
		CHECK_INT(pick(s, 2, now, ANY), 0);
		if (i + 1 < ARRAY_LEN(steps))
			CHECK_INT(done(s, 1, 1, now, SCHED_DEST_DOWN), SCHED_TAKEN);
	}
	/* A probe that got lost is followed by another, without a new failure. */
	sched_worker_gone(s, 1, now);
	REQUIRE(pick(s, 2, now, ANY) == 1);
	CHECK_INT(dest(s, "a.example").failures, ARRAY_LEN(steps));
	CHECK_INT(done(s, 1, 2, now, SCHED_LATER), SCHED_TAKEN);
	CHECK_INT(dest(s, "a.example").failures, 0);
	CHECK_INT(dest(s, "a.example").window, SCHED_WINDOW_FIRST / 2);
	CHECK_INT(pick(s, 2, now, ANY), 2 * SCHED_AHEAD);
	sched_free(&s);
}

TEST(sched_old_news_does_not_open)
{
	struct sched *s = fresh();

	for (uint64_t id = 1; id <= 3; id++)
		add(s, id, "a.example", 1);
	REQUIRE(pick(s, 1, START, 2) == 2);
	CHECK_INT(done(s, 1, 1, START, SCHED_DEST_DOWN), SCHED_TAKEN);
	CHECK_INT(done(s, 2, 1, START, SCHED_GONE), SCHED_TAKEN);
	CHECK_INT(dest(s, "a.example").failures, 1);
	CHECK_INT(pick(s, 1, START, ANY), 0);
	sched_free(&s);
}

TEST(sched_schedule_is_cut)
{
	struct sched_settings set;
	struct sched *s;

	sched_settings_init(&set);
	set.nsteps = SCHED_STEPS_MAX + 1;
	for (size_t i = 0; i < SCHED_STEPS_MAX; i++)
		set.steps_s[i] = 1 + (uint32_t)i;
	s = sched_new(&set);
	add(s, 1, "a.example", 1);
	for (int64_t i = 0, now = START; i < 20; i++) {
		REQUIRE(pick(s, 1, now, 1) == 1);
		CHECK_INT(done(s, 1, 1, now, SCHED_DEST_DOWN), SCHED_TAKEN);
		CHECK_INT(sched_next_us(s) - now, MIN(i + 1, SCHED_STEPS_MAX) * SEC);
		now = sched_next_us(s);
	}
	sched_free(&s);
}

TEST(sched_failures_are_remembered_a_while)
{
	struct sched *s = fresh();
	int64_t now = START;

	add(s, 1, "a.example", 1);
	REQUIRE(pick(s, 1, now, 1) == 1);
	CHECK_INT(done(s, 1, 1, now, SCHED_DEST_DOWN), SCHED_TAKEN);
	CHECK_ERR(sched_remove(s, key(1)), E_OK);
	add(s, 2, "a.example", 1);
	CHECK_INT(pick(s, 1, now, 1), 0);
	CHECK_ERR(sched_remove(s, key(2)), E_OK);
	now += 15 * MIN_ + SCHED_FORGET_US;
	CHECK_INT(sched_next_us(s), now);
	sched_tick(s, now - 1);
	CHECK_INT(dest(s, "a.example").failures, 1);
	sched_tick(s, now);
	CHECK_INT(dest(s, "a.example").name.n, 0);
	CHECK_INT(sched_next_us(s), SCHED_NEVER);
	sched_free(&s);
}

/* A worker that is there for one destination: a hold is none for it, and it narrows no window. */
TEST(sched_pick_at_one_destination)
{
	struct sched *s = fresh();
	struct sched_item later = item(9, "held", 1);

	for (uint64_t i = 1; i <= 3; i++)
		add(s, i, "held", i);
	for (uint64_t i = 0; i < 100; i++)
		add(s, 100 + i, "free", 1);
	later.next_us = START + MIN_;
	CHECK_ERR(sched_add(s, &later, START), E_OK);
	CHECK_ERR(sched_hold_destination(s, SL("held"), SCHED_ON_HOLD, START), E_OK);
	CHECK_ERR(sched_pick_at(s, 7, SL("nobody"), START, ANY, got, &batch), E_NOT_FOUND);
	CHECK_ERR(sched_pick_at(s, SCHED_SELF, SL("held"), START, ANY, got, &batch), E_INVALID);
	/* One transaction a time. */
	CHECK_ERR(sched_pick_at(s, 7, SL("held"), START, ANY, got, &batch), E_OK);
	CHECK_INT(batch.n, 1);
	CHECK_SLICE(batch.destination, SL("held"));
	CHECK_INT(done(s, got[0].key.item, 7, START, SCHED_GONE), SCHED_TAKEN);
	CHECK_ERR(sched_pick_at(s, 7, SL("held"), START, ANY, got, &batch), E_OK);
	CHECK_INT(done(s, got[0].key.item, 7, START, SCHED_LATER), SCHED_TAKEN);
	CHECK_ERR(sched_pick_at(s, 7, SL("held"), START, ANY, got, &batch), E_OK);
	CHECK_INT(batch.n, 1);
	CHECK_ERR(sched_pick_at(s, 7, SL("held"), START, ANY, got, &batch), E_NOT_FOUND);
	/* The whole window is another worker's. */
	CHECK(pick(s, 1, START, ANY) > 0);
	CHECK_SLICE(batch.destination, SL("free"));
	CHECK_INT(batch.connections, SCHED_WINDOW_FIRST);
	CHECK_INT(pick(s, 2, START, ANY), 0);
	/* What it had comes back, held for others; and the rest when its time has come. */
	sched_worker_gone(s, 7, START);
	for (int i = 0; i < 3; i++)
		CHECK_ERR(sched_pick_at(s, 8, SL("held"), START + MIN_, ANY, got, &batch), E_OK);
	CHECK_ERR(sched_pick_at(s, 8, SL("held"), START + MIN_, ANY, got, &batch), E_NOT_FOUND);
	sched_free(&s);
}
