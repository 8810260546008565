/* The way out with a played worker: items become jobs, reports become changes, and what a lost
 * worker had goes to another. The time of day is the tests' own. */
#include "tests/unit/backend/queue/works.h"

#include <stdio.h>

#include "backend/queue/outbound_priv.h"
#include "common/base/clock.h"

TEST_FIBER(outbound_sends_one)
{
	struct mail mail = {
		1, 0, NULL, {"x@elsewhere.test", "y@elsewhere.test", "z@other.test"}, 0};
	struct works w;
	struct outbound_job *j;
	size_t seen = 0;

	REQUIRE(works_open(&w));
	works_submit(&w, &mail);
	CHECK_INT(works_items(&w), 3);
	/* Two recipients of one destination are one transaction. */
	while (seen < 3) {
		j = works_take(&w);
		REQUIRE(j != NULL);
		CHECK_INT(w.batch->n, 1);
		if (slice_eq(j->destination, SL("elsewhere.test"))) {
			CHECK_INT(j->n, 2);
			CHECK_SLICE(j->jobs[0].address, SL("x@elsewhere.test"));
			CHECK_SLICE(j->jobs[1].address, SL("y@elsewhere.test"));
		} else {
			CHECK_SLICE(j->destination, SL("other.test"));
			CHECK_INT(j->n, 1);
		}
		CHECK_SLICE(j->jobs[0].sender, SL("sender@elsewhere.test"));
		CHECK(j->record.plain_size != 0 && j->stored.n != 0);
		CHECK(j->connections >= 1);
		seen += j->n;
		CHECK_ERR(works_tell(&w, j, OUTBOUND_TRIED, "2.0.0", "250 ok"), E_OK);
	}
	CHECK_INT(works_items(&w), 0);
	CHECK_INT(sched_count(outbound_sched(w.o)), 0);
	works_close(&w);
}

/* Who finds no place in the scheduler waits in the store until there is one. */
TEST_FIBER(outbound_when_the_scheduler_is_full)
{
	struct mail mail = {1, 0, NULL, {"x@a.test", "x@b.test", "x@c.test", "x@d.test"}, 0};
	struct sched_settings s;
	struct outbound_job *j;
	struct works w;

	REQUIRE(works_open(&w));
	sched_settings_init(&s);
	s.items_max = 3; /* one is the other partition's */
	sched_configure(outbound_sched(w.o), &s);
	works_submit(&w, &mail);
	mail.txid = 2;
	works_submit(&w, &mail);
	CHECK_INT(works_items(&w), 8);
	for (size_t left = 8; left > 0; left--) {
		check_note("%zu left", left);
		works_move_clock(&w, 0);
		REQUIRE(works_known(&w, MIN(left, (size_t)2)));
		j = works_take(&w);
		REQUIRE(j != NULL);
		CHECK_INT(j->n, 1);
		CHECK_ERR(works_tell(&w, j, OUTBOUND_TRIED, "2.0.0", "250 ok"), E_OK);
		CHECK_INT(works_items(&w), left - 1);
	}
	works_close(&w);
}

/* A partition with much mail keeps no other one waiting. */
TEST_FIBER(outbound_full_of_one_partition)
{
	struct mail mail = {1, 0, NULL, {"x@a.test", "x@b.test", "x@c.test", "x@d.test"}, 0};
	struct sched_settings s;
	struct due_item other;
	struct sched_key key;
	struct sched_info about;
	struct works w;

	REQUIRE(works_open(&w));
	sched_settings_init(&s);
	s.items_max = 4;
	sched_configure(outbound_sched(w.o), &s);
	works_submit(&w, &mail);
	REQUIRE(works_known(&w, 3));
	w.partition = 1;
	mail.txid = 2;
	works_submit(&w, &mail);
	REQUIRE(works_known(&w, 4));
	CHECK_INT(room_items(&w.room, 1, &other, 1, &w.bytes), 1);
	REQUIRE(outbound_key(w.o, 1, other.id, &key));
	CHECK_ERR(sched_get(outbound_sched(w.o), key, clock_wall_us(), &about), E_OK);
	works_close(&w);
}

/* What is read as a report is a job for nobody's servers; few are read at once. */
TEST_FIBER(outbound_gives_reports_to_read)
{
	struct sched_destination about;
	struct outbound_job *j;
	struct works w;
	struct room_mail m;
	struct job job = {.kind = JOB_OUTSIDE,
			  .route = JOB_TLS_REPORTS,
			  .address = SL("reports@example.org")};
	struct queue_add item = {.key = SL("report"), .due_us = QUEUE_PARKED_US};
	struct change_deliver c;
	size_t reports = 0;

	REQUIRE(works_open(&w));
	room_mail(&w.room, &m, 1, 0, 1);
	room_to(&m, works_outside(&w, "x@elsewhere.test"));
	CHECK_ERR(deliver_commit(&w.room.deliver, &m.msg, &(struct diag){""}), E_OK);
	room_mail_fini(&m);
	REQUIRE(works_items(&w) == 1);
	job.first_us = job.next_us = clock_wall_us();
	item.payload = job_pack(&job, &w.mem);
	change_deliver_init(&c);
	c.origin = SL("test");
	c.record_no = w.items[0].record_no;
	c.items = &item;
	c.nitems = 1;
	CHECK_ERR(store_change(partitions_at(w.room.parts, 0), &c.change), E_OK);
	REQUIRE(works_known(&w, 2));
	for (int i = 0; i < 2; i++) {
		j = works_take(&w);
		REQUIRE(j != NULL);
		if (slice_eq(j->destination, JOB_TLS_REPORTS)) {
			reports++;
			CHECK(j->route == NULL);
			CHECK_INT(j->n, 1);
			CHECK(j->record.plain_size != 0);
		}
		CHECK_ERR(works_tell(&w, j, OUTBOUND_TRIED, "2.0.0", "250 ok"), E_OK);
	}
	CHECK_INT(reports, 1);
	CHECK_INT(works_items(&w), 0);
	CHECK_ERR(sched_destination_get(outbound_sched(w.o), JOB_TLS_REPORTS, &about), E_OK);
	CHECK_INT(about.window, 4);
	works_close(&w);
}

/* What is demanded of the destination's servers, as it is when the job is taken. */
TEST_FIBER(outbound_takes_a_policy_along)
{
	struct mail mail = {.txid = 1, .to = {"x@elsewhere.test"}};
	slice_t names[] = {SL("mx.example.net")};
	struct dir_tls_row row = {.destination = SL("*"), .level = DIR_TLS_ENCRYPT};
	struct outbound_job *j;
	struct diag d;
	struct works w;
	slice_t name;

	REQUIRE(works_open(&w));
	works_submit(&w, &mail);
	j = works_take(&w);
	REQUIRE(j != NULL);
	CHECK_INT(j->tls.level, DIR_TLS_DANE); /* the setting's default */
	CHECK_INT(j->tls.npeers, 0);
	CHECK_ERR(works_tell(&w, j, OUTBOUND_TRIED, "2.0.0", "250 ok"), E_OK);
	CHECK_ERR(dir_tls_set(w.room.rig.d, &rig_actor, &row, &d), E_OK);
	row = (struct dir_tls_row){
		.destination = SL(".test"), .level = DIR_TLS_VERIFY, .peers = names, .npeers = 1};
	CHECK_ERR(dir_tls_set(w.room.rig.d, &rig_actor, &row, &d), E_OK);
	mail.txid = 2;
	works_submit(&w, &mail);
	j = works_take(&w);
	REQUIRE(j != NULL);
	CHECK_INT(j->tls.level, DIR_TLS_VERIFY);
	REQUIRE(dir_tls_peer(&j->tls.peers, &name));
	CHECK_SLICE(name, SL("mx.example.net"));
	CHECK_ERR(works_tell(&w, j, OUTBOUND_TRIED, "2.0.0", "250 ok"), E_OK);
	works_close(&w);
}

TEST_FIBER(outbound_tries_again_and_gives_up)
{
	static const int64_t pauses[] = {15, 30, 60, 240, 240};
	struct mail mail = {1, 0, NULL, {"x@elsewhere.test"}, NOTIFY_FAILURE};
	struct works w;
	struct outbound_job *j;

	REQUIRE(works_open(&w));
	works_submit(&w, &mail);
	for (size_t i = 0; i < ARRAY_LEN(pauses); i++) {
		struct job row;
		struct sched_info info;
		struct sched_key key;

		j = works_take(&w);
		REQUIRE(j != NULL);
		CHECK_ERR(works_tell(&w, j, OUTBOUND_TRIED, "4.2.2", "452 full"), E_OK);
		row = works_job_at(&w, 0);
		CHECK_INT(row.attempts, i + 1);
		CHECK_SLICE(row.last_error, SL("452 full"));
		CHECK_INT((row.next_us - row.last_us) / MINUTE_US, pauses[i]);
		REQUIRE(outbound_key(w.o, 0, w.items[0].id, &key));
		CHECK_ERR(sched_get(outbound_sched(w.o), key, clock_wall_us(), &info), E_OK);
		CHECK_INT(info.state, SCHED_WAITING);
		works_move_clock(&w, row.next_us - clock_wall_us() + 1000);
	}
	/* After two days there is a last try; then the sender is told, by way of a notice. */
	works_move_clock(&w, 48 * HOUR_US);
	j = works_take(&w);
	REQUIRE(j != NULL);
	CHECK_ERR(works_tell(&w, j, OUTBOUND_TRIED, "4.2.2", "452 full"), E_OK);
	j = works_take(&w);
	REQUIRE(j != NULL && w.batch->n == 1);
	CHECK_INT(j->lease.kind, LEASE_NOTICE);
	CHECK_INT(j->jobs[0].action, JOB_FAILED);
	CHECK_SLICE(j->jobs[0].status, SL("5.4.7"));
	CHECK_SLICE(j->jobs[0].last_error, SL("452 full"));
	CHECK_INT(j->targets.n, 1);
	CHECK_ERR(works_tell(&w, j, OUTBOUND_TRIED, "2.0.0", ""), E_OK);
	CHECK_INT(works_items(&w), 0);
	works_close(&w);
}

TEST_FIBER(outbound_bounces)
{
	struct mail mail = {1, 0, NULL, {"x@elsewhere.test", "y@elsewhere.test"}, 0};
	struct mail bounce = {2, 0, "", {"x@elsewhere.test"}, 0};
	struct works w;
	struct outbound_job *j;

	REQUIRE(works_open(&w));
	works_submit(&w, &mail);
	j = works_take(&w);
	REQUIRE(j != NULL);
	CHECK_ERR(works_tell(&w, j, OUTBOUND_TRIED, "5.1.1", "550 no such user"), E_OK);
	CHECK_INT(works_job_at(&w, 0).kind, JOB_NOTICE);
	/* Both in one notice, which is the same transaction whoever tries it. */
	j = works_take(&w);
	REQUIRE(j != NULL);
	CHECK_INT(j->lease.kind, LEASE_NOTICE);
	CHECK_INT(j->n, 2);
	CHECK_ERR(works_tell(&w, j, OUTBOUND_TRIED, "2.0.0", ""), E_OK);
	CHECK_INT(works_items(&w), 0);
	/* A bounce that fails is for an administrator. */
	works_submit(&w, &bounce);
	j = works_take(&w);
	REQUIRE(j != NULL);
	CHECK_ERR(works_tell(&w, j, OUTBOUND_TRIED, "5.1.1", "550 no such user"), E_OK);
	CHECK_INT(works_items(&w), 1);
	CHECK_INT(works_job_at(&w, 0).kind, JOB_BAD);
	CHECK_INT(sched_count(outbound_sched(w.o)), 0);
	works_close(&w);
}

/* A sender that is nobody: the failure that it cannot be told of is kept, a success is not. */
TEST_FIBER(outbound_notices_to_nobody)
{
	static const char *const status[] = {"2.0.0", "5.1.1"};
	struct mail mail = {
		1, 0, "nobody@example.org", {"x@elsewhere.test"}, NOTIFY_SUCCESS | NOTIFY_FAILURE};
	struct works w;

	REQUIRE(works_open(&w));
	for (unsigned i = 0; i < ARRAY_LEN(status); i++) {
		struct outbound_job *j;

		mail.txid = 1 + i;
		works_submit(&w, &mail);
		j = works_take(&w);
		REQUIRE(j != NULL);
		CHECK_ERR(works_tell(&w, j, OUTBOUND_TRIED, status[i], "told"), E_OK);
		CHECK_INT(works_items(&w), 1);
		CHECK_INT(works_job_at(&w, 0).kind, JOB_NOTICE);
		outbound_batch_fini(w.batch);
		CHECK_ERR(outbound_take(w.worker, w.batch), E_OK);
		CHECK_INT(w.batch->n, 0);
		CHECK_INT(works_items(&w), i);
	}
	CHECK_INT(works_job_at(&w, 0).kind, JOB_BAD);
	works_close(&w);
}

/* Of failures alone, and by the queue of the notice's partition. */
TEST_FIBER(outbound_copies_of_bounces)
{
	struct mail mail = {1, 0, NULL, {"x@elsewhere.test"}, 0};
	struct mail again = {2, 0, NULL, {"y@elsewhere.test"}, NOTIFY_SUCCESS};
	struct works w;
	struct outbound_job *j;

	REQUIRE(works_open(&w));
	REQUIRE(room_account(&w.room, "copies@example.org", 1, 0) != 0);
	REQUIRE(works_restart(&w, "outbound.bounce_copy=Copies@example.org"));
	works_submit(&w, &mail);
	j = works_take(&w);
	REQUIRE(j != NULL);
	CHECK_ERR(works_tell(&w, j, OUTBOUND_TRIED, "5.1.1", "550 no such user"), E_OK);
	j = works_take(&w);
	REQUIRE(j != NULL);
	CHECK_INT(j->lease.kind, LEASE_NOTICE);
	REQUIRE(j->targets.n == 2);
	CHECK_INT(j->targets.targets[1].partition, 0);
	CHECK(!slice_eq(j->targets.targets[0].token, j->targets.targets[1].token));
	CHECK_ERR(works_tell(&w, j, OUTBOUND_TRIED, "2.0.0", ""), E_OK);
	works_submit(&w, &again);
	j = works_take(&w);
	REQUIRE(j != NULL);
	CHECK_ERR(works_tell(&w, j, OUTBOUND_TRIED, "2.0.0", "250 ok"), E_OK);
	j = works_take(&w);
	REQUIRE(j != NULL && j->lease.kind == LEASE_NOTICE);
	CHECK_INT(j->jobs[0].action, JOB_RELAYED);
	CHECK_INT(j->targets.n, 1);
	works_close(&w);
}

/* An address that is nobody's costs the sender nothing; nor does a sender get two. */
TEST_FIBER(outbound_copies_to_nobody)
{
	static const char *const settings[] = {"outbound.bounce_copy=nobody@example.org",
					       "outbound.bounce_copy=sender@elsewhere.test"};
	struct works w;

	REQUIRE(works_open(&w));
	for (unsigned i = 0; i < ARRAY_LEN(settings); i++) {
		struct mail mail = {1 + i, 0, NULL, {"x@elsewhere.test"}, 0};
		struct outbound_job *j;

		check_note("%s", settings[i]);
		REQUIRE(works_restart(&w, settings[i]));
		works_submit(&w, &mail);
		j = works_take(&w);
		REQUIRE(j != NULL);
		CHECK_ERR(works_tell(&w, j, OUTBOUND_TRIED, "5.1.1", "550 nobody"), E_OK);
		j = works_take(&w);
		REQUIRE(j != NULL && j->lease.kind == LEASE_NOTICE);
		CHECK_INT(j->targets.n, 1);
		CHECK_ERR(works_tell(&w, j, OUTBOUND_TRIED, "2.0.0", ""), E_OK);
	}
	works_close(&w);
}

/* While its destination rests, too: the schedule has tries after 0, 15, 45, 105, 345, 585 and 825
 * minutes. */
TEST_FIBER(outbound_tells_of_a_delay)
{
	static const int64_t pauses[] = {15, 30, 60, 240, 240};
	struct mail mail = {1, 0, NULL, {"x@elsewhere.test"}, 0};
	struct works w;
	struct outbound_job *j;

	REQUIRE(works_open(&w));
	works_submit(&w, &mail);
	for (size_t i = 0; i <= ARRAY_LEN(pauses); i++) {
		j = works_take(&w);
		REQUIRE(j != NULL);
		CHECK_INT(j->lease.kind, LEASE_SEND);
		CHECK_ERR(works_tell(&w, j, OUTBOUND_UNREACHABLE, "4.4.1", "refused"), E_OK);
		if (i < ARRAY_LEN(pauses))
			works_move_clock(&w, pauses[i] * MINUTE_US + 1000);
	}
	works_move_clock(&w, (720 - 585) * MINUTE_US);
	j = works_take(&w);
	REQUIRE(j != NULL);
	CHECK_INT(j->lease.kind, LEASE_NOTICE);
	CHECK_INT(j->jobs[0].action, JOB_DELAYED);
	CHECK_SLICE(j->jobs[0].last_error, SL("refused"));
	CHECK_INT((j->jobs[0].expire_us - j->jobs[0].first_us) / HOUR_US, 48);
	CHECK_ERR(works_tell(&w, j, OUTBOUND_TRIED, "2.0.0", ""), E_OK);
	CHECK_INT(works_items(&w), 1);
	CHECK(works_job_at(&w, 0).warned);
	works_move_clock(&w, (825 - 720) * MINUTE_US);
	j = works_take(&w);
	REQUIRE(j != NULL);
	CHECK_ERR(works_tell(&w, j, OUTBOUND_TRIED, "2.0.0", "250 ok"), E_OK);
	CHECK_INT(works_items(&w), 0);
	works_close(&w);
}

/* Only one of many finds out that nobody is there; the others wait for the destination. */
TEST_FIBER(outbound_rests_a_dead_destination)
{
	struct works w;
	struct outbound_job *j;
	size_t states[SCHED_STATES];

	REQUIRE(works_open(&w));
	for (unsigned i = 1; i <= 20; i++) {
		struct mail mail = {i, 0, NULL, {"x@dead.test"}, 0};

		works_submit(&w, &mail);
	}
	j = works_take(&w);
	REQUIRE(j != NULL);
	CHECK_ERR(works_tell(&w, j, OUTBOUND_UNREACHABLE, "4.4.1", "connection refused"), E_OK);
	for (size_t i = 1; i < w.batch->n; i++)
		CHECK_ERR(works_tell(&w, &w.batch->jobs[i], OUTBOUND_UNTRIED, "", ""), E_OK);
	CHECK_INT(works_items(&w), 20);
	sched_totals(outbound_sched(w.o), clock_wall_us(), states);
	CHECK_INT(states[SCHED_LEASED], 0);
	CHECK_INT(states[SCHED_READY], 0);
	/* When it comes back, all of them go. */
	works_move_clock(&w, 16 * MINUTE_US);
	for (size_t done = 0; done < 20;) {
		j = works_take(&w);
		REQUIRE(j != NULL);
		for (size_t i = 0; i < w.batch->n; i++)
			CHECK_ERR(works_tell(&w, &w.batch->jobs[i], OUTBOUND_TRIED, "2.0.0",
					     "250 ok"),
				  E_OK);
		done += w.batch->n;
	}
	CHECK_INT(works_items(&w), 0);
	works_close(&w);
}

/* A worker that is killed loses its leases; what it says late still counts, once. */
TEST_FIBER(outbound_lost_worker)
{
	struct mail mail = {1, 0, NULL, {"x@elsewhere.test"}, 0};
	struct works w;
	struct outbound_job *j, late;

	REQUIRE(works_open(&w));
	works_submit(&w, &mail);
	j = works_take(&w);
	REQUIRE(j != NULL);
	late = *j;
	outbound_worker_free(&w.worker);
	REQUIRE(outbound_worker_new(w.o, &works_fe2, &w.worker) == E_OK);
	works_pass(&w, OUTBOUND_GRACE_MS);
	j = works_take(&w);
	REQUIRE(j != NULL);
	CHECK_STR(j->lease.frontend, "fe2");
	CHECK_INT(j->lease.items[0], late.lease.items[0]);
	CHECK_ERR(works_tell(&w, &late, OUTBOUND_TRIED, "2.0.0", "250 ok"), E_OK);
	CHECK_INT(works_items(&w), 0);
	CHECK_ERR(works_tell(&w, j, OUTBOUND_TRIED, "4.2.0", "450 late"), E_OK);
	CHECK_INT(works_items(&w), 0);
	works_close(&w);
}

/* What is said of many recipients does not fit one frame: several notices. */
TEST_FIBER(outbound_jobs_fit_a_frame)
{
	static char words[OUTCOME_TEXT_MAX];
	struct works w;
	struct room_mail m;
	struct outbound_job *j;
	struct diag d = {""};
	size_t seen = 0, jobs = 0;

	REQUIRE(works_open(&w));
	memset(words, 'w', sizeof words - 1);
	room_mail(&w.room, &m, 1, 0, 1);
	for (size_t i = 0; i < ARRAY_LEN(m.rcpts); i++) {
		char address[64];

		snprintf(address, sizeof address, "user%zu@elsewhere.test", i);
		room_to(&m, works_outside(&w, address));
		m.rcpts[i].orcpt = slice(words, 500);
	}
	CHECK_ERR(deliver_commit(&w.room.deliver, &m.msg, &d), E_OK);
	room_mail_fini(&m);
	while (seen < ARRAY_LEN(m.rcpts)) {
		j = works_take(&w);
		REQUIRE(j != NULL && j->lease.kind == LEASE_SEND);
		seen += j->n;
		CHECK_ERR(works_tell(&w, j, OUTBOUND_TRIED, "5.1.1", words), E_OK);
	}
	for (seen = 0; seen < ARRAY_LEN(m.rcpts); jobs++) {
		REQUIRE(works_take(&w) != NULL);
		for (size_t i = 0; i < w.batch->n; i++) {
			j = &w.batch->jobs[i];
			CHECK_INT(j->lease.kind, LEASE_NOTICE);
			CHECK(j->bytes <= OUTBOUND_JOB_BYTES_MAX);
			seen += j->n;
			jobs += i != 0;
			CHECK_ERR(works_tell(&w, j, OUTBOUND_TRIED, "2.0.0", ""), E_OK);
		}
	}
	CHECK(jobs >= 2);
	CHECK_INT(works_items(&w), 0);
	works_close(&w);
}

/* Held rows, rows of other kinds, and what was there before the start. */
TEST_FIBER(outbound_after_a_restart)
{
	struct mail mail = {1, 0, NULL, {"x@elsewhere.test"}, 0};
	struct works w;
	struct outbound_job *j, before;
	int64_t began_ms;

	REQUIRE(works_open(&w));
	works_submit(&w, &mail);
	j = works_take(&w);
	REQUIRE(j != NULL);
	before = *j;
	outbound_worker_free(&w.worker);
	outbound_stop(&w.o);
	began_ms = clock_mono_ms();
	REQUIRE(outbound_start(&w.room.deliver, w.none, &w.o) == E_OK);
	REQUIRE(outbound_worker_new(w.o, &works_fe1, &w.worker) == E_OK);
	j = works_take(&w);
	REQUIRE(j != NULL);
	/* Who had it could have told meanwhile. */
	CHECK(clock_mono_ms() - began_ms >= OUTBOUND_GRACE_MS);
	CHECK_INT(j->lease.items[0], before.lease.items[0]);
	CHECK_ERR(works_tell(&w, j, OUTBOUND_TRIED, "2.0.0", "250 ok"), E_OK);
	CHECK_INT(works_items(&w), 0);
	works_close(&w);
}

/* Nothing of the worker's share now: another sender's mail comes out first, and alone. */
WAITS static bool comes_out(struct works *w, const char *address)
{
	const struct outbound_job *j = works_take(w);

	if (j == NULL || !slice_eq(j->jobs[0].address, slice_str(address)))
		return false;
	CHECK_ERR(works_tell(w, j, OUTBOUND_TRIED, "2.0.0", "250 ok"), E_OK);
	return true;
}

TEST_FIBER(outbound_held_accounts)
{
	struct mail mine = {1, 0, NULL, {"x@elsewhere.test", "y@other.test"}, 0};
	struct mail other = {2, 0, NULL, {"z@elsewhere.test"}, 0},
		    late = {3, 0, NULL, {"z@a.test"}, 0};
	struct sched_info info;
	struct sched_key key;
	struct works w;
	struct guard *g = NULL;
	struct diag d = {""};
	uint64_t alice, bob;

	REQUIRE(works_open(&w));
	alice = room_account(&w.room, "alice@example.org", 0, 0);
	bob = room_account(&w.room, "bob@example.org", 0, 0);
	REQUIRE(guard_open(w.room.rig.d, dir_kv_mem_ops(w.room.rig.kv), w.none, &g) == E_OK);
	CHECK_ERR(
		dir_account_hold(w.room.rig.d, &rig_actor, SL("alice@example.org"), SL("odd"), &d),
		E_OK);
	outbound_guard(w.o, g); /* held before: told at once */
	mine.account = alice;
	other.account = late.account = bob;
	works_submit(&w, &mine);
	works_submit(&w, &other);
	CHECK(comes_out(&w, "z@elsewhere.test"));
	CHECK_INT(works_items(&w), 2);
	for (size_t i = 0; i < 2; i++) {
		REQUIRE(outbound_key(w.o, 0, w.items[i].id, &key));
		CHECK_ERR(sched_get(outbound_sched(w.o), key, clock_wall_us(), &info), E_OK);
		CHECK_INT(info.state, SCHED_HELD_SENDER);
	}
	/* After a restart, too. */
	outbound_worker_free(&w.worker);
	outbound_stop(&w.o);
	REQUIRE(outbound_start(&w.room.deliver, w.none, &w.o) == E_OK);
	outbound_guard(w.o, g);
	REQUIRE(outbound_worker_new(w.o, &works_fe1, &w.worker) == E_OK);
	works_pass(&w, OUTBOUND_GRACE_MS);
	works_submit(&w, &late);
	CHECK(comes_out(&w, "z@a.test"));
	CHECK_INT(works_items(&w), 2);
	CHECK_ERR(dir_account_release(w.room.rig.d, &rig_actor, SL("alice@example.org"), &d), E_OK);
	for (size_t left = 2; left != 0; left--) {
		const struct outbound_job *j = works_take(&w);

		REQUIRE(j != NULL);
		CHECK_ERR(works_tell(&w, j, OUTBOUND_TRIED, "2.0.0", "250 ok"), E_OK);
		CHECK_INT(works_items(&w), left - 1);
	}
	outbound_worker_free(&w.worker);
	outbound_stop(&w.o);
	guard_close(&g);
	works_close(&w);
}

/* What is held too long is given up, and the sender hears of it all the same. */
TEST_FIBER(outbound_tells_held_accounts)
{
	struct mail mail = {1, 0, "alice@example.org", {"x@elsewhere.test"}, NOTIFY_FAILURE};
	struct outbound_job *j;
	struct works w;
	struct guard *g = NULL;
	struct diag d = {""};

	REQUIRE(works_open(&w));
	mail.account = room_account(&w.room, "alice@example.org", 0, 0);
	REQUIRE(guard_open(w.room.rig.d, dir_kv_mem_ops(w.room.rig.kv), w.none, &g) == E_OK);
	outbound_guard(w.o, g);
	CHECK_ERR(
		dir_account_hold(w.room.rig.d, &rig_actor, SL("alice@example.org"), SL("odd"), &d),
		E_OK);
	works_submit(&w, &mail);
	works_move_clock(&w, 49 * HOUR_US);
	j = works_take(&w);
	REQUIRE(j != NULL);
	CHECK_INT(j->lease.kind, LEASE_NOTICE);
	CHECK_ERR(works_tell(&w, j, OUTBOUND_TRIED, "2.0.0", "250 ok"), E_OK);
	CHECK_INT(works_items(&w), 0);
	outbound_worker_free(&w.worker);
	outbound_stop(&w.o);
	guard_close(&g);
	works_close(&w);
}

/* Refusals are told to the guard, whoever reports them; a sender of nobody's is not. */
TEST_FIBER(outbound_tells_refusals)
{
	struct mail mail = {0};
	uint64_t hash = 1;
	struct rates_mail counted = {.txid = 1, .recipients = 1, .outside = &hash, .noutside = 1};
	struct works w;
	struct guard *g = NULL;
	struct diag d = {""};
	uint64_t alice;
	bool is;

	REQUIRE(works_open(&w));
	alice = room_account(&w.room, "alice@example.org", 0, 0);
	REQUIRE(guard_open(w.room.rig.d, dir_kv_mem_ops(w.room.rig.kv), w.none, &g) == E_OK);
	outbound_guard(w.o, g);
	CHECK_ERR(guard_take(g, alice, &counted, &is, &d), E_OK);
	for (unsigned i = 1; i <= RATES_TRIES_LEAST; i++) {
		bool bad = i > RATES_TRIES_LEAST - 7;
		struct outbound_job *j;

		CHECK_ERR(guard_may_go_out(g, alice, &d), E_OK);
		mail = (struct mail){i, alice, NULL, {"x@elsewhere.test"}, NOTIFY_NEVER};
		works_submit(&w, &mail);
		j = works_take(&w);
		REQUIRE(j != NULL);
		CHECK_ERR(works_tell(&w, j, OUTBOUND_TRIED, bad ? "5.1.1" : "2.0.0",
				     bad ? "550 no" : "250 ok"),
			  E_OK);
	}
	CHECK_ERR(guard_may_go_out(g, alice, &d), E_RATE); /* 7 of 20 */
	outbound_worker_free(&w.worker);
	outbound_stop(&w.o);
	guard_close(&g);
	works_close(&w);
}

static size_t paced(struct works *w)
{
	size_t totals[SCHED_STATES];

	sched_totals(outbound_sched(w->o), clock_wall_us(), totals);
	return totals[SCHED_PACED];
}

/* The settings reach the scheduler, now and later. */
TEST_FIBER(outbound_paces_live)
{
	static const char *const keys[] = {"outbound.pace_account", "outbound.pace_domain",
					   "outbound.pace_destination"};
	struct works w;
	struct diag d = {""};

	for (size_t k = 0; k < ARRAY_LEN(keys); k++) {
		struct outbound_job *j;

		REQUIRE(works_open(&w));
		CHECK_ERR(
			dir_setting_set(w.room.rig.d, &rig_actor, slice_str(keys[k]), SL("6"), &d),
			E_OK);
		REQUIRE(rig_synced(&w.room.rig));
		for (unsigned i = 1; i <= 3; i++) {
			struct mail mail = {(unsigned)k * 10 + i, 0, NULL, {"x@elsewhere.test"}, 0};

			works_submit(&w, &mail);
		}
		check_note("%s", keys[k]);
		j = works_take(&w);
		REQUIRE(j != NULL);
		CHECK_INT(j->n, 1);
		CHECK_ERR(works_tell(&w, j, OUTBOUND_TRIED, "2.0.0", "250 ok"), E_OK);
		CHECK_INT(paced(&w), 2);
		works_move_clock(&w, 10 * 1000000LL);
		j = works_take(&w);
		REQUIRE(j != NULL);
		CHECK_ERR(works_tell(&w, j, OUTBOUND_TRIED, "2.0.0", "250 ok"), E_OK);
		CHECK_INT(paced(&w), 1);
		CHECK_INT(works_items(&w), 1);
		/* Without the setting the rest goes at once. */
		CHECK_ERR(dir_setting_unset(w.room.rig.d, &rig_actor, slice_str(keys[k]), &d),
			  E_OK);
		j = works_take(&w);
		REQUIRE(j != NULL);
		CHECK_ERR(works_tell(&w, j, OUTBOUND_TRIED, "2.0.0", "250 ok"), E_OK);
		CHECK_INT(works_items(&w), 0);
		works_close(&w);
	}
}
