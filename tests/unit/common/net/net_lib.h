/* net_lib: what the tests of streams share: pairs of connected streams, certificates made on the
 * spot, and fibers that move bytes. */
#ifndef TESTS_UNIT_COMMON_NET_NET_LIB_H
#define TESTS_UNIT_COMMON_NET_NET_LIB_H

#include <pthread.h>

#include "common/base/buf.h"
#include "common/base/clock.h"
#include "common/loop/fiber.h"
#include "common/net/stream.h"
#include "common/net/tls.h"
#include "tests/lib/check.h"

#define SOON 10000 /* ms; a test that needs it has failed */

/* Two ends of a connection over 127.0.0.1. */
WAITS void net_pair(const struct stream_opts *opts, struct stream **a, struct stream **b);
/* One stream over 127.0.0.1 and the bare, blocking other end. */
WAITS int net_raw_pair(const struct stream_opts *opts, struct stream **s);

struct pem {
	char cert[4096];
	char key[4096];
};
/* A self-signed authority. */
void net_pki_ca(struct pem *out, const char *name);
/* A certificate of the authority; serial as hex. */
void net_pki_issue(const struct pem *ca, const char *cn, const char *serial_hex, struct pem *out);
/* One for these names, "DNS:a.example,DNS:*.a.example", that its own key has signed. */
void net_pki_site(struct pem *out, const char *cn, const char *names);
struct tls_ctx *net_pki_ctx(enum tls_profile profile, const struct pem *own, const struct pem *ca);

/* Handshakes on both ends at once. */
WAITS void tls_pair(struct stream *client, struct tls_ctx *client_ctx, struct stream *server,
		    struct tls_ctx *server_ctx, enum err *client_out, enum err *server_out);

/* A client of OpenSSL's own making, on a thread, for what our client does not do. It connects,
 * sends "hello" (after asking for a renegotiation, when told), reads to the end, and leaves. */
struct raw_tls {
	int fd; /* blocking; closed at the end */
	enum { RAW_ANY, RAW_TLS12, RAW_TLS11 } version;
	const char *ciphers; /* TLS 1.2's, or NULL */
	bool renegotiate;
	/* What came of it. */
	bool connected, clean_end;
	char version_name[16], cipher[64], got[64];
	pthread_t thread;
};
void raw_tls_start(struct raw_tls *r);
void raw_tls_join(struct raw_tls *r);

/* Byte i of the test pattern; and whether got is the pattern from `at` on. */
char pattern(size_t i);
bool is_pattern(slice_t got, size_t at);
/* Writes n bytes of the pattern in pieces. */
WAITS enum err write_pattern(struct stream *s, size_t n, size_t piece);
/* Reads until the end or n bytes, checking the pattern; returns how many were right. */
WAITS size_t read_pattern(struct stream *s, size_t n);
/* Reads exactly n bytes into b. */
WAITS enum err read_exactly(struct stream *s, size_t n, struct buf *b);

#endif
