/*
 * BINARY and BINARY.SIZE (RFC 3516): a section without its transfer encoding.
 *
 * A literal says its length first, and with a '~' whether there is a NUL in it, so what comes out
 * of the decoder has to be known before it can be told. Up to IMAP_GATHER_MAX it is decoded in
 * memory. A larger section is read twice: once to measure, once to be sent, a block at a time.
 *
 * Clients take large parts in partials, one after the other, and where a partial begins in the
 * stored bytes is not known without decoding all that comes before. So the session remembers the
 * place where the last one ended, and the next goes on from there: a part costs the same in pieces
 * as in one.
 */
#include "common/loop/fiber.h"
#include "frontend/imap/imap_fetch.h"
#include "frontend/imap/imap_resp.h"

/* Decoded at once; a buffer of a block has room for as much more than it needs. */
#define CHUNK 4096u

bool imap_fetch_decodable(struct imap_fetch *f, uint32_t uid)
{
	size_t left = f->items.n;

	for (size_t i = 0; f->items.nbinary != 0 && i < f->items.n; i++) {
		if (f->items.items[i].kind == IMAP_FETCH_DATA &&
		    f->spans[i].cte == MIME_CTE_OTHER) {
			f->unknown_cte = true;
			left--;
		}
	}
	return left != 0 || uid_set_has(&f->seen, uid);
}

static void put_size(struct imap_fetch *f, const struct imap_fetch_item *item, uint64_t n)
{
	imap_fetch_name(f, item->label);
	buf_put_u64(&f->im->out, n);
}

static void put_nothing(struct imap_fetch *f, const struct imap_fetch_item *item)
{
	if (item->form == IMAP_FORM_SIZE) {
		put_size(f, item, 0); /* a number is all that it can be */
		return;
	}
	imap_fetch_name(f, item->label);
	buf_puts(&f->im->out, "NIL");
}

/* nstring / literal8. Where a literal can say it, there is no need for the other. */
static void put_literal(struct imap_fetch *f, const struct imap_fetch_item *item, uint64_t n,
			bool nul)
{
	struct buf *out = &f->im->out;

	imap_fetch_name(f, item->label);
	buf_puts(out, nul ? "~{" : "{");
	buf_put_u64(out, n);
	buf_puts(out, "}\r\n");
}

static bool has_nul(slice_t s)
{
	return s.n != 0 && memchr(s.p, '\0', s.n) != NULL;
}

static void decode_into(struct buf *out, struct decode *d, slice_t in)
{
	while (in.n != 0) {
		char *to = buf_reserve(out, CHUNK);

		if (to == NULL)
			return;
		buf_commit(out, decode_feed(d, &in, to, CHUNK));
	}
}

static void decode_rest(struct buf *out, struct decode *d)
{
	char *to = buf_reserve(out, DECODE_OUT_MIN);

	if (to != NULL)
		buf_commit(out, decode_end(d, to));
}

/* All of a section that lies in memory: the item's part of it, in f->fields. */
static slice_t decode_whole(struct imap_fetch *f, const struct imap_fetch_item *item,
			    enum mime_cte cte, slice_t in)
{
	struct decode d;
	uint64_t first, n;

	decode_init(&d, cte);
	buf_reset(&f->fields);
	decode_into(&f->fields, &d, in);
	decode_rest(&f->fields, &d);
	/* The answer cannot be ended without it: with the next push the session is over. */
	if (buf_failed(&f->fields))
		f->im->out.failed = true;
	imap_clip(item, f->fields.n, &first, &n);
	return slice_sub(buf_slice(&f->fields), (size_t)first, (size_t)n);
}

void imap_fetch_binary(struct imap_fetch *f, const struct imap_fetch_item *item,
		       const struct imap_span *span, slice_t bytes, uint64_t at)
{
	slice_t part;

	if (span->nil) {
		put_nothing(f, item);
		return;
	}
	if (span->cte == MIME_CTE_OTHER)
		return;
	if (!decode_needed(span->cte) && item->form == IMAP_FORM_SIZE) {
		put_size(f, item, imap_span_size(span));
		return;
	}
	invariant(span->off == span->end || (span->off >= at && span->end - at <= bytes.n));
	part = slice_sub(bytes, (size_t)(span->off - at), (size_t)(span->end - span->off));
	if (decode_needed(span->cte))
		part = decode_whole(f, item, span->cte, part);
	if (item->form == IMAP_FORM_SIZE) {
		put_size(f, item, part.n);
		return;
	}
	put_literal(f, item, span->prefix.n + part.n, has_nul(span->prefix) || has_nul(part));
	buf_put(&f->im->out, span->prefix);
	buf_put(&f->im->out, part);
}

/* ---- in two passes ---- */

enum pass_what { PASS_MEASURE, PASS_SEND };

struct pass {
	enum pass_what what;
	struct imap_place at;
	struct imap_place start; /* the last place seen that is not beyond `from` */
	struct imap_place last;  /* before the last block */
	uint64_t from, to;       /* of what comes out this is the item's */
	uint64_t n;              /* of it, so far */
	bool nul;
};

static struct pass pass_over(struct imap_fetch *f, const struct imap_fetch_item *item,
			     const struct imap_span *span, uint32_t uid)
{
	const struct imap_place *known = f->im->sel->place;
	struct pass p = {
		.at = {.uid = uid, .off = span->off, .end = span->end, .raw = span->off},
		.to = UINT64_MAX,
	};

	decode_init(&p.at.decode, span->cte);
	/* Of what is not encoded the span is the partial already. */
	if (item->partial && decode_needed(span->cte)) {
		p.from = item->first;
		p.to = p.from + item->count;
		if (known != NULL && known->uid == uid && known->off == span->off &&
		    known->end == span->end && known->plain <= p.from)
			p.at = *known;
	}
	p.start = p.last = p.at;
	return p;
}

/* E_CLOSED: the message has vanished. */
WAITS static enum err pass_open(struct imap_fetch *f, const struct pass *p,
				const struct message_set *set, struct message_read **r,
				const struct read_head **head)
{
	enum err e = call_message_read(f->im->s.ticket, set, 0, p->at.raw, p->at.end,
				       &f->im->s.budget, r);

	if (e == E_OK)
		e = message_read_next(*r, head);
	if (e == E_OK && ((*head)->from > p->at.raw || (*head)->to < p->at.end))
		e = E_CORRUPT;
	return e;
}

/* Bytes that came out, in f->fields or where they were. */
WAITS static enum err pass_bytes(struct imap_fetch *f, struct pass *p, slice_t plain)
{
	slice_t part = imap_fetch_overlap(plain, p->at.plain, p->from, p->to);

	if (buf_failed(&f->fields))
		return E_LIMIT;
	p->at.plain += plain.n;
	p->n += part.n;
	if (p->what == PASS_SEND && part.n != 0)
		return stream_write(f->im->s.stream, part, deadline_in(IMAP_WRITE_MS));
	p->nul = p->nul || has_nul(part);
	return E_OK;
}

WAITS static enum err pass_block(struct imap_fetch *f, struct pass *p, slice_t in)
{
	buf_reset(&f->fields);
	if (!decode_needed(p->at.decode.cte))
		return pass_bytes(f, p, in);
	decode_into(&f->fields, &p->at.decode, in);
	return pass_bytes(f, p, buf_slice(&f->fields));
}

WAITS static enum err pass_end(struct imap_fetch *f, struct pass *p)
{
	buf_reset(&f->fields);
	decode_rest(&f->fields, &p->at.decode);
	return pass_bytes(f, p, buf_slice(&f->fields));
}

WAITS static enum err pass_run(struct imap_fetch *f, struct pass *p, struct message_read *r,
			       const struct read_head *head)
{
	uint64_t at = head->from;
	enum err e = E_OK;

	while (e == E_OK && at < p->at.end && p->at.plain < p->to) {
		slice_t block, part;

		e = message_read_block(r, &block);
		if (e != E_OK)
			return e == E_CLOSED ? E_CORRUPT : e;
		part = imap_fetch_overlap(block, at, p->at.raw, p->at.end);
		at += block.n;
		p->last = p->at;
		if (p->at.plain <= p->from)
			p->start = p->at;
		p->at.raw += part.n;
		e = pass_block(f, p, part);
	}
	return e == E_OK && p->at.plain < p->to ? pass_end(f, p) : e;
}

WAITS static enum err measure(struct imap_fetch *f, struct pass *p, const struct message_set *set)
{
	const struct read_head *head;
	struct message_read *r = NULL;
	enum err e = pass_open(f, p, set, &r, &head);

	if (e == E_OK)
		e = pass_run(f, p, r, head);
	message_read_free(&r);
	return e;
}

/* The bytes that were measured. The reader is open before their number is told: a message that
 * vanished since then can still be NIL. */
WAITS static enum err send_measured(struct imap_fetch *f, const struct imap_fetch_item *item,
				    const struct imap_span *span, const struct pass *measured,
				    const struct message_set *set)
{
	struct pass p = {PASS_SEND, .at = measured->start, .from = measured->from,
			 .to = measured->to};
	const struct read_head *head;
	struct message_read *r = NULL;
	enum err e = pass_open(f, &p, set, &r, &head);

	if (e == E_CLOSED) {
		put_nothing(f, item);
		e = E_OK;
	} else if (e == E_OK) {
		put_literal(f, item, span->prefix.n + measured->n,
			    measured->nul || has_nul(span->prefix));
		buf_put(&f->im->out, span->prefix);
		e = imap_push_all(f->im);
		if (e == E_OK)
			e = pass_run(f, &p, r, head);
		if (e == E_OK && p.n != measured->n)
			e = E_CORRUPT;
	}
	message_read_free(&r);
	return e;
}

static void remember(struct imap_selected *sel, const struct imap_place *place)
{
	if (sel->place == NULL)
		sel->place = arena_new(&sel->arena, struct imap_place);
	*sel->place = *place;
}

WAITS enum err imap_fetch_binary_large(struct imap_fetch *f, const struct imap_fetch_item *item,
				       const struct imap_span *span, const struct message_set *set)
{
	struct pass p = pass_over(f, item, span, set->ranges[0].first);
	enum err e = measure(f, &p, set);

	if (e == E_CLOSED) {
		put_nothing(f, item);
		return E_OK;
	}
	if (e != E_OK)
		return e;
	if (item->form == IMAP_FORM_SIZE) {
		put_size(f, item, p.n);
		return E_OK;
	}
	if (item->partial && decode_needed(span->cte))
		remember(f->im->sel, &p.last);
	return send_measured(f, item, span, &p, set);
}
