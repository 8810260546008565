/*
 * envelope: ENVELOPE of RFC 3501 section 7.4.2, rendered field by field while a message's header
 * streams by. One struct serves one header after the other.
 */
#ifndef FRONTEND_MIME_ENVELOPE_H
#define FRONTEND_MIME_ENVELOPE_H

#include "common/base/arena.h"
#include "common/base/buf.h"
#include "common/base/err.h"
#include "frontend/mime/hdr.h"

/* Caps, so that the whole stays below SUMMARY_ENVELOPE_MAX whatever comes: what is beyond is cut
 * (a string) or left out (an address). */
#define ENVELOPE_ADDRESSES_MAX 256  /* in one field: no list is shown longer */
#define ENVELOPE_SENDERS_BYTES 1536 /* From, Sender, Reply-To, each, rendered */
#define ENVELOPE_LISTS_BYTES   6144 /* To, Cc and Bcc together, rendered */
#define ENVELOPE_DATE_MAX      256
#define ENVELOPE_SUBJECT_MAX   2048
#define ENVELOPE_ID_MAX        1024 /* Message-ID, In-Reply-To */
/* Pieces of one address. */
#define ENVELOPE_NAME_MAX      512
#define ENVELOPE_LOCAL_MAX     320
#define ENVELOPE_HOST_MAX      256

enum envelope_item {
	ENVELOPE_DATE,
	ENVELOPE_SUBJECT,
	ENVELOPE_FROM,
	ENVELOPE_SENDER,
	ENVELOPE_REPLY_TO,
	ENVELOPE_TO,
	ENVELOPE_CC,
	ENVELOPE_BCC,
	ENVELOPE_IN_REPLY_TO,
	ENVELOPE_MESSAGE_ID,
	ENVELOPE_ITEMS,
};

struct envelope {
	struct buf item[ENVELOPE_ITEMS]; /* strings rendered; lists without their parentheses */
	struct buf value;                /* scratch: an unfolded value */
	size_t lists_left;
};

void envelope_init(struct envelope *e, struct budget *budget);
/* For the next header. */
void envelope_reset(struct envelope *e);
void envelope_fini(struct envelope *e);

/* Is this field part of it? */
bool envelope_wants(enum hdr_id id);
/* Takes a field's body, folds included. Of a repeated field the first counts, but To, Cc and Bcc
 * are joined. scratch is reset by the callee. E_LIMIT: the budget. */
enum err envelope_field(struct envelope *e, enum hdr_id id, slice_t body,
			struct arena *scratch) MUST_USE;
/* Appends "(...)". A Sender or Reply-To that is missing is the From. */
void envelope_render(const struct envelope *e, struct buf *out);
/* Appends an envelope that says nothing. */
void envelope_render_empty(struct buf *out);

#endif
