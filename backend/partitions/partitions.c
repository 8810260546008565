#include "backend/partitions/partitions.h"

#include <stdio.h>

#include "backend/directory/dir_admin.h"
#include "common/log/log.h"
#include "common/loop/fiber.h"
#include "common/loop/work.h"

struct slot {
	struct partitions *set;
	uint32_t id;
	struct partition *part;
};

struct partitions {
	struct partitions_conf conf;
	char data[4096];
	struct slot *slots[PARTITIONS_MAX]; /* ascending by id */
	size_t n;
	struct dir_sub sub;
	struct fiber *opener; /* opens what is assigned later */
	struct event assigned, opener_ended;
	struct loop *loop;
};

/* ---- watching: on the writer's thread ---- */

static void queue_note_run(void *arg)
{
	struct slot *s = arg;

	s->set->conf.queue_changed(s->id, s->set->conf.arg);
}

static void committed(void *arg, const struct partition_event *ev, size_t n, bool queue_changed)
{
	struct slot *s = arg;

	notify_post(s->set->conf.notify, ev, n);
	if (queue_changed && s->set->conf.queue_changed != NULL)
		loop_post(s->set->loop, queue_note_run, s);
}

/* ---- opening ---- */

struct opening {
	struct slot *slot;
	bool made; /* there should be data */
	enum err result;
	struct diag diag;
};

static void open_work(void *arg)
{
	struct opening *o = arg;
	struct partitions *set = o->slot->set;
	struct partition_conf c = set->conf.store;
	char dir[4200];

	snprintf(dir, sizeof dir, "%s/p%04u", set->data, o->slot->id);
	c.dir = dir;
	c.id = o->slot->id;
	o->result = partition_open(&c, &o->slot->part, &o->diag);
	if (o->result != E_NOT_FOUND)
		return;
	/* An empty one in its place would take mail, and all that it had would seem gone. */
	if (o->made) {
		o->result = diag_set(&o->diag, E_NOT_FOUND,
				     "%s is not there, and was: is the volume mounted?", dir);
		return;
	}
	o->result = partition_create(&c, &o->diag);
	if (o->result == E_OK)
		o->result = partition_open(&c, &o->slot->part, &o->diag);
}

static void insert_slot(struct partitions *p, struct slot *s)
{
	size_t i = p->n++;

	while (i > 0 && p->slots[i - 1]->id > s->id) {
		p->slots[i] = p->slots[i - 1];
		i--;
	}
	p->slots[i] = s;
}

/* The directory learns that it has data from now on; if not now, then at the next start. */
WAITS static void tell_made(struct partitions *p, uint32_t id)
{
	struct diag d = {""};
	enum err e = dir_partition_made(p->conf.dir, id, &d);

	if (e != E_OK)
		LOG(LOG_WARN, NULL, "partition.made_untold", LF_UINT("partition", id),
		    LF_ERR("error", e), LF_STR("why", d.text));
}

WAITS static void open_one(struct partitions *p, const struct dir_partition *row)
{
	uint32_t id = row->id;
	struct slot *s = xcalloc(1, sizeof *s);
	struct opening o = {.slot = s, .made = row->made};

	*s = (struct slot){.set = p, .id = id};
	o.result = E_OK;
	if (work_run("partition.open", open_work, &o) != E_OK || o.result != E_OK) {
		LOG(LOG_ERROR, NULL, "partition.not_opened", LF_UINT("partition", id),
		    LF_ERR("error", o.result), LF_STR("why", o.diag.text));
		xfree(&s);
		return;
	}
	partition_watch(s->part, committed, s);
	insert_slot(p, s);
	LOG(LOG_INFO, NULL, "partition.opened", LF_UINT("partition", id));
	if (!row->made)
		tell_made(p, id);
	/* What waits in its queue has waited for us. */
	if (p->conf.queue_changed != NULL)
		p->conf.queue_changed(id, p->conf.arg);
}

WAITS static void open_missing(struct partitions *p)
{
	for (size_t i = 0; i < dir_partition_count(p->conf.dir); i++) {
		struct dir_partition row;

		dir_partition_at(p->conf.dir, i, &row);
		if (p->n < PARTITIONS_MAX && dir_owns(p->conf.dir, row.id) &&
		    partitions_get(p, row.id) == NULL)
			open_one(p, &row);
	}
}

static void on_dir_event(const struct dir_event *ev, void *arg)
{
	struct partitions *p = arg;

	if (ev->kind == DIR_EV_CLUSTER)
		event_set(&p->assigned);
}

WAITS static void opener_run(void *arg)
{
	struct partitions *p = arg;

	while (event_wait(&p->assigned, "partitions.assigned", NO_DEADLINE) == E_OK)
		open_missing(p);
	p->opener = NULL;
	event_set(&p->opener_ended);
}

WAITS enum err partitions_open(const struct partitions_conf *c, struct partitions **out,
			       struct diag *d)
{
	struct partitions *p = xcalloc(1, sizeof *p);

	p->conf = *c;
	p->loop = loop_current();
	event_init(&p->assigned);
	event_init(&p->opener_ended);
	if (!slice_to_str(slice_str(c->data), p->data, sizeof p->data)) {
		xfree(&p);
		return diag_set(d, E_INVALID, "data: too long a path");
	}
	open_missing(p);
	p->sub = (struct dir_sub){.fn = on_dir_event, .arg = p};
	dir_subscribe(c->dir, &p->sub);
	*out = p;
	return fiber_start("partitions.opener", opener_run, p, &p->opener);
}

static void close_work(void *arg)
{
	struct partition **part = arg;

	partition_close(part);
}

WAITS void partitions_close(struct partitions **pp)
{
	struct partitions *p = *pp;

	if (p == NULL)
		return;
	dir_unsubscribe(&p->sub);
	fiber_shield_begin();
	if (p->opener != NULL) {
		fiber_cancel(p->opener);
		if (event_wait(&p->opener_ended, "partitions.close", NO_DEADLINE) != E_OK)
			LOG(LOG_WARN, NULL, "partitions.opener_left");
	}
	for (size_t i = 0; i < p->n; i++) {
		if (work_run("partition.close", close_work, &p->slots[i]->part) != E_OK)
			partition_close(&p->slots[i]->part);
	}
	/* Notes of the writers that were posted before they ended come first. */
	fiber_yield();
	fiber_shield_end();
	for (size_t i = 0; i < p->n; i++)
		xfree(&p->slots[i]);
	xfree(pp);
}

struct partition *partitions_get(const struct partitions *p, uint32_t id)
{
	size_t lo = 0, hi = p->n;

	while (lo < hi) {
		size_t mid = lo + (hi - lo) / 2;

		if (p->slots[mid]->id == id)
			return p->slots[mid]->part;
		if (p->slots[mid]->id < id)
			lo = mid + 1;
		else
			hi = mid;
	}
	return NULL;
}

size_t partitions_count(const struct partitions *p)
{
	return p->n;
}

struct partition *partitions_at(const struct partitions *p, size_t i)
{
	return p->slots[i]->part;
}
