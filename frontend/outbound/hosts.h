/*
 * hosts: a destination into the servers that take its mail (RFC 5321 section 5.1): a domain by its
 * MX records, or, where it has none, its own address; an address literal as it stands; a relay
 * [host] by the host's addresses. Each may have a :port.
 */
#ifndef FRONTEND_OUTBOUND_HOSTS_H
#define FRONTEND_OUTBOUND_HOSTS_H

#include "common/base/arena.h"
#include "common/net/ipaddr.h"
#include "frontend/outbound/smtp_result.h"

/* Addresses that are tried for one message: who has more of them, all dead, can wait. */
#define HOSTS_MAX 12

enum host_source {
	HOST_LITERAL, /* an address: there is no name */
	HOST_NAMED,   /* of a route: somebody of ours has named it */
	HOST_DOMAIN,  /* the domain itself, which has no MX */
	HOST_MX,
};

/* Names are in the arena. */
struct host {
	const char *name;     /* of the MX, or the literal itself */
	const char *expanded; /* what the CNAMEs of its address have led to; NULL: there are none */
	struct ipaddr addr;
	uint16_t port;
	enum host_source source;
	bool secure; /* its addresses are, and the CNAMEs before them (RFC 7672 section 2.2.2) */
};

struct hosts {
	struct host list[HOSTS_MAX];
	size_t n;
	const char *domain;          /* the next-hop domain; NULL: there is none */
	const char *domain_expanded; /* of its MX records, as `expanded` */
	bool mx_secure;              /* the MX records are */
	struct smtp_result why;      /* without any: LATER or REFUSED, and the words */
};

/* port: of hosts that name none. In the order in which they are to be tried. E_CANCELLED; else
 * E_OK, with n or why. */
WAITS enum err hosts_find(slice_t destination, uint16_t port, struct arena *mem,
			  int64_t deadline_ms, struct hosts *out) MUST_USE;

#endif
