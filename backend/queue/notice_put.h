/* notice_put: a notice that is an item of its own from the beginning: of a delay, beside the item
 * that is late, or an alert, which is about no message. */
#ifndef BACKEND_QUEUE_NOTICE_PUT_H
#define BACKEND_QUEUE_NOTICE_PUT_H

#include "backend/queue/job.h"
#include "backend/store/change.h"

/* Adds the notice. record_no: of the message, or 0. E_EXISTS: one with that key was added for its
 * transaction before; else as store_change. */
WAITS enum err notice_put(struct partition *part, slice_t key, uint64_t record_no,
			  const struct job *notice) MUST_USE;
/* The notice of the item's delay, once however often it is asked for; as store_change. */
WAITS enum err notice_put_delay(struct partition *part, uint64_t item, uint64_t record_no,
				const struct job *notice) MUST_USE;

#endif
