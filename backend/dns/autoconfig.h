/* autoconfig: what programs of mail set themselves up by, in the form that Thunderbird made and
 * others read, version 1.1. Front-ends serve it. */
#ifndef BACKEND_DNS_AUTOCONFIG_H
#define BACKEND_DNS_AUTOCONFIG_H

#include "common/base/buf.h"

#define AUTOCONFIG_TEXT_MAX 8192 /* with the longest names */

/* Ports that clients are told, here and by SRV: TLS from the first byte (RFC 8314). */
#define CLIENT_IMAPS_PORT       993
#define CLIENT_SUBMISSIONS_PORT 465

/* XML, in UTF-8: accounts of the domain are at this host, and log in with their whole address.
 * Appends. */
void autoconfig_text(slice_t domain, slice_t host, struct buf *out);

#endif
