#include "common/base/arena.h"

#include <stdalign.h>
#include <stdlib.h>

#include "common/base/asan.h"

#define ARENA_CHUNK     2048        /* the first: an idle session should cost little */
#define ARENA_CHUNK_MAX (64 * 1024) /* later ones double up to here: few calls for much data */

struct arena_chunk {
	struct arena_chunk *next;
	size_t size; /* payload bytes */
	alignas(max_align_t) char data[];
};

void arena_init(struct arena *a, struct budget *budget)
{
	*a = (struct arena){.budget = budget};
}

void arena_reset(struct arena *a)
{
	while (a->head != NULL) {
		struct arena_chunk *c = a->head;

		a->head = c->next;
		budget_give(a->budget, c->size);
		xfree(&c);
	}
	a->left = 0;
}

void arena_wipe(struct arena *a)
{
	for (struct arena_chunk *c = a->head; c != NULL; c = c->next) {
		asan_unpoison(c->data, c->size);
		explicit_bzero(c->data, c->size);
	}
	arena_reset(a);
}

/* n bytes, which take `need` of the chunk. What nobody has asked for stays poisoned. */
static void *arena_bump(struct arena *a, size_t n, size_t need)
{
	char *p = a->head->data + (a->head->size - a->left);

	a->left -= need;
	asan_unpoison(p, n);
	return p;
}

static size_t arena_chunk_size(const struct arena *a, size_t need)
{
	size_t size = a->head != NULL ? MIN(2 * a->head->size, (size_t)ARENA_CHUNK_MAX)
				      : (size_t)ARENA_CHUNK;

	return MAX(need, size);
}

static void arena_grow(struct arena *a, size_t size)
{
	struct arena_chunk *c = xmalloc(sizeof *c + size);

	asan_poison(c->data, size);
	c->size = size;
	c->next = a->head;
	a->head = c;
	a->left = size;
}

static size_t arena_round(size_t n)
{
	size_t unit = alignof(max_align_t);

	invariant(n <= SIZE_MAX / 2);
	return (n + unit - 1) / unit * unit;
}

static char *try_room(struct arena *a, size_t n)
{
	size_t need;

	if (n > SIZE_MAX / 4)
		return NULL;
	need = arena_round(n);
	if (a->head == NULL || need > a->left) {
		size_t size = arena_chunk_size(a, need);

		/* Near the end of a budget, what is asked for and no more. */
		if (!budget_take(a->budget, size)) {
			size = need;
			if (!budget_take(a->budget, size))
				return NULL;
		}
		arena_grow(a, size);
	}
	return arena_bump(a, n, need);
}

void *arena_try(struct arena *a, size_t n)
{
	char *p = try_room(a, n);

	return p != NULL ? memset(p, 0, n) : NULL;
}

char *arena_room(struct arena *a, size_t n)
{
	size_t need = arena_round(n);

	if (a->head == NULL || need > a->left) {
		size_t size = arena_chunk_size(a, need);

		budget_force(a->budget, size);
		arena_grow(a, size);
	}
	return arena_bump(a, n, need);
}

void *arena_alloc(struct arena *a, size_t n)
{
	return memset(arena_room(a, n), 0, n);
}

static char *put_str(char *p, slice_t s)
{
	if (s.n != 0)
		memcpy(p, s.p, s.n);
	p[s.n] = '\0';
	return p;
}

char *arena_str(struct arena *a, slice_t s)
{
	return put_str(arena_room(a, s.n + 1), s);
}

slice_t arena_dup(struct arena *a, slice_t s)
{
	return slice(arena_str(a, s), s.n);
}

bool arena_try_dup(struct arena *a, slice_t s, slice_t *out)
{
	char *p = try_room(a, s.n + 1);

	if (p == NULL)
		return false;
	*out = slice(put_str(p, s), s.n);
	return true;
}
