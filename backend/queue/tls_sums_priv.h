/* Inside tls_sums: the index of its rows. */
#ifndef BACKEND_QUEUE_TLS_SUMS_PRIV_H
#define BACKEND_QUEUE_TLS_SUMS_PRIV_H

#include "backend/queue/tls_sum_pack.h"
#include "common/base/map.h"

#define TLS_SUMS_KEY_SIZE   13
#define TLS_SUMS_VALUE_SIZE (TLS_SUM_HEAD_SIZE + TLS_SUMS_ROW_MAX)

/* A row of the index. */
struct tls_entry {
	struct tls_row r;
	bool closed;      /* takes no more, whatever the time */
	int64_t tried_us; /* the first try */
	size_t bytes;     /* of its value */
	char domain[];
};

struct tls_sums {
	struct node *node;
	size_t rows_max, bytes_max;
	struct tls_entry **list; /* by id */
	size_t n, size;
	struct map last; /* by day and domain: its last row */
	size_t bytes;    /* of all values */
	uint64_t last_id, lost;
	int64_t swept_ms;
	bool busy; /* a change is under way */
	struct waitq free;
	struct waitq due; /* something else may be due now */
};

slice_t tls_sums_key(uint64_t id, char out[TLS_SUMS_KEY_SIZE]);
slice_t tls_entry_domain(const struct tls_entry *x);
/* NULL: it has gone. */
struct tls_entry *tls_sums_find(const struct tls_sums *s, uint64_t id);

/* One change at a time, between the two. E_CANCELLED. */
WAITS enum err tls_sums_enter(struct tls_sums *s) MUST_USE;
void tls_sums_leave(struct tls_sums *s);

#endif
