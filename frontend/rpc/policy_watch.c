/*
 * The stream of policy: settings, the map of the cluster, revoked certificates, sessions to end.
 * While no back-end is there, what was last pushed stays in force.
 */
#include "common/log/log.h"
#include "common/base/clock.h"
#include "frontend/core/policy.h"
#include "frontend/core/session.h"
#include "frontend/rpc/rpc_client_priv.h"
#include "proto/method.pb-c.h"

#define WATCH_RETRY_MS   500
#define WATCH_ANSWER_MS  10000
#define SESSION_ID_BYTES 16

static void put_settings(const Postern__Settings *m)
{
	policy_begin();
	for (size_t i = 0; i < m->n_settings; i++) {
		enum err e = policy_set(slice_str(m->settings[i]->key),
					slice_str(m->settings[i]->value));

		if (e != E_OK)
			LOG(LOG_WARN, NULL, "policy.ignored", LF_STR("key", m->settings[i]->key),
			    LF_STR("value", m->settings[i]->value), LF_ERR("why", e));
	}
	policy_apply();
}

static void put_revoked(const Postern__Revoked *m)
{
	slice_t *serials = xcalloc(m->n_serials, sizeof *serials);

	for (size_t i = 0; i < m->n_serials; i++)
		serials[i] = slice_str(m->serials[i]);
	tls_ctx_revoke(rpc_client.endpoint.tls, serials, m->n_serials);
	for (size_t i = 0; i < rpc_client.nlinks;) {
		struct rpc_link *l = rpc_client.links[i];
		bool hit = false;

		for (size_t k = 0; k < m->n_serials && !hit; k++)
			hit = slice_eq(rpc_link_peer_serial(l), serials[k]);
		if (hit)
			rpc_link_close(l, CLOSE_PROTOCOL);
		if (i < rpc_client.nlinks && rpc_client.links[i] == l)
			i++;
	}
	xfree(&serials);
}

static void kill_if_account(struct session *s, void *arg)
{
	const char *account = arg;

	if (s->ticket != NULL && strcmp(s->ticket->account, account) == 0)
		session_end(s, "killed");
}

static enum server_state read_state(Postern__ServerState state)
{
	switch (state) {
	case POSTERN__SERVER_STATE__SERVER_STATE_RUNNING:
		return SERVER_RUNNING;
	case POSTERN__SERVER_STATE__SERVER_STATE_STOPPED:
		return SERVER_STOPPED;
	case POSTERN__SERVER_STATE__SERVER_STATE_PAUSED:
	case POSTERN__SERVER_STATE__SERVER_STATE_NONE:
	case _POSTERN__SERVER_STATE_IS_INT_SIZE:
		break;
	}
	return SERVER_PAUSED; /* also what a newer back-end means by another: nobody new */
}

static void put_servers(const Postern__VirtualServers *m)
{
	servers_begin();
	for (size_t i = 0; i < m->n_servers; i++) {
		const Postern__VirtualServer *row = m->servers[i];
		struct server_push p = {
			.name = slice_str(row->name),
			.service = rpc_service_parse(slice_str(row->service)),
			.state = read_state(row->state),
		};

		for (; p.nlisteners < row->n_listeners; p.nlisteners++)
			p.listeners[p.nlisteners] = slice_str(row->listeners[p.nlisteners]);
		for (; p.nsettings < row->n_settings; p.nsettings++)
			p.settings[p.nsettings] = slice_str(row->settings[p.nsettings]);
		servers_put(&p);
	}
	if (m->etrn)
		servers_put_etrn();
	servers_apply();
	session_leave_stopped();
}

static void put_kill(const Postern__KillSession *m)
{
	if (m->session_id.len == SESSION_ID_BYTES) {
		struct session *s = session_find(m->session_id.data);

		if (s != NULL)
			session_end(s, "killed");
	} else if (m->session_id.len == 0 && m->account[0] != '\0') {
		session_each(kill_if_account, m->account);
	}
}

static void put_event(const Postern__PolicyEvent *m)
{
	switch (m->event_case) {
	case POSTERN__POLICY_EVENT__EVENT_SETTINGS:
		put_settings(m->settings);
		rpc_client.have_policy = true;
		waitq_wake_all(&rpc_client.changed);
		break;
	case POSTERN__POLICY_EVENT__EVENT_CLUSTER:
		rpc_client_set_cluster(m->cluster);
		break;
	case POSTERN__POLICY_EVENT__EVENT_REVOKED:
		put_revoked(m->revoked);
		break;
	case POSTERN__POLICY_EVENT__EVENT_KILL:
		put_kill(m->kill);
		break;
	case POSTERN__POLICY_EVENT__EVENT_SERVERS:
		put_servers(m->servers);
		break;
	case POSTERN__POLICY_EVENT__EVENT__NOT_SET: /* of a newer back-end */
	case _POSTERN__POLICY_EVENT__EVENT__CASE_IS_INT_SIZE:
		break;
	}
}

/* One watch, from its opening to its end. */
WAITS static enum err watch_once(struct rpc_link *l)
{
	Postern__PolicyWatch req = POSTERN__POLICY_WATCH__INIT;
	char version[] = POSTERN_VERSION;
	struct rpc_call *call;
	slice_t payload;
	enum err e;

	req.version = version;
	req.worker = rpc_client.conf.worker;
	req.started_us = clock_wall_us();
	e = rpc_client_open(l, POSTERN__METHOD__METHOD_POLICY_WATCH, &req.base, RPC_NO_BODY,
			    NO_DEADLINE, &call);
	if (e != E_OK)
		return e;
	e = rpc_call_response(call, NULL);
	while (e == E_OK && (e = rpc_call_recv(call, &payload)) == E_OK) {
		struct arena a;
		ProtobufCMessage *m;

		arena_init(&a, NULL);
		e = rpc_client_unpack(&postern__policy_event__descriptor, payload, &a, &m);
		if (e == E_OK)
			put_event((Postern__PolicyEvent *)m);
		arena_reset(&a);
	}
	rpc_call_free(&call);
	return e;
}

WAITS void policy_watch_run(void *arg UNUSED)
{
	while (!fiber_cancelled()) {
		struct rpc_link *l = rpc_client_any();
		enum err e;

		if (l == NULL) {
			if (waitq_wait(&rpc_client.changed, "policy.link", NO_DEADLINE) ==
			    E_CANCELLED)
				return;
			continue;
		}
		rpc_link_ref(l);
		e = watch_once(l);
		LOG(LOG_INFO, NULL, "policy.watch_ended", LF_STR("backend", rpc_link_peer(l)->name),
		    LF_ERR("why", e));
		rpc_link_unref(&l);
		(void)fiber_sleep("policy.retry", WATCH_RETRY_MS);
	}
}
