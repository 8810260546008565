/*
 * imap_sync: the selected mailbox, and how its client learns what happens in it.
 *
 * The client's picture is the view (UIDs and their numbers) as of a MODSEQ: `modseq` says that
 * every change up to it was told. A watch at the owner nudges us with the mailbox's newest MODSEQ;
 * when that is beyond ours, at the next moment where something may be told, MailboxChanges brings
 * what happened in between. Nothing is ever assumed, so all sessions on a mailbox, on whatever
 * front-end, end with the same picture.
 *
 * Flags and new messages may be told with any command; EXPUNGE not during FETCH, STORE and SEARCH
 * by sequence number (RFC 3501 section 7.4.1): what has vanished waits in `vanished` until then.
 * Our own changes, which the client knows of already, are recognised by their MODSEQ.
 */
#ifndef FRONTEND_IMAP_IMAP_SYNC_H
#define FRONTEND_IMAP_IMAP_SYNC_H

#include "frontend/imap/imap.h"
#include "frontend/imap/imap_flags.h"
#include "frontend/imap/imap_view.h"
#include "frontend/rpc/call_mailbox.h"

/* MODSEQs of our own changes that MailboxChanges has not passed yet. A forgotten one costs the
 * client a FETCH response that tells it nothing new. */
#define IMAP_OWN_MAX        32u
/* Pause before a watch that ended is opened anew: doubled up to the maximum, jittered. */
#define IMAP_REWATCH_MS     250
#define IMAP_REWATCH_MAX_MS 5000

struct imap_place; /* imap_fetch.h */

struct imap_selected {
	uint64_t mailbox;
	slice_t path; /* as selected; in the arena */
	uint32_t uidvalidity, uidnext;
	enum mailbox_mode mode;
	uint64_t modseq; /* told up to here */
	uint64_t nudged; /* the highest MODSEQ heard of */
	struct imap_view view;
	struct uid_set recent;               /* \Recent for this session */
	struct uid_set vanished;             /* gone, not told yet */
	slice_t keywords[IMAP_KEYWORDS_MAX]; /* in the arena; empty: a name that cannot be shown */
	size_t nkeywords;
	uint64_t own[IMAP_OWN_MAX];
	unsigned nown;
	struct mailbox_watch *watch; /* NULL: ended, or not to be had */
	int64_t rewatch_ms;          /* when to try again */
	int64_t rewatch_pause_ms;
	struct imap_place *place; /* where a BINARY's last partial ended; in the arena, or NULL */
	struct arena arena;
};

/* Opens path and makes it the selected mailbox; writes what SELECT answers but the tagged line.
 * On error nothing is selected. */
WAITS enum err imap_selected_open(struct imap *im, slice_t path, enum mailbox_mode mode,
				  struct diag *d) MUST_USE;
/* Back to the authenticated state. Harmless without a selected mailbox. */
void imap_selected_close(struct imap *im);

enum imap_when { IMAP_SYNC_IF_NUDGED, IMAP_SYNC_NOW };
enum imap_expunges { IMAP_HOLD_EXPUNGES, IMAP_TELL_EXPUNGES };
/* Tells what happened. Passing failures of the back-end are no errors: it is told the next time.
 * im->bye is set when the mailbox is gone. An error ends the session. */
WAITS enum err imap_sync(struct imap *im, enum imap_when when, enum imap_expunges ex) MUST_USE;
/* Opens the watch when there is none and its time has come. */
WAITS void imap_watch(struct imap *im);

/* Tells EXPUNGE for what is in the view of these UIDs, and removes them from it. */
WAITS enum err imap_tell_vanished(struct imap *im, const struct uid_range *r, size_t n) MUST_USE;
/* Remembers a MODSEQ as our own (0: none). */
void imap_own(struct imap_selected *sel, uint64_t modseq);
bool imap_is_own(const struct imap_selected *sel, uint64_t modseq);
/* Names of keywords that were not known: tells the new FLAGS. */
void imap_learn_keywords(struct imap *im, const slice_t *names, size_t n);
/* "* n FETCH (UID u FLAGS (...))". Nothing when the UID is not in the view. */
void imap_put_flags_row(struct imap *im, uint32_t uid, uint32_t flags, uint64_t keywords);
/* The flag list alone, with \Recent as it is for this session. */
void imap_put_flags(struct imap *im, uint32_t uid, uint32_t flags, uint64_t keywords);

#endif
