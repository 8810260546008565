#include "frontend/rpc/call_ask.h"

#include "common/loop/fiber.h"
#include "frontend/core/session.h"
#include "frontend/rpc/rpc_client.h"
#include "proto/method.pb-c.h"
#include "proto/outbound.pb-c.h"

#define ASK_MS 20000 /* the back-end that is asked asks all others */

static Postern__OutboundAskWhat what_of(enum call_ask_what what)
{
	switch (what) {
	case CALL_ASK_NODE:
		break;
	case CALL_ASK_BELOW:
		return POSTERN__OUTBOUND_ASK_WHAT__OUTBOUND_ASK_BELOW;
	case CALL_ASK_ROUTE:
		return POSTERN__OUTBOUND_ASK_WHAT__OUTBOUND_ASK_ROUTE;
	}
	return POSTERN__OUTBOUND_ASK_WHAT__OUTBOUND_ASK_NODE;
}

WAITS enum err call_ask(const struct session *s, enum call_ask_what what, const char *node,
			struct call_asked *out)
{
	Postern__OutboundAsk req = POSTERN__OUTBOUND_ASK__INIT;
	const struct ipaddr *peer = stream_peer(s->stream);
	const Postern__OutboundAskReply *r;
	struct diag d = {""};
	ProtobufCMessage *m;
	struct arena mem;
	enum err e;

	req.node = (char *)(uintptr_t)node;
	req.what = what_of(what);
	req.ip.len = peer->family == 6 ? 16 : 4;
	req.ip.data = (uint8_t *)(uintptr_t)peer->b;
	arena_init(&mem, NULL);
	/* Not a question that another is asked, too, when one is slow: it would count twice. */
	e = rpc_client_call(rpc_client_any(), POSTERN__METHOD__METHOD_OUTBOUND_ASK, &req.base,
			    &postern__outbound_ask_reply__descriptor, &mem, deadline_in(ASK_MS), &m,
			    &d);
	if (e == E_OK) {
		r = (const Postern__OutboundAskReply *)m;
		*out = (struct call_asked){.waiting = r->waiting, .counted = r->counted};
	}
	arena_reset(&mem);
	return e;
}
