/* What the keeper lets go, and when: the time of day is the tests' own. Limits are the defaults. */
#include <linux/magic.h>
#include <sys/mman.h>
#include <sys/vfs.h>

#include "backend/store/partition_priv.h"
#include "tests/lib/moved_clock.h"
#include "tests/unit/backend/store/util.h"

#define MINUTE_US (60 * 1000000LL)
#define HOUR_US   (60 * MINUTE_US)
#define DAY_US    (24 * HOUR_US)
#define PAGE      4096

static struct partition *open_timed(void)
{
	struct partition_conf conf = util_conf(check_tmpdir());

	conf.expunged_ms = 0; /* the default */
	moved_clock_begin();
	return util_open(&conf);
}

static void close_timed(struct partition **p)
{
	CHECK(util_fsck(*p));
	partition_close(p);
	moved_clock_end();
}

static void pass(struct partition *p, int64_t us)
{
	moved_clock_add(us);
	CHECK_ERR(partition_keep(p), E_OK);
}

static uint64_t records(struct partition *p)
{
	struct partition_stat st;

	CHECK_ERR(partition_stat(p, &st), E_OK);
	return st.records;
}

static enum err expunge(struct partition *p, uint64_t account, uint32_t first, uint32_t last)
{
	struct change_expunge c;
	enum err e = util_flags(p, account, 1, first, last, FLAGS_ADD, STORE_DELETED);

	if (e != E_OK)
		return e;
	change_expunge_init(&c);
	c.account = account;
	c.mailbox = 1;
	e = change_run(p, &c.change);
	change_expunge_fini(&c);
	return e;
}

/* Who streams a message while it is expunged has an hour to come to its end. */
TEST(keeper_expunged_stays_an_hour)
{
	struct partition *p = open_timed();

	REQUIRE(p != NULL);
	CHECK_ERR(util_deliver(p, 1, "", 1, 100).e, E_OK);
	CHECK_ERR(expunge(p, 1, 1, 1), E_OK);
	pass(p, 59 * MINUTE_US);
	CHECK_INT(records(p), 1);
	pass(p, 2 * MINUTE_US);
	CHECK_INT(records(p), 0);
	close_timed(&p);
}

/* The same transaction again: is it known? */
static bool is_repeated(struct partition *p)
{
	struct deliver_copy copy = {.account = 1, .key = SL("key")};
	struct change_deliver c;
	struct util_summary u;
	struct stage *s = util_stage(p, 5, 100);

	util_summary(&u, 5, 100);
	change_deliver_init(&c);
	c.origin = SL("frontend/fe1/smtp");
	memset(c.txid, 9, sizeof(c.txid));
	c.record = s;
	c.summary = &u.s;
	c.copies = &copy;
	c.ncopies = 1;
	CHECK_ERR(change_run(p, &c.change), E_OK);
	CHECK_ERR(copy.result, E_OK);
	stage_free(&s);
	return copy.duplicate;
}

/* For 48 hours, wherever in a period it was given out; after three days it is gone. */
TEST(keeper_delivery_ids_stay_two_days)
{
	struct partition *p = open_timed();

	REQUIRE(p != NULL);
	for (unsigned i = 0; i < 3; i++) {
		CHECK(!is_repeated(p));
		pass(p, DAY_US);
		CHECK(is_repeated(p));
		pass(p, DAY_US - MINUTE_US);
		CHECK(is_repeated(p));
		pass(p, DAY_US + 8 * HOUR_US);
	}
	close_timed(&p);
}

/* The change log reaches back 30 days: who asks for more opens anew. */
TEST(keeper_change_log_reaches_back_a_month)
{
	struct partition *p = open_timed();
	struct mbox_changes c;
	uint64_t since;

	REQUIRE(p != NULL);
	CHECK_ERR(util_deliver(p, 1, "", 1, 100).e, E_OK);
	CHECK_ERR(mbox_highest(p, 1, 1, &since), E_OK);
	CHECK_ERR(util_deliver(p, 1, "", 2, 100).e, E_OK);
	pass(p, 29 * DAY_US);
	mbox_changes_init(&c);
	CHECK_ERR(mbox_changes(p, 1, 1, since, RECENT_LOOK, &c), E_OK);
	CHECK(!c.reset);
	CHECK_INT(uidset_count(&c.added), 1);
	mbox_changes_fini(&c);
	pass(p, 2 * DAY_US);
	mbox_changes_init(&c);
	CHECK_ERR(mbox_changes(p, 1, 1, since, RECENT_LOOK, &c), E_OK);
	CHECK(c.reset);
	mbox_changes_fini(&c);
	close_timed(&p);
}

static uint64_t files(struct partition *p, uint64_t *bytes_out)
{
	struct partition_stat st;

	CHECK_ERR(partition_stat(p, &st), E_OK);
	*bytes_out = st.volume_bytes;
	return st.volume_files;
}

/* Volumes of 256 KiB of which most is expunged give their room back; what is left in them is read
 * as before. One that is still half full is left alone. */
TEST(keeper_compacts_what_is_under_half_live)
{
	static const struct uid_range every = {1, UINT32_MAX};
	struct msg_query q = {1, 1, &every, 1, MSG_RECORD, 0, 0};
	struct partition *p = open_timed();
	uint64_t before, after, bytes;
	struct msg_slice s;
	struct buf body;

	REQUIRE(p != NULL);
	for (uint64_t i = 1; i <= 60; i++)
		CHECK_ERR(util_deliver(p, 1, "", i, 20000).e, E_OK);
	before = files(p, &bytes);
	CHECK(before >= 5);
	for (uint32_t uid = 1; uid <= 60; uid++) {
		if (uid % 5 != 0 && uid <= 40)
			CHECK_ERR(expunge(p, 1, uid, uid), E_OK);
	}
	pass(p, 30 * MINUTE_US);
	CHECK_INT(files(p, &bytes), before);
	pass(p, HOUR_US);
	after = files(p, &bytes);
	CHECK(after < before);
	CHECK(bytes < 60ull * 20000 / 2 + (512u << 10));
	msg_slice_init(&s);
	buf_init(&body, 1 << 20, NULL);
	CHECK_ERR(msg_fetch(p, &q, 1, &s), E_OK);
	CHECK_INT(s.n, 28);
	for (unsigned i = 0; i < s.n; i++) {
		struct msg_span span = msg_span_blocks(&s.record[i], 0, 0);

		buf_reset(&body);
		CHECK_ERR(msg_read(p, &span, 1, &body), E_OK);
		CHECK_INT((unsigned char)body.p[777], util_plain(s.uid[i], 777));
	}
	buf_fini(&body);
	msg_slice_fini(&s);
	close_timed(&p);
}

/* Pages of the first volume that are in memory; SIZE_MAX where its file system is memory. */
static size_t pages_in_memory(struct partition *p)
{
	static unsigned char in[8 * VOLUME_SEGMENT / PAGE];
	char path[DISK_PATH_MAX + 32];
	struct statfs fs;
	uint64_t size;
	size_t n = 0;
	void *map;
	int fd;

	volume_path(&p->volumes, 1, VOLUME_SHARED, path);
	CHECK_ERR(disk_open(path, DISK_READ, &fd), E_OK);
	CHECK_ERR(disk_size(fd, &size), E_OK);
	CHECK_INT(fstatfs(fd, &fs), 0);
	map = mmap(NULL, size, PROT_READ, MAP_SHARED, fd, 0);
	CHECK(map != MAP_FAILED && size < 8 * VOLUME_SEGMENT);
	CHECK_INT(mincore(map, size, in), 0);
	for (size_t i = 0; i < (size + PAGE - 1) / PAGE; i++)
		n += in[i] & 1;
	CHECK_INT(munmap(map, size), 0);
	disk_close(&fd);
	return fs.f_type == TMPFS_MAGIC ? SIZE_MAX : n;
}

/* A message that waits to go on to n recipients, an eighth of a segment. */
static void queue_one(struct partition *p, uint64_t seed, size_t n)
{
	struct queue_add adds[] = {{.key = SL("a"), .payload = SL("to: a"), .due_us = 5},
				   {.key = SL("b"), .payload = SL("to: b"), .due_us = 5},
				   {.key = SL("c"), .payload = SL("to: c"), .due_us = 5}};
	struct stage *s = util_stage(p, seed, VOLUME_SEGMENT / 8);
	struct change_deliver c;
	struct util_summary u;

	util_summary(&u, seed, VOLUME_SEGMENT / 8);
	change_deliver_init(&c);
	c.txid[0] = (unsigned char)seed;
	c.record = s;
	c.summary = &u.s;
	c.items = adds;
	c.nitems = n;
	CHECK_ERR(change_run(p, &c.change), E_OK);
	stage_free(&s);
}

static void remove_item(struct partition *p, uint64_t id)
{
	struct queue_edit edit = {.what = QUEUE_REMOVE, .id = id};
	struct change_queue c;

	change_queue_init(&c);
	c.edits = &edit;
	c.n = 1;
	CHECK_ERR(change_run(p, &c.change), E_OK);
	CHECK(edit.found);
}

/* Four segments and a bit, every third message with three recipients: when all have gone but one of
 * the second segment's, the first, third and fourth leave the page cache, and the second stays. */
TEST(what_went_on_leaves_the_page_cache)
{
	enum { MESSAGES = 33, ITEMS = MESSAGES + 2 * (MESSAGES / 3), STAYS = 12 + 2 * (12 / 3) };
	struct partition_conf conf = util_conf(check_tmpdir());
	const size_t segment = VOLUME_SEGMENT / PAGE;
	struct partition *p;
	size_t before;

	conf.volume_bytes = 8 * VOLUME_SEGMENT;
	p = util_open(&conf);
	REQUIRE(p != NULL);
	for (uint64_t i = 1; i <= MESSAGES; i++)
		queue_one(p, i, i % 3 == 0 ? 3 : 1);
	before = pages_in_memory(p);
	for (uint64_t id = 1; id <= ITEMS; id++) {
		if (id != STAYS)
			remove_item(p, id);
	}
	if (before == SIZE_MAX)
		check_note("on a file system in memory nothing leaves it");
	else
		CHECK(before > 4 * segment && pages_in_memory(p) <= before - 3 * segment &&
		      pages_in_memory(p) >= segment);
	CHECK(util_fsck(p));
	partition_close(&p);
}

/* Nothing of a removed account stays, not even its row. */
TEST(keeper_removed_account_leaves_nothing)
{
	static const enum table tables[] = {T_ACCOUNT, T_NAME,   T_KEYWORD, T_SUB,  T_MESSAGE,
					    T_RANGE,   T_EMAIL,  T_THREAD,  T_LOG,  T_PURGE,
					    T_REAP,    T_RECORD, T_SUMMARY, T_TEXT, T_DETAIL};
	struct partition *p = open_timed();
	struct change_account c;
	struct kv_txn *t;
	uint64_t n;

	REQUIRE(p != NULL);
	for (uint64_t i = 1; i <= 30; i++)
		CHECK_ERR(util_deliver(p, 1, i % 3 == 0 ? "Sent" : "", i, i == 7 ? 300000 : 100).e,
			  E_OK);
	CHECK_ERR(expunge(p, 1, 3, 5), E_OK);
	change_account_init(&c, 1, ACCOUNT_REMOVE);
	CHECK_ERR(change_run(p, &c.change), E_OK);
	CHECK_ERR(change_run(p, &c.change), E_NOT_FOUND);
	pass(p, MINUTE_US);
	pass(p, 2 * HOUR_US);
	CHECK_ERR(kv_read(p->kv, &t), E_OK);
	for (size_t i = 0; i < ARRAY_LEN(tables); i++) {
		check_note("table %s", table_names[tables[i]]);
		CHECK_ERR(kv_count(t, tables[i], &n), E_OK);
		CHECK_INT(n, 0);
	}
	kv_abort(&t);
	close_timed(&p);
}

/* A log that cannot be read holds up neither other accounts nor the other steps. */
TEST(keeper_goes_past_a_bad_row)
{
	struct partition *p = open_timed();
	struct row_account acct;
	struct kv_txn *t;
	struct rec_key k;

	REQUIRE(p != NULL);
	for (uint64_t account = 1; account <= 2; account++) {
		CHECK_ERR(util_deliver(p, account, "", account, 100).e, E_OK);
		CHECK_ERR(expunge(p, account, 1, 1), E_OK);
	}
	CHECK_ERR(kv_write(p->kv, &t), E_OK);
	key_pair(&k, 1, 2);
	CHECK_ERR(kv_put(t, T_LOG, rec_key(&k), SL("broken")), E_OK);
	CHECK_ERR(kv_commit(&t), E_OK);
	moved_clock_add(31 * DAY_US);
	CHECK_ERR(partition_keep(p), E_CORRUPT);
	CHECK_INT(records(p), 0);
	CHECK_ERR(kv_read(p->kv, &t), E_OK);
	CHECK_ERR(tab_account_get(t, 2, &acct), E_OK);
	CHECK_INT(acct.log_rows, 0);
	kv_abort(&t);
	partition_close(&p);
	moved_clock_end();
}
