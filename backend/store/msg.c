#include "backend/store/msg.h"
#include "backend/store/partition_priv.h"
#include "common/base/num.h"

/* ---- slices ---- */

void msg_slice_init(struct msg_slice *s)
{
	memset(s, 0, sizeof(*s));
	buf_init(&s->bytes, SIZE_MAX, NULL);
	buf_init(&s->tables, SIZE_MAX, NULL);
}

size_t msg_slice_memory(const struct msg_slice *s)
{
	return sizeof(*s) + s->bytes.cap + s->tables.cap + s->fields_cap * sizeof(*s->fields) +
	       s->parts_cap * sizeof(*s->parts);
}

void msg_slice_fini(struct msg_slice *s)
{
	xfree(&s->fields);
	xfree(&s->parts);
	buf_fini(&s->bytes);
	buf_fini(&s->tables);
}

static void slice_reset(struct msg_slice *s)
{
	s->n = 0;
	s->next_uid = 0;
	s->nfields = s->nparts = 0;
	buf_reset(&s->bytes);
	buf_reset(&s->tables);
}

/*
 * While a slice is being filled its memory may move, so texts are kept as offsets: the pointer of
 * a slice_t holds the offset, and slice_settle() turns all of them round.
 */
static slice_t text_put(struct buf *b, slice_t s)
{
	slice_t at = {(const char *)(uintptr_t)b->n, s.n};

	buf_put(b, s);
	return at;
}

static void text_settle(slice_t *s, const struct buf *b)
{
	*s = s->n > 0 ? slice(b->p + (uintptr_t)s->p, s->n) : SLICE_NONE;
}

static void slice_settle(struct msg_slice *s, uint32_t columns)
{
	for (unsigned i = 0; i < s->n; i++) {
		if (columns & MSG_ENVELOPE)
			text_settle(&s->envelope[i], &s->bytes);
		if (columns & MSG_BODYSTRUCTURE)
			text_settle(&s->bodystructure[i], &s->bytes);
		if (columns & MSG_PREFIX)
			text_settle(&s->prefix[i], &s->bytes);
		if (columns & MSG_RECORD)
			s->record[i].table =
				(const uint32_t *)(const void *)(s->tables.p +
								 (uintptr_t)s->record[i].table);
	}
	for (size_t i = 0; i < s->nfields; i++)
		text_settle(&s->fields[i].raw, &s->bytes);
}

/* ---- columns ---- */

struct fetching {
	const struct msg_query *q;
	struct kv_txn *t;
	struct kv_cursor *messages, *summaries, *details, *fields, *emails, *records;
	struct msg_slice *out;
};

static enum err fetch_missing(enum err e, const char *table, uint64_t no)
{
	return e == E_NOT_FOUND ? tab_corrupt(table, no, 0) : e;
}

/* A row of one of the tables by record number; its cursor is opened at first use. */
static enum err by_record(struct fetching *f, enum table table, struct kv_cursor **c, uint64_t no,
			  slice_t *v)
{
	struct rec_key k;
	enum err e = *c == NULL ? kv_cursor(f->t, table, c) : E_OK;

	key_id(&k, no);
	if (e == E_OK)
		e = kv_find(*c, rec_key(&k), v);
	return fetch_missing(e, table_names[table], no);
}

static enum err fetch_summary(struct fetching *f, unsigned i, uint64_t record)
{
	struct msg_slice *out = f->out;
	struct row_summary row;
	slice_t v;
	enum err e = by_record(f, T_SUMMARY, &f->summaries, record, &v);

	if (e == E_OK)
		e = row_summary_decode(v, &row);
	if (e != E_OK)
		return e;
	if (f->q->columns & MSG_ENVELOPE)
		out->envelope[i] = text_put(&out->bytes, row.envelope);
	if (f->q->columns & MSG_BODYSTRUCTURE)
		out->bodystructure[i] = text_put(&out->bytes, row.bodystructure);
	return E_OK;
}

static enum err fetch_parts(struct fetching *f, unsigned i, uint64_t record)
{
	struct msg_slice *out = f->out;
	struct row_detail row;
	slice_t v;
	enum err e = by_record(f, T_DETAIL, &f->details, record, &v);

	if (e == E_OK)
		e = row_detail_decode(v, &row);
	if (e != E_OK)
		return e;
	if (out->nparts + row.nparts > out->parts_cap) {
		out->parts_cap = MAX(out->parts_cap * 2, out->nparts + row.nparts + 100);
		out->parts = xrealloc(out->parts, out->parts_cap * sizeof(*out->parts));
	}
	out->part_run[i] = (struct msg_run){(uint32_t)out->nparts, row.nparts};
	for (uint32_t j = 0; j < row.nparts; j++) {
		if (!detail_part(&row.parts, &out->parts[out->nparts++]))
			return tab_corrupt("detail", record, j);
	}
	return E_OK;
}

static enum err fetch_fields(struct fetching *f, unsigned i, uint64_t record)
{
	struct msg_slice *out = f->out;
	struct row_fields row;
	slice_t v;
	enum err e = by_record(f, T_FIELDS, &f->fields, record, &v);

	if (e == E_OK)
		e = row_fields_decode(v, &row);
	if (e != E_OK)
		return e;
	if (out->nfields + row.n > out->fields_cap) {
		out->fields_cap = MAX(out->fields_cap * 2, out->nfields + row.n + 100);
		out->fields = xrealloc(out->fields, out->fields_cap * sizeof(*out->fields));
	}
	out->fields_complete[i] = row.complete;
	out->field_run[i].first = (uint32_t)out->nfields;
	for (uint32_t j = 0; j < row.n; j++) {
		struct summary_field field;

		if (!fields_next(&row.fields, &field))
			return tab_corrupt("fields", record, j);
		if (field.id >= SUMMARY_FIELD_IDS_MAX || (f->q->fields_mask >> field.id & 1) == 0)
			continue;
		field.raw = text_put(&out->bytes, field.raw);
		out->fields[out->nfields++] = field;
	}
	out->field_run[i].n = (uint32_t)out->nfields - out->field_run[i].first;
	return E_OK;
}

static enum err fetch_email(struct fetching *f, unsigned i, uint64_t email)
{
	struct msg_slice *out = f->out;
	struct row_email row;
	struct rec_key k;
	slice_t v;
	enum err e = f->emails == NULL ? kv_cursor(f->t, T_EMAIL, &f->emails) : E_OK;

	key_pair(&k, f->q->account, email);
	if (e == E_OK)
		e = kv_find(f->emails, rec_key(&k), &v);
	e = fetch_missing(e, "email", email);
	if (e == E_OK)
		e = row_email_decode(v, &row);
	if (e != E_OK)
		return e;
	out->email_id[i] = email;
	out->thread_id[i] = row.thread;
	if (f->q->columns & MSG_PREFIX)
		out->prefix[i] = text_put(&out->bytes, row.prefix);
	return E_OK;
}

/* Block entries, native, 4-byte aligned at `at` of tables. */
static void table_put(struct buf *tables, slice_t table, struct msg_record *out)
{
	uint32_t n = (uint32_t)(table.n / RECORD_ENTRY_SIZE);
	char *room = buf_reserve(tables, table.n);

	out->table = (const uint32_t *)(uintptr_t)tables->n;
	out->nblocks = n;
	if (room == NULL)
		return;
	for (uint32_t i = 0; i < n; i++) {
		uint32_t entry = be32_get(table.p + i * RECORD_ENTRY_SIZE);

		memcpy(room + i * sizeof(entry), &entry, sizeof(entry));
	}
	buf_commit(tables, table.n);
}

static void record_fill(uint64_t no, const struct row_record *row, struct buf *tables,
			struct msg_record *out)
{
	out->no = no;
	memcpy(out->id, row->id, sizeof(out->id));
	out->compression = row->compression;
	out->seal = row->seal;
	out->plain_size = row->plain_size;
	out->stored_size = row->stored_size;
	table_put(tables, row->table, out);
}

static enum err fetch_record(struct fetching *f, unsigned i, uint64_t no)
{
	struct row_record row;
	slice_t v;
	enum err e = by_record(f, T_RECORD, &f->records, no, &v);

	if (e == E_OK)
		e = row_record_decode(v, &row);
	if (e == E_OK)
		record_fill(no, &row, &f->out->tables, &f->out->record[i]);
	return e;
}

static enum err fetch_row(struct fetching *f, uint32_t uid, const struct row_message *m)
{
	struct msg_slice *out = f->out;
	uint32_t columns = f->q->columns;
	unsigned i = out->n;
	enum err e = E_OK;

	out->uid[i] = uid;
	out->flags[i] = m->flags;
	out->keywords[i] = m->keywords;
	out->modseq[i] = m->modseq;
	out->size[i] = m->size;
	out->date_us[i] = m->date_us;
	if (columns & (MSG_ENVELOPE | MSG_BODYSTRUCTURE))
		e = fetch_summary(f, i, m->record);
	if (e == E_OK && (columns & MSG_PARTS))
		e = fetch_parts(f, i, m->record);
	if (e == E_OK && (columns & MSG_FIELDS))
		e = fetch_fields(f, i, m->record);
	if (e == E_OK && (columns & (MSG_IDS | MSG_PREFIX)))
		e = fetch_email(f, i, m->email);
	if (e == E_OK && (columns & MSG_RECORD))
		e = fetch_record(f, i, m->record);
	out->n += e == E_OK;
	return e;
}

/* ---- the walk ---- */

/* The first message at or above uid. E_NOT_FOUND: no more. */
static enum err fetch_seek(struct fetching *f, uint32_t uid, bool next, uint32_t *uid_out,
			   struct row_message *m)
{
	struct rec_key k;
	slice_t key, v;
	enum err e;

	key_message(&k, f->q->account, (uint32_t)f->q->mailbox, uid);
	e = next ? kv_next(f->messages, &key, &v) : kv_seek(f->messages, rec_key(&k), &key, &v);
	k.n = 12;
	if (e != E_OK)
		return e;
	if (key.n != 16 || !key_within(key, &k))
		return E_NOT_FOUND;
	*uid_out = be32_get(key.p + 12);
	return row_message_decode(v, m) == E_OK ? E_OK : tab_corrupt("message", f->q->account, uid);
}

static bool slice_full(const struct msg_slice *s, unsigned looked)
{
	return looked >= STORE_SLICE_ROWS || s->n == STORE_SLICE_ROWS ||
	       s->bytes.n + s->tables.n + s->nparts * 24 >= MSG_SLICE_BYTES;
}

/* Messages of the ranges, from `uid` on, until the slice is full. A run of range and message is
 * walked by the cursor; a gap of either is jumped over. */
static enum err fetch_walk(struct fetching *f, uint32_t uid)
{
	const struct msg_query *q = f->q;
	size_t i = uid_ranges_find(q->uids, q->nuids, uid);
	unsigned looked = 0;
	bool next = false;
	enum err e = E_OK;

	while (e == E_OK && i < q->nuids) {
		struct row_message m;

		if (uid < q->uids[i].first) {
			uid = q->uids[i].first;
			next = false;
		}
		if (slice_full(f->out, looked)) {
			f->out->next_uid = uid;
			return E_OK;
		}
		e = fetch_seek(f, uid, next, &uid, &m);
		if (e != E_OK)
			break;
		looked++;
		i = uid > q->uids[i].last ? uid_ranges_find(q->uids, q->nuids, uid) : i;
		next = i < q->nuids && uid >= q->uids[i].first;
		if (!next)
			continue;
		if (m.modseq > q->changed_since)
			e = fetch_row(f, uid, &m);
		if (uid == UINT32_MAX)
			break;
		uid++;
		if (uid > q->uids[i].last) {
			i++;
			next = i < q->nuids && q->uids[i].first == uid;
		}
	}
	return e == E_NOT_FOUND ? E_OK : e;
}

static enum err fetch_begin(struct fetching *f)
{
	struct row_mailbox m;
	enum err e = tab_mailbox_get(f->t, f->q->account, f->q->mailbox, &m);

	return e == E_OK ? kv_cursor(f->t, T_MESSAGE, &f->messages) : e;
}

enum err msg_fetch(struct partition *p, const struct msg_query *q, uint32_t from_uid,
		   struct msg_slice *out)
{
	struct fetching f = {.q = q, .out = out};
	struct kv_cursor **cursors[] = {&f.messages, &f.summaries, &f.details,
					&f.fields,   &f.emails,    &f.records};
	enum err e;

	slice_reset(out);
	if (!uid_ranges_valid(q->uids, q->nuids))
		return E_INVALID;
	e = kv_read(p->kv, &f.t);
	if (e != E_OK)
		return e;
	e = fetch_begin(&f);
	if (e == E_OK)
		e = fetch_walk(&f, from_uid);
	for (size_t i = 0; i < ARRAY_LEN(cursors); i++)
		kv_cursor_end(cursors[i]);
	kv_abort(&f.t);
	if (e == E_OK && (buf_failed(&out->bytes) || buf_failed(&out->tables)))
		e = E_LIMIT;
	if (e == E_OK)
		slice_settle(out, q->columns);
	return e;
}

/* ---- everything of one record ---- */

void msg_whole_init(struct msg_whole *w)
{
	memset(w, 0, sizeof(*w));
	buf_init(&w->bytes, SIZE_MAX, NULL);
	buf_init(&w->tables, SIZE_MAX, NULL);
}

void msg_whole_fini(struct msg_whole *w)
{
	xfree(&w->parts);
	xfree(&w->fields);
	buf_fini(&w->bytes);
	buf_fini(&w->tables);
}

static enum err row_of(struct kv_txn *t, enum table table, uint64_t no, slice_t *v)
{
	struct rec_key k;

	key_id(&k, no);
	return kv_get(t, table, rec_key(&k), v);
}

/* The four rows one after the other in w->bytes, so that what is decoded stays. */
static enum err whole_load(struct kv_txn *t, uint64_t no, struct msg_whole *w, slice_t rows[4])
{
	static const enum table tables[4] = {T_SUMMARY, T_DETAIL, T_FIELDS, T_TEXT};
	struct row_record rec;
	enum err e = tab_record_get(t, no, &rec);

	if (e != E_OK)
		return e;
	record_fill(no, &rec, &w->tables, &w->record);
	for (size_t i = 0; i < 4; i++) {
		slice_t v = SLICE_NONE;

		e = row_of(t, tables[i], no, &v);
		if (e != E_OK && !(e == E_NOT_FOUND && tables[i] == T_TEXT))
			return fetch_missing(e, table_names[tables[i]], no);
		rows[i] = text_put(&w->bytes, v);
	}
	return E_OK;
}

static enum err whole_detail(struct msg_whole *w, slice_t in)
{
	struct row_detail row;
	struct summary *s = &w->summary;
	enum err e = row_detail_decode(in, &row);

	if (e != E_OK)
		return e;
	s->sent_us = row.sent_us;
	s->sent_zone_min = row.sent_zone_min;
	s->subject = row.subject;
	s->base_subject = row.base_subject;
	s->from = row.from;
	s->to = row.to;
	s->cc = row.cc;
	s->bcc = row.bcc;
	s->message_id = row.message_id;
	for (uint32_t i = 0; i < row.nreferences; i++)
		w->references[i] = rec_rbytes(&row.references);
	s->references = w->references;
	s->nreferences = row.nreferences;
	w->parts = xcalloc(row.nparts + 1, sizeof(*w->parts));
	for (uint32_t i = 0; i < row.nparts; i++) {
		if (!detail_part(&row.parts, &w->parts[i]))
			return E_CORRUPT;
	}
	s->parts = w->parts;
	s->nparts = row.nparts;
	return E_OK;
}

static enum err whole_fields(struct msg_whole *w, slice_t in)
{
	struct row_fields row;
	enum err e = row_fields_decode(in, &row);

	if (e != E_OK)
		return e;
	w->fields = xcalloc(row.n + 1, sizeof(*w->fields));
	for (uint32_t i = 0; i < row.n; i++) {
		if (!fields_next(&row.fields, &w->fields[i]))
			return E_CORRUPT;
	}
	w->summary.fields = w->fields;
	w->summary.nfields = row.n;
	w->summary.fields_complete = row.complete;
	return E_OK;
}

static enum err whole_decode(struct msg_whole *w, slice_t rows[4])
{
	struct row_summary row;
	enum err e;

	for (size_t i = 0; i < 4; i++)
		text_settle(&rows[i], &w->bytes);
	w->record.table =
		(const uint32_t *)(const void *)(w->tables.p + (uintptr_t)w->record.table);
	e = row_summary_decode(rows[0], &row);
	if (e != E_OK)
		return e;
	w->summary.parser_version = row.parser_version;
	w->summary.size = w->record.plain_size;
	w->summary.header_size = row.header_size;
	w->summary.lines = row.lines;
	w->summary.envelope = row.envelope;
	w->summary.bodystructure = row.bodystructure;
	w->text = rows[3];
	e = whole_detail(w, rows[1]);
	return e == E_OK ? whole_fields(w, rows[2]) : e;
}

enum err msg_whole(struct partition *p, uint64_t record_no, struct msg_whole *out)
{
	slice_t rows[4];
	struct kv_txn *t;
	enum err e = kv_read(p->kv, &t);

	if (e != E_OK)
		return e;
	e = whole_load(t, record_no, out, rows);
	kv_abort(&t);
	if (e != E_OK)
		return e;
	e = whole_decode(out, rows);
	return e == E_OK ? E_OK : tab_corrupt("summary", record_no, 0);
}

enum err msg_record(struct partition *p, uint64_t record_no, struct arena *mem,
		    struct msg_record *out)
{
	struct row_record rec;
	struct buf table;
	struct kv_txn *t;
	enum err e = kv_read(p->kv, &t);

	if (e != E_OK)
		return e;
	buf_init(&table, SIZE_MAX, NULL);
	e = tab_record_get(t, record_no, &rec);
	if (e == E_OK) {
		record_fill(record_no, &rec, &table, out);
		out->table = (const void *)arena_dup(mem, buf_slice(&table)).p;
	}
	kv_abort(&t);
	buf_fini(&table);
	return e;
}

enum err msg_text(struct partition *p, uint64_t account, uint64_t mailbox, uint32_t uid,
		  struct buf *out)
{
	struct row_message m;
	struct kv_txn *t;
	slice_t v;
	enum err e;

	if (mailbox > UINT32_MAX)
		return E_NOT_FOUND;
	e = kv_read(p->kv, &t);
	if (e != E_OK)
		return e;
	e = tab_message_get(t, account, (uint32_t)mailbox, uid, &m);
	if (e == E_OK) {
		e = row_of(t, T_TEXT, m.record, &v);
		if (e == E_OK)
			buf_put(out, v);
		else if (e == E_NOT_FOUND)
			e = E_OK;
	}
	kv_abort(&t);
	return e == E_OK && buf_failed(out) ? E_LIMIT : e;
}
