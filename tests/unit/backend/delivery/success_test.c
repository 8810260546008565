/* NOTIFY=SUCCESS for mailboxes of ours: which notices a commit adds beside which copies, once. */
#include "tests/unit/backend/delivery/room.h"

#include "common/base/clock.h"

#define HOUR_US (3600 * 1000000LL)

/* A room with a message for mailboxes of partition 0. */
struct asks {
	struct room r;
	struct room_mail m;
	struct arena mem;
	struct buf bytes;
	struct due_item items[8];
	uint64_t alice, bob, full;
};

WAITS static bool asks_open(struct asks *a)
{
	arena_init(&a->mem, NULL);
	buf_init(&a->bytes, 1 << 20, NULL);
	if (!room_open(&a->r))
		return false;
	a->alice = room_account(&a->r, "alice@example.org", 0, 0);
	a->bob = room_account(&a->r, "bob@example.org", 0, 0);
	a->full = room_account(&a->r, "full@example.org", 0, 1);
	CHECK_ERR(util_deliver(partitions_get(a->r.parts, 0), a->full, "", 1, 500).e, E_OK);
	room_mail(&a->r, &a->m, 1, 0, 7);
	return true;
}

WAITS static void asks_close(struct asks *a)
{
	CHECK(util_fsck(a->m.msg.part));
	room_mail_fini(&a->m);
	buf_fini(&a->bytes);
	arena_reset(&a->mem);
	room_close(&a->r);
}

static void to(struct asks *a, uint64_t account, const char *address, uint32_t notify)
{
	room_to(&a->m, room_token(&a->r, RCPT_ACCOUNTS, 0, &account, 1, address, &a->mem));
	a->m.rcpts[a->m.msg.nrcpts - 1].notify = notify;
}

WAITS static enum err commit(struct asks *a)
{
	struct diag d = {""};
	enum err e = deliver_commit(&a->r.deliver, &a->m.msg, &d);

	check_note("commit: %s: %s", err_name(e), d.text);
	return e;
}

static size_t items(struct asks *a)
{
	return room_items(&a->r, 0, a->items, ARRAY_LEN(a->items), &a->bytes);
}

/* The queue's item of that kind about an address; kind JOB_BAD: there is none, or not one. */
static struct job only(struct asks *a, enum job_kind kind, const char *address)
{
	struct job none = {.kind = JOB_BAD}, found = none, j;
	size_t n = items(a), same = 0;

	for (size_t i = 0; i < n; i++) {
		CHECK_ERR(job_unpack(a->items[i].payload, &a->mem, &j), E_OK);
		if (j.kind != kind || !slice_eq(j.address, slice_str(address)))
			continue;
		CHECK(a->items[i].record_no != 0);
		found = j;
		same++;
	}
	return same == 1 ? found : none;
}

TEST_FIBER(success_is_told_with_the_copy)
{
	struct asks a;
	struct job j;
	int64_t now_us = clock_wall_us();

	REQUIRE(asks_open(&a));
	a.m.msg.envid = SL("QQ314159");
	a.m.msg.ret = 2;
	a.m.msg.content = CONTENT_REQUIRETLS;
	a.m.msg.account = 42;
	to(&a, a.alice, "alice+x@example.org", NOTIFY_SUCCESS | NOTIFY_DELAY);
	a.m.rcpts[0].orcpt = SL("rfc822;ali@example.org");
	for (int i = 0; i < 3; i++) { /* retries, the last one without the bytes, add nothing */
		if (i == 2)
			room_mail_fini(&a.m);
		CHECK_ERR(commit(&a), E_OK);
		CHECK_ERR(a.m.rcpts[0].result, E_OK);
		CHECK_INT(room_count(&a.r, 0, a.alice, "INBOX"), 1);
		REQUIRE(items(&a) == 1);
	}
	CHECK_INT(a.items[0].due_us, QUEUE_PARKED_US);
	j = only(&a, JOB_NOTICE, "alice+x@example.org");
	REQUIRE(j.kind == JOB_NOTICE);
	CHECK_INT(j.action, JOB_DELIVERED);
	CHECK_SLICE(j.status, SL("2.1.5"));
	CHECK_SLICE(j.sender, SL("sender@elsewhere.test"));
	CHECK_SLICE(j.prefix, SL("Received: test\r\n"));
	CHECK_SLICE(j.envid, SL("QQ314159"));
	CHECK_SLICE(j.orcpt, SL("rfc822;ali@example.org"));
	CHECK_INT(j.ret, 2);
	CHECK_INT(j.content, CONTENT_REQUIRETLS);
	CHECK_INT(j.account, 42);
	CHECK_INT(j.naccounts, 0);
	CHECK(j.first_us >= now_us && j.next_us >= now_us && j.notice_us == j.next_us &&
	      j.last_us >= now_us);
	asks_close(&a);
}

/* Each address that asked is told of, also where both lead to one mailbox, which has one copy. */
TEST_FIBER(success_of_each_address)
{
	struct asks a;

	REQUIRE(asks_open(&a));
	to(&a, a.alice, "alice@example.org", NOTIFY_SUCCESS);
	to(&a, a.alice, "info@example.org", NOTIFY_SUCCESS | NOTIFY_FAILURE);
	to(&a, a.alice, "info@example.org", NOTIFY_SUCCESS);
	to(&a, a.bob, "bob@example.org", NOTIFY_FAILURE);
	CHECK_ERR(commit(&a), E_OK);
	CHECK_INT(items(&a), 2);
	CHECK_INT(only(&a, JOB_NOTICE, "alice@example.org").action, JOB_DELIVERED);
	CHECK_INT(only(&a, JOB_NOTICE, "info@example.org").action, JOB_DELIVERED);
	CHECK_INT(room_count(&a.r, 0, a.alice, "INBOX"), 1);
	asks_close(&a);
}

TEST_FIBER(success_is_not_told)
{
	static const uint32_t notify[] = {0, NOTIFY_FAILURE, NOTIFY_DELAY, NOTIFY_NEVER,
					  NOTIFY_NEVER | NOTIFY_SUCCESS};
	struct asks a;

	REQUIRE(asks_open(&a));
	to(&a, a.alice, "alice@example.org", 0);
	for (unsigned i = 0; i < ARRAY_LEN(notify); i++) {
		memset(a.m.msg.txid, (int)i + 1, sizeof a.m.msg.txid);
		a.m.rcpts[0].notify = notify[i];
		CHECK_ERR(commit(&a), E_OK);
		CHECK_INT(room_count(&a.r, 0, a.alice, "INBOX"), (int)i + 1);
	}
	/* Without a reverse-path there is nobody to tell. */
	memset(a.m.msg.txid, 9, sizeof a.m.msg.txid);
	a.m.rcpts[0].notify = NOTIFY_SUCCESS;
	a.m.msg.sender = SLICE_NONE;
	CHECK_ERR(commit(&a), E_OK);
	CHECK_INT(items(&a), 0);
	asks_close(&a);
}

/* Who is refused has no success; who waits in the queue keeps the wish. */
TEST_FIBER(success_of_who_is_refused)
{
	struct asks a;

	REQUIRE(asks_open(&a));
	to(&a, a.full, "full@example.org", NOTIFY_SUCCESS);
	CHECK_ERR(commit(&a), E_OK);
	CHECK_ERR(a.m.rcpts[0].result, E_QUOTA);
	CHECK_INT(items(&a), 0);
	to(&a, a.alice, "alice@example.org", NOTIFY_SUCCESS);
	CHECK_ERR(commit(&a), E_OK);
	CHECK_ERR(a.m.rcpts[0].result, E_OK);
	CHECK_INT(items(&a), 2);
	CHECK_INT(only(&a, JOB_NOTICE, "alice@example.org").action, JOB_DELIVERED);
	CHECK_INT(only(&a, JOB_ACCOUNTS, "full@example.org").notify, NOTIFY_SUCCESS);
	/* Over LMTP the client hears of it alone. */
	memset(a.m.msg.txid, 2, sizeof a.m.msg.txid);
	a.m.rcpts[0].told = true;
	CHECK_ERR(commit(&a), E_OK);
	CHECK_ERR(a.m.rcpts[0].result, E_QUOTA);
	CHECK_INT(items(&a), 3);
	asks_close(&a);
}

/* Several behind an address: one notice for all of them, nothing of each. */
TEST_FIBER(success_of_several)
{
	struct asks a;
	uint64_t members[3];
	struct job j;

	REQUIRE(asks_open(&a));
	members[0] = a.alice;
	members[1] = a.full;
	members[2] = a.bob;
	room_to(&a.m, room_token(&a.r, RCPT_ACCOUNTS, 0, members, 3, "all@example.org", &a.mem));
	a.m.rcpts[0].notify = NOTIFY_SUCCESS;
	for (int i = 0; i < 2; i++) {
		CHECK_ERR(commit(&a), E_OK);
		CHECK_INT(items(&a), 2);
	}
	j = only(&a, JOB_NOTICE, "all@example.org");
	CHECK_INT(j.action, JOB_EXPANDED);
	CHECK_STR(job_action_name(j.action), "expanded");
	/* Nobody asked to hear of a failure. */
	CHECK_INT(only(&a, JOB_ACCOUNTS, "all@example.org").notify, NOTIFY_NEVER);
	/* Who does not lead tells nothing: the lead has. */
	memset(a.m.msg.txid, 2, sizeof a.m.msg.txid);
	a.m.msg.leads = false;
	CHECK_ERR(commit(&a), E_OK);
	CHECK_INT(items(&a), 3);
	/* One of several is not told of, either, whoever has the others. */
	memset(a.m.msg.txid, 3, sizeof a.m.msg.txid);
	a.m.msg.nrcpts = 0;
	room_to(&a.m, room_share(&a.r, RCPT_ACCOUNTS, 0, members, 1, "two@example.org", &a.mem));
	a.m.rcpts[0].notify = NOTIFY_SUCCESS;
	CHECK_ERR(commit(&a), E_OK);
	CHECK_INT(items(&a), 3);
	asks_close(&a);
}

/* The lead tells of addresses whose members it has none of, too; of nothing if it takes nothing. */
TEST_FIBER(success_of_others)
{
	struct asks a;
	struct job j;

	REQUIRE(asks_open(&a));
	to(&a, a.full, "full@example.org", NOTIFY_NEVER);
	room_other(&a.m, room_share(&a.r, RCPT_ACCOUNTS, 1, &a.bob, 1, "two@example.org", &a.mem));
	room_other(&a.m, room_share(&a.r, RCPT_ACCOUNTS, 2, &a.bob, 1, "two@example.org", &a.mem));
	room_other(&a.m, room_token(&a.r, RCPT_ACCOUNTS, 2, &a.bob, 1, "one@example.org", &a.mem));
	for (unsigned i = 0; i < 3; i++)
		a.m.others[i].notify = NOTIFY_SUCCESS | NOTIFY_FAILURE;
	CHECK_ERR(commit(&a), E_OK);
	CHECK_INT(items(&a), 5); /* four that wait, and */
	CHECK_INT(only(&a, JOB_NOTICE, "two@example.org").action, JOB_EXPANDED);
	j = only(&a, JOB_ACCOUNTS, "one@example.org");
	CHECK_INT(j.notify, NOTIFY_SUCCESS | NOTIFY_FAILURE);
	for (size_t i = 0; i < items(&a); i++) {
		CHECK_ERR(job_unpack(a.items[i].payload, &a.mem, &j), E_OK);
		if (j.kind == JOB_ACCOUNTS && slice_eq(j.address, SL("two@example.org")))
			CHECK_INT(j.notify, NOTIFY_FAILURE);
	}
	/* A group that is all of the message, and all of it is refused. */
	memset(a.m.msg.txid, 2, sizeof a.m.msg.txid);
	a.m.msg.nrcpts = a.m.msg.nothers = 0;
	room_to(&a.m, room_share(&a.r, RCPT_ACCOUNTS, 0, &a.full, 1, "all@example.org", &a.mem));
	a.m.rcpts[0].notify = NOTIFY_SUCCESS;
	CHECK_ERR(commit(&a), E_OK);
	CHECK_ERR(a.m.rcpts[0].result, E_QUOTA);
	CHECK_INT(items(&a), 5);
	asks_close(&a);
}

/* What the sender holds back is not delivered yet; nor expanded. */
TEST_FIBER(success_waits_for_release)
{
	struct asks a;
	int64_t release_us = clock_wall_us() + HOUR_US;
	struct job j;

	REQUIRE(asks_open(&a));
	a.m.msg.release_us = release_us;
	to(&a, a.alice, "alice@example.org", NOTIFY_SUCCESS);
	room_to(&a.m, room_share(&a.r, RCPT_ACCOUNTS, 0, &a.bob, 1, "two@example.org", &a.mem));
	a.m.rcpts[1].notify = NOTIFY_SUCCESS;
	CHECK_ERR(commit(&a), E_OK);
	CHECK_INT(items(&a), 3);
	CHECK_INT(only(&a, JOB_ACCOUNTS, "alice@example.org").notify, NOTIFY_SUCCESS);
	j = only(&a, JOB_NOTICE, "two@example.org");
	CHECK_INT(j.next_us, release_us);
	CHECK_INT(j.notice_us, release_us);
	asks_close(&a);
}

/* A retry without bytes of a commit that added no notice, before there were any: what it took is
 * known, and the client hears so. */
TEST_FIBER(success_of_an_old_commit)
{
	struct asks a;

	REQUIRE(asks_open(&a));
	to(&a, a.alice, "alice@example.org", 0);
	CHECK_ERR(commit(&a), E_OK);
	room_mail_fini(&a.m);
	a.m.rcpts[0].notify = NOTIFY_SUCCESS;
	CHECK_ERR(commit(&a), E_OK);
	CHECK_ERR(a.m.rcpts[0].result, E_OK);
	CHECK_INT(items(&a), 0);
	asks_close(&a);
}

/* A stranger hears of so many messages an hour, an account of ours of all. */
TEST(success_has_a_limit)
{
	struct success_limit *l = success_limit_new();
	int64_t now_us = clock_wall_us();

	for (unsigned i = 0; i < SUCCESS_HOUR_MAX; i++)
		CHECK(success_may_tell(l, 0, SL("a@elsewhere.test"), now_us));
	CHECK(!success_may_tell(l, 0, SL("a@elsewhere.test"), now_us));
	CHECK(success_may_tell(l, 7, SL("a@elsewhere.test"), now_us));
	CHECK(!success_may_tell(l, 0, SL("a@elsewhere.test"), now_us + HOUR_US / 2));
	CHECK(success_may_tell(l, 0, SL("a@elsewhere.test"), now_us + 2 * HOUR_US));
	success_limit_free(&l);
}

/* ... and a message counts once, however many it is for. */
TEST_FIBER(success_counts_messages)
{
	struct asks a;
	unsigned told = 0;

	REQUIRE(asks_open(&a));
	to(&a, a.alice, "alice@example.org", NOTIFY_SUCCESS);
	to(&a, a.bob, "bob@example.org", NOTIFY_SUCCESS);
	CHECK_ERR(commit(&a), E_OK);
	CHECK_INT(items(&a), 2);
	while (told < SUCCESS_HOUR_MAX &&
	       success_may_tell(a.r.deliver.success, 0, a.m.msg.sender, clock_wall_us()))
		told++;
	CHECK_INT(told, SUCCESS_HOUR_MAX - 1);
	memset(a.m.msg.txid, 2, sizeof a.m.msg.txid);
	CHECK_ERR(commit(&a), E_OK);
	CHECK_ERR(a.m.rcpts[0].result, E_OK);
	CHECK_INT(room_count(&a.r, 0, a.alice, "INBOX"), 2);
	CHECK_INT(items(&a), 2);
	asks_close(&a);
}
