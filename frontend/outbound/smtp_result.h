/*
 * smtp_result: what became of a recipient, a message or a connection on its way out, in the terms
 * that a queue and a delivery status notification want: where it ended, whether to try again, the
 * peer's code and words. Values; nothing waits here.
 */
#ifndef FRONTEND_OUTBOUND_SMTP_RESULT_H
#define FRONTEND_OUTBOUND_SMTP_RESULT_H

#include "common/base/base.h"

struct smtp_answer;

enum smtp_phase {
	SMTP_AT_CONNECT,
	SMTP_AT_GREETING,
	SMTP_AT_EHLO,
	SMTP_AT_STARTTLS, /* the command, or that it is not offered */
	SMTP_AT_TLS,      /* the handshake, and who is there */
	SMTP_AT_AUTH,
	SMTP_AT_MAIL,
	SMTP_AT_RCPT,
	SMTP_AT_DATA,
	SMTP_AT_BODY,
	SMTP_AT_DOT, /* the answer to the whole message */
};
/* "connect", "greeting", ... */
const char *smtp_phase_name(enum smtp_phase p);

enum smtp_verdict {
	SMTP_TAKEN,   /* the peer is responsible now */
	SMTP_LATER,   /* not now; the same may work later, or at another host */
	SMTP_REFUSED, /* not ever */
};

#define SMTP_STATUS_STR 10  /* "5.123.456" (RFC 3463 section 2) and a NUL */
#define SMTP_TEXT_MAX   512 /* bytes of the peer's words that are kept: a line's worth */

struct smtp_result {
	enum smtp_phase phase;
	enum smtp_verdict verdict;
	uint16_t code;  /* of the peer's reply; 0: the words are ours */
	bool again_now; /* LATER for no fault of its own: in another transaction, at once (too many
			   recipients; a connection that was kept too long) */
	char status[SMTP_STATUS_STR];
	char text[SMTP_TEXT_MAX + 1]; /* printable ASCII */
};

/* A result in our own words; they are cut to fit, and cleaned. */
void smtp_result_own(struct smtp_result *r, enum smtp_phase at, enum smtp_verdict verdict,
		     const char *status, const char *fmt, ...) PRINTF(5, 6);
/* A reply's: the verdict follows from its first digit (a 1yz or 3yz out of place is LATER), the
 * status from its words, or else from its code. */
void smtp_result_of(struct smtp_result *r, enum smtp_phase at, const struct smtp_answer *a);
/* The same failure, but to be tried again: for what is our fault rather than the message's. */
void smtp_result_soften(struct smtp_result *r);

#endif
