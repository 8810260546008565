#include "frontend/rpc/summary_pack.h"

#include "frontend/mime/hdr.h"
#include "frontend/record/record_text.h"

#define DAY_MIN       (24 * 60)
#define DAY_US        ((int64_t)DAY_MIN * 60 * 1000000)
/* Of a compressed text: zstd never makes 64 KiB longer than this. */
#define TEXT_ZSTD_MAX (SUMMARY_TEXT_MAX + 1024)

static ProtobufCBinaryData bytes(slice_t s)
{
	return (ProtobufCBinaryData){s.n, (uint8_t *)(uintptr_t)s.p};
}

static void pack_parts(const struct mime_summary *s, struct arena *a, Postern__Summary *m)
{
	Postern__Part *parts = arena_alloc(a, s->nparts * sizeof *parts);

	m->parts = arena_alloc(a, s->nparts * sizeof(Postern__Part *));
	m->n_parts = s->nparts;
	for (size_t i = 0; i < s->nparts; i++) {
		const struct mime_part *p = &s->parts[i];

		postern__part__init(&parts[i]);
		parts[i].parent = i == 0 ? 0 : p->parent + 1;
		parts[i].kind = (Postern__PartKind)p->kind;
		parts[i].header_off = p->header_off;
		parts[i].body_off = p->body_off;
		parts[i].body_end = p->body_end;
		parts[i].lines = (uint32_t)MIN(p->lines, UINT32_MAX);
		parts[i].encoding = (uint32_t)p->cte;
		m->parts[i] = &parts[i];
	}
}

static void pack_fields(const struct mime_summary *s, struct arena *a, Postern__Summary *m)
{
	Postern__HeaderField *fields = arena_alloc(a, s->nfields * sizeof *fields);

	m->fields = arena_alloc(a, s->nfields * sizeof(Postern__HeaderField *));
	m->n_fields = s->nfields;
	for (size_t i = 0; i < s->nfields; i++) {
		postern__header_field__init(&fields[i]);
		fields[i].id = (uint32_t)hdr_id(s->fields[i].name);
		fields[i].raw = bytes(s->fields[i].raw);
		m->fields[i] = &fields[i];
	}
	m->fields_complete = s->fields_complete;
}

Postern__Summary *summary_pack(const struct mime_summary *s, struct arena *a)
{
	Postern__Summary *m = arena_new(a, Postern__Summary);

	postern__summary__init(m);
	m->parser_version = s->parser_version;
	m->size = s->size;
	m->header_size = s->header_size;
	m->lines = s->lines;
	m->envelope = bytes(s->envelope);
	m->bodystructure = bytes(s->bodystructure);
	pack_parts(s, a, m);
	pack_fields(s, a, m);
	if (s->has_sent) {
		m->sent_us = s->sent_us;
		m->sent_zone_min = s->sent_zone_min;
	}
	m->subject = arena_str(a, s->subject);
	m->base_subject = arena_str(a, s->base_subject);
	m->from = arena_str(a, s->from);
	m->to = arena_str(a, s->to);
	m->cc = arena_str(a, s->cc);
	m->bcc = arena_str(a, s->bcc);
	m->message_id = bytes(s->message_id);
	m->references = arena_alloc(a, s->nreferences * sizeof *m->references);
	m->n_references = s->nreferences;
	for (size_t i = 0; i < s->nreferences; i++)
		m->references[i] = bytes(s->references[i]);
	return m;
}

ProtobufCBinaryData summary_pack_text(const struct mime_summary *s, struct arena *a)
{
	struct buf b;
	slice_t out = SLICE_NONE;

	buf_init(&b, TEXT_ZSTD_MAX, a->budget);
	/* Without room for it the message is kept all the same; only its text is not found. */
	if (record_text_pack(s->text, &b) == E_OK && b.n > 0)
		out = arena_dup(a, buf_slice(&b));
	buf_fini(&b);
	return bytes(out);
}
