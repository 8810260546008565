/* A connection that stands apart and hears notifications. */
#include <stdio.h>

#include "backend/directory/pg_pool.h"
#include "common/base/clock.h"
#include "common/log/log.h"

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
	bool heard = true; /* what changed before it listened */

	snprintf(sql, sizeof(sql), "LISTEN %s", l->channel);
	e = pg_conn_exec(c, sql, PG_NO_ARGS, deadline_in(pg_pool_connect_ms(l->pool)), NULL, NULL);
	while (e == E_OK) {
		if (heard)
			l->fn(l->arg);
		e = pg_conn_listen(c, &heard);
	}
	return e;
}

WAITS static void listener_main(void *arg)
{
	struct pg_listener *l = arg;
	int64_t pause = PG_PAUSE_FIRST_MS;

	while (!fiber_cancelled()) {
		struct pg_conn *c = NULL;

		if (pg_pool_connect_apart(l->pool, NO_DEADLINE, &c) == E_OK) {
			pause = PG_PAUSE_FIRST_MS;
			if (listen_on(l, c) == E_CANCELLED) {
				pg_conn_free(c);
				break;
			}
			pg_conn_free(c);
		}
		fiber_sleep("pg.listen.pause", pause);
		pause = MIN(pause * 2, PG_PAUSE_MAX_MS);
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
	pg_pool_enter(p);
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
	pg_pool_leave(l->pool);
	xfree(lp);
}
