/*
 * backend/auth: is this user who he says he is (docs/architecture.md).
 *
 *   auth       SASL exchanges relayed by front-ends; auth_login: who it is, and what follows;
 *              auth_last: the last good log-in of each account
 *   sasl       the server's side of the mechanisms, bytes only
 *   krb        the door to the Kerberos library; auth_krb has the steps of GSSAPI
 *   krb_relay  log-ins of ours at relays, with GSSAPI
 *   verify     the costly part, on worker threads behind a bounded queue
 *   proof      the cache of good passwords: warm log-ins cost neither database nor KDF
 *   throttle   growing delays for guessing
 *   sessions   who is logged in, for administrators
 *   passwd     new passwords: policy, and their verifiers
 *
 * A name that does not exist, a locked account and a wrong password take the same path: the same
 * work, the same text, the same delay. Only the log tells them apart. Attempts, proofs and
 * exchanges of an account live at the owner of its partition; a name without an account has an
 * owner too (dir_partition_for_name).
 *
 * Every table here is bounded and empties itself by time. Passwords are wiped as soon as they are
 * used; the proof cache holds an HMAC under a key that dies with the process.
 */
#ifndef BACKEND_AUTH_AUTH_H
#define BACKEND_AUTH_AUTH_H

#include "backend/auth/sessions.h"
#include "backend/ticket/ticket.h"
#include "common/conf/conf.h"
#include "common/log/log.h"
#include "common/net/ipaddr.h"

#define AUTH_RESPONSE_MAX  4096 /* bytes of one client response */
#define AUTH_TOKEN_MAX     9213 /* ... of GSSAPI: with all a user's groups; what a line can hold */
#define AUTH_CHALLENGE_MAX 1024
#define AUTH_EXCHANGES_MAX 16384       /* half-done exchanges of this node */
#define AUTH_EXCHANGE_MS   (60 * 1000) /* from one message to the next */
#define AUTH_BINDING_MAX   64          /* tls-exporter: 32 */

/* The client at the front-end; all that the front-end tells of it. Slices are borrowed. */
struct auth_client {
	uint8_t session[TICKET_SESSION_LEN];
	struct ipaddr ip;
	uint16_t port, local_port;
	bool tls;
	slice_t tls_version, tls_cipher;
	slice_t channel_binding; /* tls-exporter; empty: none */
	slice_t default_domain;  /* of bare names; empty: the cluster's. Borrowed by auth_start */
};

struct auth_reply {
	uint64_t exchange;    /* not 0: go on with auth_step */
	struct buf challenge; /* to the client; with `done`: SCRAM's v=, to be sent with the OK */
	bool done;            /* logged in: what follows is set */
	uint8_t session[TICKET_SESSION_LEN];
	struct buf ticket;
	uint32_t ticket_seconds;
	struct dir_account account;
	char backend[DIR_NODE_MAX + 1]; /* owner of the account's partition */
	/* With E_WRONG_OWNER: whom to ask, starting anew with the response just sent. */
	struct dir_partition owner;
};

void auth_reply_init(struct auth_reply *r);
void auth_reply_fini(struct auth_reply *r);

struct auth;

struct auth_conf {
	struct dir *dir;           /* borrowed */
	struct tickets *tickets;   /* borrowed */
	const struct dir_kv *kv;   /* borrowed; last log-ins, a hint */
	const struct log_ctx *log; /* borrowed, may be NULL */
	enum auth_owner { AUTH_OWNER_CHECK, AUTH_OWNER_ANY } owner; /* ANY: answer for all names */
	unsigned verify_max;          /* verifications running and waiting; 0: 64 */
	const char *keytab;           /* NULL or empty: no GSSAPI */
	const char *replays;          /* with a keytab: file of its replay cache */
	const struct conf *overrides; /* borrowed, may be NULL: live_settings */
};

WAITS enum err auth_open(const struct auth_conf *c, struct auth **out, struct diag *d) MUST_USE;
WAITS void auth_close(struct auth **a);
/* Is there a keytab? */
bool auth_takes_tickets(const struct auth *a);

/* Starts an exchange. has_initial: the client sent an initial response (perhaps empty).
 *   E_OK          reply->exchange and a challenge, or reply->done
 *   E_DENIED      wrong name or password: one text for all causes
 *   E_LIMIT       too many attempts from there; try later (also one text)
 *   E_WRONG_OWNER reply->owner
 *   E_RETRY       PostgreSQL is away and this log-in needs it; or no ticket key yet
 *   E_BUSY        too many verifications are waiting
 *   E_INVALID     unknown mechanism, malformed message, PLAIN, LOGIN or GSSAPI
 *                 without TLS */
WAITS enum err auth_start(struct auth *a, const struct rpc_identity *frontend,
			  const struct auth_client *c, slice_t mechanism, bool has_initial,
			  slice_t initial, struct auth_reply *out, struct diag *d) MUST_USE;
/* The next client response; only the front-end that started the exchange may send it, else (or
 * when it is unknown or expired) E_INVALID. After anything but E_OK with an exchange it is
 * gone. */
WAITS enum err auth_step(struct auth *a, const struct rpc_identity *frontend, uint64_t exchange,
			 slice_t response, struct auth_reply *out, struct diag *d) MUST_USE;
/* The client broke the exchange off ("*"), or its connection ended. */
void auth_abort(struct auth *a, const struct rpc_identity *frontend, uint64_t exchange);

/* The session is over: writes the log-out line, forgets the session. */
void auth_end(struct auth *a, const struct ticket_claims *c, slice_t reason, uint64_t bytes_in,
	      uint64_t bytes_out);

struct sessions *auth_sessions(struct auth *a);

struct auth_last {
	int64_t when_us; /* 0: never, as far as is known */
	struct ipaddr ip;
	enum rpc_service service;
};
/* The account's last good log-in at this node. */
void auth_last_login(const struct auth *a, uint64_t account, struct auth_last *out);

/* For tests and metrics: what has been done. */
struct auth_counts {
	uint64_t verified; /* passwords and proofs held against a real verifier */
	uint64_t decoys;   /* the same work for names without one */
	uint64_t proof_hits;
	uint64_t database; /* credentials read */
	uint64_t denied, limited, ok;
};
void auth_get_counts(const struct auth *a, struct auth_counts *out);

#endif
