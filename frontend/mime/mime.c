#include "frontend/mime/mime.h"

#include "common/base/arena.h"
#include "common/parse/cclass.h"
#include "frontend/mime/columns.h"
#include "frontend/mime/content.h"
#include "frontend/mime/encword.h"
#include "frontend/mime/envelope.h"
#include "frontend/mime/hdr.h"
#include "frontend/mime/structure.h"
#include "frontend/mime/text.h"

/*
 * The stack of levels is the chain of parts that contain the byte at hand: multiparts and embedded
 * messages, and at the top the part whose header or body is being read. A line is looked at whole
 * where its beginning matters: in a header, and in a body where it begins with "--" while a
 * multipart is open. Such a line may be cut by chunks; then its first MIME_DELIMITER_MAX bytes are
 * held, and a longer line is known not to be a delimiter.
 */

const struct mime_limits mime_limits_default = {
	.depth = SUMMARY_DEPTH_MAX,
	.parts = SUMMARY_PARTS_MAX,
	.header_bytes = MIME_HEADER_MAX,
	.part_header_bytes = MIME_PART_HEADER_MAX,
	.field_bytes = MIME_FIELD_MAX,
	.fields = MIME_FIELDS_MAX,
	.text_bytes = SUMMARY_TEXT_MAX,
};

enum state { STATE_HEADER, STATE_BODY };

/* Whose header is read: what matters in it differs. */
enum header_kind { HEADER_MESSAGE, HEADER_EMBEDDED, HEADER_PART };

struct level {
	uint32_t part;
	uint32_t children;
	bool delimited; /* an open multipart: its boundary is looked for */
	bool digest;    /* RFC 2046 section 5.1.5: its parts are messages by default */
	size_t boundary_n;
	char *boundary; /* MIME_BOUNDARY_MAX bytes in the arena, used again */
	uint64_t lines; /* of the message before the body */
};

struct kept_field {
	uint32_t off, len; /* in kept */
};

struct mime_parser {
	struct mime_limits limits;
	struct budget *budget;
	enum err err;         /* E_LIMIT once memory was refused: nothing is parsed any more */
	struct arena mem;     /* results */
	struct arena scratch; /* one field's */
	struct buf parts;     /* struct mime_part */
	struct buf info;      /* struct structure_part */
	struct buf kept;      /* raw fields kept */
	struct buf kept_at;   /* struct kept_field */
	bool kept_all;
	struct buf render;
	struct envelope envelope;
	slice_t rendered_envelope; /* the message's own, in mem */
	struct columns columns;
	struct content content;
	struct text text;

	enum state state;
	unsigned depth;     /* levels in use */
	unsigned delimited; /* of them with a boundary to look for */
	struct level levels[SUMMARY_DEPTH_MAX];

	/* Where in the message. */
	uint64_t off;
	uint64_t lines; /* line breaks before off */
	unsigned eol;   /* bytes of the line break just before off */
	char last;      /* the byte before off */
	bool mid_line;  /* off is inside a line whose beginning was dealt with */
	unsigned held_n;
	char held[MIME_DELIMITER_MAX];

	/* The header at hand. */
	enum header_kind header_kind;
	uint64_t header_off;
	uint32_t fields;
	bool gather;    /* the field at hand is gathered */
	bool field_cut; /* it was longer than is looked at */
	enum hdr_id field_id;
	struct buf field; /* its bytes */
};

static struct mime_part *part_at(const struct mime_parser *p, size_t i)
{
	return (struct mime_part *)(void *)p->parts.p + i;
}

static struct structure_part *info_at(const struct mime_parser *p, size_t i)
{
	return (struct structure_part *)(void *)p->info.p + i;
}

static size_t part_count(const struct mime_parser *p)
{
	return p->parts.n / sizeof(struct mime_part);
}

static struct level *top(struct mime_parser *p)
{
	return &p->levels[p->depth - 1];
}

static void note(struct mime_parser *p, enum err err)
{
	if (err != E_OK)
		p->err = err;
}

/* ---- parts ---- */

/* Begins a part whose header starts at off, as a child of the top level. */
static void part_open(struct mime_parser *p, uint64_t off, enum header_kind kind)
{
	struct mime_part part = {.header_off = off, .body_off = off, .body_end = off};
	struct structure_part info = {.text = false};
	struct level *l;

	if (p->depth != 0) {
		part.parent = top(p)->part;
		top(p)->children++;
	}
	invariant(p->depth < ARRAY_LEN(p->levels));
	l = &p->levels[p->depth++];
	*l = (struct level){.part = (uint32_t)part_count(p), .boundary = l->boundary};
	buf_put(&p->parts, slice(&part, sizeof part));
	buf_put(&p->info, slice(&info, sizeof info));
	if (buf_failed(&p->parts) || buf_failed(&p->info))
		note(p, E_LIMIT);
	p->state = STATE_HEADER;
	p->header_kind = kind;
	p->header_off = off;
	p->fields = 0;
	p->gather = false;
	content_reset(&p->content);
	if (kind != HEADER_PART)
		envelope_reset(&p->envelope);
}

/* A multipart in which no part was found shows its text. */
static void make_plain(struct mime_parser *p, struct level *l)
{
	struct structure_part *info = info_at(p, l->part);

	part_at(p, l->part)->kind = MIME_LEAF;
	info->media = SL("\"TEXT\" \"PLAIN\"");
	info->params = SL("(\"CHARSET\" \"US-ASCII\")");
	info->id = SL("NIL NIL");
	info->extension = SL("NIL NIL NIL NIL");
	info->text = true;
}

static void level_undelimit(struct mime_parser *p, struct level *l)
{
	if (l->delimited)
		p->delimited--;
	l->delimited = false;
}

/* The innermost part ends at `end`, with `lines` line breaks of the message before it. */
static void part_close(struct mime_parser *p, uint64_t end, uint64_t lines)
{
	struct level *l = top(p);
	struct mime_part *part = part_at(p, l->part);

	part->body_end = end;
	part->lines = lines - l->lines;
	if (part->kind == MIME_LEAF)
		text_end(&p->text);
	else if (part->kind == MIME_MULTIPART && l->children == 0)
		make_plain(p, l);
	level_undelimit(p, l);
	p->depth--;
}

/* ---- fields ---- */

static bool is_content(enum hdr_id id)
{
	return id >= HDR_CONTENT_TYPE && id <= HDR_CONTENT_OTHER;
}

static bool field_matters(const struct mime_parser *p, enum hdr_id id)
{
	switch (p->header_kind) {
	case HEADER_MESSAGE:
		return hdr_kept(id);
	case HEADER_EMBEDDED:
		return is_content(id) || envelope_wants(id);
	case HEADER_PART:
		return is_content(id);
	}
	return false;
}

/* Keeps a field of the message's header as it stands. What has a NUL in it cannot be sent as it
 * stands, and one without its line break is unfinished. */
static void keep_raw(struct mime_parser *p, slice_t raw)
{
	struct kept_field at = {(uint32_t)p->kept.n, (uint32_t)raw.n};

	if (p->field_cut || p->kept.n + raw.n > SUMMARY_FIELDS_BYTES_MAX ||
	    raw.p[raw.n - 1] != '\n' || memchr(raw.p, '\0', raw.n) != NULL) {
		p->kept_all = false;
		return;
	}
	buf_put(&p->kept, raw);
	buf_put(&p->kept_at, slice(&at, sizeof at));
	if (buf_failed(&p->kept) || buf_failed(&p->kept_at))
		note(p, E_LIMIT);
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
static void field_done(struct mime_parser *p)
{
	slice_t raw = buf_slice(&p->field);
	slice_t body = hdr_field_body(raw);
	enum hdr_id id = p->field_id;

	if (!p->gather)
		return;
	p->gather = false;
	if (buf_failed(&p->field)) {
		note(p, E_LIMIT);
		return;
	}
	if (p->header_kind == HEADER_MESSAGE)
		keep_raw(p, raw);
	if (is_content(id)) {
		note(p, content_field(&p->content, id, body));
		return;
	}
	if (envelope_wants(id))
		note(p, envelope_field(&p->envelope, id, body, &p->scratch));
	if (p->header_kind == HEADER_MESSAGE)
		note(p, columns_field(&p->columns, id, body));
	else if (id == HDR_SUBJECT || id == HDR_FROM || id == HDR_TO)
		search_embedded(p, body);
}

static void field_add(struct mime_parser *p, slice_t bytes)
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

/* A field begins; line may be only its first part, at least MIME_DELIMITER_MAX bytes then. */
static void field_start(struct mime_parser *p, slice_t line)
{
	slice_t name = hdr_field_name(slice_sub(line, 0, MIME_DELIMITER_MAX));
	uint64_t limit = p->header_kind == HEADER_PART ? p->limits.part_header_bytes
						       : p->limits.header_bytes;

	p->field_id = hdr_id(name);
	p->fields++;
	if (!field_matters(p, p->field_id))
		return;
	if (p->fields > p->limits.fields || p->off - p->header_off >= limit) {
		if (p->header_kind == HEADER_MESSAGE)
			p->kept_all = false;
		return;
	}
	p->gather = true;
	p->field_cut = false;
	buf_reset(&p->field);
	field_add(p, line);
}

/* ---- the end of a header ---- */

static void use_default_type(struct mime_parser *p)
{
	bool digest =
		p->header_kind == HEADER_PART && p->depth > 1 && p->levels[p->depth - 2].digest;

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
	if (p->depth >= p->limits.depth || part_count(p) >= p->limits.parts ||
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
		note(p, E_LIMIT);
}

/* An embedded message's envelope belongs to the part that it is in. */
static void embedded_envelope(struct mime_parser *p)
{
	struct structure_part *message = info_at(p, part_at(p, top(p)->part)->parent);

	render_envelope(p);
	if (p->err == E_OK && !content_keep(&p->content, buf_slice(&p->render), &message->envelope))
		note(p, E_LIMIT);
}

static void body_start(struct mime_parser *p, enum mime_kind kind)
{
	struct content *c = &p->content;
	struct level *l = top(p);

	p->state = STATE_BODY;
	if (kind == MIME_MULTIPART) {
		if (l->boundary == NULL)
			l->boundary = arena_try(&p->mem, MIME_BOUNDARY_MAX);
		if (l->boundary == NULL) {
			note(p, E_LIMIT);
			return;
		}
		memcpy(l->boundary, c->boundary, c->boundary_n);
		l->boundary_n = c->boundary_n;
		l->delimited = true;
		l->digest = content_is(c, SL("multipart"), SL("digest"));
		p->delimited++;
	} else if (kind == MIME_LEAF && info_at(p, l->part)->text) {
		text_begin(&p->text, content_subtype(c), slice(c->charset, c->charset_n), c->cte);
	}
}

/* The header is over; the body starts at off. */
static void header_end(struct mime_parser *p, uint64_t off)
{
	struct level *l = top(p);
	struct mime_part *part;
	enum mime_kind kind;

	field_done(p);
	if (p->err != E_OK)
		return;
	kind = decide_kind(p);
	part = part_at(p, l->part);
	part->kind = kind;
	part->cte = p->content.cte;
	part->body_off = off;
	l->lines = p->lines;
	if (p->header_kind == HEADER_EMBEDDED)
		embedded_envelope(p);
	else if (p->header_kind == HEADER_MESSAGE)
		render_envelope(p);
	if (p->header_kind == HEADER_MESSAGE && p->err == E_OK &&
	    !arena_try_dup(&p->mem, buf_slice(&p->render), &p->rendered_envelope))
		note(p, E_LIMIT);
	note(p, content_structure(&p->content, kind, info_at(p, l->part)));
	text_add_line(&p->text, buf_slice(&p->content.filename));
	if (p->err != E_OK)
		return;
	body_start(p, kind);
	if (kind == MIME_MESSAGE)
		part_open(p, off, HEADER_EMBEDDED);
}

/* ---- delimiters ---- */

static bool all_blank(slice_t s)
{
	for (size_t i = 0; i < s.n; i++) {
		if (!cclass(s.p[i], CC_WSP))
			return false;
	}
	return true;
}

/* A line without its break, as the delimiter of this level (RFC 2046 section 5.1.1). */
static bool matches(const struct level *l, slice_t line, bool *close_out)
{
	slice_t rest;

	if (!l->delimited || line.n < 2 + l->boundary_n ||
	    memcmp(line.p + 2, l->boundary, l->boundary_n) != 0)
		return false;
	rest = slice_from(line, 2 + l->boundary_n);
	*close_out = slice_starts(rest, SL("--"));
	return all_blank(slice_from(rest, *close_out ? 2 : 0));
}

/* The level that a line delimits, counted from 1; 0: it is no delimiter. */
static unsigned find_delimited(const struct mime_parser *p, slice_t line, bool *close_out)
{
	if (p->delimited == 0 || !slice_starts(line, SL("--")))
		return 0;
	if (line.p[line.n - 1] == '\n')
		line.n--;
	if (line.n >= MIME_DELIMITER_MAX)
		return 0; /* longer, or only the first part of it */
	if (line.n != 0 && line.p[line.n - 1] == '\r')
		line.n--;
	for (unsigned i = p->depth; i != 0; i--) {
		if (matches(&p->levels[i - 1], line, close_out))
			return i;
	}
	return 0;
}

/* Ends a header that no blank line ended, at off; also of the messages that begin in it. */
static void end_headers(struct mime_parser *p)
{
	while (p->state == STATE_HEADER && p->err == E_OK)
		header_end(p, p->off);
}

/* The parts inside of the level end before the delimiter's line, which starts at off. Its line
 * break before belongs to it, unless a header ended there. */
static void close_inside(struct mime_parser *p, unsigned level)
{
	uint64_t end = p->off - p->eol;

	while (p->depth > level && p->err == E_OK) {
		end = MAX(end, part_at(p, top(p)->part)->body_off);
		part_close(p, end, end == p->off || p->eol == 0 ? p->lines : p->lines - 1);
	}
}

static void advance(struct mime_parser *p, slice_t s, uint64_t lines)
{
	char before = s.n > 1 ? s.p[s.n - 2] : p->last;

	if (s.n == 0)
		return;
	p->mid_line = s.p[s.n - 1] != '\n';
	p->eol = p->mid_line ? 0 : before == '\r' && p->off + s.n > 1 ? 2 : 1;
	p->last = s.p[s.n - 1];
	p->off += s.n;
	p->lines += lines;
}

static void delimiter(struct mime_parser *p, unsigned level, bool close, slice_t line)
{
	struct level *l = &p->levels[level - 1];
	bool whole = line.p[line.n - 1] == '\n';

	end_headers(p);
	close_inside(p, level);
	if (p->err != E_OK)
		return;
	advance(p, line, whole);
	if (close || part_count(p) >= p->limits.parts) {
		/* An epilogue, or no room for more parts: nobody looks at the rest. */
		level_undelimit(p, l);
		p->state = STATE_BODY;
		return;
	}
	part_open(p, p->off, HEADER_PART);
}

/* ---- lines ---- */

static void body_bytes(struct mime_parser *p, slice_t s)
{
	text_feed(&p->text, s);
}

static void header_line(struct mime_parser *p, slice_t line)
{
	bool whole = line.p[line.n - 1] == '\n';

	if (slice_eq(line, SL("\r\n")) || slice_eq(line, SL("\n"))) {
		advance(p, line, 1);
		header_end(p, p->off);
		return;
	}
	if (cclass(line.p[0], CC_WSP)) {
		field_add(p, line);
	} else {
		field_done(p);
		field_start(p, line);
	}
	advance(p, line, whole);
}

/* A line from its beginning: all of it, or (of one longer than a delimiter can be) a first part. */
static void line_start(struct mime_parser *p, slice_t line)
{
	bool close;
	unsigned level = find_delimited(p, line, &close);

	if (level != 0) {
		delimiter(p, level, close, line);
	} else if (p->state == STATE_HEADER) {
		header_line(p, line);
	} else {
		body_bytes(p, line);
		advance(p, line, line.p[line.n - 1] == '\n');
	}
}

static slice_t line_rest(struct mime_parser *p, slice_t s)
{
	size_t n = slice_find_char(s, '\n');
	bool whole = n < s.n;
	slice_t line = slice_sub(s, 0, n + (whole ? 1 : 0));

	if (p->state == STATE_HEADER)
		field_add(p, line);
	else
		body_bytes(p, line);
	advance(p, line, whole);
	return slice_from(s, line.n);
}

/* A line whose beginning matters: takes it if it is all there or long enough, else holds it. */
static slice_t line_whole(struct mime_parser *p, slice_t s)
{
	size_t n = slice_find_char(slice_sub(s, 0, MIME_DELIMITER_MAX), '\n');

	if (n < MIN(s.n, (size_t)MIME_DELIMITER_MAX))
		n++;
	else if (s.n < MIME_DELIMITER_MAX) {
		memcpy(p->held, s.p, s.n);
		p->held_n = (unsigned)s.n;
		return SLICE_NONE;
	}
	line_start(p, slice_sub(s, 0, n));
	return slice_from(s, n);
}

static slice_t line_held(struct mime_parser *p, slice_t s)
{
	size_t n = MIN(s.n, sizeof p->held - p->held_n);
	size_t lf = slice_find_char(slice_sub(s, 0, n), '\n');
	slice_t line;

	if (lf < n)
		n = lf + 1;
	memcpy(p->held + p->held_n, s.p, n);
	p->held_n += (unsigned)n;
	line = slice(p->held, p->held_n);
	if (lf < n || p->held_n == sizeof p->held) {
		p->held_n = 0;
		line_start(p, line);
	}
	return slice_from(s, n);
}

/* Body bytes from the start of a line up to a line that could be a delimiter. */
static size_t body_run(const struct mime_parser *p, slice_t s, uint64_t *lines_out)
{
	uint64_t lines = 0;
	size_t i = 0;

	while (i < s.n) {
		const char *lf;

		if (s.p[i] == '-' && p->delimited != 0 && (i + 1 == s.n || s.p[i + 1] == '-'))
			break;
		lf = memchr(s.p + i, '\n', s.n - i);
		if (lf == NULL) {
			i = s.n;
			break;
		}
		lines++;
		i = (size_t)(lf - s.p) + 1;
	}
	*lines_out = lines;
	return i;
}

void mime_parser_feed(struct mime_parser *p, slice_t bytes)
{
	while (bytes.n != 0 && p->err == E_OK) {
		if (p->held_n != 0) {
			bytes = line_held(p, bytes);
		} else if (p->mid_line) {
			bytes = line_rest(p, bytes);
		} else if (p->state == STATE_HEADER) {
			bytes = line_whole(p, bytes);
		} else {
			uint64_t lines;
			size_t n = body_run(p, bytes, &lines);

			if (n == 0) {
				bytes = line_whole(p, bytes);
				continue;
			}
			body_bytes(p, slice_sub(bytes, 0, n));
			advance(p, slice_sub(bytes, 0, n), lines);
			bytes = slice_from(bytes, n);
		}
	}
}

/* ---- the summary ---- */

static enum err finish_structure(struct mime_parser *p, struct mime_summary *out)
{
	static const enum structure_form forms[] = {STRUCTURE_FULL, STRUCTURE_LEAN,
						    STRUCTURE_OPAQUE};
	struct buf text;

	buf_init(&text, SUMMARY_STRUCTURE_MAX, p->budget);
	for (size_t i = p->content.over ? 1 : 0; i < ARRAY_LEN(forms); i++) {
		structure_render(part_at(p, 0), info_at(p, 0), part_count(p), forms[i], &text);
		if (!buf_failed(&text)) {
			if (forms[i] == STRUCTURE_OPAQUE) {
				part_at(p, 0)->kind = MIME_LEAF;
				part_at(p, 0)->cte = MIME_CTE_BINARY;
				out->nparts = 1;
			}
			break;
		}
		/* Too long, or no memory? With all memory that it may take, it was too long. */
		buf_reset(&text);
		if (buf_reserve(&text, SUMMARY_STRUCTURE_MAX) == NULL)
			break;
	}
	if (buf_failed(&text) || !arena_try_dup(&p->mem, buf_slice(&text), &out->bodystructure))
		p->err = E_LIMIT;
	buf_fini(&text);
	return p->err;
}

static enum err finish_fields(struct mime_parser *p, struct mime_summary *out)
{
	const struct kept_field *at = (const struct kept_field *)(const void *)p->kept_at.p;
	size_t n = p->kept_at.n / sizeof *at;

	out->fields_complete = p->kept_all;
	out->nfields = n;
	out->fields = arena_try(&p->mem, MAX(n, (size_t)1) * sizeof *out->fields);
	if (out->fields == NULL)
		return E_LIMIT;
	for (size_t i = 0; i < n; i++) {
		slice_t raw = slice_sub(buf_slice(&p->kept), at[i].off, at[i].len);

		out->fields[i] = (struct mime_field){hdr_field_name(raw), raw};
	}
	return E_OK;
}

enum err mime_parser_end(struct mime_parser *p, struct mime_summary *out)
{
	if (p->held_n != 0 && p->err == E_OK) {
		unsigned n = p->held_n;

		p->held_n = 0;
		line_start(p, slice(p->held, n));
	}
	end_headers(p);
	while (p->depth != 0 && p->err == E_OK)
		part_close(p, p->off, p->lines);
	if (p->err == E_OK && buf_failed(&p->text.out))
		p->err = E_LIMIT;
	if (p->err != E_OK)
		return p->err;
	*out = (struct mime_summary){.parser_version = SUMMARY_PARSER_VERSION, .size = p->off};
	out->parts = part_at(p, 0);
	out->nparts = part_count(p);
	out->header_size = out->parts[0].body_off;
	out->lines = out->parts[0].lines;
	out->envelope = p->rendered_envelope;
	columns_finish(&p->columns, out);
	out->text = buf_slice(&p->text.out);
	out->text_cut = p->text.cut;
	if (finish_structure(p, out) != E_OK || finish_fields(p, out) != E_OK)
		return E_LIMIT;
	out->big = out->envelope.n + out->bodystructure.n + p->kept.n > SUMMARY_BIG;
	return E_OK;
}

struct mime_parser *mime_parser_new(const struct mime_limits *limits, struct budget *budget)
{
	struct mime_parser *p = xcalloc(1, sizeof *p);

	p->limits = limits != NULL ? *limits : mime_limits_default;
	invariant(p->limits.depth <= SUMMARY_DEPTH_MAX && p->limits.depth != 0);
	invariant(p->limits.parts <= SUMMARY_PARTS_MAX && p->limits.parts != 0);
	p->budget = budget;
	budget_force(budget, sizeof *p);
	arena_init(&p->mem, budget);
	arena_init(&p->scratch, budget);
	buf_init(&p->parts, SUMMARY_PARTS_MAX * sizeof(struct mime_part), budget);
	buf_init(&p->info, SUMMARY_PARTS_MAX * sizeof(struct structure_part), budget);
	buf_init(&p->kept, SUMMARY_FIELDS_BYTES_MAX, budget);
	buf_init(&p->kept_at, SUMMARY_FIELDS_MAX * sizeof(struct kept_field), budget);
	buf_init(&p->render, SUMMARY_ENVELOPE_MAX, budget);
	buf_init(&p->field, p->limits.field_bytes, budget);
	envelope_init(&p->envelope, budget);
	columns_init(&p->columns, &p->mem, budget);
	content_init(&p->content, &p->mem, &p->scratch, budget);
	text_init(&p->text, p->limits.text_bytes, budget);
	p->kept_all = true;
	part_open(p, 0, HEADER_MESSAGE);
	return p;
}

void mime_parser_free(struct mime_parser **pp)
{
	struct mime_parser *p = *pp;

	if (p == NULL)
		return;
	arena_reset(&p->mem);
	arena_reset(&p->scratch);
	buf_fini(&p->parts);
	buf_fini(&p->info);
	buf_fini(&p->kept);
	buf_fini(&p->kept_at);
	buf_fini(&p->render);
	buf_fini(&p->field);
	envelope_fini(&p->envelope);
	columns_fini(&p->columns);
	content_fini(&p->content);
	text_fini(&p->text);
	budget_give(p->budget, sizeof *p);
	xfree(pp);
}
