/* policy_push: the streams over which front-end workers learn settings, the map of the cluster,
 * revocations and sessions to end. */
#ifndef BACKEND_RPC_POLICY_PUSH_H
#define BACKEND_RPC_POLICY_PUSH_H

#include "backend/rpc/be.h"

/* Follows the directory from now on. */
void policy_push_start(struct be *be);
/* All streams are ended. */
void policy_push_stop(struct be *be);
/* To every worker: end this session (account NULL), or all of the account's (session NULL). */
void policy_push_kill(struct be *be, const uint8_t *session, const char *account,
		      const char *reason);

#endif
