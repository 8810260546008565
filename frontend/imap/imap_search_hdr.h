/* imap_search_hdr: header fields that no store keeps, looked for by reading headers. */
#ifndef FRONTEND_IMAP_IMAP_SEARCH_HDR_H
#define FRONTEND_IMAP_IMAP_SEARCH_HDR_H

#include "frontend/imap/imap_search_prog.h"
#include "frontend/imap/imap_sync.h"

/* Fills the program's headers: their places become sets of UIDs (in the arena). */
WAITS enum err imap_search_headers(struct imap *im, struct imap_search *s, struct diag *d) MUST_USE;
/* Does a header (or the part of one) hold the field with the text? */
bool imap_search_header_has(const struct imap_search_header *h, slice_t header);

#endif
