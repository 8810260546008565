/* Alerts: one job for each account and hour, whom it is for, and that it does not stay when nobody
 * can be told. */
#include <stdio.h>

#include "backend/queue/outbound_priv.h"
#include "common/base/clock.h"
#include "tests/unit/backend/queue/works.h"

/* Early in an hour of the day, so that what follows does not meet the next one by chance. */
static void begin_an_hour(struct works *w)
{
	works_move_clock(w, HOUR_US - clock_wall_us() % HOUR_US + MINUTE_US);
}

static void alarm_of(struct works *w, uint64_t account, const char *why)
{
	struct dir_account a = {.id = account};

	outbound_alarm(&a, slice_str(why), w->o);
}

/* All alarms have become what they will. */
WAITS static bool all_queued(const struct works *w)
{
	int64_t until = deadline_in(10000);

	while (!list_empty(&w->o->alerts) && deadline_in(0) < until)
		fiber_yield();
	return list_empty(&w->o->alerts);
}

/* Mail goes out until nothing else is left in the queue's memory: who takes has no other way to
 * wait for what is handed out to nobody. */
WAITS static bool send_past(struct works *w)
{
	static unsigned txid = 1000;
	struct mail mail = {0, 0, NULL, {"y@elsewhere.test"}, 0};

	for (unsigned i = 0; i < 10; i++) {
		const struct outbound_job *j;

		mail.txid = ++txid;
		works_submit(w, &mail);
		j = works_take(w);
		if (j == NULL || j->n != 1 || !slice_eq(j->jobs[0].address, SL("y@elsewhere.test")))
			return false;
		CHECK_ERR(works_tell(w, j, OUTBOUND_TRIED, "2.0.0", "250 ok"), E_OK);
		if (sched_count(outbound_sched(w->o)) == 0)
			return true;
	}
	return false;
}

/* The next job is the account's alert, and is told. */
WAITS static bool is_told(struct works *w, const char *to, const char *address, const char *why)
{
	const struct outbound_job *j = works_take(w);

	if (j == NULL || j->lease.kind != LEASE_NOTICE || j->n != 1 ||
	    j->jobs[0].action != JOB_ALERT)
		return false;
	CHECK_SLICE(j->jobs[0].sender, slice_str(to));
	CHECK_SLICE(j->jobs[0].address, slice_str(address));
	CHECK_SLICE(j->jobs[0].last_error, slice_str(why));
	CHECK_INT(j->targets.n, 1);
	CHECK_INT(j->record.plain_size, 0);
	return works_tell(w, j, OUTBOUND_TRIED, "2.0.0", "") == E_OK;
}

TEST_FIBER(alert_once_an_hour)
{
	struct works w;
	uint64_t alice, bob;

	REQUIRE(works_open(&w));
	begin_an_hour(&w);
	alice = room_account(&w.room, "alice@example.org", 0, 0);
	bob = room_account(&w.room, "bob@example.org", 0, 0);
	REQUIRE(room_account(&w.room, "keeper@example.org", 1, 0) != 0);
	REQUIRE(works_restart(&w, "alert.to=Keeper@example.org"));
	alarm_of(&w, alice, "too many");
	CHECK(is_told(&w, "keeper@example.org", "alice@example.org", "too many"));
	CHECK_INT(works_items(&w), 0);
	alarm_of(&w, alice, "again");
	alarm_of(&w, bob, "he, too");
	CHECK(is_told(&w, "keeper@example.org", "bob@example.org", "he, too"));
	CHECK_INT(works_items(&w), 0);
	/* A restart does not forget it. */
	REQUIRE(works_restart(&w, NULL));
	alarm_of(&w, alice, "again");
	CHECK(all_queued(&w));
	CHECK_INT(works_items(&w), 0);
	works_move_clock(&w, HOUR_US);
	alarm_of(&w, alice, "later");
	CHECK(is_told(&w, "keeper@example.org", "alice@example.org", "later"));
	works_close(&w);
}

/* Two are two mails. */
TEST_FIBER(alert_of_each)
{
	struct works w;
	uint64_t alice, bob;

	REQUIRE(works_open(&w));
	alice = room_account(&w.room, "alice@example.org", 0, 0);
	bob = room_account(&w.room, "bob@example.org", 0, 0);
	REQUIRE(room_account(&w.room, "postmaster@example.org", 0, 0) != 0);
	alarm_of(&w, alice, "a");
	alarm_of(&w, bob, "b");
	CHECK(all_queued(&w));
	CHECK_INT(works_items(&w), 2);
	for (size_t told = 0; told < 2; told += w.batch->n) {
		REQUIRE(works_take(&w) != NULL);
		for (size_t i = 0; i < w.batch->n; i++) {
			const struct outbound_job *j = &w.batch->jobs[i];

			CHECK_INT(j->n, 1);
			CHECK_SLICE(j->jobs[0].sender, SL("postmaster@example.org"));
			CHECK_ERR(works_tell(&w, j, OUTBOUND_TRIED, "2.0.0", ""), E_OK);
		}
	}
	CHECK_INT(works_items(&w), 0);
	works_close(&w);
}

/* Whom nobody knows is not told, and nothing stays behind. */
TEST_FIBER(alert_to_nobody)
{
	static const char *const settings[] = {"alert.to=off", "alert.to=nobody@example.org"};
	static const char *const names[] = {"a@example.org", "b@example.org"};
	struct works w;

	REQUIRE(works_open(&w));
	for (unsigned i = 0; i < ARRAY_LEN(settings); i++) {
		check_note("%s", settings[i]);
		REQUIRE(works_restart(&w, settings[i]));
		alarm_of(&w, room_account(&w.room, names[i], 0, 0), "too many");
		CHECK_INT(list_empty(&w.o->alerts), i == 0);
		CHECK(all_queued(&w));
		CHECK_INT(works_items(&w), i != 0);
		CHECK(send_past(&w));
		CHECK_INT(works_items(&w), 0);
	}
	works_close(&w);
}

/* A wave of held accounts is no wave of mail. */
TEST_FIBER(alert_limit)
{
	struct works w;

	REQUIRE(works_open(&w));
	for (uint64_t i = 0; i < OUTBOUND_ALERTS_MAX + 1; i++)
		alarm_of(&w, 1000 + i, "no such account");
	CHECK_INT(w.o->nalerted, OUTBOUND_ALERTS_MAX);
	CHECK(all_queued(&w));
	CHECK_INT(works_items(&w), 0);
	works_move_clock(&w, HOUR_US);
	alarm_of(&w, 1, "one more");
	CHECK_INT(w.o->nalerted, 1);
	works_close(&w);
}

/* An item that says so of mail is damaged: it is left, and the others go on. */
TEST_FIBER(alert_alone_has_no_message)
{
	struct job bad = {.kind = JOB_OUTSIDE,
			  .origin = SL("outbound"),
			  .address = SL("x@elsewhere.test"),
			  .sender = SL("sender@elsewhere.test")};
	struct queue_add add = {.key = SL("bad"), .due_us = QUEUE_PARKED_US};
	struct change_deliver c;
	struct works w;

	REQUIRE(works_open(&w));
	add.payload = job_pack(&bad, &w.mem);
	change_deliver_init(&c);
	c.origin = SL("outbound");
	c.items = &add;
	c.nitems = 1;
	CHECK_ERR(store_change(partitions_get(w.room.parts, 0), &c.change), E_OK);
	outbound_wake(w.o);
	CHECK(works_known(&w, 1));
	CHECK(send_past(&w));
	CHECK_INT(works_items(&w), 1);
	works_close(&w);
}
