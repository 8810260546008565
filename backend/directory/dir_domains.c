/* dir_domains: management of domains, and the audit's own calls. */
#include "backend/directory/dir_admin.h"
#include "backend/directory/dir_call.h"

static enum err check_limits(const struct dir_domain_spec *s, struct diag *diag)
{
	if (s->accounts_max > INT64_MAX || s->quota_bytes > INT64_MAX)
		return diag_set(diag, E_INVALID, "a limit is too large");
	return E_OK;
}

/* Appends the stored form; nothing for an empty one. */
static enum err catch_all_form(const struct dir *d, const struct dir_domain_spec *s,
			       struct buf *out, struct diag *diag)
{
	if (s->catch_all.n == 0)
		return E_OK;
	if (s->kind != DIR_DOMAIN_LOCAL)
		return diag_set(diag, E_INVALID, "only a local domain has a catch-all");
	return dir_check_member(d, s->catch_all, out, diag);
}

static const char *kind_name(enum dir_domain_kind k)
{
	switch (k) {
	case DIR_DOMAIN_LOCAL:
		return "local";
	case DIR_DOMAIN_ALIAS:
		return "alias";
	case DIR_DOMAIN_REMOTE:
		return "remote";
	}
	return "unknown";
}

const char *dir_mta_sts_name(enum dir_mta_sts mode)
{
	switch (mode) {
	case DIR_MTA_STS_NONE:
		return "none";
	case DIR_MTA_STS_TESTING:
		return "testing";
	case DIR_MTA_STS_ENFORCE:
		return "enforce";
	}
	return "none";
}

static enum err check_kind(const struct dir_domain_spec *s, char target[256], struct diag *diag)
{
	target[0] = '\0';
	switch (s->kind) {
	case DIR_DOMAIN_LOCAL:
	case DIR_DOMAIN_REMOTE:
		if (s->target.n > 0)
			return diag_set(diag, E_INVALID, "only an alias domain has a target");
		return E_OK;
	case DIR_DOMAIN_ALIAS:
		if (s->target.n == 0)
			return diag_set(diag, E_INVALID, "an alias domain has a target");
		return dir_check_domain(s->target, target, diag);
	}
	return diag_set(diag, E_INVALID, "unknown kind of domain");
}

WAITS static enum err domain_add(struct dir_call *c, const struct dir_domain_spec *s,
				 struct diag *diag)
{
	char name[256], target[256];
	struct pg_args a = {.n = 0};
	struct buf catch_all;
	enum err e = dir_check_domain(s->name, name, diag);

	buf_init(&catch_all, DIR_ADDRESS_MAX, NULL);
	if (e == E_OK)
		e = check_kind(s, target, diag);
	if (e == E_OK)
		e = check_limits(s, diag);
	if (e == E_OK)
		e = catch_all_form(c->d, s, &catch_all, diag);
	if (e == E_OK) {
		buf_printf(&c->detail, "kind=%s", kind_name(s->kind));
		if (target[0] != '\0')
			buf_printf(&c->detail, " target=%s", target);
		pg_text(&a, slice_str(name));
		pg_u64(&a, s->kind);
		pg_text(&a, slice_str(target));
		pg_text(&a, buf_slice(&catch_all));
		pg_u64(&a, s->accounts_max);
		pg_u64(&a, s->quota_bytes);
		e = dir_call_exec(c, dir_sql_domain_add, &a, NULL, diag);
		if (e == E_EXISTS)
			diag_set(diag, e, "the domain %s is there already", name);
		/* The check (kind = alias) = (target is not null). */
		if (e == E_INVALID && s->kind == DIR_DOMAIN_ALIAS)
			e = diag_set(diag, E_NOT_FOUND, "there is no local domain %s", target);
	}
	buf_fini(&catch_all);
	return e;
}

WAITS enum err dir_domain_add(struct dir *d, const struct dir_actor *by,
			      const struct dir_domain_spec *s, struct diag *diag)
{
	struct dir_call c;
	enum err e = dir_call_begin(&c, d, by, "domain.add", s->name, diag);

	if (e == E_OK)
		e = domain_add(&c, s, diag);
	return dir_call_end(&c, e, diag);
}

static enum err check_mta_sts(const struct dir_domain_spec *s, struct diag *diag)
{
	if (s->mta_sts > DIR_MTA_STS_ENFORCE)
		return diag_set(diag, E_INVALID, "unknown mode of MTA-STS");
	if (s->mta_sts_age_s == 0 || s->mta_sts_age_s > DIR_MTA_STS_AGE_MAX)
		return diag_set(diag, E_INVALID,
				"an MTA-STS policy is believed for 1 second to a year");
	return E_OK;
}

WAITS static enum err domain_edit(struct dir_call *c, const struct dir_domain_spec *s,
				  struct diag *diag)
{
	struct pg_args a = {.n = 0};
	struct buf catch_all;
	uint64_t touched = 0;
	char name[256];
	enum err e = dir_check_domain(s->name, name, diag);

	buf_init(&catch_all, DIR_ADDRESS_MAX, NULL);
	if (e == E_OK)
		e = check_limits(s, diag);
	if (e == E_OK)
		e = check_mta_sts(s, diag);
	if (e == E_OK)
		e = catch_all_form(c->d, s, &catch_all, diag);
	if (e == E_OK) {
		buf_printf(&c->detail, "catch_all=%.*s mta_sts=%s", (int)catch_all.n,
			   catch_all.n > 0 ? catch_all.p : "", dir_mta_sts_name(s->mta_sts));
		pg_text(&a, slice_str(name));
		pg_text(&a, buf_slice(&catch_all));
		pg_u64(&a, s->accounts_max);
		pg_u64(&a, s->quota_bytes);
		pg_u64(&a, s->mta_sts);
		pg_u64(&a, s->mta_sts_age_s);
		e = dir_call_exec(c, dir_sql_domain_edit, &a, &touched, diag);
	}
	if (e == E_OK && touched == 0)
		e = diag_set(diag, E_NOT_FOUND, "there is no local domain %s", name);
	buf_fini(&catch_all);
	return e;
}

WAITS enum err dir_domain_edit(struct dir *d, const struct dir_actor *by,
			       const struct dir_domain_spec *s, struct diag *diag)
{
	struct dir_call c;
	enum err e = dir_call_begin(&c, d, by, "domain.edit", s->name, diag);

	if (e == E_OK)
		e = domain_edit(&c, s, diag);
	return dir_call_end(&c, e, diag);
}

WAITS static enum err domain_remove(struct dir_call *c, slice_t name, struct diag *diag)
{
	struct pg_args a = {.n = 0};
	struct pg_result *r = NULL;
	char norm[256];
	enum err e = dir_check_domain(name, norm, diag);

	if (e != E_OK)
		return e;
	pg_text(&a, slice_str(norm));
	e = dir_call_query(c, dir_sql_domain_in_use, &a, &r, diag);
	if (e != E_OK)
		return e;
	if (pg_rows(r) == 0)
		e = diag_set(diag, E_NOT_FOUND, "there is no domain %s", norm);
	else if (pg_get_u64(r, 0, 0) + pg_get_u64(r, 0, 1) + pg_get_u64(r, 0, 2) > 0)
		e = diag_set(diag, E_INVALID,
			     "the domain %s has accounts, aliases or alias domains", norm);
	pg_result_free(&r);
	if (e == E_OK)
		e = dir_call_exec(c, dir_sql_domain_remove, &a, NULL, diag);
	return e;
}

WAITS enum err dir_domain_remove(struct dir *d, const struct dir_actor *by, slice_t name,
				 struct diag *diag)
{
	struct dir_call c;
	enum err e = dir_call_begin(&c, d, by, "domain.remove", name, diag);

	if (e == E_OK)
		e = domain_remove(&c, name, diag);
	return dir_call_end(&c, e, diag);
}

static void domain_row(const struct pg_result *r, size_t i, struct arena *mem,
		       struct dir_domain_row *out)
{
	*out = (struct dir_domain_row){
		.name = dir_page_text(mem, r, i, 0),
		.kind = (enum dir_domain_kind)pg_get_u64(r, i, 1),
		.target = dir_page_text(mem, r, i, 2),
		.catch_all = dir_page_text(mem, r, i, 3),
		.accounts_max = pg_get_u64(r, i, 4),
		.quota_bytes = pg_get_u64(r, i, 5),
		.accounts = pg_get_u64(r, i, 6),
		.addresses = pg_get_u64(r, i, 7),
		.created_us = pg_get_i64(r, i, 8),
		.mta_sts = (enum dir_mta_sts)pg_get_u64(r, i, 9),
		.mta_sts_age_s = (uint32_t)pg_get_u64(r, i, 10),
	};
}

WAITS enum err dir_domain_list(struct dir *d, slice_t after, size_t limit, struct arena *mem,
			       struct dir_domain_page *out, struct diag *diag)
{
	struct pg_args a = {.n = 0};
	struct pg_result *r = NULL;
	enum err e;

	pg_text(&a, after);
	pg_u64(&a, MIN(MAX(limit, 1u), DIR_PAGE_MAX));
	e = dir_ask(d, dir_sql_domain_list, &a, &r, diag);
	if (e != E_OK)
		return e;
	out->n = pg_rows(r);
	out->rows = arena_alloc(mem, (out->n + 1) * sizeof(*out->rows));
	for (size_t i = 0; i < out->n; i++)
		domain_row(r, i, mem, &out->rows[i]);
	pg_result_free(&r);
	return E_OK;
}

WAITS enum err dir_domain_show(struct dir *d, slice_t name, struct arena *mem,
			       struct dir_domain_row *out, struct diag *diag)
{
	struct pg_args a = {.n = 0};
	struct pg_result *r = NULL;
	char norm[256];
	enum err e = dir_check_domain(name, norm, diag);

	if (e != E_OK)
		return e;
	pg_text(&a, slice_str(norm));
	e = dir_ask(d, dir_sql_domain_show, &a, &r, diag);
	if (e != E_OK)
		return e;
	if (pg_rows(r) == 0)
		e = diag_set(diag, E_NOT_FOUND, "there is no domain %s", norm);
	else
		domain_row(r, 0, mem, out);
	pg_result_free(&r);
	return e;
}

/* ---- audit ---- */

WAITS enum err dir_audit_add(struct dir *d, const struct dir_actor *by, const char *method,
			     slice_t target, enum err result, slice_t detail, struct diag *diag)
{
	struct pg_args a;

	dir_audit_args(&a, by, method, target, result, detail);
	return pg_query(d->pool, dir_sql_audit_add, &a, deadline_in(DIR_CALL_MS), NULL, diag);
}

WAITS enum err dir_audit_list(struct dir *d, uint64_t before_id, size_t limit, struct arena *mem,
			      struct dir_audit_page *out, struct diag *diag)
{
	struct pg_args a = {.n = 0};
	struct pg_result *r = NULL;
	enum err e;

	pg_u64(&a, before_id == 0 || before_id > INT64_MAX ? INT64_MAX : before_id);
	pg_u64(&a, MIN(MAX(limit, 1u), DIR_PAGE_MAX));
	e = dir_ask(d, dir_sql_audit_list, &a, &r, diag);
	if (e != E_OK)
		return e;
	out->n = pg_rows(r);
	out->rows = arena_alloc(mem, (out->n + 1) * sizeof(*out->rows));
	for (size_t i = 0; i < out->n; i++)
		out->rows[i] = (struct dir_audit_row){
			.id = pg_get_u64(r, i, 0),
			.when_us = pg_get_i64(r, i, 1),
			.who = dir_page_text(mem, r, i, 2),
			.from = dir_page_text(mem, r, i, 3),
			.method = dir_page_text(mem, r, i, 4),
			.target = dir_page_text(mem, r, i, 5),
			.result = dir_page_text(mem, r, i, 6),
			.detail = dir_page_text(mem, r, i, 7),
		};
	pg_result_free(&r);
	return E_OK;
}
