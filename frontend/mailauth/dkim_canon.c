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

static void put(struct dkim_body *b, slice_t bytes)
{
	if (bytes.n > sizeof b->out - b->out_n) {
		sha256_add(b->sum, slice(b->out, b->out_n));
		b->out_n = 0;
	}
	if (bytes.n > sizeof b->out) {
		sha256_add(b->sum, bytes);
		return;
	}
	memcpy(b->out + b->out_n, bytes.p, bytes.n);
	b->out_n += bytes.n;
}

/* Bytes that are no line end: what was held back before them counts after all. */
static void put_run(struct dkim_body *b, slice_t run)
{
	for (; b->breaks > 0; b->breaks--)
		put(b, SL("\r\n"));
	if (b->space)
		put(b, SL(" "));
	b->space = false;
	b->any = true;
	put(b, run);
}

/* How many of the bytes are hashed as they are. */
static size_t run_length(const struct dkim_body *b, slice_t s)
{
	static const bool apart[256] = {[' '] = true, ['\t'] = true, ['\r'] = true};
	const uint8_t *p = (const uint8_t *)s.p;
	size_t i = 0;

	if (b->canon == DKIM_SIMPLE)
		return slice_find_char(s, '\r');
	while (i < s.n) {
		if (!apart[p[i]])
			i++;
		else if (p[i] == ' ' && i > 0 && i + 1 < s.n && !apart[p[i + 1]])
			i += 2; /* between two words */
		else
			break;
	}
	return i;
}

void dkim_body_feed(struct dkim_body *b, slice_t bytes)
{
	while (bytes.n > 0) {
		size_t n;

		if (b->cr && bytes.p[0] == '\n') {
			b->cr = false;
			b->space = false;
			b->breaks++;
			bytes = slice_from(bytes, 1);
			continue;
		}
		if (b->cr)
			put_run(b, SL("\r"));
		b->cr = false;
		n = run_length(b, bytes);
		if (n > 0) {
			put_run(b, slice_sub(bytes, 0, n));
		} else {
			n = 1;
			b->cr = bytes.p[0] == '\r';
			b->space = b->space || !b->cr;
		}
		bytes = slice_from(bytes, n);
	}
}

void dkim_body_end(struct dkim_body *b, uint8_t digest_out[SHA256_LEN])
{
	if (b->cr)
		put_run(b, SL("\r"));
	/* Empty lines at the end are dropped, a missing line end is added; of nothing simple makes
	 * an empty line, relaxed nothing. */
	if (b->any || b->canon == DKIM_SIMPLE)
		put(b, SL("\r\n"));
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
