#include <stdlib.h>

#include "backend/store/mbox.h"
#include "backend/store/partition_priv.h"
#include "common/base/num.h"
#include "common/base/utf8.h"

/* Log rows that one mbox_changes looks at; beyond, opening anew is cheaper for both sides. */
#define CHANGES_ROWS_MAX 50000

static bool level_ok(slice_t level)
{
	if (level.n == 0 || level.n > STORE_NAME_MAX || !utf8_valid(level))
		return false;
	for (size_t i = 0; i < level.n; i++) {
		unsigned char c = (unsigned char)level.p[i];

		/* C0 controls, DEL; C1 controls are C2 80..9F. */
		if (c < 0x20 || c == 0x7f ||
		    (c == 0xc2 && i + 1 < level.n && (unsigned char)level.p[i + 1] < 0xa0))
			return false;
	}
	return true;
}

enum err mbox_path_check(slice_t path)
{
	unsigned depth = 0;

	if (path.n == 0 || path.n > STORE_PATH_MAX || path.p[path.n - 1] == '/')
		return E_INVALID;
	while (path.n > 0) {
		if (++depth > STORE_DEPTH_MAX || !level_ok(path_level(&path, false)))
			return E_INVALID;
	}
	return E_OK;
}

/* ---- recent ---- */

static struct recent_slot *recent_slot(struct partition *p, uint64_t account, uint32_t mailbox)
{
	uint64_t h = (account * 0x9e3779b97f4a7c15u) ^ mailbox * 0x85ebca6bu;

	return &p->recent[(h >> 20 ^ h) % RECENT_SLOTS];
}

void recent_look(struct partition *p, uint64_t account, uint32_t mailbox, uint32_t *from_io)
{
	struct recent_slot *s = recent_slot(p, account, mailbox);

	pthread_mutex_lock(&p->recent_lock);
	if (s->uid != 0 && s->account == account && s->mailbox == mailbox)
		*from_io = MAX(*from_io, s->uid);
	pthread_mutex_unlock(&p->recent_lock);
}

void recent_take(struct partition *p, uint64_t account, uint32_t mailbox, uint32_t uidnext,
		 uint32_t *from_io)
{
	struct recent_slot *s = recent_slot(p, account, mailbox);

	pthread_mutex_lock(&p->recent_lock);
	if (s->uid != 0 && s->account == account && s->mailbox == mailbox)
		*from_io = MAX(*from_io, s->uid);
	if (*from_io < uidnext) {
		p->nrecent += s->uid == 0;
		/* Another mailbox's mark in this place is lost: its messages are recent again. */
		*s = (struct recent_slot){account, mailbox, uidnext};
	}
	pthread_mutex_unlock(&p->recent_lock);
}

unsigned recent_drain(struct partition *p, struct recent_slot *out, unsigned max)
{
	unsigned n = 0;

	pthread_mutex_lock(&p->recent_lock);
	for (size_t i = 0; i < RECENT_SLOTS && p->nrecent > 0 && n < max; i++) {
		if (p->recent[i].uid == 0)
			continue;
		out[n++] = p->recent[i];
		p->recent[i].uid = 0;
		p->nrecent--;
	}
	pthread_mutex_unlock(&p->recent_lock);
	return n;
}

/* ---- rows ---- */

static enum err row_fill(struct partition *p, struct kv_txn *t, uint64_t account, uint32_t id,
			 struct row_mailbox *m, struct mbox_row *out)
{
	struct rset all = rset_of(t, account, id, m, SET_ALL);
	uint32_t from = m->recent_from;

	*out = (struct mbox_row){
		.id = id,
		.path = out->path,
		.special = m->special,
		.subscribed = m->subscribed,
		.noselect = m->noselect,
		.uidvalidity = m->uidvalidity,
		.uidnext = m->uidnext,
		.messages = m->messages,
		.unseen = m->unseen,
		.highestmodseq = m->highestmodseq,
		.size = m->bytes,
	};
	recent_look(p, account, id, &from);
	return rset_count_from(&all, from, &out->recent);
}

static enum err find_row(struct kv_txn *t, uint64_t account, slice_t path, uint32_t *id_out,
			 struct row_mailbox *m)
{
	struct row_account acct;
	enum err e = mbox_path_check(path);

	if (e == E_OK)
		e = tab_account_live(t, account, &acct);
	if (e == E_OK)
		e = tab_path_find(t, account, path, id_out);
	return e == E_OK ? tab_mailbox_get(t, account, *id_out, m) : e;
}

enum err mbox_status(struct partition *p, uint64_t account, slice_t path, struct mbox_row *out)
{
	struct row_mailbox m;
	struct kv_txn *t;
	uint32_t id;
	enum err e = kv_read(p->kv, &t);

	if (e != E_OK)
		return e;
	e = find_row(t, account, path, &id, &m);
	out->path = path;
	if (e == E_OK)
		e = row_fill(p, t, account, id, &m, out);
	kv_abort(&t);
	return e;
}

/* ---- list ---- */

/*
 * The tree is read in one transaction (10,000 rows of some 150 bytes: a few milliseconds), paths
 * are put together from the parents, and rows are sorted so that a parent comes before its
 * children.
 */
struct list_node {
	struct row_mailbox m;
	uint32_t id;
	bool placed;
	size_t at; /* of its path in bytes */
	size_t n;
	struct mbox_row row;
};

struct listing {
	struct partition *p;
	struct kv_txn *t;
	uint64_t account;
	struct list_node *v; /* by id */
	size_t n, cap;
	struct mbox_list *out;
};

void mbox_list_init(struct mbox_list *l)
{
	memset(l, 0, sizeof(*l));
	buf_init(&l->bytes, SIZE_MAX, NULL);
}

void mbox_list_fini(struct mbox_list *l)
{
	xfree(&l->rows);
	buf_fini(&l->bytes);
}

static enum err list_load(struct listing *l)
{
	struct kv_cursor *c;
	struct rec_key key;
	slice_t k, v;
	enum err e = kv_cursor(l->t, T_ACCOUNT, &c);

	if (e != E_OK)
		return e;
	key_mailbox(&key, l->account, 1);
	e = kv_seek(c, rec_key(&key), &k, &v);
	key.n = 8;
	while (e == E_OK && k.n == 12 && key_within(k, &key)) {
		struct list_node *node;

		if (l->n == l->cap) {
			l->cap = MAX(l->cap * 2, (size_t)16);
			l->v = xrealloc(l->v, l->cap * sizeof(*l->v));
		}
		node = &l->v[l->n++];
		memset(node, 0, sizeof(*node));
		node->id = be32_get(k.p + 8);
		e = row_mailbox_decode(v, &node->m);
		if (e == E_OK)
			e = row_fill(l->p, l->t, l->account, node->id, &node->m, &node->row);
		if (e == E_OK)
			e = kv_next(c, &k, &v);
	}
	kv_cursor_end(&c);
	return e == E_NOT_FOUND ? E_OK : e;
}

static int list_order(const void *a, const void *b)
{
	const struct list_node *x = a, *y = b;

	return x->id < y->id ? -1 : x->id > y->id;
}

static struct list_node *list_find(const struct listing *l, uint32_t id)
{
	struct list_node want = {.id = id};

	return bsearch(&want, l->v, l->n, sizeof(*l->v), list_order);
}

/* The path of a node goes to bytes. */
static enum err list_path(struct listing *l, struct list_node *node)
{
	struct list_node *chain[STORE_DEPTH_MAX];
	unsigned depth = 0;
	struct buf *b = &l->out->bytes;

	for (struct list_node *i = node; i != NULL;
	     i = i->m.parent ? list_find(l, i->m.parent) : NULL) {
		if (depth == STORE_DEPTH_MAX)
			return tab_corrupt("mailbox tree", l->account, node->id);
		chain[depth++] = i;
	}
	node->at = b->n;
	while (depth-- > 0) {
		buf_put(b, mailbox_name(&chain[depth]->m));
		if (depth > 0)
			buf_putc(b, '/');
	}
	node->n = b->n - node->at;
	return E_OK;
}

/* INBOX and what is below it first, then by level, byte by byte ('/' sorts before all). */
static int row_order(const void *a, const void *b)
{
	slice_t x = ((const struct mbox_row *)a)->path, y = ((const struct mbox_row *)b)->path;
	bool xi = slice_starts(x, SL("INBOX")) && (x.n == 5 || x.p[5] == '/');
	bool yi = slice_starts(y, SL("INBOX")) && (y.n == 5 || y.p[5] == '/');

	if (xi != yi)
		return xi ? -1 : 1;
	for (size_t i = 0; i < x.n && i < y.n; i++) {
		unsigned char cx = x.p[i] == '/' ? 0 : (unsigned char)x.p[i];
		unsigned char cy = y.p[i] == '/' ? 0 : (unsigned char)y.p[i];

		if (cx != cy)
			return cx < cy ? -1 : 1;
	}
	return x.n < y.n ? -1 : x.n > y.n;
}

/* Subscribed names that no mailbox has. */
static enum err list_subs(struct listing *l, size_t **at_out, size_t *n_out)
{
	struct kv_cursor *c;
	struct rec_key key;
	size_t cap = 0;
	slice_t k, v;
	uint32_t id;
	enum err e = kv_cursor(l->t, T_SUB, &c);

	*n_out = 0;
	if (e != E_OK)
		return e;
	key_pair(&key, l->account, 0);
	e = kv_seek(c, rec_key(&key), &k, &v);
	key.n = 8;
	while (e == E_OK && key_within(k, &key)) {
		if (tab_path_find(l->t, l->account, v, &id) == E_NOT_FOUND) {
			if (*n_out + 2 > cap) {
				cap = MAX(cap * 2, (size_t)16);
				*at_out = xrealloc(*at_out, cap * sizeof(**at_out));
			}
			(*at_out)[(*n_out)++] = l->out->bytes.n;
			(*at_out)[(*n_out)++] = v.n;
			buf_put(&l->out->bytes, v);
		}
		e = kv_next(c, &k, &v);
	}
	kv_cursor_end(&c);
	return e == E_NOT_FOUND ? E_OK : e;
}

static void list_rows(struct listing *l, const size_t *subs, size_t nsubs)
{
	struct mbox_list *out = l->out;
	slice_t bytes = buf_slice(&out->bytes);

	out->rows = xcalloc(l->n + nsubs / 2 + 1, sizeof(*out->rows));
	out->n = 0;
	for (size_t i = 0; i < l->n; i++) {
		l->v[i].row.path = slice_sub(bytes, l->v[i].at, l->v[i].n);
		out->rows[out->n++] = l->v[i].row;
	}
	for (size_t i = 0; i < nsubs; i += 2)
		out->rows[out->n++] = (struct mbox_row){
			.path = slice_sub(bytes, subs[i], subs[i + 1]), .subscribed = true};
	qsort(out->rows, out->n, sizeof(*out->rows), row_order);
}

enum err mbox_list(struct partition *p, uint64_t account, struct mbox_list *out)
{
	struct listing l = {.p = p, .account = account, .out = out};
	struct row_account acct;
	size_t *subs = NULL, nsubs = 0;
	enum err e = kv_read(p->kv, &l.t);

	if (e != E_OK)
		return e;
	e = tab_account_live(l.t, account, &acct);
	if (e == E_OK)
		e = list_load(&l);
	for (size_t i = 0; i < l.n && e == E_OK; i++)
		e = list_path(&l, &l.v[i]);
	if (e == E_OK)
		e = list_subs(&l, &subs, &nsubs);
	kv_abort(&l.t);
	if (e == E_OK)
		list_rows(&l, subs, nsubs);
	xfree(&subs);
	xfree(&l.v);
	return e;
}

/* ---- open ---- */

void mbox_keywords_init(struct mbox_keywords *k)
{
	memset(k, 0, sizeof(*k));
	buf_init(&k->bytes, SIZE_MAX, NULL);
}

void mbox_keywords_fini(struct mbox_keywords *k)
{
	buf_fini(&k->bytes);
}

static enum err keywords_load(struct kv_txn *t, uint64_t account, uint32_t mailbox,
			      struct mbox_keywords *out)
{
	slice_t names[STORE_KEYWORDS_MAX];
	size_t at = 0;
	enum err e = tab_keywords_get(t, account, mailbox, names, &out->n);

	for (unsigned i = 0; i < out->n && e == E_OK; i++)
		buf_put(&out->bytes, names[i]);
	for (unsigned i = 0; i < out->n && e == E_OK; i++) {
		out->name[i] = slice_sub(buf_slice(&out->bytes), at, names[i].n);
		at += names[i].n;
	}
	return e;
}

void mbox_view_init(struct mbox_view *v)
{
	memset(v, 0, sizeof(*v));
	mbox_keywords_init(&v->keywords);
}

void mbox_view_fini(struct mbox_view *v)
{
	mbox_keywords_fini(&v->keywords);
	uidset_fini(&v->uids);
}

static enum err view_load(struct kv_txn *t, uint64_t account, uint32_t id, struct row_mailbox *m,
			  struct mbox_view *out)
{
	struct rset all = rset_of(t, account, id, m, SET_ALL);
	struct rset unseen = rset_of(t, account, id, m, SET_UNSEEN);
	enum err e = rset_collect(&all, 1, UINT32_MAX, &out->uids);

	if (e == E_OK)
		e = rset_first(&unseen, &out->first_unseen);
	return e == E_OK ? keywords_load(t, account, id, &out->keywords) : e;
}

static void recent_pass(struct partition *p, uint64_t account, uint32_t id,
			const struct row_mailbox *m, enum mbox_recent recent, uint32_t *from_out)
{
	*from_out = m->recent_from;
	if (recent == RECENT_TAKE)
		recent_take(p, account, id, m->uidnext, from_out);
	else
		recent_look(p, account, id, from_out);
}

enum err mbox_open(struct partition *p, uint64_t account, slice_t path, enum mbox_recent recent,
		   struct mbox_view *out)
{
	struct row_mailbox m;
	struct kv_txn *t;
	uint32_t id;
	enum err e = kv_read(p->kv, &t);

	if (e != E_OK)
		return e;
	e = find_row(t, account, path, &id, &m);
	if (e == E_OK && m.noselect)
		e = E_NOT_FOUND;
	out->row.path = path;
	if (e == E_OK)
		e = row_fill(p, t, account, id, &m, &out->row);
	if (e == E_OK)
		e = view_load(t, account, id, &m, out);
	kv_abort(&t);
	if (e == E_OK)
		recent_pass(p, account, id, &m, recent, &out->recent_from);
	return e;
}

/* ---- changes ---- */

void mbox_changes_init(struct mbox_changes *c)
{
	memset(c, 0, sizeof(*c));
	mbox_keywords_init(&c->keywords);
}

void mbox_changes_fini(struct mbox_changes *c)
{
	mbox_keywords_fini(&c->keywords);
	uidset_fini(&c->added);
	uidset_fini(&c->vanished);
	uidset_fini(&c->changed);
}

/* What happened last to a UID is what counts: an added one that vanished is neither. */
static void changes_apply(struct mbox_changes *c, enum log_kind_row kind, struct uid_range r)
{
	switch (kind) {
	case LOG_ADDED:
		uidset_add(&c->added, r.first, r.last);
		break;
	case LOG_CHANGED:
		uidset_add(&c->changed, r.first, r.last);
		break;
	case LOG_VANISHED:
		uidset_add(&c->vanished, r.first, r.last);
		break;
	case LOG_GONE:
	case LOG_MAILBOX:
		break;
	}
}

/* Vanished ones that were added after since were never seen by the asker; changes of added and
 * vanished ones are no changes. */
static void changes_settle(struct mbox_changes *c)
{
	struct uidset both;

	uidset_init(&both);
	for (size_t i = 0; i < c->vanished.n; i++) {
		struct uid_range v = c->vanished.v[i];

		for (size_t j = uid_ranges_find(c->added.v, c->added.n, v.first);
		     j < c->added.n && c->added.v[j].first <= v.last; j++)
			uidset_add(&both, MAX(v.first, c->added.v[j].first),
				   MIN(v.last, c->added.v[j].last));
		uidset_remove(&c->changed, v.first, v.last);
	}
	for (size_t i = 0; i < both.n; i++) {
		uidset_remove(&c->added, both.v[i].first, both.v[i].last);
		uidset_remove(&c->vanished, both.v[i].first, both.v[i].last);
	}
	for (size_t i = 0; i < c->added.n; i++)
		uidset_remove(&c->changed, c->added.v[i].first, c->added.v[i].last);
	uidset_fini(&both);
}

static enum err changes_row(slice_t v, uint32_t mailbox, struct mbox_changes *out)
{
	struct uid_range run;
	struct row_log row;
	uint32_t last = 0;
	struct rec_r r;
	enum err e = row_log_decode(v, &row);

	if (e != E_OK || row.mailbox != mailbox)
		return e;
	rec_r_init(&r, row.ranges);
	while (ranges_next(&r, &last, &run))
		changes_apply(out, row.kind, run);
	return rec_r_end(&r);
}

/* A walk over the log: each slice is of a newer state than the one before, and goes on after the
 * last row of that one, so the whole is as the last slice's state says. */
struct changes_walk {
	uint64_t account;
	uint32_t mailbox;
	uint64_t at; /* looked at up to here */
	unsigned rows;
	bool ended;
	struct row_mailbox m; /* as the slice found it */
	struct mbox_changes *out;
};

static enum err changes_rows(struct kv_txn *t, struct changes_walk *w)
{
	struct kv_cursor *c;
	struct rec_key key;
	unsigned looked = 0;
	slice_t k, v;
	enum err e = kv_cursor(t, T_LOG, &c);

	if (e != E_OK)
		return e;
	key_pair(&key, w->account, w->at + 1);
	e = kv_seek(c, rec_key(&key), &k, &v);
	key.n = 8;
	while (e == E_OK && k.n == 16 && key_within(k, &key) && looked < STORE_SLICE_ROWS) {
		e = changes_row(v, w->mailbox, w->out);
		w->at = be64_get(k.p + 8);
		looked++;
		if (e == E_OK)
			e = kv_next(c, &k, &v);
	}
	kv_cursor_end(&c);
	w->rows += looked;
	w->ended = looked < STORE_SLICE_ROWS;
	return e == E_NOT_FOUND ? E_OK : e;
}

static enum err changes_slice(struct kv_txn *t, struct changes_walk *w)
{
	struct mbox_changes *out = w->out;
	struct row_account acct;
	enum err e = tab_account_live(t, w->account, &acct);

	if (e == E_OK)
		e = tab_mailbox_get(t, w->account, w->mailbox, &w->m);
	if (e == E_OK && w->m.noselect)
		e = E_NOT_FOUND;
	if (e != E_OK)
		return e;
	out->highestmodseq = w->m.highestmodseq;
	out->uidnext = w->m.uidnext;
	w->ended = w->at >= w->m.highestmodseq;
	out->reset = !w->ended && (w->at < acct.low_mark || w->rows >= CHANGES_ROWS_MAX);
	if (!w->ended && !out->reset)
		e = changes_rows(t, w);
	w->ended |= out->reset;
	return e == E_OK && w->ended ? keywords_load(t, w->account, w->mailbox, &out->keywords) : e;
}

enum err mbox_changes(struct partition *p, uint64_t account, uint64_t mailbox, uint64_t since,
		      enum mbox_recent recent, struct mbox_changes *out)
{
	struct changes_walk w = {
		.account = account, .mailbox = (uint32_t)mailbox, .at = since, .out = out};
	enum err e = mailbox <= UINT32_MAX ? E_OK : E_NOT_FOUND;

	while (e == E_OK && !w.ended) {
		struct kv_txn *t;

		e = kv_read(p->kv, &t);
		if (e == E_OK)
			e = changes_slice(t, &w);
		kv_abort(&t);
	}
	if (e != E_OK)
		return e;
	if (out->reset) {
		uidset_reset(&out->added);
		uidset_reset(&out->vanished);
		uidset_reset(&out->changed);
	}
	changes_settle(out);
	recent_pass(p, account, (uint32_t)mailbox, &w.m, recent, &out->recent_from);
	return E_OK;
}

enum err mbox_highest(struct partition *p, uint64_t account, uint64_t mailbox, uint64_t *out)
{
	struct row_mailbox m;
	struct kv_txn *t;
	enum err e = kv_read(p->kv, &t);

	if (e != E_OK)
		return e;
	e = tab_mailbox_get(t, account, mailbox, &m);
	kv_abort(&t);
	*out = m.highestmodseq;
	return e;
}
