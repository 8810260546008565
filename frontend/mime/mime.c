#include "frontend/mime/mime.h"

#include "common/parse/cclass.h"
#include "frontend/mime/mime_priv.h"

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

const struct mime_limits mime_limits_sizes = {.depth = 1, .parts = 1};

/* ---- parts ---- */

/* Begins a part whose header starts at off, as a child of the top level. */
void mime_part_open(struct mime_parser *p, uint64_t off, enum mime_header kind)
{
	struct mime_part part = {.header_off = off, .body_off = off, .body_end = off};
	struct structure_part info = {.text = false};
	struct mime_level *l;

	if (p->depth != 0) {
		part.parent = mime_top(p)->part;
		mime_top(p)->children++;
	}
	invariant(p->depth < ARRAY_LEN(p->levels));
	l = &p->levels[p->depth++];
	*l = (struct mime_level){.part = (uint32_t)mime_part_count(p), .boundary = l->boundary};
	buf_put(&p->parts, slice(&part, sizeof part));
	buf_put(&p->info, slice(&info, sizeof info));
	if (buf_failed(&p->parts) || buf_failed(&p->info))
		mime_note(p, E_LIMIT);
	p->state = MIME_STATE_HEADER;
	p->header_kind = kind;
	p->header_off = off;
	p->fields = 0;
	p->gather = false;
	content_reset(&p->content);
	if (kind != MIME_HEADER_PART)
		envelope_reset(&p->envelope);
}

/* A multipart in which no part was found shows its text. */
static void make_plain(struct mime_parser *p, struct mime_level *l)
{
	struct structure_part *info = mime_info_at(p, l->part);

	mime_part_at(p, l->part)->kind = MIME_LEAF;
	info->media = SL("\"TEXT\" \"PLAIN\"");
	info->params = SL("(\"CHARSET\" \"US-ASCII\")");
	info->id = SL("NIL NIL");
	info->extension = SL("NIL NIL NIL NIL");
	info->text = true;
}

static void mime_level_undelimit(struct mime_parser *p, struct mime_level *l)
{
	if (l->delimited)
		p->delimited--;
	l->delimited = false;
}

/* The innermost part ends at `end`, with `lines` line breaks of the message before it. */
void mime_part_close(struct mime_parser *p, uint64_t end, uint64_t lines)
{
	struct mime_level *l = mime_top(p);
	struct mime_part *part = mime_part_at(p, l->part);

	part->body_end = end;
	part->lines = lines - l->lines;
	if (part->kind == MIME_LEAF)
		text_end(&p->text);
	else if (part->kind == MIME_MULTIPART && l->children == 0)
		make_plain(p, l);
	mime_level_undelimit(p, l);
	p->depth--;
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
static bool matches(const struct mime_level *l, slice_t line, bool *close_out)
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
	while (p->state == MIME_STATE_HEADER && p->err == E_OK)
		mime_header_end(p, p->off);
}

/* The parts inside of the level end before the delimiter's line, which starts at off. Its line
 * break before belongs to it, unless a header ended there. */
static void close_inside(struct mime_parser *p, unsigned level)
{
	uint64_t end = p->off - p->eol;

	while (p->depth > level && p->err == E_OK) {
		end = MAX(end, mime_part_at(p, mime_top(p)->part)->body_off);
		mime_part_close(p, end, end == p->off || p->eol == 0 ? p->lines : p->lines - 1);
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
	struct mime_level *l = &p->levels[level - 1];
	bool whole = line.p[line.n - 1] == '\n';

	end_headers(p);
	close_inside(p, level);
	if (p->err != E_OK)
		return;
	advance(p, line, whole);
	if (close || mime_part_count(p) >= p->limits.parts) {
		/* An epilogue, or no room for more parts: nobody looks at the rest. */
		mime_level_undelimit(p, l);
		p->state = MIME_STATE_BODY;
		return;
	}
	mime_part_open(p, p->off, MIME_HEADER_PART);
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
		mime_header_end(p, p->off);
		return;
	}
	if (cclass(line.p[0], CC_WSP)) {
		mime_field_add(p, line);
	} else {
		mime_field_done(p);
		mime_field_start(p, line);
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
	} else if (p->state == MIME_STATE_HEADER) {
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

	if (p->state == MIME_STATE_HEADER)
		mime_field_add(p, line);
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

	if (p->delimited == 0) {
		*lines_out = slice_count_char(s, '\n');
		return s.n;
	}
	while (i < s.n) {
		const char *lf;

		if (s.p[i] == '-' && (i + 1 == s.n || s.p[i + 1] == '-'))
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
		} else if (p->state == MIME_STATE_HEADER) {
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

void mime_close_all(struct mime_parser *p)
{
	if (p->held_n != 0 && p->err == E_OK) {
		unsigned n = p->held_n;

		p->held_n = 0;
		line_start(p, slice(p->held, n));
	}
	end_headers(p);
	while (p->depth != 0 && p->err == E_OK)
		mime_part_close(p, p->off, p->lines);
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
	buf_init(&p->kept_at, SUMMARY_FIELDS_MAX * sizeof(struct mime_kept), budget);
	buf_init(&p->render, SUMMARY_ENVELOPE_MAX, budget);
	buf_init(&p->field, p->limits.field_bytes, budget);
	envelope_init(&p->envelope, budget);
	columns_init(&p->columns, &p->mem, budget);
	content_init(&p->content, &p->mem, &p->scratch, budget);
	text_init(&p->text, p->limits.text_bytes, budget);
	p->kept_all = true;
	mime_part_open(p, 0, MIME_HEADER_MESSAGE);
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
