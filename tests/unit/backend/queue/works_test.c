#include "tests/unit/backend/queue/works.h"

#include <stdatomic.h>

#include "backend/queue/outbound_priv.h"
#include "common/base/clock.h"
#include "proto/settings.h"
#include "tests/lib/moved_clock.h"

const struct rpc_identity works_fe1 = {ROLE_FRONTEND, SERVICE_OUTBOUND, "fe1"};
const struct rpc_identity works_fe2 = {ROLE_FRONTEND, SERVICE_OUTBOUND, "fe2"};

static struct works *now;

static void on_queue(uint32_t partition UNUSED, void *arg)
{
	struct room *r = arg;

	event_set(&r->queue_changed);
	if (now != NULL && now->o != NULL)
		outbound_wake(now->o);
}

/* The way out, with a worker, as it is when the time is over in which it hands out nothing. */
WAITS static bool start(struct works *w)
{
	if (outbound_start(&w->room.deliver, w->none, &w->o) != E_OK ||
	    outbound_worker_new(w->o, &works_fe1, &w->worker) != E_OK)
		return false;
	works_pass(w, OUTBOUND_GRACE_MS);
	return true;
}

WAITS bool works_open(struct works *w)
{
	*w = (struct works){.o = NULL};
	moved_clock_begin();
	arena_init(&w->mem, NULL);
	buf_init(&w->bytes, 4 << 20, NULL);
	w->batch = xcalloc(1, sizeof *w->batch);
	now = w;
	room_on_queue = on_queue;
	w->none = conf_new(settings_table, settings_table_len);
	return room_open(&w->room) && start(w);
}

WAITS void works_close(struct works *w)
{
	outbound_batch_fini(w->batch);
	xfree(&w->batch);
	outbound_worker_free(&w->worker);
	outbound_stop(&w->o);
	now = NULL;
	room_on_queue = NULL;
	arena_reset(&w->mem);
	buf_fini(&w->bytes);
	room_close(&w->room);
	conf_free(&w->none);
	moved_clock_end();
}

WAITS bool works_restart(struct works *w, const char *setting)
{
	struct diag d = {""};

	outbound_batch_fini(w->batch);
	outbound_worker_free(&w->worker);
	outbound_stop(&w->o);
	return (setting == NULL || conf_set(w->none, slice_str(setting), &d) == E_OK) && start(w);
}

WAITS bool works_known(struct works *w, size_t n)
{
	int64_t deadline = deadline_in(10000);

	while (sched_count(outbound_sched(w->o)) != n && clock_mono_ms() < deadline)
		fiber_yield();
	return sched_count(outbound_sched(w->o)) == n;
}

void works_move_clock(struct works *w, int64_t us)
{
	moved_clock_add(us);
	outbound_wake(w->o);
}

void works_pass(struct works *w, int64_t ms)
{
	moved_clock_pass(ms * 1000);
	outbound_wake(w->o);
}

slice_t works_outside(struct works *w, const char *address)
{
	return room_token(&w->room, RCPT_OUTSIDE, w->partition, NULL, 0, address, &w->mem);
}

WAITS void works_submit(struct works *w, const struct mail *mail)
{
	struct room_mail m;
	struct diag d = {""};

	room_mail(&w->room, &m, mail->txid, w->partition, mail->txid);
	m.msg.account = mail->account;
	if (w->server != NULL)
		m.msg.server = slice_str(w->server);
	m.msg.release_us = w->release_us;
	if (mail->sender != NULL)
		m.msg.sender = slice_str(mail->sender);
	for (size_t i = 0; i < ARRAY_LEN(mail->to) && mail->to[i] != NULL; i++) {
		room_to(&m, works_outside(w, mail->to[i]));
		m.rcpts[i].notify = mail->notify;
	}
	CHECK_ERR(deliver_commit(&w->room.deliver, &m.msg, &d), E_OK);
	room_mail_fini(&m);
}

WAITS struct outbound_job *works_take(struct works *w)
{
	outbound_batch_fini(w->batch);
	do {
		outbound_batch_fini(w->batch);
		if (outbound_take(w->worker, w->batch) != E_OK)
			return NULL;
	} while (w->batch->n == 0);
	return &w->batch->jobs[0];
}

WAITS enum err works_tell(struct works *w, const struct outbound_job *j, enum outbound_end end,
			  const char *status, const char *text)
{
	struct outcome_try tries[LEASE_ITEMS_MAX];
	struct outbound_result r = {.lease = &j->lease,
				    .worker = outbound_worker_number(w->worker),
				    .end = end,
				    .tries = tries};

	for (size_t i = 0; i < j->lease.n; i++)
		tries[i] = (struct outcome_try){.status = slice_str(status),
						.text = slice_str(text),
						.remote = SL("mx.test [192.0.2.1]"),
						.at_us = clock_wall_us(),
						.no_dsn = true};
	return outbound_report(w->o, partitions_get(w->room.parts, 0), &r, 1);
}

size_t works_items(struct works *w)
{
	return room_items(&w->room, 0, w->items, ARRAY_LEN(w->items), &w->bytes);
}

struct job works_job_at(struct works *w, size_t i)
{
	struct job j = {.kind = JOB_BAD};

	CHECK(works_items(w) > i);
	CHECK_ERR(job_unpack(w->items[i].payload, &w->mem, &j), E_OK);
	return j;
}
