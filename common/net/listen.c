/*
 * Accepting by hand on a polled descriptor: the socket may come from the supervisor, already
 * listening, and a confined worker may do nothing with it but accept.
 */
#include <errno.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include "common/log/log.h"
#include "common/net/net_priv.h"

#define LISTEN_BACKLOG 1024
#define ACCEPT_BATCH   32  /* at once; the loop has other things to do, too */
#define SHORT_PAUSE_MS 100 /* without descriptors or memory; some session will end */

struct listener {
	uv_poll_t poll;
	int fd;
	bool closed;
	struct stream_opts opts;
	void (*on_accept)(struct stream *s, void *arg);
	void *arg;
	struct timer again;
};

static void on_readable(uv_poll_t *h, int status, int events);

static void poll_start(struct listener *l)
{
	invariant(uv_poll_start(&l->poll, UV_READABLE, on_readable) == 0);
}

static void on_again(struct timer *t)
{
	poll_start(container_of(t, struct listener, again));
}

/* False: no more for now. */
static bool accept_one(struct listener *l)
{
	struct sockaddr_storage ss = {0};
	socklen_t n = sizeof ss;
	struct stream *s;
	int fd = accept4(l->fd, (struct sockaddr *)&ss, &n, SOCK_NONBLOCK | SOCK_CLOEXEC);

	if (fd >= 0) {
		if (stream_adopt(fd, &l->opts, (struct sockaddr *)&ss, &s) == E_OK)
			l->on_accept(s, l->arg);
		return true;
	}
	if (errno == EAGAIN)
		return false;
	if (errno == EMFILE || errno == ENFILE || errno == ENOBUFS || errno == ENOMEM) {
		LOG(LOG_WARN, NULL, "net.accept", LF_ERRNO("errno", errno));
		uv_poll_stop(&l->poll);
		timer_set(&l->again, deadline_in(SHORT_PAUSE_MS));
		return false;
	}
	return true; /* the connection went away before we took it */
}

static void on_readable(uv_poll_t *h, int status UNUSED, int events UNUSED)
{
	struct listener *l = h->data;

	for (int i = 0; i < ACCEPT_BATCH && !l->closed; i++)
		if (!accept_one(l))
			break;
}

enum err listen_fd(int fd, const struct stream_opts *opts,
		   void (*on_accept)(struct stream *s, void *arg), void *arg, struct listener **out)
{
	static const struct stream_opts none;
	struct listener *l = xcalloc(1, sizeof *l);

	l->fd = fd;
	l->opts = opts != NULL ? *opts : none;
	l->on_accept = on_accept;
	l->arg = arg;
	timer_init(&l->again, on_again);
	/* Makes it non-blocking, too. */
	if (uv_poll_init(loop_uv(loop_current()), &l->poll, fd) != 0) {
		close(fd);
		xfree(&l);
		return E_IO;
	}
	l->poll.data = l;
	poll_start(l);
	*out = l;
	return E_OK;
}

static enum err bind_and_listen(int fd, const struct ipaddr *addr, uint16_t port,
				enum listen_share share, struct diag *d)
{
	struct sockaddr_storage ss;
	socklen_t n = net_to_sockaddr(addr, port, &ss);
	const int on = 1;
	const int reuseport = share == LISTEN_REUSEPORT;

	if (setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on) != 0 ||
	    setsockopt(fd, SOL_SOCKET, SO_REUSEPORT, &reuseport, sizeof reuseport) != 0 ||
	    (addr->family == 6 && setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &on, sizeof on) != 0))
		return diag_set(d, E_IO, "setsockopt: %s", strerror(errno));
	if (bind(fd, (struct sockaddr *)&ss, n) != 0)
		return diag_set(d, E_IO, "bind to port %u: %s", port, strerror(errno));
	if (listen(fd, LISTEN_BACKLOG) != 0)
		return diag_set(d, E_IO, "listen: %s", strerror(errno));
	return E_OK;
}

enum err listen_socket(const struct ipaddr *addr, uint16_t port, enum listen_share share,
		       int *fd_out, struct diag *d)
{
	int fd;
	enum err e;

	if (addr->family != 4 && addr->family != 6)
		return diag_set(d, E_INVALID, "no address to listen on");
	fd = socket(addr->family == 4 ? AF_INET : AF_INET6,
		    SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return diag_set(d, E_IO, "socket: %s", strerror(errno));
	e = bind_and_listen(fd, addr, port, share, d);
	if (e != E_OK) {
		close(fd);
		return e;
	}
	*fd_out = fd;
	return E_OK;
}

void listen_raise_limit(void)
{
	struct rlimit r;

	if (getrlimit(RLIMIT_NOFILE, &r) != 0 || r.rlim_cur == r.rlim_max)
		return;
	r.rlim_cur = r.rlim_max;
	if (setrlimit(RLIMIT_NOFILE, &r) != 0)
		LOG(LOG_WARN, NULL, "net.descriptors", LF_ERRNO("why", errno));
}

bool listen_address(int fd, struct ipaddr *addr_out, uint16_t *port_out)
{
	struct sockaddr_storage ss = {0};
	socklen_t n = sizeof ss;

	*addr_out = (struct ipaddr){.family = 0};
	*port_out = 0;
	if (getsockname(fd, (struct sockaddr *)&ss, &n) == 0)
		net_from_sockaddr((struct sockaddr *)&ss, addr_out, port_out);
	return addr_out->family != 0;
}

uint16_t listen_port(int fd)
{
	struct ipaddr addr;
	uint16_t port;

	return listen_address(fd, &addr, &port) ? port : 0;
}

static void on_closed(uv_handle_t *h)
{
	struct listener *l = h->data;

	close(l->fd);
	xfree(&l);
}

void listener_close(struct listener **lp)
{
	struct listener *l = *lp;

	if (l == NULL)
		return;
	*lp = NULL;
	l->closed = true;
	timer_clear(&l->again);
	uv_close((uv_handle_t *)&l->poll, on_closed);
}
