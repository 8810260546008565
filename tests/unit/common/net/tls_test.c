#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "common/crypto/pki.h"
#include "tests/unit/common/net/net_lib.h"

/* An authority, a server's and a client's certificate, contexts of each profile. */
struct cluster {
	struct pem ca, server, client;
	struct tls_ctx *server_ctx, *client_ctx;
};

static void cluster_init_named(struct cluster *c, const char *name)
{
	net_pki_ca(&c->ca, name);
	net_pki_issue(&c->ca, "backend/be1", "0A01", &c->server);
	net_pki_issue(&c->ca, "frontend/fe1/smtp", "00FF02", &c->client);
	c->server_ctx = net_pki_ctx(TLS_CLUSTER_SERVER, &c->server, &c->ca);
	c->client_ctx = net_pki_ctx(TLS_CLUSTER_CLIENT, &c->client, &c->ca);
}

static void cluster_init(struct cluster *c)
{
	cluster_init_named(c, "test CA");
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
	CHECK_INT(fa->verified, TLS_VERIFIED_CA);
	CHECK_SLICE(fb->peer_name, SL("frontend/fe1/smtp"));
	CHECK_SLICE(fb->peer_serial, SL("ff02"));
	CHECK(llabs(fa->peer_from_s - (clock_wall_s() - 3600)) < 60);
	CHECK(llabs(fa->peer_until_s - (clock_wall_s() + 3600)) < 60);
	CHECK_INT(fa->exporter.n, 32);
	CHECK_SLICE(fa->exporter, fb->exporter);
	stream_close(&a, CLOSE_DONE);
	CHECK_ERR(stream_fill(b, 0, "t.end", deadline_in(SOON)), E_CLOSED);
	stream_close(&b, CLOSE_DONE);
	cluster_fini(&c);
}

/* ---- who is refused ---- */

WAITS static void check_refused(struct tls_ctx *client, struct tls_ctx *server,
				const char *client_why, const char *server_why)
{
	struct stream *a, *b;
	struct diag why;
	enum err ea, eb;

	net_pair(NULL, &a, &b);
	tls_pair(a, client, b, server, &ea, &eb);
	CHECK_ERR(eb, E_TLS);
	stream_diag(b, &why);
	CHECK_STR(why.text, server_why);
	/* In TLS 1.3 a client is done before the server has looked at its certificate. */
	if (ea == E_OK)
		ea = stream_fill(a, 0, "t.alert", deadline_in(SOON));
	CHECK_ERR(ea, E_TLS);
	stream_diag(a, &why);
	CHECK_STR(why.text, client_why);
	CHECK_ERR(stream_write_now(a, SL("x")), E_TLS);
	stream_close(&a, CLOSE_TLS);
	stream_close(&b, CLOSE_TLS);
}

TEST_FIBER(another_authority_is_refused)
{
	struct cluster c, other;
	struct tls_ctx *wrong;

	cluster_init(&c);
	cluster_init_named(&other, "another CA");
	check_refused(other.client_ctx, c.server_ctx, "unable to get local issuer certificate",
		      "tlsv1 alert unknown ca");
	wrong = net_pki_ctx(TLS_CLUSTER_CLIENT, &other.client, &c.ca);
	check_refused(wrong, c.server_ctx, "tlsv1 alert unknown ca",
		      "unable to get local issuer certificate");
	tls_ctx_unref(&wrong);
	cluster_fini(&other);
	cluster_init(&other); /* of the same name */
	check_refused(other.client_ctx, c.server_ctx, "certificate signature failure",
		      "tlsv1 alert decrypt error");
	cluster_fini(&c);
	cluster_fini(&other);
}

TEST_FIBER(no_certificate_is_refused)
{
	struct cluster c;
	struct tls_ctx *none = net_pki_ctx(TLS_PUBLIC_CLIENT, NULL, NULL);

	cluster_init(&c);
	check_refused(none, c.server_ctx, "tlsv13 alert certificate required",
		      "peer did not return a certificate");
	tls_ctx_unref(&none);
	cluster_fini(&c);
}

TEST_FIBER(revoked_serials_are_refused_on_either_side)
{
	struct cluster c;
	struct stream *a, *b;
	enum err ea, eb;
	slice_t serials[] = {SL("1234"), SL("ff02")};
	slice_t be1 = SL("0a01");

	cluster_init(&c);
	tls_ctx_revoke(c.server_ctx, serials, 2);
	check_refused(c.client_ctx, c.server_ctx, "sslv3 alert certificate revoked",
		      "certificate revoked");
	tls_ctx_revoke(c.server_ctx, serials, 1);
	tls_ctx_revoke(c.client_ctx, &be1, 1);
	check_refused(c.client_ctx, c.server_ctx, "certificate revoked",
		      "sslv3 alert certificate revoked");
	tls_ctx_revoke(c.client_ctx, NULL, 0);
	net_pair(NULL, &a, &b);
	tls_pair(a, c.client_ctx, b, c.server_ctx, &ea, &eb);
	CHECK_ERR(ea, E_OK);
	CHECK_ERR(eb, E_OK);
	stream_close(&a, CLOSE_DONE);
	stream_close(&b, CLOSE_DONE);
	cluster_fini(&c);
}

/* Certificates that are renewed do not bring back who was revoked. */
TEST_FIBER(a_new_context_takes_over_the_revoked)
{
	slice_t serials[] = {SL("1234"), SL("ff02")};
	struct tls_ctx *renewed;
	struct cluster c;

	cluster_init(&c);
	tls_ctx_revoke(c.server_ctx, serials, 2);
	renewed = net_pki_ctx(TLS_CLUSTER_SERVER, &c.server, &c.ca);
	tls_ctx_revoke_as(renewed, c.server_ctx);
	tls_ctx_unref(&c.server_ctx);
	c.server_ctx = renewed;
	check_refused(c.client_ctx, c.server_ctx, "sslv3 alert certificate revoked",
		      "certificate revoked");
	cluster_fini(&c);
}

/* A server's handshake against a client of OpenSSL's own; then "hello" is answered. */
WAITS static enum err serve_raw(struct raw_tls *r, struct tls_ctx *ctx)
{
	struct stream *s;
	enum err e;
	struct buf b;

	buf_init(&b, 100, NULL);
	r->fd = net_raw_pair(NULL, &s);
	raw_tls_start(r);
	e = stream_tls_server(s, ctx, deadline_in(SOON));
	if (e == E_OK)
		e = read_exactly(s, 5, &b);
	if (e == E_OK)
		e = stream_write(s, SL("answer"), deadline_in(SOON));
	stream_close(&s, e == E_OK ? CLOSE_DONE : CLOSE_TLS);
	CHECK_ERR(fiber_sleep("t.linger", 20), E_TIMEOUT);
	raw_tls_join(r);
	if (e == E_OK)
		CHECK_SLICE(buf_slice(&b), SL("hello"));
	buf_fini(&b);
	return e;
}

TEST_FIBER(versions_and_ciphers)
{
	struct cluster c;
	struct tls_ctx *server;
	struct raw_tls r;

	cluster_init(&c);
	server = net_pki_ctx(TLS_PUBLIC_SERVER, &c.server, NULL);
	r = (struct raw_tls){.version = RAW_TLS12};
	CHECK_ERR(serve_raw(&r, c.server_ctx), E_TLS);
	CHECK(!r.connected);

	r = (struct raw_tls){.version = RAW_ANY};
	CHECK_ERR(serve_raw(&r, server), E_OK);
	CHECK_STR(r.version_name, "TLSv1.3");
	CHECK_STR(r.got, "answer");
	CHECK(r.clean_end);

	r = (struct raw_tls){.version = RAW_TLS12};
	CHECK_ERR(serve_raw(&r, server), E_OK);
	CHECK_STR(r.version_name, "TLSv1.2");
	CHECK(slice_starts(slice_str(r.cipher), SL("ECDHE-ECDSA-")));
	CHECK_STR(r.got, "answer");
	CHECK(r.clean_end);

	r = (struct raw_tls){.version = RAW_TLS12, .ciphers = "ECDHE-ECDSA-AES128-SHA"};
	CHECK_ERR(serve_raw(&r, server), E_TLS);
	r = (struct raw_tls){.version = RAW_TLS12, .ciphers = "AES128-GCM-SHA256"};
	CHECK_ERR(serve_raw(&r, server), E_TLS);
	r = (struct raw_tls){.version = RAW_TLS11};
	CHECK_ERR(serve_raw(&r, server), E_TLS);
	r = (struct raw_tls){.version = RAW_TLS12, .renegotiate = true};
	CHECK_ERR(serve_raw(&r, server), E_TLS);
	CHECK_STR(r.got, "");
	tls_ctx_unref(&server);
	cluster_fini(&c);
}

/* ---- hostile beginnings ---- */

static struct tls_ctx *public_server(struct cluster *c)
{
	cluster_init(c);
	return net_pki_ctx(TLS_PUBLIC_SERVER, &c->server, NULL);
}

TEST_FIBER(garbage_instead_of_a_handshake)
{
	static const char *const garbage[] = {
		"GET / HTTP/1.0\r\n\r\n",
		"\x16\x03\x01\xff\xffzzzzzzzzz",
		"\x16\x03\x01\x00\x05\x01\xff\xff\xff\xff",
		"\x17\x03\x03\x00\x05hello",
		"EHLO plain.example\r\n",
	};
	struct cluster c;
	struct tls_ctx *server = public_server(&c);

	for (size_t i = 0; i < ARRAY_LEN(garbage); i++) {
		struct stream *s;
		struct diag why;
		int fd = net_raw_pair(NULL, &s);
		size_t n = i == 2 ? 10 : i == 3 ? 10 : strlen(garbage[i]);

		CHECK_INT(write(fd, garbage[i], n), n);
		check_note("garbage %zu", i);
		CHECK_ERR(stream_tls_server(s, server, deadline_in(SOON)), E_TLS);
		stream_diag(s, &why);
		CHECK(why.text[0] != '\0');
		CHECK(!stream_is_tls(s));
		CHECK(stream_tls(s) == NULL);
		stream_close(&s, CLOSE_TLS);
		close(fd);
	}
	tls_ctx_unref(&server);
	cluster_fini(&c);
}

/* RFC 3207 and CVE-2011-0411: what came in clear may not be taken for what came under TLS. */
TEST_FIBER(bytes_before_the_handshake_are_an_injection)
{
	struct cluster c;
	struct tls_ctx *server = public_server(&c);
	struct tls_ctx *client = net_pki_ctx(TLS_PUBLIC_CLIENT, NULL, NULL);
	struct stream *s;
	int fd = net_raw_pair(NULL, &s);

	CHECK_INT(write(fd, "STARTTLS\r\nRSET\r\n", 16), 16);
	CHECK_ERR(stream_fill(s, 15, "t.command", deadline_in(SOON)), E_OK);
	stream_consume(s, 10);
	CHECK_ERR(stream_write(s, SL("220 go\r\n"), deadline_in(SOON)), E_OK);
	CHECK_ERR(stream_tls_server(s, server, deadline_in(SOON)), E_INVALID);
	CHECK_ERR(stream_tls_client(s, client, NULL, deadline_in(SOON)), E_INVALID);
	stream_close(&s, CLOSE_PROTOCOL);
	close(fd);
	tls_ctx_unref(&server);
	tls_ctx_unref(&client);
	cluster_fini(&c);
}

struct starttls {
	struct stream *s;
	struct tls_ctx *ctx;
};

WAITS static void starttls_main(void *arg)
{
	struct starttls *t = arg;
	struct buf got;

	buf_init(&got, 100, NULL);
	CHECK_ERR(read_exactly(t->s, 10, &got), E_OK);
	CHECK_ERR(stream_write(t->s, SL("220 go\r\n"), deadline_in(SOON)), E_OK);
	CHECK_ERR(stream_tls_server(t->s, t->ctx, deadline_in(SOON)), E_OK);
	buf_fini(&got);
}

TEST_FIBER(starttls_after_clear_text)
{
	struct cluster c;
	struct starttls t = {.ctx = public_server(&c)};
	struct tls_ctx *client = net_pki_ctx(TLS_PUBLIC_CLIENT, NULL, NULL);
	struct scope scope;
	struct stream *a;
	struct buf got;

	buf_init(&got, 100, NULL);
	net_pair(NULL, &a, &t.s);
	scope_init(&scope);
	CHECK_ERR(scope_start(&scope, "t.starttls", starttls_main, &t), E_OK);
	CHECK_ERR(stream_write(a, SL("STARTTLS\r\n"), deadline_in(SOON)), E_OK);
	CHECK_ERR(read_exactly(a, 8, &got), E_OK);
	CHECK_SLICE(buf_slice(&got), SL("220 go\r\n"));
	CHECK_ERR(stream_tls_client(a, client, NULL, deadline_in(SOON)), E_OK);
	CHECK_ERR(scope_join(&scope, deadline_in(SOON)), E_OK);
	REQUIRE(stream_is_tls(a) && stream_is_tls(t.s));
	check_echo(a, t.s);
	CHECK_SLICE(stream_tls(a)->peer_name, SL(""));
	CHECK_SLICE(stream_tls(t.s)->peer_name, SL(""));
	CHECK_ERR(stream_tls_server(t.s, t.ctx, deadline_in(SOON)), E_INVALID);
	stream_close(&a, CLOSE_DONE);
	stream_close(&t.s, CLOSE_DONE);
	buf_fini(&got);
	tls_ctx_unref(&t.ctx);
	tls_ctx_unref(&client);
	cluster_fini(&c);
}

TEST_FIBER(a_handshake_has_a_deadline_and_a_limit)
{
	struct cluster c;
	struct tls_ctx *server = public_server(&c);
	/* A ClientHello that claims 130,000 bytes, in records of 16 KiB. */
	static const char hello[] = "\x01\x01\xfb\xd0";
	static const char record[] = "\x16\x03\x01\x40\x00";
	static char body[16384];
	struct stream *s;
	int fd = net_raw_pair(NULL, &s);

	CHECK_INT(write(fd, "\x16\x03\x01", 3), 3);
	CHECK_ERR(stream_tls_server(s, server, deadline_in(20)), E_TIMEOUT);
	stream_close(&s, CLOSE_TIMEOUT);
	close(fd);

	fd = net_raw_pair(NULL, &s);
	memcpy(body, hello, 4);
	for (int i = 0; i < 7; i++) {
		CHECK_INT(write(fd, record, 5), 5);
		CHECK_INT(write(fd, body, sizeof body), sizeof body);
		memset(body, 0, 4);
	}
	CHECK_ERR(stream_tls_server(s, server, deadline_in(SOON)), E_LIMIT);
	stream_close(&s, CLOSE_LIMIT);
	close(fd);

	fd = net_raw_pair(NULL, &s);
	close(fd);
	CHECK_ERR(stream_tls_server(s, server, deadline_in(SOON)), E_CLOSED);
	stream_close(&s, CLOSE_PEER);
	tls_ctx_unref(&server);
	cluster_fini(&c);
}

struct closer {
	struct stream *s;
	struct tls_ctx *ctx;
	enum err result;
};

WAITS static void handshake_main(void *arg)
{
	struct closer *t = arg;

	t->result = stream_tls_server(t->s, t->ctx, NO_DEADLINE);
}

TEST_FIBER(a_handshake_may_be_closed_under_its_fiber)
{
	struct cluster c;
	struct closer t = {.ctx = public_server(&c), .result = E_INTERNAL};
	struct stream *s;
	int fd = net_raw_pair(NULL, &s);

	t.s = s;
	CHECK_ERR(fiber_start("t.handshake", handshake_main, &t, NULL), E_OK);
	CHECK_INT(write(fd, "\x16\x03\x01", 3), 3);
	CHECK_ERR(fiber_sleep("t.begin", 10), E_TIMEOUT);
	stream_close(&s, CLOSE_SHUTDOWN);
	CHECK_ERR(fiber_sleep("t.end", 10), E_TIMEOUT);
	CHECK_ERR(t.result, E_CLOSED);
	close(fd);
	tls_ctx_unref(&t.ctx);
	cluster_fini(&c);
}

/* ---- bytes under TLS ---- */

struct mover {
	struct stream *s;
	size_t n, piece, done;
	enum err result;
};

WAITS static void writer_main(void *arg)
{
	struct mover *m = arg;

	m->result = write_pattern(m->s, m->n, m->piece);
	if (m->result == E_OK)
		m->result = stream_flush(m->s, deadline_in(SOON));
}

WAITS static void reader_main(void *arg)
{
	struct mover *m = arg;

	m->done = read_pattern(m->s, m->n);
}

WAITS static void move_both_ways(struct stream *a, struct stream *b, size_t n, size_t piece)
{
	struct mover m[4];
	struct scope scope;

	for (size_t i = 0; i < 4; i++)
		m[i] = (struct mover){i % 2 == 0 ? a : b, n, piece + 1234 * i, 0, E_INTERNAL};
	scope_init(&scope);
	CHECK_ERR(scope_start(&scope, "t.a_writes", writer_main, &m[0]), E_OK);
	CHECK_ERR(scope_start(&scope, "t.b_writes", writer_main, &m[1]), E_OK);
	CHECK_ERR(scope_start(&scope, "t.a_reads", reader_main, &m[2]), E_OK);
	CHECK_ERR(scope_start(&scope, "t.b_reads", reader_main, &m[3]), E_OK);
	CHECK_ERR(scope_join(&scope, deadline_in(60000)), E_OK);
	CHECK_ERR(m[0].result, E_OK);
	CHECK_ERR(m[1].result, E_OK);
	CHECK_INT(m[2].done, n);
	CHECK_INT(m[3].done, n);
}

TEST_FIBER(large_transfers_in_constant_memory)
{
	static const size_t windows[] = {1, 1000, 16 * 1024, 20000, 256 * 1024};
	struct cluster c;

	cluster_init(&c);
	for (size_t i = 0; i < ARRAY_LEN(windows); i++) {
		struct budget budget;
		struct stream_opts opts = {windows[i], 30000, &budget, NULL};
		struct stream *a, *b;
		enum err ea, eb;

		check_note("window %zu", windows[i]);
		budget_init(&budget, SIZE_MAX, NULL);
		net_pair(&opts, &a, &b);
		tls_pair(a, c.client_ctx, b, c.server_ctx, &ea, &eb);
		CHECK_ERR(ea, E_OK);
		CHECK_ERR(eb, E_OK);
		move_both_ways(a, b, windows[i] == 1 ? 20000 : 4 << 20, 5000);
		fiber_yield(); /* what was read is given back as the turn ends */
		CHECK_INT(budget.used, 0);
		/* Both ends: window and left-over input, queue, and what the socket refused. */
		CHECK(budget.peak <= 2 * (2 * windows[i] + 2048 + 3 * 32768 + 68 * 1024));
		stream_close(&a, CLOSE_DONE);
		stream_close(&b, CLOSE_DONE);
		CHECK_ERR(fiber_sleep("t.closing", 10), E_TIMEOUT);
		budget_fini(&budget);
	}
	cluster_fini(&c);
}

struct relay {
	struct stream *from, *to;
};

/* Passes bytes on one by one, each in a packet of its own. */
WAITS static void relay_main(void *arg)
{
	struct relay *r = arg;

	while (stream_fill(r->from, 0, "t.relay", deadline_in(SOON)) == E_OK) {
		char byte = stream_peek(r->from).p[0];

		stream_consume(r->from, 1);
		if (stream_write(r->to, slice(&byte, 1), deadline_in(SOON)) != E_OK)
			break;
		if (stream_flush(r->to, deadline_in(SOON)) != E_OK)
			break;
	}
}

TEST_FIBER(records_may_trickle)
{
	struct cluster c;
	struct stream *client, *near, *far, *server;
	struct scope scope;
	struct relay there, back;
	enum err ea, eb;

	cluster_init(&c);
	net_pair(NULL, &client, &near);
	net_pair(NULL, &far, &server);
	there = (struct relay){near, far};
	back = (struct relay){far, near};
	scope_init(&scope);
	CHECK_ERR(scope_start(&scope, "t.there", relay_main, &there), E_OK);
	CHECK_ERR(scope_start(&scope, "t.back", relay_main, &back), E_OK);
	tls_pair(client, c.client_ctx, server, c.server_ctx, &ea, &eb);
	CHECK_ERR(ea, E_OK);
	CHECK_ERR(eb, E_OK);
	check_echo(client, server);
	move_both_ways(client, server, 5000, 700);
	stream_close(&client, CLOSE_DONE);
	CHECK_ERR(stream_fill(server, 0, "t.end", deadline_in(SOON)), E_CLOSED);
	stream_close(&server, CLOSE_DONE);
	CHECK_ERR(scope_join(&scope, deadline_in(SOON)), E_OK);
	stream_close(&near, CLOSE_DONE);
	stream_close(&far, CLOSE_DONE);
	cluster_fini(&c);
}

TEST_FIBER(a_full_window_is_told_under_tls_and_the_rest_comes_later)
{
	struct cluster c;
	struct stream_opts opts = {.window_max = 5000};
	struct stream *a, *b;
	enum err ea, eb;

	cluster_init(&c);
	net_pair(&opts, &a, &b);
	tls_pair(a, c.client_ctx, b, c.server_ctx, &ea, &eb);
	CHECK_ERR(write_pattern(a, 40000, 40000), E_OK);
	CHECK_ERR(stream_flush(a, deadline_in(SOON)), E_OK);
	stream_close(&a, CLOSE_DONE);
	CHECK_ERR(stream_fill(b, 4999, "t.full", deadline_in(SOON)), E_OK);
	CHECK_ERR(stream_fill(b, 5000, "t.full", deadline_in(SOON)), E_LIMIT);
	CHECK_ERR(fiber_sleep("t.end", 10), E_TIMEOUT);
	CHECK_INT(read_pattern(b, SIZE_MAX), 40000);
	CHECK_ERR(stream_fill(b, 0, "t.end", deadline_in(SOON)), E_CLOSED);
	stream_close(&b, CLOSE_DONE);
	cluster_fini(&c);
}

TEST_FIBER(a_broken_record_ends_the_connection)
{
	struct cluster c;
	struct stream *client, *near, *far, *server;
	struct scope scope;
	struct relay there, back;
	struct diag why;
	enum err ea, eb;

	cluster_init(&c);
	net_pair(NULL, &client, &near);
	net_pair(NULL, &far, &server);
	there = (struct relay){near, far};
	back = (struct relay){far, near};
	scope_init(&scope);
	CHECK_ERR(scope_start(&scope, "t.there", relay_main, &there), E_OK);
	CHECK_ERR(scope_start(&scope, "t.back", relay_main, &back), E_OK);
	tls_pair(client, c.client_ctx, server, c.server_ctx, &ea, &eb);
	CHECK_ERR(ea, E_OK);
	CHECK_ERR(stream_write(far,
			       SL("\x17\x03\x03\x00\x20"
				  "abcdefghijklmnopqrstuvwxyz012345"),
			       deadline_in(SOON)),
		  E_OK);
	CHECK_ERR(stream_fill(server, 0, "t.broken", deadline_in(SOON)), E_TLS);
	stream_diag(server, &why);
	CHECK_STR(why.text, "decryption failed or bad record mac");
	CHECK_ERR(stream_fill(client, 0, "t.alert", deadline_in(SOON)), E_TLS);
	stream_close(&client, CLOSE_TLS);
	stream_close(&server, CLOSE_TLS);
	CHECK_ERR(scope_join(&scope, deadline_in(SOON)), E_OK);
	stream_close(&near, CLOSE_DONE);
	stream_close(&far, CLOSE_DONE);
	cluster_fini(&c);
}

TEST_FIBER(an_idle_tls_stream_holds_no_buffer)
{
	struct cluster c;
	struct budget budget;
	struct stream_opts opts = {.budget = &budget};
	struct stream *a, *b;
	enum err ea, eb;

	cluster_init(&c);
	budget_init(&budget, SIZE_MAX, NULL);
	net_pair(&opts, &a, &b);
	tls_pair(a, c.client_ctx, b, c.server_ctx, &ea, &eb);
	check_echo(a, b);
	fiber_yield(); /* memory goes at the end of the turn */
	CHECK_INT(budget.used, 0);
	CHECK(budget.peak > 0);
	stream_close(&a, CLOSE_DONE);
	stream_close(&b, CLOSE_DONE);
	cluster_fini(&c);
}

/* ---- contexts ---- */

static struct tls_ctx *server_named(const slice_t *dns, size_t n)
{
	const struct pki_names names = {.cn = SL("cn.test"), .dns = dns, .ndns = n, .days = 1};
	struct tls_ctx *ctx;
	struct pem own;
	struct buf cert, key;

	buf_init(&cert, sizeof own.cert - 1, NULL);
	buf_init(&key, sizeof own.key - 1, NULL);
	CHECK_ERR(pki_self_signed(&names, &cert, &key, NULL), E_OK);
	CHECK(slice_to_str(buf_slice(&cert), own.cert, sizeof own.cert));
	CHECK(slice_to_str(buf_slice(&key), own.key, sizeof own.key));
	ctx = net_pki_ctx(TLS_PUBLIC_SERVER, &own, NULL);
	buf_fini(&cert);
	buf_fini(&key);
	return ctx;
}

TEST_FIBER(our_certificate_names_hosts)
{
	static const struct {
		const char *host;
		bool named, by_any;
	} cases[] = {
		{"mta-sts.a.test", true, true}, {"MTA-STS.A.test", true, true},
		{"a.test", false, false},       {"mta-sts.b.test", false, true},
		{"x.b.test", false, true},      {"x.y.b.test", false, false},
		{"b.test", false, false},       {"cn.test", false, false},
	};
	const slice_t dns[] = {SL("mta-sts.a.test"), SL("*.b.test")};
	struct tls_ctx *server = server_named(dns, ARRAY_LEN(dns));
	struct tls_ctx *client = net_pki_ctx(TLS_PUBLIC_CLIENT, NULL, NULL);
	struct stream *a, *b;
	enum err ea, eb;

	net_pair(NULL, &a, &b);
	CHECK(!stream_tls_names(b, SL("mta-sts.a.test"), TLS_NAMED_BY_ANY));
	tls_pair(a, client, b, server, &ea, &eb);
	CHECK_ERR(eb, E_OK);
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		slice_t host = slice_str(cases[i].host);

		check_note("case %zu: %s", i, cases[i].host);
		CHECK_INT(stream_tls_names(b, host, TLS_NAMED), cases[i].named);
		CHECK_INT(stream_tls_names(b, host, TLS_NAMED_BY_ANY), cases[i].by_any);
	}
	stream_close(&a, CLOSE_DONE);
	stream_close(&b, CLOSE_DONE);
	tls_ctx_unref(&server);
	tls_ctx_unref(&client);
}

TEST(a_bad_configuration_is_refused_with_a_reason)
{
	struct cluster c;
	struct tls_ctx *ctx = NULL;
	struct diag d;
	struct tls_config conf;

	cluster_init(&c);
	conf = (struct tls_config){TLS_PUBLIC_SERVER, "nonsense", c.server.key, NULL};
	CHECK_ERR(tls_ctx_new(&conf, &ctx, &d), E_INVALID);
	CHECK_STR(d.text, "certificate: no start line");
	conf = (struct tls_config){TLS_PUBLIC_SERVER, c.server.cert, "nonsense", NULL};
	CHECK_ERR(tls_ctx_new(&conf, &ctx, &d), E_INVALID);
	conf = (struct tls_config){TLS_PUBLIC_SERVER, c.server.cert, c.client.key, NULL};
	CHECK_ERR(tls_ctx_new(&conf, &ctx, &d), E_INVALID);
	CHECK_STR(d.text, "private key: key values mismatch");
	conf = (struct tls_config){TLS_PUBLIC_SERVER, NULL, NULL, NULL};
	CHECK_ERR(tls_ctx_new(&conf, &ctx, &d), E_INVALID);
	conf = (struct tls_config){TLS_CLUSTER_SERVER, c.server.cert, c.server.key, NULL};
	CHECK_ERR(tls_ctx_new(&conf, &ctx, &d), E_INVALID);
	conf.ca_pem = "nonsense";
	CHECK_ERR(tls_ctx_new(&conf, &ctx, &d), E_INVALID);
	CHECK_STR(d.text, "CA certificate: no start line");
	CHECK(ctx == NULL);
	cluster_fini(&c);
}
