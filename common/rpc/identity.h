/* identity: what a cluster certificate says of its holder, in the subject's CN:
 * "frontend/<name>/<service>", "backend/<name>", "admin/<name>", "operator/<name>": an
 * administrator of what names it as its operator, and of nothing else. */
#ifndef COMMON_RPC_IDENTITY_H
#define COMMON_RPC_IDENTITY_H

#include "common/base/slice.h"

enum rpc_role { ROLE_NONE, ROLE_FRONTEND, ROLE_BACKEND, ROLE_ADMIN, ROLE_OPERATOR };
enum rpc_service {
	SERVICE_NONE,
	SERVICE_SMTP,
	SERVICE_SUBMISSION,
	SERVICE_IMAP,
	SERVICE_POP3,
	SERVICE_MANAGESIEVE,
	SERVICE_OUTBOUND,
	SERVICE_INGEST,
	SERVICE_WEB,
	SERVICE_LAST = SERVICE_WEB,
};

#define RPC_NAME_MAX 64

struct rpc_identity {
	enum rpc_role role;
	enum rpc_service service; /* ROLE_FRONTEND only */
	char name[RPC_NAME_MAX];
};

/* [a-z0-9-]{1,63} names only. */
bool rpc_identity_parse(slice_t cn, struct rpc_identity *out) MUST_USE;
/* Back to "frontend/fe1/smtp"; buf of RPC_IDENTITY_STR. */
#define RPC_IDENTITY_STR (RPC_NAME_MAX + 32)
const char *rpc_identity_str(const struct rpc_identity *id, char *buf);
const char *rpc_service_name(enum rpc_service s);
enum rpc_service rpc_service_parse(slice_t name); /* SERVICE_NONE: unknown */

#endif
