/* Log-ins and tickets. What the front-end relays is checked in backend/auth. */
#include "backend/rpc/convert.h"
#include "backend/rpc/rpc_methods.h"

#include "proto/auth.pb-c.h"
#include "proto/types.pb-c.h"

static enum err read_client(struct mcall *c, const Postern__AuthStart *m, struct auth_client *out)
{
	const Postern__ClientFacts *f = m->client;

	*out = (struct auth_client){0};
	if (m->session_id.len != TICKET_SESSION_LEN || f == NULL ||
	    convert_ip(&f->ip, &out->ip) != E_OK || f->port > UINT16_MAX ||
	    f->local_port > UINT16_MAX || f->channel_binding.len > AUTH_BINDING_MAX)
		return diag_set(&c->diag, E_INVALID, "client facts out of bounds");
	memcpy(out->session, m->session_id.data, TICKET_SESSION_LEN);
	out->port = (uint16_t)f->port;
	out->local_port = (uint16_t)f->local_port;
	out->tls = f->tls;
	out->tls_version = slice_str(f->tls_version);
	out->tls_cipher = slice_str(f->tls_cipher);
	out->channel_binding = MCALL_SLICE(f->channel_binding);
	out->default_domain = slice_str(m->default_domain);
	return E_OK;
}

WAITS static enum err answer(struct mcall *c, struct auth_reply *r)
{
	Postern__AuthReply m = POSTERN__AUTH_REPLY__INIT;

	m.exchange = r->exchange;
	m.challenge = MCALL_BYTES(buf_slice(&r->challenge));
	if (r->done) {
		m.ticket = MCALL_BYTES(buf_slice(&r->ticket));
		m.ticket_seconds = r->ticket_seconds;
		m.account = r->account.address;
		m.partition = r->account.partition;
		m.backend = r->backend;
	}
	return mcall_reply(c, &m.base, RPC_NO_BODY);
}

WAITS static enum err finish(struct mcall *c, enum err e, struct auth_reply *r)
{
	if (e == E_OK && r->done)
		sessions_carry(auth_sessions(c->be->auth), r->session, mcall_live_link(c));
	if (e == E_OK)
		e = answer(c, r);
	else if (e == E_WRONG_OWNER)
		e = mcall_wrong_owner(c, r->owner.id);
	auth_reply_fini(r);
	return e;
}

WAITS enum err m_auth_start(struct mcall *c)
{
	const Postern__AuthStart *m = (const void *)c->msg;
	struct auth_client client;
	struct auth_reply r;
	enum err e = read_client(c, m, &client);

	if (e != E_OK)
		return e;
	auth_reply_init(&r);
	e = auth_start(c->be->auth, c->peer, &client, slice_str(m->mechanism), m->has_initial,
		       MCALL_SLICE(m->initial), &r, &c->diag);
	return finish(c, e, &r);
}

WAITS enum err m_auth_step(struct mcall *c)
{
	const Postern__AuthStep *m = (const void *)c->msg;
	struct auth_reply r;
	enum err e;

	auth_reply_init(&r);
	e = auth_step(c->be->auth, c->peer, m->exchange, MCALL_SLICE(m->response), &r, &c->diag);
	return finish(c, e, &r);
}

WAITS enum err m_auth_end(struct mcall *c)
{
	const Postern__AuthEnd *m = (const void *)c->msg;
	enum err e = ticket_open(c->be->tickets, MCALL_SLICE(m->ticket), c->peer, 0, &c->claims,
				 &c->diag);

	if (e != E_OK)
		return e;
	ticket_forget_session(c->be->tickets, &c->claims);
	auth_end(c->be->auth, &c->claims, slice_str(m->reason), m->bytes_in, m->bytes_out);
	return E_OK;
}

WAITS enum err m_ticket_renew(struct mcall *c)
{
	const Postern__TicketRenew *m = (const void *)c->msg;
	Postern__TicketReply reply = POSTERN__TICKET_REPLY__INIT;
	struct buf out;
	enum err e;

	buf_init(&out, TICKET_BYTES_MAX, NULL);
	e = ticket_renew(c->be->tickets, MCALL_SLICE(m->ticket), c->peer, &c->claims, &out,
			 &c->diag);
	if (e == E_OK) {
		if (dir_owns(c->be->dir, c->claims.partition))
			mcall_session_seen(c);
		reply.ticket = MCALL_BYTES(buf_slice(&out));
		reply.ticket_seconds = ticket_seconds(&c->claims);
		e = mcall_reply(c, &reply.base, RPC_NO_BODY);
	}
	buf_fini(&out);
	return e;
}
