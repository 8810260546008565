/* call_dns: typed calls of proto/dns.proto: what a back-end asks DNS, and the answers. */
#ifndef FRONTEND_RPC_CALL_DNS_H
#define FRONTEND_RPC_CALL_DNS_H

#include "common/base/arena.h"
#include "common/base/err.h"

struct rpc_link;

#define QUESTION_NAME_MAX    253
#define QUESTION_WAIT_MAX_MS 30000 /* no question is worth more of a worker's time */
/* Of an answer, as back-ends take them: what is beyond is left out, which the answer says. */
#define QUESTION_RECORDS_MAX 64
#define QUESTION_BYTES_MAX   8000

enum question_type {
	QUESTION_MX = 1,
	QUESTION_ADDRESS,
	QUESTION_TXT,
	QUESTION_PTR,
	QUESTION_TLSA,
	QUESTION_SRV,
};

struct question {
	uint64_t id;
	enum question_type type;
	char name[QUESTION_NAME_MAX + 1];
	int64_t deadline_ms; /* clock_mono_ms() units */
};

enum question_outcome {
	QUESTION_OK = 1,
	QUESTION_ABSENT,
	QUESTION_FAILED,
	QUESTION_BOGUS,
	QUESTION_UNUSABLE,
};

struct question_answer {
	enum question_outcome outcome;
	bool secure, cut;
	slice_t records[QUESTION_RECORDS_MAX];
	size_t n;
	slice_t canonical;
};

/* Asks the back-end of l for questions, for as long as the link lives; take may wait, which slows
 * the back-end. tls_key: what the front-end's public key is known by (32 bytes), or empty. Returns
 * why it ended. */
WAITS enum err call_dns_watch(struct rpc_link *l, slice_t tls_key,
			      WAITS void (*take)(const struct question *q, void *arg), void *arg);
/* E_NOT_FOUND: nobody waits for it any more. */
WAITS enum err call_dns_answer(struct rpc_link *l, uint64_t id,
			       const struct question_answer *a) MUST_USE;

#endif
