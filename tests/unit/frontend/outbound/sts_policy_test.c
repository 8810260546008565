#include "frontend/outbound/sts_policy.h"

#include "common/base/buf.h"
#include "tests/lib/check.h"

/* ---- the record ---- */

static const struct {
	const char *records[3];
	enum err want;
	const char *id;
} record_cases[] = {
	{{"v=STSv1; id=20160831085700Z;"}, E_OK, "20160831085700Z"},
	{{"v=STSv1;id=1"}, E_OK, "1"},
	{{"v=STSv1 ; id=1 ; "}, E_OK, "1"},
	{{"v=STSv1; x-1.y_z=a:b/c; id=1"}, E_OK, "1"},
	{{"v=STSv1; id=first; id=second;"}, E_OK, "first"},
	{{"v=STSv1; id=abcdefghijabcdefghijabcdefghij12"},
	 E_OK,
	 "abcdefghijabcdefghijabcdefghij12"},
	{{"v=spf1 -all", "v=STSv1; id=1"}, E_OK, "1"},
	{{"v=STSv2; id=2", "v=STSv1; id=1", "v=STSv10; id=3"}, E_OK, "1"},
	{{NULL}, E_NOT_FOUND, ""},
	{{"v=spf1 -all"}, E_NOT_FOUND, ""},
	{{"v=STSv1"}, E_NOT_FOUND, ""}, /* does not begin with "v=STSv1;" */
	{{"V=STSv1; id=1"}, E_NOT_FOUND, ""},
	{{" v=STSv1; id=1"}, E_NOT_FOUND, ""},
	{{"id=1; v=STSv1"}, E_NOT_FOUND, ""},
	{{"v=STSv1; id=1", "v=STSv1; id=1"}, E_INVALID, ""},
	{{"v=STSv1;"}, E_INVALID, ""},
	{{"v=STSv1; id="}, E_INVALID, ""},
	{{"v=STSv1; id=a-b"}, E_INVALID, ""},
	{{"v=STSv1; ID=1"}, E_INVALID, ""},
	{{"v=STSv1; id=abcdefghijabcdefghijabcdefghij123"}, E_INVALID, ""},
	{{"v=STSv1; id=1 2"}, E_INVALID, ""},
	{{"v=STSv1; id=1;; x=2"}, E_INVALID, ""},
	{{"v=STSv1; id=1; =2"}, E_INVALID, ""},
	{{"v=STSv1; id=1; x=a=b"}, E_INVALID, ""},
	{{"v=STSv1; id=1; abcdefghijabcdefghijabcdefghij123=2"}, E_INVALID, ""},
};

TEST(sts_records)
{
	for (size_t i = 0; i < ARRAY_LEN(record_cases); i++) {
		slice_t records[3], id;
		size_t n = 0;

		for (; n < 3 && record_cases[i].records[n] != NULL; n++)
			records[n] = slice_str(record_cases[i].records[n]);
		check_note("record %zu", i);
		CHECK_ERR(sts_record_parse(records, n, &id), record_cases[i].want);
		if (record_cases[i].want == E_OK)
			CHECK_SLICE(id, slice_str(record_cases[i].id));
	}
}

/* ---- the policy ---- */

#define V "version: STSv1\n"

static const struct {
	const char *text;
	enum err want;
	const char *shown; /* mode, max_age, patterns */
} policy_cases[] = {
	{V "mode: enforce\nmx: mail.example.com\nmx: *.example.net\nmax_age: 604800\n", E_OK,
	 "enforce 604800 mail.example.com *.example.net"},
	{"version: STSv1\r\nmode: testing\r\nmx: a.example\r\nmax_age: 1\r\n", E_OK,
	 "testing 1 a.example"},
	{"max_age:86400\nmx:A.Example\nmode:\t enforce \nversion:STSv1", E_OK,
	 "enforce 86400 a.example"},
	{V "mode: none\nmax_age: 0\n", E_OK, "none 0"},
	{V "\n\nmode: none\r\n\r\nmax_age: 5\n \t\n", E_OK, "none 5"},
	{V "mode: enforce\nmode: none\nmx: a.b\nmax_age: 7\nmax_age: x\nversion: 2\n", E_OK,
	 "enforce 7 a.b"},
	{V "mode: enforce\nmx: a.b\nmax_age: 9999999999\n", E_OK, "enforce 31557600 a.b"},
	{V "mode: enforce\nmx: a.b\nx-more: a: b \xc3\xb6\nmax_age: 7\n", E_OK, "enforce 7 a.b"},
	{V "mode: enforce\nmx: a_b.c-d\nmax_age: 7", E_OK, "enforce 7 a_b.c-d"},
	{"", E_INVALID, NULL},
	{"mode: none\nmax_age: 5\n", E_INVALID, NULL},
	{V "max_age: 5\nmx: a.b\n", E_INVALID, NULL},
	{V "mode: none\n", E_INVALID, NULL},
	{V "mode: enforce\nmax_age: 5\n", E_INVALID, NULL},
	{V "mode: testing\nmax_age: 5\n", E_INVALID, NULL},
	{"version: STSv2\nmode: none\nmax_age: 5\n", E_INVALID, NULL},
	{V "mode: Enforce\nmx: a.b\nmax_age: 5\n", E_INVALID, NULL},
	{V "mode:\nmx: a.b\nmax_age: 5\n", E_INVALID, NULL},
	{V "mode: none\nmax_age: 12345678901\n", E_INVALID, NULL},
	{V "mode: none\nmax_age: -1\n", E_INVALID, NULL},
	{V "mode: none\nmax_age: 1d\n", E_INVALID, NULL},
	{V "mode: none\nmax_age: 5\nhello\n", E_INVALID, NULL},
	{V "mode: none\nmax_age: 5\n: x\n", E_INVALID, NULL},
	{V "mode : none\nmax_age: 5\n", E_INVALID, NULL},
	{V "mode: none\rmax_age: 5\n", E_INVALID, NULL},
	{V "mode: enforce\nmx: *\nmax_age: 5\n", E_INVALID, NULL},
	{V "mode: enforce\nmx: *.\nmax_age: 5\n", E_INVALID, NULL},
	{V "mode: enforce\nmx: a.*.b\nmax_age: 5\n", E_INVALID, NULL},
	{V "mode: enforce\nmx: m*.b\nmax_age: 5\n", E_INVALID, NULL},
	{V "mode: enforce\nmx: *.*.b\nmax_age: 5\n", E_INVALID, NULL},
	{V "mode: enforce\nmx: a..b\nmax_age: 5\n", E_INVALID, NULL},
	{V "mode: enforce\nmx: -a.b\nmax_age: 5\n", E_INVALID, NULL},
	{V "mode: enforce\nmx: a.b c.d\nmax_age: 5\n", E_INVALID, NULL},
	{V "mode: enforce\nmx:\nmax_age: 5\n", E_INVALID, NULL},
	{"<html>\n<body>Not found</body>\n", E_INVALID, NULL},
};

static void show(const struct sts_policy *p, struct buf *out)
{
	buf_printf(out, "%s %u", sts_mode_name(p->mode), p->max_age_s);
	for (size_t i = 0; i < p->n; i++)
		buf_printf(out, " %.*s", (int)p->mx[i].n, p->mx[i].p);
}

TEST(sts_policies)
{
	for (size_t i = 0; i < ARRAY_LEN(policy_cases); i++) {
		struct diag d = {""};
		struct sts_policy p;
		struct arena mem;
		struct buf shown;

		arena_init(&mem, NULL);
		buf_init(&shown, 1000, NULL);
		check_note("policy %zu", i);
		CHECK_ERR(sts_policy_parse(slice_str(policy_cases[i].text), &mem, &p, &d),
			  policy_cases[i].want);
		if (policy_cases[i].want == E_OK) {
			show(&p, &shown);
			CHECK_SLICE(buf_slice(&shown), slice_str(policy_cases[i].shown));
		} else {
			CHECK(d.text[0] != '\0');
		}
		buf_fini(&shown);
		arena_reset(&mem);
	}
}

/* n times what, and then a policy's rest. */
static enum err parse_repeated(const char *what, size_t n)
{
	struct sts_policy p;
	struct arena mem;
	struct diag d;
	struct buf b;
	enum err e;

	arena_init(&mem, NULL);
	buf_init(&b, 2 * STS_TEXT_MAX, NULL);
	buf_puts(&b, "version: STSv1\nmode: enforce\nmx: a.b\nmax_age: 5\n");
	for (size_t i = 0; i < n; i++)
		buf_puts(&b, what);
	e = sts_policy_parse(buf_slice(&b), &mem, &p, &d);
	buf_fini(&b);
	arena_reset(&mem);
	return e;
}

TEST(sts_policy_limits)
{
	static const char long_line[] = "x: 0123456789012345678901234567890123456789012345678\n";

	CHECK_ERR(parse_repeated("mx: c.d\n", STS_MX_MAX - 1), E_OK);
	CHECK_ERR(parse_repeated("mx: c.d\n", STS_MX_MAX), E_LIMIT);
	CHECK_ERR(parse_repeated("x: y\n", STS_LINES_MAX - 4), E_OK);
	CHECK_ERR(parse_repeated("x: y\n", STS_LINES_MAX - 3), E_LIMIT);
	CHECK_ERR(parse_repeated("\n", STS_TEXT_MAX), E_LIMIT);
	CHECK_ERR(parse_repeated(long_line, 900), E_OK);
	CHECK_ERR(parse_repeated("x", STS_TEXT_MAX), E_LIMIT);
}

TEST(sts_pattern_length)
{
	char name[300];

	for (size_t i = 0; i < sizeof name; i++)
		name[i] = i % 50 == 49 ? '.' : 'a';
	CHECK(sts_pattern_ok(slice(name, STS_PATTERN_MAX)));
	CHECK(!sts_pattern_ok(slice(name, STS_PATTERN_MAX + 1)));
	for (size_t i = 0; i < sizeof name; i++)
		name[i] = 'a';
	CHECK(sts_pattern_ok(slice(name, 63)));
	CHECK(!sts_pattern_ok(slice(name, 64)));
}

/* ---- whether it names a server ---- */

TEST(sts_names)
{
	static const struct {
		const char *pattern, *host;
		bool want;
	} cases[] = {
		{"mx.example.com", "mx.example.com", true},
		{"mx.example.com", "MX.Example.COM", true},
		{"mx.example.com", "mx.example.com.", true},
		{"mx.example.com", "a.mx.example.com", false},
		{"mx.example.com", "x.example.com", false},
		{"*.example.com", "mx.example.com", true},
		{"*.example.com", "MX.EXAMPLE.com", true},
		{"*.example.com", "a.mx.example.com", false},
		{"*.example.com", "example.com", false},
		{"*.example.com", ".example.com", false},
		{"*.example.com", "mxexample.com", false},
		{"*.example.com", "mx.example.com.evil.test", false},
		{"*.example.com", "", false},
		{"*.com", "example.com", true},
	};

	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		slice_t mx[] = {SL("other.test"), slice_str(cases[i].pattern)};
		struct sts_policy p = {.mode = STS_ENFORCE, .mx = mx, .n = 2};

		check_note("name %zu", i);
		CHECK(sts_policy_names(&p, slice_str(cases[i].host)) == cases[i].want);
	}
}
