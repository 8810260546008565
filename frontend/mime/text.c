#include "frontend/mime/text.h"

/* Between two stages; three of them lie on the stack at once. */
#define CHUNK 2048

void text_init(struct text *t, size_t max, struct budget *budget)
{
	*t = (struct text){.cut = max == 0};
	buf_init(&t->out, max, budget);
}

void text_fini(struct text *t)
{
	if (t->open)
		charset_close(&t->charset);
	t->open = false;
	buf_fini(&t->out);
}

/* The last stage: NULs go, the cut is between characters. */
static void put(struct text *t, slice_t s)
{
	size_t left = t->out.max - t->out.n;

	if (s.n > left) {
		for (s.n = left; s.n != 0 && ((unsigned char)s.p[s.n] & 0xc0) == 0x80;)
			s.n--;
		t->cut = true;
	}
	while (s.n != 0) {
		size_t n = slice_find_char(s, '\0');

		buf_put(&t->out, slice_sub(s, 0, n));
		s = slice_from(s, n + 1);
	}
}

static void put_markup(struct text *t, slice_t utf8)
{
	while (utf8.n != 0 && !t->cut) {
		char plain[CHUNK];
		size_t n = html_feed(&t->html, &utf8, plain, sizeof plain);

		put(t, slice(plain, n));
	}
}

static void put_utf8(struct text *t, slice_t utf8)
{
	if (t->markup)
		put_markup(t, utf8);
	else
		put(t, utf8);
}

static void put_bytes(struct text *t, slice_t bytes)
{
	while (bytes.n != 0 && !t->cut) {
		char utf8[CHUNK];
		size_t n = charset_feed(&t->charset, &bytes, utf8, sizeof utf8);

		put_utf8(t, slice(utf8, n));
	}
}

/* Subtypes of text that are written in tags. */
static bool is_markup(slice_t subtype)
{
	return slice_ieq(subtype, SL("html")) || slice_ieq(subtype, SL("xml")) ||
	       slice_ieq(subtype, SL("enriched")) || slice_ieq(subtype, SL("richtext"));
}

void text_begin(struct text *t, slice_t subtype, slice_t charset, enum mime_cte cte)
{
	if (t->cut || cte == MIME_CTE_OTHER)
		return;
	decode_init(&t->decode, cte);
	t->markup = is_markup(subtype);
	html_init(&t->html);
	charset_open(&t->charset, charset);
	t->open = true;
}

void text_feed(struct text *t, slice_t bytes)
{
	if (!t->open || t->cut)
		return;
	if (!decode_needed(t->decode.cte)) {
		put_bytes(t, bytes);
		return;
	}
	while (bytes.n != 0 && !t->cut) {
		char plain[CHUNK];
		size_t n = decode_feed(&t->decode, &bytes, plain, sizeof plain);

		put_bytes(t, slice(plain, n));
	}
}

void text_end(struct text *t)
{
	char rest[CHARSET_OUT_MIN];

	if (!t->open)
		return;
	if (!t->cut)
		put_bytes(t, slice(rest, decode_end(&t->decode, rest)));
	if (!t->cut)
		put_utf8(t, slice(rest, charset_end(&t->charset, rest)));
	if (!t->cut && t->markup)
		put(t, slice(rest, html_end(&t->html, rest)));
	if (!t->cut)
		put(t, SL("\n"));
	charset_close(&t->charset);
	t->open = false;
}

void text_add_line(struct text *t, slice_t utf8)
{
	if (t->cut || utf8.n == 0)
		return;
	put(t, utf8);
	if (!t->cut)
		put(t, SL("\n"));
}
