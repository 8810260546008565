/* The queue in numbers: by state, by destination, by sender. */
#include "backend/rpc/m_admin_queue.h"

#include <stdlib.h>

#include "common/base/map.h"
#include "proto/method.pb-c.h"

#define ASK_MS     60000
/* Different names of one answer: some 4 MiB. What comes later is counted together. */
#define GROUPS_MAX 10000

/* ---- by state ---- */

static uint64_t *counter_of(Postern__AdminQueueCount *m, enum queue_state state)
{
	switch (state) {
	case QUEUE_IS_WAITING:
		return &m->waiting;
	case QUEUE_IS_LEASED:
		return &m->leased;
	case QUEUE_IS_HELD:
		return &m->held;
	case QUEUE_IS_PACED:
		return &m->paced;
	case QUEUE_IS_DOWN:
		return &m->down;
	case QUEUE_IS_INSIDE:
		return &m->inside;
	case QUEUE_IS_BAD:
		return &m->bad;
	case QUEUE_IS_READY:
	case QUEUE_IS_NOTICE:
	case QUEUE_STATES:
		break;
	}
	return &m->ready;
}

WAITS static enum err count_page(struct mcall *c UNUSED, const struct admin_queue_page *p,
				 void *arg)
{
	Postern__AdminQueueCount *m = arg;

	m->items += p->n;
	for (size_t i = 0; i < p->n; i++) {
		m->size_bytes += p->rows[i]->size;
		if (!p->rows[i]->readable)
			continue;
		++*counter_of(m, p->views[i].state);
		m->notices += p->rows[i]->job.kind == JOB_NOTICE;
	}
	return E_OK;
}

WAITS static enum err count_local(struct mcall *c)
{
	Postern__AdminQueueCount m = POSTERN__ADMIN_QUEUE_COUNT__INIT;
	ProtobufCMessage *row = &m.base;
	enum err e;

	m.backend = arena_str(&c->mem, slice_str(dir_node_name(c->be->dir)));
	e = admin_queue_each(c, (const void *)c->msg, count_page, &m);
	if (e == E_OK)
		e = admin_send_rows(c, &postern__admin_queue_count_page__descriptor, 0, &row, 1);
	return e == E_OK ? admin_queue_closed(c, &postern__admin_queue_count_page__descriptor) : e;
}

WAITS enum err m_admin_queue_count(struct mcall *c)
{
	struct queue_filter f;
	enum err e = admin_queue_filter(c, (const void *)c->msg, &f);

	return e == E_OK ? admin_fan_out(c, &postern__admin_queue_count_page__descriptor,
					 POSTERN__METHOD__METHOD_PEER_QUEUE_COUNT, NULL,
					 deadline_in(ASK_MS), count_local)
			 : e;
}

WAITS enum err m_peer_queue_count(struct mcall *c)
{
	return admin_local(c, count_local);
}

/* ---- by destination and sender ---- */

struct group {
	slice_t name;
	uint64_t items;
	int64_t oldest_us, tried_us;
	char error[OUTCOME_TEXT_MAX + 1]; /* of the item tried last; cut */
};

struct groups {
	struct map by_name;
	struct group *v; /* [0]: what found no place */
	size_t n, cap;
	struct arena mem; /* names */
};

struct summary_of {
	struct groups destinations, senders;
};

static void groups_init(struct groups *g)
{
	*g = (struct groups){.n = 1, .cap = 64};
	g->v = xcalloc(g->cap, sizeof *g->v);
	map_init(&g->by_name);
	arena_init(&g->mem, NULL);
}

static void groups_fini(struct groups *g)
{
	map_fini(&g->by_name);
	arena_reset(&g->mem);
	xfree(&g->v);
}

/* The map's values are places plus one. */
static struct group *group_of(struct groups *g, slice_t name)
{
	uintptr_t at = (uintptr_t)map_get(&g->by_name, name);

	if (at != 0)
		return &g->v[at - 1];
	if (g->n > GROUPS_MAX)
		return &g->v[0];
	if (g->n == g->cap) {
		g->cap *= 2;
		g->v = xrealloc(g->v, g->cap * sizeof *g->v);
	}
	g->v[g->n] = (struct group){.name = arena_dup(&g->mem, name)};
	(void)map_put(&g->by_name, name, (void *)(uintptr_t)(g->n + 1));
	return &g->v[g->n++];
}

static void group_add(struct groups *g, slice_t name, const struct job *j)
{
	struct group *one = group_of(g, name);
	slice_t text = slice_sub(j->last_error, 0, OUTCOME_TEXT_MAX);

	one->items++;
	if (one->oldest_us == 0 || j->first_us < one->oldest_us)
		one->oldest_us = j->first_us;
	if (text.n != 0 && (one->error[0] == '\0' || j->last_us > one->tried_us)) {
		one->tried_us = j->last_us;
		if (!slice_to_str(text, one->error, sizeof one->error))
			one->error[0] = '\0';
	}
}

WAITS static enum err sum_page(struct mcall *c UNUSED, const struct admin_queue_page *p, void *arg)
{
	struct summary_of *s = arg;

	for (size_t i = 0; i < p->n; i++) {
		const struct job *j = &p->rows[i]->job;
		slice_t to = job_destination(j);

		if (!p->rows[i]->readable)
			continue;
		group_add(&s->destinations, to.n != 0 ? to : SL("<inside>"), j);
		group_add(&s->senders, j->sender.n != 0 ? j->sender : SL("<>"), j);
	}
	return E_OK;
}

static int most_first(const void *a, const void *b)
{
	const struct group *x = a, *y = b;

	if (x->items != y->items)
		return x->items > y->items ? -1 : 1;
	return x->oldest_us < y->oldest_us ? -1 : x->oldest_us > y->oldest_us;
}

static Postern__AdminQueueGroup *pack_group(const struct be *be, const struct group *g,
					    struct arena *mem)
{
	Postern__AdminQueueGroup *m = arena_new(mem, Postern__AdminQueueGroup);

	postern__admin_queue_group__init(m);
	m->name = admin_queue_text(mem, g->name);
	m->backend = arena_str(mem, slice_str(dir_node_name(be->dir)));
	m->items = g->items;
	m->oldest_us = g->oldest_us;
	m->last_error = admin_queue_text(mem, slice_str(g->error));
	return m;
}

WAITS static enum err send_groups(struct mcall *c, unsigned field, struct groups *g)
{
	size_t at = 0;
	enum err e = E_OK;

	qsort(g->v, g->n, sizeof *g->v, most_first);
	while (e == E_OK && at < g->n && g->v[at].items != 0) {
		ProtobufCMessage *rows[ADMIN_PAGE];
		struct arena mem;
		size_t n = 0;

		arena_init(&mem, NULL);
		for (; n < ADMIN_PAGE && at < g->n && g->v[at].items != 0; at++)
			rows[n++] = &pack_group(c->be, &g->v[at], &mem)->base;
		e = admin_send_rows(c, &postern__admin_queue_summary_page__descriptor, field, rows,
				    n);
		arena_reset(&mem);
	}
	return e;
}

WAITS static enum err summary_local(struct mcall *c)
{
	struct summary_of s;
	enum err e;

	groups_init(&s.destinations);
	groups_init(&s.senders);
	e = admin_queue_each(c, (const void *)c->msg, sum_page, &s);
	if (e == E_OK)
		e = send_groups(c, 0, &s.destinations);
	if (e == E_OK)
		e = send_groups(c, 1, &s.senders);
	groups_fini(&s.destinations);
	groups_fini(&s.senders);
	return e == E_OK ? admin_queue_closed(c, &postern__admin_queue_summary_page__descriptor)
			 : e;
}

WAITS enum err m_admin_queue_summary(struct mcall *c)
{
	struct queue_filter f;
	enum err e = admin_queue_filter(c, (const void *)c->msg, &f);

	return e == E_OK ? admin_fan_out(c, &postern__admin_queue_summary_page__descriptor,
					 POSTERN__METHOD__METHOD_PEER_QUEUE_SUMMARY, NULL,
					 deadline_in(ASK_MS), summary_local)
			 : e;
}

WAITS enum err m_peer_queue_summary(struct mcall *c)
{
	return admin_local(c, summary_local);
}
