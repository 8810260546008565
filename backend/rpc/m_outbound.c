/*
 * Outbound.*: the way out over the RPC. A worker's stream of jobs is served by its fiber for as
 * long as the link lives; credit and the scheduler's windows are the back-pressure. A lease names
 * its items under seal: a front-end can report of, and read, what it was given, nothing else.
 */
#include "backend/queue/outbound.h"
#include "backend/rpc/convert.h"
#include "backend/rpc/rpc_methods.h"
#include "common/base/clock.h"
#include "common/base/codec.h"
#include "common/log/log.h"
#include "common/loop/fiber.h"
#include "proto/outbound.pb-c.h"

/* A worker's stream, or a turn's, in be->senders. */
struct sender {
	struct list node;
	struct rpc_link *link; /* of the request, which holds it */
	struct outbound_worker *worker;
	bool turns; /* it is a turn: */
	size_t given, told;
	struct waitq heard;
};

/* turn: the number of one of the link's turns; 0: of its work. NULL: it has none. */
static struct sender *sender_of(const struct mcall *c, uint32_t turn)
{
	list_for_each(i, &c->be->senders) {
		struct sender *s = list_entry(i, struct sender, node);

		if (s->link == rpc_req_link(c->req) &&
		    (s->turns ? outbound_worker_number(s->worker) == turn : turn == 0))
			return s;
	}
	return NULL;
}

static uint32_t worker_of(const struct mcall *c, uint32_t turn)
{
	const struct sender *s = sender_of(c, turn);

	return s != NULL ? outbound_worker_number(s->worker) : SCHED_SELF;
}

/* ---- jobs ---- */

static void pack_recipients(const struct outbound_job *j, struct arena *mem,
			    Postern__OutboundJob *out)
{
	Postern__OutboundRecipient *rows = arena_alloc(mem, j->n * sizeof *rows);

	out->recipients = arena_alloc(mem, j->n * sizeof(Postern__OutboundRecipient *));
	out->n_recipients = j->n;
	for (size_t i = 0; i < j->n; i++) {
		const struct job *job = &j->jobs[i];

		postern__outbound_recipient__init(&rows[i]);
		rows[i].address = MCALL_BYTES(job->address);
		rows[i].notify = job->notify;
		rows[i].orcpt = MCALL_BYTES(job->orcpt);
		if (j->lease.kind == LEASE_NOTICE) {
			rows[i].action = job->action;
			rows[i].status = arena_str(mem, job->status);
			rows[i].text = arena_str(mem, job->last_error);
			rows[i].remote = arena_str(mem, job->remote);
			rows[i].last_us = job->last_us;
			rows[i].expire_us = job->expire_us;
		}
		out->recipients[i] = &rows[i];
	}
}

static void pack_record(const struct outbound_job *j, Postern__OutboundJob *out)
{
	const struct msg_record *r = &j->record;

	out->plain_size = r->plain_size;
	out->stored_size = r->stored_size;
	out->algorithm = (uint32_t)r->compression | (uint32_t)r->seal << 8;
	if (j->stored.n <= OUTBOUND_INLINE_MAX)
		out->stored = MCALL_BYTES(j->stored);
	else
		out->follows = (uint32_t)j->stored.n;
	if (j->stored.n != 0) {
		out->n_blocks = r->nblocks;
		out->blocks = (uint32_t *)(uintptr_t)r->table;
	}
}

static Postern__OutboundTlsLevel tls_level(enum dir_tls_level l)
{
	switch (l) {
	case DIR_TLS_NONE:
		return POSTERN__OUTBOUND_TLS_LEVEL__OUTBOUND_TLS_NONE;
	case DIR_TLS_MAY:
		return POSTERN__OUTBOUND_TLS_LEVEL__OUTBOUND_TLS_MAY;
	case DIR_TLS_ENCRYPT:
		return POSTERN__OUTBOUND_TLS_LEVEL__OUTBOUND_TLS_ENCRYPT;
	case DIR_TLS_VERIFY:
		return POSTERN__OUTBOUND_TLS_LEVEL__OUTBOUND_TLS_VERIFY;
	case DIR_TLS_DANE:
		return POSTERN__OUTBOUND_TLS_LEVEL__OUTBOUND_TLS_DANE;
	case DIR_TLS_DANE_ONLY:
		return POSTERN__OUTBOUND_TLS_LEVEL__OUTBOUND_TLS_DANE_ONLY;
	case DIR_TLS_PINNED:
		break;
	}
	return POSTERN__OUTBOUND_TLS_LEVEL__OUTBOUND_TLS_PINNED;
}

/* Fingerprints are digits of hex in the directory, bytes on the wire. */
static Postern__OutboundTls *pack_tls(const struct dir_tls *t, struct arena *mem)
{
	Postern__OutboundTls *m = arena_new(mem, Postern__OutboundTls);
	slice_t rest = t->peers, peer;
	struct buf pin;

	postern__outbound_tls__init(m);
	m->level = tls_level(t->level);
	m->names = arena_alloc(mem, (t->npeers + 1u) * sizeof *m->names);
	m->pins = arena_alloc(mem, (t->npeers + 1u) * sizeof *m->pins);
	buf_init(&pin, DIR_TLS_PIN_TEXT / 2, NULL);
	while (dir_tls_peer(&rest, &peer)) {
		if (t->level != DIR_TLS_PINNED) {
			m->names[m->n_names++] = arena_str(mem, peer);
			continue;
		}
		buf_reset(&pin);
		invariant(hex_decode(&pin, peer));
		m->pins[m->n_pins++] = MCALL_BYTES(arena_dup(mem, buf_slice(&pin)));
	}
	buf_fini(&pin);
	return m;
}

static void pack_route(struct outbound_job *j, struct arena *mem, Postern__OutboundJob *out)
{
	const struct dir_route *r = j->route;
	Postern__OutboundRoute *m;

	bool reports = slice_eq(j->destination, JOB_TLS_REPORTS);

	if (r == NULL && !reports)
		return;
	m = arena_new(mem, Postern__OutboundRoute);
	postern__outbound_route__init(m);
	out->route = m;
	if (reports) {
		m->target = arena_str(mem, j->destination);
		m->tls_report = true;
		return;
	}
	m->target = arena_str(mem, j->target);
	m->lmtp = r->action == DIR_ROUTE_LMTP;
	m->drop = r->action == DIR_ROUTE_DROP;
	m->user = MCALL_BYTES(r->user);
	m->password = MCALL_BYTES(secret_slice(&j->password));
	m->helo = arena_str(mem, r->helo);
	m->source4 = arena_str(mem, r->source4);
	m->source6 = arena_str(mem, r->source6);
	m->source_only = j->sources_only;
	m->gssapi = r->auth == DIR_ROUTE_AUTH_GSSAPI;
}

static enum err pack_job(struct mcall *c, struct outbound_job *j, struct arena *mem,
			 Postern__OutboundJob *out)
{
	struct job *first = &j->jobs[0];
	struct buf lease;
	enum err e;

	postern__outbound_job__init(out);
	buf_init(&lease, LEASE_TOKEN_MAX, NULL);
	e = lease_token_seal(c->be->tickets, &j->lease, &lease);
	out->lease = MCALL_BYTES(arena_dup(mem, buf_slice(&lease)));
	buf_fini(&lease);
	if (e != E_OK)
		return e;
	out->kind = j->lease.kind == LEASE_NOTICE ? POSTERN__OUTBOUND_KIND__OUTBOUND_NOTICE
						  : POSTERN__OUTBOUND_KIND__OUTBOUND_SEND;
	out->destination = arena_str(mem, j->destination);
	out->connections = j->connections;
	out->idle = j->idle;
	out->partition = j->lease.partition;
	out->sender = MCALL_BYTES(j->lease.kind == LEASE_NOTICE ? first->sender : j->mail_from);
	out->ret = first->ret;
	out->envid = MCALL_BYTES(first->envid);
	out->trace_id = MCALL_BYTES(slice(first->trace_id, sizeof first->trace_id));
	out->content = first->content;
	out->by = first->by;
	out->by_us = first->by_us;
	out->priority = first->priority;
	out->prefix = MCALL_BYTES(first->prefix);
	out->first_us = first->first_us;
	if (j->lease.kind == LEASE_NOTICE) {
		out->txid = MCALL_BYTES(slice(j->txid, sizeof j->txid));
		out->targets = convert_targets(&j->targets, mem);
		out->n_targets = j->targets.n;
	}
	if (j->lease.kind == LEASE_SEND)
		out->tls = pack_tls(&j->tls, mem);
	pack_route(j, mem, out);
	pack_recipients(j, mem, out);
	pack_record(j, out);
	return E_OK;
}

WAITS static enum err send_frames(struct mcall *c, slice_t bytes)
{
	enum err e = E_OK;

	for (size_t k = 0; e == E_OK && k < bytes.n; k += RPC_PAYLOAD_MAX)
		e = rpc_req_send(c->req, slice_sub(bytes, k, RPC_PAYLOAD_MAX));
	return e;
}

WAITS static enum err send_batch(struct mcall *c, struct outbound_batch *b)
{
	enum err e = E_OK;

	for (size_t i = 0; e == E_OK && i < b->n; i++) {
		Postern__OutboundJob m;

		e = pack_job(c, &b->jobs[i], &b->mem, &m);
		if (e == E_OK)
			e = mcall_send(c, &m.base, NULL);
		if (e == E_OK && m.follows != 0)
			e = send_frames(c, b->jobs[i].stored);
	}
	return e;
}

/* Whoever fetches may have a slow line, and take a message that he gets twice for two: the next one
 * comes when he has told of the last, whatever time its lease has. */
WAITS static enum err await_told(const struct mcall *c, struct sender *s)
{
	enum err e = E_OK;

	while (e == E_OK && s->turns && s->told < s->given)
		e = waitq_wait(&s->heard, "outbound.turn_told", rpc_req_deadline(c->req));
	return e;
}

WAITS static enum err serve(struct mcall *c, struct sender *s, const ProtobufCMessage *reply)
{
	struct outbound_batch *b = xcalloc(1, sizeof *b);
	enum err e = mcall_reply(c, reply, RPC_BODY);

	while (e == E_OK) {
		e = outbound_take(s->worker, b);
		s->given += b->n;
		if (e == E_OK)
			e = send_batch(c, b);
		outbound_batch_fini(b);
		if (e == E_OK)
			e = await_told(c, s);
	}
	xfree(&b);
	return e;
}

WAITS enum err m_outbound_work(struct mcall *c)
{
	const Postern__OutboundWork *m = (const void *)c->msg;
	struct sender s = {.link = rpc_req_link(c->req)};
	enum err e;

	if (c->be->outbound == NULL)
		return E_RETRY;
	if (worker_of(c, 0) != SCHED_SELF)
		return diag_set(&c->diag, E_EXISTS, "one stream of work a link");
	e = outbound_worker_new(c->be->outbound, c->peer, &s.worker);
	if (e != E_OK)
		return e;
	outbound_worker_follow(s.worker, m->follow_max);
	list_append(&c->be->senders, &s.node);
	LOG(LOG_INFO, NULL, "outbound.worker_here", LF_STR("frontend", c->peer->name));
	e = serve(c, &s, NULL);
	list_remove(&s.node);
	outbound_worker_free(&s.worker);
	LOG(LOG_INFO, NULL, "outbound.worker_gone", LF_STR("frontend", c->peer->name),
	    LF_ERR("why", e));
	return e;
}

WAITS static enum err send_no_more(struct mcall *c)
{
	Postern__OutboundJob m = POSTERN__OUTBOUND_JOB__INIT;

	m.kind = POSTERN__OUTBOUND_KIND__OUTBOUND_NO_MORE;
	return mcall_send(c, &m.base, NULL);
}

WAITS static enum err serve_turn(struct mcall *c, const struct outbound_fetch *q)
{
	struct sender s = {.link = rpc_req_link(c->req), .turns = true};
	Postern__OutboundTurnReply reply = POSTERN__OUTBOUND_TURN_REPLY__INIT;
	uint64_t waiting;
	enum err e = outbound_turn_new(c->be->outbound, c->peer, q, &s.worker, &waiting);

	LOG(LOG_INFO, NULL, "outbound.turn", LF_STR("frontend", c->peer->name),
	    LF_UINT("account", q->account), LF_UINT("domains", q->n),
	    LF_UINT("waiting", e == E_OK ? waiting : 0), LF_ERR("status", e));
	if (e != E_OK)
		return e;
	reply.turn = outbound_worker_number(s.worker);
	reply.waiting = waiting;
	waitq_init(&s.heard);
	list_append(&c->be->senders, &s.node);
	e = serve(c, &s, &reply.base);
	if (e == E_CLOSED)
		e = send_no_more(c);
	if (e == E_OK)
		e = rpc_req_send_end(c->req);
	list_remove(&s.node);
	outbound_worker_free(&s.worker);
	return e;
}

WAITS enum err m_outbound_turn(struct mcall *c)
{
	const Postern__OutboundTurn *m = (const void *)c->msg;
	slice_t *domains = arena_alloc(&c->mem, m->n_domains * sizeof *domains);
	struct outbound_fetch q = {.domains = domains, .n = m->n_domains};
	enum err e = c->be->outbound != NULL ? E_OK : E_RETRY;

	if (e == E_OK)
		e = ticket_open(c->be->tickets, MCALL_SLICE(m->ticket), c->peer, TICKET_SUBMIT,
				&c->claims, &c->diag);
	q.account = c->claims.account;
	for (size_t i = 0; i < q.n; i++)
		domains[i] = slice_str(m->domains[i]);
	return e == E_OK ? serve_turn(c, &q) : e;
}

/* ---- the message ---- */

struct reading {
	struct partition *part;
	struct msg_record record;
	struct arena *mem;
	struct msg_span span; /* read last; of bytes in the volume */
	struct buf bytes;
	bool more; /* after them */
	enum err result;
};

#define READ_STEP (256u * 1024)

/* The stored bytes from r->span.to on, up to a step of them. */
static void read_step(void *arg)
{
	struct reading *r = arg;
	struct msg_span all = msg_span_blocks(&r->record, 0, r->record.nblocks - 1);
	uint64_t from = MAX(r->span.to, all.from);

	r->span = (struct msg_span){all.record_no, from, MIN(from + READ_STEP, all.to)};
	r->more = r->span.to < all.to;
	buf_reset(&r->bytes);
	r->result = msg_read(r->part, &r->span, 1, &r->bytes);
}

/* The record and its first bytes, most often all, in one visit. */
static void read_first(void *arg)
{
	struct reading *r = arg;

	r->result = msg_record(r->part, r->record.no, r->mem, &r->record);
	if (r->result == E_OK && r->record.nblocks != 0)
		read_step(r);
}

WAITS static enum err read_with(void (*fn)(void *arg), struct reading *r)
{
	enum err e = mcall_read("outbound.read", fn, r);

	return e == E_OK ? r->result : e;
}

WAITS static enum err send_blocks(struct mcall *c, struct reading *r)
{
	enum err e;

	for (;;) {
		e = send_frames(c, buf_slice(&r->bytes));
		if (e != E_OK || !r->more)
			return e;
		e = read_with(read_step, r);
	}
}

WAITS static enum err read_out(struct mcall *c, struct reading *r)
{
	Postern__OutboundReadReply reply = POSTERN__OUTBOUND_READ_REPLY__INIT;
	enum err e = read_with(read_first, r);

	if (e != E_OK)
		return e;
	reply.blocks = (uint32_t *)(uintptr_t)r->record.table;
	reply.n_blocks = r->record.nblocks;
	e = mcall_reply(c, &reply.base, RPC_BODY);
	if (e == E_OK)
		e = send_blocks(c, r);
	return e == E_OK ? rpc_req_send_end(c->req) : e;
}

WAITS enum err m_outbound_read(struct mcall *c)
{
	const Postern__OutboundRead *m = (const void *)c->msg;
	struct reading r = {.mem = &c->mem};
	struct lease_token *lease = arena_new(&c->mem, struct lease_token);
	enum err e =
		lease_token_open(c->be->tickets, MCALL_SLICE(m->lease), c->peer, lease, &c->diag);

	if (e == E_OK)
		e = mcall_partition(c, lease->partition);
	if (e != E_OK)
		return e;
	if (!budget_take(rpc_link_budget(rpc_req_link(c->req)), READ_STEP))
		return E_BUSY;
	r.part = c->part;
	r.record.no = lease->record_no;
	buf_init(&r.bytes, READ_STEP + RECORD_BLOCK_STORED_MAX, NULL);
	e = read_out(c, &r);
	buf_fini(&r.bytes);
	budget_give(rpc_link_budget(rpc_req_link(c->req)), READ_STEP);
	return e;
}

/* ---- reports ---- */

static bool is_status(slice_t s)
{
	if (s.n < 5 || s.n > 11 || (s.p[0] != '2' && s.p[0] != '4' && s.p[0] != '5'))
		return false;
	for (size_t i = 0; i < s.n; i++) {
		if (s.p[i] != '.' && (s.p[i] < '0' || s.p[i] > '9'))
			return false;
	}
	return true;
}

static enum err read_tries(const Postern__OutboundResult *m, struct outbound_result *out,
			   struct arena *mem)
{
	size_t want = out->end == OUTBOUND_TRIED         ? out->lease->n
		      : out->end == OUTBOUND_UNREACHABLE ? 1
							 : 0;

	if (m->n_results != want)
		return E_INVALID;
	out->tries = arena_alloc(mem, want * sizeof *out->tries);
	for (size_t i = 0; i < want; i++) {
		const Postern__OutboundRecipientResult *r = m->results[i];

		out->tries[i] = (struct outcome_try){
			.code = r->code,
			.status = slice_str(r->status),
			.text = slice_str(r->text),
			.remote = slice_str(m->remote),
			.at_us = clock_wall_us(),
			.no_dsn = m->no_dsn,
			.no_by = m->no_by,
		};
		if (!is_status(out->tries[i].status))
			return E_INVALID;
	}
	return E_OK;
}

static enum err read_result(struct mcall *c, const Postern__OutboundResult *m,
			    struct outbound_result *out)
{
	struct lease_token *lease = arena_new(&c->mem, struct lease_token);
	enum err e =
		lease_token_open(c->be->tickets, MCALL_SLICE(m->lease), c->peer, lease, &c->diag);

	if (e != E_OK)
		return e;
	*out = (struct outbound_result){
		.lease = lease,
		.worker = worker_of(c, m->turn),
		.tls = slice_str(m->tls),
		.ms = m->ms,
		.crowded = m->crowded && m->turn == 0, /* nobody chose the other connection */
	};
	switch (m->outcome) {
	case POSTERN__OUTBOUND_OUTCOME__OUTBOUND_TRIED:
		out->end = OUTBOUND_TRIED;
		break;
	case POSTERN__OUTBOUND_OUTCOME__OUTBOUND_UNREACHABLE:
		out->end = OUTBOUND_UNREACHABLE;
		break;
	case POSTERN__OUTBOUND_OUTCOME__OUTBOUND_UNTRIED:
		out->end = OUTBOUND_UNTRIED;
		break;
	case _POSTERN__OUTBOUND_OUTCOME_IS_INT_SIZE:
		return E_INVALID;
	}
	return read_tries(m, out, &c->mem);
}

static void tell_turn(const struct mcall *c, uint32_t turn)
{
	struct sender *s = turn != 0 ? sender_of(c, turn) : NULL;

	if (s == NULL)
		return;
	s->told++;
	waitq_wake_all(&s->heard);
}

WAITS enum err m_outbound_report(struct mcall *c)
{
	const Postern__OutboundReport *m = (const void *)c->msg;
	struct outbound_result *v = arena_alloc(&c->mem, m->n_results * sizeof *v);
	enum err e = m->n_results != 0 && c->be->outbound != NULL ? E_OK : E_RETRY;

	for (size_t i = 0; e == E_OK && i < m->n_results; i++) {
		e = read_result(c, m->results[i], &v[i]);
		if (e == E_OK && v[i].lease->partition != v[0].lease->partition)
			e = diag_set(&c->diag, E_INVALID, "results of several partitions");
	}
	if (e == E_OK)
		e = mcall_partition(c, v[0].lease->partition);
	if (e == E_OK)
		e = outbound_report(c->be->outbound, c->part, v, m->n_results);
	for (size_t i = 0; e == E_OK && i < m->n_results; i++)
		tell_turn(c, m->results[i]->turn);
	return e;
}
