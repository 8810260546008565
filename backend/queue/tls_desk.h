/*
 * tls_desk: reports of what tls_sums has (RFC 8460), on their way to who wants them. A worker of
 * the way out that has no other report gets the next one: it asks DNS whether the domain wants
 * reports and where, composes, and has the queue send it. Nobody here reads DNS, or writes mail.
 *
 * Each back-end reports what it has itself, under ids of its own: workers tell one domain's
 * sessions to one back-end, so that mostly one of them knows all of a domain's.
 *
 * A worker that is given a report may ask, for it, where mail to a few addresses goes. It could
 * send them mail anyway.
 */
#ifndef BACKEND_QUEUE_TLS_DESK_H
#define BACKEND_QUEUE_TLS_DESK_H

#include "backend/directory/dir.h"
#include "backend/queue/tls_sums.h"
#include "common/conf/conf.h"

#define TLS_DESK_JOB_MS      (5 * 60 * 1000) /* a worker's time for one report */
#define TLS_DESK_LOOK_MS     (60 * 1000)     /* settings are looked at again */
#define TLS_DESK_ADDRESS_MAX 2               /* addresses of one report */

struct tls_desk;

/* All borrowed. */
struct tls_desk *tls_desk_new(struct tls_sums *sums, const struct dir *dir,
			      const struct conf *overrides);
/* No report is on its way. */
void tls_desk_free(struct tls_desk **d);

/* A report, as long as the worker has it. */
struct tls_job {
	struct list node;
	struct tls_desk *desk;
	const void *who;
	uint64_t id; /* of this try */
	const struct tls_row *row;
	struct tls_sum sum;
	slice_t report_id, organization, contact;
	unsigned addresses; /* asked for */
	bool over;
	enum tls_row_state outcome;
	char words[TLS_SUMS_LAST_STR];
	struct event done;
};

/* Waits for the next report that is to be sent, in mem; who: whose link it goes over, compared and
 * never looked into. E_CANCELLED. */
WAITS enum err tls_desk_take(struct tls_desk *d, const void *who, struct arena *mem,
			     struct tls_job *out) MUST_USE;
/* It never came to the worker: tls_desk_finish() puts it off. */
void tls_desk_drop(struct tls_job *j);
/* Waits for what the worker makes of it, and settles it. E_CANCELLED (it is put off then), else
 * E_OK. */
WAITS enum err tls_desk_finish(struct tls_job *j) MUST_USE;

/* The worker wants to know where mail to one more address goes. E_NOT_FOUND: it has no such report;
 * E_LIMIT: enough. */
enum err tls_desk_address(struct tls_desk *d, const void *who, uint64_t id) MUST_USE;
/* What it came to: as tls_sums_settle(). E_NOT_FOUND. */
enum err tls_desk_over(struct tls_desk *d, const void *who, uint64_t id, enum tls_row_state outcome,
		       slice_t words) MUST_USE;

#endif
