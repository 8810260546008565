#include "common/loop/waits.h"

#include <signal.h>

#include "common/base/clock.h"
#include "common/log/log.h"
#include "common/loop/sig.h"

struct waits {
	struct sig *sig;
	struct scope scope;
};

static void tell(const struct fiber_info *f, void *arg)
{
	int64_t now = *(const int64_t *)arg;

	/* A wait without a deadline is one that only its owner's end will end. */
	if (f->deadline_ms == NO_DEADLINE)
		LOG(LOG_WARN, f->log, "fiber", LF_STR("name", f->name),
		    LF_STR("waits", f->waits_for != NULL ? f->waits_for : "runs"),
		    LF_INT("since_ms", now - f->since_ms));
	else
		LOG(LOG_WARN, f->log, "fiber", LF_STR("name", f->name),
		    LF_STR("waits", f->waits_for), LF_INT("since_ms", now - f->since_ms),
		    LF_INT("left_ms", f->deadline_ms - now));
}

WAITS static void watch(void *arg)
{
	struct waits *w = arg;

	while (sig_wait(w->sig, "waits.signal", NO_DEADLINE) == E_OK) {
		int64_t now = clock_mono_ms();

		fiber_dump(tell, &now);
		LOG(LOG_WARN, NULL, "fibers", LF_UINT("count", fiber_count()),
		    LF_UINT("capacity", fiber_capacity()));
	}
}

enum err waits_watch(struct waits **out)
{
	struct waits *w = xcalloc(1, sizeof *w);
	enum err e = sig_watch(SIGUSR1, &w->sig);

	scope_init(&w->scope);
	if (e == E_OK)
		e = scope_start(&w->scope, "waits", watch, w);
	if (e != E_OK) {
		sig_unwatch(&w->sig);
		xfree(&w);
		return e;
	}
	*out = w;
	return E_OK;
}

WAITS void waits_unwatch(struct waits **wp)
{
	struct waits *w = *wp;

	if (w == NULL)
		return;
	scope_cancel(&w->scope);
	(void)scope_join(&w->scope, NO_DEADLINE);
	sig_unwatch(&w->sig);
	xfree(wp);
}
