/* rpc_server: the two ports, their links, and the way of a request to its handler. */
#ifndef BACKEND_RPC_RPC_SERVER_H
#define BACKEND_RPC_RPC_SERVER_H

#include "backend/rpc/be.h"

struct rpc_server;

/* Listens (or dials front-ends, inside-out) as the settings say. tls: CLUSTER_SERVER for what we
 * accept, CLUSTER_CLIENT for what we dial; borrowed. */
WAITS enum err rpc_server_start(struct be *be, struct tls_ctx *accept_tls, struct tls_ctx *dial_tls,
				struct rpc_server **out, struct diag *d) MUST_USE;
/* No new streams; open ones may end. */
void rpc_server_drain(struct rpc_server *s);
/* Closes every link and waits until nothing is being served any more. */
WAITS void rpc_server_free(struct rpc_server **s);

/* One link and what its peer has used up. */
struct rpc_peer_info {
	const struct rpc_identity *identity;
	const struct ipaddr *addr;
	int64_t since_us;
	unsigned streams;
};
/* For status: every link. */
void rpc_server_links(const struct be *be, void (*each)(const struct rpc_peer_info *, void *arg),
		      void *arg);

#endif
