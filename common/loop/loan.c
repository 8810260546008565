#include "common/loop/loan.h"

#ifdef WITH_ASAN

#include <stdalign.h>

/* Of loan_slice(). */
struct loan_copy {
	struct loan loan;
	alignas(max_align_t) char bytes[];
};

/* A thread has one loop at most. */
static struct list *loans(void)
{
	static _Thread_local struct list head;

	if (head.next == NULL)
		list_init(&head);
	return &head;
}

void loan_init(struct loan *l, void (*over)(struct loan *l))
{
	list_init(&l->node);
	l->over = over;
}

void loan_begin(struct loan *l)
{
	if (list_empty(&l->node))
		list_append(loans(), &l->node);
}

void loan_fini(struct loan *l)
{
	list_remove(&l->node);
}

void loans_over(void)
{
	struct list *n;

	while ((n = list_pop(loans())) != NULL) {
		struct loan *l = list_entry(n, struct loan, node);

		l->over(l);
	}
}

static void copy_over(struct loan *l)
{
	struct loan_copy *c = container_of(l, struct loan_copy, loan);

	xfree(&c);
}

slice_t loan_slice(slice_t s)
{
	struct loan_copy *c;

	if (s.p == NULL)
		return s;
	c = xmalloc(sizeof *c + s.n);
	loan_init(&c->loan, copy_over);
	if (s.n != 0)
		memcpy(c->bytes, s.p, s.n);
	loan_begin(&c->loan);
	return slice(c->bytes, s.n);
}

const char *loan_str(const char *s)
{
	return s != NULL ? loan_slice(slice(s, strlen(s) + 1)).p : NULL;
}

#endif
