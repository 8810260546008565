/* A report as JSON, as a file and as a message. tests/cluster/test_tlsrpt.py reads them with a
 * strict reader; here are the cases that no cluster comes to. */
#include "frontend/outbound/tlsrpt_mail.h"

#include "common/base/clock.h"
#include "frontend/outbound/tlsrpt_json.h"
#include "frontend/rpc/call_tls.h"
#include "proto/tls_results.h"
#include "tests/lib/check.h"

static struct tls_sessions details[] = {
	{.result = TLS_RESULT_EXPIRED,
	 .host = {"mx.a.test", 9},
	 .remote = {"192.0.2.1", 9},
	 .local = {"192.0.2.9", 9},
	 .why = {"a \"quoted\" \\ word", 17},
	 .count = 3},
	{.result = TLS_RESULT_STARTTLS_NOT_SUPPORTED, .count = 1},
};

static struct tls_report_policy policies[] = {
	{.type = TLS_POLICY_STS,
	 .policy = {"version: STSv1\nmode: testing\nmx: *.a.test\nmx: mx.b.test", 55},
	 .successes = 5,
	 .failures = 4,
	 .details = details,
	 .n = 2},
	{.type = TLS_POLICY_NONE, .successes = 1},
};

static struct tls_report report(void)
{
	return (struct tls_report){
		.domain = SL("a.test"),
		.report_id = SL("2026-11-28.be1.17@our.test"),
		.organization = SL("Our Test"),
		.contact = SL("tls@our.test"),
		.from_s = 1795824000,
		.to_s = 1795824000 + 86400,
		.policies = policies,
		.n = 2,
	};
}

TEST(tlsrpt_json_by_the_letter)
{
	static const char want[] = "{\n"
				   " \"organization-name\": \"Our Test\",\n"
				   " \"date-range\": {\n"
				   "  \"start-datetime\": \"2026-11-28T00:00:00Z\",\n"
				   "  \"end-datetime\": \"2026-11-28T23:59:59Z\"\n"
				   " },\n"
				   " \"contact-info\": \"tls@our.test\",\n"
				   " \"report-id\": \"2026-11-28.be1.17@our.test\",\n"
				   " \"policies\": [\n"
				   "  {\n"
				   "   \"policy\": {\n"
				   "    \"policy-type\": \"sts\",\n"
				   "    \"policy-domain\": \"a.test\",\n"
				   "    \"policy-string\": [\n"
				   "     \"version: STSv1\",\n"
				   "     \"mode: testing\",\n"
				   "     \"mx: *.a.test\",\n"
				   "     \"mx: mx.b.test\"\n"
				   "    ],\n"
				   "    \"mx-host\": [\n"
				   "     \"*.a.test\",\n"
				   "     \"mx.b.test\"\n"
				   "    ]\n"
				   "   },\n"
				   "   \"summary\": {\n"
				   "    \"total-successful-session-count\": 5,\n"
				   "    \"total-failure-session-count\": 4\n"
				   "   },\n"
				   "   \"failure-details\": [\n"
				   "    {\n"
				   "     \"result-type\": \"certificate-expired\",\n"
				   "     \"sending-mta-ip\": \"192.0.2.9\",\n"
				   "     \"receiving-mx-hostname\": \"mx.a.test\",\n"
				   "     \"receiving-ip\": \"192.0.2.1\",\n"
				   "     \"failed-session-count\": 3,\n"
				   "     \"failure-reason-code\": \"a \\\"quoted\\\" \\\\ word\"\n"
				   "    },\n"
				   "    {\n"
				   "     \"result-type\": \"starttls-not-supported\",\n"
				   "     \"failed-session-count\": 1\n"
				   "    }\n"
				   "   ]\n"
				   "  },\n"
				   "  {\n"
				   "   \"policy\": {\n"
				   "    \"policy-type\": \"no-policy-found\",\n"
				   "    \"policy-domain\": \"a.test\"\n"
				   "   },\n"
				   "   \"summary\": {\n"
				   "    \"total-successful-session-count\": 1,\n"
				   "    \"total-failure-session-count\": 0\n"
				   "   }\n"
				   "  }\n"
				   " ]\n"
				   "}";
	struct tls_report r = report();
	struct buf b;

	buf_init(&b, TLSRPT_JSON_MAX, NULL);
	CHECK_ERR(tlsrpt_json(&r, &b), E_OK);
	CHECK_SLICE(buf_slice(&b), slice_str(want));
	buf_fini(&b);
	/* No room; and text that is none. */
	buf_init(&b, sizeof want / 2, NULL);
	CHECK_ERR(tlsrpt_json(&r, &b), E_TOO_BIG);
	r.organization = SL("\xff");
	CHECK_ERR(tlsrpt_json(&r, &b), E_INVALID);
	buf_fini(&b);
}

/* RFC 8460 section 4.3: every result has its word, and no other. */
TEST(tlsrpt_names)
{
	for (unsigned i = TLS_RESULT_OK + 1; i <= TLS_RESULT_LAST; i++)
		CHECK(tls_result_name(i)[0] != '\0');
	CHECK_STR(tls_result_name(TLS_RESULT_OK), "");
	CHECK_STR(tls_result_name(TLS_RESULT_OTHER), "other");
	CHECK_STR(tls_result_name(TLS_RESULT_OTHER + 1), "");
	for (unsigned i = TLS_RESULT_OK + 1; i <= TLS_RESULT_LAST; i++)
		CHECK_INT(tls_result_parse(slice_str(tls_result_name(i))), i);
	CHECK_INT(tls_result_parse(SL("a-new-one")), TLS_RESULT_OTHER);
	CHECK_INT(tls_policy_type_parse(SL("sts")), TLS_POLICY_STS);
	CHECK_INT(tls_policy_type_parse(SL("")), TLS_POLICY_UNTOLD);
	CHECK_STR(tls_policy_type_name(TLS_POLICY_TLSA), "tlsa");
	CHECK_STR(tls_policy_type_name(TLS_POLICY_LAST + 1), "");
}

TEST(tlsrpt_gzip_is_small_and_bounded)
{
	struct buf in, out;

	buf_init(&in, TLSRPT_JSON_MAX, NULL);
	buf_init(&out, TLSRPT_GZIP_MAX, NULL);
	while (in.n < TLSRPT_JSON_MAX)
		buf_putc(&in, (char)('a' + in.n % 7));
	CHECK_ERR(tlsrpt_gzip(buf_slice(&in), &out), E_OK);
	REQUIRE(out.n > 18 && out.n < 4096);
	CHECK(memcmp(out.p, "\x1f\x8b\x08", 3) == 0);
	CHECK_INT((unsigned char)out.p[out.n - 4] | (unsigned char)out.p[out.n - 3] << 8 |
			  (unsigned char)out.p[out.n - 2] << 16,
		  TLSRPT_JSON_MAX);
	buf_reset(&out);
	CHECK_ERR(tlsrpt_gzip(SLICE_NONE, &out), E_OK);
	buf_fini(&out);
	buf_init(&out, 20, NULL);
	CHECK_ERR(tlsrpt_gzip(buf_slice(&in), &out), E_TOO_BIG);
	buf_fini(&in);
	buf_fini(&out);
}

/* Section 5.1. */
TEST(tlsrpt_file_names)
{
	struct tls_report r = report();
	struct buf b;

	buf_init(&b, 1024, NULL);
	tlsrpt_file_name(&r, &b);
	CHECK_SLICE(buf_slice(&b),
		    SL("our.test!a.test!1795824000!1795910399!20261128be117.json.gz"));
	buf_fini(&b);
}

static bool has(const struct buf *b, const char *text)
{
	return slice_find(buf_slice(b), slice_str(text)) < b->n;
}

TEST(tlsrpt_mail_by_the_letter)
{
	static const char *const parts[] = {
		"From: <tls@our.test>\r\nTo: <\"a b\"@reports.test>\r\n"
		"Subject: Report Domain: a.test\r\n Submitter: our.test\r\n"
		" Report-ID: <2026-11-28.be1.17@our.test>\r\nDate: ",
		"TLS-Report-Domain: a.test\r\nTLS-Report-Submitter: our.test\r\n"
		"TLS-Required: No\r\n",
		"Content-Type: multipart/report; report-type=\"tlsrpt\";\r\n boundary=\"=_",
		"Content-Type: application/tlsrpt+gzip\r\nContent-Transfer-Encoding: base64\r\n"
		"Content-Disposition: attachment;\r\n filename=\"our.test!a.test!",
		"\"\r\n\r\naGVsbG8=\r\n\r\n--=_",
	};
	struct tls_report r = report();
	struct buf b;

	buf_init(&b, TLSRPT_MAIL_MAX, NULL);
	CHECK_ERR(tlsrpt_mail(&r, SL("a b@reports.test"), SL("hello"), &b), E_OK);
	for (size_t i = 0; i < ARRAY_LEN(parts); i++) {
		check_note("%s", parts[i]);
		CHECK(has(&b, parts[i]));
	}
	buf_fini(&b);
}

/* No address may end a line of the header. */
TEST(tlsrpt_mail_refuses_what_is_no_address)
{
	static const char *const bad[] = {"",
					  "a",
					  "@b.test",
					  "a@",
					  "a\r\nX: y@b.test",
					  "a@b.test\r\nX: y",
					  "a@b .test",
					  "\xc3\xa4@b.test"};
	struct tls_report r = report();
	struct buf b;

	for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
		check_note("case %zu", i);
		buf_init(&b, TLSRPT_MAIL_MAX, NULL);
		CHECK_ERR(tlsrpt_mail(&r, slice_str(bad[i]), SL("x"), &b), E_INVALID);
		buf_fini(&b);
	}
	buf_init(&b, TLSRPT_MAIL_MAX, NULL);
	r.contact = SL("nobody");
	CHECK_ERR(tlsrpt_mail(&r, SL("a@b.test"), SL("x"), &b), E_INVALID);
	buf_fini(&b);
	r = report();
	buf_init(&b, 100, NULL);
	CHECK_ERR(tlsrpt_mail(&r, SL("a@b.test"), SL("x"), &b), E_TOO_BIG);
	buf_fini(&b);
}
