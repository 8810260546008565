/*
 * common/net: bytes between the process and a peer.
 *
 *   stream       a connected socket: input window, close once
 *   stream_out   its output queue with high and low water
 *   connect      outgoing connections
 *   tls          OpenSSL contexts
 *   tls_check    whom a client wants to find at the other end
 *   tls_conn     OpenSSL through an own BIO_METHOD on the stream's windows; both roles
 *   tls_names    which of a server's certificates a client gets
 *   listen       accepting sockets
 *   ipaddr       addresses and nets
 *
 * A stream has one reading fiber at most; any number may write, each write is kept together only
 * up to the high water. Bytes move on the loop's own stack:
 * when a socket turns readable the stream layer reads, decrypts and fills the input window (at
 * most `window_max` bytes of plain text), then sets the reader's event. Writes are copied into the
 * output queue, which is encrypted and written once at the end of the turn; a writer waits while
 * more than the high water is queued. An idle stream keeps no buffer.
 */
#ifndef COMMON_NET_STREAM_H
#define COMMON_NET_STREAM_H

#include "common/base/err.h"
#include "common/base/budget.h"
#include "common/base/slice.h"
#include "common/net/ipaddr.h"
#include "common/net/tls_check.h"

struct stream;
struct tls_ctx;

enum close_reason {
	CLOSE_DONE, /* we ended the conversation */
	CLOSE_PEER, /* the peer closed */
	CLOSE_TIMEOUT,
	CLOSE_PROTOCOL, /* the peer broke the protocol */
	CLOSE_TLS,
	CLOSE_LIMIT,
	CLOSE_IO,
	CLOSE_SHUTDOWN, /* this process ends */
};
const char *close_reason_name(enum close_reason r);

struct stream_opts {
	size_t window_max;     /* plain-text input window; 0: 16 KiB */
	size_t high_water;     /* a writer waits above this; 0: 64 KiB */
	struct budget *budget; /* borrowed; charged for buffers; may be NULL */
	struct diag *why;      /* stream_connect(): the system's words when it fails; or NULL */
};

/* Another window from now on, of max bytes (0: as wide as the stream was opened with): a wide one
 * while a body comes, which takes fewer turns then. What waits already stays, even beyond a
 * narrower one. */
void stream_set_window(struct stream *s, size_t max);
/* Takes over a connected descriptor (closed on error, too). Nothing is read before the first
 * stream_fill(), stream_notify() or handshake. E_IO: not a socket. */
enum err stream_from_fd(int fd, const struct stream_opts *opts, struct stream **out) MUST_USE;
/* E_TIMEOUT, E_CANCELLED, or E_IO: refused or unreachable. from may be NULL. */
WAITS enum err stream_connect(const struct ipaddr *to, uint16_t port, const struct ipaddr *from,
			      const struct stream_opts *opts, int64_t deadline_ms,
			      struct stream **out) MUST_USE;

/* Handshakes. What was queued is sent in clear first; bytes that arrived in clear before are an
 * error (a STARTTLS injection): E_INVALID. So a server calls this right after it queued its
 * go-ahead, with no wait in between. E_TLS: see stream_diag(); E_CLOSED: the peer left;
 * E_LIMIT: it sent more than a handshake needs. `name` is the SNI, NULL: none; it is not what the
 * certificate is checked for: see stream_tls_client_checked(). After an error the stream can only
 * be closed. */
WAITS enum err stream_tls_server(struct stream *s, struct tls_ctx *ctx,
				 int64_t deadline_ms) MUST_USE;
WAITS enum err stream_tls_client(struct stream *s, struct tls_ctx *ctx, const char *name,
				 int64_t deadline_ms) MUST_USE;
/* The same, of TLS_PUBLIC_CLIENT, with a demand on the peer. E_TLS also when another is there. */
WAITS enum err stream_tls_client_checked(struct stream *s, struct tls_ctx *ctx, const char *name,
					 const struct tls_peer_check *check,
					 int64_t deadline_ms) MUST_USE;

/* What has arrived and is not consumed; contiguous. It is lent (common/loop/loan.h): its bytes stay
 * where and as they are, also those that are consumed meanwhile, until the fiber calls anything
 * that is marked WAITS, of this stream or of whatever else, and even if it returns at once; or
 * until stream_close(). So a slice of it is no argument for what waits before it is done with its
 * arguments, such as stream_write(). After the wait, peek again. */
slice_t stream_peek(const struct stream *s);
/* The first n bytes of it are done with. */
void stream_consume(struct stream *s, size_t n);
/* Waits until the window holds more than `have` bytes. E_CLOSED at the end of input (what is in
 * the window may still be consumed), E_LIMIT if the window is full at `have`. `name` is the
 * name of the wait ("smtp.command"). */
WAITS enum err stream_fill(struct stream *s, size_t have, const char *name,
			   int64_t deadline_ms) MUST_USE;

/* For a fiber that waits for other things beside input (IDLE): sets *e when input arrives or
 * ends, at once if it has; NULL stops. */
struct event;
void stream_notify(struct stream *s, struct event *e);
/* stream_fill(s, have) would not wait: more is there, or the end. */
bool stream_readable(const struct stream *s, size_t have);

/* Queues a copy; waits only while the queue is above the high water. */
WAITS enum err stream_write(struct stream *s, slice_t data, int64_t deadline_ms) MUST_USE;
/* Queues a copy without ever waiting: for small things (RPC control frames). E_LIMIT when the
 * queue is beyond twice the high water. */
enum err stream_write_now(struct stream *s, slice_t data) MUST_USE;
/* Waits until everything queued was handed to the kernel. */
WAITS enum err stream_flush(struct stream *s, int64_t deadline_ms) MUST_USE;
size_t stream_queued(const struct stream *s);
/* After a flush: the peer's next bytes are acknowledged at once. For a peer that answers in several
 * small writes, each of which waits (Nagle) for the acknowledgement that we would hold back, up to
 * 40 ms, for something to send. */
void stream_ack_soon(struct stream *s);
/* Waits until less than the high water is queued. */
WAITS enum err stream_drain(struct stream *s, const char *name, int64_t deadline_ms) MUST_USE;

/* Detaches the stream at once: waiting fibers get E_CLOSED, *s becomes NULL; what was queued is
 * still sent for at most a few seconds (and TLS closed in order), unless the reason says that the
 * peer is gone or cannot be talked to (PEER, TLS, IO); memory is freed in the last close
 * callback. NULL is harmless. */
void stream_close(struct stream **s, enum close_reason reason);

const struct ipaddr *stream_peer(const struct stream *s);
uint16_t stream_peer_port(const struct stream *s);
const struct ipaddr *stream_local(const struct stream *s);
uint16_t stream_local_port(const struct stream *s);
bool stream_is_tls(const struct stream *s);
/* Bytes on the wire. */
uint64_t stream_bytes_in(const struct stream *s);
uint64_t stream_bytes_out(const struct stream *s);

/* What went wrong, for the log: OpenSSL's or the system's words; empty if nothing did. */
void stream_diag(const struct stream *s, struct diag *d);
/* Why the peer of a checked handshake is not whom was demanded; words, which may be NULL, are set
 * when it is. Also of a handshake that went on because the check was advisory. */
enum tls_fault stream_tls_fault(const struct stream *s, struct diag *words);

/* Facts of the finished handshake; slices live as long as the stream. */
struct tls_facts {
	const char *version; /* "TLSv1.3" */
	const char *cipher;
	const char *group;
	slice_t peer_name;   /* subject CN of the verified peer certificate; empty if none */
	slice_t peer_serial; /* its serial number, hex */
	int64_t peer_from_s; /* its notBefore and notAfter, seconds since 1970; 0 if none */
	int64_t peer_until_s;
	enum tls_verified verified; /* how we know the peer */
	slice_t exporter; /* tls-exporter channel binding (RFC 9266), 32 bytes; empty if the
				  session has none (TLS 1.2 without extended master secret) */
};
/* NULL before the handshake is done. */
const struct tls_facts *stream_tls(const struct stream *s);

enum tls_naming { TLS_NAMED, TLS_NAMED_BY_ANY }; /* as it is; or by a wildcard, too */
/* Our certificate of the handshake names this host, so that who wants it is content (RFC 9525
 * section 6.3). Subject names do not count. False before the handshake. */
bool stream_tls_names(const struct stream *s, slice_t host, enum tls_naming how);

/* listen: each accepted connection calls on_accept from the loop (no waiting there): it starts a
 * fiber with the stream, or closes it. */
struct listener;
/* Takes over a listening descriptor (closed on error, too); opts and its budget are for each
 * stream. */
enum err listen_fd(int fd, const struct stream_opts *opts,
		   void (*on_accept)(struct stream *s, void *arg), void *arg,
		   struct listener **out) MUST_USE;
/* Makes, binds and listens a TCP socket, SO_REUSEADDR, and SO_REUSEPORT when asked. */
enum listen_share { LISTEN_ALONE, LISTEN_REUSEPORT };
enum err listen_socket(const struct ipaddr *addr, uint16_t port, enum listen_share share,
		       int *fd_out, struct diag *d) MUST_USE;
/* As many descriptors as the system grants, for this process and those it starts: each connection
 * is one, and what a process has at first is often a thousand. */
void listen_raise_limit(void);
/* The port a descriptor is bound to; for sockets made with port 0. */
uint16_t listen_port(int fd);
/* And its address. False: it is bound to none. */
bool listen_address(int fd, struct ipaddr *addr_out, uint16_t *port_out) MUST_USE;
void listener_close(struct listener **l);

#endif
