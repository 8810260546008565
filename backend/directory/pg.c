/*
 * pg: see pg.h. Statements and transactions, each on a connection of the pool.
 *
 * A server that is gone without a word (its host was started anew) is noticed by the statement.
 * What can have changed nothing, a BEGIN or a SELECT, is then asked once more, on a connection that
 * is opened for it; what else may have happened is for the caller to find out.
 */
#include "common/base/clock.h"
#include "backend/directory/pg_pool.h"

#define ROLLBACK_MS 2000

struct pg_tx {
	struct pg_pool *pool;
	struct pg_conn *conn;
	int64_t deadline_ms;
	bool failed;
};

/* Of the texts in dir_sql: their SELECTs change no row. */
static bool changes_nothing(const char *sql)
{
	return slice_starts(slice_str(sql), SL("SELECT ")) ||
	       slice_starts(slice_str(sql), SL("BEGIN"));
}

/* The same with a connection of the pool; *out is the caller's when it went well. */
WAITS static enum err pool_exec(struct pg_pool *p, const char *sql, const struct pg_args *args,
				int64_t deadline_ms, struct pg_conn **out, struct pg_result **r,
				struct diag *d)
{
	for (;;) {
		struct pg_conn *c = NULL;
		enum err e = pg_pool_take(p, deadline_ms, &c, d);
		bool again;

		if (e != E_OK)
			return e;
		e = pg_conn_exec(c, sql, args, deadline_ms, r, d);
		if (e == E_OK) {
			*out = c;
			return e;
		}
		again = c->lost && c->rested && changes_nothing(sql);
		/* The others were opened to the same server. */
		if (c->lost)
			pg_pool_drop_idle(p);
		pg_pool_give(p, c);
		if (!again)
			return e;
	}
}

WAITS enum err pg_query(struct pg_pool *p, const char *sql, const struct pg_args *args,
			int64_t deadline_ms, struct pg_result **out, struct diag *d)
{
	struct pg_conn *c = NULL;
	enum err e;

	pg_pool_enter(p);
	e = pool_exec(p, sql, args, deadline_ms, &c, out, d);
	if (e == E_OK)
		pg_pool_give(p, c);
	pg_pool_leave(p);
	return e;
}
/* ---- transactions ---- */

WAITS enum err pg_begin(struct pg_pool *p, enum pg_isolation iso, int64_t deadline_ms,
			struct pg_tx **out, struct diag *d)
{
	const char *sql =
		iso == PG_REPEATABLE_READ ? "BEGIN ISOLATION LEVEL REPEATABLE READ" : "BEGIN";
	struct pg_tx *t;
	struct pg_conn *c = NULL;
	enum err e;

	pg_pool_enter(p);
	e = pool_exec(p, sql, PG_NO_ARGS, deadline_ms, &c, NULL, d);
	if (e != E_OK) {
		pg_pool_leave(p);
		return e;
	}
	t = xcalloc(1, sizeof(*t));
	t->pool = p;
	t->conn = c;
	t->deadline_ms = deadline_ms;
	*out = t;
	return E_OK;
}

WAITS static enum err tx_exec(struct pg_tx *t, const char *sql, const struct pg_args *args,
			      struct pg_result **out, struct diag *d)
{
	enum err e;

	if (t->failed || t->conn->broken)
		return diag_set(d, E_RETRY, "the transaction has failed");
	e = pg_conn_exec(t->conn, sql, args, t->deadline_ms, out, d);
	if (e != E_OK)
		t->failed = true;
	return e;
}

WAITS enum err pg_tx_query(struct pg_tx *t, const char *sql, const struct pg_args *args,
			   struct pg_result **out, struct diag *d)
{
	return tx_exec(t, sql, args, out, d);
}

WAITS enum err pg_tx_script(struct pg_tx *t, const char *sql, struct diag *d)
{
	return tx_exec(t, sql, NULL, NULL, d);
}

static void tx_end(struct pg_tx **tp)
{
	struct pg_tx *t = *tp;

	pg_pool_give(t->pool, t->conn);
	pg_pool_leave(t->pool);
	xfree(tp);
}

WAITS enum err pg_commit(struct pg_tx **tp, struct diag *d)
{
	struct pg_tx *t = *tp;
	enum err e;

	if (t->failed) {
		pg_rollback(tp);
		return diag_set(d, E_RETRY, "the transaction has failed");
	}
	e = tx_exec(t, "COMMIT", PG_NO_ARGS, NULL, d);
	tx_end(tp);
	return e;
}

WAITS void pg_rollback(struct pg_tx **tp)
{
	struct pg_tx *t = *tp;

	if (t == NULL)
		return;
	if (!t->conn->broken) {
		fiber_shield_begin();
		if (pg_conn_exec(t->conn, "ROLLBACK", PG_NO_ARGS, deadline_in(ROLLBACK_MS), NULL,
				 NULL) != E_OK)
			t->conn->broken = true;
		fiber_shield_end();
	}
	tx_end(tp);
}
