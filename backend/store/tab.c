#include "backend/store/tab.h"
#include "common/base/num.h"
#include "common/log/log.h"

enum err tab_corrupt(const char *table, uint64_t a, uint64_t b)
{
	LOG(LOG_ERROR, NULL, "store.row_corrupt", LF_STR("table", table), LF_UINT("a", a),
	    LF_UINT("b", b));
	return E_CORRUPT;
}

static enum err checked(enum err e, const char *table, uint64_t a, uint64_t b)
{
	return e == E_CORRUPT ? tab_corrupt(table, a, b) : e;
}

#define STATE_KEY SL("state")

enum err tab_state_get(struct kv_txn *t, struct row_state *out)
{
	slice_t v;
	enum err e = kv_get(t, T_META, STATE_KEY, &v);

	return e != E_OK ? e : checked(row_state_decode(v, out), "meta", 0, 0);
}

enum err tab_state_put(struct kv_txn *t, const struct row_state *s)
{
	unsigned char row[REC_ROW_MAX];
	struct rec_w w = {row, 0, sizeof(row)};

	row_state_encode(s, &w);
	return kv_put(t, T_META, STATE_KEY, rec_w_slice(&w));
}

enum err tab_account_get(struct kv_txn *t, uint64_t account, struct row_account *out)
{
	struct rec_key k;
	slice_t v;
	enum err e;

	key_mailbox(&k, account, 0);
	e = kv_get(t, T_ACCOUNT, rec_key(&k), &v);
	return e != E_OK ? e : checked(row_account_decode(v, out), "account", account, 0);
}

enum err tab_account_live(struct kv_txn *t, uint64_t account, struct row_account *out)
{
	enum err e = tab_account_get(t, account, out);

	return e == E_OK && out->removed ? E_NOT_FOUND : e;
}

enum err tab_account_put(struct kv_txn *t, uint64_t account, const struct row_account *a)
{
	unsigned char row[REC_ROW_MAX];
	struct rec_w w = {row, 0, sizeof(row)};
	struct rec_key k;

	key_mailbox(&k, account, 0);
	row_account_encode(a, &w);
	return kv_put(t, T_ACCOUNT, rec_key(&k), rec_w_slice(&w));
}

enum err tab_mailbox_get(struct kv_txn *t, uint64_t account, uint64_t mailbox,
			 struct row_mailbox *out)
{
	struct rec_key k;
	slice_t v;
	enum err e;

	if (mailbox == 0 || mailbox > UINT32_MAX)
		return E_NOT_FOUND;
	key_mailbox(&k, account, (uint32_t)mailbox);
	e = kv_get(t, T_ACCOUNT, rec_key(&k), &v);
	return e != E_OK ? e : checked(row_mailbox_decode(v, out), "mailbox", account, mailbox);
}

enum err tab_mailbox_put(struct kv_txn *t, uint64_t account, uint32_t mailbox,
			 const struct row_mailbox *m)
{
	unsigned char row[REC_ROW_MAX];
	struct rec_w w = {row, 0, sizeof(row)};
	struct rec_key k;

	key_mailbox(&k, account, mailbox);
	row_mailbox_encode(m, &w);
	return kv_put(t, T_ACCOUNT, rec_key(&k), rec_w_slice(&w));
}

enum err tab_message_get(struct kv_txn *t, uint64_t account, uint32_t mailbox, uint32_t uid,
			 struct row_message *out)
{
	struct rec_key k;
	slice_t v;
	enum err e;

	key_message(&k, account, mailbox, uid);
	e = kv_get(t, T_MESSAGE, rec_key(&k), &v);
	return e != E_OK ? e : checked(row_message_decode(v, out), "message", account, uid);
}

enum err tab_message_put(struct kv_txn *t, uint64_t account, uint32_t mailbox, uint32_t uid,
			 const struct row_message *m)
{
	unsigned char row[64];
	struct rec_w w = {row, 0, sizeof(row)};
	struct rec_key k;

	key_message(&k, account, mailbox, uid);
	row_message_encode(m, &w);
	return kv_put(t, T_MESSAGE, rec_key(&k), rec_w_slice(&w));
}

enum err tab_email_get(struct kv_txn *t, uint64_t account, uint64_t email, struct row_email *out)
{
	struct rec_key k;
	slice_t v;
	enum err e;

	key_pair(&k, account, email);
	e = kv_get(t, T_EMAIL, rec_key(&k), &v);
	return e != E_OK ? e : checked(row_email_decode(v, out), "email", account, email);
}

enum err tab_email_put(struct kv_txn *t, uint64_t account, uint64_t email,
		       const struct row_email *e)
{
	struct rec_w w = {NULL, 0, row_email_size(e)};
	struct rec_key k;
	void *room;
	enum err err;

	key_pair(&k, account, email);
	err = kv_put_room(t, T_EMAIL, rec_key(&k), w.cap, &room);
	if (err != E_OK)
		return err;
	w.p = room;
	row_email_encode(e, &w);
	return E_OK;
}

enum err tab_record_get(struct kv_txn *t, uint64_t no, struct row_record *out)
{
	struct rec_key k;
	slice_t v;
	enum err e;

	key_id(&k, no);
	e = kv_get(t, T_RECORD, rec_key(&k), &v);
	return e != E_OK ? e : checked(row_record_decode(v, out), "record", no, 0);
}

static enum err record_put(struct kv_txn *t, uint64_t no, const struct row_record *r,
			   enum err (*put)(struct kv_txn *, unsigned, slice_t, size_t, void **))
{
	struct rec_w w = {NULL, 0, row_record_size(r)};
	struct rec_key k;
	void *room;
	enum err e;

	key_id(&k, no);
	e = put(t, T_RECORD, rec_key(&k), w.cap, &room);
	if (e != E_OK)
		return e;
	w.p = room;
	row_record_encode(r, &w);
	return E_OK;
}

enum err tab_record_put(struct kv_txn *t, uint64_t no, const struct row_record *r)
{
	return record_put(t, no, r, kv_put_room);
}

enum err tab_record_add(struct kv_txn *t, uint64_t no, const struct row_record *r)
{
	return record_put(t, no, r, kv_append_room);
}

enum err tab_queue_get(struct kv_txn *t, uint64_t id, struct row_queue *out)
{
	struct rec_key k;
	slice_t v;
	enum err e;

	key_id(&k, id);
	e = kv_get(t, T_QUEUE, rec_key(&k), &v);
	return e != E_OK ? e : checked(row_queue_decode(v, out), "queue", id, 0);
}

enum err tab_queue_put(struct kv_txn *t, uint64_t id, const struct row_queue *q)
{
	struct rec_w w = {NULL, 0, row_queue_size(q)};
	struct rec_key k;
	void *room;
	enum err e;

	key_id(&k, id);
	e = kv_put_room(t, T_QUEUE, rec_key(&k), w.cap, &room);
	if (e != E_OK)
		return e;
	w.p = room;
	row_queue_encode(q, &w);
	return E_OK;
}

enum err tab_volume_get(struct kv_txn *t, uint64_t no, struct row_volume *out)
{
	struct rec_key k;
	slice_t v;
	enum err e;

	key_id(&k, no);
	e = kv_get(t, T_VOLUME, rec_key(&k), &v);
	return e != E_OK ? e : checked(row_volume_decode(v, out), "volume", no, 0);
}

enum err tab_volume_put(struct kv_txn *t, uint64_t no, const struct row_volume *v)
{
	unsigned char row[32];
	struct rec_w w = {row, 0, sizeof(row)};
	struct rec_key k;

	key_id(&k, no);
	row_volume_encode(v, &w);
	return kv_put(t, T_VOLUME, rec_key(&k), rec_w_slice(&w));
}

enum err tab_keywords_get(struct kv_txn *t, uint64_t account, uint32_t mailbox, slice_t *names,
			  unsigned *n_out)
{
	struct rec_key k;
	slice_t v;
	enum err e;

	*n_out = 0;
	key_mailbox(&k, account, mailbox);
	e = kv_get(t, T_KEYWORD, rec_key(&k), &v);
	if (e != E_OK)
		return e == E_NOT_FOUND ? E_OK : e;
	return checked(names_decode(v, names, n_out), "keyword", account, mailbox);
}

/* ---- paths ---- */

slice_t path_level(slice_t *path, bool first)
{
	size_t n = slice_find_char(*path, '/');
	slice_t level = slice_sub(*path, 0, n);

	*path = slice_from(*path, n + 1);
	return first && slice_ieq(level, SL("INBOX")) ? SL("INBOX") : level;
}

enum err tab_name_find(struct kv_txn *t, uint64_t account, uint32_t parent, slice_t name,
		       uint32_t *id_out)
{
	struct rec_key k;
	slice_t v;
	enum err e;

	if (name.n == 0 || name.n > STORE_NAME_MAX)
		return E_NOT_FOUND;
	key_name(&k, account, parent, name);
	e = kv_get(t, T_NAME, rec_key(&k), &v);
	if (e != E_OK)
		return e;
	if (v.n != 4)
		return tab_corrupt("name", account, parent);
	*id_out = be32_get(v.p);
	return E_OK;
}

enum err tab_path_find(struct kv_txn *t, uint64_t account, slice_t path, uint32_t *id_out)
{
	uint32_t id = 0;
	bool first = true;
	enum err e;

	do {
		e = tab_name_find(t, account, id, path_level(&path, first), &id);
		first = false;
	} while (e == E_OK && path.n > 0);
	*id_out = id;
	return e;
}

enum err tab_path_of(struct kv_txn *t, uint64_t account, uint32_t mailbox, struct buf *out)
{
	struct row_mailbox m;
	uint32_t chain[STORE_DEPTH_MAX];
	unsigned depth = 0;
	enum err e;

	for (uint32_t id = mailbox; id != 0; id = m.parent) {
		if (depth == STORE_DEPTH_MAX)
			return tab_corrupt("mailbox tree", account, mailbox);
		chain[depth++] = id;
		e = tab_mailbox_get(t, account, id, &m);
		if (e != E_OK)
			return e;
	}
	while (depth-- > 0) {
		e = tab_mailbox_get(t, account, chain[depth], &m);
		if (e != E_OK)
			return e;
		buf_put(out, mailbox_name(&m));
		if (depth > 0)
			buf_putc(out, '/');
	}
	return E_OK;
}

void path_canonical(slice_t path, struct buf *out)
{
	slice_t first = path_level(&path, true);

	buf_put(out, first);
	if (path.n > 0) {
		buf_putc(out, '/');
		buf_put(out, path);
	}
}
