#include "backend/queue/queue_filter.h"

#include "tests/lib/check.h"

static struct job outside(void)
{
	return (struct job){.kind = JOB_OUTSIDE,
			    .sender = SL("Alice@Example.org"),
			    .address = SL("bob@elsewhere.test"),
			    .trace_id = {1, 2, 3},
			    .first_us = 1000};
}

TEST(filter_by_row)
{
	static const char trace[16] = {1, 2, 3}, other[16] = {1, 2, 4};
	static const struct {
		struct queue_filter f;
		bool meant;
	} cases[] = {
		{{.item = 0}, true},
		{{.sender = SL("alice@example.org")}, true},
		{{.sender = SL("@example.org")}, true},
		{{.sender = SL("@ample.org")}, false},
		{{.sender = SL("ce@example.org")}, false},
		{{.sender = SL("<>")}, false},
		{{.to = SL("bob@elsewhere.test")}, true},
		{{.to = SL("@ELSEWHERE.test")}, true},
		{{.to = SL("alice@example.org")}, false},
		{{.to = SL("@")}, false},
		{{.destination = SL("Elsewhere.Test")}, true},
		{{.destination = SL("where.test")}, false},
		{{.trace = {trace, 16}}, true},
		{{.trace = {other, 16}}, false},
		{{.before_us = 1001}, true},
		{{.before_us = 1000}, false},
		{{.sender = SL("@example.org"), .to = SL("@elsewhere.test")}, true},
		{{.sender = SL("@example.org"), .to = SL("@example.org")}, false},
	};
	struct job j = outside();

	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		check_note("case %zu", i);
		CHECK_INT(queue_filter_job(&cases[i].f, &j), cases[i].meant);
	}
}

TEST(filter_by_odd_addresses)
{
	struct queue_filter null = {.sender = SL("<>")}, to = {.to = SL("x@here.test")};
	uint64_t accounts[] = {7, 9};
	struct job j = outside();

	j.sender = SLICE_NONE;
	CHECK(queue_filter_job(&null, &j));
	/* Accounts have no address in the row; the caller knows whose it is. */
	j.kind = JOB_ACCOUNTS;
	j.address = SLICE_NONE;
	j.accounts = accounts;
	j.naccounts = 2;
	CHECK(!queue_filter_job(&to, &j));
	to.to_account = 9;
	CHECK(queue_filter_job(&to, &j));
	to.to_account = 8;
	CHECK(!queue_filter_job(&to, &j));
	to.to = SL("<>");
	CHECK(!queue_filter_job(&to, &j));
	j.naccounts = 0;
	CHECK(queue_filter_job(&to, &j));
}

TEST(filter_by_destination)
{
	struct queue_filter f = {.destination = SL("[relay.test]:26")};
	struct job j = outside();

	CHECK(!queue_filter_job(&f, &j));
	j.route = SL("[relay.test]:26");
	CHECK(queue_filter_job(&f, &j));
	j.kind = JOB_NOTICE;
	CHECK(!queue_filter_job(&f, &j));
	f.destination = JOB_NOTICES;
	CHECK(queue_filter_job(&f, &j));
	j.kind = JOB_EXPAND;
	CHECK_INT(job_destination(&j).n, 0);
}

/* Every kind in every state, against every state alone. */
TEST(filter_by_state)
{
	for (enum job_kind k = JOB_EXPAND; k <= JOB_BAD; k++) {
		struct job j = {.kind = k};

		for (enum queue_state is = QUEUE_IS_READY; is < QUEUE_IS_NOTICE; is++) {
			for (enum queue_state want = QUEUE_IS_READY; want < QUEUE_STATES; want++) {
				struct queue_filter f = {.states = 1U << want};
				bool by_kind = want == QUEUE_IS_NOTICE ? k == JOB_NOTICE
					       : want == QUEUE_IS_INSIDE
						       ? k == JOB_EXPAND || k == JOB_ACCOUNTS
						       : false;

				CHECK_INT(queue_filter_state(&f, &j, is), want == is || by_kind);
			}
		}
	}
}

TEST(filter_states_of_the_scheduler)
{
	static const enum queue_state want[SCHED_STATES] = {
		[SCHED_READY] = QUEUE_IS_READY,    [SCHED_WAITING] = QUEUE_IS_WAITING,
		[SCHED_LEASED] = QUEUE_IS_LEASED,  [SCHED_EXPIRED] = QUEUE_IS_LEASED,
		[SCHED_HELD] = QUEUE_IS_HELD,      [SCHED_HELD_SENDER] = QUEUE_IS_HELD,
		[SCHED_HELD_DEST] = QUEUE_IS_HELD, [SCHED_PACED] = QUEUE_IS_PACED,
		[SCHED_DOWN] = QUEUE_IS_DOWN,
	};

	for (enum sched_state s = SCHED_READY; s < SCHED_STATES; s++)
		CHECK_INT(queue_state_of(s), want[s]);
}

TEST(filter_ids)
{
	static const struct {
		const char *text;
		uint32_t partition;
		uint64_t item; /* 0: refused */
	} cases[] = {
		{"0.1", 0, 1},
		{"4294967295.18446744073709551614", UINT32_MAX, UINT64_MAX - 1},
		{"4294967296.1", 0, 0},
		{"0.18446744073709551615", 0, 0},
		{"1.0", 0, 0},
		{"1.", 0, 0},
		{".1", 0, 0},
		{"1", 0, 0},
		{"", 0, 0},
		{"1.2.3", 0, 0},
		{"1.-2", 0, 0},
		{" 1.2", 0, 0},
	};

	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct queue_filter f = {.item = 0};
		enum err e = queue_filter_id(slice_str(cases[i].text), &f);

		check_note("%s", cases[i].text);
		CHECK_ERR(e, cases[i].item != 0 ? E_OK : E_INVALID);
		CHECK_INT(f.partition, cases[i].partition);
		CHECK_INT(f.item, cases[i].item);
	}
}

TEST(filter_of_everything)
{
	struct queue_filter f = {.partition = 3, .to_account = 0};

	CHECK(queue_filter_is_all(&f));
	f.states = 1;
	CHECK(!queue_filter_is_all(&f));
	f = (struct queue_filter){.larger = 1};
	CHECK(!queue_filter_is_all(&f));
}
