#include "tests/unit/frontend/outbound/client_lib.h"

#define SHORT_MS 150 /* of a wait that shall end in a timeout */

#define HELLO "> 220 mx.example.org ESMTP", "< EHLO me.example.net"
#define OPEN  HELLO, "> 250-mx.example.org", "> 250 ENHANCEDSTATUSCODES"
#define MAIL  "< MAIL FROM:<s@example.net>"
#define RCPT  "< RCPT TO:<r0@example.org>"
#define OK    "> 250 ok"

/* ---- no connection ---- */

static const struct {
	const char *script[12];
	enum err e;
	enum smtp_phase phase;
	enum smtp_verdict verdict;
	unsigned code;
	const char *status, *text;
} dead[] = {
	{{"> 554 5.7.1 go away", "< QUIT"},
	 E_DENIED,
	 SMTP_AT_GREETING,
	 SMTP_REFUSED,
	 554,
	 "5.7.1",
	 "go"},
	{{"> 521 no mail here", "< QUIT"},
	 E_DENIED,
	 SMTP_AT_GREETING,
	 SMTP_REFUSED,
	 521,
	 "5.0.0",
	 "no"},
	{{"> 421 4.3.2 later", "!end"},
	 E_RETRY,
	 SMTP_AT_GREETING,
	 SMTP_LATER,
	 421,
	 "4.3.2",
	 "later"},
	{{"> 450 busy", "< QUIT"}, E_RETRY, SMTP_AT_GREETING, SMTP_LATER, 450, "4.0.0", "busy"},
	{{"> 250 ok", "!end"}, E_RETRY, SMTP_AT_GREETING, SMTP_LATER, 0, "4.5.0", "does not fit"},
	{{"> HTTP/1.1 400 Bad", "!end"},
	 E_RETRY,
	 SMTP_AT_GREETING,
	 SMTP_LATER,
	 0,
	 "4.5.0",
	 "not a reply"},
	{{"= 220 bare\n220 x\r\n", "!end"},
	 E_RETRY,
	 SMTP_AT_GREETING,
	 SMTP_LATER,
	 0,
	 "4.5.0",
	 "bare LF"},
	{{"> 220-a", "> 250 b", "!end"},
	 E_RETRY,
	 SMTP_AT_GREETING,
	 SMTP_LATER,
	 0,
	 "4.5.0",
	 "code changes"},
	{{"!close"}, E_RETRY, SMTP_AT_GREETING, SMTP_LATER, 0, "4.4.2", "lost (greeting)"},
	{{"= 220 half", "!close"},
	 E_RETRY,
	 SMTP_AT_GREETING,
	 SMTP_LATER,
	 0,
	 "4.4.2",
	 "lost (greeting)"},
	{{"> 220-and", "!close"},
	 E_RETRY,
	 SMTP_AT_GREETING,
	 SMTP_LATER,
	 0,
	 "4.4.2",
	 "lost (greeting)"},
	{{"!end"}, E_RETRY, SMTP_AT_GREETING, SMTP_LATER, 0, "4.4.2", "in time (greeting)"},
	{{"> 220-a", "!end"},
	 E_RETRY,
	 SMTP_AT_GREETING,
	 SMTP_LATER,
	 0,
	 "4.4.2",
	 "in time (greeting)"},
	{{HELLO, "> 450 4.1.8 who are you", "< QUIT"},
	 E_RETRY,
	 SMTP_AT_EHLO,
	 SMTP_LATER,
	 450,
	 "4.1.8",
	 "who"},
	{{HELLO, "> 502 what", "< HELO me.example.net", "> 550 no", "< QUIT"},
	 E_DENIED,
	 SMTP_AT_EHLO,
	 SMTP_REFUSED,
	 550,
	 "5.0.0",
	 "no"},
	{{HELLO, "> 421 bye", "!end"}, E_RETRY, SMTP_AT_EHLO, SMTP_LATER, 421, "4.0.0", "bye"},
	{{HELLO, "!close"}, E_RETRY, SMTP_AT_EHLO, SMTP_LATER, 0, "4.4.2", "lost (ehlo)"},
	{{HELLO, "!end"}, E_RETRY, SMTP_AT_EHLO, SMTP_LATER, 0, "4.4.2", "in time (ehlo)"},
	{{HELLO, "> 220 again", "!end"},
	 E_RETRY,
	 SMTP_AT_EHLO,
	 SMTP_LATER,
	 0,
	 "4.5.0",
	 "does not fit"},
	{{HELLO, "> 250-a", "> 25", "!end"},
	 E_RETRY,
	 SMTP_AT_EHLO,
	 SMTP_LATER,
	 0,
	 "4.5.0",
	 "not a reply"},
	{{HELLO, "!flood 1024", "!end"},
	 E_RETRY,
	 SMTP_AT_EHLO,
	 SMTP_LATER,
	 0,
	 "4.5.0",
	 "reply has more than 100 lines"},
};

/* Our own fault, which no other side is asked about; and none to die of. */
TEST_FIBER(a_name_that_is_none)
{
	static const char *const bad[] = {"", "a b", "x\r\n554 no", "b\xc3\xbc.example"};
	static const char *const nothing[] = {NULL};

	for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
		struct smtp_client_why why;
		struct smtp_client *client;
		struct rig r;

		check_note("%s", bad[i]);
		rig_start(&r, nothing);
		r.opts.helo = bad[i];
		CHECK_ERR(smtp_client_open(&r.opts, &client, &why), E_RETRY);
		CHECK(client == NULL);
		CHECK_INT(why.result.verdict, SMTP_LATER);
		CHECK_STR(why.result.status, "4.3.5");
		CHECK(slice_starts(slice_str(why.result.text), SL("our own name in EHLO")));
		CHECK(!why.try_clear);
		scope_cancel(&r.scope);
		rig_end(&r);
	}
}

TEST_FIBER(no_session)
{
	for (size_t i = 0; i < ARRAY_LEN(dead); i++) {
		struct rig r;

		check_note("row %zu", i);
		rig_start(&r, dead[i].script);
		r.timeouts.greeting_ms = r.timeouts.hello_ms = SHORT_MS;
		CHECK_ERR(rig_open(&r), dead[i].e);
		CHECK(r.client == NULL && !r.why.try_clear);
		CHECK_RESULT(&r.why.result, dead[i].phase, dead[i].verdict, dead[i].code,
			     dead[i].status, dead[i].text);
		rig_end(&r);
	}
}

TEST_FIBER(nobody_listens)
{
	static const char *const nothing[] = {NULL};
	struct rig r;

	rig_start(&r, nothing);
	listener_close(&r.listener);
	fiber_yield();
	CHECK_ERR(rig_open(&r), E_RETRY);
	CHECK_RESULT(&r.why.result, SMTP_AT_CONNECT, SMTP_LATER, 0, "4.4.1", "connection refused");
	scope_cancel(&r.scope);
	rig_end(&r);
}

TEST_FIBER(helo_for_an_old_server)
{
	static const char *const script[] = {HELLO,
					     "> 500 what",
					     "< HELO me.example.net",
					     "> 250 old.example.org PIPELINING",
					     MAIL,
					     OK,
					     RCPT,
					     OK,
					     "< DATA",
					     "> 354 go",
					     "!body",
					     OK,
					     "!end",
					     NULL};
	struct rig r;
	struct mail m;

	rig_start(&r, script);
	CHECK_ERR(rig_open(&r), E_OK);
	REQUIRE(r.client != NULL);
	CHECK_INT(smtp_client_offer(r.client)->has, 0);
	mail_init(&m, &r, 1, SL("x\r\n"));
	CHECK_ERR(smtp_client_send(r.client, &m.msg), E_OK);
	CHECK_INT(m.rcpts[0].result->verdict, SMTP_TAKEN);
	rig_end(&r);
}

/* ---- a message, step by step ---- */

static const struct {
	const char *script[16]; /* after OPEN */
	enum err e;
	enum smtp_phase phase;
	enum smtp_verdict verdict;
	unsigned code;
	const char *status, *text;
} failed[] = {
	{{MAIL, "> 451 4.3.0 no", "!end"}, E_OK, SMTP_AT_MAIL, SMTP_LATER, 451, "4.3.0", "no"},
	{{MAIL, "> 550 5.7.1 no", "!end"}, E_OK, SMTP_AT_MAIL, SMTP_REFUSED, 550, "5.7.1", "no"},
	{{MAIL, "> 421 4.2.0 no", "!end"}, E_CLOSED, SMTP_AT_MAIL, SMTP_LATER, 421, "4.2.0", "no"},
	{{MAIL, "> 354 eh", "!end"}, E_CLOSED, SMTP_AT_MAIL, SMTP_LATER, 0, "4.5.0", "fit"},
	{{MAIL, "> eh", "!end"}, E_CLOSED, SMTP_AT_MAIL, SMTP_LATER, 0, "4.5.0", "not a reply"},
	{{MAIL, "!close"}, E_CLOSED, SMTP_AT_MAIL, SMTP_LATER, 0, "4.4.2", "lost (mail)"},
	{{MAIL, "!end"}, E_CLOSED, SMTP_AT_MAIL, SMTP_LATER, 0, "4.4.2", "in time (mail)"},
	{{MAIL, OK, RCPT, "> 450 no", "!end"}, E_OK, SMTP_AT_RCPT, SMTP_LATER, 450, "4.0.0", "no"},
	{{MAIL, OK, RCPT, "> 550 5.1.1 no", "!end"},
	 E_OK,
	 SMTP_AT_RCPT,
	 SMTP_REFUSED,
	 550,
	 "5.1.1",
	 "no"},
	{{MAIL, OK, RCPT, "> 552 5.2.2 full", "!end"},
	 E_OK,
	 SMTP_AT_RCPT,
	 SMTP_REFUSED,
	 552,
	 "5.2.2",
	 "full"},
	{{MAIL, OK, RCPT, "> 421 no", "!end"},
	 E_CLOSED,
	 SMTP_AT_RCPT,
	 SMTP_LATER,
	 421,
	 "4.0.0",
	 "no"},
	{{MAIL, OK, RCPT, "> 354 eh", "!end"},
	 E_CLOSED,
	 SMTP_AT_RCPT,
	 SMTP_LATER,
	 0,
	 "4.5.0",
	 "fit"},
	{{MAIL, OK, RCPT, "!close"}, E_CLOSED, SMTP_AT_RCPT, SMTP_LATER, 0, "4.4.2", "lost (rcpt)"},
	{{MAIL, OK, RCPT, "!end"},
	 E_CLOSED,
	 SMTP_AT_RCPT,
	 SMTP_LATER,
	 0,
	 "4.4.2",
	 "in time (rcpt)"},
	{{MAIL, OK, RCPT, OK, "< DATA", "> 451 no", "!end"},
	 E_OK,
	 SMTP_AT_DATA,
	 SMTP_LATER,
	 451,
	 "4.0.0",
	 "no"},
	{{MAIL, OK, RCPT, OK, "< DATA", "> 554 no", "!end"},
	 E_OK,
	 SMTP_AT_DATA,
	 SMTP_REFUSED,
	 554,
	 "5.0.0",
	 "no"},
	{{MAIL, OK, RCPT, OK, "< DATA", "> 421 no", "!end"},
	 E_CLOSED,
	 SMTP_AT_DATA,
	 SMTP_LATER,
	 421,
	 "4.0.0",
	 "no"},
	{{MAIL, OK, RCPT, OK, "< DATA", "> 250 eh", "!end"},
	 E_CLOSED,
	 SMTP_AT_DATA,
	 SMTP_LATER,
	 0,
	 "4.5.0",
	 "fit"},
	{{MAIL, OK, RCPT, OK, "< DATA", "!close"},
	 E_CLOSED,
	 SMTP_AT_DATA,
	 SMTP_LATER,
	 0,
	 "4.4.2",
	 "lost (data)"},
	{{MAIL, OK, RCPT, OK, "< DATA", "!end"},
	 E_CLOSED,
	 SMTP_AT_DATA,
	 SMTP_LATER,
	 0,
	 "4.4.2",
	 "in time (data)"},
	{{MAIL, OK, RCPT, OK, "< DATA", "> 354 go", "!body", "> 451 4.7.1 no", "!end"},
	 E_OK,
	 SMTP_AT_DOT,
	 SMTP_LATER,
	 451,
	 "4.7.1",
	 "no"},
	{{MAIL, OK, RCPT, OK, "< DATA", "> 354 go", "!body", "> 550 5.7.1 spam", "!end"},
	 E_OK,
	 SMTP_AT_DOT,
	 SMTP_REFUSED,
	 550,
	 "5.7.1",
	 "spam"},
	{{MAIL, OK, RCPT, OK, "< DATA", "> 354 go", "!body", "> 421 no", "!end"},
	 E_CLOSED,
	 SMTP_AT_DOT,
	 SMTP_LATER,
	 421,
	 "4.0.0",
	 "no"},
	{{MAIL, OK, RCPT, OK, "< DATA", "> 354 go", "!body", "> 354 eh", "!end"},
	 E_CLOSED,
	 SMTP_AT_DOT,
	 SMTP_LATER,
	 0,
	 "4.5.0",
	 "fit"},
	{{MAIL, OK, RCPT, OK, "< DATA", "> 354 go", "!body", "!close"},
	 E_CLOSED,
	 SMTP_AT_DOT,
	 SMTP_LATER,
	 0,
	 "4.4.2",
	 "lost (dot)"},
	{{MAIL, OK, RCPT, OK, "< DATA", "> 354 go", "!body", "!end"},
	 E_CLOSED,
	 SMTP_AT_DOT,
	 SMTP_LATER,
	 0,
	 "4.4.2",
	 "in time (dot)"},
	{{MAIL, OK, RCPT, OK, "< DATA", "> 354 go", "!body", "!flood 1024", "!end"},
	 E_CLOSED,
	 SMTP_AT_DOT,
	 SMTP_LATER,
	 0,
	 "4.5.0",
	 "more than 100 lines"},
};

TEST_FIBER(no_message)
{
	static const char *const open[] = {OPEN};

	for (size_t i = 0; i < ARRAY_LEN(failed); i++) {
		const char *script[32] = {NULL};
		struct rig r;
		struct mail m;

		check_note("row %zu", i);
		memcpy(script, open, sizeof open);
		memcpy(script + ARRAY_LEN(open), failed[i].script, sizeof failed[i].script);
		rig_start(&r, script);
		r.timeouts.mail_ms = r.timeouts.rcpt_ms = SHORT_MS;
		r.timeouts.data_ms = r.timeouts.dot_ms = SHORT_MS;
		CHECK_ERR(rig_open(&r), E_OK);
		REQUIRE(r.client != NULL);
		mail_init(&m, &r, 1, SL("x\r\n"));
		CHECK_ERR(smtp_client_send(r.client, &m.msg), failed[i].e);
		CHECK_RESULT(m.rcpts[0].result, failed[i].phase, failed[i].verdict, failed[i].code,
			     failed[i].status, failed[i].text);
		CHECK(!m.rcpts[0].result->again_now);
		CHECK_INT(smtp_client_usable(r.client), failed[i].e == E_OK);
		rig_end(&r);
	}
}

/* One answer in time after another, without end. */
TEST_FIBER(a_whole_envelope_has_a_deadline)
{
	static const char *const script[] = {OPEN, MAIL, OK, RCPT, "!end", NULL};
	struct rig r;
	struct mail m;

	rig_start(&r, script);
	r.timeouts.envelope_ms = SHORT_MS;
	CHECK_ERR(rig_open(&r), E_OK);
	REQUIRE(r.client != NULL);
	mail_init(&m, &r, 2, SL("x\r\n"));
	CHECK_ERR(smtp_client_send(r.client, &m.msg), E_CLOSED);
	CHECK_RESULT(m.rcpts[1].result, SMTP_AT_RCPT, SMTP_LATER, 0, "4.4.2", "in time");
	rig_end(&r);
}

/* What was left behind by a refusal is taken back before the next message. */
TEST_FIBER(the_session_goes_on_after_a_refusal)
{
	static const char *const script[] = {
		OPEN,       MAIL,     OK,         RCPT,       "> 550 no", /* nobody */
		"< RSET",   OK,       MAIL,       OK,         RCPT,
		OK,         "< DATA", "> 452 no",             /* no DATA */
		"< RSET",   OK,       MAIL,       "> 550 no", /* no MAIL: nothing is left */
		MAIL,       OK,       RCPT,       OK,         "< DATA",
		"> 354 go", "!body",  "> 550 no", /* nor here */
		MAIL,       OK,       RCPT,       OK,         "< DATA",
		"> 354 go", "!body",  OK,         "!end",     NULL};
	static const enum smtp_phase phases[] = {SMTP_AT_RCPT, SMTP_AT_DATA, SMTP_AT_MAIL,
						 SMTP_AT_DOT, SMTP_AT_DOT};
	struct rig r;
	struct mail m;

	rig_start(&r, script);
	CHECK_ERR(rig_open(&r), E_OK);
	REQUIRE(r.client != NULL);
	mail_init(&m, &r, 1, SL("x\r\n"));
	for (size_t i = 0; i < ARRAY_LEN(phases); i++) {
		mail_again(&m);
		CHECK(smtp_client_usable(r.client));
		CHECK_ERR(smtp_client_send(r.client, &m.msg), E_OK);
		CHECK_INT(m.rcpts[0].result->phase, phases[i]);
	}
	CHECK_INT(m.rcpts[0].result->verdict, SMTP_TAKEN);
	rig_end(&r);
}

/* ---- cancelled ---- */

struct cancelled {
	struct rig *r;
	struct mail *m; /* NULL: the client is opened */
	enum err e;
};

WAITS static void work(void *arg)
{
	struct cancelled *x = arg;

	x->e = x->m == NULL ? rig_open(x->r) : smtp_client_send(x->r->client, &x->m->msg);
}

/* Runs it until the server has got so far, and cancels it there. */
WAITS static void cancel_at(struct cancelled *x, size_t steps)
{
	struct scope scope;

	scope_init(&scope);
	CHECK_ERR(scope_start(&scope, "t.client", work, x), E_OK);
	while (x->r->done < steps)
		fiber_yield();
	scope_cancel(&scope);
	CHECK_ERR(scope_join(&scope, deadline_in(SOON)), E_OK);
	CHECK_ERR(x->e, E_CANCELLED);
}

TEST_FIBER(a_cancelled_open)
{
	static const char *const script[] = {HELLO, "!end", NULL};
	struct rig r;
	struct cancelled x = {.r = &r};

	rig_start(&r, script);
	cancel_at(&x, 2);
	CHECK(r.client == NULL);
	CHECK_RESULT(&r.why.result, SMTP_AT_EHLO, SMTP_LATER, 0, "4.3.2", "shutting down");
	rig_end(&r);
}

TEST_FIBER(a_cancelled_message)
{
	static const char *const script[] = {OPEN, MAIL, OK, RCPT, "!end", NULL};
	struct rig r;
	struct mail m;
	struct cancelled x = {.r = &r, .m = &m};

	rig_start(&r, script);
	CHECK_ERR(rig_open(&r), E_OK);
	REQUIRE(r.client != NULL);
	mail_init(&m, &r, 2, SL("x\r\n"));
	cancel_at(&x, 7);
	CHECK_RESULT(m.rcpts[0].result, SMTP_AT_RCPT, SMTP_LATER, 0, "4.3.2", "shutting down");
	CHECK(m.rcpts[1].result == m.rcpts[0].result);
	CHECK(!smtp_client_usable(r.client));
	rig_end(&r);
}
