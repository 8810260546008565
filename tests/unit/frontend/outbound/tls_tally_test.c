/* What a worker tells of its sessions: what each came to, sums, and their bounds. */
#include "frontend/outbound/tls_tally.h"

#include <stdio.h>
#include <time.h>

#include "common/base/clock.h"
#include "common/loop/fiber.h"
#include "frontend/rpc/call_tls.h"
#include "tests/lib/check.h"

static struct {
	struct tls_sessions last;
	char texts[4][600];
	size_t rows;
	uint64_t sessions, lost;
	enum err answer;
	int64_t ahead_us;
} w;

static slice_t keep(size_t i, slice_t s)
{
	(void)snprintf(w.texts[i], sizeof w.texts[i], "%.*s", (int)s.n, s.n != 0 ? s.p : "");
	return slice_str(w.texts[i]);
}

WAITS static enum err tell(const struct tls_sessions *v, size_t n, uint64_t lost)
{
	CHECK(n <= CALL_TLS_SESSIONS_MAX);
	for (size_t i = 0; i < n; i++) {
		w.sessions += v[i].count;
		w.last = v[i];
		w.last.host = keep(0, v[i].host);
		w.last.remote = keep(1, v[i].remote);
		w.last.local = keep(2, v[i].local);
		w.last.why = keep(3, v[i].why);
	}
	w.rows += n;
	w.lost += lost;
	return w.answer;
}

static int64_t mono_us(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (int64_t)t.tv_sec * 1000000 + t.tv_nsec / 1000 + w.ahead_us;
}

static void begin(void)
{
	memset(&w, 0, sizeof w);
	tls_tally_init(tell);
}

/* The fiber that would tell later finds nothing left. */
WAITS static void end(void)
{
	clock_replace(NULL, NULL);
	tls_tally_stop();
}

struct trial {
	struct hosts hosts;
	struct host host;
	struct tls_plan plan;
	struct smtp_client_why why;
};

static struct trial trial(enum tls_policy_type type)
{
	struct trial t = {.hosts = {.domain = "a.test"},
			  .host = {.name = "mx.a.test"},
			  .plan = {.told = {.type = type, .policy = SL("the policy")}}};

	CHECK(ipaddr_parse(SL("192.0.2.1"), &t.host.addr));
	CHECK(ipaddr_parse(SL("192.0.2.9"), &t.why.local));
	return t;
}

static void add(const struct trial *t, enum err opened, bool took_tls)
{
	struct tls_session s = {&t->hosts, &t->host, &t->plan, opened, &t->why, took_tls};

	tls_tally_add(&s);
}

TEST_FIBER(tls_tally_judges)
{
	static const struct {
		enum tls_result told; /* before there was a session */
		enum tls_fault fault;
		enum err opened;
		bool took_tls;
		enum smtp_phase at;
		int want; /* -1: nothing is told */
	} rows[] = {
		{TLS_RESULT_OK, TLS_FAULT_NONE, E_OK, true, SMTP_AT_CONNECT, TLS_RESULT_OK},
		{TLS_RESULT_OK, TLS_FAULT_NONE, E_OK, false, SMTP_AT_CONNECT,
		 TLS_RESULT_STARTTLS_NOT_SUPPORTED},
		{TLS_RESULT_OK, TLS_FAULT_NONE, E_RETRY, false, SMTP_AT_CONNECT, -1},
		{TLS_RESULT_OK, TLS_FAULT_NONE, E_DENIED, false, SMTP_AT_GREETING, -1},
		{TLS_RESULT_OK, TLS_FAULT_NONE, E_RETRY, false, SMTP_AT_STARTTLS,
		 TLS_RESULT_STARTTLS_NOT_SUPPORTED},
		{TLS_RESULT_OK, TLS_FAULT_NONE, E_RETRY, false, SMTP_AT_TLS,
		 TLS_RESULT_VALIDATION_FAILURE},
		{TLS_RESULT_OK, TLS_FAULT_NAME, E_RETRY, false, SMTP_AT_TLS,
		 TLS_RESULT_HOST_MISMATCH},
		{TLS_RESULT_OK, TLS_FAULT_EXPIRED, E_RETRY, false, SMTP_AT_TLS, TLS_RESULT_EXPIRED},
		{TLS_RESULT_OK, TLS_FAULT_UNTRUSTED, E_OK, true, SMTP_AT_TLS,
		 TLS_RESULT_NOT_TRUSTED},
		{TLS_RESULT_OK, TLS_FAULT_OTHER, E_RETRY, false, SMTP_AT_TLS,
		 TLS_RESULT_VALIDATION_FAILURE},
		{TLS_RESULT_DNSSEC_INVALID, TLS_FAULT_NONE, E_RETRY, false, SMTP_AT_CONNECT,
		 TLS_RESULT_DNSSEC_INVALID},
		{TLS_RESULT_STS_FETCH_ERROR, TLS_FAULT_NONE, E_OK, true, SMTP_AT_CONNECT,
		 TLS_RESULT_STS_FETCH_ERROR},
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct trial t = trial(TLS_POLICY_STS);

		check_note("case %zu", i);
		begin();
		t.plan.told.result = rows[i].told;
		t.why.fault = rows[i].fault;
		t.why.result.phase = rows[i].at;
		add(&t, rows[i].opened, rows[i].took_tls);
		tls_tally_flush();
		tls_tally_stop();
		CHECK_INT(w.sessions, rows[i].want >= 0);
		if (rows[i].want < 0)
			continue;
		CHECK_INT(w.last.result, rows[i].want);
		CHECK_SLICE(w.last.host, rows[i].want != 0 ? SL("mx.a.test") : SL(""));
		CHECK_SLICE(w.last.local, rows[i].want != 0 ? SL("192.0.2.9") : SL(""));
	}
}

TEST_FIBER(tls_tally_sums_up)
{
	struct trial t = trial(TLS_POLICY_TLSA), other = trial(TLS_POLICY_UNTOLD);

	begin();
	for (int i = 0; i < 5; i++)
		add(&t, E_OK, true);
	add(&other, E_OK, true); /* nobody is told */
	other.hosts.domain = NULL;
	other.plan.told.type = TLS_POLICY_NONE;
	add(&other, E_OK, true);
	tls_tally_flush();
	CHECK_INT(w.rows, 1);
	CHECK_INT(w.sessions, 5);
	tls_tally_flush();
	CHECK_INT(w.rows, 1);
	/* Another word is another row; words are one clean line. */
	t.why.fault = TLS_FAULT_OTHER;
	(void)diag_set(&t.why.fault_words, E_TLS, "odd\r\nword");
	add(&t, E_RETRY, false);
	add(&t, E_RETRY, false);
	tls_tally_flush();
	CHECK_INT(w.rows, 2);
	CHECK_SLICE(w.last.why, SL("odd??word"));
	end();
}

/* Sums that differ in one text only are not mixed up, and each has its own texts. */
TEST_FIBER(tls_tally_keeps_texts_apart)
{
	struct trial t = trial(TLS_POLICY_STS);

	begin();
	t.why.fault = TLS_FAULT_EXPIRED;
	(void)diag_set(&t.why.fault_words, E_TLS, "over");
	add(&t, E_RETRY, false);
	t.why.local.family = 0;
	add(&t, E_RETRY, false);
	tls_tally_flush();
	CHECK_INT(w.rows, 2);
	CHECK_SLICE(w.last.host, SL("mx.a.test"));
	CHECK_SLICE(w.last.remote, SL("192.0.2.1"));
	CHECK_SLICE(w.last.local, SL(""));
	CHECK_SLICE(w.last.why, SL("over"));
	end();
}

TEST_FIBER(tls_tally_is_bounded)
{
	struct trial t = trial(TLS_POLICY_NONE);
	char domain[40];

	begin();
	t.hosts.domain = domain;
	for (int i = 0; i < TLS_TALLY_SUMS_MAX + 10; i++) {
		(void)snprintf(domain, sizeof domain, "d%d.test", i);
		add(&t, E_OK, true);
	}
	tls_tally_flush();
	CHECK_INT(w.rows, TLS_TALLY_SUMS_MAX);
	CHECK_INT(w.lost, 10);
	end();
}

/* What a back-end did not take is lost, and told of: it may have counted. */
TEST_FIBER(tls_tally_loses_what_is_not_taken)
{
	struct trial t = trial(TLS_POLICY_NONE);

	begin();
	w.answer = E_RETRY;
	add(&t, E_OK, true);
	tls_tally_flush();
	w.answer = E_OK;
	add(&t, E_OK, true);
	tls_tally_flush();
	CHECK_INT(w.rows, 2);
	CHECK_INT(w.lost, 1);
	end();
}

/* With nobody there it waits, but not for ever: the fiber that tells ends when nothing is left. */
TEST_FIBER(tls_tally_gives_up)
{
	struct trial t = trial(TLS_POLICY_NONE);

	tls_tally_init(NULL);
	add(&t, E_OK, true);
	tls_tally_flush();
	clock_replace(NULL, mono_us);
	w.ahead_us = TLS_TALLY_KEEP_MS * 1000LL + 1;
	tls_tally_flush();
	end();
}

static struct event may_go_on;

WAITS static enum err tell_slowly(const struct tls_sessions *v, size_t n, uint64_t lost)
{
	CHECK_ERR(event_wait(&may_go_on, "test.tell", NO_DEADLINE), E_OK);
	return tell(v, n, lost);
}

WAITS static void flush_run(void *arg UNUSED)
{
	tls_tally_flush();
}

WAITS static void stop_run(void *arg)
{
	bool *stopped = arg;

	tls_tally_stop();
	*stopped = true;
}

/* What is being told is not freed before it was. */
TEST_FIBER(tls_tally_stops_behind_who_tells)
{
	struct trial t = trial(TLS_POLICY_NONE);
	struct scope scope;
	bool stopped = false;

	begin();
	tls_tally_init(tell_slowly);
	event_init(&may_go_on);
	add(&t, E_OK, true);
	scope_init(&scope);
	REQUIRE(scope_start(&scope, "test.flush", flush_run, NULL) == E_OK);
	fiber_yield();
	REQUIRE(scope_start(&scope, "test.stop", stop_run, &stopped) == E_OK);
	fiber_yield();
	CHECK(!stopped);
	event_set(&may_go_on);
	CHECK_ERR(scope_join(&scope, NO_DEADLINE), E_OK);
	CHECK(stopped);
	CHECK_INT(w.rows, 1);
}
