#include "frontend/rpc/call_gssapi.h"

#include "frontend/rpc/call_priv.h"
#include "proto/outbound.pb-c.h"

#define LOGIN_MS (2 * 60 * 1000) /* the relay's answers, and the KDC's behind the back-end */

void call_gssapi_init(struct call_gssapi *g, uint32_t partition, slice_t lease)
{
	*g = (struct call_gssapi){.partition = partition, .lease = lease};
}

void call_gssapi_fini(struct call_gssapi *g)
{
	if (g->call != NULL)
		rpc_call_free(&g->call);
}

WAITS static enum err begin(struct call_gssapi *g, struct diag *why)
{
	Postern__OutboundGssapi req = POSTERN__OUTBOUND_GSSAPI__INIT;
	slice_t words = SLICE_NONE;
	enum err e;

	req.lease = call_bytes(g->lease);
	e = rpc_client_open(rpc_client_partition(g->partition),
			    POSTERN__METHOD__METHOD_OUTBOUND_GSSAPI, &req.base, RPC_BODY,
			    deadline_in(LOGIN_MS), &g->call);
	if (e != E_OK)
		return e;
	e = rpc_call_response(g->call, &words);
	if (e != E_OK)
		rpc_client_words(words, why);
	return e;
}

static enum err take_step(const Postern__OutboundGssapiStep *m, struct buf *say, bool *done_out,
			  struct diag *why)
{
	if (m->why[0] != '\0')
		return diag_set(why, E_DENIED, "%s", m->why);
	buf_put(say, call_slice(m->token));
	*done_out = m->done;
	return E_OK;
}

WAITS enum err call_gssapi_step(void *arg, slice_t challenge, struct buf *say, bool *done_out,
				struct diag *why)
{
	struct call_gssapi *g = arg;
	ProtobufCMessage *m;
	struct arena mem;
	enum err e = g->call == NULL ? begin(g, why) : rpc_call_send(g->call, challenge);

	if (e != E_OK)
		return e;
	arena_init(&mem, NULL);
	e = call_next(g->call, &postern__outbound_gssapi_step__descriptor, &mem, &m);
	if (e == E_OK)
		e = take_step((const Postern__OutboundGssapiStep *)m, say, done_out, why);
	arena_reset(&mem);
	return e;
}
