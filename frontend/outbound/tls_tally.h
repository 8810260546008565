/*
 * tls_tally: what became of TLS in this worker's sessions with other systems' servers, summed up
 * and told to the back-ends every few seconds (RFC 8460). A session is one connection on which a
 * message was to be sent, whether there was TLS in the end or not; one that does not come to a
 * greeting says nothing of TLS, and is none.
 *
 * Hints: what has no room is counted, what a back-end does not take in time is lost.
 */
#ifndef FRONTEND_OUTBOUND_TLS_TALLY_H
#define FRONTEND_OUTBOUND_TLS_TALLY_H

#include "frontend/outbound/hosts.h"
#include "frontend/outbound/smtp_client.h"
#include "frontend/outbound/tls_policy.h"

#define TLS_TALLY_SUMS_MAX 1024         /* kinds of sessions that wait to be told */
#define TLS_TALLY_PAUSE_MS 5000         /* between two times of telling */
#define TLS_TALLY_KEEP_MS  (10 * 60000) /* with nobody there to be told */

/* Whoever is told; NULL: the back-ends. For tests. */
struct tls_sessions;
typedef WAITS enum err tls_tally_tell_fn(const struct tls_sessions *v, size_t n, uint64_t lost);
void tls_tally_init(tls_tally_tell_fn *tell);

/* A connection to a host of a domain that was tried under a plan. result and why are the client's
 * (smtp_client_open); took_tls: it stands, with TLS. */
struct tls_session {
	const struct hosts *hosts;
	const struct host *host;
	const struct tls_plan *plan;
	enum err opened;
	const struct smtp_client_why *why;
	bool took_tls;
};
void tls_tally_add(const struct tls_session *s);
/* Tells what there is, once. */
WAITS void tls_tally_flush(void);
/* The same at the end; what nobody takes is forgotten. In a cancelled fiber that is shielded. */
WAITS void tls_tally_stop(void);

#endif
