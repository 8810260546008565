#include "frontend/imap/imap_view.h"

struct view_run {
	uint32_t first, last; /* UIDs, without a gap */
	uint32_t before;      /* messages in the runs before */
};

void imap_view_init(struct imap_view *v, struct budget *budget)
{
	v->count = 0;
	buf_init(&v->runs, UID_SET_RANGES_MAX * sizeof(struct view_run), budget);
}

void imap_view_fini(struct imap_view *v)
{
	buf_fini(&v->runs);
	v->count = 0;
}

static struct view_run *runs(const struct imap_view *v)
{
	return (struct view_run *)(void *)v->runs.p;
}

static size_t nruns(const struct imap_view *v)
{
	return v->runs.n / sizeof(struct view_run);
}

/* Appends to a buffer of runs, joining what touches; *count grows by the range. */
static enum err append(struct buf *b, uint32_t *count, struct uid_range r)
{
	size_t n = b->n / sizeof(struct view_run);
	struct view_run *last = n != 0 ? (struct view_run *)(void *)b->p + n - 1 : NULL;
	struct view_run run = {r.first, r.last, *count};

	if (last != NULL && last->last + 1 == r.first) {
		last->last = r.last;
	} else {
		buf_put(b, slice(&run, sizeof run));
		if (buf_failed(b)) {
			b->failed = false;
			return E_LIMIT;
		}
	}
	*count += r.last - r.first + 1;
	return E_OK;
}

enum err imap_view_load(struct imap_view *v, const struct uid_range *r, size_t n)
{
	enum err e = E_OK;

	buf_reset(&v->runs);
	v->count = 0;
	for (size_t i = 0; e == E_OK && i < n; i++)
		e = append(&v->runs, &v->count, r[i]);
	if (e != E_OK) {
		buf_reset(&v->runs);
		v->count = 0;
	}
	return e;
}

uint32_t imap_view_last(const struct imap_view *v)
{
	size_t n = nruns(v);

	return n != 0 ? runs(v)[n - 1].last : 0;
}

enum err imap_view_add(struct imap_view *v, struct uid_range r)
{
	uint32_t last = imap_view_last(v);

	if (r.last <= last)
		return E_OK;
	r.first = MAX(r.first, last + 1);
	return append(&v->runs, &v->count, r);
}

/* Appends what the ranges leave of one run; *i moves on to the first range that may also touch
 * the next run. */
static enum err keep_rest(struct buf *out, uint32_t *count, struct view_run run,
			  const struct uid_range *r, size_t n, size_t *i)
{
	uint32_t at = run.first;

	while (*i < n && r[*i].last < run.first)
		(*i)++;
	for (; *i < n && r[*i].first <= run.last; (*i)++) {
		if (r[*i].first > at) {
			enum err e = append(out, count, (struct uid_range){at, r[*i].first - 1});

			if (e != E_OK)
				return e;
		}
		if (r[*i].last >= run.last)
			return E_OK;
		at = r[*i].last + 1;
	}
	return append(out, count, (struct uid_range){at, run.last});
}

enum err imap_view_remove(struct imap_view *v, const struct uid_range *r, size_t n)
{
	uint32_t count = 0;
	size_t i = 0;
	struct buf out;
	enum err e = E_OK;

	buf_init(&out, v->runs.max, v->runs.budget);
	for (size_t k = 0; e == E_OK && k < nruns(v); k++)
		e = keep_rest(&out, &count, runs(v)[k], r, n, &i);
	if (e != E_OK) {
		buf_fini(&out);
		return e;
	}
	buf_fini(&v->runs);
	v->runs = out;
	v->count = count;
	return E_OK;
}

uint32_t imap_view_uid(const struct imap_view *v, uint32_t seq)
{
	size_t lo = 0, hi = nruns(v);

	invariant(seq >= 1 && seq <= v->count);
	/* The last run with before < seq. */
	while (hi - lo > 1) {
		size_t mid = lo + (hi - lo) / 2;

		if (runs(v)[mid].before < seq)
			lo = mid;
		else
			hi = mid;
	}
	return runs(v)[lo].first + (seq - runs(v)[lo].before - 1);
}

/* The first run whose last is >= uid. */
static size_t find_run(const struct imap_view *v, uint64_t uid)
{
	size_t lo = 0, hi = nruns(v);

	while (lo < hi) {
		size_t mid = lo + (hi - lo) / 2;

		if (runs(v)[mid].last < uid)
			lo = mid + 1;
		else
			hi = mid;
	}
	return lo;
}

uint32_t imap_view_seq(const struct imap_view *v, uint32_t uid)
{
	size_t i = find_run(v, uid);

	if (i == nruns(v) || runs(v)[i].first > uid)
		return 0;
	return runs(v)[i].before + (uid - runs(v)[i].first) + 1;
}

uint32_t imap_view_below(const struct imap_view *v, uint64_t uid)
{
	size_t i = find_run(v, uid);

	if (i == nruns(v))
		return v->count;
	if (runs(v)[i].first >= uid)
		return runs(v)[i].before;
	return runs(v)[i].before + ((uint32_t)uid - runs(v)[i].first);
}

enum err imap_view_to_seqs(const struct imap_view *v, const struct uid_range *r, size_t n,
			   struct uid_set *seqs)
{
	for (size_t i = 0; i < n; i++) {
		uint32_t below = imap_view_below(v, r[i].first);
		uint32_t upto = imap_view_below(v, (uint64_t)r[i].last + 1);

		if (below < upto) {
			enum err e = uid_set_add(seqs, below + 1, upto);

			if (e != E_OK)
				return e;
		}
	}
	return E_OK;
}

enum err imap_view_to_uids(const struct imap_view *v, const struct uid_range *seqs, size_t n,
			   struct uid_set *uids)
{
	for (size_t i = 0; i < n; i++) {
		enum err e = uid_set_add(uids, imap_view_uid(v, seqs[i].first),
					 imap_view_uid(v, seqs[i].last));

		if (e != E_OK)
			return e;
	}
	return E_OK;
}

bool imap_view_portion(const struct imap_view *v, struct imap_portions *p, uint32_t max,
		       struct uid_set *uids)
{
	uint32_t left = max;

	uid_set_reset(uids);
	while (p->err == E_OK && left != 0 && p->i < p->n) {
		uint32_t first = p->seqs[p->i].first + p->done;
		uint32_t n = MIN(left, p->seqs[p->i].last - first + 1);
		struct uid_range part = {first, first + n - 1};

		p->err = imap_view_to_uids(v, &part, 1, uids);
		left -= n;
		p->done += n;
		if (part.last == p->seqs[p->i].last) {
			p->i++;
			p->done = 0;
		}
	}
	return p->err == E_OK && left != max;
}

enum err imap_view_content(const struct imap_view *v, struct uid_set *uids)
{
	for (size_t i = 0; i < nruns(v); i++) {
		enum err e = uid_set_add(uids, runs(v)[i].first, runs(v)[i].last);

		if (e != E_OK)
			return e;
	}
	return E_OK;
}
