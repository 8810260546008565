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

/* Of what all calls of one account hold: an eighth of a link's memory, so that a user who does not
 * read makes no other one wait. */
#define ACCOUNT_HELD_MAX (8u << 20)

/* What the calls of one account hold; in be->held while it is not nothing. */
struct account_held {
	size_t bytes;
};

static slice_t account_key(const struct mcall *c)
{
	return slice(&c->account.id, sizeof(c->account.id));
}

static bool account_take(struct mcall *c, size_t n)
{
	struct account_held *h = map_get(&c->be->held, account_key(c));

	if (h != NULL && h->bytes > c->held && h->bytes + n > ACCOUNT_HELD_MAX)
		return false;
	if (h == NULL) {
		h = xcalloc(1, sizeof(*h));
		map_put(&c->be->held, account_key(c), h);
	}
	h->bytes += n;
	return true;
}

static void account_give(struct mcall *c, size_t n)
{
	struct account_held *h = map_get(&c->be->held, account_key(c));

	h->bytes -= n;
	if (h->bytes == 0) {
		map_del(&c->be->held, account_key(c));
		xfree(&h);
	}
}

static bool no_room(struct mcall *c, const char *of)
{
	char id[RPC_IDENTITY_STR];

	LOG_SELDOM(LOG_WARN, NULL, "rpc.memory", LF_STR("peer", rpc_identity_str(c->peer, id)),
		   LF_STR("method", c->method->name), LF_STR("of", of),
		   LF_UINT("account", c->account.id));
	return false;
}

WAITS enum err mcall_send(struct mcall *c, const ProtobufCMessage *m, struct arena *mem)
{
	size_t n = protobuf_c_message_get_packed_size(m);
	uint8_t *bytes;
	enum err e;

	if (n == 0 || n > RPC_PAYLOAD_MAX)
		return n == 0 ? E_OK : E_TOO_BIG;
	if (!budget_take(rpc_link_budget(rpc_req_link(c->req)), n)) {
		(void)no_room(c, "link");
		return E_BUSY;
	}
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
	struct budget *b = rpc_link_budget(rpc_req_link(c->req));

	if (n > c->held) {
		size_t more = n - c->held;

		if (!account_take(c, more))
			return no_room(c, "account");
		if (!budget_take(b, more)) {
			account_give(c, more);
			return no_room(c, "link");
		}
	} else if (n < c->held) {
		account_give(c, c->held - n);
		budget_give(b, c->held - n);
	}
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

WAITS bool mcall_account_there(struct mcall *c)
{
	struct usage u = {.part = c->part, .account = c->account.id, .result = E_OK};
	struct change_account make;

	if (mcall_read("store.account", read_usage, &u) != E_OK)
		return false;
	if (u.result != E_NOT_FOUND)
		return u.result == E_OK;
	change_account_init(&make, c->account.id, ACCOUNT_ENSURE);
	return store_change(c->part, &make.change) == E_OK;
}

WAITS enum err mcall_read(const char *name, void (*fn)(void *arg), void *arg)
{
	return work_run(name, fn, arg);
}
