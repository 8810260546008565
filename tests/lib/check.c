#include "tests/lib/check.h"

#include <ftw.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/base/clock.h"
#include "common/loop/fiber.h"

#define TEST_SECONDS 120 /* a test that takes longer hangs: it is killed, with its name */
#define NOTE_MAX     4096
#define SHOWN_MAX    200 /* bytes of a slice shown in a failure */

#if defined(__has_feature)
#if __has_feature(thread_sanitizer)
#define __SANITIZE_THREAD__ 1
#endif
#endif
#ifdef __SANITIZE_THREAD__
/* libuv is not instrumented and closes its descriptors by bare system calls: TSan takes the next
 * user of a number for a racer. */
const char *__tsan_default_suppressions(void);
const char *__tsan_default_suppressions(void)
{
	return "race:uv_pipe\nrace:uv_async_init\nrace:epoll_create1\n";
}
#endif

static struct check_test *tests;
static struct check_test **tests_end = &tests;

static struct {
	const char *name;
	bool failed;
	char notes[NOTE_MAX];
	size_t notes_n;
	char tmpdir[256]; /* empty: none was asked for */
	pid_t child;
} now;

void check_register(struct check_test *t)
{
	*tests_end = t;
	tests_end = &t->next;
}

static void fail(const char *file, int line)
{
	if (!now.failed)
		printf("FAIL %s\n%.*s", now.name, (int)now.notes_n, now.notes);
	now.failed = true;
	now.notes_n = 0;
	printf("  %s:%d: ", file, line);
}

void check_note(const char *fmt, ...)
{
	char line[512];
	va_list ap;
	int n;

	va_start(ap, fmt);
	n = vsnprintf(line, sizeof line - 1, fmt, ap);
	va_end(ap);
	if (n < 0)
		return;
	n = MIN(n, (int)sizeof line - 2);
	line[n++] = '\n';
	if (now.failed)
		printf("  note: %.*s", n, line);
	else
		now.notes_n += (size_t)snprintf(now.notes + now.notes_n, NOTE_MAX - now.notes_n,
						"  note: %.*s", n, line);
	now.notes_n = MIN(now.notes_n, (size_t)NOTE_MAX - 1);
}

bool check_true(bool ok, const char *expr, const char *file, int line)
{
	if (!ok) {
		fail(file, line);
		printf("%s\n", expr);
	}
	return ok;
}

void check_int(long long got, long long want, const char *expr, const char *file, int line)
{
	if (got == want)
		return;
	fail(file, line);
	printf("%s is %lld, not %lld\n", expr, got, want);
}

void check_err(enum err got, enum err want, const char *expr, const char *file, int line)
{
	if (got == want)
		return;
	fail(file, line);
	printf("%s is %s, not %s\n", expr, err_name(got), err_name(want));
}

static void print_slice(slice_t s)
{
	putchar('"');
	for (size_t i = 0; i < s.n && i < SHOWN_MAX; i++) {
		unsigned char c = (unsigned char)s.p[i];

		if (c == '\n')
			fputs("\\n", stdout);
		else if (c == '\r')
			fputs("\\r", stdout);
		else if (c < 0x20 || c >= 0x7f || c == '"' || c == '\\')
			printf("\\x%02x", c);
		else
			putchar(c);
	}
	printf(s.n > SHOWN_MAX ? "\"... (%zu bytes)" : "\" (%zu bytes)", s.n);
}

void check_slice(slice_t got, slice_t want, const char *expr, const char *file, int line)
{
	if (slice_eq(got, want))
		return;
	fail(file, line);
	printf("%s is ", expr);
	print_slice(got);
	printf("\n    not ");
	print_slice(want);
	putchar('\n');
}

bool check_fork(void)
{
	static const struct rlimit no_core;

	fflush(stdout);
	now.child = fork();
	invariant(now.child >= 0);
	if (now.child != 0)
		return false;
	setrlimit(RLIMIT_CORE, &no_core);
	if (freopen("/dev/null", "w", stderr) == NULL)
		_exit(0);
	return true;
}

void check_survived(void)
{
	_exit(0);
}

void check_died(const char *expr, const char *file, int line)
{
	int status = 0;

	invariant(waitpid(now.child, &status, 0) == now.child);
	if (WIFEXITED(status) && WEXITSTATUS(status) == 0) {
		fail(file, line);
		printf("%s did not die\n", expr);
	}
}

const char *check_tmpdir(void)
{
	const char *base = getenv("TMPDIR");

	if (now.tmpdir[0] == '\0') {
		snprintf(now.tmpdir, sizeof now.tmpdir, "%s/check-XXXXXX",
			 base != NULL ? base : "/tmp");
		invariant(mkdtemp(now.tmpdir) != NULL);
	}
	return now.tmpdir;
}

static int remove_one(const char *path, const struct stat *st UNUSED, int type UNUSED,
		      struct FTW *ftw UNUSED)
{
	return remove(path);
}

static void remove_tmpdir(void)
{
	if (now.tmpdir[0] == '\0')
		return;
	nftw(now.tmpdir, remove_one, 16, FTW_DEPTH | FTW_PHYS);
	now.tmpdir[0] = '\0';
}

static void on_alarm(int sig UNUSED)
{
	static const char text[] = "\nHUNG: the test took too long: ";
	ssize_t n = write(STDERR_FILENO, text, sizeof text - 1);

	n += write(STDERR_FILENO, now.name, strlen(now.name));
	n += write(STDERR_FILENO, "\n", 1);
	_exit(n > 0 ? 2 : 3);
}

void check_seconds(unsigned seconds)
{
	alarm(seconds);
}

struct fiber_test {
	void (*fn)(void *);
	struct loop *loop;
};

static void fiber_test_main(void *arg)
{
	struct fiber_test *t = arg;

	t->fn(NULL);
	loop_stop(t->loop);
}

void check_in_fiber(void (*fn)(void *))
{
	struct fiber_test t = {fn, loop_new()};

	invariant(fiber_start(now.name, fiber_test_main, &t, NULL) == E_OK);
	loop_run(t.loop);
	loop_free(&t.loop);
}

static bool wanted(const char *name, int argc, char **argv)
{
	for (int i = 1; i < argc; i++)
		if (strcmp(name, argv[i]) == 0)
			return true;
	return argc <= 1;
}

static bool exists(const char *name)
{
	for (struct check_test *t = tests; t != NULL; t = t->next)
		if (strcmp(t->name, name) == 0)
			return true;
	return false;
}

/* Asked for by $POSTERN_TEST_TIMES. */
static void tell_time(const char *name, int64_t began_ms)
{
	if (getenv("POSTERN_TEST_TIMES") != NULL)
		printf("%6.3f s, %s\n", (double)(clock_mono_ms() - began_ms) / 1000, name);
}

int main(int argc, char **argv)
{
	unsigned passed = 0, failed = 0;

	setvbuf(stdout, NULL, _IOLBF, 0);
	signal(SIGALRM, on_alarm);
	for (int i = 1; i < argc; i++) {
		if (!exists(argv[i])) {
			printf("FAIL %s: no such test\n", argv[i]);
			failed++;
		}
	}
	for (struct check_test *t = tests; t != NULL; t = t->next) {
		int64_t began_ms = clock_mono_ms();

		if (!wanted(t->name, argc, argv))
			continue;
		now.name = t->name;
		now.failed = false;
		now.notes_n = 0;
		alarm(TEST_SECONDS);
		t->fn();
		alarm(0);
		remove_tmpdir();
		tell_time(t->name, began_ms);
		if (now.failed)
			failed++;
		else
			passed++;
	}
	printf("%u passed, %u failed\n", passed, failed);
	return failed != 0;
}
