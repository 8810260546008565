#include "frontend/rpc/call_delivery.h"

#include "common/loop/fiber.h"
#include "frontend/rpc/client_facts.h"
#include "frontend/rpc/rpc_client.h"
#include "frontend/rpc/summary_pack.h"
#include "proto/delivery.pb-c.h"
#include "proto/method.pb-c.h"

#define RESOLVE_MS      10000
#define COMMIT_MS       60000 /* a group commit behind a slow disk; then the client tries again */
#define COMMIT_AGAIN_MS 5000  /* a restarting owner is back by then, or the client is told 451 */
#define ABORT_MS        2000
#define SETTLE_AT_ONCE  50 /* tokens of up to DELIVER_TOKEN_MAX fit one frame */

static ProtobufCBinaryData bytes(slice_t s)
{
	return (ProtobufCBinaryData){s.n, (uint8_t *)(uintptr_t)s.p};
}

static ProtobufCBinaryData fixed(const uint8_t *p, size_t n)
{
	return (ProtobufCBinaryData){n, (uint8_t *)(uintptr_t)p};
}

static ProtobufCBinaryData ticket_bytes(const struct ticket *t)
{
	return t != NULL ? bytes(ticket_slice(t)) : bytes(SLICE_NONE);
}

/* Local failures are "not now"; the owner's own words pass. */
static enum err outcome(enum err e)
{
	if (e == E_WRONG_OWNER || e == E_INTERNAL)
		return E_RETRY;
	return e <= E_WIRE_LAST || e == E_CANCELLED ? e : E_RETRY;
}

static WAITS enum err ask_resolve(const Postern__Resolve *req, struct arena *a,
				  ProtobufCMessage **out, struct diag *d)
{
	const ProtobufCMessageDescriptor *reply = &postern__resolve_reply__descriptor;
	enum err e;

	d->text[0] = '\0';
	e = rpc_client_ask(NULL, POSTERN__METHOD__METHOD_RESOLVE, &req->base, reply, a,
			   deadline_in(RESOLVE_MS), out, d);
	if (e == E_WRONG_OWNER) { /* of a mailbox whose quota only the owner knows */
		struct rpc_link *owner = rpc_client_backend(slice_str(d->text));

		d->text[0] = '\0';
		e = rpc_client_call(owner, POSTERN__METHOD__METHOD_RESOLVE, &req->base, reply, a,
				    deadline_in(RESOLVE_MS), out, d);
	}
	if (e == E_WRONG_OWNER) /* it moves just now */
		d->text[0] = '\0';
	return e;
}

static bool take_target(const Postern__Target *t, struct deliver_target *out)
{
	*out = (struct deliver_target){
		.token = slice(t->token.data, t->token.len),
		.backend = slice_str(t->backend),
		.partition = t->partition,
		.passing = t->passing,
	};
	return t->token.len > 0 && t->token.len <= DELIVER_TOKEN_MAX;
}

WAITS enum err call_resolve(struct session *s, const struct resolve_query *q, struct arena *a,
			    struct deliver_target out[DELIVER_TARGETS_MAX], size_t *n_out,
			    struct diag *d)
{
	Postern__Resolve req = POSTERN__RESOLVE__INIT;
	Postern__ClientFacts facts;
	Postern__ResolveReply *r;
	ProtobufCMessage *m;
	enum err e;

	client_facts(s, &facts);
	req.address = bytes(q->address);
	req.session_id = fixed(s->id, sizeof s->id);
	req.sender = bytes(q->sender);
	req.size = q->size;
	req.client = &facts;
	/* Without it only our own addresses are found. */
	req.ticket = ticket_bytes(q->relay ? s->ticket : NULL);
	if (q->relay_server != NULL)
		req.server = (char *)(uintptr_t)q->relay_server;
	req.sent = q->sent_out != NULL;
	if (q->sent_out != NULL)
		*q->sent_out = (struct deliver_target){.token = SLICE_NONE};
	*n_out = 0;
	e = ask_resolve(&req, a, &m, d);
	if (e != E_OK)
		return outcome(e);
	r = (Postern__ResolveReply *)m;
	if (r->n_targets == 0 || r->n_targets > DELIVER_TARGETS_MAX)
		return E_RETRY;
	for (size_t i = 0; i < r->n_targets; i++) {
		if (!take_target(r->targets[i], &out[i]))
			return E_RETRY;
	}
	if (q->sent_out != NULL && r->sent != NULL && !take_target(r->sent, q->sent_out))
		return E_RETRY;
	*n_out = r->n_targets;
	return E_OK;
}

/* Those that this release can sign for. */
static void take_keys(const Postern__SenderCheckReply *r, struct signing_keys *out)
{
	for (size_t i = 0; i < r->n_keys && out->n < ARRAY_LEN(out->v); i++) {
		const Postern__SigningKey *k = r->keys[i];
		struct signing_key *to = &out->v[out->n];

		if ((k->algorithm != SIGN_RSA_SHA256 && k->algorithm != SIGN_ED25519_SHA256) ||
		    !dkim_selector_valid(slice_str(k->selector)))
			continue;
		to->algorithm = (enum sign_algorithm)k->algorithm;
		if (slice_to_str(slice_str(k->selector), to->selector, sizeof to->selector))
			out->n++;
	}
}

/* A back-end of before says nothing; a newer one what is stricter than all that we know. */
static enum sender_right take_right(Postern__SenderRight right)
{
	if (right == POSTERN__SENDER_RIGHT__SENDER_RIGHT_NONE)
		return SENDER_MAIN;
	return (unsigned)right <= SENDER_ON_BEHALF ? (enum sender_right)right : SENDER_ON_BEHALF;
}

WAITS static enum err ask_sender(const struct ticket *t, slice_t address, struct arena *a,
				 const Postern__SenderCheckReply **out, struct diag *d)
{
	Postern__SenderCheck req = POSTERN__SENDER_CHECK__INIT;
	struct rpc_link *l = t != NULL ? rpc_client_partition(t->partition) : NULL;
	ProtobufCMessage *m = NULL;
	enum err e;

	req.ticket = ticket_bytes(t);
	req.address = bytes(address);
	e = rpc_client_ask(l, POSTERN__METHOD__METHOD_SENDER_CHECK, &req.base,
			   &postern__sender_check_reply__descriptor, a, deadline_in(RESOLVE_MS), &m,
			   d);
	*out = (const Postern__SenderCheckReply *)m;
	return outcome(e);
}

WAITS enum err call_sender_check(const struct ticket *t, slice_t address, struct sender_answer *out,
				 struct diag *d)
{
	const Postern__SenderCheckReply *r;
	struct arena a;
	enum err e;

	*out = (struct sender_answer){.right = SENDER_MAIN};
	arena_init(&a, NULL);
	e = ask_sender(t, address, &a, &r, d);
	if (e == E_OK && t != NULL) {
		out->right = take_right(r->right);
		take_keys(r, &out->keys);
	}
	arena_reset(&a);
	return e;
}

WAITS enum err call_notice_keys(slice_t address, char domain_out[DOMAIN_MAX + 1],
				struct signing_keys *out, struct diag *d)
{
	const Postern__SenderCheckReply *r;
	struct arena a;
	enum err e;

	*out = (struct signing_keys){.n = 0};
	domain_out[0] = '\0';
	arena_init(&a, NULL);
	e = ask_sender(NULL, address, &a, &r, d);
	if (e == E_OK && domain_normalise(slice_str(r->domain), domain_out) == E_OK)
		take_keys(r, out);
	if (out->n == 0)
		domain_out[0] = '\0';
	arena_reset(&a);
	return e;
}

void deliver_meta_pack(struct deliver_meta *m, const struct mime_summary *s, struct arena *a)
{
	ProtobufCBinaryData text = summary_pack_text(s, a);

	m->summary = summary_pack(s, a);
	m->text = slice(text.data, text.len);
}

void deliver_begin(struct deliver *d, const struct deliver_meta *m, uint64_t size,
		   int64_t deadline_ms)
{
	Postern__DeliverBegin req = POSTERN__DELIVER_BEGIN__INIT;
	struct rpc_link *l = rpc_client_backend(d->group.backend);

	if (l == NULL) /* it moved, or came back under another name */
		l = rpc_client_partition(d->group.partition);
	if (l == NULL) {
		d->err = E_RETRY;
		return;
	}
	rpc_link_ref(l);
	d->link = l;
	req.txid = fixed(m->txid, sizeof m->txid);
	req.token = bytes(d->group.n != 0 ? d->group.rcpts[0].token : d->group.sent);
	req.size = size;
	req.ticket = ticket_bytes(m->ticket);
	req.partition = d->group.partition;
	d->err = outcome(rpc_client_open(l, POSTERN__METHOD__METHOD_DELIVER_BEGIN, &req.base,
					 RPC_BODY, deadline_ms, &d->begin));
}

/* The owner answered Begin, or its link failed: why. */
static WAITS enum err begin_failure(struct deliver *d)
{
	enum err e = outcome(rpc_call_response(d->begin, NULL));

	return e == E_OK ? E_RETRY : e; /* content before the end of the body: not ours to use */
}

WAITS void deliver_send(struct deliver *d, slice_t stored)
{
	enum err e;

	if (d->err != E_OK || stored.n == 0)
		return;
	e = rpc_call_send(d->begin, stored);
	if (e != E_OK)
		d->err = e == E_CLOSED ? begin_failure(d) : outcome(e);
}

void deliver_send_end(struct deliver *d)
{
	if (d->err != E_OK)
		return;
	/* E_CLOSED: the owner has said no already; the commit will hear of it. */
	(void)rpc_call_send_end(d->begin);
	d->staged = true;
}

static void pack_rcpts(const struct deliver_group *g, struct arena *a, size_t *n_out,
		       Postern__Recipient ***out)
{
	Postern__Recipient *rows = arena_alloc(a, g->n * sizeof *rows);
	Postern__Recipient **list = arena_alloc(a, g->n * sizeof(Postern__Recipient *));

	for (size_t i = 0; i < g->n; i++) {
		postern__recipient__init(&rows[i]);
		rows[i].told = g->rcpts[i].told;
		rows[i].token = bytes(g->rcpts[i].token);
		rows[i].notify = g->rcpts[i].notify;
		rows[i].orcpt = bytes(g->rcpts[i].orcpt);
		list[i] = &rows[i];
	}
	*n_out = g->n;
	*out = list;
}

static void pack_others(const struct deliver_group *others, size_t n, struct arena *a,
			Postern__DeliverCommit *req)
{
	Postern__OtherOwner *rows = arena_alloc(a, n * sizeof *rows);

	req->others = arena_alloc(a, n * sizeof(Postern__OtherOwner *));
	req->n_others = n;
	for (size_t i = 0; i < n; i++) {
		postern__other_owner__init(&rows[i]);
		rows[i].backend = arena_str(a, others[i].backend);
		rows[i].partition = others[i].partition;
		pack_rcpts(&others[i], a, &rows[i].n_recipients, &rows[i].recipients);
		req->others[i] = &rows[i];
	}
}

static void pack_sigs(const struct deliver_meta *m, struct arena *a, Postern__DeliverCommit *req)
{
	Postern__SignatureAsk *rows = arena_alloc(a, m->nsigs * sizeof *rows);

	req->author = bytes(m->author);
	req->signatures = arena_alloc(a, m->nsigs * sizeof(Postern__SignatureAsk *));
	req->n_signatures = m->nsigs;
	for (size_t i = 0; i < m->nsigs; i++) {
		postern__signature_ask__init(&rows[i]);
		rows[i].algorithm = m->sigs[i].algorithm;
		rows[i].selector = arena_str(a, m->sigs[i].selector);
		rows[i].field = bytes(m->sigs[i].field);
		rows[i].digest = fixed(m->sigs[i].digest, SHA256_LEN);
		req->signatures[i] = &rows[i];
	}
}

static void pack_commit(const struct deliver *d, const struct deliver_meta *m,
			const struct deliver_group *others, size_t nothers, struct arena *a,
			Postern__DeliverCommit *req)
{
	postern__deliver_commit__init(req);
	req->txid = fixed(m->txid, sizeof m->txid);
	req->partition = d->group.partition;
	req->sender = bytes(m->sender);
	pack_rcpts(&d->group, a, &req->n_recipients, &req->recipients);
	pack_others(others, nothers, a, req);
	if (m->nsigs > 0)
		pack_sigs(m, a, req);
	req->prefix = bytes(m->prefix);
	req->summary = (Postern__Summary *)(uintptr_t)m->summary;
	req->text = bytes(m->text);
	req->verdict = POSTERN__VERDICT__VERDICT_ACCEPT;
	req->ret = m->ret;
	req->envid = bytes(m->envid);
	req->trace_id = fixed(m->trace_id, sizeof m->trace_id);
	req->ticket = ticket_bytes(m->ticket);
	req->content = m->content;
	if (m->server != NULL)
		req->server = (char *)(uintptr_t)m->server;
	req->release_us = m->release_us;
	req->by = m->by;
	req->by_us = m->by_us;
	req->priority = m->priority;
	req->sent = bytes(d->group.sent);
	req->leads = !d->follows;
}

static enum err take_results(slice_t payload, size_t n, struct arena *a, enum err *results)
{
	Postern__DeliverReply *r;
	ProtobufCMessage *m;
	enum err e = rpc_client_unpack(&postern__deliver_reply__descriptor, payload, a, &m);

	if (e != E_OK)
		return e;
	r = (Postern__DeliverReply *)m;
	if (r->n_results != n)
		return E_INTERNAL;
	for (size_t i = 0; i < n; i++)
		results[i] = r->results[i]->status <= E_WIRE_LAST ? (enum err)r->results[i]->status
								  : E_INTERNAL;
	return E_OK;
}

/* *asked_out: the request left us, so the owner may have done it. */
static WAITS enum err commit_once(struct rpc_link *l, const Postern__DeliverCommit *req,
				  struct arena *a, enum err *results, bool *asked_out,
				  struct diag *words)
{
	struct rpc_call *call;
	slice_t payload;
	enum err e = rpc_client_open_long(l, POSTERN__METHOD__METHOD_DELIVER_COMMIT, &req->base,
					  deadline_in(COMMIT_MS), &call);

	if (e != E_OK)
		return e;
	*asked_out = true;
	e = rpc_call_response(call, &payload);
	if (e == E_OK)
		e = take_results(payload, req->n_recipients, a, results);
	else
		rpc_client_words(payload, words);
	rpc_call_free(&call);
	return e;
}

WAITS enum err deliver_commit(struct deliver *d, const struct deliver_meta *m,
			      const struct deliver_group *others, size_t nothers, enum err *results)
{
	Postern__DeliverCommit req;
	struct arena a;
	bool asked = false;
	enum err e;

	if (d->err != E_OK)
		return d->err;
	arena_init(&a, NULL);
	pack_commit(d, m, others, nothers, &a, &req);
	d->words.text[0] = '\0';
	e = commit_once(d->link, &req, &a, results, &asked, &d->words);
	if (asked && e == E_RETRY && !rpc_link_usable(d->link)) {
		struct rpc_link *l =
			rpc_client_wait_partition(d->group.partition, deadline_in(COMMIT_AGAIN_MS));

		e = commit_once(l, &req, &a, results, &asked, &d->words);
	}
	/* Nothing is staged: Begin knows why, if its answer has come. */
	if (e == E_NOT_FOUND)
		e = rpc_link_usable(d->link) ? begin_failure(d) : E_RETRY;
	arena_reset(&a);
	d->err = outcome(e);
	if (e == E_OK)
		d->staged = false;
	return d->err;
}

WAITS void deliver_settle(const struct deliver *lead, const struct deliver_meta *m,
			  const struct deliver_group *taken)
{
	Postern__DeliverSettle req = POSTERN__DELIVER_SETTLE__INIT;
	ProtobufCBinaryData tokens[SETTLE_AT_ONCE];

	req.txid = fixed(m->txid, sizeof m->txid);
	req.partition = lead->group.partition;
	req.tokens = tokens;
	for (size_t i = 0; i < taken->n; i += req.n_tokens) {
		req.n_tokens = MIN(taken->n - i, ARRAY_LEN(tokens));
		for (size_t k = 0; k < req.n_tokens; k++)
			tokens[k] = bytes(taken->rcpts[i + k].token);
		if (rpc_client_call(lead->link, POSTERN__METHOD__METHOD_DELIVER_SETTLE, &req.base,
				    NULL, NULL, deadline_in(RESOLVE_MS), NULL, NULL) != E_OK)
			LOG(LOG_DEBUG, NULL, "deliver.not_settled",
			    LF_HEX("txid", slice(m->txid, sizeof m->txid)));
	}
}

WAITS void deliver_end(struct deliver *d, const struct deliver_meta *m)
{
	Postern__DeliverAbort req = POSTERN__DELIVER_ABORT__INIT;
	struct rpc_link *l = d->link;

	if (d->begin != NULL)
		rpc_call_free(&d->begin); /* cancels a body under way */
	if (d->staged && l != NULL && rpc_link_usable(l)) {
		req.txid = fixed(m->txid, sizeof m->txid);
		req.partition = d->group.partition;
		fiber_shield_begin();
		if (rpc_client_call(l, POSTERN__METHOD__METHOD_DELIVER_ABORT, &req.base, NULL, NULL,
				    deadline_in(ABORT_MS), NULL, NULL) != E_OK)
			LOG(LOG_DEBUG, NULL, "deliver.not_aborted",
			    LF_HEX("txid", slice(m->txid, sizeof m->txid)));
		fiber_shield_end();
	}
	if (d->link != NULL)
		rpc_link_unref(&d->link);
	d->staged = false;
}
