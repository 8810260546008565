/*
 * backend/store: where mail is kept. A back-end's data is a set of partitions; each has one LMDB
 * environment (everything small), a set of volume files (the records), one writer thread with a
 * queue of changes, and one keeper thread for what can wait (reaping, trimming, compaction).
 *
 *   store.h     the vocabulary: flags, ranges, limits
 *   partition   opening, closing, settings, watchers; what a partition is made of
 *   stage       a record on its way in, before the change that makes it a message
 *   change      every change that can be asked for, with its results
 *   mbox        reads of mailboxes: list, open, status, changes
 *   msg         reads of messages: columns by slice, block tables, stored bytes (msg_read)
 *   search      a search program over one mailbox, slice by slice
 *   due         reads of the queue's items
 *   node        the node's own environment: hints, and the directory's durable copy
 *   fsck        walks every invariant: fsck_account, fsck_bytes
 *   store_wait  the calls for fibers
 *
 * Inside:
 *
 *   kv, kv_lmdb     LMDB's only door
 *   rec, rec_lists  rows as bytes; tab: typed gets and puts of them
 *   decide*         how a change is decided
 *   op, apply*      what a decided change is, and does
 *   writer          group commit
 *   keeper, keep    what can wait; compact: of volumes
 *   volume          the records' files; disk: whole reads, writes, syncs
 *   uidset, rset    sets of UIDs: for results, and in rows
 *   summary, text   what a front-end found in a message; its search text
 *   thread          which thread an email belongs to
 *
 * How a change happens. A caller fills a struct of change.h and submits it. On the writer's thread,
 * inside the write transaction, decide() looks at the state, fixes every number and time, and
 * makes one or more ops; apply() does what an op says, deterministically. The group's records
 * are appended and synced, the transaction committed, then the callers are answered and watchers
 * told. Nothing else writes truth. Two partitions that apply the same ops are equal, but for
 * where records lie in volumes.
 *
 * How a read happens. Functions of mbox, msg, search and due run on any thread but the loop's
 * (LMDB pages may be cold): through work_run(). They copy out and end their read transaction
 * before they return, after at most STORE_SLICE_ROWS rows; long answers go slice by slice, each
 * of a newer state than the one before. (Read whole, since a part would be no answer: an account's
 * list of mailboxes, the runs of UIDs of one, and fsck's walk.) They allocate with a budget of
 * NULL, since a budget belongs to one thread; sizes are bounded by the slice.
 *
 * Accounts are numbers given by the directory. A row is made at first need: by a delivery, or by
 * change_account at log-in. A read for an account that has no row yet is E_NOT_FOUND.
 *
 * Paths are UTF-8 with '/' between the levels; INBOX is found in any case and spelled "INBOX".
 */
#ifndef BACKEND_STORE_STORE_H
#define BACKEND_STORE_STORE_H

#include "common/base/err.h"
#include "common/base/slice.h"

/* Written into every op and row format decision; raised when a node of an older release could
 * not read what this one writes. */
#define STORE_LEVEL 1

/* Rows one read transaction looks at: 100 rows are some 100 us, so that a reader never pins
 * freed pages for long. */
#define STORE_SLICE_ROWS 100

/* System flags; the numbers are those of proto/types.proto. */
enum store_flag {
	STORE_SEEN = 1,
	STORE_ANSWERED = 2,
	STORE_FLAGGED = 4,
	STORE_DELETED = 8,
	STORE_DRAFT = 16,
	STORE_FLAGS_ALL = 31,
};

enum store_special {
	STORE_SPECIAL_NONE = 0,
	STORE_SPECIAL_DRAFTS = 1,
	STORE_SPECIAL_SENT = 2,
	STORE_SPECIAL_JUNK = 3,
	STORE_SPECIAL_TRASH = 4,
	STORE_SPECIAL_ARCHIVE = 5,
	STORE_SPECIAL_LAST = STORE_SPECIAL_ARCHIVE,
};

/* Limits; docs/limits.md has them with reasons. */
#define STORE_NAME_MAX      255 /* bytes of one level of a path: fits an LMDB key with its ids */
#define STORE_DEPTH_MAX     32  /* levels of a path */
#define STORE_PATH_MAX      (STORE_DEPTH_MAX * (STORE_NAME_MAX + 1))
#define STORE_MAILBOXES_MAX 10000 /* an account's: a LIST stays one short read */
#define STORE_KEYWORDS_MAX  64    /* names a mailbox: one bit each in a message's row */
#define STORE_KEYWORD_MAX   128   /* bytes of one name */
#define STORE_PREFIX_MAX    (16u * 1024)
#define STORE_TEXT_MAX      (96u * 1024) /* compressed search text: its plain bound, with room */
#define STORE_COPIES_MAX    1000         /* copies of one delivery in a partition */
#define STORE_ITEMS_MAX     4000         /* queue items of one change */
#define STORE_PAYLOAD_MAX   (64u * 1024) /* of a queue item */
#define STORE_TXID_SIZE     16

/* Inclusive; first <= last; neither is 0. Lists of ranges are ascending and do not touch. */
struct uid_range {
	uint32_t first, last;
};

#endif
