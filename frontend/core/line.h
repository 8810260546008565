/*
 * line: the only reader of lines and of dot-stuffed data in the front-end (STYLE 2: a second one
 * is where smuggling survives). Only CRLF ends a line; a bare CR or a bare LF anywhere is
 * reported, and the caller answers with its protocol's refusal.
 */
#ifndef FRONTEND_CORE_LINE_H
#define FRONTEND_CORE_LINE_H

#include "common/net/stream.h"

/* Waits for one line of at most max bytes (without its CRLF) and consumes it. *out borrows the
 * stream's window: valid until the next wait. E_LIMIT: longer (the rest of the line is skipped as it
 * arrives, by the next call); E_INVALID: bare CR, bare LF or NUL in it (the line is consumed up
 * to its CRLF or LF). Others as stream_fill. */
WAITS enum err line_read(struct stream *s, size_t max, const char *name, int64_t deadline_ms,
			 slice_t *out) MUST_USE;

/* Reads what DATA brings (RFC 5321 section 4.5.2): unstuffs dots and passes the message on in
 * chunks as they arrive, until CRLF.CRLF, which is consumed. */
struct dot_reader {
	uint8_t state;
	bool bare;       /* a bare CR or LF was seen (the data goes on to its end all the same) */
	uint64_t bytes;  /* of the message so far */
};
void dot_init(struct dot_reader *d);
/* The next chunk of message bytes (never empty on E_OK; at most 64 KiB, borrowed until the next
 * call); E_CLOSED after the end of the message, others as stream_fill with E_RETRY standing for a
 * connection that closed in the middle. */
WAITS enum err dot_read(struct dot_reader *d, struct stream *s, int64_t deadline_ms,
			slice_t *out) MUST_USE;

#endif
