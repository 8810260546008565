/*
 * cmd: tables of commands. A protocol has one table (or one for each of its faces); a row says in
 * which states the command may come, what must be true before, and who runs it. The protocol's
 * driver asks cmd_find and cmd_check, so that no handler checks these things by hand.
 */
#ifndef FRONTEND_CORE_CMD_H
#define FRONTEND_CORE_CMD_H

#include "common/base/err.h"
#include "common/base/slice.h"

enum {
	CMD_NEEDS_TLS = 1 << 0,
	CMD_NEEDS_CLEAR = 1 << 1, /* not once TLS is on: STARTTLS */
	CMD_NEEDS_AUTH = 1 << 2,
	CMD_NEEDS_NO_AUTH = 1 << 3, /* not once logged in: AUTH, LOGIN */
	CMD_LAST = 1 << 4,          /* last of a pipelined group: nothing may follow unread */
	CMD_PAYLOAD = 1 << 5,       /* brings more than its line */
	CMD_MAY_CLOSE = 1 << 6,
	CMD_SECRET = 1 << 7, /* its arguments are never logged, and wiped */
	CMD_NO_ARGS = 1 << 8,
	CMD_FREE = 1 << 9,     /* does nothing: too many in a row count as errors */
	CMD_GUARDED = 1 << 10, /* after what the protocol asks for first, which it judges itself */
};

struct session;

struct cmd_def {
	const char *name; /* upper case */
	unsigned states;  /* bits of the protocol's states in which it may come */
	unsigned flags;
	/* s is the protocol's session; args what follows the name (borrowed as the line is) or
	 * the protocol's own parsed command behind arg. E_OK: go on; an error ends the session. */
	WAITS enum err (*run)(struct session *s, slice_t args, void *arg);
};

enum cmd_verdict {
	CMD_OK,
	CMD_WRONG_STATE,
	CMD_TLS_FIRST,
	CMD_TLS_ALREADY,
	CMD_AUTH_FIRST,
	CMD_AUTH_ALREADY,
	CMD_BAD_ARGS,
};

/* Where the session stands. */
struct cmd_where {
	unsigned state; /* one bit */
	bool tls;
	bool authed;
};

/* The row of a name in any case; NULL: unknown. */
const struct cmd_def *cmd_find(const struct cmd_def *table, size_t n, slice_t name);
enum cmd_verdict cmd_check(const struct cmd_def *c, const struct cmd_where *w, slice_t args);
/* Cuts a line at its first space: *name_out, and *args_out without spaces at either end. */
void cmd_split(slice_t line, slice_t *name_out, slice_t *args_out);
/* What of the line may be logged: all of it, or the name alone where the rest is secret (c) or
 * may be (c is NULL: unknown commands hold misplaced passwords). At most 128 bytes. */
slice_t cmd_loggable(const struct cmd_def *c, slice_t line);

#endif
