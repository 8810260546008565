/*
 * pgserver: a private PostgreSQL for a test: a fresh cluster in a folder of its own, reached by a
 * unix socket alone, gone with the test program. As root it runs as the user `postgres`, which the
 * package makes. Started once a program (a second or two); a test asks for an empty database.
 */
#ifndef TESTS_LIB_PGSERVER_H
#define TESTS_LIB_PGSERVER_H

#include "common/base/base.h"

/* A connection string for a database that nothing else uses; starts the server when it does not
 * run. Dies when that cannot be: PostgreSQL is a requirement of the tests. Valid until the next
 * call. */
const char *pgserver_database(void);
/* The same, as `fill` leaves it: the first one is filled, and kept; this and all others are copies
 * of it, made in a fraction of the time. fill lets go of its connections before it returns. One
 * fill a program. */
typedef WAITS void pgserver_fill_fn(const char *conninfo);
WAITS const char *pgserver_copy(pgserver_fill_fn *fill);
/* Stops it hard, as a crash would (immediate); start brings it back with its databases. */
void pgserver_stop(void);
void pgserver_start(void);
/* Runs one statement by psql, on the database of the last pgserver_database(). */
void pgserver_sql(const char *sql);
/* The first line that a statement prints, into out. */
void pgserver_ask(const char *sql, char *out, size_t size);

#endif
