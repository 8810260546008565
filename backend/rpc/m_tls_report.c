/* Outbound.Tls*: what TLS did on the way out, as workers tell it, and the reports of it. */
#include "backend/delivery/resolve.h"
#include "backend/queue/tls_desk.h"
#include "backend/rpc/convert.h"
#include "backend/rpc/rpc_methods.h"
#include "proto/outbound.pb-c.h"

WAITS enum err m_outbound_tls_put(struct mcall *c)
{
	const Postern__OutboundTlsPut *m = (const void *)c->msg;
	struct tls_sessions *v = arena_alloc(&c->mem, (m->n_sessions + 1) * sizeof *v);

	if (c->be->tls_sums == NULL)
		return E_RETRY;
	for (size_t i = 0; i < m->n_sessions; i++) {
		const Postern__TlsSessions *s = m->sessions[i];

		v[i] = (struct tls_sessions){
			.domain = slice_str(s->domain),
			.type = s->type,
			.policy = slice_str(s->policy),
			.result = s->result,
			.host = slice_str(s->host),
			.remote = slice_str(s->remote),
			.local = slice_str(s->local),
			.why = slice_str(s->why),
			.count = s->count,
		};
	}
	return tls_sums_add(c->be->tls_sums, v, m->n_sessions, m->lost);
}

/* ---- reports ---- */

static void pack_details(const struct tls_policy_sum *p, struct arena *mem,
			 Postern__TlsReportPolicy *out)
{
	Postern__TlsReportFailure *rows = arena_alloc(mem, (p->n + 1) * sizeof *rows);

	out->details = arena_alloc(mem, (p->n + 1) * sizeof(Postern__TlsReportFailure *));
	out->n_details = p->n;
	for (size_t i = 0; i < p->n; i++) {
		const struct tls_sessions *d = &p->details[i];

		postern__tls_report_failure__init(&rows[i]);
		rows[i].result = d->result;
		rows[i].host = arena_str(mem, d->host);
		rows[i].remote = arena_str(mem, d->remote);
		rows[i].local = arena_str(mem, d->local);
		rows[i].why = arena_str(mem, d->why);
		rows[i].count = d->count;
		out->details[i] = &rows[i];
	}
}

static void pack_report(const struct tls_job *j, struct arena *mem, Postern__TlsReport *out)
{
	Postern__TlsReportPolicy *rows = arena_alloc(mem, (j->sum.n + 1) * sizeof *rows);

	postern__tls_report__init(out);
	out->id = j->id;
	out->domain = arena_str(mem, slice_str(j->row->domain));
	out->from_s = j->row->from_us / 1000000;
	out->to_s = j->row->to_us / 1000000;
	out->report_id = arena_str(mem, j->report_id);
	out->organization = arena_str(mem, j->organization);
	out->contact = arena_str(mem, j->contact);
	out->policies = arena_alloc(mem, (j->sum.n + 1) * sizeof *out->policies);
	out->n_policies = j->sum.n;
	for (size_t i = 0; i < j->sum.n; i++) {
		postern__tls_report_policy__init(&rows[i]);
		rows[i].type = j->sum.policies[i].type;
		rows[i].policy = arena_str(mem, j->sum.policies[i].policy);
		rows[i].successes = j->sum.policies[i].successes;
		rows[i].failures = j->sum.policies[i].failures;
		pack_details(&j->sum.policies[i], mem, &rows[i]);
		out->policies[i] = &rows[i];
	}
}

WAITS static enum err serve_one(struct mcall *c)
{
	Postern__TlsReport m;
	struct tls_job j;
	struct arena mem;
	enum err e, sent;

	arena_init(&mem, NULL);
	e = tls_desk_take(c->be->tls_desk, rpc_req_link(c->req), &mem, &j);
	if (e == E_OK) {
		pack_report(&j, &mem, &m);
		sent = mcall_send(c, &m.base, NULL);
		if (sent != E_OK)
			tls_desk_drop(&j);
		e = tls_desk_finish(&j);
		if (sent != E_OK)
			e = sent;
	}
	arena_reset(&mem);
	return e;
}

WAITS enum err m_outbound_tls_work(struct mcall *c)
{
	enum err e;

	if (c->be->tls_desk == NULL)
		return E_RETRY;
	e = mcall_reply(c, NULL, RPC_BODY);
	while (e == E_OK)
		e = serve_one(c);
	return e;
}

/* A domain's wish for reports is an address: ours, or by this node's queue. */
WAITS static enum err resolve(struct mcall *c, slice_t address)
{
	Postern__OutboundTlsStepReply reply = POSTERN__OUTBOUND_TLS_STEP_REPLY__INIT;
	struct resolve_ask ask = {.peer = c->peer,
				  .address = address,
				  .relay = true,
				  .no_quota = true,
				  .null_sender = true};
	struct resolved r;
	enum err e;

	if (address.n == 0 || address.n > DIR_ADDRESS_MAX)
		return E_INVALID;
	if (partitions_count(c->be->parts) == 0)
		return E_RETRY;
	ask.partition = partition_id(partitions_at(c->be->parts, 0));
	e = resolve_address(c->be->deliver, &ask, &c->mem, &r, &c->diag);
	if (e != E_OK)
		return e;
	reply.targets = convert_targets(&r, &c->mem);
	reply.n_targets = r.n;
	return mcall_reply(c, &reply.base, RPC_NO_BODY);
}

WAITS enum err m_outbound_tls_step(struct mcall *c)
{
	const Postern__OutboundTlsStep *m = (const void *)c->msg;
	enum tls_row_state outcome = TLS_ROW_FAILED;
	const void *who = rpc_req_link(c->req);
	enum err e;

	if (c->be->tls_desk == NULL)
		return E_RETRY;
	if (m->step == POSTERN__TLS_REPORT_STEP__TLS_REPORT_RESOLVE) {
		e = tls_desk_address(c->be->tls_desk, who, m->id);
		return e == E_OK ? resolve(c, slice_str(m->address)) : e;
	}
	if (m->step == POSTERN__TLS_REPORT_STEP__TLS_REPORT_SENT)
		outcome = TLS_ROW_SENT;
	else if (m->step == POSTERN__TLS_REPORT_STEP__TLS_REPORT_UNWANTED)
		outcome = TLS_ROW_UNWANTED;
	else if (m->step == POSTERN__TLS_REPORT_STEP__TLS_REPORT_LATER)
		outcome = TLS_ROW_WAITING;
	return tls_desk_over(c->be->tls_desk, who, m->id, outcome, slice_str(m->text));
}
