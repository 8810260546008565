/*
 * sevenbit: a job's message made 7-bit on its way (mime/downgrade), for a server without 8BITMIME.
 * The converter writes and the client reads: a fiber of its own writes, one piece ahead at most.
 * Our own signatures go, since they would not hold (RFC 6376 section 5.3): a broken one is worth
 * nothing. Others' stay: whether they held before is not known here.
 */
#ifndef FRONTEND_OUTBOUND_SEVENBIT_H
#define FRONTEND_OUTBOUND_SEVENBIT_H

#include "common/loop/fiber.h"
#include "frontend/mime/downgrade.h"
#include "frontend/rpc/call_outbound.h"

struct sevenbit {
	struct outbound_body body;
	const struct outbound_job *job;
	struct buf prefix; /* the job's without signatures: what is there is ours */
	struct downgrade_source source;
	struct downgrade *downgrade;
	struct scope scope;
	bool writing; /* the fiber was started */
	struct event full, empty;
	slice_t piece;  /* of the writer, while it waits */
	enum err ended; /* of the writer: E_OK while it writes */
};

/* Reads the message for what it needs. E_INVALID: it cannot be made 7-bit; or why it could not be
 * read. To be closed in any case; stays where it is meanwhile. */
WAITS enum err sevenbit_open(struct sevenbit *s, const struct outbound_job *j) MUST_USE;
/* As outbound_body_read; s is a struct sevenbit. */
WAITS enum err sevenbit_read(void *s, slice_t *out) MUST_USE;
WAITS void sevenbit_close(struct sevenbit *s);

#endif
