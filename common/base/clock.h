/* clock: the only door to time. Tests may put a fake in its place. */
#ifndef COMMON_BASE_CLOCK_H
#define COMMON_BASE_CLOCK_H

#include "common/base/base.h"

/* Milliseconds of a clock that never goes back; deadlines are in it. */
int64_t clock_mono_ms(void);
int64_t clock_mono_us(void);
/* Microseconds since 1970-01-01 UTC. */
int64_t clock_wall_us(void);
static inline int64_t clock_wall_s(void)
{
	return clock_wall_us() / 1000000;
}

/* Both clocks from a function of the caller's, in microseconds; NULL goes back to the real
 * ones. For tests. */
void clock_replace(int64_t (*wall_us)(void), int64_t (*mono_us)(void));

#endif
