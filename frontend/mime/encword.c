#include "frontend/mime/encword.h"

#include "common/parse/cclass.h"
#include "frontend/mime/charset.h"
#include "frontend/mime/qp.h"

/* Between two stages. */
#define CHUNK CHARSET_OUT_MIN

struct word {
	slice_t charset;
	char encoding; /* 'q' or 'b' */
	slice_t text;
};

struct decode {
	struct buf *out;
	size_t left;
	bool cut;
	bool open; /* cs is open: for charset */
	struct charset cs;
	slice_t charset;
};

static void put(struct decode *d, slice_t utf8)
{
	size_t n = utf8.n;

	if (d->cut)
		return;
	if (n > d->left) {
		for (n = d->left; n != 0 && ((unsigned char)utf8.p[n] & 0xc0) == 0x80; n--)
			;
		d->cut = true;
	}
	d->left -= n;
	for (size_t i = 0; i < n; i++) {
		char c = utf8.p[i];

		buf_putc(d->out, cclass(c, CC_CTL) ? ' ' : c);
	}
}

static void close_charset(struct decode *d)
{
	char rest[CHARSET_OUT_MIN];

	if (!d->open)
		return;
	put(d, slice(rest, charset_end(&d->cs, rest)));
	charset_close(&d->cs);
	d->open = false;
}

static void convert(struct decode *d, slice_t bytes)
{
	while (bytes.n != 0 && !d->cut) {
		char utf8[CHUNK];
		size_t n = charset_feed(&d->cs, &bytes, utf8, sizeof utf8);

		put(d, slice(utf8, n));
	}
}

/* Text outside of words. */
static void plain(struct decode *d, slice_t text)
{
	if (text.n == 0)
		return;
	close_charset(d);
	charset_open(&d->cs, SLICE_NONE);
	d->open = true;
	convert(d, text);
	close_charset(d);
}

/* "Q" is quoted-printable with "_" for a space and no line breaks. */
static void word_q(struct decode *d, slice_t text)
{
	char bytes[ENCWORD_MAX];
	size_t n = 0;

	for (size_t i = 0; i < text.n; i++) {
		char c = text.p[i];
		int code = c == '=' ? qp_hex(slice_from(text, i + 1)) : -1;

		if (code >= 0) {
			c = (char)code;
			i += 2;
		} else if (c == '_') {
			c = ' ';
		}
		bytes[n++] = c;
	}
	convert(d, slice(bytes, n));
}

static void word_b(struct decode *d, slice_t text)
{
	struct b64_decoder b;
	char bytes[CHUNK];

	b64_init(&b);
	while (text.n != 0 && !d->cut)
		convert(d, slice(bytes, b64_feed(&b, &text, bytes, sizeof bytes)));
	convert(d, slice(bytes, b64_end(&b, bytes)));
}

static void put_word(struct decode *d, const struct word *w)
{
	/* Senders cut characters in two between words of one charset. */
	if (!d->open || !slice_ieq(d->charset, w->charset)) {
		close_charset(d);
		charset_open(&d->cs, w->charset);
		d->open = true;
		d->charset = w->charset;
	}
	if (w->encoding == 'q')
		word_q(d, w->text);
	else
		word_b(d, w->text);
}

/* encoded-word = "=?" charset "?" encoding "?" encoded-text "?=" at the start of s. */
static bool take_word(slice_t s, struct word *w, size_t *len)
{
	slice_t rest = slice_sub(s, 2, ENCWORD_MAX);
	size_t n = slice_find_char(rest, '?');
	slice_t text;

	if (n == 0 || n + 3 > rest.n || rest.p[n + 2] != '?')
		return false;
	for (size_t i = 0; i < n; i++) {
		if (!cclass(rest.p[i], CC_VCHAR))
			return false;
	}
	w->charset = slice_sub(rest, 0, n);
	w->charset.n = slice_find_char(w->charset, '*');
	w->encoding = ascii_lower(rest.p[n + 1]);
	text = slice_from(rest, n + 3);
	/* A "?" inside is the sender's fault, but no reason not to read it. */
	w->text = slice_sub(text, 0, slice_find(text, SL("?=")));
	if (w->text.n == text.n || (w->encoding != 'q' && w->encoding != 'b'))
		return false;
	*len = 2 + n + 3 + w->text.n + 2;
	return true;
}

/* Bytes before the next "=?". */
static size_t before_word(slice_t s)
{
	return slice_find(s, SL("=?"));
}

bool encword_decode(slice_t value, struct buf *out, size_t max)
{
	struct decode d = {.out = out, .left = max};
	bool after_word = false;

	while (value.n != 0 && !d.cut) {
		size_t n = before_word(value);
		slice_t text = slice_sub(value, 0, n);
		size_t len = 0;
		struct word w;

		value = slice_from(value, n);
		if (value.n != 0 && take_word(value, &w, &len)) {
			if (!after_word || slice_trim(text).n != 0)
				plain(&d, text);
			put_word(&d, &w);
			value = slice_from(value, len);
			after_word = true;
			continue;
		}
		/* No word: "=?" is text, with what comes before it. */
		n = MIN(value.n, 2);
		plain(&d, slice(text.p, text.n + n));
		value = slice_from(value, n);
		after_word = false;
	}
	close_charset(&d);
	return !d.cut;
}
