/*
 * outcome: what a try makes of a queue item of the way out. Pure: it changes the job in memory and
 * says what is to be done with its row.
 */
#ifndef BACKEND_QUEUE_OUTCOME_H
#define BACKEND_QUEUE_OUTCOME_H

#include "backend/queue/job.h"

#define OUTCOME_RETRIES_MAX 16
/* Of a server's words: what a notice and `queue show` can use. */
#define OUTCOME_TEXT_MAX    512
#define OUTCOME_REMOTE_MAX  320

/* When a message is tried again, and until when (RFC 5321 section 4.5.4.1). */
struct outcome_times {
	int64_t retry_us
		[OUTCOME_RETRIES_MAX]; /* after the first try, the second, ...; then the last */
	size_t nretry;
	int64_t warn_us;   /* after so long the sender hears that it takes long; 0: never */
	int64_t expire_us; /* after so long it is given up */
};

/* One recipient's result. */
struct outcome_try {
	uint32_t code;  /* an SMTP reply code; 0: none was heard */
	slice_t status; /* RFC 3463: "5.1.1"; its class decides */
	slice_t text;
	slice_t remote;
	int64_t at_us;
	bool no_dsn; /* the server does not speak RFC 3461 */
	bool no_by;  /* ... nor RFC 2852 */
};

enum outcome {
	OUTCOME_REMOVE, /* done with */
	OUTCOME_KEEP,   /* to be tried at job->next_us */
	OUTCOME_NOTICE, /* became a notice: the sender is to be told */
	OUTCOME_BAD,    /* became JOB_BAD: nobody can be told */
};

/* j->next_us, attempts, last_error and the like are set; its slices borrow from r. */
enum outcome outcome_of_try(struct job *j, const struct outcome_try *r,
			    const struct outcome_times *t);
/* Its time is over, whether it was tried or not. */
enum outcome outcome_expired(struct job *j, int64_t now_us);
/* Given up by an administrator, or because nobody is left: status and why are told. */
enum outcome outcome_given_up(struct job *j, slice_t status, slice_t why, int64_t now_us);
/* When the sender is to hear of a delay, by our time or by its own (RFC 2852); 0: never, or it was
 * told. */
int64_t outcome_warn_at(const struct job *j, const struct outcome_times *t);
/* By our time, or by the sender's own, whichever is first. A notice has as much time of its own. */
int64_t outcome_expire_at(const struct job *j, const struct outcome_times *t);
/* The notice of a delay that goes beside j, which is marked. outcome_warn_at is not 0. */
struct job outcome_delayed(struct job *j, const struct outcome_times *t);

#endif
