/* Links over TLS: who gets one, and that they come back. */
#include "tests/unit/common/rpc/rig.h"

#include "common/base/clock.h"
#include "common/base/num.h"
#include "common/crypto/pki.h"
#include "common/rpc/dial.h"

struct ca {
	struct buf cert, key;
};

static void ca_make(struct ca *ca)
{
	struct diag d;

	buf_init(&ca->cert, PKI_PEM_MAX, NULL);
	buf_init(&ca->key, PKI_PEM_MAX, NULL);
	invariant(pki_make_ca(SL("test CA"), 10, &ca->cert, &ca->key, &d) == E_OK);
}

static void ca_free(struct ca *ca)
{
	buf_fini(&ca->cert);
	buf_fini(&ca->key);
}

static struct tls_ctx *ctx(const struct ca *ca, const char *cn, enum tls_profile profile)
{
	struct pki_names names = {.cn = slice_str(cn), .days = 5};
	struct tls_ctx *out = NULL;
	struct buf cert, key, root;
	struct diag d;

	buf_init(&cert, PKI_PEM_MAX, NULL);
	buf_init(&key, PKI_PEM_MAX, NULL);
	buf_init(&root, PKI_PEM_MAX, NULL);
	invariant(pki_issue(buf_slice(&ca->cert), buf_slice(&ca->key), &names, &cert, &key, NULL,
			    &d) == E_OK);
	buf_put(&root, buf_slice(&ca->cert));
	buf_putc(&cert, '\0');
	buf_putc(&key, '\0');
	buf_putc(&root, '\0');
	invariant(tls_ctx_new(&(struct tls_config){profile, cert.p, key.p, root.p}, &out, &d) ==
		  E_OK);
	buf_fini(&cert);
	buf_fini(&key);
	buf_fini(&root);
	return out;
}

/* One end: an endpoint and what happened to it. */
struct end {
	struct rpc_endpoint e;
	enum rpc_role wants;
	enum rpc_side side;
	struct rpc_link *l;
	unsigned ups, downs, refused;
	struct event changed;
	struct rig_server server;
};

static bool accept_peer(const struct rpc_identity *peer, enum rpc_side *side, void *arg)
{
	struct end *end = arg;

	*side = end->side;
	if (peer->role == end->wants)
		return true;
	end->refused++;
	event_set(&end->changed);
	return false;
}

static void went_up(struct rpc_link *l, void *arg)
{
	struct end *end = arg;

	end->l = l;
	end->ups++;
	event_set(&end->changed);
}

static void went_down(struct rpc_link *l, void *arg)
{
	struct end *end = arg;

	CHECK(end->l == l);
	end->l = NULL;
	end->downs++;
	event_set(&end->changed);
}

static void end_init(struct end *end, const struct ca *ca, const char *cn, enum tls_profile profile,
		     enum rpc_role wants, enum rpc_side side)
{
	*end = (struct end){.wants = wants, .side = side};
	event_init(&end->changed);
	rig_server_init(&end->server);
	end->e = (struct rpc_endpoint){
		.tls = ctx(ca, cn, profile),
		.ops = &end->server.ops,
		.accept = accept_peer,
		.up = went_up,
		.down = went_down,
		.arg = end,
	};
	invariant(rpc_identity_parse(slice_str(cn), &end->e.self));
}

static void end_fini(struct end *end)
{
	tls_ctx_unref(&end->e.tls);
	xfree(&end->server.watches);
}

static WAITS bool until(struct end *end, const unsigned *counter, unsigned n)
{
	int64_t deadline = rig_soon();

	while (*counter < n)
		if (event_wait(&end->changed, "t.changed", deadline) != E_OK)
			return false;
	return true;
}

struct net {
	struct ca ca;
	struct end dial, listen;
	struct rpc_dialer *d;
	struct rpc_accepter *a;
	struct ipaddr addr;
	uint16_t port;
};

static void net_listen(struct net *n, uint16_t port)
{
	struct diag d;
	int fd = -1;

	invariant(ipaddr_parse(SL("127.0.0.1"), &n->addr));
	invariant(listen_socket(&n->addr, port, LISTEN_ALONE, &fd, &d) == E_OK);
	n->port = listen_port(fd);
	invariant(rpc_accepter_new(&n->listen.e, fd, &n->a) == E_OK);
}

/* A front-end dials a back-end, as usual; or, inside-out, the other way about. */
static void net_init(struct net *n, bool inside_out)
{
	const char *fe = "frontend/fe1/smtp", *be = "backend/be1";

	*n = (struct net){0};
	ca_make(&n->ca);
	end_init(&n->dial, &n->ca, inside_out ? be : fe, TLS_CLUSTER_CLIENT,
		 inside_out ? ROLE_FRONTEND : ROLE_BACKEND,
		 inside_out ? RPC_SERVER : RPC_REQUESTER);
	end_init(&n->listen, &n->ca, inside_out ? fe : be, TLS_CLUSTER_SERVER,
		 inside_out ? ROLE_BACKEND : ROLE_FRONTEND,
		 inside_out ? RPC_REQUESTER : RPC_SERVER);
	net_listen(n, 0);
}

static void net_dial(struct net *n)
{
	n->d = rpc_dialer_new(&n->dial.e, &n->addr, n->port);
	invariant(n->d != NULL);
}

static WAITS void net_fini(struct net *n)
{
	rpc_dialer_free(&n->d);
	rpc_accepter_free(&n->a);
	CHECK_INT(n->dial.ups, n->dial.downs);
	CHECK_INT(n->listen.ups, n->listen.downs);
	rig_turns(20); /* their fibers end */
	end_fini(&n->dial);
	end_fini(&n->listen);
	ca_free(&n->ca);
}

TEST_FIBER(dial_and_ask)
{
	char name[RPC_IDENTITY_STR];
	struct net n;

	net_init(&n, false);
	net_dial(&n);
	REQUIRE(until(&n.dial, &n.dial.ups, 1));
	CHECK_STR(rpc_identity_str(rpc_link_peer(n.dial.l), name), "backend/be1");
	CHECK_INT(rpc_link_peer_serial(n.dial.l).n, 32);
	CHECK_ERR(rig_echo(n.dial.l, SL("over TLS")), E_OK);
	CHECK_INT(n.listen.ups, 1);
	CHECK_STR(rpc_identity_str(rpc_link_peer(n.listen.l), name), "frontend/fe1/smtp");
	net_fini(&n);
}

TEST_FIBER(dial_inside_out)
{
	struct net n;

	net_init(&n, true);
	net_dial(&n);
	REQUIRE(until(&n.listen, &n.listen.ups, 1));
	CHECK_ERR(rig_echo(n.listen.l, SL("asked by who was dialled")), E_OK);
	CHECK_INT(n.dial.server.served, 1);
	net_fini(&n);
}

TEST_FIBER(dial_again_when_the_link_ends)
{
	struct net n;

	net_init(&n, false);
	net_dial(&n);
	for (unsigned i = 1; i <= 3; i++) {
		REQUIRE(until(&n.dial, &n.dial.ups, i));
		CHECK_ERR(rig_echo(n.dial.l, SL("again")), E_OK);
		rpc_link_close(n.listen.l, CLOSE_IO);
		REQUIRE(until(&n.dial, &n.dial.downs, i));
	}
	net_fini(&n);
}

TEST_FIBER(dial_until_somebody_listens)
{
	struct net n;

	net_init(&n, false);
	rpc_accepter_free(&n.a);
	rig_turns(5);
	net_dial(&n);
	rig_turns(150);
	CHECK_INT(n.dial.ups, 0);
	net_listen(&n, n.port);
	REQUIRE(until(&n.dial, &n.dial.ups, 1));
	CHECK_ERR(rig_echo(n.dial.l, SL("at last")), E_OK);
	net_fini(&n);
}

TEST_FIBER(dial_hurries_when_told)
{
	struct net n;
	int64_t began_ms;

	net_init(&n, false);
	rpc_accepter_free(&n.a);
	rig_turns(5);
	net_dial(&n);
	/* By now a pause is 800 ms at least. */
	CHECK_ERR(fiber_sleep("t.refused", 1600), E_TIMEOUT);
	net_listen(&n, n.port);
	began_ms = clock_mono_ms();
	rpc_dialer_hurry(n.d);
	REQUIRE(until(&n.dial, &n.dial.ups, 1));
	CHECK(clock_mono_ms() - began_ms < 500);
	/* A link that is up stays as it is. */
	rpc_dialer_hurry(n.d);
	CHECK_ERR(rig_echo(n.dial.l, SL("in no time")), E_OK);
	CHECK_INT(n.dial.ups, 1);
	net_fini(&n);
}

TEST_FIBER(dial_is_not_welcome)
{
	struct net n;

	net_init(&n, false);
	n.listen.wants = ROLE_ADMIN;
	net_dial(&n);
	REQUIRE(until(&n.listen, &n.listen.refused, 2));
	CHECK_INT(n.listen.ups, 0);
	CHECK_INT(n.dial.ups, 0);
	net_fini(&n);
}

TEST_FIBER(dial_finds_another_role)
{
	struct net n;

	net_init(&n, false);
	n.dial.wants = ROLE_FRONTEND;
	net_dial(&n);
	REQUIRE(until(&n.dial, &n.dial.refused, 2));
	CHECK_INT(n.dial.ups, 0);
	net_fini(&n);
}

/* A certificate that the CA issued, but for no part of the cluster. */
TEST_FIBER(dial_without_an_identity)
{
	struct net n;

	net_init(&n, false);
	tls_ctx_unref(&n.dial.e.tls);
	n.dial.e.tls = ctx(&n.ca, "webserver", TLS_CLUSTER_CLIENT);
	rig_log_start();
	net_dial(&n);
	for (unsigned i = 0; i < 3000 && rig_log_count("event=rpc.not_welcome") == 0; i++)
		rig_turns(1);
	rig_log_stop();
	CHECK(rig_log_count("peer=webserver") > 0);
	CHECK_INT(n.listen.ups, 0);
	net_fini(&n);
}

/* Another cluster's certificate, and none: the handshake fails, nothing else is learned. */
TEST_FIBER(dial_with_a_foreign_certificate)
{
	struct stream_opts o = {.window_max = RPC_WINDOW, .high_water = RPC_HIGH_WATER};
	struct stream *s = NULL;
	struct ca other;
	struct net n;

	net_init(&n, false);
	ca_make(&other);
	tls_ctx_unref(&n.dial.e.tls);
	n.dial.e.tls = ctx(&other, "frontend/fe1/smtp", TLS_CLUSTER_CLIENT);
	rig_log_start();
	net_dial(&n);
	for (unsigned i = 0; i < 3000 && rig_log_count("event=rpc.handshake") == 0; i++)
		rig_turns(1);
	/* In clear: frames instead of a handshake. */
	CHECK_ERR(stream_connect(&n.addr, n.port, NULL, &o, rig_soon(), &s), E_OK);
	CHECK_ERR(stream_write_now(s, SL("\0\0\0\5\1\0\0\0\0\0\0\0\0\1\0\1\0")), E_OK);
	while (stream_fill(s, 0, "t.refusal", rig_soon()) == E_OK)
		stream_consume(s, stream_peek(s).n);
	stream_close(&s, CLOSE_DONE);
	rig_log_stop();
	CHECK(rig_log_count("event=rpc.handshake") >= 2);
	CHECK_INT(n.listen.ups, 0);
	CHECK_INT(n.listen.refused, 0);
	ca_free(&other);
	net_fini(&n);
}

TEST_FIBER(revoked_certificate_gets_no_new_link)
{
	char serial[RPC_SERIAL_MAX + 1];
	slice_t revoked;
	struct net n;

	net_init(&n, false);
	net_dial(&n);
	REQUIRE(until(&n.dial, &n.dial.ups, 1));
	REQUIRE(slice_to_str(rpc_link_peer_serial(n.listen.l), serial, sizeof(serial)));
	revoked = slice_str(serial);
	tls_ctx_revoke(n.listen.e.tls, &revoked, 1);
	rig_log_start();
	rpc_link_close(n.listen.l, CLOSE_DONE);
	for (unsigned i = 0; i < 3000 && rig_log_count("event=rpc.handshake") == 0; i++)
		rig_turns(1);
	rig_log_stop();
	CHECK(rig_log_count("event=rpc.handshake") > 0);
	CHECK_INT(n.listen.ups, 1);
	net_fini(&n);
}

#define STRANGERS (RPC_HANDSHAKES_MAX + 20)

/* As many as may stand at the door, and more, connect and say nothing: a real one gets in all the
 * same, long before they have to go. */
TEST_FIBER(strangers_at_the_door)
{
	struct stream *s[STRANGERS];
	int64_t began;
	struct net n;

	net_init(&n, false);
	rig_log_start();
	for (unsigned i = 0; i < STRANGERS; i++)
		CHECK_ERR(stream_connect(&n.addr, n.port, NULL, NULL, rig_soon(), &s[i]), E_OK);
	rig_turns(20);
	began = clock_mono_ms();
	net_dial(&n);
	CHECK(until(&n.dial, &n.dial.ups, 1));
	CHECK(clock_mono_ms() - began < RPC_HANDSHAKE_MS / 2);
	if (n.dial.l != NULL)
		CHECK_ERR(rig_echo(n.dial.l, SL("room")), E_OK);
	rig_log_stop();
	CHECK(rig_log_count("event=rpc.door_full") >= STRANGERS - RPC_HANDSHAKES_MAX);
	for (unsigned i = 0; i < STRANGERS; i++)
		stream_close(&s[i], CLOSE_IO);
	net_fini(&n);
}

/* A captured front-end opens link after link. */
TEST_FIBER(links_of_one_peer_are_bounded)
{
	struct rpc_dialer *d[RPC_LINKS_PER_PEER + 3];
	struct net n;

	net_init(&n, false);
	rig_log_start();
	for (size_t i = 0; i < ARRAY_LEN(d); i++)
		d[i] = rpc_dialer_new(&n.dial.e, &n.addr, n.port);
	REQUIRE(until(&n.listen, &n.listen.ups, RPC_LINKS_PER_PEER));
	for (unsigned i = 0; i < 5000 && rig_log_count("event=rpc.too_many_links") < 3; i++)
		rig_turns(1);
	rig_log_stop();
	CHECK(rig_log_count("event=rpc.too_many_links") >= 3);
	CHECK_INT(n.listen.ups, RPC_LINKS_PER_PEER);
	n.dial.e.down = NULL; /* these ends do not keep count of each */
	n.dial.ups = n.dial.downs;
	n.listen.e.down = NULL;
	n.listen.downs = n.listen.ups;
	for (size_t i = 0; i < ARRAY_LEN(d); i++)
		rpc_dialer_free(&d[i]);
	net_fini(&n);
}

TEST_FIBER(body_over_tls)
{
	static char bytes[300000];
	struct rpc_call *c = NULL;
	uint32_t sum = 0;
	slice_t got;
	struct net n;

	for (size_t i = 0; i < sizeof(bytes); i++) {
		bytes[i] = (char)(i * 13);
		sum = sum * 31 + (unsigned char)bytes[i];
	}
	net_init(&n, false);
	net_dial(&n);
	REQUIRE(until(&n.dial, &n.dial.ups, 1));
	CHECK_ERR(rpc_call_start(n.dial.l, RIG_UPLOAD, SLICE_NONE, RPC_BODY, rig_soon(), &c), E_OK);
	CHECK_ERR(rpc_call_send(c, slice(bytes, sizeof(bytes))), E_OK);
	CHECK_ERR(rpc_call_send_end(c), E_OK);
	CHECK_ERR(rpc_call_response(c, &got), E_OK);
	CHECK_INT(be32_get(got.p), sizeof(bytes));
	CHECK_INT(be32_get(got.p + 4), sum);
	rpc_call_free(&c);
	net_fini(&n);
}

/* Freed in the middle of everything: no callback afterwards, nothing left behind. */
TEST_FIBER(dial_freed_at_any_moment)
{
	for (unsigned turns = 0; turns < 12; turns++) {
		struct net n;

		net_init(&n, false);
		net_dial(&n);
		for (unsigned i = 0; i < turns; i++)
			fiber_sleep("t.turn", 0);
		net_fini(&n);
	}
}
