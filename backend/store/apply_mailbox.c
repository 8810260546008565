/* Accounts, and mailboxes as names. */
#include "backend/store/apply.h"
#include "common/base/num.h"

static const struct {
	const char *name;
	enum store_special special;
} default_folders[] = {
	{"INBOX", STORE_SPECIAL_NONE},  {"Drafts", STORE_SPECIAL_DRAFTS},
	{"Sent", STORE_SPECIAL_SENT},   {"Junk", STORE_SPECIAL_JUNK},
	{"Trash", STORE_SPECIAL_TRASH}, {"Archive", STORE_SPECIAL_ARCHIVE},
};

static enum err name_put(struct apply *a, uint64_t account, uint32_t parent, slice_t name,
			 uint32_t mailbox)
{
	struct rec_key k;
	unsigned char v[4];

	key_name(&k, account, parent, name);
	be32_put(v, mailbox);
	return kv_put(a->txn, T_NAME, rec_key(&k), slice(v, sizeof(v)));
}

static enum err name_del(struct apply *a, uint64_t account, uint32_t parent, slice_t name)
{
	struct rec_key k;

	key_name(&k, account, parent, name);
	return kv_del(a->txn, T_NAME, rec_key(&k));
}

static void mailbox_named(struct row_mailbox *m, uint32_t parent, slice_t name)
{
	m->parent = parent;
	m->name_n = (uint8_t)name.n;
	memcpy(m->name, name.p, name.n);
}

/* One child more or less. */
static enum err parent_count(struct apply *a, uint64_t account, uint32_t parent, int delta)
{
	struct row_mailbox up;
	enum err e;

	if (parent == 0)
		return E_OK;
	e = tab_mailbox_get(a->txn, account, parent, &up);
	if (e != E_OK)
		return e;
	up.children += (uint32_t)delta;
	return tab_mailbox_put(a->txn, account, parent, &up);
}

static enum err mailbox_new(struct apply *a, uint64_t account, struct row_account *acct,
			    const struct op_mailbox *c)
{
	struct row_mailbox m = {.special = c->special,
				.subscribed = c->subscribed,
				.uidvalidity = c->uidvalidity,
				.uidnext = 1,
				.recent_from = 1,
				.highestmodseq = c->modseq};
	enum err e;

	mailbox_named(&m, c->parent, c->name);
	acct->mailboxes++;
	acct->next_mailbox = c->mailbox + 1;
	acct->next_uidvalidity = c->uidvalidity + 1;
	if (c->special != STORE_SPECIAL_NONE)
		acct->special[c->special] = c->mailbox;
	e = tab_mailbox_put(a->txn, account, c->mailbox, &m);
	if (e == E_OK)
		e = name_put(a, account, c->parent, c->name, c->mailbox);
	return e == E_OK ? parent_count(a, account, c->parent, 1) : e;
}

enum err apply_account(struct apply *a, const struct op *op)
{
	const struct op_account *o = &op->u.account;
	struct row_account acct = {.next_email = 1, .made_us = op->time_us, .modseq = 1};
	enum err e = E_OK;

	for (uint32_t i = 0; i < ARRAY_LEN(default_folders) && e == E_OK; i++) {
		struct op_mailbox c = {.account = o->account,
				       .mailbox = i + 1,
				       .name = slice_str(default_folders[i].name),
				       .special = default_folders[i].special,
				       .uidvalidity = o->uidvalidity + i,
				       .subscribed = true,
				       .modseq = acct.modseq};

		e = mailbox_new(a, o->account, &acct, &c);
	}
	acct.low_mark = acct.modseq;
	return e == E_OK ? tab_account_put(a->txn, o->account, &acct) : e;
}

/* Takes the T_SUB row of a path away, if there is one. */
static enum err sub_del(struct apply *a, uint64_t account, slice_t path)
{
	struct rec_key k;
	enum err e;

	key_pair(&k, account, rec_hash(path));
	e = kv_del(a->txn, T_SUB, rec_key(&k));
	return e == E_NOT_FOUND ? E_OK : e;
}

static enum err sub_put(struct apply *a, uint64_t account, slice_t path)
{
	struct rec_key k;

	key_pair(&k, account, rec_hash(path));
	return kv_put(a->txn, T_SUB, rec_key(&k), path);
}

static enum err sub_del_of(struct apply *a, uint64_t account, uint32_t mailbox)
{
	enum err e;

	buf_reset(&a->lists);
	e = tab_path_of(a->txn, account, mailbox, &a->lists);
	return e == E_OK ? sub_del(a, account, buf_slice(&a->lists)) : e;
}

enum err apply_mailbox_create(struct apply *a, const struct op *op)
{
	const struct op_mailbox *c = &op->u.mailbox;
	struct row_account acct;
	struct row_mailbox old;
	uint32_t id;
	enum err e = tab_account_get(a->txn, c->account, &acct);

	if (e != E_OK)
		return e;
	/* The name of a \Noselect level: the mailbox is new, the tree below it stays. */
	e = tab_name_find(a->txn, c->account, c->parent, c->name, &id);
	if (e == E_OK && id == c->mailbox) {
		e = tab_mailbox_get(a->txn, c->account, id, &old);
		if (e != E_OK)
			return e;
		old.noselect = false;
		old.special = c->special;
		old.subscribed = c->subscribed;
		old.uidvalidity = c->uidvalidity;
		old.uidnext = old.recent_from = 1;
		old.highestmodseq = c->modseq;
		acct.next_uidvalidity = c->uidvalidity + 1;
		if (c->special != STORE_SPECIAL_NONE)
			acct.special[c->special] = id;
		e = tab_mailbox_put(a->txn, c->account, id, &old);
	} else if (e == E_NOT_FOUND) {
		e = mailbox_new(a, c->account, &acct, c);
	}
	if (e == E_OK && c->subscribed)
		e = sub_del_of(a, c->account, c->mailbox);
	if (e == E_OK)
		e = apply_log(a, c->account, &acct, c->modseq, c->mailbox, LOG_MAILBOX, op->time_us,
			      SLICE_NONE);
	return e == E_OK ? tab_account_put(a->txn, c->account, &acct) : e;
}

static enum err purge_later(struct apply *a, uint64_t account, uint32_t mailbox)
{
	struct rec_key k;

	key_mailbox(&k, account, mailbox);
	return kv_put(a->txn, T_PURGE, rec_key(&k), SLICE_NONE);
}

/*
 * The mailbox's number goes to be purged with its messages, so a name that stays gets a new number:
 * its children move to it.
 */
static enum err keep_level(struct apply *a, const struct op_mailbox *d, struct row_account *acct,
			   const struct row_mailbox *m)
{
	struct row_mailbox level = {.noselect = true,
				    .children = m->children,
				    .uidvalidity = m->uidvalidity,
				    .uidnext = 1,
				    .recent_from = 1,
				    .highestmodseq = d->modseq};
	uint32_t id = acct->next_mailbox++, child;
	struct row_mailbox row;
	struct kv_cursor *cur;
	struct rec_key prefix;
	slice_t k, v;
	enum err e;

	mailbox_named(&level, m->parent, mailbox_name(m));
	e = tab_mailbox_put(a->txn, d->account, id, &level);
	if (e == E_OK)
		e = name_put(a, d->account, m->parent, mailbox_name(m), id);
	key_mailbox(&prefix, d->account, d->mailbox);
	while (e == E_OK) {
		e = kv_cursor(a->txn, T_NAME, &cur);
		if (e != E_OK)
			return e;
		e = kv_seek(cur, rec_key(&prefix), &k, &v);
		if (e == E_OK && (!key_within(k, &prefix) || v.n != 4))
			e = E_NOT_FOUND;
		child = e == E_OK ? be32_get(v.p) : 0;
		kv_cursor_end(&cur);
		if (e != E_OK)
			break;
		e = tab_mailbox_get(a->txn, d->account, child, &row);
		if (e == E_OK)
			e = name_del(a, d->account, d->mailbox, mailbox_name(&row));
		if (e == E_OK)
			e = name_put(a, d->account, id, mailbox_name(&row), child);
		row.parent = id;
		if (e == E_OK)
			e = tab_mailbox_put(a->txn, d->account, child, &row);
	}
	return e == E_NOT_FOUND ? E_OK : e;
}

static enum err mailbox_row_del(struct apply *a, uint64_t account, uint32_t mailbox)
{
	struct rec_key k;

	key_mailbox(&k, account, mailbox);
	return kv_del(a->txn, T_ACCOUNT, rec_key(&k));
}

enum err apply_mailbox_delete(struct apply *a, const struct op *op)
{
	const struct op_mailbox *d = &op->u.mailbox;
	struct row_account acct;
	struct row_mailbox m;
	enum err e = tab_account_get(a->txn, d->account, &acct);

	if (e == E_OK)
		e = tab_mailbox_get(a->txn, d->account, d->mailbox, &m);
	if (e != E_OK)
		return e;
	if (m.subscribed) {
		buf_reset(&a->lists);
		e = tab_path_of(a->txn, d->account, d->mailbox, &a->lists);
		if (e == E_OK)
			e = sub_put(a, d->account, buf_slice(&a->lists));
	}
	if (e == E_OK)
		e = name_del(a, d->account, m.parent, mailbox_name(&m));
	if (e == E_OK && d->keep)
		e = keep_level(a, d, &acct, &m);
	else if (e == E_OK)
		e = parent_count(a, d->account, m.parent, -1);
	if (e == E_OK)
		e = mailbox_row_del(a, d->account, d->mailbox);
	if (e == E_OK && !m.noselect)
		e = purge_later(a, d->account, d->mailbox);
	if (e == E_OK)
		e = apply_log(a, d->account, &acct, d->modseq, d->mailbox, LOG_GONE, op->time_us,
			      SLICE_NONE);
	if (e != E_OK)
		return e;
	if (m.special != STORE_SPECIAL_NONE && acct.special[m.special] == d->mailbox)
		acct.special[m.special] = 0;
	acct.mailboxes -= d->keep ? 0 : 1;
	acct.bytes -= m.bytes;
	acct.messages -= m.messages;
	apply_event(a, d->account, d->mailbox, d->modseq, true);
	return tab_account_put(a->txn, d->account, &acct);
}

enum err apply_mailbox_rename(struct apply *a, const struct op *op)
{
	const struct op_mailbox *d = &op->u.mailbox;
	struct row_account acct;
	struct row_mailbox m;
	enum err e = tab_account_get(a->txn, d->account, &acct);

	if (e == E_OK)
		e = tab_mailbox_get(a->txn, d->account, d->mailbox, &m);
	if (e == E_OK)
		e = name_del(a, d->account, m.parent, mailbox_name(&m));
	if (e == E_OK)
		e = parent_count(a, d->account, m.parent, -1);
	if (e == E_OK)
		e = parent_count(a, d->account, d->parent, 1);
	if (e == E_OK)
		e = name_put(a, d->account, d->parent, d->name, d->mailbox);
	if (e != E_OK)
		return e;
	mailbox_named(&m, d->parent, d->name);
	m.subscribed = d->subscribed;
	e = tab_mailbox_put(a->txn, d->account, d->mailbox, &m);
	if (e == E_OK && m.subscribed)
		e = sub_del_of(a, d->account, d->mailbox);
	if (e == E_OK)
		e = apply_log(a, d->account, &acct, d->modseq, d->mailbox, LOG_MAILBOX, op->time_us,
			      SLICE_NONE);
	return e == E_OK ? tab_account_put(a->txn, d->account, &acct) : e;
}

enum err apply_subscribe(struct apply *a, const struct op *op)
{
	const struct op_subscribe *s = &op->u.subscribe;
	struct row_mailbox m;
	enum err e;

	if (s->mailbox == 0)
		return s->on ? sub_put(a, s->account, s->path) : sub_del(a, s->account, s->path);
	e = tab_mailbox_get(a->txn, s->account, s->mailbox, &m);
	m.subscribed = s->on;
	return e == E_OK ? tab_mailbox_put(a->txn, s->account, s->mailbox, &m) : e;
}

enum err apply_recent(struct apply *a, const struct op *op)
{
	const struct op_recent *r = &op->u.recent;
	struct row_mailbox m;
	enum err e = tab_mailbox_get(a->txn, r->account, r->mailbox, &m);

	if (e == E_NOT_FOUND || m.recent_from >= r->uid)
		return e == E_NOT_FOUND ? E_OK : e;
	m.recent_from = r->uid;
	return tab_mailbox_put(a->txn, r->account, r->mailbox, &m);
}

/* ---- the end of an account ---- */

/* Deletes all rows of a table whose key begins with the account's number. */
static enum err account_rows_del(struct apply *a, enum table table, uint64_t account)
{
	unsigned char prefix[8];
	struct kv_cursor *c;
	slice_t k, v;
	enum err e = kv_cursor(a->txn, table, &c);

	if (e != E_OK)
		return e;
	be64_put(prefix, account);
	e = kv_seek(c, slice(prefix, sizeof(prefix)), &k, &v);
	while (e == E_OK && slice_starts(k, slice(prefix, sizeof(prefix)))) {
		e = kv_del_here(c);
		if (e == E_OK)
			e = kv_next(c, &k, &v);
	}
	kv_cursor_end(&c);
	return e == E_NOT_FOUND ? E_OK : e;
}

/* Turns every mailbox row into a purge row. */
static enum err mailboxes_del(struct apply *a, const struct op *op)
{
	uint64_t account = op->u.account.account;
	struct row_mailbox m;
	struct kv_cursor *c;
	struct rec_key key;
	uint32_t mailbox;
	slice_t k, v;
	enum err e;

	for (;;) {
		e = kv_cursor(a->txn, T_ACCOUNT, &c);
		if (e != E_OK)
			return e;
		key_mailbox(&key, account, 1);
		e = kv_seek(c, rec_key(&key), &k, &v);
		key.n = 8;
		if (e == E_OK && (k.n != 12 || !key_within(k, &key)))
			e = E_NOT_FOUND;
		mailbox = e == E_OK ? be32_get(k.p + 8) : 0;
		if (e == E_OK)
			e = row_mailbox_decode(v, &m);
		kv_cursor_end(&c);
		if (e != E_OK)
			return e == E_NOT_FOUND ? E_OK : e;
		e = mailbox_row_del(a, account, mailbox);
		if (e == E_OK && !m.noselect)
			e = purge_later(a, account, mailbox);
		if (e != E_OK)
			return e;
		apply_event(a, account, mailbox, UINT64_MAX >> 1, true);
	}
}

enum err apply_account_remove(struct apply *a, const struct op *op)
{
	uint64_t account = op->u.account.account;
	struct row_account acct;
	enum err e = tab_account_get(a->txn, account, &acct);

	if (e == E_OK)
		e = mailboxes_del(a, op);
	if (e == E_OK)
		e = account_rows_del(a, T_NAME, account);
	if (e == E_OK)
		e = account_rows_del(a, T_SUB, account);
	acct.removed = true;
	acct.bytes = acct.messages = 0;
	acct.mailboxes = 0;
	return e == E_OK ? tab_account_put(a->txn, account, &acct) : e;
}

enum err apply_account_gone(struct apply *a, const struct op *op)
{
	struct rec_key k;

	key_mailbox(&k, op->u.account.account, 0);
	return kv_del(a->txn, T_ACCOUNT, rec_key(&k));
}
