/*
 * call_ingest: typed calls of proto/ingest.proto: files of a back-end's pickup folders, their
 * bytes, whose mail they are, and what became of them. All of one file's go over the link that it
 * came by.
 */
#ifndef FRONTEND_RPC_CALL_INGEST_H
#define FRONTEND_RPC_CALL_INGEST_H

#include "frontend/core/ticket.h"
#include "frontend/rpc/call_delivery.h"

#define CALL_INGEST_LEASE_BYTES 16
#define CALL_INGEST_RCPTS_MAX   40  /* asked of at a time */
#define CALL_INGEST_ADDR_MAX    320 /* bytes of an address */
#define CALL_INGEST_WHY_MAX     512

struct rpc_link;
struct rpc_call;

struct ingest_job {
	uint8_t lease[CALL_INGEST_LEASE_BYTES];
	char server[64];
	char domain[254]; /* of addresses without one; may be empty */
	uint64_t size;
	uint8_t txid[DELIVER_TXID_BYTES];
};

/* Asks the back-end of l for files, for as long as the link lives; take may wait, which slows the
 * back-end. Returns why it ended. */
WAITS enum err call_ingest_work(struct rpc_link *l,
				WAITS void (*take)(const struct ingest_job *j, void *arg),
				void *arg);

/* Begins to read the file: then rpc_call_recv gives its bytes; rpc_call_free ends it. */
WAITS enum err call_ingest_read(struct rpc_link *l, const struct ingest_job *j,
				struct rpc_call **out) MUST_USE;

struct ingest_open {
	slice_t sender, author; /* local@domain without quotes; may be empty */
	const slice_t *rcpts;   /* the same, none empty */
	size_t n;
	/* Out, in the arena: */
	struct ticket *ticket; /* NULL on failure; ticket_free */
	slice_t path;          /* the reverse-path */
	slice_t backend;
	uint32_t partition;
	struct deliver_rcpt *tokens; /* n */
	struct signing_keys keys;
};
/* However many recipients. E_INVALID: it can be nobody's, or a recipient is none; others: not
 * now. */
WAITS enum err call_ingest_open(struct rpc_link *l, const struct ingest_job *j,
				struct ingest_open *o, struct arena *mem, struct diag *d) MUST_USE;

enum ingest_outcome { INGEST_TAKEN, INGEST_BAD, INGEST_LATER };
WAITS enum err call_ingest_done(struct rpc_link *l, const struct ingest_job *j,
				enum ingest_outcome outcome, const char *why) MUST_USE;

/* Begins to bring the message of a job (call_outbound) for a drop folder: its bytes go by
 * rpc_call_send and rpc_call_send_end, rpc_call_response says what became of it: E_OK: it is
 * durable; E_LIMIT: the folder holds as much as it may. */
enum err call_ingest_drop(uint32_t partition, slice_t lease, struct rpc_call **out) MUST_USE;

#endif
