/* What a domain needs: each fault of each record has its word. DNS is a table. */
#include "backend/dns/zone.h"

#include <stdio.h>

#include "common/base/clock.h"
#include "tests/lib/check.h"

#define KEY "0123456789abcdef0123456789abcdef"
#define B64 "MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY="

struct fact {
	const char *name;
	enum ask_type type;
	const char *records; /* "|" between them; "": no such records; "!": no answer */
	const char *canonical;
};

/* A zone without fault. */
static const struct fact good[] = {
	{"ours.test", ASK_MX, "10 mx1.ours.test|10 mx2.ours.test", ""},
	{"mx1.ours.test", ASK_ADDRESS, "192.0.2.1|2001:db8::1", ""},
	{"mx2.ours.test", ASK_ADDRESS, "192.0.2.2", ""},
	{"192.0.2.1", ASK_PTR, "mx1.ours.test", ""},
	{"2001:db8::1", ASK_PTR, "elsewhere.test|mx1.ours.test", ""},
	{"192.0.2.2", ASK_PTR, "mx2.ours.test", ""},
	{"_25._tcp.mx1.ours.test", ASK_TLSA, "3 1 1 00", ""},
	{"_25._tcp.mx2.ours.test", ASK_TLSA, "3 1 1 00", ""},
	{"ours.test", ASK_TXT, "x=y|v=spf1 mx -all", ""},
	{"k._domainkey.ours.test", ASK_TXT, "v=DKIM1; p=" B64, ""},
	{"_dmarc.ours.test", ASK_TXT, "v=DMARC1; p=reject", ""},
	{"_smtp._tls.ours.test", ASK_TXT, "v=TLSRPTv1; rua=mailto:x@y.test", ""},
	{"_mta-sts.ours.test", ASK_TXT, "v=STSv1; id=7;", ""},
	{"mta-sts.ours.test", ASK_ADDRESS, "192.0.2.1", ""},
	{"_imaps._tcp.ours.test", ASK_SRV, "0 1 993 mx1.ours.test", ""},
	{"_submissions._tcp.ours.test", ASK_SRV, "0 1 465 mx1.ours.test", ""},
	{"_submission._tcp.ours.test", ASK_SRV, "0 1 25 x.test|0 1 587 mx1.ours.test", ""},
	{"autoconfig.ours.test", ASK_ADDRESS, "192.0.2.1", "sites.ours.test"},
};

static const struct dir_dkim_row key = {
	.domain = {"ours.test", 9},
	.selector = {"k", 1},
	.algorithm = SIGN_RSA_SHA256,
	.state = DIR_DKIM_ACTIVE,
	.public_key = {KEY, 32},
};

struct table {
	struct fact change; /* stands before the others; name NULL: none */
	unsigned asked;
	bool away, insecure;
	unsigned silent; /* so many questions from the first on are left open */
	slice_t reports;
	size_t nkeys;     /* of tls_keys */
	unsigned in_time; /* after so many questions the time is over; 0: there is enough */
};

/* Time stands still, but when a question takes all of it. */
static int64_t now_us;

static int64_t told_mono(void)
{
	return now_us;
}

#define DEADLINE_MS 60000

static const uint8_t tls_keys[2][SHA256_LEN] = {{0xab, 0x01}, {0xcd}};

static const struct fact *find(const struct table *t, slice_t name, enum ask_type type)
{
	if (t->change.name != NULL && slice_eq(slice_str(t->change.name), name) &&
	    t->change.type == type)
		return &t->change;
	for (size_t i = 0; i < ARRAY_LEN(good); i++) {
		if (slice_eq(slice_str(good[i].name), name) && good[i].type == type)
			return &good[i];
	}
	return NULL;
}

static enum err ask(void *arg, slice_t name, enum ask_type type, int64_t deadline_ms,
		    struct arena *mem, struct ask_answer *out, struct diag *d)
{
	struct table *t = arg;
	const struct fact *f = find(t, name, type);
	slice_t rest = slice_str(f != NULL ? f->records : "");

	t->asked++;
	CHECK_INT(deadline_ms, DEADLINE_MS);
	if (t->asked == t->in_time)
		now_us = DEADLINE_MS * 1000;
	if (t->away)
		return diag_set(d, E_RETRY, "nobody asks");
	*out = (struct ask_answer){.outcome = ASK_ABSENT, .secure = !t->insecure};
	out->records = arena_alloc(mem, ASKING_RECORDS_MAX * sizeof *out->records);
	if (slice_eq(rest, SL("!")) || t->asked <= t->silent) {
		out->outcome = ASK_FAILED;
		return E_OK;
	}
	while (rest.n > 0) {
		size_t n = slice_find_char(rest, '|');

		out->outcome = ASK_OK;
		out->records[out->n++] = slice_sub(rest, 0, n);
		rest = slice_from(rest, n + 1);
	}
	out->canonical = slice_str(f != NULL ? f->canonical : "");
	return E_OK;
}

/* The rows of ours.test. */
WAITS static struct zone_rows look(struct table *t, struct arena *mem, enum dir_domain_kind kind)
{
	slice_t hosts[] = {SL("mx1.ours.test"), SL("mx2.ours.test")};
	struct zone_wants w = {.domain = SL("ours.test"),
			       .kind = kind,
			       .hosts = hosts,
			       .nhosts = ARRAY_LEN(hosts),
			       .keys = &key,
			       .nkeys = 1,
			       .sts_id = kind == DIR_DOMAIN_LOCAL ? SL("7") : SLICE_NONE,
			       .reports = t->reports,
			       .tls_keys = tls_keys,
			       .ntls_keys = t->nkeys,
			       .deadline_ms = DEADLINE_MS,
			       .ask = ask,
			       .arg = t};
	struct zone_rows rows;

	now_us = 0;
	clock_replace(NULL, told_mono);
	CHECK_ERR(zone_check(&w, mem, &rows), E_OK);
	clock_replace(NULL, NULL);
	return rows;
}

static size_t with(const struct zone_rows *rows, enum zone_verdict v)
{
	size_t n = 0;

	for (size_t i = 0; i < rows->n; i++)
		n += rows->rows[i].verdict == v;
	return n;
}

static bool has_value(const struct zone_rows *rows, slice_t value)
{
	bool has = false;

	for (size_t i = 0; i < rows->n; i++)
		has = has || slice_eq(rows->rows[i].value, value);
	return has;
}

TEST_FIBER(zone_without_fault)
{
	struct table t = {.asked = 0};
	struct zone_rows rows;
	struct arena mem;

	arena_init(&mem, NULL);
	rows = look(&t, &mem, DIR_DOMAIN_LOCAL);
	CHECK_INT(rows.n, 2 + 2 + 3 + 2 + 1 + 1 + 1 + 1 + 2 + 3 + 1);
	CHECK_INT(with(&rows, ZONE_OK), rows.n);
	for (size_t i = 0; i < rows.n; i++)
		CHECK_SLICE(rows.rows[i].note, SL(""));
	CHECK_SLICE(rows.rows[0].value, SL("10 mx1.ours.test"));
	t.reports = SL("t!,+x@other.test");
	CHECK(has_value(&rows, SL("v=TLSRPTv1; rua=mailto:postmaster@ours.test")));
	rows = look(&t, &mem, DIR_DOMAIN_LOCAL);
	CHECK(has_value(&rows, SL("v=TLSRPTv1; rua=mailto:t%21%2C+x@other.test")));
	/* Of a domain whose mail is written elsewhere, only what takes its mail. */
	rows = look(&t, &mem, DIR_DOMAIN_REMOTE);
	CHECK_INT(rows.n, 2 + 2 + 3 + 2 + 1);
	arena_reset(&mem);
}

/* One thing is changed: exactly one row says so. */
struct fault {
	struct fact change;
	enum zone_verdict verdict;
	const char *name, *note;
};

WAITS static void check_faults(const struct fault *cases, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		struct table t = {.change = cases[i].change};
		struct zone_rows rows;
		struct arena mem;

		check_note("case %zu", i);
		arena_init(&mem, NULL);
		rows = look(&t, &mem, DIR_DOMAIN_LOCAL);
		CHECK_INT(with(&rows, ZONE_OK), rows.n - 1);
		for (size_t k = 0; k < rows.n; k++) {
			if (rows.rows[k].verdict == ZONE_OK)
				continue;
			CHECK_INT(rows.rows[k].verdict, cases[i].verdict);
			CHECK_SLICE(rows.rows[k].name, slice_str(cases[i].name));
			CHECK_SLICE(rows.rows[k].note, slice_str(cases[i].note));
		}
		arena_reset(&mem);
	}
}

TEST_FIBER(each_fault_is_named)
{
	static const struct fault cases[] = {
		{{"ours.test", ASK_MX, "10 mx1.ours.test", ""},
		 ZONE_DIFFERS,
		 "ours.test",
		 "this host is not among them"},
		{{"ours.test", ASK_MX, "10 mx1.ours.test|10 MX2.ours.test|20 x.test", ""},
		 ZONE_DIFFERS,
		 "ours.test",
		 "not one of our hosts (dns.mx_hosts)"},
		{{"mx2.ours.test", ASK_ADDRESS, "192.0.2.2", "x.test"},
		 ZONE_DIFFERS,
		 "mx2.ours.test",
		 "a host that takes mail may not be an alias (CNAME)"},
		{{"192.0.2.2", ASK_PTR, "", ""}, ZONE_MISSING, "192.0.2.2", ""},
		{{"192.0.2.2", ASK_PTR, "!", ""},
		 ZONE_UNKNOWN,
		 "192.0.2.2",
		 "the name servers do not answer"},
		{{"192.0.2.2", ASK_PTR, "mx1.ours.test|nobody.test", ""},
		 ZONE_DIFFERS,
		 "192.0.2.2",
		 "the name does not lead back to the address"},
		{{"ours.test", ASK_TXT, "x=y", ""}, ZONE_MISSING, "ours.test", ""},
		{{"ours.test", ASK_TXT, "", ""}, ZONE_MISSING, "ours.test", ""},
		{{"k._domainkey.ours.test", ASK_TXT, "p=MDEy", ""},
		 ZONE_DIFFERS,
		 "k._domainkey.ours.test",
		 "p= is another key"},
		{{"k._domainkey.ours.test", ASK_TXT, "", ""},
		 ZONE_MISSING,
		 "k._domainkey.ours.test",
		 ""},
		{{"_dmarc.ours.test", ASK_TXT, "", ""}, ZONE_MISSING, "_dmarc.ours.test", ""},
		{{"_dmarc.ours.test", ASK_TXT, "v=DMARC1; p=none|v=DMARC1; p=none", ""},
		 ZONE_DIFFERS,
		 "_dmarc.ours.test",
		 "there are several"},
		{{"_dmarc.ours.test", ASK_TXT, "v=DMARC10; p=none", ""},
		 ZONE_DIFFERS,
		 "_dmarc.ours.test",
		 "what is there is something else"},
		{{"_smtp._tls.ours.test", ASK_TXT, "v=TLSRPTv1;", ""},
		 ZONE_DIFFERS,
		 "_smtp._tls.ours.test",
		 "there is no rua="},
		{{"_imaps._tcp.ours.test", ASK_SRV, "0 1 143 x.test", ""},
		 ZONE_DIFFERS,
		 "_imaps._tcp.ours.test",
		 "no record has this service's port"},
		{{"autoconfig.ours.test", ASK_ADDRESS, "", ""},
		 ZONE_MISSING,
		 "autoconfig.ours.test",
		 "the public address of a front-end with listen.https, where programs of mail "
		 "find what they set themselves up by"},
	};

	check_faults(cases, ARRAY_LEN(cases));
}

TEST_FIBER(each_fault_of_a_policy_is_named)
{
	static const struct fault cases[] = {
		{{"_mta-sts.ours.test", ASK_TXT, "v=STSv1; id=6;", ""},
		 ZONE_DIFFERS,
		 "_mta-sts.ours.test",
		 "another policy's: nobody looks at the one of now"},
		{{"_mta-sts.ours.test", ASK_TXT, "v=STSv1; id=7;|v=STSv1; id=7;", ""},
		 ZONE_DIFFERS,
		 "_mta-sts.ours.test",
		 "there are several"},
		{{"mta-sts.ours.test", ASK_ADDRESS, "", ""},
		 ZONE_MISSING,
		 "mta-sts.ours.test",
		 "the public address of a front-end with listen.https"},
	};

	check_faults(cases, ARRAY_LEN(cases));
}

TEST_FIBER(no_mail_at_all)
{
	struct table t = {.change = {"ours.test", ASK_MX, "0 .", ""}};
	struct zone_rows rows;
	struct arena mem;

	arena_init(&mem, NULL);
	rows = look(&t, &mem, DIR_DOMAIN_LOCAL);
	CHECK_INT(with(&rows, ZONE_DIFFERS), 3);
	CHECK_SLICE(rows.rows[2].note, SL("it says that the domain takes no mail"));
	arena_reset(&mem);
}

/* Once it is known that nobody asks, nobody is waited for again; the values are there. */
TEST_FIBER(nobody_asks)
{
	struct table t = {.away = true};
	struct zone_rows rows;
	struct arena mem;

	arena_init(&mem, NULL);
	rows = look(&t, &mem, DIR_DOMAIN_LOCAL);
	CHECK_INT(t.asked, 1);
	CHECK_INT(with(&rows, ZONE_UNKNOWN), rows.n);
	for (size_t i = 0; i < rows.n; i++)
		CHECK_SLICE(rows.rows[i].note, SL("nobody asks"));
	arena_reset(&mem);
}

/* Nor is each question waited for when none of the first is answered. */
TEST_FIBER(nobody_answers)
{
	struct table t = {.silent = 100};
	struct zone_rows rows;
	struct arena mem;

	arena_init(&mem, NULL);
	rows = look(&t, &mem, DIR_DOMAIN_LOCAL);
	CHECK_INT(t.asked, ZONE_SILENT_MAX);
	CHECK_INT(with(&rows, ZONE_UNKNOWN), rows.n);
	for (size_t i = 0; i < rows.n; i++)
		CHECK_SLICE(rows.rows[i].note, SL("the name servers do not answer"));
	arena_reset(&mem);
}

/* What was answered in time counts; for the rest there is none. */
TEST_FIBER(the_time_is_over)
{
	struct table t = {.in_time = 5};
	struct zone_rows rows;
	struct arena mem;
	size_t late = 0;

	arena_init(&mem, NULL);
	rows = look(&t, &mem, DIR_DOMAIN_LOCAL);
	CHECK_INT(t.asked, 5);
	CHECK(with(&rows, ZONE_OK) > 0);
	for (size_t i = 0; i < rows.n; i++)
		late += slice_eq(rows.rows[i].note, SL("there was no time left to ask"));
	CHECK(late > 0);
	CHECK_INT(with(&rows, ZONE_UNKNOWN), late);
	CHECK_INT(with(&rows, ZONE_OK), rows.n - late);
	arena_reset(&mem);
}

/* One answer, and all are asked for, whatever is left open: some servers never tell of TLSA. */
TEST_FIBER(somebody_answers)
{
	struct table t = {.silent = ZONE_SILENT_MAX - 1};
	struct table some = {.change = {"mx1.ours.test", ASK_ADDRESS, "!", ""}};
	struct zone_rows rows;
	struct arena mem;

	arena_init(&mem, NULL);
	rows = look(&t, &mem, DIR_DOMAIN_LOCAL);
	CHECK(with(&rows, ZONE_OK) > 0);
	CHECK(t.asked > ZONE_SILENT_MAX);
	rows = look(&some, &mem, DIR_DOMAIN_LOCAL);
	CHECK_INT(with(&rows, ZONE_UNKNOWN), 1);
	arena_reset(&mem);
}

TEST_FIBER(tlsa_without_dnssec)
{
	struct table t = {.insecure = true};
	struct zone_rows rows;
	struct arena mem;

	arena_init(&mem, NULL);
	rows = look(&t, &mem, DIR_DOMAIN_LOCAL);
	CHECK_INT(with(&rows, ZONE_DIFFERS), 2);
	arena_reset(&mem);
}

#define ZEROS_30 "000000000000000000000000000000000000000000000000000000000000"

/* A key that no front-end presents is named; one of another form is not judged. */
TEST_FIBER(keys_of_front_ends)
{
	static const struct {
		const char *record;
		size_t nkeys;
		enum zone_verdict verdict;
	} cases[] = {
		{"3 1 1 ab01" ZEROS_30, 1, ZONE_OK},
		{"3 1 1 AB01" ZEROS_30, 1, ZONE_OK},
		{"3 1 1 ab02" ZEROS_30 "|3 1 1 ab01" ZEROS_30, 1, ZONE_OK},
		{"3 1 1 cd00" ZEROS_30, 1, ZONE_DIFFERS},
		{"3 1 1 cd00" ZEROS_30, 2, ZONE_OK},
		{"3 1 1 ab01", 2, ZONE_DIFFERS},
		{"3 1 1 ef00" ZEROS_30, 0, ZONE_OK},
		{"3 1 1 ef00" ZEROS_30 "|2 1 1 00", 2, ZONE_OK},
	};

	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct table t = {
			.change = {"_25._tcp.mx1.ours.test", ASK_TLSA, cases[i].record, ""},
			.nkeys = cases[i].nkeys};
		const struct zone_row *r = NULL;
		struct zone_rows rows;
		struct arena mem;

		check_note("case %zu", i);
		arena_init(&mem, NULL);
		rows = look(&t, &mem, DIR_DOMAIN_LOCAL);
		for (size_t k = 0; k < rows.n; k++) {
			if (slice_eq(rows.rows[k].name, SL("_25._tcp.mx1.ours.test")))
				r = &rows.rows[k];
		}
		REQUIRE(r != NULL);
		CHECK_INT(r->verdict, cases[i].verdict);
		/* What to paste is known where all front-ends present the same. */
		CHECK(slice_eq(r->value, SL("3 1 1 ab01" ZEROS_30)) == (t.nkeys == 1));
		arena_reset(&mem);
	}
}

/* The longest answers there can be: rows and addresses have their places. */
static enum err ask_much(void *arg, slice_t name UNUSED, enum ask_type type,
			 int64_t deadline_ms UNUSED, struct arena *mem, struct ask_answer *out,
			 struct diag *d UNUSED)
{
	unsigned *asked = arg;
	char text[64];

	*out = (struct ask_answer){.outcome = ASK_OK};
	out->records = arena_alloc(mem, ASKING_RECORDS_MAX * sizeof *out->records);
	for (out->n = 0; out->n < ASKING_RECORDS_MAX; out->n++) {
		snprintf(text, sizeof text, type == ASK_ADDRESS ? "2001:db8::%x" : "%u h.test",
			 ++*asked % 0xFFFF);
		out->records[out->n] = arena_dup(mem, slice_str(text));
	}
	return E_OK;
}

TEST_FIBER(much_of_everything)
{
	slice_t hosts[ZONE_HOSTS_MAX];
	unsigned asked = 0;
	struct zone_wants w = {.domain = SL("ours.test"),
			       .kind = DIR_DOMAIN_LOCAL,
			       .hosts = hosts,
			       .nhosts = ZONE_HOSTS_MAX,
			       .deadline_ms = deadline_in(DEADLINE_MS),
			       .ask = ask_much,
			       .arg = &asked};
	struct zone_rows rows;
	struct arena mem;

	for (size_t i = 0; i < ZONE_HOSTS_MAX; i++)
		hosts[i] = SL("mx.test");
	arena_init(&mem, NULL);
	CHECK_ERR(zone_check(&w, &mem, &rows), E_OK);
	/* MX, 8 strangers' among them; addresses with their PTR; TLSA; SPF, no key, two policies,
	 * three services, autoconfig. */
	CHECK_INT(rows.n, ZONE_HOSTS_MAX + 8 + ZONE_HOSTS_MAX * (1 + ZONE_ADDRS_MAX) +
				  ZONE_HOSTS_MAX + 1 + 1 + 2 + 3 + 1);
	arena_reset(&mem);
}
