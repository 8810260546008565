/* call_web: what the web worker asks the back-ends (proto/web.proto). */
#ifndef FRONTEND_RPC_CALL_WEB_H
#define FRONTEND_RPC_CALL_WEB_H

#include "common/base/arena.h"
#include "common/base/err.h"

#define CALL_WEB_TEXT_MAX 8192 /* of an answer */

/* The text of the domain's MTA-STS policy, in mem. E_NOT_FOUND: it is none of ours; others: nobody
 * can say now. */
WAITS enum err call_web_sts(slice_t domain, struct arena *mem, int64_t deadline_ms,
			    slice_t *out) MUST_USE;
/* The same of what programs of mail set themselves up by. */
WAITS enum err call_web_autoconfig(slice_t domain, struct arena *mem, int64_t deadline_ms,
				   slice_t *out) MUST_USE;

#endif
