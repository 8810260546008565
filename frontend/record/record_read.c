#include "frontend/record/record_read.h"

#include <zstd.h>

static ZSTD_DCtx *decompressor(void)
{
	static ZSTD_DCtx *ctx;

	if (ctx == NULL) {
		ctx = ZSTD_createDCtx();
		invariant(ctx != NULL);
	}
	return ctx;
}

bool record_range(const uint32_t *table, uint64_t plain_size, uint64_t off, uint64_t n,
		  uint32_t *first_out, uint32_t *last_out, uint64_t *stored_off_out,
		  uint64_t *stored_end_out)
{
	if (off > plain_size)
		off = plain_size;
	if (n > plain_size - off)
		n = plain_size - off;
	if (n == 0)
		return false;
	*first_out = (uint32_t)(off / RECORD_BLOCK);
	*last_out = (uint32_t)((off + n - 1) / RECORD_BLOCK);
	*stored_off_out = record_block_offset(table, *first_out);
	*stored_end_out = record_block_offset(table, *last_out + 1);
	return true;
}

enum err record_read_init(struct record_read *r, const uint32_t *table, uint32_t nblocks,
			  uint64_t plain_size, uint64_t stored_size,
			  enum record_compression compression, uint32_t first, uint32_t last,
			  struct budget *budget)
{
	*r = (struct record_read){.table = table,
				  .nblocks = nblocks,
				  .plain_size = plain_size,
				  .compression = compression,
				  .budget = budget,
				  .next = first,
				  .end = last + 1};
	buf_init(&r->stored, RECORD_BLOCK_STORED_MAX, budget);
	buf_init(&r->plain, RECORD_BLOCK, budget);
	if (first > last || last >= nblocks)
		return E_INVALID;
	return record_table_check(table, nblocks, plain_size, stored_size, RECORD_SEAL_NONE);
}

void record_read_fini(struct record_read *r)
{
	buf_fini(&r->stored);
	buf_fini(&r->plain);
}

enum err record_block_open(uint32_t entry, uint32_t plain_len, enum record_compression compression,
			   slice_t stored, struct buf *out)
{
	size_t n;
	char *to;

	if (plain_len > RECORD_BLOCK || stored.n != record_entry_len(entry))
		return E_CORRUPT;
	buf_reset(out);
	to = buf_reserve(out, plain_len);
	if (to == NULL)
		return E_LIMIT;
	if (entry & RECORD_KEPT_PLAIN || compression == RECORD_COMP_NONE) {
		if (stored.n != plain_len)
			return E_CORRUPT;
		memcpy(to, stored.p, plain_len);
		n = plain_len;
	} else {
		n = ZSTD_decompressDCtx(decompressor(), to, plain_len, stored.p, stored.n);
		if (ZSTD_isError(n) || n != plain_len)
			return E_CORRUPT;
	}
	buf_commit(out, n);
	return E_OK;
}

/* The next block, from all of its bytes. */
static enum parse_rc open_block(struct record_read *r, slice_t stored, slice_t *plain_out,
				enum err *err_out)
{
	uint32_t entry = r->table[r->next];
	uint32_t plain_len = record_block_plain(r->plain_size, r->next);

	*err_out = record_block_open(entry, plain_len, r->compression, stored, &r->plain);
	if (*err_out != E_OK)
		return P_BAD;
	*plain_out = buf_slice(&r->plain);
	r->next++;
	return P_OK;
}

/* Of a block kept plain what is there, as it lies (record_table_check has compared the lengths). */
static enum parse_rc pass_part(struct record_read *r, size_t want, slice_t *stored,
			       slice_t *plain_out)
{
	size_t n = MIN(want - r->gathering, stored->n);

	if (n == 0)
		return P_MORE;
	*plain_out = slice_sub(*stored, 0, n);
	*stored = slice_from(*stored, n);
	r->gathering += n;
	if (r->gathering == want) {
		r->gathering = 0;
		r->next++;
	}
	return P_OK;
}

enum parse_rc record_read_next(struct record_read *r, slice_t *stored, slice_t *plain_out,
			       enum err *err_out)
{
	size_t want, n;
	slice_t block;

	if (r->next == r->end) {
		/* The block before may lie in r->stored still. */
		buf_reset(&r->stored);
		*err_out = E_CORRUPT;
		return stored->n != 0 ? P_BAD : P_MORE;
	}
	want = record_entry_len(r->table[r->next]);
	if (r->table[r->next] & RECORD_KEPT_PLAIN)
		return pass_part(r, want, stored, plain_out);
	if (r->gathering == 0)
		buf_reset(&r->stored);
	if (r->gathering == 0 && stored->n >= want) {
		block = slice_sub(*stored, 0, want);
		*stored = slice_from(*stored, want);
		return open_block(r, block, plain_out, err_out);
	}
	n = MIN(want - r->gathering, stored->n);
	buf_put(&r->stored, slice_sub(*stored, 0, n));
	if (buf_failed(&r->stored)) {
		*err_out = E_LIMIT;
		return P_BAD;
	}
	*stored = slice_from(*stored, n);
	r->gathering += n;
	if (r->gathering < want)
		return P_MORE;
	r->gathering = 0;
	return open_block(r, buf_slice(&r->stored), plain_out, err_out);
}
