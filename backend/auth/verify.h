/*
 * verify: the costly sums of passwords, on worker threads. At most `max` run or wait at once; more
 * are refused (E_BUSY), so that a flood of log-ins cannot fill the thread pool that also serves
 * the disk.
 */
#ifndef BACKEND_AUTH_VERIFY_H
#define BACKEND_AUTH_VERIFY_H

#include "backend/directory/dir_admin.h"

#define VERIFY_MAX_DEFAULT 64

struct verify {
	unsigned running, max;
};

/* Is it the password of this verifier? With cred NULL the same work is done for nothing, as for a
 * verifier of kind `decoy`. E_OK, E_DENIED, E_BUSY, E_RETRY (no memory for the work). */
WAITS enum err verify_password(struct verify *v, const struct dir_credential *cred,
			       enum dir_cred_kind decoy, slice_t password) MUST_USE;
/* A new verifier. E_INVALID: the kind, or a password beyond all bounds; E_BUSY, E_RETRY. */
WAITS enum err verify_make(struct verify *v, enum dir_cred_kind kind, slice_t password,
			   struct dir_credential *out) MUST_USE;
/* Other costly work of a log-in, under the same bound. E_OK: fn ran; E_BUSY, E_CANCELLED: it did
 * not. */
WAITS enum err verify_work(struct verify *v, const char *name, void (*fn)(void *),
			   void *arg) MUST_USE;
/* Another kind, or less work, than a verifier made today has. */
bool verify_outdated(const struct dir_credential *cred, enum dir_cred_kind today);

#endif
