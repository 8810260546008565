#include "backend/directory/dir_tls_received.h"

#include <stdio.h>

#include "backend/directory/dir_call.h"
#include "common/base/clock.h"
#include "common/base/num.h"
#include "common/base/utf8.h"
#include "common/parse/idn.h"

#define DAY_S     (24 * 3600)
#define ARRAY_MAX (DIR_TLS_SESSIONS_MAX * 600) /* domains, with their quotes */
#define US_OF(s)  ((s)*1000000)
#define SEPARATOR '\x1f' /* of a cursor; no text of a report has one */

/* ---- put ---- */

static enum err check(const struct dir_tls_received *r, struct diag *diag)
{
	slice_t texts[] = {r->organization, r->report_id};

	for (size_t i = 0; i < ARRAY_LEN(texts); i++) {
		if (texts[i].n == 0 || texts[i].n > TLS_RECEIVED_TEXT_MAX || !utf8_valid(texts[i]))
			return diag_set(diag, E_INVALID, "a report's organization or id is none");
		for (size_t k = 0; k < texts[i].n; k++) {
			if ((unsigned char)texts[i].p[k] < 0x20)
				return diag_set(diag, E_INVALID, "a control character in a name");
		}
	}
	if (r->n > DIR_TLS_SESSIONS_MAX)
		return diag_set(diag, E_INVALID, "too many kinds of sessions");
	for (size_t i = 0; i < r->n; i++) {
		const struct dir_tls_sessions *s = &r->sessions[i];

		if (s->policy > TLS_POLICY_LAST || s->result > TLS_RESULT_OTHER ||
		    s->count > TLS_RECEIVED_COUNT_MAX)
			return diag_set(diag, E_INVALID, "sessions of a kind that there is not");
	}
	return E_OK;
}

static bool is_strange(const struct dir_tls_received *r)
{
	int64_t now_s = clock_wall_s();

	return r->to_s < now_s - DIR_TLS_RECEIVED_OLD_D * DAY_S || r->to_s > now_s + DAY_S ||
	       r->from_s >= r->to_s || r->from_s < r->to_s - DIR_TLS_RECEIVED_LENGTH_D * DAY_S;
}

/* The columns of what it says, as arrays. */
struct columns {
	struct buf v[4]; /* domain, policy, result, sessions */
	size_t n;
};

static void put_number(struct buf *b, uint64_t n)
{
	char text[24];

	snprintf(text, sizeof text, "%llu", (unsigned long long)n);
	pg_array_add(b, slice_str(text));
}

static enum err fill(const struct dir *d, const struct dir_tls_received *r, struct columns *c)
{
	enum err e = E_OK;

	for (size_t i = 0; e == E_OK && i < r->n; i++) {
		const struct dir_tls_sessions *s = &r->sessions[i];
		char name[256];

		if (s->count == 0)
			continue;
		e = domain_normalise(s->domain, name) == E_OK ? dir_domain_here(d, slice_str(name))
							      : E_NOT_FOUND;
		if (e == E_OK) {
			pg_array_add(&c->v[0], slice_str(name));
			put_number(&c->v[1], s->policy);
			put_number(&c->v[2], s->result);
			put_number(&c->v[3], s->count);
			c->n++;
		}
		if (e == E_NOT_FOUND)
			e = E_OK;
	}
	return e;
}

WAITS static enum err insert(struct dir *d, const struct dir_tls_received *r, struct columns *c,
			     enum dir_tls_kept *out, struct diag *diag)
{
	struct pg_args a = {.n = 0};
	struct pg_result *result = NULL;
	enum err e;

	pg_text(&a, r->organization);
	pg_text(&a, r->report_id);
	pg_i64(&a, US_OF(r->from_s));
	pg_i64(&a, US_OF(r->to_s));
	pg_u64(&a, DIR_TLS_RECEIVED_DAY_MAX);
	for (size_t i = 0; i < ARRAY_LEN(c->v); i++) {
		pg_array_end(&c->v[i]);
		if (buf_failed(&c->v[i]))
			return E_TOO_BIG;
		pg_text(&a, buf_slice(&c->v[i]));
	}
	e = dir_ask(d, dir_sql_tls_received_put, &a, &result, diag);
	if (e != E_OK)
		return e;
	*out = pg_touched(result) != 0 ? DIR_TLS_KEPT : DIR_TLS_KNOWN;
	pg_result_free(&result);
	return E_OK;
}

WAITS static enum err forget_old(struct dir *d, struct diag *diag)
{
	struct pg_args a = {.n = 0};

	pg_u64(&a, DIR_TLS_RECEIVED_KEEP_D);
	return dir_ask(d, dir_sql_tls_received_forget, &a, NULL, diag);
}

WAITS enum err dir_tls_received_put(struct dir *d, const struct dir_tls_received *r,
				    enum dir_tls_kept *out, struct diag *diag)
{
	struct columns c = {.n = 0};
	enum err e = check(r, diag);

	*out = DIR_TLS_STRANGE;
	if (e != E_OK || is_strange(r))
		return e;
	for (size_t i = 0; i < ARRAY_LEN(c.v); i++)
		buf_init(&c.v[i], ARRAY_MAX, NULL);
	e = fill(d, r, &c);
	*out = DIR_TLS_FOREIGN;
	if (e == E_OK && c.n != 0)
		e = insert(d, r, &c, out, diag);
	if (e == E_OK && *out == DIR_TLS_KEPT)
		e = forget_old(d, diag);
	for (size_t i = 0; i < ARRAY_LEN(c.v); i++)
		buf_fini(&c.v[i]);
	return e;
}

/* ---- list ---- */

/* "1=2 3=4"; what a newer node may have kept, and we do not know, is passed over. */
static void take_counts(slice_t text, uint64_t counts[TLS_RESULT_OTHER + 1])
{
	while (text.n != 0) {
		size_t end = slice_find_char(text, ' ');
		slice_t one = slice_sub(text, 0, end);
		size_t is = slice_find_char(one, '=');
		uint64_t result, n;

		if (num_parse(slice_sub(one, 0, is), TLS_RESULT_OTHER, &result) &&
		    num_parse(slice_from(one, is + 1), INT64_MAX, &n))
			counts[result] = n;
		text = slice_from(text, end + 1);
	}
}

static void take_row(const struct pg_result *r, size_t i, struct arena *mem,
		     struct dir_tls_day *out)
{
	*out = (struct dir_tls_day){
		.from_us = pg_get_i64(r, i, 0),
		.organization = dir_page_text(mem, r, i, 1),
		.domain = dir_page_text(mem, r, i, 2),
		.reports = pg_get_u64(r, i, 3),
	};
	take_counts(pg_get(r, i, 4), out->counts);
}

/* The cursor: the last row's day, organization and domain. */
static slice_t make_cursor(const struct dir_tls_day *row, struct arena *mem)
{
	struct buf b;
	slice_t s;

	buf_init(&b, 1024, NULL);
	buf_printf(&b, "%lld%c", (long long)row->from_us, SEPARATOR);
	buf_put(&b, row->organization);
	buf_putc(&b, SEPARATOR);
	buf_put(&b, row->domain);
	s = arena_dup(mem, buf_slice(&b));
	buf_fini(&b);
	return s;
}

static void cursor_args(struct pg_args *a, slice_t after)
{
	size_t one = slice_find_char(after, SEPARATOR);
	slice_t rest = slice_from(after, one + 1);
	size_t two = slice_find_char(rest, SEPARATOR);
	uint64_t from_us = 0;

	if (!num_parse(slice_sub(after, 0, one), INT64_MAX, &from_us))
		from_us = 0;
	pg_u64(a, from_us);
	pg_text(a, slice_sub(rest, 0, two));
	pg_text(a, slice_from(rest, two + 1));
}

WAITS enum err dir_tls_received_list(struct dir *d, slice_t domain, slice_t after, size_t limit,
				     struct arena *mem, struct dir_tls_days *out, struct diag *diag)
{
	struct pg_args a = {.n = 0};
	struct pg_result *r = NULL;
	char name[256] = "";
	enum err e = domain.n != 0 ? dir_check_domain(domain, name, diag) : E_OK;

	*out = (struct dir_tls_days){.n = 0};
	if (e != E_OK)
		return e;
	pg_text(&a, slice_str(name));
	cursor_args(&a, after);
	pg_u64(&a, MIN(MAX(limit, 1u), DIR_PAGE_MAX));
	e = dir_ask(d, dir_sql_tls_received_list, &a, &r, diag);
	if (e != E_OK)
		return e;
	out->n = pg_rows(r);
	out->rows = arena_alloc(mem, (out->n + 1) * sizeof *out->rows);
	for (size_t i = 0; i < out->n; i++)
		take_row(r, i, mem, &out->rows[i]);
	if (out->n != 0)
		out->last = make_cursor(&out->rows[out->n - 1], mem);
	pg_result_free(&r);
	return E_OK;
}
