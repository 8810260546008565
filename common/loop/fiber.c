/*
 * How a switch is made. A stack is entered once through makecontext/setcontext; every later
 * switch is a _setjmp/_longjmp pair, which does not touch the signal mask and so makes no system
 * call. A fiber that ended leaves its stack parked inside trampoline(), ready to run the next one.
 *
 * Compiled without _FORTIFY_SOURCE: its longjmp refuses to jump to another stack.
 *
 * The waker does all the work of a wake-up (takes the fiber off its event or queue, stores the
 * result): when the fiber runs, what it waited for may be gone.
 */
#include "common/loop/fiber.h"

#include <stdatomic.h>
#include <stdlib.h>
#include <ucontext.h>

#include "common/base/asan.h"
#include "common/base/clock.h"
#include "common/loop/fiber_priv.h"
#include "common/loop/loan.h"

#ifdef WITH_ASAN
#include <sanitizer/common_interface_defs.h>
#define NO_ASAN __attribute__((no_sanitize_address))
#else
#define NO_ASAN
#endif

static atomic_uint live; /* fibers */

unsigned fiber_count(void)
{
	return atomic_load_explicit(&live, memory_order_relaxed);
}

static void on_timeout(struct timer *t);

/* ---- the switch ---- */

static inline void san_start(void **save, const void *low, size_t size)
{
#ifdef WITH_ASAN
	__sanitizer_start_switch_fiber(save, low, size);
#else
	(void)save;
	(void)low;
	(void)size;
#endif
}

static inline void san_finish(void *save, const void **low, size_t *size)
{
#ifdef WITH_ASAN
	__sanitizer_finish_switch_fiber(save, low, size);
#else
	(void)save;
	(void)low;
	(void)size;
#endif
}

/* From the fiber's stack back to the loop's; returns when the fiber is resumed. TSan keeps jump
 * buffers and a call stack for each fiber: set the jump before its switch, jump after. */
static void leave(struct fiber *f)
{
	struct loop *l = f->loop;

	/* Without a place to save it, an ended fiber's fake stack is freed. */
	san_start(f->state == FIBER_ENDED ? NULL : &f->fake_stack, l->stack_low, l->stack_size);
	if (_setjmp(f->env) == 0) {
#ifdef WITH_TSAN
		__tsan_switch_to_fiber(l->tsan, 0);
#endif
		_longjmp(l->env, 1);
	}
	san_finish(f->fake_stack, &l->stack_low, &l->stack_size);
}

static void ended(struct fiber *f)
{
	invariant(f->shield == 0);
	loans_over();
	list_remove(&f->all);
	f->loop->fibers_n--;
	atomic_fetch_sub_explicit(&live, 1, memory_order_relaxed);
	if (f->scope != NULL) {
		list_remove(&f->sibling);
		if (--f->scope->live == 0)
			event_set(&f->scope->done);
	}
	f->state = FIBER_ENDED;
	f->fake_stack = NULL;
}

/* The first frame of every stack. */
NO_ASAN static void trampoline(void)
{
	struct fiber *f = loop_current()->running;

	san_finish(NULL, &f->loop->stack_low, &f->loop->stack_size);
	for (;;) {
		f->fn(f->arg);
		ended(f);
		leave(f);
	}
}

/* Leaves no poisoned frame behind on the loop's stack: it never returns. */
NO_ASAN static NORETURN void first_entry(struct fiber *f)
{
	ucontext_t uc;

	invariant(getcontext(&uc) == 0);
	uc.uc_stack.ss_sp = f->low;
	uc.uc_stack.ss_size = (size_t)((char *)f - f->low);
	uc.uc_link = NULL;
	makecontext(&uc, trampoline, 0);
	setcontext(&uc);
	abort(); /* it returns only on failure */
}

/* From the loop's stack to the fiber's; returns when the fiber waits or has ended. */
static void enter(struct loop *l, struct fiber *f)
{
	invariant(f->magic == FIBER_MAGIC && f->state == FIBER_READY);
	l->running = f;
	f->state = FIBER_RUNNING;
	san_start(&l->fake_stack, f->low, STACK_BYTES);
	if (_setjmp(l->env) == 0) {
#ifdef WITH_TSAN
		__tsan_switch_to_fiber(f->tsan, 0);
#endif
		if (f->entered)
			_longjmp(f->env, 1);
		f->entered = true;
		first_entry(f);
	}
	san_finish(l->fake_stack, NULL, NULL);
	l->running = NULL;
}

void fiber_run_ready(struct loop *l)
{
	struct list pass, *n;

#ifdef WITH_TSAN
	l->tsan = __tsan_get_current_fiber();
#endif
	list_init(&pass);
	list_splice(&pass, &l->ready);
	while ((n = list_pop(&pass)) != NULL) {
		struct fiber *f = list_entry(n, struct fiber, ready);

		enter(l, f);
		if (f->state == FIBER_ENDED)
			fiber_stack_put(f);
	}
}

/* ---- start, cancel, wait ---- */

struct fiber *fiber_self(void)
{
	return loop_current()->running;
}

static struct fiber *running(void)
{
	struct fiber *f = loop_current()->running;

	invariant(f != NULL);
	return f;
}

static void make_ready(struct fiber *f)
{
	f->state = FIBER_READY;
	list_append(&f->loop->ready, &f->ready);
	loop_hold(f->loop);
}

static enum err start(const char *name, fiber_fn fn, void *arg, struct scope *scope,
		      struct fiber **out)
{
	struct loop *l = loop_current();
	struct fiber *f = fiber_stack_get(l);

	if (f == NULL)
		return E_LIMIT;
	f->magic = FIBER_MAGIC;
	timer_init(&f->timer, on_timeout);
	f->shield = 0;
	f->cancelled = scope == NULL && l->stopping;
	f->name = name;
	f->fn = fn;
	f->arg = arg;
	f->scope = scope;
	f->waits_for = NULL;
	f->since_ms = l->now_ms;
	f->log = NULL;
	f->event = NULL;
	list_append(&l->fibers, &f->all);
	l->fibers_n++;
	atomic_fetch_add_explicit(&live, 1, memory_order_relaxed);
	make_ready(f);
	if (out != NULL)
		*out = f;
	return E_OK;
}

enum err fiber_start(const char *name, fiber_fn fn, void *arg, struct fiber **out)
{
	return start(name, fn, arg, NULL, out);
}

/* Ends f's wait. */
static void wake(struct fiber *f, enum err result)
{
	invariant(f->magic == FIBER_MAGIC && f->state == FIBER_WAITING);
	invariant(f->loop == loop_current());
	if (f->event != NULL) {
		f->event->waiter = NULL;
		f->event = NULL;
	}
	list_remove(&f->queued);
	timer_clear(&f->timer);
	f->result = result;
	f->waits_for = NULL;
	make_ready(f);
}

static void on_timeout(struct timer *t)
{
	wake(container_of(t, struct fiber, timer), E_TIMEOUT);
}

/* The caller has put f on its event or queue. */
WAITS static enum err wait_named(struct fiber *f, const char *name, int64_t deadline_ms)
{
	f->waits_for = name;
	f->since_ms = f->loop->now_ms;
	f->deadline_ms = deadline_ms;
	f->state = FIBER_WAITING;
	if (deadline_ms != NO_DEADLINE)
		timer_set(&f->timer, deadline_ms);
	leave(f);
	return f->result;
}

static bool must_stop(const struct fiber *f)
{
	return f->cancelled && f->shield == 0;
}

void fiber_cancel(struct fiber *f)
{
	invariant(f->magic == FIBER_MAGIC);
	f->cancelled = true;
	if (f->state == FIBER_WAITING && must_stop(f))
		wake(f, E_CANCELLED);
}

void fiber_cancel_roots(struct loop *l)
{
	list_for_each(n, &l->fibers) {
		struct fiber *f = list_entry(n, struct fiber, all);

		if (f->scope == NULL)
			fiber_cancel(f);
	}
}

bool fiber_cancelled(void)
{
	return running()->cancelled;
}

void fiber_shield_begin(void)
{
	running()->shield++;
}

void fiber_shield_end(void)
{
	struct fiber *f = running();

	invariant(f->shield > 0);
	f->shield--;
}

WAITS void fiber_yield(void)
{
	struct fiber *f = running();

	loans_over();
	f->state = FIBER_READY;
	list_append(&f->loop->yielded, &f->ready);
	loop_hold(f->loop);
	leave(f);
}

/* ---- events, queues ---- */

void event_init(struct event *e)
{
	*e = (struct event){NULL, false};
}

void event_set(struct event *e)
{
	if (e->waiter != NULL)
		wake(e->waiter, E_OK);
	else
		e->set = true;
}

void event_reset(struct event *e)
{
	e->set = false;
}

WAITS enum err event_wait(struct event *e, const char *name, int64_t deadline_ms)
{
	struct fiber *f = running();

	loans_over();
	invariant(e->waiter == NULL);
	if (must_stop(f))
		return E_CANCELLED;
	if (e->set) {
		e->set = false;
		return E_OK;
	}
	e->waiter = f;
	f->event = e;
	return wait_named(f, name, deadline_ms);
}

int64_t deadline_in(int64_t ms)
{
	int64_t at;

	if (ms == NO_DEADLINE || __builtin_add_overflow(clock_mono_ms(), ms, &at))
		return NO_DEADLINE;
	return at;
}

WAITS enum err fiber_sleep(const char *name, int64_t ms)
{
	struct fiber *f = running();

	loans_over();
	if (must_stop(f))
		return E_CANCELLED;
	return wait_named(f, name, deadline_in(ms));
}

void waitq_init(struct waitq *q)
{
	list_init(&q->waiters);
}

WAITS enum err waitq_wait(struct waitq *q, const char *name, int64_t deadline_ms)
{
	struct fiber *f = running();

	loans_over();
	if (must_stop(f))
		return E_CANCELLED;
	list_append(&q->waiters, &f->queued);
	return wait_named(f, name, deadline_ms);
}

void waitq_wake_one(struct waitq *q)
{
	if (!list_empty(&q->waiters))
		wake(list_entry(q->waiters.next, struct fiber, queued), E_OK);
}

void waitq_wake_all(struct waitq *q)
{
	while (!list_empty(&q->waiters))
		waitq_wake_one(q);
}

/* ---- scopes ---- */

void scope_init(struct scope *s)
{
	list_init(&s->children);
	s->live = 0;
	event_init(&s->done);
}

enum err scope_start(struct scope *s, const char *name, fiber_fn fn, void *arg)
{
	struct fiber *f;
	enum err e = start(name, fn, arg, s, &f);

	if (e != E_OK)
		return e;
	list_append(&s->children, &f->sibling);
	s->live++;
	event_reset(&s->done);
	return E_OK;
}

void scope_cancel(struct scope *s)
{
	list_for_each(n, &s->children)
		fiber_cancel(list_entry(n, struct fiber, sibling));
}

WAITS enum err scope_join(struct scope *s, int64_t deadline_ms)
{
	enum err e;

	loans_over();
	if (s->live == 0)
		return E_OK;
	e = event_wait(&s->done, "scope.join", deadline_ms);
	if (e == E_OK)
		return E_OK;
	scope_cancel(s);
	fiber_shield_begin();
	while (s->live > 0)
		if (event_wait(&s->done, "scope.end", NO_DEADLINE) != E_OK)
			break;
	fiber_shield_end();
	invariant(s->live == 0);
	return e;
}

void fiber_set_log(const struct log_ctx *ctx)
{
	fiber_self()->log = ctx;
}

void fiber_dump(void (*each)(const struct fiber_info *, void *arg), void *arg)
{
	list_for_each(n, &loop_current()->fibers) {
		struct fiber *f = list_entry(n, struct fiber, all);
		struct fiber_info info = {
			.name = f->name,
			.waits_for = f->waits_for,
			.since_ms = f->since_ms,
			.deadline_ms = f->waits_for != NULL ? f->deadline_ms : NO_DEADLINE,
			.log = f->log,
		};

		each(&info, arg);
	}
}
