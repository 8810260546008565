/*
 * common/loop: one libuv loop a thread, and fibers on it.
 *
 *   loop    the uv loop, the ready list, posts from other threads, orderly stop
 *   timer   deadlines in a heap
 *   fiber   switch, wait, cancel, scope: the only file that knows how a switch is made;
 *           fiber_stack: the stacks, and how many there may be
 *   work    jobs on a thread pool, whose asker may vanish
 *   sig     signals as events
 *   loan    memory that is the borrower's until its next wait
 *   waits   what each fiber waits for, into the log
 *   folder  files that have come to be whole, as events
 *
 * Rules. Nobody runs protocol code inside a libuv callback: a completion stores its result, sets
 * an event, and returns; the ready list runs in a loop turn, in order of readiness, so nothing
 * re-enters. Who is made ready by a fiber runs in the same turn, but for a few rounds only: then
 * the sockets are looked at. A ready fiber keeps the loop awake. Everything here belongs to the
 * thread that runs the loop, but for loop_post().
 */
#ifndef COMMON_LOOP_LOOP_H
#define COMMON_LOOP_LOOP_H

#include "common/base/err.h"
#include "common/base/list.h"

struct loop;

/* A new loop with its uv_loop_t; it becomes the calling thread's current loop. SIGPIPE is
 * ignored from now on. Make it before the process is confined: it reads /proc once. */
struct loop *loop_new(void);
/* Frees a loop that has ended; every handle must be closed and every fiber ended. */
void loop_free(struct loop **l);
/* The loop of this thread; never NULL inside one. */
struct loop *loop_current(void);
/* A block of memory that lives as long as the loop: zeroed, made by the first call, the same at
 * each later one. For common/net, whose streams share their scratch buffers. */
void *loop_scratch(struct loop *l, size_t size);
/* The uv_loop_t, as void * so that uv.h stays quarantined to common/loop, common/net, and the few
 * files of docs/layers.txt that may include it. */
void *loop_uv(struct loop *l);

/* Runs until loop_stop() was called and all fibers and handles are gone. */
void loop_run(struct loop *l);
/* Orderly stop: cancels every root fiber (their waits return E_CANCELLED) and lets the loop run
 * out. May be called again; from the loop's own thread. */
void loop_stop(struct loop *l);
bool loop_stopping(const struct loop *l);

/* Where processors are short, this thread and those that it starts let others come to the end of
 * their turn before they go on, and find more to do at once: fewer switches, each for more. For
 * what is measured by how much it gets done, and does not keep a person waiting. */
void loop_in_batches(void);

/* From any thread: fn(arg) runs on the loop's thread soon, outside any fiber; it must not wait. */
void loop_post(struct loop *l, void (*fn)(void *arg), void *arg);

/* A hook that runs at the end of every turn, after the ready list, before the loop polls again:
 * the stream layer flushes what fibers wrote in the turn as one. */
struct loop_hook {
	struct list node;
	void (*fn)(struct loop_hook *);
};
/* Runs hook->fn once at the end of this turn; harmless when already asked for. The fn is set by
 * the caller; node must be list_init()ed. */
void loop_at_turn_end(struct loop_hook *hook);

#endif
