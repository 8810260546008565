/* What the files of the message calls share. */
#ifndef FRONTEND_RPC_CALL_MESSAGE_PRIV_H
#define FRONTEND_RPC_CALL_MESSAGE_PRIV_H

#include "common/base/arena.h"
#include "frontend/core/ticket.h"
#include "frontend/rpc/call_message.h"

/* The generated enum has the names of ours; seen from here they are its own. */
#include "proto/message.pb-c.h"

/* How long a repeatable change waits for the owner's link to come back before it is asked again. */
#define CALL_AGAIN_MS 5000

/* A part table in the arena; not checked. */
const struct mime_part *call_take_parts(struct arena *a, const Postern__PartTable *t);

/* After a failure that may have lost only the answer: E_OK when the call is to be asked again,
 * once (*again is cleared); e otherwise. */
WAITS enum err call_again(const struct ticket *t, enum err e, bool *again) MUST_USE;

#endif
