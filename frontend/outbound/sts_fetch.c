#include "frontend/outbound/sts_fetch.h"

#include <stdio.h>

#include "frontend/outbound/https.h"

#define HOST_SIZE 256
#define HTTP_OK   200 /* the one answer with a policy: a redirect is none (section 3.3) */

static enum err check_answer(const struct https_answer *a, struct diag *d)
{
	if (a->status != HTTP_OK)
		return diag_set(d, E_NOT_FOUND, "the site answers %u", a->status);
	if (!slice_ieq(a->type, SL("text/plain")))
		return diag_set(d, E_INVALID, "the site sends %.*s, not text/plain", (int)a->type.n,
				a->type.p);
	return E_OK;
}

WAITS enum err sts_fetch(slice_t domain, struct arena *mem, int64_t deadline_ms,
			 struct sts_policy *out, struct diag *d)
{
	struct https_ask ask = {.path = "/.well-known/mta-sts.txt", .body_max = STS_TEXT_MAX};
	struct https_answer a;
	char host[HOST_SIZE];
	enum err e;

	if (snprintf(host, sizeof host, "mta-sts.%.*s", (int)domain.n, domain.p) >=
	    (int)sizeof host)
		return diag_set(d, E_INVALID, "too long a name");
	ask.host = slice_str(host);
	e = https_get(&ask, mem, deadline_ms, &a, d);
	if (e == E_OK)
		e = check_answer(&a, d);
	return e == E_OK ? sts_policy_parse(a.body, mem, out, d) : e;
}
