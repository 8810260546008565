/* keep: the changes that the keeper submits, and the replay of another partition's ops. */
#ifndef BACKEND_STORE_KEEP_H
#define BACKEND_STORE_KEEP_H

#include "backend/store/change.h"
#include "common/base/arena.h"

enum keep_what {
	KEEP_REAP,
	KEEP_PURGE,
	KEEP_LOG_TRIM,
	KEEP_DEDUPE_TRIM,
	KEEP_ACCOUNT_GONE,
	KEEP_RECENT,
	KEEP_COMPACT,
	KEEP_ROOM, /* nothing but a look whether there is room again */
};

/* A record that compaction copies. */
struct keep_record {
	uint64_t no;
	uint64_t volume, off; /* where it was read; if it lies elsewhere by now, nothing is done */
	slice_t stored;
};

struct recent_slot;

struct change_keep {
	struct change change;
	enum keep_what what;
	uint64_t account;
	uint64_t mailbox;
	int64_t before_us; /* REAP */
	uint64_t upto;     /* LOG_TRIM */
	uint32_t period;   /* DEDUPE_TRIM */
	uint32_t max;
	const struct recent_slot *recent;
	unsigned nrecent;
	const struct keep_record *records;
	size_t nrecords;
	/* out */
	uint32_t done; /* rows taken: less than max: there is no more */
};
void change_keep_init(struct change_keep *c, enum keep_what what);

struct change_replay {
	struct change change;
	slice_t op;
	struct stage *record; /* of an OpRecord */
	/* out */
	uint64_t seq;
};
/* The op must be the next one of the partition: E_INVALID otherwise; E_EXISTS: applied already. */
void change_replay_init(struct change_replay *c);

#endif
