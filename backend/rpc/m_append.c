/* APPEND: a message by ticket into a mailbox named by path. */
#include "backend/rpc/begin.h"
#include "backend/rpc/convert.h"
#include "backend/rpc/rpc_methods.h"
#include "common/log/log.h"

struct lookup {
	struct partition *part;
	uint64_t account;
	slice_t path;
	struct mbox_row row;
	enum err result;
};

static void read_status(void *arg)
{
	struct lookup *l = arg;

	l->result = mbox_status(l->part, l->account, l->path, &l->row);
}

/* Early, before the bytes are sent: the commit looks again. */
WAITS static enum err check_mailbox(struct mcall *c)
{
	const Postern__AppendBegin *m = (const void *)c->msg;
	struct lookup l = {.part = c->part, .account = c->account.id, .path = slice_str(m->path)};
	enum err e = mcall_read("append.mailbox", read_status, &l);

	if (e == E_OK && l.result == E_NOT_FOUND && mcall_account_there(c))
		e = mcall_read("append.mailbox", read_status, &l);
	if (e != E_OK)
		return e;
	return l.result == E_OK && l.row.noselect ? E_NOT_FOUND : l.result;
}

WAITS enum err m_append_begin(struct mcall *c)
{
	const Postern__AppendBegin *m = (const void *)c->msg;

	return begin_message(c, &m->txid, c->account.partition, m->size, check_mailbox);
}

WAITS static enum err append(struct mcall *c, const Postern__AppendCommit *m, struct inbound *in,
			     const struct summary *summary, struct deliver_copy *copy)
{
	struct change_deliver change;
	char id[RPC_IDENTITY_STR];
	enum err e;

	*copy = (struct deliver_copy){
		.account = c->account.id,
		.path = slice_str(m->path),
		.missing = MISSING_FAILS,
		.key = slice(&c->account.id, sizeof c->account.id),
		.flags = m->flags & STORE_FLAGS_ALL,
		.keywords = convert_strings(m->keywords, m->n_keywords, &c->mem),
		.nkeywords = m->n_keywords,
		.quota_bytes = c->account.quota_bytes,
		.quota_messages = c->account.quota_messages,
	};
	change_deliver_init(&change);
	change.origin = slice_str(rpc_identity_str(c->peer, id));
	memcpy(change.txid, m->txid.data, sizeof change.txid);
	change.record = in != NULL ? in->stage : NULL;
	change.repeat_only = in == NULL;
	change.summary = summary;
	change.text = MCALL_SLICE(m->text);
	change.date_us = m->date_us;
	change.copies = copy;
	change.ncopies = 1;
	e = store_change(c->part, &change.change);
	if (e != E_OK)
		return diag_set(&c->diag, e, "%s", change.change.diag.text);
	return copy->result;
}

WAITS enum err m_append_commit(struct mcall *c)
{
	const Postern__AppendCommit *m = (const void *)c->msg;
	Postern__AppendReply reply = POSTERN__APPEND_REPLY__INIT;
	struct inbound *in = NULL;
	struct inbound_key key;
	struct deliver_copy copy;
	struct summary summary;
	enum err e = convert_summary(m->summary, &c->mem, &summary);

	if (e != E_OK || m->txid.len != STORE_TXID_SIZE)
		return diag_set(&c->diag, E_INVALID, "incomplete commit");
	key = inbound_key(c->peer, MCALL_SLICE(m->txid), c->account.partition);
	e = inbound_take(&c->be->deliver->inbounds, &key, rpc_req_deadline(c->req), &in);
	if (e != E_OK && e != E_NOT_FOUND)
		return e;
	e = append(c, m, in, &summary, &copy);
	if (in != NULL)
		inbound_release(&in, INBOUND_DROP);
	if (e != E_OK)
		return e;
	reply.uidvalidity = copy.uidvalidity;
	reply.uid = copy.uid;
	return mcall_reply(c, &reply.base, RPC_NO_BODY);
}

WAITS enum err m_append_abort(struct mcall *c)
{
	const Postern__AppendAbort *m = (const void *)c->msg;
	struct inbound_key key;

	if (m->txid.len != STORE_TXID_SIZE)
		return E_INVALID;
	key = inbound_key(c->peer, MCALL_SLICE(m->txid), c->account.partition);
	inbound_abort(&c->be->deliver->inbounds, &key);
	return E_OK;
}
