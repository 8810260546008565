/*
 * rpc_methods: THE table of what can be asked of a back-end. Nothing is dispatched that is not in
 * it; authorization is a column (docs/threat-model.md).
 */
#ifndef BACKEND_RPC_RPC_METHODS_H
#define BACKEND_RPC_RPC_METHODS_H

#include "backend/rpc/mcall.h"

#define ROLES(r)    (1u << (r))
#define SERVICES(s) (1u << (s))

/* How often one peer may ask, in calls a second with a burst of the same size. */
enum rate_class { RATE_FREE, RATE_LOGIN, RATE_LOOKUP, RATE_CLASSES };

/* Which port a method is served on. */
enum method_port { PORT_RPC, PORT_ADMIN };

struct method {
	uint16_t number;
	const char *name;
	const ProtobufCMessageDescriptor *request;
	enum method_port port;
	unsigned roles;       /* ROLES(...) that may call it */
	unsigned services;    /* of a front-end: SERVICES(...) */
	uint32_t rights;      /* of the ticket, its field `ticket`; 0: no ticket is looked at */
	size_t ticket_offset; /* of that field in the unpacked message */
	enum { ONCE, IDEMPOTENT } repeat; /* may an asker send it again after a broken link? */
	size_t payload_max;               /* of the request message */
	int64_t deadline_ms;              /* at most; NO_DEADLINE: a watch */
	enum rate_class rate;
	/* Answers by mcall_reply, or returns why not; E_OK without a reply is an empty answer. */
	WAITS enum err (*run)(struct mcall *c);
	/* The message may come as the request's body instead, of at most so many bytes
	 * (proto/README.md, long requests); 0: it may not. */
	size_t long_max;
};

/* NULL: none. */
const struct method *method_find(uint16_t number);
/* In order of number; for tests and documentation. */
extern const struct method methods[];
extern const size_t nmethods;

/* The handlers. */
WAITS enum err m_auth_start(struct mcall *c);
WAITS enum err m_auth_step(struct mcall *c);
WAITS enum err m_auth_end(struct mcall *c);
WAITS enum err m_ticket_renew(struct mcall *c);
WAITS enum err m_policy_watch(struct mcall *c);
WAITS enum err m_node_report(struct mcall *c);
WAITS enum err m_resolve(struct mcall *c);
WAITS enum err m_sender_check(struct mcall *c);
WAITS enum err m_deliver_begin(struct mcall *c);
WAITS enum err m_deliver_commit(struct mcall *c);
WAITS enum err m_deliver_abort(struct mcall *c);
WAITS enum err m_deliver_settle(struct mcall *c);
WAITS enum err m_outbound_turn(struct mcall *c);
WAITS enum err m_outbound_work(struct mcall *c);
WAITS enum err m_outbound_read(struct mcall *c);
WAITS enum err m_outbound_report(struct mcall *c);
WAITS enum err m_outbound_ask(struct mcall *c);
WAITS enum err m_outbound_gssapi(struct mcall *c);
WAITS enum err m_outbound_sts_get(struct mcall *c);
WAITS enum err m_outbound_sts_put(struct mcall *c);
WAITS enum err m_outbound_tls_put(struct mcall *c);
WAITS enum err m_outbound_tls_work(struct mcall *c);
WAITS enum err m_outbound_tls_step(struct mcall *c);
WAITS enum err m_dns_watch(struct mcall *c);
WAITS enum err m_dns_answer(struct mcall *c);
WAITS enum err m_ingest_work(struct mcall *c);
WAITS enum err m_ingest_read(struct mcall *c);
WAITS enum err m_ingest_open(struct mcall *c);
WAITS enum err m_ingest_done(struct mcall *c);
WAITS enum err m_ingest_drop(struct mcall *c);
WAITS enum err m_ingest_tls_report(struct mcall *c);
WAITS enum err m_mailbox_list(struct mcall *c);
WAITS enum err m_mailbox_create(struct mcall *c);
WAITS enum err m_mailbox_delete(struct mcall *c);
WAITS enum err m_mailbox_rename(struct mcall *c);
WAITS enum err m_mailbox_subscribe(struct mcall *c);
WAITS enum err m_mailbox_open(struct mcall *c);
WAITS enum err m_mailbox_status(struct mcall *c);
WAITS enum err m_mailbox_changes(struct mcall *c);
WAITS enum err m_mailbox_watch(struct mcall *c);
WAITS enum err m_message_fetch(struct mcall *c);
WAITS enum err m_message_read(struct mcall *c);
WAITS enum err m_message_store(struct mcall *c);
WAITS enum err m_message_copy(struct mcall *c);
WAITS enum err m_message_expunge(struct mcall *c);
WAITS enum err m_message_search(struct mcall *c);
WAITS enum err m_append_begin(struct mcall *c);
WAITS enum err m_append_commit(struct mcall *c);
WAITS enum err m_append_abort(struct mcall *c);
WAITS enum err m_web_sts(struct mcall *c);
WAITS enum err m_web_autoconfig(struct mcall *c);

#endif
