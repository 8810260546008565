#include <unistd.h>

#include "backend/store/partition_priv.h"
#include "backend/store/stage_priv.h"
#include "common/base/num.h"
#include "common/log/log.h"

#define STAGE_PIECE_LARGE (4u * 1024)

/* All stages of the process together. */
static _Atomic size_t stage_left = 64u * 1024 * 1024;

void stage_budget(size_t bytes)
{
	atomic_store(&stage_left, bytes);
}

static bool stage_charge(struct stage *s, size_t n)
{
	size_t left = atomic_load(&stage_left);

	do {
		if (n > left)
			return false;
	} while (!atomic_compare_exchange_weak(&stage_left, &left, left - n));
	s->charged += n;
	return true;
}

static void stage_give_back(struct stage *s)
{
	atomic_fetch_add(&stage_left, s->charged);
	s->charged = 0;
	buf_fini(&s->bytes);
}

enum err stage_begin(struct partition *p, uint64_t size_hint, uint64_t max, struct stage **out)
{
	struct stage *s;

	*out = NULL;
	if (atomic_load(&p->stopped))
		return E_RETRY;
	if (atomic_load(&p->full))
		return E_FULL;
	if (size_hint > max)
		return E_TOO_BIG;
	s = xcalloc(1, sizeof(*s));
	s->part = p;
	s->max = max;
	s->fd = -1;
	record_check_init(&s->check);
	buf_init(&s->bytes, STAGE_MEMORY_MAX, NULL);
	*out = s;
	return E_OK;
}

/* Too large for memory, or memory is short: the bytes so far go to a file of its own. */
static enum err stage_spill(struct stage *s)
{
	enum err e = volume_single_new(&s->part->volumes, &s->volume, &s->fd);

	if (e == E_OK)
		e = disk_write("store.stage.write", s->fd, buf_slice(&s->bytes), 0);
	stage_give_back(s);
	return e;
}

/* Memory for n more bytes, charged to all stages. A large first piece has more behind it and brings
 * room for eight: to grow by doubling would copy them over and over. */
static bool stage_room(struct stage *s, size_t n)
{
	size_t need = s->bytes.n + n, room = MIN(8 * n, (size_t)STAGE_MEMORY_MAX);

	if (need <= s->charged)
		return true;
	if (s->bytes.cap == 0 && n >= STAGE_PIECE_LARGE && stage_charge(s, room))
		return buf_expect(&s->bytes, room);
	return stage_charge(s, need - s->charged);
}

static enum err stage_put(struct stage *s, slice_t bytes)
{
	uint64_t at = s->check.size;
	enum err e;

	if (s->ended)
		return E_INVALID;
	if (bytes.n > s->max || at > s->max - bytes.n)
		return E_TOO_BIG;
	e = record_check_feed(&s->check, bytes);
	if (e != E_OK)
		return e;
	if (s->volume == 0) {
		if (at + bytes.n <= STAGE_MEMORY_MAX && stage_room(s, bytes.n)) {
			buf_put(&s->bytes, bytes);
			return buf_failed(&s->bytes) ? E_LIMIT : E_OK;
		}
	}
	/* Large records come in beside the writer, which would find the disk full too late. */
	if (partition_disk_full(s->part))
		return E_FULL;
	if (s->volume == 0)
		e = stage_spill(s);
	return e == E_OK ? disk_write("store.stage.write", s->fd, bytes, at) : e;
}

enum err stage_write_now(struct stage *s, slice_t bytes)
{
	if (s->err == E_OK)
		s->err = stage_put(s, bytes);
	return s->err;
}

static enum err stage_sync(struct stage *s)
{
	enum err e;

	if (s->volume == 0)
		return E_OK;
	e = disk_sync("store.stage.sync", s->fd);
	if (e == E_OK)
		e = disk_sync_dir(s->part->volumes.dir);
	if (e != E_OK)
		writer_stop(s->part, "a record's file could not be synced");
	return e;
}

enum err stage_end_now(struct stage *s, struct stage_info *out)
{
	if (s->err == E_OK && !s->ended) {
		s->err = record_check_end(&s->check, &s->info.trailer);
		s->info.header = s->check.header;
		if (s->err == E_OK)
			s->err = stage_sync(s);
		s->ended = true;
	}
	*out = s->info;
	return s->err;
}

void stage_free(struct stage **sp)
{
	struct stage *s = *sp;

	if (s == NULL)
		return;
	disk_close(&s->fd);
	if (s->volume != 0 && !s->taken)
		volume_drop(&s->part->volumes, s->volume, VOLUME_SINGLE);
	stage_give_back(s);
	xfree(sp);
}

enum err stage_read(const struct stage *s, uint64_t off, size_t n, struct buf *out)
{
	char *room;
	enum err e;

	if (s->volume == 0) {
		slice_t part = slice_sub(buf_slice(&s->bytes), (size_t)off, n);

		if (part.n != n)
			return E_CORRUPT;
		buf_put(out, part);
		return buf_failed(out) ? E_LIMIT : E_OK;
	}
	room = buf_reserve(out, n);
	if (room == NULL)
		return E_LIMIT;
	e = disk_read(s->fd, room, n, off);
	if (e == E_OK)
		buf_commit(out, n);
	return e;
}

enum err stage_table(const struct stage *s, struct buf *out)
{
	const struct record_trailer *t = &s->info.trailer;
	size_t n = (size_t)t->nblocks * RECORD_ENTRY_SIZE, at = out->n;
	uint32_t *entries;
	enum err e = stage_read(s, t->stored_size - RECORD_TRAILER_SIZE - n, n, out);

	if (e != E_OK)
		return e;
	entries = xcalloc(t->nblocks + 1, sizeof(*entries));
	e = record_table_decode(slice_from(buf_slice(out), at), entries, t->nblocks);
	if (e == E_OK)
		e = record_table_check(entries, t->nblocks, t->plain_size, t->stored_size,
				       s->info.header.seal);
	xfree(&entries);
	return e;
}

void stage_settle(struct stage *s, bool committed)
{
	if (committed && s->pending != 0) {
		s->record = s->pending;
		s->taken |= s->pending_file;
	}
	s->pending = 0;
	s->pending_file = false;
}
