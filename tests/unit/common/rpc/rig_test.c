#include "tests/unit/common/rpc/rig.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/socket.h>
#include <unistd.h>

#include "common/base/clock.h"
#include "common/base/num.h"

/* ---- the log ---- */

static char lines[256][400];
static unsigned nlines;

static void keep_line(slice_t line, void *arg UNUSED)
{
	if (nlines < ARRAY_LEN(lines))
		snprintf(lines[nlines++], sizeof(lines[0]), "%.*s", (int)line.n, line.p);
}

void rig_log_start(void)
{
	nlines = 0;
	log_redirect(keep_line, NULL);
}

void rig_log_stop(void)
{
	log_redirect(NULL, NULL);
}

const char *rig_log_fault(void)
{
	static char why[200];

	for (unsigned i = nlines; i > 0; i--) {
		const char *p = strstr(lines[i - 1], "event=rpc.fault");

		p = p != NULL ? strstr(p, "why=") : NULL;
		if (p == NULL)
			continue;
		snprintf(why, sizeof(why), "%s", p + 4);
		why[strcspn(why, "\n")] = '\0';
		return why;
	}
	return "";
}

unsigned rig_log_count(const char *event)
{
	unsigned n = 0;

	for (unsigned i = 0; i < nlines; i++)
		n += strstr(lines[i], event) != NULL;
	return n;
}

/* ---- the server ---- */

static struct rig_server *server_of(void *arg)
{
	return arg;
}

static bool admit(const struct rpc_identity *peer UNUSED, uint16_t method, size_t *payload_max,
		  int64_t *deadline_max_ms, void *arg UNUSED)
{
	*payload_max = method == RIG_SMALL ? 16 : RPC_PAYLOAD_MAX;
	*deadline_max_ms = method == RIG_WATCH ? NO_DEADLINE : 60000;
	if (method == RIG_BRIEF)
		*deadline_max_ms = 50;
	return method != RIG_DENIED;
}

static WAITS enum err upload(struct rpc_req *r, char sums[8])
{
	uint32_t n = 0, sum = 0;
	slice_t part;
	enum err e;

	while ((e = rpc_req_recv(r, &part)) == E_OK) {
		n += (uint32_t)part.n;
		for (size_t i = 0; i < part.n; i++)
			sum = sum * 31 + (unsigned char)part.p[i];
	}
	be32_put(sums, n);
	be32_put(sums + 4, sum);
	return e == E_CLOSED ? E_OK : e;
}

static WAITS void serve_upload(struct rpc_req *r)
{
	char sums[8];
	enum err e = upload(r, sums);

	if (e == E_OK)
		rpc_req_reply(r, E_OK, slice(sums, 8), RPC_NO_BODY);
	else
		rpc_req_reply(r, e, SLICE_NONE, RPC_NO_BODY);
}

static WAITS void serve_download(struct rpc_req *r)
{
	static char bytes[RPC_PAYLOAD_MAX];
	uint32_t left = be32_get(rpc_req_payload(r).p);
	uint32_t frame = be32_get(rpc_req_payload(r).p + 4);
	enum err e = rpc_req_reply(r, E_OK, SLICE_NONE, RPC_BODY);

	while (e == E_OK && left > 0) {
		uint32_t n = MIN(left, frame);

		memset(bytes, (int)(left & 0xff), n);
		e = rpc_req_send(r, slice(bytes, n));
		left -= n;
	}
	if (e == E_OK)
		rpc_req_send_end(r);
}

static WAITS void serve_both(struct rpc_req *r)
{
	enum err e = rpc_req_reply(r, E_OK, SLICE_NONE, RPC_BODY);
	slice_t part;

	while (e == E_OK && (e = rpc_req_recv(r, &part)) == E_OK)
		e = rpc_req_send(r, part);
	if (e == E_CLOSED)
		rpc_req_send_end(r);
}

static WAITS void serve_hang(struct rpc_req *r)
{
	struct event never;

	event_init(&never);
	CHECK_ERR(event_wait(&never, "t.never", NO_DEADLINE), E_CANCELLED);
	CHECK(fiber_cancelled());
	/* Its answer would find nobody, unless only the loop is stopping. */
	if (rpc_req_gone(r))
		CHECK_ERR(rpc_req_reply(r, E_OK, SLICE_NONE, RPC_NO_BODY), E_CANCELLED);
}

static void watch_gone(struct rpc_req *r, void *arg)
{
	struct rig_server *srv = server_of(arg);

	CHECK(rpc_req_gone(r));
	srv->gone++;
	for (unsigned i = 0; i < srv->nwatches; i++)
		if (srv->watches[i] == r && !srv->keep_gone)
			rpc_req_end(&srv->watches[i]);
}

static void watch_writable(struct rpc_req *r UNUSED, void *arg)
{
	server_of(arg)->writable++;
}

static const struct rpc_detached_ops watch_ops = {watch_gone, watch_writable};

static WAITS void serve_watch(struct rig_server *srv, struct rpc_req *r)
{
	if (rpc_req_reply(r, E_OK, SLICE_NONE, RPC_BODY) != E_OK)
		return;
	srv->watches[srv->nwatches++] = r;
	rpc_req_detach(r, &watch_ops, srv);
}

static WAITS void serve_given_up(struct rpc_req *r)
{
	if (rpc_req_reply(r, E_OK, SL("head"), RPC_BODY) == E_OK)
		(void)!rpc_req_send(r, SL("part"));
	if (rpc_req_method(r) == RIG_ABORT)
		rpc_req_abort(r, E_QUOTA);
}

static WAITS void dispatch(struct rig_server *srv, struct rpc_req *r)
{
	switch ((enum rig_method)rpc_req_method(r)) {
	case RIG_ECHO:
	case RIG_SMALL:
		rpc_req_reply(r, E_OK, rpc_req_payload(r), RPC_NO_BODY);
		break;
	case RIG_UPLOAD:
		serve_upload(r);
		break;
	case RIG_DOWNLOAD:
		serve_download(r);
		break;
	case RIG_BOTH:
		serve_both(r);
		break;
	case RIG_HANG:
	case RIG_BRIEF:
		serve_hang(r);
		break;
	case RIG_WATCH:
		serve_watch(srv, r);
		break;
	case RIG_ABORT:
	case RIG_HALF:
		serve_given_up(r);
		break;
	case RIG_EARLY:
		rpc_req_reply(r, E_TOO_BIG, SL("no"), RPC_NO_BODY);
		break;
	case RIG_STALL:
		if (waitq_wait(&srv->go, "t.stall", NO_DEADLINE) == E_OK)
			serve_upload(r);
		break;
	case RIG_SILENT:
	case RIG_DENIED:
		break;
	}
}

static WAITS void serve(struct rpc_req *r, void *arg)
{
	struct rig_server *srv = server_of(arg);

	srv->served++;
	srv->active++;
	dispatch(srv, r);
	srv->active--;
}

static void closed(struct rpc_link *l, void *arg)
{
	CHECK(!rpc_link_usable(l));
	server_of(arg)->closed++;
}

static struct budget *shared;

void rig_budget(struct budget *b)
{
	shared = b;
}

void rig_server_init(struct rig_server *srv)
{
	memset(srv, 0, sizeof(*srv));
	waitq_init(&srv->go);
	srv->watches = xcalloc(RIG_WATCHES, sizeof(struct rpc_req *));
	srv->ops = (struct rpc_server_ops){serve, admit, closed, srv, shared};
}

/* ---- streams ---- */

static bool tcp_pair(int fds[2])
{
	struct sockaddr_in a = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	socklen_t n = sizeof(a);
	int l = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	bool ok;

	fds[0] = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	ok = l >= 0 && fds[0] >= 0 && bind(l, (struct sockaddr *)(void *)&a, n) == 0 &&
	     listen(l, 1) == 0 && getsockname(l, (struct sockaddr *)(void *)&a, &n) == 0 &&
	     connect(fds[0], (struct sockaddr *)(void *)&a, n) == 0;
	fds[1] = ok ? accept4(l, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK) : -1;
	close(l);
	return fds[1] >= 0 && fcntl(fds[0], F_SETFL, O_NONBLOCK) == 0;
}

WAITS bool rig_streams(struct stream **a, struct stream **b)
{
	struct stream_opts o = {.window_max = RPC_WINDOW, .high_water = RPC_HIGH_WATER};
	int fds[2];

	return tcp_pair(fds) && stream_from_fd(fds[0], &o, a) == E_OK &&
	       stream_from_fd(fds[1], &o, b) == E_OK;
}

int64_t rig_soon(void)
{
	return deadline_in(10000);
}

WAITS void rig_turns(unsigned n)
{
	for (unsigned i = 0; i < n; i++)
		fiber_sleep("t.turn", 1);
}

/* ---- duo ---- */

static struct rpc_identity fe = {ROLE_FRONTEND, SERVICE_SMTP, "fe1"};
static const struct rpc_identity be = {ROLE_BACKEND, SERVICE_NONE, "be1"};

void rig_peer(const char *name)
{
	snprintf(fe.name, sizeof(fe.name), "%s", name);
}

struct starter {
	struct stream *s;
	struct rpc_link_opts o;
	struct rpc_link **out;
	enum err e;
};

static WAITS void start_server(void *arg)
{
	struct starter *st = arg;

	st->e = rpc_link_start_as(&st->s, &st->o, &fe, &(struct tls_facts){.peer_serial = SL("0a")},
				  rig_soon(), st->out);
}

WAITS bool duo_open(struct duo *d)
{
	struct rpc_link_opts asks = {.side = RPC_REQUESTER, .self = fe};
	struct starter st = {.out = &d->serve};
	struct stream *s = NULL;
	struct scope scope;
	enum err e;

	d->ask = d->serve = NULL;
	rig_server_init(&d->server);
	if (!rig_streams(&s, &st.s))
		return false;
	st.o = (struct rpc_link_opts){.side = RPC_SERVER, .self = be, .ops = &d->server.ops};
	scope_init(&scope);
	if (scope_start(&scope, "t.server", start_server, &st) != E_OK)
		return false;
	e = rpc_link_start_as(&s, &asks, &be, &(struct tls_facts){.peer_serial = SL("0b")},
			      rig_soon(), &d->ask);
	scope_join(&scope, rig_soon());
	return e == E_OK && st.e == E_OK;
}

static WAITS void end_link(struct rpc_link **l)
{
	if (*l == NULL)
		return;
	rpc_link_close(*l, CLOSE_DONE);
	CHECK_ERR(rpc_link_wait_closed(*l, rig_soon()), E_OK);
	/* The fibers' references go with them; then ours is the last. */
	for (unsigned i = 0; i < 200 && (*l)->refs > 1; i++)
		rig_turns(1);
	CHECK_INT((*l)->refs, 1);
	CHECK_INT(rpc_link_memory(*l), 0);
	CHECK_INT(rpc_link_streams(*l), 0);
	rpc_link_unref(l);
}

WAITS void duo_close(struct duo *d)
{
	end_link(&d->ask);
	end_link(&d->serve);
	CHECK_INT(d->server.active, 0);
	CHECK_INT(d->server.closed, 1);
	xfree(&d->server.watches);
}

WAITS enum err rig_echo(struct rpc_link *l, slice_t payload)
{
	struct rpc_call *c = NULL;
	slice_t got;
	enum err e = rpc_call_start(l, RIG_ECHO, payload, RPC_NO_BODY, rig_soon(), &c);

	if (e == E_OK)
		e = rpc_call_response(c, &got);
	if (e == E_OK)
		CHECK_SLICE(got, payload);
	rpc_call_free(&c);
	return e;
}

/* ---- raw ---- */

void raw_put_bytes(struct raw *r, slice_t bytes)
{
	if (r->s != NULL)
		(void)!stream_write_now(r->s, bytes);
}

void raw_put(struct raw *r, unsigned type, unsigned flags, unsigned code, uint32_t stream,
	     slice_t payload)
{
	char head[FRAME_HEADER];

	be32_put(head, (uint32_t)payload.n);
	head[4] = (char)type;
	head[5] = (char)flags;
	be16_put(head + 6, (uint16_t)code);
	be32_put(head + 8, stream);
	raw_put_bytes(r, slice(head, sizeof(head)));
	if (payload.n > 0)
		raw_put_bytes(r, payload);
}

void raw_hello(struct raw *r, const char *name, unsigned level_min, unsigned level_max)
{
	char bytes[FRAME_HELLO_MAX];

	be16_put(bytes, (uint16_t)level_min);
	be16_put(bytes + 2, (uint16_t)level_max);
	bytes[4] = (char)strlen(name);
	memcpy(bytes + 5, name, strlen(name));
	raw_put(r, FRAME_HELLO, 0, 0, 0, slice(bytes, 5 + strlen(name)));
}

void raw_request(struct raw *r, uint32_t stream, unsigned method, unsigned flags, slice_t payload)
{
	static char bytes[RPC_PAYLOAD_MAX];

	be32_put(bytes, 60000);
	if (payload.n > 0)
		memcpy(bytes + 4, payload.p, payload.n);
	raw_put(r, FRAME_REQUEST, flags, method, stream, slice(bytes, 4 + payload.n));
}

void raw_credit(struct raw *r, uint32_t stream, uint32_t n)
{
	char bytes[4];

	be32_put(bytes, n);
	raw_put(r, FRAME_CREDIT, 0, 0, stream, slice(bytes, 4));
}

static WAITS void start_raw(void *arg)
{
	struct raw *r = arg;

	r->hello =
		rpc_link_start_as(&r->theirs, &r->opts, r->opts.side == RPC_SERVER ? &fe : &be,
				  &(struct tls_facts){.peer_serial = SL("0c")}, rig_soon(), &r->l);
	event_set(&r->started);
}

WAITS bool raw_open_silent(struct raw *r, enum rpc_side side)
{
	r->l = NULL;
	r->hello = E_OK;
	event_init(&r->started);
	rig_server_init(&r->server);
	if (!rig_streams(&r->s, &r->theirs))
		return false;
	r->opts = (struct rpc_link_opts){.side = side, .self = side == RPC_SERVER ? be : fe};
	r->opts.ops = side == RPC_SERVER ? &r->server.ops : NULL;
	return fiber_start("t.raw", start_raw, r, NULL) == E_OK;
}

WAITS bool raw_open(struct raw *r, enum rpc_side side)
{
	struct frame f;

	if (!raw_open_silent(r, side))
		return false;
	raw_hello(r, side == RPC_SERVER ? "frontend/fe1/smtp" : "backend/be1", 1, 1);
	return event_wait(&r->started, "t.started", rig_soon()) == E_OK && r->hello == E_OK &&
	       raw_expect(r, FRAME_HELLO, 0, &f);
}

WAITS void raw_close(struct raw *r)
{
	end_link(&r->l);
	stream_close(&r->s, CLOSE_DONE);
	CHECK_INT(r->server.active, 0);
	xfree(&r->server.watches);
}

WAITS bool raw_get(struct raw *r, struct frame *out)
{
	static char payload[RPC_PAYLOAD_MAX];
	const char *why = NULL;
	size_t used = 0, have = 0;
	enum parse_rc rc;

	for (;;) {
		slice_t in = stream_peek(r->s);

		have = in.n;
		rc = frame_parse(in, out, &used, &why);
		if (rc != P_MORE)
			break;
		if (stream_fill(r->s, have, "t.frame", deadline_in(5000)) != E_OK)
			return false;
	}
	CHECK(rc == P_OK);
	if (out->payload.n > 0)
		memcpy(payload, out->payload.p, out->payload.n);
	out->payload.p = payload;
	stream_consume(r->s, used);
	return rc == P_OK;
}

WAITS bool raw_expect(struct raw *r, enum frame_type type, uint32_t stream, struct frame *out)
{
	if (!raw_get(r, out)) {
		check_note("waited for %s", frame_type_name(type));
		CHECK(!"the link's end");
		return false;
	}
	if (out->type != type || out->stream != stream)
		check_note("got %s on %u", frame_type_name(out->type), out->stream);
	CHECK_INT(out->type, type);
	CHECK_INT(out->stream, stream);
	return out->type == type && out->stream == stream;
}

WAITS void raw_alive(struct raw *r, uint32_t stream)
{
	struct frame f;

	raw_request(r, stream, RIG_ECHO, 0, SL("still there"));
	REQUIRE(raw_expect(r, FRAME_RESPONSE, stream, &f));
	CHECK_INT(f.code, E_OK);
	CHECK_SLICE(f.payload, SL("still there"));
}
