/* imap_status: the items of STATUS (RFC 3501 section 6.3.10), also those of LIST (RFC 5819). */
#ifndef FRONTEND_IMAP_IMAP_STATUS_H
#define FRONTEND_IMAP_IMAP_STATUS_H

#include "frontend/imap/imap_parse.h"
#include "frontend/rpc/call_mailbox.h"

/* "(" status-att *(SP status-att) ")" as bits. */
bool imap_status_items(struct imap_args *a, unsigned *items_out);
/* "* STATUS name (ITEM n ...)" */
void imap_put_status(struct buf *out, slice_t path, unsigned items, const struct mailbox_row *row);

#endif
