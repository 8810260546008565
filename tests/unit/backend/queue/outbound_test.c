/* The way out with a played worker: items become jobs, reports become changes, and what a lost
 * worker had goes to another. The time of day is the tests' own. */
#include "backend/queue/outbound.h"

#include <stdatomic.h>
#include <stdio.h>
#include <time.h>

#include "common/base/clock.h"
#include "proto/settings.h"
#include "tests/unit/backend/delivery/room.h"

#define MINUTE_US (60 * 1000000LL)
#define HOUR_US   (60 * MINUTE_US)

static const struct rpc_identity fe1 = {ROLE_FRONTEND, SERVICE_OUTBOUND, "fe1"};
static const struct rpc_identity fe2 = {ROLE_FRONTEND, SERVICE_OUTBOUND, "fe2"};

static _Atomic int64_t ahead_us;

static int64_t moved_wall(void)
{
	struct timespec t;

	clock_gettime(CLOCK_REALTIME, &t);
	return (int64_t)t.tv_sec * 1000000 + t.tv_nsec / 1000 + atomic_load(&ahead_us);
}

static int64_t real_mono(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (int64_t)t.tv_sec * 1000000 + t.tv_nsec / 1000;
}

struct works {
	struct room room;
	struct outbound *o;
	struct outbound_worker *worker;
	struct outbound_batch *batch;
	struct arena mem;
	struct buf bytes;
	struct due_item items[64];
	struct conf *none; /* no settings but the defaults */
};

static struct works *now;

static void on_queue(uint32_t partition UNUSED, void *arg)
{
	struct room *r = arg;

	event_set(&r->queue_changed);
	if (now != NULL && now->o != NULL)
		outbound_wake(now->o);
}

WAITS static bool works_open(struct works *w)
{
	*w = (struct works){.o = NULL};
	atomic_store(&ahead_us, 0);
	clock_replace(moved_wall, real_mono);
	arena_init(&w->mem, NULL);
	buf_init(&w->bytes, 4 << 20, NULL);
	w->batch = xcalloc(1, sizeof *w->batch);
	now = w;
	room_on_queue = on_queue;
	w->none = conf_new(settings_table, settings_table_len);
	return room_open(&w->room) && outbound_start(&w->room.deliver, w->none, &w->o) == E_OK &&
	       outbound_worker_new(w->o, &fe1, &w->worker) == E_OK;
}

WAITS static void works_close(struct works *w)
{
	outbound_batch_fini(w->batch);
	xfree(&w->batch);
	outbound_worker_free(&w->worker);
	outbound_stop(&w->o);
	now = NULL;
	room_on_queue = NULL;
	arena_reset(&w->mem);
	buf_fini(&w->bytes);
	room_close(&w->room);
	conf_free(&w->none);
	clock_replace(NULL, NULL);
}

static void move_clock(struct works *w, int64_t us)
{
	atomic_fetch_add(&ahead_us, us);
	outbound_wake(w->o);
}

static slice_t outside(struct works *w, const char *address)
{
	return room_token(&w->room, RCPT_OUTSIDE, 0, NULL, 0, address, &w->mem);
}

struct mail {
	unsigned txid;
	const char *sender;
	const char *to[4];
	uint32_t notify;
};

WAITS static void submit(struct works *w, const struct mail *mail)
{
	struct room_mail m;
	struct diag d = {""};

	room_mail(&w->room, &m, mail->txid, 0, mail->txid);
	if (mail->sender != NULL)
		m.msg.sender = slice_str(mail->sender);
	for (size_t i = 0; i < ARRAY_LEN(mail->to) && mail->to[i] != NULL; i++) {
		room_to(&m, outside(w, mail->to[i]));
		m.rcpts[i].notify = mail->notify;
	}
	CHECK_ERR(deliver_commit(&w->room.deliver, &m.msg, &d), E_OK);
	room_mail_fini(&m);
}

WAITS static struct outbound_job *take(struct works *w)
{
	outbound_batch_fini(w->batch);
	do {
		outbound_batch_fini(w->batch);
		if (outbound_take(w->worker, w->batch) != E_OK)
			return NULL;
	} while (w->batch->n == 0);
	return &w->batch->jobs[0];
}

WAITS static enum err tell(struct works *w, const struct outbound_job *j, enum outbound_end end,
			   const char *status, const char *text)
{
	struct outcome_try tries[LEASE_ITEMS_MAX];
	struct outbound_result r = {.lease = &j->lease,
				    .worker = outbound_worker_number(w->worker),
				    .end = end,
				    .tries = tries};

	for (size_t i = 0; i < j->lease.n; i++)
		tries[i] = (struct outcome_try){.status = slice_str(status),
						.text = slice_str(text),
						.remote = SL("mx.test [192.0.2.1]"),
						.at_us = clock_wall_us(),
						.no_dsn = true};
	return outbound_report(w->o, partitions_get(w->room.parts, 0), &r, 1);
}

static size_t items(struct works *w)
{
	return room_items(&w->room, 0, w->items, ARRAY_LEN(w->items), &w->bytes);
}

static struct job job_at(struct works *w, size_t i)
{
	struct job j = {.kind = JOB_BAD};

	CHECK(items(w) > i);
	CHECK_ERR(job_unpack(w->items[i].payload, &w->mem, &j), E_OK);
	return j;
}

TEST_FIBER(outbound_sends_one)
{
	struct mail mail = {1, NULL, {"x@elsewhere.test", "y@elsewhere.test", "z@other.test"}, 0};
	struct works w;
	struct outbound_job *j;
	size_t seen = 0;

	REQUIRE(works_open(&w));
	submit(&w, &mail);
	CHECK_INT(items(&w), 3);
	/* Two recipients of one destination are one transaction. */
	while (seen < 3) {
		j = take(&w);
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
		CHECK_ERR(tell(&w, j, OUTBOUND_TRIED, "2.0.0", "250 ok"), E_OK);
	}
	CHECK_INT(items(&w), 0);
	CHECK_INT(sched_count(outbound_sched(w.o)), 0);
	works_close(&w);
}

TEST_FIBER(outbound_tries_again_and_gives_up)
{
	static const int64_t pauses[] = {15, 30, 60, 240, 240};
	struct mail mail = {1, NULL, {"x@elsewhere.test"}, NOTIFY_FAILURE};
	struct works w;
	struct outbound_job *j;

	REQUIRE(works_open(&w));
	submit(&w, &mail);
	for (size_t i = 0; i < ARRAY_LEN(pauses); i++) {
		struct job row;
		struct sched_info info;
		struct sched_key key;

		j = take(&w);
		REQUIRE(j != NULL);
		CHECK_ERR(tell(&w, j, OUTBOUND_TRIED, "4.2.2", "452 full"), E_OK);
		row = job_at(&w, 0);
		CHECK_INT(row.attempts, i + 1);
		CHECK_SLICE(row.last_error, SL("452 full"));
		CHECK_INT((row.next_us - row.last_us) / MINUTE_US, pauses[i]);
		REQUIRE(outbound_key(w.o, 0, w.items[0].id, &key));
		CHECK_ERR(sched_get(outbound_sched(w.o), key, clock_wall_us(), &info), E_OK);
		CHECK_INT(info.state, SCHED_WAITING);
		move_clock(&w, row.next_us - clock_wall_us() + 1000);
	}
	/* After two days there is a last try; then the sender is told, by way of a notice. */
	move_clock(&w, 48 * HOUR_US);
	j = take(&w);
	REQUIRE(j != NULL);
	CHECK_ERR(tell(&w, j, OUTBOUND_TRIED, "4.2.2", "452 full"), E_OK);
	j = take(&w);
	REQUIRE(j != NULL && w.batch->n == 1);
	CHECK_INT(j->lease.kind, LEASE_NOTICE);
	CHECK_INT(j->jobs[0].action, JOB_FAILED);
	CHECK_SLICE(j->jobs[0].status, SL("5.4.7"));
	CHECK_SLICE(j->jobs[0].last_error, SL("452 full"));
	CHECK_INT(j->targets.n, 1);
	CHECK_ERR(tell(&w, j, OUTBOUND_TRIED, "2.0.0", ""), E_OK);
	CHECK_INT(items(&w), 0);
	works_close(&w);
}

TEST_FIBER(outbound_bounces)
{
	struct mail mail = {1, NULL, {"x@elsewhere.test", "y@elsewhere.test"}, 0};
	struct mail bounce = {2, "", {"x@elsewhere.test"}, 0};
	struct works w;
	struct outbound_job *j;

	REQUIRE(works_open(&w));
	submit(&w, &mail);
	j = take(&w);
	REQUIRE(j != NULL);
	CHECK_ERR(tell(&w, j, OUTBOUND_TRIED, "5.1.1", "550 no such user"), E_OK);
	CHECK_INT(job_at(&w, 0).kind, JOB_NOTICE);
	/* Both in one notice, which is the same transaction whoever tries it. */
	j = take(&w);
	REQUIRE(j != NULL);
	CHECK_INT(j->lease.kind, LEASE_NOTICE);
	CHECK_INT(j->n, 2);
	CHECK_ERR(tell(&w, j, OUTBOUND_TRIED, "2.0.0", ""), E_OK);
	CHECK_INT(items(&w), 0);
	/* A bounce that fails is for an administrator. */
	submit(&w, &bounce);
	j = take(&w);
	REQUIRE(j != NULL);
	CHECK_ERR(tell(&w, j, OUTBOUND_TRIED, "5.1.1", "550 no such user"), E_OK);
	CHECK_INT(items(&w), 1);
	CHECK_INT(job_at(&w, 0).kind, JOB_BAD);
	CHECK_INT(sched_count(outbound_sched(w.o)), 0);
	works_close(&w);
}

/* While its destination rests, too: the schedule has tries after 0, 15, 45, 105, 345, 585 and 825
 * minutes. */
TEST_FIBER(outbound_tells_of_a_delay)
{
	static const int64_t pauses[] = {15, 30, 60, 240, 240};
	struct mail mail = {1, NULL, {"x@elsewhere.test"}, 0};
	struct works w;
	struct outbound_job *j;

	REQUIRE(works_open(&w));
	submit(&w, &mail);
	for (size_t i = 0; i <= ARRAY_LEN(pauses); i++) {
		j = take(&w);
		REQUIRE(j != NULL);
		CHECK_INT(j->lease.kind, LEASE_SEND);
		CHECK_ERR(tell(&w, j, OUTBOUND_UNREACHABLE, "4.4.1", "refused"), E_OK);
		if (i < ARRAY_LEN(pauses))
			move_clock(&w, pauses[i] * MINUTE_US + 1000);
	}
	move_clock(&w, (720 - 585) * MINUTE_US);
	j = take(&w);
	REQUIRE(j != NULL);
	CHECK_INT(j->lease.kind, LEASE_NOTICE);
	CHECK_INT(j->jobs[0].action, JOB_DELAYED);
	CHECK_SLICE(j->jobs[0].last_error, SL("refused"));
	CHECK_INT((j->jobs[0].expire_us - j->jobs[0].first_us) / HOUR_US, 48);
	CHECK_ERR(tell(&w, j, OUTBOUND_TRIED, "2.0.0", ""), E_OK);
	CHECK_INT(items(&w), 1);
	CHECK(job_at(&w, 0).warned);
	move_clock(&w, (825 - 720) * MINUTE_US);
	j = take(&w);
	REQUIRE(j != NULL);
	CHECK_ERR(tell(&w, j, OUTBOUND_TRIED, "2.0.0", "250 ok"), E_OK);
	CHECK_INT(items(&w), 0);
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
		struct mail mail = {i, NULL, {"x@dead.test"}, 0};

		submit(&w, &mail);
	}
	j = take(&w);
	REQUIRE(j != NULL);
	CHECK_ERR(tell(&w, j, OUTBOUND_UNREACHABLE, "4.4.1", "connection refused"), E_OK);
	for (size_t i = 1; i < w.batch->n; i++)
		CHECK_ERR(tell(&w, &w.batch->jobs[i], OUTBOUND_UNTRIED, "", ""), E_OK);
	CHECK_INT(items(&w), 20);
	sched_totals(outbound_sched(w.o), clock_wall_us(), states);
	CHECK_INT(states[SCHED_LEASED], 0);
	CHECK_INT(states[SCHED_READY], 0);
	/* When it comes back, all of them go. */
	move_clock(&w, 16 * MINUTE_US);
	for (size_t done = 0; done < 20;) {
		j = take(&w);
		REQUIRE(j != NULL);
		for (size_t i = 0; i < w.batch->n; i++)
			CHECK_ERR(tell(&w, &w.batch->jobs[i], OUTBOUND_TRIED, "2.0.0", "250 ok"),
				  E_OK);
		done += w.batch->n;
	}
	CHECK_INT(items(&w), 0);
	works_close(&w);
}

/* A worker that is killed loses its leases; what it says late still counts, once. */
TEST_FIBER(outbound_lost_worker)
{
	struct mail mail = {1, NULL, {"x@elsewhere.test"}, 0};
	struct works w;
	struct outbound_job *j, late;

	REQUIRE(works_open(&w));
	submit(&w, &mail);
	j = take(&w);
	REQUIRE(j != NULL);
	late = *j;
	outbound_worker_free(&w.worker);
	REQUIRE(outbound_worker_new(w.o, &fe2, &w.worker) == E_OK);
	j = take(&w);
	REQUIRE(j != NULL);
	CHECK_STR(j->lease.frontend, "fe2");
	CHECK_INT(j->lease.items[0], late.lease.items[0]);
	CHECK_ERR(tell(&w, &late, OUTBOUND_TRIED, "2.0.0", "250 ok"), E_OK);
	CHECK_INT(items(&w), 0);
	CHECK_ERR(tell(&w, j, OUTBOUND_TRIED, "4.2.0", "450 late"), E_OK);
	CHECK_INT(items(&w), 0);
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
		room_to(&m, outside(&w, address));
		m.rcpts[i].orcpt = slice(words, 500);
	}
	CHECK_ERR(deliver_commit(&w.room.deliver, &m.msg, &d), E_OK);
	room_mail_fini(&m);
	while (seen < ARRAY_LEN(m.rcpts)) {
		j = take(&w);
		REQUIRE(j != NULL && j->lease.kind == LEASE_SEND);
		seen += j->n;
		CHECK_ERR(tell(&w, j, OUTBOUND_TRIED, "5.1.1", words), E_OK);
	}
	for (seen = 0; seen < ARRAY_LEN(m.rcpts); jobs++) {
		REQUIRE(take(&w) != NULL);
		for (size_t i = 0; i < w.batch->n; i++) {
			j = &w.batch->jobs[i];
			CHECK_INT(j->lease.kind, LEASE_NOTICE);
			CHECK(j->bytes <= OUTBOUND_JOB_BYTES_MAX);
			seen += j->n;
			jobs += i != 0;
			CHECK_ERR(tell(&w, j, OUTBOUND_TRIED, "2.0.0", ""), E_OK);
		}
	}
	CHECK(jobs >= 2);
	CHECK_INT(items(&w), 0);
	works_close(&w);
}

/* Held rows, rows of other kinds, and what was there before the start. */
TEST_FIBER(outbound_after_a_restart)
{
	struct mail mail = {1, NULL, {"x@elsewhere.test"}, 0};
	struct works w;
	struct outbound_job *j, before;

	REQUIRE(works_open(&w));
	submit(&w, &mail);
	j = take(&w);
	REQUIRE(j != NULL);
	before = *j;
	outbound_worker_free(&w.worker);
	outbound_stop(&w.o);
	REQUIRE(outbound_start(&w.room.deliver, w.none, &w.o) == E_OK);
	REQUIRE(outbound_worker_new(w.o, &fe1, &w.worker) == E_OK);
	j = take(&w);
	REQUIRE(j != NULL);
	CHECK_INT(j->lease.items[0], before.lease.items[0]);
	CHECK_ERR(tell(&w, j, OUTBOUND_TRIED, "2.0.0", "250 ok"), E_OK);
	CHECK_INT(items(&w), 0);
	works_close(&w);
}
