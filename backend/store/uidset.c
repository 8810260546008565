#include "backend/store/uidset.h"

void uidset_init(struct uidset *s)
{
	*s = (struct uidset){NULL, 0, 0};
}

void uidset_fini(struct uidset *s)
{
	xfree(&s->v);
	s->n = s->cap = 0;
}

size_t uidset_memory(const struct uidset *s)
{
	return s->cap * sizeof(*s->v);
}

void uidset_reset(struct uidset *s)
{
	s->n = 0;
}

size_t uid_ranges_find(const struct uid_range *v, size_t n, uint32_t uid)
{
	size_t lo = 0, hi = n;

	while (lo < hi) {
		size_t mid = lo + (hi - lo) / 2;

		if (v[mid].last < uid)
			lo = mid + 1;
		else
			hi = mid;
	}
	return lo;
}

/* Replaces ranges [at, at + gone) by `count` new ones. */
static void uidset_splice(struct uidset *s, size_t at, size_t gone, const struct uid_range *put,
			  size_t count)
{
	if (s->n - gone + count > s->cap) {
		s->cap = MAX(s->cap * 2, (size_t)16);
		s->v = xrealloc(s->v, s->cap * sizeof(*s->v));
	}
	memmove(s->v + at + count, s->v + at + gone, (s->n - at - gone) * sizeof(*s->v));
	for (size_t i = 0; i < count; i++)
		s->v[at + i] = put[i];
	s->n = s->n - gone + count;
}

void uidset_add(struct uidset *s, uint32_t first, uint32_t last)
{
	struct uid_range r = {first, last};
	size_t at, end;

	if (s->n > 0 && s->v[s->n - 1].last < first - 1) {
		uidset_splice(s, s->n, 0, &r, 1);
		return;
	}
	at = uid_ranges_find(s->v, s->n, first > 1 ? first - 1 : 1);
	for (end = at; end < s->n && (last == UINT32_MAX || s->v[end].first <= last + 1); end++) {
		r.first = MIN(r.first, s->v[end].first);
		r.last = MAX(r.last, s->v[end].last);
	}
	uidset_splice(s, at, end - at, &r, 1);
}

void uidset_remove(struct uidset *s, uint32_t first, uint32_t last)
{
	size_t at = uid_ranges_find(s->v, s->n, first), end = at, count = 0;
	struct uid_range left[2];

	while (end < s->n && s->v[end].first <= last)
		end++;
	if (end == at)
		return;
	if (s->v[at].first < first)
		left[count++] = (struct uid_range){s->v[at].first, first - 1};
	if (s->v[end - 1].last > last)
		left[count++] = (struct uid_range){last + 1, s->v[end - 1].last};
	uidset_splice(s, at, end - at, left, count);
}

bool uidset_has(const struct uidset *s, uint32_t uid)
{
	size_t at = uid_ranges_find(s->v, s->n, uid);

	return at < s->n && s->v[at].first <= uid;
}

uint64_t uidset_count(const struct uidset *s)
{
	uint64_t n = 0;

	for (size_t i = 0; i < s->n; i++)
		n += (uint64_t)s->v[i].last - s->v[i].first + 1;
	return n;
}

bool uid_ranges_valid(const struct uid_range *v, size_t n)
{
	uint32_t last = 0;

	for (size_t i = 0; i < n; i++) {
		if (v[i].first == 0 || v[i].last < v[i].first)
			return false;
		if (i > 0 && (last == UINT32_MAX || v[i].first <= last + 1))
			return false;
		last = v[i].last;
	}
	return true;
}
