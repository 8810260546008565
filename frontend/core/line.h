/*
 * line: the only reader of lines and of dot-stuffed data in the front-end: a second one is where
 * smuggling survives. Only CRLF ends a line; a bare CR or a bare LF anywhere is reported, and the
 * caller answers with its protocol's refusal.
 */
#ifndef FRONTEND_CORE_LINE_H
#define FRONTEND_CORE_LINE_H

#include "common/net/stream.h"

/* The rest of a line that is too long is thrown away up to this many bytes; a peer that sends
 * more without an end of line speaks no protocol of ours. */
#define LINE_SKIP_MAX (256u * 1024)
/* A chunk of dot_read: what one record block holds. */
#define DOT_CHUNK_MAX (64u * 1024)

/* Waits for one line of at most max bytes (without its CRLF; at least two bytes less than the
 * stream's window) and consumes it. *out borrows the stream's window: valid until the next wait.
 * E_LIMIT: longer; the line was consumed up to its end. E_TOO_BIG: no end within LINE_SKIP_MAX; the
 * caller closes. E_INVALID: bare CR, bare LF or NUL in it (the line is consumed up to its LF).
 * Others as stream_fill. name is the wait's, a literal. */
WAITS enum err line_read(struct stream *s, size_t max, const char *name, int64_t deadline_ms,
			 slice_t *out) MUST_USE;
/* Zeroes a line just read that held a secret (an AUTH response): before the next wait. */
void line_wipe(slice_t line);

/* Looks for what may not stand in a message (RFC 5321 section 2.3.8): CR and LF but as CRLF, and
 * NUL. Bytes may be cut anywhere. */
struct eol_check {
	bool after_cr;
	bool bare; /* a bare CR or LF was seen */
	bool nul;
};
void eol_check_feed(struct eol_check *c, slice_t bytes);
/* The message is over: a CR at its very end is bare. */
void eol_check_end(struct eol_check *c);

/* Reads what DATA brings (RFC 5321 section 4.5.2): unstuffs dots and passes the message on in
 * chunks as they arrive, until CRLF.CRLF, which is consumed. */
struct dot_reader {
	uint8_t state;
	struct eol_check eol; /* what was seen so far (the data goes on to its end all the same) */
	uint64_t bytes;       /* of the message so far */
};
void dot_init(struct dot_reader *d);
/* The next chunk of message bytes (never empty on E_OK; at most DOT_CHUNK_MAX, borrowed until the
 * next wait); E_CLOSED after the end of the message, others as stream_fill with E_RETRY standing
 * for a connection that closed in the middle. */
WAITS enum err dot_read(struct dot_reader *d, struct stream *s, int64_t deadline_ms,
			slice_t *out) MUST_USE;

#endif
