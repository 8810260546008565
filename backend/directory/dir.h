/*
 * dir: the directory of this back-end. Everything in this header answers from the image in memory
 * and never touches PostgreSQL; only dir_open, dir_wait_synced and dir_close wait.
 *
 * Addresses: a domain is compared in the form of domain_normalise; a local part without regard to
 * ASCII case. An address without a domain means the default domain (setting
 * "default_domain", else the oldest local domain).
 *
 * Threads: all calls from the loop's thread that opened it.
 */
#ifndef BACKEND_DIRECTORY_DIR_H
#define BACKEND_DIRECTORY_DIR_H

#include "backend/directory/dir_copy.h"
#include "common/base/arena.h"
#include "common/base/err.h"
#include "common/base/list.h"
#include "common/crypto/seal.h"

#define DIR_ADDRESS_MAX       320 /* RFC 5321: 64 + "@" + 255 */
#define DIR_NODE_MAX          63
#define DIR_SETTING_KEY_MAX   128
#define DIR_SETTING_VALUE_MAX 4096
#define DIR_DEPTH_MAX         10   /* aliases that point to aliases; deeper is a mistake */
#define DIR_MEMBERS_MAX       1000 /* recipients that one address may expand to */
/* "No such user" is said for good only when the image was confirmed this lately. */
#define DIR_FRESH_MS          (60 * 60 * 1000)
#define DIR_SESSION_LEN       16

struct dir;

struct dir_conf {
	const char *conninfo;     /* libpq; all strings are copied */
	const char *sql_dir;      /* "deploy/sql"; NULL: apply no migrations */
	const struct dir_kv *kv;  /* borrowed */
	const char *node;         /* this back-end's name in the directory */
	const char *node_address; /* where the others reach its RPC; "" : do not register */
	uint16_t node_port;
	struct node_key node_key; /* its X25519 pair */
	unsigned conns_max;       /* 0: the pool's default */
	int64_t poll_ms;          /* how often dir_change is read without a nudge; 0: 2 s */
};

/* Loads the copy and starts following PostgreSQL in a fiber of its own; does not need it to be
 * up. E_CORRUPT rows of the copy are dropped and make it incomplete. */
WAITS enum err dir_open(const struct dir_conf *c, struct dir **out, struct diag *d) MUST_USE;
WAITS void dir_close(struct dir **d);
/* Until the image is complete and was confirmed after this call. E_TIMEOUT. */
WAITS enum err dir_wait_synced(struct dir *d, int64_t deadline_ms) MUST_USE;
/* Asks for a look at dir_change now; returns at once. */
void dir_nudge(struct dir *d);

struct dir_status {
	bool complete;
	bool connected;       /* the last talk with PostgreSQL went well */
	int64_t confirmed_us; /* wall time of the last confirmed sync; 0: never */
	bool fresh;           /* complete, and younger than DIR_FRESH_MS */
	uint64_t accounts, addresses, domains;
	char error[256]; /* why the last sync failed; "" */
};
void dir_get_status(const struct dir *d, struct dir_status *out);
const char *dir_node_name(const struct dir *d);

/* ---- accounts ---- */

enum dir_account_state { DIR_ACTIVE = 1, DIR_LOCKED = 2, DIR_REMOVED = 3 };

/* What an account may submit. DIR_SEND_DEFAULT: what the settings say; 0: no limit. */
enum dir_send {
	DIR_SEND_MESSAGES_MINUTE,
	DIR_SEND_MESSAGES_HOUR,
	DIR_SEND_MESSAGES_DAY,
	DIR_SEND_RECIPIENTS_HOUR,
	DIR_SEND_RECIPIENTS_DAY,
	DIR_SEND_BURST, /* recipients elsewhere in ten minutes that hold it */
	DIR_SENDS,
};
#define DIR_SEND_DEFAULT UINT32_MAX

struct dir_account {
	uint64_t id;
	enum dir_account_state state;
	uint32_t partition;
	uint32_t epoch;          /* of its credentials: raised by lock, password, removal */
	uint64_t quota_bytes;    /* 0: none */
	uint64_t quota_messages; /* 0: none */
	uint32_t send[DIR_SENDS];
	bool held; /* its mail to other systems waits for an administrator */
	char address[DIR_ADDRESS_MAX + 1]; /* main address, normalised */
};

/* E_NOT_FOUND: authoritative; E_RETRY: not in an image that is incomplete or too old. Removed
 * accounts are found by id (their mail is still to be purged), not by name. */
enum err dir_account_by_id(const struct dir *d, uint64_t id, struct dir_account *out) MUST_USE;
/* A log-in name: "user", "user@domain", "user@alias-domain". No plus-addressing, no aliases. */
enum err dir_account_by_name(const struct dir *d, slice_t name, struct dir_account *out) MUST_USE;
/* A name as it is compared and hashed: lower case, with a domain. E_INVALID: no name could be
 * such. */
enum err dir_name_normalise(const struct dir *d, slice_t name,
			    char out[DIR_ADDRESS_MAX + 1]) MUST_USE;
/* All accounts of this partition, in no order; false from fn ends it. fn must not wait. */
void dir_accounts_each(const struct dir *d, uint32_t partition,
		       bool (*fn)(const struct dir_account *, void *arg), void *arg);

/* ---- resolution ---- */

enum dir_target_kind { DIR_TO_ACCOUNT, DIR_TO_OUTSIDE };

struct dir_target {
	enum dir_target_kind kind;
	uint64_t account; /* DIR_TO_ACCOUNT */
	uint32_t partition;
	uint64_t quota_bytes, quota_messages;
	slice_t address; /* the account's main one, or the outside one; in the arena */
};

enum dir_via { DIR_VIA_ACCOUNT, DIR_VIA_ALIAS, DIR_VIA_GROUP, DIR_VIA_CATCH_ALL, DIR_VIA_REMOTE };

struct dir_resolved {
	enum dir_via via;           /* what the address itself is */
	slice_t address;            /* as asked, normalised, with its detail; in the arena */
	slice_t detail;             /* of user+detail: what follows the first '+'; or empty */
	struct dir_target *targets; /* in the arena; every account and outside address once */
	size_t ntargets, naccounts, noutside;
};

/* Where mail for local-part@domain (quoting removed) goes. Locked accounts are found: their mail
 * still arrives.
 *   E_OK        at least one target
 *   E_NOT_FOUND no such address, or switched off; only from a fresh image, and not while the
 *               database is away
 *   E_DENIED    not a domain of ours; as E_NOT_FOUND, but of an address literal always
 *   E_RETRY     cannot tell now
 *   E_INVALID   not an address
 *   E_TOO_BIG   expands to more than DIR_MEMBERS_MAX or deeper than DIR_DEPTH_MAX */
enum err dir_resolve(const struct dir *d, slice_t address, struct arena *mem,
		     struct dir_resolved *out, struct diag *diag) MUST_USE;
/* A domain whose users log in here: local, or an alias of one; not a remote one, whose mail is
 * passed on and whose users write from elsewhere. E_OK, E_DENIED (also from an old image),
 * E_RETRY. */
enum err dir_domain_is_ours(const struct dir *d, slice_t domain) MUST_USE;
/* "" when there is no local domain. Valid until the next call. */
const char *dir_default_domain(const struct dir *d);

/* ---- the cluster ---- */

struct dir_partition {
	uint32_t id;
	uint64_t epoch;
	bool made;                   /* its data were made once, on whichever node */
	char node[DIR_NODE_MAX + 1]; /* "": no owner */
};

struct dir_node {
	char name[DIR_NODE_MAX + 1];
	char address[256];
	uint16_t port;
	uint8_t public_key[NODE_KEY_LEN];
};

enum err dir_partition_get(const struct dir *d, uint32_t id, struct dir_partition *out) MUST_USE;
/* In order of id. */
size_t dir_partition_count(const struct dir *d);
void dir_partition_at(const struct dir *d, size_t i, struct dir_partition *out);
bool dir_owns(const struct dir *d, uint32_t partition);
/* In order of name. */
size_t dir_node_count(const struct dir *d);
void dir_node_at(const struct dir *d, size_t i, struct dir_node *out);
enum err dir_node_get(const struct dir *d, slice_t name, struct dir_node *out) MUST_USE;
/* The partition whose owner answers for a name that has no account: the same on every node. */
enum err dir_partition_for_name(const struct dir *d, slice_t normalised,
				struct dir_partition *out) MUST_USE;

/* ---- policy ---- */

/* Is the address, of a domain of ours, the one whose mail is read as reports of TLS? */
bool dir_is_tls_reports(const struct dir *d, slice_t address);
/* NULL p: not set. Valid until the next wait. */
slice_t dir_setting(const struct dir *d, const char *key);
/* In order of key. */
size_t dir_setting_count(const struct dir *d);
void dir_setting_at(const struct dir *d, size_t i, slice_t *key_out, slice_t *value_out);
/* Serial: lower-case hex. */
bool dir_cert_revoked(const struct dir *d, slice_t serial);
size_t dir_revoked_count(const struct dir *d);
slice_t dir_revoked_at(const struct dir *d, size_t i);

/* ---- changes ---- */

enum dir_event_kind {
	DIR_EV_SETTINGS, /* read them anew */
	DIR_EV_CLUSTER,  /* nodes or partitions */
	DIR_EV_REVOKED,  /* certificates */
	DIR_EV_ACCOUNT,  /* anything in struct dir_account; new ones too */
	DIR_EV_KEYS,     /* ticket keys, or a node that has none yet */
	DIR_EV_DKIM,     /* keys that sign mail, or a node that lacks some */
	DIR_EV_SERVERS,  /* virtual SMTP servers */
	DIR_EV_ROUTES,   /* of the way out, or a node that lacks their passwords */
	DIR_EV_SESSION,  /* one session was ended by its id */
};

struct dir_event {
	enum dir_event_kind kind;
	/* DIR_EV_ACCOUNT: as it is now; sessions_end: tickets of before are void. */
	const struct dir_account *account;
	bool sessions_end;
	/* DIR_EV_SESSION */
	uint8_t session[DIR_SESSION_LEN];
	int64_t until_s; /* no ticket of that session is valid later than this, wall seconds */
};

/* Called after the image has changed, from the sync fiber; must not wait. Several changes of one
 * kind (but for ACCOUNT and SESSION) may come as one call. */
struct dir_sub {
	struct list node;
	void (*fn)(const struct dir_event *ev, void *arg);
	void *arg;
};
void dir_subscribe(struct dir *d, struct dir_sub *s);
void dir_unsubscribe(struct dir_sub *s);

#endif
