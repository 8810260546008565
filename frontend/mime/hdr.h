/* hdr: header fields (RFC 5322 section 2.2): names, unfolding, iteration over a whole header. */
#ifndef FRONTEND_MIME_HDR_H
#define FRONTEND_MIME_HDR_H

#include "common/base/buf.h"

/* Fields that something here looks at. The numbers are stored with kept fields: new ones go to the
 * end, none changes. */
enum hdr_id {
	HDR_OTHER = 0,
	HDR_FROM,
	HDR_SENDER,
	HDR_REPLY_TO,
	HDR_TO,
	HDR_CC,
	HDR_BCC,
	HDR_DATE,
	HDR_SUBJECT,
	HDR_MESSAGE_ID,
	HDR_IN_REPLY_TO,
	HDR_REFERENCES,
	HDR_MIME_VERSION,
	HDR_CONTENT_TYPE,
	HDR_CONTENT_TRANSFER_ENCODING,
	HDR_CONTENT_DISPOSITION,
	HDR_CONTENT_ID,
	HDR_CONTENT_DESCRIPTION,
	HDR_CONTENT_LANGUAGE,
	HDR_CONTENT_LOCATION,
	HDR_CONTENT_MD5,
	HDR_CONTENT_OTHER, /* any other Content-* */
	HDR_LIST,          /* any List-* */
	HDR_PRIORITY,
	HDR_X_PRIORITY,
	HDR_IMPORTANCE,
	HDR_NEWSGROUPS,
};

/* By name, ASCII case ignored. */
enum hdr_id hdr_id(slice_t name);
/* Is it kept in the summary? Everything but HDR_OTHER: From, Sender, Reply-To, To, Cc, Bcc, Date,
 * Subject, Message-ID, In-Reply-To, References, MIME-Version, Content-*, List-*, Priority,
 * X-Priority, Importance, Newsgroups. */
static inline bool hdr_kept(enum hdr_id id)
{
	return id != HDR_OTHER;
}
/* The same by name: whether a header fetch of that field can be answered from a summary whose
 * fields are complete. */
static inline bool hdr_name_kept(slice_t name)
{
	return hdr_kept(hdr_id(name));
}

/* The field's name in `raw` (a whole field), white space before the colon left out. Empty: raw
 * does not begin with a field name and a colon. */
slice_t hdr_field_name(slice_t raw);
/* The bytes after the colon. */
slice_t hdr_field_body(slice_t raw);
/* Appends the value with line breaks taken out (RFC 5322 section 2.2.3: the white space after a
 * break stays) and trimmed at both ends. NULs are left out. */
void hdr_unfold(struct buf *out, slice_t value);

/* Walks the fields of a header that lies in memory. Ends at the blank line or the end of it. */
struct hdr_iter {
	slice_t rest;
};
static inline void hdr_iter_init(struct hdr_iter *it, slice_t header)
{
	it->rest = header;
}
/* False at the end. *raw_out: the whole field with its folded lines and last line break; a line
 * that is no field is returned too, with an empty name. */
bool hdr_iter_next(struct hdr_iter *it, slice_t *name_out, slice_t *raw_out);

#endif
