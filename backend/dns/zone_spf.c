/*
 * SPF (RFC 7208), as far as a domain's own record can be judged by looking at it: is every term one
 * by the grammar of section 12, is any of them in vain, and does the record let the domain's hosts
 * send, or everybody? Terms are read in their order, as receivers do: the first that an address
 * fits decides. Whether it fits a name of others nobody here knows; after a term that lets such a
 * name's hosts send nothing is said against what follows.
 */
#include "backend/dns/zone_priv.h"
#include "common/base/num.h"
#include "common/parse/cclass.h"

#define LOOKUPS_MAX 10 /* section 4.6.4 */

/* What one look at the terms has found. */
struct spf {
	struct zone_faults *f;
	bool syntax;        /* of any term: receivers take none */
	bool others;        /* a name that may decide for addresses that are undecided yet */
	bool all, all_pass; /* there is one; all the world may send */
	slice_t redirect;   /* the term */
	unsigned lookups, redirects, exps;
	bool refused; /* one of ours */
	const struct ipaddr *addrs;
	size_t naddrs;
	uint64_t *decided; /* bits of addrs */
};

static void broken(struct spf *s, slice_t term, const char *what)
{
	s->syntax = true;
	zone_fault(s->f, term, what);
}

/* ---- domain-spec (section 7.1) ---- */

static bool is_digit(char c)
{
	return cclass(c, CC_DIGIT);
}

/* "%{d2r.}", "%%", "%_", "%-" at the beginning of s: how long it is; 0: it is none. */
static size_t macro_len(slice_t s)
{
	size_t at = 3, digits = 0;

	if (s.n >= 2 && slice_find_char(SL("%_-"), s.p[1]) < 3)
		return 2;
	if (s.n < 4 || s.p[1] != '{' || slice_find_char(SL("slodiphvSLODIPHV"), s.p[2]) >= 16)
		return 0;
	for (bool zero = true; at < s.n && is_digit(s.p[at]); at++, digits++) {
		zero = zero && s.p[at] == '0';
		if (zero && (at + 1 >= s.n || !is_digit(s.p[at + 1])))
			return 0; /* nought of its parts */
	}
	at += at < s.n && ascii_lower(s.p[at]) == 'r';
	while (at < s.n && slice_find_char(SL(".-+,/_="), s.p[at]) < 7)
		at++;
	return at < s.n && s.p[at] == '}' ? at + 1 : 0;
}

/* *last_out: where what follows its last macro begins. */
static bool is_macro_string(slice_t s, size_t *last_out)
{
	size_t at = 0;

	*last_out = 0;
	while (at < s.n) {
		size_t n = s.p[at] == '%' ? macro_len(slice_from(s, at)) : 1;

		if (n == 0 || s.p[at] < '!' || s.p[at] > '~')
			return false;
		at += n;
		if (n > 1)
			*last_out = at;
	}
	return true;
}

/* A top label is no number. */
static bool is_top_label(slice_t s)
{
	bool number = true;

	for (size_t i = 0; i < s.n; i++) {
		if (!cclass(s.p[i], CC_LETDIG) && s.p[i] != '-')
			return false;
		number = number && is_digit(s.p[i]);
	}
	return s.n > 0 && !number && s.p[0] != '-' && s.p[s.n - 1] != '-';
}

static bool is_domain_spec(slice_t s)
{
	size_t last, dot;

	if (!is_macro_string(s, &last) || s.n == 0)
		return false;
	if (last == s.n)
		return true;
	if (s.p[s.n - 1] == '.')
		s.n--;
	for (dot = s.n; dot > last && s.p[dot - 1] != '.'; dot--)
		;
	return dot > last && is_top_label(slice_from(s, dot));
}

/* ---- mechanisms ---- */

/* "24" of "/24", without a nought before it. */
static bool is_prefix(slice_t s, uint64_t max, uint64_t *out)
{
	return s.n > 0 && (s.p[0] != '0' || s.n == 1) && num_parse(s, max, out);
}

/* Takes "/24", "//64" or "/24//64" off the end. False: what is there is none of them. *zero_out: it
 * means every address. */
static bool take_prefixes(slice_t *s, bool *zero_out)
{
	size_t six = slice_find(*s, SL("//")), four;
	uint64_t bits;
	bool ok = true;

	*zero_out = false;
	if (six < s->n) {
		ok = is_prefix(slice_from(*s, six + 2), 128, &bits);
		*zero_out = ok && bits == 0;
		*s = slice_sub(*s, 0, six);
	}
	for (four = s->n; four > 0 && is_digit(s->p[four - 1]); four--)
		;
	/* A name may have a slash, before other things than digits alone. */
	if (four > 0 && s->p[four - 1] == '/') {
		ok = ok && is_prefix(slice_from(*s, four), 32, &bits);
		*zero_out = *zero_out || (ok && bits == 0);
		*s = slice_sub(*s, 0, four - 1);
	}
	return ok;
}

static void decide(struct spf *s, const struct ipnet *net, bool passes)
{
	for (size_t i = 0; i < s->naddrs; i++) {
		uint64_t bit = UINT64_C(1) << (i % 64);

		if ((s->decided[i / 64] & bit) != 0 ||
		    (net != NULL && !ipnet_has(net, &s->addrs[i])))
			continue;
		s->decided[i / 64] |= bit;
		s->refused = s->refused || (!passes && !s->others);
	}
}

/* What stands behind a mechanism's name, with the : or / before it. */
struct mechanism {
	slice_t term, rest;
	bool passes;
};

static void read_all(struct spf *s, const struct mechanism *m)
{
	if (m->rest.n != 0) {
		broken(s, m->term, "all has nothing behind it");
		return;
	}
	s->all = true;
	s->all_pass = s->all_pass || m->passes;
	decide(s, NULL, m->passes);
}

static void read_net(struct spf *s, const struct mechanism *m, char family)
{
	slice_t text = slice_from(m->rest, 1);
	size_t slash = slice_find_char(text, '/');
	struct ipaddr one;
	struct ipnet net;
	uint64_t bits = 1;

	if (m->rest.n == 0 || m->rest.p[0] != ':' ||
	    !ipaddr_parse(slice_sub(text, 0, slash), &one) || one.family != family) {
		broken(s, m->term,
		       family == 4 ? "no IPv4 address or net" : "no IPv6 address or net");
	} else if (slash < text.n &&
		   !is_prefix(slice_from(text, slash + 1), family == 4 ? 32 : 128, &bits)) {
		broken(s, m->term,
		       family == 4 ? "a net's length is a number from 0 to 32"
				   : "a net's length is a number from 0 to 128");
	} else if (bits == 0) {
		s->all_pass = s->all_pass || m->passes;
		decide(s, NULL, m->passes);
	} else if (ipnet_parse(text, &net)) {
		decide(s, &net, m->passes);
	}
}

static void read_ip4(struct spf *s, const struct mechanism *m)
{
	read_net(s, m, 4);
}

static void read_ip6(struct spf *s, const struct mechanism *m)
{
	read_net(s, m, 6);
}

/* "a", "mx", "mx:x.test", "mx/24", "mx:x.test/24//64". */
static bool read_hosts(struct spf *s, const struct mechanism *m, slice_t *name_out)
{
	slice_t rest = m->rest;
	bool zero;

	s->lookups++;
	if (!take_prefixes(&rest, &zero)) {
		broken(s, m->term, "a net's length is /0 to /32, //0 to //128 for IPv6");
		return false;
	}
	*name_out = slice_from(rest, 1);
	if (rest.n != 0 && (rest.p[0] != ':' || !is_domain_spec(*name_out))) {
		broken(s, m->term, "no domain behind its name");
		return false;
	}
	s->all_pass = s->all_pass || (zero && m->passes);
	return true;
}

static void read_a(struct spf *s, const struct mechanism *m)
{
	slice_t name;

	if (read_hosts(s, m, &name))
		s->others = s->others || m->passes;
}

static void read_mx(struct spf *s, const struct mechanism *m)
{
	slice_t name;

	if (!read_hosts(s, m, &name))
		return;
	if (name.n == 0)
		decide(s, NULL, m->passes);
	else
		s->others = s->others || m->passes;
}

static void read_named(struct spf *s, const struct mechanism *m)
{
	s->lookups++;
	if (m->rest.n == 0 || m->rest.p[0] != ':' || !is_domain_spec(slice_from(m->rest, 1)))
		broken(s, m->term, "no domain behind its name");
	else
		s->others = s->others || m->passes;
}

static void read_ptr(struct spf *s, const struct mechanism *m)
{
	if (m->rest.n != 0) {
		read_named(s, m);
		return;
	}
	s->lookups++;
	s->others = s->others || m->passes;
}

static const struct {
	const char *name;
	void (*read)(struct spf *s, const struct mechanism *m);
} mechanisms[] = {
	{"all", read_all}, {"ip4", read_ip4},       {"ip6", read_ip6},      {"a", read_a},
	{"mx", read_mx},   {"include", read_named}, {"exists", read_named}, {"ptr", read_ptr},
};

static void read_mechanism(struct spf *s, slice_t term)
{
	struct mechanism m = {.term = term, .rest = term, .passes = true};
	slice_t name;

	if (slice_find_char(SL("+-~?"), term.p[0]) < 4) {
		m.passes = term.p[0] == '+';
		m.rest = slice_from(term, 1);
	}
	name = slice_sub(m.rest, 0,
			 MIN(slice_find_char(m.rest, ':'), slice_find_char(m.rest, '/')));
	m.rest = slice_from(m.rest, name.n);
	for (size_t i = 0; i < ARRAY_LEN(mechanisms); i++) {
		if (!slice_ieq(name, slice_str(mechanisms[i].name)))
			continue;
		if (s->all)
			zone_fault(s->f, term, "nobody reads it, for it stands behind all");
		mechanisms[i].read(s, &m);
		return;
	}
	broken(s, term, "no mechanism of SPF");
}

/* ---- modifiers ---- */

/* The name of "name=...", empty: it is none. */
static slice_t modifier_name(slice_t term)
{
	size_t is = slice_find_char(term, '=');

	if (is >= term.n || !cclass(term.p[0], CC_ALPHA))
		return SLICE_NONE;
	for (size_t i = 0; i < is; i++) {
		if (!cclass(term.p[i], CC_LETDIG) && slice_find_char(SL("-_."), term.p[i]) >= 3)
			return SLICE_NONE;
	}
	return slice_sub(term, 0, is);
}

static void read_modifier(struct spf *s, slice_t term, slice_t name)
{
	slice_t value = slice_from(term, name.n + 1);
	bool redirect = slice_ieq(name, SL("redirect")), known;
	size_t unused;

	known = redirect || slice_ieq(name, SL("exp"));
	if (known ? !is_domain_spec(value) : !is_macro_string(value, &unused))
		broken(s, term, known ? "no domain behind its name" : "its macros are none");
	if (known && ++*(redirect ? &s->redirects : &s->exps) > 1)
		broken(s, term, "it is there twice");
	if (redirect)
		s->redirect = term;
}

/* ---- the record ---- */

static void read_terms(struct spf *s, slice_t rest)
{
	while (rest.n > 0) {
		size_t end = slice_find_char(rest, ' ');
		slice_t term = slice_sub(rest, 0, end), name;

		rest = slice_from(rest, end + 1);
		if (term.n == 0)
			continue;
		name = modifier_name(term);
		if (name.n != 0)
			read_modifier(s, term, name);
		else
			read_mechanism(s, term);
	}
}

/* Of the record as one. */
static void judge(struct spf *s)
{
	if (s->redirects != 0 && s->all) {
		zone_fault(s->f, s->redirect, "nobody follows it, for there is an all");
	} else if (s->redirects != 0) {
		s->lookups++;
		s->others = true;
	}
	if (s->lookups > LOOKUPS_MAX)
		broken(s, SLICE_NONE,
		       "more than 10 terms that ask DNS: receivers take it for broken (RFC 7208 "
		       "section 4.6.4)");
	if (s->all_pass)
		zone_fault(s->f, SLICE_NONE, "it lets all the world send");
	decide(s, NULL, false);
	if (!s->syntax && !s->all_pass && s->refused)
		zone_fault(s->f, SLICE_NONE, "it does not let our hosts send");
}

size_t zone_spf_faults(const struct ask_answer *a, const struct ipaddr *addrs, size_t naddrs,
		       struct zone_faults *f)
{
	uint64_t decided[ZONE_HOSTS_MAX * ZONE_ADDRS_MAX / 64] = {0};
	struct spf s = {.f = f, .addrs = addrs, .naddrs = naddrs, .decided = decided};
	slice_t record = SLICE_NONE;
	size_t n = zone_pick(a, "v=spf1", " ", &record);

	if (n > 1) {
		zone_fault(f, SLICE_NONE,
			   "there are several: receivers take none (RFC 7208 section 4.5)");
	} else if (n == 1) {
		read_terms(&s, slice_from(record, SL("v=spf1").n));
		judge(&s);
	}
	return n;
}
