#include "frontend/core/session.h"

#include "common/base/buf.h"
#include "common/base/clock.h"
#include "common/base/codec.h"
#include "common/crypto/random.h"
#include "common/log/metric.h"
#include "common/loop/fiber.h"
#include "frontend/core/iplimit.h"
#include "frontend/core/policy.h"

#include <stdio.h>

#define SESSION_MAGIC 0x53455353u

METRIC_COUNTER(m_accepted, "sessions_total", "Sessions by what became of them",
	       {"result", "accepted"});
METRIC_COUNTER(m_refused, "sessions_total", "Sessions by what became of them",
	       {"result", "refused"});
METRIC_COUNTER(m_tls_failed, "tls_handshakes_failed_total", "Handshakes of clients that failed");
METRIC_COUNTER(m_logins, "logins_total", "Log-ins that succeeded");
METRIC_GAUGE(m_sessions, "sessions", "Sessions now");

/* Names of fibers are literals. */
static const char *const fiber_names[SERVICE_LAST + 1] = {
	[SERVICE_NONE] = "session",
	[SERVICE_SMTP] = "smtp.session",
	[SERVICE_SUBMISSION] = "submission.session",
	[SERVICE_IMAP] = "imap.session",
	[SERVICE_POP3] = "pop3.session",
	[SERVICE_MANAGESIEVE] = "managesieve.session",
	[SERVICE_OUTBOUND] = "session",
	[SERVICE_INGEST] = "session",
	[SERVICE_WEB] = "web.session",
};

static struct list sessions = {&sessions, &sessions};
static unsigned nsessions;
static unsigned by_service[SERVICE_LAST + 1];
static struct budget memory = {.max = SESSION_MEMORY_ALL};
static struct tls_ctx *public_tls;

struct tls_ctx *session_tls(void)
{
	return public_tls;
}

void session_tls_set(struct tls_ctx *ctx)
{
	if (ctx != NULL)
		tls_ctx_ref(ctx);
	if (public_tls != NULL)
		tls_ctx_unref(&public_tls);
	public_tls = ctx;
}

unsigned session_count(void)
{
	return nsessions;
}

struct session *session_find(const uint8_t id[16])
{
	list_for_each(i, &sessions) {
		struct session *s = list_entry(i, struct session, node);

		if (memcmp(s->id, id, sizeof s->id) == 0)
			return s;
	}
	return NULL;
}

void session_each(void (*fn)(struct session *s, void *arg), void *arg)
{
	list_for_each_safe(i, &sessions)
		fn(list_entry(i, struct session, node), arg);
}

void session_ends(struct session *s, const char *why)
{
	if (s->end_reason == NULL)
		s->end_reason = why;
}

void session_failed(struct session *s, enum err e)
{
	session_ends(s, e == E_CANCELLED                ? "shutdown"
			: e == E_CLOSED || e == E_RETRY ? "client closed"
			: e == E_TIMEOUT                ? "timeout"
			: e == E_TLS                    ? "tls failure"
			: e == E_IO                     ? "connection lost"
							: err_name(e));
}

void session_end(struct session *s, const char *why)
{
	invariant(s->magic == SESSION_MAGIC);
	session_ends(s, why);
	fiber_cancel(s->fiber);
}

void session_leave(struct session *s, const char *why)
{
	invariant(s->magic == SESSION_MAGIC);
	s->leaving = why;
	if (s->between)
		session_end(s, why);
}

static void leave_if_stopped(struct session *s, void *arg UNUSED)
{
	if (server_state(s->server) == SERVER_STOPPED)
		session_leave(s, "server stopped");
}

void session_leave_stopped(void)
{
	session_each(leave_if_stopped, NULL);
}

void session_memory(struct session *s, size_t max)
{
	s->budget.max = max;
}

void session_logged_in(struct session *s, struct ticket **t, const char *mechanism,
		       ticket_end_fn *give_back)
{
	const struct tls_facts *f = stream_tls(s->stream);

	invariant(s->magic == SESSION_MAGIC && s->ticket == NULL && *t != NULL);
	s->ticket = *t;
	*t = NULL;
	s->mechanism = mechanism;
	s->give_back = give_back;
	session_memory(s, SESSION_MEMORY_LOGGED_IN);
	log_ctx_add(&s->log, LOG_FIELDS(LF_STR("user", s->ticket->account)));
	metric_add(&m_logins, 1);
	LOG(LOG_INFO, &s->log, "session.login", LF_STR("mechanism", mechanism),
	    LF_STR("tls", f != NULL ? f->version : "none"),
	    LF_STR("cipher", f != NULL ? f->cipher : "none"));
}

/* The last line of the log, and everything given back. */
static WAITS void session_finish(struct session *s)
{
	const struct tls_facts *f = stream_tls(s->stream);
	const char *why = s->end_reason != NULL ? s->end_reason
			  : fiber_cancelled()   ? "shutdown"
						: "done";
	uint64_t in = stream_bytes_in(s->stream), out = stream_bytes_out(s->stream);

	LOG(LOG_INFO, &s->log, "session.end", LF_STR("reason", why),
	    LF_STR("mechanism", s->mechanism != NULL ? s->mechanism : "none"),
	    LF_STR("tls", f != NULL ? f->version : "none"), LF_UINT("bytes_in", in),
	    LF_UINT("bytes_out", out), LF_INT("ms", clock_mono_ms() - s->started_ms));
	iplimit_leave(stream_peer(s->stream));
	stream_close(&s->stream, CLOSE_DONE);
	list_remove(&s->node);
	s->endpoint->sessions--;
	server_leave(&s->server);
	by_service[s->protocol->service]--;
	metric_set(&m_sessions, --nsessions);
	if (s->ticket != NULL) {
		s->give_back(s->ticket, why, in, out);
		ticket_free(&s->ticket);
	}
	budget_give(&s->budget, s->protocol->session_size);
	budget_fini(&s->budget);
	fiber_set_log(NULL);
	s->magic = 0;
	xfree(&s);
}

WAITS enum err session_starttls(struct session *s)
{
	enum err e;

	if (public_tls == NULL)
		return E_RETRY;
	e = stream_tls_server(s->stream, public_tls,
			      deadline_in(policy()->tls_handshake_timeout_ms));
	if (e != E_OK) {
		metric_add(&m_tls_failed, 1);
		session_ends(s, e == E_INVALID ? "clear text before the tls handshake"
					       : "tls handshake failed");
		LOG(LOG_INFO, &s->log, "session.tls_failed", LF_ERR("error", e));
	}
	return e;
}

static WAITS void session_main(void *arg)
{
	struct session *s = arg;

	invariant(s->magic == SESSION_MAGIC);
	fiber_set_log(&s->log);
	LOG(LOG_INFO, &s->log, "session.start", LF_STR("endpoint", s->endpoint->name),
	    LF_STR("server", server_name(s->server)),
	    LF_UINT("local_port", stream_local_port(s->stream)));
	if (!s->endpoint->implicit_tls || session_starttls(s) == E_OK)
		s->protocol->run(s);
	session_finish(s);
}

static void refuse(const struct protocol *p, struct endpoint *e, struct stream *stream,
		   const struct refusal *r, uint32_t nth)
{
	char ip[IPADDR_STR];

	metric_add(&m_refused, 1);
	/* One address must not fill the log: its 1st, 2nd, 4th, 8th, ... refusal in a minute. */
	if ((nth & (nth - 1)) == 0)
		LOG(LOG_WARN, NULL, "session.refused", LF_STR("endpoint", e->name),
		    LF_STR("server", server_name(r->server)),
		    LF_STR("peer", ipaddr_str(stream_peer(stream), ip)), LF_STR("reason", r->why),
		    LF_UINT("nth", nth));
	if (!e->implicit_tls)
		p->refuse(stream, r);
	stream_close(&stream, e->implicit_tls ? CLOSE_LIMIT : CLOSE_DONE);
}

/* NULL, or why the server takes no connection from there. */
static const char *ask_server(const struct server *sv, const struct ipaddr *peer, bool *lasting_out)
{
	/* One whose name decides has a session, which asks for it. */
	*lasting_out = server_admits(sv, peer) == SERVER_REFUSES;
	if (*lasting_out)
		return "no service for your address";
	switch (server_state(sv)) {
	case SERVER_RUNNING:
		break;
	case SERVER_PAUSED:
		return "service paused";
	case SERVER_STOPPED:
		return "service stopped";
	}
	return server_sessions(sv) >= server_connections_max(sv) ? "too many connections" : NULL;
}

/* NULL, or why the connection is refused. Counts it against its address. */
static const char *admit(const struct protocol *p, const struct server *sv,
			 const struct ipaddr *peer, bool *lasting_out, uint32_t *nth_out)
{
	struct policy_limits l = server_limits(sv, p->service);
	const char *why = ask_server(sv, peer, lasting_out);

	*nth_out = 1;
	if (loop_stopping(loop_current()))
		return "shutting down";
	if (why != NULL)
		return why;
	if (by_service[p->service] >= l.connections_max)
		return "too many connections";
	switch (iplimit_enter(peer, l.per_ip_max, l.rate_per_min, nth_out)) {
	case IPLIMIT_OK:
		return NULL;
	case IPLIMIT_TOO_MANY:
		return "too many connections from your address";
	case IPLIMIT_TOO_FAST:
		return "too many new connections from your address";
	}
	return "not admitted";
}

static void session_name(struct session *s)
{
	char ip[IPADDR_STR], peer[IPADDR_STR + 8];
	struct buf hex;

	random_bytes(s->id, sizeof s->id);
	buf_init(&hex, sizeof s->id_hex, NULL);
	hex_encode(&hex, slice(s->id, sizeof s->id));
	invariant(slice_to_str(buf_slice(&hex), s->id_hex, sizeof s->id_hex));
	buf_fini(&hex);
	snprintf(peer, sizeof peer, stream_peer(s->stream)->family == 6 ? "[%s]:%u" : "%s:%u",
		 ipaddr_str(stream_peer(s->stream), ip), stream_peer_port(s->stream));
	log_ctx_init(&s->log, NULL, LOG_FIELDS(LF_STR("session", s->id_hex), LF_STR("peer", peer)));
}

/* LMTP and ODMR are the service's default server's: another one that has the port by mistake would
 * rename, limit and pause what is no SMTP of clients. */
static struct server *find_server(const struct endpoint *e, const struct stream *stream)
{
	uint16_t port = e->lmtp || e->odmr ? 0 : stream_local_port(stream);

	return servers_find(e->service, stream_local(stream), port);
}

void session_accept(const struct protocol *p, struct endpoint *e, struct stream *stream)
{
	struct server *sv = find_server(e, stream);
	struct refusal r = {.server = sv};
	struct session *s;
	uint32_t nth;

	r.why = admit(p, sv, stream_peer(stream), &r.lasting, &nth);
	if (r.why != NULL) {
		refuse(p, e, stream, &r, nth);
		return;
	}
	invariant(p->session_size >= sizeof *s);
	s = xcalloc(1, p->session_size);
	s->magic = SESSION_MAGIC;
	s->protocol = p;
	s->stream = stream;
	s->endpoint = e;
	s->state = "greeting";
	s->started_ms = clock_mono_ms();
	list_init(&s->node);
	budget_init(&s->budget, SESSION_MEMORY_SMALL, &memory);
	if (!budget_take(&s->budget, p->session_size) ||
	    fiber_start(fiber_names[p->service], session_main, s, &s->fiber) != E_OK) {
		budget_give(&s->budget, s->budget.used);
		xfree(&s);
		iplimit_leave(stream_peer(stream));
		r.why = "no room for more sessions";
		refuse(p, e, stream, &r, 1);
		return;
	}
	s->server = sv;
	server_enter(sv);
	session_name(s);
	list_append(&sessions, &s->node);
	e->sessions++;
	by_service[p->service]++;
	metric_set(&m_sessions, ++nsessions);
	metric_add(&m_accepted, 1);
}
