#include "common/rpc/link_priv.h"

#include "common/base/clock.h"
#include "common/base/num.h"

#define CALL_MAGIC 0x72706363u

struct rpc_call *rpc_call_of(struct rpc_stream *s)
{
	struct rpc_call *c = container_of(s, struct rpc_call, s);

	invariant(c->magic == CALL_MAGIC);
	return c;
}

enum err rpc_call_state(const struct rpc_call *c)
{
	if (c->s.end != E_OK)
		return c->s.end;
	if (c->s.remote_closed || (c->responded && c->status != E_OK))
		return E_CLOSED;
	return E_OK;
}

/* ---- REQUEST ---- */

static uint32_t time_left(int64_t deadline_ms)
{
	int64_t left;

	if (deadline_ms == NO_DEADLINE)
		return FRAME_NO_DEADLINE;
	left = deadline_ms - clock_mono_ms();
	return (uint32_t)MAX(1, MIN(left, (int64_t)FRAME_NO_DEADLINE - 1));
}

static void put_request(struct rpc_call *c, slice_t payload)
{
	struct rpc_link *l = c->s.l;
	char head[FRAME_HEADER + FRAME_REQUEST_PREFIX];

	do
		l->last_id++;
	while (l->last_id == 0 || mux_find(l, l->last_id) != NULL);
	c->s.id = l->last_id;
	c->s.local_closed = c->body == RPC_NO_BODY;
	mux_add(&c->s);
	frame_header_put(head, FRAME_REQUEST, c->body == RPC_BODY ? FRAME_BODY : 0, c->method,
			 c->s.id, FRAME_REQUEST_PREFIX + payload.n);
	be32_put(head + FRAME_HEADER, time_left(c->s.deadline_ms));
	rpc_link_put_raw(l, slice(head, sizeof(head)), payload);
}

static void parked_free(struct rpc_call *c)
{
	struct rpc_link *l = c->s.l;

	if (c->parked == NULL)
		return;
	list_remove(&c->s.room);
	l->nparked--;
	budget_give(&l->budget, c->parked_n);
	xfree(&c->parked);
}

static void park(struct rpc_call *c, slice_t payload)
{
	struct rpc_link *l = c->s.l;

	c->parked = xmalloc(MAX(payload.n, (size_t)1));
	c->parked_n = payload.n;
	if (payload.n > 0)
		memcpy(c->parked, payload.p, payload.n);
	list_append(&l->parked, &c->s.room);
	l->nparked++;
	if (!l->writer_busy)
		event_set(&l->kick);
}

void rpc_call_unpark(struct rpc_call *c)
{
	char *payload = c->parked;
	size_t n = c->parked_n;

	c->parked = NULL;
	list_remove(&c->s.room);
	c->s.l->nparked--;
	budget_give(&c->s.l->budget, n);
	if (c->s.end == E_OK && c->s.deadline_ms <= clock_mono_ms())
		c->s.end = E_TIMEOUT;
	if (c->s.end == E_OK)
		put_request(c, slice(payload, n));
	mux_wake(&c->s);
	xfree(&payload);
}

enum err rpc_call_start(struct rpc_link *l, uint16_t method, slice_t payload, enum rpc_body body,
			int64_t deadline_ms, struct rpc_call **out)
{
	bool wait = l->nparked > 0 || (!l->closed && l->queued(l) >= RPC_HIGH_WATER);
	struct rpc_call *c;

	*out = NULL;
	invariant(l->side == RPC_REQUESTER);
	if (!rpc_link_usable(l))
		return E_RETRY;
	if (payload.n > RPC_PAYLOAD_MAX - FRAME_REQUEST_PREFIX)
		return E_TOO_BIG;
	if (deadline_ms <= clock_mono_ms())
		return E_TIMEOUT;
	if (l->nopen + l->nparked >= RPC_STREAMS_MAX)
		return E_LIMIT;
	if (wait && !budget_take(&l->budget, payload.n))
		return E_LIMIT;
	c = xcalloc(1, sizeof(*c));
	c->magic = CALL_MAGIC;
	c->method = method;
	c->body = body;
	mux_init(&c->s, l, RPC_KIND_CALL, deadline_ms);
	*out = c;
	if (wait)
		park(c, payload);
	else
		put_request(c, payload);
	return E_OK;
}

/* ---- body ---- */

WAITS enum err rpc_call_send(struct rpc_call *c, slice_t bytes)
{
	while (bytes.n > 0) {
		size_t least = MIN(bytes.n, (size_t)RPC_CUT_MIN), n;
		enum err e = mux_wait_room(&c->s, mux_cost(least));

		if (e != E_OK)
			return e;
		invariant(c->body == RPC_BODY && !c->s.local_closed);
		n = MIN(bytes.n, (size_t)(c->s.send_credit - RPC_DATA_COST));
		n = MIN(n, (size_t)RPC_CREDIT_BATCH);
		mux_put_data(&c->s, slice_sub(bytes, 0, n));
		bytes = slice_from(bytes, n);
	}
	return E_OK;
}

enum err rpc_call_send_end(struct rpc_call *c)
{
	enum err e = rpc_call_state(c);

	if (e != E_OK)
		return e;
	invariant(c->body == RPC_BODY && !c->s.local_closed);
	if (c->parked != NULL)
		c->body = RPC_NO_BODY; /* a body of nothing is none */
	else
		mux_put_end(&c->s);
	return E_OK;
}

/* ---- the answer ---- */

bool rpc_call_respond(struct rpc_call *c, const struct frame *f)
{
	size_t n = f->payload.n;

	if (c->responded)
		return false;
	c->responded = true;
	c->status = (enum err)f->code;
	if (c->s.deaf || n == 0)
		return true;
	if (!budget_take(&c->s.l->budget, n)) {
		LOG_SELDOM(LOG_WARN, &c->s.l->log, "rpc.memory", LF_UINT("stream", c->s.id));
		c->status = E_LIMIT;
		return true;
	}
	c->reply = xmalloc(n);
	c->reply_n = n;
	memcpy(c->reply, f->payload.p, n);
	return true;
}

static WAITS enum err wait_in(struct rpc_call *c, const char *name)
{
	enum err e = event_wait(&c->s.in, name, c->s.deadline_ms);

	if (e == E_TIMEOUT)
		mux_expire(&c->s);
	return e;
}

WAITS enum err rpc_call_response(struct rpc_call *c, slice_t *payload_out)
{
	if (payload_out != NULL)
		*payload_out = SLICE_NONE;
	loans_over();
	while (!c->responded) {
		enum err e = c->s.end != E_OK ? c->s.end : wait_in(c, "rpc.response");

		if (e != E_OK)
			return e;
	}
	if (payload_out != NULL)
		*payload_out = slice(c->reply, c->reply_n);
	return c->status;
}

WAITS enum err rpc_call_recv(struct rpc_call *c, slice_t *out)
{
	*out = SLICE_NONE;
	loans_over();
	for (;;) {
		enum err e;

		if (mux_next(&c->s)) {
			*out = slice(c->s.held->data, c->s.held->n);
			return E_OK;
		}
		if (c->s.end != E_OK)
			return c->s.end;
		if (c->s.remote_closed)
			return E_CLOSED;
		e = wait_in(c, "rpc.data");
		if (e != E_OK)
			return e;
	}
}

bool rpc_call_readable(const struct rpc_call *c)
{
	return c->s.in_first != NULL || c->s.end != E_OK || c->s.remote_closed;
}

bool rpc_call_is_over(const struct rpc_call *c)
{
	return c->s.end != E_OK || c->s.remote_closed;
}

void rpc_call_notify(struct rpc_call *c, struct event *e)
{
	c->notify = e;
}

void rpc_call_destroy(struct rpc_call *c)
{
	struct rpc_link *l = c->s.l;

	budget_give(&l->budget, c->reply_n);
	xfree(&c->reply);
	c->magic = 0;
	xfree(&c);
}

void rpc_call_free(struct rpc_call **cp)
{
	struct rpc_call *c = *cp;

	*cp = NULL;
	if (c == NULL)
		return;
	c->notify = NULL;
	parked_free(c);
	mux_disown(&c->s);
}
