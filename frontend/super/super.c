/*
 * The supervisor. One fiber waits for signals and for the next restart; there is no other
 * activity. A worker that dies is started again after a pause that grows while it keeps dying.
 */
#include "frontend/super/super.h"

#include <errno.h>
#include <fcntl.h>
#include <pwd.h>
#include <signal.h>
#include <stdio.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <sysexits.h>
#include <unistd.h>

#include "common/base/clock.h"
#include "common/base/num.h"
#include "common/log/log.h"
#include "common/loop/fiber.h"
#include "common/loop/sig.h"
#include "common/net/stream.h"
#include "frontend/super/certs.h"
#include "frontend/super/setup.h"

#define WORKERS_MAX  128
#define ADDR_TEXT    300
#define PAUSE_MIN_MS 100
#define PAUSE_MAX_MS 5000
#define STEADY_MS    10000 /* a worker that lived so long is started again at once */
#define SHUTDOWN_MS  10000 /* sessions get so long to hear their BYE */

#define ROOT_ANCHORS "/usr/share/dns/root.key"            /* of the package dns-root-data */
#define AUTHORITIES  "/etc/ssl/certs/ca-certificates.crt" /* of the package ca-certificates */
#define NO_ANCHORS   "none"

struct pems {
	struct buf ca, anchors;
	struct certs tls, https; /* https may have none */
	struct buf cert[SERVICE_LAST + 1], key[SERVICE_LAST + 1];
};

struct worker {
	enum rpc_service service;
	uint32_t number;
	int fds[SETUP_LISTENERS_MAX + 1]; /* kept over restarts */
	const char *names[SETUP_LISTENERS_MAX];
	size_t nlisteners;
	bool rpc_listen; /* fds[nlisteners] is the one for back-ends */
	pid_t pid;       /* 0: not running */
	int control;     /* our end of the socket pair */
	int64_t started_ms, start_at_ms, pause_ms;
};

/* The signals that the supervisor acts on; a fiber each sets `came` and the common event. */
struct watched {
	int signum;
	struct sig *sig;
	bool came;
};

static struct super {
	struct watched watched[5];
	struct event wake;
	struct scope watchers;
	struct conf *conf;
	struct pems *pems; /* too large for a fiber's stack */
	struct worker workers[WORKERS_MAX];
	size_t nworkers;
} super;

/* Which listener settings belong to which service. */
static const struct {
	enum rpc_service service;
	const char *setting, *name;
} listeners[] = {
	{SERVICE_SMTP, "listen.smtp", "smtp"},
	{SERVICE_SMTP, "listen.lmtp", "lmtp"},
	{SERVICE_SUBMISSION, "listen.submission", "submission"},
	{SERVICE_SUBMISSION, "listen.submissions", "submissions"},
	{SERVICE_SUBMISSION, "listen.odmr", "odmr"},
	{SERVICE_IMAP, "listen.imap", "imap"},
	{SERVICE_IMAP, "listen.imaps", "imaps"},
	{SERVICE_WEB, "listen.https", "https"},
};

static const struct {
	enum rpc_service service;
	const char *setting;
} services[] = {
	{SERVICE_SMTP, "workers.smtp"},         {SERVICE_SUBMISSION, "workers.submission"},
	{SERVICE_IMAP, "workers.imap"},         {SERVICE_WEB, "workers.web"},
	{SERVICE_OUTBOUND, "workers.outbound"}, /* without listeners: the last ones */
};

#define WORKERS_NONE (-1) /* of a service without listeners */

/* ---- certificates ---- */

static enum err read_service_pems(const char *dir, enum rpc_service s, struct pems *p,
				  struct diag *d)
{
	char path[4200];
	enum err e;

	snprintf(path, sizeof path, "%s/%s.pem", dir, rpc_service_name(s));
	e = certs_read_file(path, &p->cert[s], d);
	snprintf(path, sizeof path, "%s/%s.key", dir, rpc_service_name(s));
	return e == E_OK ? certs_read_file(path, &p->key[s], d) : e;
}

static struct pems *pems_new(void)
{
	struct pems *p = xcalloc(1, sizeof *p);

	buf_init(&p->ca, PEM_FILE_MAX, NULL);
	buf_init(&p->anchors, PEM_FILE_MAX, NULL);
	certs_init(&p->tls);
	certs_init(&p->https);
	for (size_t i = 0; i <= SERVICE_LAST; i++) {
		buf_init(&p->cert[i], PEM_FILE_MAX, NULL);
		buf_init(&p->key[i], PEM_FILE_MAX, NULL);
	}
	return p;
}

static void pems_free(struct pems **pp)
{
	struct pems *p = *pp;

	if (p == NULL)
		return;
	buf_fini(&p->ca);
	buf_fini(&p->anchors);
	certs_fini(&p->tls);
	certs_fini(&p->https);
	for (size_t i = 0; i <= SERVICE_LAST; i++) {
		buf_fini(&p->cert[i]);
		buf_fini(&p->key[i]);
	}
	xfree(pp);
}

/* DNSSEC's trust anchors: workers see no files. */
static enum err read_anchors(struct pems *p, struct diag *d)
{
	const char *path = conf_str(super.conf, "dns.anchors");

	if (strcmp(path, NO_ANCHORS) == 0)
		return E_OK;
	return certs_read_file(path[0] != '\0' ? path : ROOT_ANCHORS, &p->anchors, d);
}

/* A worker that found none would start again and again. */
static enum err check_trust(struct diag *d)
{
	const char *path = conf_str(super.conf, "tls.trust");

	return path[0] == '\0' || access(path, R_OK) == 0
		       ? E_OK
		       : diag_set(d, E_IO, "%s: %s", path, log_errno(errno));
}

static bool asks_dns(enum rpc_service s)
{
	return s == SERVICE_OUTBOUND || s == SERVICE_SMTP || s == SERVICE_SUBMISSION;
}

/* ---- sockets ---- */

static enum err bind_one(const struct conf_addr *a, uint16_t port, int *fd_out, struct diag *d)
{
	struct ipaddr addr;

	if (!ipaddr_parse(slice_str(a->host), &addr))
		return diag_set(d, E_INVALID, "listen: %s is not an address", a->host);
	return listen_socket(&addr, port, LISTEN_REUSEPORT, fd_out, d);
}

static bool has_listeners(enum rpc_service s)
{
	for (size_t i = 0; i < ARRAY_LEN(listeners); i++) {
		if (listeners[i].service == s)
			return true;
	}
	return false;
}

/* A service whose listeners are all unset is off. */
static bool worker_is_on(const struct worker *w)
{
	return w->nlisteners != 0 || !has_listeners(w->service);
}

static enum err bind_worker(struct worker *w, struct diag *d)
{
	enum err e = E_OK;

	for (size_t i = 0; i < ARRAY_LEN(listeners); i++) {
		size_t n = conf_count(super.conf, listeners[i].setting);

		for (size_t k = 0; listeners[i].service == w->service && k < n && e == E_OK; k++) {
			struct conf_addr a = conf_addr(super.conf, listeners[i].setting, k);

			if (w->nlisteners == SETUP_LISTENERS_MAX)
				return diag_set(d, E_LIMIT, "too many listeners");
			w->names[w->nlisteners] = listeners[i].name;
			e = bind_one(&a, a.port, &w->fds[w->nlisteners], d);
			w->nlisteners += e == E_OK;
		}
	}
	if (e == E_OK && worker_is_on(w) && conf_count(super.conf, "rpc.listen") != 0) {
		struct conf_addr a = conf_addr(super.conf, "rpc.listen", 0);

		e = bind_one(&a, (uint16_t)(a.port + w->number), &w->fds[w->nlisteners], d);
		w->rpc_listen = e == E_OK;
	}
	return e;
}

/* How many workers a setting asks for. */
static int64_t workers_wanted(const char *setting)
{
	int64_t want = conf_int(super.conf, setting);
	long cores = sysconf(_SC_NPROCESSORS_ONLN);

	return want == WORKERS_NONE ? 0 : want != 0 ? want : MAX(cores, 1);
}

static enum err bind_all(struct diag *d)
{
	enum err e = E_OK;

	for (size_t i = 0; e == E_OK && i < ARRAY_LEN(services); i++) {
		int64_t want = workers_wanted(services[i].setting);

		for (int64_t k = 0; e == E_OK && k < want; k++) {
			struct worker *w = &super.workers[super.nworkers];

			if (super.nworkers == WORKERS_MAX)
				return diag_set(d, E_LIMIT, "more than %d workers", WORKERS_MAX);
			*w = (struct worker){.service = services[i].service,
					     .number = (uint32_t)super.nworkers,
					     .control = -1};
			e = bind_worker(w, d);
			if (!worker_is_on(w))
				break;
			super.nworkers++;
		}
	}
	if (e == E_OK && super.nworkers == 0)
		e = diag_set(d, E_INVALID, "no listener is set, and no workers.outbound");
	return e;
}

/* ---- set-ups ---- */

static void worker_user(enum rpc_service s, uint32_t *uid, uint32_t *gid)
{
	char name[64];
	struct passwd *pw;

	*uid = *gid = 0;
	if (geteuid() != 0)
		return;
	snprintf(name, sizeof name, "postern-%s", rpc_service_name(s));
	pw = getpwnam(name);
	*uid = pw != NULL ? pw->pw_uid
			  : (uint32_t)conf_int(super.conf, "workers.uid_base") + (uint32_t)s;
	*gid = pw != NULL ? pw->pw_gid : *uid;
}

/* "192.0.2.1:53", "[2001:db8::1]:53". */
static slice_t addr_text(const char *setting, size_t i, char *text, size_t size)
{
	struct conf_addr a = conf_addr(super.conf, setting, i);

	snprintf(text, size, strchr(a.host, ':') != NULL ? "[%s]:%u" : "%s:%u", a.host, a.port);
	return slice_str(text);
}

static void put_certs(const struct certs *c, struct worker_setup *out)
{
	for (size_t i = 0; i < c->n; i++) {
		out->tls_cert_pem[i] = buf_slice(&c->cert[i]);
		out->tls_key_pem[i] = buf_slice(&c->key[i]);
	}
	out->ncerts = c->n;
}

static void encode_setup(const struct worker *w, struct buf *out)
{
	char backends[SETUP_BACKENDS_MAX][ADDR_TEXT], dns[ADDR_TEXT];
	struct worker_setup s = {
		.node = slice_str(conf_str(super.conf, "name")),
		.service = w->service,
		.worker = w->number,
		.log_level = slice_str(conf_str(super.conf, "log.level")),
		.ca_pem = buf_slice(&super.pems->ca),
		.cert_pem = buf_slice(&super.pems->cert[w->service]),
		.key_pem = buf_slice(&super.pems->key[w->service]),
		.rpc_listen = w->rpc_listen,
		.nlisteners = w->nlisteners,
		.nbackends = MIN(conf_count(super.conf, "backends"), (size_t)SETUP_BACKENDS_MAX),
	};

	worker_user(w->service, &s.uid, &s.gid);
	for (size_t i = 0; i < w->nlisteners; i++)
		s.listeners[i] = slice_str(w->names[i]);
	for (size_t i = 0; i < s.nbackends; i++)
		s.backends[i] = addr_text("backends", i, backends[i], sizeof backends[i]);
	/* To each what its service needs. */
	if (w->nlisteners != 0)
		put_certs(w->service == SERVICE_WEB && super.pems->https.n != 0 ? &super.pems->https
										: &super.pems->tls,
			  &s);
	if (asks_dns(w->service)) {
		s.dns_anchors = buf_slice(&super.pems->anchors);
		if (conf_count(super.conf, "dns.server") != 0)
			s.dns_server = addr_text("dns.server", 0, dns, sizeof dns);
	}
	if (w->service == SERVICE_OUTBOUND) {
		const char *trust = conf_str(super.conf, "tls.trust");

		s.trust_path = slice_str(trust[0] != '\0' ? trust : AUTHORITIES);
		if (conf_count(super.conf, "listen.smtp") != 0)
			s.own_cert_pem = buf_slice(&super.pems->tls.cert[0]); /* without its key */
		s.sts_port = (uint32_t)conf_int(super.conf, "sts.port");
	}
	setup_encode(&s, out);
}

/* Everybody can be told of them, whole. */
static enum err check_setups(struct diag *d)
{
	enum err e = E_OK;
	struct buf b;

	for (size_t i = 0; e == E_OK && i < super.nworkers; i++) {
		buf_init(&b, SETUP_BYTES_MAX, NULL);
		encode_setup(&super.workers[i], &b);
		if (buf_failed(&b))
			e = diag_set(d, E_TOO_BIG,
				     "a worker's certificates are together larger than %d KiB",
				     SETUP_BYTES_MAX / 1024);
		buf_fini(&b);
	}
	return e;
}

/* What was read changes places with the old, if it may. */
static enum err take_pems(struct pems **p, struct diag *d)
{
	struct pems *old = super.pems;
	enum err e;

	super.pems = *p;
	e = check_setups(d);
	if (e == E_OK)
		*p = old;
	else
		super.pems = old;
	return e;
}

/* All or nothing: a bad file leaves what was read before in force. */
static enum err read_pems(struct diag *d)
{
	const char *dir = conf_str(super.conf, "rpc.certs");
	struct pems *p = pems_new();
	char path[4200];
	enum err e;

	snprintf(path, sizeof path, "%s/ca.pem", dir);
	e = certs_read_file(path, &p->ca, d);
	if (e == E_OK)
		e = certs_read(&p->tls, super.conf, "tls.cert", "tls.key", d);
	if (e == E_OK && p->tls.n == 0)
		e = diag_set(d, E_INVALID, "tls.cert is empty");
	/* The worker that anybody's browser reaches need not have the keys of mail. */
	if (e == E_OK)
		e = certs_read(&p->https, super.conf, "https.cert", "https.key", d);
	for (size_t i = 0; e == E_OK && i < super.nworkers; i++) {
		enum rpc_service s = super.workers[i].service;

		if (p->cert[s].n == 0)
			e = read_service_pems(dir, s, p, d);
		if (e == E_OK && asks_dns(s) && p->anchors.n == 0)
			e = read_anchors(p, d);
		if (e == E_OK && s == SERVICE_OUTBOUND)
			e = check_trust(d);
	}
	if (e == E_OK)
		e = take_pems(&p, d);
	pems_free(&p);
	return e;
}

/* ---- workers ---- */

/* In the child: the descriptors go to their places and the program starts anew. */
NORETURN static void exec_worker(const struct worker *w, int control)
{
	char whose[64];
	const char *argv[] = {"postern-frontend", whose, NULL};
	size_t n = w->nlisteners + (w->rpc_listen ? 1 : 0);
	int high[SETUP_LISTENERS_MAX + 2];

	/* For whoever looks at the list of processes; all that it needs comes with its set-up. */
	(void)snprintf(whose, sizeof whose, "--worker=%s.%u", rpc_service_name(w->service),
		       w->number);
	/* Out of the way first: a target number may be in use as a source. */
	high[0] = fcntl(control, F_DUPFD, 200);
	for (size_t i = 0; i < n; i++)
		high[i + 1] = fcntl(w->fds[i], F_DUPFD, 200);
	for (size_t i = 0; i <= n; i++) {
		if (high[i] < 0 || dup2(high[i], WORKER_CONTROL_FD + (int)i) < 0)
			_exit(EX_OSERR);
	}
	if (close_range(WORKER_FIRST_FD + (unsigned)n, ~0U, 0) != 0)
		_exit(EX_OSERR);
	execv("/proc/self/exe", (char *const *)(uintptr_t)argv);
	_exit(EX_OSERR);
}

static void send_setup(struct worker *w)
{
	struct buf b;

	buf_init(&b, SETUP_BYTES_MAX, NULL);
	encode_setup(w, &b);
	/* The socket's buffer was made to hold it; the worker reads it first of all. */
	if (buf_failed(&b) ||
	    send(w->control, b.p, b.n, MSG_NOSIGNAL | MSG_DONTWAIT) != (ssize_t)b.n)
		LOG(LOG_ERROR, NULL, "worker.setup_not_sent", LF_INT("pid", w->pid),
		    LF_UINT("bytes", b.n));
	buf_fini(&b);
}

static void start_worker(struct worker *w)
{
	int pair[2], size = 2 * SETUP_BYTES_MAX;

	w->started_ms = clock_mono_ms();
	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) != 0)
		invariant(false);
	if (setsockopt(pair[0], SOL_SOCKET, SO_SNDBUF, &size, sizeof size) != 0)
		LOG(LOG_WARN, NULL, "worker.sndbuf", LF_ERRNO("why", errno));
	w->pid = fork();
	if (w->pid == 0)
		exec_worker(w, pair[1]);
	close(pair[1]);
	w->control = pair[0];
	if (w->pid < 0) {
		LOG(LOG_ERROR, NULL, "worker.fork_failed", LF_ERRNO("why", errno));
		close(w->control);
		w->pid = 0;
		w->start_at_ms = w->started_ms + PAUSE_MAX_MS;
		return;
	}
	send_setup(w);
	LOG(LOG_INFO, NULL, "worker.started", LF_STR("service", rpc_service_name(w->service)),
	    LF_UINT("worker", w->number), LF_INT("pid", w->pid));
}

static void worker_ended(struct worker *w, int status)
{
	int64_t now = clock_mono_ms();

	LOG(LOG_WARN, NULL, "worker.ended", LF_STR("service", rpc_service_name(w->service)),
	    LF_UINT("worker", w->number), LF_INT("pid", w->pid),
	    LF_INT("signal", WIFSIGNALED(status) ? WTERMSIG(status) : 0),
	    LF_INT("status", WIFEXITED(status) ? WEXITSTATUS(status) : -1));
	close(w->control);
	w->control = -1;
	w->pid = 0;
	if (now - w->started_ms >= STEADY_MS)
		w->pause_ms = 0;
	w->start_at_ms = now + w->pause_ms;
	w->pause_ms = MIN(MAX(w->pause_ms * 2, PAUSE_MIN_MS), PAUSE_MAX_MS);
}

static void reap(void)
{
	int status;
	pid_t pid;

	while ((pid = waitpid(-1, &status, WNOHANG)) > 0) {
		for (size_t i = 0; i < super.nworkers; i++) {
			if (super.workers[i].pid == pid)
				worker_ended(&super.workers[i], status);
		}
	}
}

/* Starts what is due; returns when the next one is. */
static int64_t start_due(void)
{
	int64_t next = NO_DEADLINE;

	for (size_t i = 0; i < super.nworkers; i++) {
		struct worker *w = &super.workers[i];

		if (w->pid != 0)
			continue;
		if (w->start_at_ms <= clock_mono_ms())
			start_worker(w);
		if (w->pid == 0)
			next = MIN(next, w->start_at_ms);
	}
	return next;
}

static void reload(void)
{
	struct diag d;

	if (conf_reload(super.conf, NULL, NULL, &d) != E_OK || read_pems(&d) != E_OK) {
		LOG(LOG_ERROR, NULL, "reload.refused", LF_STR("why", d.text));
		return;
	}
	log_threshold = log_level_parse(slice_str(conf_str(super.conf, "log.level")));
	for (size_t i = 0; i < super.nworkers; i++) {
		if (super.workers[i].pid != 0)
			send_setup(&super.workers[i]);
	}
	LOG(LOG_INFO, NULL, "reload.done");
}

static bool any_alive(void)
{
	for (size_t i = 0; i < super.nworkers; i++) {
		if (super.workers[i].pid != 0)
			return true;
	}
	return false;
}

WAITS static void watch_signal(void *arg)
{
	struct watched *w = arg;

	while (sig_wait(w->sig, "super.signal", NO_DEADLINE) == E_OK) {
		w->came = true;
		event_set(&super.wake);
	}
}

static bool take_signal(int signum)
{
	for (size_t i = 0; i < ARRAY_LEN(super.watched); i++) {
		if (super.watched[i].signum == signum && super.watched[i].came) {
			super.watched[i].came = false;
			return true;
		}
	}
	return false;
}

static enum err watch_signals(void)
{
	static const int signums[] = {SIGTERM, SIGINT, SIGHUP, SIGCHLD, SIGUSR1};
	enum err e = E_OK;

	event_init(&super.wake);
	scope_init(&super.watchers);
	for (size_t i = 0; e == E_OK && i < ARRAY_LEN(signums); i++) {
		struct watched *w = &super.watched[i];

		w->signum = signums[i];
		e = sig_watch(w->signum, &w->sig);
		if (e == E_OK)
			e = scope_start(&super.watchers, "super.signal", watch_signal, w);
	}
	return e;
}

WAITS static void unwatch_signals(void)
{
	scope_cancel(&super.watchers);
	(void)scope_join(&super.watchers, NO_DEADLINE);
	for (size_t i = 0; i < ARRAY_LEN(super.watched); i++)
		sig_unwatch(&super.watched[i].sig);
}

static void signal_workers(int signum)
{
	for (size_t i = 0; i < super.nworkers; i++) {
		if (super.workers[i].pid != 0)
			kill(super.workers[i].pid, signum);
	}
}

WAITS static void stop_workers(void)
{
	int64_t deadline = deadline_in(SHUTDOWN_MS);

	fiber_shield_begin();
	signal_workers(SIGTERM);
	while (any_alive()) {
		if (event_wait(&super.wake, "super.stopping", deadline) == E_TIMEOUT) {
			signal_workers(SIGKILL);
			deadline = NO_DEADLINE;
		}
		reap();
	}
	fiber_shield_end();
}

WAITS static void super_fiber(void *arg UNUSED)
{
	enum err e = watch_signals();

	while (e == E_OK || e == E_TIMEOUT) {
		e = event_wait(&super.wake, "super.event", start_due());
		reap();
		if (take_signal(SIGTERM) || take_signal(SIGINT))
			break;
		if (take_signal(SIGHUP))
			reload();
		if (take_signal(SIGUSR1))
			signal_workers(SIGUSR1);
	}
	stop_workers();
	unwatch_signals();
	loop_stop(loop_current());
}

int super_run(struct conf *conf)
{
	struct loop *loop;
	struct diag d;

	super.conf = conf;
	listen_raise_limit();
	if (bind_all(&d) != E_OK || read_pems(&d) != E_OK) {
		LOG(LOG_ERROR, NULL, "start.refused", LF_STR("why", d.text));
		return EX_CONFIG;
	}
	loop = loop_new();
	if (fiber_start("supervisor", super_fiber, NULL, NULL) != E_OK)
		return EX_OSERR;
	loop_run(loop);
	loop_free(&loop);
	pems_free(&super.pems);
	return EX_OK;
}
