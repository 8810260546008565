#include "frontend/core/iplimit.h"

#include "common/base/clock.h"
#include "tests/lib/check.h"

static int64_t now_us;

static int64_t fake_clock(void)
{
	return now_us;
}

static struct ipaddr ip(const char *text)
{
	struct ipaddr a;

	invariant(ipaddr_parse(slice_str(text), &a));
	return a;
}

static void start(void)
{
	now_us = 1000000000;
	clock_replace(fake_clock, fake_clock);
	iplimit_forget();
}

static void stop(void)
{
	iplimit_forget();
	clock_replace(NULL, NULL);
}

TEST(iplimit_at_once)
{
	struct ipaddr a = ip("192.0.2.1"), b = ip("192.0.2.2");
	uint32_t nth;

	start();
	CHECK_INT(iplimit_enter(&a, 2, 0, &nth), IPLIMIT_OK);
	CHECK_INT(iplimit_enter(&a, 2, 0, &nth), IPLIMIT_OK);
	CHECK_INT(iplimit_enter(&a, 2, 0, &nth), IPLIMIT_TOO_MANY);
	CHECK_INT(nth, 1);
	CHECK_INT(iplimit_enter(&a, 2, 0, &nth), IPLIMIT_TOO_MANY);
	CHECK_INT(nth, 2);
	CHECK_INT(iplimit_enter(&b, 2, 0, &nth), IPLIMIT_OK);
	iplimit_leave(&a);
	CHECK_INT(iplimit_enter(&a, 2, 0, &nth), IPLIMIT_OK);
	iplimit_leave(&a);
	iplimit_leave(&a);
	iplimit_leave(&b);
	CHECK_DIES(iplimit_leave(&b));
	stop();
}

TEST(iplimit_rate)
{
	struct ipaddr a = ip("2001:db8::1"), same = ip("2001:db8::ffff"),
		      other = ip("2001:db8:0:1::1");
	uint32_t nth;

	start();
	for (int i = 0; i < 3; i++) {
		CHECK_INT(iplimit_enter(i % 2 ? &a : &same, 0, 3, &nth), IPLIMIT_OK);
		iplimit_leave(&a);
	}
	CHECK_INT(iplimit_enter(&same, 0, 3, &nth), IPLIMIT_TOO_FAST);
	CHECK_INT(iplimit_enter(&other, 0, 3, &nth), IPLIMIT_OK);
	iplimit_leave(&other);
	now_us += 60 * 1000000;
	CHECK_INT(iplimit_enter(&a, 0, 3, &nth), IPLIMIT_OK);
	iplimit_leave(&a);
	stop();
}

/* The table does not grow with the number of addresses that came by. */
TEST(iplimit_bounded)
{
	struct ipaddr held = ip("192.0.2.1"), a = ip("10.0.0.0");
	uint32_t nth;

	start();
	CHECK_INT(iplimit_enter(&held, 1, 0, &nth), IPLIMIT_OK);
	for (uint32_t i = 0; i < 2 * IPLIMIT_IDLE_MAX; i++) {
		a.b[1] = (uint8_t)(i >> 16);
		a.b[2] = (uint8_t)(i >> 8);
		a.b[3] = (uint8_t)i;
		if (iplimit_enter(&a, 1, 0, &nth) == IPLIMIT_OK)
			iplimit_leave(&a);
	}
	CHECK(iplimit_size() <= IPLIMIT_IDLE_MAX + 1);
	CHECK_INT(iplimit_enter(&held, 1, 0, &nth), IPLIMIT_TOO_MANY);
	iplimit_leave(&held);
	stop();
}
