/*
 * err: the one error enum. The first block are the statuses that cross the RPC (docs/errors.md:
 * the wire numbers are these values and never change); the second block is local to a process.
 * Each protocol has one table that turns an enum err into its reply.
 */
#ifndef COMMON_BASE_ERR_H
#define COMMON_BASE_ERR_H

#include "common/base/base.h"

enum err {
	E_OK = 0,
	E_RETRY = 1,     /* a passing condition; the same request may work later */
	E_DENIED = 2,    /* the caller may not do that */
	E_NO_TICKET = 3, /* the ticket is missing, forged, expired, revoked or another's */
	E_NOT_FOUND = 4,
	E_EXISTS = 5,
	E_QUOTA = 6,        /* the account's storage limit */
	E_TOO_BIG = 7,      /* one thing is larger than its limit */
	E_LIMIT = 8,        /* too many, too often; or over a memory budget */
	E_BUSY = 9,         /* overloaded just now */
	E_WRONG_OWNER = 10, /* another back-end owns that partition */
	E_INVALID = 11,     /* malformed, or not allowed in this state */
	E_INTERNAL = 12,    /* our fault; logged where it arose */
	E_RATE = 13,        /* the account sends too much, or is held; the words say until when */
	E_WIRE_LAST = E_RATE,

	E_TIMEOUT = 64, /* the deadline passed */
	E_CANCELLED,    /* the waiting fiber was cancelled */
	E_CLOSED,       /* the peer closed, or the stream ended */
	E_IO,           /* the operating system refused; errno was logged or is in the diag */
	E_TLS,          /* handshake or record failure */
	E_CORRUPT,      /* stored bytes fail their checksum or bounds */
	E_FULL,         /* no room on disk or in the map */
};

/* Three-way result of restartable parsers: done, need more bytes, refused. */
enum parse_rc { P_OK, P_MORE, P_BAD };

/* "ok", "retry", ...: the words used in logs. Never NULL. */
const char *err_name(enum err e);
/* What an error becomes on the wire: local errors map to E_RETRY, E_INTERNAL and the like. */
enum err err_to_wire(enum err e);

/* Human detail of a failure; the caller owns it, usually on the stack. Always terminated. */
struct diag {
	char text[256];
};
/* Writes the text (cut to fit) and returns e, so that `return diag_set(d, E_INVALID, ...)` works;
 * d may be NULL. */
enum err diag_set(struct diag *d, enum err e, const char *fmt, ...) PRINTF(3, 4);

#endif
