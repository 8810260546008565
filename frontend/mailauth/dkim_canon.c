#include "frontend/mailauth/dkim_canon.h"

/* ---- body ---- */

void dkim_body_init(struct dkim_body *b, enum dkim_canon canon)
{
	*b = (struct dkim_body){.canon = canon, .sum = sha256_new()};
}

void dkim_body_fini(struct dkim_body *b)
{
	sha256_free(&b->sum);
}

static void put(struct dkim_body *b, char c)
{
	if (b->out_n == sizeof b->out) {
		sha256_add(b->sum, slice(b->out, b->out_n));
		b->out_n = 0;
	}
	b->out[b->out_n++] = c;
}

static void put_break(struct dkim_body *b)
{
	put(b, '\r');
	put(b, '\n');
}

/* A byte that is no line end: what was held back before it counts after all. */
static void put_char(struct dkim_body *b, char c)
{
	if (b->canon == DKIM_RELAXED && (c == ' ' || c == '\t')) {
		b->space = true;
		return;
	}
	for (; b->breaks > 0; b->breaks--)
		put_break(b);
	if (b->space)
		put(b, ' ');
	b->space = false;
	b->any = true;
	put(b, c);
}

void dkim_body_feed(struct dkim_body *b, slice_t bytes)
{
	for (size_t i = 0; i < bytes.n; i++) {
		char c = bytes.p[i];

		if (b->cr && c == '\n') {
			b->cr = false;
			b->space = false;
			b->breaks++;
			continue;
		}
		if (b->cr)
			put_char(b, '\r');
		b->cr = c == '\r';
		if (!b->cr)
			put_char(b, c);
	}
}

void dkim_body_end(struct dkim_body *b, uint8_t digest_out[SHA256_LEN])
{
	if (b->cr)
		put_char(b, '\r');
	/* Empty lines at the end are dropped, a missing line end is added; of nothing simple makes
	 * an empty line, relaxed nothing. */
	if (b->any || b->canon == DKIM_SIMPLE)
		put_break(b);
	sha256_add(b->sum, slice(b->out, b->out_n));
	b->out_n = 0;
	sha256_peek(b->sum, digest_out);
}

/* ---- header ---- */

void dkim_field_name(slice_t name, struct buf *out)
{
	for (size_t i = 0; i < name.n; i++)
		buf_putc(out, ascii_lower(name.p[i]));
	buf_putc(out, ':');
}

void dkim_field_value(struct dkim_field *f, slice_t bytes, struct buf *out)
{
	for (size_t i = 0; i < bytes.n; i++) {
		char c = bytes.p[i];

		if (c == ' ' || c == '\t' || c == '\r' || c == '\n') {
			f->space = true;
			continue;
		}
		if (f->space && f->value)
			buf_putc(out, ' ');
		f->space = false;
		f->value = true;
		buf_putc(out, c);
	}
}
