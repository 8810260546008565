/*
 * backend/rpc: the only files of the back-end that see protobuf messages of the contract: each
 * unpacks, calls the room that does the work, and packs the answer.
 *
 *   be            the assembled back-end that methods work on
 *   rpc_methods   THE table: method, roles, services, ticket rights, caps, handler
 *   rpc_server    links, admission, dispatch: ticket, account and partition before the handler
 *   mcall         one call in progress, and its answer
 *   limits        counts and lengths for the walker
 *   m_auth m_policy m_delivery m_outbound m_dns m_mailbox m_message m_append m_admin*   handlers,
 *                 by service; m_ask: held mail is asked for; m_read: many messages' bytes; m_watch:
 *                 news of a mailbox; begin: what deliveries share; submit: what they count; leased:
 *                 what a lease stands for; policy_push: the streams of m_policy
 *   m_ingest m_drop   files of pickup folders, and of drop folders; m_ingest_tls: reports in mail
 *   m_sts         MTA-STS policies that workers bring and ask for
 *   m_tls_report  what TLS did on the way out, and the reports of it
 *   m_web         what the web worker serves
 *   m_sign        signatures of a commit
 *   m_gssapi      log-ins at relays
 *   convert       C structs of the store <-> messages
 *   m_admin       what management calls share: the actor, lists, several back-ends
 *   usage         what accounts take, wherever they live
 *   peers         links to the other back-ends, and Deliver over them
 *   peer_call     any other question over these links
 */
#ifndef BACKEND_RPC_BE_H
#define BACKEND_RPC_BE_H

#include "backend/auth/auth.h"
#include "backend/be_conf.h"
#include "backend/delivery/deliver.h"
#include "backend/directory/dir_admin.h"
#include "backend/metrics/nodes.h"
#include "backend/partitions/partitions.h"
#include "backend/sign/sign.h"
#include "backend/ticket/rcpt_token.h"
#include "common/base/map.h"
#include "common/rpc/dial.h"

struct asking;
struct guard;
struct krb_relays;
struct outbound;
struct peers;
struct drops;
struct pickup;
struct sts_cache;
struct tls_desk;
struct tls_sums;

struct be {
	struct be_settings conf;
	struct node *node; /* hints and the directory's copy */
	struct dir *dir;
	struct tickets *tickets;
	struct auth *auth;
	struct krb_relays *relays; /* our log-ins elsewhere */
	struct signer *signer;
	struct notify *notify;
	struct partitions *parts;
	struct deliver *deliver;
	struct peers *peers; /* links to the other back-ends */
	struct nodes *nodes; /* what workers reported */
	struct outbound *outbound;
	struct guard *guard;
	struct sts_cache *sts;     /* MTA-STS policies that workers have found */
	struct tls_sums *tls_sums; /* what became of TLS on the way out, and its reports */
	struct tls_desk *tls_desk;
	struct asking *asking; /* questions to DNS */
	struct pickup *pickup; /* files that are to be messages */
	struct drops *drops;   /* messages that are to be files */
	struct list pickers;   /* open IngestWork streams */
	struct list senders;   /* open OutboundWork and OutboundTurn streams */
	struct list watches;   /* open PolicyWatch streams */
	struct map held;       /* by account, see mcall_hold */
	struct list links;     /* of front-ends, back-ends and administrators, see rpc_server */
	struct dir_sub dir_sub;
	int64_t started_us;
};

#endif
