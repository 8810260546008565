/*
 * web_cache: what back-ends have said of late of what this worker is asked for, so that however
 * many ask for it, a back-end is asked once in a while.
 *
 * An answer is fresh for a time that the caller says. Past that it is kept for WEB_STALE_MS, for
 * when nobody can be asked. What is a domain of ours and what is none are counted apart: whoever
 * asks for ever other names pushes out no answer but that such a name is none, and the questions
 * that he causes are paced.
 */
#ifndef FRONTEND_WEB_WEB_CACHE_H
#define FRONTEND_WEB_WEB_CACHE_H

#include "common/base/arena.h"
#include "frontend/web/web_request.h"

#define WEB_TEXTS_MAX  512            /* answers that are texts, of some hundred bytes each */
#define WEB_NONES_MAX  4096           /* names that are no domains of ours */
#define WEB_STALE_MS   (3600 * 1000L) /* what is older is forgotten in any case */
/* Questions of a worker: so many at once, and then so many a second. Each domain's answer is asked
 * for once in its time: enough for thousands. */
#define WEB_ASKS_MAX   100
#define WEB_ASKS_PER_S 20

enum web_cached { WEB_CACHE_NOTHING, WEB_CACHE_FRESH, WEB_CACHE_STALE };

/* What is known; *text_out in mem, empty: no domain of ours. */
enum web_cached web_cache_find(enum web_page page, slice_t domain, int64_t keep_ms,
			       struct arena *mem, slice_t *text_out);
/* text empty: no domain of ours. The one longest known goes when there are too many. */
void web_cache_put(enum web_page page, slice_t domain, slice_t text);
/* May a back-end be asked now? Counts it. */
bool web_cache_may_ask(void);
size_t web_cache_count(void);
void web_cache_forget(void); /* all of it */

#endif
