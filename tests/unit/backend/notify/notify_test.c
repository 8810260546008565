/* The hub: who is told what, how often, and what a watcher may do while it is told. */
#include "backend/notify/notify.h"

#include <pthread.h>

#include "common/loop/fiber.h"
#include "tests/lib/check.h"

struct eye {
	struct watcher w;
	struct notify *hub;
	unsigned told;
	uint64_t highest;
	bool gone;
	bool leaves; /* unwatches itself when it is told */
	struct event *done;
};

static void on_change(struct watcher *w, uint64_t highest, bool gone)
{
	struct eye *e = container_of(w, struct eye, w);

	e->told++;
	e->highest = highest;
	e->gone = gone;
	if (e->leaves)
		notify_unwatch(e->hub, w);
	if (e->done != NULL)
		event_set(e->done);
}

static void watch(struct eye *e, struct notify *hub, uint64_t account, uint64_t mailbox)
{
	*e = (struct eye){.w = {.account = account, .mailbox = mailbox, .fn = on_change},
			  .hub = hub};
	notify_watch(hub, &e->w);
}

static void post(struct notify *hub, uint64_t account, uint64_t mailbox, uint64_t modseq)
{
	struct partition_event ev = {account, mailbox, modseq, false};

	notify_post(hub, &ev, 1);
}

/* A post of its own comes after what was posted before it. */
static void set_event(void *arg)
{
	event_set(arg);
}

WAITS static void settle(void)
{
	struct event passed;

	event_init(&passed);
	loop_post(loop_current(), set_event, &passed);
	CHECK_ERR(event_wait(&passed, "test.settle", deadline_in(10000)), E_OK);
}

TEST_FIBER(notify_only_its_own_mailbox)
{
	struct notify *hub = notify_new(loop_current());
	struct eye a, b, other_account, other_mailbox;

	watch(&a, hub, 1, 10);
	watch(&b, hub, 1, 10);
	watch(&other_account, hub, 2, 10);
	watch(&other_mailbox, hub, 1, 11);
	CHECK_INT(notify_count(hub), 4);
	post(hub, 1, 10, 77);
	post(hub, 9, 9, 1);
	CHECK_INT(a.told, 0); /* never from inside the call */
	settle();
	CHECK_INT(a.told, 1);
	CHECK_INT(a.highest, 77);
	CHECK(!a.gone);
	CHECK_INT(b.told, 1);
	CHECK_INT(other_account.told + other_mailbox.told, 0);
	notify_unwatch(hub, &a.w);
	post(hub, 1, 10, 78);
	settle();
	CHECK_INT(a.told, 1);
	CHECK_INT(b.told, 2);
	notify_unwatch(hub, &b.w);
	notify_unwatch(hub, &other_account.w);
	notify_unwatch(hub, &other_mailbox.w);
	CHECK_INT(notify_count(hub), 0);
	notify_free(&hub);
	CHECK(hub == NULL);
}

/* Many commits between two turns of the loop are one call, of the newest state. */
TEST_FIBER(notify_merges)
{
	struct notify *hub = notify_new(loop_current());
	struct partition_event ev[3] = {{1, 10, 5, false}, {1, 11, 6, false}, {1, 10, 7, true}};
	struct eye a, b;

	watch(&a, hub, 1, 10);
	watch(&b, hub, 1, 11);
	notify_post(hub, ev, 3);
	post(hub, 1, 10, 6); /* older than what is known already */
	settle();
	CHECK_INT(a.told, 1);
	CHECK_INT(a.highest, 7);
	CHECK(a.gone);
	CHECK_INT(b.told, 1);
	notify_post(hub, ev, 0);
	settle();
	CHECK_INT(a.told, 1);
	notify_unwatch(hub, &a.w);
	notify_unwatch(hub, &b.w);
	notify_free(&hub);
}

/* More mailboxes than merging looks back on: everyone is told, the newest state last. */
TEST_FIBER(notify_many_mailboxes)
{
	enum { N = 200 };
	struct notify *hub = notify_new(loop_current());
	struct eye *eyes = xcalloc(N, sizeof *eyes);

	for (unsigned i = 0; i < N; i++)
		watch(&eyes[i], hub, 1, i + 1);
	for (unsigned round = 1; round <= 3; round++) {
		for (unsigned i = 0; i < N; i++)
			post(hub, 1, i + 1, round);
	}
	settle();
	for (unsigned i = 0; i < N; i++) {
		CHECK(eyes[i].told >= 1);
		CHECK_INT(eyes[i].highest, 3);
		notify_unwatch(hub, &eyes[i].w);
	}
	xfree(&eyes);
	notify_free(&hub);
}

TEST_FIBER(notify_watcher_leaves_when_told)
{
	struct notify *hub = notify_new(loop_current());
	struct eye first, second, third;

	watch(&first, hub, 1, 10);
	watch(&second, hub, 1, 10);
	watch(&third, hub, 1, 10);
	first.leaves = third.leaves = true;
	post(hub, 1, 10, 1);
	settle();
	CHECK_INT(first.told, 1);
	CHECK_INT(second.told, 1);
	CHECK_INT(third.told, 1);
	CHECK_INT(notify_count(hub), 1);
	post(hub, 1, 10, 2);
	settle();
	CHECK_INT(first.told, 1);
	CHECK_INT(second.told, 2);
	second.leaves = true; /* the last of its mailbox */
	post(hub, 1, 10, 3);
	settle();
	CHECK_INT(second.told, 3);
	CHECK_INT(notify_count(hub), 0);
	watch(&first, hub, 1, 10);
	post(hub, 1, 10, 4);
	settle();
	CHECK_INT(first.told, 1);
	notify_unwatch(hub, &first.w);
	notify_free(&hub);
}

/* ---- from writers' threads ---- */

#define POSTS 2000

struct writer {
	struct notify *hub;
	uint64_t account;
};

static void *write_much(void *arg)
{
	struct writer *w = arg;

	for (uint64_t i = 1; i <= POSTS; i++)
		post(w->hub, w->account, 10, i);
	return NULL;
}

TEST_FIBER(notify_from_threads)
{
	struct notify *hub = notify_new(loop_current());
	struct writer writers[4];
	pthread_t threads[4];
	struct eye eyes[4];
	struct event told;

	event_init(&told);
	for (unsigned i = 0; i < 4; i++) {
		watch(&eyes[i], hub, i + 1, 10);
		eyes[i].done = &told;
		writers[i] = (struct writer){hub, i + 1};
		invariant(pthread_create(&threads[i], NULL, write_much, &writers[i]) == 0);
	}
	for (unsigned i = 0; i < 4; i++) {
		while (eyes[i].highest < POSTS) {
			if (event_wait(&told, "test.told", deadline_in(20000)) != E_OK)
				break;
		}
		CHECK_INT(eyes[i].highest, POSTS);
	}
	for (unsigned i = 0; i < 4; i++) {
		pthread_join(threads[i], NULL);
		notify_unwatch(hub, &eyes[i].w);
	}
	settle();
	notify_free(&hub);
}

TEST_FIBER(notify_free_with_a_watcher_dies)
{
	struct notify *hub = notify_new(loop_current());
	struct eye a;

	watch(&a, hub, 1, 10);
	CHECK_DIES(notify_free(&hub));
	notify_unwatch(hub, &a.w);
	notify_free(&hub);
}
