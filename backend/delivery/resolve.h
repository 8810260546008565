/* resolve: an address at RCPT, into who takes its mail. */
#ifndef BACKEND_DELIVERY_RESOLVE_H
#define BACKEND_DELIVERY_RESOLVE_H

#include "backend/delivery/deliver.h"

/* More owners than this and the address goes to the queue of the resolving back-end. */
#define RESOLVE_OWNERS_MAX 4

struct resolve_target {
	uint32_t partition;
	char backend[DIR_NODE_MAX + 1];
	slice_t token; /* in the arena */
};

struct resolved {
	struct resolve_target targets[RESOLVE_OWNERS_MAX];
	size_t n;
	uint32_t wrong_owner; /* with E_WRONG_OWNER: the partition whose owner knows the quota */
};

/* For a front-end `peer` that has an address of 1 to DIR_ADDRESS_MAX bytes and (if known) a size.
 *   E_OK  E_NOT_FOUND  E_RETRY  E_INVALID  E_QUOTA
 *   E_TOO_BIG      expands to too many; logged, since only an administrator can mend it
 *   E_DENIED       not a domain of ours (no relaying); to submission E_RETRY
 *   E_WRONG_OWNER  the account has a quota, and its owner is elsewhere: ask there */
WAITS enum err resolve_address(struct deliver *d, const struct rpc_identity *peer, slice_t address,
			       uint64_t size, struct arena *mem, struct resolved *out,
			       struct diag *diag) MUST_USE;

#endif
