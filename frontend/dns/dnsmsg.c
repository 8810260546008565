#include "frontend/dns/dnsmsg.h"

#include "common/base/num.h"

#define HEADER_BYTES 12
#define FLAG_QR      0x8000
#define FLAG_TC      0x0200
#define RCODE_MASK   0x000f
#define RR_FIXED     10 /* type, class, ttl, length */

static bool is_host_char(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-' || c == '_';
}

static unsigned char byte_at(slice_t s, size_t i)
{
	return (unsigned char)s.p[i];
}

/* A label's bytes behind what is there; a strange byte makes the whole name odd. False: too
 * long. */
static bool add_label(struct dnsname *n, slice_t label)
{
	size_t dot = n->n != 0 ? 1 : 0;

	if (n->n + dot + label.n > DNS_NAME_MAX)
		return false;
	if (dot != 0)
		n->text[n->n++] = '.';
	for (size_t i = 0; i < label.n; i++) {
		char c = ascii_lower(label.p[i]);

		if (!is_host_char(c))
			n->kind = DNSNAME_ODD;
		n->text[n->n++] = c;
	}
	return true;
}

static void finish(struct dnsname *n)
{
	if (n->kind == DNSNAME_ODD)
		n->n = 0;
	else
		n->kind = n->n != 0 ? DNSNAME_HOST : DNSNAME_ROOT;
	n->text[n->n] = '\0';
}

/* RFC 1035 sections 3.1 and 4.1.4. */
bool dnsmsg_name(slice_t message, size_t at, struct dnsname *out, size_t *end_out)
{
	size_t end = 0, limit = at; /* where the part being read began: pointers go before it */
	unsigned jumps = 0;

	out->kind = DNSNAME_HOST;
	out->n = 0;
	for (;;) {
		size_t n;

		if (at >= message.n)
			return false;
		n = byte_at(message, at);
		if (n == 0)
			break;
		if (n >= 0xc0) {
			if (message.n - at < 2)
				return false;
			if (jumps++ == 0)
				end = at + 2;
			at = (n & 0x3f) << 8 | byte_at(message, at + 1);
			if (at >= limit || jumps > DNS_JUMPS_MAX)
				return false;
			limit = at;
			continue;
		}
		if (n > DNS_LABEL_MAX || message.n - at - 1 < n ||
		    !add_label(out, slice(message.p + at + 1, n)))
			return false;
		at += n + 1;
	}
	finish(out);
	if (end_out != NULL)
		*end_out = jumps != 0 ? end : at + 1;
	return true;
}

bool dnsname_parse(slice_t text, struct dnsname *out)
{
	out->kind = DNSNAME_HOST;
	out->n = 0;
	if (text.n != 0 && text.p[text.n - 1] == '.')
		text = slice_sub(text, 0, text.n - 1);
	do {
		size_t n = slice_find_char(text, '.');

		if (n == 0 || n > DNS_LABEL_MAX || !add_label(out, slice_sub(text, 0, n)))
			return false;
		if (n + 1 == text.n)
			return false; /* "a.." */
		text = slice_from(text, n + 1);
	} while (text.n != 0);
	finish(out);
	return out->kind == DNSNAME_HOST;
}

bool dnsmsg_open(slice_t message, struct dnsmsg *out)
{
	struct dnsname question;
	unsigned flags;
	size_t end;

	if (message.n < HEADER_BYTES || be16_get(message.p + 4) != 1)
		return false;
	flags = be16_get(message.p + 2);
	if ((flags & FLAG_QR) == 0 || !dnsmsg_name(message, HEADER_BYTES, &question, &end) ||
	    message.n - end < 4)
		return false;
	*out = (struct dnsmsg){
		.all = message,
		.at = end + 4,
		.left = be16_get(message.p + 6),
		.rcode = flags & RCODE_MASK,
		.truncated = (flags & FLAG_TC) != 0,
	};
	return true;
}

enum parse_rc dnsmsg_next(struct dnsmsg *m, struct dnsrr *out)
{
	const char *fixed;
	size_t at, n;

	if (m->left == 0)
		return P_MORE;
	if (!dnsmsg_name(m->all, m->at, &out->owner, &at) || m->all.n - at < RR_FIXED)
		return P_BAD;
	fixed = m->all.p + at;
	n = be16_get(fixed + 8);
	at += RR_FIXED;
	if (m->all.n - at < n)
		return P_BAD;
	out->type = be16_get(fixed);
	out->class = be16_get(fixed + 2);
	out->ttl = be32_get(fixed + 4);
	out->data_at = at;
	out->data = slice(m->all.p + at, n);
	m->at = at + n;
	m->left--;
	return P_OK;
}

bool dnsrr_name(const struct dnsmsg *m, const struct dnsrr *rr, size_t skip, struct dnsname *out)
{
	size_t end;

	return rr->data.n > skip && dnsmsg_name(m->all, rr->data_at + skip, out, &end) &&
	       end == rr->data_at + rr->data.n;
}
