/* The image follows PostgreSQL, survives without it, and knows how much it knows. */
#include "common/base/clock.h"
#include "backend/directory/pg.h"
#include "tests/lib/moved_clock.h"
#include "tests/unit/backend/directory/rig.h"

#include <stdio.h>

static enum err resolve(const struct dir *d, const char *address)
{
	struct dir_resolved r;
	struct arena mem;
	enum err e;

	arena_init(&mem, NULL);
	e = dir_resolve(d, slice_str(address), &mem, &r, NULL);
	arena_reset(&mem);
	return e;
}

static void move_clocks(int64_t us)
{
	moved_clock_begin();
	moved_clock_pass(us);
}

TEST_FIBER(sync_first_start_without_postgresql)
{
	struct rig r = {.kv = dir_kv_mem_new()};
	struct dir_status s;

	snprintf(r.conninfo, sizeof r.conninfo, "%s", pgserver_database());
	node_key_make(&r.key);
	pgserver_stop();
	REQUIRE(rig_start(&r, "be1"));
	CHECK_ERR(dir_wait_synced(r.d, deadline_in(300)), E_TIMEOUT);
	dir_get_status(r.d, &s);
	CHECK(!s.complete && !s.connected && !s.fresh);
	CHECK(s.error[0] != '\0');
	CHECK_ERR(resolve(r.d, "alice@example.org"), E_RETRY);
	CHECK_ERR(dir_domain_is_ours(r.d, SL("elsewhere.test")), E_RETRY);
	pgserver_start();
	CHECK(rig_synced(&r));
	CHECK_ERR(resolve(r.d, "alice@example.org"), E_DENIED);
	rig_close(&r);
}

TEST_FIBER(sync_postgresql_stopped)
{
	struct rig r;
	struct dir_status s;
	struct diag d;

	REQUIRE(rig_open(&r));
	REQUIRE(rig_account(&r, "alice@example.org", NULL) == E_OK);
	REQUIRE(rig_synced(&r));
	pgserver_stop();
	CHECK_ERR(dir_wait_synced(r.d, deadline_in(500)), E_TIMEOUT);
	CHECK_ERR(resolve(r.d, "alice@example.org"), E_OK);
	/* The image is complete, but somebody may have been added since. */
	CHECK_ERR(resolve(r.d, "nobody@example.org"), E_RETRY);
	CHECK_ERR(resolve(r.d, "x@elsewhere.test"), E_RETRY);
	CHECK_ERR(rig_account(&r, "bob@example.org", NULL), E_RETRY);
	CHECK_ERR(dir_setting_set(r.d, &rig_actor, SL("a"), SL("b"), &d), E_RETRY);
	/* Nor an hour later. */
	move_clocks((int64_t)(DIR_FRESH_MS + 1000) * 1000);
	dir_get_status(r.d, &s);
	CHECK(s.complete && !s.fresh);
	CHECK_ERR(resolve(r.d, "alice@example.org"), E_OK);
	CHECK_ERR(resolve(r.d, "nobody@example.org"), E_RETRY);
	CHECK_ERR(resolve(r.d, "x@elsewhere.test"), E_RETRY);
	/* Nor does it have to be, to take a stranger's mail for alice. */
	CHECK_ERR(dir_domain_is_ours(r.d, SL("elsewhere.test")), E_DENIED);
	CHECK_ERR(dir_domain_is_ours(r.d, SL("example.org")), E_OK);
	moved_clock_end();
	pgserver_start();
	CHECK(rig_synced(&r));
	CHECK_ERR(resolve(r.d, "nobody@example.org"), E_NOT_FOUND);
	CHECK_ERR(rig_account(&r, "bob@example.org", NULL), E_OK);
	rig_close(&r);
}

TEST_FIBER(sync_restart_from_the_copy)
{
	struct rig r;
	struct dir_status s;

	REQUIRE(rig_open(&r));
	REQUIRE(rig_account(&r, "alice@example.org", NULL) == E_OK);
	REQUIRE(rig_synced(&r));
	dir_close(&r.d);
	pgserver_stop();
	REQUIRE(rig_start(&r, "be1"));
	dir_get_status(r.d, &s);
	CHECK(s.complete && s.fresh && !s.connected);
	CHECK_INT(s.accounts, 1);
	CHECK_ERR(resolve(r.d, "alice@example.org"), E_OK);
	CHECK_ERR(resolve(r.d, "nobody@example.org"), E_RETRY);
	CHECK(dir_owns(r.d, 0));
	dir_close(&r.d);
	/* Two hours later, still without. */
	move_clocks(7200LL * 1000000);
	REQUIRE(rig_start(&r, "be1"));
	CHECK_ERR(resolve(r.d, "alice@example.org"), E_OK);
	CHECK_ERR(resolve(r.d, "nobody@example.org"), E_RETRY);
	dir_close(&r.d);
	/* A clock that was set back does not make it young. */
	move_clocks(-7200LL * 1000000);
	REQUIRE(rig_start(&r, "be1"));
	CHECK_ERR(resolve(r.d, "alice@example.org"), E_OK);
	dir_get_status(r.d, &s);
	CHECK(s.confirmed_us <= clock_wall_us());
	moved_clock_end();
	pgserver_start();
	CHECK(rig_synced(&r));
	rig_close(&r);
}

TEST_FIBER(sync_corrupt_copy)
{
	struct dir_kv_op bad = {.key = SL("dir/a\0\0\0\0\0\0\0\x01"), .value = SL("rubbish")};
	struct dir_kv_op stray = {.key = SL("dir/sno.such"), .value = SL("\x01\0\x01x")};
	struct rig r;
	struct dir_status s;
	const struct dir_kv *kv;

	REQUIRE(rig_open(&r));
	REQUIRE(rig_account(&r, "alice@example.org", NULL) == E_OK);
	REQUIRE(rig_synced(&r));
	dir_close(&r.d);
	kv = dir_kv_mem_ops(r.kv);
	REQUIRE(kv->apply(kv->ctx, &bad, 1, DIR_KV_SYNC) == E_OK);
	REQUIRE(kv->apply(kv->ctx, &stray, 1, DIR_KV_SYNC) == E_OK);
	pgserver_stop();
	REQUIRE(rig_start(&r, "be1"));
	dir_get_status(r.d, &s);
	CHECK(!s.complete);
	CHECK_ERR(resolve(r.d, "alice@example.org"), E_RETRY);
	pgserver_start();
	CHECK(rig_synced(&r));
	CHECK_ERR(resolve(r.d, "alice@example.org"), E_OK);
	CHECK(dir_setting(r.d, "no.such").p == NULL);
	dir_close(&r.d);
	/* And the copy is whole again. */
	pgserver_stop();
	REQUIRE(rig_start(&r, "be1"));
	dir_get_status(r.d, &s);
	CHECK(s.complete);
	CHECK_ERR(resolve(r.d, "alice@example.org"), E_OK);
	CHECK(dir_setting(r.d, "no.such").p == NULL);
	pgserver_start();
	rig_close(&r);
}

/* ---- changes made by others ---- */

struct heard {
	struct dir_sub sub;
	unsigned settings, cluster, revoked, keys, dkim, servers, sessions, accounts, ends;
	struct dir_account last;
	struct event any;
};

static void hear(const struct dir_event *ev, void *arg)
{
	struct heard *h = arg;

	switch (ev->kind) {
	case DIR_EV_SETTINGS:
		h->settings++;
		break;
	case DIR_EV_CLUSTER:
		h->cluster++;
		break;
	case DIR_EV_REVOKED:
		h->revoked++;
		break;
	case DIR_EV_KEYS:
		h->keys++;
		break;
	case DIR_EV_ROUTES:
		break;
	case DIR_EV_DKIM:
		h->dkim++;
		break;
	case DIR_EV_SERVERS:
		h->servers++;
		break;
	case DIR_EV_SESSION:
		h->sessions++;
		break;
	case DIR_EV_ACCOUNT:
		h->accounts++;
		h->ends += ev->sessions_end ? 1 : 0;
		h->last = *ev->account;
		break;
	}
	event_set(&h->any);
}

static void subscribe(struct heard *h, struct dir *d)
{
	*h = (struct heard){.sub = {.fn = hear, .arg = h}};
	list_init(&h->sub.node);
	event_init(&h->any);
	dir_subscribe(d, &h->sub);
}

TEST_FIBER(sync_another_node_hears_within_a_second)
{
	struct rig a, b;
	struct heard h;
	struct diag d;
	int64_t start;

	REQUIRE(rig_open(&a));
	REQUIRE(rig_account(&a, "alice@example.org", NULL) == E_OK);
	b = a;
	b.kv = dir_kv_mem_new();
	REQUIRE(rig_start(&b, "be2"));
	REQUIRE(rig_synced(&b));
	REQUIRE(rig_synced(&a));
	CHECK_INT(dir_node_count(a.d), 2);
	subscribe(&h, b.d);
	start = clock_mono_ms();
	REQUIRE(dir_account_lock(a.d, &rig_actor, SL("alice"), &d) == E_OK);
	while (h.ends == 0 && event_wait(&h.any, "test", deadline_in(5000)) == E_OK)
		;
	CHECK(clock_mono_ms() - start < 1000);
	CHECK_INT(h.ends, 1);
	CHECK_INT(h.last.state, DIR_LOCKED);
	CHECK_ERR(resolve(b.d, "alice@example.org"), E_OK);
	dir_unsubscribe(&h.sub);
	rig_close(&b);
	dir_close(&a.d);
	dir_kv_mem_free(&a.kv);
}

TEST_FIBER(sync_events)
{
	struct rig r;
	struct heard h;
	struct diag d;
	struct dir_credential cred = {.kind = DIR_CRED_ARGON2ID, .n = 1, .verifier = "x"};
	uint8_t session[DIR_SESSION_LEN] = {1, 2, 3};

	REQUIRE(rig_open(&r));
	REQUIRE(rig_synced(&r));
	subscribe(&h, r.d);
	REQUIRE(rig_account(&r, "alice@example.org", NULL) == E_OK);
	CHECK_INT(h.accounts, 1);
	CHECK_INT(h.ends, 0);
	CHECK_STR(h.last.address, "alice@example.org");
	REQUIRE(dir_account_quota(r.d, &rig_actor, SL("alice"), 1000, 10, &d) == E_OK);
	CHECK_INT(h.accounts, 2);
	CHECK_INT(h.ends, 0);
	CHECK_INT(h.last.quota_bytes, 1000);
	REQUIRE(dir_account_passwd(r.d, &rig_actor, SL("alice"), &cred, &d) == E_OK);
	CHECK_INT(h.ends, 1);
	REQUIRE(dir_account_lock(r.d, &rig_actor, SL("alice"), &d) == E_OK);
	CHECK_INT(h.ends, 2);
	REQUIRE(dir_account_lock(r.d, &rig_actor, SL("alice"), &d) == E_OK);
	CHECK_INT(h.ends, 2);
	REQUIRE(dir_account_unlock(r.d, &rig_actor, SL("alice"), &d) == E_OK);
	CHECK_INT(h.ends, 2);
	CHECK_INT(h.last.state, DIR_ACTIVE);
	REQUIRE(dir_account_remove(r.d, &rig_actor, SL("alice"), &d) == E_OK);
	CHECK_INT(h.ends, 3);
	CHECK_INT(h.last.state, DIR_REMOVED);
	REQUIRE(dir_setting_set(r.d, &rig_actor, SL("a.b"), SL("c"), &d) == E_OK);
	CHECK_INT(h.settings, 1);
	CHECK_SLICE(dir_setting(r.d, "a.b"), SL("c"));
	REQUIRE(dir_partition_assign(r.d, &rig_actor, 5, SL("be1"), &d) == E_OK);
	CHECK_INT(h.cluster, 1);
	REQUIRE(dir_cert_revoke(r.d, &rig_actor, SL("ab12"), SL("frontend/fe1/smtp"), &d) == E_OK);
	CHECK_INT(h.revoked, 1);
	CHECK(dir_cert_revoked(r.d, SL("ab12")));
	CHECK(!dir_cert_revoked(r.d, SL("ab13")));
	REQUIRE(dir_session_end(r.d, session, clock_wall_s() + 60, &d) == E_OK);
	REQUIRE(rig_synced(&r));
	CHECK_INT(h.sessions, 1);
	CHECK(dir_session_ended(r.d, session));
	dir_unsubscribe(&h.sub);
	rig_close(&r);
}

TEST_FIBER(sync_pages_and_deletes)
{
	struct rig r;
	struct dir_status s;

	REQUIRE(rig_open(&r));
	/* More than a page of rows and of changes; behind our back. */
	pgserver_sql("INSERT INTO accounts (domain_id, local, address, partition)"
		     " SELECT 1, 'u' || i, 'u' || i || '@example.org', 0"
		     " FROM generate_series(1, 5001) i;"
		     "INSERT INTO addresses (domain_id, local, kind, account_id)"
		     " SELECT 1, local, 1, id FROM accounts");
	REQUIRE(rig_synced(&r));
	dir_get_status(r.d, &s);
	CHECK_INT(s.accounts, 5001);
	CHECK_INT(s.addresses, 5001);
	CHECK_ERR(resolve(r.d, "u5001@example.org"), E_OK);
	dir_close(&r.d);
	/* Changes that were pruned while this node was away: everything is read anew. */
	pgserver_sql("DELETE FROM addresses WHERE local <> 'u7';"
		     "DELETE FROM accounts WHERE local <> 'u7';"
		     "INSERT INTO settings VALUES ('k', 'v');"
		     "UPDATE dir_meta SET pruned_txid = pg_current_xact_id();"
		     "DELETE FROM dir_change");
	REQUIRE(rig_start(&r, "be1"));
	REQUIRE(rig_synced(&r));
	dir_get_status(r.d, &s);
	CHECK_INT(s.accounts, 1);
	CHECK_INT(s.addresses, 1);
	CHECK_ERR(resolve(r.d, "u7@example.org"), E_OK);
	CHECK_ERR(resolve(r.d, "u8@example.org"), E_NOT_FOUND);
	CHECK_SLICE(dir_setting(r.d, "k"), SL("v"));
	dir_close(&r.d);
	pgserver_stop();
	REQUIRE(rig_start(&r, "be1"));
	dir_get_status(r.d, &s);
	CHECK_INT(s.accounts, 1);
	pgserver_start();
	rig_close(&r);
}

TEST_FIBER(sync_waits_for_older_transactions)
{
	struct rig r;
	struct pg_pool *p;
	struct pg_tx *slow = NULL;
	struct pg_conf pc;
	struct diag d;

	REQUIRE(rig_open(&r));
	pc = (struct pg_conf){.conninfo = r.conninfo};
	p = pg_pool_new(&pc);
	REQUIRE(rig_synced(&r));
	/* Takes its number first, commits last: its change must not be passed over. */
	REQUIRE(pg_begin(p, PG_READ_COMMITTED, deadline_in(20000), &slow, &d) == E_OK);
	CHECK_ERR(pg_tx_query(slow, "INSERT INTO settings VALUES ('slow', '1')", PG_NO_ARGS, NULL,
			      &d),
		  E_OK);
	CHECK_ERR(pg_query(p, "INSERT INTO settings VALUES ('fast', '1')", PG_NO_ARGS,
			   deadline_in(5000), NULL, &d),
		  E_OK);
	REQUIRE(rig_synced(&r));
	CHECK(dir_setting(r.d, "slow").p == NULL);
	CHECK_ERR(pg_commit(&slow, &d), E_OK);
	REQUIRE(rig_synced(&r));
	CHECK(dir_setting(r.d, "slow").p != NULL);
	CHECK(dir_setting(r.d, "fast").p != NULL);
	pg_pool_free(&p);
	rig_close(&r);
}

TEST_FIBER(sync_prunes_old_changes)
{
	struct rig r;
	char n[32] = "";

	REQUIRE(rig_open(&r));
	REQUIRE(rig_account(&r, "alice@example.org", NULL) == E_OK);
	REQUIRE(rig_synced(&r));
	dir_close(&r.d);
	pgserver_sql("UPDATE dir_change SET at = now() - interval '8 days';"
		     "INSERT INTO settings VALUES ('young', '1')");
	REQUIRE(rig_start(&r, "be1"));
	REQUIRE(rig_synced(&r));
	REQUIRE(rig_synced(&r));
	pgserver_ask("SELECT count(*) FROM dir_change", n, sizeof n);
	CHECK_STR(n, "1");
	/* Nobody was behind: nothing is read anew, and changes are followed as before. */
	pgserver_sql("INSERT INTO settings VALUES ('younger', '1')");
	REQUIRE(rig_synced(&r));
	CHECK(dir_setting(r.d, "young").p != NULL);
	CHECK(dir_setting(r.d, "younger").p != NULL);
	CHECK_ERR(resolve(r.d, "alice@example.org"), E_OK);
	rig_close(&r);
}
