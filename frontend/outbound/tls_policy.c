#include "frontend/outbound/tls_policy.h"

#include <stdio.h>

#include "common/base/codec.h"
#include "common/log/metric.h"
#include "frontend/dns/resolver.h"

#define NAMES_MAX 4 /* reference names of one host: RFC 7672 section 3.2.2 has three */

#define HELP "What a connection to another host had to have, by where that comes from"
METRIC_COUNTER(m_chance, "outbound_tls_policy_total", HELP, {"basis", "opportunistic"});
METRIC_COUNTER(m_admin, "outbound_tls_policy_total", HELP, {"basis", "admin"});
METRIC_COUNTER(m_dane, "outbound_tls_policy_total", HELP, {"basis", "dane"});
METRIC_COUNTER(m_sts, "outbound_tls_policy_total", HELP, {"basis", "sts"});
METRIC_COUNTER(m_message, "outbound_tls_policy_total", HELP, {"basis", "requiretls"});
METRIC_COUNTER(m_barred, "outbound_tls_barred_total", "Hosts that were left out by TLS policy");

static const struct tls_sts_source *sts;

void tls_policy_sts(const struct tls_sts_source *source)
{
	sts = source;
}

const char *tls_basis_name(enum tls_basis b)
{
	switch (b) {
	case TLS_BY_CHANCE:
		return "opportunistic";
	case TLS_BY_ADMIN:
		return "admin";
	case TLS_BY_DANE:
		return "dane";
	case TLS_BY_STS:
		return "sts";
	case TLS_BY_MESSAGE:
		return "requiretls";
	}
	return "unknown";
}

static struct metric *basis_metric(enum tls_basis b)
{
	switch (b) {
	case TLS_BY_CHANCE:
		return &m_chance;
	case TLS_BY_ADMIN:
		return &m_admin;
	case TLS_BY_DANE:
		return &m_dane;
	case TLS_BY_STS:
		return &m_sts;
	case TLS_BY_MESSAGE:
		break;
	}
	return &m_message;
}

/* ---- plans ---- */

static void bar(struct tls_plan *p, enum smtp_verdict v, const char *status, const char *words)
{
	p->barred = true;
	smtp_result_own(&p->why, SMTP_AT_TLS, v, status, "%s", words);
}

static void demand(struct tls_plan *p, enum tls_basis basis, enum smtp_tls_demand d)
{
	p->basis = basis;
	p->demand = d;
}

/* A certificate of a public authority for the host's own name. */
static void demand_name(struct tls_plan *p, enum tls_basis basis, const struct tls_ask *a)
{
	const char **names = arena_alloc(a->mem, sizeof *names);

	names[0] = a->host->name;
	demand(p, basis, SMTP_TLS_VERIFY);
	p->check.names = names;
	p->check.nnames = 1;
}

/* ---- DANE ---- */

enum dane { DANE_NONE, DANE_USABLE, DANE_UNUSABLE, DANE_UNKNOWN };

struct dane_answer {
	enum dane kind;
	const char *base; /* the TLSA base domain (RFC 7672 section 2.2.3) */
	const struct dns_tlsa *list;
	size_t n;
};

/* RFC 6698 section 2.1, as far as RFC 7672 section 3.1 goes along; the certificate or the key in
 * a record that has it whole is OpenSSL's to judge. */
static bool is_usable(const struct dns_tlsa *r)
{
	static const size_t lengths[] = {0, 32, 64}; /* of SHA-256, of SHA-512 */

	if ((r->usage != 2 && r->usage != 3) || r->selector > 1 || r->matching > 2)
		return false;
	return r->matching == 0 ? r->data.n != 0 : r->data.n == lengths[r->matching];
}

/* Records at one base domain. What is not secure is as if it were not there; what cannot be known
 * is not (RFC 7672 section 2.1.1). */
WAITS static enum err ask_tlsa(const struct tls_ask *a, const char *base, struct dane_answer *out)
{
	char name[DNS_NAME_MAX + sizeof "_65535._tcp."];
	struct dns_tlsa_answer t;
	enum err e;

	*out = (struct dane_answer){.kind = DANE_NONE, .base = base};
	(void)snprintf(name, sizeof name, "_%u._tcp.%s", (unsigned)a->host->port, base);
	e = dns_tlsa(slice_str(name), a->mem, a->deadline_ms, &t);
	if (e == E_INVALID) /* too long to be a name at all */
		return E_OK;
	if (e != E_OK)
		return e;
	switch (t.a.status) {
	case DNS_NXDOMAIN:
	case DNS_NODATA:
		return E_OK;
	case DNS_TEMPFAIL:
	case DNS_BOGUS:
	case DNS_UNUSABLE:
		out->kind = DANE_UNKNOWN;
		return E_OK;
	case DNS_OK:
		break;
	}
	if (!t.a.secure)
		return E_OK;
	out->kind = DANE_UNUSABLE;
	out->list = t.list;
	out->n = t.n;
	for (size_t i = 0; i < t.n; i++) {
		if (is_usable(&t.list[i]))
			out->kind = DANE_USABLE;
	}
	return E_OK;
}

/* An address that is not secure at the end of a CNAME that is: the alias's own zone may have the
 * records (RFC 7672 section 2.2.2). */
WAITS static enum err ask_alias(const struct tls_ask *a, struct dane_answer *out)
{
	struct dns_answer alias;
	enum err e;

	if (a->host->expanded == NULL)
		return E_OK;
	e = dns_cname(slice_str(a->host->name), a->mem, a->deadline_ms, &alias);
	if (e != E_OK)
		return e == E_INVALID ? E_OK : e;
	if (alias.status == DNS_TEMPFAIL || alias.status == DNS_BOGUS) {
		out->kind = DANE_UNKNOWN;
		return E_OK;
	}
	if (alias.status != DNS_OK || !alias.secure)
		return E_OK;
	return ask_tlsa(a, a->host->name, out);
}

WAITS static enum err ask_dane(const struct tls_ask *a, struct dane_answer *out)
{
	const struct host *h = a->host;
	enum err e;

	*out = (struct dane_answer){.kind = DANE_NONE};
	/* Whoever may say which host it is may say his own (section 2.2.1). */
	if (h->source == HOST_LITERAL || (h->source == HOST_MX && !a->hosts->mx_secure))
		return E_OK;
	if (!h->secure)
		return ask_alias(a, out);
	if (h->expanded != NULL) {
		e = ask_tlsa(a, h->expanded, out);
		if (e != E_OK || out->kind != DANE_NONE)
			return e;
	}
	return ask_tlsa(a, h->name, out);
}

/* The records as text, a line each (RFC 8460 section 4.4): as many as may be told. */
static slice_t records_text(const struct dane_answer *d, struct arena *mem)
{
	struct buf b;
	slice_t out;

	buf_init(&b, TLS_TOLD_POLICY_MAX, NULL);
	for (size_t i = 0; i < d->n; i++) {
		const struct dns_tlsa *r = &d->list[i];

		if (b.n + 2 * r->data.n + sizeof "\n255 255 255 " > TLS_TOLD_POLICY_MAX)
			break;
		buf_printf(&b, "%s%u %u %u ", b.n != 0 ? "\n" : "", r->usage, r->selector,
			   r->matching);
		hex_encode(&b, r->data);
	}
	out = arena_dup(mem, buf_slice(&b));
	buf_fini(&b);
	return out;
}

static void tell_dane(struct tls_plan *p, const struct tls_ask *a, const struct dane_answer *d)
{
	p->told = (struct tls_told){.type = TLS_POLICY_TLSA, .policy = records_text(d, a->mem)};
	switch (d->kind) {
	case DANE_NONE:
		p->told.type = TLS_POLICY_NONE;
		break;
	case DANE_USABLE:
		break;
	case DANE_UNUSABLE:
		p->told.result = TLS_RESULT_TLSA_INVALID;
		break;
	case DANE_UNKNOWN:
		p->told.result = TLS_RESULT_DNSSEC_INVALID;
		break;
	}
}

static void add_name(const char **names, size_t *n, const char *name)
{
	for (size_t i = 0; i < *n; i++) {
		if (slice_ieq(slice_str(names[i]), slice_str(name)))
			return;
	}
	names[(*n)++] = name;
}

/* RFC 7672 section 3.2.2: for usage 2, which looks at names, the base domain and those of the
 * next hop, too, since they are proven. */
static void demand_dane(struct tls_plan *p, const struct tls_ask *a, const struct dane_answer *d)
{
	const char **names = arena_alloc(a->mem, NAMES_MAX * sizeof *names);
	struct tls_tlsa *records = arena_alloc(a->mem, d->n * sizeof *records);
	size_t n = 0;

	for (size_t i = 0; i < d->n; i++)
		records[i] = (struct tls_tlsa){d->list[i].usage, d->list[i].selector,
					       d->list[i].matching, d->list[i].data};
	add_name(names, &n, d->base);
	add_name(names, &n, a->host->source == HOST_MX ? a->hosts->domain : a->host->name);
	if (a->host->source == HOST_MX && a->hosts->domain_expanded != NULL)
		add_name(names, &n, a->hosts->domain_expanded);
	demand(p, TLS_BY_DANE, SMTP_TLS_DANE);
	p->sni = d->base;
	p->check.names = names;
	p->check.nnames = n;
	p->check.records = records;
	p->check.nrecords = d->n;
}

/* ---- what nobody has set: DANE, MTA-STS, what the message asks for ---- */

/* What the site says is told in place of DNS's nothing, or of records that nobody can use. In
 * testing a host is looked at as if it were enforced, and told of, no more (RFC 8461 section 5). */
static void tell_sts(const struct tls_ask *a, struct tls_plan *p)
{
	const char **names = arena_alloc(a->mem, sizeof *names);
	struct tls_told told = {.type = TLS_POLICY_NONE};
	bool tests = false;

	if (sts != NULL && sts->tell != NULL)
		sts->tell(slice_str(a->hosts->domain), a->host->name, a->mem, &told, &tests);
	if (told.type == TLS_POLICY_NONE)
		return;
	p->told = told;
	if (!tests || p->demand != SMTP_TLS_MAY)
		return;
	names[0] = a->host->name;
	p->check.names = names;
	p->check.nnames = 1;
	p->check.advisory = true;
}

/* DANE wins (RFC 8461 section 2); records that nobody can use demand secrecy alone (RFC 7672
 * section 2.2), which a policy of the site may raise. */
WAITS static enum err plan_sts(const struct tls_ask *a, struct tls_plan *p)
{
	enum host_source s = a->host->source;
	enum tls_sts says = TLS_STS_NONE;
	enum err e = E_OK;

	if (s != HOST_MX && s != HOST_DOMAIN)
		return E_OK;
	if (sts != NULL)
		e = sts->ask(slice_str(a->hosts->domain), a->host->name, a->deadline_ms, &says);
	if (e != E_OK)
		return e;
	tell_sts(a, p);
	if (says == TLS_STS_MATCH) {
		demand_name(p, TLS_BY_STS, a);
	} else if (says == TLS_STS_UNKNOWN) {
		p->basis = TLS_BY_STS;
		bar(p, SMTP_LATER, "4.7.5", "Whether an MTA-STS policy is in force is not known");
	} else if (says == TLS_STS_MISMATCH) {
		p->basis = TLS_BY_STS;
		bar(p, SMTP_LATER, "4.7.5", "The domain's MTA-STS policy does not have this host");
	}
	return E_OK;
}

/* RFC 8689 section 4.2.1: a host whose name is proven, and who proves that he is it. */
static void plan_required(const struct tls_ask *a, struct tls_plan *p)
{
	if (p->barred || p->demand == SMTP_TLS_DANE || p->demand == SMTP_TLS_VERIFY)
		return;
	p->basis = TLS_BY_MESSAGE;
	p->told.type = TLS_POLICY_UNTOLD;
	if (a->host->source == HOST_LITERAL)
		bar(p, SMTP_REFUSED, "5.7.30", "REQUIRETLS: an address has no name to verify");
	else if (a->host->source == HOST_MX && !a->hosts->mx_secure)
		bar(p, SMTP_REFUSED, "5.7.30",
		    "REQUIRETLS: neither DNSSEC nor MTA-STS proves the host's name");
	else
		demand_name(p, TLS_BY_MESSAGE, a);
}

WAITS static enum err plan_auto(const struct tls_ask *a, struct tls_plan *p)
{
	struct dane_answer d;
	enum err e;

	if (a->wish == TLS_WISH_INDIFFERENT)
		return E_OK;
	e = ask_dane(a, &d);
	if (e != E_OK)
		return e;
	tell_dane(p, a, &d);
	if (d.kind == DANE_UNKNOWN) {
		p->basis = TLS_BY_DANE;
		bar(p, SMTP_LATER, "4.7.5", "The host's TLSA records cannot be had");
		return E_OK;
	}
	if (d.kind == DANE_USABLE) {
		demand_dane(p, a, &d);
		return E_OK;
	}
	if (d.kind == DANE_UNUSABLE)
		demand(p, TLS_BY_DANE, SMTP_TLS_ENCRYPT);
	e = plan_sts(a, p);
	if (e == E_OK && a->wish == TLS_WISH_REQUIRED)
		plan_required(a, p);
	return e;
}

/* ---- what somebody has set ---- */

WAITS static enum err plan_dane_only(const struct tls_ask *a, struct tls_plan *p)
{
	struct dane_answer d;
	enum err e = ask_dane(a, &d);

	if (e != E_OK)
		return e;
	tell_dane(p, a, &d);
	if (d.kind == DANE_NONE)
		p->told.result = TLS_RESULT_DANE_REQUIRED;
	if (d.kind == DANE_USABLE)
		demand_dane(p, a, &d);
	else
		bar(p, SMTP_LATER, "4.7.5",
		    d.kind == DANE_UNKNOWN ? "The host's TLSA records cannot be had"
					   : "DANE is demanded, and the host has no usable record");
	p->basis = TLS_BY_ADMIN;
	return E_OK;
}

/* The names that were set; or else the destination's own and those below it, since whoever forges
 * DNS names the MX as he likes; the MX's where DNSSEC proves it. */
static void plan_verify(const struct tls_ask *a, struct tls_plan *p)
{
	const char **names;
	size_t n = 0;

	demand(p, TLS_BY_ADMIN, SMTP_TLS_VERIFY);
	if (a->policy->nnames != 0) {
		p->check.names = a->policy->names;
		p->check.nnames = a->policy->nnames;
		return;
	}
	names = arena_alloc(a->mem, NAMES_MAX * sizeof *names);
	if (a->host->source != HOST_MX || a->hosts->mx_secure)
		add_name(names, &n, a->host->name);
	if (a->host->source == HOST_MX) {
		size_t size = strlen(a->hosts->domain) + 2;
		char *below = arena_alloc(a->mem, size);

		(void)snprintf(below, size, ".%s", a->hosts->domain);
		add_name(names, &n, a->hosts->domain);
		add_name(names, &n, below);
	}
	p->check.names = names;
	p->check.nnames = n;
}

static void plan_pinned(const struct tls_ask *a, struct tls_plan *p)
{
	demand(p, TLS_BY_ADMIN, SMTP_TLS_PINNED);
	p->check.pins = a->policy->pins;
	p->check.npins = a->policy->npins;
	if (a->policy->npins == 0)
		bar(p, SMTP_LATER, "4.7.5", "A fingerprint is demanded, and none is set");
}

WAITS static enum err plan_any(const struct tls_ask *a, struct tls_plan *p)
{
	enum outbound_tls_level level = a->policy->level;
	bool weak = level == OUTBOUND_TLS_NONE || level == OUTBOUND_TLS_MAY ||
		    level == OUTBOUND_TLS_ENCRYPT;

	/* Nobody of ours may promise less than the message asks for. */
	if (weak && a->wish == TLS_WISH_REQUIRED)
		level = OUTBOUND_TLS_DANE;
	switch (level) {
	case OUTBOUND_TLS_DANE:
		return plan_auto(a, p);
	case OUTBOUND_TLS_NONE:
		demand(p, TLS_BY_ADMIN, SMTP_TLS_NONE);
		break;
	case OUTBOUND_TLS_MAY:
		demand(p, TLS_BY_ADMIN, SMTP_TLS_MAY);
		break;
	case OUTBOUND_TLS_ENCRYPT:
		demand(p, TLS_BY_ADMIN, SMTP_TLS_ENCRYPT);
		break;
	case OUTBOUND_TLS_VERIFY:
		plan_verify(a, p);
		break;
	case OUTBOUND_TLS_DANE_ONLY:
		return plan_dane_only(a, p);
	case OUTBOUND_TLS_PINNED:
		plan_pinned(a, p);
		break;
	}
	return E_OK;
}

WAITS enum err tls_policy_plan(const struct tls_ask *a, struct tls_plan *out)
{
	enum err e;

	*out = (struct tls_plan){.basis = TLS_BY_CHANCE, .demand = SMTP_TLS_MAY};
	if (a->host->source != HOST_LITERAL)
		out->sni = a->host->name;
	e = plan_any(a, out);
	if (e != E_OK)
		return e;
	if (a->host->source != HOST_MX && a->host->source != HOST_DOMAIN)
		out->told.type = TLS_POLICY_UNTOLD;
	metric_add(basis_metric(out->basis), 1);
	if (out->barred)
		metric_add(&m_barred, 1);
	return E_OK;
}
