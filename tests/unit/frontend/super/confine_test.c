/* What the system call filter takes from a worker, tried from inside. */
#include "frontend/super/confine.h"

#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/lib/check.h"

#if !defined __SANITIZE_ADDRESS__ && !defined __SANITIZE_THREAD__

/* Who tries. */
static const struct {
	const char *name;
	enum rpc_service service;
	enum confine_dial dial;
} who[] = {
	{"imap, dialling", SERVICE_IMAP, CONFINE_MAY_DIAL},
	{"imap, dialled", SERVICE_IMAP, CONFINE_NO_DIAL},
	{"outbound, dialling", SERVICE_OUTBOUND, CONFINE_MAY_DIAL},
	{"outbound, dialled", SERVICE_OUTBOUND, CONFINE_NO_DIAL},
	{"smtp, dialling", SERVICE_SMTP, CONFINE_MAY_DIAL},
	{"submission, dialled", SERVICE_SUBMISSION, CONFINE_NO_DIAL},
};
#define WHO_MAX ARRAY_LEN(who)

/* Whether a system call is refused with EPERM; it does nothing that would be seen outside. */
struct attempt {
	const char *what;
	long (*call)(void);
	bool allowed[WHO_MAX];
};

static long a_read(void)
{
	return open("/proc/self/stat", O_RDONLY | O_CLOEXEC);
}

static long a_write(void)
{
	return open("/dev/null", O_WRONLY | O_CLOEXEC);
}

static long a_read_write(void)
{
	return open("/dev/null", O_RDWR | O_CLOEXEC);
}

static long a_create(void)
{
	return open("/tmp", O_RDONLY | O_CREAT | O_CLOEXEC, 0600);
}

static long a_truncate(void)
{
	return open("/dev/null", O_RDONLY | O_TRUNC | O_CLOEXEC);
}

static long a_tmpfile(void)
{
	return open("/tmp", O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
}

static long a_unlink(void)
{
	return unlink("/nowhere/at/all");
}

static long a_tcp4(void)
{
	return socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
}

static long a_tcp6(void)
{
	return socket(AF_INET6, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
}

static long a_udp(void)
{
	return socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
}

static long a_udp6(void)
{
	return socket(AF_INET6, SOCK_DGRAM | SOCK_CLOEXEC, 0);
}

static long a_icmp(void)
{
	return socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, IPPROTO_ICMP);
}

static long a_sctp(void)
{
	return socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, IPPROTO_SCTP);
}

static long a_unix(void)
{
	return socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
}

static long a_netlink(void)
{
	return socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, 0);
}

static long a_pair(void)
{
	int fds[2];

	return socketpair(AF_UNIX, SOCK_STREAM, 0, fds);
}

static long a_bind(void)
{
	return bind(-1, NULL, 0);
}

static long a_connect(void)
{
	return connect(-1, NULL, 0);
}

static long a_listen(void)
{
	return listen(-1, 1);
}

static long a_fork(void)
{
	long pid = syscall(SYS_fork);

	if (pid == 0)
		_exit(0);
	return pid;
}

/* The flags of a thread without a stack, which the kernel refuses as well, but otherwise. */
static long a_thread(void)
{
	return syscall(SYS_clone, CLONE_THREAD, NULL, NULL, NULL, NULL);
}

static long a_code(void)
{
	void *p = mmap(NULL, 4096, PROT_READ | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	return p == MAP_FAILED ? -1 : 0;
}

static long a_memory(void)
{
	void *p = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	return p == MAP_FAILED ? -1 : 0;
}

static long a_kill(void)
{
	return kill(getppid(), 0);
}

static long a_tgkill(void)
{
	return syscall(SYS_tgkill, getppid(), getppid(), 0);
}

static long a_tgkill_self(void)
{
	return syscall(SYS_tgkill, getpid(), gettid(), 0);
}

static long a_getrlimit(void)
{
	struct rlimit r;

	return getrlimit(RLIMIT_NOFILE, &r);
}

static long a_setrlimit(void)
{
	struct rlimit r = {1, 1};

	return setrlimit(RLIMIT_CORE, &r);
}

static long a_others_limits(void)
{
	return prlimit(getppid(), RLIMIT_NOFILE, NULL, NULL);
}

static long a_type_into_terminal(void)
{
	return ioctl(0, TIOCSTI, "x");
}

static long a_setuid(void)
{
	return setuid(0);
}

static const struct attempt attempts[] = {
	{"open to read", a_read, {true, true, true, true, true, true}},
	{"open to write", a_write, {false, false, false, false, false, false}},
	{"open to read and write", a_read_write, {false, false, false, false, false, false}},
	{"create a file", a_create, {false, false, false, false, false, false}},
	{"truncate", a_truncate, {false, false, false, false, false, false}},
	{"a file without a name", a_tmpfile, {false, false, false, false, false, false}},
	{"unlink", a_unlink, {false, false, false, false, false, false}},
	{"a TCP socket", a_tcp4, {true, false, true, true, true, false}},
	{"a TCP socket, IPv6", a_tcp6, {true, false, true, true, true, false}},
	{"a UDP socket", a_udp, {false, false, true, true, true, true}},
	{"a UDP socket, IPv6", a_udp6, {false, false, true, true, true, true}},
	{"an ICMP socket", a_icmp, {false, false, false, false, false, false}},
	{"an SCTP socket", a_sctp, {false, false, false, false, false, false}},
	{"a local socket", a_unix, {false, false, false, false, false, false}},
	{"a netlink socket", a_netlink, {false, false, false, false, false, false}},
	{"a pair of sockets", a_pair, {false, false, false, false, false, false}},
	{"bind", a_bind, {false, false, true, true, true, true}},
	{"connect", a_connect, {true, false, true, true, true, false}},
	{"listen", a_listen, {false, false, false, false, false, false}},
	{"a thread", a_thread, {false, false, false, false, false, false}},
	{"fork", a_fork, {false, false, false, false, false, false}},
	{"executable memory", a_code, {false, false, false, false, false, false}},
	{"memory", a_memory, {true, true, true, true, true, true}},
	{"kill", a_kill, {false, false, false, false, false, false}},
	{"signal another process", a_tgkill, {false, false, false, false, false, false}},
	{"signal itself", a_tgkill_self, {true, true, true, true, true, true}},
	{"read its limits", a_getrlimit, {true, true, true, true, true, true}},
	{"set limits", a_setrlimit, {false, false, false, false, false, false}},
	{"another's limits", a_others_limits, {false, false, false, false, false, false}},
	{"type into the terminal",
	 a_type_into_terminal,
	 {false, false, false, false, false, false}},
	{"setuid", a_setuid, {false, false, false, false, false, false}},
};

/* In a child that is confined: the child's wait status. */
static int confined(enum rpc_service service, enum confine_dial dial, long (*call)(void))
{
	int status = -1;
	pid_t pid = fork();

	if (pid == 0) {
		struct diag d = {""};

		if (confine_syscalls(service, dial, &d) != E_OK)
			_exit(2);
		errno = 0;
		_exit(call() < 0 && errno == EPERM ? 1 : 0);
	}
	CHECK_INT(waitpid(pid, &status, 0), pid);
	return status;
}

TEST(filter_allows_what_a_worker_needs_and_no_more)
{
	for (size_t i = 0; i < ARRAY_LEN(attempts); i++) {
		for (size_t k = 0; k < WHO_MAX; k++) {
			int status = confined(who[k].service, who[k].dial, attempts[i].call);

			check_note("%s, %s", attempts[i].what, who[k].name);
			CHECK(WIFEXITED(status));
			CHECK_INT(WEXITSTATUS(status), attempts[i].allowed[k] ? 0 : 1);
		}
	}
}

/* A thread that was there before: what it heard when it tried to open a file for writing. */
struct earlier {
	int go[2];
	long fd;
};

static void *wait_and_write(void *arg)
{
	struct earlier *t = arg;
	char c;

	t->fd = read(t->go[0], &c, 1) == 1 ? a_write() : -2;
	return NULL;
}

static int earlier_thread(void)
{
	struct earlier t = {.fd = -2};
	struct diag d = {""};
	pthread_t thread;

	if (pipe(t.go) != 0 || prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0 ||
	    pthread_create(&thread, NULL, wait_and_write, &t) != 0 ||
	    confine_syscalls(SERVICE_OUTBOUND, CONFINE_MAY_DIAL, &d) != E_OK ||
	    write(t.go[1], "x", 1) != 1 || pthread_join(thread, NULL) != 0)
		return 2;
	return t.fd == -1 ? 0 : 1;
}

TEST(filter_binds_threads_that_are_there)
{
	int status = -1;
	pid_t pid = fork();

	if (pid == 0)
		_exit(earlier_thread());
	CHECK_INT(waitpid(pid, &status, 0), pid);
	CHECK(WIFEXITED(status));
	CHECK_INT(WEXITSTATUS(status), 0);
}

static long a_exec(void)
{
	static char *const argv[] = {(char *)(uintptr_t) "true", NULL};

	return execv("/bin/true", argv);
}

TEST(filter_ends_who_wants_to_execute)
{
	int status = confined(SERVICE_OUTBOUND, CONFINE_MAY_DIAL, a_exec);

	CHECK(WIFSIGNALED(status));
	CHECK_INT(WTERMSIG(status), SIGSYS);
}

static long try_identity(void)
{
	struct diag d = {""};
	enum err e = confine_identity(64999, 64999, &d);

	return e == E_OK && getuid() == 64999 && geteuid() == 64999 && getgid() == 64999 &&
			       setuid(0) != 0
		       ? 0
		       : 1;
}

/* Its user is its own, for good, and it dies with its parent. */
TEST(identity_is_given_up)
{
	int status = -1;
	pid_t pid;

	if (geteuid() != 0)
		return; /* only root can */
	pid = fork();
	if (pid == 0)
		_exit((int)try_identity());
	CHECK_INT(waitpid(pid, &status, 0), pid);
	CHECK(WIFEXITED(status));
	CHECK_INT(WEXITSTATUS(status), 0);
}

#endif
