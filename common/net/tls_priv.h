/* tls_priv: the inside of a context, shared by tls, tls_check, tls_conn and tls_names. */
#ifndef COMMON_NET_TLS_PRIV_H
#define COMMON_NET_TLS_PRIV_H

#include <openssl/ssl.h>
#include <pthread.h>
#include <stdatomic.h>

#include "common/base/map.h"
#include "common/net/tls.h"
#include "common/net/tls_check.h"

struct tls_ctx {
	atomic_uint refs;
	SSL_CTX *ssl_ctx;
	enum tls_profile profile;
	pthread_mutex_t lock; /* guards revoked: handshakes of any loop look there */
	struct map revoked;   /* serial -> the context itself */
	struct map named;     /* DNS names of its certificates -> whose; empty: it has one alone */
	struct tls_ctx *more[TLS_CERTS_MAX - 1];
	size_t nmore;
};

/* A certificate's serial number in lower-case hex, as tls_ctx_revoke() wants it: no leading
 * zeroes, at most 20 bytes (RFC 5280 4.1.2.2). False if it is longer. */
#define TLS_SERIAL_STR 41
bool tls_serial(const X509 *cert, char text[TLS_SERIAL_STR]) MUST_USE;

/* ---- tls_check ---- */

/* A demand that is being checked; SSL's app data. */
struct tls_checked {
	enum tls_peer_kind kind;
	bool unnamed;         /* no name to be matched was given: nobody passes */
	bool advisory;        /* what is wrong is noted, no more */
	enum tls_fault fault; /* of the first refusal: */
	struct diag why;
};
/* Sets a client's demand before its handshake. NULL: anybody may be there. */
struct tls_checked *tls_check_begin(SSL *ssl, const struct tls_peer_check *check);
/* checked may be NULL. */
enum tls_verified tls_check_result(SSL *ssl, const struct tls_checked *checked);

#endif
