/*
 * RFC 5322 address-list, read in one pass over words and specials:
 *
 *   words and dots   are gathered, both as a phrase (with spaces as written) and as a local part
 *                    (without), since only what follows tells which of them it was
 *   "@"              what was gathered is a local part; a domain follows
 *   "<"              what was gathered is a display-name; route, local part, domain, ">" follow
 *   ":"              what was gathered is a group's name
 *   "," ";" or end   the item ends
 *
 * After an address, only comments may come before the item's end; anything else is skipped and
 * makes the item malformed. So every byte is looked at once, whatever is written.
 */
#include "common/parse/addr.h"

struct reader {
	struct cursor c;
	struct arena *mem;
	struct addr_list *out;
	size_t max, cap;

	/* The item being read. */
	struct buf phrase, local, domain, route;
	struct buf comment; /* the last one */
	bool words_touch;   /* a word followed a word: no local part */
	bool after_word;
	bool complete; /* has its address */
	bool malformed;

	bool in_group;
	bool spaced; /* white space or a comment came before the next token */
	bool no_memory;
};

static void item_reset(struct reader *r)
{
	buf_reset(&r->phrase);
	buf_reset(&r->local);
	buf_reset(&r->domain);
	buf_reset(&r->route);
	buf_reset(&r->comment);
	r->words_touch = r->after_word = r->complete = r->malformed = false;
}

static slice_t keep(struct reader *r, slice_t s)
{
	char *p;

	if (s.n == 0)
		return SLICE_NONE;
	p = arena_try(r->mem, s.n);
	if (p == NULL) {
		r->no_memory = true;
		return SLICE_NONE;
	}
	memcpy(p, s.p, s.n);
	return slice(p, s.n);
}

/* A new item at the end of the list; NULL when there is no room. */
static struct addr_item *push(struct reader *r, enum addr_item_kind kind)
{
	struct addr_list *l = r->out;

	if (l->n == r->max) {
		l->cut = true;
		return NULL;
	}
	if (l->n == r->cap) {
		size_t cap = r->cap != 0 ? r->cap * 2 : 4;
		struct addr_item *items = arena_try(r->mem, cap * sizeof *items);

		if (items == NULL) {
			r->no_memory = true;
			return NULL;
		}
		if (l->n != 0)
			memcpy(items, l->items, l->n * sizeof *items);
		l->items = items;
		r->cap = cap;
	}
	l->items[l->n] = (struct addr_item){.kind = kind};
	return &l->items[l->n++];
}

static void emit_mailbox(struct reader *r)
{
	slice_t name = buf_slice(&r->phrase);
	struct addr_item *i;

	if (!r->complete) {
		/* Words without an address: "root", or a name alone. */
		buf_reset(&r->local);
		buf_put(&r->local, name);
		name = SLICE_NONE;
		r->malformed = true;
	}
	if (r->domain.n == 0 || r->local.n == 0)
		r->malformed = true;
	if (name.n == 0)
		name = buf_slice(&r->comment);
	i = push(r, ADDR_MAILBOX);
	if (i == NULL)
		return;
	i->name = keep(r, name);
	i->route = keep(r, buf_slice(&r->route));
	i->local = keep(r, buf_slice(&r->local));
	i->domain = keep(r, buf_slice(&r->domain));
	i->malformed = r->malformed;
}

static void finish_item(struct reader *r)
{
	if (r->complete || r->phrase.n != 0)
		emit_mailbox(r);
	r->out->malformed |= r->malformed;
	item_reset(r);
}

static void skip_bad(struct reader *r)
{
	r->malformed = true;
	r->c.at++;
}

/* Appends a byte of text; those that no header may hold are dropped. */
static void put_text(struct reader *r, struct buf *to, char c)
{
	if (c == '\r' || c == '\n')
		return;
	if (cclass(c, CC_CTL) && c != '\t')
		r->malformed = true;
	else
		buf_putc(to, c);
}

/* comment = "(" *(ctext / quoted-pair / comment) ")"; its text goes to r->comment. */
static void take_comment(struct reader *r)
{
	unsigned depth = 0;

	buf_reset(&r->comment);
	while (!cur_end(&r->c)) {
		char ch = r->c.s.p[r->c.at++];

		if (ch == '(') {
			if (depth++ == 0)
				continue;
			if (depth > ADDR_COMMENT_DEPTH)
				r->malformed = true;
		} else if (ch == ')') {
			if (--depth == 0)
				return;
		} else if (ch == '\\' && !cur_end(&r->c)) {
			ch = r->c.s.p[r->c.at++];
		}
		put_text(r, &r->comment, ch);
	}
	r->malformed = true; /* it never closed */
}

static bool is_space(int ch)
{
	return ch == ' ' || ch == '\t' || ch == '\r' || ch == '\n';
}

static void skip_cfws(struct reader *r)
{
	for (;;) {
		int ch = cur_peek(&r->c);

		if (ch == '(')
			take_comment(r);
		else if (is_space(ch))
			r->c.at++;
		else
			return;
		r->spaced = true;
	}
}

/* quoted-string, without its quotes and backslashes. */
static void take_quoted(struct reader *r, struct buf *to)
{
	r->c.at++;
	while (!cur_end(&r->c)) {
		char ch = r->c.s.p[r->c.at++];

		if (ch == '"')
			return;
		if (ch == '\\' && !cur_end(&r->c))
			ch = r->c.s.p[r->c.at++];
		put_text(r, to, ch);
	}
	r->malformed = true;
}

static bool take_atom(struct reader *r, struct buf *to)
{
	slice_t atom;

	if (!cur_span(&r->c, CC_ATEXT | CC_UTF8, SIZE_MAX, &atom))
		return false;
	buf_put(to, atom);
	return true;
}

/* Gathers a word (atom or quoted-string) that may turn out to be of a name or of a local part. */
static void take_word(struct reader *r)
{
	size_t before = r->phrase.n;

	if (r->spaced && before != 0) {
		buf_putc(&r->phrase, ' ');
		before++;
	}
	if (cur_peek(&r->c) == '"')
		take_quoted(r, &r->phrase);
	else
		(void)take_atom(r, &r->phrase);
	buf_put(&r->local, slice_from(buf_slice(&r->phrase), before));
	r->words_touch |= r->after_word;
	r->after_word = true;
}

static void take_dot(struct reader *r)
{
	r->c.at++;
	buf_putc(&r->phrase, '.');
	buf_putc(&r->local, '.');
	r->after_word = false;
}

/* domain-literal = "[" *dtext "]" */
static void take_literal(struct reader *r)
{
	while (!cur_end(&r->c)) {
		char ch = r->c.s.p[r->c.at];

		if (ch == ',' || ch == '>' || ch == ';')
			break;
		r->c.at++;
		if (!is_space(ch))
			put_text(r, &r->domain, ch);
		if (ch == ']')
			return;
	}
	r->malformed = true;
}

/* domain, with obs-domain's CFWS around the dots. */
static void take_domain(struct reader *r)
{
	skip_cfws(r);
	if (cur_peek(&r->c) == '[') {
		take_literal(r);
		return;
	}
	do {
		if (r->domain.n != 0)
			buf_putc(&r->domain, '.');
		skip_cfws(r);
		if (!take_atom(r, &r->domain)) {
			r->malformed = true;
			return;
		}
		skip_cfws(r);
	} while (cur_char(&r->c, '.'));
}

/* "user@domain" outside of angle brackets. */
static void take_bare(struct reader *r)
{
	r->c.at++;
	if (r->words_touch) {
		/* "Some Name user@domain": nobody can say where the name ends. */
		r->malformed = true;
		buf_reset(&r->local);
		buf_put(&r->local, buf_slice(&r->phrase));
	}
	buf_reset(&r->phrase);
	take_domain(r);
	r->complete = true;
}

/* obs-route = obs-domain-list ":" */
static void take_route(struct reader *r)
{
	for (;;) {
		int ch;

		skip_cfws(r);
		ch = cur_peek(&r->c);
		if (ch == ':') {
			r->c.at++;
			return;
		}
		if (ch == '@' || ch == ',' || ch == '.' || ch == '[' || ch == ']') {
			buf_putc(&r->route, (char)ch);
			r->c.at++;
		} else if (!take_atom(r, &r->route)) {
			r->malformed = true;
			return;
		}
	}
}

/* local-part inside of angle brackets, with obs-local-part's CFWS. */
static void take_local(struct reader *r)
{
	bool after_word = false;

	for (;;) {
		skip_cfws(r);
		if (cur_char(&r->c, '.')) {
			buf_putc(&r->local, '.');
			after_word = false;
			continue;
		}
		if (cur_peek(&r->c) == '"')
			take_quoted(r, &r->local);
		else if (!take_atom(r, &r->local))
			return;
		r->malformed |= after_word;
		after_word = true;
	}
}

/* angle-addr */
static void take_angle(struct reader *r)
{
	int ch;

	r->c.at++;
	buf_reset(&r->local);
	skip_cfws(r);
	if (cur_peek(&r->c) == '@')
		take_route(r);
	take_local(r);
	if (cur_char(&r->c, '@'))
		take_domain(r);
	skip_cfws(r);
	r->complete = true;
	/* What is left inside of the brackets is not an address. */
	for (ch = cur_peek(&r->c); ch != '>'; ch = cur_peek(&r->c)) {
		r->malformed = true;
		if (ch < 0 || ch == ',' || ch == ';')
			return;
		r->c.at++;
	}
	r->c.at++;
}

static void start_group(struct reader *r)
{
	struct addr_item *i;

	r->c.at++;
	if (r->in_group || r->complete || r->phrase.n == 0) {
		r->malformed = true;
		return;
	}
	i = push(r, ADDR_GROUP_START);
	if (i == NULL)
		return;
	i->name = keep(r, buf_slice(&r->phrase));
	i->malformed = r->malformed;
	r->out->malformed |= r->malformed;
	r->in_group = true;
	item_reset(r);
}

static void end_group(struct reader *r)
{
	finish_item(r);
	if (r->in_group)
		(void)push(r, ADDR_GROUP_END);
	else
		r->out->malformed = true;
	r->in_group = false;
}

static void read_special(struct reader *r, int ch)
{
	switch (ch) {
	case ',':
		finish_item(r);
		r->c.at++;
		break;
	case ';':
		end_group(r);
		r->c.at++;
		break;
	case ':':
		start_group(r);
		break;
	case '<':
		if (r->complete)
			skip_bad(r);
		else
			take_angle(r);
		break;
	case '@':
		if (r->complete || r->local.n == 0)
			skip_bad(r);
		else
			take_bare(r);
		break;
	case '.':
		if (r->complete)
			skip_bad(r);
		else
			take_dot(r);
		break;
	default:
		skip_bad(r);
	}
}

static void read_list(struct reader *r)
{
	while (!r->out->cut && !r->no_memory) {
		int ch;

		r->spaced = false;
		skip_cfws(r);
		ch = cur_peek(&r->c);
		if (ch < 0)
			break;
		if (ch != '"' && !cur_is(&r->c, CC_ATEXT | CC_UTF8))
			read_special(r, ch);
		else if (r->complete)
			skip_bad(r);
		else
			take_word(r);
	}
	if (r->in_group) {
		r->malformed = true;
		end_group(r);
	} else {
		finish_item(r);
	}
}

enum err addr_list_parse(slice_t body, size_t max, struct arena *mem, struct addr_list *out)
{
	struct reader r = {.c = cursor(body), .mem = mem, .out = out};
	struct buf *bufs[] = {&r.phrase, &r.local, &r.domain, &r.route, &r.comment};
	bool full = false;

	*out = (struct addr_list){0};
	r.max = MIN(max, (size_t)ADDR_LIST_MAX);
	/* No part is longer than the body, but for a phrase's spaces. */
	for (size_t i = 0; i < ARRAY_LEN(bufs); i++)
		buf_init(bufs[i], body.n * 2, mem->budget);
	read_list(&r);
	for (size_t i = 0; i < ARRAY_LEN(bufs); i++) {
		full |= buf_failed(bufs[i]);
		buf_fini(bufs[i]);
	}
	if (r.no_memory || full) {
		*out = (struct addr_list){0};
		return E_LIMIT;
	}
	return E_OK;
}
