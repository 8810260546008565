#include "frontend/rpc/call_sts.h"

#include "common/log/log.h"
#include "common/loop/fiber.h"
#include "frontend/rpc/call_priv.h"
#include "proto/outbound.pb-c.h"

#define HINT_MS     5000 /* it is but a hint that is waited for */
#define BACKENDS_AT 64   /* as rpc_client has */

WAITS enum err call_sts_get(slice_t domain, struct arena *mem, struct call_sts *out)
{
	Postern__OutboundStsGet req = POSTERN__OUTBOUND_STS_GET__INIT;
	const Postern__StsPolicy *m;
	ProtobufCMessage *reply;
	struct diag d;
	slice_t *mx;
	enum err e;

	req.domain = arena_str(mem, domain);
	e = rpc_client_ask(NULL, POSTERN__METHOD__METHOD_OUTBOUND_STS_GET, &req.base,
			   &postern__sts_policy__descriptor, mem, deadline_in(HINT_MS), &reply, &d);
	if (e != E_OK)
		return e;
	m = (const Postern__StsPolicy *)reply;
	mx = arena_alloc(mem, m->n_mx * sizeof *mx);
	for (size_t i = 0; i < m->n_mx; i++)
		mx[i] = slice_str(m->mx[i]);
	*out = (struct call_sts){
		.mode = m->mode,
		.max_age_s = m->max_age_s,
		.age_s = m->age_s,
		.id = slice_str(m->id),
		.mx = mx,
		.n = m->n_mx,
	};
	return E_OK;
}

static void pack(const struct call_sts *p, struct arena *a, Postern__StsPolicy *out)
{
	postern__sts_policy__init(out);
	out->mode = p->mode;
	out->max_age_s = p->max_age_s;
	out->id = arena_str(a, p->id);
	out->mx = arena_alloc(a, p->n * sizeof *out->mx);
	out->n_mx = p->n;
	for (size_t i = 0; i < p->n; i++)
		out->mx[i] = arena_str(a, p->mx[i]);
}

WAITS void call_sts_put(slice_t domain, const struct call_sts *p)
{
	Postern__OutboundStsPut req = POSTERN__OUTBOUND_STS_PUT__INIT;
	struct rpc_link *links[BACKENDS_AT];
	size_t n = rpc_client_links(links, BACKENDS_AT);
	Postern__StsPolicy policy;
	struct arena a;

	arena_init(&a, NULL);
	pack(p, &a, &policy);
	req.domain = arena_str(&a, domain);
	req.policy = &policy;
	for (size_t i = 0; i < n; i++)
		rpc_link_ref(links[i]);
	for (size_t i = 0; i < n; i++) {
		struct diag d = {""};
		enum err e = rpc_client_call(links[i], POSTERN__METHOD__METHOD_OUTBOUND_STS_PUT,
					     &req.base, NULL, NULL, deadline_in(HINT_MS), NULL, &d);

		if (e != E_OK)
			LOG_SELDOM(LOG_INFO, NULL, "sts.not_kept", LF_SLICE("domain", domain),
				   LF_ERR("why", e), LF_STR("text", d.text));
		rpc_link_unref(&links[i]);
	}
	arena_reset(&a);
}
