/*
 * queue_filter: which of the queue's items an administrator means. Pure. All conditions that are
 * given must hold.
 */
#ifndef BACKEND_QUEUE_QUEUE_FILTER_H
#define BACKEND_QUEUE_QUEUE_FILTER_H

#include "backend/queue/job.h"
#include "backend/queue/sched.h"

/* What an item is doing. The last three are kinds of items, too, and told by their rows alone. */
enum queue_state {
	QUEUE_IS_READY,   /* waits for its turn */
	QUEUE_IS_WAITING, /* for its next try */
	QUEUE_IS_LEASED,  /* a worker has it */
	QUEUE_IS_HELD,    /* by an administrator: itself, its sender or its destination */
	QUEUE_IS_PACED,   /* its sender, domain or destination had enough for now */
	QUEUE_IS_DOWN,    /* its destination cannot be reached */
	QUEUE_IS_INSIDE,  /* stays inside; tried when it is due */
	QUEUE_IS_BAD,     /* JOB_BAD */
	QUEUE_IS_NOTICE,  /* of a filter only: a notice, whatever it is doing */
	QUEUE_STATES,
};

struct queue_filter {
	uint64_t item; /* 0: any */
	uint32_t partition;
	slice_t sender, to;  /* "local@domain", or "@domain"; "<>": the empty one; empty: any */
	uint64_t to_account; /* `to` is this account; 0: it is none of ours */
	slice_t destination; /* as job_destination; empty: any */
	slice_t trace;       /* 16 bytes; empty: any */
	slice_t server;      /* the virtual server that took it; empty: any */
	int64_t before_us;   /* queued before; 0: at any time */
	uint64_t larger;     /* its message has more bytes; 0: of any size */
	uint32_t states;     /* 1 << enum queue_state; 0: any */
	uint32_t kinds;      /* 1 << enum job_kind; 0: any */
};

/* By what its row says: all but item, partition, size and state. ASCII case does not count. */
bool queue_filter_job(const struct queue_filter *f, const struct job *j);
/* By what it is and does. */
bool queue_filter_state(const struct queue_filter *f, const struct job *j, enum queue_state state);
/* Nothing is asked for: every item is meant. */
bool queue_filter_is_all(const struct queue_filter *f);
/* "PARTITION.NUMBER" into the filter's. E_INVALID. */
enum err queue_filter_id(slice_t text, struct queue_filter *f) MUST_USE;

/* The state of an item that the scheduler knows. */
enum queue_state queue_state_of(enum sched_state state);

#endif
