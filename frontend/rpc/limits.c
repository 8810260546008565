#include "frontend/rpc/limits.h"

#include "common/record/record.h"
#include "frontend/rpc/call_gssapi.h"
#include "frontend/rpc/call_ingest.h"
#include "frontend/rpc/call_sts.h"
#include "frontend/rpc/call_web.h"
#include "proto/auth.pb-c.h"
#include "proto/delivery.pb-c.h"
#include "proto/dns.pb-c.h"
#include "proto/ingest.pb-c.h"
#include "proto/mailbox.pb-c.h"
#include "proto/message.pb-c.h"
#include "proto/outbound.pb-c.h"
#include "proto/policy.pb-c.h"
#include "proto/servers.h"
#include "proto/summary.pb-c.h"
#include "proto/tls_results.h"
#include "proto/web.pb-c.h"

#define ROWS_MAX     1024 /* rows of one batch: a slice of the store is 100 */
#define RANGES_MAX   8192 /* a DATA frame of 64 KiB cannot hold more */
#define KEYWORDS_MAX 64   /* of a mailbox */
#define FIELDS_MAX   512  /* of a message's summary, as back-ends store them */
#define FIELD_BYTES  4096 /* of all of them */
#define FRAME_MAX    (64 * 1024)
#define PATH_BYTES   (32 * 256) /* depth times the length of a name */

const struct walk_limit fe_walk_limits[] = {
	{&postern__auth_reply__descriptor, "challenge", 0, 4096},
	{&postern__settings__descriptor, "settings", 512, 0},
	{&postern__setting__descriptor, "value", 0, 4096},
	{&postern__cluster__descriptor, "backends", 256, 0},
	{&postern__cluster__descriptor, "partitions", 4096, 0},
	{&postern__virtual_servers__descriptor, "servers", SERVERS_MAX, 0},
	{&postern__virtual_server__descriptor, "listeners", SERVER_LISTENERS_MAX,
	 SERVER_LISTENER_MAX},
	{&postern__virtual_server__descriptor, "settings", SERVER_SETTINGS_MAX, SERVER_SETTING_MAX},
	{&postern__revoked__descriptor, "serials", 4096, 0},
	{&postern__resolve_reply__descriptor, "targets", 4, 0},
	{&postern__deliver_reply__descriptor, "results", 1000, 0},
	{&postern__sender_check_reply__descriptor, "keys", 16, 0},
	{&postern__signing_key__descriptor, "selector", 0, 63},
	{&postern__mailbox_batch__descriptor, "rows", ROWS_MAX, 0},
	{&postern__mailbox_row__descriptor, "path", 0, PATH_BYTES},
	{&postern__mailbox_open_reply__descriptor, "keywords", KEYWORDS_MAX, 0},
	{&postern__mailbox_changes_reply__descriptor, "keywords", KEYWORDS_MAX, 0},
	{&postern__uid_ranges__descriptor, "ranges", RANGES_MAX, 0},
	{&postern__search_batch__descriptor, "ranges", RANGES_MAX, 0},
	{&postern__search_batch__descriptor, "maybe", RANGES_MAX, 0},
	{&postern__change_batch__descriptor, "added", RANGES_MAX, 0},
	{&postern__change_batch__descriptor, "vanished", RANGES_MAX, 0},
	{&postern__change_batch__descriptor, "uid", ROWS_MAX, 0},
	{&postern__change_batch__descriptor, "flags", ROWS_MAX, 0},
	{&postern__change_batch__descriptor, "keywords", ROWS_MAX, 0},
	{&postern__change_batch__descriptor, "modseq", ROWS_MAX, 0},
	{&postern__message_store_reply__descriptor, "keywords", KEYWORDS_MAX, 0},
	{&postern__message_store_reply__descriptor, "modified", RANGES_MAX, 0},
	{&postern__message_copy_reply__descriptor, "from", RANGES_MAX, 0},
	{&postern__message_copy_reply__descriptor, "to", RANGES_MAX, 0},
	{&postern__message_expunge_reply__descriptor, "vanished", RANGES_MAX, 0},
	{&postern__fetch_batch__descriptor, "uid", ROWS_MAX, 0},
	{&postern__fetch_batch__descriptor, "flags", ROWS_MAX, 0},
	{&postern__fetch_batch__descriptor, "keywords", ROWS_MAX, 0},
	{&postern__fetch_batch__descriptor, "modseq", ROWS_MAX, 0},
	{&postern__fetch_batch__descriptor, "size", ROWS_MAX, 0},
	{&postern__fetch_batch__descriptor, "date_us", ROWS_MAX, 0},
	{&postern__fetch_batch__descriptor, "envelope", ROWS_MAX, FRAME_MAX},
	{&postern__fetch_batch__descriptor, "bodystructure", ROWS_MAX, FRAME_MAX},
	{&postern__fetch_batch__descriptor, "fields", ROWS_MAX, 0},
	{&postern__fetch_batch__descriptor, "parts", ROWS_MAX, 0},
	{&postern__fetch_batch__descriptor, "email_id", ROWS_MAX, 0},
	{&postern__fetch_batch__descriptor, "thread_id", ROWS_MAX, 0},
	{&postern__fetch_batch__descriptor, "prefix", ROWS_MAX, FRAME_MAX},
	{&postern__fetch_batch__descriptor, "keyword_names", KEYWORDS_MAX, 0},
	{&postern__part_table__descriptor, "parts", 1024, 0},
	/* What a back-end takes from any front-end, it gives to any. */
	{&postern__field_list__descriptor, "fields", FIELDS_MAX, 0},
	{&postern__header_field__descriptor, "raw", 0, FIELD_BYTES},
	{&postern__read_head__descriptor, "prefix", 0, FRAME_MAX},
	{&postern__read_head__descriptor, "blocks", RANGES_MAX, 0},
	{&postern__outbound_job__descriptor, "recipients", 100, 0},
	{&postern__outbound_job__descriptor, "prefix", 0, FRAME_MAX},
	{&postern__outbound_job__descriptor, "blocks", RECORD_BLOCKS_MAX, 0},
	{&postern__outbound_job__descriptor, "stored", 0, FRAME_MAX},
	{&postern__outbound_read_reply__descriptor, "blocks", RECORD_BLOCKS_MAX, 0},
	{&postern__outbound_job__descriptor, "targets", 4, 0},
	{&postern__outbound_tls__descriptor, "names", 16, 255},
	{&postern__outbound_tls__descriptor, "pins", 16, 32},
	{&postern__outbound_recipient__descriptor, "text", 0, 4096},
	{&postern__sts_policy__descriptor, "id", 0, 32},
	{&postern__sts_policy__descriptor, "mx", CALL_STS_MX_MAX, 253},
	{&postern__dns_question__descriptor, "name", 0, 253},
	{&postern__web_sts_reply__descriptor, "text", 0, CALL_WEB_TEXT_MAX},
	{&postern__web_autoconfig_reply__descriptor, "text", 0, CALL_WEB_TEXT_MAX},
	{&postern__tls_report__descriptor, "domain", 0, 255},
	{&postern__tls_report__descriptor, "report_id", 0, 512},
	{&postern__tls_report__descriptor, "organization", 0, 255},
	{&postern__tls_report__descriptor, "contact", 0, 320},
	{&postern__tls_report__descriptor, "policies", 8, 0},
	{&postern__tls_report_policy__descriptor, "policy", 0, TLS_TOLD_POLICY_MAX},
	{&postern__tls_report_policy__descriptor, "details", 100, 0},
	{&postern__tls_report_failure__descriptor, "host", 0, 255},
	{&postern__tls_report_failure__descriptor, "why", 0, TLS_TOLD_REASON_MAX},
	{&postern__outbound_route__descriptor, "target", 0, 300},
	{&postern__outbound_route__descriptor, "user", 0, 255},
	{&postern__outbound_route__descriptor, "password", 0, 255},
	{&postern__outbound_route__descriptor, "helo", 0, 255},
	{&postern__outbound_gssapi_step__descriptor, "token", 0, CALL_GSSAPI_TOKEN_MAX},
	{&postern__outbound_gssapi_step__descriptor, "why", 0, CALL_GSSAPI_WHY_MAX},
	{&postern__ingest_job__descriptor, "domain", 0, 253},
	{&postern__ingest_open_reply__descriptor, "sender", 0, CALL_INGEST_ADDR_MAX},
	{&postern__ingest_open_reply__descriptor, "tokens", CALL_INGEST_RCPTS_MAX,
	 DELIVER_TOKEN_MAX},
	{&postern__ingest_open_reply__descriptor, "keys", 16, 0},
	{NULL, NULL, 0, 0},
};
