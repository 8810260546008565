#include "common/base/num.h"

#include "common/base/civil.h"
#include "common/base/clock.h"
#include "tests/lib/check.h"

TEST(num_checked)
{
	size_t v = 7;
	uint64_t u = 7;

	CHECK(num_add(1, 2, &v) && v == 3);
	CHECK(!num_add(SIZE_MAX, 1, &v));
	CHECK(num_mul(3, 4, &v) && v == 12);
	CHECK(!num_mul(SIZE_MAX / 2, 3, &v));
	CHECK(num_add_u64(UINT64_MAX - 1, 1, &u) && u == UINT64_MAX);
	CHECK(!num_add_u64(UINT64_MAX, 1, &u));
}

TEST(num_decimal)
{
	static const char *const bad[] = {"",
					  "-1",
					  "+1",
					  " 1",
					  "1 ",
					  "0x1",
					  "1.0",
					  "a",
					  "18446744073709551616",
					  "99999999999999999999999"};
	uint64_t v = 99;

	CHECK(num_parse(SL("0"), 0, &v) && v == 0);
	CHECK(num_parse(SL("007"), 10, &v) && v == 7);
	CHECK(num_parse(SL("18446744073709551615"), UINT64_MAX, &v) && v == UINT64_MAX);
	CHECK(num_parse(SL("10"), 10, &v) && v == 10);
	CHECK(!num_parse(SL("11"), 10, &v));
	for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
		check_note("%s", bad[i]);
		CHECK(!num_parse(slice_str(bad[i]), UINT64_MAX, &v));
	}
	CHECK_INT(v, 10);
}

TEST(num_units)
{
	uint64_t v = 0;

	CHECK(num_parse_bytes(SL("12"), &v) && v == 12);
	CHECK(num_parse_bytes(SL("2k"), &v) && v == 2048);
	CHECK(num_parse_bytes(SL("3M"), &v) && v == 3u << 20);
	CHECK(num_parse_bytes(SL("1g"), &v) && v == 1u << 30);
	CHECK(!num_parse_bytes(SL("17179869184g"), &v));
	CHECK(!num_parse_bytes(SL("k"), &v));
	CHECK(!num_parse_bytes(SL("1 k"), &v));
	CHECK(!num_parse_bytes(SL("1kb"), &v));
	CHECK(num_parse_ms(SL("5"), &v) && v == 5000);
	CHECK(num_parse_ms(SL("5ms"), &v) && v == 5);
	CHECK(num_parse_ms(SL("2m"), &v) && v == 120000);
	CHECK(num_parse_ms(SL("1h"), &v) && v == 3600000);
	CHECK(num_parse_ms(SL("1d"), &v) && v == 86400000);
	CHECK(!num_parse_ms(SL("1w"), &v));
	CHECK(!num_parse_ms(SL("18446744073709551615d"), &v));
}

TEST(num_big_endian)
{
	unsigned char b[8];

	be16_put(b, 0x1234);
	CHECK(b[0] == 0x12 && b[1] == 0x34 && be16_get(b) == 0x1234);
	be32_put(b, 0xdeadbeef);
	CHECK(b[0] == 0xde && b[3] == 0xef && be32_get(b) == 0xdeadbeef);
	be64_put(b, 0x0123456789abcdef);
	CHECK(b[0] == 0x01 && b[7] == 0xef && be64_get(b) == 0x0123456789abcdef);
}

TEST(civil_days_and_back)
{
	struct civil c;

	CHECK_INT(civil_days(1970, 1, 1), 0);
	CHECK_INT(civil_days(2000, 3, 1), 11017);
	CHECK_INT(civil_days(1, 1, 1), CIVIL_MIN_S / 86400);
	CHECK_INT(civil_weekday(0), 4);
	CHECK_INT(civil_weekday(-5), 6);
	CHECK_DIES((void)civil_days(1900, 2, 29));
	CHECK(civil_valid(2000, 2, 29) && civil_valid(2024, 2, 29));
	CHECK(!civil_valid(1900, 2, 29) && !civil_valid(2023, 2, 29));
	CHECK(!civil_valid(0, 1, 1) && !civil_valid(10000, 1, 1));
	CHECK(!civil_valid(2000, 0, 1) && !civil_valid(2000, 13, 1) && !civil_valid(2000, 1, 0));
	civil_of(INT64_MIN, &c);
	CHECK(c.year == 1 && c.month == 1 && c.day == 1 && c.hour == 0);
	civil_of(INT64_MAX, &c);
	CHECK(c.year == 9999 && c.month == 12 && c.day == 31 && c.sec == 59);
	civil_of(-1, &c);
	CHECK(c.year == 1969 && c.month == 12 && c.day == 31 && c.hour == 23 && c.sec == 59);
}

/* Every day of the calendar follows the one before it. */
TEST(civil_every_day)
{
	int32_t want = civil_days(1, 1, 1);

	for (int y = 1; y <= 9999; y++) {
		for (unsigned m = 1; m <= 12; m++) {
			for (unsigned d = 1; civil_valid(y, m, d); d++, want++) {
				struct civil c;

				REQUIRE(civil_days(y, m, d) == want);
				civil_of((int64_t)want * 86400 + 3661, &c);
				REQUIRE(c.year == y && c.month == m && c.day == d);
				REQUIRE(c.hour == 1 && c.min == 1 && c.sec == 1);
			}
		}
	}
	CHECK_INT(want, CIVIL_MAX_S / 86400 + 1);
}

static int64_t fake_us(void)
{
	return 1234567;
}

TEST(clock_is_replaceable)
{
	int64_t before = clock_mono_us();

	CHECK(clock_wall_s() > 1700000000);
	CHECK(clock_mono_us() >= before);
	clock_replace(fake_us, fake_us);
	CHECK_INT(clock_mono_ms(), 1234);
	CHECK_INT(clock_wall_s(), 1);
	clock_replace(NULL, NULL);
	CHECK(clock_wall_s() > 1700000000);
}
