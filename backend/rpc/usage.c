#include "backend/rpc/usage.h"

#include "backend/rpc/limits.h"
#include "backend/rpc/peer_call.h"
#include "common/rpc/walk.h"
#include "proto/method.pb-c.h"

#define ASK_MS 10000

struct reading {
	const struct be *be;
	struct usage_row *rows;
	struct partition **parts; /* of each row; NULL: not ours */
	size_t n;
};

static void read_usage(void *arg)
{
	struct reading *r = arg;

	for (size_t i = 0; i < r->n; i++) {
		struct usage_row *row = &r->rows[i];
		enum err e;

		if (r->parts[i] == NULL)
			continue;
		e = partition_usage(r->parts[i], row->account, &row->bytes, &row->items);
		if (e == E_NOT_FOUND) /* nothing yet */
			row->bytes = row->items = 0;
		row->known = e == E_OK || e == E_NOT_FOUND;
	}
}

WAITS enum err usage_local(struct be *be, struct usage_row *rows, size_t n, struct arena *mem)
{
	struct reading r = {
		.be = be,
		.rows = rows,
		.parts = arena_alloc(mem, n * sizeof(*r.parts)),
		.n = n,
	};
	char ip[IPADDR_STR];
	enum err e;

	for (size_t i = 0; i < n; i++)
		r.parts[i] = partitions_get(be->parts, rows[i].partition);
	e = mcall_read("admin.usage", read_usage, &r);
	for (size_t i = 0; e == E_OK && i < n; i++) {
		struct usage_row *row = &rows[i];

		if (r.parts[i] == NULL)
			continue;
		auth_last_login(be->auth, row->account, &row->last);
		row->last_from = row->last_service = "";
		if (row->last.when_us == 0)
			continue;
		row->last_from = arena_str(mem, slice_str(ipaddr_str(&row->last.ip, ip)));
		row->last_service = rpc_service_name(row->last.service);
	}
	return e;
}

/* ---- asking the others ---- */

static struct usage_row *find_row(struct usage_row *rows, size_t n, uint64_t account)
{
	for (size_t i = 0; i < n; i++) {
		if (rows[i].account == account)
			return &rows[i];
	}
	return NULL;
}

static enum err read_reply(slice_t payload, struct usage_row *rows, size_t n, struct arena *mem)
{
	ProtobufCMessage *base;
	const Postern__PeerUsageReply *m;
	struct diag d;
	enum err e = walk_unpack(&postern__peer_usage_reply__descriptor, be_walk_limits, payload,
				 mem, &base, &d);

	if (e != E_OK)
		return e;
	m = (const void *)base;
	for (size_t i = 0; i < m->n_rows; i++) {
		const Postern__PeerUsageRow *u = m->rows[i];
		struct usage_row *row = find_row(rows, n, u->account);

		if (row == NULL)
			continue;
		row->known = true;
		row->bytes = u->size_bytes;
		row->items = u->items;
		row->last.when_us = u->last_login_us;
		row->last_from = u->last_login_from;
		row->last_service = u->last_login_service;
	}
	return E_OK;
}

static bool is_away(const struct admin_away *away, const char *backend)
{
	for (size_t i = 0; i < away->n; i++) {
		if (strcmp(away->rows[i]->backend, backend) == 0)
			return true;
	}
	return false;
}

/* Everything of rows that lives at the node. */
WAITS static enum err ask_node(struct mcall *c, const char *node, struct usage_row *rows, size_t n,
			       struct arena *mem, struct admin_away *away)
{
	Postern__PeerUsage m = POSTERN__PEER_USAGE__INIT;
	struct peer_ask ask = {.method = POSTERN__METHOD__METHOD_PEER_USAGE, .request = &m.base};
	struct diag d = {""};
	enum err e;

	m.accounts = arena_alloc(mem, n * sizeof(*m.accounts));
	for (size_t i = 0; i < n; i++) {
		struct dir_partition p;

		if (dir_partition_get(c->be->dir, rows[i].partition, &p) == E_OK &&
		    strcmp(p.node, node) == 0)
			m.accounts[m.n_accounts++] = rows[i].account;
	}
	if (m.n_accounts == 0 || is_away(away, node))
		return E_OK;
	ask.deadline_ms = deadline_in(ASK_MS);
	e = peer_call(c->be->peers, node, &ask, mem, &d);
	if (e == E_OK)
		e = read_reply(ask.payload, rows, n, mem);
	if (e != E_OK && e != E_CANCELLED)
		admin_away_add(c, away, node, e, d.text);
	return e == E_CANCELLED ? e : E_OK;
}

WAITS enum err usage_all(struct mcall *c, struct usage_row *rows, size_t n, struct arena *mem,
			 struct admin_away *away)
{
	enum err e = usage_local(c->be, rows, n, mem);

	invariant(n <= USAGE_MAX);
	for (size_t i = 0; e == E_OK && i < dir_node_count(c->be->dir); i++) {
		struct dir_node node;

		dir_node_at(c->be->dir, i, &node);
		if (strcmp(node.name, dir_node_name(c->be->dir)) != 0)
			e = ask_node(c, node.name, rows, n, mem, away);
	}
	return e;
}

WAITS enum err m_peer_usage(struct mcall *c)
{
	const Postern__PeerUsage *m = (const void *)c->msg;
	Postern__PeerUsageReply reply = POSTERN__PEER_USAGE_REPLY__INIT;
	struct usage_row *rows = arena_alloc(&c->mem, m->n_accounts * sizeof(*rows));
	size_t n = 0;
	enum err e;

	for (size_t i = 0; i < m->n_accounts; i++) {
		struct dir_account a;

		if (dir_account_by_id(c->be->dir, m->accounts[i], &a) == E_OK)
			rows[n++] = (struct usage_row){.account = a.id, .partition = a.partition};
	}
	e = usage_local(c->be, rows, n, &c->mem);
	if (e != E_OK)
		return e;
	reply.rows = arena_alloc(&c->mem, n * sizeof(*reply.rows));
	for (size_t i = 0; i < n; i++) {
		Postern__PeerUsageRow *u;

		if (!rows[i].known)
			continue;
		u = arena_new(&c->mem, Postern__PeerUsageRow);
		postern__peer_usage_row__init(u);
		u->account = rows[i].account;
		u->size_bytes = rows[i].bytes;
		u->items = rows[i].items;
		u->last_login_us = rows[i].last.when_us;
		u->last_login_from = arena_str(&c->mem, slice_str(rows[i].last_from));
		u->last_login_service = arena_str(&c->mem, slice_str(rows[i].last_service));
		reply.rows[reply.n_rows++] = u;
	}
	return mcall_reply(c, &reply.base, RPC_NO_BODY);
}
