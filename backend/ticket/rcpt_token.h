/*
 * rcpt_token: what Resolve hands to a front-end for one partition's share of an address, and
 * Deliver takes back. It names the recipients; its bearer cannot read or make one. A token that
 * names a whole group by reference is expanded by the back-end that takes it.
 */
#ifndef BACKEND_TICKET_RCPT_TOKEN_H
#define BACKEND_TICKET_RCPT_TOKEN_H

#include "backend/ticket/ticket.h"

#define RCPT_TOKEN_LIFE_S   (60 * 60)
/* More accounts in one partition than this and the address goes by reference. */
#define RCPT_TOKEN_ACCOUNTS 32
#define RCPT_TOKEN_MAX      1024

enum rcpt_kind {
	RCPT_ACCOUNTS = 1, /* deliver to these accounts of the partition */
	RCPT_ADDRESS = 2,  /* resolve `address` again and expand it (a queue job) */
	RCPT_OUTSIDE = 3,  /* `address` is not ours: by the way out (a queue job) */
	RCPT_SENT = 4,     /* no recipient: the account's copy of what it sends */
};

struct rcpt_token {
	enum rcpt_kind kind;
	uint32_t partition;          /* whose owner takes it */
	char frontend[RPC_NAME_MAX]; /* whom it was given to; "" : a back-end's own */
	int64_t expires_s;           /* set by rcpt_token_seal */
	uint8_t naccounts;
	uint64_t accounts[RCPT_TOKEN_ACCOUNTS];
	bool several; /* behind the address are more than one, here or elsewhere */
	uint16_t address_n, detail_n;
	char address[DIR_ADDRESS_MAX]; /* as the sender wrote it (Original-Recipient, Sieve) */
	char detail[64];
};

/* E_RETRY: no key yet. E_INVALID: more than fits. */
enum err rcpt_token_seal(struct tickets *t, struct rcpt_token *r, struct buf *out) MUST_USE;
/* E_NO_TICKET with the reason. A front-end may present only what was given to it (any of its
 * services); a back-end any. */
enum err rcpt_token_open(struct tickets *t, slice_t bytes, const struct rpc_identity *peer,
			 struct rcpt_token *out, struct diag *d) MUST_USE;

#endif
