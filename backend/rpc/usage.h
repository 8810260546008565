/* usage: what accounts take and when somebody last logged in to them, for management. The owner of
 * an account's partition knows both. */
#ifndef BACKEND_RPC_USAGE_H
#define BACKEND_RPC_USAGE_H

#include "backend/rpc/m_admin.h"

#define USAGE_MAX 250 /* accounts of one question: below the walker's default count */

struct usage_row {
	uint64_t account;
	uint32_t partition;
	bool known; /* what follows is set */
	uint64_t bytes, items;
	struct auth_last last;
	const char *last_from, *last_service; /* in the arena; "" */
};

/* Fills rows of partitions that are open here; leaves the others alone. */
WAITS enum err usage_local(struct be *be, struct usage_row *rows, size_t n,
			   struct arena *mem) MUST_USE;
/* Fills rows of all partitions, asking their owners. Who does not answer is added to away, and not
 * asked again with the same. n is at most USAGE_MAX. */
WAITS enum err usage_all(struct mcall *c, struct usage_row *rows, size_t n, struct arena *mem,
			 struct admin_away *away) MUST_USE;

#endif
