#include "frontend/rpc/call_ingest.h"

#include "frontend/rpc/call_priv.h"
#include "proto/ingest.pb-c.h"

#define READ_MS (60 * 60 * 1000) /* as long as a slow owner takes the message */

static enum err take_job(slice_t frame, struct ingest_job *j)
{
	const Postern__IngestJob *m;
	ProtobufCMessage *base;
	struct arena mem;
	enum err e;

	arena_init(&mem, NULL);
	e = rpc_client_unpack(&postern__ingest_job__descriptor, frame, &mem, &base);
	if (e == E_OK) {
		m = (const void *)base;
		*j = (struct ingest_job){.size = m->size};
		if (m->lease.len != sizeof j->lease || m->txid.len != sizeof j->txid ||
		    !slice_to_str(slice_str(m->server), j->server, sizeof j->server) ||
		    !slice_to_str(slice_str(m->domain), j->domain, sizeof j->domain)) {
			e = E_INVALID;
		} else {
			memcpy(j->lease, m->lease.data, sizeof j->lease);
			memcpy(j->txid, m->txid.data, sizeof j->txid);
		}
	}
	arena_reset(&mem);
	return e;
}

WAITS enum err call_ingest_work(struct rpc_link *l,
				WAITS void (*take)(const struct ingest_job *j, void *arg),
				void *arg)
{
	Postern__IngestWork req = POSTERN__INGEST_WORK__INIT;
	struct rpc_call *call;
	slice_t frame;
	enum err e = rpc_client_open(l, POSTERN__METHOD__METHOD_INGEST_WORK, &req.base, RPC_NO_BODY,
				     NO_DEADLINE, &call);

	if (e != E_OK)
		return e;
	e = rpc_call_response(call, NULL);
	while (e == E_OK && (e = rpc_call_recv(call, &frame)) == E_OK) {
		struct ingest_job j;

		e = take_job(frame, &j);
		if (e == E_OK)
			take(&j, arg);
	}
	rpc_call_free(&call);
	return e;
}

static ProtobufCBinaryData lease_of(const struct ingest_job *j)
{
	return call_bytes(slice(j->lease, sizeof j->lease));
}

WAITS enum err call_ingest_read(struct rpc_link *l, const struct ingest_job *j,
				struct rpc_call **out)
{
	Postern__IngestRead req = POSTERN__INGEST_READ__INIT;
	enum err e;

	req.lease = lease_of(j);
	e = rpc_client_open(l, POSTERN__METHOD__METHOD_INGEST_READ, &req.base, RPC_NO_BODY,
			    deadline_in(READ_MS), out);
	if (e != E_OK)
		return e;
	e = rpc_call_response(*out, NULL);
	if (e != E_OK)
		rpc_call_free(out);
	return e;
}

/* ---- whose it is ---- */

static void take_keys(const Postern__IngestOpenReply *r, struct signing_keys *out)
{
	for (size_t i = 0; i < r->n_keys && out->n < ARRAY_LEN(out->v); i++) {
		const Postern__SigningKey *k = r->keys[i];
		struct signing_key *to = &out->v[out->n];

		if ((k->algorithm != SIGN_RSA_SHA256 && k->algorithm != SIGN_ED25519_SHA256) ||
		    !dkim_selector_valid(slice_str(k->selector)))
			continue;
		to->algorithm = (enum sign_algorithm)k->algorithm;
		memcpy(to->selector, k->selector, strlen(k->selector) + 1);
		out->n++;
	}
}

/* The reply to the recipients from `at` on. All replies but for tokens say the same, unless the
 * account has moved or changed meanwhile: then it is for another time. */
static enum err take_reply(const Postern__IngestOpenReply *r, size_t at, size_t n,
			   struct ingest_open *o)
{
	if (r->n_tokens != n || r->sender.len > CALL_INGEST_ADDR_MAX)
		return E_INTERNAL;
	if (at != 0 && (r->partition != o->partition || !slice_eq(call_slice(r->sender), o->path)))
		return E_RETRY;
	for (size_t i = 0; i < n; i++) {
		if (r->tokens[i].len == 0 || r->tokens[i].len > DELIVER_TOKEN_MAX)
			return E_INTERNAL;
		o->tokens[at + i] = (struct deliver_rcpt){.token = call_slice(r->tokens[i])};
	}
	if (at != 0)
		return E_OK;
	o->partition = r->partition;
	o->backend = slice_str(r->backend);
	o->path = call_slice(r->sender);
	take_keys(r, &o->keys);
	o->ticket = ticket_new(call_slice(r->ticket), 0, r->partition, slice_str(r->account));
	return o->ticket != NULL ? E_OK : E_INTERNAL;
}

WAITS static enum err open_some(struct rpc_link *l, const struct ingest_job *j, size_t at,
				struct ingest_open *o, struct arena *mem, struct diag *d)
{
	Postern__IngestOpen req = POSTERN__INGEST_OPEN__INIT;
	ProtobufCBinaryData rcpts[CALL_INGEST_RCPTS_MAX];
	ProtobufCMessage *m;
	enum err e;

	req.lease = lease_of(j);
	req.sender = call_bytes(o->sender);
	req.author = call_bytes(o->author);
	req.recipients = rcpts;
	req.n_recipients = MIN(o->n - at, (size_t)CALL_INGEST_RCPTS_MAX);
	for (size_t i = 0; i < req.n_recipients; i++)
		rcpts[i] = call_bytes(o->rcpts[at + i]);
	e = rpc_client_call(l, POSTERN__METHOD__METHOD_INGEST_OPEN, &req.base,
			    &postern__ingest_open_reply__descriptor, mem, deadline_in(CALL_MS), &m,
			    d);
	return e == E_OK ? take_reply((const Postern__IngestOpenReply *)m, at, req.n_recipients, o)
			 : e;
}

WAITS enum err call_ingest_open(struct rpc_link *l, const struct ingest_job *j,
				struct ingest_open *o, struct arena *mem, struct diag *d)
{
	enum err e = E_OK;

	o->ticket = NULL;
	o->keys.n = 0;
	o->tokens = arena_alloc(mem, o->n * sizeof *o->tokens);
	for (size_t at = 0; e == E_OK && at < o->n; at += CALL_INGEST_RCPTS_MAX)
		e = open_some(l, j, at, o, mem, d);
	if (e != E_OK)
		ticket_free(&o->ticket);
	return e;
}

WAITS enum err call_ingest_done(struct rpc_link *l, const struct ingest_job *j,
				enum ingest_outcome outcome, const char *why)
{
	Postern__IngestDone req = POSTERN__INGEST_DONE__INIT;
	char text[CALL_INGEST_WHY_MAX + 1] = "";
	slice_t words = slice_sub(slice_str(why), 0, CALL_INGEST_WHY_MAX);

	if (!slice_to_str(words, text, sizeof text))
		text[0] = '\0';
	req.lease = lease_of(j);
	req.outcome = (Postern__IngestOutcome)outcome;
	req.why = text;
	return rpc_client_call(l, POSTERN__METHOD__METHOD_INGEST_DONE, &req.base, NULL, NULL,
			       deadline_in(CALL_MS), NULL, NULL);
}

enum err call_ingest_drop(uint32_t partition, slice_t lease, struct rpc_call **out)
{
	Postern__IngestDrop req = POSTERN__INGEST_DROP__INIT;

	req.lease = call_bytes(lease);
	return rpc_client_open(rpc_client_partition(partition), POSTERN__METHOD__METHOD_INGEST_DROP,
			       &req.base, RPC_BODY, deadline_in(READ_MS), out);
}
