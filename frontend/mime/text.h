/*
 * text: what a message says, as UTF-8, for search: the text of its text parts with transfer
 * encoding, charset and markup undone, and names of attachments. Made while the message streams
 * by; bounded; nothing of it is for display.
 */
#ifndef FRONTEND_MIME_TEXT_H
#define FRONTEND_MIME_TEXT_H

#include "common/base/buf.h"
#include "frontend/mime/charset.h"
#include "frontend/mime/decode.h"
#include "frontend/mime/html.h"

struct text {
	struct buf out;
	bool cut; /* there was more than fits */
	bool open;
	bool markup;
	struct decode decode;
	struct charset charset;
	struct html html;
};

/* max: bytes of text kept; 0: none is wanted. */
void text_init(struct text *t, size_t max, struct budget *budget);
void text_fini(struct text *t);

/* A text part begins: its subtype (markup or not) and charset parameter. */
void text_begin(struct text *t, slice_t subtype, slice_t charset, enum mime_cte cte);
/* Bytes of the part's body as they stand; ignored when no part was begun. */
void text_feed(struct text *t, slice_t bytes);
void text_end(struct text *t);
/* A line by itself: a file name, a subject. UTF-8. */
void text_add_line(struct text *t, slice_t utf8);

#endif
