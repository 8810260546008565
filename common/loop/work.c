#include "common/loop/work.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "common/loop/loan.h"
#include "common/loop/loop_priv.h"

#define POOL_VARIABLE "UV_THREADPOOL_SIZE" /* libuv reads it when its pool starts */
#define THREADS_MAX   256

struct job {
	uv_work_t req;
	void (*fn)(void *arg);
	void *arg;
	struct event done;
	int status;
};

static atomic_uint queued; /* jobs of all loops that have not ended */
static pthread_once_t once = PTHREAD_ONCE_INIT;

static void threads_set(unsigned n)
{
	char text[16];

	if (n == 0) {
		long cores = sysconf(_SC_NPROCESSORS_ONLN);

		n = (unsigned)MAX(cores, WORK_THREADS_LEAST);
	}
	snprintf(text, sizeof text, "%u", MIN(n, (unsigned)THREADS_MAX));
	setenv(POOL_VARIABLE, text, 1);
}

static void threads_default(void)
{
	if (getenv(POOL_VARIABLE) == NULL)
		threads_set(0);
}

void work_threads(unsigned n)
{
	threads_set(n);
}

static void nothing(uv_work_t *req UNUSED)
{
}

/* libuv makes all threads of its pool with the first job, and dies when it may not. */
void work_start(struct loop *l)
{
	static uv_work_t first;

	pthread_once(&once, threads_default);
	invariant(uv_queue_work(loop_uv(l), &first, nothing, NULL) == 0);
}

static void on_thread(uv_work_t *req)
{
	struct job *j = container_of(req, struct job, req);

	j->fn(j->arg);
}

static void on_done(uv_work_t *req, int status)
{
	struct job *j = container_of(req, struct job, req);

	atomic_fetch_sub(&queued, 1);
	j->status = status;
	event_set(&j->done);
}

WAITS enum err work_run(const char *name, void (*fn)(void *arg), void *arg)
{
	struct job j = {.fn = fn, .arg = arg};
	enum err e;

	loans_over();
	pthread_once(&once, threads_default);
	event_init(&j.done);
	if (atomic_fetch_add(&queued, 1) >= WORK_QUEUE_MAX) {
		atomic_fetch_sub(&queued, 1);
		return E_BUSY;
	}
	invariant(uv_queue_work(loop_uv(loop_current()), &j.req, on_thread, on_done) == 0);
	e = event_wait(&j.done, name, NO_DEADLINE);
	if (e != E_OK) {
		/* Succeeds only if no thread has begun; on_done comes in any case. */
		uv_cancel((uv_req_t *)&j.req);
		fiber_shield_begin();
		e = event_wait(&j.done, name, NO_DEADLINE);
		fiber_shield_end();
		invariant(e == E_OK);
	}
	return j.status == UV_ECANCELED ? E_CANCELLED : E_OK;
}
