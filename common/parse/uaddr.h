/* uaddr: an address in Unicode as SMTP's ORCPT has it (RFC 6533 section 3): with escapes for what
 * may not stand there, "j\x{FC}rgen@example.org". */
#ifndef COMMON_PARSE_UADDR_H
#define COMMON_PARSE_UADDR_H

#include "common/base/buf.h"

/* Appends the address that s stands for, in any of its forms (utf-8-enc-addr): UTF-8, no longer
 * than s. False: malformed, or a control character. What was appended until then stays. */
bool uaddr_decode(slice_t s, struct buf *out) MUST_USE;

/* utf-8-addr-xtext, for everybody; utf-8-addr-unitext, where SMTPUTF8 is spoken. */
enum uaddr_form { UADDR_7BIT, UADDR_8BIT };
/* The other way. False: not UTF-8, or a control character. */
bool uaddr_encode(slice_t address, enum uaddr_form form, struct buf *out) MUST_USE;

#endif
