#include "common/parse/uaddr.h"

#include "common/base/utf8.h"
#include "common/crypto/random.h"
#include "tests/lib/check.h"

TEST(uaddr_forms)
{
	static const struct {
		const char *address, *seven, *eight;
	} rows[] = {
		{"a@example.org", "a@example.org", "a@example.org"},
		{"j\xc3\xbcrgen@example.org", "j\\x{FC}rgen@example.org",
		 "j\xc3\xbcrgen@example.org"},
		{"\xe4\xb8\xad@\xf0\x9f\x93\xab.example", "\\x{4E2D}@\\x{1F4EB}.example",
		 "\xe4\xb8\xad@\xf0\x9f\x93\xab.example"},
		{"\"a b\\c\"+d=e@f", "\"a\\x{20}b\\x{5C}c\"\\x{2B}d\\x{3D}e@f",
		 "\"a\\x{20}b\\x{5C}c\"\\x{2B}d\\x{3D}e@f"},
		{"\xf4\x8f\xbf\xbf", "\\x{10FFFF}", "\xf4\x8f\xbf\xbf"},
		{"", "", ""},
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct buf b;

		check_note("%s", rows[i].address);
		buf_init(&b, 200, NULL);
		CHECK(uaddr_encode(slice_str(rows[i].address), UADDR_7BIT, &b));
		CHECK_SLICE(buf_slice(&b), slice_str(rows[i].seven));
		buf_reset(&b);
		CHECK(uaddr_encode(slice_str(rows[i].address), UADDR_8BIT, &b));
		CHECK_SLICE(buf_slice(&b), slice_str(rows[i].eight));
		buf_reset(&b);
		CHECK(uaddr_decode(slice_str(rows[i].seven), &b));
		CHECK_SLICE(buf_slice(&b), slice_str(rows[i].address));
		buf_reset(&b);
		CHECK(uaddr_decode(slice_str(rows[i].eight), &b));
		CHECK_SLICE(buf_slice(&b), slice_str(rows[i].address));
		buf_fini(&b);
	}
}

/* What others write: small letters, and utf-8-address, where these stand for themselves. */
TEST(uaddr_decode_is_generous)
{
	static const struct {
		const char *in, *want;
	} rows[] = {
		{"\\x{fc}", "\xc3\xbc"},
		{"a+b=c", "a+b=c"},
		{"\"a\\\"b\"", "\"a\\\"b\""},
		{"a\\x", "a\\x"},
		{"\\", "\\"},
		/* Once. */
		{"\\x{5C}x{FC}", "\\x{FC}"},
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct buf b;

		check_note("%s", rows[i].in);
		buf_init(&b, 200, NULL);
		CHECK(uaddr_decode(slice_str(rows[i].in), &b));
		CHECK_SLICE(buf_slice(&b), slice_str(rows[i].want));
		buf_fini(&b);
	}
}

TEST(uaddr_decode_bad)
{
	static const char *const rows[] = {
		"\\x{",        "\\x{}",        "\\x{FC",       "\\x{FCG}",       "\\x{ FC}",
		"\\x{-1}",     "\\x{0FC}",     "\\x{0}",       "\\x{A}",         "\\x{D}",
		"\\x{1F}",     "\\x{7F}",      "\\x{41}",      "\\x{D800}",      "\\x{DFFF}",
		"\\x{110000}", "\\x{FFFFFF}",  "\\x{1000041}", "\\x{100000041}", "\xff",
		"\xc3",        "\xed\xa0\x80", "a\rb",         "a\nb",           "\x7f",
	};
	struct buf b;

	buf_init(&b, 200, NULL);
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		check_note("%s", rows[i]);
		CHECK(!uaddr_decode(slice_str(rows[i]), &b));
	}
	CHECK(!uaddr_decode(SL("a\0b"), &b));
	CHECK(!uaddr_encode(SL("a\r\nb"), UADDR_8BIT, &b));
	CHECK(!uaddr_encode(SL("a\0b"), UADDR_7BIT, &b));
	CHECK(!uaddr_encode(SL("\xff"), UADDR_8BIT, &b));
	buf_fini(&b);
}

/* Whatever comes: what is taken goes on in both forms and comes back as it was. */
TEST(uaddr_of_anything)
{
	static const char alphabet[] = "\\\\\\xx{{}}0124FfdD8aA+= @\xc3\xbc\xe4\xb8\xad";

	for (int round = 0; round < 20000; round++) {
		char in[24];
		size_t n = random_below(sizeof in + 1);
		struct buf first, coded, again;

		for (size_t i = 0; i < n; i++)
			in[i] = alphabet[random_below(sizeof alphabet - 1)];
		buf_init(&first, sizeof in, NULL);
		buf_init(&coded, 10 * sizeof in, NULL);
		buf_init(&again, sizeof in, NULL);
		if (uaddr_decode(slice(in, n), &first)) {
			enum uaddr_form form = round % 2 == 0 ? UADDR_7BIT : UADDR_8BIT;

			CHECK(!buf_failed(&first) && utf8_valid(buf_slice(&first)));
			CHECK(uaddr_encode(buf_slice(&first), form, &coded));
			CHECK(form == UADDR_8BIT || utf8_is_ascii(buf_slice(&coded)));
			CHECK(uaddr_decode(buf_slice(&coded), &again));
			CHECK_SLICE(buf_slice(&again), buf_slice(&first));
		}
		buf_fini(&first);
		buf_fini(&coded);
		buf_fini(&again);
	}
}
