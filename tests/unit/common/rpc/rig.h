/*
 * rig: links for the tests of common/rpc, over TCP on loopback without TLS, identities injected.
 *
 *   duo   a requesting and a serving link that talk to each other
 *   raw   one link and, in place of its peer, frames that the test writes itself
 *
 * The server knows a handful of methods; what it saw is in `struct rig_server`.
 */
#ifndef TESTS_UNIT_COMMON_RPC_RIG_H
#define TESTS_UNIT_COMMON_RPC_RIG_H

#include "common/rpc/link_priv.h"
#include "tests/lib/check.h"

enum rig_method {
	RIG_ECHO = 1, /* the payload back */
	RIG_UPLOAD,   /* reads the body: its length and a check sum, as two u32 */
	RIG_DOWNLOAD, /* u32 total, u32 frame: so many bytes in frames of that size */
	RIG_BOTH,     /* the body back, frame by frame */
	RIG_HANG,     /* waits until it is cancelled */
	RIG_WATCH,    /* answers OK with a body, then lives on without a fiber */
	RIG_SILENT,   /* ends without an answer */
	RIG_ABORT,    /* a body that is given up with E_QUOTA */
	RIG_HALF,     /* a body without an end */
	RIG_EARLY,    /* E_TOO_BIG before the body was read */
	RIG_STALL,    /* reads its body only when `go` is woken */
	RIG_SMALL,    /* payload of at most 16 bytes */
	RIG_BRIEF,    /* hangs, with a deadline of 50 ms */
	RIG_DENIED = 99,
};

#define RIG_WATCHES 5000

struct rig_server {
	unsigned served, active, gone, closed;
	unsigned writable;
	struct waitq go;
	struct rpc_req **watches; /* RIG_WATCHES of them; NULL once ended */
	unsigned nwatches;
	bool keep_gone; /* do not end watches in their callback */
	struct rpc_server_ops ops;
};

void rig_server_init(struct rig_server *srv); /* xfree() its watches */

struct duo {
	struct rpc_link *ask, *serve;
	struct rig_server server;
};

/* Both links, after their hello. */
WAITS bool duo_open(struct duo *d);
/* Closes both and waits until nothing is left of them. */
WAITS void duo_close(struct duo *d);

struct raw {
	struct rpc_link *l; /* NULL after a failed hello */
	struct stream *s;   /* the test's own end */
	enum err hello;
	struct rig_server server;
	struct event started;
	struct rpc_link_opts opts;
	struct stream *theirs;
};

/* The name of the front-end that links opened from now on belong to; at first "fe1". */
void rig_peer(const char *name);
/* What all servers of links opened from now on share; NULL, as at first: nothing. */
void rig_budget(struct budget *b);
/* Two connected streams. */
WAITS bool rig_streams(struct stream **a, struct stream **b);
/* A link of that side, whose peer's hello was sent and whose own was read. */
WAITS bool raw_open(struct raw *r, enum rpc_side side);
/* The same without the peer's hello; `started` is set when the link's start has ended. */
WAITS bool raw_open_silent(struct raw *r, enum rpc_side side);
WAITS void raw_close(struct raw *r);
void raw_put(struct raw *r, unsigned type, unsigned flags, unsigned code, uint32_t stream,
	     slice_t payload);
void raw_put_bytes(struct raw *r, slice_t bytes);
void raw_hello(struct raw *r, const char *name, unsigned level_min, unsigned level_max);
/* A REQUEST with a minute to its deadline. */
void raw_request(struct raw *r, uint32_t stream, unsigned method, unsigned flags, slice_t payload);
void raw_credit(struct raw *r, uint32_t stream, uint32_t n);
/* The next frame that the link sent, into a static buffer; false: the end, or none in 5 s. */
WAITS bool raw_get(struct raw *r, struct frame *out);
/* The next frame is of that type and stream. */
WAITS bool raw_expect(struct raw *r, enum frame_type type, uint32_t stream, struct frame *out);
/* The link is still there and answers. */
WAITS void raw_alive(struct raw *r, uint32_t stream);

/* The reason in the newest rpc.fault line, since rig_log_start; "" if there was none. */
void rig_log_start(void);
const char *rig_log_fault(void);
/* How many lines of that event were logged since. */
unsigned rig_log_count(const char *event);
void rig_log_stop(void);

/* Lets everything that is ready run, for that many turns. */
WAITS void rig_turns(unsigned n);
int64_t rig_soon(void); /* a deadline of 10 s */
WAITS enum err rig_echo(struct rpc_link *l, slice_t payload);

#endif
