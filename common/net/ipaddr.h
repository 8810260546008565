/* ipaddr: IPv4 and IPv6 addresses and nets, by value. An IPv4-mapped IPv6 address is kept as
 * IPv4. */
#ifndef COMMON_NET_IPADDR_H
#define COMMON_NET_IPADDR_H

#include "common/base/slice.h"

struct ipaddr {
	uint8_t family; /* 0: none, 4, 6 */
	uint8_t b[16];  /* network order; 4 or 16 bytes in use */
};

#define IPADDR_STR 46

bool ipaddr_parse(slice_t text, struct ipaddr *out) MUST_USE;
/* Into a buffer of IPADDR_STR; returns it. */
const char *ipaddr_str(const struct ipaddr *a, char *buf);
bool ipaddr_eq(const struct ipaddr *a, const struct ipaddr *b);
/* "192.0.2.0/24", "2001:db8::/32", or an address alone. */
struct ipnet {
	struct ipaddr addr;
	uint8_t bits;
};
bool ipnet_parse(slice_t text, struct ipnet *out) MUST_USE;
bool ipnet_has(const struct ipnet *n, const struct ipaddr *a);
/* "host:port" or "[v6]:port" with a literal address. */
bool ipaddr_parse_port(slice_t text, struct ipaddr *out, uint16_t *port) MUST_USE;

#endif
