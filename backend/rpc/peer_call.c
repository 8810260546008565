#include "backend/rpc/peer_call.h"

#include "common/rpc/walk.h"
#include "proto/types.pb-c.h"

static enum err start(struct rpc_link *l, const struct peer_ask *ask, struct rpc_call **out)
{
	size_t n = protobuf_c_message_get_packed_size(ask->request);
	uint8_t *bytes = xmalloc(n + 1);
	enum err e;

	protobuf_c_message_pack(ask->request, bytes);
	e = rpc_call_start(l, ask->method, slice(bytes, n), RPC_NO_BODY, ask->deadline_ms, out);
	xfree(&bytes);
	return e;
}

static void read_failure(slice_t payload, struct arena *mem, struct diag *d)
{
	ProtobufCMessage *m;
	struct diag why;

	if (walk_unpack(&postern__failure__descriptor, NULL, payload, mem, &m, &why) == E_OK)
		diag_set(d, E_OK, "%s", ((const Postern__Failure *)(const void *)m)->text);
}

WAITS static enum err receive(struct rpc_call *call, const struct peer_ask *ask)
{
	slice_t frame;
	enum err e;

	while ((e = rpc_call_recv(call, &frame)) == E_OK) {
		e = ask->each(frame, ask->arg);
		if (e != E_OK)
			return e;
	}
	return e == E_CLOSED ? E_OK : e;
}

WAITS enum err peer_call(struct peers *p, const char *backend, struct peer_ask *ask,
			 struct arena *mem, struct diag *d)
{
	struct rpc_link *l = peers_link(p, backend);
	struct rpc_call *call = NULL;
	slice_t payload = SLICE_NONE;
	enum err e;

	if (l == NULL)
		return diag_set(d, E_RETRY, "no link to it");
	rpc_link_ref(l);
	e = start(l, ask, &call);
	if (e == E_OK)
		e = rpc_call_response(call, &payload);
	if (e == E_OK) {
		ask->payload = arena_dup(mem, payload);
		e = ask->each != NULL ? receive(call, ask) : E_OK;
	} else if (e <= E_WIRE_LAST) {
		read_failure(payload, mem, d);
	}
	rpc_call_free(&call);
	rpc_link_unref(&l);
	return e;
}
