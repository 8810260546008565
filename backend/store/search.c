/*
 * A message is looked at in up to three steps, each knowing more: its row, its search columns and
 * header fields, its text. A key that needs more than the step knows is "unknown"; AND, OR and NOT
 * follow the three-valued rules, so a program is often decided by the row alone. What is unknown
 * after the last step is in a part of the header that is not kept.
 *
 * Where every match must be in one of the mailbox's sets or in a list of UIDs (a conjunct), only
 * those are walked: UNSEEN costs what is unseen.
 */
#include "backend/store/search.h"
#include "backend/store/partition_priv.h"
#include "backend/store/text.h"
#include "common/base/fold.h"
#include "common/base/num.h"

/* What one slice may cost: a row is 1; a read transaction then lasts below a millisecond or, where
 * texts are opened, a few. */
#define SLICE_COST  1000
#define COST_DETAIL 5
#define COST_TEXT   50

#define DAY_US 86400000000ll

enum truth { NO, YES, UNKNOWN };
enum step { STEP_ROW, STEP_DETAIL, STEP_TEXT };

struct search_state {
	struct text_opener *opener;
	struct buf plain, folded; /* the text */
	struct buf column;        /* one column or field, folded */
	const struct search_key *narrow;
	bool wants_text; /* a key can be decided by it */
	uint64_t keyword_bits[SEARCH_KEYS_MAX];
	unsigned cost;
	/* the message at hand */
	const struct row_message *msg;
	uint32_t uid;
	struct row_detail detail;
	slice_t fields;
};

/* ---- the program ---- */

static unsigned operands(enum search_op op)
{
	return op == SEARCH_NOT ? 1 : op == SEARCH_AND || op == SEARCH_OR ? 2 : 0;
}

enum err search_check(const struct search_key *keys, size_t n)
{
	size_t depth = 0;

	if (n == 0 || n > SEARCH_KEYS_MAX)
		return n == 0 ? E_INVALID : E_LIMIT;
	for (size_t i = 0; i < n; i++) {
		unsigned need = operands(keys[i].op);

		if (keys[i].op > SEARCH_OP_LAST || depth < need ||
		    !uid_ranges_valid(keys[i].uids, keys[i].nuids))
			return E_INVALID;
		if (keys[i].text.n > SEARCH_TEXT_MAX)
			return E_LIMIT;
		depth = depth - need + 1;
	}
	return depth == 1 ? E_OK : E_INVALID;
}

/* A key that every match satisfies and that can be walked by itself. */
static bool walkable(const struct search_key *k)
{
	return k->op == SEARCH_UIDS ||
	       (k->op == SEARCH_FLAGS_CLEAR && (k->number & STORE_SEEN) != 0) ||
	       (k->op == SEARCH_FLAGS_SET && (k->number & STORE_DELETED) != 0);
}

static const struct search_key *find_narrow(const struct search_key *keys, size_t n)
{
	const struct search_key *stack[SEARCH_KEYS_MAX];
	size_t depth = 0;

	for (size_t i = 0; i < n; i++) {
		const struct search_key *b;

		switch (operands(keys[i].op)) {
		case 0:
			stack[depth++] = walkable(&keys[i]) ? &keys[i] : NULL;
			break;
		case 1:
			stack[depth - 1] = NULL;
			break;
		default:
			b = stack[--depth];
			if (keys[i].op == SEARCH_OR)
				stack[depth - 1] = NULL;
			else if (stack[depth - 1] == NULL)
				stack[depth - 1] = b;
			break;
		}
	}
	return stack[0];
}

enum err search_init(struct search *s, struct partition *p, uint64_t account, uint64_t mailbox,
		     const struct search_key *keys, size_t n)
{
	enum err e = search_check(keys, n);

	memset(s, 0, sizeof(*s));
	if (e != E_OK)
		return e;
	s->part = p;
	s->account = account;
	s->mailbox = mailbox;
	s->keys = keys;
	s->n = n;
	s->next_uid = 1;
	s->state = xcalloc(1, sizeof(*s->state));
	s->state->opener = text_opener_new();
	s->state->narrow = find_narrow(keys, n);
	for (size_t i = 0; i < n; i++)
		s->state->wants_text |= keys[i].op == SEARCH_BODY || keys[i].op == SEARCH_TEXT;
	buf_init(&s->state->plain, SIZE_MAX, NULL);
	buf_init(&s->state->folded, SIZE_MAX, NULL);
	buf_init(&s->state->column, SIZE_MAX, NULL);
	return E_OK;
}

void search_fini(struct search *s)
{
	uidset_fini(&s->found);
	uidset_fini(&s->maybe);
	if (s->state == NULL)
		return;
	text_opener_free(&s->state->opener);
	buf_fini(&s->state->plain);
	buf_fini(&s->state->folded);
	buf_fini(&s->state->column);
	xfree(&s->state);
}

/* ---- one key ---- */

static bool has_folded(slice_t folded, slice_t key)
{
	return key.n == 0 || slice_find(folded, key) != folded.n;
}

static bool has(struct search_state *st, slice_t column, slice_t key)
{
	buf_reset(&st->column);
	utf8_fold(&st->column, column);
	return has_folded(buf_slice(&st->column), key);
}

static int64_t day_of(int64_t us)
{
	return us >= 0 ? us / DAY_US : -((DAY_US - 1 - us) / DAY_US);
}

/* The day of Date: as its writer wrote it; messages without one match no key of its. */
static bool sent_day(const struct search_state *st, int64_t *out)
{
	const struct row_detail *d = &st->detail;

	*out = day_of(d->sent_us + d->sent_zone_min * 60000000ll);
	return d->sent_us != 0;
}

/* A field's value without its line breaks, folded. */
static bool field_has(struct search_state *st, slice_t raw, slice_t key)
{
	size_t colon = slice_find_char(raw, ':');
	struct buf flat;
	bool found;

	buf_init(&flat, SIZE_MAX, NULL);
	for (size_t i = colon + 1; i < raw.n; i++) {
		if (raw.p[i] != '\r' && raw.p[i] != '\n')
			buf_putc(&flat, raw.p[i]);
	}
	found = has(st, buf_slice(&flat), key);
	buf_fini(&flat);
	return found;
}

/* id: the field's number, or any when it is UINT64_MAX. */
static bool any_field(struct search_state *st, uint64_t id, slice_t key)
{
	struct row_fields row;
	struct summary_field f;

	if (row_fields_decode(st->fields, &row) != E_OK)
		return false;
	for (uint32_t i = 0; i < row.n && fields_next(&row.fields, &f); i++) {
		if ((id == UINT64_MAX || f.id == id) && field_has(st, f.raw, key))
			return true;
	}
	return false;
}

static bool any_header(struct search_state *st, slice_t key)
{
	const struct row_detail *d = &st->detail;
	const slice_t columns[] = {d->subject, d->from, d->to, d->cc, d->bcc};

	for (size_t i = 0; i < ARRAY_LEN(columns); i++) {
		if (has(st, columns[i], key))
			return true;
	}
	return any_field(st, UINT64_MAX, key);
}

static bool in_ranges(const struct search_key *k, uint32_t uid)
{
	size_t i = uid_ranges_find(k->uids, k->nuids, uid);

	return i < k->nuids && k->uids[i].first <= uid;
}

/* ---- the table of operands ---- */

#define KEY(name) \
	static bool key_##name(struct search_state *st UNUSED, const struct search_key *k UNUSED, \
			       uint64_t bits UNUSED)

KEY(all)
{
	return true;
}

KEY(uids)
{
	return in_ranges(k, st->uid);
}

KEY(flags_set)
{
	return (st->msg->flags & k->number) == k->number;
}

KEY(flags_clear)
{
	return (st->msg->flags & k->number) == 0;
}

KEY(keyword)
{
	return (st->msg->keywords & bits) != 0;
}

KEY(larger)
{
	return st->msg->size > k->number;
}

KEY(smaller)
{
	return st->msg->size < k->number;
}

KEY(modseq)
{
	return st->msg->modseq >= k->number;
}

KEY(date_before)
{
	return day_of(st->msg->date_us) < k->date;
}

KEY(date_on)
{
	return day_of(st->msg->date_us) == k->date;
}

KEY(date_since)
{
	return day_of(st->msg->date_us) >= k->date;
}

KEY(sent_before)
{
	int64_t day;

	return sent_day(st, &day) && day < k->date;
}

KEY(sent_on)
{
	int64_t day;

	return sent_day(st, &day) && day == k->date;
}

KEY(sent_since)
{
	int64_t day;

	return sent_day(st, &day) && day >= k->date;
}

/* SEARCH_FROM to SEARCH_SUBJECT. */
static slice_t column_of(const struct search_state *st, enum search_op op)
{
	const struct row_detail *d = &st->detail;
	const slice_t columns[] = {d->from, d->to, d->cc, d->bcc, d->subject};

	return columns[op - SEARCH_FROM];
}

KEY(column)
{
	return has(st, column_of(st, k->op), k->text);
}

KEY(header)
{
	return any_field(st, k->number, k->text);
}

KEY(body)
{
	return has_folded(buf_slice(&st->folded), k->text);
}

static const struct {
	enum step step; /* from which on it can be told */
	bool (*fn)(struct search_state *st, const struct search_key *k, uint64_t bits);
} key_defs[SEARCH_OP_LAST + 1] = {
	[SEARCH_ALL] = {STEP_ROW, key_all},
	[SEARCH_UIDS] = {STEP_ROW, key_uids},
	[SEARCH_FLAGS_SET] = {STEP_ROW, key_flags_set},
	[SEARCH_FLAGS_CLEAR] = {STEP_ROW, key_flags_clear},
	[SEARCH_KEYWORD] = {STEP_ROW, key_keyword},
	[SEARCH_LARGER] = {STEP_ROW, key_larger},
	[SEARCH_SMALLER] = {STEP_ROW, key_smaller},
	[SEARCH_DATE_BEFORE] = {STEP_ROW, key_date_before},
	[SEARCH_DATE_ON] = {STEP_ROW, key_date_on},
	[SEARCH_DATE_SINCE] = {STEP_ROW, key_date_since},
	[SEARCH_SENT_BEFORE] = {STEP_DETAIL, key_sent_before},
	[SEARCH_SENT_ON] = {STEP_DETAIL, key_sent_on},
	[SEARCH_SENT_SINCE] = {STEP_DETAIL, key_sent_since},
	[SEARCH_FROM] = {STEP_DETAIL, key_column},
	[SEARCH_TO] = {STEP_DETAIL, key_column},
	[SEARCH_CC] = {STEP_DETAIL, key_column},
	[SEARCH_BCC] = {STEP_DETAIL, key_column},
	[SEARCH_SUBJECT] = {STEP_DETAIL, key_column},
	[SEARCH_BODY] = {STEP_TEXT, key_body},
	[SEARCH_TEXT] = {STEP_TEXT, key_body}, /* and the header, see key_truth() */
	[SEARCH_MODSEQ] = {STEP_ROW, key_modseq},
	[SEARCH_HEADER] = {STEP_DETAIL, key_header},
};

/* Is it in none of the kept fields of that number, but perhaps in the message's header? Encoded
 * words are not opened here. */
static bool header_undecided(const struct search_state *st, uint64_t id)
{
	struct row_fields row;
	struct summary_field f;

	if (id == 0 || row_fields_decode(st->fields, &row) != E_OK || !row.complete)
		return true;
	for (uint32_t i = 0; i < row.n && fields_next(&row.fields, &f); i++) {
		if (f.id == id && slice_find(f.raw, SL("=?")) != f.raw.n)
			return true;
	}
	return false;
}

/* A key that was not found: does what is kept decide that it is not there? */
static bool undecided(const struct search_state *st, const struct search_key *k)
{
	/* A column was cut at a character, of four bytes at most. */
	if (k->op >= SEARCH_FROM && k->op <= SEARCH_SUBJECT)
		return column_of(st, k->op).n + 4 > SUMMARY_COLUMN_MAX;
	if (k->op == SEARCH_HEADER)
		return header_undecided(st, k->number);
	return k->op == SEARCH_TEXT;
}

static enum truth key_truth(struct search_state *st, const struct search_key *k, uint64_t bits,
			    enum step step)
{
	if (k->op == SEARCH_TEXT && step >= STEP_DETAIL && any_header(st, k->text))
		return YES;
	if (key_defs[k->op].step > step)
		return UNKNOWN;
	if (key_defs[k->op].fn(st, k, bits))
		return YES;
	return undecided(st, k) ? UNKNOWN : NO;
}

/* Puts a and b together: `wins` decides alone (NO for AND, YES for OR). */
static enum truth joined(enum truth a, enum truth b, enum truth wins)
{
	if (a == wins || b == wins)
		return wins;
	return a == UNKNOWN ? a : b;
}

static enum truth evaluate(const struct search *s, enum step step)
{
	enum truth stack[SEARCH_KEYS_MAX];
	size_t n = 0;

	for (size_t i = 0; i < s->n; i++) {
		const struct search_key *k = &s->keys[i];

		if (k->op == SEARCH_NOT) {
			if (stack[n - 1] != UNKNOWN)
				stack[n - 1] = stack[n - 1] == YES ? NO : YES;
		} else if (k->op == SEARCH_AND || k->op == SEARCH_OR) {
			n--;
			stack[n - 1] =
				joined(stack[n - 1], stack[n], k->op == SEARCH_AND ? NO : YES);
		} else {
			stack[n++] = key_truth(s->state, k, s->state->keyword_bits[i], step);
		}
	}
	return stack[0];
}

/* ---- one message ---- */

static enum err load_detail(struct search_state *st, struct kv_txn *t)
{
	struct rec_key k;
	slice_t v;
	enum err e;

	key_id(&k, st->msg->record);
	e = kv_get(t, T_DETAIL, rec_key(&k), &v);
	if (e == E_OK)
		e = row_detail_decode(v, &st->detail);
	if (e == E_OK)
		e = kv_get(t, T_FIELDS, rec_key(&k), &st->fields);
	st->cost += COST_DETAIL;
	return e == E_NOT_FOUND ? tab_corrupt("detail", st->msg->record, 0) : e;
}

static enum err load_text(struct search_state *st, struct kv_txn *t)
{
	struct rec_key k;
	slice_t v;
	enum err e;

	buf_reset(&st->plain);
	buf_reset(&st->folded);
	key_id(&k, st->msg->record);
	e = kv_get(t, T_TEXT, rec_key(&k), &v);
	if (e != E_OK)
		return e == E_NOT_FOUND ? E_OK : e;
	st->cost += COST_TEXT;
	/* A text that does not open was damaged by who made it: the message has none. */
	if (text_open(st->opener, v, &st->plain) == E_OK)
		utf8_fold(&st->folded, buf_slice(&st->plain));
	return E_OK;
}

static enum err look_at(struct search *s, struct kv_txn *t, uint32_t uid,
			const struct row_message *m)
{
	struct search_state *st = s->state;
	enum truth found;
	enum err e = E_OK;

	st->msg = m;
	st->uid = uid;
	st->cost++;
	found = evaluate(s, STEP_ROW);
	if (found == UNKNOWN) {
		e = load_detail(st, t);
		if (e == E_OK)
			found = evaluate(s, STEP_DETAIL);
	}
	if (e == E_OK && found == UNKNOWN && st->wants_text) {
		e = load_text(st, t);
		if (e == E_OK)
			found = evaluate(s, STEP_TEXT);
	}
	if (e == E_OK && found == YES)
		uidset_add(&s->found, uid, uid);
	if (e == E_OK && found == UNKNOWN)
		uidset_add(&s->maybe, uid, uid);
	return e;
}

/* ---- the walk ---- */

static enum err load_keywords(struct search *s, struct kv_txn *t)
{
	slice_t names[STORE_KEYWORDS_MAX];
	unsigned n;
	enum err e = tab_keywords_get(t, s->account, (uint32_t)s->mailbox, names, &n);

	for (size_t i = 0; i < s->n && e == E_OK; i++) {
		s->state->keyword_bits[i] = 0;
		for (unsigned bit = 0; bit < n && s->keys[i].op == SEARCH_KEYWORD; bit++) {
			if (slice_ieq(names[bit], s->keys[i].text))
				s->state->keyword_bits[i] |= (uint64_t)1 << bit;
		}
	}
	return e;
}

/* The UIDs that can match, from next_uid on. */
static enum err load_ranges(struct search *s, struct kv_txn *t, struct row_mailbox *m,
			    struct uidset *out)
{
	const struct search_key *k = s->state->narrow;
	struct rset set;

	if (k == NULL) {
		uidset_add(out, s->next_uid, UINT32_MAX);
		return E_OK;
	}
	if (k->op == SEARCH_UIDS) {
		for (size_t i = uid_ranges_find(k->uids, k->nuids, s->next_uid); i < k->nuids; i++)
			uidset_add(out, MAX(k->uids[i].first, s->next_uid), k->uids[i].last);
		return E_OK;
	}
	set = rset_of(t, s->account, (uint32_t)s->mailbox, m,
		      k->op == SEARCH_FLAGS_CLEAR ? SET_UNSEEN : SET_DELETED);
	return rset_collect(&set, s->next_uid, UINT32_MAX, out);
}

/* One range; stops when the slice has cost enough, with next_uid at where to go on. */
static enum err walk_range(struct search *s, struct kv_txn *t, struct kv_cursor *c,
			   struct uid_range r)
{
	struct row_message m;
	struct rec_key key;
	slice_t k, v;
	uint32_t uid;
	enum err e;

	key_message(&key, s->account, (uint32_t)s->mailbox, r.first);
	e = kv_seek(c, rec_key(&key), &k, &v);
	key.n = 12;
	while (e == E_OK && k.n == 16 && key_within(k, &key)) {
		uid = be32_get(k.p + 12);
		if (uid > r.last)
			break;
		if (s->state->cost >= SLICE_COST) {
			s->next_uid = uid;
			return E_OK;
		}
		e = row_message_decode(v, &m);
		if (e == E_OK)
			e = look_at(s, t, uid, &m);
		if (e == E_OK)
			e = kv_next(c, &k, &v);
	}
	return e == E_NOT_FOUND ? E_OK : e;
}

static enum err walk(struct search *s, struct kv_txn *t, const struct uidset *ranges)
{
	struct kv_cursor *c;
	enum err e = kv_cursor(t, T_MESSAGE, &c);

	s->next_uid = 0;
	for (size_t i = 0; i < ranges->n && e == E_OK && s->next_uid == 0; i++) {
		/* A range costs a seek, whatever is in it. */
		if (s->state->cost++ >= SLICE_COST)
			s->next_uid = ranges->v[i].first;
		else
			e = walk_range(s, t, c, ranges->v[i]);
	}
	kv_cursor_end(&c);
	return e;
}

enum err search_step(struct search *s)
{
	struct row_mailbox m;
	struct uidset ranges;
	struct kv_txn *t;
	enum err e;

	if (s->next_uid == 0)
		return E_OK;
	e = kv_read(s->part->kv, &t);
	if (e != E_OK)
		return e;
	uidset_init(&ranges);
	s->state->cost = 0;
	e = tab_mailbox_get(t, s->account, s->mailbox, &m);
	if (e == E_OK)
		e = load_keywords(s, t);
	if (e == E_OK)
		e = load_ranges(s, t, &m, &ranges);
	if (e == E_OK)
		e = walk(s, t, &ranges);
	kv_abort(&t);
	uidset_fini(&ranges);
	return e;
}
