/*
 * frontend/web: the least web server that MTA-STS wants (RFC 8461 section 3.3), and what programs
 * of mail set themselves up by. It serves, for domains of ours,
 *
 *   https://mta-sts.DOMAIN/.well-known/mta-sts.txt
 *   https://autoconfig.DOMAIN/mail/config-v1.1.xml
 *   https://DOMAIN/.well-known/autoconfig/mail/config-v1.1.xml
 *
 * and nothing else: no files, no second request on a connection. What of a request says whose
 * account it is for is not read.
 *
 *   web          the conversation: one request, one answer, the end
 *   web_request  what a request asks for (RFC 9112); values, nothing waits there
 *   web_find     the page, as it is known or as a back-end says
 *   web_cache    what back-ends have said of late
 *
 * Lines come from core/line, as everybody's. The pages come from a back-end, once in a while: this
 * worker may ask for nothing else (a service of its own).
 */
#ifndef FRONTEND_WEB_WEB_H
#define FRONTEND_WEB_WEB_H

#include "frontend/core/session.h"

#define WEB_LINE_MAX   8000  /* RFC 9112 section 3 recommends to take as much */
#define WEB_FIELDS_MAX 100   /* of a header */
#define WEB_HEAD_MS    10000 /* a request's header, from the first byte to the last */
#define WEB_ANSWER_MS  10000 /* until the answer is taken */

extern const struct protocol web_protocol;

#endif
