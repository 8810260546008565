/* work: run a function on the process's thread pool and wait for it. */
#ifndef COMMON_LOOP_WORK_H
#define COMMON_LOOP_WORK_H

#include "common/base/err.h"

/* Runs fn(arg) on a pool thread; the fiber waits. arg must stay valid until fn ends: when the
 * waiting fiber is cancelled this still waits for fn's end (fn is short), so arg may live on the
 * caller's stack. E_BUSY when the queue of the pool is full (WORK_QUEUE_MAX). */
WAITS enum err work_run(const char *name, void (*fn)(void *arg), void *arg) MUST_USE;

/* Number of threads, set once before the first job; 0: one per core, at least 2. */
void work_threads(unsigned n);

#endif
