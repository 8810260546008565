#include "frontend/imap/imap_utf7.h"
#include "tests/lib/check.h"

static const struct {
	const char *utf8, *utf7;
} names[] = {
	{"", ""},
	{"INBOX", "INBOX"},
	{"a&b", "a&-b"},
	{"&", "&-"},
	{"Entw\xc3\xbcrfe", "Entw&APw-rfe"},
	/* RFC 3501 section 5.1.3 */
	{"~peter/mail/\xe5\x8f\xb0\xe5\x8c\x97/\xe6\x97\xa5\xe6\x9c\xac\xe8\xaa\x9e",
	 "~peter/mail/&U,BTFw-/&ZeVnLIqe-"},
	{"\xc3\xa9&\xc3\xa9", "&AOk-&-&AOk-"},
	{"\xf0\x9f\x98\x80", "&2D3eAA-"},
	{"x\xf0\x9f\x98\x80\xc3\xa9y", "x&2D3eAADp-y"},
};

TEST(utf7_both_ways)
{
	for (size_t i = 0; i < ARRAY_LEN(names); i++) {
		struct buf b;

		buf_init(&b, IMAP_PATH_MAX, NULL);
		imap_utf7_encode(&b, slice_str(names[i].utf8));
		CHECK_SLICE(buf_slice(&b), slice_str(names[i].utf7));
		buf_reset(&b);
		CHECK(imap_utf7_decode(&b, slice_str(names[i].utf7)));
		CHECK_SLICE(buf_slice(&b), slice_str(names[i].utf8));
		buf_fini(&b);
	}
}

TEST(utf7_refused)
{
	static const char *const bad[] = {
		"&",          "a&",       "&AOk",
		"&A-",        "&AOk=-",   "&AGE-", /* "a" has one spelling: itself */
		"&AOk-&AOk-",                      /* could have been one shift */
		"&2D0-",                           /* half a pair */
		"&3gA-",      "&AOl-",             /* bits left over */
		"\xc3\xa9",   "a\tb",     "a\x7f",
		"&AAA-",      "&2D0AYQ-", "&AOkAA-",
	};

	for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
		struct buf b;

		buf_init(&b, IMAP_PATH_MAX, NULL);
		buf_puts(&b, "x");
		check_note("%s", bad[i]);
		CHECK(!imap_utf7_decode(&b, slice_str(bad[i])));
		CHECK_SLICE(buf_slice(&b), SL("x"));
		buf_fini(&b);
	}
}

TEST(utf7_limit)
{
	struct buf b;

	buf_init(&b, 4, NULL);
	CHECK(!imap_utf7_decode(&b, SL("abcde")));
	CHECK(imap_utf7_decode(&b, SL("abcd")));
	buf_fini(&b);
}

TEST(utf7_malformed_utf8_is_replaced)
{
	struct buf b;

	buf_init(&b, 100, NULL);
	imap_utf7_encode(&b, SL("a\xff"));
	CHECK_SLICE(buf_slice(&b), SL("a&,,0-"));
	buf_fini(&b);
}
