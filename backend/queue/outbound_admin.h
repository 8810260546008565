/*
 * outbound_admin: what an administrator sees of the queue's items besides their rows, and orders
 * for them. The loop's thread only.
 *
 * An order never takes an item from under a worker: what is leased is passed over and counted as
 * busy. What is not is claimed first, so that no worker gets it before its row is changed.
 */
#ifndef BACKEND_QUEUE_OUTBOUND_ADMIN_H
#define BACKEND_QUEUE_OUTBOUND_ADMIN_H

#include "backend/queue/outbound.h"
#include "backend/queue/queue_walk.h"
#include "backend/queue/runner.h"
#include "backend/queue/troubles.h"

/* What was found out about the destination of an item that was not tried itself; NULL: nothing.
 * Valid until the next wait. */
const struct trouble *outbound_trouble(const struct outbound *o, const struct partition *part,
				       uint64_t item, const struct job *j);

struct outbound_view {
	enum queue_state state;
	int64_t until_us; /* when that ends by itself; 0: not known */
	int64_t since_us; /* leased */
	uint32_t worker;
	const char *why; /* why it waits, for people; "" */
};

/* row is readable. */
void outbound_view(const struct outbound *o, const struct partition *part,
		   const struct queue_row *row, struct outbound_view *out);

enum queue_action {
	QUEUE_ACT_HOLD,    /* not tried until it is released; survives a restart */
	QUEUE_ACT_RELEASE, /* of what is held; of what only its sender holds back: due now */
	QUEUE_ACT_RETRY,   /* due now, whatever its sender wished */
	QUEUE_ACT_DROP,    /* removed; nobody is told */
	QUEUE_ACT_BOUNCE,  /* given up; the sender is told */
	QUEUE_ACT_REROUTE, /* to another host, or by its domain again */
	QUEUE_ACT_REQUEUE, /* of JOB_BAD: tried anew, from the beginning */
};

const char *queue_action_name(enum queue_action action);

#define QUEUE_REASON_MAX OUTCOME_TEXT_MAX

struct queue_order {
	enum queue_action action;
	slice_t route;  /* REROUTE: "[host]" or "[host]:port"; empty: by its domain */
	slice_t reason; /* for the log, and for the sender of what is given up; may be empty */
	slice_t who;    /* for the log */
	/* Who does not pass any more when its row is read anew is not there; NULL: all pass. */
	const struct queue_filter *filter;
};

struct queue_done {
	uint64_t done;
	uint64_t busy;  /* it is being tried, or not known to the scheduler yet: ask again */
	uint64_t unfit; /* the order makes no sense for it */
};

/* Who works on what stays inside: its items are claimed from it. Outlives the orders; NULL:
 * nobody. */
void outbound_set_runner(struct outbound *o, struct runner *r);

/* Up to QUEUE_WALK_ROWS items of a partition, in one change. What is not there any more is not
 * counted. out is added to. Else than E_OK nothing was done: as store_change, outbound_load. */
WAITS enum err outbound_order(struct outbound *o, struct partition *part,
			      const struct queue_order *order, const uint64_t *items, size_t n,
			      struct queue_done *out) MUST_USE;

#endif
