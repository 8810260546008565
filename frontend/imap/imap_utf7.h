/* imap_utf7: modified UTF-7 of mailbox names (RFC 3501 section 5.1.3) to and from UTF-8. */
#ifndef FRONTEND_IMAP_IMAP_UTF7_H
#define FRONTEND_IMAP_IMAP_UTF7_H

#include "common/base/buf.h"

/* A path: 32 levels of 255 bytes are more than a back-end takes. */
#define IMAP_PATH_MAX 8192u

/* Appends the name as UTF-8. False, and out as it was: a byte above 126 or a control, a shift that
 * does not end, bits left over, a printable ASCII character in base64, two shifts in a row, a
 * lone surrogate, or a name over out's maximum. */
bool imap_utf7_decode(struct buf *out, slice_t name) MUST_USE;
/* Appends a well-formed UTF-8 path in modified UTF-7; a malformed byte becomes U+FFFD. */
void imap_utf7_encode(struct buf *out, slice_t path);

#endif
