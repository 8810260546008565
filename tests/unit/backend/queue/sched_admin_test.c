/* The scheduler: pacing, holds, time limits, listings, and what all of it costs. */
#include <stdio.h>

#include "backend/queue/sched.h"
#include "tests/lib/check.h"

#define SEC    1000000LL
#define MIN_   (60 * SEC)
#define START  (1000000 * SEC)
#define ANY    1000
#define MANY   100000
#define MANIER 1000000

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
		.domain = sender / 10,
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

static size_t pick(struct sched *s, int64_t now, size_t max)
{
	enum err e = sched_pick(s, 1, now, max, got, &batch);

	CHECK(e == E_OK || e == E_NOT_FOUND);
	return e == E_OK ? batch.n : 0;
}

static enum sched_told gone(struct sched *s, uint64_t id, int64_t now)
{
	struct sched_result r = {.outcome = SCHED_GONE};

	return sched_done(s, key(id), 1, now, &r);
}

/* Sends all that goes now; how many. */
static size_t send_all(struct sched *s, int64_t now)
{
	size_t n = 0, more;

	while ((more = pick(s, now, ANY)) != 0) {
		n += more;
		for (size_t i = 0; i < more; i++)
			CHECK_INT(gone(s, got[i].key.item, now), SCHED_TAKEN);
	}
	return n;
}

static enum sched_state state(struct sched *s, uint64_t id, int64_t now)
{
	struct sched_info i = {0};

	CHECK_ERR(sched_get(s, key(id), now, &i), E_OK);
	return i.state;
}

/* ---- pacing ---- */

TEST(sched_paces_a_sender)
{
	struct sched *s = fresh();
	struct sched_limits l = {.sender = 60};
	struct sched_info i;

	sched_limits(s, &l, START);
	for (uint64_t id = 1; id <= 100; id++)
		add(s, id, id % 2 == 0 ? "a.example" : "b.example", 1);
	add(s, 200, "a.example", 2);
	/* Ten at once, and the other sender is not held up. */
	CHECK_INT(send_all(s, START), 11);
	CHECK_ERR(sched_get(s, key(100), START, &i), E_OK);
	CHECK_INT(i.state, SCHED_PACED);
	CHECK_INT(i.until_us, START + SEC);
	CHECK_INT(sched_next_us(s), START + SEC);
	CHECK_INT(send_all(s, START + SEC - 1), 0);
	CHECK_INT(send_all(s, START + SEC), 1);
	CHECK_INT(send_all(s, START + 3 * SEC), 2);
	CHECK_INT(send_all(s, START + MIN_), 10);
	/* A limit of its own, none, and none for all. */
	sched_limit_one(s, SCHED_BY_SENDER, 1, 600, START + MIN_);
	CHECK_INT(send_all(s, START + MIN_ + SEC), 10);
	sched_limit_one(s, SCHED_BY_SENDER, 1, 6, START + MIN_ + SEC);
	CHECK_INT(send_all(s, START + MIN_ + SEC), 0);
	sched_limit_one(s, SCHED_BY_SENDER, 1, SCHED_UNLIMITED, START + MIN_ + SEC);
	CHECK_INT(send_all(s, START + MIN_ + SEC), 100 - 33);
	sched_free(&s);
}

TEST(sched_paces_a_domain)
{
	struct sched *s = fresh();
	struct sched_limits l = {.domain = 60};

	sched_limits(s, &l, START);
	for (uint64_t id = 1; id <= 100; id++)
		add(s, id, "a.example", 10 + id % 10);
	CHECK_INT(send_all(s, START), 10);
	CHECK_INT(send_all(s, START + 2 * SEC), 2);
	CHECK_INT(state(s, 100, START + 2 * SEC), SCHED_PACED);
	l.domain = 0;
	sched_limits(s, &l, START + 2 * SEC);
	CHECK_INT(send_all(s, START + 2 * SEC), 88);
	sched_free(&s);
}

TEST(sched_paces_a_destination)
{
	struct sched *s = fresh();
	struct sched_limits l = {.destination = 60};

	sched_limits(s, &l, START);
	for (uint64_t id = 1; id <= 50; id++)
		add(s, id, "a.example", id);
	add(s, 100, "b.example", 1);
	CHECK_INT(send_all(s, START), 11);
	CHECK_INT(state(s, 50, START), SCHED_PACED);
	CHECK_INT(sched_next_us(s), START + SEC);
	CHECK_INT(send_all(s, START + SEC), 1);
	CHECK_ERR(sched_limit_destination(s, SL("a.example"), 0, 120, START + SEC), E_OK);
	CHECK_INT(sched_next_us(s), START + SEC + SEC / 2);
	CHECK_INT(send_all(s, START + SEC + SEC / 2), 1);
	CHECK_INT(send_all(s, START + 2 * SEC), 1);
	sched_free(&s);
}

/* A thousand of one sender at 60 a minute: never more, none lost, in time. */
TEST(sched_paced_mass_mail_is_not_lost)
{
	struct sched *s = fresh();
	struct sched_limits l = {.sender = 60};
	size_t totals[SCHED_STATES];
	int64_t now = START;
	size_t sent = 0;

	sched_limits(s, &l, START);
	for (uint64_t id = 1; id <= 1000; id++)
		add(s, id, id % 3 == 0 ? "a.example" : "b.example", 1);
	while (sched_count(s) != 0) {
		sent += send_all(s, now);
		/* The allowance of a sixth of a minute at first, then one a second. */
		CHECK(sent <= 10 + (size_t)((now - START) / SEC));
		CHECK_INT(sched_count(s), 1000 - sent);
		sched_totals(s, now, totals);
		CHECK_INT(totals[SCHED_PACED], 1000 - sent);
		if (sched_count(s) == 0)
			break;
		REQUIRE(sched_next_us(s) > now && sched_next_us(s) != SCHED_NEVER);
		now = sched_next_us(s);
	}
	CHECK_INT(sent, 1000);
	CHECK(now - START <= 1000 * SEC);
	CHECK(now - START >= 990 * SEC);
	sched_free(&s);
}

static void remembered(const struct sched_limits *l)
{
	struct sched *s = fresh();
	size_t empty = sched_memory(s);

	sched_limits(s, l, START);
	add(s, 1, "a.example", 10);
	CHECK_INT(send_all(s, START), 1);
	add(s, 2, "a.example", 10);
	CHECK_INT(send_all(s, START + 9 * SEC), 0);
	CHECK_INT(send_all(s, START + 10 * SEC), 1);
	CHECK_INT(sched_next_us(s), START + 20 * SEC);
	sched_tick(s, START + 20 * SEC);
	/* Then nothing is left of it, but the worker and tables of the least size. */
	CHECK_INT(sched_next_us(s), SCHED_NEVER);
	CHECK(sched_memory(s) - empty < 6 * 16 * sizeof(void *) + 200);
	/* A clock that is set back stops nobody for longer. */
	add(s, 3, "a.example", 10);
	add(s, 4, "a.example", 10);
	CHECK_INT(send_all(s, START + MIN_), 1);
	CHECK_INT(send_all(s, START + 20 * SEC), 0);
	CHECK_INT(send_all(s, START + 30 * SEC), 1);
	sched_free(&s);
}

TEST(sched_pace_is_remembered_without_items)
{
	struct sched_limits l[] = {{.sender = 6}, {.domain = 6}, {.destination = 6}, {6, 6, 6}};

	for (size_t i = 0; i < ARRAY_LEN(l); i++)
		remembered(&l[i]);
}

/* Who was roused, and came too late, is the next all the same. */
TEST(sched_sleepers_keep_their_place)
{
	struct sched *s = fresh();
	struct sched_limits l = {.sender = 6};

	sched_limits(s, &l, START);
	add(s, 1, "a.example", 1);
	CHECK_INT(send_all(s, START), 1);
	add(s, 2, "a.example", 1);
	add(s, 3, "b.example", 1);
	CHECK_INT(send_all(s, START), 0);
	CHECK_ERR(sched_hold_destination(s, SL("a.example"), SCHED_ON_HOLD, START), E_OK);
	sched_tick(s, START + 10 * SEC); /* rouses 2 */
	add(s, 4, "c.example", 1);
	CHECK_INT(send_all(s, START + 10 * SEC), 1);
	CHECK_ERR(sched_get(s, key(4), START, &(struct sched_info){0}), E_NOT_FOUND);
	CHECK_ERR(sched_hold_destination(s, SL("a.example"), SCHED_FREE, START + 10 * SEC), E_OK);
	CHECK_INT(send_all(s, START + 10 * SEC), 0);
	CHECK_INT(send_all(s, START + 20 * SEC), 1);
	CHECK_ERR(sched_get(s, key(2), START, &(struct sched_info){0}), E_NOT_FOUND);
	CHECK_INT(send_all(s, START + 30 * SEC), 1);
	sched_free(&s);
}

/* ---- the administrator ---- */

TEST(sched_holds)
{
	struct sched *s = fresh();
	struct sched_item i = item(1, "a.example", 1);

	i.hold = SCHED_ON_HOLD;
	CHECK_ERR(sched_add(s, &i, START), E_OK);
	add(s, 2, "b.example", 2);
	add(s, 3, "c.example", 3);
	sched_hold_sender(s, 2, SCHED_ON_HOLD, START);
	CHECK_ERR(sched_hold_destination(s, SL("c.example"), SCHED_ON_HOLD, START), E_OK);
	CHECK_ERR(sched_hold_destination(s, SLICE_NONE, SCHED_ON_HOLD, START), E_INVALID);
	CHECK_INT(state(s, 1, START), SCHED_HELD);
	CHECK_INT(state(s, 2, START), SCHED_HELD_SENDER);
	CHECK_INT(state(s, 3, START), SCHED_HELD_DEST);
	CHECK_INT(pick(s, START, ANY), 0);
	CHECK_ERR(sched_hold_item(s, key(1), SCHED_FREE, START), E_OK);
	CHECK_INT(send_all(s, START), 1);
	sched_hold_sender(s, 2, SCHED_FREE, START);
	CHECK_INT(send_all(s, START), 1);
	CHECK_ERR(sched_hold_destination(s, SL("c.example"), SCHED_FREE, START), E_OK);
	REQUIRE(pick(s, START, ANY) == 1);
	/* Held on its way: when it comes back. */
	CHECK_ERR(sched_hold_item(s, key(3), SCHED_ON_HOLD, START), E_OK);
	CHECK_INT(state(s, 3, START), SCHED_LEASED);
	sched_worker_gone(s, 1, START);
	CHECK_INT(state(s, 3, START), SCHED_HELD);
	CHECK_ERR(sched_hold_item(s, key(9), SCHED_FREE, START), E_NOT_FOUND);
	sched_free(&s);
}

TEST(sched_retry_and_reroute)
{
	struct sched *s = fresh();
	struct sched_result down = {.outcome = SCHED_DEST_DOWN};
	struct sched_item i = item(2, "a.example", 1);

	add(s, 1, "a.example", 1);
	i.next_us = START + MIN_;
	CHECK_ERR(sched_add(s, &i, START), E_OK);
	REQUIRE(pick(s, START, 1) == 1);
	CHECK_ERR(sched_retry(s, key(1), START), E_BUSY);
	CHECK_ERR(sched_reroute(s, key(1), SL("b.example"), START), E_BUSY);
	CHECK_INT(sched_done(s, key(1), 1, START, &down), SCHED_TAKEN);
	CHECK_ERR(sched_reroute(s, key(1), SL("b.example"), START), E_OK);
	CHECK_ERR(sched_reroute(s, key(1), SL("b.example"), START), E_OK);
	CHECK_ERR(sched_reroute(s, key(1), SLICE_NONE, START), E_INVALID);
	CHECK_ERR(sched_reroute(s, key(9), SL("b.example"), START), E_NOT_FOUND);
	REQUIRE(pick(s, START, ANY) == 1);
	CHECK_SLICE(batch.destination, SL("b.example"));
	CHECK_INT(gone(s, 1, START), SCHED_TAKEN);
	CHECK_INT(pick(s, START, ANY), 0);
	CHECK_ERR(sched_retry(s, key(2), START + 1), E_OK);
	CHECK_ERR(sched_retry(s, key(9), START + 1), E_NOT_FOUND);
	CHECK_INT(state(s, 2, START + 1), SCHED_DOWN);
	CHECK_INT(pick(s, START + 1, ANY), 1);
	sched_free(&s);
}

/* ---- time limits ---- */

/* What is claimed is nobody else's until its end, wherever it was before. */
TEST(sched_claims)
{
	static const struct sched_result back = {.outcome = SCHED_BACK};
	struct sched *s = fresh();
	struct sched_item later = item(3, "a.example", 1);

	add(s, 1, "a.example", 1);
	add(s, 2, "a.example", 1);
	later.next_us = START + MIN_;
	CHECK_ERR(sched_add(s, &later, START), E_OK);
	CHECK_ERR(sched_hold_item(s, key(2), SCHED_ON_HOLD, START), E_OK);
	CHECK_ERR(sched_claim(s, key(4), START), E_NOT_FOUND);
	for (uint64_t id = 1; id <= 3; id++) {
		CHECK_ERR(sched_claim(s, key(id), START), E_OK);
		CHECK_ERR(sched_claim(s, key(id), START), E_BUSY);
		CHECK_INT(state(s, id, START), SCHED_EXPIRED);
	}
	CHECK_INT(pick(s, START + 2 * MIN_, ANY), 0);
	for (uint64_t id = 1; id <= 3; id++)
		CHECK_INT(sched_done(s, key(id), SCHED_SELF, START, &back), SCHED_TAKEN);
	CHECK_INT(state(s, 1, START), SCHED_READY);
	CHECK_INT(state(s, 2, START), SCHED_HELD);
	CHECK_INT(state(s, 3, START), SCHED_WAITING);
	CHECK_INT(pick(s, START, ANY), 1);
	CHECK_ERR(sched_claim(s, key(1), START), E_BUSY);
	/* Forgotten in the middle. */
	CHECK_ERR(sched_claim(s, key(2), START), E_OK);
	CHECK_ERR(sched_remove(s, key(2)), E_OK);
	CHECK_INT(sched_done(s, key(2), SCHED_SELF, START, &back), SCHED_UNKNOWN);
	sched_free(&s);
}

TEST(sched_tells_of_one_destination)
{
	struct sched *s = fresh();
	struct sched_destination d;

	CHECK_ERR(sched_destination_get(s, SL("a.example"), &d), E_NOT_FOUND);
	add(s, 1, "a.example", 1);
	add(s, 2, "a.example", 2);
	CHECK_INT(pick(s, START, 1), 1);
	CHECK_ERR(sched_destination_get(s, SL("a.example"), &d), E_OK);
	CHECK_SLICE(d.name, SL("a.example"));
	CHECK_INT(d.ready, 1);
	CHECK_INT(d.leased, 1);
	CHECK_INT(d.connections, 1);
	CHECK_INT(d.window, SCHED_WINDOW_FIRST);
	sched_free(&s);
}

TEST(sched_expires)
{
	struct sched *s = fresh();
	struct sched_result down = {.outcome = SCHED_DEST_DOWN}, back = {.outcome = SCHED_BACK};
	struct sched_key out[10];

	for (uint64_t id = 1; id <= 5; id++) {
		struct sched_item i = item(id, "a.example", 1);

		i.expire_us = START + (int64_t)(10 - id) * SEC;
		i.hold = id == 4 ? SCHED_ON_HOLD : SCHED_FREE;
		CHECK_ERR(sched_add(s, &i, START), E_OK);
	}
	REQUIRE(pick(s, START, 2) == 2);
	CHECK_INT(sched_done(s, key(1), 1, START, &down), SCHED_TAKEN);
	/* 2 is leased, 4 is held; the destination is down. */
	CHECK_INT(sched_next_us(s), START + 5 * SEC);
	CHECK_INT(sched_expired(s, START + 5 * SEC - 1, out, 10), 0);
	CHECK_INT(sched_expired(s, START + MIN_, out, 1), 1);
	CHECK_INT(out[0].item, 5);
	CHECK_INT(state(s, 5, START + MIN_), SCHED_EXPIRED);
	CHECK_INT(sched_expired(s, START + MIN_, out, 10), 2);
	CHECK_INT(out[0].item, 3);
	CHECK_INT(out[1].item, 1);
	CHECK_INT(sched_expired(s, START + MIN_, out, 10), 0);
	/* One is given back, one forgotten; the leased one comes back. */
	CHECK_INT(sched_done(s, key(5), SCHED_SELF, START + MIN_, &back), SCHED_TAKEN);
	CHECK_INT(sched_expired(s, START + MIN_, out, 10), 1);
	CHECK_INT(out[0].item, 5);
	CHECK_ERR(sched_remove(s, key(5)), E_OK);
	CHECK_INT(sched_tick(s, START + MIN_ + SCHED_LEASE_US), 3);
	CHECK_INT(sched_expired(s, START + MIN_ + SCHED_LEASE_US, out, 10), 3);
	CHECK_INT(out[0].item, 3);
	CHECK_INT(out[1].item, 2);
	CHECK_INT(out[2].item, 1);
	sched_free(&s);
}

TEST(sched_delayed_once)
{
	struct sched *s = fresh();
	struct sched_key out[10];

	for (uint64_t id = 1; id <= 4; id++) {
		struct sched_item i = item(id, "a.example", 1);

		i.warn_us = id == 1 ? 0 : START + (int64_t)(10 - id) * SEC;
		CHECK_ERR(sched_add(s, &i, START), E_OK);
	}
	REQUIRE(pick(s, START, 2) == 2);
	CHECK_INT(sched_next_us(s), START + 6 * SEC);
	CHECK_INT(sched_delayed(s, START + 6 * SEC, out, 10), 1);
	CHECK_INT(out[0].item, 4);
	CHECK_INT(sched_delayed(s, START + MIN_, out, 10), 1);
	CHECK_INT(out[0].item, 3);
	sched_worker_gone(s, 1, START + MIN_);
	CHECK_INT(sched_delayed(s, START + MIN_, out, 10), 1);
	CHECK_INT(out[0].item, 2);
	CHECK_INT(sched_delayed(s, START + MIN_, out, 10), 0);
	CHECK_INT(state(s, 2, START + MIN_), SCHED_READY);
	sched_free(&s);
}

/* ---- listings ---- */

TEST(sched_lists_all_and_some)
{
	struct sched *s = fresh();
	static struct sched_info page[SCHED_PAGE_LEAST];
	static bool seen[1001];
	struct sched_filter all = {0}, some = {.destination = SL("d3.example")};
	uint64_t cursor = 0, sender = 4, extra = 5000;
	size_t n = 0;

	memset(seen, 0, sizeof seen);
	for (uint64_t id = 1; id <= 1000; id++) {
		char name[32];

		snprintf(name, sizeof name, "d%d.example", (int)(id % 10));
		add(s, id, name, id % 7);
	}
	/* The table doubles meanwhile; nothing is passed over. */
	do {
		size_t got_n = sched_each(s, &all, START, &cursor, page, ARRAY_LEN(page));

		for (size_t i = 0; i < got_n; i++)
			if (page[i].item.key.item <= 1000)
				seen[page[i].item.key.item] = true;
		for (unsigned i = 0; i < 100; i++)
			add(s, ++extra, "extra.example", 1);
	} while (cursor != 0);
	for (uint64_t id = 1; id <= 1000; id++)
		n += seen[id];
	CHECK_INT(n, 1000);
	some.sender = &sender;
	n = 0;
	do {
		size_t got_n = sched_each(s, &some, START, &cursor, page, ARRAY_LEN(page));

		for (size_t i = 0; i < got_n; i++, n++) {
			CHECK_SLICE(page[i].item.destination, some.destination);
			CHECK_INT(page[i].item.sender, 4);
		}
	} while (cursor != 0);
	CHECK_INT(n, 14); /* of 1 to 1,000 those that are 53 modulo 70 */
	some.states = 1U << SCHED_LEASED;
	do
		CHECK_INT(sched_each(s, &some, START, &cursor, page, ARRAY_LEN(page)), 0);
	while (cursor != 0);
	CHECK_STR(sched_state_name(SCHED_DOWN), "down");
	sched_free(&s);
}

/* ---- what it costs ---- */

/* As a busy day: 20,000 senders, 2,000 destinations, all items with both alarms. */
static void load(struct sched *s, uint64_t n)
{
	for (uint64_t id = 1; id <= n; id++) {
		char name[32];
		struct sched_item i;

		snprintf(name, sizeof name, "d%d.example", (int)(id % 2000));
		i = item(id, name, id % 20000);
		i.expire_us = START + 5LL * 24 * 60 * MIN_ + (int64_t)(id * 7919 % n);
		i.warn_us = START + 4 * 60 * MIN_ + (int64_t)(id * 104729 % n);
		i.next_us = START - (int64_t)(id * 1299709 % n);
		REQUIRE(sched_add(s, &i, START) == E_OK);
	}
}

TEST(sched_memory_of_an_item)
{
	struct sched *s = fresh();
	size_t empty = sched_memory(s);

	load(s, MANY);
	CHECK(sched_memory(s) < 24U << 20);
	/* One lane: what an item itself takes, with all indexes. */
	sched_free(&s);
	s = fresh();
	for (uint64_t id = 1; id <= MANY; id++) {
		struct sched_item i = item(id, "a.example", 1);

		i.expire_us = i.warn_us = START + (int64_t)id;
		REQUIRE(sched_add(s, &i, START) == E_OK);
	}
	CHECK((sched_memory(s) - empty) / MANY < 200);
	for (uint64_t id = 1; id <= MANY; id++)
		CHECK_ERR(sched_remove(s, key(id)), E_OK);
	/* And it all comes back. */
	CHECK(sched_memory(s) - empty < 6 * 16 * sizeof(void *) + 200);
	sched_free(&s);
}

/* The steps of an operation, of a million as of a thousand: they grow by the logarithm. */
static uint64_t steps_of_all(uint64_t n)
{
	struct sched *s = fresh();
	uint64_t steps;
	size_t sent = 0;

	load(s, n);
	while (sent < n) {
		size_t more = pick(s, START, 100);

		if (more == 0)
			break;
		for (size_t i = 0; i < more; i++)
			(void)gone(s, got[i].key.item, START);
		sent += more;
	}
	CHECK_INT(sent, n);
	CHECK_INT(sched_count(s), 0);
	steps = sched_steps(s) / n;
	sched_free(&s);
	return steps;
}

TEST(sched_cost_is_logarithmic)
{
	uint64_t few = steps_of_all(10000), many;

	check_seconds(120);
	many = steps_of_all(MANIER);
	check_note("%llu steps an item of 10,000, %llu of 1,000,000", (unsigned long long)few,
		   (unsigned long long)many);
	CHECK(many < 50);
	/* log4 of the one is 6.6, of the other 10. */
	CHECK(many < 2 * few);
}

/* Lanes that wait for their pace are not looked at: 5,000 of them, and one that goes. */
TEST(sched_sleepers_cost_nothing)
{
	struct sched *s = fresh();
	uint64_t before;

	for (uint64_t sender = 10; sender < 5010; sender++) {
		sched_limit_one(s, SCHED_BY_SENDER, sender, 1, START);
		add(s, 2 * sender, "a.example", sender);
		add(s, 2 * sender + 1, "a.example", sender);
	}
	CHECK_INT(send_all(s, START), 5000);
	CHECK_INT(pick(s, START, ANY), 0);
	for (uint64_t id = 1; id <= 10; id++)
		add(s, id, "a.example", 1);
	before = sched_steps(s);
	CHECK_INT(send_all(s, START), 10);
	CHECK(sched_steps(s) - before < 200);
	/* One sender with 5,000 destinations: each message wakes one lane, not all. */
	sched_free(&s);
	s = fresh();
	sched_limit_one(s, SCHED_BY_SENDER, 1, 60, START);
	for (uint64_t id = 1; id <= 5000; id++) {
		char name[32];

		snprintf(name, sizeof name, "d%d.example", (int)id);
		add(s, id, name, 1);
	}
	CHECK_INT(send_all(s, START), 10);
	before = sched_steps(s);
	CHECK_INT(send_all(s, START + SEC), 1);
	CHECK(sched_steps(s) - before < 200);
	CHECK_INT(send_all(s, START + 11 * SEC), 10);
	sched_free(&s);
}
