/*
 * frontend/rpc: the worker's links to the back-ends, the map of partitions, the policy pushed to
 * it, and one file of typed calls per service. The only files of the front-end that see protobuf.
 *
 *   rpc_client   links, route map, one call with its packing and unpacking
 *   policy_watch the stream of settings, map, revocations and ended sessions
 *   call_ticket  renewal of a logged-in session's ticket
 *   call_*       typed wrappers: auth, delivery, mailbox, message
 *   client_facts, summary_pack, uid_set  what several of them carry
 *   limits       how long and how many, for the walker of answers (the interior is hostile too)
 */
#ifndef FRONTEND_RPC_RPC_CLIENT_H
#define FRONTEND_RPC_RPC_CLIENT_H

#include <protobuf-c/protobuf-c.h>

#include "common/base/arena.h"
#include "common/rpc/dial.h"

/* Starts the links of this worker (dialling, or accepting inside-out) and its policy watch. */
struct rpc_client_conf {
	struct rpc_identity self;
	struct tls_ctx *tls;        /* CLUSTER_CLIENT, or CLUSTER_SERVER inside-out */
	const struct ipaddr *addrs; /* back-ends to begin with; others are learnt */
	const uint16_t *ports;
	size_t naddrs;
	int listen_fd; /* inside-out: back-ends dial here; else -1 */
	uint32_t worker;
	void (*found)(struct rpc_link *l); /* a back-end's link is up; must not wait; may be NULL */
};
void rpc_client_start(const struct rpc_client_conf *c);
void rpc_client_stop(void);
/* Renewed certificates, for the links that are made from now on; what was revoked stays so. tls is
 * borrowed; the one before is not used any more. */
void rpc_client_tls_set(struct tls_ctx *tls);

/* A usable link, borrowed until the next wait (ref it to keep it), of a back-end that hangs only if
 * all do; NULL: none up. */
struct rpc_link *rpc_client_any(void);
/* There is more than one back-end to ask. */
bool rpc_client_many(void);
struct rpc_link *rpc_client_backend(slice_t name);
/* The owner's, by the pushed map. */
struct rpc_link *rpc_client_partition(uint32_t partition);
/* All usable links, borrowed until the next wait; at most max of them. */
size_t rpc_client_links(struct rpc_link **out, size_t max);
/* Waits until a link has come or gone. */
WAITS enum err rpc_client_wait_change(const char *name, int64_t deadline_ms) MUST_USE;
/* Waits until any link is up and the first policy has come (a worker's start). */
WAITS enum err rpc_client_ready(int64_t deadline_ms) MUST_USE;
bool rpc_client_is_ready(void);

/* Packs req, starts a call; the caller goes on with rpc_call_*. l may be NULL: E_RETRY. */
enum err rpc_client_open(struct rpc_link *l, uint16_t method, const ProtobufCMessage *req,
			 enum rpc_body body, int64_t deadline_ms, struct rpc_call **out) MUST_USE;
/* The same for a message that may be too long for one frame: then the request's payload is empty
 * and the packed message is its body (proto/README.md). Waits for credit. */
WAITS enum err rpc_client_open_long(struct rpc_link *l, uint16_t method,
				    const ProtobufCMessage *req, int64_t deadline_ms,
				    struct rpc_call **out) MUST_USE;
/* Waits for a usable link to the owner of a partition; NULL when the deadline passed. */
WAITS struct rpc_link *rpc_client_wait_partition(uint32_t partition, int64_t deadline_ms);
/* Checks (walk) and unpacks an answer into the arena. */
enum err rpc_client_unpack(const ProtobufCMessageDescriptor *d, slice_t bytes, struct arena *a,
			   ProtobufCMessage **out) MUST_USE;
/* The words of an answer that is a failure; empty: none. */
void rpc_client_words(slice_t payload, struct diag *d);
/* open, response, unpack, free. *reply_out may be NULL. A failure's text goes to diag; for
 * E_WRONG_OWNER it is the owner's name. */
WAITS enum err rpc_client_call(struct rpc_link *l, uint16_t method, const ProtobufCMessage *req,
			       const ProtobufCMessageDescriptor *reply, struct arena *a,
			       int64_t deadline_ms, ProtobufCMessage **reply_out,
			       struct diag *d) MUST_USE;
/* The same for what every back-end can answer and may be asked twice: asks l (NULL: any) and, when
 * it has not answered within two seconds, another. */
WAITS enum err rpc_client_ask(struct rpc_link *l, uint16_t method, const ProtobufCMessage *req,
			      const ProtobufCMessageDescriptor *reply, struct arena *a,
			      int64_t deadline_ms, ProtobufCMessage **reply_out,
			      struct diag *d) MUST_USE;

#endif
