/* commands: the table of all that `postern` can do. */
#ifndef BACKEND_CTL_COMMANDS_H
#define BACKEND_CTL_COMMANDS_H

#include "backend/ctl/args.h"

/* Those of one noun stand together. A noun that is a command itself has the verb "". */
extern const struct ctl_command ctl_commands[];
extern const size_t ctl_ncommands;

/* NULL: no such command. */
const struct ctl_command *ctl_find(const char *noun, const char *verb);
bool ctl_is_noun(const char *noun);

/* cmd_pki.c */
int pki_init_prepare(struct ctl *c, const struct ctl_args *a, bool *done);
int pki_issue_prepare(struct ctl *c, const struct ctl_args *a, bool *done);

#endif
