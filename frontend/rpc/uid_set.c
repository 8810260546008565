#include "frontend/rpc/uid_set.h"

void uid_set_init(struct uid_set *s, struct budget *budget)
{
	buf_init(&s->b, UID_SET_RANGES_MAX * sizeof(struct uid_range), budget);
}

void uid_set_fini(struct uid_set *s)
{
	buf_fini(&s->b);
}

void uid_set_reset(struct uid_set *s)
{
	buf_reset(&s->b);
}

void uid_set_swap(struct uid_set *a, struct uid_set *b)
{
	struct uid_set t = *a;

	*a = *b;
	*b = t;
}

static struct uid_range *ranges(struct uid_set *s)
{
	return (struct uid_range *)(void *)s->b.p;
}

size_t uid_set_find(const struct uid_range *r, size_t n, uint32_t uid)
{
	size_t lo = 0, hi = n;

	while (lo < hi) {
		size_t mid = lo + (hi - lo) / 2;

		if (r[mid].last < uid)
			lo = mid + 1;
		else
			hi = mid;
	}
	return lo;
}

bool uid_set_has(const struct uid_set *s, uint32_t uid)
{
	size_t n = uid_set_n(s), i = uid_set_find(uid_set_ranges(s), n, uid);

	return i < n && uid_set_ranges(s)[i].first <= uid;
}

uint64_t uid_set_count(const struct uid_set *s)
{
	uint64_t sum = 0;

	for (size_t i = 0; i < uid_set_n(s); i++)
		sum += (uint64_t)uid_set_ranges(s)[i].last - uid_set_ranges(s)[i].first + 1;
	return sum;
}

static enum err insert_at(struct uid_set *s, size_t i, struct uid_range add)
{
	size_t n = uid_set_n(s);
	struct uid_range *r;

	if (buf_reserve(&s->b, sizeof add) == NULL) {
		s->b.failed = false;
		return E_LIMIT;
	}
	buf_commit(&s->b, sizeof add);
	r = ranges(s);
	memmove(r + i + 1, r + i, (n - i) * sizeof *r);
	r[i] = add;
	return E_OK;
}

enum err uid_set_add(struct uid_set *s, uint32_t first, uint32_t last)
{
	struct uid_range *r = ranges(s);
	size_t n = uid_set_n(s), i, j;

	invariant(first <= last);
	/* The first range that touches or follows: ends at first - 1 or later. */
	i = n;
	if (n != 0 && (first == 0 || r[n - 1].last >= first - 1))
		i = uid_set_find(r, n, first != 0 ? first - 1 : 0);
	if (i == n || (last != UINT32_MAX && r[i].first > last + 1))
		return insert_at(s, i, (struct uid_range){first, last});
	for (j = i; j < n && (last == UINT32_MAX || r[j].first <= last + 1); j++) {
		first = MIN(first, r[j].first);
		last = MAX(last, r[j].last);
	}
	r[i] = (struct uid_range){first, last};
	memmove(r + i + 1, r + j, (n - j) * sizeof *r);
	s->b.n -= (j - i - 1) * sizeof *r;
	return E_OK;
}
