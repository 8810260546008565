/* tlsrpt_mail: a report of TLS as a message (RFC 8460 section 5.3), in a multipart/report (RFC
 * 6522): words for people, and the compressed report. */
#ifndef FRONTEND_OUTBOUND_TLSRPT_MAIL_H
#define FRONTEND_OUTBOUND_TLSRPT_MAIL_H

#include "common/base/buf.h"
#include "common/base/err.h"

struct tls_report;

#define TLSRPT_MAIL_MAX (1024u * 1024) /* the report in base64, and its header */

/* The file's name (section 5.1): "sender!domain!begin!end!id.json.gz". Appends. */
void tlsrpt_file_name(const struct tls_report *r, struct buf *out);
/* to: an address as in an envelope; gz: the compressed report. Appends the message, in ASCII with
 * CRLF. E_INVALID: the contact, or an address, is none; E_TOO_BIG. */
enum err tlsrpt_mail(const struct tls_report *r, slice_t to, slice_t gz, struct buf *out) MUST_USE;

#endif
