/*
 * decode: a part's transfer encoding undone (RFC 2045 section 6) while its bytes stream by, for
 * whoever has an enum mime_cte. Tolerant as the decoders in qp.h are; the same result for any cut
 * of the input. What comes out is never longer than what went in.
 */
#ifndef FRONTEND_MIME_DECODE_H
#define FRONTEND_MIME_DECODE_H

#include "frontend/mime/qp.h"
#include "frontend/mime/summary.h"

/* Room that each call needs. */
#define DECODE_OUT_MIN (QP_SPACE_MAX + 1)

/* A value: a copy of it goes on from the same place. */
struct decode {
	enum mime_cte cte;
	union {
		struct qp_decoder qp;
		struct b64_decoder b64;
	} u;
};

/* Is anything undone? Otherwise bytes pass as they are, those of MIME_CTE_OTHER too: who may not
 * show these asks before. */
static inline bool decode_needed(enum mime_cte cte)
{
	return cte == MIME_CTE_QP || cte == MIME_CTE_BASE64;
}

void decode_init(struct decode *d, enum mime_cte cte);
/* Decodes from *in (advancing it) into out, at most out_max (>= DECODE_OUT_MIN) bytes; returns how
 * many. Call again while *in is not empty. */
size_t decode_feed(struct decode *d, slice_t *in, char *out, size_t out_max);
/* The end: what was held. At most DECODE_OUT_MIN bytes. */
size_t decode_end(struct decode *d, char *out);

#endif
