#include "frontend/core/cmd.h"

#define LOGGED_MAX 128

const struct cmd_def *cmd_find(const struct cmd_def *table, size_t n, slice_t name)
{
	for (size_t i = 0; i < n; i++) {
		if (ascii_upper(name.n > 0 ? name.p[0] : '\0') == table[i].name[0] &&
		    slice_ieq(name, slice_str(table[i].name)))
			return &table[i];
	}
	return NULL;
}

enum cmd_verdict cmd_check(const struct cmd_def *c, const struct cmd_where *w, slice_t args)
{
	if ((c->flags & CMD_NEEDS_CLEAR) && w->tls)
		return CMD_TLS_ALREADY;
	if ((c->flags & CMD_NEEDS_NO_AUTH) && w->authed)
		return CMD_AUTH_ALREADY;
	if ((c->flags & CMD_NEEDS_TLS) && !w->tls)
		return CMD_TLS_FIRST;
	if ((c->flags & CMD_NEEDS_AUTH) && !w->authed)
		return CMD_AUTH_FIRST;
	if (!(c->states & w->state))
		return CMD_WRONG_STATE;
	if ((c->flags & CMD_NO_ARGS) && args.n > 0)
		return CMD_BAD_ARGS;
	return CMD_OK;
}

void cmd_split(slice_t line, slice_t *name_out, slice_t *args_out)
{
	size_t n = slice_find_char(line, ' ');
	slice_t args = slice_from(line, n);

	while (args.n > 0 && args.p[0] == ' ')
		args = slice_from(args, 1);
	while (args.n > 0 && args.p[args.n - 1] == ' ')
		args.n--;
	*name_out = slice_sub(line, 0, n);
	*args_out = args;
}

slice_t cmd_loggable(const struct cmd_def *c, slice_t line)
{
	if (c == NULL || (c->flags & CMD_SECRET))
		line = slice_sub(line, 0, slice_find_char(line, ' '));
	return slice_sub(line, 0, LOGGED_MAX);
}
