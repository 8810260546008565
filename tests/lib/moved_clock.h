/* moved_clock: the clocks of this machine, moved by what a test says, on whatever thread they are
 * read. One test at a time. */
#ifndef TESTS_LIB_MOVED_CLOCK_H
#define TESTS_LIB_MOVED_CLOCK_H

#include "common/base/base.h"

/* As they are, so far. */
void moved_clock_begin(void);
void moved_clock_end(void);
/* The time of day alone, by so many microseconds. */
void moved_clock_add(int64_t us);
/* Time passes by both clocks: deadlines, too. */
void moved_clock_pass(int64_t us);

#endif
