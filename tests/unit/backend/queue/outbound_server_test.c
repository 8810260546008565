/* What virtual servers say of the mail that they took: with a played worker, and a time of day that
 * the tests move. */
#include "backend/queue/outbound_admin.h"

#include "backend/directory/dir_servers.h"
#include "common/base/clock.h"
#include "tests/unit/backend/queue/works.h"

/* A server, with "KEY=VALUE\n..."; or its settings from now on. */
WAITS static void server(struct works *w, const char *name, const char *settings)
{
	struct dir_server_spec s = {.name = slice_str(name),
				    .service = SERVICE_SMTP,
				    .listeners = slice_str(name[0] == 'a' ? ":26" : ":27"),
				    .settings = slice_str(settings)};
	struct dir_server row;
	struct diag d = {""};
	enum err e;

	if (dir_server_find(w->room.rig.d, s.name, &row, &d) == E_OK) {
		s.version = row.version;
		e = dir_server_edit(w->room.rig.d, &rig_actor, &s, &d);
	} else {
		e = dir_server_add(w->room.rig.d, &rig_actor, &s, &d);
	}
	CHECK_ERR(e, E_OK);
	check_note("%s", d.text);
}

WAITS static void set_state(struct works *w, const char *name, enum server_state state)
{
	struct diag d = {""};

	CHECK_ERR(dir_server_set_state(w->room.rig.d, &rig_actor, slice_str(name), state, &d),
		  E_OK);
	check_note("%s", d.text);
}

WAITS static void submit(struct works *w, unsigned id, const char *to, const char *server_name)
{
	struct mail mail = {.txid = id, .to = {to}};

	w->server = server_name;
	works_submit(w, &mail);
}

/* What an administrator sees of the i-th item. */
static struct outbound_view view_at(struct works *w, size_t i)
{
	struct queue_row row = {.readable = true, .job = works_job_at(w, i)};
	struct outbound_view v;

	row.item = w->items[i].id;
	row.due_us = w->items[i].due_us;
	outbound_view(w->o, partitions_get(w->room.parts, 0), &row, &v);
	return v;
}

WAITS static bool becomes(struct works *w, size_t i, enum queue_state state)
{
	int64_t deadline = deadline_in(10000);

	while (view_at(w, i).state != state && clock_mono_ms() < deadline)
		fiber_yield();
	return view_at(w, i).state == state;
}

WAITS static void sent(struct works *w, const struct outbound_job *j)
{
	CHECK_ERR(works_tell(w, j, OUTBOUND_TRIED, "2.0.0", "250 ok"), E_OK);
}

TEST_FIBER(server_that_is_stopped_keeps_its_mail)
{
	struct outbound_job *j;
	struct works w;

	REQUIRE(works_open(&w));
	server(&w, "a", "");
	server(&w, "b", "");
	set_state(&w, "a", SERVER_STOPPED);
	submit(&w, 1, "x@one.test", "a");
	submit(&w, 2, "y@one.test", "b");
	submit(&w, 3, "z@one.test", NULL);
	REQUIRE(works_known(&w, 3));
	CHECK_INT(view_at(&w, 0).state, QUEUE_IS_HELD);
	CHECK_STR(view_at(&w, 0).why, "its virtual server is stopped");
	for (size_t done = 0; done < 2;) {
		j = works_take(&w);
		REQUIRE(j != NULL);
		for (size_t i = 0; i < w.batch->n; i++, done++) {
			CHECK(!slice_eq(w.batch->jobs[i].jobs[0].address, SL("x@one.test")));
			sent(&w, &w.batch->jobs[i]);
		}
	}
	/* So it is for who starts anew, and for what waits already. */
	REQUIRE(works_restart(&w, NULL));
	REQUIRE(works_known(&w, 1));
	CHECK_INT(view_at(&w, 0).state, QUEUE_IS_HELD);
	set_state(&w, "a", SERVER_PAUSED); /* which says nothing of mail that is here */
	CHECK(becomes(&w, 0, QUEUE_IS_READY));
	set_state(&w, "a", SERVER_STOPPED);
	CHECK(becomes(&w, 0, QUEUE_IS_HELD));
	set_state(&w, "a", SERVER_RUNNING);
	j = works_take(&w);
	REQUIRE(j != NULL);
	CHECK_SLICE(j->destination, SL("one.test"));
	CHECK_SLICE(j->jobs[0].address, SL("x@one.test"));
	sent(&w, j);
	CHECK_INT(works_items(&w), 0);
	works_close(&w);
}

/* A worker has it, and it comes back: then it waits. */
TEST_FIBER(server_is_stopped_during_a_try)
{
	struct outbound_job *j;
	struct works w;

	REQUIRE(works_open(&w));
	server(&w, "a", "");
	submit(&w, 1, "x@one.test", "a");
	j = works_take(&w);
	REQUIRE(j != NULL);
	set_state(&w, "a", SERVER_STOPPED);
	CHECK_ERR(works_tell(&w, j, OUTBOUND_TRIED, "4.2.2", "452 full"), E_OK);
	CHECK_INT(view_at(&w, 0).state, QUEUE_IS_HELD);
	works_move_clock(&w, HOUR_US);
	CHECK_INT(view_at(&w, 0).state, QUEUE_IS_HELD);
	set_state(&w, "a", SERVER_RUNNING);
	j = works_take(&w);
	REQUIRE(j != NULL);
	CHECK_INT(j->jobs[0].attempts, 1);
	sent(&w, j);
	works_close(&w);
}

/* Of a server that is not there (any more) nothing holds. */
TEST_FIBER(server_that_is_gone_keeps_nothing)
{
	struct outbound_job *j;
	struct diag d = {""};
	struct works w;

	REQUIRE(works_open(&w));
	server(&w, "a", "");
	set_state(&w, "a", SERVER_STOPPED);
	submit(&w, 1, "x@one.test", "a");
	REQUIRE(works_known(&w, 1));
	CHECK_ERR(dir_server_remove(w.room.rig.d, &rig_actor, SL("a"), &d), E_OK);
	j = works_take(&w);
	REQUIRE(j != NULL);
	sent(&w, j);
	works_close(&w);
}

TEST_FIBER(server_has_a_schedule_of_its_own)
{
	static const int64_t pauses[] = {1, 2, 3, 4, 4};
	struct outbound_job *j;
	struct job row;
	struct works w;

	REQUIRE(works_open(&w));
	server(&w, "a",
	       "outbound.retry_first=1m\noutbound.retry_second=2m\noutbound.retry_third=3m\n"
	       "outbound.retry_later=4m\noutbound.delay_notice=30m\noutbound.expiry=1h");
	submit(&w, 1, "x@one.test", "a");
	for (size_t i = 0; i < ARRAY_LEN(pauses); i++) {
		j = works_take(&w);
		REQUIRE(j != NULL && j->lease.kind == LEASE_SEND);
		CHECK_ERR(works_tell(&w, j, OUTBOUND_TRIED, "4.2.2", "452 full"), E_OK);
		row = works_job_at(&w, 0);
		CHECK_INT((row.next_us - row.last_us) / MINUTE_US, pauses[i]);
		works_move_clock(&w, row.next_us - clock_wall_us() + 1000);
	}
	/* The sender hears of the delay after half an hour, ... */
	j = works_take(&w);
	REQUIRE(j != NULL);
	CHECK_ERR(works_tell(&w, j, OUTBOUND_TRIED, "4.2.2", "452 full"), E_OK);
	works_move_clock(&w, 16 * MINUTE_US + 1000000);
	for (bool told = false; !told;) {
		j = works_take(&w);
		REQUIRE(j != NULL);
		told = j->lease.kind == LEASE_NOTICE;
		if (told)
			CHECK_INT(j->jobs[0].action, JOB_DELAYED);
		CHECK_ERR(works_tell(&w, j, OUTBOUND_TRIED, told ? "2.0.0" : "4.2.2", ""), E_OK);
	}
	/* ... and of the end after an hour. */
	works_move_clock(&w, 31 * MINUTE_US);
	do {
		j = works_take(&w);
		REQUIRE(j != NULL);
		if (j->lease.kind == LEASE_SEND)
			CHECK_ERR(works_tell(&w, j, OUTBOUND_TRIED, "4.2.2", "452 full"), E_OK);
	} while (j->lease.kind == LEASE_SEND);
	CHECK_INT(j->jobs[0].action, JOB_FAILED);
	CHECK_SLICE(j->jobs[0].status, SL("5.4.7"));
	works_close(&w);
}

/* A change holds for what waits already; without one of its own, the cluster's. */
TEST_FIBER(server_changes_its_schedule)
{
	struct sched_info info;
	struct sched_key key;
	int64_t deadline;
	struct works w;

	REQUIRE(works_open(&w));
	server(&w, "a", "");
	submit(&w, 1, "x@one.test", "a");
	REQUIRE(works_known(&w, 1) && works_items(&w) == 1);
	REQUIRE(outbound_key(w.o, 0, w.items[0].id, &key));
	CHECK_ERR(sched_get(outbound_sched(w.o), key, clock_wall_us(), &info), E_OK);
	CHECK_INT(info.item.expire_us - info.item.first_us, 48 * HOUR_US);
	CHECK_INT(info.item.warn_us - info.item.first_us, 12 * HOUR_US);
	server(&w, "a", "outbound.delay_notice=0\noutbound.expiry=3h");
	deadline = deadline_in(10000);
	do {
		fiber_yield();
		CHECK_ERR(sched_get(outbound_sched(w.o), key, clock_wall_us(), &info), E_OK);
	} while (info.item.warn_us != 0 && clock_mono_ms() < deadline);
	CHECK_INT(info.item.expire_us - info.item.first_us, 3 * HOUR_US);
	CHECK_INT(info.item.warn_us, 0);
	works_close(&w);
}

/* A dead host rests for each schedule by itself. */
TEST_FIBER(server_has_a_schedule_for_dead_hosts)
{
	struct outbound_job *j;
	struct sched_info info;
	struct sched_key key;
	struct works w;

	REQUIRE(works_open(&w));
	server(&w, "a", "outbound.retry_first=2m\noutbound.retry_second=5m");
	submit(&w, 1, "x@dead.test", "a");
	j = works_take(&w);
	REQUIRE(j != NULL);
	CHECK_ERR(works_tell(&w, j, OUTBOUND_UNREACHABLE, "4.4.1", "refused"), E_OK);
	REQUIRE(works_items(&w) == 1 && outbound_key(w.o, 0, w.items[0].id, &key));
	CHECK_ERR(sched_get(outbound_sched(w.o), key, clock_wall_us(), &info), E_OK);
	CHECK_INT((info.until_us - clock_wall_us() + MINUTE_US / 2) / MINUTE_US, 2);
	works_move_clock(&w, 2 * MINUTE_US + 1000000);
	j = works_take(&w);
	REQUIRE(j != NULL);
	CHECK_ERR(works_tell(&w, j, OUTBOUND_UNREACHABLE, "4.4.1", "refused"), E_OK);
	CHECK_ERR(sched_get(outbound_sched(w.o), key, clock_wall_us(), &info), E_OK);
	CHECK_INT((info.until_us - clock_wall_us() + MINUTE_US / 2) / MINUTE_US, 5);
	works_close(&w);
}

TEST_FIBER(server_has_a_name_and_addresses_of_its_own)
{
	struct outbound_job *j;
	struct works w;
	char first[SCHED_NAME_MAX];

	REQUIRE(works_open(&w));
	server(&w, "a", "outbound.helo=a.test\noutbound.source=fe1/192.0.2.1,fe1/2001:db8::1");
	submit(&w, 1, "x@one.test", "a");
	j = works_take(&w);
	REQUIRE(j != NULL && j->route != NULL);
	CHECK(slice_starts(j->destination, SL("one.test#")));
	CHECK(slice_to_str(j->destination, first, sizeof first));
	CHECK_SLICE(j->target, SL("one.test"));
	CHECK_INT(j->route->action, DIR_ROUTE_MX);
	CHECK_SLICE(j->route->helo, SL("a.test"));
	CHECK_SLICE(j->route->source4, SL("192.0.2.1"));
	CHECK_SLICE(j->route->source6, SL("2001:db8::1"));
	CHECK(j->sources_only);
	sent(&w, j);
	/* Mail of others shares no connection with it. */
	submit(&w, 2, "x@one.test", NULL);
	j = works_take(&w);
	REQUIRE(j != NULL);
	CHECK_SLICE(j->destination, SL("one.test"));
	CHECK(j->route == NULL && !j->sources_only);
	sent(&w, j);
	/* One family alone. */
	server(&w, "a", "outbound.source=fe1/192.0.2.9");
	submit(&w, 3, "x@one.test", "a");
	j = works_take(&w);
	REQUIRE(j != NULL && j->route != NULL);
	CHECK(!slice_eq(j->destination, slice_str(first)));
	CHECK_SLICE(j->route->helo, SL(""));
	CHECK_SLICE(j->route->source4, SL("192.0.2.9"));
	CHECK_SLICE(j->route->source6, SL(""));
	CHECK(j->sources_only);
	sent(&w, j);
	works_close(&w);
}

struct waiting {
	struct works w;
	struct outbound_job *job;
	struct event done;
};

WAITS static void take_run(void *arg)
{
	struct waiting *x = arg;

	x->job = works_take(&x->w);
	event_set(&x->done);
}

/* A worker who waits for work already is of the pool from its beginning on. */
TEST_FIBER(server_gets_addresses_while_its_worker_waits)
{
	struct waiting x = {.job = NULL};
	struct scope scope;

	REQUIRE(works_open(&x.w));
	event_init(&x.done);
	scope_init(&scope);
	REQUIRE(scope_start(&scope, "t.take", take_run, &x) == E_OK);
	fiber_yield();
	server(&x.w, "a", "outbound.source=fe1/192.0.2.1");
	submit(&x.w, 1, "x@one.test", "a");
	CHECK_ERR(event_wait(&x.done, "t.done", deadline_in(20000)), E_OK);
	if (x.job == NULL)
		scope_cancel(&scope);
	CHECK_ERR(scope_join(&scope, deadline_in(10000)), E_OK);
	REQUIRE(x.job != NULL);
	CHECK_SLICE(x.job->route->source4, SL("192.0.2.1"));
	sent(&x.w, x.job);
	works_close(&x.w);
}

/* Its mail has destinations of its own; a suspended one is held all the same. */
TEST_FIBER(server_whose_destination_is_suspended)
{
	struct outbound_job *j;
	struct works w;

	REQUIRE(works_open(&w));
	server(&w, "a", "outbound.helo=a.test");
	submit(&w, 1, "x@one.test", "a");
	REQUIRE(works_known(&w, 1));
	REQUIRE(works_restart(&w, "outbound.suspended_destinations=one.test"));
	CHECK(becomes(&w, 0, QUEUE_IS_HELD));
	CHECK_STR(view_at(&w, 0).why, "its destination is suspended");
	REQUIRE(works_restart(&w, "outbound.suspended_destinations="));
	j = works_take(&w);
	REQUIRE(j != NULL);
	sent(&w, j);
	works_close(&w);
}

/* A front-end that has no address for it does not get its mail, and nobody else waits for that. */
TEST_FIBER(server_whose_mail_leaves_elsewhere)
{
	struct outbound_job *j;
	struct works w;

	REQUIRE(works_open(&w));
	server(&w, "a", "outbound.source=fe2/192.0.2.2");
	submit(&w, 1, "x@one.test", "a");
	REQUIRE(works_known(&w, 1));
	submit(&w, 2, "x@one.test", NULL);
	j = works_take(&w);
	REQUIRE(j != NULL && w.batch->n == 1);
	CHECK_SLICE(j->destination, SL("one.test"));
	sent(&w, j);
	CHECK_INT(view_at(&w, 0).state, QUEUE_IS_READY);
	CHECK_STR(view_at(&w, 0).why, "no front-end is here that its virtual server sends from");
	outbound_worker_free(&w.worker);
	CHECK_ERR(outbound_worker_new(w.o, &works_fe2, &w.worker), E_OK);
	CHECK_STR(view_at(&w, 0).why, "");
	j = works_take(&w);
	REQUIRE(j != NULL && j->route != NULL);
	CHECK_SLICE(j->route->source4, SL("192.0.2.2"));
	sent(&w, j);
	CHECK_INT(works_items(&w), 0);
	works_close(&w);
}

/* Nor do folders of ours know of addresses: whoever is here gets what goes there. */
TEST_FIBER(server_whose_mail_is_dropped)
{
	struct dir_route_spec route = {
		.r = {.domain = SL("one.test"), .action = DIR_ROUTE_DROP, .target = SL("a")}};
	struct outbound_job *j;
	struct diag d = {""};
	struct works w;

	REQUIRE(works_open(&w));
	server(&w, "a", "outbound.source=fe2/192.0.2.2");
	CHECK_ERR(dir_route_add(w.room.rig.d, &rig_actor, &route, &d), E_OK);
	check_note("%s", d.text);
	submit(&w, 1, "x@one.test", "a");
	j = works_take(&w);
	REQUIRE(j != NULL && j->route != NULL);
	CHECK_INT(j->route->action, DIR_ROUTE_DROP);
	works_close(&w);
}

/* What stays inside waits, too; its rows are parked, and only the server's start frees them. */
TEST_FIBER(server_keeps_what_stays_inside)
{
	struct job j = {.kind = JOB_EXPAND,
			.address = SL("alice@example.org"),
			.sender = SL("sender@elsewhere.test"),
			.origin = SL("test"),
			.server = SL("a")};
	struct forward_ways ways = {.deliver = NULL};
	struct queue_add add = {.key = SL("k"), .due_us = 1};
	struct runner *runner = NULL;
	struct change_deliver c;
	struct works w;

	REQUIRE(works_open(&w));
	REQUIRE(room_account(&w.room, "alice@example.org", 0, 0) != 0);
	server(&w, "a", "");
	set_state(&w, "a", SERVER_STOPPED);
	submit(&w, 1, "x@one.test", "a"); /* whose message it is */
	REQUIRE(works_known(&w, 1) && works_items(&w) == 1);
	j.first_us = clock_wall_us();
	add.payload = job_pack(&j, &w.mem);
	change_deliver_init(&c);
	c.record_no = w.items[0].record_no;
	c.items = &add;
	c.nitems = 1;
	CHECK_ERR(store_change(partitions_get(w.room.parts, 0), &c.change), E_OK);
	ways.deliver = &w.room.deliver;
	CHECK_ERR(runner_start(&ways, NULL, NULL, &runner), E_OK);
	outbound_set_runner(w.o, runner);
	while (works_items(&w) != 2 || w.items[0].due_us != QUEUE_PARKED_US ||
	       w.items[1].due_us != QUEUE_PARKED_US)
		fiber_yield();
	for (size_t i = 0; i < 2; i++) {
		CHECK_INT(view_at(&w, i).state, QUEUE_IS_HELD);
		CHECK_STR(view_at(&w, i).why, "its virtual server is stopped");
	}
	/* It was started while this node was not there. */
	outbound_set_runner(w.o, NULL);
	set_state(&w, "a", SERVER_RUNNING);
	REQUIRE(works_restart(&w, NULL));
	outbound_set_runner(w.o, runner);
	while (works_items(&w) != 1) {
		runner_wake(runner);
		fiber_yield();
	}
	CHECK_INT(works_job_at(&w, 0).kind, JOB_OUTSIDE);
	runner_stop(&runner);
	works_close(&w);
}
