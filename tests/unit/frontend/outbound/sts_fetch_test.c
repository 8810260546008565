/* A policy from a site that behaves, and from others. */
#include "frontend/outbound/sts_fetch.h"

#include <stdio.h>

#include "common/base/clock.h"
#include "frontend/outbound/https.h"
#include "tests/lib/dnstwin.h"
#include "tests/unit/frontend/outbound/client_lib.h"

#define ASKED \
	"!tls", "< GET /.well-known/mta-sts.txt HTTP/1.1", \
		"~ Host: mta-sts.example.test:", "< Accept: */*", "< "
#define TYPE   "> Content-Type: text/plain"
#define POLICY "version: STSv1\r\nmode: enforce\r\nmx: *.example.test\r\nmax_age: 100\r\n"
#define GOOD   "> HTTP/1.1 200 OK", TYPE, "> ", "= " POLICY, "!close", NULL

static const struct dnstwin_rr records[] = {
	{"mta-sts.example.test", "A", "127.0.0.1"},
	{"mta-sts.fails.test", "FAIL", ""},
	{"mta-sts.silent.test", "SILENT", ""},
	{0},
};

struct site {
	struct rig r;
	struct cert ca, cert;
	struct https_conf conf;
	struct arena mem;
	struct sts_policy p;
	struct diag d;
};

/* A site with a certificate of an authority that we believe. */
WAITS static void site_start(struct site *s, const char *const *script, const char *san,
			     long until_s)
{
	char path[300];
	struct diag d;
	FILE *f;

	rig_start(&s->r, script);
	cert_make(&s->ca, NULL, NULL, -86400, 86400);
	cert_make(&s->cert, &s->ca, san, -7200, until_s);
	rig_cert(&s->r, &s->cert, NULL);
	snprintf(path, sizeof path, "%s/ca.pem", check_tmpdir());
	f = fopen(path, "w");
	invariant(f != NULL && fputs(s->ca.pem, f) >= 0 && fclose(f) == 0);
	CHECK_ERR(tls_ctx_trust_file(s->r.opts.tls_ctx, path, &d), E_OK);
	s->conf = (struct https_conf){.tls = s->r.opts.tls_ctx, .port = s->r.opts.port};
	https_start(&s->conf);
	resolver_replace(dnstwin(records));
	arena_init(&s->mem, NULL);
	s->d.text[0] = '\0';
}

WAITS static enum err fetch(struct site *s)
{
	return sts_fetch(SL("example.test"), &s->mem, deadline_in(SOON), &s->p, &s->d);
}

WAITS static void site_end(struct site *s)
{
	https_stop();
	resolver_replace(NULL);
	arena_reset(&s->mem);
	rig_end(&s->r);
}

TEST_FIBER(sts_fetch_good)
{
	static const char *const script[] = {ASKED, GOOD};
	struct site s;

	site_start(&s, script, "DNS:mta-sts.example.test", 3600);
	CHECK_ERR(fetch(&s), E_OK);
	CHECK_STR(s.d.text, "");
	CHECK_INT(s.p.mode, STS_ENFORCE);
	CHECK_INT(s.p.max_age_s, 100);
	REQUIRE(s.p.n == 1);
	CHECK_SLICE(s.p.mx[0], SL("*.example.test"));
	site_end(&s);
}

/* A name is looked at when the handshake is over, a date before. No question is asked. */
TEST_FIBER(sts_fetch_of_others_certificates)
{
	static const char *const name[] = {"!tls", "!end", NULL}, *const date[] = {"!tlsbad", NULL};
	static const struct {
		const char *san;
		long until_s;
		const char *const *script;
	} certs[] = {
		{"DNS:example.test", 3600, name},
		{"DNS:mta-sts.other.test", 3600, name},
		{"DNS:mta-sts.example.test", -3600, date},
	};

	for (size_t i = 0; i < ARRAY_LEN(certs); i++) {
		struct site s;

		site_start(&s, certs[i].script, certs[i].san, certs[i].until_s);
		check_note("certificate %zu", i);
		CHECK_ERR(fetch(&s), E_TLS);
		CHECK(s.d.text[0] != '\0');
		site_end(&s);
	}
}

TEST_FIBER(sts_fetch_of_an_unknown_authority)
{
	static const char *const script[] = {"!tlsbad", NULL};
	struct site s;
	struct cert other;

	site_start(&s, script, "DNS:mta-sts.example.test", 3600);
	cert_make(&other, NULL, "DNS:mta-sts.example.test", -7200, 3600);
	rig_cert(&s.r, &other, NULL);
	CHECK_ERR(fetch(&s), E_TLS);
	site_end(&s);
}

TEST_FIBER(sts_fetch_bad_answers)
{
	static const char *const type[] = {ASKED, "> HTTP/1.1 200 OK", "> Content-Type: text/html",
					   "> ",  "= " POLICY,         "!close",
					   NULL};
	static const char *const none[] = {ASKED, "> HTTP/1.1 200 OK", "> ", "= " POLICY, "!close",
					   NULL};
	static const char *const gone[] = {
		ASKED, "> HTTP/1.1 404 Not Found", TYPE, "> ", "= " POLICY, "!close", NULL};
	static const char *const moved[] = {ASKED,
					    "> HTTP/1.1 301 Moved",
					    "> Location: https://mta-sts.example.test/x",
					    TYPE,
					    "> ",
					    "= " POLICY,
					    "!close",
					    NULL};
	static const char *const no_policy[] = {
		ASKED, "> HTTP/1.1 200 OK", TYPE, "> ", "= <html>\r\n", "!close", NULL};
	static const char *const cut[] = {
		ASKED, "> HTTP/1.1 200 OK", TYPE,     "> Content-Length: 1000",
		"> ",  "= " POLICY,         "!close", NULL};
	static const char *const no_http[] = {ASKED, "> 220 hello", "!close", NULL};
	static const char *const silent[] = {ASKED, "!close", NULL};
	static const struct {
		const char *const *script;
		enum err want;
	} cases[] = {
		{type, E_INVALID},    {none, E_INVALID},      {gone, E_NOT_FOUND},
		{moved, E_NOT_FOUND}, {no_policy, E_INVALID}, {cut, E_RETRY},
		{no_http, E_RETRY},   {silent, E_RETRY},
	};

	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct site s;

		site_start(&s, cases[i].script, "DNS:mta-sts.example.test", 3600);
		check_note("answer %zu", i);
		CHECK_ERR(fetch(&s), cases[i].want);
		CHECK(s.d.text[0] != '\0');
		site_end(&s);
	}
}

TEST_FIBER(sts_fetch_type_with_parameters)
{
	static const char *const script[] = {
		ASKED, "> HTTP/1.1 200 OK", "> Content-Type: Text/Plain ; charset=utf-8",
		"> ",  "= " POLICY,         "!close",
		NULL};
	struct site s;

	site_start(&s, script, "DNS:mta-sts.example.test", 3600);
	CHECK_ERR(fetch(&s), E_OK);
	site_end(&s);
}

TEST_FIBER(https_body_and_header_limits)
{
	static const char *const body[] = {
		ASKED, "> HTTP/1.1 200 OK", TYPE, "> ", "!flood 65", "!end", NULL};
	static char field[HTTPS_HEADER_MAX] = "> X: ";
	static const char *const header[] = {ASKED, "> HTTP/1.1 200 OK", field, "!end", NULL};
	static const char *const *const scripts[] = {body, header};

	memset(field + strlen(field), 'x', sizeof field - 1 - strlen(field));
	for (size_t i = 0; i < ARRAY_LEN(scripts); i++) {
		struct site s;

		site_start(&s, scripts[i], "DNS:mta-sts.example.test", 3600);
		check_note("script %zu", i);
		CHECK_ERR(fetch(&s), E_TOO_BIG);
		site_end(&s);
	}
}

TEST_FIBER(sts_fetch_without_an_address)
{
	static const char *const script[] = {NULL};
	struct site s;
	struct diag d;

	site_start(&s, script, "DNS:mta-sts.example.test", 3600);
	CHECK_ERR(sts_fetch(SL("no.test"), &s.mem, deadline_in(SOON), &s.p, &d), E_NOT_FOUND);
	CHECK_ERR(sts_fetch(SL("fails.test"), &s.mem, deadline_in(SOON), &s.p, &d), E_RETRY);
	CHECK_ERR(sts_fetch(SL("a b.test"), &s.mem, deadline_in(SOON), &s.p, &d), E_INVALID);
	event_set(&s.r.accepted);
	site_end(&s);
}

TEST_FIBER(sts_fetch_deadline)
{
	static const char *const script[] = {ASKED, "!stall", NULL};
	struct site s;

	site_start(&s, script, "DNS:mta-sts.example.test", 3600);
	CHECK_ERR(sts_fetch(SL("example.test"), &s.mem, deadline_in(300), &s.p, &s.d), E_TIMEOUT);
	event_set(&s.r.resume);
	site_end(&s);
}

/* What is posted is the whole of it; of the answer's body there is only how long it may be. */
TEST_FIBER(https_posts)
{
#define POSTED \
	"!tls", "< POST /v1?x=y HTTP/1.1", "~ Host: mta-sts.example.test:", "< Accept: */*", \
		"< Content-Type: text/x-test", "< Content-Length: 7", "< ", "< hello"
	static const char *const good[] = {
		POSTED, "> HTTP/1.1 201 Created", TYPE, "> ", "= thanks", "!close", NULL};
	static const char *const much[] = {
		POSTED, "> HTTP/1.1 200 OK", TYPE, "> ", "!flood 65", "!end", NULL};
	static const struct {
		const char *const *script;
		enum err want;
	} cases[] = {{good, E_OK}, {much, E_TOO_BIG}};
	const struct https_ask ask = {
		.host = SL("mta-sts.example.test"), .path = "/v1?x=y", .body_max = 64 * 1024};
	const struct https_content content = {.type = "text/x-test", .bytes = SL("hello\r\n")};

	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct https_answer a = {.status = 0};
		struct site s;

		site_start(&s, cases[i].script, "DNS:mta-sts.example.test", 3600);
		check_note("case %zu", i);
		CHECK_ERR(https_post(&ask, &content, &s.mem, deadline_in(SOON), &a, &s.d),
			  cases[i].want);
		CHECK_INT(a.status, cases[i].want == E_OK ? 201 : 0);
		CHECK_INT(a.body.n, 0);
		site_end(&s);
	}
#undef POSTED
}

struct one {
	struct site *s;
	enum err e;
	struct event begun;
};

WAITS static void fetch_one(void *arg)
{
	struct one *o = arg;

	o->e = fetch(o->s);
}

/* The site has the question when the asker is cancelled, or when all of it stops. */
WAITS static void tell(void *arg)
{
	event_set(arg);
}

WAITS static void leave_on_the_way(bool cancel, enum err want)
{
	static const char *const script[] = {ASKED, "!call", "!stall", NULL};
	struct site s;
	struct one o = {.s = &s};
	struct scope scope;

	site_start(&s, script, "DNS:mta-sts.example.test", 3600);
	event_init(&o.begun);
	s.r.call = tell;
	s.r.call_arg = &o.begun;
	scope_init(&scope);
	CHECK_ERR(scope_start(&scope, "t.fetch", fetch_one, &o), E_OK);
	CHECK_ERR(event_wait(&o.begun, "t.begun", deadline_in(SOON)), E_OK);
	if (cancel)
		scope_cancel(&scope);
	else
		https_stop();
	CHECK_ERR(scope_join(&scope, deadline_in(SOON)), E_OK);
	CHECK_ERR(o.e, want);
	event_set(&s.r.resume);
	site_end(&s);
}

TEST_FIBER(https_asker_leaves)
{
	leave_on_the_way(true, E_CANCELLED);
}

TEST_FIBER(https_stops)
{
	leave_on_the_way(false, E_RETRY);
}

WAITS static void fetch_silent(void *arg)
{
	struct one *o = arg;
	struct sts_policy p;
	struct arena mem;
	struct diag d;

	arena_init(&mem, NULL);
	o->e = sts_fetch(SL("silent.test"), &mem, deadline_in(SOON), &p, &d);
	arena_reset(&mem);
}

TEST_FIBER(https_questions_at_a_time)
{
	static const char *const script[] = {ASKED, GOOD};
	struct one all[HTTPS_FLIGHT_MAX];
	struct scope scope;
	struct site s;

	site_start(&s, script, "DNS:mta-sts.example.test", 3600);
	scope_init(&scope);
	for (size_t i = 0; i < ARRAY_LEN(all); i++)
		CHECK_ERR(scope_start(&scope, "t.fetch", fetch_silent, &all[i]), E_OK);
	fiber_yield();
	CHECK_ERR(sts_fetch(SL("example.test"), &s.mem, deadline_in(50), &s.p, &s.d), E_TIMEOUT);
	CHECK_STR(s.d.text, "too many questions");
	scope_cancel(&scope);
	CHECK_ERR(scope_join(&scope, deadline_in(SOON)), E_OK);
	for (size_t i = 0; i < ARRAY_LEN(all); i++)
		CHECK_ERR(all[i].e, E_CANCELLED);
	CHECK_ERR(fetch(&s), E_OK);
	site_end(&s);
}
