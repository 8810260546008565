/* hosts: those that take our mail and send it, by the settings. */
#ifndef BACKEND_DNS_HOSTS_H
#define BACKEND_DNS_HOSTS_H

#include "backend/dns/zone.h"
#include "common/conf/conf.h"

/* dns.mx_hosts, or the name that all front-ends use; in mem, normalised. E_INVALID: there is none,
 * or one that is no host name. */
enum err dns_hosts(const struct conf *settings, struct arena *mem, slice_t hosts[ZONE_HOSTS_MAX],
		   size_t *n_out, struct diag *d) MUST_USE;

#endif
