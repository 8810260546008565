/* Commit and Settle: tokens into copies and queue items. */
#include "tests/unit/backend/delivery/room.h"

#include "common/base/clock.h"

static const char *const where = "INBOX";

/* Commits; the reason of a failure becomes a note. */
WAITS static enum err commit(struct room *r, struct room_mail *m)
{
	struct diag d = {""};
	enum err e = deliver_commit(&r->deliver, &m->msg, &d);

	check_note("commit: %s: %s", err_name(e), d.text);
	return e;
}

TEST(deliver_keys_and_prefix)
{
	struct arena mem;

	arena_init(&mem, NULL);
	CHECK_SLICE(deliver_prefix(SL("a@b"), SL("X: y\r\n"), &mem),
		    SL("Return-Path: <a@b>\r\nX: y\r\n"));
	CHECK_SLICE(deliver_prefix(SLICE_NONE, SLICE_NONE, &mem), SL("Return-Path: <>\r\n"));
	CHECK_SLICE(deliver_copy_key(258, &mem), slice("\0\0\0\0\0\0\1\2", 8));
	CHECK_SLICE(deliver_sent_key(258, &mem), slice("\xfe\0\0\0\0\0\0\1\2", 9));
	CHECK_SLICE(deliver_item_key(258, SLICE_NONE, &mem), slice("\0\0\1\2", 4));
	arena_reset(&mem);
}

TEST_FIBER(deliver_once)
{
	struct room_mail m;
	struct arena mem;
	uint64_t alice;
	struct room r;
	slice_t token;

	arena_init(&mem, NULL);
	REQUIRE(room_open(&r));
	alice = room_account(&r, "alice@example.org", 0, 0);
	token = room_token(&r, RCPT_ACCOUNTS, 0, &alice, 1, "alice@example.org", &mem);
	room_mail(&r, &m, 1, 0, 7);
	room_to(&m, token);
	CHECK_ERR(commit(&r, &m), E_OK);
	CHECK_ERR(m.rcpts[0].result, E_OK);
	CHECK_INT(room_count(&r, 0, alice, where), 1);
	/* The same transaction again, with its bytes and without them. */
	CHECK_ERR(commit(&r, &m), E_OK);
	CHECK_ERR(m.rcpts[0].result, E_OK);
	room_mail_fini(&m);
	CHECK_ERR(commit(&r, &m), E_OK);
	CHECK_ERR(m.rcpts[0].result, E_OK);
	CHECK_INT(room_count(&r, 0, alice, where), 1);
	/* Without bytes and never committed: the message is lost, and said so. */
	memset(m.msg.txid, 2, sizeof m.msg.txid);
	CHECK_ERR(commit(&r, &m), E_OK);
	CHECK_ERR(m.rcpts[0].result, E_NOT_FOUND);
	CHECK_INT(room_count(&r, 0, alice, where), 1);
	/* Another address of the same account in the same transaction is the same copy. */
	room_mail(&r, &m, 1, 0, 7);
	room_to(&m, room_token(&r, RCPT_ACCOUNTS, 0, &alice, 1, "info@example.org", &mem));
	CHECK_ERR(commit(&r, &m), E_OK);
	CHECK_ERR(m.rcpts[0].result, E_OK);
	CHECK_INT(room_count(&r, 0, alice, where), 1);
	/* In another transaction it is another message. */
	memset(m.msg.txid, 3, sizeof m.msg.txid);
	CHECK_ERR(commit(&r, &m), E_OK);
	CHECK_INT(room_count(&r, 0, alice, where), 2);
	CHECK(util_fsck(m.msg.part));
	room_mail_fini(&m);
	arena_reset(&mem);
	room_close(&r);
}

TEST_FIBER(deliver_junk)
{
	struct room_mail m;
	struct arena mem;
	uint64_t alice;
	struct room r;

	arena_init(&mem, NULL);
	REQUIRE(room_open(&r));
	alice = room_account(&r, "alice@example.org", 0, 0);
	room_mail(&r, &m, 1, 0, 7);
	m.msg.junk = true;
	room_to(&m, room_token(&r, RCPT_ACCOUNTS, 0, &alice, 1, "alice@example.org", &mem));
	CHECK_ERR(commit(&r, &m), E_OK);
	CHECK_INT(room_count(&r, 0, alice, where), 0);
	CHECK_INT(room_count(&r, 0, alice, "Junk"), 1);
	room_mail_fini(&m);
	arena_reset(&mem);
	room_close(&r);
}

/* Tokens are all that says who gets it: a forged one, another's, another partition's deliver to
 * nobody, not even to the good ones beside them. */
TEST_FIBER(deliver_bad_tokens)
{
	static const struct rpc_identity fe2 = {ROLE_FRONTEND, SERVICE_SMTP, "fe2"};
	struct room_mail m;
	struct arena mem;
	uint64_t alice;
	struct room r;
	slice_t good;

	arena_init(&mem, NULL);
	REQUIRE(room_open(&r));
	alice = room_account(&r, "alice@example.org", 0, 0);
	good = room_token(&r, RCPT_ACCOUNTS, 0, &alice, 1, "alice@example.org", &mem);
	room_mail(&r, &m, 1, 0, 7);
	room_to(&m, good);
	room_to(&m, SL("not a token"));
	CHECK_ERR(commit(&r, &m), E_NO_TICKET);
	m.rcpts[1].token = room_token(&r, RCPT_ACCOUNTS, 1, &alice, 1, "alice@example.org", &mem);
	CHECK_ERR(commit(&r, &m), E_INVALID);
	m.msg.nrcpts = 1;
	room_other(&m, SLICE_NONE);
	CHECK_ERR(commit(&r, &m), E_NO_TICKET);
	m.msg.nothers = 0;
	m.msg.peer = &fe2;
	CHECK_ERR(commit(&r, &m), E_NO_TICKET);
	CHECK_INT(room_count(&r, 0, alice, where), -1);
	room_mail_fini(&m);
	arena_reset(&mem);
	room_close(&r);
}

WAITS static void remove_account(struct room *r, const char *address)
{
	struct diag d = {""};

	CHECK_ERR(dir_account_remove(r->rig.d, &rig_actor, slice_str(address), &d), E_OK);
}

/* A member that went away between RCPT and Commit takes nothing from the others. */
TEST_FIBER(deliver_to_a_group_that_shrinks)
{
	uint64_t members[3];
	struct room_mail m;
	struct arena mem;
	struct room r;

	arena_init(&mem, NULL);
	REQUIRE(room_open(&r));
	members[0] = room_account(&r, "a@example.org", 0, 0);
	members[1] = room_account(&r, "b@example.org", 0, 0);
	members[2] = room_account(&r, "c@example.org", 0, 0);
	room_mail(&r, &m, 1, 0, 7);
	room_to(&m, room_token(&r, RCPT_ACCOUNTS, 0, members, 3, "all@example.org", &mem));
	remove_account(&r, "b@example.org");
	CHECK_ERR(commit(&r, &m), E_OK);
	CHECK_ERR(m.rcpts[0].result, E_OK);
	CHECK_INT(room_count(&r, 0, members[0], where), 1);
	CHECK_INT(room_count(&r, 0, members[1], where), -1);
	CHECK_INT(room_count(&r, 0, members[2], where), 1);
	remove_account(&r, "a@example.org");
	remove_account(&r, "c@example.org");
	memset(m.msg.txid, 2, sizeof m.msg.txid);
	CHECK_ERR(commit(&r, &m), E_OK);
	CHECK_ERR(m.rcpts[0].result, E_NOT_FOUND);
	room_mail_fini(&m);
	arena_reset(&mem);
	room_close(&r);
}

/* One member of a group is full: the sender hears 250 for the group, so the copy waits in the
 * queue. */
TEST_FIBER(deliver_to_a_group_with_a_full_member)
{
	struct due_item items[4];
	struct room_mail m;
	uint64_t members[2];
	struct arena mem;
	struct buf bytes;
	struct job job;
	struct room r;

	arena_init(&mem, NULL);
	buf_init(&bytes, 1 << 20, NULL);
	REQUIRE(room_open(&r));
	members[0] = room_account(&r, "a@example.org", 0, 0);
	members[1] = room_account(&r, "full@example.org", 0, 1);
	CHECK_ERR(util_deliver(partitions_get(r.parts, 0), members[1], "", 1, 500).e, E_OK);
	room_mail(&r, &m, 1, 0, 7);
	room_to(&m, room_token(&r, RCPT_ACCOUNTS, 0, members, 2, "all@example.org", &mem));
	for (int i = 0; i < 2; i++) { /* a retry adds nothing */
		CHECK_ERR(commit(&r, &m), E_OK);
		CHECK_ERR(m.rcpts[0].result, E_OK);
		CHECK_INT(room_count(&r, 0, members[0], where), 1);
		CHECK_INT(room_count(&r, 0, members[1], where), 1);
		CHECK_INT(room_items(&r, 0, items, 4, &bytes), 1);
	}
	CHECK(items[0].record_no != 0);
	CHECK_ERR(job_unpack(items[0].payload, &mem, &job), E_OK);
	CHECK_INT(job.kind, JOB_ACCOUNTS);
	CHECK_INT(job.naccounts, 1);
	CHECK_INT(job.accounts[0], members[1]);
	CHECK_SLICE(job.address, SL("all@example.org"));
	CHECK_SLICE(job.sender, SL("sender@elsewhere.test"));
	CHECK_SLICE(job.prefix, SL("Received: test\r\n"));
	CHECK(util_fsck(m.msg.part));
	room_mail_fini(&m);
	buf_fini(&bytes);
	arena_reset(&mem);
	room_close(&r);
}

/* A room with one account that has room, and one that is full. */
struct full_room {
	struct room r;
	struct room_mail m;
	struct arena mem;
	struct buf bytes;
	struct due_item items[4];
	uint64_t alice, full;
};

WAITS static bool full_open(struct full_room *f)
{
	arena_init(&f->mem, NULL);
	buf_init(&f->bytes, 1 << 20, NULL);
	if (!room_open(&f->r))
		return false;
	f->alice = room_account(&f->r, "alice@example.org", 0, 0);
	f->full = room_account(&f->r, "full@example.org", 0, 1);
	CHECK_ERR(util_deliver(partitions_get(f->r.parts, 0), f->full, "", 1, 500).e, E_OK);
	room_mail(&f->r, &f->m, 1, 0, 7);
	return true;
}

WAITS static void full_close(struct full_room *f)
{
	CHECK(util_fsck(f->m.msg.part));
	room_mail_fini(&f->m);
	buf_fini(&f->bytes);
	arena_reset(&f->mem);
	room_close(&f->r);
}

static void to_alice(struct full_room *f)
{
	room_to(&f->m,
		room_token(&f->r, RCPT_ACCOUNTS, 0, &f->alice, 1, "alice@example.org", &f->mem));
}

static void to_full(struct full_room *f, const char *address)
{
	room_to(&f->m, room_token(&f->r, RCPT_ACCOUNTS, 0, &f->full, 1, address, &f->mem));
}

static size_t full_items(struct full_room *f)
{
	return room_items(&f->r, 0, f->items, ARRAY_LEN(f->items), &f->bytes);
}

/* The client hears one answer for the message: who is refused beside others waits in the queue. */
TEST_FIBER(deliver_refused_beside_taken)
{
	struct full_room f;
	struct job job;

	REQUIRE(full_open(&f));
	to_full(&f, "full@example.org");
	to_alice(&f);
	for (int i = 0; i < 3; i++) { /* retries, the last one without the bytes, add nothing */
		if (i == 2)
			room_mail_fini(&f.m);
		CHECK_ERR(commit(&f.r, &f.m), E_OK);
		CHECK_ERR(f.m.rcpts[0].result, E_OK);
		CHECK_ERR(f.m.rcpts[1].result, E_OK);
		CHECK_INT(room_count(&f.r, 0, f.alice, where), 1);
		CHECK_INT(room_count(&f.r, 0, f.full, where), 1);
		REQUIRE(full_items(&f) == 1);
	}
	CHECK(f.items[0].record_no != 0);
	CHECK_ERR(job_unpack(f.items[0].payload, &f.mem, &job), E_OK);
	CHECK_INT(job.kind, JOB_ACCOUNTS);
	CHECK_INT(job.naccounts, 1);
	CHECK_INT(job.accounts[0], f.full);
	CHECK_SLICE(job.address, SL("full@example.org"));
	full_close(&f);
}

/* All copies are refused, but the lead queued other owners' recipients: 250, so all are kept. */
TEST_FIBER(deliver_refused_beside_others)
{
	struct full_room f;
	uint64_t bob;

	REQUIRE(full_open(&f));
	bob = room_account(&f.r, "bob@example.org", 1, 0);
	to_full(&f, "full@example.org");
	room_other(&f.m, room_token(&f.r, RCPT_ACCOUNTS, 1, &bob, 1, "bob@example.org", &f.mem));
	CHECK_ERR(commit(&f.r, &f.m), E_OK);
	CHECK_ERR(f.m.rcpts[0].result, E_OK);
	CHECK_INT(room_count(&f.r, 0, f.full, where), 1);
	REQUIRE(full_items(&f) == 2);
	CHECK(f.items[0].record_no != 0 && f.items[0].record_no == f.items[1].record_no);
	full_close(&f);
}

/* An address as a job of the queue is something taken, too. */
TEST_FIBER(deliver_refused_beside_a_job)
{
	struct full_room f;

	REQUIRE(full_open(&f));
	to_full(&f, "full@example.org");
	room_to(&f.m, room_token(&f.r, RCPT_ADDRESS, 0, NULL, 0, "alice@example.org", &f.mem));
	CHECK_ERR(commit(&f.r, &f.m), E_OK);
	CHECK_ERR(f.m.rcpts[0].result, E_OK);
	CHECK_ERR(f.m.rcpts[1].result, E_OK);
	CHECK_INT(full_items(&f), 2);
	full_close(&f);
}

/* Who went away since RCPT is refused before the change; beside others it is not forgotten. */
TEST_FIBER(deliver_removed_beside_taken)
{
	struct full_room f;
	uint64_t gone;
	struct job job;

	REQUIRE(full_open(&f));
	gone = room_account(&f.r, "gone@example.org", 0, 0);
	to_alice(&f);
	room_to(&f.m, room_token(&f.r, RCPT_ACCOUNTS, 0, &gone, 1, "gone@example.org", &f.mem));
	remove_account(&f.r, "gone@example.org");
	CHECK_ERR(commit(&f.r, &f.m), E_OK);
	CHECK_ERR(f.m.rcpts[0].result, E_OK);
	CHECK_ERR(f.m.rcpts[1].result, E_OK);
	CHECK_INT(room_count(&f.r, 0, f.alice, where), 1);
	REQUIRE(full_items(&f) == 1);
	CHECK_ERR(job_unpack(f.items[0].payload, &f.mem, &job), E_OK);
	CHECK_INT(job.accounts[0], gone);
	full_close(&f);
}

/* An account's copy is one, by whichever of its names and groups the transaction reaches it; what
 * is a copy again is taken, and leaves no item. */
TEST_FIBER(deliver_one_copy_an_account)
{
	static const char *const names[][3] = {
		{"alice@example.org", "team@example.org", NULL},
		{"team@example.org", "alice@example.org", NULL},
		{"alice+a@example.org", "alice@example.org", NULL},
		{"alice@example.org", "alice+a@example.org", "team@example.org"},
	};
	struct full_room f;
	uint64_t team[2];

	REQUIRE(full_open(&f));
	team[0] = f.alice;
	team[1] = room_account(&f.r, "bob@example.org", 0, 0);
	for (unsigned i = 0, bobs = 0; i < ARRAY_LEN(names); i++) {
		room_mail_fini(&f.m);
		room_mail(&f.r, &f.m, 2 + i, 0, 7);
		for (unsigned k = 0; k < 3 && names[i][k] != NULL; k++) {
			size_t n = names[i][k][0] == 't' ? 2 : 1;

			bobs += n == 2;
			room_to(&f.m,
				room_token(&f.r, RCPT_ACCOUNTS, 0, team, n, names[i][k], &f.mem));
		}
		for (int again = 0; again < 2; again++) {
			CHECK_ERR(commit(&f.r, &f.m), E_OK);
			for (size_t k = 0; k < f.m.msg.nrcpts; k++)
				CHECK_ERR(f.m.rcpts[k].result, E_OK);
			CHECK_INT(room_count(&f.r, 0, f.alice, where), i + 1);
			CHECK_INT(full_items(&f), 0);
		}
		CHECK_INT(room_count(&f.r, 0, team[1], where), bobs == 0 ? -1 : (int)bobs);
	}
	full_close(&f);
}

/* Who is refused by each of several names waits once. */
TEST_FIBER(deliver_refused_by_two_names)
{
	struct full_room f;
	uint64_t team[2];
	struct job job;

	REQUIRE(full_open(&f));
	team[0] = f.alice;
	team[1] = f.full;
	to_full(&f, "full@example.org");
	to_full(&f, "full+a@example.org");
	room_to(&f.m, room_token(&f.r, RCPT_ACCOUNTS, 0, team, 2, "team@example.org", &f.mem));
	for (int i = 0; i < 2; i++) {
		CHECK_ERR(commit(&f.r, &f.m), E_OK);
		for (unsigned k = 0; k < 3; k++)
			CHECK_ERR(f.m.rcpts[k].result, E_OK);
		CHECK_INT(room_count(&f.r, 0, f.alice, where), 1);
		CHECK_INT(room_count(&f.r, 0, f.full, where), 1);
		REQUIRE(full_items(&f) == 1);
	}
	CHECK_ERR(job_unpack(f.items[0].payload, &f.mem, &job), E_OK);
	CHECK_INT(job.naccounts, 1);
	CHECK_INT(job.accounts[0], f.full);
	full_close(&f);
}

/* Nothing at all was taken: the client is told, and nothing is left behind. */
TEST_FIBER(deliver_all_refused)
{
	struct full_room f;
	uint64_t both[2];

	REQUIRE(full_open(&f));
	both[0] = both[1] = f.full;
	to_full(&f, "full@example.org");
	CHECK_ERR(commit(&f.r, &f.m), E_OK);
	CHECK_ERR(f.m.rcpts[0].result, E_QUOTA);
	to_full(&f, "too@example.org");
	room_to(&f.m, room_token(&f.r, RCPT_ACCOUNTS, 0, both, 2, "all@example.org", &f.mem));
	CHECK_ERR(commit(&f.r, &f.m), E_OK);
	for (unsigned i = 0; i < 3; i++)
		CHECK_ERR(f.m.rcpts[i].result, E_QUOTA);
	CHECK_INT(full_items(&f), 0);
	CHECK_INT(room_count(&f.r, 0, f.full, where), 1);
	full_close(&f);
}

/* A back-end that forwards has an item for each that we refuse: it is told. */
TEST_FIBER(deliver_tells_a_back_end_who_is_refused)
{
	static const struct rpc_identity be2 = {ROLE_BACKEND, SERVICE_NONE, "be2"};
	struct full_room f;

	REQUIRE(full_open(&f));
	f.m.msg.peer = &be2;
	to_alice(&f);
	to_full(&f, "full@example.org");
	CHECK_ERR(commit(&f.r, &f.m), E_OK);
	CHECK_ERR(f.m.rcpts[0].result, E_OK);
	CHECK_ERR(f.m.rcpts[1].result, E_QUOTA);
	CHECK_INT(full_items(&f), 0);
	full_close(&f);
}

/* LMTP: a refusal that its client is told of is not queued; one of several accounts is. */
TEST_FIBER(deliver_tells_a_client_who_is_refused)
{
	struct full_room f;
	uint64_t both[2];

	REQUIRE(full_open(&f));
	to_alice(&f);
	to_full(&f, "full@example.org");
	f.m.rcpts[0].told = f.m.rcpts[1].told = true;
	CHECK_ERR(commit(&f.r, &f.m), E_OK);
	CHECK_ERR(f.m.rcpts[0].result, E_OK);
	CHECK_ERR(f.m.rcpts[1].result, E_QUOTA);
	CHECK_INT(full_items(&f), 0);
	/* Again without the bytes: nobody knows why. */
	room_mail_fini(&f.m);
	CHECK_ERR(commit(&f.r, &f.m), E_OK);
	CHECK_ERR(f.m.rcpts[0].result, E_OK);
	CHECK_ERR(f.m.rcpts[1].result, E_RETRY);
	CHECK_INT(full_items(&f), 0);
	room_mail(&f.r, &f.m, 2, 0, 7);
	both[0] = f.alice;
	both[1] = f.full;
	room_to(&f.m, room_token(&f.r, RCPT_ACCOUNTS, 0, both, 2, "both@example.org", &f.mem));
	f.m.rcpts[0].told = true;
	CHECK_ERR(commit(&f.r, &f.m), E_OK);
	CHECK_ERR(f.m.rcpts[0].result, E_OK);
	CHECK_INT(full_items(&f), 1);
	full_close(&f);
}

/* The lead keeps an item for every recipient of other owners until they are settled. */
TEST_FIBER(deliver_lead_and_settle)
{
	static const struct rpc_identity fe2 = {ROLE_FRONTEND, SERVICE_SMTP, "fe2"};
	struct due_item items[4];
	struct room_mail m;
	slice_t tokens[2], forged = SL("no token");
	uint64_t alice, bob, carol;
	struct arena mem;
	struct buf bytes;
	struct room r;
	struct diag d;
	int64_t now;

	arena_init(&mem, NULL);
	buf_init(&bytes, 1 << 20, NULL);
	REQUIRE(room_open(&r));
	alice = room_account(&r, "alice@example.org", 0, 0);
	bob = room_account(&r, "bob@example.org", 1, 0);
	carol = room_account(&r, "carol@example.org", 2, 0);
	tokens[0] = room_token(&r, RCPT_ACCOUNTS, 1, &bob, 1, "bob@example.org", &mem);
	tokens[1] = room_token(&r, RCPT_ACCOUNTS, 2, &carol, 1, "carol@example.org", &mem);
	room_mail(&r, &m, 1, 0, 7);
	room_to(&m, room_token(&r, RCPT_ACCOUNTS, 0, &alice, 1, "alice@example.org", &mem));
	room_other(&m, tokens[0]);
	room_other(&m, tokens[1]);
	now = clock_wall_us();
	CHECK_ERR(commit(&r, &m), E_OK);
	CHECK_ERR(commit(&r, &m), E_OK);
	REQUIRE(room_items(&r, 0, items, 4, &bytes) == 2);
	CHECK(items[0].due_us >= now + DELIVER_SETTLE_US);
	CHECK(items[0].due_us < clock_wall_us() + DELIVER_SETTLE_US + 1);
	/* Only by whom the tokens were given to, and only its own transaction's. */
	CHECK_ERR(deliver_settle(&r.deliver, &room_peer, m.msg.origin,
				 slice(m.msg.txid, STORE_TXID_SIZE), m.msg.part, &forged, 1, &d),
		  E_NO_TICKET);
	CHECK_ERR(deliver_settle(&r.deliver, &fe2, m.msg.origin, slice(m.msg.txid, STORE_TXID_SIZE),
				 m.msg.part, tokens, 2, &d),
		  E_NO_TICKET);
	CHECK_ERR(deliver_settle(&r.deliver, &room_peer, SL("frontend/fe2/smtp"),
				 slice(m.msg.txid, STORE_TXID_SIZE), m.msg.part, tokens, 2, &d),
		  E_OK);
	CHECK_INT(room_items(&r, 0, items, 4, &bytes), 2);
	for (int i = 0; i < 2; i++) { /* twice is once */
		CHECK_ERR(deliver_settle(&r.deliver, &room_peer, m.msg.origin,
					 slice(m.msg.txid, STORE_TXID_SIZE), m.msg.part, tokens, 1,
					 &d),
			  E_OK);
		CHECK_INT(room_items(&r, 0, items, 4, &bytes), 1);
	}
	CHECK_ERR(deliver_settle(&r.deliver, &room_peer, m.msg.origin,
				 slice(m.msg.txid, STORE_TXID_SIZE), m.msg.part, tokens + 1, 1, &d),
		  E_OK);
	CHECK_INT(room_items(&r, 0, items, 4, &bytes), 0);
	/* A late retry of the commit does not bring them back. */
	CHECK_ERR(commit(&r, &m), E_OK);
	CHECK_INT(room_items(&r, 0, items, 4, &bytes), 0);
	room_mail_fini(&m);
	buf_fini(&bytes);
	arena_reset(&mem);
	room_close(&r);
}

/* RFC 4865: nobody gets it before; here, elsewhere, or at another owner. */
TEST_FIBER(deliver_held_back)
{
	struct due_item items[4];
	struct room_mail m;
	uint64_t alice, bob;
	struct arena mem;
	struct buf bytes;
	struct room r;
	struct job j;
	int64_t release_us;

	arena_init(&mem, NULL);
	buf_init(&bytes, 1 << 20, NULL);
	REQUIRE(room_open(&r));
	alice = room_account(&r, "alice@example.org", 0, 0);
	bob = room_account(&r, "bob@example.org", 1, 0);
	room_mail(&r, &m, 1, 0, 7);
	m.msg.release_us = release_us = clock_wall_us() + 3600 * 1000000LL;
	room_to(&m, room_token(&r, RCPT_ACCOUNTS, 0, &alice, 1, "alice@example.org", &mem));
	room_to(&m, room_token(&r, RCPT_OUTSIDE, 0, NULL, 0, "x@elsewhere.test", &mem));
	room_other(&m, room_token(&r, RCPT_ACCOUNTS, 1, &bob, 1, "bob@example.org", &mem));
	for (int i = 0; i < 2; i++) { /* a retry adds nothing */
		CHECK_ERR(commit(&r, &m), E_OK);
		CHECK(room_count(&r, 0, alice, where) <= 0);
		REQUIRE(room_items(&r, 0, items, ARRAY_LEN(items), &bytes) == 3);
	}
	for (size_t i = 0; i < 3; i++) {
		CHECK_ERR(job_unpack(items[i].payload, &mem, &j), E_OK);
		CHECK_INT(j.release_us, release_us);
		CHECK_INT(j.next_us, release_us);
		CHECK_INT(items[i].due_us, j.kind == JOB_OUTSIDE ? QUEUE_PARKED_US : release_us);
	}
	room_mail_fini(&m);
	room_close(&r);
	buf_fini(&bytes);
	arena_reset(&mem);
}

/* The copy that a sender keeps goes in once, beside what is taken, and refuses nothing. */
TEST_FIBER(deliver_sent)
{
	struct full_room f;

	REQUIRE(full_open(&f));
	f.m.msg.account = f.alice;
	f.m.msg.sent = room_token(&f.r, RCPT_SENT, 0, &f.alice, 1, "", &f.mem);
	to_full(&f, "full@example.org");
	CHECK_ERR(commit(&f.r, &f.m), E_OK);
	CHECK_ERR(f.m.rcpts[0].result, E_QUOTA);
	CHECK_INT(room_count(&f.r, 0, f.alice, "Sent"), -1);
	/* To oneself: two messages. */
	to_alice(&f);
	for (int i = 0; i < 3; i++) {
		if (i == 2)
			room_mail_fini(&f.m);
		CHECK_ERR(commit(&f.r, &f.m), E_OK);
		CHECK_ERR(f.m.rcpts[1].result, E_OK);
		CHECK_INT(room_count(&f.r, 0, f.alice, where), 1);
		CHECK_INT(room_count(&f.r, 0, f.alice, "Sent"), 1);
		CHECK_INT(full_items(&f), 1);
	}
	full_close(&f);
}

/* For others alone: the queue's items are what is taken. */
TEST_FIBER(deliver_sent_beside_others)
{
	struct full_room f;
	uint64_t bob;

	REQUIRE(full_open(&f));
	bob = room_account(&f.r, "bob@example.org", 1, 0);
	room_other(&f.m, room_token(&f.r, RCPT_ACCOUNTS, 1, &bob, 1, "bob@example.org", &f.mem));
	f.m.msg.account = f.alice;
	f.m.msg.sent = room_token(&f.r, RCPT_SENT, 0, &f.alice, 1, "", &f.mem);
	for (int i = 0; i < 3; i++) {
		if (i == 2)
			room_mail_fini(&f.m);
		CHECK_ERR(commit(&f.r, &f.m), E_OK);
		CHECK_INT(room_count(&f.r, 0, f.alice, "Sent"), 1);
		CHECK_INT(full_items(&f), 1);
	}
	memset(f.m.msg.txid, 2, sizeof f.m.msg.txid);
	CHECK_ERR(commit(&f.r, &f.m), E_NOT_FOUND); /* lost with its link */
	/* Over quota. */
	room_mail(&f.r, &f.m, 3, 0, 8);
	f.m.msg.account = f.full;
	f.m.msg.sent = room_token(&f.r, RCPT_SENT, 0, &f.full, 1, "", &f.mem);
	to_alice(&f);
	CHECK_ERR(commit(&f.r, &f.m), E_OK);
	CHECK_ERR(f.m.rcpts[0].result, E_OK);
	CHECK_INT(room_count(&f.r, 0, f.full, "Sent"), 0);
	full_close(&f);
}

/* Nobody files into another's mailbox so, and what is for a copy alone is nobody's recipient. */
TEST_FIBER(deliver_sent_bad_tokens)
{
	struct full_room f;
	slice_t sent;

	REQUIRE(full_open(&f));
	sent = room_token(&f.r, RCPT_SENT, 0, &f.full, 1, "", &f.mem);
	to_alice(&f);
	f.m.msg.account = f.alice;
	f.m.msg.sent = sent;
	CHECK_ERR(commit(&f.r, &f.m), E_INVALID);
	f.m.msg.account = 0;
	CHECK_ERR(commit(&f.r, &f.m), E_INVALID);
	f.m.msg.account = f.alice;
	f.m.msg.sent = room_token(&f.r, RCPT_SENT, 1, &f.alice, 1, "", &f.mem);
	CHECK_ERR(commit(&f.r, &f.m), E_INVALID);
	f.m.msg.sent = f.m.rcpts[0].token;
	CHECK_ERR(commit(&f.r, &f.m), E_INVALID);
	f.m.msg.sent = SL("not a token");
	CHECK_ERR(commit(&f.r, &f.m), E_NO_TICKET);
	f.m.msg.sent = SLICE_NONE;
	room_to(&f.m, sent);
	CHECK_ERR(commit(&f.r, &f.m), E_INVALID);
	f.m.msg.nrcpts = 1;
	room_other(&f.m, sent);
	CHECK_ERR(commit(&f.r, &f.m), E_INVALID);
	CHECK_INT(room_count(&f.r, 0, f.alice, where), -1);
	full_close(&f);
}

TEST_FIBER(deliver_limits)
{
	static const char long_prefix[STORE_PREFIX_MAX];
	uint64_t many[RCPT_TOKEN_ACCOUNTS];
	struct due_item items[4];
	struct buf bytes;
	struct room_mail m;
	struct arena mem;
	struct room r;
	uint64_t alice;
	char name[2] = "a";

	arena_init(&mem, NULL);
	REQUIRE(room_open(&r));
	alice = room_account(&r, "alice@example.org", 0, 0);
	for (size_t i = 0; i < ARRAY_LEN(many); i++)
		many[i] = alice;
	/* The prefix with its Return-Path. */
	room_mail(&r, &m, 1, 0, 7);
	room_to(&m, room_token(&r, RCPT_ACCOUNTS, 0, &alice, 1, "alice@example.org", &mem));
	m.msg.prefix = slice(long_prefix, sizeof long_prefix);
	CHECK_ERR(commit(&r, &m), E_TOO_BIG);
	CHECK_INT(room_count(&r, 0, alice, where), -1);
	room_mail_fini(&m);
	/* STORE_COPIES_MAX copies are 31 tokens of 32 accounts and one of 8. */
	room_mail(&r, &m, 2, 0, 7);
	for (unsigned i = 0; i < 33; i++, name[0]++)
		room_to(&m, room_token(&r, RCPT_ACCOUNTS, 0, many,
				       i < 31    ? 32
				       : i == 31 ? 8
						 : 1,
				       name, &mem));
	CHECK_ERR(commit(&r, &m), E_OK);
	for (unsigned i = 0; i < 33; i++)
		CHECK_ERR(m.rcpts[i].result, E_OK);
	CHECK_INT(room_count(&r, 0, alice, where), 1); /* the same account: one */
	buf_init(&bytes, 1 << 20, NULL);
	CHECK_INT(room_items(&r, 0, items, ARRAY_LEN(items), &bytes), 1); /* the one too many */
	buf_fini(&bytes);
	room_mail_fini(&m);
	arena_reset(&mem);
	room_close(&r);
}
