#include "frontend/super/child.h"

#include <errno.h>
#include <fcntl.h>
#include <pwd.h>
#include <stdio.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <sysexits.h>
#include <unistd.h>

#include "common/base/clock.h"
#include "common/crypto/secret.h"
#include "common/log/log.h"
#include "common/net/stream.h"

#define ADDR_TEXT    300
#define PAUSE_MIN_MS 100
#define PAUSE_MAX_MS 5000
#define STEADY_MS    10000 /* one that lived so long is started again at once */

#define AUTHORITIES "/etc/ssl/certs/ca-certificates.crt" /* of the package ca-certificates */

/* ---- sockets ---- */

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

bool child_is_on(const struct child *w)
{
	return w->nlisteners != 0 || !has_listeners(w->service);
}

enum err child_init(struct child *w, enum rpc_service service, uint32_t number,
		    const struct conf *c, struct diag *d)
{
	enum err e = E_OK;

	*w = (struct child){.service = service, .number = number, .control = -1};
	for (size_t i = 0; i < ARRAY_LEN(listeners); i++) {
		size_t n = conf_count(c, listeners[i].setting);

		for (size_t k = 0; listeners[i].service == w->service && k < n && e == E_OK; k++) {
			struct conf_addr a = conf_addr(c, listeners[i].setting, k);

			if (w->nlisteners == SETUP_LISTENERS_MAX)
				return diag_set(d, E_LIMIT, "too many listeners");
			w->names[w->nlisteners] = listeners[i].name;
			e = bind_one(&a, a.port, &w->fds[w->nlisteners], d);
			w->nlisteners += e == E_OK;
		}
	}
	if (e == E_OK && child_is_on(w) && conf_count(c, "rpc.listen") != 0) {
		struct conf_addr a = conf_addr(c, "rpc.listen", 0);

		e = bind_one(&a, (uint16_t)(a.port + w->number), &w->fds[w->nlisteners], d);
		w->rpc_listen = e == E_OK;
	}
	return e;
}

/* ---- set-up ---- */

static void worker_user(const struct conf *c, enum rpc_service s, uint32_t *uid, uint32_t *gid)
{
	char name[64];
	struct passwd *pw;

	*uid = *gid = 0;
	if (geteuid() != 0)
		return;
	snprintf(name, sizeof name, "postern-%s", rpc_service_name(s));
	pw = getpwnam(name);
	*uid = pw != NULL ? pw->pw_uid : (uint32_t)conf_int(c, "workers.uid_base") + (uint32_t)s;
	*gid = pw != NULL ? pw->pw_gid : *uid;
}

/* "192.0.2.1:53", "[2001:db8::1]:53". */
static slice_t addr_text(const struct conf *c, const char *setting, size_t i, char *text,
			 size_t size)
{
	struct conf_addr a = conf_addr(c, setting, i);

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

static void encode_setup(const struct child *w, const struct conf *c, const struct pems *p,
			 struct buf *out)
{
	char backends[SETUP_BACKENDS_MAX][ADDR_TEXT], dns[ADDR_TEXT];
	struct worker_setup s = {
		.node = slice_str(conf_str(c, "name")),
		.service = w->service,
		.worker = w->number,
		.log_level = slice_str(conf_str(c, "log.level")),
		.ca_pem = buf_slice(&p->ca),
		.cert_pem = buf_slice(&p->cert[w->service]),
		.key_pem = buf_slice(&p->key[w->service]),
		.rpc_listen = w->rpc_listen,
		.nlisteners = w->nlisteners,
		.nbackends = MIN(conf_count(c, "backends"), (size_t)SETUP_BACKENDS_MAX),
	};

	worker_user(c, w->service, &s.uid, &s.gid);
	for (size_t i = 0; i < w->nlisteners; i++)
		s.listeners[i] = slice_str(w->names[i]);
	for (size_t i = 0; i < s.nbackends; i++)
		s.backends[i] = addr_text(c, "backends", i, backends[i], sizeof backends[i]);
	/* To each what its service needs. */
	if (w->nlisteners != 0)
		put_certs(w->service == SERVICE_WEB && p->https.n != 0 ? &p->https : &p->tls, &s);
	if (pems_asks_dns(w->service)) {
		s.dns_anchors = buf_slice(&p->anchors);
		if (conf_count(c, "dns.server") != 0)
			s.dns_server = addr_text(c, "dns.server", 0, dns, sizeof dns);
	}
	if (w->service == SERVICE_OUTBOUND) {
		const char *trust = conf_str(c, "tls.trust");

		s.trust_path = slice_str(trust[0] != '\0' ? trust : AUTHORITIES);
		if (conf_count(c, "listen.smtp") != 0)
			s.own_cert_pem = buf_slice(&p->tls.cert[0]); /* without its key */
		s.sts_port = (uint32_t)conf_int(c, "sts.port");
	}
	setup_encode(&s, out);
}

/* For keys: one that grew would leave copies. */
static void setup_buf_init(struct buf *b)
{
	buf_init(b, SETUP_BYTES_MAX, NULL);
	(void)buf_expect(b, SETUP_BYTES_MAX);
}

enum err child_check_setup(const struct child *w, const struct conf *c, const struct pems *p,
			   struct diag *d)
{
	enum err e = E_OK;
	struct buf b;

	setup_buf_init(&b);
	encode_setup(w, c, p, &b);
	if (buf_failed(&b))
		e = diag_set(d, E_TOO_BIG,
			     "a worker's certificates are together larger than %d KiB",
			     SETUP_BYTES_MAX / 1024);
	secret_wipe_buf(&b);
	buf_fini(&b);
	return e;
}

/* ---- the process ---- */

/* In it: the descriptors go to their places and the program starts anew. */
NORETURN static void exec_child(const struct child *w, int control)
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

void child_send_setup(struct child *w, const struct conf *c, const struct pems *p)
{
	struct buf b;

	setup_buf_init(&b);
	encode_setup(w, c, p, &b);
	/* The socket's buffer was made to hold it; the worker reads it first of all. */
	if (buf_failed(&b) ||
	    send(w->control, b.p, b.n, MSG_NOSIGNAL | MSG_DONTWAIT) != (ssize_t)b.n)
		LOG(LOG_ERROR, NULL, "worker.setup_not_sent", LF_INT("pid", w->pid),
		    LF_UINT("bytes", b.n));
	secret_wipe_buf(&b);
	buf_fini(&b);
}

void child_start(struct child *w, const struct conf *c, const struct pems *p)
{
	int pair[2], size = 2 * SETUP_BYTES_MAX;

	w->started_ms = clock_mono_ms();
	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) != 0)
		invariant(false);
	if (setsockopt(pair[0], SOL_SOCKET, SO_SNDBUF, &size, sizeof size) != 0)
		LOG(LOG_WARN, NULL, "worker.sndbuf", LF_ERRNO("why", errno));
	w->pid = fork();
	if (w->pid == 0)
		exec_child(w, pair[1]);
	close(pair[1]);
	w->control = pair[0];
	if (w->pid < 0) {
		LOG(LOG_ERROR, NULL, "worker.fork_failed", LF_ERRNO("why", errno));
		close(w->control);
		w->pid = 0;
		w->start_at_ms = w->started_ms + PAUSE_MAX_MS;
		return;
	}
	child_send_setup(w, c, p);
	LOG(LOG_INFO, NULL, "worker.started", LF_STR("service", rpc_service_name(w->service)),
	    LF_UINT("worker", w->number), LF_INT("pid", w->pid));
}

void child_ended(struct child *w, int status)
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
