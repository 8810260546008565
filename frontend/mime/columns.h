/*
 * columns: what SEARCH, SORT and THREAD look at of a message's own header: addresses and subject
 * decoded to UTF-8, the base subject, the sent date, message ids.
 */
#ifndef FRONTEND_MIME_COLUMNS_H
#define FRONTEND_MIME_COLUMNS_H

#include "common/base/arena.h"
#include "common/base/buf.h"
#include "common/base/err.h"
#include "frontend/mime/hdr.h"
#include "frontend/mime/summary.h"

struct columns {
	struct buf from, to, cc, bcc, subject, base;
	struct buf value; /* scratch: an unfolded value */
	slice_t message_id;
	slice_t references[SUMMARY_REFERENCES_MAX]; /* in mem */
	size_t nreferences;
	slice_t in_reply_to; /* its first id */
	bool sent;
	int64_t sent_us;
	int16_t sent_zone_min;
	struct arena *mem; /* borrowed */
};

void columns_init(struct columns *c, struct arena *mem, struct budget *budget);
void columns_fini(struct columns *c);
/* Takes a field's body, folds included. To, Cc and Bcc that are repeated are joined, of others the
 * first counts. E_LIMIT: the budget. */
enum err columns_field(struct columns *c, enum hdr_id id, slice_t body) MUST_USE;
/* Puts them into the summary; slices point into c and its arena. */
void columns_finish(struct columns *c, struct mime_summary *out);

#endif
