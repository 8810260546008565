/* What a try makes of an item: the schedule, who is told, and what is not told to anybody. */
#include "backend/queue/outcome.h"

#include "tests/lib/check.h"

#define MINUTE_US (60 * 1000000LL)
#define HOUR_US   (60 * MINUTE_US)
#define DAY_US    (24 * HOUR_US)

static const struct outcome_times times = {
	.retry_us = {15 * MINUTE_US, 30 * MINUTE_US, 60 * MINUTE_US, 240 * MINUTE_US},
	.nretry = 4,
	.warn_us = 12 * HOUR_US,
	.expire_us = 2 * DAY_US,
};

static struct job outside(uint32_t notify)
{
	return (struct job){.kind = JOB_OUTSIDE,
			    .sender = SL("alice@example.org"),
			    .address = SL("bob@example.net"),
			    .notify = notify,
			    .first_us = 1000};
}

static struct outcome_try try_of(const char *status, int64_t at_us)
{
	return (struct outcome_try){.code = 450,
				    .status = slice_str(status),
				    .text = SL("450 no"),
				    .remote = SL("mx [192.0.2.1]"),
				    .at_us = at_us};
}

TEST(outcome_walks_the_schedule)
{
	static const int64_t pauses[] = {15, 30, 60, 240, 240, 240};
	struct job j = outside(0);
	int64_t now = j.first_us;

	for (size_t i = 0; i < ARRAY_LEN(pauses); i++) {
		struct outcome_try t = try_of("4.2.2", now);

		CHECK_INT(outcome_of_try(&j, &t, &times), OUTCOME_KEEP);
		CHECK_INT(j.next_us - now, pauses[i] * MINUTE_US);
		CHECK_INT(j.attempts, i + 1);
		CHECK_INT(j.last_us, now);
		CHECK_SLICE(j.last_error, SL("450 no"));
		CHECK_SLICE(j.remote, SL("mx [192.0.2.1]"));
		now = j.next_us;
	}
	CHECK_INT(outcome_expire_at(&j, &times), 1000 + 2 * DAY_US);
	/* A try that is made all the same is the last one. */
	CHECK_INT(outcome_of_try(&j,
				 &(struct outcome_try){.status = SL("4.2.2"),
						       .text = SL("450 last"),
						       .at_us = 1000 + 2 * DAY_US},
				 &times),
		  OUTCOME_NOTICE);
	CHECK_SLICE(j.last_error, SL("450 last"));
}

static const struct {
	const char *status;
	uint32_t notify;
	bool no_dsn;
	enum outcome what;
	enum job_action action;
} rows[] = {
	{"2.0.0", 0, false, OUTCOME_REMOVE, JOB_FAILED},
	{"2.0.0", 0, true, OUTCOME_REMOVE, JOB_FAILED},
	{"2.0.0", NOTIFY_SUCCESS, false, OUTCOME_REMOVE, JOB_FAILED}, /* the server tells it */
	{"2.0.0", NOTIFY_SUCCESS, true, OUTCOME_NOTICE, JOB_RELAYED},
	{"2.0.0", NOTIFY_FAILURE, true, OUTCOME_REMOVE, JOB_FAILED},
	{"5.1.1", 0, false, OUTCOME_NOTICE, JOB_FAILED},
	{"5.1.1", NOTIFY_FAILURE, true, OUTCOME_NOTICE, JOB_FAILED},
	{"5.1.1", NOTIFY_SUCCESS, true, OUTCOME_REMOVE, JOB_FAILED},
	{"5.1.1", NOTIFY_NEVER, false, OUTCOME_REMOVE, JOB_FAILED},
	{"4.0.0", NOTIFY_NEVER, false, OUTCOME_KEEP, JOB_FAILED},
	{"", 0, false, OUTCOME_KEEP, JOB_FAILED},
};

TEST(outcome_tells_who_wants_it)
{
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct job j = outside(rows[i].notify);
		struct outcome_try t = try_of(rows[i].status, 5000);

		check_note("%s notify %u", rows[i].status, rows[i].notify);
		t.no_dsn = rows[i].no_dsn;
		CHECK_INT(outcome_of_try(&j, &t, &times), rows[i].what);
		if (rows[i].what != OUTCOME_NOTICE)
			continue;
		CHECK_INT(j.kind, JOB_NOTICE);
		CHECK_INT(j.action, rows[i].action);
		CHECK_INT(j.next_us, 5000);
		CHECK_INT(j.first_us, 1000);
		CHECK_INT(outcome_expire_at(&j, &times), 5000 + 2 * DAY_US);
	}
}

/* A bounce that bounces is nobody's (RFC 5321 section 4.5.5): an administrator finds it. */
TEST(outcome_never_answers_a_notice)
{
	struct outcome_try t = try_of("5.1.1", 9);
	struct job j = outside(0);

	j.sender = SLICE_NONE;
	CHECK_INT(outcome_of_try(&j, &t, &times), OUTCOME_BAD);
	CHECK_INT(j.kind, JOB_BAD);
	j = outside(NOTIFY_NEVER);
	j.sender = SLICE_NONE;
	j.content = CONTENT_LOSABLE; /* nobody misses it */
	CHECK_INT(outcome_of_try(&j, &t, &times), OUTCOME_REMOVE);
	j = outside(NOTIFY_SUCCESS);
	j.sender = SLICE_NONE;
	t = try_of("2.0.0", 9);
	t.no_dsn = true;
	CHECK_INT(outcome_of_try(&j, &t, &times), OUTCOME_REMOVE);
}

TEST(outcome_of_a_notice_itself)
{
	struct outcome_try t = try_of("5.1.7", 9);
	struct job j = outside(0);

	j.kind = JOB_NOTICE;
	j.action = JOB_FAILED;
	j.status = SL("5.1.1");
	CHECK_INT(outcome_of_try(&j, &t, &times), OUTCOME_BAD);
	CHECK_SLICE(j.status, SL("5.1.1")); /* what it was about */
	j = outside(0);
	j.kind = JOB_NOTICE;
	j.action = JOB_DELAYED;
	CHECK_INT(outcome_of_try(&j, &t, &times), OUTCOME_REMOVE);
	j = outside(NOTIFY_SUCCESS);
	j.kind = JOB_NOTICE;
	t = try_of("2.0.0", 9);
	t.no_dsn = true;
	CHECK_INT(outcome_of_try(&j, &t, &times), OUTCOME_REMOVE);
	j = outside(0);
	j.kind = JOB_NOTICE;
	t = try_of("4.3.0", 9);
	CHECK_INT(outcome_of_try(&j, &t, &times), OUTCOME_KEEP);
}

TEST(outcome_when_time_is_over)
{
	struct job j = outside(0);
	struct outcome_try t = try_of("4.2.2", 9);

	CHECK_INT(outcome_of_try(&j, &t, &times), OUTCOME_KEEP);
	CHECK_INT(outcome_expired(&j, 3 * DAY_US), OUTCOME_NOTICE);
	CHECK_SLICE(j.status, SL("5.4.7"));
	CHECK_SLICE(j.last_error, SL("450 no"));
	CHECK_INT(j.notice_us, 3 * DAY_US);
	CHECK_INT(outcome_expired(&j, 6 * DAY_US), OUTCOME_BAD);
	j = outside(0);
	CHECK_INT(outcome_given_up(&j, SL("5.7.1"), SL("no more"), 7), OUTCOME_NOTICE);
	CHECK_SLICE(j.status, SL("5.7.1"));
	CHECK_SLICE(j.last_error, SL("no more"));
}

/* What its sender held back has all its time from the release on (RFC 4865). */
TEST(outcome_times_count_from_the_release)
{
	struct job j = outside(0);

	j.release_us = 7 * DAY_US;
	CHECK_INT(outcome_expire_at(&j, &times), 9 * DAY_US);
	CHECK_INT(outcome_warn_at(&j, &times), 7 * DAY_US + 12 * HOUR_US);
	CHECK_INT(outcome_delayed(&j, &times).next_us, 7 * DAY_US + 12 * HOUR_US);
}

/* RFC 2852: returned, or told, by the sender's own time instead of ours. */
TEST(outcome_by_the_senders_time)
{
	static const struct {
		uint32_t by;
		int64_t by_us;
		uint32_t notify;
		int64_t expire_us, warn_us;
	} cases[] = {
		{BY_RETURN, HOUR_US, 0, HOUR_US, 0},
		{BY_RETURN, DAY_US, 0, DAY_US, 1000 + 12 * HOUR_US},
		{BY_RETURN, 9 * DAY_US, 0, 1000 + 2 * DAY_US, 1000 + 12 * HOUR_US},
		{BY_NOTIFY, HOUR_US, 0, 1000 + 2 * DAY_US, HOUR_US},
		{BY_NOTIFY, DAY_US, NOTIFY_DELAY, 1000 + 2 * DAY_US, DAY_US},
		{BY_NOTIFY, HOUR_US, NOTIFY_FAILURE, 1000 + 2 * DAY_US, 0},
		{BY_NOTIFY, HOUR_US, NOTIFY_NEVER, 1000 + 2 * DAY_US, 0},
		{BY_NOTIFY, 9 * DAY_US, 0, 1000 + 2 * DAY_US, 0},
		/* Over when it came: told by whom it came from. */
		{BY_NOTIFY, -HOUR_US, 0, 1000 + 2 * DAY_US, 1000 + 12 * HOUR_US},
	};

	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct job j = outside(cases[i].notify);

		check_note("case %zu", i);
		j.by = cases[i].by;
		j.by_us = cases[i].by_us;
		CHECK_INT(outcome_expire_at(&j, &times), cases[i].expire_us);
		CHECK_INT(outcome_warn_at(&j, &times), cases[i].warn_us);
		if (cases[i].warn_us == 0)
			continue;
		CHECK_INT(outcome_delayed(&j, &times).notice_us, cases[i].warn_us);
		CHECK_INT(outcome_warn_at(&j, &times), 0);
		j.kind = JOB_NOTICE;
		j.notice_us = 5000;
		CHECK_INT(outcome_expire_at(&j, &times), 5000 + 2 * DAY_US);
	}
}

TEST(outcome_by_tells_where_it_went)
{
	static const struct {
		uint32_t by, notify;
		bool no_by;
		enum outcome what;
	} cases[] = {
		{BY_NOTIFY, 0, false, OUTCOME_REMOVE},
		{BY_NOTIFY, 0, true, OUTCOME_NOTICE},
		{BY_NOTIFY, NOTIFY_DELAY, true, OUTCOME_NOTICE},
		{BY_NOTIFY, NOTIFY_FAILURE, true, OUTCOME_REMOVE},
		{BY_NOTIFY, NOTIFY_NEVER, true, OUTCOME_REMOVE},
		{BY_NOTIFY | BY_TRACE, NOTIFY_FAILURE, false, OUTCOME_NOTICE},
		{BY_RETURN | BY_TRACE, 0, false, OUTCOME_NOTICE},
		{BY_RETURN | BY_TRACE, NOTIFY_NEVER, false, OUTCOME_REMOVE},
		{BY_RETURN, 0, false, OUTCOME_REMOVE},
	};

	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct outcome_try t = try_of("2.0.0", 5000);
		struct job j = outside(cases[i].notify);

		check_note("case %zu", i);
		j.by = cases[i].by;
		j.by_us = DAY_US;
		t.no_by = cases[i].no_by;
		CHECK_INT(outcome_of_try(&j, &t, &times), cases[i].what);
		CHECK_INT(j.action, cases[i].what == OUTCOME_NOTICE ? JOB_RELAYED : JOB_FAILED);
	}
}

TEST(outcome_delay)
{
	struct outcome_times no_warning = times;
	struct job j = outside(0), notice, never = outside(NOTIFY_FAILURE);

	CHECK_INT(outcome_warn_at(&j, &times), 1000 + 12 * HOUR_US);
	CHECK_INT(outcome_warn_at(&never, &times), 0);
	never = outside(0);
	never.sender = SLICE_NONE;
	CHECK_INT(outcome_warn_at(&never, &times), 0);
	no_warning.warn_us = 0;
	CHECK_INT(outcome_warn_at(&j, &no_warning), 0);
	notice = outcome_delayed(&j, &times);
	CHECK_INT(notice.kind, JOB_NOTICE);
	CHECK_INT(notice.action, JOB_DELAYED);
	CHECK_INT(notice.expire_us, 1000 + 2 * DAY_US);
	CHECK_SLICE(notice.status, SL("4.4.7"));
	CHECK_INT(j.kind, JOB_OUTSIDE);
	CHECK_INT(outcome_warn_at(&j, &times), 0); /* once */
}
