/* BINARY: sections without their transfer encoding, and messages of any bytes (RFC 3516). */
#include <stdio.h>

#include "common/crypto/random.h"
#include "common/loop/fiber.h"
#include "frontend/imap/imap_fetch.h"
#include "frontend/mime/encode.h"
#include "tests/unit/frontend/imap/imap_lib.h"

#define HEADER "Subject: x\r\nContent-Type: multipart/mixed; boundary=b\r\n\r\n"

static const char mixed[] =
	HEADER "--b\r\n\r\nplain\r\n\r\n"
	       "--b\r\nContent-Transfer-Encoding: base64\r\n\r\naGVs\r\nbG8=\r\n"
	       "--b\r\nContent-Transfer-Encoding: Quoted-Printable\r\n\r\na=3Db=\r\nc \r\nd\r\n"
	       "--b\r\nContent-Transfer-Encoding: x-uuencode\r\n\r\n#86)C\r\n"
	       "--b\r\nContent-Type: message/rfc822\r\n\r\n"
	       "Content-Transfer-Encoding: base64\r\n\r\naGk=\r\n"
	       "--b\r\nContent-Transfer-Encoding: base64\r\n\r\nYQBiYw\r\n"
	       "--b\r\nContent-Transfer-Encoding: base64\r\n\r\n\r\n"
	       "--b--\r\n";

/* One of the wanted answer for each of n messages. */
WAITS static void say_of(struct wire *w, size_t n, const char *items, const char *want)
{
	char line[200], all[2000] = "";

	for (size_t i = 1; i <= n; i++)
		snprintf(all + strlen(all), sizeof all - strlen(all), "* %zu FETCH (%s)\n", i,
			 want);
	snprintf(all + strlen(all), sizeof all - strlen(all), "x OK Done");
	snprintf(line, sizeof line, "FETCH 1:%zu %s", n, items);
	check_note("%s", line);
	SAY(w, line, all);
}

/* Asked for one at a time, and all in one stream. */
TEST_FIBER(binary_sections)
{
	struct wire w;

	imap_play();
	for (size_t i = 0; i <= IMAP_ONE_MAX; i++)
		(void)played_add("INBOX", mixed);
	conv_select(&w, "INBOX");
	for (size_t n = 1; n <= IMAP_ONE_MAX + 1; n += IMAP_ONE_MAX) {
		say_of(&w, n, "BINARY.PEEK[1]", "BINARY[1] {7}\nplain\n");
		say_of(&w, n, "BINARY.PEEK[2]", "BINARY[2] {5}\nhello");
		say_of(&w, n, "BINARY.PEEK[3]", "BINARY[3] {7}\na=bc\nd");
		say_of(&w, n, "BINARY.PEEK[2]<1.3>", "BINARY[2]<1> {3}\nell");
		say_of(&w, n, "BINARY.PEEK[2]<4.3>", "BINARY[2]<4> {1}\no");
		say_of(&w, n, "BINARY.PEEK[2]<5.4294967295>", "BINARY[2]<5> {0}\n");
		say_of(&w, n, "BINARY.PEEK[1]<2.3>", "BINARY[1]<2> {3}\nain");
		/* Nothing there, and nothing in it. */
		say_of(&w, n, "BINARY.PEEK[8]", "BINARY[8] NIL");
		say_of(&w, n, "BINARY.PEEK[1.1]", "BINARY[1.1] NIL");
		say_of(&w, n, "BINARY.SIZE[8]", "BINARY.SIZE[8] 0");
		say_of(&w, n, "BINARY.PEEK[7]", "BINARY[7] {0}\n");
		say_of(&w, n, "(BINARY.SIZE[1] BINARY.SIZE[2] BINARY.SIZE[3] BINARY.SIZE[6])",
		       "BINARY.SIZE[1] 7 BINARY.SIZE[2] 5 BINARY.SIZE[3] 7 BINARY.SIZE[6] 4");
		/* What is in a message is encoded, it itself is not. */
		say_of(&w, n, "(BINARY.PEEK[5] BINARY.PEEK[5.1])",
		       "BINARY[5] {41}\nContent-Transfer-Encoding: base64\n\naGk= "
		       "BINARY[5.1] {2}\nhi");
		say_of(&w, n, "(BODY.PEEK[2] BINARY.PEEK[2] RFC822.SIZE)",
		       "RFC822.SIZE 448 BODY[2] {10}\naGVs\nbG8= BINARY[2] {5}\nhello");
		say_of(&w, n, "(BINARY.SIZE[] BINARY.PEEK[]<9.6>)",
		       "BINARY.SIZE[] 448 BINARY[]<9> {6}\nth: <s");
	}
	CHECK_INT(played.stores, 0);
	conv_close(&w);
	imap_played_end();
}

TEST_FIBER(binary_sets_seen)
{
	struct wire w;

	imap_play();
	(void)played_add("INBOX", mixed);
	(void)played_add("INBOX", mixed);
	conv_select(&w, "INBOX");
	SAY(&w, "FETCH 1 (BINARY.SIZE[2] BINARY.PEEK[2])",
	    "* 1 FETCH (BINARY.SIZE[2] 5 BINARY[2] {5}\nhello)\nx OK Done");
	CHECK_INT(played.stores, 0);
	SAY(&w, "FETCH 1 BINARY[2]",
	    "* 1 FETCH (FLAGS (\\Seen \\Recent) BINARY[2] {5}\nhello)\nx OK Done");
	CHECK_INT(played.stores, 1);
	/* Its new flags are told even if it is not. */
	SAY(&w, "FETCH 2 BINARY[4]",
	    "* 2 FETCH (FLAGS (\\Seen \\Recent))\n"
	    "x NO [UNKNOWN-CTE] A part is in an encoding that is not known");
	conv_close(&w);
	imap_played_end();
}

/* What cannot be decoded is left out; the rest is told, and the request has failed. */
TEST_FIBER(binary_in_an_unknown_encoding)
{
	static const char no[] = "x NO [UNKNOWN-CTE] A part is in an encoding that is not known";
	struct wire w;

	imap_play();
	for (size_t i = 0; i <= IMAP_ONE_MAX; i++)
		(void)played_add("INBOX", i == 3 ? "A: b\r\n\r\nHi\r\n" : mixed);
	conv_select(&w, "INBOX");
	SAY(&w, "FETCH 1 BINARY.PEEK[4]", no);
	SAY(&w, "FETCH 1 BINARY.SIZE[4]", no);
	CHECK(slice_starts(slice_str(conv_say(&w, "FETCH 1 (BINARY.SIZE[4] BINARY.PEEK[2])")),
			   SL("* 1 FETCH (BINARY[2] {5}\nhello)\nx NO [UNKNOWN-CTE] ")));
	CHECK(slice_starts(slice_str(conv_say(&w, "UID FETCH 2 BINARY.PEEK[4]")),
			   SL("* 2 FETCH (UID 2)\nx NO [UNKNOWN-CTE] ")));
	SAY(&w, "FETCH 1 BODY.PEEK[4]", "* 1 FETCH (BODY[4] {5}\n#86)C)\nx OK Done");
	/* In one stream. */
	CHECK(slice_starts(slice_str(conv_say(&w, "FETCH 1:* BINARY.PEEK[4]")),
			   SL("* 4 FETCH (BINARY[4] NIL)\nx NO [UNKNOWN-CTE] ")));
	conv_close(&w);
	imap_played_end();
}

/* A '~' where there is a NUL, and only there. */
TEST_FIBER(binary_literal8)
{
	struct buf body, got;
	struct wire w;
	char head[256];

	imap_play();
	buf_init(&body, 4096, NULL);
	buf_init(&got, 4096, NULL);
	buf_puts(&body, HEADER "--b\r\nContent-Transfer-Encoding: binary\r\n\r\n");
	buf_put(&body, SL("a\0\r\n\n\r--b"));
	buf_puts(&body, "\r\n--b\r\nContent-Transfer-Encoding: base64\r\n\r\nYQBi\r\n--b--\r\n");
	(void)played_add_bytes(played_box("INBOX"), buf_slice(&body));
	conv_select(&w, "INBOX");
	CHECK(conv_literal(&w, "FETCH 1 BINARY.PEEK[1]", &got, head));
	CHECK_STR(head, "* 1 FETCH (BINARY[1] ~{9}");
	CHECK_SLICE(buf_slice(&got), SL("a\0\r\n\n\r--b"));
	CHECK(conv_literal(&w, "FETCH 1 BINARY.PEEK[1]<0.1>", &got, head));
	CHECK_STR(head, "* 1 FETCH (BINARY[1]<0> {1}");
	CHECK(conv_literal(&w, "FETCH 1 BINARY.PEEK[1]<2.7>", &got, head));
	CHECK_STR(head, "* 1 FETCH (BINARY[1]<2> {7}");
	CHECK_SLICE(buf_slice(&got), SL("\r\n\n\r--b"));
	CHECK(conv_literal(&w, "FETCH 1 BINARY.PEEK[2]", &got, head));
	CHECK_STR(head, "* 1 FETCH (BINARY[2] ~{3}");
	CHECK_SLICE(buf_slice(&got), SL("a\0b"));
	CHECK(conv_literal(&w, "FETCH 1 BINARY.PEEK[2]<1.5>", &got, head));
	CHECK_STR(head, "* 1 FETCH (BINARY[2]<1> ~{2}");
	CHECK(conv_literal(&w, "FETCH 1 BINARY.PEEK[]", &got, head));
	CHECK(slice_starts(slice_str(head), SL("* 1 FETCH (BINARY[] ~{")));
	CHECK(slice_ends(buf_slice(&got), buf_slice(&body)));
	/* As it is stored, as ever. */
	CHECK(conv_literal(&w, "FETCH 1 BODY.PEEK[1]", &got, head));
	CHECK_STR(head, "* 1 FETCH (BODY[1] {9}");
	conv_close(&w);
	buf_fini(&body);
	buf_fini(&got);
	imap_played_end();
}

/* ---- large parts ---- */

static const enum mime_cte ctes[] = {MIME_CTE_BASE64, MIME_CTE_QP, MIME_CTE_BINARY};

/* A message of one part: n bytes, random or of one kind. */
static void large(struct buf *whole, struct buf *plain, enum mime_cte cte, size_t n, char fill)
{
	static const char *const names[] = {
		[MIME_CTE_BASE64] = "base64",
		[MIME_CTE_QP] = "quoted-printable",
		[MIME_CTE_BINARY] = "binary",
	};
	struct encode_qp q;
	struct encode_b64 b;
	char *p;

	buf_reset(plain);
	buf_reset(whole);
	p = buf_reserve(plain, n);
	if (fill == '\0')
		random_bytes(p, n);
	else
		memset(p, fill, n);
	buf_commit(plain, n);
	encode_qp_init(&q);
	encode_b64_init(&b);
	buf_printf(whole, "Subject: big\r\nContent-Transfer-Encoding: %s\r\n\r\n", names[cte]);
	if (cte == MIME_CTE_BASE64) {
		encode_b64_put(&b, whole, buf_slice(plain));
		encode_b64_end(&b, whole);
		/* What is missing at the end is only seen there. */
		while (strchr("=\r\n", whole->p[whole->n - 1]) != NULL)
			whole->n--;
	} else if (cte == MIME_CTE_QP) {
		encode_qp_put(&q, whole, buf_slice(plain));
		encode_qp_end(&q, whole);
	} else {
		buf_put(whole, buf_slice(plain));
	}
}

/* n bytes from `first` of the last message's part 1. */
WAITS static bool piece_is(struct wire *w, struct buf *plain, size_t first, size_t n)
{
	slice_t want = slice_sub(buf_slice(plain), first, n);
	bool nul = want.n != 0 && memchr(want.p, '\0', want.n) != NULL, same;
	struct buf got;
	char line[100], head[256];

	buf_init(&got, 4u << 20, NULL);
	snprintf(line, sizeof line, "FETCH * BINARY.PEEK[1]<%zu.%zu>", first, n);
	same = conv_literal(w, line, &got, head) && slice_eq(buf_slice(&got), want) &&
	       (strchr(head, '~') != NULL) == nul;
	buf_fini(&got);
	return same;
}

TEST_FIBER(binary_large)
{
	struct buf whole, plain, got;
	struct wire w;
	char head[256], want[256];

	imap_play();
	buf_init(&whole, 8u << 20, NULL);
	buf_init(&plain, 4u << 20, NULL);
	buf_init(&got, 4u << 20, NULL);
	conv_select(&w, "INBOX");
	for (size_t i = 0; i < 2 * ARRAY_LEN(ctes); i++) {
		size_t n = 2 * (size_t)IMAP_GATHER_MAX + 4321 * i;

		large(&whole, &plain, ctes[i / 2], n, i % 2 == 0 ? '\0' : 'z');
		(void)played_add_bytes(played_box("INBOX"), buf_slice(&whole));
		(void)conv_say(&w, "NOOP");
		played.reads = 0;
		CHECK(conv_literal(&w, "FETCH * BINARY.PEEK[1]", &got, head));
		snprintf(want, sizeof want, "* %zu FETCH (BINARY[1] %s{%zu}", i + 1,
			 i % 2 == 0 ? "~" : "", n);
		CHECK_STR(head, want);
		CHECK(slice_eq(buf_slice(&got), buf_slice(&plain)));
		CHECK_INT(played.reads, 2);
		snprintf(want, sizeof want, "* %zu FETCH (BINARY.SIZE[1] %zu)\nx OK Done", i + 1,
			 n);
		SAY(&w, "FETCH * BINARY.SIZE[1]", want);
		/* What is not encoded is as long as it is stored. */
		CHECK_INT(played.reads, decode_needed(ctes[i / 2]) ? 3 : 2);
		CHECK(conv_literal(&w, "FETCH * BINARY.PEEK[]", &got, head));
		CHECK(slice_ends(buf_slice(&got), buf_slice(&whole)));
		/* Nothing of it stays in memory. */
		(void)conv_say(&w, "NOOP");
		fiber_yield();
		CHECK(conv_memory() < 8000);
	}
	conv_close(&w);
	buf_fini(&whole);
	buf_fini(&plain);
	buf_fini(&got);
	imap_played_end();
}

/* Pieces one after the other, each going on where the one before ended; and in any order. */
TEST_FIBER(binary_large_in_partials)
{
	const size_t n = 2 * (size_t)IMAP_GATHER_MAX + 777, step = 50000;
	struct buf whole, plain;
	struct wire w;

	imap_play();
	buf_init(&whole, 8u << 20, NULL);
	buf_init(&plain, 4u << 20, NULL);
	conv_select(&w, "INBOX");
	for (size_t i = 0; i < ARRAY_LEN(ctes); i++) {
		large(&whole, &plain, ctes[i], n, '\0');
		(void)played_add_bytes(played_box("INBOX"), buf_slice(&whole));
		(void)conv_say(&w, "NOOP");
		for (size_t at = 0; at < n + step; at += step) {
			played.blocks = 0;
			CHECK(piece_is(&w, &plain, at, step));
			CHECK(played.blocks <= 10);
		}
		CHECK(piece_is(&w, &plain, 300000, 1));
		CHECK(piece_is(&w, &plain, 299999, 262144));
		CHECK(piece_is(&w, &plain, n - 300, 9999));
		for (size_t k = 0; k < 20; k++)
			CHECK(piece_is(&w, &plain, random_below((uint32_t)n), 50000));
	}
	conv_close(&w);
	buf_fini(&whole);
	buf_fini(&plain);
	imap_played_end();
}

TEST_FIBER(binary_large_that_goes_away)
{
	static const struct {
		const char *line, *want;
		unsigned at; /* before which read of it */
	} cases[] = {
		{"FETCH 1 BINARY.PEEK[1]", "* 1 FETCH (BINARY[1] NIL)\nx OK Done", 1},
		{"FETCH 1 BINARY.PEEK[1]", "* 1 FETCH (BINARY[1] NIL)\nx OK Done", 2},
		{"FETCH 1 BINARY.SIZE[1]", "* 1 FETCH (BINARY.SIZE[1] 0)\nx OK Done", 1},
	};
	struct buf whole, plain;
	struct wire w;

	imap_play();
	buf_init(&whole, 8u << 20, NULL);
	buf_init(&plain, 4u << 20, NULL);
	large(&whole, &plain, MIME_CTE_BASE64, 4 * IMAP_GATHER_MAX, 'z');
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		(void)played_add_bytes(played_box("INBOX"), buf_slice(&whole));
		conv_select(&w, "INBOX");
		played.vanish_at = played.reads + cases[i].at;
		SAY(&w, cases[i].line, cases[i].want);
		conv_close(&w);
	}
	/* The store breaks off inside a literal: only the end of the connection says it. */
	(void)played_add_bytes(played_box("INBOX"), buf_slice(&whole));
	conv_select(&w, "INBOX");
	wire_send(&w, SL("x FETCH 1 BINARY.PEEK[1]\r\n"));
	CHECK_ERR(wire_line(&w), E_OK);
	CHECK_STR(w.line, "* 1 FETCH (BINARY[1] {1048576}");
	played.away = true;
	CHECK(slice_ends(slice_str(conv_until(&w, "<")), SL("<closed>")));
	conv_close(&w);
	buf_fini(&whole);
	buf_fini(&plain);
	imap_played_end();
}

/* ---- APPEND of a literal8 ---- */

TEST_FIBER(binary_append)
{
	static const char body[] = "A: b\r\nContent-Transfer-Encoding: binary\r\n\r\na\0b\r\n\n\r";
	slice_t whole = slice(body, sizeof body - 1);
	struct played_message *m;
	char line[100];
	struct buf got;
	struct wire w;

	imap_play();
	buf_init(&got, 4096, NULL);
	conv_select(&w, "INBOX");
	snprintf(line, sizeof line, "y APPEND INBOX (\\Seen) ~{%zu}\r\n", whole.n);
	CHECK_STR(conv_raw(&w, slice_str(line), "+"), "+ OK");
	wire_send(&w, whole);
	CHECK_STR(conv_raw(&w, SL("\r\n"), "y"),
		  "* 1 EXISTS\n* 1 RECENT\ny OK [APPENDUID 1001 1] Done");
	snprintf(line, sizeof line, "y APPEND INBOX ~{%zu+}\r\n", whole.n);
	wire_send(&w, slice_str(line));
	wire_send(&w, whole);
	CHECK_STR(conv_raw(&w, SL("\r\n"), "y"),
		  "* 2 EXISTS\n* 2 RECENT\ny OK [APPENDUID 1001 2] Done");
	for (uint32_t uid = 1; uid <= 2; uid++) {
		m = played_find(played_box("INBOX"), uid);
		REQUIRE(m != NULL);
		CHECK_SLICE(buf_slice(&m->body), whole);
	}
	CHECK(conv_literal(&w, "FETCH 2 BINARY.PEEK[1]", &got, NULL));
	CHECK_SLICE(buf_slice(&got), SL("a\0b\r\n\n\r"));
	buf_fini(&got);
	conv_close(&w);
	imap_played_end();
}

TEST_FIBER(binary_append_refused)
{
	static const char expected[] = "Mailbox name, flags, date and message expected";
	struct wire w;
	char want[200];

	imap_play();
	conv_login(&w);
	SAY(&w, "APPEND INBOX ~{99999999999}", "x NO [TOOBIG] The message is too large");
	SAY(&w, "APPEND INBOX ~{0}", "x NO [CANNOT] An empty message");
	/* A plain literal has no NULs, and a header has none in either. */
	CHECK_STR(conv_raw(&w, SL("y APPEND INBOX {7+}\r\n\r\na\0b\r\n\r\n"), "y"),
		  "y NO [CANNOT] A message with a NUL");
	CHECK_STR(conv_raw(&w, SL("y APPEND INBOX ~{10+}\r\nA: \0b\r\n\r\nc\r\n"), "y"),
		  "y NO [CANNOT] A header with a NUL");
	CHECK_INT(played_box("INBOX")->nmsgs, 0);
	/* Nothing else is a literal8. */
	snprintf(want, sizeof want, "x BAD %s", expected);
	SAY(&w, "APPEND ~{5}", want);
	SAY(&w, "APPEND INBOX ~~{5}", want);
	SAY(&w, "APPEND INBOX ~ {5}", want);
	SAY(&w, "APPEND INBOX ~{5", want);
	SAY(&w, "APPEND INBOX ~", want);
	CHECK_STR(conv_raw(&w, SL("y SELECT ~{5+}\r\nINBOX\r\nz NOOP\r\n"), "z"),
		  "y BAD Mailbox name expected\nz OK Done");
	/* Too large, and not waiting to hear it: read away, up to a limit. */
	wire_send(&w, SL("y APPEND INBOX ~{60000000+}\r\n"));
	for (size_t i = 0; i < 600; i++) {
		static const char zeros[100000];

		wire_send(&w, slice(zeros, sizeof zeros));
	}
	CHECK_STR(conv_raw(&w, SL("\r\nz NOOP\r\n"), "z"),
		  "y NO [TOOBIG] The message is too large\nz OK Done");
	CHECK_STR(conv_raw(&w, SL("y APPEND INBOX ~{1073741825+}\r\n"), "<"),
		  "y NO [TOOBIG] The message is too large\n* BYE Too large a message\n<closed>");
	conv_close(&w);
	imap_played_end();
}
