#include "frontend/rpc/call_outbound.h"

#include "common/base/clock.h"
#include "common/log/log.h"
#include "common/loop/fiber.h"
#include "frontend/rpc/call_priv.h"
#include "proto/outbound.pb-c.h"

#define REPORT_MS 30000
#define TURN_MS   (60 * 60 * 1000) /* as long as the back-end lets one be */

/* ---- jobs ---- */

struct outbound_stream {
	unsigned refs;         /* the fiber that reads it, and its jobs */
	struct rpc_call *call; /* NULL: nobody reads it any more */
};

static void stream_unref(struct outbound_stream **ps)
{
	struct outbound_stream *s = *ps;

	*ps = NULL;
	if (s != NULL && --s->refs == 0)
		xfree(&s);
}

void outbound_job_free(struct outbound_job **pj)
{
	if (*pj == NULL)
		return;
	stream_unref(&(*pj)->stream);
	arena_reset(&(*pj)->mem);
	xfree(pj);
}

/* Who reads the stream may be waiting for room here while it ends. */
bool outbound_job_is_lost(const struct outbound_job *j)
{
	const struct outbound_stream *s = j->stream;

	return s != NULL && (s->call == NULL || rpc_call_is_over(s->call));
}

bool outbound_job_is_late(const struct outbound_job *j)
{
	return outbound_job_is_lost(j) || clock_mono_ms() - j->came_ms > OUTBOUND_BEGIN_MS;
}

size_t outbound_job_memory(const struct outbound_job *j)
{
	return sizeof *j + j->stored.n + j->prefix.n + j->n * sizeof *j->rcpts +
	       j->nblocks * sizeof *j->blocks;
}

static void take_rcpts(const Postern__OutboundJob *m, struct outbound_job *j)
{
	j->rcpts = arena_alloc(&j->mem, m->n_recipients * sizeof *j->rcpts);
	j->n = m->n_recipients;
	for (size_t i = 0; i < j->n; i++) {
		const Postern__OutboundRecipient *r = m->recipients[i];

		j->rcpts[i] = (struct outbound_rcpt){
			.address = call_slice(r->address),
			.notify = r->notify,
			.orcpt = call_slice(r->orcpt),
			.action = (enum outbound_action)r->action,
			.status = slice_str(r->status),
			.text = slice_str(r->text),
			.remote = slice_str(r->remote),
			.last_us = r->last_us,
			.expire_us = r->expire_us,
		};
	}
}

static enum err take_targets(const Postern__OutboundJob *m, struct outbound_job *j)
{
	for (size_t i = 0; i < m->n_targets; i++) {
		const Postern__Target *t = m->targets[i];

		if (t->token.len == 0 || t->token.len > DELIVER_TOKEN_MAX)
			return E_INVALID;
		j->targets[i] = (struct deliver_target){
			.token = call_slice(t->token),
			.backend = slice_str(t->backend),
			.partition = t->partition,
		};
	}
	j->ntargets = m->n_targets;
	return E_OK;
}

static enum err take_tls(const Postern__OutboundTls *m, struct outbound_job *j)
{
	uint8_t(*pins)[OUTBOUND_PIN_BYTES];

	if (m == NULL)
		return E_OK;
	/* What we do not know demands more than we know of: nothing may go. */
	if ((unsigned)m->level > OUTBOUND_TLS_PINNED || m->n_names > OUTBOUND_TLS_MAX ||
	    m->n_pins > OUTBOUND_TLS_MAX)
		return E_INVALID;
	pins = arena_alloc(&j->mem, m->n_pins * sizeof *pins);
	for (size_t i = 0; i < m->n_pins; i++) {
		if (m->pins[i].len != sizeof *pins)
			return E_INVALID;
		memcpy(pins[i], m->pins[i].data, sizeof *pins);
	}
	j->tls = (struct outbound_tls){
		.level = (enum outbound_tls_level)m->level,
		.names = (const char *const *)m->names,
		.nnames = m->n_names,
		.pins = (const uint8_t(*)[OUTBOUND_PIN_BYTES])pins,
		.npins = m->n_pins,
	};
	return E_OK;
}

bool outbound_tls_same(const struct outbound_tls *a, const struct outbound_tls *b)
{
	if (a->level != b->level || a->nnames != b->nnames || a->npins != b->npins)
		return false;
	for (size_t i = 0; i < a->nnames; i++) {
		if (!slice_eq(slice_str(a->names[i]), slice_str(b->names[i])))
			return false;
	}
	for (size_t i = 0; i < a->npins; i++) {
		if (!slice_eq(slice(a->pins[i], sizeof a->pins[i]),
			      slice(b->pins[i], sizeof b->pins[i])))
			return false;
	}
	return true;
}

struct outbound_tls outbound_tls_copy(const struct outbound_tls *from, struct arena *mem)
{
	struct outbound_tls to = *from;
	const char **names = arena_alloc(mem, from->nnames * sizeof *names);
	uint8_t(*pins)[OUTBOUND_PIN_BYTES] = arena_alloc(mem, from->npins * sizeof *pins);

	for (size_t i = 0; i < from->nnames; i++)
		names[i] = arena_str(mem, slice_str(from->names[i]));
	if (from->npins != 0)
		memcpy(pins, from->pins, from->npins * sizeof *pins);
	to.names = names;
	to.pins = (const uint8_t(*)[OUTBOUND_PIN_BYTES])pins;
	return to;
}

/* A back-end is no friend either: what the parts say must fit together. */
static enum err check_job(const Postern__OutboundJob *m)
{
	bool notice = m->kind == POSTERN__OUTBOUND_KIND__OUTBOUND_NOTICE;

	if (m->n_recipients == 0 || m->n_recipients > LEASE_ITEMS_MAX || m->lease.len == 0 ||
	    m->destination[0] == '\0' || m->trace_id.len != DELIVER_TRACE_BYTES ||
	    m->n_targets > DELIVER_TARGETS_MAX || m->plain_size > RECORD_PLAIN_MAX)
		return E_INVALID;
	if (notice && (m->txid.len != DELIVER_TXID_BYTES || m->n_targets == 0))
		return E_INVALID;
	if ((m->algorithm >> 8) != RECORD_SEAL_NONE || (m->algorithm & 0xFF) > RECORD_COMP_ZSTD)
		return E_INVALID;
	for (size_t i = 0; i < m->n_recipients; i++) {
		if (m->recipients[i]->action > OUTBOUND_EXPANDED)
			return E_INVALID;
	}
	if (m->follows > OUTBOUND_FOLLOW_MAX || (m->follows != 0 && m->stored.len != 0))
		return E_INVALID;
	if ((m->stored.len != 0 || m->follows != 0) &&
	    m->n_blocks != record_block_count(m->plain_size))
		return E_CORRUPT;
	return E_OK;
}

static enum err take_source(const char *text, uint8_t family, struct ipaddr *out)
{
	if (text[0] == '\0')
		return E_OK;
	return ipaddr_parse(slice_str(text), out) && out->family == family ? E_OK : E_INVALID;
}

static enum err take_route(const Postern__OutboundJob *m, struct outbound_job *j)
{
	const Postern__OutboundRoute *r = m->route;
	enum err e;

	j->route = (struct outbound_route){.target = j->destination, .helo = ""};
	if (r == NULL)
		return E_OK;
	if (r->target[0] == '\0')
		return E_INVALID;
	j->route.target = slice_str(r->target);
	j->route.lmtp = r->lmtp;
	j->route.drop = r->drop;
	j->route.tls_report = r->tls_report;
	j->route.user = call_slice(r->user);
	j->route.password = call_slice(r->password);
	j->route.gssapi = r->gssapi;
	j->route.helo = r->helo;
	j->route.source_only = r->source_only;
	e = take_source(r->source4, 4, &j->route.source4);
	return e == E_OK ? take_source(r->source6, 6, &j->route.source6) : e;
}

static enum err take_job(const Postern__OutboundJob *m, struct outbound_job *j)
{
	enum err e = check_job(m);

	if (e != E_OK)
		return e;
	j->lease = call_slice(m->lease);
	j->kind = m->kind == POSTERN__OUTBOUND_KIND__OUTBOUND_NOTICE ? OUTBOUND_NOTICE
								     : OUTBOUND_SEND;
	j->destination = slice_str(m->destination);
	j->connections = m->connections;
	j->idle = m->idle;
	j->partition = m->partition;
	j->sender = call_slice(m->sender);
	j->ret = m->ret;
	j->envid = call_slice(m->envid);
	memcpy(j->trace_id, m->trace_id.data, sizeof j->trace_id);
	j->content = m->content;
	j->by = m->by;
	j->by_us = m->by_us;
	j->priority = m->priority;
	j->prefix = call_slice(m->prefix);
	j->plain_size = m->plain_size;
	j->stored_size = m->stored_size;
	j->compression =
		(m->algorithm & 0xFF) == RECORD_COMP_ZSTD ? RECORD_COMP_ZSTD : RECORD_COMP_NONE;
	j->blocks = m->blocks;
	j->nblocks = (uint32_t)m->n_blocks;
	j->stored = call_slice(m->stored);
	j->first_us = m->first_us;
	if (m->txid.len == sizeof j->txid)
		memcpy(j->txid, m->txid.data, sizeof j->txid);
	take_rcpts(m, j);
	e = take_tls(m->tls, j);
	if (e == E_OK)
		e = take_route(m, j);
	return e == E_OK ? take_targets(m, j) : e;
}

#define NO_MORE POSTERN__OUTBOUND_KIND__OUTBOUND_NO_MORE

/* What follows a frame that nobody understands. */
#define NOT_KNOWN UINT32_MAX

/* The message of a frame, copied: it outlives the frame. E_CLOSED: it says that there is none.
 * *follows_out: bytes behind it, also of a job that cannot be. */
static enum err job_new(slice_t frame, struct outbound_job **out, uint32_t *follows_out)
{
	struct outbound_job *j = xcalloc(1, sizeof *j);
	ProtobufCMessage *m;
	enum err e;

	arena_init(&j->mem, NULL);
	list_init(&j->node);
	j->came_ms = clock_mono_ms();
	e = rpc_client_unpack(&postern__outbound_job__descriptor, frame, &j->mem, &m);
	*follows_out = e == E_OK ? ((const Postern__OutboundJob *)m)->follows : NOT_KNOWN;
	if (e == E_OK && ((const Postern__OutboundJob *)m)->kind == NO_MORE)
		e = E_CLOSED;
	if (e == E_OK)
		e = take_job((const Postern__OutboundJob *)m, j);
	if (e != E_OK)
		outbound_job_free(&j);
	*out = j;
	return e;
}

/* Takes n bytes that come behind a job's frame, into room; NULL: nobody wants them. E_CORRUPT: the
 * last frame has more. */
WAITS static enum err take_behind(struct rpc_call *call, uint32_t n, char *room)
{
	while (n != 0) {
		slice_t part;
		enum err e = rpc_call_recv(call, &part);

		if (e == E_OK && (part.n > n || part.n == 0))
			e = E_CORRUPT;
		if (e != E_OK)
			return e;
		if (room != NULL) {
			memcpy(room, part.p, part.n);
			room += part.n;
		}
		n -= (uint32_t)part.n;
	}
	return E_OK;
}

/* One job, and what is behind it. One that cannot be is left to its lease, and its bytes are read
 * over, lest a stranger's message be taken for jobs. */
WAITS static enum err take_next(struct outbound_stream *s, struct outbound_job **out)
{
	uint32_t follows;
	slice_t frame;
	char *room;
	enum err e = rpc_call_recv(s->call, &frame);

	*out = NULL;
	if (e != E_OK)
		return e;
	if (job_new(frame, out, &follows) != E_OK) {
		LOG_SELDOM(LOG_ERROR, NULL, "outbound.bad_job");
		return follows <= OUTBOUND_FOLLOW_MAX ? take_behind(s->call, follows, NULL)
						      : E_CORRUPT;
	}
	(*out)->stream = s;
	s->refs++;
	if (follows == 0)
		return E_OK;
	/* Bounded: take_job has looked. */
	room = arena_room(&(*out)->mem, follows);
	(*out)->stored = slice(room, follows);
	e = take_behind(s->call, follows, room);
	if (e != E_OK)
		outbound_job_free(out);
	return e;
}

WAITS enum err call_outbound_work(struct rpc_link *l,
				  WAITS void (*take)(struct outbound_job *j, void *arg), void *arg)
{
	Postern__OutboundWork req = POSTERN__OUTBOUND_WORK__INIT;
	struct outbound_stream *s;
	struct rpc_call *call;
	enum err e;

	req.follow_max = OUTBOUND_FOLLOW_MAX;
	e = rpc_client_open(l, POSTERN__METHOD__METHOD_OUTBOUND_WORK, &req.base, RPC_NO_BODY,
			    NO_DEADLINE, &call);
	if (e != E_OK)
		return e;
	s = xcalloc(1, sizeof *s);
	*s = (struct outbound_stream){.refs = 1, .call = call};
	e = rpc_call_response(call, NULL);
	while (e == E_OK) {
		struct outbound_job *j;

		e = take_next(s, &j);
		if (j != NULL)
			take(j, arg);
	}
	if (e == E_CORRUPT)
		LOG(LOG_ERROR, NULL, "outbound.bad_stream",
		    LF_STR("backend", rpc_link_peer(l)->name));
	rpc_call_free(&s->call);
	stream_unref(&s);
	return e;
}

/* ---- turns ---- */

WAITS enum err call_turn_open(struct rpc_link *l, struct ticket *t, char *const *domains, size_t n,
			      struct call_turn *out)
{
	Postern__OutboundTurn req = POSTERN__OUTBOUND_TURN__INIT;
	const Postern__OutboundTurnReply *r;
	struct call_ticket copy;
	ProtobufCMessage *m;
	slice_t payload;
	enum err e = call_begin(t, &copy, &req.ticket);

	*out = (struct call_turn){.call = NULL};
	arena_init(&out->mem, NULL);
	req.domains = (char **)(uintptr_t)domains;
	req.n_domains = n;
	if (e == E_OK)
		e = rpc_client_open(l, POSTERN__METHOD__METHOD_OUTBOUND_TURN, &req.base,
				    RPC_NO_BODY, deadline_in(TURN_MS), &out->call);
	if (e == E_OK)
		e = rpc_call_response(out->call, &payload);
	if (e == E_OK)
		e = rpc_client_unpack(&postern__outbound_turn_reply__descriptor, payload, &out->mem,
				      &m);
	if (e != E_OK) {
		call_turn_close(out);
		return e;
	}
	r = (const Postern__OutboundTurnReply *)m;
	out->number = r->turn;
	out->waiting = r->waiting;
	return E_OK;
}

WAITS enum err call_turn_next(struct call_turn *t, struct outbound_job **out)
{
	uint32_t follows;
	slice_t frame;
	enum err e = rpc_call_recv(t->call, &frame);

	*out = NULL;
	if (e != E_OK)
		return e == E_CLOSED ? E_RETRY : e;
	e = job_new(frame, out, &follows);
	if (e == E_OK && follows != 0) { /* nobody asked for that here */
		outbound_job_free(out);
		e = E_CORRUPT;
	}
	if (e == E_OK)
		(*out)->turn = t->number;
	return e;
}

void call_turn_close(struct call_turn *t)
{
	if (t->call != NULL)
		rpc_call_free(&t->call);
	arena_reset(&t->mem);
}

/* ---- the message ---- */

void outbound_body_init(struct outbound_body *b, const struct outbound_job *j)
{
	*b = (struct outbound_body){.job = j,
				    .prefix = j->prefix,
				    .stored = j->stored,
				    .blocks = j->blocks,
				    .nblocks = j->nblocks};
	arena_init(&b->mem, NULL);
}

/* The lengths of the blocks come first, then the blocks. */
WAITS static enum err body_ask(struct outbound_body *b)
{
	Postern__OutboundRead req = POSTERN__OUTBOUND_READ__INIT;
	const Postern__OutboundReadReply *reply;
	ProtobufCMessage *m;
	slice_t payload;
	enum err e;

	req.lease = call_bytes(b->job->lease);
	e = rpc_client_open(rpc_client_partition(b->job->partition),
			    POSTERN__METHOD__METHOD_OUTBOUND_READ, &req.base, RPC_NO_BODY,
			    b->job->came_ms + OUTBOUND_READ_MS, &b->call);
	if (e == E_OK)
		e = rpc_call_response(b->call, &payload);
	if (e == E_OK)
		e = rpc_client_unpack(&postern__outbound_read_reply__descriptor, payload, &b->mem,
				      &m);
	if (e != E_OK)
		return e;
	reply = (const Postern__OutboundReadReply *)m;
	if (reply->n_blocks != record_block_count(b->job->plain_size))
		return E_CORRUPT;
	b->blocks = reply->blocks;
	b->nblocks = (uint32_t)reply->n_blocks;
	return E_OK;
}

/* After the prefix. E_CLOSED: the message has no more. */
WAITS static enum err body_begin(struct outbound_body *b)
{
	const struct outbound_job *j = b->job;
	enum err e = E_OK;

	if (j->plain_size == 0)
		return E_CLOSED;
	if (b->stored.n == 0)
		e = body_ask(b);
	if (e == E_OK)
		e = record_read_init(&b->record, b->blocks, b->nblocks, j->plain_size,
				     j->stored_size, j->compression, 0, b->nblocks - 1, NULL);
	b->opened = e == E_OK;
	return e;
}

WAITS static enum err body_block(struct outbound_body *b, slice_t *out)
{
	if (record_read_done(&b->record))
		return E_CLOSED;
	for (;;) {
		enum err e = E_OK;

		switch (record_read_next(&b->record, &b->stored, out, &e)) {
		case P_OK:
			return E_OK;
		case P_BAD:
			return e;
		case P_MORE:
			break;
		}
		e = b->call != NULL ? rpc_call_recv(b->call, &b->stored) : E_CORRUPT;
		if (e != E_OK)
			return e == E_CLOSED ? E_CORRUPT : e;
	}
}

WAITS enum err outbound_body_read(void *arg, slice_t *out)
{
	struct outbound_body *b = arg;

	if (!b->begun) {
		b->begun = true;
		if (b->prefix.n != 0) {
			*out = b->prefix;
			return E_OK;
		}
	}
	if (!b->opened) {
		enum err e = body_begin(b);

		if (e != E_OK)
			return e;
	}
	return body_block(b, out);
}

void outbound_body_fini(struct outbound_body *b)
{
	if (b->call != NULL)
		rpc_call_free(&b->call);
	if (b->opened)
		record_read_fini(&b->record);
	b->opened = false;
	arena_reset(&b->mem);
}

/* ---- reports ---- */

static Postern__OutboundResult *pack_result(const struct outbound_report *r, struct arena *a)
{
	Postern__OutboundResult *m = arena_new(a, Postern__OutboundResult);
	Postern__OutboundRecipientResult *rows = arena_alloc(a, r->n * sizeof *rows);

	postern__outbound_result__init(m);
	m->lease = call_bytes(r->lease);
	m->outcome = (Postern__OutboundOutcome)r->end;
	m->remote = arena_str(a, r->remote);
	m->tls = arena_str(a, r->tls);
	m->ms = r->ms;
	m->no_dsn = r->no_dsn;
	m->no_by = r->no_by;
	m->crowded = r->crowded;
	m->turn = r->turn;
	m->results = arena_alloc(a, r->n * sizeof(Postern__OutboundRecipientResult *));
	m->n_results = r->n;
	for (size_t i = 0; i < r->n; i++) {
		postern__outbound_recipient_result__init(&rows[i]);
		rows[i].code = r->results[i].code;
		rows[i].status = arena_str(a, r->results[i].status);
		rows[i].text = arena_str(a, r->results[i].text);
		m->results[i] = &rows[i];
	}
	return m;
}

WAITS enum err call_outbound_report(uint32_t partition, const struct outbound_report *v, size_t n,
				    struct diag *d)
{
	Postern__OutboundReport req = POSTERN__OUTBOUND_REPORT__INIT;
	Postern__OutboundResult *rows[OUTBOUND_RESULTS_MAX];
	struct arena a;
	enum err e;

	invariant(n <= OUTBOUND_RESULTS_MAX);
	arena_init(&a, NULL);
	for (size_t i = 0; i < n; i++)
		rows[i] = pack_result(&v[i], &a);
	req.results = rows;
	req.n_results = n;
	e = rpc_client_call(rpc_client_partition(partition),
			    POSTERN__METHOD__METHOD_OUTBOUND_REPORT, &req.base, NULL, NULL,
			    deadline_in(REPORT_MS), NULL, d);
	arena_reset(&a);
	return e;
}
