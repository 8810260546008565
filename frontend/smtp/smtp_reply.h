/*
 * smtp_reply: every reply that is ever given, by name, and the table that turns an enum err into
 * one. Handlers name what they mean; codes and words stand here alone.
 */
#ifndef FRONTEND_SMTP_SMTP_REPLY_H
#define FRONTEND_SMTP_SMTP_REPLY_H

#include "common/base/err.h"
#include "common/base/slice.h"

struct smtp;

enum smtp_say {
	SAY_NOTHING,
	SAY_OK,
	SAY_HELP,
	SAY_BYE,
	SAY_TLS_GO,
	SAY_AUTH_OK,
	SAY_SENDER_OK,
	SAY_RCPT_OK,
	SAY_VRFY,
	SAY_DATA_GO,
	SAY_CHUNK_OK,
	SAY_TAKEN,
	SAY_TAKEN_LOWERED, /* the new priority stands before the words */
	SAY_ETRN_STARTED,
	SAY_ETRN_EMPTY,
	SAY_ETRN_PENDING,
	SAY_ETRN_COUNTED,
	SAY_TURN_GO,
	/* 421: said, then the session ends */
	SAY_SHUTDOWN,
	SAY_STOPPED,
	SAY_IDLE,
	SAY_ERRORS,
	SAY_MESSAGES,
	SAY_SESSION_BYTES,
	SAY_GUESSING,
	SAY_RCPT_ENOUGH,
	SAY_AUTH_TRIES,
	SAY_NO_SERVICE, /* 554 in place of the greeting, as the next one */
	SAY_NO_NAME,
	SAY_NAME_LATER,
	SAY_TALKS_EARLY, /* 554 in place of the greeting, 503 later: both end it */
	SAY_NOT_IN_STEP,
	SAY_LINE_ENDLESS,
	SAY_BDAT_LOST,
	/* what a client may try again */
	SAY_LATER,
	SAY_NO_BACKEND,
	SAY_BUSY,
	SAY_TLS_NOT_NOW,
	SAY_AUTH_LATER,
	SAY_AUTH_LIMIT,
	SAY_RCPT_LATER,
	SAY_RCPT_QUOTA,
	SAY_RCPT_LIMIT,
	SAY_RCPT_TOO_MANY,
	SAY_NO_ROOM,
	SAY_SENDS_TOO_MUCH,
	SAY_TURN_DENIED,
	SAY_TURN_LATER,
	SAY_TURN_EMPTY,
	SAY_ETRN_LATER,
	SAY_ETRN_DENIED,
	/* for good */
	SAY_UNKNOWN_COMMAND,
	SAY_NOT_IMPLEMENTED,
	SAY_LINE_TOO_LONG,
	SAY_LINE_BARE,
	SAY_SYNTAX,
	SAY_NO_ARGS,
	SAY_PARAMETER,
	SAY_HOLD_TOO_LONG,
	SAY_BY_TOO_EARLY,
	SAY_HELO_FIRST,
	SAY_LHLO_FIRST,
	SAY_MAIL_FIRST,
	SAY_RCPT_FIRST,
	SAY_LMTP_RCPT_FIRST,
	SAY_NESTED_MAIL,
	SAY_BINARY_BDAT,
	SAY_BDAT_GOES_ON,
	SAY_BDAT_FAILED,
	SAY_TLS_FIRST,
	SAY_TLS_ALREADY,
	SAY_REQUIRETLS,
	SAY_AUTH_FIRST,
	SAY_AUTH_ALREADY,
	SAY_AUTH_NEEDS_TLS,
	SAY_AUTH_MECHANISM,
	SAY_AUTH_CANCELLED,
	SAY_AUTH_TOO_LONG,
	SAY_AUTH_DENIED,
	SAY_TICKET_GONE,
	SAY_BAD_SENDER,
	SAY_BAD_RCPT,
	SAY_NEEDS_UTF8,
	SAY_SENDER_OURS,
	SAY_SENDER_NOT_YOURS,
	SAY_FROM_OURS,
	SAY_FROM_NOT_YOURS,
	SAY_FROM_BAD,
	SAY_NO_SUCH_USER,
	SAY_RCPT_EXPANDS,
	SAY_NO_RELAY,
	SAY_TOO_BIG,
	SAY_BARE,
	SAY_NUL,
	SAY_STRAY,
	SAY_LOOP,
	SAY_REFUSED,
	SAY_LAST = SAY_REFUSED,
};

/* Whose failure an enum err is. */
enum smtp_where { AT_SENDER, AT_RCPT, AT_MESSAGE, AT_AUTH, AT_NODE, AT_LAST = AT_NODE };

/* The reply for a failure; SAY_NOTHING for one of the client's own stream (E_CANCELLED, ...). */
enum smtp_say smtp_say_for(enum smtp_where at, enum err e);
/* Its code: 250, 421, ...; its words, for the log. */
unsigned smtp_say_code(enum smtp_say what);
const char *smtp_say_words(enum smtp_say what);
/* The whole line with CRLF, for words that cannot wait; extra may be NULL. */
struct buf;
void smtp_say_format(enum smtp_say what, const char *extra, struct buf *out);

/* Says it. E_OK: the session goes on. Replies of 421, too many errors, and a lost client end it. */
WAITS enum err smtp_say(struct smtp *s, enum smtp_say what) MUST_USE;
/* The same with text after the words (a trace id, a number). */
WAITS enum err smtp_say_with(struct smtp *s, enum smtp_say what, const char *extra) MUST_USE;
/* One of several replies to one command (LMTP): nothing is counted, and nothing ends but with the
 * connection. */
WAITS enum err smtp_say_row(struct smtp *s, enum smtp_say what, const char *extra) MUST_USE;
/* Says that a command is refused, and writes it into the log. what: the command, as it may be
 * logged. */
WAITS enum err smtp_refuse_command(struct smtp *s, enum smtp_say why, slice_t what) MUST_USE;
/* smtp_say of smtp_say_for; E_CANCELLED ends the session without a word here. */
WAITS enum err smtp_say_err(struct smtp *s, enum smtp_where at, enum err e) MUST_USE;
/* Queues it without waiting: last words. */
void smtp_say_last(struct smtp *s, enum smtp_say what);

#endif
