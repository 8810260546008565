/* Management of domains. */
#include "backend/rpc/m_admin.h"

#include "common/parse/idn.h"

static Postern__AdminDomain *pack_domain(const struct dir_domain_row *r, struct arena *mem)
{
	Postern__AdminDomain *m = arena_new(mem, Postern__AdminDomain);

	postern__admin_domain__init(m);
	m->name = admin_str(mem, r->name);
	m->kind = (Postern__DomainKind)r->kind;
	m->target = admin_str(mem, r->target);
	m->catch_all = admin_str(mem, r->catch_all);
	m->accounts = r->accounts;
	m->addresses = r->addresses;
	m->accounts_max = r->accounts_max;
	m->quota_bytes = r->quota_bytes;
	m->created_us = r->created_us;
	m->mta_sts = (Postern__MtaSts)r->mta_sts;
	m->mta_sts_age_s = r->mta_sts_age_s;
	return m;
}

WAITS enum err m_admin_domain_add(struct mcall *c)
{
	const Postern__AdminDomainAdd *m = (const void *)c->msg;
	struct dir_actor by = admin_actor(c);
	struct dir_domain_spec s = {
		.name = slice_str(m->name),
		.target = slice_str(m->target),
		.catch_all = slice_str(m->catch_all),
		.accounts_max = m->accounts_max,
		.quota_bytes = m->quota_bytes,
	};

	switch (m->kind) {
	case POSTERN__DOMAIN_KIND__DOMAIN_KIND_NONE:
		s.kind = s.target.n != 0 ? DIR_DOMAIN_ALIAS : DIR_DOMAIN_LOCAL;
		break;
	case POSTERN__DOMAIN_KIND__DOMAIN_KIND_LOCAL:
		s.kind = DIR_DOMAIN_LOCAL;
		break;
	case POSTERN__DOMAIN_KIND__DOMAIN_KIND_ALIAS:
		s.kind = DIR_DOMAIN_ALIAS;
		break;
	case POSTERN__DOMAIN_KIND__DOMAIN_KIND_REMOTE:
		s.kind = DIR_DOMAIN_REMOTE;
		break;
	case _POSTERN__DOMAIN_KIND_IS_INT_SIZE:
	default:
		return diag_set(&c->diag, E_INVALID, "unknown kind of domain");
	}
	return dir_domain_add(c->be->dir, &by, &s, &c->diag);
}

WAITS static enum err list_slice(struct mcall *c, slice_t after, struct arena *mem,
				 struct admin_slice *out)
{
	struct dir_domain_page page;
	enum err e = dir_domain_list(c->be->dir, after, ADMIN_PAGE, mem, &page, &c->diag);

	if (e != E_OK)
		return e;
	out->rows = arena_alloc(mem, page.n * sizeof(*out->rows));
	for (size_t i = 0; i < page.n; i++)
		out->rows[i] = &pack_domain(&page.rows[i], mem)->base;
	out->n = page.n;
	out->more = page.n == ADMIN_PAGE;
	if (page.n != 0)
		out->last = page.rows[page.n - 1].name;
	return E_OK;
}

WAITS enum err m_admin_domain_list(struct mcall *c)
{
	return admin_list(c, &postern__admin_domain_page__descriptor, list_slice);
}

static enum err check_pattern(struct mcall *c, slice_t pattern)
{
	char domain[DOMAIN_MAX + 1];
	slice_t name = slice_starts(pattern, SL(".")) ? slice_from(pattern, 1) : pattern;

	if (domain_normalise(name, domain) != E_OK)
		return diag_set(&c->diag, E_INVALID, "%.*s is neither a domain nor a .suffix",
				(int)MIN(pattern.n, (size_t)100), pattern.p);
	return E_OK;
}

static enum err check_patterns(struct mcall *c, slice_t list)
{
	enum err e = E_OK;

	while (e == E_OK && list.n > 0) {
		size_t n = slice_find_char(list, ',');

		e = check_pattern(c, slice_trim(slice_sub(list, 0, n)));
		list = slice_from(list, n + 1);
	}
	return e;
}

enum err admin_check_masquerade(struct mcall *c, slice_t key, slice_t value)
{
	enum err e;

	if (slice_eq(key, SL("masquerade.from")) || slice_eq(key, SL("masquerade_from")))
		return check_patterns(c, value);
	if (value.n == 0 ||
	    (!slice_eq(key, SL("masquerade.domain")) && !slice_eq(key, SL("masquerade_domain"))))
		return E_OK;
	e = dir_domain_is_ours(c->be->dir, value);
	if (e != E_DENIED)
		return e;
	return diag_set(&c->diag, E_INVALID,
			"%.*s is no local domain, nor an alias of one: replies would not arrive",
			(int)MIN(value.n, (size_t)100), value.p);
}

WAITS enum err admin_domain_known(struct mcall *c, const char *domain)
{
	struct dir_domain_row row;

	if (domain[0] == '\0')
		return E_OK;
	return dir_domain_show(c->be->dir, slice_str(domain), &c->mem, &row, &c->diag);
}

WAITS enum err m_admin_domain_show(struct mcall *c)
{
	const Postern__AdminDomainName *m = (const void *)c->msg;
	struct dir_domain_row row;
	enum err e = dir_domain_show(c->be->dir, slice_str(m->name), &c->mem, &row, &c->diag);

	return e == E_OK ? mcall_reply(c, &pack_domain(&row, &c->mem)->base, RPC_NO_BODY) : e;
}

WAITS enum err m_admin_domain_edit(struct mcall *c)
{
	const Postern__AdminDomainEdit *m = (const void *)c->msg;
	struct dir_actor by = admin_actor(c);
	struct dir_domain_spec s = {.name = slice_str(m->name)};
	struct dir_domain_row row;
	enum err e = dir_domain_show(c->be->dir, s.name, &c->mem, &row, &c->diag);

	if (e != E_OK)
		return e;
	s.kind = row.kind;
	s.target = row.target;
	s.catch_all = m->has_catch_all ? slice_str(m->catch_all) : row.catch_all;
	s.accounts_max = m->has_accounts_max ? m->accounts_max : row.accounts_max;
	s.quota_bytes = m->has_quota_bytes ? m->quota_bytes : row.quota_bytes;
	s.mta_sts = m->has_mta_sts ? (enum dir_mta_sts)m->mta_sts : row.mta_sts;
	s.mta_sts_age_s = m->has_mta_sts_age_s ? m->mta_sts_age_s : row.mta_sts_age_s;
	return dir_domain_edit(c->be->dir, &by, &s, &c->diag);
}

WAITS enum err m_admin_domain_remove(struct mcall *c)
{
	const Postern__AdminDomainName *m = (const void *)c->msg;
	struct dir_actor by = admin_actor(c);

	return dir_domain_remove(c->be->dir, &by, slice_str(m->name), &c->diag);
}
