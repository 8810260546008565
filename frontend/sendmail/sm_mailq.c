/*
 * The queue's rows as Postfix's mailq writes them, for eyes and scripts that know that form. They
 * are asked of the administrator's command, which knows the way to the back-ends.
 */
#include <errno.h>
#include <jansson.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/base/civil.h"
#include "common/base/num.h"
#include "frontend/sendmail/sendmail.h"

extern char **environ;

#define PATH_BYTES 4096

/* `postern` beside this program, or else wherever it is. */
static const char *command(char path[PATH_BYTES])
{
	ssize_t n = readlink("/proc/self/exe", path, PATH_BYTES - sizeof "postern");
	char *slash;

	if (n <= 0)
		return "postern";
	path[n] = '\0';
	slash = strrchr(path, '/');
	memcpy(slash + 1, "postern", sizeof "postern");
	return access(path, X_OK) == 0 ? path : "postern";
}

/* Its output; NULL: it was told. */
static FILE *start(const char *cluster, pid_t *pid)
{
	char path[PATH_BYTES];
	const char *argv[] = {"postern", "--cluster", cluster, "--json", "queue", "list", NULL};
	posix_spawn_file_actions_t actions;
	int ends[2], rc;

	if (pipe(ends) != 0) {
		sm_fail(EX_OSERR, "%s", strerror(errno));
		return NULL;
	}
	posix_spawn_file_actions_init(&actions);
	posix_spawn_file_actions_adddup2(&actions, ends[1], STDOUT_FILENO);
	posix_spawn_file_actions_addclose(&actions, ends[0]);
	posix_spawn_file_actions_addclose(&actions, ends[1]);
	rc = posix_spawnp(pid, command(path), &actions, NULL, (char **)(uintptr_t)argv, environ);
	posix_spawn_file_actions_destroy(&actions);
	close(ends[1]);
	if (rc == 0)
		return fdopen(ends[0], "r");
	close(ends[0]);
	sm_fail(EX_UNAVAILABLE, "postern: %s", strerror(rc));
	return NULL;
}

static const char *text(const json_t *row, const char *key)
{
	const char *s = json_string_value(json_object_get(row, key));

	return s != NULL ? s : "";
}

/* "2026-11-28T13:40:12Z" as "Sat Nov 28 13:40:12"; of UTC, as everything that `postern` shows. */
static void put_arrival(FILE *out, slice_t made)
{
	static const char days[] = "SunMonTueWedThuFriSat";
	static const char months[] = "JanFebMarAprMayJunJulAugSepOctNovDec";
	uint64_t year, month, day;
	unsigned weekday;

	if (!num_parse(slice_sub(made, 0, 4), 9999, &year) ||
	    !num_parse(slice_sub(made, 5, 2), 12, &month) ||
	    !num_parse(slice_sub(made, 8, 2), 31, &day) || made.n < 19 ||
	    !civil_valid((int)year, (unsigned)month, (unsigned)day))
		return;
	weekday = civil_weekday(civil_days((int)year, (unsigned)month, (unsigned)day));
	fprintf(out, "%.3s %.3s %02u %.8s", days + 3 * weekday, months + 3 * (month - 1),
		(unsigned)day, made.p + 11);
}

static char mark(const char *state)
{
	slice_t s = slice_str(state);

	return slice_eq(s, SL("leased")) ? '*' : slice_eq(s, SL("held")) ? '!' : ' ';
}

static long long put_row(const json_t *row, FILE *out)
{
	const char *sender = text(row, "sender"), *error = text(row, "last_error");
	long long size = json_integer_value(json_object_get(row, "size_bytes"));

	fprintf(out, "%s%c %8lld ", text(row, "id"), mark(text(row, "state")), size);
	put_arrival(out, slice_str(text(row, "made")));
	fprintf(out, "  %s\n", sender[0] != '\0' ? sender : "MAILER-DAEMON");
	if (error[0] != '\0')
		fprintf(out, "(%s)\n", error);
	fprintf(out, "%41s%s\n\n", "", text(row, "address"));
	return size;
}

static void put_all(const json_t *rows, FILE *out)
{
	long long bytes = 0;
	size_t n = json_array_size(rows);

	if (n == 0) {
		fputs("Mail queue is empty\n", out);
		return;
	}
	fputs("-Queue ID-  --Size-- ----Arrival Time---- -Sender/Recipient-------\n", out);
	for (size_t i = 0; i < n; i++)
		bytes += put_row(json_array_get(rows, i), out);
	fprintf(out, "-- %lld Kbytes in %zu Request%s.\n", (bytes + 1023) / 1024, n,
		n == 1 ? "" : "s");
}

int sm_mailq(const struct conf *c, FILE *out)
{
	const char *cluster = conf_str(c, "admin.cluster");
	json_t *rows;
	FILE *in;
	pid_t pid;
	int status;

	if (cluster[0] == '\0')
		return sm_fail(EX_UNAVAILABLE, "the queue is the cluster's: mailq needs an "
					       "administrator's file, admin.cluster");
	in = start(cluster, &pid);
	if (in == NULL)
		return EX_UNAVAILABLE;
	rows = json_loadf(in, 0, NULL);
	fclose(in);
	if (waitpid(pid, &status, 0) != pid || !WIFEXITED(status))
		status = EX_SOFTWARE;
	else
		status = WEXITSTATUS(status);
	if (json_is_array(rows))
		put_all(rows, out);
	else if (status == EX_OK)
		status = sm_fail(EX_PROTOCOL, "postern answered what is not understood");
	json_decref(rows);
	return status;
}
