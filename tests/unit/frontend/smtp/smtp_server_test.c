#include "tests/unit/frontend/smtp/smtp_lib.h"

#include <stdio.h>

#include "common/loop/fiber.h"

#define MESSAGE "Subject: hi\r\nFrom: x@far.example\r\n\r\nbody\r\n"

static WAITS void begin(struct wire *w)
{
	ASK(w, "MAIL FROM:<x@far.example>", "250 2.1.0");
	ASK(w, "RCPT TO:<alice@example.org>", "250 2.1.5");
}

TEST_FIBER(smtp_one_message)
{
	struct wire w;

	mx_open(&w, PORT_25);
	ASK(&w, NULL, "220 mx.example.org ESMTP");
	ASK(&w, "EHLO client.example", "250 ENHANCEDSTATUSCODES");
	begin(&w);
	ASK(&w, "DATA", "354 ");
	ASK(&w, MESSAGE "..dot\r\n.", "250 2.0.0");
	CHECK_SLICE(buf_slice(&played.plain), SL(MESSAGE ".dot\r\n"));
	CHECK_INT(played.owner[0].committed, 1);
	CHECK_INT(played.owner[0].recipients, 1);
	CHECK_STR(played.sender, "x@far.example");
	CHECK(strstr(played.prefix, "Received: from client.example ([127.0.0.1])\r\n\tby "
				    "mx.example.org with ESMTP id ") == played.prefix);
	CHECK(strstr(played.prefix, "\r\n\tfor <alice@example.org>;") != NULL);
	CHECK(smtp_logged("smtp.message "));
	ASK(&w, "QUIT", "221 2.0.0");
	CHECK(wire_is_closed(&w));
	CHECK(smtp_logged("reason=quit"));
	mx_close(&w);
}

TEST_FIBER(smtp_says_nothing_of_itself)
{
	struct wire w;

	mx_open(&w, PORT_25);
	ASK(&w, NULL, "220 mx.example.org ESMTP");
	CHECK_STR(w.line, "220 mx.example.org ESMTP");
	ASK(&w, "HELO c", "250 mx.example.org");
	ASK(&w, "VRFY alice", "252 2.5.2");
	ASK(&w, "VRFY nobody", "252 2.5.2");
	ASK(&w, "EXPN staff", "502 5.5.1");
	ASK(&w, "HELP", "214 2.0.0");
	ASK(&w, "AUTH PLAIN AGFsaWNlAHNlY3JldA==", "502 5.5.1");
	CHECK(!smtp_logged("AGFsaWNl"));
	mx_close(&w);
}

TEST_FIBER(smtp_sequence)
{
	struct wire w;

	mx_open(&w, PORT_25);
	ASK(&w, NULL, "220 ");
	ASK(&w, "MAIL FROM:<x@far.example>", "503 5.5.1");
	ASK(&w, "STARTTLS", "503 5.5.1");
	ASK(&w, "RSET", "250 ");
	ASK(&w, "EHLO", "501 5.5.4");
	ASK(&w, "EHLO c.example", "250 ");
	ASK(&w, "RCPT TO:<alice@example.org>", "503 5.5.1");
	ASK(&w, "DATA", "503 5.5.1");
	ASK(&w, "MAIL FROM:<x@far.example>", "250 ");
	ASK(&w, "DATA", "554 5.5.1");
	ASK(&w, "MAIL FROM:<x@far.example>", "503 5.5.1");
	ASK(&w, "RCPT TO:<alice@example.org>", "250 ");
	ASK(&w, "DATA now", "501 5.5.4");
	ASK(&w, "RSET", "250 ");
	ASK(&w, "RCPT TO:<alice@example.org>", "503 5.5.1");
	begin(&w);
	ASK(&w, "EHLO c.example", "250 ");
	ASK(&w, "RCPT TO:<alice@example.org>", "503 5.5.1");
	ASK(&w, "FROBNICATE", "500 5.5.2");
	CHECK_INT(played.messages, 0);
	mx_close(&w);
}

TEST_FIBER(smtp_refused_addresses)
{
	struct wire w;

	mx_open(&w, PORT_25);
	ASK(&w, NULL, "220 ");
	ASK(&w, "EHLO c.example", "250 ");
	ASK(&w, "MAIL FROM:<boss@example.org>", "550 5.7.1");
	ASK(&w, "MAIL FROM:<boss@EXAMPLE.org>", "550 5.7.1");
	ASK(&w, "MAIL FROM:<x@far.example> SIZE=999999999999", "552 5.3.4");
	ASK(&w, "MAIL FROM:<>", "250 ");
	ASK(&w, "RCPT TO:<nobody@example.org>", "550 5.1.1");
	ASK(&w, "RCPT TO:<user@else.example>", "550 5.7.1");
	ASK(&w, "RCPT TO:<user%else.example@else.example>", "550 5.7.1");
	ASK(&w, "RCPT TO:<full@example.org>", "452 4.2.2");
	ASK(&w, "RCPT TO:<many@example.org>", "550 5.2.4");
	ASK(&w, "RCPT TO:<slow@example.org>", "451 4.3.2");
	ASK(&w, "RCPT TO:<postmaster>", "250 2.1.5");
	played.away = true;
	ASK(&w, "RCPT TO:<alice@example.org>", "451 4.3.2");
	mx_close(&w);
}

static WAITS void send_from(struct wire *w, const char *from, const char *want)
{
	char text[512];

	begin(w);
	ASK(w, "DATA", "354 ");
	snprintf(text, sizeof text, "From: %s\r\nSubject: x\r\n\r\nbody\r\n.", from);
	ASK(w, text, want);
}

TEST_FIBER(smtp_own_domain_in_from)
{
	struct wire w;

	mx_open(&w, PORT_25);
	ASK(&w, NULL, "220 ");
	ASK(&w, "EHLO c.example", "250 ");
	send_from(&w, "\"The boss\" <boss@example.org>", "550 5.7.1");
	send_from(&w, "x@far.example, boss@Example.ORG", "550 5.7.1");
	send_from(&w, "\"boss@example.org\" <x@far.example>", "250 ");
	send_from(&w, "x@far.example\r\nFrom: boss@example.org", "550 5.7.1");
	send_from(&w, "x@far.example\r\nSender: boss@example.org", "550 5.7.1");
	/* A field that is not closed hides no other; nor do names and domains as
	 * readers take them. */
	send_from(&w, "\"x\r\nFrom: boss@example.org", "550 5.7.1");
	send_from(&w, "(x\r\nFrom: boss@example.org", "550 5.7.1");
	send_from(&w, "x:\r\nSender: boss@example.org", "550 5.7.1");
	send_from(&w, "x@far.example\r\nFrom                   : boss@example.org", "550 5.7.1");
	send_from(&w, "Boss <boss@example.org.>", "550 5.7.1");
	send_from(&w, "Boss <boss@example.org", "550 5.7.1");
	send_from(&w, "Boss <boss@(x)example . org>", "550 5.7.1");
	send_from(&w,
		  "Boss <boss-boss-boss-boss-boss-boss-boss-boss-boss-boss-boss-boss-boss-boss"
		  "@example.org>",
		  "550 5.7.1");
	CHECK_INT(played.messages, 1);
	CHECK_INT(played.owner[0].begun, 1); /* the refused ones never left */
	mx_close(&w);
}

/* An address of ours behind more than are looked at. */
TEST_FIBER(smtp_too_many_in_from)
{
	char from[2048] = "a0@far.example";
	struct wire w;

	mx_open(&w, PORT_25);
	ASK(&w, NULL, "220 ");
	ASK(&w, "EHLO c.example", "250 ");
	for (int i = 1; i < 64; i++)
		snprintf(from + strlen(from), sizeof from - strlen(from), ",\r\n a%d@far.example",
			 i);
	begin(&w);
	ASK(&w, "DATA", "354 ");
	wire_send(&w, SL("From: "));
	wire_send(&w, slice_str(from));
	ASK(&w, "\r\n\r\n.", "250 ");
	begin(&w);
	ASK(&w, "DATA", "354 ");
	wire_send(&w, SL("From: "));
	wire_send(&w, slice_str(from));
	ASK(&w, ", boss@example.org\r\n\r\n.", "550 5.6.0");
	mx_close(&w);
}

TEST_FIBER(smtp_own_domain_allowed_by_policy)
{
	static const char *const rows[] = {"smtp.local_sender_check=false", NULL};
	struct wire w;

	smtp_policy(rows);
	mx_open(&w, PORT_25);
	ASK(&w, NULL, "220 ");
	ASK(&w, "EHLO c.example", "250 ");
	send_from(&w, "boss@example.org", "250 ");
	ASK(&w, "MAIL FROM:<boss@example.org>", "250 ");
	CHECK_INT(played.sender_checks, 0);
	mx_close(&w);
}

TEST_FIBER(smtp_several_owners)
{
	struct wire w;

	mx_open(&w, PORT_25);
	ASK(&w, NULL, "220 ");
	ASK(&w, "EHLO c.example", "250 ");
	begin(&w);
	ASK(&w, "RCPT TO:<bob@example.org>", "250 ");
	ASK(&w, "RCPT TO:<carol@example.org>", "250 ");
	ASK(&w, "RCPT TO:<dave@example.org>", "250 ");
	ASK(&w, "DATA", "354 ");
	ASK(&w, MESSAGE ".", "250 2.0.0");
	CHECK_INT(played.owner[0].recipients, 2);
	CHECK_INT(played.owner[0].others, 2);
	CHECK_INT(played.owner[1].committed, 1);
	CHECK_INT(played.owner[2].committed, 1);
	CHECK_INT(played.owner[1].others, 0);
	CHECK(!played.owner[0].follows && played.owner[1].follows && played.owner[2].follows);
	ASK(&w, "NOOP", "250 ");
	CHECK_INT(played.owner[1].settled, 1);
	CHECK_INT(played.owner[2].settled, 1);
	CHECK_INT(played.owner[0].settled, 0);
	CHECK(strstr(played.prefix, "for <") == NULL);
	mx_close(&w);
}

TEST_FIBER(smtp_group_in_several_partitions)
{
	struct wire w;

	mx_open(&w, PORT_25);
	ASK(&w, NULL, "220 ");
	ASK(&w, "EHLO c.example", "250 ");
	ASK(&w, "MAIL FROM:<x@far.example>", "250 ");
	ASK(&w, "RCPT TO:<group@example.net>", "250 ");
	ASK(&w, "DATA", "354 ");
	ASK(&w, MESSAGE ".", "250 2.0.0");
	for (int i = 0; i < 3; i++)
		CHECK_INT(played.owner[i].committed, 1);
	mx_close(&w);
}

/* An owner that cannot take its part leaves it to the lead's queue; the first healthy one leads. */
TEST_FIBER(smtp_owner_fails)
{
	struct wire w;

	mx_open(&w, PORT_25);
	ASK(&w, NULL, "220 ");
	ASK(&w, "EHLO c.example", "250 ");
	played.begin[0] = E_RETRY;
	played.commit[2] = E_RETRY;
	begin(&w);
	ASK(&w, "RCPT TO:<carol@example.org>", "250 ");
	ASK(&w, "RCPT TO:<dave@example.org>", "250 ");
	ASK(&w, "DATA", "354 ");
	ASK(&w, MESSAGE ".", "250 2.0.0");
	ASK(&w, "NOOP", "250 ");
	CHECK_INT(played.owner[0].committed, 0);
	CHECK_INT(played.owner[1].committed, 1);
	CHECK_INT(played.owner[1].others, 2);
	CHECK(!played.owner[1].follows);
	CHECK_INT(played.owner[2].committed, 0);
	CHECK_INT(played.owner[2].settled, 0);
	CHECK_INT(played.owner[2].aborted, 1);
	mx_close(&w);
}

TEST_FIBER(smtp_commit_fails)
{
	static const struct {
		enum err commit, result;
		const char *want;
	} cases[] = {
		{E_RETRY, E_OK, "451 4.3.2"},     {E_BUSY, E_OK, "451 4.3.2"},
		{E_TOO_BIG, E_OK, "552 5.3.4"},   {E_OK, E_QUOTA, "452 4.2.2"},
		{E_OK, E_NOT_FOUND, "550 5.1.1"}, {E_INTERNAL, E_OK, "451 4.3.0"},
		{E_OK, E_OK, "250 2.0.0"},
	};
	struct wire w;

	mx_open(&w, PORT_25);
	ASK(&w, NULL, "220 ");
	ASK(&w, "EHLO c.example", "250 ");
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		check_note("case %zu", i);
		played.commit[0] = cases[i].commit;
		played.result[0] = cases[i].result;
		begin(&w);
		ASK(&w, "DATA", "354 ");
		ASK(&w, MESSAGE ".", cases[i].want);
	}
	mx_close(&w);
}

/* What an owner refuses beside what it took is the queue's; when it took nothing the client hears
 * of it, of a passing failure before a lasting one. */
TEST_FIBER(smtp_some_are_refused)
{
	static const struct {
		enum err one, two;
		const char *want;
	} cases[] = {
		{E_OK, E_QUOTA, "250 2.0.0"},         {E_NOT_FOUND, E_OK, "250 2.0.0"},
		{E_QUOTA, E_NOT_FOUND, "452 4.2.2"},  {E_NOT_FOUND, E_QUOTA, "452 4.2.2"},
		{E_NOT_FOUND, E_DENIED, "550 5.1.1"},
	};
	struct wire w;

	mx_open(&w, PORT_25);
	ASK(&w, NULL, "220 ");
	ASK(&w, "EHLO c.example", "250 ");
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		check_note("case %zu", i);
		played.each[0][0] = cases[i].one;
		played.each[0][1] = cases[i].two;
		begin(&w);
		ASK(&w, "RCPT TO:<bob@example.org>", "250 ");
		ASK(&w, "DATA", "354 ");
		ASK(&w, MESSAGE ".", cases[i].want);
	}
	CHECK(smtp_logged("smtp.not_delivered"));
	/* The lead has others' recipients in its queue whatever becomes of its own; an owner that
	 * refused one leaves all of them there. */
	begin(&w);
	ASK(&w, "RCPT TO:<bob@example.org>", "250 ");
	ASK(&w, "RCPT TO:<carol@example.org>", "250 ");
	ASK(&w, "RCPT TO:<dave@example.org>", "250 ");
	played.each[2][0] = E_QUOTA;
	ASK(&w, "DATA", "354 ");
	ASK(&w, MESSAGE ".", "250 2.0.0");
	ASK(&w, "NOOP", "250 ");
	CHECK_INT(played.owner[1].settled, 1);
	CHECK_INT(played.owner[2].committed, 1);
	CHECK_INT(played.owner[2].settled, 0);
	mx_close(&w);
}

/* What would not fit any more is told before it is sent. */
TEST_FIBER(smtp_session_size)
{
	static const char *const rows[] = {"smtp.message_bytes_max=2k", "smtp.session_bytes_max=1k",
					   NULL};
	struct wire w;

	smtp_policy(rows);
	mx_open(&w, PORT_25);
	ASK(&w, NULL, "220 ");
	ASK(&w, "EHLO c.example", "250 ");
	ASK(&w, "MAIL FROM:<x@far.example> SIZE=2048", "250 ");
	ASK(&w, "RSET", "250 ");
	begin(&w);
	ASK(&w, "DATA", "354 ");
	ASK(&w, MESSAGE ".", "250 2.0.0");
	ASK(&w, "MAIL FROM:<x@far.example> SIZE=900", "250 ");
	ASK(&w, "RSET", "250 ");
	ASK(&w, "MAIL FROM:<x@far.example>", "250 ");
	ASK(&w, "RSET", "250 ");
	ASK(&w, "MAIL FROM:<x@far.example> SIZE=1024", "421 4.7.0");
	mx_close(&w);
}

TEST_FIBER(smtp_size_limits)
{
	static const char *const rows[] = {"smtp.message_bytes_max=2k", "smtp.session_bytes_max=4k",
					   NULL};
	struct wire w;
	struct buf b;

	smtp_policy(rows);
	mx_open(&w, PORT_25);
	ASK(&w, NULL, "220 ");
	ASK(&w, "EHLO c.example", "250 ");
	ASK(&w, "MAIL FROM:<x@far.example> SIZE=2049", "552 5.3.4");
	begin(&w);
	ASK(&w, "DATA", "354 ");
	buf_init(&b, 8192, NULL);
	while (b.n < 2100)
		buf_puts(&b, "0123456789\r\n");
	buf_puts(&b, ".");
	buf_putc(&b, '\0');
	ASK(&w, b.p, "552 5.3.4");
	buf_fini(&b);
	begin(&w);
	ASK(&w, "DATA", "354 ");
	ASK(&w, MESSAGE ".", "250 2.0.0");
	/* One that does not end is not read for ever. */
	begin(&w);
	ASK(&w, "DATA", "354 ");
	buf_init(&b, 8192, NULL);
	while (b.n < 6100)
		buf_puts(&b, "0123456789\r\n");
	wire_send(&w, buf_slice(&b));
	ASK(&w, NULL, "421 4.7.0");
	CHECK(wire_is_closed(&w));
	CHECK(smtp_logged("command=DATA code=421"));
	buf_fini(&b);
	mx_close(&w);

	smtp_policy(rows);
	mx_open(&w, PORT_25);
	ASK(&w, NULL, "220 ");
	ASK(&w, "EHLO c.example", "250 ");
	smtp_session()->bytes = 4096;
	ASK(&w, "MAIL FROM:<x@far.example>", "421 4.7.0");
	CHECK(wire_is_closed(&w));
	mx_close(&w);
}

TEST_FIBER(smtp_count_limits)
{
	static const char *const rows[] = {"smtp.messages_max=2", "smtp.recipients_max=2",
					   "smtp.errors_max=3", NULL};
	struct wire w;

	smtp_policy(rows);
	mx_open(&w, PORT_25);
	ASK(&w, NULL, "220 ");
	ASK(&w, "EHLO c.example", "250 ");
	begin(&w);
	ASK(&w, "RCPT TO:<bob@example.org>", "250 ");
	ASK(&w, "RCPT TO:<carol@example.org>", "452 4.5.3");
	ASK(&w, "RSET", "250 ");
	begin(&w);
	ASK(&w, "RSET", "250 ");
	ASK(&w, "MAIL FROM:<x@far.example>", "421 4.7.0");
	CHECK(wire_is_closed(&w));
	mx_close(&w);

	smtp_policy(rows);
	mx_open(&w, PORT_25);
	ASK(&w, NULL, "220 ");
	for (int i = 0; i < 3; i++)
		ASK(&w, "NONSENSE", "500 5.5.2");
	ASK(&w, "NONSENSE", "421 4.7.0");
	CHECK(wire_is_closed(&w));
	CHECK(smtp_logged("smtp.too_many_errors"));
	mx_close(&w);
}

TEST_FIBER(smtp_idle_commands_end)
{
	struct wire w;

	mx_open(&w, PORT_25);
	ASK(&w, NULL, "220 ");
	for (int i = 0; i < SMTP_FREE_MAX; i++)
		ASK(&w, "NOOP", "250 ");
	ASK(&w, "NOOP", "421 ");
	mx_close(&w);
}

TEST_FIBER(smtp_timeout)
{
	static const char *const rows[] = {"smtp.command_timeout=1s", NULL};
	struct wire w;

	smtp_policy(rows);
	mx_open(&w, PORT_25);
	ASK(&w, NULL, "220 ");
	ASK(&w, NULL, "421 4.4.2");
	CHECK(wire_is_closed(&w));
	CHECK(smtp_logged("reason=\"Waited too long\""));
	mx_close(&w);
}

TEST_FIBER(smtp_guessing)
{
	struct wire w;
	int64_t started;

	mx_open(&w, PORT_25);
	ASK(&w, NULL, "220 ");
	ASK(&w, "EHLO c.example", "250 ");
	ASK(&w, "MAIL FROM:<>", "250 ");
	for (int i = 0; i < SMTP_UNKNOWN_FREE; i++)
		ASK(&w, "RCPT TO:<nobody@example.org>", "550 5.1.1");
	started = deadline_in(0);
	ASK(&w, "RCPT TO:<nobody@example.org>", "550 5.1.1");
	CHECK(deadline_in(0) - started >= SMTP_UNKNOWN_DELAY_MS);
	smtp_session()->unknown = SMTP_UNKNOWN_MAX;
	ASK(&w, "RCPT TO:<nobody@example.org>", "421 4.7.0");
	CHECK(wire_is_closed(&w));
	CHECK(smtp_logged("smtp.guessing"));
	mx_close(&w);
}

/* Who asks for the same full or unknown mailbox over and over. */
TEST_FIBER(smtp_refused_over_and_over)
{
	struct wire w;

	mx_open(&w, PORT_25);
	ASK(&w, NULL, "220 ");
	ASK(&w, "EHLO c.example", "250 ");
	ASK(&w, "MAIL FROM:<>", "250 ");
	for (int i = 0; i < SMTP_RCPTS_REFUSED_MAX; i++)
		ASK(&w, "RCPT TO:<full@example.org>", "452 4.2.2");
	ASK(&w, "RCPT TO:<full@example.org>", "421 4.7.0");
	CHECK(wire_is_closed(&w));
	CHECK(smtp_logged("reason=\"Mailbox full\""));
	mx_close(&w);
}

TEST_FIBER(smtp_early_talkers)
{
	struct wire w;

	mx_open(&w, PORT_25);
	wire_send(&w, SL("EHLO c.example\r\n"));
	ASK(&w, NULL, "554 5.5.0");
	CHECK(wire_is_closed(&w));
	CHECK(smtp_logged("smtp.early_talker"));
	mx_close(&w);

	mx_open(&w, PORT_25);
	ASK(&w, NULL, "220 ");
	ASK(&w, "EHLO c.example\r\nMAIL FROM:<x@far.example>", "503 5.5.0");
	CHECK(wire_is_closed(&w));
	mx_close(&w);

	mx_open(&w, PORT_25);
	ASK(&w, NULL, "220 ");
	ASK(&w, "EHLO c.example", "250 ");
	begin(&w);
	ASK(&w, "DATA\r\nSubject: too soon\r\n\r\n.", "503 5.5.0");
	CHECK(wire_is_closed(&w));
	CHECK_INT(played.messages, 0);
	mx_close(&w);
}

TEST_FIBER(smtp_pipelining)
{
	struct wire w;

	mx_open(&w, PORT_25);
	ASK(&w, NULL, "220 ");
	ASK(&w, "EHLO c.example", "250 ");
	ASK(&w,
	    "MAIL FROM:<x@far.example>\r\nRCPT TO:<alice@example.org>\r\n"
	    "RCPT TO:<nobody@example.org>\r\nRCPT TO:<bob@example.org>\r\nDATA",
	    "250 2.1.0");
	ASK(&w, NULL, "250 2.1.5");
	ASK(&w, NULL, "550 5.1.1");
	ASK(&w, NULL, "250 2.1.5");
	ASK(&w, NULL, "354 ");
	ASK(&w, MESSAGE ".\r\nMAIL FROM:<y@far.example>", "250 2.0.0");
	ASK(&w, NULL, "250 2.1.0");
	CHECK_INT(played.owner[0].recipients, 2);
	mx_close(&w);
}

TEST_FIBER(smtp_bad_lines)
{
	struct wire w;
	char line[SMTP_LINE_MAX + 10];

	mx_open(&w, PORT_25);
	ASK(&w, NULL, "220 ");
	ASK(&w, "NOOP\nNOOP", "500 5.5.2");
	ASK(&w, NULL, "250 ");
	ASK(&w, "NO\rOP", "500 5.5.2");
	memset(line, 'x', sizeof line);
	memcpy(line, "NOOP ", 5);
	line[SMTP_LINE_MAX] = '\0';
	ASK(&w, line, "250 ");
	line[SMTP_LINE_MAX] = 'x';
	line[SMTP_LINE_MAX + 1] = '\0';
	ASK(&w, line, "500 5.5.2");
	ASK(&w, "EHLO a b", "501 5.5.4");
	CHECK(smtp_logged("command=EHLO code=501 reason=\"Syntax error in arguments\""));
	mx_close(&w);
}

/* RFC 5321 section 4.5.3.1.6 asks for 998 bytes; there is no limit but the message's. */
TEST_FIBER(smtp_long_text_lines)
{
	struct wire w;
	struct buf b;

	mx_open(&w, PORT_25);
	ASK(&w, NULL, "220 ");
	ASK(&w, "EHLO c.example", "250 ");
	begin(&w);
	ASK(&w, "DATA", "354 ");
	buf_init(&b, 300000, NULL);
	buf_puts(&b, "Subject: ");
	for (unsigned i = 0; i < 100000; i++)
		buf_putc(&b, 'x');
	buf_puts(&b, "\r\n\r\n");
	for (unsigned i = 0; i < 100000; i++)
		buf_putc(&b, '.');
	buf_puts(&b, "\r\n");
	wire_send(&w, buf_slice(&b));
	ASK(&w, ".", "250 2.0.0");
	CHECK_INT(played.plain.n, b.n - 1); /* without the dot that was stuffed */
	buf_fini(&b);
	mx_close(&w);
}

TEST_FIBER(smtp_folded_beginning)
{
	struct wire w;

	mx_open(&w, PORT_25);
	ASK(&w, NULL, "220 ");
	ASK(&w, "EHLO c.example", "250 ");
	begin(&w);
	ASK(&w, "DATA", "354 ");
	ASK(&w, " with more words of the trace field\r\n\r\n.", "550 5.6.0");
	CHECK(smtp_logged("reason=\"The header begins with a folded line\""));
	begin(&w);
	ASK(&w, "DATA", "354 ");
	ASK(&w, "\r\n a body\r\n.", "250 ");
	mx_close(&w);
}

TEST_FIBER(smtp_loops)
{
	static const char *const rows[] = {"smtp.hops_max=3", NULL};
	struct wire w;

	smtp_policy(rows);
	mx_open(&w, PORT_25);
	ASK(&w, NULL, "220 ");
	ASK(&w, "EHLO c.example", "250 ");
	begin(&w);
	ASK(&w, "DATA", "354 ");
	ASK(&w, "Received: 1\r\nReceived: 2\r\nReceived: 3\r\n\r\n.", "250 ");
	begin(&w);
	ASK(&w, "DATA", "354 ");
	ASK(&w, "Received: 1\r\nReceived: 2\r\nReceived: 3\r\nReceived: 4\r\n\r\n.", "554 5.4.6");
	mx_close(&w);
}

TEST_FIBER(smtp_large_message)
{
	struct buf b;
	struct wire w;

	mx_open(&w, PORT_25);
	ASK(&w, NULL, "220 ");
	ASK(&w, "EHLO c.example", "250 ");
	begin(&w);
	ASK(&w, "DATA", "354 ");
	buf_init(&b, 1 << 20, NULL);
	buf_puts(&b, "Subject: big\r\n\r\n");
	for (unsigned i = 0; b.n < 400000; i++)
		buf_printf(&b, "line %u %u\r\n", i, i * 2654435761u);
	wire_send(&w, buf_slice(&b));
	ASK(&w, ".", "250 2.0.0");
	CHECK_SLICE(buf_slice(&played.plain), buf_slice(&b));
	played.stored_max = 1000;
	begin(&w);
	ASK(&w, "DATA", "354 ");
	wire_send(&w, buf_slice(&b));
	ASK(&w, ".", "552 5.3.4");
	buf_fini(&b);
	ASK(&w, "NOOP", "250 ");
	mx_close(&w);
}

TEST_FIBER(smtp_lost_in_data)
{
	struct wire w;

	mx_open(&w, PORT_25);
	ASK(&w, NULL, "220 ");
	ASK(&w, "EHLO c.example", "250 ");
	begin(&w);
	ASK(&w, "DATA", "354 ");
	wire_send(&w, SL("Subject: half\r\n\r\nbo"));
	stream_close(&w.client, CLOSE_DONE);
	while (session_count() > 0)
		fiber_yield();
	CHECK_INT(played.messages, 0);
	CHECK(smtp_logged("reason=\"client closed\""));
	mx_close(&w);
}

TEST_FIBER(smtp_dsn_reaches_the_owner)
{
	struct wire w;

	mx_open(&w, PORT_25);
	ASK(&w, NULL, "220 ");
	ASK(&w, "EHLO c.example", "250 ");
	ASK(&w, "MAIL FROM:<x@far.example> RET=HDRS ENVID=abc", "250 ");
	ASK(&w, "RCPT TO:<alice@example.org> NOTIFY=SUCCESS ORCPT=rfc822;al+2Bice@example.org",
	    "250 ");
	ASK(&w, "DATA", "354 ");
	ASK(&w, MESSAGE ".", "250 ");
	CHECK_INT(played.ret, RET_HDRS);
	CHECK_STR(played.envid, "abc");
	CHECK_INT(played.notify, NOTIFY_SUCCESS);
	CHECK_STR(played.orcpt, "rfc822;al+ice@example.org");
	mx_close(&w);
}

/* A session that is ended gets its last words, also in the middle of a message. */
TEST_FIBER(smtp_killed)
{
	struct wire w;

	mx_open(&w, PORT_25);
	ASK(&w, NULL, "220 ");
	ASK(&w, "EHLO c.example", "250 ");
	begin(&w);
	ASK(&w, "DATA", "354 ");
	wire_send(&w, SL("Subject: half\r\n"));
	fiber_yield();
	session_end(&smtp_session()->base, "killed");
	ASK(&w, NULL, "421 4.3.2");
	CHECK(wire_is_closed(&w));
	CHECK(smtp_logged("reason=killed"));
	mx_close(&w);
}
