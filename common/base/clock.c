#include "common/base/clock.h"

#include <time.h>

static int64_t (*fake_wall_us)(void);
static int64_t (*fake_mono_us)(void);

static int64_t read_us(clockid_t id)
{
	struct timespec ts;

	invariant(clock_gettime(id, &ts) == 0);
	return (int64_t)ts.tv_sec * 1000000 + ts.tv_nsec / 1000;
}

int64_t clock_mono_us(void)
{
	return fake_mono_us != NULL ? fake_mono_us() : read_us(CLOCK_MONOTONIC);
}

int64_t clock_mono_ms(void)
{
	return clock_mono_us() / 1000;
}

int64_t clock_wall_us(void)
{
	return fake_wall_us != NULL ? fake_wall_us() : read_us(CLOCK_REALTIME);
}

void clock_replace(int64_t (*wall_us)(void), int64_t (*mono_us)(void))
{
	fake_wall_us = wall_us;
	fake_mono_us = mono_us;
}
