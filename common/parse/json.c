#include "common/parse/json.h"

#include "common/base/utf8.h"

void json_init(struct json *j, slice_t text)
{
	*j = (struct json){.in = text};
}

/* ---- characters ---- */

static bool at_end(const struct json *j)
{
	return j->at == j->in.n;
}

static char peek(const struct json *j)
{
	return at_end(j) ? '\0' : j->in.p[j->at];
}

static bool take(struct json *j, char c)
{
	if (at_end(j) || j->in.p[j->at] != c)
		return false;
	j->at++;
	return true;
}

/* ws (section 2). */
static void skip_space(struct json *j)
{
	while (!at_end(j) &&
	       (peek(j) == ' ' || peek(j) == '\t' || peek(j) == '\n' || peek(j) == '\r'))
		j->at++;
}

/* ---- values ---- */

/* string (section 7), from its first quote on; escapes are looked at by json_unescape. */
static bool take_string(struct json *j, slice_t *out)
{
	size_t from = j->at + 1;

	if (!take(j, '"'))
		return false;
	for (; !at_end(j); j->at++) {
		unsigned char c = (unsigned char)j->in.p[j->at];

		if (c == '"') {
			*out = slice_sub(j->in, from, j->at - from);
			j->at++;
			return true;
		}
		if (c < 0x20)
			return false;
		if (c == '\\' && ++j->at == j->in.n)
			return false;
	}
	return false;
}

static bool take_digits(struct json *j)
{
	size_t from = j->at;

	while (peek(j) >= '0' && peek(j) <= '9')
		j->at++;
	return j->at != from;
}

/* number (section 6). */
static bool take_number(struct json *j, slice_t *out)
{
	size_t from = j->at;

	(void)take(j, '-');
	if (!take(j, '0') && !take_digits(j))
		return false;
	if (take(j, '.') && !take_digits(j))
		return false;
	if (take(j, 'e') || take(j, 'E')) {
		if (!take(j, '+'))
			(void)take(j, '-');
		if (!take_digits(j))
			return false;
	}
	*out = slice_sub(j->in, from, j->at - from);
	return true;
}

static bool take_word(struct json *j, slice_t word)
{
	if (!slice_starts(slice_from(j->in, j->at), word))
		return false;
	j->at += word.n;
	return true;
}

static enum json_kind bad(struct json *j)
{
	j->bad = true;
	return JSON_BAD;
}

static enum json_kind open_level(struct json *j, enum json_kind kind)
{
	uint32_t bit;

	if (j->depth == JSON_DEPTH_MAX)
		return bad(j);
	bit = (uint32_t)1 << j->depth++;
	j->objects = kind == JSON_OBJECT ? j->objects | bit : j->objects & ~bit;
	j->first = true;
	return kind;
}

/* value (section 3). */
static enum json_kind take_value(struct json *j, struct json_token *out)
{
	if (j->values++ == JSON_VALUES_MAX)
		return bad(j);
	j->first = false;
	switch (peek(j)) {
	case '{':
		j->at++;
		return open_level(j, JSON_OBJECT);
	case '[':
		j->at++;
		return open_level(j, JSON_ARRAY);
	case '"':
		return take_string(j, &out->text) ? JSON_STRING : bad(j);
	case 't':
		return take_word(j, SL("true")) ? JSON_TRUE : bad(j);
	case 'f':
		return take_word(j, SL("false")) ? JSON_FALSE : bad(j);
	case 'n':
		return take_word(j, SL("null")) ? JSON_NULL : bad(j);
	default:
		return take_number(j, &out->text) ? JSON_NUMBER : bad(j);
	}
}

/* ---- tokens ---- */

/* One value alone. */
static enum json_kind next_outside(struct json *j, struct json_token *out)
{
	if (!j->begun) {
		j->begun = true;
		return take_value(j, out);
	}
	return at_end(j) ? JSON_OVER : bad(j);
}

/* object, array (sections 4 and 5). */
static enum json_kind next_inside(struct json *j, struct json_token *out)
{
	bool object = (j->objects >> (j->depth - 1) & 1) != 0;

	if (take(j, object ? '}' : ']')) {
		j->depth--;
		j->first = false;
		return JSON_END;
	}
	if (!j->first && !take(j, ','))
		return bad(j);
	skip_space(j);
	if (object) {
		if (!take_string(j, &out->key))
			return bad(j);
		skip_space(j);
		if (!take(j, ':'))
			return bad(j);
		skip_space(j);
	}
	return take_value(j, out);
}

enum json_kind json_next(struct json *j, struct json_token *out)
{
	*out = (struct json_token){.kind = JSON_BAD};
	if (j->bad)
		return JSON_BAD;
	skip_space(j);
	out->kind = j->depth == 0 ? next_outside(j, out) : next_inside(j, out);
	if (out->kind == JSON_BAD)
		*out = (struct json_token){.kind = JSON_BAD};
	return out->kind;
}

void json_skip(struct json *j, const struct json_token *t)
{
	unsigned depth = j->depth;
	struct json_token inner;

	if (t->kind != JSON_OBJECT && t->kind != JSON_ARRAY)
		return;
	while (j->depth >= depth && json_next(j, &inner) != JSON_BAD)
		;
}

/* ---- strings ---- */

static bool take_hex(slice_t *in, uint32_t *out)
{
	uint32_t v = 0;

	for (int i = 0; i < 4; i++) {
		char c = in->n != 0 ? ascii_lower(in->p[0]) : '\0';
		bool digit = c >= '0' && c <= '9';

		if (!digit && (c < 'a' || c > 'f'))
			return false;
		v = v * 16 + (uint32_t)(digit ? c - '0' : c - 'a' + 10);
		*in = slice_from(*in, 1);
	}
	*out = v;
	return true;
}

/* Behind "\u"; a pair of surrogates is one character. */
static bool take_unicode(slice_t *in, struct buf *out)
{
	uint32_t v, low;

	if (!take_hex(in, &v))
		return false;
	if (v >= 0xD800 && v < 0xDC00) {
		if (!slice_starts(*in, SL("\\u")))
			return false;
		*in = slice_from(*in, 2);
		if (!take_hex(in, &low) || low < 0xDC00 || low > 0xDFFF)
			return false;
		v = 0x10000 + ((v - 0xD800) << 10) + (low - 0xDC00);
	} else if (v == 0 || (v >= 0xDC00 && v <= 0xDFFF)) {
		return false;
	}
	utf8_put(out, v);
	return true;
}

bool json_unescape(slice_t in, struct buf *out)
{
	static const char from[] = "\"\\/bfnrt", to[] = "\"\\/\b\f\n\r\t";

	if (!utf8_valid(in))
		return false;
	while (in.n != 0) {
		size_t plain = slice_find_char(in, '\\');
		const char *known;

		buf_put(out, slice_sub(in, 0, plain));
		in = slice_from(in, plain);
		if (in.n == 0)
			break;
		known = in.n > 1 && in.p[1] != '\0' ? strchr(from, in.p[1]) : NULL;
		if (known != NULL) {
			buf_putc(out, to[known - from]);
			in = slice_from(in, 2);
			continue;
		}
		if (in.n < 2 || in.p[1] != 'u')
			return false;
		in = slice_from(in, 2);
		if (!take_unicode(&in, out))
			return false;
	}
	return !buf_failed(out);
}
