#include "frontend/imap/imap_utf7.h"

#include "common/base/utf8.h"

static const char alphabet[64] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+,";

static int value_of(char c)
{
	if (c >= 'A' && c <= 'Z')
		return c - 'A';
	if (c >= 'a' && c <= 'z')
		return c - 'a' + 26;
	if (c >= '0' && c <= '9')
		return c - '0' + 52;
	return c == '+' ? 62 : c == ',' ? 63 : -1;
}

/* One UTF-16 unit of a shifted run; *high holds a waiting high surrogate. */
static bool take_unit(struct buf *out, uint32_t unit, uint32_t *high)
{
	if (*high != 0) {
		if (unit < 0xDC00 || unit > 0xDFFF)
			return false;
		utf8_put(out, 0x10000 + ((*high - 0xD800) << 10) + (unit - 0xDC00));
		*high = 0;
		return true;
	}
	if (unit >= 0xD800 && unit <= 0xDBFF) {
		*high = unit;
		return true;
	}
	/* A surrogate out of place, or what must be written as it is (or cannot be in a name). */
	if ((unit >= 0xDC00 && unit <= 0xDFFF) || unit < 0x7F)
		return false;
	utf8_put(out, unit);
	return true;
}

/* The base64 between "&" and "-"; *at is behind the "&" and ends behind the "-". */
static bool decode_shift(struct buf *out, slice_t s, size_t *at)
{
	uint32_t bits = 0, high = 0;
	unsigned nbits = 0;
	size_t i = *at;

	for (; i < s.n && s.p[i] != '-'; i++) {
		int v = value_of(s.p[i]);

		if (v < 0)
			return false;
		bits = (bits << 6 | (uint32_t)v) & 0x3FFFFF;
		nbits += 6;
		if (nbits >= 16) {
			nbits -= 16;
			if (!take_unit(out, (bits >> nbits) & 0xFFFF, &high))
				return false;
		}
	}
	if (i == s.n || high != 0 || nbits >= 6 || (bits & ((1u << nbits) - 1)) != 0)
		return false;
	*at = i + 1;
	/* Two shifts in a row could have been one: only one spelling of a name is taken. */
	return *at >= s.n || s.p[*at] != '&' || (*at + 1 < s.n && s.p[*at + 1] == '-');
}

bool imap_utf7_decode(struct buf *out, slice_t s)
{
	size_t was = out->n;

	for (size_t i = 0; i < s.n;) {
		char c = s.p[i++];
		bool ok = c >= 0x20 && c < 0x7F;

		if (ok && c != '&') {
			buf_putc(out, c);
		} else if (ok && i < s.n && s.p[i] == '-') {
			buf_putc(out, '&');
			i++;
		} else {
			ok = ok && decode_shift(out, s, &i);
		}
		if (!ok || buf_failed(out)) {
			out->n = was;
			out->failed = false;
			return false;
		}
	}
	return true;
}

static void put_units(struct buf *out, const uint16_t *units, size_t n, uint32_t *bits,
		      unsigned *nbits)
{
	for (size_t i = 0; i < n; i++) {
		*bits = *bits << 16 | units[i];
		*nbits += 16;
		while (*nbits >= 6) {
			*nbits -= 6;
			buf_putc(out, alphabet[(*bits >> *nbits) & 63]);
		}
		*bits &= (1u << *nbits) - 1;
	}
}

void imap_utf7_encode(struct buf *out, slice_t path)
{
	uint32_t bits = 0, cp;
	unsigned nbits = 0;
	bool shifted = false;

	while (path.n != 0) {
		size_t n = utf8_decode(path, &cp);
		bool plain;

		if (n == 0) {
			n = 1;
			cp = 0xFFFD;
		}
		path = slice_from(path, n);
		plain = cp >= 0x20 && cp < 0x7F;
		if (plain && shifted) {
			if (nbits != 0)
				buf_putc(out, alphabet[(bits << (6 - nbits)) & 63]);
			buf_putc(out, '-');
			shifted = false;
			bits = nbits = 0;
		}
		if (plain) {
			buf_putc(out, (char)cp);
			if (cp == '&')
				buf_putc(out, '-');
			continue;
		}
		if (!shifted)
			buf_putc(out, '&');
		shifted = true;
		if (cp >= 0x10000) {
			uint16_t two[2] = {(uint16_t)(0xD800 + ((cp - 0x10000) >> 10)),
					   (uint16_t)(0xDC00 + ((cp - 0x10000) & 0x3FF))};

			put_units(out, two, 2, &bits, &nbits);
		} else {
			uint16_t one = (uint16_t)cp;

			put_units(out, &one, 1, &bits, &nbits);
		}
	}
	if (shifted) {
		if (nbits != 0)
			buf_putc(out, alphabet[(bits << (6 - nbits)) & 63]);
		buf_putc(out, '-');
	}
}
