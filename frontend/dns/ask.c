#include "frontend/dns/ask_priv.h"

#include <stdio.h>
#include <unbound-event.h>
#include <unbound.h>

#include "common/log/metric.h"
#include "frontend/dns/ubevent_priv.h"

#define CLASS_IN        1
#define SEC_BOGUS       1 /* unbound-event.h names neither */
#define SEC_SECURE      2
#define SERVER_PORT     53
#define FORWARD_OPTIONS 4 /* the last ones: only with one server for all questions */
#define ADDRESS_TEXT    (IPADDR_STR + 8)

METRIC_COUNTER(m_asked, "dns_questions_total", "Questions to DNS");
METRIC_COUNTER(m_refused, "dns_questions_refused_total", "Questions beyond what may be on the way");
METRIC_GAUGE(m_flight, "dns_questions_open", "Questions to DNS on their way");

static struct {
	struct ub_ctx *ctx; /* NULL: not started */
	struct dns_twin twin;
	struct list asks; /* all that live */
	unsigned flight;
} dns = {.asks = {&dns.asks, &dns.asks}};

/* ---- one question ---- */

static void ask_free(struct ask *a)
{
	list_remove(&a->node);
	metric_set(&m_flight, --dns.flight);
	buf_fini(&a->packet);
	xfree(&a);
}

static void finish(struct ask *a, enum dns_status status, const char *why)
{
	invariant(a->state != ASK_DONE);
	a->state = ASK_DONE;
	if (a->left) {
		ask_free(a);
		return;
	}
	a->status = status;
	a->why = why;
	event_set(&a->done);
}

/* libunbound's callback: also from inside ub_resolve_event(), for what it knows already. */
static void answered(void *arg, int rcode, void *packet, int n, int sec, char *why_bogus UNUSED,
		     int was_ratelimited UNUSED)
{
	struct ask *a = arg;

	if (sec == SEC_BOGUS) {
		finish(a, DNS_BOGUS, "validation failed");
		return;
	}
	if (rcode == 0 && packet != NULL && n > 0 && !a->left)
		buf_put(&a->packet, slice(packet, (size_t)n));
	a->secure = sec == SEC_SECURE;
	if (a->packet.n != 0)
		finish(a, DNS_OK, NULL);
	else
		finish(a, DNS_TEMPFAIL, "no server answered well");
}

static void ask_twin(struct ask *a)
{
	struct dns_twin_answer answer = {0};

	buf_init(&answer.packet, DNS_PACKET_MAX, NULL);
	switch (dns.twin.answer(dns.twin.arg, slice(a->name.text, a->name.n), a->type, &answer)) {
	case DNS_TWIN_ANSWERS:
		answered(a, 0, answer.packet.p, (int)answer.packet.n,
			 answer.bogus    ? SEC_BOGUS
			 : answer.secure ? SEC_SECURE
					 : 0,
			 NULL, 0);
		break;
	case DNS_TWIN_FAILS:
		finish(a, DNS_TEMPFAIL, "no server answered well");
		break;
	case DNS_TWIN_IS_SILENT:
		a->state = ASK_LOST;
		break;
	}
	buf_fini(&answer.packet);
}

/* On the loop's own stack. */
static void send_out(void *arg)
{
	struct ask *a = arg;

	if (a->left) {
		ask_free(a);
		return;
	}
	if (dns.twin.answer != NULL) {
		ask_twin(a);
		return;
	}
	if (dns.ctx == NULL) {
		finish(a, DNS_TEMPFAIL, "no resolver");
		return;
	}
	a->state = ASK_OUT;
	if (ub_resolve_event(dns.ctx, a->name.text, a->type, CLASS_IN, a, answered, NULL) != 0)
		finish(a, DNS_TEMPFAIL, "the resolver refused");
}

struct ask *ask_start(const struct dnsname *name, uint16_t type)
{
	struct ask *a = xcalloc(1, sizeof *a);

	list_init(&a->node);
	list_append(&dns.asks, &a->node);
	metric_set(&m_flight, ++dns.flight);
	metric_add(&m_asked, 1);
	a->name = *name;
	a->type = type;
	event_init(&a->done);
	buf_init(&a->packet, DNS_PACKET_MAX, NULL);
	if (dns.flight > DNS_FLIGHT_MAX) {
		metric_add(&m_refused, 1);
		finish(a, DNS_TEMPFAIL, "too many questions");
	} else {
		loop_post(loop_current(), send_out, a);
	}
	return a;
}

WAITS enum err ask_wait(struct ask *a, int64_t deadline_ms)
{
	enum err e = event_wait(&a->done, "dns.answer", deadline_ms);

	if (e == E_TIMEOUT) {
		a->status = DNS_TEMPFAIL;
		a->why = "no answer in time";
		e = E_OK;
	}
	return e;
}

void ask_leave(struct ask **ap)
{
	struct ask *a = *ap;

	*ap = NULL;
	if (a->state == ASK_DONE || a->state == ASK_LOST)
		ask_free(a);
	else
		a->left = true;
}

void resolver_replace(const struct dns_twin *twin)
{
	dns.twin = twin != NULL ? *twin : (struct dns_twin){0};
}

/* ---- the resolver ---- */

struct start {
	const struct dns_conf *conf;
	struct diag *d;
	enum err e;
	struct event done;
};

static enum err refused(struct start *s, const char *what, int rc)
{
	return diag_set(s->d, E_IO, "dns: %s: %s", what, ub_strerror(rc));
}

static enum err set_options(struct start *s, struct ub_ctx *ctx)
{
	static const struct option {
		const char *name, *value;
	} options[] = {
		/* Sockets at a time; more questions wait inside. */
		{"outgoing-range:", "128"},
		/* A server that was away is asked again when it may be back. */
		{"infra-keep-probing:", "yes"},
		{"rrset-cache-size:", "16m"},
		{"msg-cache-size:", "8m"},
		/* The one server of all questions: there is no other while it is thought to be
		 * away; and it may be on this machine, and have any name. */
		{"infra-host-ttl:", "10"},
		{"do-not-query-localhost:", "no"},
		{"unblock-lan-zones:", "yes"},
		{"insecure-lan-zones:", "yes"},
	};
	static const struct option udp_only[] = {{"do-tcp:", "no"}, {"udp-connect:", "no"}};
	size_t n =
		s->conf->server.n != 0 ? ARRAY_LEN(options) : ARRAY_LEN(options) - FORWARD_OPTIONS;

	for (size_t i = 0; i < n + (s->conf->udp_only ? ARRAY_LEN(udp_only) : 0); i++) {
		const struct option *o = i < n ? &options[i] : &udp_only[i - n];
		int rc = ub_ctx_set_option(ctx, o->name, o->value);

		if (rc != 0)
			return refused(s, o->name, rc);
	}
	return E_OK;
}

static enum err add_anchor(struct start *s, struct ub_ctx *ctx, slice_t line)
{
	char text[DNS_ANCHOR_MAX];

	line = slice_trim(slice_sub(line, 0, slice_find_char(line, ';')));
	if (line.n == 0)
		return E_OK;
	if (!slice_to_str(line, text, sizeof text))
		return diag_set(s->d, E_INVALID, "dns: a trust anchor is not text or too long");
	return ub_ctx_add_ta(ctx, text) == 0
		       ? E_OK
		       : diag_set(s->d, E_INVALID, "dns: not a trust anchor: %.60s", text);
}

static enum err add_anchors(struct start *s, struct ub_ctx *ctx)
{
	slice_t rest = s->conf->anchors;
	enum err e = E_OK;
	unsigned n = 0;

	while (e == E_OK && rest.n != 0) {
		size_t end = slice_find_char(rest, '\n');

		if (++n > DNS_ANCHORS_MAX)
			return diag_set(s->d, E_LIMIT, "dns: more than %d trust anchors",
					DNS_ANCHORS_MAX);
		e = add_anchor(s, ctx, slice_sub(rest, 0, end));
		rest = slice_from(rest, end + 1);
	}
	return e;
}

static enum err set_server(struct start *s, struct ub_ctx *ctx)
{
	char text[ADDRESS_TEXT], ip[IPADDR_STR];
	struct ipaddr addr;
	uint16_t port = SERVER_PORT;
	int rc;

	if (s->conf->server.n == 0)
		return E_OK;
	if (!ipaddr_parse_port(s->conf->server, &addr, &port) &&
	    !ipaddr_parse(s->conf->server, &addr))
		return diag_set(s->d, E_INVALID, "dns: the server is not an address");
	snprintf(text, sizeof text, "%s@%u", ipaddr_str(&addr, ip), port);
	rc = ub_ctx_set_fwd(ctx, text);
	return rc == 0 ? E_OK : refused(s, text, rc);
}

/* The last step: with it the library takes its settings, anchors among them, and says what is wrong
 * with them. */
static enum err settle(struct start *s, struct ub_ctx *ctx)
{
	/* What unbound would answer by itself though one server is to have every question. */
	static const char *const zones[] = {"test.", "invalid.", "localhost.", "127.in-addr.arpa."};
	size_t n = s->conf->server.n != 0 ? ARRAY_LEN(zones) : 1;

	for (size_t i = 0; i < n; i++) {
		int rc = ub_ctx_zone_remove(ctx, zones[i]);

		if (rc != 0)
			return diag_set(s->d, E_INVALID, "dns: settings or trust anchors: %s",
					ub_strerror(rc));
	}
	return E_OK;
}

static void start_on_loop(void *arg)
{
	struct start *s = arg;
	struct ub_ctx *ctx = ub_ctx_create_ub_event(ubevent_base());

	if (ctx == NULL) {
		s->e = diag_set(s->d, E_IO, "dns: no context");
	} else {
		(void)ub_ctx_debugout(ctx, NULL); /* its lines are not ours */
		s->e = set_options(s, ctx);
	}
	if (s->e == E_OK)
		s->e = add_anchors(s, ctx);
	if (s->e == E_OK)
		s->e = set_server(s, ctx);
	if (s->e == E_OK)
		s->e = settle(s, ctx);
	if (s->e == E_OK)
		dns.ctx = ctx;
	else if (ctx != NULL)
		ub_ctx_delete(ctx);
	event_set(&s->done);
}

static void stop_on_loop(void *arg)
{
	struct event *done = arg;

	ub_ctx_delete(dns.ctx);
	dns.ctx = NULL;
	list_for_each_safe(i, &dns.asks) {
		struct ask *a = list_entry(i, struct ask, node);

		if (a->state == ASK_OUT)
			finish(a, DNS_TEMPFAIL, "the resolver has stopped");
	}
	event_set(done);
}

WAITS static void run_on_loop(void (*fn)(void *arg), void *arg, struct event *done)
{
	enum err e;

	event_init(done);
	loop_post(loop_current(), fn, arg);
	fiber_shield_begin(); /* what was posted has our stack */
	e = event_wait(done, "dns.loop", NO_DEADLINE);
	fiber_shield_end();
	invariant(e == E_OK);
}

WAITS enum err resolver_start(const struct dns_conf *conf, struct diag *d)
{
	struct start s = {.conf = conf, .d = d};

	invariant(dns.ctx == NULL);
	run_on_loop(start_on_loop, &s, &s.done);
	return s.e;
}

WAITS void resolver_stop(void)
{
	struct event done;

	if (dns.ctx != NULL)
		run_on_loop(stop_on_loop, &done, &done);
}
