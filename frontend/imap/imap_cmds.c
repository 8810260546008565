/* THE table of commands. Order: how often they come. */
#include "frontend/imap/imap.h"

#define ANY (IMAP_NOT_AUTH | IMAP_AUTH | IMAP_SELECTED)
#define IN  (IMAP_AUTH | IMAP_SELECTED)
#define SEL IMAP_SELECTED
#define PRE IMAP_NOT_AUTH

/* States alone say what needs a log-in or a mailbox: the answer to a command out of place is BAD
 * in all cases. */
const struct cmd_def imap_commands[] = {
	{"FETCH", SEL, IMAP_CMD_UID | IMAP_CMD_SEQ, imap_run_fetch},
	{"STORE", SEL, IMAP_CMD_UID | IMAP_CMD_SEQ, imap_run_store},
	{"SEARCH", SEL, IMAP_CMD_UID | IMAP_CMD_SEQ, imap_run_search},
	{"NOOP", ANY, CMD_NO_ARGS | CMD_FREE, imap_run_noop},
	{"IDLE", IN, CMD_NO_ARGS, imap_run_idle},
	{"SELECT", IN, 0, imap_run_select},
	{"EXAMINE", IN, 0, imap_run_examine},
	{"APPEND", IN, CMD_PAYLOAD | IMAP_CMD_MESSAGE, imap_run_append},
	{"LIST", IN, 0, imap_run_list},
	{"LSUB", IN, 0, imap_run_lsub},
	{"STATUS", IN, 0, imap_run_status},
	{"COPY", SEL, IMAP_CMD_UID, imap_run_copy},
	{"MOVE", SEL, IMAP_CMD_UID, imap_run_move},
	{"EXPUNGE", SEL, IMAP_CMD_UID | IMAP_CMD_UID_ONLY, imap_run_expunge},
	{"CAPABILITY", ANY, CMD_NO_ARGS | CMD_FREE, imap_run_capability},
	{"LOGIN", PRE, CMD_SECRET, imap_run_login},
	{"AUTHENTICATE", PRE, CMD_SECRET, imap_run_authenticate},
	{"STARTTLS", PRE, CMD_NO_ARGS | CMD_NEEDS_CLEAR | CMD_LAST, imap_run_starttls},
	{"LOGOUT", ANY, CMD_NO_ARGS | CMD_MAY_CLOSE, imap_run_logout},
	{"ID", ANY, CMD_FREE, imap_run_id},
	{"ENABLE", IN, 0, imap_run_enable},
	{"NAMESPACE", IN, CMD_NO_ARGS, imap_run_namespace},
	{"CHECK", SEL, CMD_NO_ARGS, imap_run_check},
	{"CLOSE", SEL, CMD_NO_ARGS, imap_run_close},
	{"UNSELECT", SEL, CMD_NO_ARGS, imap_run_unselect},
	{"CREATE", IN, 0, imap_run_create},
	{"DELETE", IN, 0, imap_run_delete},
	{"RENAME", IN, 0, imap_run_rename},
	{"SUBSCRIBE", IN, 0, imap_run_subscribe},
	{"UNSUBSCRIBE", IN, 0, imap_run_unsubscribe},
};

const size_t imap_ncommands = ARRAY_LEN(imap_commands);
