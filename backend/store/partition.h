/*
 * partition: one environment, one set of volumes, one writer, one keeper. Reads may come from any
 * thread; changes go through change_submit().
 *
 *   DIR/owner.lock               locked by the process that has it open
 *   DIR/data.mdb, DIR/lock.mdb   LMDB
 *   DIR/volumes/NNNNNNNNNN.vol   records up to 256 KiB, append-only, partition_conf.volume_bytes
 *   DIR/volumes/NNNNNNNNNN.rec   one larger record
 */
#ifndef BACKEND_STORE_PARTITION_H
#define BACKEND_STORE_PARTITION_H

#include "backend/store/store.h"

struct partition;
struct stage;

/* Zero means the default. */
struct partition_conf {
	const char *dir; /* borrowed until open returns */
	uint32_t id;
	uint64_t map_bytes;      /* LMDB's sparse map: 256 GiB */
	uint64_t volume_bytes;   /* 256 MiB */
	unsigned group_ops;      /* changes in one commit: 64 */
	size_t group_bytes;      /* record bytes in one commit: 8 MiB */
	unsigned full_percent;   /* watermark of the map: 80 */
	uint64_t disk_reserve;   /* free bytes of the file system below which E_FULL: 256 MiB */
	int64_t expunged_ms;     /* an expunged record stays: 1 h. -1: no time at all */
	int64_t dedupe_ms;       /* delivery ids are kept: 48 h */
	int64_t changelog_ms;    /* the change log reaches back: 30 days */
	uint64_t changelog_rows; /* ... and has at most so many rows an account: 100,000 */
	int64_t keeper_ms;       /* between two rounds of the keeper: 10 s. -1: only when asked */
	uint64_t compact_rate;   /* bytes/s that compaction may copy: 50 MB/s */
};

/* Makes the folder and an empty partition in it. E_EXISTS: there is one, or another process has it
 * open. What a crash within left of an earlier one (a folder, no format) is taken up. */
enum err partition_create(const struct partition_conf *conf, struct diag *d) MUST_USE;
/* Opens, cuts orphan tails, removes orphan files, starts writer and keeper. E_NOT_FOUND: no
 * partition there. E_BUSY: another process has it open. */
enum err partition_open(const struct partition_conf *conf, struct partition **out,
			struct diag *d) MUST_USE;
/* Ends writer and keeper after what is queued, closes. No reader may be inside. Nulls it. */
void partition_close(struct partition **p);

uint32_t partition_id(const struct partition *p);

/* A mailbox of an account changed, in the commit that has just ended. */
struct partition_event {
	uint64_t account;
	uint64_t mailbox;
	uint64_t highestmodseq;
	bool gone; /* the mailbox was deleted */
};
/* fn runs on the writer's thread after each commit that changed mailboxes or the queue, before the
 * changes' own done(). ev is valid during the call; n may be 0 with queue set. Set before use. */
typedef void partition_watch_fn(void *arg, const struct partition_event *ev, size_t n,
				bool queue_changed);
void partition_watch(struct partition *p, partition_watch_fn *fn, void *arg);

/* Every op of a group, packed, in order, before the group's commit: where a journal hangs. record
 * is the op's new record, or NULL; read it with stage_read(). An error aborts the group: all its
 * changes answer E_RETRY. With no sink, ops are not packed at all. Set before use. */
typedef enum err partition_sink_fn(void *arg, uint64_t seq, slice_t op, struct stage *record);
void partition_sink(struct partition *p, partition_sink_fn *fn, void *arg);

/* A sync or commit failed: it takes no change any more; only a restart helps. */
bool partition_is_stopped(const struct partition *p);

/* For status and metrics. Reads; not on the loop's thread. */
struct partition_stat {
	uint64_t seq; /* last applied op */
	uint64_t accounts, messages, records, queue_items;
	uint64_t map_bytes, map_used;
	uint64_t volume_files, volume_bytes, live_bytes;
	uint64_t commits, changes; /* since open */
	bool stopped;              /* partition_is_stopped */
	bool full;
};
enum err partition_stat(struct partition *p, struct partition_stat *out) MUST_USE;
/* What one account takes, now. E_NOT_FOUND: nothing yet. */
enum err partition_usage(struct partition *p, uint64_t account, uint64_t *bytes_out,
			 uint64_t *messages_out) MUST_USE;
/* Account ids above `after`, ascending, at most max; returns how many. */
enum err partition_accounts(struct partition *p, uint64_t after, uint64_t *out, size_t max,
			    size_t *n_out) MUST_USE;

/* One whole round of the keeper now, on the calling thread: reap, trim, purge, compact. Blocks;
 * not on the loop's thread. */
enum err partition_keep(struct partition *p) MUST_USE;

#endif
