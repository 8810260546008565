#include "common/parse/dkim_sig.h"

#include "common/base/codec.h"

#define TAIL      ";\r\n\tb="
#define LINE_BITS 72 /* characters of base64 in a line */

void dkim_sig_begin(struct buf *out, const char *algorithm, slice_t domain, slice_t selector)
{
	buf_printf(out, "DKIM-Signature: v=1; a=%s; c=relaxed/relaxed;\r\n\td=", algorithm);
	buf_put(out, domain);
	buf_puts(out, "; s=");
	buf_put(out, selector);
	buf_puts(out, "; t=");
}

void dkim_sig_end(struct buf *out)
{
	buf_puts(out, TAIL);
}

/* Line breaks only as CRLF before a tab: no field of another name begins in it. */
static bool is_folded_text(slice_t s)
{
	for (size_t i = 0; i < s.n; i++) {
		if (slice_starts(slice_from(s, i), SL("\r\n\t")))
			i += 2;
		else if (s.p[i] < 0x20 || s.p[i] > 0x7e)
			return false;
	}
	return true;
}

bool dkim_sig_is_open(slice_t field, const char *algorithm, slice_t domain, slice_t selector)
{
	struct buf head;
	bool ok;

	if (field.n > DKIM_OPEN_MAX)
		return false;
	buf_init(&head, DKIM_OPEN_MAX, NULL);
	dkim_sig_begin(&head, algorithm, domain, selector);
	ok = !buf_failed(&head) && slice_starts(field, buf_slice(&head)) &&
	     slice_ends(slice_from(field, head.n), SL(TAIL)) && is_folded_text(field);
	buf_fini(&head);
	return ok;
}

void dkim_sig_close(struct buf *out, slice_t open, slice_t signature)
{
	struct buf b64;
	slice_t rest;

	buf_init(&b64, DKIM_SIGNED_MAX, NULL);
	base64_encode(&b64, signature);
	buf_put(out, open);
	for (rest = buf_slice(&b64); rest.n > 0; rest = slice_from(rest, LINE_BITS)) {
		if (rest.n != b64.n)
			buf_puts(out, "\r\n\t");
		buf_put(out, slice_sub(rest, 0, LINE_BITS));
	}
	buf_puts(out, "\r\n");
	buf_fini(&b64);
}

bool dkim_selector_valid(slice_t s)
{
	if (s.n == 0 || s.n > DKIM_SELECTOR_MAX || s.p[0] == '-' || s.p[s.n - 1] == '-')
		return false;
	for (size_t i = 0; i < s.n; i++) {
		if (!(s.p[i] >= 'a' && s.p[i] <= 'z') && !(s.p[i] >= '0' && s.p[i] <= '9') &&
		    s.p[i] != '-')
			return false;
	}
	return true;
}
