/*
 * frontend/outbound: mail on its way to other hosts. What lives here speaks to strangers as a
 * client; it holds no mail and decides no retry: that is the queue's, in the back-end.
 *
 *   smtp_client       a connection: greeting, EHLO, STARTTLS, log-in, QUIT (RFC 5321, LMTP: 2033)
 *   smtp_client_tls   STARTTLS and what is demanded of the peer
 *   smtp_client_auth  AUTH with PLAIN, LOGIN, SCRAM-SHA-256, GSSAPI (RFC 4954)
 *   smtp_client_send  a transaction, pipelined where the peer allows it
 *   smtp_client_body  the message's bytes: DATA, BDAT
 *   smtp_msg          one message, its results, its MAIL and RCPT
 *   smtp_body         dot-stuffing
 *   smtp_offer        what EHLO's answer offers
 *   smtp_answer       the strict reader of replies
 *   smtp_result       what became of it
 *
 * The client is protocol alone: it knows no queue, no DNS, no RPC. It runs in the caller's fiber;
 * one fiber uses a client at a time. Every answer of the peer is bounded in bytes, lines and time,
 * and whatever is not an answer ends the connection with a LATER that names the phase: a stranger's
 * garbage is no reason to bounce mail. The peer's own 5yz is REFUSED in any phase; who has other
 * hosts to ask asks them first, where the phase is before MAIL.
 */
#ifndef FRONTEND_OUTBOUND_SMTP_CLIENT_H
#define FRONTEND_OUTBOUND_SMTP_CLIENT_H

#include "common/log/log.h"
#include "common/net/stream.h"
#include "frontend/outbound/smtp_msg.h"

struct smtp_client;
struct tls_ctx;

enum smtp_kind { SMTP_KIND_SMTP, SMTP_KIND_LMTP };

enum smtp_tls_demand {
	SMTP_TLS_NONE,    /* never */
	SMTP_TLS_MAY,     /* when it is offered; whoever is there */
	SMTP_TLS_ENCRYPT, /* must; whoever is there */
	SMTP_TLS_VERIFY,  /* must; a public authority's certificate for one of the names */
	SMTP_TLS_DANE,    /* must; a TLSA record matches (RFC 7672) */
	SMTP_TLS_PINNED,  /* must; one of the fingerprints */
};
enum smtp_tls_start { SMTP_STARTTLS, SMTP_TLS_AT_ONCE };

/* Milliseconds; RFC 5321 section 4.5.3.2 where it has one. */
struct smtp_timeouts {
	int64_t connect_ms;
	int64_t greeting_ms;
	int64_t hello_ms; /* EHLO, HELO, STARTTLS, each answer of AUTH, RSET */
	int64_t tls_ms;
	int64_t mail_ms;
	int64_t rcpt_ms;
	int64_t envelope_ms; /* all answers before the body: who trickles them holds us no longer */
	int64_t data_ms;
	int64_t block_ms; /* one chunk of the message into the peer's window */
	int64_t dot_ms;
	int64_t quit_ms;
};
extern const struct smtp_timeouts smtp_timeouts_default;

#define SMTP_TOKEN_MAX 9204 /* in base64 behind "AUTH GSSAPI " a line of 12,286 bytes */

/* A log-in with GSSAPI (RFC 4752): whoever has the ticket answers the peer. */
struct smtp_gssapi {
	/* The answer to the peer's challenge, into `say`, which is empty; the first one is to
	 * nothing. *done_out: the peer has proven who it is, and there is no more to be said. Not
	 * E_OK: there is none, for what `why` says; E_CANCELLED. */
	WAITS enum err (*step)(void *arg, slice_t challenge, struct buf *say, bool *done_out,
			       struct diag *why);
	void *arg;
};

/* Borrowed until smtp_client_free(), all of it. */
struct smtp_client_opts {
	struct ipaddr addr;
	uint16_t port;
	const struct ipaddr *source; /* NULL: the system's choice */
	const char *helo;            /* our name, a domain; what is none fails for now (4.3.5) */
	enum smtp_kind kind;
	enum smtp_tls_demand tls;
	enum smtp_tls_start tls_start;
	struct tls_ctx *tls_ctx; /* TLS_PUBLIC_CLIENT; NULL only with SMTP_TLS_NONE */
	struct tls_peer_check
		check;    /* VERIFY: names; DANE: names and records; PINNED: pins; its kind
					follows from `tls`. MAY, advisory: names */
	const char *sni;  /* NULL: none is sent */
	slice_t user;     /* empty: no log-in. Needs TLS */
	slice_t password; /* never logged */
	const struct smtp_gssapi *gssapi;     /* not NULL: the user logs in so, or not at all */
	const struct smtp_timeouts *timeouts; /* NULL: the default ones */
	const struct stream_opts *stream;     /* NULL: the default ones */
	const struct log_ctx *log;            /* may be NULL */
};

/* Why there is no connection. `local` and what is said of TLS hold for one that stands, too. */
struct smtp_client_why {
	struct smtp_result result;
	struct ipaddr local;     /* our end; family 0: it was not reached */
	enum tls_fault fault;    /* the peer is not whom was demanded, or only asked after: */
	struct diag fault_words; /* set with a fault */
	bool try_clear; /* SMTP_TLS_MAY: STARTTLS was refused, or the handshake broke: a new
			   connection with SMTP_TLS_NONE may do */
};

/* Connects, up to a session that takes MAIL. E_OK; E_RETRY or E_DENIED as why->result.verdict is
 * LATER or REFUSED; E_CANCELLED (why is filled all the same). */
WAITS enum err smtp_client_open(const struct smtp_client_opts *opts, struct smtp_client **out,
				struct smtp_client_why *why) MUST_USE;

/* The same on a connection that stands, whose other side is the server from now on and greets. It
 * stays the caller's, who closes it when the client is freed. opts: no TLS to be started, no
 * log-in; the address is for the log. */
WAITS enum err smtp_client_adopt(struct stream *s, const struct smtp_client_opts *opts,
				 struct smtp_client **out, struct smtp_client_why *why) MUST_USE;

/* Sends one message to those recipients that have no result yet; then all have one. E_OK: the
 * connection may be used again (ask smtp_client_usable() before); E_CLOSED: it is over;
 * E_CANCELLED: it is over, too. Results hold in every case.
 * Who is cancelled while the answer to a whole message is awaited has a LATER for what may have
 * been taken: shield the call where a double is worse than a wait.
 * Recipients beyond the peer's RCPTMAX get LATER with again_now. */
WAITS enum err smtp_client_send(struct smtp_client *c, struct smtp_msg *m) MUST_USE;

/* Whether another message may be sent: the connection stands, the peer has said nothing out of
 * turn, and its MAILMAX (RFC 9422) is not reached. */
bool smtp_client_usable(const struct smtp_client *c);

/* Says QUIT and waits a moment for its answer (RFC 5321 section 4.1.1.10). */
WAITS void smtp_client_quit(struct smtp_client *c);
/* Closes what is open. NULL is harmless. */
void smtp_client_free(struct smtp_client **c);

/* Facts; they live as long as the client. */
const struct smtp_offer *smtp_client_offer(const struct smtp_client *c);
/* NULL: in clear, or the connection is over. */
const struct tls_facts *smtp_client_tls(const struct smtp_client *c);
/* The name in the greeting; may be empty. */
const char *smtp_client_peer_name(const struct smtp_client *c);

#endif
