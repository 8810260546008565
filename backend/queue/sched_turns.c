/*
 * Who is next. The destinations that may be handed out stand in lines: one for those that are
 * everybody's, one for each pool's. `since` numbers them as they come to a line, so that a worker,
 * who looks at the lines of his pools alone, meets the destinations of all of them in the order in
 * which they came, as if they were one line.
 */
#include "backend/queue/sched_priv.h"

#include "common/base/map.h"

static uint64_t pool_hash(uint64_t pool)
{
	return map_hash(slice(&pool, sizeof pool));
}

static uint64_t line_hash(struct table_node *n)
{
	return pool_hash(container_of(n, struct line, chain)->pool);
}

static struct line *line_find(const struct sched *s, uint64_t pool)
{
	struct table_node *n = table_chain(&s->lines, pool_hash(pool));

	for (; n != NULL; n = n->next) {
		struct line *l = container_of(n, struct line, chain);

		if (l->pool == pool)
			return l;
	}
	return NULL;
}

static struct line *line_make(struct sched *s, uint64_t pool)
{
	struct line *l = line_find(s, pool);

	if (l != NULL)
		return l;
	l = tally_new(&s->tally, sizeof *l);
	l->pool = pool;
	list_init(&l->dests);
	table_put(&s->lines, &s->tally, &l->chain);
	return l;
}

static void line_free(struct sched *s, struct line *l)
{
	invariant(list_empty(&l->dests));
	table_del(&s->lines, &s->tally, &l->chain);
	tally_free(&s->tally, &l, sizeof *l);
}

void line_join(struct sched *s, struct dest *d)
{
	list_remove(&d->turn);
	list_append(&d->line->dests, &d->turn);
	d->since = ++s->joined;
	d->listed = true;
}

void line_leave(struct dest *d)
{
	list_remove(&d->turn);
	d->listed = false;
}

void line_change(struct sched *s, struct dest *d, uint64_t pool)
{
	bool listed = d->listed;

	if (d->line->pool == pool)
		return;
	line_leave(d);
	d->line = line_make(s, pool);
	if (listed)
		line_join(s, d);
}

/* ---- a worker's lines ---- */

static void walk_add(struct line_walk *w, const struct line *l)
{
	if (l == NULL || list_empty(&l->dests))
		return;
	w->line[w->n] = l;
	w->next[w->n++] = l->dests.next;
}

void line_walk_init(struct line_walk *w, const struct sched *s, const struct sched_pools *pools)
{
	w->n = 0;
	walk_add(w, s->everybody);
	for (size_t i = 0; pools != NULL && i < pools->n && i < SCHED_POOLS_MAX; i++)
		walk_add(w, line_find(s, pools->ids[i]));
}

struct dest *line_walk_next(struct line_walk *w)
{
	struct dest *first = NULL;
	size_t at = 0;

	for (size_t i = 0; i < w->n; i++) {
		struct dest *d = list_entry(w->next[i], struct dest, turn);

		if (w->next[i] != &w->line[i]->dests &&
		    (first == NULL || d->since < first->since)) {
			first = d;
			at = i;
		}
	}
	if (first != NULL)
		w->next[at] = first->turn.next;
	return first;
}

/* ---- pools come and go ---- */

static bool is_one_of(uint64_t pool, const struct sched_pools *pools)
{
	for (size_t i = 0; i < pools->n; i++) {
		if (pools->ids[i] == pool)
			return true;
	}
	return pool == 0;
}

/* One that has no pool any more; NULL: there is none. */
static struct line *line_without(const struct sched *s, const struct sched_pools *pools)
{
	uint64_t cursor = 0;

	do {
		struct table_node *n = table_walk(&s->lines, &cursor);

		for (; n != NULL; n = n->next) {
			struct line *l = container_of(n, struct line, chain);

			if (!is_one_of(l->pool, pools))
				return l;
		}
	} while (cursor != 0);
	return NULL;
}

void sched_pools_are(struct sched *s, const struct sched_pools *pools)
{
	uint64_t cursor = 0;
	struct line *l;

	do {
		struct table_node *n = table_walk(&s->dests, &cursor);

		for (; n != NULL; n = n->next) {
			struct dest *d = container_of(n, struct dest, chain);

			if (!is_one_of(d->line->pool, pools))
				line_change(s, d, 0);
		}
	} while (cursor != 0);
	while ((l = line_without(s, pools)) != NULL)
		line_free(s, l);
}

void lines_init(struct sched *s)
{
	s->lines.hash = line_hash;
	s->everybody = line_make(s, 0);
}

void lines_fini(struct sched *s)
{
	uint64_t cursor = 0;

	while (s->lines.n != 0) {
		struct table_node *n = table_walk(&s->lines, &cursor);

		if (n != NULL) {
			line_free(s, container_of(n, struct line, chain));
			cursor = 0;
		}
	}
	table_fini(&s->lines, &s->tally);
}
