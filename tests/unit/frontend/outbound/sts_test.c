/* Policies that come, change and go away, and what is known of them meanwhile. Time, sites and
 * back-ends are the test's own; DNS is the twin. */
#include "frontend/outbound/sts.h"

#include <stdio.h>
#include <time.h>

#include "common/base/clock.h"
#include "common/loop/fiber.h"
#include "tests/lib/check.h"
#include "tests/lib/dnstwin.h"

#define SOON    10000
#define MX      "mx.example.test"
#define DOMAIN  SL("example.test")
#define RECORD  "_mta-sts.example.test"
#define ENFORCE "version: STSv1\nmode: enforce\nmx: mx.example.test\nmax_age: 864000\n"
#define TESTING "version: STSv1\nmode: testing\nmx: mx.example.test\nmax_age: 864000\n"
#define OTHER   "version: STSv1\nmode: enforce\nmx: *.other.test\nmax_age: 864000\n"
#define NONE    "version: STSv1\nmode: none\nmax_age: 864000\n"
#define HOUR_S  3600

static const struct dnstwin_rr id1[] = {{RECORD, "TXT", "v=STSv1; id=1"}, {0}};
static const struct dnstwin_rr id2[] = {{RECORD, "TXT", "v=STSv1; id=2"}, {0}};
static const struct dnstwin_rr gone[] = {{0}};
static const struct dnstwin_rr fails[] = {{RECORD, "FAIL", ""}, {0}};
static const struct dnstwin_rr two[] = {
	{RECORD, "TXT", "v=STSv1; id=1"}, {RECORD, "TXT", "v=STSv1; id=2"}, {0}};

static struct {
	const char *policy; /* the site's; NULL: the site is away */
	unsigned fetched, got, put;
	/* The back-ends': */
	enum err get;
	struct call_sts kept;
	slice_t kept_mx[STS_MX_MAX];
	int64_t ahead_s; /* of the clocks */
	bool any_domain;
	struct event hold; /* a fetch waits for it, when held is set */
	bool held;
} w;

static int64_t now_us(clockid_t id)
{
	struct timespec t;

	clock_gettime(id, &t);
	return (t.tv_sec + w.ahead_s) * 1000000 + t.tv_nsec / 1000;
}

static int64_t wall_us(void)
{
	return now_us(CLOCK_REALTIME);
}

static int64_t mono_us(void)
{
	return now_us(CLOCK_MONOTONIC);
}

WAITS static enum err get(slice_t domain, struct arena *mem UNUSED, struct call_sts *out)
{
	if (!w.any_domain)
		CHECK_SLICE(domain, DOMAIN);
	w.got++;
	*out = w.kept;
	return w.get;
}

WAITS static void put(slice_t domain, const struct call_sts *p)
{
	CHECK_SLICE(domain, DOMAIN);
	w.put++;
	CHECK(sts_id_ok(p->id));
}

WAITS static enum err fetch(slice_t domain, struct arena *mem, int64_t deadline_ms,
			    struct sts_policy *out, struct diag *d)
{
	CHECK_SLICE(domain, DOMAIN);
	w.fetched++;
	if (w.held && event_wait(&w.hold, "t.fetch", deadline_ms) != E_OK)
		return E_CANCELLED;
	return w.policy != NULL ? sts_policy_parse(slice_str(w.policy), mem, out, d)
				: diag_set(d, E_RETRY, "the site is away");
}

static const struct sts_ways ways = {get, put, fetch};

static void begin(const struct dnstwin_rr *records, const char *policy)
{
	memset(&w, 0, sizeof w);
	w.get = E_NOT_FOUND;
	w.policy = policy;
	event_init(&w.hold);
	clock_replace(wall_us, mono_us);
	resolver_replace(dnstwin(records));
	sts_init(&ways);
}

static void end(void)
{
	sts_fini();
	resolver_replace(NULL);
	clock_replace(NULL, NULL);
}

WAITS static enum sts_verdict ask(const char *mx)
{
	enum sts_verdict v = STS_SILENT;

	CHECK_ERR(sts_ask(DOMAIN, mx, deadline_in(SOON), &v), E_OK);
	return v;
}

TEST_FIBER(sts_without_a_record)
{
	static const struct dnstwin_rr *const records[] = {gone, fails, two};

	for (size_t i = 0; i < ARRAY_LEN(records); i++) {
		begin(records[i], ENFORCE);
		check_note("records %zu", i);
		CHECK_INT(ask("evil.test"), STS_SILENT);
		CHECK_INT(w.fetched, 0);
		end();
	}
}

TEST_FIBER(sts_modes)
{
	static const struct {
		const char *policy;
		enum sts_verdict mx, other;
	} cases[] = {
		{ENFORCE, STS_NAMED, STS_UNNAMED},
		{TESTING, STS_SILENT, STS_SILENT},
		{NONE, STS_SILENT, STS_SILENT},
		{NULL, STS_SILENT, STS_SILENT},
		{"version: STSv2\n", STS_SILENT, STS_SILENT},
	};

	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		begin(id1, cases[i].policy);
		check_note("policy %zu", i);
		CHECK_INT(ask(MX), cases[i].mx);
		CHECK_INT(ask("evil.test"), cases[i].other);
		CHECK_INT(w.fetched, 1);
		CHECK_INT(w.got, 1);
		CHECK_INT(w.put, i < 3);
		end();
	}
}

/* Mail for it does not wait for DNS again and again. */
TEST_FIBER(sts_dns_that_fails)
{
	begin(fails, ENFORCE);
	CHECK_INT(ask(MX), STS_SILENT);
	resolver_replace(dnstwin(id1));
	w.ahead_s = STS_DNS_AGAIN_MS / 1000 - 10;
	CHECK_INT(ask(MX), STS_SILENT);
	CHECK_INT(dnstwin_asked(), 0); /* of the new table */
	w.ahead_s = STS_DNS_AGAIN_MS / 1000 + 10;
	CHECK_INT(ask(MX), STS_NAMED);
	end();
}

/* RFC 8461 section 5.1: what is known holds to the end of its time. */
TEST_FIBER(sts_outlives_record_and_site)
{
	begin(id1, ENFORCE);
	CHECK_INT(ask("evil.test"), STS_UNNAMED);
	w.policy = NULL;
	resolver_replace(dnstwin(gone));
	CHECK_INT(ask("evil.test"), STS_UNNAMED);
	resolver_replace(dnstwin(fails));
	CHECK_INT(ask("evil.test"), STS_UNNAMED);
	w.ahead_s = HOUR_S;
	resolver_replace(dnstwin(id2));
	CHECK_INT(ask("evil.test"), STS_UNNAMED);
	CHECK_INT(w.fetched, 2);
	w.ahead_s = 239 * HOUR_S;
	CHECK_INT(ask("evil.test"), STS_UNNAMED);
	w.ahead_s = 241 * HOUR_S;
	CHECK_INT(ask("evil.test"), STS_SILENT);
	end();
}

TEST_FIBER(sts_follows_the_id)
{
	begin(id1, ENFORCE);
	CHECK_INT(ask(MX), STS_NAMED);
	w.policy = OTHER;
	CHECK_INT(ask(MX), STS_NAMED);
	CHECK_INT(w.fetched, 1);
	resolver_replace(dnstwin(id2));
	CHECK_INT(ask(MX), STS_UNNAMED);
	CHECK_INT(ask("a.other.test"), STS_NAMED);
	CHECK_INT(w.fetched, 2);
	CHECK_INT(w.put, 2);
	end();
}

/* Each day anew, though the id is the same. */
TEST_FIBER(sts_refreshes)
{
	begin(id1, ENFORCE);
	CHECK_INT(ask(MX), STS_NAMED);
	w.policy = NONE;
	w.ahead_s = STS_REFRESH_S - 10;
	CHECK_INT(ask("evil.test"), STS_UNNAMED);
	w.ahead_s = STS_REFRESH_S + 10;
	CHECK_INT(ask("evil.test"), STS_SILENT);
	CHECK_INT(w.fetched, 2);
	end();
}

/* A site that is away is left alone for a while, but for another id. */
TEST_FIBER(sts_failures_are_remembered)
{
	begin(id1, NULL);
	CHECK_INT(ask(MX), STS_SILENT);
	CHECK_INT(ask(MX), STS_SILENT);
	CHECK_INT(w.fetched, 1);
	resolver_replace(dnstwin(id2));
	CHECK_INT(ask(MX), STS_SILENT);
	CHECK_INT(w.fetched, 2);
	w.policy = ENFORCE;
	w.ahead_s = STS_AGAIN_MS / 1000 - 10;
	CHECK_INT(ask(MX), STS_SILENT);
	w.ahead_s = STS_AGAIN_MS / 1000 + 10;
	CHECK_INT(ask(MX), STS_NAMED);
	CHECK_INT(w.fetched, 3);
	end();
}

/* ---- what the back-ends know ---- */

static void keep(enum sts_mode mode, const char *mx, uint32_t age_s)
{
	w.get = E_OK;
	w.kept_mx[0] = slice_str(mx);
	w.kept = (struct call_sts){.mode = mode,
				   .max_age_s = 864000,
				   .age_s = age_s,
				   .id = SL("1"),
				   .mx = w.kept_mx,
				   .n = 1};
}

TEST_FIBER(sts_from_the_backends)
{
	begin(id1, NULL);
	keep(STS_ENFORCE, "mx.example.test", 100);
	CHECK_INT(ask(MX), STS_NAMED);
	CHECK_INT(ask("evil.test"), STS_UNNAMED);
	CHECK_INT(w.got, 1);
	CHECK_INT(w.fetched, 0);
	end();
	/* Though nobody else can say anything. */
	begin(fails, NULL);
	keep(STS_ENFORCE, "mx.example.test", 863000);
	CHECK_INT(ask("evil.test"), STS_UNNAMED);
	end();
	begin(fails, NULL);
	keep(STS_ENFORCE, "mx.example.test", 864001);
	CHECK_INT(ask("evil.test"), STS_SILENT);
	end();
}

/* What was put there more than a day ago is not believed while the site says something else. */
TEST_FIBER(sts_old_ones_from_the_backends)
{
	begin(id1, ENFORCE);
	keep(STS_NONE, "mx.example.test", STS_REFRESH_S + 1);
	CHECK_INT(ask("evil.test"), STS_UNNAMED);
	CHECK_INT(w.fetched, 1);
	end();
}

TEST_FIBER(sts_backends_that_cannot_say)
{
	begin(id1, ENFORCE);
	w.get = E_RETRY;
	CHECK_INT(ask(MX), STS_NAMED);
	CHECK_INT(ask(MX), STS_NAMED);
	CHECK_INT(w.got, 2);
	end();
}

/* Whoever stands between can hide record and site, but not what the back-ends know: without them
 * nothing is taken for free of a policy. */
TEST_FIBER(sts_nobody_can_say)
{
	static const enum err answers[] = {E_RETRY, E_TIMEOUT, E_BUSY, E_CLOSED};

	for (size_t i = 0; i < ARRAY_LEN(answers); i++) {
		begin(i % 2 == 0 ? gone : fails, NULL);
		check_note("answer %zu", i);
		w.get = answers[i];
		CHECK_INT(ask(MX), STS_UNKNOWN);
		/* They come back, and know one. */
		keep(STS_ENFORCE, MX, 0);
		w.get = E_OK;
		CHECK_INT(ask(MX), STS_NAMED);
		CHECK_INT(ask("evil.test"), STS_UNNAMED);
		/* It holds when they are away again. */
		w.get = answers[i];
		CHECK_INT(ask("evil.test"), STS_UNNAMED);
		end();
		/* Or they know none. */
		begin(gone, NULL);
		w.get = answers[i];
		CHECK_INT(ask(MX), STS_UNKNOWN);
		w.get = E_NOT_FOUND;
		CHECK_INT(ask(MX), STS_SILENT);
		end();
	}
}

TEST_FIBER(sts_unsound_ones_from_the_backends)
{
	for (unsigned i = 0; i < 7; i++) {
		begin(gone, NULL);
		keep(STS_ENFORCE, "mx.example.test", 0);
		if (i == 1)
			w.kept.mode = 3;
		if (i == 2)
			w.kept.max_age_s = STS_MAX_AGE_MAX + 1;
		if (i == 3)
			w.kept.id = SL("a b");
		if (i == 4)
			w.kept.n = 0;
		if (i == 5)
			w.kept_mx[0] = SL("MX.example.test");
		if (i == 6)
			w.kept.n = STS_MX_MAX + 1;
		check_note("case %u", i);
		CHECK_INT(ask("evil.test"), i == 0 ? STS_UNNAMED : STS_SILENT);
		end();
	}
}

/* ---- several at a time ---- */

struct asker {
	enum sts_verdict v;
	enum err e;
	int64_t ms;
};

WAITS static void ask_one(void *arg)
{
	struct asker *a = arg;

	a->e = sts_ask(DOMAIN, MX, deadline_in(a->ms), &a->v);
}

WAITS static void ask_all(struct asker *all, size_t n, struct scope *s)
{
	scope_init(s);
	for (size_t i = 0; i < n; i++)
		CHECK_ERR(scope_start(s, "t.ask", ask_one, &all[i]), E_OK);
	while (w.fetched == 0)
		fiber_yield();
}

TEST_FIBER(sts_one_looks_for_all)
{
	struct asker all[5] = {
		{.ms = SOON}, {.ms = SOON}, {.ms = SOON}, {.ms = SOON}, {.ms = SOON}};
	struct scope s;

	begin(id1, ENFORCE);
	w.held = true;
	ask_all(all, ARRAY_LEN(all), &s);
	event_set(&w.hold);
	CHECK_ERR(scope_join(&s, deadline_in(SOON)), E_OK);
	for (size_t i = 0; i < ARRAY_LEN(all); i++) {
		CHECK_ERR(all[i].e, E_OK);
		CHECK_INT(all[i].v, STS_NAMED);
	}
	CHECK_INT(w.fetched, 1);
	end();
}

/* Who waits too long for another's look goes by what is known; a cancelled look is nobody's. */
TEST_FIBER(sts_waiting_ends)
{
	struct asker all[2] = {{.ms = SOON}, {.ms = 20}};
	struct scope s;

	begin(id1, ENFORCE);
	w.held = true;
	ask_all(all, ARRAY_LEN(all), &s);
	while (s.live == 2)
		fiber_yield();
	CHECK_ERR(all[1].e, E_OK);
	CHECK_INT(all[1].v, STS_SILENT);
	scope_cancel(&s);
	CHECK_ERR(scope_join(&s, deadline_in(SOON)), E_OK);
	CHECK_ERR(all[0].e, E_CANCELLED);
	w.held = false;
	CHECK_INT(ask(MX), STS_NAMED);
	end();
}

WAITS static void ask_number(unsigned i)
{
	char name[40];
	enum sts_verdict v;

	(void)snprintf(name, sizeof name, "d%u.test", i);
	CHECK_ERR(sts_ask(slice_str(name), MX, deadline_in(SOON), &v), E_OK);
}

/* Those that were not asked for longest are forgotten: the back-ends are asked again. */
TEST_FIBER(sts_remembers_so_many)
{
	begin(gone, NULL);
	w.any_domain = true;
	for (unsigned i = 0; i < STS_ENTRIES_MAX; i++)
		ask_number(i);
	ask_number(0);
	CHECK_INT(w.got, STS_ENTRIES_MAX);
	ask_number(STS_ENTRIES_MAX);
	CHECK_INT(w.got, STS_ENTRIES_MAX + 1);
	ask_number(0);
	CHECK_INT(w.got, STS_ENTRIES_MAX + 1);
	ask_number(1);
	CHECK_INT(w.got, STS_ENTRIES_MAX + 2);
	end();
}

static struct sts_about about(struct arena *mem, const char *mx)
{
	struct sts_about a;

	sts_tell(DOMAIN, mx, mem, &a);
	return a;
}

/* What a report says of it (RFC 8460 section 4.4). */
TEST_FIBER(sts_tells)
{
	struct arena mem;

	arena_init(&mem, NULL);
	begin(id1, TESTING);
	CHECK_INT(about(&mem, MX).mode, STS_NONE);
	CHECK_ERR(about(&mem, MX).fault, E_OK);
	CHECK_INT(ask(MX), STS_SILENT);
	CHECK_INT(about(&mem, MX).mode, STS_TESTING);
	CHECK(about(&mem, MX).names_host);
	CHECK(!about(&mem, "mx.other.test").names_host);
	CHECK_SLICE(about(&mem, MX).text,
		    SL("version: STSv1\nmode: testing\nmax_age: 864000\nmx: mx.example.test"));
	end();
	/* One that cannot be had; what is known holds, and nothing is wrong then. */
	begin(id1, "version: STSv2\n");
	CHECK_INT(ask(MX), STS_SILENT);
	CHECK_ERR(about(&mem, MX).fault, E_INVALID);
	resolver_replace(dnstwin(gone));
	CHECK_INT(ask(MX), STS_SILENT);
	CHECK_ERR(about(&mem, MX).fault, E_OK);
	resolver_replace(dnstwin(id1));
	w.policy = ENFORCE;
	w.ahead_s = HOUR_S;
	CHECK_INT(ask(MX), STS_NAMED);
	w.policy = NULL;
	resolver_replace(dnstwin(id2));
	CHECK_INT(ask(MX), STS_NAMED);
	CHECK_ERR(about(&mem, MX).fault, E_OK);
	CHECK_INT(about(&mem, MX).mode, STS_ENFORCE);
	end();
	arena_reset(&mem);
}
