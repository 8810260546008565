/*
 * call_sts: MTA-STS policies that the back-ends keep for all workers (proto/outbound.proto). What
 * comes back was put there by some front-end: it is bounded here, and checked by who asks.
 */
#ifndef FRONTEND_RPC_CALL_STS_H
#define FRONTEND_RPC_CALL_STS_H

#include "common/base/arena.h"
#include "common/base/err.h"

#define CALL_STS_MX_MAX 64 /* patterns of a policy */

struct call_sts {
	uint32_t mode, max_age_s;
	uint32_t age_s; /* since it was fetched; not looked at by a put */
	slice_t id;
	const slice_t *mx;
	size_t n;
};

/* Of any back-end, in mem. E_NOT_FOUND: none has it; others: nobody can say. */
WAITS enum err call_sts_get(slice_t domain, struct arena *mem, struct call_sts *out) MUST_USE;
/* To every back-end; one that does not take it does without. */
WAITS void call_sts_put(slice_t domain, const struct call_sts *p);

#endif
