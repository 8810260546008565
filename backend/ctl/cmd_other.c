/* Commands that differ from the rest by little. */
#include "backend/ctl/commands.h"
#include "backend/ctl/run.h"
#include "proto/admin.pb-c.h"

#define AUDIT_LIMIT   50
#define EXIT_FINDINGS 1

int session_kill_prepare(struct ctl *c, const struct ctl_args *a, bool *done UNUSED)
{
	if ((ctl_args_get(a, "ID") != NULL) == (ctl_args_get(a, "--account") != NULL))
		return ctl_fail(c, EX_USAGE, "give either a session's ID or --account ADDRESS");
	return EX_OK;
}

/* A change of nothing is a slip. */
int change_prepare(struct ctl *c, const struct ctl_args *a, bool *done UNUSED)
{
	for (size_t i = 0; i < a->n; i++) {
		if ((a->given[i].arg->flags & ARG_REQUIRED) == 0)
			return EX_OK;
	}
	return ctl_fail(c, EX_USAGE, "nothing to change; see `postern %s %s --help`",
			a->command->noun, a->command->verb);
}

WAITS int audit_list_run(struct ctl *c, const struct ctl_args *a)
{
	Postern__AdminAuditList m = POSTERN__ADMIN_AUDIT_LIST__INIT;
	int status;

	m.limit = AUDIT_LIMIT;
	status = ctl_args_fill(c, a, &m.base);
	return status == EX_OK ? ctl_run_request(c, a, &m.base, NULL, NULL) : status;
}

static void count_errors(const ProtobufCMessage *page, void *arg)
{
	const Postern__AdminFsckPage *m = (const void *)page;
	uint64_t *errors = arg;

	for (size_t i = 0; i < m->n_partitions; i++)
		*errors += m->partitions[i]->errors;
}

/* Findings make a status of their own, so that a script need not read them. */
WAITS int fsck_run(struct ctl *c, const struct ctl_args *a)
{
	Postern__AdminFsck m = POSTERN__ADMIN_FSCK__INIT;
	uint64_t errors = 0;
	int status = ctl_args_fill(c, a, &m.base);

	if (status == EX_OK)
		status = ctl_run_request(c, a, &m.base, count_errors, &errors);
	return status == EX_OK && errors != 0 ? EXIT_FINDINGS : status;
}
