/* Tickets: who may use which, until when; keys on several nodes; restarts. */
#include "backend/ticket/ticket.h"
#include "backend/ticket/lease_token.h"
#include "backend/ticket/rcpt_token.h"
#include "tests/lib/moved_clock.h"
#include "tests/unit/backend/directory/rig.h"

#include <stdio.h>

static const struct rpc_identity fe1 = {ROLE_FRONTEND, SERVICE_IMAP, "fe1"};
static const struct rpc_identity fe1_pop = {ROLE_FRONTEND, SERVICE_POP3, "fe1"};
static const struct rpc_identity fe2 = {ROLE_FRONTEND, SERVICE_IMAP, "fe2"};
static const struct rpc_identity be1 = {ROLE_BACKEND, SERVICE_NONE, "be1"};

static void move_clock(int64_t s)
{
	moved_clock_begin();
	moved_clock_add(s * 1000000);
}

struct world {
	struct rig r;
	struct tickets *t;
	struct dir_account alice;
};

WAITS static bool tickets_start(struct world *w, int64_t settle_s)
{
	struct tickets_conf c = {.dir = w->r.d, .node_key = w->r.key, .settle_s = settle_s};
	struct diag d;

	return tickets_open(&c, &w->t, &d) == E_OK &&
	       tickets_wait_ready(w->t, deadline_in(20000)) == E_OK;
}

WAITS static bool world_open(struct world *w)
{
	*w = (struct world){.t = NULL};
	return rig_open(&w->r) && rig_account(&w->r, "alice@example.org", NULL) == E_OK &&
	       dir_account_by_name(w->r.d, SL("alice"), &w->alice) == E_OK && tickets_start(w, 1);
}

WAITS static void world_close(struct world *w)
{
	moved_clock_end();
	tickets_close(&w->t);
	rig_close(&w->r);
}

static struct ticket_claims claims_of(const struct world *w)
{
	struct ticket_claims c = {.account = w->alice.id,
				  .rights = TICKET_READ | TICKET_WRITE,
				  .partition = w->alice.partition,
				  .epoch = w->alice.epoch,
				  .service = SERVICE_IMAP,
				  .frontend = "fe1",
				  .session = {1, 2, 3},
				  .reserved = {9, 8, 7}};

	return c;
}

static bool issue(struct world *w, struct buf *out)
{
	struct ticket_claims c = claims_of(w);

	buf_reset(out);
	return ticket_issue(w->t, &c, out) == E_OK;
}

/* Opens and checks the error and the words in the diag. */
static void check_open(struct world *w, slice_t bytes, const struct rpc_identity *peer,
		       uint32_t need, enum err want, const char *why)
{
	struct ticket_claims c;
	struct diag d = {.text = ""};

	memset(&c, 0xff, sizeof c);
	CHECK_ERR(ticket_open(w->t, bytes, peer, need, &c, &d), want);
	/* For the log it is told whose it was, or that nobody knows. */
	CHECK((c.account == 0) == (why != NULL && strcmp(why, "forged") == 0));
	check_note("%s", d.text);
	if (why != NULL)
		CHECK(slice_find(slice_str(d.text), slice_str(why)) < strlen(d.text));
}

TEST_FIBER(ticket_roundtrip)
{
	struct ticket_claims c;
	struct world w;
	struct buf b;
	struct diag d;

	buf_init(&b, TICKET_BYTES_MAX, NULL);
	REQUIRE(world_open(&w));
	REQUIRE(issue(&w, &b));
	CHECK(b.n <= TICKET_BYTES_MAX);
	CHECK_ERR(ticket_open(w.t, buf_slice(&b), &fe1, TICKET_READ, &c, &d), E_OK);
	CHECK_INT(c.account, w.alice.id);
	CHECK_INT(c.rights, TICKET_READ | TICKET_WRITE);
	CHECK_INT(c.epoch, w.alice.epoch);
	CHECK_INT(c.service, SERVICE_IMAP);
	CHECK_STR(c.frontend, "fe1");
	CHECK_INT(c.session[2], 3);
	CHECK_INT(c.reserved[0], 9);
	CHECK_INT(c.expires_s - c.issued_s, TICKET_LIFE_S);
	CHECK(ticket_seconds(&c) > TICKET_LIFE_S - 10);
	buf_fini(&b);
	world_close(&w);
}

TEST_FIBER(ticket_foreign_and_forged)
{
	struct world w;
	struct buf b, other;
	slice_t t;

	buf_init(&b, TICKET_BYTES_MAX, NULL);
	buf_init(&other, 4096, NULL);
	REQUIRE(world_open(&w));
	REQUIRE(issue(&w, &b));
	t = buf_slice(&b);
	check_open(&w, t, &fe2, 0, E_NO_TICKET, "another front-end");
	check_open(&w, t, &be1, 0, E_NO_TICKET, "another front-end");
	check_open(&w, t, &fe1_pop, 0, E_NO_TICKET, "another service");
	check_open(&w, t, &fe1, TICKET_SUBMIT, E_NO_TICKET, "without the right");
	check_open(&w, t, &fe1, TICKET_READ | TICKET_SIEVE, E_NO_TICKET, "without the right");
	check_open(&w, SLICE_NONE, &fe1, 0, E_NO_TICKET, "forged");
	check_open(&w, SL("x"), &fe1, 0, E_NO_TICKET, "forged");
	/* Every bit of it counts; a byte more or less, too. */
	for (size_t i = 0; i < b.n * 8; i += 7) {
		struct ticket_claims c;
		enum err e;

		b.p[i / 8] = (char)(b.p[i / 8] ^ (1 << (i % 8)));
		e = ticket_open(w.t, t, &fe1, 0, &c, NULL);
		/* A key id a little above the known may be a key that is on its way. */
		CHECK(e == E_NO_TICKET || (e == E_RETRY && i / 8 >= 1 && i / 8 < 5));
		b.p[i / 8] = (char)(b.p[i / 8] ^ (1 << (i % 8)));
	}
	check_open(&w, slice_sub(t, 0, t.n - 1), &fe1, 0, E_NO_TICKET, "forged");
	buf_put(&other, t);
	buf_putc(&other, 0);
	check_open(&w, buf_slice(&other), &fe1, 0, E_NO_TICKET, "forged");
	buf_reset(&other);
	while (other.n <= TICKET_BYTES_MAX)
		buf_put(&other, t);
	check_open(&w, buf_slice(&other), &fe1, 0, E_NO_TICKET, "forged");
	/* The right one still opens. */
	check_open(&w, t, &fe1, TICKET_READ, E_OK, NULL);
	buf_fini(&b);
	buf_fini(&other);
	world_close(&w);
}

TEST_FIBER(ticket_time)
{
	struct ticket_claims c;
	struct world w;
	struct buf b, b2;
	struct diag d;
	int renewals = 0;

	buf_init(&b, TICKET_BYTES_MAX, NULL);
	buf_init(&b2, TICKET_BYTES_MAX, NULL);
	REQUIRE(world_open(&w));
	REQUIRE(issue(&w, &b));
	move_clock(TICKET_LIFE_S - 5);
	check_open(&w, buf_slice(&b), &fe1, 0, E_OK, NULL);
	move_clock(TICKET_LIFE_S + 1);
	check_open(&w, buf_slice(&b), &fe1, 0, E_NO_TICKET, "expired");
	CHECK_ERR(ticket_renew(w.t, buf_slice(&b), &fe1, &c, &b2, &d), E_NO_TICKET);
	/* Renewed every ten minutes it lives a day, and no longer. */
	move_clock(0);
	REQUIRE(issue(&w, &b));
	for (int64_t s = 600; s < 2 * TICKET_LOGIN_S; s += 600) {
		move_clock(s);
		buf_reset(&b2);
		if (ticket_renew(w.t, buf_slice(&b), &fe1, &c, &b2, &d) != E_OK)
			break;
		CHECK(c.expires_s <= c.login_s + TICKET_LOGIN_S);
		buf_reset(&b);
		buf_put(&b, buf_slice(&b2));
		renewals++;
	}
	CHECK_INT(renewals, TICKET_LOGIN_S / 600 - 1);
	/* Only its own front-end renews it. */
	move_clock(0);
	REQUIRE(issue(&w, &b));
	CHECK_ERR(ticket_renew(w.t, buf_slice(&b), &fe2, &c, &b2, &d), E_NO_TICKET);
	buf_fini(&b);
	buf_fini(&b2);
	world_close(&w);
}

TEST_FIBER(ticket_ends_with_credentials)
{
	struct dir_credential cred = {.kind = DIR_CRED_ARGON2ID, .n = 1, .verifier = "x"};
	struct world w;
	struct buf b;
	struct diag d;

	buf_init(&b, TICKET_BYTES_MAX, NULL);
	REQUIRE(world_open(&w));
	REQUIRE(issue(&w, &b));
	REQUIRE(dir_account_passwd(w.r.d, &rig_actor, SL("alice"), &cred, &d) == E_OK);
	check_open(&w, buf_slice(&b), &fe1, 0, E_NO_TICKET, "credentials have changed");
	REQUIRE(dir_account_by_name(w.r.d, SL("alice"), &w.alice) == E_OK);
	REQUIRE(issue(&w, &b));
	check_open(&w, buf_slice(&b), &fe1, 0, E_OK, NULL);
	REQUIRE(dir_account_lock(w.r.d, &rig_actor, SL("alice"), &d) == E_OK);
	check_open(&w, buf_slice(&b), &fe1, 0, E_NO_TICKET, "locked");
	REQUIRE(dir_account_unlock(w.r.d, &rig_actor, SL("alice"), &d) == E_OK);
	check_open(&w, buf_slice(&b), &fe1, 0, E_NO_TICKET, "credentials have changed");
	REQUIRE(dir_account_by_name(w.r.d, SL("alice"), &w.alice) == E_OK);
	REQUIRE(issue(&w, &b));
	REQUIRE(dir_account_remove(w.r.d, &rig_actor, SL("alice"), &d) == E_OK);
	check_open(&w, buf_slice(&b), &fe1, 0, E_NO_TICKET, "locked or removed");
	REQUIRE(dir_account_purged(w.r.d, w.alice.id, &d) == E_OK);
	REQUIRE(rig_synced(&w.r));
	check_open(&w, buf_slice(&b), &fe1, 0, E_NO_TICKET, "locked or removed");
	buf_fini(&b);
	world_close(&w);
}

TEST_FIBER(ticket_session_end)
{
	struct ticket_claims c;
	struct world w;
	struct buf b;

	buf_init(&b, TICKET_BYTES_MAX, NULL);
	REQUIRE(world_open(&w));
	REQUIRE(issue(&w, &b));
	c = claims_of(&w);
	ticket_end_session(w.t, c.session);
	check_open(&w, buf_slice(&b), &fe1, 0, E_NO_TICKET, "session was ended");
	/* Also after a restart, once the directory has been told. */
	for (int i = 0; i < 100 && !dir_session_ended(w.r.d, c.session); i++)
		fiber_sleep("test", 20);
	REQUIRE(rig_synced(&w.r));
	tickets_close(&w.t);
	REQUIRE(tickets_start(&w, 1));
	check_open(&w, buf_slice(&b), &fe1, 0, E_NO_TICKET, "session was ended");
	/* A log-out. */
	c.session[0] = 77;
	buf_reset(&b);
	REQUIRE(ticket_issue(w.t, &c, &b) == E_OK);
	check_open(&w, buf_slice(&b), &fe1, 0, E_OK, NULL);
	ticket_forget_session(w.t, &c);
	check_open(&w, buf_slice(&b), &fe1, 0, E_NO_TICKET, "session was ended");
	buf_fini(&b);
	world_close(&w);
}

TEST_FIBER(ticket_session_end_is_told_later)
{
	struct ticket_claims c;
	struct world w;
	struct buf b;
	char n[16] = "0";

	buf_init(&b, TICKET_BYTES_MAX, NULL);
	REQUIRE(world_open(&w));
	REQUIRE(issue(&w, &b));
	c = claims_of(&w);
	pgserver_stop();
	ticket_end_session(w.t, c.session);
	check_open(&w, buf_slice(&b), &fe1, 0, E_NO_TICKET, "session was ended");
	pgserver_start();
	for (int i = 0; i < 100 && !dir_session_ended(w.r.d, c.session); i++)
		fiber_sleep("test", 100);
	CHECK(dir_session_ended(w.r.d, c.session));
	pgserver_ask("SELECT count(*) FROM ended_sessions", n, sizeof n);
	CHECK_STR(n, "1");
	buf_fini(&b);
	world_close(&w);
}

TEST_FIBER(ticket_restart_without_postgresql)
{
	struct world w;
	struct buf b, b2;

	buf_init(&b, TICKET_BYTES_MAX, NULL);
	buf_init(&b2, TICKET_BYTES_MAX, NULL);
	REQUIRE(world_open(&w));
	REQUIRE(issue(&w, &b));
	REQUIRE(rig_synced(&w.r));
	tickets_close(&w.t);
	dir_close(&w.r.d);
	pgserver_stop();
	REQUIRE(rig_start(&w.r, "be1"));
	REQUIRE(tickets_start(&w, 1));
	check_open(&w, buf_slice(&b), &fe1, TICKET_READ, E_OK, NULL);
	REQUIRE(issue(&w, &b2));
	check_open(&w, buf_slice(&b2), &fe1, TICKET_READ, E_OK, NULL);
	pgserver_start();
	buf_fini(&b);
	buf_fini(&b2);
	world_close(&w);
}

/* ---- several nodes ---- */

/* A second node on the same database; its dir_node_key is new. */
WAITS static bool join(struct world *w, struct world *second, const char *name)
{
	*second = *w;
	second->t = NULL;
	second->r.kv = dir_kv_mem_new();
	node_key_make(&second->r.key);
	return rig_start(&second->r, name) && rig_synced(&second->r);
}

WAITS static void part(struct world *second)
{
	tickets_close(&second->t);
	dir_close(&second->r.d);
	dir_kv_mem_free(&second->r.kv);
}

TEST_FIBER(ticket_keys_reach_a_new_node)
{
	struct world w, w2;
	struct buf b;

	buf_init(&b, TICKET_BYTES_MAX, NULL);
	REQUIRE(world_open(&w));
	REQUIRE(issue(&w, &b));
	REQUIRE(join(&w, &w2, "be2"));
	REQUIRE(tickets_start(&w2, 1));
	check_open(&w2, buf_slice(&b), &fe1, TICKET_READ, E_OK, NULL);
	/* One key, sealed to both. */
	{
		char n[16];

		pgserver_ask("SELECT count(DISTINCT id) || '/' || count(*) FROM ticket_keys", n,
			     sizeof n);
		CHECK_STR(n, "1/2");
	}
	/* And back. */
	REQUIRE(issue(&w2, &b));
	check_open(&w, buf_slice(&b), &fe1, TICKET_READ, E_OK, NULL);
	/* What be1 was given is of no use to another. */
	part(&w2);
	buf_fini(&b);
	world_close(&w);
}

TEST_FIBER(ticket_new_node_alone_makes_its_own_key)
{
	struct world w, w2;
	struct buf b;

	buf_init(&b, TICKET_BYTES_MAX, NULL);
	REQUIRE(world_open(&w));
	tickets_close(&w.t); /* nobody is there to share */
	REQUIRE(join(&w, &w2, "be2"));
	REQUIRE(tickets_start(&w2, 1));
	REQUIRE(issue(&w2, &b));
	check_open(&w2, buf_slice(&b), &fe1, TICKET_READ, E_OK, NULL);
	/* The first learns the second's key as it comes back. */
	REQUIRE(rig_synced(&w.r));
	REQUIRE(tickets_start(&w, 1));
	check_open(&w, buf_slice(&b), &fe1, TICKET_READ, E_OK, NULL);
	part(&w2);
	buf_fini(&b);
	world_close(&w);
}

TEST_FIBER(ticket_key_rotation)
{
	struct tickets_conf c;
	struct world w;
	struct buf old, b;
	struct diag d;
	uint32_t first = 0, second = 0;

	buf_init(&old, TICKET_BYTES_MAX, NULL);
	buf_init(&b, TICKET_BYTES_MAX, NULL);
	REQUIRE(world_open(&w));
	REQUIRE(issue(&w, &old));
	REQUIRE(seal_key_id(buf_slice(&old), &first) == E_OK);
	tickets_close(&w.t);
	c = (struct tickets_conf){.dir = w.r.d, .node_key = w.r.key, .rotate_s = 1, .settle_s = 1};
	REQUIRE(tickets_open(&c, &w.t, &d) == E_OK);
	for (int i = 0; i < 100 && (second == 0 || second == first); i++) {
		fiber_sleep("test", 100);
		REQUIRE(issue(&w, &b));
		REQUIRE(seal_key_id(buf_slice(&b), &second) == E_OK);
	}
	CHECK(second > first);
	check_open(&w, buf_slice(&b), &fe1, 0, E_OK, NULL);
	/* Sealed with the former key it is good until it expires. */
	check_open(&w, buf_slice(&old), &fe1, 0, E_OK, NULL);
	buf_fini(&old);
	buf_fini(&b);
	world_close(&w);
}

TEST_FIBER(ticket_key_not_here_yet)
{
	struct world w;
	struct seal_key k;
	struct buf b;
	struct diag d;
	struct ticket_claims c;
	uint32_t id = 0;

	buf_init(&b, TICKET_BYTES_MAX, NULL);
	REQUIRE(world_open(&w));
	REQUIRE(issue(&w, &b));
	REQUIRE(seal_key_id(buf_slice(&b), &id) == E_OK);
	/* One that another node may have made a moment ago: not for good. */
	seal_key_make(id + 1, &k);
	buf_reset(&b);
	seal_box(&k, SL("postern session ticket"), SL("x"), &b);
	CHECK_ERR(ticket_open(w.t, buf_slice(&b), &fe1, 0, &c, &d), E_RETRY);
	/* One that nobody can have made. */
	seal_key_make(id + 1000, &k);
	buf_reset(&b);
	seal_box(&k, SL("postern session ticket"), SL("x"), &b);
	CHECK_ERR(ticket_open(w.t, buf_slice(&b), &fe1, 0, &c, &d), E_NO_TICKET);
	buf_fini(&b);
	world_close(&w);
}

/* ---- recipient tokens ---- */

TEST_FIBER(rcpt_token_roundtrip)
{
	struct rcpt_token in = {.kind = RCPT_ACCOUNTS,
				.partition = 3,
				.frontend = "fe1",
				.naccounts = RCPT_TOKEN_ACCOUNTS,
				.several = true,
				.address_n = DIR_ADDRESS_MAX,
				.detail_n = 5,
				.detail = "lists"};
	struct rcpt_token out;
	struct ticket_claims c;
	struct world w;
	struct buf b, t;
	struct diag d = {.text = ""};

	buf_init(&b, RCPT_TOKEN_MAX, NULL);
	buf_init(&t, TICKET_BYTES_MAX, NULL);
	memset(in.address, 'a', sizeof in.address);
	for (unsigned i = 0; i < RCPT_TOKEN_ACCOUNTS; i++)
		in.accounts[i] = UINT64_MAX - i;
	REQUIRE(world_open(&w));
	REQUIRE(rcpt_token_seal(w.t, &in, &b) == E_OK);
	CHECK_ERR(rcpt_token_open(w.t, buf_slice(&b), &fe1, &out, &d), E_OK);
	CHECK(memcmp(&in, &out, sizeof in) == 0);
	/* Another service of the same front-end, and the queue of any back-end. */
	CHECK_ERR(rcpt_token_open(w.t, buf_slice(&b), &fe1_pop, &out, &d), E_OK);
	CHECK_ERR(rcpt_token_open(w.t, buf_slice(&b), &be1, &out, &d), E_OK);
	CHECK_ERR(rcpt_token_open(w.t, buf_slice(&b), &fe2, &out, &d), E_NO_TICKET);
	/* Neither is the other. */
	CHECK_ERR(ticket_open(w.t, buf_slice(&b), &fe1, 0, &c, &d), E_NO_TICKET);
	REQUIRE(issue(&w, &t));
	CHECK_ERR(rcpt_token_open(w.t, buf_slice(&t), &fe1, &out, &d), E_NO_TICKET);
	for (size_t i = 0; i < b.n; i += 11) {
		enum err e;

		b.p[i] = (char)(b.p[i] ^ 1);
		e = rcpt_token_open(w.t, buf_slice(&b), &fe1, &out, &d);
		CHECK(e == E_NO_TICKET || (e == E_RETRY && i >= 1 && i < 5));
		b.p[i] = (char)(b.p[i] ^ 1);
	}
	move_clock(RCPT_TOKEN_LIFE_S + 1);
	CHECK_ERR(rcpt_token_open(w.t, buf_slice(&b), &fe1, &out, &d), E_NO_TICKET);
	move_clock(0);
	in.naccounts = 0;
	CHECK_ERR(rcpt_token_seal(w.t, &in, &b), E_INVALID);
	in.naccounts = RCPT_TOKEN_ACCOUNTS + 1;
	CHECK_ERR(rcpt_token_seal(w.t, &in, &b), E_INVALID);
	in.kind = RCPT_ADDRESS;
	in.naccounts = 0;
	in.address_n = 0;
	CHECK_ERR(rcpt_token_seal(w.t, &in, &b), E_INVALID);
	in.address_n = 10;
	buf_reset(&b);
	CHECK_ERR(rcpt_token_seal(w.t, &in, &b), E_OK);
	CHECK_ERR(rcpt_token_open(w.t, buf_slice(&b), &fe1, &out, &d), E_OK);
	CHECK_INT(out.kind, RCPT_ADDRESS);
	in = (struct rcpt_token){.kind = RCPT_SENT, .partition = 7, .frontend = "fe1"};
	buf_reset(&b);
	CHECK_ERR(rcpt_token_seal(w.t, &in, &b), E_INVALID);
	in.naccounts = 1;
	in.accounts[0] = 77;
	CHECK_ERR(rcpt_token_seal(w.t, &in, &b), E_OK);
	CHECK_ERR(rcpt_token_open(w.t, buf_slice(&b), &fe1, &out, &d), E_OK);
	CHECK(out.kind == RCPT_SENT && out.partition == 7 && out.accounts[0] == 77 && !out.several);
	buf_fini(&b);
	buf_fini(&t);
	world_close(&w);
}

TEST_FIBER(lease_token_roundtrip)
{
	struct lease_token in = {.kind = LEASE_NOTICE,
				 .tells_success = true,
				 .partition = 7,
				 .record_no = UINT64_MAX,
				 .trace_id = "a message's id.",
				 .frontend = "fe1"};
	struct lease_token out;
	struct world w;
	struct buf b;
	struct diag d = {""};

	REQUIRE(world_open(&w));
	buf_init(&b, LEASE_TOKEN_MAX, NULL);
	CHECK_ERR(lease_token_seal(w.t, &in, &b), E_INVALID);
	in.n = LEASE_ITEMS_MAX;
	for (size_t i = 0; i < in.n; i++)
		in.items[i] = i << 40;
	REQUIRE(lease_token_seal(w.t, &in, &b) == E_OK);
	REQUIRE(lease_token_open(w.t, buf_slice(&b), &fe1, &out, &d) == E_OK);
	CHECK_INT(out.kind, LEASE_NOTICE);
	CHECK(memcmp(out.trace_id, in.trace_id, sizeof in.trace_id) == 0);
	CHECK(out.tells_success);
	CHECK_INT(out.partition, 7);
	CHECK(out.record_no == UINT64_MAX);
	CHECK_INT(out.n, LEASE_ITEMS_MAX);
	CHECK(memcmp(out.items, in.items, sizeof in.items) == 0);
	CHECK(out.route == 0);
	CHECK_ERR(lease_token_open(w.t, buf_slice(&b), &fe2, &out, &d), E_NO_TICKET);
	CHECK_ERR(lease_token_open(w.t, buf_slice(&b), &be1, &out, &d), E_NO_TICKET);
	b.p[b.n / 2] ^= 1;
	CHECK_ERR(lease_token_open(w.t, buf_slice(&b), &fe1, &out, &d), E_NO_TICKET);
	b.p[b.n / 2] ^= 1;
	CHECK_ERR(lease_token_open(w.t, slice_sub(buf_slice(&b), 0, b.n - 1), &fe1, &out, &d),
		  E_NO_TICKET);
	move_clock(LEASE_TOKEN_LIFE_S + 1);
	CHECK_ERR(lease_token_open(w.t, buf_slice(&b), &fe1, &out, &d), E_NO_TICKET);
	CHECK(strstr(d.text, "expired") != NULL);
	move_clock(0);
	buf_reset(&b);
	in.n++;
	CHECK_ERR(lease_token_seal(w.t, &in, &b), E_INVALID);
	buf_fini(&b);
	world_close(&w);
}

/* The longest of all; and whose bearer may log in somewhere is no other's business. */
TEST_FIBER(lease_token_of_a_route)
{
	struct rpc_identity peer = {ROLE_FRONTEND, SERVICE_OUTBOUND, ""};
	struct lease_token in = {.kind = LEASE_SEND, .route = UINT64_MAX - 1, .n = LEASE_ITEMS_MAX};
	struct lease_token out;
	struct world w;
	struct buf b;
	struct diag d = {""};

	REQUIRE(world_open(&w));
	memset(peer.name, 'f', sizeof peer.name - 1);
	memcpy(in.frontend, peer.name, sizeof in.frontend);
	memset(in.items, 0xff, sizeof in.items);
	buf_init(&b, LEASE_TOKEN_MAX, NULL);
	REQUIRE(lease_token_seal(w.t, &in, &b) == E_OK);
	REQUIRE(lease_token_open(w.t, buf_slice(&b), &peer, &out, &d) == E_OK);
	CHECK(out.route == UINT64_MAX - 1);
	CHECK_INT(out.kind, LEASE_SEND);
	CHECK(memcmp(out.items, in.items, sizeof in.items) == 0);
	CHECK_ERR(lease_token_open(w.t, buf_slice(&b), &fe2, &out, &d), E_NO_TICKET);
	buf_fini(&b);
	world_close(&w);
}
