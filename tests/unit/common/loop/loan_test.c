#include "common/loop/fiber.h"
#include "common/loop/loan.h"
#include "common/loop/work.h"
#include "tests/lib/check.h"

WAITS static void wait_yield(void)
{
	fiber_yield();
}

WAITS static void wait_sleep(void)
{
	CHECK_ERR(fiber_sleep("t.loan", 1), E_TIMEOUT);
}

WAITS static void wait_set_event(void)
{
	struct event e;

	event_init(&e);
	event_set(&e);
	CHECK_ERR(event_wait(&e, "t.loan", NO_DEADLINE), E_OK);
}

WAITS static void wait_queue(void)
{
	struct waitq q;

	waitq_init(&q);
	CHECK_ERR(waitq_wait(&q, "t.loan", deadline_in(1)), E_TIMEOUT);
}

WAITS static void wait_for_nobody(void)
{
	struct scope s;

	scope_init(&s);
	CHECK_ERR(scope_join(&s, NO_DEADLINE), E_OK);
}

WAITS static void wait_cancelled(void)
{
	struct event e;

	event_init(&e);
	fiber_cancel(fiber_self());
	CHECK_ERR(event_wait(&e, "t.loan", NO_DEADLINE), E_CANCELLED);
}

static void nothing(void *arg UNUSED)
{
}

WAITS static void wait_work(void)
{
	CHECK_ERR(work_run("t.loan", nothing, NULL), E_OK);
}

/* A loan is over with any wait, also with one that did not have to. */
TEST_FIBER(a_loan_ends_with_every_wait)
{
	WAITS void (*const waits[])(void) = {wait_yield,    wait_sleep,      wait_set_event,
					     wait_queue,    wait_for_nobody, wait_work,
					     wait_cancelled};
	static char row[] = "a row's text";

	for (size_t i = 0; i < ARRAY_LEN(waits); i++) {
		slice_t one = loan_slice(slice_str(row)), two = loan_slice(slice_str(row));

		check_note("wait %zu", i);
		CHECK_SLICE(one, slice_str(row));
		CHECK(!asan_poisoned(one.p));
		waits[i]();
		CHECK_INT(asan_poisoned(one.p), ASAN_BUILD);
		CHECK_INT(asan_poisoned(two.p), ASAN_BUILD);
		CHECK(!asan_poisoned(row));
	}
}

TEST_FIBER(nothing_is_lent_as_nothing)
{
	CHECK(loan_slice(SLICE_NONE).p == NULL);
	CHECK_SLICE(loan_slice(SL("")), SL(""));
	CHECK(loan_slice(SL("")).p != NULL);
	CHECK(loan_str(NULL) == NULL);
	CHECK_STR(loan_str("text"), "text");
}

TEST_FIBER(a_struct_is_lent)
{
	struct row {
		long double number;
		const char *text;
	} row = {1.5L, "text"};
	const struct row *r = LOAN_STRUCT(&row);

	CHECK(r->number == 1.5L && r->text == row.text);
	fiber_yield();
	CHECK_INT(asan_poisoned(r), ASAN_BUILD);
}
