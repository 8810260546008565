/* What the keeper asks for: purging, reaping, trimming. Each takes at most `max` rows. */
#include "backend/store/apply.h"
#include "common/base/num.h"

/* ---- deleted mailboxes ---- */

/* The first message of the mailbox. */
static enum err purge_first(struct apply *a, const struct op_trim *p, uint32_t *uid_out,
			    struct row_message *out)
{
	struct kv_cursor *c;
	struct rec_key prefix;
	slice_t k, v;
	enum err e = kv_cursor(a->txn, T_MESSAGE, &c);

	if (e != E_OK)
		return e;
	key_mailbox(&prefix, p->account, p->mailbox);
	e = kv_seek(c, rec_key(&prefix), &k, &v);
	if (e == E_OK && (k.n != 16 || !key_within(k, &prefix)))
		e = E_NOT_FOUND;
	if (e == E_OK) {
		*uid_out = be32_get(k.p + 12);
		e = row_message_decode(v, out);
	}
	kv_cursor_end(&c);
	return e;
}

static enum err purge_end(struct apply *a, const struct op_trim *p)
{
	struct rec_key prefix;
	struct kv_cursor *c;
	slice_t k, v;
	enum err e = kv_cursor(a->txn, T_RANGE, &c);

	if (e != E_OK)
		return e;
	key_mailbox(&prefix, p->account, p->mailbox);
	e = kv_seek(c, rec_key(&prefix), &k, &v);
	while (e == E_OK && key_within(k, &prefix)) {
		e = kv_del_here(c);
		if (e == E_OK)
			e = kv_next(c, &k, &v);
	}
	kv_cursor_end(&c);
	if (e != E_OK && e != E_NOT_FOUND)
		return e;
	e = kv_del(a->txn, T_KEYWORD, rec_key(&prefix));
	if (e != E_OK && e != E_NOT_FOUND)
		return e;
	return kv_del(a->txn, T_PURGE, rec_key(&prefix));
}

enum err apply_purge(struct apply *a, const struct op *op)
{
	const struct op_trim *p = &op->u.trim;
	struct row_message msg;
	struct rec_key k;
	uint32_t uid;
	enum err e = E_OK;

	for (a->done = 0; a->done < p->max && e == E_OK; a->done++) {
		e = purge_first(a, p, &uid, &msg);
		if (e == E_NOT_FOUND)
			return purge_end(a, p);
		if (e != E_OK)
			return e;
		key_message(&k, p->account, p->mailbox, uid);
		e = kv_del(a->txn, T_MESSAGE, rec_key(&k));
		if (e == E_OK)
			e = apply_email_unref(a, p->account, msg.email, op->time_us);
	}
	return e;
}

/* ---- expunged emails ---- */

static enum err thread_unref(struct apply *a, uint64_t account, uint64_t hash)
{
	unsigned char bytes[32];
	struct rec_w w = {bytes, 0, sizeof(bytes)};
	struct row_thread row;
	struct rec_key k;
	slice_t v;
	enum err e;

	key_pair(&k, account, hash);
	e = kv_get(a->txn, T_THREAD, rec_key(&k), &v);
	if (e != E_OK || row_thread_decode(v, &row) != E_OK)
		return e == E_OK || e == E_NOT_FOUND ? tab_corrupt("thread", account, hash) : e;
	if (--row.refs == 0)
		return kv_del(a->txn, T_THREAD, rec_key(&k));
	row_thread_encode(&row, &w);
	return kv_put(a->txn, T_THREAD, rec_key(&k), rec_w_slice(&w));
}

static enum err reap_email(struct apply *a, uint64_t account, uint64_t email)
{
	struct row_email row;
	struct rec_key k;
	enum err e = tab_email_get(a->txn, account, email, &row);

	if (e == E_NOT_FOUND || (e == E_OK && row.refs > 0))
		return tab_corrupt("email to be reaped", account, email);
	if (e != E_OK)
		return e;
	row.prefix = SLICE_NONE;
	for (uint32_t i = 0; i < row.nhashes && e == E_OK; i++)
		e = thread_unref(a, account, row.hashes[i]);
	key_pair(&k, account, email);
	if (e == E_OK)
		e = kv_del(a->txn, T_EMAIL, rec_key(&k));
	return e == E_OK ? apply_record_ref(a, row.record, -1) : e;
}

struct reap_row {
	int64_t time_us;
	uint64_t account, id;
	uint32_t count;
};

static enum err reap_first(struct apply *a, struct reap_row *out)
{
	struct kv_cursor *c;
	slice_t k, v;
	enum err e = kv_cursor(a->txn, T_REAP, &c);

	if (e != E_OK)
		return e;
	e = kv_seek(c, SLICE_NONE, &k, &v);
	if (e == E_OK && (k.n != 24 || v.n != 4))
		e = tab_corrupt("reap", 0, 0);
	if (e == E_OK)
		*out = (struct reap_row){(int64_t)be64_get(k.p), be64_get(k.p + 8),
					 be64_get(k.p + 16), be32_get(v.p)};
	kv_cursor_end(&c);
	return e;
}

enum err apply_reap(struct apply *a, const struct op *op)
{
	const struct op_trim *r = &op->u.trim;
	struct reap_row row;
	struct rec_key k;
	enum err e = E_OK;

	for (a->done = 0; a->done < r->max && e == E_OK; a->done++) {
		e = reap_first(a, &row);
		if (e != E_OK)
			return e == E_NOT_FOUND ? E_OK : e;
		if (row.time_us >= r->before_us)
			return E_OK;
		key_reap(&k, row.time_us, row.account, row.id);
		e = kv_del(a->txn, T_REAP, rec_key(&k));
		if (e == E_OK && row.account != 0)
			e = reap_email(a, row.account, row.id);
		else if (e == E_OK)
			e = apply_record_ref(a, row.id, -(int)row.count);
	}
	return e;
}

/* ---- logs ---- */

enum err apply_log_trim(struct apply *a, const struct op *op)
{
	const struct op_trim *t = &op->u.trim;
	struct row_account acct;
	struct kv_cursor *c;
	struct rec_key key;
	slice_t k, v;
	enum err e = tab_account_get(a->txn, t->account, &acct);

	if (e == E_OK)
		e = kv_cursor(a->txn, T_LOG, &c);
	if (e != E_OK)
		return e;
	key_pair(&key, t->account, 0);
	e = kv_seek(c, rec_key(&key), &k, &v);
	key.n = 8;
	a->done = 0;
	while (e == E_OK && a->done < t->max && k.n == 16 && key_within(k, &key) &&
	       be64_get(k.p + 8) <= t->upto) {
		acct.low_mark = be64_get(k.p + 8);
		acct.log_rows--;
		a->done++;
		e = kv_del_here(c);
		if (e == E_OK)
			e = kv_next(c, &k, &v);
	}
	kv_cursor_end(&c);
	if (e != E_OK && e != E_NOT_FOUND)
		return e;
	return tab_account_put(a->txn, t->account, &acct);
}

enum err apply_dedupe_trim(struct apply *a, const struct op *op)
{
	const struct op_trim *t = &op->u.trim;
	struct kv_cursor *c;
	slice_t k, v;
	enum err e = kv_cursor(a->txn, T_DEDUPE, &c);

	if (e != E_OK)
		return e;
	a->done = 0;
	e = kv_seek(c, SLICE_NONE, &k, &v);
	while (e == E_OK && a->done < t->max && k.n == DEDUPE_KEY_SIZE &&
	       be32_get(k.p) < t->period) {
		a->done++;
		e = kv_del_here(c);
		if (e == E_OK)
			e = kv_next(c, &k, &v);
	}
	kv_cursor_end(&c);
	return e == E_NOT_FOUND ? E_OK : e;
}
