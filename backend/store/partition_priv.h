/* partition_priv: what a partition is made of. */
#ifndef BACKEND_STORE_PARTITION_PRIV_H
#define BACKEND_STORE_PARTITION_PRIV_H

#include <pthread.h>
#include <stdatomic.h>

#include "backend/store/apply.h"
#include "backend/store/change.h"
#include "backend/store/kv.h"
#include "backend/store/volume.h"
#include "common/base/list.h"

/* UIDs that sessions took as recent, not yet written: a hint that costs no commit of its own. */
#define RECENT_SLOTS 4096
struct recent_slot {
	uint64_t account;
	uint32_t mailbox, uid; /* uid 0: free */
};

struct packed_op {
	uint64_t seq;
	size_t off, n;
	struct stage *record;
};

struct partition {
	struct partition_conf conf;
	char dir[DISK_PATH_MAX];
	int lock_fd;
	struct kv *kv;
	struct volumes volumes;

	/* the queue of changes */
	pthread_t writer;
	pthread_mutex_t lock;
	pthread_cond_t wake;
	struct list queue;
	bool closing; /* under lock */
	bool started;

	/* the writer's own */
	struct row_state state; /* as committed */
	struct apply apply;
	struct buf packed; /* the group's ops, for the sink */
	struct packed_op *ops;
	size_t nops, ops_cap;
	int64_t full_checked_ms; /* when map_full was found out; 0: look anew */
	uint64_t full_touched;   /* how much of the map had been used by then */
	bool map_full;
	partition_watch_fn *watch;
	void *watch_arg;
	partition_sink_fn *sink;
	void *sink_arg;

	_Atomic bool stopped, full;
	_Atomic uint64_t commits, changes;

	/* the keeper */
	pthread_t keeper;
	pthread_mutex_t keeper_lock;
	pthread_cond_t keeper_wake;
	bool keeper_ends; /* under keeper_lock */
	bool keeper_started;
	pthread_mutex_t round_lock; /* one round at a time */
	uint64_t keeper_account;    /* where the walk over accounts goes on */

	pthread_mutex_t recent_lock;
	struct recent_slot recent[RECENT_SLOTS];
	unsigned nrecent;
};

/* writer.c */
enum err writer_start(struct partition *p) MUST_USE;
void writer_end(struct partition *p);
/* Sets p->full as map and disk are; on the writer's thread. */
void writer_check_room(struct partition *p);
/* Less is free than conf.disk_reserve. A system call. */
bool partition_disk_full(const struct partition *p);
/* A sync failed: nothing is changed any more until the next start. */
void writer_stop(struct partition *p, const char *why);

/* Packs an op for the sink. */
enum err writer_keep_op(struct partition *p, const struct op *op, struct stage *record) MUST_USE;

/* keeper.c */
enum err keeper_start(struct partition *p) MUST_USE;
void keeper_end(struct partition *p);
/* Sleeps; false: the partition is being closed. */
bool keeper_pause(struct partition *p, int64_t ms);

/* compact.c: one round over the volumes under half live; *moved_out: bytes copied. */
enum err compact_round(struct partition *p, uint64_t *moved_out) MUST_USE;

/* The session that opens a mailbox whose messages from *from_io on are recent, and takes them up
 * to uidnext. */
void recent_take(struct partition *p, uint64_t account, uint32_t mailbox, uint32_t uidnext,
		 uint32_t *from_io);
void recent_look(struct partition *p, uint64_t account, uint32_t mailbox, uint32_t *from_io);
/* Moves what is not written yet to out; how many. */
unsigned recent_drain(struct partition *p, struct recent_slot *out, unsigned max);

#endif
