#include "common/conf/conf_priv.h"

#include <arpa/inet.h>

#include "common/base/num.h"

bool conf_type_is_list(enum conf_type t)
{
	return t == CONF_ADDRS || t == CONF_STRINGS;
}

/* "PLACE: smtp.port: WHAT". */
static enum err refuse(const struct conf_def *def, const char *where, struct diag *d,
		       const char *what)
{
	return diag_set(d, E_INVALID, "%s: %s: %s", where, def->name, what);
}

static enum err refuse_bounds(const struct conf_def *def, const char *where, struct diag *d,
			      const char *what)
{
	return diag_set(d, E_INVALID, "%s: %s: %s must be %lld to %lld%s", where, def->name, what,
			(long long)def->min, (long long)def->max,
			def->type == CONF_DURATION ? " (milliseconds)" : "");
}

static bool out_of_bounds(const struct conf_def *def, int64_t v)
{
	return (def->min != 0 || def->max != 0) && (v < def->min || v > def->max);
}

static bool parse_int(slice_t s, int64_t *out)
{
	bool negative = slice_starts(s, SL("-"));
	uint64_t v;

	if (!num_parse(negative ? slice_from(s, 1) : s, INT64_MAX, &v))
		return false;
	*out = negative ? -(int64_t)v : (int64_t)v;
	return true;
}

static bool parse_bool(slice_t s, int64_t *out)
{
	static const char *const words[2][4] = {{"false", "no", "off", "0"},
						{"true", "yes", "on", "1"}};

	for (size_t v = 0; v < 2; v++) {
		for (size_t i = 0; i < ARRAY_LEN(words[v]); i++) {
			if (slice_ieq(s, slice_str(words[v][i]))) {
				*out = (int64_t)v;
				return true;
			}
		}
	}
	return false;
}

static bool parse_unit(bool (*parse)(slice_t, uint64_t *), slice_t s, int64_t *out)
{
	uint64_t v;

	if (!parse(s, &v) || v > INT64_MAX)
		return false;
	*out = (int64_t)v;
	return true;
}

bool conf_is_word_of(slice_t s, slice_t words)
{
	while (words.n != 0 && s.n != 0) {
		size_t n = slice_find_char(words, ' ');

		if (slice_eq(slice_sub(words, 0, n), s))
			return true;
		words = slice_from(words, n + 1);
	}
	return false;
}

static bool is_host_name(slice_t s)
{
	for (size_t i = 0; i < s.n; i++) {
		char c = ascii_lower(s.p[i]);

		if (!((c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-' || c == '.' ||
		      c == '_'))
			return false;
	}
	return s.n != 0 && s.n <= 253;
}

bool conf_addr_parse(slice_t text, struct conf_addr *out)
{
	struct in6_addr in6;
	slice_t host, port;
	uint64_t v;
	size_t n;

	if (slice_starts(text, SL("["))) {
		n = slice_find_char(text, ']');
		if (n == text.n)
			return false;
		host = slice_sub(text, 1, n - 1);
		text = slice_from(text, n + 1);
		n = 0;
		if (!slice_to_str(host, out->host, sizeof out->host) ||
		    inet_pton(AF_INET6, out->host, &in6) != 1)
			return false;
	} else {
		n = slice_find_char(text, ':');
		host = slice_sub(text, 0, n);
		if (!is_host_name(host) || !slice_to_str(host, out->host, sizeof out->host))
			return false;
	}
	if (n >= text.n || text.p[n] != ':')
		return false;
	port = slice_from(text, n + 1);
	if (!num_parse(port, UINT16_MAX, &v))
		return false;
	out->port = (uint16_t)v;
	return true;
}

/* Checks one element and reads its number. */
static enum err check_item(const struct conf_def *def, slice_t s, const char *where, int64_t *num,
			   struct diag *d)
{
	struct conf_addr addr;

	if (s.n > CONF_VALUE_MAX || slice_find_char(s, '\0') != s.n)
		return refuse(def, where, d, "the value is too long, or holds a NUL");
	switch (def->type) {
	case CONF_STRING:
		if (out_of_bounds(def, (int64_t)s.n))
			return refuse_bounds(def, where, d, "its length");
		return conf_form_check(def, s, where, d);
	case CONF_INT:
		if (!parse_int(s, num))
			return refuse(def, where, d, "wants a number");
		break;
	case CONF_BOOL:
		if (!parse_bool(s, num))
			return refuse(def, where, d, "wants true or false");
		return E_OK;
	case CONF_BYTES:
		if (!parse_unit(num_parse_bytes, s, num))
			return refuse(def, where, d, "wants a size, such as 64k or 10m");
		break;
	case CONF_DURATION:
		if (!parse_unit(num_parse_ms, s, num))
			return refuse(def, where, d, "wants a time, such as 500ms, 30s or 5m");
		break;
	case CONF_WORD:
		if (!conf_is_word_of(s, slice_str(def->words)))
			return diag_set(d, E_INVALID, "%s: %s: wants one of: %s", where, def->name,
					def->words);
		return E_OK;
	case CONF_ADDRS:
		if (!conf_addr_parse(s, &addr))
			return refuse(def, where, d,
				      "wants addresses, such as 192.0.2.1:25, "
				      "[2001:db8::1]:25 or host.example:25");
		return E_OK;
	case CONF_STRINGS:
		return conf_form_check(def, s, where, d);
	}
	return out_of_bounds(def, *num) ? refuse_bounds(def, where, d, "the value") : E_OK;
}

static char *dup_text(slice_t s)
{
	char *p = xmalloc(s.n + 1);

	invariant(slice_to_str(s, p, s.n + 1));
	return p;
}

enum err conf_value_parse(const struct conf_def *def, const slice_t *texts, size_t n,
			  const char *where, struct conf_value *v, struct diag *d)
{
	enum err e;

	if (!conf_type_is_list(def->type) && n != 1)
		return refuse(def, where, d, "wants one value, not a list");
	if (n > CONF_LIST_MAX)
		return refuse(def, where, d, "the list is too long");
	if (conf_type_is_list(def->type) && out_of_bounds(def, (int64_t)n))
		return refuse_bounds(def, where, d, "the number of elements");
	for (size_t i = 0; i < n; i++) {
		e = check_item(def, texts[i], where, &v->num, d);
		if (e != E_OK)
			return e;
	}
	v->where = xstrdup(where);
	v->items = xcalloc(n, sizeof *v->items);
	v->n = n;
	for (size_t i = 0; i < n; i++)
		v->items[i] = dup_text(texts[i]);
	return E_OK;
}

enum err conf_value_parse_text(const struct conf_def *def, slice_t text, const char *where,
			       struct conf_value *v, struct diag *d)
{
	slice_t texts[CONF_LIST_MAX + 1];
	size_t n = 0;

	if (!conf_type_is_list(def->type))
		return conf_value_parse(def, &text, 1, where, v, d);
	text = slice_trim(text);
	while (text.n != 0 && n < ARRAY_LEN(texts)) {
		size_t end = slice_find_char(text, ',');

		texts[n++] = slice_trim(slice_sub(text, 0, end));
		text = slice_from(text, end + 1);
	}
	return conf_value_parse(def, texts, n, where, v, d);
}

void conf_value_clear(struct conf_value *v)
{
	for (size_t i = 0; i < v->n; i++)
		xfree(&v->items[i]);
	xfree(&v->items);
	xfree(&v->where);
	*v = (struct conf_value){0};
}

bool conf_value_eq(const struct conf_def *def, const struct conf_value *a,
		   const struct conf_value *b)
{
	/* 5m and 300s are the same. */
	if (def->type == CONF_INT || def->type == CONF_BOOL || def->type == CONF_BYTES ||
	    def->type == CONF_DURATION)
		return a->num == b->num;
	if (a->n != b->n)
		return false;
	for (size_t i = 0; i < a->n; i++) {
		if (strcmp(a->items[i], b->items[i]) != 0)
			return false;
	}
	return true;
}

static void put_quoted(struct buf *out, const char *s)
{
	buf_putc(out, '"');
	for (; *s != '\0'; s++) {
		if (*s == '\n') {
			buf_puts(out, "\\n");
			continue;
		}
		if (*s == '"' || *s == '\\')
			buf_putc(out, '\\');
		buf_putc(out, *s);
	}
	buf_putc(out, '"');
}

void conf_value_format(const struct conf_def *def, const struct conf_value *v, struct buf *out)
{
	if ((def->flags & CONF_SECRET) != 0) {
		buf_puts(out, "(secret)");
		return;
	}
	if (def->type == CONF_INT || def->type == CONF_BOOL) {
		buf_puts(out, v->items[0]);
		return;
	}
	if (conf_type_is_list(def->type))
		buf_putc(out, '[');
	for (size_t i = 0; i < v->n; i++) {
		if (i > 0)
			buf_puts(out, ", ");
		put_quoted(out, v->items[i]);
	}
	if (conf_type_is_list(def->type))
		buf_putc(out, ']');
}
