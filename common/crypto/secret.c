#include "common/crypto/secret.h"

#include <sys/mman.h>
#include <unistd.h>

#include <sodium.h>

#include "common/base/asan.h"

/* Whole pages, so that they can be kept out of core dumps without hiding a neighbour. */
static size_t pages_for(size_t n)
{
	size_t page = (size_t)sysconf(_SC_PAGESIZE);

	return (n + page - 1) / page * page;
}

bool secret_set(struct secret *s, slice_t bytes)
{
	size_t room = pages_for(bytes.n);
	char *p;

	if (bytes.n > SECRET_MAX) {
		secret_clear(s);
		return false;
	}
	if (bytes.n == 0) {
		secret_clear(s);
		return true;
	}
	/* bytes may be a part of what s holds: copied before that is wiped. */
	p = mmap(NULL, room, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	invariant(p != MAP_FAILED);
	invariant(madvise(p, room, MADV_DONTDUMP) == 0);
	memcpy(p, bytes.p, bytes.n);
	secret_clear(s);
	*s = (struct secret){p, bytes.n};
	return true;
}

void secret_clear(struct secret *s)
{
	if (s->p != NULL) {
		secret_wipe(s->p, s->n);
		invariant(munmap(s->p, pages_for(s->n)) == 0);
	}
	*s = SECRET_NONE;
}

void secret_wipe(void *p, size_t n)
{
	sodium_memzero(p, n);
}

void secret_wipe_buf(struct buf *b)
{
	if (b->p != NULL) {
		asan_unpoison(b->p, b->cap); /* what was dropped is wiped, too */
		secret_wipe(b->p, b->cap);
	}
	buf_reset(b);
}

bool secret_eq(slice_t a, slice_t b)
{
	if (a.n != b.n)
		return false;
	return a.n == 0 || sodium_memcmp(a.p, b.p, a.n) == 0;
}
