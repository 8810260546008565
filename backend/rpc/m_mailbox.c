/* Mailbox.*: by ticket, for the account that it names. */
#include "backend/rpc/convert.h"
#include "backend/rpc/rpc_methods.h"
#include "backend/store/change.h"
#include "common/log/log.h"

#define ROWS_IN_BATCH   100
#define RANGES_IN_BATCH 4096

/* ---- reads ---- */

/* One read of the store on a reader thread, and again when only the account's row was missing. */
struct read {
	void (*fn)(void *arg);
	void *arg;
	enum err *result; /* of the last run */
};

WAITS static enum err read_store(struct mcall *c, const struct read *r)
{
	enum err e = mcall_read(c->method->name, r->fn, r->arg);

	if (e == E_OK && *r->result == E_NOT_FOUND && mcall_account_there(c))
		e = mcall_read(c->method->name, r->fn, r->arg);
	return e == E_OK ? *r->result : e;
}

struct list_read {
	struct partition *part;
	uint64_t account;
	struct mbox_list list;
	enum err result;
};

static void read_list(void *arg)
{
	struct list_read *l = arg;

	l->result = mbox_list(l->part, l->account, &l->list);
}

WAITS static enum err send_rows(struct mcall *c, const struct mbox_list *l)
{
	struct arena mem;
	enum err e = E_OK;

	arena_init(&mem, rpc_link_budget(rpc_req_link(c->req)));
	for (size_t i = 0; e == E_OK && i < l->n;) {
		Postern__MailboxRow rows[ROWS_IN_BATCH], *list[ROWS_IN_BATCH];
		Postern__MailboxBatch batch = POSTERN__MAILBOX_BATCH__INIT;
		size_t bytes = 0;

		/* Paths are up to 8 KiB: a batch ends by bytes too. */
		for (; i < l->n && batch.n_rows < ROWS_IN_BATCH && bytes < RPC_PAYLOAD_MAX / 4;
		     i++) {
			convert_mailbox_row(&l->rows[i], &mem, &rows[batch.n_rows]);
			list[batch.n_rows] = &rows[batch.n_rows];
			bytes += l->rows[i].path.n + 100;
			batch.n_rows++;
		}
		batch.rows = list;
		e = mcall_send(c, &batch.base, &mem);
	}
	arena_reset(&mem);
	return e == E_OK ? rpc_req_send_end(c->req) : e;
}

WAITS enum err m_mailbox_list(struct mcall *c)
{
	struct list_read l = {.part = c->part, .account = c->account.id};
	enum err e;

	mbox_list_init(&l.list);
	e = read_store(c, &(struct read){read_list, &l, &l.result});
	if (e == E_OK && !mcall_hold(c, l.list.bytes.cap + l.list.n * sizeof(*l.list.rows)))
		e = E_BUSY;
	if (e == E_OK)
		e = mcall_reply(c, NULL, RPC_BODY);
	if (e == E_OK)
		e = send_rows(c, &l.list);
	mbox_list_fini(&l.list);
	return e;
}

struct status_read {
	struct partition *part;
	uint64_t account;
	slice_t path;
	struct mbox_row row;
	enum err result;
};

static void read_status(void *arg)
{
	struct status_read *s = arg;

	s->result = mbox_status(s->part, s->account, s->path, &s->row);
}

WAITS enum err m_mailbox_status(struct mcall *c)
{
	const Postern__MailboxStatus *m = (const void *)c->msg;
	Postern__MailboxStatusReply reply = POSTERN__MAILBOX_STATUS_REPLY__INIT;
	struct status_read s = {
		.part = c->part, .account = c->account.id, .path = slice_str(m->path)};
	Postern__MailboxRow row;
	enum err e = read_store(c, &(struct read){read_status, &s, &s.result});

	if (e == E_OK && s.row.noselect)
		e = E_NOT_FOUND;
	if (e != E_OK)
		return e;
	convert_mailbox_row(&s.row, &c->mem, &row);
	reply.row = &row;
	return mcall_reply(c, &reply.base, RPC_NO_BODY);
}

/* UidRanges frames. */
WAITS static enum err send_ranges(struct mcall *c, const struct uidset *s)
{
	struct arena mem;
	enum err e = E_OK;

	arena_init(&mem, rpc_link_budget(rpc_req_link(c->req)));
	for (size_t i = 0; e == E_OK && i < s->n; i += RANGES_IN_BATCH) {
		Postern__UidRanges m = POSTERN__UID_RANGES__INIT;

		m.n_ranges = MIN(s->n - i, (size_t)RANGES_IN_BATCH);
		m.ranges = convert_ranges(s->v + i, m.n_ranges, &mem);
		e = mcall_send(c, &m.base, &mem);
	}
	arena_reset(&mem);
	return e == E_OK ? rpc_req_send_end(c->req) : e;
}

struct open_read {
	struct partition *part;
	uint64_t account;
	slice_t path;
	enum mbox_recent recent;
	struct mbox_view view;
	enum err result;
};

static void read_open(void *arg)
{
	struct open_read *o = arg;

	o->result = mbox_open(o->part, o->account, o->path, o->recent, &o->view);
}

WAITS static enum err answer_open(struct mcall *c, const struct mbox_view *v)
{
	Postern__MailboxOpenReply reply = POSTERN__MAILBOX_OPEN_REPLY__INIT;
	enum err e;

	reply.id = v->row.id;
	reply.uidvalidity = v->row.uidvalidity;
	reply.uidnext = v->row.uidnext;
	reply.highestmodseq = v->row.highestmodseq;
	reply.messages = v->row.messages;
	reply.first_unseen = v->first_unseen;
	reply.recent_from = v->recent_from;
	reply.keywords = convert_keywords(&v->keywords, 0, &c->mem, &reply.n_keywords);
	e = mcall_reply(c, &reply.base, RPC_BODY);
	return e == E_OK ? send_ranges(c, &v->uids) : e;
}

WAITS enum err m_mailbox_open(struct mcall *c)
{
	const Postern__MailboxOpen *m = (const void *)c->msg;
	struct open_read o = {
		.part = c->part,
		.account = c->account.id,
		.path = slice_str(m->path),
		.recent =
			m->mode == POSTERN__OPEN_MODE__OPEN_READ_WRITE ? RECENT_TAKE : RECENT_LOOK,
	};
	enum err e;

	mbox_view_init(&o.view);
	e = read_store(c, &(struct read){read_open, &o, &o.result});
	if (e == E_OK && !mcall_hold(c, uidset_memory(&o.view.uids)))
		e = E_BUSY;
	if (e == E_OK)
		e = answer_open(c, &o.view);
	mbox_view_fini(&o.view);
	return e;
}

/* ---- changes since ---- */

struct changes_read {
	struct partition *part;
	uint64_t account, mailbox, since;
	enum mbox_recent recent;
	struct mbox_changes changes;
	enum err result;
};

static void read_changes(void *arg)
{
	struct changes_read *r = arg;

	r->result = mbox_changes(r->part, r->account, r->mailbox, r->since, r->recent, &r->changes);
}

/* One ChangeBatch of ranges, from where the last one ended. */
WAITS static enum err send_change_ranges(struct mcall *c, const struct mbox_changes *ch)
{
	struct arena mem;
	size_t a = 0, v = 0;
	enum err e = E_OK;

	arena_init(&mem, rpc_link_budget(rpc_req_link(c->req)));
	while (e == E_OK && (a < ch->added.n || v < ch->vanished.n)) {
		Postern__ChangeBatch b = POSTERN__CHANGE_BATCH__INIT;

		b.n_added = MIN(ch->added.n - a, (size_t)RANGES_IN_BATCH / 2);
		b.added = convert_ranges(ch->added.v + a, b.n_added, &mem);
		b.n_vanished = MIN(ch->vanished.n - v, (size_t)RANGES_IN_BATCH / 2);
		b.vanished = convert_ranges(ch->vanished.v + v, b.n_vanished, &mem);
		a += b.n_added;
		v += b.n_vanished;
		e = mcall_send(c, &b.base, &mem);
	}
	arena_reset(&mem);
	return e;
}

struct fetch_read {
	struct partition *part;
	struct msg_query query;
	uint32_t next;
	struct msg_slice slice;
	enum err result;
};

static void read_slice(void *arg)
{
	struct fetch_read *f = arg;

	f->result = msg_fetch(f->part, &f->query, f->next, &f->slice);
}

/* Flags of what was added or changed, as they are now. */
WAITS static enum err send_change_flags(struct mcall *c, uint64_t mailbox, const struct uidset *s,
					struct fetch_read *f)
{
	f->part = c->part;
	f->query = (struct msg_query){.account = c->account.id,
				      .mailbox = mailbox,
				      .uids = s->v,
				      .nuids = s->n,
				      .columns = MSG_FLAGS};
	for (f->next = s->n != 0 ? 1 : 0; f->next != 0; f->next = f->slice.next_uid) {
		Postern__ChangeBatch b = POSTERN__CHANGE_BATCH__INIT;
		enum err e = mcall_read("mailbox.changes", read_slice, f);

		if (e == E_OK)
			e = f->result;
		if (e != E_OK)
			return e;
		b.n_uid = b.n_flags = b.n_keywords = b.n_modseq = f->slice.n;
		b.uid = f->slice.uid;
		b.flags = f->slice.flags;
		b.keywords = f->slice.keywords;
		b.modseq = f->slice.modseq;
		e = mcall_send(c, &b.base, NULL);
		if (e != E_OK)
			return e;
	}
	return E_OK;
}

WAITS static enum err send_changes(struct mcall *c, uint64_t mailbox, const struct mbox_changes *ch)
{
	struct fetch_read *f = xcalloc(1, sizeof *f);
	enum err e = send_change_ranges(c, ch);

	msg_slice_init(&f->slice);
	if (e == E_OK)
		e = send_change_flags(c, mailbox, &ch->added, f);
	if (e == E_OK)
		e = send_change_flags(c, mailbox, &ch->changed, f);
	msg_slice_fini(&f->slice);
	xfree(&f);
	return e == E_OK ? rpc_req_send_end(c->req) : e;
}

WAITS enum err m_mailbox_changes(struct mcall *c)
{
	const Postern__MailboxChanges *m = (const void *)c->msg;
	Postern__MailboxChangesReply reply = POSTERN__MAILBOX_CHANGES_REPLY__INIT;
	struct changes_read r = {
		.part = c->part,
		.account = c->account.id,
		.mailbox = m->mailbox,
		.since = m->since,
		.recent = m->take_recent ? RECENT_TAKE : RECENT_LOOK,
	};
	enum err e;

	mbox_changes_init(&r.changes);
	e = read_store(c, &(struct read){read_changes, &r, &r.result});
	if (e == E_OK &&
	    !mcall_hold(c, uidset_memory(&r.changes.added) + uidset_memory(&r.changes.vanished) +
				   uidset_memory(&r.changes.changed) + sizeof(struct fetch_read)))
		e = E_BUSY;
	if (e == E_OK) {
		reply.highestmodseq = r.changes.highestmodseq;
		reply.uidnext = r.changes.uidnext;
		reply.recent_from = r.changes.recent_from;
		reply.reset = r.changes.reset;
		reply.keywords = convert_keywords(&r.changes.keywords, m->known_keywords, &c->mem,
						  &reply.n_keywords);
		e = mcall_reply(c, &reply.base, RPC_BODY);
	}
	if (e == E_OK)
		e = send_changes(c, m->mailbox, &r.changes);
	mbox_changes_fini(&r.changes);
	return e;
}

/* ---- changes of mailboxes ---- */

WAITS static enum err change(struct mcall *c, struct change *ch)
{
	enum err e = store_change(c->part, ch);

	/* An account that has never been used has no folders yet. */
	if (e == E_NOT_FOUND && mcall_account_there(c))
		e = store_change(c->part, ch);
	return e == E_OK ? E_OK : diag_set(&c->diag, e, "%s", ch->diag.text);
}

WAITS enum err m_mailbox_create(struct mcall *c)
{
	const Postern__MailboxCreate *m = (const void *)c->msg;
	Postern__MailboxCreateReply reply = POSTERN__MAILBOX_CREATE_REPLY__INIT;
	struct change_create ch;
	enum err e;

	if ((unsigned)m->special > STORE_SPECIAL_LAST)
		return diag_set(&c->diag, E_INVALID, "unknown special use");
	change_create_init(&ch);
	ch.account = c->account.id;
	ch.path = slice_str(m->path);
	ch.special = (enum store_special)m->special;
	e = change(c, &ch.change);
	reply.id = ch.mailbox;
	return e == E_OK ? mcall_reply(c, &reply.base, RPC_NO_BODY) : e;
}

WAITS enum err m_mailbox_delete(struct mcall *c)
{
	const Postern__MailboxDelete *m = (const void *)c->msg;
	struct change_delete ch;

	change_delete_init(&ch);
	ch.account = c->account.id;
	ch.path = slice_str(m->path);
	return change(c, &ch.change);
}

WAITS enum err m_mailbox_rename(struct mcall *c)
{
	const Postern__MailboxRename *m = (const void *)c->msg;
	struct change_rename ch;

	change_rename_init(&ch);
	ch.account = c->account.id;
	ch.from = slice_str(m->from);
	ch.to = slice_str(m->to);
	return change(c, &ch.change);
}

WAITS enum err m_mailbox_subscribe(struct mcall *c)
{
	const Postern__MailboxSubscribe *m = (const void *)c->msg;
	struct change_subscribe ch;

	change_subscribe_init(&ch);
	ch.account = c->account.id;
	ch.path = slice_str(m->path);
	ch.on = m->on;
	return change(c, &ch.change);
}
