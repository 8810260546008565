/* What a change or a read costs follows what it changes or reads, not the mailbox: counted in rows,
 * the same in a mailbox of thirty messages and in one of a thousand. */
#include <stdio.h>

#include "backend/store/kv.h"
#include "backend/store/search.h"
#include "tests/unit/backend/store/util.h"

#define FEW   30
#define MANY  1000
/* A chunk of a set of UIDs may be full in one and not in the other. */
#define SLACK 4

struct box {
	struct partition *p;
	uint64_t account, mailbox, since;
	uint32_t last; /* UID of the newest */
};

static void deliver(struct box *b)
{
	struct util_sent s = util_deliver(b->p, b->account, "INBOX", b->last + 1, 300);

	CHECK_ERR(s.e, E_OK);
	b->mailbox = s.mailbox;
	b->last = s.uid;
}

static void flag(struct box *b)
{
	CHECK_ERR(util_flags(b->p, b->account, b->mailbox, b->last, b->last, FLAGS_ADD, STORE_SEEN),
		  E_OK);
}

static void expunge(struct box *b)
{
	struct uid_range uid = {b->last, b->last};
	struct change_expunge c;

	CHECK_ERR(util_flags(b->p, b->account, b->mailbox, b->last, b->last, FLAGS_ADD,
			     STORE_DELETED),
		  E_OK);
	change_expunge_init(&c);
	c.account = b->account;
	c.mailbox = b->mailbox;
	c.uids = &uid;
	c.nuids = 1;
	CHECK_ERR(change_run(b->p, &c.change), E_OK);
	CHECK_INT(c.vanished.n, 1);
	change_expunge_fini(&c);
}

static void changes(struct box *b)
{
	struct mbox_changes c;

	mbox_changes_init(&c);
	CHECK_ERR(mbox_changes(b->p, b->account, b->mailbox, b->since, RECENT_LOOK, &c), E_OK);
	CHECK(!c.reset && c.highestmodseq > b->since);
	mbox_changes_fini(&c);
}

static void status(struct box *b)
{
	struct mbox_row row;

	CHECK_ERR(mbox_status(b->p, b->account, SL("INBOX"), &row), E_OK);
	CHECK(row.messages >= FEW);
}

static void open_view(struct box *b)
{
	struct mbox_view v;

	mbox_view_init(&v);
	CHECK_ERR(mbox_open(b->p, b->account, SL("INBOX"), RECENT_LOOK, &v), E_OK);
	mbox_view_fini(&v);
}

static void last_ten(struct box *b)
{
	struct uid_range uids = {b->last - 9, b->last};
	struct msg_query q = {.account = b->account,
			      .mailbox = b->mailbox,
			      .uids = &uids,
			      .nuids = 1,
			      .columns = MSG_FLAGS | MSG_SIZE | MSG_ENVELOPE};
	struct msg_slice s;

	msg_slice_init(&s);
	CHECK_ERR(msg_fetch(b->p, &q, uids.first, &s), E_OK);
	CHECK(s.n >= 9);
	msg_slice_fini(&s);
}

/* Everything was read but the last one. */
static void search_unseen(struct box *b)
{
	struct search_key keys[] = {{.op = SEARCH_FLAGS_CLEAR, .number = STORE_SEEN}};
	struct search s;
	enum err e = search_init(&s, b->p, b->account, b->mailbox, keys, ARRAY_LEN(keys));

	CHECK_ERR(e, E_OK);
	while (e == E_OK && s.next_uid != 0)
		e = search_step(&s);
	CHECK_ERR(e, E_OK);
	search_fini(&s);
}

static const struct {
	const char *name;
	void (*run)(struct box *b);
} costs[] = {
	{"delivery", deliver},     {"flag", flag},       {"changes", changes},
	{"status", status},        {"open", open_view},  {"last ten", last_ten},
	{"unseen", search_unseen}, {"expunge", expunge},
};

static uint64_t cost_of(size_t i, struct box *b)
{
	uint64_t before = kv_rows();

	costs[i].run(b);
	return kv_rows() - before;
}

static void fill(struct box *b, unsigned n)
{
	uint64_t high = 0;

	for (unsigned i = 0; i < n; i++)
		deliver(b);
	CHECK_ERR(util_flags(b->p, b->account, b->mailbox, 1, b->last, FLAGS_ADD, STORE_SEEN),
		  E_OK);
	CHECK_ERR(mbox_highest(b->p, b->account, b->mailbox, &high), E_OK);
	b->since = high;
}

TEST(cost_follows_the_change_not_the_mailbox)
{
	struct partition_conf conf = util_conf(check_tmpdir());
	struct box few = {.account = 1}, many = {.account = 2};

	few.p = many.p = util_open(&conf);
	REQUIRE(few.p != NULL);
	fill(&few, FEW);
	fill(&many, MANY);
	for (size_t i = 0; i < ARRAY_LEN(costs); i++) {
		uint64_t a = cost_of(i, &few), b = cost_of(i, &many);

		printf("# %s: %llu rows of %d, %llu of %d\n", costs[i].name, (unsigned long long)a,
		       FEW, (unsigned long long)b, MANY);
		CHECK(a > 0);
		check_note("%s", costs[i].name);
		CHECK(b <= a + SLACK);
	}
	partition_close(&few.p);
}
