/* Records made and opened again, whole and in part, and hostile ones. */
#include "common/base/num.h"
#include "frontend/record/record_read.h"
#include "frontend/record/record_write.h"
#include "tests/lib/check.h"

static const unsigned char id[RECORD_ID_SIZE] = "0123456789abcdef";

struct made {
	struct buf stored;
	struct record_write w;
	struct record_info info;
	enum err emit_err; /* what the sink answers */
};

static enum err sink(void *arg, slice_t stored)
{
	struct made *m = arg;

	buf_put(&m->stored, stored);
	return m->emit_err;
}

/* Text that compresses, and in every third block bytes that do not. */
static void fill(struct buf *b, size_t n)
{
	uint32_t r = 1;
	char *to;

	buf_init(b, n + 1, NULL);
	to = buf_reserve(b, n + 1);
	for (size_t i = 0; i < n; i++) {
		r = r * 1103515245u + 12345u;
		to[i] = i / RECORD_BLOCK % 3 == 1 ? (char)(r >> 16) : "Hello mail\r\n"[i % 12];
	}
	buf_commit(b, n);
}

WAITS static void make(struct made *m, slice_t plain, size_t step, enum record_compression c)
{
	buf_init(&m->stored, (size_t)64 << 20, NULL);
	m->emit_err = E_OK;
	record_write_init(&m->w, id, c, RECORD_PLAIN_MAX, NULL, sink, m);
	for (slice_t rest = plain; rest.n != 0; rest = slice_from(rest, step))
		CHECK_ERR(record_write_feed(&m->w, slice_sub(rest, 0, step)), E_OK);
	CHECK_ERR(record_write_finish(&m->w, &m->info), E_OK);
}

static void made_fini(struct made *m)
{
	record_write_fini(&m->w);
	buf_fini(&m->stored);
}

/* The back-end's view: the same totals and table out of the bytes alone. */
static void check_stored(const struct made *m)
{
	struct record_trailer t = {0};
	struct record_check c;
	uint32_t *table = xmalloc((m->info.nblocks + 1) * sizeof *table);
	size_t at = m->stored.n - RECORD_TRAILER_SIZE - m->info.nblocks * RECORD_ENTRY_SIZE;

	record_check_init(&c);
	CHECK_ERR(record_check_feed(&c, buf_slice(&m->stored)), E_OK);
	CHECK_ERR(record_check_end(&c, &t), E_OK);
	CHECK_INT(t.nblocks, m->info.nblocks);
	CHECK_INT(t.plain_size, m->info.plain_size);
	CHECK_INT(t.stored_size, m->info.stored_size);
	CHECK_INT(t.stored_size, m->stored.n);
	CHECK(t.checksum == m->info.checksum);
	CHECK_SLICE(slice(c.header.id, sizeof c.header.id), slice(id, sizeof id));
	CHECK_ERR(record_table_decode(
			  slice_sub(buf_slice(&m->stored), at, m->info.nblocks * RECORD_ENTRY_SIZE),
			  table, m->info.nblocks),
		  E_OK);
	CHECK_SLICE(slice(table, m->info.nblocks * sizeof *table),
		    slice(m->info.table, m->info.nblocks * sizeof *table));
	xfree(&table);
}

/* Plain bytes [off, off + n) by way of the blocks that hold them, fed in steps. */
static void read_range(const struct made *m, uint64_t off, uint64_t n, size_t step, slice_t want)
{
	const struct record_info *i = &m->info;
	uint64_t from, end, at;
	uint32_t first, last;
	struct record_read r;
	struct buf got;
	slice_t in, plain;
	enum err err = E_OK;

	buf_init(&got, (size_t)64 << 20, NULL);
	if (!record_range(i->table, i->plain_size, off, n, &first, &last, &from, &end)) {
		CHECK_INT(want.n, 0);
		return;
	}
	CHECK_ERR(record_read_init(&r, i->table, i->nblocks, i->plain_size, i->stored_size,
				   m->w.compression, first, last, NULL),
		  E_OK);
	for (at = from; at < end; at += step) {
		in = slice_sub(buf_slice(&m->stored), (size_t)at, (size_t)MIN(step, end - at));
		while (record_read_next(&r, &in, &plain, &err) == P_OK)
			buf_put(&got, plain);
		CHECK_INT(in.n, 0);
	}
	CHECK(record_read_done(&r));
	CHECK_SLICE(
		slice_sub(buf_slice(&got), (size_t)(off - (uint64_t)first * RECORD_BLOCK), want.n),
		want);
	record_read_fini(&r);
	buf_fini(&got);
}

TEST_FIBER(round_trip)
{
	static const size_t sizes[] = {0,
				       1,
				       63,
				       64,
				       5000,
				       RECORD_BLOCK - 1,
				       RECORD_BLOCK,
				       RECORD_BLOCK + 1,
				       5 * RECORD_BLOCK,
				       5 * RECORD_BLOCK + 777};
	static const size_t steps[] = {100, 4096, RECORD_BLOCK, 1 << 20};

	for (size_t i = 0; i < ARRAY_LEN(sizes); i++) {
		struct buf plain;

		fill(&plain, sizes[i]);
		for (size_t k = 0; k < ARRAY_LEN(steps); k++) {
			struct made m;

			check_note("%zu bytes in steps of %zu", sizes[i], steps[k]);
			make(&m, buf_slice(&plain), steps[k], RECORD_COMP_ZSTD);
			CHECK_INT(m.info.plain_size, sizes[i]);
			check_stored(&m);
			read_range(&m, 0, sizes[i], steps[k], buf_slice(&plain));
			made_fini(&m);
		}
		buf_fini(&plain);
	}
}

TEST_FIBER(same_bytes_for_any_cut)
{
	struct made one, other;
	struct buf plain;

	fill(&plain, 3 * RECORD_BLOCK + 99);
	make(&one, buf_slice(&plain), SIZE_MAX, RECORD_COMP_ZSTD);
	make(&other, buf_slice(&plain), 17, RECORD_COMP_ZSTD);
	CHECK_SLICE(buf_slice(&other.stored), buf_slice(&one.stored));
	made_fini(&one);
	made_fini(&other);
	buf_fini(&plain);
}

TEST_FIBER(ranges)
{
	const uint64_t size = 4 * RECORD_BLOCK + 100;
	static const uint64_t offs[] = {0, 1, RECORD_BLOCK - 1, RECORD_BLOCK,
					4 * RECORD_BLOCK + 99};
	static const uint64_t lens[] = {0, 1, 100, RECORD_BLOCK, UINT64_MAX};
	struct buf plain;
	struct made m;

	fill(&plain, size);
	make(&m, buf_slice(&plain), 5000, RECORD_COMP_ZSTD);
	for (size_t i = 0; i < ARRAY_LEN(offs); i++) {
		for (size_t k = 0; k < ARRAY_LEN(lens); k++) {
			check_note("range %llu %llu", (unsigned long long)offs[i],
				   (unsigned long long)lens[k]);
			read_range(&m, offs[i], lens[k], 3000,
				   slice_sub(buf_slice(&plain), (size_t)offs[i], (size_t)lens[k]));
		}
	}
	read_range(&m, size, 1, 1, SLICE_NONE);
	read_range(&m, UINT64_MAX, UINT64_MAX, 1, SLICE_NONE);
	made_fini(&m);
	buf_fini(&plain);
}

TEST_FIBER(blocks_kept_plain)
{
	struct buf plain;
	struct made m;

	fill(&plain, 3 * RECORD_BLOCK + 10);
	make(&m, buf_slice(&plain), 65536, RECORD_COMP_ZSTD);
	CHECK(record_entry_len(m.info.table[0]) < RECORD_BLOCK / 10);
	CHECK(m.info.table[1] == (RECORD_BLOCK | RECORD_KEPT_PLAIN));
	CHECK(!(m.info.table[2] & RECORD_KEPT_PLAIN));
	CHECK(m.info.table[3] == (10 | RECORD_KEPT_PLAIN));
	made_fini(&m);
	make(&m, buf_slice(&plain), 65536, RECORD_COMP_NONE);
	CHECK(m.info.table[0] == (RECORD_BLOCK | RECORD_KEPT_PLAIN));
	check_stored(&m);
	read_range(&m, 0, plain.n, 999, buf_slice(&plain));
	made_fini(&m);
	buf_fini(&plain);
}

TEST_FIBER(writer_errors_stay)
{
	struct budget budget;
	struct made m;
	struct buf plain;

	fill(&plain, 2 * RECORD_BLOCK);
	buf_init(&m.stored, (size_t)1 << 20, NULL);
	m.emit_err = E_CLOSED;
	record_write_init(&m.w, id, RECORD_COMP_ZSTD, 1 << 20, NULL, sink, &m);
	CHECK_ERR(record_write_feed(&m.w, buf_slice(&plain)), E_CLOSED);
	CHECK_ERR(record_write_feed(&m.w, SL("x")), E_CLOSED);
	CHECK_ERR(record_write_finish(&m.w, &m.info), E_CLOSED);
	record_write_fini(&m.w);

	m.emit_err = E_OK;
	record_write_init(&m.w, id, RECORD_COMP_ZSTD, 1000, NULL, sink, &m);
	CHECK_ERR(record_write_feed(&m.w, slice_sub(buf_slice(&plain), 0, 1000)), E_OK);
	CHECK_ERR(record_write_feed(&m.w, SL("x")), E_TOO_BIG);
	CHECK_ERR(record_write_finish(&m.w, &m.info), E_TOO_BIG);
	record_write_fini(&m.w);

	budget_init(&budget, 10000, NULL);
	record_write_init(&m.w, id, RECORD_COMP_ZSTD, 1 << 20, &budget, sink, &m);
	CHECK_ERR(record_write_feed(&m.w, slice_sub(buf_slice(&plain), 0, 60000)), E_LIMIT);
	record_write_fini(&m.w);
	budget_fini(&budget);
	buf_fini(&m.stored);
	buf_fini(&plain);
}

TEST_FIBER(reader_refuses)
{
	struct record_read r;
	struct budget budget;
	struct buf plain;
	struct made m;
	slice_t in, out;
	enum err err = E_OK;
	uint32_t table[3];

	fill(&plain, 2 * RECORD_BLOCK + 5);
	make(&m, buf_slice(&plain), 65536, RECORD_COMP_ZSTD);
#define INIT(t, first, last, budget) \
	record_read_init(&r, (t), 3, plain.n, m.info.stored_size, RECORD_COMP_ZSTD, (first), \
			 (last), (budget))
	CHECK_ERR(INIT(m.info.table, 0, 3, NULL), E_INVALID);
	CHECK_ERR(INIT(m.info.table, 2, 1, NULL), E_INVALID);
	CHECK_ERR(INIT(m.info.table, 0, UINT32_MAX, NULL), E_INVALID);
	memcpy(table, m.info.table, sizeof table);
	table[0]++;
	CHECK_ERR(INIT(table, 0, 2, NULL), E_CORRUPT);
	/* Lengths moved from one block to another: the sum is right, the blocks are not. */
	table[2] = (table[2] - 1) & ~RECORD_KEPT_PLAIN;
	CHECK_ERR(INIT(table, 0, 2, NULL), E_OK);
	in = slice_from(buf_slice(&m.stored), RECORD_HEADER_SIZE);
	CHECK_INT(record_read_next(&r, &in, &out, &err), P_BAD);
	CHECK_ERR(err, E_CORRUPT);
	record_read_fini(&r);
	/* More bytes than blocks. */
	CHECK_ERR(INIT(m.info.table, 2, 2, NULL), E_OK);
	in = SL("tail!x");
	CHECK_INT(record_read_next(&r, &in, &out, &err), P_OK);
	CHECK_SLICE(out, SL("tail!"));
	CHECK_INT(record_read_next(&r, &in, &out, &err), P_BAD);
	CHECK_ERR(err, E_CORRUPT);
	record_read_fini(&r);
	/* No memory for the block. */
	budget_init(&budget, 1000, NULL);
	CHECK_ERR(INIT(m.info.table, 0, 0, &budget), E_OK);
	in = slice_from(buf_slice(&m.stored), RECORD_HEADER_SIZE);
	CHECK_INT(record_read_next(&r, &in, &out, &err), P_BAD);
	CHECK_ERR(err, E_LIMIT);
	record_read_fini(&r);
	budget_fini(&budget);
#undef INIT
	made_fini(&m);
	buf_fini(&plain);
}

TEST_FIBER(changed_blocks)
{
	struct buf plain, out;
	struct made m;

	fill(&plain, 20000);
	make(&m, buf_slice(&plain), 65536, RECORD_COMP_ZSTD);
	buf_init(&out, RECORD_BLOCK, NULL);
	for (size_t i = 0; i < record_entry_len(m.info.table[0]); i++) {
		char *p = m.stored.p + RECORD_HEADER_SIZE;
		slice_t block = slice(p, record_entry_len(m.info.table[0]));
		enum err err;

		p[i] ^= 0x10;
		err = record_block_open(m.info.table[0], 20000, RECORD_COMP_ZSTD, block, &out);
		/* A change may still be a block of that size; it is never more. */
		CHECK(err == E_CORRUPT || (err == E_OK && out.n == 20000));
		p[i] ^= 0x10;
	}
	CHECK_ERR(record_block_open(m.info.table[0], 19999, RECORD_COMP_ZSTD,
				    slice_sub(buf_slice(&m.stored), RECORD_HEADER_SIZE,
					      record_entry_len(m.info.table[0])),
				    &out),
		  E_CORRUPT);
	CHECK_ERR(record_block_open(5 | RECORD_KEPT_PLAIN, 5, RECORD_COMP_ZSTD, SL("four"), &out),
		  E_CORRUPT);
	CHECK_ERR(record_block_open(RECORD_BLOCK + 1, RECORD_BLOCK + 1, RECORD_COMP_NONE, SL(""),
				    &out),
		  E_CORRUPT);
	buf_fini(&out);
	made_fini(&m);
	buf_fini(&plain);
}
