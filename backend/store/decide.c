/* The table of changes, and what the decide_*.c share. */
#include "backend/store/decide.h"
#include "backend/store/keep.h"
#include "backend/store/stage_priv.h"
#include "common/base/clock.h"
#include "common/base/utf8.h"
#include "common/log/log.h"

const struct decide_def decide_defs[CHANGE_REPLAY + 1] = {
	[CHANGE_ACCOUNT] = {"account", decide_account, false},
	[CHANGE_DELIVER] = {"deliver", decide_deliver, true},
	[CHANGE_FLAGS] = {"flags", decide_flags, false}, /* \Deleted is how room is made */
	[CHANGE_COPY] = {"copy", decide_copy, true},
	[CHANGE_EXPUNGE] = {"expunge", decide_expunge, false},
	[CHANGE_CREATE] = {"create", decide_create, true},
	[CHANGE_DELETE] = {"delete", decide_delete, false},
	[CHANGE_RENAME] = {"rename", decide_rename, true},
	[CHANGE_SUBSCRIBE] = {"subscribe", decide_subscribe, true},
	[CHANGE_QUEUE] = {"queue", decide_queue, false},
	[CHANGE_KEEP] = {"keep", decide_keep, false},
	[CHANGE_REPLAY] = {"replay", decide_replay, true},
};

enum err decide_op(struct decide *d, struct op *op)
{
	if (op->time_us == 0)
		op->time_us = d->now_us;
	d->broken = apply_op(d->a, op);
	if (d->broken != E_OK) {
		LOG(d->broken == E_FULL ? LOG_WARN : LOG_ERROR, NULL, "store.apply_failed",
		    LF_STR("op", op_defs[op->kind].name), LF_ERR("why", d->broken));
		return d->broken;
	}
	if (d->p->sink != NULL)
		d->broken = writer_keep_op(d->p, op, op->kind == OP_RECORD ? d->a->stage : NULL);
	return d->broken;
}

enum err decide_read(struct decide *d, enum err e)
{
	if (e != E_OK && e != E_NOT_FOUND)
		d->broken = e;
	return e;
}

/* ---- keywords ---- */

static bool keyword_find(const slice_t *names, unsigned n, slice_t name, unsigned *bit_out)
{
	for (unsigned i = 0; i < n; i++) {
		if (slice_ieq(names[i], name)) {
			*bit_out = i;
			return true;
		}
	}
	return false;
}

enum err decide_keywords(struct decide *d, uint64_t account, uint32_t mailbox, const slice_t *names,
			 size_t n, enum keyword_mode mode, uint64_t *bits_out,
			 unsigned char *each_out)
{
	slice_t have[STORE_KEYWORDS_MAX];
	unsigned nhave, bit;
	enum err e;

	*bits_out = 0;
	buf_reset(&d->names);
	if (n == 0)
		return E_OK;
	e = decide_read(d, tab_keywords_get(d->a->txn, account, mailbox, have, &nhave));
	if (e != E_OK)
		return e;
	for (size_t i = 0; i < n; i++) {
		if (!keyword_find(have, nhave, names[i], &bit)) {
			if (mode == KEYWORDS_KNOWN)
				continue;
			if (nhave == STORE_KEYWORDS_MAX)
				return E_LIMIT;
			bit = nhave;
			have[nhave++] = names[i];
			buf_putc(&d->names, (char)names[i].n);
			buf_put(&d->names, names[i]);
		}
		*bits_out |= (uint64_t)1 << bit;
		if (each_out != NULL)
			each_out[i] = (unsigned char)bit;
	}
	return E_OK;
}

/* ---- delivery ids ---- */

/* Half the time that ids are kept; an id is looked for in this period and the two before. */
static uint32_t dedupe_period(const struct decide *d)
{
	return (uint32_t)(d->now_us / (d->p->conf.dedupe_ms * 1000 / 2));
}

enum err decide_dedupe(struct decide *d, slice_t origin, const unsigned char txid[STORE_TXID_SIZE],
		       slice_t key, struct op_dedupe *out, struct row_dedupe *row_out)
{
	static const unsigned char none[STORE_TXID_SIZE];
	struct rec_key k;
	slice_t v;
	enum err e = E_NOT_FOUND;

	*out = (struct op_dedupe){.on = memcmp(txid, none, sizeof(none)) != 0};
	if (!out->on)
		return E_NOT_FOUND;
	out->period = dedupe_period(d);
	memcpy(out->txid, txid, STORE_TXID_SIZE);
	out->origin = rec_hash(origin);
	out->key = rec_hash(key);
	for (uint32_t back = 0; back < 3 && e == E_NOT_FOUND; back++) {
		key_dedupe(&k, out->period - back, txid, out->origin, out->key);
		e = kv_get(d->a->txn, T_DEDUPE, rec_key(&k), &v);
		if (e == E_OK)
			e = row_dedupe_decode(v, row_out);
	}
	return decide_read(d, e);
}

/* ---- input ---- */

static enum err check_keywords(struct change *c, const slice_t *names, size_t n)
{
	if (n > STORE_KEYWORDS_MAX)
		return diag_set(&c->diag, E_LIMIT, "%zu keywords", n);
	for (size_t i = 0; i < n; i++) {
		if (names[i].n == 0 || names[i].n > STORE_KEYWORD_MAX)
			return diag_set(&c->diag, E_INVALID, "keyword of %zu bytes", names[i].n);
	}
	return E_OK;
}

static enum err check_uids(struct change *c, const struct uid_range *v, size_t n)
{
	return uid_ranges_valid(v, n) ? E_OK : diag_set(&c->diag, E_INVALID, "UID ranges");
}

static enum err check_copy(struct change *c, const struct deliver_copy *copy)
{
	if (copy->account == 0 || copy->special > STORE_SPECIAL_LAST || copy->key.n > 1000)
		return diag_set(&c->diag, E_INVALID, "copy");
	if (copy->prefix.n > STORE_PREFIX_MAX)
		return diag_set(&c->diag, E_INVALID, "prefix of %zu bytes", copy->prefix.n);
	if (copy->flags & ~(uint32_t)STORE_FLAGS_ALL)
		return diag_set(&c->diag, E_INVALID, "flags");
	return check_keywords(c, copy->keywords, copy->nkeywords);
}

static enum err check_deliver(struct change *c)
{
	struct change_deliver *d = container_of(c, struct change_deliver, change);
	enum err e = E_OK;

	if (d->ncopies > STORE_COPIES_MAX || d->nitems > STORE_ITEMS_MAX)
		return diag_set(&c->diag, E_LIMIT, "too many copies or items");
	if (d->text.n > STORE_TEXT_MAX)
		return diag_set(&c->diag, E_INVALID, "text of %zu bytes", d->text.n);
	if (d->record != NULL) {
		if (!d->record->ended || d->record->err != E_OK || d->summary == NULL)
			return diag_set(&c->diag, E_INVALID, "record is not whole");
		e = summary_check(d->summary, d->record->info.trailer.plain_size, &c->diag);
	} else if (d->record_no == 0 && d->ncopies > 0 && !d->repeat_only) {
		return diag_set(&c->diag, E_INVALID, "no record");
	}
	for (size_t i = 0; i < d->ncopies && e == E_OK; i++)
		e = check_copy(c, &d->copies[i]);
	for (size_t i = 0; i < d->nitems && e == E_OK; i++) {
		const struct queue_add *q = &d->items[i];

		if (q->payload.n > STORE_PAYLOAD_MAX || q->key.n > 1000 ||
		    (q->when == ADD_INSTEAD && q->copy >= d->ncopies) ||
		    (q->when == ADD_WITH && q->copy >= d->ncopies && q->copy != CHANGE_ANY))
			e = diag_set(&c->diag, E_INVALID, "queue item");
	}
	return e;
}

static enum err check_flags(struct change *c)
{
	struct change_flags *f = container_of(c, struct change_flags, change);
	enum err e = check_uids(c, f->uids, f->nuids);

	if (e == E_OK && ((f->flags & ~(uint32_t)STORE_FLAGS_ALL) != 0 || f->mode > FLAGS_REMOVE))
		e = diag_set(&c->diag, E_INVALID, "flags");
	return e == E_OK ? check_keywords(c, f->keywords, f->nkeywords) : e;
}

static enum err check_queue(struct change *c)
{
	struct change_queue *q = container_of(c, struct change_queue, change);

	if (q->n > STORE_ITEMS_MAX)
		return diag_set(&c->diag, E_LIMIT, "too many items");
	for (size_t i = 0; i < q->n; i++) {
		if (q->edits[i].payload.n > STORE_PAYLOAD_MAX)
			return diag_set(&c->diag, E_INVALID, "queue item");
	}
	return E_OK;
}

enum err change_check(struct change *c)
{
	switch (c->kind) {
	case CHANGE_ACCOUNT:
		return container_of(c, struct change_account, change)->account != 0 ? E_OK
										    : E_INVALID;
	case CHANGE_DELIVER:
		return check_deliver(c);
	case CHANGE_FLAGS:
		return check_flags(c);
	case CHANGE_COPY: {
		struct change_copy *x = container_of(c, struct change_copy, change);

		return check_uids(c, x->uids, x->nuids);
	}
	case CHANGE_EXPUNGE: {
		struct change_expunge *x = container_of(c, struct change_expunge, change);

		return check_uids(c, x->uids, x->nuids);
	}
	case CHANGE_QUEUE:
		return check_queue(c);
	case CHANGE_CREATE:
	case CHANGE_DELETE:
	case CHANGE_RENAME:
	case CHANGE_SUBSCRIBE:
	case CHANGE_KEEP:
	case CHANGE_REPLAY:
		return E_OK;
	}
	return E_INVALID;
}
