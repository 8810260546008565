/*
 * route: how a connection is made, as the job's route and the settings say: the protocol, the
 * log-in, our name and our address. What a connection is for is the destination's name; the
 * back-end gives ways that the other side can tell apart different names.
 */
#ifndef FRONTEND_OUTBOUND_ROUTE_H
#define FRONTEND_OUTBOUND_ROUTE_H

#include "common/crypto/digest.h"
#include "frontend/outbound/smtp_client.h"
#include "frontend/rpc/call_outbound.h"

#define ROUTE_LMTP_PORT 24  /* by custom; RFC 2033 section 5: anything but 25 */
#define ROUTE_SMTPS     465 /* RFC 8314 section 7.3: TLS at once */

/* Of hosts that name none. */
uint16_t route_port(const struct outbound_route *r);

/* What the client's options borrow, for as long as the client lives. */
struct route_own {
	struct ipaddr source;
	struct smtp_timeouts wait;
	char helo[256];
	char user[OUTBOUND_LOGIN_MAX], password[OUTBOUND_LOGIN_MAX];
};

/* May a host of that family be dialled? Not from an address that the route does not name, where it
 * names all. */
bool route_allows(const struct outbound_route *r, uint8_t family);
/* Completes options that have an address, a port and a demand for TLS already. The log-in's copy in
 * own is to be wiped once the client is open, or is not (route_forget). */
void route_apply(const struct outbound_route *r, struct route_own *own, struct smtp_client_opts *o);
void route_forget(struct route_own *own);

/* Tells log-ins apart, without the password: a connection that was opened with one carries no job
 * of another. Good in this process alone. */
struct route_login {
	uint8_t mark[SHA256_LEN]; /* zeros: none */
};
void route_login_of(const struct outbound_route *r, struct route_login *out);

#endif
