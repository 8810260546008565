/*
 * played: back-ends played in the test's process behind real links (without TLS, identities
 * injected), known to rpc_client as if they had been dialled. A test sets `serve` to answer.
 */
#ifndef TESTS_UNIT_FRONTEND_RPC_PLAYED_H
#define TESTS_UNIT_FRONTEND_RPC_PLAYED_H

#include "common/base/buf.h"
#include "common/rpc/link_priv.h"
#include "frontend/rpc/rpc_client_priv.h"
#include "tests/lib/check.h"
#include "tests/lib/wire.h"

struct played_node {
	const char *name;
	struct rpc_link *ask, *serve; /* NULL while it is down */
	struct rpc_server_ops ops;
	/* Answers a request; called in its fiber. */
	WAITS void (*answer)(struct played_node *n, struct rpc_req *r);
	unsigned asked[64]; /* requests by method */
	void *arg;
};

/* Empties rpc_client; partition i belongs to names[i]. */
void played_begin(const char *const *names, size_t n);
WAITS void played_up(struct played_node *n);
/* The link breaks: at once, whatever is under way. */
WAITS void played_down(struct played_node *n);
WAITS void played_end(void);

/* Unpacks a request's message: its payload, or its body where it is long. The caller frees it with
 * protobuf_c_message_free_unpacked(m, NULL). */
WAITS ProtobufCMessage *played_message(struct rpc_req *r, const ProtobufCMessageDescriptor *d);
WAITS void played_reply(struct rpc_req *r, enum err status, const ProtobufCMessage *m);
/* Reads a request's body into b until its end. */
WAITS enum err played_body(struct rpc_req *r, struct buf *b);

#endif
