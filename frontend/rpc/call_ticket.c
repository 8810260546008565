#include "frontend/rpc/call_ticket.h"

#include "common/base/clock.h"
#include "common/log/log.h"
#include "common/loop/fiber.h"
#include "frontend/rpc/rpc_client.h"
#include "proto/auth.pb-c.h"
#include "proto/method.pb-c.h"

#define RENEW_MS 5000

static ProtobufCBinaryData ticket_bytes(const struct ticket *t)
{
	return (ProtobufCBinaryData){t->n, (uint8_t *)(uintptr_t)t->bytes};
}

WAITS static enum err ticket_renew(struct ticket *t)
{
	Postern__TicketRenew req = POSTERN__TICKET_RENEW__INIT;
	struct rpc_link *l = rpc_client_partition(t->partition);
	Postern__TicketReply *reply;
	ProtobufCMessage *m;
	struct arena a;
	enum err e;

	if (l == NULL)
		l = rpc_client_any();
	req.ticket = ticket_bytes(t);
	arena_init(&a, NULL);
	e = rpc_client_call(l, POSTERN__METHOD__METHOD_TICKET_RENEW, &req.base,
			    &postern__ticket_reply__descriptor, &a, deadline_in(RENEW_MS), &m,
			    NULL);
	if (e == E_OK) {
		reply = (Postern__TicketReply *)m;
		if (reply->ticket.len == 0 || reply->ticket.len > TICKET_BYTES_MAX)
			e = E_INTERNAL;
		else
			ticket_put(t, slice(reply->ticket.data, reply->ticket.len),
				   reply->ticket_seconds);
	}
	arena_reset(&a);
	return e;
}

WAITS enum err ticket_refresh(struct ticket *t)
{
	int64_t now = clock_mono_ms();
	enum err e;

	if (now < t->renew_ms)
		return E_OK;
	e = ticket_renew(t);
	if (e == E_NO_TICKET || e == E_OK)
		return e;
	return clock_mono_ms() < t->expires_ms ? E_OK : E_NO_TICKET;
}

WAITS void ticket_end(const struct ticket *t, const char *reason, uint64_t bytes_in,
		      uint64_t bytes_out)
{
	Postern__AuthEnd req = POSTERN__AUTH_END__INIT;
	char why[64];

	req.ticket = ticket_bytes(t);
	if (slice_to_str(slice_str(reason), why, sizeof why))
		req.reason = why;
	req.bytes_in = bytes_in;
	req.bytes_out = bytes_out;
	fiber_shield_begin();
	if (rpc_client_call(rpc_client_partition(t->partition), POSTERN__METHOD__METHOD_AUTH_END,
			    &req.base, NULL, NULL, deadline_in(RENEW_MS), NULL, NULL) != E_OK)
		LOG(LOG_DEBUG, NULL, "auth.end_not_told");
	fiber_shield_end();
}
