/* smtp_lmtp: the end of data in LMTP (RFC 2033 section 4.2): one reply for each RCPT command that
 * was taken, in their order. */
#ifndef FRONTEND_SMTP_SMTP_LMTP_H
#define FRONTEND_SMTP_SMTP_LMTP_H

#include "frontend/smtp/smtp_reply.h"

/* The message was taken for nobody: the same for each. */
WAITS enum err smtp_lmtp_refuse(struct smtp *s, enum smtp_say why) MUST_USE;
/* After the commits: to each its own. */
WAITS enum err smtp_lmtp_answer(struct smtp *s) MUST_USE;
/* SAY_NOTHING: it was taken for somebody; else what the first one hears. */
enum smtp_say smtp_lmtp_verdict(const struct smtp *s);

#endif
