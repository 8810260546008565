/* timer: a deadline with a callback, in a heap of the loop: arming and disarming is O(log n) and
 * costs no system call, so that every wait of every session may have one. Times are in
 * clock_mono_ms() units. */
#ifndef COMMON_LOOP_TIMER_H
#define COMMON_LOOP_TIMER_H

#include "common/base/base.h"

#define NO_DEADLINE INT64_MAX

struct timer {
	void (*fn)(struct timer *); /* called from the loop, outside any fiber; must not wait */
	size_t slot;                /* where in the heap, from 1; 0: not armed */
};

void timer_init(struct timer *t, void (*fn)(struct timer *));
/* Arms t on the thread's loop, or moves it; NO_DEADLINE disarms. Never fires early. An armed timer
 * does not keep the loop alive. Its memory must stay until it fired or was cleared. */
void timer_set(struct timer *t, int64_t at_ms);
void timer_clear(struct timer *t);

static inline bool timer_armed(const struct timer *t)
{
	return t->slot != 0;
}

#endif
