#include "frontend/outbound/hosts.h"

#include "common/base/num.h"
#include "frontend/core/policy.h"
#include "frontend/dns/resolver.h"

static enum err refuse(struct hosts *h, enum smtp_verdict v, const char *status, const char *words,
		       slice_t name)
{
	smtp_result_own(&h->why, SMTP_AT_CONNECT, v, status, "%s: %.*s", words,
			(int)MIN(name.n, (size_t)DNS_NAME_MAX), name.p);
	return E_OK;
}

static void add(struct hosts *h, const struct host *one)
{
	if (h->n < HOSTS_MAX)
		h->list[h->n++] = *one;
}

static const char *expanded(const struct dns_answer *a, struct arena *mem)
{
	return a->canonical.n != 0 ? arena_str(mem, a->canonical) : NULL;
}

/* ---- names ---- */

/* What a failed look at a name means. */
static enum err no_answer(struct hosts *h, const struct dns_answer *a, slice_t name)
{
	switch (a->status) {
	case DNS_NXDOMAIN:
		return refuse(h, SMTP_REFUSED, "5.1.2", "There is no such domain", name);
	case DNS_NODATA:
	case DNS_UNUSABLE:
		return refuse(h, SMTP_REFUSED, "5.1.2", "The domain has no mail server", name);
	case DNS_BOGUS:
		return refuse(h, SMTP_LATER, "4.7.5", "DNSSEC validation failed", name);
	case DNS_TEMPFAIL:
		return refuse(h, SMTP_LATER, "4.4.3", "The domain name system does not answer",
			      name);
	case DNS_OK:
		break;
	}
	return refuse(h, SMTP_LATER, "4.4.3", "The mail server has no address", name);
}

/* All addresses of one host; *last_out: the answer, when there are none. */
WAITS static enum err add_addrs(struct hosts *h, slice_t name, enum host_source source,
				uint16_t port, struct arena *mem, int64_t deadline_ms,
				struct dns_answer *last_out)
{
	struct host one = {.name = arena_str(mem, name), .source = source, .port = port};
	struct dns_addrs_answer a;
	enum err e = dns_addrs(name, mem, deadline_ms, &a);

	if (e == E_INVALID)
		*last_out = (struct dns_answer){.status = DNS_UNUSABLE};
	if (e != E_OK)
		return e == E_INVALID ? E_OK : e;
	*last_out = a.a;
	one.secure = a.a.secure;
	one.expanded = expanded(&a.a, mem);
	for (size_t i = 0; i < a.n; i++) {
		one.addr = a.list[i];
		add(h, &one);
	}
	return E_OK;
}

/* Ourselves among the servers: we and what is no better than we are not asked (RFC 5321 section
 * 5.1); mail would come round. */
static size_t before_us(const struct dns_mx_answer *mx)
{
	for (size_t i = 0; i < mx->n; i++) {
		if (!slice_ieq(mx->list[i].host, slice_str(policy()->hostname)))
			continue;
		while (i != 0 && mx->list[i - 1].preference == mx->list[i].preference)
			i--;
		return i;
	}
	return mx->n;
}

WAITS static enum err find_mx(struct hosts *h, const struct dns_mx_answer *mx, slice_t domain,
			      uint16_t port, struct arena *mem, int64_t deadline_ms)
{
	size_t n = before_us(mx);
	struct dns_answer worst = {.status = DNS_NXDOMAIN};

	if (n == 0)
		return refuse(h, SMTP_REFUSED, "5.4.6",
			      "We are its mail server and do not know the domain", domain);
	for (size_t i = 0; i < n && h->n < HOSTS_MAX; i++) {
		struct dns_answer a;
		enum err e = add_addrs(h, mx->list[i].host, HOST_MX, port, mem, deadline_ms, &a);

		if (e != E_OK)
			return e;
		/* One that may have an address later is worth waiting for. */
		if (a.status == DNS_TEMPFAIL || a.status == DNS_BOGUS)
			worst = a;
	}
	if (h->n != 0)
		return E_OK;
	if (worst.status != DNS_NXDOMAIN)
		return no_answer(h, &worst, domain);
	return refuse(h, SMTP_REFUSED, "5.4.4", "None of its mail servers has an address", domain);
}

WAITS static enum err find_domain(struct hosts *h, slice_t domain, uint16_t port, struct arena *mem,
				  int64_t deadline_ms)
{
	struct dns_mx_answer mx;
	struct dns_answer a;
	enum err e = dns_mx(domain, mem, deadline_ms, &mx);

	if (e == E_INVALID)
		return refuse(h, SMTP_REFUSED, "5.1.2", "Not a domain name", domain);
	if (e != E_OK)
		return e;
	h->domain = arena_str(mem, domain);
	h->domain_expanded = expanded(&mx.a, mem);
	h->mx_secure = mx.a.secure;
	if (mx.null_mx)
		return refuse(h, SMTP_REFUSED, "5.1.10", "The domain takes no mail", domain);
	if (mx.a.status == DNS_OK)
		return find_mx(h, &mx, domain, port, mem, deadline_ms);
	if (mx.a.status != DNS_NODATA)
		return no_answer(h, &mx.a, domain);
	e = add_addrs(h, domain, HOST_DOMAIN, port, mem, deadline_ms, &a);
	if (e != E_OK || h->n != 0)
		return e;
	return no_answer(h, &a, domain);
}

/* ---- [literal], [host], with or without :port ---- */

static bool take_port(slice_t rest, uint16_t *port)
{
	uint64_t n;

	if (rest.n == 0)
		return true;
	if (rest.p[0] != ':' || !num_parse(slice_from(rest, 1), UINT16_MAX, &n) || n == 0)
		return false;
	*port = (uint16_t)n;
	return true;
}

WAITS static enum err find_bracketed(struct hosts *h, slice_t destination, uint16_t port,
				     struct arena *mem, int64_t deadline_ms)
{
	size_t end = slice_find_char(destination, ']');
	slice_t inner = slice_sub(destination, 1, end - 1);
	struct dns_answer a;
	struct ipaddr addr;
	enum err e;

	if (end == destination.n || !take_port(slice_from(destination, end + 1), &port))
		return refuse(h, SMTP_REFUSED, "5.1.2", "Not an address", destination);
	if (slice_istarts(inner, SL("IPv6:"))) /* RFC 5321 section 4.1.3 */
		inner = slice_from(inner, 5);
	if (ipaddr_parse(inner, &addr)) {
		add(h, &(struct host){.name = arena_str(mem, destination),
				      .addr = addr,
				      .port = port,
				      .source = HOST_LITERAL});
		return E_OK;
	}
	e = add_addrs(h, inner, HOST_NAMED, port, mem, deadline_ms, &a);
	return e != E_OK || h->n != 0 ? e : no_answer(h, &a, inner);
}

WAITS enum err hosts_find(slice_t destination, uint16_t port, struct arena *mem,
			  int64_t deadline_ms, struct hosts *out)
{
	size_t colon = slice_find_char(destination, ':');

	*out = (struct hosts){.n = 0};
	if (slice_starts(destination, SL("[")))
		return find_bracketed(out, destination, port, mem, deadline_ms);
	if (!take_port(slice_from(destination, colon), &port))
		return refuse(out, SMTP_REFUSED, "5.1.2", "Not an address", destination);
	return find_domain(out, slice_sub(destination, 0, colon), port, mem, deadline_ms);
}
