/* Log-ins: every mechanism, every way to fail, with and without PostgreSQL. */
#include "backend/auth/auth.h"
#include "backend/auth/passwd.h"
#include "backend/auth/verify.h"
#include "common/base/clock.h"
#include "common/base/codec.h"
#include "common/base/num.h"
#include "common/crypto/scram.h"
#include "tests/unit/backend/directory/rig.h"

#include <stdio.h>

static const struct rpc_identity fe1 = {ROLE_FRONTEND, SERVICE_IMAP, "fe1"};
static const struct rpc_identity fe2 = {ROLE_FRONTEND, SERVICE_IMAP, "fe2"};

#define PASSWORD "correct horse"

struct world {
	struct rig r;
	struct tickets *t;
	struct auth *a;
	struct auth_client client;
	struct auth_reply reply;
	struct diag diag;
};

WAITS static enum err add_user(struct world *w, const char *address, enum dir_cred_kind kind)
{
	struct dir_credential cred;
	struct dir_account_spec s = {
		.address = slice_str(address), .cred = &cred, .partition = DIR_PARTITION_ANY};
	enum err e = passwd_make(slice_str(address), SL(PASSWORD), kind, &cred, &w->diag);

	return e == E_OK ? dir_account_add(w->r.d, &rig_actor, &s, NULL, &w->diag) : e;
}

WAITS static bool services_start(struct world *w)
{
	struct tickets_conf tc = {.dir = w->r.d, .node_key = w->r.key, .settle_s = 1};
	struct auth_conf ac = {.dir = w->r.d, .kv = dir_kv_mem_ops(w->r.kv)};

	if (tickets_open(&tc, &w->t, &w->diag) != E_OK ||
	    tickets_wait_ready(w->t, deadline_in(20000)) != E_OK)
		return false;
	ac.tickets = w->t;
	return auth_open(&ac, &w->a, &w->diag) == E_OK;
}

WAITS static bool world_open(struct world *w)
{
	*w = (struct world){.t = NULL};
	auth_reply_init(&w->reply);
	w->client = (struct auth_client){.session = {1},
					 .ip = {.family = 4, .b = {192, 0, 2, 1}},
					 .port = 4711,
					 .tls = true,
					 .tls_version = SL("TLSv1.3"),
					 .tls_cipher = SL("TLS_AES_256_GCM_SHA384")};
	return rig_open(&w->r) &&
	       add_user(w, "alice@example.org", DIR_CRED_SCRAM_SHA_256) == E_OK &&
	       add_user(w, "argon@example.org", DIR_CRED_ARGON2ID) == E_OK && services_start(w);
}

WAITS static void world_close(struct world *w)
{
	auth_close(&w->a);
	tickets_close(&w->t);
	auth_reply_fini(&w->reply);
	rig_close(&w->r);
}

WAITS static enum err start(struct world *w, const char *mech, bool has_initial, slice_t initial)
{
	auth_reply_fini(&w->reply);
	auth_reply_init(&w->reply);
	return auth_start(w->a, &fe1, &w->client, slice_str(mech), has_initial, initial, &w->reply,
			  &w->diag);
}

WAITS static enum err step(struct world *w, slice_t response)
{
	uint64_t exchange = w->reply.exchange;

	auth_reply_fini(&w->reply);
	auth_reply_init(&w->reply);
	return auth_step(w->a, &fe1, exchange, response, &w->reply, &w->diag);
}

WAITS static enum err plain(struct world *w, const char *name, const char *password)
{
	struct buf b;
	enum err e;

	buf_init(&b, 8192, NULL);
	buf_putc(&b, '\0');
	buf_puts(&b, name);
	buf_putc(&b, '\0');
	buf_puts(&b, password);
	e = start(w, "PLAIN", true, buf_slice(&b));
	buf_fini(&b);
	return e;
}

static struct auth_counts counts(const struct world *w)
{
	struct auth_counts c;

	auth_get_counts(w->a, &c);
	return c;
}

/* The ticket of the last reply opens for the front-end that asked. */
static void check_ticket(struct world *w, const char *account)
{
	struct ticket_claims c;

	CHECK(w->reply.done);
	CHECK_STR(w->reply.account.address, account);
	CHECK_STR(w->reply.backend, "be1");
	CHECK(w->reply.ticket_seconds > 0);
	CHECK_ERR(ticket_open(w->t, buf_slice(&w->reply.ticket), &fe1, TICKET_READ | TICKET_WRITE,
			      &c, &w->diag),
		  E_OK);
	CHECK_INT(c.account, w->reply.account.id);
	CHECK_ERR(ticket_open(w->t, buf_slice(&w->reply.ticket), &fe2, 0, &c, &w->diag),
		  E_NO_TICKET);
}

TEST_FIBER(auth_plain)
{
	struct world w;

	REQUIRE(world_open(&w));
	CHECK_ERR(plain(&w, "alice@example.org", PASSWORD), E_OK);
	check_ticket(&w, "alice@example.org");
	/* The default domain (D22), any case, an initial response that comes later. */
	CHECK_ERR(plain(&w, "Alice", PASSWORD), E_OK);
	check_ticket(&w, "alice@example.org");
	CHECK_ERR(start(&w, "plain", false, SLICE_NONE), E_OK);
	CHECK(w.reply.exchange != 0 && !w.reply.done);
	CHECK_INT(w.reply.challenge.n, 0);
	CHECK_ERR(step(&w, SL("\0alice\0" PASSWORD)), E_OK);
	check_ticket(&w, "alice@example.org");
	/* A domain alias. */
	REQUIRE(rig_domain(&w.r, "alias.test", DIR_DOMAIN_ALIAS, "example.org", "") == E_OK);
	CHECK_ERR(plain(&w, "alice@alias.test", PASSWORD), E_OK);
	check_ticket(&w, "alice@example.org");
	/* authzid: only oneself. */
	CHECK_ERR(start(&w, "PLAIN", true, SL("alice\0alice\0" PASSWORD)), E_OK);
	CHECK_ERR(start(&w, "PLAIN", true, SL("argon\0alice\0" PASSWORD)), E_DENIED);
	/* Only over TLS (F85). */
	w.client.tls = false;
	CHECK_ERR(plain(&w, "alice", PASSWORD), E_INVALID);
	CHECK_ERR(start(&w, "LOGIN", false, SLICE_NONE), E_INVALID);
	w.client.tls = true;
	CHECK_ERR(start(&w, "PLAIN", true, SL("rubbish")), E_INVALID);
	CHECK_ERR(start(&w, "CRAM-MD5", false, SLICE_NONE), E_INVALID);
	world_close(&w);
}

TEST_FIBER(auth_login)
{
	struct world w;

	REQUIRE(world_open(&w));
	CHECK_ERR(start(&w, "LOGIN", false, SLICE_NONE), E_OK);
	CHECK_SLICE(buf_slice(&w.reply.challenge), SL("Username:"));
	CHECK_ERR(step(&w, SL("alice")), E_OK);
	CHECK_SLICE(buf_slice(&w.reply.challenge), SL("Password:"));
	CHECK_ERR(step(&w, SL(PASSWORD)), E_OK);
	check_ticket(&w, "alice@example.org");
	CHECK_ERR(start(&w, "LOGIN", true, SL("argon")), E_OK);
	CHECK_SLICE(buf_slice(&w.reply.challenge), SL("Password:"));
	CHECK_ERR(step(&w, SL(PASSWORD)), E_OK);
	check_ticket(&w, "argon@example.org");
	CHECK_ERR(start(&w, "LOGIN", true, SL("alice")), E_OK);
	CHECK_ERR(step(&w, SL("wrong")), E_DENIED);
	CHECK_INT(w.reply.exchange, 0);
	CHECK_ERR(start(&w, "LOGIN", true, SL("")), E_INVALID);
	world_close(&w);
}

/* Unknown, locked, without a password, wrong: one text, one kind of work. */
TEST_FIBER(auth_denials_look_alike)
{
	static const char *const names[] = {"alice",  "nobody", "nobody@elsewhere.test",
					    "locked", "bare",   "not a name \xff"};
	struct auth_counts before, after;
	char text[256] = "";
	struct world w;

	REQUIRE(world_open(&w));
	REQUIRE(add_user(&w, "locked@example.org", DIR_CRED_SCRAM_SHA_256) == E_OK);
	REQUIRE(rig_account(&w.r, "bare@example.org", NULL) == E_OK);
	REQUIRE(dir_account_lock(w.r.d, &rig_actor, SL("locked"), &w.diag) == E_OK);
	for (size_t i = 0; i < ARRAY_LEN(names); i++) {
		check_note("name %s", names[i]);
		before = counts(&w);
		CHECK_ERR(plain(&w, names[i], i == 0 ? "wrong password" : PASSWORD), E_DENIED);
		after = counts(&w);
		if (i == 0)
			snprintf(text, sizeof text, "%s", w.diag.text);
		CHECK_STR(w.diag.text, text);
		CHECK_INT(after.database - before.database, 1);
		CHECK_INT(after.verified + after.decoys - before.verified - before.decoys, 1);
		CHECK_INT(after.denied - before.denied, 1);
		CHECK(!w.reply.done && w.reply.ticket.n == 0);
	}
	/* The locked one's password is right, and it may try again when it is unlocked. */
	REQUIRE(dir_account_unlock(w.r.d, &rig_actor, SL("locked"), &w.diag) == E_OK);
	CHECK_ERR(plain(&w, "locked", PASSWORD), E_OK);
	world_close(&w);
}

TEST_FIBER(auth_proof_cache)
{
	struct dir_credential cred;
	struct auth_counts before, after;
	struct world w;

	REQUIRE(world_open(&w));
	REQUIRE(plain(&w, "alice", PASSWORD) == E_OK);
	before = counts(&w);
	CHECK_ERR(plain(&w, "alice", PASSWORD), E_OK);
	after = counts(&w);
	CHECK_INT(after.proof_hits - before.proof_hits, 1);
	CHECK_INT(after.database, before.database);
	CHECK_INT(after.verified, before.verified);
	/* A wrong password gains nothing from it. */
	CHECK_ERR(plain(&w, "alice", "wrong password"), E_DENIED);
	CHECK_INT(counts(&w).verified - after.verified, 1);
	/* A new password ends it. */
	REQUIRE(passwd_make(SL("alice@example.org"), SL("battery staple"), DIR_CRED_SCRAM_SHA_256,
			    &cred, &w.diag) == E_OK);
	REQUIRE(dir_account_passwd(w.r.d, &rig_actor, SL("alice"), &cred, &w.diag) == E_OK);
	CHECK_ERR(plain(&w, "alice", PASSWORD), E_DENIED);
	CHECK_ERR(plain(&w, "alice", "battery staple"), E_OK);
	/* So does a lock. */
	REQUIRE(dir_account_lock(w.r.d, &rig_actor, SL("alice"), &w.diag) == E_OK);
	CHECK_ERR(plain(&w, "alice", "battery staple"), E_DENIED);
	world_close(&w);
}

TEST_FIBER(auth_without_postgresql)
{
	struct auth_last last;
	struct dir_account a;
	struct world w;

	REQUIRE(world_open(&w));
	REQUIRE(plain(&w, "alice", PASSWORD) == E_OK);
	pgserver_stop();
	/* Warm: needs nobody. Cold, wrong or unknown: cannot tell now. */
	CHECK_ERR(plain(&w, "alice", PASSWORD), E_OK);
	check_ticket(&w, "alice@example.org");
	CHECK_ERR(plain(&w, "argon", PASSWORD), E_RETRY);
	CHECK_ERR(plain(&w, "alice", "wrong password"), E_RETRY);
	CHECK_ERR(plain(&w, "nobody", PASSWORD), E_RETRY);
	CHECK_ERR(start(&w, "SCRAM-SHA-256", true, SL("n,,n=argon,r=abc")), E_RETRY);
	/* A restart forgets proofs, not the last log-in. */
	REQUIRE(dir_account_by_name(w.r.d, SL("alice"), &a) == E_OK);
	auth_close(&w.a);
	tickets_close(&w.t);
	REQUIRE(services_start(&w));
	CHECK_ERR(plain(&w, "alice", PASSWORD), E_RETRY);
	auth_last_login(w.a, a.id, &last);
	CHECK(last.when_us > clock_wall_us() - 60000000LL);
	CHECK_INT(last.service, SERVICE_IMAP);
	CHECK(ipaddr_eq(&last.ip, &w.client.ip));
	pgserver_start();
	REQUIRE(rig_synced(&w.r));
	for (int i = 0; i < 100 && plain(&w, "argon", PASSWORD) != E_OK; i++)
		fiber_sleep("test", 100);
	CHECK(w.reply.done);
	world_close(&w);
}

/* ---- SCRAM ---- */

struct scram_client {
	char gs2[64];
	const char *nonce;
	slice_t binding; /* bytes after the gs2 header in c= */
	const char *password;
	struct buf server_first, final;
	uint8_t server_signature[SCRAM_KEY_LEN];
};

/* Answers a server-first as a client does (RFC 5802 section 3). */
static bool scram_answer(struct scram_client *c, const char *first_bare, slice_t server_first)
{
	uint8_t proof[SCRAM_KEY_LEN];
	struct buf salt, cbind, message;
	slice_t s = server_first, r, salt64, iter;
	uint64_t i = 0;
	bool ok;

	buf_init(&salt, 256, NULL);
	buf_init(&cbind, 1024, NULL);
	buf_init(&message, 8192, NULL);
	buf_init(&c->final, 4096, NULL);
	r = slice_sub(s, 0, slice_find_char(s, ','));
	s = slice_from(s, r.n + 1);
	salt64 = slice_sub(s, 0, slice_find_char(s, ','));
	iter = slice_from(s, salt64.n + 1);
	ok = slice_starts(r, SL("r=")) && slice_starts(slice_from(r, 2), slice_str(c->nonce)) &&
	     r.n > 2 + strlen(c->nonce) + 16 && base64_decode(&salt, slice_from(salt64, 2)) &&
	     num_parse(slice_from(iter, 2), UINT32_MAX, &i);
	buf_puts(&cbind, c->gs2);
	buf_put(&cbind, c->binding);
	buf_puts(&c->final, "c=");
	base64_encode(&c->final, buf_slice(&cbind));
	buf_printf(&c->final, ",%.*s", (int)r.n, r.p);
	buf_printf(&message, "%s,%.*s,", first_bare, (int)server_first.n, server_first.p);
	buf_put(&message, buf_slice(&c->final));
	ok = ok && scram_client_proof(slice_str(c->password), buf_slice(&salt), (uint32_t)i,
				      buf_slice(&message), proof, c->server_signature) == E_OK;
	buf_puts(&c->final, ",p=");
	base64_encode(&c->final, slice(proof, sizeof proof));
	buf_fini(&salt);
	buf_fini(&cbind);
	buf_fini(&message);
	return ok;
}

/* The whole exchange. */
WAITS static enum err scram(struct world *w, const char *mech, const char *gs2, slice_t binding,
			    const char *name, const char *password)
{
	struct scram_client c = {
		.nonce = "rOprNGfwEbeRWgbNEkqO", .binding = binding, .password = password};
	char first[256], bare[200];
	struct buf challenge;
	enum err e;

	snprintf(c.gs2, sizeof c.gs2, "%s", gs2);
	snprintf(bare, sizeof bare, "n=%s,r=%s", name, c.nonce);
	snprintf(first, sizeof first, "%s%s", gs2, bare);
	e = start(w, mech, true, slice_str(first));
	if (e != E_OK)
		return e;
	buf_init(&challenge, 2048, NULL);
	buf_put(&challenge, buf_slice(&w->reply.challenge));
	CHECK(scram_answer(&c, bare, buf_slice(&challenge)));
	e = step(w, buf_slice(&c.final));
	if (e == E_OK) {
		/* v=: the server knew the verifier. */
		buf_reset(&challenge);
		buf_puts(&challenge, "v=");
		base64_encode(&challenge, slice(c.server_signature, sizeof c.server_signature));
		CHECK_SLICE(buf_slice(&w->reply.challenge), buf_slice(&challenge));
	}
	buf_fini(&challenge);
	buf_fini(&c.final);
	return e;
}

TEST_FIBER(auth_scram)
{
	struct auth_counts before, after;
	struct world w;

	REQUIRE(world_open(&w));
	CHECK_ERR(scram(&w, "SCRAM-SHA-256", "n,,", SLICE_NONE, "alice", PASSWORD), E_OK);
	check_ticket(&w, "alice@example.org");
	/* Warm: the verifier is at hand; the database is asked so that it takes as long. */
	before = counts(&w);
	CHECK_ERR(
		scram(&w, "SCRAM-SHA-256", "n,a=alice,", SLICE_NONE, "alice@example.org", PASSWORD),
		E_OK);
	after = counts(&w);
	CHECK_INT(after.database - before.database, 1);
	CHECK_INT(after.proof_hits - before.proof_hits, 1);
	CHECK_ERR(scram(&w, "SCRAM-SHA-256", "n,,", SLICE_NONE, "alice", "wrong"), E_DENIED);
	CHECK_ERR(scram(&w, "SCRAM-SHA-256", "n,a=argon,", SLICE_NONE, "alice", PASSWORD),
		  E_DENIED);
	/* y: fine without an offer of ours. */
	CHECK_ERR(scram(&w, "SCRAM-SHA-256", "y,,", SLICE_NONE, "alice", PASSWORD), E_OK);
	/* What c= repeats is not what was said at first. */
	CHECK_ERR(scram(&w, "SCRAM-SHA-256", "n,,", SL("x"), "alice", PASSWORD), E_DENIED);
	/* No verifier of that kind: like a wrong password. */
	CHECK_ERR(scram(&w, "SCRAM-SHA-256", "n,,", SLICE_NONE, "argon", PASSWORD), E_DENIED);
	CHECK_ERR(scram(&w, "SCRAM-SHA-256", "n,,", SLICE_NONE, "nobody", PASSWORD), E_DENIED);
	/* Without it the proof is enough, and others have to wait. */
	pgserver_stop();
	CHECK_ERR(scram(&w, "SCRAM-SHA-256", "n,,", SLICE_NONE, "alice", PASSWORD), E_OK);
	CHECK_ERR(scram(&w, "SCRAM-SHA-256", "n,,", SLICE_NONE, "nobody", PASSWORD), E_RETRY);
	pgserver_start();
	world_close(&w);
}

TEST_FIBER(auth_scram_plus)
{
	static const char binding[] = "0123456789abcdef0123456789abcdef";
	slice_t b = {binding, 32};
	struct world w;

	REQUIRE(world_open(&w));
	CHECK_ERR(scram(&w, "SCRAM-SHA-256-PLUS", "p=tls-exporter,,", b, "alice", PASSWORD),
		  E_INVALID); /* no binding is known */
	w.client.channel_binding = b;
	CHECK_ERR(scram(&w, "SCRAM-SHA-256-PLUS", "p=tls-exporter,,", b, "alice", PASSWORD), E_OK);
	check_ticket(&w, "alice@example.org");
	/* Another connection's binding: somebody stands in between. */
	CHECK_ERR(scram(&w, "SCRAM-SHA-256-PLUS", "p=tls-exporter,,", slice_sub(b, 1, 31), "alice",
			PASSWORD),
		  E_DENIED);
	CHECK_ERR(scram(&w, "SCRAM-SHA-256-PLUS", "n,,", SLICE_NONE, "alice", PASSWORD), E_INVALID);
	CHECK_ERR(scram(&w, "SCRAM-SHA-256", "p=tls-exporter,,", b, "alice", PASSWORD), E_INVALID);
	CHECK_ERR(scram(&w, "SCRAM-SHA-256", "n,,", SLICE_NONE, "alice", PASSWORD), E_OK);
	/* The client could bind and was told that we cannot (RFC 5802 section 6). */
	CHECK_ERR(scram(&w, "SCRAM-SHA-256", "y,,", SLICE_NONE, "alice", PASSWORD), E_DENIED);
	world_close(&w);
}

/* Salt and iterations of a name that does not exist are as steady as a real one's. */
TEST_FIBER(auth_scram_decoy)
{
	char salts[3][64] = {"", "", ""};
	struct world w;
	static const char *const names[] = {"nobody", "nobody", "someone"};

	REQUIRE(world_open(&w));
	for (size_t i = 0; i < ARRAY_LEN(names); i++) {
		char first[64];
		slice_t s;

		snprintf(first, sizeof first, "n,,n=%s,r=abc", names[i]);
		REQUIRE(start(&w, "SCRAM-SHA-256", true, slice_str(first)) == E_OK);
		s = buf_slice(&w.reply.challenge);
		s = slice_from(s, slice_find_char(s, ',') + 1);
		REQUIRE(slice_to_str(s, salts[i], sizeof salts[i]));
		CHECK(slice_ends(s, SL(",i=100000")));
	}
	CHECK_STR(salts[0], salts[1]);
	CHECK(strcmp(salts[0], salts[2]) != 0);
	world_close(&w);
}

TEST_FIBER(auth_scram_messages)
{
	struct world w;

	REQUIRE(world_open(&w));
	CHECK_ERR(start(&w, "SCRAM-SHA-256", false, SLICE_NONE), E_OK);
	CHECK_INT(w.reply.challenge.n, 0);
	CHECK_ERR(step(&w, SL("n,,n=alice,r=abc")), E_OK);
	CHECK(slice_starts(buf_slice(&w.reply.challenge), SL("r=abc")));
	CHECK_ERR(step(&w, SL("c=biws,r=abc,p=AAAA")),
		  E_INVALID); /* the server's part is missing */
	CHECK_ERR(start(&w, "SCRAM-SHA-256", true, SL("n,,n=a=zz,r=abc")), E_INVALID);
	CHECK_ERR(start(&w, "SCRAM-SHA-256", true, SL("n,,n=alice,r=abc")), E_OK);
	CHECK_ERR(step(&w, SL("rubbish")), E_INVALID);
	world_close(&w);
}

/* ---- exchanges ---- */

TEST_FIBER(auth_exchange_belongs_to_its_frontend)
{
	struct auth_reply other;
	struct world w;
	uint64_t id;

	REQUIRE(world_open(&w));
	REQUIRE(start(&w, "LOGIN", true, SL("alice")) == E_OK);
	id = w.reply.exchange;
	auth_reply_init(&other);
	CHECK_ERR(auth_step(w.a, &fe2, id, SL(PASSWORD), &other, &w.diag), E_INVALID);
	CHECK_ERR(auth_step(w.a, &fe1, id + 1, SL(PASSWORD), &other, &w.diag), E_INVALID);
	auth_abort(w.a, &fe2, id); /* not his to break off */
	CHECK_ERR(step(&w, SL(PASSWORD)), E_OK);
	/* Done is done. */
	CHECK_ERR(auth_step(w.a, &fe1, id, SL(PASSWORD), &other, &w.diag), E_INVALID);
	REQUIRE(start(&w, "LOGIN", true, SL("alice")) == E_OK);
	auth_abort(w.a, &fe1, w.reply.exchange);
	CHECK_ERR(step(&w, SL(PASSWORD)), E_INVALID);
	auth_reply_fini(&other);
	world_close(&w);
}

TEST_FIBER(auth_exchanges_are_bounded)
{
	struct auth_reply first;
	struct world w;

	REQUIRE(world_open(&w));
	auth_reply_init(&first);
	REQUIRE(auth_start(w.a, &fe1, &w.client, SL("PLAIN"), false, SLICE_NONE, &first, &w.diag) ==
		E_OK);
	for (int i = 0; i < AUTH_EXCHANGES_MAX; i++)
		if (start(&w, "PLAIN", false, SLICE_NONE) != E_OK)
			break;
	/* The oldest made room, the youngest goes on. */
	CHECK_ERR(step(&w, SL("\0alice\0" PASSWORD)), E_OK);
	CHECK_ERR(auth_step(w.a, &fe1, first.exchange, SL("\0alice\0" PASSWORD), &first, &w.diag),
		  E_INVALID);
	/* A response is bounded too. */
	{
		static char big[AUTH_RESPONSE_MAX + 1];

		CHECK_ERR(start(&w, "PLAIN", true, slice(big, sizeof big)), E_INVALID);
	}
	auth_reply_fini(&first);
	world_close(&w);
}

TEST_FIBER(auth_wrong_owner)
{
	struct dir_node n = {.name = "be2", .address = "127.0.0.2", .port = 7411};
	struct world w;

	REQUIRE(world_open(&w));
	REQUIRE(dir_node_register(w.r.d, &rig_actor, &n, &w.diag) == E_OK);
	REQUIRE(dir_partition_assign(w.r.d, &rig_actor, 0, SL("be2"), &w.diag) == E_OK);
	CHECK_ERR(plain(&w, "alice", PASSWORD), E_WRONG_OWNER);
	CHECK_STR(w.reply.owner.node, "be2");
	CHECK_INT(w.reply.owner.epoch, 2);
	/* A name that does not exist has an owner, too. */
	CHECK_ERR(plain(&w, "nobody", PASSWORD), E_WRONG_OWNER);
	CHECK_STR(w.reply.owner.node, "be2");
	CHECK_ERR(start(&w, "LOGIN", true, SL("alice")), E_WRONG_OWNER);
	CHECK_ERR(start(&w, "SCRAM-SHA-256", true, SL("n,,n=alice,r=abc")), E_WRONG_OWNER);
	CHECK_INT(counts(&w).database, 0);
	world_close(&w);
}

TEST_FIBER(auth_throttled)
{
	struct auth_counts before;
	struct world w;
	char text[256];

	REQUIRE(world_open(&w));
	/* At home he is known. */
	REQUIRE(plain(&w, "alice", PASSWORD) == E_OK);
	w.client.ip.b[3] = 66;
	for (int i = 0; i < 20; i++) {
		char wrong[32];
		enum err e;

		snprintf(wrong, sizeof wrong, "wrong password %d", i);
		e = plain(&w, "alice", wrong);
		CHECK(e == E_DENIED || (e == E_LIMIT && i > 4));
		if (e == E_LIMIT)
			break;
	}
	before = counts(&w);
	CHECK_ERR(plain(&w, "alice", PASSWORD), E_LIMIT);
	snprintf(text, sizeof text, "%s", w.diag.text);
	CHECK_INT(counts(&w).verified, before.verified);
	CHECK_ERR(start(&w, "SCRAM-SHA-256", true, SL("n,,n=alice,r=abc")), E_LIMIT);
	CHECK_ERR(start(&w, "LOGIN", true, SL("alice")), E_LIMIT);
	CHECK_STR(w.diag.text, text);
	w.client.ip.b[3] = 1;
	CHECK_ERR(plain(&w, "alice", PASSWORD), E_OK);
	/* And other names from elsewhere. */
	w.client.ip.b[0] = 10;
	CHECK_ERR(plain(&w, "argon", PASSWORD), E_OK);
	world_close(&w);
}

TEST_FIBER(auth_sessions_and_services)
{
	static const struct rpc_identity smtp = {ROLE_FRONTEND, SERVICE_SMTP, "fe1"};
	static const struct rpc_identity submission = {ROLE_FRONTEND, SERVICE_SUBMISSION, "fe1"};
	static const struct rpc_identity be = {ROLE_BACKEND, SERVICE_NONE, "be1"};
	struct session_info s;
	struct ticket_claims c;
	struct world w;

	REQUIRE(world_open(&w));
	REQUIRE(plain(&w, "alice", PASSWORD) == E_OK);
	REQUIRE(sessions_get(auth_sessions(w.a), w.client.session, &s));
	CHECK_INT(s.account, w.reply.account.id);
	CHECK_STR(s.mechanism, "PLAIN");
	CHECK(ipaddr_eq(&s.ip, &w.client.ip));
	REQUIRE(ticket_open(w.t, buf_slice(&w.reply.ticket), &fe1, 0, &c, &w.diag) == E_OK);
	auth_end(w.a, &c, SL("LOGOUT"), 10, 20);
	CHECK_INT(sessions_count(auth_sessions(w.a)), 0);
	/* Services that have no log-ins. */
	CHECK_ERR(auth_start(w.a, &smtp, &w.client, SL("PLAIN"), true, SL("\0alice\0" PASSWORD),
			     &w.reply, &w.diag),
		  E_INVALID);
	CHECK_ERR(auth_start(w.a, &be, &w.client, SL("PLAIN"), true, SL("\0alice\0" PASSWORD),
			     &w.reply, &w.diag),
		  E_INVALID);
	/* A submission's ticket reads no mail. */
	auth_reply_fini(&w.reply);
	auth_reply_init(&w.reply);
	CHECK_ERR(auth_start(w.a, &submission, &w.client, SL("PLAIN"), true,
			     SL("\0alice\0" PASSWORD), &w.reply, &w.diag),
		  E_OK);
	CHECK_ERR(ticket_open(w.t, buf_slice(&w.reply.ticket), &submission, TICKET_SUBMIT, &c,
			      &w.diag),
		  E_OK);
	CHECK_ERR(
		ticket_open(w.t, buf_slice(&w.reply.ticket), &submission, TICKET_READ, &c, &w.diag),
		E_NO_TICKET);
	world_close(&w);
}

TEST_FIBER(auth_outdated_verifier_is_replaced)
{
	char kind[16];
	struct world w;

	REQUIRE(world_open(&w));
	pgserver_ask("SELECT c.kind FROM credentials c JOIN accounts a ON a.id = c.account_id"
		     " WHERE local = 'argon'",
		     kind, sizeof kind);
	CHECK_STR(kind, "2");
	REQUIRE(plain(&w, "argon", PASSWORD) == E_OK);
	pgserver_ask("SELECT c.kind FROM credentials c JOIN accounts a ON a.id = c.account_id"
		     " WHERE local = 'argon'",
		     kind, sizeof kind);
	CHECK_STR(kind, "1");
	/* So that it can do SCRAM from now on; its sessions live. */
	CHECK_ERR(scram(&w, "SCRAM-SHA-256", "n,,", SLICE_NONE, "argon", PASSWORD), E_OK);
	world_close(&w);
}

TEST_FIBER(auth_passwd_policy)
{
	static const struct {
		const char *password;
		enum err e;
	} cases[] = {
		{"1111", E_INVALID},
		{"1234567", E_INVALID},
		{"12345678", E_OK},
		{"aaaaaaaaaaaa", E_INVALID},
		{"alice@example.org", E_INVALID},
		{"ALICE@example.ORG", E_INVALID},
		{"example.org", E_INVALID},
		{"long enough", E_OK},
		{"p\xc3\xa4ssw\xc3\xb6rter", E_OK},
		{"bad \xff bytes", E_INVALID},
		{"with\ttab.", E_INVALID},
		{"", E_INVALID},
	};
	static char longest[PASSWD_MAX + 1];
	struct verify one = {.max = 1};
	struct dir_credential cred;
	struct diag d;
	slice_t address = SL("alice@example.org");

	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		check_note("password %s", cases[i].password);
		CHECK_ERR(passwd_policy(address, slice_str(cases[i].password), &d), cases[i].e);
	}
	for (size_t i = 0; i < sizeof longest; i++)
		longest[i] = (char)('a' + i % 26);
	CHECK_ERR(passwd_policy(address, slice(longest, PASSWD_MAX), &d), E_OK);
	CHECK_ERR(passwd_policy(address, slice(longest, PASSWD_MAX + 1), &d), E_INVALID);
	CHECK_ERR(passwd_make(address, SL("short"), DIR_CRED_SCRAM_SHA_256, &cred, &d), E_INVALID);
	CHECK_ERR(passwd_make(address, SL("12345678"), DIR_CRED_NONE, &cred, &d), E_INVALID);
	CHECK_ERR(passwd_make(address, SL("12345678"), DIR_CRED_SCRAM_SHA_256, &cred, &d), E_OK);
	CHECK(slice_starts(slice(cred.verifier, cred.n), SL("SCRAM-SHA-256$100000:")));
	CHECK_ERR(passwd_make(address, SL("12345678"), DIR_CRED_ARGON2ID, &cred, &d), E_OK);
	CHECK(slice_starts(slice(cred.verifier, cred.n), SL("$argon2id$")));
	/* Decomposed when it was set, composed when it is typed. */
	CHECK_ERR(
		passwd_make(address, SL("cafe\xcc\x81-secret"), DIR_CRED_SCRAM_SHA_256, &cred, &d),
		E_OK);
	CHECK_ERR(verify_password(&one, &cred, DIR_CRED_NONE, SL("caf\xc3\xa9-secret")), E_OK);
	CHECK_ERR(verify_password(&one, &cred, DIR_CRED_NONE, SL("cafe-secret")), E_DENIED);
}
