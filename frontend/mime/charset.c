#include "frontend/mime/charset.h"

#include <errno.h>
#include <iconv.h>

#include "common/base/utf8.h"

struct charset_name {
	const char *name;  /* as mail writes it, lower case */
	const char *iconv; /* as the C library calls it */
};

static const struct charset_name charset_names[] = {
	{"iso-8859-2", "ISO-8859-2"},
	{"iso-8859-3", "ISO-8859-3"},
	{"iso-8859-4", "ISO-8859-4"},
	{"iso-8859-5", "ISO-8859-5"},
	{"iso-8859-6", "ISO-8859-6"},
	{"iso-8859-7", "ISO-8859-7"},
	{"iso-8859-8", "ISO-8859-8"},
	{"iso-8859-8-i", "ISO-8859-8"},
	{"iso-8859-9", "WINDOWS-1254"},
	{"iso-8859-10", "ISO-8859-10"},
	{"iso-8859-13", "ISO-8859-13"},
	{"iso-8859-14", "ISO-8859-14"},
	{"iso-8859-15", "ISO-8859-15"},
	{"iso-8859-16", "ISO-8859-16"},
	{"windows-1250", "WINDOWS-1250"},
	{"windows-1251", "WINDOWS-1251"},
	{"windows-1253", "WINDOWS-1253"},
	{"windows-1254", "WINDOWS-1254"},
	{"windows-1255", "WINDOWS-1255"},
	{"windows-1256", "WINDOWS-1256"},
	{"windows-1257", "WINDOWS-1257"},
	{"windows-1258", "WINDOWS-1258"},
	{"cp1250", "WINDOWS-1250"},
	{"cp1251", "WINDOWS-1251"},
	{"koi8-r", "KOI8-R"},
	{"koi8-u", "KOI8-U"},
	{"cp437", "IBM437"},
	{"ibm437", "IBM437"},
	{"ibm850", "IBM850"},
	{"cp850", "IBM850"},
	{"ibm852", "IBM852"},
	{"ibm866", "IBM866"},
	{"cp866", "IBM866"},
	{"macintosh", "MACINTOSH"},
	{"gb2312", "GB18030"},
	{"gbk", "GB18030"},
	{"gb18030", "GB18030"},
	{"big5", "BIG5"},
	{"big5-hkscs", "BIG5-HKSCS"},
	{"shift_jis", "CP932"},
	{"shift-jis", "CP932"},
	{"windows-31j", "CP932"},
	{"cp932", "CP932"},
	{"euc-jp", "EUC-JP"},
	{"iso-2022-jp", "ISO-2022-JP"},
	{"iso-2022-kr", "ISO-2022-KR"},
	{"euc-kr", "UHC"},
	{"ks_c_5601-1987", "UHC"},
	{"cp949", "UHC"},
	{"tis-620", "WINDOWS-874"},
	{"windows-874", "WINDOWS-874"},
	{"iso-8859-11", "WINDOWS-874"},
	{"viscii", "VISCII"},
	{"utf-7", "UTF-7"},
	{"utf-16", "UTF-16"},
	{"utf-16le", "UTF-16LE"},
	{"utf-16be", "UTF-16BE"},
	{"utf-32", "UTF-32"},
	{"utf-32le", "UTF-32LE"},
	{"utf-32be", "UTF-32BE"},
};

/* windows-1252 at 0x80..0x9f; 0 where it has nothing. */
static const uint16_t cp1252_high[32] = {
	0x20ac, 0,      0x201a, 0x0192, 0x201e, 0x2026, 0x2020, 0x2021, 0x02c6, 0x2030, 0x0160,
	0x2039, 0x0152, 0,      0x017d, 0,      0,      0x2018, 0x2019, 0x201c, 0x201d, 0x2022,
	0x2013, 0x2014, 0x02dc, 0x2122, 0x0161, 0x203a, 0x0153, 0,      0x017e, 0x0178,
};

static iconv_t converter(const char *from)
{
	return iconv_open("UTF-8", from);
}

void charset_preload(void)
{
	/* Held open for the process's life: the library unloads what nobody uses. */
	static iconv_t kept[ARRAY_LEN(charset_names)];

	for (size_t i = 0; i < ARRAY_LEN(charset_names); i++) {
		if (kept[i] == NULL)
			kept[i] = converter(charset_names[i].iconv);
	}
}

static bool is_latin1(slice_t name)
{
	return slice_ieq(name, SL("iso-8859-1")) || slice_ieq(name, SL("windows-1252")) ||
	       slice_ieq(name, SL("latin1")) || slice_ieq(name, SL("iso8859-1")) ||
	       slice_ieq(name, SL("cp1252"));
}

void charset_open(struct charset *c, slice_t name)
{
	c->kind = CHARSET_UTF8;
	c->cd = NULL;
	c->held_n = 0;
	if (name.n == 0 || slice_ieq(name, SL("utf-8")) || slice_ieq(name, SL("us-ascii")))
		return;
	if (is_latin1(name)) {
		c->kind = CHARSET_CP1252;
		return;
	}
	for (size_t i = 0; i < ARRAY_LEN(charset_names); i++) {
		iconv_t cd;

		if (!slice_ieq(name, slice_str(charset_names[i].name)))
			continue;
		cd = converter(charset_names[i].iconv);
		/* A library without that converter: read as an unknown name would be. */
		if ((intptr_t)cd == -1)
			return;
		c->cd = cd;
		c->kind = CHARSET_ICONV;
		return;
	}
}

void charset_close(struct charset *c)
{
	if (c->kind == CHARSET_ICONV)
		iconv_close(c->cd);
	c->kind = CHARSET_UTF8;
	c->cd = NULL;
}

/* How many of the first bytes are ASCII: eight at a time. */
static size_t ascii_run(const char *p, size_t n)
{
	size_t i = 0;
	uint64_t w;

	for (; i + sizeof w <= n; i += sizeof w) {
		memcpy(&w, p + i, sizeof w);
		if ((w & 0x8080808080808080u) != 0)
			break;
	}
	while (i < n && (unsigned char)p[i] < 0x80)
		i++;
	return i;
}

static size_t put_cp(char *out, uint32_t cp)
{
	if (cp < 0x80) {
		out[0] = (char)cp;
		return 1;
	}
	if (cp < 0x800) {
		out[0] = (char)(0xc0 | cp >> 6);
		out[1] = (char)(0x80 | (cp & 0x3f));
		return 2;
	}
	out[0] = (char)(0xe0 | cp >> 12);
	out[1] = (char)(0x80 | (cp >> 6 & 0x3f));
	out[2] = (char)(0x80 | (cp & 0x3f));
	return 3;
}

static size_t put_1252(char *out, unsigned char c)
{
	uint32_t cp = c;

	if (c >= 0x80 && c < 0xa0 && cp1252_high[c - 0x80] != 0)
		cp = cp1252_high[c - 0x80];
	return put_cp(out, cp);
}

static size_t feed_1252(slice_t *in, char *out, size_t out_max)
{
	size_t n = 0;

	while (in->n != 0 && out_max - n >= 4) {
		size_t run = ascii_run(in->p, MIN(in->n, out_max - n));

		memcpy(out + n, in->p, run);
		n += run;
		*in = slice_from(*in, run);
		if (in->n != 0 && (unsigned char)in->p[0] >= 0x80 && out_max - n >= 4) {
			n += put_1252(out + n, (unsigned char)in->p[0]);
			*in = slice_from(*in, 1);
		}
	}
	return n;
}

/* How many bytes the sequence that starts with c would have; 0: c starts none. */
static size_t utf8_want(unsigned char c)
{
	if (c < 0xc2 || c > 0xf4)
		return 0;
	return c >= 0xf0 ? 4 : c >= 0xe0 ? 3 : 2;
}

/* Could these bytes, which are too few, become a character? */
static bool utf8_unfinished(slice_t s)
{
	if (s.n == 0 || s.n >= utf8_want((unsigned char)s.p[0]))
		return false;
	for (size_t i = 1; i < s.n; i++) {
		if (((unsigned char)s.p[i] & 0xc0) != 0x80)
			return false;
	}
	return true;
}

/* One character, or one byte that belongs to none. False: more bytes could finish it. */
static bool utf8_step(slice_t *in, char *out, size_t *n)
{
	uint32_t cp;
	size_t len = utf8_decode(*in, &cp);

	if (len == 0) {
		if (utf8_unfinished(*in))
			return false;
		*n += put_1252(out + *n, (unsigned char)in->p[0]);
		len = 1;
	} else {
		memcpy(out + *n, in->p, len);
		*n += len;
	}
	*in = slice_from(*in, len);
	return true;
}

/* Finishes the character whose first bytes were held. Each turn makes at most 8 bytes. */
static size_t utf8_held(struct charset *c, slice_t *in, char *out, size_t out_max)
{
	size_t n = 0;

	while (c->held_n != 0 && in->n != 0 && out_max - n >= 8) {
		slice_t s;

		c->held[c->held_n++] = in->p[0];
		*in = slice_from(*in, 1);
		s = slice(c->held, c->held_n);
		while (s.n != 0 && utf8_step(&s, out, &n))
			;
		memmove(c->held, s.p, s.n);
		c->held_n = (unsigned)s.n;
	}
	return n;
}

static size_t feed_utf8(struct charset *c, slice_t *in, char *out, size_t out_max)
{
	size_t n = utf8_held(c, in, out, out_max);

	while (c->held_n == 0 && in->n != 0 && out_max - n >= 4) {
		size_t run = ascii_run(in->p, MIN(in->n, out_max - n));

		memcpy(out + n, in->p, run);
		n += run;
		*in = slice_from(*in, run);
		if (in->n != 0 && (unsigned char)in->p[0] >= 0x80 && out_max - n >= 4 &&
		    !utf8_step(in, out, &n)) {
			memcpy(c->held, in->p, in->n);
			c->held_n = (unsigned)in->n;
			*in = SLICE_NONE;
		}
	}
	return n;
}

static char *input_of(slice_t s)
{
	/* iconv does not write to its input; its prototype is older than const. */
	union {
		const char *c;
		char *m;
	} u = {s.p};

	return u.m;
}

#define REPLACEMENT "\xef\xbf\xbd"

/* Converts the block that is held. A byte that is wrong becomes a replacement character; a sequence
 * that is unfinished stays. out has CHARSET_OUT_MIN bytes. */
static size_t convert_block(struct charset *c, char *out)
{
	size_t left = CHARSET_OUT_MIN;
	slice_t s = slice(c->held, c->held_n);
	char *to = out;

	while (s.n != 0) {
		char *from = input_of(s);
		size_t n = s.n;
		size_t rc = iconv(c->cd, &from, &n, &to, &left);
		int error = errno;

		s = slice_from(s, s.n - n);
		if (rc != (size_t)-1 || (error == EINVAL && s.n <= CHARSET_TAIL_MAX))
			break;
		if (left < sizeof REPLACEMENT) {
			s = SLICE_NONE; /* more text than any charset has in so few bytes */
			break;
		}
		memcpy(to, REPLACEMENT, 3);
		to += 3;
		left -= 3;
		s = slice_from(s, 1);
	}
	if (s.n != 0)
		memmove(c->held, s.p, s.n);
	c->held_n = (unsigned)s.n;
	return CHARSET_OUT_MIN - left;
}

static size_t feed_iconv(struct charset *c, slice_t *in, char *out, size_t out_max)
{
	size_t n = 0;

	while (in->n != 0 && out_max - n >= CHARSET_OUT_MIN) {
		size_t some = MIN(in->n, sizeof c->held - c->held_n);

		memcpy(c->held + c->held_n, in->p, some);
		c->held_n += (unsigned)some;
		*in = slice_from(*in, some);
		if (c->held_n == sizeof c->held)
			n += convert_block(c, out + n);
	}
	return n;
}

/* The last block; what is unfinished now will stay so. */
static size_t end_iconv(struct charset *c, char *out)
{
	size_t n = convert_block(c, out);
	char *to = out + n;
	size_t left = CHARSET_OUT_MIN - n;

	/* Some converters keep a letter back, an accent might follow. */
	(void)iconv(c->cd, NULL, NULL, &to, &left);
	if (c->held_n != 0 && left >= sizeof REPLACEMENT) {
		memcpy(to, REPLACEMENT, 3);
		left -= 3;
	}
	return CHARSET_OUT_MIN - left;
}

size_t charset_feed(struct charset *c, slice_t *in, char *out, size_t out_max)
{
	switch (c->kind) {
	case CHARSET_UTF8:
		return feed_utf8(c, in, out, out_max);
	case CHARSET_CP1252:
		return feed_1252(in, out, out_max);
	case CHARSET_ICONV:
		return feed_iconv(c, in, out, out_max);
	}
	invariant(false);
}

size_t charset_end(struct charset *c, char *out)
{
	size_t n = 0;

	if (c->kind == CHARSET_ICONV)
		n = end_iconv(c, out);
	else
		for (unsigned i = 0; i < c->held_n; i++)
			n += put_1252(out + n, (unsigned char)c->held[i]);
	c->held_n = 0;
	return n;
}
