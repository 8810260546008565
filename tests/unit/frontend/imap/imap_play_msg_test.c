/* The played messages. */
#include <stdio.h>

#include "common/base/fold.h"
#include "common/loop/fiber.h"
#include "common/record/record.h"
#include "frontend/mime/hdr.h"
#include "frontend/record/record_read.h"
#include "tests/unit/frontend/imap/imap_lib.h"

static struct played_box *by_id(uint64_t id)
{
	for (size_t i = 0; i < PLAYED_BOXES; i++) {
		if (played.boxes[i].used && played.boxes[i].id == id)
			return &played.boxes[i];
	}
	return NULL;
}

/* What a call about this mailbox answers before anything else. */
static enum err state(const struct played_box *b)
{
	enum err e = played.fail;

	if (played.no_ticket)
		return E_NO_TICKET;
	if (played.away)
		return E_RETRY;
	played.fail = E_OK;
	return e != E_OK ? e : b == NULL ? E_NOT_FOUND : E_OK;
}

struct played_message *played_find(struct played_box *b, uint32_t uid)
{
	for (size_t i = 0; i < b->nmsgs; i++) {
		if (b->msgs[i].uid == uid && !b->msgs[i].gone)
			return &b->msgs[i];
	}
	return NULL;
}

struct played_message *played_add_bytes(struct played_box *b, slice_t body)
{
	struct played_message *m = &b->msgs[b->nmsgs++];

	invariant(b->nmsgs <= PLAYED_MESSAGES);
	memset(m, 0, sizeof *m);
	m->uid = b->uidnext++;
	m->modseq = b->highest = ++played.modseq;
	m->date_us = 1000000000000000 + m->uid * 1000000;
	buf_init(&m->prefix, 1 << 16, NULL);
	buf_init(&m->body, 16u << 20, NULL);
	buf_puts(&m->prefix, "Return-Path: <s@x>\r\n");
	buf_put(&m->body, body);
	m->mime = mime_parser_new(NULL, NULL);
	mime_parser_feed(m->mime, body);
	CHECK_ERR(mime_parser_end(m->mime, &m->summary), E_OK);
	played_wake(b);
	return m;
}

struct played_message *played_add(const char *path, const char *body)
{
	return played_add_bytes(played_box(path), slice_str(body));
}

static void touch(struct played_box *b, struct played_message *m)
{
	m->modseq = b->highest = ++played.modseq;
	played_wake(b);
}

void played_flag(const char *path, uint32_t uid, uint32_t flags)
{
	struct played_box *b = played_box(path);
	struct played_message *m = played_find(b, uid);

	invariant(m != NULL);
	m->flags = flags;
	touch(b, m);
}

void played_vanish_unheard(const char *path, uint32_t uid)
{
	struct played_box *b = played_box(path);
	struct played_message *m = played_find(b, uid);

	invariant(m != NULL);
	m->gone = true;
	m->modseq = b->highest = ++played.modseq;
	b->unheard = true;
}

void played_vanish(const char *path, uint32_t uid)
{
	played_vanish_unheard(path, uid);
	played_wake(played_box(path));
}

static bool in_set(const struct message_set *s, uint32_t uid)
{
	size_t i = uid_set_find(s->ranges, s->n, uid);

	return i < s->n && s->ranges[i].first <= uid;
}

static bool in_ranges(const struct uid_range *r, size_t n, uint32_t uid)
{
	size_t i = uid_set_find(r, n, uid);

	return i < n && r[i].first <= uid;
}

/* ---- columns: a message a batch, so that batches are seen to join ---- */

struct message_fetch {
	struct played_box *box;
	struct message_set set;
	struct fetch_spec spec;
	size_t at;
	struct arena arena;
	slice_t names[PLAYED_KEYWORDS];
	bool named;
};

WAITS enum err call_message_fetch(struct ticket *t UNUSED, const struct message_set *set,
				  const struct fetch_spec *spec, struct message_fetch **out)
{
	struct played_box *b = by_id(set->mailbox);
	enum err e = state(b);

	*out = NULL;
	played.fetches++;
	if (e != E_OK)
		return e;
	*out = xcalloc(1, sizeof **out);
	(*out)->box = b;
	(*out)->set = *set;
	(*out)->spec = *spec;
	arena_init(&(*out)->arena, NULL);
	return E_OK;
}

#define ONE(type, v) (memcpy(arena_alloc(a, sizeof(type)), &(type){v}, sizeof(type)))

static void put_big_columns(struct message_fetch *f, const struct played_message *m,
			    struct fetch_batch *out)
{
	struct arena *a = &f->arena;
	uint32_t c = f->spec.columns;

	if (c & MESSAGE_COL_FIELDS) {
		struct fetch_fields *ff = arena_new(a, struct fetch_fields);
		slice_t *raw = arena_alloc(a, (m->summary.nfields + 1) * sizeof *raw);

		for (size_t i = 0; i < m->summary.nfields; i++) {
			enum hdr_id id = hdr_id(m->summary.fields[i].name);

			if (f->spec.fields_mask & (uint64_t)1 << id)
				raw[ff->n++] = m->summary.fields[i].raw;
		}
		ff->raw = raw;
		ff->complete = m->summary.fields_complete && !m->fields_cut;
		if (!ff->complete)
			ff->n = 0;
		out->fields = ff;
	}
	if (c & MESSAGE_COL_PARTS) {
		struct fetch_parts *p = arena_new(a, struct fetch_parts);

		p->parts = m->summary.parts;
		p->n = m->summary.nparts;
		out->parts = p;
	}
}

static void put_row(struct message_fetch *f, const struct played_message *m,
		    struct fetch_batch *out)
{
	struct arena *a = &f->arena;
	uint32_t c = f->spec.columns;

	*out = (struct fetch_batch){.n = 1, .uid = ONE(uint32_t, m->uid)};
	if (c & MESSAGE_COL_FLAGS) {
		out->flags = ONE(uint32_t, m->flags);
		out->keywords = ONE(uint64_t, m->keywords);
		out->modseq = ONE(uint64_t, m->modseq);
	}
	if (c & MESSAGE_COL_SIZE)
		out->size = ONE(uint64_t, m->prefix.n + m->body.n);
	if (c & MESSAGE_COL_DATE)
		out->date_us = ONE(int64_t, m->date_us);
	if (c & MESSAGE_COL_ENVELOPE)
		out->envelope = &m->summary.envelope;
	if (c & MESSAGE_COL_BODYSTRUCTURE)
		out->bodystructure = &m->summary.bodystructure;
	if (c & MESSAGE_COL_PREFIX) {
		slice_t *prefix = arena_alloc(a, sizeof *prefix);

		*prefix = buf_slice(&m->prefix);
		out->prefix = prefix;
	}
	put_big_columns(f, m, out);
}

WAITS enum err message_fetch_next(struct message_fetch *f, struct fetch_batch *out)
{
	fiber_yield();
	arena_reset(&f->arena);
	while (f->at < f->box->nmsgs) {
		struct played_message *m = &f->box->msgs[f->at++];

		if (m->gone || !in_set(&f->set, m->uid) || m->modseq <= f->spec.changed_since)
			continue;
		put_row(f, m, out);
		if (!f->named && f->box->nkeywords > f->spec.known_keywords) {
			for (size_t i = 0; i < f->box->nkeywords; i++)
				f->names[i] = slice_str(f->box->keywords[i]);
			out->keyword_names = f->names + f->spec.known_keywords;
			out->nkeyword_names = f->box->nkeywords - f->spec.known_keywords;
		}
		f->named = true;
		return E_OK;
	}
	return E_CLOSED;
}

void message_fetch_free(struct message_fetch **f)
{
	if (*f == NULL)
		return;
	arena_reset(&(*f)->arena);
	xfree(f);
}

/* ---- bytes ---- */

struct message_read {
	struct played_box *box;
	struct message_set set;
	uint64_t from, to;
	size_t at;
	struct played_message *m;
	uint64_t next;
	struct read_head head;
};

WAITS enum err call_message_read(struct ticket *t UNUSED, const struct message_set *set,
				 uint32_t columns UNUSED, uint64_t from, uint64_t to,
				 struct budget *budget UNUSED, struct message_read **out)
{
	struct played_box *b = by_id(set->mailbox);
	enum err e = state(b);

	*out = NULL;
	played.reads++;
	played.read_from = from;
	played.read_to = to;
	for (size_t i = 0; played.reads == played.vanish_at && b != NULL && i < b->nmsgs; i++) {
		if (!b->msgs[i].gone)
			played_vanish(b->path, b->msgs[i].uid);
	}
	if (e != E_OK)
		return e;
	*out = xcalloc(1, sizeof **out);
	(*out)->box = b;
	(*out)->set = *set;
	(*out)->from = from;
	(*out)->to = to != 0 ? to : UINT64_MAX;
	return E_OK;
}

WAITS enum err message_read_next(struct message_read *r, const struct read_head **out)
{
	fiber_yield();
	while (r->at < r->box->nmsgs) {
		struct played_message *m = &r->box->msgs[r->at++];
		uint64_t to = MIN(r->to, (uint64_t)m->body.n);

		if (m->gone || !in_set(&r->set, m->uid))
			continue;
		r->m = m;
		r->head = (struct read_head){
			.uid = m->uid,
			.prefix = buf_slice(&m->prefix),
			.plain_size = m->body.n,
			.flags = m->flags,
			.keywords = m->keywords,
			.modseq = m->modseq,
			.date_us = m->date_us,
			.parts = m->summary.parts,
			.nparts = m->summary.nparts,
		};
		if (r->from < to) {
			r->head.from = r->from / RECORD_BLOCK * RECORD_BLOCK;
			r->head.to = MIN((to + RECORD_BLOCK - 1) / RECORD_BLOCK * RECORD_BLOCK,
					 (uint64_t)m->body.n);
		}
		r->next = r->head.from;
		*out = &r->head;
		return E_OK;
	}
	return E_CLOSED;
}

WAITS enum err message_read_block(struct message_read *r, slice_t *plain_out)
{
	fiber_yield();
	if (r->next >= r->head.to)
		return E_CLOSED;
	if (played.away)
		return E_RETRY;
	*plain_out = slice_sub(buf_slice(&r->m->body), (size_t)r->next, RECORD_BLOCK);
	r->next += plain_out->n;
	played.blocks++;
	return E_OK;
}

void message_read_free(struct message_read **r)
{
	xfree(r);
}

/* ---- store ---- */

struct message_store {
	struct message_fetch rows;
	struct uid_set refused, done;
	struct uid_range done_ranges[PLAYED_MESSAGES];
	slice_t names[PLAYED_KEYWORDS];
};

static uint32_t store_flags(const struct store_spec *s, uint32_t was)
{
	switch (s->mode) {
	case STORE_REPLACE:
		return s->flags;
	case STORE_ADD:
		return was | s->flags;
	case STORE_REMOVE:
		return was & ~s->flags;
	}
	return was;
}

static uint64_t store_keywords(const struct store_spec *s, uint64_t bits, uint64_t was)
{
	switch (s->mode) {
	case STORE_REPLACE:
		return bits;
	case STORE_ADD:
		return was | bits;
	case STORE_REMOVE:
		return was & ~bits;
	}
	return was;
}

static void store_one(struct played_box *b, struct played_message *m, const struct store_spec *spec,
		      uint64_t bits, uint64_t modseq)
{
	uint32_t flags = store_flags(spec, m->flags);
	uint64_t keywords = store_keywords(spec, bits, m->keywords);

	if (flags == m->flags && keywords == m->keywords)
		return;
	m->flags = flags;
	m->keywords = keywords;
	m->modseq = b->highest = played.modseq = modseq;
}

WAITS enum err call_message_store(struct ticket *t UNUSED, const struct message_set *set,
				  const struct store_spec *spec, struct message_store **out,
				  struct store_info *info, struct diag *d UNUSED)
{
	struct played_box *b = by_id(set->mailbox);
	uint64_t bits = 0, modseq = played.modseq + 1, was = b != NULL ? b->highest : 0;
	struct message_store *s;
	enum err e = state(b);

	*out = NULL;
	fiber_yield();
	played.stores++;
	if (e != E_OK)
		return e;
	s = xcalloc(1, sizeof *s);
	uid_set_init(&s->refused, NULL);
	uid_set_init(&s->done, NULL);
	for (size_t i = 0; i < spec->nkeywords; i++)
		bits |= played_keyword(b, spec->keywords[i]);
	for (size_t i = 0; i < b->nmsgs; i++) {
		struct played_message *m = &b->msgs[i];

		if (m->gone || !in_set(set, m->uid))
			continue;
		if (spec->unchanged_since != 0 && m->modseq > spec->unchanged_since) {
			CHECK_ERR(uid_set_add(&s->refused, m->uid, m->uid), E_OK);
			continue;
		}
		CHECK_ERR(uid_set_add(&s->done, m->uid, m->uid), E_OK);
		store_one(b, m, spec, bits, modseq);
	}
	for (size_t i = 0; i < b->nkeywords; i++)
		s->names[i] = slice_str(b->keywords[i]);
	*info = (struct store_info){
		.modseq = b->highest != was ? modseq : 0,
		.keywords = s->names + spec->known_keywords,
		.nkeywords = b->nkeywords - spec->known_keywords,
		.modified = uid_set_ranges(&s->refused),
		.nmodified = uid_set_n(&s->refused),
	};
	s->rows = (struct message_fetch){.box = b, .named = true};
	s->rows.set = (struct message_set){b->id, uid_set_ranges(&s->done), uid_set_n(&s->done)};
	s->rows.spec.columns = MESSAGE_COL_FLAGS;
	arena_init(&s->rows.arena, NULL);
	played_wake(b);
	*out = s;
	return E_OK;
}

WAITS enum err message_store_next(struct message_store *s, struct fetch_batch *out)
{
	return message_fetch_next(&s->rows, out);
}

void message_store_free(struct message_store **s)
{
	if (*s == NULL)
		return;
	arena_reset(&(*s)->rows.arena);
	uid_set_fini(&(*s)->refused);
	uid_set_fini(&(*s)->done);
	xfree(s);
}

/* ---- copy, expunge ---- */

WAITS enum err call_message_copy(struct ticket *t UNUSED, const struct message_set *set, slice_t to,
				 enum message_copy what, struct arena *a, struct copy_info *out,
				 struct diag *d UNUSED)
{
	struct played_box *b = by_id(set->mailbox), *dest = NULL;
	struct uid_range *from = arena_alloc(a, PLAYED_MESSAGES * sizeof *from);
	struct uid_range *into = arena_alloc(a, PLAYED_MESSAGES * sizeof *into);
	size_t n = 0, was = b != NULL ? b->nmsgs : 0;
	enum err e = state(b);

	fiber_yield();
	for (size_t i = 0; i < PLAYED_BOXES; i++) {
		if (played.boxes[i].used && slice_eq(to, slice_str(played.boxes[i].path)))
			dest = &played.boxes[i];
	}
	if (e != E_OK || dest == NULL)
		return e != E_OK ? e : E_NOT_FOUND;
	for (size_t i = 0; i < was; i++) {
		struct played_message *m = &b->msgs[i], *copy;

		if (m->gone || !in_set(set, m->uid))
			continue;
		copy = played_add_bytes(dest, buf_slice(&m->body));
		copy->flags = m->flags;
		from[n] = (struct uid_range){m->uid, m->uid};
		into[n++] = (struct uid_range){copy->uid, copy->uid};
		if (what == MESSAGE_MOVE) {
			m->gone = true;
			touch(b, m);
		}
	}
	*out = (struct copy_info){dest->uidvalidity, from, into, n, n, played.modseq};
	return E_OK;
}

WAITS enum err call_message_expunge(struct ticket *t UNUSED, const struct message_set *set,
				    struct uid_set *vanished, uint64_t *modseq_out,
				    struct diag *d UNUSED)
{
	struct played_box *b = by_id(set->mailbox);
	enum err e = state(b);

	fiber_yield();
	if (e != E_OK)
		return e;
	for (size_t i = 0; i < b->nmsgs; i++) {
		struct played_message *m = &b->msgs[i];

		if (m->gone || !(m->flags & MESSAGE_DELETED) ||
		    (set->n != 0 && !in_set(set, m->uid)))
			continue;
		m->gone = true;
		touch(b, m);
		CHECK_ERR(uid_set_add(vanished, m->uid, m->uid), E_OK);
	}
	*modseq_out = b->highest;
	return E_OK;
}

/* ---- search: what the tests ask for ---- */

static bool has_text(slice_t column, slice_t text)
{
	struct buf b;
	bool has;

	buf_init(&b, 1 << 20, NULL);
	utf8_fold(&b, column);
	has = b.n >= text.n && slice_find(buf_slice(&b), text) < b.n;
	buf_fini(&b);
	return has;
}

enum truth { NO, YES, UNKNOWN };

static enum truth operand(const struct search_key *k, const struct played_message *m)
{
	bool has = false;

	switch ((unsigned)k->op) {
	case SEARCH_ALL:
		return YES;
	case SEARCH_UIDS:
		return in_ranges(k->uids, k->nuids, m->uid) ? YES : NO;
	case SEARCH_FLAGS_SET:
		return (m->flags & k->number) == k->number ? YES : NO;
	case SEARCH_FLAGS_CLEAR:
		return (m->flags & k->number) == 0 ? YES : NO;
	case SEARCH_LARGER:
		return m->prefix.n + m->body.n > k->number ? YES : NO;
	case SEARCH_SUBJECT:
		has = has_text(m->summary.subject, k->text);
		return has ? YES : m->fields_cut ? UNKNOWN : NO;
	case SEARCH_BODY:
		return has_text(m->summary.text, k->text) ? YES : NO;
	case SEARCH_TEXT:
		return has_text(m->summary.subject, k->text) ? YES : UNKNOWN;
	case SEARCH_HEADER:
		invariant(k->number == 0);
		return UNKNOWN;
	default:
		invariant(!"a key that no test uses");
	}
	return NO;
}

static enum truth match(const struct search_key *keys, size_t n, const struct played_message *m)
{
	enum truth stack[SEARCH_KEYS_MAX];
	size_t d = 0;

	for (size_t i = 0; i < n; i++) {
		if (keys[i].op == SEARCH_AND || keys[i].op == SEARCH_OR) {
			enum truth wins = keys[i].op == SEARCH_AND ? NO : YES;

			d--;
			if (stack[d - 1] != wins && (stack[d] == wins || stack[d - 1] != UNKNOWN))
				stack[d - 1] = stack[d];
		} else if (keys[i].op == SEARCH_NOT) {
			if (stack[d - 1] != UNKNOWN)
				stack[d - 1] = stack[d - 1] == YES ? NO : YES;
		} else {
			stack[d++] = operand(&keys[i], m);
		}
	}
	invariant(d == 1);
	return stack[0];
}

WAITS enum err call_message_search(struct ticket *t UNUSED, uint64_t mailbox,
				   const struct search_key *keys, size_t n, struct uid_set *out,
				   struct uid_set *maybe, struct diag *d UNUSED)
{
	struct played_box *b = by_id(mailbox);
	enum err e = state(b);

	fiber_yield();
	played.searches++;
	for (size_t i = 0; e == E_OK && i < b->nmsgs; i++) {
		enum truth found = b->msgs[i].gone ? NO : match(keys, n, &b->msgs[i]);

		if (found != NO)
			e = uid_set_add(found == YES ? out : maybe, b->msgs[i].uid, b->msgs[i].uid);
	}
	return e;
}

/* ---- append ---- */

struct append {
	struct played_box *box;
	struct buf stored;
	bool committed;
};

WAITS enum err call_append_begin(struct ticket *t UNUSED, slice_t path, uint64_t size UNUSED,
				 struct append **out)
{
	*out = NULL;
	if (played.away)
		return E_RETRY;
	*out = xcalloc(1, sizeof **out);
	for (size_t i = 0; i < PLAYED_BOXES; i++) {
		if (played.boxes[i].used && slice_eq(path, slice_str(played.boxes[i].path)))
			(*out)->box = &played.boxes[i];
	}
	buf_init(&(*out)->stored, 16u << 20, NULL);
	return E_OK;
}

WAITS enum err append_send(struct append *a, slice_t stored)
{
	fiber_yield();
	if (state(a->box) != E_OK)
		return a->box == NULL ? E_NOT_FOUND : E_QUOTA;
	buf_put(&a->stored, stored);
	return E_OK;
}

static void open_record(slice_t stored, struct buf *plain)
{
	uint32_t table[256];
	struct record_trailer t;
	struct record_check c;
	struct record_read r;
	slice_t rest, part;
	size_t tail;
	enum err e;

	record_check_init(&c);
	CHECK_ERR(record_check_feed(&c, stored), E_OK);
	REQUIRE(record_check_end(&c, &t) == E_OK && t.nblocks <= ARRAY_LEN(table));
	tail = RECORD_TRAILER_SIZE + t.nblocks * RECORD_ENTRY_SIZE;
	rest = slice_sub(stored, RECORD_HEADER_SIZE, stored.n - tail - RECORD_HEADER_SIZE);
	REQUIRE(record_table_decode(slice_sub(stored, stored.n - tail, tail - RECORD_TRAILER_SIZE),
				    table, t.nblocks) == E_OK);
	REQUIRE(record_read_init(&r, table, t.nblocks, t.plain_size, t.stored_size,
				 RECORD_COMP_ZSTD, 0, t.nblocks - 1, NULL) == E_OK);
	while (record_read_next(&r, &rest, &part, &e) == P_OK)
		buf_put(plain, part);
	CHECK(record_read_done(&r));
	record_read_fini(&r);
}

WAITS enum err call_append_commit(struct append *a, const struct append_meta *meta,
				  struct append_result *out, struct diag *d UNUSED)
{
	struct played_message *m;
	enum err e = state(a->box);
	struct buf plain;

	fiber_yield();
	if (e != E_OK)
		return e;
	buf_init(&plain, 16u << 20, NULL);
	open_record(buf_slice(&a->stored), &plain);
	CHECK_INT(meta->summary->size, plain.n);
	m = played_add_bytes(a->box, buf_slice(&plain));
	buf_fini(&plain);
	m->flags = meta->flags;
	for (size_t i = 0; i < meta->nkeywords; i++)
		m->keywords |= played_keyword(a->box, meta->keywords[i]);
	if (meta->date_us != 0)
		m->date_us = meta->date_us;
	buf_reset(&m->prefix);
	*out = (struct append_result){a->box->uidvalidity, m->uid};
	a->committed = true;
	return E_OK;
}

WAITS void append_free(struct append **a)
{
	if (*a == NULL)
		return;
	played.aborts += !(*a)->committed;
	buf_fini(&(*a)->stored);
	xfree(a);
}
