/* Queue items, the keeper's changes, replay. */
#include "backend/store/decide.h"
#include "backend/store/keep.h"

static enum err edit_one(struct decide *d, const struct change_queue *q, struct queue_edit *edit)
{
	struct op op = {.kind = edit->what == QUEUE_RESCHEDULE ? OP_ITEM_MOVE : OP_ITEM_REMOVE};
	struct op_dedupe dedupe;
	struct row_dedupe first;
	struct row_queue row;
	uint64_t id = edit->id;
	enum err e = E_OK;

	edit->found = false;
	if (edit->what == QUEUE_SETTLE) {
		e = decide_dedupe(d, q->origin, q->txid, edit->key, &dedupe, &first);
		id = e == E_OK && first.kind == DEDUPE_ITEM ? first.id : 0;
	}
	if (e == E_OK)
		e = decide_read(d, tab_queue_get(d->a->txn, id, &row));
	if (e != E_OK)
		return e;
	edit->found = true;
	op.u.item.id = id;
	op.u.item.due_us = edit->due_us;
	op.u.item.payload = edit->payload;
	return decide_op(d, &op);
}

enum err decide_queue(struct decide *d, struct change *c)
{
	struct change_queue *q = container_of(c, struct change_queue, change);

	for (size_t i = 0; i < q->n; i++) {
		enum err e = edit_one(d, q, &q->edits[i]);

		if (e != E_OK && e != E_NOT_FOUND)
			return e;
	}
	return E_OK;
}

/* ---- the keeper ---- */

static enum err keep_recent(struct decide *d, const struct change_keep *k)
{
	enum err e = E_OK;

	for (unsigned i = 0; i < k->nrecent && e == E_OK; i++) {
		struct op op = {.kind = OP_RECENT};

		op.u.recent = (struct op_recent){k->recent[i].account, k->recent[i].mailbox,
						 k->recent[i].uid};
		e = decide_op(d, &op);
	}
	return e;
}

/* A record's new place is no op: places are local. */
static enum err keep_compact(struct decide *d, const struct change_keep *k)
{
	for (size_t i = 0; i < k->nrecords; i++) {
		const struct keep_record *r = &k->records[i];
		struct row_record row;
		struct buf *scratch = &d->a->scratch;
		enum err e = decide_read(d, tab_record_get(d->a->txn, r->no, &row));

		if (e == E_NOT_FOUND ||
		    (e == E_OK && (row.volume != r->volume || row.off != r->off)))
			continue;
		if (e != E_OK)
			return e;
		buf_reset(scratch);
		buf_put(scratch, row.table);
		row.table = buf_slice(scratch);
		d->broken = volume_append(&d->a->vols, r->no, r->stored, &row.volume, &row.off);
		if (d->broken == E_OK)
			d->broken = tab_record_put(d->a->txn, r->no, &row);
		if (d->broken == E_OK)
			d->broken = volume_release(&d->a->vols, r->volume, r->stored.n);
		if (d->broken != E_OK)
			return d->broken;
	}
	return E_OK;
}

/* The account's row goes when nothing refers to it any more. */
static enum err keep_gone(struct decide *d, const struct change_keep *k)
{
	static const enum table tables[] = {T_PURGE, T_LOG};
	struct op op = {.kind = OP_ACCOUNT_GONE};
	struct row_account acct;
	struct rec_key prefix;
	enum err e = decide_read(d, tab_account_get(d->a->txn, k->account, &acct));

	if (e != E_OK || !acct.removed)
		return e;
	key_mailbox(&prefix, k->account, 0);
	prefix.n = 8;
	for (size_t i = 0; i < ARRAY_LEN(tables); i++) {
		struct kv_cursor *c;
		slice_t key, v;

		e = decide_read(d, kv_cursor(d->a->txn, tables[i], &c));
		if (e != E_OK)
			return e;
		e = decide_read(d, kv_seek(c, rec_key(&prefix), &key, &v));
		kv_cursor_end(&c);
		if (e == E_OK && key_within(key, &prefix))
			return E_OK;
		if (e != E_OK && e != E_NOT_FOUND)
			return e;
	}
	op.u.account.account = k->account;
	return decide_op(d, &op);
}

static enum err keep_trim(struct decide *d, struct change_keep *k, enum op_kind kind)
{
	struct op op = {.kind = kind};
	enum err e;

	op.u.trim = (struct op_trim){.account = k->account,
				     .mailbox = (uint32_t)k->mailbox,
				     .before_us = k->before_us,
				     .upto = k->upto,
				     .period = k->period,
				     .max = k->max};
	d->a->done = 0;
	e = decide_op(d, &op);
	k->done = d->a->done;
	return e;
}

enum err decide_keep(struct decide *d, struct change *c)
{
	struct change_keep *k = container_of(c, struct change_keep, change);

	switch (k->what) {
	case KEEP_REAP:
		return keep_trim(d, k, OP_REAP);
	case KEEP_PURGE:
		return keep_trim(d, k, OP_PURGE);
	case KEEP_LOG_TRIM:
		return keep_trim(d, k, OP_LOG_TRIM);
	case KEEP_DEDUPE_TRIM:
		return keep_trim(d, k, OP_DEDUPE_TRIM);
	case KEEP_ACCOUNT_GONE:
		return keep_gone(d, k);
	case KEEP_RECENT:
		return keep_recent(d, k);
	case KEEP_COMPACT:
		return keep_compact(d, k);
	case KEEP_ROOM:
		d->p->full_checked_ms = 0;
		writer_check_room(d->p);
		return E_OK;
	}
	return E_INVALID;
}

/* ---- replay ---- */

enum err decide_replay(struct decide *d, struct change *c)
{
	struct change_replay *r = container_of(c, struct change_replay, change);
	struct arena arena;
	struct op op;
	uint64_t seq;
	enum err e;

	arena_init(&arena, NULL);
	e = op_unpack(r->op, &arena, &op);
	seq = op.seq;
	if (e == E_OK && seq != d->a->state.seq + 1)
		e = seq <= d->a->state.seq ? E_EXISTS : E_INVALID;
	if (e == E_OK && op.kind == OP_RECORD && (r->record == NULL))
		e = E_INVALID;
	if (e == E_OK) {
		r->seq = seq;
		d->a->stage = r->record;
		e = decide_op(d, &op);
	}
	arena_reset(&arena);
	return e;
}
