/* notice_priv: what the files of notice share: cleaning of hostile text, the draft, the words for
 * people. */
#ifndef FRONTEND_OUTBOUND_NOTICE_PRIV_H
#define FRONTEND_OUTBOUND_NOTICE_PRIV_H

#include "common/base/buf.h"
#include "common/parse/date.h"
#include "common/parse/idn.h"
#include "frontend/mime/encode.h"
#include "frontend/outbound/notice_text.h"

#define NOTICE_ID_HEX 32 /* 128 random bits: nothing in an original can be equal by chance */

struct notice_draft {
	const struct notice *n; /* borrowed */
	const struct notice_language *words;
	char host[DOMAIN_MAX + 1];
	char id[NOTICE_ID_HEX + 1]; /* in the boundary */
	char message_id[NOTICE_ID_HEX + 1];
	char date[DATE_STR_MAX];
	struct buf sender;   /* as it stands in To */
	struct buf original; /* its header, and its body if whole */
	size_t header_n;     /* bytes of its header */
	bool whole;          /* the body goes back too */
	bool big;            /* it does not, for its size alone */
	bool global;         /* some address is not ASCII */
	bool header_8bit, body_8bit;
	slice_t reply_to_id; /* the original's Message-ID, or empty; in original */
	struct buf subject;  /* the original's, decoded */
};

enum notice_charset { NOTICE_ASCII, NOTICE_UTF8 };

/* Appends at most max bytes of s without anything that could end a line or a field, or turn the
 * direction of writing round: line breaks become spaces, other controls "?", as do bytes that are
 * not ASCII or not well-formed UTF-8. What is cut ends in "...". */
void notice_clean(struct buf *out, slice_t s, enum notice_charset cs, size_t max);
/* The diagnostic's type ("smtp" without one) and words. */
void notice_diagnostic(slice_t s, slice_t *type_out, slice_t *words_out);
/* The recipient's status, or the general one of its action, as text. */
slice_t notice_status(const struct notice_recipient *r);

/* Whether an ORCPT (type;address) holds, decoded, what needs an address of type utf-8. */
bool notice_orcpt_is_utf8(slice_t orcpt);
/* Appends the Original-Recipient field, or nothing if it is no ORCPT. For type utf-8 the escapes of
 * RFC 6533 section 3 become characters. */
void notice_put_orcpt(struct buf *out, slice_t orcpt);

/* ---- notice_human: the first part ---- */

struct notice_human {
	const struct notice_draft *d;
	struct buf *out; /* what is written next */
	struct buf text; /* a paragraph, before it is wrapped */
	struct encode_qp qp;
	struct encode_b64 b64;
};

void notice_human_init(struct notice_human *h, const struct notice_draft *d, struct buf *out);
void notice_human_fini(struct notice_human *h);
/* In this order: for each action that occurs, its opening, its recipients, its closing; then the
 * end. */
void notice_human_opening(struct notice_human *h, enum notice_action action);
void notice_human_recipient(struct notice_human *h, const struct notice_recipient *r);
void notice_human_closing(struct notice_human *h, enum notice_action action);
void notice_human_end(struct notice_human *h);

#endif
