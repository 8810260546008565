/*
 * smtp_body: the bytes of a message as DATA wants them (RFC 5321 section 4.5.2): a dot at the
 * beginning of a line is doubled, a line that does not end is ended. Restartable: any cut of the
 * input gives the same output. And what may not leave at all: CR or LF by themselves, and NUL,
 * which some receivers take for the end of a message (SMTP smuggling).
 */
#ifndef FRONTEND_OUTBOUND_SMTP_BODY_H
#define FRONTEND_OUTBOUND_SMTP_BODY_H

#include "frontend/core/line.h"

struct smtp_body {
	struct eol_check eol;
	bool in_line; /* the last byte was not a LF */
};

static inline void smtp_body_init(struct smtp_body *b)
{
	*b = (struct smtp_body){.in_line = false};
}

/* Whether all bytes so far, these included, may leave. Before they are stuffed. */
bool smtp_body_clean(struct smtp_body *b, slice_t bytes) MUST_USE;
/* At the end of the message. */
bool smtp_body_clean_end(struct smtp_body *b) MUST_USE;

/* Takes the next piece of the output off *rest: some of its bytes, or a dot that stands before
 * them. False when nothing is left. */
bool smtp_body_next(struct smtp_body *b, slice_t *rest, slice_t *piece) MUST_USE;
/* What ends the message, after its last byte: the CRLF that it lacks, and the dot. */
slice_t smtp_body_end(const struct smtp_body *b);

#endif
