/* Message.*: columns, flags, copies, expunges, searches. Message.Read is in m_read.c. */
#include "backend/rpc/convert.h"
#include "backend/rpc/rpc_methods.h"
#include "backend/store/change.h"
#include "backend/store/search.h"
#include "common/log/log.h"

/* Ranges of UIDs in one payload of 64 KiB. */
#define RANGES_IN_BATCH 4096

/* ---- Message.Fetch ---- */

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

struct keywords_read {
	struct partition *part;
	uint64_t account, mailbox;
	struct mbox_changes changes;
	enum err result;
};

static void read_keywords(void *arg)
{
	struct keywords_read *k = arg;

	k->result = mbox_changes(k->part, k->account, k->mailbox, UINT64_MAX >> 1, RECENT_LOOK,
				 &k->changes);
}

/* Names that the asker does not know yet, once a row has their bits. */
WAITS static enum err add_keyword_names(struct mcall *c, uint64_t mailbox, uint32_t known,
					const struct msg_slice *s, struct arena *mem,
					Postern__FetchBatch *b)
{
	struct keywords_read k = {.part = c->part, .account = c->account.id, .mailbox = mailbox};
	uint64_t bits = 0;
	enum err e;

	for (unsigned i = 0; i < s->n; i++)
		bits |= s->keywords[i];
	if (known >= STORE_KEYWORDS_MAX || (bits >> known) == 0)
		return E_OK;
	mbox_changes_init(&k.changes);
	e = mcall_read("message.keywords", read_keywords, &k);
	if (e == E_OK)
		e = k.result;
	if (e == E_OK)
		b->keyword_names =
			convert_keywords(&k.changes.keywords, known, mem, &b->n_keyword_names);
	mbox_changes_fini(&k.changes);
	return e;
}

/* All slices of the query as batches, without the end of the body. */
WAITS static enum err send_fetch(struct mcall *c, const struct msg_query *q, uint32_t known)
{
	struct fetch_read *f = xcalloc(1, sizeof *f);
	struct arena mem;
	enum err e = E_OK;

	f->part = c->part;
	f->query = *q;
	msg_slice_init(&f->slice);
	arena_init(&mem, rpc_link_budget(rpc_req_link(c->req)));
	for (f->next = q->nuids != 0 ? q->uids[0].first : 0; e == E_OK && f->next != 0;
	     f->next = f->slice.next_uid) {
		Postern__FetchBatch b;

		e = mcall_read("message.fetch", read_slice, f);
		if (e == E_OK)
			e = f->result;
		if (e == E_OK && !mcall_hold(c, msg_slice_memory(&f->slice)))
			e = E_BUSY;
		if (e != E_OK)
			break;
		convert_fetch_slice(&f->slice, q->columns, &mem, &b);
		if ((q->columns & MSG_FLAGS) != 0)
			e = add_keyword_names(c, q->mailbox, known, &f->slice, &mem, &b);
		known += (uint32_t)b.n_keyword_names;
		if (e == E_OK && f->slice.n != 0)
			e = mcall_send(c, &b.base, &mem);
		arena_reset(&mem);
	}
	msg_slice_fini(&f->slice);
	xfree(&f);
	return e;
}

#define COLUMNS_ALL 511u /* the bits of proto/message.proto */

WAITS enum err m_message_fetch(struct mcall *c)
{
	const Postern__MessageFetch *m = (const void *)c->msg;
	struct uid_range *uids;
	struct msg_query q = {
		.account = c->account.id,
		.mailbox = m->mailbox,
		.nuids = m->n_uids,
		.columns = m->columns & COLUMNS_ALL,
		.fields_mask = m->fields_mask,
		.changed_since = m->changed_since,
	};
	enum err e = convert_uids(m->uids, m->n_uids, &c->mem, &uids);

	if (e != E_OK)
		return e;
	q.uids = uids;
	e = mcall_reply(c, NULL, RPC_BODY);
	if (e == E_OK)
		e = send_fetch(c, &q, m->known_keywords);
	return e == E_OK ? rpc_req_send_end(c->req) : e;
}

/* ---- Message.Store ---- */

WAITS static enum err answer_store(struct mcall *c, const Postern__MessageStore *m,
				   const struct change_flags *ch)
{
	Postern__MessageStoreReply reply = POSTERN__MESSAGE_STORE_REPLY__INIT;
	struct msg_query q = {
		.account = c->account.id,
		.mailbox = m->mailbox,
		.uids = ch->uids,
		.nuids = ch->nuids,
		.columns = MSG_FLAGS,
	};
	enum err e;

	reply.modseq = ch->modseq;
	reply.modified = convert_ranges(ch->modified.v, ch->modified.n, &c->mem);
	reply.n_modified = ch->modified.n;
	e = mcall_reply(c, &reply.base, RPC_BODY);
	if (e == E_OK)
		e = send_fetch(c, &q, m->known_keywords);
	return e == E_OK ? rpc_req_send_end(c->req) : e;
}

WAITS enum err m_message_store(struct mcall *c)
{
	const Postern__MessageStore *m = (const void *)c->msg;
	struct uid_range *uids;
	struct change_flags ch;
	enum err e = convert_uids(m->uids, m->n_uids, &c->mem, &uids);

	if (e != E_OK || (unsigned)m->mode > FLAGS_REMOVE)
		return E_INVALID;
	change_flags_init(&ch);
	ch.account = c->account.id;
	ch.mailbox = m->mailbox;
	ch.uids = uids;
	ch.nuids = m->n_uids;
	ch.mode = (enum flags_mode)m->mode;
	ch.flags = m->flags & STORE_FLAGS_ALL;
	ch.keywords = convert_strings(m->keywords, m->n_keywords, &c->mem);
	ch.nkeywords = m->n_keywords;
	ch.unchanged_since = m->unchanged_since;
	e = store_change(c->part, &ch.change);
	if (e == E_OK)
		e = answer_store(c, m, &ch);
	else
		e = diag_set(&c->diag, e, "%s", ch.change.diag.text);
	change_flags_fini(&ch);
	return e;
}

/* ---- Message.Copy, Message.Expunge ---- */

WAITS static enum err answer_copy(struct mcall *c, const struct change_copy *ch)
{
	Postern__MessageCopyReply reply = POSTERN__MESSAGE_COPY_REPLY__INIT;

	reply.uidvalidity = ch->uidvalidity;
	reply.modseq = ch->modseq;
	/* It is done: an answer that would be too long says nothing of which messages rather than
	 * fail. What a move took away the asker learns from Changes. */
	if (ch->from.n + ch->dest.n <= RANGES_IN_BATCH) {
		reply.from = convert_ranges(ch->from.v, ch->from.n, &c->mem);
		reply.n_from = ch->from.n;
		reply.to = convert_ranges(ch->dest.v, ch->dest.n, &c->mem);
		reply.n_to = ch->dest.n;
	}
	return mcall_reply(c, &reply.base, RPC_NO_BODY);
}

WAITS enum err m_message_copy(struct mcall *c)
{
	const Postern__MessageCopy *m = (const void *)c->msg;
	char id[RPC_IDENTITY_STR];
	struct uid_range *uids;
	struct change_copy ch;
	enum err e = convert_uids(m->uids, m->n_uids, &c->mem, &uids);

	if (e != E_OK)
		return e;
	change_copy_init(&ch);
	e = convert_txid(&m->txid, ch.txid);
	ch.account = c->account.id;
	ch.mailbox = m->mailbox;
	ch.uids = uids;
	ch.nuids = m->n_uids;
	ch.to = slice_str(m->to);
	ch.move = m->move;
	ch.origin = slice_str(rpc_identity_str(c->peer, id));
	ch.quota_bytes = c->account.quota_bytes;
	ch.quota_messages = c->account.quota_messages;
	if (e == E_OK)
		e = store_change(c->part, &ch.change);
	if (e == E_OK)
		e = answer_copy(c, &ch);
	else
		e = diag_set(&c->diag, e, "%s", ch.change.diag.text);
	change_copy_fini(&ch);
	return e;
}

WAITS enum err m_message_expunge(struct mcall *c)
{
	const Postern__MessageExpunge *m = (const void *)c->msg;
	Postern__MessageExpungeReply reply = POSTERN__MESSAGE_EXPUNGE_REPLY__INIT;
	struct uid_range *uids;
	struct change_expunge ch;
	enum err e = convert_uids(m->uids, m->n_uids, &c->mem, &uids);

	if (e != E_OK)
		return e;
	change_expunge_init(&ch);
	ch.account = c->account.id;
	ch.mailbox = m->mailbox;
	ch.uids = uids;
	ch.nuids = m->n_uids;
	e = store_change(c->part, &ch.change);
	if (e == E_OK) {
		reply.modseq = ch.modseq;
		/* What does not fit the answer, the asker learns from Changes. */
		reply.n_vanished = MIN(ch.vanished.n, (size_t)RANGES_IN_BATCH);
		reply.vanished = convert_ranges(ch.vanished.v, reply.n_vanished, &c->mem);
		e = mcall_reply(c, &reply.base, RPC_NO_BODY);
	} else {
		e = diag_set(&c->diag, e, "%s", ch.change.diag.text);
	}
	change_expunge_fini(&ch);
	return e;
}

/* ---- Message.Search ---- */

struct search_run {
	struct search search;
	enum err result;
};

/* Slices are short; several in one job keep the hops few. */
#define SLICES_IN_JOB 10

static void run_search(void *arg)
{
	struct search_run *r = arg;

	r->result = E_OK;
	for (int i = 0; i < SLICES_IN_JOB && r->result == E_OK && r->search.next_uid != 0; i++)
		r->result = search_step(&r->search);
}

static enum err read_keys(struct mcall *c, const Postern__MessageSearch *m, struct search_key **out)
{
	struct search_key *keys = arena_alloc(&c->mem, m->n_keys * sizeof *keys);

	for (size_t i = 0; i < m->n_keys; i++) {
		const Postern__SearchKey *k = m->keys[i];
		struct uid_range *uids;

		if ((unsigned)k->op > SEARCH_OP_LAST ||
		    convert_uids(k->uids, k->n_uids, &c->mem, &uids) != E_OK)
			return E_INVALID;
		keys[i] = (struct search_key){
			.op = (enum search_op)k->op,
			.number = k->number,
			.date = k->date,
			.text = slice_str(k->text),
			.uids = uids,
			.nuids = k->n_uids,
		};
	}
	*out = keys;
	return E_OK;
}

enum search_list { SEARCH_FOUND, SEARCH_MAYBE };

WAITS static enum err send_list(struct mcall *c, const struct uidset *uids, enum search_list what)
{
	struct arena mem;
	enum err e = E_OK;

	arena_init(&mem, rpc_link_budget(rpc_req_link(c->req)));
	for (size_t i = 0; e == E_OK && i < uids->n; i += RANGES_IN_BATCH) {
		Postern__SearchBatch m = POSTERN__SEARCH_BATCH__INIT;
		size_t n = MIN(uids->n - i, (size_t)RANGES_IN_BATCH);
		Postern__UidRange **list = convert_ranges(uids->v + i, n, &mem);

		if (what == SEARCH_FOUND) {
			m.n_ranges = n;
			m.ranges = list;
		} else {
			m.n_maybe = n;
			m.maybe = list;
		}
		e = mcall_send(c, &m.base, &mem);
	}
	arena_reset(&mem);
	return e;
}

WAITS enum err m_message_search(struct mcall *c)
{
	const Postern__MessageSearch *m = (const void *)c->msg;
	Postern__MessageSearchReply reply = POSTERN__MESSAGE_SEARCH_REPLY__INIT;
	struct search_run r = {.result = E_OK};
	struct search_key *keys;
	enum err e = read_keys(c, m, &keys);

	if (e == E_OK)
		e = search_init(&r.search, c->part, c->account.id, m->mailbox, keys, m->n_keys);
	if (e != E_OK)
		return e;
	while (e == E_OK && r.search.next_uid != 0) {
		e = mcall_read("message.search", run_search, &r);
		if (e == E_OK)
			e = r.result;
		if (e == E_OK &&
		    !mcall_hold(c, uidset_memory(&r.search.found) + uidset_memory(&r.search.maybe)))
			e = E_BUSY;
	}
	if (e == E_OK)
		e = mcall_reply(c, &reply.base, RPC_BODY);
	if (e == E_OK)
		e = send_list(c, &r.search.found, SEARCH_FOUND);
	if (e == E_OK)
		e = send_list(c, &r.search.maybe, SEARCH_MAYBE);
	if (e == E_OK)
		e = rpc_req_send_end(c->req);
	search_fini(&r.search);
	return e;
}
