/*
 * forward: a message that lies in one of our partitions already (a queue item holds its record), to
 * accounts of any partition: the same one, another of this node, or another node's. The
 * transaction's own id goes with it, so that no way that it takes delivers it twice.
 */
#ifndef BACKEND_DELIVERY_FORWARD_H
#define BACKEND_DELIVERY_FORWARD_H

#include "backend/delivery/deliver.h"
#include "backend/store/msg.h"

struct forward_account {
	uint64_t account;
	enum err result; /* out */
};

struct forward {
	const struct job *job;
	struct partition *from;
	uint64_t record_no;
	uint32_t to; /* partition */
	struct forward_account *accounts;
	size_t n;
};

/* remote: Deliver to another back-end (backend/rpc/peers): reads the record from f->from with
 * forward_read. Sets each account's result, or returns why none was tried. */

struct forward_ways {
	struct deliver *deliver;
	WAITS enum err (*remote)(void *arg, const char *backend, const struct forward *f);
	void *arg;
};

/* E_OK: every account has its result. Else nothing is known to have been delivered. */
WAITS enum err forward_run(const struct forward_ways *w, const struct forward *f) MUST_USE;

/* The stored record as it was delivered, without its bytes. Work thread inside. */
WAITS enum err forward_whole(struct partition *p, uint64_t record_no,
			     struct msg_whole *out) MUST_USE;
/* The stored bytes [from, to) of the record, appended to out. */
WAITS enum err forward_read(struct partition *p, uint64_t record_no, uint64_t from, uint64_t to,
			    struct buf *out) MUST_USE;

#define FORWARD_CHUNK (256u * 1024)

#endif
