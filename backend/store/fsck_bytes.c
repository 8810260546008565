/* The records' bytes, slice by slice: what lies in the volumes is what the rows say. */
#include <inttypes.h>

#include "backend/store/fsck_priv.h"
#include "backend/store/partition_priv.h"
#include "common/base/num.h"

/* Bytes of a record read at a time. */
#define READ_STEP    (256u * 1024)
/* Records looked up in one read transaction while their bytes are checked. */
#define RECORDS_STEP STORE_SLICE_ROWS

struct place_row {
	uint64_t no;
	struct row_record row; /* without its table ... */
	size_t table_n;        /* ... of which this is the length, and a hash */
	uint64_t table_hash;
	enum volume_kind kind;
};

/* The next records above *after_io with their places. */
static enum err places(struct partition *p, uint64_t *after_io, struct place_row *out, size_t *n)
{
	struct kv_cursor *c = NULL;
	struct row_volume volume;
	struct kv_txn *t;
	struct rec_key key;
	slice_t k, v;
	enum err e = kv_read(p->kv, &t);

	*n = 0;
	if (e != E_OK)
		return e;
	key_id(&key, *after_io + 1);
	e = kv_cursor(t, T_RECORD, &c);
	if (e == E_OK)
		e = kv_seek(c, rec_key(&key), &k, &v);
	while (e == E_OK && *n < RECORDS_STEP) {
		struct place_row *r = &out[*n];

		r->no = *after_io = be64_get(k.p);
		if (row_record_decode(v, &r->row) == E_OK &&
		    tab_volume_get(t, r->row.volume, &volume) == E_OK) {
			r->table_n = r->row.table.n;
			r->table_hash = rec_hash(r->row.table);
			r->row.table = SLICE_NONE;
			r->kind = volume.kind;
			++*n;
		}
		e = kv_next(c, &k, &v);
	}
	kv_cursor_end(&c);
	kv_abort(&t);
	return e == E_NOT_FOUND ? E_OK : e;
}

/* The frame before the record, and the table in it, are those of its row. */
static enum err check_around(int fd, const struct place_row *r)
{
	uint64_t no = r->no, length = r->row.stored_size;
	unsigned char frame[VOLUME_FRAME_SIZE];
	char *table;
	enum err e = E_OK;

	if (r->row.stored_size < RECORD_TRAILER_SIZE + r->table_n)
		return E_CORRUPT;
	if (r->kind == VOLUME_SHARED)
		e = r->row.off < sizeof(frame)
			    ? E_CORRUPT
			    : disk_read(fd, frame, sizeof(frame), r->row.off - sizeof(frame));
	if (e == E_OK && r->kind == VOLUME_SHARED)
		e = volume_frame_decode(slice(frame, sizeof(frame)), &no, &length);
	if (e != E_OK || no != r->no || length != r->row.stored_size)
		return e == E_OK ? E_CORRUPT : e;
	table = xmalloc(r->table_n + 1);
	e = disk_read(fd, table, r->table_n,
		      r->row.off + r->row.stored_size - RECORD_TRAILER_SIZE - r->table_n);
	if (e == E_OK && rec_hash(slice(table, r->table_n)) != r->table_hash)
		e = E_CORRUPT;
	xfree(&table);
	return e;
}

static enum err check_bytes(struct partition *p, const struct place_row *r, char *mem)
{
	struct record_trailer trailer;
	struct record_check check;
	struct volume_fd *f;
	enum err e = volume_ref(&p->volumes, r->row.volume, r->kind, &f);

	if (e != E_OK)
		return e;
	record_check_init(&check);
	for (uint64_t at = 0; at < r->row.stored_size && e == E_OK;) {
		size_t n = (size_t)MIN(r->row.stored_size - at, (uint64_t)READ_STEP);

		e = disk_read(f->fd, mem, n, r->row.off + at);
		if (e == E_OK)
			e = record_check_feed(&check, slice(mem, n));
		at += n;
	}
	if (e == E_OK)
		e = check_around(f->fd, r);
	volume_unref(&p->volumes, &f);
	if (e == E_OK)
		e = record_check_end(&check, &trailer);
	if (e == E_OK && (memcmp(check.header.id, r->row.id, sizeof(r->row.id)) != 0 ||
			  trailer.plain_size != r->row.plain_size))
		e = E_CORRUPT;
	return e;
}

/* Has it moved, or gone, since its place was looked up? */
static bool still_there(struct partition *p, const struct place_row *r)
{
	struct row_record now;
	struct kv_txn *t;
	bool same;

	if (kv_read(p->kv, &t) != E_OK)
		return false;
	same = tab_record_get(t, r->no, &now) == E_OK && now.volume == r->row.volume &&
	       now.off == r->row.off;
	kv_abort(&t);
	return same;
}

enum err fsck_bytes(struct fsck *f, struct partition *p)
{
	struct place_row *rows = xcalloc(RECORDS_STEP, sizeof(*rows));
	char *mem = xmalloc(READ_STEP);
	uint64_t after = 0;
	size_t n;
	enum err e;

	do {
		e = places(p, &after, rows, &n);
		for (size_t i = 0; i < n && e == E_OK; i++) {
			enum err bad = check_bytes(p, &rows[i], mem);

			if (bad != E_OK && still_there(p, &rows[i]))
				fsck_say(f,
					 "record %" PRIu64 " in volume %" PRIu64 " at %" PRIu64
					 ": %s",
					 rows[i].no, rows[i].row.volume, rows[i].row.off,
					 err_name(bad));
		}
	} while (e == E_OK && n == RECORDS_STEP);
	xfree(&rows);
	xfree(&mem);
	return e;
}
