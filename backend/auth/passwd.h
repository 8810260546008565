/* passwd: new passwords: what is refused, and the verifier that is kept in their place. */
#ifndef BACKEND_AUTH_PASSWD_H
#define BACKEND_AUTH_PASSWD_H

#include "backend/directory/dir_admin.h"

#define PASSWD_MIN 8
#define PASSWD_MAX 256

/* E_OK or E_INVALID with the reason: length, not UTF-8, control characters, the address or a part
 * of it, one character repeated. */
enum err passwd_policy(slice_t address, slice_t password, struct diag *d) MUST_USE;
/* Policy, then the work on a worker thread. kind: SCRAM (the default where SCRAM is on) or
 * Argon2id. E_INVALID, E_BUSY. */
WAITS enum err passwd_make(slice_t address, slice_t password, enum dir_cred_kind kind,
			   struct dir_credential *out, struct diag *d) MUST_USE;
/* SCRAM unless the setting "auth.scram" is off. */
enum dir_cred_kind passwd_kind(const struct dir *d);

#endif
