/* Resolve and Deliver.*: RPC's side of backend/delivery. */
#include "backend/delivery/resolve.h"
#include "backend/directory/dir_rights.h"
#include "backend/directory/dir_servers.h"
#include "backend/rpc/begin.h"
#include "backend/rpc/convert.h"
#include "backend/rpc/m_sign.h"
#include "backend/rpc/rpc_methods.h"
#include "backend/rpc/submit.h"
#include "common/base/clock.h"
#include "common/log/log.h"
#include "proto/delivery.pb-c.h"

/* No sender may hold mail back for longer, whatever a front-end says: the largest setting, and a
 * day for clocks that differ. */
#define RELEASE_MAX_US     (366LL * 86400 * 1000000)
#define PRIORITY_MAX       9 /* RFC 6710 section 3 */
#define MESSAGE_STORED_MAX ((uint64_t)RECORD_PLAIN_MAX + 1024 * 1024)

/* ---- Resolve, Sender.Check ---- */

/* Without a log-in: for the client's address, where a virtual server says so. The items are this
 * node's: nobody's account has others. */
static enum err may_relay_from(struct mcall *c, const Postern__Resolve *m, struct resolve_ask *ask)
{
	struct ipaddr client;

	if (m->server[0] == '\0' || m->client == NULL ||
	    convert_ip(&m->client->ip, &client) != E_OK ||
	    !dir_server_relays_from(c->be->dir, slice_str(m->server), &client))
		return E_OK;
	if (partitions_count(c->be->parts) == 0)
		return diag_set(&c->diag, E_RETRY, "no partition is open here");
	ask->relay = true;
	ask->partition = partition_id(partitions_at(c->be->parts, 0));
	return E_OK;
}

/* A logged-in user's mail may go anywhere. */
static enum err may_relay(struct mcall *c, const Postern__Resolve *m, struct resolve_ask *ask)
{
	const ProtobufCBinaryData *ticket = &m->ticket;
	enum err e;

	if (c->peer->role != ROLE_FRONTEND || c->peer->service != SERVICE_SUBMISSION)
		return E_OK;
	if (ticket->len == 0)
		return may_relay_from(c, m, ask);
	e = ticket_open(c->be->tickets, MCALL_SLICE(*ticket), c->peer, TICKET_SUBMIT, &c->claims,
			&c->diag);
	ask->relay = e == E_OK;
	ask->held =
		ask->relay && guard_may_go_out(c->be->guard, c->claims.account, &c->diag) != E_OK;
	ask->partition = c->claims.partition;
	return e;
}

/* Where the account's own copy goes. */
static enum err add_sent(struct mcall *c, Postern__ResolveReply *reply)
{
	struct resolved *r = arena_new(&c->mem, struct resolved); /* the reply borrows from it */
	enum err e = resolve_sent(c->be->deliver, c->peer, c->claims.account, c->claims.partition,
				  &c->mem, &r->targets[0]);

	r->n = 1;
	if (e == E_OK)
		reply->sent = convert_targets(r, &c->mem)[0];
	return e;
}

WAITS enum err m_resolve(struct mcall *c)
{
	const Postern__Resolve *m = (const void *)c->msg;
	Postern__ResolveReply reply = POSTERN__RESOLVE_REPLY__INIT;
	struct resolve_ask ask = {.peer = c->peer,
				  .address = MCALL_SLICE(m->address),
				  .size = m->size,
				  .null_sender = m->sender.len == 0};
	struct resolved r;
	enum err e = may_relay(c, m, &ask);

	if (e == E_OK)
		e = resolve_address(c->be->deliver, &ask, &c->mem, &r, &c->diag);
	if (e == E_WRONG_OWNER)
		return mcall_wrong_owner(c, r.wrong_owner);
	if (e == E_RATE)
		e = guard_may_go_out(c->be->guard, c->claims.account, &c->diag);
	if (e != E_OK)
		return e;
	reply.targets = convert_targets(&r, &c->mem);
	reply.n_targets = r.n;
	if (m->sent && ask.relay)
		e = add_sent(c, &reply);
	return e == E_OK ? mcall_reply(c, &reply.base, RPC_NO_BODY) : e;
}

/* Who tries to send as whom, and may not. */
static void log_sender(const struct mcall *c, slice_t address, enum err e)
{
	struct dir_account a;

	if (e != E_DENIED)
		return;
	if (dir_account_by_id(c->be->dir, c->claims.account, &a) != E_OK)
		a.address[0] = '\0';
	LOG(LOG_INFO, NULL, "sender.denied", LF_UINT("account", c->claims.account),
	    LF_STR("address", a.address), LF_SLICE("as", slice_sub(address, 0, DIR_ADDRESS_MAX)));
}

/* With a ticket: may its account send as this address? Without one (port 25): E_DENIED for a
 * domain of ours, whose users would have logged in. One that a copy of the directory does not have
 * counts as a stranger's: with the database away, mail from outside goes on. The way out, whose
 * notices are from us: what signs them. */
WAITS enum err m_sender_check(struct mcall *c)
{
	const Postern__SenderCheck *m = (const void *)c->msg;
	Postern__SenderCheckReply reply = POSTERN__SENDER_CHECK_REPLY__INIT;
	slice_t address = MCALL_SLICE(m->address);
	enum dir_sender right = DIR_SENDER_MAIN;
	const char *at = address.n != 0 ? memrchr(address.p, '@', address.n) : NULL;
	enum err e;

	if (c->peer->service == SERVICE_OUTBOUND) {
		sign_list_notice_keys(c, address, &reply);
		return mcall_reply(c, &reply.base, RPC_NO_BODY);
	}
	if (m->ticket.len != 0) {
		e = ticket_open(c->be->tickets, MCALL_SLICE(m->ticket), c->peer, TICKET_SUBMIT,
				&c->claims, &c->diag);
		if (e == E_OK) {
			e = dir_sender(c->be->dir, c->claims.account, address, &right);
			log_sender(c, address, e);
		}
		if (e == E_OK && dir_owns(c->be->dir, c->claims.partition))
			e = guard_may_send(c->be->guard, c->claims.account, &c->diag);
		if (e != E_OK)
			return e;
		reply.right = (Postern__SenderRight)right;
		sign_list_keys(c, address, &reply);
		return mcall_reply(c, &reply.base, RPC_NO_BODY);
	}
	if (at == NULL)
		return E_INVALID;
	e = dir_domain_is_ours(c->be->dir, slice_from(address, (size_t)(at - address.p) + 1));
	return e == E_OK ? E_DENIED : E_OK;
}

/* ---- Begin ---- */

/* A submission has one, but where a virtual server lets others than users send, too: what these
 * may send to, their recipients' tokens say. */
static bool needs_ticket(const struct mcall *c, const ProtobufCBinaryData *ticket)
{
	if (c->peer->role != ROLE_FRONTEND || c->peer->service != SERVICE_SUBMISSION)
		return false;
	return ticket->len != 0 || !dir_servers_anonymous(c->be->dir, SERVICE_SUBMISSION);
}

/* What lets a peer begin: one good recipient token, and for submission a ticket. */
static enum err may_begin(struct mcall *c, slice_t token, const ProtobufCBinaryData *ticket,
			  uint32_t partition)
{
	struct rcpt_token t;
	enum err e = rcpt_token_open(c->be->tickets, token, c->peer, &t, &c->diag);

	if (e == E_OK && t.partition != partition)
		e = diag_set(&c->diag, E_NO_TICKET, "token of another partition");
	if (e == E_OK && needs_ticket(c, ticket))
		e = ticket_open(c->be->tickets, MCALL_SLICE(*ticket), c->peer, TICKET_SUBMIT,
				&c->claims, &c->diag);
	return e;
}

/* Receives the request's body into the message begun. */
WAITS static enum err receive(struct mcall *c, struct inbound *in,
			      WAITS enum err (*look)(struct mcall *c))
{
	enum err e = look != NULL ? look(c) : E_OK, ended;
	slice_t bytes;

	while (e == E_OK && (e = rpc_req_recv(c->req, &bytes)) == E_OK)
		e = inbound_write(in, bytes);
	ended = inbound_end(in, e == E_CLOSED ? E_OK : e);
	inbound_release(&in, ended == E_OK ? INBOUND_KEEP : INBOUND_DROP);
	return ended;
}

WAITS enum err begin_message(struct mcall *c, const ProtobufCBinaryData *txid, uint32_t partition,
			     uint64_t size, WAITS enum err (*look)(struct mcall *c))
{
	struct inbound_key key;
	struct inbound *in;
	enum err e;

	if (txid->len != STORE_TXID_SIZE || !rpc_req_has_body(c->req))
		return diag_set(&c->diag, E_INVALID, "no transaction id, or no body");
	key = inbound_key(c->peer, MCALL_SLICE(*txid), partition);
	e = inbound_begin(&c->be->deliver->inbounds, &key, rpc_req_link(c->req), c->part, size,
			  MESSAGE_STORED_MAX, &in);
	return e == E_OK ? receive(c, in, look) : e;
}

WAITS enum err m_deliver_begin(struct mcall *c)
{
	const Postern__DeliverBegin *m = (const void *)c->msg;
	enum err e = may_begin(c, MCALL_SLICE(m->token), &m->ticket, m->partition);

	if (e == E_OK)
		e = mcall_partition(c, m->partition);
	return e == E_OK ? begin_message(c, &m->txid, m->partition, m->size, NULL) : e;
}

/* ---- Commit ---- */

static struct deliver_rcpt *read_recipients(Postern__Recipient *const *v, size_t n,
					    struct arena *mem)
{
	struct deliver_rcpt *r = arena_alloc(mem, n * sizeof *r);

	for (size_t i = 0; i < n; i++)
		r[i] = (struct deliver_rcpt){.token = MCALL_SLICE(v[i]->token),
					     .notify = v[i]->notify,
					     .told = v[i]->told,
					     .orcpt = MCALL_SLICE(v[i]->orcpt)};
	return r;
}

static void read_others(const Postern__DeliverCommit *m, struct arena *mem, struct deliver_msg *out)
{
	size_t n = 0;

	for (size_t i = 0; i < m->n_others; i++)
		n += m->others[i]->n_recipients;
	out->others = arena_alloc(mem, n * sizeof *out->others);
	for (size_t i = 0; i < m->n_others; i++) {
		const Postern__OtherOwner *o = m->others[i];
		struct deliver_rcpt *r = read_recipients(o->recipients, o->n_recipients, mem);

		memcpy(out->others + out->nothers, r, o->n_recipients * sizeof *r);
		out->nothers += o->n_recipients;
	}
}

/* Notices have no reverse-path (RFC 5321 section 4.5.5). All else that the way out delivers is a
 * file of a pickup folder: its ticket is for that one transaction. */
static enum err check_outbound(struct mcall *c, const Postern__DeliverCommit *m)
{
	enum dir_sender right;
	enum err e;

	if (m->ticket.len == 0)
		return m->sender.len == 0 ? E_OK : E_DENIED;
	e = ticket_open(c->be->tickets, MCALL_SLICE(m->ticket), c->peer, TICKET_SUBMIT, &c->claims,
			&c->diag);
	if (e != E_OK)
		return e;
	if (!slice_eq(slice(c->claims.session, sizeof c->claims.session), MCALL_SLICE(m->txid)))
		return diag_set(&c->diag, E_DENIED, "a ticket of another message");
	return m->sender.len == 0
		       ? E_OK
		       : dir_sender(c->be->dir, c->claims.account, MCALL_SLICE(m->sender), &right);
}

/* Submission: the ticket's account must be allowed to send as the reverse-path. */
static enum err check_submitter(struct mcall *c, const Postern__DeliverCommit *m)
{
	enum dir_sender right;
	enum err e;

	if (c->peer->role == ROLE_FRONTEND && c->peer->service == SERVICE_OUTBOUND)
		return check_outbound(c, m);
	if (!needs_ticket(c, &m->ticket))
		return E_OK;
	e = ticket_open(c->be->tickets, MCALL_SLICE(m->ticket), c->peer, TICKET_SUBMIT, &c->claims,
			&c->diag);
	if (e != E_OK)
		return e;
	/* Its end is told to the account's owner only. */
	if (dir_owns(c->be->dir, c->claims.partition))
		mcall_session_seen(c);
	if (m->sender.len == 0) /* a user's own notification (RFC 8098) has no reverse-path */
		return E_OK;
	e = dir_sender(c->be->dir, c->claims.account, MCALL_SLICE(m->sender), &right);
	log_sender(c, MCALL_SLICE(m->sender), e);
	return e;
}

/* Who drew the txid. Of what the way out delivers it is a back-end, whichever front-end tries. */
static slice_t origin_of(struct mcall *c, const Postern__DeliverCommit *m)
{
	char id[RPC_IDENTITY_STR];

	if (c->peer->role == ROLE_BACKEND)
		return slice_str(m->origin);
	if (c->peer->service == SERVICE_OUTBOUND)
		return SL("outbound");
	return arena_dup(&c->mem, slice_str(rpc_identity_str(c->peer, id)));
}

/* A label is all that it is: one that is not there (any more), or of another service, is left
 * out. */
static slice_t server_of(struct mcall *c, const Postern__DeliverCommit *m)
{
	struct dir_server s;
	struct diag ignored;

	if (c->peer->role != ROLE_FRONTEND || m->server[0] == '\0' ||
	    dir_server_find(c->be->dir, slice_str(m->server), &s, &ignored) != E_OK ||
	    s.service != c->peer->service)
		return SLICE_NONE;
	return slice_str(m->server);
}

static enum err read_commit(struct mcall *c, const Postern__DeliverCommit *m,
			    struct deliver_msg *out, struct summary *summary)
{
	*out = (struct deliver_msg){
		.peer = c->peer,
		.origin = origin_of(c, m),
		.partition_id = m->partition,
		.sender = MCALL_SLICE(m->sender),
		.prefix = MCALL_SLICE(m->prefix),
		.text = MCALL_SLICE(m->text),
		.junk = m->verdict == POSTERN__VERDICT__VERDICT_JUNK,
		.ret = m->ret,
		.envid = MCALL_SLICE(m->envid),
		.content = m->content,
		.release_us = m->release_us,
		.by = m->by,
		.by_us = m->by_us,
		.priority = m->priority,
		.account = c->claims.account,
		.leads = m->leads,
		.server = server_of(c, m),
		.rcpts = read_recipients(m->recipients, m->n_recipients, &c->mem),
		.nrcpts = m->n_recipients,
		.sent = MCALL_SLICE(m->sent),
		.summary = summary,
	};
	if (c->peer->role == ROLE_BACKEND) {
		out->account = m->account;
		out->first_us = m->first_us;
	}
	read_others(m, &c->mem, out);
	if (convert_txid(&m->txid, out->txid) != E_OK || m->trace_id.len > sizeof out->trace_id ||
	    convert_summary(m->summary, &c->mem, summary) != E_OK ||
	    (m->n_recipients == 0 && (m->sent.len == 0 || out->nothers == 0)))
		return diag_set(&c->diag, E_INVALID, "incomplete commit");
	if (convert_check_bits(m) != E_OK)
		return diag_set(&c->diag, E_INVALID,
				"bits that are unknown, or exclude each other");
	if (m->release_us != 0 && (c->claims.account == 0 || m->release_us < 0 ||
				   m->release_us - clock_wall_us() > RELEASE_MAX_US))
		return diag_set(&c->diag, E_INVALID, "not to be held back so");
	if (m->priority != 0 &&
	    (c->claims.account == 0 || m->priority < -PRIORITY_MAX || m->priority > PRIORITY_MAX))
		return diag_set(&c->diag, E_INVALID, "no such priority");
	if (m->trace_id.len != 0)
		memcpy(out->trace_id, m->trace_id.data, m->trace_id.len);
	return E_OK;
}

WAITS static enum err answer_commit(struct mcall *c, const struct deliver_msg *msg)
{
	Postern__DeliverReply reply = POSTERN__DELIVER_REPLY__INIT;
	Postern__RecipientResult *rows = arena_alloc(&c->mem, msg->nrcpts * sizeof *rows);

	reply.results = arena_alloc(&c->mem, msg->nrcpts * sizeof *reply.results);
	reply.n_results = msg->nrcpts;
	for (size_t i = 0; i < msg->nrcpts; i++) {
		postern__recipient_result__init(&rows[i]);
		rows[i].status = err_to_wire(msg->rcpts[i].result);
		reply.results[i] = &rows[i];
	}
	return mcall_reply(c, &reply.base, RPC_NO_BODY);
}

/* What the message was begun as. A back-end may forward several recipients of one transaction at
 * a time, each with bytes of its own. */
static slice_t begun_txid(const struct mcall *c, const Postern__DeliverCommit *m)
{
	if (c->peer->role == ROLE_BACKEND && m->begun.len == STORE_TXID_SIZE)
		return MCALL_SLICE(m->begun);
	return MCALL_SLICE(m->txid);
}

/* A retry without bytes, of a commit that never was. Of one for others alone the queue knows. */
static bool all_lost(const struct deliver_msg *m)
{
	for (size_t i = 0; i < m->nrcpts; i++) {
		if (m->rcpts[i].result != E_NOT_FOUND)
			return false;
	}
	return m->nrcpts != 0;
}

WAITS static enum err commit(struct mcall *c, struct deliver_msg *msg)
{
	const Postern__DeliverCommit *m = (const void *)c->msg;
	struct inbound_key key = inbound_key(c->peer, begun_txid(c, m), m->partition);
	struct inbound *in = NULL;
	enum err e = inbound_take(&c->be->deliver->inbounds, &key, rpc_req_deadline(c->req), &in);

	/* Not there: either the commit of a retry whose first one went through, which the store
	 * knows, or a message that was lost with its link; E_NOT_FOUND then. */
	if (e != E_OK && e != E_NOT_FOUND)
		return e;
	msg->part = c->part;
	msg->stage = in != NULL ? in->stage : NULL;
	e = in != NULL ? sign_commit(c, m, msg) : E_OK; /* nothing is signed but a message */
	if (e == E_OK)
		e = deliver_commit(c->be->deliver, msg, &c->diag);
	if (e == E_OK && in == NULL && all_lost(msg))
		e = diag_set(&c->diag, E_NOT_FOUND, "the message was lost with its link");
	if (in != NULL)
		inbound_release(&in, INBOUND_DROP);
	return e;
}

WAITS enum err m_deliver_commit(struct mcall *c)
{
	const Postern__DeliverCommit *m = (const void *)c->msg;
	struct deliver_msg msg;
	struct summary summary;
	struct submit submit;
	enum err e = check_submitter(c, m);

	if (e == E_OK)
		e = read_commit(c, m, &msg, &summary);
	if (e == E_OK)
		e = mcall_partition(c, m->partition);
	if (e == E_OK)
		e = submit_take(c, &msg, &submit);
	if (e != E_OK)
		return e;
	e = commit(c, &msg);
	if (e != E_OK)
		submit_give_back(c, &submit);
	return e == E_OK ? answer_commit(c, &msg) : e;
}

WAITS enum err m_deliver_abort(struct mcall *c)
{
	const Postern__DeliverAbort *m = (const void *)c->msg;
	struct inbound_key key;

	if (m->txid.len != STORE_TXID_SIZE)
		return E_INVALID;
	key = inbound_key(c->peer, MCALL_SLICE(m->txid), m->partition);
	inbound_abort(&c->be->deliver->inbounds, &key);
	return E_OK;
}

WAITS enum err m_deliver_settle(struct mcall *c)
{
	const Postern__DeliverSettle *m = (const void *)c->msg;
	slice_t *tokens = arena_alloc(&c->mem, m->n_tokens * sizeof *tokens);
	char id[RPC_IDENTITY_STR];
	enum err e = m->txid.len == STORE_TXID_SIZE ? mcall_partition(c, m->partition) : E_INVALID;

	if (e != E_OK)
		return e;
	for (size_t i = 0; i < m->n_tokens; i++)
		tokens[i] = MCALL_SLICE(m->tokens[i]);
	return deliver_settle(c->be->deliver, c->peer, slice_str(rpc_identity_str(c->peer, id)),
			      MCALL_SLICE(m->txid), c->part, tokens, m->n_tokens, &c->diag);
}
