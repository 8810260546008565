/*
 * backend/queue: what transactions left for later.
 *
 *   job      the payload of a queue item, packed and unpacked
 *   runner   takes due items and works on them; retries with growing pauses
 *   sched    which outbound item goes to which worker, now: in memory, without I/O
 *
 * Items lie in the partition of the account that caused them (backend/store), so whatever keeps
 * that partition safe keeps them.
 */
#ifndef BACKEND_QUEUE_JOB_H
#define BACKEND_QUEUE_JOB_H

#include "backend/store/store.h"
#include "common/base/arena.h"
#include "common/base/buf.h"

enum job_kind {
	JOB_EXPAND = 1,
	JOB_ACCOUNTS = 2,
	JOB_OUTSIDE = 3,
	JOB_REFUSED = 4,
};

#define JOB_ACCOUNTS_MAX 1000 /* DIR_MEMBERS_MAX: all that one address expands to */

struct job {
	enum job_kind kind;
	slice_t origin;
	uint8_t txid[STORE_TXID_SIZE];
	uint32_t partition;
	const uint64_t *accounts;
	size_t naccounts;
	slice_t address, sender, prefix;
	bool junk;
	uint32_t notify;
	slice_t orcpt;
	uint32_t ret;
	slice_t envid;
	uint8_t trace_id[16];
	int64_t first_us;
	uint32_t attempts;
	slice_t last_error;
	uint32_t depth;
};

const char *job_kind_name(enum job_kind k);
/* Into the arena; lives as long as it. */
slice_t job_pack(const struct job *j, struct arena *mem);
/* What out points to lies in the arena. E_CORRUPT: not a job. */
enum err job_unpack(slice_t bytes, struct arena *mem, struct job *out) MUST_USE;

#endif
