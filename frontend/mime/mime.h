/*
 * mime: the streaming parser. It sees a message's bytes exactly as they are stored (dots
 * unstuffed), cut into chunks anywhere; the cuts make no difference. Lines end in LF, a CR before
 * it belongs to the break.
 *
 * A state per line, not per byte: in a body, a line that does not begin with "--" is body at once;
 * one that does is held until it can no longer be a delimiter. In a header, only fields that
 * matter are gathered, one at a time. Boundaries of all open multiparts are compared, innermost
 * first, so that a part that was never closed ends where its parent goes on.
 *
 * Degrading: a multipart without a usable boundary, or in which none was found, is text/plain; one
 * beyond the depth or the number of parts is opaque (application/octet-stream).
 */
#ifndef FRONTEND_MIME_MIME_H
#define FRONTEND_MIME_MIME_H

#include "common/base/budget.h"
#include "frontend/mime/summary.h"

/* Bytes of header looked at: of the message and of embedded messages, and of other parts. The
 * rest is passed over. Real headers are below 64 KiB. */
#define MIME_HEADER_MAX      (1024u * 1024)
#define MIME_PART_HEADER_MAX (64u * 1024)
/* Bytes of one field looked at: 1,000 addresses. */
#define MIME_FIELD_MAX       (64u * 1024)
/* Fields looked at in one header. */
#define MIME_FIELDS_MAX      2000
/* A boundary: RFC 2046 allows 70; software has made longer ones. */
#define MIME_BOUNDARY_MAX    200
/* A delimiter line with its padding; a longer line is text. */
#define MIME_DELIMITER_MAX   512

struct mime_limits {
	uint32_t depth; /* at most SUMMARY_DEPTH_MAX */
	uint32_t parts; /* at most SUMMARY_PARTS_MAX */
	uint32_t header_bytes;
	uint32_t part_header_bytes;
	uint32_t field_bytes;
	uint32_t fields;     /* a header */
	uint32_t text_bytes; /* at most SUMMARY_TEXT_MAX; 0: no text wanted */
};
/* The constants above. */
extern const struct mime_limits mime_limits_default;
/* For a message that nobody reads here: its sizes, and nothing of what it says. */
extern const struct mime_limits mime_limits_sizes;

struct mime_parser;

/* limits and budget are borrowed for the parser's life; the limits may be NULL for the defaults. */
struct mime_parser *mime_parser_new(const struct mime_limits *limits, struct budget *budget);
void mime_parser_free(struct mime_parser **p);
void mime_parser_feed(struct mime_parser *p, slice_t bytes);
/* A field (with its line break) that the message's own header lacks and that its copies have in
 * front of it: it counts for the envelope and the columns, and is no part of the record. Without
 * effect once the header is over. */
void mime_parser_add_field(struct mime_parser *p, slice_t raw);
/* The message is over. *out and what it points to live until mime_parser_free. E_LIMIT: the budget
 * refused memory on the way (nothing that a message says leads to any other error). */
enum err mime_parser_end(struct mime_parser *p, struct mime_summary *out) MUST_USE;

#endif
