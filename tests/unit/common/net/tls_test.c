#include <stdio.h>
#include <sys/socket.h>
#include <unistd.h>

#include "tests/unit/common/net/net_lib.h"

/* An authority, a server's and a client's certificate, contexts of each profile. */
struct cluster {
	struct pem ca, server, client;
	struct tls_ctx *server_ctx, *client_ctx;
};

static void cluster_init(struct cluster *c)
{
	pki_ca(&c->ca, "test CA");
	pki_issue(&c->ca, "backend/be1", "0A01", &c->server);
	pki_issue(&c->ca, "frontend/fe1/smtp", "00FF02", &c->client);
	c->server_ctx = pki_ctx(TLS_CLUSTER_SERVER, &c->server, &c->ca);
	c->client_ctx = pki_ctx(TLS_CLUSTER_CLIENT, &c->client, &c->ca);
}

static void cluster_fini(struct cluster *c)
{
	tls_ctx_unref(&c->server_ctx);
	tls_ctx_unref(&c->client_ctx);
}

WAITS static void check_echo(struct stream *a, struct stream *b)
{
	struct buf got;

	buf_init(&got, 1024, NULL);
	CHECK_ERR(stream_write(a, SL("ping"), deadline_in(SOON)), E_OK);
	CHECK_ERR(read_exactly(b, 4, &got), E_OK);
	CHECK_ERR(stream_write(b, SL("pong"), deadline_in(SOON)), E_OK);
	CHECK_ERR(read_exactly(a, 4, &got), E_OK);
	CHECK_SLICE(buf_slice(&got), SL("pingpong"));
	buf_fini(&got);
}

TEST_FIBER(cluster_ends_know_each_other)
{
	struct cluster c;
	struct stream *a, *b;
	enum err ea, eb;
	const struct tls_facts *fa, *fb;

	cluster_init(&c);
	net_pair(NULL, &a, &b);
	tls_pair(a, c.client_ctx, b, c.server_ctx, &ea, &eb);
	CHECK_ERR(ea, E_OK);
	CHECK_ERR(eb, E_OK);
	check_echo(a, b);
	fa = stream_tls(a);
	fb = stream_tls(b);
	REQUIRE(fa != NULL && fb != NULL);
	CHECK(stream_is_tls(a) && stream_is_tls(b));
	CHECK_STR(fa->version, "TLSv1.3");
	CHECK_STR(fb->group, "x25519");
	CHECK_SLICE(fa->peer_name, SL("backend/be1"));
	CHECK_SLICE(fa->peer_serial, SL("0a01"));
	CHECK_SLICE(fb->peer_name, SL("frontend/fe1/smtp"));
	CHECK_SLICE(fb->peer_serial, SL("ff02"));
	CHECK_INT(fa->exporter.n, 32);
	CHECK_SLICE(fa->exporter, fb->exporter);
	stream_close(&a, CLOSE_DONE);
	CHECK_ERR(stream_fill(b, 0, "t.end", deadline_in(SOON)), E_CLOSED);
	stream_close(&b, CLOSE_DONE);
	cluster_fini(&c);
}
