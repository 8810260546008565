/* commands: the table of all that `postern` can do. */
#ifndef BACKEND_CTL_COMMANDS_H
#define BACKEND_CTL_COMMANDS_H

#include "backend/ctl/args.h"

/* By subject, each table ending with {0}, their list with NULL. The commands of one noun stand
 * together. A noun that is a command itself has the verb "". */
extern const struct ctl_command *const ctl_tables[];

/* NULL: no such command. */
const struct ctl_command *ctl_find(const char *noun, const char *verb);
bool ctl_is_noun(const char *noun);

/* cmd_pki.c */
int pki_init_prepare(struct ctl *c, const struct ctl_args *a, bool *done);
int pki_issue_prepare(struct ctl *c, const struct ctl_args *a, bool *done);
WAITS int pki_issue_run(struct ctl *c, const struct ctl_args *a);
/* cmd_account.c */
int account_list_prepare(struct ctl *c, const struct ctl_args *a, bool *done);
WAITS int account_list_run(struct ctl *c, const struct ctl_args *a);
int account_password_prepare(struct ctl *c, const struct ctl_args *a, bool *done);
WAITS int account_add_run(struct ctl *c, const struct ctl_args *a);
WAITS int account_passwd_run(struct ctl *c, const struct ctl_args *a);
/* cmd_server_add.c */
int server_add_prepare(struct ctl *c, const struct ctl_args *a, bool *done);
WAITS int server_add_run(struct ctl *c, const struct ctl_args *a);
/* cmd_server.c */
int server_state_prepare(struct ctl *c, const struct ctl_args *a, bool *done);
WAITS int server_state_run(struct ctl *c, const struct ctl_args *a);
int server_import_prepare(struct ctl *c, const struct ctl_args *a, bool *done);
WAITS int server_import_run(struct ctl *c, const struct ctl_args *a);
/* cmd_import.c */
int account_import_prepare(struct ctl *c, const struct ctl_args *a, bool *done);
WAITS int account_import_run(struct ctl *c, const struct ctl_args *a);
/* cmd_dkim.c */
WAITS int dkim_show_run(struct ctl *c, const struct ctl_args *a);
/* cmd_queue.c */
int queue_list_prepare(struct ctl *c, const struct ctl_args *a, bool *done);
WAITS int queue_list_run(struct ctl *c, const struct ctl_args *a);
int queue_edit_prepare(struct ctl *c, const struct ctl_args *a, bool *done);
WAITS int queue_edit_run(struct ctl *c, const struct ctl_args *a);
/* cmd_dns.c */
WAITS int dns_show_run(struct ctl *c, const struct ctl_args *a);
WAITS int listings_run(struct ctl *c, const struct ctl_args *a);
/* cmd_route.c */
int route_prepare(struct ctl *c, const struct ctl_args *a, bool *done);
WAITS int route_run(struct ctl *c, const struct ctl_args *a);
/* cmd_other.c */
int session_kill_prepare(struct ctl *c, const struct ctl_args *a, bool *done);
int change_prepare(struct ctl *c, const struct ctl_args *a, bool *done);
WAITS int audit_list_run(struct ctl *c, const struct ctl_args *a);
WAITS int fsck_run(struct ctl *c, const struct ctl_args *a);

#endif
