#include "backend/directory/pg_pool.h"

#include "common/base/clock.h"
#include "common/crypto/random.h"
#include "common/log/log.h"

#define CONNS_DEFAULT      8
#define CONNECT_MS_DEFAULT 5000

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

static void drop(struct pg_conn *c)
{
	struct pg_pool *p = c->pool;

	invariant(p->nconns > 0);
	p->nconns--;
	waitq_wake_one(&p->room);
	list_remove(&c->node);
	pg_conn_free(c);
}

void pg_pool_drop_idle(struct pg_pool *p)
{
	list_for_each_safe(i, &p->idle)
		drop(list_entry(i, struct pg_conn, node));
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
	pg_pool_drop_idle(p);
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
	drop(h->data);
}

void pg_pool_give(struct pg_pool *p, struct pg_conn *c)
{
	if (p->closing || !pg_conn_is_idle(c) || !pg_conn_rest(c, on_idle)) {
		drop(c);
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
	p->pause_ms = p->pause_ms == 0 ? PG_PAUSE_FIRST_MS : MIN(p->pause_ms * 2, PG_PAUSE_MAX_MS);
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
		return pg_away(d);
	p->nconns++;
	p->trying = true;
	e = pg_conn_open(p->conninfo, MIN(deadline_ms, deadline_in(p->connect_ms)), out, &why);
	p->trying = false;
	if (e != E_OK) {
		p->nconns--;
		waitq_wake_one(&p->room);
		if (e == E_CANCELLED)
			return diag_set(d, e, "%s", why.text);
		pool_note_failure(p, &why);
		return pg_away(d);
	}
	(*out)->pool = p;
	if (p->pause_ms != 0)
		LOG(LOG_INFO, NULL, "pg.up", LF_STR("host", PQhost((*out)->c)));
	p->pause_ms = 0;
	return E_OK;
}

WAITS enum err pg_pool_take(struct pg_pool *p, int64_t deadline_ms, struct pg_conn **out,
			    struct diag *d)
{
	while (!p->closing) {
		struct list *n = list_pop(&p->idle);
		enum err e;

		if (n != NULL) {
			*out = list_entry(n, struct pg_conn, node);
			if (pg_conn_wake(*out))
				return E_OK;
			drop(*out);
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

WAITS enum err pg_pool_connect_apart(const struct pg_pool *p, int64_t deadline_ms,
				     struct pg_conn **out)
{
	return pg_conn_open(p->conninfo, MIN(deadline_ms, deadline_in(p->connect_ms)), out, NULL);
}

int64_t pg_pool_connect_ms(const struct pg_pool *p)
{
	return p->connect_ms;
}

void pg_pool_enter(struct pg_pool *p)
{
	p->users++;
}

void pg_pool_leave(struct pg_pool *p)
{
	invariant(p->users > 0);
	if (--p->users == 0)
		waitq_wake_all(&p->empty);
}
