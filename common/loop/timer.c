/*
 * A 4-ary heap: shallower than a binary one, and a node's children share a cache line. Sessions
 * mostly arm deadlines later than all others and disarm them before they pass, so a push stays
 * near the bottom and costs a comparison or two.
 */
#include "common/loop/timer.h"

#include "common/base/clock.h"
#include "common/loop/loop_priv.h"

#define HEAP_FIRST 64
#define CHILDREN   4

static void place(struct loop *l, size_t i, struct heap_slot s)
{
	l->heap[i] = s;
	s.t->slot = i + 1;
}

static void sift_up(struct loop *l, size_t i, struct heap_slot s)
{
	while (i > 0) {
		size_t parent = (i - 1) / CHILDREN;

		if (l->heap[parent].at_ms <= s.at_ms)
			break;
		place(l, i, l->heap[parent]);
		i = parent;
	}
	place(l, i, s);
}

static void sift_down(struct loop *l, size_t i, struct heap_slot s)
{
	for (;;) {
		size_t first = i * CHILDREN + 1;
		size_t end = MIN(first + CHILDREN, l->heap_n);
		size_t least = first;

		if (first >= l->heap_n)
			break;
		for (size_t c = first + 1; c < end; c++)
			if (l->heap[c].at_ms < l->heap[least].at_ms)
				least = c;
		if (l->heap[least].at_ms >= s.at_ms)
			break;
		place(l, i, l->heap[least]);
		i = least;
	}
	place(l, i, s);
}

static void settle(struct loop *l, size_t i, struct heap_slot s)
{
	if (i > 0 && l->heap[(i - 1) / CHILDREN].at_ms > s.at_ms)
		sift_up(l, i, s);
	else
		sift_down(l, i, s);
}

void timer_init(struct timer *t, void (*fn)(struct timer *))
{
	*t = (struct timer){.fn = fn};
}

void timer_set(struct timer *t, int64_t at_ms)
{
	struct loop *l = loop_current();

	if (at_ms == NO_DEADLINE) {
		timer_clear(t);
		return;
	}
	if (t->slot != 0) {
		invariant(l->heap[t->slot - 1].t == t);
		settle(l, t->slot - 1, (struct heap_slot){at_ms, t});
		return;
	}
	if (l->heap_n == l->heap_cap) {
		l->heap_cap = l->heap_cap != 0 ? l->heap_cap * 2 : HEAP_FIRST;
		l->heap = xrealloc(l->heap, l->heap_cap * sizeof *l->heap);
	}
	sift_up(l, l->heap_n++, (struct heap_slot){at_ms, t});
}

void timer_clear(struct timer *t)
{
	struct loop *l;
	struct heap_slot last;
	size_t i;

	if (t->slot == 0)
		return;
	l = loop_current();
	i = t->slot - 1;
	invariant(i < l->heap_n && l->heap[i].t == t);
	t->slot = 0;
	last = l->heap[--l->heap_n];
	if (i < l->heap_n)
		settle(l, i, last);
}

void timer_run_due(struct loop *l)
{
	int64_t now = clock_mono_ms();

	while (l->heap_n > 0 && l->heap[0].at_ms <= now) {
		struct timer *t = l->heap[0].t;

		timer_clear(t);
		t->fn(t);
	}
}

int64_t timer_next(const struct loop *l)
{
	return l->heap_n > 0 ? l->heap[0].at_ms : NO_DEADLINE;
}
