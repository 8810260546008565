#include "frontend/mime/ctype.h"

#include "common/base/num.h"
#include "common/parse/cursor.h"
#include "frontend/mime/charset.h"
#include "frontend/mime/encword.h"
#include "frontend/mime/qp.h"

/* A piece as it stands: name*section*=value (RFC 2231 section 7). */
struct piece {
	slice_t name;
	int section; /* -1: none */
	bool encoded;
	slice_t value;
};

#define SECTION_NONE (-1)

struct reader {
	struct cursor c;
	struct arena *mem;
	size_t npieces;
	struct piece pieces[CTYPE_PARAMS_MAX];
};

/* CFWS; a comment is passed over whole, nested ones counted. */
static void skip_cfws(struct cursor *c)
{
	unsigned depth = 0;

	for (; !cur_end(c); c->at++) {
		char ch = c->s.p[c->at];

		if (ch == '(')
			depth++;
		else if (ch == ')' && depth != 0)
			depth--;
		else if (ch == '\\' && depth != 0 && c->at + 1 < c->s.n)
			c->at++;
		else if (depth == 0 && !cclass(ch, CC_WSP) && ch != '\r' && ch != '\n')
			return;
	}
}

/* quoted-string at the cursor, which stands on the quote. An unclosed one ends with the field.
 * False: no memory. */
static bool take_quoted(struct reader *r, slice_t *out)
{
	slice_t s = slice_from(r->c.s, r->c.at + 1);
	size_t n = 0;
	size_t end;
	char *to;

	for (end = 0; end < s.n && s.p[end] != '"'; end++) {
		if (s.p[end] == '\\' && end + 1 < s.n)
			end++;
	}
	to = arena_try(r->mem, end + 1);
	if (to == NULL)
		return false;
	for (size_t i = 0; i < end; i++) {
		if (s.p[i] == '\\' && i + 1 < end)
			i++;
		if (s.p[i] != '\r' && s.p[i] != '\n' && s.p[i] != '\0')
			to[n++] = s.p[i];
	}
	r->c.at = MIN(r->c.s.n, r->c.at + end + 2);
	*out = slice(to, n);
	return true;
}

/* An unquoted value: a token, or whatever stands there up to a semicolon or white space (file
 * names with spaces in them are met: then up to the semicolon). */
static slice_t take_bare(struct cursor *c)
{
	slice_t rest = cur_rest(c);
	size_t n = 0;

	while (n < rest.n && rest.p[n] != ';' && rest.p[n] != '\r' && rest.p[n] != '\n' &&
	       rest.p[n] != '(' && rest.p[n] != '\0')
		n++;
	c->at += n;
	return slice_trim(slice_sub(rest, 0, n));
}

/* Splits "name*2*" into its parts. */
static bool split_name(slice_t full, struct piece *p)
{
	uint64_t section;

	p->section = SECTION_NONE;
	p->encoded = full.n > 1 && full.p[full.n - 1] == '*';
	if (p->encoded)
		full.n--;
	p->name = slice_sub(full, 0, slice_find_char(full, '*'));
	if (p->name.n != full.n) {
		if (!num_parse(slice_from(full, p->name.n + 1), CTYPE_PARAMS_MAX, &section))
			return false;
		p->section = (int)section;
	}
	return p->name.n != 0;
}

/* *(";" parameter). False: no memory. */
static bool read_pieces(struct reader *r)
{
	while (r->npieces < CTYPE_PARAMS_MAX) {
		struct piece *p = &r->pieces[r->npieces];
		slice_t full;
		bool named;

		/* To the next semicolon, whatever is in between. */
		skip_cfws(&r->c);
		if (!cur_end(&r->c) && cur_peek(&r->c) != ';') {
			r->c.at++;
			continue;
		}
		while (cur_is(&r->c, CC_WSP) || cur_peek(&r->c) == ';')
			r->c.at++;
		skip_cfws(&r->c);
		if (cur_end(&r->c))
			return true;
		named = cur_span(&r->c, CC_TOKEN, CTYPE_TOKEN_MAX, &full);
		skip_cfws(&r->c);
		if (!named || !cur_char(&r->c, '=') || !split_name(full, p))
			continue;
		skip_cfws(&r->c);
		if (cur_peek(&r->c) != '"')
			p->value = take_bare(&r->c);
		else if (!take_quoted(r, &p->value))
			return false;
		r->npieces++;
	}
	return true;
}

static const struct piece *find_piece(const struct reader *r, slice_t name, int section)
{
	for (size_t i = 0; i < r->npieces; i++) {
		if (r->pieces[i].section == section && slice_ieq(r->pieces[i].name, name))
			return &r->pieces[i];
	}
	return NULL;
}

static bool is_attribute_char(char c)
{
	return cclass(c, CC_TOKEN) && c != '*' && c != '\'' && c != '%';
}

/* A piece that is not encoded, in the company of one that is. */
static char *percent_encode(char *to, slice_t s)
{
	static const char hex[] = "0123456789ABCDEF";

	for (size_t i = 0; i < s.n; i++) {
		unsigned char c = (unsigned char)s.p[i];

		if (is_attribute_char(s.p[i])) {
			*to++ = s.p[i];
			continue;
		}
		*to++ = '%';
		*to++ = hex[c >> 4];
		*to++ = hex[c & 15];
	}
	return to;
}

/* Joins name*0 (first), name*1, ... False: no memory. */
static bool join(const struct reader *r, const struct piece *first, struct ctype_param *out)
{
	const struct piece *p = first;
	size_t n = 0;
	char *to, *start;

	out->extended = false;
	for (int i = 1; p != NULL; i++) {
		out->extended = out->extended || p->encoded;
		n += p->value.n;
		p = find_piece(r, first->name, i);
	}
	start = to = arena_try(r->mem, 3 * n + 3);
	if (to == NULL)
		return false;
	if (out->extended && !first->encoded) {
		*to++ = '\'';
		*to++ = '\'';
	}
	p = first;
	for (int i = 1; p != NULL; i++) {
		if (out->extended && !p->encoded) {
			to = percent_encode(to, p->value);
		} else if (p->value.n != 0) {
			memcpy(to, p->value.p, p->value.n);
			to += p->value.n;
		}
		p = find_piece(r, first->name, i);
	}
	out->value = slice(start, (size_t)(to - start));
	return true;
}

/* One parameter a name: an extended or continued form is meant before a plain one, which is for
 * old readers. */
static bool assemble(const struct reader *r, struct ctype *out)
{
	for (size_t i = 0; i < r->npieces; i++) {
		slice_t name = r->pieces[i].name;
		struct ctype_param *p = &out->params[out->nparams];
		const struct piece *first = find_piece(r, name, 0);
		const struct piece *whole = NULL;

		if (ctype_param(out, name) != NULL)
			continue;
		p->name = name;
		for (size_t j = i; j < r->npieces && (whole == NULL || !whole->encoded); j++) {
			const struct piece *q = &r->pieces[j];

			if (q->section == SECTION_NONE && slice_ieq(q->name, name) &&
			    (whole == NULL || q->encoded))
				whole = q;
		}
		if (first != NULL && (whole == NULL || !whole->encoded)) {
			if (!join(r, first, p))
				return false;
		} else if (whole != NULL) {
			p->value = whole->value;
			p->extended = whole->encoded;
		} else {
			continue; /* pieces without a first one */
		}
		out->nparams++;
	}
	return true;
}

static enum err parse_params(struct reader *r, struct ctype *out)
{
	return read_pieces(r) && assemble(r, out) ? E_OK : E_LIMIT;
}

enum err ctype_parse(slice_t body, struct arena *mem, struct ctype *out)
{
	struct reader r = {.c = cursor(body), .mem = mem};

	out->valid = false;
	out->nparams = 0;
	out->type = out->subtype = SLICE_NONE;
	skip_cfws(&r.c);
	if (cur_span(&r.c, CC_TOKEN, CTYPE_NAME_MAX, &out->type)) {
		skip_cfws(&r.c);
		if (cur_char(&r.c, '/')) {
			skip_cfws(&r.c);
			out->valid = cur_span(&r.c, CC_TOKEN, CTYPE_NAME_MAX, &out->subtype);
		}
	}
	return parse_params(&r, out);
}

enum err ctype_parse_disposition(slice_t body, struct arena *mem, struct ctype *out)
{
	struct reader r = {.c = cursor(body), .mem = mem};

	out->nparams = 0;
	out->type = out->subtype = SLICE_NONE;
	skip_cfws(&r.c);
	out->valid = cur_span(&r.c, CC_TOKEN, CTYPE_TOKEN_MAX, &out->type);
	return parse_params(&r, out);
}

const struct ctype_param *ctype_param(const struct ctype *t, slice_t name)
{
	for (size_t i = 0; i < t->nparams; i++) {
		if (slice_ieq(t->params[i].name, name))
			return &t->params[i];
	}
	return NULL;
}

/* Bytes of an extended value that are looked at: file names. */
#define EXTENDED_MAX 1024

/* charset'language'text */
static void put_extended(slice_t value, struct buf *out, size_t max)
{
	size_t q1 = slice_find_char(value, '\'');
	slice_t rest = slice_from(value, q1 + 1);
	size_t q2 = slice_find_char(rest, '\'');
	bool named = q1 < value.n && q2 < rest.n;
	slice_t text = named ? slice_from(rest, q2 + 1) : value;
	char bytes[EXTENDED_MAX];
	struct buf utf8;
	struct charset cs;
	size_t n = 0;
	slice_t in;

	for (size_t i = 0; i < text.n && n < sizeof bytes; i++) {
		int code = text.p[i] == '%' ? qp_hex(slice_from(text, i + 1)) : -1;

		bytes[n++] = code >= 0 ? (char)code : text.p[i];
		i += code >= 0 ? 2 : 0;
	}
	in = slice(bytes, n);
	charset_open(&cs, named ? slice_sub(value, 0, q1) : SLICE_NONE);
	buf_init(&utf8, (size_t)4 * EXTENDED_MAX + 2 * (size_t)CHARSET_OUT_MIN, NULL);
	while (in.n != 0) {
		char *to = buf_reserve(&utf8, CHARSET_OUT_MIN);

		invariant(to != NULL);
		buf_commit(&utf8, charset_feed(&cs, &in, to, CHARSET_OUT_MIN));
	}
	if (buf_reserve(&utf8, CHARSET_OUT_MIN) != NULL)
		buf_commit(&utf8, charset_end(&cs, utf8.p + utf8.n));
	charset_close(&cs);
	/* Also cuts at a character, and takes control characters out. */
	(void)encword_decode(buf_slice(&utf8), out, max);
	buf_fini(&utf8);
}

void ctype_param_text(const struct ctype_param *p, struct buf *out, size_t max)
{
	if (p->extended)
		put_extended(p->value, out, max);
	else
		(void)encword_decode(p->value, out, max);
}
