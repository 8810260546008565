/*
 * imap_view: which UIDs a client knows, and under which sequence numbers. Kept as runs of UIDs
 * without a gap, each with the number of messages before it: a mailbox that never lost a message
 * is one run whatever its size, and every look-up is a binary search.
 *
 * The view changes only by what the client is told: it grows with an EXISTS and shrinks with an
 * EXPUNGE, so that both sides always number alike (RFC 3501 section 7.4.1).
 */
#ifndef FRONTEND_IMAP_IMAP_VIEW_H
#define FRONTEND_IMAP_IMAP_VIEW_H

#include "common/base/buf.h"
#include "common/base/err.h"
#include "frontend/rpc/uid_set.h"

struct imap_view {
	struct buf runs; /* of struct view_run */
	uint32_t count;  /* messages */
};

void imap_view_init(struct imap_view *v, struct budget *budget);
void imap_view_fini(struct imap_view *v);

/* The whole content anew; ranges ascend. E_LIMIT: memory (the view is empty then). */
enum err imap_view_load(struct imap_view *v, const struct uid_range *r, size_t n) MUST_USE;
/* Adds UIDs at the end; those not above the last one are passed over. E_LIMIT. */
enum err imap_view_add(struct imap_view *v, struct uid_range r) MUST_USE;
/* Removes what is there of the ascending ranges. E_LIMIT: memory (nothing was removed). */
enum err imap_view_remove(struct imap_view *v, const struct uid_range *r, size_t n) MUST_USE;

/* The UID of a sequence number 1..count. */
uint32_t imap_view_uid(const struct imap_view *v, uint32_t seq);
/* The sequence number of a UID; 0: not in the view. */
uint32_t imap_view_seq(const struct imap_view *v, uint32_t uid);
/* How many messages have a smaller UID. */
uint32_t imap_view_below(const struct imap_view *v, uint64_t uid);
/* The highest UID; 0: empty. */
uint32_t imap_view_last(const struct imap_view *v);

/* Adds to seqs the sequence numbers of those of the ranges that are in the view. */
enum err imap_view_to_seqs(const struct imap_view *v, const struct uid_range *r, size_t n,
			   struct uid_set *seqs) MUST_USE;
/* Adds to uids, for each range of sequence numbers (all in 1..count), the range of UIDs from its
 * first message to its last. */
enum err imap_view_to_uids(const struct imap_view *v, const struct uid_range *seqs, size_t n,
			   struct uid_set *uids) MUST_USE;
/* Walks ranges of sequence numbers (all in 1..count) in portions of at most max messages. Start
 * with the ranges and the rest zero; each call fills uids (reset first) as imap_view_to_uids does;
 * false at the end, or on an error. The view must not change meanwhile. */
struct imap_portions {
	const struct uid_range *seqs; /* borrowed */
	size_t n;
	size_t i;      /* the range at hand */
	uint32_t done; /* messages of it */
	enum err err;
};
bool imap_view_portion(const struct imap_view *v, struct imap_portions *p, uint32_t max,
		       struct uid_set *uids);
/* Adds the exact content. */
enum err imap_view_content(const struct imap_view *v, struct uid_set *uids) MUST_USE;

#endif
