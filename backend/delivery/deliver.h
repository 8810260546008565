/*
 * backend/delivery: a message from a transaction into mailboxes (docs/architecture.md).
 *
 *   resolve  an address into owners and sealed tokens
 *   inbound  messages between Begin and Commit
 *   deliver  Commit: tokens into copies and queue items, one change of the partition
 *   success  notices of what was delivered, for senders that asked
 *   rewrite  senders of what an alias passes on to other systems, and the way back
 *   srs      how such senders are written
 *   forward  a message that is here already, to accounts of any partition of any node
 *
 * Delivery decides nothing about content; verdicts come from the front-end (and, later, Sieve).
 */
#ifndef BACKEND_DELIVERY_DELIVER_H
#define BACKEND_DELIVERY_DELIVER_H

#include "backend/delivery/inbound.h"
#include "backend/delivery/success.h"
#include "backend/partitions/partitions.h"
#include "backend/queue/job.h"
#include "backend/store/change.h"
#include "backend/ticket/rcpt_token.h"

struct deliver {
	struct dir *dir; /* borrowed, all three */
	struct tickets *tickets;
	struct partitions *parts;
	struct inbounds inbounds;
	struct success_limit *success;
};

/* Zeroes and fills; the pointers are borrowed. */
void deliver_init(struct deliver *d, struct dir *dir, struct tickets *tickets,
		  struct partitions *parts);
void deliver_fini(struct deliver *d);
void deliver_drop_link(struct deliver *d, const void *link);

/* One recipient of a Commit. */
struct deliver_rcpt {
	slice_t token;
	uint32_t notify; /* RFC 3461 */
	slice_t orcpt;
	bool told; /* one account's: who sends hears that it was refused; it is not queued then */
	/* out */
	enum err result;
};

struct deliver_msg {
	const struct rpc_identity *peer; /* who presents the tokens */
	slice_t origin;                  /* who drew txid, as text; what retries are known by */
	uint8_t txid[STORE_TXID_SIZE];
	uint32_t partition_id;
	struct partition *part;
	slice_t sender;      /* reverse-path */
	slice_t prefix;      /* without Return-Path */
	struct stage *stage; /* NULL: only a retry can succeed */
	const struct summary *summary;
	slice_t text;
	bool junk;
	uint32_t ret;
	slice_t envid;
	uint32_t content; /* CONTENT_REQUIRETLS, ... */
	uint32_t by;      /* BY_RETURN, ... */
	int64_t by_us;
	int32_t priority;   /* RFC 6710 */
	int64_t first_us;   /* when another back-end took it; 0: it comes just now */
	int64_t release_us; /* everybody's copy waits in the queue until then; 0: nobody's does */
	uint64_t account;   /* who submitted it; 0: nobody of ours */
	slice_t server;     /* the virtual server that took it, which is there; or empty */
	uint8_t trace_id[16];
	struct deliver_rcpt *rcpts;
	size_t nrcpts;
	/* As the lead: tells what is told of an address as a whole. */
	bool leads;
	/* ... and recipients of others, queued until they are settled. */
	struct deliver_rcpt *others;
	size_t nothers;
	slice_t sent; /* token of the copy that `account` keeps; empty: none */
};

/* How long the lead leaves other owners' recipients to the front-end. */
#define DELIVER_SETTLE_US (10 * 1000000LL)

/* One commit. E_OK: either nothing was taken, and each recipient's result says why; or every result
 * is E_OK, since a recipient that was refused beside one that was taken (or beside others) is
 * queued. To a back-end that forwards, each recipient has its own result: it has the queue item. So
 * has one that is told.
 * Else nobody got it (E_RETRY, E_FULL, E_NO_TICKET for a forged token, ...). */
WAITS enum err deliver_commit(struct deliver *d, struct deliver_msg *m, struct diag *diag) MUST_USE;
/* The queue items of these recipients are not needed any more. */
WAITS enum err deliver_settle(struct deliver *d, const struct rpc_identity *peer, slice_t origin,
			      slice_t txid, struct partition *part, const slice_t *tokens, size_t n,
			      struct diag *diag) MUST_USE;

/* What a copy, and a queue item, is known by within (origin, txid). Into the arena. A copy: by its
 * account alone, so that one who is named twice, or by a group too, gets the message once. */
slice_t deliver_copy_key(uint64_t account, struct arena *mem);
slice_t deliver_item_key(uint32_t partition, slice_t address, struct arena *mem);
/* ... and the item that stands for a copy that was refused: not the copy's own key, or the item's
 * delivery would be taken for a repeated one. One item an account, however often it is named. */
slice_t deliver_rest_key(slice_t copy_key, struct arena *mem);
/* ... and the sender's own copy, who may be a recipient, too. */
slice_t deliver_sent_key(uint64_t account, struct arena *mem);
/* "Return-Path: <sender>" and the rest. Into the arena. */
slice_t deliver_prefix(slice_t sender, slice_t prefix, struct arena *mem);

/* Junk folder for junk, else INBOX; the account's limits. */
enum err deliver_fill_copy(const struct dir *dir, uint64_t account, bool junk,
			   struct deliver_copy *out) MUST_USE;

#endif
