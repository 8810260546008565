#include "backend/queue/sched_index.h"

#define CHILDREN    4 /* of a node: they share a cache line half */
#define TABLE_FIRST 16

void *tally_new(struct tally *t, size_t n)
{
	t->bytes += tally_size(n);
	return xcalloc(1, n);
}

/* ---- heap ---- */

static uint32_t *slot_of(const struct heap_kind *k, void *x)
{
	return (uint32_t *)(void *)((char *)x + k->slot_at);
}

static void heap_resize(struct heap *h, struct tally *t, uint32_t cap)
{
	if (h->cap != 0)
		t->bytes -= tally_size(h->cap * sizeof *h->v);
	h->cap = cap;
	if (cap == 0) {
		xfree(&h->v);
		return;
	}
	t->bytes += tally_size(cap * sizeof *h->v);
	h->v = xrealloc(h->v, cap * sizeof *h->v);
}

static void place(struct heap *h, const struct heap_kind *k, uint32_t i, void *x)
{
	h->v[i] = x;
	*slot_of(k, x) = i + 1;
}

/* True when x moved. */
static bool sift_up(struct heap *h, const struct heap_kind *k, struct tally *t, uint32_t i, void *x)
{
	uint32_t from = i;

	while (i > 0) {
		uint32_t parent = (i - 1) / CHILDREN;

		t->steps++;
		if (!k->before(x, h->v[parent]))
			break;
		place(h, k, i, h->v[parent]);
		i = parent;
	}
	place(h, k, i, x);
	return i != from;
}

static void sift_down(struct heap *h, const struct heap_kind *k, struct tally *t, uint32_t i,
		      void *x)
{
	for (;;) {
		uint32_t first = i * CHILDREN + 1;
		uint32_t end = MIN(first + CHILDREN, h->n);
		uint32_t least = first;

		if (first >= h->n)
			break;
		for (uint32_t c = first + 1; c < end; c++)
			if (k->before(h->v[c], h->v[least]))
				least = c;
		t->steps += end - first;
		if (!k->before(h->v[least], x))
			break;
		place(h, k, i, h->v[least]);
		i = least;
	}
	place(h, k, i, x);
}

void heap_put(struct heap *h, const struct heap_kind *k, struct tally *t, void *x)
{
	invariant(*slot_of(k, x) == 0);
	if (h->n == h->cap)
		heap_resize(h, t, h->cap != 0 ? h->cap * 2 : 1);
	h->n++;
	sift_up(h, k, t, h->n - 1, x);
}

void heap_del(struct heap *h, const struct heap_kind *k, struct tally *t, void *x)
{
	uint32_t i = *slot_of(k, x);
	void *last;

	if (i == 0)
		return;
	i--;
	invariant(i < h->n && h->v[i] == x);
	*slot_of(k, x) = 0;
	last = h->v[--h->n];
	if (i < h->n && !sift_up(h, k, t, i, last))
		sift_down(h, k, t, i, last);
	if (h->n <= h->cap / 4)
		heap_resize(h, t, h->n == 0 ? 0 : h->cap / 2);
}

void heap_fini(struct heap *h, struct tally *t)
{
	h->n = 0;
	heap_resize(h, t, 0);
}

/* ---- table ---- */

struct table_node *table_chain(const struct table *tab, uint64_t hash)
{
	return tab->nslots != 0 ? tab->slots[hash & (tab->nslots - 1)] : NULL;
}

static void table_resize(struct table *tab, struct tally *t, size_t nslots)
{
	struct table_node **slots = nslots != 0 ? tally_new(t, nslots * sizeof *slots) : NULL;

	for (size_t i = 0; i < tab->nslots; i++) {
		while (tab->slots[i] != NULL) {
			struct table_node *x = tab->slots[i];
			struct table_node **to = &slots[tab->hash(x) & (nslots - 1)];

			tab->slots[i] = x->next;
			x->next = *to;
			*to = x;
			t->steps++;
		}
	}
	if (tab->nslots != 0)
		tally_free(t, &tab->slots, tab->nslots * sizeof *slots);
	tab->slots = slots;
	tab->nslots = nslots;
}

void table_put(struct table *tab, struct tally *t, struct table_node *x)
{
	struct table_node **to;

	if (tab->n == tab->nslots)
		table_resize(tab, t, tab->nslots != 0 ? tab->nslots * 2 : TABLE_FIRST);
	to = &tab->slots[tab->hash(x) & (tab->nslots - 1)];
	x->next = *to;
	*to = x;
	tab->n++;
}

void table_del(struct table *tab, struct tally *t, struct table_node *x)
{
	struct table_node **at = &tab->slots[tab->hash(x) & (tab->nslots - 1)];

	while (*at != x) {
		invariant(*at != NULL);
		at = &(*at)->next;
		t->steps++;
	}
	*at = x->next;
	x->next = NULL;
	tab->n--;
	if (tab->nslots > TABLE_FIRST && tab->n <= tab->nslots / 4)
		table_resize(tab, t, tab->nslots / 2);
}

void table_fini(struct table *tab, struct tally *t)
{
	invariant(tab->n == 0);
	table_resize(tab, t, 0);
}

static uint64_t reversed(uint64_t v)
{
	uint64_t r = 0;

	for (unsigned i = 0; i < 64; i++, v >>= 1)
		r = r << 1 | (v & 1);
	return r;
}

/* The cursor counts with its bits in reverse order: a table that doubles splits each chain into
 * two that are neighbours in that order, so what was walked stays walked. */
struct table_node *table_walk(const struct table *tab, uint64_t *cursor)
{
	uint64_t mask = tab->nslots - 1;
	struct table_node *chain;

	if (tab->nslots == 0) {
		*cursor = 0;
		return NULL;
	}
	chain = tab->slots[*cursor & mask];
	*cursor = reversed(reversed(*cursor | ~mask) + 1);
	return chain;
}
