#include "frontend/mime/qp.h"

#include "common/base/codec.h"

static int hex_value(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	c = ascii_lower(c);
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

static size_t give_held(struct qp_decoder *q, char *out)
{
	size_t n = q->held_n;

	memcpy(out, q->held, n);
	q->held_n = 0;
	return n;
}

int qp_hex(slice_t s)
{
	int high = s.n >= 2 ? hex_value(s.p[0]) : -1;
	int low = high >= 0 ? hex_value(s.p[1]) : -1;

	return low >= 0 ? high << 4 | low : -1;
}

/* One byte after an undecided "=...". Takes it (true), or leaves it to be looked at afresh. */
static bool escape_byte(struct qp_decoder *q, char c, char *out, size_t *n)
{
	bool spaces = q->held_n > 1 && (q->held[1] == ' ' || q->held[1] == '\t');

	if (c == '\n' && (q->held_n == 1 || hex_value(q->held[1]) < 0)) {
		q->held_n = 0; /* soft line break */
		return true;
	}
	if (q->held[q->held_n - 1] == '\r')
		return false; /* only its LF would have made a break of it */
	if (q->held_n == 1 ? c == ' ' || c == '\t' || c == '\r' || hex_value(c) >= 0
			   : spaces && (c == ' ' || c == '\t' || c == '\r')) {
		if (q->held_n == sizeof q->held)
			return false;
		q->held[q->held_n++] = c;
		return true;
	}
	if (q->held_n == 2 && hex_value(q->held[1]) >= 0 && hex_value(c) >= 0) {
		out[(*n)++] = (char)(hex_value(q->held[1]) << 4 | hex_value(c));
		q->held_n = 0;
		return true;
	}
	return false;
}

/* One byte after undecided white space. */
static bool space_byte(struct qp_decoder *q, char c)
{
	if (c == '\n' && q->held_n < sizeof q->held) {
		/* Trailing white space goes; a CR before the LF is the break's. */
		bool cr = q->held[q->held_n - 1] == '\r';

		q->held_n = 0;
		if (cr)
			q->held[q->held_n++] = '\r';
		q->held[q->held_n++] = '\n';
		return true;
	}
	if ((c == ' ' || c == '\t' || c == '\r') && q->held_n < sizeof q->held &&
	    q->held[q->held_n - 1] != '\r') {
		q->held[q->held_n++] = c;
		return true;
	}
	return false;
}

/* Neither an escape nor white space that a line break could follow. */
static const bool undecided[256] = {['='] = true, [' '] = true, ['\t'] = true, ['\r'] = true};

static bool is_plain(char c)
{
	return !undecided[(unsigned char)c];
}

/* Without whole lines: what can be decided at once: bytes that mean themselves, a space between two
 * of them, escapes that are all there. Stops at the first that cannot. */
static size_t feed_fast(slice_t *in, char *out, size_t max)
{
	const char *p = in->p;
	size_t end = in->n;
	size_t i = 0;
	size_t n = 0;

	for (;;) {
		size_t stop = i + MIN(end - i, max - n);
		int code;

		while (i < stop && is_plain(p[i]))
			out[n++] = p[i++];
		/* Three bytes decide all but runs of white space, and make at most two. */
		if (end - i < 3 || max - n < 2 || is_plain(p[i]))
			break;
		if (p[i] == ' ' && is_plain(p[i + 1]) && p[i + 1] != '\n') {
			out[n++] = p[i++];
			continue;
		}
		if (p[i] == '\r' && p[i + 1] == '\n') {
			out[n++] = p[i++];
			out[n++] = p[i++];
			continue;
		}
		if (p[i] != '=')
			break;
		code = qp_hex(slice(p + i + 1, 2));
		if (code >= 0)
			out[n++] = (char)code;
		else if (p[i + 1] != '\r' || p[i + 2] != '\n')
			break;
		i += 3;
	}
	*in = slice_from(*in, i);
	return n;
}

/* The text of one line, its trailing white space and break left out; no more than it is long. */
static size_t line_text(slice_t line, char *out)
{
	size_t n = 0;

	for (;;) {
		size_t plain = slice_find_char(line, '=');
		int code;

		memcpy(out + n, line.p, plain);
		n += plain;
		if (plain == line.n)
			return n;
		code = qp_hex(slice_from(line, plain + 1));
		out[n++] = code >= 0 ? (char)code : '=';
		line = slice_from(line, plain + (code >= 0 ? 3 : 1));
		if (line.n == 0)
			return n;
	}
}

/* Whole lines, as far as they are there and there is room. */
static size_t feed_lines(slice_t *in, char *out, size_t max)
{
	size_t n = 0;

	for (;;) {
		slice_t line = slice_sub(*in, 0, max - n);
		size_t len = slice_find_char(line, '\n');
		size_t eol, end;

		if (len == line.n)
			return n;
		eol = len != 0 && line.p[len - 1] == '\r' ? 2 : 1;
		end = len + 1 - eol;
		while (end != 0 && (line.p[end - 1] == ' ' || line.p[end - 1] == '\t'))
			end--;
		/* More white space than is held elsewhere is kept. */
		if (len - end >= QP_SPACE_MAX - 1)
			return n;
		if (end != 0 && line.p[end - 1] == '=') {
			n += line_text(slice_sub(line, 0, end - 1), out + n);
		} else {
			n += line_text(slice_sub(line, 0, end), out + n);
			memcpy(out + n, line.p + len + 1 - eol, eol);
			n += eol;
		}
		*in = slice_from(*in, len + 1);
	}
}

size_t qp_feed(struct qp_decoder *q, slice_t *in, char *out, size_t out_max)
{
	size_t n = q->held_n == 0 ? feed_lines(in, out, out_max) : 0;

	while (in->n != 0 && out_max - n > QP_SPACE_MAX) {
		char c = in->p[0];
		bool taken;

		if (q->held_n == 0) {
			n += feed_fast(in, out + n, out_max - QP_SPACE_MAX - n);
			if (in->n == 0)
				break;
			c = in->p[0];
			if (is_plain(c))
				continue; /* no room */
			q->held[q->held_n++] = c;
			*in = slice_from(*in, 1);
			continue;
		}
		taken = q->held[0] == '=' ? escape_byte(q, c, out, &n) : space_byte(q, c);
		if (taken)
			*in = slice_from(*in, 1);
		/* Decided: text, or a line break. */
		if (!taken || (q->held_n != 0 && q->held[q->held_n - 1] == '\n'))
			n += give_held(q, out + n);
	}
	return n;
}

size_t qp_end(struct qp_decoder *q, char *out)
{
	return give_held(q, out);
}

/* 0..63 a value, 64 padding, 65 passed over. */
static const unsigned char *b64_table(void)
{
	static unsigned char table[256];

	if (table['='] == 0) {
		for (unsigned i = 0; i < 256; i++) {
			int v = base64_value((char)i);

			table[i] = (unsigned char)(v >= 0 ? v : 65);
		}
		table['='] = 64;
	}
	return table;
}

static size_t b64_flush(struct b64_decoder *b, char *out)
{
	size_t n = b->n >= 2 ? b->n - 1 : 0;

	if (n >= 1)
		out[0] = (char)(b->n == 2 ? b->bits >> 4 : b->bits >> 10);
	if (n == 2)
		out[1] = (char)(b->bits >> 2);
	b64_init(b);
	return n;
}

size_t b64_feed(struct b64_decoder *b, slice_t *in, char *out, size_t out_max)
{
	const unsigned char *table = b64_table();
	const unsigned char *p = (const unsigned char *)in->p;
	size_t i = 0;
	size_t n = 0;

	while (i < in->n && out_max - n >= 3) {
		unsigned char v;

		if (b->n == 0 && in->n - i >= 4) {
			unsigned char v0 = table[p[i]], v1 = table[p[i + 1]];
			unsigned char v2 = table[p[i + 2]], v3 = table[p[i + 3]];

			if ((v0 | v1 | v2 | v3) < 64) {
				out[n] = (char)(v0 << 2 | v1 >> 4);
				out[n + 1] = (char)(v1 << 4 | v2 >> 2);
				out[n + 2] = (char)(v2 << 6 | v3);
				n += 3;
				i += 4;
				continue;
			}
		}
		v = table[p[i++]];
		if (v == 65)
			continue;
		if (v == 64) {
			n += b64_flush(b, out + n);
			continue;
		}
		b->bits = b->bits << 6 | v;
		if (++b->n == 4) {
			out[n] = (char)(b->bits >> 16);
			out[n + 1] = (char)(b->bits >> 8);
			out[n + 2] = (char)b->bits;
			n += 3;
			b64_init(b);
		}
	}
	*in = slice_from(*in, i);
	return n;
}

size_t b64_end(struct b64_decoder *b, char *out)
{
	return b64_flush(b, out);
}
