/*
 * success: what a sender hears of deliveries that went well, if it asked for that (RFC 3461,
 * NOTIFY=SUCCESS): a notice item, added by the change that delivers, so that it is there if and
 * only if the copy is. A repeated delivery finds it by its key.
 *
 * Of an address with one account behind it, whatever its kind, "delivered" is told with the copy,
 * under the address as the sender wrote it. Of one with several it is "expanded", by whoever takes
 * responsibility for all of them: the lead of the transaction, or the queue (section 5.2.7.3, c).
 */
#ifndef BACKEND_DELIVERY_SUCCESS_H
#define BACKEND_DELIVERY_SUCCESS_H

#include "backend/queue/job.h"
#include "backend/store/change.h"

/* Anybody may name a reverse-path that is not his: one that did not log in hears of so many
 * messages an hour, and of the rest nothing. */
#define SUCCESS_HOUR_MAX 100
/* Reverse-paths that are told apart; what two share, they share the limit, too. */
#define SUCCESS_SENDERS  4096

struct success_limit;
struct success_limit *success_limit_new(void);
void success_limit_free(struct success_limit **l);
/* One more message of which the sender is to hear. account: who submitted it, 0: a stranger. */
bool success_may_tell(struct success_limit *l, uint64_t account, slice_t sender, int64_t now_us);

/* The notice of what became of the job's message, of ADD_WITH; its copy is the caller's to set. */
void success_item(const struct job *of, enum job_action action, int64_t now_us, struct arena *mem,
		  struct queue_add *out);

#endif
