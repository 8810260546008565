/*
 * Policy.Watch: a detached request a worker. What it should know is kept as dirty bits; a
 * stream without credit keeps its bits until it is writable, so nothing is lost and nothing
 * queues up. Ended sessions are the exception: they are few, and a worker too slow to take one
 * loses its stream (it asks for another; a session whose end it missed ends with its next call).
 */
#include "backend/rpc/policy_push.h"
#include "backend/directory/dir_route.h"
#include "backend/directory/dir_servers.h"
#include "backend/rpc/rpc_methods.h"

#include "common/base/clock.h"
#include "common/log/log.h"
#include "proto/policy.pb-c.h"
#include "proto/settings.h"

enum {
	DIRTY_SETTINGS = 1,
	DIRTY_CLUSTER = 2,
	DIRTY_REVOKED = 4,
	DIRTY_SERVERS = 8,
	DIRTY_ALL = 15,
};

/* Open ones of a link. A worker has one, and one more while it changes to another; each costs work
 * at every change of the cluster. */
#define POLICY_WATCHES_MAX 4

_Static_assert(DIR_SETTING_VALUE_MAX == SETTINGS_VALUE_MAX, "what can be set can be sent");

struct watch {
	struct list node; /* in be->watches */
	struct be *be;
	struct rpc_req *req;
	unsigned dirty;
};

static enum err send_event(struct watch *w, const Postern__PolicyEvent *ev)
{
	size_t n = protobuf_c_message_get_packed_size(&ev->base);
	uint8_t *bytes;
	enum err e;

	if (n > RPC_PAYLOAD_MAX) {
		LOG(LOG_ERROR, NULL, "policy.too_big", LF_INT("event", ev->event_case),
		    LF_UINT("bytes", n));
		return E_OK;
	}
	bytes = xmalloc(n);
	protobuf_c_message_pack(&ev->base, bytes);
	e = rpc_req_send_now(w->req, slice(bytes, n));
	xfree(&bytes);
	return e;
}

/* The directory's value of a setting, but for those that this node's command line overrides. */
static bool find_setting(const struct be *be, const struct conf_def *def, Postern__Setting *out,
			 struct arena *mem)
{
	struct buf value;

	/* Nobody is offered what this node cannot take. */
	if (strcmp(def->name, SETTINGS_REALMS) == 0 && !auth_takes_tickets(be->auth))
		return false;
	if (!conf_is_set(be->conf.pushed, def->name)) {
		slice_t v = dir_setting(be->dir, def->name);

		if (v.p == NULL)
			return false;
		out->value = arena_str(mem, v);
	} else {
		buf_init(&value, DIR_SETTING_VALUE_MAX, NULL);
		conf_text(be->conf.pushed, def->name, &value);
		out->value = arena_str(mem, buf_slice(&value));
		buf_fini(&value);
	}
	out->key = arena_str(mem, slice_str(def->name));
	return true;
}

static enum err send_settings(struct watch *w, struct arena *mem)
{
	Postern__PolicyEvent ev = POSTERN__POLICY_EVENT__INIT;
	Postern__Settings m = POSTERN__SETTINGS__INIT;

	m.settings = arena_alloc(mem, settings_table_len * sizeof *m.settings);
	for (size_t i = 0; i < settings_table_len; i++) {
		Postern__Setting *row = arena_new(mem, Postern__Setting);

		postern__setting__init(row);
		if (find_setting(w->be, &settings_table[i], row, mem))
			m.settings[m.n_settings++] = row;
	}
	ev.event_case = POSTERN__POLICY_EVENT__EVENT_SETTINGS;
	ev.settings = &m;
	return send_event(w, &ev);
}

static void add_backends(const struct be *be, Postern__Cluster *m, struct arena *mem)
{
	size_t n = dir_node_count(be->dir);

	m->backends = arena_alloc(mem, n * sizeof *m->backends);
	for (size_t i = 0; i < n; i++) {
		Postern__BackendNode *row = arena_new(mem, Postern__BackendNode);
		struct dir_node node;

		dir_node_at(be->dir, i, &node);
		postern__backend_node__init(row);
		row->name = arena_str(mem, slice_str(node.name));
		row->address = arena_str(mem, slice_str(node.address));
		row->port = node.port;
		m->backends[m->n_backends++] = row;
	}
}

static enum err send_cluster(struct watch *w, struct arena *mem)
{
	Postern__PolicyEvent ev = POSTERN__POLICY_EVENT__INIT;
	Postern__Cluster m = POSTERN__CLUSTER__INIT;
	const struct dir *dir = w->be->dir;
	size_t n = dir_partition_count(dir);

	add_backends(w->be, &m, mem);
	m.partitions = arena_alloc(mem, n * sizeof *m.partitions);
	for (size_t i = 0; i < n; i++) {
		Postern__Partition *row = arena_new(mem, Postern__Partition);
		struct dir_partition p;

		dir_partition_at(dir, i, &p);
		postern__partition__init(row);
		row->id = p.id;
		row->epoch = p.epoch;
		row->backend = arena_str(mem, slice_str(p.node));
		m.partitions[m.n_partitions++] = row;
	}
	ev.event_case = POSTERN__POLICY_EVENT__EVENT_CLUSTER;
	ev.cluster = &m;
	return send_event(w, &ev);
}

static enum err send_revoked(struct watch *w, struct arena *mem)
{
	Postern__PolicyEvent ev = POSTERN__POLICY_EVENT__INIT;
	Postern__Revoked m = POSTERN__REVOKED__INIT;
	size_t n = dir_revoked_count(w->be->dir);

	m.serials = arena_alloc(mem, n * sizeof *m.serials);
	for (size_t i = 0; i < n; i++)
		m.serials[m.n_serials++] = arena_str(mem, dir_revoked_at(w->be->dir, i));
	ev.event_case = POSTERN__POLICY_EVENT__EVENT_REVOKED;
	ev.revoked = &m;
	return send_event(w, &ev);
}

static char **pack_lines(slice_t lines, size_t *n, size_t max, struct arena *mem)
{
	char **v = arena_alloc(mem, max * sizeof *v);
	slice_t line;

	for (*n = 0; *n < max && dir_server_line(&lines, &line); ++*n)
		v[*n] = arena_str(mem, line);
	return v;
}

static Postern__VirtualServer *pack_server(const struct dir_server *s, struct arena *mem)
{
	Postern__VirtualServer *m = arena_new(mem, Postern__VirtualServer);

	postern__virtual_server__init(m);
	m->name = arena_str(mem, s->name);
	m->service = arena_str(mem, slice_str(rpc_service_name(s->service)));
	m->state = (Postern__ServerState)s->state;
	m->listeners = pack_lines(s->listeners, &m->n_listeners, SERVER_LISTENERS_MAX, mem);
	m->settings = pack_lines(s->settings, &m->n_settings, SERVER_SETTINGS_MAX, mem);
	return m;
}

/* To a worker those of its own service. */
static enum err send_servers(struct watch *w, struct arena *mem)
{
	enum rpc_service service = rpc_link_peer(rpc_req_link(w->req))->service;
	Postern__PolicyEvent ev = POSTERN__POLICY_EVENT__INIT;
	Postern__VirtualServers m = POSTERN__VIRTUAL_SERVERS__INIT;
	size_t n = dir_server_count(w->be->dir);

	if (service != SERVICE_SMTP && service != SERVICE_SUBMISSION)
		return E_OK;
	m.servers = arena_alloc(mem, n * sizeof *m.servers);
	for (size_t i = 0; i < n; i++) {
		struct dir_server s;

		dir_server_at(w->be->dir, i, &s);
		if (s.service == service)
			m.servers[m.n_servers++] = pack_server(&s, mem);
	}
	m.etrn = service == SERVICE_SMTP && dir_route_any_asked(w->be->dir);
	ev.event_case = POSTERN__POLICY_EVENT__EVENT_SERVERS;
	ev.servers = &m;
	return send_event(w, &ev);
}

/* Sends what is dirty, as far as there is room. */
static void watch_flush(struct watch *w)
{
	static enum err (*const send[])(struct watch *, struct arena *) = {
		send_settings, send_cluster, send_revoked, send_servers};
	/* The map first: settings tell the worker that it is ready. */
	static const unsigned order[] = {1, 2, 3, 0};
	struct arena mem;

	arena_init(&mem, NULL);
	for (size_t i = 0; i < ARRAY_LEN(order); i++) {
		unsigned bit = 1u << order[i];

		if ((w->dirty & bit) == 0)
			continue;
		if (send[order[i]](w, &mem) != E_OK)
			break;
		w->dirty &= ~bit;
	}
	arena_reset(&mem);
}

static void watch_free(struct watch *w)
{
	list_remove(&w->node);
	rpc_req_end(&w->req);
	xfree(&w);
}

static void watch_gone(struct rpc_req *r UNUSED, void *arg)
{
	watch_free(arg);
}

static void watch_writable(struct rpc_req *r UNUSED, void *arg)
{
	watch_flush(arg);
}

static const struct rpc_detached_ops watch_ops = {.gone = watch_gone, .writable = watch_writable};

static unsigned watches_of(const struct be *be, const struct rpc_link *l)
{
	unsigned n = 0;

	list_for_each(i, &be->watches)
		n += rpc_req_link(list_entry(i, struct watch, node)->req) == l;
	return n;
}

static enum err another_watch(struct mcall *c)
{
	if (watches_of(c->be, rpc_req_link(c->req)) < POLICY_WATCHES_MAX)
		return E_OK;
	return diag_set(&c->diag, E_LIMIT, "more than %d policy watches of a worker",
			POLICY_WATCHES_MAX);
}

WAITS enum err m_policy_watch(struct mcall *c)
{
	struct watch *w;
	enum err e = another_watch(c);

	if (e == E_OK)
		e = mcall_reply(c, NULL, RPC_BODY);
	if (e == E_OK)
		e = another_watch(c); /* others may have come while the answer waited for room */
	if (e != E_OK)
		return e;
	w = xcalloc(1, sizeof *w);
	w->be = c->be;
	w->req = c->req;
	w->dirty = DIRTY_ALL;
	list_append(&c->be->watches, &w->node);
	rpc_req_detach(c->req, &watch_ops, w);
	watch_flush(w);
	return E_OK;
}

static void push_all(struct be *be, unsigned bits)
{
	list_for_each(i, &be->watches) {
		struct watch *w = list_entry(i, struct watch, node);

		w->dirty |= bits;
		watch_flush(w);
	}
}

void policy_push_kill(struct be *be, const uint8_t *session, const char *account,
		      const char *reason)
{
	Postern__PolicyEvent ev = POSTERN__POLICY_EVENT__INIT;
	Postern__KillSession m = POSTERN__KILL_SESSION__INIT;
	char account_text[DIR_ADDRESS_MAX + 1] = "", why[128] = "";

	if (session != NULL)
		m.session_id =
			(ProtobufCBinaryData){TICKET_SESSION_LEN, (uint8_t *)(uintptr_t)session};
	if (account != NULL && slice_to_str(slice_str(account), account_text, sizeof account_text))
		m.account = account_text;
	if (slice_to_str(slice_str(reason), why, sizeof why))
		m.reason = why;
	ev.event_case = POSTERN__POLICY_EVENT__EVENT_KILL;
	ev.kill = &m;
	list_for_each_safe(i, &be->watches) {
		struct watch *w = list_entry(i, struct watch, node);

		if (send_event(w, &ev) == E_LIMIT) {
			LOG(LOG_WARN, NULL, "policy.worker_too_slow",
			    LF_STR("node", rpc_link_peer(rpc_req_link(w->req))->name));
			/* Its stream is over: nothing more may be sent on it. */
			rpc_req_abort(w->req, E_RETRY);
			watch_free(w);
		}
	}
}

static bool collect_session(const struct session_info *s, void *arg)
{
	struct buf *ids = arg;

	buf_put(ids, slice(s->id, sizeof s->id));
	return !buf_failed(ids);
}

/* Their tickets are void: they are sessions no more. */
static void forget_sessions(struct be *be, uint64_t account)
{
	struct sessions *all = auth_sessions(be->auth);
	struct buf ids;

	buf_init(&ids, SESSIONS_MAX * (size_t)TICKET_SESSION_LEN, NULL);
	sessions_each(all, account, collect_session, &ids);
	for (size_t at = 0; at < ids.n; at += TICKET_SESSION_LEN)
		sessions_remove(all, (const uint8_t *)ids.p + at, NULL);
	buf_fini(&ids);
}

static void on_dir_event(const struct dir_event *ev, void *arg)
{
	struct be *be = arg;

	switch (ev->kind) {
	case DIR_EV_SETTINGS:
		push_all(be, DIRTY_SETTINGS);
		break;
	case DIR_EV_CLUSTER:
		push_all(be, DIRTY_CLUSTER);
		break;
	case DIR_EV_REVOKED:
		push_all(be, DIRTY_REVOKED);
		break;
	case DIR_EV_ACCOUNT:
		if (ev->sessions_end) {
			forget_sessions(be, ev->account->id);
			policy_push_kill(be, NULL, ev->account->address, "account changed");
		}
		break;
	case DIR_EV_SESSION:
		sessions_remove(auth_sessions(be->auth), ev->session, NULL);
		policy_push_kill(be, ev->session, NULL, "ended by an administrator");
		break;
	case DIR_EV_SERVERS:
	case DIR_EV_ROUTES:
		push_all(be, DIRTY_SERVERS);
		break;
	case DIR_EV_KEYS:
	case DIR_EV_DKIM:
		break;
	}
}

void policy_push_start(struct be *be)
{
	list_init(&be->watches);
	be->dir_sub = (struct dir_sub){.fn = on_dir_event, .arg = be};
	dir_subscribe(be->dir, &be->dir_sub);
}

void policy_push_stop(struct be *be)
{
	dir_unsubscribe(&be->dir_sub);
	while (!list_empty(&be->watches))
		watch_free(list_entry(be->watches.next, struct watch, node));
}

/* What has no room is left out: it is for people to look at. */
static void put_bound(const Postern__NodeReport *m, struct node_info *out)
{
	struct buf b;

	buf_init(&b, sizeof out->bound - 1, NULL);
	for (size_t i = 0; i < m->n_listeners; i++) {
		if (b.n + strlen(m->listeners[i]) + 1 <= sizeof out->bound - 1)
			buf_printf(&b, "%s%s", b.n > 0 ? "\n" : "", m->listeners[i]);
	}
	if (!slice_to_str(buf_slice(&b), out->bound, sizeof out->bound))
		out->bound[0] = '\0';
	buf_fini(&b);
}

WAITS enum err m_node_report(struct mcall *c)
{
	const Postern__NodeReport *m = (const void *)c->msg;
	struct node_info info = {
		.id = *c->peer,
		.worker = m->worker,
		.pid = m->pid,
		.started_us = m->started_us,
		.heard_ms = clock_mono_ms(),
		.sessions = m->sessions,
		.memory_bytes = m->memory_bytes,
	};

	if (!slice_to_str(slice_str(m->version), info.version, sizeof info.version))
		return diag_set(&c->diag, E_INVALID, "version: too long");
	put_bound(m, &info);
	return nodes_report(c->be->nodes, &info, MCALL_SLICE(m->metrics), &c->diag);
}
