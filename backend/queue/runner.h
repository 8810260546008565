/* runner: takes queue items of this node's partitions as they fall due. */
#ifndef BACKEND_QUEUE_RUNNER_H
#define BACKEND_QUEUE_RUNNER_H

#include "backend/delivery/forward.h"

#define RUNNER_AT_ONCE  16                      /* items under way at a time, of all partitions */
#define QUEUE_EXPIRE_US (2LL * 86400 * 1000000) /* as deliveries are known */
struct runner;
struct due_item;

/* An item became the way out's: whoever sent the message is to be told. The row is as it was
 * committed a moment ago. May be NULL. */
typedef void runner_turned_fn(struct partition *part, const struct due_item *item, void *arg);

/* ways is borrowed. */
enum err runner_start(const struct forward_ways *ways, runner_turned_fn *turned, void *arg,
		      struct runner **out) MUST_USE;
WAITS void runner_stop(struct runner **r);
/* Something was added or changed: look again. */
void runner_wake(struct runner *r);
/* The item is left alone until runner_release, so that its row can be changed; it need not be one
 * of the runner's. E_BUSY: it is being worked on, or claimed. */
enum err runner_claim(struct runner *r, const struct partition *part, uint64_t item) MUST_USE;
void runner_release(struct runner *r, const struct partition *part, uint64_t item);

#endif
