/* due: reads of the queue's items; change_queue changes them. Not on a loop's thread. */
#ifndef BACKEND_STORE_DUE_H
#define BACKEND_STORE_DUE_H

#include "backend/store/partition.h"
#include "common/base/buf.h"

struct due_item {
	uint64_t id;
	int64_t due_us;
	int64_t made_us;    /* when it was added */
	uint64_t record_no; /* 0: none */
	slice_t payload;    /* into the caller's buffer */
};

/* Items that are due at now_us or before, in order of time, beginning after *after (zeroed at
 * first; due_us and id are read), at most max. *next_due_out: when the first item not returned is
 * due, INT64_MAX: never. Payloads go to bytes. */
enum err due_scan(struct partition *p, int64_t now_us, const struct due_item *after,
		  struct due_item *out, size_t max, size_t *n_out, int64_t *next_due_out,
		  struct buf *bytes) MUST_USE;
/* Items in the order of their numbers, which only grow, beginning above `after`: at most max, and
 * no more than fit bytes (but one at least). *more_out: there are others. */
enum err item_scan(struct partition *p, uint64_t after, struct due_item *out, size_t max,
		   size_t *n_out, bool *more_out, struct buf *bytes) MUST_USE;
/* One item. E_NOT_FOUND. */
enum err due_get(struct partition *p, uint64_t id, struct due_item *out,
		 struct buf *bytes) MUST_USE;

#endif
