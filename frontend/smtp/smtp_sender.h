/*
 * smtp_sender: may this address stand as sender? On 25 an address of our own domains needs
 * authentication, which 25 does not have, so it is refused: no letter from the boss comes in from
 * outside. A submission may use its account's own addresses, and those of others that let it (RFC
 * 6409 section 6.1). Both hold for the envelope and for From and Sender in the header.
 *
 * On behalf of another, From is theirs and Sender one of the account's own (RFC 5322 section
 * 3.6.2). It is added where it is missing, as where From names several.
 */
#ifndef FRONTEND_SMTP_SMTP_SENDER_H
#define FRONTEND_SMTP_SMTP_SENDER_H

#include "common/parse/addr.h"
#include "frontend/smtp/smtp_header.h"
#include "frontend/smtp/smtp_reply.h"

/* Domains found foreign or ours are remembered by the worker so long, a user's main address by the
 * session. A domain that becomes ours is protected after this time. Whatever else a user may send
 * as is asked for every time, so that the right to it ends at once. */
#define SMTP_SENDER_TTL_MS      30000
/* Addresses of From and Sender together that are looked at. */
#define SMTP_FROM_ADDRESSES_MAX 64

struct smtp;

/* Of a submission: the domain that stands for that of the reverse-path, if one does. */
void smtp_sender_masquerade(const struct smtp *s, struct addr *from);
/* The reverse-path. E_OK with *why_out SAY_NOTHING: it may be used. An error is the session's. */
WAITS enum err smtp_sender_check(struct smtp *s, const struct addr *from,
				 enum smtp_say *why_out) MUST_USE;
/* What From and Sender of the message say, as smtp_header gathered it. A submission's From, where
 * there is one, names somebody: an empty group is not the account's address. Sets the intake's
 * lacks_sender. */
WAITS enum err smtp_from_check(struct smtp *s, const struct smtp_header *h,
			       enum smtp_say *why_out) MUST_USE;

#endif
