/* The store's calls for fibers: nothing but waiting. */
#include "backend/store/change.h"
#include "backend/store/stage_priv.h"
#include "common/loop/fiber.h"
#include "common/loop/work.h"

struct change_wait {
	struct loop *loop;
	struct event done;
};

static void change_arrived(void *arg)
{
	struct change_wait *w = arg;

	event_set(&w->done);
}

/* On the writer's thread. */
static void change_done(struct change *c)
{
	struct change_wait *w = c->arg;

	loop_post(w->loop, change_arrived, w);
}

WAITS enum err store_change(struct partition *p, struct change *c)
{
	struct change_wait w = {.loop = loop_current()};
	enum err e;

	event_init(&w.done);
	c->done = change_done;
	c->arg = &w;
	change_submit(p, c);
	/* The writer holds the change: its end must be waited for, whoever cancels. */
	fiber_shield_begin();
	e = event_wait(&w.done, "store.change", NO_DEADLINE);
	fiber_shield_end();
	invariant(e == E_OK);
	return c->result;
}

struct stage_job {
	struct stage *s;
	slice_t bytes;
	struct stage_info *info;
	enum err result;
};

static void stage_write_job(void *arg)
{
	struct stage_job *j = arg;

	j->result = stage_write_now(j->s, j->bytes);
}

static void stage_end_job(void *arg)
{
	struct stage_job *j = arg;

	j->result = stage_end_now(j->s, j->info);
}

WAITS enum err stage_write(struct stage *s, slice_t bytes)
{
	struct stage_job j = {.s = s, .bytes = bytes};
	enum err e;

	/* In memory it is a copy; the write that spills, and all after it, touch a file. */
	if (s->volume == 0 && s->check.size + bytes.n <= STAGE_MEMORY_MAX)
		return stage_write_now(s, bytes);
	e = work_run("store.stage_write", stage_write_job, &j);
	return e == E_OK ? j.result : e;
}

WAITS enum err stage_end(struct stage *s, struct stage_info *out)
{
	struct stage_job j = {.s = s, .info = out};
	enum err e;

	if (s->volume == 0)
		return stage_end_now(s, out);
	e = work_run("store.stage_end", stage_end_job, &j);
	return e == E_OK ? j.result : e;
}
