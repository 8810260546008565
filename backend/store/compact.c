/*
 * Compaction: shared volumes of which less than half is live are read from end to end, frame by
 * frame; what is still live is handed to the writer, which appends it to the tail and sets the
 * record's place anew, if that has not changed meanwhile. When the last live record has left, the
 * writer drops the volume. Copies are throttled to conf.compact_rate.
 */
#include "backend/store/keep.h"
#include "backend/store/partition_priv.h"
#include "common/base/num.h"
#include "common/log/log.h"
#include "common/log/metric.h"

METRIC_COUNTER(metric_moved, "store_compacted_bytes_total", "Bytes that compaction copied", {0});

/* Bytes and records of one change: a fraction of what a group may carry. */
#define BATCH_BYTES   (1024u * 1024)
#define BATCH_RECORDS STORE_SLICE_ROWS
/* Volumes of one round. */
#define ROUND_VOLUMES 16

struct candidates {
	uint64_t tail;
	uint64_t v[ROUND_VOLUMES];
	size_t n;
};

static bool candidate(void *arg, uint64_t no, const struct row_volume *row)
{
	struct candidates *c = arg;

	if (row->kind == VOLUME_SHARED && no != c->tail && row->live < row->total / 2)
		c->v[c->n++] = no;
	return c->n < ROUND_VOLUMES;
}

static enum err candidates_find(struct partition *p, struct candidates *out)
{
	struct row_state state;
	struct kv_txn *t;
	enum err e = kv_read(p->kv, &t);

	if (e != E_OK)
		return e;
	e = tab_state_get(t, &state);
	kv_abort(&t);
	*out = (struct candidates){.tail = state.tail_volume};
	return e == E_OK ? volumes_each(p->kv, candidate, out) : e;
}

/* Does record `no` lie at `off` of the volume? */
static bool is_live(struct kv_txn *t, uint64_t no, uint64_t volume, uint64_t off, uint64_t length)
{
	struct row_record row;

	return tab_record_get(t, no, &row) == E_OK && row.volume == volume && row.off == off &&
	       row.stored_size == length;
}

struct batch {
	struct partition *p;
	uint64_t volume;
	struct keep_record records[BATCH_RECORDS];
	uint64_t lengths[BATCH_RECORDS];
	size_t n;
	uint64_t bytes;
	struct buf data;
};

/* The next frames from *off_io on. */
static enum err batch_frames(struct batch *b, int fd, uint64_t size, uint64_t *off_io)
{
	uint64_t bytes = 0;

	b->n = 0;
	while (b->n < BATCH_RECORDS && *off_io < size && bytes < BATCH_BYTES) {
		unsigned char frame[VOLUME_FRAME_SIZE];
		uint64_t no, length, at = *off_io + VOLUME_FRAME_SIZE;
		enum err e = disk_read(fd, frame, sizeof(frame), *off_io);

		if (e == E_OK)
			e = volume_frame_decode(slice(frame, sizeof(frame)), &no, &length);
		if (e == E_OK && (at > size || length > size - at))
			e = E_CORRUPT;
		if (e != E_OK)
			return e;
		b->records[b->n] = (struct keep_record){no, b->volume, at, SLICE_NONE};
		b->lengths[b->n++] = length;
		bytes += length;
		*off_io = at + length;
	}
	return E_OK;
}

/* Leaves those that are live. */
static enum err batch_live(struct batch *b)
{
	struct kv_txn *t;
	size_t n = 0;
	enum err e = kv_read(b->p->kv, &t);

	if (e != E_OK)
		return e;
	b->bytes = 0;
	for (size_t i = 0; i < b->n; i++) {
		if (!is_live(t, b->records[i].no, b->volume, b->records[i].off, b->lengths[i]))
			continue;
		b->bytes += b->lengths[i];
		b->records[n] = b->records[i];
		b->lengths[n++] = b->lengths[i];
	}
	kv_abort(&t);
	b->n = n;
	return E_OK;
}

static enum err batch_read(struct batch *b, int fd)
{
	char *room;
	size_t at = 0;

	buf_reset(&b->data);
	room = buf_reserve(&b->data, (size_t)b->bytes);
	if (room == NULL)
		return E_LIMIT;
	for (size_t i = 0; i < b->n; i++) {
		struct record_check check;
		struct record_trailer trailer;
		enum err e = disk_read(fd, room + at, (size_t)b->lengths[i], b->records[i].off);

		b->records[i].stored = slice(room + at, (size_t)b->lengths[i]);
		at += (size_t)b->lengths[i];
		record_check_init(&check);
		if (e == E_OK)
			e = record_check_feed(&check, b->records[i].stored);
		if (e == E_OK)
			e = record_check_end(&check, &trailer);
		if (e != E_OK)
			return e; /* a damaged volume stays as it is */
	}
	return E_OK;
}

static enum err batch_move(struct batch *b)
{
	struct change_keep k;
	enum err e;

	if (b->n == 0)
		return E_OK;
	change_keep_init(&k, KEEP_COMPACT);
	k.records = b->records;
	k.nrecords = b->n;
	e = change_run(b->p, &k.change);
	metric_add(&metric_moved, (int64_t)b->bytes);
	if (e != E_OK)
		return e;
	return keeper_pause(b->p, (int64_t)(b->bytes * 1000 / b->p->conf.compact_rate)) ? E_OK
											: E_CLOSED;
}

static enum err compact_volume(struct partition *p, uint64_t no, uint64_t *moved)
{
	struct batch b = {.p = p, .volume = no};
	struct volume_fd *f;
	uint64_t size, off = 0;
	enum err e = volume_ref(&p->volumes, no, VOLUME_SHARED, &f);

	if (e != E_OK)
		return e == E_NOT_FOUND ? E_OK : e;
	buf_init(&b.data, SIZE_MAX, NULL);
	e = disk_size(f->fd, &size);
	while (e == E_OK && off < size) {
		e = batch_frames(&b, f->fd, size, &off);
		if (e == E_OK)
			e = batch_live(&b);
		if (e == E_OK && b.n > 0)
			e = batch_read(&b, f->fd);
		if (e == E_OK)
			e = batch_move(&b);
		*moved += e == E_OK ? b.bytes : 0;
	}
	buf_fini(&b.data);
	volume_unref(&p->volumes, &f);
	if (e == E_CORRUPT)
		LOG(LOG_ERROR, NULL, "store.volume_damaged", LF_UINT("partition", p->conf.id),
		    LF_UINT("volume", no), LF_UINT("offset", off));
	return e == E_CORRUPT ? E_OK : e;
}

enum err compact_round(struct partition *p, uint64_t *moved_out)
{
	struct candidates c;
	enum err e = candidates_find(p, &c);

	*moved_out = 0;
	for (size_t i = 0; e == E_OK && i < c.n; i++)
		e = compact_volume(p, c.v[i], moved_out);
	if (*moved_out > 0)
		LOG(LOG_INFO, NULL, "store.compacted", LF_UINT("partition", p->conf.id),
		    LF_UINT("volumes", c.n), LF_UINT("bytes", *moved_out));
	return e == E_CLOSED ? E_OK : e;
}
