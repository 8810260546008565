#include <inttypes.h>
#include <stdio.h>

#include "backend/store/volume.h"
#include "common/base/num.h"
#include "common/log/log.h"

static const unsigned char frame_magic[4] = {'P', 'V', 'o', 'l'};

void volume_frame_encode(uint64_t record, uint64_t length, unsigned char out[VOLUME_FRAME_SIZE])
{
	memcpy(out, frame_magic, 4);
	be32_put(out + 4, 0);
	be64_put(out + 8, record);
	be64_put(out + 16, length);
	be64_put(out + 24, rec_hash(slice(out, 24)));
}

enum err volume_frame_decode(slice_t in, uint64_t *record_out, uint64_t *length_out)
{
	if (in.n < VOLUME_FRAME_SIZE || memcmp(in.p, frame_magic, 4) != 0 ||
	    be32_get(in.p + 4) != 0 || be64_get(in.p + 24) != rec_hash(slice(in.p, 24)))
		return E_CORRUPT;
	*record_out = be64_get(in.p + 8);
	*length_out = be64_get(in.p + 16);
	return E_OK;
}

enum err volumes_init(struct volumes *v, const char *dir, uint64_t volume_bytes)
{
	memset(v, 0, sizeof(*v));
	pthread_mutex_init(&v->lock, NULL);
	v->volume_bytes = volume_bytes;
	return disk_path(v->dir, dir, "volumes");
}

void volumes_fini(struct volumes *v)
{
	for (size_t i = 0; i < VOLUME_FDS; i++) {
		struct volume_fd *f = v->slots[i];

		if (f == NULL)
			continue;
		invariant(f->refs == 0);
		disk_close(&f->fd);
		xfree(&v->slots[i]);
	}
	pthread_mutex_destroy(&v->lock);
}

void volume_path(const struct volumes *v, uint64_t no, enum volume_kind kind,
		 char out[DISK_PATH_MAX + 32])
{
	(void)snprintf(out, DISK_PATH_MAX + 32, "%s/%010" PRIu64 ".%s", v->dir, no,
		       kind == VOLUME_SINGLE ? "rec" : "vol");
}

/* ---- open files ---- */

static enum err volume_open(struct volumes *v, uint64_t no, enum volume_kind kind,
			    struct volume_fd **out)
{
	char path[DISK_PATH_MAX + 32];
	int fd;
	enum err e;

	volume_path(v, no, kind, path);
	e = disk_open(path, DISK_READ, &fd);
	if (e != E_OK)
		return e;
	*out = xcalloc(1, sizeof(**out));
	(*out)->no = no;
	(*out)->fd = fd;
	(*out)->refs = 1;
	return E_OK;
}

static void volume_close(struct volume_fd *f)
{
	disk_close(&f->fd);
	xfree(&f);
}

enum err volume_ref(struct volumes *v, uint64_t no, enum volume_kind kind, struct volume_fd **out)
{
	struct volume_fd **slot = &v->slots[no % VOLUME_FDS], *old = NULL;
	enum err e = E_OK;

	pthread_mutex_lock(&v->lock);
	if (*slot != NULL && (*slot)->no == no) {
		(*slot)->refs++;
		*out = *slot;
	} else {
		e = volume_open(v, no, kind, out);
		if (e == E_OK && (*slot == NULL || (*slot)->refs == 0)) {
			old = *slot;
			*slot = *out;
			(*out)->cached = true;
		}
	}
	pthread_mutex_unlock(&v->lock);
	if (old != NULL)
		volume_close(old);
	return e;
}

void volume_unref(struct volumes *v, struct volume_fd **f)
{
	struct volume_fd *mine = *f;
	bool last;

	*f = NULL;
	pthread_mutex_lock(&v->lock);
	last = --mine->refs == 0 && !mine->cached;
	pthread_mutex_unlock(&v->lock);
	if (last)
		volume_close(mine);
}

void volume_drop(struct volumes *v, uint64_t no, enum volume_kind kind)
{
	struct volume_fd **slot = &v->slots[no % VOLUME_FDS], *old = NULL;
	char path[DISK_PATH_MAX + 32];
	enum err e;

	pthread_mutex_lock(&v->lock);
	if (*slot != NULL && (*slot)->no == no) {
		(*slot)->cached = false;
		old = (*slot)->refs == 0 ? *slot : NULL;
		*slot = NULL;
	}
	pthread_mutex_unlock(&v->lock);
	if (old != NULL)
		volume_close(old);
	volume_path(v, no, kind, path);
	e = disk_unlink(path);
	if (e != E_OK)
		LOG(LOG_WARN, NULL, "store.volume_not_removed", LF_STR("path", path),
		    LF_ERR("why", e));
}

enum err volume_single_new(struct volumes *v, uint64_t *no_out, int *fd_out)
{
	char path[DISK_PATH_MAX + 32];

	*no_out = atomic_fetch_add(&v->next, 1);
	volume_path(v, *no_out, VOLUME_SINGLE, path);
	return disk_open(path, DISK_CREATE, fd_out);
}

/* ---- recovery ---- */

struct recovery {
	struct volumes *v;
	struct kv_txn *t;
	const struct row_state *state;
};

static enum err recover_file(void *arg, const char *name)
{
	struct recovery *r = arg;
	slice_t s = slice_str(name);
	size_t dot = slice_find_char(s, '.');
	bool single = slice_eq(slice_from(s, dot), SL(".rec"));
	char path[DISK_PATH_MAX + 32];
	struct row_volume row;
	uint64_t no;
	enum err e;

	if (!num_parse(slice_sub(s, 0, dot), UINT64_MAX, &no) ||
	    (!single && !slice_eq(slice_from(s, dot), SL(".vol")))) {
		LOG(LOG_WARN, NULL, "store.unknown_file", LF_STR("name", name));
		return E_OK;
	}
	e = tab_volume_get(r->t, no, &row);
	if (e == E_OK && (row.kind == VOLUME_SINGLE) == single)
		return E_OK;
	if (e != E_OK && e != E_NOT_FOUND)
		return e;
	volume_path(r->v, no, single ? VOLUME_SINGLE : VOLUME_SHARED, path);
	LOG(LOG_INFO, NULL, "store.orphan_file", LF_STR("path", path));
	return disk_unlink(path);
}

static enum err recover_tail(struct volumes *v, const struct row_state *state)
{
	char path[DISK_PATH_MAX + 32];
	uint64_t size;
	int fd;
	enum err e;

	if (state->tail_volume == 0)
		return E_OK;
	volume_path(v, state->tail_volume, VOLUME_SHARED, path);
	e = disk_open(path, DISK_WRITE, &fd);
	if (e != E_OK)
		return e;
	e = disk_size(fd, &size);
	if (e == E_OK && size < state->tail_off)
		e = tab_corrupt("volume is shorter than its tail", state->tail_volume, size);
	if (e == E_OK && size > state->tail_off) {
		LOG(LOG_INFO, NULL, "store.orphan_tail", LF_STR("path", path),
		    LF_UINT("bytes", size - state->tail_off));
		e = disk_truncate(fd, state->tail_off);
	}
	disk_close(&fd);
	return e;
}

enum err volumes_recover(struct volumes *v, struct kv_txn *t, const struct row_state *state)
{
	struct recovery r = {v, t, state};
	enum err e = disk_list(v->dir, recover_file, &r);

	atomic_store(&v->next, state->next_volume);
	return e == E_OK ? recover_tail(v, state) : e;
}

/* ---- all of them ---- */

/* Volumes above *after_io; moves it on. E_NOT_FOUND: these were the last ones, or fn has enough. */
static enum err each_slice(struct kv *kv, uint64_t *after_io, volume_row_fn *fn, void *arg)
{
	struct kv_cursor *c = NULL;
	struct row_volume row;
	struct rec_key key;
	struct kv_txn *t;
	slice_t k, v;
	enum err e = kv_read(kv, &t);

	if (e != E_OK)
		return e;
	key_id(&key, *after_io + 1);
	e = kv_cursor(t, T_VOLUME, &c);
	if (e == E_OK)
		e = kv_seek(c, rec_key(&key), &k, &v);
	for (unsigned n = 0; e == E_OK && n < STORE_SLICE_ROWS; n++) {
		e = k.n == 8 ? row_volume_decode(v, &row) : E_CORRUPT;
		if (e != E_OK)
			break;
		*after_io = be64_get(k.p);
		e = fn(arg, *after_io, &row) ? kv_next(c, &k, &v) : E_NOT_FOUND;
	}
	kv_cursor_end(&c);
	kv_abort(&t);
	return e;
}

enum err volumes_each(struct kv *kv, volume_row_fn *fn, void *arg)
{
	uint64_t after = 0;
	enum err e;

	do
		e = each_slice(kv, &after, fn, arg);
	while (e == E_OK);
	return e == E_NOT_FOUND ? E_OK : e;
}

/* ---- the writer's side ---- */

void volume_group_init(struct volume_group *g, struct volumes *v)
{
	memset(g, 0, sizeof(*g));
	g->v = v;
	g->fd = -1;
}

void volume_group_fini(struct volume_group *g)
{
	disk_close(&g->fd);
	xfree(&g->iov);
	xfree(&g->frames);
	xfree(&g->dropped);
}

void volume_group_begin(struct volume_group *g, struct kv_txn *txn, struct row_state *state)
{
	g->txn = txn;
	g->state = state;
	g->niov = g->nframes = 0;
	g->start = state->tail_off;
	g->added = 0;
	g->dirty = false;
	g->ndropped = g->nwhole = 0;
}

static void group_dropped(struct volume_group *g, uint64_t no, enum volume_kind kind)
{
	if (g->ndropped == g->dropped_cap) {
		g->dropped_cap = MAX(g->dropped_cap * 2, (size_t)16);
		g->dropped = xrealloc(g->dropped, g->dropped_cap * sizeof(*g->dropped));
	}
	g->dropped[g->ndropped++] = (struct volume_dropped){no, kind};
}

static enum err volume_delete_row(struct volume_group *g, uint64_t no, enum volume_kind kind)
{
	struct rec_key k;

	key_id(&k, no);
	group_dropped(g, no, kind);
	return kv_del(g->txn, T_VOLUME, rec_key(&k));
}

/* Enters what was appended into the tail's row. */
static enum err group_account(struct volume_group *g)
{
	struct row_volume row;
	enum err e;

	if (g->added == 0)
		return E_OK;
	e = tab_volume_get(g->txn, g->state->tail_volume, &row);
	if (e != E_OK)
		return e;
	row.total += g->added;
	row.live += g->added;
	g->added = 0;
	return tab_volume_put(g->txn, g->state->tail_volume, &row);
}

enum err volume_group_flush(struct volume_group *g)
{
	enum err e = group_account(g);

	if (e != E_OK || !g->dirty)
		return e;
	e = disk_writev("store.volume.write", g->fd, g->iov, g->niov, g->start);
	if (e != E_OK) {
		g->fatal = e != E_FULL;
		return e;
	}
	e = disk_sync("store.volume.sync", g->fd);
	g->fatal = e != E_OK;
	g->dirty = false;
	g->niov = g->nframes = 0;
	g->start = g->state->tail_off;
	return e;
}

static void tail_opened(struct volume_group *g, uint64_t no)
{
	g->fd_no = no;
	memset(g->done, 0, sizeof(g->done));
	g->nwhole = 0;
}

/* The tail is full (or there is none): a new file takes its place. */
static enum err volume_roll(struct volume_group *g)
{
	struct row_volume row = {.kind = VOLUME_SHARED}, old;
	char path[DISK_PATH_MAX + 32];
	uint64_t no = atomic_fetch_add(&g->v->next, 1);
	enum err e = volume_group_flush(g);

	if (e != E_OK)
		return e;
	if (g->state->tail_volume != 0) {
		e = tab_volume_get(g->txn, g->state->tail_volume, &old);
		if (e == E_OK && old.live == 0)
			e = volume_delete_row(g, g->state->tail_volume, VOLUME_SHARED);
		if (e != E_OK)
			return e;
	}
	disk_close(&g->fd);
	volume_path(g->v, no, VOLUME_SHARED, path);
	e = disk_open(path, DISK_CREATE, &g->fd);
	if (e != E_OK)
		return e;
	e = disk_sync_dir(g->v->dir);
	g->fatal = e != E_OK;
	if (e != E_OK)
		return e;
	tail_opened(g, no);
	g->state->tail_volume = no;
	g->state->tail_off = g->start = 0;
	return tab_volume_put(g->txn, no, &row);
}

static enum err group_open(struct volume_group *g)
{
	char path[DISK_PATH_MAX + 32];

	if (g->fd >= 0 && g->fd_no == g->state->tail_volume)
		return E_OK;
	disk_close(&g->fd);
	volume_path(g->v, g->state->tail_volume, VOLUME_SHARED, path);
	tail_opened(g, g->state->tail_volume);
	return disk_open(path, DISK_WRITE, &g->fd);
}

static void group_push(struct volume_group *g, uint64_t record, slice_t stored)
{
	union {
		const char *in;
		void *out;
	} bytes = {.in = stored.p};

	if (g->nframes == g->frames_cap) {
		size_t cap = MAX(g->frames_cap * 2, (size_t)64);

		g->frames = xrealloc(g->frames, cap * sizeof(*g->frames));
		g->iov = xrealloc(g->iov, 2 * cap * sizeof(*g->iov));
		/* The frames may have moved. */
		for (size_t i = 0; i < g->nframes; i++)
			g->iov[2 * i].iov_base = g->frames[i];
		g->frames_cap = cap;
	}
	volume_frame_encode(record, stored.n, g->frames[g->nframes]);
	g->iov[g->niov++] = (struct iovec){g->frames[g->nframes++], VOLUME_FRAME_SIZE};
	g->iov[g->niov++] = (struct iovec){bytes.out, stored.n};
}

enum err volume_append(struct volume_group *g, uint64_t record, slice_t stored,
		       uint64_t *volume_out, uint64_t *off_out)
{
	uint64_t size = VOLUME_FRAME_SIZE + stored.n;
	enum err e = E_OK;

	if (g->state->tail_volume == 0 ||
	    (g->state->tail_off > 0 && g->state->tail_off + size > g->v->volume_bytes))
		e = volume_roll(g);
	if (e == E_OK)
		e = group_open(g);
	if (e != E_OK)
		return e;
	group_push(g, record, stored);
	*volume_out = g->state->tail_volume;
	*off_out = g->state->tail_off + VOLUME_FRAME_SIZE;
	g->state->tail_off += size;
	g->added += size;
	g->dirty = true;
	return E_OK;
}

enum err volume_adopt(struct volume_group *g, uint64_t no, uint64_t size)
{
	struct row_volume row = {VOLUME_SINGLE, size, size};

	return tab_volume_put(g->txn, no, &row);
}

enum err volume_release(struct volume_group *g, uint64_t no, uint64_t size)
{
	struct row_volume row;
	enum err e = group_account(g);

	if (e == E_OK)
		e = tab_volume_get(g->txn, no, &row);
	if (e != E_OK)
		return e;
	if (row.kind == VOLUME_SHARED)
		size += VOLUME_FRAME_SIZE;
	if (size > row.live)
		return tab_corrupt("volume has less than is released", no, row.live);
	row.live -= size;
	if (row.live == 0 && no != g->state->tail_volume)
		return volume_delete_row(g, no, row.kind);
	return tab_volume_put(g->txn, no, &row);
}

void volume_done_with(struct volume_group *g, uint64_t no, uint64_t off, uint64_t stored,
		      uint32_t holders)
{
	uint64_t at = off - VOLUME_FRAME_SIZE, end = off + stored;

	if (no != g->state->tail_volume || no != g->fd_no)
		return;
	while (at < end && at / VOLUME_SEGMENT < VOLUME_SEGMENTS) {
		uint16_t i = (uint16_t)(at / VOLUME_SEGMENT);
		uint64_t next = MIN(end, (i + 1ull) * VOLUME_SEGMENT);

		uint32_t before = g->done[i];

		g->done[i] += (uint32_t)((next - at + holders - 1) / holders);
		if (before < VOLUME_SEGMENT && g->done[i] >= VOLUME_SEGMENT)
			g->whole[g->nwhole++] = i;
		at = next;
	}
}

static void forget_whole(struct volume_group *g)
{
	for (size_t i = 0; i < g->nwhole && g->fd_no == g->state->tail_volume; i++)
		disk_forget(g->fd, (uint64_t)g->whole[i] * VOLUME_SEGMENT, VOLUME_SEGMENT);
}

void volume_group_end(struct volume_group *g, bool committed)
{
	if (committed) {
		for (size_t i = 0; i < g->ndropped; i++)
			volume_drop(g->v, g->dropped[i].no, g->dropped[i].kind);
		forget_whole(g);
	} else if (g->fd_no != 0) {
		/* A file that this group may have begun is no part of the state again. */
		disk_close(&g->fd);
		g->fd_no = 0;
	}
	g->txn = NULL;
	g->ndropped = g->niov = g->nframes = 0;
}
