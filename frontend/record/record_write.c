#include "frontend/record/record_write.h"

#include <zstd.h>

/* A block that does not shrink by a tenth is kept plain: opening it then costs nothing. */
#define KEEP_PLAIN_NUM 9u
#define KEEP_PLAIN_DEN 10u
/* Too short to shrink. */
#define COMPRESS_MIN   64u
#define LEVEL          1

static ZSTD_CCtx *compressor(void)
{
	static ZSTD_CCtx *ctx;

	if (ctx == NULL) {
		ctx = ZSTD_createCCtx();
		invariant(ctx != NULL);
		invariant(
			!ZSTD_isError(ZSTD_CCtx_setParameter(ctx, ZSTD_c_compressionLevel, LEVEL)));
		/* The record has its own checksum, and the size is in the table. */
		invariant(!ZSTD_isError(ZSTD_CCtx_setParameter(ctx, ZSTD_c_checksumFlag, 0)));
	}
	return ctx;
}

void record_write_init(struct record_write *w, const unsigned char id[RECORD_ID_SIZE],
		       enum record_compression compression, uint64_t plain_max,
		       struct budget *budget, record_emit_fn *emit, void *arg)
{
	w->emit = emit;
	w->arg = arg;
	w->budget = budget;
	w->plain_size = w->stored_size = 0;
	w->plain_max = MIN(plain_max, RECORD_PLAIN_MAX);
	w->err = E_OK;
	w->passed = 0;
	w->compression = compression;
	memcpy(w->id, id, sizeof w->id);
	record_hash_init(&w->hash);
	buf_init(&w->plain, RECORD_BLOCK, budget);
	buf_init(&w->stored, RECORD_BLOCK, budget);
	buf_init(&w->table, sizeof(uint32_t) * RECORD_BLOCKS_MAX, budget);
}

void record_write_fini(struct record_write *w)
{
	buf_fini(&w->plain);
	buf_fini(&w->stored);
	buf_fini(&w->table);
}

WAITS static void emit(struct record_write *w, slice_t s)
{
	if (w->err != E_OK)
		return;
	record_hash_add(&w->hash, s);
	w->stored_size += s.n;
	w->err = w->emit(w->arg, s);
}

WAITS static void emit_header(struct record_write *w)
{
	struct record_header h = {.compression = w->compression, .seal = RECORD_SEAL_NONE};
	unsigned char bytes[RECORD_HEADER_SIZE];

	memcpy(h.id, w->id, sizeof h.id);
	record_header_encode(&h, bytes);
	emit(w, slice(bytes, sizeof bytes));
}

/* The block compressed, in w->stored; or empty if it should be kept plain. */
static slice_t compress(struct record_write *w, slice_t plain)
{
	size_t most = plain.n / KEEP_PLAIN_DEN * KEEP_PLAIN_NUM;
	size_t n;
	char *to;

	if (plain.n < COMPRESS_MIN)
		return SLICE_NONE;
	buf_reset(&w->stored);
	to = buf_reserve(&w->stored, most);
	if (to == NULL) {
		w->err = E_LIMIT;
		return SLICE_NONE;
	}
	n = ZSTD_compress2(compressor(), to, most, plain.p, plain.n);
	/* An error here is that the room of nine tenths did not do. */
	if (ZSTD_isError(n))
		return SLICE_NONE;
	buf_commit(&w->stored, n);
	return buf_slice(&w->stored);
}

static void put_entry(struct record_write *w, uint32_t entry)
{
	buf_put(&w->table, slice(&entry, sizeof entry));
	if (buf_failed(&w->table))
		w->err = E_LIMIT;
}

WAITS static void emit_block(struct record_write *w, slice_t plain)
{
	slice_t stored;
	uint32_t entry;

	if (w->stored_size == 0)
		emit_header(w);
	if (w->err != E_OK)
		return;
	stored = compress(w, plain);
	entry = (uint32_t)stored.n;
	if (stored.n == 0) {
		stored = plain;
		entry = (uint32_t)plain.n | RECORD_KEPT_PLAIN;
	}
	put_entry(w, entry);
	emit(w, stored);
}

/* A part of a block that stays as it is goes on at once: only the table knows of blocks. */
WAITS static void emit_part(struct record_write *w, slice_t part)
{
	if (w->stored_size == 0)
		emit_header(w);
	emit(w, part);
	w->passed += (uint32_t)part.n;
	if (w->passed == RECORD_BLOCK) {
		put_entry(w, w->passed | RECORD_KEPT_PLAIN);
		w->passed = 0;
	}
}

/* A part of a block that is compressed when it is whole. */
WAITS static void gather_part(struct record_write *w, slice_t part)
{
	if (part.n == RECORD_BLOCK) {
		emit_block(w, part);
		return;
	}
	buf_put(&w->plain, part);
	if (buf_failed(&w->plain)) {
		w->err = E_LIMIT;
	} else if (w->plain.n == RECORD_BLOCK) {
		emit_block(w, buf_slice(&w->plain));
		buf_reset(&w->plain);
	}
}

WAITS enum err record_write_feed(struct record_write *w, slice_t plain)
{
	if (w->err == E_OK && plain.n > w->plain_max - w->plain_size)
		w->err = E_TOO_BIG;
	while (plain.n != 0 && w->err == E_OK) {
		size_t n = MIN(plain.n, RECORD_BLOCK - w->plain.n - w->passed);

		w->plain_size += n;
		if (w->compression == RECORD_COMP_NONE)
			emit_part(w, slice_sub(plain, 0, n));
		else
			gather_part(w, slice_sub(plain, 0, n));
		plain = slice_from(plain, n);
	}
	return w->err;
}

WAITS static void emit_table(struct record_write *w)
{
	const uint32_t *entries = (const uint32_t *)(const void *)w->table.p;
	size_t n = w->table.n / sizeof *entries;
	unsigned char bytes[64 * RECORD_ENTRY_SIZE];

	for (size_t i = 0; i < n; i += 64) {
		size_t some = MIN(n - i, 64u);

		record_table_encode(entries + i, some, bytes);
		emit(w, slice(bytes, some * RECORD_ENTRY_SIZE));
	}
}

WAITS enum err record_write_finish(struct record_write *w, struct record_info *out)
{
	unsigned char bytes[RECORD_TRAILER_SIZE];
	struct record_trailer t;

	if (w->plain.n != 0)
		emit_block(w, buf_slice(&w->plain));
	else if (w->passed != 0)
		put_entry(w, w->passed | RECORD_KEPT_PLAIN);
	else if (w->stored_size == 0)
		emit_header(w);
	emit_table(w);
	t.nblocks = (uint32_t)(w->table.n / sizeof(uint32_t));
	t.plain_size = w->plain_size;
	t.stored_size = w->stored_size + RECORD_TRAILER_SIZE;
	t.checksum = 0;
	record_trailer_encode(&t, bytes);
	/* The checksum is over all that comes before it: the first part of the trailer too. */
	emit(w, slice(bytes, RECORD_TRAILER_SIZE - 8));
	t.checksum = record_hash_value(&w->hash);
	record_trailer_encode(&t, bytes);
	emit(w, slice(bytes + RECORD_TRAILER_SIZE - 8, 8));
	if (w->err != E_OK)
		return w->err;
	*out = (struct record_info){.plain_size = t.plain_size,
				    .stored_size = t.stored_size,
				    .checksum = t.checksum,
				    .table = (const uint32_t *)(const void *)w->table.p,
				    .nblocks = t.nblocks};
	memcpy(out->id, w->id, sizeof out->id);
	return E_OK;
}
