#include "frontend/smtp/smtp_reply.h"

#include <stdio.h>

#include "common/base/buf.h"
#include "common/loop/fiber.h"
#include "frontend/smtp/smtp.h"

#define REPLY_MAX       512 /* RFC 5321 section 4.5.3.1.5 */
#define LIMIT_WORDS_MAX (sizeof(struct diag) + 2)

enum { ENDS = 1, COUNTS = 2, EXTRA_FIRST = 4 };

struct reply {
	uint16_t code;
	uint8_t flags;
	const char *enhanced; /* RFC 3463; "" where RFC 2034 wants none */
	const char *text;
};

/* Counts: an error of the client's, up to smtp.errors_max of them. */
static const struct reply replies[SAY_LAST + 1] = {
	[SAY_NOTHING] = {451, 0, "4.3.0", "Try again later"},
	[SAY_OK] = {250, 0, "2.0.0", "OK"},
	[SAY_HELP] = {214, 0, "2.0.0", "See RFC 5321"},
	[SAY_BYE] = {221, 0, "2.0.0", "Bye"},
	[SAY_TLS_GO] = {220, 0, "2.0.0", "Ready to start TLS"},
	[SAY_AUTH_OK] = {235, 0, "2.7.0", "Authentication succeeded"},
	[SAY_SENDER_OK] = {250, 0, "2.1.0", "Sender OK"},
	[SAY_RCPT_OK] = {250, 0, "2.1.5", "Recipient OK"},
	[SAY_VRFY] = {252, 0, "2.5.2", "Cannot verify; send mail and see"},
	[SAY_DATA_GO] = {354, 0, "", "End data with <CR><LF>.<CR><LF>"},
	[SAY_CHUNK_OK] = {250, 0, "2.0.0", "Chunk taken"},
	[SAY_TAKEN] = {250, 0, "2.0.0", "Message taken"},
	[SAY_TAKEN_LOWERED] = {250, EXTRA_FIRST, "2.3.6", "is its priority now. Message taken"},
	[SAY_ETRN_STARTED] = {250, 0, "2.0.0", "Queuing started for node"},
	[SAY_ETRN_EMPTY] = {251, 0, "2.0.0", "No messages waiting for node"},
	[SAY_ETRN_PENDING] = {252, 0, "2.0.0", "Pending messages started for node"},
	[SAY_ETRN_COUNTED] = {253, 0, "2.0.0", "Pending messages started for the node:"},
	[SAY_TURN_GO] = {250, 0, "2.0.0", "OK now reversing the connection"},
	[SAY_SHUTDOWN] = {421, ENDS, "4.3.2", "Service closing"},
	[SAY_STOPPED] = {421, ENDS, "4.3.2", "Service stopped"},
	[SAY_IDLE] = {421, ENDS, "4.4.2", "Waited too long"},
	[SAY_ERRORS] = {421, ENDS, "4.7.0", "Too many errors"},
	[SAY_MESSAGES] = {421, ENDS, "4.7.0", "Too many messages in one session"},
	[SAY_SESSION_BYTES] = {421, ENDS, "4.7.0", "Too many bytes in one session"},
	[SAY_GUESSING] = {421, ENDS, "4.7.0", "Too many unknown recipients"},
	[SAY_RCPT_ENOUGH] = {421, ENDS, "4.7.0", "Too many refused recipients"},
	[SAY_AUTH_TRIES] = {421, ENDS, "4.7.0", "Too many failed attempts"},
	[SAY_NO_SERVICE] = {554, ENDS, "5.7.1", "No service for your address"},
	[SAY_NO_NAME] = {554, ENDS, "5.7.25", "Your address has no name that leads back to it"},
	[SAY_NAME_LATER] = {421, ENDS, "4.4.3", "Cannot find the name of your address now"},
	[SAY_TALKS_EARLY] = {554, ENDS, "5.5.0", "You spoke before the greeting"},
	[SAY_NOT_IN_STEP] = {503, ENDS, "5.5.0", "Wait for the reply to this command"},
	[SAY_LINE_ENDLESS] = {500, ENDS, "5.5.2", "Line too long"},
	[SAY_BDAT_LOST] = {501, ENDS, "5.5.4", "BDAT needs a size that can be taken"},
	[SAY_LATER] = {451, 0, "4.3.0", "Try again later"},
	[SAY_NO_BACKEND] = {451, 0, "4.3.2", "Mailboxes are not available, try again later"},
	[SAY_BUSY] = {451, 0, "4.3.2", "Too busy, try again later"},
	[SAY_TLS_NOT_NOW] = {454, 0, "4.7.0", "TLS not available"},
	[SAY_AUTH_LATER] = {454, 0, "4.7.0", "Temporary authentication failure"},
	[SAY_AUTH_LIMIT] = {454, 0, "4.7.0", "Too many attempts, try again later"},
	[SAY_RCPT_LATER] = {451, 0, "4.3.0", "Cannot tell about this recipient now"},
	[SAY_RCPT_QUOTA] = {452, 0, "4.2.2", "Mailbox full"},
	[SAY_RCPT_LIMIT] = {450, 0, "4.2.1", "Recipient gets too much mail now"},
	[SAY_RCPT_TOO_MANY] = {452, 0, "4.5.3", "Too many recipients"},
	[SAY_NO_ROOM] = {452, 0, "4.3.1", "No room for this now"},
	[SAY_SENDS_TOO_MUCH] = {450, 0, "4.7.1", "Not now"},
	[SAY_TURN_DENIED] = {450, 0, "4.7.1", "ATRN request refused"},
	[SAY_TURN_LATER] = {451, 0, "4.3.0", "Unable to process ATRN request now"},
	[SAY_TURN_EMPTY] = {453, 0, "4.0.0", "You have no mail"},
	[SAY_ETRN_LATER] = {458, 0, "4.3.0", "Unable to queue messages now for node"},
	[SAY_ETRN_DENIED] = {459, COUNTS, "4.7.1", "Not allowed, or nothing held, for node"},
	[SAY_UNKNOWN_COMMAND] = {500, COUNTS, "5.5.2", "Unknown command"},
	[SAY_NOT_IMPLEMENTED] = {502, COUNTS, "5.5.1", "Not implemented"},
	[SAY_LINE_TOO_LONG] = {500, COUNTS, "5.5.2", "Line too long"},
	[SAY_LINE_BARE] = {500, COUNTS, "5.5.2", "Lines end in CRLF, without CR, LF or NUL inside"},
	[SAY_SYNTAX] = {501, COUNTS, "5.5.4", "Syntax error in arguments"},
	[SAY_NO_ARGS] = {501, COUNTS, "5.5.4", "No arguments here"},
	[SAY_PARAMETER] = {555, COUNTS, "5.5.4", "Parameter not known or not allowed"},
	[SAY_HOLD_TOO_LONG] = {501, COUNTS, "5.5.4", "No message is held back so long"},
	[SAY_BY_TOO_EARLY] = {501, COUNTS, "5.5.4", "It would be too late before it may go"},
	[SAY_HELO_FIRST] = {503, COUNTS, "5.5.1", "EHLO first"},
	[SAY_LHLO_FIRST] = {503, COUNTS, "5.5.1", "LHLO first"},
	[SAY_MAIL_FIRST] = {503, COUNTS, "5.5.1", "MAIL first"},
	[SAY_RCPT_FIRST] = {554, COUNTS, "5.5.1", "No valid recipients"},
	[SAY_LMTP_RCPT_FIRST] = {503, COUNTS, "5.5.1", "No valid recipients"},
	[SAY_NESTED_MAIL] = {503, COUNTS, "5.5.1", "A message is under way"},
	[SAY_BINARY_BDAT] = {503, COUNTS, "5.5.1", "BODY=BINARYMIME goes with BDAT"},
	[SAY_BDAT_GOES_ON] = {503, COUNTS, "5.5.1", "BDAT or RSET expected"},
	[SAY_BDAT_FAILED] = {503, COUNTS, "5.5.1", "A chunk before this one failed, RSET expected"},
	[SAY_TLS_FIRST] = {530, COUNTS, "5.7.0", "STARTTLS first"},
	[SAY_REQUIRETLS] = {530, COUNTS, "5.7.10", "REQUIRETLS needs TLS, STARTTLS first"},
	[SAY_TLS_ALREADY] = {503, COUNTS, "5.5.1", "TLS is on"},
	[SAY_AUTH_FIRST] = {530, COUNTS, "5.7.0", "Authentication required"},
	[SAY_AUTH_ALREADY] = {503, COUNTS, "5.5.1", "Already authenticated"},
	[SAY_AUTH_NEEDS_TLS] = {538, COUNTS, "5.7.11", "Encryption required, STARTTLS first"},
	[SAY_AUTH_MECHANISM] = {504, COUNTS, "5.5.4", "Mechanism not offered"},
	[SAY_AUTH_CANCELLED] = {501, COUNTS, "5.5.2", "Cancelled, or not base64"},
	[SAY_AUTH_TOO_LONG] = {500, COUNTS, "5.5.6", "Line too long"},
	[SAY_AUTH_DENIED] = {535, COUNTS, "5.7.8", "Wrong name or password"},
	[SAY_TICKET_GONE] = {421, ENDS, "4.7.0", "Session ended, log in again"},
	[SAY_BAD_SENDER] = {501, COUNTS, "5.1.7", "Bad sender address"},
	[SAY_BAD_RCPT] = {501, COUNTS, "5.1.3", "Bad recipient address"},
	[SAY_NEEDS_UTF8] = {553, COUNTS, "5.6.7", "SMTPUTF8 is needed for this address"},
	[SAY_SENDER_OURS] = {550, COUNTS, "5.7.1", "Authenticate to send from this domain"},
	[SAY_SENDER_NOT_YOURS] = {550, COUNTS, "5.7.1", "Not your address"},
	[SAY_FROM_OURS] = {550, 0, "5.7.1", "Authenticate to send with this domain in From"},
	[SAY_FROM_NOT_YOURS] = {550, 0, "5.7.1", "From or Sender is not your address"},
	[SAY_FROM_BAD] = {550, 0, "5.6.0", "From cannot be read"},
	[SAY_NO_SUCH_USER] = {550, 0, "5.1.1", "No such user"},
	[SAY_RCPT_EXPANDS] = {550, 0, "5.2.4", "Address expands to too many recipients"},
	[SAY_NO_RELAY] = {550, COUNTS, "5.7.1", "No relaying"},
	[SAY_TOO_BIG] = {552, 0, "5.3.4", "Message too big"},
	[SAY_BARE] = {550, COUNTS, "5.6.11", "Bare CR or LF in the message"},
	[SAY_NUL] = {550, COUNTS, "5.6.0", "NUL in the message"},
	[SAY_STRAY] = {550, 0, "5.6.0", "The header begins with a folded line"},
	[SAY_LOOP] = {554, 0, "5.4.6", "Too many hops, mail loop"},
	[SAY_REFUSED] = {554, 0, "5.7.1", "Message refused"},
};

/* What the back-end's (or our own) error means at each place. Without a row: SAY_LATER. */
/* clang-format off */
static const enum smtp_say errors[AT_LAST + 1][E_WIRE_LAST + 1] = {
	[AT_SENDER] = {
		[E_RETRY] = SAY_NO_BACKEND,
		[E_DENIED] = SAY_SENDER_NOT_YOURS,
		[E_NO_TICKET] = SAY_TICKET_GONE,
		[E_NOT_FOUND] = SAY_SENDER_NOT_YOURS,
		[E_LIMIT] = SAY_BUSY,
		[E_BUSY] = SAY_BUSY,
		[E_INVALID] = SAY_BAD_SENDER,
		[E_RATE] = SAY_SENDS_TOO_MUCH,
	},
	[AT_RCPT] = {
		[E_RETRY] = SAY_NO_BACKEND,
		[E_DENIED] = SAY_NO_RELAY,
		[E_NO_TICKET] = SAY_TICKET_GONE,
		[E_NOT_FOUND] = SAY_NO_SUCH_USER,
		[E_QUOTA] = SAY_RCPT_QUOTA,
		[E_TOO_BIG] = SAY_RCPT_EXPANDS,
		[E_LIMIT] = SAY_RCPT_LIMIT,
		[E_BUSY] = SAY_BUSY,
		[E_INVALID] = SAY_BAD_RCPT,
		[E_RATE] = SAY_SENDS_TOO_MUCH,
	},
	[AT_MESSAGE] = {
		[E_RETRY] = SAY_NO_BACKEND,
		[E_DENIED] = SAY_REFUSED,
		[E_NO_TICKET] = SAY_LATER,
		[E_NOT_FOUND] = SAY_NO_SUCH_USER,
		[E_QUOTA] = SAY_RCPT_QUOTA,
		[E_TOO_BIG] = SAY_TOO_BIG,
		[E_LIMIT] = SAY_NO_ROOM,
		[E_BUSY] = SAY_BUSY,
		[E_INVALID] = SAY_REFUSED,
		[E_RATE] = SAY_SENDS_TOO_MUCH,
	},
	[AT_AUTH] = {
		[E_RETRY] = SAY_AUTH_LATER,
		[E_DENIED] = SAY_AUTH_DENIED,
		[E_LIMIT] = SAY_AUTH_LIMIT,
		[E_BUSY] = SAY_AUTH_LATER,
		[E_INVALID] = SAY_AUTH_CANCELLED,
		[E_TOO_BIG] = SAY_AUTH_TOO_LONG,
	},
	[AT_NODE] = {
		[E_RETRY] = SAY_ETRN_LATER,
		[E_DENIED] = SAY_ETRN_DENIED,
		[E_NO_TICKET] = SAY_ETRN_LATER,
		[E_NOT_FOUND] = SAY_ETRN_DENIED,
		[E_QUOTA] = SAY_ETRN_LATER,
		[E_TOO_BIG] = SAY_ETRN_LATER,
		[E_LIMIT] = SAY_ETRN_LATER,
		[E_BUSY] = SAY_ETRN_LATER,
		[E_INVALID] = SAY_ETRN_DENIED,
		[E_RATE] = SAY_ETRN_LATER,
	},
};
/* clang-format on */

enum smtp_say smtp_say_for(enum smtp_where at, enum err e)
{
	if (e == E_OK || e > E_WIRE_LAST)
		return e == E_FULL || e == E_CORRUPT ? SAY_LATER : SAY_NOTHING;
	return errors[at][e] != SAY_NOTHING ? errors[at][e] : SAY_LATER;
}

unsigned smtp_say_code(enum smtp_say what)
{
	return replies[what].code;
}

const char *smtp_say_words(enum smtp_say what)
{
	return replies[what].text;
}

void smtp_say_format(enum smtp_say what, const char *extra, struct buf *out)
{
	const struct reply *r = &replies[what];

	buf_printf(out, "%u %s%s", r->code, r->enhanced, r->enhanced[0] ? " " : "");
	if (extra == NULL)
		buf_printf(out, "%s\r\n", r->text);
	else if (r->flags & EXTRA_FIRST)
		buf_printf(out, "%s %s\r\n", extra, r->text);
	else
		buf_printf(out, "%s %s\r\n", r->text, extra);
}

/* The back-end's words of a limit, in brackets; NULL: none that a reply may hold. */
static const char *limit_words(const struct smtp *s, char out[LIMIT_WORDS_MAX])
{
	for (const char *p = s->limit.text; *p != '\0'; p++) {
		if (*p < 0x20 || *p > 0x7e)
			return NULL;
	}
	snprintf(out, LIMIT_WORDS_MAX, "(%s)", s->limit.text);
	return s->limit.text[0] != '\0' ? out : NULL;
}

WAITS enum err smtp_say_row(struct smtp *s, enum smtp_say what, const char *extra)
{
	struct buf b;
	enum err e;

	buf_init(&b, REPLY_MAX, NULL);
	smtp_say_format(what, extra, &b);
	invariant(!buf_failed(&b));
	e = stream_write(s->base.stream, buf_slice(&b),
			 deadline_in(smtp_limits(s)->command_timeout_ms));
	buf_fini(&b);
	if (e != E_OK)
		session_failed(&s->base, e);
	return e;
}

WAITS enum err smtp_say_with(struct smtp *s, enum smtp_say what, const char *extra)
{
	const struct reply *r = &replies[what];
	char words[LIMIT_WORDS_MAX];
	enum err e;

	if (what == SAY_SENDS_TOO_MUCH && extra == NULL)
		extra = limit_words(s, words);
	if ((r->flags & COUNTS) && ++s->errors > smtp_limits(s)->errors_max) {
		LOG(LOG_INFO, &s->base.log, "smtp.too_many_errors", LF_UINT("errors", s->errors));
		return smtp_say_with(s, SAY_ERRORS, NULL);
	}
	e = smtp_say_row(s, what, extra);
	if (e != E_OK)
		return e;
	if (r->flags & ENDS) {
		session_ends(&s->base, r->text);
		return E_CLOSED;
	}
	return E_OK;
}

WAITS enum err smtp_say(struct smtp *s, enum smtp_say what)
{
	return smtp_say_with(s, what, NULL);
}

WAITS enum err smtp_refuse_command(struct smtp *s, enum smtp_say why, slice_t what)
{
	LOG(LOG_INFO, &s->base.log, "smtp.refused", LF_SLICE("command", what),
	    LF_UINT("code", smtp_say_code(why)), LF_STR("reason", smtp_say_words(why)));
	return smtp_say(s, why);
}

WAITS enum err smtp_say_err(struct smtp *s, enum smtp_where at, enum err e)
{
	enum smtp_say what = smtp_say_for(at, e);

	return what == SAY_NOTHING ? e : smtp_say(s, what);
}

void smtp_say_last(struct smtp *s, enum smtp_say what)
{
	struct buf b;

	session_ends(&s->base, replies[what].text);
	buf_init(&b, REPLY_MAX, NULL);
	smtp_say_format(what, NULL, &b);
	/* A client that does not read gets no last words. */
	if (stream_write_now(s->base.stream, buf_slice(&b)) != E_OK)
		LOG(LOG_DEBUG, &s->base.log, "smtp.last_words_lost");
	buf_fini(&b);
}
