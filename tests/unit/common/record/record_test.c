/* A record's layout, and the check of one that streams by. */
#include "common/record/record.h"
#include "common/base/num.h"
#include "tests/lib/check.h"

static const unsigned char id[RECORD_ID_SIZE] = "0123456789abcdef";

TEST(header_round_trip)
{
	struct record_header h = {RECORD_COMP_ZSTD, RECORD_SEAL_AES256GCM, {0}};
	unsigned char bytes[RECORD_HEADER_SIZE];
	struct record_header got;

	memcpy(h.id, id, sizeof h.id);
	record_header_encode(&h, bytes);
	CHECK_ERR(record_header_decode(slice(bytes, sizeof bytes), &got), E_OK);
	CHECK_INT(got.compression, RECORD_COMP_ZSTD);
	CHECK_INT(got.seal, RECORD_SEAL_AES256GCM);
	CHECK_SLICE(slice(got.id, sizeof got.id), slice(id, sizeof id));
	CHECK_ERR(record_header_decode(slice(bytes, sizeof bytes - 1), &got), E_CORRUPT);
	for (size_t i = 0; i < sizeof bytes; i++) {
		enum err want = i < 4 || i == 7 || i >= 28 ? E_CORRUPT
				: i >= 8 && i < 24         ? E_OK
							   : E_INVALID;

		bytes[i] ^= 0x40;
		check_note("byte %zu", i);
		CHECK_ERR(record_header_decode(slice(bytes, sizeof bytes), &got), want);
		bytes[i] ^= 0x40;
	}
}

TEST(trailer_sizes_must_agree)
{
	struct record_trailer t = {2, RECORD_BLOCK + 1, 1000, 42};
	unsigned char bytes[RECORD_TRAILER_SIZE];
	struct record_trailer got;

	record_trailer_encode(&t, bytes);
	CHECK_ERR(record_trailer_decode(slice(bytes, sizeof bytes), &got), E_OK);
	CHECK_INT(got.nblocks, 2);
	CHECK_INT(got.plain_size, RECORD_BLOCK + 1);
	CHECK_INT(got.stored_size, 1000);
	CHECK_INT(got.checksum, 42);
	CHECK_ERR(record_trailer_decode(slice(bytes, sizeof bytes - 1), &got), E_CORRUPT);
	for (size_t i = 0; i < 3; i++) {
		struct record_trailer bad = t;

		if (i == 0)
			bad.nblocks = 3;
		else if (i == 1)
			bad.stored_size = 40;
		else
			bad.stored_size = 3 * RECORD_BLOCK;
		record_trailer_encode(&bad, bytes);
		CHECK_ERR(record_trailer_decode(slice(bytes, sizeof bytes), &got), E_CORRUPT);
	}
	t.plain_size = RECORD_PLAIN_MAX + 1;
	t.nblocks = RECORD_BLOCKS_MAX + 1;
	record_trailer_encode(&t, bytes);
	CHECK_ERR(record_trailer_decode(slice(bytes, sizeof bytes), &got), E_CORRUPT);
}

TEST(table_check)
{
	const uint64_t around = RECORD_HEADER_SIZE + 2 * RECORD_ENTRY_SIZE + RECORD_TRAILER_SIZE;
	uint32_t e[2] = {100, 10 | RECORD_KEPT_PLAIN};
	unsigned char bytes[2 * RECORD_ENTRY_SIZE];
	uint32_t got[2];

	record_table_encode(e, 2, bytes);
	CHECK_ERR(record_table_decode(slice(bytes, sizeof bytes), got, 2), E_OK);
	CHECK_INT(got[0], e[0]);
	CHECK_INT(got[1], e[1]);
	CHECK_ERR(record_table_decode(slice(bytes, sizeof bytes), got, 1), E_CORRUPT);
	CHECK_INT(record_block_offset(e, 0), RECORD_HEADER_SIZE);
	CHECK_INT(record_block_offset(e, 2), RECORD_HEADER_SIZE + 110);
	CHECK_INT(record_block_count(0), 0);
	CHECK_INT(record_block_count(RECORD_BLOCK), 1);
	CHECK_INT(record_block_count(RECORD_BLOCK + 1), 2);
	CHECK_INT(record_block_plain(RECORD_BLOCK + 10, 1), 10);
#define TABLE(want, plain, stored) \
	CHECK_ERR(record_table_check(e, 2, (plain), (stored), RECORD_SEAL_NONE), (want))
	TABLE(E_OK, RECORD_BLOCK + 10, around + 110);
	TABLE(E_CORRUPT, RECORD_BLOCK + 10, around + 111);
	TABLE(E_CORRUPT, RECORD_BLOCK + 9, around + 110);
	TABLE(E_CORRUPT, RECORD_BLOCK + 11, around + 110);
	TABLE(E_CORRUPT, RECORD_BLOCK, around + 110);
	e[0] = 0;
	TABLE(E_CORRUPT, RECORD_BLOCK + 10, around + 10);
	e[0] = RECORD_BLOCK + 1;
	TABLE(E_CORRUPT, RECORD_BLOCK + 10, around + RECORD_BLOCK + 11);
	e[0] = 100 | RECORD_KEPT_PLAIN;
	TABLE(E_CORRUPT, RECORD_BLOCK + 10, around + 110);
	/* A sealed block is longer by its tag. */
	e[0] = RECORD_BLOCK + 16;
	e[1] = 17;
	CHECK_ERR(record_table_check(e, 2, RECORD_BLOCK + 10, around + RECORD_BLOCK + 33,
				     RECORD_SEAL_CHACHA20),
		  E_OK);
	e[1] = 16;
	CHECK_ERR(record_table_check(e, 2, RECORD_BLOCK + 10, around + RECORD_BLOCK + 32,
				     RECORD_SEAL_CHACHA20),
		  E_CORRUPT);
#undef TABLE
}

/* A record of one plain block, made by hand. */
static size_t make(unsigned char *to, uint32_t plain)
{
	struct record_header h = {RECORD_COMP_NONE, RECORD_SEAL_NONE, {0}};
	uint32_t entry = plain | RECORD_KEPT_PLAIN;
	struct record_trailer t = {1, plain, RECORD_HEADER_SIZE + plain + 4 + RECORD_TRAILER_SIZE,
				   0};
	struct record_hash hash;
	size_t n = RECORD_HEADER_SIZE;

	record_header_encode(&h, to);
	memset(to + n, 'x', plain);
	n += plain;
	record_table_encode(&entry, 1, to + n);
	n += 4;
	record_trailer_encode(&t, to + n);
	record_hash_init(&hash);
	record_hash_add(&hash, slice(to, n + RECORD_TRAILER_SIZE - 8));
	t.checksum = record_hash_value(&hash);
	record_trailer_encode(&t, to + n);
	return n + RECORD_TRAILER_SIZE;
}

static enum err check_in_steps(slice_t record, size_t step, struct record_trailer *out)
{
	struct record_check c;
	enum err err = E_OK;

	record_check_init(&c);
	while (record.n != 0 && err == E_OK) {
		err = record_check_feed(&c, slice_sub(record, 0, step));
		record = slice_from(record, step);
	}
	return err == E_OK ? record_check_end(&c, out) : err;
}

TEST(check_any_cut)
{
	unsigned char bytes[400];
	size_t n = make(bytes, 300);
	struct record_trailer t;

	for (size_t step = 1; step <= n; step++) {
		check_note("steps of %zu", step);
		CHECK_ERR(check_in_steps(slice(bytes, n), step, &t), E_OK);
		CHECK_INT(t.plain_size, 300);
		CHECK_INT(t.stored_size, n);
	}
}

TEST(check_finds_any_change)
{
	unsigned char bytes[200];
	size_t n = make(bytes, 100);
	struct record_trailer t;

	for (size_t i = 0; i < n; i++) {
		bytes[i] ^= 1;
		check_note("byte %zu", i);
		CHECK(check_in_steps(slice(bytes, n), n, &t) != E_OK);
		bytes[i] ^= 1;
	}
	for (size_t i = 0; i < n; i++) {
		check_note("cut to %zu", i);
		CHECK_ERR(check_in_steps(slice(bytes, i), 7, &t), E_CORRUPT);
	}
	bytes[n] = 0;
	CHECK_ERR(check_in_steps(slice(bytes, n + 1), 7, &t), E_CORRUPT);
}

TEST(check_keeps_its_error)
{
	unsigned char bytes[RECORD_HEADER_SIZE] = {0};
	struct record_check c;
	struct record_trailer t;

	record_check_init(&c);
	CHECK_ERR(record_check_feed(&c, slice(bytes, sizeof bytes)), E_CORRUPT);
	CHECK_ERR(record_check_feed(&c, SL("x")), E_CORRUPT);
	CHECK_ERR(record_check_end(&c, &t), E_CORRUPT);
}

TEST(check_too_big)
{
	unsigned char bytes[200];
	size_t n = make(bytes, 100);
	struct record_check c;

	record_check_init(&c);
	CHECK_ERR(record_check_feed(&c, slice(bytes, n)), E_OK);
	c.size = (uint64_t)RECORD_BLOCKS_MAX * (RECORD_BLOCK_STORED_MAX + 4) + 100;
	CHECK_ERR(record_check_feed(&c, SL("x")), E_TOO_BIG);
}
