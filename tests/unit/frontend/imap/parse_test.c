#include "frontend/imap/imap_parse.h"
#include "tests/lib/check.h"

/* Gathers a command from its bytes, the literals' bytes in chunks of `chunk`. */
static enum err gather(struct imap_text *t, slice_t in, size_t chunk)
{
	for (;;) {
		size_t eol = slice_find(in, SL("\r\n"));
		struct imap_literal lit;
		bool announced;
		enum err e;

		if (eol == in.n)
			return E_CLOSED;
		e = imap_text_line(t, slice_sub(in, 0, eol), &announced, &lit);
		in = slice_from(in, eol + 2);
		if (e != E_OK || !announced)
			return e;
		e = imap_text_literal(t, lit.size);
		if (e != E_OK)
			return e;
		if (lit.size > in.n)
			return E_CLOSED;
		for (size_t at = 0; e == E_OK && at < lit.size; at += chunk)
			e = imap_text_bytes(t,
					    slice_sub(in, at, MIN(chunk, (size_t)lit.size - at)));
		in = slice_from(in, (size_t)lit.size);
	}
}

TEST(text_literals_split_anywhere)
{
	static const char in[] = "a LOGIN {5}\r\nal\r\ne {3+}\r\n\"x{\r\n";
	static const char want[] = "a LOGIN {5}\r\nal\r\ne {3+}\r\n\"x{";

	for (size_t chunk = 1; chunk < 6; chunk++) {
		struct imap_text t;

		imap_text_init(&t, NULL);
		CHECK_ERR(gather(&t, slice_str(in), chunk), E_OK);
		CHECK_SLICE(buf_slice(&t.b), slice_str(want));
		CHECK_INT(t.literals, 2);
		imap_text_fini(&t);
	}
}

TEST(text_announcements)
{
	static const struct {
		const char *line;
		bool announced, sync;
		uint64_t size;
	} cases[] = {
		{"a x {0}", true, true, 0},
		{"a x {12}", true, true, 12},
		{"a x {12+}", true, false, 12},
		{"a x ~{7}", true, true, 7},
		{"a x {99999999999999999999}", true, true, UINT64_MAX},
		{"a x {}", false, false, 0},
		{"a x {+}", false, false, 0},
		{"a x {-1}", false, false, 0},
		{"a x {1+2}", false, false, 0},
		{"a x {1} ", false, false, 0},
		{"a x 1}", false, false, 0},
		{"}", false, false, 0},
		{"+}", false, false, 0},
		{"", false, false, 0},
	};

	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct imap_text t;
		struct imap_literal lit;
		bool announced;

		imap_text_init(&t, NULL);
		check_note("%s", cases[i].line);
		CHECK_ERR(imap_text_line(&t, slice_str(cases[i].line), &announced, &lit), E_OK);
		CHECK(announced == cases[i].announced);
		if (announced) {
			CHECK(lit.sync == cases[i].sync);
			CHECK(lit.size == cases[i].size);
		}
		imap_text_fini(&t);
	}
}

TEST(text_limits)
{
	struct imap_text t;
	struct imap_literal lit;
	bool announced;
	char line[512] = {0};

	memset(line, 'x', sizeof line);
	imap_text_init(&t, NULL);
	imap_text_reset(&t, 1000);
	CHECK_ERR(imap_text_line(&t, slice(line, 512), &announced, &lit), E_OK);
	CHECK_ERR(imap_text_literal(&t, 489), E_LIMIT);
	CHECK_ERR(imap_text_literal(&t, UINT64_MAX), E_LIMIT);
	CHECK_ERR(imap_text_line(&t, slice(line, 512), &announced, &lit), E_LIMIT);
	imap_text_reset(&t, 100000);
	for (unsigned i = 0; i < IMAP_LITERALS_MAX; i++)
		CHECK_ERR(imap_text_literal(&t, 1), E_OK);
	CHECK_ERR(imap_text_literal(&t, 1), E_LIMIT);
	imap_text_fini(&t);
}

static void string_case(const char *in, const char *want, size_t rest)
{
	struct arena arena;
	struct imap_args a;
	slice_t s;

	arena_init(&arena, NULL);
	a = imap_args(slice_str(in), &arena);
	check_note("%s", in);
	if (!imap_astring(&a, &s)) {
		CHECK(want == NULL);
		CHECK_INT(a.c.at, 0);
	} else {
		CHECK(want != NULL);
		CHECK_SLICE(s, slice_str(want != NULL ? want : "?"));
		CHECK_INT(cur_rest(&a.c).n, rest);
	}
	arena_reset(&arena);
}

TEST(args_astring)
{
	string_case("abc def", "abc", 4);
	string_case("a]b", "a]b", 0);
	string_case("\"\"", "", 0);
	string_case("\"a b\" c", "a b", 2);
	string_case("\"a\\\"b\\\\c\"", "a\"b\\c", 0);
	string_case("\"a\\nb\"", NULL, 0);
	string_case("\"abc", NULL, 0);
	string_case("\"abc\\\"", NULL, 0);
	string_case("\"a\r\nb\"", NULL, 0);
	string_case("{3}\r\na\"b d", "a\"b", 2);
	string_case("{3+}\r\nabc", "abc", 0);
	string_case("{0}\r\n", "", 0);
	string_case("{4}\r\nabc", NULL, 0);
	string_case("{99999999999999999999}\r\nabc", NULL, 0);
	string_case("{3}abc", NULL, 0);
	string_case("~{3}\r\nabc", "~", 8);
	string_case("(", NULL, 0);
	string_case("", NULL, 0);
	string_case("\xc3\xa9", NULL, 0);
	string_case("\"\xc3\xa9\"", "\xc3\xa9", 0);
}

TEST(args_small_things)
{
	struct arena arena;
	struct imap_args a;
	slice_t s;
	uint32_t n;
	int32_t days;
	int64_t us;

	arena_init(&arena, NULL);
	a = imap_args(SL("nil \"x\" NILS"), &arena);
	CHECK(imap_nstring(&a, &s) && s.p == NULL);
	CHECK(imap_sp(&a) && !imap_sp(&a));
	CHECK(imap_nstring(&a, &s));
	CHECK_SLICE(s, SL("x"));
	CHECK(imap_sp(&a) && !imap_nstring(&a, &s));
	CHECK(imap_atom(&a, &s) && imap_end(&a));

	a = imap_args(SL("4294967295 4294967296"), &arena);
	CHECK(imap_number(&a, &n) && n == UINT32_MAX);
	CHECK(imap_sp(&a) && !imap_number(&a, &n));
	a = imap_args(SL("0"), &arena);
	CHECK(!imap_nz_number(&a, &n) && imap_number(&a, &n));

	a = imap_args(SL("A+B"), &arena);
	CHECK(imap_tag(&a, &s));
	CHECK_SLICE(s, SL("A"));
	a = imap_args(SL("+"), &arena);
	CHECK(!imap_tag(&a, &s));

	a = imap_args(SL("1-Feb-1994 \"2-Jan-1970\" 31-Feb-2020"), &arena);
	CHECK(imap_date(&a, &days) && days == 8797);
	CHECK(imap_sp(&a) && imap_date(&a, &days) && days == 1);
	CHECK(imap_sp(&a) && !imap_date(&a, &days));
	a = imap_args(SL("\" 1-Jan-1970 01:00:01 +0100\""), &arena);
	CHECK(imap_date_time(&a, &us) && us == 1000000);
	a = imap_args(SL("\"nonsense\""), &arena);
	CHECK(!imap_date_time(&a, &us));
	a = imap_args(SL("a*%]b ("), &arena);
	CHECK(imap_list_mailbox(&a, &s));
	CHECK_SLICE(s, SL("a*%]b"));
	arena_reset(&arena);
}
