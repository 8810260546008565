/* call_node: what a worker tells the back-ends of itself. */
#ifndef FRONTEND_RPC_CALL_NODE_H
#define FRONTEND_RPC_CALL_NODE_H

#include "common/base/slice.h"

struct node_report {
	uint32_t worker;
	int64_t started_us;
	unsigned sessions;
	uint64_t memory_bytes;
	slice_t metrics;  /* a snapshot, borrowed */
	char **listeners; /* ADDRESS:PORT */
	size_t nlisteners;
};

/* To one back-end, whichever is up; a failure is only logged. */
WAITS void call_node_report(const struct node_report *r);

#endif
