#include "backend/rpc/mcall.h"

#include "backend/rpc/rpc_methods.h"
#include "backend/store/change.h"
#include "common/log/log.h"
#include "common/loop/work.h"
#include "proto/types.pb-c.h"

static slice_t pack(struct mcall *c, const ProtobufCMessage *m)
{
	size_t n = protobuf_c_message_get_packed_size(m);
	uint8_t *bytes = arena_alloc(&c->mem, n);

	protobuf_c_message_pack(m, bytes);
	return slice(bytes, n);
}

WAITS enum err mcall_reply(struct mcall *c, const ProtobufCMessage *m, enum rpc_body body)
{
	invariant(!c->replied);
	c->replied = true;
	return rpc_req_reply(c->req, E_OK, m != NULL ? pack(c, m) : SLICE_NONE, body);
}

/* Charges n more bytes; what does not fit stands in the log. */
static bool charge(struct mcall *c, size_t n)
{
	char id[RPC_IDENTITY_STR];
	bool room = budget_take(rpc_link_budget(rpc_req_link(c->req)), n);

	if (!room)
		LOG_SELDOM(LOG_WARN, NULL, "rpc.memory",
			   LF_STR("peer", rpc_identity_str(c->peer, id)),
			   LF_STR("method", c->method->name));
	return room;
}

WAITS enum err mcall_send(struct mcall *c, const ProtobufCMessage *m, struct arena *mem)
{
	size_t n = protobuf_c_message_get_packed_size(m);
	uint8_t *bytes;
	enum err e;

	if (n == 0 || n > RPC_PAYLOAD_MAX)
		return n == 0 ? E_OK : E_TOO_BIG;
	if (!charge(c, n))
		return E_BUSY;
	bytes = xmalloc(n);
	protobuf_c_message_pack(m, bytes);
	if (mem != NULL)
		arena_reset(mem);
	e = rpc_req_send(c->req, slice(bytes, n));
	xfree(&bytes);
	budget_give(rpc_link_budget(rpc_req_link(c->req)), n);
	return e;
}

bool mcall_hold(struct mcall *c, size_t n)
{
	if (n > c->held && !charge(c, n - c->held))
		return false;
	if (n < c->held)
		budget_give(rpc_link_budget(rpc_req_link(c->req)), c->held - n);
	c->held = n;
	return true;
}

WAITS void mcall_fail(struct mcall *c, enum err e)
{
	Postern__Failure f = POSTERN__FAILURE__INIT;

	if (c->replied) {
		rpc_req_abort(c->req, e);
		return;
	}
	c->replied = true;
	if (c->diag.text[0] != '\0')
		f.text = c->diag.text;
	if (rpc_req_reply(c->req, e, pack(c, &f.base), RPC_NO_BODY) != E_OK)
		LOG(LOG_DEBUG, NULL, "rpc.answer_lost", LF_STR("method", c->method->name));
}

const void *mcall_live_link(const struct mcall *c)
{
	struct rpc_link *l = rpc_req_link(c->req);

	return rpc_link_usable(l) ? l : NULL;
}

void mcall_session_seen(struct mcall *c)
{
	sessions_touch(auth_sessions(c->be->auth), &c->claims, mcall_live_link(c));
}

WAITS enum err mcall_wrong_owner(struct mcall *c, uint32_t partition)
{
	Postern__WrongOwner w = POSTERN__WRONG_OWNER__INIT;
	struct dir_partition row;
	enum err e = dir_partition_get(c->be->dir, partition, &row);

	if (e != E_OK || row.node[0] == '\0' || dir_owns(c->be->dir, partition))
		return diag_set(&c->diag, E_RETRY, "partition %u has no owner just now", partition);
	w.backend = row.node;
	w.partition = partition;
	w.epoch = row.epoch;
	c->replied = true;
	if (rpc_req_reply(c->req, E_WRONG_OWNER, pack(c, &w.base), RPC_NO_BODY) != E_OK)
		LOG(LOG_DEBUG, NULL, "rpc.answer_lost", LF_STR("method", c->method->name));
	return E_WRONG_OWNER;
}

WAITS enum err mcall_partition(struct mcall *c, uint32_t partition)
{
	c->part = partitions_get(c->be->parts, partition);
	return c->part != NULL ? E_OK : mcall_wrong_owner(c, partition);
}

struct usage {
	struct partition *part;
	uint64_t account, bytes, messages;
	enum err result;
};

static void read_usage(void *arg)
{
	struct usage *u = arg;

	u->result = partition_usage(u->part, u->account, &u->bytes, &u->messages);
}

WAITS bool mcall_account_made(struct mcall *c)
{
	struct usage u = {.part = c->part, .account = c->account.id, .result = E_OK};
	struct change_account make;

	if (mcall_read("store.account", read_usage, &u) != E_OK || u.result != E_NOT_FOUND)
		return false;
	change_account_init(&make, c->account.id, ACCOUNT_ENSURE);
	return store_change(c->part, &make.change) == E_OK;
}

WAITS enum err mcall_read(const char *name, void (*fn)(void *arg), void *arg)
{
	return work_run(name, fn, arg);
}
