/*
 * smtp_answer: a reply of an SMTP or LMTP server (RFC 5321 section 4.2), read strictly: the peer is
 * a stranger. Codes are 200 to 599 and the same on every line. Line ends are CRLF, as everywhere
 * (frontend/core/line): a reply whose end is in doubt would shift all later ones of a pipeline, and
 * a recipient would get another's answer.
 */
#ifndef FRONTEND_OUTBOUND_SMTP_ANSWER_H
#define FRONTEND_OUTBOUND_SMTP_ANSWER_H

#include "common/net/stream.h"
#include "frontend/outbound/smtp_result.h"

#define SMTP_ANSWER_LINE_MAX  2046         /* RFC 5321 section 4.5.3.1.5 says 512; some say more */
#define SMTP_ANSWER_LINES_MAX 100          /* EHLO of the wordiest server has about 30 */
#define SMTP_ANSWER_MAX       (16u * 1024) /* bytes of all lines of one */

struct smtp_answer {
	unsigned code;
	unsigned lines;
	size_t bytes;
	char status[SMTP_STATUS_STR]; /* as said, when it fits the code (RFC 2034); or empty */
	size_t text_n;
	char text[SMTP_TEXT_MAX + 1]; /* all lines, joined by a space, cleaned, cut */
	const char *fault;            /* after P_BAD: a literal */
};

/* Begins one. */
void smtp_answer_init(struct smtp_answer *a);
/* Takes a line without its CRLF: P_MORE: another follows; P_OK: that was the last; P_BAD.
 * *text_out borrows from line. */
enum parse_rc smtp_answer_line(struct smtp_answer *a, slice_t line, slice_t *text_out) MUST_USE;

/* Called with the words of each line, numbered from 0; must not wait. */
typedef void (*smtp_answer_fn)(void *arg, unsigned line, slice_t text);
/* Waits for a whole reply. each may be NULL. E_INVALID: not one, a->fault says why (the stream can
 * only be closed then); E_TIMEOUT, E_CANCELLED, E_CLOSED, E_IO, E_TLS as stream_fill. */
WAITS enum err smtp_answer_read(struct stream *s, int64_t deadline_ms, smtp_answer_fn each,
				void *arg, struct smtp_answer *a) MUST_USE;

static inline bool smtp_answer_is(const struct smtp_answer *a, unsigned first_digit)
{
	return a->code / 100 == first_digit;
}

/* A byte of a peer's words as it may stand in a log or a notification. */
char smtp_printable(char c);

#endif
