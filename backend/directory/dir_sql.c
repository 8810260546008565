#include "backend/directory/dir_sql.h"

#define US(col) "(extract(epoch FROM " col ") * 1000000)::bigint"

/* ---- schema ---- */

/* Arbitrary numbers, one for each thing that is done by one node at a time. */
const char dir_sql_schema_lock[] = "SELECT pg_advisory_xact_lock(7411, 1)";
const char dir_sql_key_lock[] = "SELECT pg_advisory_xact_lock(7411, 2)";
const char dir_sql_partition_lock[] = "SELECT pg_advisory_xact_lock(7411, 3)";

const char dir_sql_schema_table[] =
	"CREATE TABLE IF NOT EXISTS schema_migrations ("
	" version integer PRIMARY KEY, name text NOT NULL, sha256 text NOT NULL,"
	" applied timestamptz NOT NULL DEFAULT now())";
const char dir_sql_schema_applied[] =
	"SELECT version, sha256 FROM schema_migrations ORDER BY version";
const char dir_sql_schema_record[] =
	"INSERT INTO schema_migrations (version, name, sha256) VALUES ($1::integer, $2, $3)";

/* ---- sync ---- */

/* The time line is part of the source: after a fail-over changes that only the lost primary had
 * are gone, and everything is read anew. */
const char dir_sql_state[] =
	"SELECT id::text || '/' || substr(pg_walfile_name(pg_current_wal_lsn()), 1, 8),"
	" pruned_txid::text, secret, pg_snapshot_xmin(pg_current_snapshot())::text FROM dir_meta";
const char dir_sql_changes[] = "SELECT txid::text, serial, kind, id FROM dir_change"
			       " WHERE (txid, serial) > ($1::xid8, $2::bigint)"
			       " AND txid < pg_snapshot_xmin(pg_current_snapshot())"
			       " ORDER BY txid, serial LIMIT $3::bigint";
/* Everything at or below the newest transaction that is old enough. */
const char dir_sql_prune[] =
	"WITH old AS (SELECT txid FROM dir_change WHERE at < now() - make_interval(secs => $1)"
	" AND txid < pg_snapshot_xmin(pg_current_snapshot())),"
	" top AS (SELECT max(txid::text::numeric)::text::xid8 AS txid FROM old),"
	" gone AS (DELETE FROM dir_change USING top WHERE dir_change.txid <= top.txid)"
	" UPDATE dir_meta SET pruned_txid = top.txid FROM top WHERE top.txid IS NOT NULL";

#define DOMAIN_COLS "id, kind, coalesce(target, 0), name, catch_all, mta_sts, mta_sts_max_age"
/* In the order of enum dir_send; null is DIR_SEND_DEFAULT. */
#define SEND(col)   "coalesce(" col ", 4294967295)"
#define SEND_COLS \
	SEND("send_messages_minute") \
	", " SEND("send_messages_hour") ", " SEND("send_messages_day") ", " SEND( \
		"send_recipients_hour") ", " SEND("send_recipients_day") ", " SEND("send_burst")
#define ACCOUNT_COLS \
	"id, state, partition, epoch, quota_bytes, quota_messages, address, " SEND_COLS \
	", held IS NOT NULL"
#define ADDRESS_COLS \
	"id, kind, enabled, domain_id, coalesce(account_id, 0), local, cardinality(members)," \
	" array_to_string(members, E'\\n'), senders"
#define PARTITION_COLS "id, epoch, coalesce(node, ''), (made IS NOT NULL)::integer"
#define NODE_COLS      "name, port, address, public_key"
#define KEY_COLS       "id, extract(epoch FROM created)::bigint, sealed"
/* $N is the node. */
#define DKIM_COLS \
	"k.id, d.name, k.selector, k.algorithm, k.state," \
	" coalesce(extract(epoch FROM k.retired)::bigint, 0), coalesce(b.sealed, '')"
#define DKIM_FROM(node) \
	" FROM dkim_keys k JOIN domains d ON d.id = k.domain_id" \
	" LEFT JOIN dkim_boxes b ON b.key_id = k.id AND b.node = " node
#define SERVER_COLS \
	"id, service, state, version, name, array_to_string(listeners, E'\\n')," \
	" array_to_string(settings, E'\\n'), array_to_string(operators, E'\\n')"
#define TLS_COLS "destination, level, cardinality(peers), array_to_string(peers, E'\\n')"
/* $N is the node. */
#define ROUTE_COLS \
	"r.id, r.domain, r.sender, r.action, r.target, r.tls, r.username, r.direct," \
	" r.connections, r.helo, r.source4, r.source6, coalesce(b.sealed, ''), r.etrn," \
	" coalesce(r.atrn, 0), r.auth"
#define ROUTE_FROM(node) \
	" FROM routes r LEFT JOIN route_boxes b ON b.route_id = r.id AND b.node = " node
#define RIGHT_COLS   "id, owner_id, user_id, kind"
#define SESSION_COLS "id, extract(epoch FROM until)::bigint"

#define BY_IDS(cols, from, key, cast) \
	"SELECT " cols " FROM " from " WHERE " key " = ANY ($1::text[]::" cast "[])"
#define PAGE(cols, from, key, cast) \
	"SELECT " cols " FROM " from " WHERE " key " > $1::" cast " ORDER BY " key \
	" LIMIT $2::bigint"

const struct dir_sql_kind dir_sql_kinds[] = {
	{"domain", DIR_K_DOMAIN, BY_IDS(DOMAIN_COLS, "domains", "id", "bigint"),
	 PAGE(DOMAIN_COLS, "domains", "id", "bigint"), "-1", false},
	{"account", DIR_K_ACCOUNT, BY_IDS(ACCOUNT_COLS, "accounts", "id", "bigint"),
	 PAGE(ACCOUNT_COLS, "accounts", "id", "bigint"), "-1", false},
	{"address", DIR_K_ADDRESS, BY_IDS(ADDRESS_COLS, "addresses", "id", "bigint"),
	 PAGE(ADDRESS_COLS, "addresses", "id", "bigint"), "-1", false},
	{"partition", DIR_K_PARTITION, BY_IDS(PARTITION_COLS, "partitions", "id", "integer"),
	 PAGE(PARTITION_COLS, "partitions", "id", "integer"), "-1", false},
	{"node", DIR_K_NODE, BY_IDS(NODE_COLS, "nodes", "name", "text"),
	 PAGE(NODE_COLS, "nodes", "name", "text"), "", false},
	{"setting", DIR_K_SETTING, BY_IDS("key, value", "settings", "key", "text"),
	 PAGE("key, value", "settings", "key", "text"), "", false},
	{"cert", DIR_K_CERT,
	 BY_IDS("serial", "certificates", "revoked IS NOT NULL AND serial", "text"),
	 PAGE("serial", "(SELECT serial FROM certificates WHERE revoked IS NOT NULL) c", "serial",
	      "text"),
	 "", false},
	{"key", DIR_K_KEY, BY_IDS(KEY_COLS, "ticket_keys", "node = $2 AND id", "integer"),
	 "SELECT " KEY_COLS " FROM ticket_keys WHERE id > $1::integer AND node = $3"
	 " ORDER BY id LIMIT $2::bigint",
	 "-1", true},
	{"dkim", DIR_K_DKIM,
	 "SELECT " DKIM_COLS DKIM_FROM("$2") " WHERE k.id = ANY ($1::text[]::bigint[])",
	 "SELECT " DKIM_COLS DKIM_FROM("$3") " WHERE k.id > $1::bigint"
					     " ORDER BY k.id LIMIT $2::bigint",
	 "-1", true},
	{"server", DIR_K_SERVER, BY_IDS(SERVER_COLS, "smtp_servers", "id", "bigint"),
	 PAGE(SERVER_COLS, "smtp_servers", "id", "bigint"), "-1", false},
	{"tls", DIR_K_TLS, BY_IDS(TLS_COLS, "tls_policies", "destination", "text"),
	 PAGE(TLS_COLS, "tls_policies", "destination", "text"), "", false},
	{"route", DIR_K_ROUTE,
	 "SELECT " ROUTE_COLS ROUTE_FROM("$2") " WHERE r.id = ANY ($1::text[]::bigint[])",
	 "SELECT " ROUTE_COLS ROUTE_FROM("$3") " WHERE r.id > $1::bigint"
					       " ORDER BY r.id LIMIT $2::bigint",
	 "-1", true},
	{"right", DIR_K_RIGHT, BY_IDS(RIGHT_COLS, "rights", "id", "bigint"),
	 PAGE(RIGHT_COLS, "rights", "id", "bigint"), "-1", false},
	{"session", DIR_K_SESSION, BY_IDS(SESSION_COLS, "ended_sessions", "id", "bytea"),
	 PAGE(SESSION_COLS, "ended_sessions", "id", "bytea"), "\\x", false},
};
const size_t dir_sql_kinds_n = ARRAY_LEN(dir_sql_kinds);

/* ---- domains ---- */

const char dir_sql_domain_add[] =
	"INSERT INTO domains (name, kind, target, catch_all, accounts_max, quota_bytes) VALUES ($1,"
	" $2::smallint, (SELECT id FROM domains WHERE name = $3 AND kind = 1), $4, $5::bigint,"
	" $6::bigint)";
const char dir_sql_domain_edit[] =
	"UPDATE domains SET catch_all = $2, accounts_max = $3::bigint, quota_bytes = $4::bigint,"
	" mta_sts = $5::smallint, mta_sts_max_age = $6::integer"
	" WHERE name = $1 AND kind = 1";
const char dir_sql_domain_in_use[] =
	"SELECT (SELECT count(*) FROM accounts WHERE domain_id = d.id),"
	" (SELECT count(*) FROM addresses WHERE domain_id = d.id),"
	" (SELECT count(*) FROM domains WHERE target = d.id)"
	" FROM domains d WHERE name = $1 FOR UPDATE";
const char dir_sql_domain_remove[] = "DELETE FROM domains WHERE name = $1";
#define DOMAIN_ROW \
	"SELECT d.name, d.kind, coalesce(t.name, ''), d.catch_all, d.accounts_max," \
	" d.quota_bytes, (SELECT count(*) FROM accounts WHERE domain_id = d.id)," \
	" (SELECT count(*) FROM addresses WHERE domain_id = d.id AND kind <> 1), " US( \
		"d.created") ", coalesce(t.mta_sts, d.mta_sts)," \
			     " coalesce(t.mta_sts_max_age, d.mta_sts_max_age)" \
			     " FROM domains d LEFT JOIN domains t ON t.id = d.target"
const char dir_sql_domain_list[] = DOMAIN_ROW " WHERE d.name COLLATE \"C\" > $1"
					      " ORDER BY d.name COLLATE \"C\" LIMIT $2::bigint";
const char dir_sql_domain_show[] = DOMAIN_ROW " WHERE d.name = $1";
/* The row's lock keeps two additions apart, so that the limit can be counted after it. */
const char dir_sql_domain_for_add[] =
	"SELECT id, kind, accounts_max, quota_bytes FROM domains WHERE name = $1 FOR NO KEY UPDATE";
const char dir_sql_domain_accounts[] = "SELECT count(*) FROM accounts WHERE domain_id = $1::bigint";

/* ---- accounts ---- */

const char dir_sql_partition_pick[] =
	"SELECT id FROM partitions WHERE node IS NOT NULL ORDER BY id"
	" OFFSET $1::bigint % greatest((SELECT count(*) FROM partitions WHERE node IS NOT NULL), 1)"
	" LIMIT 1";
const char dir_sql_partition_has[] = "SELECT 1 FROM partitions WHERE id = $1::integer";
const char dir_sql_account_add[] =
	"INSERT INTO accounts (domain_id, local, address, quota_bytes, quota_messages, partition,"
	" display_name) VALUES ($1::bigint, $2, $3, $4::bigint, $5::bigint, $6::integer, $7)"
	" RETURNING id";
const char dir_sql_account_address_add[] =
	"INSERT INTO addresses (domain_id, local, kind, account_id)"
	" VALUES ($1::bigint, $2, 1, $3::bigint)";
#define ACCOUNT_COLUMNS \
	"SELECT a.id, a.address, a.display_name, a.state, a.quota_bytes, a.quota_messages," \
	" a.partition, a.epoch, coalesce(c.kind, 0), " US("a.created") ", " US( \
		"c.changed") ", " SEND_COLS ", " US("a.held") ", a.held_why"
#define ACCOUNT_CREDENTIAL " LEFT JOIN credentials c ON c.account_id = a.id"
#define ACCOUNT_ROW \
	ACCOUNT_COLUMNS \
	" FROM accounts a JOIN domains d ON d.id = a.domain_id" ACCOUNT_CREDENTIAL
/* A page in order of domain and local part: domain after domain by its index, and of each no more
 * than a page by the index of its names, so that a page costs the same wherever it begins. $1: one
 * domain only, or ''; $2, $3: the last name of the page before; $4: the page. A `which` that few
 * rows pass makes a page look at more of them, once in all pages. */
#define PAGE_OF(table, alias, which) \
	" FROM domains d CROSS JOIN LATERAL (SELECT * FROM " table " WHERE domain_id = d.id" which \
	" AND local COLLATE \"C\" > CASE WHEN d.name = $2 THEN $3 ELSE '' END" \
	" ORDER BY local COLLATE \"C\" LIMIT $4::bigint) " alias
#define PAGE_END(alias) \
	" WHERE ($1 = '' OR d.name = $1) AND d.name COLLATE \"C\" >= $2" \
	" ORDER BY d.name COLLATE \"C\", " alias ".local COLLATE \"C\" LIMIT $4::bigint"
const char dir_sql_account_list[] = ACCOUNT_COLUMNS PAGE_OF(
	"accounts", "a",
	" AND ($5 = '' OR strpos(lower(address), lower($5)) > 0"
	" OR strpos(lower(display_name), lower($5)) > 0)"
	" AND CASE $6::integer WHEN 0 THEN true WHEN 4 THEN held IS NOT NULL"
	" WHEN 1 THEN state = 1 AND held IS NULL"
	" ELSE state = $6::integer END") ACCOUNT_CREDENTIAL PAGE_END("a");
const char dir_sql_account_show[] = ACCOUNT_ROW " WHERE d.name = $1 AND a.local = $2";
const char dir_sql_account_lock[] =
	"SELECT a.id, a.state FROM accounts a JOIN domains d ON d.id = a.domain_id"
	" WHERE d.name = $1 AND a.local = $2 FOR UPDATE OF a";
const char dir_sql_account_state[] = "UPDATE accounts SET state = $2::smallint,"
				     " epoch = epoch + $3::integer WHERE id = $1::bigint";
const char dir_sql_account_quota[] = "UPDATE accounts SET quota_bytes = $2::bigint,"
				     " quota_messages = $3::bigint WHERE id = $1::bigint";
const char dir_sql_account_limit[] =
	"UPDATE accounts SET send_messages_minute = nullif($2::bigint, 4294967295),"
	" send_messages_hour = nullif($3::bigint, 4294967295),"
	" send_messages_day = nullif($4::bigint, 4294967295),"
	" send_recipients_hour = nullif($5::bigint, 4294967295),"
	" send_recipients_day = nullif($6::bigint, 4294967295),"
	" send_burst = nullif($7::bigint, 4294967295) WHERE id = $1::bigint";
const char dir_sql_account_hold[] = "UPDATE accounts SET held = now(), held_why = left($2, 200)"
				    " WHERE id = $1::bigint AND held IS NULL";
const char dir_sql_account_release[] =
	"UPDATE accounts SET held = NULL, held_why = '' WHERE id = $1::bigint";
const char dir_sql_account_remove[] = "UPDATE accounts SET state = 3, domain_id = NULL,"
				      " epoch = epoch + 1 WHERE id = $1::bigint";
const char dir_sql_account_unname[] = "DELETE FROM addresses WHERE account_id = $1::bigint";
const char dir_sql_account_uncred[] = "DELETE FROM credentials WHERE account_id = $1::bigint";
const char dir_sql_account_unright[] =
	"DELETE FROM rights WHERE owner_id = $1::bigint OR user_id = $1::bigint";
const char dir_sql_account_purged[] = "DELETE FROM accounts WHERE id = $1::bigint AND state = 3";
const char dir_sql_credential_set[] =
	"INSERT INTO credentials (account_id, kind, verifier) VALUES ($1::bigint, $2::smallint, $3)"
	" ON CONFLICT (account_id) DO UPDATE SET kind = excluded.kind,"
	" verifier = excluded.verifier, changed = now()";
const char dir_sql_credential_get[] =
	"SELECT coalesce(c.kind, 0), coalesce(c.verifier, ''), a.epoch, a.state FROM accounts a"
	" LEFT JOIN credentials c ON c.account_id = a.id WHERE a.id = $1::bigint";
const char dir_sql_credential_upgrade[] =
	"UPDATE credentials c SET kind = $3::smallint, verifier = $4 FROM accounts a"
	" WHERE c.account_id = $1::bigint AND a.id = c.account_id AND a.epoch = $2::integer";

/* ---- aliases ---- */

const char dir_sql_alias_add[] = "INSERT INTO addresses (domain_id, local, kind, members, senders)"
				 " VALUES ($1::bigint, $2, $3::smallint, $4::text[], $5::smallint)";
#define ALIAS_NAMED \
	" FROM domains d WHERE d.id = r.domain_id AND d.name = $1 AND r.local = $2" \
	" AND r.kind <> 1"
const char dir_sql_alias_set[] = "UPDATE addresses r SET kind = $3::smallint, members = $4::text[],"
				 " senders = $5::smallint" ALIAS_NAMED;
const char dir_sql_alias_enable[] = "UPDATE addresses r SET enabled = $3::boolean" ALIAS_NAMED;
const char dir_sql_alias_remove[] =
	"DELETE FROM addresses r USING domains d WHERE d.id = r.domain_id AND d.name = $1"
	" AND r.local = $2 AND r.kind <> 1";
#define ALIAS_COLUMNS \
	"SELECT r.local || '@' || d.name, r.kind, r.enabled, array_to_string(r.members, " \
	"E'\\n'), " US("r.created") ", cardinality(r.members), r.senders"
#define ALIAS_ROW ALIAS_COLUMNS " FROM addresses r JOIN domains d ON d.id = r.domain_id"
const char dir_sql_alias_list[] =
	ALIAS_COLUMNS PAGE_OF("addresses", "r", " AND kind <> 1") PAGE_END("r");
const char dir_sql_alias_show[] = ALIAS_ROW " WHERE d.name = $1 AND r.local = $2 AND r.kind <> 1";

/* ---- rights ---- */

const char dir_sql_right_put[] =
	"INSERT INTO rights (owner_id, user_id, kind) VALUES ($1::bigint, $2::bigint, $3::smallint)"
	" ON CONFLICT (owner_id, user_id) DO UPDATE SET kind = excluded.kind, created = now()"
	" WHERE rights.kind <> excluded.kind";
const char dir_sql_right_drop[] =
	"DELETE FROM rights WHERE owner_id = $1::bigint AND user_id = $2::bigint";
const char dir_sql_right_count[] =
	"SELECT (SELECT count(*) FROM rights WHERE owner_id = $1::bigint),"
	" (SELECT count(*) FROM rights WHERE user_id = $2::bigint)";
const char dir_sql_right_list[] =
	"SELECT r.owner_id = $1::bigint, a.address, r.kind FROM rights r"
	" JOIN accounts a ON a.id = CASE WHEN r.owner_id = $1::bigint THEN r.user_id"
	" ELSE r.owner_id END WHERE r.owner_id = $1::bigint OR r.user_id = $1::bigint"
	" ORDER BY a.address COLLATE \"C\"";

/* ---- cluster, policy ---- */

const char dir_sql_partition_assign[] =
	"INSERT INTO partitions (id, node) VALUES ($1::integer, $2)"
	" ON CONFLICT (id) DO UPDATE SET node = excluded.node, epoch = partitions.epoch + 1"
	" WHERE partitions.node IS DISTINCT FROM excluded.node";
const char dir_sql_partition_bootstrap[] =
	"INSERT INTO partitions (id, node) SELECT first + i, $2 FROM"
	" (SELECT coalesce(max(id) + 1, 0) AS first FROM partitions) f,"
	" generate_series(0, $1::integer - 1) i"
	" WHERE NOT EXISTS (SELECT 1 FROM partitions WHERE node = $2)";
const char dir_sql_partition_made[] =
	"UPDATE partitions SET made = now() WHERE id = $1::integer AND made IS NULL";
const char dir_sql_node_register[] =
	"WITH old AS (SELECT public_key FROM nodes WHERE name = $1)"
	" INSERT INTO nodes (name, address, port, public_key) VALUES ($1, $2, $3::integer, "
	"$4::bytea)"
	" ON CONFLICT (name) DO UPDATE SET address = excluded.address, port = excluded.port,"
	" public_key = excluded.public_key WHERE (nodes.address, nodes.port, nodes.public_key)"
	" IS DISTINCT FROM (excluded.address, excluded.port, excluded.public_key)"
	" RETURNING coalesce((SELECT public_key <> $4::bytea FROM old), false)";
const char dir_sql_node_forget_keys[] = "WITH boxes AS (DELETE FROM dkim_boxes WHERE node = $1),"
					" others AS (DELETE FROM route_boxes WHERE node = $1)"
					" DELETE FROM ticket_keys WHERE node = $1";
const char dir_sql_node_owns[] = "SELECT count(*) FROM partitions WHERE node = $1";
const char dir_sql_node_remove[] = "DELETE FROM nodes WHERE name = $1";
const char dir_sql_setting_set[] =
	"INSERT INTO settings (key, value) VALUES ($1, $2) ON CONFLICT (key) DO UPDATE"
	" SET value = excluded.value WHERE settings.value <> excluded.value";
const char dir_sql_setting_unset[] = "DELETE FROM settings WHERE key = $1";
const char dir_sql_cert_issued[] = "INSERT INTO certificates (serial, name, expires)"
				   " VALUES ($1, $2, to_timestamp($3::bigint / 1000000.0))";
const char dir_sql_cert_seen[] =
	"INSERT INTO certificates (serial, name, issued, expires) VALUES ($1, $2,"
	" to_timestamp($3::bigint / 1000000.0), to_timestamp($4::bigint / 1000000.0))"
	" ON CONFLICT (serial) DO UPDATE SET issued = excluded.issued, expires = excluded.expires"
	" WHERE certificates.expires IS NULL";
const char dir_sql_cert_revoke[] =
	"INSERT INTO certificates (serial, name, revoked) VALUES ($1, $2, now())"
	" ON CONFLICT (serial) DO UPDATE SET revoked = now() WHERE certificates.revoked IS NULL";
const char dir_sql_cert_list[] = "SELECT serial, name, " US("issued") ", " US("expires") ", " US(
	"revoked") " FROM certificates WHERE serial COLLATE \"C\" > $1"
		   " ORDER BY serial COLLATE \"C\" LIMIT $2::bigint";

/* ---- keys, sessions ---- */

const char dir_sql_key_youngest[] =
	"SELECT extract(epoch FROM now() - max(created))::bigint FROM ticket_keys";
const char dir_sql_key_next[] = "SELECT nextval('ticket_key_id')";
const char dir_sql_key_put[] =
	"INSERT INTO ticket_keys (id, node, sealed, created, not_after) SELECT $1::integer, name,"
	" $3::bytea, now(), now() + make_interval(secs => $4) FROM nodes WHERE name = $2";
const char dir_sql_key_copy[] =
	"INSERT INTO ticket_keys (id, node, sealed, created, not_after)"
	" SELECT id, n.name, $3::bytea, min(k.created), max(k.not_after)"
	" FROM ticket_keys k, nodes n WHERE k.id = $1::integer AND n.name = $2"
	" GROUP BY k.id, n.name ON CONFLICT DO NOTHING";
/* Never the one that tickets were sealed with until now: after a long absence of PostgreSQL that
 * may be an old one. */
const char dir_sql_key_drop[] =
	"DELETE FROM ticket_keys k WHERE not_after < now() AND EXISTS (SELECT 1 FROM ticket_keys y"
	" WHERE y.id > k.id AND y.created < now() - interval '2 hours')";
const char dir_sql_key_missing[] =
	"SELECT k.id FROM ticket_keys k WHERE k.node = $2 AND NOT EXISTS (SELECT 1 FROM"
	" ticket_keys o WHERE o.node = $1 AND o.id = k.id)"
	" AND EXISTS (SELECT 1 FROM nodes WHERE name = $1) ORDER BY k.id DESC LIMIT $3::bigint";
const char dir_sql_node_all[] =
	"SELECT name, address, port, public_key FROM nodes ORDER BY name FOR SHARE";
const char dir_sql_session_end[] =
	"INSERT INTO ended_sessions (id, until) VALUES ($1::bytea, to_timestamp($2::bigint))"
	" ON CONFLICT DO NOTHING";
const char dir_sql_session_drop[] = "DELETE FROM ended_sessions WHERE until < now()";

/* ---- keys that sign mail ---- */

const char dir_sql_dkim_selectors[] = "SELECT selector FROM dkim_keys WHERE domain_id = $1::bigint";
const char dir_sql_dkim_add[] =
	"INSERT INTO dkim_keys (domain_id, selector, algorithm, public_key, successor)"
	" VALUES ($1::bigint, $2, $3::smallint, $4::bytea, $5::bigint <> 0) RETURNING id";
/* A key or a node that has gone meanwhile needs none. */
const char dir_sql_dkim_box_put[] =
	"INSERT INTO dkim_boxes (key_id, node, sealed) SELECT k.id, n.name, $3::bytea"
	" FROM dkim_keys k, nodes n WHERE k.id = $1::bigint AND n.name = $2 ON CONFLICT DO NOTHING";
const char dir_sql_dkim_lacking[] =
	"SELECT n.name, n.address, n.port, n.public_key, own.key_id FROM dkim_boxes own"
	" CROSS JOIN nodes n WHERE own.node = $1 AND NOT EXISTS (SELECT 1 FROM dkim_boxes o"
	" WHERE o.key_id = own.key_id AND o.node = n.name) ORDER BY own.key_id DESC"
	" LIMIT $2::bigint";
#define DKIM_NAMED \
	" FROM domains d WHERE d.id = k.domain_id AND d.name = $1" \
	" AND (k.selector = $2"
const char dir_sql_dkim_activate[] =
	"UPDATE dkim_keys k SET state = 3, retired = NULL,"
	" activated = CASE WHEN k.state = 3 THEN k.activated ELSE now() END" DKIM_NAMED
	" OR ($2 = '' AND k.state IN (1, 2)))";
const char dir_sql_dkim_active[] =
	"SELECT count(*) FROM dkim_keys k JOIN domains d ON d.id = k.domain_id"
	" WHERE d.name = $1 AND k.state = 3";
const char dir_sql_dkim_seen[] =
	"UPDATE dkim_keys k SET state = 2, published = now()" DKIM_NAMED ") AND k.state = 1";
const char dir_sql_dkim_gone[] =
	"UPDATE dkim_keys k SET state = 1, published = NULL" DKIM_NAMED ") AND k.state = 2";
const char dir_sql_dkim_retire[] =
	"UPDATE dkim_keys k SET state = 4, retired = coalesce(k.retired, now())" DKIM_NAMED
	") AND k.state IN (3, 4)";
const char dir_sql_dkim_remove[] =
	"DELETE FROM dkim_keys k USING domains d WHERE d.id = k.domain_id AND d.name = $1"
	" AND k.selector = $2 AND k.state <> 3";
#define DKIM_ROW \
	"SELECT d.name, k.selector, k.algorithm, k.state, k.public_key, " US("k.created") ", " US( \
		"k.published") ", " US("k.activated") ", " US("k.retired") ", k.successor::int"
const char dir_sql_dkim_list[] = DKIM_ROW
	" FROM dkim_keys k JOIN domains d ON d.id = k.domain_id WHERE ($1 = '' OR d.name = $1)"
	" AND (d.name COLLATE \"C\", k.selector COLLATE \"C\") > ($2, $3)"
	" ORDER BY d.name COLLATE \"C\", k.selector COLLATE \"C\" LIMIT $4::bigint";

/* ---- virtual SMTP servers ---- */

/* One change at a time: what they have together is counted after it. */
const char dir_sql_server_lock[] = "LOCK TABLE smtp_servers IN SHARE ROW EXCLUSIVE MODE";
const char dir_sql_server_add[] =
	"INSERT INTO smtp_servers (name, service, listeners, settings, operators)"
	" VALUES ($1, $2::smallint, $3::text[], $4::text[], $5::text[])";
const char dir_sql_server_edit[] =
	"UPDATE smtp_servers SET listeners = $3::text[], settings = $4::text[],"
	" operators = $5::text[], version = version + 1"
	" WHERE name = $1 AND version = $2::bigint";
/* A row and an element of a list cost some bytes beside their text. A home ends in '/' here: one
 * that begins with another lies in it, or is it. */
const char dir_sql_server_check[] =
	"WITH homes AS (SELECT name, coalesce((SELECT substr(x, 6) FROM unnest(settings) x"
	" WHERE starts_with(x, 'home=') AND x <> 'home='), name) || '/' AS home FROM smtp_servers)"
	"SELECT count(*), sum(128 + octet_length("
	"array_to_string(s.listeners || s.settings || s.operators, '....'))),"
	" coalesce((SELECT min(o.name) FROM smtp_servers o, smtp_servers me WHERE me.name = $1"
	" AND o.name <> $1 AND o.service = me.service AND o.listeners && me.listeners), ''),"
	" coalesce((SELECT min(o.name) FROM homes o, homes me WHERE me.name = $1 AND o.name <> $1"
	" AND (starts_with(o.home, me.home) OR starts_with(me.home, o.home))), '')"
	" FROM smtp_servers s";
const char dir_sql_server_state[] =
	"UPDATE smtp_servers SET state = $2::smallint, version = version + 1"
	" WHERE name = $1 OR $1 = ''";
const char dir_sql_server_remove[] =
	"DELETE FROM smtp_servers WHERE name = $1 AND listeners <> '{}'";
const char dir_sql_server_name[] = "SELECT name FROM smtp_servers WHERE name = $1";

/* ---- TLS of other systems' servers ---- */

const char dir_sql_tls_set[] =
	"INSERT INTO tls_policies (destination, level, peers) VALUES ($1, $2::smallint, $3::text[])"
	" ON CONFLICT (destination) DO UPDATE SET level = excluded.level, peers = excluded.peers,"
	" changed = now()";
const char dir_sql_tls_remove[] = "DELETE FROM tls_policies WHERE destination = $1";
#define TLS_ROW "SELECT " TLS_COLS ", " US("changed") " FROM tls_policies"
const char dir_sql_tls_list[] = TLS_ROW " WHERE destination COLLATE \"C\" > $1"
					" ORDER BY destination COLLATE \"C\" LIMIT $2::bigint";
const char dir_sql_tls_show[] = TLS_ROW " WHERE destination = $1";

/* Reports that we have got; a row of a result for each kind of sessions. */
const char dir_sql_tls_received_put[] =
	"WITH r AS (INSERT INTO tls_received (organization, report_id, from_time, to_time)"
	" SELECT $1, $2, to_timestamp($3::bigint / 1e6), to_timestamp($4::bigint / 1e6) WHERE"
	" (SELECT count(*) FROM tls_received WHERE arrived > now() - interval '1 day') < $5::bigint"
	" ON CONFLICT DO NOTHING RETURNING id)"
	" INSERT INTO tls_received_results (report, domain, policy, result, sessions)"
	" SELECT r.id, s.domain, s.policy, s.result, sum(s.sessions) FROM r,"
	" unnest($6::text[], $7::smallint[], $8::smallint[], $9::bigint[])"
	" AS s (domain, policy, result, sessions) GROUP BY 1, 2, 3, 4";
const char dir_sql_tls_received_forget[] =
	"DELETE FROM tls_received WHERE arrived < now() - $1::bigint * interval '1 day'";
/* By day of UTC, organization and domain: how many reports, and all their kinds in one text. A
 * report may be of some kinds alone: no kind's reports are all of them. */
const char dir_sql_tls_received_list[] =
	"WITH told AS (SELECT t.id, date_trunc('day', t.from_time, 'UTC') AS day,"
	" t.organization AS who, r.domain, r.result, r.sessions"
	" FROM tls_received t JOIN tls_received_results r ON r.report = t.id"
	" WHERE ($1 = '' OR r.domain = $1) AND (date_trunc('day', t.from_time, 'UTC'),"
	" t.organization COLLATE \"C\", r.domain COLLATE \"C\")"
	" > (to_timestamp($2::bigint / 1e6), $3, $4)),"
	" reports AS (SELECT day, who, domain, count(DISTINCT id) AS n FROM told GROUP BY 1, 2, 3),"
	" kinds AS (SELECT day, who, domain, result, sum(sessions)::bigint AS n FROM told"
	" GROUP BY 1, 2, 3, 4)"
	" SELECT " US("day") ", who, domain, r.n,"
			     " string_agg(k.result || '=' || k.n, ' ' ORDER BY k.result)"
			     " FROM reports r JOIN kinds k USING (day, who, domain)"
			     " GROUP BY day, who, domain, r.n"
			     " ORDER BY day, who COLLATE \"C\", domain COLLATE \"C\""
			     " LIMIT $5::bigint";

const char dir_sql_claim[] =
	"INSERT INTO claims (name, node, until)"
	" VALUES ($1, $2, now() + $3::bigint * interval '1 s')"
	" ON CONFLICT (name) DO UPDATE SET node = excluded.node, until = excluded.until"
	" WHERE claims.node = excluded.node OR claims.until < now() RETURNING node";

/* ---- routes ---- */

/* Of a name; without one, or of one that there is not: null. */
#define ROUTE_ATRN \
	"(SELECT a.id FROM accounts a JOIN domains d ON d.id = a.domain_id" \
	" WHERE d.name = $13 AND a.local = $14)"
#define ROUTE_DONE " RETURNING id, coalesce(atrn, 0)"
const char dir_sql_route_add[] =
	"INSERT INTO routes (domain, sender, action, target, tls, username, direct, connections,"
	" helo, source4, source6, etrn, atrn, auth) VALUES ($1, $2, $3::smallint, $4, $5::smallint,"
	" $6, $7::boolean, $8::integer, $9, $10, $11, $12, " ROUTE_ATRN
	", $15::smallint)" ROUTE_DONE;
const char dir_sql_route_edit[] =
	"UPDATE routes SET action = $3::smallint, target = $4, tls = $5::smallint, username = $6,"
	" direct = $7::boolean, connections = $8::integer, helo = $9, source4 = $10, source6 = $11,"
	" etrn = $12, atrn = " ROUTE_ATRN
	", auth = $15::smallint WHERE domain = $1 AND sender = $2" ROUTE_DONE;
const char dir_sql_route_remove[] = "DELETE FROM routes WHERE domain = $1 AND sender = $2";
/* A route or a node that has gone meanwhile needs none. */
const char dir_sql_route_box_put[] =
	"INSERT INTO route_boxes (route_id, node, sealed) SELECT r.id, n.name, $3::bytea"
	" FROM routes r, nodes n WHERE r.id = $1::bigint AND n.name = $2 ON CONFLICT DO NOTHING";
const char dir_sql_route_box_drop[] = "DELETE FROM route_boxes WHERE route_id = $1::bigint";
const char dir_sql_route_boxes[] = "SELECT count(*) FROM route_boxes WHERE route_id = $1::bigint";
const char dir_sql_route_lacking[] =
	"SELECT n.name, n.address, n.port, n.public_key, own.route_id FROM route_boxes own"
	" CROSS JOIN nodes n WHERE own.node = $1 AND NOT EXISTS (SELECT 1 FROM route_boxes o"
	" WHERE o.route_id = own.route_id AND o.node = n.name) ORDER BY own.route_id DESC"
	" LIMIT $2::bigint";
#define ROUTE_HAS_BOX "EXISTS (SELECT 1 FROM route_boxes b WHERE b.route_id = routes.id)"
#define ROUTE_FETCHER "(SELECT address FROM accounts a WHERE a.id = atrn AND a.state <> 3)"
#define ROUTE_ROW \
	"SELECT domain, sender, action, target, tls, username, direct, connections, helo," \
	" source4, source6, " US("created") ", " ROUTE_HAS_BOX ", etrn," \
					    " coalesce(" ROUTE_FETCHER ", ''), auth FROM routes"
const char dir_sql_route_list[] =
	ROUTE_ROW " WHERE (domain COLLATE \"C\", sender COLLATE \"C\") > ($1, $2)"
		  " ORDER BY domain COLLATE \"C\", sender COLLATE \"C\" LIMIT $3::bigint";
const char dir_sql_route_show[] = ROUTE_ROW " WHERE domain = $1 AND sender = $2";

/* ---- audit ---- */

const char dir_sql_audit_add[] = "INSERT INTO audit (who, origin, method, target, result, detail)"
				 " VALUES ($1, $2, $3, $4, $5, $6)";
const char dir_sql_audit_list[] =
	"SELECT id, " US("at") ", who, origin, method, target, result, detail FROM audit"
			       " WHERE id < $1::bigint ORDER BY id DESC LIMIT $2::bigint";
