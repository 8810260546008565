/*
 * common/rpc: the cluster's RPC, bytes only (docs/rpc.md).
 *
 *   frame     the 12-byte header and its checks
 *   walk      table-driven check of protobuf bytes before they are unpacked
 *   identity  "frontend/fe1/smtp" and its parts
 *   link      one mutually authenticated connection: hello, streams, credit, deadlines, cancel,
 *             ping, drain; both the asking and the answering side
 *   dial      keeps a link up, or takes what others dial
 *
 * The wire format, and the rules that a peer may be closed for, are in docs/rpc.md.
 *
 * A link has one requesting and one serving side, given by the roles in the certificates, not by
 * who dialled: front-ends and admins request, back-ends serve; between back-ends the dialler
 * requests. Streams are numbered by the requester: 1, 2, 3, ...
 *
 * Life of a stream:  requester  REQUEST[BODY] DATA* DATA[END]      ->
 *                    server     <-  RESPONSE(status)[BODY] DATA* DATA[END]
 * Either side may CANCEL, which the other answers in kind unless it had closed its direction
 * already. DATA counts against the credit that its receiver granted: 256 KiB at first, given back
 * as it is consumed. Payloads are at most RPC_PAYLOAD_MAX. Anything that breaks these rules closes
 * the connection with a logged reason.
 *
 * Ownership. A link is reference counted: whoever got it from rpc_link_start, each call and each
 * request hold a reference, and so do its fibers while it is open. A call belongs to who started
 * it; a request belongs to its serving fiber until that ends, or, detached, until rpc_req_end().
 * All of it lives on one loop's thread.
 */
#ifndef COMMON_RPC_LINK_H
#define COMMON_RPC_LINK_H

#include "common/base/budget.h"
#include "common/base/err.h"
#include "common/loop/fiber.h"
#include "common/net/stream.h"
#include "common/rpc/identity.h"

#define RPC_PAYLOAD_MAX (64 * 1024 + 512)
#define RPC_CREDIT      (256 * 1024)
#define RPC_STREAMS_MAX 4096 /* open at once on a link */
/* The streams that links run on: the window holds one whole frame and the start of the next; a
 * sender waits while more than the high water is queued. */
#define RPC_WINDOW      (128 * 1024)
#define RPC_HIGH_WATER  (256 * 1024)
#define RPC_PING_MS     15000 /* without a byte from the peer: ask */
#define RPC_DEAD_MS     30000 /* without a byte from the peer: gone */

struct rpc_link;
struct rpc_call;
struct rpc_req;

enum rpc_side { RPC_REQUESTER, RPC_SERVER };

struct rpc_server_ops {
	/* A REQUEST arrived on a link: called in a fresh fiber, which ends the stream by replying.
	 * The payload (already within `payload_max(method)`) is borrowed until the fiber ends. */
	WAITS void (*serve)(struct rpc_req *r, void *arg);
	/* The largest payload method may have, its longest deadline (NO_DEADLINE: none, for a
	 * request that watches), or false: no such method for this peer (answered E_DENIED without
	 * a fiber; logged and counted). */
	bool (*admit)(const struct rpc_identity *peer, uint16_t method, size_t *payload_max,
		      int64_t *deadline_max_ms, void *arg);
	/* The link has ended; called once, must not wait. May be NULL. */
	void (*closed)(struct rpc_link *l, void *arg);
	void *arg;
	struct budget *budget; /* parent of each link's own; borrowed; may be NULL */
};

struct rpc_link_opts {
	enum rpc_side side;
	struct rpc_identity self; /* told to the peer, which compares it with our certificate */
	const struct rpc_server_ops *ops; /* RPC_SERVER; borrowed, outlives the link */
	struct budget *budget;            /* RPC_REQUESTER: parent of the link's own; may be NULL */
};

/* Runs the hello on a stream whose TLS handshake is done (E_DENIED without a verified peer
 * certificate that holds an identity) and starts the link's fibers. The link owns the stream from
 * now on, also on error; it should have been made with RPC_WINDOW and RPC_HIGH_WATER. *out is a
 * reference of the caller's, to be given back with rpc_link_unref(). E_INVALID: the peer broke
 * the protocol, or has no protocol level in common with us. */
WAITS enum err rpc_link_start(struct stream **s, const struct rpc_link_opts *o, int64_t deadline_ms,
			      struct rpc_link **out) MUST_USE;
/* Ends the link: its open calls get E_RETRY, its requests E_CANCELLED. */
void rpc_link_close(struct rpc_link *l, enum close_reason reason);
/* Sends GOAWAY: no new streams; closes when the open ones ended. A REQUEST that was under way is
 * answered E_RETRY. */
void rpc_link_drain(struct rpc_link *l);
bool rpc_link_usable(const struct rpc_link *l); /* open and not draining */
/* The peer let a call's deadline pass, or was silent until a PING, and not a byte has come since:
 * it may hang. One that lives answers the CANCEL or the PING at once. */
bool rpc_link_doubtful(const struct rpc_link *l);
const struct rpc_identity *rpc_link_peer(const struct rpc_link *l);
slice_t rpc_link_peer_serial(const struct rpc_link *l);
/* From when and until when its certificate is valid, seconds since 1970. */
void rpc_link_peer_dates(const struct rpc_link *l, int64_t *from_s_out, int64_t *until_s_out);
const struct ipaddr *rpc_link_addr(const struct rpc_link *l);
unsigned rpc_link_streams(const struct rpc_link *l); /* open ones */
size_t rpc_link_memory(const struct rpc_link *l);    /* bytes charged to its budget */
/* What its peer makes us hold is charged to it; a handler's memory for a request belongs there,
 * too. Valid as long as the link. */
struct budget *rpc_link_budget(struct rpc_link *l);
void rpc_link_ref(struct rpc_link *l);
void rpc_link_unref(struct rpc_link **l);
/* Waits until the link has ended, or the fiber was cancelled. */
WAITS enum err rpc_link_wait_closed(struct rpc_link *l, int64_t deadline_ms);

/* ---- the asking side ---- */

enum rpc_body { RPC_NO_BODY, RPC_BODY };

/* Sends REQUEST; never waits (with a full output queue it is sent as soon as there is room).
 * E_RETRY when the link is not usable, E_LIMIT with too many streams or no memory in the link's
 * budget, E_TIMEOUT when the deadline has passed, E_TOO_BIG for a payload beyond
 * RPC_PAYLOAD_MAX - 4. The peer learns the time left until the deadline; when it passes, waits
 * return E_TIMEOUT and the stream is cancelled. */
enum err rpc_call_start(struct rpc_link *l, uint16_t method, slice_t payload, enum rpc_body body,
			int64_t deadline_ms, struct rpc_call **out) MUST_USE;
/* Body bytes, any length; cut into DATA frames; waits for credit and for room. Fails early with
 * E_CLOSED when the response came before the body's end: look at it. */
WAITS enum err rpc_call_send(struct rpc_call *c, slice_t bytes) MUST_USE;
/* Ends the body. E_CLOSED as above. */
enum err rpc_call_send_end(struct rpc_call *c);
/* Waits for the RESPONSE; returns its status (or E_TIMEOUT, E_CANCELLED, E_RETRY). *payload_out
 * (may be NULL) is valid until free. */
WAITS enum err rpc_call_response(struct rpc_call *c, slice_t *payload_out) MUST_USE;
/* The next DATA frame's payload, whole; *out is valid until the next recv or free. E_CLOSED after
 * the last one (a clean end); E_RETRY if the link broke first; the server's status if it gave the
 * body up. */
WAITS enum err rpc_call_recv(struct rpc_call *c, slice_t *out) MUST_USE;
/* True when a DATA frame, the end or an error can be had from rpc_call_recv without waiting. */
bool rpc_call_readable(const struct rpc_call *c);
/* True once nothing more comes than what has come: the link broke, or the server ended the call. */
bool rpc_call_is_over(const struct rpc_call *c);
/* For calls that wait beside other things (IDLE): sets *e when something arrives; NULL stops. */
struct event;
void rpc_call_notify(struct rpc_call *c, struct event *e);
/* Cancels if it has not ended. */
void rpc_call_free(struct rpc_call **c);

/* ---- the answering side, from the serving fiber ---- */

slice_t rpc_req_payload(const struct rpc_req *r);
uint16_t rpc_req_method(const struct rpc_req *r);
struct rpc_link *rpc_req_link(const struct rpc_req *r);
int64_t rpc_req_deadline(const struct rpc_req *r);
bool rpc_req_has_body(const struct rpc_req *r);
WAITS enum err rpc_req_recv(struct rpc_req *r, slice_t *out) MUST_USE; /* as rpc_call_recv */
/* The one RESPONSE; waits only while the link's output queue is full. RPC_BODY: DATA follows. A
 * fiber that ends without it answers E_INTERNAL. status is mapped by err_to_wire(). */
WAITS enum err rpc_req_reply(struct rpc_req *r, enum err status, slice_t payload,
			     enum rpc_body body);
/* One DATA frame each (at most RPC_PAYLOAD_MAX, not empty), boundaries kept. */
WAITS enum err rpc_req_send(struct rpc_req *r, slice_t bytes) MUST_USE;
enum err rpc_req_send_end(struct rpc_req *r);
/* Gives the response's body up: the asker's recv returns status. Before the RESPONSE it is an
 * answer of its own. A fiber that ends inside a body does this with E_INTERNAL. */
void rpc_req_abort(struct rpc_req *r, enum err status);
/* True once the peer cancelled, the deadline passed or the link broke; waits return E_CANCELLED
 * then, whatever they wait for: the fiber is cancelled. */
bool rpc_req_gone(const struct rpc_req *r);

/* ---- a request that lives on without a fiber (a watch) ---- */

struct rpc_detached_ops {
	/* The request is gone (see rpc_req_gone). Called once, must not wait, may rpc_req_end(). */
	void (*gone)(struct rpc_req *r, void *arg);
	/* After a *_now() that returned E_LIMIT: there is credit or room again. Must not wait, may
	 * send and may rpc_req_end(). May be NULL. */
	void (*writable)(struct rpc_req *r, void *arg);
};

/* The serving fiber returns after this and the request (less than 1 KiB; its payload is freed
 * with the fiber) lives until rpc_req_end(). ops is borrowed and outlives it. A request body
 * cannot be read any more. If the request is gone already, `gone` is called as the fiber ends. */
void rpc_req_detach(struct rpc_req *r, const struct rpc_detached_ops *ops, void *arg);
/* As rpc_req_reply and rpc_req_send, but they never wait: E_LIMIT without credit or room, and
 * nothing was sent. E_CANCELLED when gone. From anywhere on the loop. */
enum err rpc_req_reply_now(struct rpc_req *r, enum err status, slice_t payload,
			   enum rpc_body body) MUST_USE;
enum err rpc_req_send_now(struct rpc_req *r, slice_t bytes) MUST_USE;
/* Ends a detached request: E_INTERNAL if it was not replied to; its body is ended cleanly if
 * rpc_req_send_end() or rpc_req_abort() was not called. *r becomes NULL. */
void rpc_req_end(struct rpc_req **r);

#endif
