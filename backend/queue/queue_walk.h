/*
 * queue_walk: a partition's items that a filter means, page by page in order of their numbers. Rows
 * are read, unpacked and sifted on work threads, so that the loop sees only what is meant; memory
 * is that of a page, whatever the queue holds.
 */
#ifndef BACKEND_QUEUE_QUEUE_WALK_H
#define BACKEND_QUEUE_QUEUE_WALK_H

#include "backend/queue/queue_filter.h"
#include "common/loop/fiber.h"

/* An order changes a page in one commit, which costs some ten milliseconds whatever is in it. */
#define QUEUE_WALK_ROWS  512
#define QUEUE_WALK_BYTES (8u << 20) /* of payloads, beyond which a page is not begun to be longer */
/* Rows that one work job looks at, at most: some ten milliseconds of a thread. */
#define QUEUE_WALK_LOOKS 4096

struct queue_row {
	uint64_t item, record_no;
	int64_t due_us, made_us;
	uint64_t size; /* of the message, without this copy's prefix; 0: not known */
	bool readable; /* job is one */
	struct job job;
};

struct queue_walk {
	/* out: a page; what rows point to lives until the next one */
	struct queue_row rows[QUEUE_WALK_ROWS];
	size_t n;
	bool more;
	uint64_t looked; /* rows read since the beginning */
	/* inside */
	struct partition *part;
	const struct queue_filter *filter;
	uint64_t after;
	size_t bytes; /* of the page's payloads */
	struct arena mem;
	enum err result;
};

/* The filter is borrowed. */
void queue_walk_init(struct queue_walk *w, struct partition *part,
		     const struct queue_filter *filter);
void queue_walk_fini(struct queue_walk *w);
/* The next page; it may be empty while there is more. Rows that cannot be unpacked come when every
 * item, or this one, is meant. Fails as work_run, or as the store does. */
WAITS enum err queue_walk_next(struct queue_walk *w) MUST_USE;

#endif
