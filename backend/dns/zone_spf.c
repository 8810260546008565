/* SPF (RFC 7208), as far as a domain's own record can be judged by looking at it. */
#include "backend/dns/zone_priv.h"

/* What one look at the terms has found. */
struct spf {
	bool mx;       /* the domain's MX hosts may send */
	bool open_end; /* an include, a host's name, a redirect: others decide */
	bool all_pass; /* all the world may */
	const struct ipaddr *addrs;
	size_t naddrs;
	uint64_t *covered; /* bits of addrs */
};

/* "name:value" or "name/prefix" */
static slice_t after_colon(slice_t term)
{
	return slice_from(term, slice_find_char(term, ':') + 1);
}

static bool is_term(slice_t term, const char *name)
{
	slice_t n = slice_str(name);

	return slice_istarts(term, n) && (term.n == n.n || strchr(":/=", term.p[n.n]) != NULL);
}

static void cover_net(struct spf *s, slice_t text)
{
	struct ipnet net;

	if (!ipnet_parse(text, &net))
		return;
	for (size_t i = 0; i < s->naddrs; i++) {
		if (ipnet_has(&net, &s->addrs[i]))
			s->covered[i / 64] |= UINT64_C(1) << (i % 64);
	}
}

static void read_term(struct spf *s, slice_t term)
{
	bool passes = true;

	if (slice_find_char(SL("+-~?"), term.p[0]) < 4) {
		passes = term.p[0] == '+';
		term = slice_from(term, 1);
	}
	if (is_term(term, "all")) {
		s->all_pass = s->all_pass || passes;
		return;
	}
	if (!passes)
		return;
	if (slice_ieq(term, SL("mx")))
		s->mx = true;
	else if (is_term(term, "ip4") || is_term(term, "ip6"))
		cover_net(s, after_colon(term));
	else if (is_term(term, "a") || is_term(term, "mx") || is_term(term, "include") ||
		 is_term(term, "redirect") || is_term(term, "exists") || is_term(term, "ptr"))
		s->open_end = true;
}

static bool all_covered(const struct spf *s)
{
	for (size_t i = 0; i < s->naddrs; i++) {
		if ((s->covered[i / 64] >> (i % 64) & 1) == 0)
			return false;
	}
	return true;
}

const char *zone_spf_fault(const struct ask_answer *a, const struct ipaddr *addrs, size_t naddrs,
			   size_t *found_out)
{
	uint64_t covered[ZONE_HOSTS_MAX * ZONE_ADDRS_MAX / 64] = {0};
	struct spf s = {.addrs = addrs, .naddrs = naddrs, .covered = covered};
	slice_t record = SLICE_NONE, rest, word;

	*found_out = zone_pick(a, "v=spf1", &record);
	if (*found_out == 0)
		return "";
	if (*found_out > 1)
		return "there are several: receivers take none (RFC 7208 section 4.5)";
	rest = record;
	while (zone_word(&rest, &word))
		read_term(&s, word);
	if (s.all_pass)
		return "it lets all the world send";
	if (!s.mx && !s.open_end && !all_covered(&s))
		return "it does not let our hosts send";
	return NULL;
}
