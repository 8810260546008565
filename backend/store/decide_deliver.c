/* Accounts at first need, deliveries, APPEND. */
#include "backend/store/decide.h"
#include "backend/store/mbox.h"
#include "backend/store/stage_priv.h"
#include "backend/store/thread.h"

/* Makes the account's row unless there is one. E_NOT_FOUND: it is being removed. */
static enum err account_need(struct decide *d, uint64_t account, struct row_account *out)
{
	struct op op = {.kind = OP_ACCOUNT};
	enum err e = decide_read(d, tab_account_get(d->a->txn, account, out));

	if (e == E_OK)
		return out->removed ? E_NOT_FOUND : E_OK;
	if (e != E_NOT_FOUND)
		return e;
	op.u.account.account = account;
	op.u.account.uidvalidity = (uint32_t)(d->now_us / 1000000);
	e = decide_op(d, &op);
	return e == E_OK ? decide_read(d, tab_account_get(d->a->txn, account, out)) : e;
}

enum err decide_account(struct decide *d, struct change *c)
{
	struct change_account *x = container_of(c, struct change_account, change);
	struct op op = {.kind = OP_ACCOUNT_REMOVE};
	struct row_account acct;
	enum err e;

	if (x->what == ACCOUNT_ENSURE)
		return account_need(d, x->account, &acct);
	e = decide_read(d, tab_account_live(d->a->txn, x->account, &acct));
	if (e != E_OK)
		return e;
	op.u.account.account = x->account;
	return decide_op(d, &op);
}

/* ---- one copy ---- */

struct delivering {
	struct change_deliver *c;
	uint64_t record; /* its number; 0: not in the partition yet */
	uint64_t plain_size;
};

/* The mailbox that a copy goes to. */
static enum err copy_mailbox(struct decide *d, const struct deliver_copy *copy,
			     const struct row_account *acct, uint32_t *id_out,
			     struct row_mailbox *out)
{
	struct kv_txn *t = d->a->txn;
	enum err e = E_NOT_FOUND;

	if (copy->special != STORE_SPECIAL_NONE) {
		*id_out = acct->special[copy->special];
		e = decide_read(d, tab_mailbox_get(t, copy->account, *id_out, out));
	}
	if (e == E_NOT_FOUND && copy->path.n > 0 && mbox_path_check(copy->path) == E_OK) {
		e = decide_read(d, tab_path_find(t, copy->account, copy->path, id_out));
		if (e == E_OK)
			e = decide_read(d, tab_mailbox_get(t, copy->account, *id_out, out));
	}
	if (e == E_OK && out->noselect)
		e = E_NOT_FOUND;
	if (e != E_NOT_FOUND ||
	    (copy->missing == MISSING_FAILS && (copy->path.n > 0 || copy->special != 0)))
		return e;
	e = decide_read(d, tab_name_find(t, copy->account, 0, SL("INBOX"), id_out));
	if (e == E_OK)
		e = decide_read(d, tab_mailbox_get(t, copy->account, *id_out, out));
	return e;
}

/* The record becomes one of the partition's, with its summary, before its first message. */
static enum err record_need(struct decide *d, struct delivering *x)
{
	struct stage *s = x->c->record;
	struct op op = {.kind = OP_RECORD};
	enum err e;

	if (x->record != 0)
		return E_OK;
	buf_reset(&d->uids);
	e = stage_table(s, &d->uids);
	if (e != E_OK) {
		d->broken = e;
		return e;
	}
	x->record = d->a->state.next_record;
	op.u.record = (struct op_record){
		.no = x->record,
		.compression = s->info.header.compression,
		.seal = s->info.header.seal,
		.plain_size = s->info.trailer.plain_size,
		.stored_size = s->info.trailer.stored_size,
		.table = buf_slice(&d->uids),
		.summary = x->c->summary,
		.text = x->c->text,
	};
	memcpy(op.u.record.id, s->info.header.id, RECORD_ID_SIZE);
	d->a->stage = s;
	return decide_op(d, &op);
}

static bool over_quota(const struct deliver_copy *copy, const struct row_account *acct,
		       uint64_t size)
{
	if (copy->quota_messages != 0 && acct->messages >= copy->quota_messages)
		return true;
	return copy->quota_bytes != 0 &&
	       (acct->bytes > copy->quota_bytes || size > copy->quota_bytes - acct->bytes);
}

/* What a repeated delivery gets. */
static void copy_repeat(struct deliver_copy *copy, const struct row_dedupe *first)
{
	copy->duplicate = true;
	copy->mailbox = first->mailbox;
	copy->uid = first->uid;
	copy->uidvalidity = first->uidvalidity;
	copy->email_id = first->id;
}

static enum err copy_add(struct decide *d, struct delivering *x, struct deliver_copy *copy,
			 struct op *op, const struct row_account *acct, const struct row_mailbox *m)
{
	struct op_add *add = &op->u.add;
	enum err e;

	add->account = copy->account;
	add->uid = m->uidnext;
	add->uidvalidity = m->uidvalidity;
	add->modseq = acct->modseq + 1;
	add->email = acct->next_email;
	add->prefix = copy->prefix;
	add->flags = copy->flags;
	add->date_us = x->c->date_us != 0 ? x->c->date_us : d->now_us;
	add->size = copy->prefix.n + x->plain_size;
	add->trace_id = slice(x->c->trace_id, sizeof(x->c->trace_id));
	e = record_need(d, x);
	if (e != E_OK)
		return e;
	add->record = x->record;
	e = decide_read(d, thread_find(d->a->txn, copy->account, x->record, add));
	if (e == E_OK)
		e = decide_op(d, op);
	copy->mailbox = add->mailbox;
	copy->uid = add->uid;
	copy->uidvalidity = add->uidvalidity;
	copy->email_id = add->email;
	return e;
}

static enum err copy_one(struct decide *d, struct delivering *x, struct deliver_copy *copy)
{
	struct op op = {.kind = OP_ADD};
	struct row_dedupe first;
	struct row_account acct;
	struct row_mailbox m;
	enum err e =
		decide_dedupe(d, x->c->origin, x->c->txid, copy->key, &op.u.add.dedupe, &first);

	if (e == E_OK) {
		copy_repeat(copy, &first);
		return E_OK;
	}
	if (e != E_NOT_FOUND || x->c->repeat_only)
		return e;
	e = account_need(d, copy->account, &acct);
	if (e == E_OK)
		e = copy_mailbox(d, copy, &acct, &op.u.add.mailbox, &m);
	if (e != E_OK)
		return e;
	if (over_quota(copy, &acct, copy->prefix.n + x->plain_size))
		return E_QUOTA;
	if (m.uidnext == UINT32_MAX)
		return E_LIMIT;
	e = decide_keywords(d, copy->account, op.u.add.mailbox, copy->keywords, copy->nkeywords,
			    KEYWORDS_ADD, &op.u.add.keywords, NULL);
	op.u.add.new_names = buf_slice(&d->names);
	return e == E_OK ? copy_add(d, x, copy, &op, &acct, &m) : e;
}

/* ---- the whole ---- */

static enum err item_one(struct decide *d, struct delivering *x, struct queue_add *item)
{
	struct op op = {.kind = OP_ITEM_ADD};
	struct row_dedupe first;
	enum err e =
		decide_dedupe(d, x->c->origin, x->c->txid, item->key, &op.u.item.dedupe, &first);

	item->duplicate = item->added = e == E_OK;
	if (e == E_OK)
		item->id = first.id;
	if (e != E_NOT_FOUND)
		return e;
	if (x->c->repeat_only)
		return E_NOT_FOUND;
	if (x->c->record != NULL) {
		e = record_need(d, x);
		if (e != E_OK)
			return e;
	}
	op.u.item.id = item->id = d->a->state.next_item;
	op.u.item.record = x->record;
	op.u.item.payload = item->payload;
	op.u.item.due_us = item->due_us;
	item->added = true;
	return decide_op(d, &op);
}

/* Whether it is added, beside something that was taken. */
static bool item_applies(const struct change_deliver *c, const struct queue_add *item)
{
	switch (item->when) {
	case ADD_ALWAYS:
	case ADD_BESIDE:
		return true;
	case ADD_INSTEAD:
		return c->copies[item->copy].result != E_OK;
	case ADD_WITH:
		return item->copy == CHANGE_ANY || c->copies[item->copy].result == E_OK;
	}
	return false;
}

/* Those of every change, or (rest) those that need something beside them. */
static enum err items_add(struct decide *d, struct delivering *x, bool rest, size_t *added_io)
{
	for (size_t i = 0; i < x->c->nitems; i++) {
		struct queue_add *item = &x->c->items[i];
		enum err e;

		if ((item->when != ADD_ALWAYS) != rest || !item_applies(x->c, item))
			continue;
		e = item_one(d, x, item);
		if (e == E_NOT_FOUND && item->when == ADD_WITH && d->broken == E_OK)
			continue; /* a retry: there was no such item */
		if (e != E_OK)
			return e;
		++*added_io;
	}
	return E_OK;
}

/* A record that is here already: the stage's from an earlier change, or a queue item's. */
static enum err record_known(struct decide *d, struct delivering *x)
{
	struct stage *s = x->c->record;
	struct row_record row;
	enum err e;

	x->record = s != NULL ? s->record : x->c->record_no;
	if (s != NULL)
		x->plain_size = s->info.trailer.plain_size;
	if (x->record == 0)
		return E_OK;
	e = decide_read(d, tab_record_get(d->a->txn, x->record, &row));
	if (e == E_OK) {
		x->plain_size = row.plain_size;
		return E_OK;
	}
	x->record = 0;
	/* Reaped in between: bytes in memory can become a record once more. */
	return e == E_NOT_FOUND && s != NULL && s->volume == 0 ? E_OK : e;
}

/* Those that go in by themselves, or (beside) those that do not. */
static enum err copies_add(struct decide *d, struct delivering *x, bool beside, size_t *added_io)
{
	for (size_t i = 0; i < x->c->ncopies; i++) {
		struct deliver_copy *copy = &x->c->copies[i];

		if (copy->beside != beside)
			continue;
		copy->duplicate = false;
		copy->result = beside && *added_io == 0 ? E_NOT_FOUND : copy_one(d, x, copy);
		if (d->broken != E_OK)
			return d->broken;
		*added_io += copy->result == E_OK;
	}
	return E_OK;
}

enum err decide_deliver(struct decide *d, struct change *c)
{
	struct delivering x = {.c = container_of(c, struct change_deliver, change)};
	size_t taken = 0;
	enum err e = record_known(d, &x);

	if (e != E_OK)
		return e;
	for (size_t i = 0; i < x.c->nitems; i++)
		x.c->items[i].added = false;
	e = copies_add(d, &x, false, &taken);
	if (e == E_OK)
		e = items_add(d, &x, false, &taken);
	if (e == E_OK && taken > 0)
		e = items_add(d, &x, true, &taken);
	if (e == E_OK)
		e = copies_add(d, &x, true, &taken);
	x.c->record_no_out = x.record;
	return e;
}
