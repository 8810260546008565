/*
 * buf: owned, growing bytes with a maximum. A put that would pass the maximum (or the budget)
 * leaves the bytes as they were and sets a sticky failure, so a writer may put many things and
 * look once, with buf_failed(), at the end.
 *
 * A slice of its bytes is good until the next put, reset, drop or trim. In builds with
 * AddressSanitizer the bytes move when they are reset or dropped, as they do when they grow, and
 * what is not in use is poisoned.
 */
#ifndef COMMON_BASE_BUF_H
#define COMMON_BASE_BUF_H

#include <stdarg.h>

#include "common/base/budget.h"
#include "common/base/slice.h"

struct buf {
	char *p;
	size_t n;              /* bytes in use */
	size_t cap;            /* bytes allocated */
	size_t max;            /* never more than this */
	struct budget *budget; /* borrowed, may be NULL */
	bool failed;
};

/* No memory is taken until the first put. */
void buf_init(struct buf *b, size_t max, struct budget *budget);
void buf_fini(struct buf *b);
/* Empties and clears the failure; keeps the memory. */
void buf_reset(struct buf *b);
/* Gives the memory back when empty. */
void buf_trim(struct buf *b);

static inline slice_t buf_slice(const struct buf *b)
{
	return slice(b->p, b->n);
}

static inline bool buf_failed(const struct buf *b)
{
	return b->failed;
}

void buf_put(struct buf *b, slice_t s);
void buf_putc(struct buf *b, char c);
void buf_puts(struct buf *b, const char *s);
void buf_put_u64(struct buf *b, uint64_t v); /* decimal */
void buf_printf(struct buf *b, const char *fmt, ...) PRINTF(2, 3);
void buf_vprintf(struct buf *b, const char *fmt, va_list ap) PRINTF(2, 0);
/* Makes room for n more bytes in one step, where more is known to come than the next put. False: it
 * is not to be had, which is no failure. */
bool buf_expect(struct buf *b, size_t n);
/* Room for n more bytes at the returned place, NULL (and failed) if not to be had; the caller
 * fills at most n and then calls buf_commit. */
char *buf_reserve(struct buf *b, size_t n);
void buf_commit(struct buf *b, size_t n);
/* Drops the first n bytes, moving the rest down. */
void buf_drop(struct buf *b, size_t n);

#endif
