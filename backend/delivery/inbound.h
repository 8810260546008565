/*
 * inbound: messages on their way in, between Begin and Commit. Each is a stage of the store, known
 * by who began it, its transaction id and the partition it goes to.
 */
#ifndef BACKEND_DELIVERY_INBOUND_H
#define BACKEND_DELIVERY_INBOUND_H

#include "backend/store/stage.h"
#include "common/base/list.h"
#include "common/base/map.h"
#include "common/loop/fiber.h"
#include "common/rpc/identity.h"

/* At once on this node: some thousand sessions of many front-ends. Each is a small struct beside
 * its stage, which has a budget of its own. */
#define INBOUND_MAX      65536
/* Of one node: what does not fit into memory is an open file each, and a captured front-end must
 * not use those up. */
#define INBOUND_NODE_MAX 4096

struct inbounds {
	struct map by_key;
	struct map by_node; /* its name -> struct inbound_node */
	struct list all;
};

struct inbound_node {
	unsigned n; /* messages in the table */
};

struct inbound_key {
	struct rpc_identity who; /* zeroed before it is filled: hashed as bytes */
	uint8_t txid[STORE_TXID_SIZE];
	uint32_t partition;
};

struct inbound {
	struct list node;
	struct inbounds *table;
	struct inbound_key key;
	const void *link; /* which link began it; NULL: that broke, its last user drops it */
	struct stage *stage;
	struct stage_info info; /* once arrived with E_OK */
	bool arrived;
	enum err result;
	struct event ready; /* set when it has arrived */
	unsigned users;     /* fibers that hold it */
	bool dropped;       /* out of the table; freed by its last user */
};

void inbounds_init(struct inbounds *t);
void inbounds_fini(struct inbounds *t);
struct inbound_key inbound_key(const struct rpc_identity *who, slice_t txid, uint32_t partition);

/* Begins; the caller is a user of *out until inbound_release. E_EXISTS: the same is begun already;
 * E_LIMIT: too many, or too many of its node; others as stage_begin. */
enum err inbound_begin(struct inbounds *t, const struct inbound_key *key, const void *link,
		       struct partition *p, uint64_t size_hint, uint64_t max,
		       struct inbound **out) MUST_USE;
WAITS enum err inbound_write(struct inbound *in, slice_t bytes) MUST_USE;
/* No more bytes: e is how their arrival went; checks the record. Whoever waits is told; release it
 * right after, without a wait between. */
WAITS enum err inbound_end(struct inbound *in, enum err e) MUST_USE;

/* The message, held, once all of it has arrived. E_NOT_FOUND: not begun (or dropped); E_BUSY:
 * another fiber is committing it; else how the arrival went. */
WAITS enum err inbound_take(struct inbounds *t, const struct inbound_key *key, int64_t deadline_ms,
			    struct inbound **out) MUST_USE;
/* The caller lets go. With INBOUND_DROP it leaves the table: done with, or given up. */
enum inbound_after { INBOUND_KEEP, INBOUND_DROP };
void inbound_release(struct inbound **in, enum inbound_after after);
/* Abort. Harmless when it is not there. */
void inbound_abort(struct inbounds *t, const struct inbound_key *key);
/* The link broke: what it began is dropped, what is held (it still arrives, or a commit has it) as
 * soon as it is let go. */
void inbound_drop_link(struct inbounds *t, const void *link);

#endif
