#include "tests/unit/frontend/smtp/smtp_lib.h"

#include <stdio.h>

#include "common/loop/fiber.h"

#define MESSAGE "Subject: hi\r\n\r\n.\r\n..\r\nbody\r\n"

static WAITS void greet(struct wire *w)
{
	mx_open(w, PORT_25);
	ASK(w, NULL, "220 ");
	ASK(w, "EHLO c.example", "250 ");
}

static WAITS void begin(struct wire *w)
{
	ASK(w, "MAIL FROM:<x@far.example>", "250 ");
	ASK(w, "RCPT TO:<alice@example.org>", "250 ");
}

static WAITS void chunk(struct wire *w, slice_t bytes, const char *last)
{
	char line[64];

	snprintf(line, sizeof line, "BDAT %zu%s\r\n", bytes.n, last);
	wire_send(w, slice_str(line));
	wire_send(w, bytes);
}

/* A message cut at every byte into two chunks arrives as it is; dots are not special. */
TEST_FIBER(bdat_any_cut)
{
	slice_t all = SL(MESSAGE);
	struct wire w;

	greet(&w);
	for (size_t cut = 0; cut <= all.n; cut++) {
		check_note("cut %zu", cut);
		begin(&w);
		chunk(&w, slice_sub(all, 0, cut), "");
		ASK(&w, NULL, "250 2.0.0");
		chunk(&w, slice_from(all, cut), " LAST");
		ASK(&w, NULL, "250 2.0.0");
		CHECK_SLICE(buf_slice(&played.plain), all);
	}
	CHECK_INT(played.messages, all.n + 1);
	mx_close(&w);
}

TEST_FIBER(bdat_pipelined_and_empty_last)
{
	struct wire w;

	greet(&w);
	wire_send(&w, SL("MAIL FROM:<x@far.example>\r\nRCPT TO:<alice@example.org>\r\n"
			 "BDAT 5\r\na: b\rBDAT 5\r\n\n\r\nx\nBDAT 0 LAST\r\nNOOP\r\n"));
	ASK(&w, NULL, "250 2.1.0");
	ASK(&w, NULL, "250 2.1.5");
	ASK(&w, NULL, "250 2.0.0");
	ASK(&w, NULL, "250 2.0.0");
	ASK(&w, NULL, "550 5.6.11"); /* "x\n" at its end */
	ASK(&w, NULL, "250 ");
	mx_close(&w);
}

/* After a failed chunk the others are read over, until RSET (RFC 3030 section 2). */
TEST_FIBER(bdat_after_a_failure)
{
	static const char *const rows[] = {"smtp.message_bytes_max=1k", NULL};
	static const char big[1100] = "Subject: x";
	struct wire w;

	smtp_policy(rows);
	greet(&w);
	begin(&w);
	chunk(&w, slice(big, sizeof big), "");
	ASK(&w, NULL, "552 5.3.4");
	chunk(&w, SL("QUIT\r\n"), "");
	ASK(&w, NULL, "503 5.5.1");
	chunk(&w, SL("QUIT\r\n"), " LAST");
	ASK(&w, NULL, "503 5.5.1");
	ASK(&w, "MAIL FROM:<x@far.example>", "503 5.5.1");
	ASK(&w, "RSET", "250 ");
	begin(&w);
	chunk(&w, SL(MESSAGE), " LAST");
	ASK(&w, NULL, "250 2.0.0");
	CHECK_INT(played.messages, 1);
	mx_close(&w);
}

TEST_FIBER(bdat_out_of_order)
{
	struct wire w;

	greet(&w);
	chunk(&w, SL("QUIT\r\n"), "");
	ASK(&w, NULL, "503 5.5.1");
	ASK(&w, "MAIL FROM:<x@far.example>", "250 ");
	chunk(&w, SL("QUIT\r\n"), " LAST");
	ASK(&w, NULL, "554 5.5.1");
	ASK(&w, "RCPT TO:<alice@example.org>", "250 ");
	chunk(&w, SL("a: b\r\n"), "");
	ASK(&w, NULL, "250 ");
	ASK(&w, "DATA", "503 5.5.1");
	ASK(&w, "RCPT TO:<bob@example.org>", "503 5.5.1");
	ASK(&w, "RSET", "250 ");
	ASK(&w, "BDAT x", "501 5.5.4");
	CHECK(wire_is_closed(&w));
	CHECK(smtp_logged("command=BDAT code=501 reason="));
	CHECK_INT(played.messages, 0);
	mx_close(&w);
}

/* Nobody gets to send us gigabytes that we promised to read over: a session's bytes and one message
 * more, wanted or not. */
TEST_FIBER(bdat_huge)
{
	static const char *const rows[] = {"smtp.message_bytes_max=2k", "smtp.session_bytes_max=4k",
					   NULL};
	char three[3000];
	struct wire w;

	memset(three, 'x', sizeof three);
	smtp_policy(rows);
	greet(&w);
	ASK(&w, "BDAT 6145", "421 4.7.0");
	CHECK(wire_is_closed(&w));
	CHECK(smtp_logged("command=BDAT"));
	mx_close(&w);

	for (int wanted = 0; wanted <= 1; wanted++) {
		smtp_policy(rows);
		greet(&w);
		if (wanted)
			begin(&w);
		for (int i = 0; i < 2; i++) {
			wire_send(&w, SL("BDAT 3000\r\n"));
			wire_send(&w, slice(three, sizeof three));
			ASK(&w, NULL, !wanted ? "503 5.5.1" : i == 0 ? "552 5.3.4" : "503 5.5.1");
		}
		ASK(&w, "BDAT 3000", "421 4.7.0");
		CHECK(wire_is_closed(&w));
		mx_close(&w);
	}
}

TEST_FIBER(bdat_bare_line_ends)
{
	static const struct {
		slice_t in;
		const char *want;
	} cases[] = {
		{SL("a: b\n\r\n"), "550 5.6.11"},   {SL("a: b\rc\r\n"), "550 5.6.11"},
		{SL("a: b\r\n\r"), "550 5.6.11"},   {SL("a: b\r\n\r\n\0\r\n"), "550 5.6.0"},
		{SL("a: b\r\n\r\nno end"), "250 "},
	};
	struct wire w;

	greet(&w);
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		begin(&w);
		chunk(&w, cases[i].in, " LAST");
		ASK(&w, NULL, cases[i].want);
	}
	mx_close(&w);
}

static WAITS void begin_binary(struct wire *w)
{
	ASK(w, "MAIL FROM:<x@far.example> BODY=BINARYMIME", "250 ");
	ASK(w, "RCPT TO:<alice@example.org>", "250 ");
}

/* Any bytes, cut anywhere; but a header is one. */
TEST_FIBER(bdat_binary)
{
	slice_t all = SL("a: b\r\n\r\n\0\r\n.\r\n\n\r\r\xff no end\r");
	struct wire w;

	greet(&w);
	for (size_t cut = 0; cut <= all.n; cut++) {
		check_note("cut %zu", cut);
		begin_binary(&w);
		chunk(&w, slice_sub(all, 0, cut), "");
		ASK(&w, NULL, "250 2.0.0");
		chunk(&w, slice_from(all, cut), " LAST");
		ASK(&w, NULL, "250 2.0.0");
		CHECK_SLICE(buf_slice(&played.plain), all);
		CHECK_INT(played.content, CONTENT_BINARY | CONTENT_8BIT);
	}
	mx_close(&w);
}

TEST_FIBER(bdat_binary_has_a_header)
{
	static const struct {
		slice_t in;
		const char *want;
	} cases[] = {
		{SL("a: b\n\r\n\0"), "550 5.6.11"},
		{SL("a: b\rc\r\n\r\n\0"), "550 5.6.11"},
		{SL("a: \0\r\n\r\n\n"), "550 5.6.0"},
		{SL("a: b\r\n\n\r\n\r\n"), "550 5.6.11"},
		{SL("a: b\r\n\r\r\n\r\n"), "550 5.6.11"},
		{SL("a: b\r"), "550 5.6.11"},
		{SL("\n\0"), "550 5.6.11"},
		{SL("\r\n\0\n"), "250 "},
		{SL("a: b\r\n"), "250 "},
		{SL("a: b\r\n\r\n"), "250 "},
	};
	struct wire w;

	greet(&w);
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		check_note("case %zu", i);
		begin_binary(&w);
		chunk(&w, cases[i].in, " LAST");
		ASK(&w, NULL, cases[i].want);
	}
	mx_close(&w);
}

/* RFC 3030 section 3; and what was allowed for one message is not for the next. */
TEST_FIBER(bdat_binary_alone)
{
	struct wire w;

	greet(&w);
	begin_binary(&w);
	ASK(&w, "DATA", "503 5.5.1");
	chunk(&w, SL("a: b\r\n\r\n\n"), " LAST");
	ASK(&w, NULL, "250 ");
	begin(&w);
	chunk(&w, SL("a: b\r\n\r\n\n"), " LAST");
	ASK(&w, NULL, "550 5.6.11");
	begin_binary(&w);
	ASK(&w, "RSET", "250 ");
	begin(&w);
	ASK(&w, "DATA", "354 ");
	ASK(&w, "a: b\r\n\r\nx\ny\r\n.", "550 5.6.11");
	mx_close(&w);
}
