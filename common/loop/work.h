/* work: run a function on the process's thread pool and wait for it. */
#ifndef COMMON_LOOP_WORK_H
#define COMMON_LOOP_WORK_H

#include "common/base/err.h"

/* Jobs of the process, waiting or running. At half a millisecond each they are half a second of
 * two threads: who comes later is better told to come again. */
#define WORK_QUEUE_MAX     2048
#define WORK_THREADS_LEAST 2 /* one slow job must not stop all others */

/* Runs fn(arg) on a pool thread; the fiber waits. arg must stay valid until fn ends: when the
 * waiting fiber is cancelled this still waits for fn's end (fn is short), so arg may live on the
 * caller's stack. E_CANCELLED: fn did not run and will not; E_OK: it ran. E_BUSY when the queue of
 * the pool is full (WORK_QUEUE_MAX). */
WAITS enum err work_run(const char *name, void (*fn)(void *arg), void *arg) MUST_USE;

/* Number of threads, set once before the first job; 0: one per core, at least 2.
 * Without it the environment's UV_THREADPOOL_SIZE counts, or else 0. */
void work_threads(unsigned n);

struct loop;
/* Starts the pool's threads now instead of at the first job: for a process that gives up making
 * threads. On the loop's own thread, before or while it runs; once a process. */
void work_start(struct loop *l);

#endif
