/*
 * wire: a connection over 127.0.0.1 with both ends in this process, for tests of protocols: one end
 * is the server's, the other speaks as a client, whole or byte by byte.
 */
#ifndef TESTS_LIB_WIRE_H
#define TESTS_LIB_WIRE_H

#include "common/net/stream.h"

#define WIRE_MS 10000 /* a test that waits so long has failed */

struct wire {
	struct stream *client;
	struct stream *server; /* the test's, until it gives it away */
	char line[4096];       /* the last line read */
};

/* opts are for both ends; NULL: the defaults. */
WAITS void wire_open(struct wire *w, const struct stream_opts *opts);
WAITS void wire_close(struct wire *w);
/* Writes as the client. */
WAITS void wire_send(struct wire *w, slice_t bytes);
/* The same in pieces of n bytes, each of which has reached the server's window (of a session that
 * reads) before the next leaves. server is read for its counter alone. */
WAITS void wire_trickle(struct wire *w, const struct stream *server, slice_t bytes, size_t n);
/* The next line that the server said, without CRLF, in w->line; E_CLOSED at the end. */
WAITS enum err wire_line(struct wire *w) MUST_USE;
/* The next whole reply of SMTP's form: skips "250-" lines; the last line is in w->line. */
WAITS enum err wire_reply(struct wire *w) MUST_USE;
/* Waits for the server to close. Lines that it says before are read over. */
WAITS bool wire_is_closed(struct wire *w);
/* A context for public listeners with a certificate of its own, and one for clients. */
struct tls_ctx *wire_server_tls(void);
struct tls_ctx *wire_client_tls(void);

#endif
