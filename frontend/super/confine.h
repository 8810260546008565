/* confine: what a worker gives up before it reads the first byte of a stranger. */
#ifndef FRONTEND_SUPER_CONFINE_H
#define FRONTEND_SUPER_CONFINE_H

#include "common/base/err.h"
#include "common/rpc/identity.h"

enum confine_dial { CONFINE_MAY_DIAL, CONFINE_NO_DIAL };

/* Dies with its parent, becomes uid and gid (0: stays), without supplementary groups, sets
 * no-new-privileges, and forbids core dumps of its keys to strangers. */
enum err confine_identity(uint32_t uid, uint32_t gid, struct diag *d) MUST_USE;
/* The system call filter: what the event loop needs; no exec, no file opened for writing, no new
 * executable memory, no new thread; sockets made only where the role dials. From now on, for every
 * thread that there is. SERVICE_OUTBOUND dials in
 * any case, other hosts, and asks DNS: sockets for UDP are its alone. */
enum err confine_syscalls(enum rpc_service service, enum confine_dial dial,
			  struct diag *d) MUST_USE;

#endif
