/* Messages one at a time: first what is known of it, then each item's bytes exactly. */
#include "frontend/imap/imap_fetch.h"
#include "frontend/imap/imap_resp.h"

/* Reads [span->off, span->end) of the record and writes the item. A message that vanished in
 * between is NIL: its answer has begun. */
WAITS static enum err one_data(struct imap_fetch *f, const struct imap_fetch_item *item,
			       const struct imap_span *span, const struct message_set *set)
{
	struct imap_span gone = {.nil = true};
	const struct read_head *head;
	struct message_read *r;
	slice_t bytes = SLICE_NONE;
	enum err e;

	if (!imap_needs_bytes(item, span)) {
		imap_fetch_data(f, item, span, SLICE_NONE, span->off);
		return E_OK;
	}
	if (item->form != IMAP_FORM_STORED && span->end - span->off > IMAP_GATHER_MAX)
		return imap_fetch_binary_large(f, item, span, set);
	e = call_message_read(f->im->s.ticket, set, 0, span->off, span->end, &f->im->s.budget, &r);
	if (e != E_OK)
		return e;
	e = message_read_next(r, &head);
	if (e == E_CLOSED) {
		imap_fetch_data(f, item, &gone, SLICE_NONE, 0);
		e = E_OK;
	} else if (e == E_OK && (head->from > span->off || head->to < span->end)) {
		e = E_CORRUPT;
	} else if (e == E_OK && span->end - span->off > IMAP_GATHER_MAX) {
		e = imap_fetch_stream(f, item, span, r, head);
	} else if (e == E_OK) {
		e = imap_fetch_gather(f, r, head, span->off, span->end, &bytes);
		if (e == E_OK)
			imap_fetch_data(f, item, span, bytes, span->off);
	}
	message_read_free(&r);
	return e;
}

WAITS static enum err one_message(struct imap_fetch *f, struct imap_fetched *m,
				  const struct message_set *set)
{
	struct diag d = {""};
	enum err e;

	if (m->size < m->layout.prefix.n)
		return E_CORRUPT;
	m->layout.size = m->size - m->layout.prefix.n;
	e = summary_parts_check(m->layout.parts, m->layout.nparts, m->layout.size, &d);
	if (e != E_OK) {
		LOG(LOG_WARN, &f->im->s.log, "imap.bad_summary", LF_STR("what", "parts"),
		    LF_UINT("uid", m->uid), LF_STR("why", d.text));
		return e;
	}
	for (size_t i = 0; i < f->items.n; i++) {
		if (f->items.items[i].kind == IMAP_FETCH_DATA)
			f->spans[i] = imap_cut(&f->items.items[i], &m->layout);
	}
	if (!imap_fetch_decodable(f, m->uid) || !imap_fetch_begin(f, m))
		return E_OK;
	for (size_t i = 0; e == E_OK && i < f->items.n; i++) {
		const struct imap_fetch_item *item = &f->items.items[i];

		if (item->kind != IMAP_FETCH_DATA)
			continue;
		/* An error from here on cannot be said inside of the answer. */
		f->in_literal = true;
		e = one_data(f, item, &f->spans[i], set);
		if (e == E_OK)
			e = imap_push(f->im);
	}
	if (e != E_OK)
		return e;
	f->in_literal = false;
	imap_fetch_end(f);
	return imap_push(f->im);
}

WAITS enum err imap_fetch_later(struct imap_fetch *f)
{
	struct message_set set = {
		.mailbox = f->im->sel->mailbox,
		.ranges = uid_set_ranges(&f->later),
		.n = uid_set_n(&f->later),
	};
	struct fetch_spec spec = {
		.columns = imap_fetch_columns(f) | MESSAGE_COL_SIZE | MESSAGE_COL_PARTS |
			   MESSAGE_COL_PREFIX,
		.known_keywords = (uint32_t)f->im->sel->nkeywords,
	};
	struct message_fetch *rows;
	struct fetch_batch b;
	enum err e = call_message_fetch(f->im->s.ticket, &set, &spec, &rows);

	if (e != E_OK)
		return e;
	while ((e = message_fetch_next(rows, &b)) == E_OK) {
		enum err told = E_OK;

		imap_learn_keywords(f->im, b.keyword_names, b.nkeyword_names);
		for (size_t i = 0; told == E_OK && i < b.n; i++) {
			struct imap_fetched m = {0};
			struct uid_range just = {b.uid[i], b.uid[i]};
			struct message_set one = {set.mailbox, &just, 1};

			imap_fetch_take_row(&m, &b, i);
			told = imap_fetch_passed(f, one_message(f, &m, &one));
		}
		if (told != E_OK) {
			message_fetch_free(&rows);
			return told;
		}
	}
	message_fetch_free(&rows);
	return e == E_CLOSED ? E_OK : e;
}
