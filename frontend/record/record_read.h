/*
 * record_read: opens the blocks of a stored record one by one. The caller knows the block table
 * and the sizes (from the message's row) and gets stored bytes of blocks first..last, in chunks
 * cut anywhere; it gets plain slices back. Everything is checked: a store's answer is hostile.
 */
#ifndef FRONTEND_RECORD_RECORD_READ_H
#define FRONTEND_RECORD_RECORD_READ_H

#include "common/base/buf.h"
#include "common/record/record.h"

struct record_read {
	const uint32_t *table; /* borrowed: of the record's nblocks entries */
	uint32_t nblocks;
	uint64_t plain_size;
	enum record_compression compression;
	struct budget *budget; /* borrowed */
	uint32_t next;         /* the block whose bytes come next */
	uint32_t end;          /* one past the last block asked for */
	size_t gathering;      /* bytes of that block in stored, or given out */
	struct buf stored;     /* the block being gathered */
	struct buf plain;      /* the block opened last */
};

/* Which blocks hold plain bytes [off, off + n); both clamped to plain_size. Returns false if the
 * range is empty. The stored bytes to ask for are [*stored_off_out, *stored_end_out) of the
 * record. table is of record_block_count(plain_size) entries, already checked. */
bool record_range(const uint32_t *table, uint64_t plain_size, uint64_t off, uint64_t n,
		  uint32_t *first_out, uint32_t *last_out, uint64_t *stored_off_out,
		  uint64_t *stored_end_out);

/* To read blocks first..last. E_CORRUPT if the table cannot belong to these sizes (the check of
 * record_table_check), E_INVALID if first..last is not inside or the seal is not known. */
enum err record_read_init(struct record_read *r, const uint32_t *table, uint32_t nblocks,
			  uint64_t plain_size, uint64_t stored_size,
			  enum record_compression compression, uint32_t first, uint32_t last,
			  struct budget *budget) MUST_USE;
/* Takes from *stored (advancing it) until a block is whole, or until there is any of one that was
 * kept plain. P_OK: *plain_out is plain text that comes next, never empty, valid until the next
 * call. P_MORE: *stored is used up and the block is not whole. P_BAD: *err_out is E_CORRUPT (the
 * bytes are not such a block, or come after the last), or E_LIMIT (memory). A block that
 * lies whole in *stored is not copied, one kept plain never. */
enum parse_rc record_read_next(struct record_read *r, slice_t *stored, slice_t *plain_out,
			       enum err *err_out) MUST_USE;
/* True when all blocks asked for were given out. */
static inline bool record_read_done(const struct record_read *r)
{
	return r->next == r->end;
}
void record_read_fini(struct record_read *r);

/* Opens one whole block of exactly its stored bytes into out (emptied first): for a caller that
 * gets blocks whole. */
enum err record_block_open(uint32_t entry, uint32_t plain_len, enum record_compression compression,
			   slice_t stored, struct buf *out) MUST_USE;

#endif
