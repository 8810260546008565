/* idn: domain names in their one lower-case ASCII form (RFC 5890: U-labels become A-labels, by
 * IDNA2008 with the mapping of UTS 46, non-transitional). */
#ifndef COMMON_PARSE_IDN_H
#define COMMON_PARSE_IDN_H

#include "common/base/err.h"
#include "common/base/slice.h"

#define DOMAIN_MAX 255 /* RFC 5321 4.5.3.1.2; also RFC 1035 */
#define LABEL_MAX  63  /* RFC 1035 2.3.4 */

/* The form by which domains are compared, stored and looked up: ASCII, lower case, no dot at the
 * end, labels of 1..63 letters, digits, hyphens (no hyphen at either end). E_INVALID for anything
 * that has no such form. out is a C string. */
enum err domain_normalise(slice_t domain, char out[DOMAIN_MAX + 1]) MUST_USE;

#endif
