/*
 * A turn, in libuv's order: timers (due deadlines wake fibers), prepare (here: the ready list,
 * then the hooks), poll (input, posts and finished work wake fibers), close callbacks. The idle
 * handle is active only while something is ready after the pass, so that poll does not sleep.
 */
#include "common/loop/loop.h"

#include <sched.h>
#include <signal.h>

#include "common/base/clock.h"
#include "common/loop/loop_priv.h"

#define LOOP_MAGIC  0x4c4f4f50u /* "LOOP" */
#define POSTS_FIRST 32
/* Of ready fibers in a turn, at most: what goes on waking must not keep the sockets waiting. */
#define PASSES      4

static __thread struct loop *current;

struct loop *loop_current(void)
{
	invariant(current != NULL);
	return current;
}

void *loop_uv(struct loop *l)
{
	return &l->uv;
}

void *loop_scratch(struct loop *l, size_t size)
{
	if (l->scratch == NULL) {
		l->scratch = xcalloc(1, size);
		l->scratch_size = size;
	}
	invariant(l->scratch_size == size);
	return l->scratch;
}

void loop_hold(struct loop *l)
{
	uv_ref((uv_handle_t *)&l->turn);
}

static void run_hooks(struct loop *l)
{
	struct list hooks, *n;

	list_init(&hooks);
	list_splice(&hooks, &l->hooks);
	while ((n = list_pop(&hooks)) != NULL) {
		struct loop_hook *hook = list_entry(n, struct loop_hook, node);

		hook->fn(hook);
	}
}

static void on_alarm(uv_timer_t *h)
{
	struct loop *l = h->data;

	l->alarm_at_ms = NO_DEADLINE;
	timer_run_due(l);
}

/* The alarm may go off too early (its timer was cleared since), never too late: so it is moved
 * only when the earliest deadline comes nearer. */
static void set_alarm(struct loop *l)
{
	int64_t next = timer_next(l);
	int64_t now;

	if (next >= l->alarm_at_ms)
		return;
	uv_update_time(&l->uv);
	now = clock_mono_ms();
	uv_timer_start(&l->alarm, on_alarm, next > now ? (uint64_t)(next - now) : 0, 0);
	l->alarm_at_ms = next;
}

static void on_awake(uv_idle_t *h UNUSED)
{
}

static void on_turn(uv_prepare_t *h)
{
	struct loop *l = h->data;
	bool more;

	l->now_ms = clock_mono_ms();
	list_splice(&l->ready, &l->yielded);
	/* Such as a link's reader and the call that it wakes: no poll in between. */
	for (unsigned pass = 0; pass < PASSES && !list_empty(&l->ready); pass++)
		fiber_run_ready(l);
	run_hooks(l);
	set_alarm(l);
	more = !list_empty(&l->ready) || !list_empty(&l->yielded) || !list_empty(&l->hooks);
	if (more)
		uv_idle_start(&l->awake, on_awake);
	else
		uv_idle_stop(&l->awake);
	if (!l->stopping || l->fibers_n != 0 || more)
		uv_ref((uv_handle_t *)&l->turn);
	else
		uv_unref((uv_handle_t *)&l->turn);
}

static void run_posts(struct loop *l)
{
	struct post_list swap;

	pthread_mutex_lock(&l->post_lock);
	swap = l->posts_run;
	l->posts_run = l->posts;
	l->posts = swap;
	pthread_mutex_unlock(&l->post_lock);
	for (size_t i = 0; i < l->posts_run.n; i++)
		l->posts_run.p[i].fn(l->posts_run.p[i].arg);
	l->posts_run.n = 0;
}

static void on_posted(uv_async_t *h)
{
	run_posts(h->data);
}

void loop_in_batches(void)
{
	const struct sched_param none = {0};

	/* A wish, which nothing depends on. */
	(void)sched_setscheduler(0, SCHED_BATCH, &none);
}

void loop_post(struct loop *l, void (*fn)(void *arg), void *arg)
{
	bool first;

	pthread_mutex_lock(&l->post_lock);
	first = l->posts.n == 0;
	if (l->posts.n == l->posts.cap) {
		l->posts.cap = l->posts.cap != 0 ? l->posts.cap * 2 : POSTS_FIRST;
		l->posts.p = xrealloc(l->posts.p, l->posts.cap * sizeof *l->posts.p);
	}
	l->posts.p[l->posts.n++] = (struct post){fn, arg};
	/* Under the lock: the loop may not take the list and end before this. */
	if (first)
		uv_async_send(&l->posted);
	pthread_mutex_unlock(&l->post_lock);
}

void loop_at_turn_end(struct loop_hook *hook)
{
	struct loop *l = loop_current();

	if (!list_empty(&hook->node))
		return;
	list_append(&l->hooks, &hook->node);
	loop_hold(l);
}

struct loop *loop_new(void)
{
	struct loop *l = xcalloc(1, sizeof *l);

	invariant(current == NULL);
	/* A write to a closed socket is an error result, not a signal; libuv does not ask for
	 * MSG_NOSIGNAL everywhere. */
	signal(SIGPIPE, SIG_IGN);
	fiber_learn_capacity();
	l->magic = LOOP_MAGIC;
	list_init(&l->ready);
	list_init(&l->yielded);
	list_init(&l->hooks);
	list_init(&l->fibers);
	list_init(&l->stacks);
	l->alarm_at_ms = NO_DEADLINE;
	l->now_ms = clock_mono_ms();
	invariant(pthread_mutex_init(&l->post_lock, NULL) == 0);
	invariant(uv_loop_init(&l->uv) == 0);
	invariant(uv_prepare_init(&l->uv, &l->turn) == 0);
	invariant(uv_idle_init(&l->uv, &l->awake) == 0);
	invariant(uv_async_init(&l->uv, &l->posted, on_posted) == 0);
	invariant(uv_timer_init(&l->uv, &l->alarm) == 0);
	l->turn.data = l->posted.data = l->alarm.data = l;
	uv_unref((uv_handle_t *)&l->awake);
	uv_unref((uv_handle_t *)&l->posted);
	uv_unref((uv_handle_t *)&l->alarm);
	invariant(uv_prepare_start(&l->turn, on_turn) == 0);
	current = l;
	return l;
}

void loop_free(struct loop **lp)
{
	struct loop *l = *lp;

	if (l == NULL)
		return;
	invariant(l == current && l->magic == LOOP_MAGIC);
	invariant(l->fibers_n == 0 && list_empty(&l->hooks));
	uv_close((uv_handle_t *)&l->turn, NULL);
	uv_close((uv_handle_t *)&l->awake, NULL);
	uv_close((uv_handle_t *)&l->posted, NULL);
	uv_close((uv_handle_t *)&l->alarm, NULL);
	uv_run(&l->uv, UV_RUN_DEFAULT);
	invariant(uv_loop_close(&l->uv) == 0); /* else a handle was left open */
	fiber_drop_stacks(l);
	pthread_mutex_destroy(&l->post_lock);
	xfree(&l->posts.p);
	xfree(&l->posts_run.p);
	xfree(&l->heap);
	xfree(&l->scratch);
	l->magic = 0;
	current = NULL;
	xfree(lp);
}

void loop_run(struct loop *l)
{
	invariant(l == current && l->running == NULL);
	do {
		uv_run(&l->uv, UV_RUN_DEFAULT);
		run_posts(l);
	} while (!l->stopping || l->fibers_n != 0 || !list_empty(&l->hooks) ||
		 uv_loop_alive(&l->uv));
}

void loop_stop(struct loop *l)
{
	invariant(l == current);
	l->stopping = true;
	fiber_cancel_roots(l);
}

bool loop_stopping(const struct loop *l)
{
	return l->stopping;
}
