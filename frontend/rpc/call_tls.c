#include "frontend/rpc/call_tls.h"

#include "common/log/log.h"
#include "frontend/rpc/call_priv.h"
#include "proto/ingest.pb-c.h"
#include "proto/outbound.pb-c.h"

#define PUT_MS      20000
#define STEP_MS     30000
#define BACKENDS_AT 64 /* as rpc_client has */

/* ---- what is told ---- */

/* FNV-1a: all workers must come to the same, and nothing is won by a collision. */
static uint64_t weigh(slice_t domain, slice_t backend)
{
	const slice_t parts[] = {domain, SL("@"), backend};
	uint64_t h = 0xcbf29ce484222325u;

	for (size_t k = 0; k < ARRAY_LEN(parts); k++) {
		for (size_t i = 0; i < parts[k].n; i++)
			h = (h ^ (unsigned char)parts[k].p[i]) * 0x100000001b3u;
	}
	return h;
}

struct rpc_link *call_tls_backend(slice_t domain)
{
	struct rpc_link *links[BACKENDS_AT], *best = NULL;
	size_t n = rpc_client_links(links, BACKENDS_AT);
	uint64_t most = 0;

	for (size_t i = 0; i < n; i++) {
		uint64_t h = weigh(domain, slice_str(rpc_link_peer(links[i])->name));

		if (best == NULL || h > most) {
			best = links[i];
			most = h;
		}
	}
	return best;
}

static Postern__TlsSessions *pack(const struct tls_sessions *v, struct arena *mem)
{
	Postern__TlsSessions *m = arena_new(mem, Postern__TlsSessions);

	postern__tls_sessions__init(m);
	m->domain = arena_str(mem, v->domain);
	m->type = v->type;
	m->policy = arena_str(mem, v->policy);
	m->result = v->result;
	m->host = arena_str(mem, v->host);
	m->remote = arena_str(mem, v->remote);
	m->local = arena_str(mem, v->local);
	m->why = arena_str(mem, v->why);
	m->count = v->count;
	return m;
}

WAITS enum err call_tls_put(struct rpc_link *l, const struct tls_sessions *v, size_t n,
			    uint64_t lost)
{
	Postern__OutboundTlsPut req = POSTERN__OUTBOUND_TLS_PUT__INIT;
	Postern__TlsSessions *rows[CALL_TLS_SESSIONS_MAX];
	struct diag d = {""};
	struct arena mem;
	enum err e;

	invariant(n <= CALL_TLS_SESSIONS_MAX);
	arena_init(&mem, NULL);
	for (size_t i = 0; i < n; i++)
		rows[i] = pack(&v[i], &mem);
	req.sessions = rows;
	req.n_sessions = n;
	req.lost = lost;
	rpc_link_ref(l);
	e = rpc_client_call(l, POSTERN__METHOD__METHOD_OUTBOUND_TLS_PUT, &req.base, NULL, NULL,
			    deadline_in(PUT_MS), NULL, &d);
	rpc_link_unref(&l);
	if (e != E_OK)
		LOG_SELDOM(LOG_INFO, NULL, "tlsrpt.not_told", LF_ERR("why", e),
			   LF_STR("text", d.text));
	arena_reset(&mem);
	return e;
}

/* ---- reports ---- */

static const struct tls_sessions *take_details(const Postern__TlsReportPolicy *p, struct arena *mem)
{
	struct tls_sessions *v = arena_alloc(mem, (p->n_details + 1) * sizeof *v);

	for (size_t i = 0; i < p->n_details; i++) {
		const Postern__TlsReportFailure *d = p->details[i];

		v[i] = (struct tls_sessions){
			.result = d->result,
			.host = slice_str(d->host),
			.remote = slice_str(d->remote),
			.local = slice_str(d->local),
			.why = slice_str(d->why),
			.count = d->count,
		};
	}
	return v;
}

static enum err take_report(slice_t frame, struct tls_report *out)
{
	const Postern__TlsReport *m;
	struct tls_report_policy *rows;
	ProtobufCMessage *base;
	enum err e;

	arena_init(&out->mem, NULL);
	e = rpc_client_unpack(&postern__tls_report__descriptor, frame, &out->mem, &base);
	if (e != E_OK)
		return e;
	m = (const void *)base;
	out->id = m->id;
	out->domain = slice_str(m->domain);
	out->report_id = slice_str(m->report_id);
	out->organization = slice_str(m->organization);
	out->contact = slice_str(m->contact);
	out->from_s = m->from_s;
	out->to_s = m->to_s;
	out->n = m->n_policies;
	out->policies = rows = arena_alloc(&out->mem, (m->n_policies + 1) * sizeof *rows);
	for (size_t i = 0; i < m->n_policies; i++) {
		const Postern__TlsReportPolicy *p = m->policies[i];

		rows[i] = (struct tls_report_policy){
			.type = p->type,
			.policy = slice_str(p->policy),
			.successes = p->successes,
			.failures = p->failures,
			.details = take_details(p, &out->mem),
			.n = p->n_details,
		};
	}
	return E_OK;
}

WAITS enum err call_tls_work(struct rpc_link *l,
			     WAITS void (*take)(struct rpc_link *l, struct tls_report *r))
{
	Postern__OutboundTlsWork req = POSTERN__OUTBOUND_TLS_WORK__INIT;
	struct rpc_call *call;
	slice_t frame;
	enum err e = rpc_client_open(l, POSTERN__METHOD__METHOD_OUTBOUND_TLS_WORK, &req.base,
				     RPC_NO_BODY, NO_DEADLINE, &call);

	if (e != E_OK)
		return e;
	e = rpc_call_response(call, NULL);
	while (e == E_OK && (e = rpc_call_recv(call, &frame)) == E_OK) {
		struct tls_report r = {.n = 0};

		e = take_report(frame, &r);
		if (e == E_OK)
			take(l, &r);
		arena_reset(&r.mem);
	}
	rpc_call_free(&call);
	return e;
}

static enum err take_targets(const Postern__OutboundTlsStepReply *r,
			     struct deliver_target out[DELIVER_TARGETS_MAX], size_t *n_out)
{
	if (r->n_targets == 0 || r->n_targets > DELIVER_TARGETS_MAX)
		return E_RETRY;
	for (size_t i = 0; i < r->n_targets; i++) {
		const Postern__Target *t = r->targets[i];

		if (t->token.len == 0 || t->token.len > DELIVER_TOKEN_MAX)
			return E_RETRY;
		out[i] = (struct deliver_target){
			.token = call_slice(t->token),
			.backend = slice_str(t->backend),
			.partition = t->partition,
		};
	}
	*n_out = r->n_targets;
	return E_OK;
}

WAITS enum err call_tls_resolve(struct rpc_link *l, uint64_t id, slice_t address, struct arena *mem,
				struct deliver_target out[DELIVER_TARGETS_MAX], size_t *n_out,
				struct diag *d)
{
	Postern__OutboundTlsStep req = POSTERN__OUTBOUND_TLS_STEP__INIT;
	ProtobufCMessage *m;
	enum err e;

	*n_out = 0;
	req.id = id;
	req.step = POSTERN__TLS_REPORT_STEP__TLS_REPORT_RESOLVE;
	req.address = arena_str(mem, address);
	e = rpc_client_call(l, POSTERN__METHOD__METHOD_OUTBOUND_TLS_STEP, &req.base,
			    &postern__outbound_tls_step_reply__descriptor, mem,
			    deadline_in(STEP_MS), &m, d);
	return e == E_OK ? take_targets((const void *)m, out, n_out) : e;
}

WAITS void call_tls_over(struct rpc_link *l, uint64_t id, enum tls_report_end end,
			 const char *words)
{
	Postern__OutboundTlsStep req = POSTERN__OUTBOUND_TLS_STEP__INIT;
	struct diag d = {""};
	struct arena mem;
	enum err e;

	arena_init(&mem, NULL);
	req.id = id;
	req.step = (Postern__TlsReportStep)end;
	req.text = arena_str(&mem, slice_sub(slice_str(words), 0, CALL_TLS_WORDS_MAX));
	e = rpc_client_call(l, POSTERN__METHOD__METHOD_OUTBOUND_TLS_STEP, &req.base, NULL, NULL,
			    deadline_in(STEP_MS), NULL, &d);
	if (e != E_OK)
		LOG(LOG_INFO, NULL, "tlsrpt.end_lost", LF_ERR("why", e), LF_STR("text", d.text));
	arena_reset(&mem);
}

static Postern__IngestTlsPolicy *pack_received(const struct tls_received_policy *p,
					       struct arena *mem)
{
	Postern__IngestTlsPolicy *m = arena_new(mem, Postern__IngestTlsPolicy);

	postern__ingest_tls_policy__init(m);
	m->type = p->type;
	m->domain = arena_str(mem, slice_str(p->domain));
	m->results = arena_alloc(mem, ARRAY_LEN(p->counts) * sizeof *m->results);
	for (unsigned i = 0; i < ARRAY_LEN(p->counts); i++) {
		Postern__IngestTlsResult *r;

		if (p->counts[i] == 0)
			continue;
		r = arena_new(mem, Postern__IngestTlsResult);
		postern__ingest_tls_result__init(r);
		r->result = i;
		r->count = p->counts[i];
		m->results[m->n_results++] = r;
	}
	return m;
}

WAITS enum err call_tls_received(uint32_t partition, slice_t lease, const struct tls_received *r)
{
	Postern__IngestTlsReport req = POSTERN__INGEST_TLS_REPORT__INIT;
	Postern__IngestTlsPolicy *policies[TLS_RECEIVED_POLICIES_MAX];
	struct diag d = {""};
	struct arena mem;
	enum err e;

	arena_init(&mem, NULL);
	req.lease = call_bytes(lease);
	req.organization = arena_str(&mem, slice_str(r->organization));
	req.report_id = arena_str(&mem, slice_str(r->report_id));
	req.from_s = r->from_s;
	req.to_s = r->to_s;
	req.policies = policies;
	for (size_t i = 0; i < r->n; i++)
		policies[req.n_policies++] = pack_received(&r->policies[i], &mem);
	e = rpc_client_call(rpc_client_partition(partition),
			    POSTERN__METHOD__METHOD_INGEST_TLS_REPORT, &req.base, NULL, NULL,
			    deadline_in(STEP_MS), NULL, &d);
	if (e != E_OK)
		LOG(LOG_INFO, NULL, "tlsrpt.not_kept", LF_ERR("why", e), LF_STR("text", d.text));
	arena_reset(&mem);
	return e;
}
