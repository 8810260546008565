#include "tests/lib/pgserver.h"

#include <errno.h>
#include <fcntl.h>
#include <glob.h>
#include <pwd.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define PATH_LEN          512
#define SHARED_MEMORY     "/dev/shm"
#define SHARED_MEMORY_MIN (2ull << 30)
#define START_TRIES       1500 /* of 20 ms */

static struct {
	char root[128]; /* "": not made yet */
	char bin[PATH_LEN];
	pid_t pid; /* of the running server, or 0 */
	pid_t owner;
	unsigned databases;
	unsigned filled; /* which of them is the one to copy; 0: none yet */
	char conninfo[PATH_LEN];
} pg;

static NORETURN void die(const char *what)
{
	fprintf(stderr, "pgserver: %s\n", what);
	exit(3);
}

/* As root: becomes postgres. */
static void drop(void)
{
	const struct passwd *pw;

	if (geteuid() != 0)
		return;
	pw = getpwnam("postgres");
	if (pw == NULL || setgid(pw->pw_gid) != 0 || setuid(pw->pw_uid) != 0)
		_exit(126);
}

#define ARGS_MAX 16

/* Runs a program of PostgreSQL with these arguments; its output goes to `out`, or to
 * root/setup.log. */
static int run(const char *out, const char *name, const char *const *args)
{
	const char *argv[ARGS_MAX + 2] = {NULL};
	char path[PATH_LEN + 64], log[PATH_LEN];
	int status = 0;
	pid_t pid;

	/* By its whole path: it looks for its fellows beside argv[0], or else in $PATH. */
	snprintf(path, sizeof path, "%s/%s", pg.bin, name);
	argv[0] = path;
	for (size_t i = 0; i < ARGS_MAX && args[i] != NULL; i++)
		argv[i + 1] = args[i];
	snprintf(log, sizeof log, "%s/%s", pg.root, out != NULL ? out : "setup.log");
	pid = fork();
	if (pid == 0) {
		int fd = open(log, O_WRONLY | O_CREAT | (out != NULL ? O_TRUNC : O_APPEND), 0666);

		if (fd < 0 || dup2(fd, 1) < 0 || dup2(fd, 2) < 0)
			_exit(125);
		drop();
		if (chdir("/") == 0)
			execv(path, (char *const *)(uintptr_t)argv);
		_exit(127);
	}
	while (pid > 0 && waitpid(pid, &status, 0) < 0)
		if (errno != EINTR)
			die("waitpid");
	return WIFEXITED(status) ? WEXITSTATUS(status) : 128;
}

static void find_programs(void)
{
	glob_t g;

	if (glob("/usr/lib/postgresql/*/bin", 0, NULL, &g) != 0 || g.gl_pathc == 0)
		die("PostgreSQL's programs are not in /usr/lib/postgresql (deploy/install-deps)");
	snprintf(pg.bin, sizeof pg.bin, "%s", g.gl_pathv[g.gl_pathc - 1]);
	globfree(&g);
}

static void remove_all(void)
{
	char command[PATH_LEN];

	if (pg.root[0] == '\0' || getpid() != pg.owner)
		return;
	pgserver_stop();
	snprintf(command, sizeof command, "rm -rf '%s'", pg.root);
	if (system(command) != 0)
		fprintf(stderr, "pgserver: %s stays behind\n", pg.root);
}

/* In memory where there is plenty of it: a database for each test is many small files. */
static const char *place(void)
{
	const char *base = getenv("TMPDIR");
	struct statvfs v;

	if (statvfs(SHARED_MEMORY, &v) == 0 && access(SHARED_MEMORY, W_OK) == 0 &&
	    v.f_bavail * v.f_frsize >= SHARED_MEMORY_MIN)
		return SHARED_MEMORY;
	/* A socket's path is short: 107 bytes in all. */
	return base != NULL && strlen(base) < 60 ? base : "/tmp";
}

static void make_cluster(void)
{
	const struct passwd *pw = geteuid() == 0 ? getpwnam("postgres") : NULL;
	char data[PATH_LEN];

	find_programs();
	snprintf(pg.root, sizeof pg.root, "%s/pgserver-XXXXXX", place());
	if (mkdtemp(pg.root) == NULL)
		die("mkdtemp");
	pg.owner = getpid();
	atexit(remove_all);
	if (geteuid() == 0 && (pw == NULL || chown(pg.root, pw->pw_uid, pw->pw_gid) != 0))
		die("there is no user postgres");
	if (chmod(pg.root, 0755) != 0)
		die("chmod");
	snprintf(data, sizeof data, "%s/data", pg.root);
	if (run(NULL, "initdb",
		(const char *[]){"-D", data, "-A", "trust", "-U", "postern", "--no-sync", "-E",
				 "UTF8", "--locale=C", NULL}) != 0)
		die("initdb failed");
}

static void serve(void)
{
	char path[PATH_LEN + 64], data[PATH_LEN], log[PATH_LEN], sockets[PATH_LEN];
	int fd;

	snprintf(path, sizeof path, "%s/postgres", pg.bin);
	snprintf(data, sizeof data, "%s/data", pg.root);
	snprintf(log, sizeof log, "%s/log", pg.root);
	snprintf(sockets, sizeof sockets, "unix_socket_directories=%s", pg.root);
	fd = open(log, O_WRONLY | O_CREAT | O_APPEND, 0666);
	if (fd < 0 || dup2(fd, 1) < 0 || dup2(fd, 2) < 0)
		_exit(125);
	drop();
	/* However the test ends, the server ends with it. */
	prctl(PR_SET_PDEATHSIG, SIGQUIT);
	if (chdir("/") == 0)
		execl(path, path, "-D", data, "-c", "listen_addresses=", "-c", sockets, "-c",
		      "fsync=off", "-c", "shared_buffers=16MB", "-c", "max_connections=40",
		      (char *)NULL);
	_exit(127);
}

void pgserver_start(void)
{
	static const struct timespec pause = {.tv_nsec = 20000000};

	if (pg.pid > 0)
		return;
	if (pg.root[0] == '\0')
		make_cluster();
	pg.pid = fork();
	if (pg.pid == 0)
		serve();
	/* Another program's readiness: there is no event of it. */
	for (unsigned i = 0; i < START_TRIES; i++) {
		if (run(NULL, "pg_isready", (const char *[]){"-q", "-h", pg.root, NULL}) == 0)
			return;
		nanosleep(&pause, NULL);
	}
	die("PostgreSQL did not start");
}

void pgserver_stop(void)
{
	if (pg.pid <= 0)
		return;
	kill(pg.pid, SIGQUIT);
	while (waitpid(pg.pid, NULL, 0) < 0 && errno == EINTR)
		;
	pg.pid = 0;
}

static int psql(const char *out, const char *database, const char *sql)
{
	return run(out, "psql",
		   (const char *[]){"-h", pg.root, "-U", "postern", "-d", database, "-XAtq", "-v",
				    "ON_ERROR_STOP=1", "-c", sql, NULL});
}

static const char *make_database(const char *as)
{
	char sql[128];

	pgserver_start();
	snprintf(sql, sizeof sql, "CREATE DATABASE t%u %s", ++pg.databases, as);
	if (psql(NULL, "postgres", sql) != 0)
		die("CREATE DATABASE failed");
	snprintf(pg.conninfo, sizeof pg.conninfo, "host=%s user=postern dbname=t%u", pg.root,
		 pg.databases);
	return pg.conninfo;
}

const char *pgserver_database(void)
{
	return make_database("");
}

WAITS const char *pgserver_copy(pgserver_fill_fn *fill)
{
	char as[64];

	if (pg.filled == 0) {
		fill(pgserver_database());
		pg.filled = pg.databases;
	}
	/* By files: half the time of a copy through the log, where nothing is synced. */
	snprintf(as, sizeof as, "TEMPLATE t%u STRATEGY file_copy", pg.filled);
	return make_database(as);
}

void pgserver_sql(const char *sql)
{
	char database[32];

	snprintf(database, sizeof database, "t%u", pg.databases);
	if (psql(NULL, database, sql) != 0)
		die(sql);
}

void pgserver_ask(const char *sql, char *out, size_t size)
{
	char database[32], path[PATH_LEN];
	FILE *f;

	snprintf(database, sizeof database, "t%u", pg.databases);
	if (psql("answer", database, sql) != 0)
		die(sql);
	snprintf(path, sizeof path, "%s/answer", pg.root);
	f = fopen(path, "re");
	if (f == NULL || fgets(out, (int)size, f) == NULL)
		out[0] = '\0';
	out[strcspn(out, "\n")] = '\0';
	if (f != NULL)
		fclose(f);
}
