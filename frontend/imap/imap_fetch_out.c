#include "frontend/imap/imap_fetch.h"

#include "common/loop/fiber.h"
#include "frontend/imap/imap_resp.h"
#include "frontend/mime/imaptext.h"
#include "frontend/mime/structure.h"

/* What stands for a text from the store that cannot be sent. */
#define NO_ENVELOPE  "(NIL NIL NIL NIL NIL NIL NIL NIL NIL NIL)"
#define NO_STRUCTURE "(\"APPLICATION\" \"OCTET-STREAM\" NIL NIL NIL \"BINARY\" 0 NIL NIL NIL NIL)"
#define NO_BODY      "(\"APPLICATION\" \"OCTET-STREAM\" NIL NIL NIL \"BINARY\" 0)"

void imap_fetch_name(struct imap_fetch *f, slice_t name)
{
	if (f->separate)
		buf_putc(&f->im->out, ' ');
	f->separate = true;
	buf_put(&f->im->out, name);
	buf_putc(&f->im->out, ' ');
}

/* It goes out as it came only when it cannot be anything but what it should be. */
static bool sound(struct imap_fetch *f, slice_t text, const char *what, uint32_t uid)
{
	if (imaptext_list_check(text, SUMMARY_LIST_DEPTH_MAX))
		return true;
	LOG(LOG_WARN, &f->im->s.log, "imap.bad_summary", LF_STR("what", what), LF_UINT("uid", uid));
	return false;
}

static void put_body(struct imap_fetch *f, const struct imap_fetched *m, slice_t name)
{
	struct buf *out = &f->im->out;

	imap_fetch_name(f, name);
	if (!sound(f, m->bodystructure, "bodystructure", m->uid) ||
	    !structure_to_body(m->bodystructure, out))
		buf_puts(out, NO_BODY);
}

static void put_meta(struct imap_fetch *f, const struct imap_fetch_item *item,
		     const struct imap_fetched *m)
{
	struct buf *out = &f->im->out;

	switch (item->kind) {
	case IMAP_FETCH_UID:
		imap_fetch_name(f, SL("UID"));
		buf_put_u64(out, m->uid);
		return;
	case IMAP_FETCH_FLAGS:
		imap_fetch_name(f, SL("FLAGS"));
		imap_put_flags(f->im, m->uid, m->flags, m->keywords);
		return;
	case IMAP_FETCH_DATE:
		imap_fetch_name(f, SL("INTERNALDATE"));
		imap_put_date_time(out, m->date_us);
		return;
	case IMAP_FETCH_SIZE:
		imap_fetch_name(f, SL("RFC822.SIZE"));
		buf_put_u64(out, m->size);
		return;
	case IMAP_FETCH_ENVELOPE:
		imap_fetch_name(f, SL("ENVELOPE"));
		if (sound(f, m->envelope, "envelope", m->uid))
			buf_put(out, m->envelope);
		else
			buf_puts(out, NO_ENVELOPE);
		return;
	case IMAP_FETCH_BODYSTRUCTURE:
		imap_fetch_name(f, SL("BODYSTRUCTURE"));
		if (sound(f, m->bodystructure, "bodystructure", m->uid))
			buf_put(out, m->bodystructure);
		else
			buf_puts(out, NO_STRUCTURE);
		return;
	case IMAP_FETCH_BODY:
		put_body(f, m, SL("BODY"));
		return;
	case IMAP_FETCH_DATA:
		return;
	}
}

bool imap_fetch_begin(struct imap_fetch *f, const struct imap_fetched *m)
{
	uint32_t seq = imap_view_seq(&f->im->sel->view, m->uid);
	bool flags = false;

	if (seq == 0)
		return false;
	buf_puts(&f->im->out, "* ");
	buf_put_u64(&f->im->out, seq);
	buf_puts(&f->im->out, " FETCH (");
	f->separate = false;
	for (size_t i = 0; i < f->items.n; i++) {
		flags = flags || f->items.items[i].kind == IMAP_FETCH_FLAGS;
		put_meta(f, &f->items.items[i], m);
	}
	if (!flags && uid_set_has(&f->seen, m->uid))
		put_meta(f, &(struct imap_fetch_item){.kind = IMAP_FETCH_FLAGS}, m);
	return true;
}

void imap_fetch_end(struct imap_fetch *f)
{
	buf_puts(&f->im->out, ")\r\n");
	f->told++;
}

static void put_literal(struct imap_fetch *f, const struct imap_fetch_item *item, uint64_t n)
{
	imap_fetch_name(f, item->label);
	buf_putc(&f->im->out, '{');
	buf_put_u64(&f->im->out, n);
	buf_puts(&f->im->out, "}\r\n");
}

/* What was asked for of a filtered header, with the blank line that ends it. */
static void put_fields(struct imap_fetch *f, const struct imap_fetch_item *item)
{
	uint64_t first, n;

	buf_puts(&f->fields, "\r\n");
	imap_clip(item, f->fields.n, &first, &n);
	put_literal(f, item, n);
	buf_put(&f->im->out, slice_sub(buf_slice(&f->fields), (size_t)first, (size_t)n));
}

void imap_fetch_data(struct imap_fetch *f, const struct imap_fetch_item *item,
		     const struct imap_span *span, slice_t bytes, uint64_t at)
{
	slice_t part;

	if (item->form != IMAP_FORM_STORED) {
		imap_fetch_binary(f, item, span, bytes, at);
		return;
	}
	if (span->nil) {
		imap_fetch_name(f, item->label);
		buf_puts(&f->im->out, "NIL");
		return;
	}
	invariant(span->off == span->end || (span->off >= at && span->end - at <= bytes.n));
	part = slice_sub(bytes, (size_t)(span->off - at), (size_t)(span->end - span->off));
	if (item->fields != IMAP_FIELDS_ALL) {
		buf_reset(&f->fields);
		imap_filter_header(item, span->prefix, &f->fields);
		imap_filter_header(item, part, &f->fields);
		put_fields(f, item);
		return;
	}
	put_literal(f, item, imap_span_size(span));
	buf_put(&f->im->out, span->prefix);
	buf_put(&f->im->out, part);
}

void imap_fetch_kept(struct imap_fetch *f, const struct imap_fetch_item *item,
		     const struct imap_fetched *m)
{
	buf_reset(&f->fields);
	imap_filter_header(item, m->layout.prefix, &f->fields);
	for (size_t i = 0; i < m->fields->n; i++)
		imap_filter_field(item, m->fields->raw[i], &f->fields);
	put_fields(f, item);
}

slice_t imap_fetch_overlap(slice_t block, uint64_t at, uint64_t lo, uint64_t hi)
{
	uint64_t from = MAX(at, lo), to = MIN(at + block.n, hi);

	return from < to ? slice_sub(block, (size_t)(from - at), (size_t)(to - from)) : SLICE_NONE;
}

WAITS enum err imap_fetch_stream(struct imap_fetch *f, const struct imap_fetch_item *item,
				 const struct imap_span *span, struct message_read *r,
				 const struct read_head *head)
{
	uint64_t at = head->from;
	enum err e;

	put_literal(f, item, imap_span_size(span));
	buf_put(&f->im->out, span->prefix);
	f->in_literal = true;
	e = imap_push_all(f->im);
	while (e == E_OK && at < span->end) {
		slice_t block, part;

		e = message_read_block(r, &block);
		if (e != E_OK)
			return e == E_CLOSED ? E_CORRUPT : e;
		part = imap_fetch_overlap(block, at, span->off, span->end);
		at += block.n;
		if (part.n == 0)
			continue;
		e = stream_write(f->im->s.stream, part, deadline_in(IMAP_WRITE_MS));
	}
	if (e == E_OK)
		f->in_literal = false;
	return e;
}

WAITS enum err imap_fetch_gather(struct imap_fetch *f, struct message_read *r,
				 const struct read_head *head, uint64_t lo, uint64_t hi,
				 slice_t *out)
{
	uint64_t at = head->from;

	*out = SLICE_NONE;
	buf_reset(&f->gather);
	while (at < hi) {
		slice_t block, part;
		enum err e = message_read_block(r, &block);

		if (e != E_OK)
			return e == E_CLOSED ? E_CORRUPT : e;
		part = imap_fetch_overlap(block, at, lo, hi);
		at += block.n;
		if (part.n == hi - lo) {
			/* All of it in one block: no copy. */
			*out = part;
			return E_OK;
		}
		buf_put(&f->gather, part);
		if (buf_failed(&f->gather))
			return E_LIMIT;
	}
	*out = buf_slice(&f->gather);
	return E_OK;
}
