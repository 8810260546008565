/* Queue items from due to done: expansion, other partitions, other nodes, pauses, expiry, and a
 * partition that refuses. The time of day is the tests' own: moving it makes items due. */
#include "backend/queue/runner.h"

#include "backend/delivery/rewrite.h"

#include <stdatomic.h>
#include <stdio.h>

#include "common/base/clock.h"
#include "tests/lib/moved_clock.h"
#include "tests/unit/backend/delivery/room.h"

#define DAY_US (86400 * 1000000LL)

/* A room with a runner; the other node is played. */
struct works {
	struct room room;
	struct runner *runner;
	struct forward_ways ways;
	struct arena mem;
	struct buf bytes;
	struct due_item items[32];
	/* be2: */
	unsigned asked;
	struct event asked_now;
	enum err answer; /* of the whole, or of each account with E_OK */
	enum err each;
	bool hangs;
	struct event never;
	uint64_t last_account;
};

WAITS static enum err played_remote(void *arg, const char *backend, const struct forward *f)
{
	struct works *w = arg;

	CHECK_STR(backend, "be2");
	w->asked++;
	event_set(&w->asked_now);
	if (w->hangs)
		return event_wait(&w->never, "test.hangs", NO_DEADLINE);
	w->last_account = f->accounts[0].account;
	for (size_t i = 0; i < f->n; i++)
		f->accounts[i].result = w->each;
	return w->answer;
}

WAITS static bool works_open(struct works *w)
{
	*w = (struct works){.answer = E_OK};
	moved_clock_begin();
	arena_init(&w->mem, NULL);
	buf_init(&w->bytes, 4 << 20, NULL);
	event_init(&w->asked_now);
	event_init(&w->never);
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

/* What a message's sender asks for. */
struct wish {
	int64_t release_us, by_us;
	uint32_t by;
};

/* A message for one recipient that goes to the queue of partition 0. */
WAITS static void commit_with(struct works *w, unsigned txid, slice_t token, struct wish wish)
{
	struct room_mail m;
	struct diag d = {""};

	room_mail(&w->room, &m, txid, 0, txid);
	m.msg.release_us = wish.release_us;
	m.msg.by = wish.by;
	m.msg.by_us = wish.by_us;
	room_to(&m, token);
	CHECK_ERR(deliver_commit(&w->room.deliver, &m.msg, &d), E_OK);
	room_mail_fini(&m);
}

WAITS static void commit_one(struct works *w, unsigned txid, slice_t token)
{
	commit_with(w, txid, token, (struct wish){.by = 0});
}

static size_t items(struct works *w)
{
	return room_items(&w->room, 0, w->items, ARRAY_LEN(w->items), &w->bytes);
}

/* The first item's job. */
static struct job first_job(struct works *w)
{
	struct job j = {.kind = JOB_NOTICE};

	CHECK(items(w) >= 1);
	CHECK_ERR(job_unpack(w->items[0].payload, &w->mem, &j), E_OK);
	return j;
}

/* Until the queue of partition 0 has n items, and the first is due at that time or later. */
WAITS static bool until(struct works *w, size_t n, int64_t due_us)
{
	int64_t deadline = deadline_in(20000);

	while (items(w) != n || (n != 0 && w->items[0].due_us < due_us)) {
		if (event_wait(&w->room.queue_changed, "test.queue", deadline) != E_OK) {
			check_note("%zu items", items(w));
			return false;
		}
	}
	return true;
}

WAITS static void move_clock(struct works *w, int64_t us)
{
	moved_clock_add(us);
	if (w->runner != NULL)
		runner_wake(w->runner);
}

static slice_t by_reference(struct works *w, const char *address)
{
	return room_token(&w->room, RCPT_ADDRESS, 0, NULL, 0, address, &w->mem);
}

/* A bounce of what an alias has passed on goes to whom its sender stood for; once. */
TEST_FIBER(runner_returns_a_bounce)
{
	struct room_mail m;
	struct works w;
	struct diag d = {""};
	struct job j;
	slice_t path;

	REQUIRE(works_open(&w));
	CHECK_ERR(rig_alias(&w.room.rig, "away@example.org", DIR_ALIAS, "x@other.test"), E_OK);
	CHECK_ERR(rewrite_sender(w.room.rig.d, SL("sender@elsewhere.test"), SL("away@example.org"),
				 &w.mem, &path),
		  E_OK);
	room_mail(&w.room, &m, 1, 0, 1);
	m.msg.sender = SLICE_NONE;
	room_to(&m, by_reference(&w, arena_str(&w.mem, path)));
	CHECK_ERR(deliver_commit(&w.room.deliver, &m.msg, &d), E_OK);
	room_mail_fini(&m);
	works_start(&w);
	REQUIRE(until(&w, 1, QUEUE_PARKED_US));
	j = first_job(&w);
	CHECK_INT(j.kind, JOB_OUTSIDE);
	CHECK_SLICE(j.address, SL("sender@elsewhere.test"));
	CHECK_INT(j.sender.n, 0);
	works_close(&w);
}

TEST_FIBER(runner_expands_an_address)
{
	struct works w;
	uint64_t a, b, c;
	struct job j;

	REQUIRE(works_open(&w));
	a = room_account(&w.room, "a@example.org", 0, 0);
	b = room_account(&w.room, "b@example.org", 1, 0);
	c = room_account(&w.room, "c@example.org", 2, 0);
	CHECK_ERR(rig_alias(&w.room.rig, "all@example.org", DIR_GROUP,
			    "a@example.org b@example.org c@example.org x@elsewhere.test"),
		  E_OK);
	commit_one(&w, 1, by_reference(&w, "all@example.org"));
	CHECK_INT(items(&w), 1);
	works_start(&w);
	/* What is left is the outside address, which waits for a way out. */
	REQUIRE(until(&w, 1, QUEUE_PARKED_US));
	j = first_job(&w);
	CHECK_INT(j.kind, JOB_OUTSIDE);
	CHECK_SLICE(j.address, SL("x@elsewhere.test"));
	/* A stranger's: nobody but its own servers may send as it. */
	CHECK(slice_starts(j.sender, SL("SRS0=")) &&
	      slice_ends(j.sender, SL("=elsewhere.test=sender@example.org")));
	CHECK_INT(j.naccounts, 0);
	CHECK_INT(j.depth, 1);
	CHECK_INT(room_count(&w.room, 0, a, "INBOX"), 1);
	CHECK_INT(room_count(&w.room, 1, b, "INBOX"), 1);
	CHECK_INT(w.asked, 1);
	CHECK_INT(w.last_account, c);
	CHECK(util_fsck(partitions_get(w.room.parts, 0)));
	CHECK(util_fsck(partitions_get(w.room.parts, 1)));
	works_close(&w);
}

/* Mail to the address for reports is read, beside whoever has that address; nobody hears of it. */
TEST_FIBER(runner_has_reports_read)
{
	static const char *const addresses[] = {"reports@example.org", "Both@Example.ORG"};
	struct works w;
	struct diag d = {""};
	uint64_t a;
	struct job j;

	REQUIRE(works_open(&w));
	a = room_account(&w.room, "both@example.org", 0, 0);
	for (unsigned i = 0; i < ARRAY_LEN(addresses); i++) {
		CHECK_ERR(dir_setting_set(w.room.rig.d, &rig_actor, SL("tlsrpt.read"),
					  slice_str(addresses[i]), &d),
			  E_OK);
		commit_one(&w, 1 + i, by_reference(&w, addresses[i]));
		works_start(&w);
		REQUIRE(until(&w, 1 + i, QUEUE_PARKED_US));
		runner_stop(&w.runner);
		CHECK_INT(room_count(&w.room, 0, a, "INBOX"), i == 0 ? -1 : 1);
		for (size_t k = 0; k < items(&w); k++) {
			CHECK_ERR(job_unpack(w.items[k].payload, &w.mem, &j), E_OK);
			CHECK_INT(j.kind, JOB_OUTSIDE);
			CHECK_SLICE(job_destination(&j), JOB_TLS_REPORTS);
			CHECK_INT(j.sender.n, 0);
			CHECK_INT(j.notify, NOTIFY_NEVER);
			CHECK((j.content & CONTENT_LOSABLE) != 0);
		}
	}
	works_close(&w);
}

/* The bytes of a message that another partition got are those that came. */
TEST_FIBER(runner_copies_the_record)
{
	static const struct uid_range every = {1, UINT32_MAX};
	struct works w;
	uint64_t b;
	struct msg_query q = {.uids = &every, .nuids = 1, .columns = MSG_RECORD | MSG_PREFIX};
	struct msg_slice s;
	struct mbox_row row;
	struct msg_span span;
	struct buf body;

	REQUIRE(works_open(&w));
	b = room_account(&w.room, "b@example.org", 1, 0);
	commit_one(&w, 9, by_reference(&w, "b@example.org"));
	works_start(&w);
	REQUIRE(until(&w, 0, 0));
	CHECK_ERR(mbox_status(partitions_get(w.room.parts, 1), b, SL("INBOX"), &row), E_OK);
	q.account = b;
	q.mailbox = row.id;
	msg_slice_init(&s);
	buf_init(&body, 4096, NULL);
	CHECK_ERR(msg_fetch(partitions_get(w.room.parts, 1), &q, 1, &s), E_OK);
	REQUIRE(s.n == 1);
	CHECK_SLICE(s.prefix[0], SL("Return-Path: <sender@elsewhere.test>\r\nReceived: test\r\n"));
	span = msg_span_blocks(&s.record[0], 0, 0);
	CHECK_ERR(msg_read(partitions_get(w.room.parts, 1), &span, 1, &body), E_OK);
	CHECK_INT(body.n, 500);
	for (size_t i = 0; i < body.n; i++)
		CHECK_INT((unsigned char)body.p[i], util_plain(9, i));
	buf_fini(&body);
	msg_slice_fini(&s);
	works_close(&w);
}

/* Pauses grow as RFC 5321 section 4.5.4.1 asks; nobody who has it gets it twice. */
TEST_FIBER(runner_pauses_and_goes_on)
{
	static const int64_t seconds[] = {2, 3, 5, 10, 30, 60, 300, 900, 1800, 3600, 14400, 14400};
	struct works w;
	uint64_t a;
	struct job j;

	REQUIRE(works_open(&w));
	a = room_account(&w.room, "a@example.org", 0, 0);
	room_account(&w.room, "c@example.org", 2, 0);
	CHECK_ERR(
		rig_alias(&w.room.rig, "all@example.org", DIR_GROUP, "a@example.org c@example.org"),
		E_OK);
	w.answer = E_RETRY;
	commit_one(&w, 1, by_reference(&w, "all@example.org"));
	works_start(&w);
	for (unsigned i = 0; i < ARRAY_LEN(seconds); i++) {
		int64_t due = clock_wall_us() + seconds[i] * 1000000 - 1000000;

		check_note("attempt %u", i + 1);
		REQUIRE(until(&w, 1, due));
		CHECK(w.items[0].due_us <= clock_wall_us() + seconds[i] * 1000000);
		j = first_job(&w);
		CHECK_INT(j.kind, JOB_ACCOUNTS);
		CHECK_INT(j.naccounts, 1);
		CHECK_INT(j.attempts, i + 1);
		CHECK_SLICE(j.last_error, SL("retry"));
		CHECK_INT(w.asked, i + 1);
		move_clock(&w, seconds[i] * 1000000);
	}
	REQUIRE(until(&w, 1, clock_wall_us() + 14000 * 1000000LL));
	w.answer = E_OK;
	move_clock(&w, 14400 * 1000000LL);
	REQUIRE(until(&w, 0, 0));
	CHECK_INT(room_count(&w.room, 0, a, "INBOX"), 1);
	works_close(&w);
}

/* An item whose row somebody changes is left alone meanwhile; the others are not. */
TEST_FIBER(runner_leaves_what_is_claimed)
{
	const struct partition *part;
	struct works w;
	uint64_t a, first;

	REQUIRE(works_open(&w));
	part = partitions_get(w.room.parts, 0);
	a = room_account(&w.room, "a@example.org", 0, 0);
	commit_one(&w, 1, by_reference(&w, "a@example.org"));
	REQUIRE(items(&w) == 1);
	first = w.items[0].id;
	works_start(&w);
	CHECK_ERR(runner_claim(w.runner, part, first), E_OK);
	CHECK_ERR(runner_claim(w.runner, part, first), E_BUSY);
	commit_one(&w, 2, by_reference(&w, "a@example.org"));
	runner_wake(w.runner);
	REQUIRE(until(&w, 1, 0));
	CHECK_INT(w.items[0].id, first);
	CHECK_INT(room_count(&w.room, 0, a, "INBOX"), 1);
	runner_release(w.runner, part, first);
	REQUIRE(until(&w, 0, 0));
	CHECK_INT(room_count(&w.room, 0, a, "INBOX"), 2);
	works_close(&w);
}

TEST_FIBER(runner_keeps_what_it_works_on)
{
	const struct partition *part;
	struct works w;

	REQUIRE(works_open(&w));
	part = partitions_get(w.room.parts, 0);
	room_account(&w.room, "c@example.org", 2, 0);
	w.hangs = true;
	commit_one(&w, 1, by_reference(&w, "c@example.org"));
	works_start(&w);
	REQUIRE(event_wait(&w.asked_now, "test.asked", deadline_in(20000)) == E_OK);
	REQUIRE(items(&w) == 1);
	CHECK_ERR(runner_claim(w.runner, part, w.items[0].id), E_BUSY);
	w.hangs = false;
	event_set(&w.never);
	REQUIRE(until(&w, 0, 0));
	works_close(&w);
}

/* Too old: parked with its accounts, until the sender can be told. By then those who have the
 * message are forgotten, so it is not tried again. */
TEST_FIBER(runner_expires)
{
	struct works w;
	struct job j;

	REQUIRE(works_open(&w));
	room_account(&w.room, "c@example.org", 2, 0);
	w.answer = E_RETRY;
	commit_one(&w, 1, by_reference(&w, "c@example.org"));
	works_start(&w);
	REQUIRE(until(&w, 1, clock_wall_us() + 1000000));
	move_clock(&w, QUEUE_EXPIRE_US - DAY_US);
	REQUIRE(until(&w, 1, clock_wall_us() + 1000000));
	CHECK_INT(first_job(&w).kind, JOB_ACCOUNTS);
	move_clock(&w, DAY_US);
	REQUIRE(until(&w, 1, QUEUE_PARKED_US));
	j = first_job(&w);
	CHECK_INT(j.kind, JOB_NOTICE);
	CHECK_INT(j.naccounts, 1);
	CHECK_SLICE(j.status, SL("5.4.7"));
	CHECK_INT(w.asked, 2);
	works_close(&w);
}

/* Held back for longer than that by its sender: its time begins when it may go. */
TEST_FIBER(runner_waits_for_the_release)
{
	int64_t release_us;
	struct works w;

	REQUIRE(works_open(&w));
	room_account(&w.room, "c@example.org", 2, 0);
	w.answer = E_RETRY;
	release_us = clock_wall_us() + QUEUE_EXPIRE_US + DAY_US;
	commit_with(&w, 1, by_reference(&w, "c@example.org"),
		    (struct wish){.release_us = release_us});
	works_start(&w);
	REQUIRE(until(&w, 1, release_us));
	move_clock(&w, QUEUE_EXPIRE_US);
	CHECK_INT(w.asked, 0);
	move_clock(&w, DAY_US + 1000000);
	REQUIRE(until(&w, 1, release_us + 1000000));
	CHECK_INT(first_job(&w).kind, JOB_ACCOUNTS); /* tried, and not given up */
	CHECK_INT(w.asked, 1);
	w.answer = E_OK;
	move_clock(&w, QUEUE_EXPIRE_US - DAY_US);
	REQUIRE(until(&w, 0, 0));
	works_close(&w);
}

/* RFC 2852: returned when the sender's time is over, to the second; never delivered later. */
TEST_FIBER(runner_returns_by_the_senders_time)
{
	struct wish wish = {.by = BY_RETURN, .by_us = clock_wall_us() + DAY_US / 24};
	struct works w;
	struct job j;

	REQUIRE(works_open(&w));
	room_account(&w.room, "c@example.org", 2, 0);
	w.answer = E_RETRY;
	commit_with(&w, 1, by_reference(&w, "c@example.org"), wish);
	works_start(&w);
	REQUIRE(until(&w, 1, clock_wall_us() + 1000000));
	move_clock(&w, DAY_US / 24 - 60 * 1000000LL);
	REQUIRE(until(&w, 1, clock_wall_us() + 2000000));
	CHECK(w.items[0].due_us <= wish.by_us);
	w.answer = E_OK;
	move_clock(&w, 61 * 1000000LL);
	REQUIRE(until(&w, 1, QUEUE_PARKED_US));
	j = first_job(&w);
	CHECK_INT(j.kind, JOB_NOTICE);
	CHECK_INT(j.action, JOB_FAILED);
	CHECK_SLICE(j.status, SL("5.4.7"));
	CHECK_INT(w.asked, 2);
	works_close(&w);
}

/* ... or told, once, and tried on. */
TEST_FIBER(runner_tells_by_the_senders_time)
{
	struct wish wish = {.by = BY_NOTIFY, .by_us = clock_wall_us() + DAY_US / 24};
	struct works w;
	struct job j;

	REQUIRE(works_open(&w));
	room_account(&w.room, "c@example.org", 2, 0);
	w.answer = E_RETRY;
	commit_with(&w, 1, by_reference(&w, "c@example.org"), wish);
	works_start(&w);
	REQUIRE(until(&w, 1, clock_wall_us() + 1000000));
	move_clock(&w, DAY_US / 24);
	REQUIRE(until(&w, 2, clock_wall_us() + 1000000));
	CHECK(first_job(&w).warned);
	CHECK_ERR(job_unpack(w.items[1].payload, &w.mem, &j), E_OK);
	CHECK_INT(w.items[1].due_us, QUEUE_PARKED_US);
	CHECK_INT(j.kind, JOB_NOTICE);
	CHECK_INT(j.action, JOB_DELAYED);
	CHECK_INT(j.notice_us, wish.by_us);
	w.answer = E_OK;
	move_clock(&w, DAY_US / 24);
	REQUIRE(until(&w, 1, QUEUE_PARKED_US));
	CHECK_INT(first_job(&w).action, JOB_DELAYED);
	works_close(&w);
}

/* Older than that, but never tried: the node was away. */
TEST_FIBER(runner_tries_at_least_once)
{
	struct works w;
	uint64_t a;

	REQUIRE(works_open(&w));
	a = room_account(&w.room, "a@example.org", 0, 0);
	commit_one(&w, 1, by_reference(&w, "a@example.org"));
	move_clock(&w, QUEUE_EXPIRE_US + DAY_US);
	works_start(&w);
	REQUIRE(until(&w, 0, 0));
	CHECK_INT(room_count(&w.room, 0, a, "INBOX"), 1);
	works_close(&w);
}

/* A whole call that failed with "not found" (its message was lost with a link) says nothing of the
 * account: it goes on later. Only the account's own result ends it. */
TEST_FIBER(runner_not_found_of_the_message_is_no_end)
{
	struct works w;

	REQUIRE(works_open(&w));
	room_account(&w.room, "c@example.org", 2, 0);
	w.answer = E_NOT_FOUND;
	commit_one(&w, 1, by_reference(&w, "c@example.org"));
	works_start(&w);
	REQUIRE(until(&w, 1, clock_wall_us() + 1000000));
	CHECK_INT(first_job(&w).naccounts, 1);
	w.answer = E_OK;
	w.each = E_NOT_FOUND;
	move_clock(&w, 60 * 1000000);
	REQUIRE(until(&w, 1, QUEUE_PARKED_US));
	CHECK_INT(first_job(&w).kind, JOB_NOTICE);
	CHECK_INT(w.asked, 2);
	works_close(&w);
}

WAITS static void expunge_all(struct works *w, uint64_t account)
{
	struct partition *p = partitions_get(w->room.parts, 0);
	struct change_expunge c;

	CHECK_ERR(util_flags(p, account, 1, 1, UINT32_MAX, FLAGS_ADD, STORE_DELETED), E_OK);
	change_expunge_init(&c);
	c.account = account;
	c.mailbox = 1;
	CHECK_ERR(store_change(p, &c.change), E_OK);
	change_expunge_fini(&c);
}

/* What a commit refused beside others is delivered, once, when there is room; the account that was
 * named as a member of a group and on its own waits once. A late retry finds it done. */
TEST_FIBER(runner_delivers_what_was_refused)
{
	struct works w;
	uint64_t v[2];
	struct room_mail m;
	struct diag d = {""};

	REQUIRE(works_open(&w));
	v[0] = room_account(&w.room, "a@example.org", 0, 0);
	v[1] = room_account(&w.room, "full@example.org", 0, 2);
	for (unsigned i = 1; i <= 2; i++)
		CHECK_ERR(util_deliver(partitions_get(w.room.parts, 0), v[1], "", i, 500).e, E_OK);
	room_mail(&w.room, &m, 1, 0, 9);
	room_to(&m, room_token(&w.room, RCPT_ACCOUNTS, 0, v, 2, "all@example.org", &w.mem));
	room_to(&m, room_token(&w.room, RCPT_ACCOUNTS, 0, v + 1, 1, "full@example.org", &w.mem));
	CHECK_ERR(deliver_commit(&w.room.deliver, &m.msg, &d), E_OK);
	CHECK_INT(items(&w), 1);
	works_start(&w);
	move_clock(&w, DELIVER_SETTLE_US);
	REQUIRE(until(&w, 1, clock_wall_us() + 1000000)); /* tried, and put off */
	CHECK_SLICE(first_job(&w).last_error, SL("quota"));
	expunge_all(&w, v[1]);
	move_clock(&w, 60 * 1000000);
	REQUIRE(until(&w, 0, 0));
	CHECK_INT(room_count(&w.room, 0, v[0], "INBOX"), 1);
	CHECK_INT(room_count(&w.room, 0, v[1], "INBOX"), 1);
	CHECK_ERR(deliver_commit(&w.room.deliver, &m.msg, &d), E_OK);
	CHECK_ERR(m.rcpts[0].result, E_OK);
	CHECK_ERR(m.rcpts[1].result, E_OK);
	CHECK_INT(items(&w), 0);
	CHECK_INT(room_count(&w.room, 0, v[0], "INBOX"), 1);
	CHECK_INT(room_count(&w.room, 0, v[1], "INBOX"), 1);
	room_mail_fini(&m);
	CHECK(util_fsck(partitions_get(w.room.parts, 0)));
	works_close(&w);
}

/* Who has the message by a name of their own does not get it again from the queue as a member of a
 * group, in this partition or in another one. */
TEST_FIBER(runner_group_beside_its_members)
{
	struct works w;
	struct room_mail m;
	struct diag d = {""};
	uint64_t a, b;

	REQUIRE(works_open(&w));
	a = room_account(&w.room, "a@example.org", 0, 0);
	b = room_account(&w.room, "b@example.org", 1, 0);
	CHECK_ERR(
		rig_alias(&w.room.rig, "all@example.org", DIR_GROUP, "a@example.org b@example.org"),
		E_OK);
	for (uint32_t p = 0; p < 2; p++) { /* as the front-end does: the lead, then the other */
		room_mail(&w.room, &m, 1, p, 1);
		room_to(&m, room_token(&w.room, RCPT_ACCOUNTS, p, p == 0 ? &a : &b, 1,
				       p == 0 ? "a@example.org" : "b@example.org", &w.mem));
		if (p == 0)
			room_to(&m, by_reference(&w, "all@example.org"));
		CHECK_ERR(deliver_commit(&w.room.deliver, &m.msg, &d), E_OK);
		room_mail_fini(&m);
	}
	CHECK_INT(items(&w), 1);
	works_start(&w);
	REQUIRE(until(&w, 0, 0));
	CHECK_INT(room_count(&w.room, 0, a, "INBOX"), 1);
	CHECK_INT(room_count(&w.room, 1, b, "INBOX"), 1);
	CHECK(util_fsck(partitions_get(w.room.parts, 0)));
	CHECK(util_fsck(partitions_get(w.room.parts, 1)));
	works_close(&w);
}

/* A member of a group that is gone, beside one that has the message, is no member any more. */
TEST_FIBER(runner_forgets_a_member_beside_others)
{
	struct works w;
	struct diag d = {""};
	uint64_t v[2];
	struct room_mail m;

	REQUIRE(works_open(&w));
	v[0] = room_account(&w.room, "a@example.org", 1, 0);
	v[1] = room_account(&w.room, "gone@example.org", 1, 0);
	room_mail(&w.room, &m, 1, 0, 9);
	room_other(&m, room_token(&w.room, RCPT_ACCOUNTS, 1, v, 2, "all@example.org", &w.mem));
	room_to(&m, by_reference(&w, "a@example.org"));
	CHECK_ERR(deliver_commit(&w.room.deliver, &m.msg, &d), E_OK);
	room_mail_fini(&m);
	CHECK_ERR(dir_account_remove(w.room.rig.d, &rig_actor, SL("gone@example.org"), &d), E_OK);
	works_start(&w);
	move_clock(&w, DELIVER_SETTLE_US);
	REQUIRE(until(&w, 0, 0));
	CHECK_INT(room_count(&w.room, 1, v[0], "INBOX"), 1);
	works_close(&w);
}

/* An address that is not there any more when its turn comes: it was accepted, so its sender is to
 * hear of it. */
TEST_FIBER(runner_nobody_left)
{
	struct works w;
	struct diag d = {""};
	slice_t token;
	struct job j;

	REQUIRE(works_open(&w));
	room_account(&w.room, "a@example.org", 0, 0);
	token = by_reference(&w, "a@example.org");
	commit_one(&w, 1, token);
	CHECK_ERR(dir_account_remove(w.room.rig.d, &rig_actor, SL("a@example.org"), &d), E_OK);
	works_start(&w);
	REQUIRE(until(&w, 1, QUEUE_PARKED_US));
	j = first_job(&w);
	CHECK_INT(j.kind, JOB_NOTICE);
	CHECK_SLICE(j.address, SL("a@example.org"));
	CHECK_SLICE(j.status, SL("5.1.1"));
	CHECK(w.items[0].record_no != 0);
	works_close(&w);
}

/* The lead's item is left to the front-end at first, then delivered to the other owner. */
TEST_FIBER(runner_takes_over_from_the_front_end)
{
	struct works w;
	uint64_t a, b;
	struct room_mail m;
	struct diag d = {""};

	REQUIRE(works_open(&w));
	a = room_account(&w.room, "a@example.org", 0, 0);
	b = room_account(&w.room, "b@example.org", 1, 0);
	works_start(&w);
	room_mail(&w.room, &m, 1, 0, 1);
	room_to(&m, room_token(&w.room, RCPT_ACCOUNTS, 0, &a, 1, "a@example.org", &w.mem));
	room_other(&m, room_token(&w.room, RCPT_ACCOUNTS, 1, &b, 1, "b@example.org", &w.mem));
	CHECK_ERR(deliver_commit(&w.room.deliver, &m.msg, &d), E_OK);
	room_mail_fini(&m);
	REQUIRE(until(&w, 1, clock_wall_us() + DELIVER_SETTLE_US / 2));
	CHECK_INT(room_count(&w.room, 1, b, "INBOX"), -1);
	move_clock(&w, DELIVER_SETTLE_US);
	REQUIRE(until(&w, 0, 0));
	CHECK_INT(room_count(&w.room, 1, b, "INBOX"), 1);
	CHECK_INT(room_count(&w.room, 0, a, "INBOX"), 1);
	works_close(&w);
}

/* Wakes the runner as the back-end does. */
static struct works *woken;

static void wake_woken(uint32_t partition UNUSED, void *arg)
{
	struct room *r = arg;

	event_set(&r->queue_changed);
	if (woken != NULL && woken->runner != NULL)
		runner_wake(woken->runner);
}

/* A partition with an item, made elsewhere: in the place where this node's partition 3 will be. */
WAITS static void plant_partition(struct works *w, uint64_t account)
{
	struct job j = {.kind = JOB_ACCOUNTS,
			.origin = SL("frontend/fe9/smtp"),
			.accounts = &account,
			.naccounts = 1,
			.address = SL("a@example.org"),
			.first_us = clock_wall_us()};
	struct queue_add item = {.key = SL("moved"), .payload = job_pack(&j, &w->mem), .due_us = 1};
	struct change_deliver c;
	struct partition_conf conf;
	struct util_summary u;
	struct partition *p;
	struct stage *s;
	char dir[300];

	(void)snprintf(dir, sizeof dir, "%s/p0003", check_tmpdir());
	conf = util_conf(dir);
	conf.id = 3;
	p = util_open(&conf);
	REQUIRE(p != NULL);
	s = util_stage(p, 4, 500);
	util_summary(&u, 4, 500);
	change_deliver_init(&c);
	c.record = s;
	c.summary = &u.s;
	c.items = &item;
	c.nitems = 1;
	CHECK_ERR(store_change(p, &c.change), E_OK);
	stage_free(&s);
	partition_close(&p);
}

/* What waits in a partition that this node is given later is taken up at once. */
TEST_FIBER(runner_looks_at_a_new_partition)
{
	struct works w;
	struct diag d = {""};
	int64_t deadline;
	uint64_t a;

	room_on_queue = wake_woken;
	REQUIRE(works_open(&w));
	a = room_account(&w.room, "a@example.org", 1, 0);
	plant_partition(&w, a);
	woken = &w;
	works_start(&w);
	CHECK_ERR(dir_partition_assign(w.room.rig.d, &rig_actor, 3, SL("be1"), &d), E_OK);
	deadline = deadline_in(20000);
	while (room_count(&w.room, 1, a, "INBOX") != 1 &&
	       event_wait(&w.room.queue_changed, "test.queue", deadline) == E_OK)
		;
	CHECK_INT(room_count(&w.room, 1, a, "INBOX"), 1);
	woken = NULL;
	room_on_queue = NULL;
	works_close(&w);
}

/* Bytes that are no job are put aside, and hold up nothing. */
TEST_FIBER(runner_bad_item)
{
	struct works w;
	struct change_deliver c;
	struct queue_add item = {.key = SL("bad"), .payload = SL("\xff\xff"), .due_us = 1};
	struct util_summary u;
	struct stage *s;
	uint64_t a;

	REQUIRE(works_open(&w));
	a = room_account(&w.room, "a@example.org", 0, 0);
	s = util_stage(partitions_get(w.room.parts, 0), 4, 500);
	util_summary(&u, 4, 500);
	change_deliver_init(&c);
	c.record = s;
	c.summary = &u.s;
	c.items = &item;
	c.nitems = 1;
	CHECK_ERR(store_change(partitions_get(w.room.parts, 0), &c.change), E_OK);
	stage_free(&s);
	commit_one(&w, 1, by_reference(&w, "a@example.org"));
	CHECK_INT(items(&w), 2);
	works_start(&w);
	REQUIRE(until(&w, 1, QUEUE_PARKED_US));
	CHECK_SLICE(w.items[0].payload, SL("\xff\xff"));
	CHECK_INT(room_count(&w.room, 0, a, "INBOX"), 1);
	works_close(&w);
}

/* More than are worked on at a time. */
TEST_FIBER(runner_many)
{
	enum { N = RUNNER_AT_ONCE + 5 };
	struct works w;
	uint64_t a;

	REQUIRE(works_open(&w));
	a = room_account(&w.room, "a@example.org", 0, 0);
	for (unsigned i = 1; i <= N; i++)
		commit_one(&w, i, by_reference(&w, "a@example.org"));
	CHECK_INT(items(&w), N);
	works_start(&w);
	REQUIRE(until(&w, 0, 0));
	CHECK_INT(room_count(&w.room, 0, a, "INBOX"), N);
	works_close(&w);
}

/* Stopping ends an item that waits for another node; it is there afterwards. */
TEST_FIBER(runner_stops_in_the_middle)
{
	struct works w;

	REQUIRE(works_open(&w));
	room_account(&w.room, "c@example.org", 2, 0);
	w.hangs = true;
	commit_one(&w, 1, by_reference(&w, "c@example.org"));
	works_start(&w);
	CHECK_ERR(event_wait(&w.asked_now, "test.asked", deadline_in(20000)), E_OK);
	runner_stop(&w.runner);
	CHECK(w.runner == NULL);
	CHECK_INT(items(&w), 1);
	w.hangs = false;
	works_start(&w);
	move_clock(&w, 60 * 1000000);
	REQUIRE(until(&w, 0, 0));
	works_close(&w);
}

/* ---- a partition that takes no changes ---- */

static atomic_int to_refuse; /* so many groups; -1: all */
static atomic_uint refused;

static enum err refuse(void *arg UNUSED, uint64_t seq UNUSED, slice_t op UNUSED,
		       struct stage *record UNUSED)
{
	int n = atomic_load(&to_refuse);

	if (n == 0)
		return E_OK;
	if (n > 0)
		atomic_store(&to_refuse, n - 1);
	atomic_fetch_add(&refused, 1);
	return E_IO;
}

/* An item that cannot even be put off is not taken up again at once, without end. */
TEST_FIBER(runner_leaves_a_failing_partition_in_peace)
{
	struct works w;

	REQUIRE(works_open(&w));
	room_account(&w.room, "c@example.org", 2, 0);
	atomic_store(&refused, 0);
	partition_sink(partitions_get(w.room.parts, 0), refuse, NULL);
	commit_one(&w, 1, by_reference(&w, "c@example.org"));
	atomic_store(&to_refuse, -1);
	works_start(&w);
	CHECK_ERR(event_wait(&w.asked_now, "test.asked", deadline_in(20000)), E_OK);
	(void)fiber_sleep("test.spin", 300);
	CHECK(atomic_load(&refused) <= 2);
	CHECK(w.asked <= 2);
	atomic_store(&to_refuse, 0);
	runner_wake(w.runner);
	REQUIRE(until(&w, 0, 0));
	works_close(&w);
}

/* All but what is for the member elsewhere. */
static enum err refuse_others(void *arg, uint64_t seq, slice_t op, struct stage *record)
{
	static const char member[] = "x@elsewhere.test";

	return memmem(op.p, op.n, member, sizeof member - 1) != NULL ? E_OK
								     : refuse(arg, seq, op, record);
}

/* As the way out does when it is sent. */
WAITS static void remove_outside(struct works *w)
{
	struct change_queue c;

	for (size_t i = 0, n = items(w); i < n; i++) {
		struct queue_edit edit = {.what = QUEUE_REMOVE, .id = w->items[i].id};
		struct job j;

		CHECK_ERR(job_unpack(w->items[i].payload, &w->mem, &j), E_OK);
		if (j.kind != JOB_OUTSIDE)
			continue;
		change_queue_init(&c);
		c.edits = &edit;
		c.n = 1;
		CHECK_ERR(store_change(partitions_get(w->room.parts, 0), &c.change), E_OK);
	}
}

/* A member elsewhere has an item of its own, and that of the alias cannot be removed, as after a
 * crash between the two; another runner expands it again. The member is not written to twice,
 * whether the first was sent meanwhile or not. */
WAITS static void expand_twice(size_t sent)
{
	struct works w;

	REQUIRE(works_open(&w));
	CHECK_ERR(rig_alias(&w.room.rig, "far@example.org", DIR_GROUP, "x@elsewhere.test"), E_OK);
	atomic_store(&to_refuse, 0);
	partition_sink(partitions_get(w.room.parts, 0), refuse_others, NULL);
	commit_one(&w, 1, by_reference(&w, "far@example.org"));
	atomic_store(&refused, 0);
	atomic_store(&to_refuse, -1);
	works_start(&w);
	REQUIRE(until(&w, 2, 0));
	runner_stop(&w.runner);
	CHECK(atomic_load(&refused) >= 1);
	atomic_store(&to_refuse, 0);
	if (sent == 1)
		remove_outside(&w);
	CHECK_INT(items(&w), 2 - sent);
	works_start(&w);
	move_clock(&w, 60 * 1000000);
	REQUIRE(until(&w, 1 - sent, 0));
	if (sent == 0)
		CHECK_INT(first_job(&w).kind, JOB_OUTSIDE);
	works_close(&w);
}

TEST_FIBER(runner_outside_is_not_doubled)
{
	expand_twice(0);
}

TEST_FIBER(runner_outside_is_not_sent_twice)
{
	expand_twice(1);
}

/* The outside address' own item was refused: the address is not forgotten. */
TEST_FIBER(runner_outside_is_not_forgotten)
{
	struct works w;
	uint64_t a;

	REQUIRE(works_open(&w));
	a = room_account(&w.room, "a@example.org", 1, 0);
	CHECK_ERR(rig_alias(&w.room.rig, "both@example.org", DIR_GROUP,
			    "a@example.org x@elsewhere.test"),
		  E_OK);
	partition_sink(partitions_get(w.room.parts, 0), refuse, NULL);
	commit_one(&w, 1, by_reference(&w, "both@example.org"));
	atomic_store(&refused, 0);
	atomic_store(&to_refuse, 1);
	works_start(&w);
	REQUIRE(until(&w, 1, clock_wall_us() + 1000000));
	CHECK_INT(atomic_load(&refused), 1);
	CHECK_INT(first_job(&w).kind, JOB_EXPAND);
	move_clock(&w, 60 * 1000000);
	REQUIRE(until(&w, 1, QUEUE_PARKED_US));
	CHECK_INT(first_job(&w).kind, JOB_OUTSIDE);
	CHECK_INT(room_count(&w.room, 1, a, "INBOX"), 1);
	works_close(&w);
}
