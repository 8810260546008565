#include "frontend/dns/resolver.h"

#include <stdio.h>

#include "common/base/num.h"
#include "common/crypto/random.h"
#include "frontend/dns/ask_priv.h"

#define CLASS_IN       1
#define REVERSE_TEXT   80 /* 32 nibbles with dots and "ip6.arpa" */
#define TLSA_FIXED     3
#define SRV_FIXED      6
#define UNUSABLE_NAMES "names that are not host names"

const char *dns_status_name(enum dns_status s)
{
	switch (s) {
	case DNS_OK:
		return "ok";
	case DNS_NXDOMAIN:
		return "nxdomain";
	case DNS_NODATA:
		return "nodata";
	case DNS_TEMPFAIL:
		return "tempfail";
	case DNS_BOGUS:
		return "bogus";
	case DNS_UNUSABLE:
		return "unusable";
	}
	return "unknown";
}

/* ---- reading an answer ---- */

/* Walks the answer section: along the CNAMEs to the records that were asked for. They come in
 * that order, the library has seen to it. */
struct reading {
	struct dnsmsg m;
	uint16_t type;
	struct dnsname at; /* where the CNAMEs have led so far */
	unsigned cnames;
	bool broken;   /* bytes that are no message */
	bool odd;      /* a CNAME to a name that is no host name, or too many of them */
	unsigned seen; /* records of the type */
	unsigned used;
	struct dns_answer *a;
};

static bool same_name(const struct dnsname *a, const struct dnsname *b)
{
	return a->kind == DNSNAME_HOST && b->kind == DNSNAME_HOST &&
	       slice_eq(slice(a->text, a->n), slice(b->text, b->n));
}

static void use_ttl(struct reading *r, uint32_t ttl)
{
	r->a->ttl = r->used++ == 0 && r->cnames == 0 ? ttl : MIN(r->a->ttl, ttl);
}

static void follow(struct reading *r, const struct dnsrr *rr)
{
	struct dnsname to;

	if (!dnsrr_name(&r->m, rr, 0, &to)) {
		r->broken = true;
	} else if (to.kind != DNSNAME_HOST || r->cnames == DNS_CNAMES_MAX) {
		r->odd = true;
	} else {
		r->a->ttl = r->cnames++ == 0 ? rr->ttl : MIN(r->a->ttl, rr->ttl);
		r->at = to;
	}
}

/* The next record of the type; false: the last one was. */
static bool next_record(struct reading *r, struct dnsrr *rr)
{
	while (!r->broken && !r->odd) {
		enum parse_rc rc = dnsmsg_next(&r->m, rr);

		if (rc != P_OK) {
			r->broken = rc == P_BAD;
			break;
		}
		if (rr->class != CLASS_IN || !same_name(&rr->owner, &r->at))
			continue;
		if (rr->type == r->type) {
			r->seen++;
			return true;
		}
		if (rr->type == DNS_TYPE_CNAME)
			follow(r, rr);
	}
	return false;
}

/* False: there is nothing to read, and the answer says why. */
static bool begin(struct reading *r, const struct ask *ask, struct dns_answer *a)
{
	*r = (struct reading){.type = ask->type, .at = ask->name, .a = a};
	*a = (struct dns_answer){.status = ask->status, .secure = ask->secure, .why = ask->why};
	if (a->status != DNS_OK) {
		a->secure = false;
		return false;
	}
	if (!dnsmsg_open(buf_slice(&ask->packet), &r->m)) {
		r->broken = true;
		return false;
	}
	if (r->m.truncated)
		a->cut = true;
	return r->m.rcode == DNS_RCODE_OK || r->m.rcode == DNS_RCODE_NXDOMAIN;
}

static void fail(struct dns_answer *a, enum dns_status status, const char *why)
{
	a->status = status;
	a->secure = false;
	a->ttl = 0;
	a->why = why;
}

/* After the last record: what the answer comes to. */
static void end(struct reading *r, const struct ask *ask, struct arena *mem)
{
	struct dns_answer *a = r->a;

	if (ask->status != DNS_OK)
		return;
	if (r->broken)
		fail(a, DNS_TEMPFAIL, "the answer is malformed");
	else if (r->odd)
		fail(a, DNS_UNUSABLE, "an alias that leads nowhere");
	else if (r->m.rcode != DNS_RCODE_OK && r->m.rcode != DNS_RCODE_NXDOMAIN)
		fail(a, DNS_TEMPFAIL, "the server failed");
	else if (r->seen != 0)
		a->status = DNS_OK;
	else
		a->status = r->m.rcode == DNS_RCODE_OK ? DNS_NODATA : DNS_NXDOMAIN;
	if (r->cnames != 0 && a->status != DNS_TEMPFAIL && a->status != DNS_UNUSABLE)
		a->canonical = arena_dup(mem, slice(r->at.text, r->at.n));
	if (a->status != DNS_OK)
		a->ttl = 0;
	else if (r->used == 0)
		fail(a, DNS_UNUSABLE, UNUSABLE_NAMES);
}

/* Asks and waits; *ask_out is NULL but for E_OK. */
WAITS static enum err ask_one(slice_t name, uint16_t type, int64_t deadline_ms,
			      struct ask **ask_out)
{
	struct dnsname n;
	struct ask *a;
	enum err e;

	*ask_out = NULL;
	if (!dnsname_parse(name, &n))
		return E_INVALID;
	a = ask_start(&n, type);
	e = ask_wait(a, deadline_ms);
	if (e == E_OK)
		*ask_out = a;
	else
		ask_leave(&a);
	return e;
}

/* ---- MX ---- */

/* Into its place among those of lower or the same preference; beyond the limit the worst falls
 * out. */
static void keep_mx(struct dns_mx_answer *out, uint16_t preference, slice_t host)
{
	size_t i = out->n;

	if (out->n == DNS_MX_MAX) {
		out->a.cut = true;
		if (out->list[--i].preference <= preference)
			return;
	} else {
		out->n++;
	}
	for (; i > 0 && out->list[i - 1].preference > preference; i--)
		out->list[i] = out->list[i - 1];
	out->list[i] = (struct dns_mx){preference, host};
}

/* RFC 5321 section 5.1: equal preferences are to be chosen among at random. */
static void shuffle_equals(struct dns_mx *list, size_t n)
{
	for (size_t first = 0, end; first < n; first = end) {
		for (end = first + 1; end < n && list[end].preference == list[first].preference;)
			end++;
		for (size_t i = end - 1; i > first; i--) {
			size_t k = first + random_below((uint32_t)(i - first + 1));
			struct dns_mx swap = list[i];

			list[i] = list[k];
			list[k] = swap;
		}
	}
}

static void read_mx(const struct ask *ask, struct arena *mem, struct dns_mx_answer *out)
{
	struct reading r;
	struct dnsrr rr;
	struct dnsname host;

	*out = (struct dns_mx_answer){.list = arena_alloc(mem, DNS_MX_MAX * sizeof *out->list)};
	if (begin(&r, ask, &out->a)) {
		while (next_record(&r, &rr)) {
			if (!dnsrr_name(&r.m, &rr, 2, &host)) {
				r.broken = true;
			} else if (host.kind == DNSNAME_ROOT) {
				out->null_mx = true;
				use_ttl(&r, rr.ttl);
			} else if (host.kind == DNSNAME_HOST) {
				use_ttl(&r, rr.ttl);
				keep_mx(out, be16_get(rr.data.p),
					arena_dup(mem, slice(host.text, host.n)));
			}
		}
	}
	end(&r, ask, mem);
	if (out->a.status != DNS_OK) {
		out->n = 0;
		out->null_mx = false;
	}
	/* RFC 7505 section 3: beside others it means nothing. */
	if (r.seen != 1)
		out->null_mx = false;
	if (out->a.status == DNS_OK && out->n == 0 && !out->null_mx)
		fail(&out->a, DNS_UNUSABLE, UNUSABLE_NAMES);
	shuffle_equals(out->list, out->n);
}

WAITS enum err dns_mx(slice_t name, struct arena *mem, int64_t deadline_ms,
		      struct dns_mx_answer *out)
{
	struct ask *ask;
	enum err e = ask_one(name, DNS_TYPE_MX, deadline_ms, &ask);

	if (e == E_OK) {
		read_mx(ask, mem, out);
		ask_leave(&ask);
	}
	return e;
}

/* ---- addresses ---- */

static void read_addrs(const struct ask *ask, struct arena *mem, struct dns_addrs_answer *out,
		       struct dns_answer *a)
{
	size_t bytes = ask->type == DNS_TYPE_A ? 4 : 16, first = out->n;
	struct reading r;
	struct dnsrr rr;

	if (begin(&r, ask, a)) {
		while (next_record(&r, &rr)) {
			if (rr.data.n != bytes) {
				r.broken = true;
			} else if (out->n - first == DNS_ADDRS_MAX) {
				a->cut = true;
			} else {
				struct ipaddr *to = &out->list[out->n++];

				use_ttl(&r, rr.ttl);
				to->family = ask->type == DNS_TYPE_A ? 4 : 6;
				memcpy(to->b, rr.data.p, bytes);
			}
		}
	}
	end(&r, ask, mem);
	if (a->status != DNS_OK)
		out->n = first;
}

/* Which of two answers without addresses says more. */
static const struct dns_answer *graver(const struct dns_answer *a, const struct dns_answer *b)
{
	static const int weight[] = {
		[DNS_OK] = 0,       [DNS_NXDOMAIN] = 1, [DNS_NODATA] = 2,
		[DNS_UNUSABLE] = 3, [DNS_TEMPFAIL] = 4, [DNS_BOGUS] = 5,
	};

	return weight[b->status] > weight[a->status] ? b : a;
}

static void join_families(struct dns_addrs_answer *out)
{
	const struct dns_answer *v4 = &out->v4, *v6 = &out->v6;

	if (v4->status == DNS_OK && v6->status == DNS_OK) {
		out->a = *v4;
		out->a.secure = v4->secure && v6->secure;
		out->a.cut = v4->cut || v6->cut;
		out->a.ttl = MIN(v4->ttl, v6->ttl);
	} else if (v4->status == DNS_OK || v6->status == DNS_OK) {
		out->a = v4->status == DNS_OK ? *v4 : *v6;
	} else {
		out->a = *graver(v4, v6);
		out->a.secure = v4->secure && v6->secure;
	}
}

WAITS enum err dns_addrs(slice_t name, struct arena *mem, int64_t deadline_ms,
			 struct dns_addrs_answer *out)
{
	struct dnsname n;
	struct ask *v4, *v6;
	enum err e;

	if (!dnsname_parse(name, &n))
		return E_INVALID;
	v4 = ask_start(&n, DNS_TYPE_A);
	v6 = ask_start(&n, DNS_TYPE_AAAA);
	e = ask_wait(v4, deadline_ms);
	if (e == E_OK)
		e = ask_wait(v6, deadline_ms);
	if (e == E_OK) {
		*out = (struct dns_addrs_answer){
			.list = arena_alloc(mem, 2 * DNS_ADDRS_MAX * sizeof *out->list)};
		read_addrs(v4, mem, out, &out->v4);
		read_addrs(v6, mem, out, &out->v6);
		join_families(out);
	}
	ask_leave(&v4);
	ask_leave(&v6);
	return e;
}

/* ---- TXT ---- */

/* RFC 1035 section 3.3.14: strings of a length byte and so many bytes. False: they do not fill the
 * record. */
static bool join_strings(slice_t data, char *to, size_t *n_out)
{
	size_t n = 0;

	while (data.n != 0) {
		size_t one = (unsigned char)data.p[0];

		if (data.n - 1 < one)
			return false;
		if (one != 0)
			memcpy(to + n, data.p + 1, one);
		n += one;
		data = slice_from(data, one + 1);
	}
	*n_out = n;
	return true;
}

static void read_txt(const struct ask *ask, struct arena *mem, struct dns_txt_answer *out)
{
	char *text = arena_alloc(mem, DNS_TXT_BYTES_MAX);
	size_t used = 0, n;
	struct reading r;
	struct dnsrr rr;

	*out = (struct dns_txt_answer){.list = arena_alloc(mem, DNS_TXT_MAX * sizeof *out->list)};
	if (begin(&r, ask, &out->a)) {
		while (next_record(&r, &rr)) {
			use_ttl(&r, rr.ttl);
			if (out->n == DNS_TXT_MAX || rr.data.n > DNS_TXT_BYTES_MAX - used) {
				out->a.cut = true;
			} else if (!join_strings(rr.data, text + used, &n)) {
				r.broken = true;
			} else {
				out->list[out->n++] = slice(text + used, n);
				used += n;
			}
		}
	}
	end(&r, ask, mem);
	if (out->a.status != DNS_OK)
		out->n = 0;
}

WAITS enum err dns_txt(slice_t name, struct arena *mem, int64_t deadline_ms,
		       struct dns_txt_answer *out)
{
	struct ask *ask;
	enum err e = ask_one(name, DNS_TYPE_TXT, deadline_ms, &ask);

	if (e == E_OK) {
		read_txt(ask, mem, out);
		ask_leave(&ask);
	}
	return e;
}

/* ---- TLSA ---- */

static void read_tlsa(const struct ask *ask, struct arena *mem, struct dns_tlsa_answer *out)
{
	struct reading r;
	struct dnsrr rr;

	*out = (struct dns_tlsa_answer){.list = arena_alloc(mem, DNS_TLSA_MAX * sizeof *out->list)};
	if (begin(&r, ask, &out->a)) {
		while (next_record(&r, &rr)) {
			use_ttl(&r, rr.ttl);
			if (rr.data.n < TLSA_FIXED) {
				r.broken = true;
			} else if (out->n == DNS_TLSA_MAX || rr.data.n > DNS_TLSA_DATA_MAX) {
				out->a.cut = true;
			} else {
				out->list[out->n++] = (struct dns_tlsa){
					.usage = (uint8_t)rr.data.p[0],
					.selector = (uint8_t)rr.data.p[1],
					.matching = (uint8_t)rr.data.p[2],
					.data = arena_dup(mem, slice_from(rr.data, TLSA_FIXED)),
				};
			}
		}
	}
	end(&r, ask, mem);
	if (out->a.status != DNS_OK)
		out->n = 0;
}

WAITS enum err dns_tlsa(slice_t name, struct arena *mem, int64_t deadline_ms,
			struct dns_tlsa_answer *out)
{
	struct ask *ask;
	enum err e = ask_one(name, DNS_TYPE_TLSA, deadline_ms, &ask);

	if (e == E_OK) {
		read_tlsa(ask, mem, out);
		ask_leave(&ask);
	}
	return e;
}

/* ---- CNAME ---- */

static void read_cname(const struct ask *ask, struct arena *mem, struct dns_answer *out)
{
	struct reading r;
	struct dnsrr rr;
	struct dnsname to;

	if (begin(&r, ask, out) && next_record(&r, &rr)) {
		use_ttl(&r, rr.ttl);
		if (!dnsrr_name(&r.m, &rr, 0, &to))
			r.broken = true;
		else if (to.kind != DNSNAME_HOST)
			r.odd = true;
		else
			out->canonical = arena_dup(mem, slice(to.text, to.n));
	}
	end(&r, ask, mem);
}

WAITS enum err dns_cname(slice_t name, struct arena *mem, int64_t deadline_ms,
			 struct dns_answer *out)
{
	struct ask *ask;
	enum err e = ask_one(name, DNS_TYPE_CNAME, deadline_ms, &ask);

	if (e == E_OK) {
		read_cname(ask, mem, out);
		ask_leave(&ask);
	}
	return e;
}

/* ---- PTR ---- */

/* RFC 1035 section 3.5, RFC 3596 section 2.5. */
static void reverse_name(const struct ipaddr *addr, char *out, size_t size)
{
	static const char digits[] = "0123456789abcdef";

	if (addr->family == 4) {
		snprintf(out, size, "%u.%u.%u.%u.in-addr.arpa", addr->b[3], addr->b[2], addr->b[1],
			 addr->b[0]);
		return;
	}
	for (size_t i = 0; i < 16; i++) {
		unsigned b = addr->b[15 - i];

		out[4 * i] = digits[b & 15];
		out[4 * i + 1] = '.';
		out[4 * i + 2] = digits[b >> 4];
		out[4 * i + 3] = '.';
	}
	snprintf(out + 64, size - 64, "ip6.arpa");
}

static void read_ptr(const struct ask *ask, struct arena *mem, struct dns_ptr_answer *out)
{
	struct reading r;
	struct dnsrr rr;
	struct dnsname host;

	*out = (struct dns_ptr_answer){.list = arena_alloc(mem, DNS_PTR_MAX * sizeof *out->list)};
	if (begin(&r, ask, &out->a)) {
		while (next_record(&r, &rr)) {
			if (!dnsrr_name(&r.m, &rr, 0, &host)) {
				r.broken = true;
			} else if (out->n == DNS_PTR_MAX) {
				out->a.cut = true;
			} else if (host.kind == DNSNAME_HOST) {
				use_ttl(&r, rr.ttl);
				out->list[out->n++] = arena_dup(mem, slice(host.text, host.n));
			}
		}
	}
	end(&r, ask, mem);
	if (out->a.status != DNS_OK)
		out->n = 0;
}

WAITS enum err dns_ptr(const struct ipaddr *addr, struct arena *mem, int64_t deadline_ms,
		       struct dns_ptr_answer *out)
{
	char name[REVERSE_TEXT];
	struct ask *ask;
	enum err e;

	if (addr->family != 4 && addr->family != 6)
		return E_INVALID;
	reverse_name(addr, name, sizeof name);
	e = ask_one(slice_str(name), DNS_TYPE_PTR, deadline_ms, &ask);
	if (e == E_OK) {
		read_ptr(ask, mem, out);
		ask_leave(&ask);
	}
	return e;
}

/* ---- SRV ---- */

static void read_srv(const struct ask *ask, struct arena *mem, struct dns_srv_answer *out)
{
	struct reading r;
	struct dnsrr rr;
	struct dnsname host;

	*out = (struct dns_srv_answer){.list = arena_alloc(mem, DNS_SRV_MAX * sizeof *out->list)};
	if (begin(&r, ask, &out->a)) {
		while (next_record(&r, &rr)) {
			if (!dnsrr_name(&r.m, &rr, SRV_FIXED, &host)) {
				r.broken = true;
			} else if (out->n == DNS_SRV_MAX) {
				out->a.cut = true;
			} else if (host.kind != DNSNAME_ODD) {
				use_ttl(&r, rr.ttl);
				out->list[out->n++] = (struct dns_srv){
					.priority = be16_get(rr.data.p),
					.weight = be16_get(rr.data.p + 2),
					.port = be16_get(rr.data.p + 4),
					.host = arena_dup(mem, slice(host.text, host.n)),
				};
			}
		}
	}
	end(&r, ask, mem);
	if (out->a.status != DNS_OK)
		out->n = 0;
}

WAITS enum err dns_srv(slice_t name, struct arena *mem, int64_t deadline_ms,
		       struct dns_srv_answer *out)
{
	struct ask *ask;
	enum err e = ask_one(name, DNS_TYPE_SRV, deadline_ms, &ask);

	if (e == E_OK) {
		read_srv(ask, mem, out);
		ask_leave(&ask);
	}
	return e;
}
