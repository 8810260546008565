#include "frontend/imap/imap_parse.h"

#include "common/base/num.h"
#include "common/parse/date.h"

void imap_text_init(struct imap_text *t, struct budget *budget)
{
	*t = (struct imap_text){0};
	buf_init(&t->b, IMAP_TEXT_MAX_PREAUTH, budget);
}

void imap_text_fini(struct imap_text *t)
{
	buf_fini(&t->b);
}

void imap_text_reset(struct imap_text *t, size_t max)
{
	buf_reset(&t->b);
	t->b.max = MAX(max, t->b.cap);
	t->literals = 0;
}

bool imap_announced(slice_t line, struct imap_literal *out)
{
	size_t end = line.n, at;

	if (end == 0 || line.p[end - 1] != '}')
		return false;
	end--;
	out->sync = end == 0 || line.p[end - 1] != '+';
	if (!out->sync)
		end--;
	for (at = end; at > 0 && cclass(line.p[at - 1], CC_DIGIT); at--)
		;
	if (at == end || at == 0 || line.p[at - 1] != '{')
		return false;
	if (!num_parse(slice(line.p + at, end - at), (uint64_t)INT64_MAX, &out->size))
		out->size = UINT64_MAX;
	return true;
}

enum err imap_text_line(struct imap_text *t, slice_t line, bool *announced_out,
			struct imap_literal *literal_out)
{
	*announced_out = imap_announced(line, literal_out);
	buf_put(&t->b, line);
	return buf_failed(&t->b) ? E_LIMIT : E_OK;
}

enum err imap_text_literal(struct imap_text *t, uint64_t size)
{
	if (t->literals == IMAP_LITERALS_MAX || size > t->b.max - MIN(t->b.n, t->b.max))
		return E_LIMIT;
	t->literals++;
	buf_puts(&t->b, "\r\n");
	return buf_failed(&t->b) ? E_LIMIT : E_OK;
}

enum err imap_text_bytes(struct imap_text *t, slice_t chunk)
{
	buf_put(&t->b, chunk);
	return buf_failed(&t->b) ? E_LIMIT : E_OK;
}

bool imap_tag(struct imap_args *a, slice_t *out)
{
	return cur_span(&a->c, CC_IMAP_TAG, IMAP_TAG_MAX, out);
}

bool imap_sp(struct imap_args *a)
{
	return cur_char(&a->c, ' ');
}

bool imap_end(const struct imap_args *a)
{
	return cur_end(&a->c);
}

bool imap_atom(struct imap_args *a, slice_t *out)
{
	return cur_span(&a->c, CC_IMAP_ATOM, SIZE_MAX, out);
}

/* quoted = DQUOTE *QUOTED-CHAR DQUOTE. Bytes above 127 pass: mailbox names and search keys check
 * their own charset. */
static bool quoted(struct imap_args *a, slice_t *out)
{
	slice_t s = cur_rest(&a->c);
	size_t i, escapes = 0;
	char *p;

	for (i = 1; i < s.n && s.p[i] != '"'; i++) {
		if (s.p[i] == '\r' || s.p[i] == '\n')
			return false;
		if (s.p[i] != '\\')
			continue;
		i++;
		escapes++;
		if (i == s.n || (s.p[i] != '"' && s.p[i] != '\\'))
			return false;
	}
	if (i >= s.n)
		return false;
	*out = slice(s.p + 1, i - 1);
	if (escapes != 0) {
		size_t n = 0;

		p = arena_try(a->arena, out->n);
		if (p == NULL)
			return false;
		for (size_t j = 0; j < out->n; j++) {
			if (out->p[j] == '\\')
				j++;
			p[n++] = out->p[j];
		}
		*out = slice(p, n);
	}
	a->c.at += i + 1;
	return true;
}

/* literal = "{" number ["+"] "}" CRLF *CHAR8 */
static bool literal(struct imap_args *a, slice_t *out)
{
	struct cursor c = a->c;
	uint64_t n;

	if (!cur_char(&c, '{') || !cur_number(&c, c.s.n, &n))
		return false;
	(void)cur_char(&c, '+');
	if (!cur_word(&c, SL("}\r\n")) || !cur_take(&c, (size_t)n, out))
		return false;
	a->c = c;
	return true;
}

bool imap_string(struct imap_args *a, slice_t *out)
{
	switch (cur_peek(&a->c)) {
	case '"':
		return quoted(a, out);
	case '{':
		return literal(a, out);
	default:
		return false;
	}
}

bool imap_astring(struct imap_args *a, slice_t *out)
{
	return cur_span(&a->c, CC_IMAP_ASTRING, SIZE_MAX, out) || imap_string(a, out);
}

bool imap_nstring(struct imap_args *a, slice_t *out)
{
	if (imap_word(a, "NIL")) {
		*out = SLICE_NONE;
		return true;
	}
	if (!imap_string(a, out))
		return false;
	if (out->p == NULL)
		*out = SL("");
	return true;
}

bool imap_list_mailbox(struct imap_args *a, slice_t *out)
{
	return cur_span(&a->c, CC_IMAP_LIST, SIZE_MAX, out) || imap_string(a, out);
}

bool imap_number(struct imap_args *a, uint32_t *out)
{
	uint64_t v;

	if (!cur_number(&a->c, UINT32_MAX, &v))
		return false;
	*out = (uint32_t)v;
	return true;
}

bool imap_nz_number(struct imap_args *a, uint32_t *out)
{
	struct cursor c = a->c;

	/* digit-nz comes first: "01" is no nz-number. */
	if (cur_peek(&c) == '0' || !imap_number(a, out))
		return false;
	return true;
}

bool imap_word(struct imap_args *a, const char *word)
{
	struct cursor c = a->c;

	if (!cur_word(&c, slice_str(word)) || cur_is(&c, CC_IMAP_ATOM))
		return false;
	a->c = c;
	return true;
}

bool imap_date(struct imap_args *a, int32_t *days_out)
{
	struct cursor c = a->c;
	bool q = cur_char(&c, '"');
	slice_t text;

	if (!cur_span(&c, CC_IMAP_ATOM, 11, &text) || (q && !cur_char(&c, '"')) ||
	    !date_parse_imap_day(text, days_out))
		return false;
	a->c = c;
	return true;
}

bool imap_date_time(struct imap_args *a, int64_t *us_out)
{
	struct cursor c = a->c;
	struct date d;
	slice_t text;

	if (!cur_char(&c, '"') || !cur_until(&c, '"', 32, &text) || !cur_char(&c, '"') ||
	    !date_parse_imap(text, &d))
		return false;
	*us_out = d.utc_s * 1000000;
	a->c = c;
	return true;
}
