#include "common/parse/uaddr.h"

#include "common/base/utf8.h"
#include "common/parse/cclass.h"

#define HEXPOINT_DIGITS 6

static bool is_control(uint32_t cp)
{
	return cp < 0x20 || cp == 0x7f;
}

/* Of ASCII, what has a form of its own: HEXPOINT names no other, and QCHAR leaves them out. */
static bool is_special(uint32_t cp)
{
	return cp == ' ' || cp == '+' || cp == '=' || cp == '\\';
}

/* EmbeddedUnicodeChar = "\x{" HEXPOINT "}", without zeros in front: its length; 0: there is none
 * at s, or not that of a character that may be written so. */
static size_t take_escape(slice_t s, uint32_t *cp_out)
{
	uint32_t cp = 0;
	size_t n = 3;

	if (slice_starts(slice_from(s, n), SL("0")))
		return 0;
	for (; n < s.n && n < 3 + HEXPOINT_DIGITS && cclass(s.p[n], CC_HEX); n++) {
		char c = ascii_lower(s.p[n]);

		cp = cp << 4 | (uint32_t)(c <= '9' ? c - '0' : c - 'a' + 10);
	}
	if (n == s.n || s.p[n] != '}' || cp > 0x10ffff || (cp >= 0xd800 && cp <= 0xdfff))
		return 0;
	*cp_out = cp;
	return cp >= 0x80 || is_special(cp) ? n + 1 : 0;
}

bool uaddr_decode(slice_t s, struct buf *out)
{
	while (s.n != 0) {
		uint32_t cp = 0;
		size_t n = slice_starts(s, SL("\\x{")) ? take_escape(s, &cp) : utf8_decode(s, &cp);

		if (n == 0 || is_control(cp))
			return false;
		utf8_put(out, cp);
		s = slice_from(s, n);
	}
	return true;
}

bool uaddr_encode(slice_t address, enum uaddr_form form, struct buf *out)
{
	while (address.n != 0) {
		uint32_t cp = 0;
		size_t n = utf8_decode(address, &cp);

		if (n == 0 || is_control(cp))
			return false;
		if (is_special(cp) || (n > 1 && form == UADDR_7BIT))
			buf_printf(out, "\\x{%X}", (unsigned)cp);
		else
			buf_put(out, slice_sub(address, 0, n));
		address = slice_from(address, n);
	}
	return true;
}
