/* APPEND: the record as the body of AppendBegin, then AppendCommit under the same id. */
#include "common/crypto/random.h"
#include "common/log/log.h"
#include "frontend/rpc/call_message_priv.h"
#include "frontend/rpc/call_priv.h"
#include "frontend/rpc/summary_pack.h"

#define TXID_BYTES 16

struct append {
	struct ticket *ticket; /* borrowed */
	struct rpc_call *begin;
	bool committed;
	unsigned char txid[TXID_BYTES];
};

WAITS enum err call_append_begin(struct ticket *t, slice_t path, uint64_t size, struct append **out)
{
	Postern__AppendBegin req = POSTERN__APPEND_BEGIN__INIT;
	struct call_ticket copy;
	struct append *p;
	struct arena a;
	enum err e = call_begin(t, &copy, &req.ticket);

	*out = NULL;
	if (e != E_OK)
		return e;
	p = xcalloc(1, sizeof *p);
	p->ticket = t;
	random_uuid7(p->txid);
	arena_init(&a, NULL);
	req.txid = call_bytes(slice(p->txid, sizeof p->txid));
	req.path = arena_str(&a, path);
	req.size = size;
	e = rpc_client_open(rpc_client_partition(t->partition),
			    POSTERN__METHOD__METHOD_APPEND_BEGIN, &req.base, RPC_BODY,
			    deadline_in(CALL_STREAM_MS), &p->begin);
	arena_reset(&a);
	if (e != E_OK)
		xfree(&p);
	*out = p;
	return e;
}

WAITS enum err append_send(struct append *p, slice_t stored)
{
	enum err e = rpc_call_send(p->begin, stored);

	if (e != E_CLOSED)
		return e;
	/* Answered before the end: a refusal. */
	e = rpc_call_response(p->begin, NULL);
	return e != E_OK ? e : E_INTERNAL;
}

WAITS static enum err commit(struct append *p, const Postern__AppendCommit *req, struct arena *a,
			     ProtobufCMessage **out)
{
	struct rpc_call *call;
	slice_t payload;
	enum err e = rpc_client_open_long(rpc_client_partition(p->ticket->partition),
					  POSTERN__METHOD__METHOD_APPEND_COMMIT, &req->base,
					  deadline_in(CALL_MS), &call);

	if (e != E_OK)
		return e;
	e = rpc_call_response(call, &payload);
	if (e == E_OK)
		e = rpc_client_unpack(&postern__append_reply__descriptor, payload, a, out);
	rpc_call_free(&call);
	return e;
}

/* The commit found no message: either because Begin was refused, which says more, or because there
 * is no such mailbox any more. Begin has its answer by then. */
WAITS static enum err why_not_found(struct append *p)
{
	enum err e = rpc_call_response(p->begin, NULL);

	return e != E_OK ? e : E_NOT_FOUND;
}

WAITS enum err call_append_commit(struct append *p, const struct append_meta *meta,
				  struct append_result *out, struct diag *d)
{
	Postern__AppendCommit req = POSTERN__APPEND_COMMIT__INIT;
	struct call_ticket copy;
	ProtobufCMessage *m = NULL;
	struct arena a;
	bool again = true;
	enum err e = rpc_call_send_end(p->begin), first = E_OK;

	if (e == E_CLOSED)
		e = rpc_call_response(p->begin, NULL);
	if (e != E_OK)
		return diag_set(d, e, "the record was not taken");
	arena_init(&a, NULL);
	req.txid = call_bytes(slice(p->txid, sizeof p->txid));
	req.path = arena_str(&a, meta->path);
	req.flags = meta->flags;
	req.keywords = call_strings(&a, meta->keywords, meta->nkeywords);
	req.n_keywords = meta->nkeywords;
	req.date_us = meta->date_us;
	req.summary = summary_pack(meta->summary, &a);
	req.text = summary_pack_text(meta->summary, &a);
	do {
		e = call_begin(p->ticket, &copy, &req.ticket);
		if (e == E_OK)
			e = commit(p, &req, &a, &m);
		if (again)
			first = e;
	} while (e != E_OK && call_again(p->ticket, e, &again) == E_OK);
	/* The first try used the record up, or it went with its link. */
	if (e == E_NOT_FOUND)
		e = first == E_NOT_FOUND ? why_not_found(p) : first;
	if (e == E_OK) {
		*out = (struct append_result){
			.uidvalidity = ((Postern__AppendReply *)m)->uidvalidity,
			.uid = ((Postern__AppendReply *)m)->uid,
		};
		p->committed = true;
	}
	arena_reset(&a);
	return e == E_OK ? E_OK : diag_set(d, e, "the commit failed");
}

WAITS void append_free(struct append **pp)
{
	Postern__AppendAbort req = POSTERN__APPEND_ABORT__INIT;
	struct append *p = *pp;
	struct call_ticket copy;

	*pp = NULL;
	if (p == NULL)
		return;
	fiber_shield_begin();
	req.txid = call_bytes(slice(p->txid, sizeof p->txid));
	/* When it does not arrive the link is gone, and with it what was begun. */
	if (!p->committed && call_begin(p->ticket, &copy, &req.ticket) == E_OK &&
	    call_simple(p->ticket, POSTERN__METHOD__METHOD_APPEND_ABORT, &req.base, NULL, NULL,
			NULL, NULL) != E_OK)
		LOG(LOG_DEBUG, NULL, "append.abort_not_told");
	fiber_shield_end();
	rpc_call_free(&p->begin);
	xfree(&p);
}
