/*
 * mail_sign: the DKIM-Signature fields that a message's owner is to sign (RFC 6376), one for each
 * key. The signatures themselves are made inside and never seen here.
 */
#ifndef FRONTEND_OUTBOUND_MAIL_SIGN_H
#define FRONTEND_OUTBOUND_MAIL_SIGN_H

#include "frontend/mailauth/dkim_hash.h"
#include "frontend/rpc/call_delivery.h"

/* After dkim_hash_end(): fills m's sigs, in mem. domain: of the d=, normalised. */
void mail_sign(const struct dkim_hash *h, slice_t domain, const struct signing_keys *keys,
	       struct arena *mem, struct deliver_meta *m);

#endif
