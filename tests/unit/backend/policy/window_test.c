/* The sliding count: never less than what happened, never much more. */
#include "backend/policy/window.h"

#include "tests/lib/check.h"

#define SECOND 1000000LL
#define T0     (1800000000LL * SECOND)

static const struct {
	enum window_span span;
	int64_t us;
} spans[] = {
	{WINDOW_MINUTE, 60 * SECOND},
	{WINDOW_TEN_MINUTES, 600 * SECOND},
	{WINDOW_HOUR, 3600 * SECOND},
	{WINDOW_DAY, 86400 * SECOND},
};

TEST(window_slides)
{
	for (size_t i = 0; i < ARRAY_LEN(spans); i++) {
		enum window_span s = spans[i].span;
		struct window w = {0};

		/* At any time of a bucket. */
		for (int64_t at = T0 + 1; at < T0 + spans[i].us / 6; at += spans[i].us / 77) {
			w = (struct window){0};
			CHECK_INT(window_sum(&w, s, at), 0);
			window_add(&w, s, at, 3);
			CHECK_INT(window_sum(&w, s, at), 3);
			CHECK_INT(window_sum(&w, s, at + spans[i].us - 1), 3);
			CHECK_INT(window_sum(&w, s, at + spans[i].us + spans[i].us / 12), 0);
		}
	}
}

TEST(window_never_counts_too_little)
{
	struct window w = {0};
	int64_t now = T0;

	/* One a second for three minutes: the last minute has at least 60, at most 5 s more. */
	for (unsigned i = 0; i < 180; i++, now += SECOND) {
		window_add(&w, WINDOW_MINUTE, now, 1);
		if (i >= 70) {
			CHECK(window_sum(&w, WINDOW_MINUTE, now) >= 60);
			CHECK(window_sum(&w, WINDOW_MINUTE, now) <= 65);
		}
	}
}

TEST(window_says_when_there_is_room)
{
	struct window w = {0};
	int64_t at;

	window_add(&w, WINDOW_HOUR, T0, 5);
	window_add(&w, WINDOW_HOUR, T0 + 1200 * SECOND, 5);
	CHECK(window_room_at(&w, WINDOW_HOUR, T0 + 1200 * SECOND, 12, 2) == T0 + 1200 * SECOND);
	CHECK(window_room_at(&w, WINDOW_HOUR, T0 + 1200 * SECOND, 12, 13) == INT64_MAX);
	at = window_room_at(&w, WINDOW_HOUR, T0 + 1200 * SECOND, 12, 3);
	CHECK(at >= T0 + 3600 * SECOND && at <= T0 + 3900 * SECOND);
	/* Then it is so, and a moment before it is not. */
	CHECK(window_sum(&w, WINDOW_HOUR, at) + 3 <= 12);
	CHECK(window_sum(&w, WINDOW_HOUR, at - 1) + 3 > 12);
	at = window_room_at(&w, WINDOW_HOUR, T0 + 1200 * SECOND, 12, 12);
	CHECK(window_sum(&w, WINDOW_HOUR, at) == 0);
	CHECK(window_sum(&w, WINDOW_HOUR, at - 1) == 5);
}

TEST(window_takes_back)
{
	struct window w = {0};

	window_add(&w, WINDOW_MINUTE, T0, 2);
	window_add(&w, WINDOW_MINUTE, T0 + 6 * SECOND, 1);
	window_take_back(&w, WINDOW_MINUTE, T0 + 6 * SECOND, 2);
	CHECK_INT(window_sum(&w, WINDOW_MINUTE, T0 + 6 * SECOND), 1);
	window_take_back(&w, WINDOW_MINUTE, T0 + 6 * SECOND, 9);
	CHECK_INT(window_sum(&w, WINDOW_MINUTE, T0 + 6 * SECOND), 0);
	window_add(&w, WINDOW_MINUTE, T0 + 6 * SECOND, UINT32_MAX);
	window_add(&w, WINDOW_MINUTE, T0 + 6 * SECOND, 7);
	CHECK_INT(window_sum(&w, WINDOW_MINUTE, T0 + 6 * SECOND), UINT32_MAX);
}

TEST(window_and_clocks_that_step)
{
	struct window w = {0};

	window_add(&w, WINDOW_MINUTE, T0, 4);
	/* Back a little: time stands. */
	window_add(&w, WINDOW_MINUTE, T0 - 20 * SECOND, 1);
	CHECK_INT(window_sum(&w, WINDOW_MINUTE, T0 - 20 * SECOND), 5);
	/* Back by a year: what is ahead is nothing, and does not stay for a year. */
	CHECK_INT(window_sum(&w, WINDOW_MINUTE, T0 - 31536000 * SECOND), 0);
	window_take_back(&w, WINDOW_MINUTE, T0 - 31536000 * SECOND, 1);
	window_add(&w, WINDOW_MINUTE, T0 - 31536000 * SECOND, 1);
	CHECK_INT(window_sum(&w, WINDOW_MINUTE, T0 - 31536000 * SECOND), 1);
	w = (struct window){.slot = INT64_MAX};
	window_add(&w, WINDOW_DAY, T0, 1);
	CHECK_INT(window_sum(&w, WINDOW_DAY, T0), 1);
}
