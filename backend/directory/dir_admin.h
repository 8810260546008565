/*
 * dir_admin: the management calls on the directory. Each is one PostgreSQL transaction that also
 * holds its audit row; a refused one leaves an audit row of its own. After E_OK the change is
 * committed; this node's image has it too, unless the sync is behind (then within poll_ms).
 *
 * Errors of all: E_INVALID, E_EXISTS, E_NOT_FOUND with a text for people in the diag; E_RETRY when
 * PostgreSQL is away; E_CANCELLED.
 *
 * Strings of rows lie in the caller's arena. Lists are paged: `after` is the last key of the page
 * before (empty at first), `limit` at most DIR_PAGE_MAX.
 */
#ifndef BACKEND_DIRECTORY_DIR_ADMIN_H
#define BACKEND_DIRECTORY_DIR_ADMIN_H

#include "backend/directory/dir.h"
#include "common/base/arena.h"

#define DIR_PAGE_MAX 1000

/* Who asks; goes to the audit. */
struct dir_actor {
	slice_t who;  /* "admin/alice" */
	slice_t from; /* address of the peer; may be empty */
	/* Set when a call has left its record (or could not, and said so in the log); may be
	 * NULL. */
	bool *recorded;
};

/* ---- domains ---- */

enum dir_domain_kind { DIR_DOMAIN_LOCAL = 1, DIR_DOMAIN_ALIAS = 2, DIR_DOMAIN_REMOTE = 3 };

/* A domain's MTA-STS policy (RFC 8461 section 3.2). */
enum dir_mta_sts { DIR_MTA_STS_NONE = 0, DIR_MTA_STS_TESTING = 1, DIR_MTA_STS_ENFORCE = 2 };
/* Also what a policy says. */
const char *dir_mta_sts_name(enum dir_mta_sts mode);
#define DIR_MTA_STS_AGE     (7 * 24 * 3600) /* seconds; weeks are usual (section 3.2) */
#define DIR_MTA_STS_AGE_MAX 31557600        /* section 3.2 */

struct dir_domain_spec {
	slice_t name;
	enum dir_domain_kind kind;
	slice_t target;        /* ALIAS: a local domain that exists */
	slice_t catch_all;     /* LOCAL: an address, or empty */
	uint64_t accounts_max; /* LOCAL; 0: no limit */
	uint64_t quota_bytes;  /* LOCAL: of new accounts that name none; 0: none */
	/* LOCAL, with edit alone: a new domain has NONE. */
	enum dir_mta_sts mta_sts;
	uint32_t mta_sts_age_s; /* for how long others may believe it */
};

struct dir_domain_row {
	slice_t name;
	enum dir_domain_kind kind;
	slice_t target, catch_all;
	uint64_t accounts_max, quota_bytes;
	uint64_t accounts, addresses; /* how many it has */
	int64_t created_us;
	enum dir_mta_sts mta_sts; /* of an alias domain: its target's */
	uint32_t mta_sts_age_s;
};

struct dir_domain_page {
	struct dir_domain_row *rows;
	size_t n;
};

WAITS enum err dir_domain_add(struct dir *d, const struct dir_actor *by,
			      const struct dir_domain_spec *s, struct diag *diag) MUST_USE;
/* Sets catch-all, limits and MTA-STS of a local domain; the kind and the target stay. */
WAITS enum err dir_domain_edit(struct dir *d, const struct dir_actor *by,
			       const struct dir_domain_spec *s, struct diag *diag) MUST_USE;
/* E_INVALID while it has accounts, addresses or alias domains. */
WAITS enum err dir_domain_remove(struct dir *d, const struct dir_actor *by, slice_t name,
				 struct diag *diag) MUST_USE;
/* From the image: E_OK: a local or alias domain; E_NOT_FOUND: none; E_RETRY: not known now. */
enum err dir_domain_here(const struct dir *d, slice_t domain) MUST_USE;
/* From the image: what the policy of a domain is, an alias domain's that of its target.
 * E_NOT_FOUND: no local or alias domain; E_RETRY: not known now. */
enum err dir_domain_mta_sts(const struct dir *d, slice_t domain, enum dir_mta_sts *mode_out,
			    uint32_t *age_s_out) MUST_USE;
WAITS enum err dir_domain_list(struct dir *d, slice_t after, size_t limit, struct arena *mem,
			       struct dir_domain_page *out, struct diag *diag) MUST_USE;
WAITS enum err dir_domain_show(struct dir *d, slice_t name, struct arena *mem,
			       struct dir_domain_row *out, struct diag *diag) MUST_USE;

/* ---- accounts ---- */

enum dir_cred_kind { DIR_CRED_NONE = 0, DIR_CRED_SCRAM_SHA_256 = 1, DIR_CRED_ARGON2ID = 2 };

#define DIR_VERIFIER_MAX     256
#define DIR_DISPLAY_NAME_MAX 200 /* characters; the schema's bound */

/* Made by backend/auth/passwd.h from a password; the directory never sees one. */
struct dir_credential {
	enum dir_cred_kind kind;
	size_t n;
	char verifier[DIR_VERIFIER_MAX];
};

/* quota fields: DIR_QUOTA_DEFAULT takes the domain's. */
#define DIR_QUOTA_DEFAULT UINT64_MAX

struct dir_account_spec {
	slice_t address; /* with a domain of kind local */
	slice_t display_name;
	uint64_t quota_bytes, quota_messages; /* 0: none */
	const struct dir_credential *cred;    /* NULL: nobody can log in yet */
	uint32_t partition;                   /* DIR_PARTITION_ANY: chosen, evenly */
};
#define DIR_PARTITION_ANY UINT32_MAX

/* Bytes of why an account is held: one line of a table. */
#define DIR_HELD_WHY_MAX 200

struct dir_account_row {
	uint64_t id;
	slice_t address, display_name;
	enum dir_account_state state;
	uint64_t quota_bytes, quota_messages;
	uint32_t partition, epoch;
	enum dir_cred_kind cred;
	int64_t created_us, password_us; /* password_us 0: never set */
	uint32_t send[DIR_SENDS];
	int64_t held_us; /* 0: it is not */
	slice_t held_why;
};

struct dir_account_page {
	struct dir_account_row *rows;
	size_t n;
};

/* Which accounts a list has: all, those of one enum dir_account_state (DIR_ACTIVE: and not held),
 * or those that are held. */
enum dir_account_which { DIR_ACCOUNTS_ALL, DIR_ACCOUNTS_HELD = 4 };

/* *id_out may be NULL. */
WAITS enum err dir_account_add(struct dir *d, const struct dir_actor *by,
			       const struct dir_account_spec *s, uint64_t *id_out,
			       struct diag *diag) MUST_USE;
/* domain empty: all; match: only those with this text in address or display name, in any case;
 * empty: all; which: an enum dir_account_which, or a state. In order of address (by domain, then
 * local part); `after` is an address. */
WAITS enum err dir_account_list(struct dir *d, slice_t domain, slice_t match, unsigned which,
				slice_t after, size_t limit, struct arena *mem,
				struct dir_account_page *out, struct diag *diag) MUST_USE;
WAITS enum err dir_account_show(struct dir *d, slice_t address, struct arena *mem,
				struct dir_account_row *out, struct diag *diag) MUST_USE;
/* Lock, password and removal raise the credential epoch: all sessions end. Locking a locked
 * account (or unlocking an active one) is E_OK and changes nothing. */
WAITS enum err dir_account_lock(struct dir *d, const struct dir_actor *by, slice_t address,
				struct diag *diag) MUST_USE;
WAITS enum err dir_account_unlock(struct dir *d, const struct dir_actor *by, slice_t address,
				  struct diag *diag) MUST_USE;
WAITS enum err dir_account_passwd(struct dir *d, const struct dir_actor *by, slice_t address,
				  const struct dir_credential *cred, struct diag *diag) MUST_USE;
WAITS enum err dir_account_quota(struct dir *d, const struct dir_actor *by, slice_t address,
				 uint64_t bytes, uint64_t messages, struct diag *diag) MUST_USE;
/* What it may submit, by enum dir_send. */
WAITS enum err dir_account_limit(struct dir *d, const struct dir_actor *by, slice_t address,
				 const uint32_t send[DIR_SENDS], struct diag *diag) MUST_USE;
/* Its mail to other systems waits until it is released. Holding one that is held leaves when and
 * why as they were. why: at most 200 characters. */
WAITS enum err dir_account_hold(struct dir *d, const struct dir_actor *by, slice_t address,
				slice_t why, struct diag *diag) MUST_USE;
WAITS enum err dir_account_release(struct dir *d, const struct dir_actor *by, slice_t address,
				   struct diag *diag) MUST_USE;
/* The name is free at once; the row stays (state removed) until dir_account_purged. */
WAITS enum err dir_account_remove(struct dir *d, const struct dir_actor *by, slice_t address,
				  struct diag *diag) MUST_USE;
/* The owner has deleted the mail of a removed account. */
WAITS enum err dir_account_purged(struct dir *d, uint64_t id, struct diag *diag) MUST_USE;

/* ---- aliases and groups ---- */

enum dir_alias_kind { DIR_ALIAS = 1, DIR_GROUP = 2 };

/* Who of those it leads to may send as it. The numbers are stored: they never change. */
enum dir_alias_senders {
	DIR_SENDERS_ALONE = 0,   /* of an alias: whom it leads to alone; of a group: nobody */
	DIR_SENDERS_MEMBERS = 1, /* every account it leads to */
	DIR_SENDERS_NOBODY = 2,
};

struct dir_alias_spec {
	slice_t address; /* in a local domain */
	enum dir_alias_kind kind;
	const slice_t *members; /* 1 .. DIR_MEMBERS_MAX addresses, local or outside */
	size_t nmembers;
	enum dir_alias_senders senders;
};

struct dir_alias_row {
	slice_t address;
	enum dir_alias_kind kind;
	bool enabled;
	slice_t *members;
	size_t nmembers;
	enum dir_alias_senders senders;
	int64_t created_us;
};

struct dir_alias_page {
	struct dir_alias_row *rows;
	size_t n;
};

WAITS enum err dir_alias_add(struct dir *d, const struct dir_actor *by,
			     const struct dir_alias_spec *s, struct diag *diag) MUST_USE;
/* Replaces the members, and who may send. */
WAITS enum err dir_alias_set(struct dir *d, const struct dir_actor *by,
			     const struct dir_alias_spec *s, struct diag *diag) MUST_USE;
WAITS enum err dir_alias_list(struct dir *d, slice_t domain, slice_t after, size_t limit,
			      struct arena *mem, struct dir_alias_page *out,
			      struct diag *diag) MUST_USE;
WAITS enum err dir_alias_show(struct dir *d, slice_t address, struct arena *mem,
			      struct dir_alias_row *out, struct diag *diag) MUST_USE;
WAITS enum err dir_alias_remove(struct dir *d, const struct dir_actor *by, slice_t address,
				struct diag *diag) MUST_USE;
WAITS enum err dir_alias_on(struct dir *d, const struct dir_actor *by, slice_t address,
			    struct diag *diag) MUST_USE;
WAITS enum err dir_alias_off(struct dir *d, const struct dir_actor *by, slice_t address,
			     struct diag *diag) MUST_USE;

/* ---- cluster and policy ---- */

/* Makes the partition if it is not there; its epoch grows with every change of owner. One that had
 * data needs them on its new owner, or `postern-backend create` there: it stays closed else. */
WAITS enum err dir_partition_assign(struct dir *d, const struct dir_actor *by, uint32_t id,
				    slice_t node, struct diag *diag) MUST_USE;
/* Makes n partitions, with the next free numbers, owned by this node, if it owns none. */
WAITS enum err dir_partition_bootstrap(struct dir *d, uint32_t n, struct diag *diag) MUST_USE;
/* Its data are there now, on this node; again: nothing. */
WAITS enum err dir_partition_made(struct dir *d, uint32_t id, struct diag *diag) MUST_USE;
/* Makes or changes a node's row (a back-end does it for itself when it opens the directory). */
WAITS enum err dir_node_register(struct dir *d, const struct dir_actor *by,
				 const struct dir_node *n, struct diag *diag) MUST_USE;
/* E_INVALID while it owns partitions. */
WAITS enum err dir_node_remove(struct dir *d, const struct dir_actor *by, slice_t name,
			       struct diag *diag) MUST_USE;
/* Key: [a-z0-9_.-]; the value's meaning is checked by the caller, who knows the table. */
WAITS enum err dir_setting_set(struct dir *d, const struct dir_actor *by, slice_t key,
			       slice_t value, struct diag *diag) MUST_USE;
WAITS enum err dir_setting_unset(struct dir *d, const struct dir_actor *by, slice_t key,
				 struct diag *diag) MUST_USE;

struct dir_cert_row {
	slice_t serial;     /* lower-case hex */
	slice_t name;       /* the identity in its CN */
	int64_t issued_us;  /* when it was registered; of one that was only shown: its notBefore */
	int64_t expires_us; /* 0: not known, it was revoked before anybody saw it */
	int64_t revoked_us; /* 0: valid */
};

struct dir_cert_page {
	struct dir_cert_row *rows;
	size_t n;
};

WAITS enum err dir_cert_issued(struct dir *d, const struct dir_actor *by, slice_t serial,
			       slice_t name, int64_t expires_us, struct diag *diag) MUST_USE;
/* A certificate that a peer has shown (its revoked_us is not looked at): listed from now on with
 * its dates, if it was not. Nobody's call: no record in the audit. */
WAITS enum err dir_cert_seen(struct dir *d, const struct dir_cert_row *cert,
			     struct diag *diag) MUST_USE;
/* By serial, also of a certificate that was never registered (name may be empty then). */
WAITS enum err dir_cert_revoke(struct dir *d, const struct dir_actor *by, slice_t serial,
			       slice_t name, struct diag *diag) MUST_USE;
WAITS enum err dir_cert_list(struct dir *d, slice_t after, size_t limit, struct arena *mem,
			     struct dir_cert_page *out, struct diag *diag) MUST_USE;

/* ---- audit ---- */

struct dir_audit_row {
	uint64_t id;
	int64_t when_us;
	slice_t who, from, method, target, result, detail;
};

struct dir_audit_page {
	struct dir_audit_row *rows;
	size_t n;
};

/* For management calls that are not in this header (lists, session kill, fsck). */
WAITS enum err dir_audit_add(struct dir *d, const struct dir_actor *by, const char *method,
			     slice_t target, enum err result, slice_t detail,
			     struct diag *diag) MUST_USE;
/* Newest first; before_id 0: from the newest. */
WAITS enum err dir_audit_list(struct dir *d, uint64_t before_id, size_t limit, struct arena *mem,
			      struct dir_audit_page *out, struct diag *diag) MUST_USE;

#endif
