/*
 * sign: keys and signatures of DKIM (RFC 6376): rsa-sha256 and ed25519-sha256 (RFC 8463), each over
 * a SHA-256 digest that somebody else has made. What RFC 8301 forbids is not here: no SHA-1, no
 * small keys.
 *
 * A private key is stored as PKCS#8 DER, and signs once it is opened. Opening costs a millisecond,
 * a signature from a twentieth of one (Ed25519) to a whole one (RSA), a new RSA key some hundred:
 * on a worker thread, not on a loop. All functions may be called on any thread, also with one open
 * key on several at a time.
 */
#ifndef COMMON_CRYPTO_SIGN_H
#define COMMON_CRYPTO_SIGN_H

#include "common/base/err.h"
#include "common/crypto/digest.h"
#include "common/crypto/secret.h"

/* The numbers are stored and on the wire: they never change. */
enum sign_algorithm { SIGN_RSA_SHA256 = 1, SIGN_ED25519_SHA256 = 2 };

#define SIGN_RSA_BITS      2048 /* of keys that are made: RFC 8301 section 3.2, and fits a TXT */
#define SIGN_RSA_BITS_MIN  1024 /* RFC 8301 section 3.2: weaker ones verify nothing */
#define SIGN_RSA_BITS_MAX  4096 /* larger ones only cost time */
#define SIGN_PRIVATE_MAX   2048 /* PKCS#8 of 2048 bits is 1.2 KiB */
#define SIGN_PUBLIC_MAX    1024 /* SubjectPublicKeyInfo of 4096 bits is 550 bytes */
#define SIGN_SIGNATURE_MAX (SIGN_RSA_BITS_MAX / 8)

/* "rsa-sha256", "ed25519-sha256": the a= of a signature. */
const char *sign_name(enum sign_algorithm a);
/* "rsa", "ed25519": the k= of a key record. */
const char *sign_key_type(enum sign_algorithm a);

/* A new pair. public_out (room for SIGN_PUBLIC_MAX) gets the bytes that p= holds in base64: RSA as
 * SubjectPublicKeyInfo (RFC 6376 section 3.6.1), Ed25519 as its 32 bytes (RFC 8463 section 4). */
void sign_key_make(enum sign_algorithm a, struct secret *private_out, struct buf *public_out);

/* An open private key, counted. */
struct sign_key;
/* E_INVALID: not a private key of that kind, or of a size that is not to be trusted. */
enum err sign_key_open(enum sign_algorithm a, slice_t private_key, struct sign_key **out) MUST_USE;
struct sign_key *sign_key_ref(struct sign_key *k);
void sign_key_unref(struct sign_key **k);

/* Appends the signature of the digest: RSASSA-PKCS1-v1_5, or PureEdDSA over the digest's bytes (RFC
 * 8463 section 3). Of one key and digest always the same bytes. E_INVALID: the parts of the key do
 * not belong together; E_LIMIT: no room. */
enum err sign_digest(const struct sign_key *k, const uint8_t digest[SHA256_LEN],
		     struct buf *out) MUST_USE;

/* Is this the signature of the digest? E_OK; E_DENIED: no; E_INVALID: not a public key of that
 * kind, or of a size that is not to be trusted. */
enum err sign_verify(enum sign_algorithm a, slice_t public_key, const uint8_t digest[SHA256_LEN],
		     slice_t signature) MUST_USE;

#endif
