#include "backend/directory/dir_call.h"

#include "common/base/utf8.h"
#include "common/log/log.h"
#include "common/parse/idn.h"

#define CATCH_UP_MS 1000
#define DETAIL_MAX  4096 /* of one audit row */

WAITS enum err dir_call_begin(struct dir_call *c, struct dir *d, const struct dir_actor *by,
			      const char *method, slice_t target, struct diag *diag)
{
	*c = (struct dir_call){.d = d, .by = by, .method = method, .target = target};
	buf_init(&c->detail, DETAIL_MAX, NULL);
	return pg_begin(d->pool, PG_READ_COMMITTED, deadline_in(DIR_CALL_MS), &c->t, diag);
}

WAITS enum err dir_call_query(struct dir_call *c, const char *sql, const struct pg_args *a,
			      struct pg_result **out, struct diag *diag)
{
	return pg_tx_query(c->t, sql, a, out, diag);
}

WAITS enum err dir_call_exec(struct dir_call *c, const char *sql, const struct pg_args *a,
			     uint64_t *touched, struct diag *diag)
{
	struct pg_result *r = NULL;
	enum err e = pg_tx_query(c->t, sql, a, &r, diag);

	if (e == E_OK && touched != NULL)
		*touched = pg_touched(r);
	pg_result_free(&r);
	return e;
}

/* PostgreSQL takes only well-formed UTF-8 without NUL; what people sent may be anything. */
static slice_t audit_text(slice_t s, size_t max)
{
	s = slice_sub(s, 0, max);
	while (s.n > 0 && !utf8_valid(s) && max - s.n < 4)
		s.n--;
	if (!utf8_valid(s) || slice_find_char(s, '\0') != s.n)
		return SL("(not text)");
	return s;
}

void dir_audit_args(struct pg_args *a, const struct dir_actor *by, const char *method,
		    slice_t target, enum err result, slice_t detail)
{
	*a = (struct pg_args){.n = 0};
	pg_text(a, audit_text(by->who, 200));
	pg_text(a, audit_text(by->from, 200));
	pg_text(a, slice_str(method));
	pg_text(a, audit_text(target, 1000));
	pg_text(a, slice_str(err_name(result)));
	pg_text(a, audit_text(detail, DETAIL_MAX));
}

WAITS static void audit_refusal(const struct dir_call *c, enum err e, const struct diag *diag)
{
	struct pg_args a;

	dir_audit_args(&a, c->by, c->method, c->target, e,
		       diag != NULL ? slice_str(diag->text) : SLICE_NONE);
	if (pg_query(c->d->pool, dir_sql_audit_add, &a, deadline_in(DIR_CALL_MS), NULL, NULL) !=
	    E_OK)
		LOG(LOG_WARN, NULL, "dir.audit", LF_STR("method", c->method), LF_ERR("status", e));
}

WAITS enum err dir_call_end(struct dir_call *c, enum err e, struct diag *diag)
{
	bool begun = c->t != NULL;
	struct pg_args a;

	if (e == E_OK) {
		dir_audit_args(&a, c->by, c->method, c->target, e, buf_slice(&c->detail));
		e = pg_tx_query(c->t, dir_sql_audit_add, &a, NULL, diag);
	}
	if (e == E_OK)
		e = pg_commit(&c->t, diag);
	else
		pg_rollback(&c->t);
	LOG(LOG_INFO, NULL, "dir.manage", LF_SLICE("who", c->by->who), LF_STR("method", c->method),
	    LF_SLICE("target", c->target), LF_ERR("status", e));
	if (e != E_OK && begun && e != E_RETRY && e != E_CANCELLED)
		audit_refusal(c, e, diag);
	/* The sync fiber itself cannot wait for its next round. */
	if (e == E_OK && fiber_self() != c->d->fiber &&
	    dir_wait_synced(c->d, deadline_in(CATCH_UP_MS)) != E_OK)
		LOG(LOG_INFO, NULL, "dir.behind", LF_STR("method", c->method));
	if (c->by->recorded != NULL)
		*c->by->recorded = true;
	buf_fini(&c->detail);
	return e;
}

WAITS enum err dir_ask(struct dir *d, const char *sql, const struct pg_args *a,
		       struct pg_result **out, struct diag *diag)
{
	return pg_query(d->pool, sql, a, deadline_in(DIR_CALL_MS), out, diag);
}

/* ---- checks ---- */

enum err dir_check_domain(slice_t name, char out[256], struct diag *diag)
{
	if (domain_normalise(name, out) != E_OK)
		return diag_set(diag, E_INVALID, "%.*s is not a domain name",
				(int)MIN(name.n, 100u), name.p != NULL ? name.p : "");
	return E_OK;
}

static enum err bad_address(slice_t address, const char *why, struct diag *diag)
{
	return diag_set(diag, E_INVALID, "%.*s: %s", (int)MIN(address.n, 120u),
			address.p != NULL ? address.p : "", why);
}

enum err dir_find_name(const struct dir *d, slice_t address, struct dir_name *out,
		       struct diag *diag)
{
	if (dir_name_parse(d, address, out) != E_OK)
		return bad_address(address, "not an address", diag);
	return E_OK;
}

/* Dot-string of RFC 5321 4.1.2 (with RFC 6531's letters): what needs no quotes anywhere. */
static bool plain_local(const char *local)
{
	static const char marks[] = "!#$%&'*+-/=?^_`{|}~.";
	char before = '.';

	for (const char *p = local; *p != '\0'; before = *p++) {
		unsigned char c = (unsigned char)*p;

		if (c == '.' && before == '.')
			return false;
		if (c < 0x80 && !(c >= 'a' && c <= 'z') && !(c >= '0' && c <= '9') &&
		    strchr(marks, c) == NULL)
			return false;
	}
	return before != '.';
}

/* Quoted-string of RFC 5321 4.1.2; control characters were refused before. */
static bool quoted_local(const char *local)
{
	size_t n = strlen(local);

	if (n < 2 || local[0] != '"' || local[n - 1] != '"')
		return false;
	for (size_t i = 1; i < n - 1; i++) {
		if (local[i] == '"' || (local[i] == '\\' && ++i == n - 1))
			return false;
	}
	return true;
}

enum err dir_check_own(const struct dir *d, slice_t address, struct dir_name *out,
		       struct diag *diag)
{
	enum err e = dir_find_name(d, address, out, diag);

	if (e == E_OK && !plain_local(out->local))
		return bad_address(address,
				   "the local part may hold letters, digits and dots "
				   "between them",
				   diag);
	return e;
}

enum err dir_check_member(const struct dir *d, slice_t address, struct buf *out, struct diag *diag)
{
	struct dir_name n;
	size_t at = address.n;

	if (dir_name_parse(d, address, &n) != E_OK ||
	    (!plain_local(n.local) && !quoted_local(n.local)))
		return bad_address(address, "not an address", diag);
	while (at > 0 && address.p[at - 1] != '@')
		at--;
	/* The local part as it was given: another's may care about case. */
	buf_put(out, slice_sub(address, 0, at > 0 ? at - 1 : address.n));
	buf_putc(out, '@');
	buf_puts(out, n.domain);
	return buf_failed(out) ? bad_address(address, "too long", diag) : E_OK;
}

void dir_page_args(struct pg_args *a, slice_t domain, slice_t after, size_t limit)
{
	size_t at = after.n;

	while (at > 0 && after.p[at - 1] != '@')
		at--;
	pg_text(a, domain);
	pg_text(a, slice_from(after, at));
	pg_text(a, slice_sub(after, 0, at > 0 ? at - 1 : 0));
	pg_u64(a, MIN(MAX(limit, 1u), DIR_PAGE_MAX));
}
