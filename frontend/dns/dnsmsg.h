/*
 * dnsmsg: an answer's bytes (RFC 1035 section 4), read without trust. The resolver library has
 * checked and rewritten the message; what stands in it was chosen by strangers all the same.
 *
 * A reader is a slice of the whole message and an offset; nothing is copied but names.
 */
#ifndef FRONTEND_DNS_DNSMSG_H
#define FRONTEND_DNS_DNSMSG_H

#include "common/base/err.h"
#include "common/base/slice.h"

#define DNS_NAME_MAX \
	253 /* as text, without the last dot: RFC 1035 section 2.3.4 (255 on the wire) */
#define DNS_LABEL_MAX 63
/* Pointers of one name. Each must point before the place where its part of the name began, so
 * that no name is endless; honest ones have one or two. */
#define DNS_JUMPS_MAX 32

#define DNS_TYPE_A     1
#define DNS_TYPE_CNAME 5
#define DNS_TYPE_PTR   12
#define DNS_TYPE_MX    15
#define DNS_TYPE_TXT   16
#define DNS_TYPE_AAAA  28
#define DNS_TYPE_SRV   33
#define DNS_TYPE_TLSA  52

#define DNS_RCODE_OK       0
#define DNS_RCODE_NXDOMAIN 3

struct dnsmsg {
	slice_t all;
	size_t at;     /* of the next record */
	unsigned left; /* records of the answer section not read yet */
	unsigned rcode;
	bool truncated;
};

enum dnsname_kind {
	DNSNAME_HOST, /* letters (lower case), digits, hyphen, underscore, dots */
	DNSNAME_ROOT, /* no label at all: the text is empty */
	DNSNAME_ODD,  /* a name of DNS, but with other bytes in it: the text is empty */
};

struct dnsname {
	enum dnsname_kind kind;
	size_t n;
	char text[DNS_NAME_MAX + 1];
};

struct dnsrr {
	struct dnsname owner;
	uint16_t type, class;
	uint32_t ttl;
	size_t data_at; /* in the message: names in the data may point into all of it */
	slice_t data;   /* borrows from the message */
};

/* The header and the question; false: not a response with one question. */
bool dnsmsg_open(slice_t message, struct dnsmsg *out) MUST_USE;
/* The next record of the answer section. P_MORE: there is none; P_BAD: not a message. */
enum parse_rc dnsmsg_next(struct dnsmsg *m, struct dnsrr *out) MUST_USE;
/* The name at an offset of the message; *end_out (may be NULL) is the offset behind it. */
bool dnsmsg_name(slice_t message, size_t at, struct dnsname *out, size_t *end_out) MUST_USE;
/* Of a record whose data are, after `skip` bytes, one name and nothing else (CNAME, PTR; MX). */
bool dnsrr_name(const struct dnsmsg *m, const struct dnsrr *rr, size_t skip,
		struct dnsname *out) MUST_USE;
/* Text that may be asked for: labels of 1 to 63 of [a-z0-9-_], in either case, 253 in all, a last
 * dot or not. The result is in lower case, without that dot. */
bool dnsname_parse(slice_t text, struct dnsname *out) MUST_USE;

#endif
