/*
 * sts_fetch: a domain's MTA-STS policy from its site (RFC 8461 section 3.3).
 */
#ifndef FRONTEND_OUTBOUND_STS_FETCH_H
#define FRONTEND_OUTBOUND_STS_FETCH_H

#include "frontend/outbound/sts_policy.h"

#define STS_FETCH_MS 60000 /* section 3.3 suggests a minute */

/* The policy at https://mta-sts.DOMAIN/, in mem; the domain in lower case. E_CANCELLED. E_TLS: the
 * site is not verified; E_INVALID, E_LIMIT: what it says is no policy; others: there is no answer,
 * or not the right one. *d has words. */
WAITS enum err sts_fetch(slice_t domain, struct arena *mem, int64_t deadline_ms,
			 struct sts_policy *out, struct diag *d) MUST_USE;

#endif
