/* fiber_priv: what a fiber is, and the stack that it lies on: shared by fiber and fiber_stack. */
#ifndef COMMON_LOOP_FIBER_PRIV_H
#define COMMON_LOOP_FIBER_PRIV_H

#include "common/base/asan.h"
#include "common/loop/loop_priv.h"

#if defined(__has_feature)
#if __has_feature(thread_sanitizer)
#define WITH_TSAN 1
#endif
#endif
#if defined(__SANITIZE_THREAD__)
#define WITH_TSAN 1
#endif

#ifdef WITH_TSAN
#include <sanitizer/tsan_interface.h>
#endif

#define FIBER_MAGIC 0x46494252u /* "FIBR" */
/* Instrumented frames are several times larger. */
#if defined(WITH_ASAN) || defined(WITH_TSAN)
#define STACK_BYTES (4 * (size_t)FIBER_STACK)
#else
#define STACK_BYTES ((size_t)FIBER_STACK)
#endif

enum fiber_state { FIBER_READY, FIBER_RUNNING, FIBER_WAITING, FIBER_ENDED };

struct fiber {
	uint32_t magic;
	enum fiber_state state;
	unsigned shield;
	bool cancelled;
	bool entered; /* its stack has run before: env is good */
	const char *name;
	fiber_fn fn;
	void *arg;
	struct loop *loop;
	struct list ready;   /* in the loop's ready list, or among its unused stacks */
	struct list all;     /* in the loop's fibers */
	struct list sibling; /* in the scope's children */
	struct scope *scope;

	const char *waits_for;
	int64_t since_ms, deadline_ms; /* of that wait */
	const struct log_ctx *log;
	struct event *event; /* what it waits for, if an event */
	struct list queued;  /* in a waitq, if one */
	struct timer timer;
	enum err result;

	char *low; /* the lowest byte of the stack */
	jmp_buf env;
	void *fake_stack;
	void *tsan;
};

/* A fiber on a stack of its own, new or used before, for this loop. NULL: there is no more. */
struct fiber *fiber_stack_get(struct loop *l);
/* The fiber has ended, and its stack is parked. */
void fiber_stack_put(struct fiber *f);

#endif
