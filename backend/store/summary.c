#include "backend/store/summary.h"
#include "common/base/utf8.h"

/* Nesting of parts; the front-end's parser stops at 32. */
#define SUMMARY_DEPTH_MAX     40
#define SUMMARY_ENCODING_LAST 5

static enum err check_part(const struct summary *s, size_t i, uint32_t *depth, struct diag *d)
{
	const struct summary_part *p = &s->parts[i], *up;

	if (p->kind > SUMMARY_MESSAGE || p->encoding > SUMMARY_ENCODING_LAST)
		return diag_set(d, E_INVALID, "part %zu: unknown kind or encoding", i);
	if (p->header_off > p->body_off || p->body_off > p->body_end || p->body_end > s->size)
		return diag_set(d, E_INVALID, "part %zu: offsets out of order", i);
	if (i == 0) {
		depth[0] = 1;
		return p->parent == 0 && p->header_off == 0
			       ? E_OK
			       : diag_set(d, E_INVALID, "part 0 is not the message");
	}
	if (p->parent == 0 || p->parent > i)
		return diag_set(d, E_INVALID, "part %zu: its parent does not come before", i);
	up = &s->parts[p->parent - 1];
	if (up->kind == SUMMARY_LEAF)
		return diag_set(d, E_INVALID, "part %zu: child of a leaf", i);
	if (p->header_off < up->body_off || p->body_end > up->body_end)
		return diag_set(d, E_INVALID, "part %zu: outside its parent", i);
	if (p->header_off < s->parts[i - 1].header_off)
		return diag_set(d, E_INVALID, "part %zu: before the one before", i);
	depth[i] = depth[p->parent - 1] + 1;
	if (depth[i] > SUMMARY_DEPTH_MAX)
		return diag_set(d, E_INVALID, "part %zu: too deep", i);
	return E_OK;
}

static enum err check_parts(const struct summary *s, struct diag *d)
{
	uint32_t depth[SUMMARY_PARTS_MAX];

	if (s->nparts > SUMMARY_PARTS_MAX)
		return diag_set(d, E_INVALID, "%zu parts", s->nparts);
	for (size_t i = 0; i < s->nparts; i++) {
		enum err e = check_part(s, i, depth, d);

		if (e != E_OK)
			return e;
	}
	return E_OK;
}

static enum err check_fields(const struct summary *s, struct diag *d)
{
	size_t bytes = 0;

	if (s->nfields > SUMMARY_FIELDS_MAX)
		return diag_set(d, E_INVALID, "%zu header fields", s->nfields);
	for (size_t i = 0; i < s->nfields; i++) {
		const struct summary_field *f = &s->fields[i];

		if (f->id >= SUMMARY_FIELD_IDS_MAX || f->raw.n > SUMMARY_FIELDS_BYTES)
			return diag_set(d, E_INVALID, "header field %zu", i);
		bytes += f->raw.n;
	}
	if (bytes > SUMMARY_FIELDS_BYTES)
		return diag_set(d, E_INVALID, "%zu bytes of header fields", bytes);
	return E_OK;
}

static enum err check_texts(const struct summary *s, struct diag *d)
{
	const slice_t columns[] = {s->subject, s->base_subject, s->from, s->to, s->cc, s->bcc};

	if (s->envelope.n > SUMMARY_ENVELOPE_MAX || s->bodystructure.n > SUMMARY_STRUCTURE_MAX)
		return diag_set(d, E_INVALID, "envelope or structure too long");
	for (size_t i = 0; i < ARRAY_LEN(columns); i++) {
		if (columns[i].n > SUMMARY_COLUMN_MAX || !utf8_valid(columns[i]) ||
		    slice_find_char(columns[i], '\0') != columns[i].n)
			return diag_set(d, E_INVALID, "search column %zu", i);
	}
	if (s->message_id.n > SUMMARY_MESSAGE_ID_MAX || s->nreferences > SUMMARY_REFERENCES_MAX)
		return diag_set(d, E_INVALID, "message ids");
	for (size_t i = 0; i < s->nreferences; i++) {
		if (s->references[i].n > SUMMARY_MESSAGE_ID_MAX)
			return diag_set(d, E_INVALID, "reference %zu", i);
	}
	return E_OK;
}

enum err summary_check(const struct summary *s, uint64_t size, struct diag *d)
{
	enum err e;

	if (s->size != size || s->header_size > size || s->lines > size)
		return diag_set(d, E_INVALID, "sizes do not belong to the record");
	if (s->sent_zone_min < -1440 || s->sent_zone_min > 1440)
		return diag_set(d, E_INVALID, "zone of Date");
	e = check_parts(s, d);
	if (e == E_OK)
		e = check_fields(s, d);
	if (e == E_OK)
		e = check_texts(s, d);
	return e;
}
