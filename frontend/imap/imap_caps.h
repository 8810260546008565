/* imap_caps: what is offered to this client now (RFC 3501 section 7.2.1). */
#ifndef FRONTEND_IMAP_IMAP_CAPS_H
#define FRONTEND_IMAP_IMAP_CAPS_H

#include "frontend/imap/imap.h"

/* Appends "CAPABILITY IMAP4rev1 ...". */
void imap_caps_put(struct buf *out, const struct imap *im);
/* The same as a response code in the command's arena. */
const char *imap_caps_code(struct imap *im);

#endif
