#include "tests/lib/moved_clock.h"

#include <stdatomic.h>
#include <time.h>

#include "common/base/clock.h"

static _Atomic int64_t wall_ahead_us, mono_ahead_us;

static int64_t real_us(clockid_t id)
{
	struct timespec t;

	clock_gettime(id, &t);
	return (int64_t)t.tv_sec * 1000000 + t.tv_nsec / 1000;
}

static int64_t moved_wall(void)
{
	return real_us(CLOCK_REALTIME) + atomic_load(&wall_ahead_us);
}

static int64_t moved_mono(void)
{
	return real_us(CLOCK_MONOTONIC) + atomic_load(&mono_ahead_us);
}

void moved_clock_begin(void)
{
	atomic_store(&wall_ahead_us, 0);
	atomic_store(&mono_ahead_us, 0);
	clock_replace(moved_wall, moved_mono);
}

void moved_clock_end(void)
{
	clock_replace(NULL, NULL);
}

void moved_clock_add(int64_t us)
{
	atomic_fetch_add(&wall_ahead_us, us);
}

void moved_clock_pass(int64_t us)
{
	atomic_fetch_add(&mono_ahead_us, us);
	moved_clock_add(us);
}
