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
#include "frontend/core/ticket.h"

/* One bound port of a worker. TLS is implicit (465, 993) or offered (25, 587, 143). */
struct endpoint {
	const char *name;          /* "smtp", "submission", "submissions", "imap", "imaps" */
	enum rpc_service service;
	bool implicit_tls;
	struct listener *listener;
	unsigned sessions;         /* now */
};

struct session {
	uint32_t magic;
	struct list node;          /* in the worker's list of sessions */
	struct fiber *fiber;
	struct stream *stream;
	const struct endpoint *endpoint;
	struct budget budget;      /* small until log-in, raised then */
	struct log_ctx log;        /* session=..., peer=... */
	uint8_t id[16];            /* random; the session id of tickets and logs */
	char id_hex[33];
	int64_t started_ms;
	struct ticket *ticket;     /* after log-in, else NULL; owned */
	const char *state;         /* a literal, for administrators: "greeting", "selected" */
	const char *end_reason;    /* a literal for the last log line */
};

/* A protocol: what a worker of the service runs for each connection. */
struct protocol {
	enum rpc_service service;
	size_t session_size;       /* its struct; begins with struct session */
	/* The whole conversation. When it returns the session is closed with CLOSE_DONE. For
	 * implicit TLS the handshake is done before. */
	WAITS void (*run)(struct session *s);
	/* The last words for a connection over a limit or at shutdown; must not wait. */
	void (*refuse)(struct stream *s, const char *why);
};

/* Takes over an accepted stream: checks the limits of the endpoint (connections in all, per
 * address, rate per address, memory), starts the fiber or says the protocol's refusal. */
void session_accept(const struct protocol *p, struct endpoint *e, struct stream *stream);
/* The certificates for public listeners; replaced on reload. */
struct tls_ctx *session_tls(void);
void session_tls_set(struct tls_ctx *ctx);
/* STARTTLS: the handshake with the configured deadline; afterwards the conversation starts anew. */
WAITS enum err session_starttls(struct session *s) MUST_USE;
/* Ends the session from outside its fiber (killed, shutdown): cancels it. why is a literal. */
void session_end(struct session *s, const char *why);
/* Sessions of this worker. */
unsigned session_count(void);
struct session *session_find(const uint8_t id[16]);
void session_each(void (*fn)(struct session *s, void *arg), void *arg);
/* After log-in: keeps the ticket, raises the budget, adds user= to the log context. Takes over
 * *t. */
void session_logged_in(struct session *s, struct ticket **t);

#endif
