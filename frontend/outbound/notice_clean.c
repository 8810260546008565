#include "common/base/utf8.h"
#include "common/parse/cursor.h"
#include "frontend/outbound/notice_priv.h"

/* Longest type of a diagnostic (RFC 3464 section 2.1.2: an atom). */
#define TYPE_MAX 32

/* The next character of s, and how many bytes of it stand for it; "?" for one that may not stay. */
static slice_t clean_char(slice_t s, enum notice_charset cs, size_t *taken)
{
	uint32_t cp = 0;
	size_t n = utf8_decode(s, &cp);

	*taken = n != 0 ? n : 1;
	if (slice_starts(s, SL("\r\n")))
		*taken = 2;
	if (n == 1 && (cp == '\r' || cp == '\n' || cp == '\t'))
		return SL(" ");
	if (n == 0 || utf8_is_unsafe(cp) || (cs == NOTICE_ASCII && n > 1))
		return SL("?");
	return slice_sub(s, 0, n);
}

void notice_clean(struct buf *out, slice_t s, enum notice_charset cs, size_t max)
{
	static const slice_t cut = {"...", 3};
	size_t start = out->n;
	size_t fits = start; /* up to here, the mark of the cut has room */

	while (s.n != 0) {
		size_t taken;
		slice_t c = clean_char(s, cs, &taken);

		if (out->n - start + c.n > max) {
			out->n = fits;
			buf_put(out, cut);
			return;
		}
		buf_put(out, c);
		if (out->n - start + cut.n <= max)
			fits = out->n;
		s = slice_from(s, taken);
	}
}

void notice_diagnostic(slice_t s, slice_t *type_out, slice_t *words_out)
{
	struct cursor c = cursor(slice_trim(s));
	slice_t type;

	*type_out = SL("smtp");
	*words_out = c.s;
	if (!cur_span(&c, CC_LDH, TYPE_MAX, &type))
		return;
	cur_skip(&c, CC_WSP);
	if (!cur_char(&c, ';'))
		return;
	*type_out = type;
	*words_out = slice_trim(cur_rest(&c));
}

slice_t notice_status(const struct notice_recipient *r)
{
	struct notice_status parsed;

	if (notice_status_parse(r->status, &parsed))
		return r->status;
	switch (r->action) {
	case NOTICE_FAILED:
		return SL("5.0.0");
	case NOTICE_DELAYED:
		return SL("4.0.0");
	case NOTICE_DELIVERED:
	case NOTICE_RELAYED:
	case NOTICE_EXPANDED:
	case NOTICE_ACTIONS:
		break;
	}
	return SL("2.0.0");
}

/* ---- ORCPT ---- */

/* Splits it; *utf8_out: the address has characters that are not ASCII. */
static bool read_orcpt(slice_t orcpt, slice_t *type_out, slice_t *address_out, bool *utf8_out)
{
	struct cursor c = cursor(slice_sub(orcpt, 0, NOTICE_ORCPT_MAX));

	if (!cur_span(&c, CC_LDH, TYPE_MAX, type_out) || !cur_char(&c, ';') || cur_end(&c))
		return false;
	*address_out = slice_trim(cur_rest(&c));
	*utf8_out = slice_ieq(*type_out, SL("utf-8")) && !utf8_is_ascii(*address_out) &&
		    utf8_valid(*address_out);
	return true;
}

bool notice_orcpt_is_utf8(slice_t orcpt)
{
	slice_t type, address;
	bool utf8;

	return read_orcpt(orcpt, &type, &address, &utf8) && utf8;
}

void notice_put_orcpt(struct buf *out, slice_t orcpt)
{
	slice_t type, address;
	bool utf8;

	if (!read_orcpt(orcpt, &type, &address, &utf8))
		return;
	buf_puts(out, "Original-Recipient: ");
	buf_put(out, type);
	buf_puts(out, "; ");
	notice_clean(out, address, utf8 ? NOTICE_UTF8 : NOTICE_ASCII, NOTICE_ORCPT_MAX);
	buf_puts(out, "\r\n");
}
