/*
 * cursor: a reader over a whole slice. Each function takes one thing and advances, or returns
 * false and leaves the cursor as it was. Results are slices of the input.
 */
#ifndef COMMON_PARSE_CURSOR_H
#define COMMON_PARSE_CURSOR_H

#include "common/base/slice.h"
#include "common/parse/cclass.h"

struct cursor {
	slice_t s; /* borrowed */
	size_t at; /* <= s.n */
};

static inline struct cursor cursor(slice_t s)
{
	return (struct cursor){s, 0};
}

static inline bool cur_end(const struct cursor *c)
{
	return c->at == c->s.n;
}

static inline slice_t cur_rest(const struct cursor *c)
{
	return slice_from(c->s, c->at);
}

/* The next byte (0..255), or -1 at the end. */
static inline int cur_peek(const struct cursor *c)
{
	return c->at < c->s.n ? (unsigned char)c->s.p[c->at] : -1;
}

static inline bool cur_is(const struct cursor *c, uint32_t classes)
{
	return c->at < c->s.n && cclass(c->s.p[c->at], classes);
}

/* This very byte. */
bool cur_char(struct cursor *c, char ch);
/* These bytes; ASCII letters in any case. */
bool cur_word(struct cursor *c, slice_t word);
/* One or more bytes of the classes; false when there are none, or more than max. */
bool cur_span(struct cursor *c, uint32_t classes, size_t max, slice_t *out);
/* Any number of bytes of the classes, none included. */
void cur_skip(struct cursor *c, uint32_t classes);
/* All bytes up to ch, which stays; false when there is no ch, or more than max bytes before it. */
bool cur_until(struct cursor *c, char ch, size_t max, slice_t *out);
/* Exactly n bytes. */
bool cur_take(struct cursor *c, size_t n, slice_t *out);
/* One or more digits; a value of at most max. */
bool cur_number(struct cursor *c, uint64_t max, uint64_t *out);
/* Exactly n digits (n <= 9). */
bool cur_digits(struct cursor *c, unsigned n, unsigned *out);

#endif
