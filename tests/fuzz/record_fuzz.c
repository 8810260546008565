/*
 * Records. The input is taken for a record whose checksum is right (fuzzing would never find one):
 * what its trailer and table promise is read back; and for plain text, which must come out of a
 * record as it went in.
 */
#include "frontend/record/record_read.h"
#include "frontend/record/record_write.h"
#include "tests/fuzz/fuzz.h"

#define BLOCKS_MAX 64

WAITS static enum err sink(void *arg, slice_t stored)
{
	buf_put(arg, stored);
	return E_OK;
}

/* Reads all blocks; returns the plain bytes got before the end or the first error. */
static enum err read_all(slice_t record, const uint32_t *table, const struct record_trailer *t,
			 enum record_compression c, size_t step, struct buf *out)
{
	slice_t blocks =
		slice_sub(record, RECORD_HEADER_SIZE,
			  (size_t)(record_block_offset(table, t->nblocks) - RECORD_HEADER_SIZE));
	struct record_read r;
	slice_t plain;
	enum err err;

	err = record_read_init(&r, table, t->nblocks, t->plain_size, t->stored_size, c, 0,
			       t->nblocks - 1, NULL);
	while (err == E_OK && blocks.n != 0) {
		slice_t in = slice_sub(blocks, 0, step);
		enum parse_rc rc;

		blocks = slice_from(blocks, in.n);
		while ((rc = record_read_next(&r, &in, &plain, &err)) == P_OK)
			buf_put(out, plain);
		if (rc == P_MORE)
			err = E_OK;
	}
	FUZZ_CHECK(err != E_OK || (record_read_done(&r) && out->n == t->plain_size));
	record_read_fini(&r);
	return err;
}

static void as_record(slice_t in)
{
	struct record_header h;
	struct record_trailer t;
	struct record_check c;
	uint32_t table[BLOCKS_MAX];
	size_t table_size;
	struct buf out;

	record_check_init(&c);
	if (record_check_feed(&c, in) == E_OK)
		(void)!record_check_end(&c, &t);
	if (in.n < RECORD_TRAILER_SIZE || record_header_decode(in, &h) != E_OK ||
	    record_trailer_decode(slice_from(in, in.n - RECORD_TRAILER_SIZE), &t) != E_OK ||
	    t.nblocks == 0 || t.nblocks > BLOCKS_MAX || t.stored_size != in.n)
		return;
	table_size = t.nblocks * RECORD_ENTRY_SIZE;
	if (record_table_decode(slice_sub(in, in.n - RECORD_TRAILER_SIZE - table_size, table_size),
				table, t.nblocks) != E_OK ||
	    record_table_check(table, t.nblocks, t.plain_size, t.stored_size, RECORD_SEAL_NONE) !=
		    E_OK)
		return;
	buf_init(&out, (size_t)BLOCKS_MAX * RECORD_BLOCK, NULL);
	(void)!read_all(in, table, &t, h.compression, SIZE_MAX, &out);
	buf_reset(&out);
	(void)!read_all(in, table, &t, h.compression, 1 + in.n % 1000, &out);
	buf_fini(&out);
}

WAITS static void as_text(slice_t in)
{
	static const unsigned char id[RECORD_ID_SIZE] = "fuzz";
	struct record_write w;
	struct record_info info;
	struct record_trailer t;
	struct record_check c;
	struct buf stored, out;

	buf_init(&stored, in.n + ((size_t)1 << 20), NULL);
	buf_init(&out, in.n + 1, NULL);
	record_write_init(&w, id, RECORD_COMP_ZSTD, RECORD_PLAIN_MAX, NULL, sink, &stored);
	FUZZ_CHECK(record_write_feed(&w, in) == E_OK);
	FUZZ_CHECK(record_write_finish(&w, &info) == E_OK);
	record_check_init(&c);
	FUZZ_CHECK(record_check_feed(&c, buf_slice(&stored)) == E_OK);
	FUZZ_CHECK(record_check_end(&c, &t) == E_OK);
	if (info.nblocks != 0) {
		FUZZ_CHECK(read_all(buf_slice(&stored), info.table, &t, RECORD_COMP_ZSTD, SIZE_MAX,
				    &out) == E_OK);
		FUZZ_CHECK(slice_eq(buf_slice(&out), in));
	}
	record_write_fini(&w);
	buf_fini(&stored);
	buf_fini(&out);
}

WAITS int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	as_record(slice(data, n));
	as_text(slice(data, n));
	return 0;
}
