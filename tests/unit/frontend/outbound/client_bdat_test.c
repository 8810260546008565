#include "tests/unit/frontend/outbound/client_lib.h"

#define OPEN \
	"> 220 mx.example.org ESMTP", "< EHLO me.example.net", "> 250-mx.example.org", \
		"> 250-PIPELINING", "> 250-BINARYMIME", "> 250 CHUNKING"
#define MAIL "< MAIL FROM:<s@example.net>"
#define RCPT "< RCPT TO:<r0@example.org>"
#define OK   "> 250 ok"

/* Everything at once, and no stuffing. */
TEST_FIBER(a_small_message_goes_behind_its_envelope)
{
	static const char *const script[] = {OPEN,
					     MAIL,
					     RCPT,
					     "< BDAT 13 LAST",
					     "!bytes 13",
					     OK,
					     OK,
					     "> 250 2.6.0 taken",
					     MAIL,
					     RCPT,
					     "< BDAT 6 LAST",
					     "!bytes 6",
					     OK,
					     OK,
					     "> 554 5.6.0 no",
					     "< RSET",
					     OK,
					     MAIL,
					     RCPT,
					     "< BDAT 6 LAST",
					     "!bytes 6",
					     OK,
					     "> 550 5.1.1 no",
					     "> 503 nobody",
					     "< RSET",
					     OK,
					     MAIL,
					     RCPT,
					     "< BDAT 6 LAST",
					     "!bytes 6",
					     "> 550 no",
					     "> 503 no",
					     "> 503 no",
					     "!end",
					     NULL};
	static const enum smtp_phase phases[] = {SMTP_AT_DOT, SMTP_AT_RCPT, SMTP_AT_MAIL};
	static const enum smtp_verdict verdict = SMTP_REFUSED;
	struct rig r;
	struct mail m;

	rig_start(&r, script);
	CHECK_ERR(rig_open(&r), E_OK);
	REQUIRE(r.client != NULL);
	mail_init(&m, &r, 1, SL(".a\r\n..\r\nend"));
	m.msg.size = 12;
	m.chunk = 1;
	CHECK_ERR(smtp_client_send(r.client, &m.msg), E_OK);
	CHECK_RESULT(m.rcpts[0].result, SMTP_AT_DOT, SMTP_TAKEN, 250, "2.6.0", "taken");
	CHECK_SLICE(buf_slice(&r.body), SL(".a\r\n..\r\nend\r\n"));
	for (size_t i = 0; i < ARRAY_LEN(phases); i++) {
		mail_init(&m, &r, 1, SL("abcd\r\n"));
		m.msg.size = 6;
		CHECK_ERR(smtp_client_send(r.client, &m.msg), E_OK);
		CHECK_INT(m.rcpts[0].result->phase, phases[i]);
		CHECK_INT(m.rcpts[0].result->verdict, verdict);
	}
	rig_end(&r);
}

/* Longer than was said: what was read ahead is not lost. */
TEST_FIBER(a_larger_message_goes_by_data)
{
	static const char *const script[] = {OPEN,       MAIL,    RCPT, "< DATA", OK,  OK,
					     "> 354 go", "!body", OK,   "!end",   NULL};
	static const size_t chunks[] = {1000, 32 * 1024, 40 * 1024, 100 * 1024};
	static char text[100 * 1024];

	for (size_t i = 0; i < sizeof text; i++)
		text[i] = i % 100 == 98 ? '\r' : i % 100 == 99 ? '\n' : (char)('a' + i % 26);
	memcpy(text + sizeof text - 2, "\r\n", 2);
	for (size_t said = 10; said < 1000000; said *= 10000)
		for (size_t i = 0; i < ARRAY_LEN(chunks); i++) {
			struct rig r;
			struct mail m;

			check_note("size %zu, chunks of %zu", said, chunks[i]);
			rig_start(&r, script);
			CHECK_ERR(rig_open(&r), E_OK);
			REQUIRE(r.client != NULL);
			mail_init(&m, &r, 1, slice(text, sizeof text));
			m.msg.size = said;
			m.chunk = chunks[i];
			CHECK_ERR(smtp_client_send(r.client, &m.msg), E_OK);
			CHECK_INT(m.rcpts[0].result->verdict, SMTP_TAKEN);
			CHECK(slice_eq(buf_slice(&r.body), slice(text, sizeof text)));
			rig_end(&r);
		}
}

/* A source that fails before anything is said costs nothing; bytes that may not leave do not. */
TEST_FIBER(a_small_message_that_cannot_be_had)
{
	static const char *const script[] = {OPEN, "!end", NULL};
	struct rig r;
	struct mail m;

	rig_start(&r, script);
	CHECK_ERR(rig_open(&r), E_OK);
	REQUIRE(r.client != NULL);
	mail_init(&m, &r, 1, SL("abcd\r\n"));
	m.msg.size = 6;
	m.chunk = 2;
	m.fail = E_RETRY;
	m.fail_at = 4;
	CHECK_ERR(smtp_client_send(r.client, &m.msg), E_OK);
	CHECK_RESULT(m.rcpts[0].result, SMTP_AT_BODY, SMTP_LATER, 0, "4.3.0", "cannot be read");
	mail_init(&m, &r, 1, SL("ab\ncd\r\n"));
	m.msg.size = 7;
	CHECK_ERR(smtp_client_send(r.client, &m.msg), E_OK);
	CHECK_RESULT(m.rcpts[0].result, SMTP_AT_BODY, SMTP_REFUSED, 0, "5.6.11", "bare");
	CHECK(smtp_client_usable(r.client));
	rig_end(&r);
}

static const char binary[150 * 1024] = {'\n', '.', '\r', '.', '\n', 0, '\xff'};

#define BINARY_MAIL "< MAIL FROM:<s@example.net> BODY=BINARYMIME", RCPT, OK, OK

TEST_FIBER(binary_goes_in_chunks)
{
	static const char *const script[] = {OPEN,
					     BINARY_MAIL,
					     "< BDAT 61440",
					     "!bytes 61440",
					     OK,
					     "< BDAT 61440",
					     "!bytes 61440",
					     OK,
					     "< BDAT 30720 LAST",
					     "!bytes 30720",
					     OK,
					     "!end",
					     NULL};
	struct rig r;
	struct mail m;

	rig_start(&r, script);
	CHECK_ERR(rig_open(&r), E_OK);
	REQUIRE(r.client != NULL);
	mail_init(&m, &r, 1, slice(binary, sizeof binary));
	m.msg.needs = SMTP_NEED_BINARY;
	m.chunk = 10 * 1024;
	CHECK_ERR(smtp_client_send(r.client, &m.msg), E_OK);
	CHECK_INT(m.rcpts[0].result->verdict, SMTP_TAKEN);
	CHECK(slice_eq(buf_slice(&r.body), slice(binary, sizeof binary)));
	rig_end(&r);
}

TEST_FIBER(binary_that_ends_early)
{
	static const char *const script[] = {OPEN,
					     BINARY_MAIL,
					     "< BDAT 0 LAST",
					     "> 250 empty", /* nothing at all */
					     BINARY_MAIL,
					     "< BDAT 61440",
					     "!bytes 61440",
					     "> 552 5.3.4 enough", /* refused */
					     "< RSET",
					     OK,
					     BINARY_MAIL, /* the source fails */
					     "< RSET",
					     OK,
					     "< MAIL FROM:<s@example.net> BODY=BINARYMIME",
					     RCPT,
					     OK,
					     "> 550 no",
					     "!end",
					     NULL};
	struct rig r;
	struct mail m;

	rig_start(&r, script);
	CHECK_ERR(rig_open(&r), E_OK);
	REQUIRE(r.client != NULL);
	mail_init(&m, &r, 1, SLICE_NONE);
	m.msg.needs = SMTP_NEED_BINARY;
	CHECK_ERR(smtp_client_send(r.client, &m.msg), E_OK);
	CHECK_RESULT(m.rcpts[0].result, SMTP_AT_DOT, SMTP_TAKEN, 250, "2.0.0", "empty");
	m.bytes = slice(binary, sizeof binary);
	m.chunk = 10 * 1024;
	mail_again(&m);
	CHECK_ERR(smtp_client_send(r.client, &m.msg), E_OK);
	CHECK_RESULT(m.rcpts[0].result, SMTP_AT_BODY, SMTP_REFUSED, 552, "5.3.4", "enough");
	m.fail = E_RETRY;
	m.fail_at = 10 * 1024;
	mail_again(&m);
	CHECK_ERR(smtp_client_send(r.client, &m.msg), E_OK);
	CHECK_RESULT(m.rcpts[0].result, SMTP_AT_BODY, SMTP_LATER, 0, "4.3.0", "read");
	mail_again(&m);
	CHECK_ERR(smtp_client_send(r.client, &m.msg), E_OK);
	CHECK_RESULT(m.rcpts[0].result, SMTP_AT_RCPT, SMTP_REFUSED, 550, "5.0.0", "no");
	rig_end(&r);
}
