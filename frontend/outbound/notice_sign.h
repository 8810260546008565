/*
 * notice_sign: what the owner of a notice, or of a report, needs to sign it (RFC 6376), as of a
 * submission: a DKIM-Signature field for each key of the domain that its From belongs to, and the
 * digest. The signature itself is made inside and never seen here.
 */
#ifndef FRONTEND_OUTBOUND_NOTICE_SIGN_H
#define FRONTEND_OUTBOUND_NOTICE_SIGN_H

#include "frontend/rpc/call_delivery.h"

struct dkim_hash;

#define NOTICE_SIGN_AUTHOR_MAX 320 /* RFC 5321 section 4.5.3.1: of an address */

struct notice_sign {
	struct dkim_hash *hash; /* NULL: it goes without */
	char author[NOTICE_SIGN_AUTHOR_MAX + 1];
	char domain[DOMAIN_MAX + 1];
	struct signing_keys keys;
};

/* Asks for the keys; host: our name, behind the "@" of From. An error: cannot tell now, and the
 * notice waits; a host that is no domain is left to who writes it. To be ended by
 * notice_sign_fini in any case. */
WAITS enum err notice_sign_init(struct notice_sign *s, slice_t host, struct diag *d) MUST_USE;
/* The same for a message that is from this address of ours. */
WAITS enum err notice_sign_init_as(struct notice_sign *s, slice_t author, struct diag *d) MUST_USE;
/* The notice's bytes, in any pieces. */
void notice_sign_feed(struct notice_sign *s, slice_t bytes);
/* All were fed: fills m's author and sigs, in mem; they borrow from s. Nothing without keys. */
void notice_sign_end(struct notice_sign *s, struct deliver_meta *m, struct arena *mem);
void notice_sign_fini(struct notice_sign *s);

#endif
