#include "common/rpc/link_priv.h"

#include "common/base/clock.h"
#include "common/base/num.h"

#define SLOTS_FIRST 64

static struct rpc_stream *of_open(struct list *node)
{
	return list_entry(node, struct rpc_stream, open);
}

static struct rpc_stream *of_room(struct list *node)
{
	return list_entry(node, struct rpc_stream, room);
}

/* ---- the table ---- */

void mux_init(struct rpc_stream *s, struct rpc_link *l, enum rpc_kind kind, int64_t deadline_ms)
{
	*s = (struct rpc_stream){
		.l = l,
		.kind = kind,
		.send_credit = RPC_CREDIT,
		.recv_credit = RPC_CREDIT,
		.deadline_ms = deadline_ms,
	};
	rpc_link_ref(l);
	list_init(&s->open);
	list_init(&s->room);
	event_init(&s->in);
	event_init(&s->out);
	l->sweep_ms = MIN(l->sweep_ms, deadline_ms);
}

static struct rpc_stream **slot_of(const struct rpc_link *l, uint32_t id)
{
	return &l->slots[id & (l->nslots - 1)];
}

static void grow(struct rpc_link *l)
{
	xfree(&l->slots);
	l->nslots = l->nslots == 0 ? SLOTS_FIRST : l->nslots * 2;
	l->slots = xcalloc(l->nslots, sizeof(*l->slots));
	list_for_each(i, &l->open) {
		struct rpc_stream *s = of_open(i), **slot = slot_of(l, s->id);

		s->hash_next = *slot;
		*slot = s;
	}
}

void mux_add(struct rpc_stream *s)
{
	struct rpc_link *l = s->l;
	struct rpc_stream **slot;

	invariant(!s->in_table && s->id != 0 && l->nopen < RPC_STREAMS_MAX);
	if (l->nopen == l->nslots)
		grow(l);
	slot = slot_of(l, s->id);
	s->hash_next = *slot;
	*slot = s;
	s->in_table = true;
	list_append(&l->open, &s->open);
	l->nopen++;
}

struct rpc_stream *mux_find(const struct rpc_link *l, uint32_t id)
{
	struct rpc_stream *s = l->nslots != 0 ? *slot_of(l, id) : NULL;

	while (s != NULL && s->id != id)
		s = s->hash_next;
	return s;
}

bool mux_future(const struct rpc_link *l, uint32_t id)
{
	/* Numbers wrap around after 2^32 requests; half of them count as past. */
	return (int32_t)(id - l->last_id) > 0;
}

static void destroy(struct rpc_stream *s)
{
	struct rpc_link *l = s->l;

	list_remove(&s->room);
	if (s->kind == RPC_KIND_CALL)
		rpc_call_destroy(rpc_call_of(s));
	else
		rpc_req_destroy(rpc_req_of(s));
	rpc_link_unref(&l);
}

void mux_remove(struct rpc_stream *s)
{
	struct rpc_link *l = s->l;
	struct rpc_stream **p = slot_of(l, s->id);

	invariant(s->in_table);
	while (*p != s)
		p = &(*p)->hash_next;
	*p = s->hash_next;
	list_remove(&s->open);
	s->in_table = false;
	l->nopen--;
	if (s->orphan)
		destroy(s);
}

void mux_settle(struct rpc_stream *s)
{
	if (s->in_table && s->local_closed && s->remote_closed)
		mux_remove(s);
}

void mux_cancel(struct rpc_stream *s, enum err status)
{
	struct rpc_link *l = s->l;
	uint32_t id = s->id;

	if (!s->in_table || s->cancel_sent)
		return;
	s->cancel_sent = true;
	s->local_closed = true;
	mux_settle(s);
	rpc_link_put(l, FRAME_CANCEL, 0, err_to_wire(status), id, SLICE_NONE);
	rpc_link_drained(l);
}

void mux_wake(struct rpc_stream *s)
{
	event_set(&s->in);
	event_set(&s->out);
	if (s->kind == RPC_KIND_CALL && rpc_call_of(s)->notify != NULL)
		event_set(rpc_call_of(s)->notify);
}

void mux_expire(struct rpc_stream *s)
{
	if (s->kind == RPC_KIND_CALL) {
		if (s->end == E_OK)
			s->end = E_TIMEOUT;
		s->l->doubtful = true;
	} else {
		rpc_req_lost(rpc_req_of(s));
	}
	mux_deafen(s);
	mux_wake(s);
	/* The asker sees "retry": its own deadline is about to pass too. */
	mux_cancel(s, s->kind == RPC_KIND_CALL ? E_OK : E_RETRY);
}

void mux_sweep(struct rpc_link *l, int64_t now_ms)
{
	int64_t next = NO_DEADLINE;

	list_for_each_safe(i, &l->open) {
		struct rpc_stream *s = of_open(i);
		bool ended =
			s->orphan || s->end != E_OK || (s->kind == RPC_KIND_REQ && s->local_closed);

		if (ended)
			continue;
		if (s->deadline_ms > now_ms)
			next = MIN(next, s->deadline_ms);
		else
			mux_expire(s);
		/* A full output queue closes the link, and with it this list. */
		if (l->closed)
			return;
	}
	l->sweep_ms = next == NO_DEADLINE ? next : MAX(next, now_ms + RPC_SWEEP_MIN_MS);
}

/* ---- received bytes ---- */

uint32_t mux_cost(size_t bytes)
{
	return (uint32_t)bytes + RPC_DATA_COST;
}

static size_t chunk_size(const struct rpc_chunk *c)
{
	return sizeof(*c) + c->n;
}

static void chunk_free(struct rpc_stream *s, struct rpc_chunk **c)
{
	if (*c == NULL)
		return;
	budget_give(&s->l->budget, chunk_size(*c));
	xfree(c);
}

bool mux_receive(struct rpc_stream *s, slice_t bytes)
{
	struct rpc_chunk *c;

	if (s->deaf || bytes.n == 0)
		return true;
	if (!budget_take(&s->l->budget, sizeof(*c) + bytes.n))
		return false;
	c = xmalloc(sizeof(*c) + bytes.n);
	c->next = NULL;
	c->n = (uint32_t)bytes.n;
	memcpy(c->data, bytes.p, bytes.n);
	if (s->in_first == NULL)
		s->in_first = c;
	else
		s->in_last->next = c;
	s->in_last = c;
	return true;
}

static void give_credit(struct rpc_stream *s, uint32_t cost)
{
	char grant[4];

	s->consumed += cost;
	if (s->consumed < RPC_CREDIT_BATCH || !s->in_table || s->remote_closed || s->cancel_sent)
		return;
	be32_put(grant, s->consumed);
	s->recv_credit += s->consumed;
	s->consumed = 0;
	rpc_link_put(s->l, FRAME_CREDIT, 0, 0, s->id, slice(grant, sizeof(grant)));
}

bool mux_next(struct rpc_stream *s)
{
	if (s->held != NULL) {
		uint32_t cost = mux_cost(s->held->n);

		chunk_free(s, &s->held);
		give_credit(s, cost);
	}
	s->held = s->in_first;
	if (s->held == NULL)
		return false;
	s->in_first = s->held->next;
	return true;
}

void mux_deafen(struct rpc_stream *s)
{
	s->deaf = true;
	while (s->in_first != NULL) {
		struct rpc_chunk *c = s->in_first;

		s->in_first = c->next;
		chunk_free(s, &c);
	}
}

void mux_disown(struct rpc_stream *s)
{
	mux_deafen(s);
	chunk_free(s, &s->held);
	list_remove(&s->room);
	if (!s->in_table) {
		destroy(s);
		return;
	}
	s->orphan = true;
	if (s->kind == RPC_KIND_CALL)
		mux_cancel(s, E_OK);
}

/* ---- room to send ---- */

bool mux_congested(const struct rpc_stream *s)
{
	const struct rpc_link *l = s->l;

	if (l->queued(l) >= RPC_HIGH_WATER)
		return true;
	return !s->turn && (l->nparked > 0 || !list_empty(&l->room));
}

void mux_want_room(struct rpc_stream *s)
{
	struct rpc_link *l = s->l;

	if (list_empty(&s->room))
		list_append(&l->room, &s->room);
	s->turn = false;
	if (!l->writer_busy)
		event_set(&l->kick);
}

static enum err send_state(struct rpc_stream *s)
{
	if (s->kind == RPC_KIND_CALL)
		return rpc_call_state(rpc_call_of(s));
	return rpc_req_state(rpc_req_of(s));
}

WAITS enum err mux_wait_room(struct rpc_stream *s, uint32_t cost)
{
	enum err e;

	loans_over();
	for (;;) {
		const char *name = "rpc.credit";

		e = send_state(s);
		if (e != E_OK)
			break;
		if (s->id == 0) {
			name = "rpc.room"; /* its REQUEST waits already */
		} else if (cost <= s->send_credit) {
			if (!mux_congested(s))
				break;
			mux_want_room(s);
			name = "rpc.room";
		}
		e = event_wait(&s->out, name, s->deadline_ms);
		if (e == E_TIMEOUT)
			mux_expire(s);
		if (e != E_OK)
			break;
	}
	list_remove(&s->room);
	return e;
}

bool mux_grant_room(struct rpc_link *l)
{
	struct list *n = list_pop(&l->room);
	struct rpc_stream *s;

	if (n == NULL)
		return false;
	s = of_room(n);
	s->turn = true;
	if (s->want_write) {
		struct rpc_req *r = rpc_req_of(s);

		s->want_write = false;
		if (r->detached->writable != NULL)
			r->detached->writable(r, r->arg);
	} else {
		event_set(&s->out);
	}
	return true;
}

void mux_put_data(struct rpc_stream *s, slice_t bytes)
{
	s->send_credit -= mux_cost(bytes.n);
	s->turn = false;
	rpc_link_put(s->l, FRAME_DATA, 0, 0, s->id, bytes);
}

void mux_put_end(struct rpc_stream *s)
{
	struct rpc_link *l = s->l;
	uint32_t id = s->id;

	s->local_closed = true;
	mux_settle(s);
	rpc_link_put(l, FRAME_DATA, FRAME_END, 0, id, SLICE_NONE);
	rpc_link_drained(l);
}
