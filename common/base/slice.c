#include "common/base/slice.h"

bool slice_ieq(slice_t a, slice_t b)
{
	if (a.n != b.n)
		return false;
	for (size_t i = 0; i < a.n; i++) {
		if (ascii_lower(a.p[i]) != ascii_lower(b.p[i]))
			return false;
	}
	return true;
}

bool slice_starts(slice_t s, slice_t prefix)
{
	return s.n >= prefix.n && slice_eq(slice_sub(s, 0, prefix.n), prefix);
}

bool slice_istarts(slice_t s, slice_t prefix)
{
	return s.n >= prefix.n && slice_ieq(slice_sub(s, 0, prefix.n), prefix);
}

bool slice_ends(slice_t s, slice_t suffix)
{
	return s.n >= suffix.n && slice_eq(slice_from(s, s.n - suffix.n), suffix);
}

int slice_cmp(slice_t a, slice_t b)
{
	size_t n = MIN(a.n, b.n);
	int c = n != 0 ? memcmp(a.p, b.p, n) : 0;

	if (c != 0)
		return c;
	return a.n < b.n ? -1 : a.n > b.n;
}

size_t slice_find_char(slice_t s, char c)
{
	const char *hit = s.n != 0 ? memchr(s.p, c, s.n) : NULL;

	return hit != NULL ? (size_t)(hit - s.p) : s.n;
}

size_t slice_count_char(slice_t s, char c)
{
	enum { STRIDE = 64 };
	size_t n = 0, i = 0;

	/* A stride's count fits a byte: the compiler takes it by whole registers. */
	for (; s.n - i >= STRIDE; i += STRIDE) {
		unsigned char some = 0;

		for (size_t k = 0; k < STRIDE; k++)
			some = (unsigned char)(some + (s.p[i + k] == c));
		n += some;
	}
	for (; i < s.n; i++)
		n += s.p[i] == c;
	return n;
}

size_t slice_find(slice_t s, slice_t what)
{
	const char *hit = s.n != 0 && what.n != 0 ? memmem(s.p, s.n, what.p, what.n) : NULL;

	if (what.n == 0)
		return 0;
	return hit != NULL ? (size_t)(hit - s.p) : s.n;
}

static bool is_blank(char c)
{
	return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

slice_t slice_trim(slice_t s)
{
	while (s.n != 0 && is_blank(s.p[0]))
		s = slice_from(s, 1);
	while (s.n != 0 && is_blank(s.p[s.n - 1]))
		s.n--;
	return s;
}

bool slice_to_str(slice_t s, char *dst, size_t size)
{
	invariant(size > 0);
	dst[0] = '\0';
	if (s.n >= size || (s.n != 0 && memchr(s.p, '\0', s.n) != NULL))
		return false;
	if (s.n != 0)
		memcpy(dst, s.p, s.n);
	dst[s.n] = '\0';
	return true;
}
