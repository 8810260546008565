/*
 * frontend/smtp: mail in, from other servers (25) and from users (submission: 587, 465). One
 * engine; a profile says what differs. RFC 5321, with STARTTLS (3207), PIPELINING (2920), SIZE
 * (1870), 8BITMIME (6152), ENHANCEDSTATUSCODES (2034), CHUNKING and BINARYMIME (3030), SMTPUTF8
 * (6531), DSN (3461), DELIVERBY (2852), LIMITS (9422), REQUIRETLS (8689), AUTH (4954), submission
 * (6409) with FUTURERELEASE (4865) and MT-PRIORITY (6710), ETRN (1985); LMTP (2033); ATRN (2645).
 *
 *   smtp_server  the conversation: greeting, one command after the other, last words
 *   smtp_cmds    the tables of commands, and the small ones
 *   smtp_reply   every reply's code and words; the table from enum err to a reply
 *   smtp_parse   arguments of commands; pure functions; smtp_param  of MAIL, by name
 *   smtp_auth    AUTH
 *   smtp_mail    MAIL           smtp_rcpt   RCPT
 *   smtp_etrn    ETRN           smtp_atrn   ATRN
 *   smtp_sender  may this sender be used? (ours without AUTH; a user's own)
 *   smtp_tx      the transaction: sender, recipients by owner; one reset
 *   smtp_edit    a submission's header, changed on its way: what is hidden, masqueraded domains
 *   smtp_peer    the names of a client's address
 *   smtp_data    DATA and BDAT; smtp_intake: the bytes, read once and passed on as they come
 *   smtp_header  what the end of data must know of the message's own header
 *   smtp_sign    what the owners need to sign a submission
 *   smtp_eom     end of data: the checks, the commits, the reply; smtp_prefix: the trace field
 *   smtp_lmtp    ... or a reply for each recipient
 *
 * A message is never kept here: its bytes go through the MIME parser and the record's blocks to
 * the owners while they arrive, and 250 is said when the lead owner has it on stable storage.
 * A transaction's memory is bounded by SMTP_TX_MEMORY, whatever its size. Nothing is relayed:
 * recipients are what a back-end resolves.
 */
#ifndef FRONTEND_SMTP_SMTP_H
#define FRONTEND_SMTP_SMTP_H

#include "frontend/core/cmd.h"
#include "frontend/core/policy.h"
#include "frontend/core/session.h"
#include "frontend/smtp/smtp_reply.h"
#include "frontend/smtp/smtp_tx.h"

/* RFC 5321 section 4.5.3.1.4 says 512 with CRLF; its extensions add up to about 1,600 (ORCPT 500,
 * ENVID 100, AUTH 500, paths in UTF-8). */
#define SMTP_LINE_MAX          2046
/* RFC 4954 section 4: AUTH lines, on submission. */
#define SMTP_AUTH_LINE_MAX     12286
/* Of one transaction: parser, one block of the record plain and compressed, recipients. */
#define SMTP_TX_MEMORY         (4u * 1024 * 1024)
/* Commands in a row that do nothing (NOOP, RSET, EHLO, ...): more is a session kept for its own
 * sake. */
#define SMTP_FREE_MAX          100
/* Failed log-ins in a session, also those that nobody could judge: the owner is asked for each. Its
 * throttle counts across sessions. */
#define SMTP_AUTH_TRIES_MAX    3
/* Unknown recipients in a session: so many are a mistyped list, answered at once ... */
#define SMTP_UNKNOWN_FREE      3
/* ... then each takes longer, and after so many the session is cut: somebody is guessing. */
#define SMTP_UNKNOWN_MAX       15
#define SMTP_UNKNOWN_DELAY_MS  1000
/* Refused recipients of one transaction, whatever for: a long list while its back-end is away. More
 * is somebody who does not listen. */
#define SMTP_RCPTS_REFUSED_MAX 1000
/* Main sender addresses of a session's user. */
#define SMTP_SENDERS_CACHED    8

/* The greeting waits so long for bytes that came with the connection: who speaks first is no mail
 * server. */
#define SMTP_EARLY_MS 2
/* All questions for the names of a client's address, where a server asks for them: clients wait 5
 * minutes for the greeting (RFC 5321 section 4.5.3.2.1). */
#define SMTP_NAMES_MS 10000

/* States, as bits for the tables. */
enum smtp_state {
	SMTP_START = 1, /* before EHLO or HELO */
	SMTP_READY = 2, /* greeted, no transaction */
	SMTP_MAIL = 4,  /* sender taken */
	SMTP_RCPT = 8,  /* at least one recipient taken */
	SMTP_BDAT = 16, /* a chunk taken, the last not yet */
	SMTP_ANY = 31,
};

struct smtp_profile {
	enum rpc_service service;
	size_t line_max;
	const char *greeting;
	/* RFC 2033: for relays of ours (setting lmtp.nets), whose senders and unknown recipients
	 * are their own matter; an answer for each recipient. */
	bool lmtp;
	bool odmr; /* RFC 2645: users fetch what is held for a domain; no mail comes in */
};
const struct smtp_profile *smtp_profile(const struct endpoint *e);

struct smtp {
	struct session base;
	const struct smtp_profile *profile;
	struct smtp_tx tx;
	enum smtp_state state;
	bool ehlo;              /* extensions may be used */
	bool secrets;           /* AUTH came: what looks like a command may be a password */
	unsigned errors;        /* replies of 5xx */
	unsigned free_commands; /* in a row */
	unsigned unknown;       /* recipients */
	unsigned auth_failures;
	unsigned messages; /* transactions begun */
	uint64_t bytes;    /* of messages */
	unsigned nsenders;
	struct smtp_sender {
		uint64_t hash; /* keyed */
		int64_t until_ms;
	} senders[SMTP_SENDERS_CACHED];
	struct diag limit; /* the words of the last E_RATE */
	char helo[256];
	char peer_name[SERVER_DOMAIN_MAX +
		       1]; /* of its address, which it leads back to; or empty */
};

extern const struct protocol smtp_protocol;       /* 25 */
extern const struct protocol submission_protocol; /* 587, 465 */

static inline struct smtp *smtp_of(struct session *s)
{
	return container_of(s, struct smtp, base);
}

/* The limits of the session's listener. */
static inline const struct policy_smtp *smtp_limits(const struct smtp *s)
{
	return server_smtp(s->base.server, s->profile->service);
}

static inline const char *smtp_hostname(const struct smtp *s)
{
	return server_hostname(s->base.server);
}

static inline enum server_auth smtp_auth_mode(const struct smtp *s)
{
	return s->profile->lmtp ? SERVER_AUTH_NONE
				: server_auth_mode(s->base.server, s->profile->service);
}

/* Held mail may be asked for here. */
static inline bool smtp_offers_etrn(const struct smtp *s)
{
	return s->profile->service == SERVICE_SMTP && !s->profile->lmtp && servers_etrn();
}

/* Its messages are submissions: a user's own, of which more is asked, for which more is done. A
 * session that has not logged in, where it may do without, is one of another system. */
static inline bool smtp_submits(const struct smtp *s)
{
	return s->base.ticket != NULL;
}

/* A client that is believed for its address (relay_from), and has not logged in. */
static inline bool smtp_relays_freely(const struct smtp *s)
{
	return s->base.ticket == NULL &&
	       server_relays_from(s->base.server, stream_peer(s->base.stream));
}

/* Before the greeting: the names of the client's address, where its server wants to know them.
 * *why_out: what it is told in place of the greeting; SAY_NOTHING: it is let in. E_CANCELLED. */
WAITS enum err smtp_know_peer(struct smtp *s, enum smtp_say *why_out) MUST_USE;
/* The commands that the session's server has. */
void smtp_commands(const struct smtp *s, const struct cmd_def **table_out, size_t *n_out);
/* What has to come before mail: SAY_TLS_FIRST, SAY_AUTH_FIRST, or SAY_NOTHING. */
enum smtp_say smtp_first(const struct smtp *s);

void smtp_set_state(struct smtp *s, enum smtp_state state);
/* Forgets the transaction: back to SMTP_READY (or stays in SMTP_START). */
WAITS void smtp_reset(struct smtp *s);

/* Handlers, each in its file. */
WAITS enum err smtp_etrn(struct session *base, slice_t args, void *arg);
WAITS enum err smtp_atrn(struct session *base, slice_t args, void *arg);
WAITS enum err smtp_auth(struct session *base, slice_t args, void *arg);
WAITS enum err smtp_mail(struct session *base, slice_t args, void *arg);
WAITS enum err smtp_rcpt(struct session *base, slice_t args, void *arg);
WAITS enum err smtp_data(struct session *base, slice_t args, void *arg);
WAITS enum err smtp_bdat(struct session *base, slice_t args, void *arg);
/* End of data: judges, commits, replies. The transaction is over afterwards. */
WAITS enum err smtp_eom(struct smtp *s);

#endif
