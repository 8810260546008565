/* The names of an address, confirmed (the "iprev" of RFC 8601 section 3). */
#include "frontend/dns/resolver.h"

static bool leads_back(const struct dns_addrs_answer *a, const struct ipaddr *addr)
{
	for (size_t i = 0; i < a->n; i++) {
		if (ipaddr_eq(&a->list[i], addr))
			return true;
	}
	return false;
}

/* A failure that may pass counts as long as no name is found. */
static void note_failure(const struct dns_answer *a, struct dns_names_answer *out)
{
	if (a->status != DNS_TEMPFAIL && a->status != DNS_BOGUS)
		return;
	out->status = DNS_TEMPFAIL;
	out->why = a->why;
}

WAITS enum err dns_names(const struct ipaddr *addr, struct arena *mem, int64_t deadline_ms,
			 struct dns_names_answer *out)
{
	struct dns_ptr_answer ptr;
	enum err e = dns_ptr(addr, mem, deadline_ms, &ptr);

	*out = (struct dns_names_answer){.status = DNS_NXDOMAIN};
	if (e != E_OK)
		return e;
	note_failure(&ptr.a, out);
	out->list = arena_alloc(mem, DNS_PTR_MAX * sizeof *out->list);
	for (size_t i = 0; i < ptr.n; i++) {
		struct dns_addrs_answer a;

		e = dns_addrs(ptr.list[i], mem, deadline_ms, &a);
		if (e == E_CANCELLED)
			return e;
		if (e == E_OK && leads_back(&a, addr))
			out->list[out->n++] = ptr.list[i];
		else if (e == E_OK)
			note_failure(addr->family == 4 ? &a.v4 : &a.v6, out);
	}
	if (out->n != 0)
		out->status = DNS_OK;
	return E_OK;
}
