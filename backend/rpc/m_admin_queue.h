/* m_admin_queue: what the calls about the queue share: the filter, and the walk over its items. */
#ifndef BACKEND_RPC_M_ADMIN_QUEUE_H
#define BACKEND_RPC_M_ADMIN_QUEUE_H

#include "backend/queue/outbound_admin.h"
#include "backend/rpc/m_admin.h"

/* Of a request; borrows from it and from c->mem. E_INVALID: the diag says which condition;
 * E_DENIED: an operator asks for more than what a server of his took. */
enum err admin_queue_filter(struct mcall *c, const Postern__AdminQueueList *m,
			    struct queue_filter *out) MUST_USE;

/* Items of one partition that are meant, and what they do. */
struct admin_queue_page {
	struct partition *part;
	const struct queue_row *rows[QUEUE_WALK_ROWS];
	struct outbound_view views[QUEUE_WALK_ROWS]; /* of a row that is readable */
	size_t n;
};
typedef WAITS enum err admin_queue_fn(struct mcall *c, const struct admin_queue_page *page,
				      void *arg);
/* Calls fn with each page of this node's items; limit: so many items at most; 0: all. Ends with the
 * first error of fn or of a read. */
WAITS enum err admin_queue_each(struct mcall *c, const Postern__AdminQueueList *m,
				WAITS admin_queue_fn *fn, void *arg) MUST_USE;
/* Adds `away` rows for partitions that this node owns and could not open: what waits there is not
 * in the answer. */
WAITS enum err admin_queue_closed(struct mcall *c, const ProtobufCMessageDescriptor *page) MUST_USE;

/* An address from a client may be any bytes; a string field may not. Lies in the arena. */
char *admin_queue_text(struct arena *mem, slice_t s);

#endif
