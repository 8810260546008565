#include "frontend/imap/imap_seq.h"

static bool seq_number(struct imap_args *a, uint32_t *out)
{
	if (imap_char(a, '*')) {
		*out = 0;
		return true;
	}
	return imap_nz_number(a, out);
}

static bool seq_item(struct imap_args *a, struct imap_seq_item *out)
{
	if (!seq_number(a, &out->a))
		return false;
	out->b = out->a;
	return !imap_char(a, ':') || seq_number(a, &out->b);
}

/* How many items can begin here: commas up to the first character that no set holds. */
static size_t items_at_most(slice_t s)
{
	size_t n = 1;

	for (size_t i = 0; i < s.n; i++) {
		if (s.p[i] == ',')
			n++;
		else if (!cclass(s.p[i], CC_DIGIT) && s.p[i] != ':' && s.p[i] != '*')
			break;
	}
	return n;
}

bool imap_seq_parse(struct imap_args *a, struct imap_seq *out)
{
	size_t max = items_at_most(cur_rest(&a->c)), n = 0;
	struct imap_args at = *a;
	struct imap_seq_item first, *items;

	if (!seq_item(&at, &first))
		return false;
	items = arena_try(a->arena, max * sizeof *items);
	if (items == NULL)
		return false;
	items[n++] = first;
	while (imap_char(&at, ',')) {
		invariant(n < max);
		if (!seq_item(&at, &items[n]))
			return false;
		n++;
	}
	*out = (struct imap_seq){items, n};
	*a = at;
	return true;
}

static enum err resolve_one(uint32_t lo, uint32_t hi, enum imap_numbers kind,
			    const struct imap_view *v, struct uid_set *out)
{
	struct uid_range r = {lo, hi};

	if (kind == IMAP_NUMBERS_UID)
		return imap_view_to_seqs(v, &r, 1, out);
	return hi > v->count ? E_INVALID : uid_set_add(out, lo, hi);
}

enum err imap_seq_resolve(const struct imap_seq *s, enum imap_numbers kind,
			  const struct imap_view *v, struct uid_set *out)
{
	uint32_t star = kind == IMAP_NUMBERS_UID ? imap_view_last(v) : v->count;

	for (size_t i = 0; i < s->n; i++) {
		uint32_t a = s->items[i].a, b = s->items[i].b;
		enum err e;

		if ((a == 0 || b == 0) && star == 0) {
			if (kind == IMAP_NUMBERS_SEQ)
				return E_INVALID;
			continue;
		}
		a = a != 0 ? a : star;
		b = b != 0 ? b : star;
		e = resolve_one(MIN(a, b), MAX(a, b), kind, v, out);
		if (e != E_OK)
			return e;
	}
	return E_OK;
}

void imap_seq_put(struct buf *out, const struct uid_range *r, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		if (i != 0)
			buf_putc(out, ',');
		buf_put_u64(out, r[i].first);
		if (r[i].last != r[i].first) {
			buf_putc(out, ':');
			buf_put_u64(out, r[i].last);
		}
	}
}
