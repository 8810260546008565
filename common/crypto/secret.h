/*
 * secret: bytes that must not stay behind (passwords, keys) and comparisons that tell nothing by
 * their time. A struct secret owns its bytes, wipes them when it lets go of them, and keeps them
 * out of core dumps.
 */
#ifndef COMMON_CRYPTO_SECRET_H
#define COMMON_CRYPTO_SECRET_H

#include "common/base/buf.h"

#define SECRET_MAX 4096 /* the largest is a SASL response with an OAuth token */

struct secret {
	char *p; /* NULL: empty */
	size_t n;
};

#define SECRET_NONE ((struct secret){NULL, 0})

/* Copies; wipes what s held. False (s is empty then) for more than SECRET_MAX bytes. */
bool secret_set(struct secret *s, slice_t bytes) MUST_USE;
/* Wipes and frees; harmless when empty. */
void secret_clear(struct secret *s);
static inline slice_t secret_slice(const struct secret *s)
{
	return slice(s->p, s->n);
}

/* Zeroes n bytes in a way that no compiler removes. */
void secret_wipe(void *p, size_t n);
/* Zeroes all that b ever held in its memory, and empties it. A buffer that grew while it held a
 * secret left copies behind: reserve first. */
void secret_wipe_buf(struct buf *b);
/* Equal; the time depends on the lengths alone. */
bool secret_eq(slice_t a, slice_t b) MUST_USE;

#endif
