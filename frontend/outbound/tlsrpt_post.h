/*
 * tlsrpt_post: reports of TLS that a back-end wants sent (RFC 8460): asks DNS who wants the
 * domain's, composes, and gives it to the queue, which sends it as any message, but with no demand
 * for TLS (section 3: a report is sent whatever the TLS that it tells of), or posts it at a site.
 *
 * The texts in a report were seen on strangers' servers, told by some front-end and kept by a
 * back-end: whatever could break a header is refused.
 */
#ifndef FRONTEND_OUTBOUND_TLSRPT_POST_H
#define FRONTEND_OUTBOUND_TLSRPT_POST_H

#include "common/base/base.h"

struct rpc_link;
struct tls_report;

/* Sends one, and says what became of it; what call_tls_work() gives. */
WAITS void tlsrpt_post(struct rpc_link *l, struct tls_report *r);
/* Asks the back-end of l for reports until the link ends; takes the reference. */
WAITS void tlsrpt_run(void *link);

#endif
