/*
 * LMDB 0.9.24. Default sync flags and NOTLS; no WRITEMAP, no NOSYNC, no DUPSORT, no nested
 * transactions. Default flags mean: commit writes the pages, syncs, writes the meta page and syncs
 * it, so a commit that returned is on disk and a crash finds the one before or the one after.
 */
#include <errno.h>
#include <lmdb.h>

#include "backend/store/kv.h"
#include "common/base/fault.h"
#include "common/log/log.h"
#include "common/log/metric.h"

/* Reader slots: every pool thread and keeper may hold one; far above their number. */
#define KV_READERS_MAX 1024
/* The table in which LMDB keeps its free pages. */
#define KV_FREE_DBI    0

struct kv {
	MDB_env *env;
	MDB_dbi dbi[KV_TABLES_MAX];
	unsigned ntables;
};

METRIC_COUNTER(metric_rows, "store_rows_total", "Rows of the stores' tables read or written", {0});

struct kv_txn {
	struct kv *kv;
	MDB_txn *txn;
	unsigned rows; /* told to the metric at the end: one atomic addition a transaction */
};

struct kv_cursor {
	MDB_cursor *cur;
	struct kv_txn *txn;
};

static enum err kv_err(int rc, const char *what)
{
	switch (rc) {
	case MDB_SUCCESS:
		return E_OK;
	case MDB_NOTFOUND:
		return E_NOT_FOUND;
	case MDB_MAP_FULL:
	case MDB_TXN_FULL:
	case ENOSPC:
	case EDQUOT:
		return E_FULL;
	case MDB_READERS_FULL:
		return E_BUSY;
	case MDB_KEYEXIST: /* of an append only */
	case MDB_CORRUPTED:
	case MDB_PAGE_NOTFOUND:
	case MDB_INVALID:
	case MDB_VERSION_MISMATCH:
	case MDB_PANIC:
		LOG(LOG_ERROR, NULL, "store.kv_corrupt", LF_STR("in", what),
		    LF_STR("why", mdb_strerror(rc)));
		return E_CORRUPT;
	default:
		LOG(LOG_ERROR, NULL, "store.kv_failed", LF_STR("in", what),
		    LF_STR("why", mdb_strerror(rc)));
		return E_IO;
	}
}

static MDB_val kv_val(slice_t s)
{
	/* LMDB takes keys and values to write as void *, and does not write through them. */
	union {
		const char *in;
		void *out;
	} p = {.in = s.p};

	return (MDB_val){s.n, p.out};
}

static slice_t kv_slice(const MDB_val *v)
{
	return slice(v->mv_data, v->mv_size);
}

static int kv_open_tables(struct kv *kv, const char *const *names, enum kv_mode mode)
{
	MDB_txn *txn;
	int rc = mdb_txn_begin(kv->env, NULL, mode == KV_READ_ONLY ? MDB_RDONLY : 0, &txn);

	if (rc != 0)
		return rc;
	for (unsigned i = 0; i < kv->ntables && rc == 0; i++)
		rc = mdb_dbi_open(txn, names[i], mode == KV_READ_ONLY ? 0 : MDB_CREATE,
				  &kv->dbi[i]);
	if (rc != 0) {
		mdb_txn_abort(txn);
		return rc;
	}
	return mdb_txn_commit(txn);
}

enum err kv_open(const char *dir, const char *const *names, unsigned ntables, uint64_t map_bytes,
		 enum kv_mode mode, struct kv **out, struct diag *d)
{
	struct kv *kv = xcalloc(1, sizeof(*kv));
	unsigned flags = MDB_NOTLS | (mode == KV_READ_ONLY ? MDB_RDONLY : 0);
	int rc = mdb_env_create(&kv->env);

	invariant(ntables <= KV_TABLES_MAX);
	kv->ntables = ntables;
	if (rc == 0)
		rc = mdb_env_set_maxdbs(kv->env, ntables);
	if (rc == 0)
		rc = mdb_env_set_maxreaders(kv->env, KV_READERS_MAX);
	if (rc == 0 && map_bytes != 0)
		rc = mdb_env_set_mapsize(kv->env, map_bytes);
	if (rc == 0)
		rc = mdb_env_open(kv->env, dir, flags, 0600);
	if (rc == 0)
		rc = kv_open_tables(kv, names, mode);
	if (rc != 0) {
		enum err e = rc == ENOENT ? E_NOT_FOUND : kv_err(rc, "open");

		kv_close(&kv);
		return diag_set(d, e, "%s: %s", dir, mdb_strerror(rc));
	}
	*out = kv;
	return E_OK;
}

void kv_close(struct kv **kv)
{
	if (*kv == NULL)
		return;
	if ((*kv)->env != NULL)
		mdb_env_close((*kv)->env);
	xfree(kv);
}

static enum err kv_begin(struct kv *kv, unsigned flags, struct kv_txn **out)
{
	struct kv_txn *t = xmalloc(sizeof(*t));
	int rc = mdb_txn_begin(kv->env, NULL, flags, &t->txn);

	t->kv = kv;
	t->rows = 0;
	if (rc != 0) {
		xfree(&t);
		*out = NULL;
		return kv_err(rc, "begin");
	}
	*out = t;
	return E_OK;
}

enum err kv_read(struct kv *kv, struct kv_txn **out)
{
	return kv_begin(kv, MDB_RDONLY, out);
}

enum err kv_write(struct kv *kv, struct kv_txn **out)
{
	return kv_begin(kv, 0, out);
}

uint64_t kv_rows(void)
{
	return (uint64_t)metric_get(&metric_rows);
}

enum err kv_commit(struct kv_txn **t)
{
	int rc;

	if (fault_at("store.commit.before_sync")) {
		kv_abort(t);
		return E_IO;
	}
	if (fault_at("store.commit.full")) {
		kv_abort(t);
		return E_FULL;
	}
	metric_add(&metric_rows, (*t)->rows);
	rc = mdb_txn_commit((*t)->txn);
	xfree(t);
	if (rc == 0 && fault_at("store.commit.after_sync"))
		return E_IO;
	/* No room in the map shows before anything is written; no room on disk may have shown in
	 * the sync, after which nothing is known. */
	if (rc == ENOSPC || rc == EDQUOT)
		return E_IO;
	return kv_err(rc, "commit");
}

void kv_abort(struct kv_txn **t)
{
	if (*t == NULL)
		return;
	metric_add(&metric_rows, (*t)->rows);
	mdb_txn_abort((*t)->txn);
	xfree(t);
}

enum err kv_get(struct kv_txn *t, unsigned table, slice_t key, slice_t *out)
{
	MDB_val k = kv_val(key), v;
	int rc;

	t->rows++;
	rc = mdb_get(t->txn, t->kv->dbi[table], &k, &v);

	if (rc != 0)
		return kv_err(rc, "get");
	*out = kv_slice(&v);
	return E_OK;
}

enum err kv_put(struct kv_txn *t, unsigned table, slice_t key, slice_t value)
{
	MDB_val k = kv_val(key), v = kv_val(value);

	t->rows++;
	if (fault_at("store.put"))
		return E_FULL;
	return kv_err(mdb_put(t->txn, t->kv->dbi[table], &k, &v, 0), "put");
}

static enum err put_room(struct kv_txn *t, unsigned table, slice_t key, size_t n, unsigned flags,
			 void **out)
{
	MDB_val k = kv_val(key), v = {n, NULL};
	int rc;

	t->rows++;
	if (fault_at("store.put"))
		return E_FULL;
	rc = mdb_put(t->txn, t->kv->dbi[table], &k, &v, MDB_RESERVE | flags);
	*out = v.mv_data;
	return kv_err(rc, "put");
}

enum err kv_put_room(struct kv_txn *t, unsigned table, slice_t key, size_t n, void **out)
{
	return put_room(t, table, key, n, 0, out);
}

enum err kv_append_room(struct kv_txn *t, unsigned table, slice_t key, size_t n, void **out)
{
	return put_room(t, table, key, n, MDB_APPEND, out);
}

enum err kv_del(struct kv_txn *t, unsigned table, slice_t key)
{
	MDB_val k = kv_val(key);

	t->rows++;
	return kv_err(mdb_del(t->txn, t->kv->dbi[table], &k, NULL), "del");
}

enum err kv_empty(struct kv_txn *t, unsigned table)
{
	return kv_err(mdb_drop(t->txn, t->kv->dbi[table], 0), "empty");
}

enum err kv_count(struct kv_txn *t, unsigned table, uint64_t *out)
{
	MDB_stat st;
	int rc = mdb_stat(t->txn, t->kv->dbi[table], &st);

	if (rc != 0)
		return kv_err(rc, "stat");
	*out = st.ms_entries;
	return E_OK;
}

enum err kv_cursor(struct kv_txn *t, unsigned table, struct kv_cursor **out)
{
	MDB_cursor *cur;
	int rc = mdb_cursor_open(t->txn, t->kv->dbi[table], &cur);

	*out = NULL;
	if (rc != 0)
		return kv_err(rc, "cursor");
	*out = xmalloc(sizeof(**out));
	(*out)->cur = cur;
	(*out)->txn = t;
	return E_OK;
}

void kv_cursor_end(struct kv_cursor **c)
{
	if (*c == NULL)
		return;
	mdb_cursor_close((*c)->cur);
	xfree(c);
}

static enum err kv_move(struct kv_cursor *c, MDB_val *mk, MDB_cursor_op op, slice_t *k, slice_t *v)
{
	MDB_val mv;
	int rc = mdb_cursor_get(c->cur, mk, &mv, op);

	c->txn->rows++;
	if (rc != 0)
		return kv_err(rc, "cursor");
	*k = kv_slice(mk);
	*v = kv_slice(&mv);
	return E_OK;
}

enum err kv_seek(struct kv_cursor *c, slice_t key, slice_t *k, slice_t *v)
{
	MDB_val mk = kv_val(key);

	return kv_move(c, &mk, key.n == 0 ? MDB_FIRST : MDB_SET_RANGE, k, v);
}

enum err kv_seek_below(struct kv_cursor *c, slice_t key, slice_t *k, slice_t *v)
{
	MDB_val mk = kv_val(key), mv;
	int rc = mdb_cursor_get(c->cur, &mk, &mv, MDB_SET_RANGE);

	if (rc != 0 && rc != MDB_NOTFOUND)
		return kv_err(rc, "cursor");
	return kv_move(c, &mk, rc == MDB_NOTFOUND ? MDB_LAST : MDB_PREV, k, v);
}

enum err kv_find(struct kv_cursor *c, slice_t key, slice_t *v)
{
	MDB_val mk = kv_val(key);
	slice_t k;

	return kv_move(c, &mk, MDB_SET_KEY, &k, v);
}

enum err kv_next(struct kv_cursor *c, slice_t *k, slice_t *v)
{
	MDB_val mk;

	return kv_move(c, &mk, MDB_NEXT, k, v);
}

enum err kv_del_here(struct kv_cursor *c)
{
	c->txn->rows++;
	return kv_err(mdb_cursor_del(c->cur, 0), "del");
}

void kv_size(struct kv *kv, uint64_t *map_out, uint64_t *touched_out)
{
	MDB_envinfo info;
	MDB_stat st;

	mdb_env_info(kv->env, &info);
	mdb_env_stat(kv->env, &st);
	*map_out = info.me_mapsize;
	*touched_out = ((uint64_t)info.me_last_pgno + 1) * st.ms_psize;
}

enum err kv_used(struct kv *kv, uint64_t *out)
{
	uint64_t map, touched, free_pages = 0;
	struct kv_txn *t;
	MDB_cursor *cur;
	MDB_stat st;
	MDB_val k, v;
	int rc;
	enum err e = kv_read(kv, &t);

	if (t == NULL)
		return e;
	rc = mdb_cursor_open(t->txn, KV_FREE_DBI, &cur);
	if (rc == 0) {
		while ((rc = mdb_cursor_get(cur, &k, &v, MDB_NEXT)) == 0)
			free_pages += *(const size_t *)v.mv_data; /* an ID list: count, pages */
		mdb_cursor_close(cur);
	}
	kv_abort(&t);
	if (rc != 0 && rc != MDB_NOTFOUND)
		return kv_err(rc, "free list");
	mdb_env_stat(kv->env, &st);
	kv_size(kv, &map, &touched);
	*out = touched - MIN(touched, free_pages * st.ms_psize);
	return E_OK;
}
