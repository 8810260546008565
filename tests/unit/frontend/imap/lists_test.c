/* LIST patterns, flags, what is written. */
#include "common/base/clock.h"
#include "frontend/imap/imap_flags.h"
#include "frontend/imap/imap_match.h"
#include "frontend/imap/imap_resp.h"
#include "tests/lib/check.h"

TEST(match_patterns)
{
	static const struct {
		const char *pattern, *path;
		bool yes;
	} cases[] = {
		{"*", "INBOX", true},
		{"*", "a/b/c", true},
		{"%", "a", true},
		{"%", "a/b", false},
		{"%/%", "a/b", true},
		{"a/%", "a/b", true},
		{"a/%", "a/b/c", false},
		{"a/*", "a/b/c", true},
		{"a*", "a", true},
		{"a%", "a", true},
		{"a%", "a/b", false},
		{"*b", "a/b", true},
		{"%b", "a/b", false},
		{"a*c", "abbbc", true},
		{"a*c*e", "abcde", true},
		{"a*c*e", "abcd", false},
		{"**%%*", "x/y", true},
		{"inbox", "INBOX", true},
		{"InBoX/x", "INBOX/x", true},
		{"inbox/X", "INBOX/x", false},
		{"inboxes", "INBOXES", false},
		{"sent", "Sent", false},
		{"", "a", false},
		{"", "", true},
		{"\xc3\xa9%", "\xc3\xa9t\xc3\xa9", true},
	};

	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		uint64_t steps = 0;

		check_note("%s on %s", cases[i].pattern, cases[i].path);
		CHECK(imap_match(slice_str(cases[i].pattern), slice_str(cases[i].path), &steps) ==
		      cases[i].yes);
	}
}

TEST(match_work_is_bounded)
{
	char pattern[IMAP_PATTERN_MAX + 2], path[4000];
	int64_t began = clock_mono_ms();
	uint64_t steps = 0;

	for (size_t i = 0; i < IMAP_PATTERN_MAX; i += 2) {
		pattern[i] = '*';
		pattern[i + 1] = 'a';
	}
	memset(path, 'a', sizeof path);
	path[sizeof path - 1] = 'b';
	CHECK(!imap_match(slice(pattern, IMAP_PATTERN_MAX), slice(path, sizeof path), &steps));
	CHECK(clock_mono_ms() - began < 2000);
	CHECK_INT(steps, IMAP_PATTERN_MAX * sizeof path);
	/* It ends with the first character that nothing stands for. */
	steps = 0;
	CHECK(!imap_match(SL("INBOX"), slice(path, sizeof path), &steps));
	CHECK_INT(steps, 5);
	memset(pattern, '*', sizeof pattern);
	CHECK(!imap_match(slice(pattern, IMAP_PATTERN_MAX + 1), SL("a"), &steps));
	CHECK(imap_match(slice(pattern, IMAP_PATTERN_MAX), SL("a"), &steps));
}

static void flags_case(const char *in, const char *want, bool bare)
{
	struct imap_flags f;
	struct arena arena;
	struct imap_args a;
	const char *why;
	struct buf b;
	bool ok;

	arena_init(&arena, NULL);
	buf_init(&b, 1000, NULL);
	a = imap_args(slice_str(in), &arena);
	ok = (bare ? imap_flags_parse_store(&a, &f, &why) : imap_flags_parse(&a, &f, &why)) &&
	     imap_end(&a);
	check_note("%s", in);
	if (ok)
		imap_flags_put(&b, f.flags, ((uint64_t)1 << f.nkeywords) - 1, f.keywords,
			       f.nkeywords, IMAP_NOT_RECENT);
	else
		buf_puts(&b, "BAD");
	CHECK_SLICE(buf_slice(&b), slice_str(want));
	buf_fini(&b);
	arena_reset(&arena);
}

TEST(flags_lists)
{
	flags_case("()", "()", false);
	flags_case("(\\Seen)", "(\\Seen)", false);
	flags_case("(\\seen \\DELETED \\Seen)", "(\\Deleted \\Seen)", false);
	flags_case("($Forwarded a \\Draft A)", "(\\Draft $Forwarded a)", false);
	flags_case("(\\Recent)", "BAD", false);
	flags_case("(\\Foo)", "BAD", false);
	flags_case("(\\Seen", "BAD", false);
	flags_case("( \\Seen)", "BAD", false);
	flags_case("\\Seen", "BAD", false);
	flags_case("\\Seen a", "(\\Seen a)", true);
	flags_case("()", "()", true);
	flags_case("", "BAD", true);
	flags_case("(\\)", "BAD", false);
}

TEST(flags_limits)
{
	struct imap_flags f;
	struct arena arena;
	struct imap_args a;
	const char *why;
	struct buf b;

	arena_init(&arena, NULL);
	buf_init(&b, 10000, NULL);
	for (unsigned n = 0; n <= IMAP_KEYWORDS_MAX; n++)
		buf_printf(&b, "%sk%u", n == 0 ? "(" : " ", n);
	buf_puts(&b, ")");
	a = imap_args(buf_slice(&b), &arena);
	CHECK(!imap_flags_parse(&a, &f, &why));
	buf_reset(&b);
	buf_puts(&b, "(");
	for (unsigned n = 0; n <= IMAP_KEYWORD_BYTES_MAX; n++)
		buf_puts(&b, "k");
	buf_puts(&b, ")");
	a = imap_args(buf_slice(&b), &arena);
	CHECK(!imap_flags_parse(&a, &f, &why));
	CHECK(!imap_keyword_ok(slice(b.p + 1, IMAP_KEYWORD_BYTES_MAX + 1)));
	CHECK(imap_keyword_ok(slice(b.p + 1, IMAP_KEYWORD_BYTES_MAX)));
	CHECK(!imap_keyword_ok(SL("a b")) && !imap_keyword_ok(SL("")) &&
	      !imap_keyword_ok(SL("a\"")));
	buf_fini(&b);
	arena_reset(&arena);
}

TEST(flags_keywords_without_a_name_are_left_out)
{
	slice_t names[3] = {SL("one"), SLICE_NONE, SL("three")};
	struct buf b;

	buf_init(&b, 1000, NULL);
	imap_flags_put(&b, MESSAGE_SEEN, UINT64_MAX, names, 3, IMAP_RECENT);
	CHECK_SLICE(buf_slice(&b), SL("(\\Seen one three \\Recent)"));
	buf_fini(&b);
}

static void put_case(void (*put)(struct buf *, slice_t), slice_t in, const char *want)
{
	struct buf b;

	buf_init(&b, 10000, NULL);
	put(&b, in);
	CHECK_SLICE(buf_slice(&b), slice_str(want));
	buf_fini(&b);
}

TEST(resp_strings)
{
	put_case(imap_put_astring, SL("abc"), "abc");
	put_case(imap_put_astring, SL(""), "\"\"");
	put_case(imap_put_astring, SL("nil"), "\"nil\"");
	put_case(imap_put_astring, SL("a b"), "\"a b\"");
	put_case(imap_put_astring, SL("a\"b\\c"), "\"a\\\"b\\\\c\"");
	put_case(imap_put_astring, SL("a\r\nb"), "{4}\r\na\r\nb");
	put_case(imap_put_astring, SL("\xc3\xa9"), "{2}\r\n\xc3\xa9");
	put_case(imap_put_mailbox, SL("Entw\xc3\xbcrfe"), "Entw&APw-rfe");
	put_case(imap_put_mailbox, SL("My Mail/\xc3\xa9"), "\"My Mail/&AOk-\"");
}

TEST(resp_dates)
{
	struct buf b;

	buf_init(&b, 100, NULL);
	imap_put_date_time(&b, 0);
	imap_put_date_time(&b, -1);
	imap_put_date_time(&b, 1000000000999999);
	CHECK_SLICE(buf_slice(&b), SL("\"01-Jan-1970 00:00:00 +0000\"\"31-Dec-1969 23:59:59 +0000\""
				      "\"09-Sep-2001 01:46:40 +0000\""));
	buf_fini(&b);
}

TEST(resp_paths)
{
	struct arena arena;
	char name[5000];

	arena_init(&arena, NULL);
	CHECK_SLICE(imap_path(&arena, SL("inbox")), SL("INBOX"));
	CHECK_SLICE(imap_path(&arena, SL("iNbOx/a")), SL("INBOX/a"));
	CHECK_SLICE(imap_path(&arena, SL("inboxes")), SL("inboxes"));
	CHECK_SLICE(imap_path(&arena, SL("a/inbox")), SL("a/inbox"));
	CHECK_INT(imap_path(&arena, SL("a&")).n, 0);
	CHECK_INT(imap_path(&arena, SL("")).n, 0);
	memset(name, 'a', sizeof name);
	CHECK_INT(imap_path(&arena, slice(name, sizeof name)).n, sizeof name);
	arena_reset(&arena);
}

TEST(resp_tagged)
{
	struct imap_cmd c = {.tag = SL("a1")};
	struct buf b;

	buf_init(&b, 1000, NULL);
	CHECK_ERR(imap_ok_code(&c, "READ-ONLY", "Selected"), E_OK);
	imap_put_tagged(&b, &c);
	CHECK_ERR(imap_no(&c, NULL, "No"), E_OK);
	imap_put_tagged(&b, &c);
	c.tag = SLICE_NONE;
	CHECK_ERR(imap_bad(&c, "What?"), E_OK);
	imap_put_tagged(&b, &c);
	CHECK_SLICE(buf_slice(&b), SL("a1 OK [READ-ONLY] Selected\r\na1 NO No\r\n* BAD What?\r\n"));
	buf_fini(&b);
}

static void no_log(slice_t line UNUSED, void *arg UNUSED)
{
}

/* Every error has an answer, but for those that end the session. */
TEST(resp_every_error)
{
	struct imap im = {0};
	struct imap_cmd c = {.tag = SL("a")};

	log_redirect(no_log, NULL);
	for (enum err e = E_RETRY; e <= E_FULL; e = e == E_WIRE_LAST ? E_TIMEOUT : e + 1) {
		c.rc = IMAP_RC_NONE;
		if (e == E_CANCELLED || e == E_CLOSED || e == E_IO || e == E_TLS) {
			CHECK_ERR(imap_fail(&im, &c, e, NULL), e);
		} else {
			CHECK_ERR(imap_fail(&im, &c, e, NULL), E_OK);
			CHECK(c.rc == IMAP_RC_NO && c.code != NULL && c.text != NULL);
		}
		CHECK((im.bye != NULL) == (e == E_NO_TICKET));
		im.bye = NULL;
	}
	log_redirect(NULL, NULL);
}
