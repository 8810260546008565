/* utf8: RFC 3629. */
#ifndef COMMON_BASE_UTF8_H
#define COMMON_BASE_UTF8_H

#include "common/base/buf.h"

/* Well-formed: no overlong form, no surrogate, nothing above U+10FFFF. */
bool utf8_valid(slice_t s);
/* All bytes below 0x80. */
bool utf8_is_ascii(slice_t s);
/* Decodes the character at s.p: its length 1..4, or 0 if malformed or s is empty. */
size_t utf8_decode(slice_t s, uint32_t *cp_out);
/* Controls, and characters that break lines or reorder what stands beside them (UAX 9): not for a
 * terminal, nor for a text of ours, when a stranger chose them. */
bool utf8_is_unsafe(uint32_t cp);
/* Appends a code point; one that is not a scalar value becomes U+FFFD. */
void utf8_put(struct buf *out, uint32_t cp);

#endif
