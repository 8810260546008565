#include "backend/delivery/inbound.h"

#include "common/log/log.h"

void inbounds_init(struct inbounds *t)
{
	map_init(&t->by_key);
	map_init(&t->by_node);
	list_init(&t->all);
}

static void inbound_free(struct inbound *in)
{
	stage_free(&in->stage);
	xfree(&in);
}

/* One more of the node's, if it may; the role does not matter, names are each node's own. */
static bool node_enter(struct inbounds *t, const char *name)
{
	struct inbound_node *n = map_get(&t->by_node, slice_str(name));

	if (n == NULL) {
		n = xcalloc(1, sizeof *n);
		invariant(map_put(&t->by_node, slice_str(name), n) == NULL);
	}
	if (n->n == INBOUND_NODE_MAX)
		return false;
	n->n++;
	return true;
}

static void node_leave(struct inbounds *t, const char *name)
{
	struct inbound_node *n = map_get(&t->by_node, slice_str(name));

	invariant(n != NULL && n->n > 0);
	if (--n->n > 0)
		return;
	(void)map_del(&t->by_node, slice_str(name));
	xfree(&n);
}

static void inbound_unlink(struct inbound *in)
{
	if (in->dropped)
		return;
	in->dropped = true;
	list_remove(&in->node);
	(void)map_del(&in->table->by_key, slice(&in->key, sizeof in->key));
	node_leave(in->table, in->key.who.name);
}

void inbounds_fini(struct inbounds *t)
{
	list_for_each_safe(i, &t->all) {
		struct inbound *in = list_entry(i, struct inbound, node);

		invariant(in->users == 0);
		inbound_unlink(in);
		inbound_free(in);
	}
	map_fini(&t->by_key);
	map_fini(&t->by_node);
}

struct inbound_key inbound_key(const struct rpc_identity *who, slice_t txid, uint32_t partition)
{
	struct inbound_key k;

	invariant(txid.n == STORE_TXID_SIZE);
	memset(&k, 0, sizeof k);
	k.who.role = who->role;
	k.who.service = who->service;
	/* The name's bytes behind its end must not count. */
	invariant(slice_to_str(slice_str(who->name), k.who.name, sizeof k.who.name));
	memcpy(k.txid, txid.p, sizeof k.txid);
	k.partition = partition;
	return k;
}

enum err inbound_begin(struct inbounds *t, const struct inbound_key *key, const void *link,
		       struct partition *p, uint64_t size_hint, uint64_t max, struct inbound **out)
{
	struct inbound *in;
	struct stage *stage;
	enum err e;

	if (map_get(&t->by_key, slice(key, sizeof *key)) != NULL)
		return E_EXISTS;
	if (t->by_key.count >= INBOUND_MAX)
		return E_LIMIT;
	if (!node_enter(t, key->who.name))
		return E_LIMIT;
	e = stage_begin(p, size_hint, max, &stage);
	if (e != E_OK) {
		node_leave(t, key->who.name);
		return e;
	}
	invariant(link != NULL);
	in = xcalloc(1, sizeof *in);
	in->table = t;
	in->key = *key;
	in->link = link;
	in->stage = stage;
	in->users = 1;
	event_init(&in->ready);
	list_append(&t->all, &in->node);
	invariant(map_put(&t->by_key, slice(&in->key, sizeof in->key), in) == NULL);
	*out = in;
	return E_OK;
}

WAITS enum err inbound_write(struct inbound *in, slice_t bytes)
{
	return stage_write(in->stage, bytes);
}

WAITS enum err inbound_end(struct inbound *in, enum err e)
{
	if (e == E_OK)
		e = stage_end(in->stage, &in->info);
	in->result = e;
	in->arrived = true;
	event_set(&in->ready);
	return e;
}

WAITS enum err inbound_take(struct inbounds *t, const struct inbound_key *key, int64_t deadline_ms,
			    struct inbound **out)
{
	struct inbound *in = map_get(&t->by_key, slice(key, sizeof *key));
	enum err e = E_OK;

	if (in == NULL)
		return E_NOT_FOUND;
	/* One user is the fiber that receives; a second one commits. */
	if (in->users > (in->arrived ? 0u : 1u))
		return E_BUSY;
	in->users++;
	while (e == E_OK && !in->arrived)
		e = event_wait(&in->ready, "inbound.arrival", deadline_ms);
	if (e == E_OK)
		e = in->result;
	if (e == E_OK && in->dropped)
		e = E_NOT_FOUND;
	*out = in;
	if (e != E_OK)
		inbound_release(out, INBOUND_DROP);
	return e;
}

void inbound_release(struct inbound **pin, enum inbound_after after)
{
	struct inbound *in = *pin;

	*pin = NULL;
	if (after == INBOUND_DROP)
		inbound_unlink(in);
	invariant(in->users > 0);
	if (--in->users > 0)
		return;
	/* Its link broke while it was held: nobody will come for it any more. */
	if (in->link == NULL)
		inbound_unlink(in);
	if (in->dropped)
		inbound_free(in);
}

void inbound_abort(struct inbounds *t, const struct inbound_key *key)
{
	struct inbound *in = map_get(&t->by_key, slice(key, sizeof *key));

	if (in == NULL)
		return;
	in->users++;
	inbound_release(&in, INBOUND_DROP);
}

void inbound_drop_link(struct inbounds *t, const void *link)
{
	list_for_each_safe(i, &t->all) {
		struct inbound *in = list_entry(i, struct inbound, node);

		if (in->link == link && in->users == 0) {
			inbound_unlink(in);
			inbound_free(in);
		} else if (in->link == link) {
			in->link = NULL;
		}
	}
}
