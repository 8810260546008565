/* smtp_client_priv: the inside of a client, shared by smtp_client*. */
#ifndef FRONTEND_OUTBOUND_SMTP_CLIENT_PRIV_H
#define FRONTEND_OUTBOUND_SMTP_CLIENT_PRIV_H

#include "frontend/outbound/smtp_answer.h"
#include "frontend/outbound/smtp_client.h"

#define SMTP_CLIENT_MAGIC 0x534d5443u /* "SMTC" */

struct smtp_client {
	uint32_t magic;
	const struct smtp_client_opts *opts;
	const struct smtp_timeouts *wait;
	struct stream *s; /* NULL: the connection is over */
	bool adopted;     /* the stream is somebody else's, who closes it */
	struct smtp_offer offer;
	unsigned messages; /* transactions that were begun */
	bool reset_due;    /* the last one left something behind: RSET before the next MAIL */
	char peer_name[SMTP_PEER_NAME_MAX + 1];
};

/* Closes the connection. */
void smtp_client_close(struct smtp_client *c, enum close_reason why);
/* The connection is over: fills *why for an error of the stream and closes it. Returns E_CLOSED, or
 * E_CANCELLED when that was the error. */
enum err smtp_client_lost(struct smtp_client *c, enum smtp_phase at, enum err e,
			  struct smtp_result *why) MUST_USE;
/* The same for a breach of the protocol, in words. */
enum err smtp_client_broken(struct smtp_client *c, enum smtp_phase at, struct smtp_result *why,
			    const char *words) MUST_USE;
/* We have no more to say: QUIT without a wait. */
void smtp_client_leave(struct smtp_client *c);
/* One reply. Not E_OK: the connection is over (421 too), *why says how. */
WAITS enum err smtp_client_answer(struct smtp_client *c, enum smtp_phase at, int64_t deadline_ms,
				  smtp_answer_fn each, void *arg, struct smtp_answer *a,
				  struct smtp_result *why) MUST_USE;
/* Says bytes and reads the one reply. */
WAITS enum err smtp_client_ask(struct smtp_client *c, enum smtp_phase at, slice_t command,
			       int64_t ms, struct smtp_answer *a, struct smtp_result *why) MUST_USE;
/* The reply is none that continues: fills *why; returns E_CLOSED and closes politely. */
enum err smtp_client_refused(struct smtp_client *c, enum smtp_phase at, const struct smtp_answer *a,
			     struct smtp_result *why) MUST_USE;

/* EHLO (or HELO, LHLO); the offer is replaced. */
WAITS enum err smtp_client_hello(struct smtp_client *c, struct smtp_result *why) MUST_USE;
/* Brings TLS up as demanded, by STARTTLS. *started_out: there is TLS now, and EHLO is due. */
WAITS enum err smtp_client_starttls(struct smtp_client *c, bool *started_out,
				    struct smtp_client_why *why) MUST_USE;
WAITS enum err smtp_client_handshake(struct smtp_client *c, struct smtp_client_why *why) MUST_USE;
WAITS enum err smtp_client_auth(struct smtp_client *c, struct smtp_result *why) MUST_USE;

#endif
