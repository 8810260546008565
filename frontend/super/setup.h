/*
 * frontend/super: the front-end as processes.
 *
 *   super    which workers there are; keeps them until it is told to end
 *   child    one of them, as the supervisor has it: sockets, process, restarts
 *   pems     the files of certificates and keys
 *   certs    what is presented to the public, read and checked
 *   setup    what a worker is told by the supervisor, as bytes over a socket pair
 *   worker   one single-threaded process of one service: confinement, loop, links, listeners
 *   confine  own user, no new privileges, no exec, a system call filter for each service
 *
 * The supervisor keeps the listening sockets, so that a worker's death loses no connection that
 * was not accepted yet. A worker is the same program executed anew (fresh memory, nothing of the
 * supervisor's secrets but what the set-up brings) and ends when its socket to the supervisor
 * closes.
 */
#ifndef FRONTEND_SUPER_SETUP_H
#define FRONTEND_SUPER_SETUP_H

#include "common/base/arena.h"
#include "common/base/buf.h"
#include "common/base/err.h"
#include "common/rpc/identity.h"
#include "frontend/super/certs.h"

#define SETUP_BYTES_MAX     (256 * 1024) /* certificates above all: 32 of 7 KiB, keys and all */
#define SETUP_LISTENERS_MAX 32
#define SETUP_BACKENDS_MAX  64

#define WORKER_CONTROL_FD 3 /* the worker's end of the socket pair */
#define WORKER_FIRST_FD   4 /* its listening sockets, in the order of the set-up; then the RPC's */

struct worker_setup {
	slice_t node;
	enum rpc_service service;
	uint32_t worker;   /* number among all workers of the node */
	uint32_t uid, gid; /* 0: stay as we are (not started by root) */
	slice_t log_level;
	slice_t ca_pem, cert_pem, key_pem; /* the cluster's */
	slice_t tls_cert_pem[TLS_CERTS_MAX],
		tls_key_pem[TLS_CERTS_MAX]; /* the public's; see certs.h */
	size_t ncerts;                      /* 0: without listeners */
	slice_t own_cert_pem;               /* of who tells back-ends what listeners present */
	slice_t dns_server, dns_anchors;    /* as in struct serve_conf */
	slice_t trust_path;                 /* of a service that verifies other hosts; else empty */
	uint32_t sts_port;
	bool rpc_listen; /* inside-out: the last descriptor is for back-ends */
	slice_t listeners[SETUP_LISTENERS_MAX]; /* "smtp", "imaps", ... */
	size_t nlisteners;
	slice_t backends[SETUP_BACKENDS_MAX]; /* "127.0.0.1:7411" */
	size_t nbackends;
};

/* One message: u32 length of the rest, then the fields. Slices of a decoded set-up borrow from the
 * bytes. E_INVALID for bytes that are not one whole message. */
void setup_encode(const struct worker_setup *s, struct buf *out);
enum err setup_decode(slice_t message, struct worker_setup *out) MUST_USE;
/* Zeroes the private keys, in the bytes of the message too, once they were made use of; those bytes
 * are memory that may be written to. */
void setup_wipe_keys(struct worker_setup *s);

#endif
