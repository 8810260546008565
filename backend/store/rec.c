#include "backend/store/rec.h"
#include "common/base/num.h"

#define REC_VERSION 1

const char *const table_names[T_TABLES] = {
	[T_META] = "meta",       [T_ACCOUNT] = "account", [T_NAME] = "name",
	[T_KEYWORD] = "keyword", [T_SUB] = "sub",         [T_MESSAGE] = "message",
	[T_RANGE] = "range",     [T_EMAIL] = "email",     [T_THREAD] = "thread",
	[T_RECORD] = "record",   [T_SUMMARY] = "summary", [T_DETAIL] = "detail",
	[T_FIELDS] = "fields",   [T_TEXT] = "text",       [T_LOG] = "log",
	[T_DEDUPE] = "dedupe",   [T_REAP] = "reap",       [T_PURGE] = "purge",
	[T_QUEUE] = "queue",     [T_DUE] = "due",         [T_VOLUME] = "volume",
};

/* ---- bytes ---- */

static unsigned char *rec_room(struct rec_w *w, size_t n)
{
	unsigned char *at = w->p + w->n;

	invariant(n <= w->cap - w->n);
	w->n += n;
	return at;
}

void rec_w8(struct rec_w *w, uint8_t v)
{
	*rec_room(w, 1) = v;
}

void rec_w32(struct rec_w *w, uint32_t v)
{
	be32_put(rec_room(w, 4), v);
}

void rec_w64(struct rec_w *w, uint64_t v)
{
	be64_put(rec_room(w, 8), v);
}

void rec_wvar(struct rec_w *w, uint64_t v)
{
	while (v >= 0x80) {
		rec_w8(w, (uint8_t)(v | 0x80));
		v >>= 7;
	}
	rec_w8(w, (uint8_t)v);
}

void rec_wraw(struct rec_w *w, slice_t s)
{
	if (s.n > 0)
		memcpy(rec_room(w, s.n), s.p, s.n);
}

void rec_wbytes(struct rec_w *w, slice_t s)
{
	rec_wvar(w, s.n);
	rec_wraw(w, s);
}

void rec_r_init(struct rec_r *r, slice_t s)
{
	r->p = (const unsigned char *)s.p;
	r->end = r->p + s.n;
	r->bad = false;
}

static const unsigned char *rec_take(struct rec_r *r, size_t n)
{
	const unsigned char *at = r->p;

	if (r->bad || n > (size_t)(r->end - r->p)) {
		r->bad = true;
		return NULL;
	}
	r->p += n;
	return at;
}

uint8_t rec_r8(struct rec_r *r)
{
	const unsigned char *p = rec_take(r, 1);

	return p != NULL ? *p : 0;
}

uint32_t rec_r32(struct rec_r *r)
{
	const unsigned char *p = rec_take(r, 4);

	return p != NULL ? be32_get(p) : 0;
}

uint64_t rec_r64(struct rec_r *r)
{
	const unsigned char *p = rec_take(r, 8);

	return p != NULL ? be64_get(p) : 0;
}

uint64_t rec_rvar(struct rec_r *r)
{
	uint64_t v = 0;

	for (unsigned shift = 0; shift < 64; shift += 7) {
		uint8_t b = rec_r8(r);

		v |= (uint64_t)(b & 0x7f) << shift;
		if ((b & 0x80) == 0)
			return v;
	}
	r->bad = true;
	return 0;
}

slice_t rec_rraw(struct rec_r *r, size_t n)
{
	const unsigned char *p = rec_take(r, n);

	return p != NULL ? slice(p, n) : SLICE_NONE;
}

slice_t rec_rbytes(struct rec_r *r)
{
	uint64_t n = rec_rvar(r);

	if (n > (uint64_t)(r->end - r->p)) {
		r->bad = true;
		return SLICE_NONE;
	}
	return rec_rraw(r, (size_t)n);
}

enum err rec_r_end(const struct rec_r *r)
{
	return r->bad || r->p != r->end ? E_CORRUPT : E_OK;
}

static void rec_begin(struct rec_r *r, slice_t in)
{
	rec_r_init(r, in);
	if (rec_r8(r) != REC_VERSION)
		r->bad = true;
}

/* ---- keys ---- */

static struct rec_w key_begin(struct rec_key *k)
{
	return (struct rec_w){k->b, 0, sizeof(k->b)};
}

void key_id(struct rec_key *k, uint64_t id)
{
	be64_put(k->b, id);
	k->n = 8;
}

void key_pair(struct rec_key *k, uint64_t a, uint64_t b)
{
	be64_put(k->b, a);
	be64_put(k->b + 8, b);
	k->n = 16;
}

void key_mailbox(struct rec_key *k, uint64_t account, uint32_t mailbox)
{
	be64_put(k->b, account);
	be32_put(k->b + 8, mailbox);
	k->n = 12;
}

void key_message(struct rec_key *k, uint64_t account, uint32_t mailbox, uint32_t uid)
{
	key_mailbox(k, account, mailbox);
	be32_put(k->b + 12, uid);
	k->n = 16;
}

void key_range(struct rec_key *k, uint64_t account, uint32_t mailbox, uint8_t set, uint32_t first)
{
	key_mailbox(k, account, mailbox);
	k->b[12] = set;
	be32_put(k->b + 13, first);
	k->n = 17;
}

void key_name(struct rec_key *k, uint64_t account, uint32_t parent, slice_t name)
{
	struct rec_w w = key_begin(k);

	rec_w64(&w, account);
	rec_w32(&w, parent);
	rec_wraw(&w, name);
	k->n = w.n;
}

void key_reap(struct rec_key *k, int64_t time_us, uint64_t account, uint64_t id)
{
	be64_put(k->b, (uint64_t)time_us);
	be64_put(k->b + 8, account);
	be64_put(k->b + 16, id);
	k->n = 24;
}

void key_dedupe(struct rec_key *k, uint32_t period, const unsigned char txid[STORE_TXID_SIZE],
		uint64_t origin, uint64_t key)
{
	struct rec_w w = key_begin(k);

	rec_w32(&w, period);
	rec_wraw(&w, slice(txid, STORE_TXID_SIZE));
	rec_w64(&w, origin);
	rec_w64(&w, key);
	k->n = w.n;
}

uint64_t rec_hash(slice_t s)
{
	struct record_hash h;

	record_hash_init(&h);
	record_hash_add(&h, s);
	return record_hash_value(&h);
}

/* ---- rows ---- */

void row_state_encode(const struct row_state *s, struct rec_w *w)
{
	rec_w8(w, REC_VERSION);
	rec_w64(w, s->seq);
	rec_w64(w, s->next_record);
	rec_w64(w, s->next_item);
	rec_w64(w, s->next_volume);
	rec_w64(w, s->tail_volume);
	rec_w64(w, s->tail_off);
}

enum err row_state_decode(slice_t in, struct row_state *out)
{
	struct rec_r r;

	rec_begin(&r, in);
	out->seq = rec_r64(&r);
	out->next_record = rec_r64(&r);
	out->next_item = rec_r64(&r);
	out->next_volume = rec_r64(&r);
	out->tail_volume = rec_r64(&r);
	out->tail_off = rec_r64(&r);
	return rec_r_end(&r);
}

void row_account_encode(const struct row_account *a, struct rec_w *w)
{
	rec_w8(w, REC_VERSION);
	rec_w64(w, a->modseq);
	rec_w64(w, a->low_mark);
	rec_w64(w, a->log_rows);
	rec_w64(w, a->next_email);
	rec_w32(w, a->next_mailbox);
	rec_w32(w, a->next_uidvalidity);
	rec_w32(w, a->mailboxes);
	for (unsigned i = 1; i <= STORE_SPECIAL_LAST; i++)
		rec_w32(w, a->special[i]);
	rec_w64(w, a->bytes);
	rec_w64(w, a->messages);
	rec_w64(w, (uint64_t)a->made_us);
	rec_w8(w, a->removed);
}

enum err row_account_decode(slice_t in, struct row_account *out)
{
	struct rec_r r;

	rec_begin(&r, in);
	out->modseq = rec_r64(&r);
	out->low_mark = rec_r64(&r);
	out->log_rows = rec_r64(&r);
	out->next_email = rec_r64(&r);
	out->next_mailbox = rec_r32(&r);
	out->next_uidvalidity = rec_r32(&r);
	out->mailboxes = rec_r32(&r);
	out->special[0] = 0;
	for (unsigned i = 1; i <= STORE_SPECIAL_LAST; i++)
		out->special[i] = rec_r32(&r);
	out->bytes = rec_r64(&r);
	out->messages = rec_r64(&r);
	out->made_us = (int64_t)rec_r64(&r);
	out->removed = rec_r8(&r) != 0;
	return rec_r_end(&r);
}

enum { MAILBOX_SUBSCRIBED = 1, MAILBOX_NOSELECT = 2 };

void row_mailbox_encode(const struct row_mailbox *m, struct rec_w *w)
{
	rec_w8(w, REC_VERSION);
	rec_w32(w, m->parent);
	rec_w8(w, (uint8_t)m->special);
	rec_w8(w, (uint8_t)((m->subscribed ? MAILBOX_SUBSCRIBED : 0) |
			    (m->noselect ? MAILBOX_NOSELECT : 0)));
	rec_w32(w, m->children);
	rec_w32(w, m->uidvalidity);
	rec_w32(w, m->uidnext);
	rec_w32(w, m->messages);
	rec_w32(w, m->unseen);
	rec_w32(w, m->deleted);
	rec_w32(w, m->recent_from);
	rec_w64(w, m->highestmodseq);
	rec_w64(w, m->bytes);
	for (unsigned i = 0; i < SET_KINDS; i++) {
		rec_w32(w, m->tail[i].first);
		rec_w32(w, m->tail[i].last);
	}
	rec_wbytes(w, mailbox_name(m));
}

enum err row_mailbox_decode(slice_t in, struct row_mailbox *out)
{
	struct rec_r r;
	slice_t name;
	uint8_t special, flags;

	rec_begin(&r, in);
	out->parent = rec_r32(&r);
	special = rec_r8(&r);
	flags = rec_r8(&r);
	out->special = special <= STORE_SPECIAL_LAST ? special : STORE_SPECIAL_NONE;
	out->subscribed = (flags & MAILBOX_SUBSCRIBED) != 0;
	out->noselect = (flags & MAILBOX_NOSELECT) != 0;
	out->children = rec_r32(&r);
	out->uidvalidity = rec_r32(&r);
	out->uidnext = rec_r32(&r);
	out->messages = rec_r32(&r);
	out->unseen = rec_r32(&r);
	out->deleted = rec_r32(&r);
	out->recent_from = rec_r32(&r);
	out->highestmodseq = rec_r64(&r);
	out->bytes = rec_r64(&r);
	for (unsigned i = 0; i < SET_KINDS; i++) {
		out->tail[i].first = rec_r32(&r);
		out->tail[i].last = rec_r32(&r);
	}
	name = rec_rbytes(&r);
	if (special > STORE_SPECIAL_LAST || name.n > STORE_NAME_MAX)
		return E_CORRUPT;
	out->name_n = (uint8_t)name.n;
	if (name.n > 0)
		memcpy(out->name, name.p, name.n);
	return rec_r_end(&r);
}

void row_message_encode(const struct row_message *m, struct rec_w *w)
{
	rec_w8(w, REC_VERSION);
	rec_w8(w, (uint8_t)m->flags);
	rec_w64(w, m->email);
	rec_w64(w, m->record);
	rec_w64(w, m->keywords);
	rec_w64(w, m->modseq);
	rec_w64(w, (uint64_t)m->date_us);
	rec_w64(w, m->size);
}

enum err row_message_decode(slice_t in, struct row_message *out)
{
	const unsigned char *p = (const unsigned char *)in.p;

	/* The hottest row: a FETCH decodes it for every message. */
	if (in.n != 50 || p[0] != REC_VERSION)
		return E_CORRUPT;
	out->flags = p[1];
	out->email = be64_get(p + 2);
	out->record = be64_get(p + 10);
	out->keywords = be64_get(p + 18);
	out->modseq = be64_get(p + 26);
	out->date_us = (int64_t)be64_get(p + 34);
	out->size = be64_get(p + 42);
	return E_OK;
}

size_t row_email_size(const struct row_email *e)
{
	return 22 + 8 * (size_t)e->nhashes + e->prefix.n;
}

void row_email_encode(const struct row_email *e, struct rec_w *w)
{
	rec_w8(w, REC_VERSION);
	rec_w64(w, e->record);
	rec_w64(w, e->thread);
	rec_w32(w, e->refs);
	rec_w8(w, (uint8_t)e->nhashes);
	for (uint32_t i = 0; i < e->nhashes; i++)
		rec_w64(w, e->hashes[i]);
	rec_wraw(w, e->prefix);
}

enum err row_email_decode(slice_t in, struct row_email *out)
{
	struct rec_r r;

	rec_begin(&r, in);
	out->record = rec_r64(&r);
	out->thread = rec_r64(&r);
	out->refs = rec_r32(&r);
	out->nhashes = rec_r8(&r);
	if (out->nhashes > EMAIL_HASHES_MAX)
		return E_CORRUPT;
	for (uint32_t i = 0; i < out->nhashes; i++)
		out->hashes[i] = rec_r64(&r);
	out->prefix = rec_rraw(&r, r.bad ? 0 : (size_t)(r.end - r.p));
	return rec_r_end(&r);
}

void row_thread_encode(const struct row_thread *t, struct rec_w *w)
{
	rec_w8(w, REC_VERSION);
	rec_w64(w, t->thread);
	rec_w32(w, t->refs);
}

enum err row_thread_decode(slice_t in, struct row_thread *out)
{
	struct rec_r r;

	rec_begin(&r, in);
	out->thread = rec_r64(&r);
	out->refs = rec_r32(&r);
	return rec_r_end(&r);
}

size_t row_record_size(const struct row_record *r)
{
	return 55 + r->table.n;
}

void row_record_encode(const struct row_record *r, struct rec_w *w)
{
	rec_w8(w, REC_VERSION);
	rec_w64(w, r->volume);
	rec_w64(w, r->off);
	rec_w32(w, r->refs);
	rec_wraw(w, slice(r->id, sizeof(r->id)));
	rec_w8(w, (uint8_t)r->compression);
	rec_w8(w, (uint8_t)r->seal);
	rec_w64(w, r->plain_size);
	rec_w64(w, r->stored_size);
	rec_wraw(w, r->table);
}

enum err row_record_decode(slice_t in, struct row_record *out)
{
	struct rec_r r;
	slice_t id;

	rec_begin(&r, in);
	out->volume = rec_r64(&r);
	out->off = rec_r64(&r);
	out->refs = rec_r32(&r);
	id = rec_rraw(&r, sizeof(out->id));
	if (id.n == sizeof(out->id))
		memcpy(out->id, id.p, id.n);
	out->compression = rec_r8(&r);
	out->seal = rec_r8(&r);
	out->plain_size = rec_r64(&r);
	out->stored_size = rec_r64(&r);
	if (r.bad || (size_t)(r.end - r.p) % RECORD_ENTRY_SIZE != 0)
		return E_CORRUPT;
	out->table = slice(r.p, (size_t)(r.end - r.p));
	return E_OK;
}

size_t row_log_size(const struct row_log *l)
{
	return 14 + l->ranges.n;
}

void row_log_encode(const struct row_log *l, struct rec_w *w)
{
	rec_w8(w, REC_VERSION);
	rec_w8(w, (uint8_t)l->kind);
	rec_w32(w, l->mailbox);
	rec_w64(w, (uint64_t)l->time_us);
	rec_wraw(w, l->ranges);
}

enum err row_log_decode(slice_t in, struct row_log *out)
{
	struct rec_r r;
	uint8_t kind;

	rec_begin(&r, in);
	kind = rec_r8(&r);
	out->mailbox = rec_r32(&r);
	out->time_us = (int64_t)rec_r64(&r);
	if (r.bad || kind < LOG_ADDED || kind > LOG_MAILBOX)
		return E_CORRUPT;
	out->kind = kind;
	out->ranges = slice(r.p, (size_t)(r.end - r.p));
	return E_OK;
}

size_t row_dedupe_size(const struct row_dedupe *d)
{
	return 22 + 20 + d->from.n + d->to.n;
}

void row_dedupe_encode(const struct row_dedupe *d, struct rec_w *w)
{
	rec_w8(w, REC_VERSION);
	rec_w8(w, (uint8_t)d->kind);
	rec_w32(w, d->mailbox);
	rec_w32(w, d->uid);
	rec_w32(w, d->uidvalidity);
	rec_w64(w, d->id);
	rec_wbytes(w, d->from);
	rec_wbytes(w, d->to);
}

enum err row_dedupe_decode(slice_t in, struct row_dedupe *out)
{
	struct rec_r r;
	uint8_t kind;

	rec_begin(&r, in);
	kind = rec_r8(&r);
	out->mailbox = rec_r32(&r);
	out->uid = rec_r32(&r);
	out->uidvalidity = rec_r32(&r);
	out->id = rec_r64(&r);
	out->from = rec_rbytes(&r);
	out->to = rec_rbytes(&r);
	if (kind < DEDUPE_COPY || kind > DEDUPE_MOVE)
		return E_CORRUPT;
	out->kind = kind;
	return rec_r_end(&r);
}

size_t row_queue_size(const struct row_queue *q)
{
	return 25 + q->payload.n;
}

void row_queue_encode(const struct row_queue *q, struct rec_w *w)
{
	rec_w8(w, REC_VERSION);
	rec_w64(w, (uint64_t)q->due_us);
	rec_w64(w, (uint64_t)q->made_us);
	rec_w64(w, q->record);
	rec_wraw(w, q->payload);
}

enum err row_queue_decode(slice_t in, struct row_queue *out)
{
	struct rec_r r;

	rec_begin(&r, in);
	out->due_us = (int64_t)rec_r64(&r);
	out->made_us = (int64_t)rec_r64(&r);
	out->record = rec_r64(&r);
	if (r.bad)
		return E_CORRUPT;
	out->payload = slice(r.p, (size_t)(r.end - r.p));
	return E_OK;
}

void row_volume_encode(const struct row_volume *v, struct rec_w *w)
{
	rec_w8(w, REC_VERSION);
	rec_w8(w, (uint8_t)v->kind);
	rec_w64(w, v->total);
	rec_w64(w, v->live);
}

enum err row_volume_decode(slice_t in, struct row_volume *out)
{
	struct rec_r r;
	uint8_t kind;

	rec_begin(&r, in);
	kind = rec_r8(&r);
	out->total = rec_r64(&r);
	out->live = rec_r64(&r);
	if (kind != VOLUME_SHARED && kind != VOLUME_SINGLE)
		return E_CORRUPT;
	out->kind = kind;
	return rec_r_end(&r);
}
