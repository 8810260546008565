/* num: arithmetic on lengths that a peer chose, and numbers as text and as big-endian bytes. */
#ifndef COMMON_BASE_NUM_H
#define COMMON_BASE_NUM_H

#include "common/base/slice.h"

/* False, and *out unchanged, on overflow. */
static inline bool num_add(size_t a, size_t b, size_t *out)
{
	return !__builtin_add_overflow(a, b, out);
}

static inline bool num_mul(size_t a, size_t b, size_t *out)
{
	return !__builtin_mul_overflow(a, b, out);
}

static inline bool num_add_u64(uint64_t a, uint64_t b, uint64_t *out)
{
	return !__builtin_add_overflow(a, b, out);
}

/* All of s is decimal digits (at least one) and the value is at most max. */
bool num_parse(slice_t s, uint64_t max, uint64_t *out) MUST_USE;
/* A number with an optional unit: k, m, g (times 1024). */
bool num_parse_bytes(slice_t s, uint64_t *out) MUST_USE;
/* A number with an optional unit: ms, s, m, h, d; a bare number is seconds. Result in ms. */
bool num_parse_ms(slice_t s, uint64_t *out) MUST_USE;

static inline void be16_put(void *p, uint16_t v)
{
	unsigned char *b = p;

	b[0] = (unsigned char)(v >> 8);
	b[1] = (unsigned char)v;
}

static inline void be32_put(void *p, uint32_t v)
{
	unsigned char *b = p;

	be16_put(b, (uint16_t)(v >> 16));
	be16_put(b + 2, (uint16_t)v);
}

static inline void be64_put(void *p, uint64_t v)
{
	unsigned char *b = p;

	be32_put(b, (uint32_t)(v >> 32));
	be32_put(b + 4, (uint32_t)v);
}

static inline uint16_t be16_get(const void *p)
{
	const unsigned char *b = p;

	return (uint16_t)(b[0] << 8 | b[1]);
}

static inline uint32_t be32_get(const void *p)
{
	const unsigned char *b = p;

	return (uint32_t)be16_get(b) << 16 | be16_get(b + 2);
}

static inline uint64_t be64_get(const void *p)
{
	const unsigned char *b = p;

	return (uint64_t)be32_get(b) << 32 | be32_get(b + 4);
}

#endif
