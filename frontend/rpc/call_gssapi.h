/*
 * call_gssapi: a log-in of ours at a relay with GSSAPI: the back-end that gave the job has the
 * ticket, the worker has the relay.
 */
#ifndef FRONTEND_RPC_CALL_GSSAPI_H
#define FRONTEND_RPC_CALL_GSSAPI_H

#include "common/base/arena.h"
#include "common/base/buf.h"
#include "common/base/err.h"

#define CALL_GSSAPI_TOKEN_MAX 9204 /* what fits a line of AUTH (RFC 4954 section 4) */
#define CALL_GSSAPI_WHY_MAX   255  /* a struct diag's text */

struct rpc_call;

struct call_gssapi {
	uint32_t partition;
	slice_t lease;         /* borrowed */
	struct rpc_call *call; /* NULL: not begun */
};
void call_gssapi_init(struct call_gssapi *g, uint32_t partition, slice_t lease);
/* As smtp_gssapi's step; arg is a struct call_gssapi. E_DENIED: the back-end has no answer to that,
 * and says why; others: it cannot be asked. */
WAITS enum err call_gssapi_step(void *arg, slice_t challenge, struct buf *say, bool *done_out,
				struct diag *why) MUST_USE;
/* Also one that is not over. */
void call_gssapi_fini(struct call_gssapi *g);

#endif
