/*
 * throttle: what failed log-ins cost those who try on. Three memories, all bounded and forgetful:
 *
 *   of a name       distinct wrong passwords; after THROTTLE_NAME_FREE each adds to a delay
 *   of an address   the same for an IPv4 address or an IPv6 /64, whatever the name
 *   of a net        the same for an IPv4 /24 or an IPv6 /48, with more patience
 *
 * During a delay an attempt is refused unheard. Delays double with each failure up to a cap and
 * fade with time: nobody can lock a user out for good. The same wrong password again counts once
 * (a forgotten phone is no attack). An address from which the account was used lately is *known
 * good*: failures elsewhere do not delay it, until it fails too often itself.
 */
#ifndef BACKEND_AUTH_THROTTLE_H
#define BACKEND_AUTH_THROTTLE_H

#include "common/base/err.h"
#include "common/base/slice.h"
#include "common/net/ipaddr.h"

#define THROTTLE_NAME_FREE  5
#define THROTTLE_NAME_MAX_S 60
#define THROTTLE_IP_FREE    10
#define THROTTLE_IP_MAX_S   300
#define THROTTLE_NET_FREE   100
#define THROTTLE_NET_MAX_S  60
#define THROTTLE_FADE_S     60 /* one failure is forgotten each */
#define THROTTLE_GOOD_FREE  20 /* failures at a known good place before it is an ordinary one */
#define THROTTLE_GOOD_S     (7 * 24 * 3600)
#define THROTTLE_ENTRIES    65536 /* of each memory: 8 MiB; the one idle longest leaves */

struct throttle;

struct throttle *throttle_new(void);
void throttle_free(struct throttle **t);

/* May an attempt be heard? E_OK or E_LIMIT. ip may be of family 0. An empty name, here and below:
 * who it is was not said yet; then the address alone counts. */
enum err throttle_check(struct throttle *t, slice_t name, const struct ipaddr *ip) MUST_USE;
/* password_tag: a keyed hash of name and password that tells nothing else, or 0 when unknown. */
void throttle_failed(struct throttle *t, slice_t name, const struct ipaddr *ip,
		     uint64_t password_tag);
void throttle_succeeded(struct throttle *t, slice_t name, const struct ipaddr *ip);
/* How many entries there are, in all memories. */
size_t throttle_count(const struct throttle *t);

#endif
