#include "tests/lib/dnsserver.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <glob.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define PATH_LEN    512
#define START_TRIES 500 /* of 20 ms */

static struct {
	char root[128]; /* "": not made yet */
	pid_t pid, owner;
	uint16_t port;
	char address[32];
	char anchors[4096];
} ns;

static NORETURN void die(const char *what)
{
	fprintf(stderr, "dnsserver: %s\n", what);
	exit(3);
}

static void remove_all(void)
{
	char command[PATH_LEN];

	if (getpid() != ns.owner)
		return;
	if (ns.pid > 0) {
		kill(ns.pid, SIGTERM);
		while (waitpid(ns.pid, NULL, 0) < 0 && errno == EINTR)
			;
	}
	snprintf(command, sizeof command, "rm -rf '%s'", ns.root);
	if (system(command) != 0)
		fprintf(stderr, "dnsserver: %s stays behind\n", ns.root);
}

/* A shell in the folder; what it writes goes to a log there. */
static void shell(const char *command)
{
	char line[2 * PATH_LEN];

	snprintf(line, sizeof line, "cd '%s' && { %s ; } >>log 2>&1", ns.root, command);
	if (system(line) != 0)
		die(command);
}

static FILE *create(const char *name, const char *ending)
{
	char path[2 * PATH_LEN];
	FILE *f;

	snprintf(path, sizeof path, "%s/%s%s", ns.root, name, ending);
	f = fopen(path, "we");
	if (f == NULL)
		die(path);
	return f;
}

static void read_anchor(const char *zone)
{
	char pattern[PATH_LEN];
	size_t n = strlen(ns.anchors);
	glob_t g;
	FILE *f;

	snprintf(pattern, sizeof pattern, "%s/K%s.*.ds", ns.root, zone);
	if (glob(pattern, 0, NULL, &g) != 0 || g.gl_pathc != 1)
		die("ldns-keygen made no DS record");
	f = fopen(g.gl_pathv[0], "re");
	globfree(&g);
	if (f == NULL || fgets(ns.anchors + n, (int)(sizeof ns.anchors - n), f) == NULL)
		die("a DS record cannot be read");
	fclose(f);
}

static void write_zone(const struct dnsserver_zone *z)
{
	FILE *f = create(z->name, ".zone");
	char command[PATH_LEN];

	fprintf(f,
		"$ORIGIN %s.\n$TTL 300\n"
		"@ IN SOA ns.%s. hostmaster.%s. 1 3600 600 86400 300\n"
		"@ IN NS ns.%s.\nns IN A 127.0.0.1\n%s",
		z->name, z->name, z->name, z->name, z->records);
	fclose(f);
	if (z->how == DNSSERVER_PLAIN)
		return;
	/* One key does everything; it is the anchor. */
	snprintf(command, sizeof command,
		 "k=$(ldns-keygen -a ECDSAP256SHA256 -k %s) && ldns-signzone -n -e 20400101000000 "
		 "-f %s.signed %s.zone $k && mv %s.signed %s.zone",
		 z->name, z->name, z->name, z->name, z->name);
	shell(command);
	if (z->how == DNSSERVER_FORGED) {
		snprintf(command, sizeof command, "sed -i 's/%s/%s/' %s.zone", DNSSERVER_TRUE,
			 DNSSERVER_FALSE, z->name);
		shell(command);
	}
	read_anchor(z->name);
}

static struct sockaddr_in loopback(uint16_t port)
{
	return (struct sockaddr_in){.sin_family = AF_INET,
				    .sin_port = htons(port),
				    .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
}

/* For UDP and for TCP; 0: the one that was drawn has it for UDP alone. */
static uint16_t try_port(void)
{
	struct sockaddr_in a = loopback(0);
	socklen_t n = sizeof a;
	int udp = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	int tcp = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	bool both;

	if (udp < 0 || tcp < 0 || bind(udp, (struct sockaddr *)&a, sizeof a) != 0 ||
	    getsockname(udp, (struct sockaddr *)&a, &n) != 0)
		die("no free port");
	both = bind(tcp, (struct sockaddr *)&a, sizeof a) == 0;
	close(udp);
	close(tcp);
	return both ? ntohs(a.sin_port) : 0;
}

static bool serves(void)
{
	struct sockaddr_in a = loopback(ns.port);
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	bool ok = fd >= 0 && connect(fd, (struct sockaddr *)&a, sizeof a) == 0;

	close(fd);
	return ok;
}

static void write_conf(const struct dnsserver_zone *zones, size_t n)
{
	FILE *f = create("nsd", ".conf");

	fprintf(f,
		"server:\n ip-address: 127.0.0.1@%u\n username: \"\"\n chroot: \"\"\n"
		" database: \"\"\n zonesdir: \"%s\"\n pidfile: \"%s/pid\"\n"
		" xfrdfile: \"%s/xfrd\"\n zonelistfile: \"%s/list\"\n server-count: 1\n"
		"remote-control:\n control-enable: no\n",
		ns.port, ns.root, ns.root, ns.root, ns.root);
	for (size_t i = 0; i < n; i++)
		fprintf(f, "zone:\n name: \"%s\"\n zonefile: \"%s.zone\"\n", zones[i].name,
			zones[i].name);
	fclose(f);
}

static void serve(void)
{
	char conf[PATH_LEN], log[PATH_LEN];
	int fd;

	snprintf(conf, sizeof conf, "%s/nsd.conf", ns.root);
	snprintf(log, sizeof log, "%s/log", ns.root);
	fd = open(log, O_WRONLY | O_CREAT | O_APPEND, 0666);
	if (fd < 0 || dup2(fd, 1) < 0 || dup2(fd, 2) < 0)
		_exit(125);
	/* However the test ends, the server ends with it. */
	prctl(PR_SET_PDEATHSIG, SIGTERM);
	execl("/usr/sbin/nsd", "nsd", "-d", "-c", conf, (char *)NULL);
	_exit(127);
}

void dnsserver_start(const struct dnsserver_zone *zones, size_t n)
{
	static const struct timespec pause = {.tv_nsec = 20000000};
	const char *base = getenv("TMPDIR");

	if (ns.pid > 0)
		return;
	snprintf(ns.root, sizeof ns.root, "%s/dnsserver-XXXXXX",
		 base != NULL && strlen(base) < 60 ? base : "/tmp");
	if (mkdtemp(ns.root) == NULL)
		die("mkdtemp");
	ns.owner = getpid();
	atexit(remove_all);
	for (size_t i = 0; i < n; i++)
		write_zone(&zones[i]);
	while (ns.port == 0)
		ns.port = try_port();
	snprintf(ns.address, sizeof ns.address, "127.0.0.1:%u", ns.port);
	write_conf(zones, n);
	ns.pid = fork();
	if (ns.pid == 0)
		serve();
	/* Another program's readiness: there is no event of it. */
	for (unsigned i = 0; i < START_TRIES; i++) {
		if (serves())
			return;
		nanosleep(&pause, NULL);
	}
	die("nsd did not start (deploy/install-deps --test)");
}

slice_t dnsserver_address(void)
{
	return slice_str(ns.address);
}

slice_t dnsserver_anchors(void)
{
	return slice_str(ns.anchors);
}
