#include "backend/partitions/purge.h"

#include "backend/directory/dir_admin.h"
#include "backend/store/change.h"
#include "common/log/log.h"
#include "common/loop/fiber.h"

#define PURGE_BATCH    64
#define PURGE_RETRY_MS 60000 /* PostgreSQL or the partition was away */

struct purge {
	struct dir *dir;
	struct partitions *parts;
	struct dir_sub sub;
	struct event wake, ended;
	struct fiber *fiber;
};

static void on_dir_event(const struct dir_event *ev, void *arg)
{
	struct purge *p = arg;

	if (ev->kind == DIR_EV_ACCOUNT && ev->account->state == DIR_REMOVED)
		event_set(&p->wake);
}

struct batch {
	uint64_t ids[PURGE_BATCH];
	size_t n;
};

static bool collect(const struct dir_account *a, void *arg)
{
	struct batch *b = arg;

	if (a->state == DIR_REMOVED)
		b->ids[b->n++] = a->id;
	return b->n < PURGE_BATCH;
}

WAITS static enum err purge_one(struct purge *p, struct partition *part, uint64_t id)
{
	struct change_account c;
	struct diag d = {""};
	enum err e;

	change_account_init(&c, id, ACCOUNT_REMOVE);
	e = store_change(part, &c.change);
	/* An account that never had mail has no row. */
	if (e == E_OK || e == E_NOT_FOUND)
		e = dir_account_purged(p->dir, id, &d);
	LOG(e == E_OK ? LOG_INFO : LOG_WARN, NULL, "account.purged", LF_UINT("account", id),
	    LF_ERR("status", e), LF_STR("why", d.text));
	return e;
}

/* One look at all owned partitions; true: nothing is left. */
WAITS static bool purge_all(struct purge *p)
{
	bool clean = true;

	for (size_t i = 0; i < partitions_count(p->parts); i++) {
		struct partition *part = partitions_at(p->parts, i);
		struct batch b;

		do {
			b.n = 0;
			dir_accounts_each(p->dir, partition_id(part), collect, &b);
			for (size_t k = 0; k < b.n && clean; k++)
				clean = purge_one(p, part, b.ids[k]) == E_OK;
		} while (clean && b.n == PURGE_BATCH);
	}
	return clean;
}

WAITS static void purge_run(void *arg)
{
	struct purge *p = arg;
	bool clean = purge_all(p);

	for (;;) {
		int64_t deadline = clean ? NO_DEADLINE : deadline_in(PURGE_RETRY_MS);

		if (event_wait(&p->wake, "purge.removed", deadline) == E_CANCELLED)
			break;
		clean = purge_all(p);
	}
	p->fiber = NULL;
	event_set(&p->ended);
}

enum err purge_start(struct dir *dir, struct partitions *parts, struct purge **out)
{
	struct purge *p = xcalloc(1, sizeof(*p));
	enum err e;

	p->dir = dir;
	p->parts = parts;
	event_init(&p->wake);
	event_init(&p->ended);
	e = fiber_start("purge", purge_run, p, &p->fiber);
	if (e != E_OK) {
		xfree(&p);
		return e;
	}
	p->sub = (struct dir_sub){.fn = on_dir_event, .arg = p};
	dir_subscribe(dir, &p->sub);
	*out = p;
	return E_OK;
}

WAITS void purge_stop(struct purge **pp)
{
	struct purge *p = *pp;

	if (p == NULL)
		return;
	dir_unsubscribe(&p->sub);
	fiber_shield_begin();
	if (p->fiber != NULL) {
		fiber_cancel(p->fiber);
		while (p->fiber != NULL && event_wait(&p->ended, "purge.stop", NO_DEADLINE) != E_OK)
			;
	}
	fiber_shield_end();
	xfree(pp);
}
