/* dir_kv_mem: a dir_kv in memory. */
#include "backend/directory/dir_copy.h"
#include "common/base/map.h"

struct dir_kv_mem {
	struct dir_kv ops;
	struct pair **v; /* in order of key */
	size_t n, cap;
};

struct pair {
	size_t key_n, value_n;
	char bytes[];
};

static slice_t pair_key(const struct pair *p)
{
	return slice(p->bytes, p->key_n);
}

static size_t find(const struct dir_kv_mem *m, slice_t key)
{
	size_t lo = 0, hi = m->n;

	while (lo < hi) {
		size_t mid = lo + (hi - lo) / 2;

		if (slice_cmp(pair_key(m->v[mid]), key) < 0)
			lo = mid + 1;
		else
			hi = mid;
	}
	return lo;
}

static void apply_one(struct dir_kv_mem *m, const struct dir_kv_op *op)
{
	size_t at = find(m, op->key);
	bool there = at < m->n && slice_eq(pair_key(m->v[at]), op->key);
	struct pair *p;

	if (there) {
		xfree(&m->v[at]);
		memmove(m->v + at, m->v + at + 1, (m->n - at - 1) * sizeof(struct pair *));
		m->n--;
	}
	if (op->value.p == NULL)
		return;
	if (m->n == m->cap) {
		m->cap = m->cap == 0 ? 64 : m->cap * 2;
		m->v = xrealloc(m->v, m->cap * sizeof(struct pair *));
	}
	p = xmalloc(sizeof(*p) + op->key.n + op->value.n);
	p->key_n = op->key.n;
	p->value_n = op->value.n;
	memcpy(p->bytes, op->key.p, op->key.n);
	memcpy(p->bytes + op->key.n, op->value.p, op->value.n);
	memmove(m->v + at + 1, m->v + at, (m->n - at) * sizeof(struct pair *));
	m->v[at] = p;
	m->n++;
}

WAITS static enum err mem_apply(void *ctx, const struct dir_kv_op *ops, size_t n,
				enum dir_kv_sync sync)
{
	(void)sync;
	for (size_t i = 0; i < n; i++) {
		invariant(ops[i].key.n <= DIR_KV_KEY_MAX && ops[i].value.n <= DIR_KV_VALUE_MAX);
		apply_one(ctx, &ops[i]);
	}
	return E_OK;
}

WAITS static enum err mem_scan(void *ctx, slice_t prefix,
			       bool (*each)(slice_t key, slice_t value, void *arg), void *arg)
{
	const struct dir_kv_mem *m = ctx;

	for (size_t i = find(m, prefix); i < m->n; i++) {
		const struct pair *p = m->v[i];

		if (!slice_starts(pair_key(p), prefix) ||
		    !each(pair_key(p), slice(p->bytes + p->key_n, p->value_n), arg))
			break;
	}
	return E_OK;
}

struct dir_kv_mem *dir_kv_mem_new(void)
{
	struct dir_kv_mem *m = xcalloc(1, sizeof(*m));

	m->ops = (struct dir_kv){.ctx = m, .apply = mem_apply, .scan = mem_scan};
	return m;
}

void dir_kv_mem_free(struct dir_kv_mem **mp)
{
	struct dir_kv_mem *m = *mp;

	if (m == NULL)
		return;
	for (size_t i = 0; i < m->n; i++)
		xfree(&m->v[i]);
	xfree(&m->v);
	xfree(mp);
}

const struct dir_kv *dir_kv_mem_ops(struct dir_kv_mem *m)
{
	return &m->ops;
}
