#include "common/base/buf.h"

#include <stdio.h>
#include <stdlib.h>

#include "common/base/asan.h"

#define BUF_FIRST 256

void buf_init(struct buf *b, size_t max, struct budget *budget)
{
	*b = (struct buf){.max = max, .budget = budget};
}

void buf_fini(struct buf *b)
{
	budget_give(b->budget, b->cap);
	xfree(&b->p);
	*b = (struct buf){.max = b->max, .budget = b->budget};
}

/* n bytes are in use from now on; what lies behind them is nobody's. */
static void set_used(struct buf *b, size_t n)
{
	b->n = n;
	if (b->cap != 0)
		asan_poison(b->p + n, b->cap - n);
}

/* Other bytes will stand where slices of b may point to: where that is looked for, they stand at
 * another place. The first n are kept. */
static void renew(struct buf *b, size_t n)
{
	char *p;

	if (!ASAN_BUILD || b->cap == 0)
		return;
	p = xmalloc(b->cap);
	memcpy(p, b->p, n);
	xfree(&b->p);
	b->p = p;
}

void buf_reset(struct buf *b)
{
	renew(b, 0);
	set_used(b, 0);
	b->failed = false;
}

void buf_trim(struct buf *b)
{
	if (b->n == 0 && b->cap != 0) {
		bool failed = b->failed;

		buf_fini(b);
		b->failed = failed;
	}
}

static bool buf_grow(struct buf *b, size_t more)
{
	size_t cap = b->cap != 0 ? b->cap : BUF_FIRST;

	if (more > b->max || b->n > b->max - more)
		return false;
	while (cap < b->n + more)
		cap *= 2;
	if (cap > b->max)
		cap = b->max;
	if (!budget_take(b->budget, cap - b->cap))
		return false;
	b->p = xrealloc(b->p, cap);
	b->cap = cap;
	return true;
}

bool buf_expect(struct buf *b, size_t n)
{
	return n <= b->cap - b->n || buf_grow(b, n);
}

char *buf_reserve(struct buf *b, size_t n)
{
	if (b->failed)
		return NULL;
	if (!buf_expect(b, n)) {
		b->failed = true;
		return NULL;
	}
	if (n != 0)
		asan_unpoison(b->p + b->n, n);
	return b->p + b->n;
}

void buf_commit(struct buf *b, size_t n)
{
	invariant(n <= b->cap - b->n);
	set_used(b, b->n + n);
}

void buf_put(struct buf *b, slice_t s)
{
	char *to;

	if (s.n == 0)
		return;
	to = buf_reserve(b, s.n);
	if (to != NULL) {
		memcpy(to, s.p, s.n);
		set_used(b, b->n + s.n);
	}
}

void buf_putc(struct buf *b, char c)
{
	char *to = buf_reserve(b, 1);

	if (to != NULL) {
		*to = c;
		set_used(b, b->n + 1);
	}
}

void buf_puts(struct buf *b, const char *s)
{
	buf_put(b, slice_str(s));
}

void buf_put_u64(struct buf *b, uint64_t v)
{
	char digits[20];
	size_t i = sizeof digits;

	do {
		digits[--i] = (char)('0' + v % 10);
		v /= 10;
	} while (v != 0);
	buf_put(b, slice(digits + i, sizeof digits - i));
}

void buf_vprintf(struct buf *b, const char *fmt, va_list ap)
{
	va_list again;
	char small[256];
	int n;

	va_copy(again, ap);
	n = vsnprintf(small, sizeof small, fmt, ap);
	invariant(n >= 0);
	if ((size_t)n < sizeof small) {
		buf_put(b, slice(small, (size_t)n));
	} else {
		char *to = buf_reserve(b, (size_t)n + 1);

		if (to != NULL) {
			vsnprintf(to, (size_t)n + 1, fmt, again);
			set_used(b, b->n + (size_t)n);
		}
	}
	va_end(again);
}

void buf_printf(struct buf *b, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	buf_vprintf(b, fmt, ap);
	va_end(ap);
}

void buf_drop(struct buf *b, size_t n)
{
	invariant(n <= b->n);
	if (n != 0 && b->n != n)
		memmove(b->p, b->p + n, b->n - n);
	renew(b, b->n - n);
	set_used(b, b->n - n);
}
