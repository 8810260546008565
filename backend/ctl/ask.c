#include "backend/ctl/ask.h"

/* The rest of a line that was too long is no answer to the next question. */
static void skip_line(void)
{
	int ch;

	do
		ch = getc(stdin);
	while (ch != EOF && ch != '\n');
}

static int read_answer(struct ctl *c, const struct ask *q, char line[ASK_LINE_MAX + 2])
{
	fprintf(c->err, "%s", q->text);
	if (q->otherwise != NULL && q->otherwise[0] != '\0')
		fprintf(c->err, " [%s]", q->otherwise);
	fputs(": ", c->err);
	fflush(c->err);
	if (fgets(line, ASK_LINE_MAX + 2, stdin) == NULL) {
		fputc('\n', c->err);
		return ctl_fail(c, EX_NOINPUT, "no answer");
	}
	return EX_OK;
}

int ask(struct ctl *c, const struct ask *q, const char **out)
{
	for (;;) {
		char line[ASK_LINE_MAX + 2];
		struct diag d = {""};
		slice_t answer;
		int status = read_answer(c, q, line);

		if (status != EX_OK)
			return status;
		if (strlen(line) == ASK_LINE_MAX + 1 && line[ASK_LINE_MAX] != '\n') {
			skip_line();
			ctl_fail(c, EX_OK, "at most %d bytes", ASK_LINE_MAX);
			continue;
		}
		answer = slice_trim(slice_str(line));
		if (answer.n == 0 && q->otherwise == NULL)
			continue;
		if (answer.n == 0)
			answer = slice_str(q->otherwise);
		if (q->check(answer, q->arg, &d) == E_OK) {
			*out = arena_str(&c->mem, answer);
			return EX_OK;
		}
		ctl_fail(c, EX_OK, "%s", d.text);
	}
}

static enum err check_yes(slice_t answer, const void *arg UNUSED, struct diag *d)
{
	return slice_ieq(answer, SL("yes")) || slice_ieq(answer, SL("no"))
		       ? E_OK
		       : diag_set(d, E_INVALID, "yes or no");
}

int ask_yes(struct ctl *c, const char *text, bool *out)
{
	const struct ask q = {.text = text, .check = check_yes};
	const char *answer = NULL;
	int status = ask(c, &q, &answer);

	*out = status == EX_OK && slice_ieq(slice_str(answer), SL("yes"));
	return status;
}
