#include "frontend/super/worker.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <sysexits.h>
#include <unistd.h>

#include "common/base/clock.h"
#include "common/base/num.h"
#include "common/log/metric.h"
#include "common/loop/fiber.h"
#include "common/loop/sig.h"
#include "common/loop/waits.h"
#include "common/loop/work.h"
#include "frontend/core/policy.h"
#include "frontend/core/servers.h"
#include "frontend/mime/charset.h"
#include "frontend/rpc/call_node.h"
#include "frontend/rpc/call_ticket.h"
#include "frontend/rpc/rpc_client.h"
#include "frontend/super/confine.h"
#include "frontend/super/setup.h"

#define READY_MS       5000 /* then clients hear "try later" rather than nothing */
#define REPORT_MS      5000
#define RENEW_MS       10000 /* tickets of idle sessions are looked at so often */
/* Between two batches of 64: log-ins have their part of the back-end's rate. */
#define RENEW_PACE_MS  20
/* Before a renewal that failed is tried again: others are due, too. */
#define RENEW_AGAIN_MS 5000

static struct {
	char message[SETUP_BYTES_MAX]; /* what setup borrows from */
	struct worker_setup setup;
	const struct protocol *protocol;
	struct serve_conf serve; /* borrows from the message; of a service without listeners */
	struct endpoint endpoints[SETUP_LISTENERS_MAX];
	char *bound[SETUP_LISTENERS_MAX]; /* ADDRESS:PORT */
	size_t nbound;
	struct tls_ctx *cluster_tls;
	int64_t started_us;
	struct event serving; /* its listeners are open */
	struct event renew;   /* tickets became due before their time */
	int statm_fd;
	struct arena mem; /* of the process */
} worker;

/* ---- the set-up ---- */

static enum err read_fully(int fd, char *to, size_t n)
{
	while (n != 0) {
		ssize_t got = read(fd, to, n);

		if (got == 0 || (got < 0 && errno != EINTR))
			return E_CLOSED;
		if (got > 0) {
			to += got;
			n -= (size_t)got;
		}
	}
	return E_OK;
}

/* Before the loop exists: blocking. */
static enum err read_setup(void)
{
	enum err e = read_fully(WORKER_CONTROL_FD, worker.message, 4);
	uint32_t n = e == E_OK ? be32_get(worker.message) : 0;

	if (e == E_OK && n > sizeof worker.message - 4)
		e = E_TOO_BIG;
	if (e == E_OK)
		e = read_fully(WORKER_CONTROL_FD, worker.message + 4, n);
	return e == E_OK ? setup_decode(slice(worker.message, n + 4), &worker.setup) : e;
}

/* *out stays NULL where there are no listeners, and so no certificate of the public's. */
static enum err make_public_tls(const struct worker_setup *s, struct tls_ctx **out, struct diag *d)
{
	return s->ncerts == 0
		       ? E_OK
		       : certs_context(s->tls_cert_pem, s->tls_key_pem, s->ncerts, out, NULL, d);
}

/* For who verifies other hosts. A machine without authorities verifies nobody by their word. */
static enum err make_client_tls(const struct worker_setup *s, struct tls_ctx **out, struct diag *d)
{
	struct tls_config c = {.profile = TLS_PUBLIC_CLIENT};
	struct diag why = {""};
	struct arena a;
	enum err e;

	if (s->trust_path.n == 0)
		return E_OK;
	arena_init(&a, NULL);
	e = tls_ctx_new(&c, out, d);
	if (e == E_OK && tls_ctx_trust_file(*out, arena_str(&a, s->trust_path), &why) != E_OK)
		LOG(LOG_WARN, NULL, "worker.no_authorities", LF_STR("why", why.text));
	arena_reset(&a);
	return e;
}

static enum err make_cluster_tls(const struct worker_setup *s, struct tls_ctx **out, struct diag *d)
{
	struct tls_config c = {.profile = s->rpc_listen ? TLS_CLUSTER_SERVER : TLS_CLUSTER_CLIENT};
	struct arena a;
	enum err e;

	arena_init(&a, NULL);
	c.cert_pem = arena_str(&a, s->cert_pem);
	c.key_pem = arena_str(&a, s->key_pem);
	c.ca_pem = arena_str(&a, s->ca_pem);
	e = tls_ctx_new(&c, out, d);
	arena_wipe(&a);
	return e;
}

/* ---- fibers of the worker ---- */

/* All or nothing, as in the supervisor. */
static enum err renew(const struct worker_setup *s, struct diag *d)
{
	struct tls_ctx *tls = NULL, *cluster = NULL;
	enum err e = make_public_tls(s, &tls, d);

	if (e == E_OK)
		e = make_cluster_tls(s, &cluster, d);
	if (e == E_OK) {
		session_tls_set(tls);
		rpc_client_tls_set(cluster);
		tls_ctx_unref(&worker.cluster_tls);
		worker.cluster_tls = cluster;
		log_threshold = log_level_parse(s->log_level);
		if (worker.protocol->renewed != NULL)
			worker.protocol->renewed(s->own_cert_pem);
	}
	if (tls != NULL)
		tls_ctx_unref(&tls);
	return e;
}

/* The supervisor sends a whole set-up again when it was told to read its files anew; its end is
 * ours. */
WAITS static void control_fiber(void *arg UNUSED)
{
	struct stream_opts opts = {.window_max = SETUP_BYTES_MAX};
	struct stream *s = NULL;
	enum err e = stream_from_fd(WORKER_CONTROL_FD, &opts, &s);

	while (e == E_OK) {
		slice_t in = stream_peek(s);
		uint32_t n = in.n >= 4 ? be32_get(in.p) : 0;
		struct worker_setup setup;
		struct diag d = {""};

		if (in.n < 4 || in.n - 4 < n) {
			e = stream_fill(s, in.n, "worker.control", NO_DEADLINE);
			continue;
		}
		e = setup_decode(slice_sub(in, 0, n + 4), &setup);
		if (e == E_OK && renew(&setup, &d) == E_OK)
			LOG(LOG_INFO, NULL, "worker.certificates_renewed");
		else if (e == E_OK)
			LOG(LOG_ERROR, NULL, "worker.certificates_refused", LF_STR("why", d.text));
		if (e == E_OK)
			setup_wipe_keys(&setup);
		stream_consume(s, n + 4);
	}
	stream_close(&s,
		     CLOSE_PEER); /* nothing is owed to the supervisor, who would be waited for */
	if (!loop_stopping(loop_current()))
		LOG(LOG_WARN, NULL, "worker.supervisor_gone");
	loop_stop(loop_current());
}

static uint64_t memory_bytes(void)
{
	char text[128];
	ssize_t n = worker.statm_fd >= 0 ? pread(worker.statm_fd, text, sizeof text, 0) : -1;
	slice_t s = n > 0 ? slice(text, (size_t)n) : SLICE_NONE;
	size_t gap = slice_find_char(s, ' ');
	uint64_t pages = 0;

	s = slice_from(s, gap + 1);
	if (!num_parse(slice_sub(s, 0, slice_find_char(s, ' ')), UINT32_MAX, &pages))
		return 0;
	return pages * (uint64_t)sysconf(_SC_PAGESIZE);
}

WAITS static void report_fiber(void *arg UNUSED)
{
	struct buf metrics;

	/* Who is told of in `postern status` takes connections. */
	if (event_wait(&worker.serving, "worker.serving", NO_DEADLINE) != E_OK)
		return;
	buf_init(&metrics, RPC_PAYLOAD_MAX / 2, NULL);
	do {
		struct node_report r = {
			.worker = worker.setup.worker,
			.started_us = worker.started_us,
			.sessions = session_count(),
			.memory_bytes = memory_bytes(),
			.listeners = worker.bound,
			.nlisteners = worker.nbound,
		};

		buf_reset(&metrics);
		metric_snapshot(&metrics);
		if (!buf_failed(&metrics))
			r.metrics = buf_slice(&metrics);
		call_node_report(&r);
	} while (fiber_sleep("worker.report", REPORT_MS) != E_CANCELLED);
	buf_fini(&metrics);
}

struct renewal {
	uint8_t ids[64][16];
	size_t n;
};

static void collect_due(struct session *s, void *arg)
{
	struct renewal *r = arg;

	if (s->ticket != NULL && s->ticket->renew_ms <= clock_mono_ms() && r->n < ARRAY_LEN(r->ids))
		memcpy(r->ids[r->n++], s->id, sizeof s->id);
}

/* Renews the tickets of sessions that do nothing (IDLE), so that they live on. A session may end
 * during the renewal of its ticket: work on a copy and find the session again afterwards. */
WAITS static void renew_batch(struct renewal *r)
{
	for (size_t i = 0; i < r->n; i++) {
		struct session *s = session_find(r->ids[i]);
		struct ticket copy;
		int64_t expires_ms;
		enum err e;

		if (s == NULL || s->ticket == NULL)
			continue;
		copy = *s->ticket;
		expires_ms = copy.expires_ms;
		e = ticket_refresh(&copy);
		s = session_find(r->ids[i]);
		if (s == NULL)
			continue;
		if (e == E_NO_TICKET)
			session_end(s, "ticket");
		else if (s->ticket != NULL && copy.expires_ms != expires_ms)
			*s->ticket = copy;
		else if (s->ticket != NULL && s->ticket->expires_ms == expires_ms)
			s->ticket->renew_ms = deadline_in(RENEW_AGAIN_MS);
	}
}

WAITS static void renew_fiber(void *arg UNUSED)
{
	while (event_wait(&worker.renew, "worker.renew", deadline_in(RENEW_MS)) != E_CANCELLED) {
		struct renewal r;

		do {
			r.n = 0;
			session_each(collect_due, &r);
			renew_batch(&r);
		} while (r.n == ARRAY_LEN(r.ids) && rpc_client_any() != NULL &&
			 fiber_sleep("worker.renew_pace", RENEW_PACE_MS) != E_CANCELLED);
	}
}

static void make_due(struct session *s, void *link)
{
	if (s->ticket != NULL && rpc_client_partition(s->ticket->partition) == link)
		s->ticket->renew_ms = 0;
}

/* A back-end that has begun again, or had lost us, lists the sessions whose calls it sees: those
 * that do nothing just now renew their tickets. */
static void found_backend(struct rpc_link *l)
{
	session_each(make_due, l);
	event_set(&worker.renew);
}

static void accepted(struct stream *s, void *arg)
{
	session_accept(worker.protocol, arg, s);
}

/* For who looks whether a virtual server's listeners are there: no server names one of LMTP or
 * ODMR. */
static void note_bound(const struct endpoint *ep, int fd)
{
	struct server_listener l = {.port = 0};
	struct buf text;

	if (ep->lmtp || ep->odmr || !listen_address(fd, &l.address, &l.port))
		return;
	buf_init(&text, SERVER_LISTENER_MAX, NULL);
	server_listener_format(&l, &text);
	worker.bound[worker.nbound++] = arena_str(&worker.mem, buf_slice(&text));
	buf_fini(&text);
}

static enum err open_listeners(void)
{
	struct stream_opts opts = {.window_max = worker.protocol->window_max};

	for (size_t i = 0; i < worker.setup.nlisteners; i++) {
		struct endpoint *ep = &worker.endpoints[i];
		enum err e;

		ep->service = worker.setup.service;
		ep->name = arena_str(&worker.mem, worker.setup.listeners[i]);
		/* "submissions", "imaps": the names of RFC 8314. */
		ep->implicit_tls = slice_ends(worker.setup.listeners[i], SL("s"));
		ep->lmtp = slice_eq(worker.setup.listeners[i], SL("lmtp"));
		ep->odmr = slice_eq(worker.setup.listeners[i], SL("odmr"));
		note_bound(ep, WORKER_FIRST_FD + (int)i);
		e = listen_fd(WORKER_FIRST_FD + (int)i, &opts, accepted, ep, &ep->listener);
		if (e != E_OK)
			return e;
	}
	return E_OK;
}

static void end_each(struct session *s, void *arg UNUSED)
{
	session_end(s, "shutdown");
}

/* Of a service without listeners. */
WAITS static void serve_fiber(void *arg UNUSED)
{
	worker.protocol->serve(&worker.serve);
	if (!fiber_cancelled()) {
		LOG(LOG_ERROR, NULL, "worker.serve_ended");
		loop_stop(loop_current());
	}
}

WAITS static void main_fiber(void *arg UNUSED)
{
	struct sig *term = NULL, *interrupt = NULL;
	struct waits *waits = NULL;
	struct scope service;
	enum err e = sig_watch(SIGTERM, &term);

	/* A terminal's Ctrl-C is the supervisor's to act on. */
	if (e == E_OK)
		e = sig_watch(SIGINT, &interrupt);
	if (e == E_OK)
		e = waits_watch(&waits);
	if (rpc_client_ready(deadline_in(READY_MS)) == E_TIMEOUT)
		LOG(LOG_WARN, NULL, "worker.no_backend");
	if (worker.protocol->start != NULL)
		worker.protocol->start(&worker.serve);
	if (open_listeners() != E_OK)
		LOG(LOG_ERROR, NULL, "worker.listen_failed");
	scope_init(&service);
	if (worker.protocol->serve != NULL &&
	    scope_start(&service, "worker.serve", serve_fiber, NULL) != E_OK)
		LOG(LOG_ERROR, NULL, "worker.serve_failed");
	LOG(LOG_INFO, NULL, "worker.serving", LF_UINT("worker", worker.setup.worker));
	event_set(&worker.serving);
	if (e == E_OK && sig_wait(term, "worker.signal", NO_DEADLINE) == E_OK)
		LOG(LOG_INFO, NULL, "worker.stopping", LF_UINT("sessions", session_count()));
	sig_unwatch(&term);
	sig_unwatch(&interrupt);
	waits_unwatch(&waits);
	for (size_t i = 0; i < worker.setup.nlisteners; i++)
		listener_close(&worker.endpoints[i].listener);
	session_each(end_each, NULL);
	scope_cancel(&service);
	(void)scope_join(&service, NO_DEADLINE);
	if (worker.protocol->stop != NULL)
		worker.protocol->stop();
	loop_stop(loop_current());
}

/* ---- start ---- */

static const struct protocol *find_protocol(const struct protocol *const *list, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		if (list[i]->service == worker.setup.service)
			return list[i];
	}
	return NULL;
}

static void start_client(void)
{
	struct rpc_client_conf c = {
		.tls = worker.cluster_tls,
		.listen_fd = worker.setup.rpc_listen
				     ? WORKER_FIRST_FD + (int)worker.setup.nlisteners
				     : -1,
		.worker = worker.setup.worker,
		.found = found_backend,
		.self = {.role = ROLE_FRONTEND, .service = worker.setup.service},
	};
	static struct ipaddr addrs[SETUP_BACKENDS_MAX];
	static uint16_t ports[SETUP_BACKENDS_MAX];

	for (size_t i = 0; i < worker.setup.nbackends; i++) {
		if (ipaddr_parse_port(worker.setup.backends[i], &addrs[c.naddrs], &ports[c.naddrs]))
			c.naddrs++;
		else
			LOG(LOG_ERROR, NULL, "worker.bad_backend",
			    LF_SLICE("address", worker.setup.backends[i]));
	}
	c.addrs = addrs;
	c.ports = ports;
	invariant(slice_to_str(worker.setup.node, c.self.name, sizeof c.self.name));
	rpc_client_start(&c);
}

static enum err start_fibers(void)
{
	enum err e;

	event_init(&worker.serving);
	event_init(&worker.renew);
	e = fiber_start("worker.main", main_fiber, NULL, NULL);
	if (e == E_OK)
		e = fiber_start("worker.control", control_fiber, NULL, NULL);
	if (e == E_OK)
		e = fiber_start("worker.report", report_fiber, NULL, NULL);
	return e == E_OK ? fiber_start("worker.renew", renew_fiber, NULL, NULL) : e;
}

/* Everything that opens files, makes threads or needs rights comes before the filter. */
static enum err prepare(struct loop *loop, struct diag *d)
{
	struct tls_ctx *tls = NULL;
	char node[256];
	enum err e = make_cluster_tls(&worker.setup, &worker.cluster_tls, d);

	if (worker.protocol->batches)
		loop_in_batches();
	if (e == E_OK)
		e = make_public_tls(&worker.setup, &tls, d);
	setup_wipe_keys(&worker.setup);
	if (e != E_OK)
		return e;
	session_tls_set(tls);
	if (tls != NULL)
		tls_ctx_unref(&tls);
	worker.serve = (struct serve_conf){
		.sts_port = (uint16_t)worker.setup.sts_port,
		.dns_server = worker.setup.dns_server,
		.dns_anchors = worker.setup.dns_anchors,
		.public_cert = worker.setup.own_cert_pem,
		.dns_udp_only = worker.setup.rpc_listen && worker.setup.service != SERVICE_OUTBOUND,
	};
	e = make_client_tls(&worker.setup, &worker.serve.tls, d);
	if (e != E_OK)
		return e;
	invariant(slice_to_str(worker.setup.node, node, sizeof node));
	policy_init(node);
	charset_preload(); /* iconv loads modules, which the filter forbids later */
	worker.statm_fd = open("/proc/self/statm", O_RDONLY | O_CLOEXEC);
	e = confine_identity(worker.setup.uid, worker.setup.gid, d);
	if (e != E_OK)
		return e;
	(void)fiber_capacity(); /* reads the kernel's limit */
	if (worker.setup.service == SERVICE_OUTBOUND) {
		/* For SCRAM with other hosts: they say what it costs. */
		work_threads(WORK_THREADS_LEAST);
		work_start(loop);
	}
	return confine_syscalls(worker.setup.service,
				worker.setup.rpc_listen ? CONFINE_NO_DIAL : CONFINE_MAY_DIAL, d);
}

int worker_run(const struct protocol *const *protocols, size_t n)
{
	struct diag d = {""};
	struct loop *loop;
	enum err e = read_setup();

	if (e == E_OK) {
		log_setup(log_level_parse(worker.setup.log_level),
			  LOG_FIELDS(LF_SLICE("node", worker.setup.node),
				     LF_STR("service", rpc_service_name(worker.setup.service))));
		worker.started_us = clock_wall_us();
		worker.protocol = find_protocol(protocols, n);
		e = worker.protocol != NULL ? E_OK : diag_set(&d, E_INVALID, "no such service");
	}
	loop = loop_new();
	if (e == E_OK)
		e = prepare(loop, &d);
	if (e != E_OK) {
		LOG(LOG_ERROR, NULL, "worker.start_refused", LF_ERR("error", e),
		    LF_STR("why", d.text));
		return EX_CONFIG;
	}
	start_client();
	if (start_fibers() != E_OK)
		return EX_OSERR;
	loop_run(loop);
	rpc_client_stop();
	loop_free(&loop);
	return EX_OK;
}
