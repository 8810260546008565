/* notice_original: the third part of a notice: reading the original, and writing it or its header
 * so that whatever it holds, the notice stays a sound message. */
#ifndef FRONTEND_OUTBOUND_NOTICE_ORIGINAL_H
#define FRONTEND_OUTBOUND_NOTICE_ORIGINAL_H

#include "frontend/outbound/notice_priv.h"

/* Fills what the draft knows of the original. */
WAITS enum err notice_original_read(struct notice_draft *d) MUST_USE;
/* The media type that suits it. */
slice_t notice_original_type(const struct notice_draft *d);
/* Takes the next line of what goes back off *rest (which begins as the whole original) and appends
 * it, ready to send; a long header line in several. Returns false at the end. */
bool notice_original_line(const struct notice_draft *d, slice_t *rest, struct buf *out);

#endif
