/* The canonical forms; the examples are those of RFC 6376 section 3.4.5 and RFC 8463. */
#include "frontend/mailauth/dkim_canon.h"

#include "common/base/codec.h"
#include "tests/lib/check.h"

/* Fed in pieces of so many bytes, the last whatever is left; 0: all at once. */
static void body_hash(enum dkim_canon canon, slice_t body, size_t piece, uint8_t out[SHA256_LEN])
{
	struct dkim_body b;

	dkim_body_init(&b, canon);
	while (piece > 0 && body.n > piece) {
		dkim_body_feed(&b, slice_sub(body, 0, piece));
		body = slice_from(body, piece);
	}
	dkim_body_feed(&b, body);
	dkim_body_end(&b, out);
	dkim_body_fini(&b);
}

/* BINARYMIME: any byte is a character; only CRLF ends a line. */
TEST(dkim_body_of_any_bytes)
{
	slice_t body = SL("\0\0 \0\t\r\n\n\r\xff\r\r\n \0"),
		want = SL("\0\0 \0\r\n\n\r\xff\r\r\n \0\r\n");
	uint8_t is[SHA256_LEN], got[SHA256_LEN];

	sha256(want, is);
	for (size_t piece = 0; piece <= body.n; piece++) {
		body_hash(DKIM_RELAXED, body, piece, got);
		CHECK_SLICE(slice(got, sizeof got), slice(is, sizeof is));
	}
}

TEST(dkim_body_forms)
{
	static const struct {
		const char *body, *relaxed, *simple;
	} cases[] = {
		{"", "", "\r\n"},
		{"\r\n\r\n", "", "\r\n"},
		{" C \r\nD \t E\r\n\r\n\r\n", " C\r\nD E\r\n", " C \r\nD \t E\r\n"},
		{"no end", "no end\r\n", "no end\r\n"},
		{"x \t", "x\r\n", "x \t\r\n"},
		{" \r\n\t\r\n", "", " \r\n\t\r\n"},
		{"a\r\n\r\n \r\nb\r\n", "a\r\n\r\n\r\nb\r\n", "a\r\n\r\n \r\nb\r\n"},
		{"\r\n\r\n a\t\r\n", "\r\n\r\n a\r\n", "\r\n\r\n a\t\r\n"},
		{"\xc3\xa9 \xff\r\n", "\xc3\xa9 \xff\r\n", "\xc3\xa9 \xff\r\n"},
		{"one\rtwo\nthree\r", "one\rtwo\nthree\r\r\n", "one\rtwo\nthree\r\r\n"},
		{"\r\r\n", "\r\r\n", "\r\r\n"},
		{"a \rb\t\r\r\n", "a \rb \r\r\n", "a \rb\t\r\r\n"},
	};

	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		slice_t body = slice_str(cases[i].body);
		uint8_t want[2][SHA256_LEN], got[SHA256_LEN];

		check_note("case %zu", i);
		sha256(slice_str(cases[i].relaxed), want[DKIM_RELAXED]);
		sha256(slice_str(cases[i].simple), want[DKIM_SIMPLE]);
		for (size_t piece = 0; piece <= body.n; piece++) {
			body_hash(DKIM_RELAXED, body, piece, got);
			CHECK_SLICE(slice(got, sizeof got), slice(want[DKIM_RELAXED], SHA256_LEN));
			body_hash(DKIM_SIMPLE, body, piece, got);
			CHECK_SLICE(slice(got, sizeof got), slice(want[DKIM_SIMPLE], SHA256_LEN));
		}
	}
}

TEST(dkim_body_rfc8463)
{
	uint8_t got[SHA256_LEN];
	struct buf b64;

	buf_init(&b64, 64, NULL);
	body_hash(DKIM_RELAXED,
		  SL("Hi.\r\n\r\nWe lost the game.  Are you hungry yet?\r\n\r\nJoe.\r\n"), 0, got);
	base64_encode(&b64, slice(got, sizeof got));
	CHECK_SLICE(buf_slice(&b64), SL("2jUSOH9NhtVGCQWNr9BrIAPreKQjO6Sn7XIkfJVOzv8="));
	buf_fini(&b64);
}

/* Longer than what is held at a time, and a million empty lines that are none at the end. */
TEST(dkim_body_long)
{
	uint8_t got[SHA256_LEN], want[SHA256_LEN];
	struct dkim_body b;
	struct buf all, line;

	buf_init(&all, 1 << 20, NULL);
	dkim_body_init(&b, DKIM_RELAXED);
	buf_init(&line, 64, NULL);
	for (size_t i = 0; i < 5000; i++) {
		buf_printf(&all, "line %zu of many\r\n", i);
		buf_reset(&line);
		buf_printf(&line, "line  %zu \tof many \t\r\n", i);
		dkim_body_feed(&b, buf_slice(&line));
	}
	for (size_t i = 0; i < 1000000; i++)
		dkim_body_feed(&b, SL("\r\n"));
	dkim_body_end(&b, got);
	sha256(buf_slice(&all), want);
	CHECK_SLICE(slice(got, sizeof got), slice(want, sizeof want));
	dkim_body_fini(&b);
	buf_fini(&all);
	buf_fini(&line);
}

TEST(dkim_field_forms)
{
	static const struct {
		const char *name, *value, *want;
	} cases[] = {
		{"A", " X\r\n", "a:X"},
		{"B", " Y\t\r\n\tZ  \r\n", "b:Y Z"},
		{"SUBJect", "", "subject:"},
		{"To", " \r\n \t\r\n x \r\n", "to:x"},
		{"X", "\xc3\xa9  \xc3\xa9", "x:\xc3\xa9 \xc3\xa9"},
	};

	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		slice_t value = slice_str(cases[i].value);

		for (size_t cut = 0; cut <= value.n; cut++) {
			struct dkim_field f = {.value = false};
			struct buf b;

			buf_init(&b, 256, NULL);
			dkim_field_name(slice_str(cases[i].name), &b);
			dkim_field_value(&f, slice_sub(value, 0, cut), &b);
			dkim_field_value(&f, slice_from(value, cut), &b);
			CHECK_SLICE(buf_slice(&b), slice_str(cases[i].want));
			buf_fini(&b);
		}
	}
}
