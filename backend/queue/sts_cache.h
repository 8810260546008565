/*
 * sts_cache: MTA-STS policies that workers of the way out have found (RFC 8461 section 3.3), kept
 * in the node's environment, so that a policy outlives worker and node: who comes between us and a
 * domain for the first time must not find us without what it said before.
 *
 * Hints, given by front-ends and given to any: nothing here is parsed, and whoever asks checks what
 * it gets. Counts and bytes are bounded; what is past its time makes room.
 */
#ifndef BACKEND_QUEUE_STS_CACHE_H
#define BACKEND_QUEUE_STS_CACHE_H

#include "backend/store/node.h"
#include "common/base/arena.h"

#define STS_CACHE_DOMAINS_MAX 100000             /* 20 times what one big site writes to */
#define STS_CACHE_BYTES_MAX   ((size_t)64 << 20) /* of all rows; a usual one has 100 bytes */
#define STS_ROW_ID_MAX        32                 /* RFC 8461 section 3.1 */
#define STS_ROW_MX_MAX        64                 /* as front-ends read them */
#define STS_ROW_NAME_MAX      253
#define STS_ROW_MODE_MAX      2         /* none, testing, enforce */
#define STS_ROW_AGE_MAX       31557600u /* seconds, RFC 8461 section 3.2 */

struct sts_row {
	uint32_t mode;
	uint32_t max_age_s;
	int64_t fetched_us; /* by this node's clock */
	slice_t id;
	slice_t *mx;
	size_t n;
};

struct sts_cache;

/* Counts what is there; the node is borrowed. limit_bytes 0: STS_CACHE_BYTES_MAX. */
WAITS enum err sts_cache_open(struct node *n, size_t limit_bytes, struct sts_cache **out) MUST_USE;
void sts_cache_close(struct sts_cache **c);
/* In mem. E_NOT_FOUND: none, or past its time. */
WAITS enum err sts_cache_get(struct sts_cache *c, slice_t domain, struct arena *mem,
			     struct sts_row *out) MUST_USE;
/* In place of the domain's last one; row->fetched_us is now. E_INVALID: beyond a row's limits, or
 * no domain's name in its one form; E_LIMIT: no room. */
WAITS enum err sts_cache_put(struct sts_cache *c, slice_t domain,
			     const struct sts_row *row) MUST_USE;

#endif
