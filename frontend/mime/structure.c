#include "frontend/mime/structure.h"

#include "frontend/mime/envelope.h"
#include "frontend/mime/imaptext.h"

struct render {
	const struct mime_part *parts;
	const struct structure_part *info;
	enum structure_form form;
	struct buf *out;
};

static void put_or(struct render *r, slice_t s, const char *lean)
{
	if (r->form == STRUCTURE_FULL)
		buf_put(r->out, s);
	else
		buf_puts(r->out, lean);
}

static void put_extension(struct render *r, size_t i)
{
	if (r->form != STRUCTURE_FULL)
		return; /* extension data may be left out */
	buf_putc(r->out, ' ');
	buf_put(r->out, r->info[i].extension);
}

/* body-fields, and what precedes them */
static void put_fields(struct render *r, size_t i)
{
	const struct structure_part *p = &r->info[i];

	buf_put(r->out, p->media);
	buf_putc(r->out, ' ');
	put_or(r, p->params, "NIL");
	buf_putc(r->out, ' ');
	put_or(r, p->id, "NIL NIL");
	buf_putc(r->out, ' ');
	buf_put(r->out, p->encoding);
	buf_putc(r->out, ' ');
	buf_put_u64(r->out, r->parts[i].body_end - r->parts[i].body_off);
}

static void put_lines(struct render *r, size_t i)
{
	buf_putc(r->out, ' ');
	buf_put_u64(r->out, r->parts[i].lines);
}

static void open_part(struct render *r, size_t i)
{
	buf_putc(r->out, '(');
	switch (r->parts[i].kind) {
	case MIME_MULTIPART:
		return;
	case MIME_LEAF:
		put_fields(r, i);
		if (r->info[i].text)
			put_lines(r, i);
		put_extension(r, i);
		buf_putc(r->out, ')');
		return;
	case MIME_MESSAGE:
		put_fields(r, i);
		buf_putc(r->out, ' ');
		if (r->form == STRUCTURE_FULL)
			buf_put(r->out, r->info[i].envelope);
		else
			envelope_render_empty(r->out);
		buf_putc(r->out, ' ');
		return;
	}
}

/* After the children. */
static void close_part(struct render *r, size_t i)
{
	switch (r->parts[i].kind) {
	case MIME_LEAF:
		return;
	case MIME_MULTIPART:
		buf_putc(r->out, ' ');
		buf_put(r->out, r->info[i].media);
		if (r->form == STRUCTURE_FULL) {
			buf_putc(r->out, ' ');
			buf_put(r->out, r->info[i].params);
		}
		break;
	case MIME_MESSAGE:
		put_lines(r, i);
		break;
	}
	put_extension(r, i);
	buf_putc(r->out, ')');
}

void structure_render(const struct mime_part *parts, const struct structure_part *info, size_t n,
		      enum structure_form form, struct buf *out)
{
	struct render r = {parts, info, form, out};
	size_t open = 0; /* the innermost part whose list is open */

	if (form == STRUCTURE_OPAQUE) {
		buf_puts(out, "(\"APPLICATION\" \"OCTET-STREAM\" NIL NIL NIL \"BINARY\" ");
		buf_put_u64(out, parts[0].body_end - parts[0].body_off);
		buf_putc(out, ')');
		return;
	}
	for (size_t i = 0; i < n && !buf_failed(out); i++) {
		for (; i != 0 && open != parts[i].parent; open = parts[open].parent)
			close_part(&r, open);
		open_part(&r, i);
		open = i;
	}
	for (; open != 0; open = parts[open].parent)
		close_part(&r, open);
	close_part(&r, 0);
}

/* ---- BODY ---- */

enum frame_kind { FRAME_NEW, FRAME_MULTIPART, FRAME_LEAF };

struct frame {
	enum frame_kind kind;
	bool text, message; /* of a leaf: media with more fields */
	unsigned fields;    /* of a leaf: passed so far */
};

/* Fields of a leaf: type subtype params id description encoding size. */
#define LEAF_FIELDS    7
#define LEAF_BODY      8
#define TEXT_FIELDS    8
#define MESSAGE_FIELDS 10

/* Passes over one element: a string, an atom, or a whole list. */
static bool skip_element(slice_t *s)
{
	unsigned depth = 0;

	do {
		size_t n = 0;

		if (s->n == 0)
			return false;
		if (s->p[0] == '"') {
			if (!imaptext_skip_quoted(s))
				return false;
			continue;
		}
		if (s->p[0] == '{') {
			if (!imaptext_skip_literal(s))
				return false;
			continue;
		}
		if (s->p[0] == '(' || s->p[0] == ')' || s->p[0] == ' ') {
			if (s->p[0] == '(')
				depth++;
			else if (depth == 0)
				return false;
			else if (s->p[0] == ')')
				depth--;
			*s = slice_from(*s, 1);
			continue;
		}
		while (n < s->n && s->p[n] != ' ' && s->p[n] != '(' && s->p[n] != ')' &&
		       s->p[n] != '"' && s->p[n] != '{')
			n++;
		*s = slice_from(*s, n);
	} while (depth != 0);
	return true;
}

/* Passes over " element"... up to the list's end, which stays. */
static bool skip_rest(slice_t *s)
{
	while (s->n != 0 && s->p[0] == ' ') {
		*s = slice_from(*s, 1);
		if (!skip_element(s))
			return false;
	}
	return s->n != 0 && s->p[0] == ')';
}

static bool copy_element(slice_t *s, struct buf *out, slice_t *element)
{
	slice_t start = *s;

	if (!skip_element(s))
		return false;
	*element = slice(start.p, start.n - s->n);
	buf_put(out, *element);
	return true;
}

static unsigned leaf_fields(const struct frame *f)
{
	return f->message ? MESSAGE_FIELDS : f->text ? TEXT_FIELDS : LEAF_FIELDS;
}

/* One field of a leaf. */
static bool leaf_field(struct frame *f, slice_t *s, struct buf *out)
{
	slice_t element;

	if (f->fields != 0) {
		if (s->n == 0 || s->p[0] != ' ')
			return false;
		*s = slice_from(*s, 1);
		buf_putc(out, ' ');
	}
	if (!copy_element(s, out, &element))
		return false;
	if (f->fields == 0) {
		f->text = slice_ieq(element, SL("\"TEXT\""));
		f->message = slice_ieq(element, SL("\"MESSAGE\""));
	} else if (f->fields == 1 && f->message) {
		f->message = slice_ieq(element, SL("\"RFC822\""));
	}
	f->fields++;
	return true;
}

/* Goes on with a leaf until it ends (*ended) or its embedded body is to come. */
static bool leaf_fields_next(struct frame *f, slice_t *s, struct buf *out, bool *ended)
{
	while (f->fields < leaf_fields(f)) {
		if (f->message && f->fields == LEAF_BODY) {
			if (s->n < 2 || s->p[0] != ' ' || s->p[1] != '(')
				return false;
			*s = slice_from(*s, 1);
			buf_putc(out, ' ');
			f->fields++;
			*ended = false;
			return true;
		}
		if (!leaf_field(f, s, out))
			return false;
	}
	*ended = true;
	return skip_rest(s);
}

/* Goes on with a multipart: another child is to come, or its subtype ends it. */
static bool multipart_next(slice_t *s, struct buf *out, bool *ended)
{
	slice_t element;

	*ended = s->n == 0 || s->p[0] != '(';
	if (!*ended)
		return true;
	if (s->n == 0 || s->p[0] != ' ')
		return false;
	*s = slice_from(*s, 1);
	buf_putc(out, ' ');
	return copy_element(s, out, &element) && skip_rest(s);
}

static bool frame_next(struct frame *f, slice_t *s, struct buf *out, bool *ended)
{
	if (f->kind == FRAME_NEW)
		f->kind = s->n != 0 && s->p[0] == '(' ? FRAME_MULTIPART : FRAME_LEAF;
	return f->kind == FRAME_MULTIPART ? multipart_next(s, out, ended)
					  : leaf_fields_next(f, s, out, ended);
}

static bool to_body(slice_t s, struct buf *out)
{
	struct frame frames[SUMMARY_DEPTH_MAX + 1];
	size_t depth = 0;

	do {
		bool ended;

		/* A body begins: *s stands on its "(". */
		if (depth == ARRAY_LEN(frames) || s.n == 0 || s.p[0] != '(')
			return false;
		frames[depth++] = (struct frame){.kind = FRAME_NEW};
		s = slice_from(s, 1);
		buf_putc(out, '(');
		for (;;) {
			if (!frame_next(&frames[depth - 1], &s, out, &ended))
				return false;
			if (!ended)
				break;
			s = slice_from(s, 1);
			buf_putc(out, ')');
			if (--depth == 0)
				break;
		}
	} while (depth != 0);
	return s.n == 0;
}

bool structure_to_body(slice_t bodystructure, struct buf *out)
{
	size_t start = out->n;

	if (to_body(bodystructure, out))
		return !buf_failed(out);
	out->n = start;
	return false;
}
