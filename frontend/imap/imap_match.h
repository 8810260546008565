/* imap_match: LIST patterns (RFC 3501 section 6.3.8): "*" is any text, "%" any within one level. */
#ifndef FRONTEND_IMAP_IMAP_MATCH_H
#define FRONTEND_IMAP_IMAP_MATCH_H

#include "common/base/slice.h"

/* A longer pattern matches nothing; names are shorter. */
#define IMAP_PATTERN_MAX 1024u

/* Both UTF-8. INBOX, as a whole first level, in any case. Work: pattern times path, no more; *steps
 * grows by what it took. */
bool imap_match(slice_t pattern, slice_t path, uint64_t *steps);

#endif
