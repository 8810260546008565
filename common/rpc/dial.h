/*
 * dial: keeps a link up. A dialer owns a fiber that connects, runs TLS and hello, waits for the
 * link's end and tries again with a growing, jittered pause (100 ms .. 5 s). An accepter does the
 * same for the other direction: it listens and takes links from peers whose identity `accept`
 * allows. Either end may be requester or server (DESIGN 3: roles come from certificates).
 */
#ifndef COMMON_RPC_DIAL_H
#define COMMON_RPC_DIAL_H

#include "common/rpc/link.h"
#include "common/net/tls.h"

struct rpc_endpoint {
	struct tls_ctx *tls; /* borrowed reference; replaced by rpc_endpoint users on reload */
	struct rpc_identity self;
	const struct rpc_server_ops *ops; /* for links on which we serve */
	/* Whether a peer may have a link at all, and on which side we are on it. */
	bool (*accept)(const struct rpc_identity *peer, enum rpc_side *side_out, void *arg);
	/* A link came up. Called from the link's fiber; must not wait. */
	void (*up)(struct rpc_link *l, void *arg);
	void (*down)(struct rpc_link *l, void *arg);
	void *arg;
};

struct rpc_dialer;
struct rpc_dialer *rpc_dialer_new(const struct rpc_endpoint *e, const struct ipaddr *addr,
				  uint16_t port);
void rpc_dialer_free(struct rpc_dialer **d); /* stops trying; closes its link */

struct rpc_accepter;
enum err rpc_accepter_new(const struct rpc_endpoint *e, int listen_fd,
			  struct rpc_accepter **out) MUST_USE;
void rpc_accepter_free(struct rpc_accepter **a);

#endif
