#include "common/base/codec.h"

#include "common/base/utf8.h"
#include "tests/lib/check.h"

/* RFC 4648 section 10. */
TEST(base64_vectors)
{
	static const char *const rows[][2] = {{"", ""},
					      {"f", "Zg=="},
					      {"fo", "Zm8="},
					      {"foo", "Zm9v"},
					      {"foob", "Zm9vYg=="},
					      {"fooba", "Zm9vYmE="},
					      {"foobar", "Zm9vYmFy"}};
	struct buf b;

	buf_init(&b, 256, NULL);
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		buf_reset(&b);
		base64_encode(&b, slice_str(rows[i][0]));
		CHECK_SLICE(buf_slice(&b), slice_str(rows[i][1]));
		buf_reset(&b);
		CHECK(base64_decode(&b, slice_str(rows[i][1])));
		CHECK_SLICE(buf_slice(&b), slice_str(rows[i][0]));
	}
	buf_fini(&b);
}

TEST(base64_is_strict)
{
	static const char *const bad[] = {"Z",    "Zg",   "Zg=",   "Zg===",    "Z===",  "====",
					  "Zh==", "Zm9=", "Zm9v=", "Zg==Zg==", "Zm9 v", "Zm9v\n",
					  "Zm-_", "=Zg=", "Zg=A",  "Zm9\xff"};
	struct buf b;

	buf_init(&b, 256, NULL);
	buf_puts(&b, "before");
	for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
		check_note("%s", bad[i]);
		CHECK(!base64_decode(&b, slice_str(bad[i])));
		CHECK_SLICE(buf_slice(&b), SL("before"));
	}
	CHECK(!base64_decode(&b, SL("Zm9v\0Zm9")));
	buf_fini(&b);
	buf_init(&b, 2, NULL);
	CHECK(!base64_decode(&b, SL("Zm9v")));
	buf_fini(&b);
}

TEST(base64_round_trip)
{
	struct buf text, back;
	char bytes[256];

	for (size_t i = 0; i < sizeof bytes; i++)
		bytes[i] = (char)(i * 7 + 3);
	buf_init(&text, 1024, NULL);
	buf_init(&back, 1024, NULL);
	for (size_t n = 0; n <= sizeof bytes; n++) {
		buf_reset(&text);
		buf_reset(&back);
		base64_encode(&text, slice(bytes, n));
		CHECK(base64_decode(&back, buf_slice(&text)));
		CHECK_SLICE(buf_slice(&back), slice(bytes, n));
		buf_reset(&text);
		buf_reset(&back);
		hex_encode(&text, slice(bytes, n));
		CHECK_INT(text.n, 2 * n);
		CHECK(hex_decode(&back, buf_slice(&text)));
		CHECK_SLICE(buf_slice(&back), slice(bytes, n));
	}
	buf_fini(&text);
	buf_fini(&back);
}

TEST(hex_and_values)
{
	struct buf b;

	buf_init(&b, 64, NULL);
	CHECK(hex_decode(&b, SL("00fFA5")));
	CHECK_SLICE(buf_slice(&b), SL("\0\xff\xa5"));
	CHECK(!hex_decode(&b, SL("0")));
	CHECK(!hex_decode(&b, SL("000g")));
	CHECK_INT(b.n, 3);
	buf_fini(&b);
	CHECK(base64_value('A') == 0 && base64_value('/') == 63 && base64_value('=') == -1);
	CHECK(base64_value('\xff') == -1);
}

TEST(utf8_well_formed)
{
	static const char *const good[] = {"",
					   "ascii",
					   "\x7f",
					   "\xc2\x80",
					   "\xdf\xbf",
					   "\xe0\xa0\x80",
					   "\xed\x9f\xbf",
					   "\xee\x80\x80",
					   "\xef\xbf\xbf",
					   "\xf0\x90\x80\x80",
					   "\xf4\x8f\xbf\xbf"};
	static const char *const bad[] = {"\x80",
					  "\xbf",
					  "\xc0\x80",
					  "\xc1\xbf",
					  "\xc2",
					  "\xc2\x41",
					  "\xe0\x80\x80",
					  "\xe0\x9f\xbf",
					  "\xed\xa0\x80",
					  "\xed\xbf\xbf",
					  "\xe2\x82",
					  "\xf0\x8f\xbf\xbf",
					  "\xf0\x90\x80",
					  "\xf4\x90\x80\x80",
					  "\xf5\x80\x80\x80",
					  "\xff",
					  "\xfe",
					  "a\xc3(b"};

	for (size_t i = 0; i < ARRAY_LEN(good); i++) {
		check_note("good %zu", i);
		CHECK(utf8_valid(slice_str(good[i])));
	}
	for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
		check_note("bad %zu", i);
		CHECK(!utf8_valid(slice_str(bad[i])));
	}
	CHECK(utf8_is_ascii(SL("a\x7f\0")) && !utf8_is_ascii(SL("a\x80")));
}

TEST(utf8_ascii_of_any_length)
{
	char text[200];

	memset(text, 'x', sizeof text);
	for (size_t n = 0; n <= sizeof text; n++) {
		CHECK(utf8_is_ascii(slice(text, n)));
		if (n == 0)
			continue;
		for (size_t at = 0; at < n; at += n / 7 + 1) {
			text[at] = (char)0x80;
			CHECK(!utf8_is_ascii(slice(text, n)));
			text[at] = 'x';
		}
	}
}

TEST(utf8_unsafe)
{
	CHECK(utf8_is_unsafe(0x1b) && utf8_is_unsafe(0x9b) && utf8_is_unsafe(0x202e) &&
	      utf8_is_unsafe(0x2067) && utf8_is_unsafe(0xfeff));
	CHECK(!utf8_is_unsafe('a') && !utf8_is_unsafe(0xe9) && !utf8_is_unsafe(0x4e00));
}

TEST(utf8_every_code_point)
{
	struct buf b;

	buf_init(&b, 16, NULL);
	for (uint32_t cp = 0; cp <= 0x10ffff + 10; cp++) {
		bool scalar = cp <= 0x10ffff && !(cp >= 0xd800 && cp <= 0xdfff);
		uint32_t back = 0;

		buf_reset(&b);
		utf8_put(&b, cp);
		REQUIRE(utf8_decode(buf_slice(&b), &back) == b.n);
		REQUIRE(back == (scalar ? cp : 0xfffd));
		for (size_t n = 0; n < b.n; n++)
			REQUIRE(utf8_decode(slice_sub(buf_slice(&b), 0, n), &back) == 0);
	}
	buf_fini(&b);
}
