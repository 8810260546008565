#include "tests/lib/wire.h"

#include <sys/socket.h>
#include <unistd.h>

#include "common/crypto/pki.h"
#include "common/loop/fiber.h"
#include "common/net/tls.h"

WAITS void wire_open(struct wire *w, const struct stream_opts *opts)
{
	static const struct stream_opts none;
	struct ipaddr a;
	struct diag d;
	int fd = -1, got;

	memset(w, 0, sizeof *w);
	invariant(ipaddr_parse(SL("127.0.0.1"), &a));
	invariant(listen_socket(&a, 0, LISTEN_ALONE, &fd, &d) == E_OK);
	if (opts == NULL)
		opts = &none;
	invariant(stream_connect(&a, listen_port(fd), NULL, opts, deadline_in(WIRE_MS),
				 &w->client) == E_OK);
	got = accept(fd, NULL, NULL);
	invariant(got >= 0);
	close(fd);
	invariant(stream_from_fd(got, opts, &w->server) == E_OK);
}

WAITS void wire_close(struct wire *w)
{
	stream_close(&w->client, CLOSE_DONE);
	stream_close(&w->server, CLOSE_DONE);
}

WAITS void wire_send(struct wire *w, slice_t bytes)
{
	/* A server that has closed is found out by the next read. */
	if (stream_write(w->client, bytes, deadline_in(WIRE_MS)) == E_OK &&
	    stream_flush(w->client, deadline_in(WIRE_MS)) != E_OK)
		return;
}

WAITS void wire_trickle(struct wire *w, const struct stream *server, slice_t bytes, size_t n)
{
	for (size_t at = 0; at < bytes.n; at += n) {
		slice_t piece = slice_sub(bytes, at, n);
		uint64_t before = stream_bytes_in(server);
		int64_t until = deadline_in(WIRE_MS);

		wire_send(w, piece);
		while (stream_bytes_in(server) < before + piece.n && deadline_in(0) < until)
			fiber_yield();
	}
	fiber_yield();
	fiber_yield();
}

WAITS enum err wire_line(struct wire *w)
{
	size_t seen = 0;

	w->line[0] = '\0';
	for (;;) {
		slice_t in = stream_peek(w->client);
		size_t lf = slice_find_char(in, '\n');
		enum err e;

		if (lf < in.n) {
			bool fits = lf > 0 &&
				    slice_to_str(slice_sub(in, 0, lf - 1), w->line, sizeof w->line);

			stream_consume(w->client, lf + 1);
			return fits ? E_OK : E_INVALID;
		}
		seen = in.n;
		e = stream_fill(w->client, seen, "wire.line", deadline_in(WIRE_MS));
		if (e != E_OK)
			return e;
	}
}

WAITS enum err wire_reply(struct wire *w)
{
	enum err e;

	do
		e = wire_line(w);
	while (e == E_OK && strlen(w->line) > 3 && w->line[3] == '-');
	return e;
}

WAITS bool wire_is_closed(struct wire *w)
{
	enum err e;

	do
		e = wire_line(w);
	while (e == E_OK);
	return e == E_CLOSED;
}

struct tls_ctx *wire_server_tls(void)
{
	static const slice_t dns[] = {SL("mx.example.org")};
	struct pki_names names = {.cn = SL("mx.example.org"), .dns = dns, .ndns = 1, .days = 1};
	struct tls_config c = {.profile = TLS_PUBLIC_SERVER};
	struct tls_ctx *ctx = NULL;
	struct buf cert, key;
	struct diag d;

	buf_init(&cert, PKI_PEM_MAX, NULL);
	buf_init(&key, PKI_PEM_MAX, NULL);
	invariant(pki_self_signed(&names, &cert, &key, &d) == E_OK);
	buf_putc(&cert, '\0');
	buf_putc(&key, '\0');
	c.cert_pem = cert.p;
	c.key_pem = key.p;
	invariant(tls_ctx_new(&c, &ctx, &d) == E_OK);
	buf_fini(&cert);
	buf_fini(&key);
	return ctx;
}

struct tls_ctx *wire_client_tls(void)
{
	struct tls_config c = {.profile = TLS_PUBLIC_CLIENT};
	struct tls_ctx *ctx = NULL;
	struct diag d;

	invariant(tls_ctx_new(&c, &ctx, &d) == E_OK);
	return ctx;
}
