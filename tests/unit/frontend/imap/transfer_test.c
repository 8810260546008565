/* FETCH and APPEND of whole conversations. */
#include <stdio.h>

#include "common/loop/fiber.h"
#include "common/record/record.h"
#include "frontend/imap/imap_fetch.h"
#include "tests/unit/frontend/imap/imap_lib.h"

static const char small[] =
	"From: A <a@b.c>\r\nSubject: Hi\r\nX-Foo: 1\r\nDate: Sat, 1 Jan 2000 00:00:00 +0000\r\n\r\n"
	"Hello\r\n";

TEST_FIBER(fetch_columns)
{
	struct wire w;

	imap_play();
	(void)played_add("INBOX", small);
	(void)played_add("INBOX", small);
	conv_select(&w, "INBOX");
	SAY(&w, "FETCH 1 (UID RFC822.SIZE INTERNALDATE)",
	    "* 1 FETCH (UID 1 RFC822.SIZE 107 INTERNALDATE \"09-Sep-2001 01:46:41 +0000\")\n"
	    "x OK Done");
	SAY(&w, "UID FETCH 2 FLAGS", "* 2 FETCH (UID 2 FLAGS (\\Recent))\nx OK Done");
	SAY(&w, "FETCH 1 ENVELOPE",
	    "* 1 FETCH (ENVELOPE (\"Sat, 1 Jan 2000 00:00:00 +0000\" \"Hi\" "
	    "((\"A\" NIL \"a\" \"b.c\")) ((\"A\" NIL \"a\" \"b.c\")) ((\"A\" NIL \"a\" \"b.c\")) "
	    "NIL NIL NIL NIL NIL))\nx OK Done");
	SAY(&w, "FETCH 1 (BODY BODYSTRUCTURE)",
	    "* 1 FETCH (BODY (\"TEXT\" \"PLAIN\" (\"CHARSET\" \"US-ASCII\") NIL NIL \"7BIT\" 7 1) "
	    "BODYSTRUCTURE (\"TEXT\" \"PLAIN\" (\"CHARSET\" \"US-ASCII\") NIL NIL \"7BIT\" 7 1 "
	    "NIL NIL NIL NIL))\nx OK Done");
	SAY(&w, "FETCH 3 FLAGS", "x BAD No such message");
	SAY(&w, "UID FETCH 3:9 FLAGS", "x OK Done");
	SAY(&w, "FETCH 1 FOO", "x BAD Messages and items expected");
	CHECK_INT(played.reads, 0);
	conv_close(&w);
	imap_played_end();
}

/* A text from the store that cannot be what it should be is not passed on. */
TEST_FIBER(fetch_columns_that_lie)
{
	struct wire w;
	struct played_message *m;

	imap_play();
	m = played_add("INBOX", small);
	m->summary.envelope = SL("(NIL)\r\n* 1 EXPUNGE");
	m->summary.bodystructure = SL("((((");
	conv_select(&w, "INBOX");
	SAY(&w, "FETCH 1 (ENVELOPE)",
	    "* 1 FETCH (ENVELOPE (NIL NIL NIL NIL NIL NIL NIL NIL NIL NIL))\nx OK Done");
	SAY(&w, "FETCH 1 (BODY)",
	    "* 1 FETCH (BODY (\"APPLICATION\" \"OCTET-STREAM\" NIL NIL NIL \"BINARY\" 0))\n"
	    "x OK Done");
	m->summary.parts[0].body_end = 1u << 30;
	SAY(&w, "FETCH 1 BODY.PEEK[TEXT]", "x NO [CORRUPTION] Stored data cannot be read");
	conv_close(&w);
	imap_played_end();
}

TEST_FIBER(fetch_fields)
{
	struct wire w;

	imap_play();
	(void)played_add("INBOX", small);
	played_add("INBOX", small)->fields_cut = true;
	conv_select(&w, "INBOX");
	SAY(&w, "FETCH 1 BODY.PEEK[HEADER.FIELDS (subject from)]",
	    "* 1 FETCH (BODY[HEADER.FIELDS (subject from)] {32}\n"
	    "From: A <a@b.c>\nSubject: Hi\n\n)\nx OK Done");
	CHECK_INT(played.reads, 0);
	/* What the store did not keep is read. */
	SAY(&w, "FETCH 2 BODY.PEEK[HEADER.FIELDS (subject from)]",
	    "* 2 FETCH (BODY[HEADER.FIELDS (subject from)] {32}\n"
	    "From: A <a@b.c>\nSubject: Hi\n\n)\nx OK Done");
	CHECK_INT(played.reads, 1);
	SAY(&w, "FETCH 1 BODY.PEEK[HEADER.FIELDS (X-Foo Return-Path)]",
	    "* 1 FETCH (BODY[HEADER.FIELDS (X-Foo Return-Path)] {32}\n"
	    "Return-Path: <s@x>\nX-Foo: 1\n\n)\nx OK Done");
	CHECK_INT(played.read_to, RECORD_BLOCK);
	SAY(&w, "FETCH 1 BODY.PEEK[HEADER.FIELDS (Nothing)]",
	    "* 1 FETCH (BODY[HEADER.FIELDS (Nothing)] {2}\n\n)\nx OK Done");
	SAY(&w, "FETCH 1 BODY.PEEK[HEADER.FIELDS (Subject)]<9.2>",
	    "* 1 FETCH (BODY[HEADER.FIELDS (Subject)]<9> {2}\nHi)\nx OK Done");
	conv_close(&w);
	imap_played_end();
}

TEST_FIBER(fetch_seen)
{
	struct wire w, v;

	imap_play();
	(void)played_add("INBOX", "A: b\r\n\r\nHi\r\n");
	played_add("INBOX", "A: b\r\n\r\nHi\r\n")->flags = MESSAGE_SEEN;
	conv_select(&w, "INBOX");
	conv_select(&v, "INBOX");
	SAY(&w, "FETCH 1:2 BODY.PEEK[TEXT]",
	    "* 1 FETCH (BODY[TEXT] {4}\nHi\n)\n* 2 FETCH (BODY[TEXT] {4}\nHi\n)\nx OK Done");
	CHECK_INT(played.stores, 0);
	/* One call for all, and FLAGS only where they changed. */
	SAY(&w, "FETCH 1:2 BODY[TEXT]",
	    "* 1 FETCH (FLAGS (\\Seen \\Recent) BODY[TEXT] {4}\nHi\n)\n"
	    "* 2 FETCH (BODY[TEXT] {4}\nHi\n)\nx OK Done");
	CHECK_INT(played.stores, 1);
	SAY(&w, "NOOP", "x OK Done");
	SAY(&v, "NOOP", "* 1 FETCH (UID 1 FLAGS (\\Seen))\nx OK Done");
	CHECK(slice_ends(slice_str(conv_say(&v, "EXAMINE INBOX")),
			 SL("\nx OK [READ-ONLY] Selected")));
	SAY(&v, "FETCH 1 RFC822.TEXT", "* 1 FETCH (RFC822.TEXT {4}\nHi\n)\nx OK Done");
	CHECK_INT(played.stores, 1);
	conv_close(&w);
	conv_close(&v);
	imap_played_end();
}

TEST_FIBER(fetch_bytes)
{
	struct wire w;

	imap_play();
	(void)played_add("INBOX", "A: b\r\n\r\nHi\r\n");
	conv_select(&w, "INBOX");
	SAY(&w, "FETCH 1 (BODY.PEEK[] RFC822.SIZE)",
	    "* 1 FETCH (RFC822.SIZE 32 BODY[] {32}\nReturn-Path: <s@x>\nA: b\n\nHi\n)\nx OK Done");
	SAY(&w, "FETCH 1 BODY.PEEK[]<16.12>",
	    "* 1 FETCH (BODY[]<16> {12}\nx>\nA: b\n\n)\nx OK Done");
	SAY(&w, "FETCH 1 BODY.PEEK[]<100.12>", "* 1 FETCH (BODY[]<100> {0}\n)\nx OK Done");
	SAY(&w, "FETCH 1 (BODY.PEEK[HEADER] BODY.PEEK[TEXT])",
	    "* 1 FETCH (BODY[HEADER] {28}\nReturn-Path: <s@x>\nA: b\n\n BODY[TEXT] {4}\nHi\n)\n"
	    "x OK Done");
	SAY(&w, "FETCH 1 (BODY.PEEK[1] BODY.PEEK[2] BODY.PEEK[1.MIME])",
	    "* 1 FETCH (BODY[1] {4}\nHi\n BODY[2] NIL BODY[1.MIME] {8}\nA: b\n\n)\nx OK Done");
	SAY(&w, "FETCH 1 (ENVELOPE BODY.PEEK[TEXT])",
	    "* 1 FETCH (ENVELOPE (NIL NIL NIL NIL NIL NIL NIL NIL NIL NIL) BODY[TEXT] {4}\nHi\n)\n"
	    "x OK Done");
	conv_close(&w);
	imap_played_end();
}

/* Lines of 64 bytes, each with its number. */
static void fill(struct buf *b, size_t lines)
{
	buf_puts(b, "Subject: big\r\n\r\n");
	for (size_t i = 0; i < lines; i++)
		buf_printf(b, "%062zu\r\n", i);
}

TEST_FIBER(fetch_large)
{
	static const size_t lines[] = {4000, 40000}; /* gathered, streamed */
	struct buf body, got;
	struct wire w;

	imap_play();
	buf_init(&body, 16u << 20, NULL);
	buf_init(&got, 16u << 20, NULL);
	for (size_t i = 0; i < ARRAY_LEN(lines); i++) {
		struct played_message *m;

		buf_reset(&body);
		fill(&body, lines[i]);
		m = played_add_bytes(played_box("INBOX"), buf_slice(&body));
		conv_select(&w, "INBOX");
		CHECK(conv_literal(&w, "FETCH * BODY.PEEK[]", &got, NULL));
		CHECK_INT(got.n, m->prefix.n + body.n);
		CHECK(slice_eq(slice_from(buf_slice(&got), m->prefix.n), buf_slice(&body)));
		CHECK(conv_literal(&w, "FETCH * BODY.PEEK[TEXT]<100000.70000>", &got, NULL));
		CHECK(slice_eq(buf_slice(&got), slice_sub(buf_slice(&body), 16 + 100000, 70000)));
		CHECK(played.read_from == 100000);
		CHECK(conv_literal(&w, "FETCH * BODY.PEEK[1]<64.64>", &got, NULL));
		CHECK(slice_eq(buf_slice(&got), slice_sub(buf_slice(&body), 16 + 64, 64)));
		/* Only the block that holds it was asked for. */
		CHECK(played.read_from == 16 + 64 && played.read_to == 16 + 128);
		/* Nothing of it stays in memory. */
		(void)conv_say(&w, "NOOP");
		fiber_yield();
		CHECK(conv_memory() < 8000);
		conv_close(&w);
	}
	buf_fini(&body);
	buf_fini(&got);
	imap_played_end();
}

TEST_FIBER(fetch_large_in_pieces)
{
	struct buf body;
	struct wire w;
	const char *got;

	imap_play();
	buf_init(&body, 16u << 20, NULL);
	fill(&body, 10000);
	(void)played_add_bytes(played_box("INBOX"), buf_slice(&body));
	(void)played_add("INBOX", "A: b\r\n\r\nHi\r\n");
	conv_select(&w, "INBOX");
	/* Too large to be cut in memory for two items: by itself, after the others. */
	got = conv_say(&w, "FETCH 1:2 (UID BODY.PEEK[TEXT] BODY.PEEK[]<0.5>)");
	CHECK(slice_starts(slice_str(got),
			   SL("* 2 FETCH (UID 2 BODY[TEXT] {4}\nHi\n BODY[]<0> "
			      "{5}\nRetur)\n* 1 FETCH (UID 1 BODY[TEXT] {640000}\n")));
	CHECK(slice_ends(slice_str(got), SL("9999\n BODY[]<0> {5}\nRetur)\nx OK Done")));
	/* The store breaks off inside a literal: only the end of the connection says it. */
	wire_send(&w, SL("x FETCH 1 BODY.PEEK[TEXT]\r\n"));
	CHECK_ERR(wire_line(&w), E_OK);
	played.away = true;
	CHECK(slice_ends(slice_str(conv_until(&w, "<")), SL("<closed>")));
	conv_close(&w);
	buf_fini(&body);
	imap_played_end();
}

/* Parts of a few messages are asked for exactly, of many in one stream. */
TEST_FIBER(fetch_parts_of_few_and_of_many)
{
	struct wire w;

	imap_play();
	for (unsigned i = 0; i <= IMAP_ONE_MAX; i++)
		(void)played_add("INBOX", "A: b\r\n\r\nHi\r\n");
	conv_select(&w, "INBOX");
	CHECK(slice_ends(slice_str(conv_say(&w, "FETCH 1:4 BODY.PEEK[1]")),
			 SL("* 4 FETCH (BODY[1] {4}\nHi\n)\nx OK Done")));
	CHECK_INT(played.reads, 4);
	CHECK_INT(played.read_from, 8);
	CHECK(slice_ends(slice_str(conv_say(&w, "FETCH 1:5 BODY.PEEK[1]")),
			 SL("* 5 FETCH (BODY[1] {4}\nHi\n)\nx OK Done")));
	CHECK_INT(played.reads, 5);
	CHECK_INT(played.read_from, 0);
	conv_close(&w);
	imap_played_end();
}

TEST_FIBER(fetch_header_beyond_a_block)
{
	struct buf body, got;
	struct wire w;

	imap_play();
	buf_init(&body, 16u << 20, NULL);
	buf_init(&got, 16u << 20, NULL);
	for (int i = 0; i < 2000; i++)
		buf_printf(&body, "X-%04d: %060d\r\n", i, i);
	buf_puts(&body, "\r\nHi\r\n");
	(void)played_add_bytes(played_box("INBOX"), buf_slice(&body));
	conv_select(&w, "INBOX");
	CHECK(conv_literal(&w, "FETCH 1 BODY.PEEK[HEADER]", &got, NULL));
	CHECK_INT(got.n, played_box("INBOX")->msgs[0].prefix.n + body.n - 4);
	CHECK(conv_literal(&w, "FETCH 1 BODY.PEEK[HEADER.FIELDS (X-1999)]", &got, NULL));
	CHECK_INT(got.n, 70 + 2);
	conv_close(&w);
	buf_fini(&body);
	buf_fini(&got);
	imap_played_end();
}

/* ---- APPEND ---- */

TEST_FIBER(append_a_message)
{
	struct wire w;
	struct played_message *m;

	imap_play();
	conv_select(&w, "INBOX");
	CHECK_STR(conv_raw(&w,
			   SL("y APPEND Sent (\\Seen kw) \"01-Jan-2000 00:00:00 +0000\" {14}\r\n"),
			   "+"),
		  "+ OK");
	CHECK_STR(conv_raw(&w, SL("A: b\r\n\r\nHello\n\r\n"), "y"), "y OK [APPENDUID 1002 1] Done");
	m = played_find(played_box("Sent"), 1);
	REQUIRE(m != NULL);
	CHECK_SLICE(buf_slice(&m->body), SL("A: b\r\n\r\nHello\n"));
	CHECK_INT(m->flags, MESSAGE_SEEN);
	CHECK_INT(m->keywords, 1);
	CHECK_INT(m->date_us, 946684800000000);
	/* Its own mailbox tells at once; a name may be a literal, too. */
	CHECK_STR(conv_raw(&w, SL("y APPEND {5+}\r\nINBOX {4+}\r\nA: b\r\n"), "y"),
		  "* 1 EXISTS\n* 1 RECENT\ny OK [APPENDUID 1001 1] Done");
	conv_close(&w);
	imap_played_end();
}

TEST_FIBER(append_refused)
{
	struct wire w;

	imap_play();
	conv_login(&w);
	SAY(&w, "APPEND INBOX {99999999999}", "x NO [TOOBIG] The message is too large");
	SAY(&w, "APPEND INBOX {0}", "x NO [CANNOT] An empty message");
	SAY(&w, "APPEND \"&\" {4}", "x NO [CANNOT] No name that can be");
	SAY(&w, "APPEND INBOX", "x BAD Mailbox name, flags, date and message expected");
	SAY(&w, "APPEND INBOX (\\Foo) {4}", "x BAD Mailbox name, flags, date and message expected");
	CHECK_STR(conv_raw(&w, SL("y APPEND Nowhere {4+}\r\nA: b\r\nz NOOP\r\n"), "z"),
		  "y NO [TRYCREATE] No such mailbox\nz OK Done");
	CHECK_STR(conv_raw(&w, SL("y APPEND INBOX {4+}\r\nA: bmore\r\nz NOOP\r\n"), "z"),
		  "y BAD One message, and the end of the line, expected\nz OK Done");
	CHECK_INT(played.aborts, 2);
	CHECK_INT(played_box("INBOX")->nmsgs, 0);
	played.away = true;
	SAY(&w, "APPEND INBOX {4}", "x NO [UNAVAILABLE] Not possible just now, try again");
	conv_close(&w);
	imap_played_end();
}

TEST_FIBER(append_over_quota_in_the_middle)
{
	struct buf body;
	struct wire w;

	imap_play();
	conv_login(&w);
	buf_init(&body, 16u << 20, NULL);
	fill(&body, 40000);
	buf_puts(&body, "\r\nz NOOP\r\n");
	wire_send(&w, SL("y APPEND INBOX {2560016+}\r\n"));
	played.fail = E_QUOTA;
	CHECK_STR(conv_raw(&w, buf_slice(&body), "z"),
		  "y NO [OVERQUOTA] Over the storage limit\nz OK Done");
	conv_close(&w);
	buf_fini(&body);
	imap_played_end();
}

TEST_FIBER(append_large_by_bytes)
{
	static const size_t steps[] = {1 << 20, 1000};
	struct wire w;
	struct buf body;
	char line[64];

	imap_play();
	conv_login(&w);
	buf_init(&body, 16u << 20, NULL);
	fill(&body, 4000);
	for (size_t i = 0; i < ARRAY_LEN(steps); i++) {
		snprintf(line, sizeof line, "y APPEND INBOX {%zu}\r\n", body.n);
		CHECK_STR(conv_raw(&w, slice_str(line), "+"), "+ OK");
		for (size_t at = 0; at < body.n; at += steps[i]) {
			wire_send(&w, slice_sub(buf_slice(&body), at, steps[i]));
			fiber_yield();
		}
		CHECK(slice_starts(slice_str(conv_raw(&w, SL("\r\n"), "y")),
				   SL("y OK [APPENDUID")));
		CHECK(slice_eq(buf_slice(&played_box("INBOX")->msgs[i].body), buf_slice(&body)));
	}
	conv_close(&w);
	buf_fini(&body);
	imap_played_end();
}
