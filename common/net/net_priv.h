/* net_priv: the inside of a stream, shared by stream, stream_out, connect, listen, tls_conn. */
#ifndef COMMON_NET_NET_PRIV_H
#define COMMON_NET_NET_PRIV_H

#include <netinet/in.h>
#include <uv.h>

#include "common/base/buf.h"
#include "common/loop/fiber.h"
#include "common/loop/loan.h"
#include "common/net/stream.h"
#include "common/net/tls.h"

#define STREAM_MAGIC       0x5354524du /* "STRM" */
#define WINDOW_DEFAULT     (16 * 1024)
#define HIGH_WATER_DEFAULT (64 * 1024)

#define NET_READ_MAX    (64 * 1024) /* bytes taken from a socket at once */
#define TLS_RECORD_MAX  (16 * 1024) /* plain text in a record, RFC 8446 5.1 */
#define TLS_RECORD_OVER 512         /* more than header, type, tag and IV of any version */
#define NET_SEND_MAX    (4 * (TLS_RECORD_MAX + TLS_RECORD_OVER))

/* What all streams of a loop share: nothing of it is in use across a turn. */
struct net_scratch {
	char in[NET_READ_MAX];
	char out[NET_SEND_MAX]; /* cipher text on its way to the socket */
	size_t out_n;
};

enum closing {
	CLOSING_NOT,
	CLOSING_FLUSH,  /* detached; sends what is queued */
	CLOSING_LINGER, /* waits for the peer's end, so that no reset eats our last words */
	CLOSING_HANDLE, /* uv_close() was called */
	CLOSING_GONE,   /* closed; freed when the last waiter has left */
};

struct tls_conn;

struct stream {
	uint32_t magic;
	enum closing closing;
	uv_tcp_t tcp;
	struct budget *budget;
	size_t window_max;
	size_t window_opened; /* what window_max was at first */
	size_t high_water;

	struct buf in; /* the window; its first in_off bytes are consumed */
	size_t in_off;
	enum err in_err;  /* E_OK until input has ended */
	bool reading;     /* libuv was asked to read */
	bool read_wanted; /* the reader has shown interest: reading goes on while there is room */
	struct event readable;
	struct event *notify; /* borrowed, or NULL */
	struct loan loan;     /* of the window to the reader */

	struct buf out;  /* plain text, queued */
	size_t inflight; /* bytes that libuv is writing */
	enum err out_err;
	struct waitq writers;

	struct loop_hook hook; /* at turn's end: flush, go on reading */
	struct timer grace;
	unsigned waiters; /* fibers inside a wait of this stream: it may not vanish */
	struct tls_conn *tls;
	size_t lingered; /* bytes read after the end */
	uint64_t bytes_in, bytes_out;
	char *why; /* for stream_diag(), or NULL */
	struct ipaddr peer, local;
	uint16_t peer_port, local_port;
};

struct net_scratch *net_scratch(void);
/* What a libuv status means to the caller. */
enum err net_err(int status);
void net_from_sockaddr(const struct sockaddr *sa, struct ipaddr *addr, uint16_t *port);
/* Returns the length; ss is zeroed first. */
socklen_t net_to_sockaddr(const struct ipaddr *addr, uint16_t port, struct sockaddr_storage *ss);

/* A stream without a socket. It must be ended with stream_abort(). */
struct stream *stream_new(const struct stream_opts *opts);
/* Closes the handle at once. */
void stream_abort(struct stream *s);
/* As stream_from_fd(); peer may be NULL: it is asked of the socket. */
enum err stream_adopt(int fd, const struct stream_opts *opts, const struct sockaddr *peer,
		      struct stream **out) MUST_USE;

/* Around every wait on s; true at its end: the stream was closed meanwhile (and may be freed
 * now), return E_CLOSED. */
void stream_wait_begin(struct stream *s);
bool stream_wait_end(struct stream *s);
/* Ends input: no more will come. The first reason stays. */
void stream_end_input(struct stream *s, enum err e);
void stream_wake_reader(struct stream *s);
/* Remembers words for stream_diag(); the first ones stay. */
void stream_set_why(struct stream *s, const char *why);
/* Room in the window, and n bytes of it at one place: NULL when the budget says no. */
size_t stream_room(const struct stream *s);
char *stream_window_reserve(struct stream *s, size_t n);
void stream_read_start(struct stream *s);
void stream_read_stop(struct stream *s);

/* ---- stream_out ---- */

/* Sends bytes as they are: now if the socket takes them, else through libuv. */
void stream_send(struct stream *s, slice_t bytes);
/* Ends output; what is queued is dropped. */
void stream_end_output(struct stream *s, enum err e);
/* Encrypts and sends what is queued, and wakes writers. On the loop's stack. */
void stream_flush_out(struct stream *s);

/* ---- tls_conn ---- */

void tls_conn_free(struct tls_conn **c);
/* Whether application data may flow. */
bool tls_conn_ready(const struct tls_conn *c);
/* Whether plain text can be had without reading from the socket. */
bool tls_conn_pending(const struct tls_conn *c);
/* Takes cipher text that just arrived; fills the window as far as there is room. */
void tls_conn_input(struct stream *s, slice_t cipher);
/* Goes on with what an earlier input left, or begins a client's handshake. */
void tls_conn_continue(struct stream *s);
/* Encrypts and sends at most all of plain; returns how much it took. */
size_t tls_conn_output(struct stream *s, slice_t plain);
/* Sends close_notify; false if that was done before. */
bool tls_conn_bye(struct stream *s);

#endif
