/*
 * addr: one mail address (RFC 5321 Mailbox) and the paths of MAIL and RCPT; and, tolerantly, the
 * address lists of headers (RFC 5322 address-list with its obsolete forms), for ENVELOPE and for
 * the check of From.
 */
#ifndef COMMON_PARSE_ADDR_H
#define COMMON_PARSE_ADDR_H

#include "common/base/arena.h"
#include "common/base/buf.h"
#include "common/base/err.h"
#include "common/parse/cursor.h"
#include "common/parse/idn.h"

#define ADDR_LOCAL_MAX  64 /* RFC 5321 4.5.3.1.1, octets as written */
#define ADDR_DOMAIN_MAX DOMAIN_MAX
#define ADDR_PATH_MAX   256 /* RFC 5321 4.5.3.1.3, with the < > */
#define ADDR_ROUTE_MAX  16  /* domains of a source route, which is read and dropped */

enum {
	ADDR_NULL = 1,       /* <>: no address at all */
	ADDR_POSTMASTER = 2, /* <Postmaster>: no domain (RFC 5321 4.1.1.3) */
	ADDR_LITERAL = 4,    /* the domain is [literal], brackets included */
	ADDR_UTF8 = 8,       /* a byte above 127 is in it: needs SMTPUTF8 */
};

/* An address as it is meant, by value: the local part without quotes and backslashes, the domain
 * as written. NUL-terminated (neither holds a NUL). */
struct addr {
	uint8_t flags;
	uint8_t local_n;
	uint8_t domain_n;
	char local[ADDR_LOCAL_MAX + 1];
	char domain[ADDR_DOMAIN_MAX + 1];
};

static inline slice_t addr_local(const struct addr *a)
{
	return slice(a->local, a->local_n);
}

static inline slice_t addr_domain(const struct addr *a)
{
	return slice(a->domain, a->domain_n);
}

enum addr_charset { ADDR_ASCII, ADDR_SMTPUTF8 };

/* Mailbox (RFC 5321 4.1.2, RFC 6531 3.3): takes one at the cursor. E_INVALID: malformed, or
 * non-ASCII where ADDR_ASCII was asked; E_TOO_BIG: a limit. */
enum err addr_take_mailbox(struct cursor *c, enum addr_charset cs, struct addr *out) MUST_USE;
/* Reverse-path: <> or Path. */
enum err addr_take_reverse_path(struct cursor *c, enum addr_charset cs, struct addr *out) MUST_USE;
/* Forward-path: Path, or <Postmaster> in any case. A source route is accepted and ignored
 * (RFC 5321 appendix C). */
enum err addr_take_forward_path(struct cursor *c, enum addr_charset cs, struct addr *out) MUST_USE;
/* The whole of s is a Mailbox. */
enum err addr_parse(slice_t s, enum addr_charset cs, struct addr *out) MUST_USE;

/* Appends "local@domain", quoted where it must be; "" for ADDR_NULL. */
void addr_format(const struct addr *a, struct buf *out);
/* Brings the domain to the form of domain_normalise; literals to lower case. E_INVALID. */
enum err addr_normalise(struct addr *a) MUST_USE;
/* Same mailbox: local parts byte by byte, domains normalised by the caller before. */
bool addr_eq(const struct addr *a, const struct addr *b);

/* ---- header address lists ---- */

#define ADDR_LIST_MAX      2048 /* items of one field: no human writes more */
#define ADDR_COMMENT_DEPTH 32   /* nested comments; deeper makes the item malformed */

enum addr_item_kind { ADDR_MAILBOX, ADDR_GROUP_START, ADDR_GROUP_END };

/* Slices lie in the arena, or are empty. Quotes, backslashes, folds and comments are taken away;
 * RFC 2047 words are left as they are. */
struct addr_item {
	enum addr_item_kind kind;
	bool malformed; /* read as well as could be; not by the grammar */
	slice_t name;   /* display-name, or else the last comment; the group's name */
	slice_t route;  /* obs-route without the colon, "@a,@b" */
	slice_t local;
	slice_t domain; /* may be empty, when malformed */
};

struct addr_list {
	struct addr_item *items; /* in the arena */
	size_t n;
	bool malformed; /* an item is, or something was skipped */
	bool cut;       /* there were more than the limit */
};

/* Reads the body of a From, To, ... field, folds included. Never refuses: what cannot be read is
 * skipped up to the next comma, and noted. At most max items (<= ADDR_LIST_MAX). E_LIMIT when the
 * arena's budget is used up. */
enum err addr_list_parse(slice_t body, size_t max, struct arena *mem,
			 struct addr_list *out) MUST_USE;

#endif
