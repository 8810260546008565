/*
 * Ingest.*: files of pickup folders over the RPC. A worker's stream of files is served by its fiber
 * for as long as the link lives. What a file says of its sender only the worker reads (nothing here
 * knows mail's grammar), so it is believed with care: a sender must be an address of ours whose
 * letters stand in the file, and the ticket is for one message, the file's.
 */
#include <stdio.h>
#include <unistd.h>

#include "backend/areas/pickup.h"
#include "backend/delivery/resolve.h"
#include "backend/directory/dir_rights.h"
#include "backend/policy/guard.h"
#include "backend/rpc/m_sign.h"
#include "backend/rpc/rpc_methods.h"
#include "common/log/log.h"
#include "proto/ingest.pb-c.h"

/* A worker's stream, in be->pickers. */
struct picker {
	struct list node;
	struct rpc_link *link; /* of the request, which holds it */
	struct pickup_worker *worker;
};

static struct pickup_worker *worker_of(const struct mcall *c)
{
	list_for_each(i, &c->be->pickers) {
		struct picker *p = list_entry(i, struct picker, node);

		if (p->link == rpc_req_link(c->req))
			return p->worker;
	}
	return NULL;
}

/* ---- the stream ---- */

WAITS static enum err send_job(struct mcall *c, struct pickup_job *j)
{
	Postern__IngestJob m = POSTERN__INGEST_JOB__INIT;

	m.lease = MCALL_BYTES(slice(j->lease, sizeof j->lease));
	m.server = j->server;
	m.size = j->file.size;
	m.txid = MCALL_BYTES(slice(j->txid, sizeof j->txid));
	m.domain = (char *)(uintptr_t)dir_default_domain(c->be->dir);
	return mcall_send(c, &m.base, NULL);
}

WAITS enum err m_ingest_work(struct mcall *c)
{
	struct picker p = {.link = rpc_req_link(c->req)};
	enum err e;

	if (c->be->pickup == NULL)
		return E_RETRY;
	if (worker_of(c) != NULL)
		return diag_set(&c->diag, E_EXISTS, "one stream of files a link");
	p.worker = pickup_worker_new(c->be->pickup);
	list_append(&c->be->pickers, &p.node);
	e = mcall_reply(c, NULL, RPC_BODY);
	while (e == E_OK) {
		struct pickup_job j;

		e = pickup_take(p.worker, &j);
		if (e == E_OK)
			e = send_job(c, &j);
	}
	list_remove(&p.node);
	pickup_worker_free(&p.worker);
	return e;
}

/* ---- the bytes ---- */

struct reading {
	int fd;
	uint64_t at;
	char bytes[RPC_PAYLOAD_MAX / 2];
	size_t n;
	enum err result;
};

static void run_read(void *arg)
{
	struct reading *r = arg;

	r->result = area_read(r->fd, r->at, r->bytes, sizeof r->bytes, &r->n);
}

/* As many bytes as were leased: what grows meanwhile is another file. */
WAITS static enum err send_file(struct mcall *c, struct reading *r, uint64_t size)
{
	enum err e = E_OK;

	while (e == E_OK && r->at < size) {
		e = mcall_read("ingest.read", run_read, r);
		if (e == E_OK)
			e = r->result;
		if (e == E_OK && r->n == 0)
			e = E_CORRUPT;
		if (e != E_OK)
			break;
		r->n = (size_t)MIN((uint64_t)r->n, size - r->at);
		r->at += r->n;
		e = rpc_req_send(c->req, slice(r->bytes, r->n));
	}
	return e;
}

WAITS enum err m_ingest_read(struct mcall *c)
{
	const Postern__IngestRead *m = (const void *)c->msg;
	struct pickup_worker *w = worker_of(c);
	struct pickup_job j;
	struct reading *r;
	int fd;
	enum err e = w != NULL ? pickup_open(w, MCALL_SLICE(m->lease), &j, &fd) : E_NOT_FOUND;

	if (e != E_OK)
		return e;
	if (!budget_take(rpc_link_budget(rpc_req_link(c->req)), sizeof *r)) {
		close(fd);
		return E_BUSY;
	}
	r = xcalloc(1, sizeof *r);
	r->fd = fd;
	e = mcall_reply(c, NULL, RPC_BODY);
	if (e == E_OK)
		e = send_file(c, r, j.file.size);
	close(fd);
	xfree(&r);
	budget_give(rpc_link_budget(rpc_req_link(c->req)), sizeof *r);
	return e == E_OK ? rpc_req_send_end(c->req) : e;
}

/* ---- whose it is ---- */

struct mention {
	int fd;
	slice_t words;
	bool found;
	enum err result;
};

static void run_mention(void *arg)
{
	struct mention *m = arg;

	m->result = area_mentions(m->fd, m->words, &m->found);
}

/* The one account that an address of ours leads to. E_NOT_FOUND: none, or several. */
static enum err account_of(struct mcall *c, slice_t address, struct dir_account *out)
{
	struct dir_resolved r;
	enum err e = dir_resolve(c->be->dir, address, &c->mem, &r, NULL);

	if (e == E_RETRY)
		return e;
	if (e != E_OK || r.ntargets == 0 || r.targets[0].kind != DIR_TO_ACCOUNT)
		return E_NOT_FOUND;
	return dir_account_by_id(c->be->dir, r.targets[0].account, out);
}

/* E_DENIED also on somebody's behalf: a file's header is left as it is, with no Sender added. */
static enum err sends_as(struct mcall *c, const struct dir_account *a, slice_t address)
{
	enum dir_sender right;
	enum err e = dir_sender(c->be->dir, a->id, address, &right);

	return e == E_OK && right == DIR_SENDER_ON_BEHALF ? E_DENIED : e;
}

/* The sender, when it is an account of ours that may send as it. */
WAITS static enum err sender_account(struct mcall *c, slice_t sender, int fd,
				     struct dir_account *out)
{
	struct mention m = {.fd = fd, .words = sender};
	enum err e = account_of(c, sender, out);

	if (e == E_OK)
		e = sends_as(c, out, sender);
	if (e == E_OK && out->state != DIR_ACTIVE)
		e = E_DENIED;
	if (e == E_OK)
		e = mcall_read("ingest.sender", run_mention, &m);
	if (e == E_OK)
		e = m.result;
	return e == E_OK && !m.found ? E_DENIED : e;
}

/* Files that cannot go wait with others of whose account that is, or of nobody's. */
static void note_account(const struct mcall *c, const struct dir_account *a)
{
	const Postern__IngestOpen *m = (const void *)c->msg;
	struct pickup_worker *w = worker_of(c);

	if (w == NULL)
		return;
	if (a != NULL)
		pickup_sent_by(w, MCALL_SLICE(m->lease), a->id, slice_str(a->address));
	else
		pickup_sent_by(w, MCALL_SLICE(m->lease), 0, SL("senders who are not of ours"));
}

/* Mail of others is the postmaster's. */
static enum err postmaster(struct mcall *c, struct dir_account *out)
{
	char address[DIR_ADDRESS_MAX + 1];
	enum err e;

	snprintf(address, sizeof address, "postmaster@%s", dir_default_domain(c->be->dir));
	e = account_of(c, slice_str(address), out);
	if (e == E_OK && out->state != DIR_ACTIVE)
		e = E_NOT_FOUND;
	if (e != E_NOT_FOUND)
		return e;
	note_account(c, NULL);
	LOG_SELDOM(LOG_ERROR, NULL, "pickup.no_postmaster", LF_STR("address", address));
	return diag_set(&c->diag, E_RETRY, "there is no postmaster who could send it");
}

WAITS static enum err choose_account(struct mcall *c, slice_t sender, int fd,
				     struct dir_account *out, slice_t *path_out)
{
	enum err e = E_DENIED;

	*path_out = sender;
	if (sender.n != 0)
		e = sender_account(c, sender, fd, out);
	if (e != E_DENIED && e != E_NOT_FOUND)
		return e;
	e = postmaster(c, out);
	if (e == E_OK && sender.n != 0)
		*path_out = arena_dup(&c->mem, slice_str(out->address));
	return e;
}

/* ---- where it goes ---- */

WAITS static enum err one_token(struct mcall *c, const struct dir_account *a, slice_t address,
				Postern__IngestOpenReply *reply)
{
	struct resolve_ask ask = {
		.peer = c->peer,
		.address = address,
		.relay = true,
		.partition = a->partition,
		.held = guard_may_go_out(c->be->guard, a->id, &c->diag) != E_OK,
		.as_job = true,
		.unknown = true,
		.no_quota = true,
	};
	struct resolved r;
	enum err e = resolve_address(c->be->deliver, &ask, &c->mem, &r, &c->diag);

	if (e != E_OK)
		return e;
	reply->tokens[reply->n_tokens++] = MCALL_BYTES(r.targets[0].token);
	reply->partition = r.targets[0].partition;
	reply->backend = arena_str(&c->mem, slice_str(r.targets[0].backend));
	return E_OK;
}

static enum err make_ticket(struct mcall *c, const struct pickup_job *j,
			    const struct dir_account *a, Postern__IngestOpenReply *reply)
{
	struct ticket_claims claims = {
		.account = a->id,
		.rights = TICKET_SUBMIT,
		.partition = a->partition,
		.epoch = a->epoch,
		.service = c->peer->service,
	};
	struct buf b;
	enum err e;

	_Static_assert(sizeof claims.session == sizeof j->txid, "a session's id is a txid");
	memcpy(claims.session, j->txid, sizeof claims.session);
	invariant(slice_to_str(slice_str(c->peer->name), claims.frontend, sizeof claims.frontend));
	buf_init(&b, TICKET_BYTES_MAX, NULL);
	e = ticket_issue(c->be->tickets, &claims, &b);
	if (e == E_OK)
		reply->ticket = MCALL_BYTES(arena_dup(&c->mem, buf_slice(&b)));
	buf_fini(&b);
	return e;
}

static void list_keys(struct mcall *c, const struct dir_account *a, slice_t author,
		      Postern__IngestOpenReply *reply)
{
	Postern__SenderCheckReply keys = POSTERN__SENDER_CHECK_REPLY__INIT;

	if (author.n == 0 || sends_as(c, a, author) != E_OK)
		return;
	sign_list_keys(c, author, &keys);
	reply->keys = keys.keys;
	reply->n_keys = keys.n_keys;
}

WAITS static enum err answer(struct mcall *c, const struct pickup_job *j, int fd)
{
	const Postern__IngestOpen *m = (const void *)c->msg;
	Postern__IngestOpenReply reply = POSTERN__INGEST_OPEN_REPLY__INIT;
	struct dir_account a;
	slice_t path;
	enum err e = choose_account(c, MCALL_SLICE(m->sender), fd, &a, &path);

	if (e == E_OK)
		note_account(c, &a);
	reply.tokens = arena_alloc(&c->mem, m->n_recipients * sizeof *reply.tokens);
	for (size_t i = 0; e == E_OK && i < m->n_recipients; i++)
		e = m->recipients[i].len != 0
			    ? one_token(c, &a, MCALL_SLICE(m->recipients[i]), &reply)
			    : E_INVALID;
	if (e == E_OK)
		e = make_ticket(c, j, &a, &reply);
	if (e != E_OK)
		return e;
	list_keys(c, &a, MCALL_SLICE(m->author), &reply);
	reply.sender = MCALL_BYTES(path);
	reply.account = a.address;
	return mcall_reply(c, &reply.base, RPC_NO_BODY);
}

WAITS enum err m_ingest_open(struct mcall *c)
{
	const Postern__IngestOpen *m = (const void *)c->msg;
	struct pickup_worker *w = worker_of(c);
	struct pickup_job j;
	int fd;
	enum err e = m->n_recipients != 0 ? E_OK : E_INVALID;

	if (e == E_OK)
		e = w != NULL ? pickup_open(w, MCALL_SLICE(m->lease), &j, &fd) : E_NOT_FOUND;
	if (e != E_OK)
		return e;
	e = answer(c, &j, fd);
	close(fd);
	return e;
}

WAITS enum err m_ingest_done(struct mcall *c)
{
	const Postern__IngestDone *m = (const void *)c->msg;
	struct pickup_worker *w = worker_of(c);
	enum pickup_outcome outcome = PICKUP_LATER;

	if (w == NULL)
		return E_NOT_FOUND;
	switch (m->outcome) {
	case POSTERN__INGEST_OUTCOME__INGEST_TAKEN:
		outcome = PICKUP_TAKEN;
		break;
	case POSTERN__INGEST_OUTCOME__INGEST_BAD:
		outcome = PICKUP_BAD;
		break;
	case POSTERN__INGEST_OUTCOME__INGEST_LATER:
		break;
	case _POSTERN__INGEST_OUTCOME_IS_INT_SIZE:
		return E_INVALID;
	}
	return pickup_done(w, MCALL_SLICE(m->lease), outcome, slice_str(m->why));
}
