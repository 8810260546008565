/* table: what the rows of commands (table_*.c) are written with. */
#ifndef BACKEND_CTL_TABLE_PRIV_H
#define BACKEND_CTL_TABLE_PRIV_H

#include "backend/ctl/commands.h"
#include "proto/admin.pb-c.h"
#include "proto/method.pb-c.h"

/* Each ends with {0}. */
extern const struct ctl_command ctl_table_accounts[];
extern const struct ctl_command ctl_table_mail[];
extern const struct ctl_command ctl_table_cluster[];

extern const struct ctl_arg ctl_no_args[];

#define METHOD(m)  POSTERN__METHOD__METHOD_ADMIN_##m
#define REQUEST(r) .request = &postern__admin_##r##__descriptor
#define DONE       .kind = ANSWER_NONE
#define ONE(d)     .kind = ANSWER_ONE, .answer = &postern__admin_##d##__descriptor
#define ROWS(d)    .kind = ANSWER_ROWS, .answer = &postern__admin_##d##_page__descriptor
#define GROUPS(d)  .kind = ANSWER_GROUPS, .answer = &postern__admin_##d##_page__descriptor

#endif
