/* mbox: reads of mailboxes. Not on a loop's thread; see store.h. */
#ifndef BACKEND_STORE_MBOX_H
#define BACKEND_STORE_MBOX_H

#include "backend/store/partition.h"
#include "backend/store/uidset.h"
#include "common/base/buf.h"

struct mbox_row {
	uint64_t id;  /* 0: a subscription to a name that does not exist */
	slice_t path; /* into the result's bytes */
	enum store_special special;
	bool subscribed, noselect;
	uint32_t uidvalidity, uidnext, messages, unseen, recent;
	uint64_t highestmodseq;
	uint64_t size;
};

struct mbox_list {
	struct mbox_row *rows; /* in tree order: a parent before its children, INBOX first */
	size_t n;
	struct buf bytes;
};
void mbox_list_init(struct mbox_list *l);
void mbox_list_fini(struct mbox_list *l);
/* All mailboxes of the account, counts filled in. One snapshot. */
enum err mbox_list(struct partition *p, uint64_t account, struct mbox_list *out) MUST_USE;

/* One mailbox; path is the caller's own. E_NOT_FOUND; E_INVALID: no such name can be. */
enum err mbox_status(struct partition *p, uint64_t account, slice_t path,
		     struct mbox_row *out) MUST_USE;

struct mbox_keywords {
	unsigned n;
	slice_t name[STORE_KEYWORDS_MAX]; /* in the order of their bits */
	struct buf bytes;
};
void mbox_keywords_init(struct mbox_keywords *k);
void mbox_keywords_fini(struct mbox_keywords *k);

enum mbox_recent { RECENT_TAKE, RECENT_LOOK };

struct mbox_view {
	struct mbox_row row;   /* row.path: the caller's */
	uint32_t first_unseen; /* UID, 0: none */
	uint32_t recent_from;  /* UIDs from here on are recent for this session */
	struct mbox_keywords keywords;
	struct uidset uids;
};
void mbox_view_init(struct mbox_view *v);
void mbox_view_fini(struct mbox_view *v);
/* SELECT (take) or EXAMINE (look). E_NOT_FOUND also for a \Noselect name. */
enum err mbox_open(struct partition *p, uint64_t account, slice_t path, enum mbox_recent recent,
		   struct mbox_view *out) MUST_USE;

struct mbox_changes {
	uint64_t highestmodseq; /* all changes up to here are in the answer */
	uint32_t uidnext;
	uint32_t recent_from;
	bool reset; /* the log does not reach back to since: open anew */
	struct uidset added, vanished;
	struct uidset
		changed; /* flags, of messages that were there before; read them with msg_fetch */
	struct mbox_keywords keywords; /* all */
};
void mbox_changes_init(struct mbox_changes *c);
void mbox_changes_fini(struct mbox_changes *c);
/* What happened in the mailbox after since. E_NOT_FOUND: it is gone. */
enum err mbox_changes(struct partition *p, uint64_t account, uint64_t mailbox, uint64_t since,
		      enum mbox_recent recent, struct mbox_changes *out) MUST_USE;
/* Only its highest MODSEQ: what a watcher compares. */
enum err mbox_highest(struct partition *p, uint64_t account, uint64_t mailbox,
		      uint64_t *out) MUST_USE;

/* A path as clients send it: 1 to STORE_DEPTH_MAX levels of 1 to STORE_NAME_MAX bytes of valid
 * UTF-8 without control characters. E_INVALID. */
enum err mbox_path_check(slice_t path) MUST_USE;

#endif
