#include "frontend/mime/imaptext.h"

#include "common/base/num.h"

/* More characters that need a backslash than this, and a literal is used, so that a text never
 * grows by more than a fixed number of bytes. */
#define ESCAPES_MAX 16

enum form { FORM_QUOTED, FORM_LITERAL };

static enum form form_of(slice_t s, size_t *nuls_out)
{
	size_t escapes = 0;
	size_t nuls = 0;
	bool odd = s.n > IMAPTEXT_QUOTED_MAX;

	for (size_t i = 0; i < s.n; i++) {
		unsigned char c = (unsigned char)s.p[i];

		if (c >= 0x80 || c == '\r' || c == '\n')
			odd = true;
		else if (c == '"' || c == '\\')
			escapes++;
		else if (c == '\0')
			nuls++;
	}
	*nuls_out = nuls;
	return odd || escapes > ESCAPES_MAX ? FORM_LITERAL : FORM_QUOTED;
}

static void put_without_nul(struct buf *out, slice_t s)
{
	while (s.n != 0) {
		size_t n = slice_find_char(s, '\0');

		buf_put(out, slice_sub(s, 0, n));
		s = slice_from(s, n + 1);
	}
}

static void put_quoted(struct buf *out, slice_t s)
{
	size_t from = 0;

	buf_putc(out, '"');
	for (size_t i = 0; i < s.n; i++) {
		char c = s.p[i];

		if (c != '"' && c != '\\' && c != '\0')
			continue;
		buf_put(out, slice_sub(s, from, i - from));
		from = i + 1;
		if (c != '\0') {
			buf_putc(out, '\\');
			buf_putc(out, c);
		}
	}
	buf_put(out, slice_from(s, from));
	buf_putc(out, '"');
}

void imaptext_string(struct buf *out, slice_t s)
{
	size_t nuls;

	if (form_of(s, &nuls) == FORM_QUOTED) {
		put_quoted(out, s);
		return;
	}
	buf_putc(out, '{');
	buf_put_u64(out, s.n - nuls);
	buf_puts(out, "}\r\n");
	put_without_nul(out, s);
}

void imaptext_nstring(struct buf *out, slice_t s)
{
	if (s.n == 0)
		buf_puts(out, "NIL");
	else
		imaptext_string(out, s);
}

bool imaptext_skip_quoted(slice_t *s)
{
	for (size_t i = 1; i < s->n; i++) {
		unsigned char c = (unsigned char)s->p[i];

		if (c == '"') {
			*s = slice_from(*s, i + 1);
			return true;
		}
		if (c == '\0' || c == '\r' || c == '\n' || c >= 0x80)
			return false;
		if (c != '\\')
			continue;
		i++;
		if (i == s->n || (s->p[i] != '"' && s->p[i] != '\\'))
			return false;
	}
	return false;
}

bool imaptext_skip_literal(slice_t *s)
{
	slice_t rest = slice_from(*s, 1);
	size_t digits = 0;
	uint64_t n;

	while (digits < rest.n && rest.p[digits] >= '0' && rest.p[digits] <= '9')
		digits++;
	if (!num_parse(slice_sub(rest, 0, digits), rest.n, &n))
		return false;
	rest = slice_from(rest, digits);
	if (!slice_starts(rest, SL("}\r\n")))
		return false;
	rest = slice_from(rest, 3);
	if (n > rest.n || (n != 0 && memchr(rest.p, '\0', (size_t)n) != NULL))
		return false;
	*s = slice_from(rest, (size_t)n);
	return true;
}

static bool is_atom(char c)
{
	return (c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') ||
	       c == '-' || c == '.' || c == '_';
}

/* One element other than a list: a string, NIL or a number. */
static bool skip_scalar(slice_t *s)
{
	size_t n = 0;

	if (s->p[0] == '"')
		return imaptext_skip_quoted(s);
	if (s->p[0] == '{')
		return imaptext_skip_literal(s);
	while (n < s->n && is_atom(s->p[n]))
		n++;
	*s = slice_from(*s, n);
	return n != 0;
}

/* After an element: a space and another element, or the end of a list, or (in a list of lists) a
 * list at once. */
bool imaptext_list_check(slice_t s, unsigned max_depth)
{
	unsigned depth = 0;

	if (s.n == 0 || s.p[0] != '(')
		return false;
	for (;;) {
		bool spaced = false;

		if (s.p[0] == '(') {
			if (depth == max_depth)
				return false;
			depth++;
			s = slice_from(s, 1);
			if (s.n != 0 && s.p[0] == ' ')
				return false;
		} else if (s.p[0] == ')') {
			depth--;
			s = slice_from(s, 1);
			if (depth == 0)
				return s.n == 0;
		} else if (!skip_scalar(&s)) {
			return false;
		}
		if (s.n != 0 && s.p[0] == ' ') {
			spaced = true;
			s = slice_from(s, 1);
		}
		if (s.n == 0 || (spaced && (s.p[0] == ')' || s.p[0] == ' ')))
			return false;
	}
}
