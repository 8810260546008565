/*
 * link_priv: what a link is made of, for the files of common/rpc and their tests.
 *
 *   link.c   life of a link: hello, its two fibers, ping, drain, close
 *   mux.c    the streams of a link: table, states, credit, received bytes, room to send
 *   input.c  what each frame does; no sockets, so that it can be fuzzed
 *   party.c  what all links of one node may take together
 *   call.c   the asking side of a stream
 *   req.c    the answering side
 *
 * A stream has two directions, each closed by its sender with one closing frame: the last DATA
 * (or a REQUEST or RESPONSE without a body), or CANCEL. It leaves the table when both are closed.
 * Whoever gets a CANCEL and has not closed its own direction answers with one. So an open table
 * entry says exactly which frames may still come, and a DATA or RESPONSE for a stream that is not
 * in it is never a race, always a fault. Only CREDIT and CANCEL can cross a closing frame: for a
 * number that was used they are ignored.
 *
 * Owner and table are two lives: an owner that leaves early leaves an orphan in the table, which
 * swallows what is still under way; a stream that left the table keeps its received bytes for
 * its owner.
 *
 * Two fibers a link. The reader takes frames, and looks after silence and deadlines. The writer
 * sleeps until the output queue is full and somebody waits for room; then it hands out room in
 * turn. When the link has closed it tells everybody and ends. Callbacks of detached requests run
 * in these two only, so that nothing re-enters.
 */
#ifndef COMMON_RPC_LINK_PRIV_H
#define COMMON_RPC_LINK_PRIV_H

#include "common/base/list.h"
#include "common/log/log.h"
#include "common/loop/loan.h"
#include "common/rpc/frame.h"
#include "common/rpc/link.h"
#include "common/rpc/party.h"

/* Protocol levels that this release speaks. */
#define RPC_LEVEL_MIN 1
#define RPC_LEVEL_MAX 1

/* Credit that a DATA frame costs beside its bytes: its receiver's bookkeeping, so that tiny
 * frames cannot hold more memory than large ones. */
#define RPC_DATA_COST    64
/* Consumed credit is given back in portions of this; the rest still admits a whole frame. */
#define RPC_CREDIT_BATCH (64 * 1024)
/* A sender of a long body does not cut smaller frames than this for want of credit. */
#define RPC_CUT_MIN      (16 * 1024)
/* PINGs that a peer may send within a RPC_PING_MS; ours sends one. */
#define RPC_PINGS_MAX    16
/* How late a passed deadline may be noticed when nobody waits, and how often at most all streams
 * are looked through for one. */
#define RPC_SWEEP_MAX_MS 1000
#define RPC_SWEEP_MIN_MS 50

#define RPC_SERIAL_MAX 64 /* hex digits of a certificate's serial: 20 octets (RFC 5280 4.1.2.2) */

/* A received DATA frame. */
struct rpc_chunk {
	struct rpc_chunk *next;
	uint32_t n;
	char data[];
};

enum rpc_kind { RPC_KIND_CALL, RPC_KIND_REQ };

struct rpc_stream {
	struct rpc_link *l; /* a reference */
	struct rpc_stream *hash_next;
	struct list open; /* in link.open while in the table */
	struct list room; /* in link.room while it waits for room, in link.gone to be told */
	uint32_t id;      /* 0: not sent yet */
	enum rpc_kind kind;
	bool in_table;
	bool orphan;        /* nobody owns it: freed when it leaves the table */
	bool local_closed;  /* we sent our closing frame */
	bool remote_closed; /* they sent theirs */
	bool cancel_sent;
	bool deaf;       /* received bytes are dropped: nobody will ask for them */
	bool turn;       /* the writer gave it room */
	bool want_write; /* detached: tell it when there is credit or room */
	enum err end;    /* why it ended early; E_OK: it did not */
	uint32_t send_credit;
	uint32_t recv_credit;
	uint32_t consumed; /* credit to be given back */
	struct rpc_chunk *in_first, *in_last;
	struct rpc_chunk *held; /* handed to the owner */
	struct event in;        /* the owner waits for frames */
	struct event out;       /* the owner waits for credit or room */
	int64_t deadline_ms;
};

struct rpc_call {
	unsigned magic;
	struct rpc_stream s;
	uint16_t method;
	enum rpc_body body;
	bool responded;
	enum err status;
	char *reply;
	size_t reply_n;
	char *parked; /* the payload of a REQUEST that waits for room */
	size_t parked_n;
	struct event *notify; /* borrowed */
};

struct rpc_req {
	unsigned magic;
	struct rpc_stream s;
	uint16_t method;
	bool has_body;
	bool replied;
	bool gone;
	char *payload;
	size_t payload_n;
	struct fiber *fiber;                     /* NULL once it ended */
	const struct rpc_detached_ops *detached; /* NULL: it is not */
	void *arg;
};

struct rpc_link {
	unsigned magic;
	unsigned refs;
	struct stream *s; /* NULL once closed */
	enum rpc_side side;
	const struct rpc_server_ops *ops;
	struct rpc_identity peer;
	struct ipaddr addr;
	char serial[RPC_SERIAL_MAX + 1];
	int64_t cert_from_s, cert_until_s;
	struct log_ctx log;
	struct rpc_party *party; /* RPC_SERVER */
	struct budget budget;
	/* The table: by id, so that consecutive numbers never collide. */
	struct rpc_stream **slots;
	uint32_t nslots; /* a power of two */
	uint32_t nopen;
	uint32_t last_id; /* the newest number used */
	struct list open;
	struct list room;   /* rpc_stream.room: they wait for room, first come first served */
	struct list gone;   /* rpc_stream.room: detached requests to be told */
	struct list parked; /* rpc_call.s.room: REQUESTs not sent yet */
	unsigned nparked;
	unsigned serving; /* fibers */
	bool closed;
	bool finished; /* everybody was told */
	bool goaway_sent, goaway_received;
	bool ping_sent; /* and not answered */
	bool doubtful;  /* a PING, or a late call's CANCEL, was sent; nothing came since */
	bool writer_busy;
	unsigned pings; /* the peer's, since pings_ms */
	int64_t pings_ms;
	int64_t last_in_ms;
	int64_t sweep_ms; /* when the next deadline passes, or earlier */
	int64_t ping_ms, dead_ms;
	unsigned denied; /* since denied_ms */
	int64_t denied_ms;
	struct event kick; /* wakes the writer */
	struct waitq ended;
	/* Where frames go: the stream; tests put their own here. E_LIMIT: no more fits. */
	enum err (*write)(struct rpc_link *l, slice_t bytes);
	size_t (*queued)(const struct rpc_link *l);
};

/* ---- link.c ---- */

/* As rpc_link_start for a peer whose identity is known; of its facts the serial and the dates are
 * kept. Tests use it on plain sockets. */
WAITS enum err rpc_link_start_as(struct stream **s, const struct rpc_link_opts *o,
				 const struct rpc_identity *peer, const struct tls_facts *facts,
				 int64_t deadline_ms, struct rpc_link **out) MUST_USE;
/* A link after its hello, without stream and fibers, with one reference. */
struct rpc_link *rpc_link_make(const struct rpc_link_opts *o, const struct rpc_identity *peer);
/* The peer broke the protocol: logs why and closes. */
void rpc_link_fault(struct rpc_link *l, const char *why);
/* Sends a frame; closes the link if the peer lets its queue grow without end. */
void rpc_link_put(struct rpc_link *l, enum frame_type type, unsigned flags, unsigned code,
		  uint32_t stream, slice_t payload);
/* The same for a header that is already made. */
void rpc_link_put_raw(struct rpc_link *l, slice_t header, slice_t payload);
/* Closes a link that has drained. */
void rpc_link_drained(struct rpc_link *l);
/* Calls `gone` of detached requests that were marked. */
void rpc_link_tell_gone(struct rpc_link *l);
/* Tells silence, expired deadlines; from the reader. */
void rpc_link_tick(struct rpc_link *l);
/* Ends a closed link: tells requests and `closed`, wakes rpc_link_wait_closed. */
void rpc_link_finish(struct rpc_link *l);

/* ---- mux.c ---- */

void mux_init(struct rpc_stream *s, struct rpc_link *l, enum rpc_kind kind, int64_t deadline_ms);
/* Puts it into the table under its id. */
void mux_add(struct rpc_stream *s);
struct rpc_stream *mux_find(const struct rpc_link *l, uint32_t id);
/* True for a number that was not used yet. */
bool mux_future(const struct rpc_link *l, uint32_t id);
/* Takes it out of the table if both directions are closed. May free it (an orphan). */
void mux_settle(struct rpc_stream *s);
/* Takes it out in any case: the link closed. May free it. */
void mux_remove(struct rpc_stream *s);
/* The owner leaves. Frees it, or leaves an orphan in the table. */
void mux_disown(struct rpc_stream *s);
/* Sends CANCEL, once, and closes our direction. May free it (an orphan). */
void mux_cancel(struct rpc_stream *s, enum err status);
/* The deadline passed, or the link broke. Tells the owner. */
void mux_expire(struct rpc_stream *s);
/* Takes a DATA frame; false: no memory for it. */
bool mux_receive(struct rpc_stream *s, slice_t bytes) MUST_USE;
/* The next received frame into s->held, after giving the last one back; false: none is here. */
bool mux_next(struct rpc_stream *s) MUST_USE;
/* Drops what was received (but for what the owner holds) and what is still to come. */
void mux_deafen(struct rpc_stream *s);
/* The credit that a DATA frame costs. */
uint32_t mux_cost(size_t bytes);
/* The output queue is full, or others were first. */
bool mux_congested(const struct rpc_stream *s);
/* Queues it for room. */
void mux_want_room(struct rpc_stream *s);
/* Waits until a DATA frame of that cost (0: any other frame) may be sent. E_TIMEOUT,
 * E_CANCELLED, or what rpc_*_state says. */
WAITS enum err mux_wait_room(struct rpc_stream *s, uint32_t cost) MUST_USE;
/* Sends a DATA frame for which there is room. */
void mux_put_data(struct rpc_stream *s, slice_t bytes);
/* Closes our direction with an empty DATA. */
void mux_put_end(struct rpc_stream *s);
/* Something arrived or ended: wakes whoever waits. */
void mux_wake(struct rpc_stream *s);
/* Looks through all streams for passed deadlines. */
void mux_sweep(struct rpc_link *l, int64_t now_ms);
/* Hands out room to the first in the queue; false: nobody waits. */
bool mux_grant_room(struct rpc_link *l);

/* ---- input.c ---- */

/* Takes the whole frames at the start of in; how many bytes they were. May close the link. */
size_t mux_input(struct rpc_link *l, slice_t in);

/* ---- call.c ---- */

struct rpc_call *rpc_call_of(struct rpc_stream *s);
/* Whether the body can go on; E_OK or why not. */
enum err rpc_call_state(const struct rpc_call *c);
/* Sends a REQUEST that waited for room, unless it has ended meanwhile. */
void rpc_call_unpark(struct rpc_call *c);
/* Frees the memory of one that is neither owned nor in the table. */
void rpc_call_destroy(struct rpc_call *c);
/* RESPONSE; false: it had one. */
bool rpc_call_respond(struct rpc_call *c, const struct frame *f) MUST_USE;

/* ---- req.c ---- */

struct rpc_req *rpc_req_of(struct rpc_stream *s);
enum err rpc_req_state(const struct rpc_req *r);
void rpc_req_destroy(struct rpc_req *r);
/* REQUEST, whose number was checked. */
void rpc_req_arrive(struct rpc_link *l, const struct frame *f);
/* Nobody wants the answer any more: cancels the fiber, or marks the detached request. */
void rpc_req_lost(struct rpc_req *r);

#endif
