/* Every invariant that fsck walks, broken one after the other: each is found, and said. */
#include <stdio.h>
#include <string.h>

#include "backend/store/partition_priv.h"
#include "common/base/num.h"
#include "tests/unit/backend/store/util.h"

#define INBOX 1
#define WORK  7
#define DEEP  8
#define OLD   9
#define LARGE 300000

/* A partition with some of everything, and what a plant has changed in it. */
struct garden {
	struct partition_conf conf;
	struct partition *p;
	struct kv_txn *t;
	struct {
		enum table table;
		struct rec_key key;
		bool was;
		struct buf value;
	} kept[8];
	unsigned nkept;
	uint64_t item;
};

/* ---- what grows in it ---- */

static void deliver_queued(struct garden *g)
{
	struct queue_add item = {.key = SL("other"), .payload = SL("job"), .due_us = 77};
	struct deliver_copy copy = {
		.account = 1, .key = SL("key"), .prefix = SL("Return-Path: <>\r\n")};
	struct change_deliver c;
	struct util_summary u;
	struct stage *s = util_stage(g->p, 20, 200);

	util_summary(&u, 20, 200);
	change_deliver_init(&c);
	memset(c.txid, 7, sizeof(c.txid));
	c.record = s;
	c.summary = &u.s;
	c.text = SL("text");
	c.copies = &copy;
	c.ncopies = 1;
	c.items = &item;
	c.nitems = 1;
	CHECK_ERR(change_run(g->p, &c.change), E_OK);
	CHECK_ERR(copy.result, E_OK);
	g->item = item.id;
	stage_free(&s);
}

static void change_names(struct garden *g)
{
	static const struct uid_range first = {1, 1};
	const slice_t keyword = SL("$Forwarded");
	struct change_flags f;
	struct change_subscribe s;
	struct change_delete d;

	change_flags_init(&f);
	f.account = 1;
	f.mailbox = INBOX;
	f.uids = &first;
	f.nuids = 1;
	f.mode = FLAGS_ADD;
	f.keywords = &keyword;
	f.nkeywords = 1;
	CHECK_ERR(change_run(g->p, &f.change), E_OK);
	change_flags_fini(&f);
	change_subscribe_init(&s);
	s.account = 1;
	s.path = SL("elsewhere");
	s.on = true;
	CHECK_ERR(change_run(g->p, &s.change), E_OK);
	change_delete_init(&d);
	d.account = 1;
	d.path = SL("old");
	CHECK_ERR(change_run(g->p, &d.change), E_OK);
}

static void grow(struct garden *g)
{
	struct change_expunge x;

	for (uint64_t i = 1; i <= 6; i++)
		CHECK_ERR(util_deliver(g->p, 1, "", i, 100 * i).e, E_OK);
	CHECK_ERR(util_deliver(g->p, 1, "", 10, LARGE).e, E_OK);
	CHECK_ERR(util_create(g->p, 1, "work/deep"), E_OK);
	CHECK_ERR(util_create(g->p, 1, "old"), E_OK);
	CHECK_ERR(util_deliver(g->p, 1, "old", 11, 100).e, E_OK);
	CHECK_ERR(util_flags(g->p, 1, INBOX, 2, 2, FLAGS_ADD, STORE_SEEN), E_OK);
	CHECK_ERR(util_flags(g->p, 1, INBOX, 4, 4, FLAGS_ADD, STORE_DELETED), E_OK);
	change_expunge_init(&x);
	x.account = 1;
	x.mailbox = INBOX;
	CHECK_ERR(change_run(g->p, &x.change), E_OK); /* email 4 waits to be reaped */
	change_expunge_fini(&x);
	deliver_queued(g);
	change_names(g);
}

static bool garden_open(struct garden *g)
{
	*g = (struct garden){.conf = util_conf(check_tmpdir())};
	g->conf.expunged_ms = 3600000;
	g->p = util_open(&g->conf);
	if (g->p == NULL)
		return false;
	grow(g);
	return util_fsck(g->p);
}

/* ---- planting, and taking it out again ---- */

/* Before a row is changed. */
static void keep(struct garden *g, enum table table, const struct rec_key *key)
{
	slice_t v;
	bool was = kv_get(g->t, table, rec_key(key), &v) == E_OK;

	REQUIRE(g->nkept < ARRAY_LEN(g->kept));
	g->kept[g->nkept].table = table;
	g->kept[g->nkept].key = *key;
	g->kept[g->nkept].was = was;
	buf_init(&g->kept[g->nkept].value, 1 << 20, NULL);
	if (was)
		buf_put(&g->kept[g->nkept].value, v);
	g->nkept++;
}

static void restore(struct garden *g)
{
	CHECK_ERR(kv_write(g->p->kv, &g->t), E_OK);
	while (g->nkept > 0) {
		unsigned i = --g->nkept;
		slice_t key = rec_key(&g->kept[i].key);

		if (g->kept[i].was)
			CHECK_ERR(kv_put(g->t, g->kept[i].table, key, buf_slice(&g->kept[i].value)),
				  E_OK);
		else
			CHECK_ERR(kv_del(g->t, g->kept[i].table, key), E_OK);
		buf_fini(&g->kept[i].value);
	}
	CHECK_ERR(kv_commit(&g->t), E_OK);
}

static void put(struct garden *g, enum table table, const struct rec_key *key, slice_t value)
{
	keep(g, table, key);
	CHECK_ERR(kv_put(g->t, table, rec_key(key), value), E_OK);
}

static void del(struct garden *g, enum table table, const struct rec_key *key)
{
	keep(g, table, key);
	CHECK_ERR(kv_del(g->t, table, rec_key(key)), E_OK);
}

/* The first row of a table whose key begins so: its key. */
static struct rec_key first_row(struct garden *g, enum table table, slice_t prefix)
{
	struct rec_key key = {.n = 0};
	struct kv_cursor *c;
	slice_t k, v;

	CHECK_ERR(kv_cursor(g->t, table, &c), E_OK);
	CHECK_ERR(kv_seek(c, prefix, &k, &v), E_OK);
	CHECK(slice_starts(k, prefix));
	memcpy(key.b, k.p, k.n);
	key.n = k.n;
	kv_cursor_end(&c);
	return key;
}

/* What lies at a place of the table moves to another key. */
static void move_key(struct garden *g, enum table table, const struct rec_key *from, size_t at,
		     unsigned char byte)
{
	struct rec_key to = *from;
	struct buf b;
	slice_t v;

	buf_init(&b, 1 << 20, NULL);
	CHECK_ERR(kv_get(g->t, table, rec_key(from), &v), E_OK);
	buf_put(&b, v);
	del(g, table, from);
	to.b[at] = byte;
	put(g, table, &to, buf_slice(&b));
	buf_fini(&b);
}

#define MAILBOX(name, number, change) \
	static void name(struct garden *g) \
	{ \
		struct row_mailbox m; \
		struct rec_key k; \
		key_mailbox(&k, 1, number); \
		keep(g, T_ACCOUNT, &k); \
		CHECK_ERR(tab_mailbox_get(g->t, 1, number, &m), E_OK); \
		change; \
		CHECK_ERR(tab_mailbox_put(g->t, 1, number, &m), E_OK); \
	}
MAILBOX(more_messages, INBOX, m.messages++)
MAILBOX(fewer_unseen, INBOX, m.unseen--)
MAILBOX(more_deleted, INBOX, m.deleted++)
MAILBOX(fewer_bytes, INBOX, m.bytes--)
MAILBOX(low_uidnext, INBOX, m.uidnext = 8)
MAILBOX(recent_beyond, INBOX, m.recent_from = m.uidnext + 1)
MAILBOX(low_modseq, INBOX, m.highestmodseq = 1)
MAILBOX(high_modseq, INBOX, m.highestmodseq += 1000)
MAILBOX(wrong_tail, INBOX, m.tail[SET_UNSEEN].last--)
MAILBOX(tail_over_runs, INBOX, m.tail[SET_ALL].first = 3)
MAILBOX(high_uidvalidity, INBOX, m.uidvalidity = UINT32_MAX)
MAILBOX(noselect_with_mail, INBOX, m.noselect = true)
MAILBOX(more_children, WORK, m.children++)
MAILBOX(other_name, WORK, m.name[0] = 'W')
MAILBOX(other_parent, DEEP, m.parent = INBOX)
MAILBOX(lost_parent, DEEP, m.parent = 55)
MAILBOX(circle, WORK, m.parent = DEEP)
MAILBOX(special_of_another, WORK, m.special = STORE_SPECIAL_JUNK)

#define ACCOUNT(name, change) \
	static void name(struct garden *g) \
	{ \
		struct row_account a; \
		struct rec_key k; \
		key_mailbox(&k, 1, 0); \
		keep(g, T_ACCOUNT, &k); \
		CHECK_ERR(tab_account_get(g->t, 1, &a), E_OK); \
		change; \
		CHECK_ERR(tab_account_put(g->t, 1, &a), E_OK); \
	}
ACCOUNT(account_bytes, a.bytes++)
ACCOUNT(account_messages, a.messages--)
ACCOUNT(account_mailboxes, a.mailboxes++)
ACCOUNT(account_log_rows, a.log_rows--)
ACCOUNT(account_modseq, a.modseq = 3)
ACCOUNT(account_low_mark, a.low_mark = a.modseq - 1)
ACCOUNT(account_next_email, a.next_email = 5)
ACCOUNT(account_next_mailbox, a.next_mailbox = DEEP)
ACCOUNT(account_next_uidvalidity, a.next_uidvalidity = 1)
ACCOUNT(account_special, a.special[STORE_SPECIAL_SENT] = DEEP)

static void no_account(struct garden *g)
{
	struct rec_key k;

	key_mailbox(&k, 1, 0);
	del(g, T_ACCOUNT, &k);
}

static void no_mailbox(struct garden *g)
{
	struct rec_key k;

	key_mailbox(&k, 1, INBOX);
	del(g, T_ACCOUNT, &k);
}

static void no_inbox_name(struct garden *g)
{
	struct rec_key k;

	key_name(&k, 1, 0, SL("INBOX"));
	del(g, T_NAME, &k);
}

static void name_of_nothing(struct garden *g)
{
	struct rec_key k;

	key_name(&k, 1, 0, SL("nothing"));
	put(g, T_NAME, &k, SL("\0\0\0\77"));
}

static void broken_row(struct garden *g)
{
	struct rec_key k;

	key_mailbox(&k, 1, DEEP);
	put(g, T_ACCOUNT, &k, SL("broken"));
}

static void keyword_without_name(struct garden *g)
{
	struct rec_key k;

	key_mailbox(&k, 1, INBOX);
	del(g, T_KEYWORD, &k);
}

static void keywords_of_nothing(struct garden *g)
{
	struct rec_key k;

	key_mailbox(&k, 1, 55);
	put(g, T_KEYWORD, &k, SL("\1a"));
}

static void run_of_nothing(struct garden *g)
{
	struct rec_key k;

	key_range(&k, 1, 55, SET_ALL, 1);
	put(g, T_RANGE, &k, SL("\0\0\0\2"));
}

static void runs_that_touch(struct garden *g)
{
	struct rec_key k;

	/* 1..3 as 1..2 and 3: the same UIDs, but not the same runs. */
	key_range(&k, 1, INBOX, SET_ALL, 1);
	put(g, T_RANGE, &k, SL("\0\0\0\2"));
	key_range(&k, 1, INBOX, SET_ALL, 3);
	put(g, T_RANGE, &k, SL("\0\0\0\3"));
}

static void no_run(struct garden *g)
{
	struct rec_key k;

	key_range(&k, 1, INBOX, SET_ALL, 1);
	del(g, T_RANGE, &k);
}

static void sub_of_another_hash(struct garden *g)
{
	struct rec_key k;

	key_pair(&k, 1, 99);
	put(g, T_SUB, &k, SL("elsewhere"));
}

static void purge_of_a_live_one(struct garden *g)
{
	struct rec_key k;

	key_mailbox(&k, 1, WORK);
	put(g, T_PURGE, &k, SLICE_NONE);
}

static void no_purge(struct garden *g)
{
	struct rec_key k;

	key_mailbox(&k, 1, OLD);
	del(g, T_PURGE, &k);
}

#define MESSAGE(name, change) \
	static void name(struct garden *g) \
	{ \
		struct row_message m; \
		struct rec_key k; \
		key_message(&k, 1, INBOX, 2); \
		keep(g, T_MESSAGE, &k); \
		CHECK_ERR(tab_message_get(g->t, 1, INBOX, 2, &m), E_OK); \
		change; \
		CHECK_ERR(tab_message_put(g->t, 1, INBOX, 2, &m), E_OK); \
	}
MESSAGE(message_size, m.size++)
MESSAGE(message_record, m.record = 1)
MESSAGE(message_email, m.email = 99)
MESSAGE(message_flags, m.flags |= 64)
MESSAGE(message_modseq, m.modseq += 1000)

static void no_message(struct garden *g)
{
	struct rec_key k;

	key_message(&k, 1, INBOX, 2);
	del(g, T_MESSAGE, &k);
}

static void edit_email(struct garden *g, void (*change)(struct row_email *e))
{
	struct row_email e;
	struct rec_key k;
	char prefix[64];

	key_pair(&k, 1, 2);
	keep(g, T_EMAIL, &k);
	CHECK_ERR(tab_email_get(g->t, 1, 2, &e), E_OK);
	memcpy(prefix, e.prefix.p, e.prefix.n);
	e.prefix.p = prefix;
	change(&e);
	CHECK_ERR(tab_email_put(g->t, 1, 2, &e), E_OK);
}

#define EMAIL(name, what) \
	static void name##_of(struct row_email *e) \
	{ \
		what; \
	} \
	static void name(struct garden *g) \
	{ \
		edit_email(g, name##_of); \
	}
EMAIL(email_refs, e->refs++)
EMAIL(email_record, e->record = 1)
EMAIL(email_thread, e->thread = 50)
EMAIL(email_hash, e->hashes[0]++)

static void no_email(struct garden *g)
{
	struct rec_key k;

	key_pair(&k, 1, 2);
	del(g, T_EMAIL, &k);
}

static void no_waiting_email(struct garden *g)
{
	struct rec_key k;

	key_pair(&k, 1, 4);
	del(g, T_EMAIL, &k);
}

static void no_reap(struct garden *g)
{
	struct rec_key k = first_row(g, T_REAP, SLICE_NONE);

	del(g, T_REAP, &k);
}

static void reap_of_a_live_one(struct garden *g)
{
	struct rec_key k;

	key_reap(&k, 5, 1, 2);
	put(g, T_REAP, &k, SL("\0\0\0\1"));
}

static void reap_of_nobody(struct garden *g)
{
	struct rec_key k;

	key_reap(&k, 5, 900, 2);
	put(g, T_REAP, &k, SL("\0\0\0\1"));
}

static void no_thread(struct garden *g)
{
	struct rec_key k = first_row(g, T_THREAD, SLICE_NONE);

	del(g, T_THREAD, &k);
}

static void thread_of_nothing(struct garden *g)
{
	struct rec_key k = first_row(g, T_THREAD, SLICE_NONE);

	move_key(g, T_THREAD, &k, 8, (unsigned char)(k.b[8] ^ 1));
}

static void log_below_the_mark(struct garden *g)
{
	struct rec_key k;

	key_pair(&k, 1, 1);
	put(g, T_LOG, &k, SL("\1\1\0\0\0\1\0\0\0\0\0\0\0\1"));
}

static void log_of_bad_ranges(struct garden *g)
{
	unsigned char account[8];
	struct rec_key k;

	be64_put(account, 1);
	k = first_row(g, T_LOG, slice(account, sizeof(account)));
	put(g, T_LOG, &k, SL("\1\1\0\0\0\1\0\0\0\0\0\0\0\1\0\0"));
}

#define STATE(name, change) \
	static void name(struct garden *g) \
	{ \
		struct row_state s; \
		struct rec_key k = {.n = 5, .b = "state"}; \
		keep(g, T_META, &k); \
		CHECK_ERR(tab_state_get(g->t, &s), E_OK); \
		change; \
		CHECK_ERR(tab_state_put(g->t, &s), E_OK); \
	}
STATE(state_next_record, s.next_record = 2)
STATE(state_next_item, s.next_item = 1)
STATE(state_next_volume, s.next_volume = 1)
STATE(state_tail_off, s.tail_off++)
STATE(state_tail_volume, s.tail_volume = 77)

static void no_due(struct garden *g)
{
	struct rec_key k;

	key_pair(&k, 77, g->item);
	del(g, T_DUE, &k);
}

static void due_of_nothing(struct garden *g)
{
	struct rec_key k;

	key_pair(&k, 78, g->item);
	put(g, T_DUE, &k, SLICE_NONE);
}

static void item_of_no_record(struct garden *g)
{
	struct row_queue q = {77, 1, 999, SL("job")};
	struct rec_key k;

	key_id(&k, g->item);
	keep(g, T_QUEUE, &k);
	CHECK_ERR(tab_queue_put(g->t, g->item, &q), E_OK);
}

static void bad_dedupe(struct garden *g)
{
	struct rec_key k = first_row(g, T_DEDUPE, SLICE_NONE);

	put(g, T_DEDUPE, &k, SL("\1\77"));
}

static void edit_record(struct garden *g, void (*change)(struct row_record *r))
{
	struct row_record r;
	struct rec_key k;
	char table[64];

	key_id(&k, 2);
	keep(g, T_RECORD, &k);
	CHECK_ERR(tab_record_get(g->t, 2, &r), E_OK);
	memcpy(table, r.table.p, r.table.n);
	r.table.p = table;
	change(&r);
	CHECK_ERR(tab_record_put(g->t, 2, &r), E_OK);
}

#define RECORD(name, what) \
	static void name##_of(struct row_record *r) \
	{ \
		what; \
	} \
	static void name(struct garden *g) \
	{ \
		edit_record(g, name##_of); \
	}
RECORD(record_refs, r->refs++)
RECORD(record_off, r->off--)
RECORD(record_volume, r->volume = 88)
RECORD(record_table, r->table.n = 0)
RECORD(record_id, r->id[0] ^= 1)

static void no_record(struct garden *g)
{
	struct rec_key k;

	key_id(&k, 2);
	del(g, T_RECORD, &k);
}

#define COMPANION(table, lost, bad, value) \
	static void lost(struct garden *g) \
	{ \
		struct rec_key k; \
		key_id(&k, 2); \
		del(g, table, &k); \
	} \
	static void bad(struct garden *g) \
	{ \
		struct rec_key k; \
		key_id(&k, 2); \
		put(g, table, &k, value); \
	}
COMPANION(T_SUMMARY, no_summary, bad_summary, SL("\1"))
COMPANION(T_DETAIL, no_detail, bad_detail, SL("\1\1"))
COMPANION(T_FIELDS, no_fields, bad_fields, SL("\1\0\5"))

static void text_of_nothing(struct garden *g)
{
	struct rec_key k;

	key_id(&k, 800);
	put(g, T_TEXT, &k, SL("text"));
}

#define VOLUME(name, number, change) \
	static void name(struct garden *g) \
	{ \
		struct row_volume v; \
		struct rec_key k; \
		key_id(&k, number); \
		keep(g, T_VOLUME, &k); \
		CHECK_ERR(tab_volume_get(g->t, number, &v), E_OK); \
		change; \
		CHECK_ERR(tab_volume_put(g->t, number, &v), E_OK); \
	}
VOLUME(volume_live, 1, v.live--)
VOLUME(volume_total, 2, v.total--)

static void no_volume(struct garden *g)
{
	struct rec_key k;

	key_id(&k, 2);
	del(g, T_VOLUME, &k);
}

static void dead_volume(struct garden *g)
{
	struct row_volume v = {VOLUME_SHARED, 1000, 0};
	struct rec_key k;

	key_id(&k, 66);
	keep(g, T_VOLUME, &k);
	CHECK_ERR(tab_volume_put(g->t, 66, &v), E_OK);
}

static const struct {
	void (*plant)(struct garden *g);
	const char *says; /* part of a line that must be said */
	enum fsck_depth depth;
} plants[] = {
	{more_messages, "mailbox 1: 8 messages", FSCK_ROWS},
	{fewer_unseen, "unseen", FSCK_ROWS},
	{more_deleted, "1 deleted", FSCK_ROWS},
	{fewer_bytes, "bytes; counted", FSCK_ROWS},
	{low_uidnext, "UIDNEXT 8", FSCK_ROWS},
	{recent_beyond, "recent 10", FSCK_ROWS},
	{low_modseq, "mailbox 1: MODSEQ", FSCK_ROWS},
	{high_modseq, "mailbox 1: MODSEQ", FSCK_ROWS},
	{wrong_tail, "the set of unseen UIDs", FSCK_ROWS},
	{tail_over_runs, "runs of UIDs at 1", FSCK_ROWS},
	{high_uidvalidity, "mailbox 1: numbers not given out yet", FSCK_ROWS},
	{noselect_with_mail, "messages in a \\Noselect one", FSCK_ROWS},
	{more_children, "mailbox 7: 2 children, 1 counted", FSCK_ROWS},
	{other_name, "mailbox 7: its name does not lead to it", FSCK_ROWS},
	{other_parent, "a name leads to mailbox 8, which has another", FSCK_ROWS},
	{lost_parent, "mailbox 8: no way up", FSCK_ROWS},
	{circle, "mailbox 7: no way up", FSCK_ROWS},
	{special_of_another, "mailbox 7: special use 3 is another's", FSCK_ROWS},
	{account_bytes, "account 1:", FSCK_ROWS},
	{account_messages, "account 1:", FSCK_ROWS},
	{account_mailboxes, "9 mailboxes; counted", FSCK_ROWS},
	{account_log_rows, "change log", FSCK_ROWS},
	{account_modseq, "change log", FSCK_ROWS},
	{account_low_mark, "at or below the low mark", FSCK_ROWS},
	{account_next_email, "email 7: not given out yet", FSCK_ROWS},
	{account_next_mailbox, "mailbox 8: numbers not given out yet", FSCK_ROWS},
	{account_next_uidvalidity, "mailbox 1: numbers not given out yet", FSCK_ROWS},
	{account_special, "special use 2", FSCK_ROWS},
	{no_account, "mailboxes without its row", FSCK_ROWS},
	{no_mailbox, "its mailbox 1 is missing", FSCK_ROWS},
	{no_inbox_name, "no INBOX", FSCK_ROWS},
	{name_of_nothing, "a name leads to mailbox 63", FSCK_ROWS},
	{broken_row, "table account: a row does not decode", FSCK_ROWS},
	{keyword_without_name, "uid 1: a keyword without a name", FSCK_ROWS},
	{keywords_of_nothing, "keywords 1: its mailbox 55 is missing", FSCK_ROWS},
	{run_of_nothing, "run 1: its mailbox 55 is missing", FSCK_ROWS},
	{runs_that_touch, "runs of UIDs at 3", FSCK_ROWS},
	{no_run, "the set of all UIDs", FSCK_ROWS},
	{sub_of_another_hash, "a subscribed name", FSCK_ROWS},
	{purge_of_a_live_one, "mailbox 7: is to be purged", FSCK_ROWS},
	{no_purge, "its mailbox 9 is missing", FSCK_ROWS},
	{message_size, "uid 2: email 2 or record 2 do not fit", FSCK_ROWS},
	{message_record, "uid 2: email 2 or record 1 do not fit", FSCK_ROWS},
	{message_email, "uid 2: email 99", FSCK_ROWS},
	{message_flags, "uid 2: flags", FSCK_ROWS},
	{message_modseq, "mailbox 1: MODSEQ", FSCK_ROWS},
	{no_message, "email 2: 1 references, 0 messages", FSCK_ROWS},
	{email_refs, "email 2: 2 references, 1 messages", FSCK_ROWS},
	{email_record, "record 2: 1 references, 0 counted", FSCK_ROWS},
	{email_thread, "email 2: thread 50", FSCK_ROWS},
	{email_hash, "a thread's row is missing", FSCK_ROWS},
	{no_email, "uid 2: email 2", FSCK_ROWS},
	{no_waiting_email, "email 4: waits to go, and is missing", FSCK_ROWS},
	{no_reap, "email 4: 0 references, 0 messages, 0 waiting", FSCK_ROWS},
	{reap_of_a_live_one, "email 2: 1 references, 1 messages, 1 waiting", FSCK_ROWS},
	{reap_of_nobody, "account 900 email 2: waits to go", FSCK_ROWS},
	{no_thread, "a thread's row is missing", FSCK_ROWS},
	{thread_of_nothing, "references of a thread's row", FSCK_ROWS},
	{log_below_the_mark, "at or below the low mark", FSCK_ROWS},
	{log_of_bad_ranges, "table log: a row does not decode", FSCK_ROWS},
	{state_next_record, "record 3: not given out yet", FSCK_ROWS},
	{state_next_item, "queue item 1: not given out yet", FSCK_ROWS},
	{state_next_volume, "volume 2: not given out yet", FSCK_ROWS},
	{state_tail_off, "tail at", FSCK_ROWS},
	{state_tail_volume, "volume 77, the tail, is missing", FSCK_ROWS},
	{no_due, "queue item 1: not among the due ones", FSCK_ROWS},
	{due_of_nothing, "due item 1 is not in the queue", FSCK_ROWS},
	{item_of_no_record, "record 999 is referred to, and is missing", FSCK_ROWS},
	{bad_dedupe, "table dedupe: a row does not decode", FSCK_ROWS},
	{record_refs, "record 2: 2 references, 1 counted", FSCK_ROWS},
	{record_off, "overlaps or is outside", FSCK_ROWS},
	{record_volume, "volume 88 is missing", FSCK_ROWS},
	{record_table, "record 2: its table of blocks", FSCK_ROWS},
	{record_id, "record 2 in volume 1", FSCK_RECORDS},
	{no_record, "record 2 is referred to, and is missing", FSCK_ROWS},
	{no_summary, "record 2: no row in table summary", FSCK_ROWS},
	{no_detail, "record 2: no row in table detail", FSCK_ROWS},
	{no_fields, "record 2: no row in table fields", FSCK_ROWS},
	{bad_summary, "table summary: a row does not decode", FSCK_ROWS},
	{bad_detail, "table detail: a row does not decode", FSCK_ROWS},
	{bad_fields, "table fields: a row does not decode", FSCK_ROWS},
	{text_of_nothing, "a row for record 800, which is missing", FSCK_ROWS},
	{volume_live, "volume 1:", FSCK_ROWS},
	{volume_total, "overlaps or is outside", FSCK_ROWS},
	{no_volume, "volume 2 is missing", FSCK_ROWS},
	{dead_volume, "volume 66: nothing in it is live", FSCK_ROWS},
};

/* What is looked for, and whether it was said. */
struct ear {
	const char *want;
	bool heard;
	struct buf all;
};

static void listen(void *arg, const char *text)
{
	struct ear *e = arg;

	e->heard |= strstr(text, e->want) != NULL;
	buf_put(&e->all, slice_str(text));
	buf_putc(&e->all, '\n');
}

static void expect(struct garden *g, const char *want, enum fsck_depth depth)
{
	struct ear ear = {.want = want};
	struct fsck_report r;

	buf_init(&ear.all, 1 << 20, NULL);
	CHECK_ERR(fsck_partition(g->p, depth, listen, &ear, &r), E_OK);
	buf_putc(&ear.all, '\0');
	check_note("wanted: %s\nsaid: %s", want, ear.all.p);
	CHECK(r.errors > 0);
	CHECK(ear.heard);
	buf_fini(&ear.all);
}

TEST(fsck_finds_every_kind)
{
	struct garden g;

	REQUIRE(garden_open(&g));
	for (size_t i = 0; i < ARRAY_LEN(plants); i++) {
		CHECK_ERR(kv_write(g.p->kv, &g.t), E_OK);
		plants[i].plant(&g);
		CHECK_ERR(kv_commit(&g.t), E_OK);
		expect(&g, plants[i].says, plants[i].depth);
		restore(&g);
	}
	CHECK(util_fsck(g.p));
	partition_close(&g.p);
}

/* ---- the same in the files ---- */

static void flip(const char *path, uint64_t at)
{
	unsigned char c;
	int fd;

	CHECK_ERR(disk_open(path, DISK_WRITE, &fd), E_OK);
	CHECK_ERR(disk_read(fd, &c, 1, at), E_OK);
	c ^= 1;
	CHECK_ERR(disk_write("test", fd, slice(&c, 1), at), E_OK);
	disk_close(&fd);
}

TEST(fsck_finds_damaged_files)
{
	struct row_record second;
	char shared[DISK_PATH_MAX + 32], single[DISK_PATH_MAX + 32], away[DISK_PATH_MAX + 40];
	struct garden g;

	REQUIRE(garden_open(&g));
	volume_path(&g.p->volumes, 1, VOLUME_SHARED, shared);
	volume_path(&g.p->volumes, 2, VOLUME_SINGLE, single);
	(void)snprintf(away, sizeof(away), "%s.away", single);
	CHECK_ERR(kv_read(g.p->kv, &g.t), E_OK);
	CHECK_ERR(tab_record_get(g.t, 2, &second), E_OK);
	kv_abort(&g.t);
	/* In a record, in the frame before it, in a large one; a file cut short, and one gone. */
	flip(shared, second.off + 60);
	expect(&g, "record 2 in volume 1", FSCK_RECORDS);
	flip(shared, second.off + 60);
	flip(shared, second.off - 20);
	expect(&g, "record 2 in volume 1", FSCK_RECORDS);
	flip(shared, second.off - 20);
	flip(single, LARGE / 2);
	expect(&g, "record 7 in volume 2", FSCK_RECORDS);
	flip(single, LARGE / 2);
	CHECK(util_fsck(g.p));
	CHECK_ERR(disk_rename(single, away), E_OK);
	volumes_fini(&g.p->volumes); /* no open file of it */
	CHECK_ERR(volumes_init(&g.p->volumes, g.p->dir, g.p->conf.volume_bytes), E_OK);
	expect(&g, "record 7 in volume 2", FSCK_RECORDS);
	CHECK_ERR(disk_rename(away, single), E_OK);
	CHECK(util_fsck(g.p));
	partition_close(&g.p);
}
