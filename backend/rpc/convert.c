#include "backend/rpc/convert.h"

#include "proto/mail_bits.h"

#define SAME(bit) \
	_Static_assert((unsigned)(bit) == (unsigned)POSTERN__CONTENT__##bit, "as in the .proto")
SAME(CONTENT_8BIT);
SAME(CONTENT_UTF8);
SAME(CONTENT_REQUIRETLS);
SAME(CONTENT_TLS_OPTIONAL);
SAME(CONTENT_LOSABLE);
SAME(CONTENT_BINARY);
#undef SAME
#define SAME(bit) \
	_Static_assert((unsigned)(bit) == (unsigned)POSTERN__DELIVER_BY__##bit, "as in the .proto")
SAME(BY_RETURN);
SAME(BY_NOTIFY);
SAME(BY_TRACE);
#undef SAME

static void convert_parts_in(const Postern__Summary *m, struct arena *mem, struct summary *out)
{
	struct summary_part *parts = arena_alloc(mem, m->n_parts * sizeof *parts);

	for (size_t i = 0; i < m->n_parts; i++) {
		const Postern__Part *p = m->parts[i];

		parts[i] = (struct summary_part){
			.parent = p->parent,
			.kind = (uint32_t)p->kind,
			.lines = p->lines,
			.encoding = p->encoding,
			.header_off = p->header_off,
			.body_off = p->body_off,
			.body_end = p->body_end,
		};
	}
	out->parts = parts;
	out->nparts = m->n_parts;
}

static void convert_lists_in(const Postern__Summary *m, struct arena *mem, struct summary *out)
{
	struct summary_field *fields = arena_alloc(mem, m->n_fields * sizeof *fields);
	slice_t *references = arena_alloc(mem, m->n_references * sizeof *references);

	for (size_t i = 0; i < m->n_fields; i++)
		fields[i] = (struct summary_field){.id = m->fields[i]->id,
						   .raw = MCALL_SLICE(m->fields[i]->raw)};
	for (size_t i = 0; i < m->n_references; i++)
		references[i] = MCALL_SLICE(m->references[i]);
	out->fields = fields;
	out->nfields = m->n_fields;
	out->references = references;
	out->nreferences = m->n_references;
}

enum err convert_summary(const Postern__Summary *m, struct arena *mem, struct summary *out)
{
	if (m == NULL)
		return E_INVALID;
	*out = (struct summary){
		.parser_version = m->parser_version,
		.size = m->size,
		.header_size = m->header_size,
		.lines = m->lines,
		.envelope = MCALL_SLICE(m->envelope),
		.bodystructure = MCALL_SLICE(m->bodystructure),
		.fields_complete = m->fields_complete,
		.sent_us = m->sent_us,
		.sent_zone_min = m->sent_zone_min,
		.subject = slice_str(m->subject),
		.base_subject = slice_str(m->base_subject),
		.from = slice_str(m->from),
		.to = slice_str(m->to),
		.cc = slice_str(m->cc),
		.bcc = slice_str(m->bcc),
		.message_id = MCALL_SLICE(m->message_id),
	};
	convert_parts_in(m, mem, out);
	convert_lists_in(m, mem, out);
	return E_OK;
}

enum err convert_uids(Postern__UidRange *const *v, size_t n, struct arena *mem,
		      struct uid_range **out)
{
	struct uid_range *r = arena_alloc(mem, n * sizeof *r);

	for (size_t i = 0; i < n; i++)
		r[i] = (struct uid_range){v[i]->first, v[i]->last};
	*out = r;
	return uid_ranges_valid(r, n) ? E_OK : E_INVALID;
}

Postern__UidRange **convert_ranges(const struct uid_range *v, size_t n, struct arena *mem)
{
	Postern__UidRange **list = arena_alloc(mem, n * sizeof *list);
	Postern__UidRange *rows = arena_alloc(mem, n * sizeof *rows);

	for (size_t i = 0; i < n; i++) {
		postern__uid_range__init(&rows[i]);
		rows[i].first = v[i].first;
		rows[i].last = v[i].last;
		list[i] = &rows[i];
	}
	return list;
}

slice_t *convert_strings(char *const *v, size_t n, struct arena *mem)
{
	slice_t *s = arena_alloc(mem, n * sizeof *s);

	for (size_t i = 0; i < n; i++)
		s[i] = slice_str(v[i]);
	return s;
}

char **convert_keywords(const struct mbox_keywords *k, uint32_t known, struct arena *mem,
			size_t *n_out)
{
	char **names = arena_alloc(mem, STORE_KEYWORDS_MAX * sizeof *names);
	size_t n = 0;

	for (unsigned i = known; i < k->n; i++)
		names[n++] = arena_str(mem, k->name[i]);
	*n_out = n;
	return names;
}

void convert_mailbox_row(const struct mbox_row *r, struct arena *mem, Postern__MailboxRow *out)
{
	postern__mailbox_row__init(out);
	out->id = r->id;
	out->path = arena_str(mem, r->path);
	out->special = (Postern__SpecialUse)r->special;
	out->subscribed = r->subscribed;
	out->noselect = r->noselect;
	out->uidvalidity = r->uidvalidity;
	out->uidnext = r->uidnext;
	out->messages = r->messages;
	out->unseen = r->unseen;
	out->recent = r->recent;
	out->highestmodseq = r->highestmodseq;
	out->size = r->size;
}

static ProtobufCBinaryData *byte_column(const slice_t *v, unsigned n, struct arena *mem)
{
	ProtobufCBinaryData *column = arena_alloc(mem, n * sizeof *column);

	for (unsigned i = 0; i < n; i++)
		column[i] = MCALL_BYTES(v[i]);
	return column;
}

Postern__PartTable *convert_parts(const struct msg_slice *s, unsigned row, struct arena *mem)
{
	struct msg_run run = s->part_run[row];
	Postern__PartTable *t = arena_new(mem, Postern__PartTable);
	Postern__Part *parts = arena_alloc(mem, run.n * sizeof *parts);

	postern__part_table__init(t);
	t->parts = arena_alloc(mem, run.n * sizeof *t->parts);
	t->n_parts = run.n;
	for (uint32_t i = 0; i < run.n; i++) {
		const struct summary_part *p = &s->parts[run.first + i];

		postern__part__init(&parts[i]);
		parts[i].parent = p->parent;
		parts[i].kind = (Postern__PartKind)p->kind;
		parts[i].header_off = p->header_off;
		parts[i].body_off = p->body_off;
		parts[i].body_end = p->body_end;
		parts[i].lines = p->lines;
		parts[i].encoding = p->encoding;
		t->parts[i] = &parts[i];
	}
	return t;
}

static Postern__FieldList *convert_fields(const struct msg_slice *s, unsigned row,
					  struct arena *mem)
{
	struct msg_run run = s->field_run[row];
	Postern__FieldList *l = arena_new(mem, Postern__FieldList);
	Postern__HeaderField *fields = arena_alloc(mem, run.n * sizeof *fields);

	postern__field_list__init(l);
	l->complete = s->fields_complete[row];
	l->fields = arena_alloc(mem, run.n * sizeof *l->fields);
	l->n_fields = run.n;
	for (uint32_t i = 0; i < run.n; i++) {
		const struct summary_field *f = &s->fields[run.first + i];

		postern__header_field__init(&fields[i]);
		fields[i].id = f->id;
		fields[i].raw = MCALL_BYTES(f->raw);
		l->fields[i] = &fields[i];
	}
	return l;
}

static void convert_lists_out(const struct msg_slice *s, uint32_t columns, struct arena *mem,
			      Postern__FetchBatch *out)
{
	if ((columns & MSG_FIELDS) != 0) {
		out->fields = arena_alloc(mem, s->n * sizeof *out->fields);
		out->n_fields = s->n;
		for (unsigned i = 0; i < s->n; i++)
			out->fields[i] = convert_fields(s, i, mem);
	}
	if ((columns & MSG_PARTS) != 0) {
		out->parts = arena_alloc(mem, s->n * sizeof *out->parts);
		out->n_parts = s->n;
		for (unsigned i = 0; i < s->n; i++)
			out->parts[i] = convert_parts(s, i, mem);
	}
}

/* The slice's own arrays are lent to the message: nothing is copied before packing. */
#define LEND(column, array) (out->n_##column = s->n, out->column = (void *)(uintptr_t)s->array)

void convert_fetch_slice(const struct msg_slice *s, uint32_t columns, struct arena *mem,
			 Postern__FetchBatch *out)
{
	postern__fetch_batch__init(out);
	LEND(uid, uid);
	if ((columns & MSG_FLAGS) != 0) {
		LEND(flags, flags);
		LEND(keywords, keywords);
		LEND(modseq, modseq);
	}
	if ((columns & MSG_SIZE) != 0)
		LEND(size, size);
	if ((columns & MSG_DATE) != 0)
		LEND(date_us, date_us);
	if ((columns & MSG_IDS) != 0) {
		LEND(email_id, email_id);
		LEND(thread_id, thread_id);
	}
	if ((columns & MSG_ENVELOPE) != 0) {
		out->n_envelope = s->n;
		out->envelope = byte_column(s->envelope, s->n, mem);
	}
	if ((columns & MSG_BODYSTRUCTURE) != 0) {
		out->n_bodystructure = s->n;
		out->bodystructure = byte_column(s->bodystructure, s->n, mem);
	}
	if ((columns & MSG_PREFIX) != 0) {
		out->n_prefix = s->n;
		out->prefix = byte_column(s->prefix, s->n, mem);
	}
	convert_lists_out(s, columns, mem, out);
}

enum err convert_txid(const ProtobufCBinaryData *b, uint8_t out[STORE_TXID_SIZE])
{
	if (b->len != STORE_TXID_SIZE)
		return E_INVALID;
	memcpy(out, b->data, STORE_TXID_SIZE);
	return E_OK;
}

Postern__Target **convert_targets(struct resolved *r, struct arena *mem)
{
	Postern__Target *rows = arena_alloc(mem, RESOLVE_OWNERS_MAX * sizeof *rows);
	Postern__Target **list = arena_alloc(mem, RESOLVE_OWNERS_MAX * sizeof(Postern__Target *));

	for (size_t i = 0; i < r->n; i++) {
		postern__target__init(&rows[i]);
		rows[i].token = MCALL_BYTES(r->targets[i].token);
		rows[i].partition = r->targets[i].partition;
		rows[i].backend = r->targets[i].backend;
		rows[i].passing = r->targets[i].passing;
		list[i] = &rows[i];
	}
	return list;
}

static bool notify_ok(Postern__Recipient *const *v, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		if (!notify_is_sound(v[i]->notify))
			return false;
	}
	return true;
}

enum err convert_check_bits(const Postern__DeliverCommit *m)
{
	bool ok = content_is_sound(m->content) && by_is_sound(m->by) &&
		  notify_ok(m->recipients, m->n_recipients);

	for (size_t i = 0; ok && i < m->n_others; i++)
		ok = notify_ok(m->others[i]->recipients, m->others[i]->n_recipients);
	return ok ? E_OK : E_INVALID;
}

enum err convert_ip(const ProtobufCBinaryData *b, struct ipaddr *out)
{
	*out = (struct ipaddr){0};
	if (b->len == 0)
		return E_OK;
	if (b->len != 4 && b->len != 16)
		return E_INVALID;
	out->family = b->len == 4 ? 4 : 6;
	memcpy(out->b, b->data, b->len);
	return E_OK;
}
