/* imap_flags: flag lists (RFC 3501 section 2.3.2) as bits, and keywords by name and by bit. */
#ifndef FRONTEND_IMAP_IMAP_FLAGS_H
#define FRONTEND_IMAP_IMAP_FLAGS_H

#include "frontend/imap/imap_parse.h"
#include "frontend/rpc/call_message.h"

/* Keywords of a mailbox are bits of 64; a command can name no more. */
#define IMAP_KEYWORDS_MAX      64u
/* Of one; the longest in use (IANA's registry) has 24. */
#define IMAP_KEYWORD_BYTES_MAX 128u

struct imap_flags {
	uint32_t flags;
	const slice_t *keywords; /* in the arguments' arena; each one once */
	size_t nkeywords;
};

/* flag-list = "(" [flag *(SP flag)] ")". *why_out (a literal) says what is wrong. */
bool imap_flags_parse(struct imap_args *a, struct imap_flags *out, const char **why_out);
/* STORE's: flag-list / (flag *(SP flag)). */
bool imap_flags_parse_store(struct imap_args *a, struct imap_flags *out, const char **why_out);

enum imap_recent { IMAP_NOT_RECENT, IMAP_RECENT };
/* Appends "(\Seen keyword ...)". Bits without a name are left out. */
void imap_flags_put(struct buf *out, uint32_t flags, uint64_t keywords, const slice_t *names,
		    size_t nnames, enum imap_recent recent);
/* What may be said of a keyword that a back-end named: an atom, else it is not shown. */
bool imap_keyword_ok(slice_t name);

#endif
