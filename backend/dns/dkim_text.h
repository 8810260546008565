/* dkim_text: the record of a key that signs mail (RFC 6376 section 3.6.1, RFC 8463 section 4). */
#ifndef BACKEND_DNS_DKIM_TEXT_H
#define BACKEND_DNS_DKIM_TEXT_H

#include "backend/directory/dir_dkim.h"
#include "backend/dns/asking.h"

/* Appends where the record belongs, without a last dot: at most DKIM_SELECTOR_MAX + 267 bytes. */
void dkim_text_name(const struct dir_dkim_row *key, struct buf *out);
/* Appends the text of the TXT record. */
void dkim_text_record(const struct dir_dkim_row *key, struct buf *out);

enum dkim_sight {
	DKIM_UNKNOWN, /* DNS could not be asked, or did not answer */
	DKIM_THERE,   /* verifiers find this key */
	DKIM_MISSING, /* there is no record */
	DKIM_OTHER,   /* there is one that does not verify what this key signs */
};
/* What the records at the key's name mean to verifiers; *why_out: a literal for people, of
 * DKIM_OTHER. */
enum dkim_sight dkim_text_judge(const struct dir_dkim_row *key, const struct ask_answer *a,
				const char **why_out);
/* Asks and judges. Errors are those of dns_ask. */
WAITS enum err dkim_text_look(struct asking *asking, const struct dir_dkim_row *key,
			      int64_t deadline_ms, enum dkim_sight *out, struct diag *d) MUST_USE;

#endif
