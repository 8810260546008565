/* peer_call: a question of one back-end to another, over the links of peers. */
#ifndef BACKEND_RPC_PEER_CALL_H
#define BACKEND_RPC_PEER_CALL_H

#include <protobuf-c/protobuf-c.h>

#include "backend/rpc/peers.h"
#include "common/base/arena.h"

struct peer_ask {
	uint16_t method;
	const ProtobufCMessage *request;
	int64_t deadline_ms; /* as clock_mono_ms() */
	/* Called with each DATA frame of the answer, if it has a body; the bytes are valid during
	 * the call. An error ends the question with it. NULL: the body is not wanted. */
	WAITS enum err (*each)(slice_t frame, void *arg);
	void *arg;
	slice_t payload; /* out: the answer's; in the arena */
};

/* E_RETRY: no link to it just now. Else the answer's status. Text of a failure in the diag. */
WAITS enum err peer_call(struct peers *p, const char *backend, struct peer_ask *ask,
			 struct arena *mem, struct diag *d) MUST_USE;

#endif
