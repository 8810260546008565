#include "backend/policy/chore.h"

#include "backend/policy/live.h"
#include "common/base/clock.h"
#include "common/log/log.h"
#include "common/loop/fiber.h"

struct chore {
	struct chore_opts opts;
	struct dir_sub sub;
	struct event wake, ended;
	struct fiber *fiber;
};

static void on_dir_event(const struct dir_event *ev, void *arg)
{
	struct chore *c = arg;

	if (ev->kind == DIR_EV_SETTINGS)
		event_set(&c->wake);
}

static int64_t pause_ms(const struct chore *c)
{
	struct conf *settings = live_settings(c->opts.dir, c->opts.overrides);
	int64_t ms = conf_ms(settings, c->opts.every);

	conf_free(&settings);
	return ms;
}

WAITS static void chore_run(void *arg)
{
	struct chore *c = arg;

	while (event_wait(&c->wake, c->opts.name, deadline_in(pause_ms(c))) != E_CANCELLED) {
		struct dir_status st;
		enum err e;

		dir_get_status(c->opts.dir, &st);
		if (!st.connected)
			continue;
		e = c->opts.look(c->opts.arg);
		if (e != E_OK && e != E_BUSY && e != E_CANCELLED)
			LOG(LOG_WARN, NULL, "chore.failed", LF_STR("chore", c->opts.name),
			    LF_ERR("error", e));
	}
	c->fiber = NULL;
	event_set(&c->ended);
}

enum err chore_start(const struct chore_opts *opts, struct chore **out)
{
	struct chore *c = xcalloc(1, sizeof *c);
	enum err e;

	c->opts = *opts;
	event_init(&c->wake);
	event_init(&c->ended);
	e = fiber_start(opts->name, chore_run, c, &c->fiber);
	if (e != E_OK) {
		xfree(&c);
		return e;
	}
	c->sub = (struct dir_sub){.fn = on_dir_event, .arg = c};
	dir_subscribe(opts->dir, &c->sub);
	*out = c;
	return E_OK;
}

WAITS void chore_stop(struct chore **pc)
{
	struct chore *c = *pc;

	if (c == NULL)
		return;
	dir_unsubscribe(&c->sub);
	fiber_shield_begin();
	if (c->fiber != NULL) {
		fiber_cancel(c->fiber);
		while (c->fiber != NULL && event_wait(&c->ended, "chore.end", NO_DEADLINE) != E_OK)
			;
	}
	fiber_shield_end();
	xfree(pc);
}
