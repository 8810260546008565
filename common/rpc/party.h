/*
 * party: all links of one node to a server, whatever their services. Each link has its bounds, but
 * a node may have many links. Together they take at most a quarter of the memory and of the fibers
 * that a process has for requests: a captured front-end leaves the rest to the others.
 */
#ifndef COMMON_RPC_PARTY_H
#define COMMON_RPC_PARTY_H

#include "common/base/budget.h"
#include "common/base/list.h"
#include "common/rpc/identity.h"

#define RPC_PARTY_SHARE 4 /* one in so many: a fault of one node is none of the cluster's */

struct rpc_party {
	struct list node;
	unsigned refs;
	enum rpc_role role;
	char name[RPC_NAME_MAX];
	struct budget *all;   /* of all parties; borrowed, may be NULL */
	struct budget budget; /* of this one; the parent of its links' */
	unsigned serving;     /* fibers */
};

/* The party of a peer, made when it is not there; with one more reference. */
struct rpc_party *rpc_party_ref(const struct rpc_identity *peer, struct budget *all);
void rpc_party_unref(struct rpc_party **p);
/* Whether it may have one more fiber. */
bool rpc_party_may_serve(const struct rpc_party *p);

#endif
