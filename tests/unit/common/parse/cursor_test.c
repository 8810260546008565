#include "common/parse/cursor.h"

#include "tests/lib/check.h"

TEST(cclass_counts)
{
	static const struct {
		uint32_t cls;
		unsigned count;
	} rows[] = {
		{CC_ALPHA, 52},     {CC_DIGIT, 10},    {CC_HEX, 22},       {CC_WSP, 2},
		{CC_CTL, 33},       {CC_ATEXT, 81},    {CC_QTEXT, 93},     {CC_CTEXT, 91},
		{CC_DTEXT, 91},     {CC_TSPECIAL, 15}, {CC_TOKEN, 79},     {CC_FTEXT, 93},
		{CC_LETDIG, 62},    {CC_LDH, 63},      {CC_UTF8, 128},     {CC_ESMTP_VALUE, 93},
		{CC_XCHAR, 92},     {CC_VCHAR, 94},    {CC_IMAP_ATOM, 86}, {CC_IMAP_ASTRING, 87},
		{CC_IMAP_LIST, 89}, {CC_IMAP_TAG, 86}};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		unsigned n = 0;

		for (unsigned c = 0; c < 256; c++)
			n += cclass((char)c, rows[i].cls);
		check_note("class %zu", i);
		CHECK_INT(n, rows[i].count);
	}
}

TEST(cclass_by_the_book)
{
	/* RFC 5322 3.2.3, RFC 2045 5.1, RFC 3501 9. */
	const char *atext = "!#$%&'*+-/=?^_`{|}~", *tspecials = "()<>@,;:\\\"/[]?=";
	const char *not_atom = "(){ %*\"\\]";

	for (; *atext != '\0'; atext++)
		CHECK(cclass(*atext, CC_ATEXT));
	CHECK(!cclass('.', CC_ATEXT) && !cclass('@', CC_ATEXT) && !cclass('\x80', CC_ATEXT));
	for (; *tspecials != '\0'; tspecials++)
		CHECK(cclass(*tspecials, CC_TSPECIAL) && !cclass(*tspecials, CC_TOKEN));
	for (; *not_atom != '\0'; not_atom++)
		CHECK(!cclass(*not_atom, CC_IMAP_ATOM));
	CHECK(cclass('}', CC_IMAP_ATOM) && cclass('[', CC_IMAP_ATOM) && cclass('+', CC_IMAP_ATOM));
	CHECK(!cclass('+', CC_IMAP_TAG) && cclass(']', CC_IMAP_ASTRING));
	CHECK(!cclass('\0', CC_VCHAR | CC_ATEXT | CC_QTEXT | CC_WSP) && cclass('\0', CC_CTL));
	CHECK(cclass('\x7f', CC_CTL));
}

TEST(cursor_takes_or_stays)
{
	struct cursor c = cursor(SL("EHLO mx.example 42 x"));
	uint64_t v;
	slice_t s;

	CHECK(!cur_char(&c, 'e'));
	CHECK(!cur_word(&c, SL("HELO")));
	CHECK_INT(c.at, 0);
	CHECK(cur_word(&c, SL("ehlo")));
	CHECK(!cur_span(&c, CC_LETDIG, 10, &s));
	CHECK(cur_char(&c, ' '));
	CHECK(!cur_until(&c, '!', 100, &s));
	CHECK(!cur_until(&c, ' ', 9, &s));
	CHECK_INT(c.at, 5);
	CHECK(cur_until(&c, ' ', 10, &s));
	CHECK_SLICE(s, SL("mx.example"));
	CHECK_INT(cur_peek(&c), ' ');
	CHECK(cur_is(&c, CC_WSP));
	cur_skip(&c, CC_WSP);
	cur_skip(&c, CC_WSP);
	CHECK(!cur_number(&c, 41, &v));
	CHECK(cur_number(&c, 42, &v));
	CHECK_INT(v, 42);
	CHECK(!cur_take(&c, 3, &s));
	CHECK(cur_take(&c, 2, &s));
	CHECK_SLICE(s, SL(" x"));
	CHECK(cur_end(&c) && cur_peek(&c) == -1 && !cur_is(&c, CC_VCHAR) && !cur_char(&c, 'x'));
	CHECK_SLICE(cur_rest(&c), SL(""));
	CHECK(!cur_number(&c, 9, &v));
	CHECK(cur_word(&c, SL("")));
}

TEST(cursor_span_limit)
{
	struct cursor c = cursor(SL("aaaa"));
	slice_t s;

	CHECK(!cur_span(&c, CC_ALPHA, 3, &s));
	CHECK_INT(c.at, 0);
	CHECK(cur_span(&c, CC_ALPHA, 4, &s));
	CHECK_INT(s.n, 4);
}

TEST(cursor_digits)
{
	struct cursor c = cursor(SL("12345"));
	unsigned v;

	CHECK(!cur_digits(&c, 6, &v));
	CHECK(cur_digits(&c, 2, &v));
	CHECK_INT(v, 12);
	CHECK(!cur_digits(&c, 4, &v));
	CHECK(cur_digits(&c, 3, &v));
	CHECK_INT(v, 345);
	c = cursor(SL("1x"));
	CHECK(!cur_digits(&c, 2, &v));
	CHECK_INT(c.at, 0);
	c = cursor(SLICE_NONE);
	CHECK(!cur_digits(&c, 1, &v));
}
