#include "common/base/codec.h"

static const char base64_chars[] =
	"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

void base64_encode(struct buf *out, slice_t in)
{
	for (size_t i = 0; i < in.n; i += 3) {
		uint32_t v = (uint32_t)(unsigned char)in.p[i] << 16;
		char quad[4];

		if (i + 1 < in.n)
			v |= (uint32_t)(unsigned char)in.p[i + 1] << 8;
		if (i + 2 < in.n)
			v |= (unsigned char)in.p[i + 2];
		quad[0] = base64_chars[v >> 18];
		quad[1] = base64_chars[v >> 12 & 63];
		quad[2] = i + 1 < in.n ? base64_chars[v >> 6 & 63] : '=';
		quad[3] = i + 2 < in.n ? base64_chars[v & 63] : '=';
		buf_put(out, slice(quad, 4));
	}
}

int base64_value(char c)
{
	if (c >= 'A' && c <= 'Z')
		return c - 'A';
	if (c >= 'a' && c <= 'z')
		return c - 'a' + 26;
	if (c >= '0' && c <= '9')
		return c - '0' + 52;
	if (c == '+')
		return 62;
	return c == '/' ? 63 : -1;
}

/* Decodes one group of four; npad is how many '=' end it. */
static bool base64_quad(struct buf *out, const char *q, unsigned npad)
{
	uint32_t v = 0;
	char bytes[3];

	for (unsigned i = 0; i < 4; i++) {
		int d = i < 4 - npad ? base64_value(q[i]) : 0;

		if (d < 0)
			return false;
		v = v << 6 | (uint32_t)d;
	}
	/* The bits that padding cuts off must be zero: one encoding for one value. */
	if ((npad == 1 && (v & 0xff) != 0) || (npad == 2 && (v & 0xffff) != 0))
		return false;
	bytes[0] = (char)(v >> 16);
	bytes[1] = (char)(v >> 8);
	bytes[2] = (char)v;
	buf_put(out, slice(bytes, 3 - npad));
	return true;
}

bool base64_decode(struct buf *out, slice_t in)
{
	size_t before = out->n;
	unsigned npad = 0;

	if (in.n % 4 != 0)
		return false;
	if (in.n != 0 && in.p[in.n - 1] == '=')
		npad = in.p[in.n - 2] == '=' ? 2 : 1;
	for (size_t i = 0; i < in.n; i += 4) {
		if (!base64_quad(out, in.p + i, i + 4 == in.n ? npad : 0)) {
			out->n = before;
			return false;
		}
	}
	return !buf_failed(out);
}

void hex_encode(struct buf *out, slice_t in)
{
	static const char digits[] = "0123456789abcdef";

	for (size_t i = 0; i < in.n; i++) {
		buf_putc(out, digits[(unsigned char)in.p[i] >> 4]);
		buf_putc(out, digits[in.p[i] & 15]);
	}
}

static int hex_value(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	c = ascii_lower(c);
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

bool hex_decode(struct buf *out, slice_t in)
{
	size_t before = out->n;

	if (in.n % 2 != 0)
		return false;
	for (size_t i = 0; i < in.n; i += 2) {
		int hi = hex_value(in.p[i]), lo = hex_value(in.p[i + 1]);

		if (hi < 0 || lo < 0) {
			out->n = before;
			return false;
		}
		buf_putc(out, (char)(hi << 4 | lo));
	}
	return !buf_failed(out);
}
