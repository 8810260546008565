/* Limits of which each would take long to reach by calls: rows are put in by hand. */
#include <zstd.h>

#include "backend/store/partition_priv.h"
#include "backend/store/text.h"
#include "tests/unit/backend/store/util.h"

static struct partition *open_one(void)
{
	struct partition_conf conf = util_conf(check_tmpdir());
	struct partition *p = util_open(&conf);

	if (p != NULL)
		CHECK_ERR(util_deliver(p, 1, "", 1, 10).e, E_OK);
	return p;
}

static enum err subscribe(struct partition *p, const char *path, bool on)
{
	struct change_subscribe c;

	change_subscribe_init(&c);
	c.account = 1;
	c.path = slice_str(path);
	c.on = on;
	return change_run(p, &c.change);
}

TEST(limit_subscriptions)
{
	struct partition *p = open_one();
	struct kv_txn *t;
	struct rec_key k;

	REQUIRE(p != NULL);
	CHECK_ERR(kv_write(p->kv, &t), E_OK);
	for (uint64_t i = 1; i < STORE_MAILBOXES_MAX; i++) {
		key_pair(&k, 1, i);
		CHECK_ERR(kv_put(t, T_SUB, rec_key(&k), SL("gone")), E_OK);
	}
	CHECK_ERR(kv_commit(&t), E_OK);
	CHECK_ERR(subscribe(p, "last", true), E_OK);
	CHECK_ERR(subscribe(p, "one more", true), E_LIMIT);
	CHECK_ERR(subscribe(p, "Sent", false), E_OK); /* a mailbox takes no row */
	partition_close(&p);
}

TEST(limit_changes_rows)
{
	struct partition *p = open_one();
	struct mbox_changes c;
	struct row_account acct;
	struct row_mailbox m;
	struct kv_txn *t;
	struct rec_key k;
	unsigned char mem[64];
	uint64_t since;

	REQUIRE(p != NULL);
	CHECK_ERR(mbox_highest(p, 1, 1, &since), E_OK);
	CHECK_ERR(kv_write(p->kv, &t), E_OK);
	CHECK_ERR(tab_account_get(t, 1, &acct), E_OK);
	CHECK_ERR(tab_mailbox_get(t, 1, 1, &m), E_OK);
	for (uint64_t i = 1; i <= 50001; i++) {
		struct row_log row = {1, LOG_CHANGED, 5, SL("\x01\x00")};
		struct rec_w w = {mem, 0, sizeof(mem)};

		key_pair(&k, 1, since + i);
		row_log_encode(&row, &w);
		CHECK_ERR(kv_put(t, T_LOG, rec_key(&k), rec_w_slice(&w)), E_OK);
	}
	acct.modseq = m.highestmodseq = since + 50001;
	acct.log_rows += 50001;
	CHECK_ERR(tab_account_put(t, 1, &acct), E_OK);
	CHECK_ERR(tab_mailbox_put(t, 1, 1, &m), E_OK);
	CHECK_ERR(kv_commit(&t), E_OK);
	mbox_changes_init(&c);
	CHECK_ERR(mbox_changes(p, 1, 1, since, RECENT_LOOK, &c), E_OK);
	CHECK(c.reset && c.changed.n == 0);
	mbox_changes_fini(&c);
	mbox_changes_init(&c);
	CHECK_ERR(mbox_changes(p, 1, 1, since + 1, RECENT_LOOK, &c), E_OK);
	CHECK(!c.reset && uidset_has(&c.changed, 1));
	mbox_changes_fini(&c);
	partition_close(&p);
}

/* More rows than a slice of the log: the same answer as in one. */
TEST(changes_of_many_slices)
{
	struct partition *p = open_one();
	struct mbox_changes c;
	uint64_t since;

	REQUIRE(p != NULL);
	CHECK_ERR(mbox_highest(p, 1, 1, &since), E_OK);
	for (unsigned i = 2; i <= 251; i++) {
		CHECK_ERR(util_deliver(p, 1, "", i, 10).e, E_OK);
		if (i % 2 == 0) /* between them, rows of another mailbox */
			CHECK_ERR(util_deliver(p, 1, "Sent", i, 10).e, E_OK);
	}
	CHECK_ERR(util_flags(p, 1, 1, 1, 1, FLAGS_ADD, STORE_SEEN), E_OK);
	mbox_changes_init(&c);
	CHECK_ERR(mbox_changes(p, 1, 1, since, RECENT_LOOK, &c), E_OK);
	CHECK(!c.reset);
	CHECK_INT(uidset_count(&c.added), 250);
	CHECK_INT(uidset_count(&c.changed), 1);
	CHECK_INT(c.uidnext, 252);
	CHECK_ERR(mbox_highest(p, 1, 1, &since), E_OK);
	CHECK_INT(c.highestmodseq, since);
	mbox_changes_fini(&c);
	partition_close(&p);
}

TEST(limit_queue_items)
{
	static char payload[STORE_PAYLOAD_MAX + 1];
	static struct queue_edit edits[STORE_ITEMS_MAX + 1];
	static struct queue_add adds[STORE_ITEMS_MAX + 1];
	struct partition *p = open_one();
	struct change_deliver d;
	struct change_queue c;

	REQUIRE(p != NULL);
	change_queue_init(&c);
	c.edits = edits;
	c.n = STORE_ITEMS_MAX;
	CHECK_ERR(change_run(p, &c.change), E_OK);
	c.n = STORE_ITEMS_MAX + 1;
	CHECK_ERR(change_run(p, &c.change), E_LIMIT);
	c.n = 1;
	edits[0].payload = slice(payload, sizeof(payload));
	CHECK_ERR(change_run(p, &c.change), E_INVALID);
	change_deliver_init(&d);
	d.record_no = 1;
	d.items = adds;
	d.nitems = STORE_ITEMS_MAX + 1;
	CHECK_ERR(change_run(p, &d.change), E_LIMIT);
	d.nitems = 1;
	adds[0].payload = slice(payload, sizeof(payload));
	CHECK_ERR(change_run(p, &d.change), E_INVALID);
	adds[0].payload = slice(payload, STORE_PAYLOAD_MAX);
	CHECK_ERR(change_run(p, &d.change), E_OK);
	CHECK(util_fsck(p));
	partition_close(&p);
}

/* A small text that opens to a large one, and bytes that are no text. */
TEST(limit_text_opened)
{
	static char plain[TEXT_PLAIN_MAX + 1], packed[1000];
	struct text_opener *t = text_opener_new();
	struct buf out;
	size_t n;

	buf_init(&out, 1 << 20, NULL);
	n = ZSTD_compress(packed, sizeof(packed), plain, TEXT_PLAIN_MAX, 1);
	CHECK_ERR(text_open(t, slice(packed, n), &out), E_OK);
	CHECK_INT(out.n, TEXT_PLAIN_MAX);
	n = ZSTD_compress(packed, sizeof(packed), plain, sizeof(plain), 1);
	CHECK_ERR(text_open(t, slice(packed, n), &out), E_CORRUPT);
	CHECK_ERR(text_open(t, SL("no zstd"), &out), E_CORRUPT);
	CHECK_ERR(text_open(t, SLICE_NONE, &out), E_OK);
	CHECK_INT(out.n, 0);
	buf_fini(&out);
	text_opener_free(&t);
}
