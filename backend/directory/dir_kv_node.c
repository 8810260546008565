/* dir_kv_node: a dir_kv on the node's environment. Its calls may touch the disk, so they run on
 * worker threads while the asking fiber waits. */
#include "backend/directory/dir_copy.h"
#include "backend/store/node.h"
#include "common/base/buf.h"
#include "common/loop/work.h"

#define SCAN_STEP 1024 /* rows of one read transaction */

struct dir_kv_node {
	struct dir_kv ops;
	struct node *n;
};

struct job {
	struct node *n;
	enum node_table table;
	enum err e;
	/* apply */
	const struct dir_kv_op *ops;
	size_t nops;
	enum dir_kv_sync sync;
	/* scan */
	slice_t prefix;
	bool (*each)(slice_t key, slice_t value, void *arg);
	void *arg;
	bool stop;
	struct buf last; /* key */
};

static enum node_table table_of(slice_t key)
{
	return slice_starts(key, SL("dir/")) ? NODE_DIRECTORY : NODE_HINTS;
}

static enum err apply_lazy(const struct job *j)
{
	enum err e = E_OK;

	for (size_t i = 0; i < j->nops && e == E_OK; i++) {
		const struct dir_kv_op *op = &j->ops[i];

		e = op->value.p != NULL ? node_put(j->n, j->table, op->key, op->value, NODE_LAZY)
					: node_del(j->n, j->table, op->key, NODE_LAZY);
		if (e == E_NOT_FOUND)
			e = E_OK;
	}
	return e;
}

static void apply_job(void *arg)
{
	struct job *j = arg;
	struct node_change *v;

	if (j->sync == DIR_KV_LAZY) {
		j->e = apply_lazy(j);
		return;
	}
	v = xcalloc(j->nops, sizeof(*v));
	for (size_t i = 0; i < j->nops; i++)
		v[i] = (struct node_change){.key = j->ops[i].key,
					    .value = j->ops[i].value,
					    .del = j->ops[i].value.p == NULL};
	j->e = node_write(j->n, j->table, v, j->nops);
	xfree(&v);
}

WAITS static enum err node_kv_apply(void *ctx, const struct dir_kv_op *ops, size_t n,
				    enum dir_kv_sync sync)
{
	const struct dir_kv_node *k = ctx;
	struct job j = {.n = k->n, .ops = ops, .nops = n, .sync = sync, .e = E_OK};
	enum err e;

	if (n == 0)
		return E_OK;
	j.table = table_of(ops[0].key);
	e = work_run("dir.kv", apply_job, &j);
	return e == E_OK ? j.e : e;
}

static void scan_row(void *arg, slice_t key, slice_t value)
{
	struct job *j = arg;

	if (j->stop)
		return;
	buf_reset(&j->last);
	buf_put(&j->last, key);
	if (!j->each(key, value, j->arg))
		j->stop = true;
}

static void scan_job(void *arg)
{
	struct job *j = arg;
	size_t n = SCAN_STEP;
	struct buf after;

	buf_init(&after, NODE_KEY_MAX, NULL);
	while (!j->stop && n == SCAN_STEP && j->e == E_OK) {
		buf_reset(&after);
		buf_put(&after, buf_slice(&j->last));
		j->e = node_scan(j->n, j->table, j->prefix, buf_slice(&after), SCAN_STEP, scan_row,
				 j, &n);
	}
	buf_fini(&after);
}

WAITS static enum err node_kv_scan(void *ctx, slice_t prefix,
				   bool (*each)(slice_t key, slice_t value, void *arg), void *arg)
{
	const struct dir_kv_node *k = ctx;
	struct job j = {.n = k->n, .prefix = prefix, .each = each, .arg = arg, .e = E_OK};
	enum err e;

	j.table = table_of(prefix);
	buf_init(&j.last, NODE_KEY_MAX, NULL);
	e = work_run("dir.kv", scan_job, &j);
	buf_fini(&j.last);
	return e == E_OK ? j.e : e;
}

struct dir_kv_node *dir_kv_node_new(struct node *n)
{
	struct dir_kv_node *k = xcalloc(1, sizeof(*k));

	k->n = n;
	k->ops = (struct dir_kv){.ctx = k, .apply = node_kv_apply, .scan = node_kv_scan};
	return k;
}

void dir_kv_node_free(struct dir_kv_node **k)
{
	xfree(k);
}

const struct dir_kv *dir_kv_node_ops(struct dir_kv_node *k)
{
	return &k->ops;
}
