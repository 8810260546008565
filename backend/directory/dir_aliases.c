/* dir_aliases: management of aliases and groups. */
#include "backend/directory/dir_call.h"

/* The array literal of the members' stored forms, each once. */
static enum err members_form(const struct dir *d, const struct dir_name *n,
			     const struct dir_alias_spec *s, struct buf *out, struct diag *diag)
{
	struct map seen;
	struct buf one;
	enum err e = E_OK;

	if (s->kind != DIR_ALIAS && s->kind != DIR_GROUP)
		return diag_set(diag, E_INVALID, "neither an alias nor a group");
	if ((unsigned)s->senders > DIR_SENDERS_NOBODY)
		return diag_set(diag, E_INVALID, "unknown who may send");
	if (s->nmembers == 0 || s->nmembers > DIR_MEMBERS_MAX)
		return diag_set(diag, E_INVALID, "1 to %d members are allowed", DIR_MEMBERS_MAX);
	map_init(&seen);
	buf_init(&one, DIR_ADDRESS_MAX, NULL);
	for (size_t i = 0; i < s->nmembers && e == E_OK; i++) {
		buf_reset(&one);
		e = dir_check_member(d, s->members[i], &one, diag);
		if (e == E_OK && map_put(&seen, buf_slice(&one), &seen) == NULL)
			pg_array_add(out, buf_slice(&one));
	}
	pg_array_end(out);
	buf_fini(&one);
	map_fini(&seen);
	return e == E_OK ? dir_check_expansion(d, n, s->members, s->nmembers, diag) : e;
}

WAITS static enum err domain_id(struct dir_call *c, const char *domain, uint64_t *out,
				struct diag *diag)
{
	struct pg_args a = {.n = 0};
	struct pg_result *r = NULL;
	enum err e;

	pg_text(&a, slice_str(domain));
	e = dir_call_query(c, dir_sql_domain_for_add, &a, &r, diag);
	if (e == E_OK && pg_rows(r) == 0)
		e = diag_set(diag, E_NOT_FOUND, "there is no domain %s", domain);
	else if (e == E_OK && pg_get_u64(r, 0, 1) != DIR_DOMAIN_LOCAL)
		e = diag_set(diag, E_INVALID, "the domain %s is not a local one", domain);
	else if (e == E_OK)
		*out = pg_get_u64(r, 0, 0);
	pg_result_free(&r);
	return e;
}

static enum dir_address_kind table_kind(enum dir_alias_kind k)
{
	return k == DIR_GROUP ? DIR_ADDR_GROUP : DIR_ADDR_ALIAS;
}

static void detail(struct dir_call *c, const struct dir_alias_spec *s)
{
	static const char *const senders[] = {"auto", "members", "nobody"};

	buf_printf(&c->detail, "kind=%s send-as=%s members=%zu",
		   s->kind == DIR_GROUP ? "group" : "alias", senders[s->senders], s->nmembers);
	for (size_t i = 0; i < s->nmembers && i < 10; i++)
		buf_printf(&c->detail, " %.*s", (int)MIN(s->members[i].n, 320u), s->members[i].p);
}

WAITS static enum err alias_add(struct dir_call *c, const struct dir_alias_spec *s,
				struct diag *diag)
{
	struct pg_args a = {.n = 0};
	struct dir_name n;
	struct buf members;
	uint64_t id = 0;
	enum err e = dir_check_own(c->d, s->address, &n, diag);

	buf_init(&members, DIR_KV_VALUE_MAX, NULL);
	if (e == E_OK)
		e = members_form(c->d, &n, s, &members, diag);
	if (e == E_OK)
		e = domain_id(c, n.domain, &id, diag);
	if (e == E_OK) {
		detail(c, s);
		pg_u64(&a, id);
		pg_text(&a, slice_str(n.local));
		pg_u64(&a, table_kind(s->kind));
		pg_text(&a, buf_slice(&members));
		pg_u64(&a, s->senders);
		e = dir_call_exec(c, dir_sql_alias_add, &a, NULL, diag);
	}
	if (e == E_EXISTS)
		diag_set(diag, e, "the address %s@%s is taken", n.local, n.domain);
	buf_fini(&members);
	return e;
}

WAITS enum err dir_alias_add(struct dir *d, const struct dir_actor *by,
			     const struct dir_alias_spec *s, struct diag *diag)
{
	struct dir_call c;
	enum err e = dir_call_begin(&c, d, by, "alias.add", s->address, diag);

	if (e == E_OK)
		e = alias_add(&c, s, diag);
	return dir_call_end(&c, e, diag);
}

/* A statement with (domain, local, ...) that must touch one alias. */
WAITS static enum err touch(struct dir_call *c, const char *sql, const struct pg_args *a,
			    const struct dir_name *n, struct diag *diag)
{
	uint64_t touched = 0;
	enum err e = dir_call_exec(c, sql, a, &touched, diag);

	if (e == E_OK && touched == 0)
		e = diag_set(diag, E_NOT_FOUND, "there is no alias %s@%s", n->local, n->domain);
	return e;
}

static enum err name_args(const struct dir *d, slice_t address, struct dir_name *n,
			  struct pg_args *a, struct diag *diag)
{
	enum err e = dir_find_name(d, address, n, diag);

	if (e == E_OK) {
		pg_text(a, slice_str(n->domain));
		pg_text(a, slice_str(n->local));
	}
	return e;
}

WAITS enum err dir_alias_set(struct dir *d, const struct dir_actor *by,
			     const struct dir_alias_spec *s, struct diag *diag)
{
	struct pg_args a = {.n = 0};
	struct dir_call c;
	struct dir_name n;
	struct buf members;
	enum err e = dir_call_begin(&c, d, by, "alias.set", s->address, diag);

	buf_init(&members, DIR_KV_VALUE_MAX, NULL);
	if (e == E_OK)
		e = name_args(d, s->address, &n, &a, diag);
	if (e == E_OK)
		e = members_form(d, &n, s, &members, diag);
	if (e == E_OK) {
		detail(&c, s);
		pg_u64(&a, table_kind(s->kind));
		pg_text(&a, buf_slice(&members));
		pg_u64(&a, s->senders);
		e = touch(&c, dir_sql_alias_set, &a, &n, diag);
	}
	e = dir_call_end(&c, e, diag);
	buf_fini(&members);
	return e;
}

WAITS enum err dir_alias_remove(struct dir *d, const struct dir_actor *by, slice_t address,
				struct diag *diag)
{
	struct pg_args a = {.n = 0};
	struct dir_call c;
	struct dir_name n;
	enum err e = dir_call_begin(&c, d, by, "alias.remove", address, diag);

	if (e == E_OK)
		e = name_args(d, address, &n, &a, diag);
	if (e == E_OK)
		e = touch(&c, dir_sql_alias_remove, &a, &n, diag);
	return dir_call_end(&c, e, diag);
}

enum alias_switch { ALIAS_OFF, ALIAS_ON };

WAITS static enum err alias_switch(struct dir *d, const struct dir_actor *by, slice_t address,
				   enum alias_switch to, struct diag *diag)
{
	struct pg_args a = {.n = 0};
	struct dir_call c;
	struct dir_name n;
	enum err e =
		dir_call_begin(&c, d, by, to == ALIAS_ON ? "alias.on" : "alias.off", address, diag);

	if (e == E_OK)
		e = name_args(d, address, &n, &a, diag);
	if (e == E_OK) {
		pg_bool(&a, to == ALIAS_ON);
		e = touch(&c, dir_sql_alias_enable, &a, &n, diag);
	}
	return dir_call_end(&c, e, diag);
}

WAITS enum err dir_alias_on(struct dir *d, const struct dir_actor *by, slice_t address,
			    struct diag *diag)
{
	return alias_switch(d, by, address, ALIAS_ON, diag);
}

WAITS enum err dir_alias_off(struct dir *d, const struct dir_actor *by, slice_t address,
			     struct diag *diag)
{
	return alias_switch(d, by, address, ALIAS_OFF, diag);
}

static void alias_row(const struct pg_result *r, size_t i, struct arena *mem,
		      struct dir_alias_row *out)
{
	slice_t rest = dir_page_text(mem, r, i, 3);

	*out = (struct dir_alias_row){
		.address = dir_page_text(mem, r, i, 0),
		.kind = pg_get_u64(r, i, 1) == DIR_ADDR_GROUP ? DIR_GROUP : DIR_ALIAS,
		.enabled = pg_get_bool(r, i, 2),
		.created_us = pg_get_i64(r, i, 4),
		.nmembers = pg_get_u64(r, i, 5),
		.senders = (enum dir_alias_senders)pg_get_u64(r, i, 6),
	};
	out->members = arena_alloc(mem, (out->nmembers + 1) * sizeof(*out->members));
	for (size_t m = 0; m < out->nmembers; m++) {
		size_t n = slice_find_char(rest, '\n');

		out->members[m] = slice_sub(rest, 0, n);
		rest = slice_from(rest, n + 1);
	}
}

WAITS enum err dir_alias_list(struct dir *d, slice_t domain, slice_t after, size_t limit,
			      struct arena *mem, struct dir_alias_page *out, struct diag *diag)
{
	struct pg_args a = {.n = 0};
	struct pg_result *r = NULL;
	char norm[256] = "";
	enum err e = domain.n > 0 ? dir_check_domain(domain, norm, diag) : E_OK;

	if (e != E_OK)
		return e;
	dir_page_args(&a, slice_str(norm), after, limit);
	e = dir_ask(d, dir_sql_alias_list, &a, &r, diag);
	if (e != E_OK)
		return e;
	out->n = pg_rows(r);
	out->rows = arena_alloc(mem, (out->n + 1) * sizeof(*out->rows));
	for (size_t i = 0; i < out->n; i++)
		alias_row(r, i, mem, &out->rows[i]);
	pg_result_free(&r);
	return E_OK;
}

WAITS enum err dir_alias_show(struct dir *d, slice_t address, struct arena *mem,
			      struct dir_alias_row *out, struct diag *diag)
{
	struct pg_args a = {.n = 0};
	struct pg_result *r = NULL;
	struct dir_name n;
	enum err e = name_args(d, address, &n, &a, diag);

	if (e != E_OK)
		return e;
	e = dir_ask(d, dir_sql_alias_show, &a, &r, diag);
	if (e != E_OK)
		return e;
	if (pg_rows(r) == 0)
		e = diag_set(diag, E_NOT_FOUND, "there is no alias %s@%s", n.local, n.domain);
	else
		alias_row(r, 0, mem, out);
	pg_result_free(&r);
	return e;
}
