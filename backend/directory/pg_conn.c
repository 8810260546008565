/*
 * Connecting runs on worker threads, step by step: libpq looks up names and computes SCRAM in it,
 * neither of which belongs on a loop.
 */
#include "backend/directory/pg_conn.h"

#include <poll.h>
#include <string.h>

#include "common/base/clock.h"
#include "common/log/log.h"
#include "common/log/metric.h"
#include "common/loop/work.h"

METRIC_COUNTER(m_queries, "pg_queries_total", "Statements sent to PostgreSQL");
METRIC_COUNTER(m_failures, "pg_failures_total", "Statements that failed for want of PostgreSQL");
METRIC_COUNTER(m_connects, "pg_connects_total", "Connections to PostgreSQL opened");
METRIC_HISTOGRAM(m_time, "pg_query_seconds", "Time of one statement", METRIC_US, METRIC_LATENCY);

/* ---- its socket on the loop ---- */

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

void pg_conn_free(struct pg_conn *c)
{
	conn_unwatch(c);
	if (c->c != NULL)
		PQfinish(c->c);
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

bool pg_conn_is_idle(const struct pg_conn *c)
{
	return !c->broken && PQstatus(c->c) == CONNECTION_OK &&
	       PQtransactionStatus(c->c) == PQTRANS_IDLE;
}

bool pg_conn_rest(struct pg_conn *c, uv_poll_cb fn)
{
	return uv_poll_start(c->poll, UV_READABLE, fn) == 0;
}

bool pg_conn_wake(struct pg_conn *c)
{
	struct pollfd fd = {.fd = c->fd, .events = POLLIN};

	uv_poll_stop(c->poll);
	return poll(&fd, 1, 0) == 0;
}

/* ---- troubles ---- */

enum err pg_away(struct diag *d)
{
	return diag_set(d, E_RETRY, "PostgreSQL is away");
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
	return pg_away(d);
}

/* ---- connecting ---- */

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

WAITS enum err pg_conn_open(const char *conninfo, int64_t deadline_ms, struct pg_conn **out,
			    struct diag *d)
{
	struct pg_conn *c = xcalloc(1, sizeof(*c));
	struct connect_step s = {.c = c, .conninfo = conninfo};
	enum err e;

	list_init(&c->node);
	event_init(&c->ready);
	c->fd = -1;
	e = connect_steps(&s, deadline_ms);
	if (e != E_OK) {
		slice_t why = e == E_RETRY && c->c != NULL ? pq_text(PQerrorMessage(c->c))
							   : slice_str(err_name(e));

		diag_set(d, e, "connecting to PostgreSQL: %.*s", (int)MIN(why.n, 200u), why.p);
		if (d != NULL)
			one_line(d);
		pg_conn_free(c);
		return e == E_CANCELLED ? e : E_RETRY;
	}
	PQsetnonblocking(c->c, 1);
	PQsetNoticeProcessor(c->c, on_notice, NULL);
	metric_add(&m_connects, 1);
	*out = c;
	return E_OK;
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

WAITS enum err pg_conn_exec(struct pg_conn *c, const char *sql, const struct pg_args *args,
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

WAITS enum err pg_conn_listen(struct pg_conn *c, bool *heard)
{
	enum err e = conn_wait(c, UV_READABLE, "pg.notify", NO_DEADLINE);
	PGnotify *n;

	*heard = false;
	if (e == E_OK && PQconsumeInput(c->c) == 0)
		e = E_RETRY;
	while (e == E_OK && (n = PQnotifies(c->c)) != NULL) {
		PQfreemem(n);
		*heard = true;
	}
	return e;
}
