/*
 * scram: the calculations of SCRAM-SHA-256 (RFC 5802, RFC 7677). Messages are the SASL layer's;
 * here is only what needs a password or a verifier. A verifier as text:
 *
 *   SCRAM-SHA-256$<iterations>:<base64 salt>$<base64 StoredKey>:<base64 ServerKey>
 *
 * Passwords are used as their UTF-8 bytes are; no SASLprep mapping is made.
 */
#ifndef COMMON_CRYPTO_SCRAM_H
#define COMMON_CRYPTO_SCRAM_H

#include "common/base/buf.h"
#include "common/base/err.h"
#include "common/crypto/digest.h"

#define SCRAM_KEY_LEN      SHA256_LEN
#define SCRAM_SALT_LEN     16 /* of our own verifiers */
#define SCRAM_SALT_MAX     64
#define SCRAM_ITER_MIN     4096    /* RFC 7677 section 4 */
#define SCRAM_ITER_DEFAULT 100000  /* human passwords; about 25 ms */
#define SCRAM_ITER_MAX     2000000 /* bounds the work that a stored verifier can ask for */
#define SCRAM_STR_MAX      256     /* bytes of a verifier as text */
#define SCRAM_PASSWORD_MAX 1024

struct scram_verifier {
	uint32_t iterations;
	uint8_t salt_n;
	uint8_t salt[SCRAM_SALT_MAX];
	uint8_t stored_key[SCRAM_KEY_LEN];
	uint8_t server_key[SCRAM_KEY_LEN];
};

/* With a fresh random salt. E_TOO_BIG: the password. E_INVALID: iterations out of bounds. */
enum err scram_make(slice_t password, uint32_t iterations, struct scram_verifier *out) MUST_USE;
/* The same with a given salt (1 .. SCRAM_SALT_MAX bytes). */
enum err scram_make_salted(slice_t password, slice_t salt, uint32_t iterations,
			   struct scram_verifier *out) MUST_USE;
void scram_format(const struct scram_verifier *v, struct buf *out);
/* E_CORRUPT: not a verifier, or outside of the bounds above. */
enum err scram_parse(slice_t text, struct scram_verifier *out) MUST_USE;

/* A verifier for a name that does not exist: the same salt for the same name and key, keys that
 * no password has. So an outsider cannot tell it from a real one. */
void scram_decoy(slice_t key, slice_t name, uint32_t iterations, struct scram_verifier *out);

/* PLAIN against a SCRAM verifier: E_OK, E_DENIED, E_TOO_BIG. */
enum err scram_check_password(const struct scram_verifier *v, slice_t password) MUST_USE;
/* ClientProof against AuthMessage (client-first-bare "," server-first ","
 * client-final-without-proof): E_OK or E_DENIED. Microseconds. */
enum err scram_check_proof(const struct scram_verifier *v, slice_t auth_message,
			   slice_t proof) MUST_USE;
void scram_server_signature(const struct scram_verifier *v, slice_t auth_message,
			    uint8_t out[SCRAM_KEY_LEN]);

/* The client's side, for outbound relays and tests. E_TOO_BIG, E_INVALID as scram_make_salted. */
enum err scram_client_proof(slice_t password, slice_t salt, uint32_t iterations,
			    slice_t auth_message, uint8_t proof_out[SCRAM_KEY_LEN],
			    uint8_t server_signature_out[SCRAM_KEY_LEN]) MUST_USE;

#endif
