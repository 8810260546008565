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
	m.msg.ret = SMTP_RET_HDRS;
	m.msg.envid = SL("a+b");
	m.rcpts[0].notify = SMTP_NOTIFY_SUCCESS | SMTP_NOTIFY_DELAY;
	m.rcpts[0].orcpt = SL("rfc822;q=x@example.org");
	m.rcpts[1].notify = SMTP_NOTIFY_NEVER;
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
