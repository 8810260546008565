/*
 * session: one client connection of any protocol: its fiber, identity, budget and limits. The
 * protocol's own struct embeds it and runs in its fiber. It keeps nothing that must survive.
 */
#ifndef FRONTEND_CORE_SESSION_H
#define FRONTEND_CORE_SESSION_H

#include "common/base/arena.h"
#include "common/base/list.h"
#include "common/log/log.h"
#include "common/net/stream.h"
#include "common/net/tls.h"
#include "common/rpc/identity.h"
#include "frontend/core/servers.h"
#include "frontend/core/ticket.h"

/* Tells the owner that a ticket's session has ended (rpc/call_ticket). */
typedef WAITS void ticket_end_fn(const struct ticket *t, const char *reason, uint64_t bytes_in,
				 uint64_t bytes_out);

/* Memory of one session besides its stream and TLS: before log-in a line's worth of state, so that
 * unknown peers cost little; after it room for a large mailbox's view. */
#define SESSION_MEMORY_SMALL     (16u * 1024)
#define SESSION_MEMORY_LOGGED_IN (64u * 1024 * 1024)
/* Of all sessions of a worker: above it each is refused more, never the process killed. */
#define SESSION_MEMORY_ALL       ((size_t)1024 * 1024 * 1024)

/* One bound port of a worker. TLS is implicit (465, 993) or offered (25, 587, 143). */
struct endpoint {
	const char *name; /* "smtp", "lmtp", "submission", "submissions", "odmr", "imap", ... */
	enum rpc_service service;
	bool implicit_tls;
	bool lmtp; /* of SERVICE_SMTP: RFC 2033 is spoken there */
	bool odmr; /* of SERVICE_SUBMISSION: RFC 2645 */
	struct listener *listener;
	unsigned sessions; /* now */
};

struct session {
	uint32_t magic;
	struct list node; /* in the worker's list of sessions */
	const struct protocol *protocol;
	struct fiber *fiber;
	struct stream *stream;
	struct endpoint *endpoint;
	struct server *server; /* whose listener it came to; NULL: nobody's */
	struct budget budget;  /* small until log-in, raised then */
	struct log_ctx log;    /* session=..., peer=... */
	uint8_t id[16];        /* random; the session id of tickets and logs */
	char id_hex[33];
	int64_t started_ms;
	struct ticket *ticket;  /* after log-in, else NULL; owned */
	const char *mechanism;  /* a literal: how it logged in */
	const char *state;      /* a literal, for administrators: "greeting", "selected" */
	const char *end_reason; /* a literal for the last log line; the first one set stays */
	ticket_end_fn *give_back;
	const char *leaving; /* a literal: why it ends after the command in progress; or NULL */
	bool between;        /* no command is in progress: the protocol waits for the next */
};

/* Why a connection is not taken. */
struct refusal {
	const struct server *server; /* or NULL */
	const char *why;             /* a literal */
	bool lasting;                /* coming again is of no use */
};

/* For a service that speaks to other hosts or asks DNS; lives as long as the process. */
struct serve_conf {
	struct tls_ctx *tls; /* TLS_PUBLIC_CLIENT, with the authorities that are believed */
	uint16_t sts_port;   /* of the sites that MTA-STS policies are fetched from */
	slice_t dns_server;  /* "127.0.0.1:53"; empty: from the root servers down */
	slice_t dns_anchors; /* trust anchors as text; empty: nothing is validated */
	bool dns_udp_only;   /* connections are not open to the process */
	slice_t public_cert; /* PEM: the first that the public's listeners of this front-end have */
};

/* A protocol: what a worker of the service runs for each connection; or, of a service without
 * listeners, once. */
struct protocol {
	enum rpc_service service;
	bool batches; /* loop_in_batches() is for it: programs wait for its answers, not people */
	/* Of a service without listeners, whose other fields stay empty: the whole life of its
	 * worker, from the moment that a back-end is there (or was waited for) until it is
	 * cancelled. Returning earlier ends the worker, which is started again. */
	WAITS void (*serve)(const struct serve_conf *c);
	/* ... and when the front-end's files were read again; may be NULL. */
	void (*renewed)(slice_t public_cert);
	size_t session_size; /* its struct; begins with struct session; zeroed at start */
	size_t window_max;   /* of its streams: the longest line and two; 0: the default */
	/* Once, before and after all connections of a service with listeners; may be NULL. */
	WAITS void (*start)(const struct serve_conf *c);
	WAITS void (*stop)(void);
	/* The whole conversation. When it returns the session is closed with CLOSE_DONE. For
	 * implicit TLS the handshake is done before. */
	WAITS void (*run)(struct session *s);
	/* The last words for a connection that is not taken; must not wait. Not called where TLS
	 * comes first. */
	void (*refuse)(struct stream *s, const struct refusal *r);
};

/* Takes over an accepted stream: finds the virtual server that answers there; checks its state, its
 * nets, and the limits (connections in all, per address, rate per address); starts the fiber or
 * says the protocol's refusal. */
void session_accept(const struct protocol *p, struct endpoint *e, struct stream *stream);
/* The certificates for public listeners; replaced on reload. NULL: none, no TLS is offered. */
struct tls_ctx *session_tls(void);
void session_tls_set(struct tls_ctx *ctx); /* takes a reference of its own */
/* STARTTLS: the handshake with the configured deadline; afterwards the conversation starts anew.
 * Any error ends the session. */
WAITS enum err session_starttls(struct session *s) MUST_USE;
/* Ends the session from outside its fiber (killed, shutdown): cancels it. why is a literal. */
void session_end(struct session *s, const char *why);
/* Ends the session when the command in progress is over, at once if there is none: a protocol that
 * has `between` and `leaving` says its last words. why is a literal. */
void session_leave(struct session *s, const char *why);
/* Those of servers that were stopped leave. */
void session_leave_stopped(void);
/* Names the reason of the end, for the log; why is a literal. The first one named stays. */
void session_ends(struct session *s, const char *why);
/* The same for an error of line_read and the like. */
void session_failed(struct session *s, enum err e);
/* Sessions of this worker. */
unsigned session_count(void);
struct session *session_find(const uint8_t id[16]);
void session_each(void (*fn)(struct session *s, void *arg), void *arg);
/* After log-in: keeps the ticket, raises the budget, adds user= to the log context and writes the
 * log-in line. Takes over *t. give_back is called once at the end, when the stream is closed. */
void session_logged_in(struct session *s, struct ticket **t, const char *mechanism,
		       ticket_end_fn *give_back);
/* The session may use up to max bytes from now on (a transaction, a selected mailbox). */
void session_memory(struct session *s, size_t max);

#endif
