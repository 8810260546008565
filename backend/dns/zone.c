#include "backend/dns/zone.h"

#include <stdarg.h>
#include <stdio.h>

#include "backend/dns/autoconfig.h"
#include "backend/dns/dkim_text.h"
#include "backend/dns/sts_own.h"
#include "backend/dns/zone_priv.h"
#include "common/base/clock.h"
#include "common/base/codec.h"
#include "common/parse/cclass.h"

#define TEXT_BYTES      8192 /* of one value */
#define FOREIGN_MAX     8    /* MX hosts that are not ours which are told */
#define SUBMISSION_PORT 587  /* with STARTTLS */
#define PREFERENCE      10   /* of the MX that are proposed: all alike share the mail */
#define ROWS_OF_ALL     16   /* SPF, DMARC, TLS-RPT, MTA-STS, no key, three SRV, autoconfig */
#define ROWS_OF_HOST    (3 + ZONE_ADDRS_MAX) /* MX, addresses, TLSA, and a PTR for each address */

static const char silent[] = "the name servers do not answer";

/* ---- rows ---- */

struct zone_row *zone_row(struct zone_look *l, const char *type, enum zone_need need, slice_t name,
			  slice_t value)
{
	struct zone_row *r = &l->out->rows[l->out->n];

	invariant(l->out->n < l->max);
	l->out->n++;
	*r = (struct zone_row){
		.verdict = ZONE_OK,
		.need = need,
		.type = type,
		.name = arena_dup(l->mem, name),
		.value = arena_dup(l->mem, value),
	};
	return r;
}

slice_t zone_text(struct zone_look *l, const char *fmt, ...)
{
	struct buf b;
	va_list ap;
	slice_t s;

	buf_init(&b, TEXT_BYTES, NULL);
	va_start(ap, fmt);
	buf_vprintf(&b, fmt, ap);
	va_end(ap);
	s = arena_dup(l->mem, buf_slice(&b));
	buf_fini(&b);
	return s;
}

slice_t zone_name(struct zone_look *l, const char *prefix, slice_t domain)
{
	return zone_text(l, "%s%.*s", prefix, (int)domain.n, domain.p);
}

void zone_note(struct zone_row *r, enum zone_verdict verdict, const char *note)
{
	r->verdict = verdict;
	r->note = slice_str(note);
}

slice_t zone_join(struct zone_look *l, const struct ask_answer *a)
{
	struct buf b;
	slice_t s;

	buf_init(&b, ASKING_BYTES_MAX + 4 * ASKING_RECORDS_MAX, NULL);
	for (size_t i = 0; i < a->n; i++) {
		if (i > 0)
			buf_puts(&b, " | ");
		buf_put(&b, a->records[i]);
	}
	s = arena_dup(l->mem, buf_slice(&b));
	buf_fini(&b);
	return s;
}

WAITS bool zone_ask(struct zone_look *l, struct zone_row *r, slice_t name, enum ask_type type,
		    struct ask_answer *a)
{
	enum err e = E_RETRY;

	*a = (struct ask_answer){.outcome = ASK_FAILED};
	if (l->away.text[0] == '\0' && clock_mono_ms() >= l->w->deadline_ms)
		diag_set(&l->away, E_RETRY, "there was no time left to ask");
	if (l->away.text[0] == '\0')
		e = l->w->ask(l->w->arg, name, type, l->w->deadline_ms, l->mem, a, &l->away);
	if (e != E_OK && l->away.text[0] == '\0')
		diag_set(&l->away, e, "%s", err_name(e));
	if (e != E_OK) {
		r->verdict = ZONE_UNKNOWN;
		r->note = arena_dup(l->mem, slice_str(l->away.text));
		return false;
	}
	if (a->outcome != ASK_FAILED)
		l->answered = true;
	else if (!l->answered && ++l->silent == ZONE_SILENT_MAX)
		diag_set(&l->away, E_RETRY, "%s", silent);
	switch (a->outcome) {
	case ASK_OK:
		r->found = zone_join(l, a);
		return true;
	case ASK_ABSENT:
		zone_note(r, ZONE_MISSING, "");
		return false;
	case ASK_FAILED:
		zone_note(r, ZONE_UNKNOWN, silent);
		return false;
	case ASK_BOGUS:
		zone_note(r, ZONE_DIFFERS, "its DNSSEC signatures are wrong");
		return false;
	case ASK_UNUSABLE:
		zone_note(r, ZONE_DIFFERS, "it names no hosts");
		return false;
	}
	return false;
}

/* ---- MX ---- */

/* "10 mx.example.org" */
static slice_t host_of(slice_t record)
{
	return slice_trim(slice_from(record, slice_find_char(record, ' ')));
}

static bool has_host(const struct ask_answer *a, slice_t host)
{
	for (size_t i = 0; i < a->n; i++) {
		if (slice_ieq(host_of(a->records[i]), host))
			return true;
	}
	return false;
}

static bool is_ours(const struct zone_wants *w, slice_t host)
{
	for (size_t i = 0; i < w->nhosts; i++) {
		if (slice_ieq(w->hosts[i], host))
			return true;
	}
	return false;
}

/* Mail that others take is not here. */
static void foreign_hosts(struct zone_look *l, const struct ask_answer *a)
{
	size_t told = 0;

	for (size_t i = 0; i < a->n && told < FOREIGN_MAX; i++) {
		struct zone_row *r;

		if (is_ours(l->w, host_of(a->records[i])))
			continue;
		r = zone_row(l, "MX", ZONE_REQUIRED, l->w->domain, SLICE_NONE);
		r->found = a->records[i];
		zone_note(r, ZONE_DIFFERS,
			  slice_eq(a->records[i], SL("0 ."))
				  ? "it says that the domain takes no mail"
				  : "not one of our hosts (dns.mx_hosts)");
		told++;
	}
}

WAITS static void check_mx(struct zone_look *l)
{
	const struct zone_wants *w = l->w;
	struct ask_answer a = {.outcome = ASK_FAILED};
	struct zone_row first = {0};
	bool asked = false;

	for (size_t i = 0; i < w->nhosts; i++) {
		struct zone_row *r = zone_row(
			l, "MX", ZONE_REQUIRED, w->domain,
			zone_text(l, "%d %.*s", PREFERENCE, (int)w->hosts[i].n, w->hosts[i].p));

		if (!asked) {
			zone_ask(l, r, w->domain, ASK_MX, &a);
			first = *r;
			asked = true;
		}
		r->verdict = first.verdict;
		r->found = first.found;
		r->note = first.note;
		if (a.outcome == ASK_OK && !has_host(&a, w->hosts[i]))
			zone_note(r, ZONE_DIFFERS, "this host is not among them");
	}
	foreign_hosts(l, &a);
}

/* ---- hosts ---- */

static bool has_addr(const struct ask_answer *a, const struct ipaddr *addr)
{
	for (size_t i = 0; i < a->n; i++) {
		struct ipaddr one;

		if (ipaddr_parse(a->records[i], &one) && ipaddr_eq(&one, addr))
			return true;
	}
	return false;
}

WAITS static void check_ptr(struct zone_look *l, slice_t host, const struct ipaddr *addr)
{
	char text[IPADDR_STR];
	struct zone_row *r =
		zone_row(l, "PTR", ZONE_REQUIRED, slice_str(ipaddr_str(addr, text)), host);
	struct ask_answer names, back;
	slice_t found;

	if (!zone_ask(l, r, slice_str(text), ASK_PTR, &names))
		return;
	found = r->found;
	for (size_t i = 0; i < names.n; i++) {
		r->verdict = ZONE_OK;
		if (zone_ask(l, r, names.records[i], ASK_ADDRESS, &back) && has_addr(&back, addr)) {
			zone_note(r, ZONE_OK, "");
			break;
		}
		if (r->verdict == ZONE_UNKNOWN)
			break;
		zone_note(r, ZONE_DIFFERS, "the name does not lead back to the address");
	}
	r->found = found;
}

WAITS static void check_host(struct zone_look *l, slice_t host)
{
	struct zone_row *r = zone_row(l, "A", ZONE_REQUIRED, host, SLICE_NONE);
	struct ask_answer a;

	if (!zone_ask(l, r, host, ASK_ADDRESS, &a)) {
		if (r->verdict == ZONE_MISSING)
			zone_note(r, ZONE_MISSING, "the public address of a front-end");
		return;
	}
	/* RFC 2181 section 10.3. */
	if (a.canonical.n != 0)
		zone_note(r, ZONE_DIFFERS, "a host that takes mail may not be an alias (CNAME)");
	for (size_t i = 0; i < a.n && i < ZONE_ADDRS_MAX; i++) {
		struct ipaddr addr;

		if (!ipaddr_parse(a.records[i], &addr))
			continue;
		l->addrs[l->naddrs++] = addr;
		check_ptr(l, host, &addr);
	}
}

/* "3 1 1" and the digits of a front-end's key. */
static slice_t tlsa_of(struct zone_look *l, size_t i)
{
	struct buf b;
	slice_t s;

	buf_init(&b, 6 + 2 * SHA256_LEN, NULL);
	buf_puts(&b, "3 1 1 ");
	hex_encode(&b, slice(l->w->tls_keys[i], SHA256_LEN));
	s = arena_dup(l->mem, buf_slice(&b));
	buf_fini(&b);
	return s;
}

/* Is one of the records about a key that a front-end presents? Other forms than "3 1 1" need more
 * than the key to be judged: nothing is said against them. */
static bool tlsa_fits(struct zone_look *l, const struct ask_answer *a)
{
	for (size_t i = 0; i < a->n; i++) {
		if (!slice_starts(a->records[i], SL("3 1 1 ")))
			return true;
		for (size_t k = 0; k < l->w->ntls_keys; k++) {
			if (slice_ieq(a->records[i], tlsa_of(l, k)))
				return true;
		}
	}
	return l->w->ntls_keys == 0;
}

WAITS static void check_tlsa(struct zone_look *l, slice_t host)
{
	slice_t name = zone_name(l, "_25._tcp.", host);
	bool known = l->w->ntls_keys == 1; /* of several nobody knows which is this host's */
	struct zone_row *r = zone_row(
		l, "TLSA", ZONE_OPTIONAL, name,
		known ? tlsa_of(l, 0) : SL("3 1 1 (SHA-256 of the certificate's public key)"));
	struct ask_answer a;

	if (!zone_ask(l, r, name, ASK_TLSA, &a)) {
		if (r->verdict == ZONE_MISSING)
			zone_note(r, ZONE_MISSING,
				  "in a zone with DNSSEC: openssl x509 -in CERT -noout -pubkey | "
				  "openssl pkey -pubin -outform DER | sha256sum");
	} else if (!tlsa_fits(l, &a)) {
		zone_note(r, ZONE_DIFFERS,
			  "no front-end presents a certificate with this key: senders with DANE "
			  "would not deliver");
	} else if (!a.secure) {
		zone_note(r, ZONE_DIFFERS, "not signed by DNSSEC: senders do not look at it");
	}
}

/* ---- TXT ---- */

bool zone_word(slice_t *rest, slice_t *word)
{
	*rest = slice_trim(*rest);
	if (rest->n == 0)
		return false;
	*word = slice_sub(*rest, 0, slice_find_char(*rest, ' '));
	*rest = slice_from(*rest, word->n);
	return true;
}

size_t zone_pick(const struct ask_answer *a, const char *version, const char *ends,
		 slice_t *first_out)
{
	slice_t v = slice_str(version);
	size_t n = 0;

	for (size_t i = 0; i < a->n; i++) {
		slice_t s = a->records[i];

		if (!slice_istarts(s, v) ||
		    (s.n > v.n && (s.p[v.n] == '\0' || strchr(ends, s.p[v.n]) == NULL)))
			continue;
		if (n++ == 0)
			*first_out = s;
	}
	return n;
}

/* What a record's faults say is its row's. */
static void note_faults(struct zone_look *l, struct zone_row *r, const struct zone_faults *f)
{
	if (f->n == 0)
		return;
	zone_note(r, ZONE_DIFFERS, "");
	r->note = arena_dup(l->mem, buf_slice(&f->text));
}

WAITS static void check_spf(struct zone_look *l)
{
	struct zone_row *r = zone_row(l, "TXT", ZONE_REQUIRED, l->w->domain, SL("v=spf1 mx -all"));
	slice_t record = SLICE_NONE;
	struct zone_faults f;
	struct ask_answer a;

	if (!zone_ask(l, r, l->w->domain, ASK_TXT, &a))
		return;
	r->found = zone_pick(&a, "v=spf1", " ", &record) > 0 ? record : SLICE_NONE;
	zone_faults_init(&f);
	if (zone_spf_faults(&a, l->addrs, l->naddrs, &f) == 0)
		zone_note(r, ZONE_MISSING, "");
	note_faults(l, r, &f);
	zone_faults_fini(&f);
}

/* How a record begins. */
enum version {
	VERSION_NOT,
	VERSION_LIKE, /* as those that nobody takes for one do, but who wrote it */
	VERSION_IS,
};

/* "v=DMARC1;" with spaces around = and before ;, which only DMARC allows. */
static enum version version_of(slice_t record, const char *word)
{
	size_t is = slice_find_char(record, '=');
	slice_t w = slice_str(word), rest = slice_trim(slice_from(record, is + 1)), end;

	if (!slice_ieq(slice_trim(slice_sub(record, 0, is)), SL("v")) || !slice_istarts(rest, w))
		return VERSION_NOT;
	end = slice_from(rest, w.n);
	if (end.n > 0 && cclass(end.p[0], CC_LETDIG))
		return VERSION_NOT;
	end = slice_trim(end);
	return slice_starts(rest, w) && (end.n == 0 || end.p[0] == ';') ? VERSION_IS : VERSION_LIKE;
}

/* Those that are of the version; where none is, those that are like it. */
static size_t pick_policy(const struct ask_answer *a, const char *word, slice_t *first_out)
{
	size_t n[VERSION_IS + 1] = {0};
	slice_t first[VERSION_IS + 1];

	for (size_t i = 0; i < a->n; i++) {
		enum version v = version_of(a->records[i], word);

		if (n[v]++ == 0)
			first[v] = a->records[i];
	}
	for (enum version v = VERSION_IS; v > VERSION_NOT; v--) {
		if (n[v] != 0) {
			*first_out = first[v];
			return n[v];
		}
	}
	return 0;
}

/* One record of a name that begins with its version. */
WAITS static void check_policy(struct zone_look *l, const char *prefix, enum zone_need need,
			       const char *version, slice_t value,
			       void (*faults)(slice_t record, struct zone_faults *f))
{
	slice_t name = zone_name(l, prefix, l->w->domain), record = SLICE_NONE;
	struct zone_row *r = zone_row(l, "TXT", need, name, value);
	struct zone_faults f;
	struct ask_answer a;
	size_t n;

	if (!zone_ask(l, r, name, ASK_TXT, &a))
		return;
	n = pick_policy(&a, version, &record);
	zone_faults_init(&f);
	if (n == 1)
		faults(record, &f);
	else
		zone_fault(&f, SLICE_NONE,
			   n == 0 ? "what is there is something else" : "there are several");
	note_faults(l, r, &f);
	zone_faults_fini(&f);
}

/* An address in a mailto: of such a record, where some characters are not themselves (RFC 3986
 * section 2.1). */
static slice_t mailto(struct zone_look *l, slice_t address)
{
	struct buf b;
	slice_t s;

	buf_init(&b, TEXT_BYTES, NULL);
	for (size_t i = 0; i < address.n; i++) {
		unsigned char c = (unsigned char)address.p[i];

		if (cclass(address.p[i], CC_LETDIG) || (c != '\0' && strchr("@.-_+", c) != NULL))
			buf_putc(&b, address.p[i]);
		else
			buf_printf(&b, "%%%02X", c);
	}
	s = arena_dup(l->mem, buf_slice(&b));
	buf_fini(&b);
	return s;
}

static slice_t tlsrpt_record(struct zone_look *l)
{
	const struct zone_wants *w = l->w;
	slice_t to = w->reports.n != 0 ? w->reports : zone_name(l, "postmaster@", w->domain);

	to = mailto(l, to);
	return zone_text(l, "v=TLSRPTv1; rua=mailto:%.*s", (int)to.n, to.p);
}

/* ---- MTA-STS ---- */

/* A host of the domain that front-ends serve; it may be an alias. */
WAITS static void check_site(struct zone_look *l, const char *prefix, enum zone_need need,
			     const char *missing)
{
	slice_t name = zone_name(l, prefix, l->w->domain);
	struct zone_row *r = zone_row(l, "A", need, name, SLICE_NONE);
	struct ask_answer a;

	if (!zone_ask(l, r, name, ASK_ADDRESS, &a) && r->verdict == ZONE_MISSING)
		zone_note(r, ZONE_MISSING, missing);
}

/* The record that tells of the policy, and the site that serves it. */
WAITS static void check_sts(struct zone_look *l)
{
	slice_t name = zone_name(l, "_mta-sts.", l->w->domain), record = SLICE_NONE;
	slice_t id = l->w->sts_id;
	struct zone_row *r = zone_row(l, "TXT", ZONE_REQUIRED, name,
				      zone_text(l, "v=STSv1; id=%.*s;", (int)id.n, id.p));
	struct ask_answer a;
	const char *why;
	size_t n;

	if (zone_ask(l, r, name, ASK_TXT, &a)) {
		n = zone_pick(&a, "v=STSv1", " ;", &record);
		why = n == 1   ? sts_own_fault(record, id)
		      : n == 0 ? "what is there is something else"
			       : "there are several";
		if (why != NULL)
			zone_note(r, ZONE_DIFFERS, why);
	}
	check_site(l, "mta-sts.", ZONE_REQUIRED,
		   "the public address of a front-end with listen.https");
}

/* ---- DKIM ---- */

WAITS static void check_key(struct zone_look *l, const struct dir_dkim_row *key)
{
	enum zone_need need = key->state == DIR_DKIM_ACTIVE ? ZONE_REQUIRED : ZONE_OPTIONAL;
	struct ask_answer a;
	struct zone_row *r;
	struct buf name, value;
	const char *why = NULL;

	buf_init(&name, TEXT_BYTES, NULL);
	buf_init(&value, TEXT_BYTES, NULL);
	dkim_text_name(key, &name);
	dkim_text_record(key, &value);
	r = zone_row(l, "TXT", need, buf_slice(&name), buf_slice(&value));
	buf_fini(&name);
	buf_fini(&value);
	if (zone_ask(l, r, r->name, ASK_TXT, &a) && dkim_text_judge(key, &a, &why) != DKIM_THERE)
		zone_note(r, ZONE_DIFFERS, why);
	else if (r->verdict == ZONE_MISSING && key->state != DIR_DKIM_RETIRED &&
		 key->state != DIR_DKIM_ACTIVE)
		zone_note(r, ZONE_MISSING, "the key signs once its record is there");
}

WAITS static void check_keys(struct zone_look *l)
{
	size_t active = 0;

	for (size_t i = 0; i < l->w->nkeys; i++) {
		active += l->w->keys[i].state == DIR_DKIM_ACTIVE;
		check_key(l, &l->w->keys[i]);
	}
	if (active == 0)
		zone_note(zone_row(l, "TXT", ZONE_REQUIRED,
				   zone_name(l, "_domainkey.", l->w->domain), SLICE_NONE),
			  ZONE_MISSING, "no key signs this domain's mail: postern dkim add");
}

/* ---- clients ---- */

WAITS static void check_service(struct zone_look *l, const char *prefix, unsigned port)
{
	slice_t name = zone_name(l, prefix, l->w->domain), host = l->w->hosts[0];
	struct zone_row *r = zone_row(l, "SRV", ZONE_OPTIONAL, name,
				      zone_text(l, "0 1 %u %.*s", port, (int)host.n, host.p));
	struct ask_answer a;

	if (!zone_ask(l, r, name, ASK_SRV, &a))
		return;
	/* Which host clients are to use is the site's choice; the port is ours. */
	for (size_t i = 0; i < a.n; i++) {
		slice_t rest = a.records[i], word = SLICE_NONE;
		char want[8];

		snprintf(want, sizeof want, "%u", port);
		for (int k = 0; k < 3 && zone_word(&rest, &word); k++)
			;
		if (slice_eq(word, slice_str(want)))
			return;
	}
	zone_note(r, ZONE_DIFFERS, "no record has this service's port");
}

/* ---- all ---- */

WAITS enum err zone_check(const struct zone_wants *w, struct arena *mem, struct zone_rows *out)
{
	struct zone_look *l = xcalloc(1, sizeof *l);

	invariant(w->nhosts >= 1 && w->nhosts <= ZONE_HOSTS_MAX);
	l->w = w;
	l->mem = mem;
	l->out = out;
	l->max = ROWS_OF_ALL + FOREIGN_MAX + w->nhosts * ROWS_OF_HOST + w->nkeys;
	*out = (struct zone_rows){.rows = arena_alloc(mem, l->max * sizeof *out->rows)};
	check_mx(l);
	for (size_t i = 0; i < w->nhosts; i++)
		check_host(l, w->hosts[i]);
	for (size_t i = 0; i < w->nhosts; i++)
		check_tlsa(l, w->hosts[i]);
	if (w->kind != DIR_DOMAIN_REMOTE) {
		check_spf(l);
		check_keys(l);
		check_policy(l, "_dmarc.", ZONE_REQUIRED, "DMARC1",
			     zone_text(l, "v=DMARC1; p=none; rua=mailto:postmaster@%.*s",
				       (int)w->domain.n, w->domain.p),
			     zone_dmarc_faults);
	}
	check_policy(l, "_smtp._tls.", ZONE_OPTIONAL, "TLSRPTv1", tlsrpt_record(l),
		     zone_tlsrpt_faults);
	if (w->sts_id.n != 0)
		check_sts(l);
	if (w->kind != DIR_DOMAIN_REMOTE) {
		check_service(l, "_imaps._tcp.", CLIENT_IMAPS_PORT);
		check_service(l, "_submissions._tcp.", CLIENT_SUBMISSIONS_PORT);
		check_service(l, "_submission._tcp.", SUBMISSION_PORT);
		check_site(l, "autoconfig.", ZONE_OPTIONAL,
			   "the public address of a front-end with listen.https, where programs of "
			   "mail find what they set themselves up by");
	}
	xfree(&l);
	return fiber_cancelled() ? E_CANCELLED : E_OK;
}
