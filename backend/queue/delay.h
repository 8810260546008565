/* delay: the notice that tells a sender of a delay: an item of its own beside the one that it is
 * about. */
#ifndef BACKEND_QUEUE_DELAY_H
#define BACKEND_QUEUE_DELAY_H

#include "backend/queue/job.h"
#include "backend/store/change.h"

/* Adds the notice about the item, once however often it is asked for; as store_change. */
WAITS enum err delay_tell(struct partition *part, uint64_t item, uint64_t record_no,
			  const struct job *notice) MUST_USE;

#endif
