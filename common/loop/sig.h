/* sig: a signal as an event of the loop (SIGTERM, SIGINT, SIGHUP, SIGCHLD). Several arrivals
 * between two waits are one, as with signals themselves. */
#ifndef COMMON_LOOP_SIG_H
#define COMMON_LOOP_SIG_H

#include "common/loop/fiber.h"

struct sig;

/* Watches a signal on the thread's loop; it no longer has its default effect. Does not keep the
 * loop alive, but must be unwatched before loop_free(). E_INVALID: not a signal that can be
 * caught. */
enum err sig_watch(int signum, struct sig **out) MUST_USE;
/* Set at each arrival; for a fiber that waits by itself. */
struct event *sig_event(struct sig *s);
WAITS enum err sig_wait(struct sig *s, const char *name, int64_t deadline_ms) MUST_USE;
/* Nobody may be waiting for it. NULL is harmless. */
void sig_unwatch(struct sig **s);

#endif
