/* Single calls and their corners. */
#include <stdio.h>
#include <zstd.h>

#include "backend/store/due.h"
#include "backend/store/keep.h"
#include "backend/store/op.h"
#include "backend/store/partition_priv.h"
#include "backend/store/search.h"
#include "backend/store/stage_priv.h"
#include "common/base/num.h"
#include "tests/unit/backend/store/util.h"

static const struct uid_range every = {1, UINT32_MAX};

static struct partition *open_one(void)
{
	struct partition_conf conf = util_conf(check_tmpdir());

	return util_open(&conf);
}

static uint64_t highest(struct partition *p)
{
	uint64_t h = 0;

	CHECK_ERR(mbox_highest(p, 1, 1, &h), E_OK);
	return h;
}

static enum err expunge(struct partition *p, uint64_t account, uint64_t mailbox)
{
	struct change_expunge c;
	enum err e;

	change_expunge_init(&c);
	c.account = account;
	c.mailbox = mailbox;
	e = change_run(p, &c.change);
	change_expunge_fini(&c);
	return e;
}

static enum err erase(struct partition *p, uint32_t first, uint32_t last)
{
	enum err e = util_flags(p, 1, 1, first, last, FLAGS_ADD, STORE_DELETED);

	return e == E_OK ? expunge(p, 1, 1) : e;
}

/* ---- changes ---- */

TEST(changes_since)
{
	struct partition *p = open_one();
	struct mbox_changes c;
	uint64_t since;

	REQUIRE(p != NULL);
	for (uint64_t i = 1; i <= 10; i++)
		CHECK_ERR(util_deliver(p, 1, "", i, 100).e, E_OK);
	since = highest(p);
	CHECK_ERR(util_flags(p, 1, 1, 2, 4, FLAGS_ADD, STORE_SEEN), E_OK);
	CHECK_ERR(erase(p, 4, 5), E_OK);
	CHECK_ERR(util_deliver(p, 1, "", 11, 100).e, E_OK);
	CHECK_ERR(util_deliver(p, 1, "", 12, 100).e, E_OK);
	CHECK_ERR(util_flags(p, 1, 1, 11, 11, FLAGS_ADD, STORE_FLAGGED), E_OK);
	CHECK_ERR(erase(p, 12, 12), E_OK);
	CHECK_ERR(util_deliver(p, 1, "Sent", 13, 100).e, E_OK);
	mbox_changes_init(&c);
	CHECK_ERR(mbox_changes(p, 1, 1, since, RECENT_TAKE, &c), E_OK);
	CHECK(!c.reset);
	CHECK_INT(c.uidnext, 13);
	CHECK_INT(c.highestmodseq, highest(p));
	REQUIRE(c.added.n == 1 && c.vanished.n == 1 && c.changed.n == 1);
	CHECK_INT(c.added.v[0].first, 11);
	CHECK_INT(c.added.v[0].last, 11);
	CHECK_INT(c.vanished.v[0].first, 4);
	CHECK_INT(c.vanished.v[0].last, 5);
	CHECK_INT(c.changed.v[0].first, 2);
	CHECK_INT(c.changed.v[0].last, 3);
	CHECK_INT(c.recent_from, 1);
	mbox_changes_fini(&c);
	mbox_changes_init(&c);
	CHECK_ERR(mbox_changes(p, 1, 1, highest(p), RECENT_TAKE, &c), E_OK);
	CHECK(c.added.n == 0 && c.vanished.n == 0 && c.changed.n == 0 && !c.reset);
	CHECK_INT(c.recent_from, 13);
	mbox_changes_fini(&c);
	mbox_changes_init(&c);
	CHECK_ERR(mbox_changes(p, 1, 999, 1, RECENT_LOOK, &c), E_NOT_FOUND);
	CHECK_ERR(mbox_changes(p, 1, (uint64_t)1 << 33, 1, RECENT_LOOK, &c), E_NOT_FOUND);
	mbox_changes_fini(&c);
	partition_close(&p);
}

TEST(changes_reset_after_trim)
{
	struct partition_conf conf = util_conf(check_tmpdir());
	struct mbox_changes c;
	struct partition *p;
	uint64_t since;

	conf.changelog_rows = 5;
	p = util_open(&conf);
	REQUIRE(p != NULL);
	CHECK_ERR(util_deliver(p, 1, "", 1, 100).e, E_OK);
	since = highest(p);
	for (uint64_t i = 2; i <= 20; i++)
		CHECK_ERR(util_deliver(p, 1, "", i, 100).e, E_OK);
	CHECK_ERR(partition_keep(p), E_OK);
	mbox_changes_init(&c);
	CHECK_ERR(mbox_changes(p, 1, 1, since, RECENT_LOOK, &c), E_OK);
	CHECK(c.reset && c.added.n == 0);
	mbox_changes_fini(&c);
	mbox_changes_init(&c);
	CHECK_ERR(mbox_changes(p, 1, 1, highest(p) - 3, RECENT_LOOK, &c), E_OK);
	CHECK(!c.reset);
	CHECK_INT(uidset_count(&c.added), 3);
	mbox_changes_fini(&c);
	CHECK(util_fsck(p));
	partition_close(&p);
}

struct told {
	uint64_t account, mailbox, modseq;
	size_t n;
	bool gone, queue;
};

static void tell(void *arg, const struct partition_event *ev, size_t n, bool queue)
{
	struct told *t = arg;

	t->n += n;
	t->queue |= queue;
	if (n > 0) {
		t->account = ev[n - 1].account;
		t->mailbox = ev[n - 1].mailbox;
		t->modseq = ev[n - 1].highestmodseq;
		t->gone = ev[n - 1].gone;
	}
}

TEST(watch_hears_of_commits)
{
	struct partition *p = open_one();
	struct change_delete c;
	struct told t = {0};
	struct util_sent sent;

	REQUIRE(p != NULL);
	partition_watch(p, tell, &t);
	sent = util_deliver(p, 1, "Sent", 1, 100);
	CHECK_INT(t.n, 1);
	CHECK_INT(t.mailbox, sent.mailbox);
	CHECK(!t.gone && !t.queue);
	change_delete_init(&c);
	c.account = 1;
	c.path = SL("Sent");
	CHECK_ERR(change_run(p, &c.change), E_OK);
	CHECK(t.gone && t.mailbox == sent.mailbox);
	partition_close(&p);
}

/* ---- deliveries ---- */

TEST(deliver_quota)
{
	struct partition *p = open_one();
	struct deliver_copy copies[3] = {{.account = 1, .key = SL("a")},
					 {.account = 1, .key = SL("b")},
					 {.account = 1, .key = SL("c")}};
	struct stage *s = util_stage(p, 1, 1000);
	struct change_deliver c;
	struct util_summary u;
	uint64_t bytes, messages;

	util_summary(&u, 1, 1000);
	change_deliver_init(&c);
	c.record = s;
	c.summary = &u.s;
	c.copies = copies;
	c.ncopies = 3;
	for (int i = 0; i < 3; i++)
		copies[i].quota_bytes = 2500;
	CHECK_ERR(change_run(p, &c.change), E_OK);
	CHECK_ERR(copies[0].result, E_OK);
	CHECK_ERR(copies[1].result, E_OK);
	CHECK_ERR(copies[2].result, E_QUOTA);
	CHECK_ERR(partition_usage(p, 1, &bytes, &messages), E_OK);
	CHECK_INT(bytes, 2000);
	CHECK_INT(messages, 2);
	for (int i = 0; i < 3; i++) {
		copies[i].quota_bytes = 0;
		copies[i].quota_messages = 3;
	}
	CHECK_ERR(change_run(p, &c.change), E_OK);
	CHECK_ERR(copies[0].result, E_OK);
	CHECK_ERR(copies[1].result, E_QUOTA);
	stage_free(&s);
	partition_close(&p);
}

TEST(deliver_refuses_what_is_malformed)
{
	struct partition *p = open_one();
	struct deliver_copy copy = {.account = 1};
	struct change_deliver c;
	struct util_summary u;
	struct stage *s = util_stage(p, 1, 1000), *unended;
	char prefix[STORE_PREFIX_MAX + 1] = {0};
	slice_t names[STORE_KEYWORDS_MAX + 1];

	util_summary(&u, 1, 1000);
	change_deliver_init(&c);
	c.record = s;
	c.summary = &u.s;
	c.copies = &copy;
	c.ncopies = 1;
	u.s.size = 999;
	CHECK_ERR(change_run(p, &c.change), E_INVALID);
	u.s.size = 1000;
	copy.account = 0;
	CHECK_ERR(change_run(p, &c.change), E_INVALID);
	copy.account = 1;
	copy.prefix = slice(prefix, sizeof(prefix));
	CHECK_ERR(change_run(p, &c.change), E_INVALID);
	copy.prefix = SLICE_NONE;
	copy.flags = 64;
	CHECK_ERR(change_run(p, &c.change), E_INVALID);
	copy.flags = 0;
	for (size_t i = 0; i < ARRAY_LEN(names); i++)
		names[i] = slice(
			"abcdefghijklmnopqrstuvwxyzabcdefghijklmnopqrstuvwxyz0123456789abcdef" +
				i % 60,
			1 + i / 60 + 1);
	copy.keywords = names;
	copy.nkeywords = ARRAY_LEN(names);
	CHECK_ERR(change_run(p, &c.change), E_LIMIT);
	copy.nkeywords = 0;
	c.ncopies = STORE_COPIES_MAX + 1;
	CHECK_ERR(change_run(p, &c.change), E_LIMIT);
	c.ncopies = 1;
	c.text = slice(prefix, STORE_TEXT_MAX + 1);
	CHECK_ERR(change_run(p, &c.change), E_INVALID);
	c.text = SLICE_NONE;
	CHECK_ERR(stage_begin(p, 0, 1000, &unended), E_OK);
	c.record = unended;
	CHECK_ERR(change_run(p, &c.change), E_INVALID);
	stage_free(&unended);
	c.record = s;
	CHECK_ERR(change_run(p, &c.change), E_OK);
	CHECK_ERR(copy.result, E_OK);
	stage_free(&s);
	CHECK(util_fsck(p));
	partition_close(&p);
}

/* APPEND to what is not there; a retry without bytes. */
TEST(deliver_missing_mailbox_and_lost_bytes)
{
	struct partition *p = open_one();
	struct deliver_copy copy = {.account = 1, .path = SL("nowhere"), .missing = MISSING_FAILS};
	struct stage *s = util_stage(p, 1, 10);
	struct change_deliver c;
	struct util_summary u;

	util_summary(&u, 1, 10);
	change_deliver_init(&c);
	c.txid[0] = 1;
	c.record = s;
	c.summary = &u.s;
	c.copies = &copy;
	c.ncopies = 1;
	CHECK_ERR(change_run(p, &c.change), E_OK);
	CHECK_ERR(copy.result, E_NOT_FOUND);
	copy.missing = MISSING_TO_INBOX;
	CHECK_ERR(change_run(p, &c.change), E_OK);
	CHECK_ERR(copy.result, E_OK);
	CHECK_INT(copy.mailbox, 1);
	c.record = NULL;
	CHECK_ERR(change_run(p, &c.change), E_INVALID);
	c.repeat_only = true;
	CHECK_ERR(change_run(p, &c.change), E_OK);
	CHECK(copy.result == E_OK && copy.duplicate);
	c.txid[0] = 2;
	CHECK_ERR(change_run(p, &c.change), E_OK);
	CHECK_ERR(copy.result, E_NOT_FOUND);
	stage_free(&s);
	partition_close(&p);
}

/* ---- stages ---- */

TEST(stage_refuses_what_is_no_record)
{
	struct partition *p = open_one();
	struct stage_info info;
	struct stage *s;
	struct buf b;

	REQUIRE(p != NULL);
	buf_init(&b, SIZE_MAX, NULL);
	util_record(&b, 1, 5000);
	b.p[100] ^= 1;
	CHECK_ERR(stage_begin(p, 0, 1 << 20, &s), E_OK);
	CHECK_ERR(stage_write_now(s, buf_slice(&b)), E_OK);
	CHECK_ERR(stage_end_now(s, &info), E_CORRUPT);
	CHECK_ERR(stage_write_now(s, SL("x")), E_CORRUPT);
	stage_free(&s);
	CHECK_ERR(stage_begin(p, 0, 1 << 20, &s), E_OK);
	CHECK_ERR(stage_write_now(s, SL("no record at all, of some length or other")), E_CORRUPT);
	stage_free(&s);
	CHECK_ERR(stage_begin(p, 0, 100, &s), E_OK);
	CHECK_ERR(stage_write_now(s, buf_slice(&b)), E_TOO_BIG);
	stage_free(&s);
	CHECK_ERR(stage_begin(p, 101, 100, &s), E_TOO_BIG);
	buf_fini(&b);
	partition_close(&p);
}

/* Without memory every record is a file of its own; a dropped one leaves nothing. */
TEST(stage_spills_when_memory_is_short)
{
	struct partition *p = open_one();
	struct partition_stat st;
	struct stage *s;

	REQUIRE(p != NULL);
	stage_budget(1000);
	CHECK_ERR(util_deliver(p, 1, "", 1, 5000).e, E_OK);
	s = util_stage(p, 2, 5000);
	CHECK(s != NULL && s->volume != 0);
	stage_free(&s);
	stage_budget(64u << 20);
	CHECK_ERR(partition_stat(p, &st), E_OK);
	CHECK_INT(st.volume_files, 1);
	CHECK(util_fsck(p));
	CHECK_ERR(erase(p, 1, 1), E_OK);
	CHECK_ERR(partition_keep(p), E_OK);
	CHECK_ERR(partition_stat(p, &st), E_OK);
	CHECK_INT(st.volume_files, 0);
	CHECK_INT(st.records, 0);
	partition_close(&p);
}

/* ---- reading ---- */

static enum err read_record(struct partition *p, uint64_t no, uint64_t from, uint64_t to)
{
	struct msg_span span = {no, from, to};
	struct buf out;
	enum err e;

	buf_init(&out, 1 << 20, NULL);
	e = msg_read(p, &span, 1, &out);
	if (e == E_OK)
		CHECK_INT(out.n, to - from);
	buf_fini(&out);
	return e;
}

TEST(read_expunged_within_grace)
{
	struct partition_conf conf = util_conf(check_tmpdir());
	struct partition *p;

	conf.expunged_ms = 3600 * 1000;
	p = util_open(&conf);
	REQUIRE(p != NULL);
	CHECK_ERR(util_deliver(p, 1, "", 1, 5000).e, E_OK);
	CHECK_ERR(erase(p, 1, 1), E_OK);
	CHECK_ERR(partition_keep(p), E_OK);
	CHECK_ERR(read_record(p, 1, 32, 5032), E_OK);
	CHECK_ERR(read_record(p, 1, 32, 500000), E_INVALID);
	p->conf.expunged_ms = -1;
	CHECK_ERR(partition_keep(p), E_OK);
	CHECK_ERR(read_record(p, 1, 32, 5032), E_NOT_FOUND);
	CHECK(util_fsck(p));
	partition_close(&p);
}

/* Many spans, some neighbours, in one read. */
TEST(read_spans)
{
	struct partition *p = open_one();
	struct msg_query q = {1, 1, &every, 1, MSG_RECORD, 0, 0};
	struct msg_span spans[60];
	struct msg_slice s;
	struct buf out;
	size_t at = 0, n = 0;

	REQUIRE(p != NULL);
	for (uint64_t i = 1; i <= 60; i++)
		CHECK_ERR(util_deliver(p, 1, "", i, i % 9 == 0 ? 20000 : 300 + i).e, E_OK);
	CHECK_ERR(erase(p, 10, 12), E_OK);
	msg_slice_init(&s);
	buf_init(&out, 1 << 20, NULL);
	CHECK_ERR(msg_fetch(p, &q, 1, &s), E_OK);
	CHECK_INT(s.n, 57);
	for (unsigned i = 0; i < s.n; i += 1 + i % 3)
		spans[n++] = msg_span_blocks(&s.record[i], 0, s.record[i].nblocks - 1);
	CHECK_ERR(msg_read(p, spans, n, &out), E_OK);
	for (unsigned i = 0; i < s.n; i += 1 + i % 3) {
		uint64_t seed = s.uid[i];
		size_t size = (size_t)s.record[i].plain_size;

		CHECK_INT((unsigned char)out.p[at], util_plain(seed, 0));
		CHECK_INT((unsigned char)out.p[at + size - 1], util_plain(seed, size - 1));
		at += size;
	}
	CHECK_INT(at, out.n);
	out.max = out.n;
	CHECK_ERR(msg_read(p, spans, n, &out), E_LIMIT);
	CHECK_INT(out.n, at);
	msg_slice_fini(&s);
	buf_fini(&out);
	partition_close(&p);
}

TEST(fetch_ranges_and_slices)
{
	static const struct uid_range some[] = {{2, 3}, {100, 102}, {250, 1000}};
	struct partition *p = open_one();
	struct msg_query q = {1, 1, some, 3, MSG_FLAGS, 0, 0};
	struct msg_slice s;
	unsigned n = 0;
	uint64_t since;

	REQUIRE(p != NULL);
	for (uint64_t i = 1; i <= 400; i++)
		CHECK_ERR(util_deliver(p, 1, "", i, 10).e, E_OK);
	msg_slice_init(&s);
	for (uint32_t next = 1; next != 0; next = s.next_uid) {
		CHECK_ERR(msg_fetch(p, &q, next, &s), E_OK);
		CHECK(s.n <= STORE_SLICE_ROWS);
		n += s.n;
	}
	CHECK_INT(n, 2 + 3 + 151);
	since = highest(p);
	CHECK_ERR(util_flags(p, 1, 1, 300, 301, FLAGS_ADD, STORE_SEEN), E_OK);
	q.changed_since = since;
	n = 0;
	for (uint32_t next = 1; next != 0; next = s.next_uid) {
		CHECK_ERR(msg_fetch(p, &q, next, &s), E_OK);
		n += s.n;
	}
	CHECK_INT(n, 2);
	q.uids = (const struct uid_range[]){{5, 4}};
	q.nuids = 1;
	CHECK_ERR(msg_fetch(p, &q, 1, &s), E_INVALID);
	q.mailbox = 77;
	q.uids = &every;
	CHECK_ERR(msg_fetch(p, &q, 1, &s), E_NOT_FOUND);
	msg_slice_fini(&s);
	partition_close(&p);
}

TEST(whole_record_of_a_queue_item)
{
	struct partition *p = open_one();
	struct queue_add add = {.key = SL("k"), .payload = SL("to: x"), .due_us = 5};
	struct stage *s = util_stage(p, 9, 700);
	struct due_item item, after = {0};
	struct change_deliver c;
	struct util_summary u;
	struct msg_whole w;
	struct buf bytes;
	int64_t next;
	size_t n;

	util_summary(&u, 9, 700);
	change_deliver_init(&c);
	c.txid[0] = 1;
	c.record = s;
	c.summary = &u.s;
	c.text = SL("text");
	c.items = &add;
	c.nitems = 1;
	CHECK_ERR(change_run(p, &c.change), E_OK);
	buf_init(&bytes, 1000, NULL);
	CHECK_ERR(due_scan(p, 4, &after, &item, 1, &n, &next, &bytes), E_OK);
	CHECK(n == 0 && next == 5);
	CHECK_ERR(due_scan(p, 5, &after, &item, 1, &n, &next, &bytes), E_OK);
	REQUIRE(n == 1);
	CHECK_INT(next, INT64_MAX);
	CHECK_SLICE(item.payload, SL("to: x"));
	msg_whole_init(&w);
	CHECK_ERR(msg_whole(p, item.record_no, &w), E_OK);
	CHECK_SLICE(w.text, SL("text"));
	CHECK_SLICE(w.summary.envelope, u.s.envelope);
	CHECK_SLICE(w.summary.subject, u.s.subject);
	CHECK_SLICE(w.summary.references[0], u.s.references[0]);
	CHECK_SLICE(w.summary.fields[1].raw, u.s.fields[1].raw);
	CHECK_INT(w.summary.parts[0].body_end, 700);
	CHECK_INT(w.record.plain_size, 700);
	CHECK_ERR(summary_check(&w.summary, 700, NULL), E_OK);
	CHECK_ERR(msg_whole(p, 12345, &w), E_NOT_FOUND);
	msg_whole_fini(&w);
	buf_fini(&bytes);
	stage_free(&s);
	partition_close(&p);
}

/* ---- keywords, mailboxes ---- */

TEST(keywords_limit)
{
	struct partition *p = open_one();
	struct change_flags c;
	char text[STORE_KEYWORDS_MAX + 1][8];
	slice_t names[STORE_KEYWORDS_MAX + 1];

	REQUIRE(p != NULL);
	CHECK_ERR(util_deliver(p, 1, "", 1, 10).e, E_OK);
	for (size_t i = 0; i < ARRAY_LEN(names); i++) {
		(void)snprintf(text[i], sizeof(text[i]), "k%zu", i);
		names[i] = slice_str(text[i]);
	}
	change_flags_init(&c);
	c.account = 1;
	c.mailbox = 1;
	c.uids = &every;
	c.nuids = 1;
	c.mode = FLAGS_ADD;
	c.keywords = names;
	c.nkeywords = STORE_KEYWORDS_MAX;
	CHECK_ERR(change_run(p, &c.change), E_OK);
	c.keywords = names + STORE_KEYWORDS_MAX;
	c.nkeywords = 1;
	CHECK_ERR(change_run(p, &c.change), E_LIMIT);
	names[64] = SL("K5"); /* the case does not matter */
	CHECK_ERR(change_run(p, &c.change), E_OK);
	change_flags_fini(&c);
	CHECK(util_fsck(p));
	partition_close(&p);
}

TEST(unchanged_since)
{
	struct partition *p = open_one();
	struct change_flags c;
	uint64_t since;

	REQUIRE(p != NULL);
	for (uint64_t i = 1; i <= 4; i++)
		CHECK_ERR(util_deliver(p, 1, "", i, 10).e, E_OK);
	since = highest(p);
	CHECK_ERR(util_flags(p, 1, 1, 2, 2, FLAGS_ADD, STORE_SEEN), E_OK);
	change_flags_init(&c);
	c.account = 1;
	c.mailbox = 1;
	c.uids = &every;
	c.nuids = 1;
	c.mode = FLAGS_ADD;
	c.flags = STORE_FLAGGED;
	c.unchanged_since = since;
	CHECK_ERR(change_run(p, &c.change), E_OK);
	CHECK_INT(uidset_count(&c.modified), 1);
	CHECK(uidset_has(&c.modified, 2));
	CHECK_INT(uidset_count(&c.changed), 3);
	CHECK_INT(c.modseq, highest(p));
	change_flags_fini(&c);
	partition_close(&p);
}

/* A long change goes in parts, and is answered once. */
TEST(flags_in_parts)
{
	struct partition *p = open_one();
	struct partition_stat before, after;
	struct change_expunge c;
	struct mbox_row row;

	REQUIRE(p != NULL);
	for (uint64_t i = 1; i <= 2500; i += 50) {
		struct deliver_copy copies[50] = {0};
		struct stage *s = util_stage(p, i, 10);
		struct change_deliver d;
		struct util_summary u;

		util_summary(&u, i, 10);
		change_deliver_init(&d);
		d.record = s;
		d.summary = &u.s;
		d.copies = copies;
		d.ncopies = 50;
		for (int j = 0; j < 50; j++)
			copies[j].account = 1;
		CHECK_ERR(change_run(p, &d.change), E_OK);
		stage_free(&s);
	}
	CHECK_ERR(partition_stat(p, &before), E_OK);
	CHECK_ERR(util_flags(p, 1, 1, 1, UINT32_MAX, FLAGS_REPLACE, STORE_DELETED), E_OK);
	CHECK_ERR(partition_stat(p, &after), E_OK);
	CHECK_INT(after.commits - before.commits, 3);
	change_expunge_init(&c);
	c.account = 1;
	c.mailbox = 1;
	c.uids = (const struct uid_range[]){{1, 10}, {20, 2400}};
	c.nuids = 2;
	CHECK_ERR(change_run(p, &c.change), E_OK);
	CHECK_INT(uidset_count(&c.vanished), 10 + 2381);
	change_expunge_fini(&c);
	CHECK_ERR(mbox_status(p, 1, SL("inbox"), &row), E_OK);
	CHECK_INT(row.messages, 2500 - 2391);
	CHECK(util_fsck(p));
	partition_close(&p);
}

static enum err rename_to(struct partition *p, const char *from, const char *to)
{
	struct change_rename c;

	change_rename_init(&c);
	c.account = 1;
	c.from = slice_str(from);
	c.to = slice_str(to);
	return change_run(p, &c.change);
}

TEST(mailboxes_limit)
{
	struct partition *p = open_one();
	static struct change_create c[64];
	static char path[64][STORE_PATH_MAX];
	enum err e = E_OK;
	unsigned made = 6;

	REQUIRE(p != NULL);
	CHECK_ERR(util_deliver(p, 1, "", 1, 10).e, E_OK);
	/* Missing parents count: 31 new mailboxes each. */
	for (unsigned i = 0; e == E_OK && i < 400; i++) {
		size_t n = (size_t)snprintf(path[0], sizeof(path[0]), "t%u", i);

		for (unsigned j = 0; j < 30; j++)
			n += (size_t)snprintf(path[0] + n, sizeof(path[0]) - n, "/%u", j);
		change_create_init(&c[0]);
		c[0].account = 1;
		c[0].path = slice_str(path[0]);
		e = change_run(p, &c[0].change);
		made += e == E_OK ? 31 : 0;
	}
	CHECK_ERR(e, E_LIMIT);
	CHECK(made <= STORE_MAILBOXES_MAX && made + 31 > STORE_MAILBOXES_MAX);
	for (unsigned i = 0; made < STORE_MAILBOXES_MAX; i++, made++) {
		(void)snprintf(path[0], sizeof(path[0]), "fill%u", i);
		CHECK_ERR(util_create(p, 1, path[0]), E_OK);
	}
	CHECK_ERR(util_create(p, 1, "one"), E_LIMIT);
	/* A new name is no new mailbox, unless it is INBOX's, or has levels that are missing. */
	CHECK_ERR(rename_to(p, "t0", "u0"), E_OK);
	CHECK_ERR(rename_to(p, "u0", "missing/u0"), E_LIMIT);
	CHECK_ERR(rename_to(p, "INBOX", "old"), E_LIMIT);
	partition_close(&p);
}

TEST(recent_is_taken_once)
{
	struct partition_conf conf = util_conf(check_tmpdir());
	struct partition *p = util_open(&conf);
	struct mbox_view v;

	REQUIRE(p != NULL);
	CHECK_ERR(util_deliver(p, 1, "", 1, 10).e, E_OK);
	mbox_view_init(&v);
	CHECK_ERR(mbox_open(p, 1, SL("INBOX"), RECENT_LOOK, &v), E_OK);
	CHECK(v.recent_from == 1 && v.row.recent == 1);
	mbox_view_fini(&v);
	mbox_view_init(&v);
	CHECK_ERR(mbox_open(p, 1, SL("INBOX"), RECENT_TAKE, &v), E_OK);
	CHECK_INT(v.recent_from, 1);
	mbox_view_fini(&v);
	for (int i = 0; i < 2; i++) {
		mbox_view_init(&v);
		CHECK_ERR(mbox_open(p, 1, SL("INBOX"), RECENT_TAKE, &v), E_OK);
		CHECK(v.recent_from == 2 && v.row.recent == 0);
		mbox_view_fini(&v);
		partition_close(&p); /* the mark survives */
		p = util_open(&conf);
		REQUIRE(p != NULL);
	}
	partition_close(&p);
}

/* ---- search ---- */

/* The UIDs found as bits; those that may be, 32 bits higher. */
static uint64_t search(struct partition *p, const struct search_key *keys, size_t n)
{
	struct search s;
	uint64_t found = 0;
	enum err e = search_init(&s, p, 1, 1, keys, n);

	CHECK_ERR(e, E_OK);
	while (e == E_OK && s.next_uid != 0)
		e = search_step(&s);
	CHECK_ERR(e, E_OK);
	for (uint32_t uid = 1; uid <= 20; uid++) {
		found |= uidset_has(&s.found, uid) ? (uint64_t)1 << uid : 0;
		found |= uidset_has(&s.maybe, uid) ? (uint64_t)1 << (uid + 32) : 0;
	}
	search_fini(&s);
	return found;
}

#define FOUND(want, ...) \
	CHECK_INT(search(p, (const struct search_key[]){__VA_ARGS__}, \
			 sizeof((const struct search_key[]){__VA_ARGS__}) / \
				 sizeof(struct search_key)), \
		  want)

#define MAYBE(bits) ((uint64_t)(bits) << 32)

static void deliver_summary(struct partition *p, uint64_t seed, const struct summary *summary,
			    const char *text)
{
	char packed[1000];
	struct deliver_copy copy = {.account = 1};
	struct stage *s = util_stage(p, seed, 10);
	struct change_deliver c;

	change_deliver_init(&c);
	c.record = s;
	c.summary = summary;
	c.text = slice(packed, ZSTD_compress(packed, sizeof(packed), text, strlen(text), 1));
	c.date_us = (int64_t)seed * 86400000000 + 5;
	c.copies = &copy;
	c.ncopies = 1;
	CHECK_ERR(change_run(p, &c.change), E_OK);
	stage_free(&s);
}

static void deliver_text(struct partition *p, uint64_t seed, const char *text)
{
	struct util_summary u;

	util_summary(&u, seed, 10);
	deliver_summary(p, seed, &u.s, text);
}

TEST(search_programs)
{
	static const struct uid_range two = {2, 2};
	struct partition *p = open_one();
	struct search s;

	REQUIRE(p != NULL);
	deliver_text(p, 1, "The quick brown FOX");
	deliver_text(p, 2,
		     "stra\xc3\x9f"
		     "e nach M\xc3\x9cnchen");
	deliver_text(p, 3, "nothing");
	CHECK_ERR(util_flags(p, 1, 1, 2, 3, FLAGS_ADD, STORE_SEEN), E_OK);
	CHECK_ERR(util_flags(p, 1, 1, 3, 3, FLAGS_ADD, STORE_DELETED | STORE_FLAGGED), E_OK);

	FOUND(14, {.op = SEARCH_ALL});
	FOUND(2, {.op = SEARCH_BODY, .text = SL("brown fox")});
	FOUND(4, {.op = SEARCH_BODY, .text = SL("strasse")});
	FOUND(4, {.op = SEARCH_BODY, .text = SL("m\xc3\xbcnchen")});
	FOUND(0, {.op = SEARCH_BODY, .text = SL("hello")});
	FOUND(14, {.op = SEARCH_TEXT, .text = SL("hello \xc3\xa4rger")});
	FOUND(8 | MAYBE(6), {.op = SEARCH_TEXT, .text = SL("nothing")});
	FOUND(4, {.op = SEARCH_SUBJECT, .text = SL("rger 2")});
	FOUND(14, {.op = SEARCH_FROM, .text = SL("alice")});
	FOUND(0, {.op = SEARCH_TO, .text = SL("alice")});
	FOUND(8, {.op = SEARCH_HEADER, .number = 7, .text = SL("list 3")});
	FOUND(14, {.op = SEARCH_HEADER, .number = 7});
	FOUND(0, {.op = SEARCH_HEADER, .number = 9});
	FOUND(2, {.op = SEARCH_FLAGS_CLEAR, .number = STORE_SEEN});
	FOUND(8, {.op = SEARCH_FLAGS_SET, .number = STORE_DELETED | STORE_FLAGGED});
	FOUND(4, {.op = SEARCH_UIDS, .uids = &two, .nuids = 1});
	FOUND(10, {.op = SEARCH_UIDS, .uids = &two, .nuids = 1}, {.op = SEARCH_NOT});
	FOUND(6, {.op = SEARCH_UIDS, .uids = &two, .nuids = 1},
	      {.op = SEARCH_FLAGS_CLEAR, .number = STORE_SEEN}, {.op = SEARCH_OR});
	FOUND(0, {.op = SEARCH_UIDS, .uids = &two, .nuids = 1},
	      {.op = SEARCH_FLAGS_CLEAR, .number = STORE_SEEN}, {.op = SEARCH_AND});
	FOUND(4, {.op = SEARCH_FLAGS_SET, .number = STORE_SEEN},
	      {.op = SEARCH_BODY, .text = SL("nach")}, {.op = SEARCH_AND});
	FOUND(2, {.op = SEARCH_DATE_BEFORE, .date = 2});
	FOUND(4, {.op = SEARCH_DATE_ON, .date = 2});
	FOUND(12, {.op = SEARCH_DATE_SINCE, .date = 2});
	FOUND(4, {.op = SEARCH_SENT_ON, .date = 2});
	FOUND(2, {.op = SEARCH_SENT_BEFORE, .date = 2});
	FOUND(8, {.op = SEARCH_SENT_SINCE, .date = 3});
	FOUND(14, {.op = SEARCH_LARGER, .number = 9});
	FOUND(0, {.op = SEARCH_SMALLER, .number = 10});
	FOUND(12, {.op = SEARCH_MODSEQ, .number = highest(p) - 1});
	FOUND(0, {.op = SEARCH_KEYWORD, .text = SL("none")});

	CHECK_ERR(search_init(&s, p, 1, 1, (const struct search_key[]){{.op = SEARCH_AND}}, 1),
		  E_INVALID);
	CHECK_ERR(search_init(&s, p, 1, 1,
			      (const struct search_key[]){{.op = SEARCH_ALL}, {.op = SEARCH_ALL}},
			      2),
		  E_INVALID);
	CHECK_ERR(search_init(&s, p, 1, 1, NULL, 0), E_INVALID);
	partition_close(&p);
}

TEST(search_of_what_is_not_kept)
{
	char subject[SUMMARY_COLUMN_MAX];
	struct partition *p = open_one();
	struct util_summary u;

	REQUIRE(p != NULL);
	memset(subject, 'x', sizeof(subject));
	for (unsigned i = 1; i <= 4; i++) {
		util_summary(&u, i, 10);
		if (i == 2)
			u.s.fields_complete = false;
		else if (i == 3)
			u.fields[1].raw = SL("List-Id: =?utf-8?q?list?=");
		else if (i == 4)
			u.s.subject = slice(subject, sizeof(subject) - 3);
		deliver_summary(p, i, &u.s, "text");
	}
	FOUND(2 | MAYBE(4 + 8), {.op = SEARCH_HEADER, .number = 7, .text = SL("list 1")});
	FOUND(MAYBE(4), {.op = SEARCH_HEADER, .number = 9});
	FOUND(MAYBE(2 + 4 + 8 + 16), {.op = SEARCH_HEADER});
	FOUND(MAYBE(16), {.op = SEARCH_SUBJECT, .text = SL("zzz")});
	FOUND(14 | MAYBE(16), {.op = SEARCH_SUBJECT, .text = SL("zzz")}, {.op = SEARCH_NOT});
	FOUND(16, {.op = SEARCH_SUBJECT, .text = SL("xxx")});
	/* The rest of the program may decide without it. */
	FOUND(0, {.op = SEARCH_HEADER}, {.op = SEARCH_FLAGS_SET, .number = STORE_SEEN},
	      {.op = SEARCH_AND});
	FOUND(30, {.op = SEARCH_HEADER}, {.op = SEARCH_ALL}, {.op = SEARCH_OR});
	FOUND(30, {.op = SEARCH_TEXT, .text = SL("text")});
	FOUND(30, {.op = SEARCH_HEADER}, {.op = SEARCH_BODY, .text = SL("text")},
	      {.op = SEARCH_OR});
	partition_close(&p);
}

TEST(search_program_limit)
{
	static struct search_key keys[SEARCH_KEYS_MAX + 2];

	for (size_t i = 0; i < ARRAY_LEN(keys); i++)
		keys[i].op = i == 0 ? SEARCH_ALL : SEARCH_NOT;
	CHECK_ERR(search_check(keys, SEARCH_KEYS_MAX), E_OK);
	CHECK_ERR(search_check(keys, SEARCH_KEYS_MAX + 1), E_LIMIT);
}

/* ---- open and close ---- */

TEST(open_errors)
{
	struct partition_conf conf = util_conf(check_tmpdir());
	struct fsck_report report;
	struct partition *p, *second;
	struct diag d = {""};
	char dir[300];

	(void)snprintf(dir, sizeof(dir), "%s/none", conf.dir);
	conf.dir = dir;
	CHECK_ERR(partition_open(&conf, &p, &d), E_NOT_FOUND);
	p = util_open(&conf);
	REQUIRE(p != NULL);
	conf.dir = dir;
	CHECK_ERR(partition_create(&conf, &d), E_EXISTS);
	CHECK_ERR(partition_open(&conf, &second, &d), E_BUSY);
	CHECK_ERR(fsck_dir(dir, FSCK_RECORDS, NULL, NULL, &report, &d), E_BUSY);
	CHECK_ERR(util_deliver(p, 1, "", 1, 100).e, E_OK);
	partition_close(&p);
	CHECK_ERR(fsck_dir(dir, FSCK_RECORDS, NULL, NULL, &report, &d), E_OK);
	CHECK_INT(report.errors, 0);
	CHECK_INT(report.messages, 1);
}

/* Flips one byte of a volume: fsck and a whole read of it tell. */
static void count_line(void *arg, const char *text UNUSED)
{
	++*(unsigned *)arg;
}

TEST(fsck_finds_damage)
{
	struct partition_conf conf = util_conf(check_tmpdir());
	struct partition *p = util_open(&conf);
	struct fsck_report r;
	struct row_mailbox m;
	char path[DISK_PATH_MAX + 32];
	struct kv_txn *t;
	struct rec_key k;
	unsigned lines = 0;
	int fd;

	REQUIRE(p != NULL);
	CHECK_ERR(util_deliver(p, 1, "", 1, 100).e, E_OK);
	CHECK_ERR(util_deliver(p, 1, "", 2, 100).e, E_OK);
	volume_path(&p->volumes, 1, VOLUME_SHARED, path);
	CHECK_ERR(disk_open(path, DISK_WRITE, &fd), E_OK);
	CHECK_ERR(disk_write("test", fd, SL("?"), VOLUME_FRAME_SIZE + 50), E_OK);
	disk_close(&fd);
	CHECK_ERR(fsck_partition(p, FSCK_ROWS, count_line, &lines, &r), E_OK);
	CHECK_INT(r.errors, 0);
	CHECK_ERR(fsck_partition(p, FSCK_RECORDS, count_line, &lines, &r), E_OK);
	CHECK_INT(r.errors, 1);
	CHECK_INT(lines, 1);
	/* A wrong count, and a message without its email. */
	CHECK_ERR(kv_write(p->kv, &t), E_OK);
	CHECK_ERR(tab_mailbox_get(t, 1, 1, &m), E_OK);
	m.unseen++;
	CHECK_ERR(tab_mailbox_put(t, 1, 1, &m), E_OK);
	key_pair(&k, 1, 2);
	CHECK_ERR(kv_del(t, T_EMAIL, rec_key(&k)), E_OK);
	CHECK_ERR(kv_commit(&t), E_OK);
	CHECK_ERR(fsck_partition(p, FSCK_ROWS, count_line, &lines, &r), E_OK);
	CHECK(r.errors >= 3);
	partition_close(&p);
}

/* A bad row fails the change that meets it; its neighbours in the group go through. */
TEST(a_bad_row_harms_no_other)
{
	struct partition *p = open_one();
	struct kv_txn *t;
	struct rec_key k;

	REQUIRE(p != NULL);
	CHECK_ERR(util_deliver(p, 1, "", 1, 100).e, E_OK);
	CHECK_ERR(util_deliver(p, 2, "", 2, 100).e, E_OK);
	CHECK_ERR(kv_write(p->kv, &t), E_OK);
	key_mailbox(&k, 1, 1);
	CHECK_ERR(kv_put(t, T_ACCOUNT, rec_key(&k), SL("broken")), E_OK);
	CHECK_ERR(kv_commit(&t), E_OK);
	CHECK_ERR(util_flags(p, 1, 1, 1, 1, FLAGS_ADD, STORE_SEEN), E_INTERNAL);
	CHECK_ERR(util_flags(p, 2, 1, 1, 1, FLAGS_ADD, STORE_SEEN), E_OK);
	partition_close(&p);
}

/* ---- ops ---- */

TEST(op_unpack_refuses)
{
	struct op op = {.kind = OP_EXPUNGE, .level = STORE_LEVEL, .seq = 7, .time_us = 9}, back;
	struct arena arena;
	struct buf b;

	op.u.expunge = (struct op_expunge){3, 4, SL("\x01\x02"), 5};
	arena_init(&arena, NULL);
	buf_init(&b, 1 << 20, NULL);
	op_pack(&op, &b);
	CHECK_ERR(op_unpack(buf_slice(&b), &arena, &back), E_OK);
	CHECK_INT(back.kind, OP_EXPUNGE);
	CHECK_INT(back.u.expunge.mailbox, 4);
	CHECK_SLICE(back.u.expunge.uids, SL("\x01\x02"));
	CHECK_ERR(op_unpack(slice_sub(buf_slice(&b), 0, b.n - 1), &arena, &back), E_INVALID);
	CHECK_ERR(op_unpack(SLICE_NONE, &arena, &back), E_INVALID);
	op.level = STORE_LEVEL + 1;
	buf_reset(&b);
	op_pack(&op, &b);
	CHECK_ERR(op_unpack(buf_slice(&b), &arena, &back), E_INVALID);
	buf_fini(&b);
	arena_reset(&arena);
}

TEST(replay_in_order_only)
{
	struct partition *p = open_one();
	struct op op = {.kind = OP_ACCOUNT, .level = STORE_LEVEL, .seq = 2, .time_us = 9};
	struct change_replay c;
	struct buf b;

	REQUIRE(p != NULL);
	op.u.account = (struct op_account){1, 100};
	buf_init(&b, 1 << 20, NULL);
	op_pack(&op, &b);
	change_replay_init(&c);
	c.op = buf_slice(&b);
	CHECK_ERR(change_run(p, &c.change), E_INVALID);
	op.seq = 1;
	buf_reset(&b);
	op_pack(&op, &b);
	c.op = buf_slice(&b);
	CHECK_ERR(change_run(p, &c.change), E_OK);
	CHECK_ERR(change_run(p, &c.change), E_EXISTS);
	buf_fini(&b);
	CHECK(util_fsck(p));
	partition_close(&p);
}
