/*
 * proof: what was proved lately. After a good log-in the account's entry keeps, for PROOF_MS and in
 * memory only, an HMAC of the password (under a key that is drawn at start) or the SCRAM verifier
 * that the proof fitted. A later log-in that shows the same needs neither database nor KDF. Bound
 * to the credential epoch: a new password or a lock ends it.
 */
#ifndef BACKEND_AUTH_PROOF_H
#define BACKEND_AUTH_PROOF_H

#include "common/base/slice.h"
#include "common/crypto/scram.h"

#define PROOF_MS      (10 * 60 * 1000)
#define PROOF_ENTRIES 65536 /* about 15 MiB; the one idle longest leaves */

struct proofs;

struct proofs *proofs_new(void);
void proofs_free(struct proofs **p); /* wipes */

/* True: this password was good for the account at this epoch. Constant in the password. */
bool proof_has_password(struct proofs *p, uint64_t account, uint32_t epoch, slice_t password);
bool proof_get_scram(struct proofs *p, uint64_t account, uint32_t epoch,
		     struct scram_verifier *out);
void proof_put_password(struct proofs *p, uint64_t account, uint32_t epoch, slice_t password);
void proof_put_scram(struct proofs *p, uint64_t account, uint32_t epoch,
		     const struct scram_verifier *v);
void proof_forget(struct proofs *p, uint64_t account);
/* A hash of name and password under the same key: the throttle's password_tag; never 0. */
uint64_t proof_tag(const struct proofs *p, slice_t name, slice_t password);
size_t proof_count(const struct proofs *p);

#endif
