/*
 * krb: the door to the Kerberos library (MIT's, by its GSS-API: RFC 2743, RFC 4121), the side that
 * is logged in to, and the one that logs in. Bytes and names only: whose account that is, and
 * whether it may, is said in auth_krb; where we log in ourselves, in krb_relay.
 *
 * Tokens are a stranger's. Only those that begin as Kerberos 5 is marked (RFC 2743 section 3.1)
 * reach the library: its other mechanisms are not for us (RFC 4752 section 1.2). One token makes a
 * context or none; what would need a second one (DCE's way) is refused.
 */
#ifndef BACKEND_AUTH_KRB_H
#define BACKEND_AUTH_KRB_H

#include "common/base/buf.h"
#include "common/base/err.h"

#define KRB_NAME_MAX 511 /* a principal as text: an address has 320 bytes */
#define KRB_WHY_MAX  200 /* of the library's words, for the log */

/* The keys of our services, and the memory of what was shown to them. */
struct krb_keys;

/* Opens a keytab, and beside it the replay cache in the file `replays`, which the library makes and
 * keeps small. A keytab may be replaced while it is open. Reads files. E_INVALID: it is not there,
 * not to be read, or empty. */
enum err krb_keys_open(const char *keytab, const char *replays, struct krb_keys **out,
		       struct diag *d) MUST_USE;
void krb_keys_close(struct krb_keys **k);

/* A client that has shown its ticket. */
struct krb;

struct krb_client {
	struct krb *context;              /* the caller's */
	char principal[KRB_NAME_MAX + 1]; /* "alice@EXAMPLE.ORG", with \ before what it quotes */
	char service[KRB_NAME_MAX + 1];   /* whom the ticket is for: "imap/mail.example.org@..." */
};

/* The client's one token. Appends what it gets back, which may be nothing. Reads and writes files:
 * for a thread of the pool. E_DENIED: no good ticket for a key of ours, shown already, too old, or
 * no such token at all; why in the diag, for the log alone. */
enum err krb_accept(const struct krb_keys *k, slice_t token, struct krb_client *out,
		    struct buf *answer, struct diag *d) MUST_USE;

/* Our own side: we are to log in as a principal, whose key the file client keytab has, at a service
 * of a host. Asks the KDC, as the step does, when there is no ticket yet. E_DENIED: no such names,
 * no such key, no KDC; why in the diag. */
enum err krb_self_begin(const char *keytab, const char *principal, const char *service,
			const char *host, struct krb **out, struct diag *d) MUST_USE;
enum krb_progress { KRB_GOES_ON, KRB_COMPLETE };
/* Takes the other side's token (none, at first) and appends ours, which may be nothing. COMPLETE:
 * it has proven who it is. Reads files, and asks the KDC for as long as the library waits for one:
 * for a thread of the pool. E_DENIED: no ticket, or no good proof; why in the diag. */
enum err krb_self_step(struct krb *c, slice_t token, struct buf *out, enum krb_progress *at,
		       struct diag *d) MUST_USE;

/* Signed, in clear. E_DENIED: the other side's is not good. */
enum err krb_wrap(struct krb *c, slice_t clear, struct buf *out) MUST_USE;
enum err krb_unwrap(struct krb *c, slice_t token, struct buf *out) MUST_USE;
void krb_free(struct krb **c);

#endif
