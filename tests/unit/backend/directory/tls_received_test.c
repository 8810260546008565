/* Reports of TLS that others have sent: each once, of domains of ours, and no more than fits. */
#include "backend/directory/dir_tls_received.h"

#include <stdio.h>

#include "backend/directory/dir_call.h"
#include "common/base/clock.h"
#include "tests/lib/check.h"
#include "tests/unit/backend/directory/rig.h"

#define DAY_S (24 * 3600)

/* Of yesterday, with one policy. */
static struct dir_tls_received report(const char *id, const struct dir_tls_sessions *s, size_t n)
{
	int64_t today_s = clock_wall_s() / DAY_S * DAY_S;

	return (struct dir_tls_received){.organization = SL("Their Org"),
					 .report_id = slice_str(id),
					 .from_s = today_s - DAY_S,
					 .to_s = today_s - 1,
					 .sessions = s,
					 .n = n};
}

WAITS static enum dir_tls_kept put(struct rig *r, const struct dir_tls_received *report)
{
	enum dir_tls_kept kept = DIR_TLS_STRANGE;
	struct diag d = {""};

	CHECK_ERR(dir_tls_received_put(r->d, report, &kept, &d), E_OK);
	return kept;
}

WAITS static struct dir_tls_days list(struct rig *r, const char *domain, slice_t after,
				      size_t limit, struct arena *mem)
{
	struct dir_tls_days days = {.n = 0};
	struct diag d = {""};

	CHECK_ERR(dir_tls_received_list(r->d, slice_str(domain), after, limit, mem, &days, &d),
		  E_OK);
	return days;
}

static const struct dir_tls_sessions sessions[] = {
	{SL("example.org"), TLS_POLICY_STS, TLS_RESULT_OK, 50},
	{SL("Example.ORG"), TLS_POLICY_STS, TLS_RESULT_EXPIRED, 3},
	{SL("example.org"), TLS_POLICY_TLSA, TLS_RESULT_EXPIRED, 4},
	{SL("example.org"), TLS_POLICY_TLSA, TLS_RESULT_EXPIRED, 1},
	{SL("example.org"), TLS_POLICY_TLSA, TLS_RESULT_OTHER, 0},
	{SL("elsewhere.test"), TLS_POLICY_STS, TLS_RESULT_OK, 1000},
};

TEST_FIBER(reports_are_kept_once)
{
	struct dir_tls_received one = report("1", sessions, ARRAY_LEN(sessions));
	struct dir_tls_received two = report("2", sessions, 1);
	struct dir_tls_days days;
	struct arena mem;
	struct rig r;

	if (!rig_open(&r))
		return;
	arena_init(&mem, NULL);
	CHECK_INT(put(&r, &one), DIR_TLS_KEPT);
	CHECK_INT(put(&r, &one), DIR_TLS_KNOWN);
	days = list(&r, "", SLICE_NONE, 10, &mem);
	CHECK_INT(days.n, 1);
	CHECK_INT(days.rows[0].from_us, one.from_s * 1000000);
	CHECK_SLICE(days.rows[0].organization, SL("Their Org"));
	CHECK_SLICE(days.rows[0].domain, SL("example.org"));
	CHECK_INT(days.rows[0].reports, 1);
	CHECK_INT(days.rows[0].counts[TLS_RESULT_OK], 50);
	CHECK_INT(days.rows[0].counts[TLS_RESULT_EXPIRED], 8);
	CHECK_INT(days.rows[0].counts[TLS_RESULT_OTHER], 0);
	/* Another one of that day adds to it; the same id of another organization is another. */
	CHECK_INT(put(&r, &two), DIR_TLS_KEPT);
	days = list(&r, "example.org", SLICE_NONE, 10, &mem);
	CHECK_INT(days.n, 1);
	CHECK_INT(days.rows[0].reports, 2);
	CHECK_INT(days.rows[0].counts[TLS_RESULT_OK], 100);
	one.organization = SL("Another");
	CHECK_INT(put(&r, &one), DIR_TLS_KEPT);
	CHECK_INT(list(&r, "example.org", SLICE_NONE, 10, &mem).n, 2);
	CHECK_INT(list(&r, "elsewhere.test", SLICE_NONE, 10, &mem).n, 0);
	arena_reset(&mem);
	rig_close(&r);
}

/* However the domain is written; what is none is said. */
TEST_FIBER(reports_of_a_domain)
{
	static const char *const spellings[] = {"example.org", "Example.ORG", "EXAMPLE.org"};
	static const struct dir_tls_sessions idn = {SL("b\xc3\xbc"
						       "cher.test"),
						    TLS_POLICY_STS, TLS_RESULT_OK, 1};
	struct dir_tls_received one = report("1", sessions, 1), two = report("2", &idn, 1);
	struct dir_tls_days days;
	struct diag d = {""};
	struct arena mem;
	struct rig r;

	if (!rig_open(&r))
		return;
	arena_init(&mem, NULL);
	CHECK_ERR(rig_domain(&r, "xn--bcher-kva.test", DIR_DOMAIN_LOCAL, NULL, NULL), E_OK);
	CHECK(rig_synced(&r));
	CHECK_INT(put(&r, &one), DIR_TLS_KEPT);
	CHECK_INT(put(&r, &two), DIR_TLS_KEPT);
	for (size_t i = 0; i < ARRAY_LEN(spellings); i++) {
		check_note("%s", spellings[i]);
		days = list(&r, spellings[i], SLICE_NONE, 10, &mem);
		REQUIRE(days.n == 1);
		CHECK_SLICE(days.rows[0].domain, SL("example.org"));
	}
	days = list(&r,
		    "B\xc3\x9c"
		    "cher.test",
		    SLICE_NONE, 10, &mem);
	REQUIRE(days.n == 1);
	CHECK_SLICE(days.rows[0].domain, SL("xn--bcher-kva.test"));
	CHECK_ERR(dir_tls_received_list(r.d, SL(".."), SLICE_NONE, 10, &mem, &days, &d), E_INVALID);
	CHECK_INT(days.n, 0);
	arena_reset(&mem);
	rig_close(&r);
}

/* Senders may report each policy by itself: of such reports none has all kinds. */
TEST_FIBER(reports_of_other_kinds_are_counted)
{
	static const struct dir_tls_sessions kinds[] = {
		{SL("example.org"), TLS_POLICY_STS, TLS_RESULT_OK, 5},
		{SL("example.org"), TLS_POLICY_TLSA, TLS_RESULT_EXPIRED, 1},
		{SL("example.org"), TLS_POLICY_TLSA, TLS_RESULT_OTHER, 2},
	};
	struct dir_tls_days days;
	struct arena mem;
	struct rig r;

	if (!rig_open(&r))
		return;
	arena_init(&mem, NULL);
	for (size_t i = 0; i < ARRAY_LEN(kinds); i++) {
		struct dir_tls_received one;
		char id[16];

		snprintf(id, sizeof id, "%zu", i);
		one = report(id, &kinds[i], 1);
		CHECK_INT(put(&r, &one), DIR_TLS_KEPT);
	}
	days = list(&r, "", SLICE_NONE, 10, &mem);
	REQUIRE(days.n == 1);
	CHECK_INT(days.rows[0].reports, ARRAY_LEN(kinds));
	CHECK_INT(days.rows[0].counts[TLS_RESULT_OK], 5);
	CHECK_INT(days.rows[0].counts[TLS_RESULT_EXPIRED], 1);
	CHECK_INT(days.rows[0].counts[TLS_RESULT_OTHER], 2);
	arena_reset(&mem);
	rig_close(&r);
}

/* What a newer node keeps is passed over. */
TEST_FIBER(kinds_that_are_not_known)
{
	static const char *const more[] = {
		"ALTER TABLE tls_received_results"
		" DROP CONSTRAINT tls_received_results_result_check",
		"INSERT INTO tls_received_results SELECT id, 'example.org', 1, n, 7"
		" FROM tls_received, (VALUES (13), (-1), (32767)) AS v (n)",
	};
	struct dir_tls_received one = report("1", sessions, 2);
	struct dir_tls_days days;
	struct diag d = {""};
	struct arena mem;
	struct rig r;

	if (!rig_open(&r))
		return;
	arena_init(&mem, NULL);
	CHECK_INT(put(&r, &one), DIR_TLS_KEPT);
	for (size_t i = 0; i < ARRAY_LEN(more); i++)
		CHECK_ERR(dir_ask(r.d, more[i], PG_NO_ARGS, NULL, &d), E_OK);
	days = list(&r, "", SLICE_NONE, 10, &mem);
	REQUIRE(days.n == 1);
	CHECK_INT(days.rows[0].counts[TLS_RESULT_OK], 50);
	CHECK_INT(days.rows[0].counts[TLS_RESULT_EXPIRED], 3);
	for (unsigned i = TLS_RESULT_EXPIRED + 1; i <= TLS_RESULT_OTHER; i++)
		CHECK_INT(days.rows[0].counts[i], 0);
	arena_reset(&mem);
	rig_close(&r);
}

TEST_FIBER(reports_in_pages)
{
	struct dir_tls_received one = report("1", sessions, 1);
	static const char *const names[] = {"a", "B", "b", "\xc3\xa4"};
	slice_t after = SLICE_NONE;
	struct arena mem;
	struct rig r;
	size_t n = 0;

	if (!rig_open(&r))
		return;
	arena_init(&mem, NULL);
	for (size_t i = 0; i < ARRAY_LEN(names); i++) {
		one.organization = slice_str(names[i]);
		CHECK_INT(put(&r, &one), DIR_TLS_KEPT);
	}
	for (;;) {
		struct dir_tls_days days = list(&r, "", after, 1, &mem);

		if (days.n == 0)
			break;
		n += days.n;
		after = days.last;
	}
	CHECK_INT(n, ARRAY_LEN(names));
	arena_reset(&mem);
	rig_close(&r);
}

TEST_FIBER(what_is_not_kept)
{
	int64_t now_s = clock_wall_s();
	const struct {
		int64_t from_s, to_s;
		enum dir_tls_kept want;
	} times[] = {
		{now_s - DAY_S, now_s, DIR_TLS_KEPT},
		{now_s - DIR_TLS_RECEIVED_LENGTH_D * DAY_S, now_s, DIR_TLS_KEPT},
		{now_s - DIR_TLS_RECEIVED_LENGTH_D * DAY_S - 1, now_s, DIR_TLS_STRANGE},
		{now_s, now_s, DIR_TLS_STRANGE},
		{now_s, now_s + DAY_S + 60, DIR_TLS_STRANGE},
		{now_s - DIR_TLS_RECEIVED_OLD_D * DAY_S - 3600,
		 now_s - DIR_TLS_RECEIVED_OLD_D * DAY_S - 60, DIR_TLS_STRANGE},
		{INT64_MIN, INT64_MIN + 1, DIR_TLS_STRANGE},
		{INT64_MIN, INT64_MAX, DIR_TLS_STRANGE},
	};
	struct dir_tls_received one;
	struct arena mem;
	struct rig r;

	if (!rig_open(&r))
		return;
	arena_init(&mem, NULL);
	one = report("foreign", &sessions[5], 1);
	CHECK_INT(put(&r, &one), DIR_TLS_FOREIGN);
	one = report("empty", sessions, 0);
	CHECK_INT(put(&r, &one), DIR_TLS_FOREIGN);
	CHECK_INT(list(&r, "", SLICE_NONE, 10, &mem).n, 0);
	for (size_t i = 0; i < ARRAY_LEN(times); i++) {
		char id[16];

		check_note("%zu", i);
		snprintf(id, sizeof id, "%zu", i);
		one = report(id, sessions, 1);
		one.from_s = times[i].from_s;
		one.to_s = times[i].to_s;
		CHECK_INT(put(&r, &one), times[i].want);
	}
	arena_reset(&mem);
	rig_close(&r);
}

TEST_FIBER(what_a_front_end_may_not_bring)
{
	static const struct dir_tls_sessions bad[] = {
		{SL("example.org"), TLS_POLICY_LAST + 1, TLS_RESULT_OK, 1},
		{SL("example.org"), TLS_POLICY_STS, TLS_RESULT_OTHER + 1, 1},
		{SL("example.org"), TLS_POLICY_STS, TLS_RESULT_OK, TLS_RECEIVED_COUNT_MAX + 1},
	};
	static const slice_t names[] = {SL(""), SL("\xff"),
					SL("a\x1f"
					   "b"),
					SL("a\nb")};
	char longest[TLS_RECEIVED_TEXT_MAX + 1];
	enum dir_tls_kept kept;
	struct dir_tls_received one;
	struct diag d = {""};
	struct rig r;

	if (!rig_open(&r))
		return;
	for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
		one = report("1", &bad[i], 1);
		CHECK_ERR(dir_tls_received_put(r.d, &one, &kept, &d), E_INVALID);
	}
	for (size_t i = 0; i < ARRAY_LEN(names); i++) {
		one = report("1", sessions, 1);
		one.organization = names[i];
		CHECK_ERR(dir_tls_received_put(r.d, &one, &kept, &d), E_INVALID);
	}
	memset(longest, 'x', sizeof longest);
	one = report("1", sessions, 1);
	one.organization = slice(longest, sizeof longest);
	CHECK_ERR(dir_tls_received_put(r.d, &one, &kept, &d), E_INVALID);
	one.organization = slice(longest, sizeof longest - 1);
	CHECK_ERR(dir_tls_received_put(r.d, &one, &kept, &d), E_OK);
	one = report("2", sessions, DIR_TLS_SESSIONS_MAX + 1);
	CHECK_ERR(dir_tls_received_put(r.d, &one, &kept, &d), E_INVALID);
	rig_close(&r);
}

/* Whoever sends more of them than others do fills nothing. */
TEST_FIBER(reports_of_a_day_are_bounded)
{
	struct dir_tls_received one = report("one more", sessions, 1);
	struct pg_args a = {.n = 0};
	struct diag d = {""};
	struct rig r;

	if (!rig_open(&r))
		return;
	pg_u64(&a, DIR_TLS_RECEIVED_DAY_MAX);
	CHECK_ERR(dir_ask(r.d,
			  "INSERT INTO tls_received (organization, report_id, from_time, to_time)"
			  " SELECT 'many', n::text, now() - interval '1 day', now()"
			  " FROM generate_series(1, $1::bigint) n",
			  &a, NULL, &d),
		  E_OK);
	CHECK_INT(put(&r, &one), DIR_TLS_KNOWN);
	/* What is older does not count; what is very old goes. */
	CHECK_ERR(dir_ask(r.d,
			  "UPDATE tls_received SET arrived = now() - interval '89 days'"
			  " WHERE report_id = '1'",
			  PG_NO_ARGS, NULL, &d),
		  E_OK);
	CHECK_ERR(dir_ask(r.d,
			  "UPDATE tls_received SET arrived = now() - interval '91 days'"
			  " WHERE report_id = '2'",
			  PG_NO_ARGS, NULL, &d),
		  E_OK);
	CHECK_INT(put(&r, &one), DIR_TLS_KEPT);
	{
		struct pg_result *result = NULL;

		CHECK_ERR(
			dir_ask(r.d, "SELECT count(*) FROM tls_received", PG_NO_ARGS, &result, &d),
			E_OK);
		if (result != NULL)
			CHECK_INT(pg_get_u64(result, 0, 0), DIR_TLS_RECEIVED_DAY_MAX);
		pg_result_free(&result);
	}
	rig_close(&r);
}
