/* args: the command line, by a command's table of arguments. */
#ifndef BACKEND_CTL_ARGS_H
#define BACKEND_CTL_ARGS_H

#include <protobuf-c/protobuf-c.h>

#include "backend/ctl/ctl.h"

enum {
	ARG_REQUIRED = 1,
	ARG_MANY = 2,  /* may be given again; of positions only the last one */
	ARG_NONE = 4,  /* of text: "none" is the empty one, as it is 0 of a number */
	ARG_ASKED = 8, /* of one that is required: at a terminal the command asks for it */
};

/* name "--quota" is an option, "ADDRESS" a position. An option without a value word is a flag. A
 * number that counts bytes (its field ends in _bytes) may have a unit: k, m, g; one that counts
 * seconds (_s): s, m, h, d; "none" is 0, "default" the largest number. */
struct ctl_arg {
	const char *name;
	const char *value; /* what help calls the value; NULL for flags and positions */
	const char *field; /* of the request; NULL: the command looks it up itself */
	unsigned flags;
	const char *help;
};

struct ctl_args;

/* How an answer is printed. */
enum ctl_answer {
	ANSWER_NONE,   /* nothing but success */
	ANSWER_ONE,    /* one message: a JSON object; lines of name and value */
	ANSWER_ROWS,   /* frames with one repeated field: a JSON array; a table */
	ANSWER_GROUPS, /* frames with several: a JSON object of arrays; tables with headings */
};

struct ctl_command {
	const char *noun, *verb;
	const char *help;           /* one line */
	const struct ctl_arg *args; /* ends with {0} */
	uint16_t method;
	const ProtobufCMessageDescriptor *request;
	enum ctl_answer kind;
	const ProtobufCMessageDescriptor *answer; /* of the payload, or of each frame */
	const char *columns;                      /* of tables, separated by spaces; NULL: all */
	/* Before there is a link. An exit status other than EX_OK ends it; so does *done. May be
	 * NULL. */
	int (*prepare)(struct ctl *c, const struct ctl_args *a, bool *done);
	/* Instead of what run.c does. */
	WAITS int (*run)(struct ctl *c, const struct ctl_args *a);
};

struct ctl_given {
	const struct ctl_arg *arg;
	const char *value; /* "" for a flag */
};

struct ctl_args {
	const struct ctl_command *command;
	struct ctl_given *given;
	size_t n;
};

/* Parses what follows noun and verb. Options of the program itself (--json, --cluster, ...) may
 * stand anywhere and go into c. *help_out: --help was among them. Not EX_OK: it was told. */
int ctl_args_parse(struct ctl *c, const struct ctl_command *cmd, char *const *argv, int argc,
		   struct ctl_args *out, bool *help_out);
/* An option of the program itself: takes it and its value. False: it is none. */
bool ctl_args_global(struct ctl *c, char *const *argv, int argc, int *i, int *status_out);
/* The value given for an argument; "" for a flag; NULL: not given. */
const char *ctl_args_get(const struct ctl_args *a, const char *name);

/* Fills a request, which lies in the arena. Not EX_OK: it was told. */
int ctl_args_fill(struct ctl *c, const struct ctl_args *a, ProtobufCMessage *m);
/* One field, from text. E_INVALID with the reason. */
enum err ctl_fill_field(struct arena *mem, ProtobufCMessage *m, const char *field, slice_t text,
			struct diag *d) MUST_USE;

/* Text of --help; cmd NULL: of a noun; noun NULL, too: of the program. Tables as in commands.h. */
void ctl_help(FILE *out, const struct ctl_command *const *tables, const char *noun,
	      const struct ctl_command *cmd);

#endif
