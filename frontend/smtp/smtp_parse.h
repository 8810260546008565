/*
 * smtp_parse: the arguments of SMTP commands. Pure functions over one line's bytes; each returns
 * SAY_NOTHING when all is well, or the refusal.
 */
#ifndef FRONTEND_SMTP_SMTP_PARSE_H
#define FRONTEND_SMTP_SMTP_PARSE_H

#include "common/parse/addr.h"
#include "frontend/smtp/smtp_reply.h"
#include "proto/mail_bits.h"

#define SMTP_HELO_MAX   255 /* RFC 5321 section 4.5.3.1.2: a domain, or an address literal */
#define SMTP_ENVID_MAX  100 /* RFC 3461 section 4.4, encoded */
#define SMTP_ORCPT_MAX  500 /* RFC 3461 section 4.2, encoded */
#define SMTP_PARAMS_MAX 16  /* of one command: more than there are */

enum smtp_params { SMTP_NO_PARAMS, SMTP_PARAMS }; /* after HELO, after EHLO */

/* HOLDFOR and HOLDUNTIL (RFC 4865): either. */
enum smtp_hold { HOLD_NONE, HOLD_FOR, HOLD_UNTIL };

struct smtp_mail_args {
	struct addr from;
	uint64_t size; /* 0: not said */
	bool body_8bit;
	bool body_binary; /* RFC 3030 */
	bool utf8;
	bool requiretls; /* RFC 8689 */
	enum smtp_hold hold;
	int64_t hold_s; /* FOR: from now; UNTIL: since 1970 */
	bool has_priority;
	int32_t priority; /* RFC 6710: -9 to 9 */
	uint32_t by;      /* RFC 2852, bits; 0: not given */
	int32_t by_s;     /* from now; may be over */
	uint32_t ret;
	size_t envid_n;
	char envid[SMTP_ENVID_MAX]; /* decoded */
};

struct smtp_rcpt_args {
	struct addr to;
	uint32_t notify;
	size_t orcpt_n;
	char orcpt[SMTP_ORCPT_MAX]; /* type;address, decoded */
};

/* Which mail a node's name means: its own; that of all below it, too; what a queue holds. */
enum smtp_etrn_what { SMTP_ETRN_NODE, SMTP_ETRN_BELOW, SMTP_ETRN_QUEUE };

struct smtp_etrn_args {
	enum smtp_etrn_what what;
	char node[1 + DOMAIN_MAX + 1]; /* in lower case */
};

/* Of ATRN: as many as a back-end takes. */
#define SMTP_ATRN_DOMAINS_MAX 16

struct smtp_atrn_args {
	size_t n;
	char domains[SMTP_ATRN_DOMAINS_MAX][DOMAIN_MAX + 1]; /* in lower case */
};

/* "FROM:" Reverse-path [SP Mail-parameters] (RFC 5321 section 4.1.1.2). */
enum smtp_say smtp_parse_mail(slice_t args, enum smtp_params p, struct smtp_mail_args *out);
/* "TO:" Forward-path [SP Rcpt-parameters]. */
enum smtp_say smtp_parse_rcpt(slice_t args, enum smtp_params p, enum addr_charset cs,
			      struct smtp_rcpt_args *out);
/* Domain or address-literal; tolerant about what is in it, but only printable ASCII without
 * what could be taken for more in a trace field. Names in Unicode come as A-labels (RFC 6531
 * section 3.7.1). */
enum smtp_say smtp_parse_helo(slice_t args, char out[SMTP_HELO_MAX + 1]);
/* chunk-size [SP "LAST"] (RFC 3030 section 2). */
enum smtp_say smtp_parse_bdat(slice_t args, uint64_t *size_out, bool *last_out);
/* [@ or #] node (RFC 1985 section 5.2); of # also what routes are for: .suffix, *. */
enum smtp_say smtp_parse_etrn(slice_t args, struct smtp_etrn_args *out);
/* [domain *("," domain)] (RFC 2645 section 5.2.1). */
enum smtp_say smtp_parse_atrn(slice_t args, struct smtp_atrn_args *out);
/* xtext (RFC 3461 section 4) into out of at least s.n bytes; false: malformed, or it holds what
 * is not printable ASCII. */
bool smtp_xtext_decode(slice_t s, char *out, size_t *n_out) MUST_USE;

#endif
