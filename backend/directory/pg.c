/*
 * pg: see pg.h. One struct pg_conn is used by one fiber at a time. An idle connection stays under
 * watch, and is looked at once more when it is taken: one which the server closed is dropped before
 * anybody asks it something. A connection whose conversation was broken off (deadline, cancel,
 * protocol error) is thrown away: nobody knows what would come next on it.
 *
 * A server that is gone without a word (its host was started anew) is noticed by the statement.
 * What can have changed nothing, a BEGIN or a SELECT, is then asked once more, on a connection that
 * is opened for it; what else may have happened is for the caller to find out.
 *
 * Connecting runs on worker threads, step by step: libpq looks up names and computes SCRAM in it,
 * neither of which belongs on a loop.
 */
#include "backend/directory/pg.h"

#include <libpq-fe.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <uv.h>

#include "common/base/clock.h"
#include "common/base/codec.h"
#include "common/base/num.h"
#include "common/crypto/random.h"
#include "common/log/log.h"
#include "common/log/metric.h"
#include "common/loop/fiber.h"
#include "common/loop/work.h"

#define CONNS_DEFAULT      8
#define CONNECT_MS_DEFAULT 5000
#define PAUSE_FIRST_MS     100
#define PAUSE_MAX_MS       5000 /* a database that is back is found within this */
#define ROLLBACK_MS        2000

METRIC_COUNTER(m_queries, "pg_queries_total", "Statements sent to PostgreSQL");
METRIC_COUNTER(m_failures, "pg_failures_total", "Statements that failed for want of PostgreSQL");
METRIC_COUNTER(m_connects, "pg_connects_total", "Connections to PostgreSQL opened");
METRIC_HISTOGRAM(m_time, "pg_query_seconds", "Time of one statement", METRIC_US, METRIC_LATENCY);

struct pg_pool {
	char *conninfo;
	unsigned conns_max;
	int64_t connect_ms;
	struct list idle;
	unsigned nconns; /* open, opening and idle */
	unsigned users;  /* fibers inside a call */
	bool closing;
	struct waitq room;   /* a connection came back */
	struct waitq empty;  /* users is 0 */
	int64_t next_try_ms; /* mono; no attempt before */
	int64_t pause_ms;
	bool trying; /* one attempt at a time while it fails */
};

struct pg_conn {
	struct list node; /* in pool->idle */
	struct pg_pool *pool;
	PGconn *c;
	uv_poll_t *poll; /* NULL: not yet */
	int fd;
	struct event ready;
	bool rested; /* it was idle since it was opened */
	bool broken;
	bool lost; /* broken, since there is no server behind it */
};

struct pg_tx {
	struct pg_pool *pool;
	struct pg_conn *conn;
	int64_t deadline_ms;
	bool failed;
};

struct pg_result {
	PGresult *r;
};

/* ---- connections ---- */

static void on_poll_closed(uv_handle_t *h)
{
	xfree_(h);
}

static void on_ready(uv_poll_t *h, int status, int events)
{
	struct pg_conn *c = h->data;

	(void)status; /* an error shows itself at the next libpq call */
	(void)events;
	event_set(&c->ready);
}

static void conn_unwatch(struct pg_conn *c)
{
	if (c->poll == NULL)
		return;
	uv_close((uv_handle_t *)c->poll, on_poll_closed);
	c->poll = NULL;
}

static void conn_free(struct pg_conn *c)
{
	conn_unwatch(c);
	if (c->c != NULL)
		PQfinish(c->c);
	list_remove(&c->node);
	if (c->pool != NULL) {
		invariant(c->pool->nconns > 0);
		c->pool->nconns--;
		waitq_wake_one(&c->pool->room);
	}
	xfree(&c);
}

/* The socket may be another one after each step of connecting. */
static enum err conn_watch(struct pg_conn *c)
{
	int fd = PQsocket(c->c);

	if (fd < 0)
		return E_RETRY;
	if (c->poll != NULL && c->fd == fd)
		return E_OK;
	conn_unwatch(c);
	c->poll = xcalloc(1, sizeof(*c->poll));
	if (uv_poll_init(loop_uv(loop_current()), c->poll, fd) != 0) {
		xfree(&c->poll);
		return E_RETRY;
	}
	c->poll->data = c;
	c->fd = fd;
	return E_OK;
}

WAITS static enum err conn_wait(struct pg_conn *c, int events, const char *name,
				int64_t deadline_ms)
{
	enum err e;

	event_reset(&c->ready);
	if (uv_poll_start(c->poll, events, on_ready) != 0)
		return E_RETRY;
	e = event_wait(&c->ready, name, deadline_ms);
	uv_poll_stop(c->poll);
	return e;
}

static void on_notice(void *arg, const char *text)
{
	(void)arg;
	(void)text;
}

struct connect_step {
	struct pg_conn *c;
	const char *conninfo;
	PostgresPollingStatusType status;
};

static void connect_begin(void *arg)
{
	struct connect_step *s = arg;
	const char *const keys[] = {"dbname", "fallback_application_name", "client_encoding", NULL};
	const char *const values[] = {s->conninfo, "postern", "UTF8", NULL};

	s->c->c = PQconnectStartParams(keys, values, 1);
	s->status = s->c->c == NULL || PQstatus(s->c->c) == CONNECTION_BAD ? PGRES_POLLING_FAILED
									   : PGRES_POLLING_WRITING;
}

static void connect_poll(void *arg)
{
	struct connect_step *s = arg;

	s->status = PQconnectPoll(s->c->c);
}

static slice_t pq_text(const char *s)
{
	return slice_trim(slice_str(s));
}

/* libpq's reasons come in several lines, indented by tabs. */
static void one_line(struct diag *d)
{
	char *to = d->text;

	for (const char *p = d->text; *p != '\0'; p++)
		if ((unsigned char)*p > ' ')
			*to++ = *p;
		else if (to == d->text || to[-1] != ' ')
			*to++ = ' ';
	*to = '\0';
}

/* All that a caller is told while there is no PostgreSQL: the reason, which may name hosts and
 * users, is in the log. */
static enum err away(struct diag *d)
{
	return diag_set(d, E_RETRY, "PostgreSQL is away");
}

/* There is no server behind the connection any more. */
static enum err conn_lost(struct pg_conn *c, struct diag *d)
{
	slice_t text = pq_text(PQerrorMessage(c->c));
	struct diag why;

	c->broken = true;
	c->lost = true;
	diag_set(&why, E_RETRY, "%.*s", (int)MIN(text.n, 200u), text.p);
	one_line(&why);
	LOG(LOG_WARN, NULL, "pg.lost", LF_STR("why", why.text));
	return away(d);
}

WAITS static enum err connect_steps(struct connect_step *s, int64_t deadline_ms)
{
	enum err e = work_run("pg.connect", connect_begin, s);

	while (e == E_OK && s->status != PGRES_POLLING_OK) {
		if (s->status == PGRES_POLLING_FAILED)
			return E_RETRY;
		if (s->status != PGRES_POLLING_ACTIVE) {
			e = conn_watch(s->c);
			if (e == E_OK)
				e = conn_wait(s->c,
					      s->status == PGRES_POLLING_READING ? UV_READABLE
										 : UV_WRITABLE,
					      "pg.connect", deadline_ms);
		}
		/* Closed before libpq may close the descriptor under it. */
		conn_unwatch(s->c);
		if (e == E_OK)
			e = work_run("pg.connect", connect_poll, s);
	}
	return e == E_OK ? conn_watch(s->c) : e;
}

/* Opens a connection that belongs to no list yet. */
WAITS static enum err conn_open(const struct pg_pool *p, int64_t deadline_ms, struct pg_conn **out,
				struct diag *d)
{
	struct pg_conn *c = xcalloc(1, sizeof(*c));
	struct connect_step s = {.c = c, .conninfo = p->conninfo};
	enum err e;

	list_init(&c->node);
	event_init(&c->ready);
	c->fd = -1;
	e = connect_steps(&s, MIN(deadline_ms, deadline_in(p->connect_ms)));
	if (e != E_OK) {
		slice_t why = e == E_RETRY && c->c != NULL ? pq_text(PQerrorMessage(c->c))
							   : slice_str(err_name(e));

		diag_set(d, e, "connecting to PostgreSQL: %.*s", (int)MIN(why.n, 200u), why.p);
		if (d != NULL)
			one_line(d);
		conn_free(c);
		return e == E_CANCELLED ? e : E_RETRY;
	}
	PQsetnonblocking(c->c, 1);
	PQsetNoticeProcessor(c->c, on_notice, NULL);
	metric_add(&m_connects, 1);
	*out = c;
	return E_OK;
}

/* ---- the pool ---- */

struct pg_pool *pg_pool_new(const struct pg_conf *c)
{
	struct pg_pool *p = xcalloc(1, sizeof(*p));

	p->conninfo = xstrdup(c->conninfo);
	p->conns_max = c->conns_max != 0 ? c->conns_max : CONNS_DEFAULT;
	p->connect_ms = c->connect_ms != 0 ? c->connect_ms : CONNECT_MS_DEFAULT;
	list_init(&p->idle);
	waitq_init(&p->room);
	waitq_init(&p->empty);
	return p;
}

static void drop_idle(struct pg_pool *p)
{
	struct list *n;

	while ((n = list_pop(&p->idle)) != NULL)
		conn_free(list_entry(n, struct pg_conn, node));
}

WAITS void pg_pool_free(struct pg_pool **pp)
{
	struct pg_pool *p = *pp;

	if (p == NULL)
		return;
	p->closing = true;
	waitq_wake_all(&p->room);
	fiber_shield_begin();
	while (p->users > 0)
		if (waitq_wait(&p->empty, "pg.close", NO_DEADLINE) != E_OK)
			break;
	fiber_shield_end();
	drop_idle(p);
	invariant(p->nconns == 0);
	xfree(&p->conninfo);
	xfree(pp);
}

bool pg_pool_up(const struct pg_pool *p)
{
	return p->nconns > 0 && p->pause_ms == 0;
}

/* Something came on a connection that nobody asks: its end, or why it ends. (A server that reads
 * its settings anew may tell so, too; then a connection is opened for nothing.) */
static void on_idle(uv_poll_t *h, int status, int events)
{
	(void)status;
	(void)events;
	conn_free(h->data);
}

/* Whether that has come already, though the loop had no turn since. */
static bool has_ended(const struct pg_conn *c)
{
	struct pollfd fd = {.fd = c->fd, .events = POLLIN};

	return poll(&fd, 1, 0) != 0;
}

static void pool_give(struct pg_pool *p, struct pg_conn *c)
{
	if (c->broken || p->closing || PQstatus(c->c) != CONNECTION_OK ||
	    PQtransactionStatus(c->c) != PQTRANS_IDLE ||
	    uv_poll_start(c->poll, UV_READABLE, on_idle) != 0) {
		conn_free(c);
		return;
	}
	c->rested = true;
	list_prepend(&p->idle, &c->node);
	waitq_wake_one(&p->room);
}

static void pool_note_failure(struct pg_pool *p, const struct diag *d)
{
	if (p->pause_ms == 0)
		LOG(LOG_WARN, NULL, "pg.down", LF_STR("why", d->text));
	p->pause_ms = p->pause_ms == 0 ? PAUSE_FIRST_MS : MIN(p->pause_ms * 2, PAUSE_MAX_MS);
	/* Spread, so that a cluster's nodes do not come back as one. */
	p->next_try_ms =
		clock_mono_ms() + p->pause_ms - random_below((uint32_t)p->pause_ms / 4 + 1);
}

WAITS static enum err pool_connect(struct pg_pool *p, int64_t deadline_ms, struct pg_conn **out,
				   struct diag *d)
{
	struct diag why = {""};
	enum err e;

	if (p->pause_ms != 0 && (p->trying || clock_mono_ms() < p->next_try_ms))
		return away(d);
	p->nconns++;
	p->trying = true;
	e = conn_open(p, deadline_ms, out, &why);
	p->trying = false;
	if (e != E_OK) {
		p->nconns--;
		waitq_wake_one(&p->room);
		if (e == E_CANCELLED)
			return diag_set(d, e, "%s", why.text);
		pool_note_failure(p, &why);
		return away(d);
	}
	(*out)->pool = p;
	if (p->pause_ms != 0)
		LOG(LOG_INFO, NULL, "pg.up", LF_STR("host", PQhost((*out)->c)));
	p->pause_ms = 0;
	return E_OK;
}

WAITS static enum err pool_take(struct pg_pool *p, int64_t deadline_ms, struct pg_conn **out,
				struct diag *d)
{
	while (!p->closing) {
		struct list *n = list_pop(&p->idle);
		enum err e;

		if (n != NULL) {
			*out = list_entry(n, struct pg_conn, node);
			uv_poll_stop((*out)->poll);
			if (!has_ended(*out))
				return E_OK;
			conn_free(*out);
			*out = NULL;
			continue;
		}
		if (p->nconns < p->conns_max)
			return pool_connect(p, deadline_ms, out, d);
		e = waitq_wait(&p->room, "pg.room", deadline_ms);
		if (e != E_OK)
			return diag_set(d, e == E_CANCELLED ? e : E_RETRY,
					"all connections to PostgreSQL are in use");
	}
	return diag_set(d, E_RETRY, "shutting down");
}

static void pool_leave(struct pg_pool *p)
{
	invariant(p->users > 0);
	if (--p->users == 0)
		waitq_wake_all(&p->empty);
}

/* ---- one statement ---- */

static enum err map_state(const char *state)
{
	if (state == NULL || strlen(state) != 5)
		return E_RETRY;
	if (strcmp(state, "23505") == 0)
		return E_EXISTS;
	if (strcmp(state, "23503") == 0)
		return E_NOT_FOUND;
	if (strncmp(state, "23", 2) == 0 || strncmp(state, "22", 2) == 0)
		return E_INVALID;
	/* connection, rollback, resources, operator intervention, read-only, lock */
	if (strncmp(state, "08", 2) == 0 || strncmp(state, "40", 2) == 0 ||
	    strncmp(state, "53", 2) == 0 || strncmp(state, "57", 2) == 0 ||
	    strcmp(state, "25006") == 0 || strcmp(state, "55P03") == 0)
		return E_RETRY;
	return E_INTERNAL;
}

/* The server ends, or libpq made the result up because the connection broke. */
static bool is_gone(const char *state)
{
	return state == NULL || strncmp(state, "08", 2) == 0 || strncmp(state, "57P", 3) == 0;
}

static enum err result_check(struct pg_conn *c, const PGresult *r, struct diag *d)
{
	const char *state = PQresultErrorField(r, PG_DIAG_SQLSTATE);
	slice_t why;
	enum err e;

	switch ((int)PQresultStatus(r)) {
	case PGRES_COMMAND_OK:
	case PGRES_TUPLES_OK:
		return E_OK;
	default:
		break;
	}
	if (is_gone(state))
		return conn_lost(c, d);
	e = map_state(state);
	/* A former primary that only reads now: the next connection finds the new one. */
	if (strcmp(state, "25006") == 0)
		c->broken = true;
	why = pq_text(PQresultErrorField(r, PG_DIAG_MESSAGE_PRIMARY));
	if (why.n == 0)
		why = pq_text(PQerrorMessage(c->c));
	if (e == E_INTERNAL)
		LOG(LOG_ERROR, NULL, "pg.error", LF_STR("state", state), LF_SLICE("why", why));
	return diag_set(d, e, "PostgreSQL: %.*s", (int)MIN(why.n, 200u), why.p);
}

WAITS static enum err conn_flush(struct pg_conn *c, int64_t deadline_ms)
{
	int rc;

	while ((rc = PQflush(c->c)) == 1) {
		enum err e = conn_wait(c, UV_READABLE | UV_WRITABLE, "pg.send", deadline_ms);

		if (e != E_OK)
			return e;
		if (PQconsumeInput(c->c) == 0)
			return E_RETRY;
	}
	return rc == 0 ? E_OK : E_RETRY;
}

/* Reads all results of what was sent; keeps the last, or the first failed one. */
WAITS static enum err conn_results(struct pg_conn *c, int64_t deadline_ms, PGresult **out)
{
	PGresult *kept = NULL;

	for (;;) {
		PGresult *r;

		while (PQisBusy(c->c)) {
			enum err e = conn_wait(c, UV_READABLE, "pg.answer", deadline_ms);

			if (e == E_OK && PQconsumeInput(c->c) == 0)
				e = E_RETRY;
			if (e != E_OK) {
				PQclear(kept);
				return e;
			}
		}
		r = PQgetResult(c->c);
		if (r == NULL)
			break;
		if (kept != NULL && PQresultStatus(kept) == PGRES_FATAL_ERROR) {
			PQclear(r);
			continue;
		}
		PQclear(kept);
		kept = r;
		/* COPY is never asked for; its end would not come by itself. */
		if (PQstatus(c->c) != CONNECTION_OK)
			break;
	}
	*out = kept;
	return kept != NULL ? E_OK : E_RETRY;
}

static enum err conn_send(struct pg_conn *c, const char *sql, const struct pg_args *args,
			  struct diag *d)
{
	const char *values[PG_ARGS_MAX];
	int lengths[PG_ARGS_MAX], formats[PG_ARGS_MAX];
	/* libpq wants C strings for text: NUL-terminated copies. */
	struct buf copy;
	size_t at[PG_ARGS_MAX];
	int sent;

	buf_init(&copy, SIZE_MAX / 2, NULL);
	for (unsigned i = 0; i < args->n; i++) {
		const struct pg_arg *a = &args->a[i];

		at[i] = copy.n;
		if (a->null || a->binary || a->v.p == NULL)
			continue;
		if (slice_find_char(a->v, '\0') != a->v.n) {
			buf_fini(&copy);
			return diag_set(d, E_INVALID, "text with a NUL");
		}
		buf_put(&copy, a->v);
		buf_putc(&copy, '\0');
	}
	for (unsigned i = 0; i < args->n; i++) {
		const struct pg_arg *a = &args->a[i];

		formats[i] = a->binary ? 1 : 0;
		lengths[i] = (int)MIN(a->v.n, (size_t)INT32_MAX);
		values[i] = a->null          ? NULL
			    : a->binary      ? a->v.p
			    : a->v.p == NULL ? a->num
					     : copy.p + at[i];
	}
	sent = PQsendQueryParams(c->c, sql, (int)args->n, NULL, values, lengths, formats, 0);
	buf_fini(&copy);
	return sent == 1 ? E_OK : conn_lost(c, d);
}

/* args NULL: a script without parameters. */
WAITS static enum err conn_exec(struct pg_conn *c, const char *sql, const struct pg_args *args,
				int64_t deadline_ms, struct pg_result **out, struct diag *d)
{
	int64_t start = clock_mono_us();
	PGresult *r = NULL;
	enum err e;

	metric_add(&m_queries, 1);
	if (args != NULL)
		e = conn_send(c, sql, args, d);
	else
		e = PQsendQuery(c->c, sql) == 1 ? E_OK : conn_lost(c, d);
	if (e != E_OK)
		return e;
	e = conn_flush(c, deadline_ms);
	if (e == E_OK)
		e = conn_results(c, deadline_ms, &r);
	metric_observe(&m_time, (uint64_t)(clock_mono_us() - start));
	if (e != E_OK) {
		c->broken = true;
		metric_add(&m_failures, 1);
		if (e != E_TIMEOUT && e != E_CANCELLED)
			return conn_lost(c, d);
		return diag_set(d, e == E_CANCELLED ? e : E_RETRY, "PostgreSQL: %s",
				e == E_TIMEOUT ? "no answer in time" : "the question was dropped");
	}
	e = result_check(c, r, d);
	if (e == E_OK && out != NULL) {
		*out = xcalloc(1, sizeof(**out));
		(*out)->r = r;
		return E_OK;
	}
	PQclear(r);
	return e;
}

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
		enum err e = pool_take(p, deadline_ms, &c, d);
		bool again;

		if (e != E_OK)
			return e;
		e = conn_exec(c, sql, args, deadline_ms, r, d);
		if (e == E_OK) {
			*out = c;
			return e;
		}
		again = c->lost && c->rested && changes_nothing(sql);
		/* The others were opened to the same server. */
		if (c->lost)
			drop_idle(p);
		pool_give(p, c);
		if (!again)
			return e;
	}
}

WAITS enum err pg_query(struct pg_pool *p, const char *sql, const struct pg_args *args,
			int64_t deadline_ms, struct pg_result **out, struct diag *d)
{
	struct pg_conn *c = NULL;
	enum err e;

	p->users++;
	e = pool_exec(p, sql, args, deadline_ms, &c, out, d);
	if (e == E_OK)
		pool_give(p, c);
	pool_leave(p);
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

	p->users++;
	e = pool_exec(p, sql, PG_NO_ARGS, deadline_ms, &c, NULL, d);
	if (e != E_OK) {
		pool_leave(p);
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
	e = conn_exec(t->conn, sql, args, t->deadline_ms, out, d);
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

	pool_give(t->pool, t->conn);
	pool_leave(t->pool);
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
		if (conn_exec(t->conn, "ROLLBACK", PG_NO_ARGS, deadline_in(ROLLBACK_MS), NULL,
			      NULL) != E_OK)
			t->conn->broken = true;
		fiber_shield_end();
	}
	tx_end(tp);
}

/* ---- answers ---- */

size_t pg_rows(const struct pg_result *r)
{
	return (size_t)PQntuples(r->r);
}

uint64_t pg_touched(const struct pg_result *r)
{
	uint64_t n = 0;

	return num_parse(slice_str(PQcmdTuples(r->r)), UINT64_MAX, &n) ? n : 0;
}

bool pg_is_null(const struct pg_result *r, size_t row, unsigned col)
{
	return PQgetisnull(r->r, (int)row, (int)col) != 0;
}

slice_t pg_get(const struct pg_result *r, size_t row, unsigned col)
{
	invariant(row < pg_rows(r) && col < (unsigned)PQnfields(r->r));
	return slice(PQgetvalue(r->r, (int)row, (int)col),
		     (size_t)PQgetlength(r->r, (int)row, (int)col));
}

uint64_t pg_get_u64(const struct pg_result *r, size_t row, unsigned col)
{
	uint64_t v = 0;

	if (!pg_is_null(r, row, col))
		invariant(num_parse(pg_get(r, row, col), UINT64_MAX, &v));
	return v;
}

int64_t pg_get_i64(const struct pg_result *r, size_t row, unsigned col)
{
	slice_t s = pg_get(r, row, col);
	bool minus = slice_starts(s, SL("-"));
	uint64_t v = 0;

	if (!pg_is_null(r, row, col))
		invariant(num_parse(slice_from(s, minus ? 1 : 0), INT64_MAX, &v));
	return minus ? -(int64_t)v : (int64_t)v;
}

bool pg_get_bool(const struct pg_result *r, size_t row, unsigned col)
{
	return slice_eq(pg_get(r, row, col), SL("t"));
}

void pg_get_bytes(const struct pg_result *r, size_t row, unsigned col, struct buf *out)
{
	slice_t s = pg_get(r, row, col);

	if (!pg_is_null(r, row, col))
		invariant(slice_starts(s, SL("\\x")) && hex_decode(out, slice_from(s, 2)));
}

void pg_result_free(struct pg_result **r)
{
	if (*r == NULL)
		return;
	PQclear((*r)->r);
	xfree(r);
}

/* ---- nudges ---- */

struct pg_listener {
	struct pg_pool *pool; /* its conninfo only */
	const char *channel;
	void (*fn)(void *arg);
	void *arg;
	struct fiber *fiber;
	struct event ended;
};

WAITS static enum err listen_on(struct pg_listener *l, struct pg_conn *c)
{
	char sql[64];
	enum err e;

	snprintf(sql, sizeof(sql), "LISTEN %s", l->channel);
	e = conn_exec(c, sql, PG_NO_ARGS, deadline_in(l->pool->connect_ms), NULL, NULL);
	if (e == E_OK)
		l->fn(l->arg);
	while (e == E_OK) {
		PGnotify *n;
		bool heard = false;

		e = conn_wait(c, UV_READABLE, "pg.notify", NO_DEADLINE);
		if (e == E_OK && PQconsumeInput(c->c) == 0)
			e = E_RETRY;
		while (e == E_OK && (n = PQnotifies(c->c)) != NULL) {
			PQfreemem(n);
			heard = true;
		}
		if (heard)
			l->fn(l->arg);
	}
	return e;
}

WAITS static void listener_main(void *arg)
{
	struct pg_listener *l = arg;
	int64_t pause = PAUSE_FIRST_MS;

	while (!fiber_cancelled()) {
		struct pg_conn *c = NULL;

		if (conn_open(l->pool, NO_DEADLINE, &c, NULL) == E_OK) {
			pause = PAUSE_FIRST_MS;
			if (listen_on(l, c) == E_CANCELLED) {
				conn_free(c);
				break;
			}
			conn_free(c);
		}
		fiber_sleep("pg.listen.pause", pause);
		pause = MIN(pause * 2, PAUSE_MAX_MS);
	}
	l->fiber = NULL;
	event_set(&l->ended);
}

struct pg_listener *pg_listener_new(struct pg_pool *p, const char *channel, void (*fn)(void *arg),
				    void *arg)
{
	struct pg_listener *l = xcalloc(1, sizeof(*l));

	l->pool = p;
	l->channel = channel;
	l->fn = fn;
	l->arg = arg;
	event_init(&l->ended);
	p->users++;
	/* Without it changes are found by the poll alone. */
	if (fiber_start("pg.listen", listener_main, l, &l->fiber) != E_OK)
		event_set(&l->ended);
	return l;
}

WAITS void pg_listener_free(struct pg_listener **lp)
{
	struct pg_listener *l = *lp;

	if (l == NULL)
		return;
	if (l->fiber != NULL)
		fiber_cancel(l->fiber);
	fiber_shield_begin();
	if (event_wait(&l->ended, "pg.listen.end", NO_DEADLINE) != E_OK)
		LOG(LOG_ERROR, NULL, "pg.listen.end");
	fiber_shield_end();
	pool_leave(l->pool);
	xfree(lp);
}
