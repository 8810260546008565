/* Sessions: they are known at the owner of their account, so every back-end is asked. */
#include "backend/rpc/m_admin.h"

#include "backend/rpc/peer_call.h"
#include "backend/rpc/policy_push.h"
#include "common/base/codec.h"
#include "common/log/log.h"
#include "common/rpc/walk.h"
#include "proto/method.pb-c.h"

#define ASK_MS  15000
#define IDS_MAX (SESSIONS_MAX * (size_t)TICKET_SESSION_LEN)
#define BATCH   100

static const char why_ended[] = "ended by an administrator";

/* Their ids, one after the other: a session may end before its turn comes. */
static bool collect_id(const struct session_info *s, void *arg)
{
	struct buf *ids = arg;

	buf_put(ids, slice(s->id, sizeof s->id));
	return !buf_failed(ids);
}

static bool collect_listed(const struct session_info *s, void *arg)
{
	return s->away || collect_id(s, arg);
}

/* "": account 0, which is all. */
static enum err find_account(struct mcall *c, const char *name, uint64_t *out)
{
	struct dir_account a;
	enum err e;

	*out = 0;
	if (name[0] == '\0')
		return E_OK;
	e = dir_account_by_name(c->be->dir, slice_str(name), &a);
	if (e == E_OK)
		*out = a.id;
	else if (e == E_NOT_FOUND)
		diag_set(&c->diag, e, "there is no account %s", name);
	return e;
}

/* ---- list ---- */

static Postern__AdminSession *pack_session(const struct be *be, const struct session_info *s,
					   struct arena *mem)
{
	Postern__AdminSession *m = arena_new(mem, Postern__AdminSession);
	struct dir_account a;
	char ip[IPADDR_STR];
	struct buf id;

	postern__admin_session__init(m);
	buf_init(&id, 2 * sizeof s->id, NULL);
	hex_encode(&id, slice(s->id, sizeof s->id));
	m->id = admin_str(mem, buf_slice(&id));
	buf_fini(&id);
	if (dir_account_by_id(be->dir, s->account, &a) == E_OK)
		m->account = admin_str(mem, slice_str(a.address));
	m->service = admin_str(mem, slice_str(rpc_service_name(s->service)));
	if (s->ip.family != 0)
		m->from = admin_str(mem, slice_str(ipaddr_str(&s->ip, ip)));
	m->login_us = s->login_s * 1000000;
	m->last_access_us = s->last_access_s * 1000000;
	m->has_tls = s->has_tls;
	m->tls = s->tls;
	m->mechanism = admin_str(mem, slice_str(s->mechanism));
	m->frontend = admin_str(mem, slice_str(s->frontend));
	m->backend = admin_str(mem, slice_str(dir_node_name(be->dir)));
	return m;
}

WAITS static enum err send_batch(struct mcall *c, slice_t ids)
{
	const struct sessions *all = auth_sessions(c->be->auth);
	ProtobufCMessage *rows[BATCH];
	struct arena mem;
	size_t n = 0;
	enum err e;

	arena_init(&mem, NULL);
	for (; ids.n > 0; ids = slice_from(ids, TICKET_SESSION_LEN)) {
		struct session_info s;

		if (sessions_get(all, (const uint8_t *)ids.p, &s) && !s.away)
			rows[n++] = &pack_session(c->be, &s, &mem)->base;
	}
	e = admin_send_rows(c, &postern__admin_session_page__descriptor, 0, rows, n);
	arena_reset(&mem);
	return e;
}

WAITS static enum err list_local(struct mcall *c)
{
	const Postern__AdminSessionList *m = (const void *)c->msg;
	const size_t step = BATCH * TICKET_SESSION_LEN;
	uint64_t account;
	struct buf ids;
	enum err e = find_account(c, m->account, &account);

	buf_init(&ids, IDS_MAX, NULL);
	if (e == E_OK) {
		sessions_expire(auth_sessions(c->be->auth));
		sessions_each(auth_sessions(c->be->auth), account, collect_listed, &ids);
	}
	for (size_t at = 0; e == E_OK && at < ids.n; at += step)
		e = send_batch(c, slice_sub(buf_slice(&ids), at, step));
	buf_fini(&ids);
	return e;
}

WAITS enum err m_admin_session_list(struct mcall *c)
{
	const Postern__AdminSessionList *m = (const void *)c->msg;
	uint64_t account;
	enum err e = find_account(c, m->account, &account);

	if (e != E_OK)
		return e;
	return admin_fan_out(c, &postern__admin_session_page__descriptor,
			     POSTERN__METHOD__METHOD_PEER_SESSION_LIST, NULL, deadline_in(ASK_MS),
			     list_local);
}

WAITS enum err m_peer_session_list(struct mcall *c)
{
	return admin_local(c, list_local);
}

/* ---- kill ---- */

static enum err read_id(struct mcall *c, const char *hex, uint8_t id[TICKET_SESSION_LEN])
{
	struct buf b;
	bool ok;

	buf_init(&b, TICKET_SESSION_LEN, NULL);
	ok = hex_decode(&b, slice_str(hex)) && b.n == TICKET_SESSION_LEN;
	if (ok)
		memcpy(id, b.p, TICKET_SESSION_LEN);
	buf_fini(&b);
	return ok ? E_OK
		  : diag_set(&c->diag, E_INVALID, "a session's id is %d hexadecimal digits",
			     2 * TICKET_SESSION_LEN);
}

/* At this node and its front-ends, at once; nodes that cannot be asked, and those that start later,
 * hear of it from the directory. */
static void end_sessions(struct mcall *c, slice_t ids)
{
	for (; ids.n > 0; ids = slice_from(ids, TICKET_SESSION_LEN)) {
		const uint8_t *id = (const uint8_t *)ids.p;

		ticket_end_session(c->be->tickets, id);
		policy_push_kill(c->be, id, NULL, why_ended);
		sessions_remove(auth_sessions(c->be->auth), id, NULL);
		LOG(LOG_INFO, NULL, "session.killed",
		    LF_HEX("session", slice(id, TICKET_SESSION_LEN)));
	}
}

/* Also those of the account that no table lists. */
static void end_account(struct mcall *c)
{
	const Postern__AdminSessionKill *m = (const void *)c->msg;
	struct dir_account a;

	if (m->account[0] != '\0' &&
	    dir_account_by_name(c->be->dir, slice_str(m->account), &a) == E_OK)
		policy_push_kill(c->be, NULL, a.address, why_ended);
}

/* The sessions that are meant, as far as this node knows them. */
static enum err meant(struct mcall *c, struct buf *ids, uint64_t *known)
{
	const Postern__AdminSessionKill *m = (const void *)c->msg;
	const struct sessions *all = auth_sessions(c->be->auth);
	uint8_t id[TICKET_SESSION_LEN];
	struct session_info s;
	uint64_t account;
	enum err e;

	if ((m->id[0] != '\0') == (m->account[0] != '\0'))
		return diag_set(&c->diag, E_INVALID, "either a session's id or an account");
	if (m->account[0] != '\0') {
		e = find_account(c, m->account, &account);
		if (e == E_OK)
			sessions_each(all, account, collect_id, ids);
		*known = ids->n / TICKET_SESSION_LEN;
		return e;
	}
	e = read_id(c, m->id, id);
	if (e == E_OK)
		buf_put(ids, slice(id, sizeof id));
	*known = e == E_OK && sessions_get(all, id, &s) ? 1 : 0;
	return e;
}

WAITS static enum err kill_at(struct mcall *c, const char *backend, uint64_t *ended, struct diag *d)
{
	struct peer_ask ask = {
		.method = POSTERN__METHOD__METHOD_PEER_SESSION_KILL,
		.request = c->msg,
		.deadline_ms = deadline_in(ASK_MS),
	};
	ProtobufCMessage *reply;
	enum err e = peer_call(c->be->peers, backend, &ask, &c->mem, d);

	if (e == E_OK)
		e = walk_unpack(&postern__admin_session_killed__descriptor, NULL, ask.payload,
				&c->mem, &reply, d);
	if (e == E_OK)
		*ended += ((const Postern__AdminSessionKilled *)(const void *)reply)->ended;
	return e;
}

WAITS static enum err kill_at_others(struct mcall *c, uint64_t *ended, struct admin_away *away)
{
	enum err e = E_OK;

	for (size_t i = 0; e != E_CANCELLED && i < dir_node_count(c->be->dir); i++) {
		struct dir_node n;
		struct diag d = {""};

		dir_node_at(c->be->dir, i, &n);
		if (strcmp(n.name, dir_node_name(c->be->dir)) == 0)
			continue;
		e = kill_at(c, n.name, ended, &d);
		if (e != E_OK)
			admin_away_add(c, away, n.name, e, d.text);
	}
	return e == E_CANCELLED ? e : E_OK;
}

WAITS enum err m_admin_session_kill(struct mcall *c)
{
	const Postern__AdminSessionKill *m = (const void *)c->msg;
	Postern__AdminSessionKilled reply = POSTERN__ADMIN_SESSION_KILLED__INIT;
	slice_t target = slice_str(m->id[0] != '\0' ? m->id : m->account);
	struct admin_away away = {0};
	struct buf ids;
	enum err e;

	buf_init(&ids, IDS_MAX, NULL);
	e = meant(c, &ids, &reply.ended);
	if (e == E_OK) {
		bool ours = reply.ended != 0;

		/* Those of another node are counted there before a front-end ends them. Whoever
		 * asked may be gone by then: what was meant is done all the same. */
		if (ours)
			end_sessions(c, buf_slice(&ids));
		e = kill_at_others(c, &reply.ended, &away);
		if (!ours)
			end_sessions(c, buf_slice(&ids));
		end_account(c);
	}
	buf_fini(&ids);
	if (e == E_OK && reply.ended == 0 && away.n == 0 && m->id[0] != '\0')
		e = diag_set(&c->diag, E_NOT_FOUND, "no back-end knows a session %s", m->id);
	admin_audit(c, "session.kill", target, e, SLICE_NONE);
	reply.away = away.rows;
	reply.n_away = away.n;
	return e == E_OK ? mcall_reply(c, &reply.base, RPC_NO_BODY) : e;
}

WAITS enum err m_peer_session_kill(struct mcall *c)
{
	Postern__AdminSessionKilled reply = POSTERN__ADMIN_SESSION_KILLED__INIT;
	struct buf ids;
	enum err e;

	buf_init(&ids, IDS_MAX, NULL);
	e = meant(c, &ids, &reply.ended);
	if (e == E_OK) {
		end_sessions(c, buf_slice(&ids));
		end_account(c);
		e = mcall_reply(c, &reply.base, RPC_NO_BODY);
	}
	buf_fini(&ids);
	return e;
}
