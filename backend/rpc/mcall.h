/* mcall: one call in progress: what the dispatcher has made of the request, and the answer. */
#ifndef BACKEND_RPC_MCALL_H
#define BACKEND_RPC_MCALL_H

#include <protobuf-c/protobuf-c.h>

#include "backend/rpc/be.h"
#include "common/rpc/link.h"

struct method;

struct mcall {
	struct be *be;
	struct rpc_req *req;
	const struct method *method;
	const struct rpc_identity *peer;
	struct arena mem;            /* the request's and the answer's; ends with the call */
	const ProtobufCMessage *msg; /* unpacked and within limits */
	struct ticket_claims claims; /* of the request's ticket; zeroes without one */
	/* With ticket rights in the method's row: */
	struct dir_account account;
	struct partition *part; /* the account's, owned here */
	size_t held;            /* see mcall_hold */
	bool replied;
	bool recorded;    /* management: the audit has it */
	struct diag diag; /* text of a failure, for people */
};

/* The answer OK with this message. RPC_BODY: frames follow, by mcall_send. */
WAITS enum err mcall_reply(struct mcall *c, const ProtobufCMessage *m, enum rpc_body body) MUST_USE;
/* One DATA frame. mem: what m is made of, reset before the wait; or NULL. E_BUSY: the link has no
 * room. E_TOO_BIG is our own mistake: callers cut what they send. */
WAITS enum err mcall_send(struct mcall *c, const ProtobufCMessage *m, struct arena *mem) MUST_USE;
/* The answer that is not OK. E_WRONG_OWNER carries the partition's owner instead of a text. */
WAITS void mcall_fail(struct mcall *c, enum err e);
WAITS enum err mcall_wrong_owner(struct mcall *c, uint32_t partition);

/* Finds the owner of the account's partition: E_OK and c->part, or the answer was given. */
WAITS enum err mcall_partition(struct mcall *c, uint32_t partition) MUST_USE;
/* After a read said E_NOT_FOUND: makes the account's row if that was what is missing. True: it is
 * there now, perhaps since the read; ask again. */
WAITS bool mcall_account_there(struct mcall *c);

/* What reader threads found for the call, n bytes in all from now on, is charged to the link and to
 * the account until the call ends: whoever does not read an answer holds it. False: there is no
 * room (E_BUSY); for an account that holds nothing else only the link's counts. */
bool mcall_hold(struct mcall *c, size_t n) MUST_USE;

/* The link that the request came over, for sessions.h; NULL when it has ended meanwhile. */
const void *mcall_live_link(const struct mcall *c);
/* The session of c->claims has made this call: here, at its account's owner, it is listed. */
void mcall_session_seen(struct mcall *c);

/* Runs fn(arg) on a reader thread; its own result is in arg. */
WAITS enum err mcall_read(const char *name, void (*fn)(void *arg), void *arg) MUST_USE;

#define MCALL_BYTES(s) ((ProtobufCBinaryData){(s).n, (uint8_t *)(uintptr_t)(s).p})
#define MCALL_SLICE(b) slice((b).data, (b).len)

#endif
