/*
 * Output: fibers append to `out`; once a turn it is encrypted and offered to the socket. What the
 * socket does not take is copied and left to libuv (`inflight`); until that is done nothing more
 * is encrypted, so a slow peer holds at most the high water plus one send.
 */
#include <netinet/tcp.h>
#include <sys/socket.h>

#include "common/net/net_priv.h"

#define QUEUE_LARGE (4 * 1024) /* no reply is so long: it is a part of something */
#define QUEUE_AHEAD 8          /* pieces that room is made for: most of a message, in one step */

struct write_rest {
	uv_write_t req;
	struct stream *s;
	size_t n;
	char bytes[];
};

size_t stream_queued(const struct stream *s)
{
	return s->out.n + s->inflight;
}

static void wake_writers(struct stream *s)
{
	if (stream_queued(s) <= s->high_water / 2 || s->out_err != E_OK)
		waitq_wake_all(&s->writers);
}

void stream_end_output(struct stream *s, enum err e)
{
	if (s->out_err == E_OK)
		s->out_err = e;
	buf_reset(&s->out);
	buf_trim(&s->out);
	waitq_wake_all(&s->writers);
}

static void on_written(uv_write_t *req, int status)
{
	struct write_rest *w = container_of(req, struct write_rest, req);
	struct stream *s = w->s;

	s->inflight -= w->n;
	budget_give(s->budget, w->n);
	if (status == 0)
		s->bytes_out += w->n;
	xfree(&w);
	if (s->closing >= CLOSING_HANDLE)
		return;
	if (status != 0) {
		stream_set_why(s, uv_strerror(status));
		stream_end_output(s, net_err(status));
	}
	loop_at_turn_end(&s->hook);
}

void stream_send(struct stream *s, slice_t bytes)
{
	uv_buf_t b = uv_buf_init((char *)(uintptr_t)bytes.p, (unsigned)bytes.n);
	struct write_rest *w;
	int rc;

	if (bytes.n == 0 || s->out_err != E_OK)
		return;
	/* libuv says EAGAIN while an earlier rest is on its way: the order is kept. */
	rc = uv_try_write((uv_stream_t *)&s->tcp, &b, 1);
	if (rc >= 0) {
		s->bytes_out += (uint64_t)rc;
		bytes = slice_from(bytes, (size_t)rc);
	} else if (rc != UV_EAGAIN) {
		stream_set_why(s, uv_strerror(rc));
		stream_end_output(s, net_err(rc));
		return;
	}
	if (bytes.n == 0)
		return;
	w = xmalloc(sizeof *w + bytes.n);
	w->s = s;
	w->n = bytes.n;
	memcpy(w->bytes, bytes.p, bytes.n);
	b = uv_buf_init(w->bytes, (unsigned)w->n);
	rc = uv_write(&w->req, (uv_stream_t *)&s->tcp, &b, 1, on_written);
	if (rc != 0) {
		xfree(&w);
		stream_set_why(s, uv_strerror(rc));
		stream_end_output(s, net_err(rc));
		return;
	}
	/* Bounded by NET_SEND_MAX and already charged once as plain text: must not fail. */
	budget_force(s->budget, w->n);
	s->inflight += w->n;
}

void stream_flush_out(struct stream *s)
{
	size_t sent;

	if (s->out_err != E_OK || s->inflight > 0 || s->out.n == 0) {
		wake_writers(s);
		return;
	}
	if (s->tls == NULL) {
		sent = MIN(s->out.n, (size_t)NET_SEND_MAX);
		stream_send(s, slice(s->out.p, sent));
	} else if (tls_conn_ready(s->tls)) {
		sent = tls_conn_output(s, buf_slice(&s->out));
	} else {
		return; /* stream_tls_*() queue nothing before they are done */
	}
	if (s->out_err == E_OK)
		buf_drop(&s->out, sent);
	buf_trim(&s->out);
	if (s->out.n > 0 && s->inflight == 0 && s->out_err == E_OK)
		loop_at_turn_end(&s->hook);
	wake_writers(s);
}

/* Data, not replies: more of its kind follows. To come there by doubling would copy what is queued
 * several times over. */
static void make_room(struct stream *s, size_t n)
{
	size_t room = MIN(QUEUE_AHEAD * n, s->high_water);

	if (n < QUEUE_LARGE || s->out.n + n <= s->out.cap || s->out.n >= room)
		return;
	(void)buf_expect(&s->out, room - s->out.n); /* else what there is may do */
}

static enum err queue(struct stream *s, slice_t data)
{
	make_room(s, data.n);
	buf_put(&s->out, data);
	if (buf_failed(&s->out)) {
		s->out.failed = false;
		return E_LIMIT;
	}
	loop_at_turn_end(&s->hook);
	return E_OK;
}

/* Waits until at most `most` bytes are queued. */
WAITS static enum err wait_queue(struct stream *s, size_t most, const char *name,
				 int64_t deadline_ms)
{
	enum err e;

	loans_over();
	while (s->out_err == E_OK && stream_queued(s) > most) {
		stream_wait_begin(s);
		e = waitq_wait(&s->writers, name, deadline_ms);
		if (stream_wait_end(s))
			return E_CLOSED;
		if (e != E_OK)
			return e;
	}
	return s->out_err;
}

WAITS enum err stream_drain(struct stream *s, const char *name, int64_t deadline_ms)
{
	return wait_queue(s, s->high_water - 1, name, deadline_ms);
}

WAITS enum err stream_write(struct stream *s, slice_t data, int64_t deadline_ms)
{
	enum err e = s->out_err;

	while (e == E_OK && data.n > 0) {
		size_t n;

		e = stream_drain(s, "stream.write", deadline_ms);
		if (e != E_OK)
			break;
		n = MIN(data.n, s->high_water - stream_queued(s));
		e = queue(s, slice_sub(data, 0, n));
		data = slice_from(data, n);
	}
	return e;
}

enum err stream_write_now(struct stream *s, slice_t data)
{
	if (s->out_err != E_OK)
		return s->out_err;
	if (stream_queued(s) > 2 * s->high_water)
		return E_LIMIT;
	return queue(s, data);
}

WAITS enum err stream_flush(struct stream *s, int64_t deadline_ms)
{
	return wait_queue(s, 0, "stream.flush", deadline_ms);
}

void stream_ack_soon(struct stream *s)
{
	const int on = 1;
	uv_os_fd_t fd;

	/* Not sticky, and a hint: what comes of it is no matter. */
	if (uv_fileno((uv_handle_t *)&s->tcp, &fd) == 0)
		(void)setsockopt(fd, IPPROTO_TCP, TCP_QUICKACK, &on, sizeof on);
}
