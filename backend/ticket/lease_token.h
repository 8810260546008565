/*
 * lease_token: what a back-end gives with a job of the way out, and takes back with the report. It
 * names the queue items and says to whom they were given; its bearer cannot read or make one. It
 * outlives the back-end's memory of the lease, so that a result that comes late, or after a
 * restart, still counts.
 */
#ifndef BACKEND_TICKET_LEASE_TOKEN_H
#define BACKEND_TICKET_LEASE_TOKEN_H

#include "backend/ticket/ticket.h"
#include "proto/outbound_limits.h"

#define LEASE_TOKEN_MAX   1024
#define LEASE_TRACE_BYTES 16

enum lease_kind { LEASE_SEND = 1, LEASE_NOTICE = 2 };

struct lease_token {
	enum lease_kind kind;
	bool tells_success; /* a recipient's success may have to be told (RFC 3461) */
	uint32_t partition;
	uint64_t record_no;
	uint64_t route; /* its worker may log in by this one, with GSSAPI; 0: by none */
	uint8_t trace_id[LEASE_TRACE_BYTES]; /* of the message, for the log */
	char frontend[RPC_NAME_MAX];         /* whom it was given to */
	int64_t expires_s;                   /* set by lease_token_seal */
	int64_t leased_us;                   /* the scheduler's: tells this lease from later ones */
	size_t n;
	uint64_t items[LEASE_ITEMS_MAX];
};

/* E_RETRY: no key yet. E_INVALID: no item, or more than fit. */
enum err lease_token_seal(struct tickets *t, struct lease_token *l, struct buf *out) MUST_USE;
/* E_NO_TICKET with the reason; only the front-end that it was given to may present it. */
enum err lease_token_open(struct tickets *t, slice_t bytes, const struct rpc_identity *peer,
			  struct lease_token *out, struct diag *d) MUST_USE;

#endif
