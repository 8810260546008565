/*
 * smtp_header: watches a message's own header go by, for what the end of data must know: the
 * number of trace fields (loops), what a submission lacks (RFC 6409 section 8), the addresses of
 * From and Sender, and whether TLS is of no importance to it. It reads the header only, byte by
 * byte, and stops at the empty line.
 */
#ifndef FRONTEND_SMTP_SMTP_HEADER_H
#define FRONTEND_SMTP_SMTP_HEADER_H

#include "common/base/buf.h"

/* Of all From fields together, and as much of all Sender fields: a hundred addresses with names. */
#define SMTP_HEADER_FROM_MAX 16384
/* The longest name looked for. */
#define SMTP_HEADER_NAME_MAX 16

struct smtp_header {
	uint8_t state;
	uint8_t field;
	uint8_t name_n;
	uint8_t tls; /* what TLS-Required has said so far */
	bool spaced; /* white space after the name */
	bool cr;
	char name[SMTP_HEADER_NAME_MAX];
	bool begun;
	/* It begins with a folded line, which would go on with the last field that we put in front:
	 * another's address in our From, another's words in our Received. */
	bool stray;
	bool eight; /* it has bytes above 127 */
	bool has_date, has_message_id, has_from, has_sender;
	uint32_t received;
	/* The bodies of all From and of all Sender fields, unfolded, with a LF between (which none
	 * has inside): one that is malformed must not swallow the next. */
	struct buf from, sender;
};

void smtp_header_init(struct smtp_header *h, struct budget *budget);
void smtp_header_fini(struct smtp_header *h);
void smtp_header_feed(struct smtp_header *h, slice_t bytes);
/* The empty line has gone by. */
bool smtp_header_over(const struct smtp_header *h);
/* TLS-Required: No (RFC 8689 section 3); of several fields the last counts. */
bool smtp_header_tls_optional(const struct smtp_header *h);
/* From or Sender did not fit: they cannot be judged. */
static inline bool smtp_header_cut(const struct smtp_header *h)
{
	return buf_failed(&h->from) || buf_failed(&h->sender);
}

#endif
