/* call_ticket: keeps the tickets of logged-in sessions fresh, and gives them back at the end. */
#ifndef FRONTEND_RPC_CALL_TICKET_H
#define FRONTEND_RPC_CALL_TICKET_H

#include "frontend/core/ticket.h"

/* Renews when half of its life is over, at any back-end. E_OK while the ticket is still good, also
 * when no back-end could be asked; E_NO_TICKET: the session must end. */
WAITS enum err ticket_refresh(struct ticket *t) MUST_USE;
/* Tells the owner that the session has ended (AuthEnd); a failure changes nothing for the client:
 * the ticket ends by its expiry then. */
WAITS void ticket_end(const struct ticket *t, const char *reason, uint64_t bytes_in,
		      uint64_t bytes_out);

#endif
