#include "backend/dns/hosts.h"

#include "common/parse/idn.h"

enum err dns_hosts(const struct conf *settings, struct arena *mem, slice_t hosts[ZONE_HOSTS_MAX],
		   size_t *n_out, struct diag *d)
{
	size_t n = 0;
	enum err e = E_OK;

	for (size_t i = 0; i < conf_count(settings, "dns.mx_hosts") && n < ZONE_HOSTS_MAX; i++)
		hosts[n++] = slice_str(conf_item(settings, "dns.mx_hosts", i));
	if (n == 0 && conf_str(settings, "hostname")[0] != '\0')
		hosts[n++] = slice_str(conf_str(settings, "hostname"));
	for (size_t i = 0; e == E_OK && i < n; i++) {
		char name[256];

		if (domain_normalise(hosts[i], name) != E_OK)
			e = diag_set(d, E_INVALID, "%.*s is no host name",
				     (int)MIN(hosts[i].n, 100u), hosts[i].p);
		else
			hosts[i] = arena_dup(mem, slice_str(name));
	}
	if (e == E_OK && n == 0)
		e = diag_set(d, E_INVALID,
			     "which hosts take mail? say so with the setting dns.mx_hosts");
	*n_out = n;
	return e;
}
