/* NOTIFY=SUCCESS through the queue: the notice lies beside the copy, or tells of an expansion, once
 * however often the runner tries. The time of day is the tests' own: moving it makes items due. */
#include "backend/queue/runner.h"

#include "common/base/clock.h"
#include "tests/lib/moved_clock.h"
#include "tests/unit/backend/delivery/room.h"

/* A room with a runner of its queues; the other node is played. */
struct works {
	struct room room;
	struct runner *runner;
	struct forward_ways ways;
	struct arena mem;
	struct buf bytes;
	struct due_item items[8];
	/* be2: */
	enum err answer;
	uint32_t last_notify;
};

WAITS static enum err played_remote(void *arg, const char *backend, const struct forward *f)
{
	struct works *w = arg;

	CHECK_STR(backend, "be2");
	w->last_notify = f->job->notify;
	for (size_t i = 0; i < f->n; i++)
		f->accounts[i].result = E_OK;
	return w->answer;
}

WAITS static bool works_open(struct works *w)
{
	*w = (struct works){.answer = E_OK};
	moved_clock_begin();
	arena_init(&w->mem, NULL);
	buf_init(&w->bytes, 4 << 20, NULL);
	if (!room_open(&w->room))
		return false;
	w->ways = (struct forward_ways){
		.deliver = &w->room.deliver, .remote = played_remote, .arg = w};
	return true;
}

WAITS static void works_close(struct works *w)
{
	runner_stop(&w->runner);
	arena_reset(&w->mem);
	buf_fini(&w->bytes);
	room_close(&w->room);
	moved_clock_end();
}

static void works_start(struct works *w)
{
	CHECK_ERR(runner_start(&w->ways, NULL, NULL, &w->runner), E_OK);
}

/* A message that the queue of partition 0 takes for an address; the runner looks, if it runs. */
WAITS static void submit(struct works *w, unsigned txid, const char *address, uint32_t notify)
{
	struct room_mail m;
	struct diag d = {""};

	room_mail(&w->room, &m, txid, 0, txid);
	m.msg.envid = SL("abc");
	room_to(&m, room_token(&w->room, RCPT_ADDRESS, 0, NULL, 0, address, &w->mem));
	m.rcpts[0].notify = notify;
	m.rcpts[0].orcpt = SL("rfc822;x@elsewhere.test");
	CHECK_ERR(deliver_commit(&w->room.deliver, &m.msg, &d), E_OK);
	room_mail_fini(&m);
	if (w->runner != NULL)
		runner_wake(w->runner);
}

static size_t items(struct works *w, uint32_t partition)
{
	return room_items(&w->room, partition, w->items, ARRAY_LEN(w->items), &w->bytes);
}

static struct job job_at(struct works *w, size_t i)
{
	struct job j = {.kind = JOB_BAD};

	CHECK_ERR(job_unpack(w->items[i].payload, &w->mem, &j), E_OK);
	return j;
}

/* The job in the queue of a partition that holds one, or a JOB_BAD. */
static struct job only_job(struct works *w, uint32_t partition)
{
	size_t n = items(w, partition);

	CHECK_INT(n, 1);
	return n == 1 ? job_at(w, 0) : (struct job){.kind = JOB_BAD};
}

/* Until the queue of partition 0 has n items, and the first is due at that time or later. */
WAITS static bool until(struct works *w, size_t n, int64_t due_us)
{
	int64_t deadline = deadline_in(20000);

	while (items(w, 0) != n || (n != 0 && w->items[0].due_us < due_us)) {
		if (event_wait(&w->room.queue_changed, "test.queue", deadline) != E_OK) {
			check_note("%zu items", items(w, 0));
			return false;
		}
	}
	return true;
}

static void move_clock(struct works *w, int64_t us)
{
	moved_clock_add(us);
	runner_wake(w->runner);
}

/* What is to be told of a success lies where the copy does, whichever way that took. */
TEST_FIBER(run_success_lies_by_the_copy)
{
	static const char *const addresses[] = {"a@example.org", "info@example.org"};
	struct works w;
	uint64_t a;
	struct job j;

	REQUIRE(works_open(&w));
	a = room_account(&w.room, "a@example.org", 1, 0);
	CHECK_ERR(rig_alias(&w.room.rig, "info@example.org", DIR_ALIAS, "a@example.org"), E_OK);
	works_start(&w);
	for (unsigned i = 0; i < ARRAY_LEN(addresses); i++) {
		submit(&w, 1 + i, addresses[i], NOTIFY_SUCCESS);
		REQUIRE(until(&w, 0, 0));
	}
	CHECK_INT(room_count(&w.room, 1, a, "INBOX"), 2);
	CHECK_INT(items(&w, 1), 2);
	for (unsigned i = 0; i < ARRAY_LEN(addresses); i++) {
		CHECK_INT(w.items[i].due_us, QUEUE_PARKED_US);
		CHECK(w.items[i].record_no != 0);
		j = job_at(&w, i);
		CHECK_INT(j.kind, JOB_NOTICE);
		CHECK_INT(j.action, JOB_DELIVERED);
		CHECK_SLICE(j.address, slice_str(addresses[i]));
		CHECK_SLICE(j.envid, SL("abc"));
		CHECK_SLICE(j.orcpt, SL("rfc822;x@elsewhere.test"));
	}
	CHECK(util_fsck(partitions_get(w.room.parts, 1)));
	works_close(&w);
}

/* Another owner had taken it, and told of it, when the lead's queue came to it. */
TEST_FIBER(run_success_once)
{
	struct works w;
	struct room_mail m;
	struct diag d = {""};
	uint64_t a;

	REQUIRE(works_open(&w));
	a = room_account(&w.room, "a@example.org", 1, 0);
	room_mail(&w.room, &m, 1, 1, 1);
	room_to(&m, room_token(&w.room, RCPT_ACCOUNTS, 1, &a, 1, "a@example.org", &w.mem));
	m.rcpts[0].notify = NOTIFY_SUCCESS;
	m.msg.leads = false;
	CHECK_ERR(deliver_commit(&w.room.deliver, &m.msg, &d), E_OK);
	room_mail_fini(&m);
	CHECK_INT(only_job(&w, 1).action, JOB_DELIVERED);
	/* The lead's: of the same transaction, with only that recipient of another's. */
	submit(&w, 1, "a@example.org", NOTIFY_SUCCESS);
	works_start(&w);
	REQUIRE(until(&w, 0, 0));
	CHECK_INT(room_count(&w.room, 1, a, "INBOX"), 1);
	CHECK_INT(only_job(&w, 1).action, JOB_DELIVERED);
	works_close(&w);
}

/* A full mailbox has no success until it has room; then it has, once. */
TEST_FIBER(run_success_late)
{
	struct works w;
	struct diag d = {""};
	uint64_t a;

	REQUIRE(works_open(&w));
	a = room_account(&w.room, "a@example.org", 1, 1);
	CHECK_ERR(util_deliver(partitions_get(w.room.parts, 1), a, "", 1, 500).e, E_OK);
	submit(&w, 1, "a@example.org", NOTIFY_SUCCESS);
	works_start(&w);
	REQUIRE(until(&w, 1, clock_wall_us() + 1000000));
	CHECK_INT(items(&w, 1), 0);
	CHECK_ERR(dir_account_quota(w.room.rig.d, &rig_actor, SL("a@example.org"), 0, 0, &d), E_OK);
	move_clock(&w, 3 * 1000000);
	REQUIRE(until(&w, 0, 0));
	CHECK_INT(room_count(&w.room, 1, a, "INBOX"), 2);
	CHECK_INT(only_job(&w, 1).action, JOB_DELIVERED);
	works_close(&w);
}

/* An address that turns out to have several behind it: "expanded", once, whatever is tried again;
 * each of them goes on without the wish. */
TEST_FIBER(run_expansion_once)
{
	struct works w;
	struct job j;
	unsigned notices = 0, outside = 0;

	REQUIRE(works_open(&w));
	room_account(&w.room, "a@example.org", 0, 0);
	room_account(&w.room, "c@example.org", 2, 0);
	CHECK_ERR(rig_alias(&w.room.rig, "all@example.org", DIR_GROUP,
			    "a@example.org c@example.org x@elsewhere.test"),
		  E_OK);
	w.answer = E_RETRY;
	submit(&w, 1, "all@example.org", NOTIFY_SUCCESS | NOTIFY_FAILURE);
	works_start(&w);
	REQUIRE(until(&w, 3, clock_wall_us()));
	CHECK_INT(w.last_notify, NOTIFY_FAILURE);
	move_clock(&w, 2 * 1000000);
	REQUIRE(until(&w, 3, clock_wall_us()));
	w.answer = E_OK;
	move_clock(&w, 3 * 1000000);
	REQUIRE(until(&w, 2, 0));
	CHECK_INT(w.last_notify, NOTIFY_FAILURE);
	for (size_t i = 0; i < 2; i++) {
		j = job_at(&w, i);
		if (j.kind == JOB_NOTICE) {
			notices++;
			CHECK_INT(j.action, JOB_EXPANDED);
			CHECK_SLICE(j.address, SL("all@example.org"));
		} else {
			outside++;
			CHECK_INT(j.kind, JOB_OUTSIDE);
			CHECK_INT(j.notify, NOTIFY_FAILURE);
		}
	}
	CHECK_INT(notices, 1);
	CHECK_INT(outside, 1);
	works_close(&w);
}

/* A single address elsewhere: its server is asked, or tells no more (RFC 3461 section 5.2.7.2). */
TEST_FIBER(run_success_passed_on)
{
	struct works w;
	struct job j;

	REQUIRE(works_open(&w));
	room_account(&w.room, "c@example.org", 2, 0);
	CHECK_ERR(rig_alias(&w.room.rig, "away@example.org", DIR_ALIAS, "x@other.test"), E_OK);
	works_start(&w);
	submit(&w, 1, "c@example.org", NOTIFY_SUCCESS);
	REQUIRE(until(&w, 0, 0));
	CHECK_INT(w.last_notify, NOTIFY_SUCCESS); /* the other node tells */
	submit(&w, 2, "away@example.org", NOTIFY_SUCCESS);
	REQUIRE(until(&w, 1, QUEUE_PARKED_US));
	j = only_job(&w, 0);
	CHECK_INT(j.kind, JOB_OUTSIDE);
	CHECK_INT(j.notify, NOTIFY_SUCCESS);
	CHECK_SLICE(j.envid, SL("abc"));
	CHECK_SLICE(j.orcpt, SL("rfc822;x@elsewhere.test"));
	works_close(&w);
}

/* What a worker reads has arrived, too. */
TEST_FIBER(run_success_of_a_report)
{
	struct works w;
	struct diag d = {""};
	struct job j;
	unsigned notices = 0;

	REQUIRE(works_open(&w));
	CHECK_ERR(dir_setting_set(w.room.rig.d, &rig_actor, SL("tlsrpt.read"),
				  SL("reports@example.org"), &d),
		  E_OK);
	submit(&w, 1, "reports@example.org", NOTIFY_SUCCESS);
	works_start(&w);
	REQUIRE(until(&w, 2, QUEUE_PARKED_US));
	for (size_t i = 0; i < 2; i++) {
		j = job_at(&w, i);
		notices += j.kind == JOB_NOTICE && j.action == JOB_DELIVERED;
	}
	CHECK_INT(notices, 1);
	works_close(&w);
}
