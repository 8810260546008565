#include "backend/rpc/rpc_methods.h"

#include <stdlib.h>

#include "backend/rpc/m_admin.h"
#include "proto/auth.pb-c.h"
#include "proto/delivery.pb-c.h"
#include "proto/dns.pb-c.h"
#include "proto/ingest.pb-c.h"
#include "proto/mailbox.pb-c.h"
#include "proto/message.pb-c.h"
#include "proto/method.pb-c.h"
#include "proto/outbound.pb-c.h"
#include "proto/policy.pb-c.h"
#include "proto/web.pb-c.h"

#define FE     ROLES(ROLE_FRONTEND)
#define FE_BE  (ROLES(ROLE_FRONTEND) | ROLES(ROLE_BACKEND))
#define ALL_FE (~0u)
#define LOGINS \
	(SERVICES(SERVICE_SUBMISSION) | SERVICES(SERVICE_IMAP) | SERVICES(SERVICE_POP3) | \
	 SERVICES(SERVICE_MANAGESIEVE))
#define MAIL_IN    (SERVICES(SERVICE_SMTP) | SERVICES(SERVICE_SUBMISSION))
#define OUTBOUND   SERVICES(SERVICE_OUTBOUND)
#define SUBMISSION SERVICES(SERVICE_SUBMISSION)
#define DELIVERERS (MAIL_IN | OUTBOUND) /* the way out delivers notices */
#define READERS    (SERVICES(SERVICE_IMAP) | SERVICES(SERVICE_POP3))
#define IMAP       SERVICES(SERVICE_IMAP)
#define WEB        SERVICES(SERVICE_WEB)
#define SMALL      (8 * 1024)
#define WHOLE      RPC_PAYLOAD_MAX /* summaries, lists of UIDs */
#define LONG       (512 * 1024)
#define SECONDS(n) (1000LL * (n))
#define MINUTES(n) (60000LL * (n))
#define FSCK_MS    MINUTES(24 * 60) /* reads every byte of a node */

/* clang-format off */
/* number, name, request, roles, services, rights, ticket, repeat, payload, deadline, rate, run */
#define M(num, type, desc, roles, svcs, rpt, cap, dl, rate, fn) \
	{POSTERN__METHOD__METHOD_##num, type, &postern__##desc##__descriptor, PORT_RPC, roles, \
	 svcs, 0, 0, rpt, cap, dl, rate, fn, 0}
/* The same, for messages that may be longer than a frame. */
#define ML(num, type, desc, roles, svcs, rpt, dl, rate, fn) \
	{POSTERN__METHOD__METHOD_##num, type, &postern__##desc##__descriptor, PORT_RPC, roles, \
	 svcs, 0, 0, rpt, WHOLE, dl, rate, fn, LONG}
/* With a ticket: the field's place in the message. */
#define T(num, name, desc, msg, svcs, rights, rpt, cap, dl, fn) \
	{POSTERN__METHOD__METHOD_##num, name, &postern__##desc##__descriptor, PORT_RPC, FE, svcs, \
	 rights, offsetof(msg, ticket), rpt, cap, dl, RATE_FREE, fn, 0}

#define TL(num, name, desc, msg, svcs, rights, rpt, dl, fn) \
	{POSTERN__METHOD__METHOD_##num, name, &postern__##desc##__descriptor, PORT_RPC, FE, svcs, \
	 rights, offsetof(msg, ticket), rpt, WHOLE, dl, RATE_FREE, fn, LONG}

/* Management: number, name, request, repeat, payload, deadline, run. */
#define A(num, name, desc, rpt, cap, dl, fn) \
	{POSTERN__METHOD__METHOD_ADMIN_##num, name, &postern__admin_##desc##__descriptor, \
	 PORT_ADMIN, ROLES(ROLE_ADMIN), 0, 0, 0, rpt, cap, dl, RATE_FREE, fn, 0}
/* The same for operators, too: the handler looks whose the thing is. */
#define AO(num, name, desc, rpt, cap, dl, fn) \
	{POSTERN__METHOD__METHOD_ADMIN_##num, name, &postern__admin_##desc##__descriptor, \
	 PORT_ADMIN, ROLES(ROLE_ADMIN) | ROLES(ROLE_OPERATOR), 0, 0, 0, rpt, cap, dl, RATE_FREE, \
	 fn, 0}
/* With long lists: as ML. */
#define AL(num, name, desc, rpt, fn) \
	{POSTERN__METHOD__METHOD_ADMIN_##num, name, &postern__admin_##desc##__descriptor, \
	 PORT_ADMIN, ROLES(ROLE_ADMIN), 0, 0, 0, rpt, WHOLE, MINUTES(1), RATE_FREE, fn, LONG}
/* From back-end to back-end, on behalf of an administrator whom the asker has checked. */
#define P(num, name, desc, rpt, cap, dl, fn) \
	{POSTERN__METHOD__METHOD_PEER_##num, name, &postern__##desc##__descriptor, PORT_RPC, \
	 ROLES(ROLE_BACKEND), 0, 0, 0, rpt, cap, dl, RATE_FREE, fn, 0}
/* clang-format on */

const struct method methods[] = {
	M(AUTH_START, "Auth.Start", auth_start, FE, LOGINS, IDEMPOTENT, SMALL, MINUTES(1),
	  RATE_LOGIN, m_auth_start),
	M(AUTH_STEP, "Auth.Step", auth_step, FE, LOGINS, ONCE, SMALL, MINUTES(1), RATE_FREE,
	  m_auth_step),
	M(TICKET_RENEW, "Ticket.Renew", ticket_renew, FE, LOGINS, IDEMPOTENT, SMALL, SECONDS(30),
	  RATE_LOGIN, m_ticket_renew),
	M(AUTH_END, "Auth.End", auth_end, FE, LOGINS, IDEMPOTENT, SMALL, SECONDS(30), RATE_FREE,
	  m_auth_end),
	M(POLICY_WATCH, "Policy.Watch", policy_watch, FE, ALL_FE, IDEMPOTENT, SMALL, NO_DEADLINE,
	  RATE_LOOKUP, m_policy_watch),
	M(NODE_REPORT, "Node.Report", node_report, FE, ALL_FE, IDEMPOTENT, WHOLE, SECONDS(30),
	  RATE_LOOKUP, m_node_report),
	M(RESOLVE, "Resolve", resolve, FE, MAIL_IN, IDEMPOTENT, SMALL, SECONDS(30), RATE_LOOKUP,
	  m_resolve),
	M(DELIVER_BEGIN, "Deliver.Begin", deliver_begin, FE_BE, DELIVERERS, ONCE, SMALL,
	  MINUTES(60), RATE_FREE, m_deliver_begin),
	ML(DELIVER_COMMIT, "Deliver.Commit", deliver_commit, FE_BE, DELIVERERS, IDEMPOTENT,
	   MINUTES(10), RATE_FREE, m_deliver_commit),
	M(DELIVER_ABORT, "Deliver.Abort", deliver_abort, FE_BE, DELIVERERS, IDEMPOTENT, SMALL,
	  SECONDS(30), RATE_FREE, m_deliver_abort),
	M(DELIVER_SETTLE, "Deliver.Settle", deliver_settle, FE, DELIVERERS, IDEMPOTENT, WHOLE,
	  MINUTES(1), RATE_FREE, m_deliver_settle),
	M(SENDER_CHECK, "Sender.Check", sender_check, FE, DELIVERERS, IDEMPOTENT, SMALL,
	  SECONDS(30), RATE_LOOKUP, m_sender_check),
	M(OUTBOUND_TURN, "Outbound.Turn", outbound_turn, FE, SUBMISSION, IDEMPOTENT, SMALL,
	  MINUTES(60), RATE_LOOKUP, m_outbound_turn),
	M(OUTBOUND_WORK, "Outbound.Work", outbound_work, FE, OUTBOUND, IDEMPOTENT, SMALL,
	  NO_DEADLINE, RATE_LOOKUP, m_outbound_work),
	M(OUTBOUND_READ, "Outbound.Read", outbound_read, FE, OUTBOUND | SUBMISSION, IDEMPOTENT,
	  SMALL, MINUTES(60), RATE_FREE, m_outbound_read),
	M(OUTBOUND_REPORT, "Outbound.Report", outbound_report, FE, OUTBOUND | SUBMISSION,
	  IDEMPOTENT, WHOLE, MINUTES(1), RATE_FREE, m_outbound_report),
	M(OUTBOUND_STS_GET, "Outbound.StsGet", outbound_sts_get, FE, OUTBOUND, IDEMPOTENT, SMALL,
	  SECONDS(30), RATE_LOOKUP, m_outbound_sts_get),
	M(OUTBOUND_STS_PUT, "Outbound.StsPut", outbound_sts_put, FE, OUTBOUND, IDEMPOTENT, WHOLE,
	  SECONDS(30), RATE_LOOKUP, m_outbound_sts_put),
	M(OUTBOUND_TLS_PUT, "Outbound.TlsPut", outbound_tls_put, FE, OUTBOUND, ONCE, WHOLE,
	  SECONDS(30), RATE_LOOKUP, m_outbound_tls_put),
	M(OUTBOUND_TLS_WORK, "Outbound.TlsWork", outbound_tls_work, FE, OUTBOUND, IDEMPOTENT, SMALL,
	  NO_DEADLINE, RATE_LOOKUP, m_outbound_tls_work),
	M(OUTBOUND_TLS_STEP, "Outbound.TlsStep", outbound_tls_step, FE, OUTBOUND, IDEMPOTENT, SMALL,
	  SECONDS(30), RATE_LOOKUP, m_outbound_tls_step),
	M(DNS_WATCH, "Dns.Watch", dns_watch, FE, OUTBOUND, IDEMPOTENT, SMALL, NO_DEADLINE,
	  RATE_LOOKUP, m_dns_watch),
	M(DNS_ANSWER, "Dns.Answer", dns_answer, FE, OUTBOUND, IDEMPOTENT, 2 * SMALL, SECONDS(30),
	  RATE_FREE, m_dns_answer),
	M(INGEST_WORK, "Ingest.Work", ingest_work, FE, OUTBOUND, IDEMPOTENT, SMALL, NO_DEADLINE,
	  RATE_LOOKUP, m_ingest_work),
	M(INGEST_READ, "Ingest.Read", ingest_read, FE, OUTBOUND, IDEMPOTENT, SMALL, MINUTES(60),
	  RATE_FREE, m_ingest_read),
	M(INGEST_OPEN, "Ingest.Open", ingest_open, FE, OUTBOUND, IDEMPOTENT, 2 * SMALL, MINUTES(1),
	  RATE_FREE, m_ingest_open),
	M(INGEST_DONE, "Ingest.Done", ingest_done, FE, OUTBOUND, ONCE, SMALL, MINUTES(1), RATE_FREE,
	  m_ingest_done),
	M(INGEST_DROP, "Ingest.Drop", ingest_drop, FE, OUTBOUND, IDEMPOTENT, SMALL, MINUTES(60),
	  RATE_FREE, m_ingest_drop),
	M(OUTBOUND_ASK, "Outbound.Ask", outbound_ask, FE_BE, SERVICES(SERVICE_SMTP), IDEMPOTENT,
	  SMALL, SECONDS(30), RATE_LOOKUP, m_outbound_ask),
	T(MAILBOX_LIST, "Mailbox.List", mailbox_list, Postern__MailboxList, READERS, TICKET_READ,
	  IDEMPOTENT, SMALL, MINUTES(2), m_mailbox_list),
	T(MAILBOX_CREATE, "Mailbox.Create", mailbox_create, Postern__MailboxCreate, IMAP,
	  TICKET_WRITE, ONCE, 2 * SMALL, MINUTES(2), m_mailbox_create),
	T(MAILBOX_DELETE, "Mailbox.Delete", mailbox_delete, Postern__MailboxDelete, IMAP,
	  TICKET_WRITE, ONCE, 2 * SMALL, MINUTES(10), m_mailbox_delete),
	T(MAILBOX_RENAME, "Mailbox.Rename", mailbox_rename, Postern__MailboxRename, IMAP,
	  TICKET_WRITE, ONCE, 4 * SMALL, MINUTES(10), m_mailbox_rename),
	T(MAILBOX_SUBSCRIBE, "Mailbox.Subscribe", mailbox_subscribe, Postern__MailboxSubscribe,
	  IMAP, TICKET_WRITE, IDEMPOTENT, 2 * SMALL, MINUTES(2), m_mailbox_subscribe),
	T(MAILBOX_OPEN, "Mailbox.Open", mailbox_open, Postern__MailboxOpen, READERS, TICKET_READ,
	  IDEMPOTENT, 2 * SMALL, MINUTES(2), m_mailbox_open),
	T(MAILBOX_STATUS, "Mailbox.Status", mailbox_status, Postern__MailboxStatus, READERS,
	  TICKET_READ, IDEMPOTENT, 2 * SMALL, MINUTES(2), m_mailbox_status),
	T(MAILBOX_CHANGES, "Mailbox.Changes", mailbox_changes, Postern__MailboxChanges, READERS,
	  TICKET_READ, IDEMPOTENT, SMALL, MINUTES(5), m_mailbox_changes),
	T(MAILBOX_WATCH, "Mailbox.Watch", mailbox_watch, Postern__MailboxWatch, READERS,
	  TICKET_READ, IDEMPOTENT, SMALL, NO_DEADLINE, m_mailbox_watch),
	T(MESSAGE_FETCH, "Message.Fetch", message_fetch, Postern__MessageFetch, READERS,
	  TICKET_READ, IDEMPOTENT, WHOLE, MINUTES(60), m_message_fetch),
	T(MESSAGE_READ, "Message.Read", message_read, Postern__MessageRead, READERS, TICKET_READ,
	  IDEMPOTENT, WHOLE, MINUTES(60), m_message_read),
	T(MESSAGE_STORE, "Message.Store", message_store, Postern__MessageStore, IMAP, TICKET_WRITE,
	  IDEMPOTENT, WHOLE, MINUTES(10), m_message_store),
	T(MESSAGE_COPY, "Message.Copy", message_copy, Postern__MessageCopy, IMAP, TICKET_WRITE,
	  IDEMPOTENT, WHOLE, MINUTES(10), m_message_copy),
	T(MESSAGE_EXPUNGE, "Message.Expunge", message_expunge, Postern__MessageExpunge, READERS,
	  TICKET_WRITE, IDEMPOTENT, WHOLE, MINUTES(10), m_message_expunge),
	T(MESSAGE_SEARCH, "Message.Search", message_search, Postern__MessageSearch, READERS,
	  TICKET_READ, IDEMPOTENT, WHOLE, MINUTES(30), m_message_search),
	T(APPEND_BEGIN, "Append.Begin", append_begin, Postern__AppendBegin, IMAP, TICKET_WRITE,
	  ONCE, 2 * SMALL, MINUTES(60), m_append_begin),
	TL(APPEND_COMMIT, "Append.Commit", append_commit, Postern__AppendCommit, IMAP, TICKET_WRITE,
	   IDEMPOTENT, MINUTES(10), m_append_commit),
	T(APPEND_ABORT, "Append.Abort", append_abort, Postern__AppendAbort, IMAP, TICKET_WRITE,
	  IDEMPOTENT, SMALL, SECONDS(30), m_append_abort),
	M(WEB_STS, "Web.Sts", web_sts, FE, WEB, IDEMPOTENT, SMALL, SECONDS(10), RATE_LOOKUP,
	  m_web_sts),
	M(WEB_AUTOCONFIG, "Web.Autoconfig", web_autoconfig, FE, WEB, IDEMPOTENT, SMALL, SECONDS(10),
	  RATE_LOOKUP, m_web_autoconfig),
	M(INGEST_TLS_REPORT, "Ingest.TlsReport", ingest_tls_report, FE, OUTBOUND, IDEMPOTENT, WHOLE,
	  MINUTES(1), RATE_FREE, m_ingest_tls_report),
	M(OUTBOUND_GSSAPI, "Outbound.Gssapi", outbound_gssapi, FE, OUTBOUND, ONCE, SMALL,
	  MINUTES(2), RATE_LOOKUP, m_outbound_gssapi),
	A(DOMAIN_ADD, "Admin.DomainAdd", domain_add, ONCE, SMALL, MINUTES(1), m_admin_domain_add),
	A(DOMAIN_LIST, "Admin.DomainList", domain_list, IDEMPOTENT, SMALL, MINUTES(10),
	  m_admin_domain_list),
	A(DOMAIN_SHOW, "Admin.DomainShow", domain_name, IDEMPOTENT, SMALL, MINUTES(1),
	  m_admin_domain_show),
	A(DOMAIN_EDIT, "Admin.DomainEdit", domain_edit, IDEMPOTENT, SMALL, MINUTES(1),
	  m_admin_domain_edit),
	A(DOMAIN_REMOVE, "Admin.DomainRemove", domain_name, ONCE, SMALL, MINUTES(1),
	  m_admin_domain_remove),
	A(DKIM_ADD, "Admin.DkimAdd", dkim_add, ONCE, SMALL, MINUTES(1), m_admin_dkim_add),
	A(DKIM_LIST, "Admin.DkimList", dkim_list, IDEMPOTENT, SMALL, MINUTES(10),
	  m_admin_dkim_list),
	A(DKIM_ACTIVATE, "Admin.DkimActivate", dkim_activate, IDEMPOTENT, SMALL, MINUTES(1),
	  m_admin_dkim_activate),
	A(DKIM_RETIRE, "Admin.DkimRetire", dkim_name, IDEMPOTENT, SMALL, MINUTES(1),
	  m_admin_dkim_retire),
	A(DKIM_REMOVE, "Admin.DkimRemove", dkim_name, ONCE, SMALL, MINUTES(1), m_admin_dkim_remove),
	A(ACCOUNT_ADD, "Admin.AccountAdd", account_add, ONCE, SMALL, MINUTES(1),
	  m_admin_account_add),
	A(ACCOUNT_LIST, "Admin.AccountList", account_list, IDEMPOTENT, SMALL, MINUTES(60),
	  m_admin_account_list),
	A(ACCOUNT_SHOW, "Admin.AccountShow", account_name, IDEMPOTENT, SMALL, MINUTES(1),
	  m_admin_account_show),
	A(ACCOUNT_LOCK, "Admin.AccountLock", account_name, IDEMPOTENT, SMALL, MINUTES(1),
	  m_admin_account_lock),
	A(ACCOUNT_UNLOCK, "Admin.AccountUnlock", account_name, IDEMPOTENT, SMALL, MINUTES(1),
	  m_admin_account_unlock),
	A(ACCOUNT_PASSWD, "Admin.AccountPasswd", account_password, IDEMPOTENT, SMALL, MINUTES(1),
	  m_admin_account_passwd),
	A(ACCOUNT_QUOTA, "Admin.AccountQuota", account_quota, IDEMPOTENT, SMALL, MINUTES(1),
	  m_admin_account_quota),
	A(ACCOUNT_REMOVE, "Admin.AccountRemove", account_name, ONCE, SMALL, MINUTES(1),
	  m_admin_account_remove),
	A(ACCOUNT_LIMIT, "Admin.AccountLimit", account_limit, IDEMPOTENT, SMALL, MINUTES(1),
	  m_admin_account_limit),
	A(ACCOUNT_HOLD, "Admin.AccountHold", account_hold, IDEMPOTENT, SMALL, MINUTES(1),
	  m_admin_account_hold),
	A(ACCOUNT_RELEASE, "Admin.AccountRelease", account_name, IDEMPOTENT, SMALL, MINUTES(1),
	  m_admin_account_release),
	AL(ALIAS_ADD, "Admin.AliasAdd", alias_spec, ONCE, m_admin_alias_add),
	A(ALIAS_LIST, "Admin.AliasList", alias_list, IDEMPOTENT, SMALL, MINUTES(10),
	  m_admin_alias_list),
	A(ALIAS_SHOW, "Admin.AliasShow", alias_name, IDEMPOTENT, SMALL, MINUTES(1),
	  m_admin_alias_show),
	AL(ALIAS_SET, "Admin.AliasSet", alias_spec, IDEMPOTENT, m_admin_alias_set),
	A(ALIAS_REMOVE, "Admin.AliasRemove", alias_name, ONCE, SMALL, MINUTES(1),
	  m_admin_alias_remove),
	A(ALIAS_ON, "Admin.AliasOn", alias_name, IDEMPOTENT, SMALL, MINUTES(1), m_admin_alias_on),
	A(ALIAS_OFF, "Admin.AliasOff", alias_name, IDEMPOTENT, SMALL, MINUTES(1),
	  m_admin_alias_off),
	A(SESSION_LIST, "Admin.SessionList", session_list, IDEMPOTENT, SMALL, MINUTES(10),
	  m_admin_session_list),
	A(SESSION_KILL, "Admin.SessionKill", session_kill, IDEMPOTENT, SMALL, MINUTES(2),
	  m_admin_session_kill),
	A(SETTING_LIST, "Admin.SettingList", setting_list, IDEMPOTENT, SMALL, MINUTES(1),
	  m_admin_setting_list),
	A(SETTING_SHOW, "Admin.SettingShow", setting_name, IDEMPOTENT, SMALL, MINUTES(1),
	  m_admin_setting_show),
	A(SETTING_SET, "Admin.SettingSet", setting_set, IDEMPOTENT, 2 * SMALL, MINUTES(1),
	  m_admin_setting_set),
	A(SETTING_UNSET, "Admin.SettingUnset", setting_name, IDEMPOTENT, SMALL, MINUTES(1),
	  m_admin_setting_unset),
	A(NODE_STATUS, "Admin.NodeStatus", status, IDEMPOTENT, SMALL, MINUTES(2),
	  m_admin_node_status),
	A(NODE_FSCK, "Admin.NodeFsck", fsck, IDEMPOTENT, SMALL, FSCK_MS, m_admin_node_fsck),
	A(CERT_ISSUED, "Admin.CertIssued", cert_issued, ONCE, SMALL, MINUTES(1),
	  m_admin_cert_issued),
	A(CERT_REVOKE, "Admin.CertRevoke", cert_revoke, IDEMPOTENT, SMALL, MINUTES(2),
	  m_admin_cert_revoke),
	A(CERT_LIST, "Admin.CertList", cert_list, IDEMPOTENT, SMALL, MINUTES(10),
	  m_admin_cert_list),
	AO(QUEUE_LIST, "Admin.QueueList", queue_list, IDEMPOTENT, SMALL, MINUTES(60),
	   m_admin_queue_list),
	AO(QUEUE_SHOW, "Admin.QueueShow", queue_id, IDEMPOTENT, SMALL, MINUTES(2),
	   m_admin_queue_show),
	AO(QUEUE_COUNT, "Admin.QueueCount", queue_list, IDEMPOTENT, SMALL, MINUTES(60),
	   m_admin_queue_count),
	AO(QUEUE_SUMMARY, "Admin.QueueSummary", queue_list, IDEMPOTENT, SMALL, MINUTES(60),
	   m_admin_queue_summary),
	AO(QUEUE_EDIT, "Admin.QueueEdit", queue_edit, ONCE, SMALL, MINUTES(60), m_admin_queue_edit),
	A(AUDIT_LIST, "Admin.AuditList", audit_list, IDEMPOTENT, SMALL, MINUTES(60),
	  m_admin_audit_list),
	A(ROUTE_ADD, "Admin.RouteAdd", route_spec, ONCE, SMALL, MINUTES(1), m_admin_route_add),
	A(ROUTE_LIST, "Admin.RouteList", route_list, IDEMPOTENT, SMALL, MINUTES(10),
	  m_admin_route_list),
	A(ROUTE_SHOW, "Admin.RouteShow", route_name, IDEMPOTENT, SMALL, MINUTES(1),
	  m_admin_route_show),
	A(ROUTE_EDIT, "Admin.RouteEdit", route_spec, IDEMPOTENT, SMALL, MINUTES(1),
	  m_admin_route_edit),
	A(ROUTE_REMOVE, "Admin.RouteRemove", route_name, ONCE, SMALL, MINUTES(1),
	  m_admin_route_remove),
	A(TLS_SET, "Admin.TlsSet", tls_set, IDEMPOTENT, 8 * SMALL, MINUTES(1), m_admin_tls_set),
	A(TLS_LIST, "Admin.TlsList", tls_list, IDEMPOTENT, SMALL, MINUTES(10), m_admin_tls_list),
	A(TLS_SHOW, "Admin.TlsShow", tls_name, IDEMPOTENT, SMALL, MINUTES(1), m_admin_tls_show),
	A(TLS_REMOVE, "Admin.TlsRemove", tls_name, ONCE, SMALL, MINUTES(1), m_admin_tls_remove),
	A(SERVER_ADD, "Admin.ServerAdd", server_add, ONCE, WHOLE, MINUTES(1), m_admin_server_add),
	AO(SERVER_LIST, "Admin.ServerList", server_list, IDEMPOTENT, SMALL, MINUTES(1),
	   m_admin_server_list),
	AO(SERVER_SHOW, "Admin.ServerShow", server_name, IDEMPOTENT, SMALL, MINUTES(1),
	   m_admin_server_show),
	AO(SERVER_EDIT, "Admin.ServerEdit", server_edit, IDEMPOTENT, WHOLE, MINUTES(1),
	   m_admin_server_edit),
	AO(SERVER_STATE, "Admin.ServerState", server_state, IDEMPOTENT, SMALL, MINUTES(1),
	   m_admin_server_state),
	A(SERVER_REMOVE, "Admin.ServerRemove", server_name, ONCE, SMALL, MINUTES(1),
	  m_admin_server_remove),
	A(DNS_SHOW, "Admin.DnsShow", dns_show, IDEMPOTENT, SMALL, MINUTES(2), m_admin_dns_show),
	A(DNS_LISTINGS, "Admin.DnsListings", dns_listings, IDEMPOTENT, SMALL, MINUTES(10),
	  m_admin_dns_listings),
	A(ACCOUNT_GRANT, "Admin.AccountGrant", account_grant, IDEMPOTENT, SMALL, MINUTES(1),
	  m_admin_account_grant),
	A(ACCOUNT_REVOKE, "Admin.AccountRevoke", account_revoke, ONCE, SMALL, MINUTES(1),
	  m_admin_account_revoke),
	A(TLS_REPORT_LIST, "Admin.TlsReportList", tls_report_list, IDEMPOTENT, SMALL, MINUTES(10),
	  m_admin_tls_report_list),
	A(TLS_REPORT_SEND, "Admin.TlsReportSend", tls_report_send, IDEMPOTENT, SMALL, MINUTES(2),
	  m_admin_tls_report_send),
	A(AREA_LIST, "Admin.AreaList", area_list, IDEMPOTENT, SMALL, MINUTES(10),
	  m_admin_area_list),
	A(TLS_RECEIVED_LIST, "Admin.TlsReceivedList", tls_received_list, IDEMPOTENT, SMALL,
	  MINUTES(10), m_admin_tls_received_list),
	P(USAGE, "Peer.Usage", peer_usage, IDEMPOTENT, SMALL, SECONDS(30), m_peer_usage),
	P(SESSION_LIST, "Peer.SessionList", admin_session_list, IDEMPOTENT, SMALL, MINUTES(10),
	  m_peer_session_list),
	P(SESSION_KILL, "Peer.SessionKill", admin_session_kill, IDEMPOTENT, SMALL, MINUTES(2),
	  m_peer_session_kill),
	P(STATUS, "Peer.Status", admin_status, IDEMPOTENT, SMALL, MINUTES(2), m_peer_status),
	P(FSCK, "Peer.Fsck", admin_fsck, IDEMPOTENT, SMALL, FSCK_MS, m_peer_fsck),
	P(QUEUE_LIST, "Peer.QueueList", admin_queue_list, IDEMPOTENT, SMALL, MINUTES(60),
	  m_peer_queue_list),
	P(QUEUE_SHOW, "Peer.QueueShow", admin_queue_id, IDEMPOTENT, SMALL, MINUTES(2),
	  m_peer_queue_show),
	P(QUEUE_COUNT, "Peer.QueueCount", admin_queue_list, IDEMPOTENT, SMALL, MINUTES(60),
	  m_peer_queue_count),
	P(QUEUE_SUMMARY, "Peer.QueueSummary", admin_queue_list, IDEMPOTENT, SMALL, MINUTES(60),
	  m_peer_queue_summary),
	P(QUEUE_EDIT, "Peer.QueueEdit", admin_queue_edit, ONCE, SMALL, MINUTES(60),
	  m_peer_queue_edit),
	P(AREA_LIST, "Peer.AreaList", admin_area_list, IDEMPOTENT, SMALL, MINUTES(10),
	  m_peer_area_list),
	P(TLS_REPORT_LIST, "Peer.TlsReportList", admin_tls_report_list, IDEMPOTENT, SMALL,
	  MINUTES(10), m_peer_tls_report_list),
	P(TLS_REPORT_SEND, "Peer.TlsReportSend", admin_tls_report_send, IDEMPOTENT, SMALL,
	  MINUTES(2), m_peer_tls_report_send),
};

const size_t nmethods = ARRAY_LEN(methods);

static int by_number(const void *key, const void *row)
{
	uint16_t number = *(const uint16_t *)key;
	const struct method *m = row;

	return number < m->number ? -1 : number > m->number;
}

const struct method *method_find(uint16_t number)
{
	return bsearch(&number, methods, nmethods, sizeof methods[0], by_number);
}
