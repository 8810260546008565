/* pg: statements, transactions, errors, reconnecting, notifications. */
#include "backend/directory/pg.h"
#include "common/base/clock.h"
#include "common/loop/fiber.h"
#include "tests/lib/check.h"
#include "tests/lib/pgserver.h"

static int64_t soon(void)
{
	return deadline_in(10000);
}

static struct pg_pool *pool(unsigned conns)
{
	struct pg_conf c = {.conninfo = pgserver_database(), .conns_max = conns};

	return pg_pool_new(&c);
}

TEST_FIBER(pg_query_types)
{
	struct pg_pool *p = pool(2);
	struct pg_args a = {.n = 0};
	struct pg_result *r = NULL;
	struct buf b;
	struct diag d = {.text = ""};

	pg_text(&a, SL("it's \"quoted\" \\ $1"));
	pg_bytes(&a, SL("\0\x01\xff"));
	pg_u64(&a, INT64_MAX);
	pg_i64(&a, -7);
	pg_bool(&a, true);
	pg_null(&a);
	CHECK_ERR(
		pg_query(
			p,
			"SELECT $1::text, $2::bytea, $3::bigint, $4::bigint, $5::boolean, $6::text",
			&a, soon(), &r, &d),
		E_OK);
	check_note("%s", d.text);
	REQUIRE(r != NULL);
	CHECK_INT(pg_rows(r), 1);
	CHECK_SLICE(pg_get(r, 0, 0), SL("it's \"quoted\" \\ $1"));
	buf_init(&b, 16, NULL);
	pg_get_bytes(r, 0, 1, &b);
	CHECK_SLICE(buf_slice(&b), SL("\0\x01\xff"));
	buf_fini(&b);
	CHECK_INT(pg_get_u64(r, 0, 2), INT64_MAX);
	CHECK_INT(pg_get_i64(r, 0, 3), -7);
	CHECK(pg_get_bool(r, 0, 4));
	CHECK(pg_is_null(r, 0, 5));
	pg_result_free(&r);
	CHECK(pg_pool_up(p));
	pg_pool_free(&p);
}

TEST_FIBER(pg_array_of_any_text)
{
	static const char *const texts[] = {
		"plain",           "",     "with \"quotes\"", "back\\slash",
		"{braces},commas", "NULL", "\xc3\xa4"};
	struct pg_pool *p = pool(1);
	struct pg_args a = {.n = 0};
	struct pg_result *r = NULL;
	struct buf b;

	buf_init(&b, 1024, NULL);
	for (size_t i = 0; i < ARRAY_LEN(texts); i++)
		pg_array_add(&b, slice_str(texts[i]));
	pg_array_end(&b);
	pg_text(&a, buf_slice(&b));
	CHECK_ERR(pg_query(p, "SELECT * FROM unnest($1::text[])", &a, soon(), &r, NULL), E_OK);
	REQUIRE(r != NULL);
	CHECK_INT(pg_rows(r), ARRAY_LEN(texts));
	for (size_t i = 0; i < pg_rows(r) && i < ARRAY_LEN(texts); i++)
		CHECK_SLICE(pg_get(r, i, 0), slice_str(texts[i]));
	pg_result_free(&r);
	buf_fini(&b);
	pg_pool_free(&p);
}

TEST_FIBER(pg_errors_by_kind)
{
	static const struct {
		const char *sql;
		enum err want;
	} cases[] = {
		{"CREATE TABLE t (i integer PRIMARY KEY, CHECK (i < 10))", E_OK},
		{"CREATE TABLE u (i integer REFERENCES t (i))", E_OK},
		{"INSERT INTO t VALUES (1)", E_OK},
		{"INSERT INTO t VALUES (1)", E_EXISTS},
		{"INSERT INTO u VALUES (2)", E_NOT_FOUND},
		{"INSERT INTO t VALUES (11)", E_INVALID},
		{"SELECT 'x'::integer", E_INVALID},
		{"SELEKT 1", E_INTERNAL},
		{"SET default_transaction_read_only = on", E_OK},
		{"INSERT INTO t VALUES (3)", E_RETRY},
		{"INSERT INTO t VALUES (3)", E_OK}, /* a new connection */
	};
	struct pg_pool *p = pool(1);
	struct pg_args a = {.n = 0};

	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct diag d = {.text = ""};

		check_note("case %zu: %s", i, cases[i].sql);
		CHECK_ERR(pg_query(p, cases[i].sql, PG_NO_ARGS, soon(), NULL, &d), cases[i].want);
	}
	pg_text(&a, SL("a\0b"));
	CHECK_ERR(pg_query(p, "SELECT $1::text", &a, soon(), NULL, NULL), E_INVALID);
	pg_pool_free(&p);
}

TEST_FIBER(pg_transaction_rolls_back)
{
	struct pg_pool *p = pool(2);
	struct pg_tx *t = NULL;
	struct pg_result *r = NULL;

	REQUIRE(pg_query(p, "CREATE TABLE t (i integer PRIMARY KEY)", PG_NO_ARGS, soon(), NULL,
			 NULL) == E_OK);
	REQUIRE(pg_begin(p, PG_READ_COMMITTED, soon(), &t, NULL) == E_OK);
	CHECK_ERR(pg_tx_query(t, "INSERT INTO t VALUES (1)", PG_NO_ARGS, NULL, NULL), E_OK);
	CHECK_ERR(pg_tx_query(t, "INSERT INTO t VALUES (1)", PG_NO_ARGS, NULL, NULL), E_EXISTS);
	CHECK_ERR(pg_tx_query(t, "SELECT 1", PG_NO_ARGS, NULL, NULL), E_RETRY);
	CHECK_ERR(pg_commit(&t, NULL), E_RETRY);
	CHECK(t == NULL);
	REQUIRE(pg_begin(p, PG_READ_COMMITTED, soon(), &t, NULL) == E_OK);
	CHECK_ERR(pg_tx_query(t, "INSERT INTO t VALUES (2)", PG_NO_ARGS, NULL, NULL), E_OK);
	CHECK_ERR(pg_commit(&t, NULL), E_OK);
	REQUIRE(pg_query(p, "SELECT i FROM t", PG_NO_ARGS, soon(), &r, NULL) == E_OK);
	CHECK_INT(pg_rows(r), 1);
	CHECK_INT(pg_get_u64(r, 0, 0), 2);
	pg_result_free(&r);
	pg_pool_free(&p);
}

TEST_FIBER(pg_deadline_and_after)
{
	struct pg_pool *p = pool(1);
	struct diag d = {.text = ""};
	int64_t start = clock_mono_ms();

	CHECK_ERR(pg_query(p, "SELECT pg_sleep(30)", PG_NO_ARGS, deadline_in(300), NULL, &d),
		  E_RETRY);
	CHECK(clock_mono_ms() - start < 5000);
	/* What hung does not spoil the next one. */
	CHECK_ERR(pg_query(p, "SELECT 1", PG_NO_ARGS, soon(), NULL, &d), E_OK);
	pg_pool_free(&p);
}

TEST_FIBER(pg_room_is_waited_for)
{
	struct pg_pool *p = pool(1);
	struct pg_tx *t = NULL;

	REQUIRE(pg_begin(p, PG_READ_COMMITTED, soon(), &t, NULL) == E_OK);
	CHECK_ERR(pg_query(p, "SELECT 1", PG_NO_ARGS, deadline_in(50), NULL, NULL), E_RETRY);
	pg_rollback(&t);
	CHECK_ERR(pg_query(p, "SELECT 1", PG_NO_ARGS, soon(), NULL, NULL), E_OK);
	pg_pool_free(&p);
}

WAITS static void check_away(struct pg_pool *p)
{
	struct diag d = {.text = ""};

	CHECK_ERR(pg_query(p, "SELECT 1", PG_NO_ARGS, soon(), NULL, &d), E_RETRY);
	CHECK_STR(d.text, "PostgreSQL is away");
}

TEST_FIBER(pg_goes_away_and_comes_back)
{
	struct pg_pool *p = pool(4), *fresh = pool(1);
	struct diag d = {.text = ""};
	struct pg_tx *t = NULL;
	int64_t start;
	enum err e = E_RETRY;

	REQUIRE(pg_query(p, "SELECT 1", PG_NO_ARGS, soon(), NULL, NULL) == E_OK);
	REQUIRE(pg_begin(p, PG_READ_COMMITTED, soon(), &t, NULL) == E_OK);
	pgserver_stop();
	/* Whether it finds out, cannot connect, or knows: it says no more than that. */
	CHECK_ERR(pg_tx_query(t, "SELECT 1", PG_NO_ARGS, NULL, &d), E_RETRY);
	CHECK_STR(d.text, "PostgreSQL is away");
	pg_rollback(&t);
	check_away(p);
	check_away(p);
	check_away(fresh);
	pg_pool_free(&fresh);
	/* While it is known to be away an answer costs nothing. */
	start = clock_mono_ms();
	for (int i = 0; i < 1000; i++)
		CHECK_ERR(pg_query(p, "SELECT 1", PG_NO_ARGS, soon(), NULL, NULL), E_RETRY);
	CHECK(clock_mono_ms() - start < 3000);
	CHECK(!pg_pool_up(p));
	pgserver_start();
	for (int i = 0; i < 100; i++) {
		e = pg_query(p, "SELECT 1", PG_NO_ARGS, soon(), NULL, NULL);
		if (e == E_OK)
			break;
		fiber_sleep("test", 100);
	}
	CHECK_ERR(e, E_OK);
	pg_pool_free(&p);
}

/* The loop has no turn meanwhile: what is idle in the pool looks as if nothing had been. */
TEST_FIBER(pg_restart_is_not_heard_of)
{
	static const char *const asked[] = {"SELECT 1", "INSERT INTO t VALUES (1)"};
	struct pg_pool *p = pool(4);
	struct diag d = {.text = ""};

	REQUIRE(pg_query(p, "CREATE TABLE t (i integer)", PG_NO_ARGS, soon(), NULL, NULL) == E_OK);
	for (size_t i = 0; i < ARRAY_LEN(asked); i++) {
		struct pg_tx *t = NULL, *other = NULL;

		REQUIRE(pg_begin(p, PG_READ_COMMITTED, soon(), &t, NULL) == E_OK);
		REQUIRE(pg_begin(p, PG_READ_COMMITTED, soon(), &other, NULL) == E_OK);
		pg_rollback(&t);
		pg_rollback(&other);
		pgserver_stop();
		pgserver_start();
		check_note("%s", asked[i]);
		CHECK_ERR(pg_query(p, asked[i], PG_NO_ARGS, soon(), NULL, &d), E_OK);
		check_note("%s", d.text);
		CHECK_ERR(pg_begin(p, PG_READ_COMMITTED, soon(), &t, &d), E_OK);
		pg_rollback(&t);
	}
	pg_pool_free(&p);
}

/* Ends the connection that has this number, under the statement: it was sent, and there is no
 * answer. */
#define VANISH "CASE WHEN pg_backend_pid() = $1::integer THEN pg_terminate_backend($1::integer) END"

WAITS static void ask_and_vanish(struct pg_pool *p, const char *sql, enum err want)
{
	struct pg_result *r = NULL;
	struct pg_args a = {.n = 0};

	REQUIRE(pg_query(p, "SELECT pg_backend_pid()", PG_NO_ARGS, soon(), &r, NULL) == E_OK);
	pg_u64(&a, pg_get_u64(r, 0, 0));
	pg_result_free(&r);
	CHECK_ERR(pg_query(p, sql, &a, soon(), NULL, NULL), want);
}

TEST_FIBER(pg_lost_under_a_statement)
{
	struct pg_pool *p = pool(2);

	REQUIRE(pg_query(p, "CREATE TABLE t (b boolean)", PG_NO_ARGS, soon(), NULL, NULL) == E_OK);
	/* What can have changed nothing is asked once more, and on a new connection. */
	ask_and_vanish(p, "SELECT " VANISH, E_OK);
	ask_and_vanish(p, "INSERT INTO t SELECT " VANISH, E_RETRY);
	/* Not more often. */
	REQUIRE(pg_query(p, "SELECT 1", PG_NO_ARGS, soon(), NULL, NULL) == E_OK);
	CHECK_ERR(pg_query(p, "SELECT pg_terminate_backend(pg_backend_pid())", PG_NO_ARGS, soon(),
			   NULL, NULL),
		  E_RETRY);
	CHECK_ERR(pg_query(p, "SELECT 1", PG_NO_ARGS, soon(), NULL, NULL), E_OK);
	pg_pool_free(&p);
}

struct nudged {
	struct event ev;
	unsigned n;
};

static void on_nudge(void *arg)
{
	struct nudged *x = arg;

	x->n++;
	event_set(&x->ev);
}

TEST_FIBER(pg_notify)
{
	struct pg_pool *p = pool(2);
	struct nudged x = {.n = 0};
	struct pg_listener *l;

	event_init(&x.ev);
	l = pg_listener_new(p, "postern_test", on_nudge, &x);
	REQUIRE(event_wait(&x.ev, "test", soon()) == E_OK); /* connected */
	REQUIRE(pg_query(p, "NOTIFY postern_test", PG_NO_ARGS, soon(), NULL, NULL) == E_OK);
	CHECK_ERR(event_wait(&x.ev, "test", soon()), E_OK);
	CHECK_INT(x.n, 2);
	pgserver_stop();
	pgserver_start();
	CHECK_ERR(event_wait(&x.ev, "test", soon()), E_OK); /* connected again */
	pg_listener_free(&l);
	pg_pool_free(&p);
}
