/* Others' reports of TLS: where they are in a message, how they are packed, and what they say. */
#include "frontend/outbound/tlsrpt_read.h"

#include <stdio.h>

#include "common/base/codec.h"
#include "frontend/outbound/tlsrpt_json.h"
#include "frontend/outbound/tlsrpt_mail.h"
#include "frontend/rpc/call_tls.h"
#include "tests/lib/check.h"

#define RANGE \
	"\"date-range\":{\"start-datetime\":\"2026-11-27T00:00:00Z\"," \
	"\"end-datetime\":\"2026-11-27T23:59:59Z\"}"
#define WHO  "\"organization-name\":\"Their Org\",\"report-id\":\"r1\""
#define FROM 1795737600

static enum err understand(const char *json, struct tls_received *out)
{
	struct diag d = {""};
	enum err e = tlsrpt_read(slice_str(json), out, &d);

	CHECK((e == E_OK) == (d.text[0] == '\0'));
	return e;
}

/* RFC 8460 appendix B, with one more policy that has no details. */
static const char sample[] =
	"{\"organization-name\": \"Company-X\","
	"\"date-range\": {\"start-datetime\": \"2016-04-01T00:00:00Z\","
	" \"end-datetime\": \"2016-04-01T23:59:59Z\"},"
	"\"contact-info\": \"sts-reporting@company-x.example\","
	"\"report-id\": \"5065427c-23d3-47ca-b6e0-946ea0e8c4be\","
	"\"policies\": [{"
	"\"policy\": {\"policy-type\": \"sts\", \"policy-string\": [\"version: STSv1\","
	"\"mode: testing\", \"mx: *.mail.company-y.example\", \"max_age: 86400\"],"
	"\"policy-domain\": \"Company-Y.example\", \"mx-host\": [\"*.mail.company-y.example\"]},"
	"\"summary\": {\"total-successful-session-count\": 5326,"
	" \"total-failure-session-count\": 303},"
	"\"failure-details\": [{\"result-type\": \"certificate-expired\","
	"\"sending-mta-ip\": \"2001:db8:abcd:0012::1\","
	"\"receiving-mx-hostname\": \"mx1.mail.company-y.example\","
	"\"failed-session-count\": 100}, {"
	"\"result-type\": \"starttls-not-supported\","
	"\"failed-session-count\": 200, \"failure-reason-code\": \"\"}, {"
	"\"result-type\": \"something-new\", \"failed-session-count\": 1}]}, {"
	"\"summary\": {\"total-failure-session-count\": 7},"
	"\"policy\": {\"policy-domain\": \"other.example\"}}]}";

TEST(a_report_is_understood)
{
	struct tls_received r;

	CHECK_ERR(understand(sample, &r), E_OK);
	CHECK_STR(r.organization, "Company-X");
	CHECK_STR(r.report_id, "5065427c-23d3-47ca-b6e0-946ea0e8c4be");
	CHECK_INT(r.from_s, 1459468800);
	CHECK_INT(r.to_s, 1459468800 + 86399);
	CHECK_INT(r.n, 2);
	CHECK_INT(r.policies[0].type, TLS_POLICY_STS);
	CHECK_STR(r.policies[0].domain, "company-y.example");
	CHECK_INT(r.policies[0].counts[TLS_RESULT_OK], 5326);
	CHECK_INT(r.policies[0].counts[TLS_RESULT_EXPIRED], 100);
	CHECK_INT(r.policies[0].counts[TLS_RESULT_STARTTLS_NOT_SUPPORTED], 200);
	/* Two of which no detail tells, and one of an unknown kind. */
	CHECK_INT(r.policies[0].counts[TLS_RESULT_OTHER], 3);
	CHECK_INT(r.policies[1].type, TLS_POLICY_UNTOLD);
	CHECK_INT(r.policies[1].counts[TLS_RESULT_OTHER], 7);
}

TEST(what_a_report_must_say)
{
	static const struct {
		const char *json;
		enum err want;
	} rows[] = {
		{"{" WHO "," RANGE "}", E_OK},
		{"{" RANGE "," WHO
		 ",\"policies\":[{}, 1, {\"policy\":{\"policy-domain\":\"..\"}}]}",
		 E_OK},
		{"{" WHO "," RANGE ",\"x\":{\"y\":[[[[{}]]]]}}", E_OK},
		{"", E_INVALID},
		{"[]", E_INVALID},
		{"{" WHO "," RANGE "} x", E_INVALID},
		{"{" WHO "}", E_INVALID},
		{"{\"report-id\":\"r1\"," RANGE "}", E_INVALID},
		{"{\"organization-name\":\"o\"," RANGE "}", E_INVALID},
		{"{\"organization-name\":\"\",\"report-id\":\"r1\"," RANGE "}", E_INVALID},
		{"{\"organization-name\":\"a\\nb\",\"report-id\":\"r1\"," RANGE "}", E_INVALID},
		{"{\"organization-name\":\"\\u001b[2J\",\"report-id\":\"r1\"," RANGE "}",
		 E_INVALID},
		{"{" WHO "," RANGE ",\"policies\":[{\"summary\":{\"a\":}}]}", E_INVALID},
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct tls_received r;

		check_note("%s", rows[i].json);
		CHECK_ERR(understand(rows[i].json, &r), rows[i].want);
		CHECK(rows[i].want != E_OK || r.n == 0);
	}
}

/* One odd number costs no whole report. */
TEST(counts_are_cut_to_their_bounds)
{
	static const struct {
		const char *number;
		uint64_t want;
	} rows[] = {
		{"0", 0},
		{"7", 7},
		{"0.0", 0},
		{"7.0", 7},
		{"1.5", 1},
		{"1e3", 1000},
		{"2.5E+1", 25},
		{"-1", 0},
		{"-1e400", 0},
		{"1000000000", TLS_RECEIVED_COUNT_MAX},
		{"1000000001", TLS_RECEIVED_COUNT_MAX},
		{"18446744073709551617", TLS_RECEIVED_COUNT_MAX},
		{"1e400", TLS_RECEIVED_COUNT_MAX},
		{"1e-400", 0},
		{"1000000000000000000000000000000000000000000000000000000000000000000000",
		 TLS_RECEIVED_COUNT_MAX},
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		const char *n = rows[i].number;
		struct tls_received r;
		char json[1024];

		check_note("%s", n);
		snprintf(
			json, sizeof json,
			"{" WHO "," RANGE ",\"policies\":[{\"policy\":{\"policy-domain\":"
			"\"a.test\"},\"summary\":{\"total-successful-session-count\":%s,"
			"\"total-failure-session-count\":%s},\"failure-details\":["
			"{\"result-type\":\"certificate-expired\",\"failed-session-count\":%s}]}]}",
			n, n, n);
		CHECK_ERR(understand(json, &r), E_OK);
		REQUIRE(r.n == 1);
		CHECK_INT(r.policies[0].counts[TLS_RESULT_OK], rows[i].want);
		CHECK_INT(r.policies[0].counts[TLS_RESULT_EXPIRED], rows[i].want);
		CHECK_INT(r.policies[0].counts[TLS_RESULT_OTHER], 0);
	}
}

TEST(times_of_a_report)
{
	static const struct {
		const char *start;
		int64_t want; /* -1: none */
	} rows[] = {
		{"2026-11-27T00:00:00Z", FROM},      {"2026-11-27t00:00:00z", FROM},
		{"2026-11-27T00:00:00.123Z", FROM},  {"2026-11-27T02:00:00+02:00", FROM},
		{"2026-11-26T18:30:00-05:30", FROM}, {"2026-11-27", -1},
		{"2026-11-27T00:00:00", -1},         {"2026-11-27 00:00:00Z", -1},
		{"2026-13-27T00:00:00Z", -1},        {"2026-11-31T00:00:00Z", -1},
		{"2026-11-27T24:00:00Z", -1},        {"2026-11-27T00:00:00+24:00", -1},
		{"2026-11-27T00:00:00Zx", -1},       {"-026-11-27T00:00:00Z", -1},
		{"2026-11-28T00:00:00Z", -1}, /* it ends before */
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct tls_received r;
		char json[512];

		check_note("%s", rows[i].start);
		snprintf(json, sizeof json,
			 "{" WHO ",\"date-range\":{\"start-datetime\":\"%s\","
			 "\"end-datetime\":\"2026-11-27T23:59:59Z\"}}",
			 rows[i].start);
		CHECK_ERR(understand(json, &r), rows[i].want >= 0 ? E_OK : E_INVALID);
		CHECK(rows[i].want < 0 || r.from_s == rows[i].want);
	}
}

/* Of one domain and type all is one; more of them than are kept is no report. */
TEST(policies_are_summed_and_bounded)
{
	struct tls_received r;
	struct buf json;

	CHECK_ERR(understand("{" WHO "," RANGE ",\"policies\":["
			     "{\"policy\":{\"policy-type\":\"tlsa\",\"policy-domain\":\"a.test\"},"
			     "\"summary\":{\"total-successful-session-count\":1000000000}},"
			     "{\"policy\":{\"policy-type\":\"tlsa\",\"policy-domain\":\"A.test\"},"
			     "\"summary\":{\"total-successful-session-count\":1000000000}}]}",
			     &r),
		  E_OK);
	CHECK_INT(r.n, 1);
	CHECK_INT(r.policies[0].counts[TLS_RESULT_OK], TLS_RECEIVED_COUNT_MAX);
	for (size_t n = TLS_RECEIVED_POLICIES_MAX; n <= TLS_RECEIVED_POLICIES_MAX + 1; n++) {
		buf_init(&json, 65536, NULL);
		buf_puts(&json, "{" WHO "," RANGE ",\"policies\":[");
		for (size_t i = 0; i < n; i++)
			buf_printf(&json, "%s{\"policy\":{\"policy-domain\":\"d%zu.test\"}}",
				   i > 0 ? "," : "", i);
		buf_puts(&json, "]}");
		buf_putc(&json, '\0');
		CHECK_ERR(understand(json.p, &r),
			  n == TLS_RECEIVED_POLICIES_MAX ? E_OK : E_INVALID);
		buf_fini(&json);
	}
}

/* ---- messages ---- */

static enum err find(slice_t message, struct buf *out)
{
	struct diag d = {""};

	buf_reset(out);
	return tlsrpt_find(message, out, &d);
}

/* What we send others can read: so can we. */
TEST(our_own_report_is_read)
{
	static const struct tls_sessions failed = {
		.result = TLS_RESULT_EXPIRED, .count = 3, .host = {"mx.a.test", 9}};
	static const struct tls_report_policy policy = {
		.type = TLS_POLICY_TLSA, .successes = 5, .failures = 3, .details = &failed, .n = 1};
	static const struct tls_report report = {.domain = {"a.test", 6},
						 .report_id = {"1@b.test", 8},
						 .organization = {"B", 1},
						 .contact = {"c@b.test", 8},
						 .from_s = FROM,
						 .to_s = FROM + 86400,
						 .policies = &policy,
						 .n = 1};
	struct buf json, gz, mail, got;
	struct tls_received r;
	struct diag d = {""};

	buf_init(&json, TLSRPT_JSON_MAX, NULL);
	buf_init(&gz, TLSRPT_GZIP_MAX, NULL);
	buf_init(&mail, TLSRPT_MAIL_MAX, NULL);
	buf_init(&got, TLSRPT_TEXT_MAX, NULL);
	CHECK_ERR(tlsrpt_json(&report, &json), E_OK);
	CHECK_ERR(tlsrpt_gzip(buf_slice(&json), &gz), E_OK);
	CHECK_ERR(tlsrpt_mail(&report, SL("x@a.test"), buf_slice(&gz), &mail), E_OK);
	CHECK_ERR(find(buf_slice(&mail), &got), E_OK);
	CHECK_SLICE(buf_slice(&got), buf_slice(&json));
	CHECK_ERR(tlsrpt_read(buf_slice(&got), &r, &d), E_OK);
	CHECK_STR(r.organization, "B");
	CHECK_STR(r.report_id, "1@b.test");
	CHECK_INT(r.from_s, FROM);
	CHECK_INT(r.policies[0].counts[TLS_RESULT_OK], 5);
	CHECK_INT(r.policies[0].counts[TLS_RESULT_EXPIRED], 3);
	buf_fini(&json);
	buf_fini(&gz);
	buf_fini(&mail);
	buf_fini(&got);
}

TEST(reports_in_messages)
{
	static const struct {
		const char *message;
		enum err want;
		const char *text;
	} rows[] = {
		{"Content-Type: application/tlsrpt+json\r\n\r\n{}", E_OK, "{}"},
		{"Content-Type: Application/TLSRPT+JSON; x=y\r\n"
		 "Content-Transfer-Encoding: base64\r\n\r\ne30=\r\n",
		 E_OK, "{}"},
		{"Content-Type: application/tlsrpt+json\r\n"
		 "Content-Transfer-Encoding: quoted-printable\r\n\r\n=7B=\r\n}",
		 E_OK, "{}"},
		{"Content-Type: multipart/report; boundary=b\r\n\r\n--b\r\n\r\nwords\r\n--b\r\n"
		 "Content-Type: application/tlsrpt+json\r\n\r\n{1}\r\n--b\r\n"
		 "Content-Type: application/tlsrpt+json\r\n\r\n{2}\r\n--b--\r\n",
		 E_OK, "{1}"},
		{"Subject: none\r\n\r\nwords", E_NOT_FOUND, ""},
		{"", E_NOT_FOUND, ""},
		{"Content-Type: application/json\r\n\r\n{}", E_NOT_FOUND, ""},
		{"Content-Type: text/plain\r\nContent-Type: application/tlsrpt+json\r\n\r\n{}",
		 E_NOT_FOUND, ""},
		{"Content-Type: application/tlsrpt+json\r\n"
		 "Content-Transfer-Encoding: x-unknown\r\n\r\n{}",
		 E_INVALID, ""},
		{"Content-Type: application/tlsrpt+gzip\r\n\r\n{}", E_INVALID, ""},
		{"Content-Type: application/tlsrpt+gzip\r\n\r\n", E_INVALID, ""},
	};
	struct buf got;

	buf_init(&got, TLSRPT_TEXT_MAX, NULL);
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		check_note("%s", rows[i].message);
		CHECK_ERR(find(slice_str(rows[i].message), &got), rows[i].want);
		if (rows[i].want == E_OK)
			CHECK_SLICE(buf_slice(&got), slice_str(rows[i].text));
	}
	buf_fini(&got);
}

/* A message whose report is these bytes, packed. */
static void packed(slice_t gz, struct buf *out)
{
	buf_reset(out);
	buf_puts(out, "Content-Type: application/tlsrpt+gzip\r\n"
		      "Content-Transfer-Encoding: base64\r\n\r\n");
	base64_encode(out, gz);
}

static void gzip(slice_t plain, struct buf *out)
{
	buf_reset(out);
	CHECK_ERR(tlsrpt_gzip(plain, out), E_OK);
}

TEST(a_gzip_is_whole)
{
	struct buf gz, mail, got;

	buf_init(&gz, TLSRPT_GZIP_MAX, NULL);
	buf_init(&mail, TLSRPT_MESSAGE_MAX, NULL);
	buf_init(&got, TLSRPT_TEXT_MAX, NULL);
	gzip(SL("{\"some\": \"text\"}"), &gz);
	for (size_t n = 0; n < gz.n; n++) {
		packed(slice(gz.p, n), &mail);
		CHECK_ERR(find(buf_slice(&mail), &got), E_INVALID);
	}
	packed(buf_slice(&gz), &mail);
	CHECK_ERR(find(buf_slice(&mail), &got), E_OK);
	CHECK_SLICE(buf_slice(&got), SL("{\"some\": \"text\"}"));
	buf_putc(&gz, 'x');
	packed(buf_slice(&gz), &mail);
	CHECK_ERR(find(buf_slice(&mail), &got), E_INVALID);
	buf_fini(&gz);
	buf_fini(&mail);
	buf_fini(&got);
}

/* Little that becomes much: as much as is read, and no more. */
TEST(what_is_unpacked_is_bounded)
{
	struct buf plain, gz, mail, got;

	buf_init(&plain, TLSRPT_JSON_MAX, NULL);
	buf_init(&gz, TLSRPT_GZIP_MAX, NULL);
	buf_init(&mail, TLSRPT_MESSAGE_MAX, NULL);
	memset(buf_reserve(&plain, TLSRPT_JSON_MAX), ' ', TLSRPT_JSON_MAX);
	buf_commit(&plain, TLSRPT_JSON_MAX);
	gzip(buf_slice(&plain), &gz);
	CHECK(gz.n < 4096);
	packed(buf_slice(&gz), &mail);
	buf_init(&got, TLSRPT_JSON_MAX, NULL);
	CHECK_ERR(find(buf_slice(&mail), &got), E_OK);
	CHECK_INT(got.n, TLSRPT_JSON_MAX);
	buf_fini(&got);
	buf_init(&got, TLSRPT_JSON_MAX - 1, NULL);
	CHECK_ERR(find(buf_slice(&mail), &got), E_TOO_BIG);
	buf_fini(&got);
	buf_fini(&plain);
	buf_fini(&gz);
	buf_fini(&mail);
}
