/*
 * later: preloaded into a back-end, it puts its wall clock $POSTERN_TEST_LATER seconds ahead. What
 * expires there then has grown old by the back-end's own clock, with nothing else changed in it.
 */
#include <stdlib.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

int clock_gettime(clockid_t id, struct timespec *ts)
{
	const char *later = getenv("POSTERN_TEST_LATER");
	long rc = syscall(SYS_clock_gettime, id, ts);

	if (rc == 0 && id == CLOCK_REALTIME && later != NULL)
		ts->tv_sec += strtol(later, NULL, 10);
	return (int)rc;
}
