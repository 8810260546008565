/* loop_priv: the inside of a loop, shared by loop, timer, fiber. */
#ifndef COMMON_LOOP_LOOP_PRIV_H
#define COMMON_LOOP_LOOP_PRIV_H

#include <pthread.h>
#include <setjmp.h>
#include <uv.h>

#include "common/loop/fiber.h"

struct post {
	void (*fn)(void *arg);
	void *arg;
};

struct post_list {
	struct post *p;
	size_t n, cap;
};

struct heap_slot {
	int64_t at_ms;
	struct timer *t;
};

struct loop {
	uint32_t magic;
	uv_loop_t uv;
	uv_prepare_t turn; /* runs the ready list and the hooks; keeps the loop alive */
	uv_idle_t awake;   /* active while a fiber is ready: the loop polls without sleeping */
	uv_async_t posted;
	uv_timer_t alarm;
	bool stopping;
	void *scratch;
	size_t scratch_size;

	struct list ready;   /* of fibers, in order of readiness */
	struct list yielded; /* ... and those that run in the next turn only */
	struct list hooks;
	int64_t now_ms; /* taken once a turn */

	pthread_mutex_t post_lock; /* guards posts */
	struct post_list posts;
	struct post_list posts_run; /* being run; the loop's thread only */

	struct heap_slot *heap; /* 4-ary, from index 0 */
	size_t heap_n, heap_cap;
	int64_t alarm_at_ms; /* NO_DEADLINE: not armed */

	struct list fibers; /* all that live */
	unsigned fibers_n;
	struct fiber *running;
	struct list stacks; /* unused ones, latest first */
	unsigned stacks_n;
	jmp_buf env; /* where the running fiber goes back to */
	/* What the sanitizers must be told about the loop's own stack. */
	void *fake_stack;
	const void *stack_low;
	size_t stack_size;
	void *tsan;
};

/* Keeps uv_run() going for another turn. */
void loop_hold(struct loop *l);
/* Runs all fibers that are ready now. */
void fiber_run_ready(struct loop *l);
/* Cancels the root fibers. */
void fiber_cancel_roots(struct loop *l);
/* Unmaps the unused stacks. */
void fiber_drop_stacks(struct loop *l);
/* Reads the kernel's limits, once a process: early, before a worker is confined. */
void fiber_learn_capacity(void);
/* Calls the timers that are due. */
void timer_run_due(struct loop *l);
/* The earliest deadline, or NO_DEADLINE. */
int64_t timer_next(const struct loop *l);

#endif
