/* waits: nothing waits unseen. At each SIGUSR1 the log gets a line for every fiber of the thread's
 * loop: its name, what it waits for, since how many ms, for how many more, and whose work it does
 * (the session, the peer). The lines are warnings, so that the usual thresholds let them pass. */
#ifndef COMMON_LOOP_WAITS_H
#define COMMON_LOOP_WAITS_H

#include "common/loop/fiber.h"

struct waits;

/* A fiber of its own waits for the signal. E_LIMIT: no stack for it; E_INVALID: the
 * signal cannot be watched (sig_watch). */
enum err waits_watch(struct waits **out) MUST_USE;
/* NULL is harmless. */
WAITS void waits_unwatch(struct waits **w);

#endif
