/*
 * iplimit: how many connections an address has, and how many it made in the last minute. An IPv6
 * client is its /64: it chooses the rest freely. The table is bounded; when it is full, addresses
 * without a connection are forgotten, the oldest first.
 */
#ifndef FRONTEND_CORE_IPLIMIT_H
#define FRONTEND_CORE_IPLIMIT_H

#include "common/base/err.h"
#include "common/net/ipaddr.h"

/* Addresses remembered without a connection, about 100 bytes each. */
#define IPLIMIT_IDLE_MAX 16384

enum iplimit_verdict { IPLIMIT_OK, IPLIMIT_TOO_MANY, IPLIMIT_TOO_FAST };

/* Counts a new connection, or refuses it (then it is not to be left). per_ip_max and
 * rate_per_min: 0 is no limit. *refused_out: refusals of this address in this minute. */
enum iplimit_verdict iplimit_enter(const struct ipaddr *a, uint32_t per_ip_max,
				   uint32_t rate_per_min, uint32_t *refused_out) MUST_USE;
void iplimit_leave(const struct ipaddr *a);
size_t iplimit_size(void);
void iplimit_forget(void); /* all addresses; for tests */

#endif
