/* auth_last: the last good log-in of each account at this node. One small row an account, of which
 * there are as many as administrators made; a hint: written now and then, lost without harm. */
#include "backend/auth/auth_priv.h"
#include "common/base/num.h"
#include "common/log/log.h"

#define PREFIX    "auth/last/"
#define KEY_LEN   (sizeof(PREFIX) - 1 + 8)
#define VALUE_LEN (1 + 8 + 1 + 1 + 16)
#define VERSION   1
#define FLUSH_MAX 256

struct row {
	struct list dirty; /* unlinked: saved */
	uint8_t account[8];
	struct auth_last v;
};

struct last {
	const struct dir_kv *kv;
	struct map rows;
	struct list dirty;
};

static struct row *row_of(struct last *l, const uint8_t account[8])
{
	struct row *r = map_get(&l->rows, slice(account, 8));

	if (r != NULL)
		return r;
	r = xcalloc(1, sizeof(*r));
	list_init(&r->dirty);
	memcpy(r->account, account, 8);
	map_put(&l->rows, slice(r->account, 8), r);
	return r;
}

static bool load_row(slice_t key, slice_t value, void *arg)
{
	const uint8_t *p = (const uint8_t *)value.p;
	struct row *r;

	if (key.n != KEY_LEN || value.n != VALUE_LEN || p[0] != VERSION ||
	    (p[9] != 0 && p[9] != 4 && p[9] != 6) || p[10] > SERVICE_LAST)
		return true;
	r = row_of(arg, (const uint8_t *)key.p + sizeof(PREFIX) - 1);
	r->v.when_us = (int64_t)be64_get(p + 1);
	r->v.ip.family = p[9];
	r->v.service = (enum rpc_service)p[10];
	memcpy(r->v.ip.b, p + 11, 16);
	return true;
}

WAITS enum err last_open(const struct dir_kv *kv, struct last **out)
{
	struct last *l = xcalloc(1, sizeof(*l));

	l->kv = kv;
	map_init(&l->rows);
	list_init(&l->dirty);
	*out = l;
	return kv->scan(kv->ctx, SL(PREFIX), load_row, l);
}

void last_put(struct last *l, uint64_t account, const struct auth_last *v)
{
	uint8_t key[8];
	struct row *r;

	be64_put(key, account);
	r = row_of(l, key);
	r->v = *v;
	list_remove(&r->dirty);
	list_append(&l->dirty, &r->dirty);
}

void last_get(const struct last *l, uint64_t account, struct auth_last *out)
{
	uint8_t key[8];
	const struct row *r;

	be64_put(key, account);
	r = map_get(&l->rows, slice(key, 8));
	*out = r != NULL ? r->v : (struct auth_last){.when_us = 0};
}

struct flush {
	char keys[FLUSH_MAX][KEY_LEN];
	uint8_t values[FLUSH_MAX][VALUE_LEN];
	struct dir_kv_op ops[FLUSH_MAX];
};

static void encode(struct flush *f, size_t i, const struct row *r)
{
	uint8_t *p = f->values[i];

	memcpy(f->keys[i], PREFIX, sizeof(PREFIX) - 1);
	memcpy(f->keys[i] + sizeof(PREFIX) - 1, r->account, 8);
	p[0] = VERSION;
	be64_put(p + 1, (uint64_t)r->v.when_us);
	p[9] = r->v.ip.family;
	p[10] = (uint8_t)r->v.service;
	memcpy(p + 11, r->v.ip.b, 16);
	f->ops[i].key = slice(f->keys[i], KEY_LEN);
	f->ops[i].value = slice(f->values[i], VALUE_LEN);
}

WAITS void last_flush(struct last *l)
{
	struct flush *f;

	if (list_empty(&l->dirty))
		return;
	f = xcalloc(1, sizeof(*f));
	while (!list_empty(&l->dirty)) {
		enum err e;
		size_t n = 0;

		while (n < FLUSH_MAX && !list_empty(&l->dirty))
			encode(f, n++, list_entry(list_pop(&l->dirty), struct row, dirty));
		e = l->kv->apply(l->kv->ctx, f->ops, n, DIR_KV_LAZY);
		if (e != E_OK) {
			LOG(LOG_WARN, NULL, "auth.last", LF_ERR("status", e));
			break;
		}
	}
	xfree(&f);
}

WAITS void last_close(struct last **lp)
{
	struct last *l = *lp;
	struct map_iter it = {0};
	void *row;

	if (l == NULL)
		return;
	fiber_shield_begin();
	last_flush(l);
	fiber_shield_end();
	while (map_next(&l->rows, &it, NULL, &row))
		xfree(&row);
	map_fini(&l->rows);
	xfree(lp);
}
