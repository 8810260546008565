/* structure: BODY from BODYSTRUCTURE (RFC 3501 sections 7.4.2 and 9). */
#ifndef FRONTEND_MIME_STRUCTURE_H
#define FRONTEND_MIME_STRUCTURE_H

#include "common/base/buf.h"

/* Appends the non-extensible form: the same text without extension data. The text must have passed
 * imaptext_list_check. False (and out as it was): it is no body structure. */
bool structure_to_body(slice_t bodystructure, struct buf *out) MUST_USE;

#endif
