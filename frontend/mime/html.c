#include "frontend/mime/html.h"

#include "common/base/num.h"
#include "common/parse/cclass.h"

struct entity {
	const char *name;
	uint16_t cp;
};

/* Those that mail uses, besides Latin-1's. */
static const struct entity entities[] = {
	{"amp", '&'},       {"lt", '<'},        {"gt", '>'},        {"quot", '"'},
	{"apos", '\''},     {"euro", 0x20ac},   {"hellip", 0x2026}, {"mdash", 0x2014},
	{"ndash", 0x2013},  {"lsquo", 0x2018},  {"rsquo", 0x2019},  {"sbquo", 0x201a},
	{"ldquo", 0x201c},  {"rdquo", 0x201d},  {"bdquo", 0x201e},  {"bull", 0x2022},
	{"trade", 0x2122},  {"oelig", 0x0153},  {"OElig", 0x0152},  {"scaron", 0x0161},
	{"Scaron", 0x0160}, {"Yuml", 0x0178},   {"fnof", 0x0192},   {"dagger", 0x2020},
	{"lsaquo", 0x2039}, {"rsaquo", 0x203a}, {"larr", 0x2190},   {"rarr", 0x2192},
	{"ensp", ' '},      {"emsp", ' '},      {"thinsp", ' '},    {"minus", 0x2212},
	{"zwnj", 0x200c},   {"zwj", 0x200d},    {"infin", 0x221e},  {"ne", 0x2260},
};

/* U+00A0 to U+00FF, in order. */
static const char *const latin1[96] = {
	"nbsp",   "iexcl",  "cent",   "pound",  "curren", "yen",    "brvbar", "sect",   "uml",
	"copy",   "ordf",   "laquo",  "not",    "shy",    "reg",    "macr",   "deg",    "plusmn",
	"sup2",   "sup3",   "acute",  "micro",  "para",   "middot", "cedil",  "sup1",   "ordm",
	"raquo",  "frac14", "frac12", "frac34", "iquest", "Agrave", "Aacute", "Acirc",  "Atilde",
	"Auml",   "Aring",  "AElig",  "Ccedil", "Egrave", "Eacute", "Ecirc",  "Euml",   "Igrave",
	"Iacute", "Icirc",  "Iuml",   "ETH",    "Ntilde", "Ograve", "Oacute", "Ocirc",  "Otilde",
	"Ouml",   "times",  "Oslash", "Ugrave", "Uacute", "Ucirc",  "Uuml",   "Yacute", "THORN",
	"szlig",  "agrave", "aacute", "acirc",  "atilde", "auml",   "aring",  "aelig",  "ccedil",
	"egrave", "eacute", "ecirc",  "euml",   "igrave", "iacute", "icirc",  "iuml",   "eth",
	"ntilde", "ograve", "oacute", "ocirc",  "otilde", "ouml",   "divide", "oslash", "ugrave",
	"uacute", "ucirc",  "uuml",   "yacute", "thorn",  "yuml",
};

/* Elements inside a word or a sentence: no white space in their place. */
static const slice_t inline_tags[] = {
	{"a", 1},     {"abbr", 4}, {"acronym", 7}, {"b", 1},      {"bdo", 3},  {"big", 3},
	{"cite", 4},  {"code", 4}, {"dfn", 3},     {"em", 2},     {"font", 4}, {"i", 1},
	{"ins", 3},   {"kbd", 3},  {"mark", 4},    {"q", 1},      {"s", 1},    {"samp", 4},
	{"small", 5}, {"span", 4}, {"strike", 6},  {"strong", 6}, {"sub", 3},  {"sup", 3},
	{"tt", 2},    {"u", 1},    {"var", 3},     {"wbr", 3},
};

void html_init(struct html *h)
{
	*h = (struct html){.state = HTML_TEXT};
}

/* 0: not known. */
static uint32_t entity_cp(slice_t name)
{
	uint64_t v;

	if (name.n > 1 && name.p[0] == '#') {
		slice_t digits = slice_from(name, 1);

		if (ascii_lower(digits.p[0]) == 'x') {
			v = 0;
			for (size_t i = 1; i < digits.n; i++) {
				char c = ascii_lower(digits.p[i]);

				if (!cclass(c, CC_HEX))
					return 0;
				v = v << 4 | (uint64_t)(c <= '9' ? c - '0' : c - 'a' + 10);
			}
		} else if (!num_parse(digits, 0x10ffff, &v)) {
			return 0;
		}
		return v <= 0x10ffff && (v < 0xd800 || v > 0xdfff) ? (uint32_t)v : 0;
	}
	for (size_t i = 0; i < ARRAY_LEN(entities); i++) {
		if (slice_eq(name, slice_str(entities[i].name)))
			return entities[i].cp;
	}
	for (size_t i = 0; i < ARRAY_LEN(latin1); i++) {
		if (slice_eq(name, slice_str(latin1[i])))
			return 0xa0 + (uint32_t)i;
	}
	return 0;
}

static size_t put_utf8(char *out, uint32_t cp)
{
	size_t n = cp < 0x80 ? 1 : cp < 0x800 ? 2 : cp < 0x10000 ? 3 : 4;

	if (n == 1) {
		out[0] = (char)cp;
		return 1;
	}
	for (size_t i = n - 1; i > 0; i--) {
		out[i] = (char)(0x80 | (cp & 0x3f));
		cp >>= 6;
	}
	out[0] = (char)(0xf00u >> n | cp);
	return n;
}

/* The white space that is due, before text. */
static size_t put_gap(struct html *h, char *out)
{
	size_t n = h->gap != 0 && h->started ? 1 : 0;

	if (n != 0)
		out[0] = h->gap;
	h->gap = 0;
	h->started = true;
	return n;
}

static bool is_space(char c)
{
	return c == ' ' || c == '\n' || c == '\r' || c == '\t' || c == '\f';
}

/* Bytes that mean something in text. */
static const bool special[256] = {
	[' '] = true,  ['\n'] = true, ['\r'] = true, ['\t'] = true,
	['\f'] = true, ['<'] = true,  ['&'] = true,
};

/* Text as it stands: words, and single spaces between them. */
static size_t text_run(const char *p, size_t n)
{
	size_t i = 0;

	for (;;) {
		while (i < n && !special[(unsigned char)p[i]])
			i++;
		if (i + 1 >= n || p[i] != ' ' || special[(unsigned char)p[i + 1]])
			return i;
		i += 2;
	}
}

/* Text up to markup. Leaves room for a gap. */
static size_t step_text(struct html *h, slice_t *in, char *out, size_t out_max)
{
	size_t n = 0;
	size_t i = 0;

	while (i < in->n && n + 2 < out_max) {
		char c = in->p[i];
		size_t run;

		if (c == '<' || c == '&') {
			h->state = c == '<' ? HTML_OPEN : HTML_ENTITY;
			h->name_n = 0;
			i++;
			break;
		}
		if (is_space(c)) {
			if (h->gap == 0)
				h->gap = ' ';
			i++;
			continue;
		}
		n += put_gap(h, out + n);
		run = text_run(in->p + i, MIN(in->n - i, out_max - n));
		memcpy(out + n, in->p + i, run);
		n += run;
		i += run;
	}
	*in = slice_from(*in, i);
	return n;
}

/* What was read of an entity becomes a character, or stays as it was. */
static size_t close_entity(struct html *h, char *out, char end)
{
	uint32_t cp = entity_cp(slice(h->name, h->name_n));
	size_t n;

	h->state = HTML_TEXT;
	if (cp == ' ' || cp == 0xa0) {
		if (h->gap == 0)
			h->gap = ' ';
		return 0;
	}
	if (cp == 0xad)
		return 0; /* a soft hyphen parts no word */
	n = put_gap(h, out);
	if (cp != 0)
		return n + put_utf8(out + n, cp);
	out[n++] = '&';
	memcpy(out + n, h->name, h->name_n);
	n += h->name_n;
	if (end != 0)
		out[n++] = end;
	return n;
}

static size_t step_entity(struct html *h, slice_t *in, char *out)
{
	char c = in->p[0];

	if (cclass(c, CC_ALPHA | CC_DIGIT) || (c == '#' && h->name_n == 0)) {
		if (h->name_n == HTML_ENTITY_MAX)
			return close_entity(h, out, 0);
		h->name[h->name_n++] = c;
		*in = slice_from(*in, 1);
		return 0;
	}
	if (c == ';')
		*in = slice_from(*in, 1);
	return close_entity(h, out, c == ';' ? ';' : 0);
}

static bool is_raw(slice_t name)
{
	return slice_eq(name, SL("script")) || slice_eq(name, SL("style"));
}

/* The ">" of a tag. */
static void close_tag(struct html *h)
{
	slice_t name = slice(h->name, h->name_n);
	bool end = name.n != 0 && name.p[0] == '/';

	h->state = HTML_TEXT;
	if (!end && is_raw(name)) {
		memcpy(h->raw, name.p, name.n);
		h->raw_n = (unsigned)name.n;
		h->state = HTML_RAW;
		h->name_n = 0;
		return;
	}
	name = slice_from(name, end ? 1 : 0);
	for (size_t i = 0; i < ARRAY_LEN(inline_tags); i++) {
		if (name.n != 0 && name.p[0] == inline_tags[i].p[0] &&
		    slice_eq(name, inline_tags[i]))
			return;
	}
	h->gap = '\n';
}

/* Just after "<". */
static size_t step_open(struct html *h, slice_t *in, char *out)
{
	char c = in->p[0];
	size_t n;

	if (h->name_n == 0 && !cclass(c, CC_ALPHA) && c != '/' && c != '!' && c != '?') {
		/* A lone "<" is text. */
		n = put_gap(h, out);
		out[n++] = '<';
		h->state = HTML_TEXT;
		return n;
	}
	*in = slice_from(*in, 1);
	if (h->name_n == 0 && (c == '!' || c == '?')) {
		h->state = HTML_DECL;
		h->dashes = 0;
	} else if (c == '>') {
		close_tag(h);
	} else if (is_space(c) || (c == '/' && h->name_n != 0)) {
		h->state = HTML_TAG;
	} else if (h->name_n < HTML_TAG_MAX) {
		h->name[h->name_n++] = ascii_lower(c);
	}
	return 0;
}

/* Just after "<!": two dashes make a comment of it. */
static void step_decl(struct html *h, char c)
{
	if (c == '>') {
		h->state = HTML_TEXT;
	} else if (h->dashes <= 1 && c == '-') {
		if (++h->dashes == 2) {
			h->state = HTML_COMMENT;
			h->dashes = 0;
		}
	} else {
		h->dashes = 3;
	}
}

static void step_comment(struct html *h, char c)
{
	if (c == '>' && h->dashes >= 2)
		h->state = HTML_TEXT;
	h->dashes = c == '-' ? h->dashes + 1 : 0;
}

/* In a script: only its own end tag ends it. name gathers "</script". */
static void step_raw(struct html *h, char c)
{
	unsigned n = h->name_n;

	if (n == h->raw_n + 2) {
		if (c == '>' || is_space(c) || c == '/') {
			h->state = c == '>' ? HTML_TEXT : HTML_TAG;
			h->name_n = 0;
			h->gap = '\n';
			return;
		}
		n = 0;
	}
	c = ascii_lower(c);
	if ((n == 0 && c == '<') || (n == 1 && c == '/') || (n >= 2 && c == h->raw[n - 2]))
		h->name_n = n + 1;
	else
		h->name_n = c == '<' ? 1 : 0;
}

/* Bytes that change nothing in this state. */
static size_t markup_run(const struct html *h, slice_t in)
{
	size_t i = 0;

	if (h->state == HTML_TAG) {
		while (i < in.n && in.p[i] != '>' && in.p[i] != '"' && in.p[i] != '\'')
			i++;
	} else if (h->state == HTML_QUOTED) {
		i = slice_find_char(in, h->quote);
	} else if (h->state == HTML_RAW && h->name_n == 0) {
		i = slice_find_char(in, '<');
	}
	return i;
}

/* One byte in a state in which text is passed over. */
static void step_markup(struct html *h, char c)
{
	if (h->state == HTML_TAG) {
		if (c == '>') {
			close_tag(h);
		} else if (c == '"' || c == '\'') {
			h->quote = c;
			h->state = HTML_QUOTED;
		}
	} else if (h->state == HTML_QUOTED) {
		if (c == h->quote)
			h->state = HTML_TAG;
	} else if (h->state == HTML_COMMENT) {
		step_comment(h, c);
	} else if (h->state == HTML_DECL) {
		step_decl(h, c);
	} else {
		step_raw(h, c);
	}
}

static void pass_markup(struct html *h, slice_t *in)
{
	*in = slice_from(*in, markup_run(h, *in));
	if (in->n != 0) {
		step_markup(h, in->p[0]);
		*in = slice_from(*in, 1);
	}
}

size_t html_feed(struct html *h, slice_t *in, char *out, size_t out_max)
{
	size_t n = 0;

	while (in->n != 0 && out_max - n >= HTML_OUT_MIN) {
		switch (h->state) {
		case HTML_TEXT:
			n += step_text(h, in, out + n, out_max - n);
			break;
		case HTML_ENTITY:
			n += step_entity(h, in, out + n);
			break;
		case HTML_OPEN:
			n += step_open(h, in, out + n);
			break;
		case HTML_TAG:
		case HTML_QUOTED:
		case HTML_COMMENT:
		case HTML_DECL:
		case HTML_RAW:
			pass_markup(h, in);
			break;
		}
	}
	return n;
}

size_t html_end(struct html *h, char *out)
{
	return h->state == HTML_ENTITY ? close_entity(h, out, 0) : 0;
}
