/* Flags, copies, expunges. */
#include "backend/store/decide.h"
#include "backend/store/mbox.h"
#include "common/base/num.h"

/* Messages that one part of a long flag change or expunge looks at: some 10 ms of the writer. */
#define PART_MAX 1000

/* Account and mailbox rows, the mailbox selectable. */
static enum err rows_get(struct decide *d, uint64_t account, uint64_t mailbox,
			 struct row_account *acct, struct row_mailbox *m)
{
	enum err e = decide_read(d, tab_account_live(d->a->txn, account, acct));

	if (e == E_OK)
		e = decide_read(d, tab_mailbox_get(d->a->txn, account, mailbox, m));
	return e == E_OK && m->noselect ? E_NOT_FOUND : e;
}

/* Members of a set within ranges, from `from` on. */
static enum err collect(struct decide *d, const struct rset *s, const struct uid_range *v, size_t n,
			uint32_t from, struct uidset *out)
{
	for (size_t i = uid_ranges_find(v, n, from); i < n; i++) {
		enum err e = decide_read(d, rset_collect(s, MAX(v[i].first, from), v[i].last, out));

		if (e != E_OK)
			return e;
	}
	return E_OK;
}

static slice_t encode(struct decide *d, const struct uidset *set)
{
	buf_reset(&d->uids);
	ranges_encode(set->v, set->n, &d->uids);
	return buf_slice(&d->uids);
}

/* Keeps the first `max` members; *next_out: the one after them, or 0. */
static void uidset_cut(struct uidset *s, uint32_t max, uint32_t *next_out)
{
	uint64_t left = max;

	*next_out = 0;
	for (size_t i = 0; i < s->n; i++) {
		uint64_t n = (uint64_t)s->v[i].last - s->v[i].first + 1;

		if (n > left) {
			*next_out = s->v[i].first + (uint32_t)left;
			s->v[i].last = *next_out - 1;
			s->n = left > 0 ? i + 1 : i;
			return;
		}
		left -= n;
	}
}

/* ---- flags ---- */

/* Would the change do anything to this message? */
static bool flags_differ(const struct change_flags *f, const struct row_message *m, uint64_t bits,
			 bool new_names)
{
	switch (f->mode) {
	case FLAGS_REPLACE:
		return m->flags != f->flags || m->keywords != bits;
	case FLAGS_ADD:
		return (f->flags & ~m->flags) != 0 || (bits & ~m->keywords) != 0 || new_names;
	case FLAGS_REMOVE:
		return (f->flags & m->flags) != 0 || (bits & m->keywords) != 0;
	}
	return false;
}

static enum err flags_pick(struct decide *d, struct change_flags *f, const struct uidset *uids,
			   uint64_t bits, struct uidset *picked)
{
	struct row_message m;

	for (size_t i = 0; i < uids->n; i++) {
		for (uint64_t uid = uids->v[i].first; uid <= uids->v[i].last; uid++) {
			enum err e = decide_read(d, tab_message_get(d->a->txn, f->account,
								    (uint32_t)f->mailbox,
								    (uint32_t)uid, &m));

			if (e != E_OK) {
				d->broken = E_CORRUPT;
				return E_CORRUPT;
			}
			if (f->unchanged_since != 0 && m.modseq > f->unchanged_since &&
			    !uidset_has(&f->changed, (uint32_t)uid))
				uidset_add(&f->modified, (uint32_t)uid, (uint32_t)uid);
			else if (flags_differ(f, &m, bits, d->names.n > 0))
				uidset_add(picked, (uint32_t)uid, (uint32_t)uid);
		}
	}
	return E_OK;
}

static enum err flags_part(struct decide *d, struct change_flags *f, struct row_account *acct,
			   struct uidset *uids, struct uidset *picked)
{
	struct op op = {.kind = OP_FLAGS};
	uint64_t bits;
	enum err e = decide_keywords(d, f->account, (uint32_t)f->mailbox, f->keywords, f->nkeywords,
				     f->mode == FLAGS_REMOVE ? KEYWORDS_KNOWN : KEYWORDS_ADD, &bits,
				     NULL);

	uidset_cut(uids, PART_MAX, &f->change.next_uid);
	if (e == E_OK)
		e = flags_pick(d, f, uids, bits, picked);
	f->change.more = e == E_OK && f->change.next_uid != 0;
	if (e != E_OK || picked->n == 0)
		return e;
	op.u.flags = (struct op_flags){
		.account = f->account,
		.mailbox = (uint32_t)f->mailbox,
		.uids = encode(d, picked),
		.mode = f->mode,
		.flags = f->flags,
		.keywords = bits,
		.new_names = buf_slice(&d->names),
		.modseq = acct->modseq + 1,
	};
	f->modseq = op.u.flags.modseq;
	for (size_t i = 0; i < picked->n; i++)
		uidset_add(&f->changed, picked->v[i].first, picked->v[i].last);
	return decide_op(d, &op);
}

enum err decide_flags(struct decide *d, struct change *c)
{
	struct change_flags *f = container_of(c, struct change_flags, change);
	struct uidset uids, picked;
	struct row_account acct;
	struct row_mailbox m;
	struct rset all;
	uint32_t from = MAX(c->from_uid, 1);
	enum err e = rows_get(d, f->account, f->mailbox, &acct, &m);

	if (e != E_OK)
		return e;
	/* What an aborted group left. */
	uidset_remove(&f->changed, from, UINT32_MAX);
	uidset_remove(&f->modified, from, UINT32_MAX);
	all = rset_of(d->a->txn, f->account, (uint32_t)f->mailbox, &m, SET_ALL);
	uidset_init(&uids);
	uidset_init(&picked);
	e = collect(d, &all, f->uids, f->nuids, from, &uids);
	if (e == E_OK)
		e = flags_part(d, f, &acct, &uids, &picked);
	uidset_fini(&uids);
	uidset_fini(&picked);
	return e;
}

/* ---- expunge ---- */

enum err decide_expunge(struct decide *d, struct change *c)
{
	static const struct uid_range every = {1, UINT32_MAX};
	struct change_expunge *x = container_of(c, struct change_expunge, change);
	struct op op = {.kind = OP_EXPUNGE};
	struct uidset uids;
	struct row_account acct;
	struct row_mailbox m;
	struct rset deleted;
	uint32_t from = MAX(c->from_uid, 1);
	enum err e = rows_get(d, x->account, x->mailbox, &acct, &m);

	if (e != E_OK)
		return e;
	uidset_remove(&x->vanished, from, UINT32_MAX); /* what an aborted group left */
	deleted = rset_of(d->a->txn, x->account, (uint32_t)x->mailbox, &m, SET_DELETED);
	uidset_init(&uids);
	e = collect(d, &deleted, x->nuids > 0 ? x->uids : &every, x->nuids > 0 ? x->nuids : 1, from,
		    &uids);
	uidset_cut(&uids, PART_MAX, &c->next_uid);
	c->more = e == E_OK && c->next_uid != 0;
	if (e == E_OK && uids.n > 0) {
		op.u.expunge = (struct op_expunge){x->account, (uint32_t)x->mailbox,
						   encode(d, &uids), acct.modseq + 1};
		x->modseq = op.u.expunge.modseq;
		for (size_t i = 0; i < uids.n; i++)
			uidset_add(&x->vanished, uids.v[i].first, uids.v[i].last);
		e = decide_op(d, &op);
	}
	uidset_fini(&uids);
	return e;
}

/* ---- copies ---- */

/* Sizes and keywords of what is to be copied. */
static enum err copy_weigh(struct decide *d, const struct change_copy *c, const struct uidset *uids,
			   uint64_t *bytes_out, uint64_t *keywords_out)
{
	struct row_message m;

	*bytes_out = *keywords_out = 0;
	for (size_t i = 0; i < uids->n; i++) {
		for (uint64_t uid = uids->v[i].first; uid <= uids->v[i].last; uid++) {
			enum err e = decide_read(d, tab_message_get(d->a->txn, c->account,
								    (uint32_t)c->mailbox,
								    (uint32_t)uid, &m));

			if (e != E_OK) {
				d->broken = E_CORRUPT;
				return E_CORRUPT;
			}
			*bytes_out += m.size;
			*keywords_out |= m.keywords;
		}
	}
	return E_OK;
}

/* Where the source's keyword bits go in the destination. */
static enum err copy_keywords(struct decide *d, struct op_copy *o, uint64_t used)
{
	slice_t have[STORE_KEYWORDS_MAX], want[STORE_KEYWORDS_MAX];
	unsigned char from[STORE_KEYWORDS_MAX], to[STORE_KEYWORDS_MAX];
	unsigned n, nwant = 0;
	uint64_t bits;
	enum err e = decide_read(d, tab_keywords_get(d->a->txn, o->account, o->from, have, &n));

	memset(o->keyword_map, KEYWORD_UNMAPPED, sizeof(o->keyword_map));
	if (e != E_OK)
		return e;
	for (unsigned i = 0; i < n; i++) {
		if ((used >> i & 1) == 0)
			continue;
		from[nwant] = (unsigned char)i;
		want[nwant++] = have[i];
	}
	e = decide_keywords(d, o->account, o->to, want, nwant, KEYWORDS_ADD, &bits, to);
	for (unsigned i = 0; i < nwant && e == E_OK; i++)
		o->keyword_map[from[i]] = to[i];
	o->new_names = buf_slice(&d->names);
	return e;
}

static enum err copy_fits(const struct change_copy *c, const struct row_account *acct,
			  uint64_t count, uint64_t bytes)
{
	if (c->move)
		return E_OK;
	if (c->quota_messages != 0 && acct->messages + count > c->quota_messages)
		return E_QUOTA;
	return c->quota_bytes != 0 && acct->bytes + bytes > c->quota_bytes ? E_QUOTA : E_OK;
}

/* All of `uids` from one mailbox into another. */
static enum err copy_op(struct decide *d, struct change_copy *c, const struct row_account *acct,
			uint32_t to, const struct row_mailbox *m, const struct uidset *uids,
			struct op_dedupe *dedupe)
{
	struct op op = {.kind = OP_COPY};
	struct op_copy *o = &op.u.copy;
	uint64_t count = uidset_count(uids), bytes, used;
	enum err e = copy_weigh(d, c, uids, &bytes, &used);

	if (e == E_OK)
		e = copy_fits(c, acct, count, bytes);
	if (e == E_OK && count > UINT32_MAX - m->uidnext)
		e = E_LIMIT;
	o->account = c->account;
	o->from = (uint32_t)c->mailbox;
	o->to = to;
	if (e == E_OK)
		e = copy_keywords(d, o, used);
	if (e != E_OK)
		return e;
	o->uids = encode(d, uids);
	o->first_uid = m->uidnext;
	o->modseq = acct->modseq + 1;
	o->move = c->move;
	o->dedupe = *dedupe;
	c->modseq = c->move ? o->modseq + 1 : 0;
	uidset_add(&c->dest, m->uidnext, m->uidnext + (uint32_t)count - 1);
	return decide_op(d, &op);
}

static enum err copy_repeat(struct decide *d, struct change_copy *c, const struct row_dedupe *first)
{
	struct uid_range run;
	struct rec_r r;
	uint32_t last = 0;

	c->duplicate = true;
	c->to_mailbox = first->mailbox;
	c->uidvalidity = first->uidvalidity;
	c->modseq = first->id;
	rec_r_init(&r, first->from);
	while (ranges_next(&r, &last, &run))
		uidset_add(&c->from, run.first, run.last);
	last = 0;
	rec_r_init(&r, first->to);
	while (ranges_next(&r, &last, &run))
		uidset_add(&c->dest, run.first, run.last);
	return decide_read(d, rec_r_end(&r));
}

static enum err copy_find(struct decide *d, const struct change_copy *c, uint32_t *to_out,
			  struct row_mailbox *m)
{
	enum err e = mbox_path_check(c->to);

	if (e == E_OK)
		e = decide_read(d, tab_path_find(d->a->txn, c->account, c->to, to_out));
	if (e == E_OK)
		e = decide_read(d, tab_mailbox_get(d->a->txn, c->account, *to_out, m));
	return e == E_OK && m->noselect ? E_NOT_FOUND : e;
}

enum err decide_copy(struct decide *d, struct change *c)
{
	struct change_copy *x = container_of(c, struct change_copy, change);
	unsigned char key[8];
	struct op_dedupe dedupe;
	struct row_dedupe first;
	struct row_account acct;
	struct row_mailbox from, to;
	struct rset all;
	uint32_t to_id;
	enum err e;

	be64_put(key, x->account);
	/* What an aborted group left. */
	uidset_reset(&x->from);
	uidset_reset(&x->dest);
	e = decide_dedupe(d, x->origin, x->txid, slice(key, sizeof(key)), &dedupe, &first);
	if (e == E_OK)
		return copy_repeat(d, x, &first);
	if (e != E_NOT_FOUND)
		return e;
	x->to_mailbox = UINT32_MAX; /* until the destination is what is missing */
	e = rows_get(d, x->account, x->mailbox, &acct, &from);
	if (e != E_OK)
		return e;
	x->to_mailbox = 0;
	e = copy_find(d, x, &to_id, &to);
	if (e != E_OK)
		return e;
	x->to_mailbox = to_id;
	x->uidvalidity = to.uidvalidity;
	all = rset_of(d->a->txn, x->account, (uint32_t)x->mailbox, &from, SET_ALL);
	e = collect(d, &all, x->uids, x->nuids, 1, &x->from);
	if (e != E_OK || x->from.n == 0)
		return e;
	return copy_op(d, x, &acct, to_id, &to, &x->from, &dedupe);
}
