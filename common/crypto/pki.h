/*
 * pki: the cluster's own small certificate authority, with P-256 keys. Certificates and keys go
 * in and out as PEM text; where they lie and how long they last is the caller's. Serials are
 * random, 128 bits; as text 32 lower-case hex digits, what tls_ctx_revoke takes.
 *
 * Nodes: the subject's CN is the identity (common/rpc/identity.h), both server and client usage.
 * The leaf's chain is the CA alone, with a path length of 0.
 */
#ifndef COMMON_CRYPTO_PKI_H
#define COMMON_CRYPTO_PKI_H

#include "common/base/buf.h"
#include "common/base/err.h"
#include "common/crypto/digest.h"

#define PKI_CN_MAX     64 /* X.520 ub-common-name */
#define PKI_SERIAL_STR 41 /* 20 octets in hex (RFC 5280 4.1.2.2) and a NUL */
#define PKI_NAMES_MAX  64 /* SAN entries of one certificate */
#define PKI_DAYS_MAX   36500
#define PKI_PEM_MAX    (16 * 1024) /* one certificate or key as text */

struct pki_info {
	char cn[PKI_CN_MAX + 1];           /* empty: none */
	char serial[PKI_SERIAL_STR];       /* lower-case hex */
	int64_t not_before_s, not_after_s; /* seconds since 1970 */
	bool is_ca;
};

struct pki_names {
	slice_t cn;         /* 1 .. PKI_CN_MAX bytes of printable ASCII */
	const slice_t *dns; /* borrowed */
	size_t ndns;
	const slice_t *ips; /* text, IPv4 or IPv6 */
	size_t nips;
	unsigned days; /* 1 .. PKI_DAYS_MAX, from an hour ago */
};

/* Appends a new CA's certificate and key. Output buffers need PKI_PEM_MAX of room. E_INVALID with a
 * diag for a bad name or number of days. */
enum err pki_make_ca(slice_t cn, unsigned days, struct buf *cert_pem, struct buf *key_pem,
		     struct diag *d) MUST_USE;
/* Appends a new leaf's certificate and key, signed by the CA; *info (may be NULL) tells its serial
 * and end. E_INVALID: bad names, or the CA's PEM does not parse or fit together. */
enum err pki_issue(slice_t ca_cert_pem, slice_t ca_key_pem, const struct pki_names *names,
		   struct buf *cert_pem, struct buf *key_pem, struct pki_info *info,
		   struct diag *d) MUST_USE;
/* A leaf that signs itself, for listeners without a certificate of their own yet. */
enum err pki_self_signed(const struct pki_names *names, struct buf *cert_pem, struct buf *key_pem,
			 struct diag *d) MUST_USE;
/* Reads the first certificate of a PEM text. E_INVALID: not one. */
enum err pki_parse(slice_t cert_pem, struct pki_info *out, struct diag *d) MUST_USE;
/* The SHA-256 of the first certificate's public key as it stands there (SubjectPublicKeyInfo): what
 * "3 1 1" of a TLSA record is about (RFC 6698 section 2.1). E_INVALID. */
enum err pki_key_sha256(slice_t cert_pem, uint8_t out[SHA256_LEN], struct diag *d) MUST_USE;
/* Was the certificate signed by this CA, and is it valid now? E_OK, E_DENIED, E_INVALID. */
enum err pki_verify(slice_t ca_cert_pem, slice_t cert_pem, struct diag *d) MUST_USE;

#endif
