#include "common/loop/sig.h"

#include <uv.h>

struct sig {
	uv_signal_t handle;
	struct event arrived;
};

static void on_signal(uv_signal_t *h, int signum UNUSED)
{
	struct sig *s = container_of(h, struct sig, handle);

	event_set(&s->arrived);
}

static void on_close(uv_handle_t *h)
{
	struct sig *s = container_of((uv_signal_t *)(void *)h, struct sig, handle);

	xfree(&s);
}

enum err sig_watch(int signum, struct sig **out)
{
	struct sig *s = xcalloc(1, sizeof *s);

	event_init(&s->arrived);
	invariant(uv_signal_init(loop_uv(loop_current()), &s->handle) == 0);
	uv_unref((uv_handle_t *)&s->handle);
	if (uv_signal_start(&s->handle, on_signal, signum) != 0) {
		uv_close((uv_handle_t *)&s->handle, on_close);
		return E_INVALID;
	}
	*out = s;
	return E_OK;
}

struct event *sig_event(struct sig *s)
{
	return &s->arrived;
}

WAITS enum err sig_wait(struct sig *s, const char *name, int64_t deadline_ms)
{
	return event_wait(&s->arrived, name, deadline_ms);
}

void sig_unwatch(struct sig **sp)
{
	struct sig *s = *sp;

	if (s == NULL)
		return;
	*sp = NULL;
	uv_close((uv_handle_t *)&s->handle, on_close);
}
