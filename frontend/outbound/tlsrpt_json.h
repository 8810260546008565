/* tlsrpt_json: a report of TLS in JSON (RFC 8460 section 4.4), compressed (section 5.2). */
#ifndef FRONTEND_OUTBOUND_TLSRPT_JSON_H
#define FRONTEND_OUTBOUND_TLSRPT_JSON_H

#include "common/base/buf.h"
#include "common/base/err.h"

struct tls_report;

#define TLSRPT_JSON_MAX (512u * 1024) /* of 64 KiB of facts, with all their names */

/* Appends. E_TOO_BIG; E_INVALID: a text that is no UTF-8. */
enum err tlsrpt_json(const struct tls_report *r, struct buf *out) MUST_USE;
/* RFC 1952. Appends. E_TOO_BIG: the buffer must hold what cannot be compressed, too. */
#define TLSRPT_GZIP_MAX (TLSRPT_JSON_MAX + 4096)
enum err tlsrpt_gzip(slice_t in, struct buf *out) MUST_USE;

#endif
