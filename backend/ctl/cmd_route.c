/* route add, route edit: a password for the relay, if there is to be one. */
#include "backend/ctl/commands.h"
#include "backend/ctl/run.h"
#include "proto/admin.pb-c.h"

int route_prepare(struct ctl *c, const struct ctl_args *a, bool *done)
{
	static const char *const ways[] = {"--password", "--password-file", "--password-stdin"};
	const char *user = ctl_args_get(a, "--user"), *auth = ctl_args_get(a, "--auth");
	bool ticket = auth != NULL && slice_ieq(slice_str(auth), SL("gssapi"));
	bool adds = slice_eq(slice_str(a->command->verb), SL("add"));

	c->prepared = NULL;
	for (size_t i = 0; i < ARRAY_LEN(ways); i++) {
		if (ctl_args_get(a, ways[i]) != NULL)
			return account_password_prepare(c, a, done);
	}
	if (!adds)
		return change_prepare(c, a, done);
	return user != NULL && !ticket ? account_password_prepare(c, a, done) : EX_OK;
}

WAITS int route_run(struct ctl *c, const struct ctl_args *a)
{
	Postern__AdminRouteSpec m = POSTERN__ADMIN_ROUTE_SPEC__INIT;
	int status = ctl_args_fill(c, a, &m.base);

	if (status != EX_OK)
		return status;
	m.has_password = c->prepared != NULL;
	if (m.has_password)
		m.password = c->prepared;
	return ctl_run_request(c, a, &m.base, NULL, NULL);
}
