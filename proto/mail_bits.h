/*
 * mail_bits: what is said of a message on its way, as bits that go over the wire and lie in stored
 * rows; none ever changes. Content is proto/delivery.proto's, the others are those of SMTP.
 */
#ifndef PROTO_MAIL_BITS_H
#define PROTO_MAIL_BITS_H

#include "common/base/slice.h"

/* Content: what a message asks of the servers on its way. */
enum {
	CONTENT_8BIT = 1,         /* bytes above 127 in the body */
	CONTENT_UTF8 = 2,         /* ... in the header, or in an address */
	CONTENT_REQUIRETLS = 4,   /* RFC 8689; what the two mean: tls_wish_of() */
	CONTENT_TLS_OPTIONAL = 8, /* its field TLS-Required; never beside REQUIRETLS */
	CONTENT_LOSABLE = 16,     /* a report: nobody misses it where it cannot be sent */
	CONTENT_BINARY = 32,      /* a body of any bytes, lines of any length (RFC 3030) */
	CONTENT_ALL = 63,
};

/* BY (RFC 2852): return or notify, and trace; 0: not given. */
enum { BY_RETURN = 1, BY_NOTIFY = 2, BY_TRACE = 4, BY_ALL = 7 };

/* NOTIFY (RFC 3461 section 4.1): never, or some of the others; 0: not given. */
enum {
	NOTIFY_SUCCESS = 1,
	NOTIFY_FAILURE = 2,
	NOTIFY_DELAY = 4,
	NOTIFY_NEVER = 8,
	NOTIFY_ALL = 15
};

/* RET (RFC 3461 section 4.3); 0: not given. */
enum { RET_FULL = 1, RET_HDRS = 2 };

static inline bool content_is_sound(uint32_t content)
{
	const uint32_t tls = CONTENT_REQUIRETLS | CONTENT_TLS_OPTIONAL;

	return (content & ~(uint32_t)CONTENT_ALL) == 0 && (content & tls) != tls;
}

static inline bool by_is_sound(uint32_t by)
{
	const uint32_t either = BY_RETURN | BY_NOTIFY;

	return (by & ~(uint32_t)BY_ALL) == 0 && (by & either) != either;
}

static inline bool notify_is_sound(uint32_t notify)
{
	return (notify & ~(uint32_t)NOTIFY_ALL) == 0 &&
	       ((notify & NOTIFY_NEVER) == 0 || notify == NOTIFY_NEVER);
}

/* The TLS that a message asks for. */
enum tls_wish {
	TLS_WISH_NONE,
	TLS_WISH_REQUIRED,    /* REQUIRETLS: servers that we know, and that pass it on */
	TLS_WISH_INDIFFERENT, /* TLS-Required: No */
};

/* As the content of a message with this sender says. Notices go on without REQUIRETLS where they
 * must (RFC 8689 section 5): they wish nothing. REQUIRETLS comes before what a field says (section
 * 3). */
static inline enum tls_wish tls_wish_of(uint32_t content, slice_t sender)
{
	if ((content & CONTENT_REQUIRETLS) != 0)
		return sender.n != 0 ? TLS_WISH_REQUIRED : TLS_WISH_NONE;
	return (content & CONTENT_TLS_OPTIONAL) != 0 ? TLS_WISH_INDIFFERENT : TLS_WISH_NONE;
}

#endif
