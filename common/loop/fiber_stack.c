/*
 * Stacks, each between a guard page and the next mapping. struct fiber lies at the top of its own
 * stack: an idle fiber touches two or three pages and nothing else. How many there may be depends
 * on the kernel, which counts mappings.
 */
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#include "common/loop/fiber_priv.h"

#define STACKS_KEPT 128 /* unused stacks a loop keeps for the next fibers */

/* Mappings left for everything else: thread stacks, large allocations, libraries, the store's
 * files. */
#define MAPPINGS_RESERVE 4096
#define MAPPINGS_DEFAULT 65530 /* the kernel's own default, when /proc may not be read */
#define CAPACITY_LEAST   64

static atomic_uint stacks; /* mapped, in use or not */
static atomic_uint limit;  /* by fiber_capacity_limit(); 0: none */
static unsigned capacity;  /* what the kernel grants */

/* ---- capacity ---- */

static long read_max_map_count(void)
{
	FILE *f = fopen("/proc/sys/vm/max_map_count", "re");
	char text[32];
	long n = MAPPINGS_DEFAULT;

	if (f == NULL)
		return n;
	if (fgets(text, sizeof text, f) != NULL)
		n = strtol(text, NULL, 10);
	fclose(f);
	return n;
}

static long count_mappings(void)
{
	FILE *f = fopen("/proc/self/maps", "re");
	long n = 0;
	int c;

	if (f == NULL)
		return 0;
	while ((c = getc(f)) != EOF)
		n += c == '\n';
	fclose(f);
	return n;
}

static void learn_capacity(void)
{
	long n = (read_max_map_count() - count_mappings() - MAPPINGS_RESERVE) / 2;

	n = MIN(n, FIBER_MAX);
	capacity = (unsigned)MAX(n, CAPACITY_LEAST);
}

void fiber_learn_capacity(void)
{
	static pthread_once_t once = PTHREAD_ONCE_INIT;

	pthread_once(&once, learn_capacity);
}

unsigned fiber_capacity(void)
{
	unsigned max = atomic_load_explicit(&limit, memory_order_relaxed);

	fiber_learn_capacity();
	return max != 0 && max < capacity ? max : capacity;
}

void fiber_capacity_limit(unsigned max)
{
	atomic_store_explicit(&limit, max, memory_order_relaxed);
}

/* ---- stacks ---- */

static size_t page_size(void)
{
	return (size_t)sysconf(_SC_PAGESIZE);
}

static struct fiber *stack_map(struct loop *l)
{
	size_t page = page_size();
	size_t top = (STACK_BYTES - sizeof(struct fiber)) & ~(size_t)63;
	struct fiber *f;
	char *p;

	if (atomic_fetch_add(&stacks, 1) >= fiber_capacity())
		goto refused;
	p = mmap(NULL, page + STACK_BYTES, PROT_NONE,
		 MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_STACK, -1, 0);
	if (p == MAP_FAILED)
		goto refused;
	if (mprotect(p + page, STACK_BYTES, PROT_READ | PROT_WRITE) != 0) {
		munmap(p, page + STACK_BYTES);
		goto refused;
	}
	f = (struct fiber *)(void *)(p + page + top);
	f->low = p + page;
	f->loop = l;
	list_init(&f->ready);
	list_init(&f->all);
	list_init(&f->sibling);
	list_init(&f->queued);
#ifdef WITH_TSAN
	f->tsan = __tsan_create_fiber(0);
#endif
	return f;
refused:
	atomic_fetch_sub(&stacks, 1);
	return NULL;
}

static void stack_unmap(struct fiber *f)
{
	size_t page = page_size();

#ifdef WITH_TSAN
	__tsan_destroy_fiber(f->tsan);
#endif
	munmap(f->low - page, page + STACK_BYTES);
	atomic_fetch_sub(&stacks, 1);
}

struct fiber *fiber_stack_get(struct loop *l)
{
	struct list *n = list_pop(&l->stacks);

	if (n == NULL)
		return stack_map(l);
	l->stacks_n--;
	return list_entry(n, struct fiber, ready);
}

void fiber_stack_put(struct fiber *f)
{
	struct loop *l = f->loop;

	f->magic = 0;
	if (l->stacks_n >= STACKS_KEPT) {
		stack_unmap(f);
		return;
	}
	list_prepend(&l->stacks, &f->ready);
	l->stacks_n++;
}

void fiber_drop_stacks(struct loop *l)
{
	struct list *n;

	while ((n = list_pop(&l->stacks)) != NULL)
		stack_unmap(list_entry(n, struct fiber, ready));
	l->stacks_n = 0;
}

/* ---- of the running fiber ---- */

static const struct fiber *running(void)
{
	const struct fiber *f = fiber_self();

	invariant(f != NULL);
	return f;
}

void fiber_trim_stack(void)
{
	const struct fiber *f = running();
	size_t page = page_size();
	char *here = (char *)__builtin_frame_address(0);
	/* A page of slack: the red zone and the frames of the calls below. */
	size_t unused = ((size_t)(here - f->low) & ~(page - 1));

	if (unused > page)
		madvise(f->low, unused - page, MADV_DONTNEED);
}

size_t fiber_stack_peak(void)
{
	const struct fiber *f = running();
	size_t page = page_size();
	unsigned char in_memory;

	for (char *p = f->low; p < f->low + STACK_BYTES; p += page)
		if (mincore(p, page, &in_memory) == 0 && (in_memory & 1) != 0)
			return (size_t)(f->low + STACK_BYTES - p);
	return 0;
}
