/*
 * sched_index: the two indexes that the scheduler is made of, both intrusive, both growing and
 * shrinking with what they hold: a 4-ary heap of pointers, and a chained hash table. They count
 * their steps (comparisons, links followed) and their bytes in a tally, so that a test can say what
 * an operation costs.
 */
#ifndef BACKEND_QUEUE_SCHED_INDEX_H
#define BACKEND_QUEUE_SCHED_INDEX_H

#include "common/base/base.h"

struct tally {
	uint64_t steps;
	size_t bytes; /* with malloc's own, so far as it can be known */
};

/* What malloc takes for n bytes: its header, and alignment. */
static inline size_t tally_size(size_t n)
{
	return (n + sizeof(size_t) + 15) & ~(size_t)15;
}

/* Zeroed memory, in the account; given back with the same size. */
void *tally_new(struct tally *t, size_t n);
#define tally_free(t, pp, n) ((t)->bytes -= tally_size(n), xfree(pp))

/* ---- heap ---- */

struct heap {
	void **v;
	uint32_t n, cap;
};

/* slot_at: offset of the element's uint32_t that holds its place (0: not in the heap). An order
 * key may change only while the element is out. */
struct heap_kind {
	size_t slot_at;
	bool (*before)(const void *a, const void *b);
};

/* An empty heap is zeroed. x must not be in it. */
void heap_put(struct heap *h, const struct heap_kind *k, struct tally *t, void *x);
/* Nothing happens when x is not in it. */
void heap_del(struct heap *h, const struct heap_kind *k, struct tally *t, void *x);
void heap_fini(struct heap *h, struct tally *t);

/* The first, or NULL. */
static inline void *heap_top(const struct heap *h)
{
	return h->n != 0 ? h->v[0] : NULL;
}

/* ---- table ---- */

struct table_node {
	struct table_node *next;
};

struct table {
	struct table_node **slots;
	size_t nslots, n; /* nslots: a power of two, or 0 */
	uint64_t (*hash)(struct table_node *x);
};

/* The chain in which elements of that hash are; the caller compares. */
struct table_node *table_chain(const struct table *tab, uint64_t hash);
void table_put(struct table *tab, struct tally *t, struct table_node *x);
/* x must be in it. */
void table_del(struct table *tab, struct tally *t, struct table_node *x);
void table_fini(struct table *tab, struct tally *t);
/* A walk, chain by chain, from *cursor = 0 until it is 0 again. Between two calls elements may
 * come and go and the table may change its size: what is there all the time is seen, and what is
 * seen twice has been moved by a change of size. */
struct table_node *table_walk(const struct table *tab, uint64_t *cursor);

#endif
