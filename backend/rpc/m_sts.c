/* Outbound.Sts*: what domains say of their servers' TLS, from worker to worker. */
#include "backend/queue/sts_cache.h"
#include "backend/rpc/rpc_methods.h"
#include "common/base/clock.h"
#include "common/log/log.h"
#include "proto/outbound.pb-c.h"

static void pack_policy(const struct sts_row *r, struct arena *mem, Postern__StsPolicy *out)
{
	postern__sts_policy__init(out);
	out->mode = r->mode;
	out->max_age_s = r->max_age_s;
	out->id = arena_str(mem, r->id);
	out->mx = arena_alloc(mem, r->n * sizeof *out->mx);
	out->n_mx = r->n;
	for (size_t i = 0; i < r->n; i++)
		out->mx[i] = arena_str(mem, r->mx[i]);
	out->age_s = (uint32_t)((clock_wall_us() - r->fetched_us) / 1000000);
}

WAITS enum err m_outbound_sts_get(struct mcall *c)
{
	const Postern__OutboundStsGet *m = (const void *)c->msg;
	Postern__StsPolicy answer;
	struct sts_row row;
	enum err e;

	if (c->be->sts == NULL)
		return E_RETRY;
	e = sts_cache_get(c->be->sts, slice_str(m->domain), &c->mem, &row);
	if (e != E_OK)
		return e;
	pack_policy(&row, &c->mem, &answer);
	return mcall_reply(c, &answer.base, RPC_NO_BODY);
}

WAITS enum err m_outbound_sts_put(struct mcall *c)
{
	const Postern__OutboundStsPut *m = (const void *)c->msg;
	const Postern__StsPolicy *p = m->policy;
	struct sts_row row;
	enum err e;

	if (c->be->sts == NULL)
		return E_RETRY;
	if (p == NULL)
		return E_INVALID;
	row = (struct sts_row){
		.mode = p->mode,
		.max_age_s = p->max_age_s,
		.id = slice_str(p->id),
		.mx = arena_alloc(&c->mem, p->n_mx * sizeof *row.mx),
		.n = p->n_mx,
	};
	for (size_t i = 0; i < row.n; i++)
		row.mx[i] = slice_str(p->mx[i]);
	e = sts_cache_put(c->be->sts, slice_str(m->domain), &row);
	if (e == E_OK)
		LOG(LOG_INFO, NULL, "sts.kept", LF_STR("domain", m->domain), LF_STR("id", p->id),
		    LF_UINT("mode", p->mode), LF_STR("frontend", c->peer->name));
	return e;
}
