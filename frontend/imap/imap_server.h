/* imap_server: the conversation. */
#ifndef FRONTEND_IMAP_IMAP_SERVER_H
#define FRONTEND_IMAP_IMAP_SERVER_H

#include "frontend/imap/imap.h"

/* Commands that made no sense, in one session: then BYE. */
#define IMAP_ERRORS_MAX          20u
#define IMAP_ERRORS_MAX_PREAUTH  5u
/* NOOPs, CAPABILITYs and IDs before log-in: a client needs three or four. */
#define IMAP_FREE_MAX            20u
/* The rest of a literal that was announced without asking, and refused, is thrown away up to this;
 * a client that announces more is cut off (RFC 7888 section 4). */
#define IMAP_DISCARD_MAX         (1024ull * 1024 * 1024)
#define IMAP_DISCARD_MAX_PREAUTH (64u * 1024)

/* Reads n bytes away. */
WAITS enum err imap_discard(struct imap *im, uint64_t n, int64_t deadline_ms) MUST_USE;
/* Reads the end of a command's last line, and away what it goes on with without waiting: more
 * literals, which would be taken for commands. *empty_out: there was nothing. */
WAITS enum err imap_end_command(struct imap *im, bool *empty_out) MUST_USE;
/* "+ text", at once. */
WAITS enum err imap_continue(struct imap *im, const char *text) MUST_USE;
/* When the client must have said something. */
int64_t imap_deadline(const struct imap *im);
/* Gives back what a session that waits for its client does not need. */
void imap_trim(struct imap *im);

#endif
