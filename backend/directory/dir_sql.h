/*
 * dir_sql: every SQL text of the directory. Parameters only, never pasted values. Times go in and
 * out as microseconds since 1970. The comment behind a name says its parameters -> its columns.
 */
#ifndef BACKEND_DIRECTORY_DIR_SQL_H
#define BACKEND_DIRECTORY_DIR_SQL_H

#include "backend/directory/dir_rec.h"

/* ---- schema ---- */
extern const char dir_sql_schema_lock[];    /* */
extern const char dir_sql_schema_table[];   /* */
extern const char dir_sql_schema_applied[]; /* -> version, sha256 hex */
extern const char dir_sql_schema_record[];  /* version, name, sha256 hex */

/* ---- sync ---- */
extern const char dir_sql_state[]; /* -> source, pruned txid, secret, xmin of the snapshot */
/* txid, serial, limit -> txid, serial, kind, id; below the snapshot's xmin */
extern const char dir_sql_changes[];
extern const char dir_sql_prune[]; /* age in seconds */

/* The rows of a kind: what the image keeps of them. */
struct dir_sql_kind {
	const char *name; /* in dir_change */
	enum dir_kind kind;
	const char *by_ids; /* ids text[] (, node) */
	const char *page;   /* after, limit (, node); in order of column 0 */
	const char *first;  /* `after` of the first page */
	bool wants_node;
};
extern const struct dir_sql_kind dir_sql_kinds[];
extern const size_t dir_sql_kinds_n;

/* ---- domains ---- */
extern const char dir_sql_domain_add[];      /* name, kind, target name, catch_all, max, quota -> */
extern const char dir_sql_domain_edit[];     /* name, catch_all, max, quota, sts, age */
extern const char dir_sql_domain_in_use[];   /* name -> accounts, addresses, alias domains */
extern const char dir_sql_domain_remove[];   /* name */
extern const char dir_sql_domain_list[];     /* after, limit -> row */
extern const char dir_sql_domain_show[];     /* name -> row */
extern const char dir_sql_domain_for_add[];  /* name -> id, kind, accounts_max, quota */
extern const char dir_sql_domain_accounts[]; /* id -> how many */

/* ---- accounts ---- */
extern const char dir_sql_partition_pick[]; /* n -> partition id: the n-th modulo their number */
extern const char dir_sql_partition_has[];  /* id -> 1 */
/* domain id, local, address, quota bytes, messages, partition, display name -> id */
extern const char dir_sql_account_add[];
extern const char dir_sql_account_address_add[]; /* domain id, local, account id */
extern const char
	dir_sql_account_list[]; /* domain or "", after domain, after local, limit, match or "",
				   state: 0 any, 4 held */
extern const char dir_sql_account_show[];       /* domain, local -> row */
extern const char dir_sql_account_lock[];       /* domain, local -> id, state before */
extern const char dir_sql_account_state[];      /* id, state, epoch step */
extern const char dir_sql_account_quota[];      /* id, bytes, messages */
extern const char dir_sql_account_limit[];      /* id, as enum dir_send */
extern const char dir_sql_account_hold[];       /* id, why */
extern const char dir_sql_account_release[];    /* id */
extern const char dir_sql_account_remove[];     /* id */
extern const char dir_sql_account_unname[];     /* id */
extern const char dir_sql_account_unright[];    /* id */
extern const char dir_sql_account_purged[];     /* id */
extern const char dir_sql_account_uncred[];     /* id */
extern const char dir_sql_credential_set[];     /* account id, kind, verifier */
extern const char dir_sql_credential_get[];     /* account id -> kind, verifier, epoch, state */
extern const char dir_sql_credential_upgrade[]; /* account id, epoch, kind, verifier */

/* ---- aliases ---- */
extern const char dir_sql_alias_add[];    /* domain id, local, kind, members text[], senders */
extern const char dir_sql_alias_set[];    /* domain, local, kind, members, senders */
extern const char dir_sql_alias_list[];   /* domain or "", after domain, after local, limit */
extern const char dir_sql_alias_show[];   /* domain, local -> row */
extern const char dir_sql_alias_remove[]; /* domain, local */
extern const char dir_sql_alias_enable[]; /* domain, local, enabled */

/* ---- rights ---- */
extern const char dir_sql_right_put[];   /* owner id, user id, kind */
extern const char dir_sql_right_drop[];  /* owner id, user id */
extern const char dir_sql_right_count[]; /* owner id, user id -> of the owner, of the user */
extern const char dir_sql_right_list[];  /* account id -> theirs to it?, other's address, kind */

/* ---- cluster, policy ---- */
extern const char dir_sql_partition_assign[]; /* id, node */
extern const char dir_sql_partition_lock[];
extern const char dir_sql_partition_bootstrap[]; /* how many, node */
extern const char dir_sql_partition_made[];      /* id */
extern const char dir_sql_node_register[];    /* name, address, port, public key -> key changed? */
extern const char dir_sql_node_forget_keys[]; /* name */
extern const char dir_sql_node_owns[];        /* name -> count */
extern const char dir_sql_node_remove[];      /* name */
extern const char dir_sql_setting_set[];      /* key, value */
extern const char dir_sql_setting_unset[];    /* key */
extern const char dir_sql_cert_issued[];      /* serial, name, expires us or null */
extern const char dir_sql_cert_seen[];        /* serial, name, issued us, expires us */
extern const char dir_sql_cert_revoke[];      /* serial, name */
extern const char dir_sql_cert_list[];        /* after, limit -> row */

/* ---- keys, sessions ---- */
extern const char dir_sql_key_lock[];
extern const char dir_sql_key_youngest[]; /* -> age of the youngest in s, or null */
extern const char dir_sql_key_next[];     /* -> id */
extern const char dir_sql_key_put[];      /* id, node, box, seconds until it is dropped */
extern const char dir_sql_key_copy[];     /* id, node, box: created as the others' */
extern const char dir_sql_key_drop[];     /* */
extern const char dir_sql_key_missing[];  /* node, own node, limit -> id */
extern const char dir_sql_node_all[];     /* -> name, address, port, public key */
extern const char dir_sql_session_end[];  /* id, until s */
extern const char dir_sql_session_drop[];

/* ---- keys that sign mail ---- */
extern const char dir_sql_dkim_selectors[]; /* domain id -> selector */
extern const char
	dir_sql_dkim_add[]; /* domain id, selector, algorithm, public key, successor -> id */
extern const char dir_sql_dkim_box_put[];  /* key id, node, box */
extern const char dir_sql_dkim_lacking[];  /* own node, limit -> node as node_all, key id */
extern const char dir_sql_dkim_activate[]; /* domain, selector or "" */
extern const char dir_sql_dkim_active[];   /* domain -> how many */
extern const char dir_sql_dkim_seen[];     /* domain, selector */
extern const char dir_sql_dkim_gone[];     /* domain, selector */
extern const char dir_sql_dkim_retire[];   /* domain, selector */
extern const char dir_sql_dkim_remove[];   /* domain, selector */
extern const char
	dir_sql_dkim_list[]; /* domain or "", after domain, after selector, limit -> row */

/* ---- virtual SMTP servers ---- */
extern const char dir_sql_server_lock[]; /* */
extern const char dir_sql_server_add[];  /* name, service, listeners, settings, operators */
extern const char dir_sql_server_edit[]; /* name, version, listeners, settings, operators */
extern const char dir_sql_server_check
	[]; /* name -> how many, bytes of all, who shares a listener, a folder */
extern const char dir_sql_server_state[];  /* name or "", state */
extern const char dir_sql_server_remove[]; /* name */
extern const char dir_sql_server_name[];   /* name: itself */

/* ---- TLS of other systems' servers ---- */
extern const char dir_sql_tls_set[];    /* destination, level, peers text[] */
extern const char dir_sql_tls_remove[]; /* destination */
extern const char dir_sql_tls_list[];   /* after, limit -> row */
extern const char dir_sql_tls_show[];   /* destination -> row */

/* organization, id, from us, to us, how many a day; arrays of domain, policy, result, sessions */
extern const char dir_sql_tls_received_put[];
extern const char dir_sql_tls_received_forget[]; /* days */
/* domain or "", after: day us, organization, domain; limit -> these, reports, "RESULT=N ..." */
extern const char dir_sql_tls_received_list[];

/* name, node, seconds -> node, or no row: another has it */
extern const char dir_sql_claim[];

/* ---- routes of the way out ---- */
/* domain, sender, action, target, tls, user, direct, connections, helo, source4, source6 -> id */
extern const char dir_sql_route_add[];
extern const char dir_sql_route_edit[];     /* the same -> id */
extern const char dir_sql_route_remove[];   /* domain, sender */
extern const char dir_sql_route_box_put[];  /* route id, node, box */
extern const char dir_sql_route_box_drop[]; /* route id */
extern const char dir_sql_route_boxes[];    /* route id -> how many */
extern const char dir_sql_route_lacking[];  /* own node, limit -> node as node_all, route id */
extern const char dir_sql_route_list[];     /* after domain, after sender, limit -> row */
extern const char dir_sql_route_show[];     /* domain, sender -> row */

/* ---- audit ---- */
extern const char dir_sql_audit_add[];  /* who, origin, method, target, result, detail */
extern const char dir_sql_audit_list[]; /* before id, limit -> row */

#endif
