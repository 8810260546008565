#include "common/base/budget.h"

void budget_init(struct budget *b, size_t max, struct budget *parent)
{
	*b = (struct budget){.parent = parent, .max = max};
}

void budget_fini(struct budget *b)
{
	invariant(b->used == 0);
}

bool budget_take(struct budget *b, size_t n)
{
	for (struct budget *i = b; i != NULL; i = i->parent) {
		if (n > i->max || i->used > i->max - n)
			return false;
	}
	budget_force(b, n);
	return true;
}

void budget_force(struct budget *b, size_t n)
{
	for (; b != NULL; b = b->parent) {
		b->used += n;
		if (b->used > b->peak)
			b->peak = b->used;
	}
}

void budget_give(struct budget *b, size_t n)
{
	for (; b != NULL; b = b->parent) {
		invariant(b->used >= n);
		b->used -= n;
	}
}
