/* auth_priv: the insides of struct auth and of an exchange. */
#ifndef BACKEND_AUTH_AUTH_PRIV_H
#define BACKEND_AUTH_AUTH_PRIV_H

#include "backend/auth/auth.h"
#include "backend/auth/krb.h"
#include "backend/auth/proof.h"
#include "backend/auth/sasl.h"
#include "backend/auth/throttle.h"
#include "backend/auth/verify.h"
#include "backend/directory/dir_keys.h"
#include "common/base/list.h"
#include "common/base/map.h"
#include "common/crypto/scram.h"
#include "common/crypto/secret.h"
#include "common/loop/fiber.h"

#define AUTH_SERVER_NONCE 18 /* bytes; 24 characters as base64 */
#define AUTH_TLS_NAME_MAX 64

struct last; /* auth_last.c */
struct settings_realm;

struct auth {
	uint32_t magic;
	struct dir *dir;
	struct tickets *tickets;
	const struct log_ctx *log;
	const struct conf *overrides; /* may be NULL */
	struct krb_keys *krb_keys;    /* NULL: no log-ins with tickets */
	enum auth_owner owner;
	struct verify verify;
	struct proofs *proofs;
	struct throttle *throttle;
	struct sessions *sessions;
	struct last *last;
	struct map exchanges; /* by id */
	struct list order;    /* the one that waits longest first */
	struct auth_counts counts;
	struct dir_sub sub;
	struct fiber *fiber;
	struct event wake, closed;
	unsigned users; /* fibers inside a call */
	struct waitq unused;
};

enum exchange_state { X_START, X_LOGIN_PASSWORD, X_SCRAM_FINAL, X_KRB_OFFER, X_KRB_CHOICE };

struct exchange {
	uint8_t id[8];
	struct list node;
	int64_t expires_ms;
	enum exchange_state state;
	enum sasl_mech mech;
	struct rpc_identity frontend;
	/* The client. */
	uint8_t session[TICKET_SESSION_LEN];
	struct ipaddr ip;
	uint16_t port;
	bool tls;
	char tls_version[AUTH_TLS_NAME_MAX], tls_cipher[AUTH_TLS_NAME_MAX];
	uint8_t binding[AUTH_BINDING_MAX];
	size_t binding_n;
	char domain[256]; /* of bare names; "": the cluster's */
	/* Who it says it is. */
	char name[DIR_ADDRESS_MAX + 1]; /* normalised where that can be */
	bool known;                     /* account is set */
	bool unsure;                    /* the image could not tell */
	struct dir_account account;
	/* SCRAM. */
	struct scram_verifier scram;
	bool scram_real; /* not a decoy */
	enum dir_account_state scram_state;
	uint32_t scram_epoch;
	char cb;
	struct buf gs2, first_bare, server_first;
	size_t nonce_at, nonce_n; /* in server_first */
	struct krb *krb;          /* GSSAPI */
};

/* ---- auth_login: from a name and a proof to a ticket ---- */

/* Sets who it is; whether this node answers for the name, and whether it may try now. The E_* of
 * auth_start. */
enum err auth_name(struct auth *a, struct exchange *x, slice_t authzid, slice_t authcid,
		   struct auth_reply *out, struct diag *d) MUST_USE;
WAITS enum err auth_password(struct auth *a, struct exchange *x, slice_t password,
			     struct auth_reply *out, struct diag *d) MUST_USE;
/* Fills x->scram*. E_RETRY. */
WAITS enum err auth_scram_begin(struct auth *a, struct exchange *x, struct diag *d) MUST_USE;
enum err auth_scram_end(struct auth *a, struct exchange *x, slice_t auth_message, slice_t proof,
			struct auth_reply *out, struct diag *d) MUST_USE;
/* E_DENIED with the one text; `why` is for the log alone. tag: see throttle_failed. */
enum err auth_denied(struct auth *a, const struct exchange *x, const char *why, uint64_t tag,
		     struct diag *d) MUST_USE;

/* E_LIMIT: it comes too soon after others that failed. */
enum err auth_limited(struct auth *a, const struct exchange *x, struct diag *d) MUST_USE;
/* Keeps what was said where it can be no name of an account: for the log, and the throttle. */
void auth_odd_name(struct exchange *x, slice_t authcid);
/* Nobody may act as another: is an authzid empty, or a name of the exchange's account? */
bool auth_acts_as(const struct auth *a, const struct exchange *x, slice_t authzid);
/* The proof was good: the ticket. epoch: the credential's. */
enum err auth_log_in(struct auth *a, struct exchange *x, uint32_t epoch, struct auth_reply *out,
		     struct diag *d) MUST_USE;

/* ---- auth_krb: the steps of GSSAPI ---- */
/* The realm of ours that is called so, by the setting; out borrows until the next wait. */
bool auth_krb_realm(const struct auth *a, slice_t name, struct settings_realm *out) MUST_USE;
WAITS enum err auth_krb(struct auth *a, struct exchange *x, slice_t message, struct auth_reply *out,
			struct diag *d) MUST_USE;

/* ---- auth_last: when and from where an account was used last ---- */
WAITS enum err last_open(const struct dir_kv *kv, struct last **out) MUST_USE;
WAITS void last_close(struct last **l);
void last_put(struct last *l, uint64_t account, const struct auth_last *v);
void last_get(const struct last *l, uint64_t account, struct auth_last *out);
/* Writes what has changed. */
WAITS void last_flush(struct last *l);

#endif
