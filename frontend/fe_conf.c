#include "frontend/fe_conf.h"

#include "common/net/ipaddr.h"
#include "common/net/tls.h"

static const struct conf_def table[] = {
	{"name", CONF_STRING, NULL, 1, 63, CONF_REQUIRED, "This node's name in the cluster",
	 "host"},
	{"backends", CONF_ADDRS, NULL, 0, 64, 0, "Back-ends to begin with, ADDRESS:7411", NULL},
	{"rpc.certs", CONF_STRING, NULL, 1, 4000, CONF_REQUIRED,
	 "Folder with ca.pem and, for each service, SERVICE.pem and SERVICE.key", NULL},
	{"rpc.listen", CONF_ADDRS, NULL, 0, 1, 0,
	 "Inside-out: back-ends dial here; worker n listens on this port plus n", NULL},
	{"tls.cert", CONF_STRINGS, NULL, 1, TLS_CERTS_MAX, CONF_REQUIRED | CONF_LIVE,
	 "Public certificate chain, PEM; of several the one with the name that is asked for", NULL},
	{"tls.key", CONF_STRINGS, NULL, 1, TLS_CERTS_MAX, CONF_REQUIRED | CONF_LIVE,
	 "Its key, PEM; of several certificates theirs, in the same order", NULL},
	{"https.cert", CONF_STRINGS, NULL, 0, TLS_CERTS_MAX, CONF_LIVE,
	 "Certificate chains of the site at listen.https, PEM; none: tls.cert", NULL},
	{"https.key", CONF_STRINGS, NULL, 0, TLS_CERTS_MAX, CONF_LIVE, "Their keys, PEM", NULL},
	{"tls.trust", CONF_STRING, "", 0, 4000, 0,
	 "File with the authorities that other hosts' certificates are verified by, PEM; empty: "
	 "the system's",
	 NULL},
	{"listen.smtp", CONF_ADDRS, NULL, 0, 16, 0, "Addresses of SMTP (25)", NULL},
	{"listen.lmtp", CONF_ADDRS, NULL, 0, 16, 0,
	 "Addresses of LMTP, for relays in the nets of lmtp.nets", NULL},
	{"listen.submission", CONF_ADDRS, NULL, 0, 16, 0, "Addresses of submission (587)", NULL},
	{"listen.submissions", CONF_ADDRS, NULL, 0, 16, 0, "Addresses of submission over TLS (465)",
	 NULL},
	{"listen.odmr", CONF_ADDRS, NULL, 0, 16, 0,
	 "Addresses of ATRN (366), for hosts that fetch what is held for them", NULL},
	{"listen.imap", CONF_ADDRS, NULL, 0, 16, 0, "Addresses of IMAP (143)", NULL},
	{"listen.imaps", CONF_ADDRS, NULL, 0, 16, 0, "Addresses of IMAP over TLS (993)", NULL},
	{"listen.https", CONF_ADDRS, NULL, 0, 16, 0,
	 "Addresses of the site of our domains' MTA-STS policies (443)", NULL},
	{"workers.smtp", CONF_INT, "0", 0, 64, 0, "Worker processes; 0: one per core", NULL},
	{"workers.submission", CONF_INT, "1", 0, 64, 0, "Worker processes; 0: one per core", NULL},
	{"workers.imap", CONF_INT, "0", 0, 64, 0, "Worker processes; 0: one per core", NULL},
	{"workers.web", CONF_INT, "1", 0, 64, 0, "Worker processes; 0: one per core", NULL},
	{"workers.outbound", CONF_INT, "1", -1, 64, 0,
	 "Worker processes that send mail to other hosts; 0: one per core; -1: none", NULL},
	{"workers.uid_base", CONF_INT, "64800", 1000, 2000000000, 0,
	 "Started by root, a worker runs as user postern-SERVICE, or, where there is no such user, "
	 "as this number plus the service's",
	 NULL},
	{"dns.server", CONF_ADDRS, NULL, 0, 1, 0,
	 "Every question to DNS goes to this server; unset: from the root servers down", NULL},
	{"dns.anchors", CONF_STRING, "", 0, 4000, 0,
	 "File with trust anchors of DNSSEC, DS or DNSKEY records; empty: the system's for the "
	 "root; none: nothing is validated",
	 NULL},
	{"sts.port", CONF_INT, "443", 1, 65535, 0,
	 "Port at which domains' MTA-STS policies are fetched; another one is for tests", NULL},
	{"log.level", CONF_WORD, "info", 0, 0, CONF_LIVE, "Least level that is logged",
	 "debug info warn error"},
};

/* Whom to ask for names cannot be a name. */
static enum err check_dns(const struct conf *c, struct diag *d)
{
	struct conf_addr a;
	struct ipaddr addr;

	if (conf_count(c, "dns.server") == 0)
		return E_OK;
	a = conf_addr(c, "dns.server", 0);
	return ipaddr_parse(slice_str(a.host), &addr)
		       ? E_OK
		       : diag_set(d, E_INVALID, "dns.server: %s is not an address", a.host);
}

enum err fe_conf_load(const char *path, const char *const *sets, size_t nsets, struct conf **out,
		      struct diag *d)
{
	struct conf *c = conf_new(table, ARRAY_LEN(table));
	enum err e = conf_load(c, path, d);

	for (size_t i = 0; e == E_OK && i < nsets; i++)
		e = conf_set(c, slice_str(sets[i]), d);
	if (e == E_OK)
		e = conf_check(c, d);
	if (e == E_OK && conf_count(c, "backends") == 0 && conf_count(c, "rpc.listen") == 0)
		e = diag_set(d, E_INVALID, "%s: neither backends nor rpc.listen is set", path);
	if (e == E_OK)
		e = check_dns(c, d);
	if (e != E_OK) {
		conf_free(&c);
		return e;
	}
	*out = c;
	return E_OK;
}
