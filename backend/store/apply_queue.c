/* Queue items. */
#include "backend/store/apply.h"
#include "common/base/num.h"

static enum err due_put(struct apply *a, int64_t due_us, uint64_t id)
{
	struct rec_key k;

	key_pair(&k, (uint64_t)due_us, id);
	return kv_put(a->txn, T_DUE, rec_key(&k), SLICE_NONE);
}

static enum err due_del(struct apply *a, int64_t due_us, uint64_t id)
{
	struct rec_key k;

	key_pair(&k, (uint64_t)due_us, id);
	return kv_del(a->txn, T_DUE, rec_key(&k));
}

enum err apply_item_add(struct apply *a, const struct op *op)
{
	const struct op_item *i = &op->u.item;
	struct row_queue q = {i->due_us, op->time_us, i->record, i->payload};
	struct row_dedupe first = {.kind = DEDUPE_ITEM, .id = i->id};
	enum err e = tab_queue_put(a->txn, i->id, &q);

	a->queue_changed = true;
	a->state.next_item = i->id + 1;
	if (e == E_OK)
		e = due_put(a, i->due_us, i->id);
	if (e == E_OK && i->record != 0)
		e = apply_record_ref(a, i->record, 1);
	return e == E_OK ? apply_dedupe(a, &i->dedupe, &first) : e;
}

/* Mail that went on. References are given back after the grace time, so all that the record has are
 * those of its holders from the first to the last; one of a mailbox does not go with the others. */
static void record_done(struct apply *a, uint64_t no)
{
	struct row_record r;

	if (tab_record_get(a->txn, no, &r) == E_OK && r.refs != 0)
		volume_done_with(&a->vols, r.volume, r.off, r.stored_size, r.refs);
}

enum err apply_item_remove(struct apply *a, const struct op *op)
{
	uint64_t id = op->u.item.id;
	struct row_queue q;
	struct rec_key k;
	enum err e = tab_queue_get(a->txn, id, &q);

	a->queue_changed = true;
	if (e == E_OK)
		e = due_del(a, q.due_us, id);
	key_id(&k, id);
	if (e == E_OK)
		e = kv_del(a->txn, T_QUEUE, rec_key(&k));
	/* Whoever streams the record may go on for the grace time. */
	if (e == E_OK && q.record != 0) {
		record_done(a, q.record);
		e = apply_reap_later(a, op->time_us, 0, q.record);
	}
	return e;
}

enum err apply_item_move(struct apply *a, const struct op *op)
{
	const struct op_item *i = &op->u.item;
	struct row_queue q;
	enum err e = tab_queue_get(a->txn, i->id, &q);

	a->queue_changed = true;
	if (e == E_OK)
		e = due_del(a, q.due_us, i->id);
	if (e != E_OK)
		return e;
	q.due_us = i->due_us;
	buf_reset(&a->scratch);
	buf_put(&a->scratch, i->payload.n > 0 ? i->payload : q.payload);
	q.payload = buf_slice(&a->scratch);
	e = tab_queue_put(a->txn, i->id, &q);
	return e == E_OK ? due_put(a, i->due_us, i->id) : e;
}
