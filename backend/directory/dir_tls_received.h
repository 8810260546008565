/*
 * dir_tls_received: reports of TLS (RFC 8460) that other systems have sent us, each once. Whoever
 * likes to can send one, so that what they may fill is bounded: domains of ours alone, a number of
 * reports a day, times near now; and they are kept for a quarter of a year. Nothing in the image:
 * only people look at them.
 */
#ifndef BACKEND_DIRECTORY_DIR_TLS_RECEIVED_H
#define BACKEND_DIRECTORY_DIR_TLS_RECEIVED_H

#include "backend/directory/dir_admin.h"
#include "proto/tls_results.h"

#define DIR_TLS_RECEIVED_DAY_MAX  10000 /* reports in 24 hours; one a day from each who writes us */
#define DIR_TLS_RECEIVED_KEEP_D   90    /* days, from when they came */
#define DIR_TLS_RECEIVED_OLD_D    30 /* a report of a day that was over so long ago is not kept */
#define DIR_TLS_RECEIVED_LENGTH_D 8  /* nor one of more days; section 4.1 has one */

struct dir_tls_sessions {
	slice_t domain;
	unsigned policy, result; /* proto/tls_results.h */
	uint64_t count;          /* at most TLS_RECEIVED_COUNT_MAX */
};

struct dir_tls_received {
	slice_t organization, report_id; /* UTF-8, at most TLS_RECEIVED_TEXT_MAX */
	int64_t from_s, to_s;
	const struct dir_tls_sessions *sessions; /* at most DIR_TLS_SESSIONS_MAX */
	size_t n;
};
#define DIR_TLS_SESSIONS_MAX (TLS_RECEIVED_POLICIES_MAX * (TLS_RESULT_OTHER + 1))

enum dir_tls_kept {
	DIR_TLS_KEPT,
	DIR_TLS_KNOWN,   /* it came before, or there were enough in 24 hours */
	DIR_TLS_FOREIGN, /* of no domain of ours */
	DIR_TLS_STRANGE, /* of a time that cannot be */
};

/* Keeps what it says of domains of ours, and forgets what is old. E_INVALID: beyond the limits;
 * E_RETRY: not now. */
WAITS enum err dir_tls_received_put(struct dir *d, const struct dir_tls_received *r,
				    enum dir_tls_kept *out, struct diag *diag) MUST_USE;

/* All that one organization tells of one domain in one day (UTC). */
struct dir_tls_day {
	int64_t from_us;
	slice_t organization, domain;
	uint64_t reports;
	uint64_t counts[TLS_RESULT_OTHER + 1]; /* by enum tls_result */
};

struct dir_tls_days {
	struct dir_tls_day *rows;
	size_t n;
	slice_t last; /* where the next page begins */
};

/* domain: of this one alone, in any spelling; empty: of all. after: "", or the last of the page
 * before. E_INVALID: that is no domain; E_RETRY: not now. */
WAITS enum err dir_tls_received_list(struct dir *d, slice_t domain, slice_t after, size_t limit,
				     struct arena *mem, struct dir_tls_days *out,
				     struct diag *diag) MUST_USE;

#endif
