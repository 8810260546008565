/* Outbound.Ask: held mail is asked for. Whoever of the back-ends hears it asks the others, too:
 * each has a part of the queue. */
#include "backend/queue/outbound.h"
#include "backend/rpc/convert.h"
#include "backend/rpc/peer_call.h"
#include "backend/rpc/rpc_methods.h"
#include "common/base/clock.h"
#include "common/log/log.h"
#include "common/loop/fiber.h"
#include "common/rpc/walk.h"
#include "proto/method.pb-c.h"
#include "proto/outbound.pb-c.h"

#define PEERS_MS 5000 /* all of them; who has not heard it by then does not know of it */

static enum err read_ask(const Postern__OutboundAsk *m, struct outbound_ask *out)
{
	if ((m->ip.len != 4 && m->ip.len != 16) || (unsigned)m->what >= ASKED_WHATS ||
	    m->node[0] == '\0')
		return E_INVALID;
	*out = (struct outbound_ask){.what = (enum asked_what)m->what,
				     .node = slice_str(m->node),
				     .from = {.family = m->ip.len == 4 ? 4 : 6}};
	memcpy(out->from.b, m->ip.data, m->ip.len);
	return E_OK;
}

WAITS static enum err ask_peer(struct mcall *c, const char *name, int64_t deadline_ms,
			       struct outbound_asked *out)
{
	struct peer_ask ask = {
		.method = POSTERN__METHOD__METHOD_OUTBOUND_ASK,
		.request = c->msg,
		.deadline_ms = deadline_ms,
	};
	const Postern__OutboundAskReply *r;
	struct diag d = {""};
	ProtobufCMessage *m;
	enum err e = peer_call(c->be->peers, name, &ask, &c->mem, &d);

	if (e == E_OK)
		e = walk_unpack(&postern__outbound_ask_reply__descriptor, NULL, ask.payload,
				&c->mem, &m, &d);
	if (e != E_OK)
		return e;
	r = (const void *)m;
	out->waiting += MIN(r->waiting, (uint64_t)SCHED_ITEMS_MAX);
	out->counted = out->counted && r->counted;
	return E_OK;
}

/* One that is away has not begun, so there may be more than was counted. */
WAITS static enum err ask_peers(struct mcall *c, struct outbound_asked *out)
{
	int64_t deadline_ms = deadline_in(PEERS_MS);

	for (size_t i = 0; i < dir_node_count(c->be->dir); i++) {
		struct dir_node n;
		enum err e;

		dir_node_at(c->be->dir, i, &n);
		if (strcmp(n.name, dir_node_name(c->be->dir)) == 0)
			continue;
		e = ask_peer(c, n.name, deadline_ms, out);
		if (e == E_CANCELLED)
			return e;
		if (e != E_OK) {
			out->counted = false;
			LOG(LOG_INFO, NULL, "queue.not_asked", LF_STR("backend", n.name),
			    LF_ERR("why", e));
		}
	}
	return E_OK;
}

WAITS enum err m_outbound_ask(struct mcall *c)
{
	Postern__OutboundAskReply reply = POSTERN__OUTBOUND_ASK_REPLY__INIT;
	struct outbound_asked out;
	struct outbound_ask q;
	enum err e = read_ask((const void *)c->msg, &q);

	if (e == E_OK && c->be->outbound == NULL)
		e = E_RETRY;
	if (e == E_OK && c->peer->role == ROLE_FRONTEND)
		e = outbound_count_asker(c->be->outbound, &q.from);
	if (e == E_OK)
		e = outbound_ask(c->be->outbound, &q, &out);
	if (e == E_OK && c->peer->role == ROLE_FRONTEND)
		e = ask_peers(c, &out);
	if (e != E_OK)
		return e;
	reply.waiting = out.waiting;
	reply.counted = out.counted;
	return mcall_reply(c, &reply.base, RPC_NO_BODY);
}
