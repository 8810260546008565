#include "frontend/smtp/smtp_parse.h"

#include <stdio.h>

#include "tests/lib/check.h"

struct mail_case {
	const char *args;
	enum smtp_say say;
	const char *local;
	uint64_t size;
};

TEST(parse_mail)
{
	static const struct mail_case cases[] = {
		{"FROM:<a@b.example>", SAY_NOTHING, "a", 0},
		{"from:<a@b.example>", SAY_NOTHING, "a", 0},
		{"FROM: <a@b.example>", SAY_NOTHING, "a", 0},
		{"FROM:<>", SAY_NOTHING, "", 0},
		{"FROM:<a@b.example> SIZE=1000", SAY_NOTHING, "a", 1000},
		{"FROM:<a@b.example> BODY=8BITMIME SIZE=7", SAY_NOTHING, "a", 7},
		{"FROM:<a@b.example> body=7bit", SAY_NOTHING, "a", 0},
		{"FROM:<\"a b\"@b.example>", SAY_NOTHING, "a b", 0},
		{"FROM:<a@b.example> AUTH=<>", SAY_NOTHING, "a", 0},
		{"FROM:<a@b.example> AUTH=e+3Dmc2@example.com", SAY_NOTHING, "a", 0},
		{"FROM:<\xc3\xa4@b.example> SMTPUTF8", SAY_NOTHING, "\xc3\xa4", 0},
		{"FROM:<\xc3\xa4@b.example>", SAY_NEEDS_UTF8, NULL, 0},
		{"FROM:a@b.example", SAY_BAD_SENDER, NULL, 0},
		{"FROM:<a@b.example", SAY_BAD_SENDER, NULL, 0},
		{"FROM:<a@b.example>SIZE=1", SAY_BAD_SENDER, NULL, 0},
		{"FROM:<a@>", SAY_BAD_SENDER, NULL, 0},
		{"", SAY_SYNTAX, NULL, 0},
		{"TO:<a@b.example>", SAY_SYNTAX, NULL, 0},
		{"FROM:<a@b.example> SIZE", SAY_SYNTAX, NULL, 0},
		{"FROM:<a@b.example> SIZE=", SAY_SYNTAX, NULL, 0},
		{"FROM:<a@b.example> SIZE=-1", SAY_SYNTAX, NULL, 0},
		{"FROM:<a@b.example> SIZE=18446744073709551615", SAY_NOTHING, "a", UINT64_MAX},
		{"FROM:<a@b.example> SIZE=99999999999999999999", SAY_NOTHING, "a", UINT64_MAX},
		{"FROM:<a@b.example> SIZE=9999999999999999999x", SAY_SYNTAX, NULL, 0},
		{"FROM:<a@b.example> SIZE=111111111111111111111", SAY_SYNTAX, NULL, 0},
		{"FROM:<a@b.example> SIZE=1 SIZE=2", SAY_SYNTAX, NULL, 0},
		{"FROM:<a@b.example> BODY=BINARYMIME", SAY_NOTHING, "a", 0},
		{"FROM:<a@b.example> BODY=BINARY", SAY_PARAMETER, NULL, 0},
		{"FROM:<a@b.example> BODY=7BIT BODY=BINARYMIME", SAY_SYNTAX, NULL, 0},
		{"FROM:<a@b.example> X-UNKNOWN=1", SAY_PARAMETER, NULL, 0},
		{"FROM:<a@b.example> SMTPUTF8=1", SAY_SYNTAX, NULL, 0},
		{"FROM:<a@b.example> requiretls", SAY_NOTHING, "a", 0},
		{"FROM:<a@b.example> REQUIRETLS=1", SAY_SYNTAX, NULL, 0},
		{"FROM:<a@b.example> REQUIRETLS REQUIRETLS", SAY_SYNTAX, NULL, 0},
		{"FROM:<a@b.example> RET=ALL", SAY_SYNTAX, NULL, 0},
		{"FROM:<a@b.example> ENVID=a+3", SAY_SYNTAX, NULL, 0},
		{"FROM:<a@b.example> ENVID=a=b", SAY_SYNTAX, NULL, 0},
		{"FROM:<a@b.example> =", SAY_SYNTAX, NULL, 0},
	};

	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct smtp_mail_args m;

		check_note("case %s", cases[i].args);
		CHECK_INT(smtp_parse_mail(slice_str(cases[i].args), SMTP_PARAMS, &m), cases[i].say);
		if (cases[i].local == NULL)
			continue;
		CHECK_STR(m.from.local, cases[i].local);
		CHECK_INT(m.size, cases[i].size);
	}
}

TEST(parse_mail_dsn)
{
	struct smtp_mail_args m;

	CHECK_INT(smtp_parse_mail(SL("FROM:<a@b.example> RET=HDRS ENVID=QQ314159+2B"), SMTP_PARAMS,
				  &m),
		  SAY_NOTHING);
	CHECK_INT(m.ret, RET_HDRS);
	CHECK_SLICE(slice(m.envid, m.envid_n), SL("QQ314159+"));
	CHECK_INT(smtp_parse_mail(SL("FROM:<a@b.example> RET=FULL"), SMTP_NO_PARAMS, &m),
		  SAY_PARAMETER);
}

TEST(parse_mail_hold)
{
	static const struct {
		const char *params;
		enum smtp_say say;
		enum smtp_hold hold;
		int64_t s;
	} cases[] = {
		{"HOLDFOR=1", SAY_NOTHING, HOLD_FOR, 1},
		{"holdfor=999999999", SAY_NOTHING, HOLD_FOR, 999999999},
		{"HOLDUNTIL=2026-12-01T00:00:00Z", SAY_NOTHING, HOLD_UNTIL, 1796083200},
		{"HOLDUNTIL=2026-12-01T01:00:00+01:00", SAY_NOTHING, HOLD_UNTIL, 1796083200},
		{"SIZE=1", SAY_NOTHING, HOLD_NONE, 0},
		{"HOLDFOR", SAY_SYNTAX, 0, 0},
		{"HOLDFOR=", SAY_SYNTAX, 0, 0},
		{"HOLDFOR=0", SAY_SYNTAX, 0, 0},
		{"HOLDFOR=01", SAY_SYNTAX, 0, 0},
		{"HOLDFOR=-1", SAY_SYNTAX, 0, 0},
		{"HOLDFOR=+1", SAY_SYNTAX, 0, 0},
		{"HOLDFOR=1s", SAY_SYNTAX, 0, 0},
		{"HOLDFOR=1000000000", SAY_SYNTAX, 0, 0},
		{"HOLDFOR=99999999999999999999999", SAY_SYNTAX, 0, 0},
		{"HOLDFOR=1 HOLDFOR=1", SAY_SYNTAX, 0, 0},
		{"HOLDFOR=1 HOLDUNTIL=2026-12-01T00:00:00Z", SAY_SYNTAX, 0, 0},
		{"HOLDUNTIL=2026-12-01T00:00:00Z HOLDFOR=1", SAY_SYNTAX, 0, 0},
		{"HOLDUNTIL", SAY_SYNTAX, 0, 0},
		{"HOLDUNTIL=2026-12-01", SAY_SYNTAX, 0, 0},
		{"HOLDUNTIL=2026-12-01T00:00:00", SAY_SYNTAX, 0, 0},
		{"HOLDUNTIL=2026-02-29T00:00:00Z", SAY_SYNTAX, 0, 0},
		{"HOLDUNTIL=1796083200", SAY_SYNTAX, 0, 0},
	};

	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct smtp_mail_args m;
		char line[128];

		check_note("%s", cases[i].params);
		snprintf(line, sizeof line, "FROM:<a@b.example> %s", cases[i].params);
		CHECK_INT(smtp_parse_mail(slice_str(line), SMTP_PARAMS, &m), cases[i].say);
		if (cases[i].say != SAY_NOTHING)
			continue;
		CHECK_INT(m.hold, cases[i].hold);
		CHECK_INT(m.hold_s, cases[i].s);
	}
}

TEST(parse_mail_by)
{
	static const struct {
		const char *value;
		enum smtp_say say;
		uint32_t by;
		int32_t s;
	} cases[] = {
		{"120;R", SAY_NOTHING, BY_RETURN, 120},
		{"120;r", SAY_NOTHING, BY_RETURN, 120},
		{"+999999999;RT", SAY_NOTHING, BY_RETURN | BY_TRACE, 999999999},
		{"120;Nt", SAY_NOTHING, BY_NOTIFY | BY_TRACE, 120},
		{"0;N", SAY_NOTHING, BY_NOTIFY, 0},
		{"-999999999;N", SAY_NOTHING, BY_NOTIFY, -999999999},
		{"0;R", SAY_SYNTAX, 0, 0},
		{"-1;R", SAY_SYNTAX, 0, 0},
		{"1000000000;R", SAY_SYNTAX, 0, 0},
		{"-1000000000;N", SAY_SYNTAX, 0, 0},
		{"99999999999999999999;N", SAY_SYNTAX, 0, 0},
		{"0000000001;R", SAY_SYNTAX, 0, 0},
		{"--1;N", SAY_SYNTAX, 0, 0},
		{"+-1;N", SAY_SYNTAX, 0, 0},
		{";R", SAY_SYNTAX, 0, 0},
		{"+;R", SAY_SYNTAX, 0, 0},
		{"1", SAY_SYNTAX, 0, 0},
		{"1;", SAY_SYNTAX, 0, 0},
		{"1;T", SAY_SYNTAX, 0, 0},
		{"1;RN", SAY_SYNTAX, 0, 0},
		{"1;RTT", SAY_SYNTAX, 0, 0},
		{"1;R;T", SAY_SYNTAX, 0, 0},
		{"1s;R", SAY_SYNTAX, 0, 0},
		{"1;R BY=1;R", SAY_SYNTAX, 0, 0},
	};

	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct smtp_mail_args m;
		char line[128];

		check_note("%s", cases[i].value);
		snprintf(line, sizeof line, "FROM:<a@b.example> BY=%s", cases[i].value);
		CHECK_INT(smtp_parse_mail(slice_str(line), SMTP_PARAMS, &m), cases[i].say);
		if (cases[i].say != SAY_NOTHING)
			continue;
		CHECK_INT(m.by, cases[i].by);
		CHECK_INT(m.by_s, cases[i].s);
	}
}

TEST(parse_mail_priority)
{
	static const struct {
		const char *value;
		enum smtp_say say;
		int priority;
	} cases[] = {
		{"0", SAY_NOTHING, 0},   {"9", SAY_NOTHING, 9},  {"-9", SAY_NOTHING, -9},
		{"-1", SAY_NOTHING, -1}, {"-0", SAY_SYNTAX, 0},  {"+1", SAY_SYNTAX, 0},
		{"10", SAY_SYNTAX, 0},   {"-10", SAY_SYNTAX, 0}, {"00", SAY_SYNTAX, 0},
		{"-", SAY_SYNTAX, 0},    {"--1", SAY_SYNTAX, 0}, {"a", SAY_SYNTAX, 0},
		{"1x", SAY_SYNTAX, 0},   {"", SAY_SYNTAX, 0},    {"1 MT-PRIORITY=1", SAY_SYNTAX, 0},
	};

	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct smtp_mail_args m;
		char line[128];

		check_note("%s", cases[i].value);
		snprintf(line, sizeof line, "FROM:<a@b.example> MT-PRIORITY=%s", cases[i].value);
		CHECK_INT(smtp_parse_mail(slice_str(line), SMTP_PARAMS, &m), cases[i].say);
		if (cases[i].say != SAY_NOTHING)
			continue;
		CHECK(m.has_priority);
		CHECK_INT(m.priority, cases[i].priority);
	}
}

/* The limits of RFC 5321 section 4.5.3.1 and RFC 3461. */
TEST(parse_limits)
{
	char line[1200];
	struct smtp_mail_args m;
	struct smtp_rcpt_args r;

	for (int over = 0; over <= 1; over++) {
		snprintf(line, sizeof line, "FROM:<%.*s@b.example>", ADDR_LOCAL_MAX + over,
			 "0123456789012345678901234567890123456789012345678901234567890123456");
		CHECK_INT(smtp_parse_mail(slice_str(line), SMTP_PARAMS, &m),
			  over ? SAY_BAD_SENDER : SAY_NOTHING);
	}
	for (int over = 0; over <= 1; over++) {
		char envid[SMTP_ENVID_MAX + 2];

		memset(envid, 'e', sizeof envid);
		snprintf(line, sizeof line, "FROM:<> ENVID=%.*s", SMTP_ENVID_MAX + over, envid);
		CHECK_INT(smtp_parse_mail(slice_str(line), SMTP_PARAMS, &m),
			  over ? SAY_SYNTAX : SAY_NOTHING);
	}
	for (int over = 0; over <= 1; over++) {
		char orcpt[SMTP_ORCPT_MAX + 2];

		memset(orcpt, 'o', sizeof orcpt);
		snprintf(line, sizeof line, "TO:<a@b.example> ORCPT=rfc822;%.*s",
			 SMTP_ORCPT_MAX - 7 + over, orcpt);
		CHECK_INT(smtp_parse_rcpt(slice_str(line), SMTP_PARAMS, ADDR_ASCII, &r),
			  over ? SAY_SYNTAX : SAY_NOTHING);
	}
	snprintf(line, sizeof line, "FROM:<>");
	for (int i = 0; i <= SMTP_PARAMS_MAX; i++)
		snprintf(line + strlen(line), sizeof line - strlen(line), " SIZE=%d", i);
	CHECK(smtp_parse_mail(slice_str(line), SMTP_PARAMS, &m) != SAY_NOTHING);
}

TEST(parse_rcpt)
{
	static const struct {
		const char *args;
		enum smtp_say say;
		uint32_t notify;
		const char *orcpt;
	} cases[] = {
		{"TO:<a@b.example>", SAY_NOTHING, 0, ""},
		{"to: <a@b.example>", SAY_NOTHING, 0, ""},
		{"TO:<@x.example,@y.example:a@b.example>", SAY_NOTHING, 0, ""},
		{"TO:<postmaster>", SAY_NOTHING, 0, ""},
		{"TO:<a@b.example> NOTIFY=NEVER", SAY_NOTHING, NOTIFY_NEVER, ""},
		{"TO:<a@b.example> NOTIFY=success,FAILURE", SAY_NOTHING,
		 NOTIFY_SUCCESS | NOTIFY_FAILURE, ""},
		{"TO:<a@b.example> ORCPT=rfc822;a+2Bc@b.example NOTIFY=DELAY", SAY_NOTHING,
		 NOTIFY_DELAY, "rfc822;a+c@b.example"},
		{"TO:<a@b.example> NOTIFY=NEVER,SUCCESS", SAY_SYNTAX, 0, NULL},
		{"TO:<a@b.example> NOTIFY=SUCCESS,SUCCESS", SAY_SYNTAX, 0, NULL},
		{"TO:<a@b.example> NOTIFY=", SAY_SYNTAX, 0, NULL},
		{"TO:<a@b.example> NOTIFY=SOON", SAY_SYNTAX, 0, NULL},
		{"TO:<a@b.example> ORCPT=rfc822", SAY_SYNTAX, 0, NULL},
		{"TO:<a@b.example> ORCPT=rfc822;a+0Ab", SAY_SYNTAX, 0, NULL},
		{"TO:<a@b.example> SIZE=1", SAY_PARAMETER, 0, NULL},
		{"TO:<>", SAY_BAD_RCPT, 0, NULL},
		{"TO:<a>", SAY_BAD_RCPT, 0, NULL},
		{"TO:<a@b.example", SAY_BAD_RCPT, 0, NULL},
		{"TO:<a@b.example>x", SAY_BAD_RCPT, 0, NULL},
		{"FROM:<a@b.example>", SAY_SYNTAX, 0, NULL},
		{"TO:<a@b.example> ORCPT=rfc822;", SAY_SYNTAX, 0, NULL},
		{"TO:<a@b.example> ORCPT=utf-8;\xc3\xa4@b.example", SAY_NEEDS_UTF8, 0, NULL},
		{"TO:<a@b.example> ORCPT=utf-8;\\x{E4}\\x{2B}c@b.example", SAY_NOTHING, 0,
		 "utf-8;\xc3\xa4+c@b.example"},
		{"TO:<a@b.example> ORCPT=UTF-8;a@b.example", SAY_NOTHING, 0, "UTF-8;a@b.example"},
		{"TO:<a@b.example> ORCPT=utf-8;", SAY_SYNTAX, 0, NULL},
		{"TO:<a@b.example> ORCPT=utf-8;\\x{0D}\\x{A}@b.example", SAY_SYNTAX, 0, NULL},
		{"TO:<a@b.example> ORCPT=utf-8;\\x{E4", SAY_SYNTAX, 0, NULL},
		{"TO:<a@b.example> ORCPT=utf-8;\\x{D800}", SAY_SYNTAX, 0, NULL},
		{"TO:<a@b.example> ORCPT=rfc822;\\x{E4}", SAY_NOTHING, 0, "rfc822;\\x{E4}"},
		{"TO:<a@b.example> ORCPT=utf-8;a ORCPT=utf-8;a", SAY_SYNTAX, 0, NULL},
	};

	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct smtp_rcpt_args r;

		check_note("case %s", cases[i].args);
		CHECK_INT(smtp_parse_rcpt(slice_str(cases[i].args), SMTP_PARAMS, ADDR_ASCII, &r),
			  cases[i].say);
		if (cases[i].orcpt == NULL)
			continue;
		CHECK_INT(r.notify, cases[i].notify);
		CHECK_SLICE(slice(r.orcpt, r.orcpt_n), slice_str(cases[i].orcpt));
	}
}

TEST(parse_etrn)
{
	static const struct {
		const char *args;
		enum smtp_say say;
		enum smtp_etrn_what what;
		const char *node;
	} cases[] = {
		{"Example.ORG", SAY_NOTHING, SMTP_ETRN_NODE, "example.org"},
		{"@example.org", SAY_NOTHING, SMTP_ETRN_BELOW, "example.org"},
		{"#example.org", SAY_NOTHING, SMTP_ETRN_QUEUE, "example.org"},
		{"#.example.org", SAY_NOTHING, SMTP_ETRN_QUEUE, ".example.org"},
		{"#*", SAY_NOTHING, SMTP_ETRN_QUEUE, "*"},
		{"", SAY_SYNTAX, 0, NULL},
		{"@", SAY_SYNTAX, 0, NULL},
		{"#", SAY_SYNTAX, 0, NULL},
		{"*", SAY_SYNTAX, 0, NULL},
		{"@*", SAY_SYNTAX, 0, NULL},
		{".example.org", SAY_SYNTAX, 0, NULL},
		{"@.example.org", SAY_SYNTAX, 0, NULL},
		{"#..example.org", SAY_SYNTAX, 0, NULL},
		{"@@example.org", SAY_SYNTAX, 0, NULL},
		{"example.org now", SAY_SYNTAX, 0, NULL},
		{"[192.0.2.1]", SAY_SYNTAX, 0, NULL},
	};
	char longest[1 + DOMAIN_MAX + 2];

	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct smtp_etrn_args a;

		check_note("case %s", cases[i].args);
		CHECK_INT(smtp_parse_etrn(slice_str(cases[i].args), &a), cases[i].say);
		if (cases[i].node == NULL)
			continue;
		CHECK_INT(a.what, cases[i].what);
		CHECK_STR(a.node, cases[i].node);
	}
	for (size_t n = 1; n <= sizeof longest; n++) {
		struct smtp_etrn_args a;

		for (size_t i = 0; i < n; i++)
			longest[i] = i % 60 == 0 ? '.' : 'a';
		longest[0] = '#';
		(void)smtp_parse_etrn(slice(longest, n),
				      &a); /* whatever it says, it stays inside */
	}
}

TEST(parse_bdat)
{
	static const struct {
		const char *args;
		bool ok, last;
		uint64_t size;
	} cases[] = {
		{"0", true, false, 0},
		{"100", true, false, 100},
		{"86 LAST", true, true, 86},
		{"0 last", true, true, 0},
		{"", false, false, 0},
		{"LAST", false, false, 0},
		{"-1", false, false, 0},
		{"1 FIRST", false, false, 0},
		{"1 LAST x", false, false, 0},
		{"1LAST", false, false, 0},
		{"99999999999999999999", false, false, 0},
	};

	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		uint64_t n = 0;
		bool last;

		check_note("case %s", cases[i].args);
		CHECK_INT(smtp_parse_bdat(slice_str(cases[i].args), &n, &last) == SAY_NOTHING,
			  cases[i].ok);
		if (!cases[i].ok)
			continue;
		CHECK_INT(n, cases[i].size);
		CHECK_INT(last, cases[i].last);
	}
}

TEST(parse_helo)
{
	static const struct {
		const char *args;
		bool ok;
	} cases[] = {
		{"mx.example.org", true},
		{"[192.0.2.1]", true},
		{"[IPv6:2001:db8::1]", true},
		{"my_host", true},
		{"", false},
		{"a b", false},
		{"a(b)", false},
		{"a\tb", false},
		{"<a>", false},
		{"\xc3\xa4.example", false},
		{"xn--4ca.example", true},
		{"\xff.example", false},
	};
	char out[SMTP_HELO_MAX + 1], longest[SMTP_HELO_MAX + 2];

	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		check_note("case %s", cases[i].args);
		CHECK_INT(smtp_parse_helo(slice_str(cases[i].args), out) == SAY_NOTHING,
			  cases[i].ok);
	}
	memset(longest, 'a', sizeof longest);
	CHECK_INT(smtp_parse_helo(slice(longest, SMTP_HELO_MAX), out), SAY_NOTHING);
	CHECK(smtp_parse_helo(slice(longest, SMTP_HELO_MAX + 1), out) != SAY_NOTHING);
}

TEST(parse_xtext)
{
	char out[64];
	size_t n;

	CHECK(smtp_xtext_decode(SL("a+2Bb+3Dc"), out, &n));
	CHECK_SLICE(slice(out, n), SL("a+b=c"));
	CHECK(!smtp_xtext_decode(SL("a+2b"), out, &n));
	CHECK(!smtp_xtext_decode(SL("a+"), out, &n));
	CHECK(!smtp_xtext_decode(SL("a+0D"), out, &n));
	CHECK(!smtp_xtext_decode(SL("a b"), out, &n));
}

TEST(parse_atrn)
{
	static const struct {
		const char *args;
		enum smtp_say say;
		size_t n;
		const char *last;
	} cases[] = {
		{"", SAY_NOTHING, 0, NULL},
		{"Example.ORG", SAY_NOTHING, 1, "example.org"},
		{"a.test,b.test", SAY_NOTHING, 2, "b.test"},
		{"a.test,", SAY_SYNTAX, 0, NULL},
		{",a.test", SAY_SYNTAX, 0, NULL},
		{"a.test, b.test", SAY_SYNTAX, 0, NULL},
		{"a.test b.test", SAY_SYNTAX, 0, NULL},
		{"*", SAY_SYNTAX, 0, NULL},
	};
	struct smtp_atrn_args a;
	struct buf b;

	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		check_note("case %zu", i);
		CHECK_INT(smtp_parse_atrn(slice_str(cases[i].args), &a), cases[i].say);
		if (cases[i].say != SAY_NOTHING)
			continue;
		CHECK_INT(a.n, cases[i].n);
		if (a.n != 0)
			CHECK_STR(a.domains[a.n - 1], cases[i].last);
	}
	buf_init(&b, 512, NULL);
	for (int i = 0; i < SMTP_ATRN_DOMAINS_MAX; i++)
		buf_printf(&b, "%sd%d.test", i > 0 ? "," : "", i);
	CHECK_INT(smtp_parse_atrn(buf_slice(&b), &a), SAY_NOTHING);
	CHECK_INT(a.n, SMTP_ATRN_DOMAINS_MAX);
	buf_puts(&b, ",x.test");
	CHECK_INT(smtp_parse_atrn(buf_slice(&b), &a), SAY_SYNTAX);
	buf_fini(&b);
}
