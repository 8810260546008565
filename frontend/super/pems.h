/*
 * pems: the files of certificates, keys and DNSSEC's trust anchors, which the supervisor alone
 * reads: workers are confined, and see none. Each worker is given what its service needs (child).
 */
#ifndef FRONTEND_SUPER_PEMS_H
#define FRONTEND_SUPER_PEMS_H

#include "common/rpc/identity.h"
#include "frontend/super/certs.h"

/* Their texts; empty: there is none, or nobody needs it. */
struct pems {
	struct buf ca, anchors;
	struct certs tls, https;                                  /* https may have none */
	struct buf cert[SERVICE_LAST + 1], key[SERVICE_LAST + 1]; /* of links, by service */
};

/* Services that there are workers of. */
struct pems_services {
	bool has[SERVICE_LAST + 1];
};

/* What those services need; too large for a fiber's stack. E_IO, E_TOO_BIG, E_INVALID and what
 * certs_read says, with the name of the file or setting. */
enum err pems_new(const struct conf *c, const struct pems_services *s, struct pems **out,
		  struct diag *d) MUST_USE;
void pems_free(struct pems **p);

/* Workers of this service get the anchors. */
bool pems_asks_dns(enum rpc_service s);

#endif
