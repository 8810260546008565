#include "frontend/rpc/call_priv.h"

#include "frontend/rpc/call_ticket.h"

WAITS enum err call_begin(struct ticket *t, struct call_ticket *copy, ProtobufCBinaryData *out)
{
	enum err e = ticket_refresh(t);

	if (e != E_OK)
		return e;
	memcpy(copy->bytes, t->bytes, t->n);
	*out = (ProtobufCBinaryData){t->n, copy->bytes};
	return E_OK;
}

WAITS enum err call_simple(const struct ticket *t, uint16_t method, const ProtobufCMessage *req,
			   const ProtobufCMessageDescriptor *reply, struct arena *a,
			   ProtobufCMessage **reply_out, struct diag *d)
{
	struct rpc_link *l = rpc_client_partition(t->partition);
	struct diag own;
	enum err e;

	if (d == NULL)
		d = &own;
	d->text[0] = '\0';
	e = rpc_client_call(l, method, req, reply, a, deadline_in(CALL_MS), reply_out, d);
	if (e != E_WRONG_OWNER)
		return e;
	/* The partition moved and the map has not reached us yet. */
	l = rpc_client_backend(slice_str(d->text));
	return rpc_client_call(l, method, req, reply, a, deadline_in(CALL_MS), reply_out, d);
}

WAITS enum err call_stream(const struct ticket *t, uint16_t method, const ProtobufCMessage *req,
			   const ProtobufCMessageDescriptor *reply, struct arena *a,
			   ProtobufCMessage **reply_out, struct rpc_call **call_out, struct diag *d)
{
	slice_t payload = SLICE_NONE;
	enum err e;

	*call_out = NULL;
	if (d != NULL)
		d->text[0] = '\0';
	e = rpc_client_open(rpc_client_partition(t->partition), method, req, RPC_NO_BODY,
			    deadline_in(CALL_STREAM_MS), call_out);
	if (e != E_OK)
		return e;
	e = rpc_call_response(*call_out, &payload);
	if (e == E_OK && reply != NULL)
		e = rpc_client_unpack(reply, payload, a, reply_out);
	if (e != E_OK)
		rpc_call_free(call_out);
	return e;
}

WAITS enum err call_next(struct rpc_call *c, const ProtobufCMessageDescriptor *d, struct arena *a,
			 ProtobufCMessage **out)
{
	slice_t frame;
	enum err e = rpc_call_recv(c, &frame);

	return e == E_OK ? rpc_client_unpack(d, frame, a, out) : e;
}

Postern__UidRange **call_ranges(struct arena *a, const struct uid_range *r, size_t n)
{
	Postern__UidRange **list = arena_alloc(a, (n + 1) * sizeof *list);
	Postern__UidRange *all = arena_alloc(a, (n + 1) * sizeof *all);

	for (size_t i = 0; i < n; i++) {
		postern__uid_range__init(&all[i]);
		all[i].first = r[i].first;
		all[i].last = r[i].last;
		list[i] = &all[i];
	}
	return list;
}

enum err call_take_ranges(struct arena *a, Postern__UidRange *const *in, size_t n,
			  enum call_order order, const struct uid_range **out)
{
	struct uid_range *r = arena_alloc(a, (n + 1) * sizeof *r);
	uint32_t last = 0;

	*out = r;
	for (size_t i = 0; i < n; i++) {
		if (in[i]->first == 0 || in[i]->last < in[i]->first ||
		    (order == CALL_ASCENDING && in[i]->first <= last))
			return E_INTERNAL;
		r[i] = (struct uid_range){in[i]->first, in[i]->last};
		last = r[i].last;
	}
	return E_OK;
}

const slice_t *call_take_strings(struct arena *a, char *const *in, size_t n)
{
	slice_t *s = arena_alloc(a, (n + 1) * sizeof *s);

	for (size_t i = 0; i < n; i++)
		s[i] = slice_str(in[i]);
	return s;
}

char **call_strings(struct arena *a, const slice_t *in, size_t n)
{
	char **s = arena_alloc(a, (n + 1) * sizeof *s);

	for (size_t i = 0; i < n; i++)
		s[i] = arena_str(a, in[i]);
	return s;
}
