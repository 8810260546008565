/*
 * tls_sums: what became of TLS in sessions with other systems' servers (RFC 8460), as workers of
 * the way out tell it: summed up by day (UTC) and domain, to be reported once after the day.
 *
 * A row is what one report will say. It takes sessions to the end of its day, or until an
 * administrator has it sent before; is due at some moment within TLS_SUMS_SPREAD_US after (section
 * 4.1: not all at midnight); and stays for TLS_SUMS_KEEP_US, to be looked at.
 *
 * Hints: front-ends say what they like, and a lost row is a report that is not sent. Rows lie in
 * the node's environment; an index of them is in memory. Rows, bytes, and what one row holds are
 * bounded: sessions beyond are counted as lost, failures whose details have no room as unlisted.
 *
 * The loop's thread only.
 */
#ifndef BACKEND_QUEUE_TLS_SUMS_H
#define BACKEND_QUEUE_TLS_SUMS_H

#include "backend/store/node.h"
#include "common/base/arena.h"
#include "common/loop/fiber.h"
#include "proto/tls_results.h"

#define TLS_SUMS_ROWS_MAX     50000              /* domains that a big site writes to, for days */
#define TLS_SUMS_BYTES_MAX    ((size_t)64 << 20) /* of all rows; a usual one has 300 */
#define TLS_SUMS_ROW_MAX      (40u * 1024)       /* a report goes to a worker in one frame */
#define TLS_SUMS_POLICIES_MAX 8                  /* of a row: one, and those it changed to */
#define TLS_SUMS_DETAILS_MAX  100                /* kinds of failures of a policy */
#define TLS_SUMS_TEXT_MAX     255                /* a host's name, an address */
#define TLS_SUMS_SPREAD_US    (4 * 3600 * 1000000LL)      /* section 4.1 */
#define TLS_SUMS_KEEP_US      (3 * 24 * 3600 * 1000000LL) /* after a row's time */
#define TLS_SUMS_TRY_US       (24 * 3600 * 1000000LL)     /* section 5.5 */
#define TLS_SUMS_AGAIN_US     (10 * 60 * 1000000LL)       /* after the first try; then twice it */

/* Sessions that were alike. */
struct tls_sessions {
	slice_t domain;
	unsigned type; /* enum tls_policy_type, not UNTOLD */
	slice_t policy;
	unsigned result; /* enum tls_result; with OK nothing below but count is looked at */
	slice_t host, remote, local, why;
	uint64_t count;
};

struct tls_policy_sum {
	unsigned type;
	slice_t policy;
	uint64_t successes, failures;
	struct tls_sessions *details; /* domain, type and policy are left out */
	size_t n;
};

/* A row's content. */
struct tls_sum {
	slice_t domain;
	struct tls_policy_sum *policies;
	size_t n;
};

enum tls_row_state {
	TLS_ROW_COLLECTING,
	TLS_ROW_WAITING, /* its time is over */
	TLS_ROW_SENT,
	TLS_ROW_UNWANTED, /* the domain asks for no reports */
	TLS_ROW_FAILED,
};
const char *tls_row_state_name(enum tls_row_state s);

#define TLS_SUMS_LAST_STR 160

/* What is known of a row without reading it; lives until the next wait, but for a busy one. */
struct tls_row {
	uint64_t id;
	int32_t day; /* since 1970 */
	int64_t from_us, to_us, due_us, made_us;
	enum tls_row_state state; /* COLLECTING and WAITING differ by the time: tls_row_state() */
	uint32_t tries;
	uint64_t successes, failures, unlisted;
	char last[TLS_SUMS_LAST_STR]; /* what the last try came to; printable */
	bool busy;                    /* a worker has it */
	const char *domain;
};
enum tls_row_state tls_row_state(const struct tls_row *r);

struct tls_sums;

/* rows_max, bytes_max 0: the constants. The node is borrowed. */
WAITS enum err tls_sums_open(struct node *n, size_t rows_max, size_t bytes_max,
			     struct tls_sums **out) MUST_USE;
void tls_sums_close(struct tls_sums **s);

/* Adds sessions, all or none; lost: so many more had no room at who tells. E_INVALID: one is beyond
 * the limits. */
WAITS enum err tls_sums_add(struct tls_sums *s, const struct tls_sessions *v, size_t n,
			    uint64_t lost) MUST_USE;
/* Sessions that had no room since the start. */
uint64_t tls_sums_lost(const struct tls_sums *s);

/* The next row with an id above `after`; NULL: there is none. */
const struct tls_row *tls_sums_next(const struct tls_sums *s, uint64_t after);
/* A row's content, in mem. E_NOT_FOUND: it has gone. */
WAITS enum err tls_sums_read(struct tls_sums *s, uint64_t id, struct arena *mem,
			     struct tls_sum *out) MUST_USE;
/* Rows that take sessions, or wait (domain empty: all of them), are due now and take no more.
 * Returns how many. */
WAITS size_t tls_sums_send_now(struct tls_sums *s, slice_t domain);

/* Waits for a row that is due, at most until the deadline (E_TIMEOUT). It is busy until
 * tls_sums_settle(), and stays where it is. */
WAITS enum err tls_sums_take(struct tls_sums *s, int64_t deadline_ms,
			     const struct tls_row **out) MUST_USE;
/* What became of it: SENT, UNWANTED, FAILED; WAITING: another try, unless it was tried for
 * TLS_SUMS_TRY_US. */
WAITS void tls_sums_settle(struct tls_sums *s, uint64_t id, enum tls_row_state state, slice_t last);

#endif
