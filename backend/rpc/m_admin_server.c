/* Management of virtual SMTP servers. An operator sees and changes those that name him; neither
 * which listeners they have, nor who else may change them. */
#include <stdio.h>

#include "backend/admin/server_spec.h"
#include "backend/directory/dir_servers.h"
#include "backend/rpc/m_admin.h"

/* Listeners that front-ends lack, of one server: more are one mistake. */
#define UNBOUND_TOLD 64

static bool is_operator(const struct mcall *c)
{
	return c->peer->role == ROLE_OPERATOR;
}

bool admin_may_manage(const struct mcall *c, const char *server)
{
	struct dir_server s;
	struct diag ignored;

	return !is_operator(c) ||
	       (dir_server_find(c->be->dir, slice_str(server), &s, &ignored) == E_OK &&
		dir_server_has_line(s.operators, slice_str(c->peer->name)));
}

static bool may_manage(const struct mcall *c, const struct dir_server *s)
{
	return !is_operator(c) || dir_server_has_line(s->operators, slice_str(c->peer->name));
}

static enum err find(struct mcall *c, const char *name, struct dir_server *out)
{
	enum err e = dir_server_find(c->be->dir, slice_str(name), out, &c->diag);

	/* What there is besides his own is not his business. */
	if (is_operator(c) && (e != E_OK || !may_manage(c, out)))
		return diag_set(&c->diag, E_DENIED, "you are no operator of such a server");
	return e;
}

static Postern__AdminServer *pack_server(const struct dir_server *s, struct arena *mem)
{
	Postern__AdminServer *m = arena_new(mem, Postern__AdminServer);

	postern__admin_server__init(m);
	m->name = admin_str(mem, s->name);
	m->service = admin_str(mem, slice_str(rpc_service_name(s->service)));
	m->state = (Postern__ServerState)s->state;
	m->listeners = admin_lines(s->listeners, &m->n_listeners, mem);
	m->settings = admin_lines(s->settings, &m->n_settings, mem);
	m->operators = admin_lines(s->operators, &m->n_operators, mem);
	m->home = admin_str(mem, dir_server_home(s->name, s->settings));
	return m;
}

/* ---- looking ---- */

/* What front-ends have bound. */
struct bound {
	Postern__AdminWorkerStatus **workers;
	size_t n;
};

/* One of these sockets is the listener's. */
static bool is_bound(const Postern__AdminWorkerStatus *w, const struct server_listener *l)
{
	for (size_t i = 0; i < w->n_listeners; i++) {
		struct server_listener b;

		if (!server_listener_parse(slice_str(w->listeners[i]), &b))
			continue;
		snprintf(b.frontend, sizeof b.frontend, "%s", w->frontend);
		if (server_listener_is_at(l, &b))
			return true;
	}
	return false;
}

static void add_line(Postern__AdminServer *m, const char *who, slice_t listener, struct arena *mem)
{
	struct buf b;

	if (m->n_unbound == UNBOUND_TOLD)
		return;
	buf_init(&b, 512, NULL);
	buf_printf(&b, "%s: listen.%s lacks ", who, m->service);
	buf_put(&b, listener);
	m->unbound[m->n_unbound++] = admin_str(mem, buf_slice(&b));
	buf_fini(&b);
}

/* An address is one machine's: it is enough that one front-end has it. A port alone is missed at
 * each. The workers are in order of front-end. */
static void add_unbound(Postern__AdminServer *m, slice_t listener, const struct bound *b,
			struct arena *mem)
{
	struct server_listener l;
	const char *last = "";
	bool at_each, found = false;

	if (!server_listener_parse(listener, &l))
		return;
	at_each = l.frontend[0] == '\0' && l.address.family == 0;
	for (size_t i = 0; i < b->n; i++) {
		const Postern__AdminWorkerStatus *w = b->workers[i];

		if (strcmp(w->service, m->service) != 0 || strcmp(w->state, "up") != 0 ||
		    strcmp(w->frontend, last) == 0 ||
		    (l.frontend[0] != '\0' && strcmp(w->frontend, l.frontend) != 0))
			continue;
		last = w->frontend;
		if (is_bound(w, &l))
			found = true;
		else if (at_each)
			add_line(m, w->frontend, listener, mem);
	}
	if (!at_each && !found)
		add_line(m, l.frontend[0] != '\0' ? l.frontend : "every front-end", listener, mem);
}

static void pack_unbound(Postern__AdminServer *m, slice_t listeners, const struct bound *b,
			 struct arena *mem)
{
	slice_t listener;

	m->unbound = arena_alloc(mem, UNBOUND_TOLD * sizeof(*m->unbound));
	while (dir_server_line(&listeners, &listener))
		add_unbound(m, listener, b, mem);
}

WAITS enum err m_admin_server_list(struct mcall *c)
{
	const ProtobufCMessageDescriptor *page = &postern__admin_server_page__descriptor;
	struct admin_away away = {0};
	struct bound b = {.n = 0};
	ProtobufCMessage **rows;
	size_t count, n = 0;
	enum err e = admin_workers(c, &b.workers, &b.n, &away);

	if (e != E_OK)
		return e;
	count = dir_server_count(c->be->dir);
	rows = arena_alloc(&c->mem, (count + 1) * sizeof(*rows));
	for (size_t i = 0; i < count; i++) {
		Postern__AdminServer *m;
		struct dir_server s;

		dir_server_at(c->be->dir, i, &s);
		if (!may_manage(c, &s))
			continue;
		m = pack_server(&s, &c->mem);
		pack_unbound(m, s.listeners, &b, &c->mem);
		rows[n++] = &m->base;
	}
	e = mcall_reply(c, NULL, RPC_BODY);
	if (e == E_OK)
		e = admin_send_rows(c, page, 0, rows, n);
	return e == E_OK ? admin_end(c, page, &away) : e;
}

WAITS enum err m_admin_server_show(struct mcall *c)
{
	const Postern__AdminServerName *m = (const void *)c->msg;
	struct dir_server s;
	enum err e = find(c, m->name, &s);

	return e == E_OK ? mcall_reply(c, &pack_server(&s, &c->mem)->base, RPC_NO_BODY) : e;
}

/* ---- changes ---- */

#define TEXTS(m, field) ((struct server_texts){(m)->field, (m)->n_##field})

/* A list that is being made, and lives as long as the call. */
static slice_t keep(struct mcall *c, struct buf *b)
{
	slice_t s = arena_dup(&c->mem, buf_slice(b));

	buf_fini(b);
	return s;
}

static enum err make_list(struct mcall *c, struct server_texts t,
			  enum err (*make)(struct server_texts t, struct buf *out, struct diag *d),
			  slice_t *out)
{
	struct buf b;
	enum err e = E_OK;

	buf_init(&b, DIR_SERVER_TEXT_MAX, NULL);
	/* One empty text is an empty list. */
	if (t.n != 1 || t.v[0][0] != '\0')
		e = make(t, &b, &c->diag);
	*out = keep(c, &b);
	return e;
}

static enum err make_settings(struct mcall *c, enum rpc_service service, slice_t before,
			      struct server_texts set, struct server_texts unset, slice_t *out)
{
	slice_t rest, line;
	struct buf b;
	enum err e;

	buf_init(&b, DIR_SERVER_TEXT_MAX, NULL);
	e = server_spec_settings(service, before, set, unset, &b, &c->diag);
	*out = keep(c, &b);
	for (rest = *out; e == E_OK && dir_server_line(&rest, &line);) {
		slice_t value, key = servers_key(line, &value);

		e = admin_check_masquerade(c, key, value);
	}
	return e;
}

WAITS enum err m_admin_server_add(struct mcall *c)
{
	const Postern__AdminServerAdd *m = (const void *)c->msg;
	struct dir_actor by = admin_actor(c);
	struct dir_server_spec s = {.name = slice_str(m->name), .service = SERVICE_SMTP};
	enum err e;

	if (!servers_name_ok(s.name))
		return diag_set(&c->diag, E_INVALID, "a server's name is 1 to %d of a-z, 0-9, '-'",
				SERVER_NAME_MAX);
	if (m->service[0] != '\0')
		s.service = rpc_service_parse(slice_str(m->service));
	if (s.service != SERVICE_SMTP && s.service != SERVICE_SUBMISSION)
		return diag_set(&c->diag, E_INVALID, "a server's service is smtp or submission");
	e = make_list(c, TEXTS(m, listeners), server_spec_listeners, &s.listeners);
	if (e == E_OK && s.listeners.n == 0)
		e = diag_set(&c->diag, E_INVALID,
			     "a server has a listener: [FRONTEND/][ADDRESS]:PORT");
	if (e == E_OK)
		e = make_list(c, TEXTS(m, operators), server_spec_operators, &s.operators);
	if (e == E_OK)
		e = make_settings(c, s.service, SLICE_NONE, TEXTS(m, settings),
				  (struct server_texts){NULL, 0}, &s.settings);
	return e == E_OK ? dir_server_add(c->be->dir, &by, &s, &c->diag) : e;
}

static const char *named_of(struct server_texts t, const char *const *keys, size_t nkeys)
{
	for (size_t i = 0; i < t.n; i++) {
		slice_t named = servers_key(slice_str(t.v[i]), NULL);

		for (size_t k = 0; k < nkeys; k++) {
			if (slice_eq(named, slice_str(keys[k])))
				return keys[k];
		}
	}
	return NULL;
}

/* What is not an operator's own: addresses are whole front-ends', as listeners are, and folders
 * back-ends'. NULL: he changes nothing of that. */
static const char *names_others(const Postern__AdminServerEdit *m)
{
	static const char *const keys[] = {"outbound.source", "home"};
	const char *named = named_of(TEXTS(m, settings), keys, ARRAY_LEN(keys));

	return named != NULL ? named : named_of(TEXTS(m, unset), keys, ARRAY_LEN(keys));
}

/* An operator's, and the server of what no other one answers for: neither has listeners to give. */
static enum err check_edit(struct mcall *c, const Postern__AdminServerEdit *m,
			   const struct dir_server *old)
{
	if (is_operator(c) && (m->n_listeners != 0 || m->n_operators != 0))
		return diag_set(&c->diag, E_DENIED,
				"an operator changes neither listeners nor operators");
	if (is_operator(c) && names_others(m) != NULL)
		return diag_set(&c->diag, E_DENIED, "an operator does not change %s",
				names_others(m));
	if (m->n_listeners != 0 && old->listeners.n == 0)
		return diag_set(&c->diag, E_INVALID,
				"this server answers for what no other does: it has no listeners");
	return E_OK;
}

/* Nobody would look at what lies in the folder that it leaves. */
WAITS static enum err check_move(struct mcall *c, const struct dir_server_spec *s)
{
	struct dir_server now;
	enum err e = dir_server_find(c->be->dir, s->name, &now, &c->diag);

	if (e != E_OK || slice_eq(dir_server_home(now.name, now.settings),
				  dir_server_home(s->name, s->settings)))
		return e;
	return admin_area_empty(c, &now);
}

WAITS enum err m_admin_server_edit(struct mcall *c)
{
	const Postern__AdminServerEdit *m = (const void *)c->msg;
	struct dir_actor by = admin_actor(c);
	struct dir_server old;
	struct dir_server_spec s;
	enum err e = find(c, m->name, &old);

	if (e == E_OK)
		e = check_edit(c, m, &old);
	if (e != E_OK)
		return e;
	s = (struct dir_server_spec){
		.name = slice_str(m->name),
		.service = old.service,
		.listeners = arena_dup(&c->mem, old.listeners),
		.operators = arena_dup(&c->mem, old.operators),
		.version = old.version,
	};
	e = make_settings(c, old.service, old.settings, TEXTS(m, settings), TEXTS(m, unset),
			  &s.settings);
	if (e == E_OK && m->n_listeners != 0)
		e = make_list(c, TEXTS(m, listeners), server_spec_listeners, &s.listeners);
	if (e == E_OK && old.listeners.n != 0 && s.listeners.n == 0)
		e = diag_set(&c->diag, E_INVALID, "a server has a listener");
	if (e == E_OK && m->n_operators != 0)
		e = make_list(c, TEXTS(m, operators), server_spec_operators, &s.operators);
	if (e == E_OK)
		e = check_move(c, &s);
	return e == E_OK ? dir_server_edit(c->be->dir, &by, &s, &c->diag) : e;
}

WAITS enum err m_admin_server_state(struct mcall *c)
{
	const Postern__AdminServerState *m = (const void *)c->msg;
	struct dir_actor by = admin_actor(c);
	struct dir_server s;
	enum err e = E_OK;

	if (m->all == (m->name[0] != '\0'))
		return diag_set(&c->diag, E_INVALID, "either a server's name, or all");
	if (m->state < POSTERN__SERVER_STATE__SERVER_STATE_RUNNING ||
	    m->state > POSTERN__SERVER_STATE__SERVER_STATE_STOPPED)
		return diag_set(&c->diag, E_INVALID, "unknown state of a server");
	if (m->all && is_operator(c))
		return diag_set(&c->diag, E_DENIED, "an operator has not all of them");
	if (!m->all)
		e = find(c, m->name, &s);
	return e == E_OK ? dir_server_set_state(c->be->dir, &by, slice_str(m->name),
						(enum server_state)m->state, &c->diag)
			 : e;
}

WAITS enum err m_admin_server_remove(struct mcall *c)
{
	const Postern__AdminServerName *m = (const void *)c->msg;
	struct dir_actor by = admin_actor(c);
	struct dir_server now;
	enum err e = dir_server_find(c->be->dir, slice_str(m->name), &now, &c->diag);

	/* The next server of that home would take over what lies there. */
	if (e == E_OK)
		e = admin_area_empty(c, &now);
	return e == E_OK ? dir_server_remove(c->be->dir, &by, slice_str(m->name), &c->diag) : e;
}
