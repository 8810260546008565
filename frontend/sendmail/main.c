/* sendmail, mailq, newaliases. */
#include <signal.h>
#include <stdlib.h>

#include "common/log/log.h"
#include "frontend/sendmail/sendmail.h"

/* Whom nobody has taken, so that whoever called knows what to send again. */
static int tell_left(const struct sm_letter *l, int status, const char *why)
{
	status = status == EX_NOPERM ? status : EX_TEMPFAIL;
	for (size_t i = 0; i < l->nrcpts; i++) {
		if (l->later != NULL)
			sm_fail_rcpt(status, l->rcpts[i], l->later[i]);
		else
			sm_fail(status, "%.*s: %s", (int)l->rcpts[i].n, l->rcpts[i].p, why);
	}
	return status;
}

/* What the server left goes into the folder, if there is one. */
static int submit(struct sm_letter *l, const struct sm_args *a, const struct conf *c,
		  struct arena *mem)
{
	const char *folder = conf_str(c, "pickup.folder");
	struct diag why = {""};
	int status = sm_submit(l, a, c, mem, &why);
	int kept;

	if (l->nrcpts == 0 || status == EX_CONFIG)
		return status;
	if (folder[0] == '\0')
		return tell_left(l, status, why.text);
	kept = sm_pickup(l, folder);
	return kept != EX_OK || status == EX_TEMPFAIL || status == EX_NOPERM ? kept : status;
}

static int send_letter(const struct sm_args *a, const struct conf *c, struct arena *mem)
{
	struct sm_letter l;
	int status = sm_letter_read(stdin, a, c, mem, &l);

	if (status == EX_OK)
		status = conf_count(c, "server.address") != 0
				 ? submit(&l, a, c, mem)
				 : sm_pickup(&l, conf_str(c, "pickup.folder"));
	sm_letter_fini(&l);
	return status;
}

static int run(const struct sm_args *a, struct arena *mem)
{
	const char *path = getenv("POSTERN_SENDMAIL_CONF");
	struct conf *c;
	struct diag d;
	int status;

	switch (a->mode) {
	case SM_NEWALIASES:
		puts("Aliases are in the cluster's directory: see `postern alias`.");
		return EX_OK;
	case SM_FLUSH:
		return EX_OK; /* nothing waits here */
	case SM_UNSUPPORTED:
		return sm_fail(EX_USAGE, "-b%c: this is no server", a->unsupported);
	case SM_SEND:
	case SM_MAILQ:
		break;
	}
	if (sm_conf_load(path != NULL ? path : SM_CONF, &c, &d) != E_OK)
		return sm_fail(EX_CONFIG, "%s", d.text);
	status = a->mode == SM_MAILQ ? sm_mailq(c, stdout) : send_letter(a, c, mem);
	conf_free(&c);
	return status;
}

int main(int argc, char **argv)
{
	struct sm_args a;
	struct arena mem;
	int status = sm_args_parse(argc, argv, &a);

	signal(SIGPIPE, SIG_IGN);
	log_setup(LOG_ERROR, LOG_FIELDS({0}));
	arena_init(&mem, NULL);
	if (status == EX_OK)
		status = run(&a, &mem);
	arena_reset(&mem);
	if (fflush(stdout) != 0 && status == EX_OK)
		status = EX_IOERR;
	return status;
}
