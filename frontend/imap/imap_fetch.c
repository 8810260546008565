#include "frontend/imap/imap_fetch.h"

#include "common/loop/fiber.h"
#include "frontend/imap/imap_resp.h"
#include "frontend/imap/imap_seq.h"

/* ---- plan ---- */

uint32_t imap_fetch_columns(const struct imap_fetch *f)
{
	static const uint32_t of_kind[] = {
		[IMAP_FETCH_UID] = 0,
		[IMAP_FETCH_FLAGS] = MESSAGE_COL_FLAGS,
		[IMAP_FETCH_DATE] = MESSAGE_COL_DATE,
		[IMAP_FETCH_SIZE] = MESSAGE_COL_SIZE,
		[IMAP_FETCH_ENVELOPE] = MESSAGE_COL_ENVELOPE,
		[IMAP_FETCH_BODY] = MESSAGE_COL_BODYSTRUCTURE,
		[IMAP_FETCH_BODYSTRUCTURE] = MESSAGE_COL_BODYSTRUCTURE,
		[IMAP_FETCH_DATA] = 0,
	};
	uint32_t columns = uid_set_n(&f->seen) != 0 ? MESSAGE_COL_FLAGS : 0;

	for (size_t i = 0; i < f->items.n; i++)
		columns |= of_kind[f->items.items[i].kind];
	return columns;
}

/* Columns that come with the bytes. */
#define WITH_BYTES (MESSAGE_COL_FLAGS | MESSAGE_COL_SIZE | MESSAGE_COL_DATE | MESSAGE_COL_PARTS)

static void plan_bytes(struct imap_fetch *f)
{
	uint64_t from = UINT64_MAX, to = 0;

	f->read = true;
	for (size_t i = 0; i < f->items.n; i++) {
		const struct imap_fetch_item *item = &f->items.items[i];
		uint64_t a, b;

		if (item->kind != IMAP_FETCH_DATA)
			continue;
		imap_guess(item, &a, &b);
		from = MIN(from, a);
		to = MAX(to, b);
		f->parts = f->parts || imap_needs_parts(item);
	}
	f->from = from;
	f->to = to == UINT64_MAX ? 0 : to;
}

static void plan(struct imap_fetch *f)
{
	uint32_t columns = imap_fetch_columns(f);
	uint64_t mask = 0;
	bool kept = f->items.ndata != 0;

	for (size_t i = 0; kept && i < f->items.n; i++) {
		if (f->items.items[i].kind == IMAP_FETCH_DATA)
			kept = imap_fields_kept(&f->items.items[i], &mask);
	}
	f->spec.known_keywords = (uint32_t)f->im->sel->nkeywords;
	if (kept) {
		f->spec.columns = columns | MESSAGE_COL_FIELDS | MESSAGE_COL_PREFIX;
		f->spec.fields_mask = mask;
	} else if (f->items.ndata != 0) {
		plan_bytes(f);
		f->spec.columns = (columns & ~(uint32_t)WITH_BYTES) != 0 ? columns : 0;
	} else {
		/* UID alone: the flags' column is the cheapest that says what is there. */
		f->spec.columns = columns != 0 ? columns : MESSAGE_COL_FLAGS;
	}
}

/* ---- \Seen ---- */

WAITS static enum err store_seen_part(struct imap_fetch *f, const struct message_set *set)
{
	struct imap_selected *sel = f->im->sel;
	struct store_spec spec = {
		.mode = STORE_ADD,
		.flags = MESSAGE_SEEN,
		.known_keywords = (uint32_t)sel->nkeywords,
	};
	struct message_store *s;
	struct store_info info;
	struct fetch_batch b;
	enum err e = call_message_store(f->im->s.ticket, set, &spec, &s, &info, NULL);

	if (e != E_OK)
		return e;
	imap_own(sel, info.modseq);
	imap_learn_keywords(f->im, info.keywords, info.nkeywords);
	while ((e = message_store_next(s, &b)) == E_OK) {
		if (info.nkeywords == 0)
			imap_learn_keywords(f->im, b.keyword_names, b.nkeyword_names);
		for (size_t i = 0; e == E_OK && i < b.n; i++) {
			if (info.modseq != 0 && b.modseq[i] == info.modseq)
				e = uid_set_add(&f->seen, b.uid[i], b.uid[i]);
		}
		if (e != E_OK)
			break;
	}
	message_store_free(&s);
	return e == E_CLOSED ? E_OK : e;
}

/* Sets \Seen where it is missing, before anything is read (RFC 3501 section 6.4.5, BODY[]). */
WAITS static enum err store_seen(struct imap_fetch *f)
{
	struct imap_selected *sel = f->im->sel;
	struct imap_portions p = {.seqs = uid_set_ranges(&f->seqs), .n = uid_set_n(&f->seqs)};
	struct uid_set uids;
	enum err e = E_OK;

	if (!f->items.sets_seen || sel->mode == MAILBOX_READ_ONLY)
		return E_OK;
	uid_set_init(&uids, &f->im->s.budget);
	while (e == E_OK && imap_view_portion(&sel->view, &p, MESSAGE_STORE_MAX, &uids)) {
		struct message_set set = {sel->mailbox, uid_set_ranges(&uids), uid_set_n(&uids)};

		e = store_seen_part(f, &set);
	}
	uid_set_fini(&uids);
	return e == E_OK ? p.err : e;
}

/* ---- the streams ---- */

void imap_fetch_take_row(struct imap_fetched *m, const struct fetch_batch *b, size_t i)
{
	m->uid = b->uid[i];
	if (b->flags != NULL) {
		m->flags = b->flags[i];
		m->keywords = b->keywords[i];
		m->modseq = b->modseq[i];
	}
	if (b->size != NULL)
		m->size = b->size[i];
	if (b->date_us != NULL)
		m->date_us = b->date_us[i];
	if (b->envelope != NULL)
		m->envelope = b->envelope[i];
	if (b->bodystructure != NULL)
		m->bodystructure = b->bodystructure[i];
	if (b->prefix != NULL)
		m->layout.prefix = b->prefix[i];
	if (b->fields != NULL)
		m->fields = &b->fields[i];
	if (b->parts != NULL) {
		m->layout.parts = b->parts[i].parts;
		m->layout.nparts = b->parts[i].n;
	}
}

static void take_head(struct imap_fetched *m, const struct read_head *h)
{
	m->uid = h->uid;
	m->flags = h->flags;
	m->keywords = h->keywords;
	m->modseq = h->modseq;
	m->date_us = h->date_us;
	m->size = h->prefix.n + h->plain_size;
	m->layout = (struct imap_layout){h->prefix, h->plain_size, h->parts, h->nparts};
}

/* Columns alone. */
WAITS static enum err tell_columns(struct imap_fetch *f, struct message_fetch *rows)
{
	struct fetch_batch b;
	enum err e;

	while ((e = message_fetch_next(rows, &b)) == E_OK) {
		imap_learn_keywords(f->im, b.keyword_names, b.nkeyword_names);
		for (size_t i = 0; i < b.n; i++) {
			struct imap_fetched m = {0};

			imap_fetch_take_row(&m, &b, i);
			if (m.fields != NULL && !m.fields->complete) {
				e = uid_set_add(&f->later, m.uid, m.uid);
				if (e != E_OK)
					return e;
				continue;
			}
			if (!imap_fetch_begin(f, &m))
				continue;
			for (size_t k = 0; m.fields != NULL && k < f->items.n; k++) {
				if (f->items.items[k].kind == IMAP_FETCH_DATA)
					imap_fetch_kept(f, &f->items.items[k], &m);
			}
			imap_fetch_end(f);
			e = imap_push(f->im);
			if (e != E_OK)
				return e;
		}
	}
	return e == E_CLOSED ? E_OK : e;
}

/* Cuts the message's items; [*lo, *hi) of its record hold them all. E_LIMIT: it is one for later:
 * too large for more than one item or to be decoded, or the guess was wrong. */
static enum err cut_all(struct imap_fetch *f, const struct imap_fetched *m,
			const struct read_head *head, uint64_t *lo, uint64_t *hi)
{
	struct diag d;

	*lo = UINT64_MAX;
	*hi = 0;
	if (f->parts &&
	    summary_parts_check(m->layout.parts, m->layout.nparts, m->layout.size, &d) != E_OK) {
		LOG(LOG_WARN, &f->im->s.log, "imap.bad_summary", LF_STR("what", "parts"),
		    LF_UINT("uid", m->uid), LF_STR("why", d.text));
		return E_CORRUPT;
	}
	for (size_t i = 0; i < f->items.n; i++) {
		if (f->items.items[i].kind != IMAP_FETCH_DATA)
			continue;
		f->spans[i] = imap_cut(&f->items.items[i], &m->layout);
		if (imap_needs_bytes(&f->items.items[i], &f->spans[i])) {
			*lo = MIN(*lo, f->spans[i].off);
			*hi = MAX(*hi, f->spans[i].end);
		}
	}
	if (*hi == 0)
		*lo = 0;
	if (*hi != 0 && (*lo < head->from || *hi > head->to))
		return E_LIMIT;
	if (*hi - *lo > IMAP_GATHER_MAX && (f->items.ndata != 1 || f->items.nbinary != 0))
		return E_LIMIT;
	return E_OK;
}

WAITS static enum err tell_message(struct imap_fetch *f, const struct imap_fetched *m,
				   struct message_read *r, const struct read_head *head)
{
	uint64_t lo, hi;
	slice_t bytes = SLICE_NONE;
	enum err e = cut_all(f, m, head, &lo, &hi);
	bool stream;

	if (e == E_LIMIT)
		return uid_set_add(&f->later, m->uid, m->uid);
	if (e != E_OK || !imap_fetch_decodable(f, m->uid))
		return e;
	stream = hi - lo > IMAP_GATHER_MAX;
	if (!stream)
		e = imap_fetch_gather(f, r, head, lo, hi, &bytes);
	if (e != E_OK || !imap_fetch_begin(f, m))
		return e;
	for (size_t i = 0; e == E_OK && i < f->items.n; i++) {
		const struct imap_fetch_item *item = &f->items.items[i];

		if (item->kind != IMAP_FETCH_DATA)
			continue;
		if (stream) {
			e = imap_fetch_stream(f, item, &f->spans[i], r, head);
			continue;
		}
		imap_fetch_data(f, item, &f->spans[i], bytes, lo);
		/* The same bytes may have been asked for many times; what was decoded has taken its
		 * time, even if little comes of it. */
		e = imap_push(f->im);
		if (decode_needed(f->spans[i].cte))
			fiber_yield();
	}
	if (e != E_OK)
		return e;
	imap_fetch_end(f);
	return imap_push(f->im);
}

enum err imap_fetch_passed(struct imap_fetch *f, enum err e)
{
	if (e != E_CORRUPT || f->in_literal)
		return e;
	f->corrupt = true;
	return E_OK;
}

/* The row of a UID; rows before it are of messages that are gone. E_NOT_FOUND: there is none. */
WAITS static enum err find_row(struct imap_fetch *f, struct message_fetch *rows,
			       struct fetch_batch *b, size_t *i, uint32_t uid)
{
	for (;;) {
		enum err e;

		while (*i < b->n && b->uid[*i] < uid)
			(*i)++;
		if (*i < b->n)
			return b->uid[*i] == uid ? E_OK : E_NOT_FOUND;
		e = message_fetch_next(rows, b);
		*i = 0;
		if (e != E_OK) {
			b->n = 0;
			return e == E_CLOSED ? E_NOT_FOUND : e;
		}
		imap_learn_keywords(f->im, b->keyword_names, b->nkeyword_names);
	}
}

/* Bytes, with columns beside them if rows is not NULL. */
WAITS static enum err tell_bytes(struct imap_fetch *f, struct message_read *r,
				 struct message_fetch *rows)
{
	struct fetch_batch b = {0};
	const struct read_head *head;
	size_t i = 0;
	enum err e;

	while ((e = message_read_next(r, &head)) == E_OK) {
		struct imap_fetched m = {0};

		if (rows != NULL) {
			e = find_row(f, rows, &b, &i, head->uid);
			if (e == E_NOT_FOUND)
				continue;
			if (e != E_OK)
				return e;
		}
		take_head(&m, head);
		if (rows != NULL)
			imap_fetch_take_row(&m, &b, i);
		e = imap_fetch_passed(f, tell_message(f, &m, r, head));
		if (e != E_OK)
			return e;
	}
	return e == E_CLOSED ? E_OK : e;
}

WAITS static enum err tell_all(struct imap_fetch *f)
{
	struct message_set set = {
		.mailbox = f->im->sel->mailbox,
		.ranges = uid_set_ranges(&f->uids),
		.n = uid_set_n(&f->uids),
	};
	uint32_t columns =
		(imap_fetch_columns(f) & WITH_BYTES) | (f->parts ? MESSAGE_COL_PARTS : 0);
	struct message_fetch *rows = NULL;
	struct message_read *r = NULL;
	enum err e = E_OK;

	if (f->spec.columns != 0)
		e = call_message_fetch(f->im->s.ticket, &set, &f->spec, &rows);
	if (e == E_OK && f->read)
		e = call_message_read(f->im->s.ticket, &set, columns, f->from, f->to,
				      &f->im->s.budget, &r);
	if (e == E_OK)
		e = f->read ? tell_bytes(f, r, rows) : tell_columns(f, rows);
	message_fetch_free(&rows);
	message_read_free(&r);
	return e;
}

/* ---- the command ---- */

/* What is known without the bytes may save reading them. */
static bool wants_parts(const struct imap_fetch *f)
{
	for (size_t i = 0; i < f->items.n; i++) {
		if (f->items.items[i].npath != 0 || f->items.items[i].form == IMAP_FORM_SIZE)
			return true;
	}
	return false;
}

WAITS static enum err tell(struct imap_fetch *f, uint64_t count)
{
	enum err e = store_seen(f);

	if (e != E_OK)
		return e;
	plan(f);
	if (f->read && wants_parts(f) && count <= IMAP_ONE_MAX) {
		for (size_t i = 0; e == E_OK && i < uid_set_n(&f->uids); i++)
			e = uid_set_add(&f->later, uid_set_ranges(&f->uids)[i].first,
					uid_set_ranges(&f->uids)[i].last);
	} else {
		e = tell_all(f);
	}
	return e == E_OK && uid_set_n(&f->later) != 0 ? imap_fetch_later(f) : e;
}

/* How it ended. In the middle of a literal nothing can be said any more. */
static enum err answer(struct imap_fetch *f, enum err e, uint64_t count)
{
	if (e != E_OK && f->in_literal) {
		session_ends(&f->im->s, "a message could not be read to its end");
		return E_CLOSED;
	}
	if (e == E_OK && f->corrupt)
		e = E_CORRUPT;
	if (e == E_OK && f->unknown_cte)
		return imap_no(f->c, "UNKNOWN-CTE", "A part is in an encoding that is not known");
	if (e != E_OK)
		return imap_fail(f->im, f->c, e, NULL);
	/* Numbers still name what is gone until the client is told of it (RFC 2180 section 4.1). */
	if (!f->c->uid && f->told < count)
		return imap_no(f->c, "EXPUNGEISSUED", "Some of the messages are gone");
	return imap_ok(f->c, "Done");
}

WAITS static enum err fetch(struct imap_fetch *f, const struct imap_seq *seq)
{
	struct imap *im = f->im;
	uint64_t count = 0;
	enum err e;

	e = imap_seq_resolve(seq, f->c->uid ? IMAP_NUMBERS_UID : IMAP_NUMBERS_SEQ, &im->sel->view,
			     &f->seqs);
	if (e == E_OK) {
		count = uid_set_count(&f->seqs);
		e = imap_view_to_uids(&im->sel->view, uid_set_ranges(&f->seqs), uid_set_n(&f->seqs),
				      &f->uids);
	}
	if (e == E_INVALID)
		return imap_bad(f->c, "No such message");
	if (e == E_OK && count != 0)
		e = tell(f, count);
	return answer(f, e, count);
}

WAITS enum err imap_run_fetch(struct session *s, slice_t args UNUSED, void *arg)
{
	struct imap *im = imap_of(s);
	struct imap_cmd *c = arg;
	struct imap_fetch f = {.im = im, .c = c};
	struct imap_seq seq;
	enum err e;

	if (!imap_seq_parse(&c->args, &seq) || !imap_sp(&c->args) ||
	    !imap_fetch_parse(&c->args, c->uid ? IMAP_FETCH_WITH_UID : IMAP_FETCH_NO_UID,
			      &f.items) ||
	    !imap_end(&c->args))
		return imap_bad(c, "Messages and items expected");
	f.spans = arena_alloc(&im->arena, f.items.n * sizeof *f.spans);
	uid_set_init(&f.seqs, &s->budget);
	uid_set_init(&f.uids, &s->budget);
	uid_set_init(&f.seen, &s->budget);
	uid_set_init(&f.later, &s->budget);
	buf_init(&f.gather, IMAP_GATHER_MAX + IMAP_HEADER_MAX, &s->budget);
	buf_init(&f.fields, IMAP_HEADER_MAX + 2 * MESSAGE_PREFIX_MAX, &s->budget);
	e = fetch(&f, &seq);
	uid_set_fini(&f.seqs);
	uid_set_fini(&f.uids);
	uid_set_fini(&f.seen);
	uid_set_fini(&f.later);
	buf_fini(&f.gather);
	buf_fini(&f.fields);
	return e;
}
