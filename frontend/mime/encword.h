/* encword: encoded words of header fields (RFC 2047; the language tag of RFC 2231 section 5). */
#ifndef FRONTEND_MIME_ENCWORD_H
#define FRONTEND_MIME_ENCWORD_H

#include "common/base/buf.h"

/* One word: RFC 2047 allows 75; longer ones are met. */
#define ENCWORD_MAX 2048

/* Appends the text of an unfolded value as UTF-8: words decoded, the space between two of them
 * taken out (a character cut between them made whole), other bytes as charset.h reads an unknown
 * charset, control characters as spaces. At most max bytes are appended, cut at a character;
 * returns false if it was cut. */
bool encword_decode(slice_t value, struct buf *out, size_t max);

#endif
