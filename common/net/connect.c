#include "common/log/log.h"
#include "common/net/net_priv.h"

struct connecting {
	uv_connect_t req;
	struct stream *s;
};

static void on_connected(uv_connect_t *req, int status)
{
	struct connecting *c = container_of(req, struct connecting, req);
	struct stream *s = c->s;

	xfree(&c);
	if (s->closing != CLOSING_NOT)
		return;
	if (status != 0) {
		stream_set_why(s, uv_strerror(status));
		s->in_err = s->out_err = E_IO;
	}
	event_set(&s->readable);
}

static void learn_local(struct stream *s)
{
	struct sockaddr_storage ss = {0};
	int n = sizeof ss;

	if (uv_tcp_getsockname(&s->tcp, (struct sockaddr *)&ss, &n) == 0)
		net_from_sockaddr((struct sockaddr *)&ss, &s->local, &s->local_port);
	uv_tcp_nodelay(&s->tcp, 1);
}

static int begin(struct stream *s, const struct ipaddr *to, uint16_t port,
		 const struct ipaddr *from)
{
	struct sockaddr_storage ss;
	struct connecting *c;
	int rc;

	if (from != NULL) {
		net_to_sockaddr(from, 0, &ss);
		rc = uv_tcp_bind(&s->tcp, (struct sockaddr *)&ss, 0);
		if (rc != 0)
			return rc;
	}
	net_to_sockaddr(to, port, &ss);
	c = xcalloc(1, sizeof *c);
	c->s = s;
	rc = uv_tcp_connect(&c->req, &s->tcp, (struct sockaddr *)&ss, on_connected);
	if (rc != 0)
		xfree(&c);
	return rc;
}

WAITS enum err stream_connect(const struct ipaddr *to, uint16_t port, const struct ipaddr *from,
			      const struct stream_opts *opts, int64_t deadline_ms,
			      struct stream **out)
{
	struct stream *s = stream_new(opts);
	char text[IPADDR_STR];
	enum err e;
	int rc;

	s->peer = *to;
	s->peer_port = port;
	rc = begin(s, to, port, from);
	if (rc != 0) {
		stream_set_why(s, uv_strerror(rc));
		e = E_IO;
	} else {
		stream_wait_begin(s);
		e = event_wait(&s->readable, "stream.connect", deadline_ms);
		if (stream_wait_end(s))
			return E_CLOSED;
		if (e == E_OK)
			e = s->in_err;
	}
	if (e != E_OK) {
		LOG(LOG_DEBUG, NULL, "net.connect", LF_STR("to", ipaddr_str(to, text)),
		    LF_UINT("port", port), LF_ERR("status", e),
		    LF_STR("why", s->why != NULL ? s->why : ""));
		if (opts != NULL)
			(void)diag_set(opts->why, e, "%s", s->why != NULL ? s->why : err_name(e));
		stream_abort(s);
		return e;
	}
	learn_local(s);
	*out = s;
	return E_OK;
}
