/*
 * frontend/record: makes the bytes of a stored message (common/record/record.h has the layout)
 * and opens them again. The front-end compresses because it has the bytes in hand and scales out;
 * what it reads back from a store is as hostile as mail: every length and size is checked.
 *
 *   record_write  plain bytes in chunks of any size -> stored bytes, one block of memory
 *   record_read   stored blocks -> plain slices, one block at a time
 *   record_text   a message's search text, compressed
 *
 * A process keeps one compression and one decompression context for all its records: a block is
 * compressed without a wait in between, and workers are single-threaded.
 */
#ifndef FRONTEND_RECORD_RECORD_WRITE_H
#define FRONTEND_RECORD_RECORD_WRITE_H

#include "common/base/buf.h"
#include "common/record/record.h"

/* What is known of a record when it is finished. */
struct record_info {
	unsigned char id[RECORD_ID_SIZE];
	uint64_t plain_size;
	uint64_t stored_size; /* header to trailer */
	uint64_t checksum;
	const uint32_t *table; /* of nblocks entries; the writer's, until record_write_fini */
	uint32_t nblocks;
};

/* Takes stored bytes, in order. The slice is valid during the call. The writer stops at the
 * first error and returns it; the call may wait (then so do feed and finish: mark the caller). */
typedef WAITS enum err record_emit_fn(void *arg, slice_t stored);

struct record_write {
	struct record_hash hash;
	record_emit_fn *emit;
	void *arg;
	struct budget *budget; /* borrowed */
	struct buf plain;      /* bytes of the block being filled, when it will be compressed */
	uint32_t passed;       /* ... given on, when it will not */
	struct buf table;      /* entries, native order */
	struct buf stored;     /* the compressed block */
	uint64_t plain_size, stored_size;
	uint64_t plain_max;
	enum err err; /* sticky */
	enum record_compression compression;
	unsigned char id[RECORD_ID_SIZE];
};

/* id: 16 random bytes, copied. plain_max: E_TOO_BIG beyond. Memory is charged to budget as it is
 * taken (E_LIMIT): four bytes a block, and with compression a block and its compressed form.
 * Nothing is emitted yet. */
void record_write_init(struct record_write *w, const unsigned char id[RECORD_ID_SIZE],
		       enum record_compression compression, uint64_t plain_max,
		       struct budget *budget, record_emit_fn *emit, void *arg);
/* Takes any number of bytes; emits the blocks that became full, without compression all bytes. The
 * first error is kept and returned by every later call. */
WAITS enum err record_write_feed(struct record_write *w, slice_t plain) MUST_USE;
/* Emits the last block, the table and the trailer. */
WAITS enum err record_write_finish(struct record_write *w, struct record_info *out) MUST_USE;
void record_write_fini(struct record_write *w);

#endif
