/*
 * common/crypto: every use of cryptography in the project stands here or in common/net/tls*, and
 * only these folders include OpenSSL and libsodium. Nothing here waits, allocates by a peer's
 * choice, or logs a secret.
 *
 *   digest    SHA-256, HMAC-SHA-256, PBKDF2 (OpenSSL)
 *   random    the only door to randomness; replaceable in tests
 *   secret    wiped memory, comparison in constant time
 *   password  one form for the same password, however it was typed
 *   pwhash    password verifiers, Argon2id (libsodium)
 *   scram     the server's (and client's) arithmetic of SCRAM-SHA-256
 *   seal      authenticated encryption with key ids; boxes to a node's key
 *   sign      DKIM's signatures: RSA and Ed25519 over a digest (OpenSSL)
 *   pki       the cluster's own small certificate authority
 *
 * pwhash_* and scram_make, scram_check_password cost milliseconds of CPU on purpose: call them on
 * a worker thread, never on a loop. A failure of a library on our own input is an invariant; only
 * what depends on a peer's or a file's bytes returns an enum err.
 */
#ifndef COMMON_CRYPTO_DIGEST_H
#define COMMON_CRYPTO_DIGEST_H

#include "common/base/slice.h"

#define SHA256_LEN 32

void sha256(slice_t in, uint8_t out[SHA256_LEN]);
/* RFC 2104. */
void hmac_sha256(slice_t key, slice_t in, uint8_t out[SHA256_LEN]);
/* RFC 8018 with HMAC-SHA-256; one block of output. iterations >= 1. */
void pbkdf2_sha256(slice_t password, slice_t salt, uint32_t iterations, uint8_t out[SHA256_LEN]);

/* SHA-256 over a stream. */
struct sha256;
struct sha256 *sha256_new(void);
void sha256_add(struct sha256 *h, slice_t in);
/* The digest so far, of all that was added; the stream may go on. */
void sha256_peek(const struct sha256 *h, uint8_t out[SHA256_LEN]);
void sha256_free(struct sha256 **h);

#endif
