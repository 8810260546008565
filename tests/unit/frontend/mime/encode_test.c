/* What we encode is what the decoders read, in lines that are short enough, whatever the cuts. */
#include "common/base/utf8.h"
#include "common/crypto/random.h"
#include "frontend/mime/decode.h"
#include "frontend/mime/encode.h"
#include "frontend/mime/encword.h"
#include "tests/lib/check.h"

#define OUT_MAX ((size_t)1 << 20)

static void encode_steps(slice_t in, size_t step, bool base64, struct buf *out)
{
	struct encode_qp q;
	struct encode_b64 b;

	buf_reset(out);
	encode_qp_init(&q);
	encode_b64_init(&b);
	for (; in.n != 0; in = slice_from(in, step)) {
		if (base64)
			encode_b64_put(&b, out, slice_sub(in, 0, step));
		else
			encode_qp_put(&q, out, slice_sub(in, 0, step));
	}
	encode_qp_end(&q, out);
	encode_b64_end(&b, out);
}

/* In pieces of step bytes, each into as little room as there must be; before each the decoder is
 * another copy. */
static void decode(slice_t in, enum mime_cte cte, size_t step, struct buf *out)
{
	char room[DECODE_OUT_MIN];
	struct decode d;
	size_t whole = in.n;

	buf_reset(out);
	decode_init(&d, cte);
	for (; in.n != 0; in = slice_from(in, step)) {
		slice_t piece = slice_sub(in, 0, step);
		struct decode copy = d;

		while (piece.n != 0)
			buf_put(out, slice(room, decode_feed(&copy, &piece, room, sizeof room)));
		memset(&d, 0x55, sizeof d);
		d = copy;
	}
	buf_put(out, slice(room, decode_end(&d, room)));
	CHECK(out->n <= whole);
}

/* Lines of at most 76 visible ASCII characters, spaces and tabs; none ends in white space. */
static void check_lines(slice_t s)
{
	while (s.n != 0) {
		size_t n = slice_find_char(s, '\n');
		slice_t line = slice_sub(s, 0, n);

		s = slice_from(s, n + 1);
		if (s.n != 0 || line.n != n) {
			REQUIRE(line.n != 0 && line.p[line.n - 1] == '\r');
			line.n--;
		}
		CHECK(line.n <= ENCODE_LINE_MAX);
		CHECK(line.n == 0 || (line.p[line.n - 1] != ' ' && line.p[line.n - 1] != '\t'));
		for (size_t i = 0; i < line.n; i++)
			REQUIRE(line.p[i] == '\t' || (line.p[i] >= ' ' && line.p[i] < 127));
	}
}

static void check_both(slice_t in)
{
	static const size_t steps[] = {1, 2, 3, 56, 57, 58, 4096};
	struct buf want, got, back;

	buf_init(&want, OUT_MAX, NULL);
	buf_init(&got, OUT_MAX, NULL);
	buf_init(&back, OUT_MAX, NULL);
	for (int base64 = 0; base64 < 2; base64++) {
		encode_steps(in, MAX(in.n, (size_t)1), base64, &want);
		check_lines(slice_ends(buf_slice(&want), SL("\r\n"))
				    ? slice_sub(buf_slice(&want), 0, want.n - 2)
				    : buf_slice(&want));
		for (size_t i = 0; i < ARRAY_LEN(steps); i++) {
			decode(buf_slice(&want), base64 ? MIME_CTE_BASE64 : MIME_CTE_QP, steps[i],
			       &back);
			CHECK_SLICE(buf_slice(&back), in);
			encode_steps(in, steps[i], base64, &got);
			CHECK_SLICE(buf_slice(&got), buf_slice(&want));
		}
	}
	buf_fini(&want);
	buf_fini(&got);
	buf_fini(&back);
}

TEST(encode_qp_as_it_stands)
{
	static const struct {
		slice_t in, want;
	} cases[] = {
		{{"plain\r\n", 7}, {"plain\r\n", 7}},   {{"a=b", 3}, {"a=3Db", 5}},
		{{"end \r\nx", 7}, {"end=20\r\nx", 9}}, {{"end\t", 4}, {"end=09", 6}},
		{{"a\rb\nc", 5}, {"a=0Db=0Ac", 9}},     {{" \r \r\n", 5}, {"=20=0D=20\r\n", 11}},
		{{"\xc3\xbc", 2}, {"=C3=BC", 6}},       {{"\0\x7f", 2}, {"=00=7F", 6}},
	};
	struct buf out;

	buf_init(&out, OUT_MAX, NULL);
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		encode_steps(cases[i].in, 100, false, &out);
		CHECK_SLICE(buf_slice(&out), cases[i].want);
	}
	buf_fini(&out);
}

/* Whatever it is and is said to be: never more than there was, the same for any cut. */
TEST(decode_what_nobody_encoded)
{
	static const char letters[] = "aB4= \t\r\n\0\xff=3D";
	static const size_t steps[] = {1, 2, 7, 100, 4096};
	char in[700];
	struct buf want, got;

	buf_init(&want, OUT_MAX, NULL);
	buf_init(&got, OUT_MAX, NULL);
	for (unsigned round = 0; round < 300; round++) {
		slice_t s = slice(in, random_below(sizeof in));

		for (size_t i = 0; i < s.n; i++)
			in[i] = letters[random_below(sizeof letters - 1)];
		for (enum mime_cte cte = MIME_CTE_7BIT; cte <= MIME_CTE_OTHER; cte++) {
			decode(s, cte, MAX(s.n, (size_t)1), &want);
			if (!decode_needed(cte))
				CHECK_SLICE(buf_slice(&want), s);
			for (size_t i = 0; i < ARRAY_LEN(steps); i++) {
				decode(s, cte, steps[i], &got);
				CHECK_SLICE(buf_slice(&got), buf_slice(&want));
			}
		}
	}
	buf_fini(&want);
	buf_fini(&got);
}

TEST(encode_anything_comes_back)
{
	static const char letters[] = "ab= \t\r\n.\xc3\xbc\0\xff-";
	char in[700];

	check_both(SL(""));
	for (unsigned round = 0; round < 300; round++) {
		size_t n = random_below(sizeof in);

		for (size_t i = 0; i < n; i++)
			in[i] = round % 2 != 0 ? letters[random_below(sizeof letters - 1)]
					       : (char)random_below(256);
		check_both(slice(in, n));
	}
}

TEST(encode_words_short_and_whole)
{
	static const char *const texts[] = {
		"x",
		"Ваше письмо не удалось доставить, и это довольно длинное предложение о том",
		"\xf0\x9f\x93\xa7\xf0\x9f\x93\xa7\xf0\x9f\x93\xa7\xf0\x9f\x93\xa7\xf0\x9f\x93\xa7"
		"\xf0\x9f\x93\xa7\xf0\x9f\x93\xa7\xf0\x9f\x93\xa7\xf0\x9f\x93\xa7\xf0\x9f\x93\xa7"
		"\xf0\x9f\x93\xa7\xf0\x9f\x93\xa7",
	};
	struct buf out, back;

	buf_init(&out, OUT_MAX, NULL);
	buf_init(&back, OUT_MAX, NULL);
	for (size_t i = 0; i < ARRAY_LEN(texts); i++) {
		for (size_t column = 0; column < 90; column++) {
			slice_t rest;

			buf_reset(&out);
			buf_reset(&back);
			encode_words(&out, slice_str(texts[i]), column);
			CHECK(encword_decode(slice_trim(buf_slice(&out)), &back, OUT_MAX));
			CHECK_SLICE(buf_slice(&back), slice_str(texts[i]));
			rest = buf_slice(&out);
			CHECK(slice_find_char(rest, '\n') == 1 ||
			      column + slice_find_char(rest, '\r') <= ENCODE_LINE_MAX);
			check_lines(slice_from(rest, slice_find_char(rest, '\n') + 1));
			/* Each word by itself is whole characters. */
			while (rest.n != 0) {
				slice_t line = slice_sub(rest, 0, slice_find_char(rest, '\r'));

				rest = slice_from(rest, line.n + 2);
				buf_reset(&back);
				CHECK(encword_decode(slice_trim(line), &back, OUT_MAX));
				CHECK(utf8_valid(buf_slice(&back)));
				CHECK(slice_find(buf_slice(&back), SL("\xef\xbf\xbd")) == back.n);
			}
		}
	}
	buf_fini(&out);
	buf_fini(&back);
}
