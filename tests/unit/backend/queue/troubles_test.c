#include "backend/queue/troubles.h"

#include <stdio.h>

#include "backend/queue/outbound_admin.h"
#include "common/base/clock.h"
#include "tests/unit/backend/queue/works.h"

static struct outcome_try try_of(const char *text, int64_t at_us)
{
	return (struct outcome_try){.status = SL("4.4.1"),
				    .text = slice_str(text),
				    .remote = SL("mx.test [192.0.2.1]"),
				    .at_us = at_us};
}

TEST(troubles_the_latest_counts)
{
	struct outcome_try first = try_of("refused", 1), then = try_of("timeout", 2);
	const struct trouble *x;
	struct troubles t;

	troubles_init(&t);
	CHECK(troubles_of(&t, SL("a.test")) == NULL);
	troubles_over(&t, SL("a.test"));
	troubles_note(&t, SL("a.test"), &first);
	troubles_note(&t, SL("a.test"), &then);
	x = troubles_of(&t, SL("a.test"));
	REQUIRE(x != NULL);
	CHECK_SLICE(x->text, SL("timeout"));
	CHECK_SLICE(x->status, SL("4.4.1"));
	CHECK_SLICE(x->remote, SL("mx.test [192.0.2.1]"));
	CHECK_INT(x->at_us, 2);
	CHECK(troubles_of(&t, SL("b.test")) == NULL);
	troubles_over(&t, SL("a.test"));
	CHECK(troubles_of(&t, SL("a.test")) == NULL);
	troubles_fini(&t);
}

TEST(troubles_are_bounded)
{
	static const char words[2 * TROUBLE_TEXT_MAX];
	struct outcome_try r = try_of("", 1);
	struct troubles t;
	char name[32];

	troubles_init(&t);
	r.text = r.remote = slice(words, sizeof words);
	for (unsigned i = 0; i <= TROUBLES_MAX; i++) {
		snprintf(name, sizeof name, "d%u.test", i);
		troubles_note(&t, slice_str(name), &r);
	}
	CHECK_INT(t.by_name.count, TROUBLES_MAX);
	CHECK(troubles_of(&t, SL("d0.test")) == NULL);
	REQUIRE(troubles_of(&t, SL("d1.test")) != NULL);
	CHECK_INT(troubles_of(&t, SL("d1.test"))->text.n, TROUBLE_TEXT_MAX);
	CHECK_INT(troubles_of(&t, SL("d1.test"))->remote.n, TROUBLE_TEXT_MAX);
	troubles_fini(&t);
}

/* The one that found it out, and one that was never tried: both their senders hear why. */
TEST_FIBER(troubles_of_a_destination)
{
	struct mail mail = {1, 0, NULL, {"x@a.test"}, 0}, other = {2, 0, NULL, {"y@a.test"}, 0};
	const struct partition *part;
	const struct trouble *x;
	struct job tried, untried;
	struct outbound_job *j;
	struct works w;

	REQUIRE(works_open(&w));
	part = partitions_get(w.room.parts, 0);
	works_submit(&w, &mail);
	j = works_take(&w);
	REQUIRE(j != NULL);
	CHECK_ERR(works_tell(&w, j, OUTBOUND_UNREACHABLE, "4.4.1", "refused"), E_OK);
	works_submit(&w, &other);
	REQUIRE(works_known(&w, 2));
	REQUIRE(works_items(&w) == 2);
	tried = works_job_at(&w, 0);
	untried = works_job_at(&w, 1);
	CHECK(outbound_trouble(w.o, part, w.items[0].id, &tried) == NULL);
	x = outbound_trouble(w.o, part, w.items[1].id, &untried);
	REQUIRE(x != NULL);
	CHECK_SLICE(x->text, SL("refused"));
	works_move_clock(&w, 49 * HOUR_US); /* both are given up */
	for (size_t i = 0; i < 2; i++) {
		while (works_items(&w) == 2 && works_job_at(&w, i).kind != JOB_NOTICE)
			fiber_yield();
		tried = works_job_at(&w, i);
		CHECK_SLICE(tried.status, SL("5.4.7"));
		CHECK_SLICE(tried.last_error, SL("refused"));
		CHECK_SLICE(tried.remote, SL("mx.test [192.0.2.1]"));
	}
	works_close(&w);
}
