/*
 * krb_relay: log-ins of ours at relays, with a ticket of Kerberos (GSSAPI, RFC 4752 section 3.1).
 * Routes of the directory say where, and as whom; the keytab of the back-end's own file has the
 * keys of those principals. A worker carries the tokens, and has no say in whom they are for.
 *
 *   step   the ticket, and that the relay is to prove who it is
 *   step   its proof was good              <- the proof
 *   step   signed: no layer but TLS        <- signed: what it has
 *
 * Tickets are kept in memory until they run out, one cache for each principal.
 */
#ifndef BACKEND_AUTH_KRB_RELAY_H
#define BACKEND_AUTH_KRB_RELAY_H

#include "backend/auth/krb.h"
#include "backend/directory/dir_route.h"

/* A token for the relay: what fits, in base64, a line of AUTH (RFC 4954 section 4). */
#define KRB_RELAY_TOKEN_MAX 9204
/* One of the relay's: its proof has 200 bytes, what it has signed less. */
#define KRB_RELAY_HEARD_MAX 1024
#define KRB_RELAY_OPEN_MAX  256 /* log-ins at once: of 8 KiB, and no worker has more to say */
/* The library waits for the KDC on a thread of the pool, which has two at the least: one that does
 * not answer is to hold up no disk. */
#define KRB_RELAY_THREADS   1
#define KRB_RELAY_TURN_MS   (30 * 1000) /* for that thread; a KDC that is there takes some ms */

struct krb_relays;
struct krb_relay;

/* Both are borrowed. keytab: may be empty, then there are no log-ins. */
struct krb_relays *krb_relays_new(const struct dir *d, const char *keytab);
/* No log-in is left. NULL is harmless. */
void krb_relays_free(struct krb_relays **r);

/* A log-in by a route. E_DENIED: it demands none with GSSAPI (any more), or there is no such route;
 * E_RETRY: no keytab; E_LIMIT: too many at once. */
enum err krb_relay_open(struct krb_relays *r, uint64_t route, struct krb_relay **out,
			struct diag *d) MUST_USE;
/* Answers the relay; the first step is to nothing. Appends what it is to be told, which may be
 * nothing. E_OK: say so, and if krb_relay_done(), it has but to say yes or no. E_BUSY: too many
 * wait for the KDC; E_CANCELLED; else there is no log-in, why in the diag and in the log. */
WAITS enum err krb_relay_step(struct krb_relay *x, slice_t heard, struct buf *say,
			      struct diag *d) MUST_USE;
bool krb_relay_done(const struct krb_relay *x);
/* NULL is harmless. */
void krb_relay_free(struct krb_relay **x);

#endif
