/* call_ask: held mail is asked for (proto/outbound.proto). */
#ifndef FRONTEND_RPC_CALL_ASK_H
#define FRONTEND_RPC_CALL_ASK_H

#include "common/base/err.h"
#include "common/base/slice.h"

struct session;

/* What a node's name names. */
enum call_ask_what { CALL_ASK_NODE, CALL_ASK_BELOW, CALL_ASK_ROUTE };

struct call_asked {
	uint64_t waiting;
	bool counted; /* that is all of it; else more, or as many as nobody says */
};

/* Of any back-end, in the name of the session's client. node: in lower case, at most 256 bytes.
 * E_NOT_FOUND: nothing that it may ask for; E_LIMIT: too often; others: nobody can say. */
WAITS enum err call_ask(const struct session *s, enum call_ask_what what, const char *node,
			struct call_asked *out) MUST_USE;

#endif
