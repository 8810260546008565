#include "frontend/web/web_find.h"

#include "common/log/metric.h"
#include "frontend/web/web_cache.h"

METRIC_COUNTER(m_asked, "web_asked_total", "Questions to back-ends for them");

/* An old answer is better than none. */
WAITS enum web_status web_find(enum web_page page, slice_t domain, enum web_host host,
			       int64_t keep_ms, web_ask_fn *ask, struct arena *mem,
			       slice_t *text_out)
{
	enum web_cached known;

	*text_out = SLICE_NONE;
	known = web_cache_find(page, domain, keep_ms, mem, text_out);
	if (known != WEB_CACHE_FRESH && web_cache_may_ask(page, domain, host)) {
		slice_t text = SLICE_NONE;
		enum err e;

		metric_add(&m_asked, 1);
		e = ask(page, domain, mem, &text);
		if (e == E_OK || e == E_NOT_FOUND) {
			web_cache_put(page, domain, text);
			known = WEB_CACHE_FRESH;
			*text_out = text;
		} else {
			web_cache_unanswered(page, domain);
		}
	}
	if (known == WEB_CACHE_NOTHING)
		return WEB_AWAY;
	return text_out->n != 0 ? WEB_OK : WEB_NOT_FOUND;
}
