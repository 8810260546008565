/* The queue's verbs: they share a filter, and its numbers are answers of their own. */
#include "backend/ctl/commands.h"
#include "backend/ctl/run.h"
#include "proto/admin.pb-c.h"
#include "proto/method.pb-c.h"

int queue_list_prepare(struct ctl *c, const struct ctl_args *a, bool *done UNUSED)
{
	if (ctl_args_get(a, "--count") != NULL && ctl_args_get(a, "--summary") != NULL)
		return ctl_fail(c, EX_USAGE, "give either --count or --summary");
	return EX_OK;
}

/* The command with another method and answer. */
WAITS int queue_list_run(struct ctl *c, const struct ctl_args *a)
{
	Postern__AdminQueueList m = POSTERN__ADMIN_QUEUE_LIST__INIT;
	struct ctl_command cmd = *a->command;
	struct ctl_args as = {.command = &cmd};
	int status = ctl_args_fill(c, a, &m.base);

	if (ctl_args_get(a, "--count") != NULL) {
		cmd.method = POSTERN__METHOD__METHOD_ADMIN_QUEUE_COUNT;
		cmd.answer = &postern__admin_queue_count_page__descriptor;
		cmd.columns = NULL;
	} else if (ctl_args_get(a, "--summary") != NULL) {
		cmd.method = POSTERN__METHOD__METHOD_ADMIN_QUEUE_SUMMARY;
		cmd.kind = ANSWER_GROUPS;
		cmd.answer = &postern__admin_queue_summary_page__descriptor;
		cmd.columns = NULL;
	}
	return status == EX_OK ? ctl_run_request(c, &as, &m.base, NULL, NULL) : status;
}

/* A whole queue is meant only when somebody says so. */
int queue_edit_prepare(struct ctl *c, const struct ctl_args *a, bool *done UNUSED)
{
	static const char *const others[] = {"--limit", "--all", "--reason", "--via"};
	bool all = ctl_args_get(a, "--all") != NULL;
	size_t conditions = a->n;

	for (size_t i = 0; i < ARRAY_LEN(others); i++)
		conditions -= ctl_args_get(a, others[i]) != NULL;
	if (all == (conditions != 0))
		return ctl_fail(c, EX_USAGE,
				"which items? give conditions, or --all; see `postern queue %s "
				"--help`",
				a->command->verb);
	return EX_OK;
}

static Postern__QueueAction action_of(const char *verb)
{
	static const struct {
		const char *verb;
		Postern__QueueAction action;
	} actions[] = {
		{"hold", POSTERN__QUEUE_ACTION__QUEUE_ACTION_HOLD},
		{"release", POSTERN__QUEUE_ACTION__QUEUE_ACTION_RELEASE},
		{"retry", POSTERN__QUEUE_ACTION__QUEUE_ACTION_RETRY},
		{"remove", POSTERN__QUEUE_ACTION__QUEUE_ACTION_REMOVE},
		{"bounce", POSTERN__QUEUE_ACTION__QUEUE_ACTION_BOUNCE},
		{"reroute", POSTERN__QUEUE_ACTION__QUEUE_ACTION_REROUTE},
		{"requeue", POSTERN__QUEUE_ACTION__QUEUE_ACTION_REQUEUE},
	};

	for (size_t i = 0; i < ARRAY_LEN(actions); i++) {
		if (slice_eq(slice_str(actions[i].verb), slice_str(verb)))
			return actions[i].action;
	}
	return POSTERN__QUEUE_ACTION__QUEUE_ACTION_NONE;
}

static char *text_of(const struct ctl_args *a, const char *name)
{
	const char *value = ctl_args_get(a, name);

	return (char *)(uintptr_t)(value != NULL ? value : "");
}

WAITS int queue_edit_run(struct ctl *c, const struct ctl_args *a)
{
	Postern__AdminQueueList items = POSTERN__ADMIN_QUEUE_LIST__INIT;
	Postern__AdminQueueEdit m = POSTERN__ADMIN_QUEUE_EDIT__INIT;
	int status = ctl_args_fill(c, a, &items.base);

	m.items = &items;
	m.all = ctl_args_get(a, "--all") != NULL;
	m.action = action_of(a->command->verb);
	m.reason = text_of(a, "--reason");
	m.via = text_of(a, "--via");
	/* It is for bad ones alone: the others need not be counted as unfit. */
	if (m.action == POSTERN__QUEUE_ACTION__QUEUE_ACTION_REQUEUE && items.state == 0)
		items.state = POSTERN__QUEUE_STATE__QUEUE_STATE_BAD;
	return status == EX_OK ? ctl_run_request(c, a, &m.base, NULL, NULL) : status;
}
