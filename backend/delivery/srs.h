/*
 * srs: the Sender Rewriting Scheme (M. Wong, S. Meng: "The Sender Rewriting Scheme", 2003). Who
 * passes on a stranger's mail sends it with an address of his own as its sender, since SPF allows
 * nobody else to send as the stranger; and takes the bounces that come to that address, and passes
 * them back.
 *
 *	SRS0=HHHHHH=TT=host=local@us        of local@host
 *	SRS1=HHHHHH=host==...@us            of SRS0=...@host, so that it does not grow with each hop
 *
 * H: 30 bits of an HMAC-SHA-256 over what follows, in lower case, since others change case. T: the
 * day. Both in base32 (RFC 4648 section 6), compared without regard to case. An address that we did
 * not make, or made too long ago, is none: else we would be a relay for everybody's bounces.
 *
 * Pure: no clock, no directory.
 */
#ifndef BACKEND_DELIVERY_SRS_H
#define BACKEND_DELIVERY_SRS_H

#include "common/base/buf.h"
#include "common/base/err.h"

/* A bounce may come as long as somebody's queue keeps the message, and the one after it. */
#define SRS_VALID_DAYS 30
#define SRS_KEY_LEN    32

struct srs_key {
	uint8_t bytes[SRS_KEY_LEN];
};

/* From a secret that all back-ends share and that never changes. */
void srs_key_make(const uint8_t secret[32], struct srs_key *out);

/* Whether the local part of it says so. */
bool srs_is(slice_t address);
/* Appends what stands for `sender` (local@domain, the domain normalised) at our domain. E_INVALID:
 * a local part that needs quotes or is not ASCII, an address literal; E_TOO_BIG: more than the 64
 * octets that a local part has. Nothing is appended then. */
enum err srs_forward(const struct srs_key *k, slice_t sender, slice_t domain, int64_t now_s,
		     struct buf *out) MUST_USE;
/* Appends whom the address (srs_is) stands for. E_INVALID: we did not make it; E_TIMEOUT: too long
 * ago. */
enum err srs_reverse(const struct srs_key *k, slice_t address, int64_t now_s,
		     struct buf *out) MUST_USE;

#endif
