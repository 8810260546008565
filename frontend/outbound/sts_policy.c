#include "frontend/outbound/sts_policy.h"

#include "common/parse/cursor.h"

#define FIELD_NAME_BYTES 32 /* of a field: one letter or digit, and 31 more */
#define MAX_AGE_DIGITS   10

const char *sts_mode_name(enum sts_mode m)
{
	switch (m) {
	case STS_NONE:
		return "none";
	case STS_TESTING:
		return "testing";
	case STS_ENFORCE:
		return "enforce";
	}
	return "?";
}

/* ---- patterns ---- */

static bool label_ok(slice_t l)
{
	if (l.n == 0 || l.n > 63 || l.p[0] == '-' || l.p[l.n - 1] == '-')
		return false;
	for (size_t i = 0; i < l.n; i++) {
		char c = l.p[i];

		if (!(c >= 'a' && c <= 'z') && !(c >= '0' && c <= '9') && c != '-' && c != '_')
			return false;
	}
	return true;
}

bool sts_pattern_ok(slice_t s)
{
	if (s.n > STS_PATTERN_MAX)
		return false;
	if (slice_starts(s, SL("*.")))
		s = slice_from(s, 2);
	do {
		size_t dot = slice_find_char(s, '.');

		if (!label_ok(slice_sub(s, 0, dot)))
			return false;
		if (dot == s.n)
			return true;
		s = slice_from(s, dot + 1);
	} while (true);
}

static bool matches(slice_t pattern, slice_t host)
{
	size_t dot;

	if (!slice_starts(pattern, SL("*.")))
		return slice_ieq(pattern, host);
	dot = slice_find_char(host, '.');
	return dot != 0 && slice_ieq(slice_from(pattern, 1), slice_from(host, dot));
}

bool sts_policy_names(const struct sts_policy *p, slice_t host)
{
	if (slice_ends(host, SL(".")))
		host.n--;
	for (size_t i = 0; i < p->n; i++) {
		if (matches(p->mx[i], host))
			return true;
	}
	return false;
}

/* ---- names of fields, in both texts ---- */

/* (ALPHA / DIGIT) *31(ALPHA / DIGIT / "_" / "-" / ".") */
static bool take_name(struct cursor *c, slice_t *out)
{
	size_t from = c->at;

	if (!cur_is(c, CC_LETDIG))
		return false;
	while (cur_is(c, CC_LDH) || cur_peek(c) == '_' || cur_peek(c) == '.')
		c->at++;
	*out = slice_sub(c->s, from, c->at - from);
	return out->n <= FIELD_NAME_BYTES;
}

/* ---- the record ---- */

bool sts_id_ok(slice_t id)
{
	struct cursor c = cursor(id);
	slice_t all;

	return cur_span(&c, CC_ALPHA | CC_DIGIT, STS_ID_MAX, &all) && cur_end(&c);
}

/* *WSP ";" *WSP */
static bool take_semicolon(struct cursor *c)
{
	cur_skip(c, CC_WSP);
	if (!cur_char(c, ';'))
		return false;
	cur_skip(c, CC_WSP);
	return true;
}

/* sts-text-record, after its version: 1*(delim field) [delim]. */
static enum err read_record(slice_t rest, slice_t *id_out)
{
	struct cursor c = cursor(rest);
	slice_t id = SLICE_NONE;

	while (take_semicolon(&c) && !cur_end(&c)) {
		slice_t name, value;
		size_t from;

		if (!take_name(&c, &name) || !cur_char(&c, '='))
			return E_INVALID;
		from = c.at;
		while (cur_is(&c, CC_ESMTP_VALUE) && cur_peek(&c) != ';')
			c.at++;
		value = slice_sub(c.s, from, c.at - from);
		if (value.n == 0)
			return E_INVALID;
		if (id.n == 0 && slice_eq(name, SL("id")))
			id = value;
	}
	cur_skip(&c, CC_WSP);
	*id_out = id;
	return cur_end(&c) && sts_id_ok(id) ? E_OK : E_INVALID;
}

enum err sts_record_parse(const slice_t *records, size_t n, slice_t *id_out)
{
	const slice_t version = SL("v=STSv1");
	const slice_t *one = NULL;

	*id_out = SLICE_NONE;
	for (size_t i = 0; i < n; i++) {
		slice_t after = slice_from(records[i], version.n);
		struct cursor c = cursor(after);

		if (!slice_starts(records[i], version) || !take_semicolon(&c))
			continue;
		if (one != NULL)
			return E_INVALID;
		one = &records[i];
	}
	return one != NULL ? read_record(slice_from(*one, version.n), id_out) : E_NOT_FOUND;
}

/* ---- the policy ---- */

struct reading {
	struct arena *mem;
	struct sts_policy p;
	bool version, mode, max_age; /* were there */
	struct diag *d;
};

static enum err bad(struct reading *r, const char *what, slice_t value)
{
	return diag_set(r->d, E_INVALID, "policy: %s: %.*s", what, (int)MIN(value.n, (size_t)60),
			value.p);
}

static enum err read_mode(struct reading *r, slice_t value)
{
	for (enum sts_mode m = STS_NONE; m <= STS_ENFORCE; m++) {
		if (slice_eq(value, slice_str(sts_mode_name(m)))) {
			r->p.mode = m;
			return E_OK;
		}
	}
	return bad(r, "unknown mode", value);
}

static enum err read_max_age(struct reading *r, slice_t value)
{
	struct cursor c = cursor(value);
	uint64_t n;

	if (value.n > MAX_AGE_DIGITS || !cur_number(&c, UINT64_MAX, &n) || !cur_end(&c))
		return bad(r, "not a number of seconds", value);
	r->p.max_age_s = (uint32_t)MIN(n, (uint64_t)STS_MAX_AGE_MAX);
	return E_OK;
}

static enum err read_mx(struct reading *r, slice_t value)
{
	char low[STS_PATTERN_MAX];

	if (value.n > sizeof low)
		return bad(r, "too long a name", value);
	for (size_t i = 0; i < value.n; i++)
		low[i] = ascii_lower(value.p[i]);
	if (!sts_pattern_ok(slice(low, value.n)))
		return bad(r, "not a server's name", value);
	if (r->p.n == STS_MX_MAX)
		return diag_set(r->d, E_LIMIT, "policy: more than %d servers", STS_MX_MAX);
	r->p.mx[r->p.n++] = arena_dup(r->mem, slice(low, value.n));
	return E_OK;
}

static enum err read_version(struct reading *r, slice_t value)
{
	return slice_eq(value, SL("STSv1")) ? E_OK : bad(r, "unknown version", value);
}

/* What comes but once. */
static enum err read_first(struct reading *r, bool *seen, slice_t value,
			   enum err (*read)(struct reading *r, slice_t value))
{
	if (*seen)
		return E_OK;
	*seen = true;
	return read(r, value);
}

/* sts-policy-field *WSP; an empty line, which the grammar has not, is nobody's mistake. */
static enum err read_line(struct reading *r, slice_t line)
{
	struct cursor c = cursor(line);
	slice_t name, value;

	if (slice_trim(line).n == 0)
		return E_OK;
	if (!take_name(&c, &name) || !cur_char(&c, ':'))
		return bad(r, "not a field", line);
	value = slice_trim(cur_rest(&c));
	if (slice_eq(name, SL("version")))
		return read_first(r, &r->version, value, read_version);
	if (slice_eq(name, SL("mode")))
		return read_first(r, &r->mode, value, read_mode);
	if (slice_eq(name, SL("max_age")))
		return read_first(r, &r->max_age, value, read_max_age);
	return slice_eq(name, SL("mx")) ? read_mx(r, value) : E_OK;
}

static enum err check_whole(struct reading *r)
{
	if (!r->version)
		return diag_set(r->d, E_INVALID, "policy: no version");
	if (!r->mode)
		return diag_set(r->d, E_INVALID, "policy: no mode");
	if (!r->max_age)
		return diag_set(r->d, E_INVALID, "policy: no max_age");
	if (r->p.n == 0 && r->p.mode != STS_NONE)
		return diag_set(r->d, E_INVALID, "policy: no mx");
	return E_OK;
}

enum err sts_policy_parse(slice_t text, struct arena *mem, struct sts_policy *out, struct diag *d)
{
	struct reading r = {.mem = mem, .d = d};
	enum err e = E_OK;

	*out = r.p;
	if (text.n > STS_TEXT_MAX)
		return diag_set(d, E_LIMIT, "policy: more than %u bytes", STS_TEXT_MAX);
	r.p.mx = arena_alloc(mem, STS_MX_MAX * sizeof *r.p.mx);
	for (size_t lines = 0; e == E_OK && text.n != 0; lines++) {
		size_t end = slice_find_char(text, '\n');
		slice_t line = slice_sub(text, 0, end);

		if (lines == STS_LINES_MAX)
			return diag_set(d, E_LIMIT, "policy: more than %d lines", STS_LINES_MAX);
		e = read_line(&r,
			      slice_ends(line, SL("\r")) ? slice_sub(line, 0, line.n - 1) : line);
		text = slice_from(text, end + 1);
	}
	if (e == E_OK)
		e = check_whole(&r);
	if (e == E_OK)
		*out = r.p;
	return e;
}
