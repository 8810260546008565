/*
 * ticket: what a logged-in session holds: sealed bytes that only back-ends can open
 * (docs/decisions/0003), which partition the account lives in, and when to renew
 * (frontend/rpc/call_ticket.h does, on use and by a timer of the worker, so that an idle session
 * keeps its ticket).
 */
#ifndef FRONTEND_CORE_TICKET_H
#define FRONTEND_CORE_TICKET_H

#include "common/base/arena.h"
#include "common/base/err.h"

#define TICKET_BYTES_MAX 512

struct ticket {
	uint8_t bytes[TICKET_BYTES_MAX];
	size_t n;
	int64_t expires_ms; /* mono */
	int64_t renew_ms;
	uint32_t partition; /* of the account; its owner is looked up at each call */
	char account[321];  /* main address, for logs and for the sender's default */
};

static inline slice_t ticket_slice(const struct ticket *t)
{
	return slice(t->bytes, t->n);
}

/* NULL when a back-end sent what does not fit. Copies all. */
struct ticket *ticket_new(slice_t bytes, uint32_t seconds, uint32_t partition, slice_t account);
/* The renewed bytes (at most TICKET_BYTES_MAX) take the place of the old. */
void ticket_put(struct ticket *t, slice_t bytes, uint32_t seconds);
void ticket_free(struct ticket **t); /* wipes it */
#endif
