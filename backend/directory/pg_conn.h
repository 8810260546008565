/*
 * pg_conn: one connection to PostgreSQL on the loop; for pg alone. One fiber uses it at a time. One
 * whose conversation was broken off (deadline, cancel, protocol error) is `broken` and thrown away:
 * nobody knows what would come next on it. Errors are pg.h's.
 */
#ifndef BACKEND_DIRECTORY_PG_CONN_H
#define BACKEND_DIRECTORY_PG_CONN_H

#include <libpq-fe.h>
#include <uv.h>

#include "backend/directory/pg.h"
#include "common/base/list.h"
#include "common/loop/fiber.h"

struct pg_conn {
	PGconn *c;
	uv_poll_t *poll; /* NULL: not yet */
	int fd;
	struct event ready;
	bool broken;
	bool lost; /* broken, since there is no server behind it */

	/* The pool's. */
	struct list node;
	struct pg_pool *pool; /* NULL: it stands apart */
	bool rested;          /* it was idle since it was opened */
};

struct pg_result {
	PGresult *r;
};

/* Opens one that belongs to no pool and no list yet. E_CANCELLED, else E_RETRY with libpq's
 * reason. */
WAITS enum err pg_conn_open(const char *conninfo, int64_t deadline_ms, struct pg_conn **out,
			    struct diag *d) MUST_USE;
/* It is in no list any more. */
void pg_conn_free(struct pg_conn *c);

/* One statement; args NULL: a script without parameters. *out (may be NULL) is the caller's to
 * free; set on E_OK only. */
WAITS enum err pg_conn_exec(struct pg_conn *c, const char *sql, const struct pg_args *args,
			    int64_t deadline_ms, struct pg_result **out, struct diag *d) MUST_USE;
/* Waits for something to come; *heard: a notification was among it. */
WAITS enum err pg_conn_listen(struct pg_conn *c, bool *heard) MUST_USE;

/* Between statements and outside of a transaction. */
bool pg_conn_is_idle(const struct pg_conn *c);
/* Leaves an idle one under watch: fn is called with h->data, the connection, when something comes.
 * false: it cannot be. */
bool pg_conn_rest(struct pg_conn *c, uv_poll_cb fn) MUST_USE;
/* Ends the watch. false: something had come, though the loop had no turn since. */
bool pg_conn_wake(struct pg_conn *c) MUST_USE;

/* E_RETRY, and all that a caller is told while there is no PostgreSQL: the reason, which may name
 * hosts and users, is in the log. */
enum err pg_away(struct diag *d);

#endif
