#include "frontend/outbound/smtp_client.h"

#include "common/log/metric.h"
#include "common/loop/fiber.h"
#include "common/parse/cursor.h"
#include "frontend/outbound/smtp_client_priv.h"

METRIC_COUNTER(m_open, "smtp_client_connections_total", "Connections to other hosts by result",
	       {"result", "open"});
METRIC_COUNTER(m_later, "smtp_client_connections_total", "Connections to other hosts by result",
	       {"result", "later"});
METRIC_COUNTER(m_refused, "smtp_client_connections_total", "Connections to other hosts by result",
	       {"result", "refused"});

const struct smtp_timeouts smtp_timeouts_default = {
	.connect_ms = 30 * 1000,
	.greeting_ms = 5 * 60 * 1000,
	.hello_ms = 5 * 60 * 1000,
	.tls_ms = 60 * 1000,
	.mail_ms = 5 * 60 * 1000,
	.rcpt_ms = 5 * 60 * 1000,
	.envelope_ms = 30 * 60 * 1000,
	.data_ms = 2 * 60 * 1000,
	.block_ms = 3 * 60 * 1000,
	.dot_ms = 10 * 60 * 1000,
	.quit_ms = 2 * 1000,
};

/* ---- failures ---- */

static enum close_reason reason_for(enum err e)
{
	return e == E_TIMEOUT     ? CLOSE_TIMEOUT
	       : e == E_CANCELLED ? CLOSE_SHUTDOWN
	       : e == E_INVALID   ? CLOSE_PROTOCOL
	       : e == E_TLS       ? CLOSE_TLS
	       : e == E_LIMIT     ? CLOSE_LIMIT
				  : CLOSE_PEER;
}

void smtp_client_close(struct smtp_client *c, enum close_reason why)
{
	if (!c->adopted)
		stream_close(&c->s, why);
	c->s = NULL;
}

enum err smtp_client_lost(struct smtp_client *c, enum smtp_phase at, enum err e,
			  struct smtp_result *why)
{
	struct diag d = {""};

	if (c->s != NULL)
		stream_diag(c->s, &d);
	if (e == E_TIMEOUT)
		smtp_result_own(why, at, SMTP_LATER, "4.4.2", "no answer in time (%s)",
				smtp_phase_name(at));
	else if (e == E_CANCELLED)
		smtp_result_own(why, at, SMTP_LATER, "4.3.2", "we are shutting down");
	else
		smtp_result_own(why, at, SMTP_LATER, "4.4.2", "the connection was lost (%s)%s%s",
				smtp_phase_name(at), d.text[0] != '\0' ? ": " : "", d.text);
	smtp_client_close(c, reason_for(e));
	return e == E_CANCELLED ? E_CANCELLED : E_CLOSED;
}

enum err smtp_client_broken(struct smtp_client *c, enum smtp_phase at, struct smtp_result *why,
			    const char *words)
{
	smtp_result_own(why, at, SMTP_LATER, "4.5.0", "the host broke the protocol (%s): %s",
			smtp_phase_name(at), words);
	smtp_client_close(c, CLOSE_PROTOCOL);
	return E_CLOSED;
}

void smtp_client_leave(struct smtp_client *c)
{
	enum err e = stream_write_now(c->s, SL("QUIT\r\n"));

	smtp_client_close(c, e == E_OK ? CLOSE_DONE : CLOSE_PEER);
}

enum err smtp_client_refused(struct smtp_client *c, enum smtp_phase at, const struct smtp_answer *a,
			     struct smtp_result *why)
{
	smtp_result_of(why, at, a);
	if (why->verdict == SMTP_TAKEN)
		return smtp_client_broken(c, at, why, "a reply that does not fit");
	smtp_client_leave(c);
	return E_CLOSED;
}

/* ---- one command ---- */

WAITS enum err smtp_client_answer(struct smtp_client *c, enum smtp_phase at, int64_t deadline_ms,
				  smtp_answer_fn each, void *arg, struct smtp_answer *a,
				  struct smtp_result *why)
{
	enum err e = smtp_answer_read(c->s, deadline_ms, each, arg, a);

	if (e == E_INVALID)
		return smtp_client_broken(c, at, why, a->fault);
	if (e != E_OK)
		return smtp_client_lost(c, at, e, why);
	if (a->code != 421)
		return E_OK;
	/* RFC 5321 section 3.8: it closes, whatever was asked. */
	smtp_result_of(why, at, a);
	smtp_client_close(c, CLOSE_DONE);
	return E_CLOSED;
}

WAITS enum err smtp_client_ask(struct smtp_client *c, enum smtp_phase at, slice_t command,
			       int64_t ms, struct smtp_answer *a, struct smtp_result *why)
{
	int64_t deadline_ms = deadline_in(ms);
	enum err e = stream_write(c->s, command, deadline_ms);

	if (e != E_OK)
		return smtp_client_lost(c, at, e, why);
	return smtp_client_answer(c, at, deadline_ms, NULL, NULL, a, why);
}

/* ---- greeting and EHLO ---- */

static void on_banner(void *arg, unsigned line, slice_t text)
{
	struct smtp_client *c = arg;

	if (line == 0)
		smtp_offer_name(text, c->peer_name);
}

WAITS static enum err read_greeting(struct smtp_client *c, struct smtp_result *why)
{
	struct smtp_answer a;
	enum err e = smtp_client_answer(c, SMTP_AT_GREETING, deadline_in(c->wait->greeting_ms),
					on_banner, c, &a, why);

	if (e != E_OK)
		return e;
	return a.code == 220 ? E_OK : smtp_client_refused(c, SMTP_AT_GREETING, &a, why);
}

static void on_offer(void *arg, unsigned line, slice_t text)
{
	smtp_offer_line(arg, line, text);
}

WAITS static enum err say_hello(struct smtp_client *c, const char *verb, struct smtp_answer *a,
				struct smtp_result *why)
{
	int64_t deadline_ms = deadline_in(c->wait->hello_ms);
	struct buf b;
	enum err e;

	c->offer = (struct smtp_offer){.name = ""};
	buf_init(&b, SMTP_COMMAND_MAX, NULL);
	buf_printf(&b, "%s %s\r\n", verb, c->opts->helo);
	e = stream_write(c->s, buf_slice(&b), deadline_ms);
	buf_fini(&b);
	if (e != E_OK)
		return smtp_client_lost(c, SMTP_AT_EHLO, e, why);
	return smtp_client_answer(c, SMTP_AT_EHLO, deadline_ms, on_offer, &c->offer, a, why);
}

WAITS enum err smtp_client_hello(struct smtp_client *c, struct smtp_result *why)
{
	bool lmtp = c->opts->kind == SMTP_KIND_LMTP;
	struct smtp_answer a;
	enum err e = say_hello(c, lmtp ? "LHLO" : "EHLO", &a, why);

	/* RFC 5321 section 3.2: a server from before the extensions. */
	if (e == E_OK && smtp_answer_is(&a, 5) && !lmtp) {
		e = say_hello(c, "HELO", &a, why);
		c->offer = (struct smtp_offer){.name = ""};
	}
	if (e != E_OK)
		return e;
	return a.code == 250 ? E_OK : smtp_client_refused(c, SMTP_AT_EHLO, &a, why);
}

/* ---- life ---- */

static bool is_name(const char *name)
{
	struct cursor c = cursor(slice_str(name));
	slice_t all;

	return cur_span(&c, CC_VCHAR, SMTP_PEER_NAME_MAX, &all) && cur_end(&c);
}

/* What settings and routes say was checked where they were set; an older release may not have. */
static enum err check_name(const struct smtp_client_opts *o, struct smtp_result *why)
{
	if (is_name(o->helo))
		return E_OK;
	LOG_SELDOM(LOG_ERROR, o->log, "smtp_client.bad_helo", LF_STR("helo", o->helo));
	smtp_result_own(why, SMTP_AT_CONNECT, SMTP_LATER, "4.3.5",
			"our own name in EHLO is none: an administrator has to set another");
	return E_INVALID;
}

WAITS static enum err dial(struct smtp_client *c, struct smtp_result *why)
{
	const struct smtp_client_opts *o = c->opts;
	struct stream_opts opts = {0};
	char text[IPADDR_STR];
	struct diag d = {""};
	enum err e;

	if (o->stream != NULL)
		opts = *o->stream;
	opts.why = &d;
	e = stream_connect(&o->addr, o->port, o->source, &opts, deadline_in(c->wait->connect_ms),
			   &c->s);
	if (e == E_OK)
		return E_OK;
	if (e == E_CANCELLED)
		return smtp_client_lost(c, SMTP_AT_CONNECT, e, why);
	smtp_result_own(why, SMTP_AT_CONNECT, SMTP_LATER, "4.4.1",
			"no connection to %s port %u: %s", ipaddr_str(&o->addr, text),
			(unsigned)o->port, e == E_TIMEOUT ? "no answer in time" : d.text);
	return E_CLOSED;
}

WAITS static enum err begin(struct smtp_client *c, struct smtp_client_why *why)
{
	const struct smtp_client_opts *o = c->opts;
	bool started = false;
	enum err e = check_name(o, &why->result);

	if (e == E_OK && !c->adopted)
		e = dial(c, &why->result);
	if (e == E_OK)
		why->local = *stream_local(c->s);
	if (e == E_OK && o->tls != SMTP_TLS_NONE && o->tls_start == SMTP_TLS_AT_ONCE)
		e = smtp_client_handshake(c, why);
	if (e == E_OK)
		e = read_greeting(c, &why->result);
	if (e == E_OK)
		e = smtp_client_hello(c, &why->result);
	if (e == E_OK && o->tls != SMTP_TLS_NONE && o->tls_start == SMTP_STARTTLS)
		e = smtp_client_starttls(c, &started, why);
	if (e == E_OK && started) /* RFC 3207 section 4.2: what was said in clear is forgotten */
		e = smtp_client_hello(c, &why->result);
	if (e == E_OK && (o->user.n > 0 || o->gssapi != NULL))
		e = smtp_client_auth(c, &why->result);
	return e;
}

static void log_end(const struct smtp_client_opts *o, const struct smtp_client *c,
		    const struct smtp_result *why)
{
	char text[IPADDR_STR];

	if (why != NULL) {
		metric_add(why->verdict == SMTP_REFUSED ? &m_refused : &m_later, 1);
		/* A refused log-in is for the administrator to mend. */
		LOG(why->phase == SMTP_AT_AUTH ? LOG_WARN : LOG_INFO, o->log, "smtp_client.failed",
		    LF_STR("to", ipaddr_str(&o->addr, text)), LF_UINT("port", o->port),
		    LF_STR("phase", smtp_phase_name(why->phase)), LF_UINT("code", why->code),
		    LF_STR("status", why->status), LF_STR("why", why->text));
		return;
	}
	metric_add(&m_open, 1);
	LOG(LOG_DEBUG, o->log, "smtp_client.open", LF_STR("to", ipaddr_str(&o->addr, text)),
	    LF_UINT("port", o->port), LF_STR("peer", c->peer_name));
}

WAITS static enum err open_on(struct stream *s, const struct smtp_client_opts *opts,
			      struct smtp_client **out, struct smtp_client_why *why)
{
	struct smtp_client *c = xcalloc(1, sizeof *c);
	enum err e;

	invariant(opts->tls == SMTP_TLS_NONE || opts->tls_ctx != NULL);
	c->magic = SMTP_CLIENT_MAGIC;
	c->s = s;
	c->adopted = s != NULL;
	c->opts = opts;
	c->wait = opts->timeouts != NULL ? opts->timeouts : &smtp_timeouts_default;
	*out = NULL;
	*why = (struct smtp_client_why){.try_clear = false};
	e = begin(c, why);
	log_end(opts, c, e == E_OK ? NULL : &why->result);
	if (e == E_OK) {
		*out = c;
		return E_OK;
	}
	smtp_client_free(&c);
	if (e == E_CANCELLED)
		return E_CANCELLED;
	return why->result.verdict == SMTP_REFUSED ? E_DENIED : E_RETRY;
}

WAITS enum err smtp_client_open(const struct smtp_client_opts *opts, struct smtp_client **out,
				struct smtp_client_why *why)
{
	return open_on(NULL, opts, out, why);
}

WAITS enum err smtp_client_adopt(struct stream *s, const struct smtp_client_opts *opts,
				 struct smtp_client **out, struct smtp_client_why *why)
{
	invariant(opts->tls == SMTP_TLS_NONE && opts->user.n == 0 && opts->gssapi == NULL);
	return open_on(s, opts, out, why);
}

bool smtp_client_usable(const struct smtp_client *c)
{
	unsigned max = c->offer.mail_max;

	return c->s != NULL && !stream_readable(c->s, 0) && (max == 0 || c->messages < max);
}

WAITS void smtp_client_quit(struct smtp_client *c)
{
	struct smtp_answer a;
	struct smtp_result why;

	if (c->s == NULL)
		return;
	/* Whatever it says, it is over. */
	if (smtp_client_ask(c, SMTP_AT_DOT, SL("QUIT\r\n"), c->wait->quit_ms, &a, &why) == E_OK)
		smtp_client_close(c, CLOSE_DONE);
}

void smtp_client_free(struct smtp_client **cp)
{
	struct smtp_client *c = *cp;

	if (c == NULL)
		return;
	invariant(c->magic == SMTP_CLIENT_MAGIC);
	smtp_client_close(c, CLOSE_DONE);
	c->magic = 0;
	xfree(cp);
}

/* ---- facts ---- */

const struct smtp_offer *smtp_client_offer(const struct smtp_client *c)
{
	return &c->offer;
}

const struct tls_facts *smtp_client_tls(const struct smtp_client *c)
{
	return c->s != NULL ? stream_tls(c->s) : NULL;
}

const char *smtp_client_peer_name(const struct smtp_client *c)
{
	return c->peer_name;
}
