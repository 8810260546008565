/* What accounts submit: limits, bursts, what is usual, and bytes. The time is the tests' own. */
#include "backend/policy/rates.h"

#include "common/base/buf.h"
#include "tests/lib/check.h"

#define SECOND 1000000LL
#define HOUR   (3600 * SECOND)
#define T0     (1800000000LL * SECOND)

static const uint32_t no_limits[DIR_SENDS];

static uint64_t addresses[4096];

/* A message to n addresses elsewhere, from number `from` on. */
static struct rates_mail mail(uint64_t txid, uint32_t from, uint32_t n)
{
	for (uint32_t i = 0; i < ARRAY_LEN(addresses); i++)
		addresses[i] = i;
	return (struct rates_mail){
		.txid = txid, .recipients = n, .outside = addresses + from, .noutside = n};
}

static enum rates_taken take(struct rates_account *a, const uint32_t *limits, uint64_t txid,
			     uint32_t n, int64_t now, enum dir_send *which, int64_t *again)
{
	struct rates_mail m = mail(txid, 0, n);

	return rates_take(a, limits, &m, now, which, again);
}

TEST(rates_limits)
{
	static const struct {
		enum dir_send which;
		int64_t span;
		uint32_t rcpts;
	} cases[] = {
		{DIR_SEND_MESSAGES_MINUTE, 60 * SECOND, 1}, {DIR_SEND_MESSAGES_HOUR, HOUR, 1},
		{DIR_SEND_MESSAGES_DAY, 24 * HOUR, 1},      {DIR_SEND_RECIPIENTS_HOUR, HOUR, 2},
		{DIR_SEND_RECIPIENTS_DAY, 24 * HOUR, 2},
	};

	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct rates *r = rates_new();
		struct rates_account *a = rates_make(r, 7);
		uint32_t limits[DIR_SENDS] = {0};
		enum dir_send which = DIR_SENDS;
		int64_t again = 0;

		limits[cases[i].which] = 10;
		for (uint64_t n = 1; n <= 10 / cases[i].rcpts; n++)
			CHECK_INT(take(a, limits, n, cases[i].rcpts, T0, &which, &again),
				  RATES_COUNTED);
		CHECK_INT(rates_look(a, limits, T0, &which, &again), RATES_OVER);
		CHECK_INT(take(a, limits, 99, 1, T0 + SECOND, &which, &again), RATES_OVER);
		CHECK_INT(which, cases[i].which);
		CHECK(again >= T0 + cases[i].span);
		CHECK(again <= T0 + cases[i].span + cases[i].span / 6);
		CHECK_INT(take(a, limits, 99, 1, again - 1, &which, &again), RATES_OVER);
		CHECK_INT(take(a, limits, 99, 1, again, &which, &again), RATES_COUNTED);
		/* Another account has its own. */
		CHECK_INT(take(rates_make(r, 8), limits, 99, 1, T0, &which, &again), RATES_COUNTED);
		rates_free(&r);
	}
}

TEST(rates_says_the_latest_of_several)
{
	struct rates *r = rates_new();
	struct rates_account *a = rates_make(r, 7);
	uint32_t limits[DIR_SENDS] = {[DIR_SEND_MESSAGES_MINUTE] = 1, [DIR_SEND_MESSAGES_DAY] = 1};
	enum dir_send which = DIR_SENDS;
	int64_t again = 0;

	CHECK_INT(take(a, limits, 1, 1, T0, &which, &again), RATES_COUNTED);
	CHECK_INT(take(a, limits, 2, 1, T0, &which, &again), RATES_OVER);
	CHECK_INT(which, DIR_SEND_MESSAGES_DAY);
	/* A message that no hour has room for. */
	limits[DIR_SEND_RECIPIENTS_HOUR] = 5;
	CHECK_INT(take(a, limits, 2, 6, T0 + 100 * HOUR, &which, &again), RATES_OVER);
	CHECK_INT(which, DIR_SEND_RECIPIENTS_HOUR);
	CHECK(again == INT64_MAX);
	rates_free(&r);
}

TEST(rates_counts_a_repeated_commit_once)
{
	struct rates *r = rates_new();
	struct rates_account *a = rates_make(r, 7);
	uint32_t limits[DIR_SENDS] = {[DIR_SEND_MESSAGES_HOUR] = 2};
	struct rates_mail m = mail(5, 0, 1);
	enum dir_send which;
	int64_t again;

	CHECK_INT(rates_take(a, limits, &m, T0, &which, &again), RATES_COUNTED);
	CHECK_INT(rates_take(a, limits, &m, T0, &which, &again), RATES_AGAIN);
	CHECK_INT(take(a, limits, 6, 1, T0, &which, &again), RATES_COUNTED);
	CHECK_INT(take(a, limits, 7, 1, T0, &which, &again), RATES_OVER);
	/* Even now: what was taken once is done. */
	CHECK_INT(rates_take(a, limits, &m, T0, &which, &again), RATES_AGAIN);
	rates_give_back(a, &m, T0);
	CHECK_INT(rates_take(a, limits, &m, T0, &which, &again), RATES_COUNTED);
	rates_free(&r);
}

TEST(rates_alarm_of_many)
{
	static const struct rates_burst b = {.outside = 200};
	struct rates *r = rates_new();
	struct rates_account *a = rates_make(r, 7);
	struct rates_mail local = {.txid = 1000000, .recipients = 1000};
	struct rates_seen seen;
	enum dir_send which;
	int64_t again;

	CHECK_INT(rates_take(a, no_limits, &local, T0, &which, &again), RATES_COUNTED);
	for (uint64_t n = 1; n < 200; n++) {
		CHECK_INT(take(a, no_limits, n, 1, T0 + (int64_t)n * SECOND, &which, &again),
			  RATES_COUNTED);
		CHECK_INT(rates_alarm(a, &b, T0 + (int64_t)n * SECOND, &seen), RATES_CALM);
	}
	CHECK_INT(take(a, no_limits, 200, 1, T0 + 200 * SECOND, &which, &again), RATES_COUNTED);
	CHECK_INT(rates_alarm(a, &b, T0 + 200 * SECOND, &seen), RATES_MANY);
	CHECK_INT(seen.count, 200);
	CHECK_INT(rates_alarm(a, &b, T0 + HOUR, &seen), RATES_CALM);
	rates_forgive(a);
	CHECK_INT(rates_alarm(a, &b, T0 + 200 * SECOND, &seen), RATES_CALM);
	rates_free(&r);
}

TEST(rates_alarm_of_refusals)
{
	static const struct rates_burst b = {.failed_percent = 30};
	struct rates *r = rates_new();
	struct rates_account *a = rates_make(r, 7);
	struct rates_seen seen;

	rates_tried(a, T0, RATES_TRIES_LEAST - 1, RATES_TRIES_LEAST - 1);
	CHECK_INT(rates_alarm(a, &b, T0, &seen), RATES_CALM);
	rates_tried(a, T0, 1, 0);
	CHECK_INT(rates_alarm(a, &b, T0, &seen), RATES_REFUSED);
	CHECK_INT(seen.count, 19);
	CHECK_INT(seen.of, 20);
	rates_forgive(a);
	/* 30 of 100 is no more than 30 %. */
	rates_tried(a, T0, 100, 30);
	CHECK_INT(rates_alarm(a, &b, T0, &seen), RATES_CALM);
	rates_tried(a, T0, 1, 1);
	CHECK_INT(rates_alarm(a, &b, T0, &seen), RATES_REFUSED);
	rates_free(&r);
}

/* So many hours of n recipients each, one hour in `every`. */
static int64_t habit(struct rates_account *a, unsigned hours, unsigned every, uint32_t n,
		     int64_t now)
{
	static uint64_t txid = 1;
	enum dir_send which;
	int64_t again;

	for (unsigned i = 0; i < hours; i++, now += every * HOUR)
		CHECK_INT(take(a, no_limits, ++txid, n, now, &which, &again), RATES_COUNTED);
	return now;
}

TEST(rates_alarm_of_what_is_unusual)
{
	static const struct rates_burst b = {.factor = 10, .factor_least = 100};
	struct rates *r = rates_new();
	struct rates_account *a = rates_make(r, 7);
	struct rates_seen seen;
	int64_t now;

	/* Too young to have a habit. */
	now = habit(a, 30, 1, 20, T0);
	(void)habit(a, 1, 1, 400, now);
	CHECK_INT(rates_alarm(a, &b, now, &seen), RATES_CALM);
	/* A month of 20 an hour, some hours a day. */
	a = rates_make(r, 8);
	now = habit(a, 120, 6, 20, T0);
	(void)habit(a, 1, 1, 150, now);
	CHECK_INT(rates_alarm(a, &b, now, &seen), RATES_CALM);
	(void)habit(a, 1, 1, 220, now);
	CHECK_INT(rates_alarm(a, &b, now, &seen), RATES_UNUSUAL);
	CHECK_INT(seen.count, 220);
	CHECK_INT(seen.of, 20);
	/* The same addresses again and again are not many. */
	now = habit(a, 1, 1, 20, now + HOUR);
	for (unsigned i = 0; i < 50; i++)
		(void)habit(a, 1, 1, 30, now);
	CHECK_INT(rates_alarm(a, &b, now, &seen), RATES_CALM);
	/* Ten times of next to nothing is still nothing. */
	a = rates_make(r, 9);
	now = habit(a, 120, 6, 1, T0);
	(void)habit(a, 1, 1, 90, now);
	CHECK_INT(rates_alarm(a, &b, now, &seen), RATES_CALM);
	(void)habit(a, 1, 1, 110, now);
	CHECK_INT(rates_alarm(a, &b, now, &seen), RATES_UNUSUAL);
	rates_free(&r);
}

TEST(rates_remembers_the_most_recent_ones)
{
	struct rates *r = rates_new();
	struct buf b;
	uint64_t id;

	buf_init(&b, RATES_PACKED_MAX, NULL);
	for (uint64_t i = 1; i <= RATES_ACCOUNTS; i++)
		(void)rates_make(r, i);
	(void)rates_make(r, 1);
	(void)rates_make(r, RATES_ACCOUNTS + 1);
	CHECK_INT(rates_count(r), RATES_ACCOUNTS);
	CHECK(rates_find(r, 1) != NULL);
	CHECK(rates_find(r, 2) == NULL);
	/* One that has changed stays until it is packed. */
	rates_tried(rates_find(r, 3), T0, 1, 0);
	(void)rates_make(r, RATES_ACCOUNTS + 2);
	CHECK_INT(rates_count(r), RATES_ACCOUNTS + 1);
	CHECK(rates_find(r, 3) != NULL);
	CHECK(rates_pack_next(r, &id, &b));
	CHECK_INT(id, 3);
	CHECK(!rates_pack_next(r, &id, &b));
	(void)rates_make(r, RATES_ACCOUNTS + 3);
	CHECK_INT(rates_count(r), RATES_ACCOUNTS);
	CHECK(rates_find(r, 3) == NULL);
	buf_fini(&b);
	rates_free(&r);
}

TEST(rates_packed_and_unpacked)
{
	struct rates *r = rates_new(), *other = rates_new();
	struct rates_account *a = rates_make(r, 7), *copy = rates_make(other, 7);
	uint32_t limits[DIR_SENDS] = {[DIR_SEND_MESSAGES_DAY] = 121};
	struct rates_burst b = {.factor = 10, .factor_least = 100, .outside = 400};
	struct rates_seen seen;
	enum dir_send which;
	struct buf packed;
	int64_t now, again;
	uint64_t id;

	buf_init(&packed, RATES_PACKED_MAX, NULL);
	now = habit(a, 120, 6, 20, T0);
	(void)habit(a, 110, 0, 20, now);
	CHECK(rates_pack_next(r, &id, &packed));
	/* Anything else is refused, and leaves nothing behind. */
	for (size_t n = 0; n < packed.n; n += 7)
		CHECK(!rates_unpack(copy, slice(packed.p, n)));
	packed.p[0]++;
	CHECK(!rates_unpack(copy, buf_slice(&packed)));
	packed.p[0]--;
	CHECK_INT(rates_look(copy, limits, now, &which, &again), RATES_COUNTED);
	CHECK(rates_unpack(copy, buf_slice(&packed)));
	for (size_t i = 0; i < 2; i++) {
		struct rates_account *x = i == 0 ? a : copy;

		CHECK_INT(rates_alarm(x, &b, now, &seen), RATES_MANY);
		limits[DIR_SEND_MESSAGES_DAY] = 114;
		CHECK_INT(rates_look(x, limits, now, &which, &again), RATES_OVER);
		limits[DIR_SEND_MESSAGES_DAY] = 115;
		CHECK_INT(rates_look(x, limits, now, &which, &again), RATES_COUNTED);
	}
	rates_forgive(copy);
	(void)habit(copy, 1, 0, 220, now);
	b.outside = 0;
	CHECK_INT(rates_alarm(copy, &b, now, &seen), RATES_UNUSUAL);
	buf_fini(&packed);
	rates_free(&r);
	rates_free(&other);
}
