#include "tests/lib/dnstwin.h"

#include <stdio.h>
#include <stdlib.h>

#include "common/base/codec.h"
#include "common/base/num.h"

#define STRING_MAX 255 /* of a TXT record's strings */
#define TTL        300

static struct {
	const struct dnstwin_rr *records;
	unsigned asked;
} twin;

static const struct {
	const char *name;
	uint16_t type;
} types[] = {
	{"A", DNS_TYPE_A},     {"AAAA", DNS_TYPE_AAAA}, {"CNAME", DNS_TYPE_CNAME},
	{"MX", DNS_TYPE_MX},   {"TXT", DNS_TYPE_TXT},   {"TLSA", DNS_TYPE_TLSA},
	{"PTR", DNS_TYPE_PTR}, {"SRV", DNS_TYPE_SRV},
};

static uint16_t type_of(const struct dnstwin_rr *rr)
{
	for (size_t i = 0; i < ARRAY_LEN(types); i++) {
		if (strcmp(types[i].name, rr->type) == 0)
			return types[i].type;
	}
	return 0;
}

static bool is_at(const struct dnstwin_rr *rr, slice_t name)
{
	return slice_ieq(slice_str(rr->name), name);
}

/* A row of the name with this type; NULL: none. */
static const struct dnstwin_rr *find(slice_t name, const char *type)
{
	for (const struct dnstwin_rr *rr = twin.records; rr->name != NULL; rr++) {
		if (is_at(rr, name) && strcmp(rr->type, type) == 0)
			return rr;
	}
	return NULL;
}

static bool exists(slice_t name)
{
	for (const struct dnstwin_rr *rr = twin.records; rr->name != NULL; rr++) {
		if (is_at(rr, name))
			return true;
	}
	return false;
}

static void put_u16(struct buf *b, unsigned v)
{
	char bytes[2];

	be16_put(bytes, (uint16_t)v);
	buf_put(b, slice(bytes, sizeof bytes));
}

static void put_name(struct buf *b, slice_t name)
{
	while (name.n != 0) {
		size_t n = slice_find_char(name, '.');

		if (n != 0) {
			buf_putc(b, (char)n);
			buf_put(b, slice_sub(name, 0, n));
		}
		name = slice_from(name, n + 1);
	}
	buf_putc(b, '\0');
}

static void put_strings(struct buf *b, slice_t text)
{
	do {
		slice_t one = slice_sub(text, 0, STRING_MAX);

		buf_putc(b, (char)one.n);
		buf_put(b, one);
		text = slice_from(text, STRING_MAX);
	} while (text.n != 0);
}

static void put_data(struct buf *b, uint16_t type, const char *data)
{
	unsigned usage, selector, matching;
	struct ipaddr addr;
	char *rest;
	int at = 0;

	switch (type) {
	case DNS_TYPE_A:
	case DNS_TYPE_AAAA:
		invariant(ipaddr_parse(slice_str(data), &addr));
		buf_put(b, slice(addr.b, addr.family == 4 ? 4 : 16));
		break;
	case DNS_TYPE_MX:
		put_u16(b, (unsigned)strtoul(data, &rest, 10));
		put_name(b, slice_trim(slice_str(rest)));
		break;
	case DNS_TYPE_SRV:
		for (put_u16(b, (unsigned)strtoul(data, &rest, 10)); at < 2; at++)
			put_u16(b, (unsigned)strtoul(rest, &rest, 10));
		put_name(b, slice_trim(slice_str(rest)));
		break;
	case DNS_TYPE_TLSA:
		invariant(sscanf(data, "%u %u %u %n", &usage, &selector, &matching, &at) == 3);
		buf_putc(b, (char)usage);
		buf_putc(b, (char)selector);
		buf_putc(b, (char)matching);
		invariant(hex_decode(b, slice_str(data + at)));
		break;
	case DNS_TYPE_TXT:
		put_strings(b, slice_str(data));
		break;
	default:
		put_name(b, slice_str(data));
	}
}

static void put_record(struct buf *b, const struct dnstwin_rr *rr)
{
	struct buf data;

	buf_init(&data, DNS_PACKET_MAX, NULL);
	put_data(&data, type_of(rr), rr->data);
	put_name(b, slice_str(rr->name));
	put_u16(b, type_of(rr));
	put_u16(b, 1);
	put_u16(b, 0);
	put_u16(b, TTL);
	put_u16(b, (unsigned)data.n);
	buf_put(b, buf_slice(&data));
	buf_fini(&data);
}

/* The CNAMEs from a name on, then what was asked for at their end, which is returned. */
static slice_t put_answer(struct buf *b, slice_t name, uint16_t type, unsigned *n)
{
	const struct dnstwin_rr *alias;

	/* One more than the resolver follows. */
	while (type != DNS_TYPE_CNAME && (alias = find(name, "CNAME")) != NULL &&
	       *n <= DNS_CNAMES_MAX) {
		put_record(b, alias);
		++*n;
		name = slice_str(alias->data);
	}
	for (const struct dnstwin_rr *rr = twin.records; rr->name != NULL; rr++) {
		if (is_at(rr, name) && type_of(rr) == type) {
			put_record(b, rr);
			++*n;
		}
	}
	return name;
}

static enum dns_twin_says answer(void *arg UNUSED, slice_t name, uint16_t type,
				 struct dns_twin_answer *out)
{
	struct buf *b = &out->packet, answers;
	unsigned n = 0;
	slice_t last;

	twin.asked++;
	if (find(name, "FAIL") != NULL)
		return DNS_TWIN_FAILS;
	if (find(name, "SILENT") != NULL)
		return DNS_TWIN_IS_SILENT;
	buf_init(&answers, DNS_PACKET_MAX, NULL);
	last = put_answer(&answers, name, type, &n);
	out->secure = find(name, "SECURE") != NULL && find(last, "SECURE") != NULL;
	out->bogus = find(name, "BOGUS") != NULL || find(last, "BOGUS") != NULL;
	put_u16(b, 0);
	put_u16(b, 0x8180 | (exists(last) ? DNS_RCODE_OK : DNS_RCODE_NXDOMAIN));
	put_u16(b, 1);
	put_u16(b, n);
	put_u16(b, 0);
	put_u16(b, 0);
	put_name(b, name);
	put_u16(b, type);
	put_u16(b, 1);
	buf_put(b, buf_slice(&answers));
	buf_fini(&answers);
	return DNS_TWIN_ANSWERS;
}

const struct dns_twin *dnstwin(const struct dnstwin_rr *records)
{
	static const struct dns_twin calls = {.answer = answer};

	twin.records = records;
	twin.asked = 0;
	return &calls;
}

unsigned dnstwin_asked(void)
{
	return twin.asked;
}
