#include "frontend/rpc/call_mailbox.h"

#include "frontend/rpc/call_priv.h"
#include "proto/mailbox.pb-c.h"

static struct mailbox_row take_row(const Postern__MailboxRow *r)
{
	return (struct mailbox_row){
		.id = r->id,
		.path = slice_str(r->path),
		.special = r->special >= 0 && (unsigned)r->special <= SPECIAL_USE_ARCHIVE
				   ? (enum special_use)r->special
				   : SPECIAL_USE_NONE,
		.subscribed = r->subscribed,
		.noselect = r->noselect,
		.uidvalidity = r->uidvalidity,
		.uidnext = r->uidnext,
		.messages = r->messages,
		.unseen = r->unseen,
		.recent = r->recent,
		.highestmodseq = r->highestmodseq,
		.size = r->size,
	};
}

WAITS static enum err list_rows(struct rpc_call *call, mailbox_row_fn *fn, void *arg)
{
	struct arena a;
	enum err e = E_OK;

	arena_init(&a, NULL);
	while (e == E_OK) {
		ProtobufCMessage *m;

		arena_reset(&a);
		e = call_next(call, &postern__mailbox_batch__descriptor, &a, &m);
		for (size_t i = 0; e == E_OK && i < ((Postern__MailboxBatch *)m)->n_rows; i++) {
			struct mailbox_row row = take_row(((Postern__MailboxBatch *)m)->rows[i]);

			e = fn(arg, &row);
		}
	}
	arena_reset(&a);
	return e == E_CLOSED ? E_OK : e;
}

WAITS enum err call_mailbox_list(struct ticket *t, enum mailbox_list what, mailbox_row_fn *fn,
				 void *arg, struct diag *d)
{
	struct call_ticket copy;
	Postern__MailboxList req = POSTERN__MAILBOX_LIST__INIT;
	struct rpc_call *call;
	enum err e;

	e = call_begin(t, &copy, &req.ticket);
	req.with_status = what == MAILBOX_NAMES_AND_STATUS;
	if (e == E_OK)
		e = call_stream(t, POSTERN__METHOD__METHOD_MAILBOX_LIST, &req.base, NULL, NULL,
				NULL, &call, d);
	if (e != E_OK)
		return e;
	e = list_rows(call, fn, arg);
	rpc_call_free(&call);
	return e;
}

WAITS enum err call_mailbox_create(struct ticket *t, slice_t path, enum special_use special,
				   uint64_t *id_out, struct diag *d)
{
	struct call_ticket copy;
	Postern__MailboxCreate req = POSTERN__MAILBOX_CREATE__INIT;
	ProtobufCMessage *m;
	struct arena a;
	enum err e;

	arena_init(&a, NULL);
	e = call_begin(t, &copy, &req.ticket);
	req.path = arena_str(&a, path);
	req.special = (Postern__SpecialUse)special;
	if (e == E_OK)
		e = call_simple(t, POSTERN__METHOD__METHOD_MAILBOX_CREATE, &req.base,
				&postern__mailbox_create_reply__descriptor, &a, &m, d);
	if (e == E_OK)
		*id_out = ((Postern__MailboxCreateReply *)m)->id;
	arena_reset(&a);
	return e;
}

WAITS enum err call_mailbox_delete(struct ticket *t, slice_t path, struct diag *d)
{
	struct call_ticket copy;
	Postern__MailboxDelete req = POSTERN__MAILBOX_DELETE__INIT;
	struct arena a;
	enum err e;

	arena_init(&a, NULL);
	e = call_begin(t, &copy, &req.ticket);
	req.path = arena_str(&a, path);
	if (e == E_OK)
		e = call_simple(t, POSTERN__METHOD__METHOD_MAILBOX_DELETE, &req.base, NULL, NULL,
				NULL, d);
	arena_reset(&a);
	return e;
}

WAITS enum err call_mailbox_rename(struct ticket *t, slice_t from, slice_t to, struct diag *d)
{
	struct call_ticket copy;
	Postern__MailboxRename req = POSTERN__MAILBOX_RENAME__INIT;
	struct arena a;
	enum err e;

	arena_init(&a, NULL);
	e = call_begin(t, &copy, &req.ticket);
	req.from = arena_str(&a, from);
	req.to = arena_str(&a, to);
	if (e == E_OK)
		e = call_simple(t, POSTERN__METHOD__METHOD_MAILBOX_RENAME, &req.base, NULL, NULL,
				NULL, d);
	arena_reset(&a);
	return e;
}

WAITS enum err call_mailbox_subscribe(struct ticket *t, slice_t path, enum mailbox_subscribe how,
				      struct diag *d)
{
	struct call_ticket copy;
	Postern__MailboxSubscribe req = POSTERN__MAILBOX_SUBSCRIBE__INIT;
	struct arena a;
	enum err e;

	arena_init(&a, NULL);
	e = call_begin(t, &copy, &req.ticket);
	req.path = arena_str(&a, path);
	req.on = how == MAILBOX_SUBSCRIBE;
	if (e == E_OK)
		e = call_simple(t, POSTERN__METHOD__METHOD_MAILBOX_SUBSCRIBE, &req.base, NULL, NULL,
				NULL, d);
	arena_reset(&a);
	return e;
}

WAITS enum err call_mailbox_status(struct ticket *t, slice_t path, struct mailbox_row *out,
				   struct diag *d)
{
	struct call_ticket copy;
	Postern__MailboxStatus req = POSTERN__MAILBOX_STATUS__INIT;
	ProtobufCMessage *m;
	struct arena a;
	enum err e;

	arena_init(&a, NULL);
	e = call_begin(t, &copy, &req.ticket);
	req.path = arena_str(&a, path);
	if (e == E_OK)
		e = call_simple(t, POSTERN__METHOD__METHOD_MAILBOX_STATUS, &req.base,
				&postern__mailbox_status_reply__descriptor, &a, &m, d);
	if (e == E_OK && ((Postern__MailboxStatusReply *)m)->row == NULL)
		e = E_INTERNAL;
	if (e == E_OK) {
		*out = take_row(((Postern__MailboxStatusReply *)m)->row);
		out->path = SLICE_NONE;
	}
	arena_reset(&a);
	return e;
}

/* ---- open ---- */

WAITS static enum err open_uids(struct rpc_call *call, struct uid_set *uids)
{
	struct arena a;
	enum err e = E_OK;

	arena_init(&a, NULL);
	while (e == E_OK) {
		const struct uid_range *r;
		Postern__UidRanges *m;
		ProtobufCMessage *any;

		arena_reset(&a);
		e = call_next(call, &postern__uid_ranges__descriptor, &a, &any);
		if (e != E_OK)
			break;
		m = (Postern__UidRanges *)any;
		e = call_take_ranges(&a, m->ranges, m->n_ranges, CALL_ASCENDING, &r);
		for (size_t i = 0; e == E_OK && i < m->n_ranges; i++)
			e = uid_set_add(uids, r[i].first, r[i].last);
	}
	arena_reset(&a);
	return e == E_CLOSED ? E_OK : e;
}

WAITS enum err call_mailbox_open(struct ticket *t, slice_t path, enum mailbox_mode mode,
				 struct arena *a, struct mailbox_info *out, struct uid_set *uids,
				 struct diag *d)
{
	struct call_ticket copy;
	Postern__MailboxOpen req = POSTERN__MAILBOX_OPEN__INIT;
	const Postern__MailboxOpenReply *r;
	struct rpc_call *call;
	ProtobufCMessage *m;
	enum err e;

	e = call_begin(t, &copy, &req.ticket);
	req.path = arena_str(a, path);
	req.mode = mode == MAILBOX_READ_ONLY ? POSTERN__OPEN_MODE__OPEN_READ_ONLY
					     : POSTERN__OPEN_MODE__OPEN_READ_WRITE;
	if (e == E_OK)
		e = call_stream(t, POSTERN__METHOD__METHOD_MAILBOX_OPEN, &req.base,
				&postern__mailbox_open_reply__descriptor, a, &m, &call, d);
	if (e != E_OK)
		return e;
	r = (const Postern__MailboxOpenReply *)m;
	*out = (struct mailbox_info){
		.id = r->id,
		.uidvalidity = r->uidvalidity,
		.uidnext = r->uidnext,
		.highestmodseq = r->highestmodseq,
		.messages = r->messages,
		.first_unseen = r->first_unseen,
		.recent_from = r->recent_from,
		.keywords = call_take_strings(a, r->keywords, r->n_keywords),
		.nkeywords = r->n_keywords,
	};
	uid_set_reset(uids);
	e = open_uids(call, uids);
	rpc_call_free(&call);
	return e;
}

/* ---- changes ---- */

struct mailbox_changes {
	struct rpc_call *call;
	struct arena reply; /* of the answer */
	struct arena batch; /* of the batch given out last */
};

WAITS enum err call_mailbox_changes(struct ticket *t, uint64_t mailbox, uint64_t since,
				    uint32_t known_keywords, enum mailbox_recent recent,
				    struct mailbox_changes **out, struct changes_info *info,
				    struct diag *d)
{
	struct call_ticket copy;
	Postern__MailboxChanges req = POSTERN__MAILBOX_CHANGES__INIT;
	struct mailbox_changes *c = xcalloc(1, sizeof *c);
	const Postern__MailboxChangesReply *r;
	ProtobufCMessage *m;
	enum err e;

	arena_init(&c->reply, NULL);
	arena_init(&c->batch, NULL);
	*out = c;
	e = call_begin(t, &copy, &req.ticket);
	req.mailbox = mailbox;
	req.since = since;
	req.known_keywords = known_keywords;
	req.take_recent = recent == MAILBOX_TAKE_RECENT;
	if (e == E_OK)
		e = call_stream(t, POSTERN__METHOD__METHOD_MAILBOX_CHANGES, &req.base,
				&postern__mailbox_changes_reply__descriptor, &c->reply, &m,
				&c->call, d);
	if (e != E_OK) {
		mailbox_changes_free(out);
		return e;
	}
	r = (const Postern__MailboxChangesReply *)m;
	*info = (struct changes_info){
		.highestmodseq = r->highestmodseq,
		.uidnext = r->uidnext,
		.recent_from = r->recent_from,
		.reset = r->reset,
		.keywords = call_take_strings(&c->reply, r->keywords, r->n_keywords),
		.nkeywords = r->n_keywords,
	};
	return E_OK;
}

WAITS enum err mailbox_changes_next(struct mailbox_changes *c, struct change_batch *out)
{
	const Postern__ChangeBatch *b;
	ProtobufCMessage *m;
	enum err e;

	arena_reset(&c->batch);
	e = call_next(c->call, &postern__change_batch__descriptor, &c->batch, &m);
	if (e != E_OK)
		return e;
	b = (const Postern__ChangeBatch *)m;
	if (b->n_flags != b->n_uid || b->n_keywords != b->n_uid || b->n_modseq != b->n_uid)
		return E_INTERNAL;
	*out = (struct change_batch){
		.nadded = b->n_added,
		.nvanished = b->n_vanished,
		.n = b->n_uid,
		.uid = b->uid,
		.flags = b->flags,
		.keywords = b->keywords,
		.modseq = b->modseq,
	};
	e = call_take_ranges(&c->batch, b->added, b->n_added, CALL_ASCENDING, &out->added);
	if (e == E_OK)
		e = call_take_ranges(&c->batch, b->vanished, b->n_vanished, CALL_ANY_ORDER,
				     &out->vanished);
	return e;
}

void mailbox_changes_free(struct mailbox_changes **c)
{
	if (*c == NULL)
		return;
	if ((*c)->call != NULL)
		rpc_call_free(&(*c)->call);
	arena_reset(&(*c)->reply);
	arena_reset(&(*c)->batch);
	xfree(c);
}

/* ---- watch ---- */

struct mailbox_watch {
	struct rpc_call *call;
	bool answered;
};

WAITS enum err call_mailbox_watch(struct ticket *t, uint64_t mailbox, uint64_t since,
				  struct mailbox_watch **out)
{
	Postern__MailboxWatch req = POSTERN__MAILBOX_WATCH__INIT;
	struct call_ticket copy;
	struct rpc_call *call;
	enum err e = call_begin(t, &copy, &req.ticket);

	*out = NULL;
	if (e != E_OK)
		return e;
	req.mailbox = mailbox;
	req.since = since;
	e = rpc_client_open(rpc_client_partition(t->partition),
			    POSTERN__METHOD__METHOD_MAILBOX_WATCH, &req.base, RPC_NO_BODY,
			    deadline_in(CALL_STREAM_MS), &call);
	if (e != E_OK)
		return e;
	*out = xcalloc(1, sizeof **out);
	(*out)->call = call;
	return E_OK;
}

WAITS enum err mailbox_watch_poll(struct mailbox_watch *w, uint64_t *modseq_out)
{
	struct arena a;
	enum err e = E_OK;

	arena_init(&a, NULL);
	while (e == E_OK && rpc_call_readable(w->call)) {
		ProtobufCMessage *m;

		if (!w->answered) {
			/* Something came, so the answer has: this does not wait. */
			w->answered = true;
			e = rpc_call_response(w->call, NULL);
			continue;
		}
		e = call_next(w->call, &postern__nudge__descriptor, &a, &m);
		if (e != E_OK)
			break;
		*modseq_out = MAX(*modseq_out, ((Postern__Nudge *)m)->highestmodseq);
		if (((Postern__Nudge *)m)->gone)
			e = E_NOT_FOUND;
		arena_reset(&a);
	}
	arena_reset(&a);
	return e;
}

void mailbox_watch_notify(struct mailbox_watch *w, struct event *e)
{
	rpc_call_notify(w->call, e);
	if (e != NULL && rpc_call_readable(w->call))
		event_set(e);
}

void mailbox_watch_free(struct mailbox_watch **w)
{
	if (*w == NULL)
		return;
	rpc_call_free(&(*w)->call);
	xfree(w);
}
