/*
 * tlsrpt_read: reports of TLS that others send us (RFC 8460), as mail: where in a message the
 * report is (section 5.3), how it is packed (5.2), and what it says (4.4). Whoever likes to can
 * send one: everything is bounded, and what is not understood is passed over.
 */
#ifndef FRONTEND_OUTBOUND_TLSRPT_READ_H
#define FRONTEND_OUTBOUND_TLSRPT_READ_H

#include "common/base/buf.h"
#include "common/base/err.h"

struct tls_received;

#define TLSRPT_MESSAGE_MAX (1024u * 1024) /* a message; those of the largest are below 100 KiB */
#define TLSRPT_TEXT_MAX    (4u * 1024 * 1024) /* its report, unpacked */

/* The first part of the message (at most TLSRPT_MESSAGE_MAX bytes) that is a report, decoded and
 * unpacked; appends, to a buf with TLSRPT_TEXT_MAX. E_NOT_FOUND: there is none; E_INVALID: it is
 * not packed as it says; E_TOO_BIG. */
enum err tlsrpt_find(slice_t message, struct buf *out, struct diag *d) MUST_USE;
/* What the report says. E_INVALID. */
enum err tlsrpt_read(slice_t json, struct tls_received *out, struct diag *d) MUST_USE;

#endif
