/* The table of kinds, and what the apply_*.c share. */
#include "backend/store/apply.h"
#include "common/base/num.h"

const struct op_def op_defs[OP_KINDS] = {
	[OP_ACCOUNT] = {"account", apply_account},
	[OP_ACCOUNT_REMOVE] = {"account_remove", apply_account_remove},
	[OP_ACCOUNT_GONE] = {"account_gone", apply_account_gone},
	[OP_RECORD] = {"record", apply_record},
	[OP_ADD] = {"add", apply_add},
	[OP_FLAGS] = {"flags", apply_flags},
	[OP_COPY] = {"copy", apply_copy},
	[OP_EXPUNGE] = {"expunge", apply_expunge},
	[OP_MAILBOX_CREATE] = {"mailbox_create", apply_mailbox_create},
	[OP_MAILBOX_DELETE] = {"mailbox_delete", apply_mailbox_delete},
	[OP_MAILBOX_RENAME] = {"mailbox_rename", apply_mailbox_rename},
	[OP_SUBSCRIBE] = {"subscribe", apply_subscribe},
	[OP_RECENT] = {"recent", apply_recent},
	[OP_ITEM_ADD] = {"item_add", apply_item_add},
	[OP_ITEM_REMOVE] = {"item_remove", apply_item_remove},
	[OP_ITEM_MOVE] = {"item_move", apply_item_move},
	[OP_PURGE] = {"purge", apply_purge},
	[OP_REAP] = {"reap", apply_reap},
	[OP_LOG_TRIM] = {"log_trim", apply_log_trim},
	[OP_DEDUPE_TRIM] = {"dedupe_trim", apply_dedupe_trim},
};

enum err apply_op(struct apply *a, struct op *op)
{
	op->level = STORE_LEVEL;
	op->seq = ++a->state.seq;
	return op_defs[op->kind].apply(a, op);
}

void apply_event(struct apply *a, uint64_t account, uint32_t mailbox, uint64_t modseq, bool gone)
{
	struct partition_event *last = a->nevents > 0 ? &a->events[a->nevents - 1] : NULL;

	if (last != NULL && last->account == account && last->mailbox == mailbox) {
		last->highestmodseq = modseq;
		last->gone |= gone;
		return;
	}
	if (a->nevents == a->events_cap) {
		a->events_cap = MAX(a->events_cap * 2, (size_t)64);
		a->events = xrealloc(a->events, a->events_cap * sizeof(*a->events));
	}
	a->events[a->nevents++] = (struct partition_event){account, mailbox, modseq, gone};
}

enum err apply_log(struct apply *a, uint64_t account, struct row_account *acct, uint64_t modseq,
		   uint32_t mailbox, enum log_kind_row kind, int64_t time_us, slice_t ranges)
{
	struct row_log row = {mailbox, kind, time_us, ranges};
	struct rec_w w = {NULL, 0, row_log_size(&row)};
	struct rec_key k;
	void *room;
	enum err e;

	key_pair(&k, account, modseq);
	e = kv_put_room(a->txn, T_LOG, rec_key(&k), w.cap, &room);
	if (e != E_OK)
		return e;
	w.p = room;
	row_log_encode(&row, &w);
	acct->modseq = modseq;
	acct->log_rows++;
	return E_OK;
}

enum err apply_names(struct apply *a, uint64_t account, uint32_t mailbox, slice_t new_names)
{
	struct rec_key k;
	slice_t old;
	enum err e;

	if (new_names.n == 0)
		return E_OK;
	key_mailbox(&k, account, mailbox);
	buf_reset(&a->scratch);
	e = kv_get(a->txn, T_KEYWORD, rec_key(&k), &old);
	if (e == E_OK)
		buf_put(&a->scratch, old);
	else if (e != E_NOT_FOUND)
		return e;
	buf_put(&a->scratch, new_names);
	return kv_put(a->txn, T_KEYWORD, rec_key(&k), buf_slice(&a->scratch));
}

enum err apply_dedupe(struct apply *a, const struct op_dedupe *d, const struct row_dedupe *row)
{
	struct rec_w w = {NULL, 0, row_dedupe_size(row)};
	struct rec_key k;

	if (!d->on)
		return E_OK;
	key_dedupe(&k, d->period, d->txid, d->origin, d->key);
	buf_reset(&a->scratch);
	w.p = (unsigned char *)buf_reserve(&a->scratch, w.cap);
	if (w.p == NULL)
		return E_LIMIT;
	row_dedupe_encode(row, &w);
	return kv_put(a->txn, T_DEDUPE, rec_key(&k), rec_w_slice(&w));
}

static enum err record_gone(struct apply *a, uint64_t no, const struct row_record *r)
{
	static const enum table tables[] = {T_RECORD, T_SUMMARY, T_DETAIL, T_FIELDS, T_TEXT};
	uint64_t volume = r->volume, size = r->stored_size;
	struct rec_key k;

	key_id(&k, no);
	for (size_t i = 0; i < ARRAY_LEN(tables); i++) {
		enum err e = kv_del(a->txn, tables[i], rec_key(&k));

		if (e != E_OK && e != E_NOT_FOUND)
			return e;
	}
	return volume_release(&a->vols, volume, size);
}

enum err apply_record_ref(struct apply *a, uint64_t no, int delta)
{
	struct row_record r;
	enum err e = tab_record_get(a->txn, no, &r);

	if (e != E_OK)
		return e == E_NOT_FOUND ? tab_corrupt("record is missing", no, 0) : e;
	r.refs += (uint32_t)delta;
	if (r.refs == 0)
		return record_gone(a, no, &r);
	buf_reset(&a->scratch);
	buf_put(&a->scratch, r.table);
	r.table = buf_slice(&a->scratch);
	return tab_record_put(a->txn, no, &r);
}

enum err apply_reap_later(struct apply *a, int64_t time_us, uint64_t account, uint64_t id)
{
	struct rec_key k;
	unsigned char count[4];
	slice_t v;
	enum err e;

	key_reap(&k, time_us, account, id);
	e = kv_get(a->txn, T_REAP, rec_key(&k), &v);
	if (e != E_OK && e != E_NOT_FOUND)
		return e;
	/* Two items of one record may go in the same microsecond. */
	be32_put(count, e == E_OK && v.n == 4 ? be32_get(v.p) + 1 : 1);
	return kv_put(a->txn, T_REAP, rec_key(&k), slice(count, sizeof(count)));
}

enum err apply_email_unref(struct apply *a, uint64_t account, uint64_t email, int64_t time_us)
{
	struct row_email row;
	enum err e = tab_email_get(a->txn, account, email, &row);

	if (e != E_OK || row.refs == 0)
		return e == E_OK || e == E_NOT_FOUND
			       ? tab_corrupt("email is missing", account, email)
			       : e;
	row.refs--;
	buf_reset(&a->scratch);
	buf_put(&a->scratch, row.prefix);
	row.prefix = buf_slice(&a->scratch);
	e = tab_email_put(a->txn, account, email, &row);
	if (e == E_OK && row.refs == 0)
		e = apply_reap_later(a, time_us, account, email);
	return e;
}
