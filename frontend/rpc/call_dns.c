#include "frontend/rpc/call_dns.h"

#include "common/loop/fiber.h"
#include "frontend/rpc/call_priv.h"
#include "proto/dns.pb-c.h"

#define ANSWER_MS 10000

static enum err read_question(slice_t frame, struct question *q)
{
	const Postern__DnsQuestion *m;
	ProtobufCMessage *base;
	struct arena mem;
	enum err e;

	arena_init(&mem, NULL);
	e = rpc_client_unpack(&postern__dns_question__descriptor, frame, &mem, &base);
	if (e == E_OK) {
		m = (const void *)base;
		*q = (struct question){
			.id = m->id,
			.type = (enum question_type)m->type,
			.deadline_ms = deadline_in(MIN(m->wait_ms, QUESTION_WAIT_MAX_MS)),
		};
		if (!slice_to_str(slice_str(m->name), q->name, sizeof q->name))
			e = E_INVALID;
	}
	arena_reset(&mem);
	return e;
}

WAITS enum err call_dns_watch(struct rpc_link *l, slice_t tls_key,
			      WAITS void (*take)(const struct question *q, void *arg), void *arg)
{
	Postern__DnsWatch req = POSTERN__DNS_WATCH__INIT;
	struct rpc_call *call;
	slice_t frame;
	enum err e;

	req.tls_key = call_bytes(tls_key);
	e = rpc_client_open(l, POSTERN__METHOD__METHOD_DNS_WATCH, &req.base, RPC_NO_BODY,
			    NO_DEADLINE, &call);
	if (e != E_OK)
		return e;
	e = rpc_call_response(call, NULL);
	while (e == E_OK && (e = rpc_call_recv(call, &frame)) == E_OK) {
		struct question q;

		e = read_question(frame, &q);
		if (e == E_OK)
			take(&q, arg);
	}
	rpc_call_free(&call);
	return e;
}

WAITS enum err call_dns_answer(struct rpc_link *l, uint64_t id, const struct question_answer *a)
{
	Postern__DnsAnswer req = POSTERN__DNS_ANSWER__INIT;
	ProtobufCBinaryData records[QUESTION_RECORDS_MAX];
	struct arena mem;
	enum err e;

	arena_init(&mem, NULL);
	for (size_t i = 0; i < a->n; i++)
		records[i] = call_bytes(a->records[i]);
	req.id = id;
	req.outcome = (Postern__DnsOutcome)a->outcome;
	req.secure = a->secure;
	req.cut = a->cut;
	req.records = records;
	req.n_records = a->n;
	req.canonical = arena_str(&mem, a->canonical);
	e = rpc_client_call(l, POSTERN__METHOD__METHOD_DNS_ANSWER, &req.base, NULL, NULL,
			    deadline_in(ANSWER_MS), NULL, NULL);
	arena_reset(&mem);
	return e;
}
