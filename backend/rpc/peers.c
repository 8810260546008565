#include "backend/rpc/peers.h"

#include "backend/rpc/limits.h"
#include "backend/rpc/mcall.h"
#include "common/crypto/random.h"
#include "common/log/log.h"
#include "proto/delivery.pb-c.h"
#include "proto/method.pb-c.h"

#define PEERS_MAX  64    /* nodes of a cell, twice what the design foresees */
#define FORWARD_MS 60000 /* a slow peer holds up its batch of the queue no longer */

struct peer {
	char name[DIR_NODE_MAX + 1];
	struct ipaddr addr;
	uint16_t port;
	struct rpc_dialer *dialer;
	struct peers *owner;
	bool listed;
};

struct peers {
	struct dir *dir;
	struct tickets *tickets;
	struct rpc_endpoint endpoint;
	struct peer peers[PEERS_MAX];
	size_t n;
	struct rpc_link *links[PEERS_MAX];
	size_t nlinks;
	struct dir_sub sub;
};

/* ---- links ---- */

static bool accept_peer(const struct rpc_identity *peer, enum rpc_side *side_out, void *arg UNUSED)
{
	*side_out = RPC_REQUESTER;
	return peer->role == ROLE_BACKEND;
}

static void link_up(struct rpc_link *l, void *arg)
{
	struct peers *p = arg;

	if (p->nlinks == PEERS_MAX)
		return;
	rpc_link_ref(l);
	p->links[p->nlinks++] = l;
}

static void link_down(struct rpc_link *l, void *arg)
{
	struct peers *p = arg;

	for (size_t i = 0; i < p->nlinks; i++) {
		if (p->links[i] == l) {
			p->links[i] = p->links[--p->nlinks];
			rpc_link_unref(&l);
			return;
		}
	}
}

static struct peer *find_peer(struct peers *p, const struct dir_node *n, const struct ipaddr *addr)
{
	for (size_t i = 0; i < p->n; i++) {
		if (p->peers[i].port == n->port && ipaddr_eq(&p->peers[i].addr, addr) &&
		    strcmp(p->peers[i].name, n->name) == 0)
			return &p->peers[i];
	}
	return NULL;
}

static void follow(struct peers *p)
{
	for (size_t i = 0; i < p->n; i++)
		p->peers[i].listed = false;
	for (size_t i = 0; i < dir_node_count(p->dir); i++) {
		struct dir_node n;
		struct ipaddr addr;
		struct peer *peer;

		dir_node_at(p->dir, i, &n);
		if (strcmp(n.name, dir_node_name(p->dir)) == 0 ||
		    !ipaddr_parse(slice_str(n.address), &addr))
			continue;
		peer = find_peer(p, &n, &addr);
		if (peer == NULL && p->n < PEERS_MAX) {
			peer = &p->peers[p->n++];
			*peer = (struct peer){.addr = addr, .port = n.port};
			memcpy(peer->name, n.name, sizeof peer->name);
			peer->dialer = rpc_dialer_new(&p->endpoint, &addr, n.port);
		}
		if (peer != NULL)
			peer->listed = true;
	}
	for (size_t i = 0; i < p->n;) {
		if (p->peers[i].listed) {
			i++;
			continue;
		}
		rpc_dialer_free(&p->peers[i].dialer);
		p->peers[i] = p->peers[--p->n];
	}
}

/* Closing calls link_down, which changes the list: look from the beginning after each. */
static void cut_revoked(struct peers *p)
{
	for (size_t i = 0; i < p->nlinks;) {
		struct rpc_link *l = p->links[i];
		size_t before = p->nlinks;

		if (dir_cert_revoked(p->dir, rpc_link_peer_serial(l)) && rpc_link_usable(l))
			rpc_link_close(l, CLOSE_PROTOCOL);
		i = p->nlinks == before ? i + 1 : 0;
	}
}

static void on_dir_event(const struct dir_event *ev, void *arg)
{
	if (ev->kind == DIR_EV_CLUSTER)
		follow(arg);
	else if (ev->kind == DIR_EV_REVOKED)
		cut_revoked(arg);
}

struct peers *peers_start(struct dir *dir, struct tickets *tickets, struct tls_ctx *tls)
{
	struct peers *p = xcalloc(1, sizeof *p);

	p->dir = dir;
	p->tickets = tickets;
	p->endpoint = (struct rpc_endpoint){
		.tls = tls,
		.self = {.role = ROLE_BACKEND},
		.accept = accept_peer,
		.up = link_up,
		.down = link_down,
		.arg = p,
	};
	invariant(slice_to_str(slice_str(dir_node_name(dir)), p->endpoint.self.name,
			       sizeof p->endpoint.self.name));
	p->sub = (struct dir_sub){.fn = on_dir_event, .arg = p};
	dir_subscribe(dir, &p->sub);
	follow(p);
	return p;
}

void peers_stop(struct peers **pp)
{
	struct peers *p = *pp;

	if (p == NULL)
		return;
	dir_unsubscribe(&p->sub);
	for (size_t i = 0; i < p->n; i++)
		rpc_dialer_free(&p->peers[i].dialer);
	xfree(pp);
}

struct rpc_link *peers_link(const struct peers *p, const char *backend)
{
	for (size_t i = 0; i < p->nlinks; i++) {
		if (strcmp(rpc_link_peer(p->links[i])->name, backend) == 0 &&
		    rpc_link_usable(p->links[i]))
			return p->links[i];
	}
	return NULL;
}

void peers_seen(struct peers *p, const char *backend)
{
	for (size_t i = 0; i < p->n; i++) {
		if (strcmp(p->peers[i].name, backend) == 0 && p->peers[i].dialer != NULL)
			rpc_dialer_hurry(p->peers[i].dialer);
	}
}

/* ---- Deliver ---- */

static enum err seal_tokens(struct peers *p, const struct forward *f, struct arena *mem,
			    Postern__Recipient **list)
{
	enum err e = E_OK;

	for (size_t i = 0; e == E_OK && i < f->n; i++) {
		struct rcpt_token t = {
			.kind = RCPT_ACCOUNTS,
			.partition = f->to,
			.naccounts = 1,
			.accounts = {f->accounts[i].account},
			.address_n = (uint16_t)MIN(f->job->address.n, sizeof t.address),
		};
		struct buf b;

		if (t.address_n != 0)
			memcpy(t.address, f->job->address.p, t.address_n);
		buf_init(&b, RCPT_TOKEN_MAX, NULL);
		e = rcpt_token_seal(p->tickets, &t, &b);
		list[i] = arena_new(mem, Postern__Recipient);
		postern__recipient__init(list[i]);
		list[i]->token = MCALL_BYTES(arena_dup(mem, buf_slice(&b)));
		list[i]->notify = f->job->notify;
		list[i]->orcpt = MCALL_BYTES(f->job->orcpt);
		buf_fini(&b);
	}
	return e;
}

static enum err start_call(struct rpc_link *l, uint16_t method, const ProtobufCMessage *m,
			   enum rpc_body body, struct rpc_call **out)
{
	size_t n = protobuf_c_message_get_packed_size(m);
	uint8_t *bytes = xmalloc(n);
	enum err e;

	protobuf_c_message_pack(m, bytes);
	e = rpc_call_start(l, method, slice(bytes, n), body, deadline_in(FORWARD_MS), out);
	xfree(&bytes);
	return e;
}

WAITS static enum err send_record(struct rpc_call *call, const struct forward *f, uint64_t size)
{
	struct buf chunk;
	enum err e = E_OK;

	buf_init(&chunk, FORWARD_CHUNK, NULL);
	for (uint64_t at = 0; e == E_OK && at < size; at += chunk.n) {
		buf_reset(&chunk);
		e = forward_read(f->from, f->record_no, at, MIN(size, at + FORWARD_CHUNK), &chunk);
		if (e == E_OK)
			e = rpc_call_send(call, buf_slice(&chunk));
	}
	buf_fini(&chunk);
	if (e == E_OK)
		e = rpc_call_send_end(call);
	return e == E_CLOSED ? E_OK : e; /* refused early: its answer says why */
}

WAITS static enum err begin_remote(struct rpc_link *l, const struct forward *f, slice_t begun,
				   const Postern__Recipient *first, uint64_t size)
{
	Postern__DeliverBegin m = POSTERN__DELIVER_BEGIN__INIT;
	struct rpc_call *call;
	enum err e;

	m.txid = MCALL_BYTES(begun);
	m.token = first->token;
	m.partition = f->to;
	m.size = size;
	e = start_call(l, POSTERN__METHOD__METHOD_DELIVER_BEGIN, &m.base, RPC_BODY, &call);
	if (e != E_OK)
		return e;
	e = send_record(call, f, size);
	if (e == E_OK)
		e = rpc_call_response(call, NULL);
	rpc_call_free(&call);
	return e;
}

static enum err read_results(const struct forward *f, slice_t payload, struct arena *mem)
{
	ProtobufCMessage *base;
	const Postern__DeliverReply *m;
	struct diag d;
	enum err e = walk_unpack(&postern__deliver_reply__descriptor, be_walk_limits, payload, mem,
				 &base, &d);

	if (e != E_OK)
		return E_INTERNAL;
	m = (const void *)base;
	if (m->n_results != f->n)
		return E_INTERNAL;
	for (size_t i = 0; i < f->n; i++)
		f->accounts[i].result = m->results[i]->status <= E_WIRE_LAST
						? (enum err)m->results[i]->status
						: E_INTERNAL;
	return E_OK;
}

/* The summary as it was, packed again. */
static Postern__Summary *pack_summary(const struct summary *s, struct arena *mem)
{
	Postern__Summary *m = arena_new(mem, Postern__Summary);

	postern__summary__init(m);
	m->parser_version = s->parser_version;
	m->size = s->size;
	m->header_size = s->header_size;
	m->lines = s->lines;
	m->envelope = MCALL_BYTES(s->envelope);
	m->bodystructure = MCALL_BYTES(s->bodystructure);
	m->fields_complete = s->fields_complete;
	m->sent_us = s->sent_us;
	m->sent_zone_min = s->sent_zone_min;
	m->subject = arena_str(mem, s->subject);
	m->base_subject = arena_str(mem, s->base_subject);
	m->from = arena_str(mem, s->from);
	m->to = arena_str(mem, s->to);
	m->cc = arena_str(mem, s->cc);
	m->bcc = arena_str(mem, s->bcc);
	m->message_id = MCALL_BYTES(s->message_id);
	m->n_references = s->nreferences;
	m->references = arena_alloc(mem, s->nreferences * sizeof *m->references);
	for (size_t i = 0; i < s->nreferences; i++)
		m->references[i] = MCALL_BYTES(s->references[i]);
	return m;
}

static void pack_lists(const struct summary *s, Postern__Summary *m, struct arena *mem)
{
	m->n_parts = s->nparts;
	m->parts = arena_alloc(mem, s->nparts * sizeof *m->parts);
	for (size_t i = 0; i < s->nparts; i++) {
		Postern__Part *p = arena_new(mem, Postern__Part);

		postern__part__init(p);
		p->parent = s->parts[i].parent;
		p->kind = (Postern__PartKind)s->parts[i].kind;
		p->header_off = s->parts[i].header_off;
		p->body_off = s->parts[i].body_off;
		p->body_end = s->parts[i].body_end;
		p->lines = s->parts[i].lines;
		p->encoding = s->parts[i].encoding;
		m->parts[i] = p;
	}
	m->n_fields = s->nfields;
	m->fields = arena_alloc(mem, s->nfields * sizeof *m->fields);
	for (size_t i = 0; i < s->nfields; i++) {
		Postern__HeaderField *h = arena_new(mem, Postern__HeaderField);

		postern__header_field__init(h);
		h->id = s->fields[i].id;
		h->raw = MCALL_BYTES(s->fields[i].raw);
		m->fields[i] = h;
	}
}

/* A commit may be longer than a frame: then it is the request's body (proto/README.md). */
WAITS static enum err call_long(struct rpc_link *l, const ProtobufCMessage *m,
				struct rpc_call **out)
{
	size_t n = protobuf_c_message_get_packed_size(m);
	uint8_t *bytes = xmalloc(n);
	enum err e;

	protobuf_c_message_pack(m, bytes);
	e = rpc_call_start(l, POSTERN__METHOD__METHOD_DELIVER_COMMIT,
			   n <= RPC_PAYLOAD_MAX - 4 ? slice(bytes, n) : SLICE_NONE,
			   n <= RPC_PAYLOAD_MAX - 4 ? RPC_NO_BODY : RPC_BODY,
			   deadline_in(FORWARD_MS), out);
	if (e == E_OK && n > RPC_PAYLOAD_MAX - 4) {
		e = rpc_call_send(*out, slice(bytes, n));
		if (e == E_OK)
			e = rpc_call_send_end(*out);
		if (e != E_OK && e != E_CLOSED)
			rpc_call_free(out);
		else
			e = E_OK;
	}
	xfree(&bytes);
	return e;
}

WAITS static enum err commit_remote(struct rpc_link *l, const struct forward *f, slice_t begun,
				    Postern__Recipient **list, const struct msg_whole *whole,
				    struct arena *mem)
{
	Postern__DeliverCommit m = POSTERN__DELIVER_COMMIT__INIT;
	const struct job *j = f->job;
	struct rpc_call *call;
	slice_t payload;
	enum err e;

	m.txid = MCALL_BYTES(slice(j->txid, sizeof j->txid));
	m.partition = f->to;
	m.sender = MCALL_BYTES(j->sender);
	m.recipients = list;
	m.n_recipients = f->n;
	m.prefix = MCALL_BYTES(j->prefix);
	m.summary = pack_summary(&whole->summary, mem);
	pack_lists(&whole->summary, m.summary, mem);
	m.text = MCALL_BYTES(whole->text);
	m.verdict = j->junk ? POSTERN__VERDICT__VERDICT_JUNK : POSTERN__VERDICT__VERDICT_ACCEPT;
	m.ret = j->ret;
	m.envid = MCALL_BYTES(j->envid);
	m.trace_id = MCALL_BYTES(slice(j->trace_id, sizeof j->trace_id));
	m.origin = arena_str(mem, j->origin);
	m.content = j->content;
	m.account = j->account;
	m.first_us = j->first_us;
	m.begun = MCALL_BYTES(begun);
	e = call_long(l, &m.base, &call);
	if (e != E_OK)
		return e;
	e = rpc_call_response(call, &payload);
	if (e == E_OK)
		e = read_results(f, payload, mem);
	rpc_call_free(&call);
	return e;
}

/* What was begun need not wait for the link's end. */
WAITS static void abort_remote(struct rpc_link *l, const struct forward *f, slice_t begun)
{
	Postern__DeliverAbort m = POSTERN__DELIVER_ABORT__INIT;
	struct rpc_call *call;

	m.txid = MCALL_BYTES(begun);
	m.partition = f->to;
	if (start_call(l, POSTERN__METHOD__METHOD_DELIVER_ABORT, &m.base, RPC_NO_BODY, &call) !=
	    E_OK)
		return;
	if (rpc_call_response(call, NULL) != E_OK)
		LOG(LOG_DEBUG, NULL, "peers.abort_failed");
	rpc_call_free(&call);
}

WAITS enum err peers_forward(void *arg, const char *backend, const struct forward *f)
{
	struct peers *p = arg;
	struct rpc_link *l = peers_link(p, backend);
	Postern__Recipient **list;
	uint8_t id[STORE_TXID_SIZE];
	slice_t begun = slice(id, sizeof(id));
	struct msg_whole whole;
	struct arena mem;
	enum err e;

	if (l == NULL)
		return E_RETRY;
	random_bytes(id, sizeof(id));
	rpc_link_ref(l);
	arena_init(&mem, NULL);
	msg_whole_init(&whole);
	list = arena_alloc(&mem, f->n * sizeof(*list));
	e = seal_tokens(p, f, &mem, list);
	if (e == E_OK)
		e = forward_whole(f->from, f->record_no, &whole);
	if (e == E_OK)
		e = begin_remote(l, f, begun, list[0], whole.record.stored_size);
	if (e == E_OK)
		e = commit_remote(l, f, begun, list, &whole, &mem);
	if (e != E_OK)
		abort_remote(l, f, begun);
	if (e != E_OK)
		LOG(LOG_INFO, NULL, "peers.deliver_failed", LF_STR("backend", backend),
		    LF_ERR("error", e));
	msg_whole_fini(&whole);
	arena_reset(&mem);
	rpc_link_unref(&l);
	return e;
}
