/*
 * fiber: one stackful fiber a session, on the thread's loop. A function that may suspend its
 * caller is marked WAITS.
 *
 * Every wait has a name, a deadline and one owner. A wait ends with E_OK (the event was set),
 * E_TIMEOUT or E_CANCELLED. A cancelled fiber's further waits return E_CANCELLED at once, except
 * inside fiber_shield_begin/end (for last words: a BYE, an Abort).
 *
 * Stacks: FIBER_STACK bytes of address space each, mmap'ed with a guard page below, pooled. Each
 * takes two of the kernel's mappings: fiber_capacity() knows how many fit under
 * vm.max_map_count with a reserve, and fiber_start refuses beyond with E_LIMIT.
 */
#ifndef COMMON_LOOP_FIBER_H
#define COMMON_LOOP_FIBER_H

#include "common/base/err.h"
#include "common/base/list.h"
#include "common/loop/loop.h"
#include "common/loop/timer.h"

#define FIBER_STACK (64 * 1024) /* deepest known path times two; see fiber_stack_peak() */
#define FIBER_MAX   100000      /* a process's bound, however many mappings the kernel grants */

struct fiber;
struct log_ctx;
typedef void (*fiber_fn)(void *arg);

/* Starts a root fiber of the current loop: the listener's session, a service's main. It runs at
 * the next pass over the ready list; after loop_stop() it starts as a cancelled one. name is a
 * literal ("smtp.session"). E_LIMIT when no stack may be had. *out may be NULL; the pointer is
 * valid until the fiber ends. */
enum err fiber_start(const char *name, fiber_fn fn, void *arg, struct fiber **out) MUST_USE;
/* The running fiber, or NULL outside of one. */
struct fiber *fiber_self(void);
/* Makes the current and all later waits of f return E_CANCELLED. */
void fiber_cancel(struct fiber *f);
bool fiber_cancelled(void); /* the running one */
void fiber_shield_begin(void);
void fiber_shield_end(void);
/* Runs on in the next turn: after every other ready fiber and a look at the sockets. */
WAITS void fiber_yield(void);
/* Gives untouched stack pages back to the kernel; for a fiber about to wait long (IDLE). */
void fiber_trim_stack(void);
/* Bytes of its stack that the running fiber's pages in memory span: how deep it has been. */
size_t fiber_stack_peak(void);

/* event: what a fiber waits for. Embedded in the object that completes it; at most one waiter at
 * a time (an invariant). Setting wakes the waiter, whose wait consumes it there and then (the
 * object may be gone when the waiter runs); with no waiter it stays set until reset or until a
 * wait consumes it. A waiter that was woken returns E_OK even if it is cancelled before it runs. */
struct event {
	struct fiber *waiter;
	bool set;
};
void event_init(struct event *e);
void event_set(struct event *e);
void event_reset(struct event *e);
/* Waits until e is set, consumes it. name is a literal, printable by fiber_dump; deadline in
 * clock_mono_ms() units or NO_DEADLINE. */
WAITS enum err event_wait(struct event *e, const char *name, int64_t deadline_ms) MUST_USE;
/* The deadline `ms` from now. */
int64_t deadline_in(int64_t ms);
/* Waits for time alone. E_TIMEOUT is the normal end. */
WAITS enum err fiber_sleep(const char *name, int64_t ms);

/* A queue of waiters for one condition (a mutex, a semaphore, room in a pool). */
struct waitq {
	struct list waiters;
};
void waitq_init(struct waitq *q);
WAITS enum err waitq_wait(struct waitq *q, const char *name, int64_t deadline_ms) MUST_USE;
void waitq_wake_one(struct waitq *q);
void waitq_wake_all(struct waitq *q);

/* scope: children of the running fiber. Leaving joins them; cancel first to end them early. */
struct scope {
	struct list children;
	unsigned live;
	struct event done;
};
void scope_init(struct scope *s);
enum err scope_start(struct scope *s, const char *name, fiber_fn fn, void *arg) MUST_USE;
void scope_cancel(struct scope *s);
/* Waits until every child ended; after the deadline (or when the owner is cancelled) cancels
 * them and goes on waiting. Always ends with no child alive. */
WAITS enum err scope_join(struct scope *s, int64_t deadline_ms);

/* How many fibers this process can hold, and holds. */
unsigned fiber_capacity(void);
/* Lowers the capacity, for a process that shall hold fewer; 0 goes back. */
void fiber_capacity_limit(unsigned max);
unsigned fiber_count(void);
/* Whose work the running fiber does (a session's, a link's), for fiber_dump. Borrowed: outlives the
 * fiber or is taken back with NULL. */
void fiber_set_log(const struct log_ctx *ctx);
/* For administrators: name, what it waits for, since when and until when (mono ms). */
struct fiber_info {
	const char *name;
	const char *waits_for; /* NULL: ready or running */
	int64_t since_ms, deadline_ms;
	const struct log_ctx *log; /* NULL: none was set */
};
void fiber_dump(void (*each)(const struct fiber_info *, void *arg), void *arg);

#endif
