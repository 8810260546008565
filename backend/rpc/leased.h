/*
 * leased: what a lease of the way out stands for, for calls in which a worker brings something of a
 * job's message: the lease says which items, and they say whose mail it is.
 */
#ifndef BACKEND_RPC_LEASED_H
#define BACKEND_RPC_LEASED_H

#include "backend/queue/job.h"
#include "backend/rpc/rpc_methods.h"
#include "backend/ticket/lease_token.h"

/* Lies in the call's arena. */
struct leased {
	struct lease_token lease;
	struct job jobs[LEASE_ITEMS_MAX]; /* lease.n, in the order of its items */
	uint64_t size;                    /* bytes of the message, prefix included */
};

/* Of a partition of this node, a message (no notice) that is still there for all of its items. */
WAITS enum err leased_load(struct mcall *c, slice_t token, struct leased **out) MUST_USE;

#endif
