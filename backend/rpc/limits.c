#include "backend/rpc/limits.h"

#include "backend/areas/area.h"
#include "backend/auth/auth.h"
#include "backend/directory/dir_servers.h"
#include "backend/dns/asking.h"
#include "backend/queue/outbound.h"
#include "backend/queue/sts_cache.h"
#include "backend/queue/tls_sums.h"
#include "backend/rpc/usage.h"
#include "backend/store/search.h"
#include "backend/store/store.h"
#include "backend/store/summary.h"
#include "common/parse/idn.h"
#include "proto/auth.pb-c.h"
#include "proto/delivery.pb-c.h"
#include "proto/dns.pb-c.h"
#include "proto/ingest.pb-c.h"
#include "proto/mailbox.pb-c.h"
#include "proto/message.pb-c.h"
#include "proto/outbound.pb-c.h"
#include "proto/policy.pb-c.h"
#include "proto/summary.pb-c.h"
#include "proto/web.pb-c.h"

#define RANGES_MAX            8192 /* a payload of 64 KiB cannot hold more */
#define INGEST_RECIPIENTS_MAX 40   /* asked of at a time: their tokens fit a frame */
#define RECIPIENTS_MAX        1000 /* of one transaction: RFC 5321 asks for 100, policy gives 500 */

const struct walk_limit be_walk_limits[] = {
	{&postern__auth_start__descriptor, "initial", 0, AUTH_TOKEN_MAX},
	{&postern__auth_step__descriptor, "response", 0, AUTH_TOKEN_MAX},
	{&postern__node_report__descriptor, "metrics", 0, 60 * 1024},
	{&postern__node_report__descriptor, "listeners", SERVER_LISTENERS_MAX, SERVER_LISTENER_MAX},
	{&postern__summary__descriptor, "envelope", 0, SUMMARY_ENVELOPE_MAX},
	{&postern__summary__descriptor, "bodystructure", 0, SUMMARY_STRUCTURE_MAX},
	{&postern__summary__descriptor, "parts", SUMMARY_PARTS_MAX, 0},
	{&postern__summary__descriptor, "fields", SUMMARY_FIELDS_MAX, 0},
	{&postern__summary__descriptor, "subject", 0, SUMMARY_COLUMN_MAX},
	{&postern__summary__descriptor, "base_subject", 0, SUMMARY_COLUMN_MAX},
	{&postern__summary__descriptor, "from", 0, SUMMARY_COLUMN_MAX},
	{&postern__summary__descriptor, "to", 0, SUMMARY_COLUMN_MAX},
	{&postern__summary__descriptor, "cc", 0, SUMMARY_COLUMN_MAX},
	{&postern__summary__descriptor, "bcc", 0, SUMMARY_COLUMN_MAX},
	{&postern__summary__descriptor, "message_id", 0, SUMMARY_MESSAGE_ID_MAX},
	{&postern__summary__descriptor, "references", SUMMARY_REFERENCES_MAX,
	 SUMMARY_MESSAGE_ID_MAX},
	{&postern__header_field__descriptor, "raw", 0, SUMMARY_FIELDS_BYTES},
	{&postern__deliver_commit__descriptor, "recipients", RECIPIENTS_MAX, 0},
	{&postern__deliver_commit__descriptor, "others", 256, 0},
	{&postern__deliver_commit__descriptor, "author", 0, DIR_ADDRESS_MAX},
	{&postern__deliver_commit__descriptor, "server", 0, SERVER_NAME_MAX},
	{&postern__resolve__descriptor, "server", 0, SERVER_NAME_MAX},
	{&postern__deliver_commit__descriptor, "signatures", DKIM_SIGS_MAX, 0},
	{&postern__signature_ask__descriptor, "selector", 0, DKIM_SELECTOR_MAX},
	{&postern__signature_ask__descriptor, "field", 0, DKIM_OPEN_MAX},
	{&postern__signature_ask__descriptor, "digest", 0, SHA256_LEN},
	{&postern__deliver_commit__descriptor, "prefix", 0, STORE_PREFIX_MAX},
	{&postern__deliver_commit__descriptor, "text", 0, STORE_TEXT_MAX},
	{&postern__other_owner__descriptor, "recipients", RECIPIENTS_MAX, 0},
	{&postern__deliver_settle__descriptor, "tokens", RECIPIENTS_MAX, 0},
	{&postern__outbound_report__descriptor, "results", OUTBOUND_RESULTS_MAX, 0},
	{&postern__outbound_result__descriptor, "results", LEASE_ITEMS_MAX, 0},
	{&postern__outbound_result__descriptor, "remote", 0, OUTCOME_REMOTE_MAX},
	{&postern__outbound_turn__descriptor, "domains", OUTBOUND_TURN_DOMAINS_MAX, DOMAIN_MAX},
	{&postern__outbound_ask__descriptor, "node", 0, DIR_ROUTE_DOMAIN_MAX},
	{&postern__outbound_sts_get__descriptor, "domain", 0, DOMAIN_MAX},
	{&postern__outbound_sts_put__descriptor, "domain", 0, DOMAIN_MAX},
	{&postern__sts_policy__descriptor, "id", 0, STS_ROW_ID_MAX},
	{&postern__sts_policy__descriptor, "mx", STS_ROW_MX_MAX, STS_ROW_NAME_MAX},
	{&postern__web_sts__descriptor, "domain", 0, DOMAIN_MAX},
	{&postern__web_autoconfig__descriptor, "domain", 0, DOMAIN_MAX},
	{&postern__outbound_tls_put__descriptor, "sessions", 256, 0},
	{&postern__tls_sessions__descriptor, "domain", 0, DOMAIN_MAX},
	{&postern__tls_sessions__descriptor, "policy", 0, TLS_TOLD_POLICY_MAX},
	{&postern__tls_sessions__descriptor, "host", 0, TLS_SUMS_TEXT_MAX},
	{&postern__tls_sessions__descriptor, "remote", 0, TLS_SUMS_TEXT_MAX},
	{&postern__tls_sessions__descriptor, "local", 0, TLS_SUMS_TEXT_MAX},
	{&postern__tls_sessions__descriptor, "why", 0, TLS_TOLD_REASON_MAX},
	{&postern__outbound_tls_step__descriptor, "address", 0, DIR_ADDRESS_MAX},
	{&postern__outbound_tls_step__descriptor, "text", 0, TLS_SUMS_LAST_STR},
	{&postern__outbound_recipient_result__descriptor, "text", 0, OUTCOME_TEXT_MAX},
	{&postern__dns_watch__descriptor, "tls_key", 0, SHA256_LEN},
	{&postern__dns_answer__descriptor, "records", ASKING_RECORDS_MAX, ASKING_BYTES_MAX},
	{&postern__dns_answer__descriptor, "canonical", 0, ASKING_NAME_MAX},
	{&postern__ingest_open__descriptor, "recipients", INGEST_RECIPIENTS_MAX, DIR_ADDRESS_MAX},
	{&postern__ingest_open__descriptor, "sender", 0, DIR_ADDRESS_MAX},
	{&postern__ingest_open__descriptor, "author", 0, DIR_ADDRESS_MAX},
	{&postern__ingest_done__descriptor, "why", 0, AREA_REASON_MAX},
	{&postern__ingest_tls_report__descriptor, "organization", 0, TLS_RECEIVED_TEXT_MAX},
	{&postern__ingest_tls_report__descriptor, "report_id", 0, TLS_RECEIVED_TEXT_MAX},
	{&postern__ingest_tls_report__descriptor, "policies", TLS_RECEIVED_POLICIES_MAX, 0},
	{&postern__ingest_tls_policy__descriptor, "domain", 0, DOMAIN_MAX},
	{&postern__ingest_tls_policy__descriptor, "results", TLS_RESULT_OTHER + 1, 0},
	{&postern__mailbox_create__descriptor, "path", 0, STORE_PATH_MAX},
	{&postern__mailbox_delete__descriptor, "path", 0, STORE_PATH_MAX},
	{&postern__mailbox_rename__descriptor, "from", 0, STORE_PATH_MAX},
	{&postern__mailbox_rename__descriptor, "to", 0, STORE_PATH_MAX},
	{&postern__mailbox_subscribe__descriptor, "path", 0, STORE_PATH_MAX},
	{&postern__mailbox_open__descriptor, "path", 0, STORE_PATH_MAX},
	{&postern__mailbox_status__descriptor, "path", 0, STORE_PATH_MAX},
	{&postern__message_fetch__descriptor, "uids", RANGES_MAX, 0},
	{&postern__message_read__descriptor, "uids", RANGES_MAX, 0},
	{&postern__message_store__descriptor, "uids", RANGES_MAX, 0},
	{&postern__message_store__descriptor, "keywords", STORE_KEYWORDS_MAX, STORE_KEYWORD_MAX},
	{&postern__message_copy__descriptor, "uids", RANGES_MAX, 0},
	{&postern__message_copy__descriptor, "to", 0, STORE_PATH_MAX},
	{&postern__message_expunge__descriptor, "uids", RANGES_MAX, 0},
	{&postern__message_search__descriptor, "keys", SEARCH_KEYS_MAX, 0},
	{&postern__search_key__descriptor, "text", 0, SEARCH_TEXT_MAX},
	{&postern__search_key__descriptor, "uids", RANGES_MAX, 0},
	{&postern__append_begin__descriptor, "path", 0, STORE_PATH_MAX},
	{&postern__append_commit__descriptor, "path", 0, STORE_PATH_MAX},
	{&postern__append_commit__descriptor, "keywords", STORE_KEYWORDS_MAX, STORE_KEYWORD_MAX},
	{&postern__append_commit__descriptor, "text", 0, STORE_TEXT_MAX},
	{&postern__admin_alias_spec__descriptor, "members", DIR_MEMBERS_MAX, DIR_ADDRESS_MAX},
	{&postern__admin_tls_set__descriptor, "names", DIR_TLS_PEERS_MAX, DIR_TLS_PEER_MAX},
	{&postern__admin_tls_set__descriptor, "fingerprints", DIR_TLS_PEERS_MAX, 128},
	{&postern__admin_setting_set__descriptor, "value", 0, DIR_SETTING_VALUE_MAX},
	{&postern__admin_server_add__descriptor, "listeners", SERVER_LISTENERS_MAX,
	 SERVER_LISTENER_MAX},
	{&postern__admin_server_add__descriptor, "settings", SERVER_SETTINGS_MAX,
	 SERVER_SETTING_MAX},
	{&postern__admin_server_add__descriptor, "operators", SERVER_OPERATORS_MAX,
	 SERVER_NAME_MAX},
	{&postern__admin_server_edit__descriptor, "listeners", SERVER_LISTENERS_MAX,
	 SERVER_LISTENER_MAX},
	{&postern__admin_server_edit__descriptor, "settings", SERVER_SETTINGS_MAX,
	 SERVER_SETTING_MAX},
	{&postern__admin_server_edit__descriptor, "unset", SERVER_SETTINGS_MAX, 0},
	{&postern__admin_server_edit__descriptor, "operators", SERVER_OPERATORS_MAX,
	 SERVER_NAME_MAX},
	{&postern__peer_usage__descriptor, "accounts", USAGE_MAX, 0},
	{NULL, NULL, 0, 0},
};
