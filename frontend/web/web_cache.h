/*
 * web_cache: what back-ends have said of late of what this worker is asked for, so that however
 * many ask for it, a back-end is asked once in a while.
 *
 * An answer is fresh for a time that the caller says. Past that it is given until it is as old as
 * WEB_STALE_MS, for when nobody can be asked. What is a domain of ours and what is none are counted
 * apart: whoever asks for ever other names pushes out no answer but that such a name is none, and
 * the questions that he causes are paced. Those for what was a text do not wait behind his: they
 * are as many as there are texts, one at a time for each. Nor do those for hosts that our own
 * certificate names, which nobody can invent: a domain whose page was never served is one of these,
 * since nobody would take the page without that.
 */
#ifndef FRONTEND_WEB_WEB_CACHE_H
#define FRONTEND_WEB_WEB_CACHE_H

#include "common/base/arena.h"
#include "frontend/web/web_request.h"

#define WEB_TEXTS_MAX  512            /* answers that are texts, of some hundred bytes each */
#define WEB_NONES_MAX  4096           /* names that are no domains of ours */
#define WEB_STALE_MS   (3600 * 1000L) /* what is older is given to nobody */
/* Questions of a worker for what is not known as a text: so many at once, and then so many a
 * second; of hosts that our certificate names, and of others. Enough for thousands of domains, each
 * of which is asked for once in its time. */
#define WEB_ASKS_MAX   100
#define WEB_ASKS_PER_S 20
#define WEB_AGAIN_MS   1000 /* a text for which a question ended so lately is one of those, too */

/* The host that is asked for: our certificate names it, or anybody may have invented it. */
enum web_host { WEB_HOST_ANY, WEB_HOST_NAMED, WEB_HOSTS };

enum web_cached { WEB_CACHE_NOTHING, WEB_CACHE_FRESH, WEB_CACHE_STALE };

/* What is known; *text_out in mem, empty: no domain of ours. */
enum web_cached web_cache_find(enum web_page page, slice_t domain, int64_t keep_ms,
			       struct arena *mem, slice_t *text_out);
/* text empty: no domain of ours. The one longest known goes when there are too many. */
void web_cache_put(enum web_page page, slice_t domain, slice_t text);
/* May a back-end be asked for what is not fresh? If so, the end is told: by web_cache_put(), or by
 * web_cache_unanswered() where nobody could say. */
bool web_cache_may_ask(enum web_page page, slice_t domain, enum web_host host) MUST_USE;
void web_cache_unanswered(enum web_page page, slice_t domain);
size_t web_cache_count(void);
void web_cache_forget(void); /* all of it */

#endif
