/* Resolve: owners and tokens for an address; quota; what goes by reference to a queue job. */
#include "backend/delivery/rewrite.h"
#include "tests/unit/backend/delivery/room.h"

#include <stdio.h>

struct asked {
	struct arena mem;
	struct resolved r;
	struct diag diag;
	enum err e;
};

WAITS static void ask_as(struct room *r, struct asked *a, const struct resolve_ask *q)
{
	arena_reset(&a->mem);
	a->diag.text[0] = '\0';
	a->e = resolve_address(&r->deliver, q, &a->mem, &a->r, &a->diag);
}

WAITS static void ask(struct room *r, struct asked *a, const char *address, uint64_t size)
{
	struct resolve_ask q = {.peer = &room_peer, .address = slice_str(address), .size = size};

	ask_as(r, a, &q);
	check_note("resolve %s: %s: %s", address, err_name(a->e), a->diag.text);
}

/* The token of a target, opened as its front-end. */
static bool opened(struct room *r, const struct asked *a, size_t i, struct rcpt_token *out)
{
	struct diag d = {""};

	return i < a->r.n &&
	       rcpt_token_open(r->tickets, a->r.targets[i].token, &room_peer, out, &d) == E_OK;
}

TEST_FIBER(resolve_to_one_owner)
{
	struct rpc_identity fe2 = {ROLE_FRONTEND, SERVICE_SMTP, "fe2"};
	struct rcpt_token t;
	struct asked a = {.e = E_OK};
	struct room r;
	uint64_t alice, carol;
	struct diag d;

	arena_init(&a.mem, NULL);
	REQUIRE(room_open(&r));
	alice = room_account(&r, "alice@example.org", 1, 0);
	carol = room_account(&r, "carol@example.org", 2, 0);
	ask(&r, &a, "Alice+Lists@EXAMPLE.org", 0);
	CHECK_ERR(a.e, E_OK);
	CHECK_INT(a.r.n, 1);
	CHECK_INT(a.r.targets[0].partition, 1);
	CHECK_STR(a.r.targets[0].backend, "be1");
	REQUIRE(opened(&r, &a, 0, &t));
	CHECK_INT(t.kind, RCPT_ACCOUNTS);
	CHECK_INT(t.partition, 1);
	CHECK_INT(t.naccounts, 1);
	CHECK_INT(t.accounts[0], alice);
	CHECK_SLICE(slice(t.detail, t.detail_n), SL("lists"));
	CHECK_STR(t.frontend, "fe1");
	CHECK(!t.several);
	CHECK_ERR(rcpt_token_open(r.tickets, a.r.targets[0].token, &fe2, &t, &d), E_NO_TICKET);
	ask(&r, &a, "carol@example.org", 0); /* another node's */
	CHECK_ERR(a.e, E_OK);
	CHECK_STR(a.r.targets[0].backend, "be2");
	REQUIRE(opened(&r, &a, 0, &t));
	CHECK_INT(t.accounts[0], carol);
	arena_reset(&a.mem);
	room_close(&r);
}

static const struct {
	const char *address;
	enum err e;
} refusals[] = {
	{"nobody@example.org", E_NOT_FOUND},
	{"alice@elsewhere.test", E_DENIED},
	{"alice@[192.0.2.1]", E_DENIED},
	{"alice@[IPv6:2001:db8::1]", E_DENIED},
	{"alice@[", E_INVALID},
	{"@example.org", E_INVALID},
	{"", E_INVALID},
};

/* A user who is logged in may write to what is not ours: by the queue of the user's partition. */
TEST_FIBER(resolve_refuses)
{
	struct asked a = {.e = E_OK};
	struct rcpt_token t;
	struct room r;

	arena_init(&a.mem, NULL);
	REQUIRE(room_open(&r));
	for (size_t i = 0; i < ARRAY_LEN(refusals); i++) {
		struct resolve_ask q = {.peer = &room_peer,
					.address = slice_str(refusals[i].address),
					.relay = true,
					.partition = 1};

		ask(&r, &a, refusals[i].address, 0);
		CHECK_ERR(a.e, refusals[i].e);
		CHECK_INT(a.r.n, 0);
		ask_as(&r, &a, &q);
		CHECK_ERR(a.e, refusals[i].e == E_DENIED ? E_OK : refusals[i].e);
		if (a.e != E_OK)
			continue;
		REQUIRE(a.r.n == 1 && opened(&r, &a, 0, &t));
		CHECK_INT(t.kind, RCPT_OUTSIDE);
		CHECK_INT(t.partition, 1);
		CHECK_SLICE(slice(t.address, t.address_n), q.address);
		q.held = true; /* not while the account is held */
		ask_as(&r, &a, &q);
		CHECK_ERR(a.e, E_RATE);
		CHECK_INT(a.r.n, 0);
	}
	arena_reset(&a.mem);
	room_close(&r);
}

/* The address for reports of TLS: to the queue, whether anybody has it or not. */
TEST_FIBER(resolve_tls_reports)
{
	struct resolve_ask q = {.peer = &room_peer, .address = SL("Reports@example.org")};
	struct asked a = {.e = E_OK};
	struct diag d = {""};
	struct rcpt_token t;
	struct room r;

	arena_init(&a.mem, NULL);
	REQUIRE(room_open(&r));
	ask_as(&r, &a, &q);
	CHECK_ERR(a.e, E_NOT_FOUND);
	CHECK_ERR(dir_setting_set(r.rig.d, &rig_actor, SL("tlsrpt.read"), SL("reports@example.org"),
				  &d),
		  E_OK);
	for (int i = 0; i < 2; i++) {
		CHECK(i == 0 || room_account(&r, "reports@example.org", 1, 0) != 0);
		ask_as(&r, &a, &q);
		CHECK_ERR(a.e, E_OK);
		REQUIRE(a.r.n == 1 && opened(&r, &a, 0, &t));
		CHECK_INT(t.kind, RCPT_ADDRESS);
		CHECK_SLICE(slice(t.address, t.address_n), q.address);
	}
	/* Of a domain that is not ours it is nothing. */
	q.address = SL("reports@elsewhere.test");
	CHECK_ERR(dir_setting_set(r.rig.d, &rig_actor, SL("tlsrpt.read"), q.address, &d), E_OK);
	ask_as(&r, &a, &q);
	CHECK_ERR(a.e, E_DENIED);
	arena_reset(&a.mem);
	room_close(&r);
}

/* A bounce to a sender that stands for another: to the queue; nobody else may write to it. */
TEST_FIBER(resolve_rewritten_sender)
{
	struct resolve_ask q = {.peer = &room_peer, .null_sender = true};
	struct asked a = {.e = E_OK};
	struct arena mem;
	struct rcpt_token t;
	struct room r;

	arena_init(&a.mem, NULL);
	arena_init(&mem, NULL);
	REQUIRE(room_open(&r));
	CHECK_ERR(rewrite_sender(r.rig.d, SL("s@elsewhere.test"), SL("a@example.org"), &mem,
				 &q.address),
		  E_OK);
	ask_as(&r, &a, &q);
	CHECK_ERR(a.e, E_OK);
	REQUIRE(a.r.n == 1 && opened(&r, &a, 0, &t));
	CHECK_INT(t.kind, RCPT_ADDRESS);
	CHECK_SLICE(slice(t.address, t.address_n), q.address);
	q.null_sender = false;
	ask_as(&r, &a, &q);
	CHECK_ERR(a.e, E_NOT_FOUND);
	q.null_sender = true;
	q.address = SL("SRS0=aaaaaa=aa=elsewhere.test=s@example.org");
	ask_as(&r, &a, &q);
	CHECK_ERR(a.e, E_NOT_FOUND);
	q.address = SL("SRS0=aaaaaa=aa=elsewhere.test=s@elsewhere.test");
	ask_as(&r, &a, &q);
	CHECK_ERR(a.e, E_DENIED);
	arena_reset(&mem);
	arena_reset(&a.mem);
	room_close(&r);
}

/* Accounts of several owners: a token each, the members grouped by partition. */
TEST_FIBER(resolve_group_of_several_owners)
{
	struct rcpt_token t;
	struct asked a = {.e = E_OK};
	size_t accounts = 0;
	struct room r;

	arena_init(&a.mem, NULL);
	REQUIRE(room_open(&r));
	room_account(&r, "a@example.org", 0, 0);
	room_account(&r, "b@example.org", 1, 0);
	room_account(&r, "c@example.org", 0, 0);
	room_account(&r, "d@example.org", 2, 0);
	CHECK_ERR(rig_alias(&r.rig, "all@example.org", DIR_GROUP,
			    "a@example.org b@example.org c@example.org d@example.org"),
		  E_OK);
	ask(&r, &a, "all@example.org", 0);
	CHECK_ERR(a.e, E_OK);
	CHECK_INT(a.r.n, 3);
	for (size_t i = 0; i < a.r.n; i++) {
		REQUIRE(opened(&r, &a, i, &t));
		CHECK_INT(t.kind, RCPT_ACCOUNTS);
		CHECK_INT(t.partition, a.r.targets[i].partition);
		CHECK_SLICE(slice(t.address, t.address_n), SL("all@example.org"));
		CHECK(t.several); /* the partition's one, too */
		accounts += t.naccounts;
	}
	CHECK_INT(accounts, 4);
	/* One who is named in two ways is one. */
	CHECK_ERR(rig_alias(&r.rig, "one@example.org", DIR_ALIAS, "a@example.org a@example.org"),
		  E_OK);
	ask(&r, &a, "one@example.org", 0);
	REQUIRE(a.r.n == 1 && opened(&r, &a, 0, &t));
	CHECK(!t.several);
	arena_reset(&a.mem);
	room_close(&r);
}

/* The target is one job of this node. */
static void check_job(struct room *r, const struct asked *a, const char *address)
{
	struct rcpt_token t;

	CHECK_ERR(a->e, E_OK);
	CHECK_INT(a->r.n, 1);
	REQUIRE(opened(r, a, 0, &t));
	CHECK_INT(t.kind, RCPT_ADDRESS);
	CHECK_INT(t.naccounts, 0);
	CHECK_STR(a->r.targets[0].backend, "be1");
	CHECK_INT(a->r.targets[0].partition, 0);
	CHECK_SLICE(slice(t.address, t.address_n), slice_str(address));
}

TEST_FIBER(resolve_by_reference)
{
	struct asked a = {.e = E_OK};
	struct diag d = {""};
	struct rcpt_token t;
	char name[40];
	struct room r;

	arena_init(&a.mem, NULL);
	REQUIRE(room_open(&r));
	for (uint32_t i = 0; i <= RESOLVE_OWNERS_MAX; i++) {
		if (i >= 3)
			CHECK_ERR(dir_partition_assign(r.rig.d, &rig_actor, i, SL("be2"), &d),
				  E_OK);
		snprintf(name, sizeof name, "m%u@example.org", i);
		room_account(&r, name, i, 0);
	}
	/* A member outside. */
	CHECK_ERR(
		rig_alias(&r.rig, "out@example.org", DIR_GROUP, "m0@example.org x@elsewhere.test"),
		E_OK);
	ask(&r, &a, "out@example.org", 0);
	check_job(&r, &a, "out@example.org");
	CHECK(opened(&r, &a, 0, &t) && t.several);
	/* Elsewhere, in a domain that we relay for. */
	CHECK_ERR(rig_domain(&r.rig, "remote.test", DIR_DOMAIN_REMOTE, "", ""), E_OK);
	ask(&r, &a, "x@remote.test", 0);
	CHECK(opened(&r, &a, 0, &t) && !t.several);
	check_job(&r, &a, "x@remote.test");
	/* RESOLVE_OWNERS_MAX owners have tokens, one more has not. */
	CHECK_ERR(rig_alias(&r.rig, "four@example.org", DIR_GROUP,
			    "m0@example.org m1@example.org m2@example.org m3@example.org"),
		  E_OK);
	ask(&r, &a, "four@example.org", 0);
	CHECK_INT(a.r.n, RESOLVE_OWNERS_MAX);
	CHECK_ERR(rig_alias(&r.rig, "five@example.org", DIR_GROUP,
			    "m0@example.org m1@example.org m2@example.org m3@example.org "
			    "m4@example.org"),
		  E_OK);
	ask(&r, &a, "five@example.org", 0);
	check_job(&r, &a, "five@example.org");
	arena_reset(&a.mem);
	room_close(&r);
}

TEST_FIBER(resolve_names_as_many_as_a_token_holds)
{
	struct dir_alias_spec group = {.kind = DIR_GROUP};
	slice_t members[RCPT_TOKEN_ACCOUNTS + 1];
	char names[RCPT_TOKEN_ACCOUNTS + 1][40];
	struct asked a = {.e = E_OK};
	struct diag d = {""};
	struct rcpt_token t;
	struct room r;

	arena_init(&a.mem, NULL);
	REQUIRE(room_open(&r));
	for (unsigned i = 0; i < ARRAY_LEN(names); i++) {
		snprintf(names[i], sizeof names[i], "m%u@example.org", i);
		members[i] = slice_str(names[i]);
		room_account(&r, names[i], 0, 0);
	}
	group.members = members;
	group.nmembers = RCPT_TOKEN_ACCOUNTS;
	group.address = SL("fits@example.org");
	CHECK_ERR(dir_alias_add(r.rig.d, &rig_actor, &group, &d), E_OK);
	group.nmembers = RCPT_TOKEN_ACCOUNTS + 1;
	group.address = SL("more@example.org");
	CHECK_ERR(dir_alias_add(r.rig.d, &rig_actor, &group, &d), E_OK);
	ask(&r, &a, "fits@example.org", 0);
	REQUIRE(opened(&r, &a, 0, &t));
	CHECK_INT(t.naccounts, RCPT_TOKEN_ACCOUNTS);
	ask(&r, &a, "more@example.org", 0);
	check_job(&r, &a, "more@example.org");
	arena_reset(&a.mem);
	room_close(&r);
}

TEST_FIBER(resolve_quota)
{
	struct dir_account_spec limited = {
		.address = SL("small@example.org"), .quota_bytes = 10000, .partition = 0};
	struct asked a = {.e = E_OK};
	struct diag d = {""};
	uint64_t one, small;
	struct room r;

	arena_init(&a.mem, NULL);
	REQUIRE(room_open(&r));
	one = room_account(&r, "one@example.org", 0, 1);
	room_account(&r, "far@example.org", 2, 5);
	CHECK_ERR(dir_account_add(r.rig.d, &rig_actor, &limited, &small, &d), E_OK);
	/* Nothing is stored yet: only the size counts. */
	ask(&r, &a, "one@example.org", 1 << 30);
	CHECK_ERR(a.e, E_OK);
	ask(&r, &a, "small@example.org", 10000);
	CHECK_ERR(a.e, E_OK);
	ask(&r, &a, "small@example.org", 10001);
	CHECK_ERR(a.e, E_QUOTA);
	/* One message each. */
	CHECK_ERR(util_deliver(partitions_get(r.parts, 0), one, "", 1, 500).e, E_OK);
	CHECK_ERR(util_deliver(partitions_get(r.parts, 0), small, "", 2, 9000).e, E_OK);
	ask(&r, &a, "one@example.org", 0);
	CHECK_ERR(a.e, E_QUOTA);
	ask(&r, &a, "small@example.org", 900);
	CHECK_ERR(a.e, E_OK);
	ask(&r, &a, "small@example.org", 1000);
	CHECK_ERR(a.e, E_QUOTA);
	ask(&r, &a, "small@example.org", UINT64_MAX);
	CHECK_ERR(a.e, E_QUOTA);
	/* Only the owner knows. */
	ask(&r, &a, "far@example.org", 0);
	CHECK_ERR(a.e, E_WRONG_OWNER);
	CHECK_INT(a.r.wrong_owner, 2);
	arena_reset(&a.mem);
	room_close(&r);
}

/* Where a sender's own copy goes: to the owner of the account's partition, if there is one. */
TEST_FIBER(resolve_of_the_senders_copy)
{
	struct resolve_target target;
	struct rcpt_token t;
	struct arena mem;
	struct room r;
	struct diag d;

	arena_init(&mem, NULL);
	REQUIRE(room_open(&r));
	REQUIRE(resolve_sent(&r.deliver, &room_peer, 77, 2, &mem, &target) == E_OK);
	CHECK_INT(target.partition, 2);
	CHECK_STR(target.backend, "be2");
	CHECK_ERR(rcpt_token_open(r.tickets, target.token, &room_peer, &t, &d), E_OK);
	CHECK(t.kind == RCPT_SENT && t.partition == 2 && t.naccounts == 1 && t.accounts[0] == 77);
	CHECK_ERR(resolve_sent(&r.deliver, &room_peer, 77, 3, &mem, &target), E_RETRY);
	arena_reset(&mem);
	room_close(&r);
}
