/* imap_special: names of special uses (RFC 6154 section 2). */
#ifndef FRONTEND_IMAP_IMAP_SPECIAL_H
#define FRONTEND_IMAP_IMAP_SPECIAL_H

#include "frontend/rpc/call_mailbox.h"

/* Without the backslash, in any case. False: none that is kept. */
bool imap_special_parse(slice_t name, enum special_use *out);
/* "\Sent"; NULL for SPECIAL_USE_NONE. */
const char *imap_special_name(enum special_use u);

#endif
