/* SEARCH keys to programs. */
#include <stdio.h>

#include "frontend/imap/imap_search_hdr.h"
#include "frontend/imap/imap_search_prog.h"
#include "frontend/mime/hdr.h"
#include "tests/lib/check.h"

static const char *const op_names[] = {
	"and",     "or",     "not",     "all",   "uids",    "set",    "clear",  "kw",   "larger",
	"smaller", "before", "on",      "since", "sbefore", "son",    "ssince", "from", "to",
	"cc",      "bcc",    "subject", "body",  "text",    "modseq", "header",
};

static void print(const struct imap_search *s, struct buf *b)
{
	for (size_t i = 0; i < s->nkeys; i++) {
		const struct search_key *k = &s->keys[i];

		if (i != 0)
			buf_putc(b, ' ');
		buf_puts(b, op_names[k->op]);
		if (k->number != 0)
			buf_printf(b, ":%u", (unsigned)k->number);
		if (k->date != 0)
			buf_printf(b, ":%d", (int)k->date);
		if (k->text.n != 0) {
			buf_putc(b, '=');
			buf_put(b, k->text);
		}
		if (k->nuids != 0) {
			buf_putc(b, '=');
			imap_seq_put(b, k->uids, k->nuids);
		}
	}
	for (size_t i = 0; i < s->nheaders; i++)
		buf_printf(b, " [%zu]", s->headers[i].key);
	if (s->esearch)
		buf_printf(b, " want:%u", s->want);
}

static void compile_case(const char *in, const char *want)
{
	/* Messages 1 to 5 are UIDs 10, 11, 12, 20, 30; 20 and 30 are recent. */
	static const struct uid_range have[] = {{10, 12}, {20, 20}, {30, 30}};
	static const char *const words[] = {
		[IMAP_SEARCH_SYNTAX] = "SYNTAX",
		[IMAP_SEARCH_NO_SUCH] = "NO SUCH",
		[IMAP_SEARCH_BADCHARSET] = "BADCHARSET",
		[IMAP_SEARCH_TOO_MUCH] = "TOO MUCH",
	};
	struct imap_view v;
	struct uid_set recent;
	struct imap_search_env env = {&v, &recent};
	struct imap_search s;
	enum imap_search_rc rc;
	struct arena arena;
	struct imap_args a;
	struct buf b;

	arena_init(&arena, NULL);
	buf_init(&b, 10000, NULL);
	imap_view_init(&v, NULL);
	uid_set_init(&recent, NULL);
	CHECK_ERR(imap_view_load(&v, have, ARRAY_LEN(have)), E_OK);
	CHECK_ERR(uid_set_add(&recent, 20, 40), E_OK);
	a = imap_args(slice_str(in), &arena);
	check_note("%.200s", in);
	rc = imap_search_compile(&a, &env, &s);
	if (rc == IMAP_SEARCH_OK)
		print(&s, &b);
	else
		buf_puts(&b, words[rc]);
	CHECK_SLICE(buf_slice(&b), slice_str(want));
	uid_set_fini(&recent);
	imap_view_fini(&v);
	buf_fini(&b);
	arena_reset(&arena);
}

TEST(search_programs)
{
	compile_case("ALL", "all");
	compile_case("all unseen", "all clear:1 and");
	compile_case("SEEN FLAGGED DELETED", "set:1 set:4 and set:8 and");
	compile_case("NOT SEEN", "set:1 not");
	compile_case("NOT NOT SEEN", "set:1 not not");
	compile_case("OR SEEN FLAGGED", "set:1 set:4 or");
	compile_case("OR OR SEEN FLAGGED NOT DRAFT", "set:1 set:4 or set:16 not or");
	compile_case("OR SEEN (FLAGGED DRAFT) ALL", "set:1 set:4 set:16 and or all and");
	compile_case("(SEEN)", "set:1");
	compile_case("((SEEN) (FLAGGED))", "set:1 set:4 and");
	compile_case("NOT (OR SEEN FLAGGED)", "set:1 set:4 or not");
	compile_case("UID 11:20", "uids=11:20");
	compile_case("1:2,5", "uids=10:11,30");
	compile_case("2:4", "uids=11:20");
	compile_case("*", "uids=30");
	compile_case("UID 99:*", "uids=30");
	compile_case("UID 99", "all not");
	compile_case("UID 13", "all not");
	compile_case("6", "NO SUCH");
	compile_case("NEW", "uids=20:40 clear:1 and");
	compile_case("OLD", "uids=20:40 not");
	compile_case("RECENT", "uids=20:40");
	compile_case("KEYWORD $x UNKEYWORD y", "kw=$x kw=y not and");
	compile_case("BEFORE 2-Jan-1970 SENTSINCE \"3-Jan-1970\"", "before:1 ssince:2 and");
	compile_case("LARGER 10 SMALLER 20", "larger:10 smaller:20 and");
	compile_case("FROM Alice", "from=alice [0]");
	compile_case("SUBJECT \"Gr\xc3\x9c\xc3\x9f"
		     "e\"",
		     "subject=gr\xc3\xbcsse [0]");
	compile_case("CHARSET UTF-8 TEXT {5}\r\n\xc3\x84"
		     "B ",
		     "SYNTAX");
	compile_case("CHARSET UTF-8 TEXT {3}\r\n\xc3\x84"
		     "B",
		     "body=\xc3\xa4"
		     "b text=\xc3\xa4"
		     "b or [1]");
	compile_case("CHARSET us-ascii BODY x", "body=x");
	compile_case("CHARSET ISO-8859-15 BODY \"\xa4\"", "body=\xe2\x82\xac");
	compile_case("CHARSET KLINGON BODY x", "BADCHARSET");
	compile_case("TEXT \"\"", "all");
	compile_case("HEADER Subject x", "subject=x [0]");
	compile_case("NOT TEXT x", "body=x text=x or not [1]");
	compile_case("RETURN (MIN COUNT) ALL", "all want:5");
	compile_case("RETURN () ALL", "all want:8");
	compile_case("RETURN (ALL MAX) CHARSET UTF-8 SEEN", "set:1 want:10");
}

TEST(search_headers)
{
	char want[64];

	snprintf(want, sizeof want, "header:%d=x@y [0]", HDR_MESSAGE_ID);
	compile_case("HEADER Message-ID X@Y", want);
	snprintf(want, sizeof want, "header:%d [0]", HDR_FROM);
	compile_case("FROM \"\"", want);
	compile_case("HEADER from \"\"", want);
	compile_case("HEADER X-Foo bar", "header=bar [0]");
	compile_case("SEEN NOT HEADER X-Foo bar", "set:1 header=bar not and [1]");
	/* Many names share an id. */
	compile_case("OR HEADER List-Id x HEADER Content-Foo y", "header=x header=y or [0] [1]");
}

TEST(search_refused)
{
	static const char *const bad[] = {
		"",
		"(",
		")",
		"()",
		"SEEN)",
		"(SEEN",
		"NOT",
		"OR SEEN",
		"OR SEEN ",
		"SEEN  SEEN",
		"FOO",
		"FROM",
		"HEADER x",
		"BEFORE x",
		"BEFORE 31-Feb-2020",
		"LARGER x",
		"UID x",
		"KEYWORD",
		"SEEN ",
		"RETURN (FOO) ALL",
		"RETURN ALL",
		"RETURN (MIN)",
		"CHARSET",
		"CHARSET UTF-8",
		"NOT ()",
		"SEENX",
		"1:",
		"LARGER 4294967296",
	};

	for (size_t i = 0; i < ARRAY_LEN(bad); i++)
		compile_case(bad[i], "SYNTAX");
}

TEST(search_limits)
{
	struct buf b;

	buf_init(&b, 100000, NULL);
	for (unsigned i = 0; i < IMAP_DEPTH_MAX; i++)
		buf_putc(&b, '(');
	buf_puts(&b, "SEEN");
	buf_putc(&b, '\0');
	compile_case(b.p, "TOO MUCH");
	buf_reset(&b);
	for (unsigned i = 0; i < 1000; i++)
		buf_puts(&b, "NOT ");
	buf_puts(&b, "SEEN");
	buf_putc(&b, '\0');
	compile_case(b.p, "TOO MUCH");
	buf_reset(&b);
	for (unsigned i = 0; i < SEARCH_KEYS_MAX; i++)
		buf_puts(&b, "SEEN ");
	buf_puts(&b, "SEEN");
	buf_putc(&b, '\0');
	compile_case(b.p, "TOO MUCH");
	buf_reset(&b);
	for (unsigned i = 0; i <= IMAP_SEARCH_HEADERS_MAX; i++)
		buf_printf(&b, "%sHEADER X%u y", i == 0 ? "" : " ", i);
	buf_putc(&b, '\0');
	compile_case(b.p, "TOO MUCH");
	buf_reset(&b);
	buf_puts(&b, "BODY ");
	for (unsigned i = 0; i <= IMAP_SEARCH_TEXT_MAX; i++)
		buf_putc(&b, 'x');
	buf_putc(&b, '\0');
	compile_case(b.p, "TOO MUCH");
	buf_fini(&b);
}

static bool has_one(slice_t name, slice_t text, const char *header)
{
	struct imap_search s = {.nheaders = 1};
	bool has = false;

	s.headers[0] = (struct imap_search_header){.name = name, .text = text};
	imap_search_look(&s, slice_str(header), &has);
	return has;
}

TEST(search_in_headers)
{
	static const char header[] =
		"X-Foo: =?utf-8?Q?Gr=C3=BC=C3=9Fe?=\r\n =?utf-8?Q?_an_alle?=\r\nX-Empty:\r\n"
		"Y: x-foo: bar\r\n\r\nX-Body: no\r\n";

	CHECK(has_one(SL("x-foo"), SLICE_NONE, header));
	CHECK(has_one(SL("x-foo"), SL("gr\xc3\xbcsse an"), header));
	CHECK(!has_one(SL("x-foo"), SL("bar"), header));
	CHECK(!has_one(SL("x-foo"), SL("foo"), header));
	CHECK(has_one(SL("X-EMPTY"), SLICE_NONE, header));
	CHECK(!has_one(SL("X-EMPTY"), SL("a"), header));
	CHECK(!has_one(SL("X-Body"), SLICE_NONE, header));
	/* In any field, with its name. */
	CHECK(has_one(SLICE_NONE, SL("y: x-foo: bar"), header));
	CHECK(has_one(SLICE_NONE,
		      SL("ss"
			 "e an a"),
		      header));
	CHECK(has_one(SLICE_NONE, SL("x-empty:"), header));
	CHECK(!has_one(SLICE_NONE, SL("x-body"), header));
}
