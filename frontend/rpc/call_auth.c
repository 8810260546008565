#include "frontend/rpc/call_auth.h"

#include "common/crypto/secret.h"
#include "common/log/metric.h"
#include "common/loop/fiber.h"
#include "frontend/rpc/call_ticket.h"
#include "frontend/rpc/client_facts.h"
#include "frontend/rpc/rpc_client.h"
#include "proto/auth.pb-c.h"
#include "proto/method.pb-c.h"

/* One step of an exchange: a verifier of Argon2id behind a queue. */
#define AUTH_STEP_MS  20000
/* ... at the first of several back-ends, which need not be the owner. Longer than its queue of
 * passwords can take. */
#define AUTH_FIRST_MS 5000
/* Back-ends asked in turn: one that hangs, any one, the owner, the owner after a move. */
#define AUTH_HOPS     4

METRIC_COUNTER(m_denied, "logins_failed_total", "Log-ins that failed", {"reason", "denied"});
METRIC_COUNTER(m_limited, "logins_failed_total", "Log-ins that failed", {"reason", "limited"});
METRIC_COUNTER(m_unavailable, "logins_failed_total", "Log-ins that failed",
	       {"reason", "unavailable"});

struct auth {
	struct session *session;
	struct rpc_link *owner; /* referenced while an exchange goes on */
	uint64_t exchange;
};

static void auth_link(struct auth *x, struct rpc_link *l)
{
	if (l != NULL)
		rpc_link_ref(l);
	if (x->owner != NULL)
		rpc_link_unref(&x->owner);
	x->owner = l;
}

/* What the owner's failure means here: links that break and deadlines are "not now". */
static enum err auth_error(enum err e)
{
	switch (e) {
	case E_OK:
	case E_DENIED:
	case E_LIMIT:
	case E_BUSY:
	case E_CANCELLED:
		return e;
	case E_INVALID: /* a message that the mechanism does not know */
		return E_INVALID;
	case E_NO_TICKET:
	case E_NOT_FOUND:
	case E_EXISTS:
	case E_QUOTA:
	case E_TOO_BIG:
		return E_DENIED;
	case E_RETRY:
	case E_WRONG_OWNER:
	case E_INTERNAL:
	case E_RATE:
	case E_TIMEOUT:
	case E_CLOSED:
	case E_IO:
	case E_TLS:
	case E_CORRUPT:
	case E_FULL:
		return E_RETRY;
	}
	return E_RETRY;
}

static enum err take_reply(struct auth *x, const ProtobufCMessage *m, struct sasl_answer *out)
{
	const Postern__AuthReply *r = (const Postern__AuthReply *)m;

	x->exchange = r->exchange;
	buf_put(&out->challenge, slice(r->challenge.data, r->challenge.len));
	if (buf_failed(&out->challenge))
		return E_INTERNAL;
	if (r->ticket.len == 0)
		return r->exchange != 0 ? E_OK : E_INTERNAL;
	out->ticket = ticket_new(slice(r->ticket.data, r->ticket.len), r->ticket_seconds,
				 r->partition, slice_str(r->account));
	return out->ticket != NULL ? E_OK : E_INTERNAL;
}

static WAITS enum err auth_ask(struct auth *x, uint16_t method, const ProtobufCMessage *req,
			       int64_t deadline_ms, struct sasl_answer *out, struct diag *owner)
{
	struct arena a;
	ProtobufCMessage *m;
	enum err e;

	arena_init(&a, &x->session->budget);
	e = rpc_client_call(x->owner, method, req, &postern__auth_reply__descriptor, &a,
			    deadline_ms, &m, owner);
	if (e == E_OK)
		e = take_reply(x, m, out);
	arena_reset(&a);
	return e;
}

static WAITS enum err auth_start(void *arg, const char *mech, slice_t initial,
				 struct sasl_answer *out)
{
	Postern__AuthStart req;
	Postern__ClientFacts facts;
	struct auth *x = arg;
	struct diag owner = {""};
	struct arena mem;
	enum err e = E_RETRY;

	arena_init(&mem, NULL);
	postern__auth_start__init(&req);
	client_facts(x->session, &facts);
	req.mechanism = (char *)(uintptr_t)mech;
	req.has_initial = true;
	req.initial = (ProtobufCBinaryData){initial.n, (uint8_t *)(uintptr_t)initial.p};
	req.session_id = (ProtobufCBinaryData){sizeof x->session->id, x->session->id};
	req.client = &facts;
	/* Borrowed of the server, which may change meanwhile. */
	req.default_domain = arena_str(&mem, slice_str(server_default_domain(x->session->server)));
	auth_link(x, rpc_client_any());
	for (unsigned hop = 0; hop < AUTH_HOPS; hop++) {
		bool first = hop == 0 && rpc_client_many();

		e = auth_ask(x, POSTERN__METHOD__METHOD_AUTH_START, &req.base,
			     deadline_in(first ? AUTH_FIRST_MS : AUTH_STEP_MS), out, &owner);
		if (e == E_WRONG_OWNER)
			auth_link(x, rpc_client_backend(slice_str(owner.text)));
		else if (first && e == E_TIMEOUT) /* it hangs; any other knows the owner, too */
			auth_link(x, rpc_client_any());
		else
			break;
	}
	arena_reset(&mem);
	return auth_error(e);
}

static WAITS enum err auth_step(void *arg, slice_t response, struct sasl_answer *out)
{
	Postern__AuthStep req = POSTERN__AUTH_STEP__INIT;
	struct auth *x = arg;

	req.exchange = x->exchange;
	req.response = (ProtobufCBinaryData){response.n, (uint8_t *)(uintptr_t)response.p};
	return auth_error(auth_ask(x, POSTERN__METHOD__METHOD_AUTH_STEP, &req.base,
				   deadline_in(AUTH_STEP_MS), out, NULL));
}

static void auth_count(const struct session *s, const char *mechanism, enum err e)
{
	if (e == E_OK)
		return;
	metric_add(e == E_LIMIT                  ? &m_limited
		   : e == E_RETRY || e == E_BUSY ? &m_unavailable
						 : &m_denied,
		   1);
	LOG(LOG_INFO, &s->log, "session.login_failed", LF_STR("mechanism", mechanism),
	    LF_ERR("reason", e));
}

WAITS enum err call_auth_sasl(struct session *s, const struct sasl_mech *m, const slice_t *initial,
			      const struct sasl_io *io)
{
	struct auth x = {.session = s};
	struct sasl_ask ask = {.arg = &x, .start = auth_start, .step = auth_step};
	struct ticket *t;
	enum err e = sasl_run(m, initial, io, &ask, &s->budget, &t);

	auth_link(&x, NULL);
	auth_count(s, m->name, e);
	if (e == E_OK)
		session_logged_in(s, &t, m->name, ticket_end);
	return e;
}

WAITS enum err call_auth_password(struct session *s, slice_t name, slice_t password)
{
	struct auth x = {.session = s};
	struct sasl_answer answer = {.ticket = NULL};
	struct buf message;
	enum err e;

	buf_init(&answer.challenge, SASL_RESPONSE_MAX, &s->budget);
	buf_init(&message, SASL_RESPONSE_MAX, &s->budget);
	if (buf_reserve(&message, SASL_RESPONSE_MAX) == NULL)
		e = E_BUSY;
	else
		e = sasl_plain(&message, name, password);
	if (e == E_OK)
		e = auth_start(&x, "PLAIN", buf_slice(&message), &answer);
	secret_wipe_buf(&message);
	buf_fini(&message);
	buf_fini(&answer.challenge);
	auth_link(&x, NULL);
	if (e == E_OK && answer.ticket == NULL)
		e = E_INTERNAL; /* PLAIN has no further step */
	auth_count(s, "password", e);
	if (e == E_OK)
		session_logged_in(s, &answer.ticket, "password", ticket_end);
	return e;
}
