#include <stdio.h>

#include "common/base/num.h"
#include "tests/unit/backend/store/util.h"

struct partition_conf util_conf(const char *dir)
{
	return (struct partition_conf){
		.dir = dir,
		.id = 1,
		.map_bytes = 256u << 20,
		.volume_bytes = 256u << 10,
		.disk_reserve = 1,
		.expunged_ms = -1,
		.keeper_ms = -1,
		.compact_rate = 1u << 30,
	};
}

struct partition *util_open(const struct partition_conf *conf)
{
	struct partition *p = NULL;
	struct diag d = {""};
	enum err e = partition_create(conf, &d);

	if (e != E_OK && e != E_EXISTS)
		check_note("create: %s", d.text);
	e = partition_open(conf, &p, &d);
	if (e != E_OK)
		check_note("open: %s", d.text);
	CHECK_ERR(e, E_OK);
	return p;
}

unsigned char util_plain(uint64_t seed, size_t at)
{
	uint64_t x = (seed + 1) * 0x9e3779b97f4a7c15u + at / 8;

	x ^= x >> 29;
	x *= 0xbf58476d1ce4e5b9u;
	return (unsigned char)(x >> (at % 8 * 8));
}

static void put_blocks(struct buf *out, uint64_t seed, size_t size)
{
	for (size_t i = 0; i < size; i++)
		buf_putc(out, (char)util_plain(seed, i));
}

void util_record(struct buf *out, uint64_t seed, size_t size)
{
	struct record_header h = {.compression = RECORD_COMP_NONE};
	struct record_trailer t = {.nblocks = record_block_count(size), .plain_size = size};
	unsigned char head[RECORD_HEADER_SIZE], tail[RECORD_TRAILER_SIZE], entry[4];
	struct record_hash hash;

	be64_put(h.id, seed);
	be64_put(h.id + 8, ~seed);
	record_header_encode(&h, head);
	buf_put(out, slice(head, sizeof(head)));
	put_blocks(out, seed, size);
	for (uint32_t i = 0; i < t.nblocks; i++) {
		be32_put(entry, record_block_plain(size, i) | RECORD_KEPT_PLAIN);
		buf_put(out, slice(entry, sizeof(entry)));
	}
	t.stored_size = out->n + RECORD_TRAILER_SIZE;
	record_trailer_encode(&t, tail);
	record_hash_init(&hash);
	record_hash_add(&hash, buf_slice(out));
	record_hash_add(&hash, slice(tail, RECORD_TRAILER_SIZE - 8));
	t.checksum = record_hash_value(&hash);
	record_trailer_encode(&t, tail);
	buf_put(out, slice(tail, sizeof(tail)));
}

struct stage *util_stage(struct partition *p, uint64_t seed, size_t size)
{
	struct stage *s = NULL;
	struct stage_info info;
	struct buf bytes;
	enum err e;

	buf_init(&bytes, SIZE_MAX, NULL);
	util_record(&bytes, seed, size);
	e = stage_begin(p, 0, SIZE_MAX, &s);
	for (size_t at = 0; at < bytes.n && e == E_OK; at += 50000)
		e = stage_write_now(s, slice_sub(buf_slice(&bytes), at, 50000));
	if (e == E_OK)
		e = stage_end_now(s, &info);
	buf_fini(&bytes);
	if (e != E_OK) {
		CHECK_ERR(e, E_OK);
		stage_free(&s);
	}
	return s;
}

static slice_t text(struct util_summary *u, unsigned i, const char *fmt, uint64_t seed)
{
	(void)snprintf(u->text[i], sizeof(u->text[i]), "%s %llu", fmt, (unsigned long long)seed);
	return slice_str(u->text[i]);
}

void util_summary(struct util_summary *u, uint64_t seed, size_t size)
{
	memset(u, 0, sizeof(*u));
	u->parts[0] = (struct summary_part){.body_end = size, .body_off = MIN(size, (size_t)10)};
	u->fields[0] = (struct summary_field){3, text(u, 4, "Subject: Hello", seed)};
	u->fields[1] = (struct summary_field){7, text(u, 5, "List-Id: list", seed)};
	u->references[0] = text(u, 6, "parent", seed / 4);
	u->s = (struct summary){
		.parser_version = 1,
		.size = size,
		.header_size = MIN(size, (size_t)10),
		.lines = size / 70,
		.envelope = text(u, 0, "(envelope)", seed),
		.bodystructure = text(u, 1, "(structure)", seed),
		.parts = u->parts,
		.nparts = 1,
		.fields = u->fields,
		.nfields = 2,
		.fields_complete = true,
		.sent_us = (int64_t)seed * 86400000000,
		.subject = text(u, 2, "Hello \xc3\x84rger", seed),
		.from = SL("Alice <alice@example.org>"),
		.message_id = text(u, 3, "id", seed),
		.references = u->references,
		.nreferences = 1,
	};
}

struct util_sent util_deliver(struct partition *p, uint64_t account, const char *path,
			      uint64_t seed, size_t size)
{
	struct deliver_copy copy = {
		.account = account, .path = slice_str(path), .prefix = SL("Return-Path: <>\r\n")};
	struct change_deliver c;
	struct util_summary u;
	struct stage *s = util_stage(p, seed, size);
	struct util_sent out = {.e = E_IO};

	if (s == NULL)
		return out;
	util_summary(&u, seed, size);
	change_deliver_init(&c);
	c.record = s;
	c.summary = &u.s;
	c.copies = &copy;
	c.ncopies = 1;
	out.e = change_run(p, &c.change);
	if (out.e == E_OK)
		out.e = copy.result;
	if (out.e != E_OK)
		check_note("deliver: %s", c.change.diag.text);
	out.uid = copy.uid;
	out.mailbox = copy.mailbox;
	out.email = copy.email_id;
	stage_free(&s);
	return out;
}

enum err util_flags(struct partition *p, uint64_t account, uint64_t mailbox, uint32_t first,
		    uint32_t last, enum flags_mode mode, uint32_t flags)
{
	struct uid_range uids = {first, last};
	struct change_flags c;
	enum err e;

	change_flags_init(&c);
	c.account = account;
	c.mailbox = mailbox;
	c.uids = &uids;
	c.nuids = 1;
	c.mode = mode;
	c.flags = flags;
	e = change_run(p, &c.change);
	change_flags_fini(&c);
	return e;
}

enum err util_create(struct partition *p, uint64_t account, const char *path)
{
	struct change_create c;

	change_create_init(&c);
	c.account = account;
	c.path = slice_str(path);
	return change_run(p, &c.change);
}

static void say(void *arg UNUSED, const char *line)
{
	(void)fprintf(stderr, "fsck: %s\n", line);
}

bool util_fsck(struct partition *p)
{
	struct fsck_report r;

	return fsck_partition(p, FSCK_RECORDS, say, NULL, &r) == E_OK && r.errors == 0;
}
