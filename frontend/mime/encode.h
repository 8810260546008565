/*
 * encode: the other way of qp and encword, for what we write ourselves: quoted-printable (RFC 2045
 * section 6.7) and base64 (section 6.8) as streams, the same bytes for any cut of the input, and
 * encoded words (RFC 2047). Every line that they make has at most 76 bytes.
 */
#ifndef FRONTEND_MIME_ENCODE_H
#define FRONTEND_MIME_ENCODE_H

#include "common/base/buf.h"

/* RFC 2045 sections 6.7 and 6.8, RFC 2047 section 2. */
#define ENCODE_LINE_MAX 76
/* Bytes of one line of base64. */
#define ENCODE_B64_LINE 57

struct encode_qp {
	size_t column;
	char held; /* a space, a tab or a CR: what follows decides; 0: none */
};

static inline void encode_qp_init(struct encode_qp *q)
{
	*q = (struct encode_qp){0, 0};
}
/* Text whose lines end in CRLF, which stays; a bare CR or LF is hidden, as is white space at the
 * end of a line. Appends at most four times as many bytes as come in, and a few. */
void encode_qp_put(struct encode_qp *q, struct buf *out, slice_t in);
/* The end: what was held. A last line without its CRLF stays without. */
void encode_qp_end(struct encode_qp *q, struct buf *out);

struct encode_b64 {
	size_t n;
	char held[ENCODE_B64_LINE];
};

static inline void encode_b64_init(struct encode_b64 *b)
{
	b->n = 0;
}
void encode_b64_put(struct encode_b64 *b, struct buf *out, slice_t in);
/* The end: the rest, and its CRLF. */
void encode_b64_end(struct encode_b64 *b, struct buf *out);

/* Appends text (well-formed UTF-8) as encoded words in base64, folded. `column`: the bytes that
 * stand on the line already. No character is cut in two (RFC 2047 section 5). */
void encode_words(struct buf *out, slice_t text, size_t column);

#endif
