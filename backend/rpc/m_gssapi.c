/* Outbound.Gssapi: a log-in at a relay, whose keys a front-end never sees. The context lives as
 * long as the request. */
#include "backend/auth/krb_relay.h"
#include "backend/rpc/rpc_methods.h"
#include "backend/ticket/lease_token.h"
#include "proto/outbound.pb-c.h"

/* *over_out: there will be no other step. */
WAITS static enum err answer(struct mcall *c, struct krb_relay *x, slice_t heard, uint32_t number,
			     bool *over_out)
{
	Postern__OutboundGssapiStep m = POSTERN__OUTBOUND_GSSAPI_STEP__INIT;
	struct diag why = {""};
	struct buf say;
	enum err e;

	m.number = number;
	buf_init(&say, KRB_RELAY_TOKEN_MAX, NULL);
	e = krb_relay_step(x, heard, &say, &why);
	if (e == E_OK) {
		m.token = MCALL_BYTES(buf_slice(&say));
		m.done = krb_relay_done(x);
	} else if (e != E_CANCELLED) {
		m.why = why.text[0] != '\0' ? why.text : (char *)(uintptr_t)err_name(e);
	}
	*over_out = e != E_OK || m.done;
	if (e != E_CANCELLED)
		e = mcall_send(c, &m.base, NULL);
	buf_fini(&say);
	return e;
}

WAITS static enum err log_in(struct mcall *c, struct krb_relay *x)
{
	enum err e = mcall_reply(c, NULL, RPC_BODY);
	slice_t heard = SLICE_NONE;
	bool over = false;

	for (uint32_t i = 1; e == E_OK; i++) {
		e = answer(c, x, heard, i, &over);
		if (e != E_OK || over)
			break;
		e = rpc_req_recv(c->req, &heard);
	}
	/* The worker may lose its relay at any time. */
	return e == E_OK || e == E_CLOSED ? rpc_req_send_end(c->req) : e;
}

WAITS enum err m_outbound_gssapi(struct mcall *c)
{
	const Postern__OutboundGssapi *m = (const void *)c->msg;
	struct lease_token *lease = arena_new(&c->mem, struct lease_token);
	struct krb_relay *x = NULL;
	enum err e =
		lease_token_open(c->be->tickets, MCALL_SLICE(m->lease), c->peer, lease, &c->diag);

	if (e == E_OK)
		e = krb_relay_open(c->be->relays, lease->route, &x, &c->diag);
	if (e == E_OK)
		e = log_in(c, x);
	krb_relay_free(&x);
	return e;
}
