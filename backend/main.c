/* postern-backend: the node of the internal network; and what is done to a closed partition. */
#include <getopt.h>
#include <signal.h>
#include <stdio.h>
#include <sysexits.h>

#include "backend/backend.h"
#include "backend/store/fsck.h"
#include "backend/store/partition.h"
#include "common/base/num.h"
#include "common/log/log.h"

#define SETS_MAX 64

static const char usage[] =
	"usage: postern-backend [-c FILE] [--set KEY=VALUE]... [--check | --show]\n"
	"       postern-backend fsck [--quick] DIR...\n"
	"       postern-backend create DIR...\n"
	"\n"
	"  -c, --config FILE   settings; default /etc/postern/backend.conf\n"
	"      --set KEY=VALUE wins over the file; also pushed settings, over the directory's\n"
	"      --check         reads the settings, says what is wrong with them, and ends\n"
	"      --show          prints all settings with their explanations, and ends\n"
	"  -V, --version\n"
	"  -h, --help\n"
	"\n"
	"fsck walks every invariant of the closed partition in DIR (DATA/pNNNN) and changes\n"
	"nothing; --quick leaves out the checksums of the records. Exit status 0: clean.\n"
	"\n"
	"create makes an empty partition in DIR (DATA/pNNNN), in place of one that is lost for\n"
	"good.\n";

enum { OPT_SET = 256, OPT_CHECK, OPT_SHOW, OPT_QUICK };

static const struct option options[] = {
	{"config", required_argument, NULL, 'c'}, {"set", required_argument, NULL, OPT_SET},
	{"check", no_argument, NULL, OPT_CHECK},  {"show", no_argument, NULL, OPT_SHOW},
	{"quick", no_argument, NULL, OPT_QUICK},  {"version", no_argument, NULL, 'V'},
	{"help", no_argument, NULL, 'h'},         {NULL, 0, NULL, 0},
};

struct args {
	const char *path;
	const char *sets[SETS_MAX];
	size_t nsets;
	bool check, show, quick;
};

static void say(void *arg, const char *text)
{
	printf("%s: %s\n", (const char *)arg, text);
}

static int fsck(const struct args *a, char *const *dirs, int n)
{
	int status = EX_OK;

	if (n == 0) {
		fputs(usage, stderr);
		return EX_USAGE;
	}
	for (int i = 0; i < n; i++) {
		struct fsck_report r = {0};
		struct diag d = {""};
		enum err e = fsck_dir(dirs[i], a->quick ? FSCK_ROWS : FSCK_RECORDS, say, dirs[i],
				      &r, &d);

		if (e != E_OK) {
			fprintf(stderr, "postern-backend: %s: %s (%s)\n", dirs[i], d.text,
				err_name(e));
			status = e == E_BUSY ? EX_TEMPFAIL : EX_IOERR;
			continue;
		}
		printf("%s: %llu accounts, %llu mailboxes, %llu messages, %llu records, "
		       "%llu errors\n",
		       dirs[i], (unsigned long long)r.accounts, (unsigned long long)r.mailboxes,
		       (unsigned long long)r.messages, (unsigned long long)r.records,
		       (unsigned long long)r.errors);
		if (r.errors != 0 && status == EX_OK)
			status = EX_DATAERR;
	}
	return status;
}

/* NNNN of DATA/pNNNN. */
static bool partition_number(slice_t dir, uint32_t *out)
{
	uint64_t id;

	while (dir.n > 0 && dir.p[dir.n - 1] == '/')
		dir.n--;
	for (size_t i = dir.n; i > 0 && dir.p[i - 1] != '/'; i--) {
		if (dir.p[i - 1] == 'p' && (i == 1 || dir.p[i - 2] == '/') &&
		    num_parse(slice_from(dir, i), UINT16_MAX, &id)) {
			*out = (uint32_t)id;
			return true;
		}
	}
	return false;
}

static int create(char *const *dirs, int n)
{
	if (n == 0) {
		fputs(usage, stderr);
		return EX_USAGE;
	}
	for (int i = 0; i < n; i++) {
		struct partition_conf c = {.dir = dirs[i]};
		struct diag d = {""};
		enum err e;

		if (!partition_number(slice_str(dirs[i]), &c.id)) {
			fprintf(stderr, "postern-backend: %s: not DATA/pNNNN\n", dirs[i]);
			return EX_USAGE;
		}
		e = partition_create(&c, &d);
		if (e != E_OK) {
			fprintf(stderr, "postern-backend: %s: %s (%s)\n", dirs[i], d.text,
				err_name(e));
			return EX_CANTCREAT;
		}
	}
	return EX_OK;
}

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
			a->check = true;
			break;
		case OPT_SHOW:
			a->show = true;
			break;
		case OPT_QUICK:
			a->quick = true;
			break;
		case 'V':
			puts("postern-backend " POSTERN_VERSION);
			return EX_OK;
		case 'h':
			fputs(usage, stdout);
			return EX_OK;
		default:
			fputs(usage, stderr);
			return EX_USAGE;
		}
	}
	return -1;
}

static void show(const struct be_settings *s)
{
	struct buf out;

	buf_init(&out, 1024 * 1024, NULL);
	conf_dump(s->own, CONF_DUMP_ALL, &out);
	conf_dump(s->pushed, CONF_DUMP_ALL, &out);
	fwrite(out.p, 1, out.n, stdout);
	buf_fini(&out);
}

static int serve(const struct args *a)
{
	struct be_settings s;
	struct diag d = {""};
	int status = EX_OK;

	if (be_conf_load(a->path, a->sets, a->nsets, &s, &d) != E_OK) {
		fprintf(stderr, "postern-backend: %s\n", d.text);
		return EX_CONFIG;
	}
	log_setup(
		log_level_parse(slice_str(conf_str(s.own, "log.level"))),
		LOG_FIELDS(LF_STR("node", conf_str(s.own, "name")), LF_STR("service", "backend")));
	if (a->show)
		show(&s);
	else if (!a->check)
		status = backend_run(&s);
	be_conf_free(&s);
	return status;
}

int main(int argc, char **argv)
{
	struct args a = {.path = "/etc/postern/backend.conf"};
	int status;

	heap_keep();
	status = parse_args(argc, argv, &a);
	if (status >= 0)
		return status;
	signal(SIGPIPE, SIG_IGN);
	signal(SIGUSR1, SIG_IGN); /* until somebody watches them */
	signal(SIGHUP, SIG_IGN);
	if (optind < argc && slice_eq(slice_str(argv[optind]), SL("fsck")))
		return fsck(&a, argv + optind + 1, argc - optind - 1);
	if (optind < argc && slice_eq(slice_str(argv[optind]), SL("create")))
		return create(argv + optind + 1, argc - optind - 1);
	if (optind != argc) {
		fputs(usage, stderr);
		return EX_USAGE;
	}
	return serve(&a);
}
