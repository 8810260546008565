/* Dns.*: questions to DNS over the RPC. A worker's stream of questions is served by its fiber for
 * as long as the link lives; its answers count for that link's questions alone. */
#include "backend/dns/asking.h"
#include "backend/rpc/rpc_methods.h"
#include "proto/dns.pb-c.h"

WAITS static enum err serve(struct mcall *c, struct asker *k)
{
	enum err e = mcall_reply(c, NULL, RPC_BODY);

	while (e == E_OK) {
		Postern__DnsQuestion m = POSTERN__DNS_QUESTION__INIT;
		struct asked q;

		e = asker_take(k, &q);
		if (e != E_OK)
			break;
		m.id = q.id;
		m.type = (Postern__DnsType)q.type;
		m.name = q.name;
		m.wait_ms = ASKING_WAIT_MS;
		e = mcall_send(c, &m.base, NULL);
	}
	return e;
}

WAITS enum err m_dns_watch(struct mcall *c)
{
	const Postern__DnsWatch *m = (const void *)c->msg;
	struct asker *k;
	enum err e;

	if (c->be->asking == NULL)
		return E_RETRY;
	e = asker_new(c->be->asking, rpc_req_link(c->req), &k);
	if (e != E_OK)
		return diag_set(&c->diag, e, "one stream of questions a link");
	e = asker_tells_key(k, MCALL_SLICE(m->tls_key));
	if (e == E_OK)
		e = serve(c, k);
	asker_free(&k);
	return e;
}

WAITS enum err m_dns_answer(struct mcall *c)
{
	const Postern__DnsAnswer *m = (const void *)c->msg;
	slice_t *records = arena_alloc(&c->mem, (m->n_records + 1) * sizeof *records);
	struct ask_answer a = {
		.outcome = (enum ask_outcome)m->outcome,
		.secure = m->secure,
		.cut = m->cut,
		.records = records,
		.n = m->n_records,
		.canonical = slice_str(m->canonical),
	};

	if (c->be->asking == NULL)
		return E_RETRY;
	for (size_t i = 0; i < m->n_records; i++)
		records[i] = MCALL_SLICE(m->records[i]);
	return asking_answer(c->be->asking, rpc_req_link(c->req), m->id, &a);
}
