/* dir_route_admin: management of routes of the way out. */
#include "backend/directory/dir_route.h"

#include "backend/directory/dir_call.h"
#include "common/base/utf8.h"
#include "common/net/ipaddr.h"
#include "common/parse/addr.h"

/* ---- what people type, into what is stored ---- */

struct form {
	char domain[DIR_ROUTE_DOMAIN_MAX + 1];
	char sender[DIR_ADDRESS_MAX + 1];
	char target[DIR_ROUTE_TARGET_MAX + 1];
	char helo[DOMAIN_MAX + 1];
	char source4[IPADDR_STR], source6[IPADDR_STR];
	char etrn[DIR_ROUTE_ETRN_MAX + 1];
	struct dir_name atrn;
	enum dir_route_tls tls;
};

static enum err bad(struct diag *diag, slice_t what, const char *why)
{
	return diag_set(diag, E_INVALID, "%.*s: %s", (int)MIN(what.n, 100u),
			what.n != 0 ? what.p : "", why);
}

static enum err domain_form(slice_t s, char out[DIR_ROUTE_DOMAIN_MAX + 1], struct diag *diag)
{
	size_t dot = slice_starts(s, SL(".")) ? 1 : 0;

	if (slice_eq(s, SL("*"))) {
		memcpy(out, "*", 2);
		return E_OK;
	}
	out[0] = '.';
	if (domain_normalise(slice_from(s, dot), out + dot) != E_OK)
		return bad(diag, s, "not a domain, a .suffix, or *");
	return E_OK;
}

static enum err sender_form(slice_t s, char out[DIR_ADDRESS_MAX + 1], struct diag *diag)
{
	const char *at = s.n != 0 ? memrchr(s.p, '@', s.n) : NULL;
	size_t n = at != NULL ? (size_t)(at - s.p) : 0;

	out[0] = '\0';
	if (s.n == 0)
		return E_OK;
	if (at == NULL || n > ADDR_LOCAL_MAX || !utf8_valid(s) ||
	    domain_normalise(slice_from(s, n + 1), out + n + 1) != E_OK)
		return bad(diag, s, "not an address or @domain");
	for (size_t i = 0; i < n; i++)
		out[i] = ascii_lower(s.p[i]);
	out[n] = '@';
	return E_OK;
}

enum err dir_route_host_form(slice_t s, struct buf *out, struct diag *diag)
{
	bool bracket = slice_starts(s, SL("["));
	size_t end = slice_find_char(s, bracket ? ']' : ':');
	slice_t host = slice_sub(s, bracket, end - bracket), rest = slice_from(s, end + bracket);
	char name[DOMAIN_MAX + 1], text[IPADDR_STR];
	struct ipaddr addr;
	uint64_t port;

	if (bracket && end == s.n)
		return bad(diag, s, "a [ without its ]");
	if (slice_istarts(host, SL("IPv6:")))
		host = slice_from(host, 5);
	if (bracket && ipaddr_parse(host, &addr))
		buf_printf(out, "[%s]", ipaddr_str(&addr, text));
	else if (domain_normalise(host, name) != E_OK)
		return bad(diag, s, "not a host; an address stands in brackets");
	else
		buf_printf(out, bracket ? "[%s]" : "%s", name);
	if (rest.n == 0)
		return E_OK;
	if (rest.p[0] != ':' || !num_parse(slice_from(rest, 1), UINT16_MAX, &port) || port == 0)
		return bad(diag, s, "not a port");
	buf_printf(out, ":%u", (unsigned)port);
	return E_OK;
}

/* What is said in a reply and in a notice: one line that anybody can read. */
static enum err text_form(slice_t s, struct buf *out, struct diag *diag)
{
	for (size_t i = 0; i < s.n; i++) {
		if (s.p[i] < ' ' || s.p[i] > '~')
			return diag_set(diag, E_INVALID, "the text: printable ASCII only");
	}
	buf_put(out, s);
	return E_OK;
}

static enum err server_form(slice_t s, struct buf *out, struct diag *diag)
{
	if (!servers_name_ok(s))
		return bad(diag, s, "not the name of a virtual server");
	buf_put(out, s);
	return E_OK;
}

static enum err target_form(const struct dir_route *r, struct buf *out, struct diag *diag)
{
	switch (r->action) {
	case DIR_ROUTE_MX:
		return r->target.n == 0 ? E_OK : bad(diag, r->target, "this action has no target");
	case DIR_ROUTE_HOLD:
		if (r->target.n == 0)
			return E_OK;
		return r->etrn.n != 0 ? dir_route_host_form(r->target, out, diag)
				      : bad(diag, r->target, "only for what may be asked for");
	case DIR_ROUTE_RELAY:
		return dir_route_host_form(r->target, out, diag);
	case DIR_ROUTE_LMTP:
		/* LMTP has no MX (RFC 2033 section 5): the host itself is meant. */
		if (slice_starts(r->target, SL("[")))
			return dir_route_host_form(r->target, out, diag);
		buf_putc(out, '[');
		buf_put(out, slice_sub(r->target, 0, slice_find_char(r->target, ':')));
		buf_putc(out, ']');
		buf_put(out, slice_from(r->target, slice_find_char(r->target, ':')));
		return E_OK;
	case DIR_ROUTE_REJECT:
		if (r->target.n == 0)
			return diag_set(diag, E_INVALID, "a refusal has a text");
		return text_form(r->target, out, diag);
	case DIR_ROUTE_DROP:
		return server_form(r->target, out, diag);
	}
	return diag_set(diag, E_INVALID, "unknown action");
}

static enum err check_target(const struct dir_route *r, char out[DIR_ROUTE_TARGET_MAX + 1],
			     struct diag *diag)
{
	struct buf b, again;
	enum err e;

	buf_init(&b, DIR_ROUTE_TARGET_MAX, NULL);
	buf_init(&again, DIR_ROUTE_TARGET_MAX, NULL);
	e = target_form(r, &b, diag);
	if (e == E_OK && r->action == DIR_ROUTE_LMTP) /* put in brackets above, not looked at */
		e = dir_route_host_form(buf_slice(&b), &again, diag);
	if (e == E_OK &&
	    (buf_failed(&b) || !slice_to_str(buf_slice(r->action == DIR_ROUTE_LMTP ? &again : &b),
					     out, DIR_ROUTE_TARGET_MAX + 1)))
		e = bad(diag, r->target, "too long");
	buf_fini(&again);
	buf_fini(&b);
	return e;
}

static enum err source_form(slice_t s, uint8_t family, char out[IPADDR_STR], struct diag *diag)
{
	struct ipaddr a;

	out[0] = '\0';
	if (s.n == 0)
		return E_OK;
	if (!ipaddr_parse(s, &a) || a.family != family)
		return bad(diag, s, family == 4 ? "not an IPv4 address" : "not an IPv6 address");
	ipaddr_str(&a, out);
	return E_OK;
}

/* Nets and addresses, with spaces or commas between them; or any. */
static enum err etrn_form(const struct dir_route *r, char out[DIR_ROUTE_ETRN_MAX + 1],
			  struct diag *diag)
{
	slice_t rest = r->etrn;
	unsigned count = 0;
	size_t used = 0;

	out[0] = '\0';
	if (rest.n != 0 && r->action != DIR_ROUTE_HOLD)
		return diag_set(diag, E_INVALID, "only what is held can be asked for");
	if (slice_eq(rest, SL("any"))) {
		memcpy(out, "any", 4);
		return E_OK;
	}
	while (rest.n != 0) {
		size_t n = MIN(slice_find_char(rest, ' '), slice_find_char(rest, ','));
		slice_t word = slice_sub(rest, 0, n);
		struct ipnet net;

		rest = slice_from(rest, n + 1);
		if (word.n == 0)
			continue;
		if (!ipnet_parse(word, &net))
			return bad(diag, word, "neither a net nor an address");
		if (++count > DIR_ROUTE_NETS_MAX || used + word.n + 1 > DIR_ROUTE_ETRN_MAX)
			return diag_set(diag, E_INVALID, "at most %d nets", DIR_ROUTE_NETS_MAX);
		if (used != 0)
			out[used++] = ' ';
		memcpy(out + used, word.p, word.n);
		used += word.n;
		out[used] = '\0';
	}
	return r->etrn.n == 0 || count != 0 ? E_OK : bad(diag, r->etrn, "not a net");
}

/* The account that fetches the mail says for which domain: others' would come along unasked. */
static enum err atrn_form(const struct dir *d, const struct dir_route_spec *s, struct form *f,
			  struct diag *diag)
{
	f->atrn = (struct dir_name){.local = ""};
	if (s->atrn.n == 0)
		return E_OK;
	if (s->r.action != DIR_ROUTE_HOLD)
		return diag_set(diag, E_INVALID, "only what is held can be fetched");
	if (f->sender[0] != '\0' || f->domain[0] == '.' || f->domain[0] == '*')
		return diag_set(diag, E_INVALID,
				"only mail for one domain, from any sender, can be fetched");
	return dir_find_name(d, s->atrn, &f->atrn, diag);
}

static bool is_printable(slice_t s)
{
	for (size_t i = 0; i < s.n; i++) {
		if ((unsigned char)s.p[i] < ' ' || s.p[i] == 0x7f)
			return false;
	}
	return utf8_valid(s);
}

/* A ticket is for one host, by its name: whatever DNS says of a domain's servers, there is none for
 * those. f has the target. */
static enum err check_gssapi(const struct dir_route_spec *s, const struct form *f,
			     struct diag *diag)
{
	struct dir_route r = {.target = slice_str(f->target)};
	struct ipaddr a;

	if (s->r.auth != DIR_ROUTE_AUTH_GSSAPI)
		return diag_set(diag, E_INVALID, "unknown kind of log-in");
	if (s->password != NULL)
		return diag_set(diag, E_INVALID,
				"GSSAPI has no password but a key on each back-end");
	if (s->r.action != DIR_ROUTE_RELAY || dir_route_host(&r).n == 0 ||
	    ipaddr_parse(dir_route_host(&r), &a))
		return diag_set(diag, E_INVALID, "GSSAPI is of a relay that is named: [host]");
	return E_OK;
}

/* A password goes to nobody but whom it is for: under TLS, and by default to a verified name. */
static enum err check_login(const struct dir_route_spec *s, struct form *f, struct diag *diag)
{
	f->tls = s->r.tls;
	if (s->r.user.n == 0 && s->password != NULL)
		return diag_set(diag, E_INVALID, "a password without a user");
	if (s->r.user.n == 0)
		return s->r.auth == DIR_ROUTE_AUTH_PASSWORD
			       ? E_OK
			       : diag_set(diag, E_INVALID, "GSSAPI needs a user: our principal");
	if (s->r.user.n > DIR_ROUTE_USER_MAX || !is_printable(s->r.user))
		return diag_set(diag, E_INVALID, "the user's name: printable, at most %d bytes",
				DIR_ROUTE_USER_MAX);
	if (s->password != NULL && (s->password->n == 0 || s->password->n > DIR_ROUTE_PASSWORD_MAX))
		return diag_set(diag, E_INVALID, "the password: 1 to %d bytes",
				DIR_ROUTE_PASSWORD_MAX);
	if (s->r.action != DIR_ROUTE_RELAY && s->r.action != DIR_ROUTE_LMTP)
		return diag_set(diag, E_INVALID, "only a relay or LMTP has a log-in");
	if (s->r.tls == DIR_ROUTE_TLS_DEFAULT)
		f->tls = DIR_ROUTE_TLS_VERIFY;
	if (f->tls == DIR_ROUTE_TLS_NONE || f->tls == DIR_ROUTE_TLS_MAY)
		return diag_set(diag, E_INVALID, "a log-in needs TLS: encrypt, verify or dane");
	return s->r.auth != DIR_ROUTE_AUTH_PASSWORD ? check_gssapi(s, f, diag) : E_OK;
}

static enum err check(const struct dir *d, const struct dir_route_spec *s, struct form *f,
		      struct diag *diag)
{
	enum err e = domain_form(s->r.domain, f->domain, diag);

	if (e == E_OK)
		e = sender_form(s->r.sender, f->sender, diag);
	if (e == E_OK)
		e = etrn_form(&s->r, f->etrn, diag);
	if (e == E_OK)
		e = atrn_form(d, s, f, diag);
	if (e == E_OK)
		e = check_target(&s->r, f->target, diag);
	if (e == E_OK)
		e = check_login(s, f, diag);
	if (e == E_OK)
		e = source_form(s->r.source4, 4, f->source4, diag);
	if (e == E_OK)
		e = source_form(s->r.source6, 6, f->source6, diag);
	f->helo[0] = '\0';
	if (e == E_OK && s->r.helo.n != 0)
		e = dir_check_domain(s->r.helo, f->helo, diag);
	if (e == E_OK && s->r.direct && s->r.action != DIR_ROUTE_RELAY)
		e = diag_set(diag, E_INVALID, "direct first: of a relay only");
	if (e == E_OK && (unsigned)s->r.tls > DIR_ROUTE_TLS_DANE)
		e = diag_set(diag, E_INVALID, "unknown demand for TLS");
	if (e == E_OK && s->r.connections > DIR_ROUTE_CONNECTIONS_MAX)
		e = diag_set(diag, E_INVALID, "at most %d connections", DIR_ROUTE_CONNECTIONS_MAX);
	return e;
}

/* ---- calls ---- */

WAITS static enum err put_boxes(struct dir_call *c, uint64_t route, slice_t password,
				struct diag *diag)
{
	struct pg_result *nodes = NULL;
	struct buf box;
	enum err e = dir_call_query(c, dir_sql_node_all, PG_NO_ARGS, &nodes, diag);

	buf_init(&box, DIR_ROUTE_BOX_MAX, NULL);
	for (size_t i = 0; e == E_OK && i < pg_rows(nodes); i++) {
		struct pg_args a = {.n = 0};
		struct dir_node n;

		dir_node_of_row(nodes, i, &n);
		buf_reset(&box);
		if (node_box(n.public_key, password, &box) != E_OK)
			continue;
		pg_u64(&a, route);
		pg_text(&a, slice_str(n.name));
		pg_bytes(&a, buf_slice(&box));
		e = dir_call_exec(c, dir_sql_route_box_put, &a, NULL, diag);
	}
	buf_fini(&box);
	pg_result_free(&nodes);
	return e;
}

/* No password left, or a new one: the boxes of before go. */
static bool drops_password(const struct dir_route_spec *s)
{
	return s->password != NULL || s->r.user.n == 0 || s->r.auth != DIR_ROUTE_AUTH_PASSWORD;
}

WAITS static enum err set_password(struct dir_call *c, uint64_t route,
				   const struct dir_route_spec *s, struct diag *diag)
{
	struct pg_args a = {.n = 0};
	enum err e = E_OK;

	pg_u64(&a, route);
	if (drops_password(s))
		e = dir_call_exec(c, dir_sql_route_box_drop, &a, NULL, diag);
	if (e == E_OK && s->password != NULL)
		e = put_boxes(c, route, *s->password, diag);
	return e;
}

static void detail(struct dir_call *c, const struct dir_route_spec *s, const struct form *f)
{
	static const char *const actions[] = {"", "mx", "relay", "lmtp", "hold", "reject", "drop"};

	buf_printf(&c->detail, "sender=%s action=%s target=%s tls=%u user=%.*s", f->sender,
		   actions[s->r.action], f->target, (unsigned)f->tls, (int)s->r.user.n,
		   s->r.user.n != 0 ? s->r.user.p : "");
	if (f->etrn[0] != '\0')
		buf_printf(&c->detail, " etrn=%s", f->etrn);
	if (f->atrn.local[0] != '\0')
		buf_printf(&c->detail, " atrn=%s@%s", f->atrn.local, f->atrn.domain);
	if (s->r.auth == DIR_ROUTE_AUTH_GSSAPI)
		buf_puts(&c->detail, " auth=gssapi");
	if (s->password != NULL)
		buf_puts(&c->detail, " password=new");
}

/* One that goes later leaves the mail waiting: it may come back. One that never was is a slip. */
WAITS static enum err check_server(struct dir_call *c, const struct dir_route *r, struct diag *diag)
{
	struct pg_args a = {.n = 0};
	struct pg_result *res = NULL;
	enum err e;

	if (r->action != DIR_ROUTE_DROP)
		return E_OK;
	pg_text(&a, r->target);
	e = dir_call_query(c, dir_sql_server_name, &a, &res, diag);
	if (e == E_OK && pg_rows(res) == 0)
		e = diag_set(diag, E_NOT_FOUND, "there is no virtual server %.*s", (int)r->target.n,
			     r->target.p);
	pg_result_free(&res);
	return e;
}

WAITS static enum err write_route(struct dir_call *c, const char *sql,
				  const struct dir_route_spec *s, uint64_t *id_out,
				  struct diag *diag)
{
	struct pg_args a = {.n = 0};
	struct pg_result *r = NULL;
	struct form f;
	enum err e = check(c->d, s, &f, diag);

	if (e == E_OK)
		e = check_server(c, &s->r, diag);
	if (e != E_OK)
		return e;
	detail(c, s, &f);
	pg_text(&a, slice_str(f.domain));
	pg_text(&a, slice_str(f.sender));
	pg_u64(&a, s->r.action);
	pg_text(&a, slice_str(f.target));
	pg_u64(&a, f.tls);
	pg_text(&a, s->r.user);
	pg_bool(&a, s->r.direct);
	pg_u64(&a, s->r.connections);
	pg_text(&a, slice_str(f.helo));
	pg_text(&a, slice_str(f.source4));
	pg_text(&a, slice_str(f.source6));
	pg_text(&a, slice_str(f.etrn));
	pg_text(&a, slice_str(f.atrn.domain));
	pg_text(&a, slice_str(f.atrn.local));
	pg_u64(&a, s->r.auth);
	e = dir_call_query(c, sql, &a, &r, diag);
	if (e == E_EXISTS)
		return diag_set(diag, e, "there is a route for that already");
	if (e == E_OK && pg_rows(r) == 0)
		e = diag_set(diag, E_NOT_FOUND, "there is no such route");
	else if (e == E_OK && s->atrn.n != 0 && pg_get_u64(r, 0, 1) == 0)
		e = bad(diag, s->atrn, "there is no such account");
	else if (e == E_OK)
		*id_out = pg_get_u64(r, 0, 0);
	pg_result_free(&r);
	return e;
}

static bool needs_password(const struct dir_route_spec *s)
{
	return s->r.user.n != 0 && s->r.auth == DIR_ROUTE_AUTH_PASSWORD;
}

WAITS enum err dir_route_add(struct dir *d, const struct dir_actor *by,
			     const struct dir_route_spec *s, struct diag *diag)
{
	struct dir_call c;
	uint64_t id = 0;
	enum err e = dir_call_begin(&c, d, by, "route.add", s->r.domain, diag);

	if (e == E_OK && needs_password(s) && s->password == NULL)
		e = diag_set(diag, E_INVALID, "a user without a password");
	if (e == E_OK)
		e = write_route(&c, dir_sql_route_add, s, &id, diag);
	if (e == E_OK)
		e = set_password(&c, id, s, diag);
	return dir_call_end(&c, e, diag);
}

WAITS static enum err keeps_password(struct dir_call *c, uint64_t id,
				     const struct dir_route_spec *s, struct diag *diag)
{
	struct pg_args a = {.n = 0};
	struct pg_result *r = NULL;
	enum err e;

	if (!needs_password(s))
		return E_OK;
	pg_u64(&a, id);
	e = dir_call_query(c, dir_sql_route_boxes, &a, &r, diag);
	if (e == E_OK && pg_get_u64(r, 0, 0) == 0)
		e = diag_set(diag, E_INVALID, "a user without a password");
	pg_result_free(&r);
	return e;
}

WAITS enum err dir_route_edit(struct dir *d, const struct dir_actor *by,
			      const struct dir_route_spec *s, struct diag *diag)
{
	struct dir_call c;
	uint64_t id = 0;
	enum err e = dir_call_begin(&c, d, by, "route.edit", s->r.domain, diag);

	if (e == E_OK)
		e = write_route(&c, dir_sql_route_edit, s, &id, diag);
	if (e == E_OK)
		e = set_password(&c, id, s, diag);
	if (e == E_OK)
		e = keeps_password(&c, id, s, diag);
	return dir_call_end(&c, e, diag);
}

static enum err name_args(slice_t domain, slice_t sender, struct form *f, struct pg_args *a,
			  struct diag *diag)
{
	enum err e = domain_form(domain, f->domain, diag);

	if (e == E_OK)
		e = sender_form(sender, f->sender, diag);
	pg_text(a, slice_str(f->domain));
	pg_text(a, slice_str(f->sender));
	return e;
}

WAITS enum err dir_route_remove(struct dir *d, const struct dir_actor *by, slice_t domain,
				slice_t sender, struct diag *diag)
{
	struct pg_args a = {.n = 0};
	struct dir_call c;
	struct form f = {.domain = ""};
	uint64_t touched = 0;
	enum err e = dir_call_begin(&c, d, by, "route.remove", domain, diag);

	if (e == E_OK)
		e = name_args(domain, sender, &f, &a, diag);
	if (e == E_OK) {
		buf_printf(&c.detail, "sender=%s", f.sender);
		e = dir_call_exec(&c, dir_sql_route_remove, &a, &touched, diag);
	}
	if (e == E_OK && touched == 0)
		e = diag_set(diag, E_NOT_FOUND, "there is no such route");
	return dir_call_end(&c, e, diag);
}

/* ---- lists ---- */

static void route_row(const struct pg_result *r, size_t i, struct arena *mem,
		      struct dir_route_row *out)
{
	*out = (struct dir_route_row){
		.r = {.domain = dir_page_text(mem, r, i, 0),
		      .sender = dir_page_text(mem, r, i, 1),
		      .action = (enum dir_route_action)pg_get_u64(r, i, 2),
		      .target = dir_page_text(mem, r, i, 3),
		      .tls = (enum dir_route_tls)pg_get_u64(r, i, 4),
		      .user = dir_page_text(mem, r, i, 5),
		      .direct = pg_get_bool(r, i, 6),
		      .connections = (uint32_t)pg_get_u64(r, i, 7),
		      .helo = dir_page_text(mem, r, i, 8),
		      .source4 = dir_page_text(mem, r, i, 9),
		      .source6 = dir_page_text(mem, r, i, 10),
		      .etrn = dir_page_text(mem, r, i, 13),
		      .auth = (enum dir_route_auth)pg_get_u64(r, i, 15)},
		.atrn = dir_page_text(mem, r, i, 14),
		.created_us = pg_get_i64(r, i, 11),
		.has_password = pg_get_bool(r, i, 12),
	};
}

WAITS enum err dir_route_list(struct dir *d, slice_t after, size_t limit, struct arena *mem,
			      struct dir_route_page *out, struct diag *diag)
{
	size_t space = slice_find_char(after, ' ');
	struct pg_args a = {.n = 0};
	struct pg_result *r = NULL;
	enum err e;

	pg_text(&a, slice_sub(after, 0, space));
	pg_text(&a, slice_from(after, space + 1));
	pg_u64(&a, MIN(MAX(limit, 1u), DIR_PAGE_MAX));
	e = dir_ask(d, dir_sql_route_list, &a, &r, diag);
	if (e != E_OK)
		return e;
	out->n = pg_rows(r);
	out->rows = arena_alloc(mem, (out->n + 1) * sizeof *out->rows);
	for (size_t i = 0; i < out->n; i++)
		route_row(r, i, mem, &out->rows[i]);
	pg_result_free(&r);
	return E_OK;
}

WAITS enum err dir_route_show(struct dir *d, slice_t domain, slice_t sender, struct arena *mem,
			      struct dir_route_row *out, struct diag *diag)
{
	struct pg_args a = {.n = 0};
	struct pg_result *r = NULL;
	struct form f = {.domain = ""};
	enum err e = name_args(domain, sender, &f, &a, diag);

	if (e == E_OK)
		e = dir_ask(d, dir_sql_route_show, &a, &r, diag);
	if (e != E_OK)
		return e;
	if (pg_rows(r) == 0)
		e = diag_set(diag, E_NOT_FOUND, "there is no such route");
	else
		route_row(r, 0, mem, out);
	pg_result_free(&r);
	return e;
}
