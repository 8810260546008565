/* LMTP (RFC 2033): what differs from SMTP: the greeting, who may come, an answer for each. */
#include "common/loop/fiber.h"
#include "tests/unit/frontend/smtp/smtp_lib.h"

#define MESSAGE "Subject: hi\r\nFrom: x@far.example\r\n\r\nbody\r\n"

static WAITS void begin(struct wire *w)
{
	mx_open(w, PORT_LMTP);
	ASK(w, NULL, "220 mx.example.org LMTP");
	ASK(w, "LHLO relay.example", "250 ");
}

TEST_FIBER(lmtp_greets)
{
	bool chunking = false, pipelining = false, enhanced = false;
	struct wire w;

	mx_open(&w, PORT_LMTP);
	ASK(&w, NULL, "220 mx.example.org LMTP");
	ASK(&w, "MAIL FROM:<x@far.example>", "503 5.5.1 LHLO first");
	/* Section 4.1: never a good answer to these. */
	ASK(&w, "EHLO relay.example", "500 ");
	ASK(&w, "HELO relay.example", "500 ");
	wire_send(&w, SL("LHLO relay.example\r\n"));
	do {
		REQUIRE(wire_line(&w) == E_OK);
		chunking = chunking || strstr(w.line, "CHUNKING") != NULL;
		pipelining = pipelining || strstr(w.line, "PIPELINING") != NULL;
		enhanced = enhanced || strstr(w.line, "ENHANCEDSTATUSCODES") != NULL;
	} while (w.line[3] == '-');
	CHECK(pipelining && enhanced && !chunking);
	ASK(&w, "MAIL FROM:<x@far.example>", "250 ");
	ASK(&w, "DATA", "503 5.5.1 No valid recipients"); /* section 4.2 */
	ASK(&w, "AUTH PLAIN AGFsaWNlAHNlY3JldA==", "502 ");
	CHECK(!smtp_logged("AGFsaWNl"));
	wire_send(&w, SL("BDAT 6 LAST\r\nQUIT\r\n"));
	ASK(&w, NULL, "502 5.5.1");
	ASK(&w, "QUIT", "221 ");
	mx_close(&w);
	mx_open(&w, PORT_25);
	ASK(&w, NULL, "220 mx.example.org ESMTP");
	ASK(&w, "LHLO relay.example", "500 ");
	mx_close(&w);
}

TEST_FIBER(lmtp_is_for_its_nets)
{
	static const char *const others[] = {"lmtp.nets=192.0.2.0/24,::1", NULL};
	static const char *const nobody[] = {"lmtp.nets=", NULL};
	static const char *const *const cases[] = {others, nobody};
	struct wire w;

	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		smtp_policy(cases[i]);
		mx_open(&w, PORT_LMTP);
		ASK(&w, NULL, "554 5.7.1 No service for your address");
		CHECK(wire_is_closed(&w));
		mx_close(&w);
	}
	smtp_policy(others); /* of LMTP alone */
	mx_open(&w, PORT_25);
	ASK(&w, NULL, "220 ");
	mx_close(&w);
}

TEST_FIBER(lmtp_answers_each)
{
	struct wire w;

	begin(&w);
	played.each[0][1] = E_QUOTA;
	played.each[2][0] = E_QUOTA;
	ASK(&w, "MAIL FROM:<x@far.example>", "250 ");
	ASK(&w, "RCPT TO:<alice@example.org>", "250 ");
	ASK(&w, "RCPT TO:<nobody@example.org>", "550 5.1.1"); /* no answer later */
	ASK(&w, "RCPT TO:<bob@example.org>", "250 ");
	ASK(&w, "RCPT TO:<carol@example.org>", "250 ");
	ASK(&w, "RCPT TO:<dave@example.org>", "250 ");
	ASK(&w, "RCPT TO:<group@example.net>", "250 ");
	ASK(&w, "DATA", "354 ");
	ASK(&w, MESSAGE ".", "250 2.0.0");
	ASK(&w, NULL, "452 4.2.2");
	ASK(&w, NULL, "250 2.0.0");
	ASK(&w, NULL, "452 4.2.2"); /* of another owner */
	ASK(&w, NULL, "250 2.0.0"); /* a group's rest is the queue's */
	ASK(&w, "NOOP", "250 2.0.0 OK");
	CHECK_INT(played.owner[0].told, 2);
	CHECK_INT(played.owner[0].others, 2);
	/* Who was told that dave is full need not hear it from the queue. */
	CHECK_INT(played.owner[1].settled_rcpts, 2);
	CHECK_INT(played.owner[2].settled_rcpts, 2);
	CHECK(slice_find(slice_str(played.prefix), SL("with LMTP id")) < strlen(played.prefix));
	/* The next one begins with no answers of the last. */
	played.each[0][1] = E_OK;
	ASK(&w, "MAIL FROM:<x@far.example>", "250 ");
	ASK(&w, "RCPT TO:<alice@example.org>", "250 ");
	ASK(&w, "DATA", "354 ");
	ASK(&w, MESSAGE ".", "250 2.0.0");
	ASK(&w, "QUIT", "221 ");
	mx_close(&w);
}

/* Nobody gets it: as many answers all the same, and one mistake. */
TEST_FIBER(lmtp_refuses_each)
{
	static const char *const rows[] = {"smtp.errors_max=1", "smtp.message_bytes_max=1k", NULL};
	static const struct {
		enum err commit, result;
		const char *reply;
	} cases[] = {
		{E_RETRY, E_OK, "451 4.3.2"},
		{E_FULL, E_OK, "451 4.3.0"},
		{E_OK, E_QUOTA, "452 4.2.2"},
		{E_OK, E_NOT_FOUND, "550 5.1.1"},
	};
	struct wire w;

	smtp_policy(rows);
	begin(&w);
	for (size_t i = 0; i <= ARRAY_LEN(cases); i++) {
		bool bare = i == ARRAY_LEN(cases);

		check_note("case %zu", i);
		played.commit[0] = bare ? E_OK : cases[i].commit;
		played.result[0] = bare ? E_OK : cases[i].result;
		ASK(&w, "MAIL FROM:<x@far.example>", "250 ");
		ASK(&w, "RCPT TO:<alice@example.org>", "250 ");
		ASK(&w, "RCPT TO:<bob@example.org>", "250 ");
		ASK(&w, "RCPT TO:<postmaster>", "250 ");
		ASK(&w, "DATA", "354 ");
		for (int k = 0; k < 3; k++)
			ASK(&w,
			    k > 0  ? NULL
			    : bare ? "a: b\r\n\r\nx\ny\r\n."
				   : MESSAGE ".",
			    bare ? "550 5.6.11" : cases[i].reply);
	}
	CHECK(smtp_logged("smtp.message_refused"));
	ASK(&w, "NOOP", "250 "); /* it was one error, of one that are free */
	mx_close(&w);
}

/* A relay of ours has looked at senders, and asks for many. */
TEST_FIBER(lmtp_trusts_its_relays)
{
	struct wire w;

	begin(&w);
	ASK(&w, "MAIL FROM:<alice@example.org>", "250 ");
	CHECK_INT(played.sender_checks, 0);
	for (int i = 0; i < SMTP_UNKNOWN_MAX + 5; i++)
		ASK(&w, "RCPT TO:<nobody@example.org>", "550 5.1.1");
	ASK(&w, "RCPT TO:<x@elsewhere.example>", "550 5.7.1"); /* local recipients only */
	ASK(&w, "RCPT TO:<bob@example.org>", "250 ");
	ASK(&w, "DATA", "354 ");
	ASK(&w, "From: alice@example.org\r\n\r\nhello\r\n.", "250 2.0.0");
	mx_close(&w);
}
