/* postern-frontend: the supervisor, and, executed again by it, each of its workers. */
#include <getopt.h>
#include <signal.h>
#include <stdio.h>
#include <sysexits.h>

#include "common/log/log.h"
#include "frontend/fe_conf.h"
#include "frontend/imap/imap.h"
#include "frontend/outbound/outbound.h"
#include "frontend/smtp/smtp.h"
#include "frontend/super/super.h"
#include "frontend/super/worker.h"
#include "frontend/web/web.h"

#define SETS_MAX 64

static const char usage[] =
	"usage: postern-frontend [-c FILE] [--set KEY=VALUE]... [--check | --show]\n"
	"\n"
	"  -c, --config FILE   settings; default /etc/postern/frontend.conf\n"
	"      --set KEY=VALUE wins over the file\n"
	"      --check         reads the settings, says what is wrong with them, and ends\n"
	"      --show          prints all settings with their explanations, and ends\n"
	"  -V, --version\n"
	"  -h, --help\n";

static const struct protocol *const protocols[] = {
	&smtp_protocol, &submission_protocol, &imap_protocol, &outbound_protocol, &web_protocol};

enum { OPT_SET = 256, OPT_CHECK, OPT_SHOW, OPT_WORKER };

static const struct option options[] = {
	{"config", required_argument, NULL, 'c'},
	{"set", required_argument, NULL, OPT_SET},
	{"check", no_argument, NULL, OPT_CHECK},
	{"show", no_argument, NULL, OPT_SHOW},
	{"worker", optional_argument, NULL, OPT_WORKER},
	{"version", no_argument, NULL, 'V'},
	{"help", no_argument, NULL, 'h'},
	{NULL, 0, NULL, 0},
};

struct args {
	const char *path;
	const char *sets[SETS_MAX];
	size_t nsets;
	int mode; /* 0: run, or OPT_* */
};

/* -1: go on; else the exit status. */
static int parse_args(int argc, char **argv, struct args *a)
{
	int opt;

	while ((opt = getopt_long(argc, argv, "c:Vh", options, NULL)) != -1) {
		switch (opt) {
		case 'c':
			a->path = optarg;
			break;
		case OPT_SET:
			if (a->nsets == SETS_MAX)
				return EX_USAGE;
			a->sets[a->nsets++] = optarg;
			break;
		case OPT_CHECK:
		case OPT_SHOW:
		case OPT_WORKER:
			a->mode = opt;
			break;
		case 'V':
			puts("postern-frontend " POSTERN_VERSION);
			return EX_OK;
		case 'h':
			fputs(usage, stdout);
			return EX_OK;
		default:
			fputs(usage, stderr);
			return EX_USAGE;
		}
	}
	if (optind != argc) {
		fputs(usage, stderr);
		return EX_USAGE;
	}
	return -1;
}

static void show(const struct conf *c)
{
	struct buf out;

	buf_init(&out, 1024 * 1024, NULL);
	conf_dump(c, CONF_DUMP_ALL, &out);
	fwrite(out.p, 1, out.n, stdout);
	buf_fini(&out);
}

int main(int argc, char **argv)
{
	struct args a = {.path = "/etc/postern/frontend.conf"};
	struct conf *conf;
	struct diag d = {""};
	int status;

	heap_keep();
	status = parse_args(argc, argv, &a);
	if (status >= 0)
		return status;
	signal(SIGPIPE, SIG_IGN);
	signal(SIGUSR1, SIG_IGN); /* until somebody watches it */
	if (a.mode == OPT_WORKER)
		return worker_run(protocols, ARRAY_LEN(protocols));
	if (fe_conf_load(a.path, a.sets, a.nsets, &conf, &d) != E_OK) {
		fprintf(stderr, "postern-frontend: %s\n", d.text);
		return EX_CONFIG;
	}
	log_setup(log_level_parse(slice_str(conf_str(conf, "log.level"))),
		  LOG_FIELDS(LF_STR("node", conf_str(conf, "name")),
			     LF_STR("service", "supervisor")));
	status = EX_OK;
	if (a.mode == OPT_SHOW)
		show(conf);
	else if (a.mode != OPT_CHECK)
		status = super_run(conf);
	conf_free(&conf);
	return status;
}
