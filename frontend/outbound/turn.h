/*
 * turn: held mail over the connection of its host, which has logged in and is the server from then
 * on (ATRN, RFC 2645). Whether it may, and what is due, says each back-end of its part; then jobs
 * go as any others do: leased, sent, reported. What was not sent when the connection ends is given
 * back.
 */
#ifndef FRONTEND_OUTBOUND_TURN_H
#define FRONTEND_OUTBOUND_TURN_H

#include "frontend/core/session.h"
#include "frontend/rpc/call_outbound.h"

#define TURN_BACKENDS_MAX 64 /* as rpc_client has */

struct turn {
	struct call_turn parts[TURN_BACKENDS_MAX]; /* of back-ends that have something */
	size_t n;
	unsigned sent; /* messages that the host has answered */
};

enum turn_answer {
	TURN_READY,  /* something is due: turn_run */
	TURN_EMPTY,  /* nothing is */
	TURN_DENIED, /* not all of that is the account's to fetch */
	TURN_LATER,  /* nobody can say */
};

/* Asks all back-ends; domains as call_turn_open has them. Whatever it says, turn_end ends it. */
WAITS enum turn_answer turn_ask(struct turn *t, struct ticket *ticket, char *const *domains,
				size_t n);
/* Sends what is due over the session's connection, where the other side greets now, and says QUIT.
 * There is nothing to be said on it afterwards, whatever came of it. helo is copied. */
WAITS void turn_run(struct turn *t, struct session *s, const char *helo);
void turn_end(struct turn *t);

#endif
