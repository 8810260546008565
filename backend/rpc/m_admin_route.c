/* Management of routes of the way out. */
#include "backend/directory/dir_route.h"
#include "backend/rpc/m_admin.h"

static Postern__AdminRoute *pack_route(const struct dir_route_row *r, struct arena *mem)
{
	Postern__AdminRoute *m = arena_new(mem, Postern__AdminRoute);

	postern__admin_route__init(m);
	m->domain = admin_str(mem, r->r.domain);
	m->sender = admin_str(mem, r->r.sender);
	m->action = (Postern__RouteAction)r->r.action;
	m->target = admin_str(mem, r->r.target);
	m->tls = (Postern__RouteTls)r->r.tls;
	m->user = admin_str(mem, r->r.user);
	m->password = r->has_password;
	m->auth = r->r.auth == DIR_ROUTE_AUTH_GSSAPI ? POSTERN__ROUTE_AUTH__ROUTE_AUTH_GSSAPI
		  : r->r.user.n != 0                 ? POSTERN__ROUTE_AUTH__ROUTE_AUTH_PASSWORD
						     : POSTERN__ROUTE_AUTH__ROUTE_AUTH_NONE;
	m->first = r->r.direct ? POSTERN__ROUTE_FIRST__ROUTE_FIRST_DIRECT
			       : POSTERN__ROUTE_FIRST__ROUTE_FIRST_NONE;
	m->connections = r->r.connections;
	m->helo = admin_str(mem, r->r.helo);
	m->source4 = admin_str(mem, r->r.source4);
	m->source6 = admin_str(mem, r->r.source6);
	m->etrn = admin_str(mem, r->r.etrn);
	m->atrn = admin_str(mem, r->atrn);
	m->created_us = r->created_us;
	return m;
}

/* Without a user there is nothing to be said of how he logs in. */
static enum err merge_login(struct mcall *c, struct dir_route *r)
{
	const Postern__AdminRouteSpec *m = (const void *)c->msg;

	if (m->has_auth && m->auth > POSTERN__ROUTE_AUTH__ROUTE_AUTH_GSSAPI)
		return diag_set(&c->diag, E_INVALID, "unknown kind of log-in");
	if (m->has_user)
		r->user = slice_str(m->user);
	if (m->has_auth)
		r->auth = m->auth == POSTERN__ROUTE_AUTH__ROUTE_AUTH_GSSAPI
				  ? DIR_ROUTE_AUTH_GSSAPI
				  : DIR_ROUTE_AUTH_PASSWORD;
	else if (r->user.n == 0)
		r->auth = DIR_ROUTE_AUTH_PASSWORD;
	return E_OK;
}

/* The request on top of what is there. */
static enum err merge(struct mcall *c, struct dir_route_spec *s)
{
	struct dir_route *r = &s->r;
	const Postern__AdminRouteSpec *m = (const void *)c->msg;

	if (m->has_action && (m->action < POSTERN__ROUTE_ACTION__ROUTE_ACTION_MX ||
			      m->action > POSTERN__ROUTE_ACTION__ROUTE_ACTION_DROP))
		return diag_set(&c->diag, E_INVALID, "unknown action");
	if (m->has_tls && (m->tls < POSTERN__ROUTE_TLS__ROUTE_TLS_NONE ||
			   m->tls > POSTERN__ROUTE_TLS__ROUTE_TLS_DEFAULT))
		return diag_set(&c->diag, E_INVALID, "unknown demand for TLS");
	if (m->has_action)
		r->action = (enum dir_route_action)m->action;
	if (m->has_target)
		r->target = slice_str(m->target);
	if (m->has_tls)
		r->tls = m->tls == POSTERN__ROUTE_TLS__ROUTE_TLS_DEFAULT
				 ? DIR_ROUTE_TLS_DEFAULT
				 : (enum dir_route_tls)m->tls;
	if (m->has_first)
		r->direct = m->first == POSTERN__ROUTE_FIRST__ROUTE_FIRST_DIRECT;
	if (m->has_connections)
		r->connections = m->connections;
	if (m->has_helo)
		r->helo = slice_str(m->helo);
	if (m->has_source4)
		r->source4 = slice_str(m->source4);
	if (m->has_source6)
		r->source6 = slice_str(m->source6);
	if (m->has_etrn)
		r->etrn = slice_str(m->etrn);
	if (m->has_atrn)
		s->atrn = slice_str(m->atrn);
	return merge_login(c, r);
}

WAITS enum err m_admin_route_add(struct mcall *c)
{
	const Postern__AdminRouteSpec *m = (const void *)c->msg;
	struct dir_actor by = admin_actor(c);
	slice_t password = slice_str(m->password);
	struct dir_route_spec s = {
		.r = {.domain = slice_str(m->domain), .sender = slice_str(m->sender)},
		.password = m->has_password ? &password : NULL,
	};
	enum err e = merge(c, &s);

	return e == E_OK ? dir_route_add(c->be->dir, &by, &s, &c->diag) : e;
}

WAITS enum err m_admin_route_edit(struct mcall *c)
{
	const Postern__AdminRouteSpec *m = (const void *)c->msg;
	struct dir_actor by = admin_actor(c);
	slice_t password = slice_str(m->password);
	struct dir_route_spec s = {.password = m->has_password ? &password : NULL};
	struct dir_route_row row;
	enum err e = dir_route_show(c->be->dir, slice_str(m->domain), slice_str(m->sender), &c->mem,
				    &row, &c->diag);

	if (e != E_OK)
		return e;
	s.r = row.r;
	s.atrn = row.atrn;
	/* Another action has another target, or none; and nobody asks for what is not held. */
	if (m->has_action && (enum dir_route_action)m->action != row.r.action)
		s.r.target = s.r.etrn = s.atrn = SLICE_NONE;
	e = merge(c, &s);
	return e == E_OK ? dir_route_edit(c->be->dir, &by, &s, &c->diag) : e;
}

WAITS static enum err list_slice(struct mcall *c, slice_t after, struct arena *mem,
				 struct admin_slice *out)
{
	struct dir_route_page page;
	struct buf last;
	enum err e = dir_route_list(c->be->dir, after, ADMIN_PAGE, mem, &page, &c->diag);

	if (e != E_OK)
		return e;
	out->rows = arena_alloc(mem, page.n * sizeof(*out->rows));
	for (size_t i = 0; i < page.n; i++)
		out->rows[i] = &pack_route(&page.rows[i], mem)->base;
	out->n = page.n;
	out->more = page.n == ADMIN_PAGE;
	if (page.n == 0)
		return E_OK;
	buf_init(&last, DIR_ROUTE_DOMAIN_MAX + 1 + DIR_ADDRESS_MAX, NULL);
	buf_put(&last, page.rows[page.n - 1].r.domain);
	buf_putc(&last, ' ');
	buf_put(&last, page.rows[page.n - 1].r.sender);
	out->last = arena_dup(mem, buf_slice(&last));
	buf_fini(&last);
	return E_OK;
}

WAITS enum err m_admin_route_list(struct mcall *c)
{
	return admin_list(c, &postern__admin_route_page__descriptor, list_slice);
}

WAITS enum err m_admin_route_show(struct mcall *c)
{
	const Postern__AdminRouteName *m = (const void *)c->msg;
	struct dir_route_row row;
	enum err e = dir_route_show(c->be->dir, slice_str(m->domain), slice_str(m->sender), &c->mem,
				    &row, &c->diag);

	return e == E_OK ? mcall_reply(c, &pack_route(&row, &c->mem)->base, RPC_NO_BODY) : e;
}

WAITS enum err m_admin_route_remove(struct mcall *c)
{
	const Postern__AdminRouteName *m = (const void *)c->msg;
	struct dir_actor by = admin_actor(c);

	return dir_route_remove(c->be->dir, &by, slice_str(m->domain), slice_str(m->sender),
				&c->diag);
}
