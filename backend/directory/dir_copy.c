/*
 * dir_copy: the image's mirror in the node's environment. Rows are written under "dir/" and their
 * key; the row "dir/m" says up to which change they are true, and is written after them. A crash
 * in between leaves newer rows under an older position: reading those changes again is harmless.
 */
#include "backend/directory/dir_copy.h"

#include "backend/directory/dir_priv.h"
#include "common/base/clock.h"
#include "common/log/log.h"

#define PREFIX      "dir/"
#define WRITE_OPS   1000              /* of one call */
#define WRITE_BYTES (2 * 1024 * 1024) /* likewise; one value may pass it */
#define TOUCH_MS    60000 /* how far the saved time of the last sync may lag: far below an hour */

/* ---- batches ---- */

void dir_batch_init(struct dir_batch *b)
{
	*b = (struct dir_batch){.n = 0};
	buf_init(&b->bytes, SIZE_MAX / 2, NULL);
}

void dir_batch_fini(struct dir_batch *b)
{
	buf_fini(&b->bytes);
	xfree(&b->v);
	*b = (struct dir_batch){.n = 0};
}

static struct dir_change *batch_next(struct dir_batch *b)
{
	if (b->n == b->cap) {
		b->cap = b->cap == 0 ? 64 : b->cap * 2;
		b->v = xrealloc(b->v, b->cap * sizeof(*b->v));
	}
	return &b->v[b->n++];
}

void dir_batch_put(struct dir_batch *b, slice_t key, slice_t value)
{
	struct dir_change *c = batch_next(b);

	*c = (struct dir_change){.key_at = b->bytes.n, .key_n = key.n, .value_n = value.n};
	buf_put(&b->bytes, key);
	c->value_at = b->bytes.n;
	buf_put(&b->bytes, value);
}

void dir_batch_del(struct dir_batch *b, slice_t key)
{
	dir_batch_put(b, key, SLICE_NONE);
	b->v[b->n - 1].del = true;
}

/* ---- writing ---- */

/* Operations waiting for one call; keys with their prefix lie in `keys`. */
struct writer {
	struct dir *d;
	struct dir_kv_op *ops;
	size_t *key_at;
	size_t n, value_bytes;
	struct buf keys;
	enum err e;
};

static void writer_init(struct writer *w, struct dir *d)
{
	*w = (struct writer){.d = d, .e = E_OK};
	w->ops = xcalloc(WRITE_OPS, sizeof(*w->ops));
	w->key_at = xcalloc(WRITE_OPS, sizeof(*w->key_at));
	buf_init(&w->keys, SIZE_MAX / 2, NULL);
}

WAITS static void writer_flush(struct writer *w, enum dir_kv_sync sync)
{
	for (size_t i = 0; i < w->n; i++)
		w->ops[i].key.p = w->keys.p + w->key_at[i];
	if (w->e == E_OK && w->n > 0)
		w->e = w->d->kv->apply(w->d->kv->ctx, w->ops, w->n, sync);
	w->n = 0;
	w->value_bytes = 0;
	buf_reset(&w->keys);
}

/* value lives until the next flush; p NULL: delete. */
WAITS static void writer_put(struct writer *w, slice_t key, slice_t value)
{
	if (w->n == WRITE_OPS || w->value_bytes > WRITE_BYTES)
		writer_flush(w, DIR_KV_SYNC);
	w->key_at[w->n] = w->keys.n;
	buf_puts(&w->keys, PREFIX);
	buf_put(&w->keys, key);
	w->ops[w->n].key.n = w->keys.n - w->key_at[w->n];
	w->ops[w->n].value = value;
	w->value_bytes += value.n;
	w->n++;
}

static void meta_encode(const struct dir *d, struct buf *out)
{
	struct dir_rec_meta m = {
		.complete = d->complete,
		.txid = d->txid,
		.serial = d->serial,
		.confirmed_us = d->confirmed_us,
		.source = slice_str(d->source),
		.secret = slice(d->secret, d->have_secret ? sizeof(d->secret) : 0),
	};

	dir_rec_put_meta(out, &m);
}

WAITS static enum err writer_end(struct writer *w, enum dir_kv_sync sync)
{
	struct buf meta;
	char kind = DIR_K_META;

	buf_init(&meta, 1024, NULL);
	meta_encode(w->d, &meta);
	writer_put(w, slice(&kind, 1), buf_slice(&meta));
	writer_flush(w, sync);
	buf_fini(&meta);
	xfree(&w->ops);
	xfree(&w->key_at);
	buf_fini(&w->keys);
	if (w->e == E_OK)
		w->d->meta_saved_ms = clock_mono_ms();
	return w->e;
}

struct strays {
	const struct dir *d;
	struct dir_batch keys;
};

static bool find_stray(slice_t key, slice_t value, void *arg)
{
	struct strays *s = arg;
	slice_t own = slice_from(key, sizeof(PREFIX) - 1);

	(void)value;
	if (own.n > 0 && own.p[0] != DIR_K_META && dir_image_get(&s->d->image, own).p == NULL)
		dir_batch_del(&s->keys, own);
	return true;
}

/* After a failure, or with a copy that cannot be trusted: everything. */
WAITS static enum err rewrite(struct dir *d)
{
	struct strays s = {.d = d};
	struct map_iter it = {0};
	struct writer w;
	slice_t key, value;
	enum err e;

	dir_batch_init(&s.keys);
	e = d->kv->scan(d->kv->ctx, SL(PREFIX), find_stray, &s);
	writer_init(&w, d);
	w.e = e;
	for (size_t i = 0; i < s.keys.n; i++)
		writer_put(&w, dir_batch_key(&s.keys, i), SLICE_NONE);
	while (dir_image_next(&d->image, &it, &key, &value))
		writer_put(&w, key, value);
	e = writer_end(&w, DIR_KV_SYNC);
	dir_batch_fini(&s.keys);
	return e;
}

WAITS static enum err write_batch(struct dir *d, const struct dir_batch *b)
{
	struct writer w;

	writer_init(&w, d);
	for (size_t i = 0; i < b->n; i++)
		writer_put(&w, dir_batch_key(b, i),
			   b->v[i].del ? SLICE_NONE : dir_batch_value(b, i));
	return writer_end(&w, DIR_KV_SYNC);
}

WAITS void dir_copy_write(struct dir *d, const struct dir_batch *b)
{
	enum err e = d->copy_behind ? rewrite(d) : write_batch(d, b);

	if (e == E_OK) {
		d->copy_behind = false;
		return;
	}
	if (!d->copy_behind)
		LOG(LOG_ERROR, NULL, "dir.copy", LF_ERR("status", e));
	d->copy_behind = true;
}

WAITS void dir_copy_touch(struct dir *d)
{
	struct writer w;

	if (d->copy_behind) {
		struct dir_batch none;

		dir_batch_init(&none);
		dir_copy_write(d, &none);
		dir_batch_fini(&none);
		return;
	}
	if (clock_mono_ms() - d->meta_saved_ms < TOUCH_MS)
		return;
	writer_init(&w, d);
	if (writer_end(&w, DIR_KV_LAZY) != E_OK)
		LOG(LOG_WARN, NULL, "dir.copy.touch", LF_ERR("status", w.e));
}

/* ---- reading ---- */

struct load {
	struct dir *d;
	size_t bad;
};

static void load_meta(struct dir *d, slice_t value)
{
	struct dir_rec_meta m;

	if (!dir_rec_meta(value, &m) || !slice_to_str(m.source, d->source, sizeof(d->source)))
		return;
	d->complete = m.complete;
	d->txid = m.txid;
	d->serial = m.serial;
	d->confirmed_us = m.confirmed_us;
	d->have_secret = m.secret.n == sizeof(d->secret);
	if (d->have_secret)
		memcpy(d->secret, m.secret.p, m.secret.n);
}

static bool load_row(slice_t key, slice_t value, void *arg)
{
	struct load *l = arg;
	slice_t own = slice_from(key, sizeof(PREFIX) - 1);

	if (!dir_rec_valid(own, value))
		l->bad++;
	else if (own.p[0] == DIR_K_META)
		load_meta(l->d, value);
	else
		dir_image_put(&l->d->image, own, value);
	return true;
}

WAITS enum err dir_copy_load(struct dir *d, struct diag *diag)
{
	struct load l = {.d = d};
	enum err e = d->kv->scan(d->kv->ctx, SL(PREFIX), load_row, &l);

	if (e != E_OK)
		return diag_set(diag, e, "reading the copy of the directory: %s", err_name(e));
	if (l.bad > 0) {
		LOG(LOG_ERROR, NULL, "dir.copy.corrupt", LF_UINT("rows", l.bad));
		d->complete = false;
		d->copy_behind = true;
	}
	/* A clock that was set back must not make an old copy look fresh for ever. */
	d->confirmed_us = MIN(d->confirmed_us, clock_wall_us());
	return E_OK;
}
