#include "common/record/record.h"

/* The size of the state: it lies in the caller's struct, so that a check owns no heap memory. */
#define XXH_STATIC_LINKING_ONLY
#include <xxhash.h>

#include "common/base/num.h"

#define MAGIC_HEADER   0x50526563u /* "PRec" */
#define MAGIC_TRAILER  0x50456e64u /* "PEnd" */
/* Bytes of the trailer that the checksum covers. */
#define TRAILER_HASHED (RECORD_TRAILER_SIZE - 8)
/* What a sealed block carries besides its text: AES-GCM's and ChaCha20-Poly1305's tag. */
#define SEAL_TAG       16u

void record_header_encode(const struct record_header *h, unsigned char out[RECORD_HEADER_SIZE])
{
	memset(out, 0, RECORD_HEADER_SIZE);
	be32_put(out, MAGIC_HEADER);
	out[4] = RECORD_VERSION;
	out[5] = (unsigned char)h->compression;
	out[6] = (unsigned char)h->seal;
	memcpy(out + 8, h->id, RECORD_ID_SIZE);
	be32_put(out + 24, RECORD_BLOCK);
}

enum err record_header_decode(slice_t in, struct record_header *out)
{
	const unsigned char *p = (const unsigned char *)in.p;

	if (in.n < RECORD_HEADER_SIZE || be32_get(p) != MAGIC_HEADER || p[7] != 0 ||
	    be32_get(p + 28) != 0)
		return E_CORRUPT;
	if (p[4] != RECORD_VERSION || p[5] > RECORD_COMP_ZSTD || p[6] > RECORD_SEAL_CHACHA20 ||
	    be32_get(p + 24) != RECORD_BLOCK)
		return E_INVALID;
	out->compression = (enum record_compression)p[5];
	out->seal = (enum record_seal)p[6];
	memcpy(out->id, p + 8, RECORD_ID_SIZE);
	return E_OK;
}

void record_trailer_encode(const struct record_trailer *t, unsigned char out[RECORD_TRAILER_SIZE])
{
	be32_put(out, MAGIC_TRAILER);
	be32_put(out + 4, t->nblocks);
	be64_put(out + 8, t->plain_size);
	be64_put(out + 16, t->stored_size);
	be64_put(out + 24, 0);
	be64_put(out + TRAILER_HASHED, t->checksum);
}

uint32_t record_block_count(uint64_t plain_size)
{
	return (uint32_t)((plain_size + RECORD_BLOCK - 1) / RECORD_BLOCK);
}

uint32_t record_block_plain(uint64_t plain_size, uint32_t i)
{
	uint64_t left = plain_size - (uint64_t)i * RECORD_BLOCK;

	return left < RECORD_BLOCK ? (uint32_t)left : RECORD_BLOCK;
}

/* Bytes of a record that are not blocks. */
static uint64_t overhead(uint32_t nblocks)
{
	return RECORD_HEADER_SIZE + (uint64_t)nblocks * RECORD_ENTRY_SIZE + RECORD_TRAILER_SIZE;
}

enum err record_trailer_decode(slice_t in, struct record_trailer *out)
{
	const unsigned char *p = (const unsigned char *)in.p;
	struct record_trailer t;

	if (in.n != RECORD_TRAILER_SIZE || be32_get(p) != MAGIC_TRAILER || be64_get(p + 24) != 0)
		return E_CORRUPT;
	t.nblocks = be32_get(p + 4);
	t.plain_size = be64_get(p + 8);
	t.stored_size = be64_get(p + 16);
	t.checksum = be64_get(p + TRAILER_HASHED);
	if (t.plain_size > RECORD_PLAIN_MAX || t.nblocks != record_block_count(t.plain_size) ||
	    t.stored_size < overhead(t.nblocks) + t.nblocks ||
	    t.stored_size > overhead(t.nblocks) + (uint64_t)t.nblocks * RECORD_BLOCK_STORED_MAX)
		return E_CORRUPT;
	*out = t;
	return E_OK;
}

void record_table_encode(const uint32_t *entries, size_t n, unsigned char *out)
{
	for (size_t i = 0; i < n; i++)
		be32_put(out + i * RECORD_ENTRY_SIZE, entries[i]);
}

enum err record_table_decode(slice_t in, uint32_t *out, size_t n)
{
	if (n > RECORD_BLOCKS_MAX || in.n != n * RECORD_ENTRY_SIZE)
		return E_CORRUPT;
	for (size_t i = 0; i < n; i++)
		out[i] = be32_get(in.p + i * RECORD_ENTRY_SIZE);
	return E_OK;
}

enum err record_table_check(const uint32_t *entries, size_t n, uint64_t plain_size,
			    uint64_t stored_size, enum record_seal seal)
{
	uint32_t tag = seal == RECORD_SEAL_NONE ? 0 : SEAL_TAG;
	uint64_t sum = 0;

	if (plain_size > RECORD_PLAIN_MAX || n != record_block_count(plain_size))
		return E_CORRUPT;
	for (size_t i = 0; i < n; i++) {
		uint32_t len = record_entry_len(entries[i]);
		uint32_t plain = record_block_plain(plain_size, (uint32_t)i) + tag;

		if (len <= tag || len > plain || ((entries[i] & RECORD_KEPT_PLAIN) && len != plain))
			return E_CORRUPT;
		sum += len;
	}
	return stored_size == overhead((uint32_t)n) + sum ? E_OK : E_CORRUPT;
}

uint64_t record_block_offset(const uint32_t *entries, uint32_t i)
{
	uint64_t off = RECORD_HEADER_SIZE;

	while (i != 0)
		off += record_entry_len(entries[--i]);
	return off;
}

/* ---- checksum ---- */

/* The library's state wants 64 bytes of alignment, which the heap does not promise. */
static XXH3_state_t *hash_state(struct record_hash *h)
{
	uintptr_t at = ((uintptr_t)h->mem + 63) & ~(uintptr_t)63;

	return (XXH3_state_t *)(void *)(h->mem + (at - (uintptr_t)h->mem));
}

static const XXH3_state_t *hash_state_const(const struct record_hash *h)
{
	uintptr_t at = ((uintptr_t)h->mem + 63) & ~(uintptr_t)63;

	return (const XXH3_state_t *)(const void *)(h->mem + (at - (uintptr_t)h->mem));
}

void record_hash_init(struct record_hash *h)
{
	_Static_assert(sizeof(XXH3_state_t) + 64 <= sizeof h->mem, "XXH3's state");
	XXH3_INITSTATE(hash_state(h));
	XXH3_64bits_reset(hash_state(h));
}

void record_hash_add(struct record_hash *h, slice_t s)
{
	if (s.n != 0)
		XXH3_64bits_update(hash_state(h), s.p, s.n);
}

uint64_t record_hash_value(const struct record_hash *h)
{
	return XXH3_64bits_digest(hash_state_const(h));
}

/* ---- a whole record, streaming ---- */

void record_check_init(struct record_check *c)
{
	c->size = 0;
	c->err = E_OK;
	c->head_n = c->tail_n = 0;
	record_hash_init(&c->hash);
}

static void check_head(struct record_check *c, slice_t s)
{
	size_t n = MIN(s.n, sizeof c->head - c->head_n);

	if (n == 0)
		return;
	memcpy(c->head + c->head_n, s.p, n);
	c->head_n += (unsigned)n;
	if (c->head_n == sizeof c->head)
		c->err = record_header_decode(slice(c->head, sizeof c->head), &c->header);
}

/* Keeps the last bytes back: the checksum does not cover all of the trailer. */
static void check_tail(struct record_check *c, slice_t s)
{
	size_t keep = sizeof c->tail;
	size_t old;

	if (s.n >= keep) {
		record_hash_add(&c->hash, slice(c->tail, c->tail_n));
		record_hash_add(&c->hash, slice_sub(s, 0, s.n - keep));
		memcpy(c->tail, s.p + (s.n - keep), keep);
		c->tail_n = (unsigned)keep;
		return;
	}
	old = c->tail_n + s.n > keep ? c->tail_n + s.n - keep : 0;
	record_hash_add(&c->hash, slice(c->tail, old));
	memmove(c->tail, c->tail + old, c->tail_n - old);
	c->tail_n -= (unsigned)old;
	memcpy(c->tail + c->tail_n, s.p, s.n);
	c->tail_n += (unsigned)s.n;
}

enum err record_check_feed(struct record_check *c, slice_t s)
{
	if (c->err != E_OK || s.n == 0)
		return c->err;
	c->size += s.n;
	if (c->size >
	    overhead(RECORD_BLOCKS_MAX) + (uint64_t)RECORD_BLOCKS_MAX * RECORD_BLOCK_STORED_MAX) {
		c->err = E_TOO_BIG;
		return c->err;
	}
	check_head(c, s);
	if (c->err == E_OK)
		check_tail(c, s);
	return c->err;
}

enum err record_check_end(struct record_check *c, struct record_trailer *out)
{
	struct record_trailer t;

	if (c->err != E_OK)
		return c->err;
	if (c->size < RECORD_HEADER_SIZE + RECORD_TRAILER_SIZE)
		return E_CORRUPT;
	c->err = record_trailer_decode(slice(c->tail, c->tail_n), &t);
	if (c->err != E_OK)
		return c->err;
	record_hash_add(&c->hash, slice(c->tail, TRAILER_HASHED));
	if (t.stored_size != c->size || t.checksum != record_hash_value(&c->hash))
		c->err = E_CORRUPT;
	else
		*out = t;
	return c->err;
}
