/*
 * frontend/sasl: the client's side of a log-in, for any protocol (RFC 4422). The front-end verifies
 * nothing: it moves bytes between the client and the account's owner. Two sets of callbacks say
 * how: the protocol's (a challenge is "334 ..." or "+ ...") and the asker's (rpc/call_auth).
 *
 *   sasl   the table of mechanisms and the exchange
 *
 * Mechanisms: PLAIN (RFC 4616), LOGIN (no RFC; turned into PLAIN here), SCRAM-SHA-256 and
 * SCRAM-SHA-256-PLUS (RFC 5802, 7677, 9266) and GSSAPI (RFC 4752), which are relayed step by step.
 * PLAIN and LOGIN show the password to us, so they are offered under TLS only, as all are. Secrets
 * are wiped as soon as they were passed on, and never logged.
 */
#ifndef FRONTEND_SASL_SASL_H
#define FRONTEND_SASL_SASL_H

#include "common/base/buf.h"
#include "common/base/err.h"
#include "common/net/stream.h"
#include "frontend/core/ticket.h"

/* One line of base64 (RFC 4954 section 4: 12288 octets, CRLF included). */
#define SASL_LINE_MAX     12286
/* Its bytes: the largest is PLAIN with three names of 1 KiB; SCRAM stays below. */
#define SASL_RESPONSE_MAX 4096
/* Of GSSAPI: a ticket with all the groups of its user; as much as the line can hold. */
#define SASL_TOKEN_MAX    9213
/* Challenges of one exchange: SCRAM needs 2. */
#define SASL_STEPS_MAX    8

struct sasl_mech {
	const char *name;
	const char *wire; /* as the owner is asked */
	bool clear;       /* shows the password */
	bool binding;     /* needs channel binding: TLS 1.3's exporter */
	bool prompts;     /* LOGIN: we ask for name and password */
	bool tickets;     /* GSSAPI: needs a back-end's keytab; long responses, no secrets */
};

struct server;
/* What may be offered on this stream now: nothing without TLS; clear ones by policy; those that the
 * virtual server has, or all where there is none (NULL). */
bool sasl_offered(const struct sasl_mech *m, const struct stream *s, const struct server *sv);
/* NULL: unknown, or not offered on this stream. */
const struct sasl_mech *sasl_find(slice_t name, const struct stream *s, const struct server *sv);
/* Appends each offered name with `before` in front of it: " " or " AUTH=". */
void sasl_list(struct buf *out, const char *before, const struct stream *s,
	       const struct server *sv);

/* The protocol's side. challenge sends one; response waits for the client's line without CRLF
 * (borrowed until the next wait, wiped by the driver). */
struct sasl_io {
	void *arg;
	WAITS enum err (*challenge)(void *arg, slice_t base64);
	WAITS enum err (*response)(void *arg, slice_t *out);
};

/* What the owner answered. ticket: the log-in is done; challenge may be set all the same (SCRAM's
 * server signature). */
struct sasl_answer {
	struct buf challenge; /* of SASL_RESPONSE_MAX */
	struct ticket *ticket;
};

/* The owner's side. */
struct sasl_ask {
	void *arg;
	WAITS enum err (*start)(void *arg, const char *mech, slice_t initial,
				struct sasl_answer *a);
	WAITS enum err (*step)(void *arg, slice_t response, struct sasl_answer *a);
};

/* The whole exchange. initial is NULL where the client gave none; base64, "=" is empty; it is
 * wiped. *out is the caller's. Of the client: E_INVALID: cancelled with "*", or not base64;
 * E_TOO_BIG: too long a line; E_CLOSED, E_TIMEOUT, E_CANCELLED, E_IO, E_TLS: gone. Of the owner:
 * E_DENIED: no such name and password; E_LIMIT: too many attempts; E_RETRY, E_BUSY: not now. */
WAITS enum err sasl_run(const struct sasl_mech *m, const slice_t *initial, const struct sasl_io *io,
			const struct sasl_ask *ask, struct budget *budget,
			struct ticket **out) MUST_USE;
/* authzid (empty) NUL name NUL password, as PLAIN's message (RFC 4616), for commands that bring
 * both. E_INVALID: a NUL in them, or an empty name; E_TOO_BIG. out has SASL_RESPONSE_MAX
 * reserved. */
enum err sasl_plain(struct buf *out, slice_t name, slice_t password) MUST_USE;

#endif
