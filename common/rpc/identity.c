#include "common/rpc/identity.h"

#include <stdio.h>

static const char *const service_names[] = {
	[SERVICE_NONE] = "none",
	[SERVICE_SMTP] = "smtp",
	[SERVICE_SUBMISSION] = "submission",
	[SERVICE_IMAP] = "imap",
	[SERVICE_POP3] = "pop3",
	[SERVICE_MANAGESIEVE] = "managesieve",
	[SERVICE_OUTBOUND] = "outbound",
	[SERVICE_INGEST] = "ingest",
	[SERVICE_WEB] = "web",
};

static const char *const role_names[] = {
	[ROLE_NONE] = "none",   [ROLE_FRONTEND] = "frontend", [ROLE_BACKEND] = "backend",
	[ROLE_ADMIN] = "admin", [ROLE_OPERATOR] = "operator",
};

const char *rpc_service_name(enum rpc_service s)
{
	return (size_t)s < ARRAY_LEN(service_names) ? service_names[s] : "none";
}

enum rpc_service rpc_service_parse(slice_t name)
{
	for (size_t i = SERVICE_NONE + 1; i < ARRAY_LEN(service_names); i++)
		if (slice_eq(name, slice_str(service_names[i])))
			return (enum rpc_service)i;
	return SERVICE_NONE;
}

static enum rpc_role role_parse(slice_t name)
{
	for (size_t i = ROLE_NONE + 1; i < ARRAY_LEN(role_names); i++)
		if (slice_eq(name, slice_str(role_names[i])))
			return (enum rpc_role)i;
	return ROLE_NONE;
}

static bool name_ok(slice_t s)
{
	if (s.n == 0 || s.n >= RPC_NAME_MAX)
		return false;
	for (size_t i = 0; i < s.n; i++) {
		char c = s.p[i];

		if (!((c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-'))
			return false;
	}
	return true;
}

bool rpc_identity_parse(slice_t cn, struct rpc_identity *out)
{
	struct rpc_identity id = {.role = ROLE_NONE};
	slice_t name, service = SLICE_NONE;
	size_t cut = slice_find_char(cn, '/');
	bool has_service;

	if (cut == cn.n)
		return false;
	id.role = role_parse(slice_sub(cn, 0, cut));
	name = slice_from(cn, cut + 1);
	cut = slice_find_char(name, '/');
	has_service = cut < name.n;
	if (has_service) {
		service = slice_from(name, cut + 1);
		name = slice_sub(name, 0, cut);
	}
	if (id.role == ROLE_NONE || has_service != (id.role == ROLE_FRONTEND) || !name_ok(name))
		return false;
	if (has_service) {
		id.service = rpc_service_parse(service);
		if (id.service == SERVICE_NONE)
			return false;
	}
	if (!slice_to_str(name, id.name, sizeof(id.name)))
		return false;
	*out = id;
	return true;
}

const char *rpc_identity_str(const struct rpc_identity *id, char *buf)
{
	const char *role = (size_t)id->role < ARRAY_LEN(role_names) ? role_names[id->role] : "none";

	if (id->role == ROLE_FRONTEND)
		snprintf(buf, RPC_IDENTITY_STR, "%s/%s/%s", role, id->name,
			 rpc_service_name(id->service));
	else
		snprintf(buf, RPC_IDENTITY_STR, "%s/%s", role, id->name);
	return buf;
}
