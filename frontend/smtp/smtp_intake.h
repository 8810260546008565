/*
 * smtp_intake: the bytes of one message on their way: of a submission through the changes of its
 * header, then through the header watch, the MIME parser, of a submission the hash that is to be
 * signed, and the record writer to all owners, once, as they arrive. After the first failure the
 * rest is counted and thrown away. Small messages leave in one write, at their end.
 */
#ifndef FRONTEND_SMTP_SMTP_INTAKE_H
#define FRONTEND_SMTP_SMTP_INTAKE_H

#include "frontend/core/line.h"
#include "frontend/mailauth/dkim_hash.h"
#include "frontend/mime/mime.h"
#include "frontend/record/record_write.h"
#include "frontend/smtp/smtp_edit.h"
#include "frontend/smtp/smtp_header.h"
#include "frontend/smtp/smtp_reply.h"

struct smtp;

struct smtp_intake {
	struct smtp_edit *edit; /* of a submission, until its header is over; else NULL */
	struct buf edited;      /* a submission's bytes under way, until its header is over */
	struct smtp_header header;
	struct mime_parser *mime;
	struct record_write record;
	struct dkim_hash *dkim; /* of a submission; else NULL */
	struct buf out;         /* stored bytes not sent yet */
	bool eight;             /* a byte above 127 has gone by */
	bool completed;
	enum err from_err;       /* of a submission, when its header is over: what From and */
	enum smtp_say from_said; /* Sender say */
	bool lacks_sender;       /* and whether there has to be a Sender */
	slice_t added;           /* fields that a submission lacked; in the transaction's arena */
	struct eol_check eol;
	unsigned blank; /* bytes of the CRLF CRLF that ends the header so far; 4: it is over */
	uint64_t bytes;
	int64_t deadline_ms;  /* for the whole message */
	bool begun;           /* the owners know of it */
	enum smtp_say failed; /* SAY_NOTHING: none */
};

/* For the transaction under way. */
void smtp_intake_new(struct smtp *s);
void smtp_intake_free(struct smtp_intake **in);
/* Line ends of bytes that BDAT brings, before they are fed. The body of a binary message has none;
 * its header has. */
void smtp_intake_check(struct smtp *s, slice_t bytes);
/* Takes bytes (borrowed until the first wait inside). Failures stay in in->failed. */
WAITS void smtp_intake_feed(struct smtp *s, slice_t bytes);
/* No more bytes come: what the header's changes kept goes on, and the header is complete. */
WAITS void smtp_intake_last(struct smtp *s);
/* All bytes are there: finishes the record and sends the last of it to the owners. */
WAITS void smtp_intake_end(struct smtp *s);
void smtp_intake_fail(struct smtp *s, enum smtp_say why);

#endif
