#include "frontend/super/confine.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <netinet/in.h>
#include <seccomp.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "common/log/log.h"

#if defined __SANITIZE_ADDRESS__ || defined __SANITIZE_THREAD__
#define DUMPABLE 1 /* else the search for leaks finds nothing: it looks from outside */
#else
#define DUMPABLE 0
#endif

enum err confine_identity(uint32_t uid, uint32_t gid, struct diag *d)
{
	pid_t parent = getppid();

	if (uid != 0 && (setgroups(0, NULL) != 0 || setresgid(gid, gid, gid) != 0 ||
			 setresuid(uid, uid, uid) != 0))
		return diag_set(d, E_IO, "become user %u: %s", uid, log_errno(errno));
	/* After the change of user, which clears the death signal. */
	if (prctl(PR_SET_PDEATHSIG, SIGKILL) != 0 || prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0 ||
	    prctl(PR_SET_DUMPABLE, DUMPABLE) != 0)
		return diag_set(d, E_IO, "prctl: %s", log_errno(errno));
	if (getppid() != parent)
		return diag_set(d, E_CLOSED, "the supervisor is gone");
	return E_OK;
}

#if defined __SANITIZE_ADDRESS__ || defined __SANITIZE_THREAD__

enum err confine_syscalls(enum rpc_service service, enum confine_dial dial, struct diag *d UNUSED)
{
	/* The sanitizers' own run time needs more than a worker may have. */
	LOG(LOG_WARN, NULL, "confine.off", LF_STR("service", rpc_service_name(service)),
	    LF_INT("dial", dial), LF_STR("why", "sanitizer build"));
	return E_OK;
}

#else

/* Everything that the loop, the allocator, OpenSSL and the C library's run time ask for once a
 * worker is up. */
/* clang-format off */
static const int always[] = {
	SCMP_SYS(read), SCMP_SYS(readv), SCMP_SYS(pread64), SCMP_SYS(write), SCMP_SYS(writev),
	SCMP_SYS(recvfrom), SCMP_SYS(recvmsg), SCMP_SYS(sendto), SCMP_SYS(sendmsg),
	SCMP_SYS(close), SCMP_SYS(shutdown), SCMP_SYS(accept4), SCMP_SYS(accept),
	SCMP_SYS(getsockopt), SCMP_SYS(setsockopt), SCMP_SYS(getsockname), SCMP_SYS(getpeername),
	SCMP_SYS(epoll_wait), SCMP_SYS(epoll_pwait), SCMP_SYS(epoll_ctl), SCMP_SYS(epoll_create1),
	SCMP_SYS(eventfd2), SCMP_SYS(pipe2), SCMP_SYS(poll), SCMP_SYS(fcntl),
	SCMP_SYS(fstat), SCMP_SYS(newfstatat), SCMP_SYS(lseek), SCMP_SYS(brk), SCMP_SYS(munmap),
	SCMP_SYS(mremap), SCMP_SYS(madvise), SCMP_SYS(futex), SCMP_SYS(clock_gettime),
	SCMP_SYS(clock_nanosleep), SCMP_SYS(gettimeofday), SCMP_SYS(getrandom), SCMP_SYS(getpid),
	SCMP_SYS(gettid), SCMP_SYS(exit), SCMP_SYS(exit_group),
	SCMP_SYS(rt_sigaction), SCMP_SYS(rt_sigprocmask), SCMP_SYS(rt_sigreturn),
	SCMP_SYS(sigaltstack), SCMP_SYS(sched_yield), SCMP_SYS(restart_syscall), SCMP_SYS(rseq),
	SCMP_SYS(set_robust_list), SCMP_SYS(getuid), SCMP_SYS(geteuid), SCMP_SYS(getgid),
	SCMP_SYS(getegid), SCMP_SYS(sched_getaffinity), SCMP_SYS(uname),
};
/* clang-format on */

/* Its own process alone: workers of a service share a user. */
static int allow_on_self(scmp_filter_ctx ctx)
{
	/* Of devices' own languages only what libuv says to sockets: a terminal that was inherited
	 * takes commands as well. */
	static const scmp_datum_t requests[] = {FIONBIO, FIOCLEX, FIONREAD};
	int rc = 0;

	for (size_t i = 0; i < ARRAY_LEN(requests); i++)
		rc |= seccomp_rule_add(ctx, SCMP_ACT_ALLOW, SCMP_SYS(ioctl), 1,
				       SCMP_A1(SCMP_CMP_MASKED_EQ, UINT32_MAX, requests[i]));
	rc |= seccomp_rule_add(ctx, SCMP_ACT_ALLOW, SCMP_SYS(tgkill), 1,
			       SCMP_A0(SCMP_CMP_EQ, (scmp_datum_t)getpid()));
	rc |= seccomp_rule_add(ctx, SCMP_ACT_ALLOW, SCMP_SYS(prlimit64), 2, SCMP_A0(SCMP_CMP_EQ, 0),
			       SCMP_A2(SCMP_CMP_EQ, 0));
	return rc;
}

/* Sockets of both families. */
static int allow_sockets(scmp_filter_ctx ctx, int type, int protocol)
{
	static const scmp_datum_t families[] = {AF_INET, AF_INET6};
	int rc = 0;

	for (size_t i = 0; i < ARRAY_LEN(families); i++)
		rc |= seccomp_rule_add(
			ctx, SCMP_ACT_ALLOW, SCMP_SYS(socket), 3, SCMP_A0(SCMP_CMP_EQ, families[i]),
			SCMP_A1(SCMP_CMP_MASKED_EQ, 0xf, (scmp_datum_t)type),
			SCMP_A2(SCMP_CMP_MASKED_EQ, UINT32_MAX, (scmp_datum_t)protocol));
	return rc;
}

static int allow_dialling(scmp_filter_ctx ctx)
{
	return allow_sockets(ctx, SOCK_STREAM, 0) | allow_sockets(ctx, SOCK_STREAM, IPPROTO_TCP) |
	       seccomp_rule_add(ctx, SCMP_ACT_ALLOW, SCMP_SYS(connect), 0);
}

/* DNS over UDP; a question's port is drawn at random, hence bind. Who may not listen has nothing of
 * it for TCP. libunbound runs on the loop: it needs no clone. */
static int allow_dns(scmp_filter_ctx ctx)
{
	return allow_sockets(ctx, SOCK_DGRAM, 0) | allow_sockets(ctx, SOCK_DGRAM, IPPROTO_UDP) |
	       seccomp_rule_add(ctx, SCMP_ACT_ALLOW, SCMP_SYS(bind), 0);
}

static int allow_checked(scmp_filter_ctx ctx, enum rpc_service service, enum confine_dial dial)
{
	int rc = allow_on_self(ctx);

	/* Memory is never executable (but for what was mapped before). */
	rc |= seccomp_rule_add(ctx, SCMP_ACT_ALLOW, SCMP_SYS(mmap), 1,
			       SCMP_A2(SCMP_CMP_MASKED_EQ, PROT_EXEC, 0));
	rc |= seccomp_rule_add(ctx, SCMP_ACT_ALLOW, SCMP_SYS(mprotect), 1,
			       SCMP_A2(SCMP_CMP_MASKED_EQ, PROT_EXEC, 0));
	/* Files are opened for reading only. */
	rc |= seccomp_rule_add(
		ctx, SCMP_ACT_ALLOW, SCMP_SYS(openat), 1,
		SCMP_A2(SCMP_CMP_MASKED_EQ, O_ACCMODE | O_CREAT | O_TRUNC, O_RDONLY));
	if (dial == CONFINE_MAY_DIAL || service == SERVICE_OUTBOUND)
		rc |= allow_dialling(ctx);
	/* The names of clients' addresses; without a right to dial over UDP alone. */
	if (service == SERVICE_OUTBOUND || service == SERVICE_SMTP || service == SERVICE_SUBMISSION)
		rc |= allow_dns(ctx);
	return rc;
}

enum err confine_syscalls(enum rpc_service service, enum confine_dial dial, struct diag *d)
{
	scmp_filter_ctx ctx = seccomp_init(SCMP_ACT_ERRNO(EPERM));
	/* The threads that are there already are bound as well. */
	int rc = ctx != NULL ? seccomp_attr_set(ctx, SCMP_FLTATR_CTL_TSYNC, 1) : -1;

	for (size_t i = 0; rc == 0 && i < ARRAY_LEN(always); i++)
		rc = seccomp_rule_add(ctx, SCMP_ACT_ALLOW, always[i], 0);
	/* What only an intruder asks for ends the process. */
	if (rc == 0)
		rc = seccomp_rule_add(ctx, SCMP_ACT_KILL_PROCESS, SCMP_SYS(execve), 0) |
		     seccomp_rule_add(ctx, SCMP_ACT_KILL_PROCESS, SCMP_SYS(execveat), 0) |
		     seccomp_rule_add(ctx, SCMP_ACT_KILL_PROCESS, SCMP_SYS(ptrace), 0);
	if (rc == 0)
		rc = allow_checked(ctx, service, dial);
	if (rc == 0)
		rc = seccomp_load(ctx);
	if (ctx != NULL)
		seccomp_release(ctx);
	if (rc != 0)
		return diag_set(d, E_IO, "seccomp for %s: %s", rpc_service_name(service),
				log_errno(-rc));
	return E_OK;
}

#endif
