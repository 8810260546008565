/*
 * pwhash: password verifiers with Argon2id, in libsodium's text form ("$argon2id$v=19$m=...").
 * Milliseconds and megabytes each: on worker threads, with a bounded queue.
 */
#ifndef COMMON_CRYPTO_PWHASH_H
#define COMMON_CRYPTO_PWHASH_H

#include "common/base/buf.h"
#include "common/base/err.h"

#define PWHASH_STR_MAX      128  /* bytes of a verifier */
#define PWHASH_PASSWORD_MAX 1024 /* bytes; longer ones are refused before any work */

/* 19 MiB, two passes: the smallest that OWASP recommends, so that a burst of log-ins fits the
 * memory of a small back-end. */
#define PWHASH_PASSES 2
#define PWHASH_MEMORY (19 * 1024 * 1024)

/* Appends a new verifier. E_TOO_BIG: the password; E_LIMIT: no memory for the work. */
enum err pwhash_make(slice_t password, struct buf *out) MUST_USE;
/* E_OK, E_DENIED (another password), E_CORRUPT (not a verifier, or one that asks for more work
 * than ours), E_TOO_BIG, E_LIMIT. */
enum err pwhash_verify(slice_t verifier, slice_t password) MUST_USE;
/* The work of a verification that fails, for names that do not exist. */
void pwhash_decoy(slice_t password);
/* Made with other parameters than today's: make a new one at the next good log-in. */
bool pwhash_outdated(slice_t verifier);

#endif
