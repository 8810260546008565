/*
 * dial: keeps a link up. A dialer owns a fiber that connects, runs TLS and hello, waits for the
 * link's end and tries again with a growing, jittered pause (100 ms .. 5 s). An accepter does the
 * same for the other direction: it listens and takes links from peers whose identity `accept`
 * allows. Either end may be requester or server (roles come from certificates).
 */
#ifndef COMMON_RPC_DIAL_H
#define COMMON_RPC_DIAL_H

#include "common/rpc/link.h"
#include "common/net/tls.h"

/* Borrowed by dialers, accepters and links; outlives them. `tls` may be replaced at any time (a
 * reload): the next handshake uses it. */
struct rpc_endpoint {
	struct tls_ctx *tls; /* borrowed reference */
	struct rpc_identity self;
	const struct rpc_server_ops *ops; /* for links on which we serve */
	/* Whether a peer may have a link at all, and on which side we are on it. Must not wait. */
	bool (*accept)(const struct rpc_identity *peer, enum rpc_side *side_out, void *arg);
	/* A link came up. Called from the link's fiber; must not wait. */
	void (*up)(struct rpc_link *l, void *arg);
	/* It ended. Once for each `up`. Must not wait. */
	void (*down)(struct rpc_link *l, void *arg);
	void *arg;
	struct budget *budget; /* parent of the budgets of links on which we request; may be NULL */
};

#define RPC_PAUSE_MIN_MS   100
#define RPC_PAUSE_MAX_MS   5000
#define RPC_STEADY_MS      10000 /* a link that lived so long resets the pause */
#define RPC_HANDSHAKE_MS   10000 /* connect, TLS and hello together */
#define RPC_LINKS_PER_PEER 64    /* of one identity to an accepter: far above a service's workers */
#define RPC_HANDSHAKES_MAX 128   /* unfinished ones of an accepter at once: strangers' memory */

struct rpc_dialer;
/* NULL: no fiber to be had. */
struct rpc_dialer *rpc_dialer_new(const struct rpc_endpoint *e, const struct ipaddr *addr,
				  uint16_t port);
/* There is a sign that the peer is there now: tries at once. Harmless when the link is up. */
void rpc_dialer_hurry(struct rpc_dialer *d);
/* Stops trying and closes its link; `down` is called before it returns if a link was up, and no
 * callback after it. */
void rpc_dialer_free(struct rpc_dialer **d);

struct rpc_accepter;
enum err rpc_accepter_new(const struct rpc_endpoint *e, int listen_fd,
			  struct rpc_accepter **out) MUST_USE;
/* Stops listening and closes its links, as rpc_dialer_free. */
void rpc_accepter_free(struct rpc_accepter **a);

#endif
