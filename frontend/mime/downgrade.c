#include "frontend/mime/downgrade.h"

#include "common/base/utf8.h"
#include "common/parse/cclass.h"
#include "frontend/mime/ctype.h"
#include "frontend/mime/encode.h"
#include "frontend/mime/encword.h"
#include "frontend/mime/hdr.h"
#include "frontend/mime/mime.h"

/*
 * The parser's tree becomes a list of segments, one after the other: headers, bodies of leaf parts,
 * and between them the rest (preambles, delimiters, epilogues). Both later passes walk along it:
 * one looks (look_*) and decides, the other writes (write_*). A header is cut into fields; its
 * blank line counts as the last one.
 */

/* RFC 5321 section 4.5.3.1.6, without the CRLF. */
#define LINE_BYTES 998
/* Handled at once; at most four times as much is written. */
#define STEP       4096
#define CHUNK      8192

enum seg_kind { SEG_REST, SEG_HEADER, SEG_BODY };

struct seg {
	uint64_t end;
	uint32_t node;
	enum seg_kind kind;
};

enum convert { CONVERT_NO, CONVERT_QP, CONVERT_BASE64 };

struct node {
	uint32_t parent;
	enum mime_kind kind;
	enum mime_cte cte;
	bool is_message; /* its header is a message's */
	bool typed;      /* a Content-Type was seen */
	bool text, multipart;
	bool message_type; /* message/..., of those that must not be encoded */
	bool sealed;       /* multipart/signed, multipart/encrypted */
	bool has_version;  /* MIME-Version was seen */
	bool rewrite;      /* its Content-Transfer-Encoding is ours */
	enum convert convert;
	bool high, nul, overlong, bare; /* what is in its body */
};

struct downgrade {
	const struct downgrade_source *source;
	struct budget *budget;
	struct diag *diag; /* while looking */
	struct buf nodes;  /* struct node */
	struct buf segs;   /* struct seg */
	bool needed;

	/* The pass at hand. */
	size_t seg;
	uint64_t off;
	struct buf field;
	bool bol;      /* at the beginning of a line */
	size_t column; /* bytes of the line at hand */
	bool cr;       /* the last of them is a CR */

	/* While writing. */
	WAITS enum err (*write)(void *arg, slice_t bytes);
	void *write_arg;
	struct buf out;
	struct encode_qp qp;
	struct encode_b64 b64;
};

static struct node *node_at(const struct downgrade *d, size_t i)
{
	return (struct node *)(void *)d->nodes.p + i;
}

static const struct seg *seg_at(const struct downgrade *d)
{
	return (const struct seg *)(const void *)d->segs.p + d->seg;
}

static bool is_last_seg(const struct downgrade *d)
{
	return d->seg + 1 == d->segs.n / sizeof(struct seg);
}

static bool is_high(char c)
{
	return (unsigned char)c >= 0x80;
}

static enum err cannot(const struct downgrade *d, const char *why)
{
	return diag_set(d->diag, E_INVALID, "cannot be made 7-bit: %s", why);
}

/* ---- the tree ---- */

static void add_seg(struct downgrade *d, uint64_t *at, uint64_t end, uint32_t node,
		    enum seg_kind kind)
{
	struct seg s = {end, node, kind};

	if (end > *at)
		buf_put(&d->segs, slice(&s, sizeof s));
	*at = end;
}

static enum err take_tree(struct downgrade *d, const struct mime_summary *s)
{
	uint64_t at = 0;

	for (uint32_t i = 0; i < s->nparts; i++) {
		const struct mime_part *p = &s->parts[i];
		struct node n = {.parent = p->parent, .kind = p->kind, .cte = p->cte};

		n.is_message = i == 0 || s->parts[p->parent].kind == MIME_MESSAGE;
		buf_put(&d->nodes, slice(&n, sizeof n));
		add_seg(d, &at, p->header_off, i, SEG_REST);
		add_seg(d, &at, p->body_off, i, SEG_HEADER);
		if (p->kind == MIME_LEAF)
			add_seg(d, &at, p->body_end, i, SEG_BODY);
	}
	add_seg(d, &at, s->size, 0, SEG_REST);
	/* The parser did not look at all that follows. */
	if (s->nparts == SUMMARY_PARTS_MAX)
		return cannot(d, "too many parts");
	return buf_failed(&d->nodes) || buf_failed(&d->segs) ? E_LIMIT : E_OK;
}

static WAITS enum err parse(struct downgrade *d)
{
	struct mime_limits limits = mime_limits_default;
	struct mime_parser *p;
	struct mime_summary s;
	slice_t piece;
	enum err e;

	limits.text_bytes = 0;
	p = mime_parser_new(&limits, d->budget);
	while ((e = d->source->read(d->source->arg, &piece)) == E_OK)
		mime_parser_feed(p, piece);
	if (e == E_CLOSED)
		e = mime_parser_end(p, &s);
	if (e == E_OK)
		e = take_tree(d, &s);
	mime_parser_free(&p);
	return e;
}

/* ---- fields ---- */

/* Listed are fields outside of hdr_id whose grammar has a place for text nowhere, or only in parts.
 * What is not known is unstructured (RFC 5322 section 3.6.8). */
static bool is_unstructured(slice_t name)
{
	static const slice_t structured[] = {
		{"Received", 8},
		{"Return-Path", 11},
		{"DKIM-Signature", 14},
		{"Authentication-Results", 22},
		{"Disposition-Notification-To", 27},
		{"Delivered-To", 12},
		{"Auto-Submitted", 14},
		{"Keywords", 8},
		{"Autocrypt", 9},
	};
	enum hdr_id id = hdr_id(name);

	if (id != HDR_OTHER)
		return id == HDR_SUBJECT || id == HDR_CONTENT_DESCRIPTION;
	if (name.n == 0 || slice_istarts(name, SL("Resent-")) || slice_istarts(name, SL("ARC-")))
		return false;
	for (size_t i = 0; i < ARRAY_LEN(structured); i++) {
		if (slice_ieq(name, structured[i]))
			return false;
	}
	return true;
}

static bool is_blank_line(slice_t raw)
{
	return slice_eq(raw, SL("\r\n")) || slice_eq(raw, SL("\n"));
}

/* Inside of something that must not change; the container's own header may. */
static bool is_sealed(const struct downgrade *d, const struct node *n)
{
	while (n != node_at(d, 0)) {
		n = node_at(d, n->parent);
		if (n->sealed)
			return true;
	}
	return false;
}

/* ---- looking ---- */

static enum err look_type(struct downgrade *d, struct node *n, slice_t body)
{
	struct arena mem;
	struct ctype t;
	enum err e;

	if (n->typed)
		return E_OK;
	n->typed = true;
	arena_init(&mem, d->budget);
	e = ctype_parse(body, &mem, &t);
	if (e == E_OK) {
		n->text = !t.valid || slice_ieq(t.type, SL("text"));
		n->multipart = t.valid && slice_ieq(t.type, SL("multipart"));
		n->message_type = t.valid && slice_ieq(t.type, SL("message")) &&
				  !slice_istarts(t.subtype, SL("global"));
		n->sealed = n->multipart && (slice_ieq(t.subtype, SL("signed")) ||
					     slice_ieq(t.subtype, SL("encrypted")));
	}
	arena_reset(&mem);
	return e;
}

static enum err look_field(struct downgrade *d, struct node *n)
{
	slice_t raw = buf_slice(&d->field);
	slice_t name = hdr_field_name(raw);

	if (!utf8_is_ascii(raw)) {
		if (is_sealed(d, n))
			return cannot(d, "8-bit header of a signed part");
		if (raw.n > DOWNGRADE_FIELD_MAX || !is_unstructured(name))
			return cannot(d, "8-bit bytes in a structured field");
		d->needed = true;
	}
	if (slice_ieq(name, SL("MIME-Version")))
		n->has_version = true;
	if (hdr_id(name) == HDR_CONTENT_TYPE)
		return look_type(d, n, hdr_field_body(raw));
	return E_OK;
}

/* Notes 8-bit bytes, NULs, lines that are too long, and CR or LF alone. */
static void look_lines(struct downgrade *d, slice_t piece, struct node *n)
{
	for (size_t i = 0; i < piece.n; i++) {
		char c = piece.p[i];

		n->bare = n->bare || d->cr != (c == '\n');
		if (c == '\n') {
			d->column = 0;
			d->cr = false;
			continue;
		}
		d->column++;
		d->cr = c == '\r';
		/* A CR may be the line break's. */
		if (d->column > LINE_BYTES + (d->cr ? 1u : 0u))
			n->overlong = true;
		n->nul = n->nul || c == '\0';
		n->high = n->high || is_high(c);
	}
}

/* `last`: nothing follows. The server's dot would add a line break to bytes that end without. */
static enum err look_body_end(struct downgrade *d, struct node *n, bool last)
{
	bool declared = n->cte == MIME_CTE_8BIT || n->cte == MIME_CTE_BINARY;
	bool text = n->text || !n->typed;

	n->bare = n->bare || d->cr || (last && n->cte == MIME_CTE_BINARY && d->column != 0);
	d->cr = false;
	if (!n->high && !n->nul && !n->overlong && !n->bare)
		return E_OK;
	if (is_sealed(d, n))
		return cannot(d, "8-bit body of a signed part");
	if (!declared && n->cte != MIME_CTE_7BIT)
		return cannot(d, "8-bit bytes in an encoded part");
	if (n->multipart || n->message_type)
		return cannot(d, "8-bit bytes in a part that must not be encoded");
	n->convert = text && n->cte != MIME_CTE_BINARY && !n->nul && !n->bare ? CONVERT_QP
									      : CONVERT_BASE64;
	return E_OK;
}

static enum err look_piece(struct downgrade *d, slice_t piece)
{
	const struct seg *s = seg_at(d);
	struct node seen = {0};

	look_lines(d, piece, s->kind == SEG_BODY ? node_at(d, s->node) : &seen);
	if (seen.nul || seen.overlong || seen.bare)
		return cannot(d, "a NUL, or no proper lines, outside of a body");
	/* Nobody should miss a preamble; but broken mail has its text there. */
	if (seen.high && s->kind == SEG_REST)
		return cannot(d, "8-bit bytes around its parts");
	return E_OK;
}

/* Every part is known: what is to be written anew? */
static void decide(struct downgrade *d)
{
	for (size_t i = 0; i < d->nodes.n / sizeof(struct node); i++) {
		struct node *n = node_at(d, i);
		bool declared = n->cte == MIME_CTE_8BIT || n->cte == MIME_CTE_BINARY;

		n->rewrite = (declared && !is_sealed(d, n)) || n->convert != CONVERT_NO;
		d->needed = d->needed || n->rewrite;
	}
}

/* ---- writing ---- */

static WAITS enum err give(struct downgrade *d, size_t min)
{
	enum err e;

	if (buf_failed(&d->out))
		return E_LIMIT;
	if (d->out.n < min || d->out.n == 0)
		return E_OK;
	e = d->write(d->write_arg, buf_slice(&d->out));
	buf_reset(&d->out);
	return e;
}

/* Our own fields, at the end of a header. */
static void write_added(struct downgrade *d, const struct node *n)
{
	static const char *const names[] = {
		[CONVERT_NO] = "7bit",
		[CONVERT_QP] = "quoted-printable",
		[CONVERT_BASE64] = "base64",
	};

	if (!n->rewrite)
		return;
	if (n->is_message && !n->has_version)
		buf_puts(&d->out, "MIME-Version: 1.0\r\n");
	buf_printf(&d->out, "Content-Transfer-Encoding: %s\r\n", names[n->convert]);
}

static void write_words(struct downgrade *d, slice_t raw)
{
	slice_t name = hdr_field_name(raw);
	struct buf value, text;

	buf_init(&value, DOWNGRADE_FIELD_MAX, d->budget);
	buf_init(&text, (size_t)4 * DOWNGRADE_FIELD_MAX, d->budget);
	hdr_unfold(&value, hdr_field_body(raw));
	(void)encword_decode(buf_slice(&value), &text, text.max);
	buf_put(&d->out, name);
	buf_puts(&d->out, ": ");
	encode_words(&d->out, buf_slice(&text), name.n + 2);
	buf_puts(&d->out, "\r\n");
	if (buf_failed(&value) || buf_failed(&text))
		d->out.failed = true;
	buf_fini(&value);
	buf_fini(&text);
}

static WAITS enum err write_field(struct downgrade *d, struct node *n)
{
	slice_t raw = buf_slice(&d->field);

	if (is_blank_line(raw))
		write_added(d, n);
	if (n->rewrite && hdr_id(hdr_field_name(raw)) == HDR_CONTENT_TRANSFER_ENCODING)
		return E_OK;
	if (!utf8_is_ascii(raw))
		write_words(d, raw);
	else
		buf_put(&d->out, raw);
	return give(d, CHUNK);
}

static void write_piece(struct downgrade *d, slice_t piece)
{
	const struct seg *s = seg_at(d);
	enum convert convert = s->kind == SEG_BODY ? node_at(d, s->node)->convert : CONVERT_NO;

	switch (convert) {
	case CONVERT_QP:
		encode_qp_put(&d->qp, &d->out, piece);
		break;
	case CONVERT_BASE64:
		encode_b64_put(&d->b64, &d->out, piece);
		break;
	case CONVERT_NO:
		buf_put(&d->out, piece);
		break;
	}
}

/* ---- both ---- */

static WAITS enum err field_done(struct downgrade *d)
{
	struct node *n = node_at(d, seg_at(d)->node);
	enum err e = E_OK;

	if (d->field.n != 0)
		e = d->write != NULL ? write_field(d, n) : look_field(d, n);
	buf_reset(&d->field);
	return e;
}

static WAITS enum err header_piece(struct downgrade *d, slice_t piece)
{
	while (piece.n != 0) {
		size_t n = slice_find_char(piece, '\n');
		slice_t line = slice_sub(piece, 0, n + 1);
		enum err e = E_OK;

		if (d->bol && !cclass(piece.p[0], CC_WSP))
			e = field_done(d);
		if (e != E_OK)
			return e;
		if (line.n > MIME_FIELD_MAX - d->field.n)
			return d->write != NULL ? E_CORRUPT : cannot(d, "a field is too long");
		buf_put(&d->field, line);
		if (buf_failed(&d->field))
			return E_LIMIT;
		d->bol = n < piece.n;
		piece = slice_from(piece, line.n);
	}
	return E_OK;
}

/* The last byte of a segment was dealt with. */
static WAITS enum err seg_done(struct downgrade *d)
{
	const struct seg *s = seg_at(d);
	enum err e = E_OK;

	if (s->kind == SEG_HEADER)
		e = field_done(d);
	if (s->kind == SEG_BODY && d->write == NULL)
		e = look_body_end(d, node_at(d, s->node), is_last_seg(d));
	else if (e == E_OK && d->write == NULL && d->cr)
		e = cannot(d, "a CR alone, outside of a body");
	if (d->write != NULL) {
		encode_qp_end(&d->qp, &d->out);
		encode_b64_end(&d->b64, &d->out);
	}
	d->bol = true;
	d->seg++;
	return e;
}

static WAITS enum err walk_piece(struct downgrade *d, slice_t piece)
{
	enum err e = E_OK;

	if (d->write == NULL)
		e = look_piece(d, piece);
	if (e == E_OK && seg_at(d)->kind == SEG_HEADER)
		e = header_piece(d, piece);
	else if (e == E_OK && d->write != NULL)
		write_piece(d, piece);
	if (e != E_OK)
		return e;
	d->off += piece.n;
	if (d->off == seg_at(d)->end)
		e = seg_done(d);
	return e == E_OK && d->write != NULL ? give(d, CHUNK) : e;
}

/* One pass over the segments. */
static WAITS enum err walk(struct downgrade *d)
{
	size_t nsegs = d->segs.n / sizeof(struct seg);
	slice_t in;
	enum err e;

	d->seg = d->off = d->column = 0;
	d->bol = true;
	d->cr = false;
	buf_reset(&d->field);
	e = d->source->restart(d->source->arg);
	while (e == E_OK && (e = d->source->read(d->source->arg, &in)) == E_OK) {
		while (in.n != 0 && e == E_OK) {
			slice_t piece;

			if (d->seg == nsegs)
				return E_CORRUPT;
			piece = slice_sub(in, 0, (size_t)MIN(seg_at(d)->end - d->off, STEP));
			in = slice_from(in, piece.n);
			e = walk_piece(d, piece);
		}
	}
	if (e != E_CLOSED)
		return e;
	return d->seg == nsegs ? E_OK : E_CORRUPT;
}

WAITS enum err downgrade_new(const struct downgrade_source *source, struct budget *budget,
			     struct downgrade **out, struct diag *diag)
{
	struct downgrade *d = xcalloc(1, sizeof *d);
	enum err e;

	d->source = source;
	d->budget = budget;
	d->diag = diag;
	buf_init(&d->nodes, SUMMARY_PARTS_MAX * sizeof(struct node), budget);
	buf_init(&d->segs, (3 * SUMMARY_PARTS_MAX + 1) * sizeof(struct seg), budget);
	buf_init(&d->field, MIME_FIELD_MAX, budget);
	buf_init(&d->out, DOWNGRADE_CHUNK_MAX, budget);
	e = parse(d);
	if (e == E_OK)
		e = walk(d);
	if (e == E_OK)
		decide(d);
	else
		downgrade_free(&d);
	*out = d;
	return e;
}

void downgrade_free(struct downgrade **d)
{
	if (*d == NULL)
		return;
	buf_fini(&(*d)->nodes);
	buf_fini(&(*d)->segs);
	buf_fini(&(*d)->field);
	buf_fini(&(*d)->out);
	xfree(d);
}

bool downgrade_is_needed(const struct downgrade *d)
{
	return d->needed;
}

WAITS enum err downgrade_write(struct downgrade *d,
			       WAITS enum err (*write)(void *arg, slice_t bytes), void *arg)
{
	enum err e;

	d->write = write;
	d->write_arg = arg;
	buf_reset(&d->out);
	encode_qp_init(&d->qp);
	encode_b64_init(&d->b64);
	e = walk(d);
	return e == E_OK ? give(d, 0) : e;
}
