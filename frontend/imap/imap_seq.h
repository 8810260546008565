/* imap_seq: sequence sets (RFC 3501 section 9, "sequence-set"), of sequence numbers or UIDs. */
#ifndef FRONTEND_IMAP_IMAP_SEQ_H
#define FRONTEND_IMAP_IMAP_SEQ_H

#include "frontend/imap/imap_parse.h"
#include "frontend/imap/imap_view.h"

/* seq-number or seq-range; 0 stands for "*". In the order written. */
struct imap_seq_item {
	uint32_t a, b;
};

struct imap_seq {
	const struct imap_seq_item *items; /* in the arguments' arena */
	size_t n;                          /* at least 1 */
};

bool imap_seq_parse(struct imap_args *a, struct imap_seq *out);

/* What the set names in the view, as sequence numbers; adds to out. Numbers of UIDs that are not
 * there are passed over; a sequence number beyond the view is E_INVALID, and so is "*" in an empty
 * mailbox (RFC 3501 section 9, "seq-number"), where it names nothing among UIDs. E_LIMIT:
 * memory. */
enum imap_numbers { IMAP_NUMBERS_SEQ, IMAP_NUMBERS_UID };
enum err imap_seq_resolve(const struct imap_seq *s, enum imap_numbers kind,
			  const struct imap_view *v, struct uid_set *out) MUST_USE;

/* Appends ranges as a sequence set: "1:3,7". n must not be 0. */
void imap_seq_put(struct buf *out, const struct uid_range *r, size_t n);

#endif
