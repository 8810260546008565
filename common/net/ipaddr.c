#include "common/net/ipaddr.h"

#include <arpa/inet.h>

#include "common/base/num.h"

static unsigned addr_bits(const struct ipaddr *a)
{
	return a->family == 4 ? 32 : 128;
}

static void unmap(struct ipaddr *a)
{
	static const uint8_t mapped[12] = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff};

	if (a->family != 6 || memcmp(a->b, mapped, sizeof mapped) != 0)
		return;
	a->family = 4;
	memmove(a->b, a->b + 12, 4);
	memset(a->b + 4, 0, 12);
}

bool ipaddr_parse(slice_t text, struct ipaddr *out)
{
	struct ipaddr a = {0};
	char s[IPADDR_STR];

	if (!slice_to_str(text, s, sizeof s))
		return false;
	if (inet_pton(AF_INET, s, a.b) == 1)
		a.family = 4;
	else if (inet_pton(AF_INET6, s, a.b) == 1)
		a.family = 6;
	else
		return false;
	unmap(&a);
	*out = a;
	return true;
}

const char *ipaddr_str(const struct ipaddr *a, char *buf)
{
	if (a->family == 0 ||
	    inet_ntop(a->family == 4 ? AF_INET : AF_INET6, a->b, buf, IPADDR_STR) == NULL)
		memcpy(buf, "none", 5);
	return buf;
}

bool ipaddr_eq(const struct ipaddr *a, const struct ipaddr *b)
{
	return a->family == b->family && memcmp(a->b, b->b, addr_bits(a) / 8) == 0;
}

bool ipnet_parse(slice_t text, struct ipnet *out)
{
	size_t slash = slice_find_char(text, '/');
	struct ipnet n;
	uint64_t bits;

	if (!ipaddr_parse(slice_sub(text, 0, slash), &n.addr))
		return false;
	bits = addr_bits(&n.addr);
	if (slash < text.n) {
		slice_t width = slice_from(text, slash + 1);

		/* A mapped address with a width is read as neither family would expect. */
		if (n.addr.family == 4 && slice_find_char(text, ':') < text.n)
			return false;
		if (width.n > 3 || !num_parse(width, bits, &bits))
			return false;
	}
	n.bits = (uint8_t)bits;
	*out = n;
	return true;
}

bool ipnet_has(const struct ipnet *n, const struct ipaddr *a)
{
	size_t whole = n->bits / 8;
	unsigned rest = n->bits % 8;

	if (n->addr.family != a->family || memcmp(n->addr.b, a->b, whole) != 0)
		return false;
	return rest == 0 || ((n->addr.b[whole] ^ a->b[whole]) >> (8 - rest)) == 0;
}

bool ipaddr_parse_port(slice_t text, struct ipaddr *out, uint16_t *port)
{
	slice_t host, digits;
	struct ipaddr a;
	uint64_t n;

	if (text.n > 0 && text.p[0] == '[') {
		size_t end = slice_find_char(text, ']');

		host = slice_sub(text, 1, end - 1);
		digits = slice_from(text, end + 1);
		if (slice_find_char(host, ':') == host.n)
			return false;
	} else {
		host = slice_sub(text, 0, slice_find_char(text, ':'));
		digits = slice_from(text, host.n);
	}
	if (digits.n < 2 || digits.p[0] != ':' || digits.n > 6 ||
	    !num_parse(slice_from(digits, 1), UINT16_MAX, &n) || !ipaddr_parse(host, &a))
		return false;
	*out = a;
	*port = (uint16_t)n;
	return true;
}
