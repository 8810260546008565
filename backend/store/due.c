#include "backend/store/due.h"
#include "backend/store/partition_priv.h"
#include "common/base/num.h"

static enum err due_load(struct kv_txn *t, uint64_t id, struct due_item *out, struct buf *bytes)
{
	struct row_queue row;
	enum err e = tab_queue_get(t, id, &row);

	if (e != E_OK)
		return e;
	*out = (struct due_item){.id = id,
				 .due_us = row.due_us,
				 .made_us = row.made_us,
				 .record_no = row.record,
				 .payload = {(const char *)(uintptr_t)bytes->n, row.payload.n}};
	buf_put(bytes, row.payload);
	return buf_failed(bytes) ? E_LIMIT : E_OK;
}

/* Payloads were offsets while the buffer could move. */
static void due_settle(struct due_item *v, size_t n, const struct buf *bytes)
{
	for (size_t i = 0; i < n; i++)
		v[i].payload =
			slice_sub(buf_slice(bytes), (uintptr_t)v[i].payload.p, v[i].payload.n);
}

enum err due_scan(struct partition *p, int64_t now_us, const struct due_item *after,
		  struct due_item *out, size_t max, size_t *n_out, int64_t *next_due_out,
		  struct buf *bytes)
{
	struct kv_cursor *c = NULL;
	struct kv_txn *t;
	struct rec_key key;
	slice_t k, v;
	enum err e = kv_read(p->kv, &t);

	*n_out = 0;
	*next_due_out = INT64_MAX;
	if (e != E_OK)
		return e;
	e = kv_cursor(t, T_DUE, &c);
	key_pair(&key, (uint64_t)after->due_us, after->id + 1);
	if (e == E_OK)
		e = kv_seek(c, rec_key(&key), &k, &v);
	while (e == E_OK && k.n == 16) {
		int64_t due = (int64_t)be64_get(k.p);

		if (due > now_us || *n_out == max) {
			*next_due_out = due;
			break;
		}
		e = due_load(t, be64_get(k.p + 8), &out[*n_out], bytes);
		*n_out += e == E_OK;
		if (e == E_OK)
			e = kv_next(c, &k, &v);
	}
	kv_cursor_end(&c);
	kv_abort(&t);
	due_settle(out, *n_out, bytes);
	return e == E_NOT_FOUND ? E_OK : e;
}

enum err item_scan(struct partition *p, uint64_t after, struct due_item *out, size_t max,
		   size_t *n_out, bool *more_out, struct buf *bytes)
{
	struct kv_cursor *c = NULL;
	struct kv_txn *t;
	struct rec_key key;
	slice_t k, v;
	enum err e = kv_read(p->kv, &t);

	*n_out = 0;
	*more_out = false;
	if (e != E_OK)
		return e;
	e = kv_cursor(t, T_QUEUE, &c);
	key_id(&key, after + 1);
	if (e == E_OK)
		e = kv_seek(c, rec_key(&key), &k, &v);
	while (e == E_OK && k.n == 8) {
		*more_out = *n_out == max || (*n_out != 0 && bytes->max - bytes->n < v.n);
		if (*more_out)
			break;
		e = due_load(t, be64_get(k.p), &out[*n_out], bytes);
		*n_out += e == E_OK;
		if (e == E_OK)
			e = kv_next(c, &k, &v);
	}
	kv_cursor_end(&c);
	kv_abort(&t);
	due_settle(out, *n_out, bytes);
	return e == E_NOT_FOUND ? E_OK : e;
}

enum err due_get(struct partition *p, uint64_t id, struct due_item *out, struct buf *bytes)
{
	struct kv_txn *t;
	enum err e = kv_read(p->kv, &t);

	if (e != E_OK)
		return e;
	e = due_load(t, id, out, bytes);
	kv_abort(&t);
	if (e == E_OK)
		due_settle(out, 1, bytes);
	return e;
}
