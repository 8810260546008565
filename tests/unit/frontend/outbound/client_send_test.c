#include <stdio.h>

#include "tests/unit/frontend/outbound/client_lib.h"

#define HELLO   "> 220 mx.example.org ESMTP", "< EHLO me.example.net"
#define TEXT    SL("Subject: x\r\n\r\n.dot\r\nline\r\n..two\r\n")
#define STUFFED "Subject: x\r\n\r\n..dot\r\nline\r\n...two\r\n"

static const struct smtp_result *result(const struct mail *m, size_t i)
{
	return m->rcpts[i].result;
}

TEST_FIBER(step_by_step_without_pipelining)
{
	static const char *const script[] = {
		HELLO,
		"> 250 mx.example.org",
		"< MAIL FROM:<s@example.net>",
		"> 250 2.1.0 ok",
		"< RCPT TO:<r0@example.org>",
		"> 250 2.1.5 ok",
		"< RCPT TO:<r1@example.org>",
		"> 550-5.1.1 no such",
		"> 550 5.1.1 user",
		"< DATA",
		"> 354 go",
		"!body",
		"> 250 2.0.0 queued as 77",
		"< QUIT",
		"> 221 bye",
		"!end",
		NULL,
	};
	struct rig r;
	struct mail m;

	rig_start(&r, script);
	CHECK_ERR(rig_open(&r), E_OK);
	REQUIRE(r.client != NULL);
	CHECK_STR(smtp_client_peer_name(r.client), "mx.example.org");
	mail_init(&m, &r, 2, TEXT);
	CHECK_ERR(smtp_client_send(r.client, &m.msg), E_OK);
	CHECK_RESULT(result(&m, 0), SMTP_AT_DOT, SMTP_TAKEN, 250, "2.0.0", "2.0.0 queued as 77");
	CHECK_RESULT(result(&m, 1), SMTP_AT_RCPT, SMTP_REFUSED, 550, "5.1.1", "5.1.1 no such user");
	CHECK(smtp_client_usable(r.client));
	CHECK(!m.msg.dsn_passed);
	smtp_client_quit(r.client);
	CHECK(!smtp_client_usable(r.client));
	CHECK_SLICE(buf_slice(&r.body), SL(STUFFED));
	rig_end(&r);
}

TEST_FIBER(one_write_with_pipelining)
{
	static const char *const script[] = {
		HELLO,
		"> 250-mx.example.org",
		"> 250-PIPELINING",
		"> 250-8BITMIME",
		"> 250-SIZE 100000",
		"> 250 DSN",
		/* all of it is there before the first answer */
		"< MAIL FROM:<s@example.net> SIZE=32 BODY=8BITMIME RET=HDRS ENVID=a+2Bb",
		"< RCPT TO:<r0@example.org> NOTIFY=SUCCESS,DELAY ORCPT=rfc822;q+3Dx@example.org",
		"< RCPT TO:<r1@example.org> NOTIFY=NEVER",
		"< DATA",
		"> 250 ok",
		"> 250 ok",
		"> 450 4.2.1 busy",
		"> 354 go",
		"!body",
		"> 250 done",
		"< MAIL FROM:<>",
		"< RCPT TO:<r0@example.org>",
		"< DATA",
		"> 250 ok",
		"> 250 ok",
		"> 354 go",
		"!body",
		"> 250 done",
		"!end",
		NULL,
	};
	struct rig r;
	struct mail m;

	rig_start(&r, script);
	CHECK_ERR(rig_open(&r), E_OK);
	REQUIRE(r.client != NULL);
	mail_init(&m, &r, 2, TEXT);
	m.msg.size = 32;
	m.msg.needs = SMTP_NEED_8BIT;
	m.msg.ret = RET_HDRS;
	m.msg.envid = SL("a+b");
	m.rcpts[0].notify = NOTIFY_SUCCESS | NOTIFY_DELAY;
	m.rcpts[0].orcpt = SL("rfc822;q=x@example.org");
	m.rcpts[1].notify = NOTIFY_NEVER;
	CHECK_ERR(smtp_client_send(r.client, &m.msg), E_OK);
	CHECK(m.msg.dsn_passed);
	CHECK_RESULT(result(&m, 0), SMTP_AT_DOT, SMTP_TAKEN, 250, "2.0.0", "done");
	CHECK_RESULT(result(&m, 1), SMTP_AT_RCPT, SMTP_LATER, 450, "4.2.1", "busy");
	mail_init(&m, &r, 1, SL("no end"));
	m.msg.sender = SLICE_NONE;
	CHECK_ERR(smtp_client_send(r.client, &m.msg), E_OK);
	CHECK_RESULT(result(&m, 0), SMTP_AT_DOT, SMTP_TAKEN, 250, "2.0.0", "done");
	CHECK_SLICE(buf_slice(&r.body), SL(STUFFED "no end\r\n"));
	rig_end(&r);
}

/* ---- the pipeline ---- */

#define PIPELINED HELLO, "> 250-mx.example.org", "> 250 PIPELINING"
#define THREE \
	"< MAIL FROM:<s@example.net>", "< RCPT TO:<r0@example.org>", "< RCPT TO:<r1@example.org>", \
		"< DATA"

/* Every answer of a group is heard, whatever the first says; and the session is usable. */
TEST_FIBER(a_pipeline_that_is_refused)
{
	static const char *const script[] = {PIPELINED,    THREE,          "> 550 5.7.1 no",
					     "> 503 a",    "> 503 b",      "> 503 c", /* MAIL */
					     THREE,        "> 250 ok",     "> 550 no",
					     "> 450 no",   "> 554 nobody", /* all RCPT */
					     "< RSET",     "> 250 ok",     THREE,
					     "> 250 ok",   "> 550 no",     "> 450 no",
					     "> 354 go",   "< .",          "> 554 nobody",
					     THREE,        "> 250 ok",     "> 550 no",
					     "> 250 ok",   "> 354 go",     "!body",
					     "> 250 done", "!end",         NULL};
	struct rig r;
	struct mail m;

	rig_start(&r, script);
	CHECK_ERR(rig_open(&r), E_OK);
	REQUIRE(r.client != NULL);
	mail_init(&m, &r, 2, TEXT);
	CHECK_ERR(smtp_client_send(r.client, &m.msg), E_OK);
	CHECK_RESULT(result(&m, 0), SMTP_AT_MAIL, SMTP_REFUSED, 550, "5.7.1", "no");
	CHECK(result(&m, 1) == result(&m, 0));
	for (int i = 0; i < 3; i++) {
		mail_again(&m);
		CHECK(smtp_client_usable(r.client));
		CHECK_ERR(smtp_client_send(r.client, &m.msg), E_OK);
		CHECK_RESULT(result(&m, 0), SMTP_AT_RCPT, SMTP_REFUSED, 550, "5.0.0", "no");
	}
	CHECK_RESULT(result(&m, 1), SMTP_AT_DOT, SMTP_TAKEN, 250, "2.0.0", "done");
	CHECK_SLICE(buf_slice(&r.body), SL(STUFFED));
	rig_end(&r);
}

TEST_FIBER(a_pipeline_that_breaks)
{
	static const char *const ends[][3] = {{"> 421 4.3.2 down", "!end"},
					      {"!close"},
					      {"> garbage", "!end"},
					      {"> 354 too early", "!end"}};

	for (size_t i = 0; i < ARRAY_LEN(ends); i++) {
		const char *script[16] = {PIPELINED, THREE, "> 250 ok", "> 550 5.1.1 no"};
		struct rig r;
		struct mail m;

		check_note("end %zu", i);
		memcpy(script + 10, ends[i], sizeof ends[i]);
		rig_start(&r, script);
		CHECK_ERR(rig_open(&r), E_OK);
		REQUIRE(r.client != NULL);
		mail_init(&m, &r, 2, TEXT);
		CHECK_ERR(smtp_client_send(r.client, &m.msg), E_CLOSED);
		/* What was heard before holds. */
		CHECK_RESULT(result(&m, 0), SMTP_AT_RCPT, SMTP_REFUSED, 550, "5.1.1", "no");
		CHECK_INT(result(&m, 1)->verdict, SMTP_LATER);
		CHECK_INT(result(&m, 1)->phase, SMTP_AT_RCPT);
		CHECK(!smtp_client_usable(r.client));
		mail_again(&m);
		CHECK_ERR(smtp_client_send(r.client, &m.msg), E_CLOSED);
		CHECK(result(&m, 0)->again_now && result(&m, 0)->verdict == SMTP_LATER);
		rig_end(&r);
	}
}

/* More than one group: each is answered before the next comes. */
TEST_FIBER(five_hundred_recipients)
{
	enum { N = 500 };
	static char lines[2 * N + 8][160];
	const char *script[2 * N + 16] = {PIPELINED};
	size_t k = 4, said = 0, nlines = 0;
	struct rig r;
	struct mail m;
	struct buf b;

	rig_start(&r, script);
	mail_init(&m, &r, N, TEXT);
	buf_init(&b, 4096, NULL);
	for (size_t i = 0; i < N; i++) {
		buf_reset(&b);
		buf_printf(&b, "r%zu@%0*d.example.org", i, 58, 7);
		m.rcpts[i].address = arena_dup(&r.arena, buf_slice(&b));
	}
	script[k++] = "< MAIL FROM:<s@example.net>";
	for (size_t i = 0, bytes = 29; i < N || said < N; i++) {
		if (i == N || bytes >= (size_t)32 * 1024) { /* the group ends here */
			if (i == N)
				script[k++] = "< DATA";
			if (said == 0)
				script[k++] = "> 250 ok";
			for (; said < i; said++)
				script[k++] = said % 3 == 0   ? "> 250 ok"
					      : said % 3 == 1 ? "> 550 5.1.1 no"
							      : "> 452 4.2.2 full";
			bytes = 0;
		}
		if (i == N)
			break;
		snprintf(lines[nlines], sizeof lines[0], "< RCPT TO:<%s>", m.rcpts[i].address.p);
		bytes += strlen(lines[nlines]) - 2 + 2;
		script[k++] = lines[nlines++];
	}
	script[k++] = "> 354 go";
	script[k++] = "!body";
	script[k++] = "> 250 2.0.0 done";
	script[k++] = "!end";
	script[k] = NULL;
	CHECK_ERR(rig_open(&r), E_OK);
	REQUIRE(r.client != NULL);
	CHECK_ERR(smtp_client_send(r.client, &m.msg), E_OK);
	for (size_t i = 0; i < N; i++)
		CHECK_INT(result(&m, i)->code, i % 3 == 0 ? 250 : i % 3 == 1 ? 550 : 452);
	buf_fini(&b);
	rig_end(&r);
}

/* ---- limits of the server, and ours ---- */

TEST_FIBER(rcptmax_and_mailmax)
{
	static const char *const script[] = {HELLO,
					     "> 250-mx.example.org",
					     "> 250-PIPELINING",
					     "> 250 LIMITS RCPTMAX=2 MAILMAX=1",
					     THREE,
					     "> 250 ok",
					     "> 250 ok",
					     "> 250 ok",
					     "> 354 go",
					     "!body",
					     "> 250 done",
					     "!end",
					     NULL};
	struct rig r;
	struct mail m;

	rig_start(&r, script);
	CHECK_ERR(rig_open(&r), E_OK);
	REQUIRE(r.client != NULL);
	mail_init(&m, &r, 4, TEXT);
	CHECK(smtp_client_usable(r.client));
	CHECK_ERR(smtp_client_send(r.client, &m.msg), E_OK);
	CHECK_INT(result(&m, 1)->verdict, SMTP_TAKEN);
	CHECK_RESULT(result(&m, 2), SMTP_AT_RCPT, SMTP_LATER, 0, "4.5.3", "only 2 recipients");
	CHECK(result(&m, 2)->again_now && result(&m, 3) == result(&m, 2));
	CHECK(!smtp_client_usable(r.client));
	rig_end(&r);
}

TEST_FIBER(too_many_recipients)
{
	static const struct {
		const char *reply, *status;
		enum smtp_verdict verdict;
		bool again;
	} rows[] = {
		{"> 452 4.5.3 too many", "4.5.3", SMTP_LATER, true},
		{"> 552 too many", "4.0.0", SMTP_LATER, true},
		{"> 552 5.5.3 too many", "4.5.3", SMTP_LATER, true},
		{"> 552 5.2.2 full", "5.2.2", SMTP_REFUSED, false},
		{"> 452 4.2.2 full", "4.2.2", SMTP_LATER, false},
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		const char *const script[] = {PIPELINED,     THREE,      "> 250 ok", "> 250 ok",
					      rows[i].reply, "> 354 go", "!body",    "> 250 done",
					      "!end",        NULL};
		struct rig r;
		struct mail m;

		check_note("row %zu", i);
		rig_start(&r, script);
		CHECK_ERR(rig_open(&r), E_OK);
		REQUIRE(r.client != NULL);
		mail_init(&m, &r, 2, TEXT);
		CHECK_ERR(smtp_client_send(r.client, &m.msg), E_OK);
		CHECK_STR(result(&m, 1)->status, rows[i].status);
		CHECK_INT(result(&m, 1)->verdict, rows[i].verdict);
		CHECK_INT(result(&m, 1)->again_now, rows[i].again);
		rig_end(&r);
	}
}

TEST_FIBER(what_cannot_be_said_is_not_said)
{
	static const char *const script[] = {PIPELINED,
					     "< MAIL FROM:<s@example.net>",
					     "< RCPT TO:<r2@example.org>",
					     "< DATA",
					     "> 250 ok",
					     "> 250 ok",
					     "> 354 go",
					     "!body",
					     "> 250 done",
					     "!end",
					     NULL};
	struct rig r;
	struct mail m;

	rig_start(&r, script);
	CHECK_ERR(rig_open(&r), E_OK);
	REQUIRE(r.client != NULL);
	mail_init(&m, &r, 4, TEXT);
	m.rcpts[0].address = SL("a@example.org>\r\nDATA\r\n");
	m.rcpts[1].address = SL("j\xc3\xb6rg@example.org");
	m.rcpts[3].address = SLICE_NONE;
	CHECK_ERR(smtp_client_send(r.client, &m.msg), E_OK);
	CHECK_RESULT(result(&m, 0), SMTP_AT_RCPT, SMTP_REFUSED, 0, "5.1.3", "address");
	CHECK_RESULT(result(&m, 1), SMTP_AT_RCPT, SMTP_REFUSED, 0, "5.6.7", "internationalized");
	CHECK_INT(result(&m, 2)->verdict, SMTP_TAKEN);
	CHECK_RESULT(result(&m, 3), SMTP_AT_RCPT, SMTP_REFUSED, 0, "5.1.3", "address");
	mail_init(&m, &r, 2, TEXT);
	m.msg.sender = SL("a b@example.org");
	CHECK_ERR(smtp_client_send(r.client, &m.msg), E_OK);
	CHECK_RESULT(result(&m, 1), SMTP_AT_MAIL, SMTP_REFUSED, 0, "5.1.7", "sender");
	m.msg.sender = SL("s@example.net");
	m.msg.needs = SMTP_NEED_8BIT;
	mail_again(&m);
	CHECK_ERR(smtp_client_send(r.client, &m.msg), E_OK);
	CHECK_RESULT(result(&m, 0), SMTP_AT_MAIL, SMTP_REFUSED, 0, "5.6.3", "8-bit");
	CHECK(smtp_client_usable(r.client));
	rig_end(&r);
}

TEST_FIBER(smtputf8)
{
	static const char *const script[] = {HELLO,
					     "> 250-mx.example.org",
					     "> 250 SMTPUTF8",
					     "< MAIL FROM:<s@example.net> SMTPUTF8",
					     "> 250 ok",
					     "< RCPT TO:<j\xc3\xb6rg@example.org>",
					     "> 550 no",
					     "!end",
					     NULL};
	struct rig r;
	struct mail m;

	rig_start(&r, script);
	CHECK_ERR(rig_open(&r), E_OK);
	REQUIRE(r.client != NULL);
	mail_init(&m, &r, 1, TEXT);
	m.rcpts[0].address = SL("j\xc3\xb6rg@example.org");
	CHECK_ERR(smtp_client_send(r.client, &m.msg), E_OK);
	CHECK_INT(result(&m, 0)->code, 550);
	rig_end(&r);
}

/* Who was decided before is left out. */
TEST_FIBER(recipients_with_a_result)
{
	static const char *const script[] = {PIPELINED,
					     "< MAIL FROM:<s@example.net>",
					     "< RCPT TO:<r1@example.org>",
					     "< DATA",
					     "> 250 ok",
					     "> 250 ok",
					     "> 354 go",
					     "!body",
					     "> 250 done",
					     "!end",
					     NULL};
	static const struct smtp_result before = {.code = 77};
	struct rig r;
	struct mail m;

	rig_start(&r, script);
	CHECK_ERR(rig_open(&r), E_OK);
	REQUIRE(r.client != NULL);
	mail_init(&m, &r, 3, TEXT);
	m.rcpts[0].result = m.rcpts[2].result = &before;
	CHECK_ERR(smtp_client_send(r.client, &m.msg), E_OK);
	CHECK(result(&m, 0) == &before && result(&m, 2) == &before);
	CHECK_INT(result(&m, 1)->verdict, SMTP_TAKEN);
	CHECK_ERR(smtp_client_send(r.client, &m.msg), E_OK); /* nobody is left */
	rig_end(&r);
}

/* ---- the body ---- */

#define ONE   "< MAIL FROM:<s@example.net>", "< RCPT TO:<r0@example.org>", "< DATA"
#define TAKEN "> 250 ok", "> 250 ok"

TEST_FIBER(any_chunks_are_the_same_message)
{
	static const char *const script[] = {PIPELINED, ONE,        TAKEN,  "> 354 go",
					     "!body",   "> 250 ok", "!end", NULL};

	for (size_t chunk = 1; chunk <= TEXT.n; chunk++) {
		struct rig r;
		struct mail m;

		check_note("chunks of %zu", chunk);
		rig_start(&r, script);
		CHECK_ERR(rig_open(&r), E_OK);
		REQUIRE(r.client != NULL);
		mail_init(&m, &r, 1, TEXT);
		m.chunk = chunk;
		CHECK_ERR(smtp_client_send(r.client, &m.msg), E_OK);
		CHECK_INT(result(&m, 0)->verdict, SMTP_TAKEN);
		CHECK_SLICE(buf_slice(&r.body), SL(STUFFED));
		rig_end(&r);
	}
}

/* No final dot may leave after a message that is not whole, or not fit to leave. */
TEST_FIBER(a_message_that_breaks_off)
{
	static const char *const script[] = {PIPELINED, ONE,    TAKEN, "> 354 go",
					     "~ whole", "!end", NULL};
	static const struct {
		slice_t bytes;
		size_t fail_at; /* 0: the bytes themselves are at fault */
		enum smtp_verdict verdict;
		const char *status;
	} rows[] = {
		{SL("whole line\r\nand half"), 16, SMTP_LATER, "4.3.0"},
		{SL("whole line\r\nwhole\r\n"), 12, SMTP_LATER, "4.3.0"},
		{SL("whole line\r\nx\n.\r\nMAIL FROM:<evil@example.org>\r\n"), 0, SMTP_REFUSED,
		 "5.6.11"},
		{SL("whole line\r\nx\r.\r\nMAIL FROM:<evil@example.org>\r\n"), 0, SMTP_REFUSED,
		 "5.6.11"},
		{SL("whole line\r\nx\r"), 0, SMTP_REFUSED, "5.6.11"},
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct rig r;
		struct mail m;

		check_note("row %zu", i);
		rig_start(&r, script);
		CHECK_ERR(rig_open(&r), E_OK);
		REQUIRE(r.client != NULL);
		mail_init(&m, &r, 1, rows[i].bytes);
		m.chunk = 4;
		m.fail = rows[i].fail_at != 0 ? E_RETRY : E_OK;
		m.fail_at = rows[i].fail_at;
		CHECK_ERR(smtp_client_send(r.client, &m.msg), E_CLOSED);
		CHECK_RESULT(result(&m, 0), SMTP_AT_BODY, rows[i].verdict, 0, rows[i].status, "");
		CHECK(!smtp_client_usable(r.client));
		rig_end(&r);
	}
}

/* A server that has enough in the middle of a message, with or without a word. */
TEST_FIBER(a_server_that_cuts_off)
{
	static const struct {
		const char *end[3];
		unsigned code;
		const char *status;
		enum smtp_verdict verdict;
	} rows[] = {
		{{"> 552 5.3.4 enough", "!close"}, 552, "5.3.4", SMTP_REFUSED},
		{{"> 552 5.3.4 enough", "!drain"}, 552, "5.3.4", SMTP_REFUSED},
		{{"> 421 4.3.2 down", "!close"}, 421, "4.3.2", SMTP_LATER},
		{{"> 250 thanks, that will do", "!close"}, 0, "4.5.0", SMTP_LATER},
		{{"!close"}, 0, "4.4.2", SMTP_LATER},
	};
	static char text[8 * 1024 * 1024];

	memset(text, 'x', sizeof text);
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		const char *script[16] = {PIPELINED, ONE, TAKEN, "> 354 go", "!bytes 100"};
		struct rig r;
		struct mail m;

		check_note("row %zu", i);
		memcpy(script + 11, rows[i].end, sizeof rows[i].end);
		rig_start(&r, script);
		CHECK_ERR(rig_open(&r), E_OK);
		REQUIRE(r.client != NULL);
		mail_init(&m, &r, 1, slice(text, sizeof text));
		m.chunk = 10000;
		CHECK_ERR(smtp_client_send(r.client, &m.msg), E_CLOSED);
		CHECK_RESULT(result(&m, 0), SMTP_AT_BODY, rows[i].verdict, rows[i].code,
			     rows[i].status, "");
		rig_end(&r);
	}
}

/* A server that reads no more: the writer's own deadline. */
TEST_FIBER(a_server_that_does_not_read)
{
	static const char *const script[] = {PIPELINED, ONE, TAKEN, "> 354 go", "!stall", NULL};
	static char text[16 * 1024 * 1024];
	struct rig r;
	struct mail m;

	memset(text, 'x', sizeof text);
	rig_start(&r, script);
	r.timeouts.block_ms = 100;
	CHECK_ERR(rig_open(&r), E_OK);
	REQUIRE(r.client != NULL);
	mail_init(&m, &r, 1, slice(text, sizeof text));
	m.chunk = 64 * 1024;
	CHECK_ERR(smtp_client_send(r.client, &m.msg), E_CLOSED);
	CHECK_RESULT(result(&m, 0), SMTP_AT_BODY, SMTP_LATER, 0, "4.4.2", "in time (body)");
	event_set(&r.resume);
	rig_end(&r);
}

/* ---- a connection that was kept ---- */

TEST_FIBER(a_kept_connection_that_ended)
{
	static const struct {
		const char *end[3];
		unsigned code;
		bool again;
	} rows[] = {
		{{"!close"}, 0, true},
		{{"> 421 4.4.2 idle", "!close"}, 421, true},
		{{"> 250 what", "!close"}, 0, true},
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		const char *script[20] = {PIPELINED, ONE, TAKEN, "> 354 go", "!body", "> 250 ok"};
		struct rig r;
		struct mail m;

		check_note("row %zu", i);
		memcpy(script + 12, rows[i].end, sizeof rows[i].end);
		rig_start(&r, script);
		CHECK_ERR(rig_open(&r), E_OK);
		REQUIRE(r.client != NULL);
		mail_init(&m, &r, 1, TEXT);
		CHECK_ERR(smtp_client_send(r.client, &m.msg), E_OK);
		CHECK_ERR(scope_join(&r.scope, deadline_in(SOON)), E_OK);
		mail_again(&m);
		CHECK_ERR(smtp_client_send(r.client, &m.msg), E_CLOSED);
		CHECK_INT(result(&m, 0)->verdict, SMTP_LATER);
		CHECK_INT(result(&m, 0)->code, rows[i].code);
		CHECK_INT(result(&m, 0)->again_now, rows[i].again);
		CHECK(!smtp_client_usable(r.client));
		rig_end(&r);
	}
}

/* ---- LMTP (RFC 2033) ---- */

TEST_FIBER(lmtp_answers_for_each_recipient)
{
	static const char *const script[] = {"> 220 mx.example.org LMTP",
					     "< LHLO me.example.net",
					     "> 250-mx.example.org",
					     "> 250 PIPELINING",
					     "< MAIL FROM:<s@example.net>",
					     "< RCPT TO:<r0@example.org>",
					     "< RCPT TO:<r1@example.org>",
					     "< RCPT TO:<r2@example.org>",
					     "< RCPT TO:<r3@example.org>",
					     "< DATA",
					     "> 250 ok",
					     "> 250 ok",
					     "> 550 5.1.1 no",
					     "> 250 ok",
					     "> 250 ok",
					     "> 354 go",
					     "!body",
					     "> 250 2.0.0 first",
					     "> 452 4.2.2 full",
					     "!close",
					     NULL};
	struct rig r;
	struct mail m;

	rig_start(&r, script);
	r.opts.kind = SMTP_KIND_LMTP;
	CHECK_ERR(rig_open(&r), E_OK);
	REQUIRE(r.client != NULL);
	mail_init(&m, &r, 4, TEXT);
	CHECK_ERR(smtp_client_send(r.client, &m.msg), E_CLOSED);
	CHECK_RESULT(result(&m, 0), SMTP_AT_DOT, SMTP_TAKEN, 250, "2.0.0", "first");
	CHECK_RESULT(result(&m, 1), SMTP_AT_RCPT, SMTP_REFUSED, 550, "5.1.1", "no");
	CHECK_RESULT(result(&m, 2), SMTP_AT_DOT, SMTP_LATER, 452, "4.2.2", "full");
	CHECK_RESULT(result(&m, 3), SMTP_AT_DOT, SMTP_LATER, 0, "4.4.2", "lost (dot)");
	rig_end(&r);
}

/* A connection that stands already (ATRN): its other side greets, and it stays its owner's. */
TEST_FIBER(adopted_connection)
{
	static const char *const script[] = {"> 220 host.example ESMTP",
					     "< EHLO me.example.net",
					     "> 250-host.example",
					     "> 250 STARTTLS", /* of no use: it is not asked for */
					     "< MAIL FROM:<s@example.net>",
					     "> 250 ok",
					     "< RCPT TO:<r0@example.org>",
					     "> 250 ok",
					     "< DATA",
					     "> 354 go",
					     "!body",
					     "> 250 2.0.0 taken",
					     "< QUIT",
					     "> 221 bye",
					     "< and more",
					     "!end",
					     NULL};
	struct stream_opts opts = {0};
	struct stream *s = NULL;
	struct rig r;
	struct mail m;

	rig_start(&r, script);
	CHECK_ERR(stream_connect(&r.opts.addr, r.opts.port, NULL, &opts, deadline_in(SOON), &s),
		  E_OK);
	REQUIRE(s != NULL);
	CHECK_ERR(smtp_client_adopt(s, &r.opts, &r.client, &r.why), E_OK);
	mail_init(&m, &r, 1, TEXT);
	CHECK_ERR(smtp_client_send(r.client, &m.msg), E_OK);
	CHECK_RESULT(result(&m, 0), SMTP_AT_DOT, SMTP_TAKEN, 250, "2.0.0", "taken");
	smtp_client_quit(r.client);
	CHECK(!smtp_client_usable(r.client));
	smtp_client_free(&r.client);
	CHECK_ERR(stream_write(s, SL("and more\r\n"), deadline_in(SOON)), E_OK);
	stream_close(&s, CLOSE_DONE);
	rig_end(&r);
}

/* It is no server after all; then, too. */
TEST_FIBER(adopted_connection_that_breaks)
{
	static const char *const script[] = {"> what?", "< and more", "!end", NULL};
	struct stream_opts opts = {0};
	struct stream *s = NULL;
	struct rig r;

	rig_start(&r, script);
	CHECK_ERR(stream_connect(&r.opts.addr, r.opts.port, NULL, &opts, deadline_in(SOON), &s),
		  E_OK);
	REQUIRE(s != NULL);
	CHECK_ERR(smtp_client_adopt(s, &r.opts, &r.client, &r.why), E_RETRY);
	CHECK(r.client == NULL);
	CHECK_RESULT(&r.why.result, SMTP_AT_GREETING, SMTP_LATER, 0, "4.5.0", "not a reply");
	CHECK_ERR(stream_write(s, SL("and more\r\n"), deadline_in(SOON)), E_OK);
	stream_close(&s, CLOSE_DONE);
	rig_end(&r);
}
