/*
 * smtp_sign: what a submission's owners need to sign it with the keys of the author's domain (RFC
 * 6376): a DKIM-Signature field for each active key, and the digest of the message and that field.
 * The signature itself is made inside and never seen here.
 */
#ifndef FRONTEND_SMTP_SMTP_SIGN_H
#define FRONTEND_SMTP_SMTP_SIGN_H

#include "frontend/rpc/call_delivery.h"
#include "frontend/smtp/smtp_reply.h"

/* What a worker remembers of a domain's keys, so long. A new key signs mail of sessions under way
 * after this time at the latest; one that was retired may be used for longer (SIGN_GRACE_S). */
#define SMTP_KEYS_TTL_MS 30000

struct smtp;

/* The keys of the address's domain, as a back-end has just told. */
void smtp_sign_learn(slice_t address, const struct signing_keys *keys);
/* At the end of the data: fills the transaction's author and sigs; nothing without keys, on 25, or
 * for a message that cannot be signed. Not SAY_NOTHING: cannot tell now. An error is the
 * session's. */
WAITS enum err smtp_sign(struct smtp *s, enum smtp_say *why_out) MUST_USE;

#endif
