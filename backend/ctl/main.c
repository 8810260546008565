/* postern: the administrator's command. */
#include <signal.h>
#include <unistd.h>

#include "backend/ctl/commands.h"
#include "backend/ctl/connect.h"
#include "backend/ctl/run.h"
#include "common/log/log.h"

struct words {
	const char *noun, *verb;
	int rest; /* index of what follows them */
	bool help, version;
};

/* Options of the program may come before noun and verb, and between them. `postern help NOUN` is
 * `postern NOUN --help`. */
static int find_words(struct ctl *c, int argc, char **argv, struct words *w)
{
	int status = EX_OK;
	int i;

	for (i = 1; i < argc && status == EX_OK; i++) {
		slice_t word = slice_str(argv[i]);

		if (slice_eq(word, SL("--help")) || slice_eq(word, SL("-h"))) {
			w->help = true;
		} else if (slice_eq(word, SL("--version")) || slice_eq(word, SL("-V"))) {
			w->version = true;
		} else if (ctl_args_global(c, argv, argc, &i, &status)) {
			continue;
		} else if (word.n > 0 && word.p[0] == '-') {
			if (w->noun != NULL)
				break;
			return ctl_fail(c, EX_USAGE, "%s: no such option", argv[i]);
		} else if (w->noun == NULL && slice_eq(word, SL("help"))) {
			w->help = true;
		} else if (w->noun == NULL) {
			w->noun = argv[i];
			if (ctl_find(w->noun, "") != NULL) {
				w->verb = "";
				i++;
				break;
			}
		} else {
			w->verb = argv[i++];
			break;
		}
	}
	w->rest = i;
	return status;
}

static int run_command(struct ctl *c, const struct ctl_command *cmd, int argc, char **argv)
{
	struct ctl_args args;
	bool help, done = false;
	int status = ctl_args_parse(c, cmd, argv, argc, &args, &help);

	if (status == EX_OK && help) {
		ctl_help(c->out, ctl_tables, cmd->noun, cmd);
		return EX_OK;
	}
	if (status == EX_OK && cmd->prepare != NULL)
		status = cmd->prepare(c, &args, &done);
	if (status != EX_OK || done)
		return status;
	status = ctl_target_resolve(c);
	if (status != EX_OK)
		return status;
	return ctl_in_loop(c, cmd->run != NULL ? cmd->run : ctl_run, &args);
}

static int run(struct ctl *c, int argc, char **argv)
{
	struct words w = {0};
	const struct ctl_command *cmd;
	int status = find_words(c, argc, argv, &w);

	if (status != EX_OK)
		return status;
	if (w.version) {
		fputs("postern " POSTERN_VERSION "\n", c->out);
		return EX_OK;
	}
	if (w.noun != NULL && !ctl_is_noun(w.noun))
		return ctl_fail(c, EX_USAGE, "%s: no such noun; see `postern --help`", w.noun);
	cmd = w.verb != NULL ? ctl_find(w.noun, w.verb) : NULL;
	if (w.verb != NULL && cmd == NULL)
		return ctl_fail(c, EX_USAGE, "%s: no such verb; see `postern %s --help`", w.verb,
				w.noun);
	if (w.help || cmd == NULL) {
		ctl_help(w.help ? c->out : c->err, ctl_tables, w.noun, cmd);
		return w.help ? EX_OK : EX_USAGE;
	}
	return run_command(c, cmd, argc - w.rest, argv + w.rest);
}

int main(int argc, char **argv)
{
	struct ctl c = {.out = stdout, .err = stderr, .at_terminal = isatty(STDIN_FILENO)};
	int status;

	signal(SIGPIPE, SIG_IGN);
	log_setup(LOG_ERROR, LOG_FIELDS({0}));
	arena_init(&c.mem, NULL);
	status = run(&c, argc, argv);
	if (fflush(stdout) != 0 && status == EX_OK)
		status = EX_IOERR;
	arena_reset(&c.mem);
	return status;
}
