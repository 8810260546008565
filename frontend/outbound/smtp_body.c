#include "frontend/outbound/smtp_body.h"

bool smtp_body_clean(struct smtp_body *b, slice_t bytes)
{
	eol_check_feed(&b->eol, bytes);
	return !b->eol.bare && !b->eol.nul;
}

bool smtp_body_clean_end(struct smtp_body *b)
{
	eol_check_end(&b->eol);
	return !b->eol.bare;
}

/* Up to and with the line end that a dot follows. A dot is rarer than a line end. */
static size_t until_dot(slice_t s)
{
	for (size_t at = 1; at < s.n; at++) {
		at += slice_find_char(slice_from(s, at), '.');
		if (at < s.n && s.p[at - 1] == '\n')
			return at;
	}
	return s.n;
}

bool smtp_body_next(struct smtp_body *b, slice_t *rest, slice_t *piece)
{
	if (rest->n == 0)
		return false;
	if (!b->in_line && rest->p[0] == '.') {
		b->in_line = true; /* its own dot follows */
		*piece = SL(".");
		return true;
	}
	*piece = slice_sub(*rest, 0, until_dot(*rest));
	*rest = slice_from(*rest, piece->n);
	b->in_line = piece->p[piece->n - 1] != '\n';
	return true;
}

slice_t smtp_body_end(const struct smtp_body *b)
{
	return b->in_line ? SL("\r\n.\r\n") : SL(".\r\n");
}
