#include "common/rpc/link_priv.h"

#include "common/base/clock.h"
#include "common/base/num.h"

/* Each of these takes one frame, and returns why it breaks the protocol, or NULL. */

static enum err wire_status(uint16_t code)
{
	/* A status that a newer peer knows and we do not is a failure of some kind. */
	return code <= E_WIRE_LAST ? (enum err)code : E_INTERNAL;
}

static const char *in_request(struct rpc_link *l, const struct frame *f)
{
	/* Numbers rise by one; a gap is left where a number was still in use after a wrap. */
	uint32_t step = f->stream - l->last_id;

	if (l->side != RPC_SERVER)
		return "request from the serving side";
	if (l->goaway_received)
		return "request after goaway";
	if (step == 0 || step > RPC_STREAMS_MAX + 1 || mux_find(l, f->stream) != NULL)
		return "stream number used or out of order";
	if (l->nopen == RPC_STREAMS_MAX)
		return "too many streams";
	l->last_id = f->stream;
	rpc_req_arrive(l, f);
	return NULL;
}

/* The peer closed its direction of a call: there is no use for the rest of ours. */
static void close_call(struct rpc_stream *s)
{
	s->remote_closed = true;
	mux_wake(s);
	if (s->local_closed)
		mux_settle(s);
	else
		mux_cancel(s, E_OK);
}

static const char *in_response(struct rpc_link *l, const struct frame *f)
{
	struct rpc_stream *s = mux_find(l, f->stream);
	struct frame mapped = *f;

	if (l->side != RPC_REQUESTER)
		return "response from the requesting side";
	if (s == NULL)
		return "response on a stream that is not open";
	mapped.code = (uint16_t)wire_status(f->code);
	if (!rpc_call_respond(rpc_call_of(s), &mapped))
		return "second response";
	if ((f->flags & FRAME_BODY) == 0)
		close_call(s);
	else
		mux_wake(s);
	return NULL;
}

static const char *in_data(struct rpc_link *l, const struct frame *f)
{
	struct rpc_stream *s = mux_find(l, f->stream);
	uint32_t cost = f->payload.n > 0 ? mux_cost(f->payload.n) : 0;

	if (s == NULL || s->remote_closed)
		return "data on a stream that is not open";
	if (s->kind == RPC_KIND_CALL && !rpc_call_of(s)->responded)
		return "data before the response";
	if (cost > s->recv_credit)
		return "data beyond credit";
	s->recv_credit -= cost;
	if (!mux_receive(s, f->payload)) {
		LOG_SELDOM(LOG_WARN, &l->log, "rpc.memory", LF_UINT("stream", s->id));
		if (s->kind == RPC_KIND_CALL)
			s->end = E_LIMIT;
		else
			rpc_req_lost(rpc_req_of(s));
		mux_deafen(s);
		mux_wake(s);
		s->remote_closed = (f->flags & FRAME_END) != 0;
		mux_cancel(s, E_BUSY);
		return NULL;
	}
	if ((f->flags & FRAME_END) == 0) {
		event_set(&s->in);
		if (s->kind == RPC_KIND_CALL && rpc_call_of(s)->notify != NULL)
			event_set(rpc_call_of(s)->notify);
	} else if (s->kind == RPC_KIND_CALL) {
		close_call(s);
	} else {
		s->remote_closed = true;
		event_set(&s->in);
		mux_settle(s);
	}
	return NULL;
}

static const char *in_credit(struct rpc_link *l, const struct frame *f)
{
	struct rpc_stream *s = mux_find(l, f->stream);
	uint32_t n = be32_get(f->payload.p);

	if (n == 0)
		return "credit of nothing";
	if (s == NULL)
		return mux_future(l, f->stream) ? "credit on a stream that is not open" : NULL;
	if (n > RPC_CREDIT - s->send_credit)
		return "credit beyond the limit";
	s->send_credit += n;
	if (s->want_write)
		mux_want_room(s);
	else
		event_set(&s->out);
	return NULL;
}

static const char *in_cancel(struct rpc_link *l, const struct frame *f)
{
	struct rpc_stream *s = mux_find(l, f->stream);

	if (s == NULL)
		return mux_future(l, f->stream) ? "cancel on a stream that is not open" : NULL;
	if (s->end == E_OK) {
		s->end = wire_status(f->code);
		if (s->end == E_OK)
			s->end = E_CANCELLED;
	}
	s->remote_closed = true;
	if (s->kind == RPC_KIND_REQ && !s->local_closed)
		rpc_req_lost(rpc_req_of(s));
	mux_wake(s);
	if (s->local_closed)
		mux_settle(s);
	else
		mux_cancel(s, E_OK);
	return NULL;
}

static const char *in_ping(struct rpc_link *l, const struct frame *f)
{
	int64_t now = clock_mono_ms();

	if ((f->flags & FRAME_ACK) != 0) {
		if (!l->ping_sent)
			return "answer to no ping";
		l->ping_sent = false;
		return NULL;
	}
	if (now - l->pings_ms >= RPC_PING_MS) {
		l->pings_ms = now;
		l->pings = 0;
	}
	if (++l->pings > RPC_PINGS_MAX)
		return "too many pings";
	rpc_link_put(l, FRAME_PING, FRAME_ACK, 0, 0, f->payload);
	return NULL;
}

static const char *in_goaway(struct rpc_link *l)
{
	if (l->goaway_received)
		return "second goaway";
	l->goaway_received = true;
	LOG(LOG_INFO, &l->log, "rpc.drain", LF_STR("by", "peer"), LF_UINT("streams", l->nopen));
	rpc_link_drain(l);
	return NULL;
}

static const char *in_frame(struct rpc_link *l, const struct frame *f)
{
	switch (f->type) {
	case FRAME_HELLO:
		return "second hello";
	case FRAME_REQUEST:
		return in_request(l, f);
	case FRAME_RESPONSE:
		return in_response(l, f);
	case FRAME_DATA:
		return in_data(l, f);
	case FRAME_CREDIT:
		return in_credit(l, f);
	case FRAME_CANCEL:
		return in_cancel(l, f);
	case FRAME_PING:
		return in_ping(l, f);
	case FRAME_GOAWAY:
		return in_goaway(l);
	}
	return "unknown frame type";
}

size_t mux_input(struct rpc_link *l, slice_t in)
{
	size_t done = 0;

	while (!l->closed) {
		const char *why = NULL;
		struct frame f;
		size_t used = 0;
		enum parse_rc rc = frame_parse(slice_from(in, done), &f, &used, &why);

		if (rc == P_MORE)
			break;
		if (rc == P_OK)
			why = in_frame(l, &f);
		if (why != NULL) {
			rpc_link_fault(l, why);
			break;
		}
		done += used;
	}
	rpc_link_drained(l);
	return done;
}
