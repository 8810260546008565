#include "common/base/fold.h"

#include "common/base/fold_priv.h"
#include "common/base/utf8.h"

static uint32_t fold_one(uint32_t cp)
{
	size_t lo = 0, hi = fold_nruns;

	while (lo < hi) {
		size_t mid = lo + (hi - lo) / 2;

		if (fold_runs[mid].last < cp)
			lo = mid + 1;
		else
			hi = mid;
	}
	if (lo == fold_nruns || cp < fold_runs[lo].first ||
	    (cp - fold_runs[lo].first) % fold_runs[lo].stride != 0)
		return cp;
	return (uint32_t)((int64_t)cp + fold_runs[lo].delta);
}

static const struct fold_full *find_full(uint32_t cp)
{
	size_t lo = 0, hi = fold_nfulls;

	while (lo < hi) {
		size_t mid = lo + (hi - lo) / 2;

		if (fold_fulls[mid].cp < cp)
			lo = mid + 1;
		else
			hi = mid;
	}
	return lo < fold_nfulls && fold_fulls[lo].cp == cp ? &fold_fulls[lo] : NULL;
}

static void put_folded(struct buf *out, uint32_t cp)
{
	const struct fold_full *f = find_full(cp);

	if (f == NULL) {
		utf8_put(out, fold_one(cp));
		return;
	}
	for (size_t i = 0; i < ARRAY_LEN(f->to) && f->to[i] != 0; i++)
		utf8_put(out, f->to[i]);
}

void utf8_fold(struct buf *out, slice_t s)
{
	while (s.n != 0) {
		uint32_t cp;
		size_t n = 0;

		/* ASCII, and there is mostly nothing else, in one go. */
		while (n < s.n && (unsigned char)s.p[n] < 0x80)
			n++;
		if (n != 0) {
			char *to = buf_reserve(out, n);

			if (to == NULL)
				return;
			for (size_t i = 0; i < n; i++)
				to[i] = ascii_lower(s.p[i]);
			buf_commit(out, n);
			s = slice_from(s, n);
			continue;
		}
		n = utf8_decode(s, &cp);
		if (n == 0) {
			n = 1;
			cp = 0xFFFD;
		}
		put_folded(out, cp);
		s = slice_from(s, n);
	}
}
