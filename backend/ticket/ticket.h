/*
 * backend/ticket: what a front-end may do, as sealed bytes (docs/decisions/0003).
 *
 *   ticket       session tickets: issue, open, renew, end
 *   rcpt_token   recipient tokens: what Resolve hands out and Deliver takes
 *   lease_token  which queue items were given to whom, on the way out
 *   ticket_keys  the shared sealing keys: rotation, and handing them to new nodes
 *
 * A ticket is made only after this back-end has verified the user's proof itself. It says: this
 * account, these rights, presented by this front-end and service, in this session, until then. It
 * is opaque to its bearer and useless in other hands: opening compares the identity in the
 * certificate of the link that presents it. Tickets live 15 minutes, are renewed on use, and never
 * outlive the log-in by more than 24 hours.
 *
 * Box: common/crypto/seal (XChaCha20-Poly1305, key id in front). The kind of thing sealed is in
 * the associated data, so that a token is never a ticket. Opening touches memory only.
 *
 * Keys: a new one each day, made by whichever node comes first, written to the directory sealed
 * to each node's X25519 key. It is used for sealing some seconds after its birth, when every node
 * has had time to learn it; it is accepted until the directory drops it. All nodes keep their
 * copies, so a restart needs no PostgreSQL, and without PostgreSQL the last key goes on.
 */
#ifndef BACKEND_TICKET_TICKET_H
#define BACKEND_TICKET_TICKET_H

#include "backend/directory/dir.h"
#include "common/base/buf.h"
#include "common/rpc/identity.h"

#define TICKET_LIFE_S      (15 * 60)
#define TICKET_LOGIN_S     (24 * 60 * 60) /* after the log-in no renewal goes further */
#define TICKET_SESSION_LEN DIR_SESSION_LEN
#define TICKET_RESERVED    32  /* the unwrapped storage key, once there is one */
#define TICKET_BYTES_MAX   512 /* what front-ends have room for */

/* Rights: bits, each a group of methods in the method table. */
enum ticket_right {
	TICKET_READ = 1,   /* mailboxes and messages */
	TICKET_WRITE = 2,  /* flags, APPEND, COPY, EXPUNGE, folders */
	TICKET_DELETE = 4, /* POP3's QUIT: expunge what was retrieved */
	TICKET_SUBMIT = 8,
	TICKET_SIEVE = 16,
};

enum ticket_kind { TICKET_KIND_SESSION = 1 };

/* What a ticket says. */
struct ticket_claims {
	enum ticket_kind kind;
	uint64_t account;
	uint32_t rights;
	uint32_t partition; /* at log-in; the account's present one is in the directory */
	uint32_t epoch;     /* of the credentials */
	enum rpc_service service;
	char frontend[RPC_NAME_MAX];
	uint8_t session[TICKET_SESSION_LEN];
	int64_t login_s, issued_s, expires_s; /* wall seconds */
	uint8_t reserved[TICKET_RESERVED];
};

struct tickets;

struct tickets_conf {
	struct dir *dir;          /* borrowed; outlives the tickets */
	struct node_key node_key; /* as in dir_conf */
	int64_t rotate_s;         /* age at which a new key is made; 0: 24 h */
	int64_t settle_s;         /* age at which a new key is used; 0: 10 s */
};

/* Reads the keys of the copy and starts the rotation in a fiber of its own. */
WAITS enum err tickets_open(const struct tickets_conf *c, struct tickets **out,
			    struct diag *d) MUST_USE;
WAITS void tickets_close(struct tickets **t);
/* Until there is a key to seal with. E_TIMEOUT. */
WAITS enum err tickets_wait_ready(struct tickets *t, int64_t deadline_ms) MUST_USE;
bool tickets_ready(const struct tickets *t);

/* The rights of a service's log-in; 0: a service that has no log-ins. */
uint32_t ticket_rights_of(enum rpc_service s);

/* Seals a first ticket: kind, issued_s, expires_s and (unless set) login_s of *c are set here.
 * E_RETRY: no key yet. */
enum err ticket_issue(struct tickets *t, struct ticket_claims *c, struct buf *out) MUST_USE;

/* May the peer do this with that ticket? E_OK; E_NO_TICKET with the reason in the diag: forged,
 * expired, another front-end's, another service's, session ended, credentials changed, account
 * locked, rights; E_RETRY: sealed with a key that this node does not have yet, or the account
 * cannot be looked up now. need: all of these rights. Reasons are counted as metrics; who asked for
 * what is the caller's to log. *out is what the ticket says, also when it is refused; zeroes when
 * it could not be opened. */
enum err ticket_open(struct tickets *t, slice_t bytes, const struct rpc_identity *peer,
		     uint32_t need, struct ticket_claims *out, struct diag *d) MUST_USE;
/* Opens (need: nothing) and issues a later one. */
enum err ticket_renew(struct tickets *t, slice_t bytes, const struct rpc_identity *peer,
		      struct ticket_claims *claims_out, struct buf *out, struct diag *d) MUST_USE;
/* Seconds left, for TicketReply. */
uint32_t ticket_seconds(const struct ticket_claims *c);

/* Ends a session: at once on this node; the directory is told as soon as it can be, and the other
 * nodes by it. Never waits. */
void ticket_end_session(struct tickets *t, const uint8_t session[TICKET_SESSION_LEN]);
/* The same when the user logged out: only this node remembers. Never waits. */
void ticket_forget_session(struct tickets *t, const struct ticket_claims *c);

#endif
