/* pg_pool: what the parts of pg have of a pool; for pg alone. */
#ifndef BACKEND_DIRECTORY_PG_POOL_H
#define BACKEND_DIRECTORY_PG_POOL_H

#include "backend/directory/pg_conn.h"

/* Of attempts to connect. */
#define PG_PAUSE_FIRST_MS 100
#define PG_PAUSE_MAX_MS   5000 /* a database that is back is found within this */

/* pg_pool_free waits for everybody who entered to leave. */
void pg_pool_enter(struct pg_pool *p);
void pg_pool_leave(struct pg_pool *p);

/* A connection of the pool, idle or opened for it. E_RETRY: none, or the pool ends. */
WAITS enum err pg_pool_take(struct pg_pool *p, int64_t deadline_ms, struct pg_conn **out,
			    struct diag *d) MUST_USE;
/* Back, or closed when nobody can go on with it. */
void pg_pool_give(struct pg_pool *p, struct pg_conn *c);
/* Closes the idle ones: they were opened to a server that is gone. */
void pg_pool_drop_idle(struct pg_pool *p);

/* One that is not the pool's; pg_conn_free. */
WAITS enum err pg_pool_connect_apart(const struct pg_pool *p, int64_t deadline_ms,
				     struct pg_conn **out) MUST_USE;
/* For one attempt to connect, and for the first statement. */
int64_t pg_pool_connect_ms(const struct pg_pool *p);

#endif
