#include "common/crypto/secret.h"

#include "common/base/asan.h"
#include "common/base/clock.h"
#include "common/crypto/random.h"
#include "tests/lib/check.h"

TEST(secret_holds_and_clears)
{
	static char big[SECRET_MAX + 1];
	struct secret s = SECRET_NONE;

	CHECK(secret_set(&s, SL("open sesame")));
	CHECK_SLICE(secret_slice(&s), SL("open sesame"));
	CHECK(secret_set(&s, slice_from(secret_slice(&s), 5)));
	CHECK_SLICE(secret_slice(&s), SL("sesame"));
	CHECK(secret_set(&s, slice(big, SECRET_MAX)));
	CHECK_INT(s.n, SECRET_MAX);
	CHECK(!secret_set(&s, slice(big, SECRET_MAX + 1)));
	CHECK(s.p == NULL && s.n == 0);
	CHECK(secret_set(&s, SLICE_NONE));
	CHECK(s.p == NULL);
	secret_clear(&s);
	secret_clear(&s);
}

TEST(secret_wipes_a_buffer)
{
	struct buf b;

	buf_init(&b, 1024, NULL);
	buf_puts(&b, "password");
	secret_wipe_buf(&b);
	CHECK_INT(b.n, 0);
	for (size_t i = 0; !ASAN_BUILD && i < b.cap && i < 8; i++) /* where it may be looked at */
		CHECK_INT(b.p[i], 0);
	buf_fini(&b);
	secret_wipe_buf(&b);
}

TEST(secret_compares)
{
	CHECK(secret_eq(SL("a"), SL("a")));
	CHECK(secret_eq(SLICE_NONE, SL("")));
	CHECK(!secret_eq(SL("a"), SL("b")));
	CHECK(!secret_eq(SL("a"), SL("ab")));
	CHECK(!secret_eq(SL("abc"), SL("abd")));
}

TEST(random_spreads)
{
	unsigned seen[7] = {0};
	uint8_t a[32] = {0}, b[32] = {0};

	random_bytes(a, sizeof a);
	random_bytes(b, sizeof b);
	CHECK(memcmp(a, b, sizeof a) != 0);
	CHECK(random_u64() != random_u64());
	for (int i = 0; i < 7000; i++) {
		uint32_t v = random_below(7);

		REQUIRE(v < 7);
		seen[v]++;
	}
	/* 1000 each, standard deviation 29: 300 off happens never. */
	for (int i = 0; i < 7; i++)
		CHECK(seen[i] > 700 && seen[i] < 1300);
	CHECK_INT(random_below(1), 0);
	CHECK_DIES(random_below(0));
}

static int64_t a_minute_later(void)
{
	return INT64_C(0x018f0a1b2c3d) * 1000 + 60000999;
}

static int64_t some_time(void)
{
	return INT64_C(0x018f0a1b2c3d) * 1000;
}

TEST(random_uuid7_sorts_by_time)
{
	static const uint8_t time[] = {0x01, 0x8f, 0x0a, 0x1b, 0x2c, 0x3d};
	uint8_t a[UUID_BYTES], b[UUID_BYTES], later[UUID_BYTES];

	clock_replace(some_time, NULL);
	random_uuid7(a);
	random_uuid7(b);
	clock_replace(a_minute_later, NULL);
	random_uuid7(later);
	clock_replace(NULL, NULL);
	CHECK(memcmp(a, time, sizeof time) == 0);
	CHECK(a[6] >> 4 == 7 && a[8] >> 6 == 2);
	CHECK(memcmp(a, b, sizeof a) != 0);
	CHECK(memcmp(later, a, sizeof a) > 0 && memcmp(later, b, sizeof b) > 0);
}

static void fill_sevens(void *p, size_t n)
{
	memset(p, 7, n);
}

TEST(random_is_replaceable)
{
	uint8_t a[3] = {0};

	random_replace(fill_sevens);
	random_bytes(a, sizeof a);
	random_replace(NULL);
	CHECK_SLICE(slice(a, 3), SL("\a\a\a"));
}
