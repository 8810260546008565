/*
 * common/rpc: the cluster's RPC, bytes only (DESIGN 3; docs/rpc.md).
 *
 *   frame     the 12-byte header and its checks
 *   walk      table-driven check of protobuf bytes before they are unpacked
 *   identity  "frontend/fe1/smtp" and its parts
 *   link      one mutually authenticated connection: hello, streams, credit, deadlines, cancel,
 *             ping, drain; both the asking and the answering side
 *
 * A link has one requesting and one serving side, given by the roles in the certificates, not by
 * who dialled: front-ends and admins request, back-ends serve; between back-ends the dialler
 * requests. Streams are numbered by the requester: 1, 2, 3, ...
 *
 * Life of a stream:  requester  REQUEST[BODY] DATA* DATA[END]      ->
 *                    server     <-  RESPONSE(status)[BODY] DATA* DATA[END]
 * Either side may CANCEL. DATA bytes count against the credit that their receiver granted:
 * 256 KiB at first, given back as they are consumed. Payloads are at most RPC_PAYLOAD_MAX.
 * Anything that breaks these rules closes the connection with a logged reason.
 */
#ifndef COMMON_RPC_LINK_H
#define COMMON_RPC_LINK_H

#include "common/base/buf.h"
#include "common/base/err.h"
#include "common/net/stream.h"
#include "common/rpc/identity.h"

#define RPC_PAYLOAD_MAX (64 * 1024 + 512)
#define RPC_CREDIT      (256 * 1024)
#define RPC_STREAMS_MAX 4096  /* open at once on a link */

struct rpc_link;
struct rpc_call;
struct rpc_req;

enum rpc_side { RPC_REQUESTER, RPC_SERVER };

struct rpc_server_ops {
	/* A REQUEST arrived on a link: called in a fresh fiber, which ends the stream by replying.
	 * The payload (already within `payload_max(method)`) is borrowed until the fiber ends. */
	WAITS void (*serve)(struct rpc_req *r, void *arg);
	/* The largest payload method may have, its longest deadline, or false: no such method for
	 * this peer (answered E_DENIED without a fiber; logged and counted). */
	bool (*admit)(const struct rpc_identity *peer, uint16_t method, size_t *payload_max,
		      int64_t *deadline_max_ms, void *arg);
	void (*closed)(struct rpc_link *l, void *arg);
	void *arg;
};

/* Runs the hello on a stream whose TLS handshake is done and starts the link's reader. The link
 * owns the stream from now on, also on error. ops is for RPC_SERVER; NULL for RPC_REQUESTER. The
 * link lives until both sides closed and all calls and requests were freed. */
WAITS enum err rpc_link_start(struct stream **s, enum rpc_side side,
			      const struct rpc_server_ops *ops, int64_t deadline_ms,
			      struct rpc_link **out) MUST_USE;
/* Ends the link: its open calls get E_RETRY, its requests E_CANCELLED. */
void rpc_link_close(struct rpc_link *l, enum close_reason reason);
/* Sends GOAWAY: no new streams; closes when the open ones ended. */
void rpc_link_drain(struct rpc_link *l);
bool rpc_link_usable(const struct rpc_link *l); /* open and not draining */
const struct rpc_identity *rpc_link_peer(const struct rpc_link *l);
slice_t rpc_link_peer_serial(const struct rpc_link *l);
const struct ipaddr *rpc_link_addr(const struct rpc_link *l);
void rpc_link_ref(struct rpc_link *l);
void rpc_link_unref(struct rpc_link **l);
/* Waits until the link has ended. */
WAITS void rpc_link_wait_closed(struct rpc_link *l);

/* ---- the asking side ---- */

enum rpc_body { RPC_NO_BODY, RPC_BODY };

/* Sends REQUEST; never waits. E_RETRY when the link is not usable, E_LIMIT with too many streams.
 * The peer learns the time left until the deadline; when it passes, waits return E_TIMEOUT and
 * the stream is cancelled. */
enum err rpc_call_start(struct rpc_link *l, uint16_t method, slice_t payload, enum rpc_body body,
			int64_t deadline_ms, struct rpc_call **out) MUST_USE;
/* Body bytes, any length; cut into DATA frames; waits for credit and for room. Fails early with
 * E_CLOSED when the response came before the body's end: look at it. */
WAITS enum err rpc_call_send(struct rpc_call *c, slice_t bytes) MUST_USE;
enum err rpc_call_send_end(struct rpc_call *c);
/* Waits for the RESPONSE; returns its status. *payload_out (may be NULL) is valid until free. */
WAITS enum err rpc_call_response(struct rpc_call *c, slice_t *payload_out) MUST_USE;
/* The next DATA frame's payload, whole; *out is valid until the next recv or free. E_CLOSED after
 * the last one (a clean end); E_RETRY if the link broke first. */
WAITS enum err rpc_call_recv(struct rpc_call *c, slice_t *out) MUST_USE;
/* True when a DATA frame, the end or an error can be had without waiting. */
bool rpc_call_readable(const struct rpc_call *c);
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
/* The one RESPONSE. RPC_BODY: DATA follows. A fiber that ends without it answers E_INTERNAL. */
enum err rpc_req_reply(struct rpc_req *r, enum err status, slice_t payload, enum rpc_body body);
/* One DATA frame each (at most RPC_PAYLOAD_MAX), boundaries kept. */
WAITS enum err rpc_req_send(struct rpc_req *r, slice_t bytes) MUST_USE;
enum err rpc_req_send_end(struct rpc_req *r);
/* True once the peer cancelled or the link broke; waits return E_CANCELLED then. */
bool rpc_req_gone(const struct rpc_req *r);

#endif
