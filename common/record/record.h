/*
 * record: the bytes of a stored message, as they travel and as they lie in a volume. Layout only:
 * constants, encoding, checks and the checksum. Nothing here compresses, opens or seals; that is
 * frontend/record. So a back-end verifies a record while it streams in, and never looks inside.
 *
 *   header   32 bytes  magic "PRec", version, compression, seal, zero, id[16], block size u32, zero
 *   blocks             one after the other, each RECORD_BLOCK plain bytes (the last one less)
 *   table    4 * n     u32 an entry: top bit RECORD_KEPT_PLAIN, rest the stored length
 *   trailer  40 bytes  magic "PEnd", block count u32, plain size u64, stored size u64, zero u64,
 *                      XXH3-64 over every byte before it
 *
 * All numbers are big-endian. The totals come last so that a maker needs no more than one block
 * of memory. `docs/storage-format.md` has the same with dates.
 */
#ifndef COMMON_RECORD_RECORD_H
#define COMMON_RECORD_RECORD_H

#include "common/base/err.h"
#include "common/base/slice.h"

#define RECORD_VERSION          1
#define RECORD_HEADER_SIZE      32
#define RECORD_TRAILER_SIZE     40
#define RECORD_ENTRY_SIZE       4
#define RECORD_ID_SIZE          16
/* Plain bytes of every block but the last. */
#define RECORD_BLOCK            65536u
/* A stored block: never longer than plain, and room for a seal's tag. */
#define RECORD_BLOCK_STORED_MAX (RECORD_BLOCK + 32u)
/* Block count: 1 GiB of plain text, far above any message limit; the table is then 64 KiB. */
#define RECORD_BLOCKS_MAX       16384u
#define RECORD_PLAIN_MAX        ((uint64_t)RECORD_BLOCKS_MAX * RECORD_BLOCK)
/* Entry flag: the block is kept as it is, whatever the header's compression says. */
#define RECORD_KEPT_PLAIN       0x80000000u

enum record_compression { RECORD_COMP_NONE = 0, RECORD_COMP_ZSTD = 1 };
enum record_seal { RECORD_SEAL_NONE = 0, RECORD_SEAL_AES256GCM = 1, RECORD_SEAL_CHACHA20 = 2 };

struct record_header {
	enum record_compression compression;
	enum record_seal seal;
	unsigned char id[RECORD_ID_SIZE];
};

struct record_trailer {
	uint32_t nblocks;
	uint64_t plain_size;
	uint64_t stored_size; /* the whole record, header to trailer */
	uint64_t checksum;
};

static inline uint32_t record_entry_len(uint32_t entry)
{
	return entry & ~RECORD_KEPT_PLAIN;
}

void record_header_encode(const struct record_header *h, unsigned char out[RECORD_HEADER_SIZE]);
/* E_CORRUPT: too short, wrong magic, or bytes that must be zero are not; E_INVALID: a version or
 * algorithm that this program does not know. */
enum err record_header_decode(slice_t in, struct record_header *out) MUST_USE;

void record_trailer_encode(const struct record_trailer *t, unsigned char out[RECORD_TRAILER_SIZE]);
/* Of the last RECORD_TRAILER_SIZE bytes of a record. Also checks that the three sizes can belong
 * together. E_CORRUPT otherwise. */
enum err record_trailer_decode(slice_t in, struct record_trailer *out) MUST_USE;

void record_table_encode(const uint32_t *entries, size_t n, unsigned char *out);
/* Decodes in.n / 4 entries (in.n must be 4 * n) into out. E_CORRUPT: wrong length. */
enum err record_table_decode(slice_t in, uint32_t *out, size_t n) MUST_USE;
/* The entries of a table, wherever it came from: each length 1..max, a block kept plain has its
 * exact plain length, the sum is what the trailer's stored size leaves. E_CORRUPT otherwise. */
enum err record_table_check(const uint32_t *entries, size_t n, uint64_t plain_size,
			    uint64_t stored_size, enum record_seal seal) MUST_USE;
/* Plain bytes of block i of a record of plain_size bytes. */
uint32_t record_block_plain(uint64_t plain_size, uint32_t i);
/* Where block i begins, from the record's first byte. i <= n. */
uint64_t record_block_offset(const uint32_t *entries, uint32_t i);
/* Blocks that plain_size bytes need; 0 for an empty record. */
uint32_t record_block_count(uint64_t plain_size);

/* XXH3-64, streaming. Must not be moved in memory while in use. */
struct record_hash {
	unsigned char mem[576 + 64];
};
void record_hash_init(struct record_hash *h);
void record_hash_add(struct record_hash *h, slice_t s);
uint64_t record_hash_value(const struct record_hash *h);

/*
 * Verifies a whole record as it streams by, in chunks cut anywhere: header, trailer, sizes,
 * checksum. Constant memory. Whoever also got the block table by another way compares it with
 * the record's own by record_table_check (bounds) and, where the bytes are at hand,
 * record_table_decode.
 */
struct record_check {
	struct record_hash hash;
	struct record_header header; /* valid once RECORD_HEADER_SIZE bytes were fed */
	uint64_t size;               /* bytes fed */
	enum err err;
	unsigned head_n, tail_n;
	unsigned char head[RECORD_HEADER_SIZE];
	unsigned char tail[RECORD_TRAILER_SIZE]; /* the last bytes, not hashed yet */
};
void record_check_init(struct record_check *c);
/* E_CORRUPT or E_INVALID as soon as the header is bad, or E_TOO_BIG beyond what a record can be;
 * the same again on every later call. */
enum err record_check_feed(struct record_check *c, slice_t s) MUST_USE;
enum err record_check_end(struct record_check *c, struct record_trailer *out) MUST_USE;

#endif
