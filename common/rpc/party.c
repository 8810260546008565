#include "common/rpc/party.h"

#include "common/loop/fiber.h"

static struct list parties = {&parties, &parties};

struct rpc_party *rpc_party_ref(const struct rpc_identity *peer, struct budget *all)
{
	struct rpc_party *p;

	list_for_each(i, &parties) {
		p = list_entry(i, struct rpc_party, node);
		if (p->role == peer->role && p->all == all && strcmp(p->name, peer->name) == 0) {
			p->refs++;
			return p;
		}
	}
	p = xcalloc(1, sizeof(*p));
	p->refs = 1;
	p->role = peer->role;
	memcpy(p->name, peer->name, sizeof(p->name));
	p->all = all;
	budget_init(&p->budget, all != NULL ? all->max / RPC_PARTY_SHARE : SIZE_MAX, all);
	list_append(&parties, &p->node);
	return p;
}

void rpc_party_unref(struct rpc_party **pp)
{
	struct rpc_party *p = *pp;

	*pp = NULL;
	if (p == NULL || --p->refs > 0)
		return;
	invariant(p->serving == 0);
	budget_fini(&p->budget);
	list_remove(&p->node);
	xfree(&p);
}

bool rpc_party_may_serve(const struct rpc_party *p)
{
	return p->serving < fiber_capacity() / RPC_PARTY_SHARE;
}
