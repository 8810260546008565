#include "common/base/utf8.h"

size_t utf8_decode(slice_t s, uint32_t *cp_out)
{
	static const uint32_t least[] = {0, 0, 0x80, 0x800, 0x10000};
	unsigned char c;
	uint32_t cp;
	size_t n;

	if (s.n == 0)
		return 0;
	c = (unsigned char)s.p[0];
	if (c < 0x80) {
		*cp_out = c;
		return 1;
	}
	n = c >= 0xf0 ? 4 : c >= 0xe0 ? 3 : 2;
	if (c < 0xc2 || c > 0xf4 || s.n < n)
		return 0;
	cp = c & (0xffu >> (n + 1));
	for (size_t i = 1; i < n; i++) {
		if (((unsigned char)s.p[i] & 0xc0) != 0x80)
			return 0;
		cp = cp << 6 | ((unsigned char)s.p[i] & 0x3f);
	}
	if (cp < least[n] || cp > 0x10ffff || (cp >= 0xd800 && cp <= 0xdfff))
		return 0;
	*cp_out = cp;
	return n;
}

bool utf8_valid(slice_t s)
{
	if (utf8_is_ascii(s))
		return true;
	while (s.n != 0) {
		uint32_t cp;
		size_t n = utf8_decode(s, &cp);

		if (n == 0)
			return false;
		s = slice_from(s, n);
	}
	return true;
}

bool utf8_is_ascii(slice_t s)
{
	enum { STRIDE = 64 };
	unsigned char high = 0;
	size_t i = 0;

	/* Without a way out inside the stride the compiler takes it by whole registers: this sees
	 * every byte of every message. */
	for (; s.n - i >= STRIDE; i += STRIDE) {
		for (size_t k = 0; k < STRIDE; k++)
			high |= (unsigned char)s.p[i + k];
		if (high >= 0x80)
			return false;
	}
	for (; i < s.n; i++)
		high |= (unsigned char)s.p[i];
	return high < 0x80;
}

bool utf8_is_unsafe(uint32_t cp)
{
	return cp < 0x20 || (cp >= 0x7f && cp < 0xa0) || cp == 0x061c || cp == 0x200e ||
	       cp == 0x200f || (cp >= 0x2028 && cp <= 0x202e) || (cp >= 0x2066 && cp <= 0x2069) ||
	       cp == 0xfeff;
}

void utf8_put(struct buf *out, uint32_t cp)
{
	char b[4];

	if (cp > 0x10ffff || (cp >= 0xd800 && cp <= 0xdfff))
		cp = 0xfffd;
	if (cp < 0x80) {
		buf_putc(out, (char)cp);
	} else if (cp < 0x800) {
		b[0] = (char)(0xc0 | cp >> 6);
		b[1] = (char)(0x80 | (cp & 0x3f));
		buf_put(out, slice(b, 2));
	} else if (cp < 0x10000) {
		b[0] = (char)(0xe0 | cp >> 12);
		b[1] = (char)(0x80 | (cp >> 6 & 0x3f));
		b[2] = (char)(0x80 | (cp & 0x3f));
		buf_put(out, slice(b, 3));
	} else {
		b[0] = (char)(0xf0 | cp >> 18);
		b[1] = (char)(0x80 | (cp >> 12 & 0x3f));
		b[2] = (char)(0x80 | (cp >> 6 & 0x3f));
		b[3] = (char)(0x80 | (cp & 0x3f));
		buf_put(out, slice(b, 4));
	}
}
