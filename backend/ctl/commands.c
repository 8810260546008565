#include "backend/ctl/table_priv.h"

const struct ctl_arg ctl_no_args[] = {{0}};

const struct ctl_command *const ctl_tables[] = {ctl_table_accounts, ctl_table_mail,
						ctl_table_cluster, NULL};

bool ctl_is_noun(const char *noun)
{
	for (const struct ctl_command *const *t = ctl_tables; *t != NULL; t++) {
		for (const struct ctl_command *cmd = *t; cmd->noun != NULL; cmd++) {
			if (strcmp(cmd->noun, noun) == 0)
				return true;
		}
	}
	return false;
}

const struct ctl_command *ctl_find(const char *noun, const char *verb)
{
	for (const struct ctl_command *const *t = ctl_tables; *t != NULL; t++) {
		for (const struct ctl_command *cmd = *t; cmd->noun != NULL; cmd++) {
			if (strcmp(cmd->noun, noun) == 0 && strcmp(cmd->verb, verb) == 0)
				return cmd;
		}
	}
	return NULL;
}
