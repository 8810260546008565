#include "frontend/outbound/outbound.h"

#include "common/loop/fiber.h"
#include "frontend/dns/resolver.h"
#include "frontend/outbound/courier.h"
#include "frontend/outbound/notices.h"
#include "frontend/outbound/https.h"
#include "frontend/outbound/pickup.h"
#include "frontend/outbound/questions.h"
#include "frontend/outbound/reports.h"
#include "frontend/outbound/sts.h"
#include "frontend/outbound/tls_policy.h"
#include "frontend/outbound/tls_tally.h"
#include "frontend/outbound/tlsrpt_post.h"
#include "frontend/rpc/rpc_client.h"

#define BACKENDS_MAX   64  /* as rpc_client has */
#define AGAIN_MS       500 /* before a stream that has ended is opened again */
#define FLUSH_FIRST_MS 1000
/* At the end: what is under way has so long to end, and then its results to be told. */
#define FINISH_MS      5000
#define FLUSH_MS       3000

static struct {
	struct rpc_link *links[BACKENDS_MAX]; /* that have a stream; for comparison alone */
	size_t nlinks;
	struct scope streams;
} out;

WAITS static void take(struct outbound_job *j, void *arg UNUSED)
{
	if (j->kind == OUTBOUND_NOTICE)
		notices_take(j);
	else
		couriers_take(j);
}

/* ---- streams ---- */

static void forget_link(const struct rpc_link *l)
{
	for (size_t i = 0; i < out.nlinks; i++) {
		if (out.links[i] == l) {
			out.links[i] = out.links[--out.nlinks];
			return;
		}
	}
}

static bool has_stream(const struct rpc_link *l)
{
	for (size_t i = 0; i < out.nlinks; i++) {
		if (out.links[i] == l)
			return true;
	}
	return false;
}

WAITS static void stream_run(void *arg)
{
	struct rpc_link *l = arg;

	while (rpc_link_usable(l) && !fiber_cancelled()) {
		enum err e;

		/* A back-end that comes back hears first what it does not know. */
		reports_flush(deadline_in(FLUSH_FIRST_MS));
		e = call_outbound_work(l, take, NULL);
		couriers_drop_lost();
		LOG(LOG_INFO, NULL, "outbound.work_ended",
		    LF_STR("backend", rpc_link_peer(l)->name), LF_ERR("why", e));
		(void)fiber_sleep("outbound.work_again", AGAIN_MS);
	}
	forget_link(l);
	rpc_link_unref(&l);
}

static void open_stream(const char *name, fiber_fn fn, struct rpc_link *l)
{
	rpc_link_ref(l);
	if (scope_start(&out.streams, name, fn, l) != E_OK)
		rpc_link_unref(&l);
}

static void open_streams(void)
{
	struct rpc_link *links[BACKENDS_MAX];
	size_t n = rpc_client_links(links, BACKENDS_MAX);

	for (size_t i = 0; i < n; i++) {
		if (has_stream(links[i]) || out.nlinks == BACKENDS_MAX)
			continue;
		rpc_link_ref(links[i]);
		out.links[out.nlinks++] = links[i];
		if (scope_start(&out.streams, "outbound.work", stream_run, links[i]) == E_OK) {
			open_stream("outbound.questions", questions_run, links[i]);
			open_stream("outbound.pickup", pickup_run, links[i]);
			open_stream("outbound.tls_reports", tlsrpt_run, links[i]);
			continue;
		}
		out.nlinks--;
		rpc_link_unref(&links[i]);
	}
}

/* What is under way ends in order: a message whose last dot was sent and whose answer nobody hears
 * would go out twice. */
WAITS static void finish(void)
{
	notices_stop();
	fiber_shield_begin();
	scope_cancel(&out.streams);
	(void)scope_join(&out.streams, NO_DEADLINE);
	couriers_stop(deadline_in(FINISH_MS));
	reports_flush(deadline_in(FLUSH_MS));
	tls_tally_stop();
	fiber_shield_end();
	https_stop();
	resolver_stop();
}

/* ---- what sites say of their servers' TLS ---- */

WAITS static enum err ask_sts(slice_t domain, const char *mx, int64_t deadline_ms,
			      enum tls_sts *says)
{
	enum sts_verdict v;
	enum err e = sts_ask(domain, mx, deadline_ms, &v);

	*says = e != E_OK || v == STS_SILENT ? TLS_STS_NONE
		: v == STS_NAMED             ? TLS_STS_MATCH
		: v == STS_UNKNOWN           ? TLS_STS_UNKNOWN
					     : TLS_STS_MISMATCH;
	return e;
}

static enum tls_result told_fault(enum err e)
{
	return e == E_TLS       ? TLS_RESULT_STS_WEBPKI_INVALID
	       : e == E_INVALID ? TLS_RESULT_STS_INVALID
				: TLS_RESULT_STS_FETCH_ERROR;
}

static void tell_sts(slice_t domain, const char *mx, struct arena *mem, struct tls_told *told,
		     bool *tests_out)
{
	struct sts_about s;

	sts_tell(domain, mx, mem, &s);
	*tests_out = s.mode == STS_TESTING && s.names_host;
	if (s.mode == STS_NONE && s.fault == E_OK)
		return;
	*told = (struct tls_told){.type = TLS_POLICY_STS, .policy = s.text};
	if (s.mode == STS_NONE) {
		told->result = told_fault(s.fault);
	} else if (!s.names_host) {
		told->result = TLS_RESULT_VALIDATION_FAILURE;
		told->why = "the policy does not have this host";
	}
}

WAITS static void start_sts(const struct serve_conf *conf)
{
	static const struct tls_sts_source source = {ask_sts, tell_sts};
	struct https_conf https = {.tls = conf->tls, .port = conf->sts_port};

	https_start(&https);
	sts_init(&sts_ways_real);
	tls_policy_sts(&source);
}

WAITS static void serve(const struct serve_conf *conf)
{
	struct dns_conf dns = {.server = conf->dns_server, .anchors = conf->dns_anchors};
	struct diag d = {""};
	enum err e = resolver_start(&dns, &d);

	notices_init();
	scope_init(&out.streams);
	if (e != E_OK) {
		LOG(LOG_ERROR, NULL, "outbound.start_refused", LF_ERR("error", e),
		    LF_STR("why", d.text));
		return;
	}
	questions_certificate(conf->public_cert);
	start_sts(conf);
	tls_tally_init(NULL);
	couriers_init(conf->tls);
	do
		open_streams();
	while (rpc_client_wait_change("outbound.links", NO_DEADLINE) == E_OK);
	finish();
}

const struct protocol outbound_protocol = {.service = SERVICE_OUTBOUND,
					   .batches = true,
					   .serve = serve,
					   .renewed = questions_certificate};
