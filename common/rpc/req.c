#include "common/rpc/link_priv.h"

#include "common/base/clock.h"
#include "common/base/num.h"
#include "common/log/metric.h"

#define REQ_MAGIC 0x72706372u

/* A peer that keeps asking for what it may not have gets one line a second. */
#define DENIED_LOG_MS 1000

METRIC_COUNTER(served, "rpc_requests_total", "Requests that were served");
METRIC_COUNTER(denied, "rpc_denied_total", "Requests for a method that the peer may not call");
METRIC_COUNTER(refused, "rpc_refused_total", "Requests refused for want of memory or fibers");

struct rpc_req *rpc_req_of(struct rpc_stream *s)
{
	struct rpc_req *r = container_of(s, struct rpc_req, s);

	invariant(r->magic == REQ_MAGIC);
	return r;
}

enum err rpc_req_state(const struct rpc_req *r)
{
	return r->gone ? E_CANCELLED : E_OK;
}

/* ---- arrival ---- */

static struct rpc_req *req_new(struct rpc_link *l, const struct frame *f, int64_t deadline_ms)
{
	struct rpc_req *r = xcalloc(1, sizeof(*r));

	r->magic = REQ_MAGIC;
	mux_init(&r->s, l, RPC_KIND_REQ, deadline_ms);
	budget_force(&l->budget, sizeof(*r));
	r->s.id = f->stream;
	r->method = f->code;
	r->has_body = (f->flags & FRAME_BODY) != 0;
	r->s.remote_closed = !r->has_body;
	mux_add(&r->s);
	return r;
}

void rpc_req_destroy(struct rpc_req *r)
{
	struct rpc_link *l = r->s.l;

	budget_give(&l->budget, sizeof(*r));
	budget_give(&l->budget, r->payload_n);
	xfree(&r->payload);
	r->magic = 0;
	xfree(&r);
}

static void payload_drop(struct rpc_req *r)
{
	budget_give(&r->s.l->budget, r->payload_n);
	r->payload_n = 0;
	xfree(&r->payload);
}

/* Answers without a payload, never waiting. */
static void put_status(struct rpc_req *r, enum err status)
{
	struct rpc_link *l = r->s.l;
	uint32_t id = r->s.id;

	r->replied = true;
	r->s.local_closed = true;
	mux_settle(&r->s);
	rpc_link_put(l, FRAME_RESPONSE, 0, err_to_wire(status), id, SLICE_NONE);
	rpc_link_drained(l);
}

/* Answers without a fiber; a body that is under way is swallowed. */
static void refuse(struct rpc_link *l, const struct frame *f, enum err status)
{
	struct rpc_req *r = req_new(l, f, NO_DEADLINE);

	put_status(r, status);
	mux_disown(&r->s);
}

static void deny(struct rpc_link *l, const struct frame *f)
{
	int64_t now = clock_mono_ms();

	metric_add(&denied, 1);
	l->denied++;
	if (now - l->denied_ms >= DENIED_LOG_MS) {
		LOG(LOG_WARN, &l->log, "rpc.denied", LF_UINT("method", f->code),
		    LF_UINT("count", l->denied));
		l->denied_ms = now;
		l->denied = 0;
	}
	refuse(l, f, E_DENIED);
}

/* The part of ending that a serving fiber and rpc_req_end() share: what was left unsaid. */
static void say_last(struct rpc_req *r, enum err unended)
{
	if (r->gone || r->s.local_closed)
		return;
	if (!r->replied) {
		LOG(LOG_ERROR, &r->s.l->log, "rpc.no_reply", LF_UINT("method", r->method));
		put_status(r, E_INTERNAL);
	} else if (unended == E_OK) {
		mux_put_end(&r->s);
	} else {
		mux_cancel(&r->s, unended);
	}
}

static WAITS void req_main(void *arg)
{
	struct rpc_req *r = arg;
	struct rpc_link *l = r->s.l;

	fiber_set_log(&l->log);
	/* A peer that asks and does not read finds us slow, not large. */
	if (mux_wait_room(&r->s, 0) == E_OK) {
		metric_add(&served, 1);
		l->ops->serve(r, l->ops->arg);
	}
	fiber_set_log(NULL);
	r->fiber = NULL;
	l->serving--;
	l->party->serving--;
	payload_drop(r);
	if (r->detached == NULL) {
		say_last(r, E_INTERNAL);
		mux_disown(&r->s);
	} else if (r->gone) {
		list_append(&l->gone, &r->s.room);
		event_set(&l->kick);
	}
}

static int64_t deadline_of(uint32_t left_ms, int64_t max_ms)
{
	int64_t now = clock_mono_ms(), left = left_ms;

	if (left_ms == FRAME_NO_DEADLINE)
		left = max_ms;
	left = MIN(left, max_ms);
	return left > NO_DEADLINE - now ? NO_DEADLINE : now + left;
}

void rpc_req_arrive(struct rpc_link *l, const struct frame *f)
{
	slice_t payload = slice_from(f->payload, FRAME_REQUEST_PREFIX);
	int64_t deadline_max_ms = NO_DEADLINE;
	size_t payload_max = 0;
	struct rpc_req *r;

	if (l->goaway_sent) {
		refuse(l, f, E_RETRY);
		return;
	}
	if (!l->ops->admit(&l->peer, f->code, &payload_max, &deadline_max_ms, l->ops->arg)) {
		deny(l, f);
		return;
	}
	if (payload.n > payload_max) {
		LOG_SELDOM(LOG_WARN, &l->log, "rpc.request_too_big", LF_UINT("method", f->code),
			   LF_UINT("bytes", payload.n), LF_UINT("max", payload_max));
		refuse(l, f, E_TOO_BIG);
		return;
	}
	/* A fiber may outlive its stream for a while; a peer that asks and cancels in a loop must
	 * not gather them. */
	if (l->serving == RPC_STREAMS_MAX || !rpc_party_may_serve(l->party) ||
	    !budget_take(&l->budget, payload.n)) {
		metric_add(&refused, 1);
		refuse(l, f, E_BUSY);
		return;
	}
	r = req_new(l, f, deadline_of(be32_get(f->payload.p), deadline_max_ms));
	r->payload_n = payload.n;
	r->payload = payload.n > 0 ? memcpy(xmalloc(payload.n), payload.p, payload.n) : NULL;
	if (fiber_start("rpc.serve", req_main, r, &r->fiber) != E_OK) {
		metric_add(&refused, 1);
		put_status(r, E_BUSY);
		mux_disown(&r->s);
		return;
	}
	l->serving++;
	l->party->serving++;
}

void rpc_req_lost(struct rpc_req *r)
{
	if (r->gone)
		return;
	r->gone = true;
	mux_deafen(&r->s);
	if (r->fiber != NULL) {
		fiber_cancel(r->fiber);
	} else if (r->detached != NULL) {
		list_remove(&r->s.room);
		list_append(&r->s.l->gone, &r->s.room);
		event_set(&r->s.l->kick);
	}
}

/* ---- for the serving fiber ---- */

slice_t rpc_req_payload(const struct rpc_req *r)
{
	return slice(r->payload, r->payload_n);
}

uint16_t rpc_req_method(const struct rpc_req *r)
{
	return r->method;
}

struct rpc_link *rpc_req_link(const struct rpc_req *r)
{
	return r->s.l;
}

int64_t rpc_req_deadline(const struct rpc_req *r)
{
	return r->s.deadline_ms;
}

bool rpc_req_has_body(const struct rpc_req *r)
{
	return r->has_body;
}

bool rpc_req_gone(const struct rpc_req *r)
{
	return r->gone;
}

WAITS enum err rpc_req_recv(struct rpc_req *r, slice_t *out)
{
	*out = SLICE_NONE;
	loans_over();
	for (;;) {
		enum err e;

		if (r->gone || r->s.end != E_OK)
			return E_CANCELLED;
		if (mux_next(&r->s)) {
			*out = slice(r->s.held->data, r->s.held->n);
			return E_OK;
		}
		if (r->s.remote_closed)
			return E_CLOSED;
		e = event_wait(&r->s.in, "rpc.body", r->s.deadline_ms);
		if (e == E_TIMEOUT)
			mux_expire(&r->s);
		if (e != E_OK)
			return e;
	}
}

static void put_reply(struct rpc_req *r, enum err status, slice_t payload, enum rpc_body body)
{
	struct rpc_link *l = r->s.l;
	uint32_t id = r->s.id;

	r->replied = true;
	r->s.turn = false;
	r->s.local_closed = body == RPC_NO_BODY;
	mux_settle(&r->s);
	rpc_link_put(l, FRAME_RESPONSE, body == RPC_BODY ? FRAME_BODY : 0, err_to_wire(status), id,
		     payload);
	rpc_link_drained(l);
}

WAITS enum err rpc_req_reply(struct rpc_req *r, enum err status, slice_t payload,
			     enum rpc_body body)
{
	enum err e;

	invariant(!r->replied);
	if (payload.n > RPC_PAYLOAD_MAX)
		return E_TOO_BIG;
	e = mux_wait_room(&r->s, 0);
	if (e != E_OK)
		return e;
	put_reply(r, status, payload, body);
	return E_OK;
}

WAITS enum err rpc_req_send(struct rpc_req *r, slice_t bytes)
{
	enum err e;

	invariant(bytes.n > 0 && bytes.n <= RPC_PAYLOAD_MAX);
	e = mux_wait_room(&r->s, mux_cost(bytes.n));
	if (e != E_OK)
		return e;
	invariant(r->replied && !r->s.local_closed);
	mux_put_data(&r->s, bytes);
	return E_OK;
}

enum err rpc_req_send_end(struct rpc_req *r)
{
	if (r->gone)
		return E_CANCELLED;
	invariant(r->replied && !r->s.local_closed);
	mux_put_end(&r->s);
	return E_OK;
}

void rpc_req_abort(struct rpc_req *r, enum err status)
{
	if (r->gone || r->s.local_closed)
		return;
	if (!r->replied)
		put_status(r, status);
	else
		mux_cancel(&r->s, status == E_OK ? E_INTERNAL : status);
}

/* ---- without a fiber ---- */

void rpc_req_detach(struct rpc_req *r, const struct rpc_detached_ops *ops, void *arg)
{
	invariant(r->fiber != NULL && r->detached == NULL);
	mux_deafen(&r->s);
	r->detached = ops;
	r->arg = arg;
}

/* Whether a frame of that cost can go now; if not, `writable` is called later. */
static enum err room_now(struct rpc_req *r, uint32_t cost)
{
	struct rpc_stream *s = &r->s;

	if (r->gone)
		return E_CANCELLED;
	if (cost <= s->send_credit && !mux_congested(s)) {
		list_remove(&s->room);
		return E_OK;
	}
	if (r->detached != NULL) {
		s->want_write = true;
		if (cost <= s->send_credit)
			mux_want_room(s);
	}
	return E_LIMIT;
}

enum err rpc_req_reply_now(struct rpc_req *r, enum err status, slice_t payload, enum rpc_body body)
{
	enum err e;

	invariant(!r->replied);
	if (payload.n > RPC_PAYLOAD_MAX)
		return E_TOO_BIG;
	e = room_now(r, 0);
	if (e == E_OK)
		put_reply(r, status, payload, body);
	return e;
}

enum err rpc_req_send_now(struct rpc_req *r, slice_t bytes)
{
	enum err e;

	invariant(bytes.n > 0 && bytes.n <= RPC_PAYLOAD_MAX);
	e = room_now(r, mux_cost(bytes.n));
	if (e != E_OK)
		return e;
	invariant(r->replied && !r->s.local_closed);
	mux_put_data(&r->s, bytes);
	return E_OK;
}

void rpc_req_end(struct rpc_req **rp)
{
	struct rpc_req *r = *rp;

	*rp = NULL;
	if (r == NULL)
		return;
	invariant(r->detached != NULL);
	say_last(r, E_OK);
	if (r->fiber != NULL)
		r->detached = NULL; /* its fiber is about to end, and frees it */
	else
		mux_disown(&r->s);
}
