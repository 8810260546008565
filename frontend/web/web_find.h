/* web_find: the page that is wanted, as it is known, or as a back-end says when it is asked. */
#ifndef FRONTEND_WEB_WEB_FIND_H
#define FRONTEND_WEB_WEB_FIND_H

#include "common/base/arena.h"
#include "common/base/err.h"
#include "frontend/web/web_cache.h"

/* Asks a back-end for the page's text, in mem. E_NOT_FOUND: no domain of ours; others: nobody can
 * say now. */
typedef WAITS enum err web_ask_fn(enum web_page page, slice_t domain, struct arena *mem,
				  slice_t *out);

/* What is younger than keep_ms is not asked for; of those who want what is older, one asks, and
 * the others have it at once. *text_out in mem: WEB_OK; WEB_NOT_FOUND: no domain of ours; WEB_AWAY:
 * nobody can say now. */
WAITS enum web_status web_find(enum web_page page, slice_t domain, enum web_host host,
			       int64_t keep_ms, web_ask_fn *ask, struct arena *mem,
			       slice_t *text_out) MUST_USE;

#endif
