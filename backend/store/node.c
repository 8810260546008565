#include <pthread.h>

#include "backend/store/disk.h"
#include "backend/store/kv.h"
#include "backend/store/node.h"
#include "common/base/map.h"
#include "common/base/num.h"
#include "common/log/log.h"

#define NODE_MAP_DEFAULT (4ull << 30)

static const char *const node_names[NODE_TABLES] = {
	[NODE_HINTS] = "hints",
	[NODE_DIRECTORY] = "directory",
};

/* A lazy change, in memory. */
struct lazy {
	bool del;
	size_t n;
	char value[];
};

/*
 * Lazy changes lie in `now`; a flush moves them to `going` while it writes, so that a get meanwhile
 * finds them, and never waits for the disk.
 */
struct node {
	struct kv *kv;
	int lock_fd;
	pthread_mutex_t lock;   /* now, going */
	pthread_mutex_t writes; /* one write transaction; taken before lock */
	struct map now[NODE_TABLES], going[NODE_TABLES];
};

static void lazy_forget(struct map *m)
{
	struct map_iter it = {0};
	slice_t key;
	void *v;

	while (map_next(m, &it, &key, &v))
		xfree(&v);
	map_fini(m);
	map_init(m);
}

enum err node_open(const char *dir, uint64_t map_bytes, struct node **out, struct diag *d)
{
	struct node *n = xcalloc(1, sizeof(*n));
	char path[DISK_PATH_MAX];
	enum err e = disk_mkdir(dir);

	n->lock_fd = -1;
	pthread_mutex_init(&n->lock, NULL);
	pthread_mutex_init(&n->writes, NULL);
	for (unsigned i = 0; i < NODE_TABLES; i++) {
		map_init(&n->now[i]);
		map_init(&n->going[i]);
	}
	if (e == E_EXISTS)
		e = E_OK;
	if (e == E_OK)
		e = disk_path(path, dir, "owner.lock");
	if (e == E_OK)
		e = disk_lock(path, &n->lock_fd);
	if (e == E_OK)
		e = kv_open(dir, node_names, NODE_TABLES,
			    map_bytes != 0 ? map_bytes : NODE_MAP_DEFAULT, KV_READ_WRITE, &n->kv,
			    d);
	if (e != E_OK) {
		node_close(&n);
		return diag_set(d, e, "%s: %s", dir,
				e == E_BUSY ? "another process has it open" : err_name(e));
	}
	*out = n;
	return E_OK;
}

void node_close(struct node **np)
{
	struct node *n = *np;

	if (n == NULL)
		return;
	if (n->kv != NULL && node_flush(n) != E_OK)
		LOG(LOG_WARN, NULL, "node.hints_lost");
	for (unsigned i = 0; i < NODE_TABLES; i++) {
		lazy_forget(&n->now[i]);
		lazy_forget(&n->going[i]);
	}
	kv_close(&n->kv);
	disk_close(&n->lock_fd);
	pthread_mutex_destroy(&n->lock);
	pthread_mutex_destroy(&n->writes);
	xfree(np);
}

/* ---- reading ---- */

/* True when memory knows: *e_out is the answer. */
static bool lazy_get(struct node *n, enum node_table t, slice_t key, struct buf *out,
		     enum err *e_out)
{
	struct lazy *l;

	pthread_mutex_lock(&n->lock);
	l = map_get(&n->now[t], key);
	if (l == NULL)
		l = map_get(&n->going[t], key);
	if (l != NULL && !l->del)
		buf_put(out, slice(l->value, l->n));
	*e_out = l != NULL && l->del ? E_NOT_FOUND : buf_failed(out) ? E_LIMIT : E_OK;
	pthread_mutex_unlock(&n->lock);
	return l != NULL;
}

enum err node_get(struct node *n, enum node_table t, slice_t key, struct buf *out)
{
	struct kv_txn *txn;
	slice_t v;
	enum err e;

	if (key.n == 0 || key.n > NODE_KEY_MAX)
		return E_INVALID;
	if (lazy_get(n, t, key, out, &e))
		return e;
	e = kv_read(n->kv, &txn);
	if (e != E_OK)
		return e;
	e = kv_get(txn, t, key, &v);
	if (e == E_OK) {
		buf_put(out, v);
		e = buf_failed(out) ? E_LIMIT : E_OK;
	}
	kv_abort(&txn);
	return e;
}

enum err node_scan(struct node *n, enum node_table t, slice_t prefix, slice_t after, size_t max,
		   void (*fn)(void *arg, slice_t key, slice_t value), void *arg, size_t *n_out)
{
	struct kv_cursor *c = NULL;
	struct kv_txn *txn;
	slice_t k, v;
	enum err e = node_flush(n);

	*n_out = 0;
	if (e == E_OK)
		e = kv_read(n->kv, &txn);
	if (e != E_OK)
		return e;
	e = kv_cursor(txn, t, &c);
	if (e == E_OK)
		e = kv_seek(c, slice_cmp(after, prefix) > 0 ? after : prefix, &k, &v);
	if (e == E_OK && after.n > 0 && slice_eq(k, after))
		e = kv_next(c, &k, &v);
	while (e == E_OK && *n_out < max && slice_starts(k, prefix)) {
		fn(arg, k, v);
		++*n_out;
		e = kv_next(c, &k, &v);
	}
	kv_cursor_end(&c);
	kv_abort(&txn);
	return e == E_NOT_FOUND ? E_OK : e;
}

/* ---- writing ---- */

static enum err put_one(struct kv_txn *txn, enum node_table t, slice_t key, slice_t value, bool del)
{
	enum err e = del ? kv_del(txn, t, key) : kv_put(txn, t, key, value);

	return del && e == E_NOT_FOUND ? E_OK : e;
}

/* Moves `now` to `going`; false: there is nothing. */
static bool lazy_take(struct node *n)
{
	size_t count = 0;

	pthread_mutex_lock(&n->lock);
	for (unsigned i = 0; i < NODE_TABLES; i++) {
		struct map empty = n->going[i];

		invariant(empty.count == 0);
		n->going[i] = n->now[i];
		n->now[i] = empty;
		count += n->going[i].count;
	}
	pthread_mutex_unlock(&n->lock);
	return count > 0;
}

/* After the write: what was written is forgotten; what was not goes back, unless there is newer. */
static void lazy_end(struct node *n, bool written)
{
	pthread_mutex_lock(&n->lock);
	for (unsigned i = 0; i < NODE_TABLES; i++) {
		struct map_iter it = {0};
		slice_t key;
		void *v;

		while (!written && map_next(&n->going[i], &it, &key, &v)) {
			if (map_get(&n->now[i], key) != NULL) {
				xfree(&v);
				continue;
			}
			(void)map_put(&n->now[i], key, v);
		}
		if (!written)
			map_fini(&n->going[i]);
		lazy_forget(&n->going[i]);
	}
	pthread_mutex_unlock(&n->lock);
}

static enum err lazy_write(struct node *n, struct kv_txn *txn)
{
	enum err e = E_OK;

	/* `going` changes only under `writes`, which the caller holds. */
	for (unsigned i = 0; i < NODE_TABLES && e == E_OK; i++) {
		struct map_iter it = {0};
		slice_t key;
		void *v;

		while (e == E_OK && map_next(&n->going[i], &it, &key, &v)) {
			struct lazy *l = v;

			e = put_one(txn, (enum node_table)i, key, slice(l->value, l->n), l->del);
		}
	}
	return e;
}

/* One synced transaction: what is lazy, then fn's. */
static enum err node_txn(struct node *n, enum err (*fn)(struct kv_txn *txn, void *arg), void *arg)
{
	struct kv_txn *txn = NULL;
	bool lazy;
	enum err e;

	pthread_mutex_lock(&n->writes);
	lazy = lazy_take(n);
	e = lazy || fn != NULL ? kv_write(n->kv, &txn) : E_OK;
	if (e == E_OK && lazy)
		e = lazy_write(n, txn);
	if (e == E_OK && fn != NULL)
		e = fn(txn, arg);
	if (e == E_OK && txn != NULL)
		e = kv_commit(&txn);
	kv_abort(&txn);
	lazy_end(n, e == E_OK);
	pthread_mutex_unlock(&n->writes);
	return e;
}

enum err node_flush(struct node *n)
{
	return node_txn(n, NULL, NULL);
}

struct node_batch {
	enum node_table table;
	const struct node_change *v;
	size_t count;
};

static enum err batch_write(struct kv_txn *txn, void *arg)
{
	struct node_batch *b = arg;
	enum err e = E_OK;

	for (size_t i = 0; i < b->count && e == E_OK; i++)
		e = put_one(txn, b->table, b->v[i].key, b->v[i].value, b->v[i].del);
	return e;
}

static enum err check_change(const struct node_change *c)
{
	return c->key.n == 0 || c->key.n > NODE_KEY_MAX || c->value.n > NODE_VALUE_MAX ? E_INVALID
										       : E_OK;
}

enum err node_write(struct node *n, enum node_table t, const struct node_change *v, size_t count)
{
	struct node_batch b = {t, v, count};

	for (size_t i = 0; i < count; i++) {
		if (check_change(&v[i]) != E_OK)
			return E_INVALID;
	}
	return node_txn(n, batch_write, &b);
}

static enum err node_change(struct node *n, enum node_table t, const struct node_change *c,
			    enum node_sync sync)
{
	struct lazy *l, *old;
	bool full;

	if (check_change(c) != E_OK)
		return E_INVALID;
	if (sync == NODE_SYNCED)
		return node_write(n, t, c, 1);
	l = xmalloc(sizeof(*l) + c->value.n);
	l->del = c->del;
	l->n = c->value.n;
	if (c->value.n > 0)
		memcpy(l->value, c->value.p, c->value.n);
	pthread_mutex_lock(&n->lock);
	old = map_put(&n->now[t], c->key, l);
	full = n->now[t].count > NODE_LAZY_MAX;
	pthread_mutex_unlock(&n->lock);
	xfree(&old);
	return full ? node_flush(n) : E_OK;
}

enum err node_put(struct node *n, enum node_table t, slice_t key, slice_t value,
		  enum node_sync sync)
{
	struct node_change c = {key, value, false};

	return node_change(n, t, &c, sync);
}

enum err node_del(struct node *n, enum node_table t, slice_t key, enum node_sync sync)
{
	struct node_change c = {key, SLICE_NONE, true};

	return node_change(n, t, &c, sync);
}

static enum err table_clear(struct kv_txn *txn, void *arg)
{
	return kv_empty(txn, *(enum node_table *)arg);
}

enum err node_clear(struct node *n, enum node_table t)
{
	return node_txn(n, table_clear, &t);
}
