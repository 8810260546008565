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
	bool passing;  /* it goes on: no mailbox here keeps it */
};

struct resolved {
	struct resolve_target targets[RESOLVE_OWNERS_MAX];
	size_t n;
	uint32_t wrong_owner; /* with E_WRONG_OWNER: the partition whose owner knows the quota */
};

struct resolve_ask {
	const struct rpc_identity *peer; /* the front-end that gets the tokens */
	slice_t address;                 /* 1 to DIR_ADDRESS_MAX bytes */
	uint64_t size;                   /* 0: not known */
	/* Of a logged-in user, or of the way out for a notice: addresses elsewhere are taken, too,
	 * by the queue of this partition. */
	bool relay;
	uint32_t partition;
	bool held; /* with relay: but not now, E_RATE */
	/* One job of the queue of this partition, whoever is behind the address: taken even while
	 * its owners are away. */
	bool as_job;
	bool unknown;     /* with as_job: an address that nobody has, too; its sender is told */
	bool no_quota;    /* the commit sees to it */
	bool null_sender; /* a bounce, or the like: may be for a sender that was rewritten */
};

/*   E_OK  E_NOT_FOUND  E_RETRY  E_INVALID  E_QUOTA
 *   E_TOO_BIG      expands to too many; logged, since only an administrator can mend it
 *   E_DENIED       not a domain of ours (no relaying)
 *   E_RATE         an address elsewhere, and the asker's account is held
 *   E_WRONG_OWNER  the account has a quota, and its owner is elsewhere: ask there */
WAITS enum err resolve_address(struct deliver *d, const struct resolve_ask *ask, struct arena *mem,
			       struct resolved *out, struct diag *diag) MUST_USE;
/* Where the copy goes that an account keeps of what it sends. */
enum err resolve_sent(struct deliver *d, const struct rpc_identity *peer, uint64_t account,
		      uint32_t partition, struct arena *mem, struct resolve_target *out) MUST_USE;

#endif
