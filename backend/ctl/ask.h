/* ask: questions to whoever sits at the terminal. They go to c->err; answers are lines of standard
 * input. For a command's prepare: they block. */
#ifndef BACKEND_CTL_ASK_H
#define BACKEND_CTL_ASK_H

#include "backend/ctl/ctl.h"

#define ASK_LINE_MAX 1024 /* bytes of an answer; a terminal gives 4,095 */

struct ask {
	const char *text;      /* "Name" */
	const char *otherwise; /* what an empty line stands for; NULL: there is no such answer */
	/* Not E_OK, with the reason: asked again. */
	enum err (*check)(slice_t answer, const void *arg, struct diag *d);
	const void *arg;
};

/* Asks until the answer passes; it lies in the arena, without spaces around it. EX_NOINPUT, which
 * was told: the input has ended. */
int ask(struct ctl *c, const struct ask *q, const char **out);
int ask_yes(struct ctl *c, const char *text, bool *out);

#endif
