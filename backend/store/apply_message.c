/* Records, messages, flags, copies, expunges. */
#include "backend/store/apply.h"
#include "backend/store/change.h"
#include "backend/store/stage_priv.h"
#include "common/base/num.h"

/* ---- records ---- */

/* A row under a new record's number, which is above all others. */
static enum err append_row(struct apply *a, enum table t, uint64_t no, slice_t row)
{
	struct rec_key k;
	void *room;
	enum err e;

	key_id(&k, no);
	e = kv_append_room(a->txn, t, rec_key(&k), row.n, &room);
	if (e == E_OK)
		memcpy(room, row.p, row.n);
	return e;
}

static enum err put_summary(struct apply *a, uint64_t no, const struct summary *s)
{
	static const struct {
		enum table table;
		void (*encode)(const struct summary *s, struct buf *out);
	} rows[] = {{T_SUMMARY, row_summary_encode},
		    {T_DETAIL, row_detail_encode},
		    {T_FIELDS, row_fields_encode}};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		enum err e;

		buf_reset(&a->lists);
		rows[i].encode(s, &a->lists);
		e = buf_failed(&a->lists) ? E_LIMIT
					  : append_row(a, rows[i].table, no, buf_slice(&a->lists));
		if (e != E_OK)
			return e;
	}
	return E_OK;
}

static enum err place_record(struct apply *a, uint64_t no, struct stage *s, struct row_record *row)
{
	invariant(s != NULL && s->ended);
	s->pending = no;
	if (s->volume == 0)
		return volume_append(&a->vols, no, buf_slice(&s->bytes), &row->volume, &row->off);
	row->volume = s->volume;
	row->off = 0;
	s->pending_file = true;
	return volume_adopt(&a->vols, s->volume, row->stored_size);
}

enum err apply_record(struct apply *a, const struct op *op)
{
	const struct op_record *r = &op->u.record;
	struct row_record row = {
		.compression = r->compression,
		.seal = r->seal,
		.plain_size = r->plain_size,
		.stored_size = r->stored_size,
		.table = r->table,
	};
	enum err e = place_record(a, r->no, a->stage, &row);

	if (e != E_OK)
		return e;
	memcpy(row.id, r->id, sizeof(row.id));
	a->state.next_record = r->no + 1;
	e = tab_record_add(a->txn, r->no, &row);
	if (e == E_OK)
		e = put_summary(a, r->no, r->summary);
	return e == E_OK && r->text.n > 0 ? append_row(a, T_TEXT, r->no, r->text) : e;
}

/* ---- one message into a mailbox ---- */

/* Enters a message into the mailbox's sets and counts. */
static enum err mailbox_gain(struct apply *a, uint64_t account, uint32_t mailbox,
			     struct row_mailbox *m, uint32_t uid, const struct row_message *msg)
{
	struct rset all = rset_of(a->txn, account, mailbox, m, SET_ALL);
	struct rset unseen = rset_of(a->txn, account, mailbox, m, SET_UNSEEN);
	struct rset deleted = rset_of(a->txn, account, mailbox, m, SET_DELETED);
	enum err e = rset_add(&all, uid, uid);

	m->messages++;
	m->bytes += msg->size;
	if (e == E_OK && (msg->flags & STORE_SEEN) == 0) {
		m->unseen++;
		e = rset_add(&unseen, uid, uid);
	}
	if (e == E_OK && (msg->flags & STORE_DELETED) != 0) {
		m->deleted++;
		e = rset_add(&deleted, uid, uid);
	}
	return e == E_OK ? tab_message_put(a->txn, account, mailbox, uid, msg) : e;
}

static enum err mailbox_lose(struct apply *a, uint64_t account, uint32_t mailbox,
			     struct row_mailbox *m, uint32_t uid, const struct row_message *msg)
{
	struct rset all = rset_of(a->txn, account, mailbox, m, SET_ALL);
	struct rset unseen = rset_of(a->txn, account, mailbox, m, SET_UNSEEN);
	struct rset deleted = rset_of(a->txn, account, mailbox, m, SET_DELETED);
	struct rec_key k;
	enum err e = rset_remove(&all, uid, uid);

	m->messages--;
	m->bytes -= msg->size;
	if (e == E_OK && (msg->flags & STORE_SEEN) == 0) {
		m->unseen--;
		e = rset_remove(&unseen, uid, uid);
	}
	if (e == E_OK && (msg->flags & STORE_DELETED) != 0) {
		m->deleted--;
		e = rset_remove(&deleted, uid, uid);
	}
	if (e != E_OK)
		return e;
	key_message(&k, account, mailbox, uid);
	return kv_del(a->txn, T_MESSAGE, rec_key(&k));
}

static enum err thread_ref(struct apply *a, uint64_t account, uint64_t hash, uint64_t thread)
{
	unsigned char bytes[32];
	struct rec_w w = {bytes, 0, sizeof(bytes)};
	struct row_thread row = {thread, 0};
	struct rec_key k;
	slice_t v;
	enum err e;

	key_pair(&k, account, hash);
	e = kv_get(a->txn, T_THREAD, rec_key(&k), &v);
	if (e == E_OK && row_thread_decode(v, &row) != E_OK)
		return tab_corrupt("thread", account, hash);
	if (e != E_OK && e != E_NOT_FOUND)
		return e;
	row.refs++;
	row_thread_encode(&row, &w);
	return kv_put(a->txn, T_THREAD, rec_key(&k), rec_w_slice(&w));
}

static enum err add_email(struct apply *a, const struct op_add *add)
{
	struct row_email email = {.record = add->record,
				  .thread = add->thread,
				  .refs = 1,
				  .nhashes = add->nhashes,
				  .prefix = add->prefix};
	enum err e = E_OK;

	for (uint32_t i = 0; i < add->nhashes && e == E_OK; i++) {
		email.hashes[i] = add->hashes[i];
		e = thread_ref(a, add->account, add->hashes[i], add->thread);
	}
	if (e == E_OK)
		e = tab_email_put(a->txn, add->account, add->email, &email);
	return e == E_OK ? apply_record_ref(a, add->record, 1) : e;
}

static slice_t one_range(struct apply *a, uint32_t first, uint32_t last)
{
	struct uid_range r = {first, last};

	buf_reset(&a->lists);
	ranges_encode(&r, 1, &a->lists);
	return buf_slice(&a->lists);
}

static enum err add_log(struct apply *a, const struct op *op, struct row_account *acct,
			struct row_mailbox *m)
{
	const struct op_add *add = &op->u.add;
	enum err e = apply_log(a, add->account, acct, add->modseq, add->mailbox, LOG_ADDED,
			       op->time_us, one_range(a, add->uid, add->uid));

	m->highestmodseq = add->modseq;
	if (e == E_OK)
		e = tab_mailbox_put(a->txn, add->account, add->mailbox, m);
	if (e == E_OK)
		e = tab_account_put(a->txn, add->account, acct);
	apply_event(a, add->account, add->mailbox, add->modseq, false);
	return e;
}

enum err apply_add(struct apply *a, const struct op *op)
{
	const struct op_add *add = &op->u.add;
	struct row_message msg = {add->email,  add->record,  add->flags, add->keywords,
				  add->modseq, add->date_us, add->size};
	struct row_dedupe first = {.kind = DEDUPE_COPY,
				   .mailbox = add->mailbox,
				   .uid = add->uid,
				   .uidvalidity = add->uidvalidity,
				   .id = add->email};
	struct row_account acct;
	struct row_mailbox m;
	enum err e = tab_account_get(a->txn, add->account, &acct);

	if (e == E_OK)
		e = tab_mailbox_get(a->txn, add->account, add->mailbox, &m);
	if (e == E_OK)
		e = add_email(a, add);
	if (e == E_OK)
		e = apply_names(a, add->account, add->mailbox, add->new_names);
	if (e == E_OK)
		e = mailbox_gain(a, add->account, add->mailbox, &m, add->uid, &msg);
	if (e != E_OK)
		return e;
	m.uidnext = add->uid + 1;
	acct.next_email = add->email + 1;
	acct.bytes += add->size;
	acct.messages++;
	e = add_log(a, op, &acct, &m);
	return e == E_OK ? apply_dedupe(a, &add->dedupe, &first) : e;
}

/* ---- flags ---- */

static uint64_t mixed(uint32_t mode, uint64_t old, uint64_t bits)
{
	return mode == FLAGS_ADD ? old | bits : mode == FLAGS_REMOVE ? old & ~bits : bits;
}

/* Follows a flag's change in its set; `in` says whether the message belongs to it now. */
static enum err set_follow(const struct rset *s, uint32_t uid, bool was, bool in, uint32_t *count)
{
	if (was == in)
		return E_OK;
	*count += in ? 1 : UINT32_MAX; /* one more, or one less */
	return in ? rset_add(s, uid, uid) : rset_remove(s, uid, uid);
}

static enum err flags_one(struct apply *a, const struct op_flags *f, struct row_mailbox *m,
			  uint32_t uid)
{
	struct rset unseen = rset_of(a->txn, f->account, f->mailbox, m, SET_UNSEEN);
	struct rset deleted = rset_of(a->txn, f->account, f->mailbox, m, SET_DELETED);
	struct row_message msg;
	uint32_t old;
	enum err e = tab_message_get(a->txn, f->account, f->mailbox, uid, &msg);

	if (e != E_OK)
		return e == E_NOT_FOUND ? tab_corrupt("message is missing", f->account, uid) : e;
	old = msg.flags;
	msg.flags = (uint32_t)mixed(f->mode, msg.flags, f->flags);
	msg.keywords = mixed(f->mode, msg.keywords, f->keywords);
	msg.modseq = f->modseq;
	e = set_follow(&unseen, uid, (old & STORE_SEEN) == 0, (msg.flags & STORE_SEEN) == 0,
		       &m->unseen);
	if (e == E_OK)
		e = set_follow(&deleted, uid, (old & STORE_DELETED) != 0,
			       (msg.flags & STORE_DELETED) != 0, &m->deleted);
	return e == E_OK ? tab_message_put(a->txn, f->account, f->mailbox, uid, &msg) : e;
}

/* Logs a change of one mailbox and puts both rows. */
static enum err change_end(struct apply *a, int64_t time_us, uint64_t account,
			   struct row_account *acct, uint32_t mailbox, struct row_mailbox *m,
			   uint64_t modseq, enum log_kind_row kind, slice_t uids)
{
	enum err e = apply_log(a, account, acct, modseq, mailbox, kind, time_us, uids);

	m->highestmodseq = modseq;
	if (e == E_OK)
		e = tab_mailbox_put(a->txn, account, mailbox, m);
	if (e == E_OK)
		e = tab_account_put(a->txn, account, acct);
	apply_event(a, account, mailbox, modseq, false);
	return e;
}

enum err apply_flags(struct apply *a, const struct op *op)
{
	const struct op_flags *f = &op->u.flags;
	struct row_account acct;
	struct row_mailbox m;
	struct uid_range run;
	uint32_t last = 0;
	struct rec_r r;
	enum err e = tab_account_get(a->txn, f->account, &acct);

	if (e == E_OK)
		e = tab_mailbox_get(a->txn, f->account, f->mailbox, &m);
	if (e == E_OK)
		e = apply_names(a, f->account, f->mailbox, f->new_names);
	rec_r_init(&r, f->uids);
	while (e == E_OK && ranges_next(&r, &last, &run)) {
		for (uint64_t uid = run.first; uid <= run.last && e == E_OK; uid++)
			e = flags_one(a, f, &m, (uint32_t)uid);
	}
	if (e == E_OK)
		e = change_end(a, op->time_us, f->account, &acct, f->mailbox, &m, f->modseq,
			       LOG_CHANGED, f->uids);
	return e;
}

/* ---- expunge ---- */

enum err apply_expunge(struct apply *a, const struct op *op)
{
	const struct op_expunge *x = &op->u.expunge;
	struct row_account acct;
	struct row_mailbox m;
	struct row_message msg;
	struct uid_range run;
	uint32_t last = 0;
	struct rec_r r;
	enum err e = tab_account_get(a->txn, x->account, &acct);

	if (e == E_OK)
		e = tab_mailbox_get(a->txn, x->account, x->mailbox, &m);
	rec_r_init(&r, x->uids);
	while (e == E_OK && ranges_next(&r, &last, &run)) {
		for (uint64_t uid = run.first; uid <= run.last && e == E_OK; uid++) {
			e = tab_message_get(a->txn, x->account, x->mailbox, (uint32_t)uid, &msg);
			if (e == E_OK)
				e = mailbox_lose(a, x->account, x->mailbox, &m, (uint32_t)uid,
						 &msg);
			if (e == E_OK)
				e = apply_email_unref(a, x->account, msg.email, op->time_us);
			acct.bytes -= msg.size;
			acct.messages--;
		}
	}
	if (e == E_OK)
		e = change_end(a, op->time_us, x->account, &acct, x->mailbox, &m, x->modseq,
			       LOG_VANISHED, x->uids);
	return e;
}

/* ---- copies ---- */

struct copying {
	const struct op_copy *c;
	struct row_account acct;
	struct row_mailbox from, to_row;
	struct row_mailbox *to; /* to_row, or from when they are one */
	uint32_t next;
};

static uint64_t mapped(const unsigned char *map, uint64_t keywords)
{
	uint64_t out = 0;

	for (unsigned i = 0; i < STORE_KEYWORDS_MAX; i++) {
		if ((keywords >> i & 1) != 0 && map[i] < STORE_KEYWORDS_MAX)
			out |= (uint64_t)1 << map[i];
	}
	return out;
}

static enum err email_ref(struct apply *a, uint64_t account, uint64_t email)
{
	struct row_email row;
	enum err e = tab_email_get(a->txn, account, email, &row);

	if (e != E_OK)
		return e == E_NOT_FOUND ? tab_corrupt("email is missing", account, email) : e;
	row.refs++;
	buf_reset(&a->scratch);
	buf_put(&a->scratch, row.prefix);
	row.prefix = buf_slice(&a->scratch);
	return tab_email_put(a->txn, account, email, &row);
}

static enum err copy_one(struct apply *a, struct copying *x, uint32_t uid)
{
	const struct op_copy *c = x->c;
	struct row_message msg, copy;
	enum err e = tab_message_get(a->txn, c->account, c->from, uid, &msg);

	if (e != E_OK)
		return e == E_NOT_FOUND ? tab_corrupt("message is missing", c->account, uid) : e;
	copy = msg;
	copy.keywords = mapped(c->keyword_map, msg.keywords);
	copy.modseq = c->modseq;
	if (c->move) {
		e = mailbox_lose(a, c->account, c->from, &x->from, uid, &msg);
	} else {
		e = email_ref(a, c->account, msg.email);
		x->acct.bytes += msg.size;
		x->acct.messages++;
	}
	return e == E_OK ? mailbox_gain(a, c->account, c->to, x->to, x->next++, &copy) : e;
}

static enum err copy_begin(struct apply *a, struct copying *x)
{
	const struct op_copy *c = x->c;
	enum err e = tab_account_get(a->txn, c->account, &x->acct);

	if (e == E_OK)
		e = tab_mailbox_get(a->txn, c->account, c->from, &x->from);
	if (e == E_OK && c->from != c->to)
		e = tab_mailbox_get(a->txn, c->account, c->to, &x->to_row);
	x->to = c->from != c->to ? &x->to_row : &x->from;
	x->next = c->first_uid;
	return e == E_OK ? apply_names(a, c->account, c->to, c->new_names) : e;
}

static enum err copy_end(struct apply *a, struct copying *x, const struct op *op)
{
	const struct op_copy *c = x->c;
	struct row_dedupe first = {.kind = DEDUPE_MOVE,
				   .mailbox = c->to,
				   .uidvalidity = x->to->uidvalidity,
				   .id = c->move ? c->modseq + 1 : 0,
				   .from = c->uids};
	enum err e;

	x->to->uidnext = x->next;
	e = change_end(a, op->time_us, c->account, &x->acct, c->to, x->to, c->modseq, LOG_ADDED,
		       one_range(a, c->first_uid, x->next - 1));
	if (e == E_OK && c->move)
		e = change_end(a, op->time_us, c->account, &x->acct, c->from, &x->from,
			       c->modseq + 1, LOG_VANISHED, c->uids);
	if (e != E_OK || !c->dedupe.on)
		return e;
	first.to = one_range(a, c->first_uid, x->next - 1);
	return apply_dedupe(a, &c->dedupe, &first);
}

enum err apply_copy(struct apply *a, const struct op *op)
{
	struct copying x = {.c = &op->u.copy};
	struct uid_range run;
	uint32_t last = 0;
	struct rec_r r;
	enum err e = copy_begin(a, &x);

	rec_r_init(&r, x.c->uids);
	while (e == E_OK && ranges_next(&r, &last, &run)) {
		for (uint64_t uid = run.first; uid <= run.last && e == E_OK; uid++)
			e = copy_one(a, &x, (uint32_t)uid);
	}
	return e == E_OK ? copy_end(a, &x, op) : e;
}
