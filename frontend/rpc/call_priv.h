/* What the typed calls of a logged-in session share. */
#ifndef FRONTEND_RPC_CALL_PRIV_H
#define FRONTEND_RPC_CALL_PRIV_H

#include "common/loop/fiber.h"
#include "frontend/core/ticket.h"
#include "frontend/rpc/rpc_client.h"
#include "frontend/rpc/uid_set.h"
#include "proto/method.pb-c.h"
#include "proto/types.pb-c.h"

/* One short call: a group commit behind a queue, or a page of the store from a slow disk. */
#define CALL_MS        60000
/* A streamed answer, which goes as fast as the client reads: 50 MiB over a slow line. */
#define CALL_STREAM_MS (60 * 60 * 1000)

static inline ProtobufCBinaryData call_bytes(slice_t s)
{
	return (ProtobufCBinaryData){s.n, (uint8_t *)(uintptr_t)s.p};
}

static inline slice_t call_slice(ProtobufCBinaryData b)
{
	return slice(b.data, b.len);
}

/* A request's own copy of the ticket: another fiber may renew it while the call waits. */
struct call_ticket {
	uint8_t bytes[TICKET_BYTES_MAX];
};
/* Renews the ticket when due and points *out at the copy. E_NO_TICKET. */
WAITS enum err call_begin(struct ticket *t, struct call_ticket *copy,
			  ProtobufCBinaryData *out) MUST_USE;
/* rpc_client_call to the ticket's owner; asks the back-end that a WRONG_OWNER names. */
WAITS enum err call_simple(const struct ticket *t, uint16_t method, const ProtobufCMessage *req,
			   const ProtobufCMessageDescriptor *reply, struct arena *a,
			   ProtobufCMessage **reply_out, struct diag *d) MUST_USE;
/* The same for an answer with a body: *call_out is ready for rpc_call_recv. reply may be NULL. */
WAITS enum err call_stream(const struct ticket *t, uint16_t method, const ProtobufCMessage *req,
			   const ProtobufCMessageDescriptor *reply, struct arena *a,
			   ProtobufCMessage **reply_out, struct rpc_call **call_out,
			   struct diag *d) MUST_USE;
/* The next DATA frame, unpacked into the arena. Errors as rpc_call_recv. */
WAITS enum err call_next(struct rpc_call *c, const ProtobufCMessageDescriptor *d, struct arena *a,
			 ProtobufCMessage **out) MUST_USE;

/* Ranges as the protobuf array of a request, in the arena. */
Postern__UidRange **call_ranges(struct arena *a, const struct uid_range *r, size_t n);
/* A protobuf array of ranges as ours, in the arena; E_INTERNAL where one is upside down, zero, or
 * (when ascending is asked for) not above the one before. */
enum call_order { CALL_ANY_ORDER, CALL_ASCENDING };
enum err call_take_ranges(struct arena *a, Postern__UidRange *const *in, size_t n,
			  enum call_order order, const struct uid_range **out) MUST_USE;
/* Strings as slices, in the arena. */
const slice_t *call_take_strings(struct arena *a, char *const *in, size_t n);
/* Slices as C strings, in the arena. */
char **call_strings(struct arena *a, const slice_t *in, size_t n);

#endif
