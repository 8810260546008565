#include "common/rpc/walk.h"

#include "common/base/buf.h"
#include "proto/delivery.pb-c.h"
#include "proto/mailbox.pb-c.h"
#include "tests/lib/check.h"

#define COMMIT  (&postern__deliver_commit__descriptor)
#define CHANGES (&postern__change_batch__descriptor)

static const struct walk_limit limits[] = {
	{&postern__deliver_commit__descriptor, "recipients", 3, 0},
	{&postern__deliver_commit__descriptor, "prefix", 0, 16384},
	{&postern__deliver_commit__descriptor, "txid", 0, 16},
	{&postern__other_owner__descriptor, "recipients", 2, 0},
	{&postern__change_batch__descriptor, "uid", 5, 0},
	{0},
};

static enum err check(const ProtobufCMessageDescriptor *m, slice_t bytes)
{
	struct diag d = {{0}};
	enum err e = walk_check(m, limits, bytes, &d);

	check_note("%s: %s", err_name(e), d.text);
	return e;
}

static void put_varint(struct buf *b, uint64_t v)
{
	while (v >= 0x80) {
		buf_putc(b, (char)(v | 0x80));
		v >>= 7;
	}
	buf_putc(b, (char)v);
}

static void put_len(struct buf *b, unsigned field, slice_t v)
{
	put_varint(b, (uint64_t)field << 3 | 2);
	put_varint(b, v.n);
	buf_put(b, v);
}

static void put_num(struct buf *b, unsigned field, uint64_t v)
{
	put_varint(b, (uint64_t)field << 3);
	put_varint(b, v);
}

/* A DeliverCommit with n recipients and one other owner with m. */
static void put_commit(struct buf *b, size_t n, size_t m)
{
	struct buf rcpt, other;

	buf_init(&rcpt, 4096, NULL);
	buf_init(&other, 4096, NULL);
	put_len(&rcpt, 1, SL("token"));
	put_num(&rcpt, 2, 3);
	put_len(b, 1, SL("0123456789abcdef"));
	put_num(b, 2, 1234567);
	for (size_t i = 0; i < n; i++)
		put_len(b, 4, buf_slice(&rcpt));
	put_len(&other, 1, SL("be2"));
	for (size_t i = 0; i < m; i++)
		put_len(&other, 3, buf_slice(&rcpt));
	put_len(b, 5, buf_slice(&other));
	buf_fini(&rcpt);
	buf_fini(&other);
}

TEST(walk_accepts)
{
	struct buf b;

	buf_init(&b, 65536, NULL);
	CHECK_ERR(check(COMMIT, SLICE_NONE), E_OK);
	put_commit(&b, 3, 2);
	CHECK_ERR(check(COMMIT, buf_slice(&b)), E_OK);
	CHECK_ERR(walk_check(COMMIT, NULL, buf_slice(&b), NULL), E_OK);
	buf_fini(&b);
}

TEST(walk_unpacks)
{
	ProtobufCMessage *msg = NULL;
	struct budget budget;
	struct arena a;
	struct buf b;
	struct diag d;

	buf_init(&b, 65536, NULL);
	budget_init(&budget, 65536, NULL);
	arena_init(&a, &budget);
	put_commit(&b, 2, 1);
	CHECK_ERR(walk_unpack(COMMIT, limits, buf_slice(&b), &a, &msg, &d), E_OK);
	if (msg != NULL) {
		Postern__DeliverCommit *c = (Postern__DeliverCommit *)(void *)msg;

		CHECK_INT(c->partition, 1234567);
		CHECK_INT(c->n_recipients, 2);
		CHECK_INT(c->n_others, 1);
		CHECK_STR(c->others[0]->backend, "be2");
	}
	arena_reset(&a);
	/* The arena's budget is the cap. */
	budget.max = 64;
	CHECK_ERR(walk_unpack(COMMIT, limits, buf_slice(&b), &a, &msg, &d), E_BUSY);
	CHECK(msg == NULL);
	arena_reset(&a);
	budget_fini(&budget);
	buf_fini(&b);
}

TEST(walk_counts)
{
	struct buf b;

	buf_init(&b, 65536, NULL);
	put_commit(&b, 4, 0);
	CHECK_ERR(check(COMMIT, buf_slice(&b)), E_LIMIT);
	buf_reset(&b);
	put_commit(&b, 0, 3);
	CHECK_ERR(check(COMMIT, buf_slice(&b)), E_LIMIT);
	/* Without a row: the default. */
	buf_reset(&b);
	put_commit(&b, WALK_COUNT_DEFAULT, 0);
	CHECK_ERR(walk_check(COMMIT, NULL, buf_slice(&b), NULL), E_OK);
	buf_reset(&b);
	put_commit(&b, WALK_COUNT_DEFAULT + 1, 0);
	CHECK_ERR(walk_check(COMMIT, NULL, buf_slice(&b), NULL), E_LIMIT);
	buf_fini(&b);
}

TEST(walk_packed_counts)
{
	struct buf b;

	buf_init(&b, 65536, NULL);
	put_len(&b, 3, SL("\1\2\xff\xff\3\4")); /* packed: 1, 2, 65535, 4 */
	put_num(&b, 3, 9);                      /* and one alone */
	CHECK_ERR(check(CHANGES, buf_slice(&b)), E_OK);
	put_num(&b, 3, 9);
	CHECK_ERR(check(CHANGES, buf_slice(&b)), E_LIMIT);
	buf_reset(&b);
	put_len(&b, 3, SL("\1\2\3\4\5\6"));
	CHECK_ERR(check(CHANGES, buf_slice(&b)), E_LIMIT);
	buf_reset(&b);
	put_len(&b, 3, SL("\1\2\x80"));
	CHECK_ERR(check(CHANGES, buf_slice(&b)), E_INVALID);
	buf_fini(&b);
}

TEST(walk_lengths)
{
	static char big[16385];
	struct buf b;

	buf_init(&b, 65536, NULL);
	put_len(&b, 1, slice(big, 17)); /* txid: 16 */
	CHECK_ERR(check(COMMIT, buf_slice(&b)), E_LIMIT);
	buf_reset(&b);
	put_len(&b, 6, slice(big, 16384));
	CHECK_ERR(check(COMMIT, buf_slice(&b)), E_OK);
	buf_reset(&b);
	put_len(&b, 6, slice(big, 16385));
	CHECK_ERR(check(COMMIT, buf_slice(&b)), E_LIMIT);
	buf_reset(&b);
	put_len(&b, 3, slice(big, WALK_LEN_DEFAULT + 1)); /* sender: the default */
	CHECK_ERR(check(COMMIT, buf_slice(&b)), E_LIMIT);
	buf_fini(&b);
}

struct bytes_case {
	const char *what;
	slice_t bytes;
	enum err want;
};

static const struct bytes_case bytes_cases[] = {
	{"tag cut short", SL("\x80"), E_INVALID},
	{"field number 0", SL("\x00\x01"), E_INVALID},
	{"field number beyond 2^29", SL("\x80\x80\x80\x80\x10\x00"), E_INVALID},
	{"tag of eleven bytes", SL("\x80\x80\x80\x80\x80\x80\x80\x80\x80\x80\x01\x00"), E_INVALID},
	{"value missing", SL("\x10"), E_INVALID},
	{"value of ten bytes", SL("\x10\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01"), E_OK},
	{"value beyond 64 bits", SL("\x10\xff\xff\xff\xff\xff\xff\xff\xff\xff\x02"), E_INVALID},
	{"value of eleven bytes", SL("\x10\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01"),
	 E_INVALID},
	{"tag of six bytes", SL("\x8a\x80\x80\x80\x80\x00\x00"), E_INVALID},
	{"length of five bytes", SL("\x0a\x81\x80\x80\x80\x00\x61"), E_OK},
	{"length of six bytes", SL("\x0a\x81\x80\x80\x80\x80\x00\x61"), E_INVALID},
	{"length past the end",
	 SL("\x0a\x05"
	    "abcd"),
	 E_INVALID},
	{"length of 2^63", SL("\x0a\x80\x80\x80\x80\x80\x80\x80\x80\x80\x01"), E_INVALID},
	{"length past the submessage",
	 SL("\x22\x04\x0a\x05"
	    "ab"
	    "cdefgh"),
	 E_INVALID},
	{"submessage cut inside a value", SL("\x22\x01\x10"), E_INVALID},
	{"wire type of a number for bytes", SL("\x08\x01"), E_INVALID},
	{"wire type of bytes for a number",
	 SL("\x12\x01"
	    "a"),
	 E_INVALID},
	{"fixed 64 for a number",
	 SL("\x11"
	    "12345678"),
	 E_INVALID},
	{"fixed 32 for a number",
	 SL("\x15"
	    "1234"),
	 E_INVALID},
	{"start of a group", SL("\x0b\x0c"), E_INVALID},
	{"end of a group", SL("\x0c"), E_INVALID},
	{"wire type 6", SL("\x0e"), E_INVALID},
	{"wire type 7", SL("\x0f"), E_INVALID},
	{"number given twice", SL("\x10\x01\x10\x01"), E_INVALID},
	{"bytes given twice",
	 SL("\x0a\x01"
	    "a\x0a\x01"
	    "b"),
	 E_INVALID},
	{"NUL in a string",
	 SL("\x2a\x05\x0a\x03"
	    "a\0b"),
	 E_INVALID},
	{"string that is not UTF-8", SL("\x2a\x04\x0a\x02\xc3\x28"), E_INVALID},
	{"unknown number", SL("\xf8\x7f\x01"), E_OK},
	{"unknown fixed 64",
	 SL("\xf9\x7f"
	    "12345678"),
	 E_OK},
	{"unknown fixed 64 cut",
	 SL("\xf9\x7f"
	    "1234567"),
	 E_INVALID},
	{"unknown fixed 32",
	 SL("\xfd\x7f"
	    "1234"),
	 E_OK},
	{"unknown fixed 32 cut",
	 SL("\xfd\x7f"
	    "123"),
	 E_INVALID},
	{"unknown bytes",
	 SL("\xfa\x7f\x02"
	    "ab"),
	 E_OK},
	{"unknown bytes cut",
	 SL("\xfa\x7f\x03"
	    "ab"),
	 E_INVALID},
};

TEST(walk_malformed)
{
	for (size_t i = 0; i < ARRAY_LEN(bytes_cases); i++) {
		check_note("%s", bytes_cases[i].what);
		CHECK_ERR(check(COMMIT, bytes_cases[i].bytes), bytes_cases[i].want);
	}
}

TEST(walk_unknown_is_bounded)
{
	static char big[WALK_UNKNOWN_MAX];
	struct buf b;

	buf_init(&b, 65536, NULL);
	put_len(&b, 2047, slice(big, WALK_UNKNOWN_MAX - 4)); /* tag 2, length 2 */
	CHECK_ERR(check(COMMIT, buf_slice(&b)), E_OK);
	put_num(&b, 2047, 1);
	CHECK_ERR(check(COMMIT, buf_slice(&b)), E_LIMIT);
	buf_fini(&b);
}

/* A message type that contains itself, which the schema never has: the walker's own bound. */
static ProtobufCMessageDescriptor nest;
static const ProtobufCFieldDescriptor nest_field = {
	.name = "inner",
	.id = 1,
	.label = PROTOBUF_C_LABEL_NONE,
	.type = PROTOBUF_C_TYPE_MESSAGE,
	.descriptor = &nest,
};
static const ProtobufCIntRange nest_ranges[] = {{1, 0}, {0, 1}};

TEST(walk_depth)
{
	struct buf b;
	struct diag d;

	nest = (ProtobufCMessageDescriptor){
		.magic = PROTOBUF_C__MESSAGE_DESCRIPTOR_MAGIC,
		.name = "nest",
		.n_fields = 1,
		.fields = &nest_field,
		.n_field_ranges = 1,
		.field_ranges = nest_ranges,
	};
	buf_init(&b, 256, NULL);
	for (int depth = WALK_DEPTH_MAX - 2; depth >= 0; depth--) {
		buf_putc(&b, 0x0a);
		buf_putc(&b, (char)(2 * depth));
	}
	CHECK_ERR(walk_check(&nest, NULL, buf_slice(&b), &d), E_OK);
	buf_reset(&b);
	for (int depth = WALK_DEPTH_MAX - 1; depth >= 0; depth--) {
		buf_putc(&b, 0x0a);
		buf_putc(&b, (char)(2 * depth));
	}
	CHECK_ERR(walk_check(&nest, NULL, buf_slice(&b), &d), E_LIMIT);
	buf_fini(&b);
}

/* Whatever the walker accepts, protobuf-c unpacks; whatever is cut from a good message is never
 * read beyond. */
TEST(walk_every_prefix)
{
	struct buf b;

	buf_init(&b, 65536, NULL);
	put_commit(&b, 3, 2);
	for (size_t n = 0; n <= b.n; n++) {
		char *copy = xmalloc(n + 1);
		ProtobufCMessage *msg;
		struct arena a;
		struct diag d;
		enum err e;

		arena_init(&a, NULL);
		memcpy(copy, b.p, n);
		e = walk_unpack(COMMIT, limits, slice(copy, n), &a, &msg, &d);
		CHECK(e == E_OK || e == E_INVALID);
		arena_reset(&a);
		xfree(&copy);
	}
	buf_fini(&b);
}
