#include <stdio.h>

#include "common/base/buf.h"
#include "common/base/clock.h"
#include "common/loop/fiber.h"
#include "tests/lib/check.h"

#define MANY_FIBERS  5000
#define SWITCH_PAIRS 200000

static char trace_text[256];
static size_t trace_n;

static void trace_reset(void)
{
	trace_n = 0;
}

static void trace(char c)
{
	invariant(trace_n < sizeof trace_text);
	trace_text[trace_n++] = c;
}

static slice_t traced(void)
{
	return slice(trace_text, trace_n);
}

WAITS static void trace_twice(void *arg)
{
	const char *c = arg;

	trace(*c);
	fiber_yield();
	trace(*c);
}

static char letters[] = "abcdefgh";

TEST_FIBER(ready_fibers_run_in_order_once_a_pass)
{
	trace_reset();
	for (size_t i = 0; i < 3; i++)
		CHECK_ERR(fiber_start("t.letter", trace_twice, letters + i, NULL), E_OK);
	CHECK_SLICE(traced(), SL(""));
	fiber_yield();
	CHECK_SLICE(traced(), SL("abc"));
	fiber_yield();
	CHECK_SLICE(traced(), SL("abcabc"));
}

/* ---- events ---- */

struct waiter {
	struct event e;
	int64_t deadline_ms;
	enum err result;
	bool done;
};

WAITS static void wait_main(void *arg)
{
	struct waiter *w = arg;

	w->result = event_wait(&w->e, "t.wait", w->deadline_ms);
	w->done = true;
}

WAITS static struct fiber *start_waiter(struct waiter *w, int64_t deadline_ms)
{
	struct fiber *f = NULL;

	*w = (struct waiter){.deadline_ms = deadline_ms, .result = E_INTERNAL};
	event_init(&w->e);
	CHECK_ERR(fiber_start("t.waiter", wait_main, w, &f), E_OK);
	fiber_yield();
	CHECK(!w->done);
	return f;
}

TEST_FIBER(event_wakes_its_waiter)
{
	struct waiter w;

	start_waiter(&w, NO_DEADLINE);
	event_set(&w.e);
	CHECK(!w.done);
	CHECK(!w.e.set);
	fiber_yield();
	CHECK(w.done);
	CHECK_ERR(w.result, E_OK);
}

TEST_FIBER(event_stays_set_until_a_wait_consumes_it)
{
	struct event e;

	event_init(&e);
	event_set(&e);
	event_set(&e);
	CHECK_ERR(event_wait(&e, "t.set", NO_DEADLINE), E_OK);
	CHECK_ERR(event_wait(&e, "t.set", deadline_in(1)), E_TIMEOUT);
	event_set(&e);
	event_reset(&e);
	CHECK_ERR(event_wait(&e, "t.set", deadline_in(1)), E_TIMEOUT);
}

TEST_FIBER(a_woken_waiter_keeps_its_result)
{
	struct waiter w;
	struct fiber *f = start_waiter(&w, NO_DEADLINE);

	event_set(&w.e);
	fiber_cancel(f);
	fiber_yield();
	CHECK_ERR(w.result, E_OK);
	f = start_waiter(&w, NO_DEADLINE);
	fiber_cancel(f);
	event_set(&w.e);
	fiber_yield();
	CHECK_ERR(w.result, E_CANCELLED);
	CHECK(w.e.set);
}

/* The object with the event is gone when the waiter runs. */
WAITS static void wait_on_heap(void *arg)
{
	struct event **e = arg;

	CHECK_ERR(event_wait(*e, "t.heap", NO_DEADLINE), E_OK);
	trace('x');
}

TEST_FIBER(event_may_vanish_after_set)
{
	struct event *e = xmalloc(sizeof *e);

	trace_reset();
	event_init(e);
	CHECK_ERR(fiber_start("t.heap", wait_on_heap, &e, NULL), E_OK);
	fiber_yield();
	event_set(e);
	xfree(&e);
	fiber_yield();
	CHECK_SLICE(traced(), SL("x"));
}

static void two_waiters(void)
{
	struct waiter w = {.deadline_ms = NO_DEADLINE};
	struct loop *l = loop_new();

	event_init(&w.e);
	invariant(fiber_start("t.one", wait_main, &w, NULL) == E_OK);
	invariant(fiber_start("t.two", wait_main, &w, NULL) == E_OK);
	loop_run(l);
}

TEST(an_event_has_one_waiter)
{
	CHECK_DIES(two_waiters());
}

/* ---- deadlines ---- */

TEST_FIBER(deadlines_pass_in_order_and_never_early)
{
	struct waiter w[4];
	static const int64_t ms[] = {30, 10, 40, 20};
	int64_t begin = clock_mono_ms();

	for (size_t i = 0; i < ARRAY_LEN(w); i++)
		start_waiter(&w[i], deadline_in(ms[i]));
	CHECK_ERR(fiber_sleep("t.sleep", 25), E_TIMEOUT);
	CHECK(clock_mono_ms() - begin >= 25);
	CHECK(w[1].done && w[3].done);
	CHECK_ERR(w[1].result, E_TIMEOUT);
	CHECK_ERR(fiber_sleep("t.sleep", 20), E_TIMEOUT);
	for (size_t i = 0; i < ARRAY_LEN(w); i++)
		CHECK_ERR(w[i].result, E_TIMEOUT);
}

TEST_FIBER(a_deadline_that_passed_is_a_timeout_unless_set)
{
	struct event e;

	event_init(&e);
	CHECK_ERR(event_wait(&e, "t.past", clock_mono_ms() - 1000), E_TIMEOUT);
	CHECK_ERR(event_wait(&e, "t.past", INT64_MIN), E_TIMEOUT);
	event_set(&e);
	CHECK_ERR(event_wait(&e, "t.past", clock_mono_ms() - 1000), E_OK);
	CHECK(deadline_in(NO_DEADLINE) == NO_DEADLINE);
	CHECK(deadline_in(INT64_MAX - 1) == NO_DEADLINE);
}

/* ---- cancel and shield ---- */

WAITS static void cancelled_main(void *arg)
{
	struct waiter *w = arg;
	struct event e;

	event_init(&e);
	w->result = event_wait(&w->e, "t.first", NO_DEADLINE);
	CHECK(fiber_cancelled());
	event_set(&e);
	CHECK_ERR(event_wait(&e, "t.set", NO_DEADLINE), E_CANCELLED);
	CHECK_ERR(fiber_sleep("t.sleep", 1000), E_CANCELLED);
	fiber_shield_begin();
	CHECK_ERR(event_wait(&e, "t.shielded", NO_DEADLINE), E_OK);
	CHECK_ERR(fiber_sleep("t.shielded", 1), E_TIMEOUT);
	fiber_shield_end();
	CHECK_ERR(fiber_sleep("t.sleep", 1000), E_CANCELLED);
	fiber_yield();
	w->done = true;
}

TEST_FIBER(cancel_ends_this_and_later_waits_but_not_shielded_ones)
{
	struct waiter w = {.result = E_INTERNAL};
	struct fiber *f;

	event_init(&w.e);
	CHECK_ERR(fiber_start("t.cancelled", cancelled_main, &w, &f), E_OK);
	fiber_yield();
	fiber_cancel(f);
	fiber_cancel(f);
	CHECK_ERR(fiber_sleep("t.settle", 30), E_TIMEOUT);
	CHECK_ERR(w.result, E_CANCELLED);
	CHECK(w.done);
}

WAITS static void shielded_main(void *arg)
{
	struct waiter *w = arg;

	fiber_shield_begin();
	w->result = event_wait(&w->e, "t.shielded", NO_DEADLINE);
	fiber_shield_end();
	CHECK_ERR(fiber_sleep("t.after", 1000), E_CANCELLED);
	w->done = true;
}

TEST_FIBER(a_shielded_wait_is_not_cut_short)
{
	struct waiter w = {.result = E_INTERNAL};
	struct fiber *f;

	event_init(&w.e);
	CHECK_ERR(fiber_start("t.shielded", shielded_main, &w, &f), E_OK);
	fiber_yield();
	fiber_cancel(f);
	fiber_yield();
	CHECK_ERR(w.result, E_INTERNAL);
	event_set(&w.e);
	fiber_yield();
	CHECK_ERR(w.result, E_OK);
	CHECK(w.done);
}

/* ---- queues ---- */

struct queue_test {
	struct waitq q;
	unsigned woken, timed_out;
};

WAITS static void queue_main(void *arg)
{
	struct queue_test *t = arg;
	enum err e = waitq_wait(&t->q, "t.queue", deadline_in(20));

	if (e == E_OK)
		t->woken++;
	else if (e == E_TIMEOUT)
		t->timed_out++;
}

TEST_FIBER(a_queue_wakes_one_or_all)
{
	struct queue_test t = {0};

	waitq_init(&t.q);
	waitq_wake_one(&t.q);
	for (int i = 0; i < 5; i++)
		CHECK_ERR(fiber_start("t.queue", queue_main, &t, NULL), E_OK);
	fiber_yield();
	waitq_wake_one(&t.q);
	fiber_yield();
	CHECK_INT(t.woken, 1);
	CHECK_ERR(fiber_sleep("t.late", 30), E_TIMEOUT);
	CHECK_INT(t.timed_out, 4);
	for (int i = 0; i < 5; i++)
		CHECK_ERR(fiber_start("t.queue", queue_main, &t, NULL), E_OK);
	fiber_yield();
	waitq_wake_all(&t.q);
	fiber_yield();
	CHECK_INT(t.woken, 6);
	CHECK(list_empty(&t.q.waiters));
}

/* ---- scopes ---- */

struct child {
	int64_t ms;
	enum err result;
};

WAITS static void child_main(void *arg)
{
	struct child *c = arg;

	c->result = fiber_sleep("t.child", c->ms);
}

TEST_FIBER(a_scope_joins_its_children)
{
	struct child c[3] = {{5, E_INTERNAL}, {1, E_INTERNAL}, {10, E_INTERNAL}};
	struct scope s;

	scope_init(&s);
	CHECK_ERR(scope_join(&s, NO_DEADLINE), E_OK);
	for (size_t i = 0; i < ARRAY_LEN(c); i++)
		CHECK_ERR(scope_start(&s, "t.child", child_main, &c[i]), E_OK);
	CHECK_ERR(scope_join(&s, NO_DEADLINE), E_OK);
	for (size_t i = 0; i < ARRAY_LEN(c); i++)
		CHECK_ERR(c[i].result, E_TIMEOUT);
	CHECK_ERR(scope_start(&s, "t.again", child_main, &c[0]), E_OK);
	CHECK_ERR(scope_join(&s, NO_DEADLINE), E_OK);
}

TEST_FIBER(a_scope_cancels_at_its_deadline)
{
	struct child c[2] = {{1, E_INTERNAL}, {100000, E_INTERNAL}};
	struct scope s;

	scope_init(&s);
	for (size_t i = 0; i < ARRAY_LEN(c); i++)
		CHECK_ERR(scope_start(&s, "t.child", child_main, &c[i]), E_OK);
	CHECK_ERR(scope_join(&s, deadline_in(20)), E_TIMEOUT);
	CHECK_ERR(c[0].result, E_TIMEOUT);
	CHECK_ERR(c[1].result, E_CANCELLED);
	CHECK_INT(s.live, 0);
}

TEST_FIBER(a_scope_may_be_cancelled)
{
	struct child c = {100000, E_INTERNAL};
	struct scope s;

	scope_init(&s);
	CHECK_ERR(scope_start(&s, "t.child", child_main, &c), E_OK);
	fiber_yield();
	scope_cancel(&s);
	CHECK_ERR(scope_join(&s, NO_DEADLINE), E_OK);
	CHECK_ERR(c.result, E_CANCELLED);
}

struct owner {
	struct child child;
	enum err joined;
};

WAITS static void owner_main(void *arg)
{
	struct owner *o = arg;
	struct scope s;

	scope_init(&s);
	CHECK_ERR(scope_start(&s, "t.child", child_main, &o->child), E_OK);
	o->joined = scope_join(&s, NO_DEADLINE);
}

TEST_FIBER(cancelling_the_owner_cancels_the_children)
{
	struct owner o = {{100000, E_INTERNAL}, E_INTERNAL};
	struct fiber *f;

	CHECK_ERR(fiber_start("t.owner", owner_main, &o, &f), E_OK);
	fiber_yield();
	fiber_yield();
	fiber_cancel(f);
	for (int i = 0; i < 5; i++)
		fiber_yield();
	CHECK_ERR(o.child.result, E_CANCELLED);
	CHECK_ERR(o.joined, E_CANCELLED);
}

/* ---- many, few, deep ---- */

WAITS static void count_main(void *arg)
{
	unsigned *n = arg;

	if (fiber_sleep("t.many", 1) == E_TIMEOUT)
		++*n;
	fiber_trim_stack();
	fiber_yield();
	++*n;
}

TEST_FIBER(five_thousand_fibers)
{
	unsigned n = 0, refused = 0;

	check_seconds(600); /* TSan takes some 10 ms for each, more on a busy machine */
	for (int i = 0; i < MANY_FIBERS; i++)
		refused += fiber_start("t.many", count_main, &n, NULL) != E_OK;
	CHECK_INT(refused, 0);
	CHECK(fiber_count() > MANY_FIBERS);
	while (fiber_count() > 1)
		fiber_yield();
	CHECK_INT(n, 2 * MANY_FIBERS);
}

TEST_FIBER(beyond_the_capacity_is_refused_and_room_comes_back)
{
	struct waiter w[20];
	struct waiter more;
	unsigned begun = 0;

	CHECK(fiber_capacity() > 1000);
	fiber_capacity_limit(16);
	CHECK_INT(fiber_capacity(), 16);
	for (size_t i = 0; i < ARRAY_LEN(w); i++) {
		w[i] = (struct waiter){.deadline_ms = NO_DEADLINE};
		event_init(&w[i].e);
		if (fiber_start("t.full", wait_main, &w[i], NULL) == E_OK)
			begun++;
	}
	CHECK_INT(begun, 15);
	CHECK_INT(fiber_count(), 16);
	fiber_yield();
	event_set(&w[0].e);
	fiber_yield();
	CHECK_INT(fiber_count(), 15);
	more = (struct waiter){.deadline_ms = deadline_in(1)};
	event_init(&more.e);
	CHECK_ERR(fiber_start("t.room", wait_main, &more, NULL), E_OK);
	fiber_yield();
	for (size_t i = 1; i < begun; i++)
		event_set(&w[i].e);
	fiber_yield();
	fiber_capacity_limit(0);
	CHECK_ERR(fiber_sleep("t.more", 5), E_TIMEOUT);
	CHECK(more.done);
}

static volatile char *touch_deep(volatile char *frame, size_t n)
{
	for (size_t i = 0; i < n; i += 512)
		frame[i] = (char)i;
	return frame;
}

TEST_FIBER(the_whole_stack_can_be_used_and_is_measured)
{
	volatile char deep[FIBER_STACK / 2];
	size_t before = fiber_stack_peak();

	CHECK(touch_deep(deep, sizeof deep) == deep);
	CHECK(fiber_stack_peak() >= sizeof deep);
	CHECK(fiber_stack_peak() >= before);
}

__attribute__((noinline)) static size_t deep_then_trim(void)
{
	volatile char deep[FIBER_STACK / 2];

	return (size_t)touch_deep(deep, sizeof deep)[0];
}

TEST_FIBER(trim_gives_pages_back)
{
	CHECK_INT(deep_then_trim(), 0);
	CHECK(fiber_stack_peak() >= FIBER_STACK / 2);
	fiber_trim_stack();
	CHECK(fiber_stack_peak() < FIBER_STACK / 2);
}

WAITS static void overflow_main(void *arg UNUSED)
{
	volatile char *p = __builtin_frame_address(0);

	for (size_t i = 0; i < 16 * (size_t)FIBER_STACK; i += 64)
		*(p - i) = 1;
}

static void overflow(void)
{
	struct loop *l = loop_new();

	invariant(fiber_start("t.overflow", overflow_main, NULL, NULL) == E_OK);
	loop_run(l);
}

TEST(an_overflow_hits_the_guard_page)
{
	CHECK_DIES(overflow());
}

static void dump_one(const struct fiber_info *info, void *arg)
{
	struct buf *b = arg;

	buf_printf(b, "%s:%s;", info->name, info->waits_for != NULL ? info->waits_for : "-");
	CHECK(info->since_ms <= clock_mono_ms());
}

TEST_FIBER(what_each_fiber_waits_for_is_printable)
{
	struct waiter w;
	struct buf b;

	buf_init(&b, 1024, NULL);
	start_waiter(&w, NO_DEADLINE);
	fiber_dump(dump_one, &b);
	CHECK_SLICE(buf_slice(&b), SL("what_each_fiber_waits_for_is_printable:-;t.waiter:t.wait;"));
	event_set(&w.e);
	buf_fini(&b);
}

WAITS static void switch_main(void *arg)
{
	unsigned *left = arg;

	while (*left > 0) {
		--*left;
		fiber_yield();
	}
}

/* A figure for the reader; nothing is asserted about time. */
TEST_FIBER(a_switch_pair_is_measured)
{
	unsigned left = SWITCH_PAIRS;
	int64_t begin = clock_mono_us();

	for (int i = 0; i < 100; i++)
		CHECK_ERR(fiber_start("t.switch", switch_main, &left, NULL), E_OK);
	while (fiber_count() > 1)
		fiber_yield();
	printf("# a switch pair: %.0f ns\n",
	       (double)(clock_mono_us() - begin) * 1000.0 / SWITCH_PAIRS);
	CHECK_INT(left, 0);
}
