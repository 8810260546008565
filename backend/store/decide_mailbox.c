/* Names of mailboxes: create, delete, rename, subscribe. */
#include <stdlib.h>

#include "backend/store/decide.h"
#include "backend/store/mbox.h"
#include "common/base/num.h"

/* Subscribed names without a mailbox, an account's: as many as mailboxes. */
#define SUBS_MAX STORE_MAILBOXES_MAX

static bool sub_has(struct decide *d, uint64_t account, slice_t path)
{
	struct buf whole;
	struct rec_key k;
	slice_t v;
	enum err e;

	buf_init(&whole, STORE_PATH_MAX, NULL);
	path_canonical(path, &whole);
	key_pair(&k, account, rec_hash(buf_slice(&whole)));
	e = decide_read(d, kv_get(d->a->txn, T_SUB, rec_key(&k), &v));
	buf_fini(&whole);
	return e == E_OK;
}

enum err decide_mailbox_new(struct decide *d, uint64_t account, uint32_t id, uint32_t parent,
			    slice_t name, slice_t path, enum store_special special,
			    uint32_t *id_out)
{
	struct op op = {.kind = OP_MAILBOX_CREATE};
	struct row_account acct;
	enum err e = decide_read(d, tab_account_live(d->a->txn, account, &acct));
	bool subscribed = sub_has(d, account, path);

	if (e != E_OK || d->broken != E_OK)
		return e != E_OK ? e : d->broken;
	op.u.mailbox = (struct op_mailbox){
		.account = account,
		.mailbox = id != 0 ? id : acct.next_mailbox,
		.parent = parent,
		.name = name,
		.special = special,
		.uidvalidity = acct.next_uidvalidity,
		.subscribed = subscribed,
		.modseq = acct.modseq + 1,
	};
	*id_out = op.u.mailbox.mailbox;
	return decide_op(d, &op);
}

enum err decide_parents(struct decide *d, uint64_t account, slice_t path, bool dry,
			uint32_t *parent_out, slice_t *name_out, uint32_t *missing_out)
{
	slice_t whole = path, name = path_level(&path, true);
	uint32_t parent = 0, id = 0;

	*missing_out = 0;
	while (path.n > 0) {
		enum err e = *missing_out > 0 && dry
				     ? E_NOT_FOUND
				     : decide_read(d, tab_name_find(d->a->txn, account, parent,
								    name, &id));

		if (e == E_NOT_FOUND) {
			++*missing_out;
			e = dry ? E_OK
				: decide_mailbox_new(d, account, 0, parent, name,
						     slice_sub(whole, 0, whole.n - path.n - 1),
						     STORE_SPECIAL_NONE, &id);
		}
		if (e != E_OK)
			return e;
		parent = id;
		name = path_level(&path, false);
	}
	*parent_out = parent;
	*name_out = name;
	return E_OK;
}

/* ---- create ---- */

/* Is the place for `path` free? *id_out: a \Noselect level of that name, or 0. E_EXISTS. */
static enum err place_free(struct decide *d, uint64_t account, slice_t path, uint32_t *id_out)
{
	struct row_mailbox m;
	enum err e = decide_read(d, tab_path_find(d->a->txn, account, path, id_out));

	if (e == E_NOT_FOUND) {
		*id_out = 0;
		return E_OK;
	}
	if (e == E_OK)
		e = decide_read(d, tab_mailbox_get(d->a->txn, account, *id_out, &m));
	return e != E_OK ? e : m.noselect ? E_OK : E_EXISTS;
}

/* Room for the levels of a path that are missing, and so many more mailboxes. */
static enum err room_for(struct decide *d, const struct row_account *acct, uint64_t account,
			 slice_t path, uint32_t more)
{
	uint32_t parent, missing;
	slice_t name;
	enum err e = decide_parents(d, account, path, true, &parent, &name, &missing);

	if (e == E_OK && acct->mailboxes + missing + more > STORE_MAILBOXES_MAX)
		e = E_LIMIT;
	return e;
}

static enum err create_at(struct decide *d, uint64_t account, slice_t path, uint32_t id,
			  enum store_special special, uint32_t *id_out)
{
	uint32_t parent, missing;
	slice_t name;
	enum err e = decide_parents(d, account, path, false, &parent, &name, &missing);

	return e == E_OK ? decide_mailbox_new(d, account, id, parent, name, path, special, id_out)
			 : e;
}

enum err decide_create(struct decide *d, struct change *c)
{
	struct change_create *x = container_of(c, struct change_create, change);
	struct row_account acct;
	uint32_t id;
	enum err e = mbox_path_check(x->path);

	if (e != E_OK || x->special > STORE_SPECIAL_LAST)
		return E_INVALID;
	e = decide_read(d, tab_account_live(d->a->txn, x->account, &acct));
	if (e == E_OK)
		e = place_free(d, x->account, x->path, &id);
	if (e == E_OK && x->special != STORE_SPECIAL_NONE && acct.special[x->special] != 0)
		e = E_EXISTS;
	if (e == E_OK)
		e = room_for(d, &acct, x->account, x->path, id == 0 ? 1 : 0);
	if (e == E_OK)
		e = create_at(d, x->account, x->path, id, x->special, &id);
	x->mailbox = id;
	return e;
}

/* ---- delete ---- */

static enum err find(struct decide *d, uint64_t account, slice_t path, struct row_account *acct,
		     uint32_t *id_out, struct row_mailbox *m)
{
	enum err e = decide_read(d, tab_account_live(d->a->txn, account, acct));

	if (e == E_OK)
		e = mbox_path_check(path) == E_OK ? E_OK : E_NOT_FOUND;
	if (e == E_OK)
		e = decide_read(d, tab_path_find(d->a->txn, account, path, id_out));
	return e == E_OK ? decide_read(d, tab_mailbox_get(d->a->txn, account, *id_out, m)) : e;
}

enum err decide_delete(struct decide *d, struct change *c)
{
	struct change_delete *x = container_of(c, struct change_delete, change);
	struct op op = {.kind = OP_MAILBOX_DELETE};
	struct row_account acct;
	struct row_mailbox m;
	uint32_t id;
	enum err e = find(d, x->account, x->path, &acct, &id, &m);

	if (e == E_OK && slice_ieq(x->path, SL("INBOX")))
		e = E_DENIED;
	if (e == E_OK && m.children > 0 && m.noselect)
		e = E_EXISTS;
	if (e != E_OK)
		return e;
	op.u.mailbox = (struct op_mailbox){.account = x->account,
					   .mailbox = id,
					   .keep = m.children > 0,
					   .modseq = acct.modseq + 1};
	return decide_op(d, &op);
}

/* ---- rename ---- */

struct node {
	uint32_t id, parent;
};

static int node_order(const void *a, const void *b)
{
	const struct node *x = a, *y = b;

	return x->id < y->id ? -1 : x->id > y->id;
}

/* Every mailbox of the account with its parent, by id. */
static enum err tree_load(struct decide *d, uint64_t account, struct node **out, size_t *n_out)
{
	struct node *v = xcalloc(STORE_MAILBOXES_MAX + 1, sizeof(*v));
	struct row_mailbox m;
	struct kv_cursor *c;
	struct rec_key key;
	size_t n = 0;
	slice_t k, row;
	enum err e = kv_cursor(d->a->txn, T_ACCOUNT, &c);

	*out = v;
	if (e != E_OK)
		return decide_read(d, e);
	key_mailbox(&key, account, 1);
	e = kv_seek(c, rec_key(&key), &k, &row);
	key.n = 8;
	while (e == E_OK && key_within(k, &key) && n <= STORE_MAILBOXES_MAX) {
		e = row_mailbox_decode(row, &m);
		v[n++] = (struct node){be32_get(k.p + 8), m.parent};
		if (e == E_OK)
			e = kv_next(c, &k, &row);
	}
	kv_cursor_end(&c);
	*n_out = n;
	return e == E_NOT_FOUND ? E_OK : decide_read(d, e);
}

/* Levels of the tree below `top`, itself counted. */
static enum err tree_height(struct decide *d, uint64_t account, uint32_t top, unsigned *out)
{
	struct node *v;
	size_t n = 0;
	enum err e = tree_load(d, account, &v, &n);

	*out = 1;
	for (size_t i = 0; i < n && e == E_OK; i++) {
		struct node at = v[i], *up = &at;
		unsigned depth = 1;

		while (up != NULL && up->id != top && depth <= STORE_DEPTH_MAX) {
			at.id = up->parent;
			up = bsearch(&at, v, n, sizeof(*v), node_order);
			depth++;
		}
		if (up != NULL && up->id == top)
			*out = MAX(*out, depth);
	}
	xfree(&v);
	return e;
}

static unsigned path_levels(slice_t path)
{
	unsigned n = 1;

	for (size_t i = 0; i < path.n; i++)
		n += path.p[i] == '/';
	return n;
}

/* RFC 3501 section 6.3.5: the messages move, INBOX stays, its children too. */
static enum err rename_inbox(struct decide *d, struct change_rename *x, uint32_t inbox)
{
	static const struct uid_range every = {1, UINT32_MAX};
	struct change_copy copy;
	uint32_t id;
	enum err e = create_at(d, x->account, x->to, 0, STORE_SPECIAL_NONE, &id);

	if (e != E_OK)
		return e;
	change_copy_init(&copy);
	copy.account = x->account;
	copy.mailbox = inbox;
	copy.uids = &every;
	copy.nuids = 1;
	copy.to = x->to;
	copy.move = true;
	e = decide_copy(d, &copy.change);
	change_copy_fini(&copy);
	/* The new mailbox is made: what fails now cannot be answered alone. */
	if (e != E_OK && d->broken == E_OK)
		d->broken = e;
	return e;
}

static enum err rename_tree(struct decide *d, struct change_rename *x, uint32_t id,
			    const struct row_mailbox *m)
{
	struct op op = {.kind = OP_MAILBOX_RENAME};
	struct row_account acct;
	uint32_t parent, missing;
	slice_t name;
	enum err e = decide_parents(d, x->account, x->to, false, &parent, &name, &missing);

	if (e == E_OK)
		e = decide_read(d, tab_account_live(d->a->txn, x->account, &acct));
	if (e != E_OK)
		return e;
	op.u.mailbox = (struct op_mailbox){
		.account = x->account,
		.mailbox = id,
		.parent = parent,
		.name = name,
		.subscribed = m->subscribed || sub_has(d, x->account, x->to),
		.modseq = acct.modseq + 1,
	};
	return d->broken != E_OK ? d->broken : decide_op(d, &op);
}

static bool path_below(slice_t path, slice_t top)
{
	return path.n > top.n && path.p[top.n] == '/' && slice_eq(slice_sub(path, 0, top.n), top);
}

static enum err rename_allowed(struct decide *d, struct change_rename *x,
			       const struct row_account *acct, uint32_t id,
			       const struct row_mailbox *m)
{
	bool inbox = slice_ieq(x->from, SL("INBOX"));
	unsigned height = 1;
	uint32_t other;
	enum err e = decide_read(d, tab_path_find(d->a->txn, x->account, x->to, &other));

	if (e != E_NOT_FOUND)
		return e == E_OK ? E_EXISTS : e;
	/* INBOX stays beside what becomes of it. */
	e = room_for(d, acct, x->account, x->to, inbox ? 1 : 0);
	if (e != E_OK || inbox)
		return e;
	if (path_below(x->to, x->from))
		return E_INVALID;
	if (m->children > 0)
		e = tree_height(d, x->account, id, &height);
	if (e == E_OK && path_levels(x->to) + height - 1 > STORE_DEPTH_MAX)
		e = E_INVALID;
	return e;
}

enum err decide_rename(struct decide *d, struct change *c)
{
	struct change_rename *x = container_of(c, struct change_rename, change);
	struct row_account acct;
	struct row_mailbox m;
	uint32_t id;
	enum err e;

	if (mbox_path_check(x->to) != E_OK)
		return E_INVALID;
	e = find(d, x->account, x->from, &acct, &id, &m);
	if (e == E_OK)
		e = rename_allowed(d, x, &acct, id, &m);
	if (e != E_OK)
		return e;
	return slice_ieq(x->from, SL("INBOX")) ? rename_inbox(d, x, id) : rename_tree(d, x, id, &m);
}

/* ---- subscriptions ---- */

static enum err subs_room(struct decide *d, uint64_t account)
{
	struct kv_cursor *c;
	struct rec_key key;
	unsigned n = 0;
	slice_t k, v;
	enum err e = kv_cursor(d->a->txn, T_SUB, &c);

	if (e != E_OK)
		return decide_read(d, e);
	key_pair(&key, account, 0);
	e = kv_seek(c, rec_key(&key), &k, &v);
	key.n = 8;
	while (e == E_OK && key_within(k, &key) && ++n < SUBS_MAX)
		e = kv_next(c, &k, &v);
	kv_cursor_end(&c);
	if (n >= SUBS_MAX)
		return E_LIMIT;
	return e == E_NOT_FOUND ? E_OK : decide_read(d, e);
}

enum err decide_subscribe(struct decide *d, struct change *c)
{
	struct change_subscribe *x = container_of(c, struct change_subscribe, change);
	struct op op = {.kind = OP_SUBSCRIBE};
	struct row_account acct;
	struct row_mailbox m;
	uint32_t id = 0;
	enum err e = decide_read(d, tab_account_live(d->a->txn, x->account, &acct));

	if (e != E_OK || mbox_path_check(x->path) != E_OK)
		return e != E_OK ? e : E_INVALID;
	e = decide_read(d, tab_path_find(d->a->txn, x->account, x->path, &id));
	if (e == E_OK)
		e = decide_read(d, tab_mailbox_get(d->a->txn, x->account, id, &m));
	else if (e == E_NOT_FOUND)
		e = (id = 0, subs_room(d, x->account));
	if (e != E_OK || (id != 0 && m.subscribed == x->on) ||
	    (id == 0 && sub_has(d, x->account, x->path) == x->on))
		return e;
	buf_reset(&d->uids);
	path_canonical(x->path, &d->uids);
	op.u.subscribe = (struct op_subscribe){x->account, id, buf_slice(&d->uids), x->on};
	return d->broken != E_OK ? d->broken : decide_op(d, &op);
}
