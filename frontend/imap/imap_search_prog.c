#include "frontend/imap/imap_search_prog.h"

#include "common/base/fold.h"
#include "frontend/imap/imap_flags.h"
#include "frontend/mime/charset.h"
#include "frontend/mime/hdr.h"

enum frame_kind { FRAME_LIST, FRAME_NOT, FRAME_OR };

struct frame {
	enum frame_kind kind;
	unsigned done; /* keys completed inside */
};

struct compiler {
	struct imap_args *a;
	const struct imap_search_env *env;
	struct imap_search *s;
	struct frame stack[IMAP_DEPTH_MAX];
	unsigned depth;
	struct charset charset;
	enum imap_search_rc rc; /* sticky */
};

static bool fail(struct compiler *c, enum imap_search_rc rc)
{
	if (c->rc == IMAP_SEARCH_OK)
		c->rc = rc;
	return false;
}

static bool push(struct compiler *c, struct search_key key)
{
	if (c->s->nkeys == IMAP_SEARCH_KEYS_MAX)
		return fail(c, IMAP_SEARCH_TOO_MUCH);
	c->s->keys[c->s->nkeys++] = key;
	return true;
}

static bool push_op(struct compiler *c, enum search_op op)
{
	return push(c, (struct search_key){.op = op});
}

/* ---- texts ---- */

/* The search key's text in the named charset, as folded UTF-8 in the arena. */
static bool take_text(struct compiler *c, slice_t *out)
{
	char piece[CHARSET_OUT_MIN * 4];
	struct buf plain, folded;
	slice_t in;
	bool ok;

	if (!imap_astring(c->a, &in))
		return false;
	buf_init(&plain, 4 * IMAP_SEARCH_TEXT_MAX, NULL);
	buf_init(&folded, IMAP_SEARCH_TEXT_MAX, NULL);
	while (in.n != 0)
		buf_put(&plain, slice(piece, charset_feed(&c->charset, &in, piece, sizeof piece)));
	buf_put(&plain, slice(piece, charset_end(&c->charset, piece)));
	utf8_fold(&folded, buf_slice(&plain));
	ok = !buf_failed(&plain) && !buf_failed(&folded) &&
	     (folded.n == 0 || memchr(folded.p, '\0', folded.n) == NULL);
	if (ok)
		*out = arena_dup(c->a->arena, buf_slice(&folded));
	else
		fail(c, IMAP_SEARCH_TOO_MUCH);
	buf_fini(&plain);
	buf_fini(&folded);
	return ok;
}

/* A key that the header decides. */
static bool push_place(struct compiler *c, struct search_key key, slice_t name, slice_t text)
{
	if (c->s->nheaders == IMAP_SEARCH_HEADERS_MAX)
		return fail(c, IMAP_SEARCH_TOO_MUCH);
	c->s->headers[c->s->nheaders++] =
		(struct imap_search_header){.key = c->s->nkeys, .name = name, .text = text};
	return push(c, key);
}

/* Empty text: whether the field is there at all. */
static bool push_column(struct compiler *c, enum search_op op, enum hdr_id field, slice_t name)
{
	slice_t text;

	if (!imap_sp(c->a) || !take_text(c, &text))
		return false;
	if (text.n == 0)
		return push_place(c, (struct search_key){.op = SEARCH_HEADER, .number = field},
				  name, text);
	return push_place(c, (struct search_key){.op = op, .text = text}, name, text);
}

/* BODY and TEXT; empty text is in all messages. */
static bool push_text(struct compiler *c, enum search_op op)
{
	slice_t text;

	if (!imap_sp(c->a) || !take_text(c, &text))
		return false;
	if (text.n == 0)
		return push_op(c, SEARCH_ALL);
	if (op == SEARCH_BODY)
		return push(c, (struct search_key){.op = op, .text = text});
	/* Of the two the second becomes what is found in headers. */
	return push(c, (struct search_key){.op = SEARCH_BODY, .text = text}) &&
	       push_place(c, (struct search_key){.op = SEARCH_TEXT, .text = text}, SLICE_NONE,
			  text) &&
	       push_op(c, SEARCH_OR);
}

static bool push_header(struct compiler *c)
{
	static const struct {
		enum hdr_id id;
		enum search_op op;
	} columns[] = {
		{HDR_FROM, SEARCH_FROM}, {HDR_TO, SEARCH_TO},           {HDR_CC, SEARCH_CC},
		{HDR_BCC, SEARCH_BCC},   {HDR_SUBJECT, SEARCH_SUBJECT},
	};
	struct search_key key = {.op = SEARCH_HEADER};
	slice_t name, text;
	enum hdr_id id;

	if (!imap_sp(c->a) || !imap_astring(c->a, &name) || name.n == 0 || !imap_sp(c->a) ||
	    !take_text(c, &text))
		return false;
	id = hdr_id(name);
	key.text = text;
	/* Two ids stand for many names each: those cannot be told apart there. */
	if (hdr_kept(id) && id != HDR_CONTENT_OTHER && id != HDR_LIST)
		key.number = id;
	for (size_t i = 0; text.n != 0 && i < ARRAY_LEN(columns); i++) {
		if (columns[i].id == id)
			key = (struct search_key){.op = columns[i].op, .text = text};
	}
	return push_place(c, key, name, text);
}

/* ---- sets ---- */

static bool push_uids(struct compiler *c, const struct uid_set *uids)
{
	size_t n = uid_set_n(uids);
	struct uid_range *copy;

	if (n == 0)
		return push_op(c, SEARCH_ALL) && push_op(c, SEARCH_NOT);
	copy = arena_try(c->a->arena, n * sizeof *copy);
	if (copy == NULL)
		return fail(c, IMAP_SEARCH_TOO_MUCH);
	memcpy(copy, uid_set_ranges(uids), n * sizeof *copy);
	return push(c, (struct search_key){.op = SEARCH_UIDS, .uids = copy, .nuids = n});
}

static bool push_set(struct compiler *c, enum imap_numbers kind)
{
	struct uid_set seqs, uids;
	struct imap_seq seq;
	bool ok = false;
	enum err e;

	if (!imap_seq_parse(c->a, &seq))
		return false;
	/* "SEARCH 1:*" is how some clients ask for all: nothing, where there is nothing. */
	if (kind == IMAP_NUMBERS_SEQ && c->env->view->count == 0)
		return push_op(c, SEARCH_ALL) && push_op(c, SEARCH_NOT);
	uid_set_init(&seqs, c->a->arena->budget);
	uid_set_init(&uids, c->a->arena->budget);
	e = imap_seq_resolve(&seq, kind, c->env->view, &seqs);
	if (e == E_OK)
		e = imap_view_to_uids(c->env->view, uid_set_ranges(&seqs), uid_set_n(&seqs), &uids);
	if (e == E_OK)
		ok = push_uids(c, &uids);
	else
		fail(c, e == E_INVALID ? IMAP_SEARCH_NO_SUCH : IMAP_SEARCH_TOO_MUCH);
	uid_set_fini(&seqs);
	uid_set_fini(&uids);
	return ok;
}

/* ---- keys by name ---- */

enum arg { ARG_NONE, ARG_DATE, ARG_NUMBER, ARG_COLUMN, ARG_TEXT };

static const struct named_key {
	const char *name;
	enum search_op op;
	enum arg arg;
	uint32_t number; /* of a key without argument, or the field of a text */
} named_keys[] = {
	{"ALL", SEARCH_ALL, ARG_NONE, 0},
	{"ANSWERED", SEARCH_FLAGS_SET, ARG_NONE, MESSAGE_ANSWERED},
	{"DELETED", SEARCH_FLAGS_SET, ARG_NONE, MESSAGE_DELETED},
	{"DRAFT", SEARCH_FLAGS_SET, ARG_NONE, MESSAGE_DRAFT},
	{"FLAGGED", SEARCH_FLAGS_SET, ARG_NONE, MESSAGE_FLAGGED},
	{"SEEN", SEARCH_FLAGS_SET, ARG_NONE, MESSAGE_SEEN},
	{"UNANSWERED", SEARCH_FLAGS_CLEAR, ARG_NONE, MESSAGE_ANSWERED},
	{"UNDELETED", SEARCH_FLAGS_CLEAR, ARG_NONE, MESSAGE_DELETED},
	{"UNDRAFT", SEARCH_FLAGS_CLEAR, ARG_NONE, MESSAGE_DRAFT},
	{"UNFLAGGED", SEARCH_FLAGS_CLEAR, ARG_NONE, MESSAGE_FLAGGED},
	{"UNSEEN", SEARCH_FLAGS_CLEAR, ARG_NONE, MESSAGE_SEEN},
	{"BEFORE", SEARCH_DATE_BEFORE, ARG_DATE, 0},
	{"ON", SEARCH_DATE_ON, ARG_DATE, 0},
	{"SINCE", SEARCH_DATE_SINCE, ARG_DATE, 0},
	{"SENTBEFORE", SEARCH_SENT_BEFORE, ARG_DATE, 0},
	{"SENTON", SEARCH_SENT_ON, ARG_DATE, 0},
	{"SENTSINCE", SEARCH_SENT_SINCE, ARG_DATE, 0},
	{"LARGER", SEARCH_LARGER, ARG_NUMBER, 0},
	{"SMALLER", SEARCH_SMALLER, ARG_NUMBER, 0},
	{"FROM", SEARCH_FROM, ARG_COLUMN, HDR_FROM},
	{"TO", SEARCH_TO, ARG_COLUMN, HDR_TO},
	{"CC", SEARCH_CC, ARG_COLUMN, HDR_CC},
	{"BCC", SEARCH_BCC, ARG_COLUMN, HDR_BCC},
	{"SUBJECT", SEARCH_SUBJECT, ARG_COLUMN, HDR_SUBJECT},
	{"BODY", SEARCH_BODY, ARG_TEXT, 0},
	{"TEXT", SEARCH_TEXT, ARG_TEXT, 0},
};

static bool push_named(struct compiler *c, const struct named_key *k)
{
	struct search_key key = {.op = k->op, .number = k->number};
	uint32_t number;
	int32_t days;

	switch (k->arg) {
	case ARG_NONE:
		return push(c, key);
	case ARG_DATE:
		if (!imap_sp(c->a) || !imap_date(c->a, &days))
			return false;
		key.date = days;
		return push(c, key);
	case ARG_NUMBER:
		if (!imap_sp(c->a) || !imap_number(c->a, &number))
			return false;
		key.number = number;
		return push(c, key);
	case ARG_COLUMN:
		return push_column(c, k->op, (enum hdr_id)k->number, slice_str(k->name));
	case ARG_TEXT:
		return push_text(c, k->op);
	}
	return false;
}

/* KEYWORD and UNKEYWORD flag-keyword. */
static bool push_keyword(struct compiler *c, bool negated)
{
	slice_t name;

	if (!imap_sp(c->a) || !imap_atom(c->a, &name))
		return false;
	if (name.n > IMAP_KEYWORD_BYTES_MAX)
		return fail(c, IMAP_SEARCH_TOO_MUCH);
	return push(c, (struct search_key){.op = SEARCH_KEYWORD, .text = name}) &&
	       (!negated || push_op(c, SEARCH_NOT));
}

/* NEW: RECENT UNSEEN. */
static bool push_new(struct compiler *c)
{
	return push_uids(c, c->env->recent) &&
	       push(c, (struct search_key){.op = SEARCH_FLAGS_CLEAR, .number = MESSAGE_SEEN}) &&
	       push_op(c, SEARCH_AND);
}

static bool open_frame(struct compiler *c, enum frame_kind kind)
{
	if (c->depth == IMAP_DEPTH_MAX)
		return fail(c, IMAP_SEARCH_TOO_MUCH);
	c->stack[c->depth++] = (struct frame){.kind = kind};
	return true;
}

/* A key that is more than a name. *opened: it has begun and others complete it. */
static bool special_key(struct compiler *c, slice_t name, bool *opened, bool *known)
{
	*opened = false;
	*known = true;
	if (slice_ieq(name, SL("NOT")) || slice_ieq(name, SL("OR"))) {
		*opened = true;
		return imap_sp(c->a) && open_frame(c, name.n == 3 ? FRAME_NOT : FRAME_OR);
	}
	if (slice_ieq(name, SL("HEADER")))
		return push_header(c);
	if (slice_ieq(name, SL("KEYWORD")) || slice_ieq(name, SL("UNKEYWORD")))
		return push_keyword(c, name.n != 7);
	if (slice_ieq(name, SL("UID")))
		return imap_sp(c->a) && push_set(c, IMAP_NUMBERS_UID);
	if (slice_ieq(name, SL("NEW")))
		return push_new(c);
	if (slice_ieq(name, SL("RECENT")))
		return push_uids(c, c->env->recent);
	if (slice_ieq(name, SL("OLD")))
		return push_uids(c, c->env->recent) && push_op(c, SEARCH_NOT);
	*known = false;
	return false;
}

/* One key, or the beginning of one. */
static bool one_key(struct compiler *c, bool *opened)
{
	slice_t name;
	bool known, ok;

	*opened = false;
	if (imap_char(c->a, '(')) {
		*opened = true;
		return open_frame(c, FRAME_LIST);
	}
	if (cur_is(&c->a->c, CC_DIGIT) || cur_peek(&c->a->c) == '*')
		return push_set(c, IMAP_NUMBERS_SEQ);
	if (!imap_atom(c->a, &name))
		return false;
	ok = special_key(c, name, opened, &known);
	if (known)
		return ok;
	for (size_t i = 0; i < ARRAY_LEN(named_keys); i++) {
		if (slice_ieq(name, slice_str(named_keys[i].name)))
			return push_named(c, &named_keys[i]);
	}
	return false;
}

/* ---- combining ---- */

/* A key is complete: what it completes in turn. Ends at an open list or an OR that lacks one. */
static bool complete(struct compiler *c)
{
	for (;;) {
		struct frame *f = &c->stack[c->depth - 1];

		f->done++;
		switch (f->kind) {
		case FRAME_LIST:
			return f->done == 1 || push_op(c, SEARCH_AND);
		case FRAME_OR:
			if (f->done == 1)
				return true;
			if (!push_op(c, SEARCH_OR))
				return false;
			break;
		case FRAME_NOT:
			if (!push_op(c, SEARCH_NOT))
				return false;
			break;
		}
		c->depth--;
	}
}

/* After a complete key: closing parentheses, each of which completes a key. */
static bool close_lists(struct compiler *c)
{
	while (c->depth > 1 && c->stack[c->depth - 1].kind == FRAME_LIST && imap_char(c->a, ')')) {
		c->depth--;
		if (!complete(c))
			return false;
	}
	return true;
}

static bool all_keys(struct compiler *c)
{
	if (!open_frame(c, FRAME_LIST))
		return false;
	for (;;) {
		bool opened;

		if (!one_key(c, &opened))
			return false;
		if (opened)
			continue;
		if (!complete(c) || !close_lists(c))
			return false;
		if (imap_end(c->a))
			return c->depth == 1;
		if (!imap_sp(c->a))
			return false;
	}
}

/* ---- options ---- */

/* "RETURN" SP "(" [option *(SP option)] ")" (RFC 4731). */
static bool return_options(struct imap_args *a, struct imap_search *s)
{
	static const char *const names[] = {"MIN", "MAX", "COUNT", "ALL"};

	s->esearch = true;
	if (!imap_sp(a) || !imap_char(a, '('))
		return false;
	if (imap_char(a, ')')) {
		s->want = IMAP_SEARCH_ALL;
		return true;
	}
	do {
		unsigned i = 0;

		while (i < ARRAY_LEN(names) && !imap_word(a, names[i]))
			i++;
		if (i == ARRAY_LEN(names))
			return false;
		s->want |= 1u << i;
	} while (imap_sp(a));
	return imap_char(a, ')');
}

static bool charset_name(struct compiler *c)
{
	slice_t name;

	if (!imap_sp(c->a) || !imap_astring(c->a, &name) || !imap_sp(c->a))
		return false;
	charset_close(&c->charset);
	charset_open(&c->charset, name);
	/* What is not known is read as UTF-8 elsewhere; here the client must know. */
	if (c->charset.kind == CHARSET_UTF8 && !slice_ieq(name, SL("UTF-8")) &&
	    !slice_ieq(name, SL("US-ASCII")))
		return fail(c, IMAP_SEARCH_BADCHARSET);
	return true;
}

enum imap_search_rc imap_search_compile(struct imap_args *a, const struct imap_search_env *env,
					struct imap_search *out)
{
	struct compiler c = {.a = a, .env = env, .s = out};
	bool ok;

	*out = (struct imap_search){0};
	out->keys = arena_try(a->arena, SEARCH_KEYS_MAX * sizeof *out->keys);
	if (out->keys == NULL)
		return IMAP_SEARCH_TOO_MUCH;
	charset_open(&c.charset, SL("UTF-8"));
	ok = !imap_word(a, "RETURN") || (return_options(a, out) && imap_sp(a));
	ok = ok && (!imap_word(a, "CHARSET") || charset_name(&c)) && all_keys(&c);
	charset_close(&c.charset);
	if (!ok)
		return c.rc != IMAP_SEARCH_OK ? c.rc : IMAP_SEARCH_SYNTAX;
	return IMAP_SEARCH_OK;
}
