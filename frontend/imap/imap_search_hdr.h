/* imap_search_hdr: running a SEARCH program, and looking into headers where the store's columns do
 * not decide. */
#ifndef FRONTEND_IMAP_IMAP_SEARCH_HDR_H
#define FRONTEND_IMAP_IMAP_SEARCH_HDR_H

#include "frontend/imap/imap.h"
#include "frontend/imap/imap_search_prog.h"

/* Adds the UIDs of what matches in the selected mailbox. */
WAITS enum err imap_search_run(struct imap *im, const struct imap_search *s, struct uid_set *out,
			       struct diag *d) MUST_USE;

/* Sets has[i] where a field of the header is what s->headers[i] looks for; the others stay. */
void imap_search_look(const struct imap_search *s, slice_t header, bool *has);

#endif
