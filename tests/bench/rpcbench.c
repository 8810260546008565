/*
 * rpcbench: what a call over the RPC costs. Two processes, one loop each, TLS on loopback with
 * certificates made on the spot: the child serves, the parent asks.
 *
 *   rpcbench [CALLS [REQUEST_BYTES [RESPONSE_BYTES]]]
 *
 * For several numbers of calls in flight: calls a second, and microseconds of CPU a call at either
 * end (user and system, by getrusage). Then a body of 1 GiB down and up, in MiB/s.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <signal.h>
#include <unistd.h>

#include "common/base/clock.h"
#include "common/base/num.h"
#include "common/crypto/pki.h"
#include "common/log/log.h"
#include "common/rpc/dial.h"

enum method { M_CALL = 1, M_CPU, M_DOWN, M_UP };

#define FRAME_BYTES 65536
#define BODY_BYTES  (1024u << 20)

static unsigned calls = 200000;
static size_t request_bytes = 4096, response_bytes = 64;
static char bytes[RPC_PAYLOAD_MAX];

static uint64_t cpu_us(void)
{
	struct rusage u;

	getrusage(RUSAGE_SELF, &u);
	return (uint64_t)(u.ru_utime.tv_sec + u.ru_stime.tv_sec) * 1000000 +
	       (uint64_t)(u.ru_utime.tv_usec + u.ru_stime.tv_usec);
}

/* ---- the serving end ---- */

static bool admit(const struct rpc_identity *peer UNUSED, uint16_t method UNUSED,
		  size_t *payload_max, int64_t *deadline_max_ms, void *arg UNUSED)
{
	*payload_max = RPC_PAYLOAD_MAX;
	*deadline_max_ms = 600000;
	return true;
}

static WAITS void serve_down(struct rpc_req *r)
{
	enum err e = rpc_req_reply(r, E_OK, SLICE_NONE, RPC_BODY);

	for (uint32_t left = BODY_BYTES; e == E_OK && left > 0; left -= FRAME_BYTES)
		e = rpc_req_send(r, slice(bytes, FRAME_BYTES));
	if (e == E_OK)
		rpc_req_send_end(r);
}

static WAITS void serve_up(struct rpc_req *r)
{
	slice_t part;
	enum err e;

	while ((e = rpc_req_recv(r, &part)) == E_OK)
		;
	rpc_req_reply(r, e == E_CLOSED ? E_OK : e, SLICE_NONE, RPC_NO_BODY);
}

static WAITS void serve(struct rpc_req *r, void *arg UNUSED)
{
	char cpu[8];

	switch ((enum method)rpc_req_method(r)) {
	case M_CALL:
		rpc_req_reply(r, E_OK, slice(bytes, response_bytes), RPC_NO_BODY);
		break;
	case M_CPU:
		be64_put(cpu, cpu_us());
		rpc_req_reply(r, E_OK, slice(cpu, sizeof(cpu)), RPC_NO_BODY);
		break;
	case M_DOWN:
		serve_down(r);
		break;
	case M_UP:
		serve_up(r);
		break;
	}
}

static const struct rpc_server_ops ops = {.serve = serve, .admit = admit};

static bool accept_asker(const struct rpc_identity *peer UNUSED, enum rpc_side *side,
			 void *arg UNUSED)
{
	*side = RPC_SERVER;
	return true;
}

/* ---- the asking end ---- */

struct asker {
	struct rpc_link *l;
	unsigned left; /* calls to be made, shared by the fibers */
	unsigned failed;
	struct event up;
	struct rpc_dialer *dialer;
};

static bool accept_server(const struct rpc_identity *peer UNUSED, enum rpc_side *side,
			  void *arg UNUSED)
{
	*side = RPC_REQUESTER;
	return true;
}

static void went_up(struct rpc_link *l, void *arg)
{
	struct asker *a = arg;

	a->l = l;
	event_set(&a->up);
}

static WAITS bool call_once(struct asker *a, uint16_t method, slice_t payload, uint64_t *value)
{
	struct rpc_call *c = NULL;
	slice_t got;
	enum err e;

	e = rpc_call_start(a->l, method, payload, RPC_NO_BODY, deadline_in(60000), &c);
	if (e == E_OK)
		e = rpc_call_response(c, &got);
	if (e == E_OK && value != NULL)
		*value = be64_get(got.p);
	rpc_call_free(&c);
	return e == E_OK;
}

static WAITS void ask(void *arg)
{
	struct asker *a = arg;

	while (a->left > 0) {
		a->left--;
		if (!call_once(a, M_CALL, slice(bytes, request_bytes), NULL))
			a->failed++;
	}
}

static WAITS void round_of_calls(struct asker *a, unsigned fibers)
{
	uint64_t theirs0 = 0, theirs1 = 0, ours;
	struct scope sc;
	int64_t t;

	a->left = calls;
	scope_init(&sc);
	invariant(call_once(a, M_CPU, SLICE_NONE, &theirs0));
	t = clock_mono_us();
	ours = cpu_us();
	for (unsigned i = 0; i < fibers; i++)
		invariant(scope_start(&sc, "bench.ask", ask, a) == E_OK);
	scope_join(&sc, NO_DEADLINE);
	ours = cpu_us() - ours;
	t = clock_mono_us() - t;
	invariant(call_once(a, M_CPU, SLICE_NONE, &theirs1));
	printf("%4u in flight: %8.0f calls/s, CPU a call: asking %5.2f us, serving %5.2f us, "
	       "both %5.2f us%s\n",
	       fibers, (double)calls * 1e6 / (double)t, (double)ours / calls,
	       (double)(theirs1 - theirs0) / calls, (double)(ours + theirs1 - theirs0) / calls,
	       a->failed > 0 ? " (with failures)" : "");
}

static WAITS enum err move_body(struct rpc_call *c, enum method m)
{
	enum err e = E_OK;
	slice_t part;

	if (m == M_DOWN) {
		while ((e = rpc_call_recv(c, &part)) == E_OK)
			;
		return e == E_CLOSED ? E_OK : e;
	}
	for (uint32_t left = BODY_BYTES; e == E_OK && left > 0; left -= FRAME_BYTES)
		e = rpc_call_send(c, slice(bytes, FRAME_BYTES));
	if (e == E_OK)
		e = rpc_call_send_end(c);
	return e == E_OK ? rpc_call_response(c, NULL) : e;
}

static WAITS void body(struct asker *a, enum method m)
{
	uint64_t theirs0 = 0, theirs1 = 0, ours;
	struct rpc_call *c = NULL;
	int64_t t = clock_mono_us();
	enum err e;

	invariant(call_once(a, M_CPU, SLICE_NONE, &theirs0));
	ours = cpu_us();
	e = rpc_call_start(a->l, (uint16_t)m, SLICE_NONE, m == M_UP ? RPC_BODY : RPC_NO_BODY,
			   deadline_in(600000), &c);
	if (e == E_OK)
		e = move_body(c, m);
	rpc_call_free(&c);
	t = clock_mono_us() - t;
	ours = cpu_us() - ours;
	invariant(call_once(a, M_CPU, SLICE_NONE, &theirs1));
	printf("body %s: %s, %.0f MiB/s, CPU a MiB: asking %.0f us, serving %.0f us\n",
	       m == M_UP ? "up" : "down", err_name(e), (double)(BODY_BYTES >> 20) * 1e6 / (double)t,
	       (double)ours / (BODY_BYTES >> 20), (double)(theirs1 - theirs0) / (BODY_BYTES >> 20));
}

static WAITS void asker_main(void *arg)
{
	static const unsigned flights[] = {1, 4, 16, 64, 256};
	struct asker *a = arg;

	invariant(event_wait(&a->up, "bench.up", deadline_in(10000)) == E_OK);
	for (size_t i = 0; i < ARRAY_LEN(flights); i++)
		round_of_calls(a, flights[i]);
	body(a, M_DOWN);
	body(a, M_UP);
	rpc_dialer_free(&a->dialer);
	loop_stop(loop_current());
}

/* ---- both ---- */

struct pems {
	struct buf ca, ca_key, cert, key;
};

static struct tls_ctx *make_ctx(struct pems *p, const char *cn, enum tls_profile profile)
{
	struct pki_names names = {.cn = slice_str(cn), .days = 2};
	struct tls_ctx *out = NULL;
	struct diag d;

	buf_reset(&p->cert);
	buf_reset(&p->key);
	invariant(pki_issue(buf_slice(&p->ca), buf_slice(&p->ca_key), &names, &p->cert, &p->key,
			    NULL, &d) == E_OK);
	buf_putc(&p->cert, '\0');
	buf_putc(&p->key, '\0');
	buf_putc(&p->ca, '\0');
	p->ca.n--;
	invariant(tls_ctx_new(&(struct tls_config){profile, p->cert.p, p->key.p, p->ca.p}, &out,
			      &d) == E_OK);
	return out;
}

static void serving_process(int fd, struct tls_ctx *tls)
{
	struct loop *loop = loop_new();
	struct rpc_endpoint e = {.tls = tls, .ops = &ops, .accept = accept_asker};
	struct rpc_accepter *a = NULL;

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	invariant(rpc_identity_parse(SL("backend/be1"), &e.self));
	invariant(rpc_accepter_new(&e, fd, &a) == E_OK);
	loop_run(loop);
}

static void asking_process(const struct ipaddr *addr, uint16_t port, struct tls_ctx *tls)
{
	struct loop *loop = loop_new();
	struct asker a = {0};
	struct rpc_endpoint e = {.tls = tls, .accept = accept_server, .up = went_up, .arg = &a};

	event_init(&a.up);
	invariant(rpc_identity_parse(SL("frontend/fe1/smtp"), &e.self));
	a.dialer = rpc_dialer_new(&e, addr, port);
	invariant(fiber_start("bench.asker", asker_main, &a, NULL) == E_OK);
	loop_run(loop);
	loop_free(&loop);
}

static size_t number(const char *text, size_t max)
{
	uint64_t n;

	if (!num_parse(slice_str(text), max, &n)) {
		fprintf(stderr, "usage: rpcbench [CALLS [REQUEST_BYTES [RESPONSE_BYTES]]]\n");
		exit(64);
	}
	return (size_t)n;
}

int main(int argc, char **argv)
{
	struct tls_ctx *server, *client;
	struct ipaddr addr;
	struct pems p;
	struct diag d;
	pid_t child;
	int fd = -1;

	if (argc > 1)
		calls = (unsigned)number(argv[1], 100000000);
	if (argc > 2)
		request_bytes = number(argv[2], RPC_PAYLOAD_MAX - 4);
	if (argc > 3)
		response_bytes = number(argv[3], RPC_PAYLOAD_MAX);
	setvbuf(stdout, NULL, _IOLBF, 0);
	log_setup(LOG_ERROR, (struct log_field[]){{0}});
	buf_init(&p.ca, PKI_PEM_MAX, NULL);
	buf_init(&p.ca_key, PKI_PEM_MAX, NULL);
	buf_init(&p.cert, PKI_PEM_MAX, NULL);
	buf_init(&p.key, PKI_PEM_MAX, NULL);
	invariant(pki_make_ca(SL("bench CA"), 2, &p.ca, &p.ca_key, &d) == E_OK);
	server = make_ctx(&p, "backend/be1", TLS_CLUSTER_SERVER);
	client = make_ctx(&p, "frontend/fe1/smtp", TLS_CLUSTER_CLIENT);
	invariant(ipaddr_parse(SL("127.0.0.1"), &addr));
	invariant(listen_socket(&addr, 0, LISTEN_ALONE, &fd, &d) == E_OK);
	printf("request %zu bytes, response %zu bytes, %u calls a line\n", request_bytes,
	       response_bytes, calls);
	child = fork();
	if (child == 0) {
		serving_process(fd, server);
		_exit(0);
	}
	asking_process(&addr, listen_port(fd), client);
	kill(child, SIGTERM);
	waitpid(child, NULL, 0);
	return 0;
}
