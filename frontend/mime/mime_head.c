#include "common/parse/cclass.h"
#include "frontend/mime/encword.h"
#include "frontend/mime/mime_priv.h"

/*
 * Headers: fields that matter are gathered one at a time and handed on when they are complete; what
 * they say of the part decides, at the header's end, what the part is.
 */

static bool is_content(enum hdr_id id)
{
	return id >= HDR_CONTENT_TYPE && id <= HDR_CONTENT_OTHER;
}

static bool field_matters(const struct mime_parser *p, enum hdr_id id)
{
	switch (p->header_kind) {
	case MIME_HEADER_MESSAGE:
		return hdr_kept(id);
	case MIME_HEADER_EMBEDDED:
		return is_content(id) || envelope_wants(id);
	case MIME_HEADER_PART:
		return is_content(id);
	}
	return false;
}

/* Keeps a field of the message's header as it stands. What has a NUL in it cannot be sent as it
 * stands, and one without its line break is unfinished. */
static void keep_raw(struct mime_parser *p, slice_t raw)
{
	struct mime_kept at = {(uint32_t)p->kept.n, (uint32_t)raw.n};

	if (p->field_cut || p->kept.n + raw.n > SUMMARY_FIELDS_BYTES_MAX ||
	    raw.p[raw.n - 1] != '\n' || memchr(raw.p, '\0', raw.n) != NULL) {
		p->kept_all = false;
		return;
	}
	buf_put(&p->kept, raw);
	buf_put(&p->kept_at, slice(&at, sizeof at));
	if (buf_failed(&p->kept) || buf_failed(&p->kept_at))
		mime_note(p, E_LIMIT);
}

/* What an embedded message is about can be searched for too. */
static void search_embedded(struct mime_parser *p, slice_t body)
{
	if (p->text.cut)
		return;
	buf_reset(&p->envelope.value);
	hdr_unfold(&p->envelope.value, body);
	buf_reset(&p->render);
	(void)encword_decode(buf_slice(&p->envelope.value), &p->render, SUMMARY_COLUMN_MAX);
	text_add_line(&p->text, buf_slice(&p->render));
}

/* The field at hand is complete. */
void mime_field_done(struct mime_parser *p)
{
	slice_t raw = buf_slice(&p->field);
	slice_t body = hdr_field_body(raw);
	enum hdr_id id = p->field_id;

	if (!p->gather)
		return;
	p->gather = false;
	if (buf_failed(&p->field)) {
		mime_note(p, E_LIMIT);
		return;
	}
	if (p->header_kind == MIME_HEADER_MESSAGE)
		keep_raw(p, raw);
	if (is_content(id)) {
		mime_note(p, content_field(&p->content, id, body));
		return;
	}
	if (envelope_wants(id))
		mime_note(p, envelope_field(&p->envelope, id, body, &p->scratch));
	if (p->header_kind == MIME_HEADER_MESSAGE)
		mime_note(p, columns_field(&p->columns, id, body));
	else if (id == HDR_SUBJECT || id == HDR_FROM || id == HDR_TO)
		search_embedded(p, body);
}

void mime_field_add(struct mime_parser *p, slice_t bytes)
{
	size_t left = p->limits.field_bytes - p->field.n;

	if (!p->gather)
		return;
	if (bytes.n > left) {
		p->field_cut = true;
		bytes.n = left;
	}
	buf_put(&p->field, bytes);
}

void mime_parser_add_field(struct mime_parser *p, slice_t raw)
{
	enum hdr_id id = hdr_id(hdr_field_name(raw));
	slice_t body = hdr_field_body(raw);

	if (p->state != MIME_STATE_HEADER || p->header_kind != MIME_HEADER_MESSAGE)
		return;
	if (envelope_wants(id))
		mime_note(p, envelope_field(&p->envelope, id, body, &p->scratch));
	mime_note(p, columns_field(&p->columns, id, body));
}

/* A field begins; line may be only its first part, at least MIME_DELIMITER_MAX bytes then. */
void mime_field_start(struct mime_parser *p, slice_t line)
{
	slice_t name = hdr_field_name(slice_sub(line, 0, MIME_DELIMITER_MAX));
	uint64_t limit = p->header_kind == MIME_HEADER_PART ? p->limits.part_header_bytes
							    : p->limits.header_bytes;

	p->field_id = hdr_id(name);
	p->fields++;
	if (!field_matters(p, p->field_id))
		return;
	if (p->fields > p->limits.fields || p->off - p->header_off >= limit) {
		if (p->header_kind == MIME_HEADER_MESSAGE)
			p->kept_all = false;
		return;
	}
	p->gather = true;
	p->field_cut = false;
	buf_reset(&p->field);
	mime_field_add(p, line);
}

/* ---- the end of a header ---- */

static void use_default_type(struct mime_parser *p)
{
	bool digest = p->header_kind == MIME_HEADER_PART && p->depth > 1 &&
		      p->levels[p->depth - 2].digest;

	if (p->content.typed)
		return;
	if (digest) {
		content_set_type(&p->content, SL("MESSAGE"), SL("RFC822"));
		return;
	}
	content_set_type(&p->content, SL("TEXT"), SL("PLAIN"));
	p->content.params = SL("(\"CHARSET\" \"US-ASCII\")");
}

/* Decides what the part is; changes the type where it cannot be what it says. */
static enum mime_kind decide_kind(struct mime_parser *p)
{
	struct content *c = &p->content;
	bool multipart, message;

	use_default_type(p);
	multipart = content_is(c, SL("multipart"), SLICE_NONE);
	message = content_is(c, SL("message"), SL("rfc822"));
	if (multipart && c->boundary_n == 0) {
		content_set_type(c, SL("TEXT"), SL("PLAIN"));
		return MIME_LEAF;
	}
	if (!multipart && !message)
		return MIME_LEAF;
	/* RFC 2046 section 5.2.1: an embedded message is not encoded. One that is cannot be looked
	 * into without decoding; offsets into it would mean nothing. */
	if (p->depth >= p->limits.depth || mime_part_count(p) >= p->limits.parts ||
	    (message &&
	     (c->cte == MIME_CTE_QP || c->cte == MIME_CTE_BASE64 || c->cte == MIME_CTE_OTHER))) {
		slice_t params = c->params;

		content_set_type(c, SL("APPLICATION"), SL("OCTET-STREAM"));
		c->params = multipart ? SLICE_NONE : params;
		return MIME_LEAF;
	}
	if (multipart && c->cte != MIME_CTE_8BIT && c->cte != MIME_CTE_BINARY) {
		/* RFC 2045 section 6.4: no other is allowed. */
		c->cte = MIME_CTE_7BIT;
		c->encoding_n = 0;
	}
	return multipart ? MIME_MULTIPART : MIME_MESSAGE;
}

static void render_envelope(struct mime_parser *p)
{
	buf_reset(&p->render);
	envelope_render(&p->envelope, &p->render);
	if (buf_failed(&p->render))
		mime_note(p, E_LIMIT);
}

/* An embedded message's envelope belongs to the part that it is in. */
static void embedded_envelope(struct mime_parser *p)
{
	struct structure_part *message =
		mime_info_at(p, mime_part_at(p, mime_top(p)->part)->parent);

	render_envelope(p);
	if (p->err == E_OK && !content_keep(&p->content, buf_slice(&p->render), &message->envelope))
		mime_note(p, E_LIMIT);
}

static void body_start(struct mime_parser *p, enum mime_kind kind)
{
	struct content *c = &p->content;
	struct mime_level *l = mime_top(p);

	p->state = MIME_STATE_BODY;
	if (kind == MIME_MULTIPART) {
		if (l->boundary == NULL)
			l->boundary = arena_try(&p->mem, MIME_BOUNDARY_MAX);
		if (l->boundary == NULL) {
			mime_note(p, E_LIMIT);
			return;
		}
		memcpy(l->boundary, c->boundary, c->boundary_n);
		l->boundary_n = c->boundary_n;
		l->delimited = true;
		l->digest = content_is(c, SL("multipart"), SL("digest"));
		p->delimited++;
	} else if (kind == MIME_LEAF && mime_info_at(p, l->part)->text) {
		text_begin(&p->text, content_subtype(c), slice(c->charset, c->charset_n), c->cte);
	}
}

/* The header is over; the body starts at off. */
void mime_header_end(struct mime_parser *p, uint64_t off)
{
	struct mime_level *l = mime_top(p);
	struct mime_part *part;
	enum mime_kind kind;

	mime_field_done(p);
	if (p->err != E_OK)
		return;
	kind = decide_kind(p);
	part = mime_part_at(p, l->part);
	part->kind = kind;
	part->cte = p->content.cte;
	part->body_off = off;
	l->lines = p->lines;
	if (p->header_kind == MIME_HEADER_EMBEDDED)
		embedded_envelope(p);
	else if (p->header_kind == MIME_HEADER_MESSAGE)
		render_envelope(p);
	if (p->header_kind == MIME_HEADER_MESSAGE && p->err == E_OK &&
	    !arena_try_dup(&p->mem, buf_slice(&p->render), &p->rendered_envelope))
		mime_note(p, E_LIMIT);
	mime_note(p, content_structure(&p->content, kind, mime_info_at(p, l->part)));
	text_add_line(&p->text, buf_slice(&p->content.filename));
	if (p->err != E_OK)
		return;
	body_start(p, kind);
	if (kind == MIME_MESSAGE)
		mime_part_open(p, off, MIME_HEADER_EMBEDDED);
}
