#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <unistd.h>

#include "common/base/fault.h"
#include "common/base/num.h"
#include "common/base/slice.h"

bool (*fault_hook)(const char *point);

static char fault_point[64];
static _Atomic int64_t fault_left;
static bool fault_kills;

static bool fault_matches(const char *point)
{
	size_t n = strlen(fault_point);

	if (n > 0 && fault_point[n - 1] == '*')
		return strncmp(point, fault_point, n - 1) == 0;
	return strcmp(point, fault_point) == 0;
}

static bool fault_counted(const char *point)
{
	if (!fault_matches(point))
		return false;
	if (atomic_fetch_sub(&fault_left, 1) != 1)
		return false;
	if (fault_kills)
		kill(getpid(), SIGKILL);
	return true;
}

bool fault_from_text(const char *text)
{
	slice_t s = slice_str(text);
	size_t a = slice_find_char(s, ':');
	slice_t rest = slice_from(s, a + 1);
	size_t b = slice_find_char(rest, ':');
	slice_t what = slice_from(rest, b + 1);
	uint64_t count;

	if (!num_parse(slice_sub(rest, 0, b), INT32_MAX, &count) || count == 0)
		return false;
	if (!slice_eq(what, SL("fail")) && !slice_eq(what, SL("kill")))
		return false;
	if (!slice_to_str(slice_sub(s, 0, a), fault_point, sizeof(fault_point)))
		return false;
	fault_kills = slice_eq(what, SL("kill"));
	atomic_store(&fault_left, (int64_t)count);
	fault_hook = fault_counted;
	return true;
}
