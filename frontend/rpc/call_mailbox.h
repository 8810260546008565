/*
 * call_mailbox: typed calls of proto/mailbox.proto. Paths are UTF-8, '/' between levels, "INBOX"
 * spelled so. Every call renews the ticket when due and goes to the owner of its partition.
 *
 * Errors common to all: E_RETRY (no link, or it broke), E_TIMEOUT, E_BUSY, E_WRONG_OWNER (the map
 * will follow: for the client a passing failure), E_NO_TICKET (the session must end), E_DENIED,
 * E_INTERNAL, E_CANCELLED. diag (may be NULL) gets the back-end's words, for logs.
 */
#ifndef FRONTEND_RPC_CALL_MAILBOX_H
#define FRONTEND_RPC_CALL_MAILBOX_H

#include "common/base/arena.h"
#include "common/base/err.h"
#include "frontend/core/ticket.h"
#include "frontend/rpc/uid_set.h"

/* RFC 6154, as in types.proto. */
enum special_use {
	SPECIAL_USE_NONE = 0,
	SPECIAL_USE_DRAFTS,
	SPECIAL_USE_SENT,
	SPECIAL_USE_JUNK,
	SPECIAL_USE_TRASH,
	SPECIAL_USE_ARCHIVE,
};

struct mailbox_row {
	uint64_t id; /* 0: a subscription to a name that does not exist */
	slice_t path;
	enum special_use special;
	bool subscribed;
	bool noselect;
	uint32_t uidvalidity, uidnext, messages, unseen, recent;
	uint64_t highestmodseq, size;
};

/* One of a list; its slices are valid during the call. Must not wait; an error ends the list. */
typedef enum err mailbox_row_fn(void *arg, const struct mailbox_row *row);

enum mailbox_list { MAILBOX_NAMES, MAILBOX_NAMES_AND_STATUS };
WAITS enum err call_mailbox_list(struct ticket *t, enum mailbox_list what, mailbox_row_fn *fn,
				 void *arg, struct diag *d) MUST_USE;

/* E_EXISTS, E_INVALID (a name that cannot be), E_LIMIT. */
WAITS enum err call_mailbox_create(struct ticket *t, slice_t path, enum special_use special,
				   uint64_t *id_out, struct diag *d) MUST_USE;
/* E_NOT_FOUND; E_INVALID: INBOX, or it has children. */
WAITS enum err call_mailbox_delete(struct ticket *t, slice_t path, struct diag *d) MUST_USE;
WAITS enum err call_mailbox_rename(struct ticket *t, slice_t from, slice_t to,
				   struct diag *d) MUST_USE;
enum mailbox_subscribe { MAILBOX_UNSUBSCRIBE, MAILBOX_SUBSCRIBE };
WAITS enum err call_mailbox_subscribe(struct ticket *t, slice_t path, enum mailbox_subscribe how,
				      struct diag *d) MUST_USE;
/* out->path is not set. */
WAITS enum err call_mailbox_status(struct ticket *t, slice_t path, struct mailbox_row *out,
				   struct diag *d) MUST_USE;

enum mailbox_mode { MAILBOX_READ_WRITE, MAILBOX_READ_ONLY };

struct mailbox_info {
	uint64_t id;
	uint64_t highestmodseq;
	uint32_t uidvalidity, uidnext, messages;
	uint32_t first_unseen;   /* UID; 0: none */
	uint32_t recent_from;    /* UIDs from here on are recent for this session; 0: none */
	const slice_t *keywords; /* in the arena, in the order of their bits */
	size_t nkeywords;
};

/* Fills uids (reset first) with what is in the mailbox. E_NOT_FOUND, E_LIMIT. */
WAITS enum err call_mailbox_open(struct ticket *t, slice_t path, enum mailbox_mode mode,
				 struct arena *a, struct mailbox_info *out, struct uid_set *uids,
				 struct diag *d) MUST_USE;

/* ---- what happened since ---- */

struct mailbox_changes;

struct changes_info {
	uint64_t highestmodseq; /* all changes up to here are in the answer */
	uint32_t uidnext;
	uint32_t recent_from;
	bool reset;              /* open the mailbox anew; no batches follow */
	const slice_t *keywords; /* those from known_keywords on; until free */
	size_t nkeywords;
};

/* Rows are columns of n elements. Valid until the next call. */
struct change_batch {
	const struct uid_range *added, *vanished;
	size_t nadded, nvanished;
	size_t n;
	const uint32_t *uid, *flags;
	const uint64_t *keywords, *modseq;
};

enum mailbox_recent { MAILBOX_LEAVE_RECENT, MAILBOX_TAKE_RECENT };

/* E_NOT_FOUND: the mailbox is gone. *info_out lives as long as *out. */
WAITS enum err call_mailbox_changes(struct ticket *t, uint64_t mailbox, uint64_t since,
				    uint32_t known_keywords, enum mailbox_recent recent,
				    struct mailbox_changes **out, struct changes_info *info_out,
				    struct diag *d) MUST_USE;
/* E_CLOSED after the last one. */
WAITS enum err mailbox_changes_next(struct mailbox_changes *c, struct change_batch *out) MUST_USE;
void mailbox_changes_free(struct mailbox_changes **c);

/* ---- nudges ---- */

struct mailbox_watch;
struct event;

/* Never waits but for the ticket's renewal. */
WAITS enum err call_mailbox_watch(struct ticket *t, uint64_t mailbox, uint64_t since,
				  struct mailbox_watch **out) MUST_USE;
/* Takes all nudges that have arrived, without waiting. E_OK: *modseq_out is the highest one seen
 * so far (or as it was); E_NOT_FOUND: the mailbox is gone; others: the watch has ended, free it. */
WAITS enum err mailbox_watch_poll(struct mailbox_watch *w, uint64_t *modseq_out) MUST_USE;
/* Sets *e when something arrives, at once if it has; NULL stops. */
void mailbox_watch_notify(struct mailbox_watch *w, struct event *e);
void mailbox_watch_free(struct mailbox_watch **w);

#endif
