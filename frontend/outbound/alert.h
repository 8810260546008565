/*
 * alert: a mail to whoever looks after the cluster: an account is held because it bursts. Which,
 * why, and what to do. It asks nobody and sends nothing; what comes in is cleaned as a notice's
 * words are.
 */
#ifndef FRONTEND_OUTBOUND_ALERT_H
#define FRONTEND_OUTBOUND_ALERT_H

#include "common/base/buf.h"
#include "common/base/err.h"

#define ALERT_BYTES_MAX 16384 /* our words, and an account's name in each of them */

struct alert {
	slice_t host;    /* our domain name */
	slice_t to;      /* who gets it */
	slice_t account; /* its main address */
	slice_t why;
	int64_t at_s;
};

/* Appends the whole message. E_INVALID: `to` is no address, or host no domain. */
enum err alert_write(const struct alert *a, struct buf *out, struct diag *d) MUST_USE;
/* It holds bytes above 127. */
bool alert_is_8bit(const struct alert *a);

#endif
