/* subject: the base subject (RFC 5256 section 2.1), by which threads and sorting compare. */
#ifndef FRONTEND_MIME_SUBJECT_H
#define FRONTEND_MIME_SUBJECT_H

#include "common/base/buf.h"

/* Appends the base subject of a decoded (UTF-8) subject; ASCII letters in lower case. At most max
 * bytes, cut at a character. */
void subject_base(slice_t subject, struct buf *out, size_t max);

#endif
