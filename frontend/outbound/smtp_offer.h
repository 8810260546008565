/*
 * smtp_offer: what a server says it can do: the lines of its answer to EHLO or LHLO (RFC 5321
 * section 4.1.1.1). What is not understood is not offered.
 */
#ifndef FRONTEND_OUTBOUND_SMTP_OFFER_H
#define FRONTEND_OUTBOUND_SMTP_OFFER_H

#include "common/base/slice.h"

enum smtp_extension {
	SMTP_EXT_PIPELINING = 1,   /* RFC 2920 */
	SMTP_EXT_SIZE = 2,         /* RFC 1870 */
	SMTP_EXT_8BITMIME = 4,     /* RFC 6152 */
	SMTP_EXT_SMTPUTF8 = 8,     /* RFC 6531 */
	SMTP_EXT_CHUNKING = 16,    /* RFC 3030 */
	SMTP_EXT_BINARYMIME = 32,  /* RFC 3030 */
	SMTP_EXT_DSN = 64,         /* RFC 3461 */
	SMTP_EXT_REQUIRETLS = 128, /* RFC 8689 */
	SMTP_EXT_STATUS = 256,     /* RFC 2034 */
	SMTP_EXT_STARTTLS = 512,   /* RFC 3207 */
	SMTP_EXT_LIMITS = 1024,    /* RFC 9422 */
	SMTP_EXT_AUTH = 2048,      /* RFC 4954 */
	SMTP_EXT_DELIVERBY = 4096, /* RFC 2852 */
	SMTP_EXT_PRIORITY = 8192,  /* RFC 6710 */
};

/* Mechanisms of AUTH that we speak. */
enum smtp_mech {
	SMTP_MECH_PLAIN = 1,
	SMTP_MECH_LOGIN = 2,
	SMTP_MECH_SCRAM_SHA_256 = 4,
	SMTP_MECH_GSSAPI = 8,
};

#define SMTP_PEER_NAME_MAX 255 /* RFC 5321 section 4.5.3.1.2 */

struct smtp_offer {
	uint32_t has;      /* smtp_extension, as bits */
	uint32_t mechs;    /* smtp_mech, as bits */
	uint64_t size_max; /* bytes; 0: not said */
	unsigned by_min;   /* seconds that DELIVERBY takes at least; 0: not said */
	/* Of LIMITS; 0: not said. */
	unsigned rcpt_max;                 /* recipients of a transaction */
	unsigned mail_max;                 /* transactions of a connection */
	unsigned rcpt_domain_max;          /* domains of a transaction's recipients */
	char name[SMTP_PEER_NAME_MAX + 1]; /* what the server calls itself; may be empty */
};

/* Takes the words of line `line` (the first, 0, has the server's name). */
void smtp_offer_line(struct smtp_offer *o, unsigned line, slice_t text);
/* The first word of a greeting or of EHLO's answer, cleaned; empty if it is too long. */
void smtp_offer_name(slice_t text, char out[SMTP_PEER_NAME_MAX + 1]);

static inline bool smtp_offers(const struct smtp_offer *o, enum smtp_extension x)
{
	return (o->has & (uint32_t)x) != 0;
}

#endif
