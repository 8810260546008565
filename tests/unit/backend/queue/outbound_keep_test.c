/* What is given out can be kept, and what could not be tried says nothing of its destination. */
#include <stdatomic.h>

#include "backend/queue/outbound_priv.h"
#include "backend/store/partition_priv.h"
#include "common/base/clock.h"
#include "common/loop/work.h"
#include "tests/lib/gate.h"
#include "tests/unit/backend/queue/works.h"

static struct partition *part_of(const struct works *w)
{
	return partitions_get(w->room.parts, 0);
}

static atomic_bool refuses;

static enum err sink(void *arg UNUSED, uint64_t seq UNUSED, slice_t op UNUSED,
		     struct stage *record UNUSED)
{
	return atomic_load(&refuses) ? E_IO : E_OK;
}

WAITS static bool open_with_sink(struct works *w)
{
	bool opened = works_open(w);

	atomic_store(&refuses, false);
	if (opened)
		partition_sink(part_of(w), sink, NULL);
	return opened;
}

static struct sched_info info_of(struct works *w, uint64_t item)
{
	struct sched_info info = {.state = SCHED_STATES};
	struct sched_key key;

	CHECK(outbound_key(w->o, 0, item, &key));
	CHECK_ERR(sched_get(outbound_sched(w->o), key, clock_wall_us(), &info), E_OK);
	return info;
}

/* A report of two jobs: one was not tried, the other one was accepted. */
struct pair {
	struct outbound_job jobs[2];
	struct outcome_try tried;
	struct outbound_result results[2];
};

WAITS static void take_pair(struct works *w, struct pair *p)
{
	struct mail mails[2] = {{1, 0, NULL, {"x@a.test"}, 0}, {2, 0, NULL, {"x@b.test"}, 0}};

	p->tried = (struct outcome_try){
		.code = 250, .status = SL("2.0.0"), .text = SL("250 ok"), .remote = SL("mx")};
	for (size_t i = 0; i < 2; i++) {
		const struct outbound_job *j;

		works_submit(w, &mails[i]);
		j = works_take(w);
		REQUIRE(j != NULL);
		p->jobs[i] = *j;
		p->results[i] =
			(struct outbound_result){.lease = &p->jobs[i].lease,
						 .worker = outbound_worker_number(w->worker),
						 .end = i == 0 ? OUTBOUND_UNTRIED : OUTBOUND_TRIED,
						 .tries = &p->tried};
	}
}

/* It comes again, whole, when it could not be kept, or when its answer was lost. */
TEST_FIBER(keep_a_report_happens_or_does_not)
{
	struct pair p;
	struct works w;
	const struct outbound_job *j;
	uint64_t item;

	REQUIRE(open_with_sink(&w));
	take_pair(&w, &p);
	item = p.jobs[0].lease.items[0];
	atomic_store(&refuses, true);
	CHECK_ERR(outbound_report(w.o, part_of(&w), p.results, 2), E_RETRY);
	CHECK_INT(info_of(&w, item).state, SCHED_LEASED);
	atomic_store(&refuses, false);
	works_pass(&w, OUTBOUND_FAILED_US / 1000);
	CHECK_ERR(outbound_report(w.o, part_of(&w), p.results, 2), E_OK);
	CHECK_INT(info_of(&w, item).state, SCHED_READY);
	j = works_take(&w);
	REQUIRE(j != NULL);
	CHECK_INT(j->lease.items[0], item);
	CHECK(j->lease.leased_us > p.jobs[0].lease.leased_us);
	CHECK_ERR(outbound_report(w.o, part_of(&w), p.results, 2), E_OK);
	CHECK_INT(info_of(&w, item).state, SCHED_LEASED);
	works_close(&w);
}

/* While results cannot be kept, none are caused; a minute later one more try is made. */
TEST_FIBER(keep_nothing_goes_out_that_cannot_be_kept)
{
	struct mail mail = {3, 0, NULL, {"y@c.test"}, 0};
	const struct outbound_job *j;
	struct pair p;
	struct works w;
	struct sched_info info;

	REQUIRE(open_with_sink(&w));
	take_pair(&w, &p);
	works_submit(&w, &mail);
	REQUIRE(works_known(&w, 3));
	atomic_store(&refuses, true);
	CHECK_ERR(outbound_report(w.o, part_of(&w), p.results + 1, 1), E_RETRY);
	outbound_batch_fini(w.batch);
	CHECK_ERR(outbound_take(w.worker, w.batch), E_OK);
	CHECK_INT(w.batch->n, 0);
	info = info_of(&w, works_items(&w) == 3 ? w.items[2].id : 0);
	CHECK_INT(info.state, SCHED_WAITING);
	CHECK(info.until_us <= clock_wall_us() + OUTBOUND_FAILED_US);
	atomic_store(&refuses, false);
	outbound_batch_fini(w.batch);
	works_pass(&w, OUTBOUND_FAILED_US / 1000);
	j = works_take(&w);
	REQUIRE(j != NULL);
	CHECK_SLICE(j->destination, SL("c.test"));
	works_close(&w);
}

/* For good: what its disk has lost nobody knows. */
TEST_FIBER(keep_a_stopped_partition_gives_nothing_out)
{
	struct mail mail = {1, 0, NULL, {"x@a.test"}, 0}, other = {2, 0, NULL, {"x@a.test"}, 0};
	const struct outbound_job *j;
	struct works w;

	REQUIRE(works_open(&w));
	works_submit(&w, &mail);
	w.partition = 1;
	works_submit(&w, &other);
	REQUIRE(works_known(&w, 2));
	atomic_store(&part_of(&w)->stopped, true);
	j = works_take(&w);
	REQUIRE(j != NULL); /* the other partition's */
	CHECK_INT(j->lease.partition, partition_id(w.o->parts[1].part));
	CHECK_INT(w.batch->n, 1);
	outbound_batch_fini(w.batch);
	works_pass(&w, OUTBOUND_FAILED_US / 1000);
	outbound_batch_fini(w.batch);
	CHECK_ERR(outbound_take(w.worker, w.batch), E_OK);
	CHECK_INT(w.batch->n, 0);
	works_close(&w);
}

static void nothing(void *arg UNUSED)
{
}

WAITS static void ask_for_work(void *arg)
{
	unsigned *turned_away = arg;
	enum err e = work_run("test.full", nothing, NULL);

	CHECK(e == E_OK || e == E_BUSY);
	*turned_away += e == E_BUSY;
}

/* The worker keeps its stream, and with it what it has. */
TEST_FIBER(keep_no_thread_for_it)
{
	struct mail mail = {1, 0, NULL, {"x@a.test"}, 0};
	const struct outbound_job *j;
	unsigned turned_away = 0;
	struct scope full;
	struct gate g;
	struct works w;

	REQUIRE(works_open(&w));
	works_submit(&w, &mail);
	REQUIRE(works_known(&w, 1));
	gate_close(&g);
	scope_init(&full);
	for (size_t i = 0; i < WORK_QUEUE_MAX; i++)
		CHECK_ERR(scope_start(&full, "test.full", ask_for_work, &turned_away), E_OK);
	while (turned_away == 0)
		fiber_yield();
	outbound_batch_fini(w.batch);
	CHECK_ERR(outbound_take(w.worker, w.batch), E_OK);
	CHECK_INT(w.batch->n, 0);
	gate_open(&g);
	CHECK_ERR(scope_join(&full, NO_DEADLINE), E_OK);
	REQUIRE(works_items(&w) == 1);
	CHECK_INT(info_of(&w, w.items[0].id).state, SCHED_WAITING);
	works_pass(&w, OUTBOUND_BUSY_US / 1000);
	j = works_take(&w);
	REQUIRE(j != NULL);
	CHECK_ERR(works_tell(&w, j, OUTBOUND_TRIED, "2.0.0", "250 ok"), E_OK);
	works_close(&w);
}

static uint32_t failures_of(struct works *w, const char *name)
{
	struct sched_destination d = {.failures = 0};

	CHECK_ERR(sched_destination_get(outbound_sched(w->o), slice_str(name), &d), E_OK);
	return d.failures;
}

/* What is put off was not tried: a destination that is down stays so. */
TEST_FIBER(keep_put_off_reaches_nobody)
{
	struct mail mail = {1, 0, NULL, {"x@a.test"}, 0};
	const struct outbound_job *j;
	struct works w;

	REQUIRE(works_open(&w));
	works_submit(&w, &mail);
	j = works_take(&w);
	REQUIRE(j != NULL);
	CHECK_ERR(works_tell(&w, j, OUTBOUND_UNREACHABLE, "4.4.1", "refused"), E_OK);
	works_move_clock(&w, 16 * MINUTE_US);
	j = works_take(&w);
	REQUIRE(j != NULL);
	CHECK_INT(failures_of(&w, "a.test"), 1);
	outbound_put_off(w.o, j, outbound_worker_number(w.worker), MINUTE_US);
	CHECK_INT(failures_of(&w, "a.test"), 1);
	CHECK_INT(info_of(&w, j->lease.items[0]).state, SCHED_WAITING);
	works_close(&w);
}

/* Nobody waits an hour since somebody has set the clock back by one. */
TEST_FIBER(keep_opening_when_the_clock_goes_back)
{
	struct mail mail = {1, 0, NULL, {"x@a.test"}, 0};
	const struct outbound_job *j;
	struct works w;
	int64_t began_ms;

	REQUIRE(works_open(&w));
	outbound_worker_free(&w.worker);
	outbound_stop(&w.o);
	REQUIRE(outbound_start(&w.room.deliver, w.none, &w.o) == E_OK);
	REQUIRE(outbound_worker_new(w.o, &works_fe1, &w.worker) == E_OK);
	began_ms = clock_mono_ms();
	works_move_clock(&w, -HOUR_US);
	works_submit(&w, &mail);
	j = works_take(&w);
	REQUIRE(j != NULL);
	CHECK(clock_mono_ms() - began_ms < MINUTE_US / 1000);
	works_close(&w);
}
