#include "frontend/mime/summary.h"

#include "common/base/utf8.h"
#include "frontend/mime/hdr.h"
#include "frontend/mime/imaptext.h"

/* Far beyond any date that a Date field can hold: years 1 to 9999, in microseconds. */
#define SENT_MIN_US  (-62200000000000000)
#define SENT_MAX_US  253500000000000000
/* RFC 5322 writes a zone with four digits. */
#define ZONE_MAX_MIN 5999

struct part_check {
	const struct mime_part *parts;
	size_t open[SUMMARY_DEPTH_MAX]; /* the chain of parts that contain the one looked at */
	size_t depth;
	uint64_t end; /* where the previous child of the innermost one ended */
};

/* A part without its place among the others. */
static bool part_sane(const struct mime_part *p)
{
	return p->header_off <= p->body_off && p->body_off <= p->body_end &&
	       p->lines <= p->body_end - p->body_off && (unsigned)p->kind <= MIME_MESSAGE &&
	       (unsigned)p->cte <= MIME_CTE_OTHER;
}

/* Leaves parts until `parent` is the innermost open one. Every part that is left must have had a
 * child, unless it is a leaf. */
static bool leave_until(struct part_check *c, size_t parent, size_t i)
{
	while (c->depth != 0 && c->open[c->depth - 1] != parent) {
		const struct mime_part *left = &c->parts[c->open[--c->depth]];

		if (left->kind != MIME_LEAF && c->open[c->depth] == i - 1)
			return false;
		c->end = left->body_end;
	}
	return c->depth != 0;
}

/* Part i, i > 0, as a child of its parent. */
static const char *check_child(struct part_check *c, size_t i)
{
	const struct mime_part *p = &c->parts[i];
	const struct mime_part *parent;

	if (p->parent >= i)
		return "parent comes later";
	if (!leave_until(c, p->parent, i))
		return "not in pre-order, or nothing in a multipart";
	parent = &c->parts[p->parent];
	if (parent->kind == MIME_LEAF)
		return "child of a leaf";
	if (p->header_off < parent->body_off || p->body_end > parent->body_end)
		return "not inside its parent";
	if (parent->kind == MIME_MESSAGE &&
	    (i != p->parent + 1 || p->header_off != parent->body_off ||
	     p->body_end != parent->body_end))
		return "not the one child of a message";
	if (p->parent + 1 != i && p->header_off < c->end)
		return "overlaps the part before";
	if (c->depth == ARRAY_LEN(c->open))
		return "too deep";
	return NULL;
}

enum err summary_parts_check(const struct mime_part *parts, size_t n, uint64_t size, struct diag *d)
{
	struct part_check c = {.parts = parts};

	if (n == 0 || n > SUMMARY_PARTS_MAX || size > SUMMARY_SIZE_MAX)
		return diag_set(d, E_CORRUPT, "summary: %zu parts", n);
	if (parts[0].header_off != 0 || parts[0].body_end != size || parts[0].parent != 0)
		return diag_set(d, E_CORRUPT, "summary: part 0 is not the message");
	for (size_t i = 0; i < n; i++) {
		const char *what = part_sane(&parts[i]) ? NULL : "bad offsets";

		if (what == NULL && i != 0)
			what = check_child(&c, i);
		if (what != NULL)
			return diag_set(d, E_CORRUPT, "summary: part %zu: %s", i, what);
		c.open[c.depth++] = i;
		c.end = parts[i].body_off;
	}
	if (parts[n - 1].kind != MIME_LEAF)
		return diag_set(d, E_CORRUPT, "summary: nothing in the last part");
	return E_OK;
}

/* A field that can be sent as it stands inside a header: one field, whole lines. */
static bool field_sane(const struct mime_field *f)
{
	if (f->name.n == 0 || f->raw.n == 0 || f->raw.p[f->raw.n - 1] != '\n' ||
	    memchr(f->raw.p, '\0', f->raw.n) != NULL ||
	    !slice_eq(hdr_field_name(f->raw), f->name) || !hdr_name_kept(f->name))
		return false;
	for (size_t i = 0; i + 1 < f->raw.n; i++) {
		if (f->raw.p[i] == '\n' && f->raw.p[i + 1] != ' ' && f->raw.p[i + 1] != '\t')
			return false;
	}
	return true;
}

static enum err check_fields(const struct mime_summary *s, struct diag *d)
{
	size_t total = 0;

	if (s->nfields > SUMMARY_FIELDS_MAX)
		return diag_set(d, E_CORRUPT, "summary: %zu fields", s->nfields);
	for (size_t i = 0; i < s->nfields; i++) {
		if (!field_sane(&s->fields[i]))
			return diag_set(d, E_CORRUPT, "summary: field %zu", i);
		total += s->fields[i].raw.n;
	}
	if (total > SUMMARY_FIELDS_BYTES_MAX)
		return diag_set(d, E_CORRUPT, "summary: fields of %zu bytes", total);
	return E_OK;
}

static bool column_sane(slice_t s, size_t max)
{
	return s.n <= max && utf8_valid(s);
}

static enum err check_columns(const struct mime_summary *s, struct diag *d)
{
	if (!column_sane(s->from, SUMMARY_COLUMN_MAX) || !column_sane(s->to, SUMMARY_COLUMN_MAX) ||
	    !column_sane(s->cc, SUMMARY_COLUMN_MAX) || !column_sane(s->bcc, SUMMARY_COLUMN_MAX) ||
	    !column_sane(s->subject, SUMMARY_COLUMN_MAX) ||
	    !column_sane(s->base_subject, SUMMARY_BASE_SUBJECT_MAX) ||
	    !column_sane(s->text, SUMMARY_TEXT_MAX))
		return diag_set(d, E_CORRUPT, "summary: column too long, or no UTF-8");
	if (s->sent_us < SENT_MIN_US || s->sent_us > SENT_MAX_US ||
	    s->sent_zone_min < -ZONE_MAX_MIN || s->sent_zone_min > ZONE_MAX_MIN)
		return diag_set(d, E_CORRUPT, "summary: sent date");
	if (s->nreferences > SUMMARY_REFERENCES_MAX || s->message_id.n > SUMMARY_MESSAGE_ID_MAX)
		return diag_set(d, E_CORRUPT, "summary: message ids");
	for (size_t i = 0; i < s->nreferences; i++) {
		if (s->references[i].n > SUMMARY_MESSAGE_ID_MAX)
			return diag_set(d, E_CORRUPT, "summary: message ids");
	}
	return E_OK;
}

enum err summary_check(const struct mime_summary *s, struct diag *d)
{
	enum err err = summary_parts_check(s->parts, s->nparts, s->size, d);

	if (err != E_OK)
		return err;
	if (s->header_size != s->parts[0].body_off || s->lines != s->parts[0].lines)
		return diag_set(d, E_CORRUPT, "summary: header of another size than part 0");
	if (s->envelope.n > SUMMARY_ENVELOPE_MAX ||
	    !imaptext_list_check(s->envelope, SUMMARY_LIST_DEPTH_MAX))
		return diag_set(d, E_CORRUPT, "summary: envelope");
	if (s->bodystructure.n > SUMMARY_STRUCTURE_MAX ||
	    !imaptext_list_check(s->bodystructure, SUMMARY_LIST_DEPTH_MAX))
		return diag_set(d, E_CORRUPT, "summary: body structure");
	err = check_fields(s, d);
	return err == E_OK ? check_columns(s, d) : err;
}

/* The nth (from 1) child of a part. */
static bool find_child(const struct mime_part *parts, size_t nparts, size_t parent, uint32_t nth,
		       size_t *out)
{
	for (size_t i = parent + 1; i < nparts && nth != 0; i++) {
		if (parts[i].parent < parent)
			return false; /* pre-order: the subtree is over */
		if (parts[i].parent == parent && --nth == 0) {
			*out = i;
			return true;
		}
	}
	return false;
}

bool summary_part_find(const struct mime_part *parts, size_t nparts, const uint32_t *path, size_t n,
		       size_t *index_out)
{
	size_t at = 0;
	bool numbered = false; /* `at` itself was named by a number */

	if (nparts == 0 || n == 0)
		return false;
	for (size_t i = 0; i < n; i++) {
		/* Numbers below a message are those of what is in it. */
		if (parts[at].kind == MIME_MESSAGE && numbered) {
			if (at + 1 == nparts)
				return false;
			at++;
			numbered = false;
		}
		if (parts[at].kind == MIME_MULTIPART) {
			if (!find_child(parts, nparts, at, path[i], &at))
				return false;
		} else if (numbered || path[i] != 1) {
			return false;
		}
		numbered = true;
	}
	*index_out = at;
	return true;
}

static bool top_range(const struct mime_summary *s, enum summary_section what, uint64_t *off_out,
		      uint64_t *end_out)
{
	switch (what) {
	case SECTION_BODY:
		*off_out = 0;
		*end_out = s->size;
		return true;
	case SECTION_HEADER:
		*off_out = 0;
		*end_out = s->parts[0].body_off;
		return true;
	case SECTION_TEXT:
		*off_out = s->parts[0].body_off;
		*end_out = s->size;
		return true;
	case SECTION_MIME:
		return false;
	}
	return false;
}

bool summary_section_range(const struct mime_summary *s, const uint32_t *path, size_t n,
			   enum summary_section what, uint64_t *off_out, uint64_t *end_out)
{
	const struct mime_part *p;
	size_t i;

	if (n == 0)
		return top_range(s, what, off_out, end_out);
	if (!summary_part_find(s->parts, s->nparts, path, n, &i))
		return false;
	p = &s->parts[i];
	if (what == SECTION_BODY || what == SECTION_MIME) {
		*off_out = what == SECTION_BODY ? p->body_off : p->header_off;
		*end_out = what == SECTION_BODY ? p->body_end : p->body_off;
		return true;
	}
	/* HEADER and TEXT are those of an embedded message (RFC 3501 section 6.4.5). */
	if (p->kind != MIME_MESSAGE || i + 1 == s->nparts)
		return false;
	p = &s->parts[i + 1];
	*off_out = what == SECTION_HEADER ? p->header_off : p->body_off;
	*end_out = what == SECTION_HEADER ? p->body_off : p->body_end;
	return true;
}
