/* slice: a pointer and a length, passed by value. It never owns; who does is said where a field
 * of this type is declared. An empty slice may have any pointer, NULL included. */
#ifndef COMMON_BASE_SLICE_H
#define COMMON_BASE_SLICE_H

#include <string.h>

#include "common/base/base.h"

typedef struct slice {
	const char *p;
	size_t n;
} slice_t;

#define SLICE_NONE ((slice_t){NULL, 0})
/* A slice of a string literal, without its NUL. */
#define SL(lit)    ((slice_t){"" lit, sizeof(lit) - 1})

static inline slice_t slice(const void *p, size_t n)
{
	return (slice_t){(const char *)p, n};
}

static inline slice_t slice_str(const char *s)
{
	return (slice_t){s, s != NULL ? strlen(s) : 0};
}

static inline bool slice_eq(slice_t a, slice_t b)
{
	return a.n == b.n && (a.n == 0 || memcmp(a.p, b.p, a.n) == 0);
}

/* The part from `from` on, at most n bytes; both are clamped to s. */
static inline slice_t slice_sub(slice_t s, size_t from, size_t n)
{
	if (from > s.n)
		from = s.n;
	if (n > s.n - from)
		n = s.n - from;
	return (slice_t){s.p != NULL ? s.p + from : NULL, n};
}

static inline slice_t slice_from(slice_t s, size_t from)
{
	return slice_sub(s, from, SIZE_MAX);
}

/* ASCII case only: the field's keywords (RFC 5321, 3501, 5322) are ASCII. */
bool slice_ieq(slice_t a, slice_t b);
bool slice_starts(slice_t s, slice_t prefix);
bool slice_istarts(slice_t s, slice_t prefix);
bool slice_ends(slice_t s, slice_t suffix);
/* Order as memcmp, then by length. */
int slice_cmp(slice_t a, slice_t b);
/* Index of the first c, or s.n. */
size_t slice_find_char(slice_t s, char c);
/* How often c stands in s. */
size_t slice_count_char(slice_t s, char c);
/* Index of the first occurrence of what, or s.n. */
size_t slice_find(slice_t s, slice_t what);
/* Without leading and trailing SP, HT, CR, LF. */
slice_t slice_trim(slice_t s);
/* Copies s and a NUL into dst of the given size; false (and an empty dst) if it does not fit or
 * holds a NUL. */
bool slice_to_str(slice_t s, char *dst, size_t size) MUST_USE;

static inline char ascii_lower(char c)
{
	return c >= 'A' && c <= 'Z' ? (char)(c | 0x20) : c;
}

static inline char ascii_upper(char c)
{
	return c >= 'a' && c <= 'z' ? (char)(c & ~0x20) : c;
}

#endif
