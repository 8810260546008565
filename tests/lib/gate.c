#include "tests/lib/gate.h"

#include <string.h>

#include "common/base/clock.h"
#include "common/loop/work.h"
#include "tests/lib/check.h"

#define POOL_MOST 64 /* threads that a pool may have here */

static void wait_at_gate(void *arg)
{
	while (sem_wait(arg) != 0)
		;
}

WAITS static void stand_at_gate(void *arg)
{
	CHECK_ERR(work_run("test.gate", wait_at_gate, arg), E_OK);
}

WAITS void gate_close(struct gate *g)
{
	sem_init(&g->opened, 0, 0);
	scope_init(&g->scope);
	for (size_t i = 0; i < POOL_MOST; i++)
		CHECK_ERR(scope_start(&g->scope, "test.gate", stand_at_gate, &g->opened), E_OK);
	fiber_yield();
}

WAITS void gate_open(struct gate *g)
{
	for (size_t i = 0; i < POOL_MOST; i++)
		sem_post(&g->opened);
	CHECK_ERR(scope_join(&g->scope, NO_DEADLINE), E_OK);
	sem_destroy(&g->opened);
}

struct waits_for {
	const char *name;
	bool found;
};

static void is_it(const struct fiber_info *f, void *arg)
{
	struct waits_for *x = arg;

	x->found = x->found || (f->waits_for != NULL && strcmp(f->waits_for, x->name) == 0);
}

WAITS bool gate_somebody_waits(const char *name)
{
	int64_t deadline = deadline_in(10000);
	struct waits_for x = {.name = name};

	while (!x.found && clock_mono_ms() < deadline) {
		fiber_yield();
		fiber_dump(is_it, &x);
	}
	return x.found;
}
