#include "common/base/buf.h"
#include "frontend/outbound/smtp_body.h"
#include "tests/lib/check.h"

static void stuff(struct smtp_body *b, slice_t in, struct buf *out)
{
	slice_t piece;

	while (smtp_body_next(b, &in, &piece))
		buf_put(out, piece);
}

/* The receiver's side: what dot_read does. False: the end is not where it should be. */
static bool unstuff(slice_t in, struct buf *out)
{
	while (in.n > 0) {
		size_t lf = slice_find(in, SL("\r\n"));
		slice_t line = slice_sub(in, 0, lf);

		in = slice_from(in, lf + 2);
		if (slice_eq(line, SL(".")))
			return in.n == 0;
		buf_put(out, slice_starts(line, SL(".")) ? slice_from(line, 1) : line);
		buf_puts(out, "\r\n");
	}
	return false;
}

static const struct {
	const char *in, *out;
} rows[] = {
	{"", ".\r\n"},
	{".", "..\r\n.\r\n"},
	{".\r\n", "..\r\n.\r\n"},
	{"\r\n.\r\n", "\r\n..\r\n.\r\n"},
	{"a", "a\r\n.\r\n"},
	{"a\r\n", "a\r\n.\r\n"},
	{"a.b\r\n.c\r\n..d\r\n...\r\ne.\r\n", "a.b\r\n..c\r\n...d\r\n....\r\ne.\r\n.\r\n"},
	{"..", "...\r\n.\r\n"},
	{"\r\n\r\n.\r\n.\r\n", "\r\n\r\n..\r\n..\r\n.\r\n"},
};

/* Any cut of the input into two, and into single bytes, gives the same; and the receiver has the
 * message again, with a last line that ends. */
TEST(stuffing_at_every_cut)
{
	struct buf out, back;

	buf_init(&out, 4096, NULL);
	buf_init(&back, 4096, NULL);
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		slice_t in = slice_str(rows[i].in);

		check_note("row %zu", i);
		for (size_t cut = 0; cut <= in.n + 1; cut++) {
			struct smtp_body b;

			smtp_body_init(&b);
			buf_reset(&out);
			if (cut <= in.n) {
				stuff(&b, slice_sub(in, 0, cut), &out);
				stuff(&b, slice_from(in, cut), &out);
			} else {
				for (size_t k = 0; k < in.n; k++)
					stuff(&b, slice_sub(in, k, 1), &out);
			}
			buf_put(&out, smtp_body_end(&b));
			CHECK_SLICE(buf_slice(&out), slice_str(rows[i].out));
		}
		buf_reset(&back);
		CHECK(unstuff(buf_slice(&out), &back));
		CHECK(slice_starts(buf_slice(&back), in));
		CHECK(back.n == in.n || (back.n == in.n + 2 && !slice_ends(in, SL("\r\n"))));
	}
	buf_fini(&out);
	buf_fini(&back);
}

TEST(what_may_not_leave)
{
	static const struct {
		slice_t in;
		bool clean;
	} cases[] = {
		{SL("a\r\nb\r\n"), true}, {SL("a"), true},
		{SL(""), true},           {SL("a\nb\r\n"), false},
		{SL("a\rb\r\n"), false},  {SL("a\r"), false},
		{SL("a\r\r\n"), false},   {SL("a\n.\r\nMAIL FROM:<x>\r\n"), false},
		{SL("a\r.\r\n"), false},  {SL("a\0b"), false},
	};

	for (size_t i = 0; i < ARRAY_LEN(cases); i++)
		for (size_t cut = 0; cut <= cases[i].in.n; cut++) {
			struct smtp_body b;
			bool clean;

			check_note("case %zu, cut %zu", i, cut);
			smtp_body_init(&b);
			clean = smtp_body_clean(&b, slice_sub(cases[i].in, 0, cut)) &&
				smtp_body_clean(&b, slice_from(cases[i].in, cut)) &&
				smtp_body_clean_end(&b);
			CHECK_INT(clean, cases[i].clean);
		}
}
