#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "backend/store/fsck_priv.h"
#include "backend/store/partition_priv.h"
#include "common/base/num.h"

void fsck_say(struct fsck *f, const char *fmt, ...)
{
	char text[256];
	va_list ap;

	va_start(ap, fmt);
	(void)vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	f->report->errors++;
	f->say(f->arg, text);
}

void numbers_add(struct numbers *l, uint64_t v)
{
	if (l->n == l->cap) {
		l->cap = MAX(l->cap * 2, (size_t)256);
		l->v = xrealloc(l->v, l->cap * sizeof(*l->v));
	}
	l->v[l->n++] = v;
}

static int number_order(const void *a, const void *b)
{
	uint64_t x, y;

	memcpy(&x, a, sizeof(x));
	memcpy(&y, b, sizeof(y));
	return x < y ? -1 : x > y;
}

void numbers_sort(struct numbers *l)
{
	if (l->n > 0)
		qsort(l->v, l->n, sizeof(*l->v), number_order);
}

uint32_t numbers_count(const struct numbers *l, size_t *at_io, uint64_t v)
{
	uint32_t n = 0;

	while (*at_io < l->n && l->v[*at_io] < v)
		++*at_io;
	while (*at_io < l->n && l->v[*at_io] == v) {
		++*at_io;
		n++;
	}
	return n;
}

bool numbers_below(const struct numbers *l, size_t *at_io, uint64_t v, uint64_t *out)
{
	if (*at_io == l->n || l->v[*at_io] >= v)
		return false;
	*out = l->v[*at_io];
	while (*at_io < l->n && l->v[*at_io] == *out)
		++*at_io;
	return true;
}

enum err fsck_rows(struct fsck *f, enum table table, slice_t prefix, fsck_row_fn *fn, void *arg)
{
	struct kv_cursor *c;
	slice_t k, v;
	enum err e = kv_cursor(f->t, table, &c);

	if (e != E_OK)
		return e;
	e = kv_seek(c, prefix, &k, &v);
	while (e == E_OK && slice_starts(k, prefix)) {
		if (fn(f, k, v, arg) == E_CORRUPT)
			fsck_say(f, "table %s: a row does not decode", table_names[table]);
		e = kv_next(c, &k, &v);
	}
	kv_cursor_end(&c);
	return e == E_NOT_FOUND ? E_OK : e;
}

/* ---- the queue ---- */

static enum err row_queue(struct fsck *f, slice_t key, slice_t value, void *arg UNUSED)
{
	struct row_queue q;
	struct rec_key k;
	slice_t v;
	enum err e = key.n == 8 ? row_queue_decode(value, &q) : E_CORRUPT;

	if (e != E_OK)
		return e;
	f->report->queue_items++;
	if (q.record != 0)
		numbers_add(&f->record_refs, q.record);
	key_pair(&k, (uint64_t)q.due_us, be64_get(key.p));
	if (kv_get(f->t, T_DUE, rec_key(&k), &v) != E_OK)
		fsck_say(f, "queue item %" PRIu64 ": not among the due ones", be64_get(key.p));
	if (be64_get(key.p) >= f->state.next_item)
		fsck_say(f, "queue item %" PRIu64 ": not given out yet", be64_get(key.p));
	return E_OK;
}

static enum err row_due(struct fsck *f, slice_t key, slice_t value UNUSED, void *arg UNUSED)
{
	struct row_queue q;

	if (key.n != 16)
		return E_CORRUPT;
	if (tab_queue_get(f->t, be64_get(key.p + 8), &q) != E_OK ||
	    (uint64_t)q.due_us != be64_get(key.p))
		fsck_say(f, "due item %" PRIu64 " is not in the queue", be64_get(key.p + 8));
	return E_OK;
}

static enum err row_reap(struct fsck *f, slice_t key, slice_t value, void *arg UNUSED)
{
	struct row_email email;

	if (key.n != 24 || value.n != 4)
		return E_CORRUPT;
	if (be64_get(key.p + 8) == 0) {
		for (uint32_t i = 0; i < be32_get(value.p); i++)
			numbers_add(&f->record_refs, be64_get(key.p + 16));
		return E_OK;
	}
	if (tab_email_get(f->t, be64_get(key.p + 8), be64_get(key.p + 16), &email) != E_OK)
		fsck_say(f, "account %" PRIu64 " email %" PRIu64 ": waits to go, and is missing",
			 be64_get(key.p + 8), be64_get(key.p + 16));
	if (f->nwaiting == f->waiting_cap) {
		f->waiting_cap = MAX(f->waiting_cap * 2, (size_t)256);
		f->waiting = xrealloc(f->waiting, f->waiting_cap * sizeof(*f->waiting));
	}
	f->waiting[f->nwaiting++] = (struct waiting){be64_get(key.p + 8), be64_get(key.p + 16)};
	return E_OK;
}

static int waiting_order(const void *a, const void *b)
{
	const struct waiting *x = a, *y = b;

	if (x->account != y->account)
		return x->account < y->account ? -1 : 1;
	return x->email < y->email ? -1 : x->email > y->email;
}

static enum err row_dedupe(struct fsck *f, slice_t key, slice_t value, void *arg UNUSED)
{
	struct row_dedupe row;
	enum err e = key.n == DEDUPE_KEY_SIZE ? row_dedupe_decode(value, &row) : E_CORRUPT;

	if (e == E_OK && row.kind == DEDUPE_ITEM && row.id >= f->state.next_item)
		fsck_say(f, "delivery id of queue item %" PRIu64 ": not given out yet", row.id);
	return e;
}

/* ---- records and volumes ---- */

struct extent {
	uint64_t volume, off, size;
};

struct record_walk {
	size_t refs_at;
	struct extent *v;
	size_t n, cap;
};

static void missing_records(struct fsck *f, struct record_walk *w, uint64_t below)
{
	uint64_t no;

	while (numbers_below(&f->record_refs, &w->refs_at, below, &no))
		fsck_say(f, "record %" PRIu64 " is referred to, and is missing", no);
}

static void check_table(struct fsck *f, uint64_t no, const struct row_record *r)
{
	size_t n = r->table.n / RECORD_ENTRY_SIZE;
	uint32_t *entries = xcalloc(n + 1, sizeof(*entries));

	if (r->table.n % RECORD_ENTRY_SIZE != 0 || n > RECORD_BLOCKS_MAX ||
	    record_table_decode(r->table, entries, (uint32_t)n) != E_OK ||
	    record_table_check(entries, (uint32_t)n, r->plain_size, r->stored_size, r->seal) !=
		    E_OK)
		fsck_say(f, "record %" PRIu64 ": its table of blocks", no);
	xfree(&entries);
}

static void check_companions(struct fsck *f, uint64_t no)
{
	static const enum table tables[] = {T_SUMMARY, T_DETAIL, T_FIELDS};
	struct rec_key k;
	slice_t v;

	key_id(&k, no);
	for (size_t i = 0; i < ARRAY_LEN(tables); i++) {
		if (kv_get(f->t, tables[i], rec_key(&k), &v) != E_OK)
			fsck_say(f, "record %" PRIu64 ": no row in table %s", no,
				 table_names[tables[i]]);
	}
}

static enum err row_record(struct fsck *f, slice_t key, slice_t value, void *arg)
{
	struct record_walk *w = arg;
	struct row_record r;
	uint32_t refs;
	uint64_t no;
	enum err e = key.n == 8 ? row_record_decode(value, &r) : E_CORRUPT;

	if (e != E_OK)
		return e;
	no = be64_get(key.p);
	f->report->records++;
	f->report->record_bytes += r.stored_size;
	missing_records(f, w, no);
	refs = numbers_count(&f->record_refs, &w->refs_at, no);
	if (r.refs == 0 || r.refs != refs)
		fsck_say(f, "record %" PRIu64 ": %u references, %u counted", no, r.refs, refs);
	if (no >= f->state.next_record)
		fsck_say(f, "record %" PRIu64 ": not given out yet", no);
	check_companions(f, no);
	check_table(f, no, &r);
	if (w->n == w->cap) {
		w->cap = MAX(w->cap * 2, (size_t)256);
		w->v = xrealloc(w->v, w->cap * sizeof(*w->v));
	}
	w->v[w->n++] = (struct extent){r.volume, r.off, r.stored_size};
	return E_OK;
}

static enum err detail_decode(slice_t in)
{
	struct row_detail d = {.nparts = 0};
	struct summary_part part;
	enum err e = row_detail_decode(in, &d);

	for (uint32_t i = 0; e == E_OK && i < d.nparts; i++)
		e = detail_part(&d.parts, &part) ? E_OK : E_CORRUPT;
	return e;
}

static enum err fields_decode(slice_t in)
{
	struct row_fields r = {.n = 0};
	struct summary_field field;
	enum err e = row_fields_decode(in, &r);

	for (uint32_t i = 0; e == E_OK && i < r.n; i++)
		e = fields_next(&r.fields, &field) ? E_OK : E_CORRUPT;
	return e;
}

static enum err companion_decode(enum table table, slice_t in)
{
	struct row_summary s;

	if (table == T_SUMMARY)
		return row_summary_decode(in, &s);
	if (table == T_DETAIL)
		return detail_decode(in);
	if (table == T_FIELDS)
		return fields_decode(in);
	return in.n <= STORE_TEXT_MAX ? E_OK : E_CORRUPT;
}

static enum err row_companion(struct fsck *f, slice_t key, slice_t value, void *arg)
{
	const enum table *table = arg;
	struct row_record r;

	if (key.n != 8)
		return E_CORRUPT;
	if (tab_record_get(f->t, be64_get(key.p), &r) != E_OK)
		fsck_say(f, "a row for record %" PRIu64 ", which is missing", be64_get(key.p));
	return companion_decode(*table, value);
}

static int extent_order(const void *a, const void *b)
{
	const struct extent *x = a, *y = b;

	if (x->volume != y->volume)
		return x->volume < y->volume ? -1 : 1;
	return x->off < y->off ? -1 : x->off > y->off;
}

/* The extents of one volume, in order: none overlaps, all inside, the sum is what is live. */
static size_t check_extents(struct fsck *f, const struct extent *v, size_t n, uint64_t no,
			    const struct row_volume *row)
{
	uint64_t frame = row->kind == VOLUME_SHARED ? VOLUME_FRAME_SIZE : 0, end = 0, live = 0;
	size_t i;

	for (i = 0; i < n && v[i].volume == no; i++) {
		if (v[i].off < end + frame || v[i].off + v[i].size > row->total)
			fsck_say(f,
				 "volume %" PRIu64 ": a record at %" PRIu64
				 " overlaps or is outside",
				 no, v[i].off);
		end = v[i].off + v[i].size;
		live += v[i].size + frame;
	}
	if (live != row->live)
		fsck_say(f, "volume %" PRIu64 ": %" PRIu64 " bytes live, %" PRIu64 " counted", no,
			 row->live, live);
	return i;
}

struct volume_walk {
	const struct extent *v;
	size_t n;
};

static enum err row_volume(struct fsck *f, slice_t key, slice_t value, void *arg)
{
	struct volume_walk *w = arg;
	struct row_volume row;
	uint64_t no;
	size_t done;
	enum err e = key.n == 8 ? row_volume_decode(value, &row) : E_CORRUPT;

	if (e != E_OK)
		return e;
	no = be64_get(key.p);
	while (w->n > 0 && w->v->volume < no) {
		fsck_say(f, "volume %" PRIu64 " is missing", w->v->volume);
		w->v++;
		w->n--;
	}
	done = check_extents(f, w->v, w->n, no, &row);
	w->v += done;
	w->n -= done;
	if (no == f->state.tail_volume && row.total != f->state.tail_off)
		fsck_say(f, "volume %" PRIu64 ": %" PRIu64 " bytes, tail at %" PRIu64, no,
			 row.total, f->state.tail_off);
	if (row.live == 0 && no != f->state.tail_volume)
		fsck_say(f, "volume %" PRIu64 ": nothing in it is live", no);
	if (no >= f->state.next_volume)
		fsck_say(f, "volume %" PRIu64 ": not given out yet", no);
	return E_OK;
}

static void check_tail(struct fsck *f)
{
	struct row_volume row;

	if (f->state.tail_volume != 0 &&
	    (tab_volume_get(f->t, f->state.tail_volume, &row) != E_OK || row.kind != VOLUME_SHARED))
		fsck_say(f, "volume %" PRIu64 ", the tail, is missing", f->state.tail_volume);
}

static enum err check_records(struct fsck *f)
{
	static const enum table companions[] = {T_SUMMARY, T_DETAIL, T_FIELDS, T_TEXT};
	struct record_walk w = {0};
	struct volume_walk vols;
	enum err e;

	numbers_sort(&f->record_refs);
	e = fsck_rows(f, T_RECORD, SLICE_NONE, row_record, &w);
	missing_records(f, &w, UINT64_MAX);
	for (size_t i = 0; i < ARRAY_LEN(companions) && e == E_OK; i++) {
		enum table table = companions[i];

		e = fsck_rows(f, table, SLICE_NONE, row_companion, &table);
	}
	if (w.n > 0)
		qsort(w.v, w.n, sizeof(*w.v), extent_order);
	vols = (struct volume_walk){w.v, w.n};
	if (e == E_OK)
		e = fsck_rows(f, T_VOLUME, SLICE_NONE, row_volume, &vols);
	if (e == E_OK && vols.n > 0)
		fsck_say(f, "volume %" PRIu64 " is missing", vols.v->volume);
	check_tail(f);
	xfree(&w.v);
	return e;
}

static enum err check_all_rows(struct fsck *f)
{
	uint64_t account = 0;
	enum err e = tab_state_get(f->t, &f->state);

	if (e == E_OK)
		e = fsck_rows(f, T_REAP, SLICE_NONE, row_reap, NULL);
	if (f->nwaiting > 0)
		qsort(f->waiting, f->nwaiting, sizeof(*f->waiting), waiting_order);
	while (e == E_OK && fsck_next_account(f, account, &account))
		e = fsck_account(f, account);
	if (e == E_OK)
		e = fsck_rows(f, T_QUEUE, SLICE_NONE, row_queue, NULL);
	if (e == E_OK)
		e = fsck_rows(f, T_DUE, SLICE_NONE, row_due, NULL);
	if (e == E_OK)
		e = fsck_rows(f, T_DEDUPE, SLICE_NONE, row_dedupe, NULL);
	return e == E_OK ? check_records(f) : e;
}

/* ---- the whole ---- */

enum err fsck_partition(struct partition *p, enum fsck_depth depth,
			void (*say)(void *arg, const char *text), void *arg,
			struct fsck_report *out)
{
	struct fsck f = {.say = say, .arg = arg, .report = out};
	enum err e;

	memset(out, 0, sizeof(*out));
	e = kv_read(p->kv, &f.t);
	if (e != E_OK)
		return e;
	e = check_all_rows(&f);
	kv_abort(&f.t);
	xfree(&f.record_refs.v);
	xfree(&f.waiting);
	if (e == E_OK && depth == FSCK_RECORDS)
		e = fsck_bytes(&f, p);
	return e;
}

enum err fsck_dir(const char *dir, enum fsck_depth depth, void (*say)(void *arg, const char *text),
		  void *arg, struct fsck_report *out, struct diag *d)
{
	struct partition *p = xcalloc(1, sizeof(*p));
	char path[DISK_PATH_MAX];
	int lock = -1;
	enum err e = disk_path(path, dir, "owner.lock");

	if (e == E_OK)
		e = disk_lock(path, &lock);
	if (e == E_BUSY)
		(void)diag_set(d, e, "%s: a process has it open", dir);
	if (e == E_OK)
		e = kv_open(dir, table_names, T_TABLES, 0, KV_READ_ONLY, &p->kv, d);
	if (e == E_OK) {
		e = volumes_init(&p->volumes, dir, 0);
		if (e == E_OK)
			e = fsck_partition(p, depth, say, arg, out);
		volumes_fini(&p->volumes);
	}
	kv_close(&p->kv);
	disk_close(&lock);
	xfree(&p);
	return e;
}

/* ---- the hash ---- */

/* A record's row begins with its version and its place. */
#define RECORD_LOCAL 17

static enum err hash_row(struct fsck *f UNUSED, slice_t key, slice_t value, void *arg)
{
	struct record_hash *h = arg;
	unsigned char n[4];

	be32_put(n, (uint32_t)value.n);
	record_hash_add(h, key);
	record_hash_add(h, slice(n, sizeof(n)));
	record_hash_add(h, value);
	return E_OK;
}

static enum err hash_record_row(struct fsck *f, slice_t key, slice_t value, void *arg)
{
	return hash_row(f, key, slice_from(value, RECORD_LOCAL), arg);
}

enum err fsck_hash(struct partition *p, uint64_t *out)
{
	struct fsck_report report;
	struct fsck f = {.report = &report};
	struct record_hash h;
	unsigned char n[24];
	enum err e = kv_read(p->kv, &f.t);

	if (e != E_OK)
		return e;
	record_hash_init(&h);
	e = tab_state_get(f.t, &f.state);
	be64_put(n, f.state.seq);
	be64_put(n + 8, f.state.next_record);
	be64_put(n + 16, f.state.next_item);
	record_hash_add(&h, slice(n, sizeof(n)));
	for (unsigned i = 0; i < T_TABLES && e == E_OK; i++) {
		if (i != T_META && i != T_VOLUME)
			e = fsck_rows(&f, (enum table)i, SLICE_NONE,
				      i == T_RECORD ? hash_record_row : hash_row, &h);
	}
	kv_abort(&f.t);
	*out = record_hash_value(&h);
	return e;
}
