/*
 * runner_item: one item that is due and stays inside: what it stands for is done, or put off until
 * later, or given up, of which its sender is told. The runner says when, and how many at a time.
 */
#ifndef BACKEND_QUEUE_RUNNER_ITEM_H
#define BACKEND_QUEUE_RUNNER_ITEM_H

#include "backend/queue/job.h"
#include "backend/queue/runner.h"

struct runner_item {
	/* Of whoever runs it. */
	const struct forward_ways *ways;
	runner_turned_fn *turned;
	void *arg;
	struct partition *part;
	uint64_t id, record_no;
	struct job job;   /* in mem */
	struct arena mem; /* initialised, and reset, by whoever runs it */
	/* How far it has come. */
	struct forward_account accounts[JOB_ACCOUNTS_MAX];
	uint32_t partitions[JOB_ACCOUNTS_MAX];
	size_t n;
	slice_t outside[DIR_MEMBERS_MAX];
	size_t noutside;
	bool reports; /* it is read as a report of TLS, whoever else gets it */
};

/* What becomes of it is in the store. Else it is due still; the error is logged. */
WAITS enum err runner_item_run(struct runner_item *t) MUST_USE;

#endif
