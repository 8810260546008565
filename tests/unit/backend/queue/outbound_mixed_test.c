/* Reports of many results at once, as workers send them: some need a look at their rows, some do
 * not, and every recipient gets his own verdict. */
#include "tests/unit/backend/queue/works.h"

#include <stdatomic.h>

#include "backend/queue/outbound_priv.h"
#include "common/base/clock.h"

enum { LATER, BOTH, UNTRIED, UNREACHED, SENT, REFUSED, RESULTS };

/* In the order in which they are reported: a success that nobody wants to hear of, and what was not
 * tried, lie between those whose rows are read. */
static const struct {
	const char *destination, *status[2], *text[2];
	size_t recipients;
	enum outbound_end end;
} told[RESULTS] = {
	[LATER] = {"a.test", {"4.2.2"}, {"452 a"}, 1, OUTBOUND_TRIED},
	[BOTH] = {"b.test", {"2.0.0", "4.3.1"}, {"250 b", "451 b"}, 2, OUTBOUND_TRIED},
	[UNTRIED] = {"c.test", {NULL}, {NULL}, 1, OUTBOUND_UNTRIED},
	[UNREACHED] = {"d.test", {"4.4.1"}, {"d is dead"}, 1, OUTBOUND_UNREACHABLE},
	[SENT] = {"e.test", {"2.0.0"}, {"250 e"}, 1, OUTBOUND_TRIED},
	[REFUSED] = {"f.test", {"5.1.1"}, {"550 f"}, 1, OUTBOUND_TRIED},
};

struct mixed {
	struct works works;
	struct lease_token leases[RESULTS];
	struct outcome_try tries[RESULTS][2];
	struct outbound_result results[RESULTS];
};

static void answer(struct mixed *m, size_t i)
{
	for (size_t k = 0; k < ARRAY_LEN(m->tries[i]) && told[i].status[k] != NULL; k++)
		m->tries[i][k] = (struct outcome_try){.status = slice_str(told[i].status[k]),
						      .text = slice_str(told[i].text[k]),
						      .remote = SL("mx.test [192.0.2.1]"),
						      .at_us = clock_wall_us(),
						      .no_dsn = true};
	m->results[i] = (struct outbound_result){.lease = &m->leases[i],
						 .worker = outbound_worker_number(m->works.worker),
						 .end = told[i].end,
						 .tries = m->tries[i]};
}

/* All of them leased, none reported. */
WAITS static bool take_all(struct mixed *m)
{
	static const struct mail first = {1, 0, NULL, {"x@a.test", "x@b.test", "y@b.test"}, 0};
	static const struct mail second = {2, 0, NULL, {"x@c.test", "x@d.test", "x@e.test"}, 0};
	static const struct mail third = {3, 0, NULL, {"x@f.test"}, 0};

	if (!works_open(&m->works))
		return false;
	works_submit(&m->works, &first);
	works_submit(&m->works, &second);
	works_submit(&m->works, &third);
	for (size_t n = 0; n < RESULTS; n++) {
		const struct outbound_job *j = works_take(&m->works);
		size_t i = 0;

		while (j != NULL && i < RESULTS &&
		       !slice_eq(j->destination, slice_str(told[i].destination)))
			i++;
		if (j == NULL || i == RESULTS || m->leases[i].n != 0 ||
		    j->n != told[i].recipients || m->works.batch->n != 1)
			return false;
		m->leases[i] = j->lease;
		answer(m, i);
	}
	return true;
}

WAITS static enum err report(struct mixed *m, const struct outbound_result *v, size_t n)
{
	return outbound_report(m->works.o, partitions_get(m->works.room.parts, 0), v, n);
}

/* The item as it lies in the store; its kind is 0 when it is gone. */
static struct job item_of(struct mixed *m, size_t result, size_t k)
{
	size_t n = works_items(&m->works);

	for (size_t i = 0; i < n; i++) {
		if (m->works.items[i].id == m->leases[result].items[k])
			return works_job_at(&m->works, i);
	}
	return (struct job){.attempts = 0};
}

static void check_item(struct mixed *m, size_t result, size_t k, enum job_kind kind,
		       const char *words)
{
	struct job j = item_of(m, result, k);

	check_note("%s, %zu", told[result].destination, k);
	CHECK_INT(j.kind, kind);
	CHECK_SLICE(j.last_error, slice_str(words));
}

static enum sched_state state_of(struct mixed *m, size_t result, size_t k)
{
	struct sched_info info = {.state = SCHED_STATES};
	struct sched_key key;

	if (!outbound_key(m->works.o, 0, m->leases[result].items[k], &key) ||
	    sched_get(outbound_sched(m->works.o), key, clock_wall_us(), &info) != E_OK)
		return SCHED_STATES;
	return info.state;
}

static uint32_t failures_of(struct mixed *m, size_t result)
{
	struct sched_destination d = {.failures = 0};

	CHECK_ERR(sched_destination_get(outbound_sched(m->works.o),
					slice_str(told[result].destination), &d),
		  E_OK);
	return d.failures;
}

TEST_FIBER(outbound_reports_many_at_once)
{
	struct mixed m = {.leases = {{.n = 0}}};

	REQUIRE(take_all(&m));
	CHECK_ERR(report(&m, m.results, RESULTS), E_OK);
	check_item(&m, LATER, 0, JOB_OUTSIDE, "452 a");
	check_item(&m, BOTH, 0, 0, "");
	check_item(&m, BOTH, 1, JOB_OUTSIDE, "451 b");
	check_item(&m, UNTRIED, 0, JOB_OUTSIDE, "");
	check_item(&m, UNREACHED, 0, JOB_OUTSIDE, "d is dead");
	check_item(&m, SENT, 0, 0, "");
	check_item(&m, REFUSED, 0, JOB_NOTICE, "550 f");
	CHECK_INT(works_items(&m.works), 5);
	CHECK_INT(item_of(&m, LATER, 0).attempts, 1);
	CHECK_INT(item_of(&m, UNTRIED, 0).attempts, 0);
	CHECK_INT(state_of(&m, LATER, 0), SCHED_WAITING);
	CHECK_INT(state_of(&m, BOTH, 1), SCHED_WAITING);
	CHECK_INT(state_of(&m, UNTRIED, 0), SCHED_READY);
	CHECK_INT(state_of(&m, REFUSED, 0), SCHED_READY); /* to tell the sender */
	CHECK_INT(failures_of(&m, LATER), 0);
	CHECK_INT(failures_of(&m, UNREACHED), 1);
	works_close(&m.works);
}

/* On the partition's own thread. */
static enum err refuse(void *arg, uint64_t seq UNUSED, slice_t op UNUSED, struct stage *r UNUSED)
{
	return atomic_load((atomic_bool *)arg) ? E_IO : E_OK;
}

/* Nothing has happened: every row and every lease is as it was, and the repetition counts. */
TEST_FIBER(outbound_repeats_what_was_not_kept)
{
	struct mixed m = {.leases = {{.n = 0}}};
	atomic_bool refuses = true;
	size_t n = 0;

	REQUIRE(take_all(&m));
	partition_sink(partitions_get(m.works.room.parts, 0), refuse, &refuses);
	for (size_t i = 0; i < RESULTS; i++) {
		if (i != UNTRIED)
			m.results[n++] = m.results[i];
	}
	CHECK_ERR(report(&m, m.results, n), E_RETRY);
	CHECK_INT(works_items(&m.works), 7);
	for (size_t i = 0; i < RESULTS; i++) {
		for (size_t k = 0; k < m.leases[i].n; k++) {
			check_item(&m, i, k, JOB_OUTSIDE, "");
			CHECK_INT(state_of(&m, i, k), SCHED_LEASED);
		}
	}
	atomic_store(&refuses, false);
	CHECK_ERR(report(&m, m.results, n), E_OK);
	check_item(&m, BOTH, 0, 0, "");
	check_item(&m, BOTH, 1, JOB_OUTSIDE, "451 b");
	check_item(&m, REFUSED, 0, JOB_NOTICE, "550 f");
	CHECK_INT(item_of(&m, LATER, 0).attempts, 1);
	CHECK_INT(failures_of(&m, UNREACHED), 1);
	CHECK_INT(state_of(&m, UNTRIED, 0), SCHED_LEASED);
	works_close(&m.works);
}
