#include "common/conf/conf_priv.h"

#include <arpa/inet.h>

#include "common/base/utf8.h"
#include "common/parse/addr.h"
#include "common/parse/cclass.h"
#include "common/parse/idn.h"

/* ---- kinds of text ---- */

static bool is_text(slice_t s)
{
	for (size_t i = 0; i < s.n; i++) {
		if ((unsigned char)s.p[i] < ' ' || s.p[i] == 0x7f)
			return false;
	}
	return utf8_valid(s);
}

static bool is_ascii(slice_t s)
{
	return is_text(s) && utf8_is_ascii(s);
}

static bool is_word(slice_t s)
{
	return s.n != 0 && is_ascii(s) && slice_find_char(s, ' ') == s.n;
}

static bool is_of_family(slice_t s, int family)
{
	struct in6_addr a; /* room for both */
	char text[INET6_ADDRSTRLEN];

	/* An IPv4 address in IPv6's clothes is neither: nothing can be sent from it. */
	return slice_to_str(s, text, sizeof text) && inet_pton(family, text, &a) == 1 &&
	       !(family == AF_INET6 && IN6_IS_ADDR_V4MAPPED(&a));
}

static bool is_ip4(slice_t s)
{
	return is_of_family(s, AF_INET);
}

static bool is_ip6(slice_t s)
{
	return is_of_family(s, AF_INET6);
}

static bool is_ip(slice_t s)
{
	return is_ip4(s) || is_ip6(s);
}

/* As it will be said, so in ASCII: nobody brings it to another form on the way. */
static bool is_domain(slice_t s)
{
	char name[DOMAIN_MAX + 1];

	return utf8_is_ascii(s) && domain_normalise(s, name) == E_OK && !is_ip4(s);
}

static bool is_suffix(slice_t s)
{
	return is_domain(slice_from(s, slice_starts(s, SL(".")) ? 1 : 0));
}

static bool is_domains(slice_t s)
{
	bool ok = true;

	while (ok && s.n != 0) {
		size_t n = slice_find_char(s, ' ');

		ok = n == 0 || is_domain(slice_sub(s, 0, n));
		s = slice_from(s, n + 1);
	}
	return ok;
}

static bool is_address(slice_t s)
{
	struct addr a;

	return addr_parse(s, ADDR_SMTPUTF8, &a) == E_OK && (a.flags & ADDR_LITERAL) == 0 &&
	       addr_normalise(&a) == E_OK;
}

/* What may stand in a local part without quotes, and in no name by itself. */
static bool is_mark(slice_t s)
{
	return s.n == 1 && !cclass(s.p[0], CC_ALPHA | CC_DIGIT) &&
	       (cclass(s.p[0], CC_ATEXT) || s.p[0] == '.');
}

/* ---- the table ---- */

static const struct form {
	const char *name;
	bool (*fits)(slice_t s);
	const char *wanted;
} forms[] = {
	{"host", is_domain, "the name of a host, such as mail.example.org"},
	{"domain", is_domain, "a domain name, such as example.org"},
	{"suffix", is_suffix, "a domain name, or one after a dot: all below it"},
	{"domains", is_domains, "domain names with spaces between them"},
	{"address", is_address, "a mail address, such as postmaster@example.org"},
	{"ip", is_ip, "an IP address"},
	{"ip4", is_ip4, "an IPv4 address"},
	{"ip6", is_ip6, "an IPv6 address"},
	{"mark", is_mark, "one character that needs no quotes in an address, such as + or -"},
	{"text", is_text, "text without control characters"},
	{"ascii", is_ascii, "printable ASCII"},
	{"word", is_word, "printable ASCII without spaces"},
};

/* The row's form; *others_out: what is taken besides. */
static const struct form *form_of(const struct conf_def *def, slice_t *others_out)
{
	slice_t words = slice_str(def->words);
	size_t n = slice_find_char(words, ' ');

	*others_out = slice_from(words, n + 1);
	for (size_t i = 0; i < ARRAY_LEN(forms); i++) {
		if (slice_eq(slice_sub(words, 0, n), slice_str(forms[i].name)))
			return &forms[i];
	}
	return NULL;
}

bool conf_form_known(const struct conf_def *def)
{
	slice_t others;

	return def->words == NULL || form_of(def, &others) != NULL;
}

/* "wants a domain name, such as example.org", and what was found, where it can be shown. */
static enum err refuse(const struct conf_def *def, const struct form *f, slice_t others, slice_t s,
		       const char *where, struct diag *d)
{
	char name[DOMAIN_MAX + 1];
	struct buf b;

	if (f->fits == is_domain && !utf8_is_ascii(s) && domain_normalise(s, name) == E_OK)
		return diag_set(d, E_INVALID, "%s: %s: a name is written in ASCII: %s", where,
				def->name, name);
	buf_init(&b, CONF_VALUE_MAX, NULL);
	buf_puts(&b, f->wanted);
	if (others.n != 0)
		buf_printf(&b, "; or %.*s", (int)others.n, others.p);
	if (s.n != 0 && is_text(s))
		buf_printf(&b, ", not %.*s", (int)MIN(s.n, 80u), s.p);
	diag_set(d, E_INVALID, "%s: %s: wants %.*s", where, def->name, (int)b.n, b.p);
	buf_fini(&b);
	return E_INVALID;
}

enum err conf_form_check(const struct conf_def *def, slice_t s, const char *where, struct diag *d)
{
	slice_t others = SLICE_NONE;
	const struct form *f = def->words != NULL ? form_of(def, &others) : NULL;

	/* An empty text is none; an empty element is a slip. */
	if (f == NULL || (s.n == 0 && !conf_type_is_list(def->type)) ||
	    conf_is_word_of(s, others) || (s.n != 0 && f->fits(s)))
		return E_OK;
	return refuse(def, f, others, s, where, d);
}
