/* begin: what Deliver.Begin and Append.Begin share. */
#ifndef BACKEND_RPC_BEGIN_H
#define BACKEND_RPC_BEGIN_H

#include "backend/rpc/mcall.h"

/* Takes the request's body as a message of c->part, known by the peer, txid and partition. Returns
 * when all of it has arrived, or was refused. The message is known before anything waits, so that
 * a commit sent right behind finds it; `look` (may be NULL) may then still refuse it. */
WAITS enum err begin_message(struct mcall *c, const ProtobufCBinaryData *txid, uint32_t partition,
			     uint64_t size, WAITS enum err (*look)(struct mcall *c)) MUST_USE;

#endif
