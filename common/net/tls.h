/*
 * tls: contexts for stream_tls_*. tls*.c are the only files of net that include OpenSSL. TLS 1.2
 * and 1.3 with forward secrecy for the public; TLS 1.3 and mutual certificates for the RPC.
 */
#ifndef COMMON_NET_TLS_H
#define COMMON_NET_TLS_H

#include "common/base/err.h"
#include "common/base/slice.h"

struct tls_ctx;

/* Certificates of one context: one of them may have a hundred names. */
#define TLS_CERTS_MAX 32

enum tls_profile {
	TLS_PUBLIC_SERVER,  /* 1.2+, ECDHE only, no client certificate asked */
	TLS_PUBLIC_CLIENT,  /* each connection says whom it wants to find (tls_check.h) */
	TLS_CLUSTER_SERVER, /* 1.3 only, client certificate of the CA required */
	TLS_CLUSTER_CLIENT, /* 1.3 only, server certificate of the CA required; no host name check:
			       roles are in the certificate (rpc/identity) */
};

struct tls_config {
	enum tls_profile profile;
	const char *cert_pem; /* the chain and the key as PEM text; copied */
	const char *key_pem;
	const char *ca_pem; /* CLUSTER_*: the cluster's CA */
};

/* E_INVALID with a reason: the PEM does not parse, or the key is not the certificate's. */
enum err tls_ctx_new(const struct tls_config *c, struct tls_ctx **out, struct diag *d) MUST_USE;
/* PUBLIC_CLIENT, before its first handshake: adds the authorities that TLS_PEER_NAMED believes, a
 * bundle in PEM. Read now: before the process is confined. E_INVALID: none could be read. */
enum err tls_ctx_trust_file(struct tls_ctx *c, const char *path, struct diag *d) MUST_USE;
/* Another library's SSL_CTX, as void * so that OpenSSL stays quarantined, believes the same
 * authorities as c from now on, in place of its own, and has our least version. */
void tls_ctx_share_trust(struct tls_ctx *c, void *ssl_ctx);
void tls_ctx_ref(struct tls_ctx *c);
void tls_ctx_unref(struct tls_ctx **c); /* streams hold their own reference */
/* PUBLIC_SERVER, before its first handshake: another certificate, for clients that ask for a name
 * of it (SNI, RFC 6066 section 3) that those before do not have. c's own is for all others. As
 * tls_ctx_new(), and E_INVALID: it has no DNS name; E_LIMIT: more than TLS_CERTS_MAX. */
enum err tls_ctx_add(struct tls_ctx *c, const struct tls_config *conf, struct diag *d) MUST_USE;
/* CLUSTER_*: certificates whose serial (lower-case hex) is in the list are refused from now on;
 * the list replaces the one before. Connections that stand are the caller's to close. */
void tls_ctx_revoke(struct tls_ctx *c, const slice_t *serials, size_t n);
/* The same list as another context has: a new one that takes its place. */
void tls_ctx_revoke_as(struct tls_ctx *c, struct tls_ctx *other);
/* OpenSSL's error queue as text, and empties it. */
void tls_error_text(struct diag *d);

#endif
