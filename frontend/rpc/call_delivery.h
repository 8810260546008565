/*
 * call_delivery: typed calls of proto/delivery.proto: where an address's mail goes, and one
 * message's way to its owners.
 *
 * A struct deliver is one message on its way to one owner: begun, fed with the stored bytes of its
 * record, committed or aborted. Begin is not waited for: with a small message all of it leaves in
 * one write. Errors are enum err of the wire; whatever breaks on the way is E_RETRY.
 */
#ifndef FRONTEND_RPC_CALL_DELIVERY_H
#define FRONTEND_RPC_CALL_DELIVERY_H

#include "common/base/arena.h"
#include "common/crypto/sign.h"
#include "common/parse/dkim_sig.h"
#include "common/parse/idn.h"
#include "frontend/core/session.h"
#include "frontend/mime/summary.h"
#include "proto/mail_bits.h"

#define DELIVER_TXID_BYTES  16
#define DELIVER_TRACE_BYTES 16
#define DELIVER_TARGETS_MAX 4    /* owners of one address */
#define DELIVER_TOKEN_MAX   1024 /* bytes of a sealed recipient */
#define DELIVER_PREFIX_MAX  (16u * 1024)

struct rpc_link;
struct rpc_call;

/* One owner that takes an address's mail. Slices in the arena given to call_resolve. */
struct deliver_target {
	slice_t token;
	slice_t backend;
	uint32_t partition;
	bool passing; /* it goes on: no mailbox keeps it */
};

struct resolve_query {
	slice_t address; /* local-part@domain without quotes, or "postmaster" alone */
	slice_t sender;  /* empty for <> */
	uint64_t size;   /* 0: not said */
	bool relay;      /* addresses of other systems, too, for who has logged in */
	/* The virtual server that takes such for the client's address; or NULL. */
	const char *relay_server;
	/* Who has logged in keeps a copy: where it goes; its token is empty if nowhere. NULL: no
	 * copy is wanted. */
	struct deliver_target *sent_out;
};

/* E_NOT_FOUND: no such user; E_DENIED: not our domain, and nobody is logged in; E_QUOTA; E_LIMIT;
 * E_RETRY: cannot tell. The back-end's words, if any, in d. */
WAITS enum err call_resolve(struct session *s, const struct resolve_query *q, struct arena *a,
			    struct deliver_target out[DELIVER_TARGETS_MAX], size_t *n_out,
			    struct diag *d) MUST_USE;

/* A key that signs mail of a domain. */
struct signing_key {
	enum sign_algorithm algorithm;
	char selector[DKIM_SELECTOR_MAX + 1];
};

struct signing_keys {
	struct signing_key v[DKIM_SIGS_MAX];
	size_t n;
};

/* Why an account may send as an address; the numbers of proto/delivery.proto. */
enum sender_right {
	SENDER_MAIN = 1,  /* its main address: as long as its ticket */
	SENDER_ALIAS = 2, /* one that leads to it; this and what follows may end at any time */
	SENDER_SEND_AS = 3,
	SENDER_ON_BEHALF = 4, /* beside an address of its own in Sender */
};

struct sender_answer {
	enum sender_right right;
	struct signing_keys keys; /* of the address's domain */
};

/* May the ticket's account send as this address? With t NULL: is its domain not one of ours? E_OK
 * or E_DENIED; others: cannot tell now. *out counts with a ticket and E_OK. */
WAITS enum err call_sender_check(const struct ticket *t, slice_t address, struct sender_answer *out,
				 struct diag *d) MUST_USE;

/* What signs a notice of ours that is from this address: the keys of domain_out, which is its
 * domain or one above it; without keys nothing does, and domain_out is "". E_OK also then; others:
 * cannot tell now. */
WAITS enum err call_notice_keys(slice_t address, char domain_out[DOMAIN_MAX + 1],
				struct signing_keys *out, struct diag *d) MUST_USE;

struct deliver_rcpt {
	slice_t token;
	slice_t orcpt;   /* RFC 3461, decoded: "rfc822;..." */
	uint32_t notify; /* NOTIFY_SUCCESS, ...; 0: not given */
	bool told;       /* the client hears of this one's own result (LMTP) */
};

/* The recipients of one owner. All borrowed. There may be none beside the sender's copy. */
struct deliver_group {
	const struct deliver_rcpt *rcpts;
	size_t n;
	slice_t sent; /* the token of the copy that the sender keeps; empty: not here */
	slice_t backend;
	uint32_t partition;
};

/* A signature that the owner is to make. */
struct deliver_sig {
	enum sign_algorithm algorithm;
	slice_t selector;
	slice_t field; /* with an empty b= (common/parse/dkim_sig) */
	uint8_t digest[SHA256_LEN];
};

/* What all owners are told alike; borrowed for the message's life. */
struct deliver_meta {
	uint8_t txid[DELIVER_TXID_BYTES];
	uint8_t trace_id[DELIVER_TRACE_BYTES];
	const struct ticket *ticket; /* submission; else NULL */
	slice_t sender;              /* reverse-path, empty for <> */
	slice_t envid;
	uint32_t ret;       /* RET_FULL, ...; 0: not given */
	uint32_t content;   /* CONTENT_8BIT, ... */
	int64_t release_us; /* nobody gets it before (RFC 4865); 0: at once */
	uint32_t by;        /* BY_RETURN, ...; 0: not given */
	int64_t by_us;
	int32_t priority; /* -9 to 9 (RFC 6710) */
	slice_t prefix;
	slice_t author; /* with sigs: the address in From */
	const struct deliver_sig *sigs;
	size_t nsigs;
	const char *server;  /* the virtual server's name; "" or NULL: none */
	const void *summary; /* by deliver_meta_pack */
	slice_t text;
};

/* What a message needs, and asks for. */
struct deliver_wants {
	bool eight, binary; /* of its body: bytes above 127; any bytes at all */
	bool utf8;          /* a header, or an address, that must go as it is */
	bool requiretls;
	bool tls_optional; /* by its header: does not count beside the parameter (RFC 8689 section
			      3) */
};
/* The same as bits of content. */
static inline uint32_t deliver_content(const struct deliver_wants *w)
{
	uint32_t content = 0;

	if (w->eight)
		content |= CONTENT_8BIT;
	if (w->binary)
		content |= CONTENT_BINARY;
	if (w->utf8)
		content |= CONTENT_UTF8;
	if (w->requiretls)
		content |= CONTENT_REQUIRETLS;
	else if (w->tls_optional)
		content |= CONTENT_TLS_OPTIONAL;
	return content;
}

/* Packs what the parser found, once for all owners, into the arena. */
void deliver_meta_pack(struct deliver_meta *m, const struct mime_summary *s, struct arena *a);

struct deliver {
	struct deliver_group group;
	struct rpc_link *link; /* a reference while it is on its way */
	struct rpc_call *begin;
	bool follows;      /* another owner is the lead, and has committed */
	bool staged;       /* all was sent, and it is not committed */
	enum err err;      /* sticky: the owner cannot take it */
	struct diag words; /* the owner's, of a commit that failed; may be empty */
};

/* Announces the message to the group's owner; never waits. The error stays in d->err. size: plain
 * bytes if known, or 0. */
void deliver_begin(struct deliver *d, const struct deliver_meta *m, uint64_t size,
		   int64_t deadline_ms);
/* Stored bytes of the record; nothing after an error. Waits for credit. */
WAITS void deliver_send(struct deliver *d, slice_t stored);
void deliver_send_end(struct deliver *d);
/* The owner keeps the message for its group, and, as the lead, queue items for the others. One
 * result for each recipient of the group, in order. When the link broke before the answer the
 * same commit is asked again for a few seconds: the owner does it once. */
WAITS enum err deliver_commit(struct deliver *d, const struct deliver_meta *m,
			      const struct deliver_group *others, size_t nothers,
			      enum err *results) MUST_USE;
/* Tells the lead that another owner has taken its recipients. A failure is harmless: the queue
 * finds the delivery done. */
WAITS void deliver_settle(const struct deliver *lead, const struct deliver_meta *m,
			  const struct deliver_group *taken);
/* Frees the calls; drops at the owner what was sent and not committed, also when the fiber is
 * cancelled. Harmless when nothing was begun. */
WAITS void deliver_end(struct deliver *d, const struct deliver_meta *m);

#endif
