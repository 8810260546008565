/*
 * Life of a stream: open; detached by stream_close(), when nobody but this file knows it any
 * more: FLUSH (what is queued goes out, at most CLOSE_GRACE_MS), LINGER (our end is sent, the
 * peer's is awaited, its bytes thrown away: closing a socket with unread input would send a
 * reset, which can destroy our last reply on its way), HANDLE (uv_close), GONE.
 */
#include "common/net/stream.h"

#include <errno.h>
#include <sys/socket.h>
#include <netinet/tcp.h>
#include <unistd.h>

#include "common/net/net_priv.h"

#define CLOSE_GRACE_MS   3000          /* for all of a polite close; a session is over, be short */
#define LINGER_BYTES_MAX (1024 * 1024) /* of input thrown away; a peer that goes on is reset */

static void on_turn_end(struct loop_hook *hook);
static void on_grace(struct timer *t);

const char *close_reason_name(enum close_reason r)
{
	switch (r) {
	case CLOSE_DONE:
		return "done";
	case CLOSE_PEER:
		return "peer";
	case CLOSE_TIMEOUT:
		return "timeout";
	case CLOSE_PROTOCOL:
		return "protocol";
	case CLOSE_TLS:
		return "tls";
	case CLOSE_LIMIT:
		return "limit";
	case CLOSE_IO:
		return "io";
	case CLOSE_SHUTDOWN:
		return "shutdown";
	}
	return "unknown";
}

static bool is_polite(enum close_reason r)
{
	switch (r) {
	case CLOSE_DONE:
	case CLOSE_TIMEOUT:
	case CLOSE_PROTOCOL:
	case CLOSE_LIMIT:
	case CLOSE_SHUTDOWN:
		return true;
	case CLOSE_PEER:
	case CLOSE_TLS:
	case CLOSE_IO:
		return false;
	}
	return false;
}

struct net_scratch *net_scratch(void)
{
	return loop_scratch(loop_current(), sizeof(struct net_scratch));
}

enum err net_err(int status)
{
	if (status == 0)
		return E_OK;
	if (status == UV_EOF || status == UV_ECONNRESET || status == UV_EPIPE)
		return E_CLOSED;
	return E_IO;
}

void stream_set_why(struct stream *s, const char *why)
{
	if (s->why == NULL)
		s->why = xstrdup(why);
}

void stream_diag(const struct stream *s, struct diag *d)
{
	(void)diag_set(d, E_OK, "%s", s->why != NULL ? s->why : "");
}

/* ---- addresses ---- */

void net_from_sockaddr(const struct sockaddr *sa, struct ipaddr *addr, uint16_t *port)
{
	static const uint8_t mapped[12] = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff};

	*addr = (struct ipaddr){0};
	*port = 0;
	if (sa->sa_family == AF_INET) {
		const struct sockaddr_in *in = (const struct sockaddr_in *)(const void *)sa;

		addr->family = 4;
		memcpy(addr->b, &in->sin_addr, 4);
		*port = ntohs(in->sin_port);
	} else if (sa->sa_family == AF_INET6) {
		const struct sockaddr_in6 *in6 = (const struct sockaddr_in6 *)(const void *)sa;
		const uint8_t *b = in6->sin6_addr.s6_addr;
		bool is_v4 = memcmp(b, mapped, sizeof mapped) == 0;

		addr->family = is_v4 ? 4 : 6;
		memcpy(addr->b, is_v4 ? b + 12 : b, is_v4 ? 4 : 16);
		*port = ntohs(in6->sin6_port);
	}
}

socklen_t net_to_sockaddr(const struct ipaddr *addr, uint16_t port, struct sockaddr_storage *ss)
{
	memset(ss, 0, sizeof *ss);
	if (addr->family == 4) {
		struct sockaddr_in *in = (struct sockaddr_in *)(void *)ss;

		in->sin_family = AF_INET;
		memcpy(&in->sin_addr, addr->b, 4);
		in->sin_port = htons(port);
		return sizeof *in;
	}
	struct sockaddr_in6 *in6 = (struct sockaddr_in6 *)(void *)ss;

	in6->sin6_family = AF_INET6;
	memcpy(&in6->sin6_addr, addr->b, 16);
	in6->sin6_port = htons(port);
	return sizeof *in6;
}

const struct ipaddr *stream_peer(const struct stream *s)
{
	return &s->peer;
}

uint16_t stream_peer_port(const struct stream *s)
{
	return s->peer_port;
}

const struct ipaddr *stream_local(const struct stream *s)
{
	return &s->local;
}

uint16_t stream_local_port(const struct stream *s)
{
	return s->local_port;
}

bool stream_is_tls(const struct stream *s)
{
	return s->tls != NULL && tls_conn_ready(s->tls);
}

uint64_t stream_bytes_in(const struct stream *s)
{
	return s->bytes_in;
}

uint64_t stream_bytes_out(const struct stream *s)
{
	return s->bytes_out;
}

/* ---- making one ---- */

/* The reader's loan is over: what is not consumed goes to a place of its own. */
static void window_over(struct loan *l)
{
	struct stream *s = container_of(l, struct stream, loan);

	buf_drop(&s->in, s->in_off);
	s->in_off = 0;
	buf_trim(&s->in);
}

struct stream *stream_new(const struct stream_opts *opts)
{
	static const struct stream_opts none;
	struct stream *s = xcalloc(1, sizeof *s);

	if (opts == NULL)
		opts = &none;
	s->magic = STREAM_MAGIC;
	s->budget = opts->budget;
	s->window_max = opts->window_max != 0 ? opts->window_max : WINDOW_DEFAULT;
	s->window_opened = s->window_max;
	s->high_water = opts->high_water != 0 ? opts->high_water : HIGH_WATER_DEFAULT;
	buf_init(&s->in, s->window_max, opts->budget);
	loan_init(&s->loan, window_over);
	buf_init(&s->out, SIZE_MAX / 4, opts->budget); /* bounded by the high water */
	event_init(&s->readable);
	waitq_init(&s->writers);
	list_init(&s->hook.node);
	s->hook.fn = on_turn_end;
	timer_init(&s->grace, on_grace);
	invariant(uv_tcp_init(loop_uv(loop_current()), &s->tcp) == 0);
	s->tcp.data = s;
	return s;
}

enum err stream_adopt(int fd, const struct stream_opts *opts, const struct sockaddr *peer,
		      struct stream **out)
{
	struct sockaddr_storage ss = {0};
	socklen_t n = sizeof ss;
	struct stream *s = stream_new(opts);
	const int on = 1;

	/* It also fails for a local socket pair, which needs it not. */
	if ((setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on) != 0 &&
	     (errno == ENOTSOCK || errno == EBADF)) ||
	    uv_tcp_open(&s->tcp, fd) != 0) {
		close(fd);
		stream_abort(s);
		return E_IO;
	}
	if (peer == NULL && getpeername(fd, (struct sockaddr *)&ss, &n) == 0)
		peer = (struct sockaddr *)&ss;
	if (peer != NULL)
		net_from_sockaddr(peer, &s->peer, &s->peer_port);
	n = sizeof ss;
	if (getsockname(fd, (struct sockaddr *)&ss, &n) == 0)
		net_from_sockaddr((struct sockaddr *)&ss, &s->local, &s->local_port);
	*out = s;
	return E_OK;
}

enum err stream_from_fd(int fd, const struct stream_opts *opts, struct stream **out)
{
	return stream_adopt(fd, opts, NULL, out);
}

/* ---- input ---- */

static size_t available(const struct stream *s)
{
	return s->in.n - s->in_off;
}

size_t stream_room(const struct stream *s)
{
	return s->window_max - MIN(available(s), s->window_max);
}

void stream_set_window(struct stream *s, size_t max)
{
	s->window_max = max != 0 ? max : s->window_opened;
	s->in.max = MAX(s->window_max, s->in.n);
	if (stream_room(s) == 0)
		stream_read_stop(s); /* libuv takes a read of nothing for an error */
	if (s->read_wanted)
		loop_at_turn_end(&s->hook);
}

char *stream_window_reserve(struct stream *s, size_t n)
{
	if (s->in_off > 0 && n > s->in.cap - s->in.n) {
		buf_drop(&s->in, s->in_off);
		s->in_off = 0;
	}
	return buf_expect(&s->in, n) ? buf_reserve(&s->in, n) : NULL;
}

void stream_wake_reader(struct stream *s)
{
	event_set(&s->readable);
	if (s->notify != NULL)
		event_set(s->notify);
}

void stream_end_input(struct stream *s, enum err e)
{
	stream_read_stop(s);
	if (s->in_err == E_OK)
		s->in_err = e;
	stream_wake_reader(s);
}

/* Into the scratch buffer, since most of what comes is short, and a window's memory is as large as
 * what is in it. One that was widened expects much: it is read into. */
static void on_alloc(uv_handle_t *h, size_t suggested UNUSED, uv_buf_t *out)
{
	struct stream *s = h->data;
	size_t n = NET_READ_MAX;
	char *to = NULL;

	/* Of cipher text slightly more than the room: a whole record ends with its tag. */
	if (s->closing == CLOSING_NOT)
		n = MIN(n, stream_room(s) + (s->tls != NULL ? TLS_RECORD_OVER : 0));
	/* Where there is no room for so much, what comes may be less. */
	if (s->closing == CLOSING_NOT && s->tls == NULL && s->window_max > s->window_opened)
		to = stream_window_reserve(s, n);
	*out = uv_buf_init(to != NULL ? to : net_scratch()->in, (unsigned)n);
}

/* What was read stands in the scratch buffer, or in the window already. */
static void window_put(struct stream *s, slice_t bytes)
{
	char *to;

	if (bytes.p == net_scratch()->in) {
		to = stream_window_reserve(s, bytes.n);
		if (to == NULL) {
			stream_set_why(s, "the memory budget is used up");
			stream_end_input(s, E_LIMIT);
			return;
		}
		memcpy(to, bytes.p, bytes.n);
	}
	buf_commit(&s->in, bytes.n);
	stream_wake_reader(s);
}

static void linger_input(struct stream *s, ssize_t n)
{
	if (n > 0)
		s->lingered += (size_t)n;
	if (n < 0 || s->lingered > LINGER_BYTES_MAX)
		stream_abort(s);
}

static void on_read(uv_stream_t *h, ssize_t n, const uv_buf_t *b)
{
	struct stream *s = h->data;

	invariant(s->magic == STREAM_MAGIC);
	if (n == 0)
		return;
	if (n > 0)
		s->bytes_in += (uint64_t)n;
	if (s->closing != CLOSING_NOT) {
		linger_input(s, n);
		return;
	}
	if (n < 0) {
		if (n != UV_EOF)
			stream_set_why(s, uv_strerror((int)n));
		stream_end_input(s, net_err((int)n));
		return;
	}
	if (s->tls != NULL)
		tls_conn_input(s, slice(b->base, (size_t)n));
	else
		window_put(s, slice(b->base, (size_t)n));
	if (stream_room(s) == 0 || (s->tls != NULL && tls_conn_pending(s->tls)))
		stream_read_stop(s);
}

void stream_read_start(struct stream *s)
{
	int rc;

	if (s->reading)
		return;
	rc = uv_read_start((uv_stream_t *)&s->tcp, on_alloc, on_read);
	if (rc != 0) {
		stream_set_why(s, uv_strerror(rc));
		stream_end_input(s, net_err(rc));
		return;
	}
	s->reading = true;
}

void stream_read_stop(struct stream *s)
{
	if (s->reading)
		uv_read_stop((uv_stream_t *)&s->tcp);
	s->reading = false;
}

/* Goes on reading if there is room and nothing left from before. */
static void resume_input(struct stream *s)
{
	if (s->reading || !s->read_wanted || s->in_err != E_OK || stream_room(s) == 0)
		return;
	if (s->tls != NULL) {
		tls_conn_continue(s);
		if (s->in_err != E_OK || stream_room(s) == 0 || tls_conn_pending(s->tls))
			return;
	}
	stream_read_start(s);
}

slice_t stream_peek(const struct stream *s)
{
	/* The loan is no part of what the reader sees. */
	loan_begin(&((struct stream *)(uintptr_t)s)->loan);
	return slice_from(buf_slice(&s->in), s->in_off);
}

void stream_consume(struct stream *s, size_t n)
{
	invariant(n <= available(s));
	s->in_off += n;
	if (s->in_off == s->in.n) {
		/* Its memory goes at the turn's end: the reader may still look at it. */
		s->in_off = 0;
		s->in.n = 0;
		loop_at_turn_end(&s->hook);
	}
	if (!s->reading && stream_room(s) >= s->window_max / 2)
		loop_at_turn_end(&s->hook);
}

bool stream_readable(const struct stream *s, size_t have)
{
	return available(s) > have || s->in_err != E_OK || available(s) >= s->window_max;
}

void stream_wait_begin(struct stream *s)
{
	invariant(s->magic == STREAM_MAGIC && s->closing == CLOSING_NOT);
	s->waiters++;
}

static void destroy(struct stream *s)
{
	invariant(s->inflight == 0 && list_empty(&s->writers.waiters));
	list_remove(&s->hook.node);
	timer_clear(&s->grace);
	tls_conn_free(&s->tls);
	buf_fini(&s->in);
	buf_fini(&s->out);
	xfree(&s->why);
	s->magic = 0;
	xfree(&s);
}

bool stream_wait_end(struct stream *s)
{
	s->waiters--;
	if (s->closing == CLOSING_NOT)
		return false;
	if (s->closing == CLOSING_GONE && s->waiters == 0)
		destroy(s);
	return true;
}

WAITS enum err stream_fill(struct stream *s, size_t have, const char *name, int64_t deadline_ms)
{
	enum err e;

	loans_over();
	for (;;) {
		if (available(s) > have)
			return E_OK;
		if (s->in_err != E_OK)
			return s->in_err;
		if (available(s) >= s->window_max)
			return E_LIMIT;
		s->read_wanted = true;
		if (!s->reading)
			loop_at_turn_end(&s->hook);
		stream_wait_begin(s);
		e = event_wait(&s->readable, name, deadline_ms);
		if (stream_wait_end(s))
			return E_CLOSED;
		if (e != E_OK)
			return e;
	}
}

void stream_notify(struct stream *s, struct event *e)
{
	s->notify = e;
	if (e == NULL)
		return;
	s->read_wanted = true;
	if (stream_readable(s, 0))
		event_set(e);
	else if (!s->reading)
		loop_at_turn_end(&s->hook);
}

/* ---- the end ---- */

static void on_handle_closed(uv_handle_t *h)
{
	struct stream *s = h->data;

	invariant(s->magic == STREAM_MAGIC && s->closing == CLOSING_HANDLE);
	s->closing = CLOSING_GONE;
	if (s->waiters == 0)
		destroy(s);
}

void stream_abort(struct stream *s)
{
	if (s->closing >= CLOSING_HANDLE)
		return;
	s->closing = CLOSING_HANDLE;
	list_remove(&s->hook.node);
	timer_clear(&s->grace);
	buf_reset(&s->out);
	uv_close((uv_handle_t *)&s->tcp, on_handle_closed);
}

static void on_grace(struct timer *t)
{
	stream_abort(container_of(t, struct stream, grace));
}

/* Everything is with the kernel: says so to the peer, and awaits its end. */
static void begin_linger(struct stream *s)
{
	uv_os_fd_t fd;

	tls_conn_free(&s->tls);
	if (s->in_err != E_OK || uv_fileno((uv_handle_t *)&s->tcp, &fd) != 0 ||
	    shutdown(fd, SHUT_WR) != 0) {
		stream_abort(s);
		return;
	}
	s->closing = CLOSING_LINGER;
	stream_read_start(s);
	if (!s->reading)
		stream_abort(s);
}

static void flush_and_linger(struct stream *s)
{
	stream_flush_out(s);
	if (s->out_err == E_OK && stream_queued(s) == 0 && s->tls != NULL)
		tls_conn_bye(s);
	if (s->out_err != E_OK)
		stream_abort(s);
	else if (stream_queued(s) == 0)
		begin_linger(s);
}

static void on_turn_end(struct loop_hook *hook)
{
	struct stream *s = container_of(hook, struct stream, hook);

	invariant(s->magic == STREAM_MAGIC);
	switch (s->closing) {
	case CLOSING_NOT:
		if (available(s) == 0)
			buf_trim(&s->in);
		resume_input(s);
		stream_flush_out(s);
		break;
	case CLOSING_FLUSH:
		flush_and_linger(s);
		break;
	case CLOSING_LINGER:
	case CLOSING_HANDLE:
	case CLOSING_GONE:
		break;
	}
}

void stream_close(struct stream **sp, enum close_reason reason)
{
	struct stream *s = *sp;

	if (s == NULL)
		return;
	*sp = NULL;
	invariant(s->magic == STREAM_MAGIC && s->closing == CLOSING_NOT);
	s->notify = NULL;
	stream_read_stop(s);
	stream_wake_reader(s);
	waitq_wake_all(&s->writers);
	loan_fini(&s->loan);
	buf_fini(&s->in);
	s->in_off = 0;
	if (!is_polite(reason) || s->out_err != E_OK ||
	    (s->tls != NULL && !tls_conn_ready(s->tls))) {
		stream_abort(s);
		return;
	}
	s->closing = CLOSING_FLUSH;
	timer_set(&s->grace, deadline_in(CLOSE_GRACE_MS));
	loop_at_turn_end(&s->hook);
}
