/*
 * call_tls: what became of TLS with other systems' servers, told to the back-ends, and the reports
 * that these have sent of it (proto/outbound.proto, RFC 8460).
 */
#ifndef FRONTEND_RPC_CALL_TLS_H
#define FRONTEND_RPC_CALL_TLS_H

#include "common/parse/idn.h"
#include "frontend/rpc/call_delivery.h"
#include "proto/tls_results.h"

struct rpc_link;

#define CALL_TLS_SESSIONS_MAX 100 /* of one call */
#define CALL_TLS_WORDS_MAX    150 /* of what a report came to */

/* Sessions that were alike; numbers as proto/tls_results.h. */
struct tls_sessions {
	slice_t domain;
	unsigned type;
	slice_t policy;
	unsigned result;
	slice_t host, remote, local, why;
	uint64_t count;
};

/* The back-end that is told of a domain: the same for all workers while the same ones are there.
 * Borrowed until the next wait; NULL: none is there. */
struct rpc_link *call_tls_backend(slice_t domain);
/* lost: so many more had no room. Not asked twice: what comes to nothing is lost. */
WAITS enum err call_tls_put(struct rpc_link *l, const struct tls_sessions *v, size_t n,
			    uint64_t lost) MUST_USE;

/* A report that is to be sent. Its arena holds it all. */
struct tls_report_policy {
	unsigned type;
	slice_t policy;
	uint64_t successes, failures;
	const struct tls_sessions *details;
	size_t n;
};

struct tls_report {
	struct arena mem;
	uint64_t id;
	slice_t domain, report_id, organization, contact;
	int64_t from_s, to_s;
	const struct tls_report_policy *policies;
	size_t n;
};

/* Asks the back-end of l for reports, for as long as the link lives; take sends one (it waits) and
 * ends it with call_tls_over(). Returns why it ended. */
WAITS enum err call_tls_work(struct rpc_link *l,
			     WAITS void (*take)(struct rpc_link *l, struct tls_report *r));
/* For a report that this link gave: where mail to the address goes; in mem. As call_resolve(), and
 * E_LIMIT: it may not ask for more. */
WAITS enum err call_tls_resolve(struct rpc_link *l, uint64_t id, slice_t address, struct arena *mem,
				struct deliver_target out[DELIVER_TARGETS_MAX], size_t *n_out,
				struct diag *d) MUST_USE;

enum tls_report_end {
	TLS_REPORT_SENT = 1,
	TLS_REPORT_UNWANTED,
	TLS_REPORT_LATER,
	TLS_REPORT_FAILED
};
WAITS void call_tls_over(struct rpc_link *l, uint64_t id, enum tls_report_end end,
			 const char *words);

/* What another system tells of sessions with our servers, by what they were to be. */
struct tls_received_policy {
	enum tls_policy_type type;             /* UNTOLD: one that is unknown */
	char domain[DOMAIN_MAX + 1];           /* normalised */
	uint64_t counts[TLS_RESULT_OTHER + 1]; /* by enum tls_result */
};

struct tls_received {
	char organization[TLS_RECEIVED_TEXT_MAX + 1], report_id[TLS_RECEIVED_TEXT_MAX + 1];
	int64_t from_s, to_s;
	struct tls_received_policy policies[TLS_RECEIVED_POLICIES_MAX];
	size_t n;
};

/* Of a job's message (call_outbound), to the owner of its partition. E_OK: it is durable, or was
 * known, or is nothing that is kept; others: not now. */
WAITS enum err call_tls_received(uint32_t partition, slice_t lease,
				 const struct tls_received *r) MUST_USE;

#endif
