/* Ops as bytes. The only file of the store that sees protobuf. */
#include "backend/store/op.h"
#include "proto/op.pb-c.h"

typedef Postern__Op Pb;

static ProtobufCBinaryData pb_bytes(slice_t s)
{
	union {
		const char *in;
		uint8_t *out;
	} p = {.in = s.p};

	return (ProtobufCBinaryData){s.n, p.out};
}

static slice_t pb_slice(const ProtobufCBinaryData *b)
{
	return slice(b->data, b->len);
}

/* protobuf-c wants C strings: a column with a NUL in it would be cut, so it goes without. */
static char *pb_str(struct arena *a, slice_t s)
{
	return arena_str(a, s);
}

static bool pb_id(void *to, size_t n, const ProtobufCBinaryData *b)
{
	if (b->len != n)
		return false;
	memcpy(to, b->data, n);
	return true;
}

/* ---- dedupe ---- */

static Postern__OpDedupe *dedupe_pack(struct arena *a, const struct op_dedupe *d)
{
	Postern__OpDedupe *m;

	if (!d->on)
		return NULL;
	m = arena_new(a, Postern__OpDedupe);
	postern__op_dedupe__init(m);
	m->period = d->period;
	m->txid = pb_bytes(slice(d->txid, sizeof(d->txid)));
	m->origin = d->origin;
	m->key = d->key;
	return m;
}

static bool dedupe_unpack(const Postern__OpDedupe *m, struct op_dedupe *d)
{
	d->on = m != NULL;
	if (m == NULL)
		return true;
	d->period = m->period;
	d->origin = m->origin;
	d->key = m->key;
	return pb_id(d->txid, sizeof(d->txid), &m->txid);
}

/* ---- the summary ---- */

static void summary_parts_pack(struct arena *a, const struct summary *s, Postern__Summary *m)
{
	m->n_parts = s->nparts;
	m->parts = arena_alloc(a, s->nparts * sizeof(*m->parts));
	for (size_t i = 0; i < s->nparts; i++) {
		const struct summary_part *p = &s->parts[i];
		Postern__Part *out = m->parts[i] = arena_new(a, Postern__Part);

		postern__part__init(out);
		out->parent = p->parent;
		out->kind = (Postern__PartKind)p->kind;
		out->header_off = p->header_off;
		out->body_off = p->body_off;
		out->body_end = p->body_end;
		out->lines = p->lines;
		out->encoding = p->encoding;
	}
}

static Postern__Summary *summary_pack(struct arena *a, const struct summary *s)
{
	Postern__Summary *m = arena_new(a, Postern__Summary);

	postern__summary__init(m);
	m->parser_version = s->parser_version;
	m->size = s->size;
	m->header_size = s->header_size;
	m->lines = s->lines;
	m->envelope = pb_bytes(s->envelope);
	m->bodystructure = pb_bytes(s->bodystructure);
	summary_parts_pack(a, s, m);
	m->n_fields = s->nfields;
	m->fields = arena_alloc(a, s->nfields * sizeof(*m->fields));
	for (size_t i = 0; i < s->nfields; i++) {
		m->fields[i] = arena_new(a, Postern__HeaderField);
		postern__header_field__init(m->fields[i]);
		m->fields[i]->id = s->fields[i].id;
		m->fields[i]->raw = pb_bytes(s->fields[i].raw);
	}
	m->fields_complete = s->fields_complete;
	m->sent_us = s->sent_us;
	m->sent_zone_min = s->sent_zone_min;
	m->subject = pb_str(a, s->subject);
	m->base_subject = pb_str(a, s->base_subject);
	m->from = pb_str(a, s->from);
	m->to = pb_str(a, s->to);
	m->cc = pb_str(a, s->cc);
	m->bcc = pb_str(a, s->bcc);
	m->message_id = pb_bytes(s->message_id);
	m->n_references = s->nreferences;
	m->references = arena_alloc(a, s->nreferences * sizeof(*m->references));
	for (size_t i = 0; i < s->nreferences; i++)
		m->references[i] = pb_bytes(s->references[i]);
	return m;
}

static void summary_lists_unpack(struct arena *a, const Postern__Summary *m, struct summary *s)
{
	struct summary_part *parts = arena_alloc(a, (m->n_parts + 1) * sizeof(*parts));
	struct summary_field *fields = arena_alloc(a, (m->n_fields + 1) * sizeof(*fields));
	slice_t *refs = arena_alloc(a, (m->n_references + 1) * sizeof(*refs));

	for (size_t i = 0; i < m->n_parts; i++) {
		const Postern__Part *p = m->parts[i];

		parts[i] =
			(struct summary_part){p->parent,     p->kind,     p->lines,   p->encoding,
					      p->header_off, p->body_off, p->body_end};
	}
	for (size_t i = 0; i < m->n_fields; i++)
		fields[i] = (struct summary_field){m->fields[i]->id, pb_slice(&m->fields[i]->raw)};
	for (size_t i = 0; i < m->n_references; i++)
		refs[i] = pb_slice(&m->references[i]);
	s->parts = parts;
	s->nparts = m->n_parts;
	s->fields = fields;
	s->nfields = m->n_fields;
	s->references = refs;
	s->nreferences = m->n_references;
}

static const struct summary *summary_unpack(struct arena *a, const Postern__Summary *m)
{
	struct summary *s = arena_new(a, struct summary);

	s->parser_version = m->parser_version;
	s->size = m->size;
	s->header_size = m->header_size;
	s->lines = m->lines;
	s->envelope = pb_slice(&m->envelope);
	s->bodystructure = pb_slice(&m->bodystructure);
	summary_lists_unpack(a, m, s);
	s->fields_complete = m->fields_complete;
	s->sent_us = m->sent_us;
	s->sent_zone_min = m->sent_zone_min;
	s->subject = slice_str(m->subject);
	s->base_subject = slice_str(m->base_subject);
	s->from = slice_str(m->from);
	s->to = slice_str(m->to);
	s->cc = slice_str(m->cc);
	s->bcc = slice_str(m->bcc);
	s->message_id = pb_slice(&m->message_id);
	return s;
}

/* ---- one function a message, both ways ---- */

#define PB_NEW(a, Type, init, field) \
	Postern__##Type *m = arena_new((a), Postern__##Type); \
	init(m); \
	pb->field = m

static void account_pack(struct arena *a, const struct op *op, Pb *pb)
{
	PB_NEW(a, OpAccount, postern__op_account__init, account);
	m->account = op->u.account.account;
	m->uidvalidity = op->u.account.uidvalidity;
}

static bool account_unpack(struct arena *a UNUSED, const Pb *pb, struct op *op)
{
	op->u.account = (struct op_account){pb->account->account, pb->account->uidvalidity};
	return true;
}

static void remove_pack(struct arena *a, const struct op *op, Pb *pb)
{
	PB_NEW(a, OpAccountRemove, postern__op_account_remove__init, account_remove);
	m->account = op->u.account.account;
}

static bool remove_unpack(struct arena *a UNUSED, const Pb *pb, struct op *op)
{
	op->u.account = (struct op_account){pb->account_remove->account, 0};
	return true;
}

static void gone_pack(struct arena *a, const struct op *op, Pb *pb)
{
	PB_NEW(a, OpAccountGone, postern__op_account_gone__init, account_gone);
	m->account = op->u.account.account;
}

static bool gone_unpack(struct arena *a UNUSED, const Pb *pb, struct op *op)
{
	op->u.account = (struct op_account){pb->account_gone->account, 0};
	return true;
}

static void record_pack(struct arena *a, const struct op *op, Pb *pb)
{
	const struct op_record *r = &op->u.record;
	PB_NEW(a, OpRecord, postern__op_record__init, record);
	m->no = r->no;
	m->id = pb_bytes(slice(r->id, sizeof(r->id)));
	m->compression = r->compression;
	m->seal = r->seal;
	m->plain_size = r->plain_size;
	m->stored_size = r->stored_size;
	m->table = pb_bytes(r->table);
	m->summary = summary_pack(a, r->summary);
	m->text = pb_bytes(r->text);
}

static bool record_unpack(struct arena *a, const Pb *pb, struct op *op)
{
	const Postern__OpRecord *m = pb->record;
	struct op_record *r = &op->u.record;

	if (m->summary == NULL || m->compression > RECORD_COMP_ZSTD ||
	    m->seal > RECORD_SEAL_CHACHA20)
		return false;
	r->no = m->no;
	r->compression = m->compression;
	r->seal = m->seal;
	r->plain_size = m->plain_size;
	r->stored_size = m->stored_size;
	r->table = pb_slice(&m->table);
	r->summary = summary_unpack(a, m->summary);
	r->text = pb_slice(&m->text);
	return summary_check(r->summary, r->plain_size, NULL) == E_OK &&
	       r->table.n % RECORD_ENTRY_SIZE == 0 && r->text.n <= STORE_TEXT_MAX &&
	       pb_id(r->id, sizeof(r->id), &m->id);
}

static void add_pack(struct arena *a, const struct op *op, Pb *pb)
{
	const struct op_add *o = &op->u.add;
	PB_NEW(a, OpAdd, postern__op_add__init, add);
	m->account = o->account;
	m->mailbox = o->mailbox;
	m->uid = o->uid;
	m->modseq = o->modseq;
	m->email = o->email;
	m->thread = o->thread;
	m->record = o->record;
	m->prefix = pb_bytes(o->prefix);
	m->flags = o->flags;
	m->keywords = o->keywords;
	m->new_names = pb_bytes(o->new_names);
	m->date_us = o->date_us;
	m->size = o->size;
	m->n_hashes = o->nhashes;
	m->hashes = arena_alloc(a, sizeof(o->hashes));
	memcpy(m->hashes, o->hashes, sizeof(o->hashes));
	m->dedupe = dedupe_pack(a, &o->dedupe);
	m->uidvalidity = o->uidvalidity;
	m->trace_id = pb_bytes(o->trace_id);
}

static bool add_unpack(struct arena *a UNUSED, const Pb *pb, struct op *op)
{
	const Postern__OpAdd *m = pb->add;
	struct op_add *o = &op->u.add;

	if (m->n_hashes > EMAIL_HASHES_MAX || m->prefix.len > STORE_PREFIX_MAX || m->uid == 0)
		return false;
	*o = (struct op_add){
		.account = m->account,
		.mailbox = m->mailbox,
		.uid = m->uid,
		.modseq = m->modseq,
		.email = m->email,
		.thread = m->thread,
		.record = m->record,
		.prefix = pb_slice(&m->prefix),
		.flags = m->flags,
		.keywords = m->keywords,
		.new_names = pb_slice(&m->new_names),
		.date_us = m->date_us,
		.size = m->size,
		.nhashes = (uint32_t)m->n_hashes,
		.uidvalidity = m->uidvalidity,
		.trace_id = pb_slice(&m->trace_id),
	};
	for (size_t i = 0; i < m->n_hashes; i++)
		o->hashes[i] = m->hashes[i];
	return dedupe_unpack(m->dedupe, &o->dedupe);
}

static void flags_pack(struct arena *a, const struct op *op, Pb *pb)
{
	const struct op_flags *o = &op->u.flags;
	PB_NEW(a, OpFlags, postern__op_flags__init, flags);
	m->account = o->account;
	m->mailbox = o->mailbox;
	m->uids = pb_bytes(o->uids);
	m->mode = o->mode;
	m->flags = o->flags;
	m->keywords = o->keywords;
	m->new_names = pb_bytes(o->new_names);
	m->modseq = o->modseq;
}

static bool flags_unpack(struct arena *a UNUSED, const Pb *pb, struct op *op)
{
	const Postern__OpFlags *m = pb->flags;

	op->u.flags =
		(struct op_flags){m->account, m->mailbox,  pb_slice(&m->uids),      m->mode,
				  m->flags,   m->keywords, pb_slice(&m->new_names), m->modseq};
	return true;
}

static void copy_pack(struct arena *a, const struct op *op, Pb *pb)
{
	const struct op_copy *o = &op->u.copy;
	PB_NEW(a, OpCopy, postern__op_copy__init, copy);
	m->account = o->account;
	m->from = o->from;
	m->to = o->to;
	m->uids = pb_bytes(o->uids);
	m->first_uid = o->first_uid;
	m->modseq = o->modseq;
	m->move = o->move;
	m->keyword_map = pb_bytes(slice(o->keyword_map, sizeof(o->keyword_map)));
	m->new_names = pb_bytes(o->new_names);
	m->dedupe = dedupe_pack(a, &o->dedupe);
}

static bool copy_unpack(struct arena *a UNUSED, const Pb *pb, struct op *op)
{
	const Postern__OpCopy *m = pb->copy;
	struct op_copy *o = &op->u.copy;

	*o = (struct op_copy){.account = m->account,
			      .from = m->from,
			      .to = m->to,
			      .uids = pb_slice(&m->uids),
			      .first_uid = m->first_uid,
			      .modseq = m->modseq,
			      .move = m->move,
			      .new_names = pb_slice(&m->new_names)};
	return pb_id(o->keyword_map, sizeof(o->keyword_map), &m->keyword_map) &&
	       dedupe_unpack(m->dedupe, &o->dedupe);
}

static void expunge_pack(struct arena *a, const struct op *op, Pb *pb)
{
	PB_NEW(a, OpExpunge, postern__op_expunge__init, expunge);
	m->account = op->u.expunge.account;
	m->mailbox = op->u.expunge.mailbox;
	m->uids = pb_bytes(op->u.expunge.uids);
	m->modseq = op->u.expunge.modseq;
}

static bool expunge_unpack(struct arena *a UNUSED, const Pb *pb, struct op *op)
{
	const Postern__OpExpunge *m = pb->expunge;

	op->u.expunge = (struct op_expunge){m->account, m->mailbox, pb_slice(&m->uids), m->modseq};
	return true;
}

static void create_pack(struct arena *a, const struct op *op, Pb *pb)
{
	const struct op_mailbox *o = &op->u.mailbox;
	PB_NEW(a, OpMailboxCreate, postern__op_mailbox_create__init, mailbox_create);
	m->account = o->account;
	m->mailbox = o->mailbox;
	m->parent = o->parent;
	m->name = pb_bytes(o->name);
	m->special = o->special;
	m->uidvalidity = o->uidvalidity;
	m->subscribed = o->subscribed;
	m->modseq = o->modseq;
}

static bool create_unpack(struct arena *a UNUSED, const Pb *pb, struct op *op)
{
	const Postern__OpMailboxCreate *m = pb->mailbox_create;

	if (m->special > STORE_SPECIAL_LAST)
		return false;
	op->u.mailbox = (struct op_mailbox){.account = m->account,
					    .mailbox = m->mailbox,
					    .parent = m->parent,
					    .name = pb_slice(&m->name),
					    .special = m->special,
					    .uidvalidity = m->uidvalidity,
					    .subscribed = m->subscribed,
					    .modseq = m->modseq};
	return m->name.len > 0 && m->name.len <= STORE_NAME_MAX;
}

static void delete_pack(struct arena *a, const struct op *op, Pb *pb)
{
	PB_NEW(a, OpMailboxDelete, postern__op_mailbox_delete__init, mailbox_delete);
	m->account = op->u.mailbox.account;
	m->mailbox = op->u.mailbox.mailbox;
	m->keep = op->u.mailbox.keep;
	m->modseq = op->u.mailbox.modseq;
}

static bool delete_unpack(struct arena *a UNUSED, const Pb *pb, struct op *op)
{
	const Postern__OpMailboxDelete *m = pb->mailbox_delete;

	op->u.mailbox = (struct op_mailbox){
		.account = m->account, .mailbox = m->mailbox, .keep = m->keep, .modseq = m->modseq};
	return true;
}

static void rename_pack(struct arena *a, const struct op *op, Pb *pb)
{
	const struct op_mailbox *o = &op->u.mailbox;
	PB_NEW(a, OpMailboxRename, postern__op_mailbox_rename__init, mailbox_rename);
	m->account = o->account;
	m->mailbox = o->mailbox;
	m->parent = o->parent;
	m->name = pb_bytes(o->name);
	m->subscribed = o->subscribed;
	m->modseq = o->modseq;
}

static bool rename_unpack(struct arena *a UNUSED, const Pb *pb, struct op *op)
{
	const Postern__OpMailboxRename *m = pb->mailbox_rename;

	op->u.mailbox = (struct op_mailbox){.account = m->account,
					    .mailbox = m->mailbox,
					    .parent = m->parent,
					    .name = pb_slice(&m->name),
					    .subscribed = m->subscribed,
					    .modseq = m->modseq};
	return m->name.len > 0 && m->name.len <= STORE_NAME_MAX;
}

static void subscribe_pack(struct arena *a, const struct op *op, Pb *pb)
{
	PB_NEW(a, OpSubscribe, postern__op_subscribe__init, subscribe);
	m->account = op->u.subscribe.account;
	m->mailbox = op->u.subscribe.mailbox;
	m->path = pb_bytes(op->u.subscribe.path);
	m->on = op->u.subscribe.on;
}

static bool subscribe_unpack(struct arena *a UNUSED, const Pb *pb, struct op *op)
{
	const Postern__OpSubscribe *m = pb->subscribe;

	op->u.subscribe = (struct op_subscribe){m->account, m->mailbox, pb_slice(&m->path), m->on};
	return m->path.len <= STORE_PATH_MAX;
}

static void recent_pack(struct arena *a, const struct op *op, Pb *pb)
{
	PB_NEW(a, OpRecent, postern__op_recent__init, recent);
	m->account = op->u.recent.account;
	m->mailbox = op->u.recent.mailbox;
	m->uid = op->u.recent.uid;
}

static bool recent_unpack(struct arena *a UNUSED, const Pb *pb, struct op *op)
{
	op->u.recent =
		(struct op_recent){pb->recent->account, pb->recent->mailbox, pb->recent->uid};
	return true;
}

static void item_add_pack(struct arena *a, const struct op *op, Pb *pb)
{
	PB_NEW(a, OpItemAdd, postern__op_item_add__init, item_add);
	m->id = op->u.item.id;
	m->record = op->u.item.record;
	m->payload = pb_bytes(op->u.item.payload);
	m->due_us = op->u.item.due_us;
	m->dedupe = dedupe_pack(a, &op->u.item.dedupe);
}

static bool item_add_unpack(struct arena *a UNUSED, const Pb *pb, struct op *op)
{
	const Postern__OpItemAdd *m = pb->item_add;

	op->u.item = (struct op_item){.id = m->id,
				      .record = m->record,
				      .payload = pb_slice(&m->payload),
				      .due_us = m->due_us};
	return dedupe_unpack(m->dedupe, &op->u.item.dedupe);
}

static void item_remove_pack(struct arena *a, const struct op *op, Pb *pb)
{
	PB_NEW(a, OpItemRemove, postern__op_item_remove__init, item_remove);
	m->id = op->u.item.id;
}

static bool item_remove_unpack(struct arena *a UNUSED, const Pb *pb, struct op *op)
{
	op->u.item.id = pb->item_remove->id;
	return true;
}

static void item_move_pack(struct arena *a, const struct op *op, Pb *pb)
{
	PB_NEW(a, OpItemMove, postern__op_item_move__init, item_move);
	m->id = op->u.item.id;
	m->due_us = op->u.item.due_us;
	m->payload = pb_bytes(op->u.item.payload);
}

static bool item_move_unpack(struct arena *a UNUSED, const Pb *pb, struct op *op)
{
	const Postern__OpItemMove *m = pb->item_move;

	op->u.item.id = m->id;
	op->u.item.due_us = m->due_us;
	op->u.item.payload = pb_slice(&m->payload);
	return true;
}

static void purge_pack(struct arena *a, const struct op *op, Pb *pb)
{
	PB_NEW(a, OpPurge, postern__op_purge__init, purge);
	m->account = op->u.trim.account;
	m->mailbox = op->u.trim.mailbox;
	m->max = op->u.trim.max;
}

static bool purge_unpack(struct arena *a UNUSED, const Pb *pb, struct op *op)
{
	op->u.trim = (struct op_trim){.account = pb->purge->account,
				      .mailbox = pb->purge->mailbox,
				      .max = pb->purge->max};
	return true;
}

static void reap_pack(struct arena *a, const struct op *op, Pb *pb)
{
	PB_NEW(a, OpReap, postern__op_reap__init, reap);
	m->before_us = op->u.trim.before_us;
	m->max = op->u.trim.max;
}

static bool reap_unpack(struct arena *a UNUSED, const Pb *pb, struct op *op)
{
	op->u.trim = (struct op_trim){.before_us = pb->reap->before_us, .max = pb->reap->max};
	return true;
}

static void log_trim_pack(struct arena *a, const struct op *op, Pb *pb)
{
	PB_NEW(a, OpLogTrim, postern__op_log_trim__init, log_trim);
	m->account = op->u.trim.account;
	m->upto = op->u.trim.upto;
	m->max = op->u.trim.max;
}

static bool log_trim_unpack(struct arena *a UNUSED, const Pb *pb, struct op *op)
{
	op->u.trim = (struct op_trim){.account = pb->log_trim->account,
				      .upto = pb->log_trim->upto,
				      .max = pb->log_trim->max};
	return true;
}

static void dedupe_trim_pack(struct arena *a, const struct op *op, Pb *pb)
{
	PB_NEW(a, OpDedupeTrim, postern__op_dedupe_trim__init, dedupe_trim);
	m->period = op->u.trim.period;
	m->max = op->u.trim.max;
}

static bool dedupe_trim_unpack(struct arena *a UNUSED, const Pb *pb, struct op *op)
{
	op->u.trim =
		(struct op_trim){.period = pb->dedupe_trim->period, .max = pb->dedupe_trim->max};
	return true;
}

static const struct {
	Postern__Op__BodyCase body;
	void (*pack)(struct arena *a, const struct op *op, Pb *pb);
	bool (*unpack)(struct arena *a, const Pb *pb, struct op *op);
} codecs[OP_KINDS] = {
	[OP_ACCOUNT] = {POSTERN__OP__BODY_ACCOUNT, account_pack, account_unpack},
	[OP_ACCOUNT_REMOVE] = {POSTERN__OP__BODY_ACCOUNT_REMOVE, remove_pack, remove_unpack},
	[OP_ACCOUNT_GONE] = {POSTERN__OP__BODY_ACCOUNT_GONE, gone_pack, gone_unpack},
	[OP_RECORD] = {POSTERN__OP__BODY_RECORD, record_pack, record_unpack},
	[OP_ADD] = {POSTERN__OP__BODY_ADD, add_pack, add_unpack},
	[OP_FLAGS] = {POSTERN__OP__BODY_FLAGS, flags_pack, flags_unpack},
	[OP_COPY] = {POSTERN__OP__BODY_COPY, copy_pack, copy_unpack},
	[OP_EXPUNGE] = {POSTERN__OP__BODY_EXPUNGE, expunge_pack, expunge_unpack},
	[OP_MAILBOX_CREATE] = {POSTERN__OP__BODY_MAILBOX_CREATE, create_pack, create_unpack},
	[OP_MAILBOX_DELETE] = {POSTERN__OP__BODY_MAILBOX_DELETE, delete_pack, delete_unpack},
	[OP_MAILBOX_RENAME] = {POSTERN__OP__BODY_MAILBOX_RENAME, rename_pack, rename_unpack},
	[OP_SUBSCRIBE] = {POSTERN__OP__BODY_SUBSCRIBE, subscribe_pack, subscribe_unpack},
	[OP_RECENT] = {POSTERN__OP__BODY_RECENT, recent_pack, recent_unpack},
	[OP_ITEM_ADD] = {POSTERN__OP__BODY_ITEM_ADD, item_add_pack, item_add_unpack},
	[OP_ITEM_REMOVE] = {POSTERN__OP__BODY_ITEM_REMOVE, item_remove_pack, item_remove_unpack},
	[OP_ITEM_MOVE] = {POSTERN__OP__BODY_ITEM_MOVE, item_move_pack, item_move_unpack},
	[OP_PURGE] = {POSTERN__OP__BODY_PURGE, purge_pack, purge_unpack},
	[OP_REAP] = {POSTERN__OP__BODY_REAP, reap_pack, reap_unpack},
	[OP_LOG_TRIM] = {POSTERN__OP__BODY_LOG_TRIM, log_trim_pack, log_trim_unpack},
	[OP_DEDUPE_TRIM] = {POSTERN__OP__BODY_DEDUPE_TRIM, dedupe_trim_pack, dedupe_trim_unpack},
};

void op_pack(const struct op *op, struct buf *out)
{
	struct arena arena;
	Postern__Op pb = POSTERN__OP__INIT;
	size_t n;
	char *room;

	arena_init(&arena, NULL);
	pb.level = op->level;
	pb.seq = op->seq;
	pb.time_us = op->time_us;
	codecs[op->kind].pack(&arena, op, &pb);
	pb.body_case = codecs[op->kind].body;
	n = postern__op__get_packed_size(&pb);
	room = buf_reserve(out, n);
	if (room != NULL)
		buf_commit(out, postern__op__pack(&pb, (uint8_t *)room));
	arena_reset(&arena);
}

static void *unpack_alloc(void *arena, size_t n)
{
	return arena_alloc(arena, n);
}

static void unpack_free(void *arena UNUSED, void *p UNUSED)
{
}

enum err op_unpack(slice_t in, struct arena *arena, struct op *out)
{
	ProtobufCAllocator alloc = {unpack_alloc, unpack_free, arena};
	Postern__Op *pb = postern__op__unpack(&alloc, in.n, (const uint8_t *)in.p);

	memset(out, 0, sizeof(*out));
	if (pb == NULL || pb->level > STORE_LEVEL)
		return E_INVALID;
	out->level = pb->level;
	out->seq = pb->seq;
	out->time_us = pb->time_us;
	for (unsigned i = 0; i < OP_KINDS; i++) {
		if (codecs[i].body == pb->body_case &&
		    pb->body_case != POSTERN__OP__BODY__NOT_SET) {
			out->kind = (enum op_kind)i;
			return codecs[i].unpack(arena, pb, out) ? E_OK : E_INVALID;
		}
	}
	return E_INVALID;
}
