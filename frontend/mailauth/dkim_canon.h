/*
 * frontend/mailauth: what proves where mail comes from. DKIM so far, and of it the hashing: the
 * keys are inside (docs/threat-model.md).
 *
 *   dkim_canon  the canonical forms of header and body, as they stream by
 *   dkim_hash   a message's fields and body, hashed for DKIM-Signature
 */
/* dkim_canon: RFC 6376 section 3.4. Any cut of the input into pieces gives the same. */
#ifndef FRONTEND_MAILAUTH_DKIM_CANON_H
#define FRONTEND_MAILAUTH_DKIM_CANON_H

#include "common/base/buf.h"
#include "common/crypto/digest.h"

enum dkim_canon { DKIM_SIMPLE, DKIM_RELAXED };

/* The body's hash (sections 3.4.3, 3.4.4). Lines end in CRLF; a CR or LF alone is a character. */
struct dkim_body {
	enum dkim_canon canon;
	bool any;        /* something was hashed */
	bool space;      /* white space that the next character makes one SP */
	bool cr;         /* the last byte was a CR */
	uint64_t breaks; /* line ends that the next character shows not to be the last */
	size_t out_n;
	struct sha256 *sum;
	char out[512]; /* canonical bytes on their way to the sum */
};

void dkim_body_init(struct dkim_body *b, enum dkim_canon canon);
void dkim_body_fini(struct dkim_body *b);
void dkim_body_feed(struct dkim_body *b, slice_t bytes);
/* The hash of all; nothing is fed afterwards. */
void dkim_body_end(struct dkim_body *b, uint8_t digest_out[SHA256_LEN]);

/* One header field in relaxed form (section 3.4.2). Start with a zeroed one. */
struct dkim_field {
	bool value; /* something of the value was put */
	bool space;
};
/* Appends the name and the colon. */
void dkim_field_name(slice_t name, struct buf *out);
/* Goes on with the value; line breaks count as the white space that they are. */
void dkim_field_value(struct dkim_field *f, slice_t bytes, struct buf *out);

#endif
