/*
 * change: everything that can be asked of a partition's writer. The caller fills the `in` fields
 * of a struct, submits &x.change, and may look at the `out` fields when done() is called (or
 * store_change() returned). Struct and whatever it points to must stay until then. Results are
 * durable: done() comes after the commit.
 *
 * change.result: E_OK, or for every kind
 *   E_RETRY     the commit failed, or the partition has stopped: nothing was changed
 *   E_FULL      map or disk beyond the watermark: nothing was changed
 *   E_INVALID   malformed input
 *   E_NOT_FOUND no such account (where it is not made), mailbox, item
 * and what the kind says.
 */
#ifndef BACKEND_STORE_CHANGE_H
#define BACKEND_STORE_CHANGE_H

#include "backend/store/partition.h"
#include "backend/store/store.h"
#include "backend/store/summary.h"
#include "backend/store/uidset.h"
#include "common/base/list.h"

enum change_kind {
	CHANGE_ACCOUNT,
	CHANGE_DELIVER,
	CHANGE_FLAGS,
	CHANGE_COPY,
	CHANGE_EXPUNGE,
	CHANGE_CREATE,
	CHANGE_DELETE,
	CHANGE_RENAME,
	CHANGE_SUBSCRIBE,
	CHANGE_QUEUE,
	CHANGE_KEEP,   /* the keeper's own */
	CHANGE_REPLAY, /* an op that another partition decided */
};

struct change {
	enum change_kind kind; /* set by the change_*_init of the kind */
	enum err result;
	struct diag diag;              /* why not, for people */
	void (*done)(struct change *); /* on the writer's thread; short; must not submit and wait */
	void *arg;                     /* the caller's */
	/* The writer's. */
	struct list node;
	size_t cost;
	bool more; /* this was not the last part */
	uint32_t from_uid,
		next_uid; /* of a change in parts: this one's beginning, the next one's */
};

/* Queues it; from any thread. done() is called in any case, perhaps before this returns. */
void change_submit(struct partition *p, struct change *c);
/* Submits and waits for the commit: in a fiber ... (even a cancelled one waits for the end: the
 * change may already be on its way, and lives on the caller's stack) */
WAITS enum err store_change(struct partition *p, struct change *c) MUST_USE;
/* ... or blocking the calling thread, which must not be a loop's. */
enum err change_run(struct partition *p, struct change *c) MUST_USE;

/* The account's row and default folders: INBOX, Drafts, Sent, Junk, Trash, Archive. */
enum change_account_what { ACCOUNT_ENSURE, ACCOUNT_REMOVE };
struct change_account {
	struct change change;
	/* in */
	uint64_t account;
	enum change_account_what what;
};
void change_account_init(struct change_account *c, uint64_t account, enum change_account_what what);

/* ---- deliveries and APPEND ------------------------------------------------------------- */

enum deliver_missing {
	MISSING_TO_INBOX, /* a delivery: a folder that is not there is INBOX */
	MISSING_FAILS,    /* APPEND: E_NOT_FOUND */
};

struct deliver_copy {
	/* in */
	uint64_t account;
	enum store_special special; /* not NONE: the folder with that use, else path */
	slice_t path;               /* empty: INBOX */
	enum deliver_missing missing;
	slice_t key;    /* the recipient, within (origin, txid); at most 1,000 bytes */
	slice_t prefix; /* of this copy */
	uint32_t flags;
	const slice_t *keywords;
	size_t nkeywords;
	uint64_t quota_bytes, quota_messages; /* the account's limits; 0: none */
	/* Only beside something that was taken: a copy without it, or an item of ADD_ALWAYS. */
	bool beside;
	/* out */
	enum err result; /* E_OK, E_QUOTA, E_NOT_FOUND, E_LIMIT (keywords), E_INVALID */
	bool duplicate;  /* an earlier delivery's result */
	uint64_t mailbox;
	uint32_t uid, uidvalidity;
	uint64_t email_id;
};

/* Which items a change adds. All but the first are added only beside something that was taken: a
 * copy, or an item of the first kind. The next two stand for a recipient that was refused. */
enum queue_add_when {
	ADD_ALWAYS,
	ADD_BESIDE,  /* it was refused before the change */
	ADD_INSTEAD, /* when copies[copy] is refused */
	/* Tells of what was taken, by this change or an earlier one: copies[copy] or, with
	 * CHANGE_ANY, whatever it was. A retry without the bytes adds none. */
	ADD_WITH,
};

#define CHANGE_ANY SIZE_MAX

struct queue_add {
	/* in */
	slice_t key; /* within (origin, txid): a retry adds it once, and settles it by it */
	slice_t payload;
	int64_t due_us;
	enum queue_add_when when;
	size_t copy; /* ADD_INSTEAD, ADD_WITH */
	/* out */
	bool added; /* by this change or, a duplicate, by an earlier one */
	bool duplicate;
	uint64_t id;
};

struct change_deliver {
	struct change change;
	/* in */
	slice_t origin; /* who asks, for dedupe: "frontend/fe1/smtp"; empty: txid alone */
	unsigned char txid[STORE_TXID_SIZE];
	struct stage *record; /* ended; or NULL and */
	uint64_t record_no;   /* ... a record of this partition that a queue item holds */
	bool repeat_only;     /* ... or a retry whose bytes are gone: E_NOT_FOUND for what is new */
	const struct summary *summary; /* with a stage */
	slice_t text;                  /* zstd; may be empty */
	int64_t date_us;               /* INTERNALDATE; 0: now */
	unsigned char trace_id[16];
	struct deliver_copy *copies;
	size_t ncopies;
	struct queue_add *items;
	size_t nitems;
	/* out */
	uint64_t record_no_out; /* the record's number; 0 when all were duplicates */
};
/* E_OK even when single copies were refused: look at theirs. A retry of (origin, txid, key)
 * within the dedupe time returns the first E_OK result and changes nothing; a refusal is not
 * remembered. */
void change_deliver_init(struct change_deliver *c);

/* ---- messages -------------------------------------------------------------------------- */

enum flags_mode { FLAGS_REPLACE = 0, FLAGS_ADD = 1, FLAGS_REMOVE = 2 };

struct change_flags {
	struct change change;
	/* in */
	uint64_t account, mailbox;
	const struct uid_range *uids; /* UIDs that are not there are passed over */
	size_t nuids;
	enum flags_mode mode;
	uint32_t flags;
	const slice_t *keywords;
	size_t nkeywords;
	uint64_t unchanged_since; /* 0: unconditional */
	/* out */
	uint64_t modseq;        /* of the (last part of the) change; 0: nothing changed */
	struct uidset modified; /* refused by unchanged_since */
	struct uidset changed;
};
/* E_LIMIT: more than STORE_KEYWORDS_MAX names. How the rows are now: read them with msg_fetch().
 * A long list goes in parts, other changes between them; it is answered after the last. */
void change_flags_init(struct change_flags *c);
void change_flags_fini(struct change_flags *c);

struct change_copy {
	struct change change;
	/* in */
	uint64_t account, mailbox;
	const struct uid_range *uids;
	size_t nuids;
	slice_t to; /* path; E_NOT_FOUND: it does not exist (TRYCREATE) */
	bool move;  /* RFC 6851 */
	slice_t origin;
	unsigned char txid[STORE_TXID_SIZE]; /* a retry is done once; all zero: no dedupe */
	uint64_t quota_bytes, quota_messages;
	/* out */
	uint32_t uidvalidity; /* of the destination */
	uint64_t to_mailbox;
	struct uidset from, dest; /* pairwise in order; equal counts */
	uint64_t modseq;
	bool duplicate;
};
/* E_QUOTA; E_LIMIT: keywords of the destination. All or nothing. E_NOT_FOUND: to_mailbox is 0
 * when the destination is what is missing (TRYCREATE), else it is the source. */
void change_copy_init(struct change_copy *c);
void change_copy_fini(struct change_copy *c);

struct change_expunge {
	struct change change;
	/* in */
	uint64_t account, mailbox;
	const struct uid_range *uids; /* none: every message that has \Deleted */
	size_t nuids;                 /* else those of them that have it */
	/* out */
	struct uidset vanished;
	uint64_t modseq;
};
void change_expunge_init(struct change_expunge *c);
void change_expunge_fini(struct change_expunge *c);

/* ---- mailboxes ------------------------------------------------------------------------- */

struct change_create {
	struct change change;
	uint64_t account;
	slice_t path; /* missing parents are made */
	enum store_special special;
	/* out */
	uint64_t mailbox;
};
/* E_EXISTS; E_LIMIT: too many; E_INVALID: no such name allowed. Also for special: one folder a
 * use, E_EXISTS. */
void change_create_init(struct change_create *c);

struct change_delete {
	struct change change;
	uint64_t account;
	slice_t path;
};
/* With children: the messages go, the name stays as \Noselect; a \Noselect one with children is
 * refused with E_EXISTS. INBOX: E_DENIED. */
void change_delete_init(struct change_delete *c);

struct change_rename {
	struct change change;
	uint64_t account;
	slice_t from, to;
};
/* A whole tree; missing parents of `to` are made. INBOX: its messages move to the new mailbox
 * (RFC 3501 section 6.3.5). E_EXISTS, E_LIMIT, E_INVALID (into itself). */
void change_rename_init(struct change_rename *c);

struct change_subscribe {
	struct change change;
	uint64_t account;
	slice_t path;
	bool on;
};
/* The mailbox need not exist. */
void change_subscribe_init(struct change_subscribe *c);

/* ---- the queue ------------------------------------------------------------------------- */

enum queue_what {
	QUEUE_REMOVE,     /* by ids: done with, one way or the other */
	QUEUE_SETTLE,     /* by (origin, txid, keys): another owner has them */
	QUEUE_RESCHEDULE, /* by ids: another time, and payload unless it is empty */
};
struct queue_edit {
	enum queue_what what;
	uint64_t id;     /* REMOVE, RESCHEDULE */
	slice_t key;     /* SETTLE */
	int64_t due_us;  /* RESCHEDULE */
	slice_t payload; /* RESCHEDULE; empty: as it was */
	/* out */
	bool found;
};
struct change_queue {
	struct change change;
	slice_t origin; /* SETTLE */
	unsigned char txid[STORE_TXID_SIZE];
	struct queue_edit *edits;
	size_t n;
};
/* Items that are not there are passed over (found = false). */
void change_queue_init(struct change_queue *c);

#endif
