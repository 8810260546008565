/* Tables of the small parts: sets of UIDs, rows, bounds of summaries, paths, frames. */
#include "backend/store/partition_priv.h"
#include "backend/store/rset.h"
#include "common/base/num.h"
#include "tests/unit/backend/store/model.h"

/* ---- uidset, and rset against a plain array ---- */

#define UIDS 300

static void set_apply(bool *plain, uint32_t first, uint32_t last, bool on)
{
	for (uint32_t i = first; i <= last; i++)
		plain[i] = on;
}

static bool set_same(const struct uidset *s, const bool *plain)
{
	struct uidset want;
	bool same;

	uidset_init(&want);
	for (uint32_t i = 1; i < UIDS; i++) {
		if (plain[i])
			uidset_add(&want, i, i);
	}
	same = s->n == want.n && uid_ranges_valid(s->v, s->n);
	for (size_t i = 0; i < want.n && same; i++)
		same = s->v[i].first == want.v[i].first && s->v[i].last == want.v[i].last;
	uidset_fini(&want);
	return same;
}

TEST(uidset_random)
{
	struct model *chance = xmalloc(sizeof(*chance));
	bool plain[UIDS + 50] = {false};
	struct uidset s;

	model_init(chance, 9);
	uidset_init(&s);
	for (int i = 0; i < 5000; i++) {
		uint32_t first = 1 + (uint32_t)model_random(chance, UIDS - 30);
		uint32_t last = first + (uint32_t)model_random(chance, 20);
		bool on = model_random(chance, 2) == 0;

		if (on)
			uidset_add(&s, first, last);
		else
			uidset_remove(&s, first, last);
		set_apply(plain, first, last, on);
		if (!set_same(&s, plain)) {
			CHECK(false);
			break;
		}
	}
	for (uint32_t i = 1; i < UIDS; i++)
		CHECK(uidset_has(&s, i) == plain[i]);
	uidset_fini(&s);
	xfree(&chance);
}

TEST(uidset_ends)
{
	struct uidset s;

	uidset_init(&s);
	uidset_add(&s, UINT32_MAX, UINT32_MAX);
	uidset_add(&s, 1, 1);
	uidset_add(&s, UINT32_MAX - 1, UINT32_MAX - 1);
	CHECK_INT(s.n, 2);
	uidset_remove(&s, 1, UINT32_MAX - 1);
	CHECK_INT(s.n, 1);
	CHECK_INT(s.v[0].first, UINT32_MAX);
	uidset_fini(&s);
}

TEST(uid_ranges_valid_table)
{
	static const struct {
		struct uid_range v[2];
		size_t n;
		bool ok;
	} rows[] = {
		{{{1, 1}}, 1, true},
		{{{0, 1}}, 1, false},
		{{{2, 1}}, 1, false},
		{{{1, 2}, {4, 5}}, 2, true},
		{{{1, 2}, {3, 5}}, 2, false},
		{{{1, 2}, {2, 5}}, 2, false},
		{{{4, 5}, {1, 2}}, 2, false},
		{{{0, 0}}, 0, true},
		{{{1, UINT32_MAX}, {5, 6}}, 2, false},
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++)
		CHECK(uid_ranges_valid(rows[i].v, rows[i].n) == rows[i].ok);
}

TEST(rset_random)
{
	struct partition_conf conf = util_conf(check_tmpdir());
	struct partition *p = util_open(&conf);
	struct model *chance = xmalloc(sizeof(*chance));
	bool plain[UIDS + 50] = {false};
	struct row_mailbox m = {0};
	struct kv_txn *t;
	struct rset s;

	REQUIRE(p != NULL);
	model_init(chance, 10);
	CHECK_ERR(kv_write(p->kv, &t), E_OK);
	s = rset_of(t, 77, 1, &m, SET_UNSEEN);
	for (int i = 0; i < 3000; i++) {
		uint32_t first = 1 + (uint32_t)model_random(chance, UIDS - 30), got, count = 0;
		uint32_t last = first + (uint32_t)model_random(chance, 20);
		bool on = model_random(chance, 5) < 2;
		struct uidset all;
		uint32_t want = 1;

		CHECK_ERR(on ? rset_add(&s, first, last) : rset_remove(&s, first, last), E_OK);
		set_apply(plain, first, last, on);
		uidset_init(&all);
		CHECK_ERR(rset_collect(&s, 1, UINT32_MAX, &all), E_OK);
		CHECK(set_same(&all, plain));
		uidset_fini(&all);
		while (want < UIDS && !plain[want])
			want++;
		CHECK_ERR(rset_first(&s, &got), E_OK);
		CHECK_INT(got, want == UIDS ? 0 : want);
		for (uint32_t j = first; j < UIDS; j++)
			count += plain[j];
		CHECK_ERR(rset_count_from(&s, first, &got), E_OK);
		CHECK_INT(got, count);
	}
	kv_abort(&t);
	partition_close(&p);
	xfree(&chance);
}

/* ---- rows: every cut of a row is refused, a whole one comes back ---- */

static slice_t encoded_mailbox(unsigned char *mem, size_t size)
{
	struct row_mailbox m = {.parent = 3,
				.name_n = 4,
				.name = "work",
				.special = STORE_SPECIAL_SENT,
				.subscribed = true,
				.uidvalidity = 7,
				.uidnext = 9,
				.messages = 8,
				.highestmodseq = 1234567890123,
				.tail = {{1, 8}, {2, 3}, {0, 0}}};
	struct rec_w w = {mem, 0, size};

	row_mailbox_encode(&m, &w);
	return rec_w_slice(&w);
}

TEST(rec_mailbox)
{
	unsigned char mem[REC_ROW_MAX];
	slice_t row = encoded_mailbox(mem, sizeof(mem));
	struct row_mailbox m;

	CHECK_ERR(row_mailbox_decode(row, &m), E_OK);
	CHECK_SLICE(mailbox_name(&m), SL("work"));
	CHECK_INT(m.highestmodseq, 1234567890123);
	CHECK_INT(m.tail[1].last, 3);
	CHECK(m.subscribed && !m.noselect);
	for (size_t n = 0; n < row.n; n++)
		CHECK_ERR(row_mailbox_decode(slice_sub(row, 0, n), &m), E_CORRUPT);
	mem[0] = 99;
	CHECK_ERR(row_mailbox_decode(row, &m), E_CORRUPT);
}

TEST(rec_summary_rows)
{
	struct util_summary u;
	struct row_summary s;
	struct row_detail d;
	struct row_fields f;
	struct summary_part part;
	struct summary_field field;
	struct buf b;

	util_summary(&u, 42, 1000);
	u.s.sent_zone_min = -330;
	u.s.sent_us = -5;
	buf_init(&b, 1 << 20, NULL);
	row_summary_encode(&u.s, &b);
	CHECK_ERR(row_summary_decode(buf_slice(&b), &s), E_OK);
	CHECK_SLICE(s.envelope, SL("(envelope) 42"));
	for (size_t n = 0; n < b.n; n++)
		CHECK_ERR(row_summary_decode(slice_sub(buf_slice(&b), 0, n), &s), E_CORRUPT);
	buf_reset(&b);
	row_detail_encode(&u.s, &b);
	CHECK_ERR(row_detail_decode(buf_slice(&b), &d), E_OK);
	CHECK_INT(d.sent_us, -5);
	CHECK_INT(d.sent_zone_min, -330);
	CHECK_INT(d.nreferences, 1);
	CHECK_SLICE(rec_rbytes(&d.references), SL("parent 10"));
	CHECK(detail_part(&d.parts, &part));
	CHECK_INT(part.body_off, 10);
	CHECK_INT(part.body_end, 1000);
	CHECK(!detail_part(&d.parts, &part));
	buf_reset(&b);
	row_fields_encode(&u.s, &b);
	CHECK_ERR(row_fields_decode(buf_slice(&b), &f), E_OK);
	CHECK(f.complete && f.n == 2);
	CHECK(fields_next(&f.fields, &field));
	CHECK_INT(field.id, 3);
	buf_fini(&b);
}

TEST(rec_ranges)
{
	static const struct uid_range v[] = {{1, 1}, {3, 300}, {70000, UINT32_MAX}};
	static const char bad[][8] = {
		{0, 1}, {1, (char)0xff, (char)0xff, (char)0xff, (char)0xff, 0x1f}, {(char)0x80}};
	struct uid_range r;
	struct rec_r in;
	uint32_t last = 0;
	struct buf b;

	buf_init(&b, 100, NULL);
	ranges_encode(v, 3, &b);
	rec_r_init(&in, buf_slice(&b));
	for (size_t i = 0; i < 3; i++) {
		REQUIRE(ranges_next(&in, &last, &r));
		CHECK_INT(r.first, v[i].first);
		CHECK_INT(r.last, v[i].last);
	}
	CHECK(!ranges_next(&in, &last, &r) && !in.bad);
	for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
		last = 0;
		rec_r_init(&in, slice(bad[i], i == 0 ? 2 : i == 1 ? 6 : 1));
		CHECK(!ranges_next(&in, &last, &r) && in.bad);
	}
	buf_fini(&b);
}

TEST(volume_frame)
{
	unsigned char frame[VOLUME_FRAME_SIZE];
	uint64_t no, length;

	volume_frame_encode(5, 12345, frame);
	CHECK_ERR(volume_frame_decode(slice(frame, sizeof(frame)), &no, &length), E_OK);
	CHECK_INT(no, 5);
	CHECK_INT(length, 12345);
	for (size_t i = 0; i < sizeof(frame); i++) {
		frame[i] ^= 1;
		CHECK_ERR(volume_frame_decode(slice(frame, sizeof(frame)), &no, &length),
			  E_CORRUPT);
		frame[i] ^= 1;
	}
}

/* ---- summaries ---- */

TEST(summary_check_table)
{
	static char big[SUMMARY_STRUCTURE_MAX + 1];
	static const struct {
		const char *what;
		struct summary_part parts[3];
		size_t nparts;
		bool ok;
	} rows[] = {
		{"leaf", {{.body_off = 5, .body_end = 100}}, 1, true},
		{"outside", {{.body_off = 5, .body_end = 101}}, 1, false},
		{"backward", {{.body_off = 50, .body_end = 40}}, 1, false},
		{"child",
		 {{.kind = 1, .body_off = 5, .body_end = 100},
		  {.parent = 1, .header_off = 5, .body_off = 9, .body_end = 50}},
		 2,
		 true},
		{"child of a leaf",
		 {{.body_off = 5, .body_end = 100},
		  {.parent = 1, .header_off = 5, .body_off = 9, .body_end = 50}},
		 2,
		 false},
		{"child outside",
		 {{.kind = 1, .body_off = 5, .body_end = 60},
		  {.parent = 1, .header_off = 5, .body_off = 9, .body_end = 61}},
		 2,
		 false},
		{"child before",
		 {{.kind = 1, .body_off = 5, .body_end = 60},
		  {.parent = 1, .header_off = 4, .body_off = 9, .body_end = 50}},
		 2,
		 false},
		{"second root",
		 {{.kind = 1, .body_off = 5, .body_end = 60},
		  {.header_off = 5, .body_off = 9, .body_end = 50}},
		 2,
		 false},
		{"its own parent",
		 {{.kind = 1, .body_off = 5, .body_end = 60},
		  {.parent = 2, .kind = 1, .header_off = 5, .body_off = 9, .body_end = 50}},
		 2,
		 false},
		{"kind", {{.kind = 3, .body_off = 5, .body_end = 60}}, 1, false},
		{"encoding", {{.encoding = 6, .body_off = 5, .body_end = 60}}, 1, false},
	};
	struct util_summary u;
	struct diag d;

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		util_summary(&u, 1, 100);
		u.s.parts = rows[i].parts;
		u.s.nparts = rows[i].nparts;
		check_note("%s", rows[i].what);
		CHECK_ERR(summary_check(&u.s, 100, &d), rows[i].ok ? E_OK : E_INVALID);
	}
	util_summary(&u, 1, 100);
	CHECK_ERR(summary_check(&u.s, 99, &d), E_INVALID);
	u.s.bodystructure = slice(big, sizeof(big));
	CHECK_ERR(summary_check(&u.s, 100, &d), E_INVALID);
	util_summary(&u, 1, 100);
	u.s.subject = SL("\xff");
	CHECK_ERR(summary_check(&u.s, 100, &d), E_INVALID);
	u.s.subject = SL("a\0b");
	CHECK_ERR(summary_check(&u.s, 100, &d), E_INVALID);
	util_summary(&u, 1, 100);
	u.fields[0].id = SUMMARY_FIELD_IDS_MAX;
	CHECK_ERR(summary_check(&u.s, 100, &d), E_INVALID);
	util_summary(&u, 1, 100);
	u.s.nreferences = SUMMARY_REFERENCES_MAX + 1;
	CHECK_ERR(summary_check(&u.s, 100, &d), E_INVALID);
	util_summary(&u, 1, 100);
	u.s.nparts = SUMMARY_PARTS_MAX + 1;
	CHECK_ERR(summary_check(&u.s, 100, &d), E_INVALID);
}

TEST(mbox_path_check_table)
{
	static const struct {
		slice_t path;
		bool ok;
	} rows[] = {
		{SL("a"), true},        {SL("a/b"), true},    {SL(""), false},
		{SL("/a"), false},      {SL("a/"), false},    {SL("a//b"), false},
		{SL("a\x01"), false},   {SL("a\x7f"), false}, {SL("\xc2\x80"), false},
		{SL("\xc2\xa0"), true}, {SL("\xff"), false},  {SL("a b%*\"\\"), true},
		{SL("a\0b"), false},
	};
	char deep[2 * STORE_DEPTH_MAX + 2];
	char longest[STORE_NAME_MAX + 1];

	for (size_t i = 0; i < ARRAY_LEN(rows); i++)
		CHECK_ERR(mbox_path_check(rows[i].path), rows[i].ok ? E_OK : E_INVALID);
	for (size_t i = 0; i < sizeof(deep); i++)
		deep[i] = i % 2 == 0 ? 'x' : '/';
	CHECK_ERR(mbox_path_check(slice(deep, 2 * STORE_DEPTH_MAX - 1)), E_OK);
	CHECK_ERR(mbox_path_check(slice(deep, 2 * STORE_DEPTH_MAX + 1)), E_INVALID);
	memset(longest, 'n', sizeof(longest));
	CHECK_ERR(mbox_path_check(slice(longest, STORE_NAME_MAX)), E_OK);
	CHECK_ERR(mbox_path_check(slice(longest, STORE_NAME_MAX + 1)), E_INVALID);
}
