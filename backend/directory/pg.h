/*
 * backend/directory: who exists, where they live, and what the cluster's policy is.
 *
 *   pg         the only door to PostgreSQL: asynchronous connections on the loop (pg_conn), in a
 *              pool (pg_pool), or apart, to hear of changes (pg_listen); pg_args, pg_result: what
 *              goes in and comes out
 *   dir_sql    every SQL text of the project
 *   dir_schema applies deploy/sql/NNN_*.sql under an advisory lock
 *   dir_rec    the rows that delivery needs, and their stored form
 *   dir_image  these rows in memory; dir_rows: made of PostgreSQL's answers
 *   dir_copy   the image, mirrored in the node's environment (dir_kv_node; dir_kv_mem)
 *   dir_sync   follows dir_change and keeps the image true
 *   dir        the directory as a whole; look-ups, dir_resolve; never waits for PostgreSQL
 *   dir_admin  management calls: each one transaction with its audit row (dir_call); of
 *              dir_accounts, dir_aliases, dir_domains, dir_cluster
 *   dir_rights, dir_route*, dir_servers, dir_tls*, dir_dkim  who may send as whom, ways out,
 *              virtual servers, what TLS is demanded and was reported, keys that sign: each with
 *              its management
 *   dir_claim  work of the whole cluster that one node does at a time
 *   dir_keys   credentials, ticket keys, ended sessions: rows that ticket/ and auth/ own
 *
 * PostgreSQL is the truth. A back-end answers from its image; the image is complete (or not) and
 * was confirmed at a known time, and that decides whether "unknown" may be said for good. Nothing
 * here ever blocks the loop's thread: the image is memory, the database is waited for by fibers.
 * Memory: about 250 bytes an account and address, the price of resolution without a wait.
 *
 * Layers: directory <- ticket <- auth.
 */
/*
 * pg: asynchronous libpq on the loop. A pool opens connections as they are needed, up to a
 * maximum; a broken one is dropped and made anew after a growing pause, during which queries fail
 * at once with E_RETRY. Parameters are always bound, never pasted.
 *
 * Errors: E_RETRY   the database is away, refused by load, serialisation failed, or time is up
 *         E_EXISTS  unique violation      E_NOT_FOUND  foreign key violation
 *         E_INVALID check violation, malformed or out of range value
 *         E_CANCELLED the fiber was cancelled     E_INTERNAL anything else, logged
 * The diag carries PostgreSQL's message (for logs; it may show the statement's values). While there
 * is no server to be reached it is always "PostgreSQL is away", and the log has the reason.
 *
 * The connection string is libpq's, also with several hosts (target_session_attrs=read-write
 * finds the primary). Host names are looked up by libpq on a worker thread.
 */
#ifndef BACKEND_DIRECTORY_PG_H
#define BACKEND_DIRECTORY_PG_H

#include "common/base/buf.h"
#include "common/base/err.h"

struct pg_pool;
struct pg_tx;
struct pg_result;
struct pg_listener;

struct pg_conf {
	const char *conninfo; /* copied */
	unsigned conns_max;   /* 0: 8 */
	int64_t connect_ms;   /* 0: 5 s for one attempt */
};

#define PG_ARGS_MAX 20
/* Rows of one answer: callers page; more is our own mistake. */
#define PG_ROWS_MAX 100000

struct pg_pool *pg_pool_new(const struct pg_conf *c);
/* Waits until every user is gone, then closes the connections. */
WAITS void pg_pool_free(struct pg_pool **p);
/* A connection is open (it may break at the next use). */
bool pg_pool_up(const struct pg_pool *p);

/* ---- parameters ---- */

struct pg_arg {
	slice_t v; /* borrowed; num for the numbers */
	bool null;
	bool binary; /* bytea as raw bytes */
	char num[24];
};

/* Filled in the order of $1, $2, ... Text must not hold a NUL (E_INVALID at the query). */
struct pg_args {
	struct pg_arg a[PG_ARGS_MAX];
	unsigned n;
};

#define PG_NO_ARGS (&(struct pg_args){.n = 0})
void pg_text(struct pg_args *a, slice_t v);
void pg_bytes(struct pg_args *a, slice_t v);
void pg_u64(struct pg_args *a, uint64_t v); /* at most INT64_MAX: bigint */
void pg_i64(struct pg_args *a, int64_t v);
void pg_bool(struct pg_args *a, bool v);
void pg_null(struct pg_args *a);
/* Appends one element to the text of an array parameter; start with an empty buf, end with
 * pg_array_end and bind the buf's bytes by pg_text ($n::text[]). */
void pg_array_add(struct buf *b, slice_t element);
void pg_array_end(struct buf *b);

/* ---- questions ---- */

/* One statement on any connection; one that begins with SELECT must change nothing, for it may be
 * asked twice. *out (may be NULL) is the caller's to free; set on E_OK only. */
WAITS enum err pg_query(struct pg_pool *p, const char *sql, const struct pg_args *args,
			int64_t deadline_ms, struct pg_result **out, struct diag *d) MUST_USE;
/* Several statements in one text, without parameters (migrations). */
WAITS enum err pg_tx_script(struct pg_tx *t, const char *sql, struct diag *d) MUST_USE;

enum pg_isolation { PG_READ_COMMITTED, PG_REPEATABLE_READ };
/* A transaction with a connection of its own. All its statements share the deadline. */
WAITS enum err pg_begin(struct pg_pool *p, enum pg_isolation iso, int64_t deadline_ms,
			struct pg_tx **out, struct diag *d) MUST_USE;
WAITS enum err pg_tx_query(struct pg_tx *t, const char *sql, const struct pg_args *args,
			   struct pg_result **out, struct diag *d) MUST_USE;
/* Both end and null *t. A commit whose answer was lost is E_RETRY: it may have happened. */
WAITS enum err pg_commit(struct pg_tx **t, struct diag *d) MUST_USE;
WAITS void pg_rollback(struct pg_tx **t);

/* ---- answers ---- */

size_t pg_rows(const struct pg_result *r);
/* Rows that an INSERT, UPDATE or DELETE touched. */
uint64_t pg_touched(const struct pg_result *r);
bool pg_is_null(const struct pg_result *r, size_t row, unsigned col);
/* Valid until the result is freed; empty for NULL. */
slice_t pg_get(const struct pg_result *r, size_t row, unsigned col);
/* 0 for NULL; a value that is none of these is an invariant: the columns are our own. */
uint64_t pg_get_u64(const struct pg_result *r, size_t row, unsigned col);
int64_t pg_get_i64(const struct pg_result *r, size_t row, unsigned col);
bool pg_get_bool(const struct pg_result *r, size_t row, unsigned col);
/* Appends a bytea's bytes. */
void pg_get_bytes(const struct pg_result *r, size_t row, unsigned col, struct buf *out);
void pg_result_free(struct pg_result **r);

/* ---- nudges ---- */

/* Keeps a connection that LISTENs on channel (a literal of [a-z_]); fn runs for each
 * notification, and once after every (re)connect, outside of any fiber's wait; it must not
 * wait. */
struct pg_listener *pg_listener_new(struct pg_pool *p, const char *channel, void (*fn)(void *arg),
				    void *arg);
WAITS void pg_listener_free(struct pg_listener **l);

#endif
