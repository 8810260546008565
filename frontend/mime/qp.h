/*
 * qp: streaming decoders of the two transfer encodings that hide text, quoted-printable (RFC 2045
 * section 6.7) and base64 (section 6.8). Tolerant: what is no code is text (quoted-printable) or
 * passed over (base64); the same result for any cut of the input.
 */
#ifndef FRONTEND_MIME_QP_H
#define FRONTEND_MIME_QP_H

#include "common/base/slice.h"

/* White space before a line break is the transport's and left out; more than this of it in a row
 * is kept. */
#define QP_SPACE_MAX 80

struct qp_decoder {
	char held[QP_SPACE_MAX]; /* "=", "=X", "= ", white space: not decided yet */
	unsigned held_n;
};

static inline void qp_init(struct qp_decoder *q)
{
	q->held_n = 0;
}
/* Decodes from *in (advancing it) into out, at most out_max (> QP_SPACE_MAX) bytes; returns how
 * many. Call again while *in is not empty. */
size_t qp_feed(struct qp_decoder *q, slice_t *in, char *out, size_t out_max);
/* The end: what was held and is text. At most QP_SPACE_MAX bytes. */
size_t qp_end(struct qp_decoder *q, char *out);

/* The byte that the two hexadecimal digits at the start of s stand for, or -1. */
int qp_hex(slice_t s);

struct b64_decoder {
	uint32_t bits;
	unsigned n; /* characters in bits, 0..3 */
};

static inline void b64_init(struct b64_decoder *b)
{
	*b = (struct b64_decoder){0, 0};
}
/* As qp_feed; out_max >= 3. Characters outside the alphabet are passed over; "=" ends a group, and
 * another may follow. */
size_t b64_feed(struct b64_decoder *b, slice_t *in, char *out, size_t out_max);
/* The bytes of a last group without its padding; at most 2. */
size_t b64_end(struct b64_decoder *b, char *out);

#endif
