#include "backend/store/rset.h"
#include "common/base/num.h"

static enum err rset_put(const struct rset *s, struct uid_range r)
{
	struct rec_key k;
	unsigned char v[4];

	key_range(&k, s->account, s->mailbox, (uint8_t)s->kind, r.first);
	be32_put(v, r.last);
	return kv_put(s->txn, T_RANGE, rec_key(&k), slice(v, sizeof(v)));
}

static enum err rset_del(const struct rset *s, uint32_t first)
{
	struct rec_key k;

	key_range(&k, s->account, s->mailbox, (uint8_t)s->kind, first);
	return kv_del(s->txn, T_RANGE, rec_key(&k));
}

/* Is (k, v) a run of this set? */
static enum err rset_decode(const struct rset *s, slice_t k, slice_t v, struct uid_range *out)
{
	struct rec_key mine;

	key_range(&mine, s->account, s->mailbox, (uint8_t)s->kind, 0);
	mine.n -= 4;
	if (!key_within(k, &mine))
		return E_NOT_FOUND;
	if (k.n != mine.n + 4 || v.n != 4)
		return E_CORRUPT;
	out->first = be32_get(k.p + mine.n);
	out->last = be32_get(v.p);
	return E_OK;
}

/* The run that begins at uid or above, or the last one that begins below it. */
static enum err rset_seek(const struct rset *s, uint32_t uid, bool below, struct uid_range *out)
{
	struct kv_cursor *c;
	struct rec_key key;
	slice_t k, v;
	enum err e = kv_cursor(s->txn, T_RANGE, &c);

	if (e != E_OK)
		return e;
	key_range(&key, s->account, s->mailbox, (uint8_t)s->kind, uid);
	e = below ? kv_seek_below(c, rec_key(&key), &k, &v) : kv_seek(c, rec_key(&key), &k, &v);
	if (e == E_OK)
		e = rset_decode(s, k, v, out);
	kv_cursor_end(&c);
	return e;
}

static bool touches(struct uid_range a, struct uid_range b)
{
	return (a.last == UINT32_MAX || b.first <= a.last + 1) &&
	       (b.last == UINT32_MAX || a.first <= b.last + 1);
}

static void merge(struct uid_range *into, struct uid_range r)
{
	into->first = MIN(into->first, r.first);
	into->last = MAX(into->last, r.last);
}

/* Takes the run at hand out of the table and into r, while there is one that touches r. */
static enum err rset_absorb(const struct rset *s, struct uid_range *r, bool below)
{
	struct uid_range other;
	enum err e;

	while ((e = rset_seek(s, r->first, below, &other)) == E_OK && touches(*r, other)) {
		e = rset_del(s, other.first);
		if (e != E_OK)
			return e;
		merge(r, other);
		if (below)
			return E_OK; /* runs do not touch each other: one is all there is */
	}
	return e == E_NOT_FOUND ? E_OK : e;
}

enum err rset_add(const struct rset *s, uint32_t first, uint32_t last)
{
	struct uid_range r = {first, last}, *tail = s->tail;
	enum err e;

	if (tail->last == 0) {
		*tail = r;
		return E_OK;
	}
	if (first >= tail->first && touches(*tail, r)) {
		merge(tail, r);
		return E_OK;
	}
	if (first > tail->last) {
		e = rset_put(s, *tail);
		*tail = r;
		return e;
	}
	e = rset_absorb(s, &r, true);
	if (e == E_OK)
		e = rset_absorb(s, &r, false);
	if (e != E_OK)
		return e;
	if (touches(r, *tail)) {
		merge(tail, r);
		return E_OK;
	}
	return rset_put(s, r);
}

/* Cuts [first, last] out of one run of the table. */
static enum err rset_cut(const struct rset *s, struct uid_range run, uint32_t first, uint32_t last)
{
	enum err e = E_OK;

	if (run.first >= first)
		e = rset_del(s, run.first);
	else
		e = rset_put(s, (struct uid_range){run.first, first - 1});
	if (e == E_OK && run.last > last)
		e = rset_put(s, (struct uid_range){last + 1, run.last});
	return e;
}

/* The tail is gone: the last run of the table takes its place. */
static enum err rset_pull(const struct rset *s)
{
	struct uid_range run;
	enum err e = rset_seek(s, UINT32_MAX, true, &run);

	*s->tail = (struct uid_range){0, 0};
	if (e == E_NOT_FOUND)
		return E_OK;
	if (e == E_OK)
		e = rset_del(s, run.first);
	if (e == E_OK)
		*s->tail = run;
	return e;
}

static enum err rset_cut_tail(const struct rset *s, uint32_t first, uint32_t last)
{
	struct uid_range t = *s->tail;
	bool left = t.first<first, right = t.last> last;
	enum err e = E_OK;

	if (t.last == 0 || last < t.first || first > t.last)
		return E_OK;
	if (!left && !right)
		return rset_pull(s);
	if (left && right)
		e = rset_put(s, (struct uid_range){t.first, first - 1});
	if (right)
		s->tail->first = last + 1;
	else
		s->tail->last = first - 1;
	return e;
}

enum err rset_remove(const struct rset *s, uint32_t first, uint32_t last)
{
	struct uid_range run;
	enum err e = E_OK;

	if (s->tail->last == 0)
		return E_OK;
	if (first < s->tail->first) {
		e = rset_seek(s, first, true, &run);
		if (e == E_OK && run.last >= first)
			e = rset_cut(s, run, first, last);
		while (e == E_OK || e == E_NOT_FOUND) {
			e = rset_seek(s, first, false, &run);
			if (e != E_OK || run.first > last)
				break;
			e = rset_cut(s, run, first, last);
		}
		if (e != E_OK && e != E_NOT_FOUND)
			return e;
	}
	return rset_cut_tail(s, first, last);
}

static void add_cut(struct uidset *out, struct uid_range run, uint32_t first, uint32_t last)
{
	if (run.last >= first && run.first <= last)
		uidset_add(out, MAX(run.first, first), MIN(run.last, last));
}

enum err rset_collect(const struct rset *s, uint32_t first, uint32_t last, struct uidset *out)
{
	struct kv_cursor *c;
	struct uid_range run;
	struct rec_key key;
	slice_t k, v;
	enum err e = kv_cursor(s->txn, T_RANGE, &c);

	if (e != E_OK)
		return e;
	key_range(&key, s->account, s->mailbox, (uint8_t)s->kind, first);
	e = kv_seek_below(c, rec_key(&key), &k, &v);
	if (e == E_OK && rset_decode(s, k, v, &run) == E_OK)
		add_cut(out, run, first, last);
	e = kv_seek(c, rec_key(&key), &k, &v);
	while (e == E_OK && (e = rset_decode(s, k, v, &run)) == E_OK && run.first <= last) {
		add_cut(out, run, first, last);
		e = kv_next(c, &k, &v);
	}
	kv_cursor_end(&c);
	if (s->tail->last != 0)
		add_cut(out, *s->tail, first, last);
	return e == E_NOT_FOUND ? E_OK : e;
}

enum err rset_first(const struct rset *s, uint32_t *out)
{
	struct uid_range run;
	enum err e;

	*out = s->tail->first;
	if (s->tail->last == 0)
		return E_OK;
	e = rset_seek(s, 0, false, &run);
	if (e == E_OK)
		*out = run.first;
	return e == E_NOT_FOUND ? E_OK : e;
}

enum err rset_count_from(const struct rset *s, uint32_t from, uint32_t *out)
{
	struct uidset set;
	enum err e;

	*out = 0;
	if (s->tail->last == 0 || from > s->tail->last)
		return E_OK;
	if (from >= s->tail->first) {
		*out = s->tail->last - from + 1;
		return E_OK;
	}
	uidset_init(&set);
	e = rset_collect(s, from, UINT32_MAX, &set);
	*out = (uint32_t)uidset_count(&set);
	uidset_fini(&set);
	return e;
}
