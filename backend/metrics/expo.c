#include "backend/metrics/expo.h"

#include "common/log/log.h"
#include "common/loop/fiber.h"

#define REQUEST_MAX 8192
#define ANSWER_MAX  (16u * 1024 * 1024)
#define CLIENT_MS   10000

struct expo {
	struct expo_conf conf;
	struct listener *listener;
	unsigned clients;
	bool stopped; /* freed by the last client */
};

struct client {
	struct expo *expo;
	struct stream *stream;
};

/* Waits for the whole request head; *line_out is its first line, in the stream's window. */
WAITS static enum err read_head(struct stream *s, slice_t *line_out, int64_t deadline)
{
	for (;;) {
		slice_t in = stream_peek(s);
		size_t end = slice_find(in, SL("\r\n\r\n"));
		enum err e;

		if (end < in.n) {
			*line_out = slice_sub(in, 0, slice_find(in, SL("\r\n")));
			return E_OK;
		}
		if (in.n >= REQUEST_MAX)
			return E_LIMIT;
		e = stream_fill(s, in.n, "metrics.request", deadline);
		if (e != E_OK)
			return e;
	}
}

WAITS static enum err answer(struct client *c, const char *status, slice_t body, int64_t deadline)
{
	struct buf head;
	enum err e;

	buf_init(&head, 1024, NULL);
	buf_printf(&head,
		   "HTTP/1.1 %s\r\nContent-Type: text/plain; version=0.0.4\r\n"
		   "Content-Length: %zu\r\nConnection: close\r\n\r\n",
		   status, body.n);
	e = stream_write(c->stream, buf_slice(&head), deadline);
	if (e == E_OK)
		e = stream_write(c->stream, body, deadline);
	buf_fini(&head);
	return e;
}

WAITS static enum err serve(struct client *c)
{
	const struct expo_conf *conf = &c->expo->conf;
	int64_t deadline = deadline_in(CLIENT_MS);
	struct buf body;
	struct diag d = {""};
	slice_t line;
	enum err e = read_head(c->stream, &line, deadline);

	if (c->expo->stopped)
		return E_CANCELLED; /* what is borrowed may be gone */
	if (e != E_OK)
		return e == E_LIMIT ? answer(c, "431 Request Header Fields Too Large", SLICE_NONE,
					     deadline)
				    : e;
	if (slice_starts(line, SL("GET /health "))) {
		bool ok = conf->healthy(conf->arg);

		return answer(c, ok ? "200 OK" : "503 Service Unavailable",
			      ok ? SL("ok\n") : SL("not ready\n"), deadline);
	}
	if (!slice_starts(line, SL("GET /metrics ")))
		return answer(c, "404 Not Found", SL("GET /metrics or GET /health\n"), deadline);
	buf_init(&body, ANSWER_MAX, NULL);
	if (nodes_render(conf->nodes, conf->node, &body, &d) == E_OK && !buf_failed(&body))
		e = answer(c, "200 OK", buf_slice(&body), deadline);
	else
		e = answer(c, "500 Internal Server Error", slice_str(d.text), deadline);
	buf_fini(&body);
	return e;
}

static void client_gone(struct expo *e)
{
	if (--e->clients == 0 && e->stopped)
		xfree(&e);
}

WAITS static void client_run(void *arg)
{
	struct client *c = arg;
	enum err e = serve(c);

	stream_close(&c->stream, e == E_OK ? CLOSE_DONE : CLOSE_PROTOCOL);
	client_gone(c->expo);
	xfree(&c);
}

static void on_accept(struct stream *s, void *arg)
{
	struct expo *e = arg;
	struct client *c;

	if (e->clients >= EXPO_CLIENTS_MAX) {
		stream_close(&s, CLOSE_LIMIT);
		return;
	}
	c = xcalloc(1, sizeof *c);
	*c = (struct client){.expo = e, .stream = s};
	e->clients++;
	if (fiber_start("metrics.client", client_run, c, NULL) != E_OK) {
		stream_close(&c->stream, CLOSE_LIMIT);
		client_gone(e);
		xfree(&c);
	}
}

enum err expo_start(const struct expo_conf *conf, const struct ipaddr *addr, uint16_t port,
		    struct expo **out, struct diag *d)
{
	struct expo *e = xcalloc(1, sizeof *e);
	int fd;
	enum err err = listen_socket(addr, port, LISTEN_ALONE, &fd, d);

	e->conf = *conf;
	if (err == E_OK)
		err = listen_fd(fd, NULL, on_accept, e, &e->listener);
	if (err != E_OK)
		xfree(&e);
	else
		*out = e;
	return err;
}

void expo_stop(struct expo **pe)
{
	struct expo *e = *pe;

	if (e == NULL)
		return;
	listener_close(&e->listener);
	*pe = NULL;
	e->stopped = true;
	if (e->clients == 0)
		xfree(&e);
}
