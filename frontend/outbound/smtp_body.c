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

bool smtp_body_next(struct smtp_body *b, slice_t *rest, slice_t *piece)
{
	const char *hit;

	if (rest->n == 0)
		return false;
	if (!b->in_line && rest->p[0] == '.') {
		b->in_line = true; /* its own dot follows */
		*piece = SL(".");
		return true;
	}
	hit = memmem(rest->p, rest->n, "\n.", 2);
	*piece = slice_sub(*rest, 0, hit != NULL ? (size_t)(hit - rest->p) + 1 : rest->n);
	*rest = slice_from(*rest, piece->n);
	b->in_line = piece->p[piece->n - 1] != '\n';
	return true;
}

slice_t smtp_body_end(const struct smtp_body *b)
{
	return b->in_line ? SL("\r\n.\r\n") : SL(".\r\n");
}
