#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <unistd.h>

#include "common/base/clock.h"
#include "common/loop/sig.h"
#include "common/loop/work.h"
#include "tests/lib/check.h"

/* ---- the loop ---- */

WAITS static void stop_main(void *arg)
{
	bool *ran = arg;

	*ran = true;
	CHECK(!loop_stopping(loop_current()));
	loop_stop(loop_current());
	CHECK(loop_stopping(loop_current()));
	CHECK_ERR(fiber_sleep("t.stopped", 100000), E_CANCELLED);
}

TEST(a_loop_runs_until_it_is_stopped_and_may_be_made_again)
{
	for (int i = 0; i < 3; i++) {
		struct loop *l = loop_new();
		bool ran = false;

		CHECK(loop_current() == l);
		CHECK(fiber_self() == NULL);
		CHECK_ERR(fiber_start("t.stop", stop_main, &ran, NULL), E_OK);
		loop_run(l);
		CHECK(ran);
		loop_free(&l);
		CHECK(l == NULL);
	}
}

WAITS static void started_late(void *arg)
{
	enum err *result = arg;

	*result = fiber_sleep("t.late", 100000);
}

static struct event never;

WAITS static void last_words(void *arg)
{
	unsigned *said = arg;

	CHECK_ERR(event_wait(&never, "t.never", NO_DEADLINE), E_CANCELLED);
	fiber_shield_begin();
	CHECK_ERR(fiber_sleep("t.words", 20), E_TIMEOUT);
	fiber_shield_end();
	++*said;
}

WAITS static void stopper(void *arg)
{
	enum err *late = arg;

	fiber_yield();
	loop_stop(loop_current());
	CHECK_ERR(fiber_start("t.late", started_late, late, NULL), E_OK);
}

TEST(stop_waits_for_last_words_and_cancels_latecomers)
{
	struct loop *l = loop_new();
	enum err late = E_INTERNAL;
	unsigned said = 0;

	event_init(&never);
	CHECK_ERR(fiber_start("t.words", last_words, &said, NULL), E_OK);
	CHECK_ERR(fiber_start("t.stopper", stopper, &late, NULL), E_OK);
	loop_run(l);
	CHECK_INT(said, 1);
	CHECK_ERR(late, E_CANCELLED);
	loop_free(&l);
}

struct hook_test {
	struct loop_hook hook;
	unsigned ran, ran_again;
};

static void on_hook(struct loop_hook *hook)
{
	struct hook_test *t = container_of(hook, struct hook_test, hook);

	CHECK(fiber_self() == NULL);
	t->ran++;
	if (t->ran == 2)
		loop_at_turn_end(hook);
}

TEST_FIBER(a_hook_runs_once_after_the_ready_list)
{
	struct hook_test t = {.hook.fn = on_hook};

	list_init(&t.hook.node);
	loop_at_turn_end(&t.hook);
	loop_at_turn_end(&t.hook);
	CHECK_INT(t.ran, 0);
	fiber_yield();
	CHECK_INT(t.ran, 1);
	fiber_yield();
	CHECK_INT(t.ran, 1);
	loop_at_turn_end(&t.hook);
	fiber_yield();
	CHECK_INT(t.ran, 2);
	fiber_yield();
	CHECK_INT(t.ran, 3);
}

struct round {
	struct loop_hook hook;
	struct event turn[2];
	unsigned left, seen;
	bool posted;
};

static void look_at_left(struct loop_hook *hook)
{
	struct round *r = container_of(hook, struct round, hook);

	r->seen = r->left;
}

WAITS static void take_one(void *arg)
{
	struct round *r = arg;

	r->left--;
}

TEST_FIBER(who_a_fiber_makes_ready_runs_in_the_same_turn)
{
	struct round r = {.hook.fn = look_at_left, .left = 1, .seen = 9};

	list_init(&r.hook.node);
	fiber_yield();
	loop_at_turn_end(&r.hook);
	CHECK_ERR(fiber_start("t.take", take_one, &r, NULL), E_OK);
	fiber_yield();
	CHECK_INT(r.seen, 0);
}

static void set_posted(void *arg)
{
	*(bool *)arg = true;
}

/* The other half of the pair: they wake each other without end. */
WAITS static void wake_back(void *arg)
{
	struct round *r = arg;

	while (!r->posted && event_wait(&r->turn[1], "back", NO_DEADLINE) == E_OK) {
		event_reset(&r->turn[1]);
		event_set(&r->turn[0]);
	}
	r->left = 0;
	event_set(&r->turn[0]);
}

TEST_FIBER(fibers_that_wake_each_other_do_not_starve_the_rest)
{
	struct round r = {.left = 1};

	event_init(&r.turn[0]);
	event_init(&r.turn[1]);
	CHECK_ERR(fiber_start("t.back", wake_back, &r, NULL), E_OK);
	loop_post(loop_current(), set_posted, &r.posted);
	while (r.left > 0) {
		event_set(&r.turn[1]);
		CHECK_ERR(event_wait(&r.turn[0], "forth", NO_DEADLINE), E_OK);
		event_reset(&r.turn[0]);
	}
}

TEST_FIBER(scratch_is_one_block)
{
	char *a = loop_scratch(loop_current(), 100);

	CHECK_INT(a[99], 0);
	a[99] = 1;
	CHECK(loop_scratch(loop_current(), 100) == a);
}

/* ---- posts ---- */

#define POST_THREADS 4
#define POSTS_EACH   5000

struct post_test {
	struct loop *loop;
	pthread_t loop_thread;
	struct event all;
	unsigned n;
};

static void on_post(void *arg)
{
	struct post_test *t = arg;

	invariant(pthread_equal(pthread_self(), t->loop_thread));
	invariant(fiber_self() == NULL);
	if (++t->n == POST_THREADS * POSTS_EACH)
		event_set(&t->all);
}

static void *poster(void *arg)
{
	struct post_test *t = arg;

	for (int i = 0; i < POSTS_EACH; i++)
		loop_post(t->loop, on_post, t);
	return NULL;
}

TEST_FIBER(posts_of_many_threads_all_arrive)
{
	struct post_test t = {.loop = loop_current(), .loop_thread = pthread_self()};
	pthread_t threads[POST_THREADS];

	event_init(&t.all);
	for (size_t i = 0; i < POST_THREADS; i++)
		invariant(pthread_create(&threads[i], NULL, poster, &t) == 0);
	CHECK_ERR(event_wait(&t.all, "t.posts", deadline_in(30000)), E_OK);
	for (size_t i = 0; i < POST_THREADS; i++)
		pthread_join(threads[i], NULL);
	CHECK_INT(t.n, POST_THREADS * POSTS_EACH);
}

static void post_again(void *arg)
{
	struct post_test *t = arg;

	if (++t->n < 100)
		loop_post(t->loop, post_again, t);
	else
		event_set(&t->all);
}

TEST_FIBER(a_post_may_post)
{
	struct post_test t = {.loop = loop_current()};

	event_init(&t.all);
	loop_post(t.loop, post_again, &t);
	CHECK_ERR(event_wait(&t.all, "t.posts", deadline_in(5000)), E_OK);
	CHECK_INT(t.n, 100);
}

static void *loop_thread(void *arg)
{
	struct loop *l = loop_new();
	bool *ran = arg;

	invariant(fiber_start("t.stop", stop_main, ran, NULL) == E_OK);
	loop_run(l);
	loop_free(&l);
	return NULL;
}

TEST(each_thread_has_its_loop)
{
	pthread_t threads[3];
	bool ran[3] = {false};

	for (size_t i = 0; i < ARRAY_LEN(threads); i++)
		invariant(pthread_create(&threads[i], NULL, loop_thread, &ran[i]) == 0);
	for (size_t i = 0; i < ARRAY_LEN(threads); i++) {
		pthread_join(threads[i], NULL);
		CHECK(ran[i]);
	}
}

/* ---- timers ---- */

#define TIMERS 2000

static struct timer timers[TIMERS];
static int64_t timer_at[TIMERS];
static unsigned timers_fired;
static int64_t latest_fired;

static void on_timer(struct timer *t)
{
	size_t i = (size_t)(t - timers);

	CHECK(timer_at[i] >= latest_fired);
	CHECK(clock_mono_ms() >= timer_at[i]);
	latest_fired = timer_at[i];
	timers_fired++;
}

TEST_FIBER(timers_fire_in_order_whatever_is_moved_or_cleared)
{
	uint32_t random = 12345;
	int64_t base = clock_mono_ms() + 20;

	timers_fired = 0;
	latest_fired = 0;
	for (unsigned round = 0; round < 3; round++) {
		for (size_t i = 0; i < TIMERS; i++) {
			if (round == 0)
				timer_init(&timers[i], on_timer);
			random = random * 1103515245u + 12345u;
			timer_at[i] = base + (random >> 16) % 50;
			timer_set(&timers[i], timer_at[i]);
		}
	}
	for (size_t i = 0; i < TIMERS; i += 3) {
		timer_clear(&timers[i]);
		timer_clear(&timers[i]);
		CHECK(!timer_armed(&timers[i]));
	}
	timer_set(&timers[1], NO_DEADLINE);
	CHECK(!timer_armed(&timers[1]));
	CHECK_ERR(fiber_sleep("t.timers", 100), E_TIMEOUT);
	CHECK_INT(timers_fired, TIMERS - (TIMERS + 2) / 3 - 1);
}

static int64_t fake_us;

static int64_t fake_mono(void)
{
	return fake_us;
}

/* A deadline follows the clock of common/base, also when a test replaced it. */
TEST_FIBER(deadlines_follow_the_replaced_clock)
{
	struct event e;

	event_init(&e);
	fake_us = 1000000;
	clock_replace(NULL, fake_mono);
	timer_init(&timers[0], on_timer);
	timer_at[0] = clock_mono_ms() + 5;
	timers_fired = 0;
	latest_fired = 0;
	timer_set(&timers[0], timer_at[0]);
	for (int i = 0; i < 10; i++) {
		usleep(1000);
		fiber_yield();
	}
	CHECK_INT(timers_fired, 0);
	fake_us += 5000;
	while (timers_fired == 0)
		fiber_yield();
	clock_replace(NULL, NULL);
}

/* ---- work ---- */

struct work_test {
	pthread_t loop_thread;
	atomic_uint begun, ran;
	atomic_bool go; /* jobs hold their thread until it is set */
	unsigned ok, busy, cancelled;
	bool hold;
};

static void job(void *arg)
{
	struct work_test *t = arg;

	invariant(!pthread_equal(pthread_self(), t->loop_thread));
	atomic_fetch_add(&t->begun, 1);
	while (t->hold && !atomic_load(&t->go))
		usleep(100);
	atomic_fetch_add(&t->ran, 1);
}

WAITS static void work_main(void *arg)
{
	struct work_test *t = arg;
	enum err e = work_run("t.work", job, t);

	if (e == E_OK)
		t->ok++;
	else if (e == E_BUSY)
		t->busy++;
	else if (e == E_CANCELLED)
		t->cancelled++;
}

TEST_FIBER(work_runs_on_other_threads)
{
	struct work_test t = {.loop_thread = pthread_self()};

	work_threads(2);
	for (int i = 0; i < 500; i++)
		CHECK_ERR(fiber_start("t.work", work_main, &t, NULL), E_OK);
	while (fiber_count() > 1)
		CHECK_ERR(fiber_sleep("t.work", 1), E_TIMEOUT);
	CHECK_INT(t.ok, 500);
	CHECK_INT(atomic_load(&t.ran), 500);
}

TEST_FIBER(work_refuses_beyond_its_queue)
{
	struct work_test t = {.loop_thread = pthread_self(), .hold = true};

	for (int i = 0; i < WORK_QUEUE_MAX + 10; i++)
		CHECK_ERR(fiber_start("t.work", work_main, &t, NULL), E_OK);
	fiber_yield();
	fiber_yield();
	CHECK_INT(t.busy, 10);
	atomic_store(&t.go, true);
	while (fiber_count() > 1)
		CHECK_ERR(fiber_sleep("t.work", 1), E_TIMEOUT);
	CHECK_INT(t.ok, WORK_QUEUE_MAX);
	CHECK_INT(atomic_load(&t.ran), WORK_QUEUE_MAX);
}

TEST_FIBER(cancelled_work_ends_before_its_caller)
{
	struct work_test t = {.loop_thread = pthread_self(), .hold = true};
	struct fiber *f[20];

	for (size_t i = 0; i < ARRAY_LEN(f); i++)
		CHECK_ERR(fiber_start("t.work", work_main, &t, &f[i]), E_OK);
	/* Both threads have one. */
	while (atomic_load(&t.begun) < 2)
		CHECK_ERR(fiber_sleep("t.begin", 1), E_TIMEOUT);
	for (size_t i = 0; i < ARRAY_LEN(f); i++)
		fiber_cancel(f[i]);
	CHECK_ERR(fiber_sleep("t.cancel", 20), E_TIMEOUT);
	CHECK_INT(t.cancelled, ARRAY_LEN(f) - 2);
	CHECK_INT(t.ok, 0);
	atomic_store(&t.go, true);
	while (fiber_count() > 1)
		CHECK_ERR(fiber_sleep("t.work", 1), E_TIMEOUT);
	CHECK_INT(t.ok, 2);
	CHECK_INT(atomic_load(&t.ran), 2);
}

/* ---- signals ---- */

TEST_FIBER(signals_are_events)
{
	struct sig *hup = NULL, *term = NULL, *bad = NULL;

	CHECK_ERR(sig_watch(SIGHUP, &hup), E_OK);
	CHECK_ERR(sig_watch(SIGTERM, &term), E_OK);
	CHECK_ERR(sig_watch(SIGKILL, &bad), E_INVALID);
	REQUIRE(hup != NULL && term != NULL);
	CHECK_ERR(sig_wait(hup, "t.hup", deadline_in(1)), E_TIMEOUT);
	kill(getpid(), SIGHUP);
	CHECK_ERR(sig_wait(hup, "t.hup", deadline_in(5000)), E_OK);
	kill(getpid(), SIGTERM);
	CHECK_ERR(event_wait(sig_event(term), "t.term", deadline_in(5000)), E_OK);
	CHECK_ERR(sig_wait(hup, "t.hup", deadline_in(1)), E_TIMEOUT);
	sig_unwatch(&hup);
	sig_unwatch(&term);
	sig_unwatch(&term);
	CHECK(hup == NULL && term == NULL);
}
