#include "frontend/mime/encode.h"

#include "common/base/codec.h"
#include "common/base/utf8.h"

/* ---- quoted-printable ---- */

/* One byte as it is, or hidden; a soft break before it where the line is full, its "=" counted. */
static void qp_emit(struct encode_qp *q, struct buf *out, char c, bool hide)
{
	static const char hex[] = "0123456789ABCDEF";
	size_t n = hide ? 3 : 1;

	if (q->column + n > ENCODE_LINE_MAX - 1) {
		buf_puts(out, "=\r\n");
		q->column = 0;
	}
	q->column += n;
	if (!hide) {
		buf_putc(out, c);
		return;
	}
	buf_putc(out, '=');
	buf_putc(out, hex[(unsigned char)c >> 4]);
	buf_putc(out, hex[(unsigned char)c & 15]);
}

static void qp_byte(struct encode_qp *q, struct buf *out, char c)
{
	char held = q->held;

	q->held = 0;
	if (held == '\r' && c == '\n') {
		buf_puts(out, "\r\n");
		q->column = 0;
		return;
	}
	if (held != 0)
		qp_emit(q, out, held, held == '\r' || c == '\r' || c == '\n');
	if (c == ' ' || c == '\t' || c == '\r')
		q->held = c;
	else
		qp_emit(q, out, c, c <= ' ' || c >= 127 || c == '=');
}

void encode_qp_put(struct encode_qp *q, struct buf *out, slice_t in)
{
	for (size_t i = 0; i < in.n; i++)
		qp_byte(q, out, in.p[i]);
}

void encode_qp_end(struct encode_qp *q, struct buf *out)
{
	if (q->held != 0)
		qp_emit(q, out, q->held, true);
	encode_qp_init(q);
}

/* ---- base64 ---- */

void encode_b64_put(struct encode_b64 *b, struct buf *out, slice_t in)
{
	while (in.n != 0) {
		size_t n = MIN(in.n, sizeof b->held - b->n);

		memcpy(b->held + b->n, in.p, n);
		b->n += n;
		in = slice_from(in, n);
		if (b->n == sizeof b->held)
			encode_b64_end(b, out);
	}
}

void encode_b64_end(struct encode_b64 *b, struct buf *out)
{
	if (b->n == 0)
		return;
	base64_encode(out, slice(b->held, b->n));
	buf_puts(out, "\r\n");
	b->n = 0;
}

/* ---- encoded words ---- */

#define WORD_START "=?utf-8?B?"
#define WORD_END   "?="
#define WORD_EXTRA (sizeof WORD_START + sizeof WORD_END - 2)
/* An encoded word has at most 75 bytes, and a fold's space stands before it. */
#define WORD_ROOM  (ENCODE_LINE_MAX - 1)

/* Bytes of text whose word fits into room bytes of a line. */
static size_t word_bytes(size_t room)
{
	return room < WORD_EXTRA ? 0 : (room - WORD_EXTRA) / 4 * 3;
}

/* The longest piece of whole characters with at most max bytes. */
static size_t piece(slice_t text, size_t max)
{
	size_t n = 0;
	uint32_t cp;

	while (n < text.n) {
		size_t len = utf8_decode(slice_from(text, n), &cp);

		if (len == 0)
			len = 1;
		if (n + len > max)
			break;
		n += len;
	}
	return n;
}

void encode_words(struct buf *out, slice_t text, size_t column)
{
	size_t room = column < WORD_ROOM ? WORD_ROOM - column : 0;

	while (text.n != 0) {
		size_t n = piece(text, word_bytes(room));

		room = WORD_ROOM;
		if (n != 0) {
			buf_puts(out, WORD_START);
			base64_encode(out, slice_sub(text, 0, n));
			buf_puts(out, WORD_END);
			text = slice_from(text, n);
		}
		if (text.n != 0)
			buf_puts(out, "\r\n ");
	}
}
