/* Stored bytes of records. */
#include "backend/store/msg.h"
#include "backend/store/partition_priv.h"

/* Bytes between two wanted parts of a volume that are cheaper to read and drop than to jump: a
 * record's trailer and table, the next one's frame and header, and a small record or two. */
#define GAP_MAX   4096
/* Parts of one preadv: wanted ones and gaps. */
#define IOV_PARTS 128
/* How often a record may move while it is being looked for. */
#define TRIES_MAX 5

struct place {
	uint64_t volume, off;
	enum volume_kind kind;
};

struct msg_span msg_span_blocks(const struct msg_record *r, uint32_t first, uint32_t last)
{
	uint64_t at = RECORD_HEADER_SIZE, from = at;

	for (uint32_t i = 0; i <= last && i < r->nblocks; i++) {
		if (i == first)
			from = at;
		at += record_entry_len(r->table[i]);
	}
	return (struct msg_span){r->no, from, at};
}

static enum err place_find(struct kv_txn *t, const struct msg_span *span, uint64_t *last_volume,
			   struct row_volume *volume, struct place *out)
{
	struct row_record row;
	enum err e = tab_record_get(t, span->record_no, &row);

	if (e != E_OK)
		return e;
	if (span->from > span->to || span->to > row.stored_size)
		return E_INVALID;
	if (row.volume != *last_volume) {
		e = tab_volume_get(t, row.volume, volume);
		if (e != E_OK)
			return e == E_NOT_FOUND ? tab_corrupt("volume", row.volume, 0) : e;
		*last_volume = row.volume;
	}
	*out = (struct place){row.volume, row.off + span->from, volume->kind};
	return E_OK;
}

static enum err places_find(struct partition *p, const struct msg_span *spans, size_t n,
			    struct place *out)
{
	struct row_volume volume = {.kind = VOLUME_SHARED};
	uint64_t last_volume = 0;
	struct kv_txn *t;
	enum err e = kv_read(p->kv, &t);

	if (e != E_OK)
		return e;
	for (size_t i = 0; i < n && e == E_OK; i++)
		e = place_find(t, &spans[i], &last_volume, &volume, &out[i]);
	kv_abort(&t);
	return e;
}

/* How many spans from here on lie in one file, in order, near each other. */
static size_t run_length(const struct msg_span *spans, const struct place *at, size_t n)
{
	size_t i = 1;

	while (i < n && 2 * i + 1 < IOV_PARTS && at[i].volume == at[0].volume) {
		uint64_t end = at[i - 1].off + (spans[i - 1].to - spans[i - 1].from);

		if (at[i].off < end || at[i].off - end > GAP_MAX)
			break;
		i++;
	}
	return i;
}

static enum err run_read(int fd, const struct msg_span *spans, const struct place *at, size_t n,
			 char *room)
{
	char gap[GAP_MAX];
	struct iovec iov[IOV_PARTS];
	size_t niov = 0;

	for (size_t i = 0; i < n; i++) {
		size_t len = (size_t)(spans[i].to - spans[i].from);

		if (i > 0) {
			uint64_t end = at[i - 1].off + (spans[i - 1].to - spans[i - 1].from);

			if (at[i].off > end)
				iov[niov++] = (struct iovec){gap, (size_t)(at[i].off - end)};
		}
		iov[niov++] = (struct iovec){room, len};
		room += len;
	}
	return disk_readv(fd, iov, niov, at[0].off);
}

/* E_NOT_FOUND: a file has gone since the places were looked up. */
static enum err spans_read(struct partition *p, const struct msg_span *spans,
			   const struct place *at, size_t n, struct buf *out)
{
	enum err e = E_OK;

	for (size_t i = 0, run; i < n && e == E_OK; i += run) {
		struct volume_fd *f;
		size_t bytes = 0;
		char *room;

		run = run_length(spans + i, at + i, n - i);
		for (size_t j = i; j < i + run; j++)
			bytes += (size_t)(spans[j].to - spans[j].from);
		room = buf_reserve(out, bytes);
		if (room == NULL && bytes > 0)
			return E_LIMIT;
		e = volume_ref(&p->volumes, at[i].volume, at[i].kind, &f);
		if (e != E_OK)
			return e;
		e = run_read(f->fd, spans + i, at + i, run, room);
		volume_unref(&p->volumes, &f);
		if (e == E_OK)
			buf_commit(out, bytes);
	}
	return e;
}

enum err msg_read(struct partition *p, const struct msg_span *spans, size_t n, struct buf *out)
{
	struct place *at = xcalloc(n + 1, sizeof(*at));
	size_t before = out->n;
	enum err e = E_NOT_FOUND;

	for (unsigned tries = 0; tries < TRIES_MAX && e == E_NOT_FOUND; tries++) {
		out->n = before;
		e = places_find(p, spans, n, at);
		if (e != E_OK)
			break;
		e = spans_read(p, spans, at, n, out);
	}
	if (e != E_OK)
		out->n = before;
	xfree(&at);
	return e;
}
