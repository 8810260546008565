/* peers: links to the other back-ends of the directory, and Deliver over them
 * (docs/decisions/0007). */
#ifndef BACKEND_RPC_PEERS_H
#define BACKEND_RPC_PEERS_H

#include "backend/delivery/forward.h"
#include "common/rpc/dial.h"

struct peers;

/* Dials every other node of the directory, and follows its changes. All borrowed. */
struct peers *peers_start(struct dir *dir, struct tickets *tickets, struct tls_ctx *tls);
void peers_stop(struct peers **p);
/* The link to a back-end, borrowed (reference it before a wait); NULL: none can be used now. */
struct rpc_link *peers_link(const struct peers *p, const char *backend);
/* That back-end has dialled us: it is there. */
void peers_seen(struct peers *p, const char *backend);
/* A forward_ways.remote; arg is the struct peers. */
WAITS enum err peers_forward(void *arg, const char *backend, const struct forward *f);

#endif
