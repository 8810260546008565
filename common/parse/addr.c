#include "common/parse/addr.h"

#include <arpa/inet.h>

#include "common/base/utf8.h"

/* Classes that ADDR_SMTPUTF8 widens (RFC 6531 3.3: UTF8-non-ascii joins atext, qtextSMTP and
 * sub-domain). */
static uint32_t widened(uint32_t classes, enum addr_charset cs)
{
	return cs == ADDR_SMTPUTF8 ? classes | CC_UTF8 : classes;
}

/* Puts a part of an address into its field; the whole is checked for UTF-8 at the end. */
static bool put_part(char *to, uint8_t *n, size_t max, slice_t s)
{
	if (s.n > max - *n)
		return false;
	memcpy(to + *n, s.p, s.n);
	*n = (uint8_t)(*n + s.n);
	to[*n] = '\0';
	return true;
}

/* Dot-string = Atom *("." Atom) */
static enum err take_dot_string(struct cursor *c, enum addr_charset cs, struct addr *out)
{
	slice_t atom;

	do {
		if (out->local_n != 0 &&
		    !put_part(out->local, &out->local_n, ADDR_LOCAL_MAX, SL(".")))
			return E_TOO_BIG;
		if (!cur_span(c, widened(CC_ATEXT, cs), SIZE_MAX, &atom))
			return E_INVALID;
		if (!put_part(out->local, &out->local_n, ADDR_LOCAL_MAX, atom))
			return E_TOO_BIG;
	} while (cur_char(c, '.'));
	return E_OK;
}

/* Quoted-string = DQUOTE *QcontentSMTP DQUOTE. An empty one names nobody and is refused. */
static enum err take_quoted_string(struct cursor *c, enum addr_charset cs, struct addr *out)
{
	size_t start = c->at;

	c->at++;
	while (!cur_char(c, '"')) {
		slice_t part;

		if (cur_char(c, '\\')) {
			if (!cur_is(c, CC_QTEXT) && cur_peek(c) != '"' && cur_peek(c) != '\\')
				return E_INVALID;
			part = slice_sub(c->s, c->at++, 1);
		} else if (!cur_span(c, widened(CC_QTEXT, cs), SIZE_MAX, &part)) {
			return E_INVALID;
		}
		if (!put_part(out->local, &out->local_n, ADDR_LOCAL_MAX, part))
			return E_TOO_BIG;
	}
	/* The limit is on what was written. */
	if (c->at - start > ADDR_LOCAL_MAX)
		return E_TOO_BIG;
	return out->local_n != 0 ? E_OK : E_INVALID;
}

/* sub-domain *("." sub-domain), as a slice of the input. */
static enum err take_domain(struct cursor *c, enum addr_charset cs, slice_t *out)
{
	size_t start = c->at;
	slice_t label;

	do {
		if (!cur_span(c, widened(CC_LDH, cs), SIZE_MAX, &label) || label.p[0] == '-' ||
		    label.p[label.n - 1] == '-')
			return E_INVALID;
		if (label.n > LABEL_MAX && utf8_is_ascii(label))
			return E_INVALID;
	} while (cur_char(c, '.'));
	*out = slice_sub(c->s, start, c->at - start);
	return out->n <= ADDR_DOMAIN_MAX ? E_OK : E_TOO_BIG;
}

/* address-literal with IPv4 or IPv6; no other tag was ever registered. */
static enum err take_literal(struct cursor *c, slice_t *out)
{
	char text[INET6_ADDRSTRLEN];
	struct cursor try = *c;
	unsigned char b[16];
	slice_t inner;
	int family;

	try.at++;
	family = cur_word(&try, SL("IPv6:")) ? AF_INET6 : AF_INET;
	if (!cur_until(&try, ']', sizeof text - 1, &inner) ||
	    !slice_to_str(inner, text, sizeof text) || inet_pton(family, text, b) != 1)
		return E_INVALID;
	try.at++;
	*out = slice_sub(c->s, c->at, try.at - c->at);
	*c = try;
	return E_OK;
}

static enum err take_domain_part(struct cursor *c, enum addr_charset cs, struct addr *out)
{
	slice_t domain;
	enum err e;

	if (cur_peek(c) == '[') {
		out->flags |= ADDR_LITERAL;
		e = take_literal(c, &domain);
	} else {
		e = take_domain(c, cs, &domain);
	}
	if (e == E_OK && !put_part(out->domain, &out->domain_n, ADDR_DOMAIN_MAX, domain))
		e = E_TOO_BIG;
	return e;
}

static enum err check_charset(struct addr *a)
{
	if (utf8_is_ascii(addr_local(a)) && utf8_is_ascii(addr_domain(a)))
		return E_OK;
	a->flags |= ADDR_UTF8;
	return utf8_valid(addr_local(a)) && utf8_valid(addr_domain(a)) ? E_OK : E_INVALID;
}

static enum err take_mailbox(struct cursor *c, enum addr_charset cs, struct addr *out)
{
	enum err e;

	*out = (struct addr){0};
	e = cur_peek(c) == '"' ? take_quoted_string(c, cs, out) : take_dot_string(c, cs, out);
	if (e != E_OK)
		return e;
	if (!cur_char(c, '@'))
		return E_INVALID;
	e = take_domain_part(c, cs, out);
	return e == E_OK ? check_charset(out) : e;
}

enum err addr_take_mailbox(struct cursor *c, enum addr_charset cs, struct addr *out)
{
	struct cursor try = *c;
	enum err e = take_mailbox(&try, cs, out);

	if (e == E_OK)
		*c = try;
	return e;
}

/* A-d-l ":" where A-d-l = "@" Domain *("," "@" Domain); nothing when there is none. */
static enum err skip_route(struct cursor *c, enum addr_charset cs)
{
	slice_t domain;

	if (cur_peek(c) != '@')
		return E_OK;
	for (unsigned n = 0; cur_char(c, '@'); n++) {
		enum err e = n < ADDR_ROUTE_MAX ? take_domain(c, cs, &domain) : E_TOO_BIG;

		if (e != E_OK)
			return e;
		if (cur_char(c, ':'))
			return E_OK;
		if (!cur_char(c, ','))
			return E_INVALID;
	}
	return E_INVALID;
}

enum path_kind { PATH_REVERSE, PATH_FORWARD };

static enum err take_path(struct cursor *c, enum addr_charset cs, enum path_kind kind,
			  struct addr *out)
{
	size_t start = c->at;
	enum err e;

	*out = (struct addr){0};
	if (!cur_char(c, '<'))
		return E_INVALID;
	if (kind == PATH_REVERSE && cur_char(c, '>')) {
		out->flags = ADDR_NULL;
		return E_OK;
	}
	if (kind == PATH_FORWARD && cur_word(c, SL("Postmaster>"))) {
		out->flags = ADDR_POSTMASTER;
		(void)put_part(out->local, &out->local_n, ADDR_LOCAL_MAX, SL("postmaster"));
		return E_OK;
	}
	e = skip_route(c, cs);
	if (e == E_OK)
		e = take_mailbox(c, cs, out);
	if (e == E_OK && !cur_char(c, '>'))
		e = E_INVALID;
	if (e == E_OK && c->at - start > ADDR_PATH_MAX)
		e = E_TOO_BIG;
	return e;
}

enum err addr_take_reverse_path(struct cursor *c, enum addr_charset cs, struct addr *out)
{
	struct cursor try = *c;
	enum err e = take_path(&try, cs, PATH_REVERSE, out);

	if (e == E_OK)
		*c = try;
	return e;
}

enum err addr_take_forward_path(struct cursor *c, enum addr_charset cs, struct addr *out)
{
	struct cursor try = *c;
	enum err e = take_path(&try, cs, PATH_FORWARD, out);

	if (e == E_OK)
		*c = try;
	return e;
}

enum err addr_parse(slice_t s, enum addr_charset cs, struct addr *out)
{
	struct cursor c = cursor(s);
	enum err e = take_mailbox(&c, cs, out);

	return e == E_OK && !cur_end(&c) ? E_INVALID : e;
}

static bool is_dot_string(slice_t s)
{
	char before = '.';

	for (size_t i = 0; i < s.n; i++) {
		if (s.p[i] == '.' ? before == '.' : !cclass(s.p[i], CC_ATEXT | CC_UTF8))
			return false;
		before = s.p[i];
	}
	return before != '.';
}

void addr_format(const struct addr *a, struct buf *out)
{
	if ((a->flags & ADDR_NULL) != 0)
		return;
	if (is_dot_string(addr_local(a))) {
		buf_put(out, addr_local(a));
	} else {
		buf_putc(out, '"');
		for (size_t i = 0; i < a->local_n; i++) {
			if (a->local[i] == '"' || a->local[i] == '\\')
				buf_putc(out, '\\');
			buf_putc(out, a->local[i]);
		}
		buf_putc(out, '"');
	}
	if (a->domain_n != 0) {
		buf_putc(out, '@');
		buf_put(out, addr_domain(a));
	}
}

enum err addr_normalise(struct addr *a)
{
	char domain[ADDR_DOMAIN_MAX + 1];

	if (a->domain_n == 0)
		return (a->flags & (ADDR_NULL | ADDR_POSTMASTER)) != 0 ? E_OK : E_INVALID;
	if ((a->flags & ADDR_LITERAL) != 0) {
		for (size_t i = 0; i < a->domain_n; i++)
			a->domain[i] = ascii_lower(a->domain[i]);
		return E_OK;
	}
	if (domain_normalise(addr_domain(a), domain) != E_OK)
		return E_INVALID;
	a->domain_n = 0;
	invariant(put_part(a->domain, &a->domain_n, ADDR_DOMAIN_MAX, slice_str(domain)));
	if (utf8_is_ascii(addr_local(a)))
		a->flags &= (uint8_t)~ADDR_UTF8;
	return E_OK;
}

bool addr_eq(const struct addr *a, const struct addr *b)
{
	return (a->flags & ADDR_NULL) == (b->flags & ADDR_NULL) &&
	       slice_eq(addr_local(a), addr_local(b)) && slice_eq(addr_domain(a), addr_domain(b));
}
