/* What is demanded of a host: every case of RFC 7672 sections 2.1 and 2.2 out of a table of DNS
 * records, and what an administrator, MTA-STS and the message itself say. */
#include "frontend/outbound/tls_policy.h"

#include "common/base/clock.h"
#include "common/loop/fiber.h"
#include "tests/lib/check.h"
#include "tests/lib/dnstwin.h"

#define H32 "00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff"
#define H64 H32 H32

#define SAFE(name) \
	{ \
		name, "SECURE", "" \
	}
/* A domain with one MX, all of it proven but for what follows. */
#define DOMAIN(name, mx) {name, "MX", "10 " mx}, SAFE(name)
#define HOST(name)       {name, "A", "192.0.2.1"}, SAFE(name)
#define TLSA(name, data) {"_25._tcp." name, "TLSA", data}, SAFE("_25._tcp." name)

static const struct dnstwin_rr zone[] = {
	DOMAIN("ee.test", "mx.ee.test"),
	HOST("mx.ee.test"),
	TLSA("mx.ee.test", "3 1 1 " H32),
	DOMAIN("ta.test", "mx.ta.test"),
	HOST("mx.ta.test"),
	TLSA("mx.ta.test", "2 0 2 " H64),
	/* One that can be used is enough. */
	DOMAIN("mixed.test", "mx.mixed.test"),
	HOST("mx.mixed.test"),
	{"_25._tcp.mx.mixed.test", "TLSA", "1 1 1 " H32},
	TLSA("mx.mixed.test", "3 0 0 3000"),
	/* Records that nobody can use: usages of the web, unknown numbers, wrong lengths. */
	DOMAIN("odd.test", "mx.odd.test"),
	HOST("mx.odd.test"),
	{"_25._tcp.mx.odd.test", "TLSA", "0 0 1 " H32},
	{"_25._tcp.mx.odd.test", "TLSA", "1 1 1 " H32},
	{"_25._tcp.mx.odd.test", "TLSA", "4 1 1 " H32},
	{"_25._tcp.mx.odd.test", "TLSA", "3 2 1 " H32},
	{"_25._tcp.mx.odd.test", "TLSA", "3 1 3 " H32},
	{"_25._tcp.mx.odd.test", "TLSA", "3 1 2 " H32},
	TLSA("mx.odd.test", "3 1 1 0011"),
	/* Signed, and without records. */
	DOMAIN("none.test", "mx.none.test"),
	HOST("mx.none.test"),
	SAFE("_25._tcp.mx.none.test"),
	/* No DNSSEC for the MX, for the host, for the records. */
	{"nomx.test", "MX", "10 mx.ee.test"},
	DOMAIN("nohost.test", "mx.nohost.test"),
	{"mx.nohost.test", "A", "192.0.2.1"},
	TLSA("mx.nohost.test", "3 1 1 " H32),
	DOMAIN("norec.test", "mx.norec.test"),
	HOST("mx.norec.test"),
	{"_25._tcp.mx.norec.test", "TLSA", "3 1 1 " H32},
	/* Records that cannot be had. */
	DOMAIN("bogus.test", "mx.bogus.test"),
	HOST("mx.bogus.test"),
	TLSA("mx.bogus.test", "3 1 1 " H32),
	{"_25._tcp.mx.bogus.test", "BOGUS", ""},
	DOMAIN("fail.test", "mx.fail.test"),
	HOST("mx.fail.test"),
	{"_25._tcp.mx.fail.test", "FAIL", ""},
	DOMAIN("silent.test", "mx.silent.test"),
	HOST("mx.silent.test"),
	{"_25._tcp.mx.silent.test", "SILENT", ""},
	/* An alias: the end's records, or else the beginning's. */
	DOMAIN("end.test", "alias.end.test"),
	{"alias.end.test", "CNAME", "mx.ta.test"},
	SAFE("alias.end.test"),
	TLSA("alias.end.test", "3 1 1 " H32),
	DOMAIN("begin.test", "alias.begin.test"),
	{"alias.begin.test", "CNAME", "mx.none.test"},
	SAFE("alias.begin.test"),
	TLSA("alias.begin.test", "2 0 1 " H32),
	/* The end's cannot be had: the beginning's are no way round it. */
	DOMAIN("endfail.test", "alias.endfail.test"),
	{"alias.endfail.test", "CNAME", "mx.fail.test"},
	SAFE("alias.endfail.test"),
	TLSA("alias.endfail.test", "3 1 1 " H32),
	/* The end is not proven, the alias itself is. */
	DOMAIN("half.test", "alias.half.test"),
	{"alias.half.test", "CNAME", "mx.nohost.test"},
	SAFE("alias.half.test"),
	TLSA("alias.half.test", "3 1 1 " H32),
	DOMAIN("half2.test", "alias.half2.test"),
	{"alias.half2.test", "CNAME", "mx.nohost.test"},
	TLSA("alias.half2.test", "3 1 1 " H32),
	/* The domain's name is an alias. */
	{"www.test", "CNAME", "ta.test"},
	SAFE("www.test"),
	/* No MX: the domain is the host. */
	HOST("bare.test"),
	TLSA("bare.test", "2 1 1 " H32),
	{"bare2.test", "A", "192.0.2.1"},
	TLSA("bare2.test", "3 1 1 " H32),
	/* What does not even come to a host. */
	{"mxbogus.test", "BOGUS", ""},
	DOMAIN("addrbogus.test", "mx.addrbogus.test"),
	{"mx.addrbogus.test", "A", "192.0.2.1"},
	{"mx.addrbogus.test", "BOGUS", ""},
	{0},
};

static struct arena mem;

/* The plan for the first host; false: there is none, and *why says so. */
WAITS static bool plan(const char *destination, const struct outbound_tls *policy,
		       enum tls_wish wish, struct tls_plan *out, struct smtp_result *why)
{
	static struct hosts hosts;
	struct tls_ask ask = {
		.policy = policy, .wish = wish, .hosts = &hosts, .host = hosts.list, .mem = &mem};

	resolver_replace(dnstwin(zone));
	CHECK_ERR(hosts_find(slice_str(destination), 25, &mem, deadline_in(5000), &hosts), E_OK);
	*why = hosts.why;
	if (hosts.n == 0)
		return false;
	ask.deadline_ms = deadline_in(100);
	CHECK_ERR(tls_policy_plan(&ask, out), E_OK);
	return true;
}

static const struct outbound_tls by_default = {.level = OUTBOUND_TLS_DANE};

static void check_names(const struct tls_plan *p, const char *names)
{
	struct buf b;

	buf_init(&b, 1000, NULL);
	for (size_t i = 0; i < p->check.nnames; i++)
		buf_printf(&b, i == 0 ? "%s" : " %s", p->check.names[i]);
	CHECK_SLICE(buf_slice(&b), slice_str(names));
	buf_fini(&b);
}

TEST_FIBER(dane)
{
	static const struct {
		const char *destination;
		enum tls_basis basis;
		enum smtp_tls_demand demand;
		const char *names, *sni;
		size_t records;
	} rows[] = {
		{"ee.test", TLS_BY_DANE, SMTP_TLS_DANE, "mx.ee.test ee.test", "mx.ee.test", 1},
		{"ta.test", TLS_BY_DANE, SMTP_TLS_DANE, "mx.ta.test ta.test", "mx.ta.test", 1},
		{"mixed.test", TLS_BY_DANE, SMTP_TLS_DANE, "mx.mixed.test mixed.test",
		 "mx.mixed.test", 2},
		{"odd.test", TLS_BY_DANE, SMTP_TLS_ENCRYPT, "", "mx.odd.test", 0},
		{"none.test", TLS_BY_CHANCE, SMTP_TLS_MAY, "", "mx.none.test", 0},
		{"nomx.test", TLS_BY_CHANCE, SMTP_TLS_MAY, "", "mx.ee.test", 0},
		{"nohost.test", TLS_BY_CHANCE, SMTP_TLS_MAY, "", "mx.nohost.test", 0},
		{"norec.test", TLS_BY_CHANCE, SMTP_TLS_MAY, "", "mx.norec.test", 0},
		{"end.test", TLS_BY_DANE, SMTP_TLS_DANE, "mx.ta.test end.test", "mx.ta.test", 1},
		{"begin.test", TLS_BY_DANE, SMTP_TLS_DANE, "alias.begin.test begin.test",
		 "alias.begin.test", 1},
		{"half.test", TLS_BY_DANE, SMTP_TLS_DANE, "alias.half.test half.test",
		 "alias.half.test", 1},
		{"half2.test", TLS_BY_CHANCE, SMTP_TLS_MAY, "", "alias.half2.test", 0},
		{"www.test", TLS_BY_DANE, SMTP_TLS_DANE, "mx.ta.test www.test ta.test",
		 "mx.ta.test", 1},
		{"bare.test", TLS_BY_DANE, SMTP_TLS_DANE, "bare.test", "bare.test", 1},
		{"bare2.test", TLS_BY_CHANCE, SMTP_TLS_MAY, "", "bare2.test", 0},
		{"[mx.ta.test]", TLS_BY_DANE, SMTP_TLS_DANE, "mx.ta.test", "mx.ta.test", 1},
		{"[192.0.2.1]", TLS_BY_CHANCE, SMTP_TLS_MAY, "", NULL, 0},
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct smtp_result why;
		struct tls_plan p;

		check_note("%s", rows[i].destination);
		REQUIRE(plan(rows[i].destination, &by_default, TLS_WISH_NONE, &p, &why));
		CHECK(!p.barred);
		CHECK_INT(p.basis, rows[i].basis);
		CHECK_INT(p.demand, rows[i].demand);
		CHECK_INT(p.check.nrecords, rows[i].records);
		check_names(&p, rows[i].names);
		CHECK_INT(p.sni != NULL, rows[i].sni != NULL);
		if (p.sni != NULL && rows[i].sni != NULL)
			CHECK_STR(p.sni, rows[i].sni);
	}
	resolver_replace(NULL);
	arena_reset(&mem);
}

/* The records are at the port that is used (RFC 7672 section 2.2.3): at another there are none. */
TEST_FIBER(dane_at_another_port)
{
	struct smtp_result why;
	struct tls_plan p;

	REQUIRE(plan("[mx.ta.test]:26", &by_default, TLS_WISH_NONE, &p, &why));
	CHECK_INT(p.demand, SMTP_TLS_MAY);
	resolver_replace(NULL);
	arena_reset(&mem);
}

/* RFC 7672 section 2.1.1: what cannot be known is not taken for what is not there. */
TEST_FIBER(records_that_cannot_be_had)
{
	static const char *const rows[] = {"bogus.test", "fail.test", "silent.test",
					   "endfail.test"};
	static const enum tls_wish wishes[] = {TLS_WISH_NONE, TLS_WISH_REQUIRED};

	for (size_t i = 0; i < ARRAY_LEN(rows) * ARRAY_LEN(wishes); i++) {
		struct smtp_result why;
		struct tls_plan p;

		check_note("row %zu", i);
		REQUIRE(plan(rows[i / 2], &by_default, wishes[i % 2], &p, &why));
		CHECK(p.barred);
		CHECK_INT(p.basis, TLS_BY_DANE);
		CHECK_INT(p.why.verdict, SMTP_LATER);
		CHECK_STR(p.why.status, "4.7.5");
	}
	resolver_replace(NULL);
	arena_reset(&mem);
}

TEST_FIBER(hosts_that_cannot_be_had)
{
	static const char *const rows[] = {"mxbogus.test", "addrbogus.test"};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct smtp_result why;
		struct tls_plan p;

		check_note("%s", rows[i]);
		CHECK(!plan(rows[i], &by_default, TLS_WISH_NONE, &p, &why));
		CHECK_INT(why.verdict, SMTP_LATER);
		CHECK_STR(why.status, "4.7.5");
	}
	resolver_replace(NULL);
	arena_reset(&mem);
}

/* ---- MTA-STS ---- */

static struct {
	enum tls_sts says;
	unsigned asked;
} site;

WAITS static enum err ask_site(slice_t domain UNUSED, const char *mx UNUSED,
			       int64_t deadline_ms UNUSED, enum tls_sts *out)
{
	site.asked++;
	*out = site.says;
	return E_OK;
}

static const struct tls_sts_source source = {.ask = ask_site};

TEST_FIBER(a_site_says)
{
	static const struct {
		const char *destination;
		enum tls_sts says;
		enum tls_basis basis;
		enum smtp_tls_demand demand;
		unsigned asked;
		bool barred;
	} rows[] = {
		{"nomx.test", TLS_STS_NONE, TLS_BY_CHANCE, SMTP_TLS_MAY, 1, false},
		{"nomx.test", TLS_STS_MATCH, TLS_BY_STS, SMTP_TLS_VERIFY, 1, false},
		{"nomx.test", TLS_STS_MISMATCH, TLS_BY_STS, SMTP_TLS_MAY, 1, true},
		{"nomx.test", TLS_STS_UNKNOWN, TLS_BY_STS, SMTP_TLS_MAY, 1, true},
		/* DANE is not to be softened by it (RFC 8461 section 2). */
		{"ee.test", TLS_STS_MATCH, TLS_BY_DANE, SMTP_TLS_DANE, 0, false},
		{"fail.test", TLS_STS_MATCH, TLS_BY_DANE, SMTP_TLS_MAY, 0, true},
		{"odd.test", TLS_STS_NONE, TLS_BY_DANE, SMTP_TLS_ENCRYPT, 1, false},
		{"odd.test", TLS_STS_MATCH, TLS_BY_STS, SMTP_TLS_VERIFY, 1, false},
		{"[mx.none.test]", TLS_STS_MATCH, TLS_BY_CHANCE, SMTP_TLS_MAY, 0, false},
	};

	tls_policy_sts(&source);
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct smtp_result why;
		struct tls_plan p;

		check_note("row %zu", i);
		site.says = rows[i].says;
		site.asked = 0;
		REQUIRE(plan(rows[i].destination, &by_default, TLS_WISH_NONE, &p, &why));
		CHECK_INT(p.basis, rows[i].basis);
		CHECK_INT(p.barred, rows[i].barred);
		CHECK_INT(site.asked, rows[i].asked);
		if (p.barred)
			continue;
		CHECK_INT(p.demand, rows[i].demand);
		if (p.demand == SMTP_TLS_VERIFY)
			check_names(&p, p.sni);
	}
	tls_policy_sts(NULL);
	resolver_replace(NULL);
	arena_reset(&mem);
}

/* ---- what an administrator has set ---- */

static const char *const set_names[] = {"a.example", ".b.example"};
static const uint8_t set_pins[1][OUTBOUND_PIN_BYTES] = {{1}};

TEST_FIBER(an_administrator_says)
{
	static const struct {
		const char *destination;
		struct outbound_tls policy;
		enum smtp_tls_demand demand;
		const char *names;
		bool barred;
	} rows[] = {
		{"ee.test", {.level = OUTBOUND_TLS_NONE}, SMTP_TLS_NONE, "", false},
		{"ee.test", {.level = OUTBOUND_TLS_MAY}, SMTP_TLS_MAY, "", false},
		{"ee.test", {.level = OUTBOUND_TLS_ENCRYPT}, SMTP_TLS_ENCRYPT, "", false},
		{"fail.test", {.level = OUTBOUND_TLS_ENCRYPT}, SMTP_TLS_ENCRYPT, "", false},
		{"ee.test",
		 {.level = OUTBOUND_TLS_VERIFY, .names = set_names, .nnames = 2},
		 SMTP_TLS_VERIFY,
		 "a.example .b.example",
		 false},
		/* Without DNSSEC the MX's own name proves nothing. */
		{"nomx.test",
		 {.level = OUTBOUND_TLS_VERIFY},
		 SMTP_TLS_VERIFY,
		 "nomx.test .nomx.test",
		 false},
		{"none.test",
		 {.level = OUTBOUND_TLS_VERIFY},
		 SMTP_TLS_VERIFY,
		 "mx.none.test none.test .none.test",
		 false},
		{"bare2.test",
		 {.level = OUTBOUND_TLS_VERIFY},
		 SMTP_TLS_VERIFY,
		 "bare2.test",
		 false},
		{"ee.test",
		 {.level = OUTBOUND_TLS_DANE_ONLY},
		 SMTP_TLS_DANE,
		 "mx.ee.test ee.test",
		 false},
		{"none.test", {.level = OUTBOUND_TLS_DANE_ONLY}, SMTP_TLS_MAY, "", true},
		{"odd.test", {.level = OUTBOUND_TLS_DANE_ONLY}, SMTP_TLS_MAY, "", true},
		{"nomx.test", {.level = OUTBOUND_TLS_DANE_ONLY}, SMTP_TLS_MAY, "", true},
		{"fail.test", {.level = OUTBOUND_TLS_DANE_ONLY}, SMTP_TLS_MAY, "", true},
		{"nomx.test",
		 {.level = OUTBOUND_TLS_PINNED, .pins = set_pins, .npins = 1},
		 SMTP_TLS_PINNED,
		 "",
		 false},
		{"nomx.test", {.level = OUTBOUND_TLS_PINNED}, SMTP_TLS_PINNED, "", true},
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct smtp_result why;
		struct tls_plan p;

		check_note("row %zu", i);
		REQUIRE(plan(rows[i].destination, &rows[i].policy, TLS_WISH_NONE, &p, &why));
		CHECK_INT(p.basis, TLS_BY_ADMIN);
		CHECK_INT(p.barred, rows[i].barred);
		if (p.barred) {
			CHECK_INT(p.why.verdict, SMTP_LATER);
			CHECK_STR(p.why.status, "4.7.5");
			continue;
		}
		CHECK_INT(p.demand, rows[i].demand);
		check_names(&p, rows[i].names);
		CHECK_INT(p.check.npins, rows[i].policy.npins);
	}
	resolver_replace(NULL);
	arena_reset(&mem);
}

/* ---- what the message asks for ---- */

TEST_FIBER(a_message_asks)
{
	static const struct {
		const char *destination;
		enum outbound_tls_level level;
		enum tls_wish wish;
		enum tls_basis basis;
		enum smtp_tls_demand demand;
		bool barred;
	} rows[] = {
		{"ee.test", OUTBOUND_TLS_DANE, TLS_WISH_REQUIRED, TLS_BY_DANE, SMTP_TLS_DANE,
		 false},
		{"none.test", OUTBOUND_TLS_DANE, TLS_WISH_REQUIRED, TLS_BY_MESSAGE, SMTP_TLS_VERIFY,
		 false},
		{"odd.test", OUTBOUND_TLS_DANE, TLS_WISH_REQUIRED, TLS_BY_MESSAGE, SMTP_TLS_VERIFY,
		 false},
		{"bare2.test", OUTBOUND_TLS_DANE, TLS_WISH_REQUIRED, TLS_BY_MESSAGE,
		 SMTP_TLS_VERIFY, false},
		{"[mx.nohost.test]", OUTBOUND_TLS_DANE, TLS_WISH_REQUIRED, TLS_BY_MESSAGE,
		 SMTP_TLS_VERIFY, false},
		{"nomx.test", OUTBOUND_TLS_DANE, TLS_WISH_REQUIRED, TLS_BY_MESSAGE, SMTP_TLS_MAY,
		 true},
		{"[192.0.2.1]", OUTBOUND_TLS_DANE, TLS_WISH_REQUIRED, TLS_BY_MESSAGE, SMTP_TLS_MAY,
		 true},
		/* What is set is raised, never lowered. */
		{"ee.test", OUTBOUND_TLS_NONE, TLS_WISH_REQUIRED, TLS_BY_DANE, SMTP_TLS_DANE,
		 false},
		{"none.test", OUTBOUND_TLS_MAY, TLS_WISH_REQUIRED, TLS_BY_MESSAGE, SMTP_TLS_VERIFY,
		 false},
		{"nomx.test", OUTBOUND_TLS_ENCRYPT, TLS_WISH_REQUIRED, TLS_BY_MESSAGE, SMTP_TLS_MAY,
		 true},
		{"nomx.test", OUTBOUND_TLS_VERIFY, TLS_WISH_REQUIRED, TLS_BY_ADMIN, SMTP_TLS_VERIFY,
		 false},
		/* TLS-Required: No is about what the destination says, not about what we say. */
		{"ee.test", OUTBOUND_TLS_DANE, TLS_WISH_INDIFFERENT, TLS_BY_CHANCE, SMTP_TLS_MAY,
		 false},
		{"fail.test", OUTBOUND_TLS_DANE, TLS_WISH_INDIFFERENT, TLS_BY_CHANCE, SMTP_TLS_MAY,
		 false},
		{"ee.test", OUTBOUND_TLS_ENCRYPT, TLS_WISH_INDIFFERENT, TLS_BY_ADMIN,
		 SMTP_TLS_ENCRYPT, false},
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct outbound_tls policy = {.level = rows[i].level};
		struct smtp_result why;
		struct tls_plan p;

		check_note("row %zu", i);
		REQUIRE(plan(rows[i].destination, &policy, rows[i].wish, &p, &why));
		CHECK_INT(p.basis, rows[i].basis);
		CHECK_INT(p.barred, rows[i].barred);
		if (p.barred) {
			CHECK_INT(p.why.verdict, SMTP_REFUSED);
			CHECK_STR(p.why.status, "5.7.30");
		} else {
			CHECK_INT(p.demand, rows[i].demand);
		}
	}
	resolver_replace(NULL);
	arena_reset(&mem);
}

TEST(wishes)
{
	static const struct {
		uint32_t content;
		slice_t sender;
		enum tls_wish wish;
	} rows[] = {
		{0, SL("a@example.org"), TLS_WISH_NONE},
		{CONTENT_8BIT | CONTENT_UTF8, SL("a@example.org"), TLS_WISH_NONE},
		{CONTENT_REQUIRETLS, SL("a@example.org"), TLS_WISH_REQUIRED},
		{CONTENT_TLS_OPTIONAL, SL("a@example.org"), TLS_WISH_INDIFFERENT},
		{CONTENT_REQUIRETLS | CONTENT_TLS_OPTIONAL, SL("a@example.org"), TLS_WISH_REQUIRED},
		{CONTENT_REQUIRETLS, SL(""), TLS_WISH_NONE},
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		check_note("row %zu", i);
		CHECK_INT(tls_wish_of(rows[i].content, rows[i].sender), rows[i].wish);
	}
}

/* ---- what is told of it (RFC 8460) ---- */

static struct {
	struct tls_told told;
	bool tests;
} site_told;

static void tell_site(slice_t domain UNUSED, const char *mx UNUSED, struct arena *a UNUSED,
		      struct tls_told *out, bool *tests_out)
{
	if (site_told.told.type != TLS_POLICY_UNTOLD)
		*out = site_told.told;
	*tests_out = site_told.tests;
}

static const struct tls_sts_source telling = {.ask = ask_site, .tell = tell_site};
static const struct outbound_tls only_dane = {.level = OUTBOUND_TLS_DANE_ONLY};
static const struct outbound_tls may = {.level = OUTBOUND_TLS_MAY};

TEST_FIBER(what_is_told)
{
	static const struct {
		const char *destination;
		const struct outbound_tls *policy;
		enum tls_wish wish;
		enum tls_policy_type type;
		enum tls_result result;
		const char *text;
	} rows[] = {
		{"ee.test", &by_default, TLS_WISH_NONE, TLS_POLICY_TLSA, TLS_RESULT_OK,
		 "3 1 1 " H32},
		{"mixed.test", &by_default, TLS_WISH_NONE, TLS_POLICY_TLSA, TLS_RESULT_OK,
		 "1 1 1 " H32 "\n3 0 0 3000"},
		{"none.test", &by_default, TLS_WISH_NONE, TLS_POLICY_NONE, TLS_RESULT_OK, ""},
		{"fail.test", &by_default, TLS_WISH_NONE, TLS_POLICY_TLSA,
		 TLS_RESULT_DNSSEC_INVALID, ""},
		{"odd.test", &by_default, TLS_WISH_NONE, TLS_POLICY_TLSA, TLS_RESULT_TLSA_INVALID,
		 NULL},
		{"none.test", &only_dane, TLS_WISH_NONE, TLS_POLICY_NONE, TLS_RESULT_DANE_REQUIRED,
		 ""},
		/* Our own idea; or none of its policies was looked at. */
		{"none.test", &may, TLS_WISH_NONE, TLS_POLICY_UNTOLD, TLS_RESULT_OK, ""},
		{"none.test", &by_default, TLS_WISH_REQUIRED, TLS_POLICY_UNTOLD, TLS_RESULT_OK, ""},
		{"ee.test", &by_default, TLS_WISH_INDIFFERENT, TLS_POLICY_UNTOLD, TLS_RESULT_OK,
		 ""},
		/* Not a domain's server. */
		{"[mx.ta.test]", &by_default, TLS_WISH_NONE, TLS_POLICY_UNTOLD, TLS_RESULT_OK,
		 NULL},
		{"[192.0.2.1]", &by_default, TLS_WISH_NONE, TLS_POLICY_UNTOLD, TLS_RESULT_OK, ""},
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct smtp_result why;
		struct tls_plan p;

		check_note("row %zu", i);
		REQUIRE(plan(rows[i].destination, rows[i].policy, rows[i].wish, &p, &why));
		CHECK_INT(p.told.type, rows[i].type);
		if (p.told.type == TLS_POLICY_UNTOLD)
			continue;
		CHECK_INT(p.told.result, rows[i].result);
		if (rows[i].text != NULL)
			CHECK_SLICE(p.told.policy, slice_str(rows[i].text));
	}
	resolver_replace(NULL);
	arena_reset(&mem);
}

/* In testing a certificate is looked at, and nothing hangs on it. */
TEST_FIBER(what_a_site_in_testing_has_told)
{
	struct smtp_result why;
	struct tls_plan p;

	tls_policy_sts(&telling);
	site.says = TLS_STS_NONE;
	site_told.told = (struct tls_told){.type = TLS_POLICY_STS, .policy = SL("mode: testing")};
	site_told.tests = true;
	REQUIRE(plan("nomx.test", &by_default, TLS_WISH_NONE, &p, &why));
	CHECK_INT(p.demand, SMTP_TLS_MAY);
	CHECK(p.check.advisory);
	check_names(&p, "mx.ee.test");
	CHECK_INT(p.told.type, TLS_POLICY_STS);
	site_told.tests = false;
	site_told.told.result = TLS_RESULT_STS_FETCH_ERROR;
	REQUIRE(plan("nomx.test", &by_default, TLS_WISH_NONE, &p, &why));
	CHECK(!p.check.advisory);
	CHECK_INT(p.told.result, TLS_RESULT_STS_FETCH_ERROR);
	/* Without a policy what DNS says is told. */
	site_told.told = (struct tls_told){.type = TLS_POLICY_NONE};
	REQUIRE(plan("odd.test", &by_default, TLS_WISH_NONE, &p, &why));
	CHECK_INT(p.told.type, TLS_POLICY_TLSA);
	tls_policy_sts(NULL);
	resolver_replace(NULL);
	arena_reset(&mem);
}
